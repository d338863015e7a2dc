//! The names in the folder of received files, so that a new one is no twin of another.
//!
//! Owns: what the folder held when it was last read, and whether that is still so. Must not know: what the files are.
//!
//! Reading a folder costs what stands in it, and a thousand files that arrive would each pay for all before them. So it
//! is read again only when somebody else has changed it: its times are compared before each change of ours, and taken
//! again after it. Somebody else's change in that very moment goes unnoticed until the next one, and so might a twin; a
//! name that is taken is refused by the system whatever stands here.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::os::fd::BorrowedFd;

use super::unfinished::{MAX_LEFT, Stem};
use crate::proto::name::twin_key;
use crate::sys::{self, Stamp};

/// Names of a folder that are looked at for twins. A folder may be as full as it likes; we are not.
const MAX_LISTED: usize = 100_000;

/// What was last read.
#[derive(Debug, Default)]
pub struct Names {
    /// Of the folder, when `taken` was true of it.
    stamp: Option<Stamp>,
    taken: HashSet<String>,
    /// What earlier runs have left, or this one has begun.
    unfinished: BTreeSet<Stem>,
}

impl Names {
    /// Reads the folder unless what is known of it is still true.
    ///
    /// # Errors
    /// The system's.
    pub fn refresh(&mut self, folder: BorrowedFd<'_>) -> io::Result<()> {
        let stamp = sys::folder_stamp(folder)?;
        if self.stamp != Some(stamp) {
            let listed = match sys::list_names(folder, MAX_LISTED) {
                // Reading it takes a descriptor more. A file that has come so far does not fail for want of that.
                Err(error) if sys::is_out_of_descriptors(&error) => {
                    log::warn!("the folder of received files cannot be read: {}", sys::words(&error));
                    *self = Self::default();
                    return Ok(());
                }
                listed => listed?,
            };
            self.taken = listed.iter().map(|name| twin_key(&name.to_string_lossy())).collect();
            self.unfinished = Stem::among(&listed);
            self.stamp = Some(stamp);
        }
        Ok(())
    }

    /// Whether a name, or one that looks like it, is taken.
    pub fn has_twin(&self, name: &str) -> bool {
        self.taken.contains(&twin_key(name))
    }

    /// Files that were not finished. Some of them may be by now.
    pub(super) fn unfinished(&self) -> &BTreeSet<Stem> {
        &self.unfinished
    }

    /// Changes the folder, to which that may add a name. If what is known was true before, it is afterwards.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn changing<T>(
        &mut self,
        folder: BorrowedFd<'_>,
        adds: Option<&str>,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let known = self.stamp.is_some() && sys::folder_stamp(folder).ok() == self.stamp;
        let result = change();
        if known {
            self.stamp = sys::folder_stamp(folder).ok();
            if let (Ok(_), Some(name)) = (&result, adds) {
                self.taken.insert(twin_key(name));
                if self.unfinished.len() < MAX_LEFT {
                    self.unfinished.extend(Stem::of(name));
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    /// A folder with one file in it, and its handle.
    fn folder() -> (tempfile::TempDir, std::os::fd::OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Straße"), "").unwrap();
        let handle = sys::open_folder(dir.path()).unwrap();
        (dir, handle)
    }

    #[test]
    fn our_own_changes_are_known_without_reading_the_folder_again() {
        let (dir, handle) = folder();
        let mut names = Names::default();
        names.refresh(handle.as_fd()).unwrap();
        assert!(names.has_twin("straße") && !names.has_twin("b"));
        names.changing(handle.as_fd(), Some("b"), || fs::write(dir.path().join("b"), "")).unwrap();
        // What it would not know if it read the folder now.
        names.taken.insert(twin_key("mark"));
        names.refresh(handle.as_fd()).unwrap();
        assert!(names.has_twin("B") && names.has_twin("mark"));
    }

    #[test]
    fn a_change_of_somebody_elses_is_noticed() {
        let (dir, handle) = folder();
        let mut names = Names::default();
        names.refresh(handle.as_fd()).unwrap();
        fs::create_dir(dir.path().join("theirs")).unwrap();
        names.changing(handle.as_fd(), Some("ours"), || fs::write(dir.path().join("ours"), "")).unwrap();
        names.refresh(handle.as_fd()).unwrap();
        assert!(names.has_twin("theirs") && names.has_twin("ours"));
    }

    #[test]
    fn what_failed_adds_no_name() {
        let (_dir, handle) = folder();
        let mut names = Names::default();
        names.refresh(handle.as_fd()).unwrap();
        let failed = names.changing(handle.as_fd(), Some("x"), || Err::<(), _>(io::ErrorKind::NotFound.into()));
        assert!(failed.is_err() && !names.has_twin("x"));
    }

    #[test]
    fn another_folder_is_read() {
        let ((_dir, first), (other, second)) = (folder(), folder());
        fs::write(other.path().join("more"), "").unwrap();
        let mut names = Names::default();
        names.refresh(first.as_fd()).unwrap();
        names.refresh(second.as_fd()).unwrap();
        assert!(names.has_twin("more"));
    }
}
