//! The command line, and which part is run when.
//!
//! Owns: what may be chosen. Must not know: how anything is measured.

mod calls;
mod encrypted;
mod ends;
mod figures;
mod flatness;
mod flood;
mod helpers;
mod many;
mod process;
mod raw;
mod scp;
mod scratch;
mod side;
mod speed;
mod table;
mod talk;
mod tete;
mod tls;

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};

use scratch::Scratch;

/// Measures how tete transfers files, beside raw probes.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench transfer --")]
struct Args {
    /// Size of the file in the parts speed, encrypted and talk
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
    Talk,
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
    RawReceive(raw::Receive),
    RawSend(raw::Send),
    TlsReceive(tls::Receive),
    TlsSend(tls::Send),
    TeteReceive(tete::Receive),
    TeteSend(tete::Send),
    TalkReceive(talk::Receive),
    TalkSend(talk::Send),
    FloodReceive(flood::Receive),
    FloodSend(flood::Send),
    Caretaker { folders: Vec<PathBuf> },
}

pub(super) fn main() -> io::Result<()> {
    let mut words = env::args_os();
    if words.nth(1).is_some_and(|word| word == process::AS) {
        // The role takes the place of the program's name.
        return play(Role::parse_from([process::AS.into()].into_iter().chain(words)));
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
    if let Role::Caretaker { folders } = role {
        return scratch::take_care(&folders);
    }
    process::end_with_parent()?;
    match role {
        Role::RawReceive(args) => raw::receive(&args),
        Role::RawSend(args) => raw::send(&args),
        Role::TlsReceive(args) => tls::receive(&args),
        Role::TlsSend(args) => tls::send(&args),
        Role::TeteReceive(args) => tete::receive(&args),
        Role::TeteSend(args) => tete::send(&args),
        Role::TalkReceive(args) => talk::receive(&args),
        Role::TalkSend(args) => talk::send(&args),
        Role::FloodReceive(args) => flood::receive(&args),
        Role::FloodSend(args) => flood::send(&args),
        Role::Caretaker { .. } => Ok(()),
    }
}

fn measure(args: &Args) -> io::Result<()> {
    let plan = Plan { size: args.size.as_u64(), rounds: args.rounds, full: args.full, can_count: calls::available() };
    if plan.size == 0 || plan.rounds == 0 {
        return Err(io::Error::other("without a byte, or without a round, there is nothing to measure"));
    }
    let mut scratch = Scratch::new(&args.from, &args.into)?;
    let began = Instant::now();
    for part in [Part::Speed, Part::Encrypted, Part::Flatness, Part::Talk, Part::Flood, Part::Many] {
        if args.only.is_none_or(|only| only == part) {
            match part {
                Part::Speed => speed::measure(&plan, &mut scratch)?,
                Part::Encrypted => encrypted::measure(&plan, &mut scratch)?,
                Part::Flatness => flatness::measure(&plan, &mut scratch)?,
                Part::Talk => talk::measure(&plan, &mut scratch)?,
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
