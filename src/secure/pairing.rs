//! A first meeting: two sides prove to each other that they know the same code, and say nothing about it to anybody who
//! does not.
//!
//! Owns: one run of SPAKE2 (RFC 9382, section 3.3) and its key confirmation (section 4), bound to the channel that it
//! runs in (RFC 9266). Must not know: how messages travel, how long a code lives, what follows from success.
//!
//! ```text
//! caller                                called
//!   | suite 1 | PAKE, 33 bytes  ---------->|
//!   |<----------  suite 1 | PAKE, 33 bytes |
//!   | suite 1 | MAC, 32 bytes  ----------->|  wrong: ends here, and nothing of ours was sent that depends on the code
//!   |<-----------  suite 1 | MAC, 32 bytes |  in a way that could be tested
//! ```
//!
//! The MAC is BLAKE3, keyed with what SPAKE2 gives, over: who sends it, the suite, both public keys, the channel's
//! binding, both PAKE messages; the caller's before the called one's; each of a fixed length.
//!
//! What differs from RFC 9382: the crate's M, N, hash of the password and transcript are those of `python-spake2`, which
//! is older (magic-wormhole uses them); the password is not stretched, because it lives for minutes and offline guesses
//! at it are not possible; the confirmation is our own, because the crate has none, and it also covers the channel.
//! Elements are not multiplied by the cofactor: one of small order yields a key that still depends on the code. The
//! crate has not been audited. All of it stands behind a suite byte, and a key that is known or pinned needs none of it.
//!
//! **Threat model.** Whoever carries the messages, or takes part with a wrong code, learns whether that one guess was
//! right, and nothing else: not even later, with any amount of computing (a quantum computer that recorded the run
//! inside the opened channel could compute the code, which by then is worthless). A relay between two channels is
//! found, even with the right code at both ends, because the keys and the bindings differ. Either side's guess is seen
//! and counted by the other ([`Pairing::counts`]). Not kept out: whoever was told the code.

use std::{fmt, mem};

use spake2::{Ed25519Group, Identity, Password, Spake2};

use super::code::Code;
use super::key::PublicKey;

/// SPAKE2 over the group of Ed25519, confirmed with BLAKE3. The only one there is.
const SUITE: u8 = 1;
/// A PAKE message in bytes: the side's letter and an element.
const PAKE: usize = 33;
/// A MAC in bytes.
const MAC: usize = blake3::OUT_LEN;
/// What keys of ours are derived for (BLAKE3's key derivation wants a string that nothing else has).
const CONTEXT: &str = "tete 2026-11 pairing: confirmation of a one-time code";

/// Longest message of a pairing in bytes, with its suite byte.
pub const MAX_MESSAGE: usize = 1 + PAKE;

/// Who dialled: the TLS client is the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Speaks first, and is the first to confirm.
    Caller,
    /// Confirms only to whom has confirmed.
    Called,
}

/// Why a pairing failed. It is over then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingError {
    /// The codes differ, or somebody stands between.
    Wrong,
    /// The other side wants another suite.
    Suite(u8),
    /// The other side's message is none, or none that belongs here.
    Malformed(&'static str),
}

impl fmt::Display for PairingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("the codes differ, or somebody stands between"),
            Self::Suite(suite) => write!(f, "the other side proves codes in a way that is not known here ({suite})"),
            Self::Malformed(why) => write!(f, "the other side's proof of the code: {why}"),
        }
    }
}

impl std::error::Error for PairingError {}

/// What a message leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this, and wait for an answer.
    Send(Vec<u8>),
    /// The other side has proved the code. If there is something, it still has to be sent.
    Done(Option<Vec<u8>>),
}

/// What both MACs cover.
struct Covered {
    caller: PublicKey,
    called: PublicKey,
    binding: [u8; 32],
}

impl Covered {
    /// What `by` proves the code with. Every part has a fixed length, so that no two inputs are written alike.
    fn mac(&self, key: &[u8; 32], by: Role, pakes: &[&[u8; PAKE]; 2]) -> blake3::Hash {
        let label: &[u8; 6] = if by == Role::Caller { b"caller" } else { b"called" };
        let mut mac = blake3::Hasher::new_keyed(key);
        mac.update(label).update(&[SUITE]).update(self.caller.bytes()).update(self.called.bytes());
        mac.update(&self.binding).update(pakes[0]).update(pakes[1]);
        mac.finalize()
    }
}

enum State {
    /// Our PAKE message is made; the caller's is sent.
    Pake { spake: Spake2<Ed25519Group>, ours: [u8; PAKE] },
    /// We have sent our MAC (caller), or would send it for the right one (called).
    Mac { expected: blake3::Hash, ours: Option<blake3::Hash> },
    /// It succeeded, or failed. `counts`: as a wrong try.
    Over { counts: bool },
}

/// One run, at one side. Randomness comes from the system.
pub struct Pairing {
    role: Role,
    covered: Covered,
    state: State,
}

impl Pairing {
    /// Begins a run. `ours` and `theirs` are the keys that the channel has proved, `binding` is its binding. The caller
    /// speaks first: its first message is `Some`.
    pub fn start(
        role: Role,
        code: &Code,
        ours: PublicKey,
        theirs: PublicKey,
        binding: [u8; 32],
    ) -> (Self, Option<Vec<u8>>) {
        let (caller, called) = if role == Role::Caller { (ours, theirs) } else { (theirs, ours) };
        let names = [caller, called].map(|key| Identity::new(key.bytes()));
        // The words, not their places: both sides agree even if one has another word somewhere else in its list.
        let password = Password::new(code.to_string());
        // Two unlike sides, so that our own message sent back to us is refused.
        let (spake, message) = match role {
            Role::Caller => Spake2::start_a(&password, &names[0], &names[1]),
            Role::Called => Spake2::start_b(&password, &names[0], &names[1]),
        };
        let mut pake = [0; PAKE];
        pake.copy_from_slice(&message);
        let state = State::Pake { spake, ours: pake };
        let first = (role == Role::Caller).then(|| framed(&pake));
        (Self { role, covered: Covered { caller, called, binding }, state }, first)
    }

    /// Takes the other side's next message.
    ///
    /// # Errors
    /// [`PairingError`]: the run is over; [`Pairing::counts`] tells whether as a wrong try. Nothing is sent.
    pub fn handle(&mut self, message: &[u8]) -> Result<Step, PairingError> {
        // Whatever goes wrong below counts as it would have counted before the message came.
        let over = State::Over { counts: self.counts() };
        match mem::replace(&mut self.state, over) {
            State::Pake { spake, ours } => self.confirm(spake, &ours, body(message)?),
            State::Mac { expected, ours } => {
                let mac: &[u8; MAC] = body(message)?;
                // `blake3::Hash` compares in constant time.
                let right = expected == *mac;
                self.state = State::Over { counts: !right };
                if right { Ok(Step::Done(ours.map(|ours| framed(ours.as_bytes())))) } else { Err(PairingError::Wrong) }
            }
            State::Over { .. } => Err(PairingError::Malformed("it is over already")),
        }
    }

    /// Both PAKE messages are there: the key, and with it both MACs.
    fn confirm(
        &mut self,
        spake: Spake2<Ed25519Group>,
        ours: &[u8; PAKE],
        theirs: &[u8; PAKE],
    ) -> Result<Step, PairingError> {
        let shared = spake.finish(theirs).map_err(|error| {
            PairingError::Malformed(match error {
                spake2::Error::BadSide => "it is our own",
                _ => "it is no point of the curve",
            })
        })?;
        let key = blake3::derive_key(CONTEXT, &shared);
        let pakes = if self.role == Role::Caller { [ours, theirs] } else { [theirs, ours] };
        let [by_caller, by_called] = [Role::Caller, Role::Called].map(|by| self.covered.mac(&key, by, &pakes));
        let (state, step) = match self.role {
            Role::Caller => (State::Mac { expected: by_called, ours: None }, framed(by_caller.as_bytes())),
            Role::Called => (State::Mac { expected: by_caller, ours: Some(by_called) }, framed(ours)),
        };
        self.state = state;
        Ok(Step::Send(step))
    }

    /// Whether an end now, without success, counts as a wrong try: a wrong MAC came, or we have sent ours and no valid
    /// one came. Before that the other side has learned nothing that it could test a guess with.
    pub fn counts(&self) -> bool {
        match &self.state {
            State::Pake { .. } => false,
            State::Mac { ours, .. } => ours.is_none(),
            State::Over { counts } => *counts,
        }
    }
}

impl fmt::Debug for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Pake { .. } => "Pake",
            State::Mac { .. } => "Mac",
            State::Over { .. } => "Over",
        };
        write!(f, "Pairing({:?}, {state})", self.role)
    }
}

/// A message as it is sent.
fn framed(body: &[u8]) -> Vec<u8> {
    [&[SUITE], body].concat()
}

/// What stands behind the suite byte, if it has the one length that it should have.
fn body<const N: usize>(message: &[u8]) -> Result<&[u8; N], PairingError> {
    match message {
        [SUITE, body @ ..] => body.try_into().map_err(|_| PairingError::Malformed("it has another length")),
        [suite, ..] => Err(PairingError::Suite(*suite)),
        [] => Err(PairingError::Malformed("it is empty")),
    }
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
