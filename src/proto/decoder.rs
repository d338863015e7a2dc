//! Turns bytes into frames.
//!
//! Owns: partial input and the bounds on lengths. Must not know: sockets, files, time, what a frame means.
//!
//! ```text
//!            5 bytes              length bytes
//!   Header ----------> Payload ----------------> Header, a frame
//!     |  \                 (a chunk: 16 bytes) -> Body --- the file's bytes ---> Header
//!     |   `-- unknown, may be skipped --> Skip --------------------------------> Header
//!     `------ unknown, may not be skipped, or too long --> error
//! ```
//!
//! Nothing is allocated before a length has been checked, and what is gathered never exceeds the longest payload.

use super::Span;
use super::error::ProtocolError;
use super::frame::{CHUNK_HEADER, Fields, Frame, HEADER, Kind, MAX_OPTIONAL};

/// What [`Decoder::push`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// More bytes are needed.
    Nothing,
    /// A whole frame.
    Frame(Frame),
    /// A chunk begins; its bytes have to be taken with [`Decoder::take_body`].
    Chunk(Span),
}

/// What the session expects on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// Frames; at most so many bytes can come before something has to be decided.
    Bytes {
        /// See above.
        at_most: usize,
    },
    /// Bytes of a file, to be put there and reported by [`Session::stored`](super::session::Session::stored).
    File(Span),
    /// Bytes to be thrown away and reported by [`Session::stored`](super::session::Session::stored).
    Discard {
        /// How many.
        len: u64,
    },
    /// Nothing more.
    Paused,
}

#[derive(Debug)]
enum State {
    Header,
    Payload { kind: Kind, length: usize },
    ChunkHeader { body: u64 },
    Body { left: Span },
    Skip { left: u64 },
}

/// The incremental decoder of one link.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    gathered: Vec<u8>,
    /// Bytes of the stream so far: what traces name.
    position: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Header, gathered: Vec::new(), position: 0 }
    }
}

impl Decoder {
    /// Bytes taken since the link began to speak in frames.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What of a chunk is still to come; `None` between chunks.
    pub fn body(&self) -> Option<Span> {
        match self.state {
            State::Body { left } => Some(left),
            _ => None,
        }
    }

    /// How many bytes may come before something has to be decided.
    pub fn wants(&self) -> usize {
        match self.state {
            State::Header => HEADER - self.gathered.len(),
            State::Payload { length, .. } => length - self.gathered.len(),
            State::ChunkHeader { .. } => CHUNK_HEADER - self.gathered.len(),
            State::Body { .. } => 0,
            State::Skip { left } => usize::try_from(left).unwrap_or(usize::MAX),
        }
    }

    /// Whether the stream may end here without cutting a frame.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header) && self.gathered.is_empty()
    }

    /// Counts `n` bytes of the chunk as moved.
    pub fn take_body(&mut self, n: u64) {
        if let State::Body { left } = &mut self.state {
            assert!(n <= left.len, "moved {n} bytes of a chunk of which {} were left", left.len);
            *left = Span { offset: left.offset + n, len: left.len - n, ..*left };
            self.position += n;
            if left.len == 0 {
                self.state = State::Header;
            }
        }
    }

    /// Takes bytes up to the end of the next frame or the beginning of a chunk's bytes; how many, and what it found.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer broke the format. The link is then of no use any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, Decoded), ProtocolError> {
        let mut taken = 0;
        loop {
            let wanted = self.wants().min(bytes.len() - taken);
            let part = &bytes[taken..taken + wanted];
            taken += wanted;
            self.position += wanted as u64;
            match &mut self.state {
                State::Skip { left } => {
                    *left -= wanted as u64;
                    if *left > 0 {
                        return Ok((taken, Decoded::Nothing));
                    }
                    self.state = State::Header;
                }
                State::Header => {
                    self.gathered.extend_from_slice(part);
                    if self.gathered.len() < HEADER {
                        return Ok((taken, Decoded::Nothing));
                    }
                    self.state = self.after_header()?;
                    self.gathered.clear();
                }
                State::Payload { kind, length } => {
                    self.gathered.extend_from_slice(part);
                    if self.gathered.len() < *length {
                        return Ok((taken, Decoded::Nothing));
                    }
                    let frame = Frame::decode(*kind, &self.gathered)?;
                    self.state = State::Header;
                    self.gathered.clear();
                    return Ok((taken, Decoded::Frame(frame)));
                }
                State::ChunkHeader { body } => {
                    self.gathered.extend_from_slice(part);
                    if self.gathered.len() < CHUNK_HEADER {
                        return Ok((taken, Decoded::Nothing));
                    }
                    let mut fields = Fields { kind: Kind::Chunk, rest: &self.gathered };
                    let span = Span { transfer: fields.id()?, offset: fields.number()?, len: *body };
                    // Whoever takes its bytes adds them up, also those that are thrown away.
                    if span.offset.checked_add(span.len).is_none() {
                        let what = "it ends behind the last place that there is";
                        return Err(ProtocolError::Malformed { frame: Kind::Chunk.name(), what });
                    }
                    self.state = State::Body { left: span };
                    self.gathered.clear();
                    return Ok((taken, Decoded::Chunk(span)));
                }
                State::Body { .. } => return Ok((taken, Decoded::Nothing)),
            }
        }
    }

    fn after_header(&self) -> Result<State, ProtocolError> {
        let length = u32::from_be_bytes([self.gathered[0], self.gathered[1], self.gathered[2], self.gathered[3]]);
        let code = self.gathered[4];
        let Some(kind) = Kind::from_code(code) else {
            return match code {
                0..0x80 => Err(ProtocolError::UnknownFrame { kind: code }),
                _ if length > MAX_OPTIONAL => Err(ProtocolError::TooLong {
                    frame: "frame of an unknown kind",
                    claimed: u64::from(length),
                    allowed: u64::from(MAX_OPTIONAL),
                }),
                _ => Ok(State::Skip { left: u64::from(length) }),
            };
        };
        let (shortest, longest) = kind.bounds();
        let length = length as usize;
        if length > longest {
            let (claimed, allowed) = (length as u64, longest as u64);
            return Err(ProtocolError::TooLong { frame: kind.name(), claimed, allowed });
        }
        if length < shortest {
            return Err(ProtocolError::Malformed { frame: kind.name(), what: "too short" });
        }
        Ok(match kind {
            Kind::Chunk => State::ChunkHeader { body: (length - CHUNK_HEADER) as u64 },
            _ => State::Payload { kind, length },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::TransferId;
    use super::super::frame::{MAX_TEXT, encode_chunk_header};
    use super::super::text::Untrusted;
    use super::*;

    fn text(words: &str) -> Frame {
        Frame::Text { seq: 7, text: Untrusted::from(words) }
    }

    fn encoded(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_frame_is_found_whatever_the_cut() {
        let bytes = encoded(&text("hi"));
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let (taken, found) = decoder.push(&bytes[..cut]).unwrap();
            assert_eq!(taken, cut);
            if cut < bytes.len() {
                assert_eq!(found, Decoded::Nothing, "cut at {cut}");
                assert_eq!(decoder.push(&bytes[cut..]).unwrap(), (bytes.len() - cut, Decoded::Frame(text("hi"))));
            } else {
                assert_eq!(found, Decoded::Frame(text("hi")));
            }
        }
    }

    #[test]
    fn a_frame_of_no_payload_is_whole_with_its_header() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&encoded(&Frame::Wait)).unwrap(), (HEADER, Decoded::Frame(Frame::Wait)));
    }

    #[test]
    fn fault_32_the_longest_length_is_refused_with_nothing_gathered() {
        let mut decoder = Decoder::default();
        let error = decoder.push(&[0xff, 0xff, 0xff, 0xff, Kind::Text.code()]).unwrap_err();
        assert_eq!(
            error,
            ProtocolError::TooLong { frame: "TEXT", claimed: u64::from(u32::MAX), allowed: 8 + MAX_TEXT as u64 }
        );
        assert!(decoder.gathered.capacity() < 64);
    }

    #[test]
    fn fault_33_a_length_of_zero_is_too_short_for_a_text() {
        let error = Decoder::default().push(&[0, 0, 0, 0, Kind::Text.code()]).unwrap_err();
        assert_eq!(error, ProtocolError::Malformed { frame: "TEXT", what: "too short" });
    }

    #[test]
    fn fault_34_an_unknown_optional_frame_is_skipped_and_the_next_one_found() {
        let mut bytes = vec![0, 0, 0, 3, 0x91, 1, 2, 3, 0, 0, 0, 0, 0xff];
        bytes.extend(encoded(&text("after")));
        let mut decoder = Decoder::default();
        let found: Vec<_> = bytes.iter().map(|byte| decoder.push(&[*byte]).unwrap().1).collect();
        assert_eq!(found.last(), Some(&Decoded::Frame(text("after"))));
        assert!(decoder.is_between_frames());
        decoder.push(&[0]).unwrap();
        assert!(!decoder.is_between_frames());
    }

    #[test]
    fn an_unknown_optional_frame_is_skipped_up_to_a_bound() {
        let header = |length: u32| [&length.to_be_bytes()[..], &[0x91]].concat();
        assert_eq!(Decoder::default().push(&header(MAX_OPTIONAL)), Ok((HEADER, Decoded::Nothing)));
        let (claimed, allowed) = (u64::from(MAX_OPTIONAL) + 1, u64::from(MAX_OPTIONAL));
        let too_long = ProtocolError::TooLong { frame: "frame of an unknown kind", claimed, allowed };
        assert_eq!(Decoder::default().push(&header(MAX_OPTIONAL + 1)), Err(too_long));
    }

    #[test]
    fn fault_34_an_unknown_frame_that_matters_is_an_error() {
        let error = Decoder::default().push(&[0, 0, 0, 0, 0x55]).unwrap_err();
        assert_eq!(error, ProtocolError::UnknownFrame { kind: 0x55 });
    }

    #[test]
    fn a_chunk_stops_the_decoder_until_its_bytes_are_taken() {
        let mut bytes = Vec::new();
        encode_chunk_header(&mut bytes, TransferId(3), 40, 2);
        bytes.extend_from_slice(b"xy");
        bytes.extend(encoded(&text("hi")));
        let mut decoder = Decoder::default();
        let span = Span { transfer: TransferId(3), offset: 40, len: 2 };
        assert_eq!(decoder.push(&bytes).unwrap(), (HEADER + CHUNK_HEADER, Decoded::Chunk(span)));
        assert_eq!(decoder.push(&bytes[21..]).unwrap(), (0, Decoded::Nothing));
        decoder.take_body(1);
        assert_eq!(decoder.body(), Some(Span { offset: 41, len: 1, ..span }));
        decoder.take_body(1);
        assert_eq!((decoder.body(), decoder.is_between_frames()), (None, true));
        assert_eq!(decoder.push(&bytes[23..]).unwrap().1, Decoded::Frame(text("hi")));
        assert_eq!(decoder.position(), bytes.len() as u64, "all of it was taken");
    }

    #[test]
    fn an_empty_chunk_is_an_error() {
        let mut bytes = Vec::new();
        encode_chunk_header(&mut bytes, TransferId(3), 40, 0);
        assert!(matches!(Decoder::default().push(&bytes), Err(ProtocolError::Malformed { frame: "CHUNK", .. })));
    }
}
