//! Texts, numbered and acknowledged, in one direction each.
//!
//! Owns: the windows of texts. Must not know: links, frames' places in the stream, screens.
//!
//! A text is numbered when it is said and kept until the peer has acknowledged that its user was handed it. What is
//! said never exceeds what the peer must be ready to hold, so there is no queue behind the window: a full window
//! pushes back on whoever types.

use std::collections::VecDeque;

use super::error::{CommandError, ProtocolError};
use super::frame::MAX_TEXT;
use super::text::Untrusted;

/// Most texts on the way to a reader. Bounds what a peer that reads nothing makes us keep, and us it.
pub const WINDOW_TEXTS: usize = 256;
/// Most bytes of texts on the way to a reader.
pub const WINDOW_BYTES: usize = 1 << 20;

/// Our texts.
#[derive(Debug, Default)]
pub struct Saying {
    /// Said and not acknowledged, oldest first; the last one has number `said`.
    kept: VecDeque<Untrusted>,
    bytes: usize,
    said: u64,
    transmitted: u64,
}

impl Saying {
    /// Whether another text has room.
    pub fn has_room(&self) -> bool {
        self.kept.len() < WINDOW_TEXTS && self.bytes + MAX_TEXT <= WINDOW_BYTES
    }

    /// Takes a text and numbers it, from 1.
    ///
    /// # Errors
    /// [`CommandError::WindowFull`] and [`CommandError::TextTooLong`].
    pub fn say(&mut self, text: &str) -> Result<u64, CommandError> {
        if text.len() > MAX_TEXT {
            return Err(CommandError::TextTooLong);
        }
        if !self.has_room() {
            return Err(CommandError::WindowFull);
        }
        self.bytes += text.len();
        self.kept.push_back(Untrusted::from(text));
        self.said += 1;
        Ok(self.said)
    }

    /// The next text to put on the wire, with its number.
    pub fn take_next(&mut self) -> Option<(u64, &Untrusted)> {
        let acknowledged = self.acknowledged();
        if self.transmitted == self.said {
            return None;
        }
        self.transmitted += 1;
        let text = &self.kept[(self.transmitted - acknowledged - 1) as usize];
        Some((self.transmitted, text))
    }

    /// The peer has received all texts up to `seq`; those behind it are put on the wire again.
    ///
    /// # Errors
    /// [`ProtocolError::Sequence`] for a number that was never sent, or that it has acknowledged to be behind.
    pub fn rewind(&mut self, seq: u64) -> Result<(), ProtocolError> {
        if seq < self.acknowledged() || seq > self.transmitted {
            return Err(ProtocolError::Sequence { expected: self.transmitted, got: seq });
        }
        self.transmitted = seq;
        Ok(())
    }

    /// Whether everything said is on the wire.
    pub fn is_transmitted(&self) -> bool {
        self.transmitted == self.said
    }

    /// How many were said and not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.kept.len()
    }

    /// The number of the first of them; if there are none, of the next text.
    pub fn first_unacknowledged(&self) -> u64 {
        self.acknowledged() + 1
    }

    fn acknowledged(&self) -> u64 {
        self.said - self.kept.len() as u64
    }

    /// The peer's user has been handed all texts up to `seq`; whether that is news.
    ///
    /// # Errors
    /// [`ProtocolError::Sequence`] for a number that was never sent, or that goes back.
    pub fn handle_ack(&mut self, seq: u64) -> Result<bool, ProtocolError> {
        let before = self.acknowledged();
        if seq < before || seq > self.transmitted {
            return Err(ProtocolError::Sequence { expected: self.transmitted, got: seq });
        }
        for _ in before..seq {
            let text = self.kept.pop_front();
            self.bytes -= text.map_or(0, |text| text.len());
        }
        Ok(seq > before)
    }
}

/// The peer's texts. The texts themselves wait among the events, in the order in which things happened.
#[derive(Debug, Default)]
pub struct Hearing {
    received: u64,
    read: u64,
    /// Of what was read, what our user has been shown; `None`: reading is all there is to it.
    shown: Option<u64>,
    acknowledged: u64,
    /// Bytes of what was received and not read.
    bytes: usize,
    /// Whether the last acknowledgement may have been lost.
    again: bool,
}

impl Hearing {
    /// A text of `len` bytes has come.
    ///
    /// # Errors
    /// [`ProtocolError::Sequence`] when it is not the next one, [`ProtocolError::Window`] when there are too many.
    pub fn handle_text(&mut self, seq: u64, len: usize) -> Result<(), ProtocolError> {
        if seq != self.received + 1 {
            return Err(ProtocolError::Sequence { expected: self.received + 1, got: seq });
        }
        if self.received - self.acknowledged >= WINDOW_TEXTS as u64 || self.bytes + len > WINDOW_BYTES {
            return Err(ProtocolError::Window { what: "texts" });
        }
        self.received = seq;
        self.bytes += len;
        Ok(())
    }

    /// Our user has been handed the oldest text, of `len` bytes.
    pub fn read(&mut self, len: usize) {
        assert!(self.read < self.received, "a text was handed over that never came");
        self.read += 1;
        self.bytes -= len;
    }

    /// Our user has been shown the texts up to `seq`, of those that were read. Nothing is acknowledged from now on
    /// before that is said of it.
    pub fn show(&mut self, seq: u64) {
        self.shown = Some(seq.min(self.read));
    }

    /// How many have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// What was acknowledged may have been lost with its link: it is said again.
    pub fn acknowledge_again(&mut self) {
        self.again = self.acknowledged > 0;
    }

    /// Whether everything was read and acknowledged.
    pub fn is_settled(&self) -> bool {
        self.acknowledged == self.received && !self.again
    }

    /// Whether our user has been shown everything.
    pub fn is_read(&self) -> bool {
        self.shown.unwrap_or(self.read) == self.received
    }

    /// What to acknowledge, once for all that was read and shown since the last time.
    pub fn take_ack(&mut self) -> Option<u64> {
        let again = std::mem::take(&mut self.again);
        let due = self.shown.unwrap_or(self.read);
        let owed = due > self.acknowledged || again;
        self.acknowledged = self.acknowledged.max(due);
        owed.then_some(self.acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_from_one_and_transmitted_once() {
        let mut saying = Saying::default();
        assert_eq!((saying.say("a"), saying.say("b")), (Ok(1), Ok(2)));
        assert_eq!(saying.take_next(), Some((1, &Untrusted::from("a"))));
        assert_eq!(saying.take_next(), Some((2, &Untrusted::from("b"))));
        assert_eq!(saying.take_next(), None);
    }

    #[test]
    fn a_full_window_pushes_back_until_an_acknowledgement() {
        let mut saying = Saying::default();
        for _ in 0..WINDOW_TEXTS {
            saying.say("x").unwrap();
            saying.take_next();
        }
        assert_eq!(saying.say("x"), Err(CommandError::WindowFull));
        assert_eq!(saying.handle_ack(1), Ok(true));
        assert_eq!(saying.say("x"), Ok(WINDOW_TEXTS as u64 + 1));
    }

    #[test]
    fn long_texts_fill_the_window_by_their_bytes() {
        let mut saying = Saying::default();
        let long = "x".repeat(MAX_TEXT);
        let said = std::iter::from_fn(|| saying.say(&long).ok()).count();
        assert_eq!(said, WINDOW_BYTES / MAX_TEXT);
    }

    #[test]
    fn an_acknowledgement_gives_back_the_room_that_long_texts_took() {
        let mut saying = Saying::default();
        let long = "x".repeat(MAX_TEXT);
        while saying.say(&long).is_ok() {
            saying.take_next();
        }
        assert_eq!(saying.handle_ack((WINDOW_BYTES / MAX_TEXT) as u64), Ok(true));
        let said = std::iter::from_fn(|| saying.say(&long).ok()).count();
        assert_eq!(said, WINDOW_BYTES / MAX_TEXT);
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_is_an_error() {
        let mut saying = Saying::default();
        saying.say("a").unwrap();
        assert_eq!(saying.handle_ack(1), Err(ProtocolError::Sequence { expected: 0, got: 1 }));
    }

    #[test]
    fn an_acknowledgement_that_goes_back_is_an_error() {
        let mut saying = Saying::default();
        saying.say("a").unwrap();
        saying.take_next();
        saying.handle_ack(1).unwrap();
        assert_eq!(saying.handle_ack(1), Ok(false));
        assert!(saying.handle_ack(0).is_err());
    }

    #[test]
    fn a_text_is_acknowledged_when_it_was_read_and_once() {
        let mut hearing = Hearing::default();
        hearing.handle_text(1, 1).unwrap();
        hearing.handle_text(2, 1).unwrap();
        assert_eq!(hearing.take_ack(), None);
        hearing.read(1);
        hearing.read(1);
        assert_eq!(hearing.take_ack(), Some(2));
        assert_eq!(hearing.take_ack(), None);
        assert!(hearing.is_settled());
    }

    #[test]
    fn a_text_that_has_yet_to_be_shown_is_not_acknowledged_when_it_was_read() {
        let mut hearing = Hearing::default();
        hearing.show(0);
        for seq in 1..=3 {
            hearing.handle_text(seq, 1).unwrap();
            hearing.read(1);
        }
        assert_eq!(hearing.take_ack(), None);
        hearing.show(2);
        assert_eq!((hearing.take_ack(), hearing.take_ack()), (Some(2), None));
        assert!(!hearing.is_settled());
        hearing.show(9); // of a conversation before this one
        assert_eq!(hearing.take_ack(), Some(3));
        assert!(hearing.is_settled());
    }

    #[test]
    fn a_text_out_of_turn_is_an_error() {
        let error = Hearing::default().handle_text(2, 1);
        assert_eq!(error, Err(ProtocolError::Sequence { expected: 1, got: 2 }));
    }

    #[test]
    fn more_texts_than_the_window_are_an_error() {
        let mut hearing = Hearing::default();
        for seq in 1..=WINDOW_TEXTS as u64 {
            hearing.handle_text(seq, 1).unwrap();
        }
        let error = hearing.handle_text(WINDOW_TEXTS as u64 + 1, 1);
        assert_eq!(error, Err(ProtocolError::Window { what: "texts" }));
    }

    #[test]
    fn more_bytes_of_texts_than_the_window_are_an_error_until_some_were_read() {
        let mut hearing = Hearing::default();
        let most = (WINDOW_BYTES / MAX_TEXT) as u64;
        for seq in 1..=most {
            hearing.handle_text(seq, MAX_TEXT).unwrap();
        }
        assert_eq!(hearing.handle_text(most + 1, MAX_TEXT), Err(ProtocolError::Window { what: "texts" }));
        hearing.read(MAX_TEXT);
        assert_eq!(hearing.handle_text(most + 1, MAX_TEXT), Ok(()));
        assert_eq!(hearing.handle_text(most + 2, WINDOW_BYTES % MAX_TEXT), Ok(()), "it may be filled to the last byte");
        assert!(hearing.handle_text(most + 3, 1).is_err());
    }

    #[test]
    fn only_what_was_acknowledged_is_acknowledged_again_and_once() {
        let mut hearing = Hearing::default();
        hearing.acknowledge_again();
        assert_eq!((hearing.take_ack(), hearing.is_settled()), (None, true));
        hearing.handle_text(1, 1).unwrap();
        hearing.read(1);
        assert_eq!(hearing.take_ack(), Some(1));
        hearing.acknowledge_again();
        assert!(!hearing.is_settled());
        assert_eq!((hearing.take_ack(), hearing.take_ack()), (Some(1), None));
    }
}
