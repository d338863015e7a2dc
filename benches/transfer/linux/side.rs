//! One side of a conversation: the library's [`Reactor`], driven as the program drives it.
//!
//! Owns: its settings, and how long it is waited for. Must not know: what is measured.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use tete::net::gate::Trust;
use tete::net::pool::Family;
use tete::net::source::{Prepared, Request, Words};
use tete::net::standing::{Callee, Secure};
use tete::net::{NetEvent, Reactor, Settings};
use tete::proto::event::{Event, LeaveReason};
use tete::proto::session::{Ended, Setup};
use tete::proto::transfers::Policy;
use tete::secure::key::SecretKey;
use tete::secure::tls::Tls;
use tete::sys::Calls;

use super::process::Role;

/// Time without any progress after which a run has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often progress is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How files move.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// Nothing is hashed.
    #[arg(long)]
    pub(crate) unverified: bool,
    /// The bytes pass through the program on both sides.
    #[arg(long)]
    pub(crate) copied: bool,
    /// What arrives is thrown away.
    #[arg(long)]
    pub(crate) discarded: bool,
    /// Over TLS, with a key of its own on each side.
    #[arg(long)]
    pub(crate) encrypted: bool,
}

impl How {
    /// As the program does with `--plain`.
    pub(crate) const VERIFIED: Self = Self { unverified: false, copied: false, discarded: false, encrypted: false };
    /// The same without hashing.
    pub(crate) const UNVERIFIED: Self = Self { unverified: true, ..Self::VERIFIED };

    /// As a table calls it.
    pub(crate) fn words(self) -> String {
        let encrypted = if self.encrypted { " encrypted" } else { "" };
        let copied = if self.copied { ", copied" } else { "" };
        format!("tete{encrypted}{copied}{}", if self.unverified { "" } else { ", hashed" })
    }

    /// The same as words of a role.
    pub(crate) fn of(self, role: Role) -> Role {
        let role = role.switch("unverified", self.unverified).switch("copied", self.copied);
        role.switch("discarded", self.discarded).switch("encrypted", self.encrypted)
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
pub(crate) struct Side {
    /// The loop.
    pub(crate) reactor: Reactor,
    /// Whether somebody may come who is not let in.
    strangers: bool,
    /// When progress was last seen, how much it was, and when it is looked at again.
    moved: (Instant, u64),
    look: Instant,
}

impl Side {
    /// A side that receives `into` a folder, or only sends.
    pub(crate) fn new(name: &str, into: Option<&Path>, how: How) -> io::Result<Self> {
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
                sync: false,
                verify: !how.unverified,
                limit: None,
                returns: false,
                linger: PATIENCE,
            },
            heeds: tete::net::event::Heeds::Nothing,
        };
        let reactor = Reactor::new(settings)?;
        let now = reactor.now();
        Ok(Self { reactor, strangers: false, moved: (now, 0), look: now })
    }

    /// That others come too, and are not let in, is no failure.
    pub(crate) fn strangers_come(&mut self) {
        self.strangers = true;
    }

    /// Listens; the port.
    pub(crate) fn listen(&mut self) -> io::Result<u16> {
        let addresses = self.reactor.listen(Some(LOOPBACK), 0)?;
        addresses.first().map(|address| address.port()).ok_or_else(|| io::Error::other("it listens nowhere"))
    }

    /// Calls the other side.
    pub(crate) fn dial(&mut self, port: u16) {
        self.reactor.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
    }

    /// Turns the loop until the conversation has begun.
    pub(crate) fn wait_for_partner(&mut self) -> io::Result<()> {
        while !matches!(self.next_event()?, NetEvent::Connected(_)) {}
        Ok(())
    }

    /// Turns the loop until something happens, and gives it. That something failed is an error here.
    pub(crate) fn next_event(&mut self) -> io::Result<NetEvent> {
        loop {
            if let Some(event) = self.turn(self.reactor.now() + LOOK)? {
                return Ok(event);
            }
        }
    }

    /// What has happened, if nothing after one turn of the loop.
    pub(crate) fn turn(&mut self, until: Instant) -> io::Result<Option<NetEvent>> {
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
    pub(crate) fn prepare(&mut self, files: &[PathBuf]) -> io::Result<Vec<Prepared>> {
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
    pub(crate) fn offer(&mut self, file: Prepared) -> io::Result<()> {
        self.reactor.offer(file).map(drop).map_err(io::Error::other)
    }

    /// Says goodbye and waits for the other side's. For either: whoever comes second answers.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
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
