//! What is in a folder, for our user to choose from.
//!
//! Owns: the look, and which names may stand in a line that is being typed. Must not know: what was typed so far, how a
//! choice is shown. Blocks; runs on a helper.

use std::fs::{self, DirEntry};
use std::path::PathBuf;

use super::source::place;
use crate::proto::text::{Verdict, judged};
use crate::sys;

/// Names that are given. With more of them our user has to type some more first.
pub const MAX_LISTED: usize = 10_000;
/// Names that are looked through: what a disk tells in a moment.
const MAX_READ: usize = 200_000;

/// Where to look, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The folder as it was typed, without quotes: nothing for `here`; may begin with `~/`.
    pub folder: String,
    /// What the names begin with. Hidden ones are given only if that is a dot.
    pub prefix: String,
    /// Where relative paths begin.
    pub here: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
}

/// A file that can be sent, or a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name: UTF-8, with nothing in it that does something to a terminal.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Looks. The names come in order; what is neither a file nor a folder is left out.
///
/// # Errors
/// What to tell our user: no such folder, or too many names.
pub fn look(look: &Look) -> Result<Vec<Listed>, String> {
    let folder = place(&look.folder, &look.here, look.home.as_deref()).map_err(|refused| refused.what)?;
    let wrong = |error| format!("{}: {}", folder.display(), sys::words(&error));
    let mut found = Vec::new();
    for (at, entry) in fs::read_dir(&folder).map_err(wrong)?.enumerate() {
        if at >= MAX_READ {
            return Err(format!("{} has too many files to look through", folder.display()));
        }
        let Some(listed) = entry.map(|entry| listed(&entry, &look.prefix)).map_err(wrong)? else { continue };
        if found.len() >= MAX_LISTED {
            return Err(format!("more than {MAX_LISTED} files in {} fit: type some more", folder.display()));
        }
        found.push(listed);
    }
    found.sort_unstable();
    Ok(found)
}

fn listed(entry: &DirEntry, prefix: &str) -> Option<Listed> {
    let name = entry.file_name().into_string().ok()?;
    let fits = name.starts_with(prefix) && (prefix.starts_with('.') || !name.starts_with('.'));
    if !fits || judged(&name).any(|(_, verdict)| verdict == Verdict::Escape) {
        return None;
    }
    let kind = entry.file_type().ok()?;
    // A link is what it leads to.
    let kind = if kind.is_symlink() { fs::metadata(entry.path()).ok()?.file_type() } else { kind };
    (kind.is_file() || kind.is_dir()).then(|| Listed { name, is_folder: kind.is_dir() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn names(dir: &Path, folder: &str, prefix: &str) -> Result<Vec<String>, String> {
        let (here, home) = (dir.to_owned(), Some(dir.join("home")));
        let found = look(&Look { folder: folder.into(), prefix: prefix.into(), here, home })?;
        Ok(found.into_iter().map(|file| if file.is_folder { file.name + "/" } else { file.name }).collect())
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["notes.txt", "notes old", ".hidden", "a"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        for name in ["home", "home/nest", "home/nest/deep"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        dir
    }

    #[test]
    fn names_that_begin_so_are_given_in_order() {
        let dir = folder();
        assert_eq!(names(dir.path(), "", "no").unwrap(), ["notes old", "notes.txt"]);
        assert_eq!(names(dir.path(), "", "").unwrap(), ["a", "home/", "notes old", "notes.txt"]);
        assert_eq!(names(dir.path(), "", ".h").unwrap(), [".hidden"]);
        assert_eq!(names(dir.path(), "~/", "").unwrap(), ["nest/"]);
        assert_eq!(names(dir.path(), "home/nest/", "").unwrap(), ["deep/"]);
        let whole = format!("{}/", dir.path().display());
        assert_eq!(names(Path::new("/nowhere"), &whole, "a").unwrap(), ["a"]);
    }

    #[test]
    fn a_link_is_what_it_leads_to_and_what_cannot_be_sent_is_left_out() {
        let dir = folder();
        symlink("home", dir.path().join("l-folder")).unwrap();
        symlink("a", dir.path().join("l-file")).unwrap();
        symlink("none", dir.path().join("l-nowhere")).unwrap();
        symlink("/dev/null", dir.path().join("l-device")).unwrap();
        assert_eq!(names(dir.path(), "", "l-").unwrap(), ["l-file", "l-folder/"]);
    }

    #[test]
    fn names_that_a_line_must_not_have_are_left_out() {
        let dir = folder();
        for name in [&b"x\x1b[2J"[..], b"x\ny", b"x\xff", "x\u{202e}txt".as_bytes(), "xé".as_bytes()] {
            fs::write(dir.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        assert_eq!(names(dir.path(), "", "x").unwrap(), ["xé"]);
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let dir = folder();
        assert!(names(dir.path(), "none/", "").unwrap_err().ends_with("none/: No such file or directory"));
        assert!(names(dir.path(), "a/", "").unwrap_err().ends_with("a/: Not a directory"));
        let no_home = Look { folder: "~/".into(), prefix: String::new(), here: "/".into(), home: None };
        assert!(look(&no_home).unwrap_err().contains("HOME is not set"));
    }

    #[test]
    fn more_names_than_can_be_chosen_from_are_not_given() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..=MAX_LISTED {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        assert!(names(dir.path(), "", "").unwrap_err().contains("type some more"));
        assert_eq!(names(dir.path(), "", "9999").unwrap(), ["9999"]);
    }
}
