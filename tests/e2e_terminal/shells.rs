//! What the terminal of these tests can do itself, shown by programs that everybody knows.

use rustix::process::Signal;

use crate::console::{Console, Desk};

#[test]
fn what_is_typed_at_a_cooked_terminal_is_echoed_and_comes_back() {
    let mut cat = Desk::new().run("cat", &[]);
    assert!(!cat.modes().is_raw);
    cat.types("half a");
    cat.shows("half a");
    assert_eq!(cat.cursor(), (0, 6));
    cat.says(" line");
    cat.waits_for("the line again", |cat| cat.rows()[1] == "half a line");
    cat.presses(b"\x04");
    cat.ends(0);
}

/// Has a shell carry out a command; where its prompt is back and only then.
fn orders(bash: &mut Console, command: &str) {
    let row = bash.row_of_prompt();
    bash.says(command);
    bash.waits_for("the next prompt", |bash| bash.row_of_prompt() > row && bash.prompt() == "shell$");
}

#[test]
fn a_shell_at_the_terminal_has_jobs_and_an_exit_code() {
    let mut bash = Desk::new().shell();
    bash.says("cat");
    bash.says("to cat");
    bash.shows("to cat\nto cat");
    bash.presses(b"\x1a");
    bash.shows("Stopped");
    bash.prompts("shell$");
    bash.says("fg");
    bash.shows("$ fg\ncat");
    bash.says("again");
    bash.shows("again\nagain");
    bash.presses(b"\x03");
    bash.prompts("shell$");
    bash.says("exit $?");
    assert_eq!(bash.exit_code(), 130);
}

#[test]
fn the_size_of_the_terminal_is_told_to_whoever_is_in_it() {
    let mut bash = Desk::new().size(40, 12).shell();
    orders(&mut bash, "stty size");
    bash.shows("\n12 40");
    orders(&mut bash, "trap 'stty size' WINCH");
    bash.resize(200, 50);
    orders(&mut bash, "stty size");
    bash.shows("50 200\n50 200");
    bash.resize(1, 1);
    bash.resize(80, 24);
    orders(&mut bash, "stty size");
    bash.shows("24 80");
}

#[test]
fn a_terminal_that_nobody_reads_stops_who_writes_until_somebody_does() {
    let mut bash = Desk::new().shell();
    bash.stop_reading();
    bash.says("seq 1 20000; echo all of them");
    bash.all_pressed();
    let written = bash.file("written");
    bash.says(&format!("echo > {}", written.display()));
    bash.all_pressed();
    bash.hear();
    assert!(!bash.everything().contains("\n20000") && !written.exists());
    bash.go_on_reading();
    bash.shows("19999\n20000\nall of them");
    bash.waits_for("the next command", |_| written.exists());
}

#[test]
fn a_hang_up_ends_who_sits_there() {
    let script = "trap 'echo > gone; exit 3' HUP; echo ready; while :; do read -r; done";
    let mut bash = Desk::new().run("bash", &["-c", script]);
    bash.shows("ready");
    bash.hang_up();
    assert_eq!(bash.exit_code(), 3);
    assert!(bash.file("gone").exists());
}

#[test]
fn a_signal_reaches_the_program_alone() {
    // A shell hears of it between two commands: while it waits for input, it may just have missed it.
    let mut shell = Desk::new().run("bash", &["-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"]);
    shell.shows("ready");
    shell.signal(Signal::TERM);
    assert_eq!(shell.exit_code(), 9);
}
