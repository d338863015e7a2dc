//! What one link is sending.
//!
//! Owns: encoded bytes that wait for the channel, and the chunk that is under way. Must not know: what comes next;
//! the session refills it when it is empty, so that the most urgent thing goes first.

use super::frame::{Frame, encode_chunk_header};
use super::trace::{Trace, emit};
use super::{LinkId, Span};

/// What to hand to the channel next.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Bytes of a file.
    File(Span),
    /// This many zeros: the file that was promised them has failed, and the frame has to end.
    Padding(u64),
}

/// The sending half of one link.
#[derive(Debug)]
pub struct Outbox {
    link: LinkId,
    bytes: Vec<u8>,
    /// How many of `bytes` were accepted.
    at: usize,
    /// The rest of the chunk whose header stands in `bytes`.
    body: Option<Span>,
    /// Bytes of the stream that were accepted.
    position: u64,
}

impl Outbox {
    /// Empty.
    pub fn new(link: LinkId) -> Self {
        Self { link, bytes: Vec::new(), at: 0, body: None, position: 0 }
    }

    /// Whether everything was accepted.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.body.is_none()
    }

    /// What is still to be sent of a chunk.
    pub fn body(&self) -> Option<Span> {
        self.body
    }

    /// Encoded bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Makes room for the next batch; only when it is empty.
    pub fn begin_batch(&mut self) {
        debug_assert!(self.is_empty(), "a batch was begun before the last one was sent");
        self.bytes.clear();
        self.at = 0;
    }

    /// Adds a frame.
    pub fn push(&mut self, frame: &Frame) {
        let offset = self.position + self.bytes.len() as u64;
        frame.encode(&mut self.bytes);
        emit(Trace::Frame { link: self.link, way: "out", name: frame.kind().name(), offset });
    }

    /// Adds a chunk; nothing can be added behind it.
    pub fn push_chunk(&mut self, span: Span) {
        let offset = self.position + self.bytes.len() as u64;
        encode_chunk_header(&mut self.bytes, span.transfer, span.offset, span.len as u32);
        self.body = Some(span);
        emit(Trace::Frame { link: self.link, way: "out", name: "CHUNK", offset });
    }

    /// The next bytes; `has_source` tells whether a file can still give its own.
    pub fn next(&self, has_source: impl FnOnce(Span) -> bool) -> Option<Transmit<'_>> {
        if self.at < self.bytes.len() {
            return Some(Transmit::Bytes(&self.bytes[self.at..]));
        }
        let span = self.body?;
        Some(if has_source(span) { Transmit::File(span) } else { Transmit::Padding(span.len) })
    }

    /// `n` bytes of what [`next`](Self::next) gave were accepted; of which file, if of one.
    ///
    /// # Panics
    /// When more is reported than was given: a bug of whoever pumps the link.
    pub fn sent(&mut self, n: u64) -> Option<Span> {
        self.position += n;
        if self.at < self.bytes.len() {
            assert!(n <= self.waiting() as u64, "{n} bytes reported as sent, {} were given", self.waiting());
            self.at += n as usize;
            return None;
        }
        let span = self.body.take().filter(|span| n <= span.len).expect("more was reported as sent than was given");
        let moved = Span { len: n, ..span };
        if n < span.len {
            self.body = Some(Span { offset: span.offset + n, len: span.len - n, ..span });
        }
        Some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TransferId;
    use super::super::frame::HEADER;
    use super::*;

    #[test]
    fn a_chunk_goes_in_pieces_and_each_is_told_where_it_lay() {
        let span = Span { transfer: TransferId(1), offset: 40, len: 10 };
        let mut outbox = Outbox::new(LinkId(1));
        outbox.push_chunk(span);
        let head = outbox.waiting();
        assert_eq!((outbox.sent(3), outbox.waiting()), (None, head - 3));
        assert_eq!((outbox.sent(head as u64 - 3), outbox.waiting()), (None, 0));
        assert_eq!(outbox.next(|_| true), Some(Transmit::File(span)));
        assert_eq!(outbox.sent(3), Some(Span { len: 3, ..span }));
        let rest = Span { offset: 43, len: 7, ..span };
        assert_eq!((outbox.body(), outbox.next(|_| false)), (Some(rest), Some(Transmit::Padding(7))));
        assert_eq!(outbox.sent(7), Some(rest));
        assert!(outbox.is_empty() && outbox.next(|_| true).is_none());
    }

    #[test]
    fn what_was_sent_is_kept_no_longer_than_until_the_next_batch() {
        let mut outbox = Outbox::new(LinkId(1));
        for _ in 0..3 {
            outbox.begin_batch();
            outbox.push(&Frame::Wait);
            assert_eq!(outbox.bytes.len(), HEADER);
            outbox.sent(HEADER as u64);
        }
    }
}
