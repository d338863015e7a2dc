//! What is known of a file that is not whole yet, in a form that outlives the process.
//!
//! Owns: the layout of a journal, its bounds, and what of it can be believed. Must not know: where it is kept, how it is
//! written; bytes in, bytes out.
//!
//! ```text
//!  0        8          24   25       57      65       73        75
//!  +--------+----------+----+--------+-------+--------+---------+--------+------+---------+
//!  | "tete  | id 16    | 1: | the    | size  | since  | length  | name   | 0 .. | check   |   512 bytes, numbers
//!  |  jrn1" |          | key| key 32 | u64   | u64    | u16     |        |      | 32      |   big-endian
//!  +--------+----------+----+--------+-------+--------+---------+--------+------+---------+
//!  and from there on, 40 bytes each:  | value of the block 32 | check 8 |
//! ```
//!
//! Every block has its place, so that it does not matter in which order, or how often, they are written. The check of a
//! block is over the journal's random id, the block's number and its value: what belongs to another journal, to another
//! place or to a write that was torn ends what is believed, and the blocks before it stay.

use super::digest::{BLOCK, block_count};

/// Bytes before the first block.
pub const HEADER: usize = 512;
/// Bytes a block.
pub const ENTRY: usize = 40;
/// Most blocks that are written down: 1 TiB of a file, 40 MiB of journal. A larger file goes on from there.
pub const MAX_BLOCKS: u64 = 1 << 20;
/// Longest name: what one entry of a folder can be.
const MAX_NAME: usize = 255;
/// The format. Another one begins otherwise.
const MAGIC: &[u8; 8] = b"tetejrn1";
const NAME_AT: usize = 75;
const CHECK_AT: usize = HEADER - 32;
const _: () = assert!(NAME_AT + MAX_NAME <= CHECK_AT);

/// Whose file it is, which one, and since when it is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Random: tells its blocks from those of any other journal.
    pub id: [u8; 16],
    /// The key of who sends it; `None`: nobody proved to be anybody, the link was plain.
    pub peer: Option<[u8; 32]>,
    /// Bytes of the whole.
    pub size: u64,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// Its name as offered, checked.
    pub name: String,
}

impl Journal {
    /// The header; `None` when the name is longer than a name can be.
    pub fn encode(&self) -> Option<[u8; HEADER]> {
        let name = self.name.as_bytes();
        let length = u16::try_from(name.len()).ok().filter(|_| name.len() <= MAX_NAME)?;
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(MAGIC);
        out[8..24].copy_from_slice(&self.id);
        out[24] = u8::from(self.peer.is_some());
        out[25..57].copy_from_slice(&self.peer.unwrap_or_default());
        out[57..65].copy_from_slice(&self.size.to_be_bytes());
        out[65..73].copy_from_slice(&self.since.to_be_bytes());
        out[73..75].copy_from_slice(&length.to_be_bytes());
        out[NAME_AT..NAME_AT + name.len()].copy_from_slice(name);
        let check = blake3::hash(&out[..CHECK_AT]);
        out[CHECK_AT..].copy_from_slice(check.as_bytes());
        Some(out)
    }

    /// Reads a header; `None` when it is none of ours, or not as it was written.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        if &bytes[..8] != MAGIC || blake3::hash(&bytes[..CHECK_AT]).as_bytes() != &bytes[CHECK_AT..] {
            return None;
        }
        let number = |at: usize| bytes[at..].first_chunk().map(|number| u64::from_be_bytes(*number));
        let length = usize::from(u16::from_be_bytes(*bytes[73..].first_chunk()?));
        let name = bytes.get(NAME_AT..NAME_AT.checked_add(length)?).filter(|name| name.len() <= MAX_NAME)?;
        Some(Self {
            id: *bytes[8..].first_chunk()?,
            peer: match bytes[24] {
                0 => None,
                1 => Some(*bytes[25..].first_chunk()?),
                _ => return None,
            },
            size: number(57)?,
            since: number(65)?,
            name: String::from_utf8(name.to_vec()).ok()?,
        })
    }

    /// Most bytes that a journal of this file can have.
    pub fn longest(&self) -> u64 {
        HEADER as u64 + block_count(self.size).min(MAX_BLOCKS) * ENTRY as u64
    }

    /// Where the values of these blocks are written, and what; from the block `first` on.
    pub fn entries(&self, first: u64, values: &[[u8; 32]]) -> (u64, Vec<u8>) {
        let mut out = Vec::with_capacity(values.len() * ENTRY);
        for (index, value) in (first..).zip(values) {
            out.extend_from_slice(value);
            out.extend_from_slice(&self.check(index, value));
        }
        (HEADER as u64 + first * ENTRY as u64, out)
    }

    /// The values that can be believed, of what stands behind the header.
    pub fn values(&self, entries: &[u8]) -> Vec<[u8; 32]> {
        let most = usize::try_from(block_count(self.size).min(MAX_BLOCKS)).unwrap_or(usize::MAX);
        let (whole, _) = entries.as_chunks::<ENTRY>();
        let split = whole.iter().take(most).map_while(|entry| {
            let (value, check) = entry.split_first_chunk::<32>()?;
            Some((*value, check))
        });
        let believed = (0..).zip(split).take_while(|(index, (value, check))| self.check(*index, value) == *check);
        believed.map(|(_, (value, _))| value).collect()
    }

    /// Where the file goes on when that many of its blocks are there.
    pub fn reach(&self, blocks: u64) -> u64 {
        blocks.saturating_mul(BLOCK).min(self.size)
    }

    fn check(&self, index: u64, value: &[u8; 32]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id).update(&index.to_be_bytes()).update(value);
        let mut check = [0; 8];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journal(name: &str, peer: Option<[u8; 32]>, size: u64) -> Journal {
        Journal { id: [7; 16], peer, size, since: 1_800_000_000, name: name.to_owned() }
    }

    fn values(n: u8) -> Vec<[u8; 32]> {
        (0..n).map(|i| [i; 32]).collect()
    }

    /// All bytes of a journal with `n` blocks.
    fn written(journal: &Journal, n: u8) -> Vec<u8> {
        let mut bytes = journal.encode().unwrap().to_vec();
        bytes.extend(journal.entries(0, &values(n)).1);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<(Journal, Vec<[u8; 32]>)> {
        let journal = Journal::decode(bytes)?;
        let values = journal.values(&bytes[HEADER..]);
        Some((journal, values))
    }

    #[test]
    fn blocks_may_be_written_in_any_order_and_twice() {
        let journal = journal("a", None, 9 * BLOCK);
        let mut bytes = vec![0; HEADER + 3 * ENTRY];
        for (first, some) in [(2, &values(3)[2..]), (0, &values(3)[..2]), (1, &values(3)[1..])] {
            let (at, out) = journal.entries(first, some);
            bytes[at as usize..at as usize + out.len()].copy_from_slice(&out);
        }
        assert_eq!(journal.values(&bytes[HEADER..]), values(3));
    }

    #[test]
    fn blocks_behind_a_hole_or_of_another_journal_are_not_believed() {
        let ours = journal("a", None, 9 * BLOCK);
        let mut bytes = written(&ours, 5);
        bytes[HEADER + 2 * ENTRY..HEADER + 3 * ENTRY].fill(0);
        assert_eq!(read(&bytes).unwrap().1, values(2));
        let other = Journal { id: [8; 16], ..ours };
        let mut mixed = other.encode().unwrap().to_vec();
        mixed.extend(&written(&journal("a", None, 9 * BLOCK), 5)[HEADER..]);
        assert_eq!(read(&mixed).unwrap(), (other, Vec::new()));
    }

    #[test]
    fn no_more_blocks_are_believed_than_the_file_has() {
        let journal = journal("a", None, 2 * BLOCK + 1);
        assert_eq!(read(&written(&journal, 9)).unwrap().1, values(3));
        assert_eq!(journal.reach(3), 2 * BLOCK + 1);
        assert_eq!(journal.longest(), (HEADER + 3 * ENTRY) as u64);
    }

    #[test]
    fn a_name_too_long_for_a_folder_has_no_journal() {
        assert!(journal(&"x".repeat(255), None, 1).encode().is_some());
        assert!(journal(&"x".repeat(256), None, 1).encode().is_none());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            id: [u8; 16], peer: Option<[u8; 32]>, blocks in 0_u8..40, since: u64, name in "\\PC{0,60}"
        ) {
            let journal = Journal { id, peer, size: 50 * BLOCK, since, name };
            prop_assert_eq!(read(&written(&journal, blocks)), Some((journal, values(blocks))));
        }

        #[test]
        fn a_torn_tail_costs_what_was_torn(cut in 0_usize..HEADER + 6 * ENTRY) {
            let journal = journal("a", Some([3; 32]), 9 * BLOCK);
            let bytes = written(&journal, 6);
            let whole = cut.checked_sub(HEADER).map(|tail| values((tail / ENTRY) as u8));
            prop_assert_eq!(read(&bytes[..cut]), whole.map(|values| (journal, values)));
        }

        #[test]
        fn a_flipped_bit_is_never_believed(bit in 0_usize..8 * (HEADER + 6 * ENTRY)) {
            let journal = journal("a", Some([3; 32]), 9 * BLOCK);
            let mut bytes = written(&journal, 6);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let whole = (bit / 8).checked_sub(HEADER).map(|at| values((at / ENTRY) as u8));
            prop_assert_eq!(read(&bytes), whole.map(|values| (journal, values)));
        }

        #[test]
        fn nonsense_is_no_journal(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(read(&bytes), None);
        }
    }
}
