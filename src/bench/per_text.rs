//! System calls that a text costs, counted by strace.
//!
//! Owns: a conversation of so many texts and nothing else, and the same over a bare loop. Must not know: how a figure is
//! shown.
//!
//! ```text
//!   asks: says one, waits for its answer, says the next   <= tete, plain and encrypted, and a bare mio loop =>   answers
//! ```
//!
//! A run without texts is counted too, and taken off: what is left is of the texts alone. One goes at a time, so that each
//! pays for its own waking up; where several wait they share it, and cost less.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use mio::{Events, Interest, Poll, Token};

use crate::net::NetEvent;
use crate::proto::event::Event;

use super::Told;
use super::calls::available;
use super::figures::Figures;
use super::folders;
use super::plan::Plan;
use super::process::{run_counted, tell_ready};
use super::role::{Given, Role};
use super::side::{How, Side};
use super::talk::answer_texts;

/// Texts of a run. A traced one takes some 0.2 ms.
const TEXTS: u32 = 1_000;
const PAYLOAD: [u8; 64] = [b'x'; 64];

/// What carries the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A connection without frames and sessions, driven by the least loop that there is.
    Bare,
    /// tete, with `--plain`.
    Plain,
    /// tete.
    Encrypted,
}

impl Over {
    /// All.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Plain, Self::Encrypted];

    /// As a table calls it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Bare => "bare echo",
            Self::Plain => "tete, plain",
            Self::Encrypted => "tete, encrypted",
        }
    }

    /// One word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
        }
    }

    /// Who answers, and who asks so many texts.
    fn roles(self, texts: u32) -> (Role, Role) {
        let texts = texts.to_string();
        match self {
            Self::Bare => (Role::new("bare-answer"), Role::new("bare-ask").option("texts", texts)),
            Self::Plain | Self::Encrypted => {
                let how = How { encrypted: self == Self::Encrypted, ..How::VERIFIED };
                (how.of(Role::new("texts-answer")), how.of(Role::new("texts-ask").option("texts", texts)))
            }
        }
    }
}

/// System calls for a text and its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerText {
    /// What carries it.
    pub over: Over,
    /// Of who asks, and of who answers.
    pub calls: [f64; 2],
}

/// Counts; or, inside the result, why it cannot be counted here.
///
/// # Errors
/// No folder, or a process that failed.
pub fn measure(plan: &Plan, told: &mut Told) -> io::Result<Result<Vec<PerText>, String>> {
    if let Err(why) = available() {
        return Ok(Err(why));
    }
    let (_, scratch) = folders::in_memory(plan)?;
    let mut all = Vec::new();
    for over in Over::ALL {
        told.say(&format!("counting system calls of texts: {}", over.words()));
        let count = |texts| {
            let (answers, asks) = over.roles(texts);
            run_counted(scratch.room(), &answers, asks).map(|(_, calls)| calls)
        };
        let ([asks, answers], [asks_least, answers_least]) = (count(TEXTS)?, count(0)?);
        let each = [asks.beyond(&asks_least), answers.beyond(&answers_least)];
        all.push(PerText { over, calls: each.map(|calls| calls.total() as f64 / f64::from(TEXTS)) });
    }
    scratch.remove()?;
    Ok(Ok(all))
}

/// Answers texts until the other side leaves.
///
/// # Errors
/// The conversation failed.
pub fn answer(mut given: Given) -> io::Result<()> {
    let mut side = Side::new("answers", None, How::from(&mut given))?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    tell_ready(ready)?;
    side.wait_for_partner()?;
    answer_texts(&mut side)?;
    side.leave()
}

/// Says one text after the other, each when the last one was answered.
///
/// # Errors
/// The conversation failed.
pub fn ask(mut given: Given) -> io::Result<()> {
    let (port, texts): (_, u32) = (given.read("port")?, given.read("texts")?);
    let mut side = Side::new("asks", None, How::from(&mut given))?;
    side.dial(port);
    side.wait_for_partner()?;
    let text = String::from_utf8_lossy(&PAYLOAD);
    for _ in 0..texts {
        let now = side.reactor.now();
        let session = side.reactor.session().ok_or(io::ErrorKind::NotConnected)?;
        session.say(now, &text).map_err(io::Error::other)?;
        while !matches!(side.next_event()?, NetEvent::Session(Event::Message { .. })) {}
    }
    side.leave()
}

/// The least loop: waits until something can be read, and reads until nothing is left.
struct Bare {
    poll: Poll,
    events: Events,
    stream: mio::net::TcpStream,
    ended: bool,
}

impl Bare {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let (poll, mut stream) = (Poll::new()?, mio::net::TcpStream::from_std(stream));
        poll.registry().register(&mut stream, Token(0), Interest::READABLE)?;
        Ok(Self { poll, events: Events::with_capacity(8), stream, ended: false })
    }

    /// Waits for bytes; how many came, 0 at the end. So few come at once.
    fn hear(&mut self) -> io::Result<usize> {
        let (mut buffer, mut heard) = ([0; 16 * PAYLOAD.len()], 0);
        while heard == 0 && !self.ended {
            match self.poll.poll(&mut self.events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            loop {
                match self.stream.read(&mut buffer) {
                    Ok(0) => {
                        self.ended = true;
                        break;
                    }
                    Ok(n) => heard += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(heard)
    }
}

/// The bare one who answers.
///
/// # Errors
/// The system's.
pub fn answer_bare(_: Given) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut ready = Figures::default();
    ready.add("port", listener.local_addr()?.port().into());
    tell_ready(ready)?;
    let mut bare = Bare::new(listener.accept()?.0)?;
    loop {
        match bare.hear()? {
            0 => return Ok(()),
            n => (0..n / PAYLOAD.len()).try_for_each(|_| bare.stream.write_all(&PAYLOAD))?,
        }
    }
}

/// The bare one who asks.
///
/// # Errors
/// The system's; the other side went.
pub fn ask_bare(mut given: Given) -> io::Result<()> {
    let (port, texts): (u16, u32) = (given.read("port")?, given.read("texts")?);
    let mut bare = Bare::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)?;
    for _ in 0..texts {
        bare.stream.write_all(&PAYLOAD)?;
        let mut left = PAYLOAD.len();
        while left > 0 {
            match bare.hear()? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => left = left.saturating_sub(n),
            }
        }
    }
    Ok(())
}
