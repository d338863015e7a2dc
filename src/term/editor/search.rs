//! The search in the history, as its pattern is typed.
//!
//! Owns: the pattern, which line is shown, the line before the search. Must not know: what other keys do.

use std::mem;

use super::{Act, Editor, Outcome, Recall, recalled};
use crate::term::draft::{Draft, fitting};

/// Longest pattern in bytes: longer than what anybody types, and it stands in one row.
const MAX_PATTERN: usize = 200;

#[derive(Debug)]
pub(super) struct Search {
    pub(super) pattern: String,
    pub(super) matches: bool,
    /// The number of the entry that is shown.
    at: Option<usize>,
    /// The line before the search.
    before: Draft,
}

impl Editor {
    pub(super) fn begin_search(&mut self) -> Outcome {
        if !self.is_recording {
            return Outcome::Nothing;
        }
        self.last = Act::Other;
        self.search = Some(Search { pattern: String::new(), matches: true, at: None, before: self.draft.clone() });
        Outcome::Changed
    }

    /// Ctrl-R again: the next older line, or, with nothing typed, the last pattern once more.
    pub(super) fn search_older(&mut self) -> Outcome {
        let Some(search) = &mut self.search else { return Outcome::Nothing };
        if search.pattern.is_empty() {
            search.pattern.clone_from(&self.last_pattern);
            return self.find(self.history.len());
        }
        let mut before = search.at.unwrap_or(self.history.len());
        // The same line once more is not another one.
        while let Some(at) = self.history.find(&search.pattern, before) {
            before = at;
            if self.history.get(at) != Some(self.draft.text()) {
                return self.find(at + 1);
            }
        }
        search.matches = false;
        Outcome::Changed
    }

    /// Shows the newest line older than `before` that has the pattern.
    fn find(&mut self, before: usize) -> Outcome {
        let Some(search) = &mut self.search else { return Outcome::Nothing };
        if search.pattern.is_empty() {
            search.matches = true;
            search.at = None;
            self.draft = search.before.clone();
            return Outcome::Changed;
        }
        let found = self.history.find(&search.pattern, before);
        search.matches = found.is_some();
        if let Some(at) = found
            && let Some(entry) = self.history.get(at)
        {
            search.at = Some(at);
            self.draft = recalled(entry);
            self.draft.move_to(entry.find(&search.pattern).unwrap_or(0));
        }
        Outcome::Changed
    }

    pub(super) fn widen_pattern(&mut self, text: &str) -> Outcome {
        let Some(search) = &mut self.search else { return Outcome::Nothing };
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = fitting(&text, MAX_PATTERN - search.pattern.len());
        if text.is_empty() {
            return Outcome::Nothing;
        }
        search.pattern.push_str(text);
        // The line that is shown may have the longer pattern too.
        let before = search.at.map_or(self.history.len(), |at| at + 1);
        self.find(before)
    }

    pub(super) fn shorten_pattern(&mut self) -> Outcome {
        let Some(search) = &mut self.search else { return Outcome::Nothing };
        if search.pattern.pop().is_none() {
            return Outcome::Nothing;
        }
        self.find(self.history.len())
    }

    pub(super) fn cancel_search(&mut self) -> Outcome {
        if let Some(search) = self.search.take() {
            self.draft = search.before;
        }
        Outcome::Changed
    }

    /// Takes what was found into the line.
    pub(super) fn leave_search(&mut self) {
        let Some(search) = self.search.take() else { return };
        self.last_pattern = search.pattern;
        let Some(at) = search.at else { return };
        let found = mem::replace(&mut self.draft, search.before);
        self.step(Act::Other);
        let before = mem::replace(&mut self.draft, found);
        let begun = self.recall.take().map_or(before, |recall| recall.begun);
        self.recall = Some(Recall { at, begun });
    }
}
