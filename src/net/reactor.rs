//! The loop: waits until something can be done, does a bounded part of it, and waits again.
//!
//! Owns: the poll, everything registered with it, and the order of a turn.
//! Must not know: what is said (that is the session), what is shown (that is whoever takes the events).
//!
//! Registration is once, for both directions, edge-triggered; from then on two latches a connection say what may
//! work. Only a `WouldBlock` clears a latch. The next wait is skipped only while a direction is latched *and* has
//! work left over from its budget: a latch alone would spin.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook_mio::v1_0::Signals;
use slab::Slab;

use crate::proto::TransferId;
use crate::proto::error::CommandError;
use crate::proto::hello::Nonce;
use crate::proto::session::{Session, Setup};
use crate::proto::trace::{Trace, emit};
use crate::proto::transfers::Policy;
use crate::secure::code::OneTime;
use crate::secure::key::PublicKey;
use crate::sys::{self, Calls, Shape};

use super::asking::{RESOLVE, number_of, own_ticket};
use super::connection::{self, Connection, Stage};
use super::conversation::{Anew, BulkState, Conversation};
use super::dialler::Dialler;
use super::doorkeeper::Doorkeeper;
use super::event::{Ending, Heeds, NetEvent, Signal, Unread};
use super::files::Files;
use super::gate::Trust;
use super::input::{Input, InputRead};
use super::listener::Listeners;
use super::part::for_good;
use super::passing::Hashing;
use super::pool::{Answer, Done, Family, Pool};
use super::source::Prepared;
use super::standing::{Callee, Secure};

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
const INPUT: Token = Token(2);
/// Tokens 3 and 4.
const LISTENERS: usize = 3;

/// Jobs that the helpers may have before the peer is not heard for a while.
const MAX_UNDER_WAY: usize = 512;
/// Input moved into a stream with one call.
const STREAM_PIECE: usize = 64 * 1024;
/// Readiness events taken from the system at once.
const EVENTS: usize = 128;
/// A part of what a conversation can move.
type PumpLinks = fn(&mut Conversation, &mut Slab<Connection>, &mut Files, &mut Pool, Instant);

/// What is decided before the loop starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the peer sees us.
    pub name: String,
    /// What the encrypted channel needs; `None`: links are plain.
    pub secure: Option<Secure>,
    /// Which strangers are let in.
    pub trust: Trust,
    /// What happens to files that somebody offers who was never met before, has proved nothing, and was not called by us
    /// while calling us.
    pub policy_for_new: Policy,
    /// Which addresses are used.
    pub family: Family,
    /// Where received files go.
    pub into: PathBuf,
    /// What is put before their names.
    pub prefix: String,
    /// By which system calls.
    pub calls: Calls,
    /// Whether they are thrown away instead, to measure without a disk. What is verified then is hashed as it arrives.
    pub discard: bool,
    /// What a session needs; who leads is found at the gate.
    pub setup: Setup,
    /// Which signals become events.
    pub heeds: Heeds,
}

/// The loop and everything in it.
pub struct Reactor {
    pub(super) settings: Settings,
    pub(super) nonce: Nonce,
    pub(super) poll: Poll,
    ready: Events,
    waker: Arc<Waker>,
    signals: Option<Signals>,
    pub(super) listeners: Listeners,
    /// Who may stand at the door.
    pub(super) door: Doorkeeper,
    pub(super) dialler: Option<Dialler>,
    /// Proves a first meeting.
    pub(super) code: Option<OneTime>,
    /// Whether whom we call has to prove it.
    pub(super) wants_code: bool,
    /// Whether nobody comes in but whom we call, or are about to.
    pub(super) only_callee: bool,
    /// Keys that helpers are looking up.
    pub(super) recognising: usize,
    /// Who has proved our code.
    pub(super) proved: Option<PublicKey>,
    pub(super) connections: Slab<Connection>,
    pub(super) generations: u64,
    pub(super) conversation: Option<Conversation>,
    pub(super) files: Files,
    pub(super) pool: Pool,
    input: Option<Input>,
    pub(super) events: VecDeque<NetEvent>,
    signalled: VecDeque<Signal>,
    /// Whether the partner of the last conversation has begun anew.
    pub(super) anew: Option<Anew>,
    /// Whether we were stopped since the last turn.
    stopped: bool,
    /// What helpers were asked for, counted.
    pub(super) requests: u64,
    /// Whether one of them looks at what our user could choose from.
    pub(super) listing: bool,
    pub(super) lookup: u64,
    /// How connections are set up other than usual.
    pub(super) shape: Shape,
    turns: u64,
    pub(super) now: Instant,
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("turns", &self.turns).field("connections", &self.connections).finish()
    }
}

impl Reactor {
    /// A loop with nothing in it yet.
    ///
    /// # Errors
    /// The system's, when it gives no poll, no pipe or no randomness.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut nonce = [0; 16];
        sys::random(&mut nonce)?;
        let signals = settings.heeds.signals().map(Signals::new).transpose()?;
        let mut reactor = Self {
            nonce: Nonce(nonce),
            files: Files::new(settings.into.clone(), settings.prefix.clone())
                .syncing(settings.setup.sync)
                .with_calls(settings.calls)
                .discarding(settings.discard)
                .hashing_ours(Hashing::for_this_machine())
                .hashing(match (settings.setup.verify, settings.discard) {
                    (true, false) => Hashing::for_this_machine(),
                    (true, true) => Hashing::InPassing, // nobody can read it back
                    (false, _) => Hashing::ByHelpers,   // who are never asked
                }),
            pool: Pool::new(Arc::clone(&waker)),
            settings,
            poll,
            ready: Events::with_capacity(EVENTS),
            waker,
            signals,
            listeners: Listeners::default(),
            door: Doorkeeper::default(),
            dialler: None,
            code: None,
            wants_code: false,
            only_callee: false,
            recognising: 0,
            proved: None,
            connections: Slab::new(),
            generations: 0,
            conversation: None,
            input: None,
            events: VecDeque::new(),
            signalled: VecDeque::new(),
            anew: None,
            stopped: false,
            requests: 0,
            listing: false,
            lookup: 0,
            shape: Shape::default(),
            turns: 0,
            now: Instant::now(),
        };
        if let Some(signals) = &mut reactor.signals {
            reactor.poll.registry().register(signals, SIGNALS, Interest::READABLE)?;
        }
        Ok(reactor)
    }

    /// Wakes the loop from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The moment of the last turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Our own key; `None` when links are plain.
    pub fn public(&self) -> Option<PublicKey> {
        self.settings.secure.as_ref().map(|secure| secure.tls.public())
    }

    /// The name by which the peer sees us from the next conversation on.
    pub fn set_name(&mut self, name: String) {
        self.settings.name = name;
    }

    /// Where received files go.
    pub fn folder(&self) -> &Path {
        &self.settings.into
    }

    /// Begins to listen; gives the addresses. See [`Listeners::open`].
    ///
    /// # Errors
    /// The system's.
    pub fn listen(&mut self, ip: Option<IpAddr>, port: u16) -> io::Result<Vec<SocketAddr>> {
        let family = self.settings.family;
        // What is not encrypted stays on this machine unless an address is named.
        let place = (ip, self.settings.secure.is_some());
        self.listeners = Listeners::open(self.poll.registry(), LISTENERS, place, port, family)?;
        Ok(self.listeners.addresses())
    }

    /// The port that it listens on, 0 if it does not.
    pub fn port(&self) -> u16 {
        self.listeners.addresses().first().map_or(0, SocketAddr::port)
    }

    /// Takes the input thread's pipe into the loop.
    ///
    /// # Errors
    /// The system's.
    pub fn set_input(&mut self, mut input: Input) -> io::Result<()> {
        self.poll.registry().register(&mut input.pipe, INPUT, Interest::READABLE)?;
        self.input = Some(input);
        Ok(())
    }

    /// The input, to be read without waiting.
    pub fn input(&mut self) -> Option<&mut Input> {
        self.input.as_mut()
    }

    /// Our user is pressing keys, and wants to see them at once: files make way as they do for texts.
    pub fn make_way(&mut self) {
        self.conversation.iter_mut().for_each(|conversation| conversation.pressed = Some(self.now));
    }

    /// Calls somebody, for `patience` at most.
    pub fn dial(&mut self, callee: Callee, patience: Option<Duration>) {
        self.dialler = Some(Dialler::new(callee, patience, self.now));
        self.lookup += 1; // an answer that is still on its way is about somebody else
    }

    /// Until the next conversation has begun, nobody comes in but whom we call: what is ready is for them. From now on, so
    /// also before the call.
    pub fn let_in_only_callee(&mut self) {
        self.only_callee = true;
    }

    /// Whether somebody is being called.
    pub fn is_dialling(&self) -> bool {
        self.dialler.is_some()
    }

    /// How long until we call for a talk link in place of the one that is lost; `None`: the other side does.
    pub fn returns_in(&self) -> Option<Duration> {
        self.conversation.as_ref().and_then(|conversation| conversation.returns_in(self.now))
    }

    /// What carries the files of the conversation.
    pub fn bulk_state(&self) -> Option<BulkState> {
        self.conversation.as_ref().map(Conversation::bulk_state)
    }

    /// The conversation.
    pub fn session(&mut self) -> Option<&mut Session> {
        self.conversation.as_mut().map(|conversation| &mut conversation.session)
    }

    /// Whether nothing is under way any more: no helper works, no goodbye waits for its answer.
    pub fn is_quiet(&self) -> bool {
        self.conversation.is_none()
            && self.pool.under_way() == 0
            && !self.connections.iter().any(|(_, connection)| matches!(connection.stage, Stage::Flushing { .. }))
    }

    /// One turn. Waits until something can be done, `until` at the latest; the moment of the turn.
    ///
    /// # Errors
    /// When the system's poll fails.
    pub fn turn(&mut self, until: Option<Instant>) -> io::Result<Instant> {
        self.pump_links(Conversation::pump_talk); // what was said since the last turn: tried before it is waited for
        let took = self.wait(until)?;
        self.account(took);
        self.hear_anew();
        self.accept();
        self.take_answers();
        self.pump_links(Conversation::pump);
        self.pump_openings();
        self.fire_deadlines();
        self.count_proofs();
        self.end_questions();
        self.reap();
        Ok(self.now)
    }

    /// Waits, latches readiness, and reads the clock: the only place that does. How long the turn that ends here took: a
    /// disk may have held it up, and what is due is not that much later for it.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<Duration> {
        let until = until.into_iter().chain(self.deadline()).min();
        let began = std::mem::replace(&mut self.now, Instant::now());
        let took = self.now.saturating_duration_since(began);
        loop {
            let allowed = match self.has_work() {
                true => Some(Duration::ZERO),
                false => until.map(|until| until.saturating_duration_since(self.now)),
            };
            let result = self.poll.poll(&mut self.ready, allowed);
            self.now = Instant::now();
            match result {
                // A signal came between; the time left is counted afresh.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    self.turns += 1;
                    let events = self.ready.iter().count();
                    emit(Trace::Wake { turn: self.turns, allowed, events });
                    result?;
                    break;
                }
            }
        }
        let (mut signalled, mut roused) = (false, false);
        for event in &self.ready {
            match event.token() {
                WAKER => roused = true, // the queues that it stands for are drained every turn
                SIGNALS => signalled = true,
                INPUT => {
                    roused = true;
                    if let Some(input) = &mut self.input {
                        input.readable = true;
                    }
                }
                Token(token) if token < LISTENERS + 2 => self.listeners.latch(token - LISTENERS),
                token => {
                    let Some(key) = connection::key_of(token) else { continue };
                    let is_meant = |found: &&mut Connection| connection::token(key, found.generation) == event.token();
                    let found = self.connections.get_mut(key).filter(is_meant);
                    let Some(connection) = found else { continue };
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        connection.readable = true;
                        emit(Trace::Latch { key, side: "readable", set: true });
                    }
                    if event.is_writable() || event.is_write_closed() || event.is_error() {
                        connection.writable = true;
                        emit(Trace::Latch { key, side: "writable", set: true });
                    }
                }
            }
        }
        self.conversation.iter_mut().for_each(|conversation| conversation.roused |= roused);
        if signalled {
            self.take_signals();
        }
        Ok(took)
    }

    /// Counts what files waited for since the last turn began, which took so long.
    fn account(&mut self, took: Duration) {
        let turn = (took, std::mem::take(&mut self.stopped));
        self.conversation.iter_mut().for_each(|conversation| conversation.account(turn, self.now));
    }

    fn has_work(&self) -> bool {
        self.listeners.has_work() || self.connections.iter().any(|(_, connection)| connection.more)
    }

    fn take_signals(&mut self) {
        let Some(signals) = &mut self.signals else { return };
        for signal in signals.pending() {
            self.stopped |= signal == SIGCONT;
            let signal = match signal {
                SIGINT => Signal::End(Ending::Interrupt),
                SIGTERM => Signal::End(Ending::Terminate),
                SIGHUP => Signal::End(Ending::HangUp),
                SIGWINCH => Signal::Resized,
                SIGCONT => Signal::Continued,
                _ => continue,
            };
            self.signalled.push_back(signal);
        }
    }

    fn take_answers(&mut self) {
        while let Some(Answer { ticket, done, spent, read }) = self.pool.poll_answer() {
            match done {
                Done::Disk(answer) => {
                    let transfer = Some(answer.transfer());
                    emit(Trace::Answer { what: "disk", transfer });
                    if let Some(answer) = self.files.answered(ticket, answer, read)
                        && let Some(conversation) = &mut self.conversation
                    {
                        conversation.session.helped(answer.transfer(), spent);
                        conversation.session.job_done(self.now, answer);
                    }
                }
                Done::Prepared(found) => {
                    emit(Trace::Answer { what: "prepared", transfer: None });
                    self.events.push_back(NetEvent::Prepared { request: number_of(ticket), found });
                }
                Done::Listed(found) => {
                    self.listing = false;
                    self.events.push_back(NetEvent::Listed { request: number_of(ticket), found });
                }
                Done::Peers(names) => {
                    self.listing = false;
                    self.events.push_back(NetEvent::KnownPeers { request: number_of(ticket), names });
                }
                Done::Resolved(result) => {
                    emit(Trace::Answer { what: "resolved", transfer: None });
                    if ticket.0 == own_ticket(RESOLVE, self.lookup) {
                        self.handle_resolved(result);
                    }
                }
                Done::Recognised(known) => {
                    emit(Trace::Answer { what: "recognised", transfer: None });
                    self.recognising -= 1;
                    self.handle_recognised(number_of(ticket), known);
                }
                Done::Remembered(result) => self.handle_remembered(number_of(ticket), result),
            }
        }
    }

    /// Moves what can be moved on the links of the conversation, and hands its jobs to the helpers.
    fn pump_links(&mut self, pump: PumpLinks) {
        let Some(conversation) = &mut self.conversation else { return };
        // Whoever makes work faster than the helpers do it is not heard until they have caught up.
        // What strangers make them look up is no reason.
        if self.pool.under_way() - self.recognising < MAX_UNDER_WAY || conversation.session.ended().is_some() {
            pump(conversation, &mut self.connections, &mut self.files, &mut self.pool, self.now);
        } else {
            for carrier in conversation.carriers() {
                // The next answer of a helper wakes the loop.
                self.connections.get_mut(carrier.key).into_iter().for_each(|connection| connection.more = false);
            }
        }
    }

    /// The first moment at which something has to be done unasked.
    fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.iter().filter_map(|(_, connection)| connection.deadline);
        let session = self.conversation.as_ref().and_then(|talk| talk.session.poll_timeout()).map(|(due, _)| due);
        let dialler = self.dialler.as_ref().and_then(Dialler::deadline);
        let call = self.conversation.as_ref().and_then(|talk| talk.call_due(self.now)).map(|(.., due)| due);
        let code = self.code.as_ref().and_then(OneTime::deadline);
        connections
            .chain(code)
            .chain(self.door.deadline())
            .chain(session)
            .chain(dialler)
            .chain(call)
            .chain(self.listeners.deadline())
            .min()
    }

    fn fire_deadlines(&mut self) {
        if let Some(conversation) = &mut self.conversation
            && conversation.session.poll_timeout().is_some_and(|(due, _)| due <= self.now)
        {
            conversation.session.handle_timeout(self.now);
            // What the moment brought (a report, a ping) goes out in this turn.
            self.pump_links(Conversation::pump_talk);
        }
        self.fire_connection_deadlines();
        self.tell_code();
        self.drive_dialler();
        self.call_again();
    }

    /// Removes what is over: the only removal, so that nothing vanishes while it is being looked at.
    fn reap(&mut self) {
        let dead: Vec<usize> =
            self.connections.iter().filter(|(_, c)| matches!(c.stage, Stage::Dead)).map(|(k, _)| k).collect();
        for key in dead {
            let mut connection = self.connections.remove(key);
            self.door.left(self.now, connection.generation, connection.parting);
            // A socket leaves the poll when it is closed; deregistering first keeps the order plain.
            if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
                log::debug!("deregistering: {error}");
            }
            emit(Trace::Reap { key });
        }
    }

    /// The next signal that asked us to end. Apart from the events: it has to be heard while nobody takes those.
    pub fn poll_signal(&mut self) -> Option<Signal> {
        self.signalled.pop_front()
    }

    /// What was found of files that our user wants to send. Apart from the other events: nobody has to be shown anything
    /// for them to be offered.
    pub fn poll_prepared(&mut self) -> Option<NetEvent> {
        let at = self.events.iter().position(|event| matches!(event, NetEvent::Prepared { .. }))?;
        self.events.remove(at)
    }

    /// The next thing that happened. Taking a text counts as its having been read.
    pub fn poll_event(&mut self) -> Option<NetEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let conversation = self.conversation.as_mut()?;
        if let Some(event) = conversation.session.poll_event() {
            return Some(NetEvent::Session(event));
        }
        let ended = conversation.session.ended()?.clone();
        let unread = Unread { count: conversation.session.unread(), first: conversation.session.first_unread() };
        self.finish_conversation();
        Some(NetEvent::Ended { ended, unread, anew: self.anew })
    }

    /// Offers a file that was found.
    ///
    /// # Errors
    /// [`CommandError`] of the session; [`CommandError::Leaving`] when there is none.
    pub fn offer(&mut self, source: Prepared) -> Result<TransferId, CommandError> {
        let now = self.now;
        let session = self.session().ok_or(CommandError::Leaving)?;
        let id = session.offer(now, &source.name, Some(source.size))?;
        self.files.add_source(id, source);
        Ok(id)
    }

    /// Offers what the input will bring, under this name. From now on [`stream_input`](Self::stream_input) moves it.
    ///
    /// # Errors
    /// [`CommandError`] of the session; [`CommandError::Leaving`] when there is none.
    pub fn offer_stream(&mut self, name: &str) -> Result<TransferId, CommandError> {
        let now = self.now;
        let session = self.session().ok_or(CommandError::Leaving)?;
        let id = session.offer(now, name, None)?;
        self.files.add_stream(id);
        Ok(id)
    }

    /// Moves input into the stream as far as it has room; whether the input has ended. An input that fails fails the
    /// file: what came of it is not all there was.
    pub fn stream_input(&mut self, id: TransferId) -> bool {
        let (Some(input), Some(conversation)) = (&mut self.input, &mut self.conversation) else { return true };
        let mut buffer = [0; STREAM_PIECE];
        let mut news = false;
        let ended = loop {
            let room = self.files.room(id).min(buffer.len());
            if room == 0 {
                break false;
            }
            match input.read(&mut buffer[..room]) {
                InputRead::Bytes(n) => {
                    self.files.feed(id, &buffer[..n]);
                    news = true;
                }
                InputRead::NotYet => break false,
                InputRead::End => {
                    if let Some(error) = input.failure() {
                        conversation.session.source_failed(self.now, id, &for_good("standard input", &error));
                        return true;
                    }
                    self.files.end(id);
                    break true;
                }
            }
        };
        if let Some((brought, over)) = self.files.streamed(id).filter(|_| news || ended) {
            conversation.session.stream_grew(self.now, id, brought, over);
        }
        ended
    }
}
