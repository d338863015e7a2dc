//! The same calls, by what every Unix has.
//!
//! Owns: the fallbacks. Must not know: what they are used for, which platform this is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send};

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

/// Where there is such a call, every system means something else by it.
pub(super) fn send_file(_: BorrowedFd<'_>, _: &File, _offset: u64, _len: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// posix_fallocate(3) changes the length, and writes zeros where there is no better way.
pub(super) fn allocate(_: &File, _size: u64) -> io::Result<bool> {
    Ok(false)
}

/// No more is announced; what follows goes out behind it.
pub(super) fn send_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| send(socket, bytes, SendFlags::empty()))?)
}

/// Only to be had by setting it, which other threads would see.
#[cfg(not(target_os = "linux"))]
pub(super) fn umask() -> Option<u32> {
    None
}

/// Only sigaction(2) tells, by pointers.
#[cfg(not(target_os = "linux"))]
pub(super) fn ignores_hang_up() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn will_read(_: &File) -> io::Result<()> {
    Ok(())
}

/// POSIX's setpriority(2) is about whole processes.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back() -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn computed() -> Option<std::time::Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn unpace(_: &socket2::Socket) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set_congestion(_: &socket2::Socket, _name: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn congestions() -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn limit_unsent(_: &socket2::Socket, _bytes: u32) -> io::Result<()> {
    Ok(())
}

/// Nothing moves bytes from a socket into a file but by way of the program.
#[cfg(not(target_os = "linux"))]
pub(super) fn pipe(_bytes: usize) -> io::Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn move_bytes(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _offset: Option<u64>, _len: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn forget_cached(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn wake_precisely() -> io::Result<()> {
    Ok(())
}

/// No other system has such a call.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_at_once(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_in_memory(_: &File) -> bool {
    false
}
