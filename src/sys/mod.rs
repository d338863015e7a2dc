//! System calls, one a function.
//!
//! Owns: everything that is said to the operating system about files and sockets beyond what `std` says, and the
//! choice between a platform's own calls and the portable ones.
//! Must not know: transfers, sessions, who asks and why.
//!
//! Every call here may block. Descriptors are close-on-exec, and an interrupted call is made again unless it says
//! otherwise.

#[cfg(target_os = "linux")]
mod linux;
mod portable;

mod buffer;
mod file;
mod folder;
mod kept;
mod measure;
mod process;
mod send;
mod socket;
mod splice;

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use buffer::Buffer;
pub use file::{
    Stamp, allocate, cut, open_source, os_string, read_at, read_at_once, reserve_descriptor, set_mode, spares_stored,
    stamp, sync_data, sync_file, trim, will_read, write_all_at,
};
pub use folder::{folder_stamp, free_bytes, is_entry, list_names, open_folder, sync_folder, unlink};
pub use kept::{
    Access, access, make_private_folder, open_folder_itself, open_growing, open_kept, open_lock, open_own, rename_over,
};
pub use measure::{cpu_time, forget_cached, is_in_memory, wake_precisely};
pub use process::{login_name, own_terminal, stop_job};
pub use send::{is_link_error, send_file, send_more};
pub use socket::{Shape, connect, is_out_of_descriptors, listener, outward_address, prepare_stream, prepare_talk};
pub use splice::Pipe;

#[cfg(target_os = "linux")]
use linux as native;
#[cfg(not(target_os = "linux"))]
use portable as native;

/// Which calls are used. A value and not a `cfg`, so that tests walk every path on every system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// The platform's own, falling back to the portable ones where kernel or file system lack them.
    #[default]
    Native,
    /// What POSIX has.
    Portable,
    /// What is left on a file system without hard links, such as exFAT.
    Bare,
}

/// Fills `bytes` from the system's generator of secrets.
///
/// # Errors
/// When the system has none to give.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    native::random(bytes)
}

/// Creates a file in `folder` for reading and writing by its owner alone (0600). `name` is one component; nothing
/// that stands under it, a dangling symlink included, is followed or opened.
///
/// # Errors
/// `AlreadyExists` when the name is taken, `InvalidInput` when it is not one component, and the system's.
pub fn create_new(calls: Calls, folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    component(name)?;
    match calls {
        Calls::Native => native::create_new(folder, name),
        Calls::Portable | Calls::Bare => portable::create_new(folder, name),
    }
}

/// Gives the entry `from` of `folder` the name `to`, and never replaces what stands there.
///
/// # Errors
/// `AlreadyExists` when `to` is taken, `InvalidInput` when a name is not one component, and the system's.
pub fn rename_new(calls: Calls, folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    component(from)?;
    component(to)?;
    match calls {
        Calls::Native => native::rename_new(folder, from, to),
        Calls::Portable => portable::rename_new(folder, from, to),
        Calls::Bare => portable::reserve_and_rename(folder, from, to),
    }
}

/// The mode of a file that is not secret: 0666 without the process's umask, or 0644 where the umask cannot be read
/// without changing it for other threads.
pub fn shared_mode() -> u32 {
    native::umask().map_or(0o644, |mask| 0o666 & !mask)
}

/// Whether the program was started with SIGHUP ignored, as by nohup(1). `false` where the system does not tell.
pub fn ignores_hang_up() -> bool {
    native::ignores_hang_up()
}

/// Starts a thread of this name. One function for all of them, with work that is boxed: each copy of what starting one
/// takes is some kilobytes of program.
///
/// # Errors
/// The system has no thread to give.
pub fn start_thread(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("tete-{name}")).spawn(work)
}

/// Lowers the priority of the calling thread, and of no other, until it ends. For threads that compute for as long as
/// there is work: what waits for a person and answers at once shall not have to wait for them.
///
/// It can be done without: a refusal is logged, and where a thread has no priority of its own nothing happens.
pub fn step_back() {
    if let Err(error) = native::step_back() {
        log::debug!("the priority of a thread could not be lowered: {error}");
    }
}

/// How long the calling thread has computed, or was kept from it by others on its cores, since it began; `None` where
/// the system does not tell.
pub fn computed() -> Option<Duration> {
    native::computed()
}

/// An error in the system's words, without the number that Rust puts behind them.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(code) = error.raw_os_error() else { return text };
    text.strip_suffix(&format!(" (os error {code})")).map_or(text.clone(), str::to_owned)
}

/// Refuses what could lead out of a folder, whatever was checked before: the last door stands here.
fn component(name: &str) -> io::Result<()> {
    match name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a file name"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const ALL: [Calls; 3] = [Calls::Native, Calls::Portable, Calls::Bare];

    /// A folder with a file `part` in it that says "new".
    fn with_part() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("part"), "new").unwrap();
        dir
    }

    #[test]
    fn random_bytes_differ_from_call_to_call_on_both_paths() {
        for fill in [native::random, portable::random] {
            let (mut a, mut b) = ([0; 600], [0; 600]);
            fill(&mut a).unwrap();
            fill(&mut b).unwrap();
            assert_ne!(a, b);
            assert_ne!(a[584..], [0; 16], "filled to the end");
        }
    }

    #[test]
    fn a_new_file_belongs_to_its_owner_alone() {
        for calls in ALL {
            let dir = tempfile::tempdir().unwrap();
            let folder = open_folder(dir.path()).unwrap();
            let file = create_new(calls, folder.as_fd(), "a").unwrap();
            write_all_at(&file, b"x", 3).unwrap();
            let mut back = [9; 8];
            assert_eq!(read_at(&file, &mut back, 0).unwrap(), 4);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn nothing_that_stands_under_a_name_is_opened_by_creating_it() {
        for calls in ALL {
            let dir = tempfile::tempdir().unwrap();
            symlink("outside", dir.path().join("dangling")).unwrap();
            std::fs::write(dir.path().join("file"), "old").unwrap();
            let folder = open_folder(dir.path()).unwrap();
            for name in ["dangling", "file"] {
                let error = create_new(calls, folder.as_fd(), name).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{calls:?} {name}");
            }
            assert!(!dir.path().join("outside").exists());
        }
    }

    #[test]
    fn names_of_more_than_one_component_are_refused() {
        let dir = with_part();
        let folder = open_folder(dir.path()).unwrap();
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\0b"] {
            for calls in ALL {
                let created = create_new(calls, folder.as_fd(), name).unwrap_err();
                assert_eq!(created.kind(), io::ErrorKind::InvalidInput);
                let renamed = rename_new(calls, folder.as_fd(), "part", name).unwrap_err();
                assert_eq!(renamed.kind(), io::ErrorKind::InvalidInput);
            }
        }
    }

    #[test]
    fn fault_71_renaming_gives_a_free_name_and_takes_the_old_one_away() {
        for calls in ALL {
            let dir = with_part();
            let folder = open_folder(dir.path()).unwrap();
            rename_new(calls, folder.as_fd(), "part", "done").unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("done")).unwrap(), "new");
            assert_eq!(list_names(folder.as_fd(), 10).unwrap(), ["done"], "{calls:?}");
        }
    }

    #[test]
    fn faults_53_and_71_renaming_never_replaces_a_file_a_folder_or_a_dangling_symlink_without_the_call_too() {
        for calls in ALL {
            let dir = with_part();
            std::fs::write(dir.path().join("file"), "old").unwrap();
            std::fs::create_dir(dir.path().join("folder")).unwrap();
            symlink("outside", dir.path().join("dangling")).unwrap();
            let folder = open_folder(dir.path()).unwrap();
            for taken in ["file", "folder", "dangling"] {
                let error = rename_new(calls, folder.as_fd(), "part", taken).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{calls:?} {taken}");
            }
            assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), "old");
            assert_eq!(std::fs::read_to_string(dir.path().join("part")).unwrap(), "new");
            assert!(!dir.path().join("outside").exists());
        }
    }

    #[test]
    fn a_rename_that_fails_leaves_no_reservation_behind() {
        for calls in ALL {
            let dir = tempfile::tempdir().unwrap();
            let folder = open_folder(dir.path()).unwrap();
            let error = rename_new(calls, folder.as_fd(), "missing", "done").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(list_names(folder.as_fd(), 10).unwrap().is_empty(), "{calls:?}");
        }
    }

    #[test]
    fn errors_are_told_in_the_systems_words() {
        assert_eq!(words(&Errno::NOSPC.into()), "No space left on device");
        assert_eq!(words(&io::Error::other("of our own")), "of our own");
    }

    #[test]
    fn a_shared_file_can_be_read_by_its_owner_and_run_by_nobody() {
        assert_eq!(shared_mode() & 0o111, 0);
        #[cfg(target_os = "linux")]
        assert!(linux::umask().is_some());
    }
}
