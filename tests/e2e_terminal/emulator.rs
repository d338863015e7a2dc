//! What a terminal makes of the bytes that it gets.
//!
//! Owns: the screen, what has scrolled off it, and what the terminal was asked to do beside showing text.
//! Must not know: where the bytes come from, what any test is about.
//!
//! A frame that stands between the marks of a synchronized update is shown as a whole or not yet, as a terminal does
//! that knows them: no test sees half a frame.

use std::num::NonZeroU16;

use vt100::{Callbacks, Parser, Screen};

/// Rows that have scrolled off and are kept: more than any test shows.
const SCROLLBACK: usize = 50_000;

/// The marks of a synchronized update.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// What a terminal is asked for that is no text, in the words of a test that complains about it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) bells: usize,
    /// Whatever reaches beyond the text on the screen: the title, the clipboard, the size, sequences of unknown effect.
    pub(crate) strange: Vec<String>,
}

impl Asked {
    fn note(&mut self, what: &str, bytes: &[u8]) {
        self.strange.push(format!("{what} {:?}", String::from_utf8_lossy(bytes)));
    }
}

impl Callbacks for Asked {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bells += 1;
    }

    fn visual_bell(&mut self, _: &mut Screen) {
        self.strange.push("a flash".to_owned());
    }

    fn resize(&mut self, _: &mut Screen, request: (u16, u16)) {
        self.strange.push(format!("the size {request:?}"));
    }

    fn set_window_icon_name(&mut self, _: &mut Screen, name: &[u8]) {
        self.note("the icon", name);
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.note("the title", title);
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.note("the clipboard", data);
    }

    fn paste_from_clipboard(&mut self, _: &mut Screen, ty: &[u8]) {
        self.note("what is in the clipboard", ty);
    }

    fn unhandled_char(&mut self, _: &mut Screen, c: char) {
        // What stands for bytes that are no text is text itself.
        if c != char::REPLACEMENT_CHARACTER {
            self.strange.push(format!("the character {c:?}"));
        }
    }

    fn unhandled_control(&mut self, _: &mut Screen, byte: u8) {
        self.strange.push(format!("the control character {byte:#04x}"));
    }

    fn unhandled_escape(&mut self, _: &mut Screen, i1: Option<u8>, i2: Option<u8>, byte: u8) {
        self.strange.push(format!("the escape {i1:?} {i2:?} {:?}", char::from(byte)));
    }

    fn unhandled_csi(&mut self, _: &mut Screen, i1: Option<u8>, _: Option<u8>, params: &[&[u16]], c: char) {
        // A synchronized update is no stranger here, nor is a row that shall not wrap.
        let is_known = [2026, 7].iter().any(|mode| params == [[*mode]]);
        if i1 != Some(b'?') || !is_known || !matches!(c, 'h' | 'l') {
            self.strange.push(format!("the sequence {i1:?} {params:?} {c:?}"));
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        self.note("the command", &params.join(&b';'));
    }
}

/// A terminal that shows what it gets.
pub(crate) struct Emulator {
    parser: Parser<Asked>,
    /// What came and is not shown yet: the begin of a frame.
    waiting: Vec<u8>,
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal has a size")
}

fn find(bytes: &[u8], words: &[u8]) -> Option<usize> {
    bytes.windows(words.len()).position(|window| window == words)
}

impl Emulator {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let parser = Parser::new_with_callbacks(size(rows), size(columns), SCROLLBACK, Asked::default());
        Self { parser, waiting: Vec::new() }
    }

    /// Shows these bytes, up to the begin of a frame that has not ended.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let ready = self.ready();
        let rest = self.waiting.split_off(ready);
        self.parser.process(&self.waiting);
        self.waiting = rest;
    }

    /// So many of the waiting bytes can be shown.
    fn ready(&self) -> usize {
        let mut ready = 0;
        while let Some(begin) = find(&self.waiting[ready..], BEGIN) {
            match find(&self.waiting[ready + begin..], END) {
                Some(end) => ready += begin + end + END.len(),
                None => return ready + begin,
            }
        }
        // The begin may itself be divided.
        let rest = &self.waiting[ready..];
        let divided = (1..BEGIN.len()).rev().find(|len| rest.ends_with(&BEGIN[..*len])).unwrap_or(0);
        self.waiting.len() - divided
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.set_size(size(rows), size(columns));
    }

    pub(crate) fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    pub(crate) fn asked(&self) -> &Asked {
        self.parser.callbacks()
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_within_a_frame(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The rows on the screen, without blanks behind what stands there.
    pub(crate) fn rows(&self) -> Vec<String> {
        let (_, columns) = self.screen().size();
        self.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// All lines, from the first that has scrolled off to the last on the screen; what was wrapped is whole again.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let (rows, columns) = self.screen().size();
        let mut lines = vec![String::new()];
        let mut above = self.screen().scrollback_len();
        loop {
            self.parser.screen_mut().set_scrollback(above);
            let screen = self.parser.screen();
            // Of the last page that is partly above only that part: the rest is the screen itself.
            let fresh = if above == 0 { rows.get() } else { rows.get().min(u16::try_from(above).unwrap_or(u16::MAX)) };
            for (at, row) in (0..fresh).zip(screen.rows(0, columns.get())) {
                let line = lines.last_mut().expect("there is a line");
                line.push_str(&row);
                if !screen.row_wrapped(at) {
                    let len = line.trim_end().len();
                    line.truncate(len);
                    lines.push(String::new());
                }
            }
            if above == 0 {
                break;
            }
            above -= usize::from(fresh);
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_as_a_whole_or_not_yet_however_its_bytes_are_divided() {
        let whole = b"one\x1b[?2026h\r\x1b[Jtwo\x1b[?2026l";
        for cut in 0..whole.len() {
            let mut emulator = Emulator::new(20, 4);
            emulator.take(&whole[..cut]);
            assert!("one".starts_with(&emulator.rows()[0]), "cut at {cut}: {:?}", emulator.rows());
            emulator.take(&whole[cut..]);
            assert_eq!(emulator.rows()[0], "two", "cut at {cut}");
            assert!(!emulator.is_within_a_frame() && emulator.asked().strange.is_empty());
        }
    }

    #[test]
    fn what_has_scrolled_off_and_what_was_wrapped_is_still_there_as_lines() {
        let mut emulator = Emulator::new(10, 3);
        for line in 0..20 {
            emulator.take(format!("line {line} is wrapped\r\n").as_bytes());
        }
        let wanted: Vec<String> = (0..20).map(|line| format!("line {line} is wrapped")).collect();
        assert_eq!(emulator.lines(), wanted);
        assert_eq!(emulator.rows(), ["line 19 is", " wrapped", ""]);
    }

    #[test]
    fn what_reaches_beyond_the_screen_is_noted() {
        let mut emulator = Emulator::new(20, 4);
        emulator.take(b"\x1b]2;mine\x07\x1b]52;c;aGk=\x07\x1b[8;1;1t\x1b]8;;http://x\x07\x1b#8\x07");
        let asked = emulator.asked();
        assert_eq!((asked.bells, asked.strange.len()), (1, 5), "{:?}", asked.strange);
    }
}
