//! BLAKE3 of a file, put together from the values of its blocks.
//!
//! Owns: the size of a block and the tree that combines block values into the root that `b3sum FILE` prints.
//! Must not know: where the bytes are. Reading and hashing a block is a [`DiskJob`](super::disk::DiskJob).
//!
//! BLAKE3 is a binary tree over 1 KiB chunks in which every left subtree is full (BLAKE3 specification, section 2.1).
//! A block is 1,024 chunks, so every block but the last is a full subtree, and the tree above the blocks has the same
//! rule. The stack below is that of the specification's section 5.1.2, one level per set bit of the count of blocks:
//! 32 bytes × 44 levels hold any file, whatever its size.

use blake3::hazmat::{Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::disk::{Block, BlockValue};

/// Bytes in a block. A power of two of BLAKE3 chunks, big enough that its 32 bytes of digest weigh nothing, small
/// enough that fetching one again costs nothing.
pub const BLOCK: u64 = 1 << 20;

/// BLAKE3 of a file of no bytes.
fn empty_root() -> [u8; 32] {
    *blake3::hash(b"").as_bytes()
}

/// The tree above the blocks of one file, fed in order.
#[derive(Clone, Debug, Default)]
pub struct DigestTree {
    stack: Vec<[u8; 32]>,
    blocks: u64,
    first: Option<[u8; 32]>,
}

impl DigestTree {
    /// How many blocks are in it.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Adds the next block's value.
    pub fn push(&mut self, value: &BlockValue) {
        if self.blocks == 0 {
            self.first = Some(value.whole);
        }
        // Merge lazily: the newest subtree stays apart, for it may turn out to be the right half of the root.
        let full_subtrees = self.blocks.count_ones() as usize;
        while self.stack.len() > full_subtrees {
            let (Some(right), Some(left)) = (self.stack.pop(), self.stack.pop()) else { break };
            self.stack.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
        self.stack.push(value.chaining);
        self.blocks += 1;
    }

    /// The root, once all blocks are in.
    pub fn root(&self) -> [u8; 32] {
        let Some((last, rest)) = self.stack.split_last() else { return empty_root() };
        let Some((bottom, between)) = rest.split_first() else {
            // A file of one block is hashed whole: its chaining value is not its root.
            return self.first.unwrap_or_else(empty_root);
        };
        let right = between.iter().rev().fold(*last, |right, left| merge_subtrees_non_root(left, &right, Mode::Hash));
        *merge_subtrees_root(bottom, &right, Mode::Hash).as_bytes()
    }
}

/// The next block of a file to hash, when `done` blocks are done and `stored` bytes are there.
/// The last, shorter block only counts once the size of the file is known (`total`).
pub fn next_block(done: u64, stored: u64, total: Option<u64>) -> Option<Block> {
    let begin = done.checked_mul(BLOCK)?;
    let left = stored.checked_sub(begin)?;
    let len = left.min(BLOCK);
    let whole = len == BLOCK || (len > 0 && total == Some(stored));
    whole.then_some(Block { index: done, len: u32::try_from(len).unwrap_or(u32::MAX) })
}

/// How many blocks a file of `size` bytes has.
pub fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use blake3::hazmat::HasherExt;

    fn value(data: &[u8], index: u64) -> BlockValue {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(index * BLOCK).update(data);
        BlockValue { chaining: hasher.finalize_non_root(), whole: *blake3::hash(data).as_bytes() }
    }

    #[test]
    fn blocks_combine_to_the_root_of_the_whole_at_many_sizes() {
        let block = BLOCK as usize;
        let data: Vec<u8> = (0..9 * block + 7).map(|i| (i * 31 % 251) as u8).collect();
        for size in
            [0, 1, 1023, 1024, 1025, block - 1, block, block + 1, 2 * block, 3 * block + 1, 5 * block, 9 * block + 7]
        {
            let mut tree = DigestTree::default();
            for (index, part) in data[..size].chunks(block).enumerate() {
                tree.push(&value(part, index as u64));
            }
            assert_eq!(tree.root(), *blake3::hash(&data[..size]).as_bytes(), "{size} bytes");
            assert_eq!(tree.blocks(), block_count(size as u64));
        }
    }

    #[test]
    fn a_short_block_waits_until_the_size_is_known() {
        assert_eq!(next_block(0, 10, None), None);
        assert_eq!(next_block(0, 10, Some(11)), None);
        assert_eq!(next_block(0, 10, Some(10)), Some(Block { index: 0, len: 10 }));
        assert_eq!(next_block(1, BLOCK + 3, Some(BLOCK + 3)), Some(Block { index: 1, len: 3 }));
        assert_eq!(next_block(1, BLOCK, Some(BLOCK)), None);
    }

    #[test]
    fn a_full_block_does_not_wait() {
        assert_eq!(next_block(0, BLOCK + 5, None), Some(Block { index: 0, len: BLOCK as u32 }));
    }
}
