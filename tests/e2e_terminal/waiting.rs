//! Lines that cannot be said yet: they are said in the end, or shown as not said.

use rustix::process::Signal;

use crate::common::tete;
use crate::console::{Console, Desk};
use crate::people::{Talk, answers, hears, port, said};

const TARGET: &str = "Whom to call, as PORT or HOST:PORT [wait for a call]:";
/// Lines that may wait.
const HELD: usize = 256;
/// What is told of a line for which there is no room.
const NO_ROOM: &str = "256 lines wait already";
const CTRL_U: &[u8] = b"\x15";

/// Ann, who waits for a call; where she listens.
fn waiting(more: &[&str]) -> (Console, u16) {
    let mut ann = Desk::new().start(&[&["-n", "ann", "-l", "127.0.0.1:0"], more].concat());
    answers(&mut ann, TARGET, "");
    ann.prompts("ann>");
    let port = port(&mut ann);
    (ann, port)
}

/// As [`waiting`], with as many lines typed as may wait, and one more, which stands typed.
fn full(more: &[&str]) -> (Console, u16) {
    let (mut ann, port) = waiting(more);
    for nth in 0..HELD {
        ann.says(&format!("line {nth}"));
    }
    ann.says("one too many");
    ann.shows(NO_ROOM);
    ann.prompts("ann> one too many");
    ann.presses(CTRL_U);
    ann.prompts("ann>");
    (ann, port)
}

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("line {nth}")).collect()
}

#[test]
fn lines_typed_for_a_stopped_peer_and_exit_all_reach_it_once_it_goes_on() {
    const LINES: usize = 300;
    let mut talk = Talk::new();
    talk.bob.signal(Signal::STOP);
    for line in lines(LINES) {
        talk.ann.says(&line);
    }
    talk.ann.says("exit");
    talk.ann.shows("ann> exit");
    talk.bob.signal(Signal::CONT);
    talk.bob.count("message", LINES);
    talk.ann.ends(0);
    assert_eq!(talk.bob.exit_code(), 0);
    let read: Vec<_> = talk.bob.all("message").map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(read, lines(LINES));
}

#[test]
fn a_second_exit_leaves_at_once_and_what_still_waits_is_shown_as_not_said() {
    const LINES: usize = 300;
    let mut talk = Talk::new();
    talk.bob.signal(Signal::STOP);
    for line in lines(LINES) {
        talk.ann.says(&line);
    }
    talk.ann.says("exit");
    talk.ann.shows("ann> exit");
    talk.ann.says("exit");
    talk.ann.ends(4);
    let said = said(&mut talk.ann);
    for line in lines(LINES) {
        let so = |mark: &str| said.contains(&format!("ann: {line} ✗ not {mark}"));
        assert!(so("read") || so("said"), "{line}: {said:?}");
    }
}

#[test]
fn a_line_for_which_nobody_came_is_shown_as_not_said_and_counts() {
    let (mut ann, _) = waiting(&["--plain"]);
    ann.says("precious");
    ann.shows("nobody is connected yet");
    ann.says("exit");
    ann.ends(4);
    assert_eq!(said(&mut ann), ["ann: precious ✗ not said"]);
}

#[test]
fn a_line_that_is_being_typed_when_the_peer_leaves_is_shown_once_as_not_said() {
    let mut talk = Talk::new();
    talk.ann.types("a long thought");
    talk.ann.prompts("ann> a long thought");
    talk.bob.send("exit");
    talk.ann.ends(0);
    assert_eq!(said(&mut talk.ann), ["ann: a long thought ✗ not said"], "{}", talk.ann.seen());
    assert_eq!(talk.bob.exit_code(), 0);
}

#[test]
fn exit_works_with_as_many_lines_waiting_as_may() {
    let (mut ann, _) = full(&["--plain"]);
    ann.says("exit");
    ann.ends(4);
    let wanted: Vec<_> = lines(HELD).iter().map(|line| format!("ann: {line} ✗ not said")).collect();
    assert_eq!(said(&mut ann), wanted);
}

#[test]
fn status_and_yes_work_with_as_many_lines_waiting_as_may_and_then_all_are_said() {
    let (mut ann, port) = full(&[]);
    ann.says("/status");
    ann.shows("-- not connected; waiting for a call");
    let mut bob = tete(&["--json", "-n", "bob", "--trust", "new", &format!("127.0.0.1:{port}")]).start();
    ann.prompts("Is that whom you want to talk to? [yes/N]");
    ann.says("yes");
    ann.shows("-- connected to bob");
    bob.count("message", HELD);
    let read: Vec<_> = bob.all("message").map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(read, lines(HELD));
}

#[test]
fn a_pasted_line_that_found_no_room_is_given_back_and_is_still_no_command() {
    let (mut ann, port) = full(&["--plain"]);
    ann.pastes("transfer secret");
    ann.enter();
    ann.waits_for("that there is no room", |ann| ann.everything().matches(NO_ROOM).count() == 2);
    ann.prompts("ann> transfer secret");
    let mut bob = tete(&crate::common::bob(port, &["--json"])).start();
    bob.count("message", HELD);
    hears(&mut ann, &format!("ann: line {} ✓", HELD - 1));
    ann.enter();
    bob.find("the pasted line", |event| event["event"] == "message" && event["text"] == "transfer secret");
    ann.prompts("ann>");
    ann.says("exit");
    ann.ends(0);
}

#[test]
fn texts_that_were_not_delivered_to_one_caller_count_after_the_next_too() {
    let more = ["--stay", "--linger", "1"];
    let mut talk = Talk::with(&Desk::new(), &more, |bob| bob);
    talk.bob.signal(Signal::STOP);
    for text in ["one", "two"] {
        talk.ann.says(text);
    }
    talk.ann.waits_for("both above the prompt", |ann| ann.screen().contains("one") && ann.screen().contains("two"));
    talk.bob.kill();
    talk.ann.shows("-- 2 messages were not read by bob");
    talk.ann.shows("-- waiting for the next call");
    hears(&mut talk.ann, "ann: two ✗ not read");
    talk.ann.says("exit");
    talk.ann.ends(4);
}

#[test]
fn who_stays_sees_which_lines_were_not_said_to_who_has_gone_and_the_next_caller_does_not_get_them() {
    const LINES: usize = 300;
    let mut talk = Talk::with(&Desk::new(), &["--stay", "--linger", "1"], |bob| bob);
    let at = port(&mut talk.ann);
    talk.bob.signal(Signal::STOP);
    for line in lines(LINES) {
        talk.ann.says(&line);
    }
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    talk.bob.kill();
    talk.ann.shows("-- waiting for the next call");
    let said = said(&mut talk.ann);
    for (nth, line) in lines(LINES).iter().enumerate() {
        let mark = if nth < HELD { "read" } else { "said" };
        assert!(said.contains(&format!("ann: {line} ✗ not {mark}")), "{line}: {said:?}");
    }
    // What is being typed stays.
    talk.ann.prompts("ann> half a sen");
    let mut next = tete(&crate::common::bob(at, &["--json"])).start();
    next.event("connected");
    talk.ann.waits_for("the next one", |ann| ann.everything().matches("-- connected to bob").count() == 2);
    talk.ann.says("tence");
    assert_eq!(next.event("message")["text"], "half a sentence");
    talk.ann.says("exit");
    talk.ann.ends(4);
}
