//! Tests of [`super`] that need no vectors.

use super::*;

#[test]
fn every_code_names_one_kind() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_code(kind.code()), Some(kind));
        // Without it nothing is lost but a sentence.
        assert_eq!(kind.code() >= 0x80, kind == Kind::Spent, "{}: whether it may be skipped", kind.name());
    }
}

#[test]
fn own_words_are_cut_at_a_character() {
    let words = Untrusted::from("ä".repeat(400));
    let mut out = Vec::new();
    Frame::Refuse { id: TransferId(1), words }.encode(&mut out);
    let payload = &out[HEADER..];
    assert!(payload.len() <= Kind::Refuse.bounds().1);
    assert!(std::str::from_utf8(&payload[8..]).is_ok());
}

#[test]
fn a_payload_with_a_tail_is_refused() {
    let result = Frame::decode(Kind::Ping, &[0; 9]);
    assert_eq!(result, Err(ProtocolError::Malformed { frame: "PING", what: "too long" }));
}
