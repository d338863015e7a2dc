//! What is kept between runs, told to its owner: `tete id` and `tete peers`.
//!
//! Owns: the texts and objects of both. Must not know: how they are stored, where they are printed.

use std::path::PathBuf;

use crate::proto::near::nearest;
use crate::secure::folder::{Folder, StoreError};
use crate::secure::identity;
use crate::secure::known::{self, Known, Peer};
use crate::sys;
use crate::term::json::Object;

use super::address::DEFAULT_PORT;

/// What is to be told or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Who we are.
    Id,
    /// Whom we know.
    Peers,
    /// Know somebody of this name no longer.
    Forget(String),
}

/// A task, and how it is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub task: Task,
    /// Where it is kept. None: where the system keeps such things.
    pub config_dir: Option<PathBuf>,
    /// Told as JSON, one object a line.
    pub json: bool,
}

/// Does it, and gives what there is to say: lines, each with its end.
///
/// # Errors
/// [`StoreError`]: what is kept cannot be relied on or changed, or nobody has the name that was to be forgotten.
pub fn run(kept: &Kept) -> Result<String, StoreError> {
    let folder = Folder::open(kept.config_dir.as_deref())?;
    match &kept.task {
        Task::Id => id(&folder, kept.json),
        Task::Peers => Ok(peers(&Known::load(&folder)?, kept.json)),
        Task::Forget(name) => forget(&folder, name, kept.json),
    }
}

fn id(folder: &Folder, json: bool) -> Result<String, StoreError> {
    let key = identity::load_or_create(folder)?.public();
    let outward = [false, true].into_iter().filter_map(sys::outward_address);
    let reachable = outward.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    let addresses: Vec<String> = reachable.map(|ip| known::address(&ip.to_string(), DEFAULT_PORT)).collect();
    if json {
        let object = Object::empty().field("key", &key.to_string()).field("addresses", &addresses);
        return Ok(object.field("folder", &folder.path().to_string_lossy()).line());
    }
    let mut out = format!("your key, as it is compared:\n  {}\n", key.grouped());
    out += match addresses.is_empty() {
        true => "this machine has no network now; on a machine that reaches it, you are called with\n",
        false => "while you listen, you are called with\n",
    };
    for address in addresses.iter().map(String::as_str).chain(addresses.is_empty().then_some("HOST:8383")) {
        out += &format!("  tete {key}@{address}\n");
    }
    out += &format!("kept in {:?}\n", folder.path());
    Ok(out)
}

fn peers(known: &Known, json: bool) -> String {
    match known.peers() {
        [] if !json => "nobody is known yet: who is let in will be\n".to_owned(),
        peers if json => peers.iter().map(|peer| object(peer).line()).collect(),
        peers => peers.iter().map(|peer| line(peer) + "\n").collect(),
    }
}

fn forget(folder: &Folder, name: &str, json: bool) -> Result<String, StoreError> {
    match Known::forget(folder, name)? {
        Some(peer) if json => Ok(object(&peer).field("forgotten", &true).line()),
        Some(peer) => Ok(format!("forgotten: {}\n", line(&peer))),
        None => {
            let known = Known::load(folder)?;
            let near = nearest(name, known.peers().iter().map(|peer| peer.name.as_str()));
            let hint = match near {
                Some(near) => format!("there is {near}; tete peers lists them all"),
                None => "tete peers lists who is known".to_owned(),
            };
            Err(StoreError { message: format!("nobody known is called {name:?}"), hint })
        }
    }
}

/// Name, key, where last reached, when last seen: with a dash for nowhere, so that the columns can be counted.
fn line(peer: &Peer) -> String {
    let seen = match peer.seen.split_once('.') {
        Some((seconds, fraction)) if fraction.ends_with('Z') => format!("{seconds}Z"),
        _ => peer.seen.clone(),
    };
    let address = peer.address.as_deref().unwrap_or("-");
    format!("{}  {}  {address}  {seen}", peer.name, peer.key.grouped())
}

fn object(peer: &Peer) -> Object {
    let object = Object::empty().field("name", &peer.name).field("key", &peer.key.to_string());
    object.field("address", &peer.address).field("since", &peer.since).field("seen", &peer.seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::key::PublicKey;

    fn kept(dir: &tempfile::TempDir, task: Task, json: bool) -> Result<String, StoreError> {
        run(&Kept { task, config_dir: Some(dir.path().join("kept")), json })
    }

    fn remember(dir: &tempfile::TempDir, byte: u8, name: &str, address: Option<&str>) {
        let folder = Folder::open(Some(&dir.path().join("kept"))).unwrap();
        let (key, now) = (PublicKey::new([byte; 32]), "2026-11-21T12:00:00.25Z");
        Known::remember(&folder, key, name, address.map(str::to_owned), now).unwrap();
    }

    #[test]
    fn the_key_is_the_same_every_time_and_in_every_form() {
        let dir = tempfile::tempdir().unwrap();
        let text = kept(&dir, Task::Id, false).unwrap();
        let key = PublicKey::parse(text.lines().nth(1).unwrap().trim()).unwrap();
        assert!(text.contains(&format!("  tete {key}@")), "{text}");
        let json: serde_json::Value = serde_json::from_str(&kept(&dir, Task::Id, true).unwrap()).unwrap();
        assert_eq!(json["key"], key.to_string());
        assert_eq!(json["folder"], dir.path().join("kept").to_str().unwrap());
        assert!(json["addresses"].is_array());
    }

    #[test]
    fn peers_are_told_a_line_each_and_nobody_is_told_too() {
        let dir = tempfile::tempdir().unwrap();
        assert!(kept(&dir, Task::Peers, false).unwrap().contains("nobody is known"));
        assert_eq!(kept(&dir, Task::Peers, true).unwrap(), "");
        remember(&dir, 1, "bob", Some("host:5000"));
        remember(&dir, 2, "anna", None);
        let groups = PublicKey::new([1; 32]).grouped();
        let text = kept(&dir, Task::Peers, false).unwrap();
        assert_eq!(text.lines().next().unwrap(), format!("bob  {groups}  host:5000  2026-11-21T12:00:00Z"));
        assert!(text.lines().nth(1).unwrap().contains("  -  "), "{text}");
        let json = kept(&dir, Task::Peers, true).unwrap();
        let bob: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!((&bob["name"], &bob["address"]), (&"bob".into(), &"host:5000".into()));
        assert!(json.lines().nth(1).unwrap().contains("\"address\":null"), "{json}");
    }

    #[test]
    fn who_is_forgotten_is_told_and_a_slip_of_the_finger_too() {
        let dir = tempfile::tempdir().unwrap();
        remember(&dir, 1, "bob", None);
        let error = kept(&dir, Task::Forget("Bobb".into()), false).unwrap_err();
        assert!(error.message.contains("\"Bobb\"") && error.hint.contains("there is bob"), "{error}");
        assert!(kept(&dir, Task::Forget("zoë\x1b".into()), false).unwrap_err().message.contains("\\u{1b}"));
        assert!(kept(&dir, Task::Forget("bob".into()), false).unwrap().starts_with("forgotten: bob  "));
        assert!(kept(&dir, Task::Peers, false).unwrap().contains("nobody"));
        remember(&dir, 1, "bob", None);
        assert!(kept(&dir, Task::Forget("bob".into()), true).unwrap().contains("\"forgotten\":true"));
    }
}
