//! The links of one session.
//!
//! Owns: which there are, and what each has received and is sending. Must not know: what a frame means.

use std::time::Instant;

use super::claim::FIRST_EPOCH;
use super::decoder::Decoder;
use super::outbox::Outbox;
use super::ride::Ride;
use super::{LinkId, Span};

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// What a transfer rides that uses it.
    pub(super) ride: Ride,
    pub(super) decoder: Decoder,
    pub(super) outbox: Outbox,
    /// A chunk that has come before its turn: nothing is taken until the talk link has brought what stands before it.
    pub(super) early: Option<Span>,
}

impl Link {
    fn new(id: LinkId, ride: Ride) -> Self {
        Self { id, ride, decoder: Decoder::default(), outbox: Outbox::new(id), early: None }
    }
}

/// The links of one session.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) talk: Option<Link>,
    pub(super) bulk: Option<Link>,
    /// The greatest epoch of a talk link so far.
    talk_epoch: u32,
    /// Bulk links up to this epoch are dead.
    gone: u32,
    /// When something last moved on the bulk link, or was first given to it.
    pub(super) bulk_moved: Option<Instant>,
}

impl Links {
    /// A talk link, for now.
    pub(super) fn new(talk: LinkId) -> Self {
        Self { talk: Some(Link::new(talk, Ride::Talk)), bulk: None, talk_epoch: FIRST_EPOCH, gone: 0, bulk_moved: None }
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        [&self.talk, &self.bulk].into_iter().flatten().find(|link| link.id == id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        [&mut self.talk, &mut self.bulk].into_iter().flatten().find(|link| link.id == id)
    }

    pub(super) fn is_bulk(&self, id: LinkId) -> bool {
        self.bulk.as_ref().is_some_and(|bulk| bulk.id == id)
    }

    /// Whether a bulk link is dead already: the peer has said so, or it was called for before the talk link.
    pub(super) fn is_gone(&self, epoch: u32) -> bool {
        epoch <= self.gone
    }

    /// Takes a bulk link in.
    pub(super) fn add_bulk(&mut self, id: LinkId, epoch: u32) {
        self.bulk = Some(Link::new(id, Ride::Bulk(epoch)));
    }

    /// The talk link is lost, and the bulk link goes with it.
    pub(super) fn part(&mut self) {
        self.gone = self.gone.max(self.epoch().unwrap_or(0));
        (self.talk, self.bulk) = (None, None);
    }

    /// The epoch of the talk link, the last one if there is none now.
    pub(super) fn talk_epoch(&self) -> u32 {
        self.talk_epoch
    }

    /// Takes a new talk link in; what it sends.
    pub(super) fn add_talk(&mut self, id: LinkId, epoch: u32) -> &mut Outbox {
        self.talk_epoch = epoch;
        // Of a link for files that was called for before, the other end may know already that it went with the last one.
        self.gone = self.gone.max(epoch);
        &mut self.talk.insert(Link::new(id, Ride::Talk)).outbox
    }

    /// The epoch of the bulk link.
    pub(super) fn epoch(&self) -> Option<u32> {
        match self.bulk.as_ref()?.ride {
            Ride::Bulk(epoch) => Some(epoch),
            Ride::Talk | Ride::Adrift(_) => None,
        }
    }

    /// Bulk links up to this epoch are dead; whether that is news.
    pub(super) fn lose_bulk(&mut self, epoch: u32) -> bool {
        let news = epoch > self.gone;
        self.gone = self.gone.max(epoch);
        self.bulk.take_if(|bulk| matches!(bulk.ride, Ride::Bulk(current) if current <= epoch));
        news
    }

    /// Each link, with the other one.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Link, Option<&Link>)> {
        let talk = self.talk.iter().map(|link| (link, self.bulk.as_ref()));
        talk.chain(self.bulk.iter().map(|link| (link, self.talk.as_ref())))
    }
}
