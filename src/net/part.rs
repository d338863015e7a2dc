//! A file that is arriving: hidden and incomplete until it is published.
//!
//! Owns: the part file and its journal, its final name, and what is removed when it fails. All of it happens in one folder by
//! its handle, so that a folder that is moved is followed and one that is removed is an error.
//! Must not know: threads, sessions, what is written.
//!
//! Everything but [`Part::file`] may block.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::journal::Record;
use super::names::Names;
use super::unfinished::{Found, Search, Stem, Wanted, search};
use crate::proto::digest::BLOCK;
use crate::proto::disk::DiskError;
use crate::proto::journal::Journal;
use crate::proto::name::SafeName;
use crate::sys::{self, Calls};

/// Hidden names tried before creating gives up: that one is taken away by somebody else happens once in a lifetime.
const MAX_TRIES: usize = 8;
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
    /// Whether what is verified is brought to the disk before the journal says so.
    pub sync: bool,
    /// The key of who sends; `None` on a plain link.
    pub peer: Option<[u8; 32]>,
}

#[derive(Debug)]
struct Made {
    folder: OwnedFd,
    file: File,
    stem: Stem,
    size: Option<u64>,
    /// Made when there is something to write into it; `None` inside when that failed.
    journal: OnceLock<Option<Record>>,
    published: OnceLock<String>,
    /// The system could not bring it to the disk, and will not say so again: nobody may go on from it.
    spoilt: AtomicBool,
    /// It was removed. What is brought to the disk may be behind what is done with it, on another helper.
    gone: AtomicBool,
}

/// One arriving file. Shared with the helpers; whoever lets go of it last closes it.
#[derive(Debug)]
pub struct Part {
    place: Place,
    name: SafeName,
    made: OnceLock<Made>,
    let_go: AtomicBool,
}

impl Part {
    /// A part that does not exist yet.
    pub fn new(place: Place, name: SafeName) -> Self {
        Self { place, name, made: OnceLock::new(), let_go: false.into() }
    }

    /// The name as offered: what messages call it, because they may go to the peer, whom our folders do not concern.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// From here on it gets no name any more: whoever was told that it failed shall not find it.
    pub fn let_go(&self) {
        self.let_go.store(true, Ordering::SeqCst);
    }

    /// The open file, once it was created.
    pub fn file(&self) -> Option<&File> {
        self.made.get().map(|made| &made.file)
    }

    /// Creates the hidden file, having looked whether `size` bytes fit. Or takes up one that is there, and gives its
    /// verified blocks: none if it had to make room for this one.
    ///
    /// # Errors
    /// What the system says of the folder or the file, and that there is no room.
    pub fn create(&self, size: Option<u64>, names: &mut Names) -> Result<Option<Vec<[u8; 32]>>, DiskError> {
        let folder = sys::open_folder(&self.place.folder).map_err(|error| {
            log::error!("folder {}: {}", self.place.folder.display(), sys::words(&error));
            for_good("the folder for received files", &error)
        })?;
        let name = self.name();
        if let Err(error) = names.refresh(folder.as_fd()) {
            log::debug!("what earlier runs have left is not known: {}", sys::words(&error));
        }
        let wanted = Wanted { name, size, peer: self.place.peer };
        let found = match search(folder.as_fd(), names.unfinished(), wanted) {
            Search::Found(found) => return self.take(folder, *found).map(Some),
            Search::Replaced => Some(Vec::new()),
            Search::Nothing => None,
        };
        self.refuse_without_room(folder.as_fd(), size)?;
        let (stem, file) = self.new_file(folder.as_fd(), names)?;
        self.allocate(&file, size).inspect_err(|_| {
            if let Err(error) = sys::unlink(folder.as_fd(), &stem.part()) {
                log::warn!("{} could not be removed: {}", stem.part(), sys::words(&error));
            }
        })?;
        let (journal, published) = (OnceLock::new(), OnceLock::new());
        self.make(Made { folder, file, stem, size, journal, published, spoilt: false.into(), gone: false.into() })?;
        Ok(found)
    }

    fn make(&self, made: Made) -> Result<(), DiskError> {
        let twice = |_| DiskError { words: format!("{} was created twice", self.name()), resumable: false };
        self.made.set(made).map_err(twice)
    }

    /// Goes on with what an earlier run has left.
    fn take(&self, folder: OwnedFd, found: Found) -> Result<Vec<[u8; 32]>, DiskError> {
        let Found { stem, file, record, values } = found;
        let journal = record.journal();
        let size = journal.size;
        self.refuse_without_room(folder.as_fd(), Some(size - journal.reach(values.len() as u64)))?;
        self.allocate(&file, Some(size)).inspect_err(|_| {
            // What was set aside nevertheless would be missing for everything else.
            if let Err(error) = sys::trim(&file) {
                log::debug!("{}: {}", self.name(), sys::words(&error));
            }
        })?;
        let (journal, published) = (OnceLock::from(Some(record)), OnceLock::new());
        let (size, spoilt, gone) = (Some(size), false.into(), false.into());
        self.make(Made { folder, file, stem, size, journal, published, spoilt, gone })?;
        Ok(values)
    }

    /// A new hidden file, which is ours alone.
    fn new_file(&self, folder: BorrowedFd<'_>, names: &mut Names) -> Result<(Stem, File), DiskError> {
        let wrong = |error: io::Error| for_good(self.name(), &error);
        for _ in 0..MAX_TRIES {
            let mut random = [0; 8];
            sys::random(&mut random).map_err(wrong)?;
            let stem = Stem::new(u64::from_be_bytes(random), self.name());
            let hidden = stem.part();
            let create = || sys::create_new(self.place.calls, folder, &hidden);
            let file = names.changing(folder, Some(&hidden), create).map_err(wrong)?;
            // In between somebody may have taken it for one that nobody has, and removed it.
            if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && sys::is_entry(folder, &hidden, &file) {
                return Ok((stem, file));
            }
            // Or it could not be looked at: nobody but us knows the name, and nothing is left behind.
            if let Err(error) = sys::unlink(folder, &hidden) {
                log::debug!("{hidden}: {}", sys::words(&error));
            }
        }
        Err(DiskError { words: format!("{}: no unfinished file could be made", self.name()), resumable: false })
    }

    fn refuse_without_room(&self, folder: BorrowedFd<'_>, size: Option<u64>) -> Result<(), DiskError> {
        let name = self.name();
        let free = sys::free_bytes(folder).map_err(|error| for_good(name, &error))?;
        if let (Some(size), Some(free)) = (size, free)
            && size > free
        {
            let words = format!("{name}: No space left on device: needs {size} bytes, {free} are free");
            return Err(DiskError { words, resumable: false });
        }
        Ok(())
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
        self.brought(sys::sync_data(&self.made()?.file))
    }

    /// What came of bringing it to the disk. Only the first who asks is told of lost bytes, and that may be somebody
    /// whose answer nobody waits for.
    fn brought(&self, result: io::Result<()>) -> Result<(), DiskError> {
        let made = self.made()?;
        if result.is_err() {
            made.spoilt.store(true, Ordering::SeqCst);
            self.restart();
        }
        let lost = || DiskError { words: format!("{}: was not brought to the disk", self.name()), resumable: false };
        result.map_err(|error| for_good(self.name(), &error))?;
        if made.spoilt.load(Ordering::SeqCst) { Err(lost()) } else { Ok(()) }
    }

    /// Writes down that these blocks are verified, from `first` on, once they are on the disk. `last`: nobody will for
    /// now. A journal that cannot be written is no reason to fail what arrives.
    ///
    /// # Errors
    /// As of [`flush`](Self::flush).
    pub fn record(&self, first: u64, values: &[[u8; 32]], last: bool) -> Result<(), DiskError> {
        let made = self.made()?;
        if self.place.sync {
            self.flush()?;
        }
        if made.published.get().is_some() || made.gone.load(Ordering::SeqCst) {
            return Ok(());
        }
        let written = match made.journal.get_or_init(|| self.new_journal(made)) {
            None => Ok(()),
            Some(record) => record.append(first, values).and_then(|()| if last { record.sync() } else { Ok(()) }),
        };
        written.unwrap_or_else(|error| log::warn!("{}: {}", made.stem.journal(), sys::words(&error)));
        // Who has removed it meanwhile may have seen no journal yet.
        if made.gone.load(Ordering::SeqCst) {
            self.remove_journal(made);
        }
        Ok(())
    }

    fn new_journal(&self, made: &Made) -> Option<Record> {
        let mut id = [0; 16];
        // By the clock of the file system: ours is for showing alone.
        let since =
            sys::stamp(&made.file).map_or(0, |stamp| u64::try_from(stamp.mtime_ns / 1_000_000_000).unwrap_or(0));
        let (peer, name) = (self.place.peer, self.name().to_owned());
        let create = |size| {
            sys::random(&mut id)?;
            let journal = Journal { id, peer, size, since, name };
            Record::create(self.place.calls, made.folder.as_fd(), &made.stem.journal(), journal)
        };
        let complain = |error: &io::Error| log::warn!("{}: {}", made.stem.journal(), sys::words(error));
        made.size.map(create)?.inspect_err(complain).ok()
    }

    /// Nothing that the journal says counts any more.
    pub fn restart(&self) {
        if let Some(made) = self.made.get()
            && let Some(Some(record)) = made.journal.get()
            && let Err(error) = record.cut(0)
        {
            log::warn!("{}: {}", made.stem.journal(), sys::words(&error));
        }
    }

    /// Leaves it as it stands, without the space that was taken for what did not come. What has no whole block is of no
    /// use to anybody.
    pub fn keep(&self) {
        let Some(made) = self.made.get() else { return };
        if made.published.get().is_some() {
            return self.remove_journal(made);
        }
        if made.spoilt.load(Ordering::SeqCst) {
            return self.remove();
        }
        match sys::trim(&made.file).and_then(|()| sys::stamp(&made.file)) {
            Ok(stamp) if stamp.size < BLOCK => self.remove(),
            Ok(_) => {}
            Err(error) => log::debug!("{}: {}", made.stem.part(), sys::words(&error)),
        }
    }

    /// Removes the journal, if there is one.
    fn remove_journal(&self, made: &Made) {
        if let Some(Some(_)) = made.journal.get()
            && let Err(error) = sys::unlink(made.folder.as_fd(), &made.stem.journal())
        {
            log::debug!("{}: {}", made.stem.journal(), sys::words(&error));
        }
    }

    /// Waits until its bytes are on the disk.
    ///
    /// # Errors
    /// The system's, and then for good: the bytes may be lost, however often it is tried again.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.brought(sys::sync_file(&self.made()?.file))
    }

    /// Gives it the first name that is free and that no person could mistake for another one in the folder.
    ///
    /// # Errors
    /// The system's, which says nothing against the bytes: they stay, unless the folder is gone. When thousands of such
    /// names are taken.
    pub fn publish(&self, names: &mut Names) -> Result<String, DiskError> {
        let made = self.made()?;
        let folder = made.folder.as_fd();
        let wrong = |error: io::Error| DiskError {
            resumable: error.kind() != io::ErrorKind::NotFound,
            ..for_good(self.name(), &error)
        };
        names.refresh(folder).map_err(wrong)?;
        let hidden = made.stem.part();
        for number in 1..=MAX_NUMBER {
            let name = self.name.saved_name(&self.place.prefix, number);
            if names.has_twin(&name) {
                continue;
            }
            // Looking through the folder may have taken long.
            if self.let_go.load(Ordering::SeqCst) {
                return Err(DiskError { words: format!("{} was given up", self.name()), resumable: true });
            }
            let rename = || sys::rename_new(self.place.calls, folder, &hidden, &name);
            match names.changing(folder, Some(&name), rename) {
                // Somebody was faster, or the folder holds more than was looked at.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(wrong(error)),
                Ok(()) => {
                    // Nothing reads it out of order: the lane of the disk runs one job at a time.
                    let _ = made.published.set(name.clone());
                    if !self.place.sync {
                        self.remove_journal(made);
                    }
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

    /// Waits until the folder's entries are on the disk. Only then the journal goes: nobody will need it.
    ///
    /// # Errors
    /// The system's.
    pub fn sync_folder(&self) -> Result<(), DiskError> {
        let made = self.made()?;
        sys::sync_folder(made.folder.as_fd()).map_err(|error| for_good(self.name(), &error))?;
        self.remove_journal(made);
        Ok(())
    }

    /// Removes it, under whatever name it has by now; a commit that failed at its last step leaves nothing behind.
    pub fn remove(&self) {
        let Some(made) = self.made.get() else { return };
        made.gone.store(true, Ordering::SeqCst);
        self.remove_journal(made);
        for name in [Some(&made.stem.part()), made.published.get()].into_iter().flatten() {
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

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
