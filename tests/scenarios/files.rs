//! Files that arrive.

use std::time::Duration;

use blake3::hazmat::HasherExt as _;
use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::CommandError;
use tete::proto::event::{Direction, Event, LeaveReason};
use tete::proto::frame::Frame;
use tete::proto::outgoing::{HASHING, WINDOW_STORED, WINDOW_VERIFIED};
use tete::proto::session::{Deadline, Setup};
use tete::proto::transfers::{MAX_ACTIVE, MAX_OFFERS, Policy};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::Pair;
use crate::support::{setup, with_policy};

#[test]
fn a_file_of_any_size_arrives_whole_with_the_root_of_its_bytes() {
    for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + BLOCK / 2] {
        let mut pair = Pair::new();
        let id = pair.offer(size, size);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
    }
}

#[test]
fn a_stream_of_unknown_size_arrives_as_it_grows() {
    for steps in [&[][..], &[1], &[BLOCK], &[10, BLOCK, 2 * BLOCK + 5], &[BLOCK - 1, 3 * BLOCK]] {
        let mut pair = Pair::new();
        let id = pair.a.session.offer(pair.now, "-", None).unwrap();
        let size = steps.last().copied().unwrap_or(0);
        pair.a.disk.sources.insert(id, Source { key: 3, size });
        for available in steps {
            pair.pass(Duration::from_secs(1));
            assert!(!pair.b.disk.published.contains_key(&id));
            pair.a.session.stream_grew(pair.now, id, *available, false);
        }
        pair.pass(Duration::from_secs(1));
        pair.a.session.stream_grew(pair.now, id, size, true);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
    }
}

#[test]
fn a_file_that_goes_for_the_first_time_is_sent_and_not_resumed() {
    let mut pair = Pair::new();
    let id = pair.offer(1, 20 * BLOCK);
    let progress = |pair: &Pair| pair.a.session.progress().into_iter().find(|file| file.id == id);
    pair.run_until(|pair| progress(pair).is_some_and(|file| file.bytes > BLOCK));
    assert_eq!(progress(&pair).unwrap().state, "sending");
}

#[test]
fn a_file_waits_for_an_answer_until_it_has_one() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    assert!(!pair.a.session.is_offering());
    let id = pair.offer(1, 3 * BLOCK);
    pair.run();
    assert!(pair.a.session.is_offering());
    pair.b.session.accept(pair.now, None).unwrap();
    pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
    pair.run();
    assert!(!pair.a.session.is_offering() && pair.a.outcome(id).is_empty(), "it is under way");
}

#[test]
fn a_file_that_is_accepted_goes_though_many_before_it_wait_for_their_answers() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let ids: Vec<TransferId> = (0..2 * MAX_ACTIVE as u64).map(|key| pair.offer(key, 1000)).collect();
    pair.run();
    let last = ids[ids.len() - 1];
    pair.b.session.accept(pair.now, Some(last)).unwrap();
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(last);
    assert!(ids[..ids.len() - 1].iter().all(|id| pair.a.outcome(*id).is_empty()));
}

#[test]
fn a_stream_that_ended_before_it_was_accepted_arrives() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let id = pair.a.session.offer(pair.now, "-", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 3, size: 5 });
    pair.run();
    pair.a.session.stream_grew(pair.now, id, 5, true);
    pair.b.session.accept(pair.now, None).unwrap();
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn several_files_in_both_directions_arrive_at_once() {
    let mut pair = Pair::new();
    let there: Vec<_> = (0..5).map(|i| pair.offer(i, i * 700_001)).collect();
    let back: Vec<_> = (0..5).map(|i| pair.offer_back(10 + i, i * 900_001)).collect();
    pair.pass(Duration::from_secs(1));
    there.into_iter().for_each(|id| pair.assert_arrived(id));
    back.into_iter().for_each(|id| pair.assert_arrived_back(id));
}

#[test]
fn files_that_run_at_once_share_the_link_in_turn() {
    let mut pair = Pair::new();
    let (first, second) = (pair.offer(1, 4 << 20), pair.offer(2, 4 << 20));
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > BLOCK));
    let bytes = |id| pair.b.session.progress().iter().find(|file| file.id == id).unwrap().bytes;
    assert!(bytes(first).abs_diff(bytes(second)) <= 1 << 17);
}

#[test]
fn more_offers_than_the_wire_may_carry_all_arrive() {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..200).map(|i| pair.offer(i, i)).collect();
    pair.pass(Duration::from_secs(1));
    ids.into_iter().for_each(|id| pair.assert_arrived(id));
}

#[test]
fn never_more_than_the_allowed_files_are_active() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
    for key in 0..30 {
        pair.offer(key, 10);
    }
    pair.run();
    assert_eq!(pair.b.disk.parts.len(), MAX_ACTIVE);
}

#[test]
fn an_offer_waits_until_its_user_accepts_it() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let id = pair.offer(1, 100);
    pair.run();
    assert_eq!((pair.a.state(id), pair.b.state(id)), (Some("Offered"), Some("Undecided")));
    assert!(pair.b.events.iter().any(|event| matches!(event, Event::Offer { ask: true, .. })));
    assert_eq!(pair.b.session.accept(pair.now, None), Ok(id));
    assert_eq!(pair.b.session.accept(pair.now, Some(id)), Err(CommandError::NotUndecided(id)));
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn a_refused_offer_fails_at_the_sender_and_is_wanted_at_the_receiver() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let id = pair.offer(1, 100);
    pair.run();
    assert_eq!(pair.b.session.refuse(pair.now, Some(id)), Ok(id));
    pair.run();
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((false, false)), Some((false, true))));
    assert!(pair.b.disk.asked.is_empty());
}

#[test]
fn a_side_that_takes_no_files_refuses_every_offer() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Never));
    let ids: Vec<_> = (0..100).map(|i| pair.offer(i, 10)).collect();
    pair.run();
    assert!(ids.iter().all(|id| pair.a.failed(*id) && pair.b.failed(*id)));
}

#[test]
fn an_answer_to_an_offer_that_is_not_there_is_the_users_mistake() {
    let mut pair = Pair::new();
    assert_eq!(pair.a.session.accept(pair.now, None), Err(CommandError::NothingToAnswer));
    let no_such = TransferId(9);
    assert_eq!(pair.a.session.refuse(pair.now, Some(no_such)), Err(CommandError::NoSuchTransfer(no_such)));
    assert_eq!(pair.a.session.cancel(pair.now, Some(no_such)), Err(CommandError::NoSuchTransfer(no_such)));
}

#[test]
fn a_file_is_synced_then_named_then_the_folder_synced_and_only_then_delivered() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncFolder(_));
    let id = pair.offer(1, 2 * BLOCK);
    pair.pass(Duration::from_secs(1));
    assert!(pair.b.disk.published.contains_key(&id) && pair.b.disk.published[&id].synced);
    assert_eq!((pair.a.outcome(id), pair.b.outcome(id)), (vec![], vec![]));
    pair.b.does = |_| true;
    pair.run();
    pair.assert_arrived(id);
    let order: Vec<_> = pair.b.disk.asked.iter().filter(|job| !matches!(job, DiskJob::HashPart(..))).take(4).collect();
    assert!(matches!(
        order[..],
        [DiskJob::CreatePart { .. }, DiskJob::SyncPart(_), DiskJob::Publish(_), DiskJob::SyncFolder(_)]
    ));
}

#[test]
fn a_file_that_has_its_name_when_the_conversation_is_cut_is_told_to_be_there() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncFolder(_));
    let id = pair.offer(1, 2 * BLOCK);
    pair.pass(Duration::from_secs(1));
    assert!(pair.b.disk.published.contains_key(&id));
    pair.b.session.cut(pair.now, LeaveReason::Interrupted);
    pair.pass(Duration::from_secs(5));
    let told = pair.b.events.iter().find_map(|event| match event {
        Event::Failed { reason, resumable, .. } => Some((reason.lossy().into_owned(), *resumable)),
        _ => None,
    });
    let (reason, resumable) = told.expect("it is told");
    assert!(reason.contains("; but it is there, whole, as ") && !resumable, "{reason}");
    assert!(pair.b.disk.published.contains_key(&id), "and it is");
}

#[test]
fn without_sync_a_file_is_named_at_once() {
    let mut pair = Pair::with(setup(true), Setup { sync: false, ..setup(false) });
    let id = pair.offer(1, 10);
    pair.run();
    pair.assert_arrived(id);
    assert!(!pair.b.disk.asked.contains(&DiskJob::SyncPart(id)));
}

#[test]
fn a_receiver_that_hashes_nothing_stops_the_sender_at_its_window() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::HashPart(..));
    let id = pair.offer(1, 64 << 20);
    pair.pass(Duration::from_secs(4));
    let receiver = pair.b.session.progress().remove(0);
    assert_eq!((receiver.bytes, receiver.verified), (WINDOW_VERIFIED, 0));
    assert!(pair.b.disk.jobs.len() <= HASHING as usize, "hash jobs: {}", pair.b.disk.jobs.len());
    pair.b.does = |_| true;
    pair.pass(Duration::from_secs(4));
    pair.assert_arrived(id);
}

#[test]
fn a_receiver_whose_link_is_stuck_stops_the_sender_at_its_window() {
    let mut pair = Pair::new();
    let id = pair.offer(1, 64 << 20);
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > 0));
    pair.ba.full = true;
    pair.pass(Duration::from_secs(4));
    let stored = pair.b.session.progress().iter().find(|file| file.id == id).unwrap().bytes;
    assert!((WINDOW_STORED..WINDOW_STORED + (2 << 20)).contains(&stored), "{stored}");
}

#[test]
fn the_rate_limit_holds_over_time_within_a_tenth() {
    for rate in [20_000, 1_000_000, 10_000_000] {
        let mut pair = Pair::with(Setup { limit: Some(rate), ..setup(true) }, setup(false));
        let id = pair.offer(1, rate * 20);
        pair.pass(Duration::from_secs(10));
        let sent = pair.b.session.progress().iter().find(|file| file.id == id).unwrap().bytes;
        assert!(sent.abs_diff(rate * 10) < rate, "{sent} bytes in 10 s at {rate} a second");
    }
}

#[test]
fn the_rate_limit_holds_when_the_clock_is_read_very_often() {
    let mut pair = Pair::with(Setup { limit: Some(100_000), ..setup(true) }, setup(false));
    let id = pair.offer(1, 1_000_000);
    for _ in 0..200_000 {
        pair.now += Duration::from_micros(15);
        pair.a.session.handle_timeout(pair.now);
        pair.step();
    }
    let sent = pair.b.session.progress().iter().find(|file| file.id == id).unwrap().bytes;
    assert!(sent.abs_diff(300_000) < 30_000, "{sent} bytes in 3 s at 100,000 a second");
}

#[test]
fn progress_is_told_while_a_file_runs() {
    let mut pair = Pair::new();
    assert!(!pair.a.session.is_moving());
    let id = pair.offer(1, 8 << 20);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.verified > 0));
    let progress = pair.a.session.progress().remove(0);
    assert_eq!((progress.id, progress.direction, progress.size), (id, Direction::Send, Some(8 << 20)));
    assert!(progress.verified <= progress.bytes && progress.bytes < 8 << 20);
    assert!(pair.a.session.is_moving());
}

#[test]
fn unread_events_stop_new_files_and_nothing_is_called_a_flood() {
    for policy in [Policy::Auto, Policy::Ask, Policy::Never] {
        let mut pair = Pair::with(setup(true), with_policy(false, policy));
        pair.b.reads = false;
        let ids: Vec<_> = (0..4000).map(|i| pair.offer(i, 0)).collect();
        pair.run();
        assert_eq!((pair.a.ended(), pair.b.ended()), (None, None), "{policy:?}");
        let waiting = std::iter::from_fn(|| pair.b.session.poll_event()).count();
        assert!(waiting < 1024 + 3 * 64, "{policy:?}: {waiting} events waited");
        pair.b.reads = true;
        pair.run();
        match policy {
            Policy::Auto => ids.iter().for_each(|id| assert_eq!(pair.a.outcome(*id), ["sent"])),
            Policy::Ask => assert_eq!(pair.b.session.progress().len(), 64),
            Policy::Never => assert!(ids.iter().all(|id| pair.a.failed(*id))),
        }
    }
}

#[test]
fn a_small_file_waits_for_its_own_bytes_of_a_low_rate_only() {
    let mut pair = Pair::with(Setup { limit: Some(1_000), ..setup(true) }, setup(false));
    let id = pair.offer(1, 100);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn a_stream_that_ended_before_it_could_be_offered_arrives() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let before: Vec<_> = (0..MAX_OFFERS as u64).map(|key| pair.offer(key, 10)).collect();
    let stream = pair.a.session.offer(pair.now, "-", None).unwrap();
    pair.a.disk.sources.insert(stream, Source { key: 300, size: 5 });
    let behind = pair.offer(301, 10);
    pair.run();
    pair.a.session.stream_grew(pair.now, stream, 5, true);
    while pair.b.session.accept(pair.now, None).is_ok() {
        pair.run();
    }
    before.into_iter().chain([stream, behind]).for_each(|id| pair.assert_arrived(id));
}

#[test]
fn a_sender_of_a_stream_has_no_more_blocks_hashed_at_once_than_it_may() {
    let mut pair = Pair::new();
    let size = 2 * HASHING * BLOCK;
    let id = pair.a.session.offer(pair.now, "-", None).unwrap();
    pair.a.disk.sources.insert(id, Source { key: 3, size });
    pair.a.does = |job| !matches!(job, DiskJob::HashSource(..));
    pair.run();
    pair.a.session.stream_grew(pair.now, id, size, true);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.a.disk.jobs.len() as u64, HASHING);
    pair.a.does = |_| true;
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn progress_is_reported_after_four_blocks_of_one_soon_and_of_less_after_a_tenth_of_a_second() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(8 * BLOCK)).unwrap();
    lone.side.does = |job| !matches!(job, DiskJob::HashPart(..));
    lone.serve();
    lone.frames();
    let reported = |lone: &mut Lone| {
        let progress = |frame| if let Frame::Progress { stored, .. } = frame { Some(stored) } else { None };
        lone.frames().into_iter().filter_map(progress).collect::<Vec<u64>>()
    };
    let body = vec![0; BLOCK as usize];
    for (block, expected) in [(0, &[][..]), (1, &[]), (2, &[]), (3, &[4 * BLOCK]), (4, &[])] {
        lone.hear_chunk(id, block * BLOCK, &body).unwrap();
        assert_eq!(reported(&mut lone), expected, "block {block}");
    }
    let waits = |lone: &mut Lone, millis, stored| {
        let due = lone.now + Duration::from_millis(millis);
        assert_eq!(lone.side.session.poll_timeout(), Some((due, Deadline::Report)));
        lone.now = due;
        lone.side.session.handle_timeout(lone.now);
        assert_eq!(reported(lone), [stored]);
    };
    waits(&mut lone, 5, 5 * BLOCK);
    lone.hear_chunk(id, 5 * BLOCK, &body[1..]).unwrap();
    waits(&mut lone, 100, 6 * BLOCK - 1);
}

#[test]
fn what_was_verified_is_reported_at_once_when_it_is_much_for_the_sender_may_wait_for_that_alone() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(8 * BLOCK)).unwrap();
    lone.side.does = |job| !matches!(job, DiskJob::HashPart(..));
    lone.serve();
    let body = vec![0; BLOCK as usize];
    (0..4).for_each(|block| lone.hear_chunk(id, block * BLOCK, &body).unwrap());
    let value = |index| blake3::Hasher::new().set_input_offset(index * BLOCK).update(&body).finalize_non_root();
    lone.hear(&Frame::Digests { id, first: 0, values: (0..4).map(value).collect() }).unwrap();
    lone.frames();
    lone.side.does = |_| true;
    lone.serve();
    lone.side.session.handle_timeout(lone.now);
    let reports = |frame| if let Frame::Progress { verified, .. } = frame { Some(verified) } else { None };
    let reported: Vec<_> = lone.frames().into_iter().filter_map(reports).collect();
    assert_eq!(reported, [4 * BLOCK]);
}

#[test]
fn verified_blocks_are_written_down_eight_at_a_time_none_left_out() {
    let mut pair = Pair::new();
    let id = pair.offer(1, 20 * BLOCK);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    let record = |job: &DiskJob| match job {
        DiskJob::RecordPart { first, values, last, .. } => Some((*first, values.len(), *last)),
        _ => None,
    };
    let records: Vec<_> = pair.b.disk.asked.iter().filter_map(record).collect();
    assert_eq!(records, [(0, 8, false), (8, 8, false)]);
}

#[test]
fn while_verified_blocks_are_written_down_no_others_are() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(20 * BLOCK)).unwrap();
    lone.serve();
    let body = vec![0; BLOCK as usize];
    (0..16).for_each(|block| lone.hear_chunk(id, block * BLOCK, &body).unwrap());
    lone.side.does = |job| !matches!(job, DiskJob::RecordPart { .. });
    lone.serve();
    let value = |index| blake3::Hasher::new().set_input_offset(index * BLOCK).update(&body).finalize_non_root();
    let recorded = |lone: &Lone| {
        let first = |job: &DiskJob| if let DiskJob::RecordPart { first, .. } = job { Some(*first) } else { None };
        lone.side.disk.asked.iter().filter_map(first).collect::<Vec<u64>>()
    };
    for first in [0, 8] {
        lone.hear(&Frame::Digests { id, first, values: (first..first + 8).map(value).collect() }).unwrap();
        lone.serve();
        assert_eq!(recorded(&lone), [0]);
    }
    lone.side.does = |_| true;
    lone.serve();
    assert_eq!(recorded(&lone), [0, 8]);
}

#[test]
fn the_time_of_a_file_counts_from_its_acceptance() {
    let file = |lone: &Lone| lone.side.session.progress().remove(0);
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(10)).unwrap();
    lone.frames();
    lone.side.does = |_| false;
    lone.now += Duration::from_secs(1);
    lone.side.session.handle_timeout(lone.now);
    assert_eq!((file(&lone).state, file(&lone).elapsed), ("offered", Duration::ZERO));
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    lone.now += Duration::from_secs(3);
    lone.side.session.handle_timeout(lone.now);
    assert_eq!((file(&lone).state, file(&lone).elapsed), ("starting", Duration::from_secs(3)));
}

#[test]
fn the_next_byte_is_told_while_a_file_is_sent_and_neither_before_nor_behind() {
    let mut pair = Pair::new();
    pair.a.does = |job| !matches!(job, DiskJob::OpenSource(_));
    let id = pair.offer(5, 3 * BLOCK);
    pair.run();
    assert_eq!((pair.a.state(id), pair.a.session.sends_at(id)), (Some("Opening"), None));
    pair.a.does = |job| !matches!(job, DiskJob::HashSource(_, block) if block.index == 2);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.a.session.sends_at(id), Some(2 * BLOCK), "the third block is not hashed yet");
    assert_eq!(pair.a.session.sends_at(TransferId(id.0 + 2)), None);
    pair.a.does = |job| !matches!(job, DiskJob::CheckSource(_));
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.state(id), pair.a.session.sends_at(id)), (Some("Checking"), None));
}
