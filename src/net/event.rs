//! What the reactor tells besides what a session does.
//!
//! Owns: the vocabulary. Must not know: how it is shown.

use std::net::SocketAddr;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGWINCH, SIGXFSZ};

use crate::proto::event::Event;
use crate::proto::frame::Refusal;
use crate::proto::session::Ended;
use crate::proto::text::Untrusted;

use crate::secure::code::Over;
use crate::secure::key::PublicKey;
use crate::sys;

use super::conversation::Anew;
use super::listing::Listed;
use super::source::Sources;
use super::standing::Standing;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// How the peer wants to be seen: shown, never trusted.
    pub name: Untrusted,
    /// Where the connection comes from, or leads to.
    pub address: SocketAddr,
    /// Where the peer listens, 0 if nowhere.
    pub port: u16,
    /// Whether we called.
    pub dialled: bool,
    /// The key that it has proved to hold; `None` on a plain link.
    pub key: Option<PublicKey>,
    /// Why it was let in.
    pub standing: Standing,
    /// The name under which its key was saved before: that one is ours, and proved.
    pub saved: Option<String>,
}

/// Who does not let the other one in, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuser {
    /// The other side.
    Peer {
        /// Whether a person was asked about us there, as it has said.
        asked: bool,
    },
    /// We, by a rule of ours.
    Rule,
    /// Our user, who was asked.
    User,
    /// Our user was asked, and has not answered.
    Nobody,
}

/// Texts of ours that nobody has acknowledged: the last of the conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many.
    pub count: usize,
    /// The number of the first of them, if there are any.
    pub first: u64,
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The program shall end.
    End(Ending),
    /// SIGWINCH: the terminal has another size.
    Resized,
    /// SIGCONT: it goes on, and others may have used the terminal meanwhile.
    Continued,
}

/// Which signals become events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heeds {
    /// None.
    Nothing,
    /// Those that end the program: SIGINT, SIGTERM, and SIGHUP if it was not ignored when we began.
    Endings,
    /// Those, and those about the terminal that we have to ourselves: SIGWINCH, SIGCONT.
    Terminal,
}

impl Heeds {
    /// Those to be caught, by their numbers; `None`: none are.
    pub(super) fn signals(self) -> Option<Vec<i32>> {
        // SIGXFSZ is caught so that it does not kill: the write that met the limit fails with EFBIG instead.
        // SIGCONT tells that time has passed in which we did not run.
        let mut signals = vec![SIGINT, SIGTERM, SIGXFSZ, SIGCONT];
        // Who starts us deaf to SIGHUP wants us to outlive the terminal: nohup(1).
        signals.extend((!sys::ignores_hang_up()).then_some(SIGHUP));
        match self {
            Self::Nothing => return None,
            Self::Endings => {}
            Self::Terminal => signals.push(SIGWINCH),
        }
        Some(signals)
    }
}

/// What happened.
#[derive(Debug)]
pub enum NetEvent {
    /// An attempt to reach the peer begins.
    Dialling {
        /// Whom.
        to: String,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// Nobody answered, for now.
    Unanswered {
        /// Whom.
        to: String,
        /// Why, in the system's words.
        words: String,
    },
    /// The peer's user is being asked about us.
    AskedAbout,
    /// The peer cannot be reached; no further attempt is made.
    DialFailed {
        /// What happened.
        words: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Whom we called does not let us in, or is not let in by us; no further attempt is made.
    NotLetIn {
        /// By whom.
        by: Refuser,
        /// Why, if the reason is one that we know.
        reason: Option<Refusal>,
        /// Why, in the words of who does not.
        words: Untrusted,
    },
    /// A caller was not let in.
    CallerRefused {
        /// From where.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Whom we called has another key than it should; no further attempt is made.
    OtherKey {
        /// Where it was called.
        address: SocketAddr,
        /// The saved name that the expected key belongs to; `None`: our user gave that key.
        name: Option<String>,
        /// The key that it should have.
        expected: PublicKey,
        /// The key that it has.
        got: PublicKey,
    },
    /// Our one-time code proves nothing any more.
    CodeOver(Over),
    /// Something that our user should know of is wrong on this side.
    Trouble {
        /// What happened.
        words: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The peer was saved.
    Saved {
        /// Under this name.
        name: String,
    },
    /// A caller is at the gate and our user is to be asked.
    Question {
        /// Names the question in [`Reactor::answer_question`](super::Reactor::answer_question).
        id: u64,
        /// From where, or where it was called.
        address: SocketAddr,
        /// Its key; `None` on a plain link.
        key: Option<PublicKey>,
        /// Whether we called it.
        dialled: bool,
    },
    /// A caller who was being asked about is gone.
    QuestionOver {
        /// Which question.
        id: u64,
    },
    /// A conversation begins.
    Connected(Peer),
    /// Something happened in the conversation.
    Session(Event),
    /// The conversation is over; it had no more events.
    Ended {
        /// How.
        ended: Ended,
        /// Texts of ours that nobody acknowledged.
        unread: Unread,
        /// Whether the partner is there again, and knows nothing of it.
        anew: Option<Anew>,
    },
    /// The answer to [`Reactor::prepare`](super::Reactor::prepare).
    Prepared {
        /// The number that `prepare` gave.
        request: u64,
        /// The files, and what could not be one.
        found: Result<Sources, String>,
    },
    /// The answer to [`Reactor::list`](super::Reactor::list).
    Listed {
        /// The number that `list` gave.
        request: u64,
        /// The names, in order, or what is wrong with the folder.
        found: Result<Vec<Listed>, String>,
    },
    /// The answer to [`Reactor::list_peers`](super::Reactor::list_peers).
    KnownPeers {
        /// The number that `list_peers` gave.
        request: u64,
        /// Under which names they are saved, or why that cannot be told.
        names: Result<Vec<String>, String>,
    },
}
