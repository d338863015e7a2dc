//! Fault 40: more offers than anybody can mean. Few are kept, the others are refused, and memory stays small.

use std::io::Write;

use tete::proto::TransferId;
use tete::proto::frame::Frame;
use tete::proto::text::Untrusted;

use crate::raw::{Raw, encoded, offer};
use crate::support::{Tete, plan};

const OFFERS: u64 = 100_000;
/// Offers of one side that may wait for an answer.
const KEPT: u64 = 64;
/// Most memory that a tete may ever have resident.
const MAX_MEMORY: u64 = 40_000_000;

fn assert_small(tete: &Tete) {
    let peak = tete.peak_memory().unwrap_or(0);
    assert!(peak < MAX_MEMORY, "{} has needed {peak} bytes of memory", tete.name);
}

fn offers(count: u64, name: &str) -> Vec<u8> {
    (1..=count).flat_map(|n| offer(2 * n, Some(1), name)).collect()
}

/// Reads refusals until all of `count` offers are answered, or the connection is closed; how many there were.
fn refusals(peer: &mut Raw, count: u64) -> u64 {
    for refused in 0..count {
        match peer.answer() {
            Some(Frame::Refuse { .. }) => {}
            None => return refused,
            other => panic!("{other:?} after {refused} refusals"),
        }
    }
    count
}

#[test]
fn fault_40_of_thousands_of_offers_at_once_a_few_are_kept_and_all_others_refused() {
    const BURST: u64 = 5_000;
    let mut bob = plan("bob").args(["--accept", "ask", "--linger", "0"]).listen();
    let mut peer = Raw::call(bob.port);
    peer.send(&offers(BURST, "a"));
    assert_eq!(refusals(&mut peer, BURST - KEPT), BURST - KEPT);
    bob.types("/refuse");
    bob.event("transfer_failed");
    assert_eq!((bob.said("offer").len(), bob.said("question").len()), (64, 64));
}

#[test]
fn fault_40_a_hundred_thousand_offers_cost_little() {
    let mut bob = plan("bob").args(["--accept", "ask", "--linger", "0"]).listen();
    let mut peer = Raw::call(bob.port);
    let mut writer = peer.writer();
    let sender = std::thread::spawn(move || writer.write_all(&offers(OFFERS, "a")));
    let refused = refusals(&mut peer, OFFERS - KEPT);
    drop(sender.join().unwrap());
    assert_small(&bob);
    // Who does not read the refusals as fast as they are asked for is cut off.
    assert!(refused == OFFERS - KEPT || bob.event("closed")["reason"].as_str().unwrap().contains("lets us answer"));
}

#[test]
fn fault_40_who_offers_without_reading_the_refusals_is_cut_off() {
    let mut bob = plan("bob").args(["--accept", "ask", "--linger", "0"]).listen();
    let mut peer = Raw::call(bob.port);
    let mut writer = peer.writer();
    let sender = std::thread::spawn(move || {
        // Nobody reads: sooner or later this is cut off.
        let bytes = offers(OFFERS, "a");
        while writer.write_all(&bytes).is_ok() {}
    });
    let closed = bob.event("closed");
    assert_eq!(closed["by"], "error");
    sender.join().unwrap();
    peer.is_closed();
    assert_eq!(bob.exit_code(), 1);
}

#[test]
fn fault_40_a_hundred_thousand_offers_with_hostile_names_cost_little() {
    let mut bob = plan("bob").args(["--linger", "0"]).listen();
    let mut peer = Raw::call(bob.port);
    let mut writer = peer.writer();
    let sender = std::thread::spawn(move || writer.write_all(&offers(OFFERS, "../../x")));
    // Each is refused, or the peer is cut off as one that floods: both are bounded.
    let refused = refusals(&mut peer, OFFERS);
    drop(sender.join().unwrap());
    assert_small(&bob);
    assert!(refused == OFFERS || bob.event("closed")["reason"].as_str().unwrap().contains("lets us answer"));
    assert_eq!(bob.received_names(), [""; 0]);
}

#[test]
fn fault_42_a_flood_of_cancels_for_files_that_are_over_is_answered_or_cut_off() {
    let mut bob = plan("bob").args(["--linger", "0"]).listen();
    let mut peer = Raw::call(bob.port);
    peer.sends(2, "a", b"x").unwrap();
    let cancel = encoded(&Frame::Cancel { id: TransferId(2), reason: None, words: Untrusted::from("") });
    let mut writer = peer.writer();
    let sender = std::thread::spawn(move || {
        let result = writer.write_all(&cancel.repeat(500_000));
        result.and_then(|()| writer.shutdown(std::net::Shutdown::Write))
    });
    peer.is_closed();
    drop(sender.join().unwrap());
    bob.event("closed");
    assert_small(&bob);
    assert_eq!(bob.received_names(), ["fetched_a"]);
}
