//! Two loops in one thread whose calls cross: for a lost link, and before any.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::net::Settings;
use crate::net::conversation::Reach;
use crate::net::event::Heeds;
use crate::net::gate::Trust;
use crate::net::input::Input;
use crate::net::pool::Family;
use crate::net::standing::{Callee, Secure};
use crate::proto::event::Event;
use crate::proto::frame::SessionTicket;
use crate::proto::session::SILENT_AFTER;
use crate::proto::setup::Setup;
use crate::proto::transfers::Policy;
use crate::secure::code::{Code, OneTime};
use crate::secure::key::SecretKey;
use crate::secure::tls::Tls;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// After this something is wrong, also on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn side(name: &str) -> Reactor {
    side_with(name, None)
}

fn side_with(name: &str, secure: Option<Secure>) -> Reactor {
    let linger = Duration::from_secs(600);
    let setup =
        Setup { lead: false, policy: Policy::Never, sync: true, verify: true, limit: None, returns: true, linger };
    Reactor::new(Settings {
        name: name.to_owned(),
        secure,
        trust: Trust::New,
        policy_for_new: Policy::Never,
        family: Family::Any,
        into: std::env::temp_dir(),
        prefix: String::new(),
        calls: sys::Calls::Native,
        discard: false,
        setup,
        heeds: Heeds::Nothing,
    })
    .unwrap()
}

/// Anna, who was called, and bob, who called; both listen.
struct Two {
    sides: [Reactor; 2],
    /// What each was told.
    heard: [Vec<String>; 2],
    ended: bool,
}

impl Two {
    fn new() -> Self {
        Self::of(side("anna"), side("bob"))
    }

    fn of(mut anna: Reactor, mut bob: Reactor) -> Self {
        let port = anna.listen(Some(LOOPBACK), 0).unwrap()[0].port();
        bob.listen(Some(LOOPBACK), 0).unwrap();
        bob.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
        let mut two = Self { sides: [anna, bob], heard: Default::default(), ended: false };
        two.until([true, false].into_iter().cycle(), |two| two.sides.iter().all(|side| side.conversation.is_some()));
        two
    }

    fn turn(&mut self, which: usize) {
        let side = &mut self.sides[which];
        side.turn(Some(side.now() + Duration::from_millis(1))).unwrap();
        while let Some(event) = side.poll_event() {
            match event {
                NetEvent::Session(Event::Message { text, .. }) => self.heard[which].push(text.shown().to_string()),
                NetEvent::NotLetIn { .. } => self.heard[which].push("not let in".to_owned()),
                NetEvent::Ended { .. } => self.ended = true,
                _ => {}
            }
        }
    }

    /// Gives them turns, anna where it says so, until something holds.
    fn until(&mut self, mut turns: impl Iterator<Item = bool>, holds: impl Fn(&Self) -> bool) {
        let latest = Instant::now() + PATIENCE;
        while !holds(self) {
            self.turn(usize::from(!turns.next().unwrap()));
            assert!(!self.ended && Instant::now() < latest, "it ended, or came to nothing");
        }
    }

    /// The link is lost for both, and both call at once.
    fn part(&mut self) {
        let bob = SocketAddr::new(LOOPBACK, self.sides[1].port());
        for (which, side) in self.sides.iter_mut().enumerate() {
            let now = side.now;
            let conversation = side.conversation.as_mut().unwrap();
            conversation.session.link_lost(conversation.talk.link, now, "it was cut");
            (conversation.reach, conversation.call) = (Reach::Away, Call::None);
            conversation.listens = (which == 0).then_some(bob);
        }
    }

    fn talk_epochs(&self) -> [u32; 2] {
        self.sides.each_ref().map(|side| side.conversation.as_ref().unwrap().talk_epoch)
    }

    fn is_away(&self) -> bool {
        self.sides.iter().any(|side| side.conversation.as_ref().unwrap().session.is_away())
    }
}

/// Turns in an order of which `seed` decides the first 32.
fn order(seed: u32) -> impl Iterator<Item = bool> {
    let dice = seed.wrapping_mul(0x9e37_79b9) ^ seed.wrapping_mul(0x85eb_ca6b).rotate_left(13);
    (0..32).map(move |bit| dice >> bit & 1 == 1).chain([true, false].into_iter().cycle())
}

#[test]
fn two_who_call_each_other_for_a_lost_link_agree_on_one_and_lose_no_text_whoever_is_first() {
    let mut called_back = 0;
    for seed in 1..24 {
        let mut two = Two::new();
        two.part();
        let now = two.sides.each_ref().map(|side| side.now);
        for (side, now) in two.sides.iter_mut().zip(now) {
            side.session().unwrap().say(now, "are you there?").unwrap();
        }
        let all_is_well = |two: &Two| {
            let [ours, theirs] = two.talk_epochs();
            !two.is_away() && ours == theirs && two.heard.iter().all(|heard| heard.len() == 1)
        };
        two.until(order(seed), all_is_well);
        called_back += two.talk_epochs()[0] % 2;
        assert_eq!(two.heard, [["are you there?"], ["are you there?"]], "seed {seed}");
    }
    assert!(called_back > 0, "the calls of her who was called never win");
}

#[test]
fn who_was_called_calls_too_where_the_other_side_listens_and_leaves_it_to_them_otherwise() {
    let mut two = Two::new();
    two.part();
    let bob = SocketAddr::new(LOOPBACK, two.sides[1].port());
    let anna = &mut two.sides[0];
    let conversation = anna.conversation.as_mut().unwrap();
    let due = conversation.call_due(anna.now).map(|(need, address, _)| (need, address));
    assert_eq!(due, Some((Need::Talk, bob)));
    conversation.listens = None;
    assert_eq!(conversation.call_due(anna.now), None);
}

#[test]
fn calls_of_the_two_never_have_the_same_epoch() {
    let mut two = Two::new();
    for (side, epochs) in two.sides.iter_mut().zip([[3, 5, 7], [2, 4, 6]]) {
        let conversation = side.conversation.as_mut().unwrap();
        assert_eq!(epochs.map(|_| conversation.next_epoch()), epochs);
        conversation.epoch = 20;
        assert_eq!(conversation.next_epoch() - 20, 2 - epochs[0] % 2);
    }
}

/// The attempts of which the side's user is told.
fn attempts(side: &mut Reactor) -> Vec<u32> {
    let told = std::iter::from_fn(|| side.poll_event());
    told.filter_map(|event| if let NetEvent::Dialling { attempt, .. } = event { Some(attempt) } else { None }).collect()
}

#[test]
fn the_first_call_for_a_lost_link_is_the_first_attempt() {
    let mut two = Two::new();
    two.part();
    let bob = &mut two.sides[1];
    bob.call_again();
    assert_eq!(attempts(bob), [1]);
}

#[test]
fn a_partner_who_merely_says_nothing_is_called_without_a_word() {
    let mut two = Two::new();
    let bob = &mut two.sides[1];
    let now = bob.now;
    let session = bob.session().unwrap();
    session.say(now, "are you there?").unwrap();
    session.handle_timeout(now + 2 * SILENT_AFTER);
    assert!(session.is_silent() && !session.is_away());
    bob.call_again();
    assert!(matches!(bob.conversation.as_ref().unwrap().call, Call::UnderWay(_)));
    assert_eq!(attempts(bob), [0; 0]);
}

#[test]
fn who_says_nothing_is_called_at_once_though_calls_for_files_have_long_pauses() {
    let mut two = Two::new();
    let bob = &mut two.sides[1];
    let now = bob.now;
    let conversation = bob.conversation.as_mut().unwrap();
    (conversation.failures, conversation.call) = (9, Call::Failed(now + Duration::from_secs(480)));
    conversation.session.say(now, "are you there?").unwrap();
    conversation.session.handle_timeout(now + 2 * SILENT_AFTER);
    assert_eq!(conversation.call_due(now).map(|(need, ..)| need), Some(Need::Talk));
    conversation.notice_parting(now);
    let due = conversation.call_due(now).map(|(.., due)| due).unwrap();
    assert!(due <= now + Duration::from_secs(1), "in {:?}", due - now);
}

/// Two who have lost their link, of whom anna has made her claim on a new one and waits for that of bob, who leads.
fn half_joined() -> Two {
    let mut bob = side("bob");
    bob.nonce = Nonce([0xff; 16]);
    let mut two = Two::of(side("anna"), bob);
    two.part();
    two.sides[0].conversation.as_mut().unwrap().listens = None;
    let claims = |connection: &Connection| matches!(&connection.stage, Stage::Opening(it) if it.claimed().is_some());
    two.until([true, false].into_iter().cycle(), |two| two.sides[0].connections.iter().any(|(_, it)| claims(it)));
    two
}

#[test]
fn a_half_joined_link_of_one_conversation_is_no_link_of_the_next_one() {
    for return_epoch in [1, 9] {
        let mut two = half_joined();
        let anna = &mut two.sides[0];
        let conversation = anna.conversation.as_mut().unwrap();
        (conversation.ticket, conversation.talk_epoch) = (SessionTicket { id: [7; 16], secret: [7; 16] }, return_epoch);
        let talk = conversation.talk;
        let links = |two: &Two| two.sides[0].connections.iter().filter(|(_, it)| it.is_opening()).count();
        two.until([true, false].into_iter().cycle(), |two| links(two) == 0);
        let conversation = two.sides[0].conversation.as_ref().unwrap();
        assert_eq!((conversation.talk_epoch, conversation.talk), (return_epoch, talk));
    }
}

#[test]
fn nothing_on_its_way_into_a_conversation_outlives_it() {
    for which in [0, 1] {
        let mut two = half_joined();
        let side = &mut two.sides[which];
        let now = side.now;
        assert!(side.connections.iter().any(|(_, it)| it.is_later()));
        side.session().unwrap().give_up(now, "nobody calls any more");
        assert!(std::iter::from_fn(|| side.poll_event()).any(|event| matches!(event, NetEvent::Ended { .. })));
        side.turn(Some(now)).unwrap();
        assert_eq!(side.connections.iter().filter(|(_, it)| it.is_opening() || it.is_later()).count(), 0);
    }
}

#[test]
fn a_link_of_a_conversation_that_is_over_does_not_keep_the_loop_awake() {
    let mut two = Two::new();
    let bob = &mut two.sides[1];
    let (now, key) = (bob.now, bob.conversation.as_ref().unwrap().talk.key);
    bob.session().unwrap().give_up(now, "behind the last look at its links");
    bob.connections[key].more = true;
    assert!(std::iter::from_fn(|| bob.poll_event()).any(|event| matches!(event, NetEvent::Ended { .. })));
    bob.turn(Some(now)).unwrap();
    bob.turn(Some(now)).unwrap();
    assert_eq!(bob.connections.iter().map(|(_, it)| it.stage.name()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn of_calls_that_nobody_hears_of_only_the_last_are_told() {
    let mut anna = side("anna");
    for attempt in 1..1000 {
        anna.tell_calling(NetEvent::Dialling { to: "bob".to_owned(), attempt });
    }
    let told = attempts(&mut anna);
    assert!(told.len() < 100 && told.ends_with(&[998, 999]), "{told:?}");
}

#[test]
fn a_look_up_that_fails_ends_only_the_call_of_whom_nobody_ever_found() {
    for found in [false, true] {
        let mut anna = side("anna");
        anna.dial(Callee::at("host.invalid".into(), 1), None);
        anna.drive_dialler();
        if found {
            let (now, dialler) = (anna.now, anna.dialler.as_mut().unwrap());
            dialler.resolved(now, vec![SocketAddr::new(LOOPBACK, 1)]);
            dialler.poll(now);
            dialler.failed(now, "refused".into());
            dialler.poll(dialler.deadline().unwrap());
        }
        anna.handle_resolved(Err("no network".into()));
        let given_up = std::iter::from_fn(|| anna.poll_event()).any(|it| matches!(it, NetEvent::DialFailed { .. }));
        assert_eq!((anna.dialler.is_some(), given_up), (found, !found));
    }
}

#[test]
fn a_link_for_files_leaves_a_call_for_the_talk_link_alone() {
    let mut two = Two::new();
    let bob = &mut two.sides[1];
    let now = bob.now;
    let conversation = bob.conversation.as_mut().unwrap();
    for (call, left) in [(7, Call::UnderWay(7)), (8, Call::None)] {
        conversation.call = Call::UnderWay(call);
        conversation.take_bulk(Carrier { key: 99, link: LinkId(8) }, 9, now);
        assert_eq!(conversation.call, left);
    }
}

#[test]
fn what_is_ready_for_whom_we_are_about_to_call_is_given_to_no_earlier_caller() {
    let (mut anna, mut bob) = (side("anna"), side("bob"));
    let port = anna.listen(Some(LOOPBACK), 0).unwrap()[0].port();
    anna.let_in_only_callee();
    bob.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
    let mut two = Two { sides: [anna, bob], heard: Default::default(), ended: false };
    two.until([true, false].into_iter().cycle(), |two| !two.heard[1].is_empty());
    assert_eq!(two.heard[1], ["not let in"]);
    assert!(two.sides.iter().all(|side| side.conversation.is_none()));
}

#[test]
fn whoever_wakes_the_loop_is_heard_before_files_move_on_which_never_wait_twice() {
    let mut two = Two::new();
    let anna = &mut two.sides[0];
    let waits = |side: &Reactor| side.conversation.as_ref().unwrap().told_first;
    let turn = |side: &mut Reactor| side.turn(Some(side.now + PATIENCE)).map(|_| waits(side)).unwrap();
    anna.waker().wake().unwrap();
    assert!(turn(anna), "another thread has something");
    anna.waker().wake().unwrap();
    assert!(!turn(anna), "files have waited once");
    anna.set_input(Input::spawn(&b"typed"[..]).unwrap()).unwrap();
    assert!(turn(anna), "our user has something");
}

#[test]
fn what_is_due_is_not_late_because_the_turn_before_took_long() {
    let mut anna = side("anna");
    let before = Instant::now();
    anna.now = before - PATIENCE; // as if a disk had held it up ever since
    anna.turn(Some(before)).unwrap();
    assert!(before.elapsed() < PATIENCE / 2, "it waited as long as the turn had taken");
}

/// Gives anna and another one turns, in turn, until something holds of anna.
fn turn_both(anna: &mut Reactor, other: &mut Reactor, holds: impl Fn(&Reactor) -> bool) {
    let latest = Instant::now() + PATIENCE;
    while !holds(anna) {
        for side in [&mut *other, &mut *anna] {
            side.turn(Some(side.now + Duration::from_millis(1))).unwrap();
        }
        assert!(Instant::now() < latest, "it came to nothing");
    }
}

#[test]
fn fault_26_a_code_is_not_tried_more_often_by_proofs_that_began_together() {
    let holds_code = |code: [u8; 3]| {
        let tls = Arc::new(Tls::new(&SecretKey::generate().unwrap()).unwrap());
        let mut side = side_with("one of them", Some(Secure { tls, folder: None }));
        side.set_code(OneTime::new(Code::new(code), side.now));
        side
    };
    let mut anna = holds_code([1, 2, 3]);
    let port = anna.listen(Some(LOOPBACK), 0).unwrap()[0].port();
    let proofs = |anna: &Reactor| anna.connections.iter().filter(|(_, it)| it.pairing.is_some()).count();
    let left = |anna: &Reactor| anna.code.as_ref().map_or(0, OneTime::left);
    // Three have begun, of whom the last one knows the code.
    let mut callers = [[9, 9, 1], [9, 9, 2], [1, 2, 3]].map(holds_code);
    for (begun, caller) in callers.iter_mut().enumerate() {
        caller.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
        turn_both(&mut anna, caller, |anna| proofs(anna) > begun);
    }
    // One whom anna calls can test a guess by what she has said to it, and says no more.
    let mut called = holds_code([9, 9, 3]);
    let there = called.listen(Some(LOOPBACK), 0).unwrap()[0].port();
    anna.dial(Callee::at(LOOPBACK.to_string(), there), Some(PATIENCE));
    turn_both(&mut anna, &mut called, |anna| anna.tested(None) > 0);
    let [first, second, third] = &mut callers;
    turn_both(&mut anna, first, |anna| left(anna) == 2);
    turn_both(&mut anna, second, |anna| left(anna) == 1);
    turn_both(&mut anna, third, |anna| proofs(anna) < 2);
    assert_eq!((anna.proved, left(&anna)), (None, 1), "that would have been a fourth try");
}

#[test]
fn two_who_call_each_other_with_one_code_meet_whoever_is_first() {
    for seed in 1..24 {
        let mut sides = ["anna", "bob"].map(|name| {
            let tls = Arc::new(Tls::new(&SecretKey::generate().unwrap()).unwrap());
            let mut side = side_with(name, Some(Secure { tls, folder: None }));
            side.set_code(OneTime::new(Code::new([1, 2, 3]), side.now));
            side
        });
        let ports = sides.each_mut().map(|side| side.listen(Some(LOOPBACK), 0).unwrap()[0].port());
        for (side, port) in sides.iter_mut().zip([ports[1], ports[0]]) {
            side.dial(Callee::at(LOOPBACK.to_string(), port), Some(PATIENCE));
        }
        let mut two = Two { sides, heard: Default::default(), ended: false };
        two.until(order(seed), |two| two.sides.iter().all(|side| side.conversation.is_some()));
        // What is left of the other call joins them, or waits for nothing.
        for which in [0, 1].into_iter().cycle().take(80) {
            two.turn(which);
        }
        assert!(!two.ended, "seed {seed}");
        assert!(two.heard.iter().all(Vec::is_empty), "seed {seed}: {:?}", two.heard);
    }
}
