//! One end of the conversation: a session with what belongs to it.

use std::time::Duration;

use tete::net::channel::Channel;
use tete::proto::LinkId;
use tete::proto::disk::DiskJob;
use tete::proto::session::Session;

use crate::drive::{Drive, Held};
use crate::user::User;

/// A job on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    /// When it is done.
    pub(crate) at: Duration,
    pub(crate) job: DiskJob,
    pub(crate) held: Option<Held>,
}

pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) channel: Channel,
    /// The talk link that it knows.
    pub(crate) talk: LinkId,
    pub(crate) disk: Drive,
    pub(crate) pending: Vec<Pending>,
    /// When the last job of a lane is done: of those that wait for the disk, and of those that flush.
    pub(crate) busy: [Duration; 2],
    pub(crate) user: User,
    /// Its link is closed from here.
    pub(crate) closed: bool,
    /// Its machine is suspended until then.
    pub(crate) sleeps_until: Duration,
}

/// The job that is done first, if one is done by now.
pub(crate) fn earliest(pending: &[Pending], now: Duration) -> Option<usize> {
    let due = pending.iter().enumerate().filter(|(_, pending)| pending.at <= now);
    due.min_by_key(|(index, pending)| (pending.at, *index)).map(|(index, _)| index)
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
