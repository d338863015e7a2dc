//! Connections that are not a conversation yet, or no longer one: callers, and whom we call.
//!
//! Owns: the reactor's part in accepting, dialling and the gate. Must not know: what is said behind it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;

use crate::proto::LinkId;
use crate::proto::claim::FIRST_EPOCH;
use crate::proto::error::ProtocolError;
use crate::proto::frame::{Refusal, SessionTicket};
use crate::proto::hello::{Hello, Nonce};
use crate::proto::opening::{MAX_OPENING, Opened, Step};
use crate::proto::session::{Session, Setup};
use crate::proto::stages::Turn;
use crate::secure::tls::TlsError;
use crate::sys::{self, Shape};

use super::channel::Channel;
use super::connection::{Connection, Intent, Origin, Stage, token};
use super::conversation::{Anew, Call, Carrier, Conversation, Reach};
use super::dialler::Dialler;
use super::doorkeeper::{Admission, Parting};
use super::event::{NetEvent, Peer, Refuser};
use super::gate::{self, Caller, Host, Verdict};
use super::listener::{Accepted, Listeners};
use super::pump::Moved;
use super::reactor::Reactor;
use super::standing::{Standing, Them};

/// How long a link may take to get through the gate. Generous for a slow network, short for who says nothing.
pub(super) const OPENING_PATIENCE: Duration = Duration::from_secs(8);
/// How long a person may take to answer about a caller; the caller waits a little longer.
pub(super) const QUESTION_PATIENCE: Duration = Duration::from_secs(60);
/// Callers taken in one turn. The rest wait in the system's queue.
const ACCEPTS: usize = 64;
/// Bytes that somebody at the gate can make us hold.
pub(super) const GATE_SPACE: usize = 4 * 1024;
/// Bytes that somebody at the gate may bring in one turn: whoever has more to say is heard again in the next.
const GATE_TURN: u64 = 8 * GATE_SPACE as u64;
/// Bytes that somebody at the gate may bring in all, the handshake's and those of empty records included.
const GATE_BYTES: u64 = 2 * MAX_OPENING as u64;

impl Reactor {
    /// Lets nobody in any more, and calls nobody: the program ends.
    pub fn close_doors(&mut self) {
        self.listeners = Listeners::default();
        self.dialler = None;
        for (_, connection) in &mut self.connections {
            if !matches!(connection.stage, Stage::Talking(_) | Stage::Flushing { .. }) {
                connection.stage = Stage::Dead;
            }
        }
    }

    /// Connections that come and are made from now on are set up so.
    pub fn shape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    /// Takes everybody who is waiting at the door.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Accepted::Caller(stream, address) = self.listeners.accept(self.now) else { return };
            match self.door.arrive(self.now, self.generations + 1, address.ip()) {
                Admission::Enter => {}
                Admission::Instead(gone) => self.push_out(gone),
                Admission::Closed(why) => {
                    log::debug!("{address}: {why}");
                    continue; // dropped, and thereby closed
                }
            }
            sys::prepare_stream(&stream, address.ip().is_loopback());
            self.shape.apply(&stream);
            match self.add_connection(stream, address, Origin::Came, OPENING_PATIENCE) {
                Ok(key) => self.begin(key, Intent::Talk),
                Err(error) => {
                    log::error!("{address} is turned away: {error}");
                    self.door.left(self.now, self.generations, Parting::Gone);
                }
            }
        }
    }

    /// Somebody at the door makes room.
    fn push_out(&mut self, id: u64) {
        if let Some((_, connection)) = self.connections.iter_mut().find(|(_, connection)| connection.generation == id) {
            log::debug!("{}: others want to come in", connection.address);
            connection.stage = Stage::Dead;
        }
    }

    /// Notes that a caller has done what nobody does by mistake for long.
    pub(super) fn blame(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.origin == Origin::Came) {
            connection.parting = Parting::Misbehaved;
        }
    }

    /// Takes a connection into the loop.
    ///
    /// # Errors
    /// The system's; of a connection that is not waited for nothing would ever be heard, so it is closed.
    pub(super) fn add_connection(
        &mut self,
        mut stream: TcpStream,
        address: SocketAddr,
        origin: Origin,
        patience: Duration,
    ) -> io::Result<usize> {
        self.generations += 1;
        let generation = self.generations;
        let dialled = origin != Origin::Came;
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, token(key, generation), both)?;
        let connection = Connection {
            stream,
            generation,
            address,
            origin,
            // Latched until proved otherwise: an accepted socket can usually be written at once. A connecting one
            // is not asked before the system says that it is ready.
            readable: !dialled,
            writable: !dialled,
            more: false,
            channel: Channel::default(),
            pipe: None,
            them: Them::default(),
            pairing: None,
            parting: Parting::Gone,
            is_asked_about: false,
            is_patient: false,
            stage: Stage::Dead, // until whoever adds it has said what it is
            deadline: Some(self.now + patience),
        };
        entry.insert(connection);
        Ok(key)
    }

    /// Goes on with every connection that is not talking.
    pub(super) fn pump_openings(&mut self) {
        let waits = |connection: &Connection| !matches!(connection.stage, Stage::Talking(_));
        let keys: Vec<usize> = self.connections.iter().filter(|(_, c)| waits(c)).map(|(key, _)| key).collect();
        for key in keys {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.more = false;
            match connection.stage {
                Stage::Connecting(_) => self.check_connect(key),
                Stage::Securing(_) => self.pump_securing(key),
                Stage::Opening(_) => self.pump_opening(key),
                Stage::Flushing { .. } => connection.flush(key),
                Stage::Recognising(_) | Stage::Talking(_) | Stage::Dead => {}
            }
        }
    }

    /// Writable, or an error, means that `connect` has answered; `peer_addr` tells which.
    fn check_connect(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key).filter(|c| c.writable || c.readable) else { return };
        let Stage::Connecting(intent) = connection.stage else { return };
        let answer = match connection.stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match (connection.stream.peer_addr(), connection.stream.local_addr()) {
                // A port of this machine on which nobody listens may be picked as our own end: TCP then connects the
                // socket to itself (RFC 9293, 3.5, simultaneous initiation). That is nobody, and not ourselves.
                (Ok(peer), Ok(ours)) if peer == ours => Err(std::io::ErrorKind::ConnectionRefused.into()),
                (peer, _) => peer.map(|_| ()),
            },
        };
        match answer {
            Ok(()) => {
                sys::prepare_stream(&connection.stream, connection.address.ip().is_loopback());
                self.shape.apply(&connection.stream);
                self.begin(key, intent);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {}
            Err(error) => self.close_opening(key, &sys::words(&error)),
        }
    }

    /// Moves bytes at the gate.
    pub(super) fn pump_opening(&mut self, key: usize) {
        let greeted =
            |connection: &Connection| matches!(&connection.stage, Stage::Opening(opening) if opening.hello().is_some());
        let before = self.connections.get(key).is_some_and(greeted);
        self.take_steps(key);
        // Somebody who waits for a call the other way may have waited for this one.
        if !before && self.connections.get(key).is_some_and(greeted) {
            self.judge_others_of(key);
        }
    }

    fn take_steps(&mut self, key: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let step = match connection.next_step(key) {
                Ok(Some(step)) => step,
                Ok(None) if connection.has_spoken() => return self.door.spoke(connection.generation),
                Ok(None) => return,
                Err(GateError::Closed(words)) => return self.close_opening(key, &words),
                Err(error) => return self.fail_opening(key, error),
            };
            match step {
                Step::Nothing => {}
                Step::Prove => self.begin_proof(key),
                Step::Pair(message) => self.handle_proof(key, &message),
                Step::Judge(hello) => self.judge(key, hello),
                Step::Look(hello) => {
                    if let Some(Verdict::Refuse(refusal)) = self.verdict(key, hello) {
                        self.refuse(key, refusal);
                    }
                }
                Step::AskedAbout if connection.origin == Origin::Dialled => {
                    connection.deadline = Some(self.now + QUESTION_PATIENCE + OPENING_PATIENCE);
                    self.events.push_back(NetEvent::AskedAbout);
                }
                Step::AskedAbout => self.wait_for_caller(key),
                Step::Open(opened) => return self.open(key, opened),
                Step::Joined { epoch } => return self.take_later(key, epoch),
                Step::Refused { reason, words } => return self.handle_refusal(key, reason, words),
            }
        }
    }

    pub(super) fn judge(&mut self, key: usize, hello: Hello) {
        match self.verdict(key, hello) {
            None | Some(Verdict::Later) => {}
            Some(Verdict::Welcome) => self.welcome(key),
            Some(Verdict::Join(epoch)) => self.join(key, epoch),
            Some(Verdict::Nod) => self.nod(key),
            Some(Verdict::Ask) => self.ask(key),
            Some(Verdict::Meet) => self.meet(key),
            Some(Verdict::Anew) => {
                let caller = self.connections.get(key).map(|connection| Anew::Calls(connection.generation));
                self.begin_anew(caller);
            }
            Some(Verdict::Refuse(refusal)) => self.refuse(key, refusal),
        }
    }

    /// What the gate says of the connection at `key`, if it is there.
    fn verdict(&self, key: usize, hello: Hello) -> Option<Verdict> {
        let questions = self.connections.iter().filter(|(other, c)| *other != key && c.is_question()).count();
        let connection = self.connections.get(key)?;
        let Stage::Opening(opening) = &connection.stage else { return None };
        let ip = connection.address.ip();
        let caller = Caller {
            hello,
            ip,
            dialled: connection.origin != Origin::Came,
            being_dialled: self.dialler.as_ref().is_some_and(|dialler| dialler.is_calling(ip)),
            standing: connection.them.standing,
            key: connection.them.key,
            binding: connection.them.binding,
            mutual: self.is_mutual(key),
            may_be_mutual: connection.them.may_meet(self.now) && self.may_be_mutual(connection.origin),
            claim: opening.their_claim(),
            our_call: opening.our_call().map(|claim| claim.epoch),
            leads: opening.leads(),
        };
        let talking = self.conversation.as_ref().map(Conversation::talking);
        let (nonce, trust) = (self.nonce, self.settings.trust);
        let dialler = self.dialler.as_ref();
        let expected = dialler.and_then(Dialler::expected_key);
        let (wants_code, only_callee) = (self.wants_code, self.only_callee);
        let is_unsure = dialler.is_some_and(Dialler::is_unsure);
        let host = Host { nonce, talking, trust, wants_code, expected, is_unsure, only_callee, questions };
        Some(gate::judge(&caller, &host))
    }

    fn ask(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.is_question() {
            return; // judged again, because of another link of the same key: it is asked already
        }
        if connection.origin == Origin::Came && !self.door.asked(connection.generation) {
            return self.refuse(key, Refusal::NotWanted);
        }
        if let Stage::Opening(opening) = &mut connection.stage {
            opening.wait();
            connection.is_asked_about = true;
            connection.deadline = Some(self.now + QUESTION_PATIENCE);
            let (id, address, key) = (connection.generation, connection.address, connection.them.key);
            let dialled = connection.origin == Origin::Dialled;
            self.events.push_back(NetEvent::Question { id, address, key, dialled });
        }
    }

    /// Our user has decided about a caller; whether the question was still open.
    pub fn answer_question(&mut self, id: u64, yes: bool) -> bool {
        let found = self.connections.iter().find(|(_, c)| c.generation == id && c.is_question());
        let Some(key) = found.map(|(key, _)| key) else { return false };
        match yes {
            true if self.conversation.is_none() => self.welcome(key),
            true => self.refuse(key, Refusal::Busy),
            false => self.refuse_by(Refuser::User, key, Refusal::NotWanted),
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.more = true;
        }
        true
    }

    /// Nobody is there to decide about a caller.
    pub fn leave_unanswered(&mut self, id: u64) {
        if let Some((key, _)) = self.connections.iter().find(|(_, c)| c.generation == id && c.is_question()) {
            self.refuse_by(Refuser::Nobody, key, Refusal::NotWanted);
        }
    }

    fn welcome(&mut self, key: usize) {
        let mut secrets = [0; 32];
        if let Err(error) = sys::random(&mut secrets) {
            return self.close_opening(key, &sys::words(&error));
        }
        let (id, secret) = secrets.split_at(16);
        let mut ticket = SessionTicket { id: [0; 16], secret: [0; 16] };
        ticket.id.copy_from_slice(id);
        ticket.secret.copy_from_slice(secret);
        let port = self.port();
        let mutual = self.is_mutual(key);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.them.mutual = mutual;
        let Stage::Opening(opening) = &mut connection.stage else { return };
        let step = opening.welcome(&self.settings.name, port, ticket);
        connection.more = true; // it may be said behind the last look at who is at the gate
        connection.deadline = Some(self.now + OPENING_PATIENCE);
        if let Step::Open(opened) = step {
            self.open(key, opened);
        }
    }

    /// A link is through the gate: the conversation begins, unless it has begun over another.
    fn open(&mut self, key: usize, opened: Opened) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Stage::Opening(opening) = &mut connection.stage else { return };
        let rest = opening.transmit().to_vec();
        connection.channel.accept(&rest);
        let Some(peer) = opening.peer().filter(|_| self.conversation.is_none()) else {
            connection.stage = Stage::Dead;
            return;
        };
        self.door.left(self.now, connection.generation, Parting::LetIn);
        let link = LinkId(connection.generation);
        let mut setup = Setup { lead: opened.lead, ..self.settings.setup };
        if connection.them.standing == Standing::New && !connection.them.mutual {
            setup.policy = self.settings.policy_for_new;
        }
        connection.stage = Stage::Talking(link);
        connection.deadline = None;
        connection.more = true;
        sys::prepare_talk(&connection.stream);
        let (address, dialled) = (connection.address, connection.origin == Origin::Dialled);
        let them = connection.them.clone();
        self.files.set_peer(them.key.map(|key| *key.bytes()));
        let mut listens = address;
        listens.set_port(opened.port);
        // In plain only where our user has called: a claim is good for whoever answers.
        let listens = Some(listens).filter(|_| !dialled && opened.port != 0 && them.key.is_some());
        self.conversation = Some(Conversation {
            session: Session::new(setup, link, self.now),
            talk: Carrier { key, link },
            bulk: None,
            call: Call::None,
            roused: false,
            told_first: false,
            pressed: None,
            failures: 0,
            reach: Reach::Here,
            peer,
            them: them.clone(),
            remembered: 0,
            address,
            anew: None,
            dialled: dialled.then_some(address),
            listens,
            ticket: opened.ticket,
            epoch: FIRST_EPOCH,
            called: FIRST_EPOCH,
            talk_epoch: FIRST_EPOCH,
            turn: Turn::default(),
            untold: false,
        });
        self.only_callee = false;
        let called = self.dialler.take().filter(|_| dialled).map(|dialler| dialler.called);
        self.remember(&them, &opened.name, called);
        self.refuse_others(key, peer);
        self.reconsider(peer);
        let (name, port) = (opened.name, opened.port);
        let (key, standing, saved) = (them.key, them.standing, them.saved);
        let peer = Peer { name, address, port, dialled, key, standing, saved };
        self.events.push_back(NetEvent::Connected(peer));
    }

    /// Everybody else who waits for our word, or has it and would begin to talk to nobody, is told that we are busy; whom
    /// we still call is called no longer.
    fn refuse_others(&mut self, talking: usize, partner: Nonce) {
        let others: Vec<usize> = self.connections.iter().map(|(key, _)| key).filter(|key| *key != talking).collect();
        for key in others {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            match &connection.stage {
                Stage::Connecting(_) => connection.stage = Stage::Dead,
                // Our partner's own second link may become one of this conversation.
                Stage::Opening(opening)
                    if opening.is_question() || (opening.is_welcoming() && opening.peer() != Some(partner)) =>
                {
                    self.refuse(key, Refusal::Busy);
                }
                _ => {}
            }
        }
    }

    /// The conversation is over and told; its connection, if it lives, flushes by itself.
    pub(super) fn finish_conversation(&mut self) {
        let Some(mut conversation) = self.conversation.take() else { return };
        // What has ended it may have come after the last look at its links, which nobody looks at from here on.
        for carrier in conversation.carriers() {
            if let Some(connection) = self.connections.get_mut(carrier.key) {
                conversation.close_if_over(carrier, connection, self.now);
            }
        }
        self.let_go_of_later();
        self.proved = None; // a code was for this meeting
        self.anew = conversation.anew;
        while let Some(job) = conversation.session.poll_job() {
            self.files.submit(&mut self.pool, job);
        }
    }
}

/// Why a link ended at the gate.
pub(super) enum GateError {
    /// It is gone.
    Closed(String),
    /// It has broken a rule of ours.
    Protocol(ProtocolError),
    /// It has broken one of TLS, or has another key than it should.
    Channel(TlsError),
    /// It is not encrypted.
    NotSecure,
}

impl From<TlsError> for GateError {
    fn from(error: TlsError) -> Self {
        Self::Channel(error)
    }
}

impl From<std::io::Error> for GateError {
    fn from(error: std::io::Error) -> Self {
        Self::Closed(sys::words(&error))
    }
}

impl Channel {
    /// Whether somebody at the gate has had its share of a turn that began when so much had come.
    pub(super) fn is_gate_turn_over(&mut self, begin: u64) -> Result<bool, GateError> {
        if self.has_ended() {
            return Err(GateError::Closed("it hung up".to_owned()));
        }
        if self.brought() > GATE_BYTES {
            return Err(GateError::Protocol(ProtocolError::Flood));
        }
        Ok(self.brought() - begin >= GATE_TURN)
    }
}

impl Connection {
    /// Whether it is on its way through the gate.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Securing(_) | Stage::Recognising(_) | Stage::Opening(_))
    }

    /// Whether it has been given the time for a call the other way, and is not judged yet.
    pub(super) fn is_met_in_vain(&self) -> bool {
        let judged = matches!(&self.stage, Stage::Opening(opening) if opening.is_being_judged());
        judged && self.them.meeting.is_some() && !self.is_question()
    }

    /// Whether it has said anything at the gate.
    fn has_spoken(&self) -> bool {
        matches!(&self.stage, Stage::Opening(opening) if opening.has_heard())
    }

    /// Whether our user is being asked about it.
    pub(super) fn is_question(&self) -> bool {
        matches!(&self.stage, Stage::Opening(opening) if opening.is_question())
    }

    /// Sends what the gate has to say and reads what it wants to hear; `None`: not yet.
    fn next_step(&mut self, key: usize) -> Result<Option<Step>, GateError> {
        let Some((mut wire, channel, opening, more)) = self.gate_parts(key) else { return Ok(None) };
        let begin = channel.brought();
        loop {
            let said = opening.transmit().len();
            channel.accept(opening.transmit());
            opening.sent(said);
            while !channel.is_flushed() && channel.flush(&mut wire, false)? != Moved::WouldBlock {}
            loop {
                let bytes = channel.incoming()?;
                if bytes.is_empty() {
                    break;
                }
                let (taken, step) = opening.handle_bytes(bytes).map_err(GateError::Protocol)?;
                channel.consumed(taken);
                if step != Step::Nothing {
                    return Ok(Some(step));
                }
            }
            *more = channel.is_gate_turn_over(begin)?;
            if *more {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Settings;
    use crate::net::event::Heeds;
    use crate::net::gate::Trust;
    use crate::net::pool::Family;
    use crate::proto::transfers::Policy;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_connection_that_cannot_be_waited_for_is_closed_at_once() {
        let linger = Duration::from_secs(5);
        let mut reactor = Reactor::new(Settings {
            name: "anna".to_owned(),
            secure: None,
            trust: Trust::Known,
            policy_for_new: Policy::Never,
            family: Family::Any,
            into: std::env::temp_dir(),
            prefix: String::new(),
            calls: sys::Calls::Native,
            discard: false,
            setup: Setup {
                lead: false,
                policy: Policy::Never,
                sync: true,
                verify: true,
                limit: None,
                returns: false,
                linger,
            },
            heeds: Heeds::Nothing,
        })
        .unwrap();
        // A regular file in its place: the system refuses to wait for one.
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        let stream = TcpStream::from_std(std::net::TcpStream::from(file));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(reactor.add_connection(stream, address, Origin::Came, OPENING_PATIENCE).is_err());
        assert!(reactor.connections.is_empty());
    }
}
