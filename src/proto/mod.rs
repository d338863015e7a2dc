//! The conversation as pure state machines: bytes and moments in, bytes, jobs and events out.
//!
//! Owns: the frame format, the gate before a conversation, the session, texts, transfers, the commit order,
//! the deadlines, and what peer-made text and names may become.
//! Must not know: sockets, files, clocks, randomness. Moments and random bytes are arguments.
//!
//! Reading order: [`frame`] (what stands on the wire), [`decoder`], [`opening`] (who is let in), [`session`]
//! (one conversation), [`talk`], [`outgoing`] and [`incoming`] (a file, from either end), [`commit`], [`journal`] (what outlives
//! the process), [`stages`] (why a file was slow).

mod alive;
pub mod claim;
pub mod commit;
pub mod deadline;
pub mod decoder;
pub mod digest;
pub mod disk;
mod earlier;
pub mod error;
pub mod event;
pub mod frame;
pub mod gaps;
pub mod hello;
pub mod incoming;
pub mod journal;
mod ledger;
mod limit;
mod links;
pub mod name;
pub mod near;
pub mod opening;
mod orders;
pub mod outbox;
pub mod outgoing;
mod phase;
mod reason;
mod receiving;
pub mod ride;
pub mod session;
pub mod setup;
pub mod stages;
pub mod talk;
pub mod text;
pub mod trace;
pub mod transfers;

use std::fmt;

/// One TCP connection of a session; numbers are never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A transfer's number, the same on both sides. The side that assigned the session numbers its files odd, the other
/// even, so that neither has to ask before it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A promise of `len` bytes of a file, without the bytes. Whoever moves them (a copying loop, the kernel, a
/// simulator in which a terabyte costs nothing) is the caller's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub transfer: TransferId,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}
