//! Fault 35: a connection that ends at any byte of a transfer leaves no file under its own name.

use crate::raw::{Raw, contents, offer};
use crate::support::{Tete, hash, noise, plan};

const BYTES: &[u8] = b"a small file, all of whose cuts can be tried";

/// What the peer sends before, and after, it was told that the file is wanted.
fn transfer() -> (Vec<u8>, Vec<u8>) {
    (offer(2, Some(BYTES.len() as u64), "small"), contents(2, BYTES))
}

/// Somebody who takes one caller after the other.
fn host() -> Tete {
    plan("bob").args(["--stay", "--linger", "0"]).listen()
}

/// What has come, without what may be resumed one day.
fn finished_names(bob: &Tete) -> Vec<String> {
    bob.received_names().into_iter().filter(|name| !name.starts_with(".tete-")).collect()
}

/// A caller who sends the first `cut` bytes of a transfer and then hangs up.
fn call_and_hang_up(bob: &mut Tete, cut: usize) {
    let (before, after) = transfer();
    let mut peer = Raw::call(bob.port);
    bob.event("connected");
    peer.send(&before[..cut.min(before.len())]);
    if cut > before.len() {
        peer.is_accepted(2);
        peer.send(&after[..cut - before.len()]);
    }
    peer.shuts_down();
    peer.is_closed();
}

#[test]
fn fault_35_a_transfer_that_is_cut_at_each_byte_leaves_no_file_and_the_next_caller_is_served() {
    let (before, after) = transfer();
    let mut bob = host();
    for cut in 0..before.len() + after.len() {
        call_and_hang_up(&mut bob, cut);
        assert_eq!(bob.event("closed")["by"], "error", "cut at {cut}");
        if cut >= before.len() {
            let failed = bob.event("transfer_failed");
            assert_eq!((&failed["direction"], &failed["name"]), (&"receive".into(), &"small".into()), "cut at {cut}");
        }
    }
    assert_eq!(bob.said("received").len(), 0);
    let mut peer = Raw::call(bob.port);
    peer.sends(2, "small", BYTES).unwrap();
    assert_eq!(bob.event("received")["blake3"], hash(BYTES));
    assert_eq!(finished_names(&bob), ["fetched_small"]);
}

#[test]
fn fault_35_a_transfer_that_is_cut_behind_its_last_byte_is_whole_or_absent() {
    let (before, after) = transfer();
    let mut bob = host();
    call_and_hang_up(&mut bob, before.len() + after.len());
    bob.event("closed");
    let expected: &[_] = if bob.said("received").is_empty() { &[] } else { &["fetched_small"] };
    assert_eq!(finished_names(&bob), expected);
}

#[test]
fn a_connection_that_is_cut_in_a_big_file_leaves_no_final_name() {
    let data = noise(3, 6 << 20);
    let mut bob = host();
    for cut in [1, 1 << 16, (1 << 20) + 1, 5_000_000, 6 << 20] {
        let mut peer = Raw::call(bob.port);
        bob.event("connected");
        peer.send(&offer(2, Some(data.len() as u64), "big"));
        peer.is_accepted(2);
        for (i, piece) in data[..cut].chunks(16_384).enumerate() {
            peer.send(&crate::raw::chunk(2, i as u64 * 16_384, piece));
        }
        peer.shuts_down();
        peer.is_closed();
        bob.event("closed");
        assert_eq!(bob.event("transfer_failed")["name"], "big");
        assert_eq!(finished_names(&bob), [""; 0], "cut after {cut} bytes");
    }
}
