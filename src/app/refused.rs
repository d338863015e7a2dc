//! That somebody whom we called does not talk to us, as our user is told it.
//!
//! Owns: the words, and what to do about it. Must not know: where they are shown.

use std::net::SocketAddr;

use crate::proto::frame::Refusal;
use crate::proto::text::Untrusted;
use crate::secure::key::PublicKey;

use super::StartError;

/// Longest explanation shown, in bytes.
const MAX_SHOWN: usize = 512;

/// Whom we called does not let us in: `words` are its own.
pub fn not_let_in(reason: Option<Refusal>, words: &Untrusted) -> StartError {
    let hint = match reason {
        Some(Refusal::Yourself) => "give the port of the other one",
        Some(Refusal::Busy) => "try again later",
        Some(Refusal::NotWanted) => "who is new has to be wanted: with a code, or by --trust new",
        Some(Refusal::WrongCode) => "ask for a new code: one is good for one meeting and three wrong tries",
        Some(Refusal::NoCode) => "the other side makes one with --new-code; one is good for one meeting",
        _ => "",
    };
    StartError { message: format!("not let in: {}", words.shown_within(MAX_SHOWN)), hint: hint.to_owned() }
}

/// It has another key than it should. `name`: under which that one is saved; `None`: our user gave it.
pub fn other_key(address: SocketAddr, name: Option<&str>, expected: &PublicKey, got: &PublicKey) -> StartError {
    let who = name.map_or_else(|| address.to_string(), |name| format!("{name} at {address}"));
    let (was, hint) = match name {
        Some(name) => ("saved", format!("ask {name} whether that is a new key; then: tete peers forget {name}")),
        None => ("given", "compare the key with what the other side's tete id shows".to_owned()),
    };
    let (expected, got) = (expected.grouped(), got.grouped());
    let message = format!("not let in: {who} has another key than the one {was}\n{was}: {expected}\nhas:   {got}");
    StartError { message, hint }
}
