//! Questions of trust at a terminal: what answers them, what does not, and who is meant.

use crate::common::{Tete, tete};
use crate::console::{Console, Desk};
use crate::people::{answers, port};

const TARGET: &str = "Whom to call, as PORT or HOST:PORT [wait for a call]:";
const QUESTION: &str = "Is that whom you want to talk to? [yes/N]";
/// What is told of each caller about whom is asked.
const ABOUT: &str = "with a key that was never seen here";
/// What is told of a line that is no answer.
const NO_ANSWER: &str = "answer with a whole yes, or no";
/// What is told of a line that is said later.
const SAID_LATER: &str = "it is said when somebody is";
/// The exit code of who is not let in.
const NOT_LET_IN: i32 = 5;

/// Ann at the question whom to call, and where she listens.
fn at_the_target() -> (Console, u16) {
    let mut ann = Desk::new().start(&["-n", "ann", "-l", "127.0.0.1:0"]);
    ann.prompts(TARGET);
    let port = port(&mut ann);
    (ann, port)
}

/// Ann, who waits for a call.
fn waiting() -> (Console, u16) {
    let (mut ann, port) = at_the_target();
    answers(&mut ann, TARGET, "");
    ann.prompts("ann>");
    (ann, port)
}

/// Somebody new calls, and ann's program knows it: it is asked about, at once or in its turn.
fn stranger(name: &str, port: u16) -> Tete {
    let mut caller = tete(&["-n", name, "--trust", "new", &format!("127.0.0.1:{port}")]).start();
    caller.tells("the other side is being asked about you");
    caller
}

/// Waits until so many callers were told of, and the last of them is asked about.
fn asks_about(ann: &mut Console, callers: usize, row: &str) {
    ann.waits_for(&format!("question {callers}"), |ann| {
        ann.everything().matches(ABOUT).count() == callers && ann.prompt() == row
    });
}

/// The caller was turned away.
fn is_turned_away(mut caller: Tete) {
    assert_eq!(caller.exit_code(), NOT_LET_IN, "{}", caller.err());
    assert!(!caller.err().contains("-- connected"), "{}", caller.err());
}

#[test]
fn a_yes_begun_for_a_caller_who_hangs_up_does_not_let_the_next_one_in() {
    let (mut ann, port) = waiting();
    let mut bob = stranger("bob", port);
    asks_about(&mut ann, 1, QUESTION);
    let mallory = stranger("mallory", port);
    ann.types("yes");
    ann.prompts(&format!("{QUESTION} yes"));
    bob.kill();
    ann.shows("has gone: that question is over");
    asks_about(&mut ann, 2, &format!("{QUESTION} yes"));
    ann.enter();
    ann.prompts(QUESTION);
    assert!(!ann.everything().contains("-- connected"), "{}", ann.seen());
    ann.says("no");
    is_turned_away(mallory);
    ann.prompts("ann>");
}

#[test]
fn no_and_yes_in_one_write_do_not_answer_two_questions() {
    let (mut ann, port) = waiting();
    let bob = stranger("bob", port);
    asks_about(&mut ann, 1, QUESTION);
    let mallory = stranger("mallory", port);
    ann.presses(b"no\ryes\r");
    is_turned_away(bob);
    asks_about(&mut ann, 2, QUESTION);
    ann.says("no");
    is_turned_away(mallory);
    assert!(!ann.everything().contains("-- connected"), "{}", ann.seen());
}

#[test]
fn a_yes_for_a_caller_who_hangs_up_is_not_called() {
    let (mut ann, port) = at_the_target();
    let mut bob = stranger("bob", port);
    asks_about(&mut ann, 1, QUESTION);
    ann.types("yes");
    ann.prompts(&format!("{QUESTION} yes"));
    bob.kill();
    ann.prompts(&format!("{TARGET} yes"));
    ann.enter();
    ann.prompts(TARGET);
    assert!(!ann.everything().contains("calling"), "{}", ann.seen());
}

#[test]
fn a_yes_begun_for_a_caller_who_hangs_up_is_not_said_to_the_next_one() {
    let (mut ann, port) = waiting();
    let mut bob = stranger("bob", port);
    asks_about(&mut ann, 1, QUESTION);
    ann.types("ye");
    ann.prompts(&format!("{QUESTION} ye"));
    bob.kill();
    ann.prompts("ann> ye");
    ann.says("s");
    ann.shows("that question is over");
    ann.prompts("ann>");
    assert!(!ann.everything().contains("nobody is connected yet"), "{}", ann.seen());
}

#[test]
fn whom_to_call_is_called_although_somebody_new_called_while_it_was_typed() {
    let (mut ann, port) = at_the_target();
    ann.types("127.0.0.1:");
    ann.prompts(&format!("{TARGET} 127.0.0.1:"));
    let bob = stranger("bob", port);
    asks_about(&mut ann, 1, &format!("{QUESTION} 127.0.0.1:"));
    ann.says("1");
    ann.shows("calling 127.0.0.1:1");
    ann.says("no");
    is_turned_away(bob);
    assert!(!ann.everything().contains("nobody is connected yet"), "{}", ann.seen());
}

#[test]
fn enter_and_n_and_no_turn_away_whatever_is_asked_behind() {
    for answer in ["", "n", "N", "no"] {
        for is_behind in [false, true] {
            let (mut ann, port) = if is_behind { at_the_target() } else { waiting() };
            let bob = stranger("bob", port);
            asks_about(&mut ann, 1, QUESTION);
            ann.says(answer);
            is_turned_away(bob);
            ann.prompts(if is_behind { TARGET } else { "ann>" });
            ann.shows(&format!("{QUESTION} no"));
            assert!(!ann.everything().contains("-- waiting for a call") || !is_behind, "{}", ann.seen());
        }
    }
}

#[test]
fn whatever_is_no_answer_is_neither_said_nor_called_and_the_question_stays() {
    for is_behind in [false, true] {
        let (mut ann, port) = if is_behind { at_the_target() } else { waiting() };
        let mut bob = stranger("bob", port);
        asks_about(&mut ann, 1, QUESTION);
        for (nth, other) in ["y", "Y", "yes please", "127.0.0.1:9", "hello", "nope"].into_iter().enumerate() {
            ann.says(other);
            ann.waits_for(&format!("that {other:?} is no answer"), |ann| {
                ann.everything().matches(NO_ANSWER).count() == nth + 1 && ann.prompt() == QUESTION
            });
        }
        ann.pastes("yes");
        ann.enter();
        ann.waits_for("that a pasted yes is no answer", |ann| {
            ann.everything().matches(NO_ANSWER).count() == 7 && ann.prompt() == QUESTION
        });
        assert!(!ann.everything().contains("-- calling"), "{}", ann.seen());
        ann.says("yes");
        ann.shows("-- connected to bob");
        ann.prompts("ann>");
        ann.says("good morning");
        bob.says("ann: good morning");
        assert_eq!(bob.out(), "ann: good morning\n");
    }
}

#[test]
fn commands_work_while_a_question_of_trust_is_open() {
    let (mut ann, port) = waiting();
    let _bob = stranger("bob", port);
    asks_about(&mut ann, 1, QUESTION);
    ann.says("/status");
    ann.shows("not connected");
    ann.prompts(QUESTION);
    ann.says("exit");
    ann.ends(0);
}

#[test]
fn what_is_typed_before_the_questions_of_the_start_are_there_answers_them() {
    for (ahead, rest) in [("ann\r127.0.0.1:0\r\r", ""), ("an", "n\r127.0.0.1:0\r\r")] {
        let mut shell = Desk::new().shell();
        // The program is still to start: this waits in the terminal.
        shell.presses(format!("\"$TETE\" --plain\r{ahead}").as_bytes());
        if !rest.is_empty() {
            shell.prompts("Your name [tester]: an");
            shell.presses(rest.as_bytes());
        }
        shell.shows("-- waiting for a call");
        shell.prompts("ann>");
        assert!(!shell.everything().contains(SAID_LATER), "{}", shell.seen());
    }
}

/// Ann, who calls where nobody is, for so many seconds.
fn calling(seconds: &str) -> (Console, u16) {
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "-l", "0", "-w", seconds]);
    ann.prompts(TARGET);
    let own = port(&mut ann);
    ann.says(&format!("127.0.0.1:{}", crate::common::free_port()));
    ann.shows("-- calling 127.0.0.1:");
    ann.prompts("ann>");
    (ann, own)
}

/// Bob calls; the first that he reads.
fn first_read_by_bob(port: u16) -> String {
    let mut bob = tete(&crate::common::bob(port, &["--json"])).start();
    bob.event("message")["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_message_that_waits_is_not_called_when_the_call_fails() {
    let (mut ann, port) = calling("2");
    ann.says("hello there");
    ann.shows(SAID_LATER);
    ann.prompts(TARGET);
    assert_eq!(ann.everything().matches("-- calling").count(), 1, "{}", ann.seen());
    assert_eq!(first_read_by_bob(port), "hello there");
}

#[test]
fn a_line_begun_before_the_call_failed_is_no_answer_to_whom_to_call() {
    let (mut ann, port) = calling("2");
    ann.types("see you at noon");
    ann.prompts("ann> see you at noon");
    ann.prompts(&format!("{TARGET} see you at noon"));
    ann.enter();
    ann.shows(SAID_LATER);
    ann.prompts(TARGET);
    assert_eq!(ann.everything().matches("-- calling").count(), 1, "{}", ann.seen());
    assert_eq!(first_read_by_bob(port), "see you at noon");
}

#[test]
fn after_a_call_that_failed_no_row_tells_of_it_as_if_it_went_on() {
    let (mut ann, _) = calling("3");
    ann.waits_for("the second attempt", |ann| ann.screen().contains("attempt 2"));
    ann.prompts(TARGET);
    assert!(!ann.screen().contains("attempt"), "{}", ann.seen());
}
