//! Which link a transfer uses.
//!
//! Owns: the states of that, and the rules drawn here. Must not know: the bytes.
//!
//! A transfer rides one link at a time: its chunks, DIGESTS and END go over it, in their order. Everything else that is
//! said of it goes over the talk link.
//!
//! ```text
//!           the next chunk goes over the bulk link, and none is under way on the other: MOVE
//!   Talk -------------------------------------------------------------------------------> Bulk(epoch)
//!    ^                                                                                        |
//!    |   RESUME: what was stored, what was told                                               | that link is gone:
//!    `------------------------------------------- Adrift(epoch) <-----------------------------' LINK_DOWN
//! ```
//!
//! When the talk link is lost, every transfer is adrift, and RESUME goes over the next talk link, with its epoch.
//!
//! MOVE stands on the talk link behind the last chunk that went there; the receiver leaves the bulk link alone until
//! it has come, so that nothing arrives out of order. When the bulk link dies the receiver alone knows what it has
//! stored: it says RESUME, once for each MOVE, and the sender goes on from there over the talk link, or over the next
//! bulk link. What is small stays on the talk link: it is through before a MOVE would be.

use super::TransferId;

/// Which link a transfer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ride {
    /// The talk link, on which every transfer begins.
    Talk,
    /// The bulk link of this epoch.
    Bulk(u32),
    /// The bulk link of this epoch is gone, and the receiver has not said what it has. Only the sender's side is.
    Adrift(u32),
}

impl Ride {
    /// Goes over to another link, and says so in the log.
    pub(super) fn change(&mut self, transfer: TransferId, to: Self) {
        if *self != to {
            log::info!("transfer {transfer} goes over {}", to.words());
        }
        *self = to;
    }

    /// After a MOVE to the bulk link of this epoch; `None`: there can be none.
    pub fn moved(self, epoch: u32) -> Option<Self> {
        match self {
            Self::Talk => Some(Self::Bulk(epoch)),
            Self::Bulk(_) | Self::Adrift(_) => None,
        }
    }

    /// The words for it in what users are told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Talk => "the talk link",
            Self::Bulk(_) => "the bulk link",
            Self::Adrift(_) => "no link until it is known what has arrived",
        }
    }
}
