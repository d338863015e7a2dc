//! Users at terminals, one line at a time (`--ui plain`): the questions of the start, and the conversation of the
//! classroom.

use std::fs;
use std::net::TcpListener;

use crate::common::terminal::Terminal;
use crate::common::{anna, bob, tete};
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
fn what_the_program_says_has_colours_only_where_it_goes_to_a_terminal() {
    for (choice, is_painted) in [("auto", false), ("always", true)] {
        let mut anna = tete(&anna(&[])).start();
        let port = anna.port().to_string();
        let diagnostics = tempfile::NamedTempFile::new().expect("a file");
        let file = diagnostics.reopen().expect("the same file");
        let mut bob = Terminal::output_alone(&["-n", "bob", "--color", choice, &port], file);
        assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
        let said = fs::read_to_string(diagnostics.path()).expect("what it said");
        assert_eq!(said.contains('\x1b'), is_painted, "{said:?}");
        assert!(said.contains("-- connected to anna"), "{said:?}");
    }
}

#[test]
fn a_question_about_a_caller_stands_there_again_behind_an_answer_to_another_one() {
    let mut anna = Terminal::encrypted(&["-n", "anna", "-l", "127.0.0.1:0"]);
    let listens = anna.shows("Whom to call");
    let port = listens.split("127.0.0.1:").nth(1).expect("a port").lines().next().expect("a port").to_owned();
    let mut bob = tete(&["-n", "bob", "--trust", "new", "--json", &port]).start();
    anna.shows("[yes/N] ");
    anna.types("nobody at all");
    anna.shows("-- error: ");
    anna.shows("[yes/N] ");
    anna.types("yes");
    anna.shows("-- connected to bob");
    anna.types("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
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
fn ctrl_d_leaves_whoever_waits_for_a_call_or_calls() {
    let mut anna = Terminal::start(&[]);
    started(&mut anna, "anna");
    anna.types("");
    anna.shows("-- waiting for a call");
    anna.presses(b"\x04");
    assert_eq!(anna.exit_code(), 0);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mut bob = Terminal::start(&[&nobody.to_string()]);
    bob.shows("trying again");
    bob.types("said too early");
    bob.shows("it is said when somebody is");
    bob.presses(b"\x04");
    assert_eq!(bob.exit_code(), 4);
}

#[test]
fn more_lines_than_may_wait_for_somebody_are_all_said() {
    const LINES: usize = 300;
    let mut anna = Terminal::start(&[]);
    let port = started(&mut anna, "anna");
    anna.types("");
    anna.shows("-- waiting for a call");
    for nth in 0..LINES {
        anna.types(&format!("line {nth}"));
    }
    let mut bob = tete(&bob(port, &["--json"])).start();
    bob.count("message", LINES);
    let texts: Vec<_> = bob.all("message").map(|event| event["text"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(texts, (0..LINES).map(|nth| format!("line {nth}")).collect::<Vec<_>>());
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
fn a_port_of_the_command_line_is_opened_once_and_not_asked_for_after_the_name() {
    for port in ["0", "127.0.0.1:0"] {
        let mut anna = Terminal::start(&["-l", port]);
        anna.shows("Your name [tester]: ");
        anna.types("anna");
        anna.shows("Whom to call");
        assert_eq!(anna.screen().matches("-- listening on").count(), 1, "{}", anna.screen());
        assert!(!anna.screen().contains("Port to"), "{}", anna.screen());
    }
}

#[test]
fn a_key_is_not_pinned_in_plain_at_the_question_either() {
    let key = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";
    let mut anna = Terminal::start(&["-n", "anna", "-l", "0"]);
    anna.shows("Whom to call");
    anna.types(&format!("{key}@127.0.0.1:5000"));
    anna.shows("-- error: --plain has no keys");
    anna.shows("Whom to call");
}

#[test]
fn a_yes_is_not_taken_for_whoever_calls_when_the_first_caller_has_hung_up() {
    let mut ann = Terminal::encrypted(&["-n", "ann", "-l", "127.0.0.1:0"]);
    ann.shows("-- listening on 127.0.0.1:");
    let rest = ann.shows("\r\n");
    let port: u16 = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a port");
    ann.shows("Whom to call");
    ann.types("");
    let stranger = |name| tete(&["-n", name, "--trust", "new", &format!("127.0.0.1:{port}")]).start();
    let mut bob = stranger("bob");
    ann.shows("[yes/N] ");
    let mut carl = stranger("carl");
    carl.tells("the other side is being asked about you");
    bob.kill();
    ann.shows("has gone: that question is over");
    ann.shows("[yes/N] ");
    ann.types("yes");
    ann.shows("the caller has changed meanwhile: answer once more");
    ann.shows("[yes/N] ");
    ann.types("yes");
    ann.shows("-- connected to carl");
}

#[test]
fn who_sends_files_at_a_terminal_answers_who_is_there() {
    let mut bob = tete(&["-n", "bob", "-l", "127.0.0.1:0", "--trust", "new", "--json"]).start();
    let folder = tempfile::tempdir().expect("a folder");
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "12 bytes...\n").expect("a file");
    let words = ["-n", "ann", "--send", notes.to_str().expect("a path"), &format!("127.0.0.1:{}", bob.port())];
    let mut ann = Terminal::encrypted(&words);
    ann.shows("[yes/N] ");
    ann.types("yes");
    assert_eq!(bob.event("received")["bytes"], 12);
    assert_eq!(ann.exit_code(), 0);
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
