//! A file of the peer's, from its offer to its name on our disk.
//!
//! Owns: the receiver's states, the comparison of block values, the pace of hashing and of progress reports.
//! Must not know: the bytes, the link, other files.
//!
//! ```text
//!  Undecided --our user's yes--> Waiting --a free place--> Creating --created, ACCEPT--> Receiving
//!      |  (or policy: at once)                                |                            | chunks, digests, END;
//!      `--no, REFUSE--> over                                  `--failed, REFUSE--> over    | every block equal,
//!                                                                                          v root equal
//!   any before Committing --CANCEL of theirs, CANCELLED of ours--> over             Committing
//!   Creating, Receiving, Committing (its disk failed) --CANCEL of ours--> Cancelled        |  COMMITTED
//!                                             Cancelled --CANCELLED--> over                v
//!                                                                                        over
//! ```
//!
//! While Cancelled, chunks that were under way are let through and thrown away. A CANCEL of theirs that meets
//! Committing is too late, and COMMITTED answers it.

use std::time::{Duration, Instant};

use super::commit::{Commit, Next, Verified};
use super::digest::{BLOCK, DigestTree, next_block};
use super::disk::{Block, DiskAnswer, DiskError, DiskJob};
use super::error::ProtocolError;
use super::event::{Direction, Event, Progress};
use super::frame::{CancelReason, Frame, Kind};
use super::ledger::Ledger;
use super::name::SafeName;
use super::outgoing::HASHING;
use super::receiving::Receiving;
use super::ride::Ride;
use super::stages::Meter;
use super::text::Untrusted;
use super::trace::{Trace, emit};
use super::transfers::{Out, SMALL_FILE};
use super::{Span, TransferId};

mod metering;
mod reporting;
mod taking_up;

/// What is left of a file whose disk failed: the part stays as it is, for the same file being offered again.
#[derive(Debug)]
pub struct Kept {
    /// Which transfer it was.
    pub id: TransferId,
    /// What the file was called.
    pub name: Untrusted,
    /// Its size.
    pub size: u64,
    /// Its verified blocks, of which there is at least one.
    tree: DigestTree,
    /// Their values.
    ledger: Ledger,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most that are active are there")]
enum State {
    Undecided,
    Waiting,
    Creating { since: Instant, earlier: Option<Kept> },
    Receiving(Receiving),
    Committing { commit: Commit, size: u64, since: Instant, ledger: Ledger },
    Cancelled,
    Over,
}

/// What has to be true of a file before it counts.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// It is on the disk.
    pub sync: bool,
    /// It was hashed, and is what was sent.
    pub verify: bool,
}

/// One file that we are offered.
#[derive(Debug)]
pub struct Incoming {
    id: TransferId,
    name: Untrusted,
    safe: SafeName,
    size: Option<u64>,
    /// Its size was not known when it was offered: no later offer can be told to be of the same.
    is_stream: bool,
    terms: Terms,
    /// What an earlier try has left for this one.
    earlier: Option<Kept>,
    /// What this one leaves for a later one.
    kept: Option<Kept>,
    meter: Meter,
    state: State,
}

impl Incoming {
    /// An offer whose name was checked.
    pub fn new(id: TransferId, name: Untrusted, safe: SafeName, size: Option<u64>, terms: Terms) -> Self {
        let (is_stream, meter) = (size.is_none(), Meter::default());
        Self { id, name, safe, size, is_stream, terms, earlier: None, kept: None, meter, state: State::Undecided }
    }

    /// The same file was offered before and got as far as this.
    pub fn go_on_from(&mut self, earlier: Kept) {
        self.earlier = Some(earlier);
    }

    /// What it leaves for the same file being offered again, if it does.
    pub fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// The name of its state, as in this page's drawing.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            State::Undecided => "Undecided",
            State::Waiting => "Waiting",
            State::Creating { .. } => "Creating",
            State::Receiving(_) => "Receiving",
            State::Committing { .. } => "Committing",
            State::Cancelled => "Cancelled",
            State::Over => "Over",
        }
    }

    /// Whether a person has to answer.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// Whether it waits for a free place.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Whether it occupies one of the places of active transfers.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Creating { .. } | State::Receiving(_) | State::Committing { .. })
    }

    /// Whether its file is open, so that bytes can flow.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Receiving(_) | State::Committing { .. })
    }

    /// Whether it is worth a link of its own.
    pub fn is_large(&self) -> bool {
        self.size.is_none_or(|size| size > SMALL_FILE)
    }

    /// Whether it only waits for the peer to acknowledge our cancel.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.state, State::Cancelled)
    }

    /// Whether it can be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether chunks go into a file; otherwise they are thrown away.
    pub fn has_sink(&self) -> bool {
        matches!(self.state, State::Receiving(_))
    }

    fn enter(&mut self, state: State) {
        let from = self.state_name();
        self.state = state;
        emit(Trace::State { transfer: Some(self.id), from, to: self.state_name() });
    }

    /// Our user, or the policy, wants it.
    pub fn accept(&mut self) {
        if self.is_undecided() {
            self.enter(State::Waiting);
        }
    }

    /// Takes a free place.
    pub fn create(&mut self, now: Instant, out: &mut Out) {
        if !self.is_waiting() {
            return;
        }
        let earlier = self.earlier.take();
        let (transfer, size) = (self.id, self.size);
        out.jobs.push_back(match &earlier {
            Some(Kept { id: kept, .. }) => DiskJob::ResumePart { transfer, kept: *kept },
            None => DiskJob::CreatePart { transfer, name: self.safe.clone(), size },
        });
        self.enter(State::Creating { since: now, earlier });
    }

    /// Does not want it, before anything was sent. `wanted`: because our user, or the policy, said so.
    pub fn refuse(&mut self, words: &str, wanted: bool, out: &mut Out) {
        out.frames.push_back(Frame::Refuse { id: self.id, words: Untrusted::from(words) });
        self.fail(Untrusted::from(words), false, wanted, out);
    }

    /// Ends it without a file; the peer knows already, or cannot be told. `keep`: what is stored is left on the disk.
    pub fn fail(&mut self, reason: Untrusted, keep: bool, wanted: bool, out: &mut Out) {
        self.end(reason, keep, (wanted, false), out);
    }

    fn end(&mut self, reason: Untrusted, keep: bool, whose: (bool, bool), out: &mut Out) {
        let saved = match &self.state {
            State::Committing { commit, .. } => commit.saved().map(str::to_owned),
            _ => None,
        };
        // What has its name is whole, and nobody is to go on from it; but that it arrived was not said in time.
        let reason = match &saved {
            Some(saved) => Untrusted::from(format!("{}; but it is there, whole, as {saved}", reason.lossy()).as_str()),
            None => reason,
        };
        let keep = keep || saved.is_some();
        let resumable = keep && saved.is_none() && self.record_last(out);
        if self.is_active() {
            out.jobs.push_back(if keep { DiskJob::KeepPart(self.id) } else { DiskJob::RemovePart(self.id) });
        }
        self.earlier.take().into_iter().for_each(|earlier| out.jobs.push_back(DiskJob::KeepPart(earlier.id)));
        self.tell_failed(reason, resumable, whose, out);
        self.enter(State::Over);
    }

    /// `wanted`, `by_peer`: whose doing it is, as the event has it.
    fn tell_failed(&self, reason: Untrusted, resumable: bool, (wanted, by_peer): (bool, bool), out: &mut Out) {
        let (id, name, direction) = (self.id, self.name.clone(), Direction::Receive);
        out.events.push_back(Event::Failed { id, direction, name, reason, resumable, wanted, by_peer });
    }

    /// Gives it up from our side. What is verified so far is kept for a later try if it can be of use to one.
    pub fn cancel(&mut self, reason: CancelReason, words: &str, resumable: bool, wanted: bool, out: &mut Out) {
        match &self.state {
            State::Cancelled | State::Over => return,
            State::Undecided | State::Waiting => return self.refuse(words, wanted, out),
            State::Creating { .. } | State::Receiving(_) | State::Committing { .. } => {}
        }
        self.kept = self.left_over().filter(|_| resumable);
        let is_left = resumable && matches!(self.state, State::Receiving(_)) && self.is_verified_somewhere();
        let is_written = (self.kept.is_some() || is_left) && self.record_last(out);
        let (words, is_kept) = (Untrusted::from(words), self.kept.is_some() || is_written);
        if !is_kept {
            out.jobs.push_back(DiskJob::RemovePart(self.id));
        } else if self.kept.is_none() {
            // What is being brought to the disk, or mended, is read again by a later try, and not vouched for here.
            out.jobs.push_back(DiskJob::KeepPart(self.id));
        }
        let reason = if is_kept { CancelReason::DiskKept } else { reason };
        out.frames.push_back(Frame::Cancel { id: self.id, reason: Some(reason), words: words.clone() });
        self.tell_failed(words, is_kept, (wanted, false), out);
        self.enter(State::Cancelled);
    }

    /// Whether a commit has begun: giving up is then too late.
    pub fn is_committing(&self) -> bool {
        matches!(self.state, State::Committing { .. })
    }

    /// A chunk of the peer begins, on this link; whether its bytes may be taken yet.
    ///
    /// # Errors
    /// [`ProtocolError`] when it has no place in this state, does not lie where the next one has to, or goes beyond
    /// the offered size.
    pub fn handle_chunk(&self, over: Ride, span: Span) -> Result<bool, ProtocolError> {
        let unexpected = self.unexpected(Kind::Chunk);
        match &self.state {
            State::Cancelled => Ok(true),
            State::Receiving(receiving) if receiving.end.is_none() && receiving.earlier.is_none() => {
                let may = receiving.may_take(over).ok_or(unexpected)?;
                let (transfer, expected) = (self.id, receiving.stored);
                if may && span.offset != expected {
                    return Err(ProtocolError::Offset { transfer, expected, got: span.offset });
                }
                if receiving.gaps.run(span.offset).is_some_and(|run| span.len > run) {
                    return Err(ProtocolError::Offset { transfer, expected, got: span.offset + span.len });
                }
                // The decoder has seen to it that the sum is a number.
                match self.size {
                    Some(offered) if span.offset + span.len > offered => {
                        Err(ProtocolError::TooMuch { transfer, offered })
                    }
                    _ => Ok(may),
                }
            }
            _ => Err(unexpected),
        }
    }

    /// What follows comes over the bulk link of this epoch; `gone`: which is dead already.
    fn handle_move(&mut self, epoch: u32, gone: bool, out: &mut Out) -> Result<(), ProtocolError> {
        let unexpected = self.unexpected(Kind::Move);
        match &mut self.state {
            State::Receiving(receiving) if receiving.end.is_none() => {
                let ride = receiving.ride.moved(epoch).ok_or(unexpected)?;
                receiving.ride.change(self.id, ride);
            }
            State::Cancelled => {}
            _ => return Err(unexpected),
        }
        if gone {
            self.link_down(epoch, out);
        }
        Ok(())
    }

    /// Bulk links up to this epoch are gone: the sender has to know what came over them.
    pub fn link_down(&mut self, gone: u32, out: &mut Out) {
        if let State::Receiving(receiving) = &mut self.state
            && receiving.end.is_none()
            && let Ride::Bulk(epoch) = receiving.ride
            && epoch <= gone
        {
            receiving.ride.change(self.id, Ride::Talk);
            let (id, stored, told) = (self.id, receiving.stored, receiving.told);
            out.frames.push_back(Frame::Resume { id, epoch, stored, told });
        }
    }

    /// All links are gone. What is here is told once there is a talk link again, and not for each that was lost.
    pub fn part(&mut self) {
        if let State::Receiving(receiving) = &mut self.state {
            receiving.ride.change(self.id, Ride::Talk);
        }
    }

    fn unexpected(&self, kind: Kind) -> ProtocolError {
        ProtocolError::Unexpected { frame: kind.name(), state: self.state_name() }
    }

    /// `n` more bytes stand in the part file.
    pub fn stored(&mut self, n: u64, out: &mut Out) {
        if let State::Receiving(receiving) = &mut self.state {
            let reached = receiving.stored + n;
            if let Some(index) = receiving.gaps.filled(reached) {
                let len = u32::try_from(reached - index * BLOCK).unwrap_or(u32::MAX);
                out.jobs.push_back(DiskJob::HashPart(self.id, Block { index, len }));
            }
            receiving.stored = receiving.gaps.settle(reached);
            self.advance(out);
        }
    }

    /// A frame of the peer about this file, on this link. Bulk links up to the epoch `gone` are dead.
    ///
    /// # Errors
    /// [`ProtocolError`] when it has no place in this state, or breaks a bound.
    pub fn handle_frame(&mut self, over: Ride, gone: u32, frame: Frame, out: &mut Out) -> Result<(), ProtocolError> {
        let unexpected = self.unexpected(frame.kind());
        match (&mut self.state, frame) {
            (_, Frame::Move { epoch, .. }) => return self.handle_move(epoch, epoch <= gone, out),
            (State::Receiving(receiving), Frame::Digests { .. } | Frame::End { .. }) if receiving.ride != over => {
                return Err(unexpected);
            }
            (State::Receiving(receiving), Frame::Digests { first, values, .. }) => {
                receiving.handle_digests(first, &values)?;
                self.compare(out);
            }
            (State::Receiving(receiving), Frame::End { size, root, .. })
                if receiving.end.is_none() && receiving.earlier.is_none() =>
            {
                if size != receiving.stored {
                    return Err(ProtocolError::Malformed { frame: "END", what: "not where the chunks ended" });
                }
                if let Some(offered) = self.size.filter(|offered| *offered != size) {
                    let words = format!("it ended after {size} of the {offered} bytes that were offered");
                    self.cancel(CancelReason::Mismatch, &words, false, false, out);
                    return Ok(());
                }
                if self.terms.verify && receiving.told != super::digest::block_count(size) {
                    return Err(ProtocolError::Malformed { frame: "END", what: "before the values of all blocks" });
                }
                receiving.end = Some((size, root));
                self.size = Some(size);
                self.advance(out);
                self.compare(out);
            }
            (State::Cancelled, Frame::Digests { .. } | Frame::End { .. })
            | (State::Committing { .. }, Frame::Cancel { .. }) => {}
            (State::Cancelled, Frame::Cancelled { .. }) => self.enter(State::Over),
            (State::Cancelled, Frame::Cancel { .. }) => {
                out.frames.push_back(Frame::Cancelled { id: self.id });
                self.enter(State::Over);
            }
            (
                State::Undecided | State::Waiting | State::Creating { .. } | State::Receiving(_),
                Frame::Cancel { words, reason, .. },
            ) => {
                out.frames.push_back(Frame::Cancelled { id: self.id });
                let keep = self.outlives(reason);
                self.end(words, keep, (false, true), out);
            }
            (_, frame) => return Err(self.unexpected(frame.kind())),
        }
        Ok(())
    }

    /// Asks for hashes of what is stored, and for the disk to take what has gathered.
    fn advance(&mut self, out: &mut Out) {
        let State::Receiving(receiving) = &mut self.state else { return };
        let total = receiving.end.map(|(size, _)| size).or(self.size);
        while self.terms.verify
            && receiving.earlier.is_none()
            && receiving.asked < receiving.tree.blocks() + HASHING
            && let Some(block) = next_block(receiving.asked, receiving.stored, total)
        {
            receiving.asked += 1;
            out.jobs.push_back(DiskJob::HashPart(self.id, block));
        }
        out.jobs.extend(receiving.begin_flush(self.id, self.terms.sync, None));
    }

    /// Compares what both sides have, and begins the commit once all of it is equal.
    fn compare(&mut self, out: &mut Out) {
        let State::Receiving(receiving) = &mut self.state else { return };
        if receiving.earlier.is_some() {
            return self.look_at_earlier(out);
        }
        while let (Some(ours), Some(theirs)) = (receiving.ours.get(&receiving.tree.blocks()), receiving.theirs.front())
        {
            if ours.chaining != *theirs {
                let words = format!(
                    "the bytes that arrived differ from those that were sent, near {}",
                    receiving.tree.blocks() * BLOCK
                );
                self.cancel(CancelReason::Mismatch, &words, false, false, out);
                return;
            }
            receiving.tree.push(ours);
            if !self.is_stream {
                receiving.ledger.push(ours.chaining);
            }
            receiving.ours.pop_first();
            receiving.theirs.pop_front();
        }
        // The answer to a flush may be that bytes were lost, and only the first who asks is told.
        if let Some((size, root)) = receiving.end
            && (receiving.tree.blocks() == super::digest::block_count(size) || !self.terms.verify)
            && !receiving.flushing
            && receiving.mending.is_empty()
        {
            self.finish(size, root, out);
            return;
        }
        self.advance(out);
    }

    fn finish(&mut self, size: u64, root: [u8; 32], out: &mut Out) {
        let State::Receiving(receiving) = &self.state else { return };
        let since = receiving.since;
        let verified = match self.terms.verify {
            true => Verified::check(&receiving.tree, size, root),
            false => Some(Verified::unchecked(size, root)),
        };
        match verified {
            Some(verified) => {
                let (commit, job) = Commit::begin(self.id, verified, self.terms.sync);
                out.jobs.push_back(job);
                out.frames.push_back(Frame::Progress { id: self.id, stored: size, verified: size });
                let ledger = receiving.ledger.clone();
                self.enter(State::Committing { commit, size, since, ledger });
            }
            None => self.cancel(CancelReason::Mismatch, "the digest of the whole differs", false, false, out),
        }
    }

    /// What a disk job of this file led to.
    pub fn handle_answer(&mut self, now: Instant, answer: DiskAnswer, out: &mut Out) {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::Creating { since, earlier }, DiskAnswer::PartCreated(_, Ok(()))) => {
                self.begin(earlier.map(Kept::into_earlier), now, since, out);
            }
            (State::Creating { since, .. }, DiskAnswer::PartTaken(_, values)) => {
                self.take_up(values, now, since, out);
            }
            (state @ State::Creating { .. }, DiskAnswer::PartCreated(_, Err(error))) => {
                self.state = state;
                self.refuse(&error.words, false, out);
            }
            (State::Receiving(mut receiving), DiskAnswer::PartHashed(_, block, Ok(value))) => {
                let right = receiving.hashed(block, value);
                self.state = State::Receiving(receiving);
                match right {
                    true => self.compare(out),
                    false => self.cancel(CancelReason::Mismatch, "what came again differs too", false, false, out),
                }
            }
            (state @ State::Receiving(_), DiskAnswer::PartHashed(_, _, Err(error))) => {
                self.state = state;
                self.sink_failed(&error, out);
            }
            (State::Receiving(mut receiving), DiskAnswer::PartFlushed(_, Ok(()))) => {
                receiving.flushing = false;
                self.state = State::Receiving(receiving);
                self.compare(out);
            }
            (state @ State::Receiving(_), DiskAnswer::PartFlushed(_, Err(error))) => {
                self.state = state;
                self.sink_failed(&error, out);
            }
            (State::Committing { commit, size, since, mut ledger }, answer) => match commit.answered(answer) {
                Ok(Next::Job(commit, job)) => {
                    out.jobs.push_back(job);
                    self.state = State::Committing { commit, size, since, ledger };
                }
                Ok(Next::Done { saved, verified }) => {
                    out.jobs.push_back(DiskJob::KeepPart(self.id)); // it has its name: only the descriptor is left
                    let (id, name, stages) = (self.id, self.name.clone(), self.stages());
                    out.frames.extend(self.meter.told_last().map(|half| Frame::Spent { id, half }));
                    out.frames.push_back(Frame::Committed { id });
                    let elapsed = now.saturating_duration_since(since);
                    let Verified { size: bytes, root } = verified;
                    out.events.push_back(Event::Received { id, name, saved, bytes, elapsed, root, stages });
                    emit(Trace::State { transfer: Some(id), from: "Committing", to: "Over" });
                }
                Err(error) => {
                    let is_kept = error.resumable && self.leaves_part() && ledger.record_rest(self.id, &mut out.jobs);
                    let (id, words) = (self.id, Untrusted::from(error.words.as_str()));
                    out.jobs.push_back(if is_kept { DiskJob::KeepPart(id) } else { DiskJob::RemovePart(id) });
                    let reason = Some(if is_kept { CancelReason::DiskKept } else { CancelReason::DiskFailed });
                    out.frames.push_back(Frame::Cancel { id, reason, words: words.clone() });
                    self.tell_failed(words, is_kept, (false, false), out);
                    self.state = State::Cancelled;
                }
            },
            // The file was given up while the helper worked.
            (state, _) => self.state = state,
        }
    }

    /// The part file cannot take, or give back, its bytes.
    pub fn sink_failed(&mut self, error: &DiskError, out: &mut Out) {
        self.cancel(CancelReason::DiskFailed, &error.words, error.resumable, false, out);
    }

    /// How far it is.
    pub fn progress(&self, now: Instant) -> Progress {
        let (state, bytes, verified, since) = match &self.state {
            State::Undecided => ("waiting for an answer", 0, 0, None),
            State::Waiting => ("queued", 0, 0, None),
            State::Creating { since, .. } => ("starting", 0, 0, Some(*since)),
            State::Receiving(receiving) => {
                (receiving.state_name(), receiving.stored, self.verified(receiving), Some(receiving.since))
            }
            State::Committing { commit, size, since, .. } => (commit.state_name(), *size, *size, Some(*since)),
            State::Cancelled | State::Over => ("cancelled", 0, 0, None),
        };
        let ride = if let State::Receiving(receiving) = &self.state { receiving.ride } else { Ride::Talk };
        Progress {
            id: self.id,
            ride,
            direction: Direction::Receive,
            name: self.name.clone(),
            sent: bytes,
            bytes,
            verified,
            size: self.size,
            state,
            elapsed: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        }
    }

    /// Kinds of frames that speak of a file of the peer's.
    pub fn concerns(kind: Kind) -> bool {
        matches!(kind, Kind::Offer | Kind::Chunk | Kind::Digests | Kind::End | Kind::Move)
    }

    /// Bytes that both sides have the same digest of.
    fn verified(&self, receiving: &Receiving) -> u64 {
        match self.terms.verify {
            true => (receiving.tree.blocks() * BLOCK).min(receiving.stored),
            false => receiving.stored,
        }
    }
}
