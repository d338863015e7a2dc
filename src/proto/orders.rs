//! What is said once about a file, and has to arrive once, whatever becomes of the link.
//!
//! Owns: which frames are orders, how many came, and those of ours that may have to be said again. Must not know: what an
//! order means, when a link is lost.
//!
//! Orders are numbered on both sides by counting; nothing stands on the wire. HEARD tells every so often how many came.
//! When a talk link is lost, both sides say BACK on the next one, with the number that came, and the rest is said
//! again, in its order. All other frames need not be: texts have numbers of their own; PROGRESS, DIGESTS and END are told
//! afresh from what is stored (RESUME).

use std::collections::VecDeque;

use super::error::ProtocolError;
use super::frame::{Frame, Kind};
use super::transfers::MAX_FRAMES;

/// So many orders have come since it was last told: often enough that little is kept, seldom enough to cost nothing.
const TELL_AFTER: u64 = 16;

/// Whether such a frame is an order.
pub(super) fn is_order(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Offer | Kind::Accept | Kind::Refuse | Kind::Lacks | Kind::Committed | Kind::Cancel | Kind::Cancelled
    )
}

/// The orders of both sides.
#[derive(Debug)]
pub(super) struct Orders {
    /// Whether there may be a next link. If not, none of ours is ever said again.
    keeps: bool,
    /// Ours that were put on a wire and may not have come, oldest first; the last one has number `sent`.
    kept: VecDeque<Frame>,
    sent: u64,
    /// Theirs that came, and how many of them they know to have come.
    came: u64,
    told: u64,
}

impl Orders {
    /// None yet.
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, kept: VecDeque::new(), sent: 0, came: 0, told: 0 }
    }

    /// Whether one more can be kept. A peer that never tells what has come is told nothing more.
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < MAX_FRAMES
    }

    /// A frame of ours is put on the wire.
    pub(super) fn sent(&mut self, frame: &Frame) {
        if is_order(frame.kind()) {
            self.kept.extend(self.keeps.then(|| frame.clone()));
            self.sent += 1;
        }
    }

    /// A frame of the peer has come.
    pub(super) fn came(&mut self, kind: Kind) {
        self.came += u64::from(is_order(kind));
    }

    /// How many of theirs have come, to be told first on a new link.
    pub(super) fn tell_all(&mut self) -> u64 {
        self.told = self.came;
        self.came
    }

    /// How many of theirs have come, if it is time to tell.
    pub(super) fn tell(&mut self) -> Option<u64> {
        (self.came - self.told >= TELL_AFTER).then(|| self.tell_all())
    }

    /// So many of ours have come.
    ///
    /// # Errors
    /// [`ProtocolError::Sequence`] for a number that cannot be.
    pub(super) fn heard(&mut self, orders: u64) -> Result<(), ProtocolError> {
        let before = if self.keeps { self.sent - self.kept.len() as u64 } else { 0 };
        if orders < before || orders > self.sent {
            return Err(ProtocolError::Sequence { expected: self.sent, got: orders });
        }
        self.kept.drain(..((orders - before) as usize).min(self.kept.len()));
        Ok(())
    }

    /// So many of ours have come over links that are lost; the rest, to be said again before anything else.
    ///
    /// # Errors
    /// As [`heard`](Self::heard).
    pub(super) fn rewind(&mut self, orders: u64) -> Result<VecDeque<Frame>, ProtocolError> {
        self.heard(orders)?;
        self.sent = orders;
        Ok(std::mem::take(&mut self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::TransferId;

    fn order(id: u64) -> Frame {
        Frame::Committed { id: TransferId(id) }
    }

    #[test]
    fn what_may_not_have_come_is_said_again_and_in_its_order() {
        let mut orders = Orders::new(true);
        (1..=3).for_each(|id| orders.sent(&order(id)));
        orders.sent(&Frame::Ping { token: 1 });
        assert_eq!(orders.rewind(1), Ok(VecDeque::from([order(2), order(3)])));
        orders.sent(&order(2));
        assert_eq!(orders.rewind(2), Ok(VecDeque::new()));
    }

    #[test]
    fn what_was_heard_is_kept_no_longer() {
        let mut orders = Orders::new(true);
        (1..=3).for_each(|id| orders.sent(&order(id)));
        orders.heard(2).unwrap();
        assert_eq!(orders.kept, [order(3)]);
        for number in [1, 4] {
            assert_eq!(orders.heard(number), Err(ProtocolError::Sequence { expected: 3, got: number }));
        }
    }

    #[test]
    fn each_number_that_is_heard_counts_from_the_first_order() {
        let mut orders = Orders::new(true);
        (1..=5).for_each(|id| orders.sent(&order(id)));
        for number in [2, 3, 3] {
            assert_eq!(orders.heard(number), Ok(()));
        }
        assert_eq!(orders.kept, [order(4), order(5)]);
    }

    #[test]
    fn what_came_is_told_every_so_often() {
        let mut orders = Orders::new(true);
        (1..TELL_AFTER).for_each(|_| orders.came(Kind::Offer));
        orders.came(Kind::Ping);
        assert_eq!(orders.tell(), None);
        orders.came(Kind::Cancel);
        assert_eq!((orders.tell(), orders.tell()), (Some(TELL_AFTER), None));
    }

    #[test]
    fn who_never_comes_back_keeps_nothing() {
        let mut orders = Orders::new(false);
        (1..=2 * MAX_FRAMES as u64).for_each(|id| orders.sent(&order(id)));
        assert!(orders.has_room() && orders.kept.is_empty());
        assert_eq!(orders.heard(16), Ok(()));
        let sent = 2 * MAX_FRAMES as u64;
        assert_eq!(orders.heard(sent + 1), Err(ProtocolError::Sequence { expected: sent, got: sent + 1 }));
    }

    #[test]
    fn a_peer_that_never_tells_is_not_remembered_for_without_end() {
        let mut orders = Orders::new(true);
        (1..MAX_FRAMES as u64).for_each(|id| orders.sent(&order(id)));
        assert!(orders.has_room());
        orders.sent(&order(0));
        assert!(!orders.has_room());
    }
}
