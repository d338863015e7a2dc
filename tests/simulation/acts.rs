//! What the users of a world do to it.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::transfers::Policy;

use crate::end::Mutant;
use crate::support::disk::{Fault, Source};
use crate::user::{Act, Growing};
use crate::world::World;

impl World {
    /// The user reads, decides and acts; whether it did.
    pub(crate) fn attend(&mut self, side: usize) -> Result<bool, String> {
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

    fn read(&mut self, side: usize) -> Result<bool, String> {
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
                Event::Message { seq, .. } if self.mutant == Some(Mutant::Forgetful) && seq % 10 == 3 => continue,
                Event::Offer { id, ask: true, .. } => self.ends[side].user.undecided.push(*id),
                Event::PeerLeaving { .. } => {
                    let user = &mut self.ends[side].user;
                    let soon = self.now + Duration::from_millis(self.random.below(3000));
                    user.leaves_at = Some(user.leaves_at.map_or(soon, |at| at.min(soon)));
                    user.acts_at = Some(self.now);
                }
                _ => {}
            }
            self.ledger.told(side, &event)?;
        }
        if read > 2000 {
            return Err(format!("{read} events waited"));
        }
        if read > 0 {
            self.note(side, "reads", read as u64, 0);
        }
        Ok(read > 0)
    }

    fn unwanted(&mut self, id: TransferId) {
        if let Some(file) = self.ledger.files.get_mut(&id) {
            file.unwanted = true;
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
                self.ends[side].session.leave(now, LeaveReason::Done, limit);
                self.ledger.ending = true;
            }
            Act::Cut => {
                self.ends[side].session.cut(now, LeaveReason::Done);
                self.ledger.ending = true;
            }
        }
        self.note(side, act_name(act), 0, 0);
    }

    fn offer(&mut self, side: usize) {
        self.keys += 1;
        let (mut key, mut size) = (self.keys, self.random.skewed(4 << 20));
        let mut known = self.random.chance(800);
        // The same file once more: what an earlier try has left is gone on from.
        let earlier: Vec<_> =
            self.ledger.files.values().filter(|file| file.from == side && file.fault.is_some()).collect();
        if !earlier.is_empty() && self.random.chance(300) {
            let file = self.random.pick(&earlier);
            (key, size, known) = (file.key, file.size, true);
        }
        let name = format!("file {key}");
        let now = self.instant();
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
                Fault::Sync,
                Fault::Publish,
                Fault::Folder,
            ])
        });
        let synced = self.ends[1 - side].synced;
        let fault = fault.filter(|fault| synced || !matches!(fault, Fault::Sync | Fault::Folder));
        self.ends[side].user.files -= 1;
        self.ends[side].disk.inner.sources.insert(id, Source { key, size });
        if let Some(fault) = fault {
            for end in &mut self.ends {
                end.disk.inner.faults.insert(id, fault);
            }
        }
        if !known {
            self.ends[side].user.growing.push(Growing { id, size, grown: 0 });
        }
        self.ledger.offered(id, side, key, size, fault);
        if self.ends[1 - side].user.policy == Policy::Never {
            self.unwanted(id);
        }
        self.note(side, "offers", id.0, size);
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
        Act::Cancel => "cancels",
        Act::Leave => "leaves",
        Act::Cut => "cuts",
        Act::Dawdle => "dawdles",
    }
}
