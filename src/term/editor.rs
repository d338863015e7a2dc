//! The line editor: keys in, lines out.
//!
//! Owns: what each key does, undo, what was cut, where in the history one stands, a search in it, a paste under way.
//! Must not know: bytes, terminals, files, what a line means.
//!
//! # The keys
//!
//! | key | what it does |
//! | --- | --- |
//! | `Left` `Right` `Ctrl-B` `Ctrl-F` | a character back, forth |
//! | `WordLeft` `WordRight` | a word back, forth: Ctrl or Alt with the arrows, Alt-B, Alt-F |
//! | `Home` `End` `Ctrl-A` `Ctrl-E` | to the beginning, the end |
//! | `Backspace` `Ctrl-H` | deletes the character before the cursor |
//! | `Delete` `Ctrl-D` | deletes the one behind it; Ctrl-D on an empty line ends |
//! | `Ctrl-W` | cuts back to a blank |
//! | `DeleteWordLeft` `DeleteWordRight` | cuts a word back, forth: Alt-Backspace, Alt-D |
//! | `Ctrl-U` `Ctrl-K` | cuts everything before, behind the cursor |
//! | `Ctrl-Y` | puts back what was cut last |
//! | `Ctrl-T` | exchanges two characters |
//! | `Ctrl-_` | takes the last change back |
//! | `Up` `Down` `Ctrl-P` `Ctrl-N` | older and newer lines; below the newest stands the one begun |
//! | `Ctrl-R` | searches for an older line as its pattern is typed; again: the next older one |
//! | `Ctrl-G` | ends a search; the line is as before |
//! | `Enter` | submits the line |
//! | `Tab` | asks for a completion |
//! | `Ctrl-C` | ends a search, else clears the line, else interrupts |
//! | `Ctrl-L` | asks for the screen to be drawn again |
//! | `Ctrl-Z` | asks to be suspended |
//!
//! In a search every other key takes what was found and then does its work on it; one with Alt, which is also what
//! Escape and a key are, only takes it.
//!
//! # What may be a command
//!
//! A paste of several lines is one line with line breaks in it, and that is one message. Of every byte it is known
//! whether it was pasted, also after it was cut and put back, and a line is only a command when its first word was
//! typed ([`Typed::may_be_command`]). What was not allowed to be one is remembered so that it does not become one when
//! it is recalled.

mod search;

use std::mem;
use std::ops::Range;

use super::draft::{Draft, Origin, Piece, fitting};
use super::history::History;
use super::keys::Key;
use super::lines::MAX_LINE;
use search::Search;

/// Most steps that can be taken back.
const MAX_STEPS: usize = 100;
/// Most bytes of lines in those steps: a few dozen of the longest.
const MAX_STEP_BYTES: usize = 512 * 1024;
/// Most bytes of entries that nobody has taken to append them to a file: who never does keeps none.
const MAX_UNSAVED: usize = 256 * 1024;

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that is to be seen.
    Nothing,
    /// The text, the cursor or the search is another.
    Changed,
    /// Enter: this is the line, and the next one is empty.
    Submitted(Typed),
    /// Ctrl-C on an empty line.
    Interrupted,
    /// Ctrl-D on an empty line.
    Ended,
    /// Ctrl-Z.
    Suspended,
    /// Tab: complete what stands before the cursor.
    Complete,
    /// Ctrl-L: draw everything again.
    Redraw,
    /// The line is full, and this much of what was to be put in was left out; a beginning may have found room. Told
    /// once a paste, at its end.
    Full {
        /// Bytes.
        dropped: usize,
    },
    /// The line is full, and the key was left out. Told once for all keys in a row; how many there were is known when
    /// the line is submitted: see [`take_left_out`](Editor::take_left_out).
    NoRoom,
}

/// A submitted line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// Its text: at most [`MAX_LINE`] bytes, no control character but `\n` and `\t`. May be empty.
    pub text: String,
    /// Whether it may be a command: one line, its first word and the blank behind it typed by hand (not pasted).
    pub may_be_command: bool,
}

/// A search in the history under way. The editor's text is what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searching<'a> {
    /// What was typed to be found.
    pub pattern: &'a str,
    /// Whether there is such a line; if not, the text is the last one that was found, or the one before the search.
    pub matches: bool,
}

/// A line, and all that its keys have to remember.
#[derive(Debug)]
pub struct Editor {
    draft: Draft,
    history: History,
    is_recording: bool,
    /// Where in the history one stands, if not on a line of one's own.
    recall: Option<Recall>,
    search: Option<Search>,
    paste: Option<Paste>,
    steps: Vec<Draft>,
    last: Act,
    /// Bytes of keys that found no room in the line, and in the one that was submitted last.
    refused: usize,
    left_out: usize,
    cut: Piece,
    last_pattern: String,
    unsaved: String,
}

#[derive(Debug)]
struct Recall {
    /// The number of the entry.
    at: usize,
    /// The line begun.
    begun: Draft,
}

/// Collected and put in at once: one step of undo, and the effort stays linear.
#[derive(Debug, Default)]
struct Paste {
    text: String,
    dropped: usize,
}

/// What the last key did, as far as the next one goes on with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Act {
    Typing,
    Erasing,
    Cutting,
    /// It found no room.
    Refused,
    #[default]
    Other,
}

/// Which side of the cursor is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

impl Editor {
    /// An empty line above this history.
    pub fn new(history: History) -> Self {
        Self {
            draft: Draft::default(),
            history,
            is_recording: true,
            recall: None,
            search: None,
            paste: None,
            steps: Vec::new(),
            last: Act::Other,
            refused: 0,
            left_out: 0,
            cut: Piece::default(),
            last_pattern: String::new(),
            unsaved: String::new(),
        }
    }

    /// The line as it is to be shown.
    pub fn text(&self) -> &str {
        self.draft.text()
    }

    /// Where the cursor stands in [`text`](Self::text): in bytes, on a grapheme boundary.
    pub fn cursor(&self) -> usize {
        self.draft.cursor()
    }

    /// The search under way.
    pub fn searching(&self) -> Option<Searching<'_>> {
        self.search.as_ref().map(|search| Searching { pattern: &search.pattern, matches: search.matches })
    }

    /// Whether lines are kept in the history and recalled from it.
    pub fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Answers to questions are not kept, and have no older ones.
    pub fn set_recording(&mut self, is_recording: bool) {
        self.leave_search();
        self.recall = None;
        self.is_recording = is_recording;
    }

    /// The lines typed before.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// As [`History::rewriting`]: what the file is to be replaced with, when it has grown too long.
    pub fn rewriting(&mut self) -> Option<String> {
        self.history.rewriting()
    }

    /// What is to be appended to the history's file since the last call.
    pub fn take_new_entries(&mut self) -> Option<String> {
        (!self.unsaved.is_empty()).then(|| mem::take(&mut self.unsaved))
    }

    /// Puts a text in the line's place, as if it had been typed. Control characters other than `\n` and `\t` are left
    /// out, and so is what does not fit. What may have been pasted is not for this, see [`set_aside`](Self::set_aside).
    pub fn set_line(&mut self, text: &str) {
        let text: String = text.chars().filter(|c| is_text(*c)).collect();
        self.restore(recalled(&text));
    }

    /// An empty line; there is nothing to take back. A paste under way goes on.
    pub fn clear(&mut self) {
        self.restore(Draft::default());
    }

    /// Takes the line away, to put it back later: it then still is what was typed and what was pasted.
    pub fn set_aside(&mut self) -> Draft {
        self.leave_search();
        let draft = mem::take(&mut self.draft);
        self.clear();
        draft
    }

    /// Puts a line back that was set aside.
    pub fn restore(&mut self, draft: Draft) {
        self.search = None;
        self.recall = None;
        self.steps.clear();
        self.last = Act::Other;
        self.refused = 0;
        self.draft = draft;
    }

    /// How many bytes of keys found no room in the line that was submitted last. Told once.
    pub fn take_left_out(&mut self) -> usize {
        mem::take(&mut self.left_out)
    }

    /// Puts `with` in the place of these bytes and the cursor behind it, and returns whether it did: not when it does
    /// not fit, when it has control characters, or when the part is none of the text's. It counts as typed, unless a
    /// part of what it replaces was pasted.
    pub fn insert_completion(&mut self, replace: Range<usize>, with: &str) -> bool {
        self.leave_search();
        let is_there = self.text().get(replace.clone()).is_some();
        if !is_there || with.chars().any(char::is_control) || with.len() > self.draft.room() + replace.len() {
            return false;
        }
        self.step(Act::Other);
        let origin = if self.draft.has_pasted(replace.clone()) { Origin::Pasted } else { Origin::Typed };
        self.draft.replace(replace, &Piece::new(with, origin));
        true
    }

    /// Takes a key.
    pub fn press(&mut self, key: Key) -> Outcome {
        match (self.paste.take(), key) {
            (Some(mut paste), Key::Pasted(c)) => {
                paste.push(c, self.draft.room());
                self.paste = Some(paste);
                Outcome::Nothing
            }
            (Some(paste), Key::PasteEnd) => self.pasted(paste),
            (None, Key::PasteEnd) => Outcome::Nothing,
            (paste, Key::PasteBegin) => {
                self.paste = Some(Paste::default());
                paste.map_or(Outcome::Nothing, |paste| self.pasted(paste))
            }
            (None, key) => self.pressed(key),
            // No terminal does that, but nothing is to be lost.
            (Some(paste), key) => {
                self.pasted(paste);
                self.pressed(key)
            }
        }
    }

    fn pasted(&mut self, paste: Paste) -> Outcome {
        if self.search.is_some() {
            return self.widen_pattern(&paste.text);
        }
        // There was room for it, unless its owner has changed the line since.
        let text = fitting(&paste.text, self.draft.room());
        let dropped = paste.dropped + paste.text.len() - text.len();
        if !text.is_empty() {
            self.step(Act::Other);
            self.draft.insert(&Piece::new(text, Origin::Pasted));
        }
        if dropped > 0 { Outcome::Full { dropped } } else { changed(!text.is_empty()) }
    }

    fn pressed(&mut self, key: Key) -> Outcome {
        match (&self.search, key) {
            (None, Key::Ctrl('r')) => return self.begin_search(),
            (None, _) => {}
            (Some(_), Key::Ctrl('r')) => return self.search_older(),
            (Some(_), Key::Char(c) | Key::Pasted(c)) => return self.widen_pattern(c.encode_utf8(&mut [0; 4])),
            (Some(_), Key::Backspace | Key::Ctrl('h')) => return self.shorten_pattern(),
            (Some(_), Key::Ctrl('g' | 'c')) => return self.cancel_search(),
            (Some(_), Key::Ctrl('l' | 'z')) => {}
            (Some(_), Key::Enter) => self.leave_search(),
            (Some(_), key) => {
                self.leave_search();
                // What it does may be nothing, but the search is over.
                return match self.edit(key) {
                    Outcome::Nothing => Outcome::Changed,
                    outcome => outcome,
                };
            }
        }
        self.edit(key)
    }

    fn edit(&mut self, key: Key) -> Outcome {
        match key {
            Key::Char(c) => self.write(c, Origin::Typed),
            Key::Pasted(c) => self.write(c, Origin::Pasted),
            Key::Left | Key::Ctrl('b') => self.go(self.draft.left()),
            Key::Right | Key::Ctrl('f') => self.go(self.draft.right()),
            Key::WordLeft => self.go(self.draft.word_left()),
            Key::WordRight => self.go(self.draft.word_right()),
            Key::Home | Key::Ctrl('a') => self.go(0),
            Key::End | Key::Ctrl('e') => self.go(self.draft.end()),
            Key::Up | Key::Ctrl('p') => self.older(),
            Key::Down | Key::Ctrl('n') => self.newer(),
            Key::Ctrl('d') if self.draft.is_empty() => Outcome::Ended,
            Key::Backspace | Key::Ctrl('h') => self.erase(self.draft.left()..self.cursor()),
            Key::Delete | Key::Ctrl('d') => self.erase(self.cursor()..self.draft.right()),
            Key::DeleteWordLeft => self.cut(Side::Before, self.draft.word_left()),
            Key::DeleteWordRight => self.cut(Side::Behind, self.draft.word_right()),
            Key::Ctrl('w') => self.cut(Side::Before, self.draft.blank_left()),
            Key::Ctrl('u') => self.cut(Side::Before, 0),
            Key::Ctrl('k') => self.cut(Side::Behind, self.draft.end()),
            Key::Ctrl('y') => self.put_back(),
            Key::Ctrl('t') => self.transpose(),
            Key::Ctrl('_') => self.undo(),
            Key::Enter => self.submit(),
            Key::Tab => Outcome::Complete,
            Key::Ctrl('c') if self.draft.is_empty() => Outcome::Interrupted,
            Key::Ctrl('c') => self.abandon(),
            Key::Ctrl('l') => Outcome::Redraw,
            Key::Ctrl('z') => Outcome::Suspended,
            Key::BackTab | Key::Ctrl(_) | Key::Alt(_) | Key::PasteBegin | Key::PasteEnd => Outcome::Nothing,
        }
    }

    /// Remembers the line as it is, before it is changed, unless this goes on with what the last key did.
    fn step(&mut self, act: Act) {
        let goes_on = act == self.last && matches!(act, Act::Typing | Act::Erasing | Act::Cutting);
        self.last = act;
        if goes_on {
            return;
        }
        self.steps.push(self.draft.clone());
        let mut bytes: usize = self.steps.iter().map(Draft::end).sum();
        let mut forgotten = 0;
        while self.steps.len() - forgotten > MAX_STEPS || bytes > MAX_STEP_BYTES {
            bytes -= self.steps[forgotten].end();
            forgotten += 1;
        }
        self.steps.drain(..forgotten);
    }

    fn write(&mut self, c: char, origin: Origin) -> Outcome {
        if !is_text(c) {
            return Outcome::Nothing;
        }
        if c.len_utf8() > self.draft.room() {
            let is_told = mem::replace(&mut self.last, Act::Refused) == Act::Refused;
            self.refused += c.len_utf8();
            return if is_told { Outcome::Nothing } else { Outcome::NoRoom };
        }
        // Each word is a step of its own.
        let begins_word = !c.is_whitespace() && self.text()[..self.cursor()].ends_with(char::is_whitespace);
        if begins_word {
            self.last = Act::Other;
        }
        self.step(Act::Typing);
        changed(self.draft.insert(&Piece::new(c.encode_utf8(&mut [0; 4]), origin)))
    }

    fn go(&mut self, to: usize) -> Outcome {
        self.last = Act::Other;
        let from = self.cursor();
        self.draft.move_to(to);
        changed(self.cursor() != from)
    }

    fn erase(&mut self, part: Range<usize>) -> Outcome {
        if part.is_empty() {
            return Outcome::Nothing;
        }
        self.step(Act::Erasing);
        self.draft.remove(part);
        Outcome::Changed
    }

    fn cut(&mut self, side: Side, to: usize) -> Outcome {
        let part = if side == Side::Before { to..self.cursor() } else { self.cursor()..to };
        if part.is_empty() {
            return Outcome::Nothing;
        }
        let goes_on = self.last == Act::Cutting;
        self.step(Act::Cutting);
        let piece = self.draft.remove(part);
        // Cuts in a row are one: together they are at most the line.
        match side {
            _ if !goes_on => self.cut = piece,
            Side::Before => self.cut.insert(0, &piece),
            Side::Behind => self.cut.insert(self.cut.len(), &piece),
        }
        Outcome::Changed
    }

    fn put_back(&mut self) -> Outcome {
        if self.cut.is_empty() {
            return Outcome::Nothing;
        }
        if self.cut.len() > self.draft.room() {
            self.last = Act::Other;
            return Outcome::Full { dropped: self.cut.len() };
        }
        self.step(Act::Other);
        changed(self.draft.insert(&self.cut))
    }

    fn transpose(&mut self) -> Outcome {
        let before = self.draft.clone();
        if !self.draft.transpose() {
            return Outcome::Nothing;
        }
        let after = mem::replace(&mut self.draft, before);
        self.step(Act::Other);
        self.draft = after;
        Outcome::Changed
    }

    fn undo(&mut self) -> Outcome {
        self.last = Act::Other;
        let Some(before) = self.steps.pop() else { return Outcome::Nothing };
        self.draft = before;
        Outcome::Changed
    }

    /// Ctrl-C on a line that is not empty. It can be taken back.
    fn abandon(&mut self) -> Outcome {
        self.step(Act::Other);
        self.recall = None;
        self.refused = 0;
        self.draft = Draft::default();
        Outcome::Changed
    }

    fn submit(&mut self) -> Outcome {
        let draft = mem::take(&mut self.draft);
        self.left_out = mem::take(&mut self.refused);
        self.clear();
        let typed = Typed { text: draft.text().to_owned(), may_be_command: draft.may_be_command() };
        if self.is_recording {
            self.record(&typed);
        }
        Outcome::Submitted(typed)
    }

    /// What was not allowed to be a command is kept as what it was: something said. Several lines are never one.
    fn record(&mut self, typed: &Typed) {
        let line = if typed.may_be_command || typed.text.contains('\n') {
            self.history.add(&typed.text)
        } else if typed.text.trim().is_empty() {
            None
        } else {
            self.history.add(&format!("/say {}", typed.text))
        };
        let Some(line) = line else { return };
        if self.unsaved.len() + line.len() > MAX_UNSAVED {
            self.unsaved.clear();
        }
        self.unsaved.push_str(&line);
    }

    fn older(&mut self) -> Outcome {
        let newest = self.recall.as_ref().map_or(self.history.len(), |recall| recall.at);
        match newest.checked_sub(1) {
            Some(at) if self.is_recording => self.recall(at),
            _ => Outcome::Nothing,
        }
    }

    fn newer(&mut self) -> Outcome {
        let Some(Recall { at, .. }) = self.recall else { return Outcome::Nothing };
        if at + 1 < self.history.len() {
            return self.recall(at + 1);
        }
        self.step(Act::Other);
        if let Some(recall) = self.recall.take() {
            self.draft = recall.begun;
        }
        Outcome::Changed
    }

    fn recall(&mut self, at: usize) -> Outcome {
        let Some(entry) = self.history.get(at) else { return Outcome::Nothing };
        let entry = recalled(entry);
        self.step(Act::Other);
        let left = mem::replace(&mut self.draft, entry);
        let begun = self.recall.take().map_or(left, |recall| recall.begun);
        self.recall = Some(Recall { at, begun });
        Outcome::Changed
    }
}

impl Paste {
    /// Takes a character as long as there is room. Once one was left out, all that follow are: nobody wants a text with
    /// holes.
    fn push(&mut self, c: char, room: usize) {
        if self.dropped > 0 || self.text.len() + c.len_utf8() > room {
            self.dropped += c.len_utf8();
        } else if is_text(c) {
            self.text.push(c);
        }
    }
}

/// A line as it comes back. Several lines are there only because somebody pasted them, and stay so.
fn recalled(entry: &str) -> Draft {
    let origin = if entry.contains('\n') { Origin::Pasted } else { Origin::Typed };
    Draft::new(entry, origin)
}

fn is_text(c: char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\t')
}

fn changed(has: bool) -> Outcome {
    if has { Outcome::Changed } else { Outcome::Nothing }
}

const _: () = assert!(MAX_STEP_BYTES >= 2 * MAX_LINE, "the last change can always be taken back");

#[cfg(test)]
#[path = "editor_tests.rs"]
mod tests;
