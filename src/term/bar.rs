//! A running transfer as one row.
//!
//! Owns: what the row tells, and what it leaves out as the screen gets narrow. Must not know: how rates are measured,
//! where the row stands.
//!
//! What changes from frame to frame has a fixed width, so that nothing jumps about while it is read.

use std::time::Duration;

use super::capable::Charset;
use super::plain;
use super::view::Style;
use super::width::{cut, cut_middle, room, tame};

/// Widest row, in columns. A terminal that reflows divides a wider one when it is made narrower, and a piece of it
/// stays in the scrollback; down to the 80 columns that all but the smallest have, none is divided.
pub(super) const MAX_COLUMNS: usize = 79;

/// Cells of the bar proper: as many as there is room for, and not worth it with fewer.
const CELLS: std::ops::RangeInclusive<usize> = 5..=20;

/// Columns of a name that are worth more than a longer bar, and those that are worth less.
const NAME_FIRST: usize = 16;
const NAME_LAST: usize = 32;

/// Longest time left that is worth telling.
const LONGEST_LEFT: Duration = Duration::from_secs(100 * 3600 - 1);

/// A running transfer as a bar shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Whether it goes from here to the peer.
    pub outgoing: bool,
    /// The file's name, harmless already.
    pub name: String,
    /// The file's size in bytes, if it is known.
    pub size: Option<u64>,
    /// Bytes handed to the network. Told of an outgoing file only.
    pub sent: u64,
    /// Bytes that have arrived at the receiver.
    pub received: u64,
    /// Bytes that the receiver has verified.
    pub verified: u64,
    /// Bytes a second.
    pub rate: f64,
    /// How long it will take, if that is known.
    pub left: Option<Duration>,
    /// What it is doing, where that is not simply moving: "waiting", "verifying". Else empty.
    pub state: &'static str,
    /// The number by which commands know it.
    pub id: u64,
}

/// What a row tells, richest first. The first that fits is taken.
struct Level {
    /// Blanks between the parts.
    gap: usize,
    /// Columns that the name needs at least, if it is that long.
    name: usize,
    /// Whether the next level is better than this one without the number, if that is asked for.
    number: bool,
    graph: bool,
    percent: bool,
    pace: Pace,
    stages: bool,
}

/// How much of state, rate and time left is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    All,
    First,
    Nothing,
}

const LEVELS: [Level; 7] = [
    Level { gap: 2, name: 12, number: true, graph: true, percent: true, pace: Pace::All, stages: true },
    Level { gap: 1, name: 10, number: true, graph: true, percent: true, pace: Pace::All, stages: true },
    Level { gap: 1, name: 6, number: false, graph: true, percent: false, pace: Pace::All, stages: true },
    Level { gap: 2, name: 8, number: true, graph: true, percent: true, pace: Pace::All, stages: false },
    Level { gap: 1, name: 8, number: false, graph: false, percent: true, pace: Pace::All, stages: false },
    Level { gap: 1, name: 6, number: false, graph: false, percent: true, pace: Pace::First, stages: false },
    Level { gap: 1, name: 3, number: false, graph: false, percent: true, pace: Pace::Nothing, stages: false },
];

/// The row of a transfer, at most `width` and [`MAX_COLUMNS`] wide. Its number stands in it where that fits and is
/// asked for.
pub(super) fn row(bar: &Bar, is_numbered: bool, width: usize, style: Style) -> String {
    let width = width.min(MAX_COLUMNS);
    let (arrow, mark) = match (style.charset, bar.outgoing) {
        (Charset::Unicode, true) => ("↑ ", "…"),
        (Charset::Unicode, false) => ("↓ ", "…"),
        (Charset::Ascii, true) => ("-> ", "~"),
        (Charset::Ascii, false) => ("<- ", "~"),
    };
    let name = tame(&bar.name);
    let name_room = room(&name);
    for level in &LEVELS {
        let (before, after) = parts(bar, level);
        let has_graph = level.graph && bar.size.is_some();
        // Two brackets.
        let graph = if has_graph { level.gap + CELLS.start() + 2 } else { 0 };
        let others: usize = before.iter().chain(&after).map(|part| level.gap + room(part)).sum();
        let number = if is_numbered { format!("#{} ", bar.id) } else { String::new() };
        let others = others + if level.number { number.len() } else { 0 };
        let mut name_columns = name_room.min(level.name);
        let Some(mut spare) = width.checked_sub(room(arrow) + name_columns + graph + others) else { continue };

        let mut row = arrow.to_owned();
        if level.number {
            row.push_str(&number);
        } else if number.len() <= spare {
            spare -= number.len();
            row.push_str(&number);
        }
        let mut take = |wanted: usize| {
            let taken = wanted.min(spare);
            spare -= taken;
            taken
        };
        name_columns += take(name_room.min(NAME_FIRST).saturating_sub(name_columns));
        let cells = CELLS.start() + if has_graph { take(CELLS.end() - CELLS.start()) } else { 0 };
        name_columns += take(name_room.min(NAME_LAST).saturating_sub(name_columns));

        let gap = " ".repeat(level.gap);
        row.push_str(&cut_middle(&name, name_columns, mark));
        if has_graph {
            row.push_str(&gap);
            row.push_str(&graph_of(bar, cells, style.charset));
        }
        for part in &before {
            row.push_str(&gap);
            row.push_str(part);
        }
        for part in &after {
            row.push_str(&gap);
            row.push_str(&style.dim(part));
        }
        return row;
    }
    cut(&format!("{arrow}{name}"), width, mark)
}

/// What stands behind the name: what is read at a glance, and what is read when something is odd.
fn parts(bar: &Bar, level: &Level) -> (Vec<String>, Vec<String>) {
    let mut before = Vec::new();
    if level.percent {
        match percent(bar) {
            Some(percent) => before.push(format!("{percent:>3}%")),
            None if level.stages => {}
            None => {
                let unit = plain::unit_of(bar.received as f64);
                before.push(format!("{:>3} {}", unit.digits(bar.received as f64), unit.name));
            }
        }
    }
    let mut pace = Vec::new();
    if !bar.state.is_empty() {
        pace.push(bar.state.to_owned());
    }
    // What does something else is not slow.
    if bar.state.is_empty() || bar.rate >= 0.5 {
        pace.push(format!("{:>8}", plain::rate(bar.rate)));
    }
    if let Some(left) = bar.left.filter(|left| *left <= LONGEST_LEFT) {
        pace.push(format!("{:>5} left", clock(left)));
    }
    let told = match level.pace {
        Pace::All => pace.len(),
        Pace::First => 1,
        Pace::Nothing => 0,
    };
    before.extend(pace.into_iter().take(told));
    let after = if level.stages { vec![stages(bar)] } else { Vec::new() };
    (before, after)
}

/// How far the bytes have come, in one unit, so that they can be compared.
fn stages(bar: &Bar) -> String {
    let most = if bar.outgoing { bar.sent.max(bar.received) } else { bar.received };
    let unit = plain::unit_of(most.max(bar.verified) as f64);
    let of = |bytes: u64| format!("{:>3}", unit.digits(bytes as f64));
    let arrived = format!("received {}, verified {} {}", of(bar.received), of(bar.verified), unit.name);
    if bar.outgoing { format!("sent {}, {arrived}", of(bar.sent)) } else { arrived }
}

/// Whole percents that have arrived: 100 means all of it.
fn percent(bar: &Bar) -> Option<u64> {
    let size = bar.size?;
    Some(share(bar.received, size, 100))
}

/// How many of `parts` equal parts are complete.
fn share(done: u64, size: u64, parts: u64) -> u64 {
    if size == 0 {
        return parts;
    }
    let complete = u128::from(done.min(size)) * u128::from(parts) / u128::from(size);
    // At most `parts`, as `done` is at most `size`.
    u64::try_from(complete).unwrap_or(parts)
}

fn graph_of(bar: &Bar, cells: usize, charset: Charset) -> String {
    let full = match charset {
        Charset::Unicode => "█",
        Charset::Ascii => "#",
    };
    let done = bar.size.map_or(0, |size| share(bar.received, size, cells as u64)) as usize;
    format!("[{}{}]", full.repeat(done), "-".repeat(cells - done))
}

/// A time as a clock tells it, without what is less than a second: `0:03`, `12:05`, `1:02:03`.
pub fn clock(left: Duration) -> String {
    let seconds = left.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::super::plain::Paint;
    use super::*;

    const UNICODE: Style = Style { paint: Paint::Off, charset: Charset::Unicode };
    const ASCII: Style = Style { paint: Paint::Off, charset: Charset::Ascii };

    fn incoming() -> Bar {
        Bar {
            outgoing: false,
            name: "a.bin".to_owned(),
            size: Some(1_780_871),
            sent: 0,
            received: 812_345,
            verified: 700_000,
            rate: 12_345_678.0,
            left: Some(Duration::from_millis(3400)),
            state: "",
            id: 7,
        }
    }

    fn outgoing() -> Bar {
        Bar { outgoing: true, name: "holiday pictures.tar".to_owned(), sent: 900_000, ..incoming() }
    }

    #[test]
    fn a_bar_leaves_out_what_matters_least_as_the_screen_gets_narrow() {
        for (bar, width, expected) in [
            (incoming(), 199, "↓ a.bin  [████-----]   45%   12 MB/s   0:03 left  received 812, verified 700 kB"),
            (incoming(), 79, "↓ a.bin  [████-----]   45%   12 MB/s   0:03 left  received 812, verified 700 kB"),
            (incoming(), 59, "↓ a.bin  [█████████-----------]   45%   12 MB/s   0:03 left"),
            (incoming(), 39, "↓ a.bin  45%  12 MB/s  0:03 left"),
            (incoming(), 24, "↓ a.bin  45%  12 MB/s"),
            (incoming(), 13, "↓ a.bin  45%"),
            (incoming(), 11, "↓ a.…n  45%"),
            (incoming(), 7, "↓ a.bin"),
            (incoming(), 4, "↓ a…"),
            (incoming(), 1, "…"),
            (incoming(), 0, ""),
            (outgoing(), 79, "↑ holi….tar [██---]  12 MB/s  0:03 left sent 900, received 812, verified 700 kB"),
            (outgoing(), 39, "↑ holida…s.tar  45%  12 MB/s  0:03 left"),
        ] {
            assert_eq!(row(&bar, false, width, UNICODE), expected, "{width}");
        }
        assert_eq!(row(&incoming(), false, 59, ASCII), "<- a.bin  [########-----------]   45%   12 MB/s   0:03 left");
    }

    #[test]
    fn among_others_a_bar_has_its_number_where_that_fits() {
        let numbered = |bar: &Bar, width| row(bar, true, width, UNICODE);
        assert_eq!(
            numbered(&outgoing(), 79),
            "↑ #7 hol…ar [██---]  12 MB/s  0:03 left sent 900, received 812, verified 700 kB"
        );
        assert_eq!(numbered(&incoming(), 59), "↓ #7 a.bin  [███████----------]   45%   12 MB/s   0:03 left");
        assert_eq!(numbered(&incoming(), 11), "↓ a.…n  45%");
    }

    #[test]
    fn a_file_of_unknown_size_has_neither_bar_nor_percents() {
        let bar = Bar { size: None, left: None, ..incoming() };
        assert_eq!(row(&bar, false, 79, UNICODE), "↓ a.bin   12 MB/s  received 812, verified 700 kB");
        assert_eq!(row(&bar, false, 39, UNICODE), "↓ a.bin  812 kB   12 MB/s");
    }

    #[test]
    fn what_it_does_instead_of_moving_stands_in_place_of_the_rate() {
        let bar = Bar { state: "verifying", rate: 0.0, left: None, received: 1_780_871, ..incoming() };
        assert_eq!(row(&bar, false, 50, UNICODE), "↓ a.bin  [████████████████████]  100%  verifying");
        assert!(row(&Bar { state: "", ..bar }, false, 50, UNICODE).ends_with("   0 B/s"));
    }

    #[test]
    fn a_hundred_percent_is_all_of_it() {
        let percent_of = |received, size| percent(&Bar { size: Some(size), received, ..incoming() });
        assert_eq!(percent_of(999, 1000), Some(99));
        assert_eq!(percent_of(1000, 1000), Some(100));
        assert_eq!(percent_of(1001, 1000), Some(100));
        assert_eq!(percent_of(0, 0), Some(100));
        assert_eq!(percent_of(u64::MAX - 1, u64::MAX), Some(99));
    }

    #[test]
    fn a_time_beyond_a_hundred_hours_is_not_told() {
        let bar = Bar { left: Some(Duration::MAX), ..incoming() };
        assert!(!row(&bar, false, 79, UNICODE).contains("left"));
    }

    #[test]
    fn a_name_can_neither_end_its_row_nor_act_on_the_terminal() {
        let bar = Bar { name: "a\n\x1b[2J".to_owned(), ..incoming() };
        assert!(row(&bar, false, 79, UNICODE).starts_with("↓ a??[2J  ["));
    }
}
