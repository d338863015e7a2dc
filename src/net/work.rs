//! What a helper does for a file: the part of the disk's work that blocks or burns; and what of it the loop may do.
//!
//! Owns: how each job is carried out, and hashing. Must not know: threads, the table of files, sessions.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use blake3::Hasher;
use blake3::hazmat::HasherExt;

use super::names::Names;
use super::part::{Part, for_good};
use super::source::Prepared;
use crate::proto::TransferId;
use crate::proto::digest::BLOCK;
use crate::proto::disk::{Block, BlockValue, DiskAnswer, DiskError};
use crate::proto::stages::Spent;
use crate::sys::{self, Buffer};

/// Bytes read at once for hashing: stays in a core's cache between the reading and the hashing.
const PIECE: usize = 256 * 1024;

/// A file of ours that may be sent. Shared with the helpers; whoever lets go of it last closes it.
#[derive(Debug)]
pub struct Source {
    prepared: Prepared,
    file: OnceLock<Arc<File>>,
}

impl Source {
    /// A source that is not open yet.
    pub fn new(prepared: Prepared) -> Self {
        Self { prepared, file: OnceLock::new() }
    }

    /// The name as offered.
    pub fn name(&self) -> &str {
        &self.prepared.name
    }

    /// The open file, once it was opened.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.file.get()
    }

    fn open(&self) -> Result<(), DiskError> {
        let file = sys::open_source(&self.prepared.path).map_err(|error| for_good(self.name(), &error))?;
        self.unchanged(&file, "changed since it was offered")?;
        sys::will_read(&file);
        self.file.set(Arc::new(file)).map_err(|_| refusal(self.name(), "was opened twice"))
    }

    fn check(&self) -> Result<(), DiskError> {
        let file = self.file().ok_or_else(|| refusal(self.name(), "is not open"))?;
        self.unchanged(file, "changed while it was sent")
    }

    fn unchanged(&self, file: &File, otherwise: &str) -> Result<(), DiskError> {
        let stamp = sys::stamp(file).map_err(|error| for_good(self.name(), &error))?;
        if stamp.is_same_as(&self.prepared.stamp) { Ok(()) } else { Err(refusal(self.name(), otherwise)) }
    }
}

/// How often the system is asked what a thread has computed. What it tells of one that runs is as old as its last tick,
/// 4 ms on many: a twenty-fifth of this.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What of the time of a thread that reads and hashes is its processor's. Between its jobs it may wait for a core, and a
/// read that waits for one looks like a read that waits for a disk: only the system can tell.
#[derive(Debug, Default)]
struct Computing {
    /// When it was asked, and what it said ([`sys::computed`]).
    asked: Option<(Instant, Duration)>,
    /// What was worked since then.
    worked: Duration,
}

impl Computing {
    /// A job that is over `now`. What was waited for a core is taken for hashing, which is the processor's too.
    fn charge(&mut self, job: Spent, now: Instant, computed: impl FnOnce() -> Option<Duration>) -> Spent {
        let worked = job.reading + job.hashing;
        if self.asked.is_some_and(|(asked, _)| now.saturating_duration_since(asked) < ASK_EVERY) {
            self.worked += worked;
            return job;
        }
        let told_before = self.asked.map_or(Duration::ZERO, |(_, told)| told);
        let Some(told) = computed() else {
            self.asked = Some((now, told_before));
            self.worked += worked;
            return job;
        };
        let before = told_before + self.worked;
        *self = Self { asked: Some((now, told)), worked: Duration::ZERO };
        // Computed in this job, or waited for a core before it.
        let ours = told.saturating_sub(before);
        let blocked = worked.saturating_sub(ours);
        let reading = if worked < ASK_EVERY { job.reading } else { job.reading.min(blocked) };
        Spent { reading, hashing: ours.max(worked) - reading }
    }
}

/// What a thread keeps from job to job.
#[derive(Debug, Default)]
pub struct Scratch {
    buffer: Buffer,
    names: Names,
    spent: Spent,
    computing: Computing,
    read: Option<Buffer>,
}

impl Scratch {
    /// How long was read and hashed since this was last asked.
    pub fn take_spent(&mut self) -> Spent {
        std::mem::take(&mut self.spent)
    }

    /// The buffer that the last job was given, now with the block in it.
    pub fn take_read(&mut self) -> Option<Buffer> {
        self.read.take()
    }
}

/// A job of the disk, with all that it takes.
#[derive(Debug)]
pub enum DiskWork {
    /// Open a source.
    OpenSource(TransferId, Arc<Source>),
    /// Is it unchanged?
    CheckSource(TransferId, Arc<Source>),
    /// Hash a block of it; with a buffer of at least its length, read it into that, for whoever sends it.
    HashSource(TransferId, Block, Arc<Source>, Option<Buffer>),
    /// Hash a block of a stream.
    HashStream(TransferId, Block, Arc<Vec<u8>>),
    /// Let go of it.
    CloseSource(Arc<Source>),
    /// Create a part file for that many bytes.
    CreatePart(TransferId, Option<u64>, Arc<Part>),
    /// Hash a block of it.
    HashPart(TransferId, Block, Arc<Part>),
    /// Bring what stands in it to the disk.
    FlushPart(TransferId, Arc<Part>),
    /// Bring what stands in it to the disk, and write down that these blocks are verified, from the first on; and
    /// whether nobody will for now.
    RecordPart(TransferId, u64, Vec<[u8; 32]>, bool, Arc<Part>),
    /// Nothing that its journal says counts.
    RestartPart(TransferId, Arc<Part>),
    /// Bring it to the disk.
    SyncPart(TransferId, Arc<Part>),
    /// Give it its name.
    Publish(TransferId, Arc<Part>),
    /// Bring its name to the disk.
    SyncFolder(TransferId, Arc<Part>),
    /// Let go of it.
    KeepPart(Arc<Part>),
    /// Remove it, and let go of it.
    RemovePart(Arc<Part>),
    /// Nothing, but in its turn.
    Say(DiskAnswer),
}

impl DiskWork {
    /// The answer if it cannot be done at all; `None` for what has no answer.
    pub fn failure(&self, words: &str) -> Option<DiskAnswer> {
        let error = DiskError { words: words.to_owned(), resumable: false };
        Some(match self {
            Self::OpenSource(id, _) => DiskAnswer::SourceOpened(*id, Err(error)),
            Self::CheckSource(id, _) => DiskAnswer::SourceChecked(*id, Err(error)),
            Self::HashSource(id, block, ..) => DiskAnswer::SourceHashed(*id, *block, Err(error)),
            Self::HashStream(id, block, _) => DiskAnswer::SourceHashed(*id, *block, Err(error)),
            Self::CreatePart(id, _, _) => DiskAnswer::PartCreated(*id, Err(error)),
            Self::HashPart(id, block, _) => DiskAnswer::PartHashed(*id, *block, Err(error)),
            Self::FlushPart(id, _) | Self::RecordPart(id, ..) | Self::RestartPart(id, _) => {
                DiskAnswer::PartFlushed(*id, Err(error))
            }
            Self::SyncPart(id, _) => DiskAnswer::PartSynced(*id, Err(error)),
            Self::Publish(id, _) => DiskAnswer::Published(*id, Err(error)),
            Self::SyncFolder(id, _) => DiskAnswer::FolderSynced(*id, Err(error)),
            Self::Say(answer) => answer.clone(),
            Self::CloseSource(_) | Self::KeepPart(_) | Self::RemovePart(_) => return None,
        })
    }

    /// Does it, with what the thread keeps from job to job.
    pub fn run(self, scratch: &mut Scratch) -> Option<DiskAnswer> {
        let Scratch { buffer, names, spent, computing, read } = scratch;
        let mut hashed = |file: Option<&File>, name: &str, block, into| {
            let mut job = Spent::default();
            let value = hash_file(file, name, block, (into, &mut job));
            *spent += computing.charge(job, Instant::now(), sys::computed);
            value
        };
        Some(match self {
            Self::OpenSource(id, source) => DiskAnswer::SourceOpened(id, source.open()),
            Self::CheckSource(id, source) => DiskAnswer::SourceChecked(id, source.check()),
            Self::HashSource(id, block, source, mut lent) => {
                let into = lent.as_mut().map_or(Target::Pieces(buffer), |lent| Target::Whole(lent));
                let value = hashed(source.file().map(Arc::as_ref), source.name(), block, into);
                *read = lent.filter(|_| value.is_ok());
                DiskAnswer::SourceHashed(id, block, value)
            }
            Self::HashStream(id, block, bytes) => {
                let before = Instant::now();
                let value = hash_bytes(block, &bytes);
                computing.worked += before.elapsed();
                DiskAnswer::SourceHashed(id, block, Ok(value))
            }
            Self::CreatePart(id, size, part) => match part.create(size, names) {
                Ok(Some(values)) => DiskAnswer::PartTaken(id, values),
                result => DiskAnswer::PartCreated(id, result.map(drop)),
            },
            Self::HashPart(id, block, part) => {
                let into = Target::Pieces(buffer);
                DiskAnswer::PartHashed(id, block, hashed(part.file(), part.name(), block, into))
            }
            Self::FlushPart(id, part) => DiskAnswer::PartFlushed(id, part.flush()),
            Self::RecordPart(id, first, values, last, part) => {
                DiskAnswer::PartFlushed(id, part.record(first, &values, last))
            }
            Self::RestartPart(id, part) => {
                part.restart();
                DiskAnswer::PartFlushed(id, Ok(()))
            }
            Self::SyncPart(id, part) => DiskAnswer::PartSynced(id, part.sync()),
            Self::Publish(id, part) => DiskAnswer::Published(id, part.publish(names)),
            Self::SyncFolder(id, part) => DiskAnswer::FolderSynced(id, part.sync_folder()),
            Self::Say(answer) => answer,
            Self::RemovePart(part) => {
                part.remove();
                return None;
            }
            Self::KeepPart(part) => {
                part.keep();
                return None;
            }
            Self::CloseSource(_) => return None,
        })
    }
}

fn refusal(name: &str, why: &str) -> DiskError {
    DiskError { words: format!("{name} {why}"), resumable: false }
}

/// Where what is hashed is read into, [`PIECE`] by [`PIECE`].
enum Target<'a> {
    /// All into the same piece, which then stays in the processor's cache: nobody wants it afterwards.
    Pieces(&'a mut Buffer),
    /// One behind the other, to be kept.
    Whole(&'a mut [u8]),
}

/// Hashes a block of an open file by reading it back, usually from the page cache. The clock is read twice a piece, which
/// takes 50 ns of some 80 µs: nobody else can tell reading from hashing.
fn hash_file(
    file: Option<&File>,
    name: &str,
    block: Block,
    (mut into, spent): (Target<'_>, &mut Spent),
) -> Result<BlockValue, DiskError> {
    let file = file.ok_or_else(|| refusal(name, "is not open"))?;
    if let Target::Pieces(buffer) = &mut into
        && buffer.is_empty()
    {
        **buffer = Buffer::zeroed(PIECE);
    }
    let mut hasher = hasher(block.index);
    let (begin, len) = (block.index * BLOCK, block.len as usize);
    let mut done = 0;
    let mut before = Instant::now();
    while done < len {
        let size = PIECE.min(len - done);
        let piece = match &mut into {
            Target::Pieces(buffer) => &mut buffer[..size],
            Target::Whole(buffer) => &mut buffer[done..done + size],
        };
        let n = sys::read_at(file, piece, begin + done as u64).map_err(|error| for_good(name, &error))?;
        if n == 0 {
            return Err(refusal(name, "changed while it was read"));
        }
        let read = Instant::now();
        hasher.update(&piece[..n]);
        let hashed = Instant::now();
        spent.reading += read.saturating_duration_since(before);
        spent.hashing += hashed.saturating_duration_since(read);
        before = hashed;
        done += n;
    }
    Ok(value(&hasher, block.index))
}

/// Reads a block of a source that is in memory, into a buffer that it fits into, and hashes it. `None`: it would have to
/// be waited for, or something is wrong with it, which a helper will tell.
pub fn hash_at_once(source: &Source, block: Block, into: &mut [u8]) -> Option<BlockValue> {
    let (file, mut hasher, mut offset) = (source.file()?, hasher(block.index), block.index * BLOCK);
    for piece in into[..block.len as usize].chunks_mut(PIECE) {
        let n = sys::read_at_once(file, piece, offset).ok()?;
        if n < piece.len() {
            return None;
        }
        hasher.update(piece);
        offset += n as u64;
    }
    Some(value(&hasher, block.index))
}

fn hash_bytes(block: Block, bytes: &[u8]) -> BlockValue {
    value(hasher(block.index).update(bytes), block.index)
}

/// What hashes the block of this number.
pub(super) fn hasher(index: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(index * BLOCK);
    hasher
}

/// The values of the block of this number. A hasher at offset zero can end either way, so that the first block is read and hashed only once for both values.
pub(super) fn value(hasher: &Hasher, index: u64) -> BlockValue {
    let whole = if index == 0 { *hasher.finalize().as_bytes() } else { [0; 32] };
    BlockValue { chaining: hasher.finalize_non_root(), whole }
}

/// What a file that could not be written is answered with: out of space is no reason to throw away what is there.
pub fn write_error(name: &str, error: &io::Error) -> DiskError {
    DiskError { resumable: sys::spares_stored(error), ..for_good(name, error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::source::{Request, Words, prepare};
    use crate::proto::digest::{DigestTree, next_block};
    use std::path::Path;

    const ID: TransferId = TransferId(1);

    fn source(path: &Path) -> Arc<Source> {
        let words = Words::Path(path.into());
        let mut sources = prepare(&Request { words, folder: "/".into(), home: None });
        Arc::new(Source::new(sources.ready.pop().unwrap()))
    }

    fn hash(source: &Arc<Source>, block: Block) -> Result<BlockValue, DiskError> {
        let mut scratch = Scratch::default();
        let value = hash_into(source, block, None, &mut scratch);
        assert_eq!(scratch.take_read(), None);
        value
    }

    fn hash_into(
        source: &Arc<Source>,
        block: Block,
        buffer: Option<Buffer>,
        scratch: &mut Scratch,
    ) -> Result<BlockValue, DiskError> {
        match DiskWork::HashSource(ID, block, Arc::clone(source), buffer).run(scratch) {
            Some(DiskAnswer::SourceHashed(ID, of, result)) if of == block => result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_waited_for_a_core_is_the_processors() {
        let (ms, start) = (Duration::from_millis, Instant::now());
        let job = |reading, hashing| Spent { reading: ms(reading), hashing: ms(hashing) };
        let mut computing = Computing::default();
        let mut charge = |spent, at, told: Option<u64>| computing.charge(spent, start + ms(at), || told.map(ms));
        assert_eq!(charge(job(1, 2), 3, Some(10)), job(1, 9), "for its first job it waited");
        assert_eq!(charge(job(6, 4), 50, None), job(6, 4), "not asked again");
        assert_eq!(charge(job(1, 1), 103, Some(80)), job(1, 59), "the job before had its part");
        // One that was slow: it computed, or waited for a core, all the time; half of it; never.
        assert_eq!(charge(job(60, 40), 203, Some(180)), job(0, 100));
        assert_eq!(charge(job(60, 40), 303, Some(230)), job(50, 50));
        assert_eq!(charge(job(60, 40), 403, Some(230)), job(60, 40));
        assert_eq!(charge(job(60, 40), 503, None), job(60, 40), "the system does not tell");
    }

    #[test]
    fn the_values_of_a_files_blocks_combine_to_its_hash() {
        let block = BLOCK as usize;
        for size in [1, 1000, block - 1, block, block + 1, 3 * block, 3 * block + 5] {
            let data: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("a"), &data).unwrap();
            let source = source(&dir.path().join("a"));
            source.open().unwrap();
            let mut tree = DigestTree::default();
            while let Some(block) = next_block(tree.blocks(), size as u64, Some(size as u64)) {
                let value = hash(&source, block).unwrap();
                let begin = (block.index * BLOCK) as usize;
                let bytes = &data[begin..begin + block.len as usize];
                assert_eq!(hash_bytes(block, bytes), value);
                // A buffer that was used before may be longer than the block.
                let (mut scratch, mut buffer) = (Scratch::default(), Buffer::zeroed(BLOCK as usize));
                buffer.fill(1);
                assert_eq!(hash_into(&source, block, Some(buffer), &mut scratch), Ok(value));
                assert!(scratch.take_read().unwrap()[..bytes.len()] == *bytes, "{size} bytes");
                tree.push(&value);
            }
            assert_eq!(tree.root(), *blake3::hash(&data).as_bytes(), "{size} bytes");
        }
    }

    #[test]
    fn the_last_byte_beyond_four_gibibytes_is_hashed_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let file = File::create(&path).unwrap();
        sys::write_all_at(&file, b"z", 4 << 30).unwrap();
        let source = source(&path);
        source.open().unwrap();
        let last = Block { index: (4 << 30) / BLOCK, len: 1 };
        assert_eq!(hash(&source, last).unwrap(), hash_bytes(last, b"z"));
    }

    #[test]
    fn a_source_that_shrank_is_an_error_and_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [0; 100]).unwrap();
        let source = source(&path);
        source.open().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(50).unwrap();
        let (block, mut scratch) = (Block { index: 0, len: 100 }, Scratch::default());
        for buffer in [None, Some(Buffer::zeroed(100))] {
            let error = hash_into(&source, block, buffer, &mut scratch).unwrap_err();
            assert_eq!(error.words, "a changed while it was read");
            assert_eq!(scratch.take_read(), None, "half a block is none");
        }
        assert_eq!(source.check().unwrap_err().words, "a changed while it was sent");
    }

    #[test]
    fn a_source_replaced_since_the_offer_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let source = source(&path);
        std::fs::write(dir.path().join("b"), "two").unwrap();
        std::fs::rename(dir.path().join("b"), &path).unwrap();
        assert_eq!(source.open().unwrap_err().words, "a changed since it was offered");
    }

    #[test]
    fn running_out_of_space_keeps_what_is_there() {
        // 28 is ENOSPC wherever this runs.
        let error = write_error("a", &io::Error::from_raw_os_error(28));
        assert_eq!(error, DiskError { words: "a: No space left on device".into(), resumable: true });
        assert!(!write_error("a", &io::ErrorKind::PermissionDenied.into()).resumable);
    }
}
