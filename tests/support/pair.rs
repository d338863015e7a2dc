//! Two sessions and what is between them.
//!
//! Owns: the loop that pumps both until nothing moves, and the virtual clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tete::net::channel::Channel;
use tete::net::pump::{Disk as _, Left, LinkError, Pump};
use tete::proto::disk::DiskJob;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::session::{Ended, Session, Setup};
use tete::proto::{LinkId, TransferId};

use super::disk::{MemDisk, Source, is_hashing, whole};
use super::{MemWire, Pipe, bulk_channel, setup};

/// The talk link.
pub const LINK: LinkId = LinkId(1);
/// The talk links that come in its place, by their epoch.
pub fn talk_link(epoch: u32) -> LinkId {
    LinkId(1000 + u64::from(epoch))
}
/// The bulk links, by their epoch.
pub fn bulk_link(epoch: u32) -> LinkId {
    LinkId(10 + u64::from(epoch))
}

/// One end of the conversation.
pub struct Side {
    pub session: Session,
    pub channel: Channel,
    /// The last talk link.
    pub talk: LinkId,
    /// Of the bulk link, while there is one.
    pub bulk: Option<(LinkId, Channel)>,
    pub disk: MemDisk,
    /// What the user was told.
    pub events: Vec<Event>,
    /// Whether the user reads.
    pub reads: bool,
    /// Whether this job is done at once; others wait in the disk's queue.
    pub does: fn(&DiskJob) -> bool,
}

impl Side {
    pub fn new(setup: Setup, now: Instant) -> Self {
        let session = Session::new(setup, LINK, now);
        let (channel, disk) = (Channel::default(), MemDisk::default());
        Self { session, channel, talk: LINK, bulk: None, disk, events: Vec::new(), reads: true, does: |_| true }
    }

    /// Hands jobs to the disk, answers to the session, events to the user; whether there were any.
    pub fn serve(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(job) = self.session.poll_job() {
            self.disk.submit(job);
            any = true;
        }
        // What was asked for a file behind a job that waits has to wait too.
        let (mut todo, mut later) = (Vec::new(), Vec::new());
        for job in self.disk.jobs.drain(..) {
            let waits = later.iter().any(|other| !is_hashing(other) && other.transfer() == job.transfer());
            if (self.does)(&job) && !waits { todo.push(job) } else { later.push(job) }
        }
        self.disk.jobs = later.into();
        for job in todo {
            if let Some(answer) = self.disk.perform(job) {
                self.session.job_done(now, answer);
            }
            any = true;
        }
        while self.reads
            && let Some(event) = self.session.poll_event()
        {
            self.events.push(event);
            any = true;
        }
        any
    }

    fn pump(&mut self, now: Instant, out: &mut Pipe, input: &mut Pipe) {
        let Self { session, channel, talk, disk, .. } = self;
        // Without a link there is nothing to move; who has ended has its goodbye in the channel.
        if session.has_link(*talk) || session.ended().is_some() {
            pump(session, *talk, channel, disk, now, MemWire { out, input });
        }
    }

    /// The same for the bulk link, if there is one.
    fn pump_bulk(&mut self, now: Instant, out: &mut Pipe, input: &mut Pipe) {
        let Self { session, bulk, disk, .. } = self;
        if let Some((link, channel)) = bulk.as_mut().filter(|(link, _)| session.has_link(*link)) {
            pump(session, *link, channel, disk, now, MemWire { out, input });
        }
    }

    /// Whether the link is of no use any more, not even for a goodbye.
    fn is_dead(&self) -> bool {
        matches!(self.ended(), Some(Ended::Lost(_) | Ended::Broken(_)))
    }

    pub fn ended(&self) -> Option<&Ended> {
        self.session.ended()
    }

    pub fn state(&self, id: TransferId) -> Option<&'static str> {
        self.session.state_name(Some(id))
    }

    /// What the user was told that the peer said.
    pub fn texts(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Message { text, .. } => Some(text.lossy().into_owned()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    /// The last text of ours that was read.
    pub fn delivered(&self) -> u64 {
        let seq = |event: &Event| if let Event::Delivered { seq } = event { Some(*seq) } else { None };
        self.events.iter().rev().find_map(seq).unwrap_or(0)
    }

    /// How a transfer ended: its events' names, with the reason.
    pub fn outcome(&self, id: TransferId) -> Vec<String> {
        let outcome = |event: &Event| match event {
            Event::Received { id: of, .. } if *of == id => Some("received".to_owned()),
            Event::Sent { id: of, .. } if *of == id => Some("sent".to_owned()),
            Event::Failed { id: of, reason, .. } if *of == id => Some(format!("failed: {}", reason.lossy())),
            _ => None,
        };
        self.events.iter().filter_map(outcome).collect()
    }

    /// What was told of an earlier try that goes on: bytes that are there, blocks that come again.
    pub fn resumed(&self, id: TransferId) -> Option<(u64, u64)> {
        self.events.iter().find_map(|event| match event {
            Event::Resumed { id: of, bytes, again, .. } if *of == id => Some((*bytes, *again)),
            _ => None,
        })
    }

    /// The event that told of a failed transfer: resumable, wanted.
    pub fn failure(&self, id: TransferId) -> Option<(bool, bool)> {
        self.events.iter().find_map(|event| match event {
            Event::Failed { id: of, resumable, wanted, .. } if *of == id => Some((*resumable, *wanted)),
            _ => None,
        })
    }

    pub fn failed(&self, id: TransferId) -> bool {
        self.failure(id).is_some()
    }
}

/// Moves what can be moved on one link.
fn pump(s: &mut Session, link: LinkId, channel: &mut Channel, disk: &mut MemDisk, now: Instant, mut wire: MemWire<'_>) {
    let mut pump = Pump { session: s, link, channel, wire: &mut wire, disk, now };
    pump.send(256 * 1024).unwrap();
    match pump.receive(256 * 1024, 64 * 1024) {
        Ok(Left::End) => s.handle_eof(link, now),
        Ok(_) | Err(LinkError::Protocol(_)) => {}
        Err(LinkError::Io(error)) => panic!("memory fails: {error}"),
        Err(LinkError::Channel(error)) => panic!("nothing is encrypted here: {error}"),
    }
}

/// Two sides, a and b; a leads.
pub struct Pair {
    pub a: Side,
    pub b: Side,
    pub ab: Pipe,
    pub ba: Pipe,
    /// The bulk link, from a and from b.
    pub bulk_ab: Pipe,
    pub bulk_ba: Pipe,
    /// The greatest epoch so far, if talk links are cut.
    pub epoch: u32,
    /// After how many bytes each way the talk links are cut that come in place of the first.
    pub cuts: VecDeque<[Option<usize>; 2]>,
    pub now: Instant,
    pub began: Instant,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(setup(true), setup(false))
    }

    pub fn with(a: Setup, b: Setup) -> Self {
        let now = Instant::now();
        let (a, b) = (Side::new(a, now), Side::new(b, now));
        let [ab, ba, bulk_ab, bulk_ba] = [(); 4].map(|()| Pipe::default());
        Self { a, b, ab, ba, bulk_ab, bulk_ba, epoch: 100, cuts: VecDeque::new(), now, began: now }
    }

    /// A bulk link comes up at both sides.
    pub fn bulk_up(&mut self, epoch: u32) {
        self.bulk_up_at_a(epoch);
        self.bulk_up_at_b(epoch);
    }

    pub fn bulk_up_at_a(&mut self, epoch: u32) {
        (self.bulk_ab, self.a.bulk) = (Pipe::default(), Some((bulk_link(epoch), bulk_channel())));
        self.a.session.bulk_up(bulk_link(epoch), epoch, self.now);
    }

    pub fn bulk_up_at_b(&mut self, epoch: u32) {
        (self.bulk_ba, self.b.bulk) = (Pipe::default(), Some((bulk_link(epoch), bulk_channel())));
        self.b.session.bulk_up(bulk_link(epoch), epoch, self.now);
    }

    /// The bulk link dies, with everything that is under way on it. Who is told notices.
    pub fn bulk_lost(&mut self, epoch: u32, a_notices: bool, b_notices: bool) {
        (self.bulk_ab, self.bulk_ba) = (Pipe::default(), Pipe::default());
        if a_notices {
            self.a.session.link_lost(bulk_link(epoch), self.now, "reset");
        }
        if b_notices {
            self.b.session.link_lost(bulk_link(epoch), self.now, "reset");
        }
    }

    /// The talk link dies, with everything that is under way on it and on the bulk link. Who is told notices.
    pub fn talk_lost(&mut self, a_notices: bool, b_notices: bool) {
        (self.ab, self.ba) = (Pipe::default(), Pipe::default());
        (self.bulk_ab, self.bulk_ba) = (Pipe::default(), Pipe::default());
        (self.a.channel, self.b.channel) = (Channel::default(), Channel::default());
        for (side, notices) in [(&mut self.a, a_notices), (&mut self.b, b_notices)] {
            if notices {
                side.session.link_lost(side.talk, self.now, "reset");
            }
        }
    }

    /// A new talk link comes up at both sides; so many bytes of each direction come through.
    pub fn talk_up(&mut self, epoch: u32, left: [Option<usize>; 2]) {
        self.talk_lost(false, false);
        (self.ab, self.ba) = (Pipe::cut_after(left[0]), Pipe::cut_after(left[1]));
        for side in [&mut self.a, &mut self.b] {
            (side.talk, side.bulk) = (talk_link(epoch), None);
            side.session.link_up(side.talk, epoch, self.now);
        }
    }

    /// Notices that the talk link was cut, once what has come through is read; a new one is there at once.
    fn notice_cut(&mut self) {
        for _ in 0..4 {
            if !self.a.is_dead() {
                self.a.pump(self.now, &mut Pipe { full: true, ..Pipe::default() }, &mut self.ba);
            }
            if !self.b.is_dead() {
                self.b.pump(self.now, &mut Pipe { full: true, ..Pipe::default() }, &mut self.ab);
            }
            let now = self.now;
            self.a.serve(now);
            self.b.serve(now);
        }
        self.talk_lost(true, true);
        self.epoch += 1;
        let left = self.cuts.pop_front().unwrap_or_default();
        if self.a.ended().is_none() && self.b.ended().is_none() {
            self.talk_up(self.epoch, left);
        }
    }

    fn under_way(&self) -> [usize; 4] {
        [&self.ab, &self.ba, &self.bulk_ab, &self.bulk_ba].map(|pipe| pipe.bytes.len())
    }

    /// One round of both sides; whether anything moved.
    pub fn step(&mut self) -> bool {
        if self.ab.cut || self.ba.cut {
            self.notice_cut();
            return true;
        }
        let before = (self.under_way(), self.ab.closed, self.ba.closed);
        let mut any = self.a.serve(self.now);
        if !self.a.is_dead() && !self.ab.closed {
            self.a.pump(self.now, &mut self.ab, &mut self.ba);
            self.a.pump_bulk(self.now, &mut self.bulk_ab, &mut self.bulk_ba);
        }
        self.ab.closed |= self.a.ended().is_some();
        let between = self.under_way();
        any |= self.b.serve(self.now);
        if !self.b.is_dead() && !self.ba.closed {
            self.b.pump(self.now, &mut self.ba, &mut self.ab);
            self.b.pump_bulk(self.now, &mut self.bulk_ba, &mut self.bulk_ab);
        }
        self.ba.closed |= self.b.ended().is_some();
        let after = (self.under_way(), self.ab.closed, self.ba.closed);
        any || before != after || between != after.0
    }

    /// Goes on until nothing moves at this moment.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Rounds until `done`, at this moment.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("it never comes to that");
    }

    /// Lets time pass, stopping at every deadline.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.run();
            let due = [&self.a, &self.b].into_iter().filter_map(|side| side.session.poll_timeout()).map(|(due, _)| due);
            let next = due.min().filter(|due| *due <= until);
            let Some(next) = next else { break };
            assert!(next > self.now || self.is_due(), "a deadline in the past");
            self.now = self.now.max(next);
            self.fire();
        }
        self.now = until;
        self.fire();
        self.run();
    }

    fn is_due(&self) -> bool {
        [&self.a, &self.b].into_iter().any(|s| s.session.poll_timeout().is_some_and(|(due, _)| due <= self.now))
    }

    fn fire(&mut self) {
        self.a.session.handle_timeout(self.now);
        self.b.session.handle_timeout(self.now);
    }

    /// Offers a file of a's to b.
    pub fn offer(&mut self, key: u64, size: u64) -> TransferId {
        let id = self.a.session.offer(self.now, &format!("file {key}"), Some(size)).unwrap();
        self.a.disk.sources.insert(id, Source { key, size });
        id
    }

    /// Offers a file of b's to a.
    pub fn offer_back(&mut self, key: u64, size: u64) -> TransferId {
        let id = self.b.session.offer(self.now, &format!("file {key}"), Some(size)).unwrap();
        self.b.disk.sources.insert(id, Source { key, size });
        id
    }

    pub fn leave_a(&mut self) {
        self.a.session.leave(self.now, LeaveReason::Done, None);
    }

    pub fn leave_b(&mut self) {
        self.b.session.leave(self.now, LeaveReason::Done, None);
    }

    /// Whether both ended by saying goodbye.
    pub fn both_left(&self) -> bool {
        self.a.ended() == Some(&Ended::Left) && self.b.ended() == Some(&Ended::Left)
    }

    /// Asserts that b has the whole file that a offered, under its name, and that both users know.
    pub fn assert_arrived(&self, id: TransferId) {
        let source = self.a.disk.sources[&id];
        assert_file(&self.a, &self.b, id, source);
    }

    /// The same the other way.
    pub fn assert_arrived_back(&self, id: TransferId) {
        let source = self.b.disk.sources[&id];
        assert_file(&self.b, &self.a, id, source);
    }
}

fn assert_file(from: &Side, to: &Side, id: TransferId, source: Source) {
    let expected = whole(source.key, source.size);
    let hash = *blake3::hash(&expected).as_bytes();
    assert!(to.disk.published.get(&id).is_some_and(|part| part.bytes == expected), "file {id} is not whole");
    let root = |event: &Event| match event {
        Event::Received { id: of, root, bytes, .. } if *of == id => Some((*root, *bytes)),
        Event::Sent { id: of, root, bytes, .. } if *of == id => Some((*root, *bytes)),
        _ => None,
    };
    assert_eq!(to.events.iter().find_map(root), Some((hash, source.size)), "at the receiver");
    assert_eq!(from.events.iter().find_map(root), Some((hash, source.size)), "at the sender");
}
