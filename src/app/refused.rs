//! That somebody whom we called does not talk to us, as our user is told it.
//!
//! Owns: the words, and what to do about it. Must not know: where they are shown.
//!
//! Who is refused learns by the wire that strangers are not let in, and not why: that a person said no, or said
//! nothing, is known on that person's side alone.

use std::net::SocketAddr;

use crate::net::event::Refuser;
use crate::proto::frame::Refusal;
use crate::proto::text::Untrusted;
use crate::secure::key::PublicKey;

use super::StartError;

/// Longest explanation shown, in bytes.
const MAX_SHOWN: usize = 512;

/// What our user has said when starting, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// A one-time code.
    pub code: bool,
    /// That nothing is encrypted.
    pub plain: bool,
}

/// Whom we called does not let us in, or is not let in by us: `words` are of who does not.
pub fn not_let_in(by: Refuser, reason: Option<Refusal>, words: &Untrusted, given: Given) -> StartError {
    let words = words.shown_within(MAX_SHOWN).to_string();
    let (words, hint) = match reason {
        Some(Refusal::NotWanted) => unwanted(by, words, given),
        Some(Refusal::Yourself) => (words, "give the port of the other one"),
        Some(Refusal::Busy) => (words, "try again later"),
        Some(Refusal::WrongCode) => {
            (words, "check it, or ask for a new one: a code is good for one meeting and three wrong tries")
        }
        Some(Refusal::NoCode) => (words, "the other side makes one with --new-code; one is good for one meeting"),
        _ => (words, ""),
    };
    StartError { message: format!("not let in: {words}"), hint: hint.to_owned() }
}

/// Nobody vouches for whoever is not let in: what is said of it, and what helps.
fn unwanted(by: Refuser, words: String, given: Given) -> (String, &'static str) {
    match by {
        Refuser::User => ("you said no".to_owned(), "the next call asks again"),
        Refuser::Nobody => {
            let words = "you were asked about the other side, and did not answer";
            (words.to_owned(), "the next call asks again; with a one-time code (--code) nobody is asked")
        }
        Refuser::Rule => {
            let words = "the other side's key was never seen here, and only known ones are wanted";
            (words.to_owned(), "a first meeting takes a one-time code (--new-code there, --code here) or --trust new")
        }
        Refuser::Peer { asked: true } => {
            let words = "the other side was asked about you, and there was no yes";
            (
                words.to_owned(),
                "call again, or ask for a one-time code (--new-code there, --code here): then nobody is asked",
            )
        }
        Refuser::Peer { asked: false } => (
            format!("the other side says: {words}"),
            match given {
                Given { plain: true, .. } => {
                    "from another machine, --plain takes --trust new on that side, or its calling you"
                }
                Given { code: true, .. } => {
                    "the code counts no more there: ask for a new one, or for --trust new on that side"
                }
                Given { .. } => {
                    "ask for a one-time code (--new-code there, --code here), or for --trust new on that side"
                }
            },
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "strangers are not let in";

    fn told(by: Refuser, given: Given) -> (String, String) {
        let StartError { message, hint } = not_let_in(by, Some(Refusal::NotWanted), &WORDS.into(), given);
        (message, hint)
    }

    #[test]
    fn each_way_of_not_being_wanted_is_told_in_words_of_its_own_with_a_hint_that_helps() {
        let given = Given::default();
        let (rule, hint) = told(Refuser::Rule, given);
        assert!(rule.contains("only known ones are wanted") && hint.ends_with("or --trust new"), "{rule}, {hint}");
        assert_eq!(told(Refuser::User, given).0, "not let in: you said no");
        assert!(told(Refuser::Nobody, given).0.contains("did not answer"));
        let (asked, _) = told(Refuser::Peer { asked: true }, given);
        assert!(asked.contains("was asked about you"), "{asked}");
        let (theirs, hint) = told(Refuser::Peer { asked: false }, given);
        assert_eq!(theirs, "not let in: the other side says: strangers are not let in");
        assert!(hint.ends_with("--trust new on that side"), "{hint}");
    }

    #[test]
    fn what_our_user_has_given_already_is_not_the_hint() {
        let hint = |given| told(Refuser::Peer { asked: false }, given).1;
        assert!(hint(Given { code: true, plain: false }).starts_with("the code counts no more there"));
        assert!(hint(Given { code: false, plain: true }).starts_with("from another machine, --plain takes"));
    }

    #[test]
    fn every_other_reason_stands_in_the_words_of_who_refuses() {
        for reason in [None, Some(Refusal::Busy), Some(Refusal::Purpose), Some(Refusal::WrongCode)] {
            let said = not_let_in(Refuser::Rule, reason, &"because".into(), Given::default());
            assert_eq!(said.message, "not let in: because", "{reason:?}");
        }
    }
}
