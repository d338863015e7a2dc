//! How fast when nobody on the way can read it, beside the same library in two blocking processes, and beside scp.
//!
//! Owns: what is run in which order, and the table. Must not know: how a run works.

use std::io;
use std::path::{Path, PathBuf};

use super::Plan;
use super::scp::{CIPHER, Scp};
use tete::bench::helpers::Care;
use tete::bench::scratch::Scratch;
use tete::bench::side::How;
use tete::bench::turns::{Rounds, Row, Run, in_turn};
use tete::bench::ways::Way;

use super::table::{print, print_head};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Way(Way),
    Scp,
}

const UNHASHED: Of = Of::Way(Way::Tete(How { encrypted: true, ..How::UNVERIFIED }));
const HASHED: Of = Of::Way(Way::Tete(How { encrypted: true, ..How::VERIFIED }));
const PLAIN: Of = Of::Way(Way::Tete(How::VERIFIED));
const TLS: Of = Of::Way(Way::Tls(Care { hash: false, sync: false }));
const TLS_HASHED: Of = Of::Way(Way::Tls(Care { hash: true, sync: false }));

const ALL: [Of; 6] = [TLS, TLS_HASHED, Of::Scp, UNHASHED, HASHED, PLAIN];

/// The first one's speed is told as a part of the second one's, and what is wanted of it.
const RATIOS: [(Of, Of, &str); 4] = [
    (UNHASHED, TLS, ""),
    (HASHED, TLS_HASHED, " (wanted: at least 0.9)"),
    (HASHED, Of::Scp, " (wanted: at least 2)"),
    (HASHED, PLAIN, ""),
];

impl Of {
    fn words(self) -> String {
        match self {
            Self::Scp => format!("scp, {CIPHER}"),
            Self::Way(way) => way.words(),
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
    fn run(&mut self, of: Of) -> io::Result<Run> {
        match of {
            Of::Way(way) => way.run(&self.source, self.size, self.scratch),
            Of::Scp => {
                let into = self.scratch.destination()?;
                self.run_scp(&into)
            }
        }
    }

    /// Less what a file of one byte takes: the others are measured from their handshake on too.
    fn run_scp(&self, into: &Path) -> io::Result<Run> {
        let scp = self.scp.as_ref().ok_or_else(|| io::Error::other("there is no scp"))?;
        let start = scp.fetch(&self.byte, into)?;
        let all = scp.fetch(&self.source, into)?;
        self.scratch.clear(into)?;
        Ok(Run { seconds: all.saturating_sub(start).as_secs_f64(), ..Run::default() })
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
    let ways: Vec<Of> = ALL.into_iter().filter(|way| *way != Of::Scp || scp.is_ok()).collect();

    println!("encrypted: {gigabytes:.2} GB, {} rounds in turn, medians:", plan.rounds);
    let missing = scp.as_ref().err().map(ToString::to_string);
    let mut bench = Bench { source, size, byte, scp: scp.ok(), scratch };
    let rows = in_turn(ways.len(), Rounds::of(plan.rounds), gigabytes, |_, which| bench.run(ways[which]))?;
    print_head();
    for (way, row) in ways.iter().zip(&rows) {
        print(row, &way.words());
    }
    if let Some(why) = missing {
        println!("  without scp: {why}");
    }
    print_ratios(&ways, &rows);
    Ok(())
}

fn print_ratios(ways: &[Of], rows: &[Row]) {
    let speed = |of: Of| ways.iter().zip(rows).find(|(way, _)| **way == of).map(|(_, row)| row.speeds.median());
    println!("  ratios of medians:");
    for (one, other, wanted) in RATIOS {
        if let (Some(first), Some(second)) = (speed(one), speed(other)) {
            println!("    {} / {}: {:.2}{wanted}", one.words(), other.words(), first / second);
        }
    }
}
