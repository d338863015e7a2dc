//! Ctrl-C, Ctrl-D, Ctrl-Z, signals and a window that is closed: what is said, and what the terminal is like then.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::console::{Console, Desk};
use crate::people::{Talk, answers, hears, port};

const CTRL_C: &[u8] = b"\x03";
const CTRL_D: &[u8] = b"\x04";
const CTRL_Z: &[u8] = b"\x1a";

const FIRST_QUESTION: &str = "Your name [tester]:";

/// The program at its first question.
fn asked() -> Console {
    let mut ann = Desk::new().start(&["--plain"]);
    ann.prompts(FIRST_QUESTION);
    ann
}

/// It is as a program at a prompt has it.
fn is_at_a_prompt(console: &mut Console) {
    console.waits_for("the modes of a prompt", |console| {
        let modes = console.modes();
        modes.is_raw && modes.marks_pastes && !modes.hides_cursor && !modes.is_alternate
    });
}

#[test]
fn ctrl_c_clears_the_line_then_tells_then_leaves() {
    let mut talk = Talk::new();
    is_at_a_prompt(&mut talk.ann);
    talk.ann.types("never mind");
    talk.ann.prompts("ann> never mind");
    talk.ann.presses(CTRL_C);
    talk.ann.prompts("ann>");
    assert!(!talk.ann.everything().contains("again leaves"), "{}", talk.ann.seen());
    talk.ann.presses(CTRL_C);
    talk.ann.shows("Ctrl-C again leaves");
    talk.ann.prompts("ann>");
    talk.ann.presses(CTRL_C);
    talk.ann.ends(130);
    assert_eq!(talk.bob.event("closed")["reason"], "ann left (interrupted)");
    assert_eq!(talk.bob.exit_code(), 0);
}

#[test]
fn what_is_typed_after_ctrl_c_takes_its_warning_back() {
    let mut talk = Talk::new();
    talk.ann.presses(CTRL_C);
    talk.ann.shows("Ctrl-C again leaves");
    talk.ann.says("never mind");
    talk.bob_reads("never mind");
    talk.ann.presses(CTRL_C);
    talk.ann.waits_for("the second warning", |ann| ann.everything().matches("Ctrl-C again leaves").count() == 2);
    talk.part();
}

#[test]
fn ctrl_c_tells_what_is_running() {
    let mut talk = Talk::with(&Desk::new(), &["--limit", "10k"], |bob| bob);
    std::fs::write(talk.ann.file("slow.bin"), vec![b's'; 1_000_000]).unwrap();
    talk.ann.says("transfer slow.bin");
    talk.bob.event("offer");
    talk.ann.waits_for("its bar", |ann| ann.screen().lines().any(|row| row.contains("slow.bin") && row.contains('%')));
    talk.ann.presses(CTRL_C);
    talk.ann.shows("transfer is running");
    talk.ann.presses(CTRL_C);
    talk.ann.ends(130);
}

#[test]
fn ctrl_c_twice_at_a_question_of_the_start_leaves() {
    let mut ann = asked();
    is_at_a_prompt(&mut ann);
    ann.types("half a na");
    ann.prompts(&format!("{FIRST_QUESTION} half a na"));
    ann.presses(CTRL_C);
    ann.prompts(FIRST_QUESTION);
    ann.presses(CTRL_C);
    ann.shows("Ctrl-C again leaves");
    ann.prompts(FIRST_QUESTION);
    ann.presses(CTRL_C);
    ann.ends(130);
}

#[test]
fn ctrl_d_leaves_on_an_empty_line_only() {
    let mut talk = Talk::new();
    talk.ann.types("xy");
    talk.ann.presses(CTRL_D);
    talk.ann.types("z");
    talk.ann.prompts("ann> xyz");
    talk.ann.presses(b"\x15");
    talk.ann.prompts("ann>");
    talk.ann.presses(CTRL_D);
    talk.ann.ends(0);
    assert_eq!(talk.bob.event("closed")["reason"], "ann left");
    assert_eq!(talk.bob.exit_code(), 0);
}

#[test]
fn ctrl_d_at_a_question_of_the_start_leaves_well() {
    let mut ann = asked();
    ann.presses(CTRL_D);
    ann.ends(0);
}

#[test]
fn exit_at_a_question_of_the_start_leaves_well() {
    let mut ann = asked();
    ann.says("exit");
    ann.ends(0);
}

#[test]
fn fault_83_a_signal_says_goodbye_and_leaves_the_terminal_as_it_was() {
    for (signal, code, words) in
        [(Signal::TERM, 143, "ann left (interrupted)"), (Signal::HUP, 143, "ann left (interrupted)")]
    {
        let mut talk = Talk::new();
        talk.ann.types("half a sen");
        talk.ann.prompts("ann> half a sen");
        talk.ann.signal(signal);
        talk.ann.ends(code);
        assert_eq!(talk.bob.event("closed")["reason"], words, "{signal:?}");
        assert_eq!(talk.bob.exit_code(), 0);
    }
}

#[test]
fn fault_83_a_signal_at_a_question_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut ann = asked();
        is_at_a_prompt(&mut ann);
        ann.signal(signal);
        ann.ends(143);
    }
}

#[test]
fn a_window_that_is_closed_says_goodbye_and_ends() {
    let mut talk = Talk::new();
    talk.ann.hang_up();
    assert_eq!(talk.ann.exit_code(), 143);
    assert_eq!(talk.bob.event("closed")["reason"], "ann left (interrupted)");
    assert_eq!(talk.bob.exit_code_within(Duration::from_secs(10)), 0);
}

#[test]
fn fault_12_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again_with_what_was_typed() {
    let mut shell = Desk::new().shell();
    let before = shell.modes();
    shell.says("\"$TETE\" --plain -n ann -l 0; echo it was $?");
    let at = port(&mut shell);
    shell.waits_for("the question whom to call", |shell| shell.screen().contains("Whom to call"));
    let mut bob = Talk::called(&mut shell, at, |bob| bob);
    shell.types("half a sen");
    shell.prompts("ann> half a sen");
    is_at_a_prompt(&mut shell);

    shell.presses(CTRL_Z);
    shell.shows("Stopped");
    shell.prompts("shell$");
    assert_eq!(shell.modes(), before, "{}", shell.seen());
    // The shell is all there, and nobody draws into it.
    bob.send("are you there");
    shell.says("echo here I am");
    shell.shows("\nhere I am");
    shell.prompts("shell$");

    shell.says("fg");
    shell.prompts("ann> half a sen");
    is_at_a_prompt(&mut shell);
    hears(&mut shell, "bob: are you there");
    shell.prompts("ann> half a sen");
    shell.says("tence");
    bob.find("the sentence", |event| event["text"] == "half a sentence");
    shell.says("exit");
    shell.prompts("shell$");
    shell.shows("it was 148");
    assert_eq!(shell.modes(), before, "{}", shell.seen());
    assert_eq!(bob.exit_code(), 0);
    shell.says("exit 0");
    assert_eq!(shell.exit_code(), 0);
}

#[test]
fn fault_12_stopped_from_outside_and_continued_the_screen_is_drawn_again() {
    let mut shell = Desk::new().shell();
    shell.says("\"$TETE\" --plain -n ann -l 0");
    let at = port(&mut shell);
    shell.waits_for("the question whom to call", |shell| shell.screen().contains("Whom to call"));
    let mut bob = Talk::called(&mut shell, at, |bob| bob);
    shell.types("half a sen");
    shell.prompts("ann> half a sen");
    let program = shell.children()[0];
    kill_process(program, Signal::TSTP).unwrap();
    shell.shows("Stopped");
    shell.prompts("shell$");
    shell.says("fg");
    shell.prompts("ann> half a sen");
    is_at_a_prompt(&mut shell);
    shell.says("tence");
    bob.find("the sentence", |event| event["text"] == "half a sentence");
    shell.presses(CTRL_D);
    shell.prompts("shell$");
    assert_eq!(bob.exit_code(), 0);
}

#[test]
fn after_ctrl_z_at_a_question_fg_asks_it_again() {
    let mut shell = Desk::new().shell();
    shell.says("\"$TETE\" --plain");
    shell.types("an");
    shell.prompts(&format!("{FIRST_QUESTION} an"));
    shell.presses(CTRL_Z);
    shell.prompts("shell$");
    shell.says("fg");
    shell.prompts(&format!("{FIRST_QUESTION} an"));
    answers(&mut shell, &format!("{FIRST_QUESTION} an"), "n");
    shell.prompts("Port to listen on [8383]:");
    shell.presses(CTRL_D);
    shell.prompts("shell$");
}
