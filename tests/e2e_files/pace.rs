//! How fast, and how often it is told.

use std::time::Instant;

use crate::support::{Tete, noise, part, plan, talking};

#[test]
fn a_limit_is_kept_to() {
    let ann = plan("ann").args(["--limit", "2M"]).file("a", noise(1, 3_000_000));
    let (mut ann, bob) = talking(ann, plan("bob"));
    let begin = Instant::now();
    ann.types("transfer a");
    let sent = ann.event("sent");
    // It should take 1.5 s. A busy machine may be slower; nothing may be much faster.
    assert!(begin.elapsed().as_secs_f64() > 0.6 * 1.5, "{:?}", begin.elapsed());
    assert!(sent["seconds"].as_f64().unwrap() > 0.6 * 1.5, "{sent}");
    part(ann, bob);
}

#[test]
fn however_many_files_come_one_after_another_progress_is_told_ten_times_a_second_at_most() {
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").args(["--limit", "4M"]);
    let names: Vec<String> = (0..40).map(|n| format!("{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        ann = ann.file(name, noise(n as u64, 50_000));
    }
    let mut ann = ann.call_and_send(bob.port, &names);
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    for side in [&ann, &bob] {
        let told: Vec<f64> = side.said("progress").iter().map(|event| event["t"].as_f64().unwrap()).collect();
        // A loop that comes late to one is in time for the next.
        let too_many = told.windows(12).find(|eleven| eleven[11] - eleven[0] < 1.0);
        assert_eq!(too_many, None);
    }
}

#[test]
fn a_limit_is_for_all_files_together_and_in_binary_units_too() {
    let ann = plan("ann").args(["--limit", "2Mi"]).file("a", noise(1, 1 << 20)).file("b", noise(2, 1 << 20));
    let (mut ann, bob) = talking(ann, plan("bob"));
    let begin = Instant::now();
    ann.types("transfer a");
    ann.types("transfer b");
    ann.event("sent");
    ann.event("sent");
    assert!(begin.elapsed().as_secs_f64() > 0.6, "{:?}", begin.elapsed());
    part(ann, bob);
}

#[test]
fn a_limit_does_not_hold_back_texts() {
    let ann = plan("ann").args(["--limit", "20k"]).file("a", noise(1, 10_000_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    for i in 0..100 {
        ann.types(&format!("text {i}"));
        assert_eq!(bob.event("message")["text"], format!("text {i}"));
    }
    assert_eq!((ann.said("sent").len(), bob.said("received").len()), (0, 0), "hundreds of seconds are left");
}

/// Progress was told, in any second at most ten times, and every number makes sense.
fn assert_steady(tete: &Tete, direction: &str, at_least: usize) {
    let told = tete.said("progress");
    assert!(told.len() >= at_least, "{} has told progress {} times", tete.name, told.len());
    let times: Vec<_> = told.iter().map(|event| event["t"].as_f64().unwrap()).collect();
    for eleven in times.windows(11) {
        // A tenth of a second and ten of them, less what rounding may take.
        assert!(eleven[10] - eleven[0] > 0.98, "{}: eleven within a second: {eleven:?}", tete.name);
    }
    for event in told {
        let (bytes, size) = (event["bytes"].as_u64().unwrap(), event["size"].as_u64().unwrap());
        assert!(bytes <= size && event["rate"].as_f64().unwrap() >= 0.0, "{event}");
        assert_eq!(event["direction"], direction);
    }
}

#[test]
fn progress_is_told_at_most_ten_times_a_second_to_both() {
    let ann = plan("ann").args(["--limit", "4M"]);
    let ann = ann.file("a", noise(1, 2_000_000)).file("b", noise(2, 2_000_000)).file("c", noise(3, 2_000_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    for name in ["a", "b", "c"] {
        ann.types(&format!("transfer {name}"));
    }
    for _ in 0..3 {
        ann.event("sent");
        bob.event("received");
    }
    assert_steady(&ann, "send", 8);
    assert_steady(&bob, "receive", 8);
    for name in ["a", "b", "c"] {
        assert!(bob.said("progress").iter().any(|event| event["name"] == name), "each has its turn");
    }
    part(ann, bob);
}

#[test]
fn progress_of_many_short_transfers_is_told_at_most_ten_times_a_second() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", noise(1, 1_000_000)), plan("bob"));
    for _ in 0..60 {
        ann.types("transfer a");
        ann.event("sent");
        bob.event("received");
    }
    assert_steady(&ann, "send", 0);
    assert_steady(&bob, "receive", 0);
    part(ann, bob);
}

#[test]
fn a_transfer_is_told_in_the_order_offer_progress_received() {
    let (mut ann, mut bob) = talking(plan("ann").args(["--limit", "4M"]).file("a", noise(1, 2_000_000)), plan("bob"));
    ann.types("transfer a");
    let (received, sent) = (bob.event("received"), ann.event("sent"));
    let id = &received["id"];
    assert_eq!(&sent["id"], id);
    assert_eq!(&bob.said("offer")[0]["id"], id);
    let mut last = 0;
    for event in bob.said("progress") {
        let bytes = event["bytes"].as_u64().unwrap();
        assert!(&event["id"] == id && bytes >= last && event["t"].as_f64() <= received["t"].as_f64(), "{event}");
        last = bytes;
    }
    assert!(received["seconds"].as_f64().unwrap() > 0.0 && received["from"].is_null());
    part(ann, bob);
}
