//! The gate of one link: from the first byte to "both are let in".
//!
//! Owns: HELLO, WAIT, WELCOME and REFUSED, and that nothing else is accepted before both have said WELCOME.
//! Must not know: who may be let in. It asks its owner ([`Step::Judge`]) and does what it is told.
//!
//! ```text
//!             HELLO             welcome()               WELCOME
//!   Greeting -------> Judging -----------> Welcoming -------------------> Open      the side that follows
//!       |
//!       |     HELLO                   WELCOME           welcome()
//!       `-----------> Following up -----------> Judging ------------> Open          the side that leads
//!
//!   Judging, Welcoming -- join() --> Joining -- WELCOME with a right claim --> Joined     a link for files
//!   Judging, Welcoming -- WELCOME with a claim --> Judging -- join() --> Joined
//!
//!   Greeting -- HELLO, and both hold a code --> Pairing -- paired() --> Judging or Following up
//!
//!   Judging, Pairing -- refuse() --> Closed;    any but Greeting -- REFUSED of theirs --> Closed
//! ```
//!
//! The side with the greater nonce leads: it alone hands out the session, and it speaks last, so that its WELCOME
//! decides. When both sides dial each other, two links of the same two processes arrive here; the leading side makes a
//! session of the first that is ready, and the other becomes the link for its files. And a caller that never gets as
//! far as WELCOME keeps nobody else out.
//!
//! Who both hold a one-time code prove it to each other before anything else ([`Step::Prove`]); the messages pass through
//! here unread.
//!
//! A link for files needs a [`Claim`] of each side; [`claim`](super::claim) tells why the calling side's comes first.

use super::claim::{Binding, Claim};
use super::decoder::{Decoded, Decoder};
use super::error::ProtocolError;
use super::frame::{Assigned, Frame, Kind, Refusal, SessionTicket, Welcome};
use super::hello::{Hello, MAX_HELLO, Nonce, PREAMBLE, Purpose};
use super::text::Untrusted;

/// Bytes that somebody may say before it is let in. HELLO, WAIT and WELCOME together are under 2 KiB; the rest is room
/// for what later versions add as frames that we skip.
pub const MAX_OPENING: usize = 64 * 1024;

/// What the owner of an opening has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    Nothing,
    /// Both hold a one-time code: prove it (`pair`), then go on (`paired`) or `refuse`.
    Prove,
    /// A message of the other side's proof.
    Pair(Vec<u8>),
    /// Decide about the other side: `welcome`, `join`, `wait` or `refuse`, or later.
    Judge(Hello),
    /// Refuse the other side if it can be told already that it will not be let in; it has more to say otherwise.
    Look(Hello),
    /// The peer is asking a person about us.
    AskedAbout,
    /// Both have welcomed each other: a conversation begins.
    Open(Opened),
    /// Both have proved that they belong to the same session: this is its link for files.
    Joined {
        /// Which link of the session it is.
        epoch: u32,
    },
    /// The peer does not let us in.
    Refused {
        /// Why, if the reason is one that we know.
        reason: Option<Refusal>,
        /// Why, in the peer's words.
        words: Untrusted,
    },
}

/// A link through the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Names the session.
    pub ticket: SessionTicket,
    /// Whether we are the side that assigned it.
    pub lead: bool,
    /// How the peer wants to be seen.
    pub name: Untrusted,
    /// Where the peer listens, 0 if nowhere.
    pub port: u16,
}

#[derive(Debug)]
enum State {
    Greeting,
    /// Both prove that they hold the same code.
    Pairing,
    /// We lead, and the peer has to want us first.
    FollowingUp,
    /// `theirs` is there when we lead, or when it has a claim in it.
    Judging {
        theirs: Option<Welcome>,
    },
    Welcoming,
    /// We have made our claim to this session and wait for theirs.
    Joining {
        ticket: SessionTicket,
        epoch: u32,
    },
    Closed,
}

/// One link that is not let in yet.
#[derive(Debug)]
pub struct Opening {
    ours: Hello,
    /// What claims on this link are bound to.
    binding: Binding,
    peer: Option<Hello>,
    state: State,
    hello: Vec<u8>,
    decoder: Decoder,
    out: Vec<u8>,
    /// Bytes taken so far.
    taken: usize,
    /// Whether the peer has said that a person is being asked.
    asked_about: bool,
    /// Whether a person of ours is being asked.
    asking: bool,
    /// Whether it can only become a link of the session that there is: nobody has judged it for a new one.
    join_only: bool,
    /// The session that we have made our claim to.
    claimed: Option<SessionTicket>,
}

impl Opening {
    /// A fresh link with this binding, on which we greet like this. The greeting is ready to be sent.
    pub fn new(ours: Hello, binding: Binding) -> Self {
        Self {
            ours,
            binding,
            peer: None,
            state: State::Greeting,
            hello: Vec::new(),
            decoder: Decoder::default(),
            out: ours.encode(),
            taken: 0,
            asked_about: false,
            asking: false,
            join_only: false,
            claimed: None,
        }
    }

    /// Who is at the other end, once its HELLO has come.
    pub fn peer(&self) -> Option<Nonce> {
        self.peer.map(|hello| hello.nonce)
    }

    /// What the peer has greeted us with.
    pub fn hello(&self) -> Option<Hello> {
        self.peer
    }

    /// Whether it has got so far that it could become a link of a session that has begun meanwhile.
    pub fn may_join(&self) -> bool {
        matches!(self.state, State::Judging { .. } | State::Welcoming)
    }

    /// Whether it has been let in by us, and waits for the other side.
    pub fn is_welcoming(&self) -> bool {
        matches!(self.state, State::Welcoming)
    }

    /// Whether we are the side that hands out the session.
    pub fn leads(&self) -> bool {
        self.peer.is_some_and(|peer| self.ours.nonce > peer.nonce)
    }

    /// Whether it is to be the talk link of a conversation that has lost its own.
    pub fn is_return(&self) -> bool {
        let theirs = self.peer.map(|hello| hello.purpose);
        [Some(self.ours.purpose), theirs].iter().any(|purpose| matches!(purpose, Some(Purpose::Return(_))))
    }

    /// The claim by which we called, if the link is for a conversation that goes on.
    pub fn our_call(&self) -> Option<Claim> {
        self.ours.purpose.claim()
    }

    /// What the peer claims so far: by its WELCOME, else by its HELLO.
    pub fn their_claim(&self) -> Option<Claim> {
        match (&self.state, &self.peer) {
            (State::Judging { theirs: Some(Welcome { assigned: Assigned::Bulk(claim), .. }) }, _) => Some(*claim),
            (_, hello) => hello.and_then(|hello| hello.purpose.claim()),
        }
    }

    /// Whether the other side has said anything.
    pub fn has_heard(&self) -> bool {
        self.taken > 0
    }

    /// Whether the peer has said that a person is being asked about us.
    pub fn was_asked_about(&self) -> bool {
        self.asked_about
    }

    /// Whether it is for us to decide.
    pub fn is_being_judged(&self) -> bool {
        matches!(self.state, State::Judging { .. })
    }

    /// Whether a person of ours is being asked about it.
    pub fn is_question(&self) -> bool {
        self.asking && self.may_be_welcomed()
    }

    /// Whether it is for us to decide about a new conversation. A link that claims to belong to one can only join it.
    fn may_be_welcomed(&self) -> bool {
        match &self.state {
            State::Judging { theirs } => theirs.as_ref().is_none_or(|theirs| theirs.assigned == Assigned::Nothing),
            _ => false,
        }
    }

    /// Bytes to send.
    pub fn transmit(&self) -> &[u8] {
        &self.out
    }

    /// `n` of them were accepted by the channel.
    pub fn sent(&mut self, n: usize) {
        self.out.drain(..n);
    }

    /// Takes bytes, up to the last one before the session begins; how many, and what to do.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer is no tete, speaks no version of ours, or says something before its turn.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(usize, Step), ProtocolError> {
        if self.taken >= MAX_OPENING {
            return Err(ProtocolError::Flood);
        }
        let bytes = &bytes[..bytes.len().min(MAX_OPENING - self.taken)];
        let (taken, step) = match self.state {
            State::Greeting => self.handle_greeting(bytes)?,
            _ => self.handle_frames(bytes)?,
        };
        self.taken += taken;
        Ok((taken, step))
    }

    fn handle_frames(&mut self, bytes: &[u8]) -> Result<(usize, Step), ProtocolError> {
        let (taken, decoded) = self.decoder.push(bytes)?;
        let frame = match decoded {
            Decoded::Nothing => return Ok((taken, Step::Nothing)),
            Decoded::Frame(frame) => frame,
            Decoded::Chunk(_) => return Err(self.unexpected(Kind::Chunk)),
        };
        Ok((taken, self.handle_frame(frame)?))
    }

    fn handle_greeting(&mut self, bytes: &[u8]) -> Result<(usize, Step), ProtocolError> {
        let before = self.hello.len();
        let room = PREAMBLE + MAX_HELLO - before;
        self.hello.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let Some((hello, length)) = Hello::decode(&self.hello)? else {
            return Ok((self.hello.len() - before, Step::Nothing));
        };
        self.peer = Some(hello);
        self.hello = Vec::new();
        let taken = length - before;
        let talk = [hello.purpose, self.ours.purpose].iter().all(|purpose| *purpose == Purpose::Talk);
        if talk && hello.has_code && self.ours.has_code {
            self.state = State::Pairing;
            return Ok((taken, Step::Prove));
        }
        Ok((taken, self.greeted(hello)))
    }

    /// What follows the greetings, and the proof if there was one.
    fn greeted(&mut self, hello: Hello) -> Step {
        if self.leads() {
            self.state = State::FollowingUp;
            // Who calls for a conversation says more before it is judged; a claim can be looked at now.
            return if hello.purpose == Purpose::Talk { Step::Nothing } else { Step::Look(hello) };
        }
        self.state = State::Judging { theirs: None };
        Step::Judge(hello)
    }

    /// Sends a message of our proof.
    pub fn pair(&mut self, message: Vec<u8>) {
        Frame::Pair { message }.encode(&mut self.out);
    }

    /// Both have proved that they hold the same code: it goes on as without one.
    pub fn paired(&mut self) -> Step {
        match (&self.state, self.peer) {
            (State::Pairing, Some(hello)) => self.greeted(hello),
            _ => Step::Nothing,
        }
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<Step, ProtocolError> {
        match (&self.state, self.peer, frame) {
            (_, Some(hello), Frame::Welcome(theirs)) => self.handle_welcome(hello, theirs),
            (State::FollowingUp | State::Judging { .. } | State::Welcoming, _, Frame::Wait) if !self.asked_about => {
                self.asked_about = true;
                Ok(Step::AskedAbout)
            }
            (State::Pairing, _, Frame::Pair { message }) => Ok(Step::Pair(message)),
            (State::Greeting | State::Closed, _, frame) => Err(self.unexpected(frame.kind())),
            (_, _, Frame::Refused { reason, words }) => {
                self.state = State::Closed;
                Ok(Step::Refused { reason, words })
            }
            (_, _, frame) => Err(self.unexpected(frame.kind())),
        }
    }

    fn handle_welcome(&mut self, hello: Hello, theirs: Welcome) -> Result<Step, ProtocolError> {
        let broken = |what| Err(ProtocolError::Malformed { frame: "WELCOME", what });
        match (&self.state, theirs.assigned) {
            (State::FollowingUp, Assigned::Session(_)) => broken("the wrong side assigns"),
            (State::FollowingUp, Assigned::Nothing | Assigned::Bulk(_))
            | (State::Welcoming, Assigned::Bulk(_))
            | (State::Judging { theirs: Some(Welcome { assigned: Assigned::Nothing, .. }) }, Assigned::Bulk(_)) => {
                self.state = State::Judging { theirs: Some(theirs) };
                Ok(Step::Judge(hello))
            }
            (State::Welcoming, Assigned::Session(_)) if self.join_only => broken("a session that nobody asked for"),
            (State::Welcoming, Assigned::Session(ticket)) => {
                self.state = State::Closed;
                Ok(Step::Open(Opened { ticket, lead: false, name: theirs.name, port: theirs.port }))
            }
            (State::Welcoming, Assigned::Nothing) => broken("no session is assigned"),
            (State::Joining { ticket, epoch }, Assigned::Bulk(claim)) => {
                let (ticket, epoch) = (*ticket, *epoch);
                self.joined(&ticket, epoch, claim)
            }
            _ => Err(self.unexpected(Kind::Welcome)),
        }
    }

    fn joined(&mut self, ticket: &SessionTicket, epoch: u32, theirs: Claim) -> Result<Step, ProtocolError> {
        self.state = State::Closed;
        let right =
            self.peer.is_some_and(|peer| theirs.is_right(ticket, peer.nonce, &self.binding)) && theirs.epoch == epoch;
        match right {
            true => Ok(Step::Joined { epoch }),
            false => Err(ProtocolError::Malformed { frame: "WELCOME", what: "a claim that is not right" }),
        }
    }

    fn unexpected(&self, kind: Kind) -> ProtocolError {
        ProtocolError::Unexpected { frame: kind.name(), state: "not let in yet" }
    }

    /// Lets the peer in. The side that leads hands out `ticket`, and has an open link at once. Nothing happens where
    /// nobody is being judged, or where there is a claim to be judged.
    pub fn welcome(&mut self, name: &str, port: u16, ticket: SessionTicket) -> Step {
        if !self.may_be_welcomed() {
            return Step::Nothing;
        }
        let State::Judging { theirs } = &mut self.state else { return Step::Nothing };
        let theirs = theirs.take();
        self.state = State::Closed;
        let assigned = if theirs.is_some() { Assigned::Session(ticket) } else { Assigned::Nothing };
        Frame::Welcome(Welcome { assigned, port, name: Untrusted::from(name) }).encode(&mut self.out);
        match theirs {
            Some(theirs) => Step::Open(Opened { ticket, lead: true, name: theirs.name, port: theirs.port }),
            None => {
                self.state = State::Welcoming;
                Step::Nothing
            }
        }
    }

    /// Lets the side that leads go on, and tells it nothing yet.
    pub fn nod(&mut self) {
        if matches!(self.state, State::Judging { theirs: None }) {
            let nothing = Welcome { assigned: Assigned::Nothing, port: 0, name: Untrusted::from("") };
            Frame::Welcome(nothing).encode(&mut self.out);
            self.state = State::Welcoming;
            self.join_only = true;
        }
    }

    /// Makes our claim that this is a link of that session, and so for its files; the link is that once theirs is
    /// right.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] when the peer has made a claim and it is wrong.
    pub fn join(&mut self, ticket: &SessionTicket, epoch: u32) -> Result<Step, ProtocolError> {
        let theirs = match &self.state {
            State::Judging { theirs: Some(Welcome { assigned: Assigned::Bulk(claim), .. }) } => Some(*claim),
            State::Judging { .. } | State::Welcoming => None,
            _ => return Ok(Step::Nothing),
        };
        self.claimed = Some(*ticket);
        let assigned = Assigned::Bulk(Claim::new(ticket, epoch, self.ours.nonce, &self.binding));
        Frame::Welcome(Welcome { assigned, port: 0, name: Untrusted::from("") }).encode(&mut self.out);
        match theirs {
            Some(claim) => self.joined(ticket, epoch, claim),
            None => {
                self.state = State::Joining { ticket: *ticket, epoch };
                Ok(Step::Nothing)
            }
        }
    }

    /// The session that it becomes a link of, once we have made our claim.
    pub fn claimed(&self) -> Option<SessionTicket> {
        self.claimed
    }

    /// Tells the peer that a person is being asked about it.
    pub fn wait(&mut self) {
        self.asking = true;
        Frame::Wait.encode(&mut self.out);
    }

    /// Does not let the peer in; the link is to be closed once this is sent.
    pub fn refuse(&mut self, reason: Refusal, words: &str) {
        self.state = State::Closed;
        Frame::Refused { reason: Some(reason), words: Untrusted::from(words) }.encode(&mut self.out);
    }

    /// Whether a refusal was said, so that only its bytes are left to send.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }
}

#[cfg(test)]
mod tests;
