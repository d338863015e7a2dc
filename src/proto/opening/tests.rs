//! The gate of one link, seen from both sides of it.

use super::*;

const TICKET: SessionTicket = SessionTicket { id: [1; 16], secret: [2; 16] };

const LINK: Binding = Binding([7; 32]);

fn opening(ours: Hello) -> Opening {
    Opening::new(ours, LINK)
}

/// The leading side and the following one.
fn pair() -> (Opening, Opening) {
    (opening(Hello::new(Nonce([9; 16]))), opening(Hello::new(Nonce([3; 16]))))
}

/// Hands everything that `from` has to say to `to`, byte by byte; the last step that it led to.
fn pass(from: &mut Opening, to: &mut Opening) -> Step {
    let bytes = from.transmit().to_vec();
    from.sent(bytes.len());
    let steps = bytes.iter().map(|byte| {
        let (taken, step) = to.handle_bytes(&[*byte]).unwrap();
        assert_eq!(taken, 1);
        step
    });
    steps.fold(Step::Nothing, |last, step| if step == Step::Nothing { last } else { step })
}

/// Both have greeted each other, and the following side has welcomed the leading one.
fn greeted() -> (Opening, Opening) {
    let (mut lead, mut other) = pair();
    assert!(matches!(pass(&mut lead, &mut other), Step::Judge(hello) if hello.nonce == Nonce([9; 16])));
    assert_eq!(pass(&mut other, &mut lead), Step::Nothing);
    assert_eq!(other.welcome("bob", 5001, SessionTicket { id: [7; 16], secret: [7; 16] }), Step::Nothing);
    (lead, other)
}

#[test]
fn both_sides_open_the_session_that_the_greater_nonce_assigned() {
    let (mut lead, mut other) = greeted();
    assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
    let Step::Open(at_lead) = lead.welcome("anna", 0, TICKET) else { panic!("not open") };
    let Step::Open(at_other) = pass(&mut lead, &mut other) else { panic!("not open") };
    assert_eq!((at_lead.ticket, at_other.ticket), (TICKET, TICKET));
    assert_eq!((at_lead.lead, at_other.lead), (true, false));
    assert_eq!((at_lead.name, at_lead.port), (Untrusted::from("bob"), 5001));
    assert_eq!((at_other.name, at_other.port), (Untrusted::from("anna"), 0));
}

#[test]
fn the_leading_side_is_not_asked_before_the_other_wants_it() {
    let (mut lead, mut other) = pair();
    assert!(!lead.has_heard());
    assert_eq!(pass(&mut other, &mut lead), Step::Nothing);
    assert_eq!(lead.welcome("anna", 0, TICKET), Step::Nothing);
    assert!(lead.has_heard() && lead.leads() && lead.transmit().len() > PREAMBLE, "only its greeting");
}

#[test]
fn an_opening_is_closed_when_it_was_refused_and_not_before() {
    let (lead, mut other) = greeted();
    assert!(!lead.is_closed() && !other.is_closed());
    assert!(!lead.is_return() && !other.is_return(), "it is for a new conversation");
    other.refuse(Refusal::NotWanted, "no");
    assert!(other.is_closed());
}

#[test]
fn of_what_comes_with_a_greeting_only_the_greeting_is_taken_whatever_the_cut() {
    let hello = Hello::new(Nonce([9; 16]));
    let greeting = hello.encode();
    let bytes = [&greeting[..], b"more"].concat();
    for cut in 0..greeting.len() {
        let mut other = opening(Hello::new(Nonce([3; 16])));
        assert_eq!(other.handle_bytes(&bytes[..cut]), Ok((cut, Step::Nothing)));
        assert_eq!(other.handle_bytes(&bytes[cut..]), Ok((greeting.len() - cut, Step::Judge(hello))), "cut at {cut}");
    }
}

#[test]
fn an_opening_is_judged_while_it_is_ours_to_decide_and_may_join_until_that_is_said() {
    let (mut lead, mut other) = pair();
    let told = |opening: &Opening| (opening.is_being_judged(), opening.may_join());
    assert_eq!((told(&lead), lead.peer()), ((false, false), None));
    pass(&mut lead, &mut other);
    assert_eq!((told(&other), other.peer()), ((true, true), Some(Nonce([9; 16]))));
    pass(&mut other, &mut lead);
    assert_eq!(told(&lead), (false, false), "the other side speaks first");
    assert!(!other.is_welcoming());
    other.welcome("bob", 0, TICKET);
    assert_eq!(told(&other), (false, true));
    assert!(other.is_welcoming(), "it is let in, and waits");
    pass(&mut other, &mut lead);
    assert_eq!(told(&lead), (true, true));
    assert!(!lead.is_welcoming());
    lead.welcome("anna", 0, TICKET);
    assert_eq!(told(&lead), (false, false));
}

#[test]
fn a_text_before_welcome_is_an_error() {
    let (mut lead, mut other) = pair();
    pass(&mut lead, &mut other);
    let mut bytes = Vec::new();
    Frame::Text { seq: 1, text: Untrusted::from("early") }.encode(&mut bytes);
    assert!(matches!(other.handle_bytes(&bytes), Err(ProtocolError::Unexpected { frame: "TEXT", .. })));
}

#[test]
fn whoever_goes_on_and_on_without_a_welcome_is_closed() {
    let (mut lead, mut other) = pair();
    pass(&mut other, &mut lead);
    let skipped = [&[0, 0, 0x10, 0, 0xff][..], &[0; 0x1000]].concat();
    let error = (0..100).find_map(|_| lead.handle_bytes(&skipped).err());
    assert_eq!(error, Some(ProtocolError::Flood));
    assert_eq!(lead.taken, MAX_OPENING, "not a byte more");
}

#[test]
fn a_second_wait_is_an_error() {
    let (mut lead, mut other) = pair();
    pass(&mut other, &mut lead);
    let mut wait = Vec::new();
    Frame::Wait.encode(&mut wait);
    assert!(!lead.was_asked_about());
    assert_eq!(lead.handle_bytes(&wait), Ok((wait.len(), Step::AskedAbout)));
    assert!(lead.was_asked_about() && !lead.is_question(), "a person of theirs, not of ours");
    assert!(matches!(lead.handle_bytes(&wait), Err(ProtocolError::Unexpected { frame: "WAIT", .. })));
}

#[test]
fn a_second_welcome_is_an_error() {
    let (mut lead, other) = greeted();
    let bytes = other.transmit().to_vec();
    lead.handle_bytes(&bytes).unwrap();
    assert!(matches!(lead.handle_bytes(&bytes), Err(ProtocolError::Unexpected { frame: "WELCOME", .. })));
}

#[test]
fn the_following_side_cannot_assign() {
    let (mut lead, mut other) = pair();
    pass(&mut other, &mut lead);
    let mut bytes = Vec::new();
    Frame::Welcome(Welcome { assigned: Assigned::Session(TICKET), port: 0, name: Untrusted::from("x") })
        .encode(&mut bytes);
    assert!(matches!(lead.handle_bytes(&bytes), Err(ProtocolError::Malformed { frame: "WELCOME", .. })));
}

#[test]
fn the_leading_side_has_to_assign() {
    let (_, mut other) = greeted();
    let mut bytes = Vec::new();
    Frame::Welcome(Welcome { assigned: Assigned::Nothing, port: 0, name: Untrusted::from("x") }).encode(&mut bytes);
    let malformed = ProtocolError::Malformed { frame: "WELCOME", what: "no session is assigned" };
    assert_eq!(other.handle_bytes(&bytes), Err(malformed));
}

#[test]
fn both_ends_know_a_call_for_a_conversation_that_lost_its_link() {
    let nonce = Nonce([9; 16]);
    let claim = Claim::new(&TICKET, 2, nonce, &LINK);
    let mut caller = opening(Hello { purpose: Purpose::Return(claim), ..Hello::new(nonce) });
    let mut called = opening(Hello::new(Nonce([3; 16])));
    assert!(caller.is_return() && !called.is_return());
    pass(&mut caller, &mut called);
    assert!(called.is_return());
    assert_eq!((caller.our_call(), called.our_call(), called.their_claim()), (Some(claim), None, Some(claim)));
}

/// A call for files by the side with this nonce, and the one who is called.
fn call(caller: u8, called: u8) -> (Opening, Opening) {
    let nonce = Nonce([caller; 16]);
    let claim = Claim::new(&TICKET, 2, nonce, &LINK);
    let hello = Hello { purpose: Purpose::Bulk(claim), ..Hello::new(nonce) };
    (opening(hello), opening(Hello::new(Nonce([called; 16]))))
}

#[test]
fn a_call_for_files_is_joined_whoever_of_the_two_leads() {
    for (caller, called) in [(9, 3), (3, 9)] {
        let (mut caller, mut called) = call(caller, called);
        let at_called = pass(&mut caller, &mut called);
        let at_caller = pass(&mut called, &mut caller);
        assert!(called.their_claim().is_some_and(|claim| claim.is_right(&TICKET, caller.ours.nonce, &LINK)));
        if matches!(at_called, Step::Judge(_)) {
            // The called side follows: it has seen a claim already, and speaks first.
            assert_eq!(called.join(&TICKET, 2), Ok(Step::Nothing));
            assert!(matches!(pass(&mut called, &mut caller), Step::Judge(_)));
            assert_eq!(caller.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
            assert_eq!(pass(&mut caller, &mut called), Step::Joined { epoch: 2 });
        } else {
            assert!(matches!(at_caller, Step::Judge(_)));
            assert_eq!(caller.join(&TICKET, 2), Ok(Step::Nothing));
            assert!(matches!(pass(&mut caller, &mut called), Step::Judge(_)));
            assert_eq!(called.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
            assert_eq!(pass(&mut called, &mut caller), Step::Joined { epoch: 2 });
        }
    }
}

#[test]
fn the_second_of_two_calls_becomes_the_link_for_files_whoever_made_it() {
    for lead_called in [true, false] {
        let (mut lead, mut other) = greeted();
        assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
        // By now the other link carries the session. Who has made this call makes the first claim.
        let (first, second) = if lead_called { (&mut lead, &mut other) } else { (&mut other, &mut lead) };
        assert_eq!(first.join(&TICKET, 2), Ok(Step::Nothing));
        assert!(matches!(pass(first, second), Step::Judge(_)));
        assert_eq!(second.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
        assert_eq!(pass(second, first), Step::Joined { epoch: 2 });
    }
}

#[test]
fn who_was_only_nodded_at_gets_no_session() {
    let (mut lead, mut other) = pair();
    pass(&mut lead, &mut other);
    other.nod();
    let mut bytes = Vec::new();
    let session = Welcome { assigned: Assigned::Session(TICKET), port: 0, name: Untrusted::from("mallory") };
    Frame::Welcome(session).encode(&mut bytes);
    assert!(matches!(other.handle_bytes(&bytes), Err(ProtocolError::Malformed { frame: "WELCOME", .. })));
}

#[test]
fn who_both_hold_a_code_prove_it_before_anything_else() {
    let hello = |nonce| Hello { has_code: true, ..Hello::new(Nonce([nonce; 16])) };
    let (mut lead, mut other) = (opening(hello(9)), opening(hello(3)));
    assert_eq!(pass(&mut lead, &mut other), Step::Prove);
    assert_eq!(pass(&mut other, &mut lead), Step::Prove);
    lead.pair(vec![1, 2]);
    assert_eq!(pass(&mut lead, &mut other), Step::Pair(vec![1, 2]));
    other.pair(vec![3]);
    assert!(matches!(other.paired(), Step::Judge(_)));
    assert_eq!(pass(&mut other, &mut lead), Step::Pair(vec![3]));
    assert_eq!(lead.paired(), Step::Nothing, "the other side speaks first");
    other.welcome("bob", 0, TICKET);
    assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
    other.pair(vec![4]);
    let bytes = other.transmit().to_vec();
    assert!(lead.handle_bytes(&bytes).is_err(), "a proof after the proof");
}

#[test]
fn nothing_but_the_proof_is_taken_before_it_is_over() {
    let hello = |nonce| Hello { has_code: true, ..Hello::new(Nonce([nonce; 16])) };
    for frame in [Frame::Wait, Frame::Ping { token: 1 }] {
        let (mut lead, mut other) = (opening(hello(9)), opening(hello(3)));
        pass(&mut other, &mut lead);
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert!(lead.handle_bytes(&bytes).is_err());
        pass(&mut lead, &mut other);
        other.refuse(Refusal::WrongCode, "not that one");
        assert!(matches!(pass(&mut other, &mut lead), Step::Refused { reason: Some(Refusal::WrongCode), .. }));
    }
}

#[test]
fn a_code_on_one_side_alone_changes_nothing() {
    let hello = Hello { has_code: true, ..Hello::new(Nonce([9; 16])) };
    let (mut lead, mut other) = (opening(hello), opening(Hello::new(Nonce([3; 16]))));
    assert!(matches!(pass(&mut lead, &mut other), Step::Judge(hello) if hello.has_code));
    assert_eq!(pass(&mut other, &mut lead), Step::Nothing);
}

#[test]
fn who_makes_a_claim_is_not_welcomed_to_a_new_conversation() {
    // The following side's user has said yes, and the other one answers with a claim.
    let (mut lead, mut other) = pair();
    pass(&mut lead, &mut other);
    other.wait();
    assert!(other.is_question());
    assert_eq!(other.welcome("bob", 0, TICKET), Step::Nothing);
    pass(&mut other, &mut lead);
    lead.join(&TICKET, 2).unwrap();
    assert!(matches!(pass(&mut lead, &mut other), Step::Judge(_)));
    assert!(!other.is_question() && other.is_being_judged());
    assert_eq!(other.welcome("bob", 0, TICKET), Step::Nothing);
    assert_eq!(other.transmit(), b"", "the wrong side would assign");
    // And when the leading side is asked about a claim.
    let (mut lead, mut other) = pair();
    pass(&mut lead, &mut other);
    pass(&mut other, &mut lead);
    other.join(&TICKET, 2).unwrap();
    assert!(matches!(pass(&mut other, &mut lead), Step::Judge(_)));
    assert_eq!(lead.welcome("anna", 0, TICKET), Step::Nothing);
    assert_eq!(lead.join(&TICKET, 2), Ok(Step::Joined { epoch: 2 }));
}

#[test]
fn a_wrong_claim_closes_the_link() {
    for wrong in [SessionTicket { secret: [0; 16], ..TICKET }, SessionTicket { id: [0; 16], ..TICKET }] {
        let (mut lead, mut other) = greeted();
        pass(&mut other, &mut lead);
        lead.join(&TICKET, 2).unwrap();
        assert!(matches!(pass(&mut lead, &mut other), Step::Judge(_)));
        assert!(other.join(&wrong, 2).is_err(), "the claim that came is not of this session");
        let bytes = other.transmit().to_vec();
        assert!(lead.handle_bytes(&bytes).is_err(), "nor is the one that went back");
    }
}

#[test]
fn a_claim_to_another_link_of_the_session_closes_the_link() {
    let (mut lead, mut other) = greeted();
    pass(&mut other, &mut lead);
    lead.join(&TICKET, 2).unwrap();
    pass(&mut lead, &mut other);
    let malformed = ProtocolError::Malformed { frame: "WELCOME", what: "a claim that is not right" };
    assert_eq!(other.join(&TICKET, 3), Err(malformed));
}

#[test]
fn a_refusal_reaches_the_caller_with_its_words() {
    let (mut lead, mut other) = greeted();
    pass(&mut other, &mut lead);
    lead.refuse(Refusal::Busy, "talking to somebody else");
    let Step::Refused { reason, words } = pass(&mut lead, &mut other) else { panic!("not refused") };
    assert_eq!((reason, words), (Some(Refusal::Busy), Untrusted::from("talking to somebody else")));
}

#[test]
fn bytes_behind_welcome_are_left_for_the_session() {
    let (mut lead, mut other) = greeted();
    pass(&mut other, &mut lead);
    lead.welcome("anna", 0, TICKET);
    let mut bytes = lead.transmit().to_vec();
    let length = bytes.len();
    bytes.extend_from_slice(b"session");
    let (taken, step) = other.handle_bytes(&bytes).unwrap();
    assert_eq!(taken, length);
    assert!(matches!(step, Step::Open(_)));
}
