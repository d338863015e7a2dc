//! `--send` from a terminal: questions are answered there, and keys stop it.

use std::fs;

use crate::common::{Tete, free_port, tete};
use crate::console::{Console, Desk};

const CTRL_C: &[u8] = b"\x03";
const CTRL_D: &[u8] = b"\x04";

/// Somebody who takes files, and where.
fn receiver(more: &[&str]) -> (Tete, String) {
    let mut receiver = tete(&[&["--json", "-n", "bob", "-l", "127.0.0.1:0"], more].concat()).start();
    let port = receiver.port();
    (receiver, format!("127.0.0.1:{port}"))
}

/// A file to be sent, in a folder of its own, and ann who sends it.
fn sends(args: &[&str]) -> (Console, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "notes").unwrap();
    let console = Desk::new().start(&[&["-n", "ann", "--send", file.to_str().unwrap()], args].concat());
    (console, folder)
}

#[test]
fn ctrl_c_twice_leaves_who_sends_a_file_to_nobody() {
    let target = format!("127.0.0.1:{}", free_port());
    let (mut ann, _folder) = sends(&["--plain", &target]);
    ann.shows("-- calling");
    ann.presses(CTRL_C);
    ann.shows("Ctrl-C again leaves");
    ann.presses(CTRL_C);
    ann.ends(130);
}

#[test]
fn who_sends_a_file_and_types_exit_still_sends_it() {
    let (mut bob, target) = receiver(&["--plain"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.bin");
    fs::write(&file, vec![7; 3_000_000]).unwrap();
    let args = ["-n", "ann", "--plain", "--limit", "1M", "--send", file.to_str().unwrap(), &target];
    let mut ann = Desk::new().start(&args);
    bob.event("progress");
    ann.says("exit");
    ann.shows("finishing one transfer; a second exit leaves at once");
    assert_eq!(bob.event("received")["bytes"], 3_000_000);
    ann.ends(0);
}

#[test]
fn a_person_who_leaves_waits_until_what_is_offered_is_answered() {
    let (mut bob, target) = receiver(&["--plain", "--accept", "ask"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "notes").unwrap();
    let mut ann = Desk::new().start(&["-n", "ann", "--plain", &target]);
    ann.shows("connected to bob");
    ann.says(&format!("transfer {}", file.display()));
    let question = bob.event("question");
    ann.says("exit");
    ann.shows("not all that was offered is answered; a second exit leaves at once");
    bob.send(&format!("/accept {}", question["transfer"]));
    assert_eq!(bob.event("received")["bytes"], 5);
    ann.ends(0);
    assert_eq!(bob.exit_code(), 0);
}

#[test]
fn a_file_that_is_edited_before_anybody_is_there_is_sent_as_it_is_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "first").unwrap();
    let mut ann = tete(&["--json", "--plain", "-l", "127.0.0.1:0", "--send", file.to_str().unwrap()]).start();
    let port = ann.port().to_string();
    fs::write(&file, "first and second").unwrap();
    let mut bob = tete(&["--json", "--plain", &port]).start();
    assert_eq!(bob.event("received")["bytes"], "first and second".len());
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
}

#[test]
fn who_leaves_before_anybody_is_reached_is_told_which_files_stay_here() {
    let target = format!("127.0.0.1:{}", free_port());
    let (mut ann, _folder) = sends(&["--plain", &target]);
    ann.shows("-- calling");
    ann.says("exit");
    ann.shows("files that were not offered: 1");
    ann.ends(4);
}

#[test]
fn who_sends_a_file_to_somebody_new_is_asked_and_answers() {
    let (mut bob, target) = receiver(&["--trust", "new"]);
    let (mut ann, _folder) = sends(&[&target]);
    ann.prompts("Is that whom you want to talk to? [yes/N]");
    ann.says("yes");
    let received = bob.event("received");
    assert_eq!((&received["name"], &received["bytes"]), (&"notes.txt".into(), &5.into()));
    ann.ends(0);
}

#[test]
fn who_sends_a_file_to_somebody_new_can_say_no() {
    let (mut bob, target) = receiver(&["--trust", "new"]);
    let (mut ann, _folder) = sends(&[&target]);
    ann.prompts("Is that whom you want to talk to? [yes/N]");
    ann.enter();
    assert_ne!(ann.exit_code(), 0);
    bob.send("exit");
    assert_eq!(bob.exit_code(), 0);
    assert_eq!(bob.all("offer").count(), 0);
}

#[test]
fn what_is_sent_from_the_keyboard_is_typed_in_lines_and_ctrl_d_ends_it() {
    let (mut bob, target) = receiver(&["--plain"]);
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "--send", "-", "--as", "typed.txt", &target]);
    ann.shows("-- connected to bob");
    assert_eq!(ann.modes(), ann.modes_before(), "the terminal edits the lines");
    ann.says("hello");
    ann.says("world");
    ann.presses(CTRL_D);
    let received = bob.event("received");
    assert_eq!((&received["name"], &received["bytes"]), (&"typed.txt".into(), &12.into()));
    assert_eq!(fs::read_to_string(bob.file("fetched_typed.txt")).unwrap(), "hello\nworld\n");
    ann.ends(0);
}

#[test]
fn ctrl_c_stops_what_is_sent_from_the_keyboard() {
    let (_bob, target) = receiver(&["--plain"]);
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "--send", "-", &target]);
    ann.shows("-- connected to bob");
    ann.says("hello");
    // There is no line of ours that it could clear: the system sends the signal.
    ann.presses(CTRL_C);
    ann.shows("Ctrl-C again leaves");
    ann.presses(CTRL_C);
    assert_eq!(ann.exit_code(), 130);
}
