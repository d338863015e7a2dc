//! Frames on an emulated terminal: what its screen and its scrollback hold.

use std::num::NonZeroU16;

use proptest::prelude::*;

use super::super::capable::{Charset, Narrowing};
use super::super::plain::Paint;
use super::super::view::{Bar, Prompt, Style, View, Waiting, lay_out};
use super::*;

const STYLE: Style = Style { paint: Paint::On, charset: Charset::Unicode };

/// More rows than any test says.
const SCROLLBACK: usize = 20_000;

/// What is to be seen, and a terminal that shows it.
struct Screen {
    terminal: vt100::Parser,
    painter: Painter,
    size: Size,
    bars: Vec<Bar>,
    waiting: Vec<Waiting>,
    status: Option<&'static str>,
    typed: String,
    cursor: usize,
    /// What the last frame cost, in bytes.
    cost: usize,
}

fn non_zero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a screen has rows and columns")
}

impl Screen {
    fn new(columns: u16, rows: u16) -> Self {
        let mut screen = Self {
            terminal: vt100::Parser::new(non_zero(rows), non_zero(columns), SCROLLBACK),
            painter: Painter::new(Narrowing::Cuts),
            size: Size { columns, rows },
            bars: Vec::new(),
            waiting: Vec::new(),
            status: None,
            typed: String::new(),
            cursor: 0,
            cost: 0,
        };
        let begin = screen.painter.begin();
        screen.terminal.process(begin.as_bytes());
        screen
    }

    /// A frame, with `above` said since the last one.
    fn frame(&mut self, above: &str) {
        let prompt = Prompt { label: "> ", text: &self.typed, cursor: self.cursor };
        let view = View { bars: &self.bars, waiting: &self.waiting, status: self.status, prompt };
        let pinned = lay_out(&view, self.size, STYLE);
        let frame = self.painter.frame(above, &pinned, Instant::now());
        self.terminal.process(frame.as_bytes());
        self.cost = frame.len();
    }

    fn typing(&mut self, text: &str) {
        self.typed = text.to_owned();
        self.cursor = text.len();
    }

    fn transferring(&mut self, n: u64) {
        self.bars = (1..=n).map(bar).collect();
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.size = Size { columns, rows };
        self.terminal.set_size(non_zero(rows), non_zero(columns));
        self.painter.resized(self.size, Instant::now());
    }

    fn wipe(&mut self) {
        let out = self.painter.wipe();
        self.terminal.process(out.as_bytes());
    }

    fn rows(&self) -> Vec<String> {
        self.terminal.screen().rows(0, self.size.columns).collect()
    }

    /// Everything that can be seen by scrolling up, then the screen.
    fn history(&mut self) -> Vec<String> {
        let screen = self.terminal.screen_mut();
        let mut all = Vec::new();
        for back in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(back);
            all.extend(screen.rows(0, self.size.columns).next());
        }
        screen.set_scrollback(0);
        all.extend(self.rows());
        all
    }

    /// The lines of the conversation among everything.
    fn said(&mut self) -> Vec<String> {
        self.history().into_iter().filter(|line| line.starts_with("bob: ")).collect()
    }

    /// The last row with something in it, and whether the cursor stands in it.
    fn last_row(&self) -> (String, bool) {
        let rows = self.rows();
        let last = rows.iter().rposition(|row| !row.trim_end().is_empty()).unwrap_or(0);
        (rows[last].clone(), usize::from(self.cursor_position().0) == last)
    }

    fn cursor_position(&self) -> (u16, u16) {
        self.terminal.screen().cursor_position()
    }
}

fn bar(id: u64) -> Bar {
    Bar {
        outgoing: id.is_multiple_of(2),
        name: format!("file {id}.bin"),
        size: Some(10_000_000),
        sent: 900_000 * id,
        received: 800_000 * id,
        verified: 700_000 * id,
        rate: 1e6,
        left: None,
        state: "",
        id,
    }
}

fn line(n: usize) -> String {
    format!("bob: line {n}\n")
}

fn lines(of: std::ops::Range<usize>) -> Vec<String> {
    of.map(|n| format!("bob: line {n}")).collect()
}

#[test]
fn what_is_typed_stays_through_a_thousand_frames_with_lines_and_every_line_is_in_the_scrollback() {
    for (columns, rows) in [(80, 24), (40, 12), (200, 50)] {
        let mut screen = Screen::new(columns, rows);
        screen.typing("half a senten");
        for n in 0..1000 {
            screen.transferring(n as u64 % 6);
            screen.status = (n % 7 == 0).then_some("link lost, retrying in 3 s");
            screen.frame(&line(n));
            assert_eq!(screen.last_row(), ("> half a senten".to_owned(), true));
            assert_eq!(screen.cursor_position().1, 15);
        }
        assert_eq!(screen.said(), lines(0..1000));
        let bars = screen.history().iter().filter(|row| row.contains("file")).count();
        assert_eq!(bars, screen.bars.len(), "none is left behind in the scrollback");
    }
}

#[test]
fn rows_that_are_no_longer_pinned_are_gone() {
    let mut screen = Screen::new(80, 24);
    screen.transferring(3);
    screen.waiting = vec![Waiting { text: "are you there?".to_owned() }];
    screen.typing("hi");
    screen.frame(&line(0));
    screen.transferring(0);
    screen.waiting.clear();
    screen.frame(&line(1));
    assert_eq!(screen.terminal.screen().contents(), "bob: line 0\nbob: line 1\n> hi");
}

#[test]
fn many_lines_at_once_scroll_into_the_scrollback() {
    let mut screen = Screen::new(80, 10);
    screen.transferring(2);
    screen.frame("");
    let many: String = (0..500).map(line).collect();
    screen.frame(&many);
    assert_eq!(screen.said(), lines(0..500));
    assert_eq!(screen.last_row(), ("> ".to_owned(), true));
}

#[test]
fn a_line_as_wide_as_the_screen_and_a_wider_one_are_whole() {
    let mut screen = Screen::new(20, 6);
    screen.frame(&format!("{}\n{}\n", "a".repeat(20), "b".repeat(50)));
    let rows = screen.rows();
    assert_eq!(rows[..5], ["a".repeat(20), "b".repeat(20), "b".repeat(20), "b".repeat(10), "> ".to_owned()]);
}

#[test]
fn nothing_new_costs_nothing() {
    let mut screen = Screen::new(80, 24);
    screen.typing("hi");
    screen.frame("");
    screen.frame("");
    assert_eq!(screen.cost, 0);
}

#[test]
fn a_key_costs_the_prompts_row_and_leaves_the_others_alone() {
    let mut screen = Screen::new(80, 24);
    screen.transferring(3);
    screen.frame(&line(0));
    screen.typing("a");
    screen.frame("");
    assert!(screen.cost < 50, "{} bytes", screen.cost);
    assert_eq!(screen.last_row(), ("> a".to_owned(), true));
    screen.typing("");
    screen.frame("");
    assert_eq!(screen.last_row(), ("> ".to_owned(), true));
    assert_eq!(screen.rows()[1].split(' ').take(2).collect::<Vec<_>>(), ["↓", "#1"]);
}

#[test]
fn only_a_bar_that_moved_is_drawn_again_and_the_cursor_returns() {
    let mut screen = Screen::new(80, 24);
    screen.transferring(3);
    screen.typing("hello");
    screen.cursor = 2;
    screen.frame(&line(0));
    screen.bars[1].received += 1_000_000;
    screen.frame("");
    assert!(screen.cost < 150, "{} bytes", screen.cost);
    assert!(screen.rows()[2].contains("received 2.6"), "{:?}", screen.rows());
    assert_eq!(screen.cursor_position(), (4, 4));
}

#[test]
fn the_cursor_stands_behind_what_is_left_of_it_also_where_the_terminal_measures_otherwise() {
    let mut screen = Screen::new(80, 24);
    // This terminal shows six columns for the family, Unicode has two.
    screen.typing("👩\u{200d}👩\u{200d}👧你e\u{301}z");
    screen.frame("");
    assert_eq!(screen.cursor_position(), (0, 2 + 6 + 2 + 1 + 1));
    screen.cursor = screen.typed.len() - 1;
    screen.frame("");
    assert_eq!(screen.cursor_position(), (0, 2 + 6 + 2 + 1));
    assert_eq!(screen.last_row().0, format!("> {}", screen.typed));
    screen.cursor = 0;
    screen.frame(&line(0));
    assert_eq!(screen.cursor_position(), (1, 2));
}

#[test]
fn wide_characters_at_the_edge_never_wrap() {
    for columns in 3..20 {
        let mut screen = Screen::new(columns, 5);
        screen.frame("a\n");
        for n in 0..30 {
            screen.typing(&"你".repeat(n));
            screen.frame("");
            screen.cursor = n / 2 * 3;
            screen.frame("");
            assert!((0..5).all(|row| !screen.terminal.screen().row_wrapped(row)), "{columns} {n}");
            assert_eq!(screen.cursor_position().0, 1, "{columns} {n}: {:?}", screen.rows());
        }
    }
}

#[test]
fn a_screen_that_shrinks_to_nothing_and_grows_again_has_its_prompt_and_its_lines() {
    let mut screen = Screen::new(80, 24);
    screen.typing("half a sentence");
    let sizes = [(80, 24), (40, 12), (200, 50), (80, 1), (1, 1), (2, 2), (80, 24)];
    for (n, (columns, rows)) in sizes.into_iter().enumerate() {
        screen.resize(columns, rows);
        screen.transferring(5);
        screen.frame(&line(n));
        assert!(screen.last_row().1, "{columns}x{rows}: {:?}", screen.rows());
    }
    assert_eq!(screen.last_row(), ("> half a sentence".to_owned(), true));
    // This terminal cuts what does not fit, as some do: what was said when there was room is still there.
    let said = screen.said();
    assert!(said.contains(&"bob: line 6".to_owned()), "{said:?}");
}

#[test]
fn leaving_wipes_what_is_pinned_and_leaves_the_terminal_as_a_shell_wants_it() {
    let mut screen = Screen::new(80, 24);
    assert!(screen.terminal.screen().bracketed_paste());
    screen.transferring(3);
    screen.typing("never sent");
    screen.frame(&line(0));
    screen.wipe();
    assert_eq!(screen.terminal.screen().contents(), "bob: line 0");
    assert_eq!(screen.cursor_position(), (1, 0));
    assert!(!screen.terminal.screen().bracketed_paste());
    assert!(!screen.terminal.screen().hide_cursor());
    screen.wipe();
    assert_eq!(screen.terminal.screen().contents(), "bob: line 0");
}

#[test]
fn after_a_stop_everything_is_drawn_below_what_the_shell_said() {
    let mut screen = Screen::new(80, 24);
    screen.typing("still here");
    screen.frame(&line(0));
    screen.wipe();
    screen.terminal.process(b"$ fg\r\ntete\r\n");
    let begin = screen.painter.begin();
    screen.terminal.process(begin.as_bytes());
    screen.frame("");
    assert_eq!(screen.terminal.screen().contents(), "bob: line 0\n$ fg\ntete\n> still here");
    assert!(screen.terminal.screen().bracketed_paste());
}

/// What can happen between two frames.
#[derive(Clone, Debug)]
enum Step {
    Said(usize),
    Typed(String),
    Bars(u64),
    Waiting(usize),
    Status(bool),
    /// A size that many columns wider, and any number of rows.
    Resized(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..30_usize).prop_map(Step::Said),
        2 => "[a-z你👍]{0,40}".prop_map(Step::Typed),
        2 => (0..6_u64).prop_map(Step::Bars),
        1 => (0..6_usize).prop_map(Step::Waiting),
        1 => any::<bool>().prop_map(Step::Status),
        2 => (0..10_u16, 1..40_u16).prop_map(|(wider, rows)| Step::Resized(wider, rows)),
    ]
}

proptest! {
    #[test]
    fn no_line_is_lost_while_a_screen_gets_no_narrower_and_the_prompt_is_always_last(
        columns in 20..60_u16,
        rows in 1..30_u16,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut screen = Screen::new(columns, rows);
        let mut said = 0;
        for step in steps {
            let mut above = String::new();
            match step {
                Step::Said(n) => {
                    above = (said..said + n).map(line).collect();
                    said += n;
                }
                Step::Typed(text) => screen.typing(&text),
                Step::Bars(n) => screen.transferring(n),
                Step::Waiting(n) => screen.waiting = vec![Waiting { text: "are you there?".to_owned() }; n],
                Step::Status(lost) => screen.status = lost.then_some("link lost"),
                Step::Resized(wider, rows) => {
                    let columns = screen.size.columns + wider;
                    screen.resize(columns, rows);
                }
            }
            screen.frame(&above);
            let (last, has_cursor) = screen.last_row();
            prop_assert!(last.starts_with('>') && has_cursor, "{last:?} {:?}", screen.rows());
        }
        prop_assert_eq!(screen.said(), lines(0..said));
    }
}
