//! What was read before the sending, to be hashed, and is sent from there.
//!
//! Owns: the buffers that blocks of sources are read into, which of them holds what, and the bounds on their memory.
//! Must not know: files, helpers, sessions, why a block is wanted.
//!
//! A source whose bytes pass through the program, because they are encrypted or because the system does not send them by
//! itself, would be read twice: by the helper that hashes a block, and by the loop that sends it. Instead the loop lends
//! the helper a buffer, which comes back with the block in it. Where the loop [hashes itself](super::passing), it lends the
//! buffer to itself.
//!
//! ```text
//!  free --lend--> lent --give_back--> held --passed, forget--> free
//! ```
//!
//! What is sent then are the very bytes that were hashed. What is not here, because a bound was met, or because a link
//! was lost and its last bytes are sent again, is read from the file as if this were not there.

use super::pool::Ticket;
use crate::proto::digest::BLOCK;
use crate::proto::disk::Block;
use crate::proto::outgoing::READ_AHEAD;
use crate::sys::Buffer;

/// Buffers of one source, lent and held: the blocks that are hashed ahead of it, and the one that is being sent.
const MAX_OF_ONE: usize = (READ_AHEAD / BLOCK) as usize + 1;
/// Buffers of all sources together, free ones included: 16 MiB. Three large files at once are sent from here; what goes
/// beyond is read twice.
const MAX_BUFFERS: usize = 16;

/// A block that was read and not yet sent.
#[derive(Debug)]
struct Held {
    of: Ticket,
    block: Block,
    /// The block; a buffer that was used before may be longer.
    buffer: Buffer,
}

impl Held {
    fn begin(&self) -> u64 {
        self.block.index * BLOCK
    }

    fn end(&self) -> u64 {
        self.begin() + u64::from(self.block.len)
    }
}

/// The blocks that were read ahead, of all sources. There are so few that looking at each of them costs nothing.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// Whose buffers helpers have, and for which block. Who asks a helper gets one answer, so that none stays here.
    lent: Vec<(Ticket, u64)>,
    held: Vec<Held>,
    /// Buffers of whole blocks, to be used again: fresh ones would cost a page fault for every 4 KiB.
    free: Vec<Buffer>,
}

impl ReadAhead {
    /// A buffer of at least the block's length, to read it into; [`give_back`](Self::give_back) ends the loan. `None`: as
    /// many are in use as may be, or somebody reads this block already.
    pub fn lend(&mut self, of: Ticket, block: Block) -> Option<Buffer> {
        if self.lent.contains(&(of, block.index)) {
            return None;
        }
        // What is hashed again is sent as it was hashed last.
        self.let_go(|held| held.of == of && held.block.index == block.index);
        let held = self.held.iter().filter(|held| held.of == of).count();
        let lent = self.lent.iter().filter(|(whose, _)| *whose == of).count();
        if held + lent >= MAX_OF_ONE || self.held.len() + self.lent.len() >= MAX_BUFFERS {
            return None;
        }
        self.lent.push((of, block.index));
        // One that is longer serves a short block too. A fresh one is no longer than that: most small files never need
        // a second.
        Some(self.free.pop().unwrap_or_else(|| Buffer::zeroed(block.len as usize)))
    }

    /// The answer about a block has come, with the buffer that now holds it, or without: it could not be read, or none
    /// was lent for it.
    pub fn give_back(&mut self, of: Ticket, block: Block, buffer: Option<Buffer>) {
        if let Some(at) = self.lent.iter().position(|lent| *lent == (of, block.index)) {
            self.lent.swap_remove(at);
        }
        self.held.extend(buffer.map(|buffer| Held { of, block, buffer }));
        self.free_when_idle(1);
    }

    /// The bytes of a source from `offset` on, to the end of their block; `None`: they are not here.
    pub fn bytes(&self, of: Ticket, offset: u64) -> Option<&[u8]> {
        let has = |held: &&Held| held.of == of && (held.begin()..held.end()).contains(&offset);
        let held = self.held.iter().find(has)?;
        held.buffer.get((offset - held.begin()) as usize..held.block.len as usize)
    }

    /// The source is sent up to `offset`: what lies before that is needed no longer.
    pub fn passed(&mut self, of: Ticket, offset: u64) {
        self.let_go(|held| held.of == of && held.end() <= offset);
        self.free_when_idle(1);
    }

    /// Copies bytes of a source from `offset` on, and lets go of what lies before their end; their number. `None`: they
    /// are not here.
    pub fn read(&mut self, of: Ticket, offset: u64, into: &mut [u8]) -> Option<usize> {
        let bytes = self.bytes(of, offset);
        let n = bytes.map(|bytes| {
            let n = bytes.len().min(into.len());
            into[..n].copy_from_slice(&bytes[..n]);
            n
        });
        self.passed(of, offset + n.unwrap_or(0) as u64);
        n
    }

    /// The source is over. What helpers still have of it comes back, and is to be forgotten again.
    pub fn forget(&mut self, of: Ticket) {
        self.let_go(|held| held.of == of);
        self.free_when_idle(0);
    }

    /// Makes buffers free: those of whole blocks, as many as one source can use.
    fn let_go(&mut self, of: impl Fn(&Held) -> bool) {
        for held in self.held.extract_if(.., |held| of(held)) {
            if held.buffer.len() as u64 == BLOCK && self.free.len() < MAX_OF_ONE {
                self.free.push(held.buffer);
            }
        }
    }

    /// Gives the memory back when nothing is read ahead, but for `kept` buffers: a program that sends nothing stays small,
    /// and who reads block by block reads each into the same buffer.
    fn free_when_idle(&mut self, kept: usize) {
        if self.held.is_empty() && self.lent.is_empty() {
            self.free.truncate(kept);
        }
    }

    /// Buffers that there are.
    #[cfg(test)]
    pub(super) fn buffers(&self) -> usize {
        self.lent.len() + self.held.len() + self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::digest::next_block;

    const OURS: Ticket = Ticket(1);
    const OTHER: Ticket = Ticket(2);
    const SIZE: u64 = 3 * BLOCK + 77;

    fn file() -> Vec<u8> {
        (0..SIZE).map(|at| (at % 251) as u8).collect()
    }

    fn block(index: u64) -> Block {
        next_block(index, SIZE, Some(SIZE)).unwrap()
    }

    fn whole(index: u64) -> Block {
        Block { index, len: BLOCK as u32 }
    }

    /// With these blocks of the file in it.
    fn with(blocks: impl IntoIterator<Item = u64>) -> ReadAhead {
        let mut ahead = ReadAhead::default();
        blocks.into_iter().for_each(|index| bring(&mut ahead, OURS, block(index)));
        ahead
    }

    /// Does what the helper does.
    fn bring(ahead: &mut ReadAhead, of: Ticket, block: Block) {
        let mut buffer = ahead.lend(of, block).unwrap();
        let (begin, len) = ((block.index * BLOCK) as usize, block.len as usize);
        buffer[..len].copy_from_slice(&file()[begin..begin + len]);
        ahead.give_back(of, block, Some(buffer));
    }

    /// The blocks that are held.
    fn held(ahead: &ReadAhead) -> Vec<u64> {
        let mut held: Vec<_> = ahead.held.iter().map(|held| held.block.index).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn a_file_is_read_in_pieces_of_any_size_and_each_block_is_let_go_of_at_its_end() {
        for piece in [1000, 128 * 1024, BLOCK as usize, SIZE as usize] {
            let (mut ahead, file, mut read) = (with(0..4), file(), Vec::new());
            let mut buffer = vec![0; piece];
            while (read.len() as u64) < SIZE {
                let offset = read.len() as u64;
                let n = ahead.read(OURS, offset, &mut buffer).unwrap();
                assert!(n == piece || (offset + n as u64).is_multiple_of(BLOCK) || offset + n as u64 == SIZE);
                read.extend_from_slice(&buffer[..n]);
                let left = read.len() as u64 / BLOCK..4;
                assert_eq!(held(&ahead), left.filter(|_| (read.len() as u64) < SIZE).collect::<Vec<_>>());
            }
            assert!(read == file, "{piece}");
            assert_eq!(ahead.buffers(), 1, "the next block goes into one of them");
            ahead.forget(OURS);
            assert_eq!(ahead.buffers(), 0, "nothing is kept once nothing is sent");
        }
    }

    #[test]
    fn what_is_not_here_is_not_read() {
        let mut ahead = with([1, 3]);
        for offset in [0, BLOCK - 1, 2 * BLOCK, 3 * BLOCK - 1, SIZE, u64::MAX / 2] {
            assert_eq!(ahead.bytes(OURS, offset), None, "{offset}");
        }
        assert_eq!(ahead.bytes(OTHER, BLOCK), None);
        assert_eq!(ahead.read(OURS, 5, &mut [0]), None);
        assert_eq!(held(&ahead), [1, 3]);
    }

    #[test]
    fn sending_that_goes_back_finds_what_is_still_ahead_and_nothing_before() {
        let mut ahead = with(0..4);
        let mut buffer = vec![0; BLOCK as usize];
        ahead.read(OURS, 0, &mut buffer).unwrap();
        ahead.read(OURS, BLOCK, &mut buffer[..100]).unwrap();
        assert_eq!(ahead.read(OURS, 7, &mut buffer), None);
        assert_eq!(ahead.read(OURS, BLOCK + 50, &mut buffer), Some(BLOCK as usize - 50));
        assert_eq!(held(&ahead), [2, 3]);
        assert_eq!(buffer[0], file()[BLOCK as usize + 50]);
    }

    #[test]
    fn sending_that_skips_blocks_lets_go_of_them_wherever_it_reads_from() {
        let mut ahead = with([0, 1, 3]);
        assert_eq!(ahead.read(OURS, 2 * BLOCK, &mut [0]), None);
        assert_eq!(held(&ahead), [3]);
    }

    #[test]
    fn one_source_has_a_bound_and_others_have_room_beside_it() {
        let mut ahead = ReadAhead::default();
        (0..3).for_each(|index| bring(&mut ahead, OURS, block(index)));
        let lent = (3..100).take_while(|index| ahead.lend(OURS, whole(*index)).is_some()).count();
        assert_eq!(3 + lent, MAX_OF_ONE);
        assert!(ahead.lend(OTHER, whole(0)).is_some());
    }

    #[test]
    fn all_sources_together_have_a_bound() {
        let mut ahead = ReadAhead::default();
        let lent = (0..10 * MAX_BUFFERS as u64).filter(|n| ahead.lend(Ticket(n / 3), whole(n % 3)).is_some()).count();
        assert_eq!((lent, ahead.buffers()), (MAX_BUFFERS, MAX_BUFFERS));
        ahead.give_back(Ticket(0), whole(1), None);
        assert!(ahead.lend(OTHER, whole(99)).is_some(), "what could not be read leaves its place");
        assert!(ahead.lend(OTHER, whole(100)).is_none());
    }

    #[test]
    fn what_was_let_go_of_is_lent_again_and_no_more_of_it_is_kept_than_one_source_needs() {
        let mut ahead = with([0, 1]);
        let buffer = ahead.bytes(OURS, 0).unwrap().as_ptr();
        ahead.passed(OURS, BLOCK);
        let again = ahead.lend(OURS, block(3)).unwrap();
        assert_eq!(again.as_ptr(), buffer, "a short block too");

        let mut ahead = ReadAhead::default();
        for n in 0..MAX_BUFFERS as u64 {
            let block = whole(n % 4);
            let buffer = ahead.lend(Ticket(n / 4), block);
            ahead.give_back(Ticket(n / 4), block, buffer);
        }
        (0..3).for_each(|n| ahead.forget(Ticket(n)));
        assert_eq!((ahead.free.len(), ahead.held.len()), (MAX_OF_ONE, 4));
    }

    #[test]
    fn a_block_that_is_asked_for_twice_is_lent_once_and_held_as_it_was_read_last() {
        let mut ahead = ReadAhead::default();
        let mut buffer = ahead.lend(OURS, whole(0)).unwrap();
        assert_eq!(ahead.lend(OURS, whole(0)), None);
        ahead.give_back(OURS, whole(0), None); // the second one's answer overtook
        buffer[0] = 1;
        ahead.give_back(OURS, whole(0), Some(buffer));
        assert_eq!((held(&ahead), ahead.bytes(OURS, 0).unwrap()[0]), (vec![0], 1));

        let mut again = ahead.lend(OURS, whole(0)).unwrap();
        assert_eq!(ahead.bytes(OURS, 0), None, "it is being read again");
        again[0] = 2;
        ahead.give_back(OURS, whole(0), Some(again));
        assert_eq!((held(&ahead), ahead.bytes(OURS, 0).unwrap()[0]), (vec![0], 2));
    }

    #[test]
    fn a_source_that_is_over_is_forgotten_with_what_comes_back_later() {
        let mut ahead = with([0, 1]);
        let late = ahead.lend(OURS, block(2));
        bring(&mut ahead, OTHER, whole(0));
        ahead.forget(OURS);
        assert_eq!(ahead.bytes(OURS, 0), None);
        assert!(ahead.bytes(OTHER, 0).is_some());
        ahead.give_back(OURS, block(2), late);
        ahead.forget(OURS);
        assert_eq!(ahead.bytes(OURS, 2 * BLOCK), None);
        ahead.forget(OTHER);
        assert_eq!(ahead.buffers(), 0);
    }

    #[test]
    fn a_small_file_gets_a_small_buffer() {
        let mut ahead = ReadAhead::default();
        assert_eq!(ahead.lend(OURS, Block { index: 0, len: 5 }).unwrap().len(), 5);
    }
}
