//! Who is let in.
//!
//! Owns: the rule. Must not know: sockets, how a key is proved, how a person is asked.
//!
//! | who | let in |
//! | --- | --- |
//! | our own key, in another process | yes |
//! | a saved key, one that was given with the address, one that has proved our one-time code | yes |
//! | a new key, of somebody whom we call and who calls us | yes, unless only saved keys are wanted |
//! | any other new key | if our user says so, now or beforehand |
//! | the very same process; anybody during a conversation but our partner | no |
//!
//! On a plain link nothing is proved: there whoever is called was wanted, so is a caller from the address that is being
//! called, and who comes over loopback is on this machine already, which does unless only saved keys are wanted.

use std::net::IpAddr;

use crate::proto::claim::{Binding, Claim};
use crate::proto::frame::{Refusal, SessionTicket};
use crate::proto::hello::{Hello, Nonce, Purpose};
use crate::secure::key::PublicKey;

use super::standing::Standing;

/// Callers about whom a person is being asked at once.
pub const MAX_QUESTIONS: usize = 4;

/// How far a claim's epoch may be ahead of those that we know: calls of the other side that never got through to us, two
/// each few seconds for a year. A greater step would use up the numbers.
const MAX_JUMP: u32 = 1 << 24;

/// Which of those may come in whose key is new, or who have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody.
    Known,
    /// Who calls while we call them; nobody can be asked about others.
    Mutual,
    /// The same, and whom our user wants.
    Ask,
    /// Everybody.
    New,
}

/// What is known about a link at the gate.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// What it said.
    pub hello: Hello,
    /// Where it is.
    pub ip: IpAddr,
    /// Whether our user called it.
    pub dialled: bool,
    /// Whether our user is calling its address, so that it could be whom we call.
    pub being_dialled: bool,
    /// Why it is believed.
    pub standing: Standing,
    /// Its key.
    pub key: Option<PublicKey>,
    /// What proofs on its link are bound to.
    pub binding: Binding,
    /// Whether the same key has called us and was called by us.
    pub mutual: bool,
    /// Whether that may still come.
    pub may_be_mutual: bool,
    /// That it belongs to a conversation, as it says.
    pub claim: Option<Claim>,
    /// Which link of the conversation we called it for, if for one.
    pub our_call: Option<u32>,
    /// Whether we speak last.
    pub leads: bool,
}

/// The conversation that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Talking {
    /// With whom.
    pub peer: Nonce,
    /// With which key.
    pub key: Option<PublicKey>,
    /// What proves that a link belongs to it.
    pub ticket: SessionTicket,
    /// The greatest epoch of its links so far.
    pub epoch: u32,
    /// Whether it has a link for files.
    pub has_bulk: bool,
    /// Where the partner was.
    pub ip: IpAddr,
    /// Whether it is out of reach.
    pub is_away: bool,
    /// Whether it owes us an answer, and has said nothing for a while.
    pub is_silent: bool,
}

/// What we are doing.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Our own nonce.
    pub nonce: Nonce,
    /// What goes on already.
    pub talking: Option<Talking>,
    /// The rule for strangers.
    pub trust: Trust,
    /// Whether whom we call was to prove itself by our one-time code.
    pub wants_code: bool,
    /// The key that whom we are calling has to have.
    pub expected: Option<PublicKey>,
    /// Whether it is still being looked up which key that is.
    pub is_unsure: bool,
    /// Whether something is ready for whom we call, or are about to, and for no other caller.
    pub only_callee: bool,
    /// Callers about whom our user is being asked.
    pub questions: usize,
}

/// What becomes of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Welcome,
    /// It becomes a link of the conversation that goes on, with this epoch.
    Join(u32),
    /// It may go on, and has to prove who it is; nothing is told to it yet.
    Nod,
    /// Nothing yet: it has to prove something first, or the conversation that it speaks of has to begin.
    Later,
    /// It is our partner, who has begun anew: what has gone on with it is over, and then it is judged.
    Anew,
    /// Nothing yet: a call the other way, of the same two, may be on its way.
    Meet,
    /// Our user decides.
    Ask,
    /// Not let in.
    Refuse(Refusal),
}

/// Judges a caller.
pub fn judge(caller: &Caller, host: &Host) -> Verdict {
    if caller.hello.nonce == host.nonce {
        return Verdict::Refuse(Refusal::Yourself);
    }
    match (caller.hello.purpose, &host.talking) {
        (Purpose::Unknown(_), _) => return Verdict::Refuse(Refusal::Purpose),
        (_, Some(talking)) if talking.peer == caller.hello.nonce && talking.key == caller.key => {
            return judge_second(caller, talking);
        }
        (Purpose::Bulk(_) | Purpose::Return(_), _) => return Verdict::Refuse(Refusal::NoSession),
        // Somebody else answered where our partner was.
        (Purpose::Talk, _) if caller.our_call.is_some() => return Verdict::Refuse(Refusal::NoSession),
        (Purpose::Talk, Some(talking)) if has_begun_anew(caller, talking) => return Verdict::Anew,
        (Purpose::Talk, Some(_)) => return Verdict::Refuse(Refusal::Busy),
        // The second of two calls has overtaken the first.
        (Purpose::Talk, None) if caller.claim.is_some() => return Verdict::Later,
        (Purpose::Talk, None) => {}
    }
    let is_callee = caller.dialled || host.expected.is_none_or(|key| caller.key == Some(key));
    // What is ready for one is given to no other who happens to call meanwhile.
    if !is_callee {
        return Verdict::Refuse(Refusal::Busy);
    }
    // In plain there is nothing to prove but where a caller is.
    let is_there = caller.standing == Standing::Plain && caller.being_dialled;
    let proved = is_there || matches!(caller.standing, Standing::Pinned | Standing::Code);
    let is_other = !caller.dialled && !proved && !caller.mutual;
    if host.only_callee && is_other {
        return if caller.may_be_mutual { Verdict::Meet } else { Verdict::Refuse(Refusal::Busy) };
    }
    if host.is_unsure && is_other && caller.key.is_some() && caller.may_be_mutual {
        return Verdict::Meet;
    }
    match caller.standing {
        Standing::Own | Standing::Known | Standing::Pinned | Standing::Code => Verdict::Welcome,
        Standing::New => judge_new(caller, host),
        Standing::Plain if caller.dialled || caller.being_dialled => Verdict::Welcome,
        Standing::Plain if caller.ip.is_loopback() && host.trust != Trust::Known => Verdict::Welcome,
        Standing::Plain => judge_stranger(host),
    }
}

/// Whether somebody else at first sight is the partner whom we have lost: its process has died and was started again.
/// Another process of ours with the same key may say so too, and a plain caller from the same address; but nobody else.
/// From another address, and with another key than ours, silence is enough: it has moved, and the system may not notice
/// for minutes that a link is dead. At the same one it may only have been stopped; of a dead one its system tells, in time.
fn has_begun_anew(caller: &Caller, talking: &Talking) -> bool {
    let is_there = talking.ip == caller.ip;
    let is_same = talking.key == caller.key && (talking.key.is_some() || is_there);
    let has_moved = !is_there && caller.standing != Standing::Own;
    is_same && !caller.dialled && (talking.is_away || (talking.is_silent && has_moved))
}

/// Judges somebody whose key is new.
fn judge_new(caller: &Caller, host: &Host) -> Verdict {
    if caller.dialled && host.wants_code {
        return Verdict::Refuse(Refusal::NoCode);
    }
    match host.trust {
        // Whoever sits where we call can call us too: that proves nothing where a code was wanted.
        _ if host.wants_code => judge_stranger(host),
        Trust::Mutual | Trust::Ask if caller.mutual => Verdict::Welcome,
        Trust::Mutual | Trust::Ask if caller.may_be_mutual => Verdict::Meet,
        _ => judge_stranger(host),
    }
}

/// Judges somebody for whom nothing speaks.
fn judge_stranger(host: &Host) -> Verdict {
    match host.trust {
        Trust::New => Verdict::Welcome,
        Trust::Ask if host.questions < MAX_QUESTIONS => Verdict::Ask,
        Trust::Ask | Trust::Mutual | Trust::Known => Verdict::Refuse(Refusal::NotWanted),
    }
}

/// Judges a second link of the two who talk. Who has called makes the first claim, so that whoever merely says to be
/// our partner, and calls us, is given none.
fn judge_second(caller: &Caller, talking: &Talking) -> Verdict {
    match (caller.claim, caller.our_call) {
        (Some(claim), _) if !claim.is_right(&talking.ticket, talking.peer, &caller.binding) => {
            Verdict::Refuse(Refusal::NoSession)
        }
        // Calls of both have crossed, and the later one came first.
        (_, Some(epoch)) if epoch <= talking.epoch => Verdict::Refuse(Refusal::Surplus),
        (Some(claim), None) if claim.epoch <= talking.epoch => Verdict::Refuse(Refusal::Surplus),
        (Some(claim), Some(epoch)) if claim.epoch == epoch => Verdict::Join(epoch),
        // A greater epoch replaces the link that there is: who calls has lost it.
        (Some(claim), None) if claim.epoch - talking.epoch <= MAX_JUMP => Verdict::Join(claim.epoch),
        (Some(_), _) => Verdict::Refuse(Refusal::NoSession),
        (None, Some(epoch)) => Verdict::Join(epoch),
        // It knows nothing of the conversation, of which it has lost the first word: else it would return.
        (None, None) if talking.is_away && has_begun_anew(caller, talking) => Verdict::Anew,
        (None, None) if talking.has_bulk => Verdict::Refuse(Refusal::Surplus),
        (None, None) if caller.dialled => Verdict::Join(talking.epoch.saturating_add(1)),
        (None, None) if caller.leads => Verdict::Later,
        (None, None) => Verdict::Nod,
    }
}

/// The words for a refusal, for both sides.
pub fn words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Busy => "talking to somebody else",
        Refusal::Surplus => "already talking to you",
        Refusal::Yourself => "that is you",
        Refusal::NotWanted => "strangers are not let in",
        Refusal::Purpose => "this version does not know what that link is for",
        Refusal::NoSession => "no such conversation goes on here",
        Refusal::WrongCode => "the code is not right",
        Refusal::NoCode => "there is no code on the other side, or it is used up",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Nonce = Nonce([1; 16]);
    const THEIRS: Nonce = Nonce([2; 16]);
    const TICKET: SessionTicket = SessionTicket { id: [3; 16], secret: [4; 16] };
    const KEY: PublicKey = PublicKey::new([5; 32]);

    fn stranger() -> Caller {
        let ip = IpAddr::from([192, 0, 2, 7]);
        let hello = Hello::new(THEIRS);
        Caller {
            hello,
            ip,
            dialled: false,
            being_dialled: false,
            standing: Standing::Plain,
            key: None,
            binding: Binding::NONE,
            mutual: false,
            may_be_mutual: false,
            claim: None,
            our_call: None,
            leads: false,
        }
    }

    /// The same, calling for files of the conversation.
    fn caller_for_files(claim: Claim) -> Caller {
        let hello = Hello { purpose: Purpose::Bulk(claim), ..Hello::new(THEIRS) };
        Caller { hello, claim: Some(claim), ..stranger() }
    }

    fn host(trust: Trust) -> Host {
        Host {
            nonce: OURS,
            talking: None,
            trust,
            wants_code: false,
            expected: None,
            is_unsure: false,
            only_callee: false,
            questions: 0,
        }
    }

    fn right_claim(epoch: u32) -> Claim {
        Claim::new(&TICKET, epoch, THEIRS, &Binding::NONE)
    }

    fn talking(peer: Nonce) -> Host {
        let ip = stranger().ip;
        let talking = Talking {
            peer,
            key: None,
            ticket: TICKET,
            epoch: 1,
            has_bulk: false,
            ip,
            is_away: false,
            is_silent: false,
        };
        Host { talking: Some(talking), ..host(Trust::New) }
    }

    fn talking_with_bulk(peer: Nonce) -> Host {
        let ip = stranger().ip;
        let talking =
            Talking { peer, key: None, ticket: TICKET, epoch: 2, has_bulk: true, ip, is_away: false, is_silent: false };
        Host { talking: Some(talking), ..host(Trust::New) }
    }

    #[test]
    fn only_a_partner_who_is_away_may_begin_anew() {
        let old = Nonce([9; 16]);
        let with = |key: Option<PublicKey>, is_away: bool| {
            let host = talking(old);
            Host { talking: host.talking.map(|talking| Talking { key, is_away, ..talking }), ..host }
        };
        let (hers, another) = (Some(PublicKey::new([1; 32])), Some(PublicKey::new([2; 32])));
        let calling = |key| Caller { key, ..stranger() };
        let busy = Verdict::Refuse(Refusal::Busy);
        assert_eq!(judge(&calling(hers), &with(hers, true)), Verdict::Anew);
        assert_eq!(judge(&calling(hers), &with(hers, false)), busy);
        assert_eq!(judge(&calling(another), &with(hers, true)), busy);
        assert_eq!(judge(&calling(None), &with(hers, true)), busy);
        assert_eq!(judge(&calling(hers), &with(None, true)), busy);
        assert_eq!(judge(&calling(None), &with(None, true)), Verdict::Anew);
        let elsewhere = Caller { ip: IpAddr::from([10, 9, 8, 7]), ..stranger() };
        assert_eq!(judge(&elsewhere, &with(None, true)), busy);
    }

    #[test]
    fn a_silent_partner_may_begin_anew_elsewhere() {
        let (old, moved) = (talking(Nonce([9; 16])), Caller { ip: [10, 9, 8, 7].into(), ..stranger() });
        let known = Caller { key: Some(KEY), ..moved };
        let (ours, stopped) = (Caller { standing: Standing::Own, ..known }, Caller { ip: stranger().ip, ..known });
        for (caller, expected) in [(known, true), (ours, false), (stopped, false), (moved, false)] {
            let silent = old.talking.map(|talking| Talking { key: caller.key, is_silent: true, ..talking });
            assert_eq!(judge(&caller, &Host { talking: silent, ..old }) == Verdict::Anew, expected, "{caller:?}");
        }
    }

    #[test]
    fn who_knows_nothing_of_the_conversation_that_is_away_begins_anew_though_it_is_the_same_process() {
        let host = talking(THEIRS);
        let host = Host { talking: host.talking.map(|talking| Talking { is_away: true, ..talking }), ..host };
        for leads in [false, true] {
            assert_eq!(judge(&Caller { leads, ..stranger() }, &host), Verdict::Anew);
        }
        assert_eq!(judge(&Caller { ip: [10, 9, 8, 7].into(), ..stranger() }, &host), Verdict::Nod, "no secret");
        assert_eq!(judge(&Caller { dialled: true, ..stranger() }, &host), Verdict::Join(2), "we have called it");
        assert_eq!(judge(&Caller { claim: Some(right_claim(2)), ..stranger() }, &host), Verdict::Join(2));
    }

    #[test]
    fn the_very_same_process_is_refused() {
        let caller = Caller { hello: Hello::new(OURS), dialled: true, ..stranger() };
        assert_eq!(judge(&caller, &host(Trust::New)), Verdict::Refuse(Refusal::Yourself));
    }

    #[test]
    fn a_stranger_is_judged_by_the_rule() {
        assert_eq!(judge(&stranger(), &host(Trust::Known)), Verdict::Refuse(Refusal::NotWanted));
        assert_eq!(judge(&stranger(), &host(Trust::Ask)), Verdict::Ask);
        assert_eq!(judge(&stranger(), &host(Trust::New)), Verdict::Welcome);
    }

    #[test]
    fn only_so_many_questions_are_open_at_once() {
        let host = Host { questions: MAX_QUESTIONS, ..host(Trust::Ask) };
        assert_eq!(judge(&stranger(), &host), Verdict::Refuse(Refusal::NotWanted));
    }

    #[test]
    fn whoever_we_call_and_whoever_calls_back_is_wanted() {
        let host = host(Trust::Known);
        assert_eq!(judge(&Caller { dialled: true, ..stranger() }, &host), Verdict::Welcome);
        assert_eq!(judge(&Caller { being_dialled: true, ..stranger() }, &host), Verdict::Welcome);
    }

    #[test]
    fn loopback_is_let_in_unasked_unless_only_saved_keys_are_wanted() {
        let caller = Caller { ip: IpAddr::from([127, 0, 0, 1]), ..stranger() };
        for trust in [Trust::Mutual, Trust::Ask, Trust::New] {
            assert_eq!(judge(&caller, &host(trust)), Verdict::Welcome, "{trust:?}");
        }
        assert_eq!(judge(&caller, &host(Trust::Known)), Verdict::Refuse(Refusal::NotWanted));
    }

    #[test]
    fn whoever_calls_during_a_conversation_is_told_that_we_are_busy() {
        assert_eq!(judge(&stranger(), &talking(Nonce([9; 16]))), Verdict::Refuse(Refusal::Busy));
    }

    #[test]
    fn of_two_calls_the_second_becomes_the_link_for_files_and_its_caller_proves_first() {
        let host = talking(THEIRS);
        assert_eq!(judge(&Caller { dialled: true, ..stranger() }, &host), Verdict::Join(2));
        assert_eq!(judge(&Caller { leads: true, ..stranger() }, &host), Verdict::Later);
        assert_eq!(judge(&stranger(), &host), Verdict::Nod);
        let claim = right_claim(2);
        assert_eq!(judge(&Caller { claim: Some(claim), ..stranger() }, &host), Verdict::Join(2));
        assert_eq!(judge(&stranger(), &talking_with_bulk(THEIRS)), Verdict::Refuse(Refusal::Surplus));
    }

    #[test]
    fn a_claim_that_overtakes_its_conversation_waits_for_it() {
        let claim = Some(right_claim(2));
        assert_eq!(judge(&Caller { claim, dialled: true, ..stranger() }, &host(Trust::New)), Verdict::Later);
    }

    #[test]
    fn a_call_for_files_needs_a_right_claim_of_a_later_epoch() {
        let refused = Verdict::Refuse(Refusal::NoSession);
        let right = right_claim(2);
        assert_eq!(judge(&caller_for_files(right), &talking(THEIRS)), Verdict::Join(2));
        let late = Verdict::Refuse(Refusal::Surplus);
        assert_eq!(judge(&caller_for_files(right), &talking_with_bulk(THEIRS)), late, "said before");
        let later = right_claim(3);
        assert_eq!(judge(&caller_for_files(later), &talking_with_bulk(THEIRS)), Verdict::Join(3), "the link was lost");
        for wrong in [
            Claim::new(&TICKET, 2, OURS, &Binding::NONE),
            Claim { proof: [0; 32], ..right },
            Claim { session: [0; 16], ..right },
        ] {
            assert_eq!(judge(&caller_for_files(wrong), &talking(THEIRS)), refused);
        }
        assert_eq!(judge(&caller_for_files(right), &talking(Nonce([9; 16]))), refused, "of another process");
        assert_eq!(judge(&caller_for_files(right), &host(Trust::New)), refused, "no conversation goes on");
    }

    #[test]
    fn who_comes_back_needs_a_right_claim_of_a_later_epoch() {
        let refused = Verdict::Refuse(Refusal::NoSession);
        let returning = |claim| {
            let hello = Hello { purpose: Purpose::Return(claim), ..Hello::new(THEIRS) };
            Caller { hello, claim: Some(claim), ..stranger() }
        };
        let right = right_claim(3);
        assert_eq!(judge(&returning(right), &talking(THEIRS)), Verdict::Join(3));
        assert_eq!(judge(&returning(right), &talking_with_bulk(THEIRS)), Verdict::Join(3), "whatever links there are");
        let late = Verdict::Refuse(Refusal::Surplus);
        assert_eq!(judge(&returning(right_claim(2)), &talking_with_bulk(THEIRS)), late, "said before, or overtaken");
        assert_eq!(judge(&returning(right_claim(1)), &talking(THEIRS)), late, "of the link that is lost");
        assert_eq!(judge(&returning(right_claim(u32::MAX)), &talking(THEIRS)), refused, "it would use up the numbers");
        let month = 2 * 30 * 24 * 3600 / 8; // two numbers each 8 s
        assert_eq!(judge(&returning(right_claim(month)), &talking(THEIRS)), Verdict::Join(month));
        for wrong in [
            Claim::new(&TICKET, 3, OURS, &Binding::NONE),
            Claim::new(&TICKET, 3, THEIRS, &Binding([1; 32])),
            Claim { proof: [0; 32], ..right },
            Claim { session: [0; 16], ..right },
            Claim { epoch: 4, ..right },
        ] {
            assert_eq!(judge(&returning(wrong), &talking(THEIRS)), refused, "{wrong:?}");
        }
        assert_eq!(judge(&returning(right), &talking(Nonce([9; 16]))), refused, "of another process");
        assert_eq!(judge(&returning(right), &host(Trust::New)), refused, "no conversation goes on");
    }

    #[test]
    fn whoever_answers_our_call_for_files_has_to_be_our_partner() {
        let answering = Caller { dialled: true, our_call: Some(2), ..stranger() };
        assert_eq!(judge(&answering, &talking(THEIRS)), Verdict::Join(2));
        assert_eq!(judge(&answering, &talking(Nonce([9; 16]))), Verdict::Refuse(Refusal::NoSession));
        let claim = Some(right_claim(3));
        let other_epoch = Caller { claim, ..answering };
        assert_eq!(judge(&other_epoch, &talking(THEIRS)), Verdict::Refuse(Refusal::NoSession));
    }

    #[test]
    fn of_two_calls_that_cross_the_later_one_is_joined_and_the_other_is_no_end_of_the_conversation() {
        let late = Verdict::Refuse(Refusal::Surplus);
        let ours = |epoch| Caller { dialled: true, our_call: Some(epoch), ..stranger() };
        assert_eq!(judge(&ours(2), &talking_with_bulk(THEIRS)), late, "theirs is here");
        assert_eq!(judge(&Caller { claim: Some(right_claim(2)), ..ours(2) }, &talking_with_bulk(THEIRS)), late);
        assert_eq!(judge(&ours(3), &talking_with_bulk(THEIRS)), Verdict::Join(3), "theirs is replaced");
    }

    /// Somebody with a key.
    fn holder(standing: Standing) -> Caller {
        Caller { standing, key: Some(KEY), ip: IpAddr::from([127, 0, 0, 1]), ..stranger() }
    }

    #[test]
    fn who_has_proved_a_key_that_counts_is_let_in_whatever_the_rule() {
        for standing in [Standing::Own, Standing::Known, Standing::Pinned, Standing::Code] {
            assert_eq!(judge(&holder(standing), &host(Trust::Known)), Verdict::Welcome, "{standing:?}");
        }
    }

    #[test]
    fn a_new_key_is_judged_by_the_rule_on_loopback_and_when_dialled_too() {
        for dialled in [true, false] {
            let caller = Caller { dialled, being_dialled: true, ..holder(Standing::New) };
            for refusing in [Trust::Known, Trust::Mutual] {
                assert_eq!(judge(&caller, &host(refusing)), Verdict::Refuse(Refusal::NotWanted), "{refusing:?}");
            }
            assert_eq!(judge(&caller, &host(Trust::Ask)), Verdict::Ask);
            assert_eq!(judge(&caller, &host(Trust::New)), Verdict::Welcome);
        }
    }

    #[test]
    fn two_who_call_each_other_have_thereby_said_yes() {
        let waiting = Caller { may_be_mutual: true, ..holder(Standing::New) };
        let mutual = Caller { mutual: true, ..waiting };
        for trust in [Trust::Mutual, Trust::Ask] {
            assert_eq!(judge(&waiting, &host(trust)), Verdict::Meet);
            assert_eq!(judge(&mutual, &host(trust)), Verdict::Welcome);
        }
        assert_eq!(judge(&mutual, &host(Trust::Known)), Verdict::Refuse(Refusal::NotWanted), "only saved ones");
    }

    #[test]
    fn whom_we_call_with_a_code_has_to_prove_it_unless_it_is_known() {
        let host = Host { wants_code: true, ..host(Trust::New) };
        let called = Caller { dialled: true, ..holder(Standing::New) };
        assert_eq!(judge(&called, &host), Verdict::Refuse(Refusal::NoCode));
        assert_eq!(judge(&Caller { standing: Standing::Known, ..called }, &host), Verdict::Welcome);
    }

    #[test]
    fn who_calls_and_is_called_has_to_prove_the_code_too() {
        let mutual = Caller { mutual: true, may_be_mutual: true, ..holder(Standing::New) };
        let host = |trust| Host { wants_code: true, ..host(trust) };
        assert_eq!(judge(&mutual, &host(Trust::Mutual)), Verdict::Refuse(Refusal::NotWanted));
        assert_eq!(judge(&mutual, &host(Trust::Ask)), Verdict::Ask);
        assert_eq!(judge(&Caller { standing: Standing::Code, ..mutual }, &host(Trust::Known)), Verdict::Welcome);
    }

    #[test]
    fn while_somebody_with_a_given_key_is_called_no_other_key_comes_in() {
        let host = Host { expected: Some(PublicKey::new([9; 32])), ..host(Trust::New) };
        for standing in [Standing::Own, Standing::Known, Standing::New] {
            assert_eq!(judge(&holder(standing), &host), Verdict::Refuse(Refusal::Busy), "{standing:?}");
        }
        let host = Host { expected: Some(KEY), ..host };
        assert_eq!(judge(&holder(Standing::Pinned), &host), Verdict::Welcome);
    }

    #[test]
    fn while_the_key_of_whom_we_call_is_looked_up_a_caller_waits_for_that() {
        let host = Host { is_unsure: true, ..host(Trust::New) };
        let caller = Caller { may_be_mutual: true, ..holder(Standing::Known) };
        assert_eq!(judge(&caller, &host), Verdict::Meet);
        assert_eq!(judge(&Caller { mutual: true, ..caller }, &host), Verdict::Welcome);
        assert_eq!(judge(&Caller { dialled: true, ..caller }, &host), Verdict::Welcome);
        assert_eq!(judge(&Caller { may_be_mutual: false, ..caller }, &host), Verdict::Welcome, "it has waited");
    }

    #[test]
    fn what_is_ready_for_whom_we_call_is_given_to_no_other_caller() {
        let host = Host { only_callee: true, ..host(Trust::New) };
        for standing in [Standing::Own, Standing::Known, Standing::New] {
            let caller = holder(standing);
            assert_eq!(judge(&caller, &host), Verdict::Refuse(Refusal::Busy), "{standing:?}");
            assert_eq!(judge(&Caller { may_be_mutual: true, ..caller }, &host), Verdict::Meet);
            assert_eq!(judge(&Caller { mutual: true, ..caller }, &host), Verdict::Welcome);
            assert_eq!(judge(&Caller { dialled: true, ..caller }, &host), Verdict::Welcome);
        }
        // In plain it is the address that tells.
        let there = Caller { being_dialled: true, ..stranger() };
        assert_eq!(judge(&there, &host), Verdict::Welcome);
        let local = Caller { ip: IpAddr::from([127, 0, 0, 1]), being_dialled: false, ..there };
        assert_eq!(judge(&local, &host), Verdict::Refuse(Refusal::Busy));
        assert_eq!(judge(&Caller { may_be_mutual: true, ..local }, &host), Verdict::Meet);
    }

    #[test]
    fn another_key_with_the_nonce_of_our_partner_is_somebody_else() {
        let mut host = talking(THEIRS);
        host.talking.iter_mut().for_each(|talking| talking.key = Some(KEY));
        let claim = Some(right_claim(2));
        let other = Caller { key: Some(PublicKey::new([9; 32])), claim, ..holder(Standing::New) };
        assert_eq!(judge(&other, &host), Verdict::Refuse(Refusal::Busy));
        assert_eq!(judge(&Caller { claim, ..holder(Standing::New) }, &host), Verdict::Join(2));
        let elsewhere = Caller { claim, binding: Binding([1; 32]), ..holder(Standing::New) };
        assert_eq!(judge(&elsewhere, &host), Verdict::Refuse(Refusal::NoSession), "a claim passed on");
    }

    #[test]
    fn an_unknown_purpose_is_refused() {
        let caller = Caller { hello: Hello { purpose: Purpose::Unknown(7), ..Hello::new(THEIRS) }, ..stranger() };
        assert_eq!(judge(&caller, &host(Trust::New)), Verdict::Refuse(Refusal::Purpose));
    }
}
