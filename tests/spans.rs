//! Files of sizes at which numbers overflow, between two sessions, without a byte of them: a span is a promise, and
//! whoever keeps it may be a counter.

use std::time::{Duration, Instant};

use tete::proto::LinkId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::digest::{BLOCK, DigestTree, block_count};
use tete::proto::disk::{Block, BlockValue, DiskAnswer, DiskJob};
use tete::proto::event::Event;
use tete::proto::outbox::Transmit;
use tete::proto::session::{Receive, Session, Setup};
use tete::proto::transfers::Policy;

/// The talk link, and the bulk link.
const LINKS: [LinkId; 2] = [LinkId(1), LinkId(2)];
const GIB: u64 = 1 << 30;

fn session(lead: bool, now: Instant) -> Session {
    let setup = Setup {
        lead,
        policy: Policy::Auto,
        sync: true,
        verify: true,
        limit: None,
        returns: false,
        linger: Duration::from_secs(60),
    };
    Session::new(setup, LINKS[0], now)
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
            DiskJob::FlushPart(id) | DiskJob::RecordPart { transfer: id, .. } | DiskJob::RestartPart(id) => {
                DiskAnswer::PartFlushed(id, Ok(()))
            }
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

/// Hands over what `from` has to say on this link: bytes as bytes, files as numbers. How many bytes of files that was.
fn pass_link(link: LinkId, from: &mut Session, to: &mut Session, now: Instant) -> u64 {
    let mut passed = 0;
    while let Some(next) = from.poll_transmit(link) {
        let n = match next {
            Transmit::Bytes(bytes) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let n = to.handle_bytes(link, now, rest).expect("an honest peer breaks no rule");
                    rest = &rest[n..];
                }
                bytes.len() as u64
            }
            // That it has moved here is still to be said on the other link.
            Transmit::File(_) if to.poll_receive(link) == Receive::Paused => break,
            Transmit::File(span) => {
                assert_eq!(to.poll_receive(link), Receive::File(span), "both sides speak of the same bytes");
                to.stored(link, now, Some(span.transfer), span.len);
                passed += span.len;
                span.len
            }
            Transmit::Padding(_) => panic!("a source that is there is not padded"),
        };
        from.sent(link, now, n);
    }
    passed
}

/// The same on all links that there are.
fn pass(from: &mut Session, to: &mut Session, now: Instant) -> [u64; 2] {
    let mut passed = [0; 2];
    for index in [0, 1, 0, 1] {
        if from.has_link(LINKS[index]) {
            passed[index] += pass_link(LINKS[index], from, to, now);
        }
    }
    passed
}

/// What a file goes over.
#[derive(Clone, Copy, Debug)]
enum Links {
    Talk,
    Bulk,
    /// A bulk link that is lost behind so many bytes.
    Lost(u64),
}

/// Sends a file of `size` bytes; the bytes that each side was told, and its root.
fn deliver(size: u64, links: Links) -> [(u64, [u8; 32]); 2] {
    let mut now = Instant::now();
    let (mut anna, mut bob) = (session(true, now), session(false, now));
    if !matches!(links, Links::Talk) {
        anna.bulk_up(LINKS[1], FIRST_EPOCH + 1, now);
        bob.bulk_up(LINKS[1], FIRST_EPOCH + 1, now);
    }
    anna.offer(now, "big", Some(size)).expect("there is room for one offer");
    let mut told = [None, None];
    let mut passed = [0, 0];
    for _ in 0..1_000_000 {
        now += Duration::from_millis(100);
        let [talk, bulk] = pass(&mut anna, &mut bob, now);
        passed = [passed[0] + talk, passed[1] + bulk];
        perform(&mut anna, now);
        perform(&mut bob, now);
        bob.handle_timeout(now);
        pass(&mut bob, &mut anna, now);
        if matches!(links, Links::Lost(at) if passed[1] >= at) && anna.has_link(LINKS[1]) {
            anna.link_lost(LINKS[1], now, "reset");
            bob.link_lost(LINKS[1], now, "reset");
        }
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
            let over_talk = match links {
                Links::Talk => size,
                Links::Bulk => 0,
                Links::Lost(_) => size - passed[1],
            };
            assert_eq!(passed, [over_talk, size - over_talk], "{links:?}: each byte goes once, over its link");
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
        assert_eq!(deliver(size, Links::Talk), [(size, root(size)); 2], "{size} bytes");
    }
}

#[test]
fn fault_58_a_file_around_four_gib_is_delivered_to_the_byte_over_a_link_of_its_own() {
    for size in [4 * GIB - 1, 4 * GIB, 4 * GIB + 1] {
        assert_eq!(deliver(size, Links::Bulk), [(size, root(size)); 2], "{size} bytes");
    }
}

#[test]
fn fault_58_a_file_around_four_gib_is_delivered_to_the_byte_when_its_link_is_lost() {
    for size in [4 * GIB - 1, 4 * GIB, 4 * GIB + 1] {
        for at in [1, 2 * GIB, 4 * GIB - 2 * BLOCK] {
            assert_eq!(deliver(size, Links::Lost(at)), [(size, root(size)); 2], "{size} bytes, lost at {at}");
        }
    }
}

#[test]
fn sixty_four_gib_take_no_more_than_their_chunks() {
    let size = 64 * GIB + 12_345;
    for links in [Links::Talk, Links::Bulk] {
        assert_eq!(deliver(size, links), [(size, root(size)); 2]);
    }
}
