//! The command line, and which part is run when.
//!
//! Owns: what may be chosen. Must not know: how anything is measured.

// From the tests, which use all of it.
#[allow(dead_code, unused_imports, reason = "a kit, and its tests run elsewhere")]
#[path = "../../tests/e2e_terminal/emulator.rs"]
mod emulator;

mod cost;
mod desk;
mod keys;
mod terminal;

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};

use tete::bench;
use tete::bench::role::Given;
use tete::bench::scratch::Scratch;

/// Measures how soon a key is seen, and what drawing costs.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench screen --")]
struct Args {
    /// Size of a file in the part keys; as many are transferred as it takes
    #[arg(long, default_value = "512MiB")]
    size: ByteSize,
    /// Keys pressed in each situation
    #[arg(long, default_value_t = 1000)]
    keys: usize,
    /// Rounds of the part cost
    #[arg(long, default_value_t = 3)]
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
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// `cargo bench NAME` says the name to every benchmark
    #[arg(hide = true)]
    filter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Keys,
    Cost,
}

/// What was chosen.
#[derive(Clone, Copy, Debug)]
struct Plan {
    size: u64,
    keys: usize,
    rounds: usize,
}

pub(super) fn main() -> io::Result<()> {
    let words: Vec<_> = env::args_os().collect();
    if let Some(result) = Given::of(&words).and_then(|(role, given)| bench::play(role, given)) {
        return result;
    }
    // `cargo test` starts benchmarks too, and does not say this.
    if !words.iter().any(|word| word == "--bench") {
        return Ok(());
    }
    let args = Args::parse();
    if args.filter.as_ref().is_some_and(|filter| !"screen".contains(filter)) {
        return Ok(());
    }
    measure(&args)
}

fn measure(args: &Args) -> io::Result<()> {
    let plan = Plan { size: args.size.as_u64(), keys: args.keys, rounds: args.rounds };
    if plan.size == 0 || plan.keys == 0 || plan.rounds == 0 {
        return Err(io::Error::other("without a byte, a key or a round there is nothing to measure"));
    }
    let mut scratch = Scratch::new(&args.from, &args.into)?;
    let began = Instant::now();
    for part in [Part::Keys, Part::Cost] {
        if args.only.is_none_or(|only| only == part) {
            match part {
                Part::Keys => keys::measure(plan, &mut scratch)?,
                Part::Cost => cost::measure(plan, &mut scratch)?,
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
