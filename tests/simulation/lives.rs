//! Programs that end and begin again.
//!
//! Owns: when one is killed or loses its power, and how a new conversation follows. Must not know: what a session makes
//! of it.

use std::collections::BTreeSet;
use std::time::Duration;

use tete::net::channel::Channel;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::session::{Session, Setup};
use tete::proto::transfers::Policy;

use crate::gate::Gate;
use crate::ledger::{File, Ledger};
use crate::network::Stream;
use crate::part::is_final;
use crate::planted::Mutant;
use crate::promise::Promise;
use crate::promise::{Kept, check};
use crate::talk::{LINK, Talk};
use crate::user::User;
use crate::world::World;

/// How long a side waits for the other.
const LINGER: Duration = Duration::from_secs(180);

/// Bytes under way at once where files are to take a while.
const SLOW: [usize; 4] = [1 << 15, 1 << 16, 1 << 16, 1 << 17];

/// How a program ends that nobody has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// What it has written stays.
    Killed,
    /// What is not on the platter is lost, or not.
    PowerLost,
}

/// See the head of this page.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    /// Conversations that may follow this one.
    left: u64,
    plan: Option<(usize, Crash, Duration)>,
    /// How whose calls run out is said to have ended.
    fuse: Option<Crash>,
    /// Who has crashed in this conversation.
    pub(crate) crashed: [bool; 2],
    /// When it begins again.
    down: [Option<Duration>; 2],
}

impl Lives {
    pub(crate) fn new(left: u64) -> Self {
        Self { left, ..Self::default() }
    }

    /// Whether a side of this conversation is no more.
    pub(crate) fn is_broken(&self) -> bool {
        self.crashed != [false; 2]
    }

    /// When anything happens by itself.
    pub(crate) fn due(&self) -> impl Iterator<Item = Duration> {
        self.plan.map(|(_, _, at)| at).into_iter().chain(self.down.into_iter().flatten())
    }
}

impl World {
    pub(crate) fn is_asleep(&self, side: usize) -> bool {
        self.ends[side].sleeps_until > self.now
    }

    /// A machine is suspended: for it the clock jumps.
    pub(crate) fn maybe_sleep(&mut self, side: usize) {
        if !self.is_quiet() && !self.is_asleep(side) && self.random.chance(self.sleepy) {
            let length = if self.random.chance(100) { 400_000_000 } else { 30_000_000 };
            self.ledger.stalled = true;
            let until = self.now + Duration::from_micros(self.random.skewed(length));
            self.ends[side].sleeps_until = until;
            self.settles_from = self.settles_from.max(until);
            if until > self.now + LINGER - Duration::from_secs(20) {
                (self.ledger.ending, self.ledger.link_died) = (true, true);
            }
            self.meet("a machine is suspended");
            self.note(side, "falls asleep", 0, 0);
        }
    }

    /// A program ends.
    pub(crate) fn crash(&mut self, side: usize, how: Crash) -> Kept {
        if self.lives.crashed[side] {
            return Ok(());
        }
        self.lives.crashed[side] = true;
        (self.ledger.ending, self.ledger.link_died) = (true, true);
        let longest = if self.random.chance(100) { 400_000_000 } else { 5_000_000 };
        self.lives.down[side] = Some(self.now + Duration::from_micros(self.random.skewed(longest)));
        let received = self.ledger.files.values().filter(|file| file.from != side).map(File::name);
        self.archives[side].may_leave.extend(received);
        let shown = self.ledger.shown[1 - side] as u64;
        self.counts.texts_of_the_killed +=
            self.ledger.said[side].len() as u64 - shown.min(self.ledger.said[side].len() as u64);
        if how == Crash::Killed {
            // The system closes what the program had open: what was said may still arrive, or not.
            let reset = self.random.chance(500);
            let [from_a, from_b] = &mut self.streams;
            let bulk = self.bulk.iter_mut().map(|bulk| &mut bulk.streams).map(|[from_a, from_b]| [from_a, from_b]);
            for [from_a, from_b] in bulk.chain([[from_a, from_b]]) {
                let (out, input) = if side == 0 { (from_a, from_b) } else { (from_b, from_a) };
                out.closed = true;
                input.capacity = usize::MAX;
                (out.dead, input.dead) = (out.dead | reset, input.dead | reset);
            }
        }
        self.note(side, if how == Crash::Killed { "is killed" } else { "loses its power" }, 0, 0);
        self.meet(if how == Crash::Killed { "kill -9" } else { "a loss of power" });
        self.forget_bulk_at(side);
        let end = &mut self.ends[side];
        end.pending.clear();
        end.closed = true;
        end.sleeps_until = Duration::ZERO;
        end.disk.let_go();
        if how == Crash::PowerLost {
            end.disk.platter.lose_power(&mut self.random);
            self.archives[side].power_lost(&self.ends[side].disk);
        }
        self.archives[side].check(&self.ends[side].disk)
    }

    /// Whose calls have run out is no more.
    pub(crate) fn bury(&mut self, side: usize) -> Kept {
        match self.lives.fuse.filter(|_| self.ends[side].disk.platter.dead) {
            Some(how) => self.crash(side, how),
            None => Ok(()),
        }
    }

    /// What becomes of the programs; whether anything did.
    pub(crate) fn tend_lives(&mut self) -> Result<bool, crate::promise::Violation> {
        let mut any = false;
        if let Some((side, how, _)) = self.lives.plan.take_if(|(_, _, at)| *at <= self.now) {
            self.crash(side, how)?;
            any = true;
        }
        for side in [0, 1] {
            if self.lives.down[side].take_if(|at| *at <= self.now).is_none() {
                continue;
            }
            any = true;
            self.note(side, "begins again", 0, 0);
            if !self.lives.crashed[1 - side] {
                let now = self.instant();
                self.ends[1 - side].session.give_up(now, "the other side has begun anew");
            }
        }
        Ok(any)
    }

    /// Nothing can happen to this conversation any more: checks it, and begins another one if there is one to be.
    pub(crate) fn begin_again(&mut self) -> Result<bool, crate::promise::Violation> {
        if self.lives.is_broken() {
            let over = |side: usize| self.lives.crashed[side] || self.ends[side].session.ended().is_some();
            if self.lives.down != [None; 2] || !over(0) || !over(1) {
                return Ok(false);
            }
        } else {
            let [a, b] = &self.ends;
            // Who reads seldom may not have read a text by the time that the other has waited long enough.
            self.ledger.stalled |= a.user.slow || b.user.slow;
            self.ledger.at_rest([a.session.ended(), b.session.ended()])?;
        }
        for side in [0, 1] {
            let end = &self.ends[side];
            if !self.lives.crashed[side] {
                let unread = if self.mutant == Some(Mutant::SilentLoss) { 0 } else { end.session.unread() };
                self.counts.texts_lost += self.ledger.settled(side, unread)?;
                self.counts.texts_undelivered += unread as u64;
            }
            check(end.pending.is_empty(), Promise::Progress, || format!("{} jobs are not done", end.pending.len()))?;
            self.archives[side].at_rest(&end.disk)?;
        }
        self.tally();
        if self.lives.left == 0 {
            return Ok(false);
        }
        self.converse();
        Ok(true)
    }

    fn tally(&mut self) {
        let counts = &mut self.counts;
        counts.conversations += 1;
        for side in [0, 1] {
            counts.texts_said += self.ledger.said[side].len() as u64;
            counts.texts_shown += self.ledger.shown[side] as u64;
            counts.texts_doubled += self.ledger.shown[side].saturating_sub(self.ledger.said[1 - side].len()) as u64;
        }
        let sent = || self.ledger.files.values().filter(|file| file.sent);
        counts.files_sent += sent().count() as u64;
        counts.file_bytes += sent().map(|file| file.size).sum::<u64>();
        counts.files_failed += self.ledger.files.values().filter(|file| file.failed[file.from]).count() as u64;
        counts.bulk_bytes += std::mem::take(&mut self.bulk_passed);
        counts.bulk_links += u64::from(self.epoch - FIRST_EPOCH);
        counts.returns += u64::from(self.talk.came);
    }

    /// A conversation begins, between two programs that have just begun.
    pub(crate) fn converse(&mut self) {
        self.lives.left -= 1;
        (self.lives.crashed, self.lives.plan, self.lives.fuse) = ([false; 2], None, None);
        let active = Duration::from_millis(self.random.between(if self.theme { 3000 } else { 50 }, 8000));
        self.quiet_from = self.now + active;
        let returns = self.random.chance(600);
        let files = std::mem::take(&mut self.ledger).files;
        let mut setups = Vec::new();
        for side in [0, 1] {
            let mut user = User::new(&mut self.random, self.now, active);
            if self.theme {
                user.files = user.files.min(3);
                (user.leaves_at, user.calm) = (None, true);
                user.policy = Policy::Auto;
            }
            let limit = self.random.chance(150).then(|| self.random.between(200_000, 20_000_000));
            let now = self.instant();
            let end = &mut self.ends[side];
            let setup = Setup {
                lead: side == 0,
                policy: user.policy,
                sync: end.disk.synced,
                verify: true,
                limit,
                returns,
                linger: LINGER,
            };
            setups.push(setup);
            // In its place stands one that does nothing, until the gate is open.
            (end.session, end.channel, end.talk) = (Session::new(setup, LINK, now), Channel::default(), LINK);
            (end.user, end.closed, end.busy, end.sleeps_until) = (user, false, [self.now; 2], self.now);
            end.disk.let_go();
            let theirs = files.values().filter(|file| file.from == side && !file.sent);
            let again: BTreeSet<u64> = theirs.map(|file| file.number).collect();
            let some = self.random.chance(800);
            end.user.again = again.into_iter().filter(|_| some).collect();
            self.decay(side);
        }
        self.streams = [0, 1].map(|_| {
            let mut stream = Stream::default();
            stream.capacity = self.random.pick(if self.theme { &SLOW } else { &[1 << 10, 1 << 14, 1 << 17, 1 << 20] });
            stream.delay = Duration::from_micros(if self.theme { 30_000 } else { self.random.skewed(200_000) });
            stream.dies_at = self
                .random
                .chance(if self.theme {
                    0
                } else if returns {
                    400
                } else {
                    60
                })
                .then(|| self.random.skewed(3 << 20));
            stream.loses = (self.mutant == Some(Mutant::LostByte)).then(|| self.random.between(14, 500));
            stream.tamper = self.tamper();
            stream
        });
        self.gate = Gate::new([setups[0], setups[1]], &self.streams);
        (self.talk, self.bulk, self.epoch) = (Talk::new(returns), None, FIRST_EPOCH);
        self.ledger = Ledger::default();
        if self.lives.left > 0 && (self.theme || self.random.chance(700)) {
            let (side, how) = (self.random.below(2) as usize, self.random.pick(&[Crash::Killed, Crash::PowerLost]));
            match self.random.chance(500) {
                true => {
                    self.lives.plan =
                        Some((side, how, self.now + active.mul_f64(self.random.below(1000) as f64 / 1000.0)))
                }
                false => {
                    self.lives.fuse = Some(how);
                    self.ends[side].disk.platter.fuse = Some(self.random.skewed(3000));
                }
            }
        }
    }

    /// What happens to files while nobody looks.
    fn decay(&mut self, side: usize) {
        let numbers = self.ends[side].user.again.clone();
        for number in numbers {
            if self.random.chance(120) {
                self.edit(side, number);
            }
        }
        let disk = &self.ends[side].disk;
        let parts: Vec<(String, u64)> = disk
            .platter
            .names()
            .filter(|(name, _)| !is_final(name) && name.ends_with(".part"))
            .map(|(name, inode)| (name.to_owned(), inode))
            .collect();
        let often = if self.theme { 250 } else { 100 };
        for (name, inode) in parts {
            let length = self.ends[side].disk.platter.bytes(inode).len() as u64;
            if length > 0 && self.random.chance(often) {
                let at = self.random.below(length) as usize;
                self.ends[side].disk.platter.flip(inode, at);
                let name = name[".tete-0123456789abcdef.".len()..].trim_end_matches(".part");
                self.archives[side].forget(name);
                self.meet("a bit of a part flips between two runs");
            }
        }
    }

    /// Somebody edits a source.
    pub(crate) fn edit(&mut self, side: usize, number: u64) {
        self.keys += 1;
        let key = self.keys;
        let same_size = self.random.chance(600);
        let size = self.random.skewed(4 << 20);
        if let Some(shelved) = self.ends[side].disk.shelf.get_mut(&number) {
            (shelved.key, shelved.stamp) = (key, shelved.stamp + 1);
            shelved.size = if same_size { shelved.size } else { size };
            self.meet("a source is edited");
            self.note(side, "edits", number, key);
        }
    }
}
