//! Where somebody is, and whose key that is.
//!
//! Owns: what a name stands for (a saved peer, else a host), whose key is expected there, and what is saved of somebody.
//! Must not know: threads, connections. Blocks; runs on a helper.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use jiff::Timestamp;

use super::pool::Family;
use super::standing::{Callee, Expected, Resolved, name_of};
use crate::proto::text::Untrusted;
use crate::secure::folder::Folder;
use crate::secure::key::PublicKey;
use crate::secure::known::Known;
use crate::sys;

/// The name that every system has for itself, and that is no question for name servers (RFC 6761, section 6.3).
const THIS_MACHINE: &str = "localhost";
/// Addresses of one host that are worth a try.
const MAX_ADDRESSES: usize = 32;

/// Finds whom our user wants. A saved name is called where it was last reached, unless a port stands with it; it has to
/// have the saved key, and so has an address that a saved peer was reached at. Loopback addresses are left out of the
/// last: whoever listens there changes all the time.
///
/// # Errors
/// What to tell our user: no such host, or the known peers cannot be read.
pub fn find(callee: &Callee, family: Family, folder: Option<&Folder>) -> Result<Resolved, String> {
    let known = folder.map(Known::load).transpose().map_err(|error| error.message)?;
    let pinned = callee.pin.map(|key| Expected { key, name: None });
    let saved = known.as_ref().filter(|_| callee.port.is_none()).and_then(|known| known.by_name(&callee.host));
    if let Some(saved) = saved {
        // Also without an address: a host that happens to have that name is not whom our user means.
        let unreached = || format!("where {} can be called is not known here: call HOST:PORT", saved.name);
        let address = saved.address.as_ref().ok_or_else(unreached)?;
        let (host, port) = split(address).ok_or_else(unreached)?;
        let named = Expected { key: saved.key, name: Some(saved.name.clone()) };
        let addresses = resolve(host, port, family)?;
        return Ok(Resolved { addresses, called: address.clone(), expected: Some(pinned.unwrap_or(named)) });
    }
    let port = callee.port.unwrap_or(callee.default_port);
    let addresses = resolve(&callee.host, port, family)?;
    let called = name_of(&callee.host, port);
    let local = addresses.iter().all(|address| address.ip().is_loopback());
    let saved = known.as_ref().filter(|_| !local).and_then(|known| known.by_address(&callee.host, port));
    let reached = saved.map(|saved| Expected { key: saved.key, name: Some(saved.name.clone()) });
    Ok(Resolved { addresses, called, expected: pinned.or(reached) })
}

/// `host:port` taken apart.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, port.parse().ok()?))
}

/// The name under which a key is saved, if it is.
///
/// # Errors
/// What to tell our user: the known peers cannot be read, so that nobody is known.
pub fn recognise(folder: &Folder, key: &PublicKey) -> Result<Option<String>, String> {
    let known = Known::load(folder).map_err(|error| error.message)?;
    Ok(known.by_key(key).map(|saved| saved.name.clone()))
}

/// The names under which peers are saved, each of which can be called.
///
/// # Errors
/// What to tell our user: the known peers cannot be read.
pub fn names(folder: &Folder) -> Result<Vec<String>, String> {
    let known = Known::load(folder).map_err(|error| error.message)?;
    Ok(known.peers().iter().map(|saved| saved.name.clone()).collect())
}

/// Saves somebody; the name that somebody got who was not known before.
///
/// # Errors
/// What to tell our user.
pub fn remember(
    folder: &Folder,
    key: PublicKey,
    name: &Untrusted,
    called: Option<String>,
) -> Result<Option<String>, String> {
    let (name, now) = (name.lossy(), Timestamp::now().to_string());
    let saved = Known::remember(folder, key, &name, called, &now).map_err(|error| error.message)?;
    Ok(saved.is_new.then_some(saved.name))
}

fn resolve(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, String> {
    let wanted = |address: &SocketAddr| match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    if host.eq_ignore_ascii_case(THIS_MACHINE) {
        // Not every system's list of hosts has both of them.
        let all = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
        return Ok(all.into_iter().filter(wanted).collect());
    }
    let all = (host, port).to_socket_addrs().map_err(|error| {
        let words = sys::words(&error);
        // The reason alone: that this was a look-up is said already.
        format!(
            "{host} was not found: {}",
            words.strip_prefix("failed to lookup address information: ").unwrap_or(&words)
        )
    })?;
    let found: Vec<_> = all.filter(wanted).take(MAX_ADDRESSES).collect();
    match (found.is_empty(), family) {
        (false, _) => Ok(found),
        (true, Family::V4) => Err(format!("{host} has no IPv4 address")),
        (true, Family::V6) => Err(format!("{host} has no IPv6 address")),
        (true, Family::Any) => Err(format!("{host} has no address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_found_without_a_look_up() {
        let found = |family| {
            let callee = Callee::at("localhost".into(), 5000);
            let addresses = find(&callee, family, None).unwrap().addresses;
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(Family::Any), ["127.0.0.1:5000", "[::1]:5000"]);
        assert_eq!(found(Family::V4), ["127.0.0.1:5000"]);
        assert_eq!(found(Family::V6), ["[::1]:5000"]);
    }

    #[test]
    fn whom_a_call_reached_is_expected_there_however_the_host_is_typed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&dir.path().join("kept"))).unwrap();
        let (bob, anna) = (PublicKey::new([1; 32]), PublicKey::new([2; 32]));
        let found = |host: &str| find(&Callee::at(host.into(), 5000), Family::Any, Some(&folder)).unwrap();
        for (key, host) in [(bob, "2001:DB8::1"), (anna, "2001:Db8::1")] {
            remember(&folder, key, &Untrusted::from("x"), Some(found(host).called)).unwrap();
            for host in ["2001:DB8::1", "2001:db8::1", "2001:dB8::1"] {
                assert_eq!(found(host).expected.map(|expected| expected.key), Some(key), "{host}");
            }
        }
    }

    #[test]
    fn the_names_of_known_peers_are_listed_and_a_damaged_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&dir.path().join("kept"))).unwrap();
        assert_eq!(names(&folder), Ok(Vec::new()));
        for (byte, name) in [(1, "bob"), (2, "anna")] {
            remember(&folder, PublicKey::new([byte; 32]), &Untrusted::from(name), None).unwrap();
        }
        assert_eq!(names(&folder), Ok(vec!["bob".to_owned(), "anna".to_owned()]));
        std::fs::write(folder.path().join("peers.json"), "{").unwrap();
        assert!(names(&folder).unwrap_err().contains("damaged"));
    }
}
