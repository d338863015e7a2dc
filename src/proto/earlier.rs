//! What an earlier try has left of a file, while it is looked at again.
//!
//! Owns: what both sides say of each block, and what follows: which blocks are good, which have to come again, or that
//! it is another file by now. Must not know: frames, jobs, what happens afterwards.
//!
//! Three values speak of a block: the one that was verified then (the journal's), the sender's of today, and that of
//! what stands in the part today. Where the sender's differs from the journal's, the source is another one: nothing of
//! the part counts. Where only the part's differs, that block was damaged, and comes again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::digest::{BLOCK, DigestTree, block_count, next_block};
use super::disk::{Block, BlockValue};
use super::error::ProtocolError;
use super::gaps::{Gaps, MAX_GAPS};
use super::outgoing::HASHING;

/// See the head of this page.
#[derive(Debug)]
pub(super) struct Earlier {
    /// What was verified then, a value a block.
    values: Vec<[u8; 32]>,
    /// What the sender says of them.
    theirs: Vec<[u8; 32]>,
    changed: bool,
    /// The tree above the values if the part need not be read again: nobody else has had it.
    tree: Option<DigestTree>,
    asked: u64,
    hashed: u64,
    damaged: BTreeSet<u64>,
    /// Of the first block, which is the whole of a file of one block.
    whole: [u8; 32],
}

/// What is known once every block was looked at.
#[derive(Debug)]
pub(super) struct Known {
    /// Where the file goes on, and what has to come again before that.
    pub(super) gaps: Gaps,
    /// Of the blocks before that place, those that come again included.
    pub(super) tree: DigestTree,
    /// Their values.
    pub(super) values: Vec<[u8; 32]>,
    /// What the blocks that come again have to be.
    pub(super) mending: BTreeMap<u64, [u8; 32]>,
    /// What the sender has said of blocks behind that place.
    pub(super) theirs: VecDeque<[u8; 32]>,
    /// The source is another one than then.
    pub(super) changed: bool,
}

impl Earlier {
    /// Blocks of these values, in a part that is to be read again, or of which this is the tree.
    pub(super) fn new(values: Vec<[u8; 32]>, tree: Option<DigestTree>) -> Self {
        let (theirs, damaged) = (Vec::new(), BTreeSet::new());
        Self { values, theirs, changed: false, tree, asked: 0, hashed: 0, damaged, whole: [0; 32] }
    }

    /// The next block to read, of a file of `size` bytes.
    pub(super) fn next_block(&mut self, size: u64) -> Option<Block> {
        let all = self.values.len() as u64;
        if self.tree.is_some() || self.asked == all || self.asked >= self.hashed + HASHING {
            return None;
        }
        let block = next_block(self.asked, all.saturating_mul(BLOCK).min(size), Some(size))?;
        self.asked += 1;
        Some(block)
    }

    /// A block of the part is this today.
    pub(super) fn hashed(&mut self, block: Block, value: &BlockValue) {
        self.hashed += 1;
        let then = usize::try_from(block.index).ok().and_then(|index| self.values.get(index));
        if then != Some(&value.chaining) {
            self.damaged.insert(block.index);
        }
        if block.index == 0 {
            self.whole = value.whole;
        }
    }

    /// The sender says what the next blocks are.
    ///
    /// # Errors
    /// [`ProtocolError`] when it speaks of more than it was asked for.
    pub(super) fn told(&mut self, values: &[[u8; 32]]) -> Result<(), ProtocolError> {
        let then = self.values.get(self.theirs.len()..).unwrap_or_default();
        if values.len() > then.len() {
            return Err(ProtocolError::Window { what: "digests" });
        }
        self.changed |= values != &then[..values.len()];
        self.theirs.extend_from_slice(values);
        Ok(())
    }

    /// Whether everything is known.
    pub(super) fn is_settled(&self) -> bool {
        let all = self.values.len() as u64;
        self.theirs.len() as u64 == all && (self.tree.is_some() || self.hashed == all)
    }

    /// What follows, for a file of `size` bytes.
    pub(super) fn settle(self, size: u64) -> Known {
        let good = self.good(size);
        let mut theirs = VecDeque::from(self.theirs);
        let mut values = self.values;
        drop(theirs.drain(..good));
        values.truncate(good);
        let damaged: Vec<u64> = self.damaged.into_iter().take_while(|block| *block < good as u64).collect();
        let mending = damaged.iter().filter_map(|block| Some((*block, *values.get(usize::try_from(*block).ok()?)?)));
        let mending = mending.collect();
        let grow = |mut tree: DigestTree, chaining: &[u8; 32]| {
            tree.push(&BlockValue { chaining: *chaining, whole: self.whole });
            tree
        };
        let tree = match self.tree {
            Some(tree) if good > 0 => tree,
            _ => values.iter().fold(DigestTree::default(), grow),
        };
        let from = (good as u64).saturating_mul(BLOCK).min(size);
        // They are few enough, ascending and before it: it cannot be none.
        let gaps = Gaps::new(from, damaged).unwrap_or_default();
        Known { gaps, tree, values, mending, theirs, changed: self.changed }
    }

    /// How many blocks count, those among them that come again included.
    fn good(&self, size: u64) -> usize {
        let all = self.values.len();
        // A file of one block is hashed in another way: there is nothing to go on from without it.
        let nothing = self.changed || (block_count(size) == 1 && !self.damaged.is_empty());
        let many = self.damaged.iter().nth(MAX_GAPS).and_then(|block| usize::try_from(*block).ok());
        if nothing { 0 } else { many.unwrap_or(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: u64) -> Vec<[u8; 32]> {
        (0..n).map(|i| std::array::from_fn(|at| (i >> (at % 4 * 8)) as u8 ^ 0x5a)).collect()
    }

    fn block(index: u64) -> Block {
        Block { index, len: BLOCK as u32 }
    }

    fn value(of: [u8; 32]) -> BlockValue {
        BlockValue { chaining: of, whole: [9; 32] }
    }

    /// Everything was looked at: `n` blocks, of which these are damaged.
    fn looked_at(n: u64, damaged: &[u64]) -> Earlier {
        let mut earlier = Earlier::new(values(n), None);
        earlier.told(&values(n)).unwrap();
        while let Some(block) = earlier.next_block(n * BLOCK + 5) {
            let is = if damaged.contains(&block.index) { [0; 32] } else { values(n)[block.index as usize] };
            assert!(!earlier.is_settled());
            earlier.hashed(block, &value(is));
        }
        assert!(earlier.is_settled());
        earlier
    }

    #[test]
    fn what_is_whole_goes_on_behind_it() {
        let known = looked_at(40, &[]).settle(40 * BLOCK + 5);
        assert_eq!((known.gaps.start(), known.tree.blocks(), known.values.len()), (40 * BLOCK, 40, 40));
        assert!(known.mending.is_empty() && known.theirs.is_empty() && !known.changed);
    }

    #[test]
    fn damaged_blocks_come_again_and_the_rest_is_kept() {
        let known = looked_at(9, &[2, 5]).settle(9 * BLOCK + 5);
        assert_eq!(known.gaps, Gaps::new(9 * BLOCK, vec![2, 5]).unwrap());
        assert_eq!(known.mending.into_iter().collect::<Vec<_>>(), [(2, values(9)[2]), (5, values(9)[5])]);
        assert_eq!(known.tree.blocks(), 9);
    }

    #[test]
    fn behind_too_many_damaged_blocks_everything_comes_again() {
        let n = MAX_GAPS as u64 + 50;
        let known = looked_at(n, &(10..n).collect::<Vec<_>>()).settle(n * BLOCK + 5);
        let good = MAX_GAPS as u64 + 10;
        assert_eq!((known.gaps.start(), known.tree.blocks()), (10 * BLOCK, good));
        assert_eq!((known.values.len(), known.theirs.len(), known.mending.len()), (good as usize, 40, MAX_GAPS));
    }

    #[test]
    fn another_source_counts_for_nothing() {
        let mut earlier = looked_at(3, &[]);
        earlier.theirs[1] = [77; 32];
        earlier.changed = true;
        let known = earlier.settle(3 * BLOCK + 5);
        assert_eq!((known.gaps, known.tree.blocks(), known.values.len()), (Gaps::default(), 0, 0));
        assert_eq!((known.theirs.len(), known.changed), (3, true));
    }

    #[test]
    fn another_value_of_the_senders_is_another_source() {
        let mut earlier = Earlier::new(values(3), None);
        earlier.told(&values(2)).unwrap();
        assert!(!earlier.changed);
        earlier.told(&[[0; 32]]).unwrap();
        assert!(earlier.changed);
        assert!(earlier.told(&[[0; 32]]).is_err(), "nobody asked for a fourth");
    }

    #[test]
    fn a_file_of_one_damaged_block_begins_again() {
        let mut earlier = Earlier::new(values(1), None);
        earlier.told(&values(1)).unwrap();
        earlier.hashed(block(0), &value([0; 32]));
        assert_eq!(earlier.settle(BLOCK).gaps, Gaps::default());
    }

    #[test]
    fn a_part_that_nobody_else_has_had_is_not_read_again() {
        let mut tree = DigestTree::default();
        values(2).into_iter().for_each(|of| tree.push(&value(of)));
        let mut earlier = Earlier::new(values(2), Some(tree));
        assert_eq!(earlier.next_block(9 * BLOCK), None);
        earlier.told(&values(2)).unwrap();
        assert!(earlier.is_settled());
        assert_eq!(earlier.settle(9 * BLOCK).tree.blocks(), 2);
    }

    #[test]
    fn no_more_blocks_are_read_at_once_than_the_helpers_have_places_for() {
        let mut earlier = Earlier::new(values(40), None);
        assert_eq!(std::iter::from_fn(|| earlier.next_block(99 * BLOCK)).count() as u64, HASHING);
    }

    #[test]
    fn the_root_of_a_file_of_one_block_is_that_of_its_bytes_as_a_whole() {
        assert_eq!(looked_at(1, &[]).settle(BLOCK).tree.root(), [9; 32]);
        let mut tree = DigestTree::default();
        tree.push(&value(values(1)[0]));
        let mut earlier = Earlier::new(values(1), Some(tree));
        earlier.told(&values(1)).unwrap();
        assert_eq!(earlier.settle(BLOCK).tree.root(), [9; 32]);
    }
}
