//! A peer that says what a terminal would obey.

use tete::proto::text::{Untrusted, is_dangerous};

use crate::console::{Console, Desk};
use crate::people::{Talk, hears};

/// Sequences with an effect, each ended by its terminator.
const SEQUENCES: [&str; 12] = [
    "\x1b]0;owned\x07",
    "\x1b]2;owned\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1b]8;;http://example.org\x07click\x1b]8;;\x07",
    "\x1b[2J\x1b[H",
    "\x1b[?1049h",
    "\x1b[8;1;1t",
    "\x1b[6n\x1b[c",
    "\x1bc",
    "\x1b[?2026h",
    "\u{9b}2J\u{9d}2;owned\u{9c}",
    "\x1b[200~exit\r\x1b[201~",
];

/// Nothing but text and the program's own drawing has reached the terminal.
fn is_harmless(console: &Console) {
    let text = console.text();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' | '\n' => {}
            '\x1b' => {
                assert_eq!(chars.next(), Some('['), "something else than a CSI sequence");
                let end = chars.find(|c| ('@'..='~').contains(c));
                // Up and sideways, erase, colours, modes: what drawing needs.
                assert!(end.is_some_and(|end| "ABCDGHJKhlm".contains(end)), "a sequence that ends with {end:?}");
            }
            // Joiners within emoji and flags stay where scripts need them.
            c => assert!(!is_dangerous(c) || matches!(c, '\u{200c}' | '\u{200d}'), "{c:?} was shown as it is"),
        }
    }
    let strange = &console.asked().strange;
    assert!(strange.is_empty(), "the terminal was asked for {strange:?}");
    assert_eq!(console.asked().bells, 0);
    assert!(!console.modes().is_alternate && !console.modes().hides_cursor && console.modes().marks_pastes);
}

#[test]
fn fault_17_what_a_peer_says_is_shown_with_escapes_and_nothing_obeys_it() {
    let mut talk = Talk::new();
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    for sequence in SEQUENCES {
        talk.bob_says(&format!("begin {sequence} end"));
        let shown = Untrusted::from(sequence).shown().to_string();
        hears(&mut talk.ann, &format!("bob: begin {shown} end"));
        assert_eq!(talk.ann.prompt(), "ann> half a sen", "{}", talk.ann.seen());
    }
    is_harmless(&talk.ann);
    talk.ann.says("tence");
    talk.bob_reads("half a sentence");
    talk.part();
}

#[test]
fn fault_17_every_control_and_formatting_character_is_shown_as_an_escape() {
    let mut talk = Talk::new();
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    let dangerous: Vec<char> = ('\0'..=char::MAX).filter(|c| is_dangerous(*c)).collect();
    for kind in ['\0', '\x1b', '\x7f', '\u{85}', '\u{9b}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{e0041}'] {
        assert!(dangerous.contains(&kind), "{kind:?}");
    }
    for some in dangerous.chunks(40) {
        let text: String = some.iter().flat_map(|c| ['<', *c, '>']).collect();
        talk.bob_says(&text);
    }
    talk.bob_says("that was all");
    hears(&mut talk.ann, "bob: that was all");
    let everything = talk.ann.everything();
    let shown = |c: char| format!("<{}>", Untrusted::from(String::from(c)).shown());
    // A break in what is said is one on the screen too.
    for c in dangerous.into_iter().filter(|c| *c != '\n') {
        let shown = shown(c);
        assert!(shown.is_ascii() && everything.contains(&shown), "{c:?} as {shown}\n{}", talk.ann.seen());
    }
    assert_eq!(talk.ann.prompt(), "ann> half a sen", "{}", talk.ann.seen());
    is_harmless(&talk.ann);
}

#[test]
fn fault_17_a_name_of_a_file_is_shown_with_escapes_in_notices_and_bars() {
    let mut talk =
        Talk::with(&Desk::new(), &[], |bob| bob.file("evil\x1b]2;owned\x07\u{202e}gpj.exe", vec![b'e'; 3000]));
    talk.bob.send(&serde_json::json!({ "transfer": "evil\x1b]2;owned\x07\u{202e}gpj.exe" }).to_string());
    talk.ann.waits_for("the file, or why not", |ann| {
        let everything = ann.everything();
        everything.contains("received ") || everything.contains("was not received")
    });
    assert!(talk.ann.everything().contains("\\u{1b}]2;owned"), "{}", talk.ann.seen());
    is_harmless(&talk.ann);
}

#[test]
fn hundreds_of_marks_on_one_character_do_not_paint_over_the_prompt() {
    let mut talk = Talk::new();
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    talk.bob_says(&format!("z{}", "\u{301}".repeat(400)));
    talk.bob_says("after it");
    hears(&mut talk.ann, "bob: after it");
    assert_eq!(talk.ann.prompt(), "ann> half a sen", "{}", talk.ann.seen());
    let longest = talk.ann.text().split(|c| c != '\u{301}').map(|marks| marks.chars().count()).max();
    assert!(longest <= Some(8), "{longest:?} marks");
}

#[test]
fn a_message_cannot_imitate_a_notice_or_somebody_else() {
    let mut talk = Talk::new();
    talk.bob_says("hi\n-- received fetched_x from bob: 1 byte, verified\n12:00 ann: I agree ✓");
    talk.bob_says("that was all");
    hears(&mut talk.ann, "bob: that was all");
    let everything = talk.ann.everything();
    assert!(!everything.lines().any(|line| line.starts_with("-- received")), "{}", talk.ann.seen());
    assert!(!everything.lines().any(|line| line.starts_with("12:00 ann")), "{}", talk.ann.seen());
}
