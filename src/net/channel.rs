//! The bytes of one link between its frames and its socket, in the clear.
//!
//! Owns: two reused buffers. Must not know: frames, sockets.
//!
//! Memory is taken when bytes first flow, so that a caller who says nothing costs nothing.

use std::io;

/// The buffers of one link.
#[derive(Debug, Default)]
pub struct Channel {
    out: Vec<u8>,
    out_at: usize,
    input: Vec<u8>,
    in_at: usize,
    in_end: usize,
}

impl Channel {
    /// Bytes that wait for the wire.
    pub fn outgoing(&self) -> &[u8] {
        &self.out[self.out_at..]
    }

    /// Whether the wire has taken everything.
    pub fn is_flushed(&self) -> bool {
        self.out_at == self.out.len()
    }

    /// The wire has taken `n` bytes.
    pub fn flushed(&mut self, n: usize) {
        self.out_at += n;
        if self.is_flushed() {
            self.out.clear();
            self.out_at = 0;
        }
    }

    /// Takes bytes to send.
    pub fn accept(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Lets `fill` put up to `len` bytes to send; `None` when it had none.
    pub fn make_room(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let before = self.out.len();
        self.out.resize(before + len, 0);
        let filled = fill(&mut self.out[before..]);
        self.out.truncate(before + filled.as_ref().map_or(0, |n| *n));
        match filled {
            Ok(0) => None,
            filled => Some(filled),
        }
    }

    /// Bytes that were received and not consumed.
    pub fn incoming(&self) -> &[u8] {
        &self.input[self.in_at..self.in_end]
    }

    /// `n` of them were consumed.
    pub fn consumed(&mut self, n: usize) {
        self.in_at += n;
        if self.in_at == self.in_end {
            (self.in_at, self.in_end) = (0, 0);
        }
    }

    /// Where to put what is received next: of `size` bytes what is not taken by what was received and not consumed.
    pub fn space(&mut self, size: usize) -> &mut [u8] {
        if self.input.len() < size {
            // A fresh buffer rather than a grown one: the system gives zeros without touching the memory.
            let mut fresh = vec![0; size];
            let kept = self.incoming();
            fresh[..kept.len()].copy_from_slice(kept);
            (self.in_at, self.in_end) = (0, kept.len());
            self.input = fresh;
        }
        if self.in_at > 0 {
            self.input.copy_within(self.in_at..self.in_end, 0);
            (self.in_at, self.in_end) = (0, self.in_end - self.in_at);
        }
        &mut self.input[self.in_end..size.max(self.in_end)]
    }

    /// `n` bytes were put there.
    pub fn received(&mut self, n: usize) {
        self.in_end += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_survives_a_larger_buffer() {
        let mut channel = Channel::default();
        channel.space(8)[..6].copy_from_slice(b"abcdef");
        channel.received(6);
        channel.consumed(2);
        assert_eq!(channel.space(1000).len(), 1000 - 4);
        assert_eq!(channel.incoming(), b"cdef");
    }

    #[test]
    fn a_large_buffer_gives_no_more_than_is_asked_for() {
        let mut channel = Channel::default();
        channel.space(100);
        assert_eq!(channel.space(8).len(), 8);
        channel.received(6);
        assert_eq!(channel.space(8).len(), 2);
    }

    #[test]
    fn a_small_buffer_stays_small() {
        let mut channel = Channel::default();
        assert_eq!(channel.space(8).len(), 8);
        assert_eq!(channel.space(8).len(), 8);
    }
}
