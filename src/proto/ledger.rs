//! The verified blocks of a file that is arriving: which of them a later try can rely on.
//!
//! Owns: their values, how many of them stand in the journal, and when more of them go there.
//! Must not know: how a journal looks, where it is.

use std::time::{Duration, Instant};

use super::journal::MAX_BLOCKS;

/// Blocks after which they are written down: what a crash costs, beside what was under way.
const RECORD_BLOCKS: usize = 8;
/// Time after which one block is enough.
const RECORD_AFTER: Duration = Duration::from_millis(50);

/// See the head of this page.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// In the file's order. Of at most [`MAX_BLOCKS`]: 32 MiB for a TiB that has come.
    values: Vec<[u8; 32]>,
    recorded: usize,
    when: Instant,
}

impl Ledger {
    /// The values that the journal has.
    pub(super) fn new(values: Vec<[u8; 32]>, now: Instant) -> Self {
        Self { recorded: values.len(), values, when: now }
    }

    /// The next block is verified.
    pub(super) fn push(&mut self, value: [u8; 32]) {
        if (self.values.len() as u64) < MAX_BLOCKS {
            self.values.push(value);
        }
    }

    /// How many blocks there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn into_values(self) -> Vec<[u8; 32]> {
        self.values
    }

    /// Whether it is time to write down what is new; without a moment it is a matter of how much there is.
    pub(super) fn is_due(&self, now: Option<Instant>) -> bool {
        let new = self.values.len() - self.recorded;
        let late = now.is_some_and(|now| now.saturating_duration_since(self.when) >= RECORD_AFTER);
        new >= RECORD_BLOCKS || (new > 0 && late)
    }

    /// What is new, from which block on; it counts as written down.
    pub(super) fn take_new(&mut self, now: Option<Instant>) -> Option<(u64, Vec<[u8; 32]>)> {
        let first = std::mem::replace(&mut self.recorded, self.values.len());
        self.when = now.unwrap_or(self.when);
        (first < self.values.len()).then(|| (first as u64, self.values[first..].to_vec()))
    }
}
