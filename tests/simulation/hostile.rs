//! One session whose peer says anything at any time: mostly what could be, so that it gets far.
//!
//! Owns: the peer, and what must hold whatever it says: no panic, memory under the ceiling, no final name but for what
//! was promised at its end. Must not know: how a session defends itself.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use tete::net::channel::Channel;
use tete::net::pump::{LinkError, Moved, Pump, SentFile, Wire};
use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::digest::BLOCK;
use tete::proto::disk::{DiskAnswer, DiskJob};
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::{CancelReason, Frame, MAX_DIGESTS, encode_chunk_header};
use tete::proto::session::{Session, Setup};
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_EVENTS, Policy};
use tete::proto::{LinkId, TransferId};

use crate::drive::{Drive, Held, Shelved, SimFile, value};
use crate::ledger::ceiling;
use crate::part::is_final;
use crate::promise::{Kept, Promise, check};
use crate::random::Random;
use crate::support::disk::{Fault, whole};
use crate::support::{bulk_channel, take_held};

const STEPS: u64 = 600;
/// What a user that is far behind finds, and what one more turn may add to it.
const MAX_UNTOLD: usize = MAX_EVENTS + 64;

/// A link whose other end is written by hand.
#[derive(Default)]
struct HostileWire {
    input: VecDeque<u8>,
    /// What the session has said, as far as the peer has not looked at it.
    output: Vec<u8>,
    /// Bytes that it takes before the peer reads again.
    room: usize,
    /// What no file has taken yet.
    held: Vec<u8>,
}

impl Wire for HostileWire {
    type File = SimFile;
    type Pipe = Vec<u8>;

    fn send(&mut self, bytes: &[u8], _more: bool) -> io::Result<Moved> {
        let n = bytes.len().min(self.room);
        self.room -= n;
        self.output.extend_from_slice(&bytes[..n]);
        Ok(if n == 0 { Moved::WouldBlock } else { Moved::Bytes(n) })
    }

    fn send_file(&mut self, file: &SimFile, offset: u64, len: usize) -> io::Result<SentFile> {
        let Some(bytes) = file.bytes(offset, len) else { return Ok(SentFile::Refused) };
        if bytes.is_empty() {
            return Ok(SentFile::Bytes(0));
        }
        Ok(match self.send(&bytes, false)? {
            Moved::Bytes(n) => SentFile::Bytes(n),
            Moved::WouldBlock => SentFile::WouldBlock,
        })
    }

    fn fill_pipe(&mut self, len: usize) -> io::Result<Option<Moved>> {
        let n = len.min(self.input.len());
        self.held.extend(self.input.drain(..n));
        Ok(Some(if n == 0 { Moved::WouldBlock } else { Moved::Bytes(n) }))
    }

    fn pipe(&mut self) -> Option<&mut Vec<u8>> {
        Some(&mut self.held).filter(|held| !held.is_empty())
    }

    fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        if !self.held.is_empty() {
            return Ok(Moved::Bytes(take_held(&mut self.held, buffer)));
        }
        let n = buffer.len().min(self.input.len());
        if n == 0 {
            return Ok(Moved::WouldBlock);
        }
        io::Read::read_exact(&mut self.input, &mut buffer[..n])?;
        Ok(Moved::Bytes(n))
    }
}

/// A file that the peer offers.
struct Theirs {
    key: u64,
    size: u64,
    at: u64,
    told: u64,
    accepted: bool,
    ended: bool,
}

/// See the head of this page.
pub(crate) struct Siege {
    random: Random,
    now: Instant,
    session: Session,
    drive: Drive,
    channel: Channel,
    wire: HostileWire,
    decoder: Decoder,
    link: LinkId,
    epoch: u32,
    theirs: BTreeMap<TransferId, Theirs>,
    ours: Vec<TransferId>,
    /// What it has said of the ends of its files.
    ends: BTreeMap<TransferId, (u64, [u8; 32])>,
    seq: u64,
    next: u64,
    pending: VecDeque<(DiskJob, Option<Held>)>,
    bulk: Option<(LinkId, Channel, HostileWire)>,
    said: u64,
    returns: bool,
}

impl Siege {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6861_7465);
        let lead = random.chance(500);
        let setup = Setup {
            lead,
            policy: random.pick(&[Policy::Auto, Policy::Auto, Policy::Ask, Policy::Never]),
            sync: random.chance(800),
            verify: true,
            limit: random.chance(100).then_some(1_000_000),
            returns: random.chance(500),
            linger: Duration::from_secs(180),
        };
        let (now, link) = (Instant::now(), LinkId(1));
        let mut drive = Drive::new(Random::new(random.next()), None);
        (drive.synced, drive.reads) = (setup.sync, random.chance(500));
        drive.flaky = random.pick(&[0, 0, 50]);
        Self {
            now,
            session: Session::new(setup, link, now),
            drive,
            channel: Channel::default(),
            wire: HostileWire { room: 1 << 20, ..HostileWire::default() },
            decoder: Decoder::default(),
            link,
            epoch: 1,
            theirs: BTreeMap::new(),
            ours: Vec::new(),
            ends: BTreeMap::new(),
            seq: 1,
            next: if lead { 2 } else { 1 },
            pending: VecDeque::new(),
            bulk: None,
            said: 0,
            returns: setup.returns,
            random,
        }
    }

    /// Runs to the end; how many frames the peer got through, and how many files.
    pub(crate) fn run(mut self) -> Result<(u64, usize), crate::promise::Violation> {
        for step in 0..STEPS {
            self.provoke();
            self.live();
            self.pump();
            self.work()?;
            self.look();
            let untold = self.session.untold();
            check(untold <= MAX_UNTOLD, Promise::Bounds, || format!("{untold} events wait"))?;
            if step % 200 == 199 {
                ceiling(&self.session)?;
            }
            if self.session.ended().is_some() {
                break;
            }
        }
        self.session.give_up(self.now, "the siege is over");
        check(self.session.ended().is_some(), Promise::Progress, || "it goes on".to_owned())?;
        while !self.pending.is_empty() || self.takes_jobs() {
            self.work()?;
        }
        check(self.session.poll_timeout().is_none(), Promise::Progress, || "a deadline is left".to_owned())?;
        ceiling(&self.session)?;
        let files = self.drive.platter.names().filter(|(name, _)| is_final(name)).count();
        Ok((self.said, files))
    }

    fn number(&mut self, near: u64) -> u64 {
        match self.random.below(6) {
            0 => self.random.next(),
            1 => u64::MAX,
            2 => 0,
            3 => near.wrapping_sub(1),
            4 => near + 1,
            _ => near,
        }
    }

    fn any_id(&mut self) -> TransferId {
        let known: Vec<TransferId> = self.theirs.keys().chain(&self.ours).copied().collect();
        if known.is_empty() || self.random.chance(50) {
            return TransferId(self.random.below(40));
        }
        self.random.pick(&known)
    }

    fn say(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.say_bytes(&bytes);
    }

    /// Over the talk link, or now and then over the other.
    fn say_bytes(&mut self, bytes: &[u8]) {
        self.said += 1;
        let wrong_way = self.random.chance(1);
        match &mut self.bulk {
            Some((_, _, wire)) if wrong_way => wire.input.extend(bytes),
            _ => self.wire.input.extend(bytes),
        }
    }

    /// The peer does something.
    fn provoke(&mut self) {
        match self.random.below(1000) {
            0..500 => self.send_on(),
            500..600 => self.offer(),
            600..720 => {
                let text = "z".repeat(self.random.skewed(16_000) as usize);
                self.say(&Frame::Text { seq: self.seq, text: Untrusted::from(text.as_str()) });
                self.seq += 1;
            }
            720..800 => self.answer(),
            800..850 => self.say(&Frame::Ping { token: 7 }),
            850..997 => {}
            997 => {
                let bytes: Vec<u8> = (0..self.random.between(1, 60)).map(|_| self.random.next() as u8).collect();
                self.say_bytes(&bytes);
            }
            _ => self.lie(),
        }
    }

    fn offer(&mut self) {
        let id = TransferId(self.next);
        self.next += 2;
        let (key, size) = (self.random.below(9), self.random.skewed(5 << 19));
        let name = self.random.pick(&["a", "a", "b", "../x", "\u{202e}exe.txt", "con", ".hidden", "é"]);
        let told = self.random.chance(800).then_some(size);
        self.say(&Frame::Offer { id, size: told, name: Untrusted::from(name) });
        self.theirs.insert(id, Theirs { key, size, at: 0, told: 0, accepted: false, ended: false });
    }

    /// One of its files goes on, rightly for the most part.
    fn send_on(&mut self) {
        let moving: Vec<TransferId> =
            self.theirs.iter().filter(|(_, file)| file.accepted && !file.ended).map(|(id, _)| *id).collect();
        if moving.is_empty() {
            return;
        }
        let id = self.random.pick(&moving);
        let wrong = self.random.chance(4);
        let Some(file) = self.theirs.get_mut(&id) else { return };
        let bytes = whole(file.key, file.size);
        if file.at < file.size {
            let len = self.random.between(1, (file.size - file.at).min(1 << 18));
            let mut body = bytes[file.at as usize..(file.at + len) as usize].to_vec();
            body[0] ^= u8::from(wrong);
            let mut out = Vec::new();
            encode_chunk_header(&mut out, id, file.at, len as u32);
            out.extend_from_slice(&body);
            file.at += len;
            return self.say_bytes(&out);
        }
        let blocks = bytes.chunks(BLOCK as usize).enumerate().skip(file.told as usize);
        let values: Vec<[u8; 32]> = blocks
            .take(MAX_DIGESTS)
            .map(|(index, bytes)| {
                let block = tete::proto::disk::Block { index: index as u64, len: bytes.len() as u32 };
                value(block, bytes).chaining
            })
            .collect();
        if !values.is_empty() {
            let first = file.told;
            file.told += values.len() as u64;
            return self.say(&Frame::Digests { id, first, values });
        }
        file.ended = true;
        let (size, mut root) = (file.size, *blake3::hash(&bytes).as_bytes());
        root[0] ^= u8::from(wrong);
        self.ends.insert(id, (size, root));
        self.say(&Frame::End { id, size, root });
    }

    /// It says something about a file of ours.
    fn answer(&mut self) {
        if self.ours.is_empty() {
            return;
        }
        let id = self.random.pick(&self.ours);
        let stored = self.random.skewed(4 << 20);
        let frame = match self.random.below(12) {
            0..5 => Frame::Accept { id, from: 0 },
            5..8 => Frame::Progress { id, stored, verified: stored / 2 },
            8 => Frame::Committed { id },
            9 => Frame::Cancel { id, reason: Some(CancelReason::User), words: Untrusted::from("no") },
            10 => Frame::Refuse { id, words: Untrusted::from("no") },
            _ => Frame::Cancelled { id },
        };
        // Most of it comes at a wrong time, and ends the conversation.
        if matches!(frame, Frame::Accept { .. }) || self.random.chance(20) {
            self.say(&frame);
        }
    }

    /// Any frame at any time.
    fn lie(&mut self) {
        let (id, near) = (self.any_id(), self.random.skewed(4 << 20));
        let (a, b) = (self.number(near), self.number(near));
        let words = Untrusted::from("\u{1b}[2J");
        let frame = match self.random.below(19) {
            0 => Frame::TextAck { seq: a },
            1 => Frame::Accept { id, from: a },
            2 => Frame::Refuse { id, words },
            3 => Frame::Digests { id, first: a, values: vec![[1; 32]; self.random.between(1, 32) as usize] },
            4 => Frame::End { id, size: a, root: [2; 32] },
            5 => Frame::Progress { id, stored: a, verified: b },
            6 => Frame::Committed { id },
            7 => Frame::Cancel { id, reason: None, words },
            8 => Frame::Cancelled { id },
            9 => Frame::Move { id, epoch: a as u32 },
            10 => Frame::Resume { id, epoch: a as u32, stored: b, told: a },
            11 => Frame::Lacks { id, from: a, blocks: vec![b / BLOCK] },
            12 => Frame::Pong { token: a },
            13 => Frame::LinkDown { epoch: a as u32 },
            14 => Frame::Back { texts: a, orders: b, bye: false },
            15 => Frame::Heard { orders: a },
            16 => Frame::Bye { reason: LeaveReason::Done },
            17 => Frame::Text { seq: a, text: words },
            _ => Frame::Wait,
        };
        if let Frame::End { size, root, .. } = &frame {
            self.ends.insert(id, (*size, *root));
        }
        self.say(&frame);
    }

    /// Our user, the clock and the links.
    fn live(&mut self) {
        self.now += Duration::from_micros(self.random.skewed(3_000_000));
        let now = self.now;
        match self.random.below(60) {
            0 => drop(self.session.say(now, "hello")),
            1 | 2 => {
                let number = self.random.below(1 << 40);
                let size = self.random.skewed(3 << 20);
                if let Ok(id) = self.session.offer(now, "ours", Some(size)) {
                    self.drive.shelf.insert(number, Shelved { key: number, size, stamp: 0 });
                    self.drive.offer(id, number, false);
                    self.ours.push(id);
                }
            }
            3..6 => drop(self.session.accept(now, None)),
            6 => drop(self.session.refuse(now, None)),
            7 => drop(self.session.cancel(now, None)),
            8 if self.random.chance(50) => self.session.leave(now, LeaveReason::Done, None),
            9 if self.returns && self.random.chance(100) => {
                self.session.link_lost(self.link, now, "reset");
                self.epoch += 1;
                (self.link, self.decoder) = (LinkId(100 + u64::from(self.epoch)), Decoder::default());
                (self.channel, self.wire) = (Channel::default(), HostileWire { room: 1 << 20, ..Default::default() });
                self.session.link_up(self.link, self.epoch, now);
                if self.random.chance(900) {
                    self.say(&Frame::Back { texts: 0, orders: 0, bye: false });
                }
            }
            10 => {
                self.epoch += 1;
                let link = LinkId(1000 + u64::from(self.epoch));
                self.session.bulk_up(link, self.epoch, now);
                self.bulk = Some((link, bulk_channel(), HostileWire { room: 1 << 22, ..Default::default() }));
            }
            11 => self.session.handle_timeout(now),
            12 => {
                let id = self.any_id();
                self.drive.planned.insert(id, self.random.pick(&[Fault::HashPart, Fault::Sync, Fault::Create]));
            }
            _ => {}
        }
        if self.random.chance(800) {
            self.wire.room = self.wire.room.max(self.random.below(1 << 20) as usize);
        }
        let reads = if self.random.chance(700) { self.random.below(40) } else { 0 };
        for _ in 0..reads {
            let event: Option<Event> = self.session.poll_event();
            if event.is_none() {
                break;
            }
        }
    }

    fn pump(&mut self) {
        let budget = self.random.between(1, 1 << 19) as usize;
        let (session, disk, now) = (&mut self.session, &mut self.drive, self.now);
        let talk = Some((self.link, &mut self.channel, &mut self.wire));
        let bulk = self.bulk.as_mut().map(|(link, channel, wire)| (*link, channel, wire));
        for (link, channel, wire) in talk.into_iter().chain(bulk) {
            let mut pump = Pump { session, link, channel, wire, disk, now };
            let received = pump.receive(budget, 1 << 17);
            assert!(!matches!(received, Err(LinkError::Io(_) | LinkError::Channel(_))), "{received:?}");
            let _ = pump.send(budget);
        }
    }

    fn takes_jobs(&mut self) -> bool {
        let before = self.pending.len();
        while let Some(job) = self.session.poll_job() {
            let held = self.drive.submit(&job);
            self.pending.push_back((job, held));
        }
        self.pending.len() > before
    }

    fn work(&mut self) -> Kept {
        self.takes_jobs();
        for _ in 0..self.random.below(6).min(self.pending.len() as u64) + 1 {
            let Some((job, held)) = self.pending.pop_front() else { break };
            let (publishes, id) = (matches!(job, DiskJob::Publish(_)), job.transfer());
            let inode = held.and_then(|held| Some(self.drive.parts.get(&held.part)?.made.as_ref()?.inode));
            let answer = self.drive.perform(job, held);
            if publishes && matches!(&answer, Some(DiskAnswer::Published(_, Ok(_)))) {
                let bytes = inode.map_or(&[][..], |inode| self.drive.platter.bytes(inode));
                let is = (bytes.len() as u64, *blake3::hash(bytes).as_bytes());
                let said = self.ends.get(&id);
                check(said == Some(&is), Promise::Names, || {
                    format!("{id} was published, and is not what was promised")
                })?;
            }
            if let Some(answer) = answer {
                self.session.job_done(self.now, answer);
            }
        }
        Ok(())
    }

    /// The peer looks what was said, so that it knows which of its files are wanted.
    fn look(&mut self) {
        let mut rest = &self.wire.output[..];
        while !rest.is_empty() {
            if let Some(span) = self.decoder.body() {
                let n = (rest.len() as u64).min(span.len);
                self.decoder.take_body(n);
                rest = &rest[n as usize..];
                continue;
            }
            let Ok((n, found)) = self.decoder.push(rest) else { break };
            rest = &rest[n..];
            if let Decoded::Frame(Frame::Accept { id, from: 0 }) = found
                && let Some(file) = self.theirs.get_mut(&id)
            {
                file.accepted = true;
            }
            if n == 0 {
                break;
            }
        }
        self.wire.output.clear();
        self.bulk.iter_mut().for_each(|(_, _, wire)| wire.output.clear());
    }
}
