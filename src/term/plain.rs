//! The conversation as plain lines: for pipes, screen readers and dumb terminals.
//!
//! Owns: how a message and a notice look, and their colours. Must not know: where lines go, what events are.
//!
//! A message stands as `name: text`, what the program says behind `-- `. A peer chooses its name, so a name can
//! imitate neither.

use std::fmt::Write as _;

use crate::proto::text::Untrusted;

/// Longest name shown, in bytes; a cut one has a `…` behind it.
pub const MAX_NAME_SHOWN: usize = 64;

/// What stands for a name that has nothing to see in it.
const NAMELESS: &str = "?";

/// Colours of names, as parameters of SGR: red to cyan. Black and white are invisible on somebody's background.
const COLOURS: [u8; 6] = [31, 32, 33, 34, 35, 36];

/// What the user chose by `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Where it makes sense.
    #[default]
    Auto,
    /// Also into a pipe.
    Always,
    /// Nowhere.
    Never,
}

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With escape sequences.
    On,
    /// Not a byte beyond the text.
    Off,
}

impl Paint {
    /// Decides by what the user chose, whether the output is a terminal, whether `NO_COLOR` is set (to anything but
    /// nothing: no-color.org) and whether `TERM` is `dumb`. Only an explicit `always` overrides the last three.
    pub fn decide(choice: Choice, is_terminal: bool, no_color_env: bool, term_is_dumb: bool) -> Self {
        let is_on = match choice {
            Choice::Always => true,
            Choice::Never => false,
            Choice::Auto => is_terminal && !no_color_env && !term_is_dumb,
        };
        if is_on { Self::On } else { Self::Off }
    }
}

/// A peer's name as it may stand in a line: escaped, at most [`MAX_NAME_SHOWN`] bytes, without the colon that would
/// make the rest of it a message, without the dashes of a notice, never empty.
pub fn shown_name(name: &Untrusted) -> String {
    let shown = name.shown_within(MAX_NAME_SHOWN).to_string();
    let shown = shown.trim().replace([':', '：', '꞉', '∶'], "_");
    match shown.strip_prefix("--") {
        Some(rest) => format!("__{rest}"),
        None if shown.is_empty() => NAMELESS.to_owned(),
        None => shown,
    }
}

/// A message: `bob: hi` and a newline.
pub fn said(name: &Untrusted, text: &Untrusted, paint: Paint) -> String {
    format!("{}: {}\n", painted_name(name, paint), text.shown())
}

/// A name as [`shown_name`], in its colour: the same one for the same name, in every run.
pub fn painted_name(name: &Untrusted, paint: Paint) -> String {
    let shown = shown_name(name);
    match paint {
        Paint::Off => shown,
        Paint::On => {
            let at = usize::from(blake3::hash(name.as_bytes()).as_bytes()[0]) % COLOURS.len();
            format!("\x1b[{}m{shown}\x1b[0m", COLOURS[at])
        }
    }
}

/// What the program itself says: each line of `text` behind `-- `, with a newline. Escapes once more what is
/// dangerous, for the words of systems and paths that are in it.
pub fn notice(text: &str, paint: Paint) -> String {
    let (dim, normal) = match paint {
        Paint::On => ("\x1b[2m", "\x1b[0m"),
        Paint::Off => ("", ""),
    };
    let mut notice = String::new();
    for line in text.lines() {
        // Writing into a String cannot fail.
        let _ = writeln!(notice, "{dim}-- {}{normal}", Untrusted::from(line).shown());
    }
    notice
}

/// The text for a terminal that knows nothing but ASCII: other characters as `\u{e9}`. To such a terminal some of their
/// bytes are control characters.
pub fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    out
}

/// A size to the byte: `1780871 bytes`.
pub fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

/// A decimal unit of bytes: `kB` is 1000 of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    bytes: f64,
    pub(super) name: &'static str,
}

const UNITS: [Unit; 6] = [
    Unit { bytes: 1.0, name: "B" },
    Unit { bytes: 1e3, name: "kB" },
    Unit { bytes: 1e6, name: "MB" },
    Unit { bytes: 1e9, name: "GB" },
    Unit { bytes: 1e12, name: "TB" },
    Unit { bytes: 1e15, name: "PB" },
];

/// The unit in which so many bytes have one to three digits.
pub(super) fn unit_of(bytes: f64) -> Unit {
    // What would round to 1000 belongs to the next unit.
    *UNITS.iter().find(|unit| bytes / unit.bytes < 999.5).unwrap_or(&UNITS[UNITS.len() - 1])
}

impl Unit {
    /// So many bytes in this unit, to two or three digits, without its name.
    pub(super) fn digits(self, bytes: f64) -> String {
        let value = bytes / self.bytes;
        // 9.95 would print as 10.0. There is no tenth of a byte, and nothing is nothing in every unit.
        if value < 9.95 && self.bytes > 1.0 && value > 0.0 { format!("{value:.1}") } else { format!("{value:.0}") }
    }
}

/// A rate in bytes a second, to two or three digits in decimal units: `1.2 MB/s`. What is not a rate is none.
pub fn rate(bytes_per_second: f64) -> String {
    if !bytes_per_second.is_finite() || bytes_per_second < 0.5 {
        return "0 B/s".to_owned();
    }
    let unit = unit_of(bytes_per_second);
    format!("{} {}/s", unit.digits(bytes_per_second), unit.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, text: &str) -> String {
        said(&Untrusted::from(name), &Untrusted::from(text), Paint::Off)
    }

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        assert_eq!(line("bob", "hi"), "bob: hi\n");
        assert_eq!(line("bob", "a\n-- received x\x1b[2J"), "bob: a\\n-- received x\\u{1b}[2J\n");
    }

    #[test]
    fn a_name_can_imitate_neither_a_message_nor_a_notice() {
        assert_eq!(line("alice: yes, bob", "hi"), "alice_ yes, bob: hi\n");
        assert_eq!(line("alice： yes", "hi"), "alice_ yes: hi\n");
        assert_eq!(line("-- bob left", "hi"), "__ bob left: hi\n");
        assert_eq!(line(" -- bob left\n", "hi"), "__ bob left\\n: hi\n");
        assert_eq!(line("-", "hi"), "-: hi\n");
        assert_eq!(line("\x1b[31mbob", "hi"), "\\u{1b}[31mbob: hi\n");
        assert_eq!(line(" ", "hi"), "?: hi\n");
        assert_eq!(line("", "hi"), "?: hi\n");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(line(&"x".repeat(64), "hi"), format!("{}: hi\n", "x".repeat(64)));
        assert_eq!(line(&"x".repeat(65), "hi"), format!("{}…: hi\n", "x".repeat(64)));
    }

    #[test]
    fn fault_41_text_that_is_not_utf8_is_shown_escaped() {
        assert_eq!(said(&Untrusted::from("bob"), &Untrusted::new(vec![b'a', 0xff]), Paint::Off), "bob: a\\xff\n");
    }

    #[test]
    fn every_line_of_a_notice_is_marked() {
        assert_eq!(notice("bob left", Paint::Off), "-- bob left\n");
        assert_eq!(notice("a\nb\x1bc", Paint::Off), "-- a\n-- b\\u{1b}c\n");
        assert_eq!(notice("bob left", Paint::On), "\x1b[2m-- bob left\x1b[0m\n");
    }

    #[test]
    fn a_name_keeps_its_colour_and_the_text_has_none() {
        let (bob, text) = (Untrusted::from("bob"), Untrusted::from("hi"));
        let painted = said(&bob, &text, Paint::On);
        assert_eq!(painted, said(&bob, &text, Paint::On));
        assert!(painted.starts_with("\x1b[3") && painted.ends_with("mbob\x1b[0m: hi\n"), "{painted:?}");
        let colours: std::collections::HashSet<String> =
            (0..50).map(|n| painted_name(&Untrusted::from(format!("{n}")), Paint::On)[..5].to_owned()).collect();
        assert_eq!(colours.len(), COLOURS.len());
    }

    #[test]
    fn colour_needs_a_capable_terminal_or_an_explicit_always() {
        assert_eq!(Paint::decide(Choice::Auto, true, false, false), Paint::On);
        assert_eq!(Paint::decide(Choice::Auto, false, false, false), Paint::Off);
        assert_eq!(Paint::decide(Choice::Auto, true, true, false), Paint::Off);
        assert_eq!(Paint::decide(Choice::Auto, true, false, true), Paint::Off);
        assert_eq!(Paint::decide(Choice::Always, false, true, true), Paint::On);
        assert_eq!(Paint::decide(Choice::Never, true, false, false), Paint::Off);
    }

    #[test]
    fn sizes_are_exact_and_rates_are_short() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1_780_871), "1780871 bytes");
        for (value, shown) in [
            (0.0, "0 B/s"),
            (-1.0, "0 B/s"),
            (f64::NAN, "0 B/s"),
            (f64::INFINITY, "0 B/s"),
            (999.4, "999 B/s"),
            (999.6, "1.0 kB/s"),
            (1_234_567.0, "1.2 MB/s"),
            (9_960_000.0, "10 MB/s"),
            (999_600_000.0, "1.0 GB/s"),
            (2.5e18, "2500 PB/s"),
        ] {
            assert_eq!(rate(value), shown);
        }
    }
}
