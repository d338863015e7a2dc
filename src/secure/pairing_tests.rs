//! First meetings: friends, guessers, and whoever stands between.

use std::time::Instant;

use super::*;
use crate::secure::code::OneTime;
use proptest::prelude::*;

const CALLER: PublicKey = PublicKey::new([1; 32]);
const CALLED: PublicKey = PublicKey::new([2; 32]);
const BINDING: [u8; 32] = [3; 32];

fn code(first: u8) -> Code {
    Code::new([first, 0, 0])
}

fn caller(code: &Code) -> (Pairing, Vec<u8>) {
    let (pairing, first) = Pairing::start(Role::Caller, code, CALLER, CALLED, BINDING);
    (pairing, first.unwrap())
}

fn called(code: &Code) -> Pairing {
    let (pairing, first) = Pairing::start(Role::Called, code, CALLED, CALLER, BINDING);
    assert_eq!(first, None);
    pairing
}

fn send(step: Result<Step, PairingError>) -> Vec<u8> {
    match step {
        Ok(Step::Send(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// A run up to the caller's MAC.
fn run(caller: &mut (Pairing, Vec<u8>), called: &mut Pairing) -> Result<Step, PairingError> {
    let answer = send(called.handle(&caller.1));
    let mac = send(caller.0.handle(&answer));
    called.handle(&mac)
}

#[test]
fn whoever_knows_the_code_is_through() {
    let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
    let Ok(Step::Done(Some(mac))) = run(&mut caller, &mut called) else { panic!() };
    assert_eq!(caller.0.handle(&mac), Ok(Step::Done(None)));
    assert!(!caller.0.counts() && !called.counts());
}

#[test]
fn another_program_that_keeps_to_what_is_written_here_is_through() {
    let names = [CALLER, CALLED].map(|key| Identity::new(key.bytes()));
    let password = Password::new(code(7).to_string());
    let (spake, pake) = Spake2::<Ed25519Group>::start_a(&password, &names[0], &names[1]);
    let mut called = called(&code(7));
    let answer = send(called.handle(&framed(&pake)));
    let key = blake3::derive_key(CONTEXT, &spake.finish(&answer[1..]).unwrap());
    let mac = |by: &[u8]| {
        let covered = [by, &[SUITE], CALLER.bytes(), CALLED.bytes(), &BINDING, &pake, &answer[1..]].concat();
        framed(blake3::keyed_hash(&key, &covered).as_bytes())
    };
    assert_eq!(called.handle(&mac(b"caller")), Ok(Step::Done(Some(mac(b"called")))));
}

#[test]
fn every_failure_is_told_in_words_of_its_own() {
    let failures = [PairingError::Wrong, PairingError::Suite(9), PairingError::Malformed("it is empty")];
    let told = failures.map(|failure| failure.to_string());
    assert!(
        ["codes differ", "(9)", "it is empty"].iter().zip(&told).all(|(word, told)| told.contains(word)),
        "{told:?}"
    );
}

#[test]
fn a_wrong_code_fails_before_the_called_side_confirms_anything() {
    let (mut caller, mut called) = (caller(&code(7)), called(&code(8)));
    assert_eq!(run(&mut caller, &mut called), Err(PairingError::Wrong));
    assert!(called.counts(), "the caller has guessed");
    assert!(caller.0.counts(), "whoever answered has our MAC and showed none");
}

#[test]
fn a_run_that_is_cut_counts_only_where_something_could_be_tested() {
    let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
    assert!(!caller.0.counts() && !called.counts());
    let answer = send(called.handle(&caller.1));
    assert!(!caller.0.counts() && !called.counts());
    let mac = send(caller.0.handle(&answer));
    assert!(caller.0.counts() && !called.counts(), "the caller's MAC is out");
    let Ok(Step::Done(Some(last))) = called.handle(&mac) else { panic!() };
    assert!(caller.0.counts() && !called.counts(), "the called side has a valid one");
    caller.0.handle(&last).unwrap();
    assert!(!caller.0.counts());
}

#[test]
fn an_answer_that_is_no_mac_counts_when_ours_is_out() {
    for bad in [&b""[..], &[SUITE], &[SUITE; MAC], &[SUITE; MAC + 1], &[9; MAC + 1], &[SUITE; 1000]] {
        let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
        let answer = send(called.handle(&caller.1));
        caller.0.handle(&answer).unwrap();
        assert!(caller.0.handle(bad).is_err());
        assert!(caller.0.counts());
        assert!(called.handle(bad).is_err());
        assert_eq!(called.counts(), bad == [SUITE; MAC + 1], "only a MAC is a guess");
    }
}

#[test]
fn a_relay_is_found_though_both_ends_know_the_code() {
    let relay = PublicKey::new([9; 32]);
    let start = |role, ours, theirs, binding| Pairing::start(role, &code(7), ours, theirs, binding);
    let ends = |a: (PublicKey, [u8; 32]), b: (PublicKey, [u8; 32])| {
        let (first, message) = start(Role::Caller, CALLER, a.0, a.1);
        ((first, message.unwrap()), start(Role::Called, CALLED, b.0, b.1).0)
    };
    let other = [4; 32];
    for (a, b) in [
        ((CALLED, BINDING), (CALLER, other)), // the same keys, two channels
        ((relay, BINDING), (relay, BINDING)), // the relay's own key on both
        ((relay, BINDING), (CALLER, BINDING)),
        ((CALLED, BINDING), (relay, BINDING)),
        ((relay, BINDING), (relay, other)),
    ] {
        let (mut caller, mut called) = ends(a, b);
        assert_eq!(run(&mut caller, &mut called), Err(PairingError::Wrong));
        assert!(called.counts() && caller.0.counts());
    }
    let (mut caller, mut called) = ends((CALLED, BINDING), (CALLER, BINDING));
    assert!(run(&mut caller, &mut called).is_ok(), "the same without a relay");
}

#[test]
fn what_is_sent_back_to_its_sender_proves_nothing() {
    let (mut pairing, first) = caller(&code(7));
    assert_eq!(pairing.handle(&first), Err(PairingError::Malformed("it is our own")));
    let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
    let answer = send(called.handle(&caller.1));
    let mac = send(caller.0.handle(&answer));
    assert_eq!(caller.0.handle(&mac), Err(PairingError::Wrong), "its own MAC");
    assert!(called.handle(&answer).is_err(), "its own PAKE where a MAC should be");
    // Two callers of one code, whose messages somebody passes between them.
    let (mut pairing, _) = self::caller(&code(7));
    let (_, other) = self::caller(&code(7));
    assert!(pairing.handle(&other).is_err());
}

#[test]
fn what_was_said_in_another_run_proves_nothing() {
    let (mut old, mut old_called) = (caller(&code(7)), called(&code(7)));
    let answer = send(old_called.handle(&old.1));
    let mac = send(old.0.handle(&answer));
    let Ok(Step::Done(Some(last))) = old_called.handle(&mac) else { panic!() };
    // To the called side again: both of the caller's messages.
    let mut called = called(&code(7));
    send(called.handle(&old.1));
    assert_eq!(called.handle(&mac), Err(PairingError::Wrong));
    assert!(called.counts());
    // To the caller again: both of the called side's.
    let (mut caller, _) = caller(&code(7));
    send(caller.handle(&answer));
    assert_eq!(caller.handle(&last), Err(PairingError::Wrong));
    assert!(caller.counts());
}

#[test]
fn messages_out_of_order_and_of_other_suites_end_a_run() {
    let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
    let answer = send(called.handle(&caller.1));
    let again = Err(PairingError::Malformed("it has another length"));
    assert_eq!(called.handle(&caller.1), again, "a PAKE message twice");
    assert_eq!(called.handle(&caller.1), Err(PairingError::Malformed("it is over already")));
    let mut newer = answer.clone();
    newer[0] = 2;
    assert_eq!(caller.0.handle(&newer), Err(PairingError::Suite(2)));
    assert_eq!(caller.0.handle(&answer), Err(PairingError::Malformed("it is over already")));
    assert!(!caller.0.counts() && !called.counts());
}

#[test]
fn success_cannot_be_had_twice() {
    let (mut caller, mut called) = (caller(&code(7)), called(&code(7)));
    let answer = send(called.handle(&caller.1));
    let mac = send(caller.0.handle(&answer));
    assert!(called.handle(&mac).is_ok());
    assert!(called.handle(&mac).is_err());
    assert!(!called.counts(), "what follows success is no try");
}

#[test]
fn elements_of_small_order_prove_nothing() {
    // The eight points of the curve whose order divides 8, and y = p + 1, another way to write the neutral one.
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in small {
        let element = data_encoding::HEXLOWER.decode(point.as_bytes()).unwrap();
        let mut called = called(&code(7));
        let message = [&[SUITE, b'A'][..], &element].concat();
        // K = y * (element - w * M): whatever the element, w * M stays, and with it the code.
        if called.handle(&message).is_ok() {
            assert_eq!(called.handle(&[SUITE; MAC + 1]), Err(PairingError::Wrong));
        }
    }
}

#[test]
fn a_log_shows_nothing_of_a_run() {
    assert_eq!(format!("{:?}", caller(&code(7)).0), "Pairing(Caller, Pake)");
}

/// How many of `lives` codes of 8 bits are found by somebody who calls until the code is burnt, never with the same
/// guess twice. SplitMix64 picks the codes and the guesses.
fn found(lives: u64, seed: u64) -> u64 {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    };
    let now = Instant::now();
    let mut found = 0;
    for _ in 0..lives {
        let mut ours = OneTime::new(code(random()), now);
        let (first, step) = (random(), random() | 1);
        for guess in 0.. {
            let Some(right) = ours.usable(now) else { break };
            let mut called = called(right);
            let mut caller = caller(&code(first.wrapping_add(step.wrapping_mul(guess))));
            match run(&mut caller, &mut called) {
                Ok(Step::Done(_)) => {
                    found += 1;
                    ours.used();
                }
                _ if called.counts() => _ = ours.wrong(),
                other => panic!("a wrong guess that does not count: {other:?}"),
            }
        }
    }
    found
}

#[test]
fn three_guesses_find_three_codes_of_256() {
    let (lives, seed) = (2000, 0x7e7e);
    let found = found(lives, seed);
    // 3 / 256 of 2000 are 23.4, with a deviation of 4.8: three of those each way. Six tries would give 47.
    assert!((10..38).contains(&found), "{found} of {lives}, seed {seed:#x}");
    println!("{found} of {lives} codes of 8 bits found with three guesses each");
}

proptest! {
    #[test]
    fn nothing_that_is_received_is_too_much(first: Vec<u8>, second: Vec<u8>, pake: [u8; 32], mac: [u8; 32]) {
        for role in [Role::Caller, Role::Called] {
            let (mut pairing, _) = Pairing::start(role, &code(7), CALLER, CALLED, BINDING);
            prop_assert!(pairing.handle(&first).is_err());
            let (mut pairing, _) = Pairing::start(role, &code(7), CALLER, CALLED, BINDING);
            let letter = if role == Role::Caller { b'B' } else { b'A' };
            if pairing.handle(&[&[SUITE, letter][..], &pake].concat()).is_ok() {
                let message = if mac[0] % 2 == 0 { [&[SUITE][..], &mac].concat() } else { second.clone() };
                prop_assert!(pairing.handle(&message).is_err());
                prop_assert!(role == Role::Called || pairing.counts());
            }
        }
    }
}
