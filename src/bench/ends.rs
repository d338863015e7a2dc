//! What both ends of every probe begin with: a socket, and a file that is open.
//!
//! Owns: how a probe's sockets are set up. Must not know: what goes over them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::part::{Part, Place};
use crate::net::source::{Request, Words, prepare};
use crate::net::work::Source;
use crate::proto::name::SafeName;
use crate::sys::Calls;

use super::helpers::Helpers;

/// The default congestion control may be one that paces, on loopback too; this one does not, and needs no privilege.
const CONGESTION: &[u8] = b"reno";
/// Nothing on loopback may pause for longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket with the congestion control that a probe needs, or it would measure another thing. It is asked for before
/// there is a connection: one that has begun with pacing keeps some of it.
fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    let explain = |error| io::Error::other(format!("congestion control reno: {error}"));
    socket.set_tcp_congestion(CONGESTION).map_err(explain)?;
    Ok(socket)
}

/// Nobody is waited for without end.
fn limited(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Listens on a port that the system picks.
///
/// # Errors
/// The system's.
pub fn listen() -> io::Result<TcpListener> {
    let socket = socket()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(1)?;
    Ok(socket.into())
}

/// The one who calls.
///
/// # Errors
/// The system's.
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    limited(listener.accept()?.0)
}

/// Calls.
///
/// # Errors
/// The system's.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = socket()?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    limited(socket.into())
}

/// A file that is to be sent.
#[derive(Debug)]
pub struct Opened {
    /// It is open.
    pub source: Arc<Source>,
    /// In bytes.
    pub size: u64,
    /// Those who have opened it.
    pub helpers: Helpers,
}

/// Opens a file as the program does.
///
/// # Errors
/// It cannot be sent.
pub fn open(file: &Path) -> io::Result<Opened> {
    let words = Words::Path(file.into());
    let found = prepare(&Request { words, folder: "/".into(), home: None });
    let refused = || io::Error::other(format!("{} cannot be sent", file.display()));
    let prepared = found.ready.into_iter().next().ok_or_else(refused)?;
    let size = prepared.size;
    let source = Arc::new(Source::new(prepared));
    let mut helpers = Helpers::new()?;
    helpers.open(&source)?;
    Ok(Opened { source, size, helpers })
}

/// Creates a file for `size` bytes as the program does.
///
/// # Errors
/// The system's.
pub fn create(into: &Path, size: u64) -> io::Result<(Arc<Part>, Helpers)> {
    let name = SafeName::check(b"probe").map_err(io::Error::other)?;
    let place = Place { folder: into.to_owned(), prefix: String::new(), calls: Calls::Native, sync: true, peer: None };
    let part = Arc::new(Part::new(place, name));
    let mut helpers = Helpers::new()?;
    helpers.create(&part, size)?;
    Ok((part, helpers))
}
