//! The session's link for files.
//!
//! Owns: when one is wanted, what its coming and going means. Must not know: how one is had; which file uses it is told
//! in [`ride`](crate::proto::ride).

use std::time::Instant;

use super::Session;
use crate::proto::LinkId;
use crate::proto::error::ProtocolError;
use crate::proto::frame::Frame;
use crate::proto::phase::Phase;

impl Session {
    /// Whether a file is under way for which a link of its own pays, and there is none.
    pub fn wants_bulk(&self) -> bool {
        self.links.bulk.is_none()
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

    /// A link for files is there. Its epoch is greater than those of all before it.
    pub fn bulk_up(&mut self, link: LinkId, epoch: u32, now: Instant) {
        self.clock(now);
        if self.ended().is_none() {
            self.links.epoch().into_iter().for_each(|old| self.bulk_down(old));
            self.links.add_bulk(link, epoch);
        }
    }

    /// The bulk link of this epoch is dead, here or at the peer's. Each side tells the other once.
    pub(super) fn bulk_down(&mut self, epoch: u32) {
        if self.links.lose_bulk(epoch) {
            self.out.bulk.clear();
            self.out.frames.push_back(Frame::LinkDown { epoch });
            self.transfers.link_down(epoch, &mut self.out);
        }
    }
}
