//! Tests of what sums say.

use super::*;
use std::time::Instant;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn beyond(millis: u64) -> Half {
    Half { beyond: ms(millis), ..Half::default() }
}

/// The sentence, seen from the sender of an encrypted link.
fn said(sender: Half, receiver: Option<Half>) -> String {
    let stages = Stages::join(Direction::Send, true, &sender, receiver.as_ref());
    stages.verdict().map_or_else(|| "nothing".to_owned(), |verdict| verdict.to_string())
}

#[test]
fn whoever_is_waited_for_is_the_limit() {
    let disk = |half: Half| Half { disk: ms(920), ..half };
    let processor = |half: Half| Half { processor: ms(920), ..half };
    let hashing = |half: Half| Half { hashing: ms(920), ..half };
    let (waits, rest) = (beyond(1000), beyond(80));
    for (sender, receiver, words) in [
        (disk(rest), waits, "the sender's source was the limit, 92% of the time"),
        (hashing(rest), waits, "the sender's processor was the limit (hashing), 92% of the time"),
        (processor(rest), waits, "the sender's processor was the limit (encrypting), 92% of the time"),
        (Half { limit: ms(920), ..rest }, waits, "the sender's --limit was the limit, 92% of the time"),
        (waits, waits, "the network was the limit, 100% of the time"),
        (
            waits,
            Half { stopped: ms(920), ..rest },
            "the receiver's processor was the limit (receiving), 92% of the time",
        ),
        (waits, processor(rest), "the receiver's processor was the limit (decrypting), 92% of the time"),
        (waits, hashing(rest), "the receiver's processor was the limit (hashing), 92% of the time"),
        (waits, disk(rest), "the receiver's disk was the limit, 92% of the time"),
    ] {
        assert_eq!(said(sender, Some(receiver)), words);
    }
}

#[test]
fn both_sides_come_to_the_same() {
    let sender = Half { hashing: ms(300), processor: ms(100), beyond: ms(600), ..Half::default() };
    let receiver = Half { disk: ms(500), processor: ms(200), beyond: ms(300), ..Half::default() };
    for secure in [false, true] {
        let there = Stages::join(Direction::Send, secure, &sender, Some(&receiver));
        assert_eq!(there, Stages::join(Direction::Receive, secure, &receiver, Some(&sender)));
        assert!(ms(1000).abs_diff(there.total()) < Duration::from_micros(1), "{there:?}");
    }
}

#[test]
fn of_two_who_work_at_once_the_one_that_waits_less_is_the_limit() {
    let busy = Half { processor: ms(950), ..beyond(50) };
    let less = Half { disk: ms(400), ..beyond(600) };
    assert_eq!(said(busy, Some(less)), "the sender's processor was the limit (encrypting), 92% of the time");
    let said = said(busy, Some(busy));
    assert!(said.ends_with("50% of the time"), "{said}");
}

#[test]
fn what_no_one_thing_was_is_said_so() {
    let sender = Half { disk: ms(300), hashing: ms(200), ..beyond(500) };
    let receiver = Half { disk: ms(100), ..beyond(900) };
    let words = "no one limit: the network 40%, the sender's source 30%, the sender's processor 20%";
    assert_eq!(said(sender, Some(receiver)), words);
    let stages = Stages::join(Direction::Send, true, &sender, Some(&receiver));
    assert_eq!(stages.verdict().and_then(|verdict| verdict.limit()), None);
}

#[test]
fn one_half_says_what_it_does_not_know() {
    assert_eq!(said(beyond(1000), None), "the network or the receiver was the limit, 100% of the time");
    let stages = Stages::join(Direction::Receive, false, &beyond(1000), None);
    let words = "the network or the sender was the limit, 100% of the time";
    assert_eq!(stages.verdict().map(|verdict| verdict.to_string()).as_deref(), Some(words));
    assert_eq!(said(Half { disk: ms(900), ..beyond(100) }, None), "the sender's source was the limit, 90% of the time");
}

#[test]
fn where_nobody_has_counted_there_is_nothing_to_say() {
    assert_eq!(said(Half::default(), Some(beyond(1000))), "nothing");
    assert_eq!(Stages::default().verdict(), None);
}

#[test]
fn a_claim_is_worth_no_more_than_the_time_that_has_passed() {
    let claim = Half::from_micros([u64::MAX; HALF]);
    let stages = Stages::join(Direction::Send, true, &beyond(1000), Some(&claim));
    assert!(ms(1000).abs_diff(stages.total()) < Duration::from_micros(1), "{stages:?}");
    assert!(stages.get(Stage::DestinationWrite) < ms(200), "{stages:?}");
}

#[test]
fn keys_and_resources_of_all_stages_are_their_own() {
    for (n, stage) in Stage::ALL.into_iter().enumerate() {
        assert_eq!(stage as usize, n);
        assert!(!Stage::ALL[..n].iter().any(|other| other.key() == stage.key()));
        assert!(!stage.resource().key().is_empty() && !stage.resource().words().is_empty());
    }
}

/// A meter of these waits, of which a second reading of the processor says that it has computed so long.
fn metered(waits: &[(Wait, u64)], computed: Option<u64>) -> Half {
    let mut meter = Meter::default();
    let turn = |processor| Turn { processor, ..Turn::default() };
    meter.add(Wait::Busy, Duration::ZERO, &turn(computed.map(|_| ms(5000))), false);
    for (wait, millis) in waits {
        meter.add(*wait, ms(*millis), &turn(None), false);
    }
    meter.add(Wait::Busy, Duration::ZERO, &turn(computed.map(|millis| ms(5000 + millis))), true);
    meter.half()
}

#[test]
fn a_busy_loop_that_does_not_compute_waits_for_the_disk() {
    let half = metered(&[(Wait::Busy, 900), (Wait::Beyond, 100)], Some(50));
    assert_eq!((half.disk, half.processor, half.beyond), (ms(850), ms(50), ms(100)));
    let half = metered(&[(Wait::Busy, 900), (Wait::Beyond, 100)], None);
    assert_eq!((half.disk, half.processor, half.beyond), (ms(0), ms(900), ms(100)), "where the system does not tell");
}

#[test]
fn who_waits_for_a_core_does_not_wait_for_the_other_side() {
    let half = metered(&[(Wait::Busy, 100), (Wait::Beyond, 900)], Some(1000));
    assert_eq!((half.disk, half.processor, half.beyond), (ms(0), ms(1000), ms(0)));
}

#[test]
fn helpers_say_whether_they_read_or_hashed() {
    let mut meter = Meter::default();
    meter.add(Wait::Helpers, ms(1000), &Turn::default(), false);
    assert_eq!(meter.half().hashing, ms(1000));
    meter.helped(Spent { reading: ms(30), hashing: ms(10) });
    assert_eq!((meter.half().disk, meter.half().hashing), (ms(750), ms(250)));
}

#[test]
fn a_process_that_was_stopped_has_waited_for_nobody() {
    let mut meter = Meter::default();
    meter.add(Wait::Beyond, ms(1000), &Turn { stopped: true, ..Turn::default() }, false);
    assert_eq!(meter.half(), Half { stopped: ms(1000), ..Half::default() });
}

#[test]
fn the_system_is_asked_first_and_then_each_second_and_at_the_end() {
    let mut meter = Meter::default();
    let asked = Turn { processor: Some(ms(7)), ..Turn::default() };
    assert!(meter.wants_processor(false));
    meter.add(Wait::Busy, ms(1), &asked, false);
    assert!(!meter.wants_processor(false) && meter.wants_processor(true));
    meter.add(Wait::Busy, TELL_EVERY, &Turn::default(), false);
    assert!(meter.wants_processor(false));
    meter.add(Wait::Beyond, ms(1), &asked, true);
    assert!(!meter.wants_processor(false) && !meter.wants_processor(true));
}

#[test]
fn a_half_is_told_each_second() {
    let (mut meter, now) = (Meter::default(), Instant::now());
    meter.add(Wait::Beyond, ms(1), &Turn::default(), false);
    assert_eq!(meter.tell(now), None);
    assert_eq!(meter.tell(now + TELL_EVERY), Some(beyond(1)));
    assert_eq!(meter.tell(now + TELL_EVERY), None);
    assert_eq!(Meter::default().told_last(), None, "who does not count says nothing");
}
