//! The files of a run: what is sent, and where it goes. Everything is removed at the end, whatever the end is.
//!
//! Owns: two folders and who removes them. Must not know: what is measured.
//!
//! The folders are removed by a process of its own, the caretaker, when this one is gone: by its own end or by a
//! signal. In a memory file system gigabytes would stay behind otherwise.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::process::{Helper, wait_for_parent};
use super::role::Role;

/// Bytes written at once.
const PIECE: usize = 1 << 20;
/// How often, and with what pause between, a folder is tried to be removed into which somebody may still write.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// How many this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The folders of a run.
#[derive(Debug)]
pub struct Scratch {
    sources: PathBuf,
    destinations: PathBuf,
    runs: u32,
    caretaker: Option<Helper>,
}

impl Scratch {
    /// Makes a folder for sources in `from`, and one for destinations in `into`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(from: &Path, into: &Path) -> io::Result<Self> {
        // Memory and disk may be chosen to be one folder.
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("tete-bench-{}-{nth}-{what}", std::process::id());
        let (sources, destinations) = (from.join(name("from")), into.join(name("into")));
        let role = Role::new("caretaker").word(&sources).word(&destinations);
        let caretaker = Some(Helper::start("caretaker", &role, None)?);
        let scratch = Self { sources, destinations, runs: 0, caretaker };
        for folder in [&scratch.sources, &scratch.destinations] {
            let explain = |error| io::Error::other(format!("{}: {error}", folder.display()));
            fs::create_dir(folder).map_err(explain)?;
        }
        Ok(scratch)
    }

    /// A file of so many bytes that no compression, and no comparison with zero, would make smaller. It is in the
    /// page cache when this returns.
    ///
    /// # Errors
    /// The system's.
    pub fn source(&self, name: &str, size: u64) -> io::Result<PathBuf> {
        let path = self.sources.join(name);
        let mut file = File::create_new(&path)?;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ size;
        let (mut piece, mut left) = (vec![0; PIECE], size);
        while left > 0 {
            for bytes in piece.chunks_exact_mut(8) {
                // xorshift64 (Marsaglia 2003)
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                bytes.copy_from_slice(&random.to_le_bytes());
            }
            let now = left.min(PIECE as u64);
            file.write_all(&piece[..now as usize])?;
            left -= now;
        }
        let mut file = File::open(&path)?;
        while file.read(&mut piece)? > 0 {}
        Ok(path)
    }

    /// A file of so many zeros that stand nowhere.
    ///
    /// # Errors
    /// The system's.
    pub fn sparse(&self, name: &str, size: u64) -> io::Result<PathBuf> {
        let path = self.sources.join(name);
        File::create_new(&path)?.set_len(size)?;
        Ok(path)
    }

    /// A folder for what is kept of a run until the end.
    pub fn room(&self) -> &Path {
        &self.sources
    }

    /// An empty folder for one run. Whoever is done with it [`clear`](Self::clear)s.
    ///
    /// # Errors
    /// The system's.
    pub fn destination(&mut self) -> io::Result<PathBuf> {
        self.runs += 1;
        let path = self.destinations.join(self.runs.to_string());
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// Removes a run's folder and what was received into it.
    ///
    /// # Errors
    /// The system's.
    pub fn clear(&self, destination: &Path) -> io::Result<()> {
        fs::remove_dir_all(destination)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(mut self) -> io::Result<()> {
        self.caretaker.take().map_or(Ok(()), Helper::dismiss)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.caretaker.take().map(Helper::dismiss) {
            log::error!("{error}");
        }
    }
}

/// The caretaker: waits until its parent is gone, and removes the folders.
///
/// # Errors
/// Something could not be removed.
pub fn take_care(folders: &[PathBuf]) -> io::Result<()> {
    wait_for_parent();
    for folder in folders {
        let mut tries = 0;
        loop {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(_) if tries < TRIES => {
                    tries += 1;
                    thread::sleep(PAUSE); // paced: until the folder can be removed
                }
                Err(error) => return Err(io::Error::other(format!("{} stays: {error}", folder.display()))),
                Ok(()) => break,
            }
        }
    }
    Ok(())
}
