//! Files on a link of their own: how they get there, and what becomes of them when it dies.

use std::time::Duration;

use tete::proto::claim::FIRST_EPOCH;
use tete::proto::decoder::{Decoded, Receive};
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::ProtocolError;
use tete::proto::frame::{Frame, encode_chunk_header};
use tete::proto::outbox::Transmit;
use tete::proto::ride::Ride;
use tete::proto::session::{Ended, STALL_AFTER, Setup};
use tete::proto::transfers::SMALL_FILE;
use tete::proto::{Span, TransferId};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::{LINK, Pair, bulk_link};
use crate::support::{returning, setup, with_policy};
use tete::proto::transfers::Policy;

/// The epoch of the first bulk link.
const BULK: u32 = FIRST_EPOCH + 1;
const SIZE: u64 = 20 * BLOCK + 12_345;

fn ride(pair: &Pair, id: TransferId) -> Option<Ride> {
    pair.a.session.progress().iter().find(|file| file.id == id).map(|file| file.ride)
}

/// Until a has been told that so much of the file is stored.
fn until_stored(pair: &mut Pair, id: TransferId, bytes: u64) {
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.id == id && file.bytes >= bytes));
}

#[test]
fn with_a_bulk_link_no_byte_of_a_file_goes_over_the_talk_link() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    pair.run();
    let id = pair.offer(1, SIZE);
    let mut most = 0;
    for _ in 0..10_000 {
        pair.step();
        most = most.max(pair.ab.bytes.len());
    }
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    assert!(most < 1000, "{most} bytes at once on the talk link");
}

#[test]
fn a_file_moves_at_a_chunks_end_when_the_bulk_link_comes() {
    let mut pair = Pair::new();
    let id = pair.offer(2, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    assert_eq!(ride(&pair, id), Some(Ride::Talk));
    pair.bulk_up(BULK);
    until_stored(&mut pair, id, 6 * BLOCK);
    assert_eq!(ride(&pair, id), Some(Ride::Bulk(BULK)));
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn the_side_whose_link_is_up_later_loses_nothing() {
    for sender_first in [true, false] {
        let mut pair = Pair::new();
        let id = pair.offer(3, SIZE);
        until_stored(&mut pair, id, 2 * BLOCK);
        if sender_first {
            pair.bulk_up_at_a(BULK)
        } else {
            pair.bulk_up_at_b(BULK)
        }
        for _ in 0..20 {
            pair.step();
        }
        assert!(pair.b.outcome(id).is_empty());
        let (ab, ba) = (std::mem::take(&mut pair.bulk_ab), std::mem::take(&mut pair.bulk_ba));
        if sender_first {
            pair.bulk_up_at_b(BULK)
        } else {
            pair.bulk_up_at_a(BULK)
        }
        (pair.bulk_ab, pair.bulk_ba) = (ab, ba);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
    }
}

#[test]
fn a_file_goes_on_over_the_talk_link_when_the_bulk_link_dies_whoever_notices() {
    for (a_notices, b_notices) in [(true, true), (true, false), (false, true)] {
        for stored in 0..20 {
            let mut pair = Pair::new();
            pair.bulk_up(BULK);
            let id = pair.offer(4, SIZE);
            until_stored(&mut pair, id, stored * BLOCK);
            pair.bulk_lost(BULK, a_notices, b_notices);
            pair.pass(Duration::from_secs(1));
            pair.assert_arrived(id);
            assert!(!pair.a.session.has_link(bulk_link(BULK)) && !pair.b.session.has_link(bulk_link(BULK)));
        }
    }
}

#[test]
fn what_is_sent_twice_after_a_bulk_link_died_is_what_was_under_way() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(5, SIZE);
    until_stored(&mut pair, id, 4 * BLOCK);
    pair.b.session.poll_receive(bulk_link(BULK));
    let under_way = pair.bulk_ab.bytes.len() as u64;
    pair.bulk_lost(BULK, true, true);
    let before = pair.b.disk.parts[&id].bytes.len() as u64;
    pair.step();
    pair.step();
    let file = pair.a.session.progress().into_iter().find(|file| file.id == id).unwrap();
    assert!(file.bytes >= before, "the receiver keeps what it has: {} of {before}", file.bytes);
    assert!(under_way < 2 * BLOCK + 1000);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn a_later_bulk_link_takes_over_and_an_earlier_one_is_never_heard_of_again() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(6, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    pair.bulk_up(BULK + 1);
    until_stored(&mut pair, id, 8 * BLOCK);
    assert_eq!(ride(&pair, id), Some(Ride::Bulk(BULK + 1)));
    assert!(!pair.a.session.has_link(bulk_link(BULK)));
    pair.a.session.bulk_up(bulk_link(BULK), BULK, pair.now);
    assert!(!pair.a.session.has_link(bulk_link(BULK)), "it is dead, and stays so");
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn many_files_both_ways_survive_a_bulk_link_that_comes_and_goes() {
    let mut pair = Pair::new();
    let there: Vec<_> = (0..12).map(|key| pair.offer(key, key * 900_000)).collect();
    let back: Vec<_> = (0..12).map(|key| pair.offer_back(100 + key, key * 700_001)).collect();
    for epoch in BULK..BULK + 12 {
        pair.bulk_up(epoch);
        for _ in 0..epoch * 3 {
            pair.step();
        }
        pair.bulk_lost(epoch, epoch % 2 == 0, epoch % 3 < 2);
    }
    pair.pass(Duration::from_secs(2));
    there.iter().for_each(|id| pair.assert_arrived(*id));
    back.iter().for_each(|id| pair.assert_arrived_back(*id));
}

#[test]
fn a_bulk_link_that_was_called_for_before_the_talk_link_is_none() {
    let mut pair = Pair::with(returning(true), returning(false));
    pair.a.does = |job| !matches!(job, DiskJob::OpenSource(_));
    let id = pair.offer(1, 20 * BLOCK);
    pair.bulk_up_at_b(BULK);
    pair.run();
    pair.talk_lost(true, true);
    pair.talk_up(BULK + 1, [None, None]);
    pair.run();
    // It is through the gate here only now: the last word of the other end was on its way for long.
    pair.bulk_up_at_a(BULK);
    pair.a.does = |_| true;
    for _ in 0..5 {
        pair.step();
    }
    pair.bulk_lost(BULK, true, false);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn small_files_stay_on_the_talk_link_and_are_through_beside_a_large_one() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let large = pair.offer(17, SIZE);
    pair.run_until(|pair| ride(pair, large) == Some(Ride::Bulk(BULK)));
    pair.bulk_ab.full = true;
    let small: Vec<_> = (20..27).map(|key| pair.offer(key, SMALL_FILE)).collect();
    pair.pass(Duration::from_secs(1));
    small.iter().for_each(|id| pair.assert_arrived(*id));
    pair.bulk_ab.full = false;
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(large);
}

#[test]
fn a_stream_is_sent_again_from_what_is_held_of_it() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.a.session.offer(pair.now, "-", None).unwrap();
    let size = 3 * BLOCK + 77;
    pair.a.disk.sources.insert(id, crate::support::disk::Source { key: 8, size });
    pair.run();
    pair.a.session.stream_grew(pair.now, id, size, false);
    for _ in 0..3 {
        pair.step();
    }
    pair.bulk_lost(BULK, true, true);
    pair.a.session.stream_grew(pair.now, id, size, true);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    let forgotten = |job: &DiskJob| if let DiskJob::ForgetStream(_, to) = job { Some(*to) } else { None };
    assert_eq!(pair.a.disk.asked.iter().filter_map(forgotten).max(), Some(size));
}

#[test]
fn a_cancel_reaches_a_file_on_the_bulk_link_from_either_side_and_the_next_file_is_whole() {
    for by_sender in [true, false] {
        let mut pair = Pair::new();
        pair.bulk_up(BULK);
        let id = pair.offer(9, SIZE);
        until_stored(&mut pair, id, 3 * BLOCK);
        let side = if by_sender { &mut pair.a } else { &mut pair.b };
        side.session.cancel(pair.now, Some(id)).unwrap();
        let next = pair.offer(10, SIZE);
        pair.pass(Duration::from_secs(1));
        assert!(pair.a.failed(id) && pair.b.failed(id));
        pair.assert_arrived(next);
    }
}

#[test]
fn leaving_waits_for_a_file_whose_bulk_link_dies() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(11, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    pair.leave_a();
    pair.leave_b();
    pair.bulk_lost(BULK, false, true);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    assert!(pair.both_left());
}

#[test]
fn texts_do_not_wait_behind_a_file_whose_link_is_full() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(12, SIZE);
    until_stored(&mut pair, id, BLOCK);
    pair.bulk_ab.full = true;
    pair.a.session.say(pair.now, "still here").unwrap();
    pair.run();
    assert_eq!(pair.b.texts(), ["still here"]);
    pair.bulk_ab.full = false;
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn a_bulk_link_that_moves_nothing_is_given_up_while_the_talk_link_lives() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(18, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    pair.bulk_ab.full = true;
    pair.pass(STALL_AFTER - Duration::from_secs(1));
    assert!(pair.b.outcome(id).is_empty(), "patience comes first");
    pair.pass(Duration::from_secs(10));
    pair.assert_arrived(id);
}

#[test]
fn a_bulk_link_that_swallows_everything_is_given_up_too() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(19, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    pair.bulk_ab.swallows = true;
    for _ in 0..200 {
        pair.step(); // until the windows are full: what vanishes does not count as a move
    }
    pair.pass(STALL_AFTER * 2);
    pair.assert_arrived(id);
}

#[test]
fn a_chunk_of_a_cancelled_file_that_is_stuck_does_not_block_the_next_file_for_ever() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    let id = pair.offer(21, SIZE);
    until_stored(&mut pair, id, 3 * BLOCK);
    pair.bulk_ab.full = true;
    pair.run();
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    let next = pair.offer(22, SIZE);
    pair.pass(STALL_AFTER * 2);
    pair.assert_arrived(next);
}

#[test]
fn a_receiver_that_hashes_for_long_does_not_cost_the_bulk_link() {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    pair.b.does = |job| !matches!(job, DiskJob::HashPart(..));
    let id = pair.offer(23, SIZE);
    pair.pass(STALL_AFTER * 3);
    assert!(pair.a.session.has_link(bulk_link(BULK)), "everything sent is stored");
    pair.b.does = |_| true;
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

/// Everything that a session wants to say on its bulk link is said; whether there was anything.
fn send_bulk(lone: &mut Lone) -> bool {
    let mut any = false;
    while let Some(next) = lone.side.session.poll_transmit(bulk_link(BULK)) {
        let n = match next {
            Transmit::Bytes(bytes) => bytes.len() as u64,
            Transmit::File(span) => span.len,
            Transmit::Padding(len) => len,
        };
        lone.side.session.sent(bulk_link(BULK), lone.now, n);
        any = true;
    }
    any
}

/// One side whose peer is the test, and a file that has gone over the bulk link as far as it may.
fn sending() -> (Lone, TransferId) {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(SIZE)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: SIZE });
    lone.frames();
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    while lone.side.serve(lone.now) || !lone.frames().is_empty() || send_bulk(&mut lone) {}
    (lone, id)
}

#[test]
fn a_bulk_link_whose_receiver_stores_slowly_is_kept_for_as_long_as_it_tells_of_progress() {
    let (mut lone, id) = sending();
    for stored in 1..6 {
        lone.now += STALL_AFTER - Duration::from_secs(1);
        lone.hear(&Frame::Progress { id, stored: stored * 1000, verified: 0 }).unwrap();
        lone.side.session.handle_timeout(lone.now);
        assert!(lone.side.session.has_link(bulk_link(BULK)), "after {stored}");
    }
    lone.now += STALL_AFTER;
    lone.hear(&Frame::Ping { token: 1 }).unwrap();
    lone.side.session.handle_timeout(lone.now);
    assert!(!lone.side.session.has_link(bulk_link(BULK)), "and no longer");
}

#[test]
fn a_bulk_link_that_had_nothing_to_carry_for_long_has_its_time_from_the_next_file_on() {
    let mut lone = Lone::new(setup(true));
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    lone.now += STALL_AFTER * 2;
    let id = lone.side.session.offer(lone.now, "a", Some(SIZE)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: SIZE });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    assert!(lone.side.session.poll_transmit(bulk_link(BULK)).is_some(), "it has something to carry now");
    lone.side.session.handle_timeout(lone.now);
    assert!(lone.side.session.has_link(bulk_link(BULK)));
    lone.now += STALL_AFTER;
    lone.hear(&Frame::Ping { token: 1 }).unwrap();
    lone.side.session.handle_timeout(lone.now);
    assert!(!lone.side.session.has_link(bulk_link(BULK)), "and no longer");
}

#[test]
fn a_bulk_link_is_kept_while_nothing_is_heard_on_the_talk_link_either() {
    let (mut lone, _) = sending();
    lone.now += STALL_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert!(lone.side.session.has_link(bulk_link(BULK)), "it may be no fault of this link");
    lone.now += STALL_AFTER;
    lone.hear(&Frame::Ping { token: 1 }).unwrap();
    lone.side.session.handle_timeout(lone.now);
    assert!(!lone.side.session.has_link(bulk_link(BULK)));
}

#[test]
fn a_bulk_link_that_comes_when_the_talk_link_is_lost_is_not_taken() {
    let mut lone = Lone::new(returning(true));
    lone.side.session.link_lost(LINK, lone.now, "reset");
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    assert!(lone.side.session.is_away() && !lone.side.session.has_link(bulk_link(BULK)));
}

#[test]
fn a_link_of_its_own_is_wanted_for_a_large_file_on_both_sides_and_for_nothing_else() {
    for (size, wanted) in [(SMALL_FILE, false), (SMALL_FILE + 1, true)] {
        let mut pair = Pair::new();
        assert!(!pair.a.session.wants_bulk());
        pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
        pair.offer(13, size);
        pair.run();
        assert_eq!([&pair.a, &pair.b].map(|side| side.session.wants_bulk()), [wanted; 2], "{size} bytes");
        pair.bulk_up(BULK);
        assert!(!pair.a.session.wants_bulk() && !pair.b.session.wants_bulk());
    }
}

#[test]
fn without_verifying_a_file_arrives_unhashed() {
    let unverified = |lead| Setup { verify: false, ..setup(lead) };
    let mut pair = Pair::with(unverified(true), unverified(false));
    pair.bulk_up(BULK);
    let id = pair.offer(14, SIZE);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.b.outcome(id), ["received"]);
    let is_hash = |job: &DiskJob| matches!(job, DiskJob::HashSource(..) | DiskJob::HashPart(..));
    assert!(!pair.a.disk.asked.iter().chain(&pair.b.disk.asked).any(is_hash));
}

#[test]
fn who_verifies_takes_nothing_from_who_does_not() {
    let mut pair = Pair::with(Setup { verify: false, ..setup(true) }, setup(false));
    let id = pair.offer(15, 10);
    pair.pass(Duration::from_secs(1));
    assert!(matches!(pair.b.ended(), Some(Ended::Broken(ProtocolError::Malformed { frame: "END", .. }))));
    assert!(pair.b.disk.published.is_empty() && pair.b.failed(id));
}

/// One side with a bulk link, whose peer is the test, and a file that it is receiving.
fn receiving() -> (Lone, TransferId) {
    let mut lone = Lone::new(setup(true));
    let id = TransferId(2);
    lone.hear_offer(id.0, Some(100)).unwrap();
    lone.serve();
    lone.frames();
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    (lone, id)
}

/// The head of a chunk comes over the bulk link.
fn hear_bulk_chunk(lone: &mut Lone, id: TransferId, offset: u64, len: u32) -> Result<usize, ProtocolError> {
    let mut head = Vec::new();
    encode_chunk_header(&mut head, id, offset, len);
    lone.side.session.handle_bytes(bulk_link(BULK), lone.now, &head)
}

#[test]
fn a_chunk_that_overtakes_its_move_waits_for_it() {
    let (mut lone, id) = receiving();
    lone.hear_chunk(id, 0, &[7; 40]).unwrap();
    hear_bulk_chunk(&mut lone, id, 60, 40).unwrap();
    assert_eq!(lone.side.session.poll_receive(bulk_link(BULK)), Receive::Paused);
    lone.hear_chunk(id, 40, &[7; 20]).unwrap();
    assert_eq!(lone.side.session.poll_receive(bulk_link(BULK)), Receive::Paused);
    lone.hear(&Frame::Move { id, epoch: BULK }).unwrap();
    assert!(matches!(lone.side.session.poll_receive(bulk_link(BULK)), Receive::File(span) if span.offset == 60));
}

#[test]
fn a_move_to_a_link_that_is_gone_is_answered_with_what_there_is() {
    let (mut lone, id) = receiving();
    lone.hear_chunk(id, 0, &[7; 40]).unwrap();
    lone.side.session.link_lost(bulk_link(BULK), lone.now, "reset");
    assert_eq!(lone.frames(), [Frame::LinkDown { epoch: BULK }]);
    lone.hear(&Frame::Move { id, epoch: BULK }).unwrap();
    let resume = Frame::Resume { id, epoch: BULK, stored: 40, told: 0 };
    assert!(lone.frames().contains(&resume), "and the sender goes on over the talk link");
    lone.hear_chunk(id, 40, &[7; 60]).unwrap();
}

#[test]
fn a_bulk_link_that_never_came_up_here_is_given_up_with_its_files() {
    let mut lone = Lone::new(setup(true));
    let id = TransferId(2);
    lone.hear_offer(id.0, Some(100)).unwrap();
    lone.serve();
    lone.frames();
    lone.hear_chunk(id, 0, &[7; 40]).unwrap();
    lone.hear(&Frame::Move { id, epoch: 5 }).unwrap();
    lone.hear(&Frame::LinkDown { epoch: 5 }).unwrap();
    let resume = Frame::Resume { id, epoch: 5, stored: 40, told: 0 };
    assert_eq!(lone.frames(), [Frame::LinkDown { epoch: 5 }, resume]);
    lone.side.session.bulk_up(bulk_link(5), 5, lone.now);
    assert!(!lone.side.session.has_link(bulk_link(5)));
}

#[test]
fn on_a_bulk_link_only_what_belongs_to_files_under_way_is_taken() {
    let frames = [
        Frame::Ping { token: 1 },
        Frame::Bye { reason: tete::proto::event::LeaveReason::Done },
        Frame::Offer { id: TransferId(4), size: Some(1), name: "x".into() },
        Frame::Cancel { id: TransferId(2), reason: None, words: "x".into() },
        Frame::Digests { id: TransferId(6), first: 0, values: vec![[0; 32]] },
        Frame::Digests { id: TransferId(2), first: 0, values: vec![[0; 32]] },
    ];
    for frame in frames {
        let (mut lone, id) = receiving();
        lone.hear_chunk(id, 0, &[7; 40]).unwrap();
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert!(lone.side.session.handle_bytes(bulk_link(BULK), lone.now, &bytes).is_err(), "{frame:?}");
        assert!(matches!(lone.side.ended(), Some(Ended::Broken(_))));
    }
}

#[test]
fn a_file_rides_one_link_at_a_time() {
    let (mut lone, id) = receiving();
    lone.hear(&Frame::Move { id, epoch: BULK }).unwrap();
    hear_bulk_chunk(&mut lone, id, 0, 40).unwrap();
    lone.side.session.stored(bulk_link(BULK), lone.now, Some(id), 40);
    assert!(lone.hear_chunk(id, 40, &[7; 20]).is_err());
}

#[test]
fn chunks_of_a_file_that_is_over_are_let_through_and_thrown_away() {
    let mut lone = Lone::new(with_policy(true, Policy::Auto));
    let id = TransferId(2);
    lone.hear_offer(id.0, Some(100)).unwrap();
    lone.serve();
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    lone.hear(&Frame::Move { id, epoch: BULK }).unwrap();
    hear_bulk_chunk(&mut lone, id, 0, 10).unwrap();
    lone.hear(&Frame::Cancel { id, reason: None, words: "enough".into() }).unwrap();
    assert_eq!(lone.side.session.poll_receive(bulk_link(BULK)), Receive::Discard { len: 10 });
    lone.side.session.stored(bulk_link(BULK), lone.now, None, 10);
    hear_bulk_chunk(&mut lone, id, 10, 10).unwrap();
    assert_eq!(lone.side.session.poll_receive(bulk_link(BULK)), Receive::Discard { len: 10 });
    assert!(hear_bulk_chunk(&mut lone, id, 20, 10).is_ok());
}

#[test]
fn a_resume_beyond_what_was_sent_ends_it() {
    for (stored, told) in [(BLOCK * 30, 0), (0, 30)] {
        let mut pair = Pair::new();
        pair.bulk_up(BULK);
        let id = pair.offer(16, SIZE);
        until_stored(&mut pair, id, 3 * BLOCK);
        pair.bulk_lost(BULK, true, false);
        let mut bytes = Vec::new();
        Frame::Resume { id, epoch: BULK, stored, told }.encode(&mut bytes);
        let result = pair.a.session.handle_bytes(LINK, pair.now, &bytes);
        assert_eq!(result, Err(ProtocolError::Window { what: "progress" }));
    }
}

#[test]
fn a_resume_that_takes_back_what_was_stored_or_verified_ends_it() {
    let size = 4 * BLOCK;
    for (verified, stored, told, ok) in
        [(4, 4, 4, true), (4, 4, 3, false), (2, 4, 2, true), (2, 4, 1, false), (2, 3, 3, false)]
    {
        let mut lone = Lone::new(setup(true));
        let id = lone.side.session.offer(lone.now, "a", Some(size)).unwrap();
        lone.side.disk.sources.insert(id, Source { key: 1, size });
        lone.frames();
        lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
        lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
        while lone.side.serve(lone.now) || !lone.frames().is_empty() || send_bulk(&mut lone) {}
        lone.hear(&Frame::Progress { id, stored: size, verified: verified * BLOCK }).unwrap();
        lone.side.session.link_lost(bulk_link(BULK), lone.now, "reset");
        let result = lone.hear(&Frame::Resume { id, epoch: BULK, stored: stored * BLOCK, told });
        let expected = if ok { Ok(()) } else { Err(ProtocolError::Window { what: "progress" }) };
        assert_eq!(result, expected, "{verified} verified, {stored} stored, {told} told");
    }
}

#[test]
fn a_link_of_its_own_is_wanted_by_each_side_once_its_file_is_open() {
    let wants = |pair: &Pair| [&pair.a, &pair.b].map(|side| side.session.wants_bulk());
    let mut pair = Pair::new();
    pair.a.does = |job| !matches!(job, DiskJob::OpenSource(_));
    pair.b.does = |job| !matches!(job, DiskJob::CreatePart { .. });
    pair.offer(24, SIZE);
    pair.run();
    assert_eq!(wants(&pair), [false, false]);
    pair.b.does = |_| true;
    pair.run();
    assert_eq!(wants(&pair), [false, true]);
    pair.a.does = |_| true;
    pair.run_until(|pair| wants(pair) == [true, true]);
}

#[test]
fn over_a_link_of_its_own_a_file_goes_block_by_block_after_a_little_of_it_went_beside_the_texts() {
    let mut lone = Lone::new(setup(true));
    let size = 3 * BLOCK + 5;
    let id = lone.side.session.offer(lone.now, "a", Some(size)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    let mut first = None;
    lone.spoken_until(|found| match found {
        Decoded::Chunk(span) => first.replace(*span).is_none(),
        _ => false,
    });
    assert_eq!(first, Some(Span { transfer: id, offset: 0, len: 16 * 1024 }));
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    lone.frames();
    let mut chunks = Vec::new();
    while let Some(next) = lone.side.session.poll_transmit(bulk_link(BULK)) {
        let n = match next {
            Transmit::Bytes(bytes) => bytes.len() as u64,
            Transmit::File(span) => {
                chunks.push((span.offset, span.len));
                span.len
            }
            Transmit::Padding(len) => panic!("{len} bytes are made up"),
        };
        lone.side.session.sent(bulk_link(BULK), lone.now, n);
    }
    let rest_of_the_first = (16 * 1024, BLOCK - 16 * 1024);
    assert_eq!(chunks, [rest_of_the_first, (BLOCK, BLOCK), (2 * BLOCK, BLOCK), (3 * BLOCK, 5)]);
}

#[test]
fn values_that_the_peer_claims_to_have_verified_before_it_was_told_them_are_told_all_the_same() {
    let (mut lone, stored) = (Lone::new(setup(true)), 4 * BLOCK);
    let id = lone.side.session.offer(lone.now, "-", None).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: stored });
    lone.frames();
    lone.side.session.bulk_up(bulk_link(BULK), BULK, lone.now);
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.side.does = |job| !matches!(job, DiskJob::HashSource(_, block) if block.index > 0);
    lone.serve();
    lone.side.session.stream_grew(lone.now, id, stored, false);
    while lone.side.serve(lone.now) || send_bulk(&mut lone) {}
    lone.side.session.link_lost(bulk_link(BULK), lone.now, "reset");
    lone.side.does = |_| true;
    lone.serve();
    lone.hear(&Frame::Progress { id, stored, verified: stored }).unwrap();
    lone.hear(&Frame::Resume { id, epoch: BULK, stored, told: 1 }).unwrap();
    let told =
        |frame| if let Frame::Digests { first, values, .. } = frame { Some((first, values.len())) } else { None };
    assert_eq!(lone.frames().into_iter().filter_map(told).collect::<Vec<_>>(), [(1, 3)]);
}
