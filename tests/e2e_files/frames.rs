//! A peer that breaks the rules of a transfer: it is told so or cut off, nothing of the file is kept.

use serde_json::Value;

use tete::proto::TransferId;
use tete::proto::frame::Frame;
use tete::proto::text::Untrusted;

use crate::raw::{Raw, chunk, contents, digest, digests, encoded, end, offer};
use crate::support::{Tete, plan};

/// Bob after a peer offered a file of `size` bytes, was given its yes and then sent `bytes`.
fn after(size: Option<u64>, bytes: &[u8]) -> (Tete, Raw) {
    let bob = plan("bob").listen();
    let mut peer = Raw::call(bob.port);
    peer.send(&offer(2, size, "a"));
    peer.is_accepted(2);
    peer.send(bytes);
    (bob, peer)
}

/// The conversation is over, with these words, and of the file nothing is left.
fn assert_broken(mut bob: Tete, mut peer: Raw, words: &str) {
    let closed = bob.event("closed");
    assert_eq!(closed["by"], "error");
    assert!(closed["reason"].as_str().unwrap().contains(words), "{closed}");
    peer.is_closed();
    assert_eq!(bob.exit_code(), 1);
    assert_eq!(bob.received_names(), [""; 0]);
    assert_eq!(bob.said("received"), [Value::Null; 0]);
}

/// The file has failed, with these words, the conversation goes on, and of the file nothing is left.
fn assert_failed(mut bob: Tete, mut peer: Raw, words: &str) {
    let failed = bob.event("transfer_failed");
    assert_eq!((&failed["id"], &failed["direction"], &failed["name"]), (&2.into(), &"receive".into(), &"a".into()));
    assert!(failed["reason"].as_str().unwrap().contains(words), "{failed}");
    assert_eq!(failed["resumable"], false);
    let told = peer.answer();
    assert!(matches!(&told, Some(Frame::Cancel { .. })), "{told:?}");
    peer.send(&encoded(&Frame::Cancelled { id: TransferId(2) }));
    peer.sends(4, "b", b"better").unwrap();
    assert_eq!(bob.received_names(), ["fetched_b"]);
    peer.says_goodbye();
    assert_eq!(bob.exit_code(), 4);
}

#[test]
fn fault_36_a_chunk_for_a_transfer_that_was_never_offered_ends_the_conversation() {
    let (bob, peer) = after(Some(10), &chunk(8, 0, b"bytes"));
    assert_broken(bob, peer, "it spoke of transfer 8, which does not exist");
}

#[test]
fn fault_36_a_chunk_for_a_transfer_of_the_other_side_ends_the_conversation() {
    let (bob, peer) = after(Some(10), &chunk(1, 0, b"bytes"));
    assert_broken(bob, peer, "it spoke of transfer 1");
}

#[test]
fn fault_37_more_bytes_than_were_offered_end_the_conversation() {
    let (bob, peer) = after(Some(10), &chunk(2, 0, b"eleven byte"));
    assert_broken(bob, peer, "more than the 10 bytes");
}

#[test]
fn fault_37_bytes_of_a_file_that_was_offered_as_empty_end_the_conversation() {
    let (bob, peer) = after(Some(0), &chunk(2, 0, b"x"));
    assert_broken(bob, peer, "more than the 0 bytes");
}

#[test]
fn fault_38_an_end_before_the_offered_size_fails_the_file() {
    let bytes = b"short";
    let (bob, peer) = after(Some(10), &contents(2, bytes));
    assert_failed(bob, peer, "it ended after 5 of the 10 bytes");
}

#[test]
fn fault_38_an_end_that_lies_about_what_was_sent_ends_the_conversation() {
    let bytes = [chunk(2, 0, b"short"), digests(2, digest(b"short")), end(2, 10, [7; 32])].concat();
    let (bob, peer) = after(Some(10), &bytes);
    assert_broken(bob, peer, "END");
}

#[test]
fn fault_39_a_number_that_was_used_before_ends_the_conversation() {
    let (bob, peer) = after(Some(10), &offer(2, Some(3), "b"));
    assert_broken(bob, peer, "transfer 2");
}

#[test]
fn fault_39_a_number_of_the_other_side_ends_the_conversation() {
    let (bob, peer) = after(Some(10), &offer(5, Some(3), "b"));
    assert_broken(bob, peer, "transfer 5");
}

#[test]
fn fault_43_a_chunk_outside_the_file_ends_the_conversation() {
    for (offset, words) in
        [(5, "at 5 where 0 was next"), (u64::MAX - 2, "behind the last place"), (1 << 63, "0 was next")]
    {
        let (bob, peer) = after(Some(10), &chunk(2, offset, b"bytes"));
        assert_broken(bob, peer, words);
    }
}

#[test]
fn a_chunk_that_was_sent_before_ends_the_conversation() {
    let (bob, peer) = after(Some(10), &[chunk(2, 0, b"bytes"), chunk(2, 0, b"bytes")].concat());
    assert_broken(bob, peer, "at 0 where 5 was next");
}

#[test]
fn a_chunk_behind_the_end_ends_the_conversation() {
    let bytes = [chunk(2, 0, b"bytes"), digests(2, [7; 32]), end(2, 5, [0; 32]), chunk(2, 5, b"x")].concat();
    let (bob, peer) = after(None, &bytes);
    assert_broken(bob, peer, "it sent CHUNK while Receiving");
}

#[test]
fn a_wrong_digest_of_a_block_fails_the_file() {
    let right = *blake3::hash(b"bytes").as_bytes();
    let (bob, peer) = after(Some(5), &[chunk(2, 0, b"bytes"), digests(2, [7; 32]), end(2, 5, right)].concat());
    assert_failed(bob, peer, "the bytes that arrived differ from those that were sent");
}

#[test]
fn a_wrong_digest_of_the_whole_fails_the_file() {
    let bytes = [chunk(2, 0, b"bytes"), digests(2, digest(b"bytes")), end(2, 5, [7; 32])].concat();
    let (bob, peer) = after(Some(5), &bytes);
    assert_failed(bob, peer, "the digest of the whole differs");
}

#[test]
fn a_flipped_bit_fails_the_file() {
    let mut bytes = contents(2, b"bytes");
    let at = bytes.windows(5).position(|five| five == b"bytes").unwrap();
    bytes[at] ^= 1;
    let (bob, peer) = after(Some(5), &bytes);
    assert_failed(bob, peer, "the bytes that arrived differ");
}

#[test]
fn digests_that_come_without_a_file_to_compare_them_with_are_bounded() {
    let mut bytes = Vec::new();
    for first in (0..320).step_by(32) {
        Frame::Digests { id: TransferId(2), first, values: vec![[1; 32]; 32] }.encode(&mut bytes);
    }
    let (bob, peer) = after(None, &bytes);
    assert_broken(bob, peer, "");
}

#[test]
fn fault_59_a_claim_of_more_than_any_disk_has_is_refused_and_the_conversation_goes_on() {
    let mut bob = plan("bob").listen();
    let mut peer = Raw::call(bob.port);
    for (id, size) in [(2, 1 << 63), (4, u64::MAX - 1), (6, 1 << 62)] {
        peer.send(&offer(id, Some(size), "huge"));
        assert_eq!(bob.event("offer")["size"], size);
        let answer = peer.answer();
        let Some(Frame::Refuse { words, .. }) = answer else { panic!("{answer:?}") };
        assert!(words.lossy().contains("No space left on device"), "{words:?}");
        let reason = bob.event("transfer_failed")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("No space left on device"), "{reason}");
    }
    peer.sends(8, "b", b"small").unwrap();
    assert_eq!(bob.received_names(), ["fetched_b"]);
}

#[test]
fn a_name_that_says_something_in_a_refusal_does_not_reach_the_terminal_raw() {
    let mut bob = plan("bob").in_lines().file("a", b"x").listen();
    let mut peer = Raw::call(bob.port);
    bob.types("transfer a");
    let answer = peer.answer();
    assert!(matches!(answer, Some(Frame::Offer { .. })), "{answer:?}");
    let words = Untrusted::from("no\x1b[2J\n-- received gold");
    peer.send(&encoded(&Frame::Refuse { id: TransferId(1), words }));
    let line = bob.line("a was not sent");
    assert!(!line.contains('\x1b') && line.contains("received gold"), "{line:?}");
}
