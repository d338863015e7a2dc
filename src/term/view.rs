//! What stays at the bottom of the screen: texts under way, running transfers, the state of the link, the prompt.
//!
//! Owns: which rows there are, in which order, and which give way on a small screen. Must not know: how rows reach a
//! terminal, where the state comes from.
//!
//! Pure: the same state, size and style give the same rows.

use super::capable::Charset;
use super::plain::Paint;
use super::width::{cut, tame};
use super::{bar, prompt};

pub use super::bar::{Bar, clock};
pub use super::prompt::Prompt;

/// Transfers, and texts, that have a row each; of the others only the number is told.
const MAX_LISTED: usize = 3;

/// Largest screen that is believed, in columns and in rows. Bounds what a frame can cost.
const MAX_SIZE: u16 = 1000;

/// Select Graphic Rendition (ECMA-48, 8.3.117): faint, and as it was.
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const NORMAL: &str = "\x1b[0m";

/// How large a terminal says it is. Nothing and nonsense are brought to 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters beside each other.
    pub columns: u16,
    /// Characters above each other.
    pub rows: u16,
}

impl Size {
    /// Usable columns and rows. The last column stays free: behind a character in it the cursor stands where each
    /// terminal likes (the state before an automatic wrap).
    fn usable(self) -> (usize, usize) {
        let (columns, rows) = (self.columns.clamp(1, MAX_SIZE) - 1, self.rows.clamp(1, MAX_SIZE) - 1);
        // Where nothing can be shown, nothing is shown in one row.
        (columns.into(), if columns == 0 { 1 } else { rows.max(1).into() })
    }
}

/// With what rows are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether with colours.
    pub paint: Paint,
    /// With which characters.
    pub charset: Charset,
}

impl Style {
    pub(super) fn dim(self, text: &str) -> String {
        self.painted(DIM, text)
    }

    fn painted(self, sgr: &str, text: &str) -> String {
        match self.paint {
            Paint::On if !text.is_empty() => format!("{sgr}{text}{NORMAL}"),
            Paint::On | Paint::Off => text.to_owned(),
        }
    }

    /// What stands for what is left out.
    fn cut_mark(self) -> &'static str {
        match self.charset {
            Charset::Unicode => "…",
            Charset::Ascii => "~",
        }
    }
}

/// A text of ours that the other side has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Harmless already, one line.
    pub text: String,
}

/// What is to be pinned.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Running transfers, the most interesting first.
    pub bars: &'a [Bar],
    /// Texts that are not delivered yet, the oldest first.
    pub waiting: &'a [Waiting],
    /// What there is to say of the link, if anything: that it is lost, and when it is tried again.
    pub status: Option<&'a str>,
    /// What is being typed.
    pub prompt: Prompt<'a>,
}

/// Rows to be pinned to the bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinned {
    /// From top to bottom. No newline in any, no control character but SGR, and each narrower than the screen.
    pub rows: Vec<String>,
    /// The row in which the cursor stands: the last.
    pub cursor_row: usize,
    /// The column in which it stands, from 0, by Unicode's widths.
    pub cursor_column: u16,
}

/// Lays out what is pinned: texts under way, transfers, the link, the prompt. A text under way stands highest, so that
/// it does not jump when it is delivered and goes into the conversation above.
///
/// There are at most as many rows as the screen has but one, and at least one. What gives way first are the texts, then
/// the transfers, then the link. The prompt always stays.
pub fn lay_out(view: &View<'_>, size: Size, style: Style) -> Pinned {
    let (width, max_rows) = size.usable();
    let mark = style.cut_mark();
    let drawn = prompt::draw(&view.prompt, width, max_rows, style);
    let mut free = max_rows - drawn.rows.len();

    let status = view.status.filter(|_| free > 0);
    let status = status.map(|status| style.painted(BOLD, &cut(&tame(status), width, mark)));
    free -= usize::from(status.is_some());

    let is_numbered = view.bars.len() > 1;
    let more = |n: usize| style.dim(&cut(&format!("+{n} more"), width, mark));
    let bars = listed(view.bars, free, |bar| bar::row(bar, is_numbered, width, style), more);
    free -= bars.len();

    let one = |waiting: &Waiting| style.dim(&cut(&format!("{mark} {}", tame(&waiting.text)), width, mark));
    let more = |n: usize| style.dim(&cut(&format!("+{n} more not delivered yet"), width, mark));
    let mut rows = listed(view.waiting, free, one, more);

    rows.extend(bars);
    rows.extend(status);
    rows.extend(drawn.rows);
    // At most 999, the width.
    let cursor_column = u16::try_from(drawn.cursor_column).unwrap_or(MAX_SIZE);
    Pinned { cursor_row: rows.len() - 1, rows, cursor_column }
}

/// The rows of a list in at most `free` rows: one each, the last for the number of those that have none.
fn listed<T>(items: &[T], free: usize, one: impl Fn(&T) -> String, more: impl Fn(usize) -> String) -> Vec<String> {
    if items.len() <= free.min(MAX_LISTED) {
        return items.iter().map(one).collect();
    }
    // A single row is better spent on a thing than on the number of them.
    let shown = if free == 1 { 1 } else { free.saturating_sub(1).min(MAX_LISTED) };
    let mut rows: Vec<String> = items[..shown].iter().map(one).collect();
    if free > 1 {
        rows.push(more(items.len() - shown));
    }
    rows
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
