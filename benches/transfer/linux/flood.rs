//! Texts beside a flood of strangers: how long one takes there and back while others fill the door, and what that costs
//! in memory.
//!
//! Owns: both ends of such a run, the strangers, and the table. Must not know: how the door is kept.
//!
//! ```text
//!   sender                                                          receiver
//!   loop: says a text when woken                 <== tete, TLS ==>  loop: answers texts
//!   ticker: every 2 ms wakes the loop
//!   strangers: connect, say little or nothing    ----- TCP ----->   door
//! ```

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mio::Waker;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use tete::secure::key::SecretKey;
use tete::secure::tls::Tls;

use super::Plan;
use tete::bench::figures::{Figures, peak_bytes};
use tete::bench::process::{run, tell_ready};
use tete::bench::role::Role;
use tete::bench::side::{How, Side};
use tete::bench::stats::percentile;
use tete::bench::talk::{Texts, answer_texts};

const HOW: How = How { encrypted: true, ..How::VERIFIED };
/// Between two texts.
const TICK: Duration = Duration::from_millis(2);
/// Before the flood, for comparison.
const QUIET: Duration = Duration::from_secs(1);
/// Strangers who come at once: so many at a time with such a pause, or the system's queue of callers would be full, and
/// the rest would try again seconds later.
const STRANGERS: usize = 2_000;
const AT_A_TIME: usize = 50;
/// Between two looks at them.
const STEP: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(5);
/// Of those who come without end: so many at a time, for so long, and so many of them are held.
const EACH: usize = 25;
const LONG: Duration = Duration::from_secs(8);
const HELD: usize = 500;
/// Nobody is at the door for longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is wanted: a text's round trip, as p99, in milliseconds; growth of the memory, in bytes.
const WANTED_P99: f64 = 50.0;
const WANTED_MEMORY: f64 = 32.0 * 1024.0 * 1024.0;

/// What strangers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// One half says nothing, the other a byte every [`STEP`].
    Silent,
    /// They say the first message of a handshake, and nothing more.
    Begin,
    /// They come without end, silent.
    Endless,
}

impl Way {
    fn words(self) -> &'static str {
        match self {
            Self::Silent => "2,000 at once, silent and dripping",
            Self::Begin => "2,000 at once, each begins a handshake",
            Self::Endless => "5,000 a second, silent",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Begin => "begin",
            Self::Endless => "endless",
        }
    }
}

/// The end that is flooded.
#[derive(Args, Debug)]
pub(crate) struct Receive {}

/// The end that talks, and floods.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    way: Way,
}

/// Answers every text, whoever else comes.
pub(crate) fn receive(_: &Receive) -> io::Result<()> {
    let mut side = Side::new("receiver", None, HOW)?;
    side.strangers_come();
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    tell_ready(ready)?;
    side.wait_for_partner()?;
    let before = peak_bytes()?;
    answer_texts(&mut side)?;
    let mut figures = Figures::default();
    figures.add("grown", peak_bytes()? - before);
    side.leave()?;
    figures.print()
}

/// Says texts, before and while strangers come.
pub(crate) fn send(args: &Send) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let mut side = Side::new("sender", None, HOW)?;
    side.dial(args.port);
    side.wait_for_partner()?;
    let (ticked, ticks) = mpsc::channel();
    let waker = side.reactor.waker();
    thread::Builder::new().name("ticker".into()).spawn(move || tick(&waker, &ticked))?;

    let mut texts = Texts::new(ticks);
    let start = Instant::now();
    while start.elapsed() < QUIET {
        texts.step(&mut side)?;
    }
    let began = Instant::now();
    let (port, way) = (args.port, args.way);
    let strangers = thread::Builder::new().name("strangers".into()).spawn(move || flood(port, way))?;
    while !strangers.is_finished() {
        texts.step(&mut side)?;
    }
    let ended = Instant::now();
    strangers.join().map_err(|_| io::Error::other("the strangers panicked"))??;
    let asked = texts.finish(&mut side)?;
    side.leave()?;

    let mut figures = Figures::default();
    figures.add("seconds", (ended - began).as_secs_f64());
    for (at, took) in asked.iter().filter(|(at, _)| *at < ended) {
        figures.add(if *at < began { "quiet" } else { "text" }, took.as_secs_f64() * 1e3);
    }
    figures.print()
}

/// Asks for a text until nobody is there to say it.
fn tick(waker: &Waker, texts: &Sender<Instant>) {
    let mut due = Instant::now();
    loop {
        due += TICK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if texts.send(Instant::now()).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

/// A connection to the door.
struct Stranger {
    socket: Socket,
    says: usize,
    said: usize,
}

impl Stranger {
    /// Nobody waits for it. It has an address, and so ports, of its own, and leaves nothing behind in the system.
    fn call(port: u16, says: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())?;
        match socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
            _ => Ok(Self { socket, says, said: 0 }),
        }
    }

    /// Says what it has to say next; whether it is still there. What it is told is thrown away.
    fn step(&mut self, flight: &[u8]) -> bool {
        let passes = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected);
        let next = flight.get(self.said..(self.said + self.says).min(flight.len())).unwrap_or_default();
        if !next.is_empty() {
            match self.socket.write(next) {
                Ok(n) => self.said += n,
                Err(error) if passes(&error) => {}
                Err(_) => return false,
            }
        }
        let mut told = [0; 4096];
        loop {
            match self.socket.read(&mut told) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return passes(&error),
            }
        }
    }
}

/// Comes, and stays until it is thrown out.
fn flood(port: u16, way: Way) -> io::Result<()> {
    let key = SecretKey::generate().map_err(io::Error::other)?;
    let mut channel = Tls::new(&key).and_then(|tls| tls.call(None)).map_err(io::Error::other)?;
    let mut flight = Vec::new();
    while channel.wants_transmit() {
        channel.transmit(&mut flight)?;
    }
    let began = Instant::now();
    if way == Way::Endless {
        let mut held = VecDeque::new();
        while began.elapsed() < LONG {
            for _ in 0..EACH {
                held.push_back(Stranger::call(port, 0)?);
            }
            held.drain(..held.len().saturating_sub(HELD));
            thread::sleep(PAUSE);
        }
        return Ok(());
    }
    let says = |n: usize| if way == Way::Begin { flight.len() } else { n % 2 };
    let mut strangers = Vec::with_capacity(STRANGERS);
    for n in 0..STRANGERS {
        strangers.push(Stranger::call(port, says(n))?);
        if n % AT_A_TIME == 0 {
            thread::sleep(PAUSE);
        }
    }
    while !strangers.is_empty() {
        if began.elapsed() > PATIENCE {
            let connected = strangers.iter().filter(|stranger| stranger.socket.peer_addr().is_ok()).count();
            let words = format!("{connected} strangers stay, {} never came", strangers.len() - connected);
            return Err(io::Error::new(ErrorKind::TimedOut, words));
        }
        strangers.retain_mut(|stranger| stranger.step(&flight));
        thread::sleep(STEP);
    }
    Ok(())
}

/// Runs and prints.
pub(crate) fn measure(_: &Plan) -> io::Result<()> {
    println!("flood: round trip of a text between two who talk encrypted, one every {} ms, in ms:", TICK.as_millis());
    for way in [Way::Silent, Way::Begin, Way::Endless] {
        let sender = Role::new("flood-send").option("way", way.option());
        let outcome = run(&Role::new("flood-receive"), sender)?;
        let (quiet, texts) = (outcome.sender.all("quiet"), outcome.sender.all("text"));
        let [p50, p99, most] = [50, 99, 100].map(|percent| percentile(&texts, percent));
        println!(
            "  {:40}  p50 {p50:6.2}  p99 {p99:6.2}  most {most:6.2}  of {} in {:.1} s; before, p99 {:.2}",
            way.words(),
            texts.len(),
            outcome.sender.one("seconds")?,
            percentile(&quiet, 99),
        );
        let grown = outcome.receiver.one("grown")?;
        println!(
            "    p99 / {WANTED_P99} ms: {:.2} (wanted: at most 1); memory: {:.1} MiB more (wanted: below {:.0})",
            p99 / WANTED_P99,
            grown / 1024.0 / 1024.0,
            WANTED_MEMORY / 1024.0 / 1024.0,
        );
    }
    Ok(())
}
