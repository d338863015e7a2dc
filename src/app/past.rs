//! What was typed in earlier runs, kept for the next ones: the file `history` beside the identity.
//!
//! Owns: the file, its bounds, and that two runs at once do not harm it. Must not know: what an entry is (whoever has
//! the history says how one stands in a line), what is shown of it.
//!
//! Lines are written as they are typed, with one call and without waiting for the disk: a crash costs the last ones at
//! most. The file grows beyond its bound, and is made short again at a start, when no other run has it open; each
//! run holds a lock on it, shared with the others.

use std::fs::File;
use std::io::Write;

use crate::secure::folder::{Folder, StoreError};
use crate::sys;

const FILE: &str = "history";
/// Bytes that a history is meant to have: some thousands of lines, read at a start without being felt.
pub const BOUND: u64 = 256 * 1024;
/// Bytes that it may have in a run that never finds it alone: from then on nothing is added.
const MOST: u64 = 16 * BOUND;

/// The history's file, to which lines are added.
#[derive(Debug)]
pub struct Past {
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// In a file that has room for so many bytes.
    In { file: File, room: u64, is_alone: bool },
    /// No longer, or not at all.
    Nowhere,
}

/// What there was at the start.
#[derive(Debug)]
pub struct Opened {
    /// Where lines are added from now on.
    pub past: Past,
    /// What stood in the file: its last lines, and in all less than two bounds and a line. Nothing where there was no
    /// file, or none that can be used.
    pub text: String,
    /// Why nothing is kept in this run, for our user.
    pub trouble: Option<StoreError>,
}

impl Past {
    /// One that keeps nothing: there is no folder for it.
    pub fn nowhere() -> Self {
        Self { kept: Kept::Nowhere }
    }

    /// Reads the history in `folder`. Blocks for as long as the disk takes.
    pub fn open(folder: &Folder) -> Opened {
        match try_open(folder) {
            Ok((kept, text)) => Opened { past: Self { kept }, text, trouble: None },
            Err(error) => Opened { past: Self::nowhere(), text: String::new(), trouble: Some(error) },
        }
    }

    /// Whether the file has outgrown its bound and may be [rewritten](Self::rewrite): no other run has it.
    pub fn is_to_be_rewritten(&self) -> bool {
        matches!(self.kept, Kept::In { room, is_alone: true, .. } if MOST - room > 2 * BOUND)
    }

    /// Puts a shorter history in place of the file: at once, so that a crash leaves the one or the other. Only
    /// at a start, where it [is to be](Self::is_to_be_rewritten): it blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The system's, such as a full disk: the file is then what it was, and nothing is added to it in this run.
    pub fn rewrite(&mut self, folder: &Folder, text: &str) -> Result<(), StoreError> {
        if !self.is_to_be_rewritten() {
            return Ok(());
        }
        self.kept = Kept::Nowhere;
        folder.replace(FILE, text)?;
        (self.kept, _) = try_open(folder)?;
        Ok(())
    }

    /// Adds a line, which has no line break in it.
    ///
    /// # Errors
    /// It could not be written, which is told once: nothing is added any more.
    pub fn append(&mut self, line: &str) -> Result<(), StoreError> {
        let Kept::In { file, room, .. } = &mut self.kept else { return Ok(()) };
        let line = format!("{}\n", line.replace('\n', " "));
        let Some(left) = room.checked_sub(line.len() as u64) else { return Ok(()) };
        *room = left;
        let written = file.write_all(line.as_bytes());
        written.map_err(|error| {
            self.kept = Kept::Nowhere;
            let message = format!("the history could not be written: {}", sys::words(&error));
            StoreError { message, hint: "what is typed from now on is not kept for the next start".to_owned() }
        })
    }
}

fn try_open(folder: &Folder) -> Result<(Kept, String), StoreError> {
    let (file, mut text) = folder.open_growing(FILE, 2 * BOUND)?;
    let size = file.metadata().map_or(MOST, |data| data.len());
    // Where files cannot be locked nobody is alone, and the file only grows, up to its most.
    let is_alone = file.try_lock().is_ok();
    if !is_alone || size <= 2 * BOUND {
        // Who comes next must see that somebody is here. A lock that is held is not asked for a second time.
        let _ = file.unlock();
        let _ = file.try_lock_shared();
    }
    if size > 2 * BOUND {
        // The first line is only the end of one.
        let begin = text.find('\n').map_or(text.len(), |at| at + 1);
        text.drain(..begin);
    }
    Ok((Kept::In { file, room: MOST.saturating_sub(size), is_alone }, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    fn folder() -> (tempfile::TempDir, Folder, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&dir.path().join("kept"))).unwrap();
        let file = folder.path().join(FILE);
        (dir, folder, file)
    }

    #[test]
    fn what_was_typed_is_there_at_the_next_start() {
        let (_dir, folder, file) = folder();
        let Opened { mut past, text, trouble } = Past::open(&folder);
        assert_eq!((text.as_str(), trouble), ("", None));
        past.append("first").unwrap();
        past.append("zwei\nlines").unwrap();
        assert_eq!(Past::open(&folder).text, "first\nzwei lines\n");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_runs_at_once_add_to_the_same_file() {
        let (_dir, folder, _) = folder();
        let (mut first, mut second) = (Past::open(&folder).past, Past::open(&folder).past);
        first.append("a").unwrap();
        second.append("b").unwrap();
        first.append("c").unwrap();
        assert_eq!(Past::open(&folder).text, "a\nb\nc\n");
    }

    #[test]
    fn a_file_that_has_outgrown_its_bound_is_rewritten_by_whom_finds_it_alone() {
        let (_dir, folder, file) = folder();
        let line = format!("{}\n", "x".repeat(99));
        let other = Past::open(&folder);
        std::fs::write(&file, line.repeat(6_000)).unwrap();
        assert!(!Past::open(&folder).past.is_to_be_rewritten(), "another run adds to it");
        drop(other);
        let Opened { mut past, text, .. } = Past::open(&folder);
        assert!(past.is_to_be_rewritten());
        assert!(text.len() as u64 <= 2 * BOUND && text.starts_with(&line), "whole lines");
        past.rewrite(&folder, "short\n").unwrap();
        assert!(!past.is_to_be_rewritten());
        past.append("next").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "short\nnext\n");
        let mut later = Past::open(&folder);
        later.past.rewrite(&folder, "").unwrap();
        assert_eq!(later.text, "short\nnext\n", "what is short stays");
    }

    #[test]
    fn a_file_that_cannot_grow_any_more_stays_as_it_is() {
        let (_dir, folder, file) = folder();
        std::fs::write(&file, "x".repeat(MOST as usize)).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let mut past = Past::open(&folder).past;
        past.append("a").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().len(), MOST);
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used_and_that_is_told() {
        let (_dir, folder, file) = folder();
        std::fs::write(&file, "a\n").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let Opened { mut past, text, trouble } = Past::open(&folder);
        assert!(text.is_empty() && trouble.unwrap().message.contains("others may read"));
        past.append("b").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\n");
    }

    #[test]
    fn a_full_disk_is_told_once() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut past = Past { kept: Kept::In { file: full, room: MOST, is_alone: false } };
        assert!(past.append("a").unwrap_err().message.contains("No space left"));
        assert_eq!(past.append("b"), Ok(()));
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let mut past = Past::nowhere();
        assert_eq!(past.append("a"), Ok(()));
        assert!(!past.is_to_be_rewritten());
    }
}
