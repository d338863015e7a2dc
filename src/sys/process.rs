//! This process among others.
//!
//! Owns: stopping. Must not know: what has to be put in order before.

use std::io;

use rustix::process::{Signal, getpid, getsid, kill_current_process_group, kill_process};

/// Whether somebody is there who can let us go on once we have stopped: not if we are what the session began with
/// (a window with nothing but us in it). POSIX, "General Terminal Interface", 11.1.4, has the same of orphaned groups.
pub fn can_stop() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpid())
}

/// Asks all who run with us under one job of the shell to stop, ourselves included (SIGTSTP).
///
/// # Errors
/// The system's.
pub fn ask_to_stop() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}

/// Stops until somebody lets us go on (SIGSTOP).
///
/// # Errors
/// The system's.
pub fn stop() -> io::Result<()> {
    Ok(kill_process(getpid(), Signal::STOP)?)
}
