//! Leaving, being left and being killed while files are under way.

use tete::proto::frame::Frame;
use tete::proto::talk::WINDOW_TEXTS;

use crate::raw::Raw;
use crate::support::{Tete, noise, part, plan, talking};

/// Ann, who sends `a` slowly, and Bob, who has some of it by now.
fn slow_pair(size: usize) -> (Tete, Tete) {
    let ann = plan("ann").args(["--limit", "4M", "--linger", "0"]).file("a", noise(1, size));
    let (mut ann, mut bob) = talking(ann, plan("bob").args(["--linger", "0"]));
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    (ann, bob)
}

/// Nothing has a final name.
fn assert_nothing_finished(bob: &Tete) {
    let names = bob.received_names();
    assert!(names.iter().all(|name| name.starts_with(".tete-")), "{names:?}");
    assert_eq!(bob.said("received").len(), 0);
}

#[test]
fn who_leaves_right_after_a_transfer_leaves_when_it_is_through() {
    let (mut ann, mut bob) = talking(plan("ann").file("big", noise(1, 40_000_000)), plan("bob"));
    ann.types_raw(b"transfer big\nexit\n");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!((ann.said("sent").len(), bob.said("received").len()), (1, 1));
    assert_eq!(bob.received("fetched_big").len(), 40_000_000);
    assert_eq!(bob.received_names(), ["fetched_big"], "nothing hidden is left");
}

#[test]
fn fault_13_the_end_of_input_right_after_a_transfer_finishes_it_too() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", noise(1, 4_000_000)), plan("bob"));
    ann.types("transfer a");
    ann.ends_input();
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received("fetched_a").len(), 4_000_000);
}

#[test]
fn who_leaves_waits_for_the_answer_to_what_was_offered() {
    for ends in ["exit\n", ""] {
        let (mut ann, mut bob) = talking(plan("ann").file("a", b"a"), plan("bob").args(["--accept", "ask"]));
        ann.types_raw(format!("transfer a\n{ends}").as_bytes());
        if ends.is_empty() {
            ann.ends_input();
        }
        bob.event("question");
        bob.types("/accept");
        assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
        assert_eq!(bob.received_names(), ["fetched_a"]);
    }
}

#[test]
fn what_was_for_one_caller_is_not_said_to_the_next_and_an_exit_among_it_counts() {
    for asks_to_leave in [false, true] {
        let mut ann = plan("ann").args(["--stay", "--linger", "0"]).listen();
        let mut first = Raw::call(ann.port);
        let lines: String = (0..300).map(|n| format!("line {n}\n")).collect();
        ann.types_raw((lines + if asks_to_leave { "exit\n" } else { "half a" }).as_bytes());
        // As many as may be on their way. All others wait for them.
        for _ in 0..WINDOW_TEXTS {
            while !matches!(first.frame().expect("it says more"), Frame::Text { .. }) {}
        }
        drop(first);
        let error = ann.event_with("error", |event| event["unsaid"].is_u64());
        assert_eq!((&error["undelivered"], &error["unsaid"]), (&256.into(), &44.into()));
        if asks_to_leave {
            assert_eq!(ann.exit_code(), 4);
            continue;
        }
        ann.event("closed");
        ann.types_raw(b" line\nhello\n");
        let mut second = Raw::call(ann.port);
        let heard = std::iter::from_fn(|| second.frame()).find_map(|frame| match frame {
            Frame::Text { text, .. } => Some(text.shown().to_string()),
            _ => None,
        });
        assert_eq!(heard.as_deref(), Some("hello"));
    }
}

#[test]
fn a_receiver_who_leaves_midway_still_gets_the_file() {
    let (mut ann, mut bob) = slow_pair(3_000_000);
    bob.types("exit");
    assert_eq!((bob.exit_code(), ann.exit_code()), (0, 0));
    assert_eq!(bob.received("fetched_a"), noise(1, 3_000_000));
    assert_eq!(ann.said("sent").len(), 1);
}

#[test]
fn both_who_leave_at_once_with_files_both_ways_still_get_them() {
    let (ann, bob) = (plan("ann").file("a", noise(1, 2_000_000)), plan("bob").file("b", noise(2, 3_000_000)));
    let (mut ann, mut bob) = talking(ann, bob);
    ann.types_raw(b"transfer a\nterminate123\n");
    bob.types_raw(b"transfer b\nexit\n");
    let codes = (ann.exit_code(), bob.exit_code());
    // Who was slower may have been told that the other one was leaving already.
    let errors = [&ann, &bob].map(|side| side.said("error").len());
    assert!(errors.contains(&0), "both came too late");
    if errors == [0, 0] {
        assert_eq!(codes, (0, 0));
    }
    if errors[0] == 0 {
        assert_eq!(bob.received("fetched_a"), noise(1, 2_000_000));
    }
    if errors[1] == 0 {
        assert_eq!(ann.received("fetched_b"), noise(2, 3_000_000));
    }
}

#[test]
fn a_second_exit_leaves_at_once_and_tells_that_something_was_cut_short() {
    let (mut ann, mut bob) = slow_pair(40_000_000);
    ann.types("exit");
    ann.types("exit");
    assert_eq!((ann.exit_code(), bob.exit_code()), (4, 4));
    assert_eq!(ann.said("transfer_failed")[0]["direction"], "send");
    assert_eq!(bob.said("transfer_failed")[0]["direction"], "receive");
    assert_nothing_finished(&bob);
}

#[test]
fn nothing_new_is_begun_after_exit() {
    let (mut ann, mut bob) = slow_pair(1_500_000);
    ann.types("exit");
    ann.types("transfer a");
    ann.event("error");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received_names(), ["fetched_a"]);
}

#[test]
fn fault_83_a_receiver_that_is_terminated_midway_ends_soon_and_has_no_file() {
    let (mut ann, mut bob) = slow_pair(40_000_000);
    let begin = std::time::Instant::now();
    bob.terminate();
    assert_eq!((bob.exit_code(), ann.exit_code()), (143, 4));
    assert!(begin.elapsed().as_secs() < 10);
    assert_eq!(ann.said("transfer_failed")[0]["direction"], "send");
    assert_nothing_finished(&bob);
}

#[test]
fn fault_83_a_sender_that_is_terminated_midway_ends_soon_and_the_receiver_has_no_file() {
    let (mut ann, mut bob) = slow_pair(40_000_000);
    ann.terminate();
    assert_eq!((ann.exit_code(), bob.exit_code()), (143, 4));
    assert_eq!(bob.said("transfer_failed")[0]["direction"], "receive");
    assert_nothing_finished(&bob);
}

#[test]
fn fault_82_a_sender_that_is_killed_midway_fails_the_file_at_the_receiver() {
    let (mut ann, mut bob) = slow_pair(40_000_000);
    ann.kill();
    assert_eq!(bob.event("transfer_failed")["direction"], "receive");
    assert_eq!(bob.event("closed")["by"], "error");
    assert_eq!(bob.exit_code(), 4);
    assert_nothing_finished(&bob);
}

#[test]
fn fault_82_a_receiver_that_is_killed_midway_fails_the_file_at_the_sender_and_has_no_file() {
    let (mut ann, mut bob) = slow_pair(40_000_000);
    bob.kill();
    assert_eq!(ann.event("transfer_failed")["direction"], "send");
    assert_eq!(ann.exit_code(), 4);
    assert_nothing_finished(&bob);
}

#[test]
fn a_receiver_that_stays_takes_a_file_from_each_of_several_callers() {
    let mut bob = plan("bob").args(["--stay"]).listen();
    for n in 1..=3 {
        let mut ann = plan("ann").file("a", noise(n, 100_000)).call_and_send(bob.port, ["a"]);
        assert_eq!(ann.exit_code(), 0);
        assert_eq!(bob.event("closed")["by"], "peer");
    }
    assert_eq!(bob.received_names(), ["fetched_a", "fetched_a (2)", "fetched_a (3)"].map(str::to_owned).as_slice());
    bob.types("exit");
    assert_eq!(bob.exit_code(), 0);
}

#[test]
fn who_stays_leaves_all_the_same_when_asked_to_while_the_caller_is_leaving() {
    let mut bob = plan("bob").args(["--stay"]).listen();
    let ann = plan("ann").args(["--limit", "4M"]).file("a", noise(1, 2_000_000));
    let mut ann = ann.call_and_send(bob.port, ["a"]);
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    bob.types("exit");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.said("received").len(), 1);
}

#[test]
fn a_file_that_is_offered_while_the_other_side_is_leaving_is_delivered_or_told() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", noise(1, 1_000_000)), plan("bob"));
    bob.types("exit");
    ann.types("transfer a");
    let codes = (ann.exit_code(), bob.exit_code());
    let told = ann.said("sent").len() + ann.said("transfer_failed").len() + ann.said("error").len();
    assert!(told >= 1 || ann.said("offer").is_empty() && bob.said("offer").is_empty());
    assert_eq!(ann.said("sent").len(), bob.said("received").len());
    if ann.said("transfer_failed").is_empty() {
        assert_eq!(codes, (0, 0));
    }
}

#[test]
fn a_conversation_goes_on_after_many_files() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"x"), plan("bob"));
    for _ in 0..50 {
        ann.types("transfer a");
        ann.event("sent");
    }
    crate::support::assert_alive(&mut ann, &mut bob);
    part(ann, bob);
}
