//! What is to be true of every byte string that a peer, a file or a user could hand in.
//!
//! Owns: one function for each reader, which panics when it is not true. Both libFuzzer (`tests/fuzz`) and an ordinary
//! test (`tests/corpora.rs`) call them. Must not know: where the bytes come from.
#![allow(dead_code, unused_imports, reason = "each target uses its part")]

mod kept;
mod names;
mod pairs;
mod scripts;
mod sessions;
mod typing;

use data_encoding::BASE64;
use serde_json::json;
use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::error::ProtocolError;
use tete::proto::frame::{Frame, Kind, MAX_OPTIONAL};
use tete::proto::hello::{Hello, MAX_HELLO, Nonce, PREAMBLE};
use tete::proto::text::{Untrusted, is_dangerous};
use tete::secure::key::{PublicKey, SecretKey};
use tete::secure::known::{Known, MAX_PEERS};
use tete::secure::saved_name::{MAX_NAME, clean};

pub(crate) use kept::journal;
pub(crate) use names::{name, text};
pub(crate) use pairs::code;
pub(crate) use scripts::{End, opening, played};
pub(crate) use sessions::{lived, session};
pub(crate) use typing::line_editor;

/// A reader and its name, which is also the name of its corpus.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 11] = [
    ("hello", hello),
    ("key", key),
    ("known_peers", known_peers),
    ("code", code),
    ("opening", opening),
    ("decoder", decoder),
    ("line_editor", line_editor),
    ("journal", journal),
    ("name", name),
    ("text", text),
    ("session", session),
];

/// A greeting is the same however it is cut, is never waited for beyond its bound, and is read back as it was.
pub(crate) fn hello(data: &[u8]) {
    let whole = Hello::decode(data);
    assert!(data.len() < PREAMBLE + MAX_HELLO || whole != Ok(None), "it is waited for without end");
    let mut judged = None;
    for cut in 0..=data.len().min(PREAMBLE + MAX_HELLO) {
        match (&judged, Hello::decode(&data[..cut])) {
            (None, Ok(None)) => {}
            (None, verdict) => judged = Some(verdict),
            (Some(before), after) => assert_eq!(*before, after, "what follows it changes it, at {cut}"),
        }
    }
    assert_eq!(whole, judged.unwrap_or(Ok(None)));
    if let Ok(Some((hello, length))) = whole {
        assert!(length <= PREAMBLE + MAX_HELLO && length <= data.len());
        let bytes = hello.encode();
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello, bytes.len()))));
    }
    if let Some(nonce) = data.first_chunk() {
        let hello = Hello { has_code: nonce[0] & 1 == 1, ..Hello::new(Nonce(*nonce)) };
        let bytes = hello.encode();
        assert_eq!(Hello::decode(&bytes), Ok(Some((hello, bytes.len()))));
    }
}

/// A key has one form on the wire and one for people, and a secret key in a file is read back.
pub(crate) fn key(data: &[u8]) {
    if let Ok(key) = PublicKey::from_spki(data) {
        assert_eq!(key.spki(), data);
    }
    if let Some(bytes) = data.first_chunk() {
        let key = PublicKey::new(*bytes);
        assert_eq!(PublicKey::from_spki(&key.spki()), Ok(key));
        assert_eq!((PublicKey::parse(&key.to_string()), PublicKey::parse(&key.grouped())), (Ok(key), Ok(key)));
    }
    secret_key(&format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(data)));
    let Ok(text) = str::from_utf8(data) else { return };
    secret_key(text);
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(text.replace('-', "").to_ascii_lowercase(), key.to_string());
        assert_eq!(PublicKey::parse(&key.grouped()), Ok(key));
    }
}

fn secret_key(text: &str) {
    if let Ok(key) = SecretKey::from_pem(text) {
        let again = SecretKey::from_pem(&key.to_pem()).expect("what was written is read");
        assert_eq!(again.public(), key.public());
        assert_eq!(again.pkcs8(), key.pkcs8());
    }
}

/// A file of known peers is taken when each of them is found by all that he has, and it is read back; and whatever a
/// peer calls itself becomes a name that can stand there.
pub(crate) fn known_peers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let name = clean(&text);
    assert!(name.len() <= MAX_NAME && !name.contains(char::is_whitespace), "{name:?}");
    assert!(is_harmless(&name), "{name:?}");
    assert_eq!(clean(&name), name);
    let key = PublicKey::new([7; 32]);
    let peer = json!({"name": name, "key": key.to_string(), "since": "-", "seen": "-"});
    let saved = Known::parse(&json!({"version": 1, "peers": [peer]}).to_string()).expect("a name that was made safe");
    assert_eq!(saved.by_key(&key).map(|peer| &peer.name), Some(&name));

    let Ok(known) = Known::parse(&text) else { return };
    assert!(known.peers().len() <= MAX_PEERS);
    for peer in known.peers() {
        assert_eq!(known.by_key(&peer.key), Some(peer));
        assert_eq!(known.by_name(&peer.name), Some(peer));
        let shown = [Some(&peer.name), Some(&peer.since), Some(&peer.seen), peer.address.as_ref()];
        assert!(shown.into_iter().flatten().all(|text| is_harmless(text)), "{peer:?}");
    }
    let written = known.text().expect("it can be written");
    assert_eq!(Known::parse(&written), Ok(known));
}

/// Frames are the same however they are cut, are read back as they were, and nothing longer than a frame is waited for.
pub(crate) fn decoder(data: &[u8]) {
    let whole = found(data, |left| left);
    assert_eq!(found(data, |_| 1), whole);
    // Cuts that the data choose.
    let mut cuts = data.iter().cycle().map(|cut| usize::from(*cut % 31) + 1);
    assert_eq!(found(data, |_| cuts.next().unwrap_or(1)), whole);
    for (_, decoded) in whole {
        let Ok(Decoded::Frame(frame)) = decoded else { continue };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        shown(&frame);
        assert_eq!(Decoder::default().push(&bytes), Ok((bytes.len(), Decoded::Frame(frame))));
    }
}

/// What a decoder finds, and where, when it gets pieces of these lengths.
fn found(data: &[u8], mut piece: impl FnMut(usize) -> usize) -> Vec<(u64, Result<Decoded, ProtocolError>)> {
    let longest = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Chunk).map(|kind| kind.bounds().1).max();
    let most = longest.unwrap_or(0).max(MAX_OPTIONAL as usize);
    let mut decoder = Decoder::default();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let piece = piece(data.len() - at).clamp(1, data.len() - at);
        if let Some(body) = decoder.body() {
            let n = body.len.min(piece as u64);
            decoder.take_body(n);
            at += usize::try_from(n).expect("no more than the piece");
            continue;
        }
        match decoder.push(&data[at..at + piece]) {
            Ok((taken, Decoded::Nothing)) => {
                assert_eq!(taken, piece, "it says that it needs more, and leaves some");
                at += taken;
            }
            Ok((taken, decoded)) => {
                at += taken;
                out.push((decoder.position(), Ok(decoded)));
            }
            Err(error) => {
                out.push((decoder.position(), Err(error)));
                break;
            }
        }
        assert_eq!(decoder.position(), at as u64);
        assert!(decoder.wants() <= most);
    }
    out
}

/// Whether a text does nothing to a terminal. The joiner and the selectors that are tolerated stand inside emoji.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| !is_dangerous(c) || matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}'))
}

/// Texts of a peer do nothing to a terminal.
fn shown(frame: &Frame) {
    let harmless = |text: &Untrusted| {
        let shown = text.shown().to_string();
        assert!(is_harmless(&shown), "{shown:?}");
    };
    match frame {
        Frame::Welcome(welcome) => harmless(&welcome.name),
        Frame::Text { text, .. } => harmless(text),
        Frame::Offer { name, .. } => harmless(name),
        Frame::Refused { words, .. } | Frame::Refuse { words, .. } | Frame::Cancel { words, .. } => harmless(words),
        _ => {}
    }
}
