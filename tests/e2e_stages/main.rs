//! What a transfer waited for, told by real processes of which one was slowed down on purpose.
//!
//! A slow disk is one whose calls strace delays, a slow network a relay that lets little through, a slow processor one
//! core shared with others that are given more of it. Without strace, `taskset` and `nice` a test says so and is over.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod brakes;
#[path = "../common/mod.rs"]
mod common;
mod plants;
#[allow(dead_code, reason = "it serves another test program too")]
#[path = "../injection/tracer.rs"]
mod tracer;

use common::{Duo, anna, bob, tete};

/// Of two who were not slowed down by anything but their own wish.
#[test]
fn what_limits_a_transfer_is_told_in_the_log_and_by_status() {
    let content = vec![7; 3_000_000];
    let mut duo = Duo::new(tete(&anna(&["--json", "-v"])), |port| {
        tete(&bob(port, &["-v", "--limit", "2M"])).file("a.bin", content)
    });
    duo.bob.send("transfer a.bin");
    duo.anna.find("half of it", |event| event["event"] == "progress" && event["bytes"].as_u64() > Some(1_500_000));
    duo.bob.send("/status");
    duo.bob.tells("so far the sender's --limit was the limit, ");
    let received = duo.anna.event("received");
    assert_eq!(received["limit"]["resource"], "limit", "{received}");
    assert_eq!(received["limit"]["stage"], "limit", "{received}");
    let sums = received["stages"].as_object().unwrap();
    let (sum, seconds) =
        (sums.values().map(|sum| sum.as_f64().unwrap()).sum::<f64>(), received["seconds"].as_f64().unwrap());
    assert!((sum - seconds).abs() < 0.1 * seconds, "{received}");
    duo.bob.tells("the sender's --limit was the limit, ");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    for said in [duo.anna.err(), duo.bob.err()] {
        assert!(
            said.lines().any(|line| line.contains("transfer") && line.contains(": the sender's --limit was")),
            "{said}"
        );
    }
}
