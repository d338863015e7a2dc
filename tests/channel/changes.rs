//! What somebody on the path can do: change a byte, cut, repeat, reorder. It ends in an error or in nothing, and never in
//! two sides that believe in different things.

use tete::secure::tls::{Channel, TlsError};

use crate::ends::{End as _, pair, shake, tls};

/// The flights of a handshake, in order: the caller's, the called side's, the caller's.
fn flights() -> [Vec<u8>; 3] {
    let (mut caller, mut called) = (tls().call(None).unwrap(), tls().answer().unwrap());
    let first = caller.give();
    called.take(&first).unwrap();
    let second = called.give();
    caller.take(&second).unwrap();
    let third = caller.give();
    called.take(&third).unwrap();
    assert!(!called.is_handshaking() && !called.wants_transmit());
    [first, second, third]
}

/// Where the record begins that byte `at` of a flight stands in, as an offset from there: 0 to 4 is its head.
fn within_record(flight: &[u8], at: usize) -> usize {
    let mut begin = 0;
    loop {
        let length = usize::from(u16::from_be_bytes([flight[begin + 3], flight[begin + 4]]));
        if at < begin + 5 + length {
            return at - begin;
        }
        begin += 5 + length;
    }
}

/// The type and the version in a record's head. The version "MUST be ignored" (RFC 8446, section 5.1), and of a protected
/// record the library ignores the type too: the true one is inside. So a changed one may pass, and changes nothing.
fn is_label(at: usize) -> bool {
    at < 3
}

/// A handshake in which one bit of one flight is changed: both ends, and whether it was a label. `None` behind the end.
fn changed(flight: usize, at: usize, bit: u8) -> Option<(Channel, Channel, bool)> {
    let (here, there) = (tls(), tls());
    let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
    let mut label = false;
    for turn in 0..4 {
        let from_caller = turn % 2 == 0;
        let mut bytes = if from_caller { caller.give() } else { called.give() };
        if turn == flight {
            if at == bytes.len() {
                return None;
            }
            label = is_label(within_record(&bytes, at));
            bytes[at] ^= 1 << bit;
        }
        // What either end thinks of it is judged at the end; an alert still has to reach the other.
        let _ = if from_caller { called.take(&bytes) } else { caller.take(&bytes) };
    }
    if let (Some(peer), Some(of)) = (caller.peer(), called.peer()) {
        assert_eq!((peer, of), (there.public(), here.public()), "flight {flight}, byte {at}, bit {bit}");
        assert_eq!(caller.binding(), called.binding());
    }
    Some((caller, called, label))
}

#[test]
fn no_changed_bit_of_a_handshake_goes_unnoticed() {
    let mut judged = 0;
    for flight in 0..3 {
        // Each byte in turn, and of each another bit, until the flight is through.
        for at in 0.. {
            let bit = u8::try_from(at % 8).unwrap();
            let Some((caller, called, label)) = changed(flight, at, bit) else { break };
            let both = caller.peer().is_some() && called.peer().is_some();
            assert!(!both || label, "flight {flight}, byte {at}, bit {bit}");
            judged += 1;
        }
    }
    assert!(judged > 2000, "a handshake with X25519MLKEM768 has more than {judged} bytes");
}

#[test]
fn a_handshake_ends_with_its_last_byte_and_not_before() {
    let [first, second, third] = [0, 1, 2].map(|flight| {
        let (mut caller, mut called) = (tls().call(None).unwrap(), tls().answer().unwrap());
        let mut last = Vec::new();
        for turn in 0..=flight {
            let (from, to) = if turn % 2 == 0 { (&mut caller, &mut called) } else { (&mut called, &mut caller) };
            last = from.give();
            for (at, byte) in last.iter().enumerate() {
                assert!(
                    to.is_handshaking() && to.peer().is_none() && to.binding().is_none(),
                    "turn {turn}, cut at {at}"
                );
                to.take(&[*byte]).unwrap();
            }
        }
        assert_eq!(caller.is_handshaking(), flight < 1);
        assert_eq!(called.is_handshaking(), flight < 2);
        last.len()
    });
    assert_eq!([first, second, third], flights().map(|flight| flight.len()));
}

#[test]
fn a_flight_of_another_connection_is_refused() {
    let [first, second, third] = flights();
    let mut caller = tls().call(None).unwrap();
    caller.give();
    assert!(caller.take(&second).is_err() && caller.peer().is_none());
    let mut called = tls().answer().unwrap();
    called.take(&first).unwrap();
    called.give();
    assert!(called.take(&third).is_err() && called.peer().is_none());
}

#[test]
fn fault_28_a_caller_whose_own_hello_comes_back_takes_nobody() {
    let mut caller = tls().call(None).unwrap();
    let hello = caller.give();
    assert!(caller.take(&hello).is_err());
    assert!(caller.peer().is_none());
}

#[test]
fn no_changed_bit_of_what_is_said_goes_unnoticed() {
    let length = {
        let (mut caller, _) = pair();
        caller.send(b"what is said").unwrap();
        caller.give().len()
    };
    for at in 0..length {
        let (mut caller, mut called) = pair();
        caller.send(b"what is said").unwrap();
        let mut record = caller.give();
        record[at] ^= 1 << (at % 8);
        // More than a changed length can ask for.
        caller.send(&[b' '; 20_000]).unwrap();
        record.extend(caller.give());
        match called.take(&record) {
            Ok(heard) => assert!(is_label(at) && heard.starts_with(b"what is said "), "byte {at}"),
            Err(_) => assert_eq!(called.plaintext(), b"", "byte {at}"),
        }
    }
}

#[test]
fn records_that_are_repeated_left_out_or_exchanged_are_refused() {
    for (order, heard) in [(&[0, 0][..], 1), (&[1], 0), (&[0, 2], 1), (&[1, 0], 0), (&[0, 1, 1], 2), (&[0, 1, 0], 2)] {
        let (mut caller, mut called) = pair();
        let records = [b"one", b"two", b"six"].map(|said| {
            caller.send(said).unwrap();
            caller.give()
        });
        let mut all = Vec::new();
        let end = order.iter().try_for_each(|i| called.take(&records[*i]).map(|said| all.extend(said)));
        assert!(end.is_err(), "{order:?}");
        assert_eq!(all, b"onetwo"[..3 * heard], "{order:?}");
        assert!(called.wants_transmit(), "an alert tells it");
        assert_eq!(called.receive(&records[2]), Err(end.unwrap_err()), "it stays so");
    }
}

#[test]
fn what_is_sent_back_to_its_sender_is_refused() {
    let (mut caller, _) = pair();
    caller.send(b"hello").unwrap();
    let record = caller.give();
    assert!(caller.take(&record).is_err());
}

#[test]
fn a_cut_is_not_an_end() {
    let (mut caller, mut called) = pair();
    caller.send(b"half of it").unwrap();
    assert_eq!(called.take(&caller.give()).unwrap(), b"half of it");
    assert!(!called.has_ended(), "the connection may end here, but nobody has said so");
    caller.close();
    let end = caller.give();
    called.take(&end[..end.len() - 1]).unwrap();
    assert!(!called.has_ended());
    called.take(&end[end.len() - 1..]).unwrap();
    assert!(called.has_ended());
}

#[test]
fn an_end_that_somebody_made_up_is_an_error() {
    let (_, mut called) = pair();
    // A close_notify in the open (RFC 8446, section 6.1).
    assert!(called.take(&[0x15, 3, 3, 0, 2, 1, 0]).is_err());
    assert!(!called.has_ended());
    // And before the handshake is through.
    let mut called = tls().answer().unwrap();
    assert!(called.take(&[0x15, 3, 3, 0, 2, 1, 0]).is_err() || !called.has_ended());
}

#[test]
fn each_side_tells_the_other_that_it_was_changed() {
    let (mut caller, mut called) = pair();
    caller.send(b"hello").unwrap();
    let mut record = caller.give();
    record[7] ^= 1;
    assert_eq!(called.take(&record), Err(TlsError::Other("what was received had been changed on the way".to_owned())));
    let told = caller.take(&called.give()).unwrap_err();
    assert!(matches!(&told, TlsError::Alert(why) if why.contains("changed on the way")), "{told:?}");
}

#[test]
fn after_the_other_sides_end_ours_can_still_be_said() {
    let (mut caller, mut called) = pair();
    caller.close();
    called.take(&caller.give()).unwrap();
    called.send(b"one thing more").unwrap();
    called.close();
    assert_eq!(caller.take(&called.give()).unwrap(), b"one thing more");
    assert!(caller.has_ended() && called.has_ended());
    assert_eq!(shake(&mut caller, &mut called), Ok(()), "nothing waits");
}
