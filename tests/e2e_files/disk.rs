//! A disk that does not do what is wanted: full, read-only, limited, gone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::raw::Raw;
use crate::support::{Plan, Tete, assert_alive, names, noise, plan, talking};

/// How a file system of our own can be had here: as root, or as root of a user namespace; `None` if not at all.
/// What is mounted so is seen by one tete alone and goes with it.
fn mounter() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-rm"]];
    let folder = tempfile::tempdir().unwrap();
    WAYS.into_iter().find(|way| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path());
        command.output().is_ok_and(|output| output.status.success())
    })
}

/// A receiver whose folder is a tmpfs with these options; `None`, and that is printed, where that cannot be had.
fn receiver_on_tmpfs(options: &str) -> Option<Plan> {
    let Some(way) = mounter() else {
        println!("no file system can be mounted here: nothing to test");
        return None;
    };
    let bob = plan("bob");
    let folder = bob.incoming();
    let script = format!("mount -t tmpfs -o {options} tmpfs '{}' && exec \"$@\"", folder.display());
    Some(bob.under_shell(way, &script))
}

/// The received files, where only Bob sees them.
fn seen_by(bob: &Tete) -> PathBuf {
    let folder = bob.incoming();
    PathBuf::from(format!("/proc/{}/root", bob.pid())).join(folder.strip_prefix("/").unwrap())
}

fn reason(tete: &mut Tete) -> String {
    tete.event("transfer_failed")["reason"].as_str().unwrap().to_owned()
}

#[test]
fn fault_65_a_disk_that_gets_full_midway_fails_the_file_on_both_sides_with_the_systems_words() {
    let Some(bob) = receiver_on_tmpfs("size=4m") else { return };
    // Each fits alone, so that both are begun; there is no room for both.
    let ann = plan("ann").args(["--limit", "8M"]).file("a", noise(1, 3_000_000)).file("b", noise(2, 3_000_000));
    let (mut ann, mut bob) = talking(ann, bob);
    ann.types("transfer a");
    ann.types("transfer b");
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("No space left on device"), "{words}");
    }
    assert_alive(&mut ann, &mut bob);
    let finished = names(&seen_by(&bob)).into_iter().filter(|name| !name.starts_with('.')).count();
    assert_eq!(finished, bob.said("received").len());
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
}

#[test]
fn fault_65_a_file_for_which_there_was_no_room_arrives_when_there_is_room_and_it_is_offered_again() {
    let Some(bob) = receiver_on_tmpfs("size=4m") else { return };
    let ann = plan("ann").args(["--limit", "6M"]).file("a", noise(1, 3_500_000));
    let (mut ann, mut bob) = talking(ann, bob);
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    let filler = seen_by(&bob).join("filler");
    drop(fs::write(&filler, noise(2, 4_000_000))); // takes all that is left, and fails
    let [of_ann, of_bob] = [&mut ann, &mut bob].map(|side| side.event("transfer_failed"));
    assert_eq!(of_ann["reason"], "No space left on device (on bob's side)");
    assert_eq!((&of_bob["reason"], &of_ann["resumable"]), (&"No space left on device".into(), &of_bob["resumable"]));
    fs::remove_file(filler).unwrap();
    ann.types("transfer a");
    ann.event("sent");
    bob.event("received");
    assert_eq!(names(&seen_by(&bob)), ["fetched_a"], "nothing hidden is left");
    assert_eq!(fs::read(seen_by(&bob).join("fetched_a")).unwrap(), noise(1, 3_500_000));
}

#[test]
fn fault_65_a_file_that_cannot_fit_is_refused_before_a_byte_is_sent() {
    let Some(bob) = receiver_on_tmpfs("size=1m") else { return };
    let (mut ann, mut bob) = talking(plan("ann").file("a", noise(1, 3_000_000)).file("b", b"fits"), bob);
    ann.types("transfer a");
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("No space left on device") && words.contains("3000000"), "{words}");
    }
    ann.types("transfer b");
    ann.event("sent");
    assert_eq!(names(&seen_by(&bob)), ["fetched_b"]);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
}

#[test]
fn fault_65_a_stream_that_fills_the_disk_fails_on_both_sides() {
    let Some(bob) = receiver_on_tmpfs("size=2m") else { return };
    let mut bob = bob.listen();
    let mut ann = plan("ann").call_and_send(bob.port, ["-"]);
    let mut stdin = ann.stdin();
    let writer = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &noise(1, 5_000_000))));
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("No space left on device"), "{words}");
    }
    assert_eq!((ann.exit_code(), bob.exit_code()), (4, 4));
    writer.join().unwrap();
}

#[test]
fn fault_67_a_limit_on_the_size_of_files_is_an_error_and_not_death() {
    // In units of 512 or 1,024 bytes, as the shell likes: at most two megabytes.
    let bob = plan("bob").under_shell(&[], "ulimit -f 2000 && exec \"$@\"");
    let (mut ann, mut bob) = talking(plan("ann").file("a", noise(1, 5_000_000)).file("b", b"small"), bob);
    ann.types("transfer a");
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("File too large"), "{words}");
    }
    ann.types("transfer b");
    ann.event("sent");
    assert_eq!(bob.received("fetched_b"), b"small");
    assert_alive(&mut ann, &mut bob);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
}

#[test]
fn fault_69_a_read_only_file_system_is_refused_at_the_offer() {
    let Some(bob) = receiver_on_tmpfs("ro") else { return };
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"x"), bob);
    ann.types("transfer a");
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("Read-only file system"), "{words}");
    }
    assert_alive(&mut ann, &mut bob);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
}

#[test]
fn fault_69_a_folder_that_may_not_be_written_to_is_refused_at_the_offer() {
    let bob = plan("bob");
    fs::set_permissions(bob.incoming(), Permissions::from_mode(0o555)).unwrap();
    if fs::write(bob.incoming().join("probe"), "").is_ok() {
        println!("this user may write everywhere: nothing to test");
        return;
    }
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"x"), bob);
    ann.types("transfer a");
    for side in [&mut ann, &mut bob] {
        assert!(reason(side).contains("Permission denied"));
    }
    assert_alive(&mut ann, &mut bob);
}

#[test]
fn fault_70_a_folder_that_is_removed_midway_fails_the_file_and_the_conversation_goes_on() {
    let ann = plan("ann").args(["--limit", "2M"]).file("a", noise(1, 1_500_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    fs::remove_dir_all(bob.incoming()).unwrap();
    for side in [&mut ann, &mut bob] {
        let words = reason(side);
        assert!(words.contains("No such file or directory"), "{words}");
    }
    assert_alive(&mut ann, &mut bob);
    assert!(!bob.incoming().exists(), "nobody makes it again");
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 4));
}

#[test]
fn fault_70_a_folder_that_is_gone_at_the_offer_refuses_the_file_and_takes_the_next_when_it_is_back() {
    let mut bob = plan("bob").listen();
    let mut peer = Raw::call(bob.port);
    fs::remove_dir(bob.incoming()).unwrap();
    let words = peer.sends(2, "a", b"x").unwrap_err();
    assert!(words.contains("No such file or directory"), "{words}");
    assert!(!words.contains(bob.incoming().to_str().unwrap()), "our folders do not concern the peer: {words}");
    bob.event("transfer_failed");
    fs::create_dir(bob.incoming()).unwrap();
    peer.sends(4, "a", b"x").unwrap();
    assert_eq!(bob.received_names(), ["fetched_a"]);
}

#[test]
fn a_folder_that_is_moved_midway_takes_the_file_along() {
    let ann = plan("ann").args(["--limit", "2M"]).file("a", noise(1, 1_000_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0);
    let moved = bob.incoming().with_file_name("moved");
    fs::rename(bob.incoming(), &moved).unwrap();
    ann.event("sent");
    assert_eq!(fs::read(moved.join("fetched_a")).unwrap(), noise(1, 1_000_000));
    bob.event("received");
    fs::rename(moved, bob.incoming()).unwrap();
    crate::support::part(ann, bob);
}

#[test]
fn a_receiver_started_with_a_folder_that_does_not_exist_says_so_and_fails() {
    let bob = plan("bob");
    fs::remove_dir(bob.incoming()).unwrap();
    let mut bob = bob.call(1);
    assert!(bob.line("error: ").contains("is not a folder"));
    assert_eq!(bob.exit_code(), 1);
}
