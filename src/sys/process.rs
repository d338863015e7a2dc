//! This process among others.
//!
//! Owns: stopping. Must not know: what has to be put in order before.

use std::io;

use rustix::process::{Signal, kill_current_process_group};

/// Stops, with all who run with us under one job of the shell, until the shell lets us go on (SIGTSTP). Where there is
/// no shell that could, the system does nothing (POSIX, "General Terminal Interface", 11.1.4: orphaned groups).
///
/// # Errors
/// The system's.
pub fn stop_job() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}
