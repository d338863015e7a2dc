//! The same calls, by what every Unix has.
//!
//! Owns: the fallbacks. Must not know: what they are used for, which platform this is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// `name` is one component, so that O_NOFOLLOW and O_EXCL keep every symlink out.
pub(super) fn create_new(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| openat(folder, name, flags, Mode::RUSR | Mode::WUSR))?))
}

/// By a second link, which is refused where the name is taken.
pub(super) fn rename_new(folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    match linkat(folder, from, folder, to, AtFlags::empty()) {
        Ok(()) => {
            if let Err(error) = unlinkat(folder, from, AtFlags::empty()) {
                // The file has its name; what stays is a second, hidden name of it.
                log::warn!("{from} could not be removed: {error}");
            }
            Ok(())
        }
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => reserve_and_rename(folder, from, to),
        Err(error) => Err(error.into()),
    }
}

/// By an empty file, which only comes into being where the name is free, and which the rename then replaces.
/// A crash between the two leaves the empty file; nothing of anybody else's is ever lost.
pub(super) fn reserve_and_rename(folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    drop(create_new(folder, to)?);
    renameat(folder, from, folder, to).map_err(|error| {
        if let Err(error) = unlinkat(folder, to, AtFlags::empty()) {
            log::warn!("the empty {to} could not be removed: {error}");
        }
        error.into()
    })
}

/// Only to be had by setting it, which other threads would see.
#[cfg(not(target_os = "linux"))]
pub(super) fn umask() -> Option<u32> {
    None
}
