//! Files that a program keeps for itself: opened without being led elsewhere, and whose they are.
//!
//! Owns: opening by name beneath a folder, owner and mode, replacing. Must not know: what is kept, who may use it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open, openat, renameat};
use rustix::io::retry_on_intr;
use rustix::process::geteuid;

/// Whose something open is, and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it belongs to whom this process acts for.
    pub is_ours: bool,
    /// Who may read, write and run it: the lower nine bits of its mode.
    pub mode: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Names that it has.
    pub links: u64,
}

/// Whose an open file or folder is.
///
/// # Errors
/// The system's.
pub fn access(what: impl AsFd) -> io::Result<Access> {
    let stat = retry_on_intr(|| fstat(what.as_fd()))?;
    Ok(Access {
        is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        is_ours: stat.st_uid == geteuid().as_raw(),
        mode: stat.st_mode as u32 & 0o777,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        // The word's width depends on the machine.
        #[allow(clippy::useless_conversion, reason = "on some machines it is a u64 already")]
        links: u64::from(stat.st_nlink),
    })
}

/// Makes a folder that only its owner may look into (0700). One that is there already stays as it is.
///
/// # Errors
/// The system's, such as `NotFound` for a parent.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Opens a folder, and not what a symbolic link of this name points to. A slash at the end would follow it: the
/// caller has taken that away.
///
/// # Errors
/// The system's: a link is `NotADirectory` or a loop.
pub fn open_folder_itself(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
}

/// Opens the entry `name` for reading; waits for nobody where it is a pipe, and follows no link.
///
/// # Errors
/// `InvalidInput` when the name is not one component, and the system's: `NotFound`, or a loop for a link.
pub fn open_kept(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    super::component(name)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?))
}

/// Opens the entry `name` for reading and writing; waits for nobody where it is a pipe, and follows no link.
///
/// # Errors
/// As [`open_kept`].
pub fn open_own(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    super::component(name)?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?))
}

/// Opens the entry `name` for being locked, and makes an empty one (0600) where there is none. Follows no link.
///
/// # Errors
/// As [`open_kept`].
pub fn open_lock(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    super::component(name)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| openat(folder, name, flags, Mode::RUSR | Mode::WUSR))?))
}

/// Opens the entry `name` for reading and for writing at its end, wherever that is by then, and makes an empty one (0600)
/// where there is none. Waits for nobody where it is a pipe, and follows no link.
///
/// # Errors
/// As [`open_kept`].
pub fn open_growing(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    super::component(name)?;
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| openat(folder, name, flags, Mode::RUSR | Mode::WUSR))?))
}

/// Gives the entry `from` the name `to`, in place of what stands there: whoever opens `to` has the one or the other.
///
/// # Errors
/// `InvalidInput` when a name is not one component, and the system's; then `to` is what it was.
pub fn rename_over(folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    super::component(from)?;
    super::component(to)?;
    Ok(renameat(folder, from, folder, to)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_is_made_for_its_owner_alone_and_a_link_to_it_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (own, link) = (dir.path().join("own"), dir.path().join("link"));
        make_private_folder(&own).unwrap();
        make_private_folder(&own).unwrap();
        symlink(&own, &link).unwrap();
        let access = access(open_folder_itself(&own).unwrap()).unwrap();
        assert!(access.is_ours && !access.is_file && access.mode & 0o077 == 0, "{access:?}");
        assert!(open_folder_itself(&link).is_err());
        assert_eq!(make_private_folder(&own.join("a/b")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_kept_is_opened_by_its_own_name_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "12345").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let folder = open_folder_itself(dir.path()).unwrap();
        let opened = access(open_kept(folder.as_fd(), "file").unwrap()).unwrap();
        assert!(opened.is_ours && opened.is_file && opened.size == 5, "{opened:?}");
        assert_eq!(open_kept(folder.as_fd(), "none").unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["link", "../x", ""] {
            assert!(open_kept(folder.as_fd(), name).is_err(), "{name}");
            assert!(open_lock(folder.as_fd(), name).is_err(), "{name}");
            assert!(open_own(folder.as_fd(), name).is_err(), "{name}");
            assert!(open_growing(folder.as_fd(), name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_grows_is_written_at_its_end_by_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open_folder_itself(dir.path()).unwrap();
        let mut both = ["log", "log"].map(|name| open_growing(folder.as_fd(), name).unwrap());
        for (file, text) in both.iter_mut().zip(["first\n", "second\n"]) {
            file.write_all(text.as_bytes()).unwrap();
        }
        both[0].write_all(b"third\n").unwrap();
        let path = dir.path().join("log");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\nthird\n");
        assert_eq!(access(&both[0]).unwrap().mode, 0o600);
    }

    #[test]
    fn one_of_two_who_lock_has_to_wait() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open_folder_itself(dir.path()).unwrap();
        let (first, second) = (open_lock(folder.as_fd(), "lock").unwrap(), open_lock(folder.as_fd(), "lock").unwrap());
        first.try_lock().unwrap();
        assert!(second.try_lock().is_err());
        drop(first);
        second.try_lock().unwrap();
    }

    #[test]
    fn a_file_is_replaced_at_once_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open_folder_itself(dir.path()).unwrap();
        std::fs::write(dir.path().join("old"), "old").unwrap();
        std::fs::write(dir.path().join("new"), "new").unwrap();
        rename_over(folder.as_fd(), "new", "old").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("old")).unwrap(), "new");
        assert!(rename_over(folder.as_fd(), "new", "old").is_err());
        assert!(rename_over(folder.as_fd(), "old", "../old").is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("old")).unwrap(), "new");
    }
}
