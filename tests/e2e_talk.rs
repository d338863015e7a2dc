//! Two processes talk: who reaches whom, what is said, in which order, how it ends.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;

use common::{Duo, Tete, anna, bob, free_port, tete};
use rustix::process::Signal;
use serde_json::{Value, json};

fn texts(tete: &Tete) -> Vec<String> {
    tete.all("message").map(|event| event["text"].as_str().expect("a text").to_owned()).collect()
}

fn numbers(tete: &Tete, event: &str) -> Vec<u64> {
    tete.all(event).map(|event| event["seq"].as_u64().expect("a number")).collect()
}

/// Waits until every text up to this one was delivered.
fn delivered(tete: &mut Tete, seq: u64) {
    tete.find(&format!("delivered {seq}"), |event| event["event"] == "delivered" && event["seq"] == seq);
}

#[test]
fn both_dial_each_other_a_second_apart_and_have_one_conversation() {
    const TEXTS: u64 = 700;
    let later = free_port();
    let target = format!("127.0.0.1:{later}");
    let mut anna = tete(&anna(&["--json", &target])).start();
    let port = anna.port();
    anna.find("a second attempt", |event| event["event"] == "dialling" && event["attempt"] == 2);
    let mut bob = tete(&bob(port, &["--json", "-l", &later.to_string()])).start();

    for (tete, name) in [(&mut anna, "a"), (&mut bob, "b")] {
        let lines = (1..=TEXTS).fold(String::new(), |mut lines, n| {
            writeln!(lines, "{name} says {n}").expect("memory takes it");
            lines
        });
        tete.send_bytes(lines.as_bytes());
    }
    for (tete, other) in [(&mut anna, "b"), (&mut bob, "a")] {
        tete.count("message", TEXTS as usize);
        delivered(tete, TEXTS);
        let expected: Vec<String> = (1..=TEXTS).map(|n| format!("{other} says {n}")).collect();
        assert_eq!(texts(tete), expected);
        let all: Vec<u64> = (1..=TEXTS).collect();
        assert_eq!((numbers(tete, "queued"), numbers(tete, "message")), (all.clone(), all));
        assert!(numbers(tete, "delivered").is_sorted_by(|a, b| a < b));
    }
    anna.send("terminate123");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
    for tete in [&anna, &bob] {
        assert_eq!((tete.all("connected").count(), tete.all("closed").count()), (1, 1));
        assert_eq!(tete.all("refused").count() + tete.all("error").count(), 0);
    }
}

#[test]
fn both_dial_each_other_at_the_same_moment_and_have_one_conversation() {
    for _ in 0..8 {
        let (one, other) = (free_port(), free_port());
        let run = |name: &str, listen: u16, target: u16| {
            let (listen, target) = (listen.to_string(), format!("127.0.0.1:{target}"));
            tete(&["--plain", "--json", "-n", name, "-l", &listen, &target])
        };
        let (anna, bob) = (run("anna", one, other), run("bob", other, one));
        let (mut anna, mut bob) = (anna.start(), bob.start());
        anna.send("hi");
        bob.send("ho");
        assert_eq!((&anna.event("message")["text"], &bob.event("message")["text"]), (&json!("ho"), &json!("hi")));
        anna.send("exit");
        assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
        for tete in [&anna, &bob] {
            assert_eq!((tete.all("connected").count(), tete.all("refused").count()), (1, 0));
        }
    }
}

#[test]
fn every_event_has_a_name_and_a_time_and_the_first_the_time_of_day() {
    let mut duo = Duo::json();
    duo.bob.send("hi");
    duo.anna.event("message");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    for tete in [&duo.anna, &duo.bob] {
        let first = tete.events()[0]["time"].as_str().expect("a time of day");
        assert!(first.contains('T') && first.ends_with('Z'), "{first}");
        assert_eq!(tete.out().lines().count(), tete.events().len(), "every line is an object");
        let times: Vec<f64> = tete.events().iter().map(|event| event["t"].as_f64().expect("a time")).collect();
        assert!(times.is_sorted());
        assert!(tete.events().iter().all(|event| event["event"].is_string()));
    }
    let connected = duo.anna.event("connected");
    assert_eq!(
        (&connected["peer"]["name"], &connected["encrypted"], &connected["trust"]),
        (&json!("bob"), &json!(false), &json!("none"))
    );
    assert_eq!(duo.bob.err(), "", "diagnostics only");
}

#[test]
fn whoever_leaves_the_other_is_told_and_leaves_too() {
    let mut duo = Duo::json();
    duo.bob.send("exit");
    duo.end_with(0, 0);
    let (anna, bob) = (duo.anna.event("closed"), duo.bob.event("closed"));
    assert_eq!((&anna["by"], &anna["reason"]), (&json!("peer"), &json!("bob left")));
    assert_eq!(bob["by"], "user");
}

#[test]
fn both_leave_at_once_and_both_end_well() {
    let mut duo = Duo::json();
    duo.anna.send("exit");
    duo.bob.send("exit");
    duo.end_with(0, 0);
}

#[test]
fn texts_typed_before_anybody_is_there_are_said_to_who_comes() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    anna.send("are you there?");
    let mut bob = tete(&bob(port, &["--json"])).start();
    assert_eq!(bob.event("message")["text"], "are you there?");
}

#[test]
fn who_stays_takes_the_next_caller_after_the_last_one_left() {
    let mut duo = Duo::new(tete(&anna(&["--json", "--stay"])), |port| tete(&bob(port, &["--json"])));
    duo.bob.send("first");
    duo.bob.send("exit");
    assert_eq!(duo.bob.exit_code(), 0);
    assert_eq!(duo.anna.event("closed")["by"], "peer");
    let mut carl = tete(&bob(duo.port, &["--json", "-n", "carl"][..1])).env("TETE_NAME", "carl").start();
    carl.event("connected");
    duo.anna.count("connected", 2);
    carl.send("second");
    duo.anna.count("message", 2);
    assert_eq!((texts(&duo.anna), numbers(&duo.anna, "message")), (vec!["first".into(), "second".into()], vec![1, 1]));
    duo.anna.send("exit");
    assert_eq!((duo.anna.exit_code(), carl.exit_code()), (0, 0));
}

#[test]
fn in_a_pipe_people_speak_on_stdout_and_the_program_on_stderr() {
    let mut duo =
        Duo::new(tete(&anna(&[])).file("b.bin", "of 12 bytes\n"), |port| tete(&bob(port, &[])).file("a.bin", "one\n"));
    duo.bob.send("hi");
    duo.anna.says("bob: hi\n");
    duo.anna.send("transfer b.bin");
    duo.anna.tells("-- sent b.bin to bob: 12 bytes, verified\n");
    duo.bob.send("transfer a.bin");
    duo.anna.tells("-- received fetched_a.bin from bob: 4 bytes, verified\n");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!((duo.anna.out(), duo.bob.out()), ("bob: hi\n".to_owned(), String::new()));
    let err = duo.anna.err();
    let lines: Vec<&str> = err.lines().filter(|line| !line.contains("anyone on the path")).collect();
    let connected = lines[1].strip_prefix("-- connected to bob at 127.0.0.1:").expect("connected");
    assert!(connected.ends_with(" (plain, none)"), "{connected}");
    assert!(lines[0].starts_with(&format!("-- listening on 127.0.0.1:{}", duo.port)), "{}", lines[0]);
    assert_eq!(
        lines[2..],
        [
            "-- sent b.bin to bob: 12 bytes, verified",
            "-- bob sends a.bin: 4 bytes",
            "-- received fetched_a.bin from bob: 4 bytes, verified",
            "-- bob left",
        ]
    );
    for err in [err, duo.bob.err()] {
        assert!(!err.contains('\x1b') && err.lines().all(|line| line.starts_with("-- ")), "{err}");
    }
}

#[test]
fn a_line_longer_than_a_message_goes_as_several_that_join_to_it() {
    let long: String = "añ漢😀".chars().cycle().take(400_000).collect();
    assert_eq!(long.len(), 1_000_000);
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &[])));
    let mut input = duo.bob.take_input();
    let sent = long.clone();
    let pour = thread::spawn(move || {
        writeln!(input, "{sent}\nbehind").expect("it reads");
        writeln!(input, "{sent}").expect("it reads");
    });
    duo.anna.find("what stands behind", |event| event["text"] == "behind");
    pour.join().expect("it reads");
    assert_eq!(duo.anna.exit_code(), 0);
    let texts = texts(&duo.anna);
    let at = texts.iter().position(|text| text == "behind").expect("it came");
    assert_eq!((texts[..at].concat(), texts[at + 1..].concat()), (long.clone(), long));
    assert!(texts.iter().all(|text| text.len() <= 16_000));
    assert_eq!(duo.bob.exit_code(), 0);
    assert_eq!(duo.bob.err().matches("several messages").count(), 1, "said once");
}

#[test]
fn to_a_program_a_line_longer_than_a_message_is_told_as_an_error_once() {
    let mut duo = Duo::json();
    let long = "x".repeat(40_000);
    duo.bob.send(&long);
    duo.bob.send(&long);
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna).concat(), long.repeat(2));
    let errors: Vec<&Value> = duo.bob.all("error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["message"].as_str().expect("a text").contains("several messages"), "{errors:?}");
}

#[test]
fn nothing_is_said_of_an_object_that_is_too_long() {
    for beyond in [0, 100_000, 1_000_000] {
        let mut duo = Duo::json();
        let mut input = duo.bob.take_input();
        let pour = thread::spawn(move || {
            let text = "x".repeat(97_100 + beyond);
            writeln!(input, "{{\"say\": \"{text}\"}}\nbehind\nexit").expect("it reads");
        });
        duo.end_with(0, 0);
        pour.join().expect("it reads");
        assert_eq!(texts(&duo.anna), ["behind"]);
        let errors: Vec<&Value> = duo.bob.all("error").collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0]["message"].as_str().expect("a text").contains("97024 bytes"), "{errors:?}");
    }
}

#[test]
fn a_command_that_is_too_long_does_nothing_and_nothing_of_it_is_said() {
    let mut duo = Duo::json();
    duo.bob.send(&format!("transfer{}", " secret.txt".repeat(4_000)));
    duo.bob.send("behind");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), ["behind"]);
    let errors: Vec<&Value> = duo.bob.all("error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["message"].as_str().expect("a text").contains("command is longer"), "{errors:?}");
}

#[test]
fn lines_that_were_read_and_never_said_are_counted() {
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json", "--linger", "1"])));
    duo.bob.event("connected");
    duo.anna.signal(Signal::STOP);
    let lines: String = (0..400).map(|n| format!("{n}\n")).collect();
    duo.bob.send_bytes(lines.as_bytes());
    duo.bob.count("queued", 256);
    duo.anna.kill();
    let told = duo.bob.find("what was not said", |event| event["event"] == "error" && event["unsaid"] != 0);
    assert_eq!(told["undelivered"].as_u64().zip(told["unsaid"].as_u64()), Some((256, 144)), "{told}");
    assert_eq!(duo.bob.exit_code(), 4);
}

#[test]
fn a_text_of_16000_bytes_is_one_message() {
    let text = "ä".repeat(8000);
    let mut duo = Duo::json();
    duo.bob.send(&text);
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), [text]);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let mut duo = Duo::json();
    duo.bob.send_bytes(b"a\xff\xe2\x82b\xc3\n");
    assert_eq!(duo.anna.event("message")["text"], "a\u{fffd}\u{fffd}b\u{fffd}");
}

#[test]
fn what_could_act_on_a_terminal_is_shown_escaped_in_lines_and_as_u_escapes_in_json() {
    let nasty = "\x1b]52;c;AAAA\x07\x1b[2J \u{202e}cod\nanna: forged";
    let mut duo = Duo::new(tete(&anna(&[])), |port| tete(&bob(port, &["--json"])));
    duo.bob.send(&json!({ "say": nasty }).to_string());
    duo.anna.says("forged\n");
    assert_eq!(duo.anna.out(), "bob: \\u{1b}]52;c;AAAA\\u{7}\\u{1b}[2J \\u{202e}cod\\nanna: forged\n");

    let mut duo = Duo::json();
    duo.bob.send(&json!({ "say": nasty }).to_string());
    assert_eq!(duo.anna.event("message")["text"], nasty);
    let out = duo.anna.out();
    assert!(out.contains(r"\u001b]52;c;AAAA\u0007\u001b[2J \u202ecod\nanna"), "{out}");
    assert!(!out.contains('\x1b') && !out.contains('\u{202e}'));
}

#[test]
fn input_objects_say_order_and_are_told_when_they_make_no_sense() {
    let mut duo = Duo::json();
    for line in
        [r#"{"say": "two\nlines"}"#, r#"{"say": "exit"}"#, r#"{"sya": "x"}"#, "{", r#"{"command": "/status x"}"#]
    {
        duo.bob.send(line);
    }
    duo.bob.count("error", 3);
    // What was meant as a command is never said.
    duo.bob.send(r#"{"command": "status"}"#);
    duo.bob.send(r#"{"command": "nosuch"}"#);
    duo.bob.count("error", 4);
    duo.bob.send(r#"{"command": "exit"}"#);
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), ["two\nlines", "exit"]);
    assert!(duo.bob.all("error").all(|error| error["message"].is_string() && error["hint"].is_string()));
}

#[test]
fn what_looks_like_a_command_can_be_said_and_a_slip_never_is() {
    let mut duo = Duo::json();
    for line in ["/say transfer x", "//x", "/qiut", "/frobnicate", "exit now", "", "transfer nothing.txt", "  exit  "] {
        duo.bob.send(line);
    }
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), ["transfer x", "/x", "exit now"]);
    let errors: Vec<String> = duo.bob.all("error").map(Value::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("/qiut") && errors[0].contains("/quit"), "{errors:?}");
    let folder = duo.bob.folder().file_name().expect("a name").to_string_lossy().into_owned();
    let missing = errors.iter().find(|error| error.contains("nothing.txt")).expect("told");
    assert!(missing.contains(&folder) && missing.contains("/say"), "{missing}");
}

#[test]
fn without_commands_every_line_is_a_message() {
    let secret = r#"{"transfer": "secret"}"#;
    let mut duo =
        Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json", "--no-commands"])).file("secret", "key"));
    let lines = ["transfer secret", "exit", "", "/quit", "//x", secret];
    for line in lines {
        duo.bob.send(line);
    }
    duo.bob.end_input();
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), lines);
}

#[test]
fn fault_13_at_the_end_of_input_a_caller_finishes_and_leaves() {
    let mut duo =
        Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json"])).file("a", vec![7; 3_000_000]));
    duo.bob.send_bytes(b"hi\ntransfer a\nno newline");
    duo.bob.end_input();
    duo.end_with(0, 0);
    assert_eq!(texts(&duo.anna), ["hi", "no newline"]);
    assert_eq!(duo.anna.event("received")["bytes"], 3_000_000);
    assert_eq!(duo.bob.event("sent")["bytes"], 3_000_000);
}

#[test]
fn fault_14_who_waits_without_input_receives_until_the_caller_leaves() {
    let waiting = tete(&anna(&["--json"])).input(Stdio::null());
    let mut duo = Duo::new(waiting, |port| tete(&bob(port, &["--json"])).file("a", "12345"));
    duo.bob.send("hi");
    duo.bob.send("transfer a");
    duo.bob.event("sent");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!((texts(&duo.anna), &duo.anna.event("closed")["by"]), (vec!["hi".to_owned()], &json!("peer")));
}

#[test]
fn fault_14_standard_input_may_be_a_regular_file() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    let script = anna.file("script");
    std::fs::write(&script, "from a file\n").expect("a file");
    let file = std::fs::File::open(&script).expect("the file");
    let mut bob = tete(&bob(port, &["--json"])).input(file).start();
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
    assert_eq!(texts(&anna), ["from a file"]);
}
