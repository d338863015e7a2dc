//! The command line and the environment: what is refused at once, and what a run needs to have.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Duo, Tete, anna, bob, tete, tete_with_limit};
use rustix::process::Signal;
use tete::secure::key::PublicKey;

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_command_line_that_cannot_be_meant_is_an_error_with_a_hint() {
    let wrong: [&[&str]; 26] = [
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
        &["--plain", "--code", "7-a-b"],
        &["--plain", "--new-code"],
        &["--code", "7-a-b", "--new-code"],
        &["anna@host:5000"],
        &["id", "host"],
        &["peers", "remember", "bob"],
        &["completions"],
        &["completions", "tcsh"],
        &["man", "bash"],
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
        for word in ["--plain", "--json", "--listen", "--send", "--code", "demo", "peers", "PEER"] {
            assert!(run.out().contains(word), "{word} in {}", run.out());
        }
    }
    let mut run = tete(&["--version"]).start();
    assert_eq!((run.exit_code(), run.out()), (0, format!("tete {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_help_of_a_command_lists_what_it_takes() {
    let options = ["--into", "--json", "--config-dir"];
    for (words, takes) in [
        (&["demo"][..], [false, false, false]),
        (&["man"], [false, false, false]),
        (&["completions"], [false, false, false]),
        (&["id"], [false, true, true]),
        (&["peers"], [false, true, true]),
        (&["peers", "forget"], [false, true, true]),
        (&["partial"], [true, true, true]),
        (&["partial", "clean"], [true, true, true]),
    ] {
        let mut run = tete(&[words, &["-h"]].concat()).start();
        assert_eq!(run.exit_code(), 0, "{words:?}");
        assert_eq!(options.map(|option| run.out().contains(option)), takes, "{words:?}: {}", run.out());
    }
}

#[test]
fn completions_and_the_man_page_go_to_stdout_and_nobody_has_to_read_them() {
    for (args, word) in [(&["completions", "bash"][..], "complete "), (&["man"], ".TH tete 1"), (&["--help"], "Usage")]
    {
        let mut run = tete(args).start();
        assert_eq!((run.exit_code(), run.err()), (0, String::new()), "{args:?}");
        assert!(run.out().contains(word), "{args:?} {}", run.out());
        let mut run = tete(args).without_output().start();
        assert_eq!((run.exit_code(), run.err()), (0, String::new()), "{args:?}");
        let mut run = tete_with_limit("exec >/dev/full", args).start();
        assert_eq!(run.exit_code(), 1, "{args:?}");
        assert!(run.err().contains("No space left"), "{args:?} {}", run.err());
    }
}

#[test]
fn fault_2_a_port_in_use_is_named_with_its_address() {
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
fn fault_2_that_the_usual_port_is_in_use_is_said_and_another_one_is_used() {
    // If it cannot be had here, somebody else has it.
    let _taken = TcpListener::bind("127.0.0.1:8383");
    for (args, says) in [(&["--plain"][..], true), (&["--plain", "-q"], false), (&["--plain", "--json"], true)] {
        let mut run = tete(args).start();
        run.send("exit");
        assert_eq!(run.exit_code(), 0, "{args:?}");
        let err = run.err();
        let at = err.find("-- port 8383 is taken; a free one is used instead\n");
        assert_eq!(at.is_some(), says, "{args:?} {err}");
        assert!(err.find("-- listening on 127.0.0.1:").is_none_or(|listening| at < Some(listening)), "{err}");
    }
}

#[test]
fn a_folder_that_is_none_is_an_error_before_anything_starts() {
    let mut run = tete(&["--plain", "-l", "0", "-d", "nowhere"]).start();
    assert_eq!(run.exit_code(), 1);
    assert!(run.err().contains("nowhere"), "{}", run.err());
}

#[test]
fn to_a_program_what_keeps_it_from_starting_is_an_event() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (args, words) in [
        (&["--plain", "-l", &taken][..], "in use"),
        (&["--plain", "-l", "0", "-d", "nowhere"], "nowhere"),
        (&["-l", "0", "--config-dir", "/dev/null"], "/dev/null"),
        (&["-l", "0", "--code", "@nowhere"], "nowhere"),
        (&["--plain", "-l", "0", "--log", "no/where"], "No such file"),
    ] {
        let mut run = tete(&[&["--json"][..], args].concat()).start();
        assert_eq!(run.exit_code(), 1, "{args:?}");
        let [event] = run.events() else { panic!("{args:?}: {}", run.out()) };
        assert_eq!(event["event"], "error");
        assert!(event["message"].as_str().expect("a text").contains(words), "{event}");
        assert!(event["hint"].is_string() && event["t"].is_number() && event["time"].is_string(), "{event}");
        assert!(run.err().contains("error: "), "{}", run.err());
    }
}

#[test]
fn without_a_login_the_name_is_the_one_that_the_system_lists() {
    let called = tete(&["--plain", "--json", "-l", "0"]).without_env("USER");
    let mut duo = Duo::new(called, |port| tete(&bob(port, &["--json"])));
    let listed = tete::sys::login_name().and_then(|name| name.into_string().ok());
    assert_eq!(duo.bob.event("connected")["peer"]["name"], listed.unwrap_or_else(|| "anonymous".to_owned()));
}

#[test]
fn where_only_saved_keys_are_wanted_nobody_without_one_is_let_in_over_loopback() {
    let mut anna = tete(&anna(&["--json", "--trust", "known"])).start();
    let mut bob = tete(&bob(anna.port(), &["--json"])).start();
    assert_eq!(bob.exit_code(), 5);
    anna.event("refused");
    assert_eq!(anna.all("connected").count(), 0);
}

#[test]
fn a_port_alone_reaches_who_listens_on_either_loopback_address() {
    for (listen, family) in [("127.0.0.1:0", "-4"), ("[::1]:0", "-6")] {
        if TcpListener::bind(listen).is_err() {
            continue; // a machine without IPv6
        }
        let mut anna = tete(&["--plain", "--json", "-l", listen, "--stay"]).start();
        let port = anna.port().to_string();
        for family in [&[][..], &[family]] {
            let args = [&["--plain", "--json", "-n", "bob"][..], family, &[port.as_str()]].concat();
            let mut bob = tete(&args).input(Stdio::null()).start();
            assert_eq!(bob.exit_code(), 0, "{listen} {family:?} {}", bob.err());
            assert_eq!(bob.all("dialling").next().expect("told")["to"], format!("localhost:{port}"));
        }
    }
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
fn a_demonstration_that_is_ended_early_leaves_nothing_behind_either() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut run = tete(&["demo"]).env("TMPDIR", temporary.path()).start();
    run.says("-- connected to bob");
    run.signal(Signal::TERM);
    let code = run.exit_code();
    assert!(code == 143 || code == 0, "{code}: unless it was over by then");
    assert_eq!(names(temporary.path()), BTreeSet::new());
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

/// A run of a command that tells what is kept in `folder`.
fn kept(folder: &Path, args: &[&str]) -> Tete {
    tete(args).env("TETE_HOME", folder).start()
}

/// The lines that a run has said, once it has ended well.
fn lines(mut run: Tete) -> Vec<String> {
    assert_eq!((run.exit_code(), run.err()), (0, String::new()));
    run.out().lines().map(str::to_owned).collect()
}

/// What is wrong, and what to do: of a run that fails and says nothing else.
fn failure(mut run: Tete) -> (String, String) {
    assert_eq!((run.exit_code(), run.out()), (1, String::new()));
    let err = run.err();
    let lines: Vec<&str> = err.lines().collect();
    match lines[..] {
        [error, hint] if error.starts_with("error: ") && hint.starts_with("hint: ") => (error.into(), hint.into()),
        _ => panic!("not an error and a hint: {err}"),
    }
}

/// The file of the known peers, with these in it.
fn know(folder: &Path, names: &[&str]) -> String {
    let peers = names.iter().enumerate().map(|(n, name)| {
        let key = PublicKey::new([u8::try_from(n).expect("few"); 32]).to_string();
        let now = "2026-11-21T12:00:00Z";
        serde_json::json!({ "name": name, "key": key, "address": format!("host:{}", n + 1), "since": now, "seen": now })
    });
    let text = serde_json::json!({ "version": 1, "peers": peers.collect::<Vec<_>>() }).to_string();
    std::fs::write(folder.join("peers.json"), &text).expect("a file");
    text
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn an_installation_has_one_key_whoever_asks_and_how() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("a/b");
    let told = lines(kept(&folder, &["id"]));
    let key = PublicKey::parse(told[1].trim()).expect("the key in groups");
    assert!(told.iter().any(|line| line.starts_with(&format!("  tete {key}@"))), "{told:?}");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("identity"))), (0o700, 0o600));
    let place = folder.to_str().expect("UTF-8");
    for args in [["id", "--json", "--config-dir", place], ["--config-dir", place, "--json", "id"]] {
        let told = lines(tete(&args).start());
        let object: serde_json::Value = serde_json::from_str(&told[0]).expect("JSON");
        assert_eq!((&object["key"], &object["folder"]), (&key.to_string().into(), &place.into()));
        assert!(object["addresses"].is_array());
    }
}

#[test]
fn first_starts_at_once_agree_on_one_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let runs: Vec<Tete> = (0..6).map(|_| kept(dir.path(), &["id", "--json"])).collect();
    let told: BTreeSet<Vec<String>> = runs.into_iter().map(lines).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn known_peers_are_listed_and_forgotten() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(lines(kept(dir.path(), &["peers"]))[0].contains("nobody is known"));
    know(dir.path(), &["anna", "Zoë"]);
    let told = lines(kept(dir.path(), &["peers"]));
    let groups = PublicKey::new([1; 32]).grouped();
    assert_eq!((told.len(), &*told[1]), (2, &*format!("Zoë  {groups}  host:2  2026-11-21T12:00:00Z")));
    let told = lines(kept(dir.path(), &["--json", "peers"]));
    assert!(told.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{told:?}");
    let (error, hint) = failure(kept(dir.path(), &["peers", "forget", "hanna"]));
    assert!(error.contains("hanna") && hint.contains("anna"), "{error} {hint}");
    assert!(lines(kept(dir.path(), &["peers", "forget", "anna"]))[0].starts_with("forgotten: anna"));
    let told = lines(kept(dir.path(), &["peers"]));
    assert!(told.len() == 1 && told[0].starts_with("Zoë"), "{told:?}");
}

#[test]
fn fault_72_known_peers_that_are_damaged_are_an_error_and_stay() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = know(dir.path(), &["bob"]);
    let path = dir.path().join("peers.json");
    for damaged in ["", "garbage", &whole[..whole.len() - 1], &whole.replace("bob", "b\\u001bb")] {
        std::fs::write(&path, damaged).expect("a file");
        for args in [&["peers"][..], &["peers", "forget", "bob"]] {
            let (error, hint) = failure(kept(dir.path(), args));
            assert!(error.contains("peers.json") && hint.contains("move it away"), "{error} {hint}");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), damaged);
    }
}

#[test]
fn fault_72_a_full_disk_keeps_the_old_peers() {
    let dir = tempfile::tempdir().expect("a folder");
    let before = know(dir.path(), &["anna", "bob"]);
    // No file may grow: writing fails as on a full disk, and the signal for it is ignored as a shell has it.
    let mut run = tete_with_limit("trap '' XFSZ; ulimit -f 0", &["peers", "forget", "bob"]);
    run = run.env("TETE_HOME", dir.path());
    let (error, hint) = failure(run.start());
    assert!(error.contains("peers.json") && error.contains("File too large"), "{error}");
    assert!(hint.contains("stays"), "{hint}");
    assert_eq!(std::fs::read_to_string(dir.path().join("peers.json")).expect("it is there"), before);
    assert_eq!(names(dir.path()), ["peers.json".to_owned(), "peers.lock".to_owned()].into());
}

#[test]
fn fault_85_two_who_forget_at_once_lose_nobody_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let all = ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8"];
    know(dir.path(), &all);
    let runs: Vec<Tete> = all[1..].iter().map(|name| kept(dir.path(), &["peers", "forget", name])).collect();
    for run in runs {
        lines(run);
    }
    let told = lines(kept(dir.path(), &["peers"]));
    assert!(told.len() == 1 && told[0].starts_with("a1"), "{told:?}");
}

#[test]
fn fault_87_without_home_a_folder_has_to_be_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let homeless = |args: &[&str]| tete(args).without_env("HOME").without_env("TETE_HOME");
    for run in [homeless(&["id"]), homeless(&["peers"]).env("HOME", ""), homeless(&["id"]).env("HOME", "relative")] {
        let (error, hint) = failure(run.start());
        assert!(error.contains("HOME") && hint.contains("--config-dir"), "{error} {hint}");
    }
    let place = dir.path().to_str().expect("UTF-8");
    lines(homeless(&["id", "--config-dir", place]).start());
    lines(homeless(&["id"]).env("TETE_HOME", place).start());
    lines(homeless(&["id"]).env("XDG_CONFIG_HOME", place).start());
    assert!(dir.path().join("tete/identity").is_file());
    let run = homeless(&["id"]).env("HOME", dir.path()).start();
    lines(run);
    assert!(dir.path().join(".config/tete/identity").is_file());
}

#[test]
fn fault_88_a_key_that_others_can_read_or_a_link_to_one_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = dir.path().join("identity");
    lines(kept(dir.path(), &["id"]));
    chmod(&key, 0o644);
    let (error, hint) = failure(kept(dir.path(), &["id"]));
    assert!(error.contains("identity") && error.contains("0644") && hint.contains("chmod 600"), "{error} {hint}");
    chmod(&key, 0o600);
    std::fs::rename(&key, dir.path().join("elsewhere")).expect("moved");
    symlink("elsewhere", &key).expect("a link");
    assert!(failure(kept(dir.path(), &["id"])).0.contains("symbolic link"));
    std::fs::remove_file(&key).expect("removed");
    std::fs::write(&key, "garbage").expect("a file");
    chmod(&key, 0o600);
    assert!(failure(kept(dir.path(), &["id"])).0.contains("holds no key"));
    assert_eq!(std::fs::read_to_string(&key).expect("it is there"), "garbage");
}

#[test]
fn a_folder_that_others_may_write_to_or_a_link_to_one_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, link) = (dir.path().join("kept"), dir.path().join("link"));
    lines(kept(&folder, &["id"]));
    chmod(&folder, 0o770);
    for args in [["id"], ["peers"]] {
        let (error, hint) = failure(kept(&folder, &args));
        assert!(error.contains("0770") && hint.contains("chmod 700"), "{error} {hint}");
    }
    chmod(&folder, 0o755);
    lines(kept(&folder, &["id"]));
    symlink(&folder, &link).expect("a link");
    assert!(failure(kept(&link, &["id"])).0.contains("symbolic link"));
}

#[test]
fn what_is_kept_can_be_told_to_somebody_who_stops_reading() {
    let dir = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..200).map(|n| format!("peer-{n}")).collect();
    know(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut run = tete(&["peers"]).env("TETE_HOME", dir.path()).without_output().start();
    assert_eq!((run.exit_code(), run.err()), (0, String::new()));
}
