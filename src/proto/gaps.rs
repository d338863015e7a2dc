//! In which order the rest of a file is sent when the receiver has most of its beginning.
//!
//! Owns: the way from one missing block to the next, and then on from where the beginning ends. Both sides walk it by
//! the same rule, so that a position in the file says all there is to say. Must not know: frames, files.
//!
//! ```text
//!   block      0     1     2     3     4        from
//!            [ has | has |     | has |     | has ]      to come
//!   sent:                  1st         2nd         3rd, and on to the end
//! ```

use super::digest::{BLOCK, block_count};

/// Most missing blocks that are named, 256 MiB of them. What is broken behind so many is sent as a whole.
pub const MAX_GAPS: usize = 256;

/// What is missing before `from`, where everything begins to be missing. The default is a file of which nothing is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    from: u64,
    blocks: Vec<u64>,
}

impl Gaps {
    /// Everything before the byte `from` is there, but for these blocks; `None` when they are not ascending, too many,
    /// or lie behind it.
    pub fn new(from: u64, blocks: Vec<u64>) -> Option<Self> {
        let ascend = blocks.is_sorted_by(|a, b| a < b);
        let before = blocks.last().is_none_or(|last| *last < block_count(from));
        (ascend && before && blocks.len() <= MAX_GAPS).then_some(Self { from, blocks })
    }

    /// The first byte to send.
    pub fn start(&self) -> u64 {
        self.settle(0)
    }

    /// Where it goes on when everything before the byte `at` was sent, or was there.
    pub fn settle(&self, at: u64) -> u64 {
        if at >= self.from {
            return at;
        }
        let next = self.blocks.partition_point(|block| *block < at / BLOCK);
        self.blocks.get(next).map_or(self.from, |block| at.max(block * BLOCK))
    }

    /// Bytes from `at` on that lie together; `None`: all of the rest.
    pub fn run(&self, at: u64) -> Option<u64> {
        (at < self.from).then(|| (self.from - at).min(BLOCK - at % BLOCK))
    }

    /// The missing block that ends at the byte `at`, and of which the last bytes have just come.
    pub fn filled(&self, at: u64) -> Option<u64> {
        let whole = at > 0 && at <= self.from && (at == self.from || at.is_multiple_of(BLOCK));
        let block = block_count(at).checked_sub(1)?;
        (whole && self.blocks.binary_search(&block).is_ok()).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_gaps_it_goes_on_where_it_is() {
        let none = Gaps::default();
        assert_eq!((none.start(), none.settle(7), none.run(7), none.filled(BLOCK)), (0, 7, None, None));
        let from = Gaps::new(3 * BLOCK, Vec::new()).unwrap();
        assert_eq!((from.start(), from.settle(3 * BLOCK + 1)), (3 * BLOCK, 3 * BLOCK + 1));
    }

    #[test]
    fn it_goes_from_gap_to_gap_and_then_on() {
        let gaps = Gaps::new(6 * BLOCK, vec![2, 4]).unwrap();
        assert_eq!(gaps.start(), 2 * BLOCK);
        assert_eq!(gaps.settle(2 * BLOCK + 5), 2 * BLOCK + 5);
        assert_eq!(gaps.run(2 * BLOCK + 5), Some(BLOCK - 5));
        assert_eq!((gaps.filled(3 * BLOCK), gaps.settle(3 * BLOCK)), (Some(2), 4 * BLOCK));
        assert_eq!((gaps.filled(5 * BLOCK), gaps.settle(5 * BLOCK)), (Some(4), 6 * BLOCK));
        assert_eq!((gaps.filled(6 * BLOCK), gaps.run(6 * BLOCK)), (None, None));
        assert_eq!((gaps.filled(2 * BLOCK + 5), gaps.filled(0)), (None, None), "no block ends there");
    }

    #[test]
    fn a_last_block_that_is_short_can_be_missing() {
        let size = 2 * BLOCK + 9;
        let gaps = Gaps::new(size, vec![2]).unwrap();
        assert_eq!((gaps.start(), gaps.run(2 * BLOCK), gaps.filled(size)), (2 * BLOCK, Some(9), Some(2)));
        assert_eq!(gaps.settle(size), size);
        assert_eq!(gaps.filled(3 * BLOCK), None, "it was filled before");
    }

    #[test]
    fn what_a_peer_cannot_mean_is_none() {
        assert!(Gaps::new(2 * BLOCK, vec![2]).is_none());
        assert!(Gaps::new(5 * BLOCK, vec![2, 2]).is_none());
        assert!(Gaps::new(5 * BLOCK, vec![3, 1]).is_none());
        assert!(Gaps::new(0, vec![0]).is_none());
        assert!(Gaps::new(u64::MAX, (0..=MAX_GAPS as u64).collect()).is_none());
    }

    proptest! {
        #[test]
        fn every_missing_byte_is_passed_once_and_no_other(
            tail in 0..BLOCK, blocks in proptest::collection::btree_set(0_u64..20, 0..10)
        ) {
            let from = 20 * BLOCK + tail;
            let blocks: Vec<u64> = blocks.into_iter().collect();
            let gaps = Gaps::new(from, blocks.clone()).unwrap();
            let (mut at, mut passed) = (gaps.start(), Vec::new());
            while let Some(run) = gaps.run(at) {
                passed.push(at / BLOCK);
                prop_assert_eq!(gaps.filled(at + run), Some(at / BLOCK));
                at = gaps.settle(at + run);
            }
            prop_assert_eq!((at, passed), (from, blocks));
        }
    }
}
