//! What a terminal is like after a mistake of the program's own.
//!
//! No input makes the program panic, so that these tests do it themselves, in a process of this test program.

use tete::term::console::{Console as Taken, survive_panics};

use crate::console::Desk;

/// Set for a process that shall panic.
const PANICS: &str = "TETE_PANICS";

/// The one of the tests that panics, as the test program calls it.
const WHO: &str = "panics::whoever_is_told_to_panics_while_it_has_the_terminal";

#[test]
fn whoever_is_told_to_panics_while_it_has_the_terminal() {
    let Some(what) = std::env::var_os(PANICS) else { return };
    survive_panics();
    let _taken = Taken::take().unwrap();
    print!("\x1b[?2004hann> half a sen");
    if what == "helper" {
        let helper = std::thread::spawn(|| panic!("a helper's mistake"));
        assert!(helper.join().is_err());
        print!("\r\x1b[J\x1b[?2004l");
        return;
    }
    panic!("a mistake");
}

#[test]
fn fault_86_a_panic_leaves_the_terminal_as_it_was_and_is_shown_there() {
    let test = std::env::current_exe().unwrap();
    let mut ann = Desk::new().env(PANICS, "main").run(test.to_str().unwrap(), &["--exact", WHO, "--nocapture"]);
    assert_eq!(ann.exit_code(), 101);
    assert_eq!(ann.modes(), ann.modes_before(), "{}", ann.seen());
    let everything = ann.everything();
    assert!(everything.lines().any(|line| line == "a mistake"), "{}", ann.seen());
}

#[test]
fn fault_86_a_helpers_panic_is_not_drawn_into_the_terminal() {
    let test = std::env::current_exe().unwrap();
    let mut ann = Desk::new().env(PANICS, "helper").run(test.to_str().unwrap(), &["--exact", WHO, "--nocapture"]);
    assert_eq!(ann.exit_code(), 0, "{}", ann.seen());
    assert_eq!(ann.modes(), ann.modes_before(), "{}", ann.seen());
    assert!(!ann.everything().contains("mistake"), "{}", ann.seen());
}
