//! How fast, beside the raw probes: gigabytes a second, and what each costs in processor time and system calls.
//!
//! Owns: what is run in which order, and the table. Must not know: how a run works.

use std::io;
use std::path::PathBuf;

use super::Plan;
use super::calls::Calls;
use super::process::{Role, run, run_counted};
use super::raw::By;
use super::scratch::Scratch;
use super::side::How;
use super::table::{Row, Run, in_turn, print_head};
use super::tete;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Raw { by: By, hash: bool },
    Tete(How),
}

const WAYS: [Way; 10] = [
    Way::Raw { by: By::Write1m, hash: false },
    Way::Raw { by: By::Write256k, hash: false },
    Way::Raw { by: By::Splice, hash: false },
    Way::Raw { by: By::Write1m, hash: true },
    Way::Raw { by: By::Write256k, hash: true },
    Way::Raw { by: By::Splice, hash: true },
    Way::Tete(How::UNVERIFIED),
    Way::Tete(How { copied: true, ..How::UNVERIFIED }),
    Way::Tete(How::VERIFIED),
    Way::Tete(How { copied: true, ..How::VERIFIED }),
];

impl Way {
    fn words(self) -> String {
        match self {
            Self::Tete(how) => how.words(),
            Self::Raw { by, hash: false } => format!("sendfile -> {}", by.words()),
            Self::Raw { by, hash: true } => format!("sendfile -> {}, hashed", by.words()),
        }
    }

    /// A receiver and a sender.
    fn roles(self, source: &PathBuf, size: u64, into: &PathBuf) -> (Role, Role) {
        let (by, hash) = match self {
            Self::Raw { by, hash } => (by, hash),
            Self::Tete(how) => return tete::roles(std::slice::from_ref(source), into, how),
        };
        let receive = Role::new("raw-receive").option("into", into).option("size", size.to_string());
        let receive = receive.option("by", by.option()).switch("hash", hash);
        (receive, Role::new("raw-send").option("file", source).switch("hash", hash))
    }
}

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    let size = plan.size;
    let source = scratch.source("speed", size)?;
    let gigabytes = size as f64 / 1e9;
    let rows = in_turn(WAYS.len(), plan.rounds, gigabytes, |which| {
        let into = scratch.destination()?;
        let (receiver, sender) = WAYS[which].roles(&source, size, &into);
        let outcome = run(&receiver, sender)?;
        scratch.clear(&into)?;
        Run::of(&outcome)
    })?;

    println!("speed: {gigabytes:.2} GB, {} rounds in turn, medians:", plan.rounds);
    print_head();
    for (way, row) in WAYS.iter().zip(&rows) {
        row.print(&way.words());
    }
    print_ratios(&rows);
    count(plan, scratch, &source)
}

fn print_ratios(rows: &[Row]) {
    let speed = |way: Way| {
        let found = WAYS.iter().zip(rows).find(|(of, _)| **of == way);
        found.map_or(0.0, |(_, row)| row.speed())
    };
    println!("  ratios of medians:");
    for hash in [false, true] {
        let raw = |by| speed(Way::Raw { by, hash });
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
            let (_, calls) = run_counted(&receiver, sender)?;
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
