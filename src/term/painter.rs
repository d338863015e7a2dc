//! Frames for a terminal on which the last rows stay where they are while the conversation scrolls away above them.
//!
//! Owns: the escape sequences, and what stands on the screen now. Must not know: what the rows say, when they are
//! written.
//!
//! A frame wipes the pinned rows, prints what was said since the last one where they stood, and draws them again below
//! it. What is said goes through the terminal's own scrolling into its own scrollback, and is never touched again.
//!
//! # When the size changes
//! Some terminals cut rows then (xterm, screens of consoles), most divide those that have become too wide, and there is
//! no asking which; of some it is known ([`Narrowing`]). The rule is that no line of the conversation is ever erased:
//! the next frame goes up as many rows as surely stand above the cursor, and clears from there.
//!
//! On a terminal that cuts, or of which nothing is known, those are the rows that were drawn. If it did divide them, a
//! piece of an old bar or of what was typed stays in the scrollback. That is the lesser evil, and rare, because a bar is
//! never wider than 79 columns.
//!
//! On one that divides, how many there are follows from what was drawn and the new width alone, whatever widths it had
//! between: a terminal puts together again what it divided. But a program learns of the new width after the terminal
//! has it, and the frames of that moment were drawn among rows that had moved: they went up less than they should have,
//! and what they drew was cut, not divided. So every frame that is young enough is taken to be the first of those, one
//! after the other, and the fewest rows that come of it are those that are sure.
//!
//! # Where the cursor goes
//! Terminals do not agree on how wide joined characters are, so the cursor is not sent to a column: what stands left of
//! it is written once more, and it stands behind that whatever the terminal thinks. For the same reason pinned rows
//! are drawn with automatic wrapping off: a row that is wider than was thought is cut, it does not push the others up.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::capable::Narrowing;
use super::view::{Pinned, Size};
use super::width::{folds, left_of};

/// For how long, at most, a frame is on its way to the terminal and the news of another width on its way back. A few
/// milliseconds on one machine, more over SSH.
const LATE: Duration = Duration::from_millis(200);

/// What is written between these appears at once ("Synchronized Output", private mode 2026); a terminal that does not
/// know it ignores it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// Automatic wrapping (DECAWM, private mode 7).
const WRAP: &str = "\x1b[?7h";
const NO_WRAP: &str = "\x1b[?7l";

/// Erase from the cursor to the end of the screen, and of the row (ED and EL, ECMA-48, 8.3.39 and 8.3.41).
const ERASE_BELOW: &str = "\x1b[J";
const ERASE_ROW: &str = "\x1b[K";

/// What is pasted comes between marks (bracketed paste, private mode 2004).
const PASTE_MARKED: &str = "\x1b[?2004h";

/// The terminal as a shell wants it: nothing held back, wrapping, a cursor that is seen (DECTCEM, private mode 25), pastes
/// without marks. Harmless at any time.
const LEAVE: &str = "\x1b[?2026l\x1b[?7h\x1b[?25h\x1b[?2004l";

/// The same in the middle of a frame, where a colour may be on: for who dies.
pub const RESTORE: &str = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?2004l";

/// A frame that was written.
#[derive(Debug)]
struct Drawn {
    at: Instant,
    pinned: Pinned,
    /// Rows that it went up from where the cursor stood.
    up: usize,
    /// Whether something was said above it.
    has_said: bool,
}

impl Drawn {
    /// Rows above the cursor that belong to it once they are divided.
    fn divided(&self, width: usize) -> usize {
        let Pinned { rows, cursor_row, cursor_column } = &self.pinned;
        let above: usize = rows.iter().take(*cursor_row).map(|row| 1 + folds(row, width)).sum();
        // The cursor stays with what stands under it, or else with what stands before it.
        let row = rows.get(*cursor_row).map_or("", String::as_str);
        above + folds(left_of(row, usize::from(*cursor_column) + 1).unwrap_or(row), width)
    }

    /// The same if the rows were already divided when it came, and so many of ours stood above the cursor.
    fn cut(&self, stood: usize) -> usize {
        // What it left of them belongs to it unless something was said below.
        let left = if self.has_said { 0 } else { stood.saturating_sub(self.up) };
        left + self.pinned.cursor_row
    }
}

/// Writes frames. It knows what it has pinned, and nothing else of the screen.
#[derive(Debug)]
pub struct Painter {
    narrowing: Narrowing,
    /// The last is pinned now. All but the first may have come after a change of the width that we do not know of yet.
    /// Empty before the first frame and after [`wipe`](Self::wipe).
    drawn: VecDeque<Drawn>,
    /// The width, if the size has changed since the last frame: rows may stand elsewhere.
    moved_to: Option<usize>,
}

impl Painter {
    /// Nothing is pinned yet, on a terminal that does this when it is made narrower.
    pub fn new(narrowing: Narrowing) -> Self {
        Self { narrowing, drawn: VecDeque::new(), moved_to: None }
    }

    /// What the terminal does when it is made narrower.
    pub fn narrowing(&self) -> Narrowing {
        self.narrowing
    }

    /// What is written before the first frame, and before the first after a stop.
    pub fn begin(&mut self) -> String {
        PASTE_MARKED.to_owned()
    }

    /// The next frame: `above` is printed for good, and `pinned` stands below it. Each line of `above` ends with a
    /// newline; it may hold SGR, but must be harmless otherwise. Nothing where there is nothing to change. It is written
    /// at once, which is `now`.
    pub fn frame(&mut self, above: &str, pinned: &Pinned, now: Instant) -> String {
        let is_quiet = above.is_empty() && self.moved_to.is_none();
        let up = self.rows_up();
        let frame = match self.drawn.back().map(|drawn| &drawn.pinned) {
            Some(standing) if is_quiet && standing == pinned => return String::new(),
            Some(standing) if is_quiet && has_same_shape(standing, pinned) => changes(standing, pinned),
            _ => whole(up, above, pinned),
        };
        self.forget(now);
        self.drawn.push_back(Drawn { at: now, pinned: pinned.clone(), up, has_said: !above.is_empty() });
        self.moved_to = None;
        frame
    }

    /// The terminal has another size. What is pinned may stand elsewhere now: the next frame draws all of it.
    pub fn resized(&mut self, size: Size, now: Instant) {
        if self.moved_to.is_none() {
            self.forget(now);
        }
        self.moved_to = Some(size.columns.into());
    }

    /// Forgets all frames that came before the terminal can have changed, but the last of them.
    fn forget(&mut self, now: Instant) {
        let is_sure = |drawn: &Drawn| drawn.at + LATE <= now;
        while self.drawn.get(1).is_some_and(is_sure) {
            self.drawn.pop_front();
        }
    }

    /// Rows that surely stand above the cursor, of those that are pinned.
    fn rows_up(&self) -> usize {
        let standing = self.drawn.back().map_or(0, |drawn| drawn.pinned.cursor_row);
        let Some(width) = self.moved_to.filter(|_| self.narrowing == Narrowing::Flows) else { return standing };
        // The fewest, if the terminal changed before one of the frames so far, and what the last of them left.
        let mut fewest: Option<usize> = None;
        let mut left: Option<usize> = None;
        for drawn in &self.drawn {
            fewest = fewest.into_iter().chain(left).min().map(|stood| drawn.cut(stood));
            left = Some(drawn.divided(width));
        }
        fewest.into_iter().chain(left).min().unwrap_or(standing)
    }

    /// The pinned rows gone, the cursor at the start of an empty row, the terminal as a shell wants it: before leaving
    /// or stopping. Harmless when called again.
    pub fn wipe(&mut self) -> String {
        let mut out = String::new();
        if !self.drawn.is_empty() {
            go_to_start(&mut out, self.rows_up(), 0);
            out.push_str(ERASE_BELOW);
        }
        self.drawn.clear();
        out.push_str(LEAVE);
        out
    }
}

fn has_same_shape(a: &Pinned, b: &Pinned) -> bool {
    a.rows.len() == b.rows.len() && a.cursor_row == b.cursor_row
}

/// A frame that makes everything anew, from so many rows above the cursor.
fn whole(up: usize, above: &str, pinned: &Pinned) -> String {
    let mut out = String::from(BEGIN);
    go_to_start(&mut out, up, 0);
    out.push_str(ERASE_BELOW);
    for line in above.lines() {
        // In raw mode a newline alone does not return to the first column.
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(NO_WRAP);
    for (at, row) in pinned.rows.iter().enumerate() {
        if at > 0 {
            out.push_str("\r\n");
        }
        out.push_str(row);
    }
    let last = pinned.rows.len().saturating_sub(1);
    let is_behind = last == pinned.cursor_row && stands_at_end(pinned);
    if !is_behind {
        go_to_start(&mut out, last, pinned.cursor_row);
        place(&mut out, pinned);
    }
    out.push_str(WRAP);
    out.push_str(END);
    out
}

/// A frame that writes only the rows that differ.
fn changes(standing: &Pinned, pinned: &Pinned) -> String {
    let mut out = format!("{BEGIN}{NO_WRAP}");
    let mut at = standing.cursor_row;
    // The cursor's row last: the cursor stays there.
    let others = (0..pinned.rows.len()).filter(|row| *row != pinned.cursor_row);
    for row in others.chain([pinned.cursor_row]) {
        let (Some(before), Some(after)) = (standing.rows.get(row), pinned.rows.get(row)) else { continue };
        if before != after {
            go_to_start(&mut out, at, row);
            at = row;
            out.push_str(after);
            out.push_str(ERASE_ROW);
            if row == pinned.cursor_row && stands_at_end(pinned) {
                out.push_str(WRAP);
                out.push_str(END);
                return out;
            }
        }
    }
    go_to_start(&mut out, at, pinned.cursor_row);
    place(&mut out, pinned);
    out.push_str(WRAP);
    out.push_str(END);
    out
}

/// To the first column of a row, up or down (CUU and CUD, ECMA-48, 8.3.22 and 8.3.19).
fn go_to_start(out: &mut String, from: usize, to: usize) {
    out.push('\r');
    // Writing into a String cannot fail.
    let _ = match from.cmp(&to) {
        std::cmp::Ordering::Greater => write!(out, "\x1b[{}A", from - to),
        std::cmp::Ordering::Less => write!(out, "\x1b[{}B", to - from),
        std::cmp::Ordering::Equal => Ok(()),
    };
}

/// The cursor to its place, from the first column of its row.
fn place(out: &mut String, pinned: &Pinned) {
    let row = pinned.rows.get(pinned.cursor_row).map_or("", String::as_str);
    match left_of(row, pinned.cursor_column.into()) {
        Some(left) => out.push_str(left),
        // Past the end of the row, which the view never asks for (CUF, ECMA-48, 8.3.20).
        None => {
            let _ = write!(out, "\x1b[{}C", pinned.cursor_column);
        }
    }
}

/// Whether a cursor behind the last character of its row is where it should be.
fn stands_at_end(pinned: &Pinned) -> bool {
    let row = pinned.rows.get(pinned.cursor_row).map_or("", String::as_str);
    left_of(row, pinned.cursor_column.into()).is_some_and(|left| left.len() == row.len())
}

#[cfg(test)]
#[path = "painter_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "divided_tests.rs"]
mod divided_tests;
