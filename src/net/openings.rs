//! Connections that are not a conversation yet, or no longer one: callers, and whom we call.
//!
//! Owns: the reactor's part in accepting, dialling and the gate. Must not know: what is said behind it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Interest;
use mio::net::TcpStream;

use crate::proto::LinkId;
use crate::proto::claim::FIRST_EPOCH;
use crate::proto::error::ProtocolError;
use crate::proto::frame::{Refusal, SessionTicket};
use crate::proto::hello::Hello;
use crate::proto::opening::{Opened, Opening, Step};
use crate::proto::session::{Session, Setup};
use crate::proto::trace::{Trace, emit};
use crate::sys;

use super::channel::Channel;
use super::connection::{Connection, Origin, Stage, token};
use super::conversation::{Call, Carrier, Conversation};
use super::dialler::{CONNECT_PATIENCE, Fate, Want};
use super::event::{NetEvent, Peer};
use super::gate::{self, Caller, Host, MAX_OPENINGS, Verdict};
use super::listener::{Accepted, Listeners};
use super::pump::{Moved, Wire};
use super::reactor::Reactor;

/// How long a link may take to get through the gate. Generous for a slow network, short for who says nothing.
pub(super) const OPENING_PATIENCE: Duration = Duration::from_secs(8);
/// How long a person may take to answer about a caller; the caller waits a little longer.
const QUESTION_PATIENCE: Duration = Duration::from_secs(60);
/// Callers taken in one turn. The rest wait in the system's queue.
const ACCEPTS: usize = 64;
/// Bytes that somebody at the gate can make us hold.
const GATE_SPACE: usize = 4 * 1024;
/// Bytes of a peer's words for the log.
const MAX_REFUSAL_SHOWN: usize = 200;
/// How long the words of a refusal may take to be read.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

impl Reactor {
    /// Lets nobody in any more, and calls nobody: the program ends.
    pub fn close_doors(&mut self) {
        self.listeners = Listeners::default();
        self.dialler = None;
        for (_, connection) in &mut self.connections {
            if matches!(connection.stage, Stage::Connecting(_) | Stage::Opening(_)) {
                connection.stage = Stage::Dead;
            }
        }
    }

    /// Takes everybody who is waiting at the door.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Accepted::Caller(stream, address) = self.listeners.accept(self.now) else { return };
            // Those who are being refused count too: a flood of them may not pile up.
            if self.connections.len() > MAX_OPENINGS {
                log::debug!("{address}: too many callers at the gate");
                continue; // dropped, and thereby closed
            }
            sys::prepare_stream(&stream, address.ip().is_loopback());
            let stage = Stage::Opening(Box::new(Opening::new(Hello::new(self.nonce))));
            self.add_connection(stream, address, Origin::Came, stage, OPENING_PATIENCE);
        }
    }

    pub(super) fn add_connection(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        origin: Origin,
        stage: Stage,
        patience: Duration,
    ) -> u64 {
        self.generations += 1;
        let generation = self.generations;
        let dialled = origin != Origin::Came;
        let entry = self.connections.vacant_entry();
        let key = entry.key();
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
            stage,
            deadline: Some(self.now + patience),
        };
        let connection = entry.insert(connection);
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.stream, token(key, generation), both) {
            log::error!("{address}: {error}");
            connection.stage = Stage::Dead;
        }
        generation
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
                Stage::Opening(_) => self.pump_opening(key),
                Stage::Flushing { .. } => connection.flush(key),
                Stage::Talking(_) | Stage::Dead => {}
            }
        }
    }

    /// Writable, or an error, means that `connect` has answered; `peer_addr` tells which.
    fn check_connect(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key).filter(|c| c.writable || c.readable) else { return };
        let Stage::Connecting(hello) = connection.stage else { return };
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
                connection.stage = Stage::Opening(Box::new(Opening::new(hello)));
                connection.deadline = Some(self.now + OPENING_PATIENCE);
                self.pump_opening(key);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {}
            Err(error) => self.close_opening(key, &sys::words(&error)),
        }
    }

    /// Moves bytes at the gate.
    fn pump_opening(&mut self, key: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let step = match connection.next_step(key) {
                Ok(Some(step)) => step,
                Ok(None) => return,
                Err(GateError::Closed(words)) => return self.close_opening(key, &words),
                Err(GateError::Protocol(error)) => return self.refuse_nonsense(key, &error),
            };
            match step {
                Step::Nothing => {}
                Step::Judge(hello) => self.judge(key, hello),
                Step::Look(hello) => {
                    if let Some(Verdict::Refuse(refusal)) = self.verdict(key, hello) {
                        self.refuse(key, refusal);
                    }
                }
                // Only whom we called may keep us waiting.
                Step::AskedAbout if connection.origin == Origin::Dialled => {
                    connection.deadline = Some(self.now + QUESTION_PATIENCE + OPENING_PATIENCE);
                    self.events.push_back(NetEvent::AskedAbout);
                }
                Step::AskedAbout => {}
                Step::Open(opened) => return self.open(key, opened),
                Step::Joined { epoch } => return self.take_bulk(key, epoch),
                Step::Refused { reason, words } => return self.handle_refusal(key, reason, words),
            }
        }
    }

    /// A link that ended, or never was, before it was through the gate.
    fn close_opening(&mut self, key: usize, words: &str) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let was_question = connection.is_question();
        connection.stage = Stage::Dead;
        let (origin, id) = (connection.origin, connection.generation);
        log::debug!("{}: {words}", connection.address);
        if was_question {
            self.events.push_back(NetEvent::QuestionOver { id });
        }
        if origin == Origin::DialledForFiles {
            self.bulk_call_failed(id, words);
        }
        if origin == Origin::Dialled
            && let Some(dialler) = &mut self.dialler
        {
            let fate = dialler.failed(self.now, words.to_owned());
            self.tell_fate(fate);
        }
    }

    /// Somebody who is not a tete, or not of our age.
    pub(super) fn refuse_nonsense(&mut self, key: usize, error: &ProtocolError) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // What we have to say, our own greeting with our versions in it, still goes out.
        connection.stage = Stage::Flushing { shut: false };
        connection.deadline = Some(self.now + REFUSAL_PATIENCE);
        connection.more = true;
        let (address, origin, id) = (connection.address, connection.origin, connection.generation);
        if origin == Origin::DialledForFiles {
            self.bulk_call_failed(id, &error.to_string());
        } else if origin == Origin::Dialled && self.dialler.take().is_none() {
            log::debug!("{address}: {error}");
        } else if origin == Origin::Dialled {
            let hint = "is there a tete listening, of a version that fits, with --plain on both sides?";
            self.events.push_back(NetEvent::DialFailed { words: format!("{address}: {error}"), hint });
        } else {
            self.tell_refused(address, error.to_string());
        }
    }

    fn tell_refused(&mut self, address: SocketAddr, reason: String) {
        log::info!("{address} was not let in: {reason}");
        // Told one by one; a flood of strangers may not fill the memory while nobody reads.
        let waiting = self.events.iter().filter(|event| matches!(event, NetEvent::CallerRefused { .. })).count();
        if waiting < MAX_OPENINGS {
            self.events.push_back(NetEvent::CallerRefused { address, reason });
        }
    }

    pub(super) fn judge(&mut self, key: usize, hello: Hello) {
        match self.verdict(key, hello) {
            None | Some(Verdict::Later) => {}
            Some(Verdict::Welcome) => self.welcome(key),
            Some(Verdict::Join(epoch)) => self.join(key, epoch),
            Some(Verdict::Nod) => self.nod(key),
            Some(Verdict::Ask) => self.ask(key),
            Some(Verdict::Refuse(refusal)) => self.refuse(key, refusal),
        }
    }

    /// What the gate says of the connection at `key`, if it is there.
    fn verdict(&self, key: usize, hello: Hello) -> Option<Verdict> {
        let questions = self.connections.iter().filter(|(_, c)| c.is_question()).count();
        let connection = self.connections.get(key)?;
        let Stage::Opening(opening) = &connection.stage else { return None };
        let ip = connection.address.ip();
        let caller = Caller {
            hello,
            ip,
            dialled: connection.origin != Origin::Came,
            being_dialled: self.dialler.as_ref().is_some_and(|dialler| dialler.is_calling(ip)),
            claim: opening.their_claim(),
            our_call: opening.our_call().map(|claim| claim.epoch),
            leads: opening.leads(),
        };
        let talking = self.conversation.as_ref().map(Conversation::talking);
        let host = Host { nonce: self.nonce, talking, trust: self.settings.trust, questions };
        Some(gate::judge(&caller, &host))
    }

    fn ask(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Stage::Opening(opening) = &mut connection.stage {
            opening.wait();
            connection.deadline = Some(self.now + QUESTION_PATIENCE);
            let (id, address) = (connection.generation, connection.address);
            self.events.push_back(NetEvent::Question { id, address });
        }
    }

    /// Our user has decided about a caller; whether the question was still open.
    pub fn answer_question(&mut self, id: u64, yes: bool) -> bool {
        let found = self.connections.iter().find(|(_, c)| c.generation == id && c.is_question());
        let Some(key) = found.map(|(key, _)| key) else { return false };
        match yes {
            true if self.conversation.is_none() => self.welcome(key),
            true => self.refuse(key, Refusal::Busy),
            false => self.refuse(key, Refusal::NotWanted),
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.more = true;
        }
        true
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
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Stage::Opening(opening) = &mut connection.stage else { return };
        let step = opening.welcome(&self.settings.name, port, ticket);
        connection.deadline = Some(self.now + OPENING_PATIENCE);
        if let Step::Open(opened) = step {
            self.open(key, opened);
        }
    }

    fn refuse(&mut self, key: usize, refusal: Refusal) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (address, origin, id) = (connection.address, connection.origin, connection.generation);
        let dialled = origin == Origin::Dialled;
        if let Stage::Opening(opening) = &mut connection.stage {
            opening.refuse(refusal, gate::words(refusal));
            let words = opening.transmit().to_vec();
            connection.channel.accept(&words);
        }
        connection.stage = Stage::Flushing { shut: false };
        connection.deadline = Some(self.now + REFUSAL_PATIENCE);
        connection.more = true;
        match refusal {
            _ if origin == Origin::DialledForFiles => self.bulk_call_failed(id, gate::words(refusal)),
            // A second connection of the same two is no news.
            Refusal::Surplus => {}
            // Both ends of the call are here, and neither waits for the other's words: the calling one tells.
            Refusal::Yourself if dialled => {
                self.dialler = None;
                let words = gate::words(refusal).into();
                self.events.push_back(NetEvent::NotLetIn { reason: Some(refusal), words });
            }
            // Whom we called is not whom we wanted, and calling again changes nothing.
            _ if dialled && self.dialler.take().is_some() => {
                let words = gate::words(refusal).into();
                self.events.push_back(NetEvent::NotLetIn { reason: Some(refusal), words });
            }
            _ if dialled => {}
            _ => self.tell_refused(address, gate::words(refusal).to_owned()),
        }
    }

    fn handle_refusal(&mut self, key: usize, reason: Option<Refusal>, words: crate::proto::text::Untrusted) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let origin = connection.origin;
        if origin == Origin::DialledForFiles {
            return self.close_opening(key, &words.shown_within(MAX_REFUSAL_SHOWN).to_string());
        }
        if origin == Origin::Came || reason == Some(Refusal::Surplus) {
            // The other connection of the two is the one that counts.
            return self.close_opening(key, "the other connection is used");
        }
        connection.stage = Stage::Dead;
        // Once somebody else has called, whom we called before matters no more.
        if self.dialler.take().is_some() {
            self.events.push_back(NetEvent::NotLetIn { reason, words });
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
        let link = LinkId(connection.generation);
        let setup = Setup { lead: opened.lead, ..self.settings.setup };
        connection.stage = Stage::Talking(link);
        connection.deadline = None;
        connection.more = true;
        sys::prepare_talk(&connection.stream);
        let (address, dialled) = (connection.address, connection.origin == Origin::Dialled);
        self.conversation = Some(Conversation {
            session: Session::new(setup, link, self.now),
            talk: Carrier { key, link },
            bulk: None,
            call: Call::None,
            told_first: false,
            bulk_failures: 0,
            peer,
            dialled: dialled.then_some(address),
            ticket: opened.ticket,
            epoch: FIRST_EPOCH,
        });
        self.dialler = None;
        self.refuse_others(key);
        self.reconsider(peer);
        let peer = Peer { name: opened.name, address, port: opened.port, dialled };
        self.events.push_back(NetEvent::Connected(peer));
    }

    /// Everybody else who waits for our word is told that we are busy; whom we still call is called no longer.
    fn refuse_others(&mut self, talking: usize) {
        let others: Vec<usize> = self.connections.iter().map(|(key, _)| key).filter(|key| *key != talking).collect();
        for key in others {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            match &connection.stage {
                Stage::Connecting(_) => connection.stage = Stage::Dead,
                Stage::Opening(opening) if opening.is_question() => {
                    let id = connection.generation;
                    self.events.push_back(NetEvent::QuestionOver { id });
                    self.refuse(key, Refusal::Busy);
                }
                _ => {}
            }
        }
    }

    /// The conversation is over and told; its connection, if it lives, flushes by itself.
    pub(super) fn finish_conversation(&mut self) {
        let Some(mut conversation) = self.conversation.take() else { return };
        while let Some(job) = conversation.session.poll_job() {
            self.files.submit(&mut self.pool, job);
        }
    }

    /// Closes what has taken too long.
    pub(super) fn fire_connection_deadlines(&mut self) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= self.now);
        let late: Vec<usize> = self.connections.iter().filter(|(_, c)| due(c.deadline)).map(|(key, _)| key).collect();
        let partner = self.conversation.as_ref().map(|conversation| conversation.peer);
        for key in late {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.deadline = None;
            emit(Trace::Deadline { what: connection.stage.name() });
            match &connection.stage {
                Stage::Connecting(_) => self.close_opening(key, "no answer"),
                Stage::Opening(_) if connection.is_question() => {
                    let id = connection.generation;
                    self.events.push_back(NetEvent::QuestionOver { id });
                    self.refuse(key, Refusal::NotWanted);
                }
                Stage::Opening(_) if connection.origin == Origin::DialledForFiles => {
                    self.close_opening(key, "no answer");
                }
                // The second of two calls, which came to nothing.
                Stage::Opening(opening) if partner.is_some() && opening.peer() == partner => {
                    connection.stage = Stage::Dead
                }
                Stage::Opening(_) if connection.origin == Origin::Dialled => {
                    let words = format!("{} took the call and said nothing", connection.address);
                    connection.stage = Stage::Dead;
                    if self.dialler.take().is_some() {
                        let hint = "is it a tete, with --plain on both sides?";
                        self.events.push_back(NetEvent::DialFailed { words, hint });
                    }
                }
                Stage::Opening(_) => {
                    let address = connection.address;
                    connection.stage = Stage::Dead;
                    self.tell_refused(address, "it took too long to say who it is".to_owned());
                }
                Stage::Flushing { .. } => connection.stage = Stage::Dead,
                Stage::Talking(_) | Stage::Dead => {}
            }
        }
    }

    /// Goes on with calling.
    pub(super) fn drive_dialler(&mut self) {
        while let Some(dialler) = &mut self.dialler {
            if dialler.is_lookup_overdue(self.now) {
                let words = format!("looking up {} takes too long", dialler.host);
                self.dialler = None;
                self.events.push_back(NetEvent::DialFailed { words, hint: "is the network there?" });
                return;
            }
            match dialler.poll(self.now) {
                None => return,
                Some(Want::Resolve) => {
                    let (host, port, attempt) = (dialler.host.clone(), dialler.port, dialler.attempt);
                    let to = name_of(&host, port);
                    self.events.push_back(NetEvent::Dialling { to, attempt });
                    self.resolve(host, port);
                }
                Some(Want::Connect(address)) => match sys::connect(address).map(TcpStream::from_std) {
                    Ok(stream) => {
                        let stage = Stage::Connecting(Hello::new(self.nonce));
                        self.add_connection(stream, address, Origin::Dialled, stage, CONNECT_PATIENCE);
                    }
                    Err(error) => {
                        let fate = dialler.failed(self.now, sys::words(&error));
                        self.tell_fate(fate);
                    }
                },
            }
        }
    }

    pub(super) fn handle_resolved(&mut self, result: Result<Vec<SocketAddr>, String>) {
        let Some(dialler) = &mut self.dialler else { return };
        match result {
            Ok(addresses) => {
                let fate = dialler.resolved(self.now, addresses);
                self.tell_fate(fate);
            }
            Err(words) => {
                self.dialler = None;
                self.events.push_back(NetEvent::DialFailed { words, hint: "check the name, or give an address" });
            }
        }
    }

    fn tell_fate(&mut self, fate: Fate) {
        let Some(dialler) = &self.dialler else { return };
        let to = name_of(&dialler.host, dialler.port);
        let words = dialler.last_words.clone();
        match fate {
            Fate::Goes => {}
            Fate::Unanswered => self.events.push_back(NetEvent::Unanswered { to, words }),
            Fate::GivenUp => {
                self.dialler = None;
                let words = format!("nobody answered at {to}: {words}");
                let hint = "does the other side listen there? -w waits longer";
                self.events.push_back(NetEvent::DialFailed { words, hint });
            }
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn name_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Why a link ended at the gate.
enum GateError {
    Closed(String),
    Protocol(ProtocolError),
}

impl From<std::io::Error> for GateError {
    fn from(error: std::io::Error) -> Self {
        Self::Closed(sys::words(&error))
    }
}

impl Connection {
    /// Whether our user is being asked about it.
    fn is_question(&self) -> bool {
        matches!(&self.stage, Stage::Opening(opening) if opening.is_question())
    }

    /// Sends what the gate has to say and reads what it wants to hear; `None`: not yet.
    fn next_step(&mut self, key: usize) -> Result<Option<Step>, GateError> {
        let Some((mut wire, channel, opening)) = self.gate_parts(key) else { return Ok(None) };
        loop {
            while !opening.transmit().is_empty() {
                match wire.send(opening.transmit(), false)? {
                    Moved::Bytes(n) => opening.sent(n),
                    Moved::WouldBlock => break,
                }
            }
            while !channel.incoming().is_empty() {
                let (taken, step) = opening.handle_bytes(channel.incoming()).map_err(GateError::Protocol)?;
                channel.consumed(taken);
                if step != Step::Nothing {
                    return Ok(Some(step));
                }
            }
            match wire.recv(channel.space(GATE_SPACE))? {
                Moved::Bytes(0) => return Err(GateError::Closed("it hung up".to_owned())),
                Moved::Bytes(n) => channel.received(n),
                Moved::WouldBlock => return Ok(None),
            }
        }
    }
}
