//! How fast files go: from where, into where, with what care, and by which way.
//!
//! Owns: which combinations are measured, their order, what is made of the rounds. Must not know: how a file is moved,
//! how a figure is shown.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::proto::transfers::SMALL_FILE;
use crate::sys;

use super::Told;
use super::calls::{self, Calls};
use super::folders::{self, check_room};
use super::helpers::Care;
use super::plan::{Effort, Plan};
use super::process::run_counted;
use super::raw::By;
use super::scratch::Scratch;
use super::side::How;
use super::turns::{Row, in_turn};
use super::ways::Way;

/// Bytes of a file that costs what every file does that has a link of its own, and hardly anything for its bytes.
const LEAST: u64 = 2 * SMALL_FILE;

/// Where a file is, or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file system in memory.
    Memory,
    /// A file system on a disk; what is read from there stands in the system's cache, unless it is thrown out of it.
    Disk,
    /// Nowhere: what arrives is thrown away.
    Nowhere,
}

impl Place {
    /// One word, for programs too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Nowhere => "nowhere",
        }
    }
}

/// What is the same for all ways that are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Where the file is.
    pub from: Place,
    /// Where it goes.
    pub into: Place,
    /// Both sides hash it, and compare.
    pub verified: bool,
    /// The receiver waits for its disk.
    pub synced: bool,
    /// Nobody on the way can read it.
    pub encrypted: bool,
}

impl Case {
    /// As a table calls it.
    pub fn words(self) -> String {
        let verified = if self.verified { "verified" } else { "not verified" };
        let synced = match (self.into, self.synced) {
            (Place::Disk, true) => ", on the disk at the end",
            (Place::Disk, false) => ", not waiting for the disk",
            _ => "",
        };
        let encrypted = if self.encrypted { "encrypted" } else { "plain" };
        format!("{} -> {}, {encrypted}, {verified}{synced}", self.from.word(), self.into.word())
    }

    /// The probes, then tete.
    fn ways(self, effort: Effort) -> Vec<Way> {
        let care = Care { hash: self.verified, sync: self.synced };
        let raw = |by| Way::Raw { by, care };
        let mut ways = match (self.encrypted, self.into) {
            (true, Place::Nowhere) => vec![],
            (true, _) => vec![Way::Tls(care)],
            (false, Place::Nowhere) => vec![raw(By::Nothing)],
            (false, _) => vec![raw(By::Write1m), raw(By::Splice)],
        };
        let how = How {
            unverified: !self.verified,
            copied: false,
            discarded: self.into == Place::Nowhere,
            encrypted: self.encrypted,
            synced: self.synced,
        };
        ways.push(Way::Tete(how));
        // An encrypted file passes through the program in any case.
        if effort == Effort::Full && !self.encrypted {
            ways.push(Way::Tete(How { copied: true, ..how }));
        }
        ways
    }
}

/// The cases that are measured, plain and encrypted.
fn cases(effort: Effort, has_disk: bool) -> Vec<Case> {
    use Place::{Disk, Memory, Nowhere};
    let both = [(Memory, true), (Memory, false), (Disk, true), (Disk, false), (Nowhere, false)];
    let mut found = Vec::new();
    for from in [Memory, Disk] {
        for (into, verified) in both {
            for synced in [true, false] {
                let is_usual = verified && synced == (into == Disk);
                let wanted = match effort {
                    Effort::Quick => is_usual && from == Memory && into == Memory,
                    Effort::Usual => is_usual || (from == Memory && into == Memory && !synced),
                    Effort::Full => into == Disk || !synced,
                };
                let there = has_disk || (from != Disk && into != Disk);
                for encrypted in [false, true] {
                    found.extend((wanted && there).then_some(Case { from, into, verified, synced, encrypted }));
                }
            }
        }
    }
    found
}

/// One way in one case, measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The case.
    pub case: Case,
    /// The way.
    pub way: Way,
    /// Its rounds.
    pub row: Row,
    /// System calls for a megabyte, sender's and receiver's, where they were counted.
    pub calls: Option<[f64; 2]>,
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Bytes of the file.
    pub size: u64,
    /// Whether what comes from the disk was really read from there.
    pub cold: bool,
    /// The folders: in memory, and on a disk.
    pub folders: [Option<PathBuf>; 2],
    /// Why system calls were not counted.
    pub not_counted: Option<String>,
    /// What was measured, case by case, tete behind its probes.
    pub all: Vec<Measured>,
}

impl Files {
    /// The fastest probe of a case, by its median.
    pub fn best_probe(&self, case: Case) -> Option<&Measured> {
        let probes = self.all.iter().filter(|one| one.case == case && !matches!(one.way, Way::Tete(_)));
        probes.max_by(|a, b| a.row.speeds.median().total_cmp(&b.row.speeds.median()))
    }

    /// Of what tete measured: its median speed as a part of the fastest probe's, and whether both were steady enough for
    /// that to mean something.
    pub fn share(&self, of: &Measured) -> Option<(f64, bool)> {
        let Way::Tete(_) = of.way else { return None };
        let best = &self.best_probe(of.case)?.row.speeds;
        let ours = &of.row.speeds;
        (best.median() > 0.0).then(|| (ours.median() / best.median(), !(ours.is_noisy() || best.is_noisy())))
    }
}

/// Measures.
///
/// # Errors
/// No folder, no room, or a process that failed.
pub fn measure(plan: &Plan, told: &mut Told) -> io::Result<Files> {
    let size = plan.size();
    let (memory, mut in_memory) = folders::in_memory(plan)?;
    let (disk, mut on_disk) = match plan.effort {
        Effort::Quick => (None, None),
        Effort::Usual | Effort::Full => folders::on_disk(plan, 2 * size)?.unzip(),
    };
    if plan.cold && disk.is_none() {
        return Err(io::Error::other("--cold: there is no folder on a disk here; --disk names one"));
    }
    // The source, and one that arrives.
    for folder in [Some(&memory), disk.as_ref()].into_iter().flatten() {
        check_room(folder, 2 * size)?;
    }
    told.say("preparing");
    let sources =
        [Some(in_memory.source("file", size)?), on_disk.as_ref().map(|disk| disk.source("file", size)).transpose()?];
    let cases = cases(plan.effort, on_disk.is_some());
    let ways: Vec<(Case, Way)> =
        cases.iter().flat_map(|case| case.ways(plan.effort).into_iter().map(|way| (*case, way))).collect();
    let source = |case: Case| {
        let found = if case.from == Place::Disk { &sources[1] } else { &sources[0] };
        found.as_deref().ok_or_else(|| io::Error::other("there is no such source"))
    };

    let rounds = plan.rounds();
    let rows = in_turn(ways.len(), rounds, size as f64 / 1e9, |round, which| {
        let (case, way) = ways[which];
        told.say(&match round {
            0 => format!("files, warming up: {}", case.words()),
            _ => format!("files, round {round} of at most {}: {}", rounds.at_most, case.words()),
        });
        let file = source(case)?;
        if plan.cold && case.from == Place::Disk {
            forget(file)?;
        }
        let into = if case.into == Place::Disk { on_disk.as_mut() } else { None };
        way.run(file, size, into.unwrap_or(&mut in_memory))
    })?;

    let mut files = Files { size, cold: plan.cold, folders: [Some(memory), disk], ..Files::default() };
    for ((case, way), row) in ways.into_iter().zip(rows) {
        files.all.push(Measured { case, way, row, calls: None });
    }
    files.not_counted = match (plan.effort, calls::available()) {
        (Effort::Full, Ok(())) => None,
        (Effort::Full, Err(why)) => Some(why),
        _ => Some("only with --full".to_owned()),
    };
    if files.not_counted.is_none() {
        told.say("counting system calls");
        let from_memory = |one: &&mut Measured| one.case.from == Place::Memory && one.case.into != Place::Disk;
        let counted = in_memory.source("least", LEAST).and_then(|least| {
            files.all.iter_mut().filter(from_memory).try_for_each(|one| {
                let all = count(one.way, source(one.case)?, size, &mut in_memory)?;
                let anyway = count(one.way, &least, LEAST, &mut in_memory)?;
                let each = |side: usize| all[side].beyond(&anyway[side]).total() as f64 * 1e6 / (size - LEAST) as f64;
                one.calls = Some([each(0), each(1)]);
                Ok::<_, io::Error>(())
            })
        });
        // What was timed before is worth as much without.
        files.not_counted = counted.err().map(|error| sys::words(&error));
    }
    in_memory.remove()?;
    on_disk.map_or(Ok(()), Scratch::remove)?;
    Ok(files)
}

/// System calls, sender's and receiver's, in a run that is not timed.
fn count(way: Way, file: &Path, size: u64, scratch: &mut Scratch) -> io::Result<[Calls; 2]> {
    let into = scratch.destination()?;
    let (receiver, sender) = way.roles(file, size, &into);
    let (_, calls) = run_counted(scratch.room(), &receiver, sender)?;
    scratch.clear(&into)?;
    Ok(calls)
}

/// The next one who reads it reads it from the disk.
fn forget(file: &Path) -> io::Result<()> {
    let file = File::open(file)?;
    sys::sync_file(&file)?;
    sys::forget_cached(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_cases_are_those_of_a_user_and_full_has_them_too() {
        let usual = cases(Effort::Usual, true);
        let full = cases(Effort::Full, true);
        assert!(usual.iter().all(|case| full.contains(case)));
        assert!(usual.iter().filter(|case| case.verified).all(|case| case.synced == (case.into == Place::Disk)));
        assert_eq!((cases(Effort::Quick, true).len(), usual.len(), full.len()), (2, 10, 28));
    }

    #[test]
    fn without_a_disk_nothing_is_asked_of_it() {
        let on_disk = |case: &Case| case.from == Place::Disk || case.into == Place::Disk;
        assert!(!cases(Effort::Full, false).iter().any(on_disk));
        assert!(!cases(Effort::Full, false).is_empty());
    }

    #[test]
    fn what_is_thrown_away_is_never_called_verified() {
        let wrong = |case: &Case| case.into == Place::Nowhere && (case.verified || case.synced);
        assert!(!cases(Effort::Full, true).iter().any(wrong));
    }

    fn measured(way: Way, speeds: &[f64]) -> Measured {
        let case = cases(Effort::Quick, false)[0];
        let row = Row { speeds: speeds.iter().copied().collect(), ..Row::default() };
        Measured { case, way, row, calls: None }
    }

    #[test]
    fn the_share_is_of_the_fastest_probe_and_steady_only_if_both_are() {
        let raw = |by| Way::Raw { by, care: Care::default() };
        let files = |ours: &[f64]| Files {
            all: vec![
                measured(raw(By::Write1m), &[1.0, 1.0, 1.0]),
                measured(raw(By::Splice), &[2.0, 2.0, 2.0]),
                measured(Way::Tete(How::VERIFIED), ours),
            ],
            ..Files::default()
        };
        let share = |files: &Files| files.share(&files.all[2]);
        assert_eq!(share(&files(&[1.8, 1.8, 1.8])), Some((0.9, true)));
        assert_eq!(share(&files(&[1.8, 1.0, 2.0])), Some((0.9, false)));
        let all = files(&[1.8]);
        assert_eq!(all.share(&all.all[0]), None, "a probe has no share of itself");
    }
}
