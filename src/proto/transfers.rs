//! All files of one conversation, both ways.
//!
//! Owns: their numbers, how many may be under way, whose turn it is, the rate limit.
//! Must not know: what a file does in a state (that is [`Outgoing`] and [`Incoming`]), links, texts.

mod metering;
mod riding;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::digest::BLOCK;
use super::disk::{DiskAnswer, DiskError, DiskJob};
use super::error::{CommandError, ProtocolError};
use super::event::{Direction, Event, Progress};
use super::frame::{CancelReason, Frame, Kind};
use super::incoming::{Incoming, Kept, Terms};
use super::limit::Limit;
use super::name::SafeName;
use super::outgoing::Outgoing;
use super::ride::Ride;
use super::setup::Setup;
use super::text::Untrusted;
use super::{Span, TransferId};

/// Most offers of one side that are not over. Bounds what an offer costs who gets it.
pub const MAX_OFFERS: usize = 64;
/// Most files of one side whose bytes flow: descriptors, part files and hashing are bounded by it.
pub const MAX_ACTIVE: usize = 8;
/// Most files that our user can queue here. 10,000 names are about a megabyte.
pub const MAX_QUEUED: usize = 10_000;
/// File bytes in a chunk that shares its link with texts: what a text waits for, at most.
pub const TALK_CHUNK: u64 = 16 * 1024;
/// File bytes in a chunk on a link of its own: one block.
pub const BULK_CHUNK: u64 = BLOCK;
/// Files up to this size are through before a link of their own could be had.
pub const SMALL_FILE: u64 = 64 * 1024;

/// What becomes of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They are taken.
    Auto,
    /// Our user is asked.
    Ask,
    /// They are refused.
    Never,
}

/// What the machines want to be done.
#[derive(Debug, Default)]
pub struct Out {
    /// Frames for the peer, in order.
    pub frames: VecDeque<Frame>,
    /// Frames that go over the bulk link, behind its chunks.
    pub bulk: VecDeque<Frame>,
    /// Jobs for the disk, in order.
    pub jobs: VecDeque<DiskJob>,
    /// Events for the user, in order.
    pub events: VecDeque<Event>,
}

impl Out {
    /// A frame that goes the way of its transfer's chunks. Adrift there is none, and it is told again later.
    pub fn by(&mut self, ride: Ride, frame: Frame) {
        match ride {
            Ride::Talk => self.frames.push_back(frame),
            Ride::Bulk(_) => self.bulk.push_back(frame),
            Ride::Adrift(_) => {}
        }
    }
}

/// Frames that wait for a link, at most. An honest peer's windows end far below; beyond it a peer asks without reading.
pub const MAX_FRAMES: usize = 4096;
/// Events that wait for our user, at most. See [`Transfers::fill_places`] for what stops an honest peer before.
/// The peer's goodbye alone fails every file that is queued here.
pub const MAX_EVENTS: usize = 4096 + MAX_QUEUED;
/// Jobs that wait to be handed out before no further frame is taken.
pub const MAX_JOBS: usize = 256;
/// Highest number of a transfer: exact in JSON, with room for what numbers questions (2^53).
const MAX_ID: u64 = 1 << 52;
/// Events that may wait for our user before no further file begins. Each file makes at most three.
const MAX_UNREAD: usize = 1024;

/// Files whose disk failed that are kept for being offered again. Each holds a descriptor.
const MAX_KEPT: usize = 16;

/// The epoch of no link.
const NO_EPOCH: u32 = 0;

/// The files of one conversation.
#[derive(Debug)]
pub struct Transfers {
    /// Not offered yet, in the user's order.
    queue: VecDeque<Outgoing>,
    outgoing: BTreeMap<TransferId, Outgoing>,
    incoming: BTreeMap<TransferId, Incoming>,
    /// What is left of files whose disk failed, oldest first.
    kept: VecDeque<Kept>,
    /// The number of our next file; the peer's have the other parity.
    next_id: u64,
    /// The highest number that the peer has offered.
    last_offered: u64,
    /// Who sent the last chunk.
    last_turn: TransferId,
    policy: Policy,
    terms: Terms,
    /// Bulk links up to this epoch are dead.
    gone: u32,
    /// The epoch of the last talk link that took the place of a lost one.
    resumed: u32,
    limit: Option<Limit>,
}

impl Transfers {
    /// None yet.
    pub fn new(setup: &Setup, now: Instant) -> Self {
        let Setup { lead: odd, policy, sync, verify, limit, .. } = *setup;
        Self {
            queue: VecDeque::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            kept: VecDeque::new(),
            next_id: if odd { 1 } else { 2 },
            last_offered: 0,
            last_turn: TransferId(0),
            policy,
            terms: Terms { sync, verify },
            gone: 0,
            resumed: NO_EPOCH,
            limit: limit.map(|rate| Limit::new(rate, now)),
        }
    }

    fn is_ours(&self, id: TransferId) -> bool {
        id.0 % 2 == self.next_id % 2
    }

    /// Queues a file of ours.
    ///
    /// # Errors
    /// [`CommandError::TooManyQueued`].
    pub fn queue(&mut self, name: &str, size: Option<u64>) -> Result<TransferId, CommandError> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(CommandError::TooManyQueued);
        }
        let id = TransferId(self.next_id);
        self.next_id += 2;
        self.queue.push_back(Outgoing::new(id, name, size, self.terms.verify));
        Ok(id)
    }

    /// Puts offers on the wire and fills free places. Called whenever something ended or came.
    ///
    /// While a reader of our events is far behind, nothing new begins: what a peer can make us remember is bounded.
    pub fn fill_places(&mut self, now: Instant, out: &mut Out) {
        if out.events.len() > MAX_UNREAD {
            return;
        }
        if self.policy == Policy::Never {
            while out.events.len() <= MAX_UNREAD
                && let Ok(id) = self.pick(None, Incoming::is_undecided)
                && let Some(mut file) = self.incoming.remove(&id)
            {
                file.refuse("no files are taken here", true, out);
            }
        }
        while self.outgoing.len() < MAX_OFFERS
            && let Some(mut file) = self.queue.pop_front()
        {
            file.offer(out);
            self.outgoing.insert(file.id(), file);
        }
        let free = MAX_ACTIVE.saturating_sub(self.outgoing.values().filter(|file| file.is_active()).count());
        self.outgoing.values_mut().filter(|file| file.is_accepted()).take(free).for_each(|file| file.open(out));
        let free = MAX_ACTIVE.saturating_sub(self.incoming.values().filter(|file| file.is_active()).count());
        self.incoming.values_mut().filter(|file| file.is_waiting()).take(free).for_each(|file| file.create(now, out));
    }

    /// Remembers what a failed file has left, and lets the oldest go when there are too many.
    fn remember_kept(&mut self, id: TransferId, out: &mut Out) {
        let Some(kept) = self.incoming.get_mut(&id).and_then(Incoming::take_kept) else { return };
        self.kept.push_back(kept);
        if self.kept.len() > MAX_KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            // Its user was told that it can go on, and it can, from what is written down.
            out.jobs.push_back(DiskJob::KeepPart(oldest.id));
        }
    }

    fn forget_over(&mut self, id: TransferId) {
        if self.outgoing.get(&id).is_some_and(Outgoing::is_over) {
            self.outgoing.remove(&id);
        }
        if self.incoming.get(&id).is_some_and(Incoming::is_over) {
            self.incoming.remove(&id);
        }
    }

    /// A frame of the peer about a file, on this link.
    ///
    /// # Errors
    /// [`ProtocolError`] when it breaks a rule.
    pub fn handle_frame(&mut self, now: Instant, over: Ride, frame: Frame, out: &mut Out) -> Result<(), ProtocolError> {
        let kind = frame.kind();
        let id = match frame {
            Frame::Offer { id, size, name } => return self.handle_offer(now, id, size, name, out),
            Frame::Spent { id, half } => {
                self.heard_half(id, half);
                return Ok(());
            }
            Frame::Accept { id, .. }
            | Frame::Refuse { id, .. }
            | Frame::Digests { id, .. }
            | Frame::End { id, .. }
            | Frame::Progress { id, .. }
            | Frame::Committed { id }
            | Frame::Cancel { id, .. }
            | Frame::Cancelled { id }
            | Frame::Move { id, .. }
            | Frame::Resume { id, .. }
            | Frame::Lacks { id, .. } => id,
            _ => return Err(ProtocolError::Unexpected { frame: kind.name(), state: "talking" }),
        };
        if let Frame::Resume { epoch, .. } = frame
            && epoch == self.resumed
            && !self.outgoing.get(&id).is_some_and(|file| file.is_adrift(Some(epoch)))
        {
            return Ok(()); // of a file of which nothing had been sent, or that is over by now
        }
        let ours = self.is_ours(id);
        if (ours && Incoming::concerns(kind)) || (!ours && Outgoing::concerns(kind)) {
            return Err(ProtocolError::UnknownTransfer(id));
        }
        if let Some(file) = self.outgoing.get_mut(&id) {
            file.handle_frame(now, frame, out)?;
        } else if let Some(file) = self.incoming.get_mut(&id) {
            file.handle_frame(over, self.gone, frame, out)?;
        } else if !self.is_late(over, id) {
            self.handle_late(id, kind, out)?;
        }
        self.forget_over(id);
        self.fill_places(now, out);
        Ok(())
    }

    /// Whether what comes over the bulk link is of a file of the peer's that is over: that was said over the talk link,
    /// and may have been faster.
    fn is_late(&self, over: Ride, id: TransferId) -> bool {
        matches!(over, Ride::Bulk(_)) && !self.is_ours(id) && id.0 <= self.last_offered
    }

    /// A cancel may cross the end of its transfer; nothing else may speak of one that is over.
    fn handle_late(&self, id: TransferId, kind: Kind, out: &mut Out) -> Result<(), ProtocolError> {
        let known = match self.is_ours(id) {
            true => id.0 < self.next_id && self.queue.front().is_none_or(|first| id < first.id()),
            false => id.0 <= self.last_offered,
        };
        match kind {
            Kind::Cancel if known => out.frames.push_back(Frame::Cancelled { id }),
            Kind::Cancelled if known => {}
            _ => return Err(ProtocolError::UnknownTransfer(id)),
        }
        Ok(())
    }

    fn handle_offer(
        &mut self,
        now: Instant,
        id: TransferId,
        size: Option<u64>,
        name: Untrusted,
        out: &mut Out,
    ) -> Result<(), ProtocolError> {
        if self.is_ours(id) || id.0 <= self.last_offered || id.0 > MAX_ID {
            return Err(ProtocolError::UnknownTransfer(id));
        }
        self.last_offered = id.0;
        if self.incoming.len() >= MAX_OFFERS {
            out.frames.push_back(Frame::Refuse { id, words: Untrusted::from("too many offers at once") });
            return Ok(());
        }
        let ask = self.policy == Policy::Ask;
        let offered = Event::Offer { id, name: name.clone(), size, ask };
        let safe = match SafeName::check(name.as_bytes()) {
            Ok(safe) => safe,
            Err(error) => {
                let words = Untrusted::from(error.to_string());
                out.frames.push_back(Frame::Refuse { id, words: words.clone() });
                // A user who is far behind is spared what was refused anyway.
                if out.events.len() <= MAX_UNREAD {
                    let (direction, reason, resumable) = (Direction::Receive, words, false);
                    let (wanted, by_peer) = (true, false);
                    // Nothing is left to be asked.
                    out.events.push_back(Event::Offer { id, name: name.clone(), size, ask: false });
                    out.events.push_back(Event::Failed { id, direction, name, reason, resumable, wanted, by_peer });
                }
                return Ok(());
            }
        };
        out.events.push_back(offered);
        let earlier = self.kept.iter().position(|kept| kept.name == name && Some(kept.size) == size);
        let mut file = Incoming::new(id, name, safe, size, self.terms);
        earlier.and_then(|at| self.kept.remove(at)).into_iter().for_each(|kept| file.go_on_from(kept));
        // Where none are taken it is refused in its turn, as everything that makes events.
        if self.policy == Policy::Auto {
            file.accept();
        }
        self.incoming.insert(id, file);
        self.fill_places(now, out);
        Ok(())
    }

    /// The file that `id` names; without one the only one, or the latest, that `fits`.
    fn pick(&self, id: Option<TransferId>, fits: impl Fn(&Incoming) -> bool) -> Result<TransferId, CommandError> {
        match id {
            Some(id) => match self.incoming.get(&id) {
                Some(file) if fits(file) => Ok(id),
                Some(_) => Err(CommandError::NotUndecided(id)),
                None => Err(CommandError::NoSuchTransfer(id)),
            },
            None => {
                let found = self.incoming.iter().find(|(_, file)| fits(file));
                found.map(|(id, _)| *id).ok_or(CommandError::NothingToAnswer)
            }
        }
    }

    /// Our user wants an offer: the named one, or the oldest that waits for an answer.
    ///
    /// # Errors
    /// [`CommandError`] when there is none.
    pub fn accept(&mut self, now: Instant, id: Option<TransferId>, out: &mut Out) -> Result<TransferId, CommandError> {
        let id = self.pick(id, Incoming::is_undecided)?;
        if let Some(file) = self.incoming.get_mut(&id) {
            file.accept();
        }
        self.fill_places(now, out);
        Ok(id)
    }

    /// Our user does not want an offer: the named one, or the oldest that waits for an answer.
    ///
    /// # Errors
    /// [`CommandError`] when there is none.
    pub fn refuse(&mut self, id: Option<TransferId>, out: &mut Out) -> Result<TransferId, CommandError> {
        let id = self.pick(id, Incoming::is_undecided)?;
        if let Some(file) = self.incoming.get_mut(&id) {
            file.refuse("refused", true, out);
        }
        self.forget_over(id);
        Ok(id)
    }

    /// Our user gives up a file of either side: the named one, or the one that began last.
    ///
    /// # Errors
    /// [`CommandError`] when there is none, or when it can no longer be stopped.
    pub fn cancel(&mut self, now: Instant, id: Option<TransferId>, out: &mut Out) -> Result<TransferId, CommandError> {
        let latest = || {
            let running = self.outgoing.iter().filter(|(_, file)| !file.is_cancelled()).map(|(id, _)| *id);
            let coming = self.incoming.iter().filter(|(_, file)| !file.is_cancelled()).map(|(id, _)| *id);
            self.queue.back().map(Outgoing::id).or_else(|| running.chain(coming).max())
        };
        let id = id.or_else(latest).ok_or(CommandError::NothingToAnswer)?;
        if let Some(file) = self.outgoing.get_mut(&id).filter(|file| !file.is_cancelled()) {
            file.cancel(CancelReason::User, "cancelled by the sender", true, out);
        } else if let Some(file) = self.incoming.get_mut(&id).filter(|file| !file.is_cancelled()) {
            if file.is_committing() {
                return Err(CommandError::NoSuchTransfer(id));
            }
            file.cancel(CancelReason::User, "cancelled by the receiver", false, true, out);
        } else if let Some(at) = self.queue.iter().position(|file| file.id() == id)
            && let Some(mut file) = self.queue.remove(at)
        {
            file.cancel(CancelReason::User, "cancelled by the sender", true, out);
        } else {
            return Err(CommandError::NoSuchTransfer(id));
        }
        self.forget_over(id);
        self.fill_places(now, out);
        Ok(id)
    }

    /// Refuses every offer that waits for a person's answer: our side is leaving.
    pub fn refuse_undecided(&mut self, now: Instant, out: &mut Out) {
        let undecided: Vec<_> = self.incoming.iter().filter(|(_, f)| f.is_undecided()).map(|(id, _)| *id).collect();
        for id in undecided {
            if let Some(file) = self.incoming.get_mut(&id) {
                file.refuse("nobody answered before the goodbye", true, out);
            }
            self.forget_over(id);
        }
        // From now on nobody can be asked.
        if self.policy == Policy::Ask {
            self.policy = Policy::Never;
        }
        self.fill_places(now, out);
    }

    /// Gives up what was not offered yet: nobody would take it.
    pub fn refuse_queued(&mut self, words: &str, out: &mut Out) {
        for mut file in std::mem::take(&mut self.queue) {
            file.fail(Untrusted::from(words), false, out);
        }
    }

    /// Ends every transfer: the peer is gone, or time is up. What is verified of a file stays on the disk.
    pub fn abandon(&mut self, words: &str, out: &mut Out) {
        for (_, mut file) in std::mem::take(&mut self.incoming) {
            if !file.is_cancelled() {
                let keep = file.is_verified_somewhere();
                file.fail(Untrusted::from(words), keep, false, out);
            }
        }
        for (_, mut file) in std::mem::take(&mut self.outgoing) {
            file.abandon(words, out);
        }
        self.refuse_queued(words, out);
    }

    /// The conversation is over: what failed files have left stays on the disk, and nobody holds it any more.
    pub fn release_kept(&mut self, out: &mut Out) {
        out.jobs.extend(std::mem::take(&mut self.kept).into_iter().map(|kept| DiskJob::KeepPart(kept.id)));
    }

    /// Whether no transfer is left to wait for.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.outgoing.is_empty() && self.incoming.is_empty()
    }

    /// Whether none is left but those whose cancel the peer has not acknowledged.
    pub fn is_settled(&self) -> bool {
        let ours = self.outgoing.values().all(Outgoing::is_cancelled);
        ours && self.queue.is_empty() && self.incoming.values().all(Incoming::is_cancelled)
    }

    /// Whether files of ours wait for being offered.
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Moves on the clock of the rate limit.
    pub fn tick(&mut self, now: Instant) {
        if let Some(limit) = &mut self.limit {
            limit.tick(now);
        }
    }

    /// Whether this file's bytes still come from its source.
    pub fn has_source(&self, id: TransferId) -> bool {
        self.outgoing.get(&id).is_some_and(Outgoing::has_source)
    }

    /// The next byte of a file that is to be sent; `None`: it is not being sent.
    pub fn sends_at(&self, id: TransferId) -> Option<u64> {
        self.outgoing.get(&id)?.sends_at()
    }

    /// `n` bytes of a chunk were accepted by the channel.
    pub fn sent(&mut self, id: TransferId, n: u64, out: &mut Out) {
        if let Some(limit) = &mut self.limit {
            limit.used(n);
        }
        if let Some(file) = self.outgoing.get_mut(&id) {
            file.sent(n, out);
        }
    }

    /// A stream has brought `available` bytes; `ended`: all of them.
    pub fn stream_grew(&mut self, id: TransferId, available: u64, ended: bool, out: &mut Out) {
        let queued = self.queue.iter_mut().find(|file| file.id() == id);
        if let Some(file) = self.outgoing.get_mut(&id).or(queued) {
            file.stream_grew(available, ended, out);
        }
    }

    /// The source of a file cannot be read.
    pub fn source_failed(&mut self, id: TransferId, error: &DiskError, out: &mut Out) {
        if let Some(file) = self.outgoing.get_mut(&id) {
            file.source_failed(error, out);
        }
    }

    /// A chunk of the peer begins on this link; whether its bytes may be taken yet.
    ///
    /// # Errors
    /// [`ProtocolError`] when there is no such transfer, or it breaks a rule of it.
    pub fn handle_chunk(&mut self, over: Ride, span: Span) -> Result<bool, ProtocolError> {
        let late = self.is_late(over, span.transfer);
        match self.incoming.get_mut(&span.transfer) {
            Some(file) => file.handle_chunk(over, span),
            None if late => Ok(true),
            None => Err(ProtocolError::UnknownTransfer(span.transfer)),
        }
    }

    /// Whether the bytes of this file's chunks go into its part file.
    pub fn has_sink(&self, id: TransferId) -> bool {
        self.incoming.get(&id).is_some_and(Incoming::has_sink)
    }

    /// `n` more bytes stand in the part file.
    pub fn stored(&mut self, id: TransferId, n: u64, out: &mut Out) {
        if let Some(file) = self.incoming.get_mut(&id) {
            file.stored(n, out);
        }
    }

    /// The part file cannot take its bytes.
    pub fn sink_failed(&mut self, id: TransferId, error: &DiskError, out: &mut Out) {
        if let Some(file) = self.incoming.get_mut(&id) {
            file.sink_failed(error, out);
        }
        self.remember_kept(id, out);
    }

    /// What a disk job led to.
    pub fn handle_answer(&mut self, now: Instant, answer: DiskAnswer, out: &mut Out) {
        let id = answer.transfer();
        if let Some(file) = self.outgoing.get_mut(&id) {
            file.handle_answer(answer, out);
        } else if let Some(file) = self.incoming.get_mut(&id) {
            file.handle_answer(now, answer, out);
        }
        self.remember_kept(id, out);
        self.forget_over(id);
        self.fill_places(now, out);
    }

    /// When progress is to be reported.
    pub fn report_due(&self) -> Option<Instant> {
        self.incoming.values().filter_map(Incoming::report_due).min()
    }

    /// Reports what is due.
    pub fn report(&mut self, now: Instant, out: &mut Out) {
        self.incoming.values_mut().for_each(|file| file.report(now, out));
    }

    /// Everything that is not over, in the order of the numbers.
    pub fn progress(&self, now: Instant) -> Vec<Progress> {
        let outgoing = self.outgoing.values().map(|file| file.progress(now));
        let incoming = self.incoming.values().map(|file| file.progress(now));
        let mut all: Vec<_> = outgoing.chain(incoming).collect();
        all.sort_unstable_by_key(|progress| progress.id);
        all.extend(self.queue.iter().map(|file| file.progress(now)));
        all
    }

    /// Whether a file of ours is not answered yet, or not even offered.
    pub fn is_offering(&self) -> bool {
        !self.queue.is_empty() || self.outgoing.values().any(Outgoing::is_unanswered)
    }

    /// Whether bytes of any file flow, so that progress is worth showing.
    pub fn is_moving(&self) -> bool {
        self.outgoing.values().any(Outgoing::is_active) || self.incoming.values().any(Incoming::is_active)
    }

    /// The state of a file, for tables and tests.
    pub fn state_name(&self, id: TransferId) -> Option<&'static str> {
        let outgoing = self.outgoing.get(&id).map(Outgoing::state_name);
        outgoing.or_else(|| self.incoming.get(&id).map(Incoming::state_name))
    }
}
