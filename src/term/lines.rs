//! Cuts input into lines.
//!
//! Owns: unfinished input, where a line ends, where an overlong one is cut. Must not know: where bytes come from,
//! what a line means.
//!
//! Pure: the owner feeds bytes as they come and takes lines until there is none; how the bytes were divided makes no
//! difference. What does not fit stays with the owner, so that a pipe blocks instead of memory filling.

use crate::proto::frame::MAX_TEXT;

/// Longest line in bytes: what one message may carry.
pub const MAX_LINE: usize = MAX_TEXT;

/// Longest line that is an object, in bytes: a message of which every byte is written `\u00XX`, and its braces.
pub const MAX_OBJECT: usize = 6 * MAX_LINE + 1024;

/// Bytes that a reader without a line has room for.
pub const PIECE: usize = 16 * 1024;

/// What may stand behind the known part of a line before it is decided: most of a character, or half a line's end.
const UNDECIDED: usize = 4;

/// U+FFFD, which stands for a sequence that is not UTF-8, in bytes.
const REPLACEMENT: usize = 3;

/// Which part of what the user wrote as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    Whole,
    /// The first piece of an overlong line: the moment to say that it goes as several messages.
    First,
    /// A piece that is neither the first nor the last.
    Middle,
    /// The last piece.
    Last,
}

/// A line, or a piece of an overlong one, without what ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text, with U+FFFD for what is not UTF-8. At most [`MAX_LINE`] bytes (an object: [`MAX_OBJECT`]).
    pub text: String,
    /// The bytes as they came: a path need not be UTF-8.
    pub raw: Vec<u8>,
    /// Whether it is all.
    pub cut: Cut,
    /// Whether it may be a command, or answer a question of trust: not what was pasted.
    pub may_be_command: bool,
}

impl Line {
    /// Whether it begins where the user began a line. Only then may it be a command: what stands at a cut was chosen
    /// by whoever wrote the long line.
    pub fn is_start(&self) -> bool {
        matches!(self.cut, Cut::Whole | Cut::First)
    }
}

/// Turns bytes into lines. Holds at most the longest line and a [`PIECE`] more, twice that while it makes room.
#[derive(Debug, Default)]
pub struct LineReader {
    held: Vec<u8>,
    /// Where in `held` the next line begins; what stands before has been handed out.
    start: usize,
    /// Bytes from `start` on that are known to be whole characters of this line, and their length as text.
    known: Known,
    takes_objects: bool,
    is_inside_line: bool,
    /// Whether what is left of the line is thrown away: the rest of an object that is too long is no message.
    is_skipping: bool,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    raw: usize,
    text: usize,
}

/// What stands behind the known part of a line.
enum Next {
    /// A character, or what stands for a broken one.
    Character(Known),
    /// The end of the line: so many bytes of `\n` or `\r\n`, or none at the end of input.
    End(usize),
    /// Not decided by the bytes that came so far.
    Unknown,
}

impl LineReader {
    /// A reader of plain lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader for `--json`: a line that begins with `{` may be [`MAX_OBJECT`] bytes long, because escapes make a
    /// message longer than it is. Of a longer one only the first piece is given.
    pub fn with_objects() -> Self {
        Self { takes_objects: true, ..Self::default() }
    }

    /// Takes bytes as long as there is room and returns how many it took. Whenever it takes less than all,
    /// [`next_line`](Self::next_line) has a line, and once that has none any more there is room for a [`PIECE`].
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        debug_assert!(!self.is_over, "input goes on after its end");
        // Moving only when at least as much was handed out keeps the whole effort linear.
        if self.start >= self.held.len() - self.start {
            self.held.drain(..self.start);
            self.start = 0;
        }
        let room = self.capacity() - (self.held.len() - self.start);
        let taken = bytes.len().min(room);
        self.held.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The input is over: what is left is the last line, also without a newline.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether the input is over and every line was taken.
    pub fn is_ended(&self) -> bool {
        self.is_over && self.start == self.held.len()
    }

    /// The line that has begun is not wanted, nor what is still to come of it.
    pub fn skip_line(&mut self) {
        self.is_skipping |= self.is_inside_line || self.start < self.held.len();
    }

    /// The next line, if one is there.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            match self.next() {
                Next::Unknown => {
                    self.make_room();
                    return None;
                }
                Next::End(_) if self.is_ended() => return None,
                Next::End(newline) if self.is_skipping => self.skip(newline),
                Next::End(newline) => return Some(self.take_line(newline)),
                Next::Character(c) if self.known.text + c.text > self.longest() && !self.is_skipping => {
                    return Some(self.take_piece());
                }
                Next::Character(c) => {
                    self.known.raw += c.raw;
                    self.known.text += c.text;
                }
            }
        }
    }

    fn next(&self) -> Next {
        let rest = &self.held[self.start + self.known.raw..];
        match rest {
            [b'\n', ..] => Next::End(1),
            [b'\r', b'\n', ..] => Next::End(2),
            [] if self.is_over => Next::End(0),
            [] => Next::Unknown,
            [b'\r'] if !self.is_over => Next::Unknown,
            [byte, ..] if byte.is_ascii() => Next::Character(Known { raw: 1, text: 1 }),
            _ => beyond_ascii(rest, self.is_over),
        }
    }

    /// What is to be thrown away of an unfinished line need not be held.
    fn make_room(&mut self) {
        if self.is_skipping {
            self.start += std::mem::take(&mut self.known).raw;
        }
    }

    /// Throws away the rest of a line, and what ended it.
    fn skip(&mut self, newline: usize) {
        self.make_room();
        self.start += newline;
        (self.is_skipping, self.is_inside_line) = (false, false);
    }

    fn take_line(&mut self, newline: usize) -> Line {
        let cut = if self.is_inside_line { Cut::Last } else { Cut::Whole };
        self.is_inside_line = false;
        self.take(cut, newline)
    }

    fn take_piece(&mut self) -> Line {
        let cut = if self.is_inside_line { Cut::Middle } else { Cut::First };
        self.is_skipping = self.is_object();
        self.is_inside_line = true;
        self.take(cut, 0)
    }

    fn take(&mut self, cut: Cut, newline: usize) -> Line {
        let end = self.start + self.known.raw;
        let raw = self.held[self.start..end].to_vec();
        self.start = end + newline;
        self.known = Known::default();
        Line { text: String::from_utf8_lossy(&raw).into_owned(), raw, cut, may_be_command: true }
    }

    fn longest(&self) -> usize {
        if self.is_object() { MAX_OBJECT } else { MAX_LINE }
    }

    fn is_object(&self) -> bool {
        self.takes_objects && !self.is_inside_line && self.held.get(self.start) == Some(&b'{')
    }

    fn capacity(&self) -> usize {
        PIECE + UNDECIDED + if self.takes_objects { MAX_OBJECT } else { MAX_LINE }
    }
}

/// The first character of `rest`, which begins with a byte beyond ASCII.
fn beyond_ascii(rest: &[u8], is_over: bool) -> Next {
    // The length of a character is decided by four bytes; looking further for each would be quadratic.
    let window = &rest[..rest.len().min(4)];
    let error = match str::from_utf8(window) {
        Ok(text) => return whole_character(text),
        Err(error) => error,
    };
    match (window.utf8_chunks().next(), error.error_len()) {
        (Some(chunk), _) if !chunk.valid().is_empty() => whole_character(chunk.valid()),
        (_, Some(raw)) => Next::Character(Known { raw, text: REPLACEMENT }),
        (_, None) if is_over => Next::Character(Known { raw: window.len(), text: REPLACEMENT }),
        (_, None) => Next::Unknown,
    }
}

fn whole_character(text: &str) -> Next {
    let len = text.chars().next().map_or(0, char::len_utf8);
    Next::Character(Known { raw: len, text: len })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every line of `input`, fed in pieces of the given sizes over and over, as an owner would.
    fn read(mut reader: LineReader, input: &[u8], sizes: &[usize]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut sizes = sizes.iter().cycle();
        let mut rest = input;
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(*sizes.next().unwrap())];
            let taken = reader.feed(piece);
            let before = lines.len();
            while let Some(line) = reader.next_line() {
                lines.push(line);
            }
            let has_room = taken == piece.len();
            assert!(has_room || lines.len() > before, "a full reader has a line");
            assert!(has_room || piece.len() > PIECE, "{taken} bytes of {}: there is room for a piece", piece.len());
            assert!(reader.held.len() <= 2 * reader.capacity());
            rest = &rest[taken..];
        }
        reader.end();
        while let Some(line) = reader.next_line() {
            lines.push(line);
        }
        assert!(reader.is_ended());
        lines
    }

    /// The lines, having checked that feeding byte by byte gives the same ones.
    fn lines(input: &[u8]) -> Vec<Line> {
        let whole = read(LineReader::new(), input, &[64 * 1024]);
        assert_eq!(whole, read(LineReader::new(), input, &[1]));
        whole
    }

    fn texts(input: &[u8]) -> Vec<String> {
        lines(input).into_iter().map(|line| line.text).collect()
    }

    fn shape(input: &[u8]) -> Vec<(usize, Cut)> {
        lines(input).into_iter().map(|line| (line.text.len(), line.cut)).collect()
    }

    #[test]
    fn a_line_that_is_not_wanted_goes_with_what_is_still_to_come_of_it() {
        let mut reader = LineReader::new();
        reader.feed(b"one\ntw");
        assert_eq!(reader.next_line().map(|line| line.text).as_deref(), Some("one"));
        assert_eq!(reader.next_line(), None);
        reader.skip_line();
        reader.feed(b"o\nthree\n");
        assert_eq!(reader.next_line().map(|line| line.text).as_deref(), Some("three"));
        reader.skip_line();
        reader.feed(b"four\n");
        assert_eq!(reader.next_line().map(|line| line.text).as_deref(), Some("four"), "none had begun");
    }

    #[test]
    fn lines_end_with_lf_or_crlf() {
        assert_eq!(texts(b"a\nb\r\n\n\r\nc d\n"), ["a", "b", "", "", "c d"]);
        assert_eq!(texts(b"a\rb\r\r\n"), ["a\rb\r"]);
    }

    #[test]
    fn the_last_line_counts_without_a_newline() {
        assert_eq!(texts(b"a\nb"), ["a", "b"]);
        assert_eq!(texts(b"a\r"), ["a\r"]);
        assert_eq!(texts(b"a\n"), ["a"]);
        assert_eq!(texts(b""), [""; 0]);
    }

    #[test]
    fn half_a_line_is_not_a_line_yet() {
        let mut reader = LineReader::new();
        reader.feed(b"ab");
        assert_eq!(reader.next_line(), None);
        reader.feed(b"c\r");
        assert_eq!(reader.next_line(), None);
        assert!(!reader.is_ended());
        reader.feed(b"\n");
        assert_eq!(reader.next_line().unwrap().text, "abc");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_kept_raw() {
        let all = lines(b"caf\xe9\n\xe2\x82\n\xf0\x9f\x98");
        assert_eq!(all[0].text, "caf\u{fffd}");
        assert_eq!(all[0].raw, b"caf\xe9");
        assert_eq!((all[1].text.as_str(), all[2].text.as_str()), ("\u{fffd}", "\u{fffd}"));
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_one_line() {
        for newline in ["", "\n", "\r\n"] {
            let input = "x".repeat(MAX_LINE) + newline;
            assert_eq!(shape(input.as_bytes()), [(MAX_LINE, Cut::Whole)]);
        }
    }

    #[test]
    fn a_longer_line_comes_in_marked_pieces() {
        let input = "x".repeat(2 * MAX_LINE + 1) + "\nnext\n";
        let expected = [(MAX_LINE, Cut::First), (MAX_LINE, Cut::Middle), (1, Cut::Last), (4, Cut::Whole)];
        assert_eq!(shape(input.as_bytes()), expected);
        assert_eq!(shape(&[b'x'; 2 * MAX_LINE]), [(MAX_LINE, Cut::First), (MAX_LINE, Cut::Last)]);
        let starts: Vec<bool> = lines(input.as_bytes()).iter().map(Line::is_start).collect();
        assert_eq!(starts, [true, false, false, true]);
    }

    #[test]
    fn a_cut_never_divides_a_character() {
        let input = "x".to_owned() + &"€".repeat(6000);
        assert_eq!(shape(input.as_bytes()), [(MAX_LINE, Cut::First), (2001, Cut::Last)]);
        let input = "😀".repeat(MAX_LINE / 4 - 1) + "xxx" + "😀";
        assert_eq!(shape(input.as_bytes()), [(MAX_LINE - 1, Cut::First), (4, Cut::Last)]);
        let input = "x".repeat(MAX_LINE - 2) + "ä";
        assert_eq!(shape(input.as_bytes()), [(MAX_LINE, Cut::Whole)]);
    }

    #[test]
    fn replaced_text_stays_within_the_limit_too() {
        let pieces = lines(&[0xff; MAX_LINE]);
        assert!(pieces.iter().all(|piece| piece.text.len() <= MAX_LINE));
        assert_eq!(pieces.iter().map(|piece| piece.raw.len()).sum::<usize>(), MAX_LINE);
    }

    #[test]
    fn a_paste_of_ten_megabytes_is_taken_piece_by_piece() {
        let input = vec![b'x'; 10 << 20];
        let mut reader = LineReader::new();
        assert_eq!(reader.feed(&input), MAX_LINE + PIECE + UNDECIDED);
        assert_eq!(reader.feed(&input), 0);
        assert_eq!(reader.next_line().unwrap().cut, Cut::First);
        assert_eq!(reader.feed(&input), MAX_LINE);
        let pieces = read(LineReader::new(), &input, &[64 * 1024]);
        assert_eq!(pieces.len(), (10_usize << 20).div_ceil(MAX_LINE));
    }

    #[test]
    fn a_reader_without_a_line_has_room_for_a_piece_however_much_of_a_line_it_holds() {
        for len in [1, 600, MAX_LINE - 617, MAX_LINE - 10, MAX_LINE - 1, MAX_LINE, MAX_OBJECT - 1, 2_000_000] {
            let line: Vec<u8> = "{é".bytes().chain(vec![b'x'; len - 1]).chain(*b"\r\n").collect();
            let input = line.repeat(3_000_000 / line.len());
            for sizes in [[PIECE, PIECE], [384, PIECE], [PIECE - 1, 3]] {
                let all = read(LineReader::new(), &input, &sizes);
                let bytes: usize = all.iter().map(|line| line.raw.len()).sum();
                assert_eq!(bytes, input.len() / line.len() * (line.len() - 2), "{len} {sizes:?}");
                read(LineReader::with_objects(), &input, &sizes);
            }
        }
    }

    #[test]
    fn an_object_may_be_as_long_as_an_escaped_message() {
        let object = format!("{{\"say\": \"{}\"}}\n", "\\u0007".repeat(MAX_LINE));
        let input = object.clone() + &"x".repeat(MAX_LINE + 1);
        for sizes in [64 * 1024, 1] {
            let all = read(LineReader::with_objects(), input.as_bytes(), &[sizes]);
            assert_eq!((all[0].text.as_str(), all[0].cut), (object.trim_end(), Cut::Whole));
            assert_eq!((all[1].text.len(), all[1].cut), (MAX_LINE, Cut::First));
        }
        assert_eq!(lines(object.as_bytes())[0].cut, Cut::First, "without --json it is a text as any other");
    }

    #[test]
    fn of_an_object_that_is_too_long_nothing_but_the_first_piece_is_given() {
        for beyond in [1, MAX_LINE, 5 * MAX_OBJECT] {
            for rest in ["é", "\n", "\r\nnext", "\nnext\n{\"say\": \"x\"}\n"] {
                let input = format!("{{{}{rest}", "x".repeat(MAX_OBJECT - 1 + beyond));
                for sizes in [64 * 1024, 4_096, 1] {
                    let all = read(LineReader::with_objects(), input.as_bytes(), &[sizes]);
                    assert_eq!((all[0].text.len(), all[0].cut), (MAX_OBJECT, Cut::First));
                    let texts: Vec<&str> = all[1..].iter().map(|line| line.text.as_str()).collect();
                    assert_eq!(texts, rest.lines().skip(1).collect::<Vec<_>>(), "{beyond} {rest:?}");
                    assert!(all[1..].iter().all(|line| line.cut == Cut::Whole));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_way_of_feeding_loses_or_changes_anything(
            parts in proptest::collection::vec(part(), 0..12),
            sizes in proptest::collection::vec(1..40_000_usize, 1..5),
        ) {
            let input = parts.concat();
            let got = read(LineReader::new(), &input, &sizes);
            prop_assert_eq!(&got, &read(LineReader::new(), &input, &[1]));

            let mut again = Vec::new();
            for line in &got {
                prop_assert!(line.text.len() <= MAX_LINE && line.raw.len() <= MAX_LINE);
                prop_assert_eq!(&line.text, &String::from_utf8_lossy(&line.raw));
                again.extend_from_slice(&line.raw);
                if matches!(line.cut, Cut::Whole | Cut::Last) {
                    again.push(b'\n');
                }
            }
            let mut expected: Vec<u8> = Vec::new();
            for (at, byte) in input.iter().enumerate() {
                if !(*byte == b'\r' && input.get(at + 1) == Some(&b'\n')) {
                    expected.push(*byte);
                }
            }
            if expected.last().is_some_and(|byte| *byte != b'\n') {
                expected.push(b'\n');
            }
            prop_assert_eq!(again, expected);
        }
    }

    fn part() -> impl Strategy<Value = Vec<u8>> {
        let long = prop_oneof![Just("x"), Just("ä"), Just("€"), Just("😀")];
        prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..20),
            (long, 0..9_000_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
            (15_995..16_003_usize).prop_map(|len| vec![b'x'; len]),
            (5_300..5_400_usize).prop_map(|len| vec![0xff; len]),
        ]
    }
}
