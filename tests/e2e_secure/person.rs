//! Somebody with a key of his own.
//!
//! Owns: a folder of keys that several processes use, one after the other or at once, and what is asked of every such
//! process. Must not know: what any test is about.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tete::secure::folder::Folder;
use tete::secure::identity::load_or_create;
use tete::secure::key::{PublicKey, SecretKey};
use tete::secure::known::Known;

use crate::common::{Run, Tete, tete};

/// The folder goes with the last of those who use it: whoever starts a process keeps its person.
pub(crate) struct Person {
    name: &'static str,
    dir: Arc<TempDir>,
}

impl Person {
    /// Somebody new.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, dir: Arc::new(tempfile::tempdir().unwrap()) }
    }

    /// The same key in another terminal.
    pub(crate) fn again(&self, name: &'static str) -> Self {
        Self { name, dir: Arc::clone(&self.dir) }
    }

    /// Two whose keys have nothing to do with each other.
    pub(crate) fn two() -> (Self, Self) {
        (Self::new("anna"), Self::new("bob"))
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::open(Some(&self.home())).unwrap()
    }

    /// Made now, if there is none yet.
    pub(crate) fn secret(&self) -> SecretKey {
        load_or_create(&self.folder()).unwrap()
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.secret().public()
    }

    /// What its processes know of others.
    pub(crate) fn known(&self) -> Known {
        Known::load(&self.folder()).unwrap()
    }

    /// The names of those.
    pub(crate) fn names(&self) -> Vec<String> {
        self.known().peers().iter().map(|peer| peer.name.clone()).collect()
    }

    /// The file in which they stand.
    pub(crate) fn peers(&self) -> String {
        fs::read_to_string(self.home().join("peers.json")).unwrap_or_default()
    }

    pub(crate) fn run(&self, more: &[&str]) -> Run {
        let home = self.home();
        let first = ["--json", "-n", self.name, "--config-dir"].map(OsString::from);
        let args: Vec<_> = first.into_iter().chain([home.into()]).chain(more.iter().map(OsString::from)).collect();
        tete(&args)
    }

    pub(crate) fn listens(&self, more: &[&str]) -> Tete {
        self.run(&[&["-l", "127.0.0.1:0"], more].concat()).start()
    }

    pub(crate) fn calls(&self, port: u16, more: &[&str]) -> Tete {
        self.run(&[&[&*at(port)], more].concat()).start()
    }

    /// What a command that only tells something says, which has to be well.
    pub(crate) fn tells(&self, words: &[&str]) -> String {
        let home = self.home();
        let args: Vec<_> = words.iter().map(OsString::from).chain(["--config-dir".into(), home.into()]).collect();
        let mut told = tete(&args).start();
        assert_eq!(told.exit_code(), 0, "{}", told.err());
        told.out()
    }
}

/// Where somebody of this machine listens.
pub(crate) fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// It is connected, with this key of the other side and for this reason.
pub(crate) fn connected(side: &mut Tete, trust: &str, key: PublicKey) -> Value {
    let event = side.event("connected");
    assert_eq!((&event["trust"], &event["encrypted"]), (&trust.into(), &true.into()), "{event}");
    assert_eq!(event["peer"]["key"], key.to_string());
    event
}

/// Both are connected, each for the same reason, and go apart again.
pub(crate) fn meet(trust: &str, anna: (&Person, &mut Tete), bob: (&Person, &mut Tete)) {
    connected(anna.1, trust, bob.0.key());
    connected(bob.1, trust, anna.0.key());
    part(anna.1, bob.1);
}

/// A text gets through both ways, one that was not heard before.
pub(crate) fn talk(anna: &mut Tete, bob: &mut Tete) {
    let heard = [&*anna, &*bob].map(|side| side.all("message").count());
    bob.send("still here");
    anna.count("message", heard[0] + 1);
    anna.send("me too");
    bob.count("message", heard[1] + 1);
}

/// They talk, and go apart with nothing lost.
pub(crate) fn part(anna: &mut Tete, bob: &mut Tete) {
    talk(anna, bob);
    bob.send("exit");
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
    assert_eq!((anna.all("connected").count(), bob.all("connected").count()), (1, 1));
}

/// It ends because it was not let in, or did not let in whom it called; what its user is told.
pub(crate) fn turned_away(caller: &mut Tete) -> String {
    assert_eq!(caller.exit_code(), 5, "{}", caller.out());
    assert_eq!((caller.all("connected").count(), caller.all("dialling").count()), (0, 1), "it is final");
    let error = caller.event("error");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("not let in: "), "{error}");
    message.to_owned()
}

/// It goes on, and has told that the `nth` caller, counted from 1, was not let in; why.
pub(crate) fn refused(listener: &mut Tete, nth: usize) -> String {
    listener.count("refused", nth);
    let event = listener.all("refused").nth(nth - 1).unwrap();
    assert!(event["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
    assert_eq!(listener.all("connected").count(), 0);
    event["reason"].as_str().unwrap().to_owned()
}
