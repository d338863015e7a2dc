//! What the files of one conversation wait for.
//!
//! Owns: which link keeps which file, and when the other side is told. Must not know: what a file waits for in a state.

use std::time::{Duration, Instant};

use super::{BULK_CHUNK, Out, TALK_CHUNK, Transfers};
use crate::proto::TransferId;
use crate::proto::links::Links;
use crate::proto::ride::Ride;
use crate::proto::stages::{Half, Spent, Stages, Turn, Wait};

/// Frames that may wait while one of these is added. It can be left out, and must not fill a queue that is bounded.
const MAX_BEFORE: usize = 64;

impl Transfers {
    /// Counts the time since the last turn for every file under way.
    pub(in crate::proto) fn account(
        &mut self,
        now: Instant,
        time: Duration,
        turn: &Turn,
        links: &Links,
        out: &mut Out,
    ) {
        let limit = self.limit.as_ref();
        for file in self.outgoing.values_mut() {
            let could = links.each().find_map(|(link, other)| {
                let (held, longest) = match link.ride {
                    Ride::Talk => (turn.talk, TALK_CHUNK),
                    _ => (turn.bulk, limit.map_or(BULK_CHUNK, |limit| limit.burst().min(BULK_CHUNK))),
                };
                let span = file.next_chunk(link.ride, other.is_none(), longest)?;
                Some(match () {
                    () if limit.is_some_and(|limit| limit.due(span.len).is_some()) => Wait::Limit,
                    () if held.full => Wait::Beyond,
                    () => Wait::Busy,
                })
            });
            if let Some((ride, spent)) = file.account(now, time, turn, could)
                && out.frames.len().max(out.bulk.len()) < MAX_BEFORE
            {
                out.by(ride, spent);
            }
        }
        for file in self.incoming.values_mut() {
            let spent = file.account(now, time, turn);
            out.frames.extend(spent.filter(|_| out.frames.len() < MAX_BEFORE));
        }
    }

    /// Whether a file wants to know how much the loop has computed.
    pub(in crate::proto) fn wants_processor(&self) -> bool {
        self.outgoing.values().any(|file| file.wants_processor())
            || self.incoming.values().any(|file| file.wants_processor())
    }

    /// A helper has worked for this file.
    pub(in crate::proto) fn helped(&mut self, id: TransferId, spent: Spent) {
        self.outgoing.get_mut(&id).into_iter().for_each(|file| file.helped(spent));
        self.incoming.get_mut(&id).into_iter().for_each(|file| file.helped(spent));
    }

    /// What the other side says of itself. Of a file that is over, or never was, it is of no use, and does no harm.
    pub(in crate::proto) fn heard_half(&mut self, id: TransferId, half: Half) {
        self.outgoing.get_mut(&id).into_iter().for_each(|file| file.heard_half(half));
        self.incoming.get_mut(&id).into_iter().for_each(|file| file.heard_half(half));
    }

    /// What a file under way has waited for so far.
    pub(in crate::proto) fn stages(&self, id: TransferId) -> Option<Stages> {
        let outgoing = self.outgoing.get(&id).map(|file| file.stages());
        outgoing.or_else(|| self.incoming.get(&id).map(|file| file.stages()))
    }
}
