//! What lies between the two who talk, and what it does to their connections.
//!
//! Owns: the sockets of each connection, and its fate. Must not know: what goes through.
//!
//! One thread accepts, one carries each connection; they end with the processes at the ends, or with the relay.
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};

/// Beginning of each direction that is remembered, in bytes.
const HEAD: usize = 256;
/// How long a connection's thread rests before it looks whether it is still wanted.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A direction of a connection, from the side that called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the one who was called.
    Up,
    /// To the one who called.
    Down,
}

/// What a direction's bytes lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Both ends are reset.
    Reset,
    /// Both ends hear that nothing more comes; nothing goes through any more.
    Close,
    /// The reading end of this direction hears that nothing more comes, the writing end nothing; the other direction
    /// goes on.
    Half,
    /// The bytes of this direction are taken and go nowhere; the other direction goes on.
    Swallow,
    /// The bytes of this direction are taken no longer; the other direction goes on.
    Stall,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// It is closed at once.
    Refuse,
    /// This happens once so many bytes have gone this way.
    After(Way, u64, How),
}

/// What has gone through a connection.
#[derive(Default)]
pub(crate) struct Seen {
    bytes: [AtomicU64; 2],
    heads: [Mutex<Vec<u8>>; 2],
}

struct Shared {
    /// Where it leads; 0 as long as it leads nowhere, and everybody waits.
    target: AtomicU16,
    over: AtomicBool,
    accepted: AtomicUsize,
    /// How often everything was cut so far, and how often it fell silent.
    cuts: AtomicUsize,
    hushes: AtomicUsize,
    /// The last number of the loopback address from which it calls.
    host: AtomicU8,
    seen: Mutex<Vec<Arc<Seen>>>,
}

/// A port that leads to another.
pub(crate) struct Relay {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Relay {
    /// One whose connections, counted from 0, have these fates.
    pub(crate) fn to(target: u16, fate: impl Fn(usize) -> Fate + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared {
            target: AtomicU16::new(target),
            over: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            hushes: AtomicUsize::new(0),
            host: AtomicU8::new(1),
            seen: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok((caller, _)) = listener.accept() {
                if ours.over.load(Ordering::Relaxed) {
                    return;
                }
                let seen = Arc::new(Seen::default());
                ours.seen.lock().expect("nobody panics").push(Arc::clone(&seen));
                let fate = fate(ours.accepted.fetch_add(1, Ordering::Relaxed));
                if fate != Fate::Refuse {
                    let shared = Arc::clone(&ours);
                    thread::spawn(move || carry(caller, fate, &seen, &shared));
                }
            }
        });
        Self { port, shared }
    }

    /// One that leads nowhere yet: whoever calls waits.
    pub(crate) fn nowhere() -> Self {
        Self::to(0, |_| Fate::Pass)
    }

    /// From now on it leads there.
    pub(crate) fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::Relaxed);
    }

    /// Resets whatever is connected now.
    pub(crate) fn cut(&self) {
        self.shared.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whatever is connected now stays so, and nothing goes through it any more.
    pub(crate) fn hush(&self) {
        self.shared.hushes.fetch_add(1, Ordering::Relaxed);
    }

    /// It calls from this address of the machine from now on.
    pub(crate) fn call_from(&self, host: u8) {
        self.shared.host.store(host, Ordering::Relaxed);
    }

    /// How many have called so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    fn seen(&self, connection: usize) -> Option<Arc<Seen>> {
        self.shared.seen.lock().expect("nobody panics").get(connection).cloned()
    }

    /// The bytes that have gone this way over a connection.
    pub(crate) fn passed(&self, connection: usize, way: Way) -> u64 {
        self.seen(connection).map_or(0, |seen| seen.bytes[way as usize].load(Ordering::Relaxed))
    }

    /// The first bytes that went this way over a connection.
    pub(crate) fn head(&self, connection: usize, way: Way) -> Vec<u8> {
        let seen = self.seen(connection).expect("there is such a connection");
        seen.heads[way as usize].lock().expect("nobody panics").clone()
    }
}

/// One direction while it is being carried.
struct Lane {
    way: Way,
    buffer: Vec<u8>,
    /// The part of the buffer that still has to go out.
    waiting: std::ops::Range<usize>,
    /// Nothing more is passed on.
    deaf: bool,
    /// Nothing more is taken.
    stalled: bool,
    /// The writing end has finished.
    ended: bool,
}

impl Lane {
    fn new(way: Way) -> Self {
        Self { way, buffer: vec![0; 64 * 1024], waiting: 0..0, deaf: false, stalled: false, ended: false }
    }

    fn wants(&self) -> PollFlags {
        if self.ended || self.stalled || !self.waiting.is_empty() { PollFlags::empty() } else { PollFlags::IN }
    }

    /// Takes and passes on what can be; whether `how` is due. An error: an end was reset.
    fn step(&mut self, from: &TcpStream, to: &TcpStream, due_at: Option<u64>, seen: &Seen) -> std::io::Result<bool> {
        let passed = &seen.bytes[self.way as usize];
        let left = due_at.map_or(u64::MAX, |at| at - passed.load(Ordering::Relaxed));
        if left == 0 {
            return Ok(true);
        }
        if self.wants() == PollFlags::IN {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match (&mut &*from).read(&mut self.buffer[..room]) {
                Ok(0) => {
                    self.ended = true;
                    if !self.deaf {
                        to.shutdown(Shutdown::Write)?;
                    }
                }
                Ok(_) if self.deaf => {}
                Ok(n) => self.waiting = 0..n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if !self.waiting.is_empty() {
            match (&mut &*to).write(&self.buffer[self.waiting.clone()]) {
                Ok(n) => {
                    let mut head = seen.heads[self.way as usize].lock().expect("nobody panics");
                    let remembered = n.min(HEAD - head.len());
                    head.extend_from_slice(&self.buffer[self.waiting.start..self.waiting.start + remembered]);
                    self.waiting.start += n;
                    passed.fetch_add(n as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(due_at.is_some_and(|at| passed.load(Ordering::Relaxed) >= at))
    }
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it can be reset");
}

/// Calls from this address of the machine.
fn call(host: u8, target: u16) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into())?;
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], target)).into())?;
    Ok(socket.into())
}

fn carry(caller: TcpStream, fate: Fate, seen: &Seen, shared: &Shared) {
    let target = loop {
        match shared.target.load(Ordering::Relaxed) {
            _ if shared.over.load(Ordering::Relaxed) => return,
            0 => thread::sleep(Duration::from_millis(1)), // paced: it leads nowhere yet.
            target => break target,
        }
    };
    let counts = || (shared.cuts.load(Ordering::Relaxed), shared.hushes.load(Ordering::Relaxed));
    let began = counts();
    // Whom nobody answers is closed.
    let Ok(called) = call(shared.host.load(Ordering::Relaxed), target) else { return };
    for stream in [&caller, &called] {
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("options");
    }
    let mut lanes = [Lane::new(Way::Up), Lane::new(Way::Down)];
    let mut due = match fate {
        Fate::After(way, bytes, how) => Some((way, bytes, how)),
        Fate::Pass | Fate::Refuse => None,
    };
    while !shared.over.load(Ordering::Relaxed) && !lanes.iter().all(|lane| lane.ended) {
        let out = |lane: &Lane| if lane.waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut ends = [
            PollFd::new(&caller, lanes[0].wants() | out(&lanes[1])),
            PollFd::new(&called, lanes[1].wants() | out(&lanes[0])),
        ];
        poll(&mut ends, Some(&LOOK)).expect("they can be polled");
        let (cuts, hushes) = counts();
        if cuts != began.0 {
            reset(caller);
            return reset(called);
        }
        if hushes != began.1 {
            lanes.iter_mut().for_each(|lane| (lane.stalled, lane.waiting) = (true, 0..0));
            continue;
        }
        for index in [0, 1] {
            let (from, to) = if index == 0 { (&caller, &called) } else { (&called, &caller) };
            let lane = &mut lanes[index];
            let at = due.and_then(|(way, bytes, _)| (way == lane.way).then_some(bytes));
            match lane.step(from, to, at, seen) {
                Ok(false) => {}
                Err(_) => {
                    reset(caller);
                    return reset(called);
                }
                Ok(true) => {
                    let Some((_, _, how)) = due.take() else { continue };
                    match how {
                        How::Reset => {
                            reset(caller);
                            return reset(called);
                        }
                        How::Close => {
                            lanes.iter_mut().for_each(|lane| (lane.deaf, lane.waiting) = (true, 0..0));
                            // Who has gone meanwhile needs no telling.
                            drop(caller.shutdown(Shutdown::Write).and_then(|()| called.shutdown(Shutdown::Write)));
                        }
                        How::Half => {
                            lane.deaf = true;
                            drop(to.shutdown(Shutdown::Write));
                        }
                        How::Swallow => lane.deaf = true,
                        How::Stall => lane.stalled = true,
                    }
                }
            }
        }
    }
}
