//! Tests of [`super`]: jobs go in, real threads and folders do them, answers come out.

use super::*;
use crate::net::pool::tests::Fixture;
use crate::net::pool::{Answer, Done};
use crate::net::source::{Request, Words, prepare};
use crate::net::stream::STREAM_ROOM;
use crate::net::work::Scratch;
use crate::proto::digest::{BLOCK, DigestTree, next_block};
use crate::proto::disk::{Block, BlockValue};
use crate::proto::name::SafeName;
use std::path::Path;
use tempfile::TempDir;

const OURS: TransferId = TransferId(1);
const THEIRS: TransferId = TransferId(2);
/// Of a source that is sent.
const SIZE: u64 = 2 * BLOCK + 77;

struct Disk {
    fixture: Fixture,
    files: Files,
    dir: TempDir,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().to_owned(), "fetched_".into());
        Self { fixture: Fixture::new(), files, dir }
    }

    /// With an open part called `a`.
    fn receiving() -> Self {
        let mut disk = Self::new();
        assert_eq!(disk.job(create("a", Some(9))), Some(DiskAnswer::PartCreated(THEIRS, Ok(()))));
        disk
    }

    fn submit(&mut self, job: DiskJob) {
        self.files.submit(&mut self.fixture.pool, job);
    }

    fn job(&mut self, job: DiskJob) -> Option<DiskAnswer> {
        self.submit(job);
        if let Some(answer) = self.files.poll_answer() {
            return Some(answer);
        }
        self.heard()
    }

    /// What the session hears of the next answer of a helper.
    fn heard(&mut self) -> Option<DiskAnswer> {
        match self.fixture.answer() {
            Answer { ticket, done: Done::Disk(answer), read, .. } => self.files.answered(ticket, answer, read),
            other => panic!("{other:?}"),
        }
    }

    /// With an open source of two blocks and a bit, all ones, of which some blocks are hashed.
    fn sending(files: impl FnOnce(Files) -> Files, hashed: impl IntoIterator<Item = u64>) -> Self {
        let mut disk = Self::new();
        disk.files = files(disk.files);
        disk.offer("source", &vec![1; SIZE as usize]);
        assert_eq!(disk.job(DiskJob::OpenSource(OURS)), Some(DiskAnswer::SourceOpened(OURS, Ok(()))));
        hashed.into_iter().for_each(|index| disk.hash(index));
        disk
    }

    fn hash(&mut self, index: u64) {
        value(self.job(DiskJob::HashSource(OURS, block(index))));
    }

    /// Turns what the source holds into zeros.
    fn alter(&self) {
        std::fs::write(self.dir.path().join("source"), vec![0; SIZE as usize]).unwrap();
    }

    /// Reads so much of the source; which byte it holds.
    fn read(&mut self, offset: u64, len: u64) -> u8 {
        let (mut at, mut found) = (offset, Vec::new());
        while at < offset + len {
            let mut buffer = vec![9; 100_000.min((offset + len - at) as usize)];
            let n = self.files.read(OURS, at, &mut buffer).unwrap();
            found.extend_from_slice(&buffer[..n]);
            at += n as u64;
        }
        assert!(found.iter().all(|byte| *byte == found[0]));
        found[0]
    }

    /// Whether no buffer is kept, once the source is over.
    fn keeps_nothing_behind(&mut self) -> bool {
        self.submit(DiskJob::CloseSource(OURS));
        self.files.read_ahead.buffers() == 0
    }

    /// Whether this system reads the source without waiting; else there is nothing to see, which is said.
    fn reads_at_once(&self) -> bool {
        let Kind::Source { source, .. } = &self.files.entries[&OURS].kind else { panic!("it is no source") };
        let read = sys::read_at_once(source.file().unwrap(), &mut [0], 0);
        if let Err(error) = &read {
            eprintln!("skipped: this system does not tell what is in memory: {error}");
        }
        read.is_ok()
    }

    fn offer(&mut self, name: &str, data: &[u8]) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, data).unwrap();
        let words = Words::Path(path.into());
        let mut sources = prepare(&Request { words, folder: "/".into(), home: None });
        self.files.add_source(OURS, sources.ready.pop().unwrap());
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }
}

fn block(index: u64) -> Block {
    next_block(index, SIZE, Some(SIZE)).unwrap()
}

fn encrypted(mut files: Files) -> Files {
    files.set_peer(Some([7; 32]));
    files
}

fn copied(files: Files) -> Files {
    files.with_calls(Calls::Portable)
}

fn create(name: &str, size: Option<u64>) -> DiskJob {
    DiskJob::CreatePart { transfer: THEIRS, name: SafeName::check(name.as_bytes()).unwrap(), size }
}

fn value(answer: Option<DiskAnswer>) -> BlockValue {
    match answer {
        Some(DiskAnswer::SourceHashed(_, _, Ok(value)) | DiskAnswer::PartHashed(_, _, Ok(value))) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_goes_from_source_to_published_part_whole_whoever_hashes() {
    for hashing in [Hashing::ByHelpers, Hashing::InPassing] {
        goes_from_source_to_published_part(hashing);
    }
}

fn goes_from_source_to_published_part(hashing: Hashing) {
    let mut disk = Disk::new();
    disk.files = disk.files.hashing(hashing);
    let data: Vec<u8> = (0..2 * BLOCK as usize + 77).map(|i| (i % 249) as u8).collect();
    let size = data.len() as u64;
    disk.offer("source", &data);
    assert_eq!(disk.job(DiskJob::OpenSource(OURS)), Some(DiskAnswer::SourceOpened(OURS, Ok(()))));
    assert_eq!(disk.job(create("a", Some(size))), Some(DiskAnswer::PartCreated(THEIRS, Ok(()))));
    let (mut at, mut buffer) = (0, vec![0; 100_000]);
    loop {
        let n = disk.files.read(OURS, at, &mut buffer).unwrap();
        if n == 0 {
            break;
        }
        disk.files.write(THEIRS, at, &buffer[..n]).unwrap();
        at += n as u64;
    }
    let mut tree = DigestTree::default();
    while let Some(block) = next_block(tree.blocks(), size, Some(size)) {
        let ours = value(disk.job(DiskJob::HashSource(OURS, block)));
        assert_eq!(value(disk.job(DiskJob::HashPart(THEIRS, block))), ours);
        tree.push(&ours);
    }
    assert_eq!(tree.root(), *blake3::hash(&data).as_bytes());
    assert_eq!(disk.job(DiskJob::CheckSource(OURS)), Some(DiskAnswer::SourceChecked(OURS, Ok(()))));
    assert_eq!(disk.job(DiskJob::SyncPart(THEIRS)), Some(DiskAnswer::PartSynced(THEIRS, Ok(()))));
    let published = DiskAnswer::Published(THEIRS, Ok("fetched_a".into()));
    assert_eq!(disk.job(DiskJob::Publish(THEIRS)), Some(published));
    assert_eq!(disk.job(DiskJob::SyncFolder(THEIRS)), Some(DiskAnswer::FolderSynced(THEIRS, Ok(()))));
    assert_eq!(std::fs::read(disk.dir.path().join("fetched_a")).unwrap(), data);
    disk.submit(DiskJob::CloseSource(OURS));
    assert!(disk.files.entries.is_empty());
}

#[test]
fn what_did_not_pass_whole_is_hashed_by_a_helper_and_what_did_needs_none() {
    let mut disk = Disk::new();
    disk.files = disk.files.hashing(Hashing::InPassing);
    let data = vec![5; 2 * BLOCK as usize];
    assert_eq!(disk.job(create("a", Some(2 * BLOCK))), Some(DiskAnswer::PartCreated(THEIRS, Ok(()))));
    disk.files.write(THEIRS, 9, &data[9..]).unwrap();
    disk.files.write(THEIRS, 0, &data[..9]).unwrap();
    for (index, by_helper) in [(0, true), (1, false)] {
        let block = next_block(index, 2 * BLOCK, Some(2 * BLOCK)).unwrap();
        disk.submit(DiskJob::HashPart(THEIRS, block));
        let at_once = disk.files.poll_answer();
        assert_eq!(at_once.is_none(), by_helper, "{index}");
        let answer = at_once.or_else(|| disk.heard());
        let begin = (index * BLOCK) as usize;
        let expected = DiskWork::HashStream(THEIRS, block, Arc::new(data[begin..begin + BLOCK as usize].to_vec()));
        assert_eq!(value(answer), value(expected.run(&mut Scratch::default())));
    }
}

#[test]
fn what_passes_through_the_program_is_sent_as_it_was_hashed_without_a_second_look_at_the_file() {
    for files in [encrypted, copied] {
        let mut disk = Disk::sending(files, 0..3);
        disk.alter();
        assert_eq!(disk.read(0, SIZE), 1);
        let Some(DiskAnswer::SourceChecked(OURS, Err(_))) = disk.job(DiskJob::CheckSource(OURS)) else {
            panic!("what it became is not what was sent")
        };
        assert_eq!(disk.files.read_ahead.buffers(), 1);
        assert!(disk.keeps_nothing_behind());
    }
}

#[test]
fn what_the_system_refuses_to_send_by_itself_is_kept_from_then_on() {
    let mut disk = Disk::sending(|files| files, [0]);
    assert_eq!(disk.files.read_ahead.buffers(), 0, "the system sends it");
    disk.files.read_instead(OURS);
    disk.hash(1);
    disk.alter();
    assert_eq!((disk.read(0, BLOCK), disk.read(BLOCK, BLOCK)), (0, 1));
}

#[test]
fn what_is_sent_again_or_was_never_hashed_is_read_from_the_file() {
    let mut disk = Disk::sending(encrypted, [0, 2]);
    disk.read(0, BLOCK);
    disk.alter();
    assert_eq!((disk.read(0, BLOCK), disk.read(BLOCK, BLOCK), disk.read(2 * BLOCK, 77)), (0, 0, 1));
}

#[test]
fn a_block_that_is_asked_for_twice_at_once_is_hashed_twice_and_kept_once() {
    let mut disk = Disk::sending(encrypted, []);
    for _ in 0..2 {
        disk.submit(DiskJob::HashSource(OURS, block(0)));
    }
    assert_eq!(value(disk.heard()), value(disk.heard()));
    disk.alter();
    assert_eq!(disk.read(0, BLOCK), 1);
    assert!(disk.keeps_nothing_behind());
}

/// Hashed by the loop, as the session asks for it: all blocks of an encrypted source.
fn hashing_here(size: u64) -> Disk {
    let mut disk = Disk::sending(|files| encrypted(files).hashing_ours(Hashing::InPassing), []);
    let file = std::fs::File::options().write(true).open(disk.dir.path().join("source")).unwrap();
    file.set_len(size).unwrap();
    (0..3).for_each(|index| disk.submit(DiskJob::HashSource(OURS, block(index))));
    assert_eq!(disk.files.poll_answer(), None, "nothing is sent yet");
    disk
}

impl Disk {
    /// What the loop hashes itself when the next byte that is sent is this one.
    fn hash_next(&mut self, sends_at: Option<u64>) -> Option<DiskAnswer> {
        self.files.hash_next(&mut self.fixture.pool, |id| sends_at.filter(|_| id == OURS))
    }

    /// Which blocks the helpers have hashed.
    fn hashed_by_helpers(&mut self, count: usize) -> Vec<u64> {
        let blocks = (0..count).map(|_| match self.heard() {
            Some(DiskAnswer::SourceHashed(OURS, block, Ok(_))) => block.index,
            other => panic!("{other:?}"),
        });
        let mut blocks: Vec<_> = blocks.collect();
        blocks.sort_unstable(); // there may be two of them
        blocks
    }
}

fn ones(index: u64) -> BlockValue {
    let bytes = Arc::new(vec![1; block(index).len as usize]);
    value(DiskWork::HashStream(OURS, block(index), bytes).run(&mut Scratch::default()))
}

#[test]
fn on_few_processors_a_block_is_hashed_when_it_is_sent_and_sent_as_it_was_hashed() {
    let mut disk = hashing_here(SIZE);
    if !disk.reads_at_once() {
        return;
    }
    for index in 0..3 {
        let begin = index * BLOCK;
        assert_eq!(value(disk.hash_next(Some(begin))), ones(index));
        assert_eq!(disk.hash_next(Some(begin)), None, "the next one has time");
        let len = u64::from(block(index).len);
        assert_eq!(disk.files.read_ahead.bytes(Ticket(1), begin).unwrap().len() as u64, len);
        assert_eq!(disk.read(begin, len), 1);
    }
    assert!(disk.files.later.is_empty());
    assert_eq!(disk.fixture.pool.under_way(), 0);
    assert_eq!(disk.files.read_ahead.buffers(), 1, "one after the other");
    assert!(disk.keeps_nothing_behind());
}

#[test]
fn the_helpers_hash_what_was_sent_already_and_everything_while_somebody_talks_or_nothing_is_sent() {
    let mut disk = hashing_here(SIZE);
    if !disk.reads_at_once() {
        return;
    }
    assert_eq!(disk.hash_next(Some(2 * BLOCK)).map(|answer| value(Some(answer))), Some(ones(2)));
    assert_eq!(disk.hashed_by_helpers(2), [0, 1]);

    let mut disk = hashing_here(SIZE);
    assert_eq!(disk.hash_next(None), None);
    assert_eq!(disk.hashed_by_helpers(3), [0, 1, 2]);

    let mut disk = hashing_here(SIZE);
    disk.fixture.pool.set_gentle(true);
    assert_eq!(disk.hash_next(Some(0)), None);
    assert_eq!(disk.hashed_by_helpers(3), [0, 1, 2]);
}

#[test]
fn a_source_that_is_not_there_to_be_read_at_once_is_left_to_the_helpers() {
    let mut disk = hashing_here(BLOCK);
    if !disk.reads_at_once() {
        return;
    }
    assert_eq!(value(disk.hash_next(Some(0))), ones(0));
    assert_eq!(disk.hash_next(Some(BLOCK)), None);
    for _ in 1..3 {
        assert!(matches!(disk.heard(), Some(DiskAnswer::SourceHashed(OURS, _, Err(_)))), "it tells what is wrong");
    }
    disk.submit(DiskJob::HashSource(OURS, block(0)));
    assert!(disk.files.later.is_empty());
    assert_eq!(disk.hashed_by_helpers(1), [0]);
    disk.read(0, BLOCK);
    assert!(disk.keeps_nothing_behind());
}

#[test]
fn what_the_loop_was_to_hash_goes_with_the_source() {
    let mut disk = hashing_here(SIZE);
    disk.submit(DiskJob::CloseSource(OURS));
    assert_eq!(disk.hash_next(Some(0)), None);
    assert!(disk.files.later.is_empty());
}

#[test]
fn nothing_is_kept_of_a_source_that_is_over() {
    let mut disk = Disk::sending(encrypted, [0]);
    disk.submit(DiskJob::HashSource(OURS, block(1)));
    disk.submit(DiskJob::CloseSource(OURS));
    assert_ne!(disk.files.read_ahead.buffers(), 0, "a helper still has a buffer");
    assert_eq!(disk.heard(), None);
    assert_eq!(disk.files.read_ahead.buffers(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_part_takes_bytes_from_a_pipe_unless_they_have_to_pass_through_the_program() {
    use std::io::Write;
    use std::os::fd::AsFd;
    let (mut near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut pipe = Pipe::new(1 << 16).unwrap();
    near.write_all(b"well done").unwrap();
    pipe.fill(far.as_fd(), 9).unwrap();

    let mut disk = Disk::receiving();
    assert!(disk.files.drains(THEIRS) && !disk.files.drains(OURS));
    assert_eq!(disk.files.drain(THEIRS, 0, &mut pipe).unwrap(), 9);
    assert_eq!(disk.job(DiskJob::SyncPart(THEIRS)), Some(DiskAnswer::PartSynced(THEIRS, Ok(()))));
    assert_eq!(disk.job(DiskJob::Publish(THEIRS)), Some(DiskAnswer::Published(THEIRS, Ok("fetched_a".into()))));
    assert_eq!(std::fs::read(disk.dir.path().join("fetched_a")).unwrap(), b"well done");

    disk.files.write_instead(THEIRS);
    assert!(!disk.files.drains(THEIRS));
    for files in [disk.files.hashing(Hashing::InPassing), Disk::new().files.with_calls(Calls::Portable)] {
        disk.files = files;
        disk.submit(create("b", Some(9)));
        assert!(!disk.files.drains(THEIRS));
    }
}

#[test]
fn a_source_that_was_removed_since_the_offer_is_an_error() {
    let mut disk = Disk::new();
    disk.offer("source", b"x");
    std::fs::remove_file(disk.dir.path().join("source")).unwrap();
    let Some(DiskAnswer::SourceOpened(OURS, Err(error))) = disk.job(DiskJob::OpenSource(OURS)) else {
        panic!("opened")
    };
    assert_eq!(error.words, "source: No such file or directory");
}

#[test]
fn nothing_is_read_or_written_before_it_is_open() {
    let mut disk = Disk::new();
    disk.offer("source", b"x");
    for error in [
        disk.files.read(OURS, 0, &mut [0]).unwrap_err(),
        disk.files.write(THEIRS, 0, b"x").unwrap_err(),
        disk.files.write(OURS, 0, b"x").unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn a_part_given_up_before_it_was_created_is_removed_all_the_same() {
    let mut disk = Disk::new();
    disk.submit(create("a", None));
    disk.submit(DiskJob::RemovePart(THEIRS));
    assert_eq!(disk.heard(), None, "nobody waits for it any more");
    disk.fixture.idle();
    assert_eq!(disk.entries(), 0);
}

#[test]
fn a_kept_part_stays_and_its_number_can_be_used_again() {
    let mut disk = Disk::receiving();
    disk.files.write(THEIRS, BLOCK, b"some").unwrap();
    disk.submit(DiskJob::KeepPart(THEIRS));
    disk.fixture.idle();
    assert_eq!(disk.entries(), 1);
    assert_eq!(disk.job(create("b", None)), Some(DiskAnswer::PartCreated(THEIRS, Ok(()))));
    assert_eq!(disk.entries(), 2);
}

#[test]
fn an_answer_to_an_earlier_file_of_the_same_number_is_dropped() {
    let mut disk = Disk::receiving();
    disk.submit(DiskJob::SyncPart(THEIRS));
    disk.submit(DiskJob::KeepPart(THEIRS));
    disk.submit(create("b", None));
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.extend(disk.heard());
    }
    assert_eq!(heard, [DiskAnswer::PartCreated(THEIRS, Ok(()))]);
}

#[test]
fn a_job_about_an_unknown_file_is_answered_with_an_error() {
    let mut disk = Disk::new();
    let Some(DiskAnswer::Published(THEIRS, Err(_))) = disk.job(DiskJob::Publish(THEIRS)) else { panic!("published") };
    disk.submit(DiskJob::RemovePart(THEIRS));
    disk.submit(DiskJob::CloseSource(OURS));
    assert_eq!(disk.fixture.pool.under_way(), 0);
}

#[test]
fn a_part_that_cannot_be_created_is_forgotten() {
    let mut disk = Disk::new();
    disk.files = Files::new(Path::new("/nonexistent").to_owned(), String::new()).with_calls(Calls::Portable);
    let Some(DiskAnswer::PartCreated(THEIRS, Err(_))) = disk.job(create("a", None)) else { panic!("created") };
    assert!(disk.files.entries.is_empty());
}

#[test]
fn a_stream_is_hashed_from_memory_and_makes_room_again() {
    let mut disk = Disk::new();
    disk.files.add_stream(OURS);
    assert_eq!(disk.job(DiskJob::OpenSource(OURS)), Some(DiskAnswer::SourceOpened(OURS, Ok(()))));
    let data = vec![5; STREAM_ROOM + 1];
    assert_eq!(disk.files.feed(OURS, &data), STREAM_ROOM);
    assert_eq!(disk.files.room(OURS), 0);
    let block = Block { index: 0, len: BLOCK as u32 };
    let mut buffer = vec![0; BLOCK as usize];
    assert_eq!(disk.files.read(OURS, 0, &mut buffer).unwrap(), buffer.len());
    let whole = value(disk.job(DiskJob::HashSource(OURS, block))).whole;
    assert_eq!(whole, *blake3::hash(&buffer).as_bytes());
    assert_eq!(disk.files.room(OURS), 0, "the peer does not have it yet");
    disk.submit(DiskJob::ForgetStream(OURS, BLOCK));
    assert_eq!(disk.files.room(OURS), BLOCK as usize);
    disk.files.end(OURS);
    assert_eq!(disk.files.streamed(OURS), Some((STREAM_ROOM as u64, true)));
    assert_eq!(disk.job(DiskJob::CheckSource(OURS)), Some(DiskAnswer::SourceChecked(OURS, Ok(()))));
    disk.submit(DiskJob::CloseSource(OURS));
    assert_eq!((disk.files.streamed(OURS), disk.files.room(OURS)), (None, 0));
}

#[test]
fn a_block_that_a_stream_has_not_brought_is_an_error() {
    let mut disk = Disk::new();
    disk.files.add_stream(OURS);
    let block = Block { index: 3, len: 5 };
    let Some(DiskAnswer::SourceHashed(OURS, _, Err(_))) = disk.job(DiskJob::HashSource(OURS, block)) else {
        panic!("hashed")
    };
}
