//! A disk of pretended sources and parts in memory, on which anything can be made to fail.
//!
//! Owns: the answers to jobs, and the record of what was published. Must not know: sessions.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::OnceLock;

use blake3::hazmat::HasherExt as _;
use tete::net::pump::Disk;
use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::{Block, BlockValue, DiskAnswer, DiskError, DiskJob};

/// A prime, so that bytes at a wrong offset of any round number are wrong bytes.
const TABLE: usize = 1_048_583;

/// The next of a well-mixed sequence of numbers (SplitMix64).
pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn table() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut state = 1;
        (0..TABLE).map(|_| mix(&mut state) as u8).collect()
    })
}

/// The bytes of the pretended file `key` from `offset` on.
pub fn fill(key: u64, offset: u64, buffer: &mut [u8]) {
    let mut at = ((key * 7919 + offset) % TABLE as u64) as usize;
    let mut done = 0;
    while done < buffer.len() {
        let n = (TABLE - at).min(buffer.len() - done);
        buffer[done..done + n].copy_from_slice(&table()[at..at + n]);
        done += n;
        at = 0;
    }
}

/// All bytes of the pretended file `key`.
pub fn whole(key: u64, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    fill(key, 0, &mut bytes);
    bytes
}

/// What goes wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The source cannot be opened.
    Open,
    /// Reading the source fails from this offset on.
    Read(u64),
    /// The source ends here.
    Short(u64),
    /// The source is no longer what it was.
    Changed,
    /// The source cannot be hashed.
    HashSource,
    /// The part file cannot be created.
    Create,
    /// There is no space from this offset on.
    Write(u64),
    /// The part file cannot be read back.
    HashPart,
    /// The byte at this offset changes after it was written.
    Flip(u64),
    /// The bytes that are there so far cannot be brought to the disk.
    Flush,
    /// The bytes cannot be brought to the disk.
    Sync,
    /// The name cannot be given.
    Publish,
    /// The folder cannot be brought to the disk.
    Folder,
}

/// A file to send.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub key: u64,
    pub size: u64,
}

/// A file to send, as a wire fetches it.
#[derive(Clone, Copy, Debug)]
pub struct KernelFile {
    source: Source,
    fault: Option<Fault>,
}

impl KernelFile {
    /// Its bytes, none behind its end; `None`: it cannot be fetched.
    pub fn bytes(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let end = match self.fault {
            Some(Fault::Read(at)) if offset >= at => return None,
            Some(Fault::Read(at) | Fault::Short(at)) => at.min(self.source.size),
            _ => self.source.size,
        };
        let mut bytes = vec![0; len.min(end.saturating_sub(offset) as usize)];
        fill(self.source.key, offset, &mut bytes);
        Some(bytes)
    }
}

/// A file being received.
#[derive(Debug)]
pub struct Part {
    pub name: String,
    pub bytes: Vec<u8>,
    pub synced: bool,
    pub sync_failed: bool,
    /// Somebody has looked at it since it was published.
    pub told: bool,
    /// What its journal says.
    pub journal: Vec<[u8; 32]>,
}

/// One side's disk.
#[derive(Debug, Default)]
pub struct MemDisk {
    pub sources: BTreeMap<TransferId, Source>,
    pub parts: BTreeMap<TransferId, Part>,
    pub published: BTreeMap<TransferId, Part>,
    /// Parts that were kept for a later try.
    pub kept: Vec<TransferId>,
    /// Those of them that have a journal, by their names, for a later run.
    pub left: BTreeMap<String, Part>,
    pub removed: Vec<TransferId>,
    pub closed: Vec<TransferId>,
    pub faults: BTreeMap<TransferId, Fault>,
    /// Jobs that nobody has done yet.
    pub jobs: VecDeque<DiskJob>,
    /// Everything that was ever asked.
    pub asked: Vec<DiskJob>,
    /// Rules that the session broke in what it asked for.
    pub broken: Vec<String>,
    /// No wire fetches a source itself: all of them are read.
    pub reads: bool,
    /// Sources that a wire did not want to fetch.
    pub refused: Vec<TransferId>,
    /// No part takes bytes from a wire's pipe: all of them are written.
    pub writes: bool,
    /// Parts that are written since one did not.
    pub written: Vec<TransferId>,
    /// Bytes that parts took from a pipe, and how many they take at most before they refuse more.
    pub drained: u64,
    pub drains_at_most: Option<u64>,
}

/// Whether it may be overtaken.
pub fn is_hashing(job: &DiskJob) -> bool {
    matches!(job, DiskJob::HashSource(..) | DiskJob::HashPart(..))
}

/// A disk's refusal.
pub fn error(words: &str) -> DiskError {
    DiskError { words: words.to_owned(), resumable: true }
}

fn value(block: Block, bytes: &[u8]) -> BlockValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(block.index * BLOCK).update(bytes);
    let whole = if block.index == 0 { *blake3::hash(bytes).as_bytes() } else { [0; 32] };
    BlockValue { chaining: hasher.finalize_non_root(), whole }
}

impl MemDisk {
    fn fails(&self, transfer: TransferId, fault: Fault) -> bool {
        self.faults.get(&transfer) == Some(&fault)
    }

    fn result(&self, transfer: TransferId, fault: Fault) -> Result<(), DiskError> {
        if self.fails(transfer, fault) { Err(error("Input/output error")) } else { Ok(()) }
    }

    /// Does a job, and gives its answer if it has one.
    pub fn perform(&mut self, job: DiskJob) -> Option<DiskAnswer> {
        Some(match job {
            DiskJob::OpenSource(id) => {
                let opened = self.result(id, Fault::Open);
                let known = self.sources.contains_key(&id);
                DiskAnswer::SourceOpened(id, if known { opened } else { Err(error("No such file or directory")) })
            }
            DiskJob::HashSource(id, block) => DiskAnswer::SourceHashed(id, block, self.hash_source(id, block)),
            DiskJob::CheckSource(id) => DiskAnswer::SourceChecked(id, self.result(id, Fault::Changed)),
            DiskJob::CloseSource(id) => {
                self.closed.push(id);
                return None;
            }
            DiskJob::CreatePart { transfer, name, .. } => {
                let created = self.result(transfer, Fault::Create);
                if let Some(part) = self.left.remove(&name.saved_name("fetched_", 1)).filter(|_| created.is_ok()) {
                    let values = part.journal.clone();
                    self.parts.insert(transfer, part);
                    return Some(DiskAnswer::PartTaken(transfer, values));
                }
                if created.is_ok() {
                    let name = name.saved_name("fetched_", 1);
                    let part = Part {
                        name,
                        bytes: Vec::new(),
                        synced: false,
                        sync_failed: false,
                        told: false,
                        journal: Vec::new(),
                    };
                    if self.parts.insert(transfer, part).is_some() {
                        self.broken.push(format!("{transfer} was created twice"));
                    }
                }
                DiskAnswer::PartCreated(transfer, created)
            }
            DiskJob::ResumePart { transfer, kept } => DiskAnswer::PartCreated(transfer, self.resume(transfer, kept)),
            DiskJob::HashPart(id, block) => DiskAnswer::PartHashed(id, block, self.hash_part(id, block)),
            DiskJob::ForgetStream(..) => return None,
            DiskJob::FlushPart(id) => DiskAnswer::PartFlushed(id, self.result(id, Fault::Flush)),
            DiskJob::RecordPart { transfer, first, values, .. } => {
                let flushed = self.result(transfer, Fault::Flush);
                if let Some(part) = self.parts.get_mut(&transfer).filter(|_| flushed.is_ok()) {
                    part.journal.truncate(first as usize);
                    part.journal.extend(values);
                }
                DiskAnswer::PartFlushed(transfer, flushed)
            }
            DiskJob::RestartPart(id) => {
                self.parts.get_mut(&id).into_iter().for_each(|part| part.journal.clear());
                DiskAnswer::PartFlushed(id, Ok(()))
            }
            DiskJob::SyncPart(id) => {
                let synced = self.result(id, Fault::Sync);
                if let Some(part) = self.parts.get_mut(&id) {
                    (part.synced, part.sync_failed) = (synced.is_ok(), synced.is_err());
                }
                DiskAnswer::PartSynced(id, synced)
            }
            DiskJob::Publish(id) => DiskAnswer::Published(id, self.publish(id)),
            DiskJob::SyncFolder(id) => {
                if !self.published.contains_key(&id) {
                    self.broken.push(format!("the folder was synced before {id} had its name"));
                }
                DiskAnswer::FolderSynced(id, self.result(id, Fault::Folder))
            }
            DiskJob::KeepPart(id) => {
                if let Some(part) = self.parts.remove(&id) {
                    self.kept.push(id);
                    if !part.journal.is_empty() {
                        self.left.insert(part.name.clone(), part);
                    }
                }
                return None;
            }
            DiskJob::RemovePart(id) => {
                self.parts.remove(&id);
                self.removed.push(id);
                return None;
            }
        })
    }

    fn resume(&mut self, id: TransferId, kept: TransferId) -> Result<(), DiskError> {
        self.result(id, Fault::Create)?;
        let part = self.parts.remove(&kept).ok_or_else(|| error("No such file or directory"))?;
        self.parts.insert(id, part);
        Ok(())
    }

    fn hash_source(&self, id: TransferId, block: Block) -> Result<BlockValue, DiskError> {
        self.result(id, Fault::HashSource)?;
        let source = self.sources.get(&id).ok_or_else(|| error("No such file or directory"))?;
        let mut bytes = vec![0; block.len as usize];
        fill(source.key, block.index * BLOCK, &mut bytes);
        Ok(value(block, &bytes))
    }

    fn hash_part(&mut self, id: TransferId, block: Block) -> Result<BlockValue, DiskError> {
        self.result(id, Fault::HashPart)?;
        let (from, to) = (block.index * BLOCK, block.index * BLOCK + u64::from(block.len));
        let flip = match self.faults.get(&id) {
            Some(Fault::Flip(at)) if (from..to).contains(at) => Some(*at as usize),
            _ => None,
        };
        let part = self.parts.get_mut(&id).ok_or_else(|| error("No such file or directory"))?;
        if let Some(at) = flip {
            part.bytes[at] ^= 1;
        }
        let bytes = part.bytes.get(from as usize..to as usize).ok_or_else(|| error("the part is too short"))?;
        Ok(value(block, bytes))
    }

    fn publish(&mut self, id: TransferId) -> Result<String, DiskError> {
        if self.fails(id, Fault::Publish) {
            return Err(DiskError { resumable: true, ..error("No space left on device") });
        }
        let part = self.parts.remove(&id).ok_or_else(|| error("No such file or directory"))?;
        if part.sync_failed {
            self.broken.push(format!("{id} was published after its sync failed"));
        }
        let name = part.name.clone();
        if self.published.insert(id, part).is_some() {
            self.broken.push(format!("{id} was published twice"));
        }
        Ok(name)
    }
}

impl Disk for MemDisk {
    type File = KernelFile;
    type Pipe = Vec<u8>;

    fn file(&self, transfer: TransferId) -> Option<KernelFile> {
        let source = self.sources.get(&transfer).filter(|_| !self.reads && !self.refused.contains(&transfer))?;
        Some(KernelFile { source: *source, fault: self.faults.get(&transfer).copied() })
    }

    fn read_instead(&mut self, transfer: TransferId) {
        self.refused.push(transfer);
    }

    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let source = self.sources.get(&transfer).ok_or(io::ErrorKind::NotFound)?;
        let end = match self.faults.get(&transfer) {
            Some(Fault::Read(at)) if offset >= *at => return Err(io::Error::other("Input/output error")),
            Some(Fault::Read(at) | Fault::Short(at)) => (*at).min(source.size),
            _ => source.size,
        };
        let n = buffer.len().min(end.saturating_sub(offset) as usize);
        fill(source.key, offset, &mut buffer[..n]);
        Ok(n)
    }

    fn drains(&self, transfer: TransferId) -> bool {
        !self.writes && !self.written.contains(&transfer)
    }

    fn drain(&mut self, transfer: TransferId, offset: u64, pipe: &mut Vec<u8>) -> io::Result<usize> {
        // As far as there is space, as a system does.
        let room = match self.faults.get(&transfer) {
            Some(Fault::Write(at)) if offset < *at => at - offset,
            _ => u64::MAX,
        };
        let room = room.min(self.drains_at_most.map_or(u64::MAX, |most| most - self.drained));
        let n = pipe.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if n == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.write(transfer, offset, &pipe[..n])?;
        self.drained += n as u64;
        pipe.drain(..n);
        Ok(n)
    }

    fn write_instead(&mut self, transfer: TransferId) {
        self.written.push(transfer);
    }

    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(Fault::Write(at)) = self.faults.get(&transfer)
            && offset + bytes.len() as u64 > *at
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let part = self.parts.get_mut(&transfer).ok_or(io::ErrorKind::NotFound)?;
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        if part.bytes.len() < to {
            part.bytes.resize(to, 0);
        }
        part.bytes[from..to].copy_from_slice(bytes);
        Ok(())
    }

    fn submit(&mut self, job: DiskJob) {
        self.asked.push(job.clone());
        self.jobs.push_back(job);
    }

    fn explain(&self, _transfer: TransferId, error: &io::Error) -> DiskError {
        DiskError { words: error.to_string(), resumable: true }
    }
}
