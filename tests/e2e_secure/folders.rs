//! What is kept and cannot be relied on, and the file that opens one's own conversations.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;

use crate::person::{Person, connected, meet, part};

/// Anna and bob know each other.
fn acquainted() -> (Person, Person) {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    meet("new", (&anna, &mut listener), (&bob, &mut caller));
    (anna, bob)
}

#[test]
fn fault_72_while_the_known_peers_cannot_be_read_nobody_is_let_in_and_the_file_stays() {
    let (anna, bob) = acquainted();
    let path = anna.home().join("peers.json");
    let good = fs::read_to_string(&path).unwrap();
    for (nth, broken) in [good.replace('}', ""), String::new(), "\0".repeat(2 << 20)].into_iter().enumerate() {
        fs::write(&path, &broken).unwrap();
        for trust in ["known", "new"] {
            let mut listener = anna.listens(&["--trust", trust]);
            let mut caller = bob.calls(listener.port(), &["-w", "1"]);
            let error = listener.event("error");
            assert!(error["message"].as_str().unwrap().contains("peers.json"), "{nth}: {error}");
            assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
            assert_ne!(caller.exit_code(), 0);
            assert_eq!((listener.all("connected").count(), caller.all("connected").count()), (0, 0));
            assert!(fs::read_to_string(&path).unwrap() == broken, "it stays as it is");
            if trust == "new" {
                continue;
            }
            // Once it is mended the same listener lets in whom it knows.
            fs::write(&path, &good).unwrap();
            let mut caller = bob.calls(listener.port(), &[]);
            connected(&mut listener, "known", bob.key());
            connected(&mut caller, "known", anna.key());
            part(&mut listener, &mut caller);
            fs::write(&path, &broken).unwrap();
        }
    }
}

#[test]
fn fault_72_whose_own_known_peers_cannot_be_read_calls_nobody() {
    let (anna, bob) = acquainted();
    fs::write(bob.home().join("peers.json"), "no JSON").unwrap();
    let mut listener = anna.listens(&[]);
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    assert_ne!(caller.exit_code(), 0);
    let error = caller.event("error");
    assert!(error["message"].as_str().unwrap().contains("peers.json"), "{error}");
    assert_eq!((listener.all("connected").count(), bob.peers()), (0, "no JSON".to_owned()));
}

#[test]
fn fault_88_a_key_that_others_could_have_read_or_a_link_to_one_is_not_used() {
    let anna = Person::new("anna");
    let key = anna.key();
    let path = anna.home().join("identity");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let mut start = anna.listens(&[]);
    assert_eq!(start.exit_code(), 1);
    let said = start.err();
    assert!(said.contains("identity") && said.contains("hint: ") && said.contains("chmod 600"), "{said}");

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let elsewhere = anna.home().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let mut start = anna.listens(&[]);
    assert_eq!(start.exit_code(), 1);
    assert!(start.err().contains("symbolic link"), "{}", start.err());

    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(anna.listens(&[]).event("listening")["key"], key.to_string());
}

#[test]
fn secrets_of_a_conversation_are_written_where_sslkeylogfile_says_and_nowhere_else() {
    for wanted in [true, false] {
        let us = Person::new("anna");
        let mut listener = us.listens(&[]);
        let caller = us.again("bob").run(&[&crate::person::at(listener.port())]);
        let mut caller = if wanted { caller.env("SSLKEYLOGFILE", "secrets.txt") } else { caller }.start();
        part(&mut listener, &mut caller);
        let written = fs::read_to_string(caller.file("secrets.txt")).unwrap_or_default();
        let kinds = ["CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "].map(|kind| written.matches(kind).count());
        assert_eq!(kinds, [usize::from(wanted); 2], "{written}");
        for side in [&listener, &caller] {
            let files: Vec<_> = fs::read_dir(side.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(files.iter().all(|name| name == "secrets.txt"), "{files:?}");
        }
    }
}
