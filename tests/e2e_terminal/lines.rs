//! Users at terminals, one line at a time (`--ui plain`): the questions of the start, and the conversation of the
//! classroom.

use std::fs;
use std::net::TcpListener;

use crate::common::terminal::Terminal;
use crate::common::{bob, tete};
use rustix::process::Signal;

/// Answers the questions of the start up to the target; the port that it then listens on.
fn started(terminal: &mut Terminal, name: &str) -> u16 {
    terminal.shows("Your name [tester]: ");
    terminal.types(name);
    terminal.shows("Port to listen on [8383]: ");
    terminal.types("0");
    terminal.shows("-- listening on 127.0.0.1:");
    let rest = terminal.shows("Whom to call");
    terminal.shows("]: ");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a port")
}

#[test]
fn two_of_a_classroom_talk_send_a_file_and_leave() {
    let (mut anna, mut bob) = (Terminal::start(&[]), Terminal::start(&[]));
    let port = started(&mut anna, "anna");
    let other = started(&mut bob, "bob");
    assert_ne!(port, other);
    bob.types(&port.to_string());
    bob.shows("-- connected to anna at 127.0.0.1:");
    anna.shows("-- connected to bob at 127.0.0.1:");
    // Anna was about to enter bob's port, and does: it is not a message.
    anna.types(&other.to_string());
    anna.types("hello bob");
    bob.shows("anna: hello bob\r\n");
    assert!(!bob.screen().contains(&format!("anna: {other}")), "{}", bob.screen());
    bob.types("hello anna");
    anna.shows("bob: hello anna\r\n");

    fs::write(bob.folder().join("notes.txt"), vec![b'n'; 1_780_871]).expect("a file");
    bob.types("transfer notes.txt");
    anna.shows("-- bob sends notes.txt: 1780871 bytes\r\n");
    anna.shows("-- received fetched_notes.txt from bob: 1780871 bytes, verified\r\n");
    bob.shows("-- sent notes.txt to anna: 1780871 bytes, verified\r\n");
    assert_eq!(fs::read(anna.folder().join("fetched_notes.txt")).expect("received").len(), 1_780_871);

    bob.types("exit");
    anna.shows("-- bob left");
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
    assert!(!anna.screen().contains('\x1b'), "{}", anna.screen());
}

#[test]
fn both_enter_each_others_port_at_the_same_time() {
    let (mut anna, mut bob) = (Terminal::start(&[]), Terminal::start(&[]));
    let port = started(&mut anna, "anna");
    let other = started(&mut bob, "bob");
    bob.types(&port.to_string());
    anna.types(&other.to_string());
    bob.shows("-- connected to anna");
    anna.shows("-- connected to bob");
    anna.types("one conversation");
    bob.shows("anna: ");
    bob.shows("one conversation");
    anna.types("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
    for (terminal, port) in [(&anna, port), (&bob, other)] {
        let said = format!(": {port}\r\n");
        assert!(!terminal.screen().contains(&format!("anna{said}")), "{}", terminal.screen());
        assert!(!terminal.screen().contains(&format!("bob{said}")), "{}", terminal.screen());
        assert_eq!(terminal.screen().matches("-- connected to").count(), 1);
    }
}

#[test]
fn a_bad_name_port_or_target_is_explained_and_asked_again() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("an address").port();
    let mut anna = Terminal::start(&[]);
    anna.shows("Your name [tester]: ");
    anna.types(&"x".repeat(100));
    anna.shows("-- error: ");
    anna.shows("-- hint: ");
    anna.shows("Your name [tester]: ");
    anna.types("");
    for bad in ["seventy", "99999", &taken.to_string()] {
        anna.shows("Port to listen on [8383]: ");
        anna.types(bad);
        let error = anna.shows("-- hint: ");
        assert!(error.contains("-- error: ") && error.contains(bad), "{error}");
    }
    anna.shows("Port to listen on [8383]: ");
    anna.types("0");
    anna.shows("Whom to call");
    anna.types("host:0");
    anna.shows("-- error: ");
    anna.shows("Whom to call");
    anna.types("exit");
    assert_eq!(anna.exit_code(), 0);
}

#[test]
fn what_the_command_line_said_is_not_asked() {
    let mut anna = Terminal::start(&["-n", "anna", "-l", "0"]);
    anna.shows("Whom to call");
    let asked = anna.screen().to_owned();
    assert!(!asked.contains("Your name") && !asked.contains("Port to"), "{asked}");
    anna.shows("]: ");
    anna.types("");
    anna.shows("-- waiting for a call");
}

#[test]
fn ones_own_port_as_the_target_is_told_and_asked_again() {
    let mut anna = Terminal::start(&[]);
    let port = started(&mut anna, "anna");
    anna.types(&port.to_string());
    anna.shows("that is you");
    anna.shows("Whom to call");
}

#[test]
fn a_call_that_comes_first_ends_the_question_and_what_is_typed_is_said() {
    let mut anna = Terminal::start(&[]);
    let port = started(&mut anna, "anna");
    let mut bob = tete(&bob(port, &["--json", "-l", "0"])).start();
    anna.shows("-- connected to bob");
    anna.types("hello");
    assert_eq!(bob.event("message")["text"], "hello");
    let theirs = bob.port().to_string();
    anna.types(&theirs);
    bob.find("a number said later", |event| event["text"] == theirs);
}

#[test]
fn ctrl_c_twice_at_a_question_ends_with_130() {
    let mut anna = Terminal::start(&[]);
    anna.shows("Your name [tester]: ");
    anna.signal(Signal::INT);
    anna.shows("Ctrl-C again leaves");
    anna.shows("Your name [tester]: ");
    anna.signal(Signal::INT);
    assert_eq!(anna.exit_code(), 130);
}

#[test]
fn ctrl_d_at_a_question_ends_well() {
    let mut anna = Terminal::start(&[]);
    anna.shows("Your name [tester]: ");
    anna.presses(b"\x04");
    assert_eq!(anna.exit_code(), 0);
}

#[test]
fn ctrl_c_in_a_conversation_tells_first_and_leaves_then() {
    let mut anna = Terminal::start(&[]);
    let port = started(&mut anna, "anna");
    let mut bob = tete(&bob(port, &["--json"])).start();
    anna.shows("-- connected to bob");
    anna.signal(Signal::INT);
    anna.shows("Ctrl-C again leaves");
    anna.types("never mind");
    bob.event("message");
    anna.signal(Signal::INT);
    anna.shows("Ctrl-C again leaves");
    anna.signal(Signal::INT);
    assert_eq!((anna.exit_code(), bob.exit_code()), (130, 0));
    assert_eq!(bob.event("closed")["reason"], "anna left (interrupted)");
}
