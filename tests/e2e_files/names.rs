//! Names: what a user's own files may be called, and what a hostile peer may not do with one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::raw::Raw;
use crate::support::{Tete, names, part, plan, talking};

/// Whatever was done: nothing but the received files stands in the receiver's folders, and none of them is hidden.
fn assert_contained(tete: &Tete, expected: &[&str]) {
    assert_eq!(tete.received_names(), expected);
    assert_eq!(names(&tete.out("")), [""; 0], "the folder that it was started in is untouched");
    assert_eq!(names(&tete.out("..")), ["in", "out"]);
}

#[test]
fn fault_56_spaces_umlauts_emoji_quotes_and_chinese_are_kept() {
    let all = ["two  words.txt", "grün ß.txt", "👍🏽 ok", "it's \"said\"", "报告.pdf", "$(touch pwned) `x`; & #"];
    let mut ann = plan("ann");
    for name in all {
        ann = ann.file(name, name);
    }
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    for name in all {
        ann.types(&format!("transfer {name}"));
        let received = bob.event("received");
        assert_eq!(received["name"], name);
        let saved = format!("fetched_{}", name.replace('"', "_"));
        assert_eq!(received["path"].as_str().unwrap().rsplit('/').next(), Some(saved.as_str()));
        assert_eq!(bob.received(&saved), name.as_bytes());
    }
    part(ann, bob);
}

#[test]
fn fault_6_a_file_called_like_an_option_is_sent_by_a_line_and_by_the_command_line() {
    let (mut ann, bob) = talking(plan("ann").file("-x", b"x"), plan("bob"));
    ann.types("transfer -x");
    ann.event("sent");
    assert_eq!(bob.received("fetched_-x"), b"x");
    part(ann, bob);
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").file("-x", b"x").call_and_send(bob.port, ["--", "-x"]);
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received("fetched_-x"), b"x");
}

#[test]
fn fault_5_a_name_that_is_not_utf8_is_sent_by_a_line_and_by_the_command_line() {
    let name = OsStr::from_bytes(b"caf\xe9 \xff.txt");
    for in_lines in [false, true] {
        let ann = plan("ann").file(name, b"latin");
        let ann = if in_lines { ann.in_lines() } else { ann };
        let (mut ann, mut bob) = talking(ann, plan("bob"));
        ann.types_raw(&[b"transfer ", name.as_bytes(), b"\n"].concat());
        assert_eq!(bob.event("received")["name"], "caf\u{fffd} \u{fffd}.txt");
        assert_eq!(bob.received_names().len(), 1);
        part(ann, bob);
    }
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").file(name, b"latin").call_and_send(bob.port, [name]);
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received("fetched_caf\u{fffd} \u{fffd}.txt"), b"latin");
}

#[test]
fn faults_44_to_46_and_51_a_name_that_could_mean_another_place_is_refused_and_nothing_is_created() {
    let mut bob = plan("bob").listen();
    let mut peer = Raw::call(bob.port);
    let long = "n".repeat(300);
    let cases: [(&[u8], &str); 12] = [
        (b"../../.ssh/authorized_keys", "could mean another folder"),
        (b"..", "means a folder"),
        (b".", "means a folder"),
        (b"/etc/cron.d/x", "could mean another folder"),
        (b"a/../../x", "could mean another folder"),
        (b"..\\x", "could mean another folder"),
        (b"\\\\host\\share\\x", "could mean another folder"),
        (b"C:\\x", "drive letter"),
        (b"C:x", "drive letter"),
        (b"a\0.txt", "NUL"),
        (long.as_bytes(), "too long: 300 bytes"),
        (b"\0", "NUL"),
    ];
    for (id, (name, expected)) in (2..).step_by(2).zip(cases) {
        let words = peer.sends(id, name, b"x").unwrap_err();
        assert!(words.contains(expected), "{:?}: {words}", name.escape_ascii().to_string());
        let failed = bob.event("transfer_failed");
        assert_eq!((&failed["reason"], &failed["direction"]), (&words.into(), &"receive".into()));
    }
    peer.sends(1000, "harmless", b"x").unwrap();
    assert_contained(&bob, &["fetched_harmless"]);
}

#[test]
fn faults_47_to_50_and_55_an_awkward_name_is_made_safe_visible_and_never_hidden() {
    let cases = [
        ("a\nb\r\x1b[2Jc", "a_b__[2Jc"),
        ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("dot.", "dot_"),
        ("space ", "space_"),
        (".bashrc", "_.bashrc"),
        ("what?*<>|\":.txt", "what_______.txt"),
        ("zero\u{200b}width", "zero_width"),
        ("-rf", "-rf"),
    ];
    let mut bob = plan("bob").args(["--prefix", ""]).listen();
    let mut peer = Raw::call(bob.port);
    for (id, (name, saved)) in (2..).step_by(2).zip(cases) {
        peer.sends(id, name, name.as_bytes()).unwrap();
        let received = bob.event("received");
        assert_eq!(received["name"], name, "as offered");
        assert_eq!(received["path"], bob.incoming().join(saved).to_str().unwrap(), "{name:?}");
        assert_eq!(bob.received(saved), name.as_bytes());
    }
    let mut expected = cases.map(|(_, saved)| saved);
    expected.sort_unstable();
    assert_contained(&bob, &expected);
    assert!(!expected.iter().any(|name| name.starts_with('.')));
}

#[test]
fn a_name_with_escape_sequences_is_shown_escaped_in_line_mode() {
    let mut bob = plan("bob").in_lines().listen();
    let mut peer = Raw::call(bob.port);
    peer.sends(2, "a\n-- received gold\x1b[2J\u{202e}", b"x").unwrap();
    let line = bob.line("mallory sends ");
    assert!(line.starts_with("-- ") && line.ends_with(": 1 byte"), "{line:?}");
    assert!(!line.contains(['\x1b', '\u{202e}']), "{line:?}");
    let line = bob.line("-- received ");
    assert!(line.starts_with("-- received fetched_a") && !line.contains('\x1b'), "{line:?}");
}

#[test]
fn fault_53_an_existing_file_is_never_overwritten() {
    let bob = plan("bob");
    fs::write(bob.incoming().join("fetched_a.tar.gz"), "mine").unwrap();
    fs::create_dir(bob.incoming().join("fetched_d")).unwrap();
    let (mut ann, mut bob) = talking(plan("ann").file("a.tar.gz", b"new").file("d", b"d"), bob);
    for name in ["a.tar.gz", "a.tar.gz", "d"] {
        ann.types(&format!("transfer {name}"));
        bob.event("received");
    }
    let expected = ["fetched_a (2).tar.gz", "fetched_a (3).tar.gz", "fetched_a.tar.gz", "fetched_d", "fetched_d (2)"];
    assert_eq!(bob.received_names(), expected);
    assert_eq!(bob.received("fetched_a.tar.gz"), b"mine");
    assert_eq!(bob.received("fetched_a (2).tar.gz"), b"new");
    part(ann, bob);
}

#[test]
fn fault_52_names_that_differ_only_in_case_or_composition_are_told_apart() {
    let mut bob = plan("bob").args(["--prefix", ""]).listen();
    let mut peer = Raw::call(bob.port);
    for (id, name) in [(2, "caf\u{e9}.txt"), (4, "cafe\u{301}.txt"), (6, "CAF\u{c9}.txt"), (8, "A"), (10, "a")] {
        peer.sends(id, name, name.as_bytes()).unwrap();
        bob.event("received");
    }
    let mut expected = ["caf\u{e9}.txt", "cafe\u{301} (2).txt", "CAF\u{c9} (3).txt", "A", "a (2)"];
    expected.sort_unstable();
    assert_contained(&bob, &expected);
    assert_eq!(bob.received("a (2)"), b"a");
}

#[test]
fn fault_54_a_symlink_planted_at_the_target_is_not_followed() {
    let bob = plan("bob");
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, bob.incoming().join("fetched_a")).unwrap();
    symlink(outside.path().join("not there yet"), bob.incoming().join("fetched_b")).unwrap();
    symlink(outside.path(), bob.incoming().join("fetched_c")).unwrap();
    let mut bob = bob.listen();
    let mut peer = Raw::call(bob.port);
    for (id, name) in [(2, "a"), (4, "b"), (6, "c")] {
        peer.sends(id, name, b"evil").unwrap();
        bob.event("received");
        assert_eq!(bob.received(&format!("fetched_{name} (2)")), b"evil");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(names(outside.path()), ["victim"]);
    let links = ["fetched_a", "fetched_b", "fetched_c"].map(|name| bob.incoming().join(name));
    assert!(links.iter().all(|link| link.is_symlink()));
    peer.says_goodbye();
    assert_eq!(bob.exit_code(), 0);
}
