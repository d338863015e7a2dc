//! Medians, spreads, and whether a machine was quiet enough for them to mean anything.
//!
//! Owns: what is made of the rounds of one measurement. Must not know: what was measured, in which unit.

/// A measurement is called noisy when the middle half of its rounds lies further apart than this part of their median.
/// Twice as much is what the same program shows from one minute to the next on a busy virtual machine; a quiet one stays
/// below a tenth.
pub const NOISY: f64 = 0.2;
/// Fewer rounds than these have no spread worth the name.
pub const FEWEST: usize = 3;

/// The value that `percent` of them do not exceed; 0 of none.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// The one in the middle: of an even number the lower one of two.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The rounds of one measurement, in the order in which they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// One round more.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The rounds.
    pub fn rounds(&self) -> &[f64] {
        &self.0
    }

    /// See [`median`].
    pub fn median(&self) -> f64 {
        median(&self.0)
    }

    /// The smallest and the largest.
    pub fn ends(&self) -> [f64; 2] {
        [0, 100].map(|percent| percentile(&self.0, percent))
    }

    /// How far apart the middle half of the rounds lies, as a part of the median; of fewer than four rounds, how far all
    /// of them do. 0: all alike, or fewer than two.
    pub fn spread(&self) -> f64 {
        let [low, high] = match self.0.len() {
            0..4 => self.ends(),
            n => {
                let mut sorted = self.0.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                [n / 4, n - 1 - n / 4].map(|at| sorted[at])
            }
        };
        let median = self.median();
        if median > 0.0 { (high - low) / median } else { 0.0 }
    }

    /// Whether the rounds lie so far apart that the median tells little (see [`NOISY`]), or are so few that nobody knows.
    pub fn is_noisy(&self) -> bool {
        self.0.len() < FEWEST || self.spread() > NOISY
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        values.iter().copied().collect()
    }

    #[test]
    fn a_median_stands_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        assert_eq!([0, 50, 90, 99, 100].map(|percent| percentile(&values, percent)), [1.0, 51.0, 91.0, 100.0, 101.0]);
    }

    #[test]
    fn one_round_that_was_disturbed_makes_no_noise() {
        let quiet = sample(&[1.0, 1.02, 0.99, 1.01, 0.2]);
        assert!(!quiet.is_noisy(), "{}", quiet.spread());
        assert_eq!(quiet.ends(), [0.2, 1.02]);
    }

    #[test]
    fn rounds_that_lie_apart_are_noisy() {
        assert!(sample(&[1.0, 2.0, 1.0, 2.0, 1.5]).is_noisy());
        assert!(sample(&[1.0, 1.3, 1.0]).is_noisy());
        assert!(!sample(&[1.0, 1.1, 1.0]).is_noisy());
        assert!(sample(&[1.0, 1.0]).is_noisy(), "nobody knows");
    }

    #[test]
    fn what_was_measured_once_or_never_has_no_spread() {
        assert_eq!([&[][..], &[5.0], &[0.0, 0.0]].map(|values| sample(values).spread()), [0.0; 3]);
    }
}
