//! The files of one conversation on its links.
//!
//! Owns: whose chunk is next on a link, and what becomes of files when links come and go. Must not know: how a link is
//! had, what a file does meanwhile.

use std::time::Instant;

use super::{BULK_CHUNK, NO_EPOCH, Out, TALK_CHUNK, Transfers};
use crate::proto::incoming::Incoming;
use crate::proto::links::Link;
use crate::proto::ride::Ride;
use crate::proto::{Span, TransferId};

impl Transfers {
    /// The next chunk to send over this link, each file in its turn. `other`: what there is of the other link.
    pub(in crate::proto) fn next_chunk(&mut self, over: Ride, other: Option<&Link>, out: &mut Out) -> Option<Span> {
        let span = self.wanted_chunk(over, other)?;
        if self.limit.as_ref().is_some_and(|limit| limit.due(span.len).is_some()) {
            return None;
        }
        self.last_turn = span.transfer;
        if let Some(file) = self.outgoing.get_mut(&span.transfer) {
            file.ride(over, out);
        }
        Some(span)
    }

    /// The chunk whose turn it is, whatever the rate limit says.
    fn wanted_chunk(&self, over: Ride, other: Option<&Link>) -> Option<Span> {
        let busy = other.and_then(|other| other.outbox.body()).map(|span| span.transfer);
        let longest = match over {
            Ride::Bulk(_) => self.limit.as_ref().map_or(BULK_CHUNK, |limit| limit.burst().min(BULK_CHUNK)),
            _ => TALK_CHUNK,
        };
        let later = self.outgoing.range(TransferId(self.last_turn.0 + 1)..);
        let in_turn = later.chain(self.outgoing.range(..=self.last_turn));
        let free = in_turn.filter(|(id, _)| Some(**id) != busy);
        free.map(|(_, file)| file).find_map(|file| file.next_chunk(over, other.is_none(), longest))
    }

    /// When the rate limit lets the next chunk go over this link, if only that holds it back.
    pub(in crate::proto) fn limit_due(&self, over: Ride, other: Option<&Link>) -> Option<Instant> {
        self.limit.as_ref()?.due(self.wanted_chunk(over, other)?.len)
    }

    /// Of each file of ours that rides this link, bytes sent, and bytes that the peer has told of storing.
    pub(in crate::proto) fn waiting(&self, over: Ride) -> impl Iterator<Item = (u64, u64)> {
        self.outgoing.values().filter_map(move |file| file.waiting(over))
    }

    /// The bulk link of this epoch is gone.
    pub fn link_down(&mut self, epoch: u32, out: &mut Out) {
        self.gone = self.gone.max(epoch);
        self.outgoing.values_mut().for_each(|file| file.link_down(epoch));
        self.incoming.values_mut().for_each(|file| file.link_down(epoch, out));
    }

    /// All links are gone.
    pub fn part(&mut self) {
        self.outgoing.values_mut().for_each(|file| file.adrift(NO_EPOCH));
        self.incoming.values_mut().for_each(Incoming::part);
    }

    /// There is a talk link again, with this epoch: the receivers tell over it what they have.
    pub fn resume(&mut self, epoch: u32, out: &mut Out) {
        self.resumed = epoch;
        self.outgoing.values_mut().filter(|file| file.is_adrift(None)).for_each(|file| file.adrift(epoch));
        self.incoming.values_mut().for_each(|file| file.resume(epoch, out));
    }

    /// Whether so much is to be moved that a link of its own pays. Files are opened first: of the last descriptors
    /// they need one, and can do without the link.
    pub fn wants_bulk(&self) -> bool {
        self.outgoing.values().any(|file| file.is_open() && file.is_large())
            || self.incoming.values().any(|file| file.is_open() && file.is_large())
    }
}
