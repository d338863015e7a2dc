//! Who is let in when nothing proves who somebody is.
//!
//! Owns: the rule. Must not know: sockets, how a person is asked.

use std::net::IpAddr;

use crate::proto::frame::Refusal;
use crate::proto::hello::{Hello, Nonce};

/// Callers at the gate at once. Bounds what strangers can make us hold: sockets, and some KiB each.
pub const MAX_OPENINGS: usize = 64;
/// Callers about whom a person is being asked at once.
pub const MAX_QUESTIONS: usize = 4;

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
}

/// What we are doing.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Our own nonce.
    pub nonce: Nonce,
    /// With whom we talk already.
    pub talking_to: Option<Nonce>,
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
    if caller.hello.purpose != 0 {
        return Verdict::Refuse(Refusal::Purpose);
    }
    match host.talking_to {
        Some(nonce) if nonce == caller.hello.nonce => return Verdict::Refuse(Refusal::Surplus),
        Some(_) => return Verdict::Refuse(Refusal::Busy),
        None => {}
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

/// The words for a refusal, for both sides.
pub fn words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Busy => "talking to somebody else",
        Refusal::Surplus => "already talking to you",
        Refusal::Yourself => "that is you",
        Refusal::NotWanted => "strangers are not let in",
        Refusal::Purpose => "this version does not know what that link is for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Nonce = Nonce([1; 16]);
    const THEIRS: Nonce = Nonce([2; 16]);

    fn stranger() -> Caller {
        Caller { hello: Hello::new(THEIRS), ip: IpAddr::from([192, 0, 2, 7]), dialled: false, being_dialled: false }
    }

    fn host(trust: Trust) -> Host {
        Host { nonce: OURS, talking_to: None, trust, questions: 0 }
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
    fn a_second_connection_is_surplus_for_the_same_peer_and_busy_for_another() {
        let talking = |nonce| Host { talking_to: Some(nonce), ..host(Trust::New) };
        assert_eq!(judge(&stranger(), &talking(THEIRS)), Verdict::Refuse(Refusal::Surplus));
        assert_eq!(judge(&stranger(), &talking(Nonce([9; 16]))), Verdict::Refuse(Refusal::Busy));
    }

    #[test]
    fn an_unknown_purpose_is_refused() {
        let caller = Caller { hello: Hello { purpose: 7, ..Hello::new(THEIRS) }, ..stranger() };
        assert_eq!(judge(&caller, &host(Trust::New)), Verdict::Refuse(Refusal::Purpose));
    }
}
