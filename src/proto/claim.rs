//! What a later link of a session shows to be let in.
//!
//! Owns: the claim "I belong to that session", how it is made and checked. Must not know: when one is asked for.
//!
//! ```text
//!  0            16         20                52
//!  +------------+----------+-----------------+
//!  | session id | epoch u32| proof           |
//!  +------------+----------+-----------------+
//! ```
//!
//! The proof is BLAKE3, keyed by the session's secret, of the id, the epoch, the speaker's nonce and the link's
//! [`Binding`]. The epoch numbers the links of a session: the talk link is 1, each later link has a greater one than all
//! before it, so that a claim is good once. The nonce says which of the two speaks, so that a claim cannot be handed back
//! to who made it. The binding is what only the two ends of one encrypted connection know (RFC 9266), so that a claim
//! cannot be passed on to another.
//!
//! **Who is kept out**: whoever merely calls. The calling side makes its claim unasked, the called side only answers a
//! right one, so that a stranger who calls both never gets one to pass on.
//!
//! **Who is not**: on a plain link, which has no binding, anyone on the path, who reads the session's WELCOME and can
//! make claims as well as read the rest; and who answers at the address that we call, for a claim can be passed on while
//! it is new. The encrypted channel keeps both out: the secret is not readable, a passed claim has the wrong binding,
//! and a later link has to come from the same key.

use super::frame::SessionTicket;
use super::hello::Nonce;

/// Bytes of a claim on the wire.
pub const CLAIM: usize = 52;
/// The epoch of the talk link.
pub const FIRST_EPOCH: u32 = 1;

/// What only the two ends of one connection know, so that a proof made for it is worth nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding(pub [u8; 32]);

impl Binding {
    /// Of a plain link, on which nothing is secret.
    pub const NONE: Self = Self([0; 32]);
}

/// "This link belongs to that session."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Names the session.
    pub session: [u8; 16],
    /// Which link of the session it is.
    pub epoch: u32,
    /// What only the two of the session can make.
    pub proof: [u8; 32],
}

impl Claim {
    /// The claim of the side with this nonce, on the link with this binding.
    pub fn new(ticket: &SessionTicket, epoch: u32, speaker: Nonce, link: &Binding) -> Self {
        Self { session: ticket.id, epoch, proof: *prove(ticket, epoch, speaker, link).as_bytes() }
    }

    /// Whether the side with this nonce may say so on this link. The comparison takes the same time wherever a byte differs.
    pub fn is_right(&self, ticket: &SessionTicket, speaker: Nonce, link: &Binding) -> bool {
        self.session == ticket.id && prove(ticket, self.epoch, speaker, link) == self.proof
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.proof);
    }

    /// Reads it from the beginning of `bytes`; `None`: there are fewer than [`CLAIM`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (session, rest) = bytes.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (proof, _) = rest.split_first_chunk()?;
        Some(Self { session: *session, epoch: u32::from_be_bytes(*epoch), proof: *proof })
    }
}

fn prove(ticket: &SessionTicket, epoch: u32, speaker: Nonce, link: &Binding) -> blake3::Hash {
    let key = blake3::derive_key("tete 1: a later link of a session", &ticket.secret);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(&ticket.id).update(&epoch.to_be_bytes()).update(&speaker.0).update(&link.0);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: SessionTicket = SessionTicket { id: [1; 16], secret: [2; 16] };
    const ANNA: Nonce = Nonce([3; 16]);
    const BOB: Nonce = Nonce([4; 16]);
    const LINK: Binding = Binding([5; 32]);

    #[test]
    fn a_claim_is_right_for_its_speaker_session_secret_and_link_alone() {
        let claim = Claim::new(&TICKET, 2, ANNA, &LINK);
        assert!(claim.is_right(&TICKET, ANNA, &LINK));
        assert!(!claim.is_right(&TICKET, BOB, &LINK), "handed back");
        assert!(!claim.is_right(&TICKET, ANNA, &Binding([6; 32])), "passed on");
        assert!(!claim.is_right(&SessionTicket { secret: [9; 16], ..TICKET }, ANNA, &LINK));
        assert!(!claim.is_right(&SessionTicket { id: [9; 16], ..TICKET }, ANNA, &LINK));
        assert!(!Claim { epoch: 3, ..claim }.is_right(&TICKET, ANNA, &LINK));
    }

    #[test]
    fn a_claim_is_read_back_and_never_from_fewer_bytes() {
        let claim = Claim::new(&TICKET, 0x0102_0304, ANNA, &LINK);
        let mut bytes = Vec::new();
        claim.encode(&mut bytes);
        assert_eq!((bytes.len(), Claim::decode(&bytes)), (CLAIM, Some(claim)));
        assert!((0..CLAIM).all(|cut| Claim::decode(&bytes[..cut]).is_none()));
    }
}
