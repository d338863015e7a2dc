//! Calls somebody until somebody answers.
//!
//! Owns: the attempts, their addresses and pauses. Must not know: sockets, names' look-up; it says what it wants.
//!
//! ```text
//!   Pausing --time--> Resolving --addresses--> Trying --an address fails--> Trying the next
//!      ^                  |                      |  `-- it is through the gate --> done
//!      |                  | no such host         | the last one failed
//!      |                  |                      |
//!      |<-- time is left -+-- found before       |
//!      |                  `-- never found ----------------------------------> given up, final
//!      `------------ time is left ---------------'---- no time is left --> given up, final
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::secure::key::PublicKey;

use super::standing::{Callee, Expected};

/// First pause after a failed attempt; doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause: what somebody waits, at most, after the other side has begun to listen.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Patience with one address.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// What every address of an attempt may take, however little time was given for calling.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// What a look-up may take, however little time was given for calling: one packet may be lost.
const LAST_LOOK_UP: Duration = Duration::from_secs(3);
/// Patience with the look-up of a name.
pub const RESOLVE_PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug)]
enum State {
    Resolving { until: Instant },
    Trying { rest: VecDeque<SocketAddr>, busy: bool },
    Pausing { until: Instant },
}

/// What the dialler wants its owner to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Want {
    /// Look up the host, and report to [`Dialler::resolved`].
    Resolve,
    /// Connect, and report to [`Dialler::failed`] if it fails.
    Connect(SocketAddr),
}

/// How an attempt went on.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Goes,
    /// No address answered; another attempt follows.
    Unanswered,
    /// Time is up.
    GivenUp,
}

/// Somebody who is being called.
#[derive(Debug)]
pub struct Dialler {
    /// Whom our user wants.
    pub callee: Callee,
    /// `host:port` as it is called.
    pub called: String,
    /// The key that it has to have, if one is known.
    pub expected: Option<Expected>,
    /// Attempts so far.
    pub attempt: u32,
    /// The attempt that our user was last told of.
    pub told: u32,
    give_up: Option<Instant>,
    state: State,
    pause: Duration,
    /// Every address that the host ever had.
    known: Vec<IpAddr>,
    /// What the last address answered.
    pub last_words: String,
}

impl Dialler {
    /// Calls somebody from now on, for `patience` at most.
    pub fn new(callee: Callee, patience: Option<Duration>, now: Instant) -> Self {
        Self {
            called: callee.to_string(),
            callee,
            expected: None,
            attempt: 0,
            told: 0,
            give_up: patience.map(|patience| now + patience),
            state: State::Pausing { until: now },
            pause: SHORTEST_PAUSE,
            known: Vec::new(),
            last_words: "no address answered".to_owned(),
        }
    }

    /// The key that whom we call has to have, if one is known: our user's pin from the first moment on.
    pub fn expected_key(&self) -> Option<PublicKey> {
        self.callee.pin.or(self.expected.as_ref().map(|expected| expected.key))
    }

    /// Whether it is not known yet which key whom we call should have: that comes with the address.
    pub fn is_unsure(&self) -> bool {
        self.expected_key().is_none() && self.known.is_empty() && self.attempt <= 1
    }

    /// Whether this is an address of whom we call.
    pub fn is_calling(&self, ip: IpAddr) -> bool {
        self.known.contains(&ip)
    }

    /// When [`poll`](Self::poll) has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Pausing { until } | State::Resolving { until } => Some(until),
            State::Trying { .. } => None,
        }
    }

    /// What to do now.
    pub fn poll(&mut self, now: Instant) -> Option<Want> {
        match &mut self.state {
            State::Pausing { until } if now >= *until => {
                self.attempt += 1;
                self.state = State::Resolving { until: now + self.time_left(now, LAST_LOOK_UP, RESOLVE_PATIENCE) };
                Some(Want::Resolve)
            }
            State::Trying { rest, busy: busy @ false } => {
                let address = rest.pop_front()?;
                *busy = true;
                Some(Want::Connect(address))
            }
            _ => None,
        }
    }

    /// How long one address may take: `at_most`, and not much longer than anybody is called.
    pub fn patience(&self, now: Instant, at_most: Duration) -> Duration {
        self.time_left(now, LAST_PATIENCE, at_most)
    }

    /// How long anybody is still called, within these bounds.
    fn time_left(&self, now: Instant, at_least: Duration, at_most: Duration) -> Duration {
        let left = self.give_up.map(|give_up| give_up.saturating_duration_since(now).max(at_least));
        left.map_or(at_most, |left| left.min(at_most))
    }

    /// Whether the look-up takes too long.
    pub fn is_lookup_overdue(&self, now: Instant) -> bool {
        matches!(self.state, State::Resolving { until } if now >= until)
    }

    /// The host has these addresses.
    pub fn resolved(&mut self, now: Instant, addresses: Vec<SocketAddr>) -> Fate {
        if !matches!(self.state, State::Resolving { .. }) {
            return Fate::Goes;
        }
        for address in &addresses {
            if !self.is_calling(address.ip()) {
                self.known.push(address.ip());
            }
        }
        let none = addresses.is_empty();
        self.state = State::Trying { rest: addresses.into(), busy: false };
        if none { self.attempt_failed(now) } else { Fate::Goes }
    }

    /// Whether the host was ever found. Where it was, a look-up that fails is an attempt like any other: the network is
    /// away, and may come back.
    pub fn was_found(&self) -> bool {
        !self.known.is_empty()
    }

    /// The host was not found this time.
    pub fn not_resolved(&mut self, now: Instant, words: String) -> Fate {
        if !matches!(self.state, State::Resolving { .. }) {
            return Fate::Goes;
        }
        self.last_words = words;
        self.attempt_failed(now)
    }

    /// The address being tried did not lead anywhere.
    pub fn failed(&mut self, now: Instant, words: String) -> Fate {
        self.last_words = words;
        // Of several addresses those that are left when the time is over have a moment, and no more.
        let is_late = self.give_up.is_some_and(|give_up| now >= give_up + LAST_PATIENCE);
        match &mut self.state {
            State::Trying { rest, busy } if !rest.is_empty() && !is_late => {
                *busy = false;
                Fate::Goes
            }
            _ => self.attempt_failed(now),
        }
    }

    fn attempt_failed(&mut self, now: Instant) -> Fate {
        let until = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if self.give_up.is_some_and(|give_up| now >= give_up) {
            return Fate::GivenUp;
        }
        // The last attempt is made when time is up, not before.
        self.state = State::Pausing { until: self.give_up.map_or(until, |give_up| until.min(give_up)) };
        Fate::Unanswered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 5000))
    }

    fn resolving(now: Instant, patience: Option<Duration>) -> Dialler {
        let mut dialler = Dialler::new(Callee::at("host".into(), 5000), patience, now);
        assert_eq!(dialler.poll(now), Some(Want::Resolve));
        dialler
    }

    #[test]
    fn every_address_of_a_name_is_tried_in_turn() {
        let now = Instant::now();
        let mut dialler = resolving(now, None);
        dialler.resolved(now, vec![address(1), address(2)]);
        assert_eq!(dialler.poll(now), Some(Want::Connect(address(1))));
        assert_eq!(dialler.poll(now), None);
        assert_eq!(dialler.failed(now, "refused".into()), Fate::Goes);
        assert_eq!(dialler.poll(now), Some(Want::Connect(address(2))));
        assert_eq!(dialler.failed(now, "refused".into()), Fate::Unanswered);
        assert_eq!(dialler.poll(now), None);
        assert_eq!(dialler.poll(now + SHORTEST_PAUSE), Some(Want::Resolve));
        assert_eq!(dialler.attempt, 2);
    }

    #[test]
    fn a_look_up_that_fails_is_an_attempt_once_the_host_was_found() {
        let now = Instant::now();
        let mut dialler = resolving(now, Some(Duration::from_secs(60)));
        assert!(!dialler.was_found());
        dialler.resolved(now, vec![address(1)]);
        assert_eq!(dialler.poll(now), Some(Want::Connect(address(1))));
        assert_eq!(dialler.failed(now, "refused".into()), Fate::Unanswered);
        assert_eq!(dialler.not_resolved(now, "late".into()), Fate::Goes, "nobody is looked up");
        assert_eq!(dialler.poll(now + SHORTEST_PAUSE), Some(Want::Resolve));
        assert!(dialler.was_found());
        assert_eq!(dialler.not_resolved(now + SHORTEST_PAUSE, "no network".into()), Fate::Unanswered);
        assert_eq!(dialler.last_words, "no network");
        let due = dialler.deadline().unwrap();
        assert_eq!(dialler.poll(due), Some(Want::Resolve));
        assert_eq!(dialler.not_resolved(now + Duration::from_secs(60), "no network".into()), Fate::GivenUp);
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut now = Instant::now();
        let mut dialler = Dialler::new(Callee::at("host".into(), 5000), None, now);
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            assert_eq!(dialler.poll(now), Some(Want::Resolve));
            dialler.resolved(now, vec![address(1)]);
            assert!(dialler.poll(now).is_some());
            dialler.failed(now, "refused".into());
            let next = dialler.deadline().unwrap();
            longest = longest.max(next - now);
            now = next;
        }
        assert_eq!(longest, LONGEST_PAUSE);
    }

    #[test]
    fn the_last_attempt_is_made_when_time_is_up() {
        let now = Instant::now();
        let patience = Duration::from_millis(250);
        let mut dialler = resolving(now, Some(patience));
        dialler.resolved(now, vec![address(1)]);
        dialler.poll(now);
        assert_eq!(dialler.failed(now, "refused".into()), Fate::Unanswered);
        let later = now + SHORTEST_PAUSE;
        assert_eq!(dialler.poll(later), Some(Want::Resolve));
        dialler.resolved(later, vec![address(1)]);
        dialler.poll(later);
        assert_eq!(dialler.failed(later, "refused".into()), Fate::Unanswered);
        assert_eq!(dialler.deadline(), Some(now + patience));
        assert_eq!(dialler.poll(now + patience), Some(Want::Resolve));
        assert_eq!(dialler.resolved(now + patience, Vec::new()), Fate::GivenUp);
    }

    #[test]
    fn an_address_that_is_silent_takes_no_longer_than_there_is_time_but_for_a_moment() {
        let now = Instant::now();
        let (long, short) = (Duration::from_secs(60), Duration::from_secs(3));
        assert_eq!(resolving(now, None).patience(now, CONNECT_PATIENCE), CONNECT_PATIENCE);
        assert_eq!(resolving(now, Some(long)).patience(now, CONNECT_PATIENCE), CONNECT_PATIENCE);
        let mut dialler = resolving(now, Some(short));
        assert_eq!(dialler.patience(now, CONNECT_PATIENCE), short);
        assert_eq!(dialler.patience(now + short, CONNECT_PATIENCE), LAST_PATIENCE);
        dialler.resolved(now, vec![address(1), address(2), address(3)]);
        dialler.poll(now);
        assert_eq!(dialler.failed(now + short, "no answer".into()), Fate::Goes);
        dialler.poll(now + short);
        assert_eq!(dialler.failed(now + short + LAST_PATIENCE, "no answer".into()), Fate::GivenUp);
    }

    #[test]
    fn fault_3_a_look_up_that_never_ends_is_noticed() {
        let now = Instant::now();
        let dialler = resolving(now, None);
        assert!(!dialler.is_lookup_overdue(now));
        assert!(dialler.is_lookup_overdue(now + RESOLVE_PATIENCE));
        for (given, taken) in [(0, LAST_LOOK_UP), (5, Duration::from_secs(5)), (60, RESOLVE_PATIENCE)] {
            let dialler = resolving(now, Some(Duration::from_secs(given)));
            assert!(!dialler.is_lookup_overdue(now + taken - Duration::from_millis(1)), "{given}");
            assert!(dialler.is_lookup_overdue(now + taken), "{given}");
        }
    }
}
