//! How conversations end.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::disk::DiskJob;
use tete::proto::error::CommandError;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::{Frame, Kind, Refusal};
use tete::proto::outbox::Transmit;
use tete::proto::session::{CUT_GOODBYE, Deadline, Ended, LEAVE_FILES, LEAVE_TEXTS, Receive, Setup};
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_QUEUED, Policy};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::{LINK, Pair, talk_link};
use crate::support::{returning, setup, with_policy};

#[test]
fn who_is_busy_by_now_ends_what_has_just_begun_and_breaks_no_rule() {
    let mut lone = Lone::new(returning(true));
    lone.hear(&Frame::Refused { reason: Some(Refusal::Busy), words: Untrusted::from("x") }).unwrap();
    assert_eq!(lone.side.ended(), Some(&Ended::Lost("talking to somebody else by now".to_owned())));
}

#[test]
fn both_leave_at_once_and_both_have_left() {
    let mut pair = Pair::new();
    pair.leave_a();
    pair.leave_b();
    pair.run();
    assert!(pair.both_left());
}

#[test]
fn a_goodbye_is_told_and_the_conversation_ends_when_it_is_answered() {
    let mut pair = Pair::new();
    pair.leave_a();
    pair.run();
    assert!(pair.b.events.contains(&Event::PeerLeaving { reason: LeaveReason::Done }));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
    pair.leave_b();
    pair.run();
    assert!(pair.both_left());
}

#[test]
fn texts_said_before_a_goodbye_arrive() {
    let mut pair = Pair::new();
    for i in 0..200 {
        pair.a.session.say(pair.now, &"x".repeat(i)).unwrap();
    }
    pair.leave_a();
    pair.leave_b();
    pair.run();
    assert_eq!((pair.b.texts().len(), pair.both_left()), (200, true));
}

/// The goodbyes among what a session says.
fn goodbyes(lone: &mut Lone) -> usize {
    lone.frames().iter().filter(|frame| matches!(frame, Frame::Bye { .. })).count()
}

#[test]
fn who_cuts_it_says_both_goodbyes_and_who_has_said_one_says_the_other() {
    let mut lone = Lone::new(setup(true));
    lone.side.session.cut(lone.now, LeaveReason::Done);
    assert_eq!((goodbyes(&mut lone), lone.side.ended()), (2, Some(&Ended::Unanswered)));
    let mut lone = Lone::new(setup(true));
    lone.side.session.leave(lone.now, LeaveReason::Done, None);
    assert_eq!(goodbyes(&mut lone), 1);
    lone.side.session.cut(lone.now, LeaveReason::Done);
    assert_eq!((goodbyes(&mut lone), lone.side.ended()), (1, Some(&Ended::Unanswered)));
}

#[test]
fn who_cuts_it_waits_for_its_goodbye_to_be_taken_but_not_for_long() {
    let mut lone = Lone::new(setup(true));
    lone.side.session.cut(lone.now, LeaveReason::Done);
    let due = lone.now + CUT_GOODBYE;
    assert_eq!(lone.side.session.poll_timeout(), Some((due, Deadline::Leave)));
    lone.side.session.handle_timeout(due - Duration::from_millis(1));
    assert_eq!(lone.side.ended(), None);
    lone.side.session.handle_timeout(due);
    assert_eq!(lone.side.ended(), Some(&Ended::Unanswered));
}

#[test]
fn nothing_has_ended_before_the_last_byte_of_a_goodbye_is_taken() {
    for (cut, ended) in [(false, Ended::Left), (true, Ended::Unanswered)] {
        let mut lone = Lone::new(setup(true));
        lone.frames();
        if cut {
            lone.side.session.cut(lone.now, LeaveReason::Done);
        } else {
            lone.hear(&Frame::Bye { reason: LeaveReason::Done }).unwrap();
            lone.side.session.leave(lone.now, LeaveReason::Done, None);
        }
        let Some(Transmit::Bytes(bytes)) = lone.side.session.poll_transmit(LINK) else { panic!("no goodbye") };
        let len = bytes.len() as u64;
        lone.side.session.sent(LINK, lone.now, len - 1);
        assert_eq!(lone.side.ended(), None);
        lone.side.session.sent(LINK, lone.now, 1);
        assert_eq!(lone.side.ended(), Some(&ended));
        assert_eq!(lone.side.session.poll_receive(LINK), Receive::Paused);
        let mut late = Vec::new();
        Frame::TextAck { seq: 1 }.encode(&mut late);
        assert_eq!(lone.side.session.handle_bytes(LINK, lone.now, &late), Ok(0), "nothing can break it any more");
        assert_eq!(lone.side.ended(), Some(&ended));
    }
}

#[test]
fn a_link_that_ends_after_a_cut_makes_nothing_whole() {
    for taken in [false, true] {
        let mut lone = Lone::new(setup(true));
        lone.hear_offer(2, Some(100)).unwrap();
        lone.serve();
        lone.side.session.cut(lone.now, LeaveReason::Done);
        if taken {
            lone.frames();
        }
        lone.side.session.handle_eof(LINK, lone.now);
        assert_eq!(lone.side.ended(), Some(&Ended::Cut), "goodbye taken: {taken}");
    }
}

#[test]
fn a_conversation_that_was_cut_while_its_link_was_lost_takes_no_other() {
    let mut lone = Lone::new(returning(true));
    lone.side.session.link_lost(LINK, lone.now, "reset");
    lone.side.session.cut(lone.now, LeaveReason::Done);
    lone.side.session.link_up(talk_link(2), 2, lone.now);
    assert!(!lone.side.session.has_link(talk_link(2)));
}

#[test]
fn who_is_told_again_to_leave_hurries_and_gives_the_later_reason_unless_the_first_was_said() {
    for (said, reason) in [(false, LeaveReason::Interrupted), (true, LeaveReason::Done)] {
        let mut lone = Lone::new(setup(true));
        lone.hear_offer(2, Some(100)).unwrap();
        lone.serve();
        let mut spoken = Vec::new();
        lone.side.session.leave(lone.now, LeaveReason::Done, None);
        if said {
            spoken.extend(lone.frames());
        }
        lone.side.session.leave(lone.now, LeaveReason::Interrupted, Some(Duration::from_secs(2)));
        spoken.extend(lone.frames());
        lone.now += Duration::from_secs(2);
        assert_eq!(lone.side.session.poll_timeout(), Some((lone.now, Deadline::Leave)));
        lone.side.session.handle_timeout(lone.now);
        spoken.extend(lone.frames());
        let goodbyes: Vec<_> = spoken.iter().filter(|frame| frame.kind() == Kind::Bye).collect();
        assert_eq!(goodbyes, [&Frame::Bye { reason }, &Frame::Bye { reason }]);
    }
}

#[test]
fn who_leaves_with_a_text_unread_waits_anew_when_the_other_side_says_goodbye() {
    let mut lone = Lone::new(setup(true));
    lone.side.session.say(lone.now, "unread").unwrap();
    lone.side.session.leave(lone.now, LeaveReason::Done, None);
    lone.frames();
    lone.now += LEAVE_TEXTS - Duration::from_secs(1);
    lone.hear(&Frame::Bye { reason: LeaveReason::Done }).unwrap();
    for (seconds, ended) in [(LEAVE_TEXTS.as_secs() - 1, None), (1, Some(&Ended::Cut))] {
        lone.now += Duration::from_secs(seconds);
        lone.side.session.handle_timeout(lone.now);
        lone.frames();
        assert_eq!(lone.side.ended(), ended);
    }
}

#[test]
fn who_leaves_waits_for_a_file_of_its_own_for_as_long_as_progress_is_told() {
    let mut lone = Lone::new(Setup { linger: LEAVE_FILES * 2, ..setup(true) });
    let id = lone.side.session.offer(lone.now, "a", Some(100)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 100 });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    lone.side.session.leave(lone.now, LeaveReason::Done, None);
    for stored in 1..5 {
        lone.now += LEAVE_FILES - Duration::from_secs(1);
        lone.hear(&Frame::Progress { id, stored: stored * 10, verified: 0 }).unwrap();
        lone.side.session.handle_timeout(lone.now);
        lone.frames();
        assert_eq!(lone.side.ended(), None, "{stored}");
    }
    lone.now += LEAVE_FILES;
    lone.side.session.handle_timeout(lone.now);
    lone.frames();
    assert_eq!(lone.side.ended(), Some(&Ended::Cut), "and no longer");
}

#[test]
fn who_leaves_waits_for_a_file_for_as_long_as_something_comes_of_it() {
    let mut lone = Lone::new(setup(true));
    let id = TransferId(2);
    lone.hear_offer(id.0, Some(1_000_000)).unwrap();
    lone.serve();
    lone.side.session.leave(lone.now, LeaveReason::Done, None);
    for n in 0..4 {
        lone.now += LEAVE_FILES - Duration::from_secs(1);
        lone.hear_chunk(id, n * 10, &[0; 10]).unwrap();
        lone.side.session.handle_timeout(lone.now);
        lone.frames();
        assert_eq!(lone.side.ended(), None, "chunk {n}");
    }
    lone.now += LEAVE_FILES;
    lone.side.session.handle_timeout(lone.now);
    lone.frames();
    assert!(lone.side.ended().is_some(), "and no longer");
}

#[test]
fn after_a_goodbye_nothing_new_can_be_said_or_offered() {
    let mut pair = Pair::new();
    pair.leave_a();
    assert!(pair.a.session.is_leaving() && !pair.b.session.is_leaving());
    assert_eq!(pair.a.session.say(pair.now, "x"), Err(CommandError::Leaving));
    assert_eq!(pair.a.session.offer(pair.now, "x", None), Err(CommandError::Leaving));
}

#[test]
fn files_of_both_directions_finish_before_the_one_who_left_is_gone() {
    let mut pair = Pair::new();
    let (there, back) = (pair.offer(1, 6 << 20), pair.offer_back(2, 9 << 20));
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > 0));
    pair.leave_a();
    pair.run_until(|pair| pair.b.session.peer_is_leaving());
    pair.leave_b();
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(there);
    pair.assert_arrived_back(back);
    assert!(pair.both_left());
}

#[test]
fn files_that_were_queued_before_a_goodbye_are_offered_and_arrive() {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..150).map(|key| pair.offer(key, 1000)).collect();
    pair.leave_a();
    pair.pass(Duration::from_secs(1));
    pair.leave_b();
    pair.pass(Duration::from_secs(1));
    ids.into_iter().for_each(|id| pair.assert_arrived(id));
    assert!(pair.both_left());
}

#[test]
fn an_undecided_offer_is_refused_by_who_leaves() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let id = pair.offer(1, 10);
    pair.run();
    pair.leave_b();
    pair.run();
    assert!(pair.a.failed(id) && pair.b.failed(id));
    let late = pair.offer(2, 10);
    pair.run();
    assert!(pair.a.failed(late));
    pair.leave_a();
    pair.run();
    assert!(pair.both_left());
}

#[test]
fn a_goodbye_to_a_user_with_many_queued_files_fails_them_and_is_no_flood() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    for key in 0..MAX_QUEUED as u64 {
        pair.offer(key, 10);
    }
    pair.run();
    pair.leave_b();
    pair.run();
    assert_eq!(pair.a.ended(), None);
    let failed = pair.a.events.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
    assert_eq!(failed, MAX_QUEUED);
}

#[test]
fn a_second_goodbye_cuts_what_is_under_way_and_the_other_side_knows() {
    let mut pair = Pair::new();
    let (there, back) = (pair.offer(1, 64 << 20), pair.offer_back(2, 64 << 20));
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > 1 << 20));
    pair.leave_a();
    pair.step();
    pair.a.session.cut(pair.now, LeaveReason::Done);
    pair.run();
    assert_eq!((pair.a.ended(), pair.b.ended()), (Some(&Ended::Cut), Some(&Ended::PeerCut)));
    for id in [there, back] {
        assert!(pair.a.failed(id) && pair.b.failed(id));
    }
}

#[test]
fn a_cut_without_a_goodbye_before_it_says_one() {
    let mut pair = Pair::new();
    pair.offer(1, 64 << 20);
    pair.run_until(|pair| pair.b.session.progress().iter().any(|file| file.bytes > 1 << 20));
    pair.b.session.cut(pair.now, LeaveReason::Interrupted);
    pair.run();
    assert_eq!((pair.a.ended(), pair.b.ended()), (Some(&Ended::PeerCut), Some(&Ended::Cut)));
    assert!(pair.a.events.contains(&Event::PeerLeaving { reason: LeaveReason::Interrupted }));
}

#[test]
fn what_still_comes_for_a_conversation_that_was_cut_is_no_broken_rule() {
    let mut lone = Lone::new(setup(true));
    lone.hear_offer(2, Some(100)).unwrap();
    lone.serve();
    lone.side.session.cut(lone.now, LeaveReason::Done);
    lone.hear_chunk(TransferId(2), 0, &[0; 50]).unwrap();
    lone.hear(&Frame::Bye { reason: LeaveReason::Done }).unwrap();
    assert_eq!(lone.frames().last(), Some(&Frame::Bye { reason: LeaveReason::Done }));
    assert_eq!(lone.side.ended(), Some(&Ended::Cut));
    lone.hear_chunk(TransferId(2), 50, &[0; 50]).unwrap();
}

#[test]
fn a_signal_ends_a_running_file_after_its_limit() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::HashPart(..));
    let id = pair.offer(1, 1 << 20);
    pair.run();
    pair.a.session.leave(pair.now, LeaveReason::Interrupted, Some(Duration::from_secs(2)));
    pair.pass(Duration::from_millis(1900));
    assert_eq!(pair.a.ended(), None);
    pair.pass(Duration::from_millis(200));
    assert_eq!((pair.a.ended(), pair.b.ended()), (Some(&Ended::Cut), Some(&Ended::PeerCut)));
    assert!(pair.a.failed(id) && pair.b.failed(id));
}

#[test]
fn leaving_gives_up_on_a_reader_that_reads_nothing() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    pair.a.session.say(pair.now, "unread").unwrap();
    pair.leave_a();
    pair.pass(LEAVE_TEXTS - Duration::from_millis(1));
    assert_eq!(pair.a.ended(), None);
    pair.pass(Duration::from_millis(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Cut));
}

#[test]
fn where_no_person_waits_leaving_waits_for_a_slow_reader() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    pair.a.session.say(pair.now, "read late").unwrap();
    pair.a.session.persist();
    pair.leave_a();
    pair.pass(LEAVE_TEXTS * 4);
    assert_eq!(pair.a.ended(), None);
    pair.b.reads = true;
    pair.leave_b();
    pair.run();
    assert!(pair.both_left());
    assert_eq!(pair.b.texts(), ["read late"]);
}

#[test]
fn who_does_not_wait_for_a_lost_peer_waits_for_a_reader_as_long_as_anybody() {
    for (reads, persists) in [(true, true), (false, false)] {
        let mut lone = Lone::new(Setup { linger: Duration::ZERO, ..setup(true) });
        if reads {
            lone.side.session.say(lone.now, "unread").unwrap();
        } else {
            lone.side.reads = false;
            lone.hear(&Frame::Text { seq: 1, text: Untrusted::from("unread") }).unwrap();
        }
        if persists {
            lone.side.session.persist();
        }
        lone.side.session.leave(lone.now, LeaveReason::Done, None);
        lone.frames();
        lone.now += LEAVE_TEXTS - Duration::from_millis(1);
        lone.side.session.handle_timeout(lone.now);
        assert_eq!(lone.side.session.state_name(None), Some("Leaving"), "reads: {reads}");
    }
}

#[test]
fn who_leaves_gives_a_slow_reader_of_its_own_the_time_that_he_takes() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    for _ in 0..3 {
        pair.a.session.say(pair.now, "read late").unwrap();
    }
    pair.a.session.persist();
    pair.run();
    pair.leave_a();
    pair.leave_b();
    pair.pass(LEAVE_TEXTS * 4);
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
    pair.b.reads = true;
    pair.run();
    assert!(pair.both_left());
    assert_eq!(pair.b.texts(), ["read late"; 3]);
}

#[test]
fn a_peer_that_is_gone_for_good_owes_a_goodbye_alone_to_who_is_through() {
    for unread in [false, true] {
        let mut lone = Lone::new(returning(true));
        if unread {
            lone.side.session.say(lone.now, "unread").unwrap();
        }
        lone.side.session.leave(lone.now, LeaveReason::Done, None);
        lone.frames();
        lone.side.session.link_lost(LINK, lone.now, "reset");
        lone.side.session.give_up(lone.now, "it has begun anew");
        let lost = Ended::Lost("it has begun anew".to_owned());
        assert_eq!(lone.side.ended(), Some(if unread { &lost } else { &Ended::Unanswered }));
    }
}

#[test]
fn who_leaves_a_peer_that_is_not_there_misses_its_goodbye_and_nothing_else() {
    let mut pair = Pair::new();
    pair.a.session.say(pair.now, "read").unwrap();
    pair.run();
    pair.ab.full = true;
    pair.leave_a();
    pair.pass(LEAVE_TEXTS + Duration::from_secs(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Unanswered));
}

#[test]
fn leaving_gives_up_on_a_peer_whose_machine_takes_nothing() {
    let mut pair = Pair::new();
    pair.run();
    pair.ab.full = true;
    for _ in 0..100 {
        pair.a.session.say(pair.now, "unread").unwrap();
    }
    pair.run();
    pair.a.session.say(pair.now, "behind what is stuck").unwrap();
    pair.leave_a();
    pair.pass(LEAVE_TEXTS + Duration::from_secs(2));
    assert_eq!(pair.a.ended(), Some(&Ended::Cut));
}

#[test]
fn leaving_waits_for_a_disk_that_is_slow_but_not_for_ever() {
    let mut pair = Pair::new();
    pair.b.does = |job| !matches!(job, DiskJob::SyncPart(_));
    let id = pair.offer(1, 10);
    pair.run();
    pair.leave_a();
    pair.leave_b();
    pair.pass(LEAVE_FILES - Duration::from_secs(1));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
    pair.pass(Duration::from_secs(2));
    assert!(pair.a.ended().is_some() && pair.b.ended().is_some() && !pair.both_left());
    assert!(pair.a.failed(id) && pair.b.failed(id));
    assert!(pair.b.disk.published.is_empty());
}

#[test]
fn a_link_that_ends_after_all_was_through_is_no_loss_to_who_was_told_goodbye() {
    let mut pair = Pair::new();
    pair.leave_a();
    pair.run();
    pair.b.session.handle_eof(LINK, pair.now);
    assert_eq!(pair.b.ended(), Some(&Ended::Left));
}

#[test]
fn a_link_that_ends_after_a_goodbye_with_a_file_under_way_is_the_peers_cut() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    let id = pair.offer_back(1, 10);
    pair.a.does = |_| false;
    pair.leave_a();
    pair.run();
    pair.b.session.handle_eof(LINK, pair.now);
    assert_eq!(pair.b.ended(), Some(&Ended::PeerCut));
    pair.b.serve(pair.now);
    assert_eq!(pair.b.outcome(id), ["failed: the other side left before it was through"]);
}

#[test]
fn a_peer_that_says_the_same_again_and_again_does_not_keep_us_from_leaving() {
    let mut lone = Lone::new(setup(true));
    lone.frames();
    lone.side.session.leave(lone.now, LeaveReason::Done, None);
    lone.frames();
    for _ in 0..4 {
        lone.now += LEAVE_TEXTS / 3;
        lone.hear(&Frame::TextAck { seq: 0 }).unwrap();
        lone.side.session.handle_timeout(lone.now);
        lone.frames();
    }
    assert_eq!(lone.side.ended(), Some(&Ended::Unanswered));
}

#[test]
fn a_file_that_is_whole_while_the_link_is_lost_is_told_on_the_next_one_though_its_sender_is_leaving() {
    let mut pair = Pair::with(returning(true), returning(false));
    pair.b.does = |job| !matches!(job, DiskJob::Publish(_));
    let id = pair.offer(1, 5000);
    pair.leave_a();
    pair.run();
    pair.talk_lost(true, true);
    pair.b.does = |_| true;
    pair.run();
    pair.talk_up(FIRST_EPOCH + 1, [None, None]);
    pair.pass(Duration::from_secs(1));
    pair.assert_arrived(id);
    pair.leave_b();
    pair.run();
    assert!(pair.both_left(), "{:?} {:?}", pair.a.ended(), pair.b.ended());
}
