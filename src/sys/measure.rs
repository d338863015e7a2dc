//! What only a measurement needs of the system.
//!
//! Owns: bytes from a socket into a file without the program between, what the processors have done for us, the cache of
//! files, sleeping to the point. Must not know: what is measured.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::native;

/// A pipe through which the kernel moves a socket's bytes into a file.
#[derive(Debug)]
pub struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    /// One that holds so many bytes.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such way, and the system's: no descriptors, or more than is allowed.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let (out, into) = native::pipe(bytes)?;
        Ok(Self { out, into })
    }

    /// Takes up to `len` bytes from a socket, and waits for the first of them; how many, 0 at its end.
    ///
    /// # Errors
    /// The system's.
    pub fn fill(&self, socket: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
        native::move_bytes(socket, self.into.as_fd(), None, len)
    }

    /// Puts up to `len` of the bytes that it holds into a file, from `offset` on; how many.
    ///
    /// # Errors
    /// The system's.
    pub fn drain(&self, file: &File, offset: u64, len: usize) -> io::Result<usize> {
        native::move_bytes(self.out.as_fd(), file.as_fd(), Some(offset), len)
    }
}

/// What the processors have done for this process until now, in user space and in the kernel, by all of its threads,
/// those that have ended included.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // It has no sign: what was used cannot be less than nothing.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Lets go of a file's bytes in memory, so that the next one who reads them reads them from the disk. What is not on the
/// disk yet stays in memory: [`sync_file`](super::sync_file) comes first.
///
/// # Errors
/// `Unsupported` where there is no such call, and the system's.
pub fn forget_cached(file: &File) -> io::Result<()> {
    native::forget_cached(file)
}

/// Whether a file, or a folder, is in a file system that lives in memory. Where that cannot be told: no.
pub fn is_in_memory(file: &File) -> bool {
    native::is_in_memory(file)
}

/// The calling thread sleeps to the microsecond from now on: the system would otherwise be up to 50 µs late, to wake up
/// less often. A refusal is logged.
pub fn wake_precisely() {
    if let Err(error) = native::wake_precisely() {
        log::debug!("sleeping cannot be made more precise: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_computed_is_counted_for_threads_that_have_ended_too() {
        let before = cpu_time();
        let spun = std::thread::spawn(|| {
            let (began, mut n) = (cpu_time(), 0_u64);
            while cpu_time() - began < Duration::from_millis(5) {
                n += 1;
            }
            n
        });
        assert!(spun.join().unwrap() > 0);
        assert!(cpu_time() - before >= Duration::from_millis(5));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn bytes_go_from_a_socket_into_a_file_at_their_place() {
        use std::io::Write;
        use std::os::unix::net::UnixStream;
        let (mut near, far) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let pipe = Pipe::new(1 << 16).unwrap();
        near.write_all(b"hello").unwrap();
        let held = pipe.fill(far.as_fd(), 100).unwrap();
        assert_eq!(held, 5);
        assert_eq!(pipe.drain(&file, 3, held).unwrap(), 5);
        let mut back = [0; 9];
        assert_eq!(super::super::read_at(&file, &mut back, 0).unwrap(), 8);
        assert_eq!(&back[..8], b"\0\0\0hello");
        drop(near);
        assert_eq!(pipe.fill(far.as_fd(), 100).unwrap(), 0, "the end");
    }
}
