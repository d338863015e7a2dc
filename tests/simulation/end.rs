//! One end of the conversation, and the faults that can be planted at it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tete::net::channel::Channel;
use tete::net::pump::Disk;
use tete::proto::disk::{DiskError, DiskJob};
use tete::proto::session::Session;
use tete::proto::{LinkId, TransferId};

use crate::support::disk::{KernelFile, MemDisk};
use crate::user::User;

/// A fault that no honest world has, to show that the ledger would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The network loses a byte.
    LostByte,
    /// The disk writes a chunk a second time, elsewhere.
    StrayWrite,
    /// The disk says that it has synced what it could not.
    SyncLies,
    /// A bit flips between hashing and naming.
    LateFlip,
    /// The app never asks for jobs.
    NoJobs,
    /// The app never asks for events.
    NoEvents,
    /// The app reads texts and forgets some of them.
    Forgetful,
    /// Nobody looks at the deadlines.
    NoTimeouts,
}

impl Mutant {
    pub(crate) const ALL: [Self; 8] = [
        Self::LostByte,
        Self::StrayWrite,
        Self::SyncLies,
        Self::LateFlip,
        Self::NoJobs,
        Self::NoEvents,
        Self::Forgetful,
        Self::NoTimeouts,
    ];
}

pub(crate) struct SimDisk {
    pub(crate) inner: MemDisk,
    pub(crate) mutant: Option<Mutant>,
}

impl Disk for SimDisk {
    type File = KernelFile;

    fn file(&self, transfer: TransferId) -> Option<KernelFile> {
        self.inner.file(transfer)
    }

    fn read_instead(&mut self, transfer: TransferId) {
        self.inner.read_instead(transfer);
    }

    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(transfer, offset, buffer)
    }

    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(transfer, offset, bytes)?;
        match self.mutant {
            Some(Mutant::StrayWrite) if offset > 1000 => self.inner.write(transfer, offset - 1000, bytes),
            _ => Ok(()),
        }
    }

    fn submit(&mut self, job: DiskJob) {
        self.inner.jobs.push_back(job);
    }

    fn explain(&self, transfer: TransferId, error: &io::Error) -> DiskError {
        self.inner.explain(transfer, error)
    }
}

/// A session with what belongs to it.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) channel: Channel,
    /// The talk link that it knows.
    pub(crate) talk: LinkId,
    pub(crate) disk: SimDisk,
    /// Jobs on their way, with the moment when they are done.
    pub(crate) pending: Vec<(Duration, DiskJob)>,
    /// When the last job of a file is done, hashing apart.
    pub(crate) busy: BTreeMap<TransferId, Duration>,
    pub(crate) user: User,
    pub(crate) synced: bool,
    /// Its link is closed from here.
    pub(crate) closed: bool,
}

/// The job that is done first, if one is done by now.
pub(crate) fn earliest(pending: &[(Duration, DiskJob)], now: Duration) -> Option<usize> {
    let due = pending.iter().enumerate().filter(|(_, (at, _))| *at <= now);
    due.min_by_key(|(index, (at, _))| (*at, *index)).map(|(index, _)| index)
}

pub(crate) fn job_name(job: &DiskJob) -> &'static str {
    match job {
        DiskJob::OpenSource(_) => "opens",
        DiskJob::HashSource(..) => "hashes the source of",
        DiskJob::CheckSource(_) => "checks",
        DiskJob::CloseSource(_) => "closes the source of",
        DiskJob::CreatePart { .. } => "creates",
        DiskJob::ResumePart { .. } => "resumes",
        DiskJob::HashPart(..) => "hashes",
        DiskJob::ForgetStream(..) => "forgets the stream of",
        DiskJob::FlushPart(_) => "flushes",
        DiskJob::RecordPart { .. } => "writes down",
        DiskJob::RestartPart(_) => "restarts",
        DiskJob::SyncPart(_) => "syncs",
        DiskJob::Publish(_) => "publishes",
        DiskJob::SyncFolder(_) => "syncs the folder of",
        DiskJob::KeepPart(_) => "keeps",
        DiskJob::RemovePart(_) => "removes",
    }
}
