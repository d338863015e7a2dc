//! Whose fault it is.
//!
//! Owns: [`ProtocolError`] (the peer broke a rule; the conversation with it ends) and [`CommandError`] (our user asked
//! for something that cannot be; the conversation goes on). What is neither is `io::Error` further out, or a bug of
//! ours, which an assertion states.

use std::fmt;

use super::TransferId;

/// The peer broke a rule of the protocol. Closes its link; quotes nothing that the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The first bytes are not a tete's.
    NotTete,
    /// No version is spoken by both.
    Version {
        /// The peer's lowest and highest.
        theirs: (u16, u16),
    },
    /// A length beyond what its kind of frame may have.
    TooLong {
        /// The frame's name.
        frame: &'static str,
        /// What it claimed, in bytes.
        claimed: u64,
        /// What is allowed, in bytes.
        allowed: u64,
    },
    /// A frame that we do not know and that is not marked as one to be skipped.
    UnknownFrame {
        /// Its kind.
        kind: u8,
    },
    /// A frame whose payload does not parse.
    Malformed {
        /// The frame's name.
        frame: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A frame that has no place here.
    Unexpected {
        /// The frame's name.
        frame: &'static str,
        /// The state that it met.
        state: &'static str,
    },
    /// A text whose number is not the next one, or an acknowledgement of what was never said.
    Sequence {
        /// The number that would have been right.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// More than a window allows.
    Window {
        /// Which.
        what: &'static str,
    },
    /// A transfer number that was never offered, or is over, or is not the peer's to use.
    UnknownTransfer(TransferId),
    /// A chunk that does not lie where the next one has to.
    Offset {
        /// The file.
        transfer: TransferId,
        /// Where the next chunk had to begin.
        expected: u64,
        /// Where it began.
        got: u64,
    },
    /// More bytes than were offered.
    TooMuch {
        /// The file.
        transfer: TransferId,
        /// Bytes offered.
        offered: u64,
    },
    /// So many requests at once that answering them would take unbounded memory.
    Flood,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTete => f.write_str("what came is not a tete's greeting"),
            Self::Version { theirs: (min, max) } if min == max => {
                write!(f, "it speaks version {min}, we speak {} to {}", super::hello::OLDEST, super::hello::NEWEST)
            }
            Self::Version { theirs: (min, max) } => {
                let (oldest, newest) = (super::hello::OLDEST, super::hello::NEWEST);
                write!(f, "it speaks versions {min} to {max}, we speak {oldest} to {newest}")
            }
            Self::TooLong { frame, claimed, allowed } => {
                write!(f, "it announced a {frame} of {claimed} bytes; at most {allowed} are allowed")
            }
            Self::UnknownFrame { kind } => write!(f, "it sent a frame of unknown kind {kind:#04x}"),
            Self::Malformed { frame, what } => write!(f, "it sent a broken {frame}: {what}"),
            Self::Unexpected { frame, state } => write!(f, "it sent {frame} while {state}"),
            Self::Sequence { expected, got } => write!(f, "it used number {got} where {expected} was next"),
            Self::Window { what } => write!(f, "it sent more {what} than the window allows"),
            Self::UnknownTransfer(id) => write!(f, "it spoke of transfer {id}, which does not exist"),
            Self::Offset { transfer, expected, got } => {
                write!(f, "it sent bytes of transfer {transfer} at {got} where {expected} was next")
            }
            Self::TooMuch { transfer, offered } => {
                write!(f, "it sent more than the {offered} bytes that it offered in transfer {transfer}")
            }
            Self::Flood => f.write_str("it asks more than it lets us answer"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// Our user asked for something that cannot be. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such transfer, or it is over.
    NoSuchTransfer(TransferId),
    /// No transfer is waiting for an answer, or running.
    NothingToAnswer,
    /// The offer is not waiting for an answer.
    NotUndecided(TransferId),
    /// The conversation is ending: nothing new is taken.
    Leaving,
    /// The window of texts is full. Not an error of the user: say it again when
    /// [`Session::can_say`](super::session::Session::can_say).
    WindowFull,
    /// The text is longer than one message may be.
    TextTooLong,
    /// As many files as may be queued are queued.
    TooManyQueued,
}

impl CommandError {
    /// What the user can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoSuchTransfer(_) | Self::NotUndecided(_) | Self::NothingToAnswer => "/status lists the transfers",
            Self::Leaving => "start tete again to go on",
            Self::WindowFull => "the other side has not read what was said so far",
            Self::TextTooLong => "cut it into several messages",
            Self::TooManyQueued => "wait until some of them are through",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchTransfer(id) => write!(f, "there is no transfer {id}"),
            Self::NothingToAnswer => f.write_str("there is no such transfer now"),
            Self::NotUndecided(id) => write!(f, "transfer {id} is not waiting for an answer"),
            Self::Leaving => f.write_str("the conversation is ending"),
            Self::WindowFull => f.write_str("too much is waiting to be read"),
            Self::TextTooLong => f.write_str("the message is too long"),
            Self::TooManyQueued => f.write_str("too many files are queued"),
        }
    }
}

impl std::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_user_is_told_in_words_of_its_own_with_a_hint() {
        let id = TransferId(7);
        let errors = [
            CommandError::NoSuchTransfer(id),
            CommandError::NothingToAnswer,
            CommandError::NotUndecided(id),
            CommandError::Leaving,
            CommandError::WindowFull,
            CommandError::TextTooLong,
            CommandError::TooManyQueued,
        ];
        let told: std::collections::BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), errors.len(), "{told:?}");
        assert!(told.iter().all(|words| words.len() > 10) && told.contains("there is no transfer 7"), "{told:?}");
        assert!(errors.iter().all(|error| error.hint().len() > 10));
    }

    #[test]
    fn a_program_of_another_age_is_told_by_its_one_version_or_by_its_range() {
        let told = |theirs| ProtocolError::Version { theirs }.to_string();
        assert!(told((7, 7)).starts_with("it speaks version 7, we speak "), "{}", told((7, 7)));
        assert!(told((7, 9)).starts_with("it speaks versions 7 to 9, we speak "), "{}", told((7, 9)));
    }
}
