//! Numbers that only depend on the seed.

use crate::support::disk::mix;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed ^ 0x7465_7465;
        mix(&mut state);
        Self(state)
    }

    pub(crate) fn next(&mut self) -> u64 {
        mix(&mut self.0)
    }

    /// 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Small numbers mostly, up to `limit` seldom.
    pub(crate) fn skewed(&mut self, limit: u64) -> u64 {
        let bits = self.below(64 - u64::from(limit.leading_zeros()) + 1);
        self.below(1 << bits).min(limit)
    }
}
