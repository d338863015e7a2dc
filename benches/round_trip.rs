//! How long a text takes to the other side and back, beside a bare `mio` echo of as many bytes.
//!
//! ```sh
//! cargo bench --bench round_trip                  # both threads where the system puts them
//! taskset -c 0 cargo bench --bench round_trip     # both on one core: steadier
//! ```
//!
//! Two threads: the main one asks, the other answers, over a bare connection for one round, over a conversation of two
//! [`Reactor`]s for the next. In turn and by the same two threads, so that whatever disturbs the machine, and wherever
//! the system puts them, both are measured under it. Loopback only. Slow figures are printed and are no failure.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use tete::net::gate::Trust;
use tete::net::pool::Family;
use tete::net::standing::Callee;
use tete::net::{NetEvent, Reactor, Settings};
use tete::proto::event::{Event, LeaveReason};
use tete::proto::session::Setup;
use tete::proto::transfers::Policy;

/// What goes there and back.
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// A round asks so often over one connection, then over the other. Short, so that a disturbance meets both.
const PINGS: usize = 500;
const WARM_UP: usize = 4;
const ROUNDS: usize = 60;
/// No round begins later than this.
const LONGEST: Duration = Duration::from_secs(15);
/// Nothing on loopback may take longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many times a bare echo's round trip a text's may take.
const TARGET: f64 = 1.3;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the benchmark could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the next round goes over.
#[derive(Clone, Copy)]
enum Over {
    Bare,
    Tete,
}

fn run() -> io::Result<()> {
    let began = Instant::now();
    let mut listener = TcpListener::bind(SocketAddr::new(LOOPBACK, 0))?;
    let address = listener.local_addr()?;
    let mut host = Side::new("host")?;
    let port = host.reactor.listen(Some(LOOPBACK), 0)?.first().map_or(0, SocketAddr::port);
    let (rounds, to_answer) = mpsc::channel();
    let partner = move || answer(Bare::accept(&mut listener)?, host, &to_answer);
    let partner = thread::Builder::new().name("partner".into()).spawn(partner)?;

    let mut bare = Bare::connect(address)?;
    let mut guest = Side::new("guest")?;
    guest.reactor.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
    guest.wait_for_partner()?;

    let text = String::from_utf8_lossy(&PAYLOAD).into_owned();
    let (mut echo, mut tete) = (Figures::default(), Figures::default());
    for round in 0..WARM_UP + ROUNDS {
        if began.elapsed() >= LONGEST {
            break;
        }
        if round == WARM_UP {
            (echo, tete) = (Figures::default(), Figures::default());
        }
        // Each comes first in every other round.
        let order = if round % 2 == 0 { [Over::Bare, Over::Tete] } else { [Over::Tete, Over::Bare] };
        for over in order {
            rounds.send(over).map_err(|_| io::Error::other("the partner has gone"))?;
            match over {
                Over::Bare => echo.round(|| bare.ping())?,
                Over::Tete => tete.round(|| guest.ping(&text))?,
            }
        }
    }
    drop(rounds);
    guest.leave()?;
    partner.join().map_err(|_| io::Error::other("the partner panicked"))??;

    println!("round trip of {} bytes, {} rounds of {PINGS} each, in turn, µs:", PAYLOAD.len(), echo.medians.len());
    echo.print("mio echo");
    tete.print("tete text");
    let ratio = micros(tete.at(50)) / micros(echo.at(50));
    println!("ratio of medians {ratio:.2} (target: at most {TARGET})");
    Ok(())
}

/// Answers round after round until there are no more.
fn answer(mut bare: Bare, mut host: Side, rounds: &Receiver<Over>) -> io::Result<()> {
    host.wait_for_partner()?;
    while let Ok(over) = rounds.recv() {
        for _ in 0..PINGS {
            match over {
                Over::Bare => bare.answer()?,
                Over::Tete => host.answer()?,
            }
        }
        if let Over::Tete = over {
            host.flush()?;
        }
    }
    host.leave()
}

/// What was measured.
#[derive(Default)]
struct Figures {
    all: Vec<Duration>,
    medians: Vec<Duration>,
}

impl Figures {
    fn round(&mut self, mut ping: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut times = Vec::with_capacity(PINGS);
        for _ in 0..PINGS {
            let asked = Instant::now();
            ping()?;
            times.push(asked.elapsed());
        }
        self.medians.push(percentile(&mut times, 50));
        self.all.append(&mut times);
        Ok(())
    }

    fn at(&mut self, percent: usize) -> Duration {
        percentile(&mut self.all, percent)
    }

    fn print(&mut self, what: &str) {
        let (p50, p99) = (micros(self.at(50)), micros(self.at(99)));
        let (least, most) = (percentile(&mut self.medians, 0), percentile(&mut self.medians, 100));
        let (least, most) = (micros(least), micros(most));
        println!("  {what:9}  median {p50:6.1}  p99 {p99:6.1}  medians of rounds {least:.1} to {most:.1}");
    }
}

/// The value that `percent` of them do not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", PATIENCE.as_secs()))
}

/// One end of a bare connection: the least that a poll loop can be. Edge-triggered, so that it reads until there is
/// nothing; it writes at once, without asking whether it may.
struct Bare {
    poll: Poll,
    events: Events,
    stream: TcpStream,
}

impl Bare {
    fn new(mut stream: TcpStream) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { poll, events: Events::with_capacity(16), stream })
    }

    fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut end = Self::new(TcpStream::connect(address)?)?;
        while end.stream.peer_addr().is_err() {
            end.wait()?;
        }
        end.stream.set_nodelay(true)?;
        Ok(end)
    }

    fn accept(listener: &mut TcpListener) -> io::Result<Self> {
        let mut poll = Poll::new()?;
        poll.registry().register(listener, Token(0), Interest::READABLE)?;
        poll.poll(&mut Events::with_capacity(1), Some(PATIENCE))?;
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Self::new(stream)
    }

    fn wait(&mut self) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(PATIENCE))?;
        if self.events.is_empty() { Err(late()) } else { Ok(()) }
    }

    /// Waits for one payload.
    fn hear(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut heard = 0;
        while heard < PAYLOAD.len() {
            self.wait()?;
            loop {
                match self.stream.read(&mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) => heard += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn say(&mut self) -> io::Result<()> {
        // 64 bytes at a time always fit into an empty socket.
        self.stream.write_all(&PAYLOAD)
    }

    fn ping(&mut self) -> io::Result<()> {
        self.say()?;
        self.hear()
    }

    fn answer(&mut self) -> io::Result<()> {
        self.hear()?;
        self.say()
    }
}

/// One side of a conversation.
struct Side {
    reactor: Reactor,
}

impl Side {
    fn new(name: &str) -> io::Result<Self> {
        let settings = Settings {
            name: name.to_owned(),
            secure: None,
            trust: Trust::New,
            policy_for_new: Policy::Never,
            family: Family::Any,
            into: std::env::temp_dir(),
            prefix: String::new(),
            calls: tete::sys::Calls::Native,
            discard: false,
            setup: Setup {
                lead: false,
                policy: Policy::Never,
                sync: false,
                verify: true,
                limit: None,
                returns: false,
                linger: PATIENCE,
            },
            heeds: tete::net::event::Heeds::Nothing,
        };
        Ok(Self { reactor: Reactor::new(settings)? })
    }

    /// Turns the loop until something happens, and gives it.
    fn next_event(&mut self) -> io::Result<NetEvent> {
        let until = self.reactor.now() + PATIENCE;
        loop {
            if let Some(event) = self.reactor.poll_event() {
                return Ok(event);
            }
            if self.reactor.turn(Some(until))? >= until {
                return Err(late());
            }
        }
    }

    /// Turns the loop until this happens.
    fn wait_for(&mut self, wanted: impl Fn(&NetEvent) -> bool) -> io::Result<NetEvent> {
        loop {
            let event = self.next_event()?;
            if wanted(&event) {
                return Ok(event);
            }
            if let NetEvent::Ended { .. } | NetEvent::DialFailed { .. } | NetEvent::NotLetIn { .. } = event {
                return Err(io::Error::other(format!("{event:?}")));
            }
        }
    }

    fn wait_for_partner(&mut self) -> io::Result<()> {
        self.wait_for(|event| matches!(event, NetEvent::Connected(_)))?;
        self.flush() // our welcome may not be on its way yet
    }

    /// What was said last goes out in the turn after it was said.
    fn flush(&mut self) -> io::Result<()> {
        self.reactor.turn(Some(self.reactor.now()))?;
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let now = self.reactor.now();
        let session = self.reactor.session().ok_or(io::ErrorKind::NotConnected)?;
        session.say(now, text).map_err(io::Error::other)?;
        Ok(())
    }

    fn hear(&mut self) -> io::Result<String> {
        match self.wait_for(|event| matches!(event, NetEvent::Session(Event::Message { .. })))? {
            NetEvent::Session(Event::Message { text, .. }) => Ok(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    fn ping(&mut self, text: &str) -> io::Result<()> {
        self.say(text)?;
        self.hear()?;
        Ok(())
    }

    fn answer(&mut self) -> io::Result<()> {
        let text = self.hear()?;
        self.say(&text)
    }

    fn leave(&mut self) -> io::Result<()> {
        let now = self.reactor.now();
        if let Some(session) = self.reactor.session() {
            session.leave(now, LeaveReason::Done, Some(PATIENCE));
        }
        self.wait_for(|event| matches!(event, NetEvent::Ended { .. }))?;
        // The last bytes are still on their way.
        while !self.reactor.is_quiet() {
            self.reactor.turn(None)?;
        }
        Ok(())
    }
}
