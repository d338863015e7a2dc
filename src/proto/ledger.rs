//! The verified blocks of a file that is arriving: which of them a later try can rely on.
//!
//! Owns: their values, how many of them stand in the journal, and when more of them go there.
//! Must not know: how a journal looks, where it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::TransferId;
use super::disk::DiskJob;
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

    /// Asks for what is new to be written down, before nobody will for now; whether there is anything to rely on.
    pub(super) fn record_rest(&mut self, transfer: TransferId, jobs: &mut VecDeque<DiskJob>) -> bool {
        let new = self.take_new(None);
        jobs.extend(new.map(|(first, values)| DiskJob::RecordPart { transfer, first, values, last: true }));
        !self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(range: std::ops::Range<usize>) -> Vec<[u8; 32]> {
        range.map(|n| [n as u8; 32]).collect()
    }

    #[test]
    fn many_new_blocks_are_written_down_at_once_and_one_after_a_while() {
        let start = Instant::now();
        let mut ledger = Ledger::new(values(0..2), start);
        let late = start + RECORD_AFTER;
        assert!(!ledger.is_due(None) && !ledger.is_due(Some(late)), "nothing is new");
        ledger.push([2; 32]);
        assert!(!ledger.is_due(None) && !ledger.is_due(Some(late - Duration::from_nanos(1))));
        assert!(ledger.is_due(Some(late)));
        assert_eq!(ledger.take_new(Some(late)), Some((2, values(2..3))));
        assert_eq!(ledger.take_new(Some(late)), None);
        values(3..2 + RECORD_BLOCKS).into_iter().for_each(|value| ledger.push(value));
        assert!(!ledger.is_due(Some(late)), "one is missing, and no time has passed since");
        ledger.push([2 + RECORD_BLOCKS as u8; 32]);
        assert!(ledger.is_due(None));
        assert_eq!(ledger.take_new(None), Some((3, values(3..3 + RECORD_BLOCKS))));
        assert_eq!((ledger.len(), ledger.into_values()), (3 + RECORD_BLOCKS, values(0..3 + RECORD_BLOCKS)));
    }

    #[test]
    fn no_more_blocks_are_remembered_than_a_journal_can_have() {
        let most = MAX_BLOCKS as usize;
        let mut ledger = Ledger::new(vec![[0; 32]; most - 1], Instant::now());
        (0..2).for_each(|_| ledger.push([1; 32]));
        assert_eq!(ledger.len(), most);
    }
}
