//! What is kept between runs, told to its owner: `tete id`, `tete peers` and `tete partial`.
//!
//! Owns: the texts and objects of all three. Must not know: how they are stored, where they are printed.

use std::path::{Path, PathBuf};

use crate::net::unfinished::{self, Unfinished};
use crate::proto::near::nearest;
use crate::proto::text::Untrusted;
use crate::secure::folder::{Folder, StoreError};
use crate::secure::identity;
use crate::secure::key::PublicKey;
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
    /// What did not arrive whole.
    Partial {
        /// In which folder.
        folder: PathBuf,
        /// Remove what no running tete has.
        clean: bool,
    },
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
    if let Task::Partial { folder, clean } = &kept.task {
        return partial(kept, folder, *clean);
    }
    let folder = Folder::open(kept.config_dir.as_deref())?;
    match &kept.task {
        Task::Id => id(&folder, kept.json),
        Task::Peers => Ok(peers(&Known::load(&folder)?, kept.json)),
        Task::Forget(name) => forget(&folder, name, kept.json),
        Task::Partial { folder, clean } => partial(kept, folder, *clean),
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

/// The unfinished files of a folder; with `clean` those that were removed, and those that were not.
fn partial(kept: &Kept, folder: &Path, clean: bool) -> Result<String, StoreError> {
    let wrong = |error| StoreError {
        message: format!("{folder:?}: {}", sys::words(&error)),
        hint: "-d names the folder of received files".to_owned(),
    };
    let all = unfinished::list(folder, clean).map_err(wrong)?;
    // Who they are from is told as well as can be: that a folder of keys cannot be read is no reason to tell nothing.
    let known = Folder::open(kept.config_dir.as_deref()).and_then(|folder| Known::load(&folder)).ok();
    let saved = |key: &PublicKey| {
        let peers = known.as_ref().map_or(&[][..], Known::peers);
        peers.iter().find(|peer| peer.key == *key).map(|peer| peer.name.clone())
    };
    if all.is_empty() && !kept.json {
        return Ok(if clean { "nothing to remove\n" } else { "no unfinished files here\n" }.to_owned());
    }
    Ok(all.iter().map(|file| if kept.json { told(file, saved, clean) } else { said(file, saved, clean) }).collect())
}

fn said(file: &Unfinished, saved: impl Fn(&PublicKey) -> Option<String>, clean: bool) -> String {
    let name = Untrusted::from(file.name.as_str());
    let about = match file.about {
        None => "nothing of it is verified".to_owned(),
        Some((size, peer, since)) => {
            let from = match peer.map(PublicKey::new) {
                None => "somebody unproved".to_owned(),
                Some(key) => saved(&key).unwrap_or_else(|| key.grouped()),
            };
            format!("{} of {size} bytes, from {from}, since {}", file.verified, moment(since))
        }
    };
    let what = match (clean, file.held) {
        (true, false) => "removed: ",
        (true, true) => "left, for it is arriving: ",
        (false, _) => "",
    };
    let now = if file.held && !clean { ", arriving now" } else { "" };
    format!("{what}{}  {about}{now}\n", name.shown())
}

fn told(file: &Unfinished, saved: impl Fn(&PublicKey) -> Option<String>, clean: bool) -> String {
    let object = Object::empty().field("name", &file.name).field("part", &file.part).field("bytes", &file.verified);
    let key = file.about.and_then(|about| about.1).map(PublicKey::new);
    let object = object.field("size", &file.about.map(|about| about.0));
    let object = object.field("key", &key.map(|key| key.to_string())).field("from", &key.and_then(|key| saved(&key)));
    let object = object.field("since", &file.about.map(|about| moment(about.2))).field("held", &file.held);
    if clean { object.field("removed", &!file.held).line() } else { object.line() }
}

/// A second since 1970, as the known peers have it.
fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| "-".to_owned(), |moment| moment.to_string())
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
    fn unfinished_files_are_told_and_removed_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let part = ".tete-0123456789abcdef.a\u{202e}b.part";
        for name in [part, ".tete-0123456789abcdef.c.journal", ".tete-mine.part", "d.part"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let told = |clean, json| kept(&dir, Task::Partial { folder: dir.path().to_owned(), clean }, json).unwrap();
        let text = told(false, false);
        assert!(text.contains("nothing of it is verified") && !text.contains('\u{202e}'), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(told(true, true).lines().all(|line| line.contains("\"removed\":true")));
        assert_eq!(told(true, false), "nothing to remove\n");
        let left = std::fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file());
        assert_eq!(left.count(), 2);
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
