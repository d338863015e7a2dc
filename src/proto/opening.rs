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
//!   Judging -- refuse() --> Closed;    any but Greeting -- REFUSED of theirs --> Closed
//! ```
//!
//! The side with the greater nonce leads: it alone hands out the session, and it speaks last, so that its WELCOME
//! decides. When both sides dial each other, two links of the same two processes arrive here; the leading side makes a
//! session of the first that is ready, and the other becomes the link for its files. And a caller that never gets as
//! far as WELCOME keeps nobody else out.
//!
//! A link for files needs a [`Claim`] of each side; [`claim`](super::claim) tells why the calling side's comes first.

use super::claim::Claim;
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
}

impl Opening {
    /// A fresh link on which we greet like this. The greeting is ready to be sent.
    pub fn new(ours: Hello) -> Self {
        Self {
            ours,
            peer: None,
            state: State::Greeting,
            hello: Vec::new(),
            decoder: Decoder::default(),
            out: ours.encode(),
            taken: 0,
            asked_about: false,
            asking: false,
            join_only: false,
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

    /// Whether we are the side that hands out the session.
    pub fn leads(&self) -> bool {
        self.peer.is_some_and(|peer| self.ours.nonce > peer.nonce)
    }

    /// The claim by which we called, if the link is to be for files.
    pub fn our_call(&self) -> Option<Claim> {
        match self.ours.purpose {
            Purpose::Bulk(claim) => Some(claim),
            Purpose::Talk | Purpose::Unknown(_) => None,
        }
    }

    /// What the peer claims so far: by its WELCOME, else by its HELLO.
    pub fn their_claim(&self) -> Option<Claim> {
        match (&self.state, &self.peer) {
            (State::Judging { theirs: Some(Welcome { assigned: Assigned::Bulk(claim), .. }) }, _)
            | (_, Some(Hello { purpose: Purpose::Bulk(claim), .. })) => Some(*claim),
            _ => None,
        }
    }

    /// Whether a person of ours is being asked about it.
    pub fn is_question(&self) -> bool {
        self.asking && matches!(self.state, State::Judging { .. })
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
            // Who calls for a conversation says more before it is judged; a claim can be looked at now.
            let claims = hello.purpose != Purpose::Talk;
            return Ok((taken, if claims { Step::Look(hello) } else { Step::Nothing }));
        }
        self.state = State::Judging { theirs: None };
        Ok((taken, Step::Judge(hello)))
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<Step, ProtocolError> {
        match (&self.state, self.peer, frame) {
            (_, Some(hello), Frame::Welcome(theirs)) => self.handle_welcome(hello, theirs),
            (State::FollowingUp | State::Judging { .. } | State::Welcoming, _, Frame::Wait) if !self.asked_about => {
                self.asked_about = true;
                Ok(Step::AskedAbout)
            }
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
        let right = self.peer.is_some_and(|peer| theirs.is_right(ticket, peer.nonce)) && theirs.epoch == epoch;
        match right {
            true => Ok(Step::Joined { epoch }),
            false => Err(ProtocolError::Malformed { frame: "WELCOME", what: "a claim that is not right" }),
        }
    }

    fn unexpected(&self, kind: Kind) -> ProtocolError {
        ProtocolError::Unexpected { frame: kind.name(), state: "not let in yet" }
    }

    /// Lets the peer in. The side that leads hands out `ticket`, and has an open link at once.
    pub fn welcome(&mut self, name: &str, port: u16, ticket: SessionTicket) -> Step {
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
        let assigned = Assigned::Bulk(Claim::new(ticket, epoch, self.ours.nonce));
        Frame::Welcome(Welcome { assigned, port: 0, name: Untrusted::from("") }).encode(&mut self.out);
        match theirs {
            Some(claim) => self.joined(ticket, epoch, claim),
            None => {
                self.state = State::Joining { ticket: *ticket, epoch };
                Ok(Step::Nothing)
            }
        }
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
mod tests {
    use super::*;

    const TICKET: SessionTicket = SessionTicket { id: [1; 16], secret: [2; 16] };

    /// The leading side and the following one.
    fn pair() -> (Opening, Opening) {
        (Opening::new(Hello::new(Nonce([9; 16]))), Opening::new(Hello::new(Nonce([3; 16]))))
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
        assert!(lead.leads() && lead.transmit().len() > PREAMBLE, "only its greeting");
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
        Frame::Welcome(Welcome { assigned: Assigned::Session(TICKET), port: 0, name: Untrusted::from("x") })
            .encode(&mut bytes);
        assert!(matches!(lead.handle_bytes(&bytes), Err(ProtocolError::Malformed { frame: "WELCOME", .. })));
    }

    /// A call for files by the side with this nonce, and the one who is called.
    fn call(caller: u8, called: u8) -> (Opening, Opening) {
        let nonce = Nonce([caller; 16]);
        let hello = Hello { nonce, purpose: Purpose::Bulk(Claim::new(&TICKET, 2, nonce)) };
        (Opening::new(hello), Opening::new(Hello::new(Nonce([called; 16]))))
    }

    #[test]
    fn a_call_for_files_is_joined_whoever_of_the_two_leads() {
        for (caller, called) in [(9, 3), (3, 9)] {
            let (mut caller, mut called) = call(caller, called);
            let at_called = pass(&mut caller, &mut called);
            let at_caller = pass(&mut called, &mut caller);
            assert!(called.their_claim().is_some_and(|claim| claim.is_right(&TICKET, caller.ours.nonce)));
            if matches!(at_called, Step::Judge(_)) {
                // The called side follows: it has seen a claim already, and speaks first.
                assert_eq!(called.join(&TICKET, 2), Ok(Step::Nothing));
                assert!(matches!(pass(&mut called, &mut caller), Step::Judge(_)));
                assert_eq!(caller.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
                assert_eq!(pass(&mut caller, &mut called), Step::Joined { epoch: 2 });
            } else {
                assert!(matches!(at_caller, Step::Judge(_)));
                assert_eq!(caller.join(&TICKET, 2), Ok(Step::Nothing));
                assert!(matches!(pass(&mut caller, &mut called), Step::Judge(_)));
                assert_eq!(called.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
                assert_eq!(pass(&mut called, &mut caller), Step::Joined { epoch: 2 });
            }
        }
    }

    #[test]
    fn the_second_of_two_calls_becomes_the_link_for_files_whoever_made_it() {
        for lead_called in [true, false] {
            let (mut lead, mut other) = greeted();
            assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
            // By now the other link carries the session. Who has made this call makes the first claim.
            let (first, second) = if lead_called { (&mut lead, &mut other) } else { (&mut other, &mut lead) };
            assert_eq!(first.join(&TICKET, 2), Ok(Step::Nothing));
            assert!(matches!(pass(first, second), Step::Judge(_)));
            assert_eq!(second.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
            assert_eq!(pass(second, first), Step::Joined { epoch: 2 });
        }
    }

    #[test]
    fn who_was_only_nodded_at_gets_no_session() {
        let (mut lead, mut other) = pair();
        pass(&mut lead, &mut other);
        other.nod();
        let mut bytes = Vec::new();
        let session = Welcome { assigned: Assigned::Session(TICKET), port: 0, name: Untrusted::from("mallory") };
        Frame::Welcome(session).encode(&mut bytes);
        assert!(matches!(other.handle_bytes(&bytes), Err(ProtocolError::Malformed { frame: "WELCOME", .. })));
    }

    #[test]
    fn a_wrong_claim_closes_the_link() {
        for wrong in [SessionTicket { secret: [0; 16], ..TICKET }, SessionTicket { id: [0; 16], ..TICKET }] {
            let (mut lead, mut other) = greeted();
            pass(&mut other, &mut lead);
            lead.join(&TICKET, 2).unwrap();
            assert!(matches!(pass(&mut lead, &mut other), Step::Judge(_)));
            assert!(other.join(&wrong, 2).is_err(), "the claim that came is not of this session");
            let bytes = other.transmit().to_vec();
            assert!(lead.handle_bytes(&bytes).is_err(), "nor is the one that went back");
        }
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
