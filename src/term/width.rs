//! How many columns a text takes on a screen.
//!
//! Owns: measuring, and cutting by columns. Must not know: what the text is.
//!
//! Terminals differ over characters that are joined: a family of three is two columns wide by Unicode, six where the
//! joiner is not understood. So there are two measures: [`columns`] by Unicode, and [`room`], the most that any
//! terminal takes. What must fit is measured by the latter.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::proto::text::{Verdict, judged};

/// What stands for a character that may not reach a terminal.
const REPLACEMENT: char = '?';

/// Columns that a text takes by Unicode (UAX #11).
pub(super) fn columns(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The most columns that a text takes, also where a terminal shows each character of a cluster by itself.
pub(super) fn room(text: &str) -> usize {
    clusters(text).map(|(_, room)| room).sum()
}

/// What a person takes for one character, each with its room.
pub(super) fn clusters(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.graphemes(true).map(|cluster| (cluster, room_of(cluster)))
}

/// The room of one cluster.
pub(super) fn room_of(cluster: &str) -> usize {
    let apart: usize = cluster.chars().map(|c| c.width().unwrap_or(0)).sum();
    cluster.width().max(apart)
}

/// A text that should be harmless already, made so: one `?` for each character that could do more than appear.
pub(super) fn tame(text: &str) -> String {
    judged(text).map(|(c, verdict)| if verdict == Verdict::Keep { c } else { REPLACEMENT }).collect()
}

/// The beginning of a text, in at most `limit` columns; where something is cut off, `mark` stands at the end.
pub(super) fn cut(text: &str, limit: usize, mark: &str) -> String {
    if room(text) <= limit {
        return text.to_owned();
    }
    let Some(left) = limit.checked_sub(room(mark)) else { return String::new() };
    format!("{}{mark}", head(text, left))
}

/// The end of a text, in at most `limit` columns; where something is cut off, `mark` stands in front.
pub(super) fn cut_left(text: &str, limit: usize, mark: &str) -> String {
    if room(text) <= limit {
        return text.to_owned();
    }
    let Some(left) = limit.checked_sub(room(mark)) else { return String::new() };
    format!("{mark}{}", tail(text, left))
}

/// Beginning and end of a text, in at most `limit` columns, with `mark` for what is missing between: the end of a
/// file's name says what is in it.
pub(super) fn cut_middle(text: &str, limit: usize, mark: &str) -> String {
    if room(text) <= limit {
        return text.to_owned();
    }
    let Some(left) = limit.checked_sub(room(mark)) else { return String::new() };
    let end = left / 2;
    format!("{}{mark}{}", head(text, left - end), tail(text, end))
}

/// As many whole clusters from the beginning as fit in.
pub(super) fn head(text: &str, limit: usize) -> &str {
    let mut taken = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        taken += room_of(cluster);
        if taken > limit {
            return &text[..at];
        }
    }
    text
}

/// As many whole clusters from the end as fit in.
fn tail(text: &str, limit: usize) -> &str {
    let (mut taken, mut from) = (0, text.len());
    for (at, cluster) in text.grapheme_indices(true).rev() {
        taken += room_of(cluster);
        if taken > limit {
            break;
        }
        from = at;
    }
    &text[from..]
}

/// The part of a row, which may hold SGR, that stands left of a column, by [`columns`]. Without `Some` the row does
/// not reach that far.
pub(super) fn left_of(row: &str, column: usize) -> Option<&str> {
    let (mut at, mut passed) = (0, 0);
    while passed < column {
        let rest = &row[at..];
        if rest.starts_with('\x1b') {
            at += rest.find('m').map_or(rest.len(), |end| end + 1);
            continue;
        }
        let cluster = rest.graphemes(true).next()?;
        at += cluster.len();
        passed += cluster.width();
    }
    Some(&row[..at])
}

/// The fewest rows that a row, which may hold SGR, begins beside its own where a terminal of so many columns divides
/// it. Blanks at its end do not count, and where terminals differ over a width the smallest does.
pub(super) fn folds(row: &str, width: usize) -> usize {
    let (mut at, mut column, mut folds, mut counted) = (0, 0, 0, 0);
    while at < row.len() {
        let rest = &row[at..];
        if rest.starts_with('\x1b') {
            at += rest.find('m').map_or(rest.len(), |end| end + 1);
            continue;
        }
        let Some(cluster) = rest.graphemes(true).next() else { break };
        at += cluster.len();
        let apart: usize = cluster.chars().map(|c| c.width().unwrap_or(0)).sum();
        let columns = cluster.width().min(apart);
        if column > 0 && column + columns > width {
            (folds, column) = (folds + 1, 0);
        }
        column += columns;
        if cluster != " " {
            counted = folds;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "👩\u{200d}👩\u{200d}👧";

    #[test]
    fn a_family_takes_two_columns_by_unicode_and_room_for_six() {
        assert_eq!((columns(FAMILY), room(FAMILY)), (2, 6));
        assert_eq!((columns("e\u{301}你a"), room("e\u{301}你a")), (4, 4));
    }

    #[test]
    fn a_cut_text_never_takes_more_than_its_limit_and_no_character_is_halved() {
        for text in ["", "abc", "你好世界", "a你e\u{301}好", FAMILY] {
            for limit in 0..10 {
                for cut in [cut(text, limit, "…"), cut_left(text, limit, "…"), cut_middle(text, limit, "…")] {
                    assert!(room(&cut) <= limit, "{text:?} {limit} {cut:?}");
                }
            }
        }
        assert_eq!(cut("你好世界", 6, "…"), "你好…");
        assert_eq!(cut_left("你好世界", 6, "…"), "…世界");
        assert_eq!(cut_middle("holiday pictures.tar", 11, "…"), "holid….tar".replace("….", "…s."));
    }

    #[test]
    fn colours_take_no_columns_when_a_row_is_divided() {
        let row = "\x1b[2m‹\x1b[0m你e\u{301}x";
        assert_eq!(left_of(row, 0), Some(""));
        assert_eq!(left_of(row, 1), Some("\x1b[2m‹"));
        assert_eq!(left_of(row, 3), Some("\x1b[2m‹\x1b[0m你"));
        assert_eq!(left_of(row, 4), Some("\x1b[2m‹\x1b[0m你e\u{301}"));
        assert_eq!(left_of(row, 6), None);
    }

    #[test]
    fn a_row_is_folded_where_the_next_character_does_not_fit() {
        let row = "\x1b[2mabcd\x1b[0m你e\u{301}好  ";
        let found = [1, 2, 3, 4, 5, 6, 8, 9, 10].map(|width| folds(row, width));
        assert_eq!(found, [6, 4, 2, 2, 1, 1, 1, 0, 0]);
        assert_eq!((folds("", 1), folds("   ", 1), folds(FAMILY, 2)), (0, 0, 0));
    }

    #[test]
    fn what_could_act_on_a_terminal_becomes_a_question_mark() {
        assert_eq!(tame("a\x1b[2J\u{202e}b\n"), "a?[2J?b?");
        assert_eq!(tame(FAMILY), FAMILY);
    }
}
