//! What a file of ours waits for.
//!
//! Owns: that, in each of its states. Must not know: for how long.

use std::time::{Duration, Instant};

use super::{BLOCK, Frame, Outgoing, Ride, State};
use crate::proto::event::Direction;
use crate::proto::stages::{Half, Spent, Stages, Turn, Wait};

impl Outgoing {
    /// What it waits for at the end of a turn; `None` before its file is being opened, and when it is over. `could`: what
    /// keeps the chunk that it could send, if there is one.
    fn waits_for(&self, could: Option<Wait>) -> Option<Wait> {
        Some(match &self.state {
            State::Opening { .. } | State::Checking(_) => Wait::Disk,
            State::Ended { .. } => Wait::Beyond,
            State::Sending(sending) if sending.awaits || matches!(sending.ride, Ride::Adrift(_)) => Wait::Beyond,
            State::Sending(_) if could.is_some() => return could,
            // All was sent, and not all is told: the last blocks of a stream are hashed when they are gone.
            State::Sending(sending) if self.size == Some(sending.sent) => Wait::Helpers,
            State::Sending(sending) if sending.sent == sending.available => Wait::Disk,
            State::Sending(sending)
                if self.verify && !self.is_stream && sending.sent / BLOCK >= sending.tree.blocks() =>
            {
                Wait::Helpers
            }
            State::Sending(_) => Wait::Beyond,
            State::Queued | State::Offered | State::Accepted { .. } | State::Cancelled { .. } | State::Over => {
                return None;
            }
        })
    }

    /// Whether all of it was sent.
    fn is_ending(&self) -> bool {
        matches!(self.state, State::Checking(_) | State::Ended { .. })
    }

    /// Counts the time since the last turn; our half, if it is time to tell it, and the way it goes.
    pub fn account(&mut self, now: Instant, time: Duration, turn: &Turn, could: Option<Wait>) -> Option<(Ride, Frame)> {
        let wait = self.waits_for(could)?;
        self.meter.add(wait, time, turn, self.is_ending());
        let half = self.meter.tell(now)?;
        let (State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. }) = &self.state else {
            return None;
        };
        Some((sending.ride, Frame::Spent { id: self.id, half }))
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

    /// What the receiver says of itself.
    pub fn heard_half(&mut self, half: Half) {
        self.meter.heard(half);
    }

    /// What it has waited for so far.
    pub fn stages(&self) -> Stages {
        self.meter.stages(Direction::Send)
    }
}
