//! What a peer can make us do and hold: bounded, in the handshake and after it.

use tete::secure::tls::TlsError;

use crate::ends::{End as _, Shown, TETE, pair, shake_with, stranger_calls, stranger_gives_tickets, tls};

/// Most that is taken of a handshake before it is refused, in bytes.
const MOST: usize = 16 * 1024;

/// A record of the handshake.
fn record(body: &[u8]) -> Vec<u8> {
    [&[0x16, 3, 1][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// A ClientHello of `length` bytes, in records of `piece` bytes; what is in it makes no sense.
fn hello(length: u32, piece: usize) -> Vec<u8> {
    let mut message = vec![1];
    message.extend_from_slice(&length.to_be_bytes()[1..]);
    message.resize(message.len() + usize::try_from(length).unwrap(), 7);
    message.chunks(piece).flat_map(record).collect()
}

#[test]
fn fault_24_an_oversized_hello_is_refused_before_it_is_held() {
    for (length, piece) in [(0x1_0000, 16_384), (0xff_ffff, 16_384), (0xffff, 16_384), (0xffff, 50), (20_000, 1)] {
        let wire = hello(length, piece);
        let mut called = tls().answer().unwrap();
        let mut taken = 0;
        let error = loop {
            assert!(taken < wire.len(), "all {taken} bytes were taken");
            let until = wire.len().min(taken + 1000);
            match called.receive(&wire[taken..until]) {
                Ok(n) => taken += n,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, TlsError::Other(_)), "{error:?}");
        assert!(taken <= MOST, "{taken} bytes of {length} in pieces of {piece}");
        assert_eq!(called.receive(&wire[taken..]), Err(error));
    }
}

#[test]
fn a_handshake_in_the_smallest_pieces_is_still_a_handshake() {
    let (mut caller, mut called) = (tls().call(None).unwrap(), tls().answer().unwrap());
    // The hello anew, in records of a byte each: six times as long, and still within the bound.
    let hello = caller.give();
    let pieces: Vec<u8> = hello[5..].chunks(1).flat_map(record).collect();
    assert!(pieces.len() < MOST && called.take(&pieces).is_ok());
    caller.take(&called.give()).unwrap();
    called.take(&caller.give()).unwrap();
    assert!(called.peer().is_some());
}

#[test]
fn what_follows_a_handshake_at_once_does_not_count_as_one() {
    let (mut caller, mut called) = (tls().call(None).unwrap(), tls().answer().unwrap());
    caller.send(&[b'x'; 1_000_000]).unwrap();
    called.take(&caller.give()).unwrap();
    caller.take(&called.give()).unwrap();
    assert_eq!(called.take(&caller.give()).unwrap().len(), 1_000_000);
}

#[test]
fn a_message_of_the_library_behind_the_handshake_has_a_bound() {
    let mut caller = tls().call(None).unwrap();
    shake_with(&mut caller, &mut stranger_gives_tickets(MOST)).unwrap();
    // In its records it is longer than the 64 KiB that the library holds of one.
    let mut caller = tls().call(None).unwrap();
    let error = shake_with(&mut caller, &mut stranger_gives_tickets(65_400)).unwrap_err();
    assert!(matches!(&error, TlsError::Other(why) if why.contains("too much at once")), "{error}");
    assert!(caller.peer().is_some(), "the handshake was through");
    assert_eq!(caller.receive(b"more"), Err(error), "it stays so");
}

#[test]
fn empty_pieces_of_a_handshake_are_refused() {
    let mut called = tls().answer().unwrap();
    assert!((0..100).any(|_| called.take(&record(&[])).is_err()));
}

#[test]
fn fault_42_a_flood_of_key_updates_is_refused() {
    let (mut called, mut caller) = (tls().answer().unwrap(), stranger_calls(&Shown::ours(), TETE));
    shake_with(&mut called, &mut caller).unwrap();
    let mut updates = 0;
    let error = loop {
        assert!(updates < 100, "{updates} were taken");
        caller.refresh_traffic_keys().unwrap();
        match called.take(&caller.give()) {
            Ok(_) => updates += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, TlsError::Other(why) if why.contains("KeyUpdate")), "{error}");
    assert!(called.give().len() < 10_000, "no answer waits for each of {updates}");
}

#[test]
fn key_updates_among_what_is_said_are_taken() {
    let (mut called, mut caller) = (tls().answer().unwrap(), stranger_calls(&Shown::ours(), TETE));
    shake_with(&mut called, &mut caller).unwrap();
    for _ in 0..100 {
        caller.refresh_traffic_keys().unwrap();
        std::io::Write::write_all(&mut caller.writer(), b"x").unwrap();
        assert_eq!(called.take(&caller.give()).unwrap(), b"x");
        called.send(b"y").unwrap();
        assert_eq!(caller.take(&called.give()).unwrap(), b"y");
    }
}

#[test]
fn fault_42_a_flood_of_warnings_is_refused() {
    // user_canceled (RFC 8446, section 6.1), the only warning that may be passed over.
    let warning = [0x15, 3, 3, 0, 2, 1, 90];
    let mut called = tls().answer().unwrap();
    assert!((0..10).any(|_| called.take(&warning).is_err()));
    let mut caller = tls().call(None).unwrap();
    caller.give();
    assert!((0..10).any(|_| caller.take(&warning).is_err()));
}

#[test]
fn a_flood_of_change_cipher_spec_is_refused() {
    // RFC 8446, section 5: one may be there for old boxes on the way.
    let change = [0x14, 3, 3, 0, 1, 1];
    let mut called = tls().answer().unwrap();
    assert!((0..10).any(|_| called.take(&change).is_err()));
    let (mut caller, _) = pair();
    assert!((0..10).any(|_| caller.take(&change).is_err()));
}

#[test]
fn a_record_longer_than_records_are_is_refused_by_its_head() {
    for kind in [0x16, 0x17] {
        let mut called = tls().answer().unwrap();
        assert_eq!(called.receive(&[kind, 3, 3, 0xff, 0xff]), Err(TlsError::NotTls));
        let (mut caller, _) = pair();
        assert!(matches!(caller.receive(&[kind, 3, 3, 0xff, 0xff]), Err(TlsError::Other(_))));
    }
}
