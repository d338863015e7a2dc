//! How a process ends when somebody ends it: signals, a kill, a second request.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Duo, Tete, anna, bob, free_port, tete, tete_with_limit};
use rustix::process::Signal;
use serde_json::Value;

/// SIGTERM ends within this, whatever is under way.
const TERMINATED: Duration = Duration::from_secs(10);

/// Bob sends a file that would take a minute, and some of it has arrived.
fn transferring() -> Duo {
    let mut duo = Duo::new(tete(&anna(&["--json", "--linger", "0"])), |port| {
        tete(&bob(port, &["--json", "--limit", "1M", "--linger", "0"])).file("big.bin", vec![7; 60_000_000])
    });
    duo.bob.send("transfer big.bin");
    duo.anna.find("some of it", |event| event["event"] == "progress" && event["bytes"].as_u64() > Some(0));
    duo
}

/// Nothing of an unfinished file has a name that looks finished.
fn nothing_looks_received(tete: &Tete) {
    for entry in fs::read_dir(tete.folder()).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.'), "{name}");
    }
}

#[test]
fn ctrl_c_in_a_pipe_leaves_and_the_other_side_is_told() {
    let mut duo = Duo::json();
    duo.bob.signal(Signal::INT);
    assert_eq!((duo.bob.exit_code(), duo.anna.exit_code()), (130, 0));
    let closed = duo.anna.event("closed");
    assert_eq!((&closed["by"], &closed["reason"]), (&"peer".into(), &"bob left (interrupted)".into()));
}

#[test]
fn ctrl_c_in_a_pipe_is_told_in_lines_too() {
    let mut duo = Duo::new(tete(&anna(&[])), |port| tete(&bob(port, &[])));
    duo.bob.signal(Signal::INT);
    assert_eq!((duo.bob.exit_code(), duo.anna.exit_code()), (130, 0));
    assert!(duo.anna.err().contains("\n-- bob left (interrupted)\n"), "{}", duo.anna.err());
}

#[test]
fn a_termination_says_goodbye_and_ends_with_143() {
    let mut duo = Duo::json();
    duo.anna.signal(Signal::TERM);
    assert_eq!((duo.anna.exit_code_within(TERMINATED), duo.bob.exit_code()), (143, 0));
    assert_eq!(duo.bob.event("closed")["by"], "peer");
}

/// A hang-up that is heeded has its test on terminals: these tests may themselves run under nohup.
#[test]
fn who_is_started_deaf_to_a_hang_up_outlives_it() {
    let anna = tete_with_limit("trap '' HUP", &["--plain", "-n", "anna", "-l", "0", "--json"]);
    let mut duo = Duo::new(anna, |port| tete(&bob(port, &["--json"])));
    duo.anna.signal(Signal::HUP);
    duo.bob.send("still there?");
    assert_eq!(duo.anna.event("message")["text"], "still there?");
    duo.bob.send("exit");
    duo.end_with(0, 0);
}

#[test]
fn a_termination_in_the_middle_of_a_transfer_ends_both_within_ten_seconds() {
    let mut duo = transferring();
    duo.anna.signal(Signal::TERM);
    assert_eq!(duo.anna.exit_code_within(TERMINATED), 143);
    assert_eq!(duo.bob.exit_code(), 4, "the file was not delivered");
    assert_eq!(duo.bob.event("transfer_failed")["name"], "big.bin");
    assert_eq!(duo.anna.event("transfer_failed")["direction"], "receive");
    nothing_looks_received(&duo.anna);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut duo = transferring();
    duo.bob.signal(Signal::INT);
    duo.bob.signal(Signal::INT);
    let began = Instant::now();
    assert_eq!(duo.bob.exit_code(), 130);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(duo.anna.exit_code(), 4);
    nothing_looks_received(&duo.anna);
}

#[test]
fn a_second_exit_leaves_at_once_and_tells_what_was_cut_short() {
    let mut duo = transferring();
    duo.bob.send("exit");
    duo.bob.send("exit");
    let began = Instant::now();
    duo.end_with(4, 4);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(duo.bob.event("closed")["by"], "user");
}

#[test]
fn in_a_pipe_a_goodbye_waits_for_what_is_to_be_said_before_it_and_a_second_one_does_not() {
    let mut anna = tete(&anna(&[])).start();
    anna.send("said to nobody");
    anna.send("exit");
    anna.send("/status");
    anna.tells("not connected"); // so the goodbye was read, and has its place behind the text
    anna.send("exit");
    assert_eq!(anna.exit_code(), 4);
    assert!(anna.err().contains("-- lines that were not said: 2"), "{}", anna.err());

    let mut bob = tete(&bob(free_port(), &["--json"])).start();
    bob.send(r#"{"say": "said to nobody"}"#);
    bob.send(r#"{"command": "exit"}"#);
    bob.send(r#"{"command": "exit"}"#);
    assert_eq!(bob.exit_code(), 4);
    let told: Vec<&Value> = bob.all("error").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["unsaid"], &told[0]["undelivered"]), (&2.into(), &0.into()), "{told:?}");
}

#[test]
fn whoever_calls_or_waits_in_vain_ends_at_a_signal() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut calling = tete(&bob(free_port(), &["--json"])).start();
        calling.event("dialling");
        calling.signal(signal);
        let mut waiting = tete(&anna(&["--json"])).start();
        waiting.port();
        waiting.signal(signal);
        assert_eq!((calling.exit_code(), waiting.exit_code()), (code, code));
    }
}

#[test]
fn a_signal_ends_who_stays_too() {
    let mut duo = Duo::new(tete(&anna(&["--json", "--stay"])), |port| tete(&bob(port, &["--json"])));
    duo.anna.signal(Signal::TERM);
    duo.end_with(143, 0);
}

#[test]
fn the_other_side_of_a_kill_says_that_the_connection_was_lost() {
    let mut duo = Duo::new(tete(&anna(&["--json", "--linger", "0"])), |port| tete(&bob(port, &["--json"])));
    duo.bob.send("hi");
    duo.anna.event("message");
    duo.bob.kill();
    assert_eq!(duo.anna.exit_code(), 3);
    let closed = duo.anna.event("closed");
    assert_eq!(closed["by"], "error");
    assert!(closed["reason"].as_str().expect("a reason").contains("bob"), "{closed}");
}

#[test]
fn a_kill_in_the_middle_of_a_transfer_leaves_something_undelivered() {
    let mut duo = transferring();
    duo.bob.kill();
    assert_eq!(duo.anna.exit_code(), 4);
    assert_eq!(duo.anna.event("transfer_failed")["direction"], "receive");
    nothing_looks_received(&duo.anna);

    let mut duo = transferring();
    duo.anna.kill();
    assert_eq!(duo.bob.exit_code(), 4);
    assert_eq!(duo.bob.event("transfer_failed")["direction"], "send");
}

#[test]
fn who_stays_outlives_the_kill_of_a_caller() {
    let mut duo = Duo::new(tete(&anna(&["--json", "--stay", "--linger", "0"])), |port| tete(&bob(port, &["--json"])));
    duo.bob.kill();
    assert_eq!(duo.anna.event("closed")["by"], "error");
    let mut carl = tete(&bob(duo.port, &["--json"])).start();
    carl.event("connected");
    carl.send("exit");
    assert_eq!(carl.exit_code(), 0);
    duo.anna.count("closed", 2);
    duo.anna.send("exit");
    duo.anna.exit_code();
}
