//! Whom we call, until somebody answers.
//!
//! Owns: the reactor's part in that. Must not know: when the next attempt is due (that is the dialler).

use mio::net::TcpStream;

use crate::sys;

use super::connection::{Intent, Origin, Stage};
use super::dialler::{CONNECT_PATIENCE, Fate, Want};
use super::event::NetEvent;
use super::reactor::Reactor;
use super::standing::Resolved;

/// Events that may wait for our user before those of calls are left out.
const MAX_UNTOLD: usize = 64;

impl Reactor {
    /// Goes on with calling.
    pub(super) fn drive_dialler(&mut self) {
        while let Some(dialler) = &mut self.dialler {
            if dialler.is_lookup_overdue(self.now) {
                let words = format!("looking up {} takes too long", dialler.called);
                self.lookup += 1; // an answer that comes all the same is too late
                self.not_found(words, "is the network there?");
                continue;
            }
            match dialler.poll(self.now) {
                None => return,
                Some(Want::Resolve) => {
                    let callee = dialler.callee.clone();
                    // A word without a port may be the name of somebody who is called where he was last reached.
                    if callee.port.is_some() {
                        self.tell_attempt();
                    }
                    self.resolve(callee);
                }
                Some(Want::Connect(address)) => {
                    let patience = dialler.patience(self.now, CONNECT_PATIENCE);
                    let called = sys::connect(address).map(TcpStream::from_std);
                    let add = |stream| self.add_connection(stream, address, Origin::Dialled, patience);
                    match called.and_then(add) {
                        Ok(key) => {
                            if let Some(connection) = self.connections.get_mut(key) {
                                connection.stage = Stage::Connecting(Intent::Talk);
                            }
                        }
                        Err(error) => {
                            let Some(dialler) = &mut self.dialler else { return };
                            let fate = dialler.failed(self.now, sys::words(&error));
                            self.tell_fate(fate);
                        }
                    }
                }
            }
        }
    }

    /// Tells where the present attempt goes, once.
    fn tell_attempt(&mut self) {
        let Some(dialler) = &mut self.dialler else { return };
        if std::mem::replace(&mut dialler.told, dialler.attempt) != dialler.attempt {
            let (to, attempt) = (dialler.called.clone(), dialler.attempt);
            self.tell_calling(NetEvent::Dialling { to, attempt });
        }
    }

    /// Tells of a call. Of those that nobody has taken note of for long only the last ones are kept: whom nobody answers
    /// is called for days.
    pub(super) fn tell_calling(&mut self, event: NetEvent) {
        if self.events.len() >= MAX_UNTOLD {
            self.events.retain(|event| !matches!(event, NetEvent::Dialling { .. } | NetEvent::Unanswered { .. }));
        }
        self.events.push_back(event);
    }

    pub(super) fn handle_resolved(&mut self, result: Result<Resolved, String>) {
        let Some(dialler) = &mut self.dialler else { return };
        match result {
            Ok(found) => {
                (dialler.called, dialler.expected) = (found.called, found.expected);
                let fate = dialler.resolved(self.now, found.addresses);
                self.tell_attempt();
                self.tell_fate(fate);
                self.judge_those_met();
            }
            Err(words) => self.not_found(words, "check the name, or give an address"),
        }
    }

    /// Whom we call was not found: for good, unless there were addresses before.
    fn not_found(&mut self, words: String, hint: &'static str) {
        let now = self.now;
        match self.dialler.as_mut().filter(|dialler| dialler.was_found()) {
            Some(dialler) => {
                let fate = dialler.not_resolved(now, words);
                self.tell_fate(fate);
            }
            None => {
                self.dialler = None;
                self.events.push_back(NetEvent::DialFailed { words, hint });
            }
        }
    }

    pub(super) fn tell_fate(&mut self, fate: Fate) {
        let Some(dialler) = &self.dialler else { return };
        let to = dialler.called.clone();
        let words = dialler.last_words.clone();
        match fate {
            Fate::Goes => {}
            Fate::Unanswered => self.tell_calling(NetEvent::Unanswered { to, words }),
            Fate::GivenUp => {
                self.dialler = None;
                let words = format!("nobody answered at {to}: {words}");
                let hint = "does the other side listen there? --wait waits longer";
                self.events.push_back(NetEvent::DialFailed { words, hint });
            }
        }
    }
}
