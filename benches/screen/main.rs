//! How soon a key is seen, and what drawing costs, on a terminal and with the real program.
//!
//! ```sh
//! cargo bench --bench screen                        # everything, in about a minute
//! cargo bench --bench screen -- --only keys         # one part: keys, cost
//! cargo bench --bench screen -- --size 2GiB --keys 5000
//! ```
//!
//! Two parts:
//!
//! - `keys`: the time from a key that is pressed to the frame that shows it, while nothing else happens, while a file
//!   arrives and while one is sent; and beside it the same for `cat`, on a terminal of its own, at the same time: what
//!   the machine itself needs while it is as busy.
//! - `cost`: processor time with the full screen and with `--ui plain`, frames and bytes a second, while a file arrives,
//!   while one is sent, and while texts arrive as fast as they can be said.
//!
//! Who is measured sits at a pseudo-terminal of 80 columns and 24 rows that is always read, and the other side is a
//! process with `--json`; both are of one account, over loopback, encrypted. Files are in memory (`/dev/shm`) unless told
//! otherwise, and are removed. Everything is done in turn, for machines differ by a factor from one minute to the next.
//! Figures that are not as wanted are printed and are no failure.
//!
//! Only on Linux: `/proc` is asked what a process has cost.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match linux::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("this benchmark runs on Linux only");
    ExitCode::SUCCESS
}
