//! What the machines did, as values: one enum for the whole program.
//!
//! Owns: the vocabulary of traces and the one place that prints them (`RUST_LOG=trace`).
//! Costs one comparison when nobody listens. Numbers in it (turns, links, stream offsets) are the same in every run
//! over the same input, so that two traces can be compared.

use std::fmt;
use std::time::Duration;

use super::{LinkId, TransferId};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The loop woke up.
    Wake {
        /// Number of the turn.
        turn: u64,
        /// How long it was allowed to sleep; `None`: for ever.
        allowed: Option<Duration>,
        /// How many readiness events came.
        events: usize,
    },
    /// A readiness latch was set or cleared.
    Latch {
        /// Slab key of the connection.
        key: usize,
        /// `readable` or `writable`.
        side: &'static str,
        /// Set, or cleared by a `WouldBlock`.
        set: bool,
    },
    /// One system call on a connection.
    Io {
        /// Slab key of the connection.
        key: usize,
        /// `recv` or `send`.
        call: &'static str,
        /// Bytes asked for.
        asked: usize,
        /// Bytes moved; `None`: it would have blocked.
        moved: Option<usize>,
    },
    /// A frame was read or written.
    Frame {
        /// The link.
        link: LinkId,
        /// `in` or `out`.
        way: &'static str,
        /// The frame's name.
        name: &'static str,
        /// Where in the link's stream of bytes its payload begins.
        offset: u64,
    },
    /// A machine went from one state to another.
    State {
        /// Which transfer; `None`: the session itself.
        transfer: Option<TransferId>,
        /// From.
        from: &'static str,
        /// To.
        to: &'static str,
    },
    /// A deadline passed.
    Deadline {
        /// Which.
        what: &'static str,
    },
    /// A helper answered.
    Answer {
        /// What was asked.
        what: &'static str,
        /// For which transfer, if for one.
        transfer: Option<TransferId>,
    },
    /// A connection was removed.
    Reap {
        /// Slab key of the connection.
        key: usize,
    },
}

/// Hands a trace to `log`, at trace level.
pub fn emit(trace: Trace) {
    log::trace!(target: "tete::trace", "{trace}");
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wake { turn, allowed, events } => {
                write!(f, "turn {turn}: woke, {events} ready (allowed {allowed:?})")
            }
            Self::Latch { key, side, set: true } => write!(f, "connection {key}: {side}"),
            Self::Latch { key, side, set: false } => write!(f, "connection {key}: no longer {side}"),
            Self::Io { key, call, asked, moved: Some(n) } => write!(f, "connection {key}: {call} {n} of {asked}"),
            Self::Io { key, call, asked, moved: None } => write!(f, "connection {key}: {call} {asked} would block"),
            Self::Frame { link, way, name, offset } => write!(f, "link {link}: {way} {name} at {offset}"),
            Self::State { transfer: Some(id), from, to } => write!(f, "transfer {id}: {from} -> {to}"),
            Self::State { transfer: None, from, to } => write!(f, "session: {from} -> {to}"),
            Self::Deadline { what } => write!(f, "deadline: {what}"),
            Self::Answer { what, transfer: Some(id) } => write!(f, "answer: {what} of transfer {id}"),
            Self::Answer { what, transfer: None } => write!(f, "answer: {what}"),
            Self::Reap { key } => write!(f, "connection {key}: removed"),
        }
    }
}
