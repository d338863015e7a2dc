//! kill -9 between any two of the calls that a transfer is made of.
//!
//! strace kills at the entry of the nth call, so that every place is hit, and none by chance.

use std::os::unix::process::ExitStatusExt;

use crate::common::{Run, Tete, free_port};
use crate::talk::{Side, drive, forget_received, run};
use crate::tracer::{self, Fault, Tracer};

/// Calls after which something on the disk or on the way is different.
const CALLS: [&str; 9] =
    ["openat2", "fallocate", "pwrite64", "fsync", "renameat2", "fchmod", "unlinkat", "recvfrom", "writev"];
/// No call is made so often in such a conversation.
const MAX_NTH: u32 = 500;
/// Of the calls that are made often, one in so many is tried in every run of the tests.
const STRIDE: usize = 12;

/// The side that is killed, at the nth of such a call; whether it came so far. Afterwards both start again, in the
/// same folders, and send the same.
fn survives(killed: Side, call: &str, nth: u32) -> bool {
    let fault = Fault { call: call.into(), deed: "signal=KILL".into(), nth, of: None };
    let logs = tempfile::tempdir().unwrap();
    let attach = |tete: &Tete| Tracer::attach(tete.pid(), &fault, logs.path().join("log")).unwrap();
    let mut tracer = None;
    let (mut anna, mut bob) = meet(|side, run| {
        let mut tete = run.start();
        tete.event(if side == Side::Listener { "listening" } else { "dialling" });
        if side == killed {
            tracer = Some(attach(&tete));
        }
        tete
    });
    let outcome = drive(&mut anna, &mut bob, killed);
    drop(tracer);
    let was_killed = outcome.statuses[killed as usize].is_some_and(|status| status.signal() == Some(9));
    let place = format!("{killed:?} killed at {call} {nth}");
    let expected = |what: &String| was_killed && what.contains("ended with signal: 9");
    let wrong: Vec<_> = outcome.wrong.iter().filter(|what| !expected(what)).collect();
    assert!(wrong.is_empty(), "{place}: {wrong:?}\n{}", outcome.said);
    if !was_killed {
        return false;
    }
    let mut before = [anna, bob];
    let (mut anna, mut bob) = meet(|side, run| {
        // What had arrived would get a second copy beside it.
        forget_received(&before[side as usize]);
        let mut tete = run.in_folders_of(&mut before[side as usize]).start();
        tete.event(if side == Side::Listener { "listening" } else { "dialling" });
        tete
    });
    let again = drive(&mut anna, &mut bob, killed);
    assert!(again.arrived && again.wrong.is_empty(), "{place}, then: {:?}\n{}", again.wrong, again.said);
    true
}

/// Two who are about to meet: the one who listens is started first.
fn meet(mut start: impl FnMut(Side, Run) -> Tete) -> (Tete, Tete) {
    let port = free_port();
    let mut start = |side| start(side, run(side, port, false, &[]));
    (start(Side::Listener), start(Side::Caller))
}

#[test]
fn fault_82_a_side_killed_between_any_two_calls_leaves_nothing_half_and_starts_again() {
    if !tracer::is_here() {
        return;
    }
    let all = std::env::var("SWEEP").is_ok_and(|what| what == "all");
    let (mut tried, mut kills) = (0, 0);
    for side in Side::BOTH {
        for call in CALLS {
            for nth in (1..=MAX_NTH).step_by(if all { 1 } else { STRIDE }) {
                tried += 1;
                if !survives(side, call, nth) {
                    break;
                }
                kills += 1;
            }
        }
    }
    println!("{tried} conversations, {kills} of them with a kill");
    assert!(kills > 10, "{kills}");
}
