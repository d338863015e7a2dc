//! The session's link for files.
//!
//! Owns: when one is wanted, what its coming and going means. Must not know: how one is had; which file uses it is told
//! in [`ride`](crate::proto::ride).

use std::time::{Duration, Instant};

use super::Session;
use crate::proto::LinkId;
use crate::proto::error::ProtocolError;
use crate::proto::frame::Frame;
use crate::proto::phase::Phase;

/// A bulk link on which so long nothing moved, while its peer is heard on the talk link, is given up. A receiver whose
/// disk keeps it so long from storing anything does not speak either.
pub const STALL_AFTER: Duration = Duration::from_secs(15);

impl Session {
    /// Whether a file is under way for which a link of its own pays, and there is none.
    pub fn wants_bulk(&self) -> bool {
        self.links.bulk.is_none()
            && self.links.talk.is_some()
            && matches!(self.phase, Phase::Talking | Phase::Leaving { .. })
            && self.transfers.wants_bulk()
    }

    /// Whether this is one of its links.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.get(link).is_some()
    }

    /// A chunk that waited on the bulk link may have its turn now.
    pub(super) fn take_early(&mut self) -> Result<(), ProtocolError> {
        if let Some(bulk) = &mut self.links.bulk
            && let Some(span) = bulk.early
            && self.transfers.handle_chunk(bulk.ride, span)?
        {
            bulk.early = None;
        }
        Ok(())
    }

    /// Something moved on the bulk link, or the peer told that something had.
    pub(super) fn bulk_went_on(&mut self) {
        self.links.bulk_moved = Some(self.now);
    }

    /// Bytes that the peer has told of storing, of the files that ride the bulk link.
    pub(super) fn stored_by_bulk(&self) -> u64 {
        self.links.bulk.as_ref().map_or(0, |bulk| self.transfers.waiting(bulk.ride).map(|(_, stored)| stored).sum())
    }

    /// When the bulk link is given up for not moving what it should.
    pub(super) fn stall_due(&self) -> Option<Instant> {
        let bulk = self.links.bulk.as_ref()?;
        let unstored = self.transfers.waiting(bulk.ride).any(|(sent, stored)| sent > stored);
        let owes = unstored || !bulk.outbox.is_empty();
        self.links.bulk_moved.filter(|_| owes).map(|moved| moved + STALL_AFTER)
    }

    /// Nothing has moved on the bulk link for long. A peer that is silent altogether is another matter: then the talk
    /// link decides.
    pub(super) fn bulk_stalled(&mut self) {
        if self.alive.was_heard_within(STALL_AFTER / 2, self.now) {
            log::warn!("nothing moves on the link for files; they go on over the talk link");
            self.links.epoch().into_iter().for_each(|epoch| self.bulk_down(epoch));
        } else {
            self.bulk_went_on();
        }
    }

    /// A link for files is there. Its epoch is greater than those of all before it.
    pub fn bulk_up(&mut self, link: LinkId, epoch: u32, now: Instant) {
        self.clock(now);
        if self.ended().is_none() && self.links.talk.is_some() && !self.links.is_gone(epoch) {
            self.links.epoch().into_iter().for_each(|old| self.bulk_down(old));
            self.links.add_bulk(link, epoch);
            self.bulk_went_on();
        }
    }

    /// Bulk links up to this epoch are dead, here or at the peer's. Each side tells the other once.
    pub(super) fn bulk_down(&mut self, epoch: u32) {
        if self.links.lose_bulk(epoch) {
            // What waits may be for a later link than the one that is dead.
            if self.links.bulk.is_none() {
                self.out.bulk.clear();
            }
            self.out.frames.push_back(Frame::LinkDown { epoch });
            self.transfers.link_down(epoch, &mut self.out);
        }
    }
}
