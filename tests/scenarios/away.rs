//! Conversations that outlive their talk link.

use std::time::Duration;

use tete::proto::claim::FIRST_EPOCH;
use tete::proto::decoder::Decoded;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::ProtocolError;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::Frame;
use tete::proto::session::{BACK_PATIENCE, Deadline, Ended, Receive, SILENT_AFTER, Session, Setup};
use tete::proto::text::Untrusted;
use tete::proto::transfers::Policy;
use tete::proto::{Span, TransferId};

use crate::support::disk::{Fault, Source};
use crate::support::lone::Lone;
use crate::support::pair::{LINK, Pair, bulk_link, talk_link};
use crate::support::{Pipe, returning, setup};

/// The epoch of the first link that takes the place of a lost one.
const NEXT: u32 = FIRST_EPOCH + 1;
/// More bytes than any of the small conversations here take.
const FAR: usize = 100_000;

fn pair() -> Pair {
    Pair::with(returning(true), returning(false))
}

fn lost(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::LinkLost { .. })).count()
}

fn back(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Back)).count()
}

/// What two say and send who say and send a bit of everything.
struct Everything {
    pair: Pair,
    said: [Vec<String>; 2],
    arrives: TransferId,
    arrives_back: TransferId,
    cancelled: TransferId,
    refused: TransferId,
    fails: TransferId,
}

impl Everything {
    /// The first talk link lets so many bytes through.
    fn begin(left: [Option<usize>; 2]) -> Self {
        let mut pair = pair();
        (pair.ab, pair.ba) = (Pipe::cut_after(left[0]), Pipe::cut_after(left[1]));
        let now = pair.now;
        let mut said = [Vec::new(), Vec::new()];
        for n in 0..3 {
            for (side, said) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut said) {
                let text = format!("text {n}");
                side.session.say(now, &text).unwrap();
                said.push(text);
            }
        }
        let arrives = pair.offer(1, 600);
        let arrives_back = pair.offer_back(2, 300);
        let cancelled = pair.offer(3, 200);
        pair.a.session.cancel(now, Some(cancelled)).unwrap();
        let refused = pair.a.session.offer(now, "../escapes", Some(5)).unwrap();
        let fails = pair.offer_back(4, 100);
        pair.a.disk.faults.insert(fails, Fault::Write(50));
        pair.step();
        for (side, said) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut said) {
            side.session.say(now, "later").unwrap();
            said.push("later".to_owned());
        }
        Self { pair, said, arrives, arrives_back, cancelled, refused, fails }
    }

    /// Everything came to what it would have come to without a cut.
    fn assert_through(&mut self) {
        let pair = &mut self.pair;
        pair.pass(Duration::from_secs(1));
        for (side, said) in [(&pair.b, &self.said[0]), (&pair.a, &self.said[1])] {
            assert_eq!(side.ended(), None);
            assert_eq!(side.texts(), *said);
        }
        assert_eq!((pair.a.delivered(), pair.b.delivered()), (4, 4));
        pair.assert_arrived(self.arrives);
        pair.assert_arrived_back(self.arrives_back);
        for side in [&pair.a, &pair.b] {
            for id in [self.arrives, self.arrives_back] {
                assert_eq!(side.outcome(id).len(), 1);
            }
            assert!(side.session.progress().is_empty(), "{:?}", side.session.progress());
            assert_eq!(side.session.unread(), 0);
        }
        assert_eq!(pair.a.outcome(self.cancelled).len(), 1);
        assert!(pair.b.outcome(self.cancelled).len() <= 1);
        assert_eq!(pair.a.outcome(self.refused).len(), 1);
        assert_eq!((pair.a.outcome(self.fails).len(), pair.b.outcome(self.fails).len()), (1, 1));
        assert!(!pair.b.disk.published.contains_key(&self.refused));
        // A cut in the goodbyes is another matter.
        (pair.ab.left, pair.ba.left) = (None, None);
        pair.leave_a();
        pair.leave_b();
        pair.pass(Duration::from_secs(1));
        assert!(pair.both_left(), "{:?} {:?}", pair.a.ended(), pair.b.ended());
    }

    /// How many bytes each way takes if nothing is cut.
    fn bytes() -> [usize; 2] {
        let mut uncut = Self::begin([Some(FAR), Some(FAR)]);
        uncut.pair.pass(Duration::from_secs(1));
        [&uncut.pair.ab, &uncut.pair.ba].map(|pipe| FAR - pipe.left.unwrap())
    }
}

#[test]
fn whatever_was_said_comes_once_and_in_order_wherever_the_link_is_cut() {
    let bytes = Everything::bytes();
    assert!(bytes.iter().all(|bytes| *bytes > 700), "{bytes:?}");
    for way in [0, 1] {
        for cut in 0..bytes[way] {
            let mut left = [None, None];
            left[way] = Some(cut);
            let mut both = Everything::begin(left);
            both.pair.run();
            assert_eq!((lost(&both.pair.a.events), back(&both.pair.a.events)), (1, 1), "way {way} cut at {cut}");
            assert_eq!((lost(&both.pair.b.events), back(&both.pair.b.events)), (1, 1), "way {way} cut at {cut}");
            both.assert_through();
        }
    }
}

#[test]
fn a_link_that_is_cut_again_at_each_of_its_first_bytes_loses_nothing() {
    let bytes = Everything::bytes();
    for way in [0, 1] {
        for first in (0..bytes[way]).step_by(23) {
            for way_again in [0, 1] {
                for second in (0..200).step_by(3) {
                    let (mut left, mut again) = ([None, None], [None, None]);
                    (left[way], again[way_again]) = (Some(first), Some(second));
                    let mut both = Everything::begin(left);
                    both.pair.cuts.push_back(again);
                    both.assert_through();
                }
            }
        }
    }
}

#[test]
fn many_links_of_which_each_brings_a_little_bring_everything_at_last() {
    for little in [40, 61, 100, 333] {
        let mut both = Everything::begin([Some(little), Some(little)]);
        // A greeting has to fit, or nothing ever would.
        both.pair.cuts = (0..60).map(|n| [Some(little + n * 7), Some(little + n * 5)]).collect();
        both.assert_through();
        assert!(lost(&both.pair.a.events) > 2, "{}", lost(&both.pair.a.events));
    }
}

#[test]
fn a_large_file_goes_on_where_it_was_with_and_without_a_bulk_link() {
    const SIZE: u64 = 12 * BLOCK + 77;
    for with_bulk in [false, true] {
        for stored in (0..12).step_by(2) {
            let mut pair = pair();
            if with_bulk {
                pair.bulk_up(NEXT);
            }
            let ids = [pair.offer(1, SIZE), pair.offer(2, SIZE)];
            let other = pair.offer_back(3, SIZE);
            pair.run_until(|pair| {
                let progress = pair.a.session.progress();
                ids.iter().any(|id| progress.iter().any(|file| file.id == *id && file.bytes >= stored * BLOCK))
            });
            let before = pair.b.disk.parts.get(&ids[0]).map_or(0, |part| part.bytes.len());
            for epoch in [NEXT + 1, NEXT + 3] {
                pair.talk_lost(true, true);
                pair.talk_up(epoch, [None, None]);
                for _ in 0..20 {
                    pair.step();
                }
                assert!(pair.b.disk.parts.get(&ids[0]).is_none_or(|part| part.bytes.len() >= before), "it began anew");
                if with_bulk {
                    pair.bulk_up(epoch + 1);
                    for _ in 0..20 {
                        pair.step();
                    }
                }
            }
            pair.pass(Duration::from_secs(1));
            ids.iter().for_each(|id| pair.assert_arrived(*id));
            pair.assert_arrived_back(other);
        }
    }
}

#[test]
fn a_link_whose_end_only_one_side_has_noticed_is_replaced_at_both() {
    for (a_notices, b_notices) in [(true, false), (false, true), (false, false)] {
        let mut pair = pair();
        let id = pair.offer(1, 5 * BLOCK);
        pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
        pair.a.session.say(pair.now, "on its way").unwrap();
        pair.talk_lost(a_notices, b_notices);
        pair.talk_up(NEXT, [None, None]);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
        assert_eq!(pair.b.texts(), ["on its way"]);
        assert_eq!((lost(&pair.a.events), lost(&pair.b.events)), (1, 1));
    }
}

#[test]
fn a_stream_goes_on_over_the_next_link() {
    let mut pair = pair();
    let id = pair.offer(1, 3 * BLOCK);
    let stream = pair.a.session.offer(pair.now, "stream", None).unwrap();
    pair.a.disk.sources.insert(stream, Source { key: 9, size: 2 * BLOCK + 5 });
    pair.run();
    pair.a.session.stream_grew(pair.now, stream, BLOCK + 9, false);
    pair.step();
    pair.talk_lost(true, true);
    pair.a.session.stream_grew(pair.now, stream, 2 * BLOCK + 5, true);
    pair.talk_up(NEXT, [None, None]);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    pair.assert_arrived(stream);
}

#[test]
fn who_is_asked_about_a_file_may_answer_while_the_link_is_lost() {
    for yes in [true, false] {
        let mut pair = Pair::with(returning(true), Setup { policy: Policy::Ask, ..returning(false) });
        let id = pair.offer(1, 5000);
        pair.run();
        pair.talk_lost(true, true);
        let now = pair.now;
        let answered = if yes { pair.b.session.accept(now, Some(id)) } else { pair.b.session.refuse(now, Some(id)) };
        assert_eq!(answered, Ok(id));
        pair.run();
        pair.talk_up(NEXT, [None, None]);
        pair.pass(Duration::from_secs(1));
        if yes {
            pair.assert_arrived(id);
        } else {
            assert_eq!(pair.a.outcome(id), ["failed: refused"]);
        }
    }
}

#[test]
fn a_file_that_is_offered_said_or_cancelled_while_the_link_is_lost_is_so_when_it_is_back() {
    let mut pair = pair();
    let running = pair.offer(1, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.talk_lost(true, true);
    pair.b.session.cancel(pair.now, Some(running)).unwrap();
    let id = pair.offer(2, 5000);
    pair.a.session.say(pair.now, "while you were away").unwrap();
    pair.run();
    pair.talk_up(NEXT, [None, None]);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    assert_eq!(pair.a.outcome(running), ["failed: cancelled by the receiver"]);
    assert_eq!(pair.b.outcome(running), ["failed: cancelled by the receiver"]);
    assert_eq!(pair.b.texts(), ["while you were away"]);
}

#[test]
fn both_ends_come_to_an_end_wherever_the_link_is_cut_in_their_goodbyes() {
    let talk = |left: [Option<usize>; 2]| {
        let mut pair = pair();
        (pair.ab, pair.ba) = (Pipe::cut_after(left[0]), Pipe::cut_after(left[1]));
        pair.a.session.say(pair.now, "hi").unwrap();
        let id = pair.offer(1, 500);
        pair.run();
        pair.leave_a();
        pair.step();
        pair.leave_b();
        pair.run();
        (pair, id)
    };
    let (uncut, _) = talk([Some(FAR), Some(FAR)]);
    let bytes = [&uncut.ab, &uncut.ba].map(|pipe| FAR - pipe.left.unwrap());
    for way in [0, 1] {
        for cut in 0..bytes[way] {
            let mut left = [None, None];
            left[way] = Some(cut);
            let (mut pair, id) = talk(left);
            pair.pass(Duration::from_secs(900));
            for side in [&pair.a, &pair.b] {
                assert!(side.ended().is_some(), "way {way} cut at {cut}");
                assert!(!matches!(side.ended(), Some(Ended::Broken(_))), "way {way} cut at {cut}: {:?}", side.ended());
            }
            assert_eq!(pair.b.texts(), ["hi"]);
            assert_eq!(pair.b.outcome(id), ["received"], "way {way} cut at {cut}");
        }
    }
}

#[test]
fn nobody_who_comes_back_ends_it_after_the_linger() {
    let mut pair = Pair::with(Setup { linger: Duration::from_secs(2), ..returning(true) }, returning(false));
    let id = pair.offer(1, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.talk_lost(true, true);
    assert!(pair.a.session.is_away());
    assert_eq!(pair.a.session.poll_timeout(), Some((pair.now + Duration::from_secs(2), Deadline::Linger)));
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Lost("nobody came back for 2 s".to_owned())));
    assert_eq!(pair.a.outcome(id), ["failed: nobody came back for 2 s"]);
    assert_eq!(pair.b.ended(), None);
}

#[test]
fn without_returning_a_lost_link_is_the_end() {
    let mut pair = Pair::with(setup(true), setup(false));
    pair.run();
    pair.talk_lost(true, true);
    assert_eq!(pair.a.ended(), Some(&Ended::Lost("reset".to_owned())));
    pair.talk_up(NEXT, [None, None]);
    assert!(!pair.a.session.has_link(talk_link(NEXT)));
}

#[test]
fn who_leaves_while_the_link_is_lost_is_soon_gone() {
    let mut pair = pair();
    pair.a.session.say(pair.now, "unread").unwrap();
    pair.talk_lost(true, true);
    pair.leave_a();
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.a.ended(), Some(&Ended::Cut));
    let mut pair = self::pair();
    pair.run();
    pair.talk_lost(true, true);
    pair.a.session.cut(pair.now, LeaveReason::Interrupted);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Unanswered));
}

#[test]
fn who_leaves_at_once_before_the_other_side_is_back_is_heard_all_the_same() {
    let mut pair = pair();
    pair.run();
    pair.talk_lost(true, true);
    pair.talk_up(NEXT, [None, None]);
    pair.a.session.cut(pair.now, LeaveReason::Interrupted);
    pair.run();
    assert_eq!(pair.b.ended(), Some(&Ended::Left));
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Unanswered));
}

#[test]
fn who_leaves_and_is_waited_for_by_nobody_stays_for_a_lost_peer_and_its_text_arrives() {
    let mut pair = pair();
    pair.talk_lost(true, true);
    pair.a.session.say(pair.now, "unread").unwrap();
    pair.a.session.persist();
    pair.leave_a();
    pair.pass(Duration::from_secs(100));
    assert_eq!(pair.a.ended(), None);
    pair.talk_up(NEXT, [None, None]);
    pair.run();
    pair.leave_b();
    pair.run();
    assert_eq!(pair.b.texts(), ["unread"]);
    assert!(pair.both_left());
}

#[test]
fn who_leaves_and_is_waited_for_by_nobody_gives_a_lost_peer_up_in_the_end() {
    let mut pair = pair();
    pair.talk_lost(true, true);
    pair.a.session.persist();
    pair.leave_a();
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.a.ended(), Some(&Ended::Unanswered), "nothing waits for it but a goodbye");
    let mut pair = self::pair();
    pair.talk_lost(true, true);
    pair.a.session.say(pair.now, "unread").unwrap();
    pair.a.session.persist();
    pair.leave_a();
    pair.pass(Duration::from_secs(181));
    assert!(pair.a.ended().is_some());
    assert_eq!(pair.a.delivered(), 0);
}

#[test]
fn a_goodbye_that_was_lost_is_said_again() {
    let mut pair = pair();
    pair.run();
    pair.ab.swallows = true;
    pair.leave_a();
    pair.run();
    assert!(!pair.b.session.peer_is_leaving());
    pair.talk_lost(true, true);
    pair.talk_up(NEXT, [None, None]);
    pair.run();
    assert!(pair.b.session.peer_is_leaving());
    pair.leave_b();
    pair.pass(Duration::from_secs(1));
    assert!(pair.both_left());
}

#[test]
fn a_bulk_link_goes_with_the_talk_link_and_is_wanted_again_with_the_next() {
    let mut pair = pair();
    pair.bulk_up(NEXT);
    pair.offer(1, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.talk_lost(true, true);
    assert!(!pair.a.session.wants_bulk());
    assert!(!pair.a.session.has_link(bulk_link(NEXT)));
    pair.talk_up(NEXT + 1, [None, None]);
    assert!(pair.a.session.wants_bulk());
}

#[test]
fn a_bulk_link_that_dies_before_the_peer_is_back_is_not_told_of_files_that_had_left_it() {
    let mut pair = pair();
    pair.bulk_up(NEXT);
    let id = pair.offer(1, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.talk_lost(true, true);
    pair.talk_up(NEXT + 1, [None, None]);
    pair.bulk_up_at_b(NEXT + 2);
    pair.b.session.link_lost(bulk_link(NEXT + 2), pair.now, "reset");
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
    pair.assert_arrived(id);
}

#[test]
fn a_bulk_link_that_is_there_before_the_peer_is_back_carries_nothing_yet() {
    let mut pair = pair();
    pair.a.does = |job| !matches!(job, DiskJob::OpenSource(_));
    let id = pair.offer(1, 20 * BLOCK);
    pair.run();
    pair.talk_lost(true, true);
    pair.a.does = |_| true;
    pair.run();
    pair.talk_up(NEXT, [None, None]);
    pair.ba.full = true;
    pair.bulk_up(NEXT + 1);
    pair.run();
    assert!(pair.bulk_ab.bytes.is_empty());
    pair.bulk_lost(NEXT + 1, true, true);
    pair.ba.full = false;
    pair.bulk_up(NEXT + 2);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
}

#[test]
fn who_has_heard_a_goodbye_comes_back_for_what_was_begun() {
    let mut pair = pair();
    let id = pair.offer(1, 20 * BLOCK);
    let back = pair.offer_back(2, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.leave_a();
    pair.run_until(|pair| pair.b.session.peer_is_leaving());
    pair.talk_lost(true, true);
    pair.talk_up(NEXT, [None, None]);
    for _ in 0..10 {
        pair.step();
    }
    assert!(pair.b.session.peer_is_leaving() && pair.a.outcome(id).is_empty());
    pair.leave_b();
    pair.talk_lost(true, true);
    pair.talk_up(NEXT + 1, [None, None]);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    pair.assert_arrived_back(back);
    assert!(pair.both_left());
}

#[test]
fn a_second_goodbye_says_that_nothing_is_waited_for() {
    let mut pair = pair();
    let id = pair.offer(1, 20 * BLOCK);
    pair.run_until(|pair| pair.a.session.progress().iter().any(|file| file.bytes > BLOCK));
    pair.leave_a();
    pair.run_until(|pair| pair.b.session.peer_is_leaving());
    pair.a.session.cut(pair.now, LeaveReason::Done);
    pair.pass(Duration::from_secs(1));
    assert_eq!((pair.a.ended(), pair.b.ended()), (Some(&Ended::Cut), Some(&Ended::PeerCut)));
    assert!(pair.b.failed(id));
}

#[test]
fn a_new_link_for_a_conversation_that_is_through_ends_it() {
    let mut lone = Lone::new(returning(true));
    lone.frames();
    lone.hear(&Frame::Bye { reason: LeaveReason::Done }).unwrap();
    lone.side.session.link_up(talk_link(NEXT), NEXT, lone.now);
    assert_eq!(lone.side.ended(), Some(&Ended::Left));
}

// ---- peers that break the rules

/// A session whose second link is there; the peer has said nothing on it.
fn returned(before: impl FnOnce(&mut Lone)) -> Lone {
    let mut lone = Lone::new(returning(true));
    lone.frames();
    before(&mut lone);
    lone.come_back(NEXT);
    lone
}

fn back_frame(texts: u64, orders: u64, bye: bool) -> Frame {
    Frame::Back { texts, orders, bye }
}

#[test]
fn nothing_but_back_is_said_until_the_peer_has_said_it() {
    let mut lone = returned(|lone| {
        lone.side.session.say(lone.now, "hi").unwrap();
    });
    assert_eq!(lone.frames(), [back_frame(0, 0, false)]);
    lone.hear(&back_frame(0, 0, false)).unwrap();
    assert!(lone.frames().contains(&Frame::Text { seq: 1, text: Untrusted::from("hi") }));
}

#[test]
fn a_frame_before_back_ends_it() {
    for frame in
        [Frame::Ping { token: 1 }, Frame::Text { seq: 1, text: Untrusted::from("x") }, Frame::Heard { orders: 0 }]
    {
        let mut lone = returned(|_| ());
        assert!(matches!(lone.hear(&frame), Err(ProtocolError::Unexpected { .. })));
        assert!(matches!(lone.side.ended(), Some(Ended::Broken(_))));
    }
}

#[test]
fn a_chunk_before_back_ends_it() {
    let mut lone = returned(|lone| {
        lone.hear_offer(2, Some(100)).unwrap();
        lone.serve();
    });
    assert!(matches!(lone.hear_chunk(TransferId(2), 0, b"x"), Err(ProtocolError::Unexpected { .. })));
}

#[test]
fn what_a_bulk_link_brings_before_back_has_come_waits_for_it() {
    let mut lone = returned(|lone| lone.side.session.bulk_up(bulk_link(FIRST_EPOCH), FIRST_EPOCH, lone.now));
    let link = bulk_link(NEXT + 1);
    lone.side.session.bulk_up(link, NEXT + 1, lone.now);
    assert_eq!(lone.side.session.poll_receive(link), Receive::Paused);
    lone.hear(&back_frame(0, 0, false)).unwrap();
    assert!(matches!(lone.side.session.poll_receive(link), Receive::Bytes { .. }));
}

#[test]
fn back_where_no_link_was_lost_ends_it_and_so_does_a_second_one() {
    let mut lone = Lone::new(returning(true));
    assert!(lone.hear(&back_frame(0, 0, false)).is_err());
    let mut lone = returned(|_| ());
    lone.hear(&back_frame(0, 0, false)).unwrap();
    assert!(lone.hear(&back_frame(0, 0, false)).is_err());
}

#[test]
fn back_with_numbers_that_cannot_be_ends_it() {
    let spoken = |lone: &mut Lone| {
        for _ in 0..3 {
            lone.side.session.say(lone.now, "x").unwrap();
        }
        lone.side.session.offer(lone.now, "a", Some(5)).unwrap();
        lone.frames();
        lone.hear(&Frame::TextAck { seq: 2 }).unwrap();
    };
    for (texts, orders) in [(1, 1), (4, 1), (u64::MAX, 1), (3, 2), (3, u64::MAX)] {
        let mut lone = returned(spoken);
        let result = lone.hear(&back_frame(texts, orders, false));
        assert!(matches!(result, Err(ProtocolError::Sequence { .. })), "{texts} {orders}: {result:?}");
    }
    let mut lone = returned(spoken);
    assert!(lone.hear(&back_frame(3, 1, true)).is_err(), "no goodbye was said");
    for (texts, orders) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        let mut lone = returned(spoken);
        lone.frames();
        lone.hear(&back_frame(texts, orders, false)).unwrap();
        let frames = lone.frames();
        let count = |fits: fn(&Frame) -> bool| frames.iter().filter(|frame| fits(frame)).count() as u64;
        assert_eq!(count(|frame| matches!(frame, Frame::Text { .. })), 3 - texts);
        assert_eq!(count(|frame| matches!(frame, Frame::Offer { .. })), 1 - orders);
    }
}

#[test]
fn heard_with_a_number_that_cannot_be_ends_it() {
    for orders in [1, u64::MAX] {
        let mut lone = Lone::new(returning(true));
        assert!(matches!(lone.hear(&Frame::Heard { orders }), Err(ProtocolError::Sequence { .. })));
    }
}

#[test]
fn a_new_link_whose_peer_says_nothing_is_given_up_and_the_linger_counts_from_the_first_loss() {
    let mut lone = returned(|_| ());
    let began = lone.now;
    let due = |session: &Session| session.poll_timeout();
    assert_eq!(due(&lone.side.session), Some((began + BACK_PATIENCE, Deadline::Back)));
    lone.now = began + BACK_PATIENCE;
    lone.side.session.handle_timeout(lone.now);
    assert!(lone.side.session.is_away());
    assert_eq!(due(&lone.side.session), Some((began + Duration::from_secs(180), Deadline::Linger)));
    lone.serve();
    assert_eq!((lost(&lone.side.events), back(&lone.side.events)), (1, 0), "it is told once");
}

#[test]
fn a_peer_that_owes_an_answer_and_is_silent_may_be_called_again_and_the_old_link_is_heard_until_then() {
    let mut lone = Lone::new(returning(true));
    lone.frames();
    lone.side.session.say(lone.now, "are you there?").unwrap();
    lone.frames();
    lone.now += SILENT_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert!(lone.side.session.is_silent() && !lone.side.session.is_away());
    assert!(lone.side.session.has_link(LINK));
    lone.hear(&Frame::TextAck { seq: 1 }).unwrap();
    assert!(!lone.side.session.is_silent());
}

#[test]
fn resume_that_cannot_be_ends_it() {
    let begin = || {
        let mut lone = Lone::new(returning(true));
        let id = lone.side.session.offer(lone.now, "a", Some(100)).unwrap();
        lone.side.disk.sources.insert(id, Source { key: 1, size: 100 });
        lone.frames();
        lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
        while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
        lone.come_back(NEXT);
        lone.frames();
        lone.hear(&back_frame(0, 1, false)).unwrap();
        (lone, id)
    };
    for (epoch, stored, told) in [(NEXT + 1, 0, 0), (FIRST_EPOCH, 0, 0), (NEXT, 101, 0), (NEXT, 0, 2)] {
        let (mut lone, id) = begin();
        assert!(lone.hear(&Frame::Resume { id, epoch, stored, told }).is_err(), "{epoch} {stored} {told}");
    }
    let (mut lone, id) = begin();
    lone.hear(&Frame::Resume { id, epoch: NEXT, stored: 40, told: 0 }).unwrap();
    let sent =
        lone.spoken().into_iter().find_map(|found| if let Decoded::Chunk(span) = found { Some(span) } else { None });
    assert_eq!(sent, Some(Span { transfer: id, offset: 40, len: 60 }));
}
