//! How many strangers may stand at the door, and who of them makes room.
//!
//! Owns: the seats at the door, the handshakes a second, the penalties. Must not know: sockets, the clock, what is said
//! at the door, who is let in.
//!
//! ```text
//!   arrive --> a seat among STRANGERS --recognised--> a seat among RECOGNISED --.
//!      |          |       |                                                    |--> left
//!      |          |       `--asked-------> a seat among MAX_QUESTIONS ---------'
//!      |          `--pushed out by a newcomer--> gone
//!      `--its source misbehaved a moment ago--> closed at once
//! ```
//!
//! **A newcomer always gets a seat**, and pushes somebody out when there is none. Turning newcomers away instead would
//! give the door to whoever came first and stays silent. Who has to go is of the [`Source`] with the most seats, so that
//! a flooder pushes out only itself; where nobody has more than four it may be anybody, for a flooder may have many
//! sources. Among those each stage keeps its share: a quarter of the seats for callers who have said nothing, a
//! quarter for those who have said something, half for those in a handshake. The lowest stage that holds more than its
//! share gives up its oldest. So
//!
//! - however many come who say nothing, those who speak keep their quarter, and those in a handshake their half;
//! - a caller who has just come, and had no time yet to say anything, is not the first to go because all others drip;
//! - callers in a handshake are pushed out only when half of the seats have gone to later ones in a handshake, and no
//!   more of those come than [`HANDSHAKES`] a second: 64 seats at 200 a second are 320 ms, and half of that when a
//!   [`BURST`] comes first. That is time enough for a handshake across an ocean.
//!
//! **Threat model.** Kept out: whoever opens connections faster than we close them, says nothing, drips, talks nonsense
//! or tries codes, from one source or from many, as far as that is aimed at our memory, our processor or at keeping
//! others out. Not kept out: whoever fills the line before us, or the system's queue of callers; whoever commands so
//! many sources that more than 200 handshakes a second come from them, which makes others wait; and who shares a source
//! with a flooder (a household, a classroom behind one address) shares its penalty. A key that is known, pinned or ours
//! has more rights only once it is proved: an address proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::gate::MAX_QUESTIONS;

/// Callers at once of whom nothing is known. INTERFACE's bound is 200, for all kinds together. One costs a socket
/// and the buffers of a handshake: 19 KiB when it has begun one (measured, a door full of such: 2.4 MiB), and at most some
/// 45 KiB when it also says as much as the channel and the gate take before they refuse it: 6 MiB for a full door.
pub const STRANGERS: usize = 128;
/// Seats for callers whose key is known, pinned or ours. They sit there for the moment between their proof and our
/// answer; a person has a handful of devices and of friends.
pub const RECOGNISED: usize = 16;
/// Strangers of one source while others are at the door: so that half of it is free without pushing anybody out.
pub const OF_ONE_SOURCE: usize = STRANGERS / 2;
/// People of one source about whom our user is asked at once: one who calls with many keys does not silence others.
pub const QUESTIONS_OF_ONE_SOURCE: usize = MAX_QUESTIONS / 2;

/// Handshakes a second. One is about half a millisecond of a core (a key exchange, a signature made, one checked),
/// so a flood of them takes a tenth of a core.
pub const HANDSHAKES: u32 = 200;
/// Handshakes that may begin at once after a quiet time: a whole class that calls when the lesson begins. It keeps the
/// loop, and with it every text that goes on, for 16 ms; and it is half of the seats of callers in a handshake.
pub const BURST: u32 = 32;
/// What one handshake takes from the budget, as time until it is there again.
const TOKEN: Duration = Duration::from_nanos(1_000_000_000 / HANDSHAKES as u64);
/// What a source may want before others go first: strangers at the door, and handshakes within [`WINDOW`]. Two links are
/// a conversation; two people may sit behind one address.
const MODEST: u32 = 4;
/// Part of the burst that is kept for sources that have not had many handshakes lately.
const RESERVE: u32 = BURST / 2;
/// What "lately" is. It also bounds the list of those sources: to the burst and a second's handshakes.
const WINDOW: Duration = Duration::from_secs(1);

/// How long a source is refused after its first misdeed: nothing that a person would notice who mistyped a code.
pub const FIRST_PENALTY: Duration = Duration::from_millis(100);
/// How long at most. Each misdeed doubles it: ten in a row get here, and then a source has one try a minute.
pub const LONGEST_PENALTY: Duration = Duration::from_secs(60);
/// The time without a misdeed, and without being refused, that halves it again.
const QUIET: Duration = Duration::from_secs(60);
/// Sources that are remembered for their misdeeds: some 100 KiB. Beyond that the one is forgotten that has been quiet
/// for longest.
pub const REMEMBERED: usize = 1024;

/// Whom a caller counts as: all the addresses that one household or one attacker has for nothing.
///
/// An IPv4 address, also one that stands in an IPv6 address (RFC 4291, section 2.5.5.2); of an IPv6 address the first
/// 64 bits, which is the network that a single home is given (RFC 6177); this machine, whatever the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Whoever calls over loopback is on this machine already, and can do worse there than fill our door: this source
    /// has no penalties and no bound on questions, nor could it be told from the other programs of our user.
    Here,
    /// An address.
    V4(Ipv4Addr),
    /// A network.
    V6([u16; 4]),
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Here,
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// What becomes of somebody who arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has a seat.
    Enter,
    /// It has the seat of this one, who has left by that and whose connection is to be closed.
    Instead(u64),
    /// It has none: its connection is to be closed, for this reason.
    Closed(&'static str),
}

/// How somebody left the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Let in. Its source's misdeeds are forgotten: somebody there is who he says.
    LetIn,
    /// It hung up, or we had no time for it.
    Gone,
    /// Nonsense, a failed handshake, a wrong code, silence until the deadline, or our user did not want it.
    Misbehaved,
}

/// How far a caller has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Silent,
    Spoke,
    /// It has had its handshake from the budget.
    Shaking,
}

/// The stages from the one that goes first, each with how many callers are one of its share: a quarter, a quarter, half.
const SHARES: [(Stage, usize); 3] = [(Stage::Silent, 4), (Stage::Spoke, 4), (Stage::Shaking, 2)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Stranger(Stage),
    Recognised,
    Asked,
}

#[derive(Debug)]
struct Caller {
    source: Source,
    seat: Seat,
    /// It waits for a handshake from the budget, until then at least.
    waits: Option<Instant>,
}

/// The handshakes that may begin: a bucket that is full at a time, and emptier by what is missing until then.
#[derive(Debug, Default)]
struct Budget {
    full_at: Option<Instant>,
    /// Who has had how many lately, and since when that is counted.
    lately: BTreeMap<Source, u32>,
    since: Option<Instant>,
}

impl Budget {
    /// When so many are there.
    fn when(&self, now: Instant, wanted: u32) -> Instant {
        // Nobody waits for more than the whole of it.
        let missing_then = TOKEN * BURST.saturating_sub(wanted);
        self.full_at.and_then(|at| at.checked_sub(missing_then)).map_or(now, |at| at.max(now))
    }

    fn is_modest(&self, source: Source) -> bool {
        self.lately.get(&source).is_none_or(|had| *had < MODEST)
    }

    fn take(&mut self, now: Instant, source: Source) {
        self.full_at = Some(self.full_at.map_or(now, |at| at.max(now)) + TOKEN);
        *self.lately.entry(source).or_default() += 1;
    }

    fn forget(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            self.lately.clear();
            self.since = Some(now);
        }
    }
}

/// What a source has to suffer.
#[derive(Clone, Copy, Debug)]
struct Penalty {
    length: Duration,
    until: Instant,
}

impl Penalty {
    /// What is left of its length after it has been quiet.
    fn length_at(self, now: Instant) -> Duration {
        let minutes = now.saturating_duration_since(self.until).as_secs() / QUIET.as_secs();
        // A length of 60 s has vanished long before 31 halvings.
        self.length / (1 << minutes.min(30))
    }
}

/// The accounts of the door.
#[derive(Debug, Default)]
pub struct Doorkeeper {
    /// Numbers grow, so the first is the oldest.
    callers: BTreeMap<u64, Caller>,
    budget: Budget,
    penalties: BTreeMap<Source, Penalty>,
}

impl Doorkeeper {
    /// Somebody is there; `id` is greater than any before.
    pub fn arrive(&mut self, now: Instant, id: u64, ip: IpAddr) -> Admission {
        let source = Source::from(ip);
        if self.penalties.get(&source).is_some_and(|penalty| now < penalty.until) {
            return Admission::Closed("it misbehaved a moment ago");
        }
        let (all, of_source) = self.strangers(source);
        let most = if of_source < all { OF_ONE_SOURCE } else { STRANGERS };
        let gone = if of_source >= most {
            self.who_goes(|of| of == source)
        } else if all >= STRANGERS {
            let crowd = self.largest_sources();
            self.who_goes(|of| crowd.contains(&of))
        } else {
            None
        };
        if let Some(gone) = gone {
            self.callers.remove(&gone);
        }
        self.callers.insert(id, Caller { source, seat: Seat::Stranger(Stage::Silent), waits: None });
        gone.map_or(Admission::Enter, Admission::Instead)
    }

    /// Strangers, and those of a source among them.
    fn strangers(&self, source: Source) -> (usize, usize) {
        let strangers = self.callers.values().filter(|caller| matches!(caller.seat, Seat::Stranger(_)));
        strangers.fold((0, 0), |(all, of), caller| (all + 1, of + usize::from(caller.source == source)))
    }

    /// The sources with the most strangers; all of them, if none has many.
    fn largest_sources(&self) -> BTreeSet<Source> {
        let mut counts = BTreeMap::new();
        for caller in self.callers.values().filter(|caller| matches!(caller.seat, Seat::Stranger(_))) {
            *counts.entry(caller.source).or_insert(0_usize) += 1;
        }
        let most = counts.values().max().copied().filter(|most| *most > MODEST as usize).unwrap_or_default();
        counts.into_iter().filter(|(_, count)| *count >= most).map(|(source, _)| source).collect()
    }

    /// Of the strangers of such sources the one who has to go.
    fn who_goes(&self, of: impl Fn(Source) -> bool) -> Option<u64> {
        let crowd: Vec<(u64, Stage)> = (self.callers.iter())
            .filter_map(|(id, caller)| match caller.seat {
                Seat::Stranger(stage) if of(caller.source) => Some((*id, stage)),
                _ => None,
            })
            .collect();
        let over = |(stage, one_of): &(Stage, usize)| {
            let held = crowd.iter().filter(|(_, of)| of == stage).count();
            held * one_of > crowd.len()
        };
        // The shares are the whole: where none holds more than its own, each holds exactly that, and the first gives.
        let (stage, _) = SHARES.into_iter().find(over).unwrap_or(SHARES[0]);
        crowd.iter().find(|(_, of)| *of == stage).map(|(id, _)| *id)
    }

    /// It has sent at least a byte.
    pub fn spoke(&mut self, id: u64) {
        if let Some(caller) = self.callers.get_mut(&id)
            && caller.seat == Seat::Stranger(Stage::Silent)
        {
            caller.seat = Seat::Stranger(Stage::Spoke);
        }
    }

    /// Whether its handshake may begin. To be asked when its whole first record is there, not at its first byte: that is
    /// when it begins to cost, and a caller who drips takes nothing from the budget. Only the first yes costs; of who
    /// has no seat at the door nothing is asked.
    ///
    /// Whoever waits is served in the order of arrival, except that sources which have had many handshakes lately leave
    /// some to others.
    ///
    /// # Errors
    /// Not yet: the time when to ask again, for all who wait. [`deadline`](Self::deadline) gives the earliest of them.
    pub fn may_handshake(&mut self, now: Instant, id: u64) -> Result<(), Instant> {
        self.budget.forget(now);
        let Some(caller) = self.callers.get(&id) else { return Ok(()) };
        if !matches!(caller.seat, Seat::Stranger(Stage::Silent | Stage::Spoke)) {
            return Ok(());
        }
        let source = caller.source;
        let when = self.budget.when(now, self.wanted(id, source));
        let waits = (now < when).then_some(when);
        if waits.is_none() {
            self.budget.take(now, source);
        }
        if let Some(caller) = self.callers.get_mut(&id) {
            caller.waits = waits;
            caller.seat = Seat::Stranger(if waits.is_some() { Stage::Spoke } else { Stage::Shaking });
        }
        waits.map_or(Ok(()), Err)
    }

    /// How many handshakes have to be there for this caller to have one: its own, those of the ones before it, and what
    /// its source leaves to others.
    fn wanted(&self, id: u64, source: Source) -> u32 {
        let modest = self.budget.is_modest(source);
        let goes_first =
            |(_, caller): &(&u64, &Caller)| caller.waits.is_some() && (!modest || self.budget.is_modest(caller.source));
        let before = self.callers.range(..id).filter(goes_first).count() as u32;
        let left = if modest { 0 } else { RESERVE };
        (1 + before + left).min(BURST)
    }

    /// Its key is known, pinned or ours: it gets one of the seats kept for such, and nobody pushes it out any more. If
    /// none of them is free it stays a stranger, and this is false.
    pub fn recognised(&mut self, id: u64) -> bool {
        self.reseat(id, Seat::Recognised, RECOGNISED, usize::MAX)
    }

    /// Our user is being asked about it: it gets one of the seats kept for such. If none of them is free, this is false,
    /// and it is to be refused.
    pub fn asked(&mut self, id: u64) -> bool {
        self.reseat(id, Seat::Asked, MAX_QUESTIONS, QUESTIONS_OF_ONE_SOURCE)
    }

    fn reseat(&mut self, id: u64, seat: Seat, seats: usize, of_one_source: usize) -> bool {
        let Some(source) = self.callers.get(&id).map(|caller| caller.source) else { return false };
        let there = self.callers.iter().filter(|(of, caller)| **of != id && caller.seat == seat);
        let (all, of_source) =
            there.fold((0, 0), |(all, of), (_, caller)| (all + 1, of + usize::from(caller.source == source)));
        let free = all < seats && (of_source < of_one_source || source == Source::Here);
        if let Some(caller) = self.callers.get_mut(&id).filter(|_| free) {
            (caller.seat, caller.waits) = (seat, None);
        }
        free
    }

    /// It is gone from the door. Who has no seat there is nobody.
    pub fn left(&mut self, now: Instant, id: u64, how: Parting) {
        let Some(caller) = self.callers.remove(&id) else { return };
        match how {
            Parting::LetIn => drop(self.penalties.remove(&caller.source)),
            Parting::Misbehaved if caller.source != Source::Here => self.punish(now, caller.source),
            Parting::Misbehaved | Parting::Gone => {}
        }
    }

    /// Those who stood at the door already when their source was refused do not count again: however many callers hit
    /// their deadline together, because one cable was pulled, that is one misdeed.
    fn punish(&mut self, now: Instant, source: Source) {
        let before = self.penalties.get(&source);
        if before.is_some_and(|penalty| now < penalty.until) {
            return;
        }
        let left = before.map_or(Duration::ZERO, |penalty| penalty.length_at(now));
        let length = (left * 2).clamp(FIRST_PENALTY, LONGEST_PENALTY);
        self.penalties.insert(source, Penalty { length, until: now + length });
        if self.penalties.len() > REMEMBERED
            && let Some(quiet) = self.penalties.iter().min_by_key(|(_, penalty)| penalty.until).map(|(of, _)| *of)
        {
            self.penalties.remove(&quiet);
        }
    }

    /// When all who wait for a handshake are to be asked again; `None`: nobody waits.
    pub fn deadline(&self) -> Option<Instant> {
        self.callers.values().filter_map(|caller| caller.waits).min()
    }
}

#[cfg(test)]
#[path = "doorkeeper_tests.rs"]
mod tests;
