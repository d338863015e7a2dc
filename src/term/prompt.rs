//! What is asked or being typed, and where the cursor stands in it.
//!
//! Owns: the row that scrolls sideways, the label's rows above it. Must not know: keys, editing, where the rows stand.

use unicode_segmentation::UnicodeSegmentation;

use super::capable::Charset;
use super::view::Style;
use super::width::{columns, cut_left, head, room, room_of, tame};
use crate::proto::text::{Verdict, judged};

/// Columns that a label leaves to what is typed, on a screen that has them twice.
const LEAST_ROOM: usize = 12;

/// Columns that even a label of one long word leaves, on a screen that has them.
const LEAST_TYPED: usize = 4;

/// Narrowest row, in columns, in which a mark says that something is cut off.
const LEAST_MARKED: usize = 6;

/// Columns between the cursor and the right edge at which the row scrolls on: what stands under the cursor is seen
/// whole, beside the mark.
const EDGE: usize = 2;

/// What is being typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// What stands before it. Not painted, of any length.
    pub label: &'a str,
    /// The text as it will be sent.
    pub text: &'a str,
    /// Where in `text` the next key goes, in bytes.
    pub cursor: usize,
}

/// The rows of a prompt. The cursor stands in the last.
pub(super) struct Drawn {
    pub(super) rows: Vec<String>,
    pub(super) cursor_column: usize,
}

/// Draws a prompt in at most `max_rows` rows, of which there is at least one, each at most `width` columns wide.
pub(super) fn draw(prompt: &Prompt<'_>, width: usize, max_rows: usize, style: Style) -> Drawn {
    let (left_mark, _) = marks(style);
    let label_room = width - LEAST_ROOM.min(width / 2);
    let mut rows = wrapped(&tame(prompt.label), width, label_room, left_mark);
    if rows.len() > max_rows {
        // What is asked last says what to type.
        let cut_off = rows.len() - max_rows;
        let limit = if max_rows == 1 { label_room } else { width };
        let first = rows.drain(..=cut_off).collect::<Vec<_>>().join(" ");
        rows.insert(0, cut_left(&first, limit, left_mark));
    }
    let mut row = rows.pop().unwrap_or_default();
    let label_columns = columns(&row);
    let window = window(prompt, width.saturating_sub(room(&row)), style);
    row.push_str(&window.row);
    rows.push(row);
    Drawn { rows, cursor_column: label_columns + window.cursor_column }
}

fn marks(style: Style) -> (&'static str, &'static str) {
    match style.charset {
        Charset::Unicode => ("‹", "›"),
        Charset::Ascii => ("<", ">"),
    }
}

/// Divides a label into rows between its words, the last of them no wider than `last`; if it cannot be, it is cut from
/// the left, with `mark`. There is always a last one.
fn wrapped(label: &str, width: usize, last: usize, mark: &str) -> Vec<String> {
    let (mut rows, mut row) = (Vec::new(), String::new());
    if width == 0 {
        return vec![row];
    }
    for word in label.split_inclusive(' ') {
        if !row.is_empty() && room(&row) + room(word.trim_end()) > width {
            rows.push(std::mem::take(&mut row));
        }
        row.push_str(word);
        while room(row.trim_end()) > width {
            let (piece, rest) = row.split_at(head(&row, width).len());
            let (piece, rest) = match piece {
                // Not even one character fits: it is left out.
                "" => (String::new(), rest.graphemes(true).skip(1).collect()),
                piece => (piece.to_owned(), rest.to_owned()),
            };
            rows.push(piece);
            row = rest;
        }
    }
    if room(&row) > last {
        let mut starts = row.match_indices(' ').map(|(at, _)| at + 1).filter(|at| *at < row.len());
        let last_word = starts.clone().next_back().unwrap_or(0);
        let at = starts.find(|at| room(&row[*at..]) <= last).unwrap_or(last_word);
        let rest = row.split_off(at);
        rows.push(row);
        // A word that leaves some room is better whole than the text's room is.
        let limit = last.max(width.saturating_sub(LEAST_TYPED));
        row = cut_left(&rest, limit, mark);
    }
    let mut rows: Vec<String> = rows.iter().map(|row| row.trim_end().to_owned()).collect();
    rows.retain(|row| !row.is_empty());
    rows.push(row);
    rows
}

/// A text as it is shown, and where the cursor stands in that, in bytes. Every character keeps its place.
fn visible(prompt: &Prompt<'_>, charset: Charset) -> (String, usize) {
    let (mut shown, mut cursor, mut at) = (String::with_capacity(prompt.text.len()), None, 0);
    for (c, verdict) in judged(prompt.text) {
        if cursor.is_none() && at + c.len_utf8() > prompt.cursor {
            cursor = Some(shown.len());
        }
        at += c.len_utf8();
        match (c, verdict, charset) {
            ('\n', _, Charset::Unicode) => shown.push('⏎'),
            ('\n', _, Charset::Ascii) => shown.push_str("^J"),
            ('\t', ..) => shown.push(' '),
            (c, Verdict::Keep, _) => shown.push(c),
            (_, Verdict::Escape, _) => shown.push('?'),
        }
    }
    let cursor = cursor.unwrap_or(shown.len());
    (shown, cursor)
}

/// The part of a text that is seen.
struct Window {
    row: String,
    cursor_column: usize,
}

/// The part of what is typed that fits into `width` columns and has the cursor in it. Which part depends on nothing
/// but that, and moves on by halves of the row, so that most keys move nothing but the cursor.
fn window(prompt: &Prompt<'_>, width: usize, style: Style) -> Window {
    let (text, cursor) = visible(prompt, style.charset);
    // Columns left of the cursor, under it, and of everything.
    let (mut before, mut under, mut total) = (0, 0, 0);
    for (at, cluster) in text.grapheme_indices(true) {
        let room = room_of(cluster);
        if at + cluster.len() <= cursor {
            before += room;
        } else if at <= cursor {
            under = room;
        }
        total += room;
    }
    let is_marked = width >= LEAST_MARKED;
    let from = if total <= width {
        0
    } else if is_marked {
        let step = width / 2;
        before.checked_sub(width - EDGE).map_or(0, |over| (over / step + 1) * step)
    } else {
        (before + under.min(width)).saturating_sub(width)
    };
    let (is_cut_left, is_cut_right) = (is_marked && from > 0, is_marked && total > from + width);
    let (left_mark, right_mark) = marks(style);
    let (first, end) = (from + usize::from(is_cut_left), from + width - usize::from(is_cut_right));

    let mut row = String::new();
    let mut shown = 0;
    if is_cut_left {
        row.push_str(&style.dim(left_mark));
        shown = 1;
    }
    // Where the next cluster stands in the whole text, and where the seen part ends, in columns of room.
    let (mut column, mut drawn) = (0, first);
    let mut cursor_column = None;
    for (at, cluster) in text.grapheme_indices(true) {
        let room = room_of(cluster);
        let is_seen = column >= first && column + room <= end;
        if is_seen {
            // A wide character that stands across the edge leaves a blank.
            let blanks = column - drawn;
            row.extend(std::iter::repeat_n(' ', blanks));
            shown += blanks;
        }
        if cursor_column.is_none() && at + cluster.len() > cursor {
            cursor_column = Some(shown);
        }
        if is_seen {
            row.push_str(cluster);
            shown += columns(cluster);
            drawn = column + room;
        }
        column += room;
        if column > end {
            break;
        }
    }
    let cursor_column = cursor_column.unwrap_or(shown);
    if is_cut_right {
        row.extend(std::iter::repeat_n(' ', end - drawn));
        row.push_str(&style.dim(right_mark));
    }
    Window { row, cursor_column }
}
