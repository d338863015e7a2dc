//! What may be the next thing to happen by itself.
//!
//! Owns: the names of deadlines. Must not know: when they are; that is told by who waits.

/// What may be the next thing to happen by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Progress is reported.
    Report,
    /// The rate limit lets a chunk go.
    Limit,
    /// The peer is asked whether it is there.
    Ping,
    /// The peer's silence is told.
    Silence,
    /// The peer's silence has lasted too long.
    Linger,
    /// Nothing has moved on the bulk link for too long.
    Stall,
    /// The peer has not said on a new link what came over the last.
    Back,
    /// Leaving has waited too long.
    Leave,
}

impl Deadline {
    /// Its name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Limit => "limit",
            Self::Ping => "ping",
            Self::Silence => "silence",
            Self::Linger => "linger",
            Self::Stall => "stall",
            Self::Back => "back",
            Self::Leave => "leave",
        }
    }
}
