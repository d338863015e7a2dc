//! Many small files offered at once: what each costs, and whether it costs more the more there are.
//!
//! Owns: the numbers, and the table. Must not know: how a run works.

use std::io;
use std::path::PathBuf;

use super::Plan;
use tete::bench::ours;
use tete::bench::process::run;
use tete::bench::scratch::Scratch;
use tete::bench::side::How;
use tete::bench::stats::median;

const COUNTS: [usize; 3] = [250, 500, 1_000];
const SIZE: u64 = 4 * 1024;

/// The rounds of one number of files.
#[derive(Default)]
struct Row {
    seconds: Vec<f64>,
    /// Processor seconds: sender's, receiver's.
    cpu: [Vec<f64>; 2],
    /// Peak memory in megabytes.
    peaks: [Vec<f64>; 2],
}

/// Runs and prints.
pub(crate) fn measure(plan: &Plan, scratch: &mut Scratch) -> io::Result<()> {
    let most = COUNTS.into_iter().max().unwrap_or_default();
    let names = (0..most).map(|number| format!("small-{number}"));
    let files: Vec<PathBuf> = names.map(|name| scratch.source(&name, SIZE)).collect::<io::Result<_>>()?;
    let mut rows: Vec<Row> = COUNTS.iter().map(|_| Row::default()).collect();
    for round in 0..=plan.rounds {
        for (count, row) in COUNTS.iter().zip(&mut rows) {
            let into = scratch.destination()?;
            let (receiver, sender) = ours::roles(&files[..*count], &into, How::default());
            let outcome = run(&receiver, sender)?;
            scratch.clear(&into)?;
            if outcome.receiver.one("files")? != *count as f64 {
                return Err(io::Error::other("some files did not arrive"));
            }
            if round == 0 {
                continue; // warm-up
            }
            row.seconds.push(outcome.sender.one("seconds")?);
            for (which, side) in [&outcome.sender, &outcome.receiver].into_iter().enumerate() {
                row.cpu[which].push(side.one("cpu")?);
                row.peaks[which].push(side.one("peak")? / 1e6);
            }
        }
    }

    println!("many: files of {SIZE} bytes offered at once, {} rounds in turn, medians:", plan.rounds);
    println!("  files     total   each file   CPU of it: sender, receiver   peak MB: sender, receiver");
    let each = |seconds: &[f64], count: usize| median(seconds) * 1e6 / count as f64;
    for (count, row) in COUNTS.iter().zip(&rows) {
        let total = median(&row.seconds) * 1e3;
        let all = each(&row.seconds, *count);
        let [sender, receiver] = row.cpu.each_ref().map(|cpu| each(cpu, *count));
        let [ours, theirs] = row.peaks.each_ref().map(|peaks| median(peaks));
        print!("  {count:5}  {total:5.0} ms  {all:7.0} µs      {sender:5.0} µs  {receiver:5.0} µs     ");
        println!("     {ours:5.1}  {theirs:5.1}");
    }
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let ratio = each(&last.seconds, most) / each(&first.seconds, COUNTS[0]);
    println!(
        "  ratio of a file's time, {most} / {}: {ratio:.2} (1: no file costs more for those before it)",
        COUNTS[0]
    );
    Ok(())
}
