//! The folder where an installation keeps who it is and whom it knows.
//!
//! Owns: which folder that is (XDG Base Directory Specification, section 3), whether it may be relied on, reading and
//! replacing a small file in it. Must not know: what stands in the files.
//!
//! **Threat model.** Another user of this machine can neither read what is kept here nor put something in its place:
//! the folder and its files have to belong to our user, nobody else may write to them, symbolic links are not followed,
//! and what was checked is what was opened. Not kept out are our user's other programs, the administrator, and whoever
//! has the disk. Who may rename a parent of the folder can take it away as a whole, which looks like a first start.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use crate::sys::{self, Calls};

/// The folder's name among those of other programs.
const NAME: &str = "tete";
/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;
/// The right to write of everybody but the owner.
const OTHERS_WRITE: u32 = 0o022;
/// Random bytes in the name of a file that is being written for the first time: two who do so never meet.
const NONCE: usize = 8;

/// Something that is kept cannot be relied on, or cannot be kept. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What is wrong, and with which path. One line.
    pub message: String,
    /// What to do about it. One line.
    pub hint: String,
}

impl StoreError {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.message, self.hint)
    }
}

impl std::error::Error for StoreError {}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner alone: it is the secret of who he is.
    Owner,
    /// Its owner alone: it is nobody else's business.
    Private,
    /// Others too: it is only that they must not write it.
    Anybody,
}

/// The folder, open and judged.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// The folder that was given, else the usual one: `tete` in `XDG_CONFIG_HOME`, or in `~/.config`. Made (0700)
    /// where there is none, with its parents.
    ///
    /// # Errors
    /// Nothing was given and there is no home; it cannot be made or opened; it is a symbolic link, belongs to somebody
    /// else, or others may write to it.
    pub fn open(given: Option<&Path>) -> Result<Self, StoreError> {
        let path = match given {
            Some(given) => given.to_owned(),
            None => usual()?,
        };
        // Without a slash at the end, behind which a link would be followed; and the same folder later on.
        let path = std::path::absolute(&path).map_err(|error| unusable(&path, &error))?;
        let path: PathBuf = path.components().collect();
        match sys::open_folder_itself(&path) {
            Ok(handle) => Self::judged(path, handle),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&path).map_err(|error| unusable(&path, &error))?;
                let handle = sys::open_folder_itself(&path).map_err(|error| unusable(&path, &error))?;
                Self::judged(path, handle)
            }
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    fn judged(path: PathBuf, handle: OwnedFd) -> Result<Self, StoreError> {
        let access = sys::access(&handle).map_err(|error| unusable(&path, &error))?;
        if !access.is_ours {
            return Err(StoreError::new(
                format!("the folder {path:?} belongs to somebody else"),
                "--config-dir names a folder of your own",
            ));
        }
        if access.mode & OTHERS_WRITE != 0 {
            return Err(StoreError::new(
                format!("others may write to the folder {path:?} (mode {:04o})", access.mode),
                format!("if nobody has changed anything in it: chmod 700 {path:?}"),
            ));
        }
        Ok(Self { path, handle })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What stands in the file `name`, at most `limit` bytes of UTF-8. `None`: there is no such file.
    ///
    /// # Errors
    /// It is longer, not UTF-8, not a file, a symbolic link, somebody else's, writable by others, or readable by more
    /// than `readers`.
    pub(super) fn read(&self, name: &str, limit: u64, readers: Readers) -> Result<Option<String>, StoreError> {
        let path = self.path_of(name);
        let file = match sys::open_kept(self.handle(), name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        let access = judged(&path, &file, readers)?;
        let too_long = || {
            StoreError::new(format!("{path:?} has more than {limit} bytes"), "it is not what tete wrote: move it away")
        };
        if access.size > limit {
            return Err(too_long());
        }
        // It may have grown since: the bound is on what is read.
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unusable(&path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(too_long());
        }
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| StoreError::new(format!("{path:?} is not text"), "it is not what tete wrote: move it away"))
    }

    /// Opens the file `name`, which only grows, to write at its end; makes an empty one (0600) where there is none. What
    /// stands in it already comes along: its last `limit` bytes at most, with U+FFFD for what is not UTF-8, because one
    /// line that was cut off by a full disk must not cost all the others.
    ///
    /// # Errors
    /// It is not a file, a symbolic link, somebody else's, or others may read or write it.
    pub fn open_growing(&self, name: &str, limit: u64) -> Result<(File, String), StoreError> {
        let path = self.path_of(name);
        let mut file = sys::open_growing(self.handle(), name).map_err(|error| unusable(&path, &error))?;
        let access = judged(&path, &file, Readers::Private)?;
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(access.size.saturating_sub(limit)))
            .and_then(|_| (&mut file).take(limit).read_to_end(&mut bytes));
        read.map_err(|error| unusable(&path, &error))?;
        Ok((file, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Writes the file `name` (0600) where there is none. `Ok(false)`: there is one, and it stays as it is.
    ///
    /// # Errors
    /// The system's, such as a full disk; then there is no file.
    pub(super) fn write_first(&self, name: &str, content: &str) -> Result<bool, StoreError> {
        let mut nonce = [0; NONCE];
        let temporary = sys::random(&mut nonce).map(|()| format!(".{name}.{}", data_encoding::HEXLOWER.encode(&nonce)));
        self.write(name, temporary, content, |folder, from| match sys::rename_new(Calls::Native, folder, from, name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        })
    }

    /// Writes the file `name` (0600) in place of the one that is there. Whoever reads it has the old or the new one,
    /// after a crash too. Only one at a time may do so: the caller holds a lock.
    ///
    /// # Errors
    /// The system's, such as a full disk; then the old file stays.
    pub fn replace(&self, name: &str, content: &str) -> Result<(), StoreError> {
        // One that was killed may have left this behind; its name is always the same, so that they do not gather.
        let temporary = format!(".{name}.new");
        let temporary = match sys::unlink(self.handle(), &temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(temporary),
        };
        self.write(name, temporary, content, |folder, from| sys::rename_over(folder, from, name).map(|()| true))
            .map(|_| ())
    }

    /// Writes a file called `temporary`; `publish` gives it the real name, or says that it is not wanted.
    fn write(
        &self,
        name: &str,
        temporary: io::Result<String>,
        content: &str,
        publish: impl FnOnce(BorrowedFd<'_>, &str) -> io::Result<bool>,
    ) -> Result<bool, StoreError> {
        let written = temporary.and_then(|temporary| self.try_write(&temporary, content, publish));
        written.map_err(|error| {
            let message = format!("{:?} could not be written: {}", self.path_of(name), sys::words(&error));
            StoreError::new(message, "what was there stays; --config-dir names another folder")
        })
    }

    fn try_write(
        &self,
        temporary: &str,
        content: &str,
        publish: impl FnOnce(BorrowedFd<'_>, &str) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let file = sys::create_new(Calls::Native, self.handle(), temporary)?;
        let published = fill(file, content).and_then(|()| publish(self.handle(), temporary));
        if !matches!(published, Ok(true))
            && let Err(error) = sys::unlink(self.handle(), temporary)
        {
            log::warn!("{:?} could not be removed: {error}", self.path_of(temporary));
        }
        let published = published?;
        if published && let Err(error) = sys::sync_folder(self.handle()) {
            // It is there under its name: only a loss of power could bring back what was there before.
            log::warn!("what was written to {:?} may not survive a loss of power: {error}", self.path_of(""));
        }
        Ok(published)
    }
}

/// Whether an open file may be relied on, and who else knows what stands in it.
fn judged(path: &Path, file: &File, readers: Readers) -> Result<sys::Access, StoreError> {
    let access = sys::access(file).map_err(|error| unusable(path, &error))?;
    if !access.is_file {
        return Err(StoreError::new(format!("{path:?} is no file"), "move it away"));
    }
    if !access.is_ours {
        return Err(StoreError::new(
            format!("{path:?} belongs to somebody else"),
            "move it away, or name another folder with --config-dir",
        ));
    }
    let (loose, what) = match readers {
        Readers::Owner | Readers::Private => (OTHERS, "read or write"),
        Readers::Anybody => (OTHERS_WRITE, "write"),
    };
    if access.mode & loose != 0 {
        let hint = match readers {
            Readers::Owner => {
                format!(
                    "if nobody else uses this machine: chmod 600 {path:?}; else move it away, and a new key is made"
                )
            }
            Readers::Private => format!("chmod 600 {path:?}, or move it away"),
            Readers::Anybody => format!("if nobody has changed it: chmod 600 {path:?}"),
        };
        return Err(StoreError::new(format!("others may {what} {path:?} (mode {:04o})", access.mode), hint));
    }
    Ok(access)
}

/// All of it on the disk, before it gets its name.
fn fill(mut file: File, content: &str) -> io::Result<()> {
    file.write_all(content.as_bytes())?;
    sys::sync_file(&file)
}

/// Makes the folder for its owner alone, and its parents as folders usually are.
fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    sys::make_private_folder(path)
}

/// Where the system keeps such things.
fn usual() -> Result<PathBuf, StoreError> {
    let no_home = || {
        StoreError::new(
            "HOME is not set, so there is no folder for who you are and whom you know",
            "name one: --config-dir DIR, or TETE_HOME",
        )
    };
    let is_set = |variable| std::env::var_os(variable).is_some_and(|path| Path::new(&path).is_absolute());
    // Without HOME the library goes on to the system's list of users: the folder of somebody whom nobody has named.
    if !is_set("HOME") && !is_set("XDG_CONFIG_HOME") {
        return Err(no_home());
    }
    Ok(Xdg::new().map_err(|_| no_home())?.config_dir().join(NAME))
}

/// Something is in the way. Looks again, for a message that says what.
fn unusable(path: &Path, error: &io::Error) -> StoreError {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => StoreError::new(
            format!("{path:?} is a symbolic link, which somebody else may have put there"),
            "put a real one in its place, or name the real folder with --config-dir",
        ),
        _ => StoreError::new(
            format!("{path:?} cannot be used: {}", sys::words(error)),
            "make it accessible, or name another folder with --config-dir",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&dir.path().join("kept"))).unwrap();
        (dir, folder)
    }

    #[test]
    fn a_missing_folder_is_made_for_its_owner_alone_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/");
        assert_eq!(Folder::open(Some(&path)).unwrap().path(), dir.path().join("a/b"));
        assert_eq!(mode(&path), 0o700);
        Folder::open(Some(&path)).unwrap();
    }

    #[test]
    fn a_symbolic_link_in_place_of_the_folder_is_refused_with_a_slash_behind_it_too() {
        let (dir, folder) = folder();
        symlink(folder.path(), dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        for name in ["link", "link/", "link/.", "dangling"] {
            let error = Folder::open(Some(&dir.path().join(name))).unwrap_err();
            assert!(error.message.contains("symbolic link"), "{name}: {error}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused_and_one_they_may_look_into_is_not() {
        let (_dir, folder) = folder();
        for (mode, fine) in [(0o700, true), (0o755, true), (0o770, false), (0o702, false), (0o777, false)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let opened = Folder::open(Some(folder.path()));
            assert_eq!(opened.is_ok(), fine, "{mode:o}");
            assert!(fine || opened.unwrap_err().hint.contains("chmod 700"));
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        // The root folder is nobody's but the administrator's, who is the one that may give things away.
        let dir = tempfile::tempdir().unwrap();
        let refused = match std::os::unix::fs::chown(dir.path(), Some(12_345), None) {
            Ok(()) => Folder::open(Some(dir.path())),
            Err(_) => Folder::open(Some(Path::new("/"))),
        };
        assert!(refused.unwrap_err().message.contains("belongs to somebody else"));
    }

    #[test]
    fn a_file_in_place_of_the_folder_or_of_a_parent_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path().to_owned(), file.path().join("below")] {
            let error = Folder::open(Some(&path)).unwrap_err();
            assert!(error.message.contains("cannot be used: Not a directory"), "{error}");
            assert!(error.hint.contains("--config-dir"), "{error}");
            assert_eq!(error.to_string(), format!("{}\nhint: {}", error.message, error.hint));
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_belongs_to_its_owner_alone() {
        let (_dir, folder) = folder();
        assert_eq!(folder.read("a", 9, Readers::Owner), Ok(None));
        assert_eq!(folder.write_first("a", "first"), Ok(true));
        assert_eq!(folder.write_first("a", "second"), Ok(false));
        assert_eq!(folder.read("a", 5, Readers::Owner), Ok(Some("first".to_owned())));
        folder.replace("a", "third").unwrap();
        assert_eq!(folder.read("a", 5, Readers::Owner), Ok(Some("third".to_owned())));
        assert_eq!(mode(&folder.path_of("a")), 0o600);
        assert_eq!(sys::list_names(folder.handle(), 9).unwrap(), ["a"], "nothing else is left");
    }

    #[test]
    fn fault_88_what_is_loose_a_link_or_no_file_is_not_read() {
        let (_dir, folder) = folder();
        let path = folder.path_of("a");
        fs::write(&path, "x").unwrap();
        for (mode, secret, open) in [(0o644, false, true), (0o640, false, true), (0o620, false, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder.read("a", 9, Readers::Owner).is_ok(), secret, "{mode:o}");
            assert_eq!(folder.read("a", 9, Readers::Anybody).is_ok(), open, "{mode:o}");
        }
        symlink("a", folder.path_of("link")).unwrap();
        fs::create_dir(folder.path_of("folder")).unwrap();
        let refused = |name| folder.read(name, 9, Readers::Anybody).unwrap_err().message;
        assert!(refused("link").contains("symbolic link"));
        assert!(refused("folder").contains("is no file"));
    }

    #[test]
    fn what_is_too_long_or_no_text_is_not_read() {
        let (_dir, folder) = folder();
        folder.replace("a", "12345").unwrap();
        assert!(folder.read("a", 4, Readers::Owner).unwrap_err().message.contains("more than 4 bytes"));
        fs::write(folder.path_of("a"), b"\xff").unwrap();
        assert!(folder.read("a", 4, Readers::Owner).unwrap_err().message.contains("not text"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_has_more_bytes_than_it_says_is_not_read() {
        // The system's files about this process say that they have none.
        let folder = Folder::open(Some(Path::new(&format!("/proc/{}", std::process::id())))).unwrap();
        assert_eq!(fs::metadata(folder.path_of("status")).unwrap().len(), 0);
        let error = folder.read("status", 16, Readers::Anybody).unwrap_err();
        assert!(error.message.contains("more than 16 bytes"), "{error}");
    }

    #[test]
    fn what_grows_is_read_from_its_end_and_written_there() {
        let (_dir, folder) = folder();
        let (mut file, before) = folder.open_growing("a", 5).unwrap();
        assert_eq!(before, "");
        file.write_all(b"12345\xff89").unwrap();
        let (mut again, tail) = folder.open_growing("a", 5).unwrap();
        assert_eq!(tail, "45\u{fffd}89");
        again.write_all(b"0").unwrap();
        assert_eq!(folder.open_growing("a", 3).unwrap().1, "890");
        assert_eq!(mode(&folder.path_of("a")), 0o600);
        fs::set_permissions(folder.path_of("a"), Permissions::from_mode(0o640)).unwrap();
        assert!(folder.open_growing("a", 5).unwrap_err().hint.contains("chmod 600"));
        symlink("a", folder.path_of("link")).unwrap();
        fs::create_dir(folder.path_of("folder")).unwrap();
        assert!(folder.open_growing("link", 5).unwrap_err().message.contains("symbolic link"));
        assert!(folder.open_growing("folder", 5).unwrap_err().message.contains("cannot be used"));
    }

    #[test]
    fn what_a_killed_writer_left_behind_is_taken_away() {
        let (_dir, folder) = folder();
        fs::write(folder.path_of(".a.new"), "half").unwrap();
        folder.replace("a", "whole").unwrap();
        assert_eq!(folder.read("a", 9, Readers::Owner), Ok(Some("whole".to_owned())));
        assert_eq!(sys::list_names(folder.handle(), 9).unwrap(), ["a"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let (_dir, folder) = folder();
        fs::create_dir(folder.path_of("a")).unwrap();
        let error = folder.replace("a", "x").unwrap_err();
        assert!(error.message.contains("could not be written"), "{error}");
        assert!(folder.path_of("a").is_dir());
        assert_eq!(sys::list_names(folder.handle(), 9).unwrap(), ["a"], "nothing else is left");
    }
}
