//! What is typed stays, and is sent as it stands.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::console::{Console, Desk};
use crate::people::{Talk, hears, said};

/// Longest message, in bytes.
const LONGEST: usize = 16_000;
/// What the program may hold, whatever it is fed.
const BOUND: u64 = 64 << 20;

const LEFT: &[u8] = b"\x1b[D";
const HOME: &[u8] = b"\x1b[H";
const BACKSPACE: &[u8] = b"\x7f";

#[test]
fn half_a_sentence_stays_through_40_messages_and_a_file_and_enter_sends_it_whole() {
    const SIZE: usize = 40_000_000;
    let mut talk = Talk::with(&Desk::new(), &[], |bob| bob.file("big.bin", vec![b'b'; SIZE]));
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    talk.bob.send("transfer big.bin");
    for nth in 1..=40 {
        talk.bob_says(&format!("message {nth}"));
    }
    let mut looks = 0;
    talk.ann.waits_for("the file and all messages", |ann| {
        looks += 1;
        assert_eq!(ann.prompt(), "ann> half a sen", "{}", ann.seen());
        assert_eq!(ann.cursor().1, 15, "{}", ann.seen());
        let everything = ann.everything();
        everything.contains("message 40") && everything.contains(&format!("from bob: {SIZE} bytes, verified"))
    });
    assert!(looks > 1, "nothing happened meanwhile");
    let messages: Vec<_> = said(&mut talk.ann).into_iter().filter(|line| line.starts_with("bob: ")).collect();
    let wanted: Vec<_> = (1..=40).map(|nth| format!("bob: message {nth}")).collect();
    assert_eq!(messages, wanted);
    talk.ann.says("tence");
    talk.bob_reads("half a sentence");
    hears(&mut talk.ann, "ann: half a sentence ✓");
    talk.ann.prompts("ann>");
    assert_eq!(fs::metadata(talk.ann.file("fetched_big.bin")).unwrap().len(), SIZE as u64);
    talk.part();
}

#[test]
fn a_text_stands_above_the_prompt_until_it_is_delivered_and_is_marked_then() {
    let mut talk = Talk::new();
    talk.bob.signal(Signal::STOP);
    talk.ann.says("are you there");
    talk.ann.waits_for("the text above the prompt", |ann| {
        let (row, rows) = (ann.row_of_prompt(), ann.rows());
        ann.prompt() == "ann>" && rows[..row].iter().any(|row| row.contains("are you there"))
    });
    assert!(!talk.ann.everything().contains('✓'), "{}", talk.ann.seen());
    talk.bob.signal(Signal::CONT);
    hears(&mut talk.ann, "ann: are you there ✓");
    assert_eq!(talk.ann.everything().matches("are you there").count(), 1, "{}", talk.ann.seen());
    talk.part();
}

#[test]
fn a_paste_of_three_lines_is_one_message() {
    let mut talk = Talk::new();
    talk.ann.pastes("one\ntwo\nthree");
    talk.ann.prompts("ann> one⏎two⏎three");
    talk.ann.enter();
    talk.bob_reads("one\ntwo\nthree");
    assert_eq!(talk.bob.all("message").count(), 1);
    talk.ann.prompts("ann>");
    talk.part();
}

#[test]
fn what_is_pasted_is_never_a_command() {
    let mut talk = Talk::new();
    for pasted in ["exit", "/quit", "transfer secret.txt", "one\nexit\n"] {
        talk.ann.pastes(pasted);
        talk.ann.enter();
        talk.bob.find(&format!("{pasted:?} as a message"), |event| {
            event["text"].as_str().is_some_and(|text| text.trim_end() == pasted.trim_end())
        });
    }
    talk.part();
}

#[test]
fn a_path_pasted_behind_a_typed_command_is_transferred() {
    let mut talk = Talk::new();
    fs::write(talk.ann.file("my notes.txt"), "notes").unwrap();
    talk.ann.types("transfer ");
    talk.ann.pastes("my notes.txt");
    talk.ann.enter();
    assert_eq!(talk.bob.event("received")["name"], "my notes.txt");
    talk.part();
}

#[test]
fn fault_10_a_paste_of_ten_megabytes_is_limited_and_told_and_the_program_lives() {
    const PASTED: usize = 10_000_000;
    let mut talk = Talk::new();
    talk.ann.pastes(&"x".repeat(PASTED));
    talk.ann.all_pressed();
    let left_out: usize = talk.ann.until("a notice about it", |ann| {
        let everything = ann.everything();
        let (before, _) = everything.split_once(" bytes were left out")?;
        before.rsplit(' ').next()?.parse().ok()
    });
    assert!(talk.ann.high_water() < BOUND, "{} bytes", talk.ann.high_water());
    assert!(talk.ann.bytes().len() < 1 << 20, "{} bytes were drawn", talk.ann.bytes().len());
    talk.ann.enter();
    let sent = talk.bob.event("message")["text"].as_str().unwrap().len();
    assert_eq!((sent, sent + left_out), (LONGEST, PASTED));
    talk.ann.prompts("ann>");
    talk.ann.says("still here");
    talk.bob_reads("still here");
    talk.part();
}

#[test]
fn what_is_typed_beyond_a_message_is_counted_when_it_is_sent() {
    let mut talk = Talk::new();
    talk.ann.types(&"x".repeat(LONGEST + 4_000));
    talk.ann.all_pressed();
    talk.ann.shows("what follows is left out");
    talk.ann.enter();
    talk.ann.shows("4000 bytes were left out");
    assert_eq!(talk.bob.event("message")["text"].as_str().unwrap().len(), LONGEST);
    talk.part();
}

#[test]
fn fault_9_bytes_that_are_not_utf_8_are_replaced() {
    let mut talk = Talk::new();
    talk.ann.presses(b"a\xff\xfeb");
    // The emulator leaves the character out that stands for a broken one.
    talk.ann.waits_for("two replacements", |ann| ann.text().contains("ann> a\u{fffd}\u{fffd}b"));
    talk.ann.enter();
    talk.bob_reads("a\u{fffd}\u{fffd}b");
    talk.part();
}

#[test]
fn the_cursor_moves_over_wide_and_combined_characters_as_a_whole() {
    let mut talk = Talk::new();
    talk.ann.types("日本e\u{301}x");
    talk.ann.prompts("ann> 日本e\u{301}x");
    assert_eq!(talk.ann.cursor().1, 5 + 4 + 2);
    for column in [10, 9, 7, 5] {
        talk.ann.presses(LEFT);
        talk.ann.waits_for("the cursor one to the left", |ann| ann.cursor().1 == column);
    }
    talk.ann.presses(b"\x1b[F\x1b[D"); // End, and back before the x
    talk.ann.presses(BACKSPACE);
    talk.ann.prompts("ann> 日本x");
    talk.ann.presses(BACKSPACE);
    talk.ann.prompts("ann> 日x");
    talk.ann.enter();
    talk.bob_reads("日x");
    talk.part();
}

#[test]
fn a_line_longer_than_the_screen_scrolls_sideways_in_its_one_row() {
    let mut talk = Talk::at(&Desk::new().size(40, 12));
    let text: String = (0..30).map(|nth| format!("word{nth} ")).collect();
    let row = talk.ann.row_of_prompt();
    talk.ann.types(text.trim_end());
    talk.ann.waits_for("its end", |ann| ann.prompt().ends_with("word29"));
    assert_eq!(talk.ann.row_of_prompt(), row, "{}", talk.ann.seen());
    assert!(talk.ann.prompt().starts_with("ann> ‹"), "{}", talk.ann.seen());
    talk.ann.presses(HOME);
    talk.ann.waits_for("its beginning", |ann| ann.prompt().starts_with("ann> word0 ") && ann.cursor().1 == 5);
    assert!(talk.ann.prompt().ends_with('›'), "{}", talk.ann.seen());
    assert_eq!(talk.ann.row_of_prompt(), row, "{}", talk.ann.seen());
    talk.ann.enter();
    talk.bob_reads(text.trim_end());
    talk.part();
}

#[test]
fn readline_keys_edit_the_line() {
    let mut talk = Talk::new();
    let steps: [(&[u8], &str); 10] = [
        (b"one two three", "ann> one two three"),
        // Ctrl-W: the word before the cursor.
        (b"\x17", "ann> one two"),
        // Ctrl-A: to the beginning.
        (b"\x01zero ", "ann> zero one two"),
        // Alt-D: the word behind.
        (b"\x1bd", "ann> zero  two"),
        // Ctrl-K: all behind.
        (b"\x0b", "ann> zero"),
        // Ctrl-A and Ctrl-E: what is killed next stands by itself.
        (b"\x01\x05", "ann> zero"),
        // Ctrl-U: all before.
        (b"\x15", "ann>"),
        // Ctrl-Y: back again.
        (b"\x19", "ann> zero"),
        // Ctrl-Left: a word.
        (b"\x1b[1;5Dx", "ann> xzero"),
        // Ctrl-E and Ctrl-H: to the end, and the character before.
        (b"\x05\x08s", "ann> xzeros"),
    ];
    for (keys, row) in steps {
        talk.ann.presses(keys);
        talk.ann.prompts(row);
    }
    talk.ann.enter();
    talk.bob_reads("xzeros");
    talk.part();
}

/// Leaves by Ctrl-D, so that no word for it stands in the history.
fn leaves(mut talk: Talk) {
    talk.ann.presses(b"\x04");
    talk.ann.ends(0);
    assert_eq!(talk.bob.exit_code(), 0);
}

fn recalls(ann: &mut Console, key: &[u8], row: &str) {
    ann.presses(key);
    ann.prompts(row);
}

#[test]
fn what_was_said_in_an_earlier_run_comes_back_with_up() {
    const UP: &[u8] = b"\x1b[A";
    const DOWN: &[u8] = b"\x1b[B";
    let desk = Desk::new();
    let mut first = Talk::at(&desk);
    for text in ["one", "two"] {
        first.ann.says(text);
        first.bob_reads(text);
    }
    leaves(first);
    let mut second = Talk::at(&desk);
    second.ann.types("half");
    recalls(&mut second.ann, UP, "ann> two");
    recalls(&mut second.ann, UP, "ann> one");
    recalls(&mut second.ann, DOWN, "ann> two");
    recalls(&mut second.ann, DOWN, "ann> half");
    recalls(&mut second.ann, UP, "ann> two");
    second.ann.enter();
    second.bob_reads("two");
    second.part();
}

#[test]
fn another_account_has_another_history() {
    let mut first = Talk::new();
    first.ann.says("secret");
    first.bob_reads("secret");
    leaves(first);
    let mut other = Talk::new();
    other.ann.presses(b"\x1b[A");
    other.ann.says("nothing above");
    other.bob_reads("nothing above");
    other.part();
}

#[test]
fn ctrl_r_finds_an_older_line_and_enter_says_it_again() {
    let mut talk = Talk::new();
    for text in ["alpha beta", "gamma", "alpine"] {
        talk.ann.says(text);
        talk.bob_reads(text);
    }
    talk.ann.presses(b"\x12alp");
    talk.ann.waits_for("the newest match", |ann| ann.prompt().contains("alpine"));
    talk.ann.presses(b"\x12");
    talk.ann.waits_for("an older match", |ann| ann.prompt().contains("alpha beta"));
    talk.ann.enter();
    talk.bob.count("message", 4);
    assert_eq!(talk.bob.all("message").last().unwrap()["text"], "alpha beta");
    talk.ann.prompts("ann>");
    talk.part();
}

#[test]
fn tab_completes_commands() {
    let mut talk = Talk::new();
    talk.ann.types("tr\t");
    talk.ann.waits_for("a completed command", |ann| ann.prompt() == "ann> transfer" && ann.cursor().1 == 14);
    talk.ann.presses(b"\x15/st\t");
    talk.ann.prompts("ann> /status");
    talk.part();
}

#[test]
fn tab_completes_a_path_with_spaces_that_is_then_found() {
    let mut talk = Talk::new();
    fs::create_dir(talk.ann.file("a folder")).unwrap();
    fs::write(talk.ann.file("a folder/it's \"mine\".txt"), "mine").unwrap();
    // Twice, as people do who are in a hurry: the second one takes nothing from the first.
    talk.ann.types("transfer a\t\t");
    talk.ann.waits_for("the folder", |ann| ann.prompt().ends_with('/'));
    talk.ann.types("it\t");
    talk.ann.waits_for("the file", |ann| ann.prompt().contains(".txt"));
    talk.ann.enter();
    assert_eq!(talk.bob.event("received")["name"], "it's \"mine\".txt");
    talk.part();
}

#[test]
fn tab_completes_a_path_from_home() {
    let mut talk = Talk::new();
    fs::write(talk.ann.file("deep thoughts.txt"), "deep").unwrap();
    talk.ann.types("/send ~/dee\t");
    talk.ann.waits_for("the file", |ann| ann.prompt().contains("thoughts.txt"));
    talk.ann.enter();
    assert_eq!(talk.bob.event("received")["name"], "deep thoughts.txt");
    talk.part();
}

#[test]
fn tab_lists_what_it_could_be_and_keeps_the_line() {
    let mut talk = Talk::new();
    for name in ["report one.txt", "report two.txt"] {
        fs::write(talk.ann.file(name), name).unwrap();
    }
    talk.ann.types("transfer rep\t");
    talk.ann.waits_for("what they have in common", |ann| ann.prompt().contains("report"));
    talk.ann.presses(b"\t");
    talk.ann.waits_for("both names", |ann| {
        let everything = ann.everything();
        everything.contains("report one.txt") && everything.contains("report two.txt")
    });
    talk.ann.types("t\t");
    talk.ann.waits_for("the only one", |ann| ann.prompt().contains("two.txt"));
    talk.ann.enter();
    assert_eq!(talk.bob.event("received")["name"], "report two.txt");
    talk.part();
}

#[test]
fn a_command_that_was_pasted_is_recalled_as_a_message() {
    let mut talk = Talk::new();
    talk.ann.pastes("exit");
    talk.ann.enter();
    talk.bob_reads("exit");
    talk.ann.presses(b"\x1b[A");
    talk.ann.waits_for("the line before", |ann| ann.prompt().ends_with("exit"));
    talk.ann.enter();
    talk.bob.count("message", 2);
    assert!(talk.bob.all("message").all(|event| event["text"] == json!("exit")));
    talk.part();
}
