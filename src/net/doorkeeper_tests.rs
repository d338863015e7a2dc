//! The door as sentences, and under floods.

use proptest::prelude::*;

use super::*;

/// A door, its clock and the next caller's number.
struct Door {
    keeper: Doorkeeper,
    began: Instant,
    now: Instant,
    next: u64,
}

fn remote(n: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + n).to_be_bytes())
}

fn door() -> Door {
    let now = Instant::now();
    Door { keeper: Doorkeeper::default(), began: now, now, next: 0 }
}

impl Door {
    fn arrive(&mut self, ip: IpAddr) -> (u64, Admission) {
        self.next += 1;
        (self.next, self.keeper.arrive(self.now, self.next, ip))
    }

    /// One who gets a seat.
    fn enter(&mut self, ip: IpAddr) -> u64 {
        let (id, admission) = self.arrive(ip);
        assert!(!matches!(admission, Admission::Closed(_)), "{admission:?}");
        id
    }

    fn crowd(&mut self, n: usize, ip: impl Fn(u32) -> IpAddr) -> Vec<u64> {
        (0..n as u32).map(|i| self.enter(ip(i))).collect()
    }

    /// One more, who pushes somebody out.
    fn push(&mut self, ip: IpAddr) -> u64 {
        match self.arrive(ip).1 {
            Admission::Instead(gone) => gone,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn misbehave(&mut self, ip: IpAddr) {
        let id = self.enter(ip);
        self.keeper.left(self.now, id, Parting::Misbehaved);
    }

    fn is_refused(&mut self, ip: IpAddr) -> bool {
        let (id, admission) = self.arrive(ip);
        self.keeper.left(self.now, id, Parting::Gone);
        matches!(admission, Admission::Closed(_))
    }

    /// How long a source of no good name is refused from now on.
    fn refusal(&mut self, ip: IpAddr) -> Duration {
        let before = self.now;
        while self.is_refused(ip) {
            self.pass(Duration::from_millis(50));
        }
        self.now - before
    }

    fn handshakes(&mut self, ids: &[u64]) -> usize {
        ids.iter().filter(|id| self.keeper.may_handshake(self.now, **id).is_ok()).count()
    }
}

#[test]
fn all_seats_together_are_fewer_than_the_interface_promises() {
    const { assert!(STRANGERS + RECOGNISED + MAX_QUESTIONS < 200) }
}

#[test]
fn addresses_of_one_home_are_one_source() {
    let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::"));
    assert_ne!(source("2001:db8:1:2::3"), source("2001:db8:1:3::3"));
    assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
}

#[test]
fn an_ipv4_address_in_an_ipv6_address_is_the_ipv4_address() {
    let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    assert_eq!(source("::ffff:127.0.0.1"), Source::Here);
    assert_eq!(source("::1"), source("127.9.9.9"));
}

#[test]
fn a_full_door_takes_a_newcomer_instead_of_the_oldest_silent_one() {
    let mut door = door();
    let crowd = door.crowd(STRANGERS, remote);
    door.keeper.spoke(crowd[0]);
    assert_eq!(door.push(remote(1000)), crowd[1]);
}

#[test]
fn a_flooder_pushes_out_only_itself() {
    let mut door = door();
    let honest = door.crowd(10, |i| remote(100 + i));
    let flood = door.crowd(1000, |_| remote(1));
    let there = |id: &u64| door.keeper.callers.contains_key(id);
    assert!(honest.iter().all(there));
    assert_eq!(flood.iter().filter(|id| there(id)).count(), OF_ONE_SOURCE);
}

#[test]
fn a_source_that_is_alone_may_have_the_whole_door() {
    let mut door = door();
    door.crowd(STRANGERS, |_| remote(1));
    assert_eq!(door.keeper.strangers(Source::from(remote(1))), (STRANGERS, STRANGERS));
}

#[test]
fn a_crowd_of_one_source_makes_room_for_another_source() {
    let mut door = door();
    let crowd = door.crowd(STRANGERS, |_| remote(1));
    assert_eq!(door.push(remote(2)), crowd[0]);
}

#[test]
fn two_of_one_home_are_not_pushed_out_by_a_flood_of_single_callers() {
    let mut door = door();
    let home = door.crowd(2, |_| remote(1));
    home.iter().for_each(|id| door.keeper.spoke(*id));
    door.crowd(10_000, |i| remote(100 + i));
    assert!(home.iter().all(|id| door.keeper.callers.contains_key(id)));
}

#[test]
fn a_newcomer_is_not_the_first_to_go_because_all_others_drip() {
    let mut door = door();
    let dripping = door.crowd(STRANGERS, remote);
    dripping.iter().for_each(|id| door.keeper.spoke(*id));
    let honest = door.enter(remote(1000));
    assert_eq!(door.push(remote(1001)), dripping[1]);
    assert!(door.keeper.callers.contains_key(&honest));
}

#[test]
fn fault_77_whoever_is_in_a_handshake_stays_through_ten_thousand_silent_and_dripping_ones() {
    for dripping in [false, true] {
        let mut door = door();
        let honest = door.enter(remote(1));
        assert!(door.keeper.may_handshake(door.now, honest).is_ok());
        for i in 0..10_000 {
            let id = door.enter(remote(100 + i));
            if dripping {
                door.keeper.spoke(id);
            }
        }
        assert!(door.keeper.callers.contains_key(&honest));
    }
}

#[test]
fn on_this_machine_a_quick_caller_gets_through_a_flood_from_the_same_address() {
    let mut door = door();
    let here = IpAddr::from([127, 0, 0, 1]);
    let flood = door.crowd(5_000, |_| here);
    flood.iter().for_each(|id| door.keeper.spoke(*id));
    let honest = door.enter(here);
    door.crowd(STRANGERS / 8, |_| here);
    assert!(door.keeper.may_handshake(door.now, honest).is_ok(), "it has not been pushed out before");
    door.crowd(5_000, |_| here);
    assert!(door.keeper.recognised(honest));
}

#[test]
fn a_recognised_caller_is_never_pushed_out_and_its_seat_is_free_for_others() {
    let mut door = door();
    let known = door.enter(remote(1));
    assert!(door.keeper.recognised(known));
    door.crowd(STRANGERS, |_| remote(1));
    door.push(remote(1));
    assert!(door.keeper.callers.contains_key(&known));
}

#[test]
fn more_recognised_callers_than_seats_stay_strangers() {
    let mut door = door();
    let crowd = door.crowd(RECOGNISED + 1, remote);
    let seated: Vec<bool> = crowd.iter().map(|id| door.keeper.recognised(*id)).collect();
    assert_eq!(seated.iter().filter(|seated| **seated).count(), RECOGNISED);
    door.keeper.left(door.now, crowd[0], Parting::LetIn);
    assert!(door.keeper.recognised(crowd[RECOGNISED]));
}

#[test]
fn questions_have_seats_of_their_own_and_one_source_gets_half_of_them() {
    let mut door = door();
    let nagging = door.crowd(MAX_QUESTIONS, |_| remote(1));
    assert_eq!(nagging.iter().filter(|id| door.keeper.asked(**id)).count(), QUESTIONS_OF_ONE_SOURCE);
    let others = door.crowd(MAX_QUESTIONS, |i| remote(2 + i));
    assert_eq!(others.iter().filter(|id| door.keeper.asked(**id)).count(), MAX_QUESTIONS - QUESTIONS_OF_ONE_SOURCE);
    assert!(door.keeper.asked(nagging[0]), "who sits there already");
}

#[test]
fn on_this_machine_all_questions_may_be_from_one_address() {
    let mut door = door();
    let crowd = door.crowd(MAX_QUESTIONS + 1, |_| IpAddr::from([127, 0, 0, 1]));
    assert_eq!(crowd.iter().filter(|id| door.keeper.asked(**id)).count(), MAX_QUESTIONS);
}

#[test]
fn handshakes_begin_in_a_burst_and_then_at_their_pace() {
    let mut door = door();
    let crowd = door.crowd(STRANGERS, remote);
    assert_eq!(door.handshakes(&crowd), BURST as usize);
    assert_eq!(door.keeper.deadline(), Some(door.now + TOKEN));
    door.pass(TOKEN * 10);
    assert_eq!(door.handshakes(&crowd[BURST as usize..]), 10);
}

#[test]
fn a_handshake_that_has_begun_costs_nothing_more() {
    let mut door = door();
    let id = door.enter(remote(1));
    let asked = (0..10 * BURST).all(|_| door.keeper.may_handshake(door.now, id).is_ok());
    assert!(asked && door.handshakes(&[id]) == 1 && door.keeper.deadline().is_none());
}

#[test]
fn who_waits_for_a_handshake_is_served_in_the_order_of_arrival() {
    let mut door = door();
    let crowd = door.crowd(STRANGERS, remote);
    door.handshakes(&crowd);
    door.pass(TOKEN);
    let (first, rest) = crowd[BURST as usize..].split_first().unwrap();
    assert_eq!((door.handshakes(rest), door.handshakes(&[*first])), (0, 1));
}

#[test]
fn whoever_asks_when_told_to_gets_a_handshake() {
    let mut door = door();
    let crowd = door.crowd(STRANGERS, |i| remote(i % 3));
    door.handshakes(&crowd);
    for _ in 0..10 * STRANGERS {
        let Some(deadline) = door.keeper.deadline() else { break };
        assert!(deadline > door.now, "it would be asked without end");
        door.now = deadline;
        door.handshakes(&crowd);
    }
    assert_eq!(door.handshakes(&crowd), STRANGERS);
}

#[test]
fn a_source_with_many_handshakes_leaves_some_to_others() {
    let mut door = door();
    let greedy = door.crowd(OF_ONE_SOURCE, |_| remote(1));
    assert_eq!(door.handshakes(&greedy), (BURST - RESERVE) as usize);
    let honest = door.enter(remote(2));
    assert!(door.keeper.may_handshake(door.now, honest).is_ok());
}

#[test]
fn the_sources_that_had_handshakes_lately_are_forgotten_again() {
    let mut door = door();
    for i in 0..10_000 {
        let id = door.enter(remote(i));
        let _ = door.keeper.may_handshake(door.now, id);
        door.pass(TOKEN);
        assert!(door.keeper.budget.lately.len() <= (HANDSHAKES + BURST) as usize);
    }
}

#[test]
fn a_misdeed_closes_the_door_for_a_moment_and_each_further_one_for_twice_as_long() {
    let mut door = door();
    let mut last = FIRST_PENALTY;
    door.misbehave(remote(1));
    assert_eq!(door.refusal(remote(1)), last);
    for _ in 0..20 {
        door.misbehave(remote(1));
        last = (last * 2).min(LONGEST_PENALTY);
        assert_eq!(door.refusal(remote(1)), last);
        assert!(!door.is_refused(remote(2)));
    }
    assert_eq!(last, LONGEST_PENALTY);
}

#[test]
fn a_quiet_minute_halves_the_penalty() {
    let mut door = door();
    for _ in 0..4 {
        door.misbehave(remote(1));
        door.refusal(remote(1));
    }
    door.pass(2 * QUIET);
    door.misbehave(remote(1));
    assert_eq!(door.refusal(remote(1)), FIRST_PENALTY * 8 / 4 * 2);
    door.pass(Duration::from_secs(86_400));
    door.misbehave(remote(1));
    assert_eq!(door.refusal(remote(1)), FIRST_PENALTY);
}

#[test]
fn callers_that_fail_together_are_one_misdeed() {
    let mut door = door();
    let crowd = door.crowd(50, |_| remote(1));
    crowd.iter().for_each(|id| door.keeper.left(door.now, *id, Parting::Misbehaved));
    assert_eq!(door.refusal(remote(1)), FIRST_PENALTY);
}

#[test]
fn hanging_up_is_no_misdeed_and_being_let_in_redeems() {
    let mut door = door();
    let id = door.enter(remote(1));
    door.keeper.left(door.now, id, Parting::Gone);
    assert!(!door.is_refused(remote(1)));
    let honest = door.enter(remote(1));
    door.misbehave(remote(1));
    door.keeper.left(door.now, honest, Parting::LetIn);
    assert!(!door.is_refused(remote(1)));
}

#[test]
fn this_machine_has_no_penalties() {
    let mut door = door();
    let here = IpAddr::from([127, 0, 0, 1]);
    door.misbehave(here);
    assert!(!door.is_refused(here));
}

#[test]
fn of_too_many_penalties_the_one_that_is_over_for_longest_is_forgotten() {
    let mut door = door();
    for i in 0..10 * REMEMBERED as u32 {
        door.misbehave(remote(i));
        door.pass(Duration::from_micros(10));
    }
    assert_eq!(door.keeper.penalties.len(), REMEMBERED);
    assert!(!door.is_refused(remote(0)));
    assert!(door.is_refused(remote(10 * REMEMBERED as u32 - 1)));
}

#[test]
fn whoever_has_no_seat_changes_nothing() {
    let mut door = door();
    door.keeper.spoke(7);
    assert_eq!(door.keeper.may_handshake(door.now, 7), Ok(()));
    assert!(!door.keeper.recognised(7) && !door.keeper.asked(7));
    door.keeper.left(door.now, 7, Parting::Misbehaved);
    assert!(door.keeper.callers.is_empty() && door.keeper.penalties.is_empty());
}

/// What a crowd does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Arrive(u32),
    Speak(usize),
    Shake(usize),
    Prove(usize),
    Ask(usize),
    Leave(usize, Parting),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let parting = prop_oneof![Just(Parting::LetIn), Just(Parting::Gone), Just(Parting::Misbehaved)];
    let who = 0..2 * STRANGERS;
    prop_oneof![
        12 => prop_oneof![Just(0), Just(1), 0..8u32, 0..5000u32].prop_map(Act::Arrive),
        4 => who.clone().prop_map(Act::Speak),
        6 => who.clone().prop_map(Act::Shake),
        1 => who.clone().prop_map(Act::Prove),
        1 => who.clone().prop_map(Act::Ask),
        2 => (who, parting).prop_map(|(who, how)| Act::Leave(who, how)),
        2 => (0..20_000u64).prop_map(Act::Pass),
    ]
}

/// The sources of a flood: one of them is this machine.
fn of_flood(n: u32) -> IpAddr {
    if n == 0 { IpAddr::from([127, 0, 0, 1]) } else { remote(n) }
}

impl Door {
    /// Whoever is the `n`th at the door.
    fn nth(&self, n: usize) -> u64 {
        self.keeper.callers.keys().nth(n % self.keeper.callers.len().max(1)).copied().unwrap_or_default()
    }

    /// One act; whether it was a handshake.
    fn act(&mut self, act: Act) -> bool {
        match act {
            Act::Arrive(n) => {
                let before: Vec<u64> = self.keeper.callers.keys().copied().collect();
                let (_, admission) = self.arrive(of_flood(n));
                if let Admission::Instead(gone) = admission {
                    assert!(before.contains(&gone), "who was pushed out was at the door");
                }
            }
            Act::Speak(n) => self.keeper.spoke(self.nth(n)),
            Act::Shake(n) => {
                let id = self.nth(n);
                let is_shaking = |door: &Self| {
                    door.keeper.callers.get(&id).is_some_and(|caller| caller.seat == Seat::Stranger(Stage::Shaking))
                };
                let before = is_shaking(self);
                let _ = self.keeper.may_handshake(self.now, id);
                return !before && is_shaking(self);
            }
            Act::Prove(n) => drop(self.keeper.recognised(self.nth(n))),
            Act::Ask(n) => drop(self.keeper.asked(self.nth(n))),
            Act::Leave(n, how) => self.keeper.left(self.now, self.nth(n), how),
            Act::Pass(micros) => self.pass(Duration::from_micros(micros)),
        }
        false
    }

    fn check(&self) {
        let callers = &self.keeper.callers;
        let seated = |seat: fn(&Seat) -> bool| callers.values().filter(|caller| seat(&caller.seat)).count();
        assert!(seated(|seat| matches!(seat, Seat::Stranger(_))) <= STRANGERS);
        assert!(seated(|seat| *seat == Seat::Recognised) <= RECOGNISED);
        assert!(seated(|seat| *seat == Seat::Asked) <= MAX_QUESTIONS);
        assert!(self.keeper.penalties.len() <= REMEMBERED);
        let waiting = |caller: &&Caller| caller.waits.is_some();
        assert!(callers.values().filter(waiting).all(|caller| caller.seat == Seat::Stranger(Stage::Spoke)));
        assert!(self.keeper.penalties.values().all(|penalty| penalty.until <= self.now + LONGEST_PENALTY));
    }
}

proptest! {
    #[test]
    fn no_flood_breaks_a_bound(acts in proptest::collection::vec(act(), 0..1500)) {
        let mut door = door();
        let mut shaken = 0_u128;
        for act in acts {
            shaken += u128::from(door.act(act));
            door.check();
            let refilled = (door.now - door.began).as_nanos() / TOKEN.as_nanos();
            prop_assert!(shaken <= u128::from(BURST) + refilled, "more handshakes than there were");
        }
    }

    /// The honest one needs three steps: it arrives, it sends its first record, it is recognised. The flood is from a
    /// source of its own, or from many that come no faster than 10,000 a second with every tenth a real handshake.
    #[test]
    fn an_honest_caller_gets_through_any_flood(
        before in proptest::collection::vec(act(), 0..600),
        during in proptest::collection::vec((0..3u8, any::<bool>()), 0..1500),
        trip in 0..150u64, one_source in any::<bool>(),
    ) {
        let mut door = door();
        for act in before {
            door.act(act);
        }
        let honest = door.enter(remote(9000));
        let began = door.now;
        let mut may = door.keeper.may_handshake(door.now, honest);
        for (at, (what, speaks)) in during.into_iter().enumerate() {
            door.pass(Duration::from_micros(100));
            if let Err(when) = may && door.now >= when {
                may = door.keeper.may_handshake(door.now, honest);
            }
            if may.is_ok() && door.now - began >= Duration::from_millis(trip) {
                break;
            }
            let ip = if one_source { remote(1) } else { remote(10_000 + at as u32) };
            let (id, _) = door.arrive(ip);
            if speaks { door.keeper.spoke(id) }
            if what == 0 && at % 10 == 0 { let _ = door.keeper.may_handshake(door.now, id); }
        }
        prop_assert!(door.keeper.callers.contains_key(&honest), "it was pushed out");
        prop_assert!(may.is_ok() || door.now - began < Duration::from_secs(1), "it waits for a handshake without end");
    }
}
