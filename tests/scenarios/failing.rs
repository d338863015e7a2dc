//! Sources, disks and links that fail under a transfer.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::Frame;
use tete::proto::session::Ended;

use crate::support::disk::{Fault, Source};
use crate::support::lone::Lone;
use crate::support::pair::{Pair, Side};
use crate::support::setup;

/// A file of three and a half blocks, with something wrong at one side.
fn faulty(fault: Fault) -> (Pair, TransferId) {
    let mut pair = Pair::new();
    let id = pair.offer(5, 3 * BLOCK + BLOCK / 2);
    let disk = match fault {
        Fault::Open | Fault::Read(_) | Fault::Short(_) | Fault::Changed | Fault::HashSource => &mut pair.a.disk,
        _ => &mut pair.b.disk,
    };
    disk.faults.insert(id, fault);
    (pair, id)
}

/// Asserts that both users know, that there is no file, and that the conversation goes on.
fn assert_failed(pair: &mut Pair, id: TransferId, fault: Fault) {
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.outcome(id).len(), pair.b.outcome(id).len()), (1, 1), "{fault:?}");
    assert!(pair.a.failed(id) && pair.b.failed(id), "{fault:?}");
    assert!(!pair.b.disk.published.contains_key(&id), "{fault:?}");
    assert!(pair.b.disk.parts.is_empty(), "{fault:?}");
    pair.a.session.say(pair.now, "go on").unwrap();
    pair.b.session.say(pair.now, "I do").unwrap();
    let next = pair.offer(6, 100_000);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(next);
    assert_eq!((pair.a.texts(), pair.b.texts()), (vec!["I do".to_owned()], vec!["go on".to_owned()]), "{fault:?}");
}

#[test]
fn whatever_fails_both_are_told_nothing_is_published_and_the_conversation_goes_on() {
    for fault in [
        Fault::Open,
        Fault::Read(0),
        Fault::Changed,
        Fault::HashSource,
        Fault::Create,
        Fault::Write(0),
        Fault::HashPart,
        Fault::Sync,
    ] {
        let (mut pair, id) = faulty(fault);
        assert_failed(&mut pair, id, fault);
    }
}

#[test]
fn a_source_that_fails_in_the_middle_of_a_chunk_is_padded_and_the_receiver_drops_its_part() {
    for fault in [Fault::Read(2 * BLOCK + 77), Fault::Short(2 * BLOCK + 77)] {
        let (mut pair, id) = faulty(fault);
        assert_failed(&mut pair, id, fault);
        assert_eq!(pair.b.failure(id), Some((false, false)), "{fault:?}");
        assert!(pair.b.disk.removed.contains(&id) && pair.b.disk.kept.is_empty(), "{fault:?}");
    }
}

#[test]
fn fault_68_a_sync_that_fails_fails_the_file_and_is_never_asked_for_again() {
    // The system may have dropped what it could not write: a second fsync would say that all is well.
    let (mut pair, id) = faulty(Fault::Sync);
    pair.pass(Duration::from_secs(60));
    assert!(pair.a.failed(id) && pair.b.failed(id));
    let asked = |job: &DiskJob| pair.b.disk.asked.iter().filter(|asked| *asked == job).count();
    assert_eq!((asked(&DiskJob::SyncPart(id)), asked(&DiskJob::Publish(id))), (1, 0));
}

#[test]
fn a_whole_file_for_whose_name_there_is_no_room_is_left_for_a_later_try() {
    let (mut pair, id) = faulty(Fault::Publish);
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((true, false)), Some((true, false))));
    assert!(!pair.b.disk.published.contains_key(&id));
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[][..], &[id][..]));
    let recorded = |job: &DiskJob| match job {
        DiskJob::RecordPart { transfer, values, .. } if *transfer == id => values.len(),
        _ => 0,
    };
    assert_eq!(pair.b.disk.asked.iter().map(recorded).sum::<usize>(), 4, "all its blocks stand in the journal");
}

#[test]
fn of_a_stream_for_whose_name_there_is_no_room_nothing_stays() {
    let mut pair = Pair::new();
    let id = pair.a.session.offer(pair.now, "stream", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 1, size: 2 * BLOCK });
    pair.b.disk.faults.insert(id, Fault::Publish);
    pair.a.session.stream_grew(pair.now, id, 2 * BLOCK, true);
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((false, false)), Some((false, false))));
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[id][..], &[][..]));
}

/// A transfer whose disk was full after three blocks.
fn full() -> (Pair, TransferId) {
    let (mut pair, id) = faulty(Fault::Write(3 * BLOCK));
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((true, false)), Some((true, false))));
    pair.b.disk.faults.clear();
    (pair, id)
}

#[test]
fn a_full_disk_after_a_verified_block_leaves_the_part_for_the_same_file_offered_again() {
    let (mut pair, id) = full();
    let again = pair.offer(5, 3 * BLOCK + BLOCK / 2);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(again);
    assert!(pair.b.disk.asked.contains(&DiskJob::ResumePart { transfer: again, kept: id }));
    let hashed = pair.b.disk.asked.iter().filter(|job| matches!(job, DiskJob::HashPart(of, _) if *of == again)).count();
    assert!(hashed < 4, "{hashed} blocks of four were hashed again");
}

#[test]
fn a_part_that_was_left_is_no_help_to_a_file_with_other_bytes_which_begins_again_and_both_are_told() {
    let (mut pair, _) = full();
    let size = 3 * BLOCK + BLOCK / 2;
    let other = pair.a.session.offer(pair.now, "file 5", Some(size)).unwrap();
    pair.a.disk.sources.insert(other, Source { key: 77, size });
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.resumed(other), pair.b.resumed(other)), (Some((0, 0)), Some((0, 0))));
    assert_eq!(pair.b.disk.published[&other].bytes, crate::support::disk::whole(77, size));
}

#[test]
fn a_part_that_was_left_stays_on_the_disk_when_the_conversation_ends() {
    let (mut pair, id) = full();
    pair.a.session.leave(pair.now, LeaveReason::Done, None);
    pair.b.session.leave(pair.now, LeaveReason::Done, None);
    pair.run();
    assert_eq!((pair.both_left(), &pair.b.disk.kept[..]), (true, &[id][..]));
}

#[test]
fn a_full_disk_before_a_verified_block_keeps_nothing_and_both_know() {
    let (mut pair, id) = faulty(Fault::Write(1000));
    assert_failed(&mut pair, id, Fault::Write(1000));
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((false, false)), Some((false, false))));
    assert_eq!(pair.b.disk.kept.len(), 0);
}

#[test]
fn whose_side_a_file_has_failed_on_is_known_on_both() {
    let by_peer = |side: &Side, id: TransferId| {
        side.events.iter().find_map(|event| match event {
            Event::Failed { id: of, by_peer, .. } if *of == id => Some(*by_peer),
            _ => None,
        })
    };
    for (fault, at_receiver) in [(Fault::Create, true), (Fault::Write(BLOCK), true), (Fault::HashSource, false)] {
        let (mut pair, id) = faulty(fault);
        pair.pass(Duration::from_secs(1));
        assert_eq!((by_peer(&pair.a, id), by_peer(&pair.b, id)), (Some(at_receiver), Some(!at_receiver)), "{fault:?}");
    }
}

#[test]
fn a_bit_that_flips_in_the_part_file_is_found_and_nothing_is_published() {
    for at in [0, BLOCK, 3 * BLOCK + BLOCK / 2 - 1] {
        let (mut pair, id) = faulty(Fault::Flip(at));
        assert_failed(&mut pair, id, Fault::Flip(at));
        assert!(pair.b.outcome(id)[0].contains("differ"), "{:?}", pair.b.outcome(id));
    }
}

#[test]
fn a_folder_that_cannot_be_synced_is_a_failure_though_the_name_is_there() {
    let (mut pair, id) = faulty(Fault::Folder);
    pair.pass(Duration::from_secs(1));
    assert!(pair.a.failed(id) && pair.b.failed(id));
}

#[test]
fn a_file_offered_without_a_source_fails_at_both() {
    let mut pair = Pair::new();
    let id = pair.a.session.offer(pair.now, "gone", Some(10)).unwrap();
    pair.run();
    assert!(pair.a.failed(id) && pair.b.failed(id));
}

#[test]
fn a_stream_that_breaks_fails_at_both() {
    let mut pair = Pair::new();
    let id = pair.a.session.offer(pair.now, "-", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 1, size: 100 });
    pair.a.session.stream_grew(pair.now, id, 100, false);
    pair.run();
    pair.a.session.source_failed(pair.now, id, &crate::support::disk::error("Broken pipe"));
    pair.run();
    assert!(pair.a.failed(id) && pair.b.failed(id));
}

#[test]
fn a_link_that_ends_without_a_goodbye_is_lost_and_fails_what_was_under_way() {
    let mut pair = Pair::new();
    let (there, back) = (pair.offer(1, 8 << 20), pair.offer_back(2, 8 << 20));
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.id == there && file.verified > 0));
    pair.a.session.link_lost(crate::support::pair::LINK, pair.now, "connection reset");
    pair.ab.bytes.clear();
    pair.run();
    assert!(matches!(pair.a.ended(), Some(Ended::Lost(words)) if words == "connection reset"));
    assert!(matches!(pair.b.ended(), Some(Ended::Lost(_))));
    for id in [there, back] {
        assert!(pair.a.failed(id) && pair.b.failed(id));
    }
    assert!(pair.b.disk.kept.contains(&there));
}

#[test]
fn nothing_is_written_down_of_a_stream_and_nobody_is_told_that_it_could_go_on() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
    let id = pair.a.session.offer(pair.now, "stream", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 1, size: 2 * BLOCK + 9 });
    pair.a.session.stream_grew(pair.now, id, 2 * BLOCK + 5, false);
    pair.pass(Duration::from_secs(1));
    pair.a.session.stream_grew(pair.now, id, 2 * BLOCK + 9, true);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.b.state(id), Some("Committing"));
    pair.b.session.cut(pair.now, LeaveReason::Done);
    pair.run();
    assert_eq!(pair.b.failure(id), Some((false, false)));
    assert!(!pair.b.disk.asked.iter().any(|job| matches!(job, DiskJob::RecordPart { .. })));
    pair.b.does = |_| true;
    pair.run();
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[id][..], &[][..]), "nobody could go on from it");
}

#[test]
fn a_part_whose_disk_is_full_while_it_is_being_flushed_is_left_for_a_later_try() {
    let mut pair = Pair::new();
    let size = 20 * BLOCK;
    pair.b.does = |job| !matches!(job, DiskJob::RecordPart { last: false, .. });
    let id = pair.offer(1, size);
    pair.b.disk.faults.insert(id, Fault::Write(12 * BLOCK));
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.b.failure(id), Some((true, false)));
    assert_eq!(pair.a.failure(id).map(|(resumable, _)| resumable), Some(true));
    pair.b.does = |_| true;
    pair.run();
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[][..], &[id][..]));
}

#[test]
fn what_came_of_a_stream_goes_when_its_sender_is_gone() {
    let mut pair = Pair::new();
    let id = pair.a.session.offer(pair.now, "stream", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 1, size: 4 * BLOCK });
    pair.a.session.stream_grew(pair.now, id, 3 * BLOCK, false);
    pair.pass(Duration::from_secs(1));
    pair.talk_lost(true, true);
    pair.run();
    assert_eq!(pair.b.failure(id), Some((false, false)));
    assert_eq!((&pair.b.disk.kept[..], &pair.b.disk.removed[..]), (&[][..], &[id][..]));
}

#[test]
fn nobody_is_told_that_a_file_of_less_than_a_block_could_go_on() {
    for (size, resumable) in [(BLOCK - 1, false), (BLOCK, true)] {
        let mut pair = Pair::new();
        pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
        let id = pair.offer(1, size);
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.b.state(id), Some("Committing"));
        pair.b.session.cut(pair.now, LeaveReason::Done);
        pair.run();
        assert_eq!(pair.b.failure(id), Some((resumable, false)), "{size} bytes");
    }
}

#[test]
fn of_more_parts_than_are_held_for_a_later_offer_the_oldest_is_left_on_the_disk() {
    let mut pair = Pair::new();
    let size = 2 * BLOCK + BLOCK / 2;
    let fail = |pair: &mut Pair, key| {
        let id = pair.offer(key, size);
        pair.b.disk.faults.insert(id, Fault::Write(2 * BLOCK));
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.b.failure(id), Some((true, false)), "file {key}");
        id
    };
    let held: Vec<TransferId> = (0..16).map(|key| fail(&mut pair, key)).collect();
    assert_eq!(pair.b.disk.removed, []);
    fail(&mut pair, 16);
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[][..], &[held[0]][..]));
    let again = pair.offer(1, size);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(again);
    assert!(pair.b.disk.asked.contains(&DiskJob::ResumePart { transfer: again, kept: held[1] }));
}

#[test]
fn a_part_that_was_left_is_for_a_file_of_the_same_name_and_size_alone() {
    let (mut pair, _) = full();
    let size = 3 * BLOCK + BLOCK / 2;
    let named_otherwise = pair.offer(6, size);
    let longer = pair.a.session.offer(pair.now, "file 5", Some(size + 1)).unwrap();
    pair.a.disk.sources.insert(longer, Source { key: 5, size: size + 1 });
    pair.pass(Duration::from_secs(1));
    [named_otherwise, longer].into_iter().for_each(|id| pair.assert_arrived(id));
    assert!(!pair.b.disk.asked.iter().any(|job| matches!(job, DiskJob::ResumePart { .. })));
}

#[test]
fn a_part_that_is_being_taken_up_again_when_the_conversation_ends_is_kept() {
    let (mut pair, _) = full();
    pair.b.does = |job| !matches!(job, DiskJob::ResumePart { .. });
    let again = pair.offer(5, 3 * BLOCK + BLOCK / 2);
    pair.run();
    assert_eq!(pair.b.state(again), Some("Creating"));
    pair.b.session.cut(pair.now, LeaveReason::Done);
    pair.b.does = |_| true;
    pair.run();
    assert_eq!((pair.b.failure(again), &pair.b.disk.kept[..]), (Some((true, false)), &[again][..]));
}

#[test]
fn a_part_of_which_nothing_is_verified_goes_with_the_link() {
    let mut pair = Pair::new();
    let id = pair.offer(1, 8 * BLOCK);
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > 0));
    pair.b.session.link_lost(crate::support::pair::LINK, pair.now, "connection reset");
    pair.run();
    assert_eq!(pair.b.failure(id), Some((false, false)));
    assert_eq!((&pair.b.disk.removed[..], &pair.b.disk.kept[..]), (&[id][..], &[][..]));
}

#[test]
fn a_sender_knows_whether_the_receiver_has_a_block_to_go_on_from() {
    for (verified, is_stream, resumable) in
        [(BLOCK, false, true), (BLOCK - 1, false, false), (0, false, false), (2 * BLOCK, true, false)]
    {
        let mut lone = Lone::new(setup(true));
        let size = 4 * BLOCK;
        let id = lone.side.session.offer(lone.now, "a", (!is_stream).then_some(size)).unwrap();
        lone.side.disk.sources.insert(id, Source { key: 1, size });
        lone.frames();
        lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
        if is_stream {
            lone.side.session.stream_grew(lone.now, id, size, false);
        }
        while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
        lone.hear(&Frame::Progress { id, stored: 3 * BLOCK, verified }).unwrap();
        lone.side.session.link_lost(crate::support::pair::LINK, lone.now, "connection reset");
        lone.serve();
        assert_eq!(lone.side.failure(id), Some((resumable, false)), "{verified} verified, stream: {is_stream}");
    }
}
