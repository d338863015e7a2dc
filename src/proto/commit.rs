//! From "all bytes are here and right" to "the file has its name", in an order that no crash can spoil.
//!
//! Owns: the order. Must not know: how a file is synced or renamed.
//!
//! ```text
//!   Verified --> Syncing --> Publishing --> SyncingFolder --> Done, only now COMMITTED is said
//!                (fsync)     (rename,       (fsync of
//!                            no replace)     the folder)
//! ```
//!
//! A name never stands for bytes that may still be lost: they are on the disk before it exists. Whoever asked not to
//! wait for the disk goes straight to Publishing, and from there to Done.

use super::TransferId;
use super::digest::DigestTree;
use super::disk::{DiskAnswer, DiskError, DiskJob};

/// Proof that every block of a file equals the sender's, and the whole its root. The only way to a [`Commit`].
/// Where both sides measure what verifying costs it is taken on trust
/// ([`Setup::verify`](super::setup::Setup::verify)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The size of the file in bytes.
    pub size: u64,
    /// BLAKE3 of the file.
    pub root: [u8; 32],
}

impl Verified {
    /// Compares what the receiver has with what the sender said at the end; `None` when they differ.
    pub fn check(tree: &DigestTree, size: u64, root: [u8; 32]) -> Option<Self> {
        let complete = tree.blocks() == super::digest::block_count(size);
        (complete && tree.root() == root).then_some(Self { size, root })
    }

    /// Believes the sender, in a measurement.
    pub fn unchecked(size: u64, root: [u8; 32]) -> Self {
        Self { size, root }
    }
}

#[derive(Debug)]
enum State {
    Syncing,
    Publishing,
    SyncingFolder { saved: String },
}

/// A file on its way from its part file to its name.
#[derive(Debug)]
pub struct Commit {
    transfer: TransferId,
    verified: Verified,
    sync: bool,
    state: State,
}

/// What follows an answer.
#[derive(Debug)]
pub enum Next {
    /// Go on with this job.
    Job(Commit, DiskJob),
    /// The file is there.
    Done {
        /// The file name it got.
        saved: String,
        /// What it is.
        verified: Verified,
    },
}

impl Commit {
    /// Begins; with the first job. Without `sync` nobody waits for the disk.
    pub fn begin(transfer: TransferId, verified: Verified, sync: bool) -> (Self, DiskJob) {
        let (state, job) = match sync {
            true => (State::Syncing, DiskJob::SyncPart(transfer)),
            false => (State::Publishing, DiskJob::Publish(transfer)),
        };
        (Self { transfer, verified, sync, state }, job)
    }

    /// The answer to the last job.
    ///
    /// # Errors
    /// The disk's, which ends the commit: an fsync that failed once is never tried again, for the system may have
    /// dropped the bytes and would then call them clean. Bytes that merely got no name are good for a later try.
    ///
    /// # Panics
    /// When the answer is not of the last job: a bug of whoever runs the jobs.
    pub fn answered(self, answer: DiskAnswer) -> Result<Next, DiskError> {
        let Self { transfer, verified, sync, state } = self;
        match (state, answer) {
            (State::Syncing, DiskAnswer::PartSynced(_, result)) => {
                result?;
                Ok(Next::Job(Self { transfer, verified, sync, state: State::Publishing }, DiskJob::Publish(transfer)))
            }
            (State::Publishing, DiskAnswer::Published(_, result)) => {
                let saved = result?;
                if !sync {
                    return Ok(Next::Done { saved, verified });
                }
                let state = State::SyncingFolder { saved };
                Ok(Next::Job(Self { transfer, verified, sync, state }, DiskJob::SyncFolder(transfer)))
            }
            (State::SyncingFolder { saved }, DiskAnswer::FolderSynced(_, result)) => {
                result?;
                Ok(Next::Done { saved, verified })
            }
            (state, answer) => panic!("{answer:?} is no answer to {state:?}"),
        }
    }

    /// The name that the file has by now, if only the folder is still to be synced.
    pub fn saved(&self) -> Option<&str> {
        match &self.state {
            State::SyncingFolder { saved } => Some(saved),
            State::Syncing | State::Publishing => None,
        }
    }

    /// What it is doing.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Syncing => "syncing",
            State::Publishing => "naming",
            State::SyncingFolder { .. } => "syncing the folder",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransferId = TransferId(1);
    const WHOLE: Verified = Verified { size: 0, root: [0; 32] };

    fn job(next: Result<Next, DiskError>) -> (Commit, DiskJob) {
        match next {
            Ok(Next::Job(commit, job)) => (commit, job),
            other => panic!("no job: {other:?}"),
        }
    }

    #[test]
    fn bytes_are_synced_before_the_name_exists_and_the_folder_after() {
        let (commit, first) = Commit::begin(ID, WHOLE, true);
        assert_eq!(first, DiskJob::SyncPart(ID));
        let (commit, second) = job(commit.answered(DiskAnswer::PartSynced(ID, Ok(()))));
        assert_eq!(second, DiskJob::Publish(ID));
        let (commit, third) = job(commit.answered(DiskAnswer::Published(ID, Ok("fetched_a".into()))));
        assert_eq!(third, DiskJob::SyncFolder(ID));
        let done = commit.answered(DiskAnswer::FolderSynced(ID, Ok(())));
        assert!(matches!(done, Ok(Next::Done { saved, .. }) if saved == "fetched_a"));
    }

    #[test]
    fn without_sync_only_the_name_is_asked_for() {
        let (commit, first) = Commit::begin(ID, WHOLE, false);
        assert_eq!(first, DiskJob::Publish(ID));
        assert!(matches!(commit.answered(DiskAnswer::Published(ID, Ok("a".into()))), Ok(Next::Done { .. })));
    }

    #[test]
    fn a_failed_sync_ends_the_commit_before_there_is_a_name() {
        let (commit, _) = Commit::begin(ID, WHOLE, true);
        let error = DiskError { words: "Input/output error".into(), resumable: false };
        assert_eq!(commit.answered(DiskAnswer::PartSynced(ID, Err(error.clone()))).unwrap_err(), error);
    }

    #[test]
    fn a_root_that_differs_is_no_proof() {
        let tree = DigestTree::default();
        assert_eq!(Verified::check(&tree, 0, [1; 32]), None);
        assert!(Verified::check(&tree, 0, tree.root()).is_some());
        assert_eq!(Verified::check(&tree, 5, tree.root()), None);
    }
}
