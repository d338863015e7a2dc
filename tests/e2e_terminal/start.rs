//! The questions of the start, and the conversation of the classroom, on whole screens.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, bob, tete};
use crate::console::{Console, Desk};
use crate::people::{Talk, answers, hears, port, said};

const NAME: &str = "Your name [tester]:";
const PORT: &str = "Port to listen on [8383]:";
const TARGET: &str = "Whom to call, as PORT or HOST:PORT [wait for a call]:";
/// At the end of a question of trust.
const YES_OR_NO: &str = "[yes/N]";

const FILE: usize = 1_780_871;

/// Answers the questions of the start up to the target; the port that it then listens on.
fn started(console: &mut Console, name: &str) -> u16 {
    answers(console, NAME, name);
    answers(console, PORT, "127.0.0.1:0");
    console.prompts(TARGET);
    port(console)
}

/// From the first message to the last: what two say and send each other.
fn lesson(ann: &mut Console, bob: &mut Console, asks_about_files: bool) {
    ann.prompts("ann>");
    bob.prompts("bob>");
    ann.says("hello bob");
    hears(bob, "ann: hello bob");
    hears(ann, "ann: hello bob ✓");
    bob.says("hello ann");
    hears(ann, "bob: hello ann");
    hears(bob, "bob: hello ann ✓");

    fs::write(bob.file("notes.txt"), vec![b'n'; FILE]).unwrap();
    bob.says("transfer notes.txt");
    ann.shows(&format!("-- bob sends notes.txt: {FILE} bytes"));
    if asks_about_files {
        ann.shows("/accept");
        ann.says("/accept");
    }
    ann.shows(&format!("-- received fetched_notes.txt from bob: {FILE} bytes, verified"));
    bob.shows(&format!("-- sent notes.txt to ann: {FILE} bytes, verified"));
    assert_eq!(fs::read(ann.file("fetched_notes.txt")).unwrap(), vec![b'n'; FILE]);

    bob.says("terminate123");
    ann.shows("-- bob left");
    bob.ends(0);
    ann.ends(0);
}

#[test]
fn a_pasted_exit_is_an_answer_like_others() {
    let mut ann = Desk::new().start(&[]);
    ann.prompts(NAME);
    ann.pastes("exit");
    ann.enter();
    ann.prompts(PORT);
    ann.says("exit");
    ann.ends(0);
}

#[test]
fn two_terminals_of_one_account_hold_the_lesson_of_the_classroom() {
    let account = Desk::new();
    let (mut ann, mut bob) = (account.start(&[]), account.start(&[]));
    let at = started(&mut ann, "ann");
    let other = started(&mut bob, "bob");
    assert_ne!(at, other);
    bob.says(&at.to_string());
    bob.shows("-- connected to ann at 127.0.0.1:");
    ann.shows("-- connected to bob at 127.0.0.1:");
    // Ann was about to enter bob's port, and does: it is not a message.
    ann.says(&other.to_string());
    lesson(&mut ann, &mut bob, false);
    assert!(!said(&mut bob).iter().any(|line| line.contains(&other.to_string())), "{}", bob.seen());
    // Same key: nobody is asked.
    assert!(!ann.everything().contains(YES_OR_NO) && !bob.everything().contains(YES_OR_NO), "{}", ann.seen());
}

#[test]
fn two_accounts_are_asked_about_each_other_and_hold_the_lesson_of_the_classroom() {
    let (mut ann, mut bob) = (Desk::new().start(&[]), Desk::new().start(&[]));
    let at = started(&mut ann, "ann");
    started(&mut bob, "bob");
    bob.says(&at.to_string());
    // Who leads asks once the other one has said yes.
    let mut to_ask = vec![&mut ann, &mut bob];
    let latest = Instant::now() + PATIENCE;
    while !to_ask.is_empty() {
        to_ask.retain_mut(|console| {
            console.hear_within(Duration::from_millis(10));
            let is_asked = console.prompt().ends_with(YES_OR_NO);
            if is_asked {
                console.says("yes");
            }
            !is_asked
        });
        assert!(Instant::now() < latest, "{}", to_ask[0].seen());
    }
    ann.shows("-- connected to bob at 127.0.0.1:");
    bob.shows("-- connected to ann at 127.0.0.1:");
    lesson(&mut ann, &mut bob, true);
}

#[test]
fn both_enter_each_others_port_at_the_same_time_and_have_one_conversation() {
    let account = Desk::new();
    let (mut ann, mut bob) = (account.start(&[]), account.start(&[]));
    let (at, other) = (started(&mut ann, "ann"), started(&mut bob, "bob"));
    bob.says(&at.to_string());
    ann.says(&other.to_string());
    bob.shows("-- connected to ann");
    ann.shows("-- connected to bob");
    ann.says("one conversation");
    hears(&mut bob, "ann: one conversation");
    assert_eq!(said(&mut bob), ["ann: one conversation"]);
    ann.says("exit");
    ann.ends(0);
    bob.ends(0);
    for (console, other) in [(&mut ann, "bob"), (&mut bob, "ann")] {
        assert_eq!(console.everything().matches(&format!("-- connected to {other}")).count(), 1, "{}", console.seen());
    }
}

#[test]
fn a_call_that_comes_first_ends_the_question_and_what_stood_typed_there_is_not_said() {
    let mut ann = Desk::new().start(&["--plain"]);
    answers(&mut ann, NAME, "ann");
    answers(&mut ann, PORT, "0");
    ann.prompts(TARGET);
    let at = port(&mut ann);
    ann.types("127.0.0.");
    ann.prompts(&format!("{TARGET} 127.0.0."));
    let mut bob = tete(&bob(at, &["--json", "-l", "0"])).start();
    ann.shows("-- connected to bob");
    bob.event("connected");
    // What was typed is still there: it may be half a port, and then whole it is no message.
    ann.waits_for("the prompt of a conversation", |ann| ann.prompt().starts_with("ann>"));
    ann.presses(b"\x15");
    let theirs = bob.port().to_string();
    ann.says(&theirs);
    ann.says("hello");
    bob.find("the greeting", |event| event["text"] == "hello");
    assert_eq!(bob.all("message").count(), 1, "the port was no message");
    ann.says(&theirs);
    bob.find("a number said later", |event| event["text"] == theirs);
}

#[test]
fn an_answer_that_a_call_has_overtaken_is_not_said() {
    let mut ann = Desk::new().start(&["--plain"]);
    answers(&mut ann, NAME, "ann");
    answers(&mut ann, PORT, "0");
    ann.prompts(TARGET);
    let at = port(&mut ann);
    ann.types("192.0.2");
    ann.prompts(&format!("{TARGET} 192.0.2"));
    let mut bob = tete(&bob(at, &["--json", "-l", "0"])).start();
    bob.event("connected");
    ann.waits_for("the prompt of a conversation", |ann| ann.prompt().starts_with("ann>"));
    ann.says(".7:5000");
    ann.shows("-- a call came first");
    ann.says("hello");
    assert_eq!(bob.event("message")["text"], "hello");
}

#[test]
fn the_questions_and_their_answers_stay_in_the_scrollback() {
    let mut ann = Desk::new().start(&["--plain"]);
    answers(&mut ann, NAME, "");
    answers(&mut ann, PORT, "0");
    answers(&mut ann, TARGET, "");
    ann.shows("-- waiting for a call");
    let everything = ann.everything();
    let at = |words: &str| everything.find(words).unwrap_or_else(|| panic!("{words}: {everything}"));
    assert!(at(NAME) < at(&format!("{PORT} 0")) && at(&format!("{PORT} 0")) < at("listening on "), "{everything}");
    assert!(at("listening on ") < at(TARGET) && at(TARGET) < at("-- waiting for a call"), "{everything}");
    for question in [NAME, PORT, TARGET] {
        assert_eq!(everything.matches(question).count(), 1, "{everything}");
    }
}

#[test]
fn a_bad_and_a_taken_port_are_explained_and_asked_again() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port().to_string();
    let mut ann = Desk::new().start(&["--plain"]);
    answers(&mut ann, NAME, "ann");
    for (nth, bad) in ["seventy", "99999", &taken].into_iter().enumerate() {
        answers(&mut ann, PORT, bad);
        ann.waits_for(&format!("why not {bad}"), |ann| {
            let everything = ann.everything();
            let errors: Vec<_> = everything.lines().filter(|line| line.contains("error: ")).collect();
            errors.len() == nth + 1 && errors[nth].contains(bad) && everything.matches("hint: ").count() == nth + 1
        });
    }
    answers(&mut ann, PORT, "0");
    answers(&mut ann, TARGET, "host:0");
    ann.waits_for("why not", |ann| ann.everything().matches("error: ").count() == 4);
    answers(&mut ann, TARGET, "");
    ann.shows("-- waiting for a call");
    ann.presses(b"\x04");
    ann.ends(0);
}

#[test]
fn what_the_command_line_said_is_not_asked() {
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "-l", "0"]);
    ann.prompts(TARGET);
    let everything = ann.everything();
    assert!(!everything.contains("Your name") && !everything.contains("Port to"), "{everything}");
    answers(&mut ann, TARGET, "");
    ann.shows("-- waiting for a call");
    ann.prompts("ann>");
}

#[test]
fn ones_own_port_as_the_target_is_told_and_asked_again() {
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "-l", "0"]);
    ann.prompts(TARGET);
    let own = port(&mut ann).to_string();
    ann.says(&own);
    ann.shows("that is you");
    ann.prompts(TARGET);
}

#[test]
fn answers_of_the_start_are_no_history() {
    let mut ann = Desk::new().start(&["--plain"]);
    answers(&mut ann, NAME, "ann");
    answers(&mut ann, PORT, "0");
    ann.prompts(TARGET);
    let at = port(&mut ann);
    let mut bob = Talk::called(&mut ann, at, |bob| bob);
    ann.says("first");
    bob.event("message");
    ann.presses(b"\x1b[A\x1b[A\x1b[A");
    ann.prompts("ann> first");
}

#[test]
fn only_a_whole_yes_lets_somebody_new_in_and_what_stood_typed_does_not_answer() {
    let account = Desk::new();
    let mut ann = account.start(&["-n", "ann", "-l", "127.0.0.1:0"]);
    ann.prompts(TARGET);
    let at = port(&mut ann);
    ann.says("");
    ann.prompts("ann>");
    ann.types("ye");
    ann.prompts("ann> ye");
    let mut caller = tete(&["--json", "-n", "bob", "--trust", "new", &format!("127.0.0.1:{at}")]).start();
    ann.waits_for("the question", |ann| ann.prompt().contains(YES_OR_NO));
    ann.says("s");
    // A yes of which two letters were typed before anybody was asked is none.
    ann.waits_for("the question again", |ann| ann.prompt().trim_end().ends_with(YES_OR_NO));
    assert_eq!(caller.all("connected").count(), 0);
    ann.says("yes");
    ann.shows("-- connected to bob");
    assert_eq!(caller.event("connected")["peer"]["name"], "ann");
}
