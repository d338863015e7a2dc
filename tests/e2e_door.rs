//! Floods at the door of a tete that encrypts: silent callers, dripping ones, ones who never end their handshake. Who
//! is known gets in and is heard, the memory stays small, and what says nothing is closed.

mod common;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Tete, tete};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};
use tete::secure::key::SecretKey;
use tete::secure::tls::Tls;

/// Callers of one flood.
const FLOOD: usize = 2_000;
/// Texts said meanwhile.
const TEXTS: usize = 100;
/// Strangers at the door at once, at most.
const AT_ONCE: usize = 200;
/// Bytes by which a flood may make a process grow.
const MEMORY: u64 = 32 << 20;
/// Whoever says nothing or drips is closed within this.
const CLOSED: Duration = Duration::from_secs(10);
/// Between two bytes of one who drips.
const DRIP: Duration = Duration::from_millis(200);
/// Connections that the endless flood holds: more than there is room for at the door.
const HELD: usize = 500;
/// So many of them come in a millisecond.
const EACH_MS: usize = 5;

/// Each connection of a flood needs a descriptor here.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, wanted).expect("the soft limit may be raised to the hard one");
}

/// One who waits for calls, with this folder for her key and those whom she knows.
fn anna(home: &tempfile::TempDir, more: &[&str]) -> Tete {
    let args: Vec<&str> = ["--json", "-n", "anna", "-l", "127.0.0.1:0"].iter().chain(more).copied().collect();
    tete(&args).env("TETE_HOME", home.path().join("anna")).start()
}

/// One who calls.
fn caller(name: &str, port: u16, folder: impl Into<OsString>) -> Tete {
    let target = format!("127.0.0.1:{port}");
    tete(&["--json", "--trust", "new", "-n", name, &target]).env("TETE_HOME", folder.into()).start()
}

/// Descriptors that it has open.
fn descriptors(tete: &Tete) -> usize {
    fs::read_dir(format!("/proc/{}/fd", tete.pid().as_raw_nonzero())).expect("it runs").count()
}

/// What a tete says first, to be said by somebody who cannot go on.
fn first_flight() -> Vec<u8> {
    let tls = Tls::new(&SecretKey::generate().expect("a key")).expect("a channel");
    let mut channel = tls.call(None).expect("a call");
    let mut flight = Vec::new();
    while channel.wants_transmit() {
        channel.transmit(&mut flight).expect("a vector takes it");
    }
    flight
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Drips,
    /// Says its first flight, and nothing more.
    Begins,
}

/// A stranger.
struct Stranger {
    stream: TcpStream,
    kind: Kind,
    said: usize,
}

impl Stranger {
    fn call(port: u16, kind: Kind, flight: &[u8]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_nonblocking(true).expect("a socket of ours");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket of ours");
        let mut stranger = Self { stream, kind, said: 0 };
        match kind {
            Kind::Silent => {}
            Kind::Drips => stranger.drip(flight),
            // Whoever was closed already notices it later.
            Kind::Begins => drop(stranger.stream.write(flight)),
        }
        stranger
    }

    fn drip(&mut self, flight: &[u8]) {
        if let Some(byte) = flight.get(self.said).filter(|_| self.kind == Kind::Drips) {
            self.said += self.stream.write(&[*byte]).unwrap_or_default();
        }
    }

    /// Whether it was closed, in whichever way. What it was told is thrown away.
    fn is_closed(&mut self) -> bool {
        let mut told = [0; 4096];
        loop {
            match self.stream.read(&mut told) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

/// Waits until all are closed; those who drip go on dripping. How long it took.
fn closed(mut strangers: Vec<Stranger>, flight: &[u8]) -> Duration {
    let began = Instant::now();
    loop {
        strangers.retain_mut(|stranger| !stranger.is_closed());
        if strangers.is_empty() {
            return began.elapsed();
        }
        assert!(began.elapsed() < common::PATIENCE, "{} strangers are still there", strangers.len());
        strangers.iter_mut().for_each(|stranger| stranger.drip(flight));
        thread::sleep(DRIP); // paced: so slowly do they drip.
    }
}

/// A connection for which nobody waits, from an address of its own, so that it takes no port from others.
fn hasty(port: u16) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_nonblocking(true).expect("a socket of ours");
    socket.set_linger(Some(Duration::ZERO)).expect("a socket of ours");
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("an address of this machine");
    // It is under way, or it is not: that is the flood's affair.
    let _ = socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into());
    socket
}

/// Strangers who come without end, 5,000 a second, until this is dropped.
///
/// No faster than they are accepted: against whoever fills the system's queue of callers nobody can do anything. Nobody
/// waits for a connection, and none leaves anything behind in the system: its ports are for all tests.
struct Flood {
    stop: Arc<AtomicBool>,
    came: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    fn begin(port: u16) -> Self {
        let (stop, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stops, comes) = (Arc::clone(&stop), Arc::clone(&came));
        let thread = thread::spawn(move || {
            let flight = first_flight();
            let mut held = VecDeque::new();
            while !stops.load(Ordering::Relaxed) {
                for n in 0..EACH_MS {
                    let kind = if n.is_multiple_of(2) { Kind::Silent } else { Kind::Drips };
                    held.push_back((hasty(port), kind));
                }
                // Those who are connected by now say their byte.
                for (stream, _) in
                    held.iter_mut().rev().skip(EACH_MS).take(EACH_MS).filter(|(_, kind)| *kind == Kind::Drips)
                {
                    let _ = stream.write(&flight[..1]);
                }
                while held.len() > HELD {
                    held.pop_front();
                }
                comes.fetch_add(EACH_MS, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1)); // paced: so fast do they come.
            }
        });
        Self { stop, came, thread: Some(thread) }
    }

    /// How many came so far.
    fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// Waits until more came than there is room for.
    fn wait(&self) {
        while self.came() < HELD {
            thread::sleep(Duration::from_millis(1)); // paced: the flood takes its time.
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the flood ended by itself");
    }
}

/// Who talks as each other's own key, and a flood of these strangers meanwhile.
fn talk_through(kind: impl Fn(usize) -> Kind) {
    allow_descriptors();
    let home = tempfile::tempdir().expect("a folder");
    let mut anna = anna(&home, &[]);
    let port = anna.port();
    let mut bob = caller("bob", port, home.path().join("anna"));
    let connected = anna.event("connected");
    assert_eq!((&connected["trust"], &connected["encrypted"]), (&"self".into(), &true.into()), "{connected}");
    bob.event("connected");
    let (memory, before, flight) = (anna.high_water(), descriptors(&anna), first_flight());

    let mut strangers = Vec::with_capacity(FLOOD);
    for n in 0..FLOOD {
        strangers.push(Stranger::call(port, kind(n), &flight));
        if n.is_multiple_of(FLOOD / TEXTS) {
            bob.send(&format!("text {n}"));
            let there = descriptors(&anna);
            assert!(there < before + AT_ONCE, "{there} descriptors after {n} callers, {before} before");
        }
    }
    let last = Instant::now();
    anna.count("message", TEXTS);
    anna.send("heard");
    bob.find("an answer", |event| event["text"] == "heard");

    closed(strangers, &flight);
    let took = last.elapsed();
    assert!(took < CLOSED, "the last strangers were closed after {took:?}");
    let grown = anna.high_water() - memory;
    assert!(grown < MEMORY, "it has grown by {grown} bytes");
    bob.send("exit");
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
    assert_eq!(anna.all("connected").count(), 1);
    let texts: Vec<_> = anna.all("message").map(|event| event["text"].as_str().expect("a text")).collect();
    let said: Vec<_> = (0..FLOOD).step_by(FLOOD / TEXTS).map(|n| format!("text {n}")).collect();
    assert_eq!(texts, said);
}

#[test]
fn fault_77_through_two_thousand_silent_and_dripping_callers_every_text_arrives() {
    talk_through(|n| if n.is_multiple_of(2) { Kind::Silent } else { Kind::Drips });
}

#[test]
fn through_two_thousand_handshakes_that_never_end_every_text_arrives() {
    talk_through(|_| Kind::Begins);
}

#[test]
fn fault_77_a_known_peer_gets_in_while_strangers_come_without_end() {
    allow_descriptors();
    let home = tempfile::tempdir().expect("a folder");
    let mut anna = anna(&home, &["--stay", "--trust", "new"]);
    let port = anna.port();
    let bobs = home.path().join("bob");
    for (meeting, trust) in ["new", "known"].into_iter().enumerate() {
        let flood = (trust == "known").then(|| Flood::begin(port));
        flood.iter().for_each(Flood::wait);
        let before = flood.as_ref().map(Flood::came);
        let mut bob = caller("bob", port, &bobs);
        bob.event("connected");
        anna.count("connected", meeting + 1);
        let told = anna.all("connected").nth(meeting).expect("it was counted");
        assert_eq!(told["trust"], trust, "{told}");
        bob.send("hi");
        anna.count("message", meeting + 1);
        assert!(flood.as_ref().map(Flood::came) > before || flood.is_none(), "the flood went on");
        let there = descriptors(&anna);
        assert!(there < AT_ONCE, "{there} descriptors");
        bob.send("exit");
        assert_eq!(bob.exit_code(), 0);
        anna.count("closed", meeting + 1);
    }
}
