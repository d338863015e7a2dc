//! What the users of a world do to it.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::event::{Direction, Event, LeaveReason};
use tete::proto::transfers::Policy;

use crate::drive::Shelved;
use crate::ledger::File;
use crate::planted::Mutant;
use crate::promise::{Kept, Promise, Violation, check};
use crate::support::disk::Fault;
use crate::user::{Act, Growing};
use crate::world::World;

impl World {
    /// The user reads, decides and acts; whether it did.
    pub(crate) fn attend(&mut self, side: usize) -> Result<bool, Violation> {
        let mut any = self.read(side)?;
        self.decide(side);
        let (now, quiet) = (self.now, self.is_quiet());
        let end = &mut self.ends[side];
        if end.session.ended().is_some() {
            return Ok(any);
        }
        if let Some(at) = end.user.acts_at.filter(|at| *at <= now) {
            let act = end.user.act(&mut self.random, now, quiet, end.session.is_leaving());
            self.act(side, act);
            any |= at < now || act != Act::Dawdle;
        }
        any |= self.grow(side);
        Ok(any)
    }

    fn read(&mut self, side: usize) -> Result<bool, Violation> {
        let quiet = self.is_quiet() || self.ends[side].session.ended().is_some();
        let end = &mut self.ends[side];
        let most = end.user.reads(&mut self.random, self.now, quiet);
        let mut read = 0;
        while read < most
            && self.mutant != Some(Mutant::NoEvents)
            && let Some(event) = self.ends[side].session.poll_event()
        {
            read += 1;
            match &event {
                Event::Offer { id, ask: true, .. } => self.ends[side].user.undecided.push(*id),
                Event::PeerLeaving { .. } => {
                    let user = &mut self.ends[side].user;
                    let soon = self.now + Duration::from_millis(self.random.below(3000));
                    user.leaves_at = Some(user.leaves_at.map_or(soon, |at| at.min(soon)));
                    user.acts_at = Some(self.now);
                }
                _ => {}
            }
            for _ in 0..self.mutant.map_or(1, |mutant| mutant.tells(&event)) {
                let is_theirs = matches!(event, Event::Message { .. } | Event::Offer { .. } | Event::Received { .. });
                self.ledger.is_behind_gate(!is_theirs || self.gate.has_decided(), "a user is told something")?;
                self.ledger.told(side, &event)?;
            }
            self.promised(side, &event)?;
        }
        check(read <= 2000, Promise::Bounds, || format!("{read} events waited"))?;
        if read > 0 {
            self.note(side, "reads", read as u64, 0);
        }
        Ok(read > 0)
    }

    /// What an event promises of the folders.
    fn promised(&mut self, side: usize, event: &Event) -> Kept {
        match event {
            Event::Received { id, .. } | Event::Sent { id, .. } => {
                let Some(file) = self.ledger.files.get(id) else { return Ok(()) };
                let (to, saved) = (1 - file.from, file.saved.clone().unwrap_or_default());
                if !self.lives.crashed[to] || matches!(event, Event::Received { .. }) {
                    self.archives[to].confirm(&saved, &self.ends[to].disk)?;
                }
            }
            Event::Failed { id, direction: Direction::Receive, resumable, .. } if *resumable || self.ledger.ending => {
                let name = self.ledger.files.get(id).map(File::name);
                self.archives[side].may_leave.extend(name);
            }
            Event::Resumed { id, direction: Direction::Receive, bytes, again, .. } => {
                self.counts.files_resumed += u64::from(*bytes > 0);
                self.counts.resumed_bytes += bytes;
                self.counts.mended_blocks += again;
                if let Some(file) = self.ledger.files.get(id).filter(|_| *bytes > 0) {
                    self.archives[side].may_resume(&file.name(), file.size)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn unwanted(&mut self, id: TransferId) {
        if let Some(file) = self.ledger.files.get_mut(&id) {
            file.hindered = true;
        }
    }

    fn decide(&mut self, side: usize) {
        let now = self.instant();
        let quiet = self.is_quiet();
        for id in std::mem::take(&mut self.ends[side].user.undecided) {
            let session = &mut self.ends[side].session;
            match self.random.below(10) {
                0..6 if !quiet => self.ends[side].user.undecided.push(id),
                6 if session.refuse(now, Some(id)).is_ok() => self.unwanted(id),
                _ => {
                    let _ = session.accept(now, Some(id));
                }
            }
        }
    }

    fn act(&mut self, side: usize, act: Act) {
        let now = self.instant();
        match act {
            Act::Dawdle => return,
            Act::Say => {
                for _ in 0..self.random.between(1, self.ends[side].user.talkative) {
                    let length = self.random.skewed(12_000) as usize;
                    let text = format!("{}{}", self.ledger.said[side].len(), "y".repeat(length));
                    if self.ends[side].session.say(now, &text).is_ok() {
                        self.ledger.said[side].push(text);
                    }
                }
            }
            Act::Offer => self.offer(side),
            Act::Edit => self.edit_some(side),
            Act::Cancel => {
                let files: Vec<TransferId> = self.ledger.files.keys().copied().collect();
                if !files.is_empty() {
                    let id = self.random.pick(&files);
                    if self.ends[side].session.cancel(now, Some(id)).is_ok() {
                        self.unwanted(id);
                    }
                }
            }
            Act::Leave => {
                let limit = self.random.chance(200).then(|| Duration::from_secs(2));
                self.ledger.impatient |= limit.is_some();
                self.ends[side].session.leave(now, LeaveReason::Done, limit);
                (self.ledger.left, self.ledger.ending) = (true, true);
            }
            Act::Cut => {
                self.ends[side].session.cut(now, LeaveReason::Done);
                self.ledger.impatient = true;
                (self.ledger.left, self.ledger.ending) = (true, true);
            }
        }
        self.note(side, act_name(act), 0, 0);
    }

    /// Which file is offered now, and whether it is told how large it is.
    fn choose(&mut self, side: usize) -> (u64, bool) {
        let files = &self.ledger.files;
        let busy = |number: u64| files.values().any(|file| file.number == number && !file.is_over());
        if let Some(number) = self.ends[side].user.again.pop_if(|number| !busy(*number)) {
            return (number, true);
        }
        // The same file once more: what an earlier try has left is gone on from.
        let over = files.values().filter(|file| file.from == side && file.is_over() && !busy(file.number));
        let over: Vec<(u64, bool)> = over.map(|file| (file.number, file.sent)).collect();
        if !over.is_empty() && self.random.chance(300) {
            let (number, sent) = self.random.pick(&over);
            if !sent || self.random.chance(200) {
                return (number, true);
            }
        }
        self.keys += 1;
        let size = match self.random.below(1000) {
            0..8 => self.random.between(8 << 20, 14 << 20),
            8..30 => self.random.between(1 << 20, 6 << 20),
            _ if self.theme => self.random.between(1 << 20, 4 << 20),
            _ => self.random.skewed(2 << 20),
        };
        self.ends[side].disk.shelf.insert(self.keys, Shelved { key: self.keys, size, stamp: 0 });
        (self.keys, self.random.chance(800))
    }

    fn offer(&mut self, side: usize) {
        let (number, known) = self.choose(side);
        let Some(shelved) = self.ends[side].disk.shelf.get(&number).copied() else { return };
        let Shelved { key, size, .. } = shelved;
        let now = self.instant();
        let name = format!("file {number}");
        let Ok(id) = self.ends[side].session.offer(now, &name, known.then_some(size)) else { return };
        let at = self.random.below(size + 1);
        let fault = self.random.chance(self.trouble).then(|| {
            self.random.pick(&[
                Fault::Open,
                Fault::Read(at),
                Fault::Short(at),
                Fault::Changed,
                Fault::HashSource,
                Fault::Create,
                Fault::Write(at),
                Fault::HashPart,
                Fault::Flip(at),
                Fault::Flush,
                Fault::Sync,
                Fault::Publish,
                Fault::Folder,
            ])
        });
        let synced = self.ends[1 - side].disk.synced;
        let fault = fault.filter(|fault| synced || !matches!(fault, Fault::Sync | Fault::Folder));
        let user = &mut self.ends[side].user;
        user.files = user.files.saturating_sub(1);
        self.ends[side].disk.offer(id, number, !known);
        self.ends[1 - side].disk.theirs.insert(id, shelved);
        if let Some(fault) = fault {
            for end in &mut self.ends {
                end.disk.planned.insert(id, fault);
            }
        }
        if !known {
            self.ends[side].user.growing.push(Growing { id, size, grown: 0 });
        }
        let file = File::new(side, number, key, size, fault);
        self.archives[1 - side].offered(file.name(), key, size);
        self.ledger.files.insert(id, file);
        if self.ends[1 - side].user.policy == Policy::Never {
            self.unwanted(id);
        }
        self.note(side, "offers", id.0, number);
    }

    /// Somebody edits a file that is being sent, or was.
    fn edit_some(&mut self, side: usize) {
        let numbers: Vec<u64> =
            self.ledger.files.values().filter(|file| file.from == side).map(|file| file.number).collect();
        if numbers.is_empty() {
            return;
        }
        let number = self.random.pick(&numbers);
        self.edit(side, number);
        for file in self.ledger.files.values_mut().filter(|file| file.number == number && !file.is_over()) {
            file.hindered = true;
        }
    }

    /// Streams bring more.
    fn grow(&mut self, side: usize) -> bool {
        let (now, quiet) = (self.instant(), self.is_quiet());
        let mut growing = std::mem::take(&mut self.ends[side].user.growing);
        let before = growing.len();
        growing.retain_mut(|stream| {
            if !quiet && !self.random.chance(50) {
                return true;
            }
            let left = stream.size - stream.grown;
            stream.grown += if quiet { left } else { self.random.between(0, left) };
            let ended = stream.grown == stream.size;
            self.ends[side].session.stream_grew(now, stream.id, stream.grown, ended);
            !ended
        });
        let any = growing.len() != before;
        self.ends[side].user.growing = growing;
        any
    }
}

fn act_name(act: Act) -> &'static str {
    match act {
        Act::Say => "says",
        Act::Offer => "has offered",
        Act::Edit => "has edited",
        Act::Cancel => "cancels",
        Act::Leave => "leaves",
        Act::Cut => "cuts",
        Act::Dawdle => "dawdles",
    }
}
