//! A conversation that outlives its talk link.
//!
//! Owns: what is kept when the link is lost, and how it goes on over the next one. Must not know: who calls whom, and when.
//!
//! ```text
//!         the talk link is lost                    a new one is through the gate
//!   Here -----------------------> Away(since) ---------------------------------> Back: BACK is said
//!    ^                              |   ^                                           |      |
//!    |                              |   `---------- the new one is lost too --------'      |
//!    |                 linger is over: the session ends, Lost                               |
//!    `------------------------------------ BACK of theirs: what did not come is said again -'
//! ```
//!
//! The link for files goes with the talk link: what was on its way over either is lost, and only the receiver of a file
//! knows what it has. So every transfer under way is adrift until its receiver has said RESUME on the new link. Orders
//! and texts that did not come are said again; they are shown and obeyed once, because both sides count them.

use std::time::{Duration, Instant};

use super::{Ended, Session};
use crate::proto::LinkId;
use crate::proto::error::ProtocolError;
use crate::proto::event::Event;
use crate::proto::frame::Frame;
use crate::proto::orders::is_order;
use crate::proto::phase::{LEAVE_FILES, LEAVE_TEXTS, Phase};
use crate::proto::ride::Ride;

/// On a new link the peer says at once what has come. One that does not is no better than none.
pub const BACK_PATIENCE: Duration = Duration::from_secs(10);

/// Whether there is a link to talk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// There is.
    Here,
    /// There is none, since then.
    Away(Instant),
    /// There is a new one, and the peer has not said what came over the last. Both moments: when that one was lost, and
    /// when this one came.
    Back(Instant, Instant),
}

impl Session {
    /// Whether it waits for a new talk link.
    pub fn is_away(&self) -> bool {
        matches!(self.presence, Presence::Away(_)) && self.ended().is_none()
    }

    /// Whether the peer owes an answer and has said nothing for [`SILENT_AFTER`](super::SILENT_AFTER).
    pub fn is_silent(&self) -> bool {
        self.alive.is_silent() && self.setup.returns
    }

    /// When the talk link was lost, if there is none that works.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        match self.presence {
            Presence::Here => None,
            Presence::Away(since) | Presence::Back(since, _) => Some(since),
        }
    }

    /// From here on who leaves with a text that was not acknowledged waits for a peer who is lost, or whose reader is slow,
    /// as long as [`Setup::linger`](crate::proto::setup::Setup::linger) says: no person waits for us to be gone.
    pub fn persist(&mut self) {
        self.persists = true;
    }

    /// How long leaving waits for something to go on. A reader of ours who is slow has the time that he takes: whoever
    /// wants to be gone before that says so a second time.
    pub(super) fn leave_patience(&self) -> Duration {
        match self.transfers.is_idle() {
            true if (self.persists && !self.is_through()) || !self.hearing.is_read() => {
                self.setup.linger.max(LEAVE_TEXTS)
            }
            true => LEAVE_TEXTS,
            false => LEAVE_FILES,
        }
    }

    /// When a new link is given up whose peer says nothing.
    pub(super) fn back_due(&self) -> Option<Instant> {
        match self.presence {
            Presence::Back(_, came) => Some(came + BACK_PATIENCE),
            Presence::Here | Presence::Away(_) => None,
        }
    }

    /// A lost link may be followed by another: both still have something to say to each other.
    pub(super) fn can_return(&self) -> bool {
        let over = self.peer_is_leaving() && self.is_through();
        self.setup.returns && matches!(self.phase, Phase::Talking | Phase::Leaving { .. }) && !over
    }

    /// The peer had let us in, and has begun to talk to somebody else before it knew that we let it in too.
    pub(super) fn refused_late(&mut self) {
        let words = "talking to somebody else by now";
        self.end(Ended::Lost(words.to_owned()), words);
    }

    /// Whether what a link brings has to wait: what the peer has sent by one for files behind its BACK may arrive before
    /// that, which goes by the talk link.
    pub(super) fn precedes_back(&self, by: Ride) -> bool {
        by != Ride::Talk && self.presence != Presence::Here
    }

    /// Whether nothing that was begun waits for the peer.
    pub(super) fn is_through(&self) -> bool {
        self.transfers.is_settled() && self.saying.unacknowledged() == 0
    }

    /// The peer has said goodbye, and waits for nothing any more.
    pub(super) fn peer_has_left(&mut self) {
        let ended = match &self.phase {
            Phase::Finished(_) => return,
            Phase::Cut { missing, .. } => Ended::of_cut(*missing),
            _ if self.is_through() => Ended::Left,
            _ => Ended::PeerCut,
        };
        let words = match ended {
            Ended::PeerCut => "the other side left before it was through",
            _ => "we left before it was through",
        };
        self.end(ended, words);
    }

    /// The peer's end of the link was closed. That is a goodbye only if both have said it.
    pub fn handle_eof(&mut self, link: LinkId, now: Instant) {
        self.link_lost(link, now, "the connection was closed without a goodbye");
    }

    /// The link is dead; `words` say how. Files that rode a bulk link go on over the talk link.
    pub fn link_lost(&mut self, link: LinkId, now: Instant, words: &str) {
        self.clock(now);
        if self.links.is_bulk(link) {
            return self.links.epoch().into_iter().for_each(|epoch| self.bulk_down(epoch));
        }
        if !self.has_link(link) {
            return;
        }
        if self.can_return() {
            return self.part(words);
        }
        match (&self.phase, self.peer_bye) {
            (Phase::Talking | Phase::Leaving { .. }, None) => self.end(Ended::Lost(words.to_owned()), words),
            _ => self.peer_has_left(),
        }
    }

    /// The talk link is lost; `words` say how.
    pub(super) fn part(&mut self, words: &str) {
        self.links.part();
        // Frames that are no orders are told afresh on the next link.
        self.out.frames.retain(|frame| is_order(frame.kind()));
        self.out.bulk.clear();
        self.transfers.part();
        let was_here = self.lost_at();
        self.presence = Presence::Away(was_here.unwrap_or(self.now));
        if was_here.is_none() {
            self.out.events.push_back(Event::LinkLost { words: words.to_owned() });
        }
    }

    /// A new talk link is through the gate. Its epoch is greater than those of all links before it.
    pub fn link_up(&mut self, link: LinkId, epoch: u32, now: Instant) {
        self.clock(now);
        if let Some(old) = self.links.talk.as_ref().map(|old| old.id) {
            self.link_lost(old, now, "the other side has lost it");
        }
        // What could go on when the link was lost goes on, even if everything is through by now: the peer was not told.
        if self.lost_at().is_none() || !matches!(self.phase, Phase::Talking | Phase::Leaving { .. }) {
            return;
        }
        let back =
            Frame::Back { texts: self.hearing.received(), orders: self.orders.tell_all(), bye: self.peer_is_leaving() };
        self.links.add_talk(link, epoch).push(&back);
        self.alive.begin_again(self.now);
        self.presence = Presence::Back(self.lost_at().unwrap_or(self.now), self.now);
    }

    /// The peer says what came over the links that are lost.
    pub(super) fn handle_back(&mut self, texts: u64, orders: u64, bye: bool) -> Result<(), ProtocolError> {
        let Presence::Back(..) = self.presence else {
            return Err(ProtocolError::Unexpected { frame: "BACK", state: "no link was lost" });
        };
        self.saying.rewind(texts)?;
        let mut again = self.orders.rewind(orders)?;
        again.append(&mut self.out.frames);
        self.out.frames = again;
        self.transfers.resume(self.links.talk_epoch(), &mut self.out);
        match &mut self.phase {
            Phase::Leaving { said, .. } if *said => *said = bye,
            _ if bye => return Err(ProtocolError::Unexpected { frame: "BACK", state: "no goodbye was said" }),
            _ => {}
        }
        self.hearing.acknowledge_again();
        self.presence = Presence::Here;
        self.out.events.push_back(Event::Back);
        self.ping();
        self.moved();
        Ok(())
    }

    /// The peer is known to be gone for good.
    pub fn give_up(&mut self, now: Instant, words: &str) {
        self.clock(now);
        if self.ended().is_none() {
            let waits_for_goodbye = matches!(self.phase, Phase::Leaving { said: true, .. }) && self.is_through();
            let ended = if waits_for_goodbye { Ended::Unanswered } else { Ended::Lost(words.to_owned()) };
            self.end(ended, words);
        }
    }
}
