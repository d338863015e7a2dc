//! Who is let in when nothing proves who somebody is.
//!
//! Owns: the rule. Must not know: sockets, how a person is asked.

use std::net::IpAddr;

use crate::proto::claim::Claim;
use crate::proto::frame::{Refusal, SessionTicket};
use crate::proto::hello::{Hello, Nonce, Purpose};

/// Callers at the gate at once. Bounds what strangers can make us hold: sockets, and some KiB each.
pub const MAX_OPENINGS: usize = 64;
/// Callers about whom a person is being asked at once.
pub const MAX_QUESTIONS: usize = 4;

/// How far a claim's epoch may be ahead of those that we know: calls of the other side that never got through to us. A
/// greater step would use up the numbers.
const MAX_JUMP: u32 = 4096;

/// Which callers without a proof of who they are may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody.
    Known,
    /// Whom our user wants.
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
    /// Whether our user is calling its address.
    pub being_dialled: bool,
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
    /// What proves that a link belongs to it.
    pub ticket: SessionTicket,
    /// The greatest epoch of its links so far.
    pub epoch: u32,
    /// Whether it has a link for files.
    pub has_bulk: bool,
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
    /// Callers about whom our user is being asked.
    pub questions: usize,
}

/// What becomes of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Welcome,
    /// It becomes a link for files of the conversation that goes on, with this epoch.
    Join(u32),
    /// It may go on, and has to prove who it is; nothing is told to it yet.
    Nod,
    /// Nothing yet: it has to prove something first, or the conversation that it speaks of has to begin.
    Later,
    /// Our user decides.
    Ask,
    /// Not let in.
    Refuse(Refusal),
}

/// Judges a caller.
///
/// Who was called was wanted; so is a caller from the address that is being called: both have said yes by calling.
/// Who comes over loopback is on this machine already.
pub fn judge(caller: &Caller, host: &Host) -> Verdict {
    if caller.hello.nonce == host.nonce {
        return Verdict::Refuse(Refusal::Yourself);
    }
    match (caller.hello.purpose, &host.talking) {
        (Purpose::Unknown(_), _) => return Verdict::Refuse(Refusal::Purpose),
        (_, Some(talking)) if talking.peer == caller.hello.nonce => return judge_second(caller, talking),
        (Purpose::Bulk(_), _) => return Verdict::Refuse(Refusal::NoSession),
        // Somebody else answered where our partner was.
        (Purpose::Talk, _) if caller.our_call.is_some() => return Verdict::Refuse(Refusal::NoSession),
        (Purpose::Talk, Some(_)) => return Verdict::Refuse(Refusal::Busy),
        // The second of two calls has overtaken the first.
        (Purpose::Talk, None) if caller.claim.is_some() => return Verdict::Later,
        (Purpose::Talk, None) => {}
    }
    if caller.dialled || caller.being_dialled || caller.ip.is_loopback() {
        return Verdict::Welcome;
    }
    match host.trust {
        Trust::New => Verdict::Welcome,
        Trust::Ask if host.questions < MAX_QUESTIONS => Verdict::Ask,
        Trust::Ask | Trust::Known => Verdict::Refuse(Refusal::NotWanted),
    }
}

/// Judges a second link of the two who talk. Who has called makes the first claim, so that whoever merely says to be
/// our partner, and calls us, is given none.
fn judge_second(caller: &Caller, talking: &Talking) -> Verdict {
    match (caller.claim, caller.our_call) {
        (Some(claim), _) if !claim.is_right(&talking.ticket, talking.peer) => Verdict::Refuse(Refusal::NoSession),
        (Some(claim), Some(epoch)) if claim.epoch == epoch => Verdict::Join(epoch),
        // A greater epoch replaces the link that there is: who calls has lost it.
        (Some(claim), None) if claim.epoch > talking.epoch && claim.epoch - talking.epoch <= MAX_JUMP => {
            Verdict::Join(claim.epoch)
        }
        (Some(_), _) => Verdict::Refuse(Refusal::NoSession),
        (None, Some(epoch)) => Verdict::Join(epoch),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Nonce = Nonce([1; 16]);
    const THEIRS: Nonce = Nonce([2; 16]);
    const TICKET: SessionTicket = SessionTicket { id: [3; 16], secret: [4; 16] };

    fn stranger() -> Caller {
        let ip = IpAddr::from([192, 0, 2, 7]);
        let hello = Hello::new(THEIRS);
        Caller { hello, ip, dialled: false, being_dialled: false, claim: None, our_call: None, leads: false }
    }

    /// The same, calling for files of the conversation.
    fn caller_for_files(claim: Claim) -> Caller {
        let hello = Hello { nonce: THEIRS, purpose: Purpose::Bulk(claim) };
        Caller { hello, claim: Some(claim), ..stranger() }
    }

    fn host(trust: Trust) -> Host {
        Host { nonce: OURS, talking: None, trust, questions: 0 }
    }

    fn talking(peer: Nonce) -> Host {
        let talking = Talking { peer, ticket: TICKET, epoch: 1, has_bulk: false };
        Host { talking: Some(talking), ..host(Trust::New) }
    }

    fn talking_with_bulk(peer: Nonce) -> Host {
        let talking = Talking { peer, ticket: TICKET, epoch: 2, has_bulk: true };
        Host { talking: Some(talking), ..host(Trust::New) }
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
    fn loopback_is_let_in_unasked() {
        let caller = Caller { ip: IpAddr::from([127, 0, 0, 1]), ..stranger() };
        assert_eq!(judge(&caller, &host(Trust::Known)), Verdict::Welcome);
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
        let claim = Claim::new(&TICKET, 2, THEIRS);
        assert_eq!(judge(&Caller { claim: Some(claim), ..stranger() }, &host), Verdict::Join(2));
        assert_eq!(judge(&stranger(), &talking_with_bulk(THEIRS)), Verdict::Refuse(Refusal::Surplus));
    }

    #[test]
    fn a_claim_that_overtakes_its_conversation_waits_for_it() {
        let claim = Some(Claim::new(&TICKET, 2, THEIRS));
        assert_eq!(judge(&Caller { claim, dialled: true, ..stranger() }, &host(Trust::New)), Verdict::Later);
    }

    #[test]
    fn a_call_for_files_needs_a_right_claim_of_a_later_epoch() {
        let refused = Verdict::Refuse(Refusal::NoSession);
        let right = Claim::new(&TICKET, 2, THEIRS);
        assert_eq!(judge(&caller_for_files(right), &talking(THEIRS)), Verdict::Join(2));
        assert_eq!(judge(&caller_for_files(right), &talking_with_bulk(THEIRS)), refused, "said before");
        let later = Claim::new(&TICKET, 3, THEIRS);
        assert_eq!(judge(&caller_for_files(later), &talking_with_bulk(THEIRS)), Verdict::Join(3), "the link was lost");
        for wrong in
            [Claim::new(&TICKET, 2, OURS), Claim { proof: [0; 32], ..right }, Claim { session: [0; 16], ..right }]
        {
            assert_eq!(judge(&caller_for_files(wrong), &talking(THEIRS)), refused);
        }
        assert_eq!(judge(&caller_for_files(right), &talking(Nonce([9; 16]))), refused, "of another process");
        assert_eq!(judge(&caller_for_files(right), &host(Trust::New)), refused, "no conversation goes on");
    }

    #[test]
    fn whoever_answers_our_call_for_files_has_to_be_our_partner() {
        let answering = Caller { dialled: true, our_call: Some(2), ..stranger() };
        assert_eq!(judge(&answering, &talking(THEIRS)), Verdict::Join(2));
        assert_eq!(judge(&answering, &talking(Nonce([9; 16]))), Verdict::Refuse(Refusal::NoSession));
        let claim = Some(Claim::new(&TICKET, 3, THEIRS));
        let other_epoch = Caller { claim, ..answering };
        assert_eq!(judge(&other_epoch, &talking(THEIRS)), Verdict::Refuse(Refusal::NoSession));
    }

    #[test]
    fn an_unknown_purpose_is_refused() {
        let caller = Caller { hello: Hello { purpose: Purpose::Unknown(7), ..Hello::new(THEIRS) }, ..stranger() };
        assert_eq!(judge(&caller, &host(Trust::New)), Verdict::Refuse(Refusal::Purpose));
    }
}
