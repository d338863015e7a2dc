//! What only a measurement needs of the system.
//!
//! Owns: what the processors have done for us, the cache of files, sleeping to the point. Must not know: what is measured.

use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::native;

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
}
