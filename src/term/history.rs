//! The lines typed before, and the file they are kept in.
//!
//! Owns: which lines are kept and how many, how a line stands in the file. Must not know: files, keys.
//!
//! In the file stands one entry a line, oldest first: `\n` for a line break inside it, `\\` for a backslash. Several
//! programs may append to it at once, so a line that cannot be read is skipped and the others count.

use std::collections::VecDeque;

use super::lines::MAX_LINE;

/// Most entries: more than a person searches, and what a screen of memory holds.
pub const MAX_ENTRIES: usize = 1000;

/// Most bytes of all entries: pasted messages are long.
pub const MAX_BYTES: usize = 1 << 20;

/// Lines typed before, oldest first; never two equal ones in a row.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: VecDeque<String>,
    /// Of `entries`, in all.
    bytes: usize,
    in_file: InFile,
}

/// What stands in the file, also of entries forgotten here.
#[derive(Clone, Copy, Debug, Default)]
struct InFile {
    lines: usize,
    bytes: usize,
}

impl History {
    /// What is readable in a file; the newest, where it is too much.
    pub fn parse(text: &str) -> Self {
        let mut history = Self::default();
        for line in text.lines() {
            history.in_file.lines += 1;
            history.in_file.bytes += line.len() + 1;
            if let Some(entry) = unescaped(line) {
                history.keep(&entry);
            }
        }
        history
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.entries.iter().map(String::as_str)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An entry by its number: 0 is the oldest.
    pub fn get(&self, number: usize) -> Option<&str> {
        self.entries.get(number).map(String::as_str)
    }

    /// The newest entry older than number `before` that contains `pattern`, by its number.
    pub fn find(&self, pattern: &str, before: usize) -> Option<usize> {
        self.entries.iter().take(before).rposition(|entry| entry.contains(pattern))
    }

    /// Keeps a line; returns what is to be appended to the file, with its line end. Nothing for a blank line, the same
    /// line once more, one that is longer than a message, and one with other control characters than `\n` and `\t`.
    pub fn add(&mut self, entry: &str) -> Option<String> {
        let line = self.keep(entry).then(|| escaped(entry))?;
        self.in_file.lines += 1;
        self.in_file.bytes += line.len();
        Some(line)
    }

    /// All entries as they stand in a file.
    pub fn text(&self) -> String {
        self.entries.iter().map(|entry| escaped(entry)).collect()
    }

    /// What the file is to be replaced with, when it has grown beyond twice what is kept. The caller is taken to do so.
    pub fn rewriting(&mut self) -> Option<String> {
        if self.in_file.lines <= 2 * MAX_ENTRIES && self.in_file.bytes <= 2 * MAX_BYTES {
            return None;
        }
        let text = self.text();
        self.in_file = InFile { lines: self.entries.len(), bytes: text.len() };
        Some(text)
    }

    fn keep(&mut self, entry: &str) -> bool {
        let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        let is_new = self.entries.back().is_none_or(|last| last != entry);
        if entry.trim().is_empty() || entry.len() > MAX_LINE || !entry.chars().all(is_text) || !is_new {
            return false;
        }
        self.bytes += entry.len();
        self.entries.push_back(entry.to_owned());
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            self.bytes -= self.entries.pop_front().map_or(0, |oldest| oldest.len());
        }
        true
    }
}

/// An entry as a line of the file.
fn escaped(entry: &str) -> String {
    let mut line = entry.replace('\\', "\\\\").replace('\n', "\\n");
    line.push('\n');
    line
}

/// The entry that a line of the file holds, if it is one.
fn unescaped(line: &str) -> Option<String> {
    // A line that long is none of ours; it is not copied.
    if line.len() > 2 * MAX_LINE {
        return None;
    }
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        entry.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(history: &History) -> Vec<&str> {
        history.entries().collect()
    }

    #[test]
    fn a_line_is_kept_and_told_as_it_is_to_stand_in_the_file() {
        let mut history = History::default();
        assert_eq!(history.add("a\\b\nc\td").as_deref(), Some("a\\\\b\\nc\td\n"));
        assert_eq!(entries(&history), ["a\\b\nc\td"]);
    }

    #[test]
    fn the_same_line_twice_in_a_row_is_kept_once() {
        let mut history = History::default();
        assert!(history.add("a").is_some());
        assert!(history.add("a").is_none());
        assert!(history.add("b").is_some());
        assert!(history.add("a").is_some());
        assert_eq!(entries(&history), ["a", "b", "a"]);
    }

    #[test]
    fn blank_overlong_and_dangerous_lines_are_not_kept() {
        let mut history = History::default();
        for line in ["", " \t\n", &"x".repeat(MAX_LINE + 1), "a\x1b[31m", "\u{9b}"] {
            assert!(history.add(line).is_none());
        }
        assert!(history.is_empty());
        assert!(history.add(&"x".repeat(MAX_LINE)).is_some());
    }

    #[test]
    fn broken_lines_of_a_file_are_skipped() {
        let overlong = "x".repeat(3 * MAX_LINE);
        let history = History::parse(&format!("a\nbad\\\nbad\\x\n\n\x1b[31mbad\n{overlong}\nb\\\\n\r\nc"));
        assert_eq!(entries(&history), ["a", "b\\n", "c"]);
    }

    #[test]
    fn only_so_many_entries_are_kept() {
        let file: String = (0..3 * MAX_ENTRIES).map(|n| format!("{n}\n")).collect();
        let history = History::parse(&file);
        assert_eq!(history.len(), MAX_ENTRIES);
        assert_eq!(history.get(0), Some((2 * MAX_ENTRIES).to_string().as_str()));
    }

    #[test]
    fn only_so_many_bytes_are_kept() {
        let mut history = History::default();
        for n in 0..2 * MAX_BYTES / MAX_LINE {
            history.add(&format!("{n:0MAX_LINE$}"));
        }
        assert_eq!(history.len(), MAX_BYTES / MAX_LINE);
        assert!(history.entries().map(str::len).sum::<usize>() <= MAX_BYTES);
    }

    #[test]
    fn a_file_is_replaced_once_when_it_has_grown_beyond_twice_what_is_kept() {
        let file: String = (0..2 * MAX_ENTRIES).map(|n| format!("{n}\n")).collect();
        let mut history = History::parse(&file);
        assert_eq!(history.rewriting(), None);
        history.add("one more");
        let text = history.rewriting().expect("it has grown");
        assert_eq!(text.lines().count(), MAX_ENTRIES);
        assert!(text.ends_with("one more\n"));
        assert_eq!(history.rewriting(), None);
    }

    #[test]
    fn a_file_of_few_but_broken_lines_is_replaced_when_it_is_too_long() {
        let mut history = History::parse(&format!("a\n{}\n", "x".repeat(2 * MAX_BYTES)));
        assert_eq!(history.rewriting().as_deref(), Some("a\n"));
    }

    #[test]
    fn the_newest_entry_that_contains_a_pattern_is_found_and_then_older_ones() {
        let history = History::parse("say a\nb\nsay c\n");
        assert_eq!(history.find("say", history.len()), Some(2));
        assert_eq!(history.find("say", 2), Some(0));
        assert_eq!(history.find("say", 0), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(lines in proptest::collection::vec("[a\\\\n\n\t é😀]{0,12}", 0..30)) {
            let mut history = History::default();
            let file: String = lines.iter().filter_map(|line| history.add(line)).collect();
            prop_assert_eq!(&file, &history.text());
            let read = History::parse(&file);
            prop_assert_eq!(entries(&read), entries(&history));
            prop_assert_eq!(file.lines().count(), history.len());
        }
    }
}
