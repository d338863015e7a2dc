//! Where others can call.
//!
//! Owns: the listening sockets and what happens when the system has no descriptor left.
//! Must not know: what becomes of a caller.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::sys;

use super::pool::Family;

/// Callers that the system may hold for us; it takes its own bound if that is lower. More than a flood brings while the
/// loop does something else: once the queue is full Linux drops calls, which are tried again a second later, and answers
/// some with a SYN cookie (RFC 4987, section 3.6) and then forgets them, so that who is silent there waits for ever. A
/// held caller costs us nothing, and a full queue is taken in a tenth of a second.
const BACKLOG: i32 = 4096;
/// How long accepting rests when there is no descriptor: long enough not to spin, short enough not to be noticed.
const REST: Duration = Duration::from_millis(200);

/// The listening sockets: one, or one for each family on the same port.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: Vec<(TcpListener, bool)>,
    /// Given up when descriptors run out, so that a caller can be accepted and closed instead of waiting for ever.
    reserve: Option<OwnedFd>,
    resting: Option<Instant>,
}

/// Errors that say nothing of the next caller.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A caller.
    Caller(TcpStream, SocketAddr),
    /// Nobody for now.
    Nobody,
}

impl Listeners {
    /// Begins to listen. Without an address: on all of them, or on loopback if they are not `everywhere`. Port 0: the system picks one, the same for
    /// both families. The sockets get the tokens from `first` on.
    ///
    /// # Errors
    /// The system's, when not even one address can be had.
    pub fn open(
        registry: &Registry,
        first: usize,
        (ip, everywhere): (Option<IpAddr>, bool),
        port: u16,
        family: Family,
    ) -> io::Result<Self> {
        let (v4, v6) = match everywhere {
            true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        };
        let wanted: Vec<IpAddr> = match (ip, family) {
            (Some(ip), _) => vec![ip],
            (None, Family::V4) => vec![v4.into()],
            (None, Family::V6) => vec![v6.into()],
            (None, Family::Any) => vec![v4.into(), v6.into()],
        };
        let mut sockets = Vec::new();
        let mut bound = port;
        for ip in wanted {
            match sys::listener(SocketAddr::new(ip, bound), true, BACKLOG) {
                Ok(socket) => {
                    bound = socket.local_addr()?.port();
                    sockets.push((TcpListener::from_std(socket), true));
                }
                // A machine without IPv6, or a port that only one family has free: the first address is what counts.
                Err(error) if !sockets.is_empty() => log::debug!("not listening on {ip} too: {error}"),
                Err(error) => return Err(error),
            }
        }
        for (at, (socket, _)) in sockets.iter_mut().enumerate() {
            registry.register(socket, Token(first + at), Interest::READABLE)?;
        }
        Ok(Self { sockets, reserve: sys::reserve_descriptor().ok(), resting: None })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(socket, _)| socket.local_addr().ok()).collect()
    }

    /// Somebody may be waiting at the `at`th socket.
    pub fn latch(&mut self, at: usize) {
        if let Some((_, readable)) = self.sockets.get_mut(at) {
            *readable = true;
        }
    }

    /// Whether somebody may still be waiting whom nobody has looked for.
    pub fn has_work(&self) -> bool {
        self.resting.is_none() && self.sockets.iter().any(|(_, readable)| *readable)
    }

    /// When accepting goes on after a rest.
    pub fn deadline(&self) -> Option<Instant> {
        self.resting
    }

    /// The next caller.
    pub fn accept(&mut self, now: Instant) -> Accepted {
        if self.resting.is_some_and(|until| now < until) {
            return Accepted::Nobody;
        }
        self.resting = None;
        for (socket, readable) in &mut self.sockets {
            while *readable {
                match socket.accept() {
                    Ok((stream, address)) => return Accepted::Caller(stream, address),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => *readable = false,
                    Err(error) if sys::is_out_of_descriptors(&error) => {
                        log::warn!("a caller is turned away: {error}");
                        self.reserve = None;
                        let caller = socket.accept();
                        drop(caller);
                        self.reserve = sys::reserve_descriptor().ok();
                        self.resting = Some(now + REST);
                        return Accepted::Nobody;
                    }
                    // The caller gave up while it was waiting (ECONNABORTED), or a signal came.
                    Err(error) if is_passing(&error) => log::debug!("accept: {error}"),
                    Err(error) => {
                        log::error!("accept: {error}");
                        self.resting = Some(now + REST);
                        return Accepted::Nobody;
                    }
                }
            }
        }
        Accepted::Nobody
    }
}
