//! A file of ours whose link is gone.
//!
//! Owns: that nothing is sent until the receiver has said what it has. Must not know: how a link is lost.

use super::{Outgoing, State};
use crate::proto::ride::Ride;

impl Outgoing {
    /// Nothing more is sent until the receiver has said, over the talk link of this epoch, what it has.
    pub fn adrift(&mut self, epoch: u32) {
        if let State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. } = &mut self.state {
            sending.ride.change(self.id, Ride::Adrift(epoch));
        }
    }

    /// Whether the receiver has to say what it has, over the talk link of this epoch or over any.
    pub fn is_adrift(&self, over: Option<u32>) -> bool {
        match &self.state {
            State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. } => {
                matches!(sending.ride, Ride::Adrift(epoch) if over.is_none_or(|over| over == epoch))
            }
            _ => false,
        }
    }

    /// Bulk links up to this epoch are gone: nothing more is sent until the receiver has said what it has.
    pub fn link_down(&mut self, gone: u32) {
        if let State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. } = &mut self.state
            && let Ride::Bulk(epoch) = sending.ride
            && epoch <= gone
        {
            sending.ride.change(self.id, Ride::Adrift(epoch));
        }
    }
}
