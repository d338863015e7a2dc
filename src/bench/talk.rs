//! Texts, and how long they take there and back: while nothing else happens, and while files move as fast as they can,
//! beside a bare echo at the same time.
//!
//! Owns: both ends of such a run, and what is made of the times. Must not know: how files move, how a figure is shown.
//!
//! ```text
//!   asking side                                                      answering side
//!   loop: says a text when woken, takes or offers files <= tete =>   loop: answers texts, takes or offers files
//!   bare loop: sends as many bytes when woken           <= TCP ==>   thread: echoes
//!   ticker: every ms in turn wakes one of the two loops
//! ```
//!
//! **Open loop.** Nobody waits for an answer before asking again, and a question's time begins when it was planned: a
//! stall counts for every question that it delays, not only for the one that met it (what is called coordinated
//! omission counts one). Waking the loop is part of the way, as it is of what a person types, of both kinds alike.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::net::NetEvent;
use crate::net::source::Prepared;
use crate::proto::event::Event;
use crate::sys;

use super::Told;
use super::figures::Figures;
use super::folders::{self, check_room, room};
use super::plan::{Effort, Plan};
use super::process::{run, tell_ready};
use super::role::{Given, Role};
use super::scratch::Scratch;
use super::side::{How, Side};

/// What goes there and back.
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Asks the answering side for a file.
const MORE: &str = "more";
/// Between two questions; every other one is a text.
const TICK: Duration = Duration::from_millis(1);
/// A turn of the loop in which nothing happens.
const PAUSE: Duration = Duration::from_millis(300);
/// Files of one run: what they fill in memory, with the source, is this much more than one of them.
const MOST_FILES: u64 = 6;
/// Longest wait for an answer that a histogram tells apart, in nanoseconds; three digits of all below are kept.
const LONGEST: u64 = 60_000_000_000;
const DIGITS: u8 = 3;
/// What is told of the times: of so many in a thousand, the longest.
pub const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// How many times its median a bare echo's 99th percentile may be on a machine that is left alone: 4 to 5 were measured
/// on a quiet one.
pub const INTERRUPTED: f64 = 15.0;
/// Fewer times than these do not tell what one in a thousand takes; for other parts accordingly.
const FEWEST: f64 = 2.0;

/// What happens beside the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing.
    Nothing,
    /// Who asks sends files.
    Sending,
    /// Who asks receives files.
    Receiving,
}

impl Load {
    /// One word, for programs too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Sending => "sending",
            Self::Receiving => "receiving",
        }
    }
}

/// The times of one situation, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Whether the conversation is encrypted; the bare echo never is.
    pub encrypted: bool,
    /// What happens beside.
    pub load: Load,
    /// Of texts.
    pub texts: Histogram<u64>,
    /// Of the bare echo, asked in turn with the texts.
    pub bare: Histogram<u64>,
    /// Bytes of files that moved meanwhile, and in how many seconds.
    pub moved: (f64, f64),
}

/// Measures.
///
/// # Errors
/// No folder, no room, or a process that failed.
pub fn measure(plan: &Plan, told: &mut Told) -> io::Result<Vec<Situation>> {
    let (folder, mut scratch) = folders::in_memory(plan)?;
    let size = plan.size();
    check_room(&folder, 2 * size)?;
    // What has arrived stays there until its run is over.
    let files = room(&folder).map_or(MOST_FILES, |room| (room / size).saturating_sub(1).clamp(1, MOST_FILES));
    let source = scratch.source("talk", size)?;
    let (runs, long) = match plan.effort {
        Effort::Quick => (1, 900),
        Effort::Usual => (1, 2_000),
        Effort::Full => (3, 5_000),
    };
    let mut situations = Vec::new();
    for encrypted in [false, true] {
        for load in [Load::Nothing, Load::Sending, Load::Receiving] {
            let (texts, bare) = (times()?, times()?);
            situations.push(Situation { encrypted, load, texts, bare, moved: (0.0, 0.0) });
        }
    }
    for _ in 0..runs {
        for encrypted in [false, true] {
            for load in [Load::Sending, Load::Receiving] {
                let beside = if encrypted { "encrypted texts" } else { "plain texts" };
                told.say(&format!("{beside}, at first alone, then while {} files", load.word()));
                let figures = ask(&source, files, encrypted, load, long, &mut scratch)?;
                for situation in situations.iter_mut().filter(|one| one.encrypted == encrypted) {
                    situation.take(&figures, load);
                }
            }
        }
    }
    scratch.remove()?;
    Ok(situations)
}

fn times() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).map_err(io::Error::other)
}

/// One run.
fn ask(file: &Path, files: u64, encrypted: bool, load: Load, long: u64, scratch: &mut Scratch) -> io::Result<Figures> {
    let how = How { encrypted, ..How::VERIFIED };
    let (ours, theirs) = (scratch.destination()?, scratch.destination()?);
    let receiver = how.of(Role::new("talk-answer").option("into", &theirs).option("file", file));
    let sender = how.of(Role::new("talk-ask").option("into", &ours).option("file", file));
    let [receiver, sender] = [receiver, sender].map(|role| role.option("files", files.to_string()));
    let sender = sender.option("long", long.to_string()).switch("sending", load == Load::Sending);
    let outcome = run(&receiver, sender)?;
    scratch.clear(&ours)?;
    scratch.clear(&theirs)?;
    Ok(outcome.sender)
}

impl Situation {
    /// Bytes of files a second; 0 without any.
    pub fn files_speed(&self) -> f64 {
        if self.moved.1 > 0.0 { self.moved.0 / self.moved.1 } else { 0.0 }
    }

    /// How many times as long as a bare echo a text takes. `None`: too few were measured to tell about so rare ones.
    pub fn ratio(&self, quantile: f64) -> Option<f64> {
        let there = self.texts.len().min(self.bare.len()) as f64 * (1.0 - quantile) >= FEWEST;
        let [ours, bare] = [&self.texts, &self.bare].map(|times| times.value_at_quantile(quantile) as f64);
        (there && bare > 0.0).then(|| ours / bare)
    }

    /// By how much a bare echo's 99th percentile exceeds its median, if that is more than [`INTERRUPTED`].
    pub fn interrupted(&self) -> Option<f64> {
        let [p50, p99] = [0.5, 0.99].map(|quantile| self.bare.value_at_quantile(quantile) as f64);
        (p50 > 0.0).then(|| p99 / p50).filter(|ratio| *ratio > INTERRUPTED)
    }

    /// Takes what it can use of a run under some load, which began without.
    fn take(&mut self, figures: &Figures, load: Load) {
        let kinds = match self.load {
            Load::Nothing => ["quiet-text", "quiet-bare"],
            other if other == load => ["text", "bare"],
            _ => return,
        };
        for (times, kind) in [&mut self.texts, &mut self.bare].into_iter().zip(kinds) {
            figures.all(kind).into_iter().for_each(|time| times.saturating_record(time as u64));
        }
        if self.load != Load::Nothing {
            self.moved.0 += figures.all("bytes").iter().sum::<f64>();
            self.moved.1 += figures.all("seconds").iter().sum::<f64>();
        }
    }
}

/// The one file, as often as it may be moved.
fn files(given: &mut Given) -> io::Result<Vec<PathBuf>> {
    let (file, files): (_, u64) = (PathBuf::from(given.value("file")?), given.read("files")?);
    Ok(vec![file; files.min(MOST_FILES) as usize])
}

/// Answers texts, and takes or offers files.
///
/// # Errors
/// The conversation failed.
pub fn answer(mut given: Given) -> io::Result<()> {
    let (into, files) = (given.value("into")?, files(&mut given)?);
    let mut side = Side::new("receiver", Some(Path::new(&into)), How::from(&mut given))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    ready.add("bare", listener.local_addr()?.port().into());
    let echo = thread::Builder::new().name("echo".into()).spawn(move || echo(&listener))?;
    // Before anybody calls: nobody listens to what is asked meanwhile.
    let files = side.prepare(&files)?;
    tell_ready(ready)?;

    side.wait_for_partner()?;
    answer_and_offer(&mut side, files)?;
    side.leave()?;
    echo.join().map_err(|_| io::Error::other("the echo panicked"))?
}

/// Answers every text until the other side leaves.
///
/// # Errors
/// The conversation failed.
pub fn answer_texts(side: &mut Side) -> io::Result<()> {
    answer_and_offer(side, Vec::new())
}

/// The same, and offers one of these files each time it is asked for [`MORE`].
fn answer_and_offer(side: &mut Side, mut files: Vec<Prepared>) -> io::Result<()> {
    // What finds the window full waits: not more than what the other side's window lets through.
    let mut answers = VecDeque::new();
    loop {
        let now = side.reactor.now();
        match side.turn(now + PAUSE)? {
            Some(NetEvent::Session(Event::Message { text, .. })) if text.as_bytes() == MORE.as_bytes() => {
                files.pop().map_or(Ok(()), |file| side.offer(file))?;
            }
            Some(NetEvent::Session(Event::Message { text, .. })) => {
                answers.push_back(String::from_utf8_lossy(text.as_bytes()).into_owned());
            }
            Some(NetEvent::Session(Event::PeerLeaving { .. })) => return Ok(()),
            _ => {}
        }
        let now = side.reactor.now();
        let session = side.reactor.session().ok_or(io::ErrorKind::NotConnected)?;
        while session.can_say()
            && let Some(answer) = answers.pop_front()
        {
            session.say(now, &answer).map_err(io::Error::other)?;
        }
    }
}

fn echo(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * PAYLOAD.len()];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// A question and its answer: when it was planned, how long it took from then on.
pub type Asked = (Instant, Duration);

/// Asks for a while, and then while files move.
///
/// # Errors
/// The conversation failed, or the echo.
pub fn ask_texts(mut given: Given) -> io::Result<()> {
    let (port, bare, long): (_, u16, u64) = (given.read("port")?, given.read("bare")?, given.read("long")?);
    let (into, files) = (given.value("into")?, files(&mut given)?);
    let (sending, long) = (given.has("sending"), Duration::from_millis(long));
    let mut side = Side::new("sender", Some(Path::new(&into)), How::from(&mut given))?;
    side.dial(port);
    side.wait_for_partner()?;
    let mut files = side.prepare(&files)?;
    let size = files.first().map_or(0, |file| file.size) as f64;

    let bare = Bare::connect(bare)?;
    let (ticked, ticks) = mpsc::channel();
    let ticker = Ticker { texts: (side.reactor.waker(), ticked), bare: (Arc::clone(&bare.waker), bare.ticked.clone()) };
    sys::start_thread("ticker", Box::new(move || ticker.run()))?;
    let mut texts = Texts::new(ticks);
    let start = Instant::now();
    while start.elapsed() < long {
        texts.step(&mut side)?;
    }

    let began = Instant::now();
    let (mut moved, mut ended) = (0.0, began);
    while let Some(file) = files.pop().filter(|_| began.elapsed() < long) {
        if sending {
            side.offer(file)?
        } else {
            texts.more = true
        }
        while !matches!(texts.step(&mut side)?, Some(Event::Sent { .. } | Event::Received { .. })) {}
        moved += size;
        ended = Instant::now();
    }
    let texts = texts.finish(&mut side)?;
    let bare = bare.finish()?;
    side.leave()?;

    let mut figures = Figures::default();
    figures.add("seconds", (ended - began).as_secs_f64());
    figures.add("bytes", moved);
    for (name, quiet, asked) in [("text", "quiet-text", texts), ("bare", "quiet-bare", bare)] {
        for (at, took) in asked.iter().filter(|(at, _)| *at < ended) {
            figures.add(if *at < began { quiet } else { name }, took.as_nanos() as f64);
        }
    }
    figures.print()
}

/// Where ticks go, and who is woken for them.
type Ticked = (Arc<Waker>, Sender<Instant>);

/// Wakes both loops, each in its turn, when a question was planned.
struct Ticker {
    texts: Ticked,
    bare: Ticked,
}

impl Ticker {
    /// Until one of them has gone.
    fn run(self) {
        sys::wake_precisely();
        let mut due = Instant::now();
        loop {
            for (waker, ticked) in [&self.texts, &self.bare] {
                due += TICK;
                thread::sleep(due.saturating_duration_since(Instant::now())); // paced: one text a tick
                if ticked.send(due).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        }
    }
}

/// The least that a loop can do which is woken, asks and hears: what a text's way is measured against.
struct Bare {
    waker: Arc<Waker>,
    ticked: Sender<Instant>,
    heard: JoinHandle<io::Result<Vec<Asked>>>,
}

impl Bare {
    fn connect(port: u16) -> io::Result<Self> {
        const STREAM: Token = Token(1);
        let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
        let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, STREAM, Interest::READABLE)?;
        let (ticked, ticks) = mpsc::channel::<Instant>();
        let ask = move || {
            let (mut under_way, mut heard, mut over) = (VecDeque::new(), Vec::new(), false);
            let (mut buffer, mut part) = ([0; 16 * PAYLOAD.len()], 0);
            loop {
                loop {
                    match ticks.try_recv() {
                        Ok(due) => {
                            // So few bytes fit into any socket at once.
                            stream.write_all(&PAYLOAD)?;
                            under_way.push_back(due);
                        }
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => {
                            over = true;
                            break;
                        }
                    }
                }
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(n) => part += n,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                    while part >= PAYLOAD.len()
                        && let Some(due) = under_way.pop_front()
                    {
                        part -= PAYLOAD.len();
                        heard.push((due, due.elapsed()));
                    }
                }
                if over && under_way.is_empty() {
                    return Ok(heard);
                }
                match poll.poll(&mut events, Some(PAUSE)) {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
            }
        };
        let heard = thread::Builder::new().name("bare".into()).spawn(ask)?;
        Ok(Self { waker, ticked, heard })
    }

    /// When the ticker has gone: waits for what is under way.
    fn finish(self) -> io::Result<Vec<Asked>> {
        drop(self.ticked);
        self.heard.join().map_err(|_| io::Error::other("the bare loop panicked"))?
    }
}

/// The texts of the asking side.
#[derive(Debug)]
pub struct Texts {
    ticks: Receiver<Instant>,
    /// Asked, and not said yet because the window is full.
    waiting: VecDeque<Instant>,
    /// Said, and not answered yet.
    under_way: VecDeque<Instant>,
    /// A file is to be asked for.
    more: bool,
    heard: Vec<Asked>,
}

impl Texts {
    /// One text for each tick.
    pub fn new(ticks: Receiver<Instant>) -> Self {
        Self { ticks, waiting: VecDeque::new(), under_way: VecDeque::new(), more: false, heard: Vec::new() }
    }

    /// One turn of the loop; what happened in it that is no answer.
    ///
    /// # Errors
    /// The conversation failed, or the ticker.
    pub fn step(&mut self, side: &mut Side) -> io::Result<Option<Event>> {
        loop {
            match self.ticks.try_recv() {
                Ok(at) => self.waiting.push_back(at),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(io::Error::other("the ticker has gone")),
            }
        }
        self.say(side)?;
        self.turn(side)
    }

    fn say(&mut self, side: &mut Side) -> io::Result<()> {
        let now = side.reactor.now();
        let session = side.reactor.session().ok_or(io::ErrorKind::NotConnected)?;
        if self.more && session.can_say() {
            session.say(now, MORE).map_err(io::Error::other)?;
            self.more = false;
        }
        while session.can_say()
            && let Some(at) = self.waiting.pop_front()
        {
            session.say(now, &String::from_utf8_lossy(&PAYLOAD)).map_err(io::Error::other)?;
            self.under_way.push_back(at);
        }
        Ok(())
    }

    fn turn(&mut self, side: &mut Side) -> io::Result<Option<Event>> {
        match side.turn(side.reactor.now() + PAUSE)? {
            Some(NetEvent::Session(Event::Message { .. })) => {
                let at = self.under_way.pop_front();
                let at = at.ok_or_else(|| io::Error::other("an answer came to no question"))?;
                self.heard.push((at, at.elapsed()));
                Ok(None)
            }
            Some(NetEvent::Session(event)) => Ok(Some(event)),
            _ => Ok(None),
        }
    }

    /// Asks no more, and waits for what is under way.
    ///
    /// # Errors
    /// The conversation failed.
    pub fn finish(mut self, side: &mut Side) -> io::Result<Vec<Asked>> {
        drop(self.ticks);
        self.ticks = mpsc::channel().1;
        while !(self.waiting.is_empty() && self.under_way.is_empty()) {
            self.say(side)?;
            self.turn(side)?;
        }
        Ok(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_of(values: impl Iterator<Item = u64>) -> Histogram<u64> {
        let mut times = times().unwrap();
        values.for_each(|value| times.record(value).unwrap());
        times
    }

    fn situation(texts: Histogram<u64>, bare: Histogram<u64>) -> Situation {
        Situation { encrypted: false, load: Load::Nothing, texts, bare, moved: (0.0, 0.0) }
    }

    #[test]
    fn a_ratio_is_told_only_of_what_was_met_often_enough() {
        let hundred = |scale: u64| times_of((1..=1000).map(|n| n * scale));
        let one = situation(hundred(3000), hundred(1000));
        assert!((one.ratio(0.5).unwrap() - 3.0).abs() < 0.01);
        assert!(one.ratio(0.99).is_some());
        assert_eq!(one.ratio(0.999), None);
    }

    #[test]
    fn an_echo_that_is_interrupted_is_noticed() {
        let steady = || times_of((0..1000).map(|n| 20_000 + n));
        let broken = times_of((0..1000).map(|n| if n % 20 == 0 { 2_000_000 } else { 20_000 }));
        assert_eq!(situation(steady(), steady()).interrupted(), None);
        assert!(situation(steady(), broken).interrupted().unwrap() > 90.0);
    }

    #[test]
    fn a_run_is_taken_where_it_belongs() {
        let mut figures = Figures::default();
        for (name, value) in
            [("quiet-text", 1e3), ("text", 2e3), ("text", 2e3), ("bare", 1e3), ("bytes", 8.0), ("seconds", 2.0)]
        {
            figures.add(name, value);
        }
        let taken = |load, run| {
            let mut one = Situation { load, ..situation(times().unwrap(), times().unwrap()) };
            one.take(&figures, run);
            (one.texts.len(), one.bare.len(), one.files_speed())
        };
        assert_eq!(taken(Load::Nothing, Load::Sending), (1, 0, 0.0));
        assert_eq!(taken(Load::Sending, Load::Sending), (2, 1, 4.0));
        assert_eq!(taken(Load::Receiving, Load::Sending), (0, 0, 0.0));
    }
}
