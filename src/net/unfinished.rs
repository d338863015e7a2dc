//! What earlier runs have left in a folder of received files: parts, and the journals beside them.
//!
//! Owns: their names, who may touch them, which of them a file that is offered can go on from, the list of all for their
//! owner. Must not know: sessions, how a part is written. May block.
//!
//! ```text
//!   .tete-0123456789abcdef.NAME.part       locked (flock) by the process that writes it, as long as that lives
//!   .tete-0123456789abcdef.NAME.journal    belongs to the part, and to who holds its lock
//! ```
//!
//! The lock goes with the process, however it ends: what is not locked belongs to nobody.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::journal::Record;
use crate::proto::digest::BLOCK;
use crate::sys;

/// Before the hidden names.
const PREFIX: &str = ".tete-";
const PART: &str = ".part";
const JOURNAL: &str = ".journal";
/// Bytes of the offered name that a hidden name shows. With what stands around it, a name of at most 255 bytes.
const SHOWN: usize = 100;
/// Unfinished files of a folder that are looked at.
pub(super) const MAX_LEFT: usize = 1_000;
/// Names of a folder among which they are looked for.
const MAX_LISTED: usize = 100_000;

/// What the hidden names of one unfinished file have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stem(String);

impl Stem {
    /// Of a new one.
    pub(super) fn new(random: u64, name: &str) -> Self {
        Self(format!("{PREFIX}{random:016x}.{}", cut(name, SHOWN)))
    }

    /// Of a name in the folder, if it is one of ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(PART).or_else(|| name.strip_suffix(JOURNAL))?;
        let (random, _) = stem.strip_prefix(PREFIX)?.split_once('.')?;
        let is_ours = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_ours.then(|| Self(stem.to_owned()))
    }

    /// Of all names of a folder, at most [`MAX_LEFT`]. A part and its journal are one.
    pub(super) fn among(names: &[OsString]) -> BTreeSet<Self> {
        let all: BTreeSet<_> = names.iter().filter_map(|name| Self::of(name.to_str()?)).collect();
        all.into_iter().take(MAX_LEFT).collect()
    }

    pub(super) fn part(&self) -> String {
        format!("{}{PART}", self.0)
    }

    pub(super) fn journal(&self) -> String {
        format!("{}{JOURNAL}", self.0)
    }

    /// What it shows of the name of the file.
    fn shown(&self) -> &str {
        self.0.get(PREFIX.len() + 17..).unwrap_or_default()
    }
}

/// At most `bytes` of a text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// Which file is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) size: Option<u64>,
    /// The key of who sends it; `None` on a plain link.
    pub(super) peer: Option<[u8; 32]>,
}

/// A part of which some blocks were verified, and which nobody else has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stem: Stem,
    /// Open, and locked.
    pub(super) file: File,
    pub(super) record: Record,
    /// Its verified blocks, at least one.
    pub(super) values: Vec<[u8; 32]>,
}

/// What a search has led to.
#[derive(Debug)]
pub(super) enum Search {
    /// There is nothing to go on from.
    Nothing,
    /// What there was is of another size by now, and was removed.
    Replaced,
    /// There is.
    Found(Box<Found>),
}

/// Opens a part and locks it; `None`: somebody else has it, or it is no part of ours.
fn hold(folder: BorrowedFd<'_>, stem: &Stem) -> io::Result<Option<File>> {
    let file = sys::open_own(folder, &stem.part())?;
    let access = sys::access(&file)?;
    // Who had it may have removed it, or given it its name, before the lock was free.
    let is_free = access.is_file && access.is_ours && file.try_lock().is_ok();
    // Where a rename cannot be kept from replacing, a file has two names for a moment. Whoever died in it had its name. Who
    // has made a link to a part, to copy a folder, loses no more than the time it took.
    if is_free && sys::access(&file)?.links > 1 {
        discard(folder, stem)?;
        return Ok(None);
    }
    Ok(Some(file).filter(|file| is_free && sys::is_entry(folder, &stem.part(), file)))
}

/// Removes a part that is held, and its journal.
fn discard(folder: BorrowedFd<'_>, stem: &Stem) -> io::Result<()> {
    match sys::unlink(folder, &stem.journal()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sys::unlink(folder, &stem.part()),
    }
}

/// Looks for a part to go on from among these. What can be of use to nobody is removed on the way: parts of the same
/// name that were never as far as a verified block, and journals without a part.
pub(super) fn search(folder: BorrowedFd<'_>, among: &BTreeSet<Stem>, wanted: Wanted<'_>) -> Search {
    let (mut best, mut stale) = (None::<Box<Found>>, Vec::new());
    for stem in among.iter().filter(|stem| stem.shown() == cut(wanted.name, SHOWN)) {
        let file = match hold(folder, stem) {
            Ok(Some(file)) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = sys::unlink(folder, &stem.journal()); // its file has its name: where there is none there is none
                continue;
            }
            _ => continue,
        };
        let found = match Record::open(folder, &stem.journal()) {
            Ok(Some((record, values))) => {
                let journal = record.journal();
                if journal.peer != wanted.peer || journal.name != wanted.name {
                    continue;
                }
                match wanted.size {
                    Some(size) if size == journal.size => match usable(file, record, values, stem) {
                        Ok(found) => found,
                        // A disk that fails now may not do so later: what is there stays.
                        Err(error) => {
                            log::warn!("{}: {}", stem.part(), sys::words(&error));
                            continue;
                        }
                    },
                    Some(_) => {
                        stale.push((stem, file));
                        continue;
                    }
                    // A stream goes on from nothing, and is no later version of anything.
                    None => continue,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // It is not for us to say what that is.
            _ => continue,
        };
        match found {
            Some(found) if best.as_ref().is_none_or(|best| best.values.len() < found.values.len()) => {
                best = Some(Box::new(found));
            }
            Some(_) => {}
            None => drop(discard(folder, stem).inspect_err(|error| log::debug!("{}: {error}", stem.part()))),
        }
    }
    match (best, &stale[..]) {
        (Some(found), _) => Search::Found(found),
        // Of several nobody knows which of them this one was.
        (None, [(stem, _)]) if discard(folder, stem).is_ok() => Search::Replaced,
        (None, _) => Search::Nothing,
    }
}

/// Only what the part really has counts, and only whole blocks.
/// `None`: nothing of it counts.
fn usable(file: File, record: Record, mut values: Vec<[u8; 32]>, stem: &Stem) -> io::Result<Option<Found>> {
    let length = sys::stamp(&file)?.size;
    let whole = if length >= record.journal().size { u64::MAX } else { length / BLOCK };
    values.truncate(usize::try_from(whole).unwrap_or(usize::MAX));
    let blocks = values.len() as u64;
    if blocks == 0 {
        return Ok(None);
    }
    // What stands behind was never verified. Neither is needed any more; nor is room that was set aside behind the end,
    // which would be missing where room for the rest is looked for.
    sys::cut(&file, record.journal().reach(blocks))?;
    sys::trim(&file)?;
    record.cut(blocks)?;
    Ok(Some(Found { stem: stem.clone(), file, record, values }))
}

/// An unfinished file, for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The name of the file as it was offered; if only its part is there, as much of it as that shows.
    pub name: String,
    /// The name of the part in the folder.
    pub part: String,
    /// Bytes of the whole, from whom it is (`None`: a plain link), since when in seconds since 1970; `None` without a
    /// journal.
    pub about: Option<(u64, Option<[u8; 32]>, u64)>,
    /// Bytes from which a later try goes on.
    pub verified: u64,
    /// Whether a running tete has it.
    pub held: bool,
}

/// The unfinished files of a folder, at most a thousand of them; with `clean` those that nobody has are removed.
///
/// # Errors
/// The system's, for the folder.
pub fn list(folder: &Path, clean: bool) -> io::Result<Vec<Unfinished>> {
    let folder = sys::open_folder(folder)?;
    let folder = folder.as_fd();
    let stems = Stem::among(&sys::list_names(folder, MAX_LISTED)?);
    Ok(stems.iter().filter_map(|stem| look(folder, stem, clean)).collect())
}

/// One of them; `None` when it is no file of ours, or what was to be removed stays.
fn look(folder: BorrowedFd<'_>, stem: &Stem, clean: bool) -> Option<Unfinished> {
    let file = match sys::open_own(folder, &stem.part()) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Its journal may be all that its owner has to go on from.
        Err(error) => {
            log::warn!("{}: {}", stem.part(), sys::words(&error));
            return None;
        }
    };
    if let Some(file) = &file
        && !sys::access(file).is_ok_and(|access| access.is_file && access.is_ours)
    {
        return None;
    }
    let held = file.as_ref().is_some_and(|file| file.try_lock().is_err());
    let journal = Record::open(folder, &stem.journal()).ok().flatten();
    let length = file.as_ref().and_then(|file| sys::stamp(file).ok()).map_or(0, |stamp| stamp.size);
    let verified = journal.as_ref().map_or(0, |(record, values)| record.journal().reach(values.len() as u64));
    let journal = journal.map(|(record, _)| record.journal().clone());
    let unfinished = Unfinished {
        name: journal.as_ref().map_or_else(|| stem.shown().to_owned(), |journal| journal.name.clone()),
        part: stem.part(),
        about: journal.map(|journal| (journal.size, journal.peer, journal.since)),
        verified: verified.min(length),
        held,
    };
    if clean && !held {
        let gone = match &file {
            Some(_) => discard(folder, stem),
            None => sys::unlink(folder, &stem.journal()),
        };
        if let Err(error) = gone {
            log::warn!("{}: {}", unfinished.part, sys::words(&error));
            return None;
        }
    }
    Some(unfinished)
}

#[cfg(test)]
#[path = "unfinished_tests.rs"]
mod tests;
