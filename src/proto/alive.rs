//! Whether the peer answers.
//!
//! Owns: questions (PING), answers (PONG), and for how long nothing was heard. Must not know: links, what is pending.
//!
//! Silence counts only while the peer owes something: who has nothing to say need not speak. A dead machine is the
//! kernel's to notice (keep-alive); this notices a live one whose program does not answer.

use std::time::{Duration, Instant};

/// Something is pending and nothing was heard for so long: ask.
pub const PING_AFTER: Duration = Duration::from_secs(5);
/// Nothing was heard for so long: say so.
pub const SILENT_AFTER: Duration = Duration::from_secs(10);

/// What is known of the peer's answering.
#[derive(Debug)]
pub(super) struct Alive {
    heard: Instant,
    token: u64,
    asked: Option<Instant>,
    round_trip: Option<Duration>,
    told_silent: bool,
    pong: Option<u64>,
}

impl Alive {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, token: 0, asked: None, round_trip: None, told_silent: false, pong: None }
    }

    /// The peer owes nothing: silence begins to count later.
    pub(super) fn owed_nothing(&mut self, now: Instant) {
        self.heard = now;
    }

    /// There is a new link: nothing is asked on it.
    pub(super) fn begin_again(&mut self, now: Instant) {
        (self.heard, self.asked, self.pong, self.told_silent) = (now, None, None, false);
    }

    /// Something came; whether that ends a silence that was told.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.heard = now;
        std::mem::take(&mut self.told_silent)
    }

    /// Whether something came in the last `time`.
    pub(super) fn was_heard_within(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < time
    }

    /// A question is asked; its token.
    pub(super) fn ask(&mut self, now: Instant) -> u64 {
        self.token += 1;
        self.asked = Some(now);
        self.token
    }

    /// An answer came. One to an older question, or to none, means nothing.
    pub(super) fn handle_pong(&mut self, now: Instant, token: u64) {
        if token == self.token
            && let Some(asked) = self.asked.take()
        {
            self.round_trip = Some(now.saturating_duration_since(asked));
        }
    }

    /// The peer asks. One answer serves any number of questions that came before it, so that a flood of them costs
    /// nothing.
    pub(super) fn handle_ping(&mut self, token: u64) {
        self.pong = Some(token);
    }

    /// Whether an answer is owed.
    pub(super) fn owes_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// The answer that is owed.
    pub(super) fn take_pong(&mut self) -> Option<u64> {
        self.pong.take()
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Nothing was heard until now, and that is told.
    pub(super) fn tell_silent(&mut self, now: Instant) -> Duration {
        self.told_silent = true;
        now.saturating_duration_since(self.heard)
    }

    /// Whether a silence was told and has not ended.
    pub(super) fn is_silent(&self) -> bool {
        self.told_silent
    }

    /// When to ask, unless a question is open.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        self.asked.is_none().then(|| self.heard + PING_AFTER)
    }

    /// When to tell of the silence, unless it was told.
    pub(super) fn silence_due(&self) -> Option<Instant> {
        (!self.told_silent).then(|| self.heard + SILENT_AFTER)
    }

    /// When the silence will have lasted for `long`.
    pub(super) fn silent_for(&self, long: Duration) -> Instant {
        self.heard + long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_the_round_trip_once() {
        let start = Instant::now();
        let mut alive = Alive::new(start);
        let token = alive.ask(start);
        alive.handle_pong(start + Duration::from_millis(3), token + 1);
        assert_eq!(alive.round_trip(), None);
        alive.handle_pong(start + Duration::from_millis(5), token);
        alive.handle_pong(start + Duration::from_millis(9), token);
        assert_eq!(alive.round_trip(), Some(Duration::from_millis(5)));
    }

    #[test]
    fn many_questions_are_answered_once() {
        let mut alive = Alive::new(Instant::now());
        (1..=1000).for_each(|token| alive.handle_ping(token));
        assert!(alive.owes_pong());
        assert_eq!(alive.take_pong(), Some(1000));
        assert!(!alive.owes_pong());
    }

    #[test]
    fn a_silence_is_told_once_and_ends_with_the_first_word() {
        let start = Instant::now();
        let mut alive = Alive::new(start);
        let due = alive.silence_due().unwrap();
        assert_eq!(alive.tell_silent(due), SILENT_AFTER);
        assert_eq!(alive.silence_due(), None);
        assert!(alive.is_silent());
        assert!(alive.heard(due));
        assert!(!alive.heard(due));
    }

    #[test]
    fn silence_is_counted_from_the_last_word_or_from_when_something_is_owed() {
        let start = Instant::now();
        let mut alive = Alive::new(start);
        assert!(alive.was_heard_within(PING_AFTER, start + PING_AFTER - Duration::from_nanos(1)));
        assert!(!alive.was_heard_within(PING_AFTER, start + PING_AFTER));
        let now = start + PING_AFTER;
        alive.owed_nothing(now);
        assert!(alive.was_heard_within(PING_AFTER, now));
        assert_eq!(alive.silence_due(), Some(now + SILENT_AFTER));
        assert_eq!(alive.silent_for(3 * SILENT_AFTER), now + 3 * SILENT_AFTER);
    }

    #[test]
    fn what_was_asked_answered_and_told_on_a_link_is_nothing_on_the_next() {
        let start = Instant::now();
        let mut alive = Alive::new(start);
        let token = alive.ask(start);
        alive.handle_ping(7);
        let now = start + SILENT_AFTER;
        alive.tell_silent(now);
        alive.begin_again(now);
        assert_eq!((alive.take_pong(), alive.is_silent()), (None, false));
        assert_eq!((alive.ping_due(), alive.silence_due()), (Some(now + PING_AFTER), Some(now + SILENT_AFTER)));
        alive.handle_pong(now, token);
        assert_eq!(alive.round_trip(), None, "the question went over the lost link");
    }
}
