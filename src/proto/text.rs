//! Text that a peer made, and the ways it may go out.
//!
//! Owns: which characters are dangerous on a terminal, and their escapes. Must not know: terminals, colours, JSON.
//!
//! A peer's bytes have no `Display`: they go to a terminal, a pipe or a log through [`Untrusted::shown`], to NDJSON
//! through [`Untrusted::lossy`], which is safe only because `term::json` escapes what [`is_dangerous`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::Chars;

use unicode_normalization::char::is_combining_mark;

use super::frame::MAX_TEXT;

/// Longest output of [`Untrusted::shown`] in bytes. The worst a byte can become is `\u{1b}`, so a whole message
/// always fits; longer things are not messages and may be cut.
pub const MAX_SHOWN: usize = 6 * MAX_TEXT;

/// Combining marks kept on one character. Written languages need about four; hundreds of them paint over the lines
/// above and below.
const MAX_MARKS: u32 = 8;

const ZERO_WIDTH_JOINER: char = '\u{200d}';
const ENCLOSING_KEYCAP: char = '\u{20e3}';

/// Bytes that a peer chose. Any bytes, UTF-8 or not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Untrusted(Vec<u8>);

impl Untrusted {
    /// Wraps what came from outside.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes as they came: for the wire, for hashing, for [`SafeName`](super::name::SafeName). Not for showing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with U+FFFD for what is not UTF-8, and with every escape sequence still alive in it: only for
    /// `term::json`, which defuses them in its own notation.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The text as a terminal, a pipe or a log may have it, in one line of at most [`MAX_SHOWN`] bytes.
    pub fn shown(&self) -> Shown<'_> {
        self.shown_within(MAX_SHOWN)
    }

    /// As [`shown`](Self::shown), in at most `limit` bytes; what is left out is replaced by one `…` behind them.
    pub fn shown_within(&self, limit: usize) -> Shown<'_> {
        Shown { bytes: &self.0, limit }
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

/// A failed assertion or a trace prints to a terminal too.
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({})", self.shown())
    }
}

/// A peer's text made harmless: `Display` writes `\n`, `\r`, `\t`, `\u{202e}` for dangerous characters and `\xff`
/// for bytes that are not UTF-8. A backslash is itself, so this is to be read by people, not parsed back.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    bytes: &'a [u8],
    limit: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.limit;
        let mut piece = String::new();
        for chunk in self.bytes.utf8_chunks() {
            let characters = judged(chunk.valid()).map(Piece::Character);
            for next in characters.chain(chunk.invalid().iter().map(|byte| Piece::Byte(*byte))) {
                piece.clear();
                next.write_to(&mut piece)?;
                let Some(rest) = left.checked_sub(piece.len()) else { return f.write_char('…') };
                left = rest;
                f.write_str(&piece)?;
            }
        }
        Ok(())
    }
}

/// What one step of [`Shown`] writes: never cut in the middle, so that an escape is always whole.
enum Piece {
    Character((char, Verdict)),
    Byte(u8),
}

impl Piece {
    fn write_to(&self, out: &mut String) -> fmt::Result {
        match *self {
            Self::Character((c, Verdict::Keep)) => out.write_char(c),
            Self::Character(('\n', Verdict::Escape)) => out.write_str("\\n"),
            Self::Character(('\r', Verdict::Escape)) => out.write_str("\\r"),
            Self::Character(('\t', Verdict::Escape)) => out.write_str("\\t"),
            Self::Character((c, Verdict::Escape)) => write!(out, "\\u{{{:x}}}", u32::from(c)),
            Self::Byte(byte) => write!(out, "\\x{byte:02x}"),
        }
    }
}

/// What is to be done with a character where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is harmless there.
    Keep,
    /// It must not reach a terminal or a folder as it is.
    Escape,
}

/// Each character of `text` with its verdict. Knows the neighbours, so that emoji survive: a joiner is kept between
/// two visible non-ASCII characters, an emoji's variation selector behind one or inside a keycap.
pub fn judged(text: &str) -> Judged<'_> {
    Judged { chars: text.chars().peekable(), before: None, marks: 0 }
}

/// The iterator of [`judged`].
pub struct Judged<'a> {
    chars: Peekable<Chars<'a>>,
    /// The character before, if it was kept: what is escaped joins nothing.
    before: Option<char>,
    marks: u32,
}

impl Iterator for Judged<'_> {
    type Item = (char, Verdict);

    fn next(&mut self) -> Option<Self::Item> {
        let c = self.chars.next()?;
        self.marks = if is_combining_mark(c) { self.marks + 1 } else { 0 };
        let keep = match c {
            ZERO_WIDTH_JOINER => self.before.is_some_and(is_foreign) && self.chars.peek().is_some_and(|c| joins_on(*c)),
            '\u{fe0e}' | '\u{fe0f}' => self.selects_a_variant(),
            _ => !is_dangerous(c) && self.marks <= MAX_MARKS,
        };
        self.before = keep.then_some(c);
        Some((c, if keep { Verdict::Keep } else { Verdict::Escape }))
    }
}

impl Judged<'_> {
    fn selects_a_variant(&mut self) -> bool {
        match self.before {
            Some('0'..='9' | '#' | '*') => self.chars.peek() == Some(&ENCLOSING_KEYCAP),
            Some(before) => joins_on(before),
            None => false,
        }
    }
}

/// ASCII needs no joiners: between its letters they only hide.
fn is_foreign(c: char) -> bool {
    !c.is_ascii() && c != ZERO_WIDTH_JOINER
}

fn joins_on(c: char) -> bool {
    is_foreign(c) && !is_dangerous(c) && !is_combining_mark(c)
}

/// Whether a character, whatever stands around it, can do something to a terminal or its reader other than appear:
/// controls (C0, DEL, C1), line separators, every format character (category Cf: bidirectional controls, zero-width
/// characters, tags), what is invisible by default (Unicode's Default_Ignorable_Code_Point: fillers, variation
/// selectors) and noncharacters. Two of them are tolerated inside emoji: see [`judged`].
pub fn is_dangerous(c: char) -> bool {
    if c.is_control() {
        return true;
    }
    // The last two of every plane are noncharacters.
    if u32::from(c) & 0xfffe == 0xfffe {
        return true;
    }
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}'                                  // soft hyphen, grapheme joiner, Arabic mark
        | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' // Cf before numbers
        | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}'               // Hangul fillers
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'               // Khmer and Mongolian, invisible
        | '\u{200b}'..='\u{200f}'                                         // zero width, left- and right-to-left marks
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'               // separators, embeddings, isolates, operators
        | '\u{fdd0}'..='\u{fdef}'                                         // noncharacters
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'  // selectors, byte order mark, annotations
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'           // Kaithi, Egyptian joiners
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'           // shorthand, music
        | '\u{e0000}'..='\u{e0fff}'                                       // tags, more selectors
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        Untrusted::from(text).shown().to_string()
    }

    #[test]
    fn a_terminal_title_clipboard_and_clear_sequence_is_shown_escaped() {
        assert_eq!(shown("\x1b]52;c;AAAA\x07"), "\\u{1b}]52;c;AAAA\\u{7}");
        assert_eq!(shown("\x1b]0;root\x1b\\"), "\\u{1b}]0;root\\u{1b}\\");
        assert_eq!(shown("\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(shown("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
    }

    #[test]
    fn line_breaks_and_tabs_have_their_short_escapes() {
        assert_eq!(shown("a\nb\r\tc\u{2028}\u{2029}\u{85}\0"), "a\\nb\\r\\tc\\u{2028}\\u{2029}\\u{85}\\u{0}");
    }

    #[test]
    fn fault_41_text_that_is_not_utf8_is_shown_escaped_byte_by_byte() {
        let text = Untrusted::new(b"a\xff\xe2\x82b\xc3".to_vec());
        assert_eq!(text.shown().to_string(), "a\\xff\\xe2\\x82b\\xc3");
        assert_eq!(text.lossy(), "a\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!((text.len(), text.is_empty(), Untrusted::from("").is_empty()), (6, false, true));
    }

    #[test]
    fn bidirectional_and_invisible_characters_are_shown_escaped() {
        assert_eq!(shown("cod\u{202e}txt.exe"), "cod\\u{202e}txt.exe");
        let hidden = "\u{ad}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\u{200e}\u{200f}\u{202a}\u{2060}\u{2066}\u{2069}\
                      \u{3164}\u{fe00}\u{feff}\u{ffa0}\u{fff9}\u{fffe}\u{1ffff}\u{fdd0}\u{e0001}\u{e0041}\u{e0100}";
        for c in hidden.chars() {
            assert_eq!(shown(&format!("ä{c}ö")), format!("ä\\u{{{:x}}}ö", u32::from(c)));
        }
    }

    #[test]
    fn umlauts_chinese_and_emoji_with_joiners_are_untouched() {
        for text in ["Käse \\ \"x\" 'y'", "你好，世界", "👩‍👩‍👧", "❤️", "🏳️‍🌈", "👁️‍🗨️", "1️⃣ #️⃣", "👍🏽", "ക്‍ഷ", "\u{e0b0}"]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn joiners_and_selectors_that_join_nothing_are_escaped() {
        assert_eq!(shown("pay\u{200d}pal"), "pay\\u{200d}pal");
        assert_eq!(shown("\u{200d}👩"), "\\u{200d}👩");
        assert_eq!(shown("👩\u{200d}"), "👩\\u{200d}");
        assert_eq!(shown("👩\u{200d}\u{200d}👩"), "👩\\u{200d}\\u{200d}👩");
        assert_eq!(shown("a\u{fe0f}1\u{fe0f}"), "a\\u{fe0f}1\\u{fe0f}");
        assert_eq!(shown("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}\\u{fe0f}");
    }

    #[test]
    fn a_ninth_combining_mark_on_one_character_is_escaped() {
        let eight = format!("o{}", "\u{301}".repeat(8));
        assert_eq!(shown(&eight), eight);
        assert_eq!(shown(&format!("{eight}\u{302}\u{303}x\u{301}")), format!("{eight}\\u{{302}}\\u{{303}}x\u{301}"));
    }

    #[test]
    fn a_whole_message_is_shown_even_if_every_byte_needs_an_escape() {
        let harmless = "ä".repeat(MAX_TEXT / 2);
        assert_eq!(shown(&harmless), harmless);
        assert_eq!(shown(&"\x1b".repeat(MAX_TEXT)).len(), MAX_SHOWN);
        assert!(!shown(&"\x1b".repeat(MAX_TEXT)).ends_with('…'));
    }

    #[test]
    fn what_does_not_fit_is_cut_between_whole_escapes_and_said() {
        let text = Untrusted::from("ab\x1bcd");
        assert_eq!(text.shown_within(7).to_string(), "ab…");
        assert_eq!(text.shown_within(8).to_string(), "ab\\u{1b}…");
        assert_eq!(text.shown_within(10).to_string(), "ab\\u{1b}cd");
        assert!(shown(&"x".repeat(MAX_SHOWN + 1)).ends_with("x…"));
    }

    #[test]
    fn debug_output_is_as_harmless() {
        assert_eq!(format!("{:?}", Untrusted::from("\x1bc")), "Untrusted(\\u{1b}c)");
    }

    proptest! {
        #[test]
        fn what_is_shown_has_no_control_and_no_dangerous_character(bytes in bytes()) {
            let shown = Untrusted::new(bytes).shown().to_string();
            let all: Vec<char> = shown.chars().collect();
            for (at, c) in all.iter().enumerate() {
                prop_assert!(!c.is_control());
                match c {
                    '\u{200d}' => prop_assert!(!all[at - 1].is_ascii() && joins_on(all[at + 1])),
                    '\u{fe0e}' | '\u{fe0f}' => prop_assert!(at > 0),
                    c => prop_assert!(!is_dangerous(*c), "{:x}", u32::from(*c)),
                }
            }
            // What has been made harmless once stays as it is.
            prop_assert_eq!(Untrusted::from(shown.clone()).shown().to_string(), shown);
        }
    }

    /// Bytes in which dangerous things are frequent.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let nasty = "\x1b\n\u{200d}\u{fe0f}👩❤1\u{20e3}\u{301}é\u{202e}a\u{e0041}\u{fffe}".chars().collect::<Vec<_>>();
        let text = prop_oneof![proptest::sample::select(nasty), any::<char>()].prop_map(|c| c.to_string().into_bytes());
        let piece = prop_oneof![4 => text, 1 => proptest::collection::vec(any::<u8>(), 1..4)];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }
}
