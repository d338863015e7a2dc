//! How far a file of the peer's has come.
//!
//! Owns: what is stored, hashed, told and flushed of one file, and which link it comes over.
//! Must not know: what follows from it; that is [`Incoming`](super::incoming::Incoming).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::TransferId;
use super::digest::{BLOCK, DigestTree};
use super::disk::{Block, BlockValue, DiskJob, FLUSH_BYTES};
use super::earlier::Earlier;
use super::error::ProtocolError;
use super::gaps::Gaps;
use super::ledger::Ledger;
use super::outgoing::{WINDOW_STORED, WINDOW_VERIFIED};
use super::ride::Ride;

/// Values of the sender that may be ahead of ours: what its windows allow, and the block at the edge.
const EARLY_VALUES: usize = ((WINDOW_VERIFIED + WINDOW_STORED) / BLOCK) as usize + 2;

#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) stored: u64,
    /// Last reported: stored, verified, when.
    pub(super) reported: (u64, u64, Instant),
    /// Blocks given to the helpers.
    pub(super) asked: u64,
    /// Our values that came back before an earlier one.
    pub(super) ours: BTreeMap<u64, BlockValue>,
    /// The sender's values; the first is of the block that `tree` wants next.
    pub(super) theirs: VecDeque<[u8; 32]>,
    /// How many values the sender has told, those of blocks that we had already among them.
    pub(super) told: u64,
    pub(super) tree: DigestTree,
    /// What is verified, for the journal.
    pub(super) ledger: Ledger,
    /// What an earlier try has left, while it is looked at.
    pub(super) earlier: Option<Earlier>,
    /// What of it comes again.
    pub(super) gaps: Gaps,
    /// What blocks that come again have to be.
    pub(super) mending: BTreeMap<u64, [u8; 32]>,
    /// The size and the root, once the sender has said that it is all.
    pub(super) end: Option<(u64, [u8; 32])>,
    pub(super) ride: Ride,
    /// How far it was brought to the disk, or is being brought.
    flushed: u64,
    /// Whether it is being brought to the disk.
    pub(super) flushing: bool,
    pub(super) since: Instant,
}

impl Receiving {
    /// Begins, or goes on from the byte `from` once it is known what of an earlier try's bytes is right.
    pub(super) fn new(from: u64, earlier: Option<Earlier>, now: Instant, since: Instant) -> Self {
        Self {
            stored: from,
            reported: (from, from, now),
            asked: 0,
            ours: BTreeMap::new(),
            theirs: VecDeque::new(),
            told: 0,
            tree: DigestTree::default(),
            ledger: Ledger::new(Vec::new(), now),
            earlier,
            gaps: Gaps::default(),
            mending: BTreeMap::new(),
            end: None,
            ride: Ride::Talk,
            flushed: from,
            flushing: false,
            since,
        }
    }

    /// What it does, in a word.
    pub(super) fn state_name(&self) -> &'static str {
        if self.earlier.is_some() { "resuming" } else { "receiving" }
    }

    /// Whether a chunk that begins on this link may be taken now, or has to wait for what is still on the talk link;
    /// `None`: it cannot come this way.
    pub(super) fn may_take(&self, over: Ride) -> Option<bool> {
        match (self.ride, over) {
            (ride, over) if ride == over => Some(true),
            // It has overtaken the last bytes on the talk link, or the MOVE behind them.
            (Ride::Talk, Ride::Bulk(_)) => Some(false),
            _ => None,
        }
    }

    pub(super) fn handle_digests(&mut self, first: u64, values: &[[u8; 32]]) -> Result<(), ProtocolError> {
        if first != self.told {
            return Err(ProtocolError::Sequence { expected: self.told, got: first });
        }
        // A block's value comes behind its bytes.
        let sent = self.stored.div_ceil(BLOCK);
        if first + values.len() as u64 > sent || self.theirs.len() + values.len() > EARLY_VALUES {
            return Err(ProtocolError::Window { what: "digests" });
        }
        self.told += values.len() as u64;
        match &mut self.earlier {
            Some(earlier) => earlier.told(values),
            None => {
                self.theirs.extend(values);
                Ok(())
            }
        }
    }

    /// A block of the part is this; whether it may be.
    pub(super) fn hashed(&mut self, block: Block, value: BlockValue) -> bool {
        if let Some(earlier) = &mut self.earlier {
            earlier.hashed(block, &value);
        } else if let Some(expected) = self.mending.remove(&block.index) {
            return value.chaining == expected;
        } else {
            self.ours.insert(block.index, value);
        }
        true
    }

    /// Whether enough has gathered to be brought to the disk, if that is wanted, or to be written down; by this moment,
    /// or by how much there is. It counts as begun.
    pub(super) fn begin_flush(&mut self, transfer: TransferId, sync: bool, now: Option<Instant>) -> Option<DiskJob> {
        let much = sync && self.stored.saturating_sub(self.flushed) >= FLUSH_BYTES;
        if self.flushing || self.earlier.is_some() || !(much || self.ledger.is_due(now)) {
            return None;
        }
        (self.flushing, self.flushed) = (true, self.stored);
        Some(match self.ledger.take_new(now) {
            Some((first, values)) => DiskJob::RecordPart { transfer, first, values, last: false },
            None => DiskJob::FlushPart(transfer),
        })
    }
}
