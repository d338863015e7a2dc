//! A bit that arrives as another, anywhere: no file that differs, no text that was not said, no end that never comes.

use std::fs;
use std::io::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{Tete, tete};
use crate::noise;
use crate::person::{Person, at};
use crate::tap::{Flip, Tap, Way};

/// What each of the two says.
const TEXTS: [&str; 4] = ["one", "two", "three", "a text that is somewhat longer than the others are"];
/// How many are tried at once: they mostly wait.
const AT_ONCE: usize = 6;
/// How long a conversation may go on that was changed on its way. A length that is too great is found out when the
/// next bytes come, or when none do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The texts that it has heard are the first of those that were said.
fn assert_heard(side: &Tete, flip: Flip) -> bool {
    let heard: Vec<_> = side.all("message").map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    assert!(
        heard.len() <= TEXTS.len() && heard.iter().zip(TEXTS).all(|(heard, said)| heard == said),
        "{flip:?} {heard:?}"
    );
    heard.len() == TEXTS.len()
}

/// A conversation with a file each way, in which this bit is turned.
fn survives(flip: Flip, size: usize) {
    let us = Person::new("anna");
    let mut anna = us.run(&["-l", "127.0.0.1:0"]).file("a.bin", noise(20_000)).start();
    let tap = Tap::to(anna.port(), Some(flip));
    let bob = us.again("bob").run(&[&at(tap.port), "-w", "20", "--limit", "40M"]);
    let mut bob = bob.file("b.bin", noise(size)).start();
    let mut input = anna.take_input();
    // He may have given up already: what comes first is read before he has said anything.
    for text in TEXTS {
        bob.try_send(text);
        writeln!(input, "{text}").unwrap();
    }
    writeln!(input, "transfer a.bin").unwrap();
    bob.try_send("transfer b.bin");
    bob.try_send("exit");
    let code = bob.exit_code_within(PATIENCE);
    // She may never have been called, and waits.
    anna.signal(Signal::TERM);
    let hers = anna.exit_code_within(PATIENCE);
    assert!(tap.has_flipped(), "{flip:?}");
    for (code, side) in [(code, &bob), (hers, &anna)] {
        assert!((0..=5).contains(&code) || code == 143, "{flip:?}: {code}");
        assert!(!side.err().contains("panicked"), "{flip:?}: {}", side.err());
    }
    let whole = [assert_heard(&anna, flip), assert_heard(&bob, flip)];
    let mut arrived = [false, false];
    for (at, (side, name, size)) in [(&anna, "b.bin", size), (&bob, "a.bin", 20_000)].into_iter().enumerate() {
        if let Ok(saved) = fs::read(side.file(&format!("fetched_{name}"))) {
            assert!(saved == noise(size), "{flip:?}: another file was saved");
            arrived[at] = true;
        }
        let (told, there) = (side.all("received").count(), usize::from(arrived[at]));
        assert!(told <= there, "{flip:?}: told of what is not there");
    }
    if code == 0 {
        assert!(whole[0] && arrived[0], "{flip:?}: what bob has said and sent has arrived");
    }
}

/// All of them, some at a time.
fn all(flips: impl Iterator<Item = (Flip, usize)>) {
    let flips = Mutex::new(flips.collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((flip, size)) = flips.lock().unwrap().pop() else { return };
                    survives(flip, size);
                }
            });
        }
    });
}

fn talk_link(way: Way, places: &[usize]) {
    all(places.iter().map(|at| (Flip { connection: 0, way, at: *at, bit: (*at % 8) as u8 }, 50_000)));
}

/// In the ClientHello (record, length, version, random, key share), Finished, HELLO, WELCOME, texts, the file.
#[test]
fn a_bit_turned_on_the_way_to_the_one_who_was_called_changes_nothing_that_is_kept() {
    talk_link(
        Way::Up,
        &[
            0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 20, 45, 60, 200, 700, 1300, 1500, 1600, 1700, 1800, 2000, 2500, 10_000,
            30_000,
        ],
    );
}

#[test]
fn a_bit_turned_on_the_way_to_the_one_who_called_changes_nothing_that_is_kept() {
    talk_link(
        Way::Down,
        &[0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 20, 45, 60, 200, 700, 1100, 1200, 1300, 1400, 1500, 1600, 1800, 2500, 10_000],
    );
}

#[test]
fn a_bit_turned_on_the_connection_of_a_file_changes_nothing_that_is_kept() {
    let up = [0, 3, 4, 9, 100, 1000, 1500, 1700, 1900, 3000, 20_000, 100_001, 1_000_002, 2_000_003, 3_000_004];
    let down = [0, 3, 4, 9, 100, 1000, 1300, 1400, 1500, 1600];
    let of = |way| move |at| (Flip { connection: 1, way, at, bit: (at % 8) as u8 }, 8_000_000);
    all(up.into_iter().map(of(Way::Up)).chain(down.into_iter().map(of(Way::Down))));
}

#[test]
fn a_bit_turned_in_a_plain_conversation_arrives_as_what_was_never_said() {
    // So that it is known that bits are turned, and that here nothing would notice.
    let mut anna = tete(&crate::common::anna(&["--json"])).start();
    let tap = Tap::to(anna.port(), Some(Flip { connection: 0, way: Way::Up, at: 1000, bit: 0 }));
    let mut bob = tete(&crate::common::bob(tap.port, &["--json"])).start();
    let said = "x".repeat(2000);
    bob.send(&said);
    let heard = anna.event("message")["text"].as_str().unwrap().to_owned();
    assert!(tap.has_flipped());
    assert_eq!((heard.matches('x').count(), heard.matches('y').count()), (1999, 1));
}
