//! What is to be true of a link that is not let in yet, whatever the peer says and its owner does, in any order.
//!
//! The data are a script: first who we are, then one act after the other (a byte, and what belongs to it).

use tete::proto::claim::{Binding, Claim};
use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::error::ProtocolError;
use tete::proto::frame::{Assigned, Frame, MAX_PAIR, Refusal, SessionTicket, Welcome};
use tete::proto::hello::{Hello, Nonce, Purpose};
use tete::proto::opening::{MAX_OPENING, Opening, Step};
use tete::proto::text::Untrusted;

const TICKET: SessionTicket = SessionTicket { id: [1; 16], secret: [2; 16] };
const OTHER: SessionTicket = SessionTicket { id: [1; 16], secret: [9; 16] };
const LINK: Binding = Binding([3; 32]);
const OURS: Nonce = Nonce([128; 16]);
const EPOCH: u32 = 2;

/// Acts in a script, at most: each may say a few hundred bytes.
const MAX_ACTS: usize = 2000;

/// Nobody gets in before both have said so, by right claims where there have to be some; nothing but the few frames of an
/// opening is taken, and what a peer says makes us hold and say no more.
pub(crate) fn opening(data: &[u8]) {
    played(data);
}

/// How a script has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// It has not.
    Undecided,
    Open,
    Joined,
    Refused,
    Broken,
}

/// [`opening`], and how it has ended.
pub(crate) fn played(data: &[u8]) -> End {
    let Some((&who, script)) = data.split_first() else { return End::Undecided };
    assert_eq!(steps(who, script, script.len()), steps(who, script, 1), "cuts change something");
    let mut play = Play::new(who);
    let mut script = script.iter().copied();
    for _ in 0..MAX_ACTS {
        let Some(act) = script.next() else { break };
        play.act(act, &mut script);
    }
    play.deliver(usize::MAX);
    play.judge();
    play.end
}

fn ours(who: u8) -> Hello {
    let purpose = match who & 2 {
        0 => Purpose::Talk,
        _ => Purpose::Bulk(Claim::new(&TICKET, EPOCH, OURS, &LINK)),
    };
    Hello { nonce: OURS, purpose, has_code: who & 1 == 1 }
}

/// What an opening makes of these bytes in pieces of this length, and behind how many of them.
fn steps(who: u8, bytes: &[u8], piece: usize) -> Vec<(usize, Result<Step, ProtocolError>)> {
    let mut opening = Opening::new(ours(who), LINK);
    let (mut at, mut out) = (0, Vec::new());
    while at < bytes.len() {
        match opening.handle_bytes(&bytes[at..bytes.len().min(at + piece)]) {
            Ok((taken, step)) => {
                at += taken;
                assert!(taken > 0 || step != Step::Nothing, "nothing is taken and nothing is said");
                if step != Step::Nothing {
                    out.push((at, Ok(step)));
                }
            }
            Err(error) => {
                out.push((0, Err(error))); // it does not say behind how many
                break;
            }
        }
    }
    out
}

/// One opening, everything that its peer says, and what its owner has done.
struct Play {
    opening: Opening,
    /// Said by the peer and not delivered.
    inbox: Vec<u8>,
    /// What was taken of it.
    taken: Vec<u8>,
    /// The owner has said WELCOME when it was asked.
    welcomed: bool,
    /// The owner has claimed this.
    claimed: Option<SessionTicket>,
    /// Nothing more is delivered behind one.
    end: End,
}

impl Play {
    fn new(who: u8) -> Self {
        let opening = Opening::new(ours(who), LINK);
        let (inbox, taken) = (Vec::new(), Vec::new());
        Self { opening, inbox, taken, welcomed: false, claimed: None, end: End::Undecided }
    }

    fn act(&mut self, act: u8, script: &mut impl Iterator<Item = u8>) {
        let mut next = || script.next().unwrap_or(0);
        match act % 16 {
            0 => {
                let length = usize::from(next());
                self.inbox.extend(script.take(length));
            }
            1..=3 => {
                let what = next();
                self.says(what);
            }
            4 | 5 => {
                let length = usize::from(next());
                self.deliver(length);
            }
            6 => self.deliver(usize::MAX),
            7 => self.welcome(),
            8 => {
                let before = self.opening.transmit().len();
                let judged = self.opening.is_being_judged();
                self.opening.nod();
                assert!(judged || self.opening.transmit().len() == before);
            }
            9 => self.join(TICKET),
            10 => self.join(OTHER),
            11 => self.opening.wait(),
            12 => {
                self.opening.refuse(Refusal::NotWanted, "no");
                assert!(self.opening.is_closed());
            }
            13 => {
                let length = usize::from(next()) % MAX_PAIR + 1;
                self.opening.pair(vec![7; length]);
            }
            14 => {
                let step = self.opening.paired();
                self.led_to(&step);
            }
            _ => {
                let sent = usize::from(next()).min(self.opening.transmit().len());
                self.opening.sent(sent);
            }
        }
        assert!(!self.opening.is_question() || self.opening.is_being_judged());
    }

    /// The peer says something that makes sense somewhere.
    fn says(&mut self, what: u8) {
        let theirs = Nonce([if what & 64 == 0 { 1 } else { 255 }; 16]);
        let ticket = if what & 32 == 0 { TICKET } else { OTHER };
        let claim = Claim::new(&ticket, EPOCH, theirs, &LINK);
        let welcome = |assigned| Frame::Welcome(Welcome { assigned, port: 1, name: Untrusted::from("bob") });
        let words = Untrusted::from("no");
        let frame = match what % 12 {
            0 | 1 => {
                let purpose = if what & 16 == 0 { Purpose::Talk } else { Purpose::Bulk(claim) };
                let hello = Hello { nonce: theirs, purpose, has_code: what & 128 != 0 };
                return self.inbox.extend(hello.encode());
            }
            2 => welcome(Assigned::Nothing),
            3 => welcome(Assigned::Session(ticket)),
            4 | 5 => welcome(Assigned::Bulk(claim)),
            6 => Frame::Wait,
            7 => Frame::Pair { message: vec![what; 3] },
            8 => Frame::Refused { reason: None, words },
            9 => Frame::Text { seq: 1, text: words },
            10 => Frame::Ping { token: 1 },
            _ => {
                // A frame that may be skipped.
                let length = u16::from(what) * 200;
                self.inbox.extend([0, 0]);
                self.inbox.extend(length.to_be_bytes());
                self.inbox.push(0x80 | what);
                return self.inbox.resize(self.inbox.len() + usize::from(length), 0);
            }
        };
        frame.encode(&mut self.inbox);
    }

    /// At most so many bytes reach us.
    fn deliver(&mut self, at_most: usize) {
        let mut left = at_most.min(self.inbox.len());
        while left > 0 && self.end == End::Undecided {
            let says = self.opening.transmit().len();
            let handled = self.opening.handle_bytes(&self.inbox[..left]);
            assert_eq!(self.opening.transmit().len(), says, "the peer makes us say something");
            match handled {
                Ok((taken, step)) => {
                    assert!(taken > 0 || step != Step::Nothing);
                    left -= taken;
                    self.taken.extend(self.inbox.drain(..taken));
                    self.led_to(&step);
                }
                Err(_) => self.end = End::Broken,
            }
        }
        assert!(self.taken.len() <= MAX_OPENING);
    }

    fn welcome(&mut self) {
        let (judged, before) = (self.opening.is_being_judged(), self.opening.transmit().len());
        let step = self.opening.welcome("anna", 0, TICKET);
        let said = self.opening.transmit().len() > before;
        assert!(judged || step == Step::Nothing && !said, "nobody has asked");
        self.welcomed |= said;
        self.led_to(&step);
    }

    fn join(&mut self, ticket: SessionTicket) {
        let (may, before) = (self.opening.may_join(), self.opening.transmit().len());
        let step = self.opening.join(&ticket, EPOCH);
        if may {
            self.claimed = Some(ticket);
        } else {
            assert!(step == Ok(Step::Nothing) && self.opening.transmit().len() == before);
        }
        match step {
            Ok(step) => self.led_to(&step),
            Err(_) => self.end = End::Broken,
        }
    }

    /// Checks that a step has been earned.
    fn led_to(&mut self, step: &Step) {
        match step {
            Step::Open(opened) => {
                assert!(self.welcomed, "nobody of ours has let it in");
                assert_eq!(opened.lead, self.opening.leads());
                let theirs = self.welcomes().last().cloned().expect("the peer has not let us in");
                match theirs.assigned {
                    Assigned::Nothing => assert!(opened.lead),
                    Assigned::Session(ticket) => assert!(!opened.lead && opened.ticket == ticket),
                    Assigned::Bulk(_) => panic!("a claim has become a conversation"),
                }
                assert_eq!(opened.name, theirs.name);
                self.end = End::Open;
            }
            Step::Joined { epoch } => {
                assert_eq!(*epoch, EPOCH);
                let ticket = self.claimed.expect("nobody of ours has made a claim");
                let peer = self.opening.peer().expect("it has greeted us");
                let right = |welcome: &Welcome| match welcome.assigned {
                    Assigned::Bulk(claim) => claim.epoch == EPOCH && claim.is_right(&ticket, peer, &LINK),
                    _ => false,
                };
                assert!(self.welcomes().last().is_some_and(right), "its claim is not right");
                self.end = End::Joined;
            }
            Step::Prove => assert!(self.opening.hello().is_some_and(|hello| hello.has_code)),
            Step::Judge(hello) | Step::Look(hello) => assert_eq!(Some(*hello), self.opening.hello()),
            Step::Refused { .. } => self.end = End::Refused,
            Step::Nothing | Step::Pair(_) | Step::AskedAbout => {}
        }
    }

    /// The frames that were taken, read by another reader.
    fn frames(&self) -> Vec<Frame> {
        let Ok(Some((_, greeting))) = Hello::decode(&self.taken) else { return Vec::new() };
        let mut rest = &self.taken[greeting..];
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        while let Ok((taken, decoded)) = decoder.push(rest) {
            rest = &rest[taken..];
            match decoded {
                Decoded::Frame(frame) => out.push(frame),
                Decoded::Chunk(_) => panic!("bytes of a file are taken"),
                Decoded::Nothing => break,
            }
        }
        out
    }

    fn welcomes(&self) -> Vec<Welcome> {
        let welcomes = self.frames().into_iter().filter_map(|frame| match frame {
            Frame::Welcome(welcome) => Some(welcome),
            _ => None,
        });
        welcomes.collect()
    }

    /// What was taken is what an opening has, and not too often.
    fn judge(&self) {
        let frames = self.frames();
        let is_opening = |frame: &Frame| {
            matches!(frame, Frame::Welcome(_) | Frame::Wait | Frame::Pair { .. } | Frame::Refused { .. })
        };
        assert!(frames.iter().all(is_opening), "{frames:?}");
        assert!(frames.iter().filter(|frame| **frame == Frame::Wait).count() <= 1);
        assert!(frames.iter().filter(|frame| matches!(frame, Frame::Welcome(_))).count() <= 2);
    }
}
