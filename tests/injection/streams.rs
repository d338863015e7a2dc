//! Standard input and output that fail.

use std::fs::{self, File, OpenOptions};

use crate::common::{Duo, Tete, anna, bob, tete};

/// A standard input of which every read fails.
fn unreadable() -> File {
    File::open("/").unwrap()
}

#[test]
fn an_input_that_fails_is_no_input_that_ends() {
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json"])).input(unreadable()));
    let message = duo.bob.event("error")["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "the input cannot be read any further: Is a directory");
    duo.end_with(0, 4);
}

#[test]
fn a_stream_whose_input_fails_is_not_sent_as_if_it_had_ended() {
    let mut anna = tete(&anna(&["--json"])).start();
    let mut bob = tete(&bob(anna.port(), &["--json", "--send", "-"])).input(unreadable()).start();
    let failed = bob.event("transfer_failed");
    assert_eq!(failed["reason"], "standard input: Is a directory");
    assert_eq!((anna.exit_code(), bob.exit_code()), (4, 4));
    assert_eq!((anna.all("received").count(), bob.all("sent").count()), (0, 0));
    assert_eq!(fs::read_dir(anna.folder()).unwrap().count(), 0);
}

/// It ends as one whose output cannot be written.
fn fails_at_its_output(tete: &mut Tete) {
    assert_eq!(tete.exit_code(), 1);
    assert!(tete.err().ends_with("error: the output cannot be written: No space left on device\n"), "{}", tete.err());
}

fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn events_on_a_full_disk_are_an_error_and_no_quiet_end() {
    let mut anna = tete(&anna(&["--json"])).start();
    fails_at_its_output(&mut tete(&bob(anna.port(), &["--json"])).output(full_disk()).start());
}

#[test]
fn a_text_that_finds_no_room_on_the_disk_is_not_delivered_and_both_tell_that() {
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &[])).output(full_disk()));
    duo.anna.send("is there room?");
    fails_at_its_output(&mut duo.bob);
    assert_eq!(duo.anna.exit_code(), 4);
    assert_eq!(duo.anna.all("delivered").count(), 0);
}
