//! The program's own helper threads, for a raw probe: they open its files, and hash them behind its back.
//!
//! Owns: the pool, the poll that it wakes, how far hashing may lag. Must not know: sockets.
//!
//! A probe with hashing does by these what the program does: blocks of 1 MiB, each side its own, read back from the
//! page cache by the same threads and combined to the same root.

use std::io;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use crate::net::part::Part;
use crate::net::pool::{Answer, Done, Job, Pool, Ticket, Work};
use crate::net::work::{DiskWork, Source};
use crate::proto::TransferId;
use crate::proto::digest::{DigestTree, block_count, next_block};
use crate::proto::disk::{BlockValue, DiskAnswer, DiskError};

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

/// Hashing that follows the bytes of one file.
#[derive(Debug)]
pub struct Hashing {
    helpers: Helpers,
    of: Of,
    size: u64,
    asked: u64,
    /// In the file's order; the threads answer in their own.
    values: Vec<Option<BlockValue>>,
}

impl Hashing {
    /// Of a file that is open and will have `size` bytes.
    pub fn new(helpers: Helpers, of: Of, size: u64) -> Self {
        Self { helpers, of, size, asked: 0, values: vec![None; block_count(size) as usize] }
    }

    /// `there` bytes are there now: hands out what can be hashed, and waits when hashing is too far behind.
    ///
    /// # Errors
    /// The system's.
    pub fn follow(&mut self, there: u64) -> io::Result<()> {
        while let Some(block) = next_block(self.asked, there, Some(self.size)) {
            self.asked += 1;
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
        let (DiskAnswer::SourceHashed(_, block, result) | DiskAnswer::PartHashed(_, block, result)) = answer else {
            return Err(unexpected(&answer));
        };
        let value = result.map_err(explained)?;
        let place = self.values.get_mut(block.index as usize);
        *place.ok_or_else(|| io::Error::other("a block beyond the end was hashed"))? = Some(value);
        Ok(())
    }

    /// Waits for the rest; the root of the whole file. The threads live on, so that what they have cost can be asked.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&mut self) -> io::Result<[u8; 32]> {
        while self.helpers.pool.under_way() > 0 {
            let answer = self.helpers.wait()?;
            self.take(answer)?;
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
