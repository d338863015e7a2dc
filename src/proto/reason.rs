//! Why something ends, as it stands in frames.
//!
//! Owns: the reasons and their codes. Must not know: what follows from them.

use super::event::LeaveReason;

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another conversation is going on.
    Busy,
    /// The two already talk over another connection.
    Surplus,
    /// The caller is the very same process.
    Yourself,
    /// Nobody vouches for the caller, or the user said no.
    NotWanted,
    /// The link is for something that this version does not do.
    Purpose,
    /// The link claims to belong to a conversation that there is not.
    NoSession,
    /// The two do not have the same one-time code, or it is used up.
    WrongCode,
    /// The caller was to prove itself by a one-time code, and the other side has none.
    NoCode,
}

impl Refusal {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::Surplus => 2,
            Self::Yourself => 3,
            Self::NotWanted => 4,
            Self::Purpose => 5,
            Self::NoSession => 6,
            Self::WrongCode => 7,
            Self::NoCode => 8,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        [
            Self::Busy,
            Self::Surplus,
            Self::Yourself,
            Self::NotWanted,
            Self::Purpose,
            Self::NoSession,
            Self::WrongCode,
            Self::NoCode,
        ]
        .into_iter()
        .find(|r| r.code() == code)
    }
}

/// Why a transfer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// A user said so.
    User,
    /// The source is no longer what was offered.
    SourceChanged,
    /// The source cannot be read.
    SourceFailed,
    /// The receiver's disk cannot.
    DiskFailed,
    /// The receiver's disk cannot now; what was verified stays there, for the same file being offered again. To who does
    /// not know this reason the file has failed, no more.
    DiskKept,
    /// The two sides hold different bytes.
    Mismatch,
    /// Somebody leaves before it could finish.
    Leaving,
}

impl CancelReason {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::SourceChanged => 2,
            Self::SourceFailed => 3,
            Self::DiskFailed => 4,
            Self::Mismatch => 5,
            Self::Leaving => 6,
            Self::DiskKept => 7,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        [
            Self::User,
            Self::SourceChanged,
            Self::SourceFailed,
            Self::DiskFailed,
            Self::Mismatch,
            Self::Leaving,
            Self::DiskKept,
        ]
        .into_iter()
        .find(|r| r.code() == code)
    }
}

/// The byte for why somebody leaves.
pub(super) fn leave_code(reason: LeaveReason) -> u8 {
    match reason {
        LeaveReason::Done => 0,
        LeaveReason::Interrupted => 1,
        LeaveReason::Failed => 2,
    }
}

/// Why somebody leaves, by its byte.
pub(super) fn leave_from_code(code: u8) -> LeaveReason {
    match code {
        0 => LeaveReason::Done,
        1 => LeaveReason::Interrupted,
        _ => LeaveReason::Failed,
    }
}
