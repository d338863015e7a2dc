//! Parts of an earlier run in which blocks were damaged since.

use std::collections::BTreeMap;
use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::ProtocolError;
use tete::proto::event::LeaveReason;
use tete::proto::frame::{CancelReason, Frame};
use tete::proto::session::Session;

use crate::support::disk::{Fault, Part};
use crate::support::lone::Lone;
use crate::support::pair::Pair;
use crate::support::setup;

const SIZE: u64 = 3 * BLOCK + BLOCK / 2;
const KEY: u64 = 5;
/// Blocks that are written down before the disk is full.
const THERE: u64 = 2;

/// What a run has left whose disk was full behind the third block, with a byte changed in each of these.
fn left(damaged: &[u64]) -> BTreeMap<String, Part> {
    let mut pair = Pair::new();
    let id = pair.offer(KEY, SIZE);
    pair.b.disk.faults.insert(id, Fault::Write(3 * BLOCK));
    pair.pass(Duration::from_secs(1));
    pair.a.session.leave(pair.now, LeaveReason::Done, None);
    pair.b.session.leave(pair.now, LeaveReason::Done, None);
    pair.run();
    let mut left = std::mem::take(&mut pair.b.disk.left);
    let part = left.values_mut().next().unwrap();
    assert_eq!(part.journal.len() as u64, THERE);
    damaged.iter().for_each(|block| part.bytes[(block * BLOCK + 77) as usize] ^= 1);
    left
}

#[test]
fn fault_64_only_the_blocks_that_were_damaged_come_again_and_are_looked_at_again() {
    for damaged in [&[][..], &[0], &[1], &[0, 1]] {
        let mut pair = Pair::new();
        pair.b.disk.left = left(damaged);
        let id = pair.offer(KEY, SIZE);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
        let told = Some((THERE * BLOCK, damaged.len() as u64));
        assert_eq!((pair.a.resumed(id), pair.b.resumed(id)), (told, told), "{damaged:?}");
    }
}

#[test]
fn a_chunk_that_reaches_beyond_the_block_that_is_mended_ends_it() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    let (_, part) = left(&[1]).pop_first().unwrap();
    let values = part.journal.clone();
    lone.side.disk.left.insert("fetched_x.bin".to_owned(), part);
    lone.hear_offer(id.0, Some(SIZE)).unwrap();
    lone.serve();
    lone.hear(&Frame::Digests { id, first: 0, values }).unwrap();
    lone.serve();
    assert!(lone.frames().contains(&Frame::Lacks { id, from: THERE * BLOCK, blocks: vec![1] }));
    lone.hear_chunk(id, BLOCK, &[0; 1000]).unwrap();
    let result = lone.hear_chunk(id, BLOCK + 1000, &vec![0; BLOCK as usize]);
    let (expected, got) = (BLOCK + 1000, 2 * BLOCK + 1000);
    assert_eq!(result, Err(ProtocolError::Offset { transfer: id, expected, got }));
}

/// What becomes of what an earlier run has left when the sender gives up for this reason: before it was looked at
/// (`digests`: after), or before the disk has even found it (`found`).
fn given_up(reason: CancelReason, found: bool, digests: bool) -> (Lone, TransferId) {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    let (_, part) = left(&[]).pop_first().unwrap();
    let values = part.journal.clone();
    lone.side.disk.left.insert("fetched_x.bin".to_owned(), part);
    if !found {
        lone.side.does = |job| !matches!(job, DiskJob::CreatePart { .. });
    }
    lone.hear_offer(id.0, Some(SIZE)).unwrap();
    lone.serve();
    if digests {
        // It is this try's by then, and goes as what a try has brought goes.
        lone.hear(&Frame::Digests { id, first: 0, values }).unwrap();
        lone.serve();
    }
    lone.hear(&Frame::Cancel { id, reason: Some(reason), words: "gone".into() }).unwrap();
    lone.side.does = |_| true;
    lone.serve();
    (lone, id)
}

#[test]
fn what_an_earlier_run_has_left_outlives_a_source_that_cannot_be_read_now_and_a_sender_who_leaves() {
    use CancelReason::{Leaving, SourceChanged, SourceFailed};
    for (reason, digests, outlives) in [
        (SourceFailed, false, true),
        (SourceFailed, true, false),
        (Leaving, false, true),
        (Leaving, true, true),
        (SourceChanged, false, false),
    ] {
        let (lone, id) = given_up(reason, true, digests);
        let (kept, removed) = if outlives { (&[id][..], &[][..]) } else { (&[][..], &[id][..]) };
        let disk = &lone.side.disk;
        assert_eq!((&disk.kept[..], &disk.removed[..]), (kept, removed), "{reason:?}, {digests}");
        assert_eq!(lone.side.failure(id), Some((outlives, false)), "{reason:?}, {digests}");
    }
    for (reason, outlives) in [(SourceFailed, true), (Leaving, true), (SourceChanged, false)] {
        let (lone, id) = given_up(reason, false, false);
        let job = if outlives { DiskJob::KeepPart(id) } else { DiskJob::RemovePart(id) };
        assert!(lone.side.disk.asked.contains(&job), "{reason:?}: {:?}", lone.side.disk.asked);
    }
}

#[test]
fn a_part_whose_disk_fails_while_it_is_mended_is_looked_at_again() {
    let mut pair = Pair::new();
    pair.b.disk.left = left(&[0]);
    let id = pair.offer(KEY, SIZE);
    pair.b.disk.faults.insert(id, Fault::Write(BLOCK / 2));
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((true, false)), Some((true, false))));
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[][..], &[id][..]));
    let again = pair.offer(KEY, SIZE);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(again);
    // The half that was written before the disk failed was the damaged one.
    assert_eq!((pair.a.resumed(again), pair.b.resumed(again)), (Some((THERE * BLOCK, 0)), Some((THERE * BLOCK, 0))));
}

/// What a run has left that ended when everything was there but the file's name.
fn left_whole(size: u64) -> BTreeMap<String, Part> {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
    pair.offer(KEY, size);
    pair.pass(Duration::from_secs(1));
    pair.b.session.cut(pair.now, LeaveReason::Done);
    pair.b.does = |_| true;
    pair.run();
    std::mem::take(&mut pair.b.disk.left)
}

#[test]
fn a_part_that_was_whole_needs_nothing_but_what_was_damaged() {
    let cases = [(SIZE, &[][..]), (SIZE, &[3]), (SIZE, &[0, 3]), (BLOCK, &[]), (BLOCK, &[0])];
    for (size, damaged) in cases {
        let mut pair = Pair::new();
        pair.b.disk.left = left_whole(size);
        let part = pair.b.disk.left.values_mut().next().unwrap();
        damaged.iter().for_each(|block| part.bytes[(block * BLOCK + 77) as usize] ^= 1);
        let id = pair.offer(KEY, size);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
        // Of a file of one block there is nothing left when it is damaged.
        let begins_again = size == BLOCK && !damaged.is_empty();
        let told = if begins_again { (0, 0) } else { (size, damaged.len() as u64) };
        assert_eq!((pair.a.resumed(id), pair.b.resumed(id)), (Some(told), Some(told)), "{size}, {damaged:?}");
    }
}

#[test]
fn a_part_that_is_still_looked_at_when_the_conversation_ends_is_kept_and_both_know() {
    let mut pair = Pair::new();
    pair.b.disk.left = left(&[]);
    pair.b.does = |job| !matches!(job, DiskJob::HashPart(..));
    let id = pair.offer(KEY, SIZE);
    pair.run();
    let state = |session: &Session| session.progress().remove(0).state;
    assert_eq!((state(&pair.a.session), state(&pair.b.session)), ("resuming", "resuming"));
    pair.b.session.cut(pair.now, LeaveReason::Done);
    pair.run();
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((true, false)), Some((true, false))));
    assert_eq!((&pair.b.disk.kept[..], pair.b.disk.left.len()), (&[id][..], 1));
}

#[test]
fn bytes_or_an_end_before_it_is_known_what_is_there_end_it() {
    for is_end in [true, false] {
        let id = TransferId(2);
        let mut lone = Lone::new(setup(true));
        let (_, part) = left(&[]).pop_first().unwrap();
        lone.side.disk.left.insert("fetched_x.bin".to_owned(), part);
        lone.hear_offer(id.0, Some(SIZE)).unwrap();
        lone.serve();
        let end = Frame::End { id, size: THERE * BLOCK, root: [0; 32] };
        let result = if is_end { lone.hear(&end) } else { lone.hear_chunk(id, THERE * BLOCK, b"x") };
        let frame = if is_end { "END" } else { "CHUNK" };
        assert_eq!(result, Err(ProtocolError::Unexpected { frame, state: "Receiving" }));
    }
}
