//! How fast frames are written and read, and how fast two sessions talk and move files when that is all they do.
//!
//! ```sh
//! cargo bench --bench codec
//! cargo bench --bench codec -- decode    # only what has this in its name
//! ```
//!
//! No socket, no disk, no clock: what is measured here is what the protocol costs on top of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};

use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::disk::{BlockValue, DiskAnswer, DiskJob};
use tete::proto::event::Event;
use tete::proto::frame::{Frame, MAX_DIGESTS, MAX_TEXT, encode_chunk_header};
use tete::proto::outbox::Transmit;
use tete::proto::session::{Receive, Session, Setup};
use tete::proto::talk::WINDOW_BYTES;
use tete::proto::text::Untrusted;
use tete::proto::transfers::{Policy, TALK_CHUNK};
use tete::proto::{LinkId, TransferId};

/// What a TCP segment brings over Ethernet.
const SEGMENT: usize = 1460;
/// How many frames of each kind stand in the mixed stream.
const MIXED: usize = 50;
/// Texts that each side says before it hears the other's, if they are short: fewer than a window has room for.
const TEXTS: usize = 100;
const FILE: u64 = 64 << 20;
const LINK: LinkId = LinkId(1);
const ID: TransferId = TransferId(1);

fn main() {
    // A minute at most for all of it; figures to within some percent are enough to see a step back.
    let criterion = Criterion::default().sample_size(30).nresamples(5000).without_plots();
    let criterion = criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let mut criterion = criterion.configure_from_args();
    single_frames(&mut criterion);
    mixed_stream(&mut criterion);
    sessions(&mut criterion);
    criterion.final_summary();
}

fn frames() -> [(&'static str, Frame); 3] {
    let text = |len| Frame::Text { seq: 1, text: Untrusted::new(vec![b'x'; len]) };
    let digests = Frame::Digests { id: ID, first: 0, values: vec![[7; 32]; MAX_DIGESTS] };
    [("short text", text(64)), ("long text", text(MAX_TEXT)), ("digests", digests)]
}

fn chunk_header(out: &mut Vec<u8>) {
    encode_chunk_header(out, black_box(ID), 0, TALK_CHUNK as u32);
}

fn encoded(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

fn both(frames: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: frames as u64, bytes: bytes as u64 }
}

/// One frame at a time, into a buffer that is used again, and out of a decoder that stays.
fn single_frames(criterion: &mut Criterion) {
    single_frame(criterion, "chunk header", chunk_header);
    for (name, frame) in frames() {
        single_frame(criterion, name, |out| frame.encode(out));
    }
}

fn single_frame(criterion: &mut Criterion, name: &str, write: impl Fn(&mut Vec<u8>)) {
    let bytes = encoded(&write);
    let mut out = Vec::with_capacity(bytes.len());
    criterion.benchmark_group("encode").throughput(both(1, bytes.len())).bench_function(name, |bencher| {
        bencher.iter(|| {
            out.clear();
            write(black_box(&mut out));
        });
    });
    let mut decoder = Decoder::default();
    criterion.benchmark_group("decode").throughput(both(1, bytes.len())).bench_function(name, |bencher| {
        bencher.iter(|| {
            let found = decoder.push(black_box(&bytes)).expect("it is a frame of ours");
            if let (_, Decoded::Chunk(span)) = &found {
                decoder.take_body(span.len);
            }
            found
        });
    });
}

/// Frames and the bytes of files in turn, cut as a network may cut them.
fn mixed_stream(criterion: &mut Criterion) {
    let frames = frames();
    let stream = encoded(|out| {
        for _ in 0..MIXED {
            for (_, frame) in &frames {
                frame.encode(out);
                Frame::Ping { token: 7 }.encode(out);
            }
            chunk_header(out);
            out.resize(out.len() + TALK_CHUNK as usize, b'f');
        }
    });
    let count = MIXED * (2 * frames.len() + 1);
    let mut group = criterion.benchmark_group("decode a stream");
    group.throughput(both(count, stream.len()));
    for (name, piece) in [("whole", stream.len()), ("in segments", SEGMENT), ("byte by byte", 1)] {
        let mut decoder = Decoder::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let found: usize = black_box(&stream).chunks(piece).map(|piece| read(&mut decoder, piece)).sum();
                assert_eq!(found, count);
            });
        });
    }
}

/// Takes all of `bytes`, those of files by their number alone; how many frames ended, or chunks began.
fn read(decoder: &mut Decoder, mut bytes: &[u8]) -> usize {
    let mut found = 0;
    while !bytes.is_empty() {
        let taken = match decoder.body() {
            Some(span) => {
                let taken = bytes.len().min(span.len as usize);
                decoder.take_body(taken as u64);
                taken
            }
            None => {
                let (taken, decoded) = decoder.push(bytes).expect("it is a stream of ours");
                found += usize::from(black_box(decoded) != Decoded::Nothing);
                taken
            }
        };
        bytes = &bytes[taken..];
    }
    found
}

/// Two sessions, back to back.
fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sessions");
    for (name, frame) in frames().into_iter().take(2) {
        let Frame::Text { text, .. } = frame else { continue };
        let text = text.lossy().into_owned();
        let texts = TEXTS.min(WINDOW_BYTES / text.len());
        let mut pair = Pair::new();
        group.throughput(both(2 * texts, 2 * texts * text.len()));
        group.bench_function(name, |bencher| bencher.iter(|| pair.talk(&text, texts)));
    }
    group.throughput(Throughput::Bytes(FILE));
    group.bench_function("a file of 64 MiB", |bencher| {
        bencher.iter_batched_ref(Pair::new, |pair| pair.deliver(FILE), BatchSize::SmallInput);
    });
}

/// Both ends of a conversation, and the time, which passes as told.
struct Pair {
    anna: Session,
    bob: Session,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let setup = |lead| Setup {
            lead,
            policy: Policy::Auto,
            sync: true,
            verify: true,
            limit: None,
            returns: false,
            linger: Duration::from_secs(60),
        };
        Self { anna: Session::new(setup(true), LINK, now), bob: Session::new(setup(false), LINK, now), now }
    }

    /// Everything that either has for the other; how many texts and files arrived.
    fn exchange(&mut self) -> usize {
        self.now += Duration::from_millis(1);
        pass(&mut self.anna, &mut self.bob, self.now);
        pass(&mut self.bob, &mut self.anna, self.now);
        [&mut self.anna, &mut self.bob].into_iter().map(|session| arrived(session, self.now)).sum()
    }

    /// Each says `count` times `text`, and each is told that all was read.
    fn talk(&mut self, text: &str, count: usize) {
        for _ in 0..count {
            self.anna.say(self.now, text).expect("the window is open");
            self.bob.say(self.now, text).expect("the window is open");
        }
        assert_eq!(self.exchange(), 2 * count);
        self.exchange();
        assert_eq!(self.anna.unread() + self.bob.unread(), 0);
    }

    fn deliver(&mut self, size: u64) {
        self.anna.offer(self.now, "file", Some(size)).expect("there is room for one offer");
        assert!((0..100).any(|_| self.exchange() > 0), "it never came to an end");
    }
}

/// Hands over what one has for the other: bytes as bytes, files as numbers.
fn pass(from: &mut Session, to: &mut Session, now: Instant) {
    while let Some(next) = from.poll_transmit(LINK) {
        let n = match next {
            Transmit::Bytes(bytes) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    rest = &rest[to.handle_bytes(LINK, now, rest).expect("an honest peer breaks no rule")..];
                }
                bytes.len() as u64
            }
            Transmit::File(span) => {
                assert_eq!(to.poll_receive(LINK), Receive::File(span));
                to.stored(LINK, now, Some(span.transfer), span.len);
                span.len
            }
            Transmit::Padding(_) => panic!("a source that is there is not padded"),
        };
        from.sent(LINK, now, n);
    }
}

/// Takes what a session has for its user and its disk, which does everything at once.
fn arrived(session: &mut Session, now: Instant) -> usize {
    let mut count = 0;
    while let Some(event) = session.poll_event() {
        count += usize::from(matches!(event, Event::Message { .. } | Event::Received { .. }));
    }
    let value = BlockValue { chaining: [7; 32], whole: [7; 32] };
    while let Some(job) = session.poll_job() {
        session.job_done(
            now,
            match job {
                DiskJob::OpenSource(id) => DiskAnswer::SourceOpened(id, Ok(())),
                DiskJob::HashSource(id, block) => DiskAnswer::SourceHashed(id, block, Ok(value)),
                DiskJob::CheckSource(id) => DiskAnswer::SourceChecked(id, Ok(())),
                DiskJob::CreatePart { transfer, .. } => DiskAnswer::PartCreated(transfer, Ok(())),
                DiskJob::HashPart(id, block) => DiskAnswer::PartHashed(id, block, Ok(value)),
                DiskJob::FlushPart(id) | DiskJob::RecordPart { transfer: id, .. } => {
                    DiskAnswer::PartFlushed(id, Ok(()))
                }
                DiskJob::SyncPart(id) => DiskAnswer::PartSynced(id, Ok(())),
                DiskJob::Publish(id) => DiskAnswer::Published(id, Ok("file".into())),
                DiskJob::SyncFolder(id) => DiskAnswer::FolderSynced(id, Ok(())),
                _ => continue,
            },
        );
    }
    count
}
