//! What went when, of one measurement between two machines.
//!
//! Owns: the moments of it (first byte, end of what is left out, end), the intervals. Must not know: sessions, sockets,
//! how anything is shown.
//!
//! ```text
//!   first byte            omitted until               intervals                      enough       the last is verified
//!       |--------------------|-------------|-------------|-------------|-------------|------ - - --|
//!                            |<---------------------- what the figures are of --------------------->|
//! ```
//!
//! Each way has an end of its own: who waits for the slower one is not slow.

use std::time::{Duration, Instant};

/// Which way, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Sent,
    /// To us.
    Received,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Sent, Self::Received];

    /// One word, for programs too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// What went one way in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Which way.
    pub way: Way,
    /// Seconds since what is left out was over, or since the first byte for what is left out itself.
    pub from: f64,
    /// The same of its end.
    pub to: f64,
    /// Bytes that arrived in it.
    pub bytes: u64,
    /// Whether it is left out.
    pub omitted: bool,
}

impl Interval {
    /// Bytes a second.
    pub fn speed(&self) -> f64 {
        let seconds = self.to - self.from;
        if seconds > 0.0 { self.bytes as f64 / seconds } else { 0.0 }
    }
}

/// The moments and bytes of one measurement.
#[derive(Debug)]
pub struct Count {
    omit: Duration,
    every: Option<Duration>,
    began: Option<Instant>,
    /// When what counts began, and what had arrived until then.
    counted: Option<(Instant, [u64; 2])>,
    /// The same of the interval that goes on, and when it ends.
    last: Option<(Instant, [u64; 2], Instant)>,
    /// When all of a way was verified.
    through: [Option<Instant>; 2],
}

impl Count {
    /// Nothing has come yet. The first `omit` is left out; intervals are so long, `None`: there are none.
    pub fn new(omit: Duration, every: Option<Duration>) -> Self {
        Self { omit, every, began: None, counted: None, last: None, through: [None; 2] }
    }

    /// All of a way is verified.
    pub fn through(&mut self, way: Way, now: Instant) {
        self.through[way as usize].get_or_insert(now);
    }

    /// When the first byte went, or came.
    pub fn began(&self) -> Option<Instant> {
        self.began
    }

    /// When it is to be looked at again, to be exact.
    pub fn due(&self) -> Option<Instant> {
        let counts = self.began.filter(|_| self.counted.is_none()).map(|began| began + self.omit);
        counts.into_iter().chain(self.last.map(|(_, _, ends)| ends)).min()
    }

    /// The first byte has gone, or come, by now. `before`: the moment of the last look, when it had not.
    pub fn begin(&mut self, before: Instant) {
        if self.began.is_none() {
            self.began = Some(before);
            self.begin_interval(before, [0; 2]);
            if self.omit.is_zero() {
                self.counted = Some((before, [0; 2]));
            }
        }
    }

    /// So many bytes have arrived each way until now. Gives the intervals that are over by now: of the given ways.
    pub fn look(&mut self, now: Instant, bytes: [u64; 2], ways: &[Way]) -> Vec<Interval> {
        let mut over = Vec::new();
        let counts_from = self.began.map(|began| began + self.omit).filter(|_| self.counted.is_none());
        if counts_from.is_some_and(|from| now >= from) {
            over.extend(self.close(now, bytes, ways));
            self.counted = Some((now, bytes));
            self.begin_interval(now, bytes);
        } else if self.last.is_some_and(|(_, _, ends)| now >= ends) {
            over.extend(self.close(now, bytes, ways));
            self.begin_interval(now, bytes);
        }
        over
    }

    /// It is over: the interval that was going on, if there is more to it than a rest, and all of it.
    pub fn end(&mut self, now: Instant, bytes: [u64; 2], ways: &[Way]) -> (Vec<Interval>, Vec<Interval>) {
        let tenth = self.every.map(|every| every / 10).unwrap_or_default();
        let worth = self.last.is_some_and(|(from, ..)| now.saturating_duration_since(from) > tenth);
        let rest = if worth { self.close(now, bytes, ways) } else { Vec::new() };
        let (from, at) = self.counted.unwrap_or((now, bytes));
        let total = |way: &Way| {
            let bytes = bytes[*way as usize].saturating_sub(at[*way as usize]);
            let to = self.end_of(*way, now).saturating_duration_since(from).as_secs_f64();
            Interval { way: *way, from: 0.0, to, bytes, omitted: false }
        };
        (rest, ways.iter().map(total).collect())
    }

    /// When a way ended, or now.
    fn end_of(&self, way: Way, now: Instant) -> Instant {
        self.through[way as usize].map_or(now, |through| through.min(now))
    }

    fn begin_interval(&mut self, now: Instant, bytes: [u64; 2]) {
        self.last = self.every.map(|every| (now, bytes, now + every));
    }

    fn close(&mut self, now: Instant, bytes: [u64; 2], ways: &[Way]) -> Vec<Interval> {
        let Some((from, at, _)) = self.last.take() else { return Vec::new() };
        let Some(zero) = self.counted.map(|(zero, _)| zero).or(self.began) else { return Vec::new() };
        let since = |moment: Instant| moment.saturating_duration_since(zero).as_secs_f64();
        let interval = |way: Way| {
            let bytes = bytes[way as usize].saturating_sub(at[way as usize]);
            let to = since(self.end_of(way, now).max(from));
            Interval { way, from: since(from), to, bytes, omitted: self.counted.is_none() }
        };
        let all = ways.iter().map(|way| interval(*way));
        all.filter(|of| of.to > of.from || of.bytes > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SENT: [Way; 1] = [Way::Sent];

    fn spans(intervals: &[Interval]) -> Vec<(f64, f64, u64, bool)> {
        intervals.iter().map(|one| (one.from, one.to, one.bytes, one.omitted)).collect()
    }

    #[test]
    fn what_waits_before_the_first_byte_is_not_counted() {
        let start = Instant::now();
        let mut count = Count::new(Duration::ZERO, None);
        assert!(count.look(start + SECOND, [0, 0], &SENT).is_empty());
        assert_eq!(count.due(), None);
        count.begin(start + SECOND);
        count.begin(start + 2 * SECOND);
        count.look(start + 2 * SECOND, [5, 0], &SENT);
        let (rest, all) = count.end(start + 3 * SECOND, [10, 0], &SENT);
        assert_eq!((rest, spans(&all)), (Vec::new(), vec![(0.0, 2.0, 10, false)]));
        assert_eq!(all[0].speed(), 5.0);
    }

    #[test]
    fn each_interval_has_what_came_in_it() {
        let start = Instant::now();
        let mut count = Count::new(Duration::ZERO, Some(SECOND));
        count.begin(start);
        assert_eq!(count.due(), Some(start + SECOND));
        assert!(count.look(start + SECOND / 2, [4, 0], &SENT).is_empty());
        assert_eq!(spans(&count.look(start + SECOND, [10, 0], &SENT)), [(0.0, 1.0, 10, false)]);
        assert_eq!(spans(&count.look(start + 2 * SECOND, [11, 0], &SENT)), [(1.0, 2.0, 1, false)]);
        let (rest, all) = count.end(start + 5 * SECOND / 2, [20, 0], &SENT);
        assert_eq!(spans(&rest), [(2.0, 2.5, 9, false)]);
        assert_eq!(spans(&all), [(0.0, 2.5, 20, false)]);
    }

    #[test]
    fn what_is_left_out_is_told_apart_and_not_in_the_sum() {
        let start = Instant::now();
        let mut count = Count::new(SECOND, Some(10 * SECOND));
        count.begin(start);
        assert_eq!(count.due(), Some(start + SECOND));
        let omitted = count.look(start + SECOND, [10, 20], &Way::BOTH);
        assert_eq!(spans(&omitted), [(0.0, 1.0, 10, true), (0.0, 1.0, 20, true)]);
        let (_, all) = count.end(start + 3 * SECOND, [30, 60], &Way::BOTH);
        assert_eq!(spans(&all), [(0.0, 2.0, 20, false), (0.0, 2.0, 40, false)]);
    }

    #[test]
    fn what_ends_before_it_counts_is_nothing() {
        let start = Instant::now();
        let mut count = Count::new(SECOND, None);
        count.begin(start);
        let (_, all) = count.end(start + SECOND / 2, [7, 0], &SENT);
        assert_eq!((all[0].bytes, all[0].speed()), (0, 0.0));
    }

    #[test]
    fn who_is_through_does_not_wait_for_the_other_way() {
        let start = Instant::now();
        let mut count = Count::new(Duration::ZERO, Some(SECOND));
        count.begin(start);
        count.look(start + SECOND, [10, 100], &Way::BOTH);
        count.through(Way::Received, start + 3 * SECOND / 2);
        let second = count.look(start + 2 * SECOND, [20, 150], &Way::BOTH);
        assert_eq!(spans(&second), [(1.0, 2.0, 10, false), (1.0, 1.5, 50, false)]);
        let third = count.look(start + 3 * SECOND, [30, 150], &Way::BOTH);
        assert_eq!(spans(&third), [(2.0, 3.0, 10, false)], "and has no more intervals");
        let (_, all) = count.end(start + 4 * SECOND, [40, 150], &Way::BOTH);
        assert_eq!(spans(&all), [(0.0, 4.0, 40, false), (0.0, 1.5, 150, false)]);
        assert_eq!(all[1].speed(), 100.0);
    }
}
