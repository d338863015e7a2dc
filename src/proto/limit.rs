//! How fast files may be sent.
//!
//! Owns: the allowance of bytes, and when the next chunk may go. Must not know: whose chunk it is, over which link.

use std::time::{Duration, Instant};

use super::transfers::TALK_CHUNK;

/// A limit on the bytes of files that we send.
#[derive(Debug)]
pub(super) struct Limit {
    /// Bytes a second.
    rate: u64,
    /// Bytes that may go now.
    allowance: u64,
    /// When `allowance` was last added to.
    counted: Instant,
}

impl Limit {
    pub(super) fn new(rate: u64, now: Instant) -> Self {
        Self { rate, allowance: 0, counted: now }
    }

    /// `n` bytes went.
    pub(super) fn used(&mut self, n: u64) {
        self.allowance = self.allowance.saturating_sub(n);
    }

    /// A tenth of a second's worth, and at least one chunk: short enough that the rate looks steady.
    pub(super) fn burst(&self) -> u64 {
        (self.rate / 10).max(TALK_CHUNK)
    }

    pub(super) fn tick(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.counted).as_secs_f64() * self.rate as f64;
        if gained >= 1.0 {
            self.allowance = self.allowance.saturating_add(gained as u64).min(self.burst());
            // Only the time of whole bytes is used up: the clock is read often, and the rest would be lost each time.
            let rest = Duration::from_secs_f64(gained.fract() / self.rate as f64);
            self.counted = now.checked_sub(rest).unwrap_or(now);
        }
    }

    /// When a chunk of `len` bytes may go; `None`: now.
    pub(super) fn due(&self, len: u64) -> Option<Instant> {
        let missing = len.checked_sub(self.allowance).filter(|missing| *missing > 0)?;
        // Rounded up, so that the allowance is there when the moment is.
        Some(self.counted + Duration::from_secs_f64(missing as f64 / self.rate as f64) + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_when_the_rate_has_made_room_for_them_and_once() {
        let start = Instant::now();
        let mut limit = Limit::new(1000, start);
        assert_eq!(limit.due(0), None);
        let due = start + Duration::from_millis(501);
        assert_eq!(limit.due(500), Some(due));
        limit.tick(due);
        assert_eq!(limit.due(500), None);
        limit.used(500);
        assert!(limit.due(500).is_some());
    }

    #[test]
    fn who_reads_the_clock_often_loses_and_gains_nothing() {
        let start = Instant::now();
        let mut limit = Limit::new(1000, start);
        (1..=1001).for_each(|n| limit.tick(start + n * Duration::from_micros(600)));
        assert_eq!(limit.due(600), None);
        assert!(limit.due(601).is_some());
    }

    #[test]
    fn after_a_pause_no_more_goes_at_once_than_a_tenth_of_a_second_is_worth_or_one_chunk() {
        let start = Instant::now();
        for (rate, most) in [(1_000_000, 100_000), (1000, TALK_CHUNK)] {
            let mut limit = Limit::new(rate, start);
            limit.tick(start + Duration::from_secs(60));
            assert_eq!(limit.due(most), None);
            assert!(limit.due(most + 1).is_some(), "{rate} bytes a second");
        }
    }
}
