//! How it is shown what others say and do: times, bytes, rows, bells; and that keys count meanwhile.

use std::io::Write;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{bob, free_port, tete};
use crate::console::Desk;
use crate::people::{Talk, hears, port};

const CTRL_L: &[u8] = b"\x0c";
const CTRL_Z: &[u8] = b"\x1a";

/// What a clock in Tokyo shows.
fn time_in_tokyo() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let minutes = seconds / 60 + 9 * 60;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

#[test]
fn a_line_has_the_time_of_where_one_is() {
    let mut talk = Talk::at(&Desk::new().env("TZ", "Asia/Tokyo"));
    let before = time_in_tokyo();
    talk.bob_says("good evening");
    hears(&mut talk.ann, "bob: good evening");
    let after = time_in_tokyo();
    let everything = talk.ann.everything();
    let is_so = |time: &str| everything.contains(&format!("\n{time} bob: good evening"));
    assert!(is_so(&before) || is_so(&after), "{before} {after}\n{everything}");
    talk.part();
}

#[test]
fn a_terminal_without_utf_8_gets_nothing_but_ascii_whatever_is_said_and_typed() {
    const FILE: usize = 400_000;
    let desk = Desk::new().env("LANG", "C");
    let mut talk = Talk::with(&desk, &["--limit", "200k"], |bob| bob.file("année.bin", vec![b'a'; FILE]));
    talk.bob.send("transfer année.bin");
    talk.ann.waits_for("its bar", |ann| ann.screen().lines().any(|row| row.contains(r"ann\u{e9}e.bin ")));
    // The second byte of the character begins a sequence on such a terminal: an erased screen.
    talk.bob_says("a\u{6db}2Jb");
    hears(&mut talk.ann, r"bob: a\u{6db}2Jb");
    talk.ann.types("é世");
    talk.ann.prompts(r"ann> \u{e9}\u{4e16}");
    talk.ann.enter();
    talk.bob_reads("é世");
    hears(&mut talk.ann, r"ann: \u{e9}\u{4e16} (read)");
    talk.ann.shows(&format!(r"ann\u{{e9}}e.bin from bob: {FILE} bytes, verified"));
    assert!(talk.ann.bytes().is_ascii(), "{}", talk.ann.seen());
    talk.part();
}

#[test]
fn a_terminal_without_utf_8_gets_nothing_but_ascii_also_where_it_is_given_lines() {
    let desk = Desk::new().env("LANG", "C");
    let mut ann = desk.start(&["--plain", "--ui", "plain", "-n", "ann", "-l", "127.0.0.1:0"]);
    ann.shows("Whom to call");
    ann.enter();
    let port = port(&mut ann);
    let mut bob = tete(&bob(port, &["--json"])).start();
    bob.send(&serde_json::json!({ "say": "a\u{6db}2Jb" }).to_string());
    ann.shows(r"bob: a\u{6db}2Jb");
    assert!(ann.bytes().is_ascii(), "{}", ann.seen());
}

#[test]
fn ctrl_z_is_obeyed_while_the_other_side_talks_without_a_pause() {
    let mut shell = Desk::new().shell();
    let before = shell.modes();
    shell.says("\"$TETE\" --plain -n ann -l 0");
    let at = port(&mut shell);
    shell.waits_for("the question whom to call", |shell| shell.screen().contains("Whom to call"));
    let mut bob = Talk::called(&mut shell, at, |bob| bob);
    let mut input = bob.take_input();
    let lines = "spam spam spam\n".repeat(100);
    // Until bob has gone.
    let flood = thread::spawn(move || while input.write_all(lines.as_bytes()).is_ok() {});
    shell.waits_for("a screen of it", |shell| shell.screen().matches("bob: spam").count() > 10);
    shell.presses(CTRL_Z);
    shell.waits_for("that it is stopped", |shell| shell.screen().contains("Stopped") && shell.prompt() == "shell$");
    assert_eq!(shell.modes(), before, "{}", shell.seen());
    bob.kill();
    flood.join().unwrap();
}

#[test]
fn a_bell_leaves_no_empty_line() {
    let mut talk = Talk::with(&Desk::new(), &["--bell"], |bob| bob);
    for text in ["one", "two", "three"] {
        talk.bob_says(text);
        hears(&mut talk.ann, &format!("bob: {text}"));
    }
    assert_eq!(talk.ann.asked().bells, 3);
    let everything = talk.ann.everything();
    let (_, conversation) = everything.split_once("-- connected to bob").unwrap();
    assert!(conversation.lines().skip(1).all(|line| !line.is_empty()), "{everything}");
    talk.part();
}

#[test]
fn ctrl_l_empties_the_screen_and_what_was_said_stays_above_it() {
    let mut talk = Talk::new();
    let texts: Vec<_> = (0..5).map(|nth| format!("text {nth}")).collect();
    for text in &texts {
        talk.bob_says(text);
        hears(&mut talk.ann, &format!("bob: {text}"));
    }
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    talk.ann.presses(CTRL_L);
    talk.ann.waits_for("an empty screen", |ann| ann.screen() == "ann> half a sen");
    for text in &texts {
        assert_eq!(talk.ann.everything().matches(text.as_str()).count(), 1, "{}", talk.ann.seen());
    }
    assert!(talk.ann.everything().contains("-- connected to bob"), "{}", talk.ann.seen());
    talk.ann.says("tence");
    talk.bob_reads("half a sentence");
    talk.part();
}

#[test]
fn a_text_of_nothing_but_breaks_has_a_bounded_number_of_rows() {
    let mut talk = Talk::new();
    talk.bob_says(&"\n".repeat(15_000));
    talk.bob_says("the end");
    hears(&mut talk.ann, "bob: the end");
    let lines = talk.ann.everything().lines().count();
    assert!((90..120).contains(&lines), "{lines} lines");
    let breaks = talk.ann.bytes().iter().filter(|byte| **byte == b'\n').count();
    assert!(breaks < 200, "{breaks} breaks");
    // The breaks behind are escaped: they take the rows of a text, not one each.
    let rows = talk.ann.terminal().scrollback_len() + 24;
    assert!(rows < 500, "{rows} rows");
    talk.part();
}

#[test]
fn who_wants_it_quiet_is_told_which_file_is_asked_about() {
    let port = free_port();
    let mut ann = Desk::new().start(&["--plain", "-q", "-n", "ann", "-l", &port.to_string(), "--accept", "ask"]);
    ann.prompts("Whom to call, as PORT or HOST:PORT [wait for a call]:");
    ann.says("");
    ann.prompts("ann>");
    let mut bob = tete(&bob(port, &["--json"])).file("notes.txt", "notes").start();
    bob.event("connected");
    bob.send("transfer notes.txt");
    ann.waits_for("the question", |ann| {
        let everything = ann.everything();
        everything.lines().any(|line| {
            line.contains("notes.txt")
                && line.contains("5 bytes")
                && line.contains("/accept")
                && line.contains("/refuse")
        })
    });
    ann.says("/accept");
    assert_eq!(bob.event("sent")["bytes"], 5);
    bob.send("exit");
    ann.ends(0);
    assert_eq!(std::fs::read_to_string(ann.file("fetched_notes.txt")).unwrap(), "notes");
}
