//! Faults 64 and 82: transfers that outlive the process, on either side.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tete::proto::outgoing::WINDOW_VERIFIED;

use crate::support::{Tete, hash_of, names, noise_file, part, plan, talking};

const BLOCK: u64 = 1 << 20;
/// Fast enough for a test, slow enough to be stopped in the middle.
const LIMIT: [&str; 2] = ["--limit", "30M"];

/// The names that are not hidden: nothing may ever stand there that is not whole.
fn shown(tete: &Tete) -> Vec<String> {
    tete.received_names().into_iter().filter(|name| !name.starts_with('.')).collect()
}

/// The one hidden name with this end.
fn hidden(tete: &Tete, end: &str) -> PathBuf {
    let names: Vec<_> = tete.received_names().into_iter().filter(|name| name.ends_with(end)).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    tete.incoming().join(&names[0])
}

/// Ann begins to send `big`, and Bob has so much of it.
fn sends(ann: &mut Tete, bob: &mut Tete, until: u64) {
    ann.types("transfer big");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() >= until);
}

fn ready(size: u64) -> (Tete, Tete, String) {
    let ann = plan("ann").args(LIMIT);
    let hash = noise_file(&ann.out("big"), 1, size);
    let (ann, bob) = talking(ann, plan("bob"));
    (ann, bob, hash)
}

/// Kills one of the two and ends the other; most bytes that Bob has told of.
fn kill(killed: &mut Tete, other: &mut Tete) {
    killed.kill();
    killed.exit_code();
    other.terminate();
    other.exit_code();
    let failed = other.said("transfer_failed");
    assert!(failed.len() == 1 && failed[0]["resumable"] == true, "{failed:?}");
}

/// Starts both again, in the same folders.
fn again(ann: Tete, bob: Tete) -> (Tete, Tete) {
    talking(ann.plan_again().args(LIMIT), bob.plan_again())
}

/// What both say of where it goes on: bytes that are there, blocks that come again.
fn resumed(ann: &mut Tete, bob: &mut Tete) -> (u64, u64) {
    let (theirs, ours) = (ann.event("resumed"), bob.event("resumed"));
    assert_eq!((&theirs["bytes"], &theirs["again"]), (&ours["bytes"], &ours["again"]));
    (ours["bytes"].as_u64().unwrap(), ours["again"].as_u64().unwrap())
}

fn arrives(ann: &mut Tete, bob: &mut Tete, hash: &str) {
    assert_eq!(ann.event("sent")["blake3"], hash);
    bob.event("received");
    assert_eq!(names(&bob.incoming()), ["fetched_big"], "nothing hidden is left");
    assert_eq!(hash_of(bob.incoming().join("fetched_big")), hash);
}

#[test]
fn fault_82_a_transfer_survives_kill_9_of_the_receiver_the_sender_and_the_receiver() {
    let size = 80 << 20;
    let (mut ann, mut bob, hash) = ready(size);
    for (of_bob, until) in [(true, 20), (false, 40), (true, 60)] {
        sends(&mut ann, &mut bob, until << 20);
        match of_bob {
            true => kill(&mut bob, &mut ann),
            false => kill(&mut ann, &mut bob),
        }
        let told = bob.said("progress").iter().filter_map(|event| event["bytes"].as_u64()).max().unwrap();
        assert_eq!(shown(&bob), [""; 0]);
        (ann, bob) = again(ann, bob);
        // Ends at the first byte, and is taken up again with all that is there.
        sends(&mut ann, &mut bob, 1);
        let (bytes, damaged) = resumed(&mut ann, &mut bob);
        assert_eq!(damaged, 0);
        println!("{} bytes of {told} are sent again", told.saturating_sub(bytes));
        assert!(bytes + WINDOW_VERIFIED >= told, "of {told} bytes only {bytes} were there");
        kill(&mut bob, &mut ann);
        (ann, bob) = again(ann, bob);
    }
    ann.types("transfer big");
    resumed(&mut ann, &mut bob);
    arrives(&mut ann, &mut bob, &hash);
    part(ann, bob);
}

#[test]
fn fault_64_a_bit_that_flips_between_two_runs_is_noticed_and_only_its_block_comes_again() {
    let (mut ann, mut bob, hash) = ready(40 << 20);
    sends(&mut ann, &mut bob, 20 << 20);
    kill(&mut bob, &mut ann);
    let file = OpenOptions::new().read(true).write(true).open(hidden(&bob, ".part")).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 3 * BLOCK + 77).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 3 * BLOCK + 77).unwrap();
    (ann, bob) = again(ann, bob);
    ann.types("transfer big");
    let (bytes, damaged) = resumed(&mut ann, &mut bob);
    assert!(bytes >= 10 << 20, "{bytes}");
    assert_eq!(damaged, 1);
    arrives(&mut ann, &mut bob, &hash);
    part(ann, bob);
}

#[test]
fn fault_60_a_source_that_was_edited_between_two_runs_begins_again_and_both_say_so() {
    for grows in [false, true] {
        let (mut ann, mut bob, _) = ready(20 << 20);
        sends(&mut ann, &mut bob, 10 << 20);
        kill(&mut bob, &mut ann);
        let source = OpenOptions::new().write(true).open(ann.out("big")).unwrap();
        let at = if grows { 20 << 20 } else { 5 };
        source.write_all_at(b"edited", at).unwrap();
        let hash = hash_of(ann.out("big"));
        (ann, bob) = again(ann, bob);
        ann.types("transfer big");
        assert_eq!(bob.event("resumed")["bytes"], 0);
        if !grows {
            assert_eq!(ann.event("resumed")["bytes"], 0);
        }
        arrives(&mut ann, &mut bob, &hash);
        part(ann, bob);
    }
}

#[test]
fn a_file_that_was_cancelled_leaves_nothing_and_begins_anew() {
    let (mut ann, mut bob, hash) = ready(20 << 20);
    sends(&mut ann, &mut bob, 10 << 20);
    bob.types("/cancel");
    for side in [&mut ann, &mut bob] {
        assert_eq!(side.event("transfer_failed")["resumable"], false);
    }
    ann.types("transfer big");
    arrives(&mut ann, &mut bob, &hash);
    assert_eq!((bob.said("resumed").len(), ann.leaves(), bob.exit_code()), (0, 4, 0), "Bob wanted it so");
}

#[test]
fn a_journal_that_is_nonsense_or_too_long_is_no_help_and_the_file_arrives() {
    for (length, bytes) in [(0, &b"x"[..]), (700, b"tetejrn1"), (1 << 30, b"tetejrn1"), (1 << 30, b"")] {
        let (mut ann, mut bob, hash) = ready(20 << 20);
        sends(&mut ann, &mut bob, 10 << 20);
        kill(&mut bob, &mut ann);
        let journal = hidden(&bob, ".journal");
        if !bytes.is_empty() {
            fs::write(&journal, bytes).unwrap();
        }
        OpenOptions::new().write(true).open(&journal).unwrap().set_len(length).unwrap();
        (ann, bob) = again(ann, bob);
        ann.types("transfer big");
        ann.event("sent");
        assert_eq!(hash_of(bob.incoming().join("fetched_big")), hash);
        assert_eq!(bob.said("resumed").len(), 0, "{length}");
        part(ann, bob);
    }
}

#[test]
fn two_who_receive_the_same_file_into_one_folder_at_once_do_not_share_a_part() {
    let (mut ann, mut bob, hash) = ready(30 << 20);
    let dora = plan("dora");
    fs::remove_dir(dora.incoming()).unwrap();
    std::os::unix::fs::symlink(bob.incoming(), dora.incoming()).unwrap();
    let carl = plan("carl").args(LIMIT);
    noise_file(&carl.out("big"), 1, 30 << 20);
    let (mut carl, mut dora) = talking(carl, dora);
    ann.types("transfer big");
    carl.types("transfer big");
    for side in [&mut ann, &mut carl] {
        assert_eq!(side.event("sent")["blake3"], hash);
    }
    for side in [&mut bob, &mut dora] {
        side.event("received");
    }
    assert_eq!(names(&bob.incoming()), ["fetched_big", "fetched_big (2)"]);
}
