//! What Tab completes: commands at the start of a line, paths behind those that send, known peers where it is asked
//! whom to call.
//!
//! Owns: what stands before the cursor, and how a name is written so that it is read back as that file: what is
//! written are words as a shell has them, which the line is split into where files are sent (unless the whole rest of
//! it happens to be the name of a file, which comes first). Must not know: the file system, the screen. What was found
//! comes from whoever has looked.

use std::ops::Range;

/// Names that are considered: more of them cannot be meant, and each Tab looks at all.
pub const MAX_CONSIDERED: usize = 10_000;
/// Names that are shown: about what a screen has room for.
pub const MAX_CHOICES: usize = 100;

/// The commands that take paths.
const TAKE_PATHS: [&str; 2] = ["transfer", "/send"];
/// Our user's home, and the folder above: what they stand for needs no look.
const HOME: &str = "~";
const PARENT: &str = "..";

/// What is to be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A command: see [`complete_word`].
    Command {
        /// What it replaces, in bytes of the line.
        replace: Range<usize>,
        /// What there is of it.
        prefix: String,
    },
    /// A path: somebody has to look into a folder, then [`complete_path`].
    Path(PathWanted),
    /// A known peer: somebody has to tell who there is, then [`complete_word`].
    Peer {
        /// What it replaces, in bytes of the line.
        replace: Range<usize>,
        /// What there is of it.
        prefix: String,
    },
    /// Nothing: what stands there is a message.
    Nothing,
}

/// A path that is to be completed: its last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathWanted {
    /// What it replaces, in bytes of the line: the last part as far as the cursor.
    pub replace: Range<usize>,
    /// The folder, without its quotes: nothing for the one that we are in, else with a slash at its end. Begins with `~/`
    /// only where that is our user's home.
    pub folder: String,
    /// What there is of the last part, without its quotes.
    pub prefix: String,
    /// How the name is to be quoted.
    pub quoting: Quoting,
    /// The quote that is open where `replace` begins.
    opened: Quoting,
    /// Whether a `~` that is all there is would be our user's home.
    is_bare: bool,
}

/// Which quote is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// None: a backslash takes its meaning from what follows.
    Bare,
    /// `'`
    Single,
    /// `"`
    Double,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name: one component, with nothing in it that a line must not have.
    pub name: String,
    /// Whether there is more behind it.
    pub is_folder: bool,
}

/// What Tab does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The line changes.
    Insert {
        /// What is taken away, in bytes of the line.
        replace: Range<usize>,
        /// What comes in its place; the cursor stands behind it.
        with: String,
    },
    /// There are several, and nothing more in common.
    Choices {
        /// Some of them, in order; at most [`MAX_CHOICES`].
        names: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// There is none.
    None,
}

impl Quoting {
    fn sign(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Single => "'",
            Self::Double => "\"",
        }
    }

    /// A part of a name as it is written in such quotes.
    fn escape(self, part: &str, out: &mut String) {
        for (at, c) in part.char_indices() {
            match (self, c) {
                // Behind the quote the same one again; only a quoted quote stands between.
                (Self::Single, '\'') => out.push_str("'\\'"),
                (Self::Double, '"' | '\\' | '$' | '`') | (Self::Bare, ' ' | '\t' | '"' | '\'' | '\\') => out.push('\\'),
                (Self::Bare, '#') if at == 0 => out.push('\\'), // else the rest of the line is a remark
                _ => {}
            }
            out.push(c);
        }
    }
}

/// The last word of what was typed, as far as it goes.
struct Word {
    /// Without its quotes.
    text: String,
    /// How many of its first bytes are not quoted: a quoted `~` is no home.
    bare: usize,
    quoting: Quoting,
    /// Its last part: where it begins in the line and in `text`, and the quote that is open there.
    part: (usize, usize, Quoting),
}

/// What is to be completed in `line`, with the cursor at that byte. `commands` as they are to be written: with a space
/// at the end where something may follow. `at_target`: the question whom to call is open.
pub fn wanted(line: &str, cursor: usize, commands: &[&str], at_target: bool) -> Wanted {
    let Some((before, behind)) = line.split_at_checked(cursor) else { return Wanted::Nothing };
    if line.contains('\n') {
        return Wanted::Nothing; // pasted, and never a command
    }
    if at_target {
        let prefix = before.trim_start();
        let means_more = |c: char| c.is_whitespace() || ":@#[".contains(c);
        return match prefix.contains(means_more) {
            true => Wanted::Nothing,
            false => Wanted::Peer { replace: cursor - prefix.len()..cursor, prefix: prefix.to_owned() },
        };
    }
    let behind_command = |command: &str| before.strip_prefix(command).filter(|rest| rest.starts_with([' ', '\t']));
    if let Some(rest) = TAKE_PATHS.into_iter().find_map(behind_command) {
        return path_wanted(before, before.len() - rest.len());
    }
    // In the middle of a word nothing is meant to begin.
    let stands_alone = if before.is_empty() { behind.is_empty() } else { behind.is_empty() || behind.starts_with(' ') };
    match stands_alone && commands.iter().any(|command| command.starts_with(before)) {
        true => Wanted::Command { replace: 0..cursor, prefix: before.to_owned() },
        false => Wanted::Nothing,
    }
}

/// The path at the end of `before`, in the words that begin at that byte.
fn path_wanted(before: &str, begin: usize) -> Wanted {
    let Some(Word { text, bare, quoting, part: (at, from, opened) }) = last_word(before, begin) else {
        return Wanted::Nothing;
    };
    let (folder, prefix) = text.split_at(from);
    let is_quoted_home = folder.starts_with("~/") && bare < "~/".len();
    let folder = if is_quoted_home { format!("./{folder}") } else { folder.to_owned() };
    let (prefix, is_bare) = (prefix.to_owned(), bare == text.len());
    Wanted::Path(PathWanted { replace: at..before.len(), folder, prefix, quoting, opened, is_bare })
}

/// Splits as `shlex` does, but remembers where. `None`: a remark, which is no word.
fn last_word(line: &str, begin: usize) -> Option<Word> {
    let new = |at| Word { text: String::new(), bare: 0, quoting: Quoting::Bare, part: (at, 0, Quoting::Bare) };
    let (mut word, mut has_begun, mut escaped) = (new(begin), false, false);
    for (at, c) in line[begin..].char_indices().map(|(at, c)| (begin + at, c)) {
        let was_escaped = std::mem::take(&mut escaped);
        match (word.quoting, c) {
            (Quoting::Bare, _) if was_escaped => word.push(at, c),
            (Quoting::Bare, ' ' | '\t') => {
                (word, has_begun) = (new(at + 1), false);
                continue;
            }
            (Quoting::Bare, '#') if !has_begun => return None,
            (Quoting::Bare | Quoting::Double, '\\') if !was_escaped => escaped = true,
            (Quoting::Bare, '\'') => word.quoting = Quoting::Single,
            (Quoting::Bare, '"') => word.quoting = Quoting::Double,
            (Quoting::Double, '"') if !was_escaped => word.quoting = Quoting::Bare,
            (Quoting::Single, '\'') => word.quoting = Quoting::Bare,
            (Quoting::Double, c) => {
                if was_escaped && !"$`\"\\".contains(c) {
                    word.push(at, '\\');
                }
                word.push(at, c);
            }
            (Quoting::Single, c) => word.push(at, c),
            (Quoting::Bare, c) => {
                word.bare += if word.bare == word.text.len() { c.len_utf8() } else { 0 };
                word.push(at, c);
            }
        }
        has_begun = true;
    }
    Some(word)
}

impl Word {
    fn push(&mut self, at: usize, c: char) {
        self.text.push(c);
        if c == '/' {
            self.part = (at + 1, self.text.len(), self.quoting);
        }
    }
}

/// What becomes of a path, when `found` is in its folder. Hidden files count only where the name begins with a dot.
pub fn complete_path(wanted: &PathWanted, found: &[Candidate]) -> Completion {
    let prefix = wanted.prefix.as_str();
    // Alone it is our user's home, whatever files are called so.
    let is_home = |name: &str| wanted.folder.is_empty() && name == HOME;
    let known = ((is_home(prefix) && wanted.is_bare) || prefix == PARENT).then_some((prefix, true));
    let fits = |name: &&str| name.starts_with(prefix) && (prefix.starts_with('.') || !name.starts_with('.'));
    let files = found.iter().map(|file| (file.name.as_str(), file.is_folder));
    let files = files.filter(|(name, _)| fits(name) && known.is_none_or(|(known, _)| known != *name));
    let mut fitting: Vec<(&str, bool)> = known.into_iter().chain(files.take(MAX_CONSIDERED)).collect();
    fitting.sort_unstable();
    let common = match common_beginning(fitting.iter().map(|(name, _)| *name)) {
        None => return Completion::None,
        Some(common) if fitting.len() > 1 && common.len() == prefix.len() => {
            return choices(
                fitting
                    .iter()
                    .map(|(name, is_folder)| if *is_folder { format!("{name}/") } else { (*name).to_owned() }),
            );
        }
        Some(common) => common,
    };
    let mut with = String::new();
    if wanted.opened != wanted.quoting {
        with.push_str(wanted.opened.sign());
        with.push_str(wanted.quoting.sign());
    }
    if is_home(common) && known.is_none() && fitting.len() == 1 {
        with.push_str("./"); // a file that is really called so
    }
    wanted.quoting.escape(common, &mut with);
    match fitting[..] {
        [(_, true)] => with.push('/'),
        [(_, false)] => {
            with.push_str(wanted.quoting.sign());
            with.push(' ');
        }
        _ => {}
    }
    Completion::Insert { replace: wanted.replace.clone(), with }
}

/// What becomes of a word of which there is `prefix`, when `words` are all that it can become: as they are written.
pub fn complete_word<'a>(replace: Range<usize>, prefix: &str, words: impl IntoIterator<Item = &'a str>) -> Completion {
    let fitting = words.into_iter().filter(|word| word.starts_with(prefix)).take(MAX_CONSIDERED);
    let mut fitting: Vec<&str> = fitting.collect();
    fitting.sort_unstable();
    fitting.dedup();
    match common_beginning(fitting.iter().copied()) {
        None => Completion::None,
        Some(common) if fitting.len() > 1 && common.len() == prefix.len() => {
            choices(fitting.iter().map(|word| word.trim_end().to_owned()))
        }
        Some(common) => Completion::Insert { replace, with: common.to_owned() },
    }
}

fn choices(all: impl ExactSizeIterator<Item = String>) -> Completion {
    let more = all.len().saturating_sub(MAX_CHOICES);
    Completion::Choices { names: all.take(MAX_CHOICES).collect(), more }
}

/// What they all begin with; `None` of none.
fn common_beginning<'a>(mut all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = all.next()?;
    Some(all.fold(first, |common, name| {
        let differs = common.char_indices().zip(name.chars()).find(|((_, ours), theirs)| ours != theirs);
        let end = differs.map_or(common.len().min(name.len()), |((at, _), _)| at);
        &common[..end]
    }))
}

/// The choices in a line.
pub fn in_words(names: &[String], more: usize) -> String {
    let names = names.join("  ");
    if more == 0 { names } else { format!("{names}  and {more} more") }
}

#[cfg(test)]
#[path = "complete_tests.rs"]
mod tests;
