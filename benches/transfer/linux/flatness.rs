//! Whether a file's size shows: system calls a megabyte, and peak memory, of small and large files alike.
//!
//! Owns: the sizes, and the table. Must not know: how a run works.

use std::io;
use std::path::PathBuf;

use super::Plan;
use tete::bench::calls::Calls;
use tete::bench::ours;
use tete::bench::process::{Outcome, run, run_counted};
use tete::bench::scratch::Scratch;
use tete::bench::side::How;

const SIZES: [u64; 3] = [100_000_000, 1_000_000_000, 4_000_000_000];
/// Only with `--full`.
const LARGE: u64 = 16_000_000_000;
/// Neither a disk nor a hash is part of it.
const HOW: How = How { discarded: true, ..How::UNVERIFIED };

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    println!("flatness: a sparse file by tete, unverified and thrown away; peak memory in MB, system calls per MB:");
    let counting = plan.can_count.is_ok();
    if let Err(why) = &plan.can_count {
        println!("  system calls are not counted: {why}");
    }
    let byte = scratch.sparse("flat-byte", 1)?;
    let least = if counting { one(scratch, &byte, true)?.1 } else { None };
    for size in SIZES.into_iter().chain(plan.full.then_some(LARGE)) {
        let gigabytes = size as f64 / 1e9;
        let source = scratch.sparse(&format!("flat-{size}"), size)?;
        let (outcome, calls) = one(scratch, &source, counting)?;
        for (which, (side, figures)) in
            [("sender", &outcome.sender), ("receiver", &outcome.receiver)].into_iter().enumerate()
        {
            let peak = figures.one("peak")? / 1e6;
            let counted = match (&calls, &least) {
                (Some(calls), Some(least)) => calls[which].beyond(&least[which]).shown(size),
                _ => String::new(),
            };
            println!("  {gigabytes:5.1} GB  {side:8}  peak {peak:6.1}  calls {counted}");
        }
    }
    Ok(())
}

fn one(scratch: &mut Scratch, source: &PathBuf, counting: bool) -> io::Result<(Outcome, Option<[Calls; 2]>)> {
    let into = scratch.destination()?;
    let (receiver, sender) = ours::roles(std::slice::from_ref(source), &into, HOW);
    let outcome = match counting {
        true => run_counted(scratch.room(), &receiver, sender).map(|(outcome, calls)| (outcome, Some(calls)))?,
        false => (run(&receiver, sender)?, None),
    };
    scratch.clear(&into)?;
    Ok(outcome)
}
