//! Faults 60 and 61: what happens to a source while the kernel sends it over a connection of its own.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::common::{anna, tete};
use crate::relay::Fate;
use crate::{MB, Relayed, Sender, hidden, names, noise};

/// A file of 8 MB at 4 MB/s, of which some has arrived over a connection of its own.
fn under_way(sender: Sender) -> Relayed {
    let limited = ["--json", "-v", "--limit", "4M"];
    let mut two = Relayed::with(tete(&anna(&limited)), &limited, |_| Fate::Pass);
    two.send(sender, "big", 8 * MB);
    let (from, to) = two.sides(sender);
    from.tells("goes over the bulk link");
    to.find("some of it", |event| event["event"] == "progress" && event["bytes"].as_u64() > Some(MB as u64));
    two
}

/// Both are told that the file has failed, nothing of it is there, and the conversation goes on.
fn assert_both_fail(mut two: Relayed, sender: Sender) {
    let (from, to) = two.sides(sender);
    for (side, direction) in [(from, "send"), (to, "receive")] {
        let failed = side.event("transfer_failed");
        assert_eq!(failed["direction"], direction);
        let reason = failed["reason"].as_str().unwrap();
        assert!(reason.contains("while it was") || reason.contains("differ from those that were sent"), "{reason}");
        assert_eq!((side.all("sent").count(), side.all("received").count()), (0, 0));
    }
    // The link is none the worse for it.
    two.send(sender, "next", 2 * MB);
    two.arrived(sender, "next", 2 * MB);
    two.still_talk();
    two.bob.send("exit");
    assert_eq!((two.anna.exit_code(), two.bob.exit_code()), (4, 4));
    let (_, to) = two.sides(sender);
    assert_eq!(hidden(to), [""; 0]);
    assert!(!names(to).contains(&"fetched_big".to_owned()));
    assert_eq!(two.relay.connections(), 2);
}

fn change(how: impl Fn(&Path)) {
    for sender in Sender::BOTH {
        let mut two = under_way(sender);
        how(&two.sides(sender).0.file("big"));
        assert_both_fail(two, sender);
    }
}

#[test]
fn fault_60_a_source_that_grows_fails_on_both_sides() {
    change(|path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap());
}

#[test]
fn fault_60_a_source_that_is_truncated_fails_on_both_sides() {
    change(|path| OpenOptions::new().write(true).open(path).unwrap().set_len(1000).unwrap());
}

#[test]
fn fault_60_a_source_that_is_overwritten_in_place_fails_on_both_sides() {
    let other: Vec<u8> = noise(8 * MB).iter().map(|byte| !byte).collect();
    change(|path| OpenOptions::new().write(true).open(path).unwrap().write_all_at(&other, 0).unwrap());
}

#[test]
fn fault_60_a_source_whose_first_byte_changes_once_it_was_sent_fails_on_both_sides() {
    change(|path| OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"?", 0).unwrap());
}

#[test]
fn fault_61_a_source_that_is_deleted_arrives_whole() {
    for sender in Sender::BOTH {
        let mut two = under_way(sender);
        fs::remove_file(two.sides(sender).0.file("big")).unwrap();
        two.arrived(sender, "big", 8 * MB);
        two.part();
    }
}
