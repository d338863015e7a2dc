//! What a session sends next, on either link.
//!
//! Owns: the order. Must not know: how bytes leave.

use std::time::Instant;

use super::{Presence, Session};
use crate::proto::frame::Frame;
use crate::proto::outbox::Transmit;
use crate::proto::phase::Phase;
use crate::proto::ride::Ride;
use crate::proto::{LinkId, TransferId};

/// Encoded texts and control frames in one batch, in bytes. What they can delay a chunk by.
const BATCH: usize = 64 * 1024;

impl Session {
    /// When the rate limit lets a chunk go, if only that holds it back.
    pub(super) fn limit_due(&self) -> Option<Instant> {
        self.links.each().filter_map(|(link, other)| self.transfers.limit_due(link.ride, other)).min()
    }

    /// The next byte of a file of ours that is to be sent; `None`: it is not being sent.
    pub fn sends_at(&self, id: TransferId) -> Option<u64> {
        self.transfers.sends_at(id)
    }

    /// What to hand to the channel of the link next. Texts and answers go before files.
    pub fn poll_transmit(&mut self, link: LinkId) -> Option<Transmit<'_>> {
        let current = self.links.get_mut(link)?;
        if current.outbox.is_empty() {
            current.outbox.begin_batch();
            match current.ride {
                Ride::Talk => self.refill(),
                _ => self.refill_bulk(),
            }
        }
        let transfers = &self.transfers;
        self.links.get(link)?.outbox.next(|span| transfers.has_source(span.transfer))
    }

    /// The next batch: answers and orders, texts, BYE behind them, then at most one chunk.
    fn refill(&mut self) {
        let Some(link) = self.links.talk.as_mut() else { return };
        let outbox = &mut link.outbox;
        match (self.presence, &mut self.phase) {
            (Presence::Here, _) => {}
            // Behind our BACK it is heard whatever theirs says, and that is waited for no more. Neither may be there yet.
            (_, Phase::Cut { reason, announced, said: said @ false, .. }) => {
                for _ in 0..2 {
                    outbox.push(&Frame::Bye { reason: *reason });
                }
                (*announced, *said) = (true, true);
                return;
            }
            _ => return,
        }
        if let Some(orders) = self.orders.tell() {
            outbox.push(&Frame::Heard { orders });
        }
        if let Some(token) = self.alive.take_pong() {
            outbox.push(&Frame::Pong { token });
        }
        if let Some(seq) = self.hearing.take_ack() {
            outbox.push(&Frame::TextAck { seq });
        }
        while outbox.waiting() < BATCH
            && self.orders.has_room()
            && let Some(frame) = self.out.frames.pop_front()
        {
            self.orders.sent(&frame);
            outbox.push(&frame);
        }
        if let Phase::Cut { reason, announced, said: said @ false, .. } = &mut self.phase {
            if !*announced {
                outbox.push(&Frame::Bye { reason: *reason });
            }
            outbox.push(&Frame::Bye { reason: *reason });
            (*announced, *said) = (true, true);
        }
        if matches!(self.phase, Phase::Cut { .. } | Phase::Finished(_)) {
            return;
        }
        while outbox.waiting() < BATCH
            && let Some((seq, text)) = self.saying.take_next()
        {
            outbox.push(&Frame::Text { seq, text: text.clone() });
        }
        if let Phase::Leaving { reason, said: said @ false, .. } = &mut self.phase
            && self.saying.is_transmitted()
            && self.out.frames.is_empty()
            && !self.transfers.has_queued()
        {
            outbox.push(&Frame::Bye { reason: *reason });
            *said = true;
        }
        if let Some(span) = self.transfers.next_chunk(Ride::Talk, self.links.bulk.as_ref(), &mut self.out) {
            outbox.push_chunk(span);
        }
    }

    /// The next batch of the bulk link: what goes behind the chunks before it, then at most one chunk.
    fn refill_bulk(&mut self) {
        // What the receiver has is known once it has said BACK and RESUME.
        let Some(link) = self.links.bulk.as_mut().filter(|_| self.presence == Presence::Here) else { return };
        while link.outbox.waiting() < BATCH
            && let Some(frame) = self.out.bulk.pop_front()
        {
            link.outbox.push(&frame);
        }
        if !matches!(self.phase, Phase::Cut { .. } | Phase::Finished(_))
            && let Some(span) = self.transfers.next_chunk(link.ride, self.links.talk.as_ref(), &mut self.out)
        {
            link.outbox.push_chunk(span);
        }
        if !link.outbox.is_empty() {
            self.links.bulk_moved = Some(self.now); // what was not owed before is given its time
        }
    }

    /// The channel of the link accepted `n` bytes of what [`poll_transmit`](Self::poll_transmit) gave.
    pub fn sent(&mut self, link: LinkId, now: Instant, n: u64) {
        self.clock(now);
        let Some(current) = self.links.get_mut(link) else { return };
        let over_bulk = current.ride != Ride::Talk;
        if let Some(span) = current.outbox.sent(n) {
            self.transfers.sent(span.transfer, n, &mut self.out);
            self.moved();
        }
        if over_bulk {
            self.bulk_went_on();
        }
        self.settle();
    }
}
