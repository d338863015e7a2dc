//! Texts, keep-alive and silence.

use std::time::Duration;

use tete::proto::decoder::Decoded;
use tete::proto::error::CommandError;
use tete::proto::event::Event;
use tete::proto::frame::{Frame, Kind};
use tete::proto::session::{Deadline, Ended, PING_AFTER, SILENT_AFTER, Setup};
use tete::proto::talk::WINDOW_TEXTS;
use tete::proto::transfers::Policy;

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::Pair;
use crate::support::{setup, with_policy};

#[test]
fn texts_said_by_both_arrive_in_order_and_once() {
    let mut pair = Pair::new();
    let said: Vec<String> = (0..700).map(|i| format!("text {i} ü")).collect();
    for text in &said {
        pair.a.session.say(pair.now, text).unwrap();
        pair.b.session.say(pair.now, &format!("{text}!")).unwrap();
        if !pair.a.session.can_say() || !pair.b.session.can_say() {
            pair.run();
        }
    }
    pair.run();
    assert_eq!(pair.b.texts(), said);
    assert_eq!(pair.a.texts(), said.iter().map(|text| format!("{text}!")).collect::<Vec<_>>());
    assert_eq!((pair.a.delivered(), pair.b.delivered()), (700, 700));
}

#[test]
fn a_text_is_delivered_only_once_the_other_user_was_handed_it() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    pair.a.session.say(pair.now, "hi").unwrap();
    pair.run();
    let unread = |pair: &Pair| (pair.a.session.unread(), pair.a.session.first_unread());
    assert_eq!((pair.a.delivered(), unread(&pair)), (0, (1, 1)));
    pair.b.reads = true;
    pair.run();
    assert_eq!((pair.a.delivered(), unread(&pair)), (1, (0, 2)));
}

#[test]
fn where_it_is_told_what_was_shown_a_text_is_acknowledged_no_sooner() {
    let mut lone = Lone::new(setup(true));
    lone.frames();
    lone.side.session.texts_shown(0);
    lone.hear(&Frame::Text { seq: 1, text: "hi".into() }).unwrap();
    lone.serve();
    assert!(lone.frames().is_empty());
    lone.side.session.texts_shown(1);
    assert_eq!(lone.frames(), [Frame::TextAck { seq: 1 }]);
}

#[test]
fn one_event_tells_of_all_texts_that_were_read_meanwhile() {
    let mut lone = Lone::new(setup(true));
    for text in ["a", "b", "c"] {
        lone.side.session.say(lone.now, text).unwrap();
    }
    lone.frames();
    lone.hear(&Frame::Text { seq: 1, text: "hi".into() }).unwrap();
    lone.hear(&Frame::TextAck { seq: 1 }).unwrap();
    lone.hear(&Frame::TextAck { seq: 3 }).unwrap();
    assert_eq!(lone.side.session.untold(), 2);
    lone.serve();
    assert_eq!(lone.side.events, [Event::Message { seq: 1, text: "hi".into() }, Event::Delivered { seq: 3 }]);
    assert_eq!(lone.side.session.untold(), 0);
}

#[test]
fn it_is_known_when_either_last_said_something() {
    let mut lone = Lone::new(setup(true));
    assert_eq!(lone.side.session.talked(), None);
    lone.side.session.say(lone.now, "hi").unwrap();
    let said = lone.now;
    lone.now += Duration::from_secs(3);
    lone.hear(&Frame::Ping { token: 1 }).unwrap();
    assert_eq!(lone.side.session.talked(), Some(said), "to ask is not to talk");
    lone.hear(&Frame::Text { seq: 1, text: "hi".into() }).unwrap();
    assert_eq!(lone.side.session.talked(), Some(lone.now));
}

#[test]
fn a_reader_that_reads_nothing_fills_the_window_and_no_more() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    let mut said = 0;
    while pair.a.session.say(pair.now, "x").is_ok() {
        said += 1;
        pair.run();
    }
    assert_eq!(said, WINDOW_TEXTS);
    assert_eq!(pair.a.session.say(pair.now, "x"), Err(CommandError::WindowFull));
    pair.b.reads = true;
    pair.run();
    assert!(pair.a.session.can_say());
}

#[test]
fn a_file_flows_while_the_reader_of_texts_reads_nothing() {
    let mut pair = Pair::new();
    pair.b.reads = false;
    while pair.a.session.say(pair.now, "x").is_ok() {}
    let id = pair.offer(1, 100_000);
    pair.run();
    assert!(pair.b.disk.published.contains_key(&id));
}

#[test]
fn texts_go_before_the_chunks_of_a_running_file() {
    let mut lone = Lone::new(setup(true));
    let id = lone.side.session.offer(lone.now, "a", Some(4 << 20)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 4 << 20 });
    lone.spoken();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    lone.serve();
    assert!(lone.spoken_until(|found| matches!(found, Decoded::Chunk(_))));
    for _ in 0..50 {
        lone.side.session.say(lone.now, &"x".repeat(1000)).unwrap();
    }
    let text = |found: &&Decoded| matches!(found, Decoded::Frame(frame) if frame.kind() == Kind::Text);
    assert_eq!(lone.spoken().iter().take_while(text).count(), 50);
}

#[test]
fn an_empty_text_does_not_end_the_conversation() {
    let mut pair = Pair::new();
    let _ = pair.a.session.say(pair.now, "");
    pair.a.session.say(pair.now, "after").unwrap();
    pair.run();
    assert_eq!(pair.b.texts().last().map(String::as_str), Some("after"));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
}

#[test]
fn a_new_conversation_measures_the_round_trip() {
    let mut lone = Lone::new(setup(true));
    assert_eq!(lone.frames(), [Frame::Ping { token: 1 }]);
    lone.now += Duration::from_millis(30);
    lone.hear(&Frame::Pong { token: 1 }).unwrap();
    assert_eq!(lone.side.session.round_trip(), Some(Duration::from_millis(30)));
}

#[test]
fn an_idle_conversation_has_no_deadline() {
    let mut pair = Pair::new();
    pair.run();
    assert_eq!((pair.a.session.poll_timeout(), pair.b.session.poll_timeout()), (None, None));
}

#[test]
fn silence_while_something_is_pending_is_asked_about_told_and_at_last_ends_it() {
    let mut lone = Lone::new(setup(true));
    lone.frames();
    lone.hear(&Frame::Pong { token: 1 }).unwrap();
    lone.side.session.say(lone.now, "are you there?").unwrap();
    lone.frames();
    lone.now += PING_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert_eq!(lone.frames(), [Frame::Ping { token: 2 }]);
    lone.now += SILENT_AFTER - PING_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert_eq!(lone.side.session.poll_event(), Some(Event::Silent { quiet: SILENT_AFTER }));
    lone.now += Duration::from_secs(180) - SILENT_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert!(matches!(lone.side.ended(), Some(Ended::Lost(_))));
}

#[test]
fn a_peer_that_says_nothing_of_a_file_is_missed_too() {
    let mut lone = Lone::new(setup(true));
    lone.side.session.offer(lone.now, "a", Some(1)).unwrap();
    lone.frames();
    lone.hear(&Frame::Pong { token: 1 }).unwrap();
    assert_eq!(lone.side.session.poll_timeout(), Some((lone.now + PING_AFTER, Deadline::Ping)));
    lone.now += SILENT_AFTER;
    lone.side.session.handle_timeout(lone.now);
    assert_eq!(lone.side.session.poll_event(), Some(Event::Silent { quiet: SILENT_AFTER }));
}

#[test]
fn an_answer_after_silence_is_told_and_nothing_ends() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    pair.run();
    pair.ab.full = true;
    pair.a.session.say(pair.now, "hello?").unwrap();
    pair.pass(Duration::from_secs(12));
    assert!(pair.a.events.iter().any(|event| matches!(event, Event::Silent { .. })));
    pair.ab.full = false;
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.a.events.last(), Some(&Event::Delivered { seq: 1 }));
    assert!(pair.a.events.contains(&Event::Answering));
    assert_eq!(pair.a.ended(), None);
}

#[test]
fn an_undecided_offer_is_no_reason_to_lose_a_peer_that_answers() {
    let mut pair = Pair::with(setup(true), with_policy(false, Policy::Ask));
    pair.offer(1, 10);
    pair.pass(Duration::from_secs(3600));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
    assert!(!pair.a.events.iter().any(|event| matches!(event, Event::Silent { .. })));
}

#[test]
fn a_peer_is_asked_before_a_short_patience_ends() {
    let mut pair = Pair::with(Setup { linger: Duration::from_secs(1), ..setup(true) }, with_policy(false, Policy::Ask));
    pair.offer(1, 10);
    pair.pass(Duration::from_secs(30));
    assert_eq!((pair.a.ended(), pair.b.ended()), (None, None));
}
