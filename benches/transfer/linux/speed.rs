//! How fast, beside the raw probes: gigabytes a second, and what each costs in processor time and system calls.
//!
//! Owns: what is run in which order, and the table. Must not know: how a run works.

use std::io;
use std::path::PathBuf;

use super::Plan;
use tete::bench::calls::Calls;
use tete::bench::helpers::Care;
use tete::bench::process::run_counted;
use tete::bench::raw::By;
use tete::bench::scratch::Scratch;
use tete::bench::side::How;
use tete::bench::turns::{Rounds, Row, in_turn};
use tete::bench::ways::Way;

use super::table::{print, print_head};

const HASHED: Care = Care { hash: true, sync: false };
const UNHASHED: Care = Care { hash: false, sync: false };

const WAYS: [Way; 10] = [
    Way::Raw { by: By::Write1m, care: UNHASHED },
    Way::Raw { by: By::Write256k, care: UNHASHED },
    Way::Raw { by: By::Splice, care: UNHASHED },
    Way::Raw { by: By::Write1m, care: HASHED },
    Way::Raw { by: By::Write256k, care: HASHED },
    Way::Raw { by: By::Splice, care: HASHED },
    Way::Tete(How::UNVERIFIED),
    Way::Tete(How { copied: true, ..How::UNVERIFIED }),
    Way::Tete(How::VERIFIED),
    Way::Tete(How { copied: true, ..How::VERIFIED }),
];

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    let size = plan.size;
    let source = scratch.source("speed", size)?;
    let gigabytes = size as f64 / 1e9;
    let rows =
        in_turn(WAYS.len(), Rounds::of(plan.rounds), gigabytes, |_, which| WAYS[which].run(&source, size, scratch))?;

    println!("speed: {gigabytes:.2} GB, {} rounds in turn, medians:", plan.rounds);
    print_head();
    for (way, row) in WAYS.iter().zip(&rows) {
        print(row, &way.words());
    }
    print_ratios(&rows);
    count(plan, scratch, &source)
}

fn print_ratios(rows: &[Row]) {
    let row = |way: Way| WAYS.iter().zip(rows).find(|(of, _)| **of == way).map(|(_, row)| row);
    let speed = |way: Way| row(way).map_or(0.0, |row| row.speeds.median());
    println!("  ratios of medians:");
    for hash in [false, true] {
        let raw = |by| speed(Way::Raw { by, care: Care { hash, sync: false } });
        let (write, small, splice) = (raw(By::Write1m), raw(By::Write256k), raw(By::Splice));
        let what = if hash { "hashed" } else { "not hashed" };
        println!("    splice / write of 1 MiB, {what}: {:.2}", splice / write);
        println!("    receiving 256 KiB / 1 MiB, {what}: {:.2}", small / write);
        let (best, how) = (write.max(small).max(splice), How { unverified: !hash, ..How::VERIFIED });
        println!("    tete / the fastest probe, {what}: {:.2} (wanted: at least 0.9)", speed(Way::Tete(how)) / best);
        println!(
            "    tete / the same, copied, {what}: {:.2}",
            speed(Way::Tete(how)) / speed(Way::Tete(How { copied: true, ..how }))
        );
    }
    let sender = |way: Way| row(way).map_or(0.0, |row| row.cpu[0].median());
    let least = [By::Write1m, By::Write256k, By::Splice].map(|by| sender(Way::Raw { by, care: UNHASHED }));
    let ratio = sender(Way::Tete(How::UNVERIFIED)) / least.into_iter().fold(f64::INFINITY, f64::min);
    println!(
        "    the sender's processor time, not hashed: {ratio:.2} of the least of the probes (wanted: at most 1.3)"
    );
}

/// Counts system calls in runs that are not timed.
fn count(plan: &Plan, scratch: &mut Scratch, source: &PathBuf) -> io::Result<()> {
    if let Err(why) = &plan.can_count {
        println!("  system calls are not counted: {why}");
        return Ok(());
    }
    println!("  system calls per MB (a run of its own under strace; what a file of one byte costs is taken off):");
    let byte = scratch.source("byte", 1)?;
    for way in WAYS {
        let mut run = |source: &PathBuf, size: u64| -> io::Result<[Calls; 2]> {
            let into = scratch.destination()?;
            let (receiver, sender) = way.roles(source, size, &into);
            let (_, calls) = run_counted(scratch.room(), &receiver, sender)?;
            scratch.clear(&into)?;
            Ok(calls)
        };
        let least = run(&byte, 1)?;
        let all = run(source, plan.size)?;
        for (side, (all, least)) in ["sender", "receiver"].iter().zip(all.iter().zip(&least)) {
            println!("    {:42}  {side:8}  {}", way.words(), all.beyond(least).shown(plan.size));
        }
    }
    Ok(())
}
