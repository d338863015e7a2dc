//! How a run ends.
//!
//! Owns: the exit codes, and the two sentences that a wrong command line gets.
//! Must not know: what led there; whoever ends the run chooses.

use std::fmt;
use std::process::ExitCode;

/// How a run ended, as its caller's shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// It failed: no folder, no port, an error of the system.
    Failed = 1,
    /// The command line cannot be meant.
    Usage = 2,
    /// Nobody was reached, or the peer is lost for good.
    NotConnected = 3,
    /// A file failed, or a text was never acknowledged.
    Undelivered = 4,
    /// The peer did not let us in, or we did not let the peer in.
    NotLetIn = 5,
    /// Ctrl-C (128 + SIGINT).
    Interrupted = 130,
    /// SIGTERM or SIGHUP (128 + SIGTERM).
    Terminated = 143,
}

impl Exit {
    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a user typed cannot be meant: what is wrong, and what to do about it. Displays as both lines, as they go to
/// standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// What is wrong, one sentence without a full stop. What the user typed is quoted with its control characters
    /// escaped.
    pub message: String,
    /// What to type instead.
    pub hint: String,
}

impl UsageError {
    /// A usage error of these two sentences.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// A key was named of somebody to be talked to without keys.
    pub fn plain_has_no_keys() -> Self {
        Self::new("--plain has no keys, so none can be pinned", "leave out --plain, or the key")
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.message, self.hint)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_the_number_that_scripts_rely_on() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotConnected,
            Exit::Undelivered,
            Exit::NotLetIn,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5, 130, 143]);
    }

    #[test]
    fn a_usage_error_is_an_error_line_and_a_hint_line() {
        assert_eq!(UsageError::new("no", "yes").to_string(), "error: no\nhint: yes");
    }
}
