//! The files under way: what a transfer's number stands for.
//!
//! Owns: the table of sources, streams and parts; how a session's [`DiskJob`] becomes work for the helpers and their
//! answer a [`DiskAnswer`] again. Must not know: sockets, frames, when bytes are moved; how far a source is sent it is told.
//!
//! Reading and writing happen here, on the loop, by offset; whatever takes a path, waits for the disk or hashes
//! happens on the helpers, but for what is hashed better in [passing](super::passing). Both sides share a file by an
//! [`Arc`]; it is closed when the last lets go of it.
//!
//! A source whose bytes pass through the program is read once: what was read to hash it is what is sent, as far as
//! [`ReadAhead`] keeps it. Whether they will is guessed when a helper is asked; a wrong guess costs time, or memory for a
//! while, and nothing else.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::part::{Part, Place};
use super::passing::{Hashing, Passing};
use super::pool::{Job, Pool, Ticket, Work};
use super::read_ahead::ReadAhead;
use super::source::Prepared;
use super::stream::Stream;
use super::work::{DiskWork, Source, hash_at_once};
use crate::proto::TransferId;
use crate::proto::digest::BLOCK;
use crate::proto::disk::{Block, DiskAnswer, DiskError, DiskJob};
use crate::sys::{self, Buffer, Calls, Pipe};

/// Of answers that are true whatever became of the transfer.
const ALWAYS: Ticket = Ticket(0);

#[derive(Debug)]
enum Kind {
    Source {
        source: Arc<Source>,
        /// Whether its bytes have to pass through the program.
        copied: bool,
        /// Whether some of them were not in memory.
        cold: bool,
    },
    Stream(Stream),
    Part(Arc<Part>),
    /// What arrives is thrown away.
    Discarded,
}

#[derive(Debug)]
struct Entry {
    /// Tells this file's answers from those of an earlier one of the same number.
    ticket: Ticket,
    kind: Kind,
    /// Of what is hashed as it arrives.
    passing: Option<Passing>,
    /// Whether what arrives has to be written: the system does not put it there by itself.
    written: bool,
}

/// The table of files under way.
#[derive(Debug)]
pub struct Files {
    place: Place,
    /// Whether what arrives is thrown away, to measure without a disk.
    discard: bool,
    /// Who hashes what arrives.
    hashing: Hashing,
    /// Who hashes what is sent and passes through the program.
    hashing_ours: Hashing,
    /// Of sources whose bytes pass through the program.
    read_ahead: ReadAhead,
    entries: HashMap<TransferId, Entry>,
    tickets: u64,
    /// Answers to jobs that needed no helper.
    answers: VecDeque<DiskAnswer>,
    /// Blocks of sources that are hashed here when they are sent, in the order in which they were asked for.
    later: VecDeque<(TransferId, Block)>,
}

impl Files {
    /// An empty table. Received files go to `folder`, with `prefix` before their names.
    pub fn new(folder: PathBuf, prefix: String) -> Self {
        let place = Place { folder, prefix, calls: Calls::Native, sync: true, peer: None };
        Self {
            place,
            discard: false,
            hashing: Hashing::ByHelpers,
            hashing_ours: Hashing::ByHelpers,
            read_ahead: ReadAhead::default(),
            entries: HashMap::new(),
            tickets: ALWAYS.0,
            answers: VecDeque::new(),
            later: VecDeque::new(),
        }
    }

    /// The same, and nothing that arrives is kept. It is verified only if it is hashed in passing.
    pub fn discarding(mut self, discard: bool) -> Self {
        self.discard = discard;
        self
    }

    /// The same, and whether anybody waits for the disk.
    pub fn syncing(mut self, sync: bool) -> Self {
        self.place.sync = sync;
        self
    }

    /// The same, and who hashes what arrives.
    pub fn hashing(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
    }

    /// The same, and who hashes what is sent, unless the system sends it by itself.
    pub fn hashing_ours(mut self, hashing: Hashing) -> Self {
        self.hashing_ours = hashing;
        self
    }

    /// Whose files arrive from now on, and who gets ours: by their key, `None` on a plain link.
    pub fn set_peer(&mut self, peer: Option<[u8; 32]>) {
        self.place.peer = peer;
    }

    /// The same, by other system calls.
    pub fn with_calls(mut self, calls: Calls) -> Self {
        self.place.calls = calls;
        self
    }

    fn insert(&mut self, id: TransferId, kind: Kind) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let in_passing = self.hashing == Hashing::InPassing && matches!(kind, Kind::Part(_) | Kind::Discarded);
        let written = self.place.calls != Calls::Native;
        self.entries.insert(id, Entry { ticket, kind, passing: in_passing.then(Passing::default), written });
        ticket
    }

    /// A file of ours that will be offered. Nothing is opened yet.
    pub fn add_source(&mut self, id: TransferId, prepared: Prepared) {
        let copied = self.place.calls != Calls::Native;
        self.insert(id, Kind::Source { source: Arc::new(Source::new(prepared)), copied, cold: false });
    }

    /// A stream of ours that will be offered; [`feed`](Self::feed) brings its bytes.
    pub fn add_stream(&mut self, id: TransferId) {
        self.insert(id, Kind::Stream(Stream::default()));
    }

    /// Gives a session's job to the helpers. A job about a file that is not here is answered with an error.
    ///
    /// After [`DiskJob::CloseSource`], [`DiskJob::KeepPart`] and [`DiskJob::RemovePart`] the file is forgotten, and
    /// after the answer to [`DiskJob::SyncFolder`]; whoever publishes without that sends KeepPart afterwards.
    pub fn submit(&mut self, pool: &mut Pool, job: DiskJob) {
        if let DiskJob::CreatePart { transfer, name, .. } = &job {
            let kind = match self.discard {
                true => Kind::Discarded,
                false => Kind::Part(Arc::new(Part::new(self.place.clone(), name.clone()))),
            };
            self.insert(*transfer, kind);
        }
        if let DiskJob::ForgetStream(id, to) = job {
            self.stream(id).into_iter().for_each(|stream| stream.forget(to));
            return;
        }
        if let DiskJob::ResumePart { transfer, kept } = &job
            && let Some(Entry { kind: part @ Kind::Part(_), .. }) = self.entries.remove(kept)
        {
            self.insert(*transfer, part);
        }
        let id = job.transfer();
        if let DiskJob::HashPart(_, block) = job
            && let Some(passing) = self.entries.get_mut(&id).and_then(|entry| entry.passing.as_mut())
            && let Some(value) = passing.take(block)
        {
            self.answers.push_back(DiskAnswer::PartHashed(id, block, Ok(value)));
            return;
        }
        if let DiskJob::HashSource(_, block) = job
            && self.hashes_here(id)
        {
            self.later.push_back((id, block));
            return;
        }
        self.hand_over(pool, id, job);
    }

    /// Whether the loop hashes the blocks of this source: as what arrives, those that pass through the program, unless a
    /// disk would have to be waited for.
    fn hashes_here(&self, id: TransferId) -> bool {
        let passes = |copied| copied || self.place.peer.is_some();
        matches!(self.entries.get(&id).map(|entry| &entry.kind), Some(Kind::Source { copied, cold: false, .. })
            if self.hashing_ours == Hashing::InPassing && passes(*copied))
    }

    /// Gives a job to the helpers.
    fn hand_over(&mut self, pool: &mut Pool, id: TransferId, job: DiskJob) {
        let ticket = self.entries.get(&id).map_or(ALWAYS, |entry| entry.ticket);
        match self.work(id, job) {
            Ok(work) => pool.submit(Job { ticket, work: Work::Disk(work) }),
            Err(Some(answer)) => pool.submit(Job { ticket: ALWAYS, work: Work::Disk(DiskWork::Say(answer)) }),
            Err(None) => {}
        }
    }

    /// The work of a job, or the answer if there is nothing to do it with.
    fn work(&mut self, id: TransferId, job: DiskJob) -> Result<DiskWork, Option<DiskAnswer>> {
        let (ticket, kind) = self.entries.get(&id).map(|entry| (entry.ticket, &entry.kind)).unzip();
        Ok(match (job, kind) {
            (DiskJob::OpenSource(_), Some(Kind::Source { source, .. })) => DiskWork::OpenSource(id, Arc::clone(source)),
            (DiskJob::OpenSource(_), Some(Kind::Stream(_))) => DiskWork::Say(DiskAnswer::SourceOpened(id, Ok(()))),
            (DiskJob::CheckSource(_), Some(Kind::Source { source, .. })) => {
                DiskWork::CheckSource(id, Arc::clone(source))
            }
            (DiskJob::CheckSource(_), Some(Kind::Stream(_))) => DiskWork::Say(DiskAnswer::SourceChecked(id, Ok(()))),
            (DiskJob::HashSource(_, block), Some(Kind::Source { source, copied, .. })) => {
                let passes = *copied || self.place.peer.is_some(); // who has a key is sent nothing in the clear
                let buffer = ticket.filter(|_| passes).and_then(|ticket| self.read_ahead.lend(ticket, block));
                DiskWork::HashSource(id, block, Arc::clone(source), buffer)
            }
            (DiskJob::HashSource(_, block), Some(Kind::Stream(stream))) => match stream.block(block) {
                Some(bytes) => DiskWork::HashStream(id, block, bytes),
                None => {
                    let words = format!("block {} of the stream is not there", block.index);
                    let error = DiskError { words, resumable: false };
                    return Err(Some(DiskAnswer::SourceHashed(id, block, Err(error))));
                }
            },
            (DiskJob::CreatePart { size, .. }, Some(Kind::Part(part))) => {
                DiskWork::CreatePart(id, size, Arc::clone(part))
            }
            (DiskJob::ResumePart { .. }, Some(Kind::Part(_))) => DiskWork::Say(DiskAnswer::PartCreated(id, Ok(()))),
            (DiskJob::HashPart(_, block), Some(Kind::Part(part))) => DiskWork::HashPart(id, block, Arc::clone(part)),
            (DiskJob::FlushPart(_), Some(Kind::Part(part))) => DiskWork::FlushPart(id, Arc::clone(part)),
            (DiskJob::RecordPart { first, values, last, .. }, Some(Kind::Part(part))) => {
                DiskWork::RecordPart(id, first, values, last, Arc::clone(part))
            }
            (DiskJob::RestartPart(_), Some(Kind::Part(part))) => DiskWork::RestartPart(id, Arc::clone(part)),
            (DiskJob::SyncPart(_), Some(Kind::Part(part))) => DiskWork::SyncPart(id, Arc::clone(part)),
            (DiskJob::Publish(_), Some(Kind::Part(part))) => DiskWork::Publish(id, Arc::clone(part)),
            (DiskJob::SyncFolder(_), Some(Kind::Part(part))) => DiskWork::SyncFolder(id, Arc::clone(part)),
            (DiskJob::CreatePart { .. }, Some(Kind::Discarded)) => DiskWork::Say(DiskAnswer::PartCreated(id, Ok(()))),
            (DiskJob::FlushPart(_) | DiskJob::RecordPart { .. } | DiskJob::RestartPart(_), Some(Kind::Discarded)) => {
                DiskWork::Say(DiskAnswer::PartFlushed(id, Ok(())))
            }
            (DiskJob::HashPart(_, block), Some(Kind::Discarded)) => {
                let words = format!("block {} was thrown away before it could be hashed", block.index);
                let error = DiskError { words, resumable: false };
                return Err(Some(DiskAnswer::PartHashed(id, block, Err(error))));
            }
            (DiskJob::SyncPart(_), Some(Kind::Discarded)) => DiskWork::Say(DiskAnswer::PartSynced(id, Ok(()))),
            (DiskJob::Publish(_), Some(Kind::Discarded)) => {
                DiskWork::Say(DiskAnswer::Published(id, Ok("nothing".to_owned())))
            }
            (DiskJob::SyncFolder(_), Some(Kind::Discarded)) => DiskWork::Say(DiskAnswer::FolderSynced(id, Ok(()))),
            (job @ (DiskJob::CloseSource(_) | DiskJob::KeepPart(_) | DiskJob::RemovePart(_)), _) => {
                return self.close(id, &job).ok_or(None);
            }
            (job, _) => return Err(absent(&job)),
        })
    }

    /// Forgets a file. The descriptor goes to the lane of its kind, behind the jobs of this file that are still there, so
    /// that a part whose creation has not been answered yet is removed all the same.
    fn close(&mut self, id: TransferId, job: &DiskJob) -> Option<DiskWork> {
        let entry = self.entries.remove(&id)?;
        self.read_ahead.forget(entry.ticket);
        self.later.retain(|(of, _)| *of != id);
        if let Kind::Part(part) = &entry.kind {
            part.let_go(); // a job that is under way may be about to give it its name
        }
        match (entry.kind, job) {
            (Kind::Source { source, .. }, _) => source.file().is_some().then_some(DiskWork::CloseSource(source)),
            (Kind::Stream(_) | Kind::Discarded, _) => None,
            (Kind::Part(part), DiskJob::RemovePart(_)) => Some(DiskWork::RemovePart(part)),
            (Kind::Part(part), _) => Some(DiskWork::KeepPart(part)),
        }
    }

    /// The next answer to a job that needed no helper.
    pub fn poll_answer(&mut self) -> Option<DiskAnswer> {
        self.answers.pop_front()
    }

    /// Hashes the block of a source that the next byte to be sent, by `sends_at`, lies in: from the core's cache it goes
    /// on to the wire. A block that was sent already goes to the helpers; every block does while somebody talks, and those
    /// of a source that is not in memory.
    pub fn hash_next(&mut self, pool: &mut Pool, sends_at: impl Fn(TransferId) -> Option<u64>) -> Option<DiskAnswer> {
        let mut at = 0;
        while let Some(&(id, block)) = self.later.get(at) {
            let begin = block.index * BLOCK;
            let next = sends_at(id).filter(|_| !pool.is_gentle() && self.hashes_here(id));
            if next.is_some_and(|next| next < begin) {
                at += 1;
                continue;
            }
            self.later.remove(at);
            if next.is_some_and(|next| next < begin + u64::from(block.len))
                && let Some(answer) = self.hash_here(id, block)
            {
                return Some(answer);
            }
            self.hand_over(pool, id, DiskJob::HashSource(id, block));
        }
        None
    }

    /// Hashes a block of a source that is in memory, and keeps what was read.
    fn hash_here(&mut self, id: TransferId, block: Block) -> Option<DiskAnswer> {
        let Entry { ticket, kind: Kind::Source { source, cold, .. }, .. } = self.entries.get_mut(&id)? else {
            return None;
        };
        let mut buffer = self.read_ahead.lend(*ticket, block)?;
        let value = hash_at_once(source, block, &mut buffer);
        *cold = value.is_none();
        self.read_ahead.give_back(*ticket, block, Some(buffer).filter(|_| value.is_some()));
        Some(DiskAnswer::SourceHashed(id, block, Ok(value?)))
    }

    /// Takes a helper's answer back, with the buffer that it has `read` into; gives what the session shall hear, or
    /// `None` when the file is gone by now.
    pub fn answered(&mut self, ticket: Ticket, answer: DiskAnswer, read: Option<Buffer>) -> Option<DiskAnswer> {
        let id = answer.transfer();
        if ticket == ALWAYS {
            return Some(answer);
        }
        if let DiskAnswer::SourceHashed(_, block, _) = &answer {
            self.read_ahead.give_back(ticket, *block, read);
        }
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.ticket == ticket) else {
            self.read_ahead.forget(ticket);
            return None;
        };
        match (&mut entry.kind, &answer) {
            (Kind::Stream(stream), DiskAnswer::SourceHashed(_, block, Ok(_))) => stream.hashed(*block),
            (Kind::Part(_), DiskAnswer::FolderSynced(_, Ok(())) | DiskAnswer::PartCreated(_, Err(_))) => {
                self.entries.remove(&id);
            }
            _ => {}
        }
        Some(answer)
    }

    /// A source that the system can send by itself; `None`: it has to be read.
    pub fn file(&self, id: TransferId) -> Option<Arc<File>> {
        match self.entries.get(&id).map(|entry| &entry.kind) {
            Some(Kind::Source { source, copied: false, .. }) => source.file().map(Arc::clone),
            _ => None,
        }
    }

    /// From now on the bytes of this source pass through the program.
    pub fn read_instead(&mut self, id: TransferId) {
        if let Some(Kind::Source { copied, .. }) = self.entries.get_mut(&id).map(|entry| &mut entry.kind) {
            *copied = true;
        }
    }

    /// Reads bytes of a source, which goes on from there; gives their number, 0 at the end. They are those that were
    /// hashed, where they are still there; otherwise the file is read again, and the receiver tells if it is not what it
    /// was.
    ///
    /// # Errors
    /// The system's; `WouldBlock` when a stream has not brought them yet; `NotFound` when the source is not open.
    pub fn read(&mut self, id: TransferId, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let Some(Entry { ticket, kind, .. }) = self.entries.get_mut(&id) else { return Err(not_open()) };
        match kind {
            Kind::Source { source, .. } => match self.read_ahead.read(*ticket, offset, into) {
                Some(n) => Ok(n),
                None => sys::read_at(source.file().ok_or_else(not_open)?.as_ref(), into, offset),
            },
            Kind::Stream(stream) => stream.read(offset, into),
            Kind::Part(_) | Kind::Discarded => Err(not_open()),
        }
    }

    /// Whether the system can put by itself into a part what arrives. It cannot while the loop hashes it on its way.
    pub fn drains(&self, id: TransferId) -> bool {
        matches!(self.entries.get(&id), Some(Entry { kind: Kind::Part(_), passing: None, written: false, .. }))
    }

    /// Lets the system put into a part, from `offset` on, what stands in a pipe; how many bytes.
    ///
    /// # Errors
    /// The system's; `NotFound` when the part is not open. What stays in the pipe may be written.
    pub fn drain(&mut self, id: TransferId, offset: u64, pipe: &mut Pipe) -> io::Result<usize> {
        match self.entries.get(&id).map(|entry| &entry.kind) {
            Some(Kind::Part(part)) => pipe.drain(part.file().ok_or_else(not_open)?, offset),
            _ => Err(not_open()),
        }
    }

    /// From now on what arrives of this part passes through the program.
    pub fn write_instead(&mut self, id: TransferId) {
        self.entries.get_mut(&id).into_iter().for_each(|entry| entry.written = true);
    }

    /// Writes bytes of a part, all of them. [`write_error`](super::work::write_error) makes of the error what the
    /// session wants to know.
    ///
    /// # Errors
    /// The system's; `NotFound` when the part is not open.
    pub fn write(&mut self, id: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(Entry { kind, passing, .. }) = self.entries.get_mut(&id) else { return Err(not_open()) };
        match kind {
            Kind::Part(part) => {
                passing.iter_mut().for_each(|passing| passing.pass(offset, bytes));
                sys::write_all_at(part.file().ok_or_else(not_open)?, bytes, offset)
            }
            Kind::Discarded => {
                passing.iter_mut().for_each(|passing| passing.pass(offset, bytes));
                Ok(())
            }
            Kind::Source { .. } | Kind::Stream(_) => Err(not_open()),
        }
    }

    /// The name of a file under way as it was offered; empty for a stream, which has none.
    pub fn name(&self, id: TransferId) -> &str {
        match self.entries.get(&id).map(|entry| &entry.kind) {
            Some(Kind::Source { source, .. }) => source.name(),
            Some(Kind::Part(part)) => part.name(),
            Some(Kind::Stream(_) | Kind::Discarded) | None => "",
        }
    }

    fn stream(&mut self, id: TransferId) -> Option<&mut Stream> {
        match &mut self.entries.get_mut(&id)?.kind {
            Kind::Stream(stream) => Some(stream),
            Kind::Source { .. } | Kind::Part(_) | Kind::Discarded => None,
        }
    }

    /// Brings bytes of a stream; gives how many were taken, never more than [`room`](Self::room).
    pub fn feed(&mut self, id: TransferId, bytes: &[u8]) -> usize {
        self.stream(id).map_or(0, |stream| stream.feed(bytes))
    }

    /// Bytes that may be fed to a stream now; 0 for what is no stream, or has ended.
    pub fn room(&self, id: TransferId) -> usize {
        match self.entries.get(&id).map(|entry| &entry.kind) {
            Some(Kind::Stream(stream)) => stream.room(),
            _ => 0,
        }
    }

    /// No more will come of a stream.
    pub fn end(&mut self, id: TransferId) {
        if let Some(stream) = self.stream(id) {
            stream.end();
        }
    }

    /// How many bytes a stream has brought so far, and whether that is all; `None` for what is no stream.
    pub fn streamed(&self, id: TransferId) -> Option<(u64, bool)> {
        match &self.entries.get(&id)?.kind {
            Kind::Stream(stream) => Some((stream.len(), stream.has_ended())),
            Kind::Source { .. } | Kind::Part(_) | Kind::Discarded => None,
        }
    }
}

/// The answer to a job about a file that is not here.
fn absent(job: &DiskJob) -> Option<DiskAnswer> {
    let id = job.transfer();
    let error = DiskError { words: format!("there is no such file for transfer {id}"), resumable: false };
    Some(match job {
        DiskJob::OpenSource(_) => DiskAnswer::SourceOpened(id, Err(error)),
        DiskJob::HashSource(_, block) => DiskAnswer::SourceHashed(id, *block, Err(error)),
        DiskJob::CheckSource(_) => DiskAnswer::SourceChecked(id, Err(error)),
        DiskJob::CreatePart { .. } | DiskJob::ResumePart { .. } => DiskAnswer::PartCreated(id, Err(error)),
        DiskJob::HashPart(_, block) => DiskAnswer::PartHashed(id, *block, Err(error)),
        DiskJob::FlushPart(_) | DiskJob::RecordPart { .. } | DiskJob::RestartPart(_) => {
            DiskAnswer::PartFlushed(id, Err(error))
        }
        DiskJob::SyncPart(_) => DiskAnswer::PartSynced(id, Err(error)),
        DiskJob::Publish(_) => DiskAnswer::Published(id, Err(error)),
        DiskJob::SyncFolder(_) => DiskAnswer::FolderSynced(id, Err(error)),
        DiskJob::ForgetStream(..) | DiskJob::CloseSource(_) | DiskJob::KeepPart(_) | DiskJob::RemovePart(_) => {
            return None;
        }
    })
}

fn not_open() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the file is not open")
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
