//! This process among others, at the terminal that they share, and whose it is.
//!
//! Owns: stopping, a way of one's own to the terminal, our user's name. Must not know: what has to be put in order before,
//! what is written.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Signal, getuid, kill_current_process_group};
use rustix::termios::ttyname;

/// Where the users of this machine are listed: passwd(5).
const USERS: &str = "/etc/passwd";
/// Bytes of that list that are read.
const MAX_USERS: u64 = 1 << 20;

/// Stops, with all who run with us under one job of the shell, until the shell lets us go on (SIGTSTP). Where there is
/// no shell that could, the system does nothing (POSIX, "General Terminal Interface", 11.1.4: orphaned groups).
///
/// # Errors
/// The system's.
pub fn stop_job() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}

/// Opens the terminal behind `shared` once more, to be written to without blocking: whoever shares the first opening is
/// not touched by that, as they would be by O_NONBLOCK on it.
///
/// # Errors
/// The system's: what is behind it is no terminal, has no name here, or belongs to another user (after `su`).
pub fn own_terminal(shared: BorrowedFd<'_>) -> io::Result<File> {
    let name = ttyname(shared, Vec::new())?;
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(open(name, flags, Mode::empty())?))
}

/// The name of the user whose process this is, as this machine lists it. `None`: the list does not have it, for instance
/// where a network knows the users.
pub fn login_name() -> Option<OsString> {
    let mut users = Vec::new();
    File::open(USERS).ok()?.take(MAX_USERS).read_to_end(&mut users).ok()?;
    name_of(getuid().as_raw(), &users).map(|name| super::os_string(name.to_vec()))
}

/// The first user with this number in lines `name:password:number:...`.
fn name_of(user: u32, users: &[u8]) -> Option<&[u8]> {
    users.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_it = std::str::from_utf8(number).ok()?.parse() == Ok(user);
        (is_it && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    use rustix::fs::fcntl_getfl;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn a_terminal_that_nobody_reads_does_not_block_who_opened_it_once_more_and_stays_as_it_was_for_others() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let shared = File::from(open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());

        let mut own = own_terminal(shared.as_fd()).unwrap();
        let line = [b'x'; 1024];
        let full = (0..1024).find_map(|_| own.write(&line).err()).expect("a terminal takes some kilobytes");
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn what_is_no_terminal_is_not_opened_once_more() {
        let file = tempfile::tempfile().unwrap();
        assert!(own_terminal(file.as_fd()).is_err());
    }

    #[test]
    fn a_user_is_named_by_the_first_line_with_that_number() {
        let users = b"root:x:0:0:root:/root:/bin/sh\n+::0\nodd\n:x:7::\nann:x:1000:7::/h:\nann2:x:1000:1::/h:\n";
        let name = |user| name_of(user, users).map(|name| std::str::from_utf8(name).unwrap());
        assert_eq!((name(0), name(1000)), (Some("root"), Some("ann")));
        assert_eq!((name(7), name(1), name(u32::MAX)), (None, None, None));
    }
}
