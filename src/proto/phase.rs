//! How far a session is, as a whole.
//!
//! Owns: the states of a session and the ways in which it ends. Must not know: what leads from one to the other.

use std::time::{Duration, Instant};

use super::error::ProtocolError;
use super::event::LeaveReason;

/// Leaving waits so long for a reader who reads nothing, with only texts pending, and longer where no person waits
/// ([`Session::persist`](super::session::Session::persist)), or the reader is our own.
pub const LEAVE_TEXTS: Duration = Duration::from_secs(5);
/// Leaving waits so long for a transfer that does not move: a slow disk may take minutes to sync what its cache holds.
pub const LEAVE_FILES: Duration = Duration::from_secs(600);
/// A conversation that was cut waits so long for its goodbye to be taken.
pub const CUT_GOODBYE: Duration = Duration::from_secs(1);

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both said goodbye.
    Left,
    /// We left before everything was through.
    Cut,
    /// We left, and nothing was missing but the peer's goodbye.
    Unanswered,
    /// The peer said goodbye, and left before everything was through.
    PeerCut,
    /// The link was lost.
    Lost(String),
    /// The peer broke a rule.
    Broken(ProtocolError),
}

impl Ended {
    /// How it ends for who leaves without having waited for the other side's goodbye. `missing`: something was given up.
    pub(super) fn of_cut(missing: bool) -> Self {
        if missing { Self::Cut } else { Self::Unanswered }
    }
}

/// What a session is in the middle of.
#[derive(Debug)]
pub(super) enum Phase {
    Talking,
    /// What was begun is being finished.
    Leaving {
        reason: LeaveReason,
        /// Whether BYE is on its way.
        said: bool,
        /// When something last went on.
        moved: Instant,
        /// When it ends whatever goes on.
        latest: Option<Instant>,
    },
    /// What was begun has been given up; a second BYE is the last to go.
    Cut {
        reason: LeaveReason,
        /// Whether anything was given up.
        missing: bool,
        /// Whether the first one is on its way.
        announced: bool,
        /// Whether the second one is.
        said: bool,
        /// When nobody waits for that any longer.
        latest: Instant,
    },
    Finished(Ended),
}

impl Phase {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Talking => "Talking",
            Self::Leaving { .. } => "Leaving",
            Self::Cut { .. } => "Cut",
            Self::Finished(_) => "Finished",
        }
    }
}
