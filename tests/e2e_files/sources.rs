//! What may not be sent, and what happens to a source while it is being sent.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::{Tete, assert_alive, hash, noise, part, plan, talking};

/// A file that takes a second and a half at the rate of [`slow_pair`].
const SIZE: usize = 3_000_000;

/// Ann, who sends `a` of [`SIZE`] bytes slowly, and Bob, who has some of it by now.
fn slow_pair() -> (Tete, Tete) {
    let ann = plan("ann").args(["--limit", "2M"]).file("a", noise(1, SIZE));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 100_000);
    (ann, bob)
}

/// Both are told that the file has failed, nothing of it is there, and the conversation goes on.
fn assert_both_fail(mut ann: Tete, mut bob: Tete, words: &[&str]) {
    for (side, direction) in [(&mut ann, "send"), (&mut bob, "receive")] {
        let failed = side.event("transfer_failed");
        assert_eq!((&failed["direction"], &failed["name"]), (&direction.into(), &"a".into()));
        let reason = failed["reason"].as_str().unwrap();
        assert!(words.iter().any(|words| reason.contains(words)), "{failed}");
    }
    assert_eq!((ann.said("sent").len(), bob.said("received").len()), (0, 0));
    assert_alive(&mut ann, &mut bob);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
    assert_eq!(bob.received_names(), [""; 0]);
}

#[test]
fn fault_60_a_source_that_is_edited_while_it_is_sent_fails_on_both_sides() {
    let (ann, bob) = slow_pair();
    OpenOptions::new().write(true).open(ann.out("a")).unwrap().write_all_at(b"edited", 10).unwrap();
    // Who notices first: the receiver, when a block is hashed after the edit, or the sender at the end.
    assert_both_fail(ann, bob, &["changed while it was sent", "differ from those that were sent"]);
}

#[test]
fn fault_60_a_source_that_grows_while_it_is_sent_fails_on_both_sides() {
    let (ann, bob) = slow_pair();
    OpenOptions::new().append(true).open(ann.out("a")).unwrap().write_all(b"more").unwrap();
    assert_both_fail(ann, bob, &["changed while it was sent"]);
}

#[test]
fn fault_60_a_source_that_shrinks_while_it_is_sent_fails_on_both_sides() {
    let (ann, bob) = slow_pair();
    OpenOptions::new().write(true).open(ann.out("a")).unwrap().set_len(50).unwrap();
    assert_both_fail(ann, bob, &["while it was"]);
}

#[test]
fn fault_61_a_source_that_is_deleted_while_it_is_sent_arrives_whole() {
    let (mut ann, mut bob) = slow_pair();
    fs::remove_file(ann.out("a")).unwrap();
    assert_eq!(bob.event("received")["blake3"], hash(&noise(1, SIZE)));
    ann.event("sent");
    assert_eq!(bob.received_names(), ["fetched_a"]);
    part(ann, bob);
}

#[test]
fn fault_61_a_source_that_is_replaced_while_it_waits_for_an_answer_is_not_sent() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"first"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a");
    bob.event("question");
    fs::write(ann.out("other"), "other").unwrap();
    fs::rename(ann.out("other"), ann.out("a")).unwrap();
    bob.types("/accept");
    assert_both_fail(ann, bob, &["changed since it was offered"]);
}

#[test]
fn a_source_that_is_deleted_while_it_waits_for_an_answer_is_not_sent() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"first"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a");
    bob.event("question");
    fs::remove_file(ann.out("a")).unwrap();
    bob.types("/accept");
    assert_both_fail(ann, bob, &["No such file or directory"]);
}

/// What is typed leads to an error with these words, and nothing is offered.
fn assert_refused(ann: &mut Tete, path: &Path, words: &str) {
    ann.types(&format!("transfer {}", path.display()));
    let error = ann.event("error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(words) && message.contains(path.to_str().unwrap()), "{message}");
}

#[test]
fn fault_62_what_is_no_file_is_refused_with_the_reason_and_never_waited_for() {
    let ann = plan("ann");
    fs::create_dir(ann.out("folder")).unwrap();
    let made = Command::new("mkfifo").arg(ann.out("pipe")).status().is_ok_and(|status| status.success());
    let _socket = UnixListener::bind(ann.out("socket")).unwrap();
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    assert_refused(&mut ann, Path::new("folder"), "is a directory; only files can be sent");
    assert_refused(&mut ann, Path::new("socket"), "is a socket; only files can be sent");
    assert_refused(&mut ann, Path::new("/dev/null"), "is a device; only files can be sent");
    assert_refused(&mut ann, Path::new("/dev/zero"), "is a device; only files can be sent");
    if made {
        assert_refused(&mut ann, Path::new("pipe"), "is a named pipe; only files can be sent");
    } else {
        println!("no mkfifo here: named pipes were left out");
    }
    assert_alive(&mut ann, &mut bob);
    assert_eq!((bob.said("offer").len(), ann.said("transfer_failed").len()), (0, 0));
    part(ann, bob);
}

#[test]
fn fault_4_an_unreadable_file_is_refused_before_it_is_offered() {
    let ann = plan("ann").file("secret", b"x");
    fs::set_permissions(ann.out("secret"), Permissions::from_mode(0o000)).unwrap();
    if File::open(ann.out("secret")).is_ok() {
        println!("this user may read everything: nothing to test");
        return;
    }
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    assert_refused(&mut ann, Path::new("secret"), "Permission denied");
    assert_alive(&mut ann, &mut bob);
    assert_eq!((bob.said("offer").len(), ann.said("transfer_failed").len()), (0, 0));
    part(ann, bob);
}

#[test]
fn a_folder_of_the_command_line_is_refused_and_fails_the_command() {
    let bob = plan("bob").listen();
    let ann = plan("ann");
    fs::create_dir(ann.out("folder")).unwrap();
    let mut ann = ann.call_and_send(bob.port, ["folder"]);
    assert!(ann.event("error")["message"].as_str().unwrap().contains("is a directory"));
    assert_eq!(ann.exit_code(), 1);
}

#[test]
fn fault_63_of_a_sparse_tebibyte_the_size_is_said_before_anything_is_sent() {
    let ann = plan("ann");
    if let Err(error) = File::create(ann.out("sparse")).unwrap().set_len(1 << 40) {
        println!("no sparse tebibyte here: {error}");
        return;
    }
    let (mut ann, mut bob) = talking(ann, plan("bob").args(["--accept", "ask"]));
    ann.types("transfer sparse");
    assert_eq!(bob.event("offer")["size"], 1_u64 << 40);
    assert_eq!(bob.event("question")["size"], 1_u64 << 40);
    ann.types("/cancel");
    for side in [&mut ann, &mut bob] {
        assert_eq!(side.event("transfer_failed")["reason"], "cancelled by the sender");
    }
    assert_alive(&mut ann, &mut bob);
    assert_eq!(bob.received_names(), [""; 0]);
}
