//! The gate at the beginning of a conversation.
//!
//! Owns: the two openings on its first link, when the owner of each side decides, and from when on each side has a
//! session. Must not know: what is said behind it.
//!
//! Each side's owner decides by itself, and [`Gate::has_decided`] remembers that apart from what the openings make of
//! it: whatever a user is told by the other side, and whatever a disk is asked to receive, is held against it.

use std::time::Duration;

use tete::net::pump::{Moved, Wire};
use tete::proto::claim::Binding;
use tete::proto::frame::{Refusal, SessionTicket};
use tete::proto::hello::{Hello, Nonce};
use tete::proto::opening::{Opening, Step};
use tete::proto::session::{Session, Setup};

use crate::network::{SimWire, Stream};
use crate::planted::Mutant;
use crate::promise::{Promise, Violation, broken, check};
use crate::talk::LINK;
use crate::world::World;

/// What is handed out behind it.
const TICKET: SessionTicket = SessionTicket { id: [3; 16], secret: [4; 16] };

/// One side of it.
struct Door {
    opening: Opening,
    /// When its owner decides, once that is for it.
    decides_at: Option<Duration>,
    /// It was said that a person is being asked.
    is_asking: bool,
    /// Its owner does not let the other side in; the link is closed once that is said.
    refuses: bool,
    /// With what its session begins.
    setup: Setup,
}

/// The gate, seen from both sides; a door that is through is not there any more.
#[derive(Default)]
pub(crate) struct Gate {
    doors: [Option<Door>; 2],
    /// Bytes from end 0, and from end 1: what is said before anybody is let in.
    streams: [Stream; 2],
    /// Whose owners have let the other side in.
    welcomed: [bool; 2],
}

impl Gate {
    /// Both sides greet each other over a link like this one. The first leads, as its session will.
    pub(crate) fn new(setups: [Setup; 2], like: &[Stream; 2]) -> Self {
        let mut nonces = [9, 1];
        let doors = setups.map(|setup| {
            let nonce = std::mem::take(&mut nonces[usize::from(!setup.lead)]);
            let opening = Opening::new(Hello::new(Nonce([nonce; 16])), Binding::NONE);
            Some(Door { opening, decides_at: None, is_asking: false, refuses: false, setup })
        });
        let streams = [0, 1].map(|side: usize| {
            let mut stream = Stream::default();
            (stream.capacity, stream.delay) = (like[side].capacity, like[side].delay);
            stream
        });
        Self { doors, streams, welcomed: [false; 2] }
    }

    /// Whether this side has a session.
    pub(crate) fn is_open(&self, side: usize) -> bool {
        self.doors[side].is_none()
    }

    /// Whether the owners of both sides have let each other in.
    pub(crate) fn has_decided(&self) -> bool {
        self.welcomed == [true; 2]
    }

    /// When anything can happen at this side by itself.
    pub(crate) fn due(&self, side: usize) -> impl Iterator<Item = Duration> {
        let heard = self.doors[side].as_ref().and_then(|_| self.streams[1 - side].due());
        self.doors[side].iter().filter_map(|door| door.decides_at).chain(heard)
    }
}

impl World {
    /// What one side does before it has a session; whether it did anything.
    pub(crate) fn knock(&mut self, side: usize) -> Result<bool, Violation> {
        let early = self.streams[1 - side].passed > 0 && !self.gate.has_decided();
        check(!early, Promise::Gate, || "something is said before both were let in".to_owned())?;
        let mut any = self.decide_at_gate(side);
        let moody = if self.is_quiet() { 0 } else { self.moody };
        let [from_a, from_b] = &mut self.gate.streams;
        let (out, input) = if side == 0 { (from_a, from_b) } else { (from_b, from_a) };
        let Some(door) = &mut self.gate.doors[side] else { return Ok(any) };
        let mut wire = SimWire { out, input, random: &mut self.random, now: self.now, moody, acted: false, storms: 0 };
        let whole = |_| broken(Promise::Gate, "a link died that does not");
        while !door.opening.transmit().is_empty()
            && let Moved::Bytes(n) = wire.send(door.opening.transmit(), false).map_err(whole)?
        {
            door.opening.sent(n);
        }
        let is_said = door.opening.transmit().is_empty();
        let mut steps = Vec::new();
        // Byte by byte: what follows the last one is the session's.
        let mut byte = [0];
        while !steps.iter().any(|step| matches!(step, Step::Open(_) | Step::Refused { .. }))
            && let Moved::Bytes(1) = wire.recv(&mut byte).map_err(whole)?
        {
            let (_, step) = door.opening.handle_bytes(&byte).map_err(|error| {
                broken(Promise::Gate, format!("something is said before its turn, and refused: {error}"))
            })?;
            steps.push(step);
        }
        any |= wire.acted;
        if door.refuses && is_said {
            self.turn_away(side);
            return Ok(true);
        }
        let has_met = door.opening.peer().is_some();
        for step in steps {
            match step {
                Step::Judge(_) => {
                    let until = self.now + self.thought();
                    self.gate.doors[side].iter_mut().for_each(|door| door.decides_at = Some(until));
                    self.note(side, "is asked who may come in", 0, 0);
                }
                Step::Open(_) => self.begin(side),
                Step::Refused { .. } => self.turn_away(side),
                _ => {}
            }
        }
        match self.mutant {
            // Whoever has greeted is in, and so is whom it has greeted.
            Some(Mutant::OpenGate) if has_met => (0..2).for_each(|side| self.begin(side)),
            // Who has let the other side in takes that for both.
            Some(Mutant::HalfGate) if self.gate.welcomed[side] && is_said => self.begin(side),
            _ => {}
        }
        Ok(any)
    }

    /// How long an owner takes to decide.
    fn thought(&mut self) -> Duration {
        Duration::from_micros(self.random.skewed(if self.theme { 50_000 } else { 2_000_000 }))
    }

    /// The owner decides, if it is time; whether it did.
    fn decide_at_gate(&mut self, side: usize) -> bool {
        let (now, quiet) = (self.now, self.is_quiet());
        let Some(door) = &mut self.gate.doors[side] else { return false };
        if door.decides_at.take_if(|at| *at <= now).is_none() {
            return false;
        }
        if !quiet && !door.is_asking && self.random.chance(300) {
            door.is_asking = true;
            door.opening.wait();
            let until = now + self.thought();
            self.gate.doors[side].iter_mut().for_each(|door| door.decides_at = Some(until));
        } else if self.random.chance(15) {
            door.refuses = true;
            door.opening.refuse(Refusal::NotWanted, "strangers are not let in");
            self.note(side, "lets nobody in", 0, 0);
        } else {
            self.gate.welcomed[side] = true;
            let step = door.opening.welcome("somebody", 0, TICKET);
            self.note(side, "lets the other side in", 0, 0);
            if let (Step::Open(_), Some(door)) = (step, &self.gate.doors[side]) {
                // Its last word is under way when its session begins.
                let rest = door.opening.transmit().to_vec();
                self.gate.streams[side].push(self.now, &rest);
                self.begin(side);
            }
        }
        true
    }

    /// A side is through: its session begins.
    fn begin(&mut self, side: usize) {
        if let Some(door) = self.gate.doors[side].take() {
            let now = self.instant();
            self.ends[side].session = Session::new(door.setup, LINK, now);
            self.ends[side].user.acts_at = Some(self.now);
            self.note(side, "is let in", 0, 0);
        }
    }

    /// Somebody was not let in: there is nothing to talk about.
    fn turn_away(&mut self, side: usize) {
        (self.ledger.link_died, self.ledger.ending) = (true, true);
        let now = self.instant();
        self.gate.doors[side] = None;
        self.ends[side].session.give_up(now, "not let in");
        self.meet("somebody is not let in");
        self.note(side, "turns away", 0, 0);
    }
}
