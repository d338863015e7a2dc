//! Rows as a person sees them, with a `|` where the cursor stands.

use std::time::Duration;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::super::width::{columns, left_of, room};
use super::*;

const UNICODE: Style = Style { paint: Paint::Off, charset: Charset::Unicode };
const ASCII: Style = Style { paint: Paint::Off, charset: Charset::Ascii };
const PAINTED: Style = Style { paint: Paint::On, charset: Charset::Unicode };

const QUESTION: &str = "Whom to call, as PORT or HOST:PORT [wait for a call]: ";
const FAMILY: &str = "👩\u{200d}👩\u{200d}👧";

fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

fn bar(id: u64) -> Bar {
    Bar {
        outgoing: false,
        name: format!("{id}.bin"),
        size: Some(1_000_000),
        sent: 0,
        received: 500_000,
        verified: 400_000,
        rate: 1e6,
        left: Some(Duration::from_secs(65)),
        state: "",
        id,
    }
}

fn waiting(text: &str) -> Waiting {
    Waiting { text: text.to_owned() }
}

fn typing<'a>(label: &'a str, text: &'a str, cursor: usize) -> View<'a> {
    View { bars: &[], waiting: &[], status: None, prompt: Prompt { label, text, cursor } }
}

/// What is pinned while a text is typed, with a `|` where the cursor stands.
fn typed(label: &str, text: &str, cursor: usize, size: Size, style: Style) -> Vec<String> {
    let mut pinned = lay_out(&typing(label, text, cursor), size, style);
    let row = &mut pinned.rows[pinned.cursor_row];
    let at = left_of(row, pinned.cursor_column.into()).expect("the cursor stands in its row").len();
    row.insert(at, '|');
    pinned.rows
}

fn shows(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn texts_transfers_the_link_and_the_prompt_stand_below_each_other() {
    let (bars, texts) = ([bar(1)], [waiting("are you there?")]);
    let view = View {
        bars: &bars,
        waiting: &texts,
        status: Some("link lost, retrying in 3 s"),
        prompt: Prompt { label: "> ", text: "hi", cursor: 2 },
    };
    let pinned = lay_out(&view, size(60, 24), UNICODE);
    let expected = [
        "… are you there?",
        "↓ 1.bin  [██████████----------]   50%  1.0 MB/s   1:05 left",
        "link lost, retrying in 3 s",
        "> hi",
    ];
    assert_eq!(pinned.rows, shows(&expected));
    assert_eq!((pinned.cursor_row, pinned.cursor_column), (3, 4));
}

#[test]
fn the_fourth_transfer_and_the_fourth_text_are_only_counted() {
    let bars: Vec<Bar> = (1..=5).map(bar).collect();
    let texts: Vec<Waiting> = ["a", "b", "c", "d"].map(waiting).into();
    let view = View { bars: &bars, waiting: &texts, ..typing("> ", "", 0) };
    let rows = lay_out(&view, size(80, 24), ASCII).rows;
    assert_eq!(rows[..4], shows(&["~ a", "~ b", "~ c", "+1 more not delivered yet"]));
    assert_eq!(rows[6].split(' ').take(3).collect::<Vec<_>>(), ["<-", "#3", "3.bin"]);
    assert_eq!(rows[7..], shows(&["+2 more", "> "]));
}

#[test]
fn texts_give_way_first_then_transfers_then_the_link_and_the_prompt_never() {
    let bars: Vec<Bar> = (1..=5).map(bar).collect();
    let texts: Vec<Waiting> = ["a", "b", "c", "d"].map(waiting).into();
    let view = View { bars: &bars, waiting: &texts, status: Some("link lost"), ..typing("> ", "", 0) };
    // How many rows of texts, of transfers, of the link there are, by the rows of the screen.
    for (rows, expected) in [
        (24, [4, 4, 1]),
        (10, [3, 4, 1]),
        (9, [2, 4, 1]),
        (8, [1, 4, 1]),
        (7, [0, 4, 1]),
        (6, [0, 3, 1]),
        (5, [0, 2, 1]),
        (4, [0, 1, 1]),
        (3, [0, 0, 1]),
        (2, [0, 0, 0]),
        (1, [0, 0, 0]),
        (0, [0, 0, 0]),
    ] {
        let pinned = lay_out(&view, size(80, rows), ASCII);
        let (mut lines, mut counts) = (pinned.rows.iter(), [0; 3]);
        assert_eq!(lines.next_back().map(String::as_str), Some("> "));
        for line in lines {
            let is_text = line.starts_with('~') || line.ends_with("yet");
            let kind = if is_text {
                0
            } else if line == "link lost" {
                2
            } else {
                1
            };
            counts[kind] += 1;
        }
        assert_eq!(counts, expected, "{rows}: {:?}", pinned.rows);
    }
}

#[test]
fn only_what_is_said_less_loudly_is_painted() {
    let texts = [waiting("hi")];
    let view = View { waiting: &texts, status: Some("link lost"), ..typing("> ", "yo", 0) };
    let expected = ["\x1b[2m… hi\x1b[0m", "\x1b[1mlink lost\x1b[0m", "> yo"];
    assert_eq!(lay_out(&view, size(80, 24), PAINTED).rows, shows(&expected));
}

#[test]
fn a_long_text_scrolls_sideways_by_halves_of_the_row() {
    let text = "abcdefghijklmnopqrstuvwxyz";
    let at = |cursor| typed("> ", text, cursor, size(13, 24), UNICODE).concat();
    assert_eq!(at(0), "> |abcdefghi›");
    assert_eq!(at(7), "> abcdefg|hi›");
    assert_eq!(at(8), "> ‹ghi|jklmn›".replace("ghi|jklmn", "gh|ijklmn"));
    assert_eq!(at(26), "> ‹vwxyz|".replace("vwxyz", &text[text.len() - 5..]));
    assert_eq!(typed("> ", text, 13, size(13, 24), ASCII).concat(), "> <lm|nopqrs>");
}

#[test]
fn a_text_that_just_fits_is_not_marked_and_the_cursor_stands_in_the_free_column() {
    assert_eq!(typed("> ", "0123456789", 10, size(13, 24), UNICODE), ["> 0123456789|"]);
    assert_eq!(lay_out(&typing("> ", "0123456789", 10), size(13, 24), UNICODE).cursor_column, 12);
}

#[test]
fn the_cursor_column_counts_what_is_seen() {
    for (text, cursor, column) in [
        ("你好", 3, 4),
        ("你好", 6, 6),
        ("e\u{301}x", 3, 3),
        (FAMILY, FAMILY.len(), 4),
        ("1️⃣a", "1️⃣".len(), 4),
        // In the middle of what is one character to a person.
        (FAMILY, 4, 2),
        ("a\tb", 2, 4),
        ("a\nb", 2, 4),
        ("ab", 99, 4),
    ] {
        assert_eq!(
            lay_out(&typing("> ", text, cursor), size(80, 24), UNICODE).cursor_column,
            column,
            "{text} {cursor}"
        );
    }
}

#[test]
fn a_wide_character_at_the_edge_is_whole_or_not_there() {
    let text = "你".repeat(20);
    for columns in 8..14 {
        for cursor in (0..=60).step_by(3) {
            let row = typed("> ", &text, cursor, size(columns, 24), UNICODE).concat();
            assert!(row.width() <= usize::from(columns), "{row:?}");
            let seen = row.split_once('|').expect("a cursor");
            assert!(cursor == 60 || seen.1.starts_with('你'), "{cursor}: {row:?}");
        }
    }
    assert_eq!(typed("> ", &text, 0, size(12, 24), UNICODE).concat(), "> |你你你你›");
    assert_eq!(typed("> ", &text, 0, size(13, 24), UNICODE).concat(), "> |你你你你 ›");
}

#[test]
fn newlines_and_tabs_are_seen_and_controls_are_question_marks() {
    assert_eq!(typed("> ", "a\nb\tc\x1b[2Jd", 3, size(80, 24), UNICODE), ["> a⏎b| c?[2Jd"]);
    assert_eq!(typed("> ", "a\r\nb\u{202e}", 3, size(80, 24), ASCII), ["> a?^J|b?"]);
}

#[test]
fn a_question_too_long_for_the_row_is_wrapped_between_its_words() {
    assert_eq!(typed(QUESTION, "5000", 4, size(80, 24), UNICODE), [format!("{QUESTION}5000|")]);
    assert_eq!(
        typed(QUESTION, "5000", 4, size(40, 12), UNICODE),
        ["Whom to call, as PORT or HOST:PORT", "[wait for a call]: 5000|"]
    );
    assert_eq!(
        typed(QUESTION, "127.0.0.1", 9, size(12, 24), UNICODE),
        ["Whom to", "call, as", "PORT or", "HOST:PORT", "[wait for a", "call]: .0.1|"]
    );
    // The last piece gives the text its room too.
    assert_eq!(typed("To whom do you want to talk today? ", "", 0, size(40, 24), ASCII).len(), 2);
}

#[test]
fn on_a_tiny_screen_a_question_is_cut_from_the_left() {
    assert_eq!(typed(QUESTION, "5000", 4, size(40, 1), UNICODE), ["‹T:PORT [wait for a call]: 5000|"]);
    assert_eq!(typed(QUESTION, "50", 2, size(12, 3), UNICODE), ["‹wait for a", "call]: 50|"]);
    assert_eq!(typed(QUESTION, "5", 1, size(4, 1), ASCII), ["< 5|"]);
    assert_eq!(typed(QUESTION, "5", 1, size(1, 1), ASCII), ["|"]);
}

#[test]
fn an_absurd_size_is_believed_only_so_far() {
    let text = "x".repeat(16_000);
    for (columns, rows) in [(0, 0), (u16::MAX, u16::MAX), (1, u16::MAX), (u16::MAX, 1)] {
        let pinned = lay_out(&typing(QUESTION, &text, 16_000), size(columns, rows), UNICODE);
        assert!(pinned.rows.concat().len() <= 2 * usize::from(MAX_SIZE));
    }
}

#[test]
fn clocks_have_hours_only_where_there_are_some() {
    for (seconds, expected) in [(0, "0:00"), (3, "0:03"), (725, "12:05"), (3723, "1:02:03"), (360_000, "100:00:00")] {
        assert_eq!(clock(Duration::from_secs(seconds)), expected);
    }
    assert_eq!(clock(Duration::from_millis(3999)), "0:03");
}

/// Text in which everything that is hard to measure is frequent.
fn text() -> impl Strategy<Value = String> {
    let hard = ["你", "e\u{301}", FAMILY, "1️⃣", "🇩🇪", "\u{301}", "\u{200d}", "\n", "\t", "\x1b", " ", "a", "لا", "👍🏽"];
    let piece = prop_oneof![
        4 => proptest::sample::select(hard.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
        2 => "[a-z]{1,9} ",
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// A row without its colours.
fn bare(row: &str) -> String {
    let mut pieces = row.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |bare, piece| bare + piece.split_once('m').expect("only colours").1)
}

proptest! {
    #[test]
    fn no_row_is_ever_too_wide_and_the_cursor_is_always_on_the_screen(
        (label, text, name) in (text(), text(), text()),
        (at, columns_, rows) in (0..300_usize, 0..60_u16, 0..12_u16),
        (outgoing, known, painted, ascii) in any::<(bool, bool, bool, bool)>(),
        status in proptest::option::of(text()),
        numbers in any::<[u64; 3]>(),
        rate in any::<f64>(),
    ) {
        let cursor = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(at).unwrap_or(text.len());
        let [sent, received, verified] = numbers;
        let size_ = known.then_some(sent);
        let left = Some(Duration::from_secs(verified));
        let bars = vec![Bar { outgoing, name, size: size_, sent, received, verified, rate, left, ..bar(received) }; 2];
        let texts = [waiting(&text)];
        let prompt = Prompt { label: &label, text: &text, cursor };
        let view = View { bars: &bars, waiting: &texts, status: status.as_deref(), prompt };
        let paint = if painted { Paint::On } else { Paint::Off };
        let charset = if ascii { Charset::Ascii } else { Charset::Unicode };
        let pinned = lay_out(&view, size(columns_, rows), Style { paint, charset });
        let width = usize::from(columns_.max(1)) - 1;
        prop_assert!(!pinned.rows.is_empty() && pinned.rows.len() < usize::from(rows.max(2)));
        for row in &pinned.rows {
            let bare = bare(row);
            prop_assert!(room(&bare) <= width, "{} {bare:?}", room(&bare));
            prop_assert!(!bare.contains(char::is_control), "{bare:?}");
        }
        prop_assert_eq!(pinned.cursor_row, pinned.rows.len() - 1);
        let row = &pinned.rows[pinned.cursor_row];
        prop_assert!(usize::from(pinned.cursor_column) <= columns(&bare(row)));
    }
}
