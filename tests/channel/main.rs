//! The encrypted channel, seen from outside: bytes are passed in memory, changed, cut, repeated, or come from somebody
//! who speaks TLS but not as tete does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod ends;
mod floods;
mod openssl;
mod peers;

use ends::{End, carry, pair, shake, tls};
use tete::secure::code::Code;
use tete::secure::key::PublicKey;
use tete::secure::pairing::{Pairing, PairingError, Role, Step};
use tete::secure::tls::{ALPN, Channel, TlsError};

#[test]
fn a_handshake_agrees_on_what_it_should() {
    let (here, there) = (tls(), tls());
    let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
    shake(&mut caller, &mut called).unwrap();
    for channel in [&caller, &called] {
        assert_eq!(channel.agreed().unwrap(), "TLSv1_3 X25519MLKEM768 TLS13_AES_256_GCM_SHA384 tete/1");
    }
    assert_eq!((caller.peer(), called.peer()), (Some(there.public()), Some(here.public())));
}

#[test]
fn each_connection_has_a_value_of_its_own() {
    let (here, there) = (tls(), tls());
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
        shake(&mut caller, &mut called).unwrap();
        assert_eq!(caller.binding(), called.binding());
        seen.push(caller.binding().unwrap());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn one_account_may_talk_to_itself() {
    let ours = tls();
    let (mut caller, mut called) = (ours.call(Some(ours.public())).unwrap(), ours.answer().unwrap());
    shake(&mut caller, &mut called).unwrap();
    assert_eq!((caller.peer(), called.peer()), (Some(ours.public()), Some(ours.public())));
}

#[test]
fn the_wire_shows_neither_keys_nor_what_is_said() {
    let (here, there) = (tls(), tls());
    let (mut caller, mut called) = (here.call(Some(there.public())).unwrap(), there.answer().unwrap());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let flight = caller.give();
        called.take(&flight).unwrap();
        let answer = called.give();
        caller.take(&answer).unwrap();
        seen.extend([flight, answer].concat());
    }
    assert!(!called.is_handshaking());
    caller.send(b"what is said").unwrap();
    seen.extend(caller.give());
    let has = |what: &[u8]| seen.windows(what.len()).any(|window| window == what);
    for secret in [&here.public().bytes()[..], there.public().bytes(), b"what is said", b"tete.invalid"] {
        assert!(!has(secret), "{secret:02x?}");
    }
    assert!(has(ALPN), "the search finds what stands there");
}

#[test]
fn a_pinned_key_is_taken_and_no_other() {
    let (here, there, other) = (tls(), tls(), tls());
    let (mut caller, mut called) = (here.call(Some(there.public())).unwrap(), other.answer().unwrap());
    let error = shake(&mut caller, &mut called).unwrap_err();
    assert_eq!(error, TlsError::OtherKey { expected: there.public(), got: other.public() });
    assert_eq!((caller.peer(), called.peer()), (None, None));
}

/// Somebody stands between and terminates both channels.
fn relayed() -> [(Channel, Channel); 2] {
    let relay = tls();
    let mut ends =
        [(tls().call(None).unwrap(), relay.answer().unwrap()), (relay.call(None).unwrap(), tls().answer().unwrap())];
    for (a, b) in &mut ends {
        shake(a, b).unwrap();
    }
    ends
}

fn pairing(role: Role, code: &Code, ours: PublicKey, channel: &Channel) -> (Pairing, Option<Vec<u8>>) {
    Pairing::start(role, code, ours, channel.peer().unwrap(), channel.binding().unwrap())
}

#[test]
fn fault_27_a_relay_between_two_channels_does_not_get_a_code_through() {
    let code = Code::new([1, 2, 3]);
    let [(caller, to_caller), (to_called, called)] = relayed();
    let ours = (to_caller.peer().unwrap(), to_called.peer().unwrap());
    let (mut at_caller, first) = pairing(Role::Caller, &code, ours.0, &caller);
    let (mut at_called, _) = pairing(Role::Called, &code, ours.1, &called);
    let Ok(Step::Send(answer)) = at_called.handle(&first.unwrap()) else { panic!() };
    let Ok(Step::Send(mac)) = at_caller.handle(&answer) else { panic!() };
    assert_eq!(at_called.handle(&mac), Err(PairingError::Wrong));
    assert!(at_called.counts() && at_caller.counts());
}

#[test]
fn a_code_is_proved_through_a_channel() {
    let code = Code::new([1, 2, 3]);
    let (here, there) = (tls(), tls());
    let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
    shake(&mut caller, &mut called).unwrap();
    let (mut at_caller, first) = pairing(Role::Caller, &code, here.public(), &caller);
    let (mut at_called, _) = pairing(Role::Called, &code, there.public(), &called);
    caller.send(&first.unwrap()).unwrap();
    let heard = carry(&mut caller, &mut called).unwrap();
    let Ok(Step::Send(answer)) = at_called.handle(&heard) else { panic!() };
    let Ok(Step::Send(mac)) = at_caller.handle(&answer) else { panic!() };
    let Ok(Step::Done(Some(last))) = at_called.handle(&mac) else { panic!() };
    assert_eq!(at_caller.handle(&last), Ok(Step::Done(None)));
}

#[test]
fn large_writes_come_through_in_order_both_ways() {
    let (mut caller, mut called) = pair();
    let said: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
    let (mut heard, mut back) = (Vec::new(), Vec::new());
    for piece in said.chunks(256 * 1024) {
        caller.send(piece).unwrap();
        called.send(piece).unwrap();
        heard.extend(carry(&mut caller, &mut called).unwrap());
        back.extend(carry(&mut called, &mut caller).unwrap());
    }
    assert!(heard == said && back == said);
}
