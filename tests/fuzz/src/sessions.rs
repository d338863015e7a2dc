//! What is to be true of a session, whatever its peer says, its owner does and the world tells it, in any order.
//!
//! The data are a script: first what the session is, then one act after the other (a byte, and what belongs to it). All
//! files are of zeros, so that a peer of the script can tell their values.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use blake3::hazmat::HasherExt as _;
use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::digest::{BLOCK, DigestTree, block_count};
use tete::proto::disk::{Block, BlockValue, DiskAnswer, DiskError, DiskJob};
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::{CancelReason, Frame, encode_chunk_header};
use tete::proto::outbox::Transmit;
use tete::proto::session::{Deadline, Ended, Receive, Session, Setup};
use tete::proto::stages::{Half, Held, Spent, Turn};
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_EVENTS, MAX_JOBS, MAX_OFFERS, Policy};
use tete::proto::{LinkId, TransferId};

/// Acts in a script, at most.
const MAX_ACTS: usize = 3000;
/// Bytes that the peer has said and that were not taken, at most.
const MAX_INBOX: usize = 1 << 20;
/// What one frame, or one act of the owner, can add to a bound that is looked at between frames.
const SLACK: usize = 2 * MAX_OFFERS;
/// Sizes of files, and places in them.
const PLACES: [u64; 8] = [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 5, 3 * BLOCK, u64::MAX - 1];

/// A session and its world.
struct Play {
    session: Session,
    now: Instant,
    talk: Wire,
    bulk: Option<Wire>,
    /// Numbers and epochs of links so far.
    links: u32,
    /// Handed out and not done.
    jobs: VecDeque<DiskJob>,
    /// Files that our user has offered, each of which may leave a source to be closed.
    offers: usize,
    sync: bool,
    /// Streams of ours: what they have brought, and whether that is all.
    streams: BTreeMap<TransferId, (u64, bool)>,
    /// Texts that our user has read.
    heard: u64,
    /// Files that are on the disk, have their name, and whose name is on the disk.
    synced: BTreeSet<TransferId>,
    named: BTreeSet<TransferId>,
    settled: BTreeSet<TransferId>,
    /// Files that the peer has said to have.
    committed: BTreeSet<TransferId>,
    ended: Option<Ended>,
    /// What has happened at least once.
    seen: BTreeSet<&'static str>,
}

/// One link, as the peer has it.
struct Wire {
    id: LinkId,
    /// Said by the peer and not taken.
    inbox: VecDeque<u8>,
    /// Reads what the session says.
    decoder: Decoder,
}

impl Wire {
    fn new(number: u32) -> Self {
        Self { id: LinkId(u64::from(number)), inbox: VecDeque::new(), decoder: Decoder::default() }
    }
}

/// No peer makes it panic, hold or say without bound, show a text twice or out of order, or call something delivered
/// that is not; and once it has ended it stays so.
pub(crate) fn session(data: &[u8]) {
    lived(data);
}

/// [`session`], and what it has come to.
pub(crate) fn lived(data: &[u8]) -> BTreeSet<&'static str> {
    let Some((&what, script)) = data.split_first() else { return BTreeSet::new() };
    let mut play = Play::new(what);
    let mut script = script.iter().copied();
    for _ in 0..MAX_ACTS {
        let Some(act) = script.next() else { break };
        play.act(act, &mut script);
        play.check();
    }
    play.seen
}

thread_local! {
    /// Values of blocks by index and length: hashing the same zeros again would be most of what a script costs.
    static VALUES: RefCell<BTreeMap<(u64, u32), BlockValue>> = const { RefCell::new(BTreeMap::new()) };
}

/// The value of a block of zeros.
fn value(block: Block) -> BlockValue {
    VALUES.with_borrow_mut(|values| *values.entry((block.index, block.len)).or_insert_with(|| hashed(block)))
}

fn hashed(block: Block) -> BlockValue {
    let zeros = vec![0; block.len as usize];
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(block.index * BLOCK).update(&zeros);
    let whole = if block.index == 0 { *blake3::hash(&zeros).as_bytes() } else { [0; 32] };
    BlockValue { chaining: hasher.finalize_non_root(), whole }
}

fn block(index: u64, size: u64) -> Option<Block> {
    let len = size.checked_sub(index * BLOCK).filter(|left| *left > 0)?.min(BLOCK);
    Some(Block { index, len: len as u32 })
}

fn root(size: u64) -> [u8; 32] {
    let mut tree = DigestTree::default();
    (0..block_count(size).min(4)).filter_map(|index| block(index, size)).for_each(|block| tree.push(&value(block)));
    tree.root()
}

impl Play {
    fn new(what: u8) -> Self {
        let policy = [Policy::Auto, Policy::Ask, Policy::Never, Policy::Auto][usize::from(what >> 1 & 3)];
        let setup = Setup {
            lead: what & 1 == 1,
            policy,
            sync: what & 8 == 0,
            verify: what & 16 == 0,
            limit: (what & 32 != 0).then_some(100_000),
            returns: what & 64 == 0,
            linger: Duration::from_secs(if what & 128 == 0 { 600 } else { 0 }),
        };
        let (now, none) = (Instant::now(), BTreeSet::new);
        Self {
            session: Session::new(setup, LinkId(1), now),
            now,
            talk: Wire::new(1),
            bulk: None,
            links: 1,
            jobs: VecDeque::new(),
            offers: 0,
            sync: setup.sync,
            streams: BTreeMap::new(),
            heard: 0,
            synced: none(),
            named: none(),
            settled: none(),
            committed: none(),
            ended: None,
            seen: BTreeSet::new(),
        }
    }

    fn act(&mut self, act: u8, script: &mut impl Iterator<Item = u8>) {
        let mut next = || script.next().unwrap_or(0);
        let now = self.now;
        match act % 32 {
            0 => {
                let length = usize::from(next());
                self.talk.inbox.extend(script.take(length));
            }
            1..=7 => {
                let frame = self.frame(next(), next(), next(), next());
                let mut bytes = Vec::new();
                frame.encode(&mut bytes);
                self.wire(act & 32 != 0).inbox.extend(bytes);
            }
            8 => {
                let (id, place, len) = (transfer(next()), PLACES[usize::from(next() % 8)], next());
                let len = [1, 1000, 5, 16 * 1024, 64 * 1024, BLOCK as u32 - 1, BLOCK as u32, 7][usize::from(len % 8)];
                let mut bytes = Vec::new();
                encode_chunk_header(&mut bytes, id, place, len);
                bytes.resize(bytes.len() + len as usize, 0);
                self.wire(act & 32 != 0).inbox.extend(bytes);
            }
            9 => {
                let at_most = usize::from(next());
                self.deliver(act & 32 != 0, at_most);
            }
            10 | 11 => self.deliver(act & 32 != 0, usize::MAX),
            12 => {
                let at_most = usize::from(next());
                self.transmit(act & 32 != 0, at_most);
            }
            13 => self.transmit(act & 32 != 0, 64 * 1024),
            14..=16 => {
                self.work(act & 31 == 15, act & 31 == 16);
            }
            17 => {
                (0..200).find(|_| !self.work(false, false));
            }
            18 => self.read(usize::from(act >> 5) * 40 + 1),
            19 => {
                // Too much of it is refused.
                let _ = self.session.say(now, &"x".repeat(usize::from(next()) * 70));
            }
            20 => {
                let size = PLACES.get(usize::from(next() % 10)).copied();
                let offered = self.session.offer(now, "a.bin", size);
                self.offers += usize::from(offered.is_ok());
                if let (Ok(id), None) = (offered, size) {
                    self.streams.insert(id, (0, false));
                }
            }
            21 => {
                let id = Some(TransferId(u64::from(next()))).filter(|id| id.0 < 200);
                let _ = match act >> 5 {
                    0..=2 => self.session.accept(now, id),
                    3 | 4 => self.session.refuse(now, id),
                    _ => self.session.cancel(now, id),
                };
            }
            22 => self.session.leave(now, LeaveReason::Done, (act & 32 != 0).then_some(Duration::from_secs(2))),
            23 => match next() & 7 {
                0 => self.session.cut(now, LeaveReason::Failed),
                1 => self.session.persist(),
                2 => self.session.give_up(now, "nobody calls any more"),
                3 => self.account(next(), next()),
                4 => {
                    let spent = Spent { reading: time(next()), hashing: time(next()) };
                    self.session.helped(transfer(next()), spent);
                }
                5 => self.show(),
                _ => self.session.texts_shown(self.heard),
            },
            24 => self.pass(Duration::from_millis(u64::from(next()) << (act >> 5))),
            25 => {
                if let Some((due, _)) = self.session.poll_timeout() {
                    self.pass(due.saturating_duration_since(now));
                }
            }
            26 => self.new_talk(act & 32 != 0),
            27 => self.new_bulk(),
            28 => {
                let wire = self.wire(act & 32 != 0).id;
                self.session.link_lost(wire, now, "reset");
            }
            29 => {
                let (id, bytes) = (TransferId(u64::from(next() % 8)), PLACES[usize::from(next() % 7)]);
                // No stream takes back what it has brought.
                if let Some((brought, over)) = self.streams.get_mut(&id).filter(|(_, over)| !over) {
                    (*brought, *over) = (bytes.max(*brought), act & 32 != 0);
                    self.session.stream_grew(now, id, *brought, *over);
                }
            }
            30 => {
                let (id, error) = (transfer(next()), wrong());
                match act & 32 {
                    0 => self.session.source_failed(now, id, &error),
                    _ => self.session.sink_failed(now, id, &error),
                }
            }
            _ if act & 32 == 0 => self.session.texts_shown(self.heard),
            _ => self.session.handle_eof(self.talk.id, now),
        }
    }

    fn wire(&mut self, bulk: bool) -> &mut Wire {
        self.bulk.as_mut().filter(|_| bulk).unwrap_or(&mut self.talk)
    }

    /// Something that makes sense somewhere.
    fn frame(&mut self, what: u8, a: u8, b: u8, c: u8) -> Frame {
        let (id, small) = (transfer(a), u64::from(b));
        let place = |byte: u8| PLACES[usize::from(byte % 8)];
        let words = || Untrusted::new(vec![b; usize::from(c)]);
        match what % 24 {
            0 | 1 => Frame::Text { seq: small, text: Untrusted::new(vec![a; usize::from(c)]) },
            2 => Frame::TextAck { seq: small },
            3 | 4 => {
                Frame::Offer { id, size: PLACES.get(usize::from(b % 9)).copied(), name: Untrusted::new(vec![c, b'x']) }
            }
            5 => Frame::Accept { id, from: place(b) },
            6 => Frame::Refuse { id, words: words() },
            7 => {
                let size = place(c);
                let blocks = (small % 4..small % 4 + 1 + u64::from(b >> 6)).filter_map(|index| block(index, size));
                let values: Vec<_> = blocks.map(|block| value(block).chaining).collect();
                let values = if values.is_empty() { vec![[c; 32]] } else { values };
                Frame::Digests { id, first: small % 4, values }
            }
            8 | 9 => {
                let size = place(b);
                Frame::End { id, size, root: if c < 200 && size < u64::MAX / 2 { root(size) } else { [c; 32] } }
            }
            10 => Frame::Progress { id, stored: place(b), verified: place(c) },
            11 => {
                self.committed.insert(id);
                Frame::Committed { id }
            }
            12 => {
                let reasons =
                    [Some(CancelReason::User), None, Some(CancelReason::Leaving), Some(CancelReason::SourceFailed)];
                Frame::Cancel { id, reason: reasons[usize::from(b % 4)], words: words() }
            }
            13 => Frame::Cancelled { id },
            14 => Frame::Move { id, epoch: u32::from(b) },
            15 => Frame::Resume { id, epoch: u32::from(b % 16), stored: place(b >> 4), told: place(c) },
            16 => Frame::Lacks { id, from: place(b), blocks: vec![u64::from(c % 4)] },
            17 => Frame::Ping { token: small },
            18 => Frame::Pong { token: small },
            19 => Frame::LinkDown { epoch: u32::from(b % 16) },
            20 => Frame::Back { texts: small, orders: u64::from(c), bye: a & 1 == 1 },
            21 => Frame::Heard { orders: small },
            22 => Frame::Bye { reason: if b & 1 == 0 { LeaveReason::Done } else { LeaveReason::Interrupted } },
            _ if a & 128 == 0 => Frame::Wait,
            _ => Frame::Spent { id, half: Half::from_micros([b, c, b ^ c, 0, b, c].map(micros)) },
        }
    }

    /// At most so many of the peer's bytes reach the session; none while a slow disk has more to do than the loop would
    /// let it have.
    fn deliver(&mut self, bulk: bool, at_most: usize) {
        if self.jobs.len() >= MAX_JOBS {
            return;
        }
        let now = self.now;
        let wire = self.bulk.as_mut().filter(|_| bulk).unwrap_or(&mut self.talk);
        wire.inbox.truncate(MAX_INBOX + BLOCK as usize);
        let bytes = wire.inbox.make_contiguous();
        let most = bytes.len().min(at_most);
        let mut at = 0;
        while at < most && self.session.has_link(wire.id) {
            let left = (most - at) as u64;
            let n = match self.session.poll_receive(wire.id) {
                Receive::Paused => break,
                Receive::Bytes { .. } => match self.session.handle_bytes(wire.id, now, &bytes[at..most]) {
                    Ok(n) => n as u64,
                    Err(_) => {
                        assert!(matches!(self.session.ended(), Some(Ended::Broken(_))), "it goes on");
                        break;
                    }
                },
                Receive::Discard { len } => {
                    self.session.stored(wire.id, now, None, len.min(left));
                    len.min(left)
                }
                Receive::File(span) => {
                    self.session.stored(wire.id, now, Some(span.transfer), span.len.min(left));
                    span.len.min(left)
                }
            };
            if n == 0 {
                break; // it wants something else first
            }
            at += n as usize;
        }
        wire.inbox.drain(..at);
    }

    /// At most so many of the session's bytes leave, and are frames.
    fn transmit(&mut self, bulk: bool, at_most: usize) {
        let now = self.now;
        let wire = self.bulk.as_mut().filter(|_| bulk).unwrap_or(&mut self.talk);
        let mut left = at_most;
        while left > 0 {
            let n = match self.session.poll_transmit(wire.id) {
                None => break,
                Some(Transmit::Bytes(bytes)) => {
                    let n = bytes.len().min(left);
                    let mut rest = &bytes[..n];
                    while !rest.is_empty() {
                        let (taken, _) = wire.decoder.push(rest).expect("what it says is right");
                        rest = &rest[taken..];
                    }
                    n
                }
                Some(Transmit::File(span)) => {
                    let n = left.min(span.len as usize);
                    wire.decoder.take_body(n as u64);
                    n
                }
                Some(Transmit::Padding(len)) => {
                    let n = left.min(len as usize);
                    wire.decoder.take_body(n as u64);
                    n
                }
            };
            assert!(n > 0, "nothing is wanted");
            self.session.sent(wire.id, now, n as u64);
            left -= n;
        }
    }

    /// Does the next job; whether there was one. A lie is a block that reads as something else, or a part of an earlier
    /// run.
    fn work(&mut self, fails: bool, lies: bool) -> bool {
        while let Some(job) = self.session.poll_job() {
            self.jobs.push_back(job);
        }
        let Some(job) = self.jobs.pop_front() else { return false };
        let id = job.transfer();
        let result = if fails { Err(wrong()) } else { Ok(()) };
        let hashed = |block: Block| {
            result.clone().map(|()| match lies {
                true => BlockValue { chaining: [9; 32], whole: [9; 32] },
                false => value(block),
            })
        };
        let answer = match job {
            DiskJob::OpenSource(_) => DiskAnswer::SourceOpened(id, result),
            DiskJob::HashSource(_, block) => DiskAnswer::SourceHashed(id, block, hashed(block)),
            DiskJob::CheckSource(_) => DiskAnswer::SourceChecked(id, result),
            DiskJob::CreatePart { size: Some(size), .. } if lies => {
                let blocks = (0..2).filter_map(|index| block(index, size));
                DiskAnswer::PartTaken(id, blocks.map(|block| value(block).chaining).collect())
            }
            DiskJob::CreatePart { .. } => DiskAnswer::PartCreated(id, result),
            DiskJob::ResumePart { .. } => {
                self.seen.insert("part taken up");
                DiskAnswer::PartCreated(id, result)
            }
            DiskJob::HashPart(_, block) => DiskAnswer::PartHashed(id, block, hashed(block)),
            DiskJob::FlushPart(_) | DiskJob::RecordPart { .. } | DiskJob::RestartPart(_) => {
                DiskAnswer::PartFlushed(id, result)
            }
            DiskJob::SyncPart(_) => {
                self.synced.extend(result.is_ok().then_some(id));
                DiskAnswer::PartSynced(id, result)
            }
            DiskJob::Publish(_) => {
                assert!(!self.sync || self.synced.contains(&id), "a name for bytes that may be lost");
                self.named.extend(result.is_ok().then_some(id));
                DiskAnswer::Published(id, result.map(|()| "fetched".to_owned()))
            }
            DiskJob::SyncFolder(_) => {
                assert!(self.named.contains(&id));
                self.settled.extend(result.is_ok().then_some(id));
                DiskAnswer::FolderSynced(id, result)
            }
            DiskJob::ForgetStream(..) | DiskJob::CloseSource(_) | DiskJob::KeepPart(_) | DiskJob::RemovePart(_) => {
                return true;
            }
        };
        self.session.job_done(self.now, answer);
        true
    }

    fn read(&mut self, at_most: usize) {
        for _ in 0..at_most {
            let Some(event) = self.session.poll_event() else { break };
            let what = match event {
                Event::Message { seq, .. } => {
                    assert_eq!(seq, self.heard + 1);
                    self.heard = seq;
                    "message"
                }
                Event::Received { id, .. } => {
                    assert!(self.named.remove(&id) && (!self.sync || self.settled.remove(&id)), "{id} is not there");
                    self.synced.remove(&id);
                    "received"
                }
                Event::Sent { id, .. } => {
                    assert!(self.committed.contains(&id), "nobody has {id}");
                    "sent"
                }
                Event::Delivered { .. } => "delivered",
                Event::Offer { .. } => "offer",
                Event::Failed { .. } => "failed",
                Event::Resumed { .. } => "resumed",
                Event::PeerLeaving { .. } => "peer leaving",
                Event::Silent { .. } => "silent",
                Event::Answering => "answering",
                Event::LinkLost { .. } => "link lost",
                Event::Back => "back",
            };
            self.seen.insert(what);
        }
    }

    /// A turn of the loop begins.
    fn account(&mut self, held: u8, took: u8) {
        let asks = self.session.wants_processor();
        let turn = Turn {
            talk: Held { full: held & 1 != 0, empty: held & 2 != 0 },
            bulk: Held { full: held & 4 != 0, empty: held & 8 != 0 },
            secure: held & 16 != 0,
            took: time(took),
            stopped: held & 32 != 0,
            processor: (asks && held & 64 != 0).then(|| time(took)),
        };
        self.session.account(self.now, &turn);
    }

    /// What is shown of it is no nonsense.
    fn show(&mut self) {
        for file in self.session.progress() {
            let most = file.size.unwrap_or(u64::MAX);
            assert!(file.verified <= file.bytes && file.bytes <= most && file.sent <= most, "{file:?}");
            let has_state = file.state == "queued" || self.session.state_name(Some(file.id)).is_some();
            assert!(has_state, "{file:?}");
            if let Some(verdict) = self.session.stages(file.id).and_then(|stages| stages.verdict()) {
                assert!((0.0..=1.0).contains(&verdict.first().share), "{verdict}");
                self.seen.insert("verdict");
            }
            self.seen.insert("progress");
        }
        let said = self.session.unread() as u64;
        assert!(said == 0 || self.session.first_unread() > 0);
        assert!(!self.session.is_away() || self.session.ended().is_none());
        assert!(self.session.ended().is_none() || !self.session.wants_bulk());
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
        let next = self.session.poll_timeout();
        let waits = next.is_none_or(|(due, what)| due > self.now || what == Deadline::Limit);
        assert!(waits, "it would be woken at once, for ever: {next:?}");
    }

    fn new_talk(&mut self, is_noticed: bool) {
        if is_noticed {
            self.session.link_lost(self.talk.id, self.now, "reset");
        }
        self.links += 1;
        (self.talk, self.bulk) = (Wire::new(self.links), None);
        self.session.link_up(self.talk.id, self.links, self.now);
    }

    fn new_bulk(&mut self) {
        self.links += 1;
        let wire = Wire::new(self.links);
        self.session.bulk_up(wire.id, self.links, self.now);
        self.bulk = Some(wire);
    }

    fn check(&mut self) {
        assert!(self.session.untold() <= MAX_EVENTS + SLACK, "{} events", self.session.untold());
        assert!(self.jobs.len() <= MAX_JOBS + self.offers + SLACK, "{} jobs", self.jobs.len());
        let ended = self.session.ended();
        if self.ended.is_some() {
            assert_eq!(ended, self.ended.as_ref(), "it has ended otherwise before");
            assert_eq!(self.session.poll_timeout(), None);
        }
        self.seen.extend(ended.map(|ended| match ended {
            Ended::Left => "ended: left",
            Ended::PeerCut => "ended: peer cut",
            Ended::Cut | Ended::Unanswered => "ended: cut",
            Ended::Lost(_) => "ended: lost",
            Ended::Broken(_) => "ended: broken",
        }));
        self.ended = ended.cloned();
    }
}

/// One of few, mostly; and more of them than there may be offers.
fn transfer(byte: u8) -> TransferId {
    TransferId(u64::from(if byte & 64 == 0 { byte % 8 } else { byte }))
}

/// From nothing to the most that a frame can tell.
fn micros(byte: u8) -> u64 {
    u64::MAX.checked_shr(64 - (u32::from(byte) + 1) / 4).unwrap_or(0)
}

/// Up to an hour and a bit.
fn time(byte: u8) -> Duration {
    Duration::from_micros(micros(byte / 2))
}

fn wrong() -> DiskError {
    DiskError { words: "Input/output error".to_owned(), resumable: true }
}
