//! How fast when nobody on the way can read it, beside the same library in two blocking processes, and beside scp.
//!
//! Owns: what is run in which order, and the table. Must not know: how a run works.

use std::io;
use std::path::{Path, PathBuf};

use super::Plan;
use super::process::run;
use super::scp::{CIPHER, Scp};
use super::scratch::Scratch;
use super::side::How;
use super::table::{Row, Run, in_turn, print_head};
use super::{tete, tls};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tls { hash: bool },
    Scp,
    Tete(How),
}

const HASHED: Way = Way::Tete(How { encrypted: true, ..How::VERIFIED });
const UNHASHED: Way = Way::Tete(How { encrypted: true, ..How::UNVERIFIED });

const WAYS: [Way; 6] =
    [Way::Tls { hash: false }, Way::Tls { hash: true }, Way::Scp, UNHASHED, HASHED, Way::Tete(How::VERIFIED)];

/// The first one's speed is told as a part of the second one's, and what is wanted of it.
const RATIOS: [(Way, Way, &str); 4] = [
    (UNHASHED, Way::Tls { hash: false }, ""),
    (HASHED, Way::Tls { hash: true }, " (wanted: at least 0.9)"),
    (HASHED, Way::Scp, " (wanted: at least 2)"),
    (HASHED, Way::Tete(How::VERIFIED), ""),
];

impl Way {
    fn words(self) -> String {
        match self {
            Self::Tls { hash } => format!("tls reference{}", if hash { ", hashed" } else { "" }),
            Self::Scp => format!("scp, {CIPHER}"),
            Self::Tete(how) => how.words(),
        }
    }
}

/// The file, and who can fetch it.
struct Bench<'a> {
    source: PathBuf,
    size: u64,
    /// A file of one byte, for what scp needs before it begins.
    byte: PathBuf,
    scp: Option<Scp>,
    scratch: &'a mut Scratch,
}

impl Bench<'_> {
    fn run(&mut self, way: Way) -> io::Result<Run> {
        let into = self.scratch.destination()?;
        let (receiver, sender) = match way {
            Way::Tls { hash } => tls::roles(&self.source, self.size, &into, hash),
            Way::Tete(how) => tete::roles(std::slice::from_ref(&self.source), &into, how),
            Way::Scp => return self.run_scp(&into),
        };
        let outcome = run(&receiver, sender)?;
        self.scratch.clear(&into)?;
        Run::of(&outcome)
    }

    /// Less what a file of one byte takes: the others are measured from their handshake on too.
    fn run_scp(&self, into: &Path) -> io::Result<Run> {
        let scp = self.scp.as_ref().ok_or_else(|| io::Error::other("there is no scp"))?;
        let start = scp.fetch(&self.byte, into)?;
        let all = scp.fetch(&self.source, into)?;
        self.scratch.clear(into)?;
        Ok(Run { seconds: all.saturating_sub(start).as_secs_f64(), cpu: None })
    }
}

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    let size = plan.size;
    let gigabytes = size as f64 / 1e9;
    let (source, byte) = (scratch.source("encrypted", size)?, scratch.source("encrypted-byte", 1)?);
    // One try that does not count: a server may be there, and not be able to serve.
    let probe = scratch.destination()?;
    let scp = Scp::new().and_then(|scp| scp.fetch(&byte, &probe).map(|_| scp));
    scratch.clear(&probe)?;
    let ways: Vec<Way> = WAYS.into_iter().filter(|way| *way != Way::Scp || scp.is_ok()).collect();

    println!("encrypted: {gigabytes:.2} GB, {} rounds in turn, medians:", plan.rounds);
    let missing = scp.as_ref().err().map(ToString::to_string);
    let mut bench = Bench { source, size, byte, scp: scp.ok(), scratch };
    let rows = in_turn(ways.len(), plan.rounds, gigabytes, |which| bench.run(ways[which]))?;
    print_head();
    for (way, row) in ways.iter().zip(&rows) {
        row.print(&way.words());
    }
    if let Some(why) = missing {
        println!("  without scp: {why}");
    }
    print_ratios(&ways, &rows);
    Ok(())
}

fn print_ratios(ways: &[Way], rows: &[Row]) {
    let speed = |of: Way| ways.iter().zip(rows).find(|(way, _)| **way == of).map(|(_, row)| row.speed());
    println!("  ratios of medians:");
    for (one, other, wanted) in RATIOS {
        if let (Some(first), Some(second)) = (speed(one), speed(other)) {
            println!("    {} / {}: {:.2}{wanted}", one.words(), other.words(), first / second);
        }
    }
}
