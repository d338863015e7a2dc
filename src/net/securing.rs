//! From a connection to somebody with a key: the handshake, whose key it is, a first meeting by a one-time code.
//!
//! Owns: the reactor's part in that. Must not know: how a key is proved (that is `secure`), who is let in (that is the
//! gate).
//!
//! ```text
//!   connected --> Securing --the two have agreed on keys--> Recognising --a helper has looked it up--> Opening
//!   (plain: ------------------------------------------------------------------------------------------> Opening)
//! ```
//!
//! Who calls is the TLS client. What encrypts a caller's connection is made with its first byte, so that a caller who
//! says nothing costs nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::proto::claim::{Binding, Claim};
use crate::proto::frame::Refusal;
use crate::proto::hello::{Hello, MAGIC, Purpose};
use crate::proto::opening::{Opening, Step};
use crate::secure::code::OneTime;
use crate::secure::key::PublicKey;
use crate::secure::pairing::{self, Pairing, Role};
use crate::secure::tls::TlsError;

use super::asking::{RECOGNISE, own_ticket};
use super::connection::{Connection, Intent, Need, Origin, Stage};
use super::doorkeeper::{QUESTIONS_OF_ONE_SOURCE, Source};
use super::event::{NetEvent, Refuser};
use super::gate::{MAX_QUESTIONS, Trust};
use super::openings::{GATE_SPACE, GateError, OPENING_PATIENCE, QUESTION_PATIENCE};
use super::pool::{Job, Ticket, Work};
use super::pump::Moved;
use super::reactor::Reactor;
use super::standing::{Expected, Standing, Them};

/// Keys that helpers may look up at once; more of them wait for a disk that does not answer.
const MAX_RECOGNISING: usize = 256;
/// The first byte of a TLS handshake (RFC 8446, section 5.1), and so of every encrypted link.
const TLS_HANDSHAKE: u8 = 22;
/// Bytes before the content of a TLS record (RFC 8446, section 5.1).
const RECORD_HEADER: usize = 5;
/// The first byte of a plain link.
const PLAIN: u8 = MAGIC[0];
/// How long somebody with a new key may wait for the call the other way that shows that both want to talk. Longer than
/// the longest pause between two attempts to call.
const MEETING_PATIENCE: Duration = Duration::from_secs(3);
/// How much longer than its handshake a caller may take until it has said what it wants.
const HELLO_PATIENCE: Duration = Duration::from_secs(2);
/// What somebody who speaks without encryption is told, in the one form that both kinds of tete understand: a fatal
/// alert, protocol_version (RFC 8446, section 6.2).
pub(super) const NOT_PLAIN: [u8; 7] = [21, 3, 3, 0, 2, 2, 70];

impl Reactor {
    /// From now on a one-time code proves a first meeting; whom we call and do not know is not talked to without.
    pub fn set_code(&mut self, code: OneTime) {
        (self.code, self.wants_code) = (Some(code), true);
    }

    /// A connection stands: what is encrypted is agreed on first.
    pub(super) fn begin(&mut self, key: usize, intent: Intent) {
        let Some(secure) = &self.settings.secure else { return self.begin_opening(key, intent) };
        let expected = match intent {
            Intent::Talk => self.dialler.as_ref().and_then(|dialler| dialler.expected.as_ref()).map(|it| it.key),
            Intent::Again(..) => self.conversation.as_ref().and_then(|conversation| conversation.them.key),
        };
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.stage = Stage::Securing(intent);
        connection.deadline = Some(self.now + OPENING_PATIENCE);
        if connection.origin != Origin::Came {
            match secure.tls.call(expected) {
                Ok(tls) => connection.channel.secure(tls),
                Err(error) => return self.close_opening(key, &error.to_string()),
            }
        }
        self.pump_securing(key);
    }

    /// Goes on with a handshake.
    pub(super) fn pump_securing(&mut self, key: usize) {
        let (Some(connection), Some(secure)) = (self.connections.get_mut(key), &self.settings.secure) else { return };
        let Stage::Securing(intent) = connection.stage else { return };
        if !connection.channel.is_secure() {
            match connection.hear(key) {
                Err(error) => return self.fail_opening(key, error),
                Ok(Heard::Nothing) => return,
                Ok(Heard::Some) => return self.door.spoke(connection.generation),
                // The next turn that looks at it is woken by the door.
                Ok(Heard::Record) if self.door.may_handshake(self.now, connection.generation).is_err() => return,
                Ok(Heard::Record) => match secure.tls.answer() {
                    Ok(tls) => connection.channel.secure(tls),
                    Err(error) => return self.close_opening(key, &error.to_string()),
                },
            }
        }
        match connection.handshake(key) {
            Ok(None) => {}
            Ok(Some((theirs, binding))) => {
                connection.them = Them { key: Some(theirs), standing: Standing::New, binding, ..Them::default() };
                self.recognise(key, intent, theirs);
            }
            Err(error) => self.fail_opening(key, error),
        }
    }

    /// Finds out whose key it is.
    fn recognise(&mut self, key: usize, intent: Intent, theirs: PublicKey) {
        let Some(secure) = &self.settings.secure else { return };
        // Our user has given the key: it counts also while the address is still being looked up.
        let pinned = self.dialler.as_ref().is_some_and(|dialler| dialler.callee.pin == Some(theirs));
        let partner = self.conversation.as_ref().map(|conversation| &conversation.them);
        let standing = match partner {
            Some(partner) if partner.key == Some(theirs) => Some(partner.standing),
            _ if secure.tls.public() == theirs => Some(Standing::Own),
            _ if pinned => Some(Standing::Pinned),
            _ if self.proved == Some(theirs) => Some(Standing::Code),
            _ if secure.folder.is_none() => Some(Standing::New),
            _ => None,
        };
        let saved = partner.filter(|partner| partner.key == Some(theirs)).and_then(|partner| partner.saved.clone());
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.them.saved = saved;
        match (standing, &secure.folder) {
            (None, Some(_)) if self.recognising >= MAX_RECOGNISING => {
                self.close_opening(key, "too many callers are being looked up");
            }
            (None, Some(folder)) => {
                self.recognising += 1;
                connection.stage = Stage::Recognising(intent);
                let work = Work::Recognise { folder: Arc::clone(folder), key: theirs };
                let ticket = Ticket(own_ticket(RECOGNISE, connection.generation));
                self.pool.submit(Job { ticket, work });
            }
            (standing, _) => {
                connection.them.standing = standing.unwrap_or(Standing::New);
                if connection.them.standing != Standing::New {
                    self.door.recognised(connection.generation);
                }
                self.begin_opening(key, intent);
            }
        }
    }

    /// A helper has looked a key up.
    pub(super) fn handle_recognised(&mut self, generation: u64, known: Result<Option<String>, String>) {
        let found = self.connections.iter_mut().find(|(_, connection)| connection.generation == generation);
        let Some((key, connection)) = found else { return };
        let Stage::Recognising(intent) = connection.stage else { return };
        match known {
            Ok(saved) => {
                if saved.is_some() {
                    connection.them.standing = Standing::Known;
                    self.door.recognised(generation);
                }
                connection.them.saved = saved;
                self.begin_opening(key, intent);
            }
            // Who is known cannot be told from who is not: nobody is let in.
            Err(words) => {
                let (was_call, address) = (connection.origin == Origin::Dialled, connection.address);
                connection.stage = Stage::Dead;
                if connection.origin == Origin::Came {
                    self.tell_refused(address, words.clone());
                }
                let hint = "nobody is recognised until that file can be read; tete peers tells more";
                match was_call && self.dialler.take().is_some() {
                    true => self.events.push_back(NetEvent::DialFailed { words, hint }),
                    // Once is enough, however many call.
                    false if self.events.iter().any(|event| matches!(event, NetEvent::Trouble { .. })) => {}
                    false => self.events.push_back(NetEvent::Trouble { words, hint }),
                }
            }
        }
    }

    /// It is known who is there: the gate.
    pub(super) fn begin_opening(&mut self, key: usize, intent: Intent) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let them = &connection.them;
        let code_helps = intent == Intent::Talk && them.key.is_some() && them.standing != Standing::Own;
        let purpose = match (intent, &self.conversation) {
            (Intent::Talk, _) => Purpose::Talk,
            (Intent::Again(need, epoch), Some(conversation)) => {
                let claim = Claim::new(&conversation.ticket, epoch, self.nonce, &them.binding);
                if need == Need::Files { Purpose::Bulk(claim) } else { Purpose::Return(claim) }
            }
            (Intent::Again(..), None) => return self.close_opening(key, "the conversation is over"),
        };
        let binding = them.binding;
        let has_code = code_helps && self.conversation.is_none() && self.can_prove();
        let hello = Hello { nonce: self.nonce, purpose, has_code };
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.stage = Stage::Opening(Box::new(Opening::new(hello, binding)));
        let anew = self.now + OPENING_PATIENCE;
        // A stranger has no more time for each step than for all of them.
        connection.deadline = Some(match (connection.origin, connection.deadline) {
            (Origin::Came, Some(due)) => anew.min(due + HELLO_PATIENCE),
            _ => anew,
        });
        self.pump_opening(key);
    }

    /// Links that wait for a call the other way are judged again: this may be it.
    pub(super) fn judge_others_of(&mut self, key: usize) {
        let theirs = self.connections.get(key).and_then(|connection| connection.them.key);
        let Some(theirs) = theirs.filter(|_| self.conversation.is_none()) else { return };
        let others: Vec<usize> = self.connections.iter().map(|(key, _)| key).filter(|other| *other != key).collect();
        for other in others {
            let Some(connection) = self.connections.get(other).filter(|c| c.them.key == Some(theirs)) else { continue };
            if let Stage::Opening(opening) = &connection.stage
                && opening.is_being_judged()
                && let Some(hello) = opening.hello()
            {
                self.judge(other, hello);
            }
        }
    }

    /// Whom we call is known by now: whoever waits to be that is judged again.
    pub(super) fn judge_those_met(&mut self) {
        let met = self.connections.iter().filter(|(_, connection)| connection.is_met_in_vain());
        let met: Vec<_> = met
            .filter_map(|(key, connection)| match &connection.stage {
                Stage::Opening(opening) if opening.is_being_judged() => Some((key, opening.hello()?)),
                _ => None,
            })
            .collect();
        for (key, hello) in met {
            self.judge(key, hello);
            self.connections.get_mut(key).into_iter().for_each(|connection| connection.more = true);
        }
    }

    /// Whether the same key has called us and was called by us: both ends want to talk to each other.
    pub(super) fn is_mutual(&self, key: usize) -> bool {
        let Some(this) = self.connections.get(key) else { return false };
        this.them.key.is_some()
            && self.connections.iter().any(|(other, connection)| {
                other != key
                    && connection.them.key == this.them.key
                    && matches!(&connection.stage, Stage::Opening(opening) if opening.hello().is_some())
                    && (connection.origin == Origin::Came) != (this.origin == Origin::Came)
            })
    }

    /// Whether a call the other way may still come.
    pub(super) fn may_be_mutual(&self, origin: Origin) -> bool {
        match origin {
            Origin::Came => self.dialler.is_some() || self.only_callee,
            Origin::Dialled => self.port() != 0,
            Origin::DialledAgain => false,
        }
    }

    /// Gives a call the other way some time.
    pub(super) fn meet(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.deadline = Some(*connection.them.meeting.get_or_insert(self.now + MEETING_PATIENCE));
        }
    }

    /// Whether there is a code, and a wrong try of it left for one more: of those under way count all in which we have
    /// said what a guess can be tested with. Who was called has not, so that however many callers begin and stop, the
    /// code is there for the next.
    fn can_prove(&self) -> bool {
        let usable = |code: &OneTime| code.usable(self.now).is_some() && self.tested(None) < code.left() as usize;
        self.code.as_ref().is_some_and(usable)
    }

    /// On how many links, but this one, a guess can be tested with what we have said. Two who know the code and call each
    /// other at the same moment count, too: whoever sits where we call looks like that.
    pub(super) fn tested(&self, but: Option<usize>) -> usize {
        let counts = |connection: &Connection| connection.pairing.as_ref().is_some_and(|pairing| pairing.counts());
        self.connections.iter().filter(|(key, connection)| Some(*key) != but && counts(connection)).count()
    }

    /// Both ends hold a code: is it the same?
    pub(super) fn begin_proof(&mut self, key: usize) {
        let possible = self.can_prove();
        let ours = self.settings.secure.as_ref().map(|secure| secure.tls.public());
        let Some(connection) = self.connections.get_mut(key) else { return };
        let code = self.code.as_ref().and_then(|code| code.usable(self.now)).filter(|_| possible);
        if code.is_none() && self.proved.is_some() && self.proved == connection.them.key {
            return; // the two have met on another link: this one becomes theirs for files, or comes to nothing
        }
        let (Some(code), Some(ours), Some(theirs)) = (code, ours, connection.them.key) else {
            return self.refuse(key, Refusal::NoCode);
        };
        let role = if connection.origin == Origin::Came { Role::Called } else { Role::Caller };
        let (pairing, first) = Pairing::start(role, code, ours, theirs, connection.them.binding.0);
        connection.pairing = Some(Box::new(pairing));
        if let (Stage::Opening(opening), Some(first)) = (&mut connection.stage, first) {
            opening.pair(first);
        }
    }

    /// A message of the other end's proof.
    pub(super) fn handle_proof(&mut self, key: usize, message: &[u8]) {
        let others = self.tested(Some(key));
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (Stage::Opening(opening), Some(pairing)) = (&mut connection.stage, &mut connection.pairing) else { return };
        // A code is good for one meeting, and the two may meet on two links at once. It may have been used, burnt or
        // have expired since this proof began.
        let theirs = connection.them.key;
        let is_first = self.code.as_ref().is_some_and(|code| code.usable(self.now).is_some());
        if !is_first && (self.proved != theirs || theirs.is_none()) {
            return self.refuse(key, Refusal::NoCode);
        }
        // Each answer may be the one to a right guess: those that others can still test count as tried.
        let left = self.code.as_ref().map_or(0, |code| code.left() as usize);
        if is_first && others >= left {
            return self.refuse(key, Refusal::NoCode);
        }
        let last = match pairing.handle(message) {
            Ok(pairing::Step::Send(message)) => return opening.pair(message),
            Ok(pairing::Step::Done(last)) => last,
            Err(error) => {
                log::debug!("{}: {error}", connection.address);
                self.refuse(key, Refusal::WrongCode);
                // At once: the next guess may be on its way in this very turn.
                return self.count_proofs();
            }
        };
        connection.pairing = None;
        connection.them.standing = Standing::Code;
        if let Some(last) = last {
            opening.pair(last);
        }
        let step = opening.paired();
        self.proved = theirs;
        if let Some(code) = self.code.as_mut().filter(|_| is_first) {
            code.used();
            self.tell_code();
        }
        match step {
            Step::Judge(hello) => self.judge(key, hello),
            _ => self.connections.get_mut(key).into_iter().for_each(|connection| connection.more = true),
        }
    }

    /// A caller's user is being asked about us. It may take as long as ours would, as long as not too many do, and not too
    /// many from one place; whoever waits for something of ours has its time already.
    pub(super) fn wait_for_caller(&mut self, key: usize) {
        let until = self.now + QUESTION_PATIENCE + OPENING_PATIENCE;
        let source = |connection: &Connection| Source::from(connection.address.ip());
        let Some(place) = self.connections.get(key).map(source) else { return };
        let patient = self.connections.iter().map(|(_, it)| it).filter(|it| it.is_patient && it.is_opening());
        let (waiting, from_there) =
            patient.fold((0, 0), |(all, there), it| (all + 1, there + usize::from(source(it) == place)));
        let has_room = from_there < QUESTIONS_OF_ONE_SOURCE || place == Source::Here;
        let wanted = self.settings.trust != Trust::Known && self.conversation.is_none();
        let Some(connection) = self.connections.get_mut(key) else { return };
        // A stranger is known by nothing, with a key or without.
        let known = !matches!(connection.them.standing, Standing::New | Standing::Plain);
        let busy = connection.is_asked_about || connection.is_met_in_vain() || connection.is_patient;
        if (wanted || known) && !busy && waiting < MAX_QUESTIONS && has_room {
            connection.deadline = Some(until);
            connection.is_patient = connection.origin == Origin::Came;
        }
    }

    /// Tells that questions are over whose callers are no longer being asked about. A question that nobody has heard of
    /// is forgotten with it: a stranger who calls and hangs up, again and again, fills nothing.
    pub(super) fn end_questions(&mut self) {
        for (_, connection) in &mut self.connections {
            if connection.is_asked_about && !connection.is_question() {
                connection.is_asked_about = false;
                let over = connection.generation;
                let unheard = |event: &NetEvent| matches!(event, NetEvent::Question { id, .. } if *id == over);
                match self.events.iter().position(unheard) {
                    Some(at) => drop(self.events.remove(at)),
                    None => self.events.push_back(NetEvent::QuestionOver { id: over }),
                }
            }
        }
    }

    /// Counts the proofs that have come to a wrong end.
    pub(super) fn count_proofs(&mut self) {
        let mut wrong = 0;
        for (_, connection) in &mut self.connections {
            let over = !matches!(connection.stage, Stage::Opening(_));
            wrong += u32::from(connection.pairing.take_if(|_| over).is_some_and(|pairing| pairing.counts()));
        }
        for _ in 0..wrong {
            self.code.iter_mut().for_each(|code| {
                code.wrong();
            });
            self.tell_code();
        }
    }

    /// Says once that the code is over.
    pub(super) fn tell_code(&mut self) {
        if let Some(over) = self.code.as_ref().and_then(|code| code.over(self.now)) {
            self.code = None;
            self.events.push_back(NetEvent::CodeOver(over));
        }
    }

    /// One side wants encryption and the other does not: calling again changes nothing.
    pub(super) fn end_without(&mut self, key: usize, words: &str) {
        let called = self.connections.get(key).is_some_and(|connection| connection.origin == Origin::Dialled);
        if called && self.dialler.take().is_some() {
            self.events.push_back(NetEvent::NotLetIn { by: Refuser::Rule, reason: None, words: words.into() });
        }
        self.end_with(key, words);
    }

    /// What is said of a channel that could not be had.
    pub(super) fn fail_channel(&mut self, key: usize, error: &TlsError) {
        let Some(connection) = self.connections.get(key) else { return };
        let (origin, address) = (connection.origin, connection.address);
        let expected = self.dialler.as_ref().and_then(|dialler| dialler.expected.clone());
        if let (Origin::Dialled, TlsError::OtherKey { got, .. }, Some(Expected { key: wanted, name })) =
            (origin, error, expected)
        {
            self.dialler = None;
            let got = *got;
            self.events.push_back(NetEvent::OtherKey { address, name, expected: wanted, got });
        }
        self.end_with(key, &error.to_string());
    }
}

/// What a caller has said before anything is encrypted.
enum Heard {
    /// Nothing new.
    Nothing,
    /// Something.
    Some,
    /// A whole record, which a handshake can begin with.
    Record,
}

/// Whether a byte begins a TLS record (RFC 8446, section 5.1): an alert or a handshake.
pub(super) fn is_tls(first: u8) -> bool {
    first == 21 || first == 22
}

/// Whether the first record is there, or is longer than we gather before TLS has a look at it.
fn has_record(bytes: &[u8]) -> bool {
    let length =
        bytes.first_chunk::<RECORD_HEADER>().map(|header| usize::from(u16::from_be_bytes([header[3], header[4]])));
    length.is_some_and(|length| bytes.len() >= (RECORD_HEADER + length).min(GATE_SPACE))
}

impl Connection {
    /// Receives what a caller says first.
    fn hear(&mut self, key: usize) -> Result<Heard, GateError> {
        let (mut wire, channel) = self.parts(key);
        let mut heard = Heard::Nothing;
        loop {
            match channel.first() {
                Some(TLS_HANDSHAKE) if has_record(channel.received()) => return Ok(Heard::Record),
                Some(TLS_HANDSHAKE) => heard = Heard::Some,
                Some(_) => return Err(GateError::NotSecure),
                None => {}
            }
            match channel.fill(&mut wire, GATE_SPACE)? {
                Moved::Bytes(0) => return Err(GateError::Closed("it hung up".to_owned())),
                Moved::Bytes(_) => {}
                Moved::WouldBlock => return Ok(heard),
            }
        }
    }

    /// Moves bytes until the two have agreed on keys: theirs, and what only this connection has; `None`: not yet.
    fn handshake(&mut self, key: usize) -> Result<Option<(PublicKey, Binding)>, GateError> {
        let (mut wire, channel) = self.parts(key);
        let begin = channel.brought();
        loop {
            if channel.first() == Some(PLAIN) {
                return Err(GateError::NotSecure);
            }
            let result = channel.incoming().map(|_| ());
            while !channel.is_flushed() && channel.flush(&mut wire, false)? != Moved::WouldBlock {}
            result?;
            if let Some(tls) = channel.tls().filter(|tls| !tls.is_handshaking()) {
                log::info!("encrypted: {}", tls.agreed().unwrap_or_default());
                let known = tls.peer().zip(tls.binding());
                return match known {
                    Some((theirs, binding)) => Ok(Some((theirs, Binding(binding)))),
                    None => Err(GateError::Closed("it has no key".to_owned())),
                };
            }
            if channel.is_gate_turn_over(begin)? {
                self.more = true;
                return Ok(None);
            }
            match channel.fill(&mut wire, GATE_SPACE)? {
                Moved::Bytes(0) => return Err(GateError::Closed("it hung up".to_owned())),
                Moved::Bytes(_) => {}
                Moved::WouldBlock => return Ok(None),
            }
        }
    }
}
