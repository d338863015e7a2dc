//! A side that is given too little, and one that stands still for a while.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{PATIENCE, free_port};
use crate::talk::{Outcome, Side, drive, run};

/// How long one stands still: longer than any probe, shorter than anybody is given up.
const STILL: Duration = Duration::from_secs(6);

/// A conversation of which one side has this limit, in the words of the shell's `ulimit`.
fn limited(side: Side, limit: &str) -> Outcome {
    let port = free_port();
    let words = ["sh".to_owned(), "-c".to_owned(), format!("ulimit {limit}; exec \"$0\" \"$@\"")];
    let start = |of| run(of, port, false, if of == side { &words } else { &[] }).start();
    let mut anna = start(Side::Listener);
    // With too little it ends before.
    anna.until_or(Instant::now() + PATIENCE, |anna| anna.all("listening").next().map(drop));
    let mut bob = start(Side::Caller);
    drive(&mut anna, &mut bob, side)
}

/// Each side under each of these limits, all at once because they mostly wait: nothing is wrong, and at least once all
/// went well and once not.
fn all_end_well_or_are_told(limits: &[String]) {
    let cases: Vec<_> = Side::BOTH.into_iter().flat_map(|side| limits.iter().map(move |limit| (side, limit))).collect();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(side, limit)| scope.spawn(move || limited(*side, limit))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    for ((side, limit), outcome) in cases.iter().zip(&outcomes) {
        assert!(outcome.wrong.is_empty(), "{side:?} {limit}: {:?}\n{}", outcome.wrong, outcome.said);
    }
    let well = outcomes.iter().filter(|outcome| outcome.well).count();
    println!("{} conversations: {well} went well, {} told what was wrong", cases.len(), cases.len() - well);
    assert!(0 < well && well < cases.len());
}

#[test]
fn fault_78_with_any_number_of_descriptors_a_conversation_goes_well_or_tells_why_not() {
    // With fewer the dynamic loader cannot start it.
    all_end_well_or_are_told(&(5..=23).step_by(2).map(|n| format!("-n {n}")).collect::<Vec<_>>());
}

#[test]
fn fault_67_with_any_limit_on_the_size_of_files_a_conversation_goes_well_or_tells_why_not() {
    // In units of 512 or 1,024 bytes, as the shell likes; nothing that is kept fits into the first.
    all_end_well_or_are_told(&[0, 1, 100, 250, 1000].map(|n| format!("-f {n}")));
}

#[test]
fn fault_91_a_side_that_stands_still_for_seconds_loses_nothing() {
    for still in Side::BOTH {
        let port = free_port();
        let mut anna = run(Side::Listener, port, false, &[]).start();
        anna.event("listening");
        let mut bob = run(Side::Caller, port, false, &[]).start();
        for side in [&mut anna, &mut bob] {
            side.event("connected");
        }
        let pid = if still == Side::Listener { anna.pid() } else { bob.pid() };
        let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
        signal(Signal::STOP);
        let waker = thread::spawn(move || {
            thread::sleep(STILL); // paced: what is tested is that time passes
            rustix::process::kill_process(pid, Signal::CONT).unwrap();
        });
        let outcome = drive(&mut anna, &mut bob, still);
        waker.join().unwrap();
        assert!(outcome.well, "{still:?}: {:?}\n{}", outcome.wrong, outcome.said);
    }
}
