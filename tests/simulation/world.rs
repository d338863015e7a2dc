//! Two ends, what is between them, and the order in which things happen.

use std::time::{Duration, Instant};

use tete::net::channel::Channel;
use tete::net::pump::{Left, LinkError, Pump};
use tete::proto::LinkId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::digest::BLOCK;
use tete::proto::disk::{DiskAnswer, DiskJob};
use tete::proto::session::{Ended, Session};

use crate::archive::Archive;
use crate::bulk::Bulk;
use crate::counts::Counts;
use crate::drive::{Drive, is_flushing, is_hashing};
use crate::end::{End, Pending, earliest, job_name};
use crate::gate::Gate;
use crate::ledger::{Ledger, ceiling};
use crate::lives::Lives;
use crate::network::{SimWire, Stream};
use crate::part::is_final;
use crate::planted::{Mutant, Tamper};
use crate::promise::{Promise, Violation, broken, check};
use crate::random::Random;
use crate::support;
use crate::talk::{LINK, Talk};
use crate::user::User;

/// Once faults stop, everything has to be over after this; leaving alone may wait for a minute, twice.
const PATIENCE: Duration = Duration::from_secs(300);
/// More rounds than this without an end are a spin.
const ROUNDS: u64 = 600_000;

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Hash of everything that happened, in order.
    pub(crate) trace: u64,
    /// How the last conversation ended.
    pub(crate) ended: [Option<Ended>; 2],
    pub(crate) counts: Counts,
}

/// The whole of it.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) base: Instant,
    pub(crate) now: Duration,
    /// From here on nothing goes wrong any more.
    pub(crate) quiet_from: Duration,
    /// From here on everybody is awake.
    pub(crate) settles_from: Duration,
    pub(crate) ends: [End; 2],
    /// Bytes from end 0, and from end 1.
    pub(crate) streams: [Stream; 2],
    pub(crate) gate: Gate,
    pub(crate) talk: Talk,
    /// The link for files, while there is one, and the number of the last.
    pub(crate) bulk: Option<Bulk>,
    pub(crate) epoch: u32,
    pub(crate) bulk_passed: u64,
    pub(crate) ledger: Ledger,
    /// What each has received.
    pub(crate) archives: [Archive; 2],
    pub(crate) lives: Lives,
    pub(crate) counts: Counts,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) moody: u64,
    pub(crate) slow_disk: u64,
    pub(crate) trouble: u64,
    /// How often a call fails, in ten thousandths.
    flaky: u64,
    pub(crate) sleepy: u64,
    /// Everything is about files that crashes interrupt.
    pub(crate) theme: bool,
    pub(crate) keys: u64,
    pub(crate) hash: u64,
    pub(crate) verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let (base, now) = (Instant::now(), Duration::ZERO);
        let ends = [0, 1].map(|side| {
            let mut disk = Drive::new(Random::new(random.next()), mutant);
            (disk.synced, disk.reads) = (random.chance(800), random.chance(500));
            End {
                session: Session::new(support::setup(side == 0), LINK, base),
                channel: Channel::default(),
                talk: LINK,
                disk,
                pending: Vec::new(),
                busy: [now; 2],
                user: User::new(&mut random, now, now),
                closed: false,
                sleeps_until: now,
            }
        });
        let theme = random.chance(120);
        let mut world = Self {
            base,
            now,
            quiet_from: now,
            settles_from: now,
            ends,
            streams: Default::default(),
            gate: Gate::default(),
            talk: Talk::new(false),
            bulk: None,
            epoch: FIRST_EPOCH,
            bulk_passed: 0,
            ledger: Ledger::default(),
            archives: Default::default(),
            lives: Lives::new(1 + if theme { 3 } else { random.pick(&[0, 0, 1, 2, 3]) }),
            counts: Counts { worlds: 1, ..Counts::default() },
            mutant,
            moody: random.pick(&[0, 20, 200, 600]),
            slow_disk: random.pick(&[100, 5_000, 300_000]),
            trouble: if theme { 20 } else { random.pick(&[0, 0, 150, 500]) },
            flaky: if theme { random.pick(&[0, 20]) } else { random.pick(&[0, 0, 0, 20, 200]) },
            sleepy: random.pick(&[0, 0, 0, 2]),
            theme,
            keys: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            random,
            verbose,
        };
        world.converse();
        world
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.now >= self.quiet_from
    }

    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// The moment, as a turn knows it that has taken a while: the past, now and then.
    pub(crate) fn stale_instant(&mut self) -> Instant {
        let late = if self.random.chance(30) { self.random.skewed(50_000) } else { 0 };
        if late > 0 {
            self.meet("a moment is told late");
        }
        self.base + self.now.saturating_sub(Duration::from_micros(late))
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

    /// A fault was met.
    pub(crate) fn meet(&mut self, what: &'static str) {
        self.meet_times(what, 1);
    }

    pub(crate) fn meet_times(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.counts.met.entry(what).or_default() += times;
        }
    }

    /// What meddles with a new link.
    pub(crate) fn tamper(&self) -> Option<Tamper> {
        self.mutant.filter(|mutant| mutant.tampers()).map(Tamper::new)
    }

    /// Runs to the end; what it came to, or what went wrong.
    pub(crate) fn run(mut self) -> Result<Outcome, Violation> {
        for round in 0..ROUNDS {
            let now = self.now;
            let when =
                |violation: Violation| Violation { words: format!("{} (after {now:?})", violation.words), ..violation };
            let moved = self.round(round).map_err(when)?;
            // What came of bytes that had been there already moved nothing, and is read nevertheless.
            let untold = self.mutant != Some(Mutant::NoEvents) && (0..2).any(|side| self.will_read(side));
            if moved || untold {
                self.now += Duration::from_micros(self.random.below(1500));
                continue;
            }
            match self.next_moment() {
                Some(next) if next > self.settles_from.max(self.quiet_from) + PATIENCE && !self.lives.is_broken() => {
                    return Err(broken(Promise::Progress, format!("it goes on until {next:?}")));
                }
                Some(next) => self.now = self.now.max(next),
                None if self.begin_again().map_err(when)? => {}
                None => {
                    check(!self.lives.is_broken(), Promise::Progress, || {
                        "who has crashed never begins again".to_owned()
                    })?;
                    let ended = self.ends.each_ref().map(|end| end.session.ended().cloned());
                    self.counts.rounds = round;
                    let met = self.ends.each_ref().map(|end| end.disk.met.clone());
                    met.into_iter().flatten().for_each(|(what, times)| self.meet_times(what, times));
                    return Ok(Outcome { trace: self.hash, ended, counts: self.counts });
                }
            }
        }
        Err(broken(Promise::Progress, format!("no end after {ROUNDS} rounds, at {:?}", self.now)))
    }

    /// Whether something waits for a user who reads at once.
    fn will_read(&self, side: usize) -> bool {
        let end = &self.ends[side];
        let at_once = !end.user.slow || self.is_quiet() || end.session.ended().is_some();
        at_once && end.session.untold() > 0 && !self.lives.crashed[side] && !self.is_asleep(side)
    }

    /// Whether a side has no session yet, and may still get one.
    pub(crate) fn is_at_gate(&self, side: usize) -> bool {
        !self.gate.is_open(side) && self.ends[side].session.ended().is_none()
    }

    /// The next moment at which anything can happen.
    fn next_moment(&self) -> Option<Duration> {
        let mut due: Vec<Duration> = self.lives.due().collect();
        let mut wakes = |side: usize, at: Duration| {
            if !self.lives.crashed[side] {
                due.push(at.max(self.ends[side].sleeps_until));
            }
        };
        for (side, end) in self.ends.iter().enumerate() {
            end.pending.iter().for_each(|pending| wakes(side, pending.at));
            if self.is_at_gate(side) {
                self.gate.due(side).for_each(|at| wakes(side, at));
                continue;
            }
            if !end.closed && self.mutant != Some(Mutant::NoTimeouts) {
                let timeout = end.session.poll_timeout();
                timeout.into_iter().for_each(|(at, _)| wakes(side, at.saturating_duration_since(self.base)));
            }
            if end.session.ended().is_none() {
                end.user.acts_at.into_iter().for_each(|at| wakes(side, at));
                if end.user.slow && !self.is_quiet() {
                    wakes(side, end.user.reads_at.max(self.now + Duration::from_micros(1)));
                }
                // Nothing comes over a link that it does not know yet, or has lost.
                let hears = end.talk == self.talk.link() && !end.session.is_away();
                self.streams[1 - side].due().filter(|_| hears).into_iter().for_each(|at| wakes(side, at));
            }
            let stall = self.streams[side].stalled_until;
            Some(stall).filter(|stall| *stall > self.now).into_iter().for_each(|stall| wakes(1 - side, stall));
            Some(stall).filter(|stall| *stall > self.now).into_iter().for_each(|stall| wakes(side, stall));
            Some(end.sleeps_until).filter(|until| *until > self.now).into_iter().for_each(|until| wakes(side, until));
        }
        if !self.lives.is_broken() {
            self.talk.due().for_each(|(side, at)| wakes(side, at));
        }
        if self.ends.iter().all(|end| end.session.ended().is_none()) {
            self.bulk.iter().flat_map(|bulk| bulk.due(self.now)).for_each(|(side, at)| wakes(side, at));
        }
        if !self.is_quiet() {
            due.push(self.quiet_from);
        }
        due.into_iter().min()
    }

    /// One round of both sides; whether anything moved.
    fn round(&mut self, round: u64) -> Result<bool, Violation> {
        let mut moved = self.tend_lives()?;
        if !self.is_quiet() && self.random.chance(3) {
            let side = self.random.below(2) as usize;
            self.ledger.stalled = true;
            self.streams[side].stalled_until = self.now + Duration::from_micros(self.random.skewed(6_000_000));
            self.meet("a link stalls");
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
        let flaky = if self.is_quiet() { 0 } else { self.flaky };
        for side in [first, 1 - first] {
            self.ends[side].disk.flaky = flaky;
            self.maybe_sleep(side);
            // The calls of one turn come in any order.
            let turn = self.random.below(7);
            for step in 0..7 {
                if self.lives.crashed[side] || self.is_asleep(side) {
                    continue;
                }
                if self.is_at_gate(side) {
                    moved |= step == 0 && self.knock(side)?;
                    continue;
                }
                moved |= match (turn + step) % 7 {
                    0 => self.take_jobs(side),
                    1 => self.finish_jobs(side)?,
                    2 => self.pump(side),
                    3 => self.fire(side),
                    4 => self.pump_bulk(side),
                    5 => self.pester(side),
                    _ => self.attend(side)?,
                };
                while let Some(id) = self.ends[side].disk.struck.pop_first() {
                    self.ledger.files.get_mut(&id).into_iter().for_each(|file| file.hindered = true);
                }
                self.bury(side)?;
            }
            if round.is_multiple_of(8) && !self.lives.crashed[side] {
                self.ledger.bounds(&self.ends[side].session)?;
                let buffered = self.ends[side].channel.waiting();
                check(buffered <= 256 * 1024, Promise::Bounds, || format!("{buffered} bytes wait for the wire"))?;
            }
            if round % 16_384 == 1000 {
                ceiling(&self.ends[side].session)?;
            }
        }
        Ok(moved)
    }

    /// Calls that nobody needs: readiness that is stale or was never there, links that are long gone.
    fn pester(&mut self, side: usize) -> bool {
        if !self.random.chance(10) {
            return false;
        }
        let now = self.stale_instant();
        let session = &mut self.ends[side].session;
        let nobody = LinkId(7);
        match self.random.below(6) {
            0 => session.handle_timeout(now),
            1 => session.handle_eof(nobody, now),
            2 => session.link_lost(nobody, now, "it was never there"),
            3 => drop(session.handle_bytes(nobody, now, &[0xff; 40])),
            4 => session.stored(nobody, now, None, 9),
            _ => drop((session.poll_receive(nobody), session.poll_transmit(nobody).is_none())),
        }
        self.meet("a call is made that nobody needs");
        false
    }

    fn take_jobs(&mut self, side: usize) -> bool {
        if self.mutant == Some(Mutant::NoJobs) {
            return false;
        }
        let mut any = false;
        while let Some(job) = self.ends[side].session.poll_job() {
            let late = if self.is_quiet() { 1000 } else { self.slow_disk };
            let mut at = self.now + Duration::from_micros(self.random.skewed(late));
            let end = &mut self.ends[side];
            if !is_hashing(&job) {
                let last = &mut end.busy[usize::from(is_flushing(&job))];
                at = at.max(*last + Duration::from_nanos(1));
                *last = at;
            }
            let held = end.disk.submit(&job);
            end.pending.push(Pending { at, job, held });
            any = true;
        }
        any
    }

    fn finish_jobs(&mut self, side: usize) -> Result<bool, Violation> {
        let now = self.now;
        let mut any = false;
        while let Some(at) = earliest(&self.ends[side].pending, now) {
            let Pending { job, held, .. } = self.ends[side].pending.swap_remove(at);
            any = true;
            let number = self.ledger.files.get(&job.transfer()).map_or(0, |file| file.number);
            self.note(side, job_name(&job), job.transfer().0, number);
            self.begins(side, &job);
            let disk = &mut self.ends[side].disk;
            let inode = held.and_then(|held| Some(disk.parts.get(&held.part)?.made.as_ref()?.inode));
            let gone = held.and_then(|held| Some(disk.parts.get(&held.part)?.made.as_ref()?.gone)) == Some(true);
            let before = held.and_then(|held| disk.parts.get(&held.part)?.made.as_ref()?.published.clone());
            let receives = matches!(job, DiskJob::CreatePart { .. } | DiskJob::ResumePart { .. } | DiskJob::Publish(_));
            self.ledger.is_behind_gate(!receives || self.gate.has_decided(), "a file is received")?;
            let asked = job.clone();
            let answer = match self.mutant {
                Some(mutant) => mutant.perform(disk, job, held),
                None => disk.perform(job, held),
            };
            if disk.platter.dead {
                return Ok(true);
            }
            if let Some(words) = disk.broken.first() {
                return Err(broken(Promise::Durable, words.clone()));
            }
            let name_of = |disk: &Drive| {
                let (name, _) = disk.platter.names().find(|(_, named)| Some(*named) == inode)?;
                Some(name.to_owned())
            };
            let name = name_of(&self.ends[side].disk);
            // What could not be removed is there, and nothing is written down of it any more.
            let there = !gone && name.as_ref().is_some_and(|name| !is_final(name));
            // Also when nobody waits for the answer any more.
            let named = name.filter(|name| is_final(name) && matches!(asked, DiskJob::Publish(_)));
            if let (Some(saved), None) = (named, before) {
                let disk = &self.ends[side].disk;
                let bytes = inode.map_or(&[][..], |inode| disk.platter.bytes(inode));
                let durable = !disk.synced || inode.is_some_and(|inode| disk.platter.is_durable(inode, bytes.len()));
                self.ledger.published(asked.transfer(), side, saved, bytes, durable)?;
            }
            if matches!(asked, DiskJob::Publish(_)) {
                self.archives[side].check(&self.ends[side].disk)?;
            }
            self.became(side, &asked, answer.as_ref(), there);
            if let Some(answer) = answer {
                self.ends[side].session.job_done(self.base + now, answer);
            }
        }
        Ok(any)
    }

    /// A file begins: what is known of it need not come again. Something is written down: that counts as a try even
    /// when the process does not live to hear that it was.
    fn begins(&mut self, side: usize, job: &DiskJob) {
        let Some(file) = self.ledger.files.get_mut(&job.transfer()) else { return };
        let archive = &mut self.archives[side];
        match job {
            DiskJob::CreatePart { .. } | DiskJob::ResumePart { .. } => {
                file.expects = archive.expected(&file.name(), file.key, file.size, &self.ends[side].disk);
            }
            DiskJob::RecordPart { .. } => archive.tried(file.name(), file.size),
            _ => {}
        }
    }

    /// What a job that was done promises for later.
    fn became(&mut self, side: usize, job: &DiskJob, answer: Option<&DiskAnswer>, there: bool) {
        let Some(file) = self.ledger.files.get_mut(&job.transfer()) else { return };
        if self.ends[side].disk.forgetful.contains(&file.name()) {
            file.expects = 0;
        }
        let (name, key, size) = (file.name(), file.key, file.size);
        let archive = &mut self.archives[side];
        match (job, answer) {
            (DiskJob::RecordPart { first, values, .. }, _) => {
                let kept = !matches!(answer, Some(DiskAnswer::PartFlushed(_, Err(_))));
                if kept && there && !self.ends[side].disk.forgetful.contains(&name) {
                    archive.recorded(name, key, size, first + values.len() as u64);
                }
            }
            (DiskJob::RestartPart(_) | DiskJob::RemovePart(_), _) => archive.forget(&name),
            (DiskJob::KeepPart(_), _) if size < BLOCK => archive.forget(&name),
            (DiskJob::Publish(_), _) if !there => archive.forget(&name),
            _ => {}
        }
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
            return self.close(side);
        }
        let now = self.stale_instant();
        let quiet = self.is_quiet();
        let budgets = [self.random.between(1, 1 << 18), self.random.between(1, 1 << 18)].map(|n| n as usize);
        let [from_a, from_b] = &mut self.streams;
        let (out, input) = if side == 0 { (from_a, from_b) } else { (from_b, from_a) };
        let moody = if quiet { 0 } else { self.moody };
        let mut wire = SimWire { out, input, random: &mut self.random, now: self.now, moody, acted: false, storms: 0 };
        let End { session, channel, disk, .. } = &mut self.ends[side];
        let before = (session.ended().is_some(), wire.out.passed);
        let mut pump = Pump { session, link, channel, wire: &mut wire, disk, now };
        let sent = pump.send(budgets[0]);
        let received = if before.0 { Ok(Left::Idle) } else { pump.receive(budgets[1], 1 << 18) };
        let mut moved = wire.acted;
        let (passed, storms) = (wire.out.passed - before.1, wire.storms);
        self.meet_times("a wire is not ready for no reason", storms);
        let session = &mut self.ends[side].session;
        match (sent, received) {
            (Err(error), _) | (_, Err(LinkError::Io(error))) => {
                session.link_lost(link, now, &error.to_string());
                self.ends[side].closed = session.ended().is_some();
                self.meet("a talk link is reset");
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
        moved |= self.close(side);
        if passed > 0 {
            self.note(side, "sends", passed, 0);
        }
        moved
    }

    /// Closes the link of a session that has ended, once its last bytes are out; whether it did, which the other side
    /// is going to read.
    fn close(&mut self, side: usize) -> bool {
        let current = self.ends[side].talk == self.talk.link();
        let end = &mut self.ends[side];
        let done = match end.session.ended() {
            Some(_) if !current => true,
            None => false,
            Some(Ended::Lost(_) | Ended::Broken(_)) => true,
            Some(_) => end.channel.is_flushed(),
        };
        let closes = !end.closed && done;
        if closes {
            end.closed = true;
            self.streams[side].closed = true;
            // Nobody reads here any more: what still comes is taken and thrown away by the system.
            self.streams[1 - side].capacity = usize::MAX;
            self.note(side, "closes", 0, 0);
        }
        closes
    }
}
