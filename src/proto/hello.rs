//! The first bytes on every link.
//!
//! Owns: the frozen preamble and HELLO. Must not know: what follows them.
//!
//! ```text
//!  0                8        10       12       14                 30      31      32      32+n
//!  +----------------+--------+--------+--------+------------------+-------+-------+--------+
//!  | "\x89tete\r\n\x1a" | oldest | newest | length | nonce            | for   | flags | more   |
//!  | magic, 8       | u16    | u16    | u16    | 16 random bytes  | u8    | u8    | length-18 |
//!  +----------------+--------+--------+--------+------------------+-------+-------+--------+
//!  |<------------ frozen for ever ------------>|<--------------- version 1 --------------->|
//!
//!  for 0  a conversation; nothing more
//!  for 1  the files of a conversation that goes on; a [`Claim`] to it, 52 bytes
//!  for 2  a conversation whose link was lost; a claim to it
//!  flags  1: the speaker holds a one-time code; if both do, they prove it to each other next
//! ```
//!
//! All numbers are big-endian. The first 14 bytes are never changed, so that two programs of any age can tell each
//! other apart and say why they do not understand each other; `length` lets a newer one say more in HELLO without an
//! older one stumbling. HELLO holds no name and nothing that a stranger may not read.

use super::claim::{CLAIM, Claim};
use super::error::ProtocolError;

/// What a link begins with. The odd first byte and the line ends show a stream that something "translated".
pub const MAGIC: [u8; 8] = *b"\x89tete\r\n\x1a";
/// Oldest version of the protocol that we speak.
pub const OLDEST: u16 = 1;
/// Newest version of the protocol that we speak.
pub const NEWEST: u16 = 1;
/// Length of the part that never changes, in bytes.
pub const PREAMBLE: usize = 14;
/// Longest HELLO behind the preamble, in bytes. Version 1 uses 18 or 70; the rest is room for later ones.
/// Caps what a stranger can make us hold.
pub const MAX_HELLO: usize = 1024;

/// Random number of one process, drawn at its start: who has ours is ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A conversation.
    Talk,
    /// The files of a conversation that goes on.
    Bulk(Claim),
    /// A conversation whose talk link was lost.
    Return(Claim),
    /// Something that this version does not do.
    Unknown(u8),
}

impl Purpose {
    /// The claim to a conversation that goes on.
    pub fn claim(&self) -> Option<Claim> {
        match self {
            Self::Bulk(claim) | Self::Return(claim) => Some(*claim),
            Self::Talk | Self::Unknown(_) => None,
        }
    }
}

/// What somebody says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The process.
    pub nonce: Nonce,
    /// What the link is for.
    pub purpose: Purpose,
    /// Whether the speaker holds a one-time code.
    pub has_code: bool,
}

/// Bytes behind the preamble that every HELLO of this version has.
const SHORTEST: usize = 18;
/// The flag of who holds a one-time code. Flags that are not known mean nothing.
const HAS_CODE: u8 = 1;

impl Hello {
    /// A greeting for a new conversation.
    pub fn new(nonce: Nonce) -> Self {
        Self { nonce, purpose: Purpose::Talk, has_code: false }
    }

    /// The bytes, preamble included.
    pub fn encode(&self) -> Vec<u8> {
        let (code, claim) = match self.purpose {
            Purpose::Talk => (0, None),
            Purpose::Bulk(claim) => (1, Some(claim)),
            Purpose::Return(claim) => (2, Some(claim)),
            Purpose::Unknown(code) => (code, None),
        };
        let length = SHORTEST + claim.map_or(0, |_| CLAIM);
        let mut out = Vec::with_capacity(PREAMBLE + length);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&OLDEST.to_be_bytes());
        out.extend_from_slice(&NEWEST.to_be_bytes());
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&self.nonce.0);
        out.push(code);
        out.push(if self.has_code { HAS_CODE } else { 0 });
        claim.into_iter().for_each(|claim| claim.encode(&mut out));
        out
    }

    /// Reads a greeting from the beginning of `bytes`: the greeting and its length, or `None` when more is needed.
    ///
    /// # Errors
    /// [`ProtocolError::NotTete`] as soon as a byte differs from the magic, `Version` when no version is common,
    /// `TooLong` and `Malformed` for a length that cannot be. All of them are the caller's fault.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            return Err(ProtocolError::NotTete);
        }
        let Some(preamble) = bytes.get(..PREAMBLE) else { return Ok(None) };
        let number = |at: usize| u16::from_be_bytes([preamble[at], preamble[at + 1]]);
        let theirs = (number(8), number(10));
        if theirs.0 > NEWEST || theirs.1 < OLDEST || theirs.0 > theirs.1 {
            return Err(ProtocolError::Version { theirs });
        }
        let length = usize::from(number(12));
        if length > MAX_HELLO {
            let (claimed, allowed) = (length as u64, MAX_HELLO as u64);
            return Err(ProtocolError::TooLong { frame: "HELLO", claimed, allowed });
        }
        if length < SHORTEST {
            return Err(ProtocolError::Malformed { frame: "HELLO", what: "too short" });
        }
        let Some(body) = bytes.get(PREAMBLE..PREAMBLE + length) else { return Ok(None) };
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&body[..16]);
        let purpose = match body[16] {
            0 => Purpose::Talk,
            code @ (1 | 2) => match Claim::decode(&body[SHORTEST..]) {
                Some(claim) if code == 1 => Purpose::Bulk(claim),
                Some(claim) => Purpose::Return(claim),
                None => return Err(ProtocolError::Malformed { frame: "HELLO", what: "no claim to a conversation" }),
            },
            code => Purpose::Unknown(code),
        };
        let has_code = body[17] & HAS_CODE != 0;
        Ok(Some((Self { nonce: Nonce(nonce), purpose, has_code }, PREAMBLE + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello::new(Nonce(*b"0123456789abcdef"))
    }

    #[test]
    fn a_greeting_is_read_back_at_every_cut() {
        let bytes = hello().encode();
        for cut in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello(), bytes.len()))));
    }

    #[test]
    fn a_greeting_for_files_carries_its_claim_at_every_cut() {
        let claim = Claim { session: [1; 16], epoch: 2, proof: [3; 32] };
        let hello = Hello { purpose: Purpose::Bulk(claim), ..hello() };
        let mut bytes = hello.encode();
        for cut in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello, bytes.len()))));
        bytes[13] -= 1;
        assert!(matches!(Hello::decode(&bytes), Err(ProtocolError::Malformed { .. })), "a claim cut short");
    }

    #[test]
    fn what_follows_a_greeting_is_left_alone() {
        let mut bytes = hello().encode();
        let len = bytes.len();
        bytes.extend_from_slice(b"more");
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello(), len))));
    }

    #[test]
    fn a_longer_greeting_of_a_newer_program_is_understood() {
        let mut bytes = hello().encode();
        bytes[10..12].copy_from_slice(&9_u16.to_be_bytes());
        bytes[12..14].copy_from_slice(&21_u16.to_be_bytes());
        bytes.extend_from_slice(b"new");
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello(), bytes.len()))));
    }

    #[test]
    fn a_greeting_has_a_longest_and_a_shortest_length() {
        let of_length = |length: usize| {
            let mut bytes = hello().encode();
            bytes[12..14].copy_from_slice(&(length as u16).to_be_bytes());
            bytes.resize(PREAMBLE + MAX_HELLO + 1, 0);
            Hello::decode(&bytes)
        };
        assert_eq!(of_length(MAX_HELLO), Ok(Some((hello(), PREAMBLE + MAX_HELLO))));
        assert!(matches!(of_length(MAX_HELLO + 1), Err(ProtocolError::TooLong { .. })));
        assert!(matches!(of_length(SHORTEST - 1), Err(ProtocolError::Malformed { .. })));
    }

    #[test]
    fn versions_older_than_any_and_a_range_that_is_none_are_refused() {
        for theirs in [(0, 0), (1, 0)] {
            let mut bytes = hello().encode();
            bytes[8..12].copy_from_slice(&[0, theirs.0 as u8, 0, theirs.1 as u8]);
            assert_eq!(Hello::decode(&bytes), Err(ProtocolError::Version { theirs }));
        }
    }

    #[test]
    fn http_and_ssh_are_recognised_by_their_first_byte() {
        assert_eq!(Hello::decode(b"G"), Err(ProtocolError::NotTete));
        assert_eq!(Hello::decode(b"SSH-2.0-OpenSSH_9.9\r\n"), Err(ProtocolError::NotTete));
    }

    #[test]
    fn fault_31_a_future_version_is_told_apart_from_noise() {
        let mut bytes = hello().encode();
        bytes[8..12].copy_from_slice(&[0, 7, 0, 9]);
        assert_eq!(Hello::decode(&bytes[..PREAMBLE]), Err(ProtocolError::Version { theirs: (7, 9) }));
    }

    #[test]
    fn an_oversized_greeting_is_refused_before_it_comes() {
        let mut bytes = hello().encode();
        bytes[12..14].copy_from_slice(&u16::MAX.to_be_bytes());
        assert!(matches!(Hello::decode(&bytes[..PREAMBLE]), Err(ProtocolError::TooLong { .. })));
    }
}
