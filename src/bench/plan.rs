//! What is to be measured, and how thoroughly.
//!
//! Owns: the choices, and what they come to in bytes, rounds and seconds. Must not know: how anything is measured.

use std::path::PathBuf;
use std::time::Duration;

use super::turns::Rounds;

/// Smallest and largest file, in bytes: below the first a run is over before it is measured; the second is what fits into
/// the memory of few machines twice.
pub const SIZES: [u64; 2] = [1 << 20, 64 << 30];

/// How thoroughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// What matters most, in under 20 seconds.
    Quick,
    /// What one wants to know, in under a minute.
    #[default]
    Usual,
    /// Every combination, however long it takes.
    Full,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How fast files go.
    Files,
    /// How long texts take, also beside files.
    Texts,
    /// What it costs while nothing happens, and to begin.
    Idle,
}

/// Everything that can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How thoroughly.
    pub effort: Effort,
    /// One part alone; `None`: all.
    pub only: Option<Part>,
    /// Bytes of the file that is moved.
    pub size: Option<u64>,
    /// A folder in memory; `None`: the usual one.
    pub memory: Option<PathBuf>,
    /// A folder on a disk; `None`: the current one, or the one for temporary files.
    pub disk: Option<PathBuf>,
    /// The source on the disk is read from there, and not from the system's cache.
    pub cold: bool,
    /// One JSON document instead of tables.
    pub json: bool,
    /// A page for a browser is written there too.
    pub html: Option<PathBuf>,
}

impl Plan {
    /// Bytes of the file that is moved.
    pub fn size(&self) -> u64 {
        self.size.unwrap_or(match self.effort {
            Effort::Quick | Effort::Usual => 128 << 20,
            Effort::Full => 256 << 20,
        })
    }

    /// Whether a part is wanted.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// How often each way of moving a file is measured.
    pub fn rounds(&self) -> Rounds {
        let within = match self.effort {
            Effort::Quick => Some(Duration::from_secs(7)),
            Effort::Usual => Some(Duration::from_secs(26)),
            Effort::Full => None,
        };
        Rounds { at_most: 7, within }
    }
}
