//! Frames on a terminal that divides the rows that have become too wide, and puts them together again.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::capable::{Charset, Narrowing};
use super::super::plain::Paint;
use super::super::view::{Bar, Prompt, Style, View, lay_out};
use super::*;

const STYLE: Style = Style { paint: Paint::On, charset: Charset::Unicode };

/// Long enough for everything that was on its way to have come.
const LONG: Duration = Duration::from_secs(1);
/// Not long enough for that.
const SHORT: Duration = Duration::from_millis(30);

#[derive(Clone, Default)]
struct Row {
    cells: Vec<char>,
    /// Whether it goes on in the next.
    is_divided: bool,
}

/// As much of a terminal as frames need. Each character is one column wide.
struct Terminal {
    /// Everything that can be scrolled to, then the screen.
    rows: Vec<Row>,
    columns: usize,
    height: usize,
    row: usize,
    column: usize,
    wraps: bool,
}

impl Terminal {
    fn new(columns: usize, height: usize) -> Self {
        Self { rows: vec![Row::default()], columns, height, row: 0, column: 0, wraps: true }
    }

    fn take(&mut self, bytes: &str) {
        let mut rest = bytes.chars();
        while let Some(c) = rest.next() {
            match c {
                '\x1b' => {
                    let sequence = rest.as_str().trim_start_matches('[');
                    let end = sequence.find(|c: char| c.is_ascii_alphabetic()).expect("a sequence ends");
                    self.follow(&sequence[..end], &sequence[end..=end]);
                    rest = sequence[end + 1..].chars();
                }
                '\r' => self.column = 0,
                '\n' => self.go_down(),
                c => self.show(c),
            }
        }
    }

    fn follow(&mut self, parameters: &str, last: &str) {
        let number = parameters.parse().unwrap_or(1);
        match (parameters, last) {
            (_, "A") => self.row = self.row.saturating_sub(number).max(self.rows.len().saturating_sub(self.height)),
            (_, "B") => self.row = (self.row + number).min(self.rows.len() - 1),
            ("", "J") => {
                self.rows.truncate(self.row + 1);
                self.erase_row();
            }
            ("", "K") => self.erase_row(),
            ("?7", mode) => self.wraps = mode == "h",
            _ => {}
        }
    }

    fn erase_row(&mut self) {
        self.rows[self.row].cells.truncate(self.column);
        self.rows[self.row].is_divided = false;
    }

    fn go_down(&mut self) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push(Row::default());
        }
    }

    fn show(&mut self, c: char) {
        if self.column == self.columns && self.wraps {
            self.rows[self.row].is_divided = true;
            self.go_down();
            self.column = 0;
        }
        let column = self.column.min(self.columns - 1);
        let cells = &mut self.rows[self.row].cells;
        cells.resize(cells.len().max(column + 1), ' ');
        cells[column] = c;
        self.column = column + 1;
    }

    fn resize(&mut self, columns: usize) {
        let (mut rows, mut row, mut column) = (Vec::new(), 0, 0);
        let mut line = Row::default();
        for (at, old) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            if at == self.row {
                (row, column) = (rows.len(), line.cells.len() + self.column);
            }
            line.cells.extend(old.cells);
            if !old.is_divided {
                let cells = std::mem::take(&mut line.cells);
                let pieces = cells.len().div_ceil(columns).max(1);
                for piece in 0..pieces {
                    let end = cells.len().min((piece + 1) * columns);
                    rows.push(Row { cells: cells[piece * columns..end].to_vec(), is_divided: piece + 1 < pieces });
                }
            }
        }
        while column >= columns && rows[row].is_divided {
            (row, column) = (row + 1, column - columns);
        }
        (self.rows, self.columns, self.row, self.column) = (rows, columns, row, column.min(columns));
    }

    /// Everything, each line whole.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for row in &self.rows {
            lines.last_mut().expect("there is a line").extend(&row.cells);
            if !row.is_divided {
                lines.push(String::new());
            }
        }
        lines.pop();
        lines
    }
}

/// What is to be seen, and a terminal that shows it.
struct Screen {
    terminal: Terminal,
    painter: Painter,
    /// What the program knows of it.
    size: Size,
    now: Instant,
    bars: Vec<Bar>,
    typed: String,
    pinned: Pinned,
    said: Vec<String>,
}

impl Screen {
    /// With something said already.
    fn new(columns: u16, rows: u16) -> Self {
        let mut screen = Self {
            terminal: Terminal::new(columns.into(), rows.into()),
            painter: Painter::new(Narrowing::Flows),
            size: Size { columns, rows },
            now: Instant::now(),
            bars: Vec::new(),
            typed: String::new(),
            pinned: Pinned::default(),
            said: Vec::new(),
        };
        screen.frame(30);
        screen.now += LONG;
        screen
    }

    /// A frame, with so many lines said since the last one.
    fn frame(&mut self, said: usize) {
        let first = self.said.len();
        // Of every length.
        self.said.extend((first..first + said).map(|n| format!("bob: line {n} {}", "and on ".repeat(n % 7))));
        let above: String = self.said[first..].iter().map(|line| format!("{line}\n")).collect();
        let prompt = Prompt { label: "> ", text: &self.typed, cursor: self.typed.len() };
        let view = View { bars: &self.bars, waiting: &[], status: None, prompt };
        self.pinned = lay_out(&view, self.size, STYLE);
        let frame = self.painter.frame(&above, &self.pinned, self.now);
        self.terminal.take(&frame);
    }

    fn transferring(&mut self, n: u64) {
        let name = "a file.bin".to_owned();
        let bar = Bar {
            outgoing: true,
            name,
            size: Some(9),
            sent: 5,
            received: 5,
            verified: 5,
            rate: 1e6,
            left: None,
            state: "",
            id: 1,
        };
        self.bars = (1..=n).map(|id| Bar { id, ..bar.clone() }).collect();
    }

    /// What moves from frame to frame.
    fn moving(&mut self) {
        self.bars.iter_mut().for_each(|bar| bar.rate += 1e6);
    }

    /// The terminal has another width, of which the program does not know yet.
    fn resize(&mut self, columns: u16) {
        self.terminal.resize(columns.into());
    }

    /// The program learns of it.
    fn learn(&mut self) {
        self.size.columns = u16::try_from(self.terminal.columns).expect("it was one");
        self.painter.resized(self.size, self.now);
    }

    /// Everything that was said, then what is pinned, and nothing else.
    fn assert_clean(&self) {
        let plain = |row: &String| {
            let mut terminal = Terminal::new(1000, 1);
            terminal.take(row);
            terminal.lines().concat()
        };
        let wanted: Vec<String> = self.said.iter().cloned().chain(self.pinned.rows.iter().map(plain)).collect();
        assert_eq!(self.terminal.lines(), wanted);
        assert_eq!(self.terminal.row, self.terminal.rows.len() - 1);
    }

    /// What was said and is not there, in its order. A terminal may have put it together with a piece of an old bar.
    fn lost(&self) -> Option<&String> {
        let (all, mut at) = (self.terminal.lines().join("\n"), 0);
        self.said.iter().find(|line| match all[at..].find(*line) {
            Some(found) => {
                at += found + line.len();
                false
            }
            None => true,
        })
    }
}

#[test]
fn made_narrower_while_files_go_it_has_each_bar_and_the_prompt_once() {
    for widths in [[100, 70, 50, 100], [100, 30, 12, 100], [200, 79, 40, 20], [60, 25, 3, 100]] {
        for files in 0..4 {
            let mut screen = Screen::new(widths[0], 40);
            screen.transferring(files);
            screen.typed = "a sentence of some length that is not sent".to_owned();
            screen.frame(1);
            screen.now += LONG;
            for columns in &widths[1..] {
                for _ in 0..3 {
                    screen.now += SHORT;
                    screen.moving();
                    screen.frame(0);
                }
                screen.resize(*columns);
                screen.now += SHORT;
                screen.learn();
                screen.frame(0);
                screen.assert_clean();
                screen.now += LONG;
            }
        }
    }
}

#[test]
fn a_bar_that_moves_before_the_new_width_is_known_is_there_once() {
    let mut screen = Screen::new(100, 40);
    screen.transferring(2);
    screen.frame(0);
    screen.now += LONG;
    screen.resize(50);
    for _ in 0..3 {
        screen.moving();
        screen.frame(0);
        screen.now += SHORT;
    }
    screen.learn();
    screen.frame(1);
    screen.assert_clean();
}

#[test]
fn several_widths_before_the_next_frame_are_as_the_last_of_them() {
    let mut screen = Screen::new(100, 40);
    screen.transferring(3);
    screen.frame(0);
    screen.now += LONG;
    for columns in [60, 20, 90, 5, 35] {
        screen.resize(columns);
        screen.learn();
        screen.now += LONG;
    }
    screen.frame(1);
    screen.assert_clean();
}

#[test]
fn what_is_said_before_the_new_width_is_known_is_not_erased_after_it() {
    for said in 1..4 {
        let mut screen = Screen::new(100, 40);
        screen.transferring(3);
        screen.frame(0);
        screen.now += LONG;
        screen.resize(50);
        screen.frame(said);
        screen.learn();
        screen.frame(0);
        assert_eq!(screen.lost(), None);
    }
}

#[test]
fn leaving_made_narrower_wipes_all_that_is_pinned() {
    let mut screen = Screen::new(100, 40);
    screen.transferring(3);
    screen.frame(0);
    screen.now += LONG;
    screen.resize(33);
    screen.learn();
    let wiped = screen.painter.wipe();
    screen.terminal.take(&wiped);
    screen.pinned.rows = vec![String::new()];
    screen.assert_clean();
}

/// What can happen between two frames.
#[derive(Clone, Debug)]
enum Step {
    Said(usize),
    Typed(usize),
    Bars(u64),
    /// To this width, known after so many frames.
    Resized(u16, usize),
    Waited,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4_usize).prop_map(Step::Said),
        2 => (0..60_usize).prop_map(Step::Typed),
        2 => (0..4_u64).prop_map(Step::Bars),
        3 => (2..120_u16, 0..4_usize).prop_map(|(columns, frames)| Step::Resized(columns, frames)),
        1 => Just(Step::Waited),
    ]
}

proptest! {
    #[test]
    fn no_line_is_lost_at_whatever_width_and_however_late_it_is_known(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut screen = Screen::new(100, 60);
        // Frames until the width is known.
        let mut unknown: Option<usize> = None;
        for step in steps {
            let mut said = 0;
            match step {
                Step::Said(n) => said = n,
                Step::Typed(n) => screen.typed = "x".repeat(n),
                Step::Bars(n) => screen.transferring(n),
                Step::Resized(columns, frames) if unknown.is_none() => {
                    screen.resize(columns);
                    unknown = Some(frames);
                }
                Step::Waited if unknown.is_none() => screen.now += LONG,
                Step::Resized(..) | Step::Waited => {}
            }
            if unknown == Some(0) {
                screen.learn();
                unknown = None;
            }
            screen.frame(said);
            unknown = unknown.map(|frames| frames - 1);
            screen.now += SHORT;
            prop_assert_eq!(screen.lost(), None);
        }
    }
}
