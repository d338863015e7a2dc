//! Where the files of a run go.
//!
//! Owns: which folders those are, whether each is what it is called, whether there is room. Must not know: what is measured.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use crate::sys;

use super::plan::Plan;
use super::scratch::Scratch;

/// The usual file system in memory.
const USUAL: &str = "/dev/shm";

/// A folder in memory, and a place in it: the one that was chosen, the usual one, or at least one for temporary files.
///
/// # Errors
/// It is no folder, or not ours to write to.
pub fn in_memory(plan: &Plan) -> io::Result<(PathBuf, Scratch)> {
    if let Some(chosen) = &plan.memory {
        return place(folder("--memory", chosen)?);
    }
    let usual = Path::new(USUAL);
    let found = is_in_memory(usual).then(|| place(usual.to_owned()).ok()).flatten();
    found.map_or_else(|| place(env::temp_dir()), Ok)
}

/// A folder on a disk, and a place in it: the one that was chosen, or the current one, or the one for temporary files.
/// `None`: neither is on a disk, ours to write to, and has room for so many bytes.
///
/// # Errors
/// What was chosen is no folder, or not ours to write to.
pub fn on_disk(plan: &Plan, needed: u64) -> io::Result<Option<(PathBuf, Scratch)>> {
    let Some(chosen) = &plan.disk else {
        let found = [env::current_dir().ok(), Some(env::temp_dir())];
        let fits = |folder: &PathBuf| !is_in_memory(folder) && check_room(folder, needed).is_ok();
        let mut on_disk = found.into_iter().flatten().filter(fits);
        return Ok(on_disk.find_map(|folder| place(folder).ok()));
    };
    place(folder("--disk", chosen)?).map(Some)
}

/// Whether a folder is in a file system that lives in memory.
pub fn is_in_memory(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|folder| sys::is_in_memory(&folder))
}

/// Bytes that may still be written there. `None`: the system does not tell.
pub fn room(folder: &Path) -> Option<u64> {
    sys::free_bytes(File::open(folder).ok()?.as_fd()).ok()?
}

/// Whether there is room for so many bytes.
///
/// # Errors
/// There is not, and what to do about it.
pub fn check_room(folder: &Path, needed: u64) -> io::Result<()> {
    match room(folder).filter(|room| *room < needed) {
        Some(room) => Err(io::Error::other(format!(
            "{} has room for {}, and {} are needed; --size makes the file smaller, --memory and --disk name other folders",
            folder.display(),
            ByteSize::b(room).display().iec(),
            ByteSize::b(needed).display().iec(),
        ))),
        None => Ok(()),
    }
}

fn place(folder: PathBuf) -> io::Result<(PathBuf, Scratch)> {
    Scratch::new(&folder, &folder).map(|scratch| (folder, scratch))
}

/// From the root on, because the processes that are started do not take it from where we are.
fn folder(flag: &str, path: &Path) -> io::Result<PathBuf> {
    let explain = |words: String| io::Error::other(format!("{flag} {}: {words}", path.display()));
    let folder = fs::canonicalize(path).map_err(|error| explain(sys::words(&error)))?;
    if folder.is_dir() { Ok(folder) } else { Err(explain("is no folder".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_has_to_be_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused =
            |memory: PathBuf| in_memory(&Plan { memory: Some(memory), ..Plan::default() }).unwrap_err().to_string();
        assert!(refused(file.path().to_owned()).ends_with(": is no folder"));
        assert!(refused("/nowhere/at all".into()).starts_with("--memory /nowhere/at all: No such file"));
    }

    #[test]
    fn want_of_room_is_told_before_anything_is_written() {
        let folder = env::temp_dir();
        check_room(&folder, 1).unwrap();
        let told = check_room(&folder, u64::MAX).unwrap_err().to_string();
        assert!(told.starts_with(&format!("{} has room for ", folder.display())) && told.contains("--size"), "{told}");
    }
}
