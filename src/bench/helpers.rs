//! The program's own helper threads, for a raw probe: they open its files, hash them behind its back and bring them to
//! the disk meanwhile.
//!
//! Owns: the pool, the poll that it wakes, how far hashing may lag. Must not know: sockets.
//!
//! A probe does by these what the program does. It hashes blocks of 1 MiB, each side its own, combined to the same root:
//! with few processors what passes through the probe is hashed as it passes, else it is read back from the page cache by
//! the same threads. Where it waits for the disk at the end, much of it is on the disk by then, as of the program's files.

use std::io;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use crate::net::part::Part;
use crate::net::passing::{Hashing, Passing};
use crate::net::pool::{Answer, Done, Job, Pool, Ticket, Work};
use crate::net::work::{DiskWork, Source};
use crate::proto::TransferId;
use crate::proto::digest::{DigestTree, block_count, next_block};
use crate::proto::disk::{Block, BlockValue, DiskAnswer, DiskError, FLUSH_BYTES};

/// Blocks that may be there and not hashed: what `WINDOW_VERIFIED` of the protocol comes to.
const LAG: usize = 32;

const ID: TransferId = TransferId(1);

/// Whose blocks.
#[derive(Clone, Debug)]
pub enum Of {
    /// The sender's.
    Source(Arc<Source>),
    /// The receiver's.
    Part(Arc<Part>),
}

/// The helpers.
#[derive(Debug)]
pub struct Helpers {
    poll: Poll,
    events: Events,
    pool: Pool,
}

impl Helpers {
    /// None of them runs yet.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let pool = Pool::new(Arc::new(Waker::new(poll.registry(), Token(0))?));
        Ok(Self { poll, events: Events::with_capacity(1), pool })
    }

    /// Opens a source.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&mut self, source: &Arc<Source>) -> io::Result<()> {
        self.submit(DiskWork::OpenSource(ID, Arc::clone(source)));
        match self.wait()? {
            DiskAnswer::SourceOpened(ID, result) => result.map_err(explained),
            other => Err(unexpected(&other)),
        }
    }

    /// Creates a part for so many bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&mut self, part: &Arc<Part>, size: u64) -> io::Result<()> {
        self.submit(DiskWork::CreatePart(ID, Some(size), Arc::clone(part)));
        match self.wait()? {
            DiskAnswer::PartCreated(ID, result) => result.map_err(explained),
            other => Err(unexpected(&other)),
        }
    }

    fn submit(&mut self, work: DiskWork) {
        self.pool.submit(Job { ticket: Ticket(1), work: Work::Disk(work) });
    }

    /// The next answer, however long it takes.
    fn wait(&mut self) -> io::Result<DiskAnswer> {
        loop {
            if let Some(answer) = self.look()? {
                return Ok(answer);
            }
            match self.poll.poll(&mut self.events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// The next answer, if it is there.
    fn look(&mut self) -> io::Result<Option<DiskAnswer>> {
        match self.pool.poll_answer() {
            None => Ok(None),
            Some(Answer { done: Done::Disk(answer), .. }) => Ok(Some(answer)),
            Some(Answer { done, .. }) => Err(unexpected(&done)),
        }
    }
}

/// What a probe does with its file besides carrying the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Care {
    /// Both sides hash, and compare.
    pub hash: bool,
    /// The receiver waits for its disk at the end.
    pub sync: bool,
}

/// That, for one file.
#[derive(Debug)]
pub struct Following {
    helpers: Helpers,
    of: Of,
    size: u64,
    care: Care,
    asked: u64,
    /// In the file's order; the threads answer in their own.
    values: Vec<Option<BlockValue>>,
    /// What passes is hashed as it passes.
    passing: Option<Passing>,
    /// Up to where the disk was asked to have it, and whether it is still at that.
    flushed: u64,
    flushing: bool,
}

impl Following {
    /// Of a file that is open and will have `size` bytes.
    pub fn new(helpers: Helpers, of: Of, size: u64, care: Care) -> Self {
        let blocks = if care.hash { block_count(size) as usize } else { 0 };
        let in_passing = care.hash && Hashing::for_this_machine() == Hashing::InPassing;
        Self {
            helpers,
            of,
            size,
            care,
            asked: 0,
            values: vec![None; blocks],
            passing: in_passing.then(Passing::default),
            flushed: 0,
            flushing: false,
        }
    }

    /// Bytes of the file from `offset` on pass through the probe, before they are written or encrypted.
    pub fn pass(&mut self, offset: u64, bytes: &[u8]) {
        if let Some(passing) = &mut self.passing {
            passing.pass(offset, bytes);
        }
    }

    /// `there` bytes are there now: hands out what there is to do, and waits when hashing is too far behind.
    ///
    /// # Errors
    /// The system's.
    pub fn follow(&mut self, there: u64) -> io::Result<()> {
        if let Of::Part(part) = &self.of
            && self.care.sync
            && !self.flushing
            && there - self.flushed >= FLUSH_BYTES
        {
            (self.flushing, self.flushed) = (true, there);
            self.helpers.submit(DiskWork::FlushPart(ID, Arc::clone(part)));
        }
        while self.care.hash
            && let Some(block) = next_block(self.asked, there, Some(self.size))
        {
            self.asked += 1;
            if let Some(value) = self.passing.as_mut().and_then(|passing| passing.take(block)) {
                self.put(block, value)?;
                continue;
            }
            self.helpers.submit(match &self.of {
                Of::Source(source) => DiskWork::HashSource(ID, block, Arc::clone(source), None),
                Of::Part(part) => DiskWork::HashPart(ID, block, Arc::clone(part)),
            });
        }
        while let Some(answer) = self.helpers.look()? {
            self.take(answer)?;
        }
        while self.helpers.pool.under_way() > LAG {
            let answer = self.helpers.wait()?;
            self.take(answer)?;
        }
        Ok(())
    }

    fn take(&mut self, answer: DiskAnswer) -> io::Result<()> {
        match answer {
            DiskAnswer::SourceHashed(_, block, result) | DiskAnswer::PartHashed(_, block, result) => {
                self.put(block, result.map_err(explained)?)
            }
            DiskAnswer::PartFlushed(_, result) => {
                self.flushing = false;
                result.map(drop).map_err(explained)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn put(&mut self, block: Block, value: BlockValue) -> io::Result<()> {
        let place = self.values.get_mut(block.index as usize);
        *place.ok_or_else(|| io::Error::other("a block beyond the end was hashed"))? = Some(value);
        Ok(())
    }

    /// Waits for the rest; the root of the whole file, or zeros if it is not hashed. The threads live on, so that what
    /// they have cost can be asked.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&mut self) -> io::Result<[u8; 32]> {
        while self.helpers.pool.under_way() > 0 {
            let answer = self.helpers.wait()?;
            self.take(answer)?;
        }
        if !self.care.hash {
            return Ok([0; 32]);
        }
        let mut tree = DigestTree::default();
        for value in &self.values {
            tree.push(value.as_ref().ok_or_else(|| io::Error::other("a block was not hashed"))?);
        }
        Ok(tree.root())
    }
}

fn explained(error: DiskError) -> io::Error {
    io::Error::other(error.words)
}

fn unexpected(what: &impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("a helper answered {what:?}"))
}
