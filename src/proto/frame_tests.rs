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
fn every_kind_has_the_code_and_the_bounds_of_this_version() {
    let table = [
        (0x01, "WELCOME", 3, 119),
        (0x02, "REFUSED", 1, 513),
        (0x03, "WAIT", 0, 0),
        (0x04, "PAIR", 1, 128),
        (0x10, "TEXT", 8, 16_008),
        (0x11, "TEXT_ACK", 8, 8),
        (0x20, "OFFER", 17, 1040),
        (0x21, "ACCEPT", 16, 16),
        (0x22, "REFUSE", 8, 520),
        (0x23, "CHUNK", 17, 1_048_592),
        (0x24, "DIGESTS", 48, 1040),
        (0x25, "END", 48, 48),
        (0x26, "PROGRESS", 24, 24),
        (0x27, "COMMITTED", 8, 8),
        (0x28, "CANCEL", 9, 521),
        (0x29, "CANCELLED", 8, 8),
        (0x2a, "MOVE", 12, 12),
        (0x2b, "RESUME", 28, 28),
        (0x2c, "LACKS", 16, 2064),
        (0x30, "PING", 8, 8),
        (0x31, "PONG", 8, 8),
        (0x32, "LINK_DOWN", 4, 4),
        (0x33, "BACK", 17, 17),
        (0x34, "HEARD", 8, 8),
        (0x3f, "BYE", 1, 1),
    ];
    // Those that older versions skip may still grow.
    let needed = Kind::ALL.into_iter().filter(|kind| kind.code() < 0x80);
    let found: Vec<_> = needed.map(|kind| (kind.code(), kind.name(), kind.bounds().0, kind.bounds().1)).collect();
    assert_eq!(found, table);
}

#[test]
fn own_words_are_cut_at_a_character() {
    // The second time the bound lies within a character.
    for (before, length) in [("", MAX_WORDS), ("x", MAX_WORDS - 1)] {
        let whole = format!("{before}{}", "ä".repeat(400));
        let mut out = Vec::new();
        Frame::Refuse { id: TransferId(1), words: Untrusted::from(whole.as_str()) }.encode(&mut out);
        assert_eq!(std::str::from_utf8(&out[HEADER + 8..]), Ok(&whole[..length]));
    }
}

#[test]
fn a_sentence_about_time_spent_has_one_length() {
    let mut out = Vec::new();
    Frame::Spent { id: TransferId(1), half: Half::from_micros([0; HALF]) }.encode(&mut out);
    let length = out.len() - HEADER;
    assert_eq!(Kind::Spent.bounds(), (length, length));
}

#[test]
fn a_name_is_as_long_as_a_person_may_be_called_whatever_stands_before_it() {
    let welcome = |length: usize| Frame::decode(Kind::Welcome, &[&[0, 0, 0][..], &vec![b'x'; length]].concat());
    let name = Untrusted::from("x".repeat(MAX_PERSON));
    assert_eq!(welcome(MAX_PERSON), Ok(Frame::Welcome(Welcome { assigned: Assigned::Nothing, port: 0, name })));
    assert_eq!(welcome(MAX_PERSON + 1), Err(ProtocolError::Malformed { frame: "WELCOME", what: "too long" }));
}

#[test]
fn a_payload_with_a_tail_is_refused() {
    let result = Frame::decode(Kind::Ping, &[0; 9]);
    assert_eq!(result, Err(ProtocolError::Malformed { frame: "PING", what: "too long" }));
}
