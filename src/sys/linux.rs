//! The calls that Linux alone has.
//!
//! Owns: `getrandom`, `openat2`, `renameat2`, and what `/proc` says about us.
//! Must not know: what they are used for.
//!
//! An old kernel, a file system in user space or a sandbox may refuse each of them; the portable call then says what
//! is really wrong, if anything is.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with};
use rustix::io::{Errno, retry_on_intr};
use rustix::rand::{GetRandomFlags, getrandom};

use super::portable;

pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        // Asked for more than 256 bytes, the kernel may give less.
        match retry_on_intr(|| getrandom(&mut bytes[filled..], GetRandomFlags::empty())) {
            Ok(n) => filled += n,
            Err(Errno::NOSYS | Errno::PERM) => return portable::random(bytes),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn create_new(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match retry_on_intr(|| openat2(folder, name, flags, Mode::RUSR | Mode::WUSR, resolve)) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => portable::create_new(folder, name),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn rename_new(folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => portable::rename_new(folder, from, to),
        other => Ok(other?),
    }
}

/// From `/proc`, because umask(2) cannot be asked without being changed.
pub(super) fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}
