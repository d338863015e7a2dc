//! Whom we know: the keys that are let in unasked, under names of ours.
//!
//! Owns: the file `peers.json`, its form and bounds, who is added, renewed and forgotten, and that two processes at
//! once lose nothing. Must not know: who may be added, which key is let in, what time it is.
//!
//! The file is JSON (RFC 8259) with times as in RFC 3339, section 5.6. It is read whole, changed under a lock
//! (`peers.lock`), and replaced at once: a reader sees the old file or the new one, and needs no lock.
//!
//! **Threat model.** The file is what lets somebody in. So whoever cannot write it (see `folder`) cannot add himself,
//! and a file that is not understood in every part lets nobody in: nothing is guessed, and it stays as it is for its
//! owner to look at. What a peer has told of itself (its name) stands in it only as [`clean`] leaves it, and never
//! decides anything; keys do. Not kept out are our user's other programs. Times are told, not judged.

use std::collections::HashSet;
use std::fs::TryLockError;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::proto::name::twin_key;
use crate::proto::text::is_dangerous;
use crate::sys;

use super::folder::{Folder, Readers, StoreError};
use super::key::PublicKey;
use super::saved_name::{clean, may_be_saved, numbered};

const FILE: &str = "peers.json";
const LOCK: &str = "peers.lock";
/// The form of the file.
const VERSION: u32 = 1;

/// How many can be known. More than anybody talks with, and few enough to look through for every caller.
pub const MAX_PEERS: usize = 4_096;
/// Longest file in bytes: what that many take with names and addresses of usual length, and what may be read at a
/// start without being felt.
pub const MAX_FILE: u64 = 1 << 20;
/// Longest address in bytes: a host of 253, two brackets, a colon, and a port.
const MAX_ADDRESS: usize = 253 + 2 + 6;
/// Longest time in bytes: RFC 3339 with nanoseconds and an offset.
const MAX_TIME: usize = 35;
/// How long it is between two looks at a lock that somebody else has: waiting for it could have no end.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// How often it is looked at: for 2 s. Changing the file takes milliseconds, unless who does it was stopped.
const LOOKS: u32 = 400;

/// Somebody whom we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Our name for him: unique, safe to show.
    pub name: String,
    /// His key.
    pub key: PublicKey,
    /// Where a call of ours last reached him, as `HOST:PORT` or `[V6]:PORT`.
    pub address: Option<String>,
    /// When he was first let in (RFC 3339).
    pub since: String,
    /// When he was last let in (RFC 3339).
    pub seen: String,
}

impl Peer {
    /// Whether a call reached it at this address, however either is written.
    fn is_at(&self, there: &str) -> bool {
        let plainly = |written: &str| {
            let (host, port) = written.rsplit_once(':')?;
            Some(address(host, port.parse().ok()?))
        };
        self.address.as_deref().and_then(plainly).is_some_and(|saved| Some(saved) == plainly(there))
    }
}

/// Everybody whom we know, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    peers: Vec<Peer>,
}

/// What [`Known::remember`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Our name for the peer.
    pub name: String,
    /// Whether he was not known before.
    pub is_new: bool,
    /// Everybody, with him.
    pub known: Known,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    peers: Vec<StoredPeer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPeer {
    name: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    since: String,
    seen: String,
}

/// Of the version alone, so that a later form is told from a broken file.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Known {
    /// Reads the file; where there is none, nobody is known.
    ///
    /// # Errors
    /// It cannot be read, is too long, or is not in every part what it should be. Then nobody may be let in as known,
    /// and nobody as new either: who is new cannot be told. The file stays as it is.
    pub fn load(folder: &Folder) -> Result<Self, StoreError> {
        let Some(text) = folder.read(FILE, MAX_FILE, Readers::Anybody)? else { return Ok(Self::default()) };
        Self::parse(&text).map_err(|why| {
            StoreError::new(
                format!("{:?} is damaged: {why}", folder.path_of(FILE)),
                "mend it, or move it away: then nobody is known",
            )
        })
    }

    /// Reads the content of a file: this form in every part, and nobody twice.
    ///
    /// # Errors
    /// Where it is not, in words for its owner, whose fault it is. They quote nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let broken = |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
        let Version { version } = serde_json::from_str(text).map_err(broken)?;
        if version != VERSION {
            return Err(format!("its form is version {version}, and this program knows version {VERSION}"));
        }
        let stored: Stored = serde_json::from_str(text).map_err(broken)?;
        if stored.peers.len() > MAX_PEERS {
            return Err(format!("it has more than {MAX_PEERS} peers"));
        }
        let read = |(at, peer): (usize, StoredPeer)| {
            let nth = at + 1;
            let key = PublicKey::parse(&peer.key).map_err(|error| format!("peer {nth}: {error}"))?;
            let StoredPeer { name, address, since, seen, .. } = peer;
            let is_plain = |text: &String, limit| text.len() <= limit && text.chars().all(|c| c.is_ascii_graphic());
            match may_be_saved(&name)
                && address.iter().all(|address| is_address(address))
                && [&since, &seen].iter().all(|time| is_plain(time, MAX_TIME))
            {
                true => Ok(Peer { name, key, address, since, seen }),
                false => Err(format!("peer {nth} has a name, an address or a time that cannot be")),
            }
        };
        let known = Self { peers: stored.peers.into_iter().enumerate().map(read).collect::<Result<_, String>>()? };
        match known.twin() {
            Some(what) => Err(format!("two peers have the same {what}")),
            None => Ok(known),
        }
    }

    /// What two peers share that only one can have.
    fn twin(&self) -> Option<&'static str> {
        fn has_twins<T: Ord>(mut all: Vec<T>) -> bool {
            all.sort_unstable();
            all.windows(2).any(|pair| pair[0] == pair[1])
        }
        let peers = || self.peers.iter();
        match () {
            () if has_twins(peers().map(|peer| peer.key).collect()) => Some("key"),
            () if has_twins(peers().map(|peer| twin_key(&peer.name)).collect()) => Some("name"),
            () if has_twins(peers().filter_map(|peer| peer.address.as_deref()).collect()) => Some("address"),
            () => None,
        }
    }

    /// The content of a file: what [`parse`](Self::parse) reads.
    ///
    /// # Errors
    /// It cannot be written as JSON, which is a fault of ours.
    pub fn text(&self) -> Result<String, StoreError> {
        let stored = |peer: &Peer| StoredPeer {
            name: peer.name.clone(),
            key: peer.key.to_string(),
            address: peer.address.clone(),
            since: peer.since.clone(),
            seen: peer.seen.clone(),
        };
        let stored = Stored { version: VERSION, peers: self.peers.iter().map(stored).collect() };
        let text = serde_json::to_string_pretty(&stored);
        let text =
            text.map_err(|error| StoreError::new(format!("{FILE} could not be written: {error}"), "try again"))?;
        Ok(text + "\n")
    }

    /// Everybody, those known longest first.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// Who has this key.
    pub fn by_key(&self, key: &PublicKey) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.key == *key)
    }

    /// Whom we call this, in upper or lower case.
    pub fn by_name(&self, name: &str) -> Option<&Peer> {
        let name = twin_key(name);
        self.peers.iter().find(|peer| twin_key(&peer.name) == name)
    }

    /// Whom a call of ours last reached there.
    pub fn by_address(&self, host: &str, port: u16) -> Option<&Peer> {
        let address = address(host, port);
        self.peers.iter().find(|peer| peer.is_at(&address))
    }

    /// Notes that somebody was let in, in the file as it is by now. Whoever is known keeps our name for him, and also
    /// his address where `address` (see [`address`]) is `None`; whoever is not gets the name that he claims, made safe
    /// and unique. Whom a call reaches at an address has it from now on, and nobody else.
    ///
    /// May block for 2 s, and for as long as the disk takes. `now` is the time (RFC 3339).
    ///
    /// # Errors
    /// As [`load`](Self::load); somebody else holds the lock; there is no room for one more; or the file cannot be
    /// written. Then it is what it was.
    pub fn remember(
        folder: &Folder,
        key: PublicKey,
        claimed_name: &str,
        address: Option<String>,
        now: &str,
    ) -> Result<Saved, StoreError> {
        let address = address.filter(|address| is_address(address)).map(|address| address.to_lowercase());
        change(folder, |known| {
            if address.is_some() {
                let here = |peer: &&mut Peer| address.as_ref().is_some_and(|address| peer.is_at(address));
                known.peers.iter_mut().filter(here).for_each(|peer| peer.address = None);
            }
            if let Some(peer) = known.peers.iter_mut().find(|peer| peer.key == key) {
                peer.address = address.or(peer.address.take());
                now.clone_into(&mut peer.seen);
                let name = peer.name.clone();
                return Ok(Saved { name, is_new: false, known: known.clone() });
            }
            if known.peers.len() >= MAX_PEERS {
                return Err(full(folder));
            }
            let name = known.free_name(&clean(claimed_name));
            let (since, seen) = (now.to_owned(), now.to_owned());
            known.peers.push(Peer { name: name.clone(), key, address, since, seen });
            Ok(Saved { name, is_new: true, known: known.clone() })
        })
    }

    /// Forgets whom we call this; gives who it was, `None` when nobody is called so.
    ///
    /// # Errors
    /// As [`remember`](Self::remember).
    pub fn forget(folder: &Folder, name: &str) -> Result<Option<Peer>, StoreError> {
        if Self::load(folder)?.by_name(name).is_none() {
            return Ok(None); // nothing to lock, to write, or to be in the way of
        }
        change(folder, |known| {
            let name = twin_key(name);
            let at = known.peers.iter().position(|peer| twin_key(&peer.name) == name);
            Ok(at.map(|at| known.peers.remove(at)))
        })
    }

    fn free_name(&self, wanted: &str) -> String {
        let taken: HashSet<String> = self.peers.iter().map(|peer| twin_key(&peer.name)).collect();
        let mut free = wanted.to_owned();
        let mut n = 1;
        // There are more numbers than peers.
        while taken.contains(&twin_key(&free)) {
            n += 1;
            free = numbered(wanted, n);
        }
        free
    }
}

/// An address as it is kept: `HOST:PORT`, or `[V6]:PORT`. There is one for each place, however its host is written: in
/// capitals, with the dot at its end that every name could have, with the zeros of an IPv6 address or without.
pub fn address(host: &str, port: u16) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let (bare, zone) = host.split_once('%').map_or((host, None), |(bare, zone)| (bare, Some(zone)));
    let host = match (bare.parse::<Ipv6Addr>(), zone) {
        (Ok(ip), Some(zone)) => format!("{ip}%{zone}"),
        (Ok(ip), None) => ip.to_string(),
        (Err(_), _) => host.to_owned(),
    };
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn is_address(address: &str) -> bool {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    address.len() <= MAX_ADDRESS && port.is_some_and(|port| port > 0) && may_be_shown(address)
}

fn may_be_shown(address: &str) -> bool {
    // Some letters are there to be invisible.
    address.chars().all(|c| !is_dangerous(c) && (c.is_alphanumeric() || "-._:[]%".contains(c)))
}

fn full(folder: &Folder) -> StoreError {
    let message = format!("{:?} has no room for one more", folder.path_of(FILE));
    StoreError::new(message, "tete peers lists who is known, tete peers forget NAME makes room")
}

/// Reads the file, changes it and replaces it, while nobody else does.
fn change<T>(folder: &Folder, change: impl FnOnce(&mut Known) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let _lock = lock(folder)?; // given back when it is closed
    let mut known = Known::load(folder)?;
    let done = change(&mut known)?;
    let text = known.text()?;
    if text.len() as u64 > MAX_FILE {
        return Err(full(folder));
    }
    // A file that cannot be read back would keep everybody out from then on.
    Known::parse(&text).map_err(|why| {
        let message = format!("{:?} would be damaged: {why}", folder.path_of(FILE));
        StoreError::new(message, "nothing was written; this is an error of tete's own")
    })?;
    folder.replace(FILE, &text)?;
    Ok(done)
}

fn lock(folder: &Folder) -> Result<std::fs::File, StoreError> {
    let path = folder.path_of(LOCK);
    let failed = |error: &io::Error| {
        let message = format!("{path:?} cannot be locked: {}", sys::words(error));
        StoreError::new(message, "--config-dir names a folder on a disk of this machine")
    };
    let file = sys::open_lock(folder.handle(), LOCK).map_err(|error| failed(&error))?;
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(ASK_AGAIN), // paced: a lock of the file has no wake-up
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
    let message = format!("{path:?} is held by another tete");
    Err(StoreError::new(message, "one that was stopped, perhaps: let it go on, or end it"))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
