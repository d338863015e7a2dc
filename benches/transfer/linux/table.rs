//! A table of speeds: ways to move one file, run in turn, and what each of them cost.
//!
//! Owns: the order of the runs, the rows. Must not know: what is compared, how a run works.

use std::io;

use super::figures::{median, percentile};
use super::process::Outcome;

/// What one run gave.
pub(crate) struct Run {
    /// From the first byte to the last one's confirmation.
    pub(crate) seconds: f64,
    /// Seconds of the processors, sender's and receiver's, where they can be known.
    pub(crate) cpu: Option<[f64; 2]>,
}

impl Run {
    /// Of two processes that have measured themselves.
    pub(crate) fn of(outcome: &Outcome) -> io::Result<Self> {
        let cpu = [outcome.sender.one("cpu")?, outcome.receiver.one("cpu")?];
        Ok(Self { seconds: outcome.sender.one("seconds")?, cpu: Some(cpu) })
    }
}

/// The rounds of one way.
#[derive(Clone, Default)]
pub(crate) struct Row {
    /// Gigabytes a second.
    speeds: Vec<f64>,
    /// Processor seconds for a gigabyte: sender's, receiver's.
    cpu: [Vec<f64>; 2],
}

/// Runs each of the `ways` once a round, after a round that does not count.
pub(crate) fn in_turn(
    ways: usize,
    rounds: usize,
    gigabytes: f64,
    mut run: impl FnMut(usize) -> io::Result<Run>,
) -> io::Result<Vec<Row>> {
    let mut rows = vec![Row::default(); ways];
    for round in 0..=rounds {
        for turn in 0..ways {
            // Each comes first in its turn.
            let which = (turn + round) % ways;
            let run = run(which)?;
            if round == 0 {
                continue; // warm-up
            }
            rows[which].speeds.push(gigabytes / run.seconds);
            for (row, seconds) in rows[which].cpu.iter_mut().zip(run.cpu.into_iter().flatten()) {
                row.push(seconds / gigabytes);
            }
        }
    }
    Ok(rows)
}

/// The line above the rows.
pub(crate) fn print_head() {
    println!("  {:42}  GB/s (least - most)    CPU s per GB: sender, receiver, both", "");
}

impl Row {
    /// The median of the rounds, in gigabytes a second.
    pub(crate) fn speed(&self) -> f64 {
        median(&self.speeds)
    }

    /// One line.
    pub(crate) fn print(&self, words: &str) {
        let (least, most) = (percentile(&self.speeds, 0), percentile(&self.speeds, 100));
        let speed = self.speed();
        print!("  {words:42}  {speed:4.2} ({least:4.2} - {most:4.2})");
        if !self.cpu[0].is_empty() {
            let [sender, receiver] = self.cpu.each_ref().map(|of| median(of));
            print!("     {sender:4.2}  {receiver:4.2}  {:4.2}", sender + receiver);
        }
        println!();
    }
}
