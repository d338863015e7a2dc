//! Two sessions under every order of events that a seed can think of.
//!
//! The network splits, joins, delays, stalls and dies; disks are slow, out of order and full; users talk, send,
//! cancel, dawdle and leave. After every step the ledger checks what must never happen, and at the end that
//! everything came to one. A failure prints the seed; `SEED=n` repeats it with a trace, `SEEDS=n` runs so many.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acts;
mod bulk;
mod end;
mod ledger;
mod network;
mod random;
#[path = "../support/mod.rs"]
mod support;
mod talk;
mod user;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use end::Mutant;
use tete::proto::session::Ended;
use world::{Outcome, World};

const SEEDS: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a seed; what it came to, or what went wrong.
fn run(seed: u64, mutant: Option<Mutant>, verbose: bool) -> Result<Outcome, String> {
    World::new(seed, mutant, verbose).run()
}

/// The first of the seeds that goes wrong, with what did.
fn first_failure(seeds: u64, mutant: Option<Mutant>) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            let mut first = None;
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds || seed > failed.load(Ordering::Relaxed) {
                    return first;
                }
                if let Err(words) = run(seed, mutant, false) {
                    failed.fetch_min(seed, Ordering::Relaxed);
                    first.get_or_insert((seed, words));
                }
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).min()
    })
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_half_published_and_everything_ends() {
    if let Some(seed) = number("SEED") {
        return run(seed, None, true).map(drop).unwrap_or_else(|words| panic!("{words}"));
    }
    if let Some((seed, words)) = first_failure(number("SEEDS").unwrap_or(SEEDS), None) {
        panic!("{words}\n\nSEED={seed} cargo test --test simulation");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(run(seed, None, false), run(seed, None, false), "seed {seed}");
    }
}

#[test]
fn different_seeds_give_different_traces() {
    assert_ne!(run(1, None, false).unwrap().trace, run(2, None, false).unwrap().trace);
}

#[test]
fn the_seeds_reach_every_way_to_end_and_move_texts_and_files() {
    let outcomes: Vec<_> = (0..200).map(|seed| run(seed, None, false).unwrap()).collect();
    let count = |fits: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| fits(outcome)).count();
    assert!(count(|outcome| outcome.ended == [Some(Ended::Left), Some(Ended::Left)]) > 30);
    assert!(count(|outcome| outcome.ended == [None, None]) > 5);
    assert!(count(|outcome| outcome.ended.contains(&Some(Ended::Cut))) > 5);
    assert!(count(|outcome| outcome.ended.contains(&Some(Ended::PeerCut))) > 2);
    assert!(count(|outcome| matches!(outcome.ended, [Some(Ended::Lost(_)), _] | [_, Some(Ended::Lost(_))])) > 5);
    assert!(count(|outcome| outcome.tally.sent > 3) > 30);
    assert!(count(|outcome| outcome.tally.failed > 3) > 30);
    assert!(count(|outcome| outcome.tally.bytes > 4 << 20) > 10);
    assert!(count(|outcome| outcome.bulk.0 > 1 << 20) > 10);
    assert!(count(|outcome| outcome.bulk.1 > 1) > 30);
    assert!(count(|outcome| outcome.returns > 1) > 20);
    assert!(count(|outcome| outcome.returns > 0 && outcome.tally.sent > 3) > 10);
    assert!(
        count(|outcome| outcome.tally.texts > 300) > 10,
        "{:?}",
        outcomes.iter().map(|o| o.tally).collect::<Vec<_>>()
    );
}

#[test]
fn every_planted_fault_is_caught() {
    for mutant in Mutant::ALL {
        assert!(first_failure(100, Some(mutant)).is_some(), "{mutant:?} was not noticed");
    }
}
