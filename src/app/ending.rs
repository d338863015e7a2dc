//! How a conversation ends, and the program with it.
//!
//! Owns: what the signals mean, what is told of an end, whether somebody else may follow. Must not know: links, frames.

use crate::net::conversation::Anew;
use crate::net::event::{Ending, Signal, Unread};
use crate::proto::event::LeaveReason;
use crate::proto::session::Ended;
use crate::term::json::Object;

use super::commands::Parsed;
use super::exit::Exit;
use super::{App, SIGNAL_PATIENCE};

/// Pieces of input that stand in our pipe and in the thread that fills it, at most. What is still on its way to that
/// cannot be told from what is written from now on.
const UNUSED_PIECES: usize = 5;

impl App {
    pub(super) fn handle_signal(&mut self, signal: Signal) {
        match signal {
            Signal::End(Ending::Interrupt) => self.handle_interrupt(),
            Signal::End(ending) => self.handle_ending(ending),
            Signal::Resized => self.screen.full().into_iter().for_each(|full| full.resized(self.reactor.now())),
            Signal::Continued => self.screen.full().into_iter().for_each(|full| full.retake(self.reactor.now())),
        }
    }

    /// Ctrl-C: on a terminal the first one tells what is running.
    pub(super) fn handle_interrupt(&mut self) {
        if self.terminal && !std::mem::replace(&mut self.warned_interrupt, true) {
            // The terminal has thrown away the line that stood typed, and shows `^C` in its place.
            self.screen.end_line();
            let running = self.reactor.session().map_or(0, |session| session.progress().len());
            let what = match running {
                0 => String::new(),
                1 => "one transfer is running; ".to_owned(),
                n => format!("{n} transfers are running; "),
            };
            self.screen.loud_notice(&format!("{what}Ctrl-C again leaves, `exit` leaves when all is done"));
            return self.prompt();
        }
        if self.terminal {
            self.screen.end_line();
        }
        self.handle_ending(Ending::Interrupt);
    }

    /// Leaves, and soon.
    pub(super) fn handle_ending(&mut self, ending: Ending) {
        let now = self.reactor.now();
        let talking = self.reactor.session().is_some_and(|session| session.ended().is_none());
        self.is_stopping = false; // a screen that takes nothing would keep it so
        // A window that is closed is told twice, by its end and by a signal.
        let again = self.tally.ending.replace(ending).is_some() && ending != Ending::HangUp;
        if !talking {
            let ended = self.partner.is_some();
            let code = if ending == Ending::Interrupt { Exit::Interrupted } else { Exit::Terminated };
            self.exit = Some(code).filter(|_| !ended).or(self.exit);
            return;
        }
        if again {
            return self.cut(LeaveReason::Interrupted);
        }
        let reason = LeaveReason::Interrupted;
        self.leaving = Some(super::Leaving { reason, by_us: true, asked: true, persists: false });
        self.stream = None;
        if let Some(session) = self.reactor.session() {
            session.leave(now, LeaveReason::Interrupted, Some(SIGNAL_PATIENCE));
        }
    }

    /// The conversation is over. A partner whose process died and was started again is talked to anew.
    pub(super) fn handle_ended(&mut self, ended: &Ended, unread: Unread, anew: Option<Anew>) {
        let now = self.reactor.now();
        self.tally.unread += unread.count;
        let who = self.partner_name();
        let by_us = self.leaving.is_some_and(|leaving| leaving.by_us);
        let (by, reason) = match ended {
            Ended::Lost(words) => ("error", format!("lost the connection to {who}: {words}")),
            Ended::Broken(error) => ("error", format!("{who} broke the protocol: {error}")),
            Ended::Cut => ("user", "left before everything was through".to_owned()),
            Ended::Unanswered => ("user", format!("left; {who} was not there to say goodbye to")),
            Ended::Left if by_us => ("user", "left".to_owned()),
            Ended::Left | Ended::PeerCut => ("peer", peer_left(&who, self.peer_reason, *ended == Ended::PeerCut)),
        };
        // Who came to send files has none left to send.
        let goes_on = self.config.stay || (anew.is_some() && !self.is_sending());
        let asks_to_leave = !by_us && self.take_unused(self.config.stay);
        self.tell_undelivered(&who, unread);
        self.screen.event("closed", now, |object| object.field("by", by).field("reason", &reason));
        if let Some(full) = self.screen.full() {
            full.nothing_more_is_delivered();
            full.set_status(None);
        }
        match ended {
            // Who leaves need not be told that the other one follows.
            Ended::Left if by_us => {}
            Ended::Left => self.screen.notice(&reason),
            Ended::Lost(_) | Ended::Broken(_) | Ended::PeerCut | Ended::Cut | Ended::Unanswered => {
                self.screen.loud_notice(&reason);
            }
        }
        if unread.count > 0 {
            self.screen.loud_notice(&format!("{} not read by {who}", messages(unread.count)));
        }
        // Whoever asks to leave while the other one does stays no longer.
        let wants_to_leave = asks_to_leave || self.leaving.is_some_and(|leaving| leaving.by_us || leaving.asked);
        let stays = goes_on && !wants_to_leave && self.tally.ending.is_none();
        if !stays {
            self.count_unsaid();
        }
        let exit = self.tally.exit(ended, self.is_sending());
        if stays {
            self.forget_unsaid();
            self.partner = None;
            self.leaving = None;
            self.peer_reason = None;
            (self.told_late, self.told_waiting) = (false, false);
            self.receive_only = self.input_over;
            match (anew, self.called.clone()) {
                (Some(Anew::Answers), Some(target)) => self.call(target),
                (Some(Anew::Calls(_)), _) => {} // and is heard in the next turn
                _ => self.screen.notice("waiting for the next call"),
            }
        } else {
            self.exit = Some(exit);
        }
    }

    /// Which texts of ours the conversation leaves undelivered, as an event; a person reads it in a line of its own.
    fn tell_undelivered(&mut self, who: &str, unread: Unread) {
        let unsaid = self.held.len() + self.late;
        if unread.count + unsaid == 0 {
            return;
        }
        let message = match (unread.count, unsaid) {
            (0, unsaid) => format!("{} not said to {who} any more", messages(unsaid)),
            (count, 0) => format!("{} not delivered to {who}, from number {} on", messages(count), unread.first),
            (count, unsaid) => {
                let (count, first) = (messages(count), unread.first);
                format!(
                    "{count} not delivered to {who}, from number {first} on, and {} not said any more",
                    messages(unsaid)
                )
            }
        };
        self.tell_lost(&message, unread, unsaid);
    }

    /// How many lines were for somebody who was never reached, as an event.
    pub(super) fn tell_unsaid(&mut self) {
        let unsaid = self.held.len() + self.late;
        if unsaid > 0 {
            self.tell_lost(&format!("{} not said to anybody", messages(unsaid)), Unread::default(), unsaid);
        }
    }

    fn tell_lost(&mut self, message: &str, unread: Unread, unsaid: usize) {
        let first = Some(unread.first).filter(|_| unread.count > 0);
        let fields = |object: Object| {
            let object = object.field("message", &message).field("hint", &None::<f64>);
            object.field("undelivered", &unread.count).field("from_seq", &first).field("unsaid", &unsaid)
        };
        self.screen.event("error", self.reactor.now(), fields);
    }

    /// Takes the lines whose turn had not come: what is for somebody who has left is held, and told as not said. Where
    /// somebody else may come they are not for him, nor are those that stand in the pipe by now, nor the rest of one of
    /// which only a part is there. Whether our user has asked to leave in one of them.
    fn take_unused(&mut self, for_nobody_else: bool) -> bool {
        let mut asks_to_leave = false;
        let pieces = if for_nobody_else && !self.screen.is_full() { UNUSED_PIECES } else { 0 };
        for left in (0..=pieces).rev() {
            while let Some(line) = self.lines.next_line() {
                match self.asked_by(&line) {
                    Some(Parsed::Say(_) | Parsed::Transfer(_)) => self.held.push_back(line),
                    Some(Parsed::Leave) => asks_to_leave = true,
                    _ => {}
                }
            }
            if left == 0 || self.input_over || self.lines.is_ended() || !self.read_input() {
                break;
            }
        }
        if pieces > 0 {
            self.lines.skip_line();
        }
        asks_to_leave
    }

    /// What was typed for somebody who has left is not said to whoever comes next.
    fn forget_unsaid(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.tally.unsaid += held.len() + std::mem::take(&mut self.late);
        if let Some(full) = self.screen.full() {
            held.iter().for_each(|line| full.not_said(&line.text));
        }
        self.tally.refused += std::mem::take(&mut self.ready).len() + std::mem::take(&mut self.to_find).len();
        self.preparing = 0;
        self.first_request = self.reactor.next_request();
    }
}

/// How it is told that the other side has left: in one of three forms. `cut`: before everything was through, of which
/// each file and each text tells by itself.
fn peer_left(who: &str, reason: Option<LeaveReason>, cut: bool) -> String {
    match reason {
        Some(LeaveReason::Failed) => format!("{who} left (error: something failed on that side)"),
        Some(LeaveReason::Interrupted) => format!("{who} left (interrupted)"),
        Some(LeaveReason::Done) | None if cut => format!("{who} left (interrupted)"),
        Some(LeaveReason::Done) | None => format!("{who} left"),
    }
}

/// So many messages, and the verb.
fn messages(count: usize) -> String {
    if count == 1 { "one message was".to_owned() } else { format!("{count} messages were") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_other_side_has_left_is_told_in_one_of_three_forms() {
        let reasons = [None, Some(LeaveReason::Done), Some(LeaveReason::Interrupted), Some(LeaveReason::Failed)];
        let told = |cut| reasons.map(|reason| peer_left("bob", reason, cut));
        let failed = "bob left (error: something failed on that side)";
        assert_eq!(told(false), ["bob left", "bob left", "bob left (interrupted)", failed]);
        assert_eq!(told(true), ["bob left (interrupted)", "bob left (interrupted)", "bob left (interrupted)", failed]);
    }
}
