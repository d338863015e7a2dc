//! How fast files go, what they cost, and what they do to the talk, beside the least that the system could do.
//!
//! ```sh
//! cargo bench --bench transfer                        # everything, in about a minute and a half
//! cargo bench --bench transfer -- --only speed        # one part: speed, encrypted, flatness, flood, many
//! cargo bench --bench transfer -- --size 2GiB --rounds 7 --into /some/disk
//! ```
//!
//! Five parts; the round trip of texts beside files is measured by `tete bench --only texts`:
//!
//! - `speed`: tete beside raw probes (sendfile into recv and write, or splice; with and without the same hashing).
//!   Gigabytes a second, processor seconds a gigabyte, system calls a megabyte.
//! - `encrypted`: the same beside TLS 1.3 from one process to another by the same library, and beside scp.
//! - `flatness`: system calls a megabyte and peak memory from 100 MB to some GB.
//! - `flood`: the round trip of a text while strangers fill the door.
//! - `many`: 250, 500 and 1,000 small files offered at once.
//!
//! Every run is of two new processes, this program started again as sender and receiver; this one only waits. All
//! over TCP on loopback, in turn, after a round that does not count: only the ratios of one run mean something, for
//! machines differ by a factor from one minute to the next. Sources and destinations are in memory (`/dev/shm`)
//! unless told otherwise, and are removed. Slow figures are printed and are no failure.
//!
//! Only on Linux: the probes use its calls, and `/proc` is asked what a process has cost.

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
