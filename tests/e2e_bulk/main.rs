//! Files on a connection of their own, between real processes, and everything that can happen to it.
//!
//! Bob calls anna through a relay, so that it is known what went over which connection, and any of them can be cut.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
mod links;
mod losses;
mod pressure;
mod relay;
mod silence;
mod sources;
mod strangers;

use std::fs;

use common::{Run, Tete, anna, bob, tete};
use relay::{Fate, Relay, Way};

/// What both log of a second connection.
const OWN: &str = "files have a link of their own";
/// A megabyte.
const MB: usize = 1_000_000;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// The one who was called.
    Anna,
    /// The one who called, and calls for the link for files too.
    Bob,
}

impl Sender {
    const BOTH: [Self; 2] = [Self::Anna, Self::Bob];

    /// The way that its bytes go.
    fn way(self) -> Way {
        match self {
            Self::Anna => Way::Down,
            Self::Bob => Way::Up,
        }
    }
}

/// Two who talk through a relay.
struct Relayed {
    anna: Tete,
    bob: Tete,
    relay: Relay,
}

impl Relayed {
    /// Connections, counted from 0, have these fates; the first is the talk link.
    fn new(fate: impl Fn(usize) -> Fate + Send + 'static) -> Self {
        Self::with(tete(&anna(&["--json", "-v"])), &["--json", "-v"], fate)
    }

    fn with(anna: Run, more: &[&str], fate: impl Fn(usize) -> Fate + Send + 'static) -> Self {
        let mut anna = anna.start();
        let relay = Relay::to(anna.port(), fate);
        let mut bob = tete(&bob(relay.port, more)).start();
        anna.event("connected");
        bob.event("connected");
        Self { anna, bob, relay }
    }

    /// They have a link for files, so that what is sent next goes over it from its first byte. Both need `-v`.
    fn linked(mut self) -> Self {
        self.send(Sender::Bob, "first", MB);
        self.arrived(Sender::Bob, "first", MB);
        for side in [&mut self.anna, &mut self.bob] {
            side.tells(OWN);
        }
        self
    }

    /// Who sends, and who receives.
    fn sides(&mut self, sender: Sender) -> (&mut Tete, &mut Tete) {
        match sender {
            Sender::Anna => (&mut self.anna, &mut self.bob),
            Sender::Bob => (&mut self.bob, &mut self.anna),
        }
    }

    /// A file of so many bytes begins to be sent.
    fn send(&mut self, sender: Sender, name: &str, size: usize) {
        let (from, _) = self.sides(sender);
        fs::write(from.file(name), noise(size)).unwrap();
        from.send(&format!("transfer {name}"));
    }

    /// A file that was sent has arrived whole, and once, and both know.
    fn arrived(&mut self, sender: Sender, name: &str, size: usize) {
        let (from, to) = self.sides(sender);
        let expected = noise(size);
        let hash = blake3::hash(&expected).to_string();
        for (side, event) in [(&mut *from, "sent"), (&mut *to, "received")] {
            let told = side.find(event, |told| told["event"] == event && told["name"] == name);
            assert_eq!((&told["bytes"], &told["blake3"]), (&size.into(), &hash.clone().into()), "{told}");
        }
        assert!(fs::read(to.file(&format!("fetched_{name}"))).unwrap() == expected, "other bytes have arrived");
    }

    /// The conversation is alive; both leave, and nothing of a file has failed or is left over. Gives back what they
    /// have said.
    fn part(mut self) -> Self {
        self.still_talk();
        self.bob.send("exit");
        assert_eq!((self.anna.exit_code(), self.bob.exit_code()), (0, 0));
        for side in [&self.anna, &self.bob] {
            assert_eq!(side.all("transfer_failed").count(), 0);
            assert_eq!(hidden(side), [""; 0]);
        }
        self
    }

    /// A text gets through both ways.
    fn still_talk(&mut self) {
        self.bob.send("still here");
        self.anna.find("bob's text", |event| event["text"] == "still here");
        self.anna.send("me too");
        self.bob.find("anna's text", |event| event["text"] == "me too");
    }
}

/// The names of unfinished files in its folder.
fn hidden(tete: &Tete) -> Vec<String> {
    names(tete).into_iter().filter(|name| name.starts_with(".tete-")).collect()
}

fn names(tete: &Tete) -> Vec<String> {
    let entries = fs::read_dir(tete.folder()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Bytes that nothing compresses.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}
