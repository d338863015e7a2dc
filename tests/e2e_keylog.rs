//! `SSLKEYLOGFILE`: one's own conversation can be read with Wireshark by whoever asked for that, and by nobody else.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::{tete, tete_with_limit};

/// The secrets of a TLS 1.3 connection, as the format names them.
const LABELS: [&str; 4] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
];
const VARIABLE: &str = "SSLKEYLOGFILE";

/// Both sides in one short conversation, with what the variable is set to at the called one; what is in the called
/// one's folder afterwards.
fn conversation(file: Option<&str>, more: &[&str]) -> Vec<(String, Vec<u8>, u32)> {
    let args = |own: &[&'static str]| own.iter().chain(more).map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let anna = args(&["-n", "anna", "-l", "127.0.0.1:0", "--trust", "new"]);
    // Whatever the default for new files is, nobody else may read these.
    let anna = tete_with_limit("umask 0", &anna.iter().map(String::as_str).collect::<Vec<_>>());
    let anna = if let Some(file) = file { anna.env(VARIABLE, file) } else { anna };
    let mut anna = anna.start();
    let target = anna.port().to_string();
    let mut bob = tete(&[args(&["-n", "bob", "--trust", "new"]), vec![target]].concat()).start();
    bob.send("hello");
    anna.says("bob: hello");
    bob.send("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
    let entries = fs::read_dir(anna.folder()).expect("its folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("its content"), mode)
        })
        .collect()
}

#[test]
fn who_asks_for_them_gets_the_secrets_of_a_conversation_in_a_file_of_their_own() {
    let files = conversation(Some("keys.log"), &[]);
    let [(name, content, mode)] = &files[..] else { panic!("{files:?}") };
    assert_eq!((name.as_str(), *mode), ("keys.log", 0o600));
    let text = str::from_utf8(content).expect("text");
    for label in LABELS {
        let line = text.lines().find(|line| line.split(' ').next() == Some(label));
        let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no {label} in\n{text}")).split(' ').collect();
        let [_, random, secret] = fields[..] else { panic!("{fields:?}") };
        // A hello's random number, and as much as SHA-384 has.
        assert_eq!((random.len(), secret.len()), (64, 96), "{label}");
        assert!([random, secret].iter().all(|field| field.bytes().all(|c| c.is_ascii_hexdigit())), "{label}");
    }
}

#[test]
fn who_does_not_ask_leaves_no_secrets_anywhere() {
    assert_eq!(conversation(None, &[]), []);
    assert_eq!(conversation(Some(""), &[]), []);
}

#[test]
fn a_plain_conversation_has_no_secrets() {
    assert_eq!(conversation(Some("keys.log"), &["--plain"]), []);
}
