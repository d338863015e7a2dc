//! Tests of what sums say.

use super::*;

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
        (Half { stopped: ms(920), ..rest }, waits, "the sender's processor was the limit (sending), 92% of the time"),
        (waits, waits, "the network was the limit, 100% of the time"),
        (
            waits,
            Half { stopped: ms(920), ..rest },
            "the receiver's processor was the limit (receiving), 92% of the time",
        ),
        (
            waits,
            Half { stopped: ms(500), limit: ms(420), ..rest },
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
fn two_who_are_at_work_all_the_time_are_the_limit_in_equal_parts() {
    let busy = Half { processor: ms(1000), ..Half::default() };
    let stages = Stages::join(Direction::Send, true, &busy, Some(&busy));
    assert_eq!((stages.get(Stage::Encryption), stages.get(Stage::Decryption)), (ms(500), ms(500)));
    assert_eq!(stages.total(), ms(1000));
}

#[test]
fn times_of_one_stage_add_up_and_so_do_the_stages_of_one_processor() {
    let times = [
        (Stage::SourceHashing, ms(500)),
        (Stage::Encryption, ms(1800)),
        (Stage::SourceHashing, ms(700)),
        (Stage::Network, ms(1000)),
    ];
    let stages: Stages = times.into_iter().collect();
    assert_eq!((stages.get(Stage::SourceHashing), stages.total()), (ms(1200), ms(4000)));
    let words = "the sender's processor was the limit (encrypting), 75% of the time";
    assert_eq!(stages.verdict().map(|verdict| verdict.to_string()).as_deref(), Some(words));
}

#[test]
fn of_stages_that_took_as_long_the_first_is_named() {
    let times = [(Stage::SourceHashing, ms(500)), (Stage::Encryption, ms(500)), (Stage::Network, ms(10))];
    assert_eq!(Stages::from_iter(times).verdict().unwrap().first().stage, Stage::SourceHashing);
}

#[test]
fn no_part_is_greater_than_the_whole_however_it_is_rounded() {
    for n in 1..2000 {
        let micros = |n| Duration::from_micros(n);
        let times =
            [(Stage::SourceHashing, micros(n)), (Stage::Encryption, micros(3 * n + 1)), (Stage::SendQueue, micros(7))];
        let cause = Stages::from_iter(times).verdict().unwrap().first();
        assert_eq!((cause.resource, cause.share), (Resource::SenderProcessor, 1.0), "{n}");
    }
}

#[test]
fn what_took_next_to_nothing_is_not_named() {
    let times = [(Stage::SourceRead, ms(996)), (Stage::Network, ms(996)), (Stage::DestinationWrite, ms(8))];
    let stages: Stages = times.into_iter().collect();
    let words = "no one limit: the sender's source 50%, the network 50%";
    assert_eq!(stages.verdict().map(|verdict| verdict.to_string()).as_deref(), Some(words));
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
        let resource = stage.resource();
        for other in &Stage::ALL[..n] {
            assert_ne!(other.key(), stage.key());
            let same = other.resource() == resource;
            assert_eq!(other.resource().key() == resource.key(), same, "{resource:?}");
            assert_eq!(other.resource().words() == resource.words(), same, "{resource:?}");
        }
        assert!(!resource.key().is_empty() && !resource.words().is_empty());
    }
}
