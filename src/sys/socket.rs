//! Sockets: how they are set up. What goes through them is somebody else's.
//!
//! Owns: socket options and the listener's creation. Must not know: links, polling.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::native;

/// Quiet time after which the kernel asks whether the other machine is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(4);
/// Time between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Questions without an answer after which the connection is dead: 10 s in all.
const KEEPALIVE_PROBES: u32 = 3;
/// Bytes that may wait in the kernel before they go out. A text typed now waits behind no more than these.
const NOTSENT_LOWAT: u32 = 128 * 1024;

/// Sets the options of a connection. `loopback`: both ends are on this machine. Nothing lies between them then that
/// could fall silent, so that the kernel need not ask, nor that could be flooded, so that the kernel need not spread
/// over time what is sent. Beyond this machine the system's choice of how fast to send stands.
///
/// An option that cannot be set is logged and done without. TCP_USER_TIMEOUT is left alone on purpose: it kills a
/// live peer that merely reads nothing.
pub fn prepare_stream(stream: &impl AsFd, loopback: bool) {
    let socket = SockRef::from(stream);
    optional("TCP_NODELAY", socket.set_tcp_nodelay(true));
    if loopback {
        optional("TCP_CONGESTION", native::unpace(&socket));
    } else {
        let alive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        optional("SO_KEEPALIVE", socket.set_tcp_keepalive(&alive.with_retries(KEEPALIVE_PROBES)));
    }
}

/// Sets, on top of [`prepare_stream`], what a connection needs that carries talk: little waits in the kernel, where
/// nothing overtakes it. A connection for files alone does better without.
pub fn prepare_talk(stream: &impl AsFd) {
    optional("TCP_NOTSENT_LOWAT", native::limit_unsent(&SockRef::from(stream), NOTSENT_LOWAT));
}

/// How connections are set up other than usual: only a measurement wants that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How fast it is sent, by the name that the system has for it.
    pub congestion: Option<String>,
    /// Bytes that may wait on either side, each way. Without it the system finds out what is best.
    pub window: Option<usize>,
}

impl Shape {
    /// Whether the system can do that: tried on a socket that is then thrown away.
    ///
    /// # Errors
    /// It cannot, in words that name what it cannot.
    pub fn check(&self) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(name) = &self.congestion {
            native::set_congestion(&socket, name).map_err(|error| {
                let there = native::congestions().map(|there| format!("; there are {there}")).unwrap_or_default();
                io::Error::other(format!("congestion control {name:?}: {}{there}", super::words(&error)))
            })?;
        }
        let Some(window) = self.window else { return Ok(()) };
        socket.set_send_buffer_size(window)?;
        socket.set_recv_buffer_size(window)?;
        // What is too much is cut without a word.
        let given = socket.send_buffer_size()?.min(socket.recv_buffer_size()?);
        if given >= window { Ok(()) } else { Err(io::Error::other(format!("a window of {given} bytes at most"))) }
    }

    /// Sets a connection up so, behind what [`prepare_stream`] does. What cannot be set is logged and done without.
    pub fn apply(&self, stream: &impl AsFd) {
        let socket = SockRef::from(stream);
        if let Some(name) = &self.congestion {
            optional("TCP_CONGESTION", native::set_congestion(&socket, name));
        }
        if let Some(window) = self.window {
            optional("SO_SNDBUF", socket.set_send_buffer_size(window));
            optional("SO_RCVBUF", socket.set_recv_buffer_size(window));
        }
    }
}

fn optional(name: &str, result: io::Result<()>) {
    if let Err(error) = result {
        log::debug!("{name} could not be set: {error}");
    }
}

/// Listens at `addr`, without blocking. `only_v6`: an IPv6 address takes no IPv4 callers (no matter to an IPv4 one).
///
/// # Errors
/// The system's, such as `AddrInUse`.
pub fn listener(addr: SocketAddr, only_v6: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // Connections of an earlier run that are still fading away must not keep us from the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    unpace_early(&socket, addr);
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Begins to connect to `addr`, without blocking: it is connected once it is writable and has no error.
///
/// # Errors
/// The system's, as far as it has one at once.
pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    unpace_early(&socket, addr);
    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

/// As [`prepare_stream`] does it, and before there is a connection: one that has begun with pacing keeps some of it
/// when its congestion control is changed (measured: 5.9 to 7.0 instead of 7.3 to 7.8 GiB/s). A listener hands it on.
fn unpace_early(socket: &Socket, addr: SocketAddr) {
    if addr.ip().is_loopback() {
        optional("TCP_CONGESTION", native::unpace(socket));
    }
}

/// Whether a call failed because the process or the machine has no descriptors, or no memory, left for it. The caller
/// still waits in the queue then, so that trying again at once would spin.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    let kinds = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| kinds.iter().any(|kind| kind.raw_os_error() == code))
}

/// The address of this machine that others are most likely to reach it by; `None` when it has no network.
///
/// The kernel is asked which source address it would use towards a far one (RFC 5737 and RFC 3849 keep these for
/// documentation). "Connecting" a datagram socket sends nothing.
pub fn outward_address(v6: bool) -> Option<IpAddr> {
    let (ours, far): (IpAddr, IpAddr) = match v6 {
        false => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        true => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let socket = UdpSocket::bind((ours, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[test]
    fn a_listener_does_not_block_and_owns_its_port() {
        let first = listener(any_port(), false, 8).unwrap();
        assert_eq!(first.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let taken = listener(first.local_addr().unwrap(), false, 8).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    /// A connection, and who keeps it alive without ever accepting it.
    fn connection() -> (TcpStream, TcpListener) {
        let listener = listener(any_port(), false, 8).unwrap();
        (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener)
    }

    #[test]
    fn a_call_is_answered_or_refused_without_waiting_for_either() {
        let listener = listener(any_port(), false, 8).unwrap();
        let addr = listener.local_addr().unwrap();
        let stream = connect(addr).unwrap();
        rustix::event::poll(&mut [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)], None).unwrap();
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.peer_addr().unwrap(), addr);
        drop(listener);
        let refused = connect(addr).and_then(|stream| {
            rustix::event::poll(&mut [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)], None)?;
            stream.take_error()?.map_or(Ok(()), Err)
        });
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_connection_gets_its_options() {
        let (stream, _listener) = connection();
        prepare_stream(&stream, true);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(!socket.keepalive().unwrap());
        prepare_stream(&stream, false);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_a_connection_that_talks_keeps_little_in_the_kernel() {
        let (stream, _listener) = connection();
        let socket = SockRef::from(&stream);
        let unlimited = socket.tcp_notsent_lowat().unwrap();
        prepare_stream(&stream, true);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), unlimited);
        prepare_talk(&stream);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), NOTSENT_LOWAT);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_is_shaped_as_the_system_can_and_what_it_cannot_is_told() {
        let (stream, _listener) = connection();
        let shape = |congestion: Option<&str>, window| Shape { congestion: congestion.map(str::to_owned), window };
        let can = shape(Some("reno"), Some(64 * 1024));
        can.check().unwrap();
        can.apply(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_congestion().unwrap().starts_with(b"reno\0"));
        assert!((64 * 1024..256 * 1024).contains(&socket.send_buffer_size().unwrap()));
        let words = |shape: Shape| shape.check().unwrap_err().to_string();
        assert!(words(shape(Some("nothing"), None)).contains("congestion control \"nothing\""));
        assert!(words(shape(None, Some(1 << 30))).contains("bytes at most"));
    }

    #[test]
    fn a_want_of_descriptors_is_told_from_a_caller_who_gave_up() {
        assert!(is_out_of_descriptors(&Errno::MFILE.into()));
        assert!(!is_out_of_descriptors(&Errno::CONNABORTED.into()));
    }
}
