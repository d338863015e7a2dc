//! One side of a conversation: the library's [`Reactor`], driven as the program drives it.
//!
//! Owns: its settings, and how long it is waited for. Must not know: what is measured.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::gate::Trust;
use crate::net::pool::Family;
use crate::net::source::{Prepared, Request, Words};
use crate::net::standing::{Callee, Secure};
use crate::net::{NetEvent, Reactor, Settings};
use crate::proto::event::{Event, LeaveReason};
use crate::proto::session::{Ended, Setup};
use crate::proto::transfers::Policy;
use crate::secure::key::SecretKey;
use crate::secure::tls::Tls;
use crate::sys::Calls;

use super::role::{Given, Role};

/// Time without any progress after which a run has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often progress is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How files move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Nothing is hashed.
    pub unverified: bool,
    /// The bytes pass through the program on both sides.
    pub copied: bool,
    /// What arrives is thrown away.
    pub discarded: bool,
    /// Over TLS, with a key of its own on each side.
    pub encrypted: bool,
    /// The receiver waits for its disk before a file counts as delivered.
    pub synced: bool,
}

impl How {
    /// As the program does with `--plain --no-sync`.
    pub const VERIFIED: Self =
        Self { unverified: false, copied: false, discarded: false, encrypted: false, synced: false };
    /// The same without hashing.
    pub const UNVERIFIED: Self = Self { unverified: true, ..Self::VERIFIED };

    /// As a table calls it.
    pub fn words(self) -> String {
        let encrypted = if self.encrypted { " encrypted" } else { "" };
        let copied = if self.copied { ", copied" } else { "" };
        format!("tete{encrypted}{copied}{}", if self.unverified { "" } else { ", hashed" })
    }

    /// The same as words of a role.
    pub fn of(self, role: Role) -> Role {
        let role = role.switch("unverified", self.unverified).switch("copied", self.copied);
        role.switch("discarded", self.discarded).switch("encrypted", self.encrypted).switch("synced", self.synced)
    }

    /// From such words.
    pub fn from(given: &mut Given) -> Self {
        Self {
            unverified: given.has("unverified"),
            copied: given.has("copied"),
            discarded: given.has("discarded"),
            encrypted: given.has("encrypted"),
            synced: given.has("synced"),
        }
    }

    /// A fresh key for this one run; whoever is met is new.
    fn secure(self) -> io::Result<Option<Secure>> {
        if !self.encrypted {
            return Ok(None);
        }
        let key = SecretKey::generate().map_err(io::Error::other)?;
        let tls = Tls::new(&key).map_err(io::Error::other)?;
        Ok(Some(Secure { tls: Arc::new(tls), folder: None }))
    }
}

/// One side.
#[derive(Debug)]
pub struct Side {
    /// The loop.
    pub reactor: Reactor,
    /// Whether somebody may come who is not let in.
    strangers: bool,
    /// When progress was last seen, how much it was, and when it is looked at again.
    moved: (Instant, u64),
    look: Instant,
}

impl Side {
    /// A side that receives `into` a folder, or only sends.
    ///
    /// # Errors
    /// The system's.
    pub fn new(name: &str, into: Option<&Path>, how: How) -> io::Result<Self> {
        let policy = if into.is_some() { Policy::Auto } else { Policy::Never };
        let settings = Settings {
            name: name.to_owned(),
            secure: how.secure()?,
            trust: Trust::New,
            policy_for_new: policy,
            family: Family::Any,
            into: into.map_or_else(std::env::temp_dir, Path::to_owned),
            prefix: String::new(),
            calls: if how.copied { Calls::Portable } else { Calls::Native },
            discard: how.discarded,
            setup: Setup {
                lead: false,
                policy,
                sync: how.synced,
                verify: !how.unverified,
                limit: None,
                returns: false,
                linger: PATIENCE,
            },
            heeds: crate::net::event::Heeds::Nothing,
        };
        let reactor = Reactor::new(settings)?;
        let now = reactor.now();
        Ok(Self { reactor, strangers: false, moved: (now, 0), look: now })
    }

    /// That others come too, and are not let in, is no failure.
    pub fn strangers_come(&mut self) {
        self.strangers = true;
    }

    /// Listens; the port.
    ///
    /// # Errors
    /// The system's.
    pub fn listen(&mut self) -> io::Result<u16> {
        let addresses = self.reactor.listen(Some(LOOPBACK), 0)?;
        addresses.first().map(|address| address.port()).ok_or_else(|| io::Error::other("it listens nowhere"))
    }

    /// Calls the other side.
    pub fn dial(&mut self, port: u16) {
        self.reactor.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
    }

    /// Turns the loop until the conversation has begun.
    ///
    /// # Errors
    /// It did not.
    pub fn wait_for_partner(&mut self) -> io::Result<()> {
        while !matches!(self.next_event()?, NetEvent::Connected(_)) {}
        Ok(())
    }

    /// Turns the loop until something happens, and gives it. That something failed is an error here.
    ///
    /// # Errors
    /// Something failed, or nothing has moved for long.
    pub fn next_event(&mut self) -> io::Result<NetEvent> {
        loop {
            if let Some(event) = self.turn(self.reactor.now() + LOOK)? {
                return Ok(event);
            }
        }
    }

    /// What has happened, if nothing after one turn of the loop.
    ///
    /// # Errors
    /// As of [`next_event`](Self::next_event).
    pub fn turn(&mut self, until: Instant) -> io::Result<Option<NetEvent>> {
        if let Some(event) = self.reactor.poll_event() {
            self.moved.0 = self.reactor.now();
            let expected = self.strangers && matches!(event, NetEvent::CallerRefused { .. });
            return if expected { Ok(Some(event)) } else { checked(event).map(Some) };
        }
        let now = self.reactor.turn(Some(until))?;
        if now >= self.look {
            self.look = now + LOOK;
            let progress = self.reactor.session().map(|session| session.progress()).unwrap_or_default();
            let moved = progress.iter().map(|file| file.bytes + file.verified).sum();
            if moved != self.moved.1 {
                self.moved = (now, moved);
            } else if now.saturating_duration_since(self.moved.0) > PATIENCE {
                let words = format!("nothing came for {} s", PATIENCE.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
        }
        Ok(None)
    }

    /// Looks at files to be offered.
    ///
    /// # Errors
    /// One of them cannot be sent.
    pub fn prepare(&mut self, files: &[PathBuf]) -> io::Result<Vec<Prepared>> {
        for file in files {
            let words = Words::Path(OsString::from(file));
            self.reactor.prepare(Request { words, folder: "/".into(), home: None });
        }
        let mut ready = Vec::with_capacity(files.len());
        while ready.len() < files.len() {
            let NetEvent::Prepared { found, .. } = self.next_event()? else { continue };
            let found = found.map_err(io::Error::other)?;
            if let Some(refused) = found.refused.first() {
                return Err(io::Error::other(refused.what.clone()));
            }
            ready.extend(found.ready);
        }
        Ok(ready)
    }

    /// Offers a file.
    ///
    /// # Errors
    /// There is no conversation.
    pub fn offer(&mut self, file: Prepared) -> io::Result<()> {
        self.reactor.offer(file).map(drop).map_err(io::Error::other)
    }

    /// Says goodbye and waits for the other side's. For either: whoever comes second answers.
    ///
    /// # Errors
    /// It never came.
    pub fn leave(&mut self) -> io::Result<()> {
        let now = self.reactor.now();
        if let Some(session) = self.reactor.session() {
            session.leave(now, LeaveReason::Done, Some(PATIENCE));
        }
        while !matches!(self.next_event()?, NetEvent::Ended { .. }) {}
        // The last bytes are still on their way.
        let latest = self.reactor.now() + PATIENCE;
        while !self.reactor.is_quiet() {
            if self.reactor.turn(Some(latest))? >= latest {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the goodbye never went through"));
            }
        }
        Ok(())
    }
}

/// Gives an event back unless it is a failure.
fn checked(event: NetEvent) -> io::Result<NetEvent> {
    let failed = match &event {
        NetEvent::DialFailed { .. } | NetEvent::NotLetIn { .. } | NetEvent::CallerRefused { .. } => true,
        NetEvent::Session(Event::Failed { .. }) => true,
        NetEvent::Ended { ended, .. } => *ended != Ended::Left,
        _ => false,
    };
    if failed { Err(io::Error::other(format!("{event:?}"))) } else { Ok(event) }
}
