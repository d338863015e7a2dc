//! How it went, as one number for the shell.
//!
//! Owns: the count of what was not delivered, and its translation into an [`Exit`].
//! Must not know: how any of it came to be.

use crate::net::event::Ending;
use crate::proto::session::Ended;

use super::exit::Exit;

/// What went wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Transfers that failed, and nobody here had wanted it so.
    pub failed: usize,
    /// Texts of ours that were never acknowledged.
    pub unread: usize,
    /// Texts and events of the peer's that could not be shown.
    pub unshown: usize,
    /// Lines of input for which the other side was no longer there.
    pub unsaid: usize,
    /// Files that could not even be offered.
    pub refused: usize,
    /// The signal that asked us to end.
    pub ending: Option<Ending>,
}

impl Tally {
    /// Whether something was not delivered.
    pub fn is_short(&self) -> bool {
        self.failed + self.unread + self.unshown + self.unsaid > 0
    }

    /// The exit code after a conversation that ended like this. `sending`: the program was there to send files, so
    /// that one which could not be offered counts.
    pub fn exit(&self, ended: &Ended, sending: bool) -> Exit {
        match (self.ending, ended) {
            (Some(Ending::Interrupt), _) => Exit::Interrupted,
            (Some(Ending::Terminate | Ending::HangUp), _) => Exit::Terminated,
            (None, Ended::Broken(_)) => Exit::Failed,
            (None, _) if self.is_short() => Exit::Undelivered,
            (None, Ended::Lost(_)) => Exit::NotConnected,
            (None, _) if sending && self.refused > 0 => Exit::Failed,
            (None, Ended::Left | Ended::Cut | Ended::Unanswered | Ended::PeerCut) => Exit::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_left_and_nothing_is_missing() {
        assert_eq!(Tally::default().exit(&Ended::Left, false), Exit::Done);
    }

    #[test]
    fn a_failed_file_or_an_unread_text_is_told() {
        assert_eq!(Tally { failed: 1, ..Tally::default() }.exit(&Ended::Left, false), Exit::Undelivered);
        assert_eq!(Tally { unread: 3, ..Tally::default() }.exit(&Ended::Cut, false), Exit::Undelivered);
    }

    #[test]
    fn a_link_that_was_lost_with_nothing_pending_is_a_lost_connection() {
        assert_eq!(Tally::default().exit(&Ended::Lost("reset".into()), false), Exit::NotConnected);
    }

    #[test]
    fn who_leaves_without_a_goodbye_of_the_other_side_has_delivered_what_there_was() {
        assert_eq!(Tally::default().exit(&Ended::Unanswered, false), Exit::Done);
        assert_eq!(Tally { unsaid: 1, ..Tally::default() }.exit(&Ended::Unanswered, false), Exit::Undelivered);
    }

    #[test]
    fn a_signal_decides() {
        let tally = Tally { failed: 1, ending: Some(Ending::Terminate), ..Tally::default() };
        assert_eq!(tally.exit(&Ended::Cut, false), Exit::Terminated);
    }

    #[test]
    fn a_file_that_could_not_be_offered_counts_for_who_came_to_send() {
        let tally = Tally { refused: 1, ..Tally::default() };
        assert_eq!(tally.exit(&Ended::Left, true), Exit::Failed);
        assert_eq!(tally.exit(&Ended::Left, false), Exit::Done);
    }
}
