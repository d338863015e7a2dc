//! One-time codes: a first meeting that needs no question, once.

use std::process::Stdio;

use crate::common::{Run, Tete, free_port};
use crate::person::{Person, at, connected, meet, part, refused, talk, turned_away};

/// The code that it has made.
fn code(tete: &mut Tete) -> String {
    tete.event("code")["code"].as_str().unwrap().to_owned()
}

/// Another one.
fn wrong(code: &str) -> &'static str {
    if code == "acid-lucky-zero" { "zero-lucky-acid" } else { "acid-lucky-zero" }
}

#[test]
fn fault_7_a_code_on_the_command_line_proves_a_first_meeting_with_a_warning() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code"]);
    let made = listener.event("code");
    assert_eq!(made["expires_in"], 600, "{made}");
    let mut caller = bob.calls(listener.port(), &["--code", &code(&mut listener)]);
    caller.tells("ps shows a code on the command line");
    meet("code", (&anna, &mut listener), (&bob, &mut caller));
    assert_eq!((anna.names(), bob.names()), (vec!["bob".to_owned()], vec!["anna".to_owned()]));
    let mut listener = anna.listens(&[]);
    let mut caller = bob.calls(listener.port(), &[]);
    meet("known", (&anna, &mut listener), (&bob, &mut caller));
}

#[test]
fn the_one_who_calls_may_have_made_the_code() {
    let (anna, bob) = Person::two();
    let port = free_port();
    let mut caller = bob.calls(port, &["--new-code"]);
    let code = code(&mut caller);
    let mut listener = anna.run(&["-l", &at(port), "--code", &code]).start();
    meet("code", (&anna, &mut listener), (&bob, &mut caller));
    assert_eq!((anna.names(), bob.names()), (vec!["bob".to_owned()], vec!["anna".to_owned()]));
}

/// Somebody calls who was given the code in this way: it is let in, and what it types then is said.
fn given(how: impl FnOnce(&Person, &str, &str) -> Run, first_line: bool) {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code"]);
    let code = code(&mut listener);
    let mut caller = how(&bob, &at(listener.port()), &code).start();
    if first_line {
        caller.send(&code);
    }
    caller.send("the first text");
    assert_eq!(listener.event("message")["text"], "the first text");
    connected(&mut listener, "code", bob.key());
    connected(&mut caller, "code", anna.key());
    assert!(!caller.err().contains("ps shows"), "{}", caller.err());
    part(&mut listener, &mut caller);
}

#[test]
fn fault_7_a_code_may_stand_in_the_environment_in_a_file_or_in_the_first_line_of_the_input() {
    given(|bob, at, code| bob.run(&[at]).env("TETE_CODE", code), false);
    given(|bob, at, code| bob.run(&[at, "--code", "@code.txt"]).file("code.txt", format!("{code}\nmore")), false);
    given(|bob, at, _| bob.run(&[at, "--code", "-"]), true);
    given(|bob, at, code| bob.run(&[at]).env("TETE_CODE", code.to_uppercase().replace('-', " ")), false);
}

#[test]
fn what_is_no_code_is_said_before_anybody_is_called() {
    let bob = Person::new("bob");
    let mut caller = bob.run(&[&at(free_port()), "--code", "-"]).input(Stdio::null()).start();
    assert_eq!(caller.exit_code(), 1);
    assert!(caller.err().contains("hint: --code"), "{}", caller.err());
    let mut caller = bob.calls(free_port(), &["--code", "acid-lucky-zerro"]);
    assert_eq!(caller.exit_code(), 2);
    assert!(caller.err().contains("zero"), "{}", caller.err());
    assert_eq!(caller.all("dialling").count(), 0);
}

#[test]
fn a_code_that_was_used_is_no_proof_for_the_next() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code", "--stay"]);
    let code = code(&mut listener);
    let mut caller = bob.calls(listener.port(), &["--code", &code]);
    connected(&mut caller, "code", anna.key());
    connected(&mut listener, "code", bob.key());
    talk(&mut listener, &mut caller);
    caller.send("exit");
    assert_eq!(caller.exit_code(), 0);
    listener.event("closed");
    let other = Person::new("carl");
    let mut carl = other.calls(listener.port(), &["--code", &code]);
    turned_away(&mut carl);
    listener.event("refused");
    let mut caller = bob.calls(listener.port(), &[]);
    connected(&mut caller, "known", anna.key());
    assert_eq!(anna.names(), ["bob"]);
}

#[test]
fn fault_26_after_three_wrong_tries_the_right_code_is_wrong_too() {
    let (anna, bob) = Person::two();
    let mallory = Person::new("mallory");
    let mut listener = anna.listens(&["--new-code"]);
    let code = code(&mut listener);
    for nth in 1..=3 {
        let mut guesser = mallory.calls(listener.port(), &["--code", wrong(&code)]);
        assert!(turned_away(&mut guesser).contains("the code is not right"));
        assert_eq!(refused(&mut listener, nth), "the code is not right");
        assert_eq!(listener.all("error").count(), 0, "not burnt before the third");
        if nth == 3 {
            let error = listener.event("error");
            assert!(error["message"].as_str().unwrap().contains("burnt"), "{error}");
        }
    }
    let mut caller = bob.calls(listener.port(), &["--code", &code]);
    turned_away(&mut caller);
    let error = caller.event("error");
    assert!(error["hint"].as_str().unwrap().contains("code"), "{error}");
    refused(&mut listener, 4);
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn two_wrong_tries_leave_the_right_code_good() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code"]);
    let code = code(&mut listener);
    let mallory = Person::new("mallory");
    for _ in 0..2 {
        turned_away(&mut mallory.calls(listener.port(), &["--code", wrong(&code)]));
    }
    let mut caller = bob.calls(listener.port(), &["--code", &code]);
    meet("code", (&anna, &mut listener), (&bob, &mut caller));
}

#[test]
fn a_code_on_one_side_alone_lets_nobody_in() {
    let (anna, bob) = Person::two();
    let mut with = anna.listens(&["--new-code"]);
    let mut without = anna.listens(&["--trust", "new"]);
    let code = code(&mut with);
    for nth in 1..=4 {
        turned_away(&mut bob.calls(with.port(), &["--trust", "new"]));
        refused(&mut with, nth);
        turned_away(&mut bob.calls(without.port(), &["--code", &code, "--trust", "new"]));
        refused(&mut without, nth);
    }
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
    // Nobody has tried it wrongly by that.
    let mut caller = bob.calls(with.port(), &["--code", &code]);
    meet("code", (&anna, &mut with), (&bob, &mut caller));
}

#[test]
fn who_is_known_needs_no_code_and_uses_none_up() {
    let us = Person::new("anna");
    let mut listener = us.listens(&["--new-code", "--stay"]);
    let code = code(&mut listener);
    let mut caller = us.again("bob").calls(listener.port(), &["--code", &code]);
    connected(&mut caller, "self", us.key());
    caller.send("exit");
    assert_eq!(caller.exit_code(), 0);
    listener.event("closed");
    let bob = Person::new("bob");
    let mut caller = bob.calls(listener.port(), &["--code", &code]);
    connected(&mut caller, "code", us.key());
}
