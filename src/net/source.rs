//! From what our user wrote to files that can be sent.
//!
//! Owns: how a line becomes paths (spaces, quotes, `~`, patterns), whether each may be sent, and what is said when
//! not. Must not know: transfers, threads. Blocks; runs on a helper.
//!
//! The words it gives quote names as the file system has them; whoever shows them makes them safe.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::proto::near;
use crate::sys::{self, Stamp};

/// Files that one request may name. A pattern over a whole disk must not fill the memory.
const MAX_FILES: usize = 10_000;
/// Names of a folder that are compared with a missing one: each costs its length times the other's.
const MAX_COMPARED: usize = 1_000;

/// What names the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// The rest of a line that a person typed: one name with spaces if there is such a file, else words as a shell
    /// has them.
    Line(String),
    /// One path, exactly so; a shell has already done its part.
    Path(OsString),
    /// One path, exactly so, from a line that may have been meant as a message.
    Typed(OsString),
}

/// What our user wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was written.
    pub words: Words,
    /// Where relative paths begin.
    pub folder: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
}

/// A file that was opened, found readable, and closed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Where it is.
    pub path: PathBuf,
    /// Its file name, to be offered; what is not UTF-8 in it is replaced.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What tells whether it is still the same later.
    pub stamp: Stamp,
}

/// Something that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub what: String,
    /// What could be done about it; may be empty.
    pub hint: String,
}

/// What became of a [`Request`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// What can be sent, in the order in which it was named.
    pub ready: Vec<Prepared>,
    /// What cannot.
    pub refused: Vec<Refused>,
}

impl Sources {
    fn take(&mut self, result: Result<Prepared, Refused>) {
        match result {
            Ok(prepared) => self.ready.push(prepared),
            Err(refused) => self.refused.push(refused),
        }
    }

    /// Takes one more path, or refuses the rest; whether to go on.
    fn take_path(&mut self, path: &Path) -> bool {
        if self.ready.len() + self.refused.len() >= MAX_FILES {
            let what = format!("more than {MAX_FILES} files at once");
            self.refused.push(Refused { what, hint: "send them in parts, or packed into one file".into() });
            return false;
        }
        self.take(check(path, true));
        true
    }
}

/// Finds the files of a request, and looks at each.
pub fn prepare(request: &Request) -> Sources {
    let mut sources = Sources::default();
    match &request.words {
        Words::Path(path) => sources.take(check(&request.folder.join(path), false)),
        Words::Typed(path) => sources.take(check(&request.folder.join(path), true)),
        Words::Line(line) => request.prepare_line(line, &mut sources),
    }
    sources
}

impl Request {
    fn prepare_line(&self, line: &str, sources: &mut Sources) {
        for whole in [line, line.trim()] {
            if let Ok(path) = self.place(whole)
                && !whole.trim().is_empty()
                && !is_missing(&path)
            {
                sources.take_path(&path);
                return;
            }
        }
        let Some(words) = shlex::split(line) else {
            let hint = "close the quote, or put a backslash before it".into();
            sources.refused.push(Refused { what: format!("a quote is left open in {}", line.trim()), hint });
            return;
        };
        if words.is_empty() {
            sources.refused.push(Refused { what: "no file was named".into(), hint: String::new() });
        }
        // Words of which none is a file are one name with a slip in it, or were never meant as files.
        let no_file = |word: &String| !is_pattern(word) && self.place(word).is_ok_and(|path| is_missing(&path));
        if words.len() > 1
            && words.iter().all(no_file)
            && let Ok(path) = self.place(line.trim())
        {
            sources.refused.push(missing(&path, true));
            return;
        }
        for word in &words {
            if !self.prepare_word(word, sources) {
                return;
            }
        }
    }

    /// One word of a line; whether to go on.
    fn prepare_word(&self, word: &str, sources: &mut Sources) -> bool {
        let path = match self.place(word) {
            Ok(path) => path,
            Err(refused) => {
                sources.refused.push(refused);
                return true;
            }
        };
        // A file that is really called `a[1].txt` comes before what the pattern would find.
        if !is_pattern(word) || !is_missing(&path) {
            return sources.take_path(&path);
        }
        self.matches(word, sources).unwrap_or_else(|refused| {
            sources.refused.push(refused);
            true
        })
    }

    fn matches(&self, word: &str, sources: &mut Sources) -> Result<bool, Refused> {
        let (base, rest) = base(word, &self.folder, self.home.as_deref())?;
        let wrong = |why: &str| Refused { what: format!("{word}: {why}"), hint: String::new() };
        let pattern = match Path::new(rest).is_absolute() {
            true => rest.to_owned(),
            false => {
                let base = base.to_str().ok_or_else(|| wrong("patterns work only in folders with a UTF-8 name"))?;
                format!("{}/{rest}", glob::Pattern::escape(base))
            }
        };
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let mut found = false;
        for path in glob::glob_with(&pattern, options).map_err(|error| wrong(error.msg))? {
            found = true;
            match path {
                Ok(path) if !sources.take_path(&path) => return Ok(false),
                Ok(_) => {}
                Err(error) => {
                    let what = format!("{}: {}", error.path().display(), sys::words(error.error()));
                    sources.refused.push(Refused { what, hint: String::new() });
                }
            }
        }
        if found { Ok(true) } else { Err(wrong("no file matches")) }
    }

    /// Where a word of ours leads.
    fn place(&self, word: &str) -> Result<PathBuf, Refused> {
        place(word, &self.folder, self.home.as_deref())
    }
}

/// Where a word of ours leads, from `here`.
pub(super) fn place(word: &str, here: &Path, home: Option<&Path>) -> Result<PathBuf, Refused> {
    base(word, here, home).map(|(base, rest)| if rest.is_empty() { base.to_owned() } else { base.join(rest) })
}

/// The folder in which a word begins, and what is left of the word. `~` alone and `~/…` are our user's home; `~name` is
/// a file called so.
fn base<'a>(word: &'a str, here: &'a Path, home: Option<&'a Path>) -> Result<(&'a Path, &'a str), Refused> {
    match word.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = home.ok_or_else(|| Refused {
                what: format!("{word}: what ~ stands for is not known, because HOME is not set"),
                hint: "give the whole path".into(),
            })?;
            Ok((home, rest.trim_start_matches('/')))
        }
        _ => Ok((here, word)),
    }
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

fn is_missing(path: &Path) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    std::fs::symlink_metadata(path)
        .is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory | InvalidFilename))
}

/// Looks whether a file can be sent. `typed`: in a conversation, and perhaps meant as a message.
fn check(path: &Path, typed: bool) -> Result<Prepared, Refused> {
    let stamp = match sys::open_source(path).and_then(|file| sys::stamp(&file)) {
        Ok(stamp) => stamp,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(path, typed)),
        Err(error) => {
            let hint = if path.is_dir() { "pack it into one file first" } else { "" };
            return Err(Refused { what: format!("{}: {}", path.display(), sys::words(&error)), hint: hint.into() });
        }
    };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Prepared { path: path.to_owned(), name, size: stamp.size, stamp })
}

fn missing(path: &Path, typed: bool) -> Refused {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let folder = path.parent().unwrap_or(path);
    let mut hints = Vec::new();
    if let Some(near) = nearest(folder, &name) {
        hints.push(format!("there is {near}"));
    }
    if typed {
        hints.push("/say sends the line as a message".to_owned());
    }
    Refused { what: format!("no file called {name} in {}", folder.display()), hint: hints.join("; ") }
}

/// The name in `folder` that is most like `name`, if it is like enough to be what was meant.
fn nearest(folder: &Path, name: &str) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.take(MAX_COMPARED).flatten();
    near::nearest(name, names.map(|entry| entry.file_name().to_string_lossy().into_owned()))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
