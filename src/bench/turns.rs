//! Ways to do one thing, run in turn, and what each of them cost.
//!
//! Owns: the order of the runs, how many there are, the rows. Must not know: what is compared, how a run works.
//!
//! Only figures of one run, taken in turn, can be compared: a machine's speed changes by a factor of two from one minute
//! to the next.

use std::io;
use std::time::{Duration, Instant};

use crate::proto::stages::{Stage, Stages};

use super::process::Outcome;
use super::stats::Sample;

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// From the first byte to the last one's confirmation.
    pub seconds: f64,
    /// Seconds of the processors, sender's and receiver's, where they can be known.
    pub cpu: Option<[f64; 2]>,
    /// What had been sent when: seconds, bytes. Empty where nobody looked.
    pub timeline: Vec<[f64; 2]>,
    /// What it waited for; nothing where nobody counts that.
    pub stages: Stages,
}

impl Run {
    /// Of two processes that have measured themselves.
    ///
    /// # Errors
    /// They have not.
    pub fn of(outcome: &Outcome) -> io::Result<Self> {
        let cpu = [outcome.sender.one("cpu")?, outcome.receiver.one("cpu")?];
        let (at, bytes) = (outcome.sender.all("at"), outcome.sender.all("sent"));
        let timeline = at.into_iter().zip(bytes).map(|(at, bytes)| [at, bytes]).collect();
        let waited = |stage: &Stage| {
            let seconds = outcome.sender.all(stage.key()).iter().sum::<f64>();
            (*stage, Duration::try_from_secs_f64(seconds).unwrap_or_default())
        };
        let stages = Stage::ALL.iter().map(waited).collect();
        Ok(Self { seconds: outcome.sender.one("seconds")?, cpu: Some(cpu), timeline, stages })
    }
}

/// The rounds of one way.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Gigabytes (10^9 bytes) a second.
    pub speeds: Sample,
    /// Processor seconds for a gigabyte: sender's, receiver's.
    pub cpu: [Sample; 2],
    /// See [`Run::timeline`]: of the last round.
    pub timeline: Vec<[f64; 2]>,
    /// See [`Run::stages`]: of all rounds together.
    pub stages: Stages,
}

/// How many rounds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// No more.
    pub at_most: usize,
    /// None is begun that would probably end later; one there is in any case. `None`: there is time.
    pub within: Option<Duration>,
}

impl Rounds {
    /// So many, however long they take.
    pub fn of(number: usize) -> Self {
        Self { at_most: number, within: None }
    }
}

/// Runs each of the `ways` once a round, after a round that does not count.
///
/// # Errors
/// Those of a run.
pub fn in_turn(
    ways: usize,
    rounds: Rounds,
    gigabytes: f64,
    mut run: impl FnMut(usize, usize) -> io::Result<Run>,
) -> io::Result<Vec<Row>> {
    let began = Instant::now();
    let mut rows = vec![Row::default(); ways];
    for round in 0..=rounds.at_most {
        let round_began = Instant::now();
        for turn in 0..ways {
            // Each comes first in its turn.
            let which = (turn + round) % ways;
            let run = run(round, which)?;
            if round == 0 {
                continue; // warm-up
            }
            rows[which].speeds.add(gigabytes / run.seconds);
            for (row, seconds) in rows[which].cpu.iter_mut().zip(run.cpu.into_iter().flatten()) {
                row.add(seconds / gigabytes);
            }
            let both = [rows[which].stages, run.stages];
            rows[which].stages = both.iter().flat_map(|of| Stage::ALL.map(|stage| (stage, of.get(stage)))).collect();
            rows[which].timeline = run.timeline;
        }
        let next_ends = began.elapsed() + round_began.elapsed();
        if round > 0 && rounds.within.is_some_and(|within| next_ends > within) {
            break;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ways: usize, rounds: Rounds) -> Vec<(usize, usize)> {
        let mut order = Vec::new();
        let run = |round, which| {
            order.push((round, which));
            Ok(Run { seconds: 2.0, ..Run::default() })
        };
        let rows = in_turn(ways, rounds, 1.0, run).unwrap();
        assert!(rows.iter().all(|row| row.speeds.median() == 0.5));
        order
    }

    #[test]
    fn each_way_comes_first_in_its_turn() {
        let expected = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 0), (2, 2), (2, 0), (2, 1)];
        assert_eq!(order(3, Rounds::of(2)), expected);
    }

    #[test]
    fn one_round_counts_however_little_time_there_is() {
        assert_eq!(order(1, Rounds { at_most: 9, within: Some(Duration::ZERO) }), [(0, 0), (1, 0)]);
    }

    #[test]
    fn the_round_that_warms_up_is_not_counted() {
        let cpu = Some([1.0, 2.0]);
        let run = |round, _| Ok(Run { seconds: if round == 0 { 100.0 } else { 1.0 }, cpu, ..Run::default() });
        let rows = in_turn(1, Rounds::of(3), 1.0, run).unwrap();
        assert_eq!(rows[0].speeds.rounds(), [1.0; 3]);
        assert_eq!(rows[0].cpu[1].rounds(), [2.0; 3]);
    }
}
