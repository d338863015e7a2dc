//! A file of ours, from the offer to the peer's "committed".
//!
//! Owns: the sender's states, its windows and the pace of hashing. Must not know: the bytes, the link, other files.
//!
//! ```text
//!  Queued --OFFER--> Offered --ACCEPT--> Accepted --a free place--> Opening --opened--> Sending
//!                       |                                              |                   |  chunks, digests
//!                       `--REFUSE--> over                              |              ^    v
//!                                                                      |       RESUME |  all sent and told: Checking
//!                                                                      |     (its link|    |  source unchanged: END
//!     any but Queued --CANCEL of ours--> Cancelled --CANCELLED--> over |       died)  |    v
//!     any but Queued --CANCEL of theirs, CANCELLED of ours--> over     |              `- Ended --COMMITTED--> over
//!     Queued         --cancelled, or BYE of theirs--> over
//! ```
//!
//! A file is hashed before it is sent, and asked for some blocks ahead: a helper that hashes a block has by that brought
//! it into the system's cache, so that sending it never makes the loop wait for a disk. A stream is sent as it comes, and
//! hashed behind.
//!
//! A cancelled transfer stays in the table until the peer has acknowledged it, so that what was under way meanwhile
//! is understood. If COMMITTED crosses our CANCEL, the file is there, and that is what our user is told.

mod adrift;
mod metering;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::digest::{BLOCK, DigestTree, block_count, next_block};
use super::disk::{Block, BlockValue, DiskAnswer, DiskError, DiskJob};
use super::error::ProtocolError;
use super::event::{Direction, Event, Progress};
use super::frame::{CancelReason, Frame, Kind, MAX_DIGESTS};
use super::gaps::Gaps;
use super::ride::Ride;
use super::stages::Meter;
use super::text::Untrusted;
use super::trace::{Trace, emit};
use super::transfers::{Out, SMALL_FILE};
use super::{Span, TransferId};

/// How far a file may be sent beyond what the peer has stored, in bytes. What a lost link can cost.
pub const WINDOW_STORED: u64 = 8 << 20;
/// How far a file may be sent beyond what is verified, in bytes. Bounds how far either side's hashing may lag.
pub const WINDOW_VERIFIED: u64 = 32 << 20;
/// Blocks of one file being hashed at once.
pub const HASHING: u64 = 16;
/// How far ahead of the sending a file's hashes are asked for, in bytes; what helpers hash is read by then. Enough that a
/// disk is kept busy, and little enough that it is still in the processor's cache when it is sent (16 MiB: a tenth
/// slower, measured).
pub const READ_AHEAD: u64 = 4 << 20;

#[derive(Debug)]
struct Sending {
    /// Bytes handed to the channel.
    sent: u64,
    /// Bytes that can be sent now: the size, or what a stream has brought so far.
    available: u64,
    stored: u64,
    verified: u64,
    /// Blocks given to the helpers.
    asked: u64,
    /// Values that came back before an earlier one.
    early: BTreeMap<u64, BlockValue>,
    tree: DigestTree,
    /// The values of the blocks of `tree` that the peer has not verified, for telling them, or telling them again.
    values: VecDeque<[u8; 32]>,
    /// Blocks whose values were told.
    told: u64,
    /// The receiver has not said yet what of an earlier try's bytes is right: nothing is sent before.
    awaits: bool,
    /// What of them is sent again.
    gaps: Gaps,
    ride: Ride,
    since: Instant,
}

#[derive(Debug)]
enum State {
    Queued,
    Offered,
    Accepted { from: u64, since: Instant },
    Opening { from: u64, since: Instant },
    Sending(Sending),
    Checking(Sending),
    Ended { sending: Sending, root: [u8; 32] },
    Cancelled { words: Untrusted, wanted: bool, known: Option<(u64, [u8; 32], Instant)> },
    Over,
}

/// One file that we send.
#[derive(Debug)]
pub struct Outgoing {
    id: TransferId,
    name: Untrusted,
    /// `None` while a stream goes on.
    size: Option<u64>,
    /// Bytes that a stream has brought so far.
    streamed: u64,
    /// Whether its size was not known when it was offered: its bytes cannot be read twice.
    is_stream: bool,
    verify: bool,
    meter: Meter,
    state: State,
}

impl Outgoing {
    /// A file to be offered; `size` is `None` for a stream. Without `verify` nothing is hashed.
    pub fn new(id: TransferId, name: &str, size: Option<u64>, verify: bool) -> Self {
        let is_stream = size.is_none();
        let (name, meter) = (Untrusted::from(name), Meter::default());
        Self { id, name, size, streamed: 0, is_stream, verify, meter, state: State::Queued }
    }

    /// Whether the peer has not answered our offer.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Queued | State::Offered)
    }

    /// Its number.
    pub fn id(&self) -> TransferId {
        self.id
    }

    /// The name of its state, as in this page's drawing.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            State::Queued => "Queued",
            State::Offered => "Offered",
            State::Accepted { .. } => "Accepted",
            State::Opening { .. } => "Opening",
            State::Sending(_) => "Sending",
            State::Checking(_) => "Checking",
            State::Ended { .. } => "Ended",
            State::Cancelled { .. } => "Cancelled",
            State::Over => "Over",
        }
    }

    /// Whether the peer has taken it and it waits for a free place.
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// Whether it occupies one of the places of active transfers.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Opening { .. } | State::Sending(_) | State::Checking(_) | State::Ended { .. })
    }

    /// Whether its file is open, so that bytes can flow.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Sending(_) | State::Checking(_) | State::Ended { .. })
    }

    /// Whether it is worth a link of its own.
    pub fn is_large(&self) -> bool {
        self.size.is_none_or(|size| size > SMALL_FILE)
    }

    /// Whether it only waits for the peer to acknowledge our cancel.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.state, State::Cancelled { .. })
    }

    /// Whether it can be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether its bytes still come from the source; otherwise a chunk under way is filled up with zeros.
    pub fn has_source(&self) -> bool {
        matches!(self.state, State::Sending(_))
    }

    /// The next byte that is to be sent; `None`: it is not being sent.
    pub fn sends_at(&self) -> Option<u64> {
        if let State::Sending(sending) = &self.state { Some(sending.sent) } else { None }
    }

    fn enter(&mut self, state: State) {
        let from = self.state_name();
        self.state = state;
        emit(Trace::State { transfer: Some(self.id), from, to: self.state_name() });
    }

    /// Puts the offer on the wire.
    pub fn offer(&mut self, out: &mut Out) {
        out.frames.push_back(Frame::Offer { id: self.id, size: self.size, name: self.name.clone() });
        self.enter(State::Offered);
    }

    /// Takes a free place.
    pub fn open(&mut self, out: &mut Out) {
        if let State::Accepted { from, since } = self.state {
            out.jobs.push_back(DiskJob::OpenSource(self.id));
            self.enter(State::Opening { from, since });
        }
    }

    /// A frame of the peer about this file.
    ///
    /// # Errors
    /// [`ProtocolError`] when it has no place in this state, or acknowledges what was not sent.
    pub fn handle_frame(&mut self, now: Instant, frame: Frame, out: &mut Out) -> Result<(), ProtocolError> {
        match (&mut self.state, frame) {
            (State::Offered, Frame::Accept { from, .. }) => {
                if from > self.size.unwrap_or(0) {
                    return Err(ProtocolError::Malformed { frame: "ACCEPT", what: "from behind the end" });
                }
                self.enter(State::Accepted { from, since: now });
            }
            (State::Offered, Frame::Refuse { words, .. }) => self.given_up(words, false, out),
            (
                State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. },
                Frame::Progress { stored, verified, .. },
            ) => {
                sending.handle_progress(stored, verified)?;
                if self.is_stream {
                    out.jobs.push_back(DiskJob::ForgetStream(self.id, stored));
                }
            }
            (
                State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. },
                Frame::Resume { epoch, stored, told, .. },
            ) => {
                sending.handle_resume(epoch, stored, told)?;
                sending.ride.change(self.id, Ride::Talk);
                self.go_on(out);
            }
            (State::Sending(sending), Frame::Lacks { from, blocks, .. }) if sending.awaits => {
                let again = blocks.len() as u64;
                sending.handle_lacks(from, blocks)?;
                let (id, direction, name) = (self.id, Direction::Send, self.name.clone());
                out.events.push_back(Event::Resumed { id, direction, name, bytes: from, again });
                self.advance(out);
            }
            (State::Ended { sending, root }, Frame::Committed { .. }) => {
                let (size, root, since) = (sending.sent, *root, sending.since);
                self.delivered(now, size, root, since, out);
            }
            (State::Cancelled { known: Some((size, root, since)), .. }, Frame::Committed { .. }) => {
                let (size, root, since) = (*size, *root, *since);
                self.delivered(now, size, root, since, out);
            }
            (
                State::Cancelled { .. },
                Frame::Accept { .. }
                | Frame::Refuse { .. }
                | Frame::Progress { .. }
                | Frame::Resume { .. }
                | Frame::Lacks { .. },
            ) => {}
            (State::Cancelled { words, wanted, .. }, Frame::Cancelled { .. }) => {
                let (words, wanted) = (words.clone(), *wanted);
                self.fail(words, wanted, out);
            }
            (State::Cancelled { words, wanted, .. }, Frame::Cancel { .. }) => {
                let (words, wanted) = (words.clone(), *wanted);
                out.frames.push_back(Frame::Cancelled { id: self.id });
                self.fail(words, wanted, out);
            }
            (State::Queued | State::Over, frame) => return Err(self.unexpected(&frame)),
            (_, Frame::Cancel { words, reason, .. }) => {
                out.frames.push_back(Frame::Cancelled { id: self.id });
                let is_kept = reason == Some(CancelReason::DiskKept) && !self.is_stream;
                self.given_up(words, is_kept, out);
            }
            (_, frame) => return Err(self.unexpected(&frame)),
        }
        Ok(())
    }

    fn unexpected(&self, frame: &Frame) -> ProtocolError {
        ProtocolError::Unexpected { frame: frame.kind().name(), state: self.state_name() }
    }

    fn delivered(&mut self, now: Instant, bytes: u64, root: [u8; 32], since: Instant, out: &mut Out) {
        out.jobs.push_back(DiskJob::CloseSource(self.id));
        let elapsed = now.saturating_duration_since(since);
        let (id, name, stages) = (self.id, self.name.clone(), self.stages());
        out.events.push_back(Event::Sent { id, name, bytes, elapsed, root, stages });
        self.enter(State::Over);
    }

    /// Ends it without a file; the peer knows already, or was never told.
    pub fn fail(&mut self, reason: Untrusted, wanted: bool, out: &mut Out) {
        self.tell_failed(reason, false, wanted, false, out);
    }

    /// The peer ends it without a file, and says whether it keeps what it has.
    fn given_up(&mut self, words: Untrusted, resumable: bool, out: &mut Out) {
        self.tell_failed(words, resumable, false, true, out);
    }

    fn tell_failed(&mut self, reason: Untrusted, resumable: bool, wanted: bool, by_peer: bool, out: &mut Out) {
        out.jobs.push_back(DiskJob::CloseSource(self.id));
        let (id, direction, name) = (self.id, Direction::Send, self.name.clone());
        out.events.push_back(Event::Failed { id, direction, name, reason, resumable, wanted, by_peer });
        self.enter(State::Over);
    }

    /// Gives it up from our side. `wanted`: because our user said so.
    pub fn cancel(&mut self, reason: CancelReason, words: &str, wanted: bool, out: &mut Out) {
        let known = match &self.state {
            State::Cancelled { .. } | State::Over => return,
            State::Queued => return self.fail(Untrusted::from(words), wanted, out),
            State::Ended { sending, root } => Some((sending.sent, *root, sending.since)),
            _ => None,
        };
        let words = Untrusted::from(words);
        out.frames.push_back(Frame::Cancel { id: self.id, reason: Some(reason), words: words.clone() });
        self.enter(State::Cancelled { words, wanted, known });
    }

    /// The conversation ends before it could: whatever it was doing, there will be no answer.
    pub fn abandon(&mut self, words: &str, out: &mut Out) {
        match &self.state {
            State::Cancelled { words, wanted, .. } => {
                let (words, wanted) = (words.clone(), *wanted);
                self.fail(words, wanted, out);
            }
            // The receiver keeps what it has verified.
            _ => self.tell_failed(Untrusted::from(words), self.is_kept(), false, false, out),
        }
    }

    /// Whether the receiver has something to go on from.
    fn is_kept(&self) -> bool {
        let (State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. }) = &self.state else {
            return false;
        };
        !self.is_stream && (sending.awaits || sending.verified >= BLOCK)
    }

    /// The next chunk of at most `limit` bytes over this link, if the windows and the source allow one. `alone`: there
    /// is no other link.
    pub fn next_chunk(&self, over: Ride, alone: bool, limit: u64) -> Option<Span> {
        let State::Sending(sending) = &self.state else { return None };
        if sending.awaits {
            return None;
        }
        let fits = match (sending.ride, over) {
            (Ride::Talk, Ride::Talk) => alone || !self.is_large(),
            (Ride::Talk, Ride::Bulk(_)) => self.is_large(),
            (ours, over) => ours == over,
        };
        let (sent, room) = (sending.sent, sending.room());
        // A chunk is of one block, and what was hashed already.
        let (index, in_block) = (sent / BLOCK, BLOCK - sent % BLOCK);
        let read = self.is_stream || !self.verify || index < sending.tree.blocks();
        // A window that opens by a few bytes is not worth a frame.
        let len = (sending.available - sent).min(limit).min(in_block);
        (fits && read && len > 0 && room >= len).then_some(Span { transfer: self.id, offset: sent, len })
    }

    /// Its next chunk goes over this link.
    pub fn ride(&mut self, over: Ride, out: &mut Out) {
        let State::Sending(sending) = &mut self.state else { return };
        if let (Ride::Talk, Ride::Bulk(epoch)) = (sending.ride, over) {
            out.frames.push_back(Frame::Move { id: self.id, epoch });
        }
        sending.ride.change(self.id, over);
    }

    /// Bytes sent, and bytes that the peer has told of storing, if it rides this link.
    pub fn waiting(&self, over: Ride) -> Option<(u64, u64)> {
        match &self.state {
            State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. } => {
                (sending.ride == over).then_some((sending.sent, sending.stored))
            }
            _ => None,
        }
    }

    /// Goes on with what the receiver lacks, over the talk link.
    fn go_on(&mut self, out: &mut Out) {
        let from = self.state_name();
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Sending(sending) | State::Checking(sending) | State::Ended { sending, .. } => {
                State::Sending(sending)
            }
            state => state,
        };
        emit(Trace::State { transfer: Some(self.id), from, to: self.state_name() });
        self.advance(out);
    }

    /// `n` bytes of a chunk were accepted by the channel.
    pub fn sent(&mut self, n: u64, out: &mut Out) {
        if let State::Sending(sending) = &mut self.state {
            sending.sent = sending.gaps.settle(sending.sent + n);
            self.advance(out);
        }
    }

    /// A stream has brought `available` bytes by now; `ended`: it will bring no more.
    pub fn stream_grew(&mut self, available: u64, ended: bool, out: &mut Out) {
        self.streamed = available;
        if ended {
            self.size = Some(available);
        }
        if let State::Sending(sending) = &mut self.state {
            sending.available = available;
            self.advance(out);
        }
    }

    /// Asks for hashes, tells those of what was sent, and ends the file once everything is sent and told.
    fn advance(&mut self, out: &mut Out) {
        let State::Sending(sending) = &mut self.state else { return };
        let hashable = match self.is_stream {
            true => sending.sent,
            false => sending.available.min(sending.sent.saturating_add(READ_AHEAD)),
        };
        while self.verify
            && sending.asked < sending.tree.blocks() + HASHING
            && let Some(block) = next_block(sending.asked, hashable, self.size)
        {
            sending.asked += 1;
            out.jobs.push_back(DiskJob::HashSource(self.id, block));
        }
        sending.tell(self.id, self.size, out);
        let Some(size) = self.size else { return };
        let all_told = !self.verify || sending.told == block_count(size);
        // Adrift, nobody knows what has arrived.
        if sending.sent == size && all_told && !sending.awaits && !matches!(sending.ride, Ride::Adrift(_)) {
            out.jobs.push_back(DiskJob::CheckSource(self.id));
            if let State::Sending(sending) = std::mem::replace(&mut self.state, State::Over) {
                self.state = State::Checking(sending);
            }
            emit(Trace::State { transfer: Some(self.id), from: "Sending", to: "Checking" });
        }
    }

    fn hashed(&mut self, block: Block, value: BlockValue, out: &mut Out) {
        let State::Sending(sending) = &mut self.state else { return };
        sending.early.insert(block.index, value);
        while let Some(value) = sending.early.remove(&sending.tree.blocks()) {
            sending.tree.push(&value);
            sending.values.push_back(value.chaining);
        }
        self.advance(out);
    }

    /// What a disk job of this file led to.
    pub fn handle_answer(&mut self, answer: DiskAnswer, out: &mut Out) {
        match (&self.state, answer) {
            (State::Opening { from, since }, DiskAnswer::SourceOpened(_, Ok(()))) => {
                let (from, since, available) = (*from, *since, self.size.unwrap_or(self.streamed));
                let awaits = from > 0 && self.verify;
                self.enter(State::Sending(Sending {
                    // What the receiver has from an earlier try is hashed again here, but not sent again.
                    sent: from,
                    available,
                    stored: from,
                    verified: if awaits { 0 } else { from },
                    asked: 0,
                    early: BTreeMap::new(),
                    tree: DigestTree::default(),
                    values: VecDeque::new(),
                    told: 0,
                    awaits,
                    gaps: Gaps::default(),
                    ride: Ride::Talk,
                    since,
                }));
                self.advance(out);
            }
            (State::Opening { .. }, DiskAnswer::SourceOpened(_, Err(error))) => {
                self.cancel(CancelReason::SourceFailed, &error.words, false, out);
            }
            (State::Sending(_), DiskAnswer::SourceHashed(_, block, Ok(value))) => self.hashed(block, value, out),
            (State::Sending(_), DiskAnswer::SourceHashed(_, _, Err(error))) => self.source_failed(&error, out),
            (State::Checking(_), DiskAnswer::SourceChecked(_, Ok(()))) => self.end(out),
            (State::Checking(_), DiskAnswer::SourceChecked(_, Err(error))) => {
                self.cancel(CancelReason::SourceChanged, &error.words, false, out);
            }
            // The file was given up while the helper worked.
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Out) {
        if let State::Checking(sending) = std::mem::replace(&mut self.state, State::Over) {
            let root = if self.verify { sending.tree.root() } else { [0; 32] };
            let spent = self.meter.told_last().map(|half| Frame::Spent { id: self.id, half });
            spent.into_iter().for_each(|spent| out.by(sending.ride, spent));
            out.by(sending.ride, Frame::End { id: self.id, size: sending.sent, root });
            self.state = State::Ended { sending, root };
            emit(Trace::State { transfer: Some(self.id), from: "Checking", to: "Ended" });
        }
    }

    /// The source cannot be read any more, or is shorter than it was.
    pub fn source_failed(&mut self, error: &DiskError, out: &mut Out) {
        self.cancel(CancelReason::SourceFailed, &error.words, false, out);
    }

    /// How far it is.
    pub fn progress(&self, now: Instant) -> Progress {
        let (state, sending) = match &self.state {
            State::Queued => ("queued", None),
            State::Offered => ("offered", None),
            State::Accepted { .. } | State::Opening { .. } => ("starting", None),
            State::Sending(sending) if sending.awaits => ("resuming", Some(sending)),
            State::Sending(sending) => ("sending", Some(sending)),
            State::Checking(sending) => ("checking", Some(sending)),
            State::Ended { sending, .. } => ("verifying", Some(sending)),
            State::Cancelled { .. } | State::Over => ("cancelled", None),
        };
        let since = match &self.state {
            State::Accepted { since, .. } | State::Opening { since, .. } => Some(*since),
            _ => sending.map(|sending| sending.since),
        };
        Progress {
            id: self.id,
            ride: sending.map_or(Ride::Talk, |sending| sending.ride),
            direction: Direction::Send,
            name: self.name.clone(),
            sent: sending.map_or(0, |sending| sending.sent),
            bytes: sending.map_or(0, |sending| sending.stored),
            verified: sending.map_or(0, |sending| sending.verified),
            size: self.size,
            state,
            elapsed: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        }
    }

    /// Kinds of frames that speak of a file of ours.
    pub fn concerns(kind: Kind) -> bool {
        matches!(kind, Kind::Accept | Kind::Refuse | Kind::Progress | Kind::Resume | Kind::Lacks | Kind::Committed)
    }
}

impl Sending {
    /// Bytes that the windows still allow.
    fn room(&self) -> u64 {
        let stored = self.stored.saturating_add(WINDOW_STORED);
        let verified = self.verified.saturating_add(WINDOW_VERIFIED);
        stored.min(verified).saturating_sub(self.sent)
    }

    /// Tells the values of the blocks that were sent.
    fn tell(&mut self, id: TransferId, size: Option<u64>, out: &mut Out) {
        let sent = match size {
            Some(size) if self.sent == size => block_count(size),
            _ => self.sent / BLOCK,
        };
        if matches!(self.ride, Ride::Adrift(_)) {
            return;
        }
        while self.told < sent.min(self.tree.blocks()) {
            let first = self.told;
            let untold = (self.tree.blocks() - first) as usize;
            let values = self.values.range(self.values.len() - untold..);
            let values: Vec<_> = values.take((sent - first) as usize).take(MAX_DIGESTS).copied().collect();
            self.told += values.len() as u64;
            out.by(self.ride, Frame::Digests { id, first, values });
        }
    }

    fn handle_progress(&mut self, stored: u64, verified: u64) -> Result<(), ProtocolError> {
        if stored > self.sent || verified > stored || stored < self.stored || verified < self.verified {
            return Err(ProtocolError::Window { what: "progress" });
        }
        (self.stored, self.verified) = (stored, verified);
        // What is verified is never told again. The last, shorter block stays until the end.
        let unverified = (self.tree.blocks().saturating_sub(verified / BLOCK)) as usize;
        while self.values.len() > unverified && self.values.len() as u64 > self.tree.blocks() - self.told {
            self.values.pop_front();
        }
        Ok(())
    }

    /// What of an earlier try's bytes is right, once the receiver knows.
    fn handle_lacks(&mut self, from: u64, blocks: Vec<u64>) -> Result<(), ProtocolError> {
        let malformed = ProtocolError::Malformed { frame: "LACKS", what: "of what was never there" };
        let known = from <= self.sent && self.told == block_count(self.sent);
        self.gaps = Gaps::new(from, blocks).filter(|_| known).ok_or(malformed)?;
        self.awaits = false;
        self.sent = self.gaps.start();
        (self.stored, self.verified) = (self.sent, self.sent);
        Ok(())
    }

    /// The receiver has this much of what went over the link of this epoch, which is gone.
    fn handle_resume(&mut self, epoch: u32, stored: u64, told: u64) -> Result<(), ProtocolError> {
        if self.ride != Ride::Adrift(epoch) {
            return Err(ProtocolError::Unexpected { frame: "RESUME", state: "its transfer had not lost that link" });
        }
        let oldest = self.tree.blocks() - self.values.len() as u64;
        if stored > self.sent || stored < self.stored || told > self.told || told < oldest {
            return Err(ProtocolError::Window { what: "progress" });
        }
        (self.sent, self.stored, self.told) = (stored, stored, told);
        Ok(())
    }
}
