//! A file that nobody can read twice: what comes through a pipe.
//!
//! Owns: the bytes between their arrival and the moment when they are hashed and the peer has stored them, and the bound
//! on them. A link that dies takes no byte of a stream with it.
//! Must not know: where they come from, who hashes them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::proto::digest::BLOCK;
use crate::proto::disk::Block;

/// Bytes of a stream that are kept: as much as may be under way to a peer, and as much again that waits to be sent.
/// Beyond it the pipe has to wait.
pub const STREAM_ROOM: usize = 16 << 20;

#[derive(Debug)]
struct Held {
    bytes: Arc<Vec<u8>>,
    hashed: bool,
}

/// One stream, from `begin` on; earlier bytes are gone.
#[derive(Debug, Default)]
pub struct Stream {
    /// Where in the stream the first block that is still held begins.
    begin: u64,
    /// Complete blocks, and at the end of the stream the last, short one.
    blocks: VecDeque<Held>,
    /// The block that is growing.
    tail: Vec<u8>,
    /// The peer has stored everything before this.
    stored: u64,
    ended: bool,
}

impl Stream {
    /// Bytes held.
    fn held(&self) -> usize {
        self.blocks.iter().map(|held| held.bytes.len()).sum::<usize>() + self.tail.len()
    }

    /// Bytes that have come so far.
    pub fn len(&self) -> u64 {
        self.begin + self.held() as u64
    }

    /// Whether nothing has come so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no more will come.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that may be fed now.
    pub fn room(&self) -> usize {
        if self.ended { 0 } else { STREAM_ROOM.saturating_sub(self.held()) }
    }

    /// Takes bytes, as many as there is room for; gives their number.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let block = BLOCK as usize;
        let taken = bytes.len().min(self.room());
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            if self.tail.capacity() < block {
                self.tail.reserve_exact(block);
            }
            let (now, later) = rest.split_at(rest.len().min(block - self.tail.len()));
            self.tail.extend_from_slice(now);
            rest = later;
            if self.tail.len() == block {
                self.seal();
            }
        }
        taken
    }

    /// No more will come.
    pub fn end(&mut self) {
        self.ended = true;
        if !self.tail.is_empty() {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let bytes = Arc::new(std::mem::take(&mut self.tail));
        self.blocks.push_back(Held { bytes, hashed: false });
    }

    /// Reads from `offset`; gives the bytes read, 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when these bytes have not come yet, `InvalidInput` when they are no longer held.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let Some(mut skip) = offset.checked_sub(self.begin) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "these bytes of the stream are gone"));
        };
        let mut done = 0;
        for part in self.blocks.iter().map(|held| held.bytes.as_slice()).chain([self.tail.as_slice()]) {
            let Some(from) = usize::try_from(skip).ok().and_then(|skip| part.get(skip..)) else {
                skip -= part.len() as u64;
                continue;
            };
            let n = from.len().min(into.len() - done);
            into[done..done + n].copy_from_slice(&from[..n]);
            done += n;
            skip = 0;
        }
        if done == 0 && !into.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(done)
    }

    /// A complete block, to be hashed.
    pub fn block(&self, block: Block) -> Option<Arc<Vec<u8>>> {
        let held = self.blocks.get(self.place(block)?)?;
        (held.bytes.len() == block.len as usize).then(|| Arc::clone(&held.bytes))
    }

    /// A block was hashed.
    pub fn hashed(&mut self, block: Block) {
        if let Some(held) = self.place(block).and_then(|place| self.blocks.get_mut(place)) {
            held.hashed = true;
        }
        self.release();
    }

    /// The peer has stored everything before `to`.
    pub fn forget(&mut self, to: u64) {
        self.stored = self.stored.max(to);
        self.release();
    }

    fn place(&self, block: Block) -> Option<usize> {
        usize::try_from(block.index.checked_sub(self.begin.div_ceil(BLOCK))?).ok()
    }

    /// Lets go of what nobody needs.
    fn release(&mut self) {
        while let Some(held) = self.blocks.front()
            && held.hashed
            && self.stored >= self.begin + held.bytes.len() as u64
        {
            self.begin += held.bytes.len() as u64;
            self.blocks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = BLOCK as usize;

    fn block(index: u64, len: usize) -> Block {
        Block { index, len: len as u32 }
    }

    #[test]
    fn no_more_than_the_room_is_ever_held() {
        let mut stream = Stream::default();
        let data = vec![7; 3 * MIB];
        let taken: usize = (0..10).map(|_| stream.feed(&data)).sum();
        assert_eq!((taken, stream.room()), (STREAM_ROOM, 0));
        assert_eq!(stream.held(), STREAM_ROOM);
    }

    #[test]
    fn a_block_is_let_go_once_it_is_both_stored_and_hashed() {
        let mut stream = Stream::default();
        stream.feed(&vec![1; STREAM_ROOM]);
        let mut buffer = vec![0; MIB];
        stream.forget(MIB as u64);
        assert_eq!(stream.room(), 0, "not hashed yet");
        stream.hashed(block(0, MIB));
        assert_eq!(stream.room(), MIB);
        stream.hashed(block(1, MIB));
        assert_eq!(stream.read(MIB as u64, &mut buffer).unwrap(), MIB);
        assert_eq!(stream.room(), MIB, "not stored yet: a link that dies may ask for it again");
        assert_eq!(stream.read(MIB as u64, &mut buffer).unwrap(), MIB);
        stream.forget(2 * MIB as u64);
        assert_eq!(stream.room(), 2 * MIB);
        assert_eq!(stream.read(0, &mut buffer).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(stream.len(), STREAM_ROOM as u64);
    }

    #[test]
    fn a_long_stream_comes_out_as_it_went_in() {
        let data: Vec<u8> = (0..20 * MIB + 12_345).map(|i| (i % 251) as u8).collect();
        let (mut stream, mut fed, mut out, mut hashed) = (Stream::default(), 0, Vec::new(), 0);
        let mut buffer = vec![0; 300_007];
        while hashed < data.len() {
            fed += stream.feed(&data[fed..data.len().min(fed + 777_777)]);
            if fed == data.len() {
                stream.end();
            }
            match stream.read(out.len() as u64, &mut buffer) {
                Ok(n) => out.extend_from_slice(&buffer[..n]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let len = (data.len() - hashed).min(MIB);
            if len > 0 && out.len() >= hashed + len {
                let block = block((hashed / MIB) as u64, len);
                assert_eq!(*stream.block(block).unwrap(), data[hashed..hashed + len]);
                stream.hashed(block);
                hashed += len;
                stream.forget(hashed as u64);
            }
        }
        assert_eq!(out, data);
        assert_eq!(stream.read(data.len() as u64, &mut buffer).unwrap(), 0);
        assert_eq!((stream.held(), stream.len()), (0, data.len() as u64));
    }

    #[test]
    fn an_empty_stream_ends_where_it_begins() {
        let mut stream = Stream::default();
        assert_eq!(stream.read(0, &mut [0; 4]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        stream.end();
        assert_eq!(stream.read(0, &mut [0; 4]).unwrap(), 0);
        assert!(stream.is_empty() && stream.has_ended());
        assert_eq!((stream.feed(b"late"), stream.block(block(0, 4))), (0, None));
    }
}
