//! What one side of one transfer waited for, counted turn by turn.
//!
//! Owns: the sums, and how they become a [`Half`]. Must not know: what a transfer does, what the other side says of itself.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use super::{Half, Stages};
use crate::proto::event::Direction;

/// How often a half is told while a transfer goes on, and the system asked for what the loop has computed.
pub const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a transfer waits for when a turn of the loop is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing: the loop comes back to it at once.
    Busy,
    /// The disk: a file to be opened, created or synced, a pipe to bring more.
    Disk,
    /// A block to be read and hashed.
    Helpers,
    /// The rate limit.
    Limit,
    /// The link, or the other side.
    Beyond,
}

/// A link at the end of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// It takes no more.
    pub full: bool,
    /// It has brought all there was.
    pub empty: bool,
}

/// What a loop knows of the time since its last turn began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The talk link when it ended.
    pub talk: Held,
    /// The bulk link, if there is one.
    pub bulk: Held,
    /// Whether links are encrypted.
    pub secure: bool,
    /// How long it took: the time before the loop waited.
    pub took: Duration,
    /// Whether the process was stopped since.
    pub stopped: bool,
    /// Time that the loop's thread has computed, or waited for a core, since it began; only if that was asked for
    /// ([`Session::wants_processor`](crate::proto::session::Session::wants_processor)), and the system can tell.
    pub processor: Option<Duration>,
}

/// What helpers spent on one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Waiting for the disk, as far as that is known; else for bytes.
    pub reading: Duration,
    /// Hashing them, and waiting for a core.
    pub hashing: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.reading += more.reading;
        self.hashing += more.hashing;
    }
}

/// What the system said of the loop's thread.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// At the beginning.
    first: Duration,
    /// Since then.
    since: Duration,
    /// The time that had been counted by then, and what of it the loop was busy.
    at: Duration,
    busy: Duration,
    /// The last one was asked for when nothing but the end was to come.
    last: bool,
}

/// The sums of one side of one transfer.
#[derive(Debug, Default)]
pub(in crate::proto) struct Meter {
    busy: Duration,
    disk: Duration,
    helpers: Duration,
    limit: Duration,
    beyond: Duration,
    stopped: Duration,
    spent: Spent,
    reading: Option<Reading>,
    secure: bool,
    theirs: Option<Half>,
    told: Option<Instant>,
}

impl Meter {
    /// Time since the last turn began, at whose end this was waited for. `ending`: no more bytes of it will move.
    pub(in crate::proto) fn add(&mut self, wait: Wait, time: Duration, turn: &Turn, ending: bool) {
        self.secure = turn.secure;
        let sum = match wait {
            _ if turn.stopped => &mut self.stopped,
            Wait::Busy => &mut self.busy,
            Wait::Disk => &mut self.disk,
            Wait::Helpers => &mut self.helpers,
            Wait::Limit => &mut self.limit,
            Wait::Beyond => &mut self.beyond,
        };
        // A call of the turn itself may have waited for a disk. What is opened or synced goes on meanwhile.
        let busy = if wait == Wait::Disk || turn.stopped { Duration::ZERO } else { turn.took.min(time) };
        *sum += time - busy;
        self.busy += busy;
        let at = self.total();
        if let Some(used) = turn.processor {
            let first = self.reading.map_or(used, |reading| reading.first);
            let since = used.saturating_sub(first);
            self.reading = Some(Reading { first, since, at, busy: self.busy, last: ending });
        }
    }

    /// Whether the system is to be asked: first, now and then, and when nothing more moves.
    pub(in crate::proto) fn wants_processor(&self, ending: bool) -> bool {
        self.reading
            .is_none_or(|reading| (ending && !reading.last) || self.total().saturating_sub(reading.at) >= TELL_EVERY)
    }

    /// A helper has worked for it.
    pub(in crate::proto) fn helped(&mut self, spent: Spent) {
        self.spent += spent;
    }

    /// What the other side says.
    pub(in crate::proto) fn heard(&mut self, half: Half) {
        self.theirs = Some(half);
    }

    /// Our half, if it is time to tell it.
    pub(in crate::proto) fn tell(&mut self, now: Instant) -> Option<Half> {
        let told = *self.told.get_or_insert(now);
        (now.saturating_duration_since(told) >= TELL_EVERY).then(|| {
            self.told = Some(now);
            self.half()
        })
    }

    fn total(&self) -> Duration {
        self.busy + self.disk + self.helpers + self.limit + self.beyond + self.stopped
    }

    /// Our half; `None` when nobody counts.
    pub(in crate::proto) fn told_last(&self) -> Option<Half> {
        (self.total() > Duration::ZERO).then(|| self.half())
    }

    /// What it comes to.
    pub(in crate::proto) fn half(&self) -> Half {
        let running = self.total() - self.stopped;
        let computed = match self.reading {
            // Of what was busy since the last reading it is taken to be as much as before.
            Some(Reading { since, busy, .. }) => {
                let part = if busy > since { since.as_secs_f64() / busy.as_secs_f64() } else { 1.0 };
                (since + (self.busy - busy).mul_f64(part)).min(running)
            }
            None => self.busy,
        };
        let blocked = self.busy.saturating_sub(computed);
        // What was computed beyond the turns kept something waiting: a core, or what is opened and synced meanwhile.
        let waits = running - self.busy;
        let beyond_busy = computed.saturating_sub(self.busy);
        let kept = if waits > Duration::ZERO { 1.0 - beyond_busy.as_secs_f64() / waits.as_secs_f64() } else { 0.0 };
        let kept = |time: Duration| time.mul_f64(kept.clamp(0.0, 1.0));
        let worked = (self.spent.reading + self.spent.hashing).as_secs_f64();
        let reading = if worked > 0.0 { self.spent.reading.as_secs_f64() / worked } else { 0.0 };
        let helpers = kept(self.helpers);
        let reading = helpers.mul_f64(reading);
        Half {
            disk: kept(self.disk) + blocked + reading,
            hashing: helpers.saturating_sub(reading),
            processor: computed,
            stopped: self.stopped,
            limit: kept(self.limit),
            beyond: kept(self.beyond),
        }
    }

    /// What both halves say, as far as they are known.
    pub(in crate::proto) fn stages(&self, direction: Direction) -> Stages {
        Stages::join(direction, self.secure, &self.half(), self.theirs.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A meter of these waits, of which a second reading of the processor says that it has computed so long.
    fn metered(waits: &[(Wait, u64)], computed: Option<u64>) -> Half {
        let mut meter = Meter::default();
        let turn = |processor| Turn { processor, ..Turn::default() };
        meter.add(Wait::Busy, Duration::ZERO, &turn(computed.map(|_| ms(5000))), false);
        for (wait, millis) in waits {
            meter.add(*wait, ms(*millis), &turn(None), false);
        }
        meter.add(Wait::Busy, Duration::ZERO, &turn(computed.map(|millis| ms(5000 + millis))), true);
        meter.half()
    }

    #[test]
    fn a_busy_loop_that_does_not_compute_waits_for_the_disk() {
        let half = metered(&[(Wait::Busy, 900), (Wait::Beyond, 100)], Some(50));
        assert_eq!((half.disk, half.processor, half.beyond), (ms(850), ms(50), ms(100)));
        let half = metered(&[(Wait::Busy, 900), (Wait::Beyond, 100)], None);
        assert_eq!(
            (half.disk, half.processor, half.beyond),
            (ms(0), ms(900), ms(100)),
            "where the system does not tell"
        );
    }

    #[test]
    fn a_turn_that_a_disk_held_up_did_not_wait_for_what_it_led_to() {
        let cases = [(Wait::Beyond, 150, 0), (Wait::Helpers, 0, 150), (Wait::Limit, 0, 0)];
        for (wait, beyond, hashing) in cases {
            let mut meter = Meter::default();
            let asked = |millis| Turn { took: ms(850), processor: Some(ms(millis)), ..Turn::default() };
            meter.add(Wait::Busy, ms(0), &asked(5000), false);
            meter.add(wait, ms(1000), &asked(5050), true);
            let half = meter.half();
            assert_eq!((half.disk, half.processor), (ms(800), ms(50)), "{wait:?}");
            assert_eq!((half.beyond, half.hashing), (ms(beyond), ms(hashing)), "{wait:?}");
        }
        let mut meter = Meter::default();
        meter.add(Wait::Disk, ms(1000), &Turn { took: ms(850), ..Turn::default() }, true);
        assert_eq!(meter.half().disk, ms(1000), "it is being synced");
    }

    #[test]
    fn who_waits_for_a_core_does_not_wait_for_the_other_side() {
        let half = metered(&[(Wait::Busy, 100), (Wait::Beyond, 900)], Some(1000));
        assert_eq!((half.disk, half.processor, half.beyond), (ms(0), ms(1000), ms(0)));
    }

    #[test]
    fn what_was_computed_lies_in_the_time_in_which_the_process_ran() {
        for (computed, processor, beyond) in [(300, 300, 200), (2000, 500, 0)] {
            let mut meter = Meter::default();
            let told = |millis| Turn { processor: Some(ms(millis)), ..Turn::default() };
            meter.add(Wait::Busy, ms(0), &told(5000), false);
            meter.add(Wait::Busy, ms(100), &Turn::default(), false);
            meter.add(Wait::Beyond, ms(500), &Turn { stopped: true, ..Turn::default() }, false);
            meter.add(Wait::Beyond, ms(400), &Turn::default(), false);
            meter.add(Wait::Busy, ms(0), &told(5000 + computed), true);
            let (processor, beyond, stopped) = (ms(processor), ms(beyond), ms(500));
            assert_eq!(meter.half(), Half { processor, beyond, stopped, ..Half::default() }, "{computed} ms");
        }
    }

    #[test]
    fn until_the_system_tells_for_the_second_time_a_busy_loop_is_taken_to_compute() {
        let mut meter = Meter::default();
        meter.add(Wait::Busy, ms(0), &Turn { processor: Some(ms(5000)), ..Turn::default() }, false);
        meter.add(Wait::Busy, ms(300), &Turn::default(), false);
        assert_eq!(meter.half(), Half { processor: ms(300), ..Half::default() });
    }

    #[test]
    fn helpers_say_whether_they_read_or_hashed() {
        let mut meter = Meter::default();
        meter.add(Wait::Helpers, ms(1000), &Turn::default(), false);
        assert_eq!(meter.half().hashing, ms(1000));
        meter.helped(Spent { reading: ms(30), hashing: ms(10) });
        assert_eq!((meter.half().disk, meter.half().hashing), (ms(750), ms(250)));
    }

    #[test]
    fn a_process_that_was_stopped_has_waited_for_nobody() {
        let mut meter = Meter::default();
        meter.add(Wait::Beyond, ms(1000), &Turn { stopped: true, ..Turn::default() }, false);
        assert_eq!(meter.half(), Half { stopped: ms(1000), ..Half::default() });
    }

    #[test]
    fn the_system_is_asked_first_and_then_each_second_and_at_the_end() {
        let mut meter = Meter::default();
        let asked = Turn { processor: Some(ms(7)), ..Turn::default() };
        assert!(meter.wants_processor(false));
        meter.add(Wait::Busy, ms(1), &asked, false);
        assert!(!meter.wants_processor(false) && meter.wants_processor(true));
        meter.add(Wait::Busy, TELL_EVERY, &Turn::default(), false);
        assert!(meter.wants_processor(false));
        meter.add(Wait::Beyond, ms(1), &asked, true);
        assert!(!meter.wants_processor(false) && !meter.wants_processor(true));
    }

    #[test]
    fn a_half_is_told_each_second() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        meter.add(Wait::Beyond, ms(1), &Turn::default(), false);
        assert_eq!(meter.tell(now), None);
        assert_eq!(meter.tell(now + TELL_EVERY), Some(Half { beyond: ms(1), ..Half::default() }));
        assert_eq!(meter.tell(now + TELL_EVERY), None);
        assert_eq!(meter.told_last(), Some(Half { beyond: ms(1), ..Half::default() }), "and once more at the end");
        assert_eq!(Meter::default().told_last(), None, "who does not count says nothing");
    }

    #[test]
    fn what_was_not_read_of_the_processor_is_guessed_from_what_was() {
        let mut meter = Meter::default();
        let asked = |millis| Turn { processor: Some(ms(millis)), ..Turn::default() };
        meter.add(Wait::Busy, ms(0), &asked(7), false);
        meter.add(Wait::Busy, ms(100), &asked(17), true);
        meter.add(Wait::Disk, ms(1000), &Turn::default(), true);
        assert_eq!((meter.half().processor, meter.half().disk), (ms(10), ms(1090)));
        meter.add(Wait::Busy, ms(100), &Turn::default(), true);
        assert_eq!((meter.half().processor, meter.half().disk), (ms(20), ms(1180)));
    }
}
