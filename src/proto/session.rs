//! One conversation with one peer.
//!
//! Owns: the order of what is sent, texts, files, keep-alive and leaving. Must not know: sockets, files, clocks.
//!
//! A session never blocks and never waits. Its methods are of four kinds: getters; `handle_*` and their like, by which
//! the world tells it something; commands, by which its user does; and `poll_*`, which tell what it wants next. All of
//! them are legal in any order. Nothing that a peer does makes it panic: an error of type [`ProtocolError`] ends it.
//!
//! ```text
//!            leave(), or BYE of theirs and then leave()              both BYEs, all acknowledged, all files over
//!   Talking ---------------------------------------------> Leaving -----------------------------------> Finished
//!      |                                                      | time is up: BYE, files given up             ^
//!      |                                                      `--> Cut ------ all sent ---------------------'
//!      |                                                      |
//!      `------------------------------------------------------`--> Finished (files and texts that were under way are
//!          nobody came back, protocol error, second BYE of theirs                told)
//! ```
//!
//! BYE says "nothing new will come": it stands behind the last text and the last offer. What was begun is finished.
//! A second BYE says "and I am gone": what was begun is given up.
//!
//! A session has one talk link, and at most one bulk link for files; [`ride`](super::ride) tells which file uses which.
//! A talk link that is lost may be followed by another (`away.rs`). A bulk link that dies is told (LINK_DOWN), and its
//! files go on over the other.

mod away;
mod bulk;
mod metering;
mod transmit;

use std::time::{Duration, Instant};

use super::alive::Alive;
pub use super::alive::{PING_AFTER, SILENT_AFTER};
pub use super::deadline::Deadline;
use super::decoder::Decoded;
pub use super::decoder::Receive;
use super::disk::{DiskAnswer, DiskError, DiskJob};
use super::error::{CommandError, ProtocolError};
use super::event::{Event, LeaveReason, Progress};
use super::frame::{Frame, Kind, Refusal};
use super::incoming::Incoming;
use super::links::Links;
use super::orders::Orders;
use super::outgoing::Outgoing;
use super::phase::Phase;
pub use super::phase::{CUT_GOODBYE, Ended, LEAVE_FILES, LEAVE_TEXTS};
use super::ride::Ride;
pub use super::setup::Setup;
use super::talk::{Hearing, Saying};
use super::trace::{Trace, emit};
use super::transfers::{MAX_EVENTS, MAX_FRAMES, MAX_JOBS, Out, Transfers};
use super::{LinkId, TransferId};
pub use away::BACK_PATIENCE;
use away::Presence;
pub use bulk::STALL_AFTER;

/// One conversation.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    links: Links,
    presence: Presence,
    orders: Orders,
    saying: Saying,
    hearing: Hearing,
    transfers: Transfers,
    out: Out,
    alive: Alive,
    phase: Phase,
    peer_bye: Option<LeaveReason>,
    /// Whether leaving, too, waits for a lost peer.
    persists: bool,
    /// When either last said something.
    talked: Option<Instant>,
    /// The last moment that we were told.
    now: Instant,
    /// Up to when it was counted what files waited for.
    accounted: Instant,
}

impl Session {
    /// A conversation whose link is through the gate.
    pub fn new(setup: Setup, link: LinkId, now: Instant) -> Self {
        let mut session = Self {
            setup,
            links: Links::new(link),
            presence: Presence::Here,
            orders: Orders::new(setup.returns),
            saying: Saying::default(),
            hearing: Hearing::default(),
            transfers: Transfers::new(&setup, now),
            out: Out::default(),
            alive: Alive::new(now),
            phase: Phase::Talking,
            peer_bye: None,
            persists: false,
            talked: None,
            now,
            accounted: now,
        };
        // The first question measures the round trip; later ones are only asked when the peer is silent.
        session.ping();
        session
    }

    // ---- getters

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<&Ended> {
        match &self.phase {
            Phase::Finished(ended) => Some(ended),
            _ => None,
        }
    }

    /// Whether the peer has said that nothing new will come from it.
    pub fn peer_is_leaving(&self) -> bool {
        self.peer_bye.is_some()
    }

    /// Whether our user is leaving.
    pub fn is_leaving(&self) -> bool {
        !matches!(self.phase, Phase::Talking)
    }

    /// Whether another text has room. If not, the reader on the other side is slower than our user.
    pub fn can_say(&self) -> bool {
        self.saying.has_room()
    }

    /// Texts that were said and not read on the other side.
    pub fn unread(&self) -> usize {
        self.saying.unacknowledged()
    }

    /// The number that the first of them has; if there are none, the next text.
    pub fn first_unread(&self) -> u64 {
        self.saying.first_unacknowledged()
    }

    /// The last measured time of a question and its answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.alive.round_trip()
    }

    /// Events that wait to be polled.
    pub fn untold(&self) -> usize {
        self.out.events.len()
    }

    /// When either side last said something.
    pub fn talked(&self) -> Option<Instant> {
        self.talked
    }

    /// Every transfer that is not over.
    pub fn progress(&self) -> Vec<Progress> {
        self.transfers.progress(self.now)
    }

    /// Whether a file of ours waits for the peer's answer.
    pub fn is_offering(&self) -> bool {
        self.transfers.is_offering()
    }

    /// Whether bytes of files flow.
    pub fn is_moving(&self) -> bool {
        self.transfers.is_moving()
    }

    /// The state of the session, or of a transfer, for tables and tests.
    pub fn state_name(&self, transfer: Option<TransferId>) -> Option<&'static str> {
        match transfer {
            None => Some(self.phase.name()),
            Some(id) => self.transfers.state_name(id),
        }
    }

    // ---- commands

    /// Says a text; its number.
    ///
    /// # Errors
    /// [`CommandError`] when the window is full, the text too long, or the conversation ending.
    pub fn say(&mut self, now: Instant, text: &str) -> Result<u64, CommandError> {
        self.may_begin()?;
        self.clock(now);
        self.talked = Some(now);
        self.saying.say(text)
    }

    /// Offers a file. `size` is `None` for a stream, of which [`stream_grew`](Self::stream_grew) tells.
    ///
    /// # Errors
    /// [`CommandError`] when too many are queued or the conversation is ending.
    pub fn offer(&mut self, now: Instant, name: &str, size: Option<u64>) -> Result<TransferId, CommandError> {
        self.may_begin()?;
        self.clock(now);
        let id = self.transfers.queue(name, size)?;
        self.settle();
        Ok(id)
    }

    /// Takes an offer: the named one, or the oldest that waits.
    ///
    /// # Errors
    /// [`CommandError`] when there is none.
    pub fn accept(&mut self, now: Instant, id: Option<TransferId>) -> Result<TransferId, CommandError> {
        self.clock(now);
        self.transfers.accept(now, id, &mut self.out)
    }

    /// Refuses an offer: the named one, or the oldest that waits.
    ///
    /// # Errors
    /// [`CommandError`] when there is none.
    pub fn refuse(&mut self, now: Instant, id: Option<TransferId>) -> Result<TransferId, CommandError> {
        self.clock(now);
        self.transfers.refuse(id, &mut self.out)
    }

    /// Gives up a transfer of either side: the named one, or the latest.
    ///
    /// # Errors
    /// [`CommandError`] when there is none, or it is too late.
    pub fn cancel(&mut self, now: Instant, id: Option<TransferId>) -> Result<TransferId, CommandError> {
        self.clock(now);
        self.transfers.cancel(now, id, &mut self.out)
    }

    /// Finishes what was begun, says goodbye, and ends; at the latest after `limit`, if there is one.
    pub fn leave(&mut self, now: Instant, reason: LeaveReason, limit: Option<Duration>) {
        self.clock(now);
        match &mut self.phase {
            Phase::Talking => {
                let latest = limit.map(|limit| now + limit);
                self.enter(Phase::Leaving { reason, said: false, moved: now, latest });
                self.transfers.refuse_undecided(now, &mut self.out);
            }
            Phase::Leaving { reason: first, said, latest, .. } => {
                *latest = limit.map(|limit| now + limit).or(*latest);
                if !*said {
                    *first = reason;
                }
            }
            Phase::Cut { .. } | Phase::Finished(_) => {}
        }
        self.settle();
    }

    /// Ends at once: what is not through is given up.
    pub fn cut(&mut self, now: Instant, reason: LeaveReason) {
        self.clock(now);
        let announced = match &self.phase {
            Phase::Talking => false,
            Phase::Leaving { said, .. } => *said,
            Phase::Cut { .. } | Phase::Finished(_) => return,
        };
        let missing = !self.is_through();
        self.transfers.abandon("we left before it was through", &mut self.out);
        self.enter(Phase::Cut { reason, missing, announced, said: false, latest: self.now + CUT_GOODBYE });
    }

    fn may_begin(&self) -> Result<(), CommandError> {
        match self.phase {
            Phase::Talking => Ok(()),
            _ => Err(CommandError::Leaving),
        }
    }

    // ---- what the world tells

    fn clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.transfers.tick(now);
        if !self.is_pending() {
            self.alive.owed_nothing(self.now);
        }
    }

    /// Whether the peer owes us something, so that its silence means something.
    fn is_pending(&self) -> bool {
        self.saying.unacknowledged() > 0 || !self.transfers.is_idle() || self.is_leaving()
    }

    fn enter(&mut self, phase: Phase) {
        emit(Trace::State { transfer: None, from: self.phase.name(), to: phase.name() });
        if matches!(phase, Phase::Finished(_)) {
            self.transfers.release_kept(&mut self.out);
        }
        self.phase = phase;
    }

    /// Something went on: leaving has no reason to hurry.
    fn moved(&mut self) {
        if let Phase::Leaving { moved, .. } = &mut self.phase {
            *moved = self.now;
        }
    }

    /// Bytes came. Takes them up to the next bytes of a file and says how many; see [`poll_receive`](Self::poll_receive).
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer broke a rule. The session has ended then.
    pub fn handle_bytes(&mut self, link: LinkId, now: Instant, bytes: &[u8]) -> Result<usize, ProtocolError> {
        self.clock(now);
        if matches!(self.phase, Phase::Cut { .. }) {
            // Everything was given up, so that the files it speaks of are unknown by now.
            return Ok(bytes.len());
        }
        let result = self.take_frames(link, bytes);
        if let Err(error) = &result {
            self.end(Ended::Broken(error.clone()), "the other side broke the protocol");
        }
        self.settle();
        result
    }

    fn take_frames(&mut self, link: LinkId, bytes: &[u8]) -> Result<usize, ProtocolError> {
        let mut taken = 0;
        while taken < bytes.len() && self.ended().is_none() {
            let Some(current) = self.links.get_mut(link) else { break };
            let (over, offset) = (current.ride, current.decoder.position());
            let (n, decoded) = current.decoder.push(&bytes[taken..])?;
            taken += n;
            match decoded {
                Decoded::Nothing if n == 0 => break,
                Decoded::Nothing => {}
                Decoded::Frame(frame) => {
                    emit(Trace::Frame { link, way: "in", name: frame.kind().name(), offset });
                    self.heard();
                    self.handle_frame(over, frame)?;
                }
                Decoded::Chunk(_) if over == Ride::Talk && self.presence != Presence::Here => {
                    return Err(ProtocolError::Unexpected { frame: "CHUNK", state: "it has not said BACK" });
                }
                Decoded::Chunk(span) => {
                    emit(Trace::Frame { link, way: "in", name: "CHUNK", offset });
                    self.heard();
                    let may = self.transfers.handle_chunk(over, span)?;
                    if let Some(current) = self.links.get_mut(link).filter(|_| !may) {
                        current.early = Some(span);
                    }
                    break;
                }
            }
            if self.out.frames.len() + self.out.bulk.len() > MAX_FRAMES || self.out.events.len() > MAX_EVENTS {
                return Err(ProtocolError::Flood);
            }
        }
        Ok(taken)
    }

    fn heard(&mut self) {
        self.out.events.extend(self.alive.heard(self.now).then_some(Event::Answering));
    }

    fn handle_frame(&mut self, over: Ride, frame: Frame) -> Result<(), ProtocolError> {
        let is_new = matches!(frame, Frame::Text { .. } | Frame::Offer { .. });
        let kind = frame.kind();
        if over != Ride::Talk && !matches!(kind, Kind::Digests | Kind::End | Kind::Spent) {
            return Err(ProtocolError::Unexpected { frame: kind.name(), state: "on a link for files" });
        }
        if kind != Kind::Back && self.presence != Presence::Here {
            return Err(ProtocolError::Unexpected { frame: kind.name(), state: "it has not said BACK" });
        }
        self.orders.came(kind);
        if is_new && self.peer_is_leaving() {
            return Err(ProtocolError::Unexpected { frame: frame.kind().name(), state: "it had said BYE" });
        }
        match frame {
            Frame::Text { seq, text } => {
                self.hearing.handle_text(seq, text.len())?;
                self.talked = Some(self.now);
                self.out.events.push_back(Event::Message { seq, text });
            }
            Frame::TextAck { seq } => {
                if self.saying.handle_ack(seq)? {
                    self.tell_delivered(seq);
                    self.moved();
                }
            }
            Frame::Ping { token } => self.alive.handle_ping(token),
            Frame::Pong { token } => self.alive.handle_pong(self.now, token),
            Frame::Bye { .. } if self.peer_is_leaving() => self.peer_has_left(),
            Frame::Bye { reason } => {
                self.peer_bye = Some(reason);
                self.out.events.push_back(Event::PeerLeaving { reason });
                self.transfers.refuse_queued("the other side is leaving", &mut self.out);
            }
            Frame::Refused { reason: Some(Refusal::Busy), .. } => self.refused_late(),
            Frame::Welcome(_) | Frame::Refused { .. } | Frame::Wait | Frame::Pair { .. } => {
                return Err(ProtocolError::Unexpected { frame: frame.kind().name(), state: "already let in" });
            }
            Frame::LinkDown { epoch } => self.bulk_down(epoch),
            Frame::Back { texts, orders, bye } => self.handle_back(texts, orders, bye)?,
            Frame::Heard { orders } => self.orders.heard(orders)?,
            frame => {
                let before = self.stored_by_bulk();
                self.transfers.handle_frame(self.now, over, frame, &mut self.out)?;
                if self.stored_by_bulk() != before {
                    self.bulk_went_on();
                }
            }
        }
        if kind == Kind::Move {
            self.take_early()?;
        }
        // Leaving waits for files and for texts of ours being read, not for whatever the peer goes on saying.
        if kind == Kind::Bye || Incoming::concerns(kind) || Outgoing::concerns(kind) {
            self.moved();
        }
        Ok(())
    }

    /// One event may stand for many texts.
    fn tell_delivered(&mut self, seq: u64) {
        match self.out.events.back_mut() {
            Some(Event::Delivered { seq: last }) => *last = seq,
            _ => self.out.events.push_back(Event::Delivered { seq }),
        }
    }

    fn end(&mut self, ended: Ended, words: &str) {
        self.transfers.abandon(words, &mut self.out);
        (self.links.talk, self.links.bulk) = (None, None);
        self.enter(Phase::Finished(ended));
    }

    /// `n` bytes of what [`poll_receive`](Self::poll_receive) gave as a file or to discard are done with.
    pub fn stored(&mut self, link: LinkId, now: Instant, transfer: Option<TransferId>, n: u64) {
        self.clock(now);
        let Some(current) = self.links.get_mut(link) else { return };
        current.decoder.take_body(n);
        if self.links.is_bulk(link) {
            self.bulk_went_on();
        }
        self.heard();
        if let Some(id) = transfer {
            self.transfers.stored(id, n, &mut self.out);
            self.transfers.report(self.now, &mut self.out);
            self.moved();
        }
    }

    /// The part file of a transfer cannot take its bytes.
    pub fn sink_failed(&mut self, now: Instant, transfer: TransferId, error: &DiskError) {
        self.clock(now);
        self.transfers.sink_failed(transfer, error, &mut self.out);
    }

    /// The source of a transfer cannot be read, or is shorter than it was.
    pub fn source_failed(&mut self, now: Instant, transfer: TransferId, error: &DiskError) {
        self.clock(now);
        self.transfers.source_failed(transfer, error, &mut self.out);
    }

    /// A stream that we send has brought `available` bytes in all; `ended`: it will bring no more.
    pub fn stream_grew(&mut self, now: Instant, transfer: TransferId, available: u64, ended: bool) {
        self.clock(now);
        self.transfers.stream_grew(transfer, available, ended, &mut self.out);
    }

    /// What a disk job led to.
    pub fn job_done(&mut self, now: Instant, answer: DiskAnswer) {
        self.clock(now);
        self.transfers.handle_answer(now, answer, &mut self.out);
        self.moved();
        self.settle();
    }

    /// A moment has come that [`poll_timeout`](Self::poll_timeout) named.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock(now);
        while let Some((due, deadline)) = self.poll_timeout()
            && due <= now
        {
            emit(Trace::Deadline { what: deadline.name() });
            match deadline {
                Deadline::Report => self.transfers.report(now, &mut self.out),
                Deadline::Ping => self.ping(),
                Deadline::Silence => {
                    self.out.events.push_back(Event::Silent { quiet: self.alive.tell_silent(now) });
                }
                Deadline::Back => self.part("nothing was said on the new link"),
                Deadline::Linger => {
                    let what = if self.lost_at().is_some() { "nobody came back" } else { "no answer" };
                    let words = format!("{what} for {} s", self.setup.linger.as_secs());
                    self.end(Ended::Lost(words.clone()), &words);
                }
                Deadline::Leave => match self.phase {
                    Phase::Leaving { reason, .. } => self.cut(now, reason),
                    Phase::Cut { missing, .. } => self.end(Ended::of_cut(missing), "we left before it was through"),
                    Phase::Talking | Phase::Finished(_) => break,
                },
                Deadline::Stall => self.bulk_stalled(),
                // Moving the clock has let the chunk go already.
                Deadline::Limit => break,
            }
        }
        self.settle();
    }

    fn ping(&mut self) {
        self.out.frames.push_back(Frame::Ping { token: self.alive.ask(self.now) });
    }

    /// Fills free places, and ends the session when both sides are through.
    fn settle(&mut self) {
        self.transfers.fill_places(self.now, &mut self.out);
        let nothing_to_send = self.links.talk.as_ref().is_none_or(|link| link.outbox.is_empty())
            && self.out.frames.is_empty()
            && !self.alive.owes_pong();
        match self.phase {
            Phase::Leaving { said: true, .. }
                if self.peer_is_leaving()
                    && self.presence == Presence::Here
                    && nothing_to_send
                    && self.saying.unacknowledged() == 0
                    && self.hearing.is_settled()
                    && self.transfers.is_idle() =>
            {
                self.enter(Phase::Finished(Ended::Left));
            }
            Phase::Cut { said: true, missing, .. } if nothing_to_send => {
                self.enter(Phase::Finished(Ended::of_cut(missing)));
            }
            _ => {}
        }
    }

    // ---- what it wants

    /// What to do with the next bytes of the link.
    pub fn poll_receive(&self, link: LinkId) -> Receive {
        let Some(current) = self.links.get(link) else { return Receive::Paused };
        let early = current.early.is_some() || self.precedes_back(current.ride);
        if early || self.ended().is_some() || self.out.jobs.len() >= MAX_JOBS {
            return Receive::Paused;
        }
        match current.decoder.body() {
            Some(span) if self.transfers.has_sink(span.transfer) => Receive::File(span),
            Some(span) => Receive::Discard { len: span.len },
            None => Receive::Bytes { at_most: current.decoder.wants() },
        }
    }

    /// The next job for the disk.
    pub fn poll_job(&mut self) -> Option<DiskJob> {
        self.out.jobs.pop_front()
    }

    /// Our user has been shown the peer's texts up to `seq`. Who says this, beginning with 0 before the first of them
    /// is read, decides when a text is acknowledged; otherwise reading it does.
    pub fn texts_shown(&mut self, seq: u64) {
        self.hearing.show(seq);
        self.settle();
    }

    /// The next event for the user. A text counts as read from now on.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.out.events.pop_front()?;
        if let Event::Message { text, .. } = &event {
            self.hearing.read(text.len());
        }
        self.settle();
        Some(event)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<(Instant, Deadline)> {
        if self.ended().is_some() {
            return None;
        }
        let leave = match self.phase {
            Phase::Leaving { moved, latest, .. } => {
                let patience = self.leave_patience();
                Some(latest.map_or(moved + patience, |latest| latest.min(moved + patience)))
            }
            Phase::Cut { latest, .. } => Some(latest),
            _ => None,
        };
        let lost = self.lost_at().map(|lost| lost + self.setup.linger);
        let pending = self.is_pending() && lost.is_none();
        let due = [
            (lost, Deadline::Linger),
            (self.back_due(), Deadline::Back),
            (self.transfers.report_due(), Deadline::Report),
            (self.limit_due(), Deadline::Limit),
            (self.stall_due(), Deadline::Stall),
            (self.alive.ping_due().filter(|_| pending), Deadline::Ping),
            (self.alive.silence_due().filter(|_| pending), Deadline::Silence),
            (pending.then(|| self.alive.silent_for(self.setup.linger.max(SILENT_AFTER))), Deadline::Linger),
            (leave, Deadline::Leave),
        ];
        due.into_iter().filter_map(|(due, what)| Some((due?, what))).min_by_key(|(due, _)| *due)
    }
}
