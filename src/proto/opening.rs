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
//!   Judging -- refuse() --> Closed;    any but Greeting -- REFUSED of theirs --> Closed
//! ```
//!
//! The side with the greater nonce leads: it alone hands out the session, and it speaks last, so that its WELCOME
//! decides. When both sides dial each other, two links of the same two processes arrive here; the leading side
//! welcomes the first that is ready and refuses the other as [`Refusal::Surplus`]. And a caller that never gets as far
//! as WELCOME keeps nobody else out.

use super::decoder::{Decoded, Decoder};
use super::error::ProtocolError;
use super::frame::{Frame, Kind, Refusal, SessionTicket, Welcome};
use super::hello::{Hello, MAX_HELLO, Nonce, PREAMBLE};
use super::text::Untrusted;

/// Bytes that somebody may say before it is let in. HELLO, WAIT and WELCOME together are under 2 KiB; the rest is room
/// for what later versions add as frames that we skip.
pub const MAX_OPENING: usize = 64 * 1024;

/// What the owner of an opening has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    Nothing,
    /// Decide about the caller: `welcome`, `wait` or `refuse`.
    Judge(Hello),
    /// The peer is asking a person about us.
    AskedAbout,
    /// Both have welcomed each other.
    Open(Opened),
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
    /// We lead, and the peer has to want us first.
    FollowingUp,
    /// `theirs` is there exactly when we lead.
    Judging {
        theirs: Option<Welcome>,
    },
    Welcoming,
    Closed,
}

/// One link that is not let in yet.
#[derive(Debug)]
pub struct Opening {
    nonce: Nonce,
    peer: Option<Hello>,
    state: State,
    hello: Vec<u8>,
    decoder: Decoder,
    out: Vec<u8>,
    /// Bytes taken so far.
    taken: usize,
    /// Whether the peer has said that a person is being asked.
    asked_about: bool,
}

impl Opening {
    /// A fresh link of the process with this nonce. Its HELLO is ready to be sent.
    pub fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            peer: None,
            state: State::Greeting,
            hello: Vec::new(),
            decoder: Decoder::default(),
            out: Hello::new(nonce).encode(),
            taken: 0,
            asked_about: false,
        }
    }

    /// Who is at the other end, once its HELLO has come.
    pub fn peer(&self) -> Option<Nonce> {
        self.peer.map(|hello| hello.nonce)
    }

    /// Whether we are the side that hands out the session.
    pub fn leads(&self) -> bool {
        self.peer.is_some_and(|peer| self.nonce > peer.nonce)
    }

    /// Whether we have said WELCOME.
    pub fn has_welcomed(&self) -> bool {
        matches!(self.state, State::Welcoming)
    }

    /// Whether it waits for its owner's word.
    pub fn is_judging(&self) -> bool {
        matches!(self.state, State::Judging { .. })
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
        if self.leads() {
            self.state = State::FollowingUp;
            return Ok((taken, Step::Nothing));
        }
        self.state = State::Judging { theirs: None };
        Ok((taken, Step::Judge(hello)))
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<Step, ProtocolError> {
        match (&self.state, self.peer, frame) {
            (State::FollowingUp, Some(hello), Frame::Welcome(theirs)) => {
                if theirs.ticket.is_some() {
                    return Err(ProtocolError::Malformed { frame: "WELCOME", what: "the wrong side assigns" });
                }
                self.state = State::Judging { theirs: Some(theirs) };
                Ok(Step::Judge(hello))
            }
            (State::Welcoming, _, Frame::Welcome(Welcome { ticket: Some(ticket), port, name })) => {
                self.state = State::Closed;
                Ok(Step::Open(Opened { ticket, lead: false, name, port }))
            }
            (State::Welcoming, _, Frame::Welcome(_)) => {
                Err(ProtocolError::Malformed { frame: "WELCOME", what: "no session is assigned" })
            }
            (State::FollowingUp | State::Judging { .. } | State::Welcoming, _, Frame::Wait) if !self.asked_about => {
                self.asked_about = true;
                Ok(Step::AskedAbout)
            }
            (State::FollowingUp | State::Judging { .. } | State::Welcoming, _, Frame::Refused { reason, words }) => {
                self.state = State::Closed;
                Ok(Step::Refused { reason, words })
            }
            (_, _, frame) => Err(self.unexpected(frame.kind())),
        }
    }

    fn unexpected(&self, kind: Kind) -> ProtocolError {
        ProtocolError::Unexpected { frame: kind.name(), state: "not let in yet" }
    }

    /// Lets the peer in. The side that leads hands out `ticket`, and has an open link at once.
    pub fn welcome(&mut self, name: &str, port: u16, ticket: SessionTicket) -> Step {
        let State::Judging { theirs } = std::mem::replace(&mut self.state, State::Closed) else { return Step::Nothing };
        let ours = theirs.is_some().then_some(ticket);
        Frame::Welcome(Welcome { ticket: ours, port, name: Untrusted::from(name) }).encode(&mut self.out);
        match theirs {
            Some(theirs) => Step::Open(Opened { ticket, lead: true, name: theirs.name, port: theirs.port }),
            None => {
                self.state = State::Welcoming;
                Step::Nothing
            }
        }
    }

    /// Tells the peer that a person is being asked about it.
    pub fn wait(&mut self) {
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
mod tests {
    use super::*;

    const TICKET: SessionTicket = SessionTicket { id: [1; 16], secret: [2; 16] };

    /// The leading side and the following one.
    fn pair() -> (Opening, Opening) {
        (Opening::new(Nonce([9; 16])), Opening::new(Nonce([3; 16])))
    }

    /// Hands everything that `from` has to say to `to`, byte by byte; the last step that it led to.
    fn pass(from: &mut Opening, to: &mut Opening) -> Step {
        let bytes = from.transmit().to_vec();
        from.sent(bytes.len());
        let steps = bytes.iter().map(|byte| to.handle_bytes(&[*byte]).unwrap().1);
        steps.fold(Step::Nothing, |last, step| if step == Step::Nothing { last } else { step })
    }

    /// Both have greeted each other, and the following side has welcomed the leading one.
    fn greeted() -> (Opening, Opening) {
        let (mut lead, mut other) = pair();
        assert!(matches!(pass(&mut lead, &mut other), Step::Judge(hello) if hello.nonce == Nonce([9; 16])));
        assert_eq!(pass(&mut other, &mut lead), Step::Nothing);
        assert_eq!(other.welcome("bob", 5001, SessionTicket { id: [7; 16], secret: [7; 16] }), Step::Nothing);
        (lead, other)
    }

    #[test]
    fn both_sides_open_the_session_that_the_greater_nonce_assigned() {
        let (mut lead, mut other) = greeted();
        assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
        let Step::Open(at_lead) = lead.welcome("anna", 0, TICKET) else { panic!("not open") };
        let Step::Open(at_other) = pass(&mut lead, &mut other) else { panic!("not open") };
        assert_eq!((at_lead.ticket, at_other.ticket), (TICKET, TICKET));
        assert_eq!((at_lead.lead, at_other.lead), (true, false));
        assert_eq!((at_lead.name, at_lead.port), (Untrusted::from("bob"), 5001));
        assert_eq!((at_other.name, at_other.port), (Untrusted::from("anna"), 0));
    }

    #[test]
    fn the_leading_side_is_not_asked_before_the_other_wants_it() {
        let (mut lead, mut other) = pair();
        assert_eq!(pass(&mut other, &mut lead), Step::Nothing);
        assert_eq!(lead.welcome("anna", 0, TICKET), Step::Nothing);
        assert!(lead.leads() && !lead.has_welcomed());
    }

    #[test]
    fn a_text_before_welcome_is_an_error() {
        let (mut lead, mut other) = pair();
        pass(&mut lead, &mut other);
        let mut bytes = Vec::new();
        Frame::Text { seq: 1, text: Untrusted::from("early") }.encode(&mut bytes);
        assert!(matches!(other.handle_bytes(&bytes), Err(ProtocolError::Unexpected { frame: "TEXT", .. })));
    }

    #[test]
    fn whoever_goes_on_and_on_without_a_welcome_is_closed() {
        let (mut lead, mut other) = pair();
        pass(&mut other, &mut lead);
        let skipped = [&[0, 0, 0x10, 0, 0x80][..], &[0; 0x1000]].concat();
        let error = (0..100).find_map(|_| lead.handle_bytes(&skipped).err());
        assert_eq!(error, Some(ProtocolError::Flood));
    }

    #[test]
    fn a_second_wait_is_an_error() {
        let (mut lead, mut other) = pair();
        pass(&mut other, &mut lead);
        let mut wait = Vec::new();
        Frame::Wait.encode(&mut wait);
        assert_eq!(lead.handle_bytes(&wait), Ok((wait.len(), Step::AskedAbout)));
        assert!(matches!(lead.handle_bytes(&wait), Err(ProtocolError::Unexpected { frame: "WAIT", .. })));
    }

    #[test]
    fn a_second_welcome_is_an_error() {
        let (mut lead, other) = greeted();
        let bytes = other.transmit().to_vec();
        lead.handle_bytes(&bytes).unwrap();
        assert!(matches!(lead.handle_bytes(&bytes), Err(ProtocolError::Unexpected { frame: "WELCOME", .. })));
    }

    #[test]
    fn the_following_side_cannot_assign() {
        let (mut lead, mut other) = pair();
        pass(&mut other, &mut lead);
        let mut bytes = Vec::new();
        Frame::Welcome(Welcome { ticket: Some(TICKET), port: 0, name: Untrusted::from("x") }).encode(&mut bytes);
        assert!(matches!(lead.handle_bytes(&bytes), Err(ProtocolError::Malformed { frame: "WELCOME", .. })));
    }

    #[test]
    fn a_refusal_reaches_the_caller_with_its_words() {
        let (mut lead, mut other) = greeted();
        pass(&mut other, &mut lead);
        lead.refuse(Refusal::Busy, "talking to somebody else");
        let Step::Refused { reason, words } = pass(&mut lead, &mut other) else { panic!("not refused") };
        assert_eq!((reason, words), (Some(Refusal::Busy), Untrusted::from("talking to somebody else")));
    }

    #[test]
    fn bytes_behind_welcome_are_left_for_the_session() {
        let (mut lead, mut other) = greeted();
        pass(&mut other, &mut lead);
        lead.welcome("anna", 0, TICKET);
        let mut bytes = lead.transmit().to_vec();
        let length = bytes.len();
        bytes.extend_from_slice(b"session");
        let (taken, step) = other.handle_bytes(&bytes).unwrap();
        assert_eq!(taken, length);
        assert!(matches!(step, Step::Open(_)));
    }
}
