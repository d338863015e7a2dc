//! What somebody on the way can read.

use std::fs;

use crate::common::{Run, Tete, anna, bob, contains, tete};
use crate::person::{Person, part};
use crate::tap::{Tap, Way};

const TEXT: &str = "the words of a text that is said";
const ANSWER: &str = "and those of its answer";
const FILE: &str = "the-name-of-a-file.bin";
const CONTENT: &str = "what stands in that file, again and again\n";
const NAMES: [&str; 2] = ["Annabella", "Bartholomew"];

/// Everything that may not be read, and what is known to be.
const SECRETS: [&str; 6] = [TEXT, ANSWER, FILE, CONTENT, NAMES[0], NAMES[1]];

/// A whole conversation over a tapped wire: texts and a large file, with a connection of its own. Which of the secrets
/// stand on the wire.
fn seen(mut listener: Tete, caller: impl FnOnce(u16) -> Run) -> Vec<&'static str> {
    let tap = Tap::to(listener.port(), None);
    let mut caller = caller(tap.port).start();
    fs::write(caller.file(FILE), CONTENT.repeat(100_000)).unwrap();
    fs::write(listener.file(FILE), CONTENT).unwrap();
    caller.send(TEXT);
    listener.find("the text", |event| event["text"] == TEXT);
    listener.send(ANSWER);
    caller.find("its answer", |event| event["text"] == ANSWER);
    for side in [&mut caller, &mut listener] {
        side.send(&format!("transfer {FILE}"));
    }
    for side in [&mut caller, &mut listener] {
        side.event("sent");
        side.tells("files have a link of their own");
    }
    for (side, name) in [(&mut caller, NAMES[0]), (&mut listener, NAMES[1])] {
        assert_eq!(side.event("connected")["peer"]["name"], name);
    }
    part(&mut listener, &mut caller);
    assert_eq!(tap.connections(), 2);
    let all: Vec<Vec<u8>> =
        [0, 1].into_iter().flat_map(|link| [Way::Up, Way::Down].map(|way| tap.said(link, way))).collect();
    assert!(all.iter().all(|said| said.len() > 50));
    SECRETS.into_iter().filter(|secret| all.iter().any(|said| contains(said, secret))).collect()
}

#[test]
fn no_text_no_name_and_no_file_stands_readable_on_any_connection() {
    let (anna, bob) = (Person::new(NAMES[0]), Person::new(NAMES[1]));
    let listener = anna.listens(&["--trust", "new", "-v"]);
    assert_eq!(seen(listener, |port| bob.run(&[&crate::person::at(port), "--trust", "new", "-v"])), [""; 0]);
}

#[test]
fn a_code_is_not_on_the_wire() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code"]);
    let code = listener.event("code")["code"].as_str().unwrap().to_owned();
    let tap = Tap::to(listener.port(), None);
    let mut caller = bob.calls(tap.port, &["--code", &code]);
    part(&mut listener, &mut caller);
    for way in [Way::Up, Way::Down] {
        assert!(code.split('-').all(|word| word.len() < 4 || !contains(&tap.said(0, way), word)));
    }
}

#[test]
fn all_of_it_stands_on_the_wire_of_a_plain_conversation() {
    // As in any other, so that what looks for it is known to find it.
    let named = |args: Vec<std::ffi::OsString>, name: &str| {
        let mut args = args;
        let at = args.iter().position(|arg| arg == "-n").unwrap();
        args[at + 1] = name.into();
        tete(&args)
    };
    let more = ["--json", "-v"];
    let listener = named(anna(&more), NAMES[0]).start();
    assert_eq!(seen(listener, |port| named(bob(port, &more), NAMES[1])), SECRETS);
}
