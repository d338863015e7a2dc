//! What is promised, so that a violation says which promise it breaks.

use std::fmt;

/// One of the checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// Nothing of the other side reaches the user or the disk before the owners of both sides have let each other in.
    Gate,
    /// Texts come once, whole and in order, or are reported as undelivered.
    Texts,
    /// A final name stands for a whole file, for ever, or is not there.
    Names,
    /// What counts is on the disk.
    Durable,
    /// Every file has one end on each side, both agree on it, and a bad one has a cause.
    Files,
    /// What was written down of a file need not be sent again, and nothing else is taken for it.
    Resume,
    /// An honest peer is not called a liar, and the link is lost only when it is.
    Peer,
    /// What is kept in memory stays under a ceiling.
    Bounds,
    /// Once the faults stop everything ends, in time.
    Progress,
    /// Nothing that the world does is a panic.
    Calm,
    /// Nothing is left in the folder that nobody needs.
    Leftovers,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.words)
    }
}

pub(crate) type Kept = Result<(), Violation>;

pub(crate) fn check(holds: bool, promise: Promise, words: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(Violation { promise, words: words() }) }
}

pub(crate) fn broken(promise: Promise, words: impl Into<String>) -> Violation {
    Violation { promise, words: words.into() }
}
