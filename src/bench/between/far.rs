//! The other side of a measurement between two machines: how it is reached, and how each way to lose it is told.
//!
//! Owns: the loop of one side, its waiting, its endings. Must not know: what is measured, what is shown.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::net::event::{Ending, Peer, Refuser, Signal};
use crate::net::standing::Callee;
use crate::net::{NetEvent, Reactor, Settings};
use crate::proto::TransferId;
use crate::proto::event::{Event, LeaveReason};
use crate::proto::frame::Refusal;
use crate::proto::session::{Ended, Session};
use crate::proto::text::Untrusted;
use crate::secure::code::OneTime;
use crate::secure::key::PublicKey;

use super::told::Notices;
use super::wish::Said;

/// How long it is waited for what is said in passing: an answer to what was asked, a goodbye.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What may still go on when it ends before its time.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Longest explanation of the other side's that is shown, in bytes.
const MAX_SHOWN: usize = 512;

/// Why it was not measured.
#[derive(Debug)]
pub enum Over {
    /// Nobody was reached.
    Unreached {
        /// What happened.
        words: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The other side does not let us in, or is not let in by us.
    NotLetIn {
        /// By whom.
        by: Refuser,
        /// Why, if the reason is one that we know.
        reason: Option<Refusal>,
        /// Why, in its words.
        words: Untrusted,
    },
    /// It has another key than it should.
    OtherKey {
        /// Where it was called.
        address: SocketAddr,
        /// The saved name that the expected key belongs to.
        name: Option<String>,
        /// The key that it should have.
        expected: PublicKey,
        /// The key that it has.
        got: PublicKey,
    },
    /// The connection was lost, or nothing came over it for too long.
    Lost(String),
    /// Something of it was not delivered.
    Undelivered(String),
    /// It is not to be measured so, or not with this other side.
    Failed(String),
    /// The other side left, and nothing was under way.
    Left,
    /// A signal asked us to end.
    Ending(Ending),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached { words, .. } | Self::Lost(words) | Self::Undelivered(words) | Self::Failed(words) => {
                f.write_str(words)
            }
            Self::NotLetIn { words, .. } => write!(f, "not let in: {}", shown(words)),
            Self::OtherKey { address, .. } => write!(f, "{address} has another key than it should"),
            Self::Left => f.write_str("the other side left"),
            Self::Ending(_) => f.write_str("a signal came"),
        }
    }
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        Self::Failed(crate::sys::words(&error))
    }
}

/// What was offered, and of how many bytes; `None`: as many as come.
pub type Offered = (TransferId, Option<u64>);

/// Our end of it.
#[derive(Debug)]
pub struct Far {
    reactor: Reactor,
    /// What was offered before it was agreed on: no more than a session lets wait.
    offered: Vec<Offered>,
    /// Who came while the end of the last conversation was still on its way.
    met: Option<Peer>,
}

impl Far {
    /// A side that has not met anybody yet.
    ///
    /// # Errors
    /// The system's.
    pub fn new(settings: Settings, code: Option<OneTime>) -> Result<Self, Over> {
        let mut reactor = Reactor::new(settings)?;
        code.into_iter().for_each(|code| reactor.set_code(code));
        Ok(Self { reactor, offered: Vec::new(), met: None })
    }

    /// Listens; where.
    ///
    /// # Errors
    /// It cannot there.
    pub fn listen(&mut self, ip: Option<IpAddr>, port: u16) -> Result<Vec<SocketAddr>, Over> {
        self.reactor.listen(ip, port).map_err(|error| {
            let place = ip.map_or_else(|| format!("port {port}"), |ip| SocketAddr::new(ip, port).to_string());
            Over::Failed(format!("cannot listen on {place}: {}", crate::sys::words(&error)))
        })
    }

    /// Calls the other side until it answers, for `patience` at most.
    ///
    /// # Errors
    /// It was not reached, or it does not let us in.
    pub fn call(&mut self, callee: Callee, patience: Option<Duration>, notices: &mut Notices) -> Result<Peer, Over> {
        self.reactor.let_in_only_callee();
        self.reactor.dial(callee, patience);
        self.meet(notices)
    }

    /// Waits until somebody is there.
    ///
    /// # Errors
    /// Whom we call does not let us in; a signal. Who is not let in by us is told, and waited on.
    pub fn meet(&mut self, notices: &mut Notices) -> Result<Peer, Over> {
        if let Some(peer) = self.met.take() {
            return Ok(peer);
        }
        loop {
            match self.turn(None)? {
                Some(NetEvent::Connected(peer)) => {
                    self.offered.clear();
                    return Ok(peer);
                }
                Some(NetEvent::CallerRefused { address, reason }) => {
                    notices.say(&format!("a caller from {address} was not let in: {reason}"));
                }
                Some(NetEvent::Unanswered { to, words }) => notices.say_once(&format!("{to}: {words}; trying again")),
                Some(NetEvent::Saved { name }) => notices.say(&format!("saved as {name}: known from now on")),
                Some(NetEvent::CodeOver(over)) => notices.say(&format!("{over}; --new-code makes another one")),
                Some(NetEvent::Trouble { words, hint }) => notices.say(&format!("{words}; {hint}")),
                _ => {}
            }
        }
    }

    /// What happened next, if anything did in one turn of the loop, which waits `until` then. That it is over is an
    /// error here.
    ///
    /// # Errors
    /// The conversation ended, or there will be none; a signal came.
    pub fn turn(&mut self, until: Option<Instant>) -> Result<Option<NetEvent>, Over> {
        if let Some(Signal::End(ending)) = self.reactor.poll_signal() {
            return Err(Over::Ending(ending));
        }
        let Some(event) = self.reactor.poll_event() else {
            self.reactor.turn(until)?;
            return Ok(None);
        };
        Err(match event {
            NetEvent::DialFailed { words, hint } => Over::Unreached { words, hint },
            NetEvent::NotLetIn { by, reason, words } => Over::NotLetIn { by, reason, words },
            NetEvent::OtherKey { address, name, expected, got } => Over::OtherKey { address, name, expected, got },
            NetEvent::Ended { ended, .. } => over(&ended),
            NetEvent::Session(Event::Failed { reason, .. }) => Over::Undelivered(shown(&reason)),
            event => return Ok(Some(event)),
        })
    }

    /// The moment of the last turn.
    pub fn now(&self) -> Instant {
        self.reactor.now()
    }

    /// The loop, for what is offered.
    pub fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    /// The conversation.
    ///
    /// # Errors
    /// There is none.
    pub fn session(&mut self) -> Result<&mut Session, Over> {
        self.reactor.session().ok_or_else(|| Over::Lost("there is no conversation".to_owned()))
    }

    /// Says something.
    ///
    /// # Errors
    /// The conversation is ending.
    pub fn say(&mut self, said: Said) -> Result<(), Over> {
        let now = self.now();
        let said = self.session()?.say(now, &said.text());
        said.map(drop).map_err(|error| Over::Lost(error.to_string()))
    }

    /// The next thing that the other side says; `None`: nothing that can be understood came within [`PATIENCE`], or it
    /// leaves.
    ///
    /// # Errors
    /// As of [`turn`](Self::turn).
    pub fn hear(&mut self) -> Result<Option<Said>, Over> {
        let latest = self.now() + PATIENCE;
        while self.now() < latest {
            match self.turn(Some(latest))? {
                Some(NetEvent::Session(Event::Message { text, .. })) => return Ok(Said::read(text.as_bytes())),
                Some(NetEvent::Session(Event::PeerLeaving { .. })) => return Ok(None),
                // It may overtake the word that agrees on it; a goodbye refuses it.
                Some(NetEvent::Session(Event::Offer { id, size, .. })) => self.offered.push((id, size)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// What was offered while it was waited for a word.
    pub fn take_offered(&mut self) -> Vec<Offered> {
        std::mem::take(&mut self.offered)
    }

    /// Takes an offered file.
    ///
    /// # Errors
    /// There is no conversation.
    pub fn accept(&mut self, id: TransferId) -> Result<(), Over> {
        let now = self.now();
        self.session()?.accept(now, Some(id)).map(drop).map_err(|error| Over::Lost(error.to_string()))
    }

    /// Does not take an offered file.
    ///
    /// # Errors
    /// There is no conversation.
    pub fn refuse(&mut self, id: TransferId) -> Result<(), Over> {
        let now = self.now();
        // It may have been withdrawn in the meantime.
        let _ = self.session()?.refuse(now, Some(id));
        Ok(())
    }

    /// Says something to a person, and goodbye.
    ///
    /// # Errors
    /// The conversation is over, or the goodbye never went through.
    pub fn explain(&mut self, words: &str) -> Result<(), Over> {
        let now = self.now();
        self.session()?.say(now, words).map_err(|error| Over::Lost(error.to_string()))?;
        self.leave()
    }

    /// Waits until the other side has said goodbye, and says it too. It may already have.
    ///
    /// # Errors
    /// It never came.
    pub fn await_goodbye(&mut self) -> Result<(), Over> {
        let latest = self.now() + PATIENCE;
        while !self.session()?.peer_is_leaving() && self.now() < latest {
            self.turn(Some(latest))?;
        }
        self.leave()
    }

    /// Says goodbye when all is through, and waits for the other side's.
    ///
    /// # Errors
    /// It never came.
    pub fn leave(&mut self) -> Result<(), Over> {
        let now = self.now();
        self.session()?.leave(now, LeaveReason::Done, Some(PATIENCE));
        self.finish(PATIENCE)
    }

    /// Ends a conversation before its time, if there is one, and says why as far as there is a word for it.
    pub fn part(&mut self, over: &Over) {
        if self.met.is_some() && !matches!(over, Over::Ending(_)) {
            return; // that is over, and the conversation that there is has somebody else in it
        }
        let now = self.now();
        let reason = if matches!(over, Over::Ending(_)) { LeaveReason::Interrupted } else { LeaveReason::Failed };
        if let Some(session) = self.reactor.session() {
            session.cut(now, reason);
            if let Err(error) = self.finish(LAST_WORDS) {
                log::debug!("the end of it: {error:?}");
            }
        }
    }

    /// Waits until nothing is under way any more.
    fn finish(&mut self, patience: Duration) -> Result<(), Over> {
        let latest = self.now() + patience;
        let mut over = None;
        while !self.reactor.is_quiet() {
            if self.now() >= latest {
                return Err(Over::Lost("the goodbye never went through".to_owned()));
            }
            match self.turn(Some(latest)) {
                Err(Over::Left) => {}
                Err(error) => over = Some(error),
                Ok(Some(NetEvent::Connected(peer))) => {
                    self.offered.clear();
                    self.met = Some(peer);
                    break;
                }
                Ok(_) => {}
            }
        }
        over.map_or(Ok(()), Err)
    }
}

fn over(ended: &Ended) -> Over {
    match ended {
        Ended::Left => Over::Left,
        Ended::Cut => Over::Undelivered("left before everything was through".to_owned()),
        Ended::Unanswered => Over::Undelivered("the other side was not there to say goodbye to".to_owned()),
        Ended::PeerCut => Over::Undelivered("the other side left before everything was through".to_owned()),
        Ended::Lost(words) => Over::Lost(format!("lost the connection: {words}")),
        Ended::Broken(error) => Over::Failed(format!("the other side broke the protocol: {error}")),
    }
}

/// What the other side explains, as it may stand in a line.
pub fn shown(words: &Untrusted) -> String {
    words.shown_within(MAX_SHOWN).to_string()
}
