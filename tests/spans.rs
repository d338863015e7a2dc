//! Files of sizes at which numbers overflow, between two sessions, without a byte of them: a span is a promise, and
//! whoever keeps it may be a counter.

use std::time::{Duration, Instant};

use tete::proto::digest::{BLOCK, DigestTree, block_count};
use tete::proto::disk::{Block, BlockValue, DiskAnswer, DiskJob};
use tete::proto::event::Event;
use tete::proto::outbox::Transmit;
use tete::proto::session::{Receive, Session, Setup};
use tete::proto::transfers::Policy;
use tete::proto::{LinkId, Span};

const LINK: LinkId = LinkId(1);
const GIB: u64 = 1 << 30;

fn session(lead: bool, now: Instant) -> Session {
    let setup =
        Setup { lead, policy: Policy::Auto, sync: true, verify: true, limit: None, linger: Duration::from_secs(60) };
    Session::new(setup, LINK, now)
}

/// What a block of a file that does not exist hashes to: different for each block, the same on both sides.
fn value(block: Block) -> BlockValue {
    let chaining = *blake3::hash(&[block.index.to_be_bytes(), u64::from(block.len).to_be_bytes()].concat()).as_bytes();
    BlockValue { chaining, whole: chaining }
}

/// A disk that has everything and stores nothing.
fn perform(session: &mut Session, now: Instant) -> bool {
    let mut worked = false;
    while let Some(job) = session.poll_job() {
        worked = true;
        let answer = match job {
            DiskJob::OpenSource(id) => DiskAnswer::SourceOpened(id, Ok(())),
            DiskJob::HashSource(id, block) => DiskAnswer::SourceHashed(id, block, Ok(value(block))),
            DiskJob::CheckSource(id) => DiskAnswer::SourceChecked(id, Ok(())),
            DiskJob::CreatePart { transfer, .. } | DiskJob::ResumePart { transfer, .. } => {
                DiskAnswer::PartCreated(transfer, Ok(()))
            }
            DiskJob::HashPart(id, block) => DiskAnswer::PartHashed(id, block, Ok(value(block))),
            DiskJob::FlushPart(id) => DiskAnswer::PartFlushed(id, Ok(())),
            DiskJob::SyncPart(id) => DiskAnswer::PartSynced(id, Ok(())),
            DiskJob::Publish(id) => DiskAnswer::Published(id, Ok("fetched_big".into())),
            DiskJob::SyncFolder(id) => DiskAnswer::FolderSynced(id, Ok(())),
            DiskJob::ForgetStream(..) | DiskJob::CloseSource(_) | DiskJob::KeepPart(_) | DiskJob::RemovePart(_) => {
                continue;
            }
        };
        session.job_done(now, answer);
    }
    worked
}

/// Hands over what `from` has to say: bytes as bytes, files as numbers. The last span that went.
fn pass(from: &mut Session, to: &mut Session, now: Instant) -> Option<Span> {
    let mut last = None;
    while let Some(next) = from.poll_transmit(LINK) {
        let n = match next {
            Transmit::Bytes(bytes) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let n = to.handle_bytes(LINK, now, rest).expect("an honest peer breaks no rule");
                    rest = &rest[n..];
                }
                bytes.len() as u64
            }
            Transmit::File(span) => {
                assert_eq!(to.poll_receive(LINK), Receive::File(span), "both sides speak of the same bytes");
                to.stored(LINK, now, Some(span.transfer), span.len);
                last = Some(span);
                span.len
            }
            Transmit::Padding(_) => panic!("a source that is there is not padded"),
        };
        from.sent(LINK, now, n);
    }
    last
}

/// Sends a file of `size` bytes; the bytes that each side was told, and its root.
fn deliver(size: u64) -> [(u64, [u8; 32]); 2] {
    let mut now = Instant::now();
    let (mut anna, mut bob) = (session(true, now), session(false, now));
    anna.offer(now, "big", Some(size)).expect("there is room for one offer");
    let mut told = [None, None];
    for _ in 0..1_000_000 {
        now += Duration::from_millis(100);
        pass(&mut anna, &mut bob, now);
        perform(&mut anna, now);
        perform(&mut bob, now);
        bob.handle_timeout(now);
        pass(&mut bob, &mut anna, now);
        for (side, session) in [&mut anna, &mut bob].into_iter().enumerate() {
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Sent { bytes, root, .. } | Event::Received { bytes, root, .. } => {
                        told[side] = Some((bytes, root));
                    }
                    Event::Failed { reason, .. } => panic!("it failed: {}", reason.shown()),
                    _ => {}
                }
            }
        }
        if let [Some(anna), Some(bob)] = told {
            return [anna, bob];
        }
    }
    panic!("a file of {size} bytes never came to an end");
}

/// The root of such a file, by way of nobody's states.
fn root(size: u64) -> [u8; 32] {
    let mut tree = DigestTree::default();
    for index in 0..block_count(size) {
        let len = u32::try_from((size - index * BLOCK).min(BLOCK)).expect("a block is short");
        tree.push(&value(Block { index, len }));
    }
    tree.root()
}

#[test]
fn a_file_around_four_gib_is_delivered_to_the_byte() {
    for size in [4 * GIB - 1, 4 * GIB, 4 * GIB + 1] {
        assert_eq!(deliver(size), [(size, root(size)); 2], "{size} bytes");
    }
}

#[test]
fn sixty_four_gib_take_no_more_than_their_chunks() {
    let size = 64 * GIB + 12_345;
    assert_eq!(deliver(size), [(size, root(size)); 2]);
}
