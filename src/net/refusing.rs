//! Connections that do not become a conversation, and what is said of them on both sides.
//!
//! Owns: the reactor's part in closing, refusing and being refused at the gate. Must not know: who is refused; that is
//! judged elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use crate::proto::error::ProtocolError;
use crate::proto::frame::Refusal;
use crate::proto::text::Untrusted;

use super::connection::{Connection, Origin, Stage};
use super::conversation::Anew;
use super::doorkeeper::{Parting, STRANGERS};
use super::event::{NetEvent, Refuser};
use super::gate;
use super::openings::GateError;
use super::reactor::Reactor;
use super::securing::{NOT_PLAIN, is_tls};

/// Bytes of a peer's words for the log.
const MAX_REFUSAL_SHOWN: usize = 200;
/// How long the words of a refusal may take to be read.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

impl Reactor {
    /// A link that ended, or never was, before it was through the gate.
    pub(super) fn close_opening(&mut self, key: usize, words: &str) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let proving = connection.pairing.as_ref().is_some_and(|pairing| pairing.counts());
        // Who makes our user look up and is gone again does that for nothing no second time.
        if connection.is_asked_about {
            connection.parting = Parting::Misbehaved;
        }
        connection.stage = Stage::Dead;
        let (origin, id) = (connection.origin, connection.generation);
        log::debug!("{}: {words}", connection.address);
        if origin == Origin::DialledAgain {
            self.call_again_failed(id, words);
        }
        if origin != Origin::Dialled {
            return;
        }
        if proving {
            self.end_call(key, words, "");
        } else if let Some(dialler) = &mut self.dialler {
            let fate = dialler.failed(self.now, words.to_owned());
            self.tell_fate(fate);
        }
    }

    /// Somebody who is not a tete, or not of our age or kind.
    pub(super) fn fail_opening(&mut self, key: usize, error: GateError) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let first = connection.channel.first().filter(|_| !connection.channel.is_secure());
        match error {
            GateError::Channel(error) => self.fail_channel(key, &error),
            GateError::NotSecure => {
                if !connection.channel.is_secure() {
                    connection.channel.accept(&NOT_PLAIN);
                }
                self.end_without(key, "it speaks without encryption, and this side has not asked for --plain");
            }
            // On a plain link the other kind is told by its first byte.
            GateError::Protocol(ProtocolError::NotTete) if first.is_some_and(is_tls) => {
                self.end_without(key, "it speaks encrypted alone: --plain has to be asked for on both sides");
            }
            GateError::Protocol(error) => self.end_with(key, &error.to_string()),
            GateError::Closed(words) => self.close_opening(key, &words),
        }
    }

    /// Lets what we have to say (our greeting with our versions in it, an alert) go out, and says how it went.
    pub(super) fn end_with(&mut self, key: usize, words: &str) {
        self.blame(key);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.stage = Stage::Flushing { shut: false };
        connection.deadline = Some(self.now + REFUSAL_PATIENCE);
        connection.more = true;
        let (address, origin, id) = (connection.address, connection.origin, connection.generation);
        let plain = self.settings.secure.is_none();
        if origin == Origin::DialledAgain {
            self.call_again_failed(id, words);
        } else if origin == Origin::Dialled {
            let hint = match plain {
                true => "is there a tete listening, of a version that fits, with --plain on both sides?",
                false => "is there a tete listening, of a version that fits, without --plain?",
            };
            self.end_call(key, &format!("{address}: {words}"), hint);
        } else {
            self.tell_refused(address, words.to_owned());
        }
    }

    /// Nobody is called any more, and why.
    pub(super) fn end_call(&mut self, key: usize, words: &str, hint: &'static str) {
        let proving = |connection: &Connection| connection.pairing.as_ref().is_some_and(|pairing| pairing.counts());
        let proving = self.connections.get(key).is_some_and(proving);
        if self.dialler.take().is_none() {
            log::debug!("{words}");
        } else if proving {
            // Whoever answers may be guessing our code: only our user tries it again.
            let words = format!("{words} while the code was being proved").into();
            self.not_let_in(Refuser::Rule, Some(Refusal::WrongCode), words);
        } else {
            self.events.push_back(NetEvent::DialFailed { words: words.to_owned(), hint });
        }
    }

    pub(super) fn tell_refused(&mut self, address: SocketAddr, reason: String) {
        log::info!("{address} was not let in: {reason}");
        // Told one by one; a flood of strangers may not fill the memory while nobody reads.
        let waiting = self.events.iter().filter(|event| matches!(event, NetEvent::CallerRefused { .. })).count();
        if waiting < STRANGERS {
            self.events.push_back(NetEvent::CallerRefused { address, reason });
        }
    }

    fn not_let_in(&mut self, by: Refuser, reason: Option<Refusal>, words: Untrusted) {
        self.events.push_back(NetEvent::NotLetIn { by, reason, words });
    }

    /// Does not let somebody in, by a rule of ours.
    pub(super) fn refuse(&mut self, key: usize, refusal: Refusal) {
        self.refuse_by(Refuser::Rule, key, refusal);
    }

    /// Does not let somebody in. The other side is told no more than the reason.
    pub(super) fn refuse_by(&mut self, by: Refuser, key: usize, refusal: Refusal) {
        if matches!(refusal, Refusal::WrongCode | Refusal::NotWanted) {
            self.blame(key);
        }
        let conversation = self.conversation.as_ref().filter(|conversation| conversation.dialled.is_some());
        let partner = conversation.map(|conversation| (conversation.peer, conversation.them.key));
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (address, origin, id) = (connection.address, connection.origin, connection.generation);
        let dialled = origin == Origin::Dialled;
        // Our partner's key, or none where there are none, in another process than our partner's.
        let anew = matches!(&connection.stage, Stage::Opening(opening) if opening.is_return()
            && opening.peer().zip(partner).is_some_and(|(peer, (old, key))| peer != old && connection.them.key == key));
        if let Stage::Opening(opening) = &mut connection.stage {
            opening.refuse(refusal, gate::words(refusal));
            let words = opening.transmit().to_vec();
            connection.channel.accept(&words);
        }
        connection.stage = Stage::Flushing { shut: false };
        connection.deadline = Some(self.now + REFUSAL_PATIENCE);
        connection.more = true;
        match refusal {
            _ if origin == Origin::DialledAgain => {
                self.call_again_failed(id, gate::words(refusal));
                self.begin_anew(anew.then_some(Anew::Answers));
            }
            // A second connection of the same two is no news.
            Refusal::Surplus => {}
            // Both ends of the call are here, and neither waits for the other's words: the calling one tells.
            Refusal::Yourself if dialled => {
                self.dialler = None;
                self.not_let_in(by, Some(refusal), gate::words(refusal).into());
            }
            // Whom we called is not whom we wanted, and calling again changes nothing.
            _ if dialled && self.dialler.take().is_some() => {
                self.not_let_in(by, Some(refusal), gate::words(refusal).into());
            }
            _ if dialled => {}
            _ => {
                let words = match by {
                    Refuser::User => "our user said no",
                    Refuser::Nobody => "nobody answered the question about it",
                    Refuser::Rule | Refuser::Peer { .. } => gate::words(refusal),
                };
                self.tell_refused(address, words.to_owned());
            }
        }
    }

    /// There is no conversation any more at the other end.
    pub(super) fn begin_anew(&mut self, anew: Option<Anew>) {
        if let Some(conversation) = self.conversation.as_mut().filter(|_| anew.is_some()) {
            conversation.anew = anew;
            conversation.session.give_up(self.now, "the other side has begun anew");
        }
    }

    /// Judges who has called anew, once what went on with it is over.
    pub(super) fn hear_anew(&mut self) {
        if self.conversation.is_some() {
            return;
        }
        let Some(Anew::Calls(id)) = self.anew.take() else { return };
        let waiting = self.connections.iter().find_map(|(key, connection)| match &connection.stage {
            Stage::Opening(opening) if connection.generation == id => Some((key, opening.hello()?)),
            _ => None,
        });
        if let Some((key, hello)) = waiting {
            self.judge(key, hello);
            self.connections.get_mut(key).into_iter().for_each(|connection| connection.more = true);
        }
    }

    pub(super) fn handle_refusal(&mut self, key: usize, reason: Option<Refusal>, words: Untrusted) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let origin = connection.origin;
        if origin == Origin::DialledAgain {
            let is_return = matches!(&connection.stage, Stage::Opening(opening) if opening.is_return());
            self.close_opening(key, &words.shown_within(MAX_REFUSAL_SHOWN).to_string());
            // Who was called cannot call anew: the other side's port may be somebody else's by now.
            let has_called = self.conversation.as_ref().is_some_and(|conversation| conversation.dialled.is_some());
            let anew = is_return && has_called && reason == Some(Refusal::NoSession);
            return self.begin_anew(anew.then_some(Anew::Answers));
        }
        if reason == Some(Refusal::Surplus) {
            // The other connection of the two is the one that counts.
            return self.close_opening(key, "the other connection is used");
        }
        if origin == Origin::Came {
            // Who of the two speaks last is drawn by lot: our user is told whichever side has said no.
            let address = connection.address;
            let words = format!("it says: {}", words.shown_within(MAX_REFUSAL_SHOWN));
            // Who says no again and again shows its words less and less often.
            self.blame(key);
            self.close_opening(key, &words);
            return self.tell_refused(address, words);
        }
        let asked = matches!(&connection.stage, Stage::Opening(opening) if opening.was_asked_about());
        connection.stage = Stage::Dead;
        // Once somebody else has called, whom we called before matters no more.
        if self.dialler.take().is_some() {
            self.not_let_in(Refuser::Peer { asked }, reason, words);
        }
    }
}
