//! The part of [`Incoming`] that goes on with what an earlier try has left.
//!
//! ```text
//!   receiver                                    sender
//!   ACCEPT from  ------------------------------>  hashes from the beginning, sends nothing yet
//!   reads its part again  <----- DIGESTS up to `from`
//!   LACKS from, blocks  ----------------------->  sends these blocks, and then on from there
//! ```
//!
//! Until then nothing is under way but DIGESTS, so that what comes afterwards cannot be mistaken. LACKS from 0 means that
//! the file is another one by now, and begins again.

use std::time::Instant;

use super::{Incoming, Kept, State};
use crate::proto::digest::{BLOCK, block_count};
use crate::proto::disk::DiskJob;
use crate::proto::earlier::{Earlier, Known};
use crate::proto::event::{Direction, Event};
use crate::proto::frame::Frame;
use crate::proto::ledger::Ledger;
use crate::proto::reason::CancelReason;
use crate::proto::receiving::Receiving;
use crate::proto::trace::{Trace, emit};
use crate::proto::transfers::Out;

impl Kept {
    /// Nobody else has had its part: it need not be read again. How many of its blocks the journal has goes with it.
    pub(super) fn into_earlier(self) -> (Earlier, u64) {
        let blocks = self.tree.blocks();
        (Earlier::new(self.ledger.into_values(), Some(self.tree)), blocks)
    }
}

impl Incoming {
    /// The part is there: tells the sender from where on it is wanted.
    pub(super) fn begin(&mut self, earlier: Option<(Earlier, u64)>, now: Instant, since: Instant, out: &mut Out) {
        let blocks = earlier.as_ref().map_or(0, |(_, blocks)| *blocks);
        let from = blocks.saturating_mul(BLOCK).min(self.size.unwrap_or(u64::MAX));
        out.frames.push_back(Frame::Accept { id: self.id, from });
        emit(Trace::State { transfer: Some(self.id), from: "Creating", to: "Receiving" });
        self.state = State::Receiving(Receiving::new(from, earlier.map(|(earlier, _)| earlier), now, since));
        self.look_at_earlier(out);
    }

    /// The part of an earlier run is there, with these blocks.
    pub(super) fn take_up(&mut self, mut values: Vec<[u8; 32]>, now: Instant, since: Instant, out: &mut Out) {
        let most = self.size.filter(|_| self.terms.verify).map_or(0, block_count);
        values.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        if values.is_empty() {
            self.tell_resumed(0, 0, out);
            return self.begin(None, now, since, out);
        }
        let blocks = values.len() as u64;
        self.begin(Some((Earlier::new(values, None), blocks)), now, since, out);
    }

    /// Reads what an earlier try has left, and goes on once everything is known of it.
    pub(super) fn look_at_earlier(&mut self, out: &mut Out) {
        let (State::Receiving(receiving), Some(size)) = (&mut self.state, self.size) else { return };
        let Some(earlier) = &mut receiving.earlier else { return };
        while let Some(block) = earlier.next_block(size) {
            out.jobs.push_back(DiskJob::HashPart(self.id, block));
        }
        let Some(earlier) = receiving.earlier.take_if(|earlier| earlier.is_settled()) else { return };
        let since = receiving.reported.2;
        let Known { gaps, tree, values, mending, theirs, changed } = earlier.settle(size);
        let (from, again) = (tree.blocks().saturating_mul(BLOCK).min(size), mending.len() as u64);
        out.frames.push_back(Frame::Lacks { id: self.id, from, blocks: mending.keys().copied().collect() });
        if changed {
            receiving.flushing = true;
            out.jobs.push_back(DiskJob::RestartPart(self.id));
        }
        receiving.stored = gaps.start();
        receiving.reported = (receiving.stored, receiving.stored, since);
        receiving.asked = tree.blocks();
        receiving.ledger = Ledger::new(values, since);
        (receiving.gaps, receiving.tree, receiving.mending, receiving.theirs) = (gaps, tree, mending, theirs);
        self.tell_resumed(from, again, out);
        self.advance(out);
    }

    fn tell_resumed(&self, bytes: u64, again: u64, out: &mut Out) {
        let (id, name, direction) = (self.id, self.name.clone(), Direction::Receive);
        out.events.push_back(Event::Resumed { id, direction, name, bytes, again });
    }

    /// Writes down what is verified and not written yet, before the part is left alone. Whether a later try can go on
    /// from something.
    pub(super) fn record_last(&mut self, out: &mut Out) -> bool {
        let leaves_part = self.leaves_part();
        let ledger = match &mut self.state {
            State::Receiving(receiving) if receiving.earlier.is_some() => return true,
            State::Receiving(Receiving { ledger, .. }) | State::Committing { ledger, .. } => ledger,
            State::Creating { earlier, .. } => return earlier.is_some(),
            _ => return self.earlier.is_some(),
        };
        leaves_part && ledger.record_rest(self.id, &mut out.jobs)
    }

    /// Whether it is a file of which a part may be kept: no stream, and of a block at least.
    pub(super) fn leaves_part(&self) -> bool {
        !self.is_stream && self.size.is_some_and(|size| size >= BLOCK)
    }

    /// The talk link of this epoch takes the place of a lost one: the sender has to know what came before.
    pub fn resume(&mut self, epoch: u32, out: &mut Out) {
        if let State::Receiving(receiving) = &mut self.state {
            // What was last told may be lost.
            (receiving.reported.0, receiving.reported.1) = (0, 0);
            if receiving.end.is_none() {
                let (id, stored, told) = (self.id, receiving.stored, receiving.told);
                out.frames.push_back(Frame::Resume { id, epoch, stored, told });
            }
        }
    }

    /// Whether at least one block is known to be right, so that going on from it makes sense. A stream comes only once.
    pub fn is_verified_somewhere(&self) -> bool {
        match &self.state {
            _ if self.is_stream => false,
            State::Receiving(receiving) => receiving.tree.blocks() > 0 || receiving.earlier.is_some(),
            // The part of an earlier run may be among what it finds.
            State::Creating { .. } | State::Committing { .. } => true,
            _ => self.earlier.is_some(),
        }
    }

    /// Whether a part stays when the sender stops for this reason. What was stored is right as far as it goes when it merely
    /// leaves; and what an earlier try has left is no worse for a source that cannot be read now.
    pub(super) fn outlives(&self, reason: Option<CancelReason>) -> bool {
        match (reason, &self.state) {
            (Some(CancelReason::Leaving), _) => self.is_verified_somewhere(),
            (Some(CancelReason::SourceFailed), State::Receiving(receiving)) => receiving.earlier.is_some(),
            (Some(CancelReason::SourceFailed), State::Creating { .. }) => true,
            _ => false,
        }
    }

    /// What a later try could go on from: at least one verified block of a file whose size is known.
    pub(super) fn left_over(&self) -> Option<Kept> {
        // The answer to a flush that is under way may be that bytes were lost, and nobody would hear it any more.
        let State::Receiving(receiving) = &self.state else { return None };
        if receiving.flushing {
            return None;
        }
        let (id, name, tree) = (self.id, self.name.clone(), receiving.tree.clone());
        // Of what is not looked at, or not mended, nobody knows.
        let sure = receiving.mending.is_empty() && receiving.ledger.len() as u64 == tree.blocks();
        let ledger = receiving.ledger.clone();
        let size = self.size.filter(|_| !self.is_stream && sure && tree.blocks() > 0);
        size.map(|size| Kept { id, name, size, tree, ledger })
    }
}
