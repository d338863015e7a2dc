//! What a session tells its user.
//!
//! Owns: the vocabulary of events. Must not know: how they are shown.

use std::time::Duration;

use super::TransferId;
use super::ride::Ride;
use super::stages::Stages;
use super::text::Untrusted;

/// Which way a file goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From us to the peer.
    Send,
    /// From the peer to us.
    Receive,
}

impl Direction {
    /// The word for it in events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }
}

/// Why somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// They said so, or their input ended.
    Done,
    /// A signal ended them.
    Interrupted,
    /// Something broke on their side.
    Failed,
}

/// What happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer said something.
    Message {
        /// Number of the text, from 1.
        seq: u64,
        /// What was said.
        text: Untrusted,
    },
    /// The peer's user has been handed all our texts up to this one.
    Delivered {
        /// Number of our text.
        seq: u64,
    },
    /// The peer offers a file.
    Offer {
        /// The file.
        id: TransferId,
        /// Its name, as offered.
        name: Untrusted,
        /// Its size in bytes, if the peer knows it.
        size: Option<u64>,
        /// Whether our user must answer ([`Session::accept`](super::session::Session::accept) or `refuse`).
        ask: bool,
    },
    /// A file has arrived, was verified and committed.
    Received {
        /// The file.
        id: TransferId,
        /// Its name, as offered.
        name: Untrusted,
        /// The file name under which it was saved.
        saved: String,
        /// Its size.
        bytes: u64,
        /// From acceptance to commit.
        elapsed: Duration,
        /// BLAKE3 of the whole.
        root: [u8; 32],
        /// What it waited for.
        stages: Stages,
    },
    /// The peer has verified and committed a file of ours.
    Sent {
        /// The file.
        id: TransferId,
        /// Its name, as we offered it.
        name: Untrusted,
        /// Its size.
        bytes: u64,
        /// From acceptance to commit.
        elapsed: Duration,
        /// BLAKE3 of the whole.
        root: [u8; 32],
        /// What it waited for.
        stages: Stages,
    },
    /// A transfer ended without a file.
    Failed {
        /// The file.
        id: TransferId,
        /// Which way it went.
        direction: Direction,
        /// Its name, as offered.
        name: Untrusted,
        /// What happened; may quote the peer.
        reason: Untrusted,
        /// Whether the same file, offered again, goes on from what is stored: also after the conversation, and the
        /// process.
        resumable: bool,
        /// Whether our own user wanted it so (a refusal or cancel of ours).
        wanted: bool,
        /// Whether the peer has given it up, so that the reason is in its words and of its side.
        by_peer: bool,
    },
    /// A file of which an earlier try has left a part goes on.
    Resumed {
        /// The file.
        id: TransferId,
        /// Which way it goes.
        direction: Direction,
        /// Its name, as offered.
        name: Untrusted,
        /// Bytes that are there; 0: it is another file by now, and begins again.
        bytes: u64,
        /// Blocks of them that were damaged since, and come again.
        again: u64,
    },
    /// The peer is leaving; it takes no new input.
    PeerLeaving {
        /// Why.
        reason: LeaveReason,
    },
    /// The peer's machine answers, the peer does not.
    Silent {
        /// For how long.
        quiet: Duration,
    },
    /// The peer answers again.
    Answering,
    /// The talk link is lost; the conversation waits for another.
    LinkLost {
        /// How.
        words: String,
    },
    /// The conversation goes on over another link.
    Back,
}

/// How far a running transfer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file.
    pub id: TransferId,
    /// Which way it goes.
    pub direction: Direction,
    /// Its name, as offered.
    pub name: Untrusted,
    /// Bytes that the sender has given to its network; a receiver knows only of those that have come.
    pub sent: u64,
    /// Bytes that stand on the receiver's side.
    pub bytes: u64,
    /// Bytes of which both sides have the same digest.
    pub verified: u64,
    /// Bytes in all, if known.
    pub size: Option<u64>,
    /// What it does now, in a word ("waiting", "sending", "verifying", …).
    pub state: &'static str,
    /// Since acceptance.
    pub elapsed: Duration,
    /// Which link it uses.
    pub ride: Ride,
}
