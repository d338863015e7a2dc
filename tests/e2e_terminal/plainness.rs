//! Terminals and people that want less: no colours, no escape sequences, nothing but ASCII.

use std::fs;

use crate::console::{Console, Desk};
use crate::people::{Talk, hears};

/// Texts both ways, a file, what is asked and told: most of what is ever drawn.
fn everything_once(mut talk: Talk) -> Console {
    talk.bob.send("hi");
    talk.ann.shows("bob: hi");
    talk.ann.says("hello");
    talk.bob_reads("hello");
    fs::write(talk.ann.file("slow.bin"), vec![b's'; 300_000]).unwrap();
    talk.ann.says("transfer slow.bin");
    talk.ann.shows("-- sent slow.bin to bob: 300000 bytes, verified");
    for line in ["/status", "/help", "/cancle", "transfer nothing-there"] {
        talk.ann.says(line);
    }
    talk.ann.shows("nothing-there");
    talk.ann.says("exit");
    assert_eq!(talk.ann.exit_code(), 0);
    talk.ann
}

/// Slow enough for a bar to be drawn.
const SLOW: [&str; 2] = ["--limit", "200k"];

/// Sequences that set colours and the like.
fn colours(console: &Console) -> usize {
    let sequences = console.text().split('\x1b').skip(1);
    sequences
        .filter(|rest| {
            rest.find(|c| ('@'..='~').contains(&c) && c != '[').is_some_and(|at| rest[at..].starts_with('m'))
        })
        .count()
}

#[test]
fn faults_89_and_92_without_utf_8_all_that_is_drawn_is_ascii() {
    for (key, value) in [("LANG", "C"), ("LC_ALL", "C"), ("LC_ALL", "POSIX"), ("LC_CTYPE", "de_DE.ISO-8859-15")] {
        let talk = Talk::with(&Desk::new().env(key, value), &SLOW, |bob| bob);
        let mut ann = everything_once(talk);
        assert!(ann.text().is_ascii(), "{key}={value}\n{}", ann.seen());
        hears(&mut ann, "ann: hello (read)");
    }
}

#[test]
fn with_utf_8_a_delivered_text_has_its_mark() {
    let mut ann = everything_once(Talk::with(&Desk::new(), &SLOW, |bob| bob));
    hears(&mut ann, "ann: hello ✓");
    assert!(colours(&ann) > 0);
}

#[test]
fn fault_89_no_color_and_color_never_set_no_attribute() {
    let never = ["--color", "never"];
    for (key, value, more) in [("NO_COLOR", "1", &[][..]), ("UNUSED", "", &never)] {
        let talk = Talk::with(&Desk::new().env(key, value), &[&SLOW, more].concat(), |bob| bob);
        let mut ann = everything_once(talk);
        assert_eq!(colours(&ann), 0, "{key} {more:?}\n{}", ann.seen());
    }
}

#[test]
fn an_empty_no_color_is_none() {
    let ann = everything_once(Talk::with(&Desk::new().env("NO_COLOR", ""), &SLOW, |bob| bob));
    assert!(colours(&ann) > 0);
}

/// As [`Talk::with`], where there is no prompt at the bottom.
fn in_lines(desk: &Desk, more: &[&str]) -> Talk {
    let mut ann = desk.start(&[&["--plain", "-n", "ann", "-l", "0"], more].concat());
    let port = crate::people::port(&mut ann);
    ann.shows("Whom to call");
    let mut bob = crate::common::tete(&crate::common::bob(port, &["--json"])).start();
    ann.shows("-- connected to bob");
    bob.event("connected");
    Talk { ann, bob }
}

#[test]
fn fault_89_a_dumb_terminal_and_a_screen_reader_get_lines_without_a_single_escape() {
    let plain = ["--ui", "plain"];
    let never = ["--color", "auto"];
    let dumb = Desk::new().env("TERM", "dumb");
    let unknown = Desk::new().without_env("TERM");
    for (desk, more) in [(&dumb, &[][..]), (&unknown, &[]), (&Desk::new(), &plain), (&dumb, &never)] {
        let talk = in_lines(desk, more);
        assert_eq!(talk.ann.modes(), talk.ann.modes_before(), "keys are left to the terminal");
        let mut ann = everything_once(talk);
        assert!(!ann.bytes().contains(&0x1b), "{}", ann.seen());
        // A line that is drawn over itself is no line either.
        assert!(!ann.text().replace("\r\n", "\n").contains('\r'), "{}", ann.seen());
    }
}

#[test]
fn a_name_has_the_same_colour_every_time_and_notices_are_told_apart() {
    let colour = || {
        let mut talk = Talk::new();
        talk.bob.send("hi");
        hears(&mut talk.ann, "bob: hi");
        let rows = talk.ann.rows();
        let row = rows.iter().position(|row| row.ends_with("bob: hi")).unwrap();
        let cell = talk.ann.terminal().cell(u16::try_from(row).unwrap(), 6).unwrap();
        assert_eq!(cell.contents(), "b");
        cell.fgcolor()
    };
    let first = colour();
    assert_ne!(first, vt100::Color::Default);
    assert_eq!(first, colour());
}

#[test]
fn the_bell_rings_for_a_message_where_it_is_asked_for_and_only_there() {
    for (more, rings) in [(&["--bell"][..], true), (&[], false)] {
        let mut talk = Talk::with(&Desk::new(), more, |bob| bob);
        talk.bob.send("hi");
        hears(&mut talk.ann, "bob: hi");
        assert_eq!(talk.ann.asked().bells > 0, rings);
        talk.part();
    }
}
