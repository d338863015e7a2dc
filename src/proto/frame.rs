//! What stands on the wire after HELLO.
//!
//! Owns: the layout and the bounds of every frame. Must not know: in which state a frame is welcome.
//!
//! ```text
//!  0            4      5                5+length
//!  +------------+------+----------------+
//!  | length u32 | kind | payload        |   numbers big-endian; kinds from 0x80 may be skipped by who
//!  +------------+------+----------------+   does not know them, others may not
//!
//!  kind       payload
//!  01 WELCOME     assigned u8 | 0: nothing, 1: session id 16, secret 16, 2: a claim 52 | port u16 | name
//!  02 REFUSED     reason u8 | words
//!  03 WAIT        -                                        a person is being asked
//!  04 PAIR        message                                  of a first meeting with a code
//!  10 TEXT        seq u64 | text
//!  11 TEXT_ACK    seq u64                                  all up to it have been read
//!  20 OFFER       id u64 | size u64 (all ones: unknown) | name
//!  21 ACCEPT      id u64 | from u64                        send from this byte on
//!  22 REFUSE      id u64 | words
//!  23 CHUNK       id u64 | offset u64 | bytes of the file
//!  24 DIGESTS     id u64 | first block u64 | 32 bytes a block
//!  25 END         id u64 | size u64 | root 32
//!  26 PROGRESS    id u64 | stored u64 | verified u64
//!  27 COMMITTED   id u64
//!  28 CANCEL      id u64 | reason u8 | words               the number stays taken until ..
//!  29 CANCELLED   id u64                                   .. the other side has answered
//!  2a MOVE        id u64 | epoch u32                      what follows of it comes over that link
//!  2b RESUME      id u64 | epoch u32 | stored u64 | told u64     that link is gone; go on from here
//!  2c LACKS       id u64 | from u64 | block u64 ..       of an earlier try all is right up to there, but for these
//!  30 PING        token u64
//!  31 PONG        token u64
//!  32 LINK_DOWN   epoch u32                               nothing more comes or goes over that link
//!  33 BACK        texts u64 | orders u64 | bye u8         first on a new talk link: what has come so far
//!  34 HEARD       orders u64                              so many have come
//!  3f BYE         reason u8                                nothing new will come; again: and nothing is waited for
//!  80 SPENT       id u64 | microseconds u64, six of them  what the speaker has waited for so far
//! ```
//!
//! A payload of no bytes is legal where the table has `-`, and nowhere else.

use super::TransferId;
use super::claim::{CLAIM, Claim};
use super::error::ProtocolError;
use super::event::LeaveReason;
use super::gaps::MAX_GAPS;
pub use super::reason::{CancelReason, Refusal};
use super::reason::{leave_code, leave_from_code};
use super::stages::{HALF, Half};
use super::text::Untrusted;

/// Bytes before the payload of every frame.
pub const HEADER: usize = 5;
/// Bytes of a CHUNK's payload before the file's own bytes.
pub const CHUNK_HEADER: usize = 16;
/// Longest text in bytes. Caps what one frame can make us hold; a longer line is several texts.
pub const MAX_TEXT: usize = 16_000;
/// Longest name of a person in bytes: what fits beside a message on a narrow screen, and then some.
pub const MAX_PERSON: usize = 64;
/// Longest file name in bytes. File systems end at 255.
pub const MAX_FILE_NAME: usize = 1024;
/// Longest explanation in bytes.
pub const MAX_WORDS: usize = 512;
/// File bytes in one chunk, at most. A text waits behind at most one chunk.
pub const MAX_CHUNK: u32 = 1 << 20;
/// Longest message of a first meeting in bytes: twice what the longest one takes.
pub const MAX_PAIR: usize = 128;
/// Block values in one DIGESTS frame.
pub const MAX_DIGESTS: usize = 32;
/// Longest frame of an unknown but skippable kind, in bytes.
pub const MAX_OPTIONAL: u32 = 64 * 1024;

const UNKNOWN_SIZE: u64 = u64::MAX;

/// What the side that assigns a session hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTicket {
    /// Names the session.
    pub id: [u8; 16],
    /// Proves on a later link that it is the same peer.
    pub secret: [u8; 16],
}

/// What a WELCOME makes of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// Nothing: that is the other side's to say.
    Nothing,
    /// The talk link of a new session. From the side with the greater nonce, and from it alone.
    Session(SessionTicket),
    /// A link for the files of a session that goes on.
    Bulk(Claim),
}

/// "You are let in."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// What the link is from now on.
    pub assigned: Assigned,
    /// Where the speaker listens, 0 if nowhere.
    pub port: u16,
    /// How the speaker wants to be seen.
    pub name: Untrusted,
}

/// A whole frame. Chunks are not among them: their bytes are never gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are drawn above")]
pub enum Frame {
    Welcome(Welcome),
    Refused { reason: Option<Refusal>, words: Untrusted },
    Wait,
    Pair { message: Vec<u8> },
    Text { seq: u64, text: Untrusted },
    TextAck { seq: u64 },
    Offer { id: TransferId, size: Option<u64>, name: Untrusted },
    Accept { id: TransferId, from: u64 },
    Refuse { id: TransferId, words: Untrusted },
    Digests { id: TransferId, first: u64, values: Vec<[u8; 32]> },
    End { id: TransferId, size: u64, root: [u8; 32] },
    Progress { id: TransferId, stored: u64, verified: u64 },
    Committed { id: TransferId },
    Cancel { id: TransferId, reason: Option<CancelReason>, words: Untrusted },
    Cancelled { id: TransferId },
    Move { id: TransferId, epoch: u32 },
    Resume { id: TransferId, epoch: u32, stored: u64, told: u64 },
    Lacks { id: TransferId, from: u64, blocks: Vec<u64> },
    Ping { token: u64 },
    Pong { token: u64 },
    LinkDown { epoch: u32 },
    Back { texts: u64, orders: u64, bye: bool },
    Heard { orders: u64 },
    Bye { reason: LeaveReason },
    Spent { id: TransferId, half: Half },
}

/// What a frame is, before its payload is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are drawn above")]
pub enum Kind {
    Welcome,
    Refused,
    Wait,
    Pair,
    Text,
    TextAck,
    Offer,
    Accept,
    Refuse,
    Chunk,
    Digests,
    End,
    Progress,
    Committed,
    Cancel,
    Cancelled,
    Move,
    Resume,
    Lacks,
    Ping,
    Pong,
    LinkDown,
    Back,
    Heard,
    Bye,
    Spent,
}

impl Kind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 26] = [
        Self::Welcome,
        Self::Refused,
        Self::Wait,
        Self::Pair,
        Self::Text,
        Self::TextAck,
        Self::Offer,
        Self::Accept,
        Self::Refuse,
        Self::Chunk,
        Self::Digests,
        Self::End,
        Self::Progress,
        Self::Committed,
        Self::Cancel,
        Self::Cancelled,
        Self::Move,
        Self::Resume,
        Self::Lacks,
        Self::Ping,
        Self::Pong,
        Self::LinkDown,
        Self::Back,
        Self::Heard,
        Self::Bye,
        Self::Spent,
    ];

    /// The byte on the wire.
    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The name in this page's table.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Shortest and longest payload in bytes.
    pub fn bounds(self) -> (usize, usize) {
        let (_, _, min, max) = self.row();
        (min, max)
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    fn row(self) -> (u8, &'static str, usize, usize) {
        match self {
            Self::Welcome => (0x01, "WELCOME", 3, 3 + CLAIM + MAX_PERSON),
            Self::Refused => (0x02, "REFUSED", 1, 1 + MAX_WORDS),
            Self::Wait => (0x03, "WAIT", 0, 0),
            Self::Pair => (0x04, "PAIR", 1, MAX_PAIR),
            Self::Text => (0x10, "TEXT", 8, 8 + MAX_TEXT),
            Self::TextAck => (0x11, "TEXT_ACK", 8, 8),
            Self::Offer => (0x20, "OFFER", 17, 16 + MAX_FILE_NAME),
            Self::Accept => (0x21, "ACCEPT", 16, 16),
            Self::Refuse => (0x22, "REFUSE", 8, 8 + MAX_WORDS),
            Self::Chunk => (0x23, "CHUNK", CHUNK_HEADER + 1, CHUNK_HEADER + MAX_CHUNK as usize),
            Self::Digests => (0x24, "DIGESTS", 16 + 32, 16 + 32 * MAX_DIGESTS),
            Self::End => (0x25, "END", 48, 48),
            Self::Progress => (0x26, "PROGRESS", 24, 24),
            Self::Committed => (0x27, "COMMITTED", 8, 8),
            Self::Cancel => (0x28, "CANCEL", 9, 9 + MAX_WORDS),
            Self::Cancelled => (0x29, "CANCELLED", 8, 8),
            Self::Move => (0x2a, "MOVE", 12, 12),
            Self::Resume => (0x2b, "RESUME", 28, 28),
            Self::Lacks => (0x2c, "LACKS", 16, 16 + 8 * MAX_GAPS),
            Self::Ping => (0x30, "PING", 8, 8),
            Self::Pong => (0x31, "PONG", 8, 8),
            Self::LinkDown => (0x32, "LINK_DOWN", 4, 4),
            Self::Back => (0x33, "BACK", 17, 17),
            Self::Heard => (0x34, "HEARD", 8, 8),
            Self::Bye => (0x3f, "BYE", 1, 1),
            Self::Spent => (0x80, "SPENT", 8 + 8 * HALF, 8 + 8 * HALF),
        }
    }
}

/// Appends the header and the first 16 bytes of a chunk; `len` bytes of the file have to follow.
pub fn encode_chunk_header(out: &mut Vec<u8>, id: TransferId, offset: u64, len: u32) {
    out.extend_from_slice(&(CHUNK_HEADER as u32 + len).to_be_bytes());
    out.push(Kind::Chunk.code());
    out.extend_from_slice(&id.0.to_be_bytes());
    out.extend_from_slice(&offset.to_be_bytes());
}

/// The first `limit` bytes of our own words, cut at a character.
fn cut(words: &Untrusted, limit: usize) -> &[u8] {
    let bytes = words.as_bytes();
    if bytes.len() <= limit {
        return bytes;
    }
    let begins_character = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    let end = (0..=limit).rev().find(begins_character).unwrap_or(limit);
    &bytes[..end]
}

impl Frame {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Welcome(_) => Kind::Welcome,
            Self::Refused { .. } => Kind::Refused,
            Self::Wait => Kind::Wait,
            Self::Pair { .. } => Kind::Pair,
            Self::Text { .. } => Kind::Text,
            Self::TextAck { .. } => Kind::TextAck,
            Self::Offer { .. } => Kind::Offer,
            Self::Accept { .. } => Kind::Accept,
            Self::Refuse { .. } => Kind::Refuse,
            Self::Digests { .. } => Kind::Digests,
            Self::End { .. } => Kind::End,
            Self::Progress { .. } => Kind::Progress,
            Self::Committed { .. } => Kind::Committed,
            Self::Cancel { .. } => Kind::Cancel,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Move { .. } => Kind::Move,
            Self::Resume { .. } => Kind::Resume,
            Self::Lacks { .. } => Kind::Lacks,
            Self::Ping { .. } => Kind::Ping,
            Self::Pong { .. } => Kind::Pong,
            Self::LinkDown { .. } => Kind::LinkDown,
            Self::Back { .. } => Kind::Back,
            Self::Heard { .. } => Kind::Heard,
            Self::Bye { .. } => Kind::Bye,
            Self::Spent { .. } => Kind::Spent,
        }
    }

    /// Appends the frame. Words are cut at [`MAX_WORDS`]; texts and names have to be within their bounds already.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, self.kind().code()]);
        match self {
            Self::Welcome(welcome) => {
                match &welcome.assigned {
                    Assigned::Nothing => out.push(0),
                    Assigned::Session(ticket) => {
                        out.push(1);
                        out.extend_from_slice(&ticket.id);
                        out.extend_from_slice(&ticket.secret);
                    }
                    Assigned::Bulk(claim) => {
                        out.push(2);
                        claim.encode(out);
                    }
                }
                out.extend_from_slice(&welcome.port.to_be_bytes());
                out.extend_from_slice(cut(&welcome.name, MAX_PERSON));
            }
            Self::Refused { reason, words } => {
                out.push(reason.map_or(0, Refusal::code));
                out.extend_from_slice(cut(words, MAX_WORDS));
            }
            Self::Wait => {}
            Self::Pair { message } => out.extend_from_slice(message),
            Self::Text { seq, text } => {
                out.extend_from_slice(&seq.to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::TextAck { seq } => out.extend_from_slice(&seq.to_be_bytes()),
            Self::Offer { id, size, name } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&size.unwrap_or(UNKNOWN_SIZE).to_be_bytes());
                out.extend_from_slice(cut(name, MAX_FILE_NAME));
            }
            Self::Accept { id, from } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&from.to_be_bytes());
            }
            Self::Refuse { id, words } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(cut(words, MAX_WORDS));
            }
            Self::Digests { id, first, values } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&first.to_be_bytes());
                values.iter().for_each(|value| out.extend_from_slice(value));
            }
            Self::End { id, size, root } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(root);
            }
            Self::Progress { id, stored, verified } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&stored.to_be_bytes());
                out.extend_from_slice(&verified.to_be_bytes());
            }
            Self::Committed { id } | Self::Cancelled { id } => out.extend_from_slice(&id.0.to_be_bytes()),
            Self::Cancel { id, reason, words } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.push(reason.map_or(0, CancelReason::code));
                out.extend_from_slice(cut(words, MAX_WORDS));
            }
            Self::Move { id, epoch } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&epoch.to_be_bytes());
            }
            Self::Resume { id, epoch, stored, told } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&epoch.to_be_bytes());
                out.extend_from_slice(&stored.to_be_bytes());
                out.extend_from_slice(&told.to_be_bytes());
            }
            Self::Lacks { id, from, blocks } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                out.extend_from_slice(&from.to_be_bytes());
                blocks.iter().for_each(|block| out.extend_from_slice(&block.to_be_bytes()));
            }
            Self::Ping { token } | Self::Pong { token } => out.extend_from_slice(&token.to_be_bytes()),
            Self::LinkDown { epoch } => out.extend_from_slice(&epoch.to_be_bytes()),
            Self::Back { texts, orders, bye } => {
                out.extend_from_slice(&texts.to_be_bytes());
                out.extend_from_slice(&orders.to_be_bytes());
                out.push(u8::from(*bye));
            }
            Self::Heard { orders } => out.extend_from_slice(&orders.to_be_bytes()),
            Self::Bye { reason } => out.push(leave_code(*reason)),
            Self::Spent { id, half } => {
                out.extend_from_slice(&id.0.to_be_bytes());
                half.to_micros().iter().for_each(|micros| out.extend_from_slice(&micros.to_be_bytes()));
            }
        }
        let length = (out.len() - begin - HEADER) as u32;
        out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Reads a payload whose length is within the bounds of its kind.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] when a field is missing or has a value that it cannot have.
    pub fn decode(kind: Kind, payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut fields = Fields { kind, rest: payload };
        let frame = match kind {
            Kind::Welcome => {
                let assigned = match fields.byte()? {
                    0 => Assigned::Nothing,
                    1 => Assigned::Session(SessionTicket { id: fields.array()?, secret: fields.array()? }),
                    2 => {
                        let (session, epoch) = (fields.array()?, fields.epoch()?);
                        Assigned::Bulk(Claim { session, epoch, proof: fields.array()? })
                    }
                    _ => return Err(fields.malformed("it assigns what we do not know")),
                };
                let port = u16::from_be_bytes(fields.array()?);
                Self::Welcome(Welcome { assigned, port, name: fields.bytes(MAX_PERSON)? })
            }
            Kind::Refused => {
                Self::Refused { reason: Refusal::from_code(fields.byte()?), words: fields.bytes(MAX_WORDS)? }
            }
            Kind::Wait => Self::Wait,
            Kind::Pair => Self::Pair { message: std::mem::take(&mut fields.rest).to_vec() },
            Kind::Text => Self::Text { seq: fields.number()?, text: fields.bytes(MAX_TEXT)? },
            Kind::TextAck => Self::TextAck { seq: fields.number()? },
            Kind::Offer => {
                let id = fields.id()?;
                let size = Some(fields.number()?).filter(|size| *size != UNKNOWN_SIZE);
                Self::Offer { id, size, name: fields.bytes(MAX_FILE_NAME)? }
            }
            Kind::Accept => Self::Accept { id: fields.id()?, from: fields.number()? },
            Kind::Refuse => Self::Refuse { id: fields.id()?, words: fields.bytes(MAX_WORDS)? },
            Kind::Chunk => return Err(fields.malformed("gathered")),
            Kind::Digests => {
                let (id, first) = (fields.id()?, fields.number()?);
                let (values, rest) = fields.rest.as_chunks::<32>();
                if !rest.is_empty() {
                    return Err(fields.malformed("not a multiple of 32 bytes"));
                }
                let values = values.to_vec();
                fields.rest = &[];
                Self::Digests { id, first, values }
            }
            Kind::End => Self::End { id: fields.id()?, size: fields.number()?, root: fields.array()? },
            Kind::Progress => Self::Progress { id: fields.id()?, stored: fields.number()?, verified: fields.number()? },
            Kind::Committed => Self::Committed { id: fields.id()? },
            Kind::Cancel => {
                let id = fields.id()?;
                let reason = CancelReason::from_code(fields.byte()?);
                Self::Cancel { id, reason, words: fields.bytes(MAX_WORDS)? }
            }
            Kind::Cancelled => Self::Cancelled { id: fields.id()? },
            Kind::Move => Self::Move { id: fields.id()?, epoch: fields.epoch()? },
            Kind::Resume => {
                let (id, epoch) = (fields.id()?, fields.epoch()?);
                Self::Resume { id, epoch, stored: fields.number()?, told: fields.number()? }
            }
            Kind::Lacks => {
                let (id, from) = (fields.id()?, fields.number()?);
                let (blocks, rest) = fields.rest.as_chunks::<8>();
                let blocks = blocks.iter().map(|block| u64::from_be_bytes(*block)).collect();
                fields.rest = rest;
                Self::Lacks { id, from, blocks }
            }
            Kind::LinkDown => Self::LinkDown { epoch: fields.epoch()? },
            Kind::Back => {
                let (texts, orders) = (fields.number()?, fields.number()?);
                Self::Back { texts, orders, bye: fields.byte()? != 0 }
            }
            Kind::Heard => Self::Heard { orders: fields.number()? },
            Kind::Ping => Self::Ping { token: fields.number()? },
            Kind::Pong => Self::Pong { token: fields.number()? },
            Kind::Bye => Self::Bye { reason: leave_from_code(fields.byte()?) },
            Kind::Spent => {
                let id = fields.id()?;
                let mut micros = [0; HALF];
                for sum in &mut micros {
                    *sum = fields.number()?;
                }
                Self::Spent { id, half: Half::from_micros(micros) }
            }
        };
        if fields.rest.is_empty() { Ok(frame) } else { Err(fields.malformed("too long")) }
    }
}

/// A payload being read from the front.
pub(super) struct Fields<'a> {
    pub(super) kind: Kind,
    pub(super) rest: &'a [u8],
}

impl Fields<'_> {
    fn malformed(&self, what: &'static str) -> ProtocolError {
        ProtocolError::Malformed { frame: self.kind.name(), what }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.malformed("too short"))?;
        self.rest = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, ProtocolError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn number(&mut self) -> Result<u64, ProtocolError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn id(&mut self) -> Result<TransferId, ProtocolError> {
        Ok(TransferId(self.number()?))
    }

    fn epoch(&mut self) -> Result<u32, ProtocolError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn bytes(&mut self, limit: usize) -> Result<Untrusted, ProtocolError> {
        if self.rest.len() > limit {
            return Err(self.malformed("too long"));
        }
        Ok(Untrusted::new(std::mem::take(&mut self.rest).to_vec()))
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
