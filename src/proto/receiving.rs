//! How far a file of the peer's has come.
//!
//! Owns: what is stored, hashed, told and flushed of one file, and which link it comes over.
//! Must not know: what follows from it; that is [`Incoming`](super::incoming::Incoming).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::digest::{BLOCK, DigestTree};
use super::disk::BlockValue;
use super::error::ProtocolError;
use super::outgoing::{WINDOW_STORED, WINDOW_VERIFIED};
use super::ride::Ride;

/// Bytes after which what is stored is brought to the disk, so that the last wait for it is short.
pub(super) const FLUSH_BYTES: u64 = 64 << 20;
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
    /// Goes on from the byte `from`, up to which everything is in `tree`.
    pub(super) fn new(from: u64, tree: DigestTree, now: Instant, since: Instant) -> Self {
        Self {
            stored: from,
            reported: (from, from, now),
            asked: tree.blocks(),
            ours: BTreeMap::new(),
            theirs: VecDeque::new(),
            told: 0,
            tree,
            end: None,
            ride: Ride::Talk,
            flushed: from,
            flushing: false,
            since,
        }
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
        // Of the blocks that we had before, the root will tell whether they are still the sender's.
        let wanted = self.tree.blocks() + self.theirs.len() as u64;
        let known = usize::try_from(wanted.saturating_sub(first)).unwrap_or(usize::MAX).min(values.len());
        self.theirs.extend(&values[known..]);
        Ok(())
    }

    /// Whether enough has gathered to be brought to the disk; it counts as begun.
    pub(super) fn begin_flush(&mut self) -> bool {
        let due = !self.flushing && self.stored - self.flushed >= FLUSH_BYTES;
        if due {
            (self.flushing, self.flushed) = (true, self.stored);
        }
        due
    }
}
