//! What is to be true of codes, and of two who prove one to each other while somebody changes their messages.
//!
//! ```text
//!  0 | text                                               read as a code
//!  1 | role | (length | bytes)*                           messages that somebody makes up; length 255: our own, again
//!  2 | number | (place | change)* | more                  a run in which one message is changed
//! ```

use tete::secure::code::Code;
use tete::secure::key::PublicKey;
use tete::secure::pairing::{MAX_MESSAGE, Pairing, PairingError, Role, Step};

const CALLER: PublicKey = PublicKey::new([1; 32]);
const CALLED: PublicKey = PublicKey::new([2; 32]);

/// A code is read back; nobody proves one who does not know it; and no changed message of a proof is taken.
pub(crate) fn code(data: &[u8]) {
    match data {
        [0, text @ ..] => read(text),
        [1, role, messages @ ..] => made_up(if role & 1 == 0 { Role::Caller } else { Role::Called }, messages),
        [2, number, changes @ ..] => changed(usize::from(number % 4), changes),
        _ => {}
    }
}

fn read(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match Code::parse(&text) {
        Ok(code) => assert_eq!(Code::parse(&code.to_string()), Ok(code)),
        Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
    }
}

fn start(role: Role) -> (Pairing, Option<Vec<u8>>) {
    let (ours, theirs) = if role == Role::Caller { (CALLER, CALLED) } else { (CALLED, CALLER) };
    Pairing::start(role, &Code::new([1, 2, 3]), ours, theirs, [3; 32])
}

fn made_up(role: Role, mut messages: &[u8]) {
    let (mut pairing, first) = start(role);
    assert_eq!(first.is_some(), role == Role::Caller);
    let mut ours = first.unwrap_or_default();
    let (mut sent, mut ended) = (0, false);
    while let Some((&length, rest)) = messages.split_first() {
        let (message, rest) =
            if length == 255 { (&ours[..], rest) } else { rest.split_at(rest.len().min(usize::from(length))) };
        messages = rest;
        let counted = pairing.counts();
        match pairing.handle(message) {
            Ok(Step::Send(answer)) => {
                assert!(!ended && answer.len() <= MAX_MESSAGE);
                sent += 1;
                // The caller's answer is its proof: from now on it is a wrong try.
                assert_eq!(pairing.counts(), role == Role::Caller);
                ours = answer;
            }
            Ok(Step::Done(_)) => panic!("proved by somebody who does not know the code"),
            Err(error) => {
                assert_eq!(pairing.counts(), counted || error == PairingError::Wrong, "{error}");
                ended = true;
            }
        }
    }
    assert!(sent <= 1);
}

/// One message after the other, until somebody is done or says no. Which of them is `number`, is changed.
fn changed(number: usize, changes: &[u8]) {
    let (mut caller, mut message) = start(Role::Caller);
    let (mut called, _) = start(Role::Called);
    let (mut differs, mut done) = (false, 0);
    for turn in 0..4 {
        let Some(mut bytes) = message.take() else { break };
        if turn == number {
            let before = bytes.clone();
            change(&mut bytes, changes);
            differs = bytes != before;
        }
        let to = if turn % 2 == 0 { &mut called } else { &mut caller };
        match to.handle(&bytes) {
            Ok(Step::Send(answer)) => message = Some(answer),
            Ok(Step::Done(answer)) => {
                // Only the last message can be changed behind somebody who is done already.
                assert!(!differs, "message {number} was changed and turn {turn} is done");
                done += 1;
                message = answer;
            }
            Err(_) => break,
        }
    }
    let expected = match (differs, number) {
        (false, _) => 2,
        (true, 3) => 1,
        (true, _) => 0,
    };
    assert_eq!(done, expected, "message {number}");
    // Whoever has said its proof and heard none counts it; who both are done count nothing.
    match done {
        2 => assert!(!caller.counts() && !called.counts()),
        _ => assert!(caller.counts() || number < 2, "message {number}"),
    }
}

fn change(bytes: &mut Vec<u8>, changes: &[u8]) {
    for pair in changes.chunks(2) {
        match *pair {
            [place, change] if usize::from(place) < bytes.len() => bytes[usize::from(place)] ^= change,
            [place, _] if place > 200 => bytes.truncate(bytes.len().saturating_sub(usize::from(place - 200))),
            [more, _] | [more] => bytes.push(more),
            _ => {}
        }
    }
}
