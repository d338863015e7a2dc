//! Transfers that somebody gives up, in every state and with everything that can cross it.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::CommandError;
use tete::proto::frame::{CancelReason, Frame};
use tete::proto::text::Untrusted;
use tete::proto::transfers::Policy;

use crate::support::lone::Lone;
use crate::support::pair::{LINK, Pair, bulk_link};
use crate::support::{setup, with_policy};

/// A file that stands still in the named state of the sender or the receiver.
fn standing(state: &str) -> (Pair, TransferId) {
    let policy = if matches!(state, "Queued" | "Offered" | "Undecided") { Policy::Ask } else { Policy::Auto };
    let mut pair = Pair::with(setup(true), with_policy(false, policy));
    match state {
        "Waiting" | "Creating" => pair.b.does = |job| !matches!(job, DiskJob::CreatePart { .. }),
        "Opening" => pair.a.does = |job| !matches!(job, DiskJob::OpenSource(_)),
        "Sending" | "Receiving" => pair.a.does = |job| !matches!(job, DiskJob::HashSource(..)),
        "Checking" => pair.a.does = |job| !matches!(job, DiskJob::CheckSource(_)),
        "Ended" => pair.b.does = |job| !matches!(job, DiskJob::HashPart(..)),
        "Committing" => pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_)),
        _ => {}
    }
    // Eight others take the places of active files, 64 others those of offers.
    let others = match state {
        "Waiting" => 8,
        "Queued" => 64,
        _ => 0,
    };
    for key in 0..others {
        pair.offer(key, 50_000);
    }
    let id = pair.offer(others, 50_000);
    pair.run();
    (pair, id)
}

fn comes_to_rest(mut pair: Pair, id: TransferId, state: &str) {
    pair.a.does = |_| true;
    pair.b.does = |_| true;
    pair.a.session.say(pair.now, "still here").unwrap();
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.state(id), pair.b.state(id)), (None, None), "{state}");
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None), "{state}");
    assert_eq!(pair.b.texts(), ["still here"], "{state}");
    assert_eq!(pair.a.outcome(id).len(), 1, "{state}: {:?}", pair.a.outcome(id));
    assert!(pair.a.disk.closed.contains(&id), "{state}");
    assert!(!pair.b.disk.parts.contains_key(&id), "{state}");
}

#[test]
fn a_cancel_by_the_sender_ends_it_in_every_state_and_nothing_is_published() {
    for state in ["Queued", "Offered", "Opening", "Sending", "Checking", "Ended"] {
        let (mut pair, id) = standing(state);
        assert_eq!(pair.a.state(id).unwrap_or("Queued"), state);
        pair.a.session.cancel(pair.now, Some(id)).unwrap();
        pair.run();
        assert_eq!(pair.a.failure(id), Some((false, true)), "{state}");
        assert!(!pair.b.disk.published.contains_key(&id), "{state}");
        comes_to_rest(pair, id, state);
    }
}

#[test]
fn a_cancel_by_the_receiver_ends_it_in_every_state_and_nothing_is_published() {
    for state in ["Undecided", "Waiting", "Creating", "Receiving"] {
        let (mut pair, id) = standing(state);
        assert_eq!(pair.b.state(id), Some(state));
        pair.b.session.cancel(pair.now, Some(id)).unwrap();
        pair.run();
        assert_eq!(pair.b.failure(id), Some((false, true)), "{state}");
        assert!(pair.a.failed(id), "{state}");
        assert!(!pair.b.disk.published.contains_key(&id), "{state}");
        comes_to_rest(pair, id, state);
    }
}

#[test]
fn what_its_receiver_cancels_is_not_kept_however_much_of_it_is_verified() {
    let mut pair = Pair::new();
    // The last block is never hashed there: the others are verified, and written down.
    pair.b.does = |job| !matches!(job, DiskJob::HashPart(_, block) if u64::from(block.len) < BLOCK);
    let id = pair.offer(0, 3 * BLOCK + 5);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.b.state(id), Some("Receiving"));
    assert!(pair.b.session.progress().iter().any(|file| file.id == id && file.verified == 3 * BLOCK));
    pair.b.session.cancel(pair.now, Some(id)).unwrap();
    pair.run();
    assert_eq!((pair.a.failure(id), pair.b.failure(id)), (Some((false, false)), Some((false, true))));
    assert!(pair.b.disk.asked.contains(&DiskJob::RemovePart(id)));
    assert_eq!(pair.b.disk.kept.len(), 0);
    comes_to_rest(pair, id, "Receiving");
}

#[test]
fn a_commit_that_has_begun_can_no_longer_be_cancelled_by_the_receiver() {
    let (mut pair, id) = standing("Committing");
    assert_eq!(pair.b.session.cancel(pair.now, Some(id)), Err(CommandError::NoSuchTransfer(id)));
    comes_to_rest(pair, id, "Committing");
}

#[test]
fn a_cancel_that_meets_a_commit_is_too_late_and_the_sender_is_told_that_it_was_sent() {
    let (mut pair, id) = standing("Committing");
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    pair.run();
    assert_eq!((pair.a.state(id), pair.b.state(id)), (Some("Cancelled"), Some("Committing")));
    pair.b.does = |_| true;
    pair.run();
    pair.assert_arrived(id);
    comes_to_rest(pair, id, "Committing");
}

#[test]
fn a_cancel_that_crosses_committed_tells_sent() {
    let (mut pair, id) = standing("Committing");
    pair.ba.full = true;
    pair.b.does = |_| true;
    pair.run();
    assert_eq!(pair.b.outcome(id), ["received"]);
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    pair.run();
    pair.ba.full = false;
    pair.run();
    assert_eq!(pair.a.outcome(id), ["sent"]);
    comes_to_rest(pair, id, "crossing");
}

#[test]
fn cancels_of_both_that_cross_end_it_once_on_each_side() {
    let (mut pair, id) = standing("Receiving");
    pair.a.session.cancel(pair.now, None).unwrap();
    pair.b.session.cancel(pair.now, None).unwrap();
    pair.run();
    assert_eq!((pair.a.outcome(id).len(), pair.b.outcome(id).len()), (1, 1));
    comes_to_rest(pair, id, "both");
}

#[test]
fn a_cancelled_number_stays_taken_until_the_other_side_has_answered() {
    let (mut pair, id) = standing("Sending");
    pair.ab.full = true;
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    pair.run();
    assert_eq!((pair.a.state(id), pair.a.outcome(id).len()), (Some("Cancelled"), 0));
    assert_eq!(pair.a.session.cancel(pair.now, Some(id)), Err(CommandError::NoSuchTransfer(id)));
    pair.ab.full = false;
    pair.run();
    assert_eq!((pair.a.state(id), pair.a.outcome(id).len()), (None, 1));
    comes_to_rest(pair, id, "taken");
}

#[test]
fn chunks_that_were_under_way_to_a_receiver_that_cancelled_are_thrown_away() {
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(2, Some(100)).unwrap();
    lone.serve();
    lone.hear_chunk(TransferId(2), 0, &[1; 40]).unwrap();
    lone.side.session.cancel(lone.now, None).unwrap();
    lone.serve();
    lone.hear_chunk(TransferId(2), 40, &[1; 60]).unwrap();
    assert_eq!(lone.side.state(TransferId(2)), Some("Cancelled"));
    lone.hear(&Frame::Cancelled { id: TransferId(2) }).unwrap();
    assert_eq!((lone.side.state(TransferId(2)), lone.side.disk.parts.len()), (None, 0));
}

#[test]
fn an_answer_of_the_disk_that_comes_after_a_cancel_changes_nothing() {
    let (mut pair, id) = standing("Creating");
    pair.b.session.cancel(pair.now, Some(id)).unwrap();
    pair.run();
    pair.b.does = |_| true;
    pair.run();
    assert!(pair.b.disk.parts.is_empty());
    comes_to_rest(pair, id, "late");
}

#[test]
fn without_a_number_the_latest_transfer_is_cancelled() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let (first, second) = (pair.offer(1, 10), pair.offer(2, 10));
    pair.run();
    assert_eq!(pair.a.session.cancel(pair.now, None), Ok(second));
    assert_eq!(pair.a.session.cancel(pair.now, None), Ok(first));
    assert_eq!(pair.a.session.cancel(pair.now, None), Err(CommandError::NothingToAnswer));
}

#[test]
fn a_cancel_of_a_transfer_that_is_over_is_acknowledged() {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.hear_offer(2, Some(100)).unwrap();
    lone.frames();
    let words = Untrusted::from("never mind");
    lone.hear(&Frame::Cancel { id: TransferId(2), reason: Some(CancelReason::User), words }).unwrap();
    assert_eq!(lone.frames(), [Frame::Cancelled { id: TransferId(2) }]);
}

#[test]
fn a_source_that_breaks_after_its_file_was_cancelled_changes_nothing() {
    let (mut pair, id) = standing("Sending");
    pair.ab.full = true;
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    pair.a.session.source_failed(pair.now, id, &crate::support::disk::error("Broken pipe"));
    pair.ab.full = false;
    pair.run();
    for side in [&pair.a, &pair.b] {
        assert_eq!(side.outcome(id), ["failed: cancelled by the sender"]);
    }
    comes_to_rest(pair, id, "broken");
}

#[test]
fn a_file_whose_cancel_was_not_acknowledged_when_the_link_was_lost_was_cancelled_all_the_same() {
    let (mut pair, id) = standing("Sending");
    pair.ab.full = true;
    pair.a.session.cancel(pair.now, Some(id)).unwrap();
    pair.a.session.link_lost(LINK, pair.now, "reset");
    pair.a.serve(pair.now);
    assert_eq!(pair.a.outcome(id), ["failed: cancelled by the sender"]);
    assert_eq!(pair.a.failure(id), Some((false, true)));
}

#[test]
fn what_was_said_of_a_file_while_its_receiver_cancelled_it_is_not_answered() {
    let (id, epoch) = (TransferId(2), FIRST_EPOCH + 1);
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(id.0, Some(100)).unwrap();
    lone.serve();
    lone.side.session.bulk_up(bulk_link(epoch), epoch, lone.now);
    lone.side.session.link_lost(bulk_link(epoch), lone.now, "reset");
    lone.side.session.cancel(lone.now, None).unwrap();
    lone.frames();
    lone.hear_chunk(id, 0, &[1; 100]).unwrap();
    lone.hear(&Frame::Move { id, epoch }).unwrap();
    lone.hear(&Frame::Digests { id, first: 0, values: vec![[0; 32]] }).unwrap();
    lone.hear(&Frame::End { id, size: 100, root: [0; 32] }).unwrap();
    lone.serve();
    assert_eq!((lone.frames(), lone.side.state(id)), (Vec::new(), Some("Cancelled")));
}
