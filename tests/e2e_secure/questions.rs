//! Our user is asked about a new key, by an event, and answers by a line.

use std::thread;

use serde_json::Value;

use rustix::process::Signal;

use crate::common::{Tete, tete};
use crate::person::{Person, connected, meet, refused, turned_away};

/// The `nth` question, counted from 1: about a key.
fn asked(tete: &mut Tete, nth: usize, about: &Person) -> u64 {
    tete.count("question", nth);
    let question: Value = tete.all("question").nth(nth - 1).unwrap().clone();
    assert_eq!((&question["about"], &question["peer"]["key"]), (&"trust".into(), &about.key().to_string().into()));
    assert!(question["peer"]["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{question}");
    question["id"].as_u64().unwrap()
}

fn answer(tete: &mut Tete, id: u64, yes: bool) {
    tete.send(&format!("{{\"answer\": {id}, \"yes\": {yes}}}"));
}

#[test]
fn a_caller_about_whom_yes_is_said_is_let_in_and_known() {
    for _ in 0..4 {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "ask"]);
        let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
        let id = asked(&mut listener, 1, &bob);
        assert_eq!((listener.all("connected").count(), caller.all("connected").count()), (0, 0));
        answer(&mut listener, id, true);
        meet("new", (&anna, &mut listener), (&bob, &mut caller));
        assert_eq!(anna.names(), ["bob"]);
    }
}

#[test]
fn a_caller_about_whom_no_is_said_is_turned_away_and_asked_about_again_the_next_time() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "ask"]);
    for nth in 1..=3 {
        let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
        let id = asked(&mut listener, nth, &bob);
        answer(&mut listener, id, false);
        let message = turned_away(&mut caller);
        assert_eq!(message, "not let in: the other side was asked about you, and there was no yes");
        assert_eq!(refused(&mut listener, nth), "our user said no");
    }
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn who_calls_can_be_asked_about_who_answers() {
    for yes in [true, false, true, false] {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "new"]);
        let mut caller = bob.calls(listener.port(), &["--trust", "ask"]);
        let id = asked(&mut caller, 1, &anna);
        answer(&mut caller, id, yes);
        if yes {
            meet("new", (&anna, &mut listener), (&bob, &mut caller));
        } else {
            assert_eq!(turned_away(&mut caller), "not let in: you said no");
            assert_eq!(refused(&mut listener, 1), "it says: strangers are not let in");
        }
        assert_eq!(bob.names().len(), usize::from(yes));
    }
}

#[test]
fn both_can_be_asked_about_each_other() {
    for _ in 0..4 {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "ask"]);
        let mut caller = bob.calls(listener.port(), &["--trust", "ask"]);
        // Who leads asks once the other one has said yes.
        thread::scope(|scope| {
            for (side, about) in [(&mut listener, &bob), (&mut caller, &anna)] {
                scope.spawn(move || {
                    let id = asked(side, 1, about);
                    answer(side, id, true);
                });
            }
        });
        meet("new", (&anna, &mut listener), (&bob, &mut caller));
    }
}

#[test]
fn what_was_said_before_somebody_is_there_keeps_nobody_from_answering() {
    for early in ["{\"say\": \"hi\"}", "{\"command\": \"/say hi\"}", "hi"] {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "ask"]);
        listener.send(early);
        let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
        let id = asked(&mut listener, 1, &bob);
        listener.send("{\"say\": \"there\"}");
        answer(&mut listener, id, true);
        caller.count("message", 2);
        let said: Vec<_> = caller.all("message").map(|event| event["text"].clone()).collect();
        assert_eq!(said, ["hi", "there"]);
        listener.send("exit");
        assert_eq!((listener.exit_code(), caller.exit_code()), (0, 0));
    }
}

#[test]
fn a_yes_that_stood_in_a_pipe_before_the_question_answers_nothing() {
    let (anna, bob) = Person::two();
    let home = anna.home();
    let args = ["--trust", "ask", "-l", "127.0.0.1:0", "--config-dir", home.to_str().unwrap()];
    let mut listener = tete(&args).start();
    listener.send_bytes(b"hello\nyes\n");
    listener.tells("-- listening on 127.0.0.1:");
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    listener.tells("Is that whom you want to talk to?");
    listener.send("no");
    assert_eq!(caller.exit_code(), 5);
    listener.signal(Signal::TERM);
    assert_eq!(listener.exit_code(), 143);
}

#[test]
fn a_yes_behind_more_lines_than_may_wait_is_heard_and_they_are_all_said() {
    const LINES: usize = 300;
    let (anna, bob) = Person::two();
    let home = anna.home();
    let args = ["--trust", "ask", "-l", "127.0.0.1:0", "--config-dir", home.to_str().unwrap()];
    let mut listener = tete(&args).start();
    let lines: String = (0..LINES).map(|nth| format!("line {nth}\n")).collect();
    listener.send_bytes(lines.as_bytes());
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    listener.tells("Is that whom you want to talk to?");
    listener.send("yes");
    caller.count("message", LINES);
    let texts = caller.all("message").map(|event| format!("{}\n", event["text"].as_str().unwrap()));
    assert_eq!(texts.collect::<String>(), lines);
}

#[test]
fn while_more_lines_wait_than_may_the_loop_goes_on_when_somebody_is_asked_about() {
    let (anna, bob) = Person::two();
    let (carol, _) = Person::two();
    let mut listener = anna.listens(&["--trust", "ask"]);
    for nth in 0..300 {
        listener.send(&format!("{{\"say\": \"line {nth}\"}}"));
    }
    let port = listener.port();
    let _bob = bob.calls(port, &["--trust", "new"]);
    asked(&mut listener, 1, &bob);
    let _carol = carol.calls(port, &["--trust", "new"]);
    asked(&mut listener, 2, &carol);
}

#[test]
fn where_nobody_can_be_asked_any_more_a_stranger_does_not_wait_for_an_answer() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "ask"]);
    listener.end_input();
    let port = listener.port();
    let mut caller = bob.calls(port, &["--trust", "new"]);
    assert_eq!(caller.exit_code(), 5);
    assert!(listener.event("refused")["reason"].as_str().unwrap().contains("nobody answered"));
    assert_eq!(listener.all("question").count(), 0);
}

#[test]
fn two_answers_that_were_written_at_once_are_both_heard() {
    let (anna, bob) = Person::two();
    let (carol, _) = Person::two();
    let mut listener = anna.listens(&["--trust", "ask"]);
    let port = listener.port();
    let mut refused = bob.calls(port, &["--trust", "new"]);
    let first = asked(&mut listener, 1, &bob);
    let mut caller = carol.calls(port, &["--trust", "new"]);
    let second = asked(&mut listener, 2, &carol);
    let [no, yes] = [(first, false), (second, true)].map(|(id, yes)| format!("{{\"answer\": {id}, \"yes\": {yes}}}\n"));
    listener.send_bytes(format!("{no}{yes}").as_bytes());
    assert_eq!(refused.exit_code(), 5);
    connected(&mut caller, "new", anna.key());
}

#[test]
fn who_sends_files_and_wants_to_be_asked_answers() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE-MIT");
    let mut caller = bob.calls(listener.port(), &["--trust", "ask", "--send", file]);
    let id = asked(&mut caller, 1, &anna);
    answer(&mut caller, id, true);
    connected(&mut caller, "new", anna.key());
    connected(&mut listener, "new", bob.key());
}

#[test]
fn a_question_about_who_has_gone_is_over() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "ask", "-vv"]);
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    let id = asked(&mut listener, 1, &bob);
    let address = listener.event("question")["peer"]["address"].as_str().unwrap().to_owned();
    caller.kill();
    listener.tells(&format!("refusing] {address}: "));
    answer(&mut listener, id, true);
    let error = listener.event("error");
    assert!(error["message"].as_str().unwrap().contains("no such question"), "{error}");
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    let id = asked(&mut listener, 2, &bob);
    answer(&mut listener, id, true);
    connected(&mut caller, "new", anna.key());
    connected(&mut listener, "new", bob.key());
}

#[test]
fn two_calls_with_one_key_are_asked_about_once_each() {
    // Who leads is a matter of luck.
    for _ in 0..6 {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "ask"]);
        let mut first = bob.calls(listener.port(), &["--trust", "new"]);
        let id = asked(&mut listener, 1, &bob);
        let mut second = bob.again("rob").calls(listener.port(), &["--trust", "new"]);
        let other = asked(&mut listener, 2, &bob);
        assert_ne!(id, other);
        answer(&mut listener, id, true);
        connected(&mut first, "new", anna.key());
        connected(&mut listener, "new", bob.key());
        turned_away(&mut second);
        assert_eq!(listener.all("question").count(), 2);
    }
}

#[test]
fn who_talks_to_somebody_else_by_now_tells_whoever_is_still_asked_about_it() {
    // Who leads is a matter of luck.
    for _ in 0..6 {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "ask"]);
        let mut caller = bob.calls(listener.port(), &["--trust", "new", "-l", "127.0.0.1:0"]);
        let id = asked(&mut listener, 1, &bob);
        let carl = Person::new("carl");
        let mut third = carl.calls(caller.port(), &["--trust", "new"]);
        third.event("connected");
        caller.event("connected");
        answer(&mut listener, id, true);
        // The yes and the news may cross: then it is over as soon as it has begun.
        listener.find("news", |event| event["event"] == "refused" || event["event"] == "closed");
    }
}

#[test]
fn while_one_is_asked_about_a_known_one_is_let_in_and_the_other_told_so() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&["--trust", "ask"]);
    let bob = Person::new("bob");
    let mut waiting = bob.calls(listener.port(), &["--trust", "new"]);
    asked(&mut listener, 1, &bob);
    let mut caller = anna.again("ann").calls(listener.port(), &[]);
    connected(&mut caller, "self", anna.key());
    assert!(turned_away(&mut waiting).contains("talking to somebody else"));
}

#[test]
fn what_untrusted_input_is_poured_into_answers_no_question() {
    let (anna, bob) = Person::two();
    let home = anna.home();
    let args = ["--trust", "ask", "--no-commands", "-l", "127.0.0.1:0", "--config-dir", home.to_str().unwrap()];
    let mut listener = tete(&args).start();
    listener.send("yes");
    listener.tells("-- listening on 127.0.0.1:");
    let port = listener.port();
    let mut caller = bob.calls(port, &["--trust", "new"]);
    listener.send("yes");
    // At once: nobody could ever answer.
    assert_eq!(caller.exit_code(), 5);
    listener.signal(Signal::TERM);
    assert_eq!(listener.exit_code(), 143);
    assert_eq!((caller.all("connected").count(), anna.names()), (0, vec![]));
}
