//! The command line, and which part is run when.
//!
//! Owns: what may be chosen. Must not know: how anything is measured.

mod encrypted;
mod flatness;
mod flood;
mod many;
mod scp;
mod speed;
mod table;

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};

use tete::bench::role::Given;
use tete::bench::scratch::Scratch;
use tete::bench::{self, calls, process};

/// Measures how tete transfers files, beside raw probes.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench transfer --")]
struct Args {
    /// Size of the file in the parts speed and encrypted
    #[arg(long, default_value = "256MiB")]
    size: ByteSize,
    /// Rounds that count, of the parts speed, encrypted and many
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Folder for the files to send
    #[arg(long, default_value = "/dev/shm")]
    from: PathBuf,
    /// Folder for the files that are received
    #[arg(long, default_value = "/dev/shm")]
    into: PathBuf,
    /// Run one part only
    #[arg(long)]
    only: Option<Part>,
    /// Also what takes long
    #[arg(long)]
    full: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// `cargo bench NAME` says the name to every benchmark
    #[arg(hide = true)]
    filter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Speed,
    Encrypted,
    Flatness,
    Flood,
    Many,
}

/// What was chosen, and what this machine can do.
#[derive(Debug)]
struct Plan {
    size: u64,
    rounds: usize,
    full: bool,
    /// Whether system calls can be counted, or why not.
    can_count: Result<(), String>,
}

/// A process that this one has started.
#[derive(Debug, Parser)]
enum Role {
    FloodReceive(flood::Receive),
    FloodSend(flood::Send),
}

pub(super) fn main() -> io::Result<()> {
    let words: Vec<_> = env::args_os().collect();
    if let Some((role, given)) = Given::of(&words) {
        return match bench::play(role, given.clone()) {
            Some(result) => result,
            None => play(Role::parse_from([role.to_owned(), role.to_owned()].into_iter().chain(given.rest()))),
        };
    }
    // `cargo test` starts benchmarks too, and does not say this.
    if !env::args_os().any(|word| word == "--bench") {
        return Ok(());
    }
    let args = Args::parse();
    if args.filter.as_ref().is_some_and(|filter| !"transfer".contains(filter)) {
        return Ok(());
    }
    measure(&args)
}

fn play(role: Role) -> io::Result<()> {
    process::end_with_parent()?;
    match role {
        Role::FloodReceive(args) => flood::receive(&args),
        Role::FloodSend(args) => flood::send(&args),
    }
}

fn measure(args: &Args) -> io::Result<()> {
    let plan = Plan { size: args.size.as_u64(), rounds: args.rounds, full: args.full, can_count: calls::available() };
    if plan.size == 0 || plan.rounds == 0 {
        return Err(io::Error::other("without a byte, or without a round, there is nothing to measure"));
    }
    let mut scratch = Scratch::new(&args.from, &args.into)?;
    let began = Instant::now();
    for part in [Part::Speed, Part::Encrypted, Part::Flatness, Part::Flood, Part::Many] {
        if args.only.is_none_or(|only| only == part) {
            match part {
                Part::Speed => speed::measure(&plan, &mut scratch)?,
                Part::Encrypted => encrypted::measure(&plan, &mut scratch)?,
                Part::Flatness => flatness::measure(&plan, &mut scratch)?,
                Part::Flood => flood::measure(&plan)?,
                Part::Many => many::measure(&plan, &mut scratch)?,
            }
            println!();
        }
    }
    println!(
        "from {} into {}; {:.0} s in all",
        args.from.display(),
        args.into.display(),
        began.elapsed().as_secs_f64()
    );
    scratch.remove()
}
