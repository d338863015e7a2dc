//! What drawing costs: the same with the full screen and with lines alone.
//!
//! Owns: what is compared, the order of the rounds, the table. Must not know: how anybody is started, what a frame says.
//!
//! Both are there all the time, and one of them works while the other one has nothing to do, so that what a start costs
//! is not measured. Nothing is typed. Files go at a moderate pace: what one costs at full speed differs by a tenth of a
//! core from round to round, and would hide what drawing costs. Frames come by the clock, not by the byte.

use std::io;
use std::time::Instant;

use super::Plan;
use super::desk::{Desk, Heard, Load, Ui, Watch};
use tete::bench::scratch::Scratch;
use tete::bench::stats::{median, percentile};

/// What a frame begins with.
const FRAME: &[u8] = b"\x1b[?2026h";

/// Bytes of a file, and how many go in a second.
const BYTES: u64 = 50_000_000;

/// Texts of a round: more than the full screen shows in half a second.
const TEXTS: usize = 10_000;

const SHARE: f64 = 3.0;
const FRAMES: f64 = 30.0;

const LOADS: [Load; 3] = [Load::Arriving, Load::Sending, Load::Texts(TEXTS)];
const UIS: [Ui; 2] = [Ui::Full, Ui::Plain];

/// What one round gave.
#[derive(Clone, Copy, Debug)]
struct Run {
    seconds: f64,
    cpu: f64,
    /// A second.
    frames: f64,
    bytes: f64,
}

/// What was shown in one round.
#[derive(Debug, Default)]
struct Shown {
    bytes: usize,
    /// The last of them: a frame's begin may be divided.
    tail: Vec<u8>,
    frames: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Shown {
    fn take(&mut self, at: Instant, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.tail.extend_from_slice(bytes);
        let frames = self.tail.windows(FRAME.len()).filter(|bytes| *bytes == FRAME).count();
        if frames > 0 {
            self.frames += frames;
            self.first.get_or_insert(at);
            self.last = Some(at);
        }
        let rest = self.tail.len().min(FRAME.len() - 1);
        self.tail.drain(..self.tail.len() - rest);
    }

    /// Frames a second: so many began after the first one.
    fn pace(&self) -> f64 {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0.0 };
        self.frames.saturating_sub(1) as f64 / (last - first).as_secs_f64().max(1e-3)
    }
}

fn run(desk: &mut Desk, load: Load) -> io::Result<Run> {
    desk.clear()?;
    desk.calm(|_, _| {})?;
    let (cpu, began) = (desk.cpu()?, Instant::now());
    let mut watch = Watch::new(load);
    let mut shown = Shown::default();
    desk.begin(load)?;
    loop {
        match desk.must_hear()? {
            Heard::Shown(at, bytes) => shown.take(at, &bytes),
            Heard::Told(event) if watch.is_over(&event) => break,
            Heard::Told(_) | Heard::Echoed(..) => {}
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    // The last frame, and what follows the last byte.
    desk.calm(|at, bytes| shown.take(at, bytes))?;
    Ok(Run { seconds, cpu: desk.cpu()? - cpu, frames: shown.pace(), bytes: shown.bytes as f64 })
}

/// Runs and prints.
pub(crate) fn measure(plan: Plan, scratch: &mut Scratch) -> io::Result<()> {
    let file = scratch.source("short.bin", BYTES)?;
    let mut desk = |ui| Desk::new(ui, &file, Some(BYTES), scratch);
    let mut desks = [desk(UIS[0])?, desk(UIS[1])?];
    let mut runs: [[Vec<Run>; 2]; 3] = Default::default();
    for round in 0..=plan.rounds {
        for (load, runs) in LOADS.iter().zip(&mut runs) {
            for turn in 0..UIS.len() {
                // Each comes first in its turn.
                let which = (turn + round) % UIS.len();
                let run = run(&mut desks[which], *load)?;
                if round > 0 {
                    runs[which].push(run); // the first one is a warm-up
                }
            }
        }
    }

    println!(
        "cost: a file at {:.0} MB/s, or {TEXTS} texts, {} rounds in turn, medians (least - most):",
        BYTES as f64 / 1e6,
        plan.rounds
    );
    for (load, [full, plain]) in LOADS.iter().zip(&runs) {
        print(*load, full, plain);
    }
    Ok(())
}

fn of(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(figure).collect()
}

fn print(load: Load, full: &[Run], plain: &[Run]) {
    let spread = |values: &[f64]| (median(values), percentile(values, 0), percentile(values, 100));
    println!("  {}, for {:.2} s:", load.words(), median(&of(full, |run| run.seconds)));
    for (ui, runs) in [("full", full), ("plain", plain)] {
        let (cpu, least, most) = spread(&of(runs, |run| run.cpu / run.seconds * 100.0));
        let frames = median(&of(runs, |run| run.frames));
        let kilobytes = median(&of(runs, |run| run.bytes / run.seconds / 1e3));
        println!(
            "    {ui:5}  {cpu:5.1}% of a core ({least:5.1} - {most:5.1})  {frames:5.1} frames/s  {kilobytes:7.1} kB/s to the terminal"
        );
    }
    // What the whole costs varies more than what drawing does: the two of a round are compared.
    let difference = |(full, plain): (&Run, &Run)| (full.cpu - plain.cpu) / full.seconds * 100.0;
    let differences: Vec<f64> = full.iter().zip(plain).map(difference).collect();
    let (share, least, most) = spread(&differences);
    println!("    drawing: {share:.1}% of a core ({least:.1} - {most:.1}; wanted: under {SHARE})");
    let most = percentile(&of(full, |run| run.frames), 100);
    println!("    frames: at most {most:.1} a second (wanted: at most {FRAMES})");
}
