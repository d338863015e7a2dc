//! What somebody at a terminal does, as far as chance decides it.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::transfers::Policy;

use crate::random::Random;

/// What the user does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Say,
    Offer,
    Edit,
    Cancel,
    Leave,
    Cut,
    Dawdle,
}

/// A stream that is being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growing {
    pub(crate) id: TransferId,
    pub(crate) size: u64,
    pub(crate) grown: u64,
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) policy: Policy,
    /// When it does something again.
    pub(crate) acts_at: Option<Duration>,
    /// When it reads again.
    pub(crate) reads_at: Duration,
    /// Texts are said in bursts of so many.
    pub(crate) talkative: u64,
    pub(crate) leaves_at: Option<Duration>,
    /// Whether it loses its patience while leaving.
    pub(crate) impatient: bool,
    pub(crate) slow: bool,
    /// It lets its files be.
    pub(crate) calm: bool,
    pub(crate) undecided: Vec<TransferId>,
    pub(crate) growing: Vec<Growing>,
    pub(crate) files: u64,
    /// Its files, by number, that did not arrive before: it offers them again.
    pub(crate) again: Vec<u64>,
}

impl User {
    pub(crate) fn new(random: &mut Random, now: Duration, active: Duration) -> Self {
        let leaves = random.chance(700);
        Self {
            policy: random.pick(&[Policy::Auto, Policy::Auto, Policy::Auto, Policy::Ask, Policy::Never]),
            acts_at: Some(now),
            reads_at: now,
            talkative: random.pick(&[1, 3, 40]),
            leaves_at: leaves.then(|| now + Duration::from_millis(random.below(2 * active.as_millis() as u64))),
            impatient: random.chance(150),
            slow: random.chance(300),
            calm: false,
            undecided: Vec::new(),
            growing: Vec::new(),
            files: random.pick(&[0, 1, 4, 12]),
            again: Vec::new(),
        }
    }

    /// Decides, and when to decide again.
    pub(crate) fn act(&mut self, random: &mut Random, now: Duration, quiet: bool, leaving: bool) -> Act {
        self.acts_at = Some(now + Duration::from_micros(random.skewed(400_000)));
        if let Some(at) = self.leaves_at.filter(|at| *at <= now) {
            if !leaving {
                return Act::Leave;
            }
            if self.impatient && now > at + Duration::from_secs(1) {
                self.impatient = false;
                return Act::Cut;
            }
        }
        if quiet {
            let later = self.leaves_at.map(|at| at.max(now + Duration::from_millis(100)));
            self.acts_at = if leaving && !self.impatient { None } else { later };
            return Act::Dawdle;
        }
        if !self.again.is_empty() && random.chance(600) {
            return Act::Offer;
        }
        match random.below(10) {
            0..5 => Act::Say,
            5..8 if self.files > 0 => Act::Offer,
            8 if !self.calm && random.chance(300) => Act::Cancel,
            8 if !self.calm && random.chance(60) => Act::Edit,
            _ => Act::Dawdle,
        }
    }

    /// How many events it takes now.
    pub(crate) fn reads(&mut self, random: &mut Random, now: Duration, quiet: bool) -> usize {
        if quiet || !self.slow {
            return usize::MAX;
        }
        if self.reads_at > now {
            return 0;
        }
        self.reads_at = now + Duration::from_micros(random.skewed(3_000_000));
        random.between(1, 20) as usize
    }
}
