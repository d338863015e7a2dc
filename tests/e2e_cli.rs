//! The command line and the environment: what is refused at once, and what a run needs to have.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use common::{Duo, anna, bob, tete};

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_command_line_that_cannot_be_meant_is_an_error_with_a_hint() {
    let wrong: [&[&str]; 17] = [
        &["--frobnicate"],
        &["--plain", "host:0"],
        &["--plain", "host:70000"],
        &["--plain", "host", "port"],
        &["--plain", "a", "1", "b"],
        &["--plain", "-l", "here"],
        &["--plain", "-l", "0", "-4", "-6"],
        &["--plain", "-4", "[::1]:5000"],
        &["--plain", "--json", "--ui", "plain"],
        &["--plain", "--stay", "--send", "a"],
        &["--plain", "--accept", "perhaps"],
        &["--plain", "--wait", "soon"],
        &["--plain", "--limit", "0"],
        &["--plain", "--prefix", "a/b"],
        &["--plain", "-n", ""],
        &["--plain", "--send"],
        &["demo", "--plain"],
    ];
    for args in wrong {
        let mut run = tete(args).start();
        assert_eq!(run.exit_code(), 2, "{args:?}");
        let err = run.err();
        let lines: Vec<&str> = err.lines().collect();
        assert!(
            lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
            "{args:?} {err}"
        );
        assert_eq!(run.out(), "", "{args:?}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for args in [["--help"], ["-h"]] {
        let mut run = tete(&args).start();
        assert_eq!((run.exit_code(), run.err()), (0, String::new()));
        for word in ["--plain", "--json", "--listen", "--send", "demo", "PEER"] {
            assert!(run.out().contains(word), "{word} in {}", run.out());
        }
    }
    let mut run = tete(&["--version"]).start();
    assert_eq!((run.exit_code(), run.out()), (0, format!("tete {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_port_in_use_is_named_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for listen in [address.to_string(), address.port().to_string()] {
        let mut run = tete(&["--plain", "--json", "-l", &listen]).start();
        assert_eq!(run.exit_code(), 1);
        let err = run.err();
        assert!(err.contains(&listen) && err.contains("in use") && err.contains("hint: "), "{err}");
    }
}

#[test]
fn a_folder_that_is_none_is_an_error_before_anything_starts() {
    let mut run = tete(&["--plain", "-l", "0", "-d", "nowhere"]).start();
    assert_eq!(run.exit_code(), 1);
    assert!(run.err().contains("nowhere"), "{}", run.err());
}

#[test]
fn names_and_prefixes_come_from_the_environment_unless_typed() {
    let called = tete(&["--plain", "--json", "-l", "0"]).env("TETE_NAME", "Zoë").env("TETE_PREFIX", "got ");
    let mut duo = Duo::new(called, |port| tete(&bob(port, &["--json"])).env("TETE_NAME", "else").file("a", "1"));
    assert_eq!(duo.bob.event("connected")["peer"]["name"], "Zoë");
    assert_eq!(duo.anna.event("connected")["peer"]["name"], "bob");
    duo.bob.send("transfer a");
    duo.anna.event("received");
    assert_eq!(names(duo.anna.folder()), ["got a".to_owned()].into());
}

#[test]
fn without_home_it_works_and_a_tilde_is_an_error_that_says_why() {
    let mut duo = Duo::new(tete(&anna(&["--json"])).without_env("HOME"), |port| {
        tete(&bob(port, &[])).without_env("HOME").env("USER", "")
    });
    duo.bob.send("transfer ~/x");
    duo.bob.tells("HOME is not set");
    duo.bob.tells("-- hint: ");
    duo.bob.send("exit");
    duo.end_with(0, 0);
}

#[test]
fn a_path_on_the_command_line_need_not_be_utf8() {
    let mut anna = tete(&anna(&["--json"])).start();
    let name = OsStr::from_bytes(b"odd\xff.bin");
    let path = anna.file("other").with_file_name(name);
    std::fs::write(&path, "12345").expect("a file");
    let mut args = bob(anna.port(), &["--json", "--send"]);
    args.push(path.into_os_string());
    let mut bob = tete(&args).start();
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
    assert_eq!(anna.event("received")["bytes"], 5);
}

#[test]
fn a_path_that_is_not_utf8_for_the_peer_or_the_log_is_refused_without_a_panic() {
    let odd = OsStr::from_bytes(b"odd\xff");
    let mut run = tete(&[OsStr::new("--plain"), odd]).start();
    assert_eq!(run.exit_code(), 2);
    assert!(run.err().starts_with("error: "), "{}", run.err());
}

#[test]
fn the_log_goes_where_it_is_told_and_not_into_the_conversation() {
    let mut duo = Duo::new(tete(&anna(&["-vvv", "--log", "log"])), |port| tete(&bob(port, &[])));
    duo.bob.send("hi");
    duo.anna.says("bob: hi\n");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert!(std::fs::metadata(duo.anna.file("log")).expect("a log").len() > 0);
    assert!(duo.anna.err().lines().all(|line| line.starts_with("-- ")), "{}", duo.anna.err());
}

#[test]
fn the_demonstration_sends_both_ways_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut run = tete(&["demo"]).env("TMPDIR", temporary.path()).start();
    assert_eq!((run.exit_code(), run.err()), (0, String::new()));
    let out = run.out();
    let verified = |line: &&str| line.contains("->") && line.contains(" bytes") && line.contains("verified");
    assert_eq!(out.lines().filter(verified).count(), 2, "{out}");
    for words in ["bob: Hello Anna!", "bob sends notes.txt: 1780871 bytes", "received fetched_notes.txt"] {
        assert!(out.contains(words), "{words} in {out}");
    }
    assert_eq!((names(run.folder()), names(temporary.path())), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn quiet_says_what_people_say_and_little_else() {
    let mut anna = tete(&anna(&["--json"])).start();
    let mut bob = tete(&bob(anna.port(), &["-q"])).start();
    anna.send("hi");
    bob.says("anna: hi\n");
    bob.send("exit");
    assert_eq!((anna.exit_code(), bob.exit_code(), bob.err()), (0, 0, String::new()));
}

#[test]
fn thousands_of_files_can_be_sent_at_once() {
    let mut anna = tete(&anna(&["--json", "--no-sync"])).start();
    let names: Vec<String> = (0..2_000).map(|n| format!("f{n}")).collect();
    let port = anna.port().to_string();
    let mut args = vec!["--plain", "--json", &port, "--send"];
    args.extend(names.iter().map(String::as_str));
    let run = names.iter().fold(tete(&args), |run, name| run.file(name, ""));
    let mut bob = run.start();
    assert_eq!(bob.exit_code_within(Duration::from_secs(60)), 0);
    assert_eq!(bob.all("sent").count(), 2_000);
    assert_eq!(anna.exit_code(), 0);
}
