//! Connections that have taken too long.
//!
//! Owns: what becomes of each. Must not know: how long is too long; that stands where a deadline is set.

use std::time::Instant;

use crate::proto::frame::Refusal;
use crate::proto::trace::{Trace, emit};

use super::connection::{Origin, Stage};
use super::doorkeeper::Parting;
use super::event::Refuser;
use super::openings::OPENING_PATIENCE;
use super::reactor::Reactor;

impl Reactor {
    /// Closes what has taken too long.
    pub(super) fn fire_connection_deadlines(&mut self) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= self.now);
        let late: Vec<usize> = self.connections.iter().filter(|(_, c)| due(c.deadline)).map(|(key, _)| key).collect();
        let partner = self.conversation.as_ref().map(|conversation| conversation.peer);
        for key in late {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            let was_due = connection.deadline.take();
            emit(Trace::Deadline { what: connection.stage.name() });
            match &connection.stage {
                Stage::Connecting(_) => self.close_opening(key, "no answer"),
                // It has had the time for a call the other way. It is judged once more, and not again and again.
                Stage::Opening(opening) if connection.is_met_in_vain() && was_due == connection.them.meeting => {
                    connection.deadline = Some(self.now + OPENING_PATIENCE);
                    if let Some(hello) = opening.hello() {
                        self.judge(key, hello);
                    }
                }
                Stage::Opening(_) if connection.is_question() => {
                    self.refuse_by(Refuser::Nobody, key, Refusal::NotWanted);
                }
                _ if connection.origin == Origin::DialledAgain && connection.is_opening() => {
                    self.close_opening(key, "no answer");
                }
                // The second of two calls, which came to nothing.
                Stage::Opening(opening) if partner.is_some() && opening.peer() == partner => {
                    connection.stage = Stage::Dead
                }
                _ if connection.origin == Origin::Dialled && connection.is_opening() => {
                    let words = format!("{} took the call and said nothing", connection.address);
                    connection.stage = Stage::Dead;
                    self.end_call(key, &words, "is it a tete? --plain has to stand on both sides or on neither");
                }
                Stage::Securing(_) | Stage::Recognising(_) | Stage::Opening(_) => {
                    let address = connection.address;
                    connection.parting = Parting::Misbehaved;
                    connection.stage = Stage::Dead;
                    self.tell_refused(address, "it took too long to say who it is".to_owned());
                }
                Stage::Flushing { .. } => connection.stage = Stage::Dead,
                Stage::Talking(_) | Stage::Dead => {}
            }
        }
    }
}
