//! What a session's files wait for.
//!
//! Owns: from when to when. Must not know: what a file waits for.

use std::time::Instant;

use super::Session;
use crate::proto::TransferId;
use crate::proto::stages::{Spent, Stages, Turn};

impl Session {
    /// A turn begins, at this moment: the time since the last one went to what the files waited for when that ended, and
    /// `turn` says how it did. To be called before anything else of the new turn. Who never calls it is told nothing by
    /// [`stages`](Self::stages).
    pub fn account(&mut self, now: Instant, turn: &Turn) {
        let time = now.saturating_duration_since(self.accounted);
        self.accounted = now;
        if self.is_moving() {
            self.transfers.account(now, time, turn, &self.links, &mut self.out);
        }
    }

    /// Whether the next [`account`](Self::account) should be told how much the loop's thread has computed: some five times
    /// a transfer, and once a second while it lasts.
    pub fn wants_processor(&self) -> bool {
        self.transfers.wants_processor()
    }

    /// A helper has read and hashed for this file, and that took so long.
    pub fn helped(&mut self, transfer: TransferId, spent: Spent) {
        self.transfers.helped(transfer, spent);
    }

    /// What a file under way has waited for so far.
    pub fn stages(&self, transfer: TransferId) -> Option<Stages> {
        self.transfers.stages(transfer)
    }
}
