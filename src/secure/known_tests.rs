//! Whom we know, on a real disk: added, renewed, forgotten, by many at once, and kept when it goes wrong.

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const NOW: &str = "2026-11-21T12:00:00Z";
const LATER: &str = "2026-11-22T12:00:00.123456789Z";

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(Some(dir.path())).unwrap();
    (dir, folder)
}

fn key(n: u16) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    PublicKey::new(bytes)
}

fn remember(folder: &Folder, n: u16, name: &str) -> Saved {
    Known::remember(folder, key(n), name, None, NOW).unwrap()
}

fn names(known: &Known) -> Vec<&str> {
    known.peers().iter().map(|peer| peer.name.as_str()).collect()
}

fn file(dir: &Path) -> String {
    fs::read_to_string(dir.join(FILE)).unwrap()
}

/// The file of one peer, with one word in it replaced.
fn file_with(word: &str, by: &str) -> String {
    let (dir, folder) = folder();
    Known::remember(&folder, key(1), "bob", Some(address("host", 5000)), NOW).unwrap();
    let text = file(dir.path());
    assert!(text.contains(word), "{text}");
    text.replacen(word, by, 1)
}

#[test]
fn no_name_that_a_peer_thinks_of_damages_the_file() {
    let (_dir, folder) = folder();
    // Twice each: the second one gets a number, for which the name is cut.
    let long = format!("{}👩\u{200d}🚀", "x".repeat(53));
    let names = ["ö\u{200d}\u{2003}ö", "a\u{2003}\u{fe0e}", &long, "\u{202e}", "1\u{fe0f}\u{20e3}", "\0", "-", ""];
    for (n, name) in (0..).zip(names.into_iter().flat_map(|name| [name, name])) {
        let saved = remember(&folder, n, name);
        assert_eq!(Known::load(&folder), Ok(saved.known), "{name:?}");
    }
}

#[test]
fn without_a_file_nobody_is_known() {
    let (_dir, folder) = folder();
    assert_eq!(Known::load(&folder), Ok(Known::default()));
    assert_eq!(Known::forget(&folder, "bob"), Ok(None));
}

#[test]
fn whoever_is_remembered_is_found_by_key_name_and_address() {
    let (dir, folder) = folder();
    let saved = Known::remember(&folder, key(1), "Bob", Some(address("Host.Example", 5000)), NOW).unwrap();
    assert_eq!((saved.name.as_str(), saved.is_new), ("Bob", true));
    let known = Known::load(&folder).unwrap();
    assert_eq!(saved.known, known);
    let bob = known.by_key(&key(1)).unwrap();
    assert_eq!((bob.since.as_str(), bob.seen.as_str()), (NOW, NOW));
    assert_eq!(known.by_name("bob"), Some(bob));
    assert_eq!(known.by_address("host.example", 5000), Some(bob));
    assert_eq!(known.by_address("host.example", 5001), None);
    assert_eq!((known.by_key(&key(2)), known.by_name("bobby")), (None, None));
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn whoever_is_known_keeps_our_name_and_an_address_that_no_call_has_renewed() {
    let (_dir, folder) = folder();
    Known::remember(&folder, key(1), "bob", Some(address("::1", 5000)), NOW).unwrap();
    let saved = Known::remember(&folder, key(1), "mallory", None, LATER).unwrap();
    assert_eq!((saved.name.as_str(), saved.is_new), ("bob", false));
    let bob = saved.known.by_name("bob").unwrap();
    assert_eq!(bob.address.as_deref(), Some("[::1]:5000"));
    assert_eq!((bob.since.as_str(), bob.seen.as_str()), (NOW, LATER));
    let saved = Known::remember(&folder, key(1), "bob", Some(address("host", 1)), LATER).unwrap();
    assert_eq!(saved.known.peers()[0].address.as_deref(), Some("host:1"));
}

#[test]
fn an_address_is_one_however_its_host_is_written() {
    for (one, other) in [
        ("[2001:db8::1]:5", ("2001:DB8:0:0::01", 5)),
        ("[fe80::1%eth0]:5", ("FE80:0::1%eth0", 5)),
        ("bob.example:5", ("Bob.Example.", 5)),
        ("192.0.2.7:5", ("192.0.2.7", 5)),
    ] {
        assert_eq!(address(other.0, other.1), one);
    }
    let (_dir, folder) = folder();
    // As an earlier version, or somebody's editor, has written it.
    let as_typed = Some("[2001:db8:0::1]:5000".to_owned());
    let known = Known::remember(&folder, key(1), "anna", as_typed, NOW).unwrap().known;
    assert_eq!(known.by_address("2001:db8::1", 5000).map(|peer| peer.name.as_str()), Some("anna"));
    // Whom a call reaches there has it from now on, and nobody else.
    let as_typed = Some("[2001:DB8:0:0::1]:5000".to_owned());
    let known = Known::remember(&folder, key(2), "bob", as_typed, NOW).unwrap().known;
    assert_eq!(known.by_address("2001:db8::1", 5000).map(|peer| peer.name.as_str()), Some("bob"));
}

#[test]
fn an_address_belongs_to_whom_a_call_last_reached_there() {
    let (_dir, folder) = folder();
    Known::remember(&folder, key(1), "anna", Some(address("host", 5000)), NOW).unwrap();
    let known = Known::remember(&folder, key(2), "bob", Some(address("host", 5000)), NOW).unwrap().known;
    assert_eq!(known.by_address("host", 5000).unwrap().name, "bob");
    assert_eq!(known.by_name("anna").unwrap().address, None);
}

#[test]
fn two_of_one_name_are_told_apart_and_a_claimed_name_is_made_safe() {
    let (_dir, folder) = folder();
    for (n, claimed) in [(1, "bob"), (2, "BOB"), (3, "bob"), (4, "bob-2"), (5, "a b\x1b[2J"), (6, "host:80")] {
        remember(&folder, n, claimed);
    }
    let known = Known::load(&folder).unwrap();
    assert_eq!(names(&known), ["bob", "BOB-2", "bob-3", "bob-2-2", "a-b_-2J", "host-80"]);
}

#[test]
fn whoever_is_forgotten_is_new_again_and_nobody_else_is() {
    let (_dir, folder) = folder();
    remember(&folder, 1, "bob");
    remember(&folder, 2, "anna");
    assert_eq!(Known::forget(&folder, "BOB").unwrap().unwrap().key, key(1));
    assert_eq!(Known::forget(&folder, "bob"), Ok(None));
    assert_eq!(names(&Known::load(&folder).unwrap()), ["anna"]);
    assert!(remember(&folder, 1, "bob").is_new);
}

#[test]
fn fault_85_many_who_remember_at_once_lose_nothing() {
    let (dir, _folder) = folder();
    std::thread::scope(|scope| {
        for side in 0..8 {
            let path = dir.path();
            scope.spawn(move || {
                let folder = Folder::open(Some(path)).unwrap();
                (0..8).for_each(|n| drop(remember(&folder, side * 8 + n, "bob")));
            });
        }
    });
    let folder = Folder::open(Some(dir.path())).unwrap();
    assert_eq!(Known::load(&folder).unwrap().peers().len(), 64);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the file and its lock");
}

#[test]
fn whoever_holds_the_lock_for_ever_is_not_waited_for_for_ever() {
    let (_dir, folder) = folder();
    let held = lock(&folder).unwrap();
    let error = Known::remember(&folder, key(1), "bob", None, NOW).unwrap_err();
    assert!(error.message.contains("held by another"), "{error}");
    assert_eq!(Known::load(&folder), Ok(Known::default()));
    drop(held);
    remember(&folder, 1, "bob");
}

#[test]
fn fault_72_a_damaged_file_lets_nobody_in_and_stays_as_it_is() {
    let twice = file_with("]", ",]").replace(",]", "x]");
    for damaged in [
        "",
        "{}",
        "[]",
        "null",
        "garbage",
        "{\"version\":1}",
        twice.as_str(),
        &file_with("\"version\": 1", "\"version\": 2"),
        &file_with("bob", ""),
        &file_with("bob", "b\\u001bb"),
        &file_with("bob", &"b".repeat(200)),
        &file_with(&key(1).to_string(), "abc"),
        &file_with("host:5000", "host"),
        &file_with("host:5000", "host:0"),
        &file_with("host:5000", "a b:1"),
        &file_with("host:5000", &format!("{}:1", "h".repeat(300))),
        &file_with(NOW, "soon enough"),
        &file_with("seen", "scene"),
        &file_with("\"name\"", "\"nick\": \"x\", \"name\""),
        &file_with("\n}", "\n} x"),
        &"[".repeat(100_000),
    ] {
        let (dir, folder) = folder();
        fs::write(dir.path().join(FILE), damaged).unwrap();
        let error = Known::load(&folder).unwrap_err();
        assert!(error.message.contains("peers.json") && error.hint.contains("move it away"), "{error}");
        assert!(!error.to_string().contains('\x1b'));
        assert!(Known::remember(&folder, key(1), "bob", None, NOW).is_err(), "{damaged}");
        assert!(Known::forget(&folder, "bob").is_err(), "{damaged}");
        assert_eq!(file(dir.path()), damaged);
    }
}

#[test]
fn a_peer_that_is_damaged_is_named_by_its_place() {
    let (dir, folder) = folder();
    remember(&folder, 1, "bob");
    remember(&folder, 2, "anna");
    let text = file(dir.path());
    for (nth, name) in [(1, "\"bob\""), (2, "\"anna\"")] {
        fs::write(dir.path().join(FILE), text.replace(name, "\"\"")).unwrap();
        let error = Known::load(&folder).unwrap_err();
        assert!(error.message.contains(&format!("damaged: peer {nth} has a name")), "{error}");
    }
}

#[test]
fn a_file_cut_anywhere_lets_nobody_in() {
    let whole = file_with("bob", "bob");
    let (dir, folder) = folder();
    for end in 0..whole.trim_end().len() {
        fs::write(dir.path().join(FILE), &whole[..end]).unwrap();
        assert!(Known::load(&folder).is_err(), "{end}");
    }
}

#[test]
fn two_peers_of_one_key_name_or_address_are_damage() {
    let (dir, folder) = folder();
    remember(&folder, 1, "bob");
    remember(&folder, 2, "anna");
    let text = file(dir.path());
    for (from, to, what) in [("anna", "BOB", "name"), (&*key(2).to_string(), &*key(1).to_string(), "key")] {
        fs::write(dir.path().join(FILE), text.replace(from, to)).unwrap();
        assert!(Known::load(&folder).unwrap_err().message.contains(&format!("the same {what}")));
    }
    let shared = text.replace("\"since\"", "\"address\": \"host:1\", \"since\"");
    fs::write(dir.path().join(FILE), shared).unwrap();
    assert!(Known::load(&folder).unwrap_err().message.contains("the same address"));
}

#[test]
fn a_file_that_others_may_write_a_link_or_one_that_is_too_long_lets_nobody_in() {
    let (dir, folder) = folder();
    remember(&folder, 1, "bob");
    let path = dir.path().join(FILE);
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(Known::load(&folder).unwrap_err().message.contains("others may write"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, " ".repeat(usize::try_from(MAX_FILE).unwrap() + 1)).unwrap();
    assert!(Known::load(&folder).unwrap_err().message.contains("more than"));
    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert!(Known::load(&folder).unwrap_err().message.contains("symbolic link"));
}

/// So many peers, in a file that was not written one by one.
fn fill(folder: &Folder, peers: usize, address_of: impl Fn(usize) -> Option<String>) {
    let peer = |n: usize| Peer {
        name: format!("p{n}"),
        key: key(u16::try_from(n).unwrap()),
        address: address_of(n),
        since: NOW.to_owned(),
        seen: NOW.to_owned(),
    };
    let known = Known { peers: (0..peers).map(peer).collect() };
    folder.replace(FILE, &known.text().unwrap()).unwrap();
}

#[test]
fn as_many_as_can_be_known_can_be_renewed_and_no_more_added() {
    let (_dir, folder) = folder();
    fill(&folder, MAX_PEERS, |_| None);
    assert!(!remember(&folder, 1, "x").is_new);
    let error = Known::remember(&folder, key(9_999), "x", None, NOW).unwrap_err();
    assert!(error.message.contains("no room") && error.hint.contains("forget"), "{error}");
    Known::forget(&folder, "p1").unwrap().unwrap();
    assert!(remember(&folder, 9_999, "x").is_new);
}

#[test]
fn a_file_that_could_not_be_read_again_is_not_written() {
    let (dir, folder) = folder();
    let long = |n: usize| Some(address(&format!("{}{n:04}", "h".repeat(249)), 65_535));
    fill(&folder, 1, long);
    let one = file(dir.path()).len();
    fill(&folder, 2, long);
    let each = file(dir.path()).len() - one + 3; // later ones have longer names
    let most = usize::try_from(MAX_FILE).unwrap() / each;
    fill(&folder, most, long);
    let add = |n: usize| {
        let key = key(u16::try_from(n).unwrap());
        Known::remember(&folder, key, &"x".repeat(64), long(n), NOW)
    };
    let Some(error) = (most..most + 32).find_map(|n| add(n).err()) else { panic!("the file has no bound") };
    assert!(error.message.contains("no room"), "{error}");
    assert!(Known::load(&folder).unwrap().peers().len() >= most);
}
