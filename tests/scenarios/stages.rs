//! What files wait for, told by those who carry them.

use std::time::Duration;

use blake3::hazmat::HasherExt as _;
use tete::proto::TransferId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::event::Event;
use tete::proto::frame::{Frame, Kind};
use tete::proto::outgoing::WINDOW_STORED;
use tete::proto::session::Setup;
use tete::proto::stages::{Half, Held, Resource, Spent, Stage, Stages, TELL_EVERY, Turn};

use crate::support::disk::{Part, Source};
use crate::support::lone::Lone;
use crate::support::pair::{Pair, bulk_link};
use crate::support::setup;

const STEP: Duration = Duration::from_millis(100);
/// A link that takes nothing and brings nothing.
const HELD: Turn = Turn {
    talk: Held { full: true, empty: true },
    bulk: Held { full: true, empty: true },
    secure: false,
    took: Duration::ZERO,
    stopped: false,
    processor: None,
};

/// A file of ours, accepted and being sent; frames that were said so far are forgotten.
fn sending(size: u64) -> (Lone, TransferId) {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(size)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    (lone, id)
}

/// Turns of the loop that end like this, until so much time has passed.
fn pass(lone: &mut Lone, time: Duration, turn: &Turn) {
    let end = lone.now + time;
    while lone.now < end {
        lone.now += STEP;
        lone.side.session.account(lone.now, turn);
    }
}

fn resource(stages: Option<Stages>) -> Option<Resource> {
    Some(stages?.verdict()?.limit()?.resource)
}

#[test]
fn what_a_sender_waits_for_is_told_of_one_half_until_the_receiver_tells_its_own() {
    let (mut lone, id) = sending(8 * BLOCK);
    pass(&mut lone, STEP * 10, &HELD);
    assert_eq!(resource(lone.side.session.stages(id)), Some(Resource::NetworkOrReceiver));
    let disk = Half { disk: STEP * 9, beyond: STEP, ..Half::default() };
    lone.hear(&Frame::Spent { id, half: disk }).unwrap();
    assert_eq!(resource(lone.side.session.stages(id)), Some(Resource::ReceiverDisk));
}

#[test]
fn a_half_is_told_each_second_and_never_fills_the_queue() {
    let (mut lone, _) = sending(8 * BLOCK);
    let spent = |lone: &mut Lone| lone.frames().iter().filter(|frame| frame.kind() == Kind::Spent).count();
    pass(&mut lone, TELL_EVERY / 2, &HELD);
    assert_eq!(spent(&mut lone), 0);
    pass(&mut lone, TELL_EVERY * 2, &HELD);
    assert_eq!(spent(&mut lone), 2);
    pass(&mut lone, TELL_EVERY * 500, &HELD);
    assert!(spent(&mut lone) <= 64, "nobody has taken any of them meanwhile");
}

#[test]
fn a_claim_about_no_file_is_of_no_use_and_does_no_harm() {
    let (mut lone, id) = sending(8 * BLOCK);
    let half = Half { disk: Duration::MAX, hashing: Duration::MAX, ..Half::default() }; // more than a number holds
    for id in [TransferId(0), TransferId(id.0 + 1), TransferId(u64::MAX), id] {
        lone.hear(&Frame::Spent { id, half }).unwrap();
    }
    pass(&mut lone, STEP * 10, &HELD);
    let total = lone.side.session.stages(id).unwrap().total();
    assert!(total.abs_diff(STEP * 10) < STEP / 100, "{total:?}");
    assert_eq!(lone.side.session.stages(TransferId(id.0 + 1)), None);
}

#[test]
fn of_a_file_that_is_through_both_sides_know_both_halves() {
    let mut pair = Pair::new();
    let id = pair.offer(1, 3 * BLOCK);
    for _ in 0..20 {
        pair.now += STEP;
        pair.a.session.account(pair.now, &HELD);
        pair.b.session.account(pair.now, &HELD);
        pair.step();
    }
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    for events in [&pair.a.events, &pair.b.events] {
        let stages = events.iter().find_map(|event| match event {
            Event::Sent { stages, .. } | Event::Received { stages, .. } => Some(stages),
            _ => None,
        });
        let stages = stages.unwrap();
        assert!(stages.total() >= STEP, "{stages:?}");
        let unknown = stages.get(Stage::NetworkOrReceiver) + stages.get(Stage::NetworkOrSender);
        assert!(unknown.is_zero() && !stages.get(Stage::DestinationWrite).is_zero(), "{stages:?}");
    }
}

/// A link that takes everything, and has brought all there was.
const FREE: Turn = Turn { talk: Held { full: false, empty: true }, bulk: Held { full: false, empty: true }, ..HELD };
/// One that takes nothing, and has brought more than was taken.
const BRINGS: Turn = Turn { talk: Held { full: true, empty: false }, ..HELD };

/// What a file waits for when a turn ends like this: where the time goes.
fn waits(lone: &mut Lone, id: TransferId, turn: &Turn) -> Option<Stage> {
    let before = lone.side.session.stages(id)?;
    pass(lone, STEP, turn);
    let after = lone.side.session.stages(id)?;
    let spent = |stage: &Stage| after.get(*stage).saturating_sub(before.get(*stage));
    Stage::ALL.into_iter().filter(|stage| spent(stage) > STEP / 2).max_by_key(spent)
}

fn is_hashing(job: &DiskJob) -> bool {
    matches!(job, DiskJob::HashSource(..) | DiskJob::HashPart(..))
}

#[test]
fn a_sender_waits_for_its_file_its_hashes_its_link_and_at_last_for_the_receiver() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(2 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 2 * BLOCK });
    lone.frames();
    assert_eq!(waits(&mut lone, id, &FREE), None, "nobody has accepted it");
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.side.does = |_| false;
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceRead), "it is being opened");
    lone.side.does = |job| !is_hashing(job);
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceHashing), "nothing is sent that was not hashed");
    lone.side.does = |job| !matches!(job, DiskJob::CheckSource(_));
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SendQueue), "nothing keeps it but the loop");
    assert_eq!(waits(&mut lone, id, &HELD), Some(Stage::NetworkOrReceiver), "the link is full");
    lone.frames();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceRead), "it is looked at once more");
    lone.side.does = |_| true;
    lone.serve();
    assert!(lone.frames().iter().any(|frame| frame.kind() == Kind::End));
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrReceiver), "the receiver has not said that it has it");
}

#[test]
fn a_sender_of_a_stream_waits_for_whoever_fills_it_and_then_for_its_last_hashes() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", None).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 1000 });
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.side.does = |job| !is_hashing(job);
    lone.serve();
    lone.side.session.stream_grew(lone.now, id, 500, false);
    lone.frames();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceRead), "no more has come");
    lone.side.session.stream_grew(lone.now, id, 1000, true);
    lone.frames();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceHashing), "all was sent, and not all is told");
}

#[test]
fn a_sender_with_a_limit_waits_for_it_and_one_whose_link_was_lost_for_the_other_side() {
    let mut lone = Lone::new(Setup { limit: Some(1_000_000), ..setup(true) });
    let id = lone.side.session.offer(lone.now, "a", Some(8 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 8 * BLOCK });
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    lone.frames();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::Limit));
    let mut lone = Lone::new(Setup { returns: true, ..setup(true) });
    let id = lone.side.session.offer(lone.now, "a", Some(8 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 8 * BLOCK });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    lone.come_back(2);
    lone.hear(&Frame::Back { texts: 0, orders: 1, bye: false }).unwrap();
    lone.frames();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrReceiver), "it has not said from where on");
}

#[test]
fn a_receiver_waits_for_its_part_its_link_its_hashes_and_at_last_for_its_disk() {
    let mut lone = Lone::new(setup(true));
    let id = TransferId(2);
    lone.side.does = |_| false;
    lone.hear_offer(id.0, Some(26 * BLOCK)).unwrap();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::DestinationWrite), "its part is being created");
    lone.side.does = |job| !is_hashing(job);
    lone.serve();
    lone.frames();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrSender), "nothing has come");
    assert_eq!(waits(&mut lone, id, &BRINGS), Some(Stage::ReceiveQueue), "something has come, and was not taken");
    let body = vec![0; BLOCK as usize];
    (0..24).for_each(|block| lone.hear_chunk(id, block * BLOCK, &body).unwrap());
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrSender), "its hashes do not lag enough");
    lone.hear_chunk(id, 24 * BLOCK, &body).unwrap();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::DestinationHashing), "its hashes lag");
    assert_eq!(waits(&mut lone, id, &BRINGS), Some(Stage::ReceiveQueue));
}

#[test]
fn what_helpers_say_of_a_file_that_is_kept_by_the_disk_is_counted_as_theirs() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: BLOCK });
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.side.does = |job| !is_hashing(job);
    lone.serve();
    lone.frames();
    pass(&mut lone, STEP * 4, &FREE);
    assert!(lone.side.session.stages(id).unwrap().get(Stage::SourceRead).is_zero());
    lone.side.session.helped(id, Spent { reading: STEP * 3, hashing: STEP });
    let stages = lone.side.session.stages(id).unwrap();
    assert!(stages.get(Stage::SourceRead) > stages.get(Stage::SourceHashing), "{stages:?}");
}

#[test]
fn the_processor_is_asked_about_for_large_files_under_way_alone() {
    let (mut lone, _) = sending(8 * BLOCK);
    assert!(lone.side.session.wants_processor());
    lone.side.session.account(lone.now, &Turn { processor: Some(STEP), ..HELD });
    assert!(!lone.side.session.wants_processor(), "it was told just now");
    assert!(!sending(1000).0.side.session.wants_processor(), "it is small");
    assert!(!Lone::new(setup(true)).side.session.wants_processor(), "there is none");
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(2, Some(8 * BLOCK)).unwrap();
    lone.serve();
    assert!(lone.side.session.wants_processor(), "it is received");
}

#[test]
fn a_receiver_tells_its_half_each_second_and_never_fills_the_queue() {
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(2, Some(8 * BLOCK)).unwrap();
    lone.serve();
    lone.frames();
    let spent = |lone: &mut Lone| lone.frames().iter().filter(|frame| frame.kind() == Kind::Spent).count();
    pass(&mut lone, TELL_EVERY * 2 + STEP, &HELD);
    assert_eq!(spent(&mut lone), 2);
    pass(&mut lone, TELL_EVERY * 500, &HELD);
    assert_eq!(spent(&mut lone), 64, "nobody has taken any of them meanwhile");
}

#[test]
fn what_keeps_a_file_is_the_link_that_it_rides_and_not_the_other() {
    const BULK: u32 = FIRST_EPOCH + 1;
    let talk_held = Turn { talk: Held { full: true, empty: false }, ..FREE };
    let bulk_held = Turn { bulk: Held { full: true, empty: false }, ..FREE };
    let (mut sender, ours) = sending(8 * BLOCK);
    let (mut receiver, theirs) = (Lone::new(setup(true)), TransferId(2));
    receiver.hear_offer(theirs.0, Some(8 * BLOCK)).unwrap();
    receiver.serve();
    for (its_own, other) in [(&talk_held, &bulk_held), (&bulk_held, &talk_held)] {
        assert_eq!(waits(&mut sender, ours, its_own), Some(Stage::NetworkOrReceiver));
        assert_eq!(waits(&mut sender, ours, other), Some(Stage::SendQueue));
        assert_eq!(waits(&mut receiver, theirs, its_own), Some(Stage::ReceiveQueue));
        assert_eq!(waits(&mut receiver, theirs, other), Some(Stage::NetworkOrSender));
        if std::ptr::eq(its_own, &talk_held) {
            sender.side.session.bulk_up(bulk_link(BULK), BULK, sender.now);
            receiver.side.session.bulk_up(bulk_link(BULK), BULK, receiver.now);
            receiver.hear(&Frame::Move { id: theirs, epoch: BULK }).unwrap();
        }
    }
}

#[test]
fn a_sender_waits_for_hashes_behind_what_it_has_sent_and_for_the_receiver_behind_its_window() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(20 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 20 * BLOCK });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.side.does = |job| !matches!(job, DiskJob::HashSource(_, block) if block.index >= 2);
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    assert_eq!(lone.side.session.progress()[0].sent, 2 * BLOCK);
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceHashing), "the third block is not hashed");
    lone.side.does = |_| true;
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    assert_eq!(lone.side.session.progress()[0].sent, WINDOW_STORED);
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrReceiver), "nothing of it is stored");
}

#[test]
fn a_sender_that_was_not_told_what_is_there_waits_for_that_whatever_there_is_to_hash() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(8 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 8 * BLOCK });
    lone.frames();
    lone.side.does = |job| !is_hashing(job);
    lone.hear(&Frame::Accept { id, from: 2 * BLOCK }).unwrap();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrReceiver), "it looks at an earlier part");
    let mut lone = Lone::new(Setup { returns: true, ..setup(true) });
    let id = lone.side.session.offer(lone.now, "-", None).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 1000 });
    lone.frames();
    lone.side.does = |job| !is_hashing(job);
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    lone.side.session.stream_grew(lone.now, id, 1000, true);
    lone.frames();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::SourceHashing));
    lone.come_back(2);
    lone.hear(&Frame::Back { texts: 0, orders: 1, bye: false }).unwrap();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::NetworkOrReceiver), "its link was lost");
}

/// The values of blocks of zeros.
fn zeros(blocks: u64) -> Vec<[u8; 32]> {
    let value =
        |index| blake3::Hasher::new().set_input_offset(index * BLOCK).update(&[0; BLOCK as usize]).finalize_non_root();
    (0..blocks).map(value).collect()
}

#[test]
fn a_receiver_of_all_there_is_waits_for_its_hashes_and_then_for_a_disk_that_is_still_flushing() {
    let (id, size) = (TransferId(2), 8 * BLOCK);
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(size)).unwrap();
    lone.serve();
    let body = vec![0; BLOCK as usize];
    (0..8).for_each(|block| lone.hear_chunk(id, block * BLOCK, &body).unwrap());
    let (digests, end) = (Frame::Digests { id, first: 0, values: zeros(8) }, Frame::End { id, size, root: [0; 32] });
    lone.side.does = |job| !matches!(job, DiskJob::RecordPart { .. });
    lone.hear(&digests).unwrap();
    lone.serve();
    lone.hear(&end).unwrap();
    assert_eq!(waits(&mut lone, id, &BRINGS), Some(Stage::DestinationWrite), "what is verified is written down");
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(size)).unwrap();
    lone.serve();
    lone.side.does = |job| !is_hashing(job);
    (0..8).for_each(|block| lone.hear_chunk(id, block * BLOCK, &body).unwrap());
    lone.hear(&digests).unwrap();
    lone.hear(&end).unwrap();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &BRINGS), Some(Stage::DestinationHashing));
}

#[test]
fn a_receiver_that_looks_at_an_earlier_part_waits_for_helpers_who_say_whether_they_read_or_hash() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    let part = Part {
        name: "fetched_x.bin".to_owned(),
        bytes: vec![0; 2 * BLOCK as usize],
        synced: false,
        sync_failed: false,
        told: false,
        journal: zeros(2),
    };
    lone.side.disk.left.insert(part.name.clone(), part);
    lone.side.does = |job| !is_hashing(job);
    lone.hear_offer(id.0, Some(8 * BLOCK)).unwrap();
    lone.serve();
    assert_eq!(waits(&mut lone, id, &FREE), Some(Stage::DestinationHashing));
    lone.side.session.helped(id, Spent { reading: STEP * 3, hashing: STEP });
    let stages = lone.side.session.stages(id).unwrap();
    assert!(stages.get(Stage::DestinationWrite) > stages.get(Stage::DestinationHashing), "{stages:?}");
}

#[test]
fn the_processor_is_asked_about_once_more_when_nothing_more_of_a_file_moves() {
    let told = Turn { processor: Some(STEP), ..HELD };
    let (mut sender, _) = sending(8 * BLOCK);
    sender.side.session.account(sender.now, &told);
    assert!(!sender.side.session.wants_processor());
    while sender.side.serve(sender.now) || !sender.frames().is_empty() {}
    assert!(sender.side.session.wants_processor(), "all was sent");
    sender.side.session.account(sender.now, &told);
    assert!(!sender.side.session.wants_processor());
    let (mut receiver, id, size) = (Lone::new(setup(true)), TransferId(2), 100_000);
    receiver.side.does = |job| !is_hashing(job);
    receiver.hear_offer(id.0, Some(size)).unwrap();
    receiver.serve();
    receiver.side.session.account(receiver.now, &told);
    assert!(!receiver.side.session.wants_processor());
    receiver.hear_chunk(id, 0, &vec![0; size as usize]).unwrap();
    receiver.hear(&Frame::Digests { id, first: 0, values: vec![[0; 32]] }).unwrap();
    receiver.hear(&Frame::End { id, size, root: [0; 32] }).unwrap();
    assert!(receiver.side.session.wants_processor(), "all has come");
    receiver.side.session.account(receiver.now, &told);
    assert!(!receiver.side.session.wants_processor());
    let mut small = Lone::new(setup(true));
    small.hear_offer(2, Some(1000)).unwrap();
    small.serve();
    assert!(!small.side.session.wants_processor(), "it is small");
}
