//! What is known of who is at the other end of a link.
//!
//! Owns: the vocabulary of trust, what the reactor needs for it. Must not know: how a key is proved, who is let in.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::proto::claim::Binding;
use crate::secure::folder::Folder;
use crate::secure::key::PublicKey;
use crate::secure::tls::Tls;

/// What the encrypted channel needs.
#[derive(Clone, Debug)]
pub struct Secure {
    /// Our key, and what all channels share.
    pub tls: Arc<Tls>,
    /// Where the known peers are kept; `None`: nobody is known, and nobody is saved.
    pub folder: Option<Arc<Folder>>,
}

/// Why somebody is believed to be who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing proves anything: a plain link.
    Plain,
    /// It has our own key: another process of our user.
    Own,
    /// Its key is saved.
    Known,
    /// Its key was given with the address.
    Pinned,
    /// It has proved that it holds our one-time code.
    Code,
    /// A key that was never seen before.
    New,
}

impl Standing {
    /// As events tell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::Own => "self",
            Self::Known => "known",
            Self::Pinned => "pinned",
            Self::Code => "code",
            Self::New => "new",
        }
    }
}

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Them {
    /// The key that it has proved to hold; `None` on a plain link, and until it is proved.
    pub key: Option<PublicKey>,
    /// Why it is believed.
    pub standing: Standing,
    /// The name under which its key is saved.
    pub saved: Option<String>,
    /// What proofs on this link are bound to.
    pub binding: Binding,
    /// Whether it was let in because the two have called each other.
    pub mutual: bool,
    /// Until when it may wait for a call the other way, which would show that both want to talk.
    pub meeting: Option<Instant>,
}

impl Them {
    /// Its key was saved under this name: it is no stranger from now on. Who has proved a code has done so still.
    pub fn saved_as(&mut self, name: &str) {
        self.saved = Some(name.to_owned());
        if self.standing == Standing::New {
            self.standing = Standing::Known;
        }
    }

    /// Whether a call the other way may still come.
    pub fn may_meet(&self, now: Instant) -> bool {
        self.meeting.is_none_or(|until| now < until)
    }
}

impl Default for Them {
    fn default() -> Self {
        Self { key: None, standing: Standing::Plain, saved: None, binding: Binding::NONE, mutual: false, meeting: None }
    }
}

/// Whom our user wants to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// A name, an address, or the name of a known peer.
    pub host: String,
    /// The port, if one was named.
    pub port: Option<u16>,
    /// The port if neither our user nor the known peer's address names one.
    pub default_port: u16,
    /// The key that it has to have.
    pub pin: Option<PublicKey>,
}

impl Callee {
    /// Who listens there, with any key.
    pub fn at(host: String, port: u16) -> Self {
        Self { host, port: Some(port), default_port: port, pin: None }
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(&self.host, self.port.unwrap_or(self.default_port)))
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub fn name_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The key that somebody has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// That key.
    pub key: PublicKey,
    /// The saved name that it belongs to; `None`: our user gave the key.
    pub name: Option<String>,
}

/// Where somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one address, in the system's order.
    pub addresses: Vec<SocketAddr>,
    /// `host:port` as it was called, to be saved.
    pub called: String,
    /// The key that it has to have, if one is known.
    pub expected: Option<Expected>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_saved_is_no_stranger_any_more_and_who_proved_a_code_has_proved_it() {
        for (before, after) in [(Standing::New, Standing::Known), (Standing::Code, Standing::Code)] {
            let mut them = Them { standing: before, ..Them::default() };
            them.saved_as("bob");
            assert_eq!((them.standing, them.saved.as_deref()), (after, Some("bob")));
        }
    }
}
