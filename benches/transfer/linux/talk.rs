//! Texts beside a file: how long one takes there and back while a file moves as fast as it can, beside a bare ping
//! over a connection of its own at the same time.
//!
//! Owns: both ends of such a run, and the table. Must not know: how files move.
//!
//! ```text
//!   sender                                                        receiver
//!   loop: offers the file, says a text when woken  <== tete ==>   loop: takes the file, answers texts
//!   ticker: every ms in turn wakes the loop, or pings  -- TCP ->  echo: answers pings
//!   ear: hears the pings' answers                      <- TCP --
//! ```
//!
//! Nobody waits for an answer before asking again, so that a slow moment is met by as many questions as a fast one.
//! A question's time begins when the ticker wakes up: waking the loop is part of a text's way, as it is of what a
//! person types.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use mio::Waker;

use tete::net::NetEvent;
use tete::proto::event::Event;

use super::Plan;
use super::figures::{Figures, percentile};
use super::process::{Role, run, tell_ready};
use super::scratch::Scratch;
use super::side::{How, Side};

/// What goes there and back.
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Between two questions; every other one is a text.
const TICK: Duration = Duration::from_millis(1);
/// Before the file begins, for comparison.
const QUIET: Duration = Duration::from_millis(300);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds of files moving that are enough, and runs that are enough.
const ENOUGH: f64 = 5.0;
const MOST_RUNS: usize = 12;
/// What is wanted: how many times a bare ping's round trip a text's may take, as p50 and p99.
const TARGETS: [(usize, f64); 2] = [(50, 2.0), (99, 3.0)];

/// The receiving end.
#[derive(Args, Debug)]
pub(crate) struct Receive {
    #[arg(long)]
    into: PathBuf,
}

/// The sending end.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    pings: u16,
    #[arg(long)]
    file: PathBuf,
}

/// Receives, and answers every text and every ping.
pub(crate) fn receive(args: &Receive) -> io::Result<()> {
    let mut side = Side::new("receiver", Some(&args.into), How::default())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    ready.add("pings", listener.local_addr()?.port().into());
    let echo = thread::Builder::new().name("echo".into()).spawn(move || echo(&listener))?;
    tell_ready(ready)?;

    side.wait_for_partner()?;
    answer_texts(&mut side)?;
    side.leave()?;
    echo.join().map_err(|_| io::Error::other("the echo panicked"))?
}

/// Answers every text until the other side leaves.
pub(crate) fn answer_texts(side: &mut Side) -> io::Result<()> {
    loop {
        match side.next_event()? {
            NetEvent::Session(Event::Message { text, .. }) => {
                let now = side.reactor.now();
                let session = side.reactor.session().ok_or(io::ErrorKind::NotConnected)?;
                session.say(now, &String::from_utf8_lossy(text.as_bytes())).map_err(io::Error::other)?;
            }
            NetEvent::Session(Event::PeerLeaving { .. }) => return Ok(()),
            _ => {}
        }
    }
}

fn echo(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = PAYLOAD;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// A question and its answer.
pub(crate) type Asked = (Instant, Duration);

/// Sends one file, and asks before and while it moves.
pub(crate) fn send(args: &Send) -> io::Result<()> {
    let mut side = Side::new("sender", None, How::default())?;
    side.dial(args.port);
    side.wait_for_partner()?;
    let file = side.prepare(std::slice::from_ref(&args.file))?;
    let size: u64 = file.iter().map(|file| file.size).sum();

    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, args.pings))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (asked, to_hear) = mpsc::channel();
    let (ticked, ticks) = mpsc::channel();
    let ear = stream.try_clone()?;
    let ear = thread::Builder::new().name("ear".into()).spawn(move || hear(ear, &to_hear))?;
    let waker = side.reactor.waker();
    thread::Builder::new().name("ticker".into()).spawn(move || {
        // It ends when the loop, or the ear, has gone.
        if let Err(error) = tick(&waker, &ticked, stream, &asked) {
            log::debug!("the ticker: {error}");
        }
    })?;

    let mut texts = Texts::new(ticks);
    let start = Instant::now();
    while start.elapsed() < QUIET {
        texts.step(&mut side)?;
    }
    let began = Instant::now();
    for file in file {
        side.offer(file)?;
    }
    while !texts.step(&mut side)? {}
    let ended = Instant::now();
    let texts = texts.finish(&mut side)?;
    let pings = ear.join().map_err(|_| io::Error::other("the ear panicked"))??;
    side.leave()?;

    let mut figures = Figures::default();
    figures.add("seconds", (ended - began).as_secs_f64());
    figures.add("bytes", size as f64);
    for (name, quiet, asked) in [("text", "quiet-text", texts), ("ping", "quiet-ping", pings)] {
        for (at, took) in asked.iter().filter(|(at, _)| *at < ended) {
            figures.add(if *at < began { quiet } else { name }, took.as_secs_f64() * 1e6);
        }
    }
    figures.print()
}

/// Asks in turn until somebody has gone.
fn tick(waker: &Waker, texts: &Sender<Instant>, mut pings: TcpStream, asked: &Sender<Instant>) -> io::Result<()> {
    let gone = |_| io::Error::other("nobody waits for it");
    let mut due = Instant::now();
    for turn in 0_u64.. {
        due += TICK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        if turn % 2 == 0 {
            texts.send(now).map_err(gone)?;
            waker.wake()?;
        } else {
            asked.send(now).map_err(gone)?;
            pings.write_all(&PAYLOAD)?;
        }
    }
    Ok(())
}

/// Hears the answers to pings until the ticker has gone and all have come.
fn hear(mut stream: TcpStream, asked: &Receiver<Instant>) -> io::Result<Vec<Asked>> {
    let mut heard = Vec::new();
    let mut buffer = PAYLOAD;
    while let Ok(at) = asked.recv() {
        stream.read_exact(&mut buffer)?;
        heard.push((at, at.elapsed()));
    }
    Ok(heard)
}

/// The texts of the asking side.
pub(crate) struct Texts {
    ticks: Receiver<Instant>,
    /// Asked, and not said yet because the window is full.
    waiting: VecDeque<Instant>,
    /// Said, and not answered yet.
    under_way: VecDeque<Instant>,
    heard: Vec<Asked>,
}

impl Texts {
    /// One text for each tick.
    pub(crate) fn new(ticks: Receiver<Instant>) -> Self {
        Self { ticks, waiting: VecDeque::new(), under_way: VecDeque::new(), heard: Vec::new() }
    }

    /// One turn of the loop; whether the file has arrived.
    pub(crate) fn step(&mut self, side: &mut Side) -> io::Result<bool> {
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
        while session.can_say()
            && let Some(at) = self.waiting.pop_front()
        {
            session.say(now, &String::from_utf8_lossy(&PAYLOAD)).map_err(io::Error::other)?;
            self.under_way.push_back(at);
        }
        Ok(())
    }

    fn turn(&mut self, side: &mut Side) -> io::Result<bool> {
        match side.turn(side.reactor.now() + QUIET)? {
            Some(NetEvent::Session(Event::Message { .. })) => {
                let at = self.under_way.pop_front();
                let at = at.ok_or_else(|| io::Error::other("an answer came to no question"))?;
                self.heard.push((at, at.elapsed()));
                Ok(false)
            }
            Some(NetEvent::Session(Event::Sent { .. })) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Asks no more, and waits for what is under way.
    pub(crate) fn finish(mut self, side: &mut Side) -> io::Result<Vec<Asked>> {
        drop(self.ticks);
        self.ticks = mpsc::channel().1;
        while !(self.waiting.is_empty() && self.under_way.is_empty()) {
            self.say(side)?;
            self.turn(side)?;
        }
        Ok(self.heard)
    }
}

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    let file = scratch.source("talk", plan.size)?;
    let mut all: [(&str, Vec<f64>); 4] = ["quiet-ping", "quiet-text", "ping", "text"].map(|name| (name, Vec::new()));
    let (mut seconds, mut bytes, mut runs) = (0.0, 0.0, 0);
    while seconds < ENOUGH && runs < MOST_RUNS {
        let into = scratch.destination()?;
        let receiver = Role::new("talk-receive").option("into", &into);
        let outcome = run(&receiver, Role::new("talk-send").option("file", &file))?;
        scratch.clear(&into)?;
        for (name, values) in &mut all {
            values.append(&mut outcome.sender.all(name));
        }
        seconds += outcome.sender.one("seconds")?;
        bytes += outcome.sender.one("bytes")?;
        runs += 1;
    }

    let speed = bytes / 1e9 / seconds;
    println!("talk: round trip of a {}-byte text and of a bare ping in turn, one of them every ms, µs:", PAYLOAD.len());
    println!("  (beside files at {speed:.2} GB/s, for {seconds:.1} s in {runs} runs)");
    let words = ["no file: ping", "no file: text", "beside a file: ping", "beside a file: text"];
    for (words, (_, values)) in words.iter().zip(&all) {
        let [p50, p99] = [50, 99].map(|percent| percentile(values, percent));
        println!("  {words:20}  p50 {p50:7.0}  p99 {p99:7.0}  of {}", values.len());
    }
    for (percent, target) in TARGETS {
        let [quiet, file] = [0, 2].map(|of| percentile(&all[of + 1].1, percent) / percentile(&all[of].1, percent));
        println!("  p{percent}: text / ping {file:.2} (wanted: at most {target}); without a file {quiet:.2}");
    }
    Ok(())
}
