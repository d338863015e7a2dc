//! What stands on the wire, compared with files: a program of any age must still write and read these bytes.
//!
//! `tests/vectors/*.txt` have a line for each: name, bytes in hexadecimal, what it is. `UPDATE=1` writes them anew,
//! which is only right for a line that is new.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::path::PathBuf;

use tete::proto::claim::Claim;
use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::error::ProtocolError;
use tete::proto::event::LeaveReason;
use tete::proto::frame::{
    Assigned, CancelReason, Frame, HEADER, Kind, Refusal, SessionTicket, Welcome, encode_chunk_header,
};
use tete::proto::hello::{Hello, Nonce, PREAMBLE, Purpose};
use tete::proto::stages::Half;
use tete::proto::text::Untrusted;
use tete::proto::{Span, TransferId};

const ID: TransferId = TransferId(0x0102_0304_0506_0708);
const NUMBER: u64 = 0x1112_1314_1516_1718;
const OTHER: u64 = 0x2122_2324_2526_2728;

fn words(text: &str) -> Untrusted {
    Untrusted::from(text)
}

/// Every kind, and every value of every field that is not a number.
fn frames() -> Vec<(String, Frame)> {
    let ticket = SessionTicket { id: [0xa1; 16], secret: [0xb2; 16] };
    let claim = Claim { session: [0xa1; 16], epoch: 2, proof: [0xc3; 32] };
    let mut out = vec![
        (
            "welcome-assigns",
            Frame::Welcome(Welcome { assigned: Assigned::Session(ticket), port: 5001, name: words("Jörg") }),
        ),
        ("welcome-for-files", Frame::Welcome(Welcome { assigned: Assigned::Bulk(claim), port: 0, name: words("") })),
        ("welcome", Frame::Welcome(Welcome { assigned: Assigned::Nothing, port: 0, name: words("") })),
        ("wait", Frame::Wait),
        ("pair", Frame::Pair { message: vec![1, 0xf6, 0xf7] }),
        ("text", Frame::Text { seq: NUMBER, text: words("grüß dich") }),
        ("text-of-no-words", Frame::Text { seq: 1, text: words("") }),
        ("text-not-utf8", Frame::Text { seq: 2, text: Untrusted::new(vec![0xff, 0x1b, 0x5b]) }),
        ("text-ack", Frame::TextAck { seq: NUMBER }),
        ("offer", Frame::Offer { id: ID, size: Some(NUMBER), name: words("notes.txt") }),
        ("offer-of-unknown-size", Frame::Offer { id: ID, size: None, name: words("-") }),
        ("accept", Frame::Accept { id: ID, from: NUMBER }),
        ("refuse", Frame::Refuse { id: ID, words: words("no") }),
        ("refuse-without-words", Frame::Refuse { id: ID, words: words("") }),
        ("digests", Frame::Digests { id: ID, first: NUMBER, values: vec![[0xc3; 32], [0xd4; 32]] }),
        ("end", Frame::End { id: ID, size: NUMBER, root: [0xe5; 32] }),
        ("progress", Frame::Progress { id: ID, stored: NUMBER, verified: OTHER }),
        ("committed", Frame::Committed { id: ID }),
        ("cancelled", Frame::Cancelled { id: ID }),
        ("move", Frame::Move { id: ID, epoch: 2 }),
        ("lacks", Frame::Lacks { id: ID, from: NUMBER, blocks: vec![1, 7] }),
        ("resume", Frame::Resume { id: ID, epoch: 2, stored: NUMBER, told: OTHER }),
        ("link-down", Frame::LinkDown { epoch: 2 }),
        ("back", Frame::Back { texts: NUMBER, orders: OTHER, bye: false }),
        ("back-after-bye", Frame::Back { texts: NUMBER, orders: OTHER, bye: true }),
        ("heard", Frame::Heard { orders: NUMBER }),
        ("ping", Frame::Ping { token: NUMBER }),
        ("pong", Frame::Pong { token: NUMBER }),
        ("spent", Frame::Spent { id: ID, half: Half::from_micros([1, 2, 3, 4, 5, 6]) }),
    ];
    for (name, reason) in [
        ("refused-busy", Some(Refusal::Busy)),
        ("refused-surplus", Some(Refusal::Surplus)),
        ("refused-yourself", Some(Refusal::Yourself)),
        ("refused-not-wanted", Some(Refusal::NotWanted)),
        ("refused-purpose", Some(Refusal::Purpose)),
        ("refused-no-session", Some(Refusal::NoSession)),
        ("refused-wrong-code", Some(Refusal::WrongCode)),
        ("refused-no-code", Some(Refusal::NoCode)),
        ("refused-unknown", None),
    ] {
        out.push((name, Frame::Refused { reason, words: words("sorry") }));
    }
    for (name, reason) in [
        ("cancel-user", Some(CancelReason::User)),
        ("cancel-source-changed", Some(CancelReason::SourceChanged)),
        ("cancel-source-failed", Some(CancelReason::SourceFailed)),
        ("cancel-disk-failed", Some(CancelReason::DiskFailed)),
        ("cancel-mismatch", Some(CancelReason::Mismatch)),
        ("cancel-leaving", Some(CancelReason::Leaving)),
        ("cancel-disk-kept", Some(CancelReason::DiskKept)),
        ("cancel-unknown", None),
    ] {
        out.push((name, Frame::Cancel { id: ID, reason, words: words("stop") }));
    }
    for (name, reason) in [
        ("bye-done", LeaveReason::Done),
        ("bye-interrupted", LeaveReason::Interrupted),
        ("bye-failed", LeaveReason::Failed),
    ] {
        out.push((name, Frame::Bye { reason }));
    }
    out.into_iter().map(|(name, frame)| (name.to_owned(), frame)).collect()
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The bytes that the file has under that name.
fn vector(file: &str, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let digits = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_else(|| panic!("{name} is missing"));
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file)
}

/// Compares a whole file with what it has to be.
fn compare(file: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(file), expected).unwrap();
    }
    let found = std::fs::read_to_string(path(file)).unwrap_or_default();
    assert_eq!(found, expected, "UPDATE=1 writes {file} anew");
}

fn chunk() -> (Span, Vec<u8>) {
    let mut bytes = Vec::new();
    encode_chunk_header(&mut bytes, ID, NUMBER, 3);
    bytes.extend_from_slice(b"abc");
    (Span { transfer: ID, offset: NUMBER, len: 3 }, bytes)
}

#[test]
fn every_frame_is_written_as_its_vector() {
    let mut expected = String::from("# name  bytes  reading: frames behind WELCOME's gate and in it\n");
    for (name, frame) in frames() {
        let _ = writeln!(expected, "{name} {} {frame:?}", hex(&encoded(&frame)));
    }
    let (span, bytes) = chunk();
    let _ = writeln!(expected, "chunk {} {span:?} abc", hex(&bytes));
    compare("frames.txt", &expected);
}

#[test]
fn every_kind_has_a_vector() {
    let named: Vec<Kind> = frames().iter().map(|(_, frame)| frame.kind()).collect();
    assert!(Kind::ALL.into_iter().all(|kind| kind == Kind::Chunk || named.contains(&kind)));
}

#[test]
fn every_vector_is_read_whole_and_with_trailing_bytes() {
    for (name, frame) in frames() {
        let mut bytes = vector("frames.txt", &name);
        let whole = (bytes.len(), Decoded::Frame(frame));
        assert_eq!(Decoder::default().push(&bytes), Ok(whole.clone()), "{name}");
        bytes.extend_from_slice(b"\xff\xff\xff\xfftail");
        assert_eq!(Decoder::default().push(&bytes), Ok(whole), "{name}");
    }
}

#[test]
fn every_vector_is_read_byte_by_byte() {
    for (name, frame) in frames() {
        let bytes = vector("frames.txt", &name);
        let mut decoder = Decoder::default();
        let (last, before) = bytes.split_last().unwrap();
        for byte in before {
            assert_eq!(decoder.push(&[*byte]), Ok((1, Decoded::Nothing)), "{name}");
        }
        assert_eq!(decoder.push(&[*last]), Ok((1, Decoded::Frame(frame))), "{name}");
        assert!(decoder.is_between_frames());
    }
}

#[test]
fn a_vector_cut_at_any_length_is_nothing_yet() {
    for (name, _) in frames() {
        let bytes = vector("frames.txt", &name);
        for cut in 0..bytes.len() {
            assert_eq!(Decoder::default().push(&bytes[..cut]), Ok((cut, Decoded::Nothing)), "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_chunk_is_read_whole_byte_by_byte_and_cut() {
    let (span, _) = chunk();
    let bytes = vector("frames.txt", "chunk");
    let head = bytes.len() - 3;
    assert_eq!(Decoder::default().push(&bytes), Ok((head, Decoded::Chunk(span))));
    let mut decoder = Decoder::default();
    for byte in &bytes[..head - 1] {
        assert_eq!(decoder.push(&[*byte]), Ok((1, Decoded::Nothing)));
    }
    assert_eq!(decoder.push(&bytes[head - 1..]), Ok((1, Decoded::Chunk(span))));
    for left in (0..3).rev() {
        decoder.take_body(1);
        assert_eq!(decoder.body().map_or(0, |span| span.len), left);
    }
    assert!(decoder.is_between_frames());
    for cut in 0..head {
        assert_eq!(Decoder::default().push(&bytes[..cut]), Ok((cut, Decoded::Nothing)));
    }
}

#[test]
fn a_length_outside_the_bounds_of_its_kind_is_refused_from_the_header_alone() {
    for kind in Kind::ALL {
        let (shortest, longest) = kind.bounds();
        let push = |length: usize| {
            let mut header = (length as u32).to_be_bytes().to_vec();
            header.push(kind.code());
            assert_eq!(header.len(), HEADER);
            Decoder::default().push(&header)
        };
        assert!(matches!(push(longest + 1), Err(ProtocolError::TooLong { .. })), "{}", kind.name());
        assert!(push(longest).is_ok() && push(shortest).is_ok() || kind == Kind::Wait, "{}", kind.name());
        if shortest > 0 {
            assert!(matches!(push(shortest - 1), Err(ProtocolError::Malformed { .. })), "{}", kind.name());
        }
    }
}

/// Greetings: of ours, and what has to be read of others.
fn hellos() -> Vec<(&'static str, Vec<u8>, String)> {
    let hello = Hello::new(Nonce(*b"0123456789abcdef"));
    let ours = hello.encode();
    let claim = Claim { session: [1; 16], epoch: 2, proof: [3; 32] };
    let with_code = Hello { has_code: true, ..hello }.encode();
    let for_files = Hello { purpose: Purpose::Bulk(claim), ..hello }.encode();
    let returning = Hello { purpose: Purpose::Return(claim), ..hello }.encode();
    let other = Hello { purpose: Purpose::Unknown(7), ..hello }.encode();
    let mut newer = ours.clone();
    newer[10..14].copy_from_slice(&[0, 9, 0, 21]);
    newer.extend_from_slice(b"new");
    let mut future = ours.clone();
    future[8..12].copy_from_slice(&[0, 7, 0, 9]);
    let mut short = ours.clone();
    short[12..14].copy_from_slice(&[0, 17]);
    let mut long = ours.clone();
    long[12..14].copy_from_slice(&[0xff, 0xff]);
    let stranger = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    [
        ("hello", ours),
        ("with-code", with_code),
        ("for-files", for_files),
        ("returning", returning),
        ("other-purpose", other),
        ("newer-with-more", newer),
        ("only-future-versions", future),
        ("too-short", short),
        ("too-long", long),
        ("http", stranger),
    ]
    .into_iter()
    .map(|(name, bytes)| {
        let reading = format!("{:?}", Hello::decode(&bytes));
        (name, bytes, reading)
    })
    .collect()
}

#[test]
fn every_greeting_is_read_as_its_vector_says() {
    let mut expected = String::from("# name  bytes  reading: what a link begins with\n");
    for (name, bytes, reading) in hellos() {
        let _ = writeln!(expected, "{name} {} {reading}", hex(&bytes));
    }
    compare("hello.txt", &expected);
}

#[test]
fn a_greeting_is_read_at_every_cut_and_with_what_follows_it() {
    for name in ["hello", "other-purpose", "newer-with-more"] {
        let mut bytes = vector("hello.txt", name);
        for cut in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..cut]), Ok(None), "{name} cut at {cut}");
        }
        let whole = Hello::decode(&bytes).unwrap().unwrap();
        assert_eq!(whole.1, bytes.len());
        bytes.extend_from_slice(b"tail");
        assert_eq!(Hello::decode(&bytes), Ok(Some(whole)), "{name}");
    }
}

#[test]
fn a_bad_greeting_is_refused_as_soon_as_its_preamble_is_there() {
    for name in ["only-future-versions", "too-short", "too-long"] {
        let bytes = vector("hello.txt", name);
        assert!(Hello::decode(&bytes[..PREAMBLE]).is_err(), "{name}");
        assert_eq!(Hello::decode(&bytes[..PREAMBLE - 1]), Ok(None), "{name}");
    }
    assert_eq!(Hello::decode(&vector("hello.txt", "http")[..1]), Err(ProtocolError::NotTete));
}
