//! What a file of the peer's waits for.
//!
//! Owns: that, in each of its states. Must not know: for how long.

use std::time::{Duration, Instant};

use super::{Frame, Incoming, State};
use crate::proto::digest::BLOCK;
use crate::proto::event::Direction;
use crate::proto::outgoing::{WINDOW_STORED, WINDOW_VERIFIED};
use crate::proto::ride::Ride;
use crate::proto::stages::{Half, Spent, Stages, Turn, Wait};

/// Bytes that are here and not verified from which on the sender waits for that, and not we for the sender: what may be
/// under way beside them fills its window.
const LAGS: u64 = WINDOW_VERIFIED - WINDOW_STORED;

impl Incoming {
    /// What it waits for at the end of a turn; `None` before its file is being created, and when it is over.
    fn waits_for(&self, turn: &Turn) -> Option<Wait> {
        let receiving = match &self.state {
            State::Creating { .. } | State::Committing { .. } => return Some(Wait::Disk),
            State::Receiving(receiving) => receiving,
            State::Undecided | State::Waiting | State::Cancelled | State::Over => return None,
        };
        let held = if receiving.ride == Ride::Talk { turn.talk } else { turn.bulk };
        let unhashed = self.terms.verify && receiving.tree.blocks() * BLOCK < receiving.stored;
        Some(match () {
            () if receiving.earlier.is_some() => Wait::Helpers,
            () if receiving.end.is_some() && !unhashed => Wait::Disk,
            () if receiving.end.is_some() => Wait::Helpers,
            () if !held.empty => Wait::Busy,
            () if self.terms.verify && receiving.stored.saturating_sub(self.verified(receiving)) > LAGS => {
                Wait::Helpers
            }
            () => Wait::Beyond,
        })
    }

    /// Whether all of it has come.
    fn is_ending(&self) -> bool {
        match &self.state {
            State::Receiving(receiving) => receiving.end.is_some(),
            state => matches!(state, State::Committing { .. }),
        }
    }

    /// Counts the time since the last turn; our half, if it is time to tell it.
    pub fn account(&mut self, now: Instant, time: Duration, turn: &Turn) -> Option<Frame> {
        let wait = self.waits_for(turn)?;
        self.meter.add(wait, time, turn, self.is_ending());
        self.meter.tell(now).map(|half| Frame::Spent { id: self.id, half })
    }

    /// Whether it wants to know how much the loop has computed. Of small files there are thousands, and the question costs
    /// as much as some of them.
    pub fn wants_processor(&self) -> bool {
        self.is_large() && self.is_active() && self.meter.wants_processor(self.is_ending())
    }

    /// A helper has worked for it.
    pub fn helped(&mut self, spent: Spent) {
        self.meter.helped(spent);
    }

    /// What the sender says of itself.
    pub fn heard_half(&mut self, half: Half) {
        self.meter.heard(half);
    }

    /// What it has waited for so far.
    pub fn stages(&self) -> Stages {
        self.meter.stages(Direction::Receive)
    }
}
