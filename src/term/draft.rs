//! A line that is being written: its text, the cursor in it, and which of its bytes were pasted.
//!
//! Owns: that the cursor never stands inside what a person sees as one character, the longest text, what may be a
//! command. Must not know: keys, history, how it is shown.

use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::lines::MAX_LINE;

/// Who wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The person, key by key.
    Typed,
    /// Whoever wrote what the person pasted.
    Pasted,
}

/// A piece of text with where it came from, byte by byte: what is cut out and put back stays what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    text: String,
    is_pasted: Vec<bool>,
}

impl Piece {
    /// A piece of one origin.
    pub fn new(text: &str, origin: Origin) -> Self {
        Self { text: text.to_owned(), is_pasted: vec![origin == Origin::Pasted; text.len()] }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts another piece into it, at a character boundary.
    pub fn insert(&mut self, at: usize, other: &Self) {
        self.text.insert_str(at, &other.text);
        self.is_pasted.splice(at..at, other.is_pasted.iter().copied());
    }

    /// Takes a part out of it, at character boundaries.
    fn remove(&mut self, part: Range<usize>) -> Self {
        let text = self.text[part.clone()].to_owned();
        self.text.replace_range(part.clone(), "");
        Self { text, is_pasted: self.is_pasted.drain(part).collect() }
    }
}

/// The line being written. Its text has at most [`MAX_LINE`] bytes, and no control character but `\n` and `\t` as long
/// as its owner puts none in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    line: Piece,
    /// In bytes, on a grapheme boundary.
    cursor: usize,
}

impl Draft {
    /// A line with the cursor at its end. What is beyond the bound is left out.
    pub fn new(text: &str, origin: Origin) -> Self {
        let mut draft = Self::default();
        draft.insert(&Piece::new(fitting(text, MAX_LINE), origin));
        draft
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.line.text
    }

    /// Where the next character goes, in bytes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// How many bytes fit.
    pub fn room(&self) -> usize {
        MAX_LINE - self.line.len()
    }

    /// Whether it may be a command: it is one line, and its first word, the blanks in front of it and the one behind
    /// it were typed. What only stands behind that, the path for instance, may have been pasted.
    pub fn may_be_command(&self) -> bool {
        let text = self.text();
        let blanks = text.len() - text.trim_start().len();
        let word = text[blanks..].find(char::is_whitespace).map_or(text.len(), |len| blanks + len);
        let end = word + text[word..].chars().next().map_or(0, char::len_utf8);
        !text.contains('\n') && !self.line.is_pasted[..end].contains(&true)
    }

    /// Whether some of these bytes were pasted.
    pub fn has_pasted(&self, part: Range<usize>) -> bool {
        self.line.is_pasted[part].contains(&true)
    }

    /// Writes at the cursor, all or, when it does not fit, nothing; returns whether it did.
    pub fn insert(&mut self, piece: &Piece) -> bool {
        let fits = piece.len() <= self.room();
        if fits {
            self.line.insert(self.cursor, piece);
            self.cursor += piece.len();
            self.settle();
        }
        fits
    }

    /// Puts `with` in the place of a part, at character boundaries, and the cursor behind it. What does not fit is not
    /// for this.
    pub fn replace(&mut self, part: Range<usize>, with: &Piece) {
        debug_assert!(with.len() <= self.room() + part.len(), "it was measured");
        self.line.remove(part.clone());
        self.line.insert(part.start, with);
        self.move_to(part.start + with.len());
    }

    /// Takes a part out; the cursor then stands where the part stood.
    pub fn remove(&mut self, part: Range<usize>) -> Piece {
        self.cursor = part.start;
        let piece = self.line.remove(part);
        self.settle();
        piece
    }

    /// Moves the cursor, behind the character that it would stand in.
    pub fn move_to(&mut self, cursor: usize) {
        self.cursor = fitting(self.text(), cursor).len();
        self.settle();
    }

    /// What stands before and behind the cursor may have grown together.
    fn settle(&mut self) {
        let mut here = GraphemeCursor::new(self.cursor, self.line.len(), true);
        if here.is_boundary(self.text(), 0) != Ok(true) {
            self.cursor = self.right_of(self.cursor);
        }
    }

    /// The end of what stands right of the cursor as one character.
    pub fn right(&self) -> usize {
        self.right_of(self.cursor)
    }

    /// The beginning of what stands left of the cursor as one character.
    pub fn left(&self) -> usize {
        let mut here = GraphemeCursor::new(self.cursor, self.line.len(), true);
        // The whole text is there: neither an error nor none is possible except at the beginning.
        here.prev_boundary(self.text(), 0).ok().flatten().unwrap_or(0)
    }

    fn right_of(&self, at: usize) -> usize {
        let mut here = GraphemeCursor::new(at, self.line.len(), true);
        here.next_boundary(self.text(), 0).ok().flatten().unwrap_or(self.line.len())
    }

    /// The end of the line.
    pub fn end(&self) -> usize {
        self.line.len()
    }

    /// The end of the word that the cursor stands in or before: letters and digits are words.
    pub fn word_right(&self) -> usize {
        let rest = &self.text()[self.cursor..];
        let mut graphemes =
            rest.grapheme_indices(true).skip_while(|(_, g)| !is_word(g)).skip_while(|(_, g)| is_word(g));
        graphemes.next().map_or(self.end(), |(at, _)| self.cursor + at)
    }

    /// The beginning of the word that the cursor stands in or behind: letters and digits are words.
    pub fn word_left(&self) -> usize {
        self.back_over(is_word)
    }

    /// The beginning of the word that the cursor stands in or behind, where only white space parts words.
    pub fn blank_left(&self) -> usize {
        self.back_over(|grapheme| !grapheme.starts_with(char::is_whitespace))
    }

    fn back_over(&self, is_part: impl Fn(&str) -> bool) -> usize {
        let before = &self.text()[..self.cursor];
        let graphemes = before.grapheme_indices(true).rev();
        let mut rest = graphemes.skip_while(|(_, g)| !is_part(g)).skip_while(|(_, g)| is_part(g));
        rest.next().map_or(0, |(at, grapheme)| at + grapheme.len())
    }

    /// Exchanges what stands on both sides of the cursor, at the end the last two, and steps behind them. Returns
    /// whether there were two.
    pub fn transpose(&mut self) -> bool {
        let middle = if self.cursor == self.end() { self.left() } else { self.cursor };
        let end = self.right_of(middle);
        let before = self.text()[..middle].graphemes(true).next_back().map_or(0, str::len);
        if before == 0 || middle == end {
            return false;
        }
        let piece = self.remove(middle - before..middle);
        // The one that stood right of the cursor is as long as before, but its neighbours may have joined it.
        self.cursor = end - before;
        self.insert(&piece)
    }
}

fn is_word(grapheme: &str) -> bool {
    grapheme.starts_with(char::is_alphanumeric)
}

/// The longest beginning of `text` that has at most `room` bytes.
pub fn fitting(text: &str, room: usize) -> &str {
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(text: &str) -> Draft {
        Draft::new(text, Origin::Typed)
    }

    /// What stands left and right of the cursor.
    fn halves(draft: &Draft) -> (&str, &str) {
        draft.text().split_at(draft.cursor())
    }

    #[test]
    fn one_step_is_what_a_person_sees_as_one_character() {
        for one in ["e\u{301}", "👨‍👩‍👧", "🇩🇪", "語", "👍🏽", "நி", "\n", "\t"] {
            let mut draft = typed(&format!("a{one}"));
            draft.move_to(draft.left());
            assert_eq!(halves(&draft), ("a", one));
            draft.move_to(draft.right());
            assert_eq!(draft.cursor(), draft.end());
        }
    }

    #[test]
    fn a_cursor_put_inside_a_character_steps_behind_it() {
        let mut draft = typed("a👨‍👩‍👧b");
        draft.move_to("a👨".len());
        assert_eq!(halves(&draft), ("a👨‍👩‍👧", "b"));
    }

    #[test]
    fn what_grows_together_takes_the_cursor_along() {
        let mut draft = typed("x\u{301}");
        draft.move_to(0);
        draft.insert(&Piece::new("a", Origin::Typed));
        draft.remove(1..2); // the x: its accent joins the a
        assert_eq!(halves(&draft), ("a\u{301}", ""));
    }

    #[test]
    fn words_are_letters_and_digits() {
        let mut draft = typed("cp ../näme.txt  ");
        draft.move_to(draft.word_left());
        assert_eq!(halves(&draft), ("cp ../näme.", "txt  "));
        draft.move_to(draft.word_left());
        assert_eq!(halves(&draft), ("cp ../", "näme.txt  "));
        draft.move_to(draft.word_right());
        assert_eq!(halves(&draft), ("cp ../näme", ".txt  "));
        assert_eq!(draft.blank_left(), 3);
    }

    #[test]
    fn an_accent_on_a_blank_parts_words() {
        let draft = typed("ab \u{301}cd");
        assert_eq!(draft.blank_left(), 5);
    }

    #[test]
    fn a_line_takes_no_more_than_its_bound() {
        let mut draft = typed(&"é".repeat(MAX_LINE));
        assert_eq!((draft.end(), draft.room()), (MAX_LINE, 0));
        assert!(!draft.insert(&Piece::new("a", Origin::Typed)));
        assert_eq!(draft.end(), MAX_LINE);
    }

    fn written(pieces: &[(&str, Origin)]) -> Draft {
        let mut draft = Draft::default();
        for (text, origin) in pieces {
            draft.insert(&Piece::new(text, *origin));
        }
        draft
    }

    #[test]
    fn a_line_may_be_a_command_when_its_first_word_and_what_parts_it_from_the_rest_were_typed() {
        use Origin::{Pasted, Typed};
        for (pieces, may_be) in [
            (&[("exit", Typed)][..], true),
            (&[("exit", Pasted)], false),
            (&[("ex", Typed), ("it", Pasted)], false),
            (&[("transfer ", Typed), ("a b.txt", Pasted)], true),
            (&[("transfer", Typed), (" a", Pasted)], false),
            (&[("transfer", Typed), ("\u{a0}a", Pasted)], false),
            (&[("transfer ", Typed), ("a\nb", Pasted)], false),
            (&[(" ", Pasted), ("exit", Typed)], false),
            (&[(" ", Typed), ("exit ", Typed)], true),
            (&[], true),
        ] {
            assert_eq!(written(pieces).may_be_command(), may_be, "{pieces:?}");
        }
    }

    #[test]
    fn what_was_pasted_stays_so_when_it_is_cut_out_and_put_back() {
        let mut draft = written(&[("exit", Origin::Pasted)]);
        let piece = draft.remove(0..4);
        assert!(draft.may_be_command());
        draft.insert(&piece);
        assert!(!draft.may_be_command());
    }

    proptest! {
        #[test]
        fn the_cursor_always_stands_between_characters(
            parts in proptest::collection::vec(("[aé\u{301}\u{200d}👩👧🇩🇪 \\n]{0,3}", any::<prop::sample::Index>(), 0..7_u8), 1..20),
        ) {
            let mut draft = Draft::default();
            for (text, place, act) in parts {
                match act {
                    0 => draft.move_to(place.index(draft.end() + 1)),
                    1 => { draft.remove(draft.left()..draft.cursor()); }
                    2 => { draft.remove(draft.cursor()..draft.word_right()); }
                    3 => { draft.remove(draft.word_left()..draft.cursor()); }
                    4 => { draft.transpose(); }
                    _ => { draft.insert(&Piece::new(&text, Origin::Typed)); }
                }
                let boundaries = draft.text().grapheme_indices(true).map(|(at, _)| at);
                prop_assert!(boundaries.chain([draft.end()]).any(|at| at == draft.cursor()), "{:?}", draft);
                prop_assert_eq!(draft.line.is_pasted.len(), draft.end());
            }
        }
    }
}
