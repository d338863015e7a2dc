//! What files wait for, told by those who carry them.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::event::Event;
use tete::proto::frame::{Frame, Kind};
use tete::proto::stages::{Half, Held, Resource, Stage, Stages, TELL_EVERY, Turn};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::Pair;
use crate::support::setup;

const STEP: Duration = Duration::from_millis(100);
/// A link that takes nothing and brings nothing.
const HELD: Turn = Turn {
    talk: Held { full: true, empty: true },
    bulk: Held { full: true, empty: true },
    secure: false,
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
