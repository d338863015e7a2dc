//! Two ends, what is between them, and the order in which things happen.

use std::time::{Duration, Instant};

use tete::net::channel::Channel;
use tete::net::pump::{Left, LinkError, Pump};
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::disk::{DiskAnswer, DiskJob};
use tete::proto::session::{Ended, Session, Setup};

use crate::bulk::Bulk;
use crate::end::{End, Mutant, SimDisk, earliest, job_name};
use crate::ledger::{Ledger, Tally};
use crate::network::{SimWire, Stream};
use crate::random::Random;
use crate::support::disk::{MemDisk, is_hashing};
use crate::talk::{LINK, Talk};
use crate::user::User;

/// Once faults stop, everything has to be over after this; leaving alone may wait for a minute, twice.
const PATIENCE: Duration = Duration::from_secs(300);
/// More rounds than this without an end are a spin.
const ROUNDS: u64 = 400_000;

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Hash of everything that happened, in order.
    pub(crate) trace: u64,
    pub(crate) rounds: u64,
    pub(crate) ended: [Option<Ended>; 2],
    pub(crate) tally: Tally,
    /// Bytes that bulk links took, and links of either kind behind the first.
    pub(crate) bulk: (u64, u32),
    /// Talk links that took the place of another.
    pub(crate) returns: u32,
}

/// The whole of it.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) base: Instant,
    pub(crate) now: Duration,
    /// From here on nothing goes wrong any more.
    pub(crate) quiet_from: Duration,
    pub(crate) ends: [End; 2],
    /// Bytes from end 0, and from end 1.
    pub(crate) streams: [Stream; 2],
    pub(crate) talk: Talk,
    /// The link for files, while there is one, and the number of the last.
    pub(crate) bulk: Option<Bulk>,
    pub(crate) epoch: u32,
    pub(crate) bulk_passed: u64,
    pub(crate) ledger: Ledger,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) moody: u64,
    pub(crate) slow_disk: u64,
    pub(crate) trouble: u64,
    pub(crate) keys: u64,
    pub(crate) hash: u64,
    pub(crate) verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let base = Instant::now();
        let quiet_from = Duration::from_millis(random.between(50, 8000));
        let returns = random.chance(600);
        let ends = [0, 1].map(|side| {
            let user = User::new(&mut random, quiet_from);
            let synced = random.chance(800);
            let limit = random.chance(150).then(|| random.between(200_000, 20_000_000));
            let linger = Duration::from_secs(180);
            let setup =
                Setup { lead: side == 0, policy: user.policy, sync: synced, verify: true, limit, returns, linger };
            let disk = SimDisk { inner: MemDisk { reads: random.chance(500), ..MemDisk::default() }, mutant };
            let (session, channel) = (Session::new(setup, LINK, base), Channel::default());
            End {
                session,
                channel,
                talk: LINK,
                disk,
                pending: Vec::new(),
                busy: Default::default(),
                user,
                synced,
                closed: false,
            }
        });
        let streams = [0, 1].map(|_| {
            let mut stream = Stream::default();
            stream.capacity = random.pick(&[1 << 10, 1 << 14, 1 << 17, 1 << 20]);
            stream.delay = Duration::from_micros(random.skewed(200_000));
            stream.dies_at = random.chance(if returns { 400 } else { 60 }).then(|| random.skewed(3 << 20));
            stream.loses = (mutant == Some(Mutant::LostByte)).then(|| random.between(14, 500));
            stream
        });
        let moody = random.pick(&[0, 20, 200, 600]);
        let slow_disk = random.pick(&[100, 5_000, 300_000]);
        let trouble = random.pick(&[0, 0, 150, 500]);
        let (ledger, now, hash) = (Ledger::default(), Duration::ZERO, 0xcbf2_9ce4_8422_2325);
        Self {
            random,
            base,
            now,
            quiet_from,
            ends,
            streams,
            talk: Talk::new(returns),
            bulk: None,
            epoch: FIRST_EPOCH,
            bulk_passed: 0,
            ledger,
            mutant,
            moody,
            slow_disk,
            trouble,
            keys: 0,
            hash,
            verbose,
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.now >= self.quiet_from
    }

    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// One line of the trace.
    pub(crate) fn note(&mut self, side: usize, what: &str, a: u64, b: u64) {
        let numbers = [side as u64, a, b, self.now.as_micros() as u64];
        let bytes = what.bytes().map(u64::from).chain(numbers);
        self.hash = bytes.fold(self.hash, |hash, n| (hash ^ n).wrapping_mul(0x0100_0000_01b3));
        if self.verbose {
            println!("{:>12.6} {} {what} {a} {b}", self.now.as_secs_f64(), ["a", "b"][side]);
        }
    }

    /// Runs to the end; what it came to, or what went wrong.
    pub(crate) fn run(mut self) -> Result<Outcome, String> {
        for round in 0..ROUNDS {
            let moved = self.round(round).map_err(|words| format!("{words} (after {:?})", self.now))?;
            if moved {
                self.now += Duration::from_micros(self.random.below(1500));
                continue;
            }
            match self.next_moment() {
                Some(next) if next > self.quiet_from + PATIENCE => return Err(format!("it goes on until {next:?}")),
                Some(next) => self.now = self.now.max(next),
                None => {
                    let [a, b] = &self.ends;
                    self.ledger.at_rest([a.session.ended(), b.session.ended()])?;
                    let ended = [a, b].map(|end| end.session.ended().cloned());
                    let bulk = (self.bulk_passed, self.epoch - FIRST_EPOCH);
                    let (trace, tally, returns) = (self.hash, self.ledger.tally(), self.talk.came);
                    return Ok(Outcome { trace, rounds: round, ended, tally, bulk, returns });
                }
            }
        }
        Err(format!("no end after {ROUNDS} rounds, at {:?}", self.now))
    }

    /// The next moment at which anything can happen.
    fn next_moment(&self) -> Option<Duration> {
        let mut due: Vec<Duration> = Vec::new();
        for (side, end) in self.ends.iter().enumerate() {
            due.extend(end.pending.iter().map(|(at, _)| *at));
            if !end.closed && self.mutant != Some(Mutant::NoTimeouts) {
                due.extend(end.session.poll_timeout().map(|(at, _)| at.saturating_duration_since(self.base)));
            }
            if end.session.ended().is_none() {
                due.extend(end.user.acts_at);
                if end.user.slow && !self.is_quiet() {
                    due.push(end.user.reads_at.max(self.now + Duration::from_micros(1)));
                }
                // Nothing comes over a link that it does not know yet, or has lost.
                let hears = end.talk == self.talk.link() && !end.session.is_away();
                due.extend(self.streams[1 - side].due().filter(|_| hears));
            }
            let stall = self.streams[side].stalled_until;
            due.extend(Some(stall).filter(|stall| *stall > self.now));
        }
        if !self.is_quiet() {
            due.push(self.quiet_from);
        }
        due.extend(self.talk.due());
        if self.ends.iter().all(|end| end.session.ended().is_none()) {
            due.extend(self.bulk.iter().flat_map(|bulk| bulk.due(self.now)));
        }
        due.into_iter().min()
    }

    /// One round of both sides; whether anything moved.
    fn round(&mut self, round: u64) -> Result<bool, String> {
        let mut moved = false;
        if !self.is_quiet() && self.random.chance(3) {
            let side = self.random.below(2) as usize;
            self.streams[side].stalled_until = self.now + Duration::from_micros(self.random.skewed(6_000_000));
            self.note(side, "stalls", 0, 0);
        }
        if self.is_quiet() {
            for stream in self.streams.iter_mut().chain(self.bulk.iter_mut().flat_map(|bulk| &mut bulk.streams)) {
                stream.delay = stream.delay.min(Duration::from_millis(1));
                stream.capacity = stream.capacity.max(1 << 17);
            }
        }
        moved |= self.tend_talk();
        moved |= self.tend_bulk();
        let first = self.random.below(2) as usize;
        for side in [first, 1 - first] {
            // The calls of one turn come in any order.
            let turn = self.random.below(6);
            for step in 0..6 {
                moved |= match (turn + step) % 6 {
                    0 => self.take_jobs(side),
                    1 => self.finish_jobs(side)?,
                    2 => self.pump(side),
                    3 => self.fire(side),
                    4 => self.pump_bulk(side),
                    _ => self.attend(side)?,
                };
            }
            if round.is_multiple_of(8) {
                self.ledger.bounds(&self.ends[side].session)?;
                let buffered = self.ends[side].channel.waiting();
                if buffered > 256 * 1024 {
                    return Err(format!("{buffered} bytes wait for the wire"));
                }
            }
        }
        Ok(moved)
    }

    fn take_jobs(&mut self, side: usize) -> bool {
        if self.mutant == Some(Mutant::NoJobs) {
            return false;
        }
        let mut any = false;
        while let Some(job) = self.ends[side].session.poll_job() {
            let late = if self.is_quiet() { 1000 } else { self.slow_disk };
            let mut done = self.now + Duration::from_micros(self.random.skewed(late));
            let end = &mut self.ends[side];
            if !is_hashing(&job) {
                let last = end.busy.entry(job.transfer()).or_default();
                done = done.max(*last + Duration::from_nanos(1));
                *last = done;
            }
            end.pending.push((done, job));
            any = true;
        }
        any
    }

    fn finish_jobs(&mut self, side: usize) -> Result<bool, String> {
        let now = self.now;
        let mut any = false;
        while let Some(at) = earliest(&self.ends[side].pending, now) {
            let (_, job) = self.ends[side].pending.swap_remove(at);
            let id = job.transfer();
            self.note(side, job_name(&job), id.0, 0);
            let publishes = matches!(job, DiskJob::Publish(_));
            let answer = self.perform(side, job)?;
            let end = &mut self.ends[side];
            if publishes && let Some(part) = end.disk.inner.published.get_mut(&id).filter(|part| !part.told) {
                part.told = true;
                self.ledger.published(id, side, part, end.synced)?;
                part.bytes = Vec::new();
            }
            if let Some(words) = end.disk.inner.broken.first() {
                return Err(words.clone());
            }
            if let Some(answer) = answer {
                end.session.job_done(self.base + now, answer);
            }
            any = true;
        }
        Ok(any)
    }

    fn perform(&mut self, side: usize, job: DiskJob) -> Result<Option<DiskAnswer>, String> {
        let disk = &mut self.ends[side].disk.inner;
        match (self.mutant, &job) {
            (Some(Mutant::LateFlip), DiskJob::Publish(id)) => {
                if let Some(byte) = disk.parts.get_mut(id).and_then(|part| part.bytes.first_mut()) {
                    *byte ^= 1;
                }
            }
            (Some(Mutant::SyncLies), DiskJob::SyncPart(id)) => {
                disk.perform(job.clone());
                return Ok(Some(DiskAnswer::PartSynced(*id, Ok(()))));
            }
            _ => {}
        }
        Ok(disk.perform(job))
    }

    fn fire(&mut self, side: usize) -> bool {
        let now = self.instant();
        let end = &mut self.ends[side];
        let Some((_, deadline)) = end.session.poll_timeout().filter(|(due, _)| *due <= now) else { return false };
        if self.mutant == Some(Mutant::NoTimeouts) {
            return false;
        }
        end.session.handle_timeout(now);
        self.note(side, deadline.name(), 0, 0);
        true
    }

    fn pump(&mut self, side: usize) -> bool {
        if self.ends[side].closed {
            return false;
        }
        // A link that the other side has given up is silent.
        let link = self.ends[side].talk;
        if link != self.talk.link() || self.ends[side].session.is_away() {
            self.close(side);
            return false;
        }
        let now = self.instant();
        let quiet = self.is_quiet();
        let budgets = [self.random.between(1, 1 << 18), self.random.between(1, 1 << 18)].map(|n| n as usize);
        let [from_a, from_b] = &mut self.streams;
        let (out, input) = if side == 0 { (from_a, from_b) } else { (from_b, from_a) };
        let moody = if quiet { 0 } else { self.moody };
        let mut wire = SimWire { out, input, random: &mut self.random, now: self.now, moody, acted: false };
        let End { session, channel, disk, .. } = &mut self.ends[side];
        let before = (session.ended().is_some(), wire.out.passed);
        let mut pump = Pump { session, link, channel, wire: &mut wire, disk, now };
        let sent = pump.send(budgets[0]);
        let received = if before.0 { Ok(Left::Idle) } else { pump.receive(budgets[1], 1 << 18) };
        let mut moved = wire.acted;
        let passed = wire.out.passed - before.1;
        match (sent, received) {
            (Err(error), _) | (_, Err(LinkError::Io(error))) => {
                session.link_lost(link, now, &error.to_string());
                self.ends[side].closed = session.ended().is_some();
                self.talk_lost();
                moved = true;
            }
            (_, Err(LinkError::Channel(error))) => panic!("nothing is encrypted here: {error}"),
            (_, Ok(Left::End)) => session.handle_eof(link, now),
            (_, Err(LinkError::Protocol(error))) => {
                if self.verbose {
                    println!("{error}");
                }
                moved = true;
            }
            (Ok(left), Ok(other)) => moved |= left == Left::More || other == Left::More,
        }
        self.close(side);
        if passed > 0 {
            self.note(side, "sends", passed, 0);
        }
        moved
    }

    /// Closes the link of a session that has ended, once its last bytes are out.
    fn close(&mut self, side: usize) {
        let current = self.ends[side].talk == self.talk.link();
        let end = &mut self.ends[side];
        let done = match end.session.ended() {
            Some(_) if !current => true,
            None => false,
            Some(Ended::Lost(_) | Ended::Broken(_)) => true,
            Some(_) => end.channel.is_flushed(),
        };
        if !end.closed && done {
            end.closed = true;
            self.streams[side].closed = true;
            // Nobody reads here any more: what still comes is taken and thrown away by the system.
            self.streams[1 - side].capacity = usize::MAX;
            self.note(side, "closes", 0, 0);
        }
    }
}
