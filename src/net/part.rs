//! A file that is arriving: hidden and incomplete until it is published.
//!
//! Owns: the part file's name, its final name, and what is removed when it fails. All of it happens in one folder by
//! its handle, so that a folder that is moved is followed and one that is removed is an error.
//! Must not know: threads, sessions, what is written.
//!
//! Everything but [`Part::file`] may block.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::names::Names;
use crate::proto::disk::DiskError;
use crate::proto::name::SafeName;
use crate::sys::{self, Calls};

/// Bytes of the offered name that the hidden name shows. With what stands around it, a name of at most 255 bytes.
const SHOWN: usize = 100;
/// Names tried before publishing gives up.
const MAX_NUMBER: u32 = 9_999;

/// Bytes of space taken for one file before they have come.
const MAX_ALLOCATED: u64 = 16 << 30;

/// Where parts are made, and by which calls.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder of received files.
    pub folder: PathBuf,
    /// What stands before the offered name.
    pub prefix: String,
    /// Which system calls are used.
    pub calls: Calls,
}

#[derive(Debug)]
struct Made {
    folder: OwnedFd,
    file: File,
    hidden: String,
    published: OnceLock<String>,
}

/// One arriving file. Shared with the helpers; whoever lets go of it last closes it.
#[derive(Debug)]
pub struct Part {
    place: Place,
    name: SafeName,
    made: OnceLock<Made>,
}

impl Part {
    /// A part that does not exist yet.
    pub fn new(place: Place, name: SafeName) -> Self {
        Self { place, name, made: OnceLock::new() }
    }

    /// The name as offered: what messages call it, because they may go to the peer, whom our folders do not concern.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The open file, once it was created.
    pub fn file(&self) -> Option<&File> {
        self.made.get().map(|made| &made.file)
    }

    /// Creates the hidden file, having looked whether `size` bytes fit.
    ///
    /// # Errors
    /// What the system says of the folder or the file, and that there is no room.
    pub fn create(&self, size: Option<u64>, names: &mut Names) -> Result<(), DiskError> {
        let folder = sys::open_folder(&self.place.folder).map_err(|error| {
            log::error!("folder {}: {}", self.place.folder.display(), sys::words(&error));
            for_good("the folder for received files", &error)
        })?;
        let name = self.name();
        let free = sys::free_bytes(folder.as_fd()).map_err(|error| for_good(name, &error))?;
        if let (Some(size), Some(free)) = (size, free)
            && size > free
        {
            let words = format!("{name}: No space left on device: needs {size} bytes, {free} are free");
            return Err(DiskError { words, resumable: false });
        }
        let mut random = [0; 8];
        sys::random(&mut random).map_err(|error| for_good(name, &error))?;
        let hidden = format!(".tete-{:016x}.{}.part", u64::from_be_bytes(random), cut(name, SHOWN));
        let create = || sys::create_new(self.place.calls, folder.as_fd(), &hidden);
        let file = names.changing(folder.as_fd(), None, create).map_err(|error| for_good(name, &error))?;
        self.allocate(&file, size).inspect_err(|_| {
            if let Err(error) = sys::unlink(folder.as_fd(), &hidden) {
                log::warn!("{hidden} could not be removed: {}", sys::words(&error));
            }
        })?;
        let made = Made { folder, file, hidden, published: OnceLock::new() };
        self.made.set(made).map_err(|_| DiskError { words: format!("{name} was created twice"), resumable: false })
    }

    /// Takes the space for `size` bytes where that makes writing faster, up to a bound: what a peer merely says is not
    /// worth a whole disk.
    fn allocate(&self, file: &File, size: Option<u64>) -> Result<(), DiskError> {
        let size = size.unwrap_or(0).min(MAX_ALLOCATED);
        let taken = sys::allocate(self.place.calls, file, size);
        taken.map(drop).map_err(|error| for_good(self.name(), &error))
    }

    /// Brings what stands in it so far to the disk.
    ///
    /// # Errors
    /// As of [`sync`](Self::sync), to which such an error would not be told again.
    pub fn flush(&self) -> Result<(), DiskError> {
        sys::sync_data(&self.made()?.file).map_err(|error| for_good(self.name(), &error))
    }

    /// Leaves it as it stands, without the space that was taken for what did not come.
    pub fn keep(&self) {
        if let Some(made) = self.made.get()
            && made.published.get().is_none()
            && let Err(error) = sys::trim(&made.file)
        {
            log::debug!("{}: {}", made.hidden, sys::words(&error));
        }
    }

    /// Waits until its bytes are on the disk.
    ///
    /// # Errors
    /// The system's, and then for good: the bytes may be lost, however often it is tried again.
    pub fn sync(&self) -> Result<(), DiskError> {
        sys::sync_file(&self.made()?.file).map_err(|error| for_good(self.name(), &error))
    }

    /// Gives it the first name that is free and that no person could mistake for another one in the folder.
    ///
    /// # Errors
    /// The system's, and when thousands of such names are taken.
    pub fn publish(&self, names: &mut Names) -> Result<String, DiskError> {
        let made = self.made()?;
        let folder = made.folder.as_fd();
        let wrong = |error: io::Error| for_good(self.name(), &error);
        names.refresh(folder).map_err(wrong)?;
        for number in 1..=MAX_NUMBER {
            let name = self.name.saved_name(&self.place.prefix, number);
            if names.has_twin(&name) {
                continue;
            }
            let rename = || sys::rename_new(self.place.calls, folder, &made.hidden, &name);
            match names.changing(folder, Some(&name), rename) {
                // Somebody was faster, or the folder holds more than was looked at.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(wrong(error)),
                Ok(()) => {
                    // Nothing reads it out of order: the lane of the disk runs one job at a time.
                    let _ = made.published.set(name.clone());
                    if let Err(error) = sys::set_mode(&made.file, sys::shared_mode()) {
                        log::debug!("the mode of {name} stays 0600: {error}");
                    }
                    return Ok(name);
                }
            }
        }
        let words = format!("{}: {MAX_NUMBER} files of this name are there already", self.name());
        Err(DiskError { words, resumable: false })
    }

    /// Waits until the folder's entries are on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn sync_folder(&self) -> Result<(), DiskError> {
        sys::sync_folder(self.made()?.folder.as_fd()).map_err(|error| for_good(self.name(), &error))
    }

    /// Removes it, under whatever name it has by now; a commit that failed at its last step leaves nothing behind.
    pub fn remove(&self) {
        let Some(made) = self.made.get() else { return };
        for name in [Some(&made.hidden), made.published.get()].into_iter().flatten() {
            // Somebody may have put something else there since.
            if sys::is_entry(made.folder.as_fd(), name, &made.file)
                && let Err(error) = sys::unlink(made.folder.as_fd(), name)
            {
                log::warn!("{name} could not be removed: {}", sys::words(&error));
            }
        }
    }

    fn made(&self) -> Result<&Made, DiskError> {
        let missing = || DiskError { words: format!("{} was never created", self.name()), resumable: false };
        self.made.get().ok_or_else(missing)
    }
}

/// An error after which nothing that is stored counts.
pub(super) fn for_good(what: &str, error: &io::Error) -> DiskError {
    DiskError { words: format!("{what}: {}", sys::words(error)), resumable: false }
}

/// At most `bytes` of a text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
