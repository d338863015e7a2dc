//! Folders, by handle: what happens to their path meanwhile does not matter.
//!
//! Owns: calls on an open folder. Must not know: what is kept in it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, fstatvfs, fsync, open, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::file::Stamp;

/// Opens a folder.
///
/// # Errors
/// The system's, such as `NotFound` and `NotADirectory`.
pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
}

/// Removes the entry `name`, which is no folder.
///
/// # Errors
/// The system's, such as `NotFound`.
pub fn unlink(folder: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    super::component(name)?;
    Ok(unlinkat(folder, name, AtFlags::empty())?)
}

/// Whether the entry `name` is this very file.
pub fn is_entry(folder: BorrowedFd<'_>, name: &str, file: &File) -> bool {
    match (statat(folder, name, AtFlags::SYMLINK_NOFOLLOW), fstat(file)) {
        (Ok(entry), Ok(file)) => (entry.st_dev, entry.st_ino) == (file.st_dev, file.st_ino),
        _ => false,
    }
}

/// The stamp of a folder: it differs once an entry came, went or was renamed.
///
/// # Errors
/// The system's.
pub fn folder_stamp(folder: BorrowedFd<'_>) -> io::Result<Stamp> {
    // By the call itself: the library's way to it would take a descriptor more.
    let stat = retry_on_intr(|| fstat(folder))?;
    Ok(Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
        ctime_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
        links: stat.st_nlink as u64,
        ino: stat.st_ino as u64,
        dev: stat.st_dev as u64,
    })
}

/// The names in a folder, in no order, the first `at_most` of them.
///
/// # Errors
/// The system's.
pub fn list_names(folder: BorrowedFd<'_>, at_most: usize) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == at_most {
            break;
        }
        names.push(OsString::from_vec(name));
    }
    Ok(names)
}

/// Waits until the folder's entries are on the disk.
///
/// # Errors
/// The system's; an error means that the last changes may be lost.
pub fn sync_folder(folder: BorrowedFd<'_>) -> io::Result<()> {
    match retry_on_intr(|| fsync(folder)) {
        // Some network file systems have no such call for a folder, and nothing else to offer instead.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

/// Bytes that we may still write to the folder's file system; `None` where it does not count them.
///
/// # Errors
/// The system's.
pub fn free_bytes(folder: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let system = retry_on_intr(|| fstatvfs(folder))?;
    // A tmpfs without a limit, and much that lives in user space, says zero of zero.
    Ok((system.f_blocks > 0).then_some(system.f_bavail.saturating_mul(system.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_folder_is_listed_up_to_a_bound_and_more_than_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let folder = open_folder(dir.path()).unwrap();
        let mut names = list_names(folder.as_fd(), 100).unwrap();
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(list_names(folder.as_fd(), 2).unwrap().len(), 2);
    }

    #[test]
    fn a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(open_folder(file.path()).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_folder_can_be_synced_and_measured() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open_folder(dir.path()).unwrap();
        sync_folder(folder.as_fd()).unwrap();
        assert!(free_bytes(folder.as_fd()).unwrap().is_none_or(|free| free > 0));
    }

    #[test]
    fn an_entry_is_a_file_only_while_it_is_the_same_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let file = File::create(&path).unwrap();
        let folder = open_folder(dir.path()).unwrap();
        assert!(is_entry(folder.as_fd(), "a", &file));
        unlink(folder.as_fd(), "a").unwrap();
        std::fs::write(&path, "another").unwrap();
        assert!(!is_entry(folder.as_fd(), "a", &file));
    }
}
