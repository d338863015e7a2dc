//! The conversation that is going on: a session, and the connections that carry it.
//!
//! Owns: what they need from each other, and whether a link for files is to be called for.
//! Must not know: who was let in and why.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::proto::disk::{DiskError, DiskJob};
use crate::proto::frame::SessionTicket;
use crate::proto::hello::Nonce;
use crate::proto::session::{Ended, Receive, Session};
use crate::proto::stages::{Held, Turn};
use crate::proto::{LinkId, TransferId};
use crate::sys::{self, Pipe};

use super::channel::SECURE_PIECE;
use super::connection::{Connection, Need, Stage};
use super::files::Files;
use super::pool::Pool;
use super::pump::{Disk, Left, LinkError, Pump};
use super::standing::Them;
use super::work::write_error;

/// How long the last bytes of a conversation may take, and the answer to our closing.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// What one link may move in one turn.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// Bytes that leave.
    send: usize,
    /// Bytes that are taken where they belong.
    receive: usize,
    /// Bytes received with one call.
    piece: usize,
}

/// Of the talk link.
const TALK: Share = Share { send: 1 << 20, receive: 1 << 20, piece: 256 << 10 };
/// Of the bulk link while nobody talks. With less, files are slower (measured on two cores, file to memory, with
/// pieces of 32 KiB: 1.2 instead of 1.8 GB/s, and a third more processor time); with more, no faster. What leaves seldom
/// fills more than half of it: a socket takes no more at once, and a turn for each MiB would cost 2% of processor time.
/// Where the loop hashes what it encrypts it has such turns, each of a block, and gains more by them than that.
const FAST: Share = Share { send: 4 << 20, receive: 1 << 20, piece: 1 << 20 };
/// Of the bulk link while our user presses keys, of which each waits for two turns at most. Measured by
/// `cargo bench --bench screen` on two cores for both sides: encrypted files as fast as with [`FAST`], half the median
/// wait. With [`GENTLE`] that is shorter still, but the loop never pauses then, and the longest waits become longer.
const BRISK: Share = Share { send: 256 << 10, receive: 256 << 10, piece: 256 << 10 };
/// Of the bulk link while somebody talks: what a text waits for on its way in or out. Writing so much to fresh memory
/// takes 10 µs, where [`FAST`] takes 500. Half as much that leaves is no better for texts, twice as much is worse; half
/// as much that comes is no better either, and files are a fifth slower.
const GENTLE: Share = Share { send: 256 << 10, receive: 16 << 10, piece: 16 << 10 };
/// How long after the last text or key files still make way for the next.
const TALKING: Duration = Duration::from_secs(3);
/// How long after the first call for a bulk link that failed the next one is made, while files go over the talk link.
const BULK_PAUSE: Duration = Duration::from_secs(10);
/// The same for a talk link, without which nothing goes on: a router that restarts takes a minute, a cable a second.
const TALK_PAUSE: Duration = Duration::from_millis(250);
/// How much longer whoever was called waits before it calls for a talk link too: mostly the other side is there by then,
/// and one link is enough.
const HEADSTART: Duration = Duration::from_secs(2);
/// How often a pause is doubled: up to 320 s for files, and 8 s for talk.
const MAX_DOUBLINGS: u32 = 5;
/// Turns in which what an old talk link has brought is taken, when a new one is there.
const LAST_TURNS: usize = 64;

/// A link of the session, and the connection that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Slab key of the connection.
    pub key: usize,
    /// The link.
    pub link: LinkId,
}

/// A link for files that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// None was made, or the last one led to a link.
    None,
    /// One is under way, by the connection of this generation.
    UnderWay(u64),
    /// The last one failed; the next may be made then.
    Failed(Instant),
}

/// Whether the other side can be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can, as far as is known.
    Here,
    /// There is a link, over which nothing comes although something should.
    Silent,
    /// There is no link.
    Away,
}

/// A partner who is there again and knows nothing of the conversation: its process was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// It calls us, by the connection of this generation.
    Calls(u64),
    /// It has answered our call for a link.
    Answers,
}

/// A session and its links.
#[derive(Debug)]
pub struct Conversation {
    /// The machine.
    pub session: Session,
    /// What carries what is said.
    pub talk: Carrier,
    /// What carries files, if there is such a link.
    pub bulk: Option<Carrier>,
    /// Our call for one.
    pub call: Call,
    /// Whether our user's input or another thread has woken the loop since files last moved.
    pub roused: bool,
    /// Whether files have waited in this turn for something that was said.
    pub told_first: bool,
    /// When our user last pressed a key.
    pub pressed: Option<Instant>,
    /// How many calls came to nothing, and links to an end, since one more was needed.
    pub failures: u32,
    /// How the talk link was when this was last looked at.
    pub reach: Reach,
    /// Which process is at the other end.
    pub peer: Nonce,
    /// Whose it is.
    pub them: Them,
    /// The number of the request that they be saved, 0 if there was none.
    pub remembered: u64,
    /// Where they are, or were last.
    pub address: SocketAddr,
    /// Who has begun anew, after which this ends.
    pub anew: Option<Anew>,
    /// Where, if we called: who has called calls for a bulk link too.
    pub dialled: Option<SocketAddr>,
    /// Where they listen, if they called and have said so: who was called calls there when the talk link is lost.
    pub listens: Option<SocketAddr>,
    /// What proves that a link belongs to the session.
    pub ticket: SessionTicket,
    /// The greatest epoch of its links so far.
    pub epoch: u32,
    /// The greatest epoch that a call of ours has had: each has one of its own, since a claim is good once.
    pub called: u32,
    /// The epoch of the talk link, or of the one that was lost.
    pub talk_epoch: u32,
    /// How its last turn ended.
    pub turn: Turn,
    /// Whether the system does not tell how much the loop has computed.
    pub untold: bool,
}

/// What carries the files of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkState {
    /// A link of their own.
    Own,
    /// The talk link; a link of their own is being called for.
    Called,
    /// The talk link: a link of their own could not be had.
    Failed,
    /// The talk link: nothing that would need another was sent.
    NotNeeded,
}

/// The real [`Disk`]: files by descriptors, jobs by helpers.
struct Store<'a> {
    files: &'a mut Files,
    pool: &'a mut Pool,
}

impl Disk for Store<'_> {
    type File = Arc<File>;
    type Pipe = Pipe;

    fn file(&self, transfer: TransferId) -> Option<Arc<File>> {
        self.files.file(transfer)
    }

    fn read_instead(&mut self, transfer: TransferId) {
        self.files.read_instead(transfer);
    }

    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.files.read(transfer, offset, buffer)
    }

    fn drains(&self, transfer: TransferId) -> bool {
        self.files.drains(transfer)
    }

    fn drain(&mut self, transfer: TransferId, offset: u64, pipe: &mut Pipe) -> io::Result<usize> {
        self.files.drain(transfer, offset, pipe)
    }

    fn write_instead(&mut self, transfer: TransferId) {
        self.files.write_instead(transfer);
    }

    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.write(transfer, offset, bytes)
    }

    fn submit(&mut self, job: DiskJob) {
        self.files.submit(self.pool, job);
    }

    fn explain(&self, transfer: TransferId, error: &io::Error) -> DiskError {
        write_error(self.files.name(transfer), error)
    }
}

impl Conversation {
    /// What there is of its links, the talk link first.
    pub fn carriers(&self) -> impl Iterator<Item = Carrier> + use<> {
        [Some(self.talk), self.bulk].into_iter().flatten()
    }

    /// What carries its files.
    pub fn bulk_state(&self) -> BulkState {
        match (self.bulk, self.call) {
            (Some(_), _) => BulkState::Own,
            (None, Call::UnderWay(_)) => BulkState::Called,
            (None, Call::Failed(_)) => BulkState::Failed,
            (None, Call::None) => BulkState::NotNeeded,
        }
    }

    fn reach(&self) -> Reach {
        match (self.session.is_away(), self.session.is_silent()) {
            (true, _) => Reach::Away,
            (false, true) => Reach::Silent,
            (false, false) => Reach::Here,
        }
    }

    /// Whether there is no link to talk over, or none that works: a peer that says nothing may only be unreachable over
    /// this one.
    fn needs_talk(&self) -> bool {
        self.reach() != Reach::Here
    }

    /// What is to be called for, where and when; `None`: nothing is needed, or it is the other side's to do. Of two who
    /// know each other's address both call when the talk link is lost: either may be the one who can be reached.
    pub fn call_due(&self, now: Instant) -> Option<(Need, SocketAddr, Instant)> {
        let (need, address) = match (self.dialled, self.listens) {
            _ if self.session.ended().is_some() => return None,
            (Some(address), _) if self.needs_talk() => (Need::Talk, address),
            (Some(address), _) if self.session.wants_bulk() => (Need::Files, address),
            (None, Some(address)) if self.session.is_away() => (Need::Talk, address),
            _ => return None,
        };
        match self.call {
            Call::None => Some((need, address, now)),
            Call::UnderWay(_) => None,
            Call::Failed(again) => Some((need, address, again)),
        }
    }

    /// The epoch of our next call. Who called has the even ones and who was called the odd ones, so that two calls that
    /// cross are told apart: the link of the greater one stays.
    pub fn next_epoch(&mut self) -> u32 {
        let next = self.epoch.max(self.called).saturating_add(1);
        let is_ours = next.is_multiple_of(2) == self.dialled.is_some();
        self.called = if is_ours { next } else { next.saturating_add(1) };
        self.called
    }

    /// A call for one more link came to nothing.
    pub fn call_failed(&mut self, generation: u64, words: &str, now: Instant) {
        if self.call == Call::UnderWay(generation) {
            match self.needs_talk() {
                true => log::info!("no link to talk over yet ({words})"),
                false => log::info!("no link of their own for files ({words}); they go over the talk link"),
            }
            self.call = self.call_later(now);
        }
    }

    /// A pause before the next call. A link that does not last is asked for less and less.
    fn call_later(&mut self, now: Instant) -> Call {
        let first = if self.needs_talk() { TALK_PAUSE } else { BULK_PAUSE };
        let headstart = if self.dialled.is_some() { Duration::ZERO } else { HEADSTART };
        let pause = first * (1 << self.failures.min(MAX_DOUBLINGS)) + headstart;
        // Up to a half more, by the session's own random number: many who have lost the same server do not all call at
        // once.
        let dice = self.ticket.id[self.failures as usize % self.ticket.id.len()];
        self.failures += 1;
        Call::Failed(now + pause + pause * u32::from(dice) / 512)
    }

    /// Whether the talk link was lost, or says nothing, or is there again, since the last look. A call for it does not wait
    /// as long as one for files may have to after others that came to nothing.
    pub(super) fn notice_parting(&mut self, now: Instant) {
        let reach = self.reach();
        if std::mem::replace(&mut self.reach, reach) == reach {
            return;
        }
        self.failures = 0;
        self.call = match (reach, self.call) {
            (Reach::Silent | Reach::Away, _) => self.call_later(now),
            (Reach::Here, Call::UnderWay(_)) => self.call,
            (Reach::Here, _) => Call::None,
        };
    }

    /// How long until the next call for a talk link; `None`: it is the other side that calls.
    pub fn returns_in(&self, now: Instant) -> Option<Duration> {
        self.call_due(now).map(|(_, _, due)| due.saturating_duration_since(now))
    }

    /// Takes what the talk link has still brought, before another takes its place.
    pub fn drain_talk(&mut self, connections: &mut Slab<Connection>, files: &mut Files, pool: &mut Pool, now: Instant) {
        for _ in 0..LAST_TURNS {
            for carrier in self.carriers() {
                self.pump_link(carrier, connections, &mut Store { files, pool }, now, FAST);
            }
            let more = |carrier: &Carrier| connections.get(carrier.key).is_some_and(|connection| connection.more);
            if self.session.is_away() || !self.carriers().any(|carrier| more(&carrier)) {
                break;
            }
        }
        self.settle(connections, files, pool, now);
    }

    /// Takes a connection that is through the gate as the talk link.
    pub fn take_talk(&mut self, carrier: Carrier, epoch: u32, now: Instant) {
        self.session.link_up(carrier.link, epoch, now);
        (self.epoch, self.talk_epoch) = (self.epoch.max(epoch), epoch);
        (self.talk, self.bulk, self.call) = (carrier, None, Call::None);
        (self.reach, self.failures) = (Reach::Here, 0);
    }

    /// Takes a connection that is through the gate as the link for files.
    pub fn take_bulk(&mut self, carrier: Carrier, epoch: u32, now: Instant) {
        self.session.bulk_up(carrier.link, epoch, now);
        self.epoch = self.epoch.max(epoch);
        self.bulk = Some(carrier);
        // Another call that is under way may be for the talk link, lost meanwhile.
        if !matches!(self.call, Call::UnderWay(other) if LinkId(other) != carrier.link) {
            self.call = Call::None;
        }
    }

    /// Moves what can be moved over the talk link alone: what our user has said since.
    pub fn pump_talk(&mut self, connections: &mut Slab<Connection>, files: &mut Files, pool: &mut Pool, now: Instant) {
        self.pump_link(self.talk, connections, &mut Store { files, pool }, now, TALK);
        self.settle(connections, files, pool, now);
    }

    /// Moves what can be moved over all links. Talk comes first, and again last: what the files have led to is said in
    /// the same turn.
    pub fn pump(&mut self, connections: &mut Slab<Connection>, files: &mut Files, pool: &mut Pool, now: Instant) {
        let lately = |moment: Instant| now.saturating_duration_since(moment) < TALKING;
        let (talking, typing) = (self.session.talked().is_some_and(lately), self.pressed.is_some_and(lately));
        let share = match (talking, typing) {
            (true, _) => GENTLE,
            (false, true) => BRISK,
            (false, false) => FAST,
        };
        pool.set_gentle(talking);
        let store = &mut Store { files, pool };
        let untold = self.session.untold();
        self.pump_link(self.talk, connections, store, now, TALK);
        // What was said just now is told before files move on, and who has woken the loop is heard; they never wait for
        // a second time.
        let roused = std::mem::take(&mut self.roused);
        self.told_first = !self.told_first && (roused || self.session.untold() > untold);
        if let Some(bulk) = self.bulk.filter(|_| self.told_first) {
            connections.get_mut(bulk.key).into_iter().for_each(|connection| connection.more = true);
        } else if let Some(bulk) = self.bulk {
            self.pump_link(bulk, connections, store, now, share);
            self.pump_link(self.talk, connections, store, now, TALK);
        }
        self.settle(connections, files, pool, now);
    }

    /// Counts the time since the last turn began for the files under way. That turn `took` so long; `stopped`: the process
    /// was, since.
    pub fn account(&mut self, (took, stopped): (Duration, bool), now: Instant) {
        let asks = !self.untold && self.session.wants_processor();
        let processor = asks.then(sys::computed).flatten();
        self.untold |= asks && processor.is_none();
        self.session.account(now, &Turn { took, stopped, processor, ..self.turn });
    }

    /// Hands jobs to the helpers, hashes what is sent next if that is the loop's to do, and lets go of the links that are
    /// over.
    fn settle(&mut self, connections: &mut Slab<Connection>, files: &mut Files, pool: &mut Pool, now: Instant) {
        let mut hashed = false;
        loop {
            while let Some(job) = self.session.poll_job() {
                files.submit(pool, job);
            }
            let answer = files.poll_answer().or_else(|| match hashed {
                false => files.hash_next(pool, |id| self.session.sends_at(id)).inspect(|_| hashed = true),
                true => None, // a turn hashes one block, which takes as long as sending it; the next one follows at once
            });
            let Some(answer) = answer else { break };
            self.session.job_done(now, answer);
        }
        if hashed && let Some(talk) = connections.get_mut(self.talk.key) {
            talk.more = true;
        }
        for carrier in self.carriers() {
            if let Some(connection) = connections.get_mut(carrier.key) {
                // What one link, a helper, our user or a deadline has led to on another is done in the next turn. What
                // the session does not want, or the socket does not take, is no reason to come back.
                let comes = connection.readable || connection.channel.has_incoming();
                let goes = !connection.channel.is_flushed() || self.session.poll_transmit(carrier.link).is_some();
                connection.more |= comes && self.session.poll_receive(carrier.link) != Receive::Paused;
                connection.more |= goes && connection.writable;
                let held = Held { full: !connection.writable, empty: !comes };
                *if carrier == self.talk { &mut self.turn.talk } else { &mut self.turn.bulk } = held;
                self.turn.secure = connection.channel.is_secure();
                self.close_if_over(carrier, connection, now);
            }
        }
        let there = self.bulk.filter(|bulk| self.session.has_link(bulk.link));
        if there.is_none() && self.bulk.is_some() && !self.session.is_away() {
            self.call = self.call_later(now);
        }
        self.bulk = there;
        self.notice_parting(now);
    }

    fn pump_link(
        &mut self,
        carrier: Carrier,
        connections: &mut Slab<Connection>,
        store: &mut Store<'_>,
        now: Instant,
        share: Share,
    ) {
        let Some(connection) = connections.get_mut(carrier.key) else { return };
        if !matches!(connection.stage, Stage::Talking(link) if link == carrier.link) {
            return;
        }
        match self.pump_both(carrier, connection, store, now, share) {
            Ok((sent, received)) => {
                connection.more = sent == Left::More || received == Left::More;
                if received == Left::End {
                    self.lost(carrier, connection, "the other side closed it", now, Session::handle_eof);
                }
            }
            Err(LinkError::Io(error)) => {
                let words = sys::words(&error);
                self.lost(carrier, connection, &words, now, |session, link, now| session.link_lost(link, now, &words));
            }
            Err(LinkError::Channel(error)) => {
                let words = error.to_string();
                // The alert that says so, as far as the socket takes it.
                let (mut wire, channel) = connection.parts(carrier.key);
                if let Err(error) = channel.flush(&mut wire, false) {
                    log::debug!("{}: {}", connection.address, sys::words(&error));
                }
                self.lost(carrier, connection, &words, now, |session, link, now| session.link_lost(link, now, &words));
            }
            Err(LinkError::Protocol(error)) => log::warn!("{}: {error}", connection.address),
        }
    }

    fn lost(
        &mut self,
        carrier: Carrier,
        connection: &Connection,
        words: &str,
        now: Instant,
        tell: impl FnOnce(&mut Session, LinkId, Instant),
    ) {
        if self.bulk == Some(carrier) && self.session.ended().is_none() {
            log::info!("{}: the link for files is lost ({words}); they go on over the talk link", connection.address);
        }
        tell(&mut self.session, carrier.link, now);
    }

    /// Lets go of the connection of a link that the session has no longer.
    pub(super) fn close_if_over(&self, carrier: Carrier, connection: &mut Connection, now: Instant) {
        if !matches!(connection.stage, Stage::Talking(link) if link == carrier.link) {
            return;
        }
        match self.session.ended() {
            None if self.session.has_link(carrier.link) => {}
            // The goodbye still has to be read.
            Some(Ended::Left | Ended::Cut | Ended::Unanswered) if carrier == self.talk => {
                connection.stage = Stage::Flushing { shut: false };
                connection.deadline = Some(now + FLUSH_PATIENCE);
                connection.more = true; // to flush in the next turn
            }
            _ => {
                connection.stage = Stage::Dead;
                connection.more = false;
            }
        }
    }

    fn pump_both(
        &mut self,
        carrier: Carrier,
        connection: &mut Connection,
        store: &mut Store<'_>,
        now: Instant,
        share: Share,
    ) -> Result<(Left, Left), LinkError> {
        let (mut wire, channel) = connection.parts(carrier.key);
        let link = carrier.link;
        let mut pump = Pump { session: &mut self.session, link, channel, wire: &mut wire, disk: store, now };
        let piece = if pump.channel.is_secure() { share.piece.min(SECURE_PIECE) } else { share.piece };
        let received = pump.receive(share.receive, piece)?;
        let sent = pump.send(share.send)?;
        Ok((sent, received))
    }
}
