//! One side's files: what it sends, and a [`Platter`] for what it receives.
//!
//! Owns: the table of files under way and the faults of single calls. It does for a job what
//! [`net::files`](tete::net::files) and the helpers do, by the same calls in the same order; `real.rs` compares the two.
//! Must not know: sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use blake3::hazmat::HasherExt as _;
use tete::net::pump::Disk;
use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::{Block, BlockValue, DiskAnswer, DiskError, DiskJob};

use crate::part::Open;
use crate::planted::Mutant;
use crate::platter::Platter;
use crate::random::Random;
use crate::support::disk::{Fault, fill};

/// A file of ours on its shelf, which somebody may edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shelved {
    /// Which bytes it has.
    pub(crate) key: u64,
    pub(crate) size: u64,
    /// What tells one state of it from another.
    pub(crate) stamp: u64,
}

/// A file of ours that was offered.
#[derive(Clone, Copy, Debug)]
struct Offered {
    number: u64,
    /// What it was then.
    was: Shelved,
    stream: bool,
    closed: bool,
}

/// A file to send, as a wire fetches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimFile {
    is: Shelved,
    fault: Option<Fault>,
}

impl SimFile {
    /// How many of its bytes can be read from an offset on; `None`: it cannot be read there.
    fn readable(&self, offset: u64) -> Option<u64> {
        let end = match self.fault {
            Some(Fault::Read(at)) if offset >= at => return None,
            Some(Fault::Read(at) | Fault::Short(at)) => at.min(self.is.size),
            _ => self.is.size,
        };
        Some(end.saturating_sub(offset))
    }

    /// Its bytes, none behind its end; `None`: it cannot be fetched.
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len.min(self.readable(offset)? as usize)];
        fill(self.is.key, offset, &mut bytes);
        Some(bytes)
    }
}

/// Whose answer it is, and whose part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    ticket: u64,
    pub(crate) part: u64,
}

/// What all calls of a side go through.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) platter: Platter,
    pub(crate) shelf: BTreeMap<u64, Shelved>,
    offered: BTreeMap<TransferId, Offered>,
    entries: BTreeMap<TransferId, Held>,
    pub(crate) parts: BTreeMap<u64, Open>,
    last: u64,
    /// Whether it waits for the platter.
    pub(crate) synced: bool,
    /// No wire fetches a source itself: all of them are read.
    pub(crate) reads: bool,
    refused: BTreeSet<TransferId>,
    /// Parts that are written, and not drained into.
    written: BTreeSet<TransferId>,
    /// What goes wrong with a file.
    pub(crate) planned: BTreeMap<TransferId, Fault>,
    /// What the peer really sends: only a mutant looks.
    pub(crate) theirs: BTreeMap<TransferId, Shelved>,
    /// How often, in ten thousandths, a call fails.
    pub(crate) flaky: u64,
    pub(crate) random: Random,
    /// Files that a failing call has spoilt.
    pub(crate) struck: BTreeSet<TransferId>,
    /// Names of which a journal, or what stands in it, may be missing for a failing call.
    pub(crate) forgetful: BTreeSet<String>,
    /// How often each fault was met.
    pub(crate) met: BTreeMap<&'static str, u64>,
    /// Rules that were broken in what was asked for.
    pub(crate) broken: Vec<String>,
    pub(crate) mutant: Option<Mutant>,
}

/// Whether it may be overtaken.
pub(crate) fn is_hashing(job: &DiskJob) -> bool {
    matches!(job, DiskJob::HashSource(..) | DiskJob::HashPart(..))
}

/// Whether it waits for nothing but its like.
pub(crate) fn is_flushing(job: &DiskJob) -> bool {
    matches!(job, DiskJob::FlushPart(_) | DiskJob::RestartPart(_) | DiskJob::RecordPart { last: false, .. })
}

/// What nobody can go on from.
pub(crate) fn for_good(words: &str) -> DiskError {
    DiskError { words: words.to_owned(), resumable: false }
}

pub(crate) fn value(block: Block, bytes: &[u8]) -> BlockValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(block.index * BLOCK).update(bytes);
    let whole = if block.index == 0 { *hasher.finalize().as_bytes() } else { [0; 32] };
    BlockValue { chaining: hasher.finalize_non_root(), whole }
}

impl Drive {
    pub(crate) fn new(random: Random, mutant: Option<Mutant>) -> Self {
        Self {
            platter: Platter::default(),
            shelf: BTreeMap::new(),
            offered: BTreeMap::new(),
            entries: BTreeMap::new(),
            parts: BTreeMap::new(),
            last: 0,
            synced: true,
            reads: false,
            refused: BTreeSet::new(),
            written: BTreeSet::new(),
            planned: BTreeMap::new(),
            theirs: BTreeMap::new(),
            flaky: 0,
            random,
            struck: BTreeSet::new(),
            forgetful: BTreeSet::new(),
            met: BTreeMap::new(),
            broken: Vec::new(),
            mutant,
        }
    }

    /// The program is gone, and all that it held; what it has written stays. Another one may begin.
    pub(crate) fn let_go(&mut self) {
        (self.offered, self.entries, self.parts) = Default::default();
        (self.refused, self.written) = Default::default();
        (self.planned, self.theirs, self.struck) = Default::default();
        self.platter.revive();
    }

    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// A call that may fail for no reason; `planned`: or for this one.
    pub(crate) fn call(&mut self, id: TransferId, what: &'static str, planned: Option<Fault>) -> io::Result<()> {
        let planned = planned.is_some() && self.planned.get(&id) == planned.as_ref();
        // There are few calls for journals, and nothing fails for one that does.
        let often = if what.contains("journal") { 20 } else { 1 };
        let fails = planned || (self.flaky > 0 && self.random.below(10_000) < self.flaky * often);
        if !fails {
            return Ok(());
        }
        self.meet(what);
        Err(io::Error::from_raw_os_error(self.random.pick(&[5, 28])))
    }

    /// The same, and without it there is no file.
    pub(crate) fn need(&mut self, id: TransferId, what: &'static str, planned: Option<Fault>) -> Result<(), DiskError> {
        self.call(id, what, planned).map_err(|error| {
            self.struck.insert(id);
            for_good(&error.to_string())
        })
    }

    /// A file of ours is offered.
    pub(crate) fn offer(&mut self, id: TransferId, number: u64, stream: bool) {
        if let Some(was) = self.shelf.get(&number) {
            self.offered.insert(id, Offered { number, was: *was, stream, closed: false });
        }
    }

    fn source(&self, id: TransferId) -> Option<(Offered, SimFile)> {
        let offered = self.offered.get(&id)?;
        let is = if offered.stream { offered.was } else { *self.shelf.get(&offered.number)? };
        Some((*offered, SimFile { is, fault: self.planned.get(&id).copied() }))
    }

    fn unchanged(&self, id: TransferId) -> Result<(), DiskError> {
        let (offered, file) = self.source(id).ok_or_else(|| for_good("No such file or directory"))?;
        let is_same = file.is == offered.was || self.mutant == Some(Mutant::AnySource);
        if is_same { Ok(()) } else { Err(for_good("it changed")) }
    }

    fn hash_source(&mut self, id: TransferId, block: Block) -> Result<BlockValue, DiskError> {
        self.need(id, "a source cannot be hashed", Some(Fault::HashSource))?;
        let (_, file) = self.source(id).ok_or_else(|| for_good("No such file or directory"))?;
        let bytes = SimFile { fault: None, ..file }.bytes(block.index * BLOCK, block.len as usize);
        let bytes = bytes.filter(|bytes| bytes.len() == block.len as usize);
        Ok(value(block, &bytes.ok_or_else(|| for_good("changed while it was read"))?))
    }

    fn enter(&mut self, id: TransferId, part: u64) -> Held {
        self.last += 1;
        let held = Held { ticket: self.last, part };
        self.entries.insert(id, held);
        held
    }

    /// A job is on its way: whose part it is for as long as it is. What [`net::files`](tete::net::files) does at once.
    pub(crate) fn submit(&mut self, job: &DiskJob) -> Option<Held> {
        let id = job.transfer();
        match job {
            DiskJob::CreatePart { transfer, name, .. } => {
                self.last += 1;
                let part = self.last;
                self.parts.insert(part, Open::new(name.clone()));
                if self.entries.contains_key(transfer) {
                    self.broken.push(format!("{transfer} was created twice"));
                }
                self.enter(*transfer, part);
            }
            DiskJob::ResumePart { transfer, kept } => {
                if let Some(held) = self.entries.remove(kept) {
                    self.enter(*transfer, held.part);
                }
            }
            _ => {}
        }
        let held = match job {
            DiskJob::KeepPart(_) | DiskJob::RemovePart(_) => self.entries.remove(&id),
            _ => self.entries.get(&id).copied(),
        };
        if let Some(part) = held.and_then(|held| self.parts.get_mut(&held.part)) {
            part.jobs += 1;
            part.let_go |= matches!(job, DiskJob::KeepPart(_) | DiskJob::RemovePart(_));
        }
        held
    }

    /// The answer to a job, if there is one and somebody waits for it.
    pub(crate) fn perform(&mut self, job: DiskJob, held: Option<Held>) -> Option<DiskAnswer> {
        let id = job.transfer();
        let answer = self.work(job, held);
        if let Some(held) = held {
            self.parts.get_mut(&held.part).into_iter().for_each(|part| part.jobs -= 1);
            let is_wanted = self.entries.get(&id).is_some_and(|entry| entry.ticket == held.ticket);
            if is_wanted
                && matches!(answer, Some(DiskAnswer::FolderSynced(_, Ok(())) | DiskAnswer::PartCreated(_, Err(_))))
            {
                self.entries.remove(&id);
            }
            let in_use: BTreeSet<u64> = self.entries.values().map(|entry| entry.part).collect();
            self.parts.retain(|part, open| open.jobs > 0 || in_use.contains(part));
            return answer.filter(|_| is_wanted);
        }
        answer.filter(|_| self.offered.get(&id).is_none_or(|offered| !offered.closed))
    }

    /// A job that nobody does, and its answer: only a mutant asks.
    pub(crate) fn skip(&mut self, held: Option<Held>, answer: DiskAnswer) -> Option<DiskAnswer> {
        self.perform(DiskJob::ForgetStream(answer.transfer(), 0), held);
        let is_wanted = self.entries.get(&answer.transfer()) == held.as_ref();
        is_wanted.then_some(answer)
    }

    fn work(&mut self, job: DiskJob, held: Option<Held>) -> Option<DiskAnswer> {
        let absent = || for_good("there is no such file");
        let part = held.map(|held| held.part).ok_or_else(absent);
        Some(match job {
            DiskJob::OpenSource(id) => {
                let opened = self.need(id, "a source cannot be opened", Some(Fault::Open));
                DiskAnswer::SourceOpened(id, opened.and_then(|()| self.unchanged(id)))
            }
            DiskJob::HashSource(id, block) => DiskAnswer::SourceHashed(id, block, self.hash_source(id, block)),
            DiskJob::CheckSource(id) => {
                let checked = self.need(id, "a source cannot be looked at", Some(Fault::Changed));
                DiskAnswer::SourceChecked(id, checked.and_then(|()| self.unchanged(id)))
            }
            DiskJob::ForgetStream(..) => return None,
            DiskJob::CloseSource(id) => {
                self.offered.get_mut(&id).into_iter().for_each(|offered| offered.closed = true);
                return None;
            }
            DiskJob::CreatePart { transfer: id, size, .. } => match part.and_then(|part| self.create(id, part, size)) {
                Ok(Some(values)) => DiskAnswer::PartTaken(id, values),
                result => DiskAnswer::PartCreated(id, result.map(drop)),
            },
            DiskJob::ResumePart { transfer, .. } => DiskAnswer::PartCreated(transfer, part.map(drop)),
            DiskJob::HashPart(id, block) => {
                DiskAnswer::PartHashed(id, block, part.and_then(|part| self.hash_part(id, part, block)))
            }
            DiskJob::FlushPart(id) => DiskAnswer::PartFlushed(id, part.and_then(|part| self.flush(id, part))),
            DiskJob::RecordPart { transfer: id, first, values, last } => {
                DiskAnswer::PartFlushed(id, part.and_then(|part| self.record(id, part, first, &values, last)))
            }
            DiskJob::RestartPart(id) => DiskAnswer::PartFlushed(id, part.map(|part| self.restart(id, part))),
            DiskJob::SyncPart(id) => DiskAnswer::PartSynced(id, part.and_then(|part| self.sync(id, part))),
            DiskJob::Publish(id) => DiskAnswer::Published(id, part.and_then(|part| self.publish(id, part))),
            DiskJob::SyncFolder(id) => DiskAnswer::FolderSynced(id, part.and_then(|part| self.sync_folder(id, part))),
            DiskJob::KeepPart(id) => {
                part.ok().into_iter().for_each(|part| self.keep(id, part));
                return None;
            }
            DiskJob::RemovePart(id) => {
                part.ok().into_iter().for_each(|part| self.remove(id, part));
                return None;
            }
        })
    }
}

impl Disk for Drive {
    type File = SimFile;
    type Pipe = Vec<u8>;

    fn file(&self, transfer: TransferId) -> Option<SimFile> {
        let (offered, file) = self.source(transfer)?;
        (!offered.stream && !self.reads && !self.refused.contains(&transfer)).then_some(file)
    }

    fn read_instead(&mut self, transfer: TransferId) {
        self.refused.insert(transfer);
    }

    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, file) = self.source(transfer).ok_or(io::ErrorKind::NotFound)?;
        let Some(readable) = file.readable(offset) else {
            self.meet("a source cannot be read");
            return Err(io::Error::from_raw_os_error(5));
        };
        self.call(transfer, "a source cannot be read", None).inspect_err(|_| {
            self.struck.insert(transfer);
        })?;
        let n = buffer.len().min(readable as usize);
        fill(file.is.key, offset, &mut buffer[..n]);
        Ok(n)
    }

    fn drains(&self, transfer: TransferId) -> bool {
        !self.reads && !self.written.contains(&transfer)
    }

    fn drain(&mut self, transfer: TransferId, offset: u64, pipe: &mut Vec<u8>) -> io::Result<usize> {
        // Some file systems take less than they are given.
        let n = if self.random.chance(100) { pipe.len().div_ceil(2) } else { pipe.len() };
        self.write(transfer, offset, &pipe[..n])?;
        pipe.drain(..n);
        Ok(n)
    }

    fn write_instead(&mut self, transfer: TransferId) {
        self.written.insert(transfer);
    }

    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let held = *self.entries.get(&transfer).ok_or(io::ErrorKind::NotFound)?;
        if let Some(Fault::Write(at)) = self.planned.get(&transfer)
            && offset + bytes.len() as u64 > *at
        {
            self.meet("a disk is full");
            return Err(io::Error::from_raw_os_error(28));
        }
        self.call(transfer, "a write fails", None).inspect_err(|_| {
            self.struck.insert(transfer);
        })?;
        self.write_part(held.part, offset, bytes)?;
        match self.mutant {
            Some(Mutant::StrayWrite) if offset > 1000 => self.write_part(held.part, offset - 1000, bytes),
            _ => Ok(()),
        }
    }

    fn submit(&mut self, _job: DiskJob) {}

    fn explain(&self, _transfer: TransferId, error: &io::Error) -> DiskError {
        DiskError { words: error.to_string(), resumable: matches!(error.raw_os_error(), Some(5 | 28)) }
    }
}
