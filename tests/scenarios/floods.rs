//! Peers that say more than anybody can want: each is heard in bounded memory, and ends as a flood when it goes on.

use tete::proto::TransferId;
use tete::proto::error::ProtocolError;
use tete::proto::frame::{Frame, Kind};
use tete::proto::session::{Ended, Receive, Setup};
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_EVENTS, MAX_FRAMES, MAX_JOBS, MAX_OFFERS, Policy};

use super::hostile::{ID, assert_broken, lone};
use crate::support::lone::Lone;
use crate::support::pair::LINK;
use crate::support::{returning, with_policy};

#[test]
fn a_hundred_thousand_offers_are_refused_beyond_the_first_and_end_as_a_flood_if_no_answer_is_read() {
    let mut lone = Lone::new(with_policy(true, Policy::Ask));
    let mut refused = 0;
    for id in 1..=100_000 {
        lone.hear_offer(2 * id, Some(1)).unwrap();
        refused += lone.frames().iter().filter(|frame| frame.kind() == Kind::Refuse).count();
    }
    assert_eq!((refused, lone.side.session.progress().len()), (100_000 - MAX_OFFERS, MAX_OFFERS));
    let mut deaf = Lone::new(with_policy(true, Policy::Ask));
    let result = (1..=100_000).try_for_each(|id| deaf.hear_offer(2 * id, Some(1)));
    assert_eq!(assert_broken(deaf, result), ProtocolError::Flood);
}

#[test]
fn offers_of_bad_names_are_refused_and_end_as_a_flood_if_no_answer_is_read() {
    let offer = |id: u64| Frame::Offer { id: TransferId(2 * id), size: None, name: Untrusted::from("../x") };
    let mut lone = lone();
    lone.hear(&offer(1)).unwrap();
    assert!(matches!(lone.frames()[..], [Frame::Refuse { .. }]));
    let result = (2..=100_000).try_for_each(|id| lone.hear(&offer(id)));
    assert_eq!(assert_broken(lone, result), ProtocolError::Flood);
}

#[test]
fn fault_42_a_flood_of_pings_is_answered_once_and_takes_no_memory() {
    let mut lone = lone();
    for token in 0..100_000 {
        lone.hear(&Frame::Ping { token }).unwrap();
    }
    assert_eq!(lone.frames(), [Frame::Pong { token: 99_999 }]);
}

#[test]
fn a_flood_of_cancels_whose_answers_are_not_read_ends_it() {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.hear_offer(2, Some(1)).unwrap();
    let cancel = Frame::Cancel { id: ID, reason: None, words: Untrusted::from("") };
    let result = (0..100_000).try_for_each(|_| lone.hear(&cancel));
    assert_eq!(assert_broken(lone, result), ProtocolError::Flood);
}

#[test]
fn as_many_answers_as_may_wait_are_no_flood_and_one_more_is() {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.hear_offer(2, Some(1)).unwrap();
    lone.frames();
    let cancel = Frame::Cancel { id: ID, reason: None, words: Untrusted::from("") };
    let answered = (0..100_000).take_while(|_| lone.hear(&cancel).is_ok()).count();
    assert_eq!(answered, MAX_FRAMES);
}

#[test]
fn who_never_says_what_it_has_heard_is_told_no_more_than_can_be_said_again() {
    let mut lone = Lone::new(Setup { policy: Policy::Never, ..returning(true) });
    let orders = |lone: &mut Lone| {
        lone.frames().iter().filter(|frame| matches!(frame.kind(), Kind::Refuse | Kind::Cancelled)).count()
    };
    lone.hear_offer(2, Some(1)).unwrap();
    let mut told = orders(&mut lone);
    let cancel = Frame::Cancel { id: ID, reason: None, words: Untrusted::from("") };
    for _ in 0..MAX_FRAMES + 9 {
        lone.hear(&cancel).unwrap();
        told += orders(&mut lone);
    }
    assert_eq!(told, MAX_FRAMES);
    lone.hear(&Frame::Heard { orders: MAX_FRAMES as u64 }).unwrap();
    assert_eq!(orders(&mut lone), 10, "the rest is told when there is room for it");
}

#[test]
fn offers_that_are_cancelled_and_of_which_nobody_is_told_end_as_a_flood() {
    let mut lone = Lone::new(with_policy(true, Policy::Ask));
    let mut offer = |id: u64| {
        let cancel = Frame::Cancel { id: TransferId(2 * id), reason: None, words: Untrusted::from("") };
        let result = lone.hear_offer(2 * id, Some(1)).and_then(|()| lone.hear(&cancel));
        lone.frames();
        result
    };
    let offered = (1..100_000).take_while(|id| offer(*id).is_ok()).count();
    assert_eq!(offered, MAX_EVENTS / 2, "each is told when it comes, and when it is cancelled");
    assert_eq!(lone.side.ended(), Some(&Ended::Broken(ProtocolError::Flood)));
}

#[test]
fn nothing_more_is_taken_while_too_many_jobs_wait_and_it_goes_on_when_one_is_done() {
    let mut lone = lone();
    let mut id = ID.0;
    while lone.side.session.poll_receive(LINK) != Receive::Paused {
        lone.hear_offer(id, Some(1)).unwrap();
        lone.hear(&Frame::Cancel { id: TransferId(id), reason: None, words: Untrusted::from("") }).unwrap();
        lone.frames();
        id += 2;
    }
    assert!(lone.side.session.poll_job().is_some());
    assert!(matches!(lone.side.session.poll_receive(LINK), Receive::Bytes { .. }));
    assert_eq!(std::iter::from_fn(|| lone.side.session.poll_job()).count(), MAX_JOBS - 1);
}
