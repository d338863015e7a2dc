//! From what our user wrote to files that can be sent.
//!
//! Owns: which files a line means (one name with spaces, or words with `~` and patterns), whether each may be sent, and
//! what is said when not. Must not know: how a line is split, transfers, threads. Blocks; runs on a helper.
//!
//! The words it gives quote names as the file system has them; whoever shows them makes them safe.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::words::{self, Word};
use crate::proto::near;
use crate::sys::{self, Stamp};

/// Files that one request may name. A pattern over a whole disk must not fill the memory.
const MAX_FILES: usize = 10_000;
/// Things of one line that are told to be wrong: nothing of it is sent then, and nobody reads more.
const MAX_TOLD: usize = 10;
/// Names of a folder that are compared with a missing one: each costs its length times the other's.
const MAX_COMPARED: usize = 1_000;

/// What a pattern finds.
type Found = Box<dyn Iterator<Item = glob::GlobResult>>;

/// What names the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// The rest of a line that a person typed: one name with spaces if there is such a file, else words as a shell
    /// has them, of which all are sent or none.
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
        self.refused.len() < MAX_TOLD
    }

    /// All or nothing: a line of which a part is no file may have been meant as a message.
    fn keep_all_or_none(&mut self) {
        let Some(last) = self.refused.last_mut() else { return };
        if !std::mem::take(&mut self.ready).is_empty() {
            let nothing = "the rest of the line is not sent either";
            last.hint = if last.hint.is_empty() { nothing.to_owned() } else { format!("{nothing}; {}", last.hint) };
        }
    }

    /// Takes what a pattern has found, which as a name is `path`; whether to go on.
    fn take_found(&mut self, found: Found, path: &Path) -> bool {
        let mut none = true;
        for found in found {
            none = false;
            match found {
                Ok(path) if !self.take_path(&path) => return false,
                Ok(_) => {}
                Err(error) => {
                    let what = format!("{}: {}", error.path().display(), sys::words(error.error()));
                    self.refused.push(Refused { what, hint: String::new() });
                    if self.refused.len() >= MAX_TOLD {
                        return false;
                    }
                }
            }
        }
        if none {
            self.refused.push(unmatched(path));
        }
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
        let Some(words) = words::split(line) else {
            let hint = "close the quote, or put a backslash before it".into();
            sources.refused.push(Refused { what: format!("a quote is left open in {}", line.trim()), hint });
            return;
        };
        if words.is_empty() {
            sources.refused.push(Refused { what: "no file was named".into(), hint: String::new() });
        }
        // Words of which none is a file are one name with a slip in it, or were never meant as files.
        if words.len() > 1
            && words.iter().all(|word| self.is_nothing(word))
            && let Ok(path) = self.place(line.trim())
        {
            sources.refused.push(missing(&path, true));
            return;
        }
        for word in &words {
            if !self.prepare_word(word, sources) || sources.refused.len() >= MAX_TOLD {
                break;
            }
        }
        sources.keep_all_or_none();
    }

    /// Whether nothing is called so.
    fn is_nothing(&self, word: &Word) -> bool {
        let is_missing = self.place_word(word).is_ok_and(|path| is_missing(&path));
        is_missing && self.matches(word).is_none_or(|found| found.is_ok_and(|mut found| found.next().is_none()))
    }

    /// One word of a line; whether to go on.
    fn prepare_word(&self, word: &Word, sources: &mut Sources) -> bool {
        let path = match self.place_word(word) {
            Ok(path) => path,
            Err(refused) => {
                sources.refused.push(refused);
                return true;
            }
        };
        // A file that is really called `a[1].txt` comes before what the pattern would find.
        let found = if is_missing(&path) { self.matches(word) } else { None };
        match found {
            None => sources.take_path(&path),
            Some(Ok(found)) => sources.take_found(found, &path),
            Some(Err(refused)) => {
                sources.refused.push(refused);
                true
            }
        }
    }

    /// What a word finds that is a pattern; `None`: it is none.
    fn matches(&self, word: &Word) -> Option<Result<Found, Refused>> {
        let pattern = word.pattern.as_deref()?;
        let wrong = |why: &str| Refused { what: format!("{}: {why}", word.text), hint: String::new() };
        let (base, rest) = match self.base(word, pattern) {
            Ok(begin) => begin,
            Err(refused) => return Some(Err(refused)),
        };
        let pattern = match (Path::new(rest).is_absolute(), base.to_str()) {
            (true, _) => rest.to_owned(),
            (false, Some(base)) => format!("{}/{rest}", glob::Pattern::escape(base)),
            (false, None) => return Some(Err(wrong("patterns work only in folders with a UTF-8 name"))),
        };
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            // It would panic where any name in the folder is not UTF-8.
            require_literal_leading_dot: false,
        };
        let depth = if Path::new(rest).is_absolute() { 0 } else { base.components().count() };
        let dotted: Vec<_> = rest.split('/').filter(|part| part.starts_with('.')).map(glob::Pattern::new).collect();
        // As in a shell: what begins with a dot is found by a part that begins with one.
        let is_meant = move |part: &OsStr| {
            let part = part.to_string_lossy();
            !part.starts_with('.') || dotted.iter().flatten().any(|pattern| pattern.matches(&part))
        };
        let shown = move |path: &PathBuf| path.components().skip(depth).all(|part| is_meant(part.as_os_str()));
        let found = glob::glob_with(&pattern, options).map_err(|error| wrong(error.msg));
        Some(found.map(|found| -> Found { Box::new(found.filter(move |found| found.as_ref().map_or(true, &shown))) }))
    }

    /// The folder in which a word begins, and what is left of how it was written, as text or as pattern.
    fn base<'a>(&'a self, word: &Word, written: &'a str) -> Result<(&'a Path, &'a str), Refused> {
        match word.is_in_home {
            true => base(written, &self.folder, self.home.as_deref()),
            false => Ok((&self.folder, written)),
        }
    }

    fn place_word(&self, word: &Word) -> Result<PathBuf, Refused> {
        self.base(word, &word.text).map(|(base, rest)| joined(base, rest))
    }

    /// Where a word of ours leads.
    fn place(&self, word: &str) -> Result<PathBuf, Refused> {
        place(word, &self.folder, self.home.as_deref())
    }
}

/// Where a word of ours leads, from `here`.
pub(super) fn place(word: &str, here: &Path, home: Option<&Path>) -> Result<PathBuf, Refused> {
    base(word, here, home).map(|(base, rest)| joined(base, rest))
}

fn joined(base: &Path, rest: &str) -> PathBuf {
    if rest.is_empty() { base.to_owned() } else { base.join(rest) }
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

fn is_missing(path: &Path) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    std::fs::symlink_metadata(path)
        .is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory | InvalidFilename))
}

/// Looks whether a file can be sent. `typed`: in a conversation, and perhaps meant as a message.
fn check(path: &Path, typed: bool) -> Result<Prepared, Refused> {
    let look = |file: File| {
        let stamp = sys::stamp(&file)?;
        // What the system makes up as it is read (/proc) says that it has none.
        let has_bytes = stamp.size == 0 && sys::read_at(&file, &mut [0], 0).is_ok_and(|n| n > 0);
        Ok((stamp, has_bytes))
    };
    let stamp = match sys::open_source(path).and_then(look) {
        Ok((_, true)) => {
            let what = format!("{}: how long it is shows only when it is read", path.display());
            return Err(Refused { what, hint: "send it as a stream: tete --send - --as NAME < FILE".into() });
        }
        Ok((stamp, false)) => stamp,
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
    absent("no file called", path, typed)
}

/// That a pattern has found nothing, which as a name is `path`.
fn unmatched(path: &Path) -> Refused {
    absent("no file matches", path, true)
}

/// That something is not where it was looked for, and what may have been meant.
fn absent(what: &str, path: &Path, typed: bool) -> Refused {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let folder = path.parent().unwrap_or(path);
    let mut hints = Vec::new();
    if let Some(near) = nearest(folder, &name) {
        hints.push(format!("there is {near}"));
    }
    if typed {
        hints.push("/say sends the line as a message".to_owned());
    }
    Refused { what: format!("{what} {name} in {}", folder.display()), hint: hints.join("; ") }
}

/// The name in `folder` that is most like `name`, if it is like enough to be what was meant.
fn nearest(folder: &Path, name: &str) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.take(MAX_COMPARED).flatten();
    near::nearest(name, names.map(|entry| entry.file_name().to_string_lossy().into_owned()))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
