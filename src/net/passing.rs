//! Hashing a file that arrives on its way to the disk, and who hashes.
//!
//! Owns: the hash of the block that is passing, and those of the blocks that have passed. Must not know: files, helpers,
//! where the bytes come from.
//!
//! A helper that reads a block back and hashes it needs a core of its own. Where there is none it takes turns with the
//! loop, and so does every key and every text behind it. On two cores with both sides on them, hashing here instead moved
//! files about as fast (seven rounds in turn: plain 1.42 GB/s instead of 1.43, encrypted 1.03 instead of 1.08), cost the
//! receiver 0.14 s of processor time less per GB, and halved the time after which 99 of 100 keys are seen (10.6 to 5.9 ms
//! while a file arrives, 13.7 to 5.3 while one is sent). Where helpers have cores of their own the loop is what limits, and
//! has a fifth less to do without hashing.
//!
//! For the same reason the loop hashes there what it encrypts, where no disk has to be waited for: a block is read and
//! hashed just before it is sent, and encrypted out of the core's cache. A helper that did it ahead kept the receiver off
//! its core: so encrypted files are 7% faster (17 rounds in turn), and the sender takes 0.06 s of processor time less per
//! GB. What the system sends by itself is left to the helpers, where that makes no difference, and all of it is while
//! somebody talks: a text would wait for a whole block.

use std::collections::VecDeque;
use std::thread;

use blake3::Hasher;

use super::work::{hasher, value};
use crate::proto::digest::BLOCK;
use crate::proto::disk::{Block, BlockValue};
use crate::proto::outgoing::WINDOW_VERIFIED;

/// Blocks that have passed and that nobody has asked for yet, at most: as many as a sender sends ahead of their being
/// verified. Of earlier ones the helpers know how to find out.
const MAX_PASSED: usize = (WINDOW_VERIFIED / BLOCK) as usize;
/// Processors from which on helpers hash: one for the loop, one for them, and one for whatever else wants to run.
const ENOUGH: usize = 3;

/// Who hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// Helpers, who read it for that, or read it back.
    ByHelpers,
    /// The loop, before it writes, or encrypts.
    InPassing,
}

impl Hashing {
    /// What is better with the processors that this process may use.
    pub fn for_this_machine() -> Self {
        match thread::available_parallelism() {
            Ok(count) if count.get() < ENOUGH => Self::InPassing,
            _ => Self::ByHelpers,
        }
    }
}

/// The hashes of one file that arrives in order. What was passed over is not known here.
#[derive(Debug, Default)]
pub struct Passing {
    /// Behind the last byte that has passed.
    at: u64,
    /// Of the block that `at` is in, if all of it before `at` has passed.
    hasher: Option<Box<Hasher>>,
    /// Whole blocks that have passed, by number, ascending but for where the file went back.
    passed: VecDeque<(u64, BlockValue)>,
}

impl Passing {
    /// `bytes` pass, those of the file from `offset` on.
    pub fn pass(&mut self, offset: u64, mut bytes: &[u8]) {
        if offset != self.at {
            self.hasher = None;
            self.at = offset;
        }
        while !bytes.is_empty() {
            let (index, inside) = (self.at / BLOCK, self.at % BLOCK);
            if inside == 0 {
                self.hasher = Some(Box::new(hasher(index)));
            }
            let left = usize::try_from(BLOCK - inside).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(bytes.len().min(left));
            if let Some(hasher) = &mut self.hasher {
                hasher.update(now);
            }
            self.at += now.len() as u64;
            bytes = rest;
            if now.len() == left
                && let Some(hasher) = self.hasher.take()
            {
                self.passed.push_back((index, value(&hasher, index)));
            }
        }
        let forgotten = self.passed.len().saturating_sub(MAX_PASSED);
        self.passed.drain(..forgotten);
    }

    /// The values of a block all of which has passed lately; whoever asks for blocks in their order gets each once.
    pub fn take(&mut self, block: Block) -> Option<BlockValue> {
        if u64::from(block.len) == BLOCK {
            let at = self.passed.iter().rposition(|(index, _)| *index == block.index)?;
            return self.passed.drain(..=at).next_back().map(|(_, value)| value);
        }
        let end = block.index * BLOCK + u64::from(block.len);
        let hasher = self.hasher.as_ref().filter(|_| block.len > 0 && self.at == end)?;
        Some(value(hasher, block.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::digest::next_block;

    const SIZE: u64 = 4 * BLOCK + 77;

    fn file() -> Vec<u8> {
        (0..SIZE).map(|at| (at % 251) as u8).collect()
    }

    fn block(index: u64) -> Block {
        next_block(index, SIZE, Some(SIZE)).unwrap()
    }

    fn hashed(index: u64) -> BlockValue {
        let (file, block) = (file(), block(index));
        let at = (index * BLOCK) as usize;
        value(hasher(index).update(&file[at..at + block.len as usize]), index)
    }

    fn pass(passing: &mut Passing, range: std::ops::Range<u64>, piece: usize) {
        let mut at = range.start;
        for bytes in file()[range.start as usize..range.end as usize].chunks(piece) {
            passing.pass(at, bytes);
            at += bytes.len() as u64;
        }
    }

    /// Which blocks are known, all of them checked.
    fn known(passing: &mut Passing) -> Vec<u64> {
        let all = (0..5).filter_map(|index| Some((index, passing.take(block(index))?)));
        all.inspect(|(index, value)| assert_eq!(*value, hashed(*index))).map(|(index, _)| index).collect()
    }

    #[test]
    fn blocks_are_known_once_they_have_passed_in_pieces_of_any_size() {
        for piece in [1000, 128 * 1024, BLOCK as usize, SIZE as usize] {
            let mut passing = Passing::default();
            pass(&mut passing, 0..SIZE, piece);
            assert_eq!(known(&mut passing), [0, 1, 2, 3, 4], "{piece}");
        }
    }

    #[test]
    fn a_block_that_has_not_passed_whole_is_not_known() {
        let mut passing = Passing::default();
        pass(&mut passing, 0..SIZE - 1, 300_000);
        assert_eq!(known(&mut passing), [0, 1, 2, 3]);
        assert_eq!(passing.take(Block { index: 4, len: 0 }), None);
    }

    #[test]
    fn a_jump_loses_the_block_that_it_leaves_and_the_one_that_it_lands_in() {
        for (from, to, expected) in [
            (BLOCK + 5, 2 * BLOCK, vec![0, 2, 3, 4]),
            (BLOCK, 2 * BLOCK + 1, vec![0, 3, 4]),
            (BLOCK + 5, BLOCK, vec![0, 1, 2, 3, 4]),
            (2 * BLOCK, 0, vec![0, 1, 2, 3, 4]),
        ] {
            let mut passing = Passing::default();
            pass(&mut passing, 0..from, 300_000);
            pass(&mut passing, to..SIZE, 300_000);
            assert_eq!(known(&mut passing), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let (mut passing, bytes) = (Passing::default(), vec![7; BLOCK as usize]);
        (0..2 * MAX_PASSED as u64).for_each(|index| passing.pass(index * BLOCK, &bytes));
        assert_eq!(passing.passed.len(), MAX_PASSED);
        let whole = |index| Block { index, len: BLOCK as u32 };
        assert_eq!(passing.take(whole(MAX_PASSED as u64 - 1)), None);
        assert!(passing.take(whole(MAX_PASSED as u64)).is_some());
    }
}
