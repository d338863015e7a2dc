//! The screen of a person at a terminal: what was said above, what is being typed below.
//!
//! Owns: the line being typed, what is pinned around it, the lines that wait to be printed above it, and when a frame is
//! due. Must not know: how a frame is written, what led to what is shown.
//!
//! A key is shown at once; what others do at most once a `FRAME`, so that a fast transfer or a flood of messages costs
//! little. While the last frame is still on its way nothing is composed: what is shown next is what is true then.
//! While a terminal that divides rows is pulled to another width nothing is composed either.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::proto::text::Untrusted;
use crate::secure::folder::{Folder, StoreError};
use crate::term::capable::{Charset, Narrowing};
use crate::term::console::Console;
use crate::term::editor::{Editor, Outcome};
use crate::term::history::History;
use crate::term::keys::{Key, Keys};
use crate::term::painter::Painter;
use crate::term::plain::{self, Paint};
use crate::term::view::{Bar, Prompt, Size, Style, View, Waiting, lay_out};

use super::past::{Opened, Past};
use super::start::Start;

/// Time between two frames that no key asked for: at most 30 a second, which the eye takes for motion.
const FRAME: Duration = Duration::from_millis(34);
/// Time without another width after which a terminal that divides rows is taken to have its last one. A frame that is
/// drawn meanwhile may find another width than it was made for, and then it cannot be found again. Longer than tmux
/// keeps a new size to itself while one follows the other (250 ms).
const CALM: Duration = Duration::from_millis(300);
/// Rows of one message: a screen or two.
const MAX_ROWS: usize = 100;
/// Bytes of a text that are shown while it waits: more than the widest row has.
const MAX_WAITING_SHOWN: usize = 400;
/// The cursor to the upper left (CUP, ECMA-48, 8.3.21).
const HOME: &str = "\x1b[H";
/// The bell.
const BELL: &str = "\x07";

/// A text of ours that the other side has not taken.
struct Unread {
    seq: u64,
    text: String,
    shown: Waiting,
}

/// What stands before the line being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing is asked: what is typed is said.
    Nothing,
    /// The question of trust with this number.
    Trust(u64),
    /// A question of the start.
    Start(Start),
}

/// What our user wants it to be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Only what matters is told.
    pub quiet: bool,
    /// It rings when somebody says something.
    pub bell: bool,
}

/// The terminal, and all that stands on it.
pub struct Full {
    console: Console,
    painter: Painter,
    /// How large the terminal was when that was last asked.
    size: Size,
    /// Until when nothing is drawn, because the width may change again.
    calm_at: Option<Instant>,
    style: Style,
    manner: Manner,
    log: Option<Receiver<String>>,
    keys: Keys,
    pressed: VecDeque<Key>,
    editor: Editor,
    past: Past,
    /// How we call ourselves.
    name: Untrusted,
    label: String,
    asked: Asked,
    /// What was asked before our user's eyes when the line being typed was begun, and when the one before was; `None`: it
    /// was typed ahead of it.
    begun: Option<Asked>,
    begun_before: Option<Asked>,
    unread: VecDeque<Unread>,
    held: Vec<Waiting>,
    bars: Vec<Bar>,
    status: Option<String>,
    /// What is written before the next frame.
    opening: String,
    /// Complete lines, each with its end.
    above: String,
    /// Whether what is pinned may be other than what is drawn.
    is_stale: bool,
    /// Whether our user has done something since the last frame.
    is_touched: bool,
    /// Whether the terminal is about to be given back, or is.
    is_leaving: bool,
    drawn: Option<Instant>,
}

impl fmt::Debug for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full").field("style", &self.style).finish_non_exhaustive()
    }
}

impl Full {
    /// An empty screen on this terminal. What comes by `log` is shown among the notices.
    pub fn new(
        console: Console,
        mut painter: Painter,
        style: Style,
        manner: Manner,
        log: Option<Receiver<String>>,
    ) -> Self {
        Self {
            size: console.size(),
            calm_at: None,
            console,
            opening: painter.begin(),
            painter,
            style,
            manner,
            log,
            keys: Keys::new(),
            pressed: VecDeque::new(),
            editor: Editor::new(History::default()),
            past: Past::nowhere(),
            name: Untrusted::from(""),
            label: String::new(),
            asked: Asked::Nothing,
            begun: Some(Asked::Nothing),
            begun_before: None,
            unread: VecDeque::new(),
            held: Vec::new(),
            bars: Vec::new(),
            status: None,
            above: String::new(),
            is_stale: true,
            is_touched: true,
            is_leaving: false,
            drawn: None,
        }
    }

    /// What was typed in earlier runs is there again, and what is typed from now on is kept for later ones: in this
    /// folder, or the usual one. Without a folder it lasts as long as this run.
    pub fn recall(&mut self, folder: Option<&Path>) {
        let (past, history) = match Folder::open(folder) {
            Err(error) => {
                log::info!("what is typed is not kept: {error}");
                return;
            }
            Ok(folder) => {
                let Opened { mut past, text, trouble } = Past::open(&folder);
                let mut history = History::parse(&text);
                let rewritten = match past.is_to_be_rewritten() {
                    true => past.rewrite(&folder, &history.rewriting().unwrap_or_else(|| history.text())),
                    false => Ok(()),
                };
                for error in trouble.into_iter().chain(rewritten.err()) {
                    self.tell(&error);
                }
                (past, history)
            }
        };
        (self.past, self.editor) = (past, Editor::new(history));
    }

    fn tell(&mut self, error: &StoreError) {
        self.print(&plain::notice(&format!("{}; {}", error.message, error.hint), self.style.paint));
    }

    /// The colours.
    pub fn paint(&self) -> Paint {
        self.style.paint
    }

    /// Whether only what matters is told.
    pub fn is_quiet(&self) -> bool {
        self.manner.quiet
    }

    /// Bytes that wait to be shown.
    pub fn waiting(&self) -> usize {
        self.above.len()
    }

    /// Prints complete lines above what is pinned.
    pub fn print(&mut self, lines: &str) {
        match self.style.charset {
            Charset::Unicode => self.above.push_str(lines),
            Charset::Ascii => self.above.push_str(&plain::in_ascii(lines)),
        }
        self.is_stale = true;
    }

    /// What the terminal can show of this.
    fn in_charset(&self, text: String) -> String {
        match self.style.charset {
            Charset::Unicode => text,
            Charset::Ascii => plain::in_ascii(&text),
        }
    }

    /// A text of ours, in one row.
    fn one_row(&self, text: &str) -> Waiting {
        Waiting { text: self.in_charset(Untrusted::from(text).shown_within(MAX_WAITING_SHOWN).to_string()) }
    }

    // ---- what is typed ----

    /// Takes bytes from the keyboard.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut keys = Vec::new();
        self.keys.feed(bytes, &mut keys);
        self.pressed.extend(keys);
    }

    /// The next key that was pressed, pressed; `None`: all were.
    pub fn press_next(&mut self) -> Option<Outcome> {
        let key = self.pressed.pop_front()?;
        let outcome = self.editor.press(key);
        if outcome != Outcome::Nothing {
            self.touch();
        }
        if matches!(outcome, Outcome::Submitted(_)) {
            self.begun_before = self.begun.take();
        }
        self.begin();
        while let Some(entries) = self.editor.take_new_entries() {
            for line in entries.lines() {
                if let Err(error) = self.past.append(line) {
                    self.tell(&error);
                }
            }
        }
        Some(outcome)
    }

    /// The line being typed.
    pub fn editor(&mut self) -> &mut Editor {
        self.touch();
        &mut self.editor
    }

    fn touch(&mut self) {
        self.is_touched = true;
        self.is_stale = true;
    }

    /// What stands before the line being typed. An answer is not kept as something that was said.
    pub fn set_label(&mut self, label: &str, asked: Asked) {
        if self.label != label {
            label.clone_into(&mut self.label);
            self.is_stale = true;
        }
        if self.asked == asked {
            return;
        }
        self.editor.set_recording(asked == Asked::Nothing);
        self.asked = asked;
        if self.editor.text().is_empty() {
            self.begun = None;
        }
        self.begin();
        self.is_stale = true;
    }

    /// An empty line answers what is asked: who is in the middle of one does not, nor does whoever typed ahead, where it
    /// is about who comes in.
    fn begin(&mut self) {
        let is_ahead = matches!(self.asked, Asked::Trust(_)) && !self.pressed.is_empty();
        if self.editor.text().is_empty() && !is_ahead {
            self.begun = Some(self.asked.clone());
        }
    }

    /// What is asked.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What was asked before our user's eyes when the last line was begun; `None`: it was typed ahead of it.
    pub fn begun_under(&self) -> Option<&Asked> {
        self.begun_before.as_ref()
    }

    /// A question, or what else stood before it, and what was typed go where everything goes that was said.
    pub fn print_typed(&mut self, label: Option<&str>, typed: &str) {
        let label = Untrusted::from(label.unwrap_or(&self.label));
        let line = format!("{}{}\n", label.shown(), Untrusted::from(typed).shown());
        self.print(&line);
    }

    /// A line that found no room goes back to where it was typed. What was pasted stays that.
    pub fn give_back(&mut self, text: &str, was_typed: bool) {
        if was_typed {
            return self.editor().set_line(text);
        }
        let pasted = text.chars().map(Key::Pasted);
        let keys = [Key::PasteBegin].into_iter().chain(pasted).chain([Key::PasteEnd]);
        keys.collect::<Vec<_>>().into_iter().rev().for_each(|key| self.pressed.push_front(key));
    }

    // ---- what is said ----

    /// How we call ourselves.
    pub fn set_name(&mut self, name: &str) {
        self.name = Untrusted::from(name);
    }

    fn line(&self, name: &Untrusted, text: &str, mark: &str) -> String {
        let (dim, normal) = self.dim();
        let time = jiff::Zoned::now().strftime("%H:%M").to_string();
        let name = plain::painted_name(name, self.style.paint);
        let mut line = format!("{dim}{time}{normal} {name}: ");
        // A break in what is said begins a row that nothing else begins like.
        let bar = if self.style.charset == Charset::Unicode { '│' } else { '|' };
        // Who sends a thousand breaks does not get a thousand rows: from some on they are escaped.
        for (at, row) in text.splitn(MAX_ROWS, '\n').enumerate() {
            if at > 0 {
                line.push_str(&format!("\n      {dim}{bar}{normal} "));
            }
            line.push_str(&Untrusted::from(row.strip_suffix('\r').unwrap_or(row)).shown().to_string());
        }
        if !mark.is_empty() {
            line.push_str(&format!(" {dim}{mark}{normal}"));
        }
        line.push('\n');
        line
    }

    fn dim(&self) -> (&'static str, &'static str) {
        match self.style.paint {
            Paint::On => ("\x1b[2m", "\x1b[0m"),
            Paint::Off => ("", ""),
        }
    }

    /// The other side said this.
    pub fn said(&mut self, name: &Untrusted, text: &Untrusted) {
        if self.manner.bell {
            self.opening.push_str(BELL);
        }
        // What is no text is shown byte by byte.
        let line = match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => self.line(name, text, ""),
            Err(_) => self.line(name, &text.shown().to_string(), ""),
        };
        self.print(&line);
    }

    /// We said this; it stands below until the other side has taken it.
    pub fn said_by_us(&mut self, seq: u64, text: &str) {
        self.unread.push_back(Unread { seq, text: text.to_owned(), shown: self.one_row(text) });
        self.is_stale = true;
    }

    /// The other side has taken everything up to this.
    pub fn delivered(&mut self, seq: u64) {
        let mark = if self.style.charset == Charset::Unicode { "✓" } else { "(read)" };
        while let Some(unread) = self.unread.front().filter(|unread| unread.seq <= seq) {
            let line = self.line(&self.name, &unread.text, mark);
            self.unread.pop_front();
            self.print(&line);
        }
    }

    /// This will not be said any more.
    pub fn not_said(&mut self, text: &str) {
        let mark = if self.style.charset == Charset::Unicode { "✗ not said" } else { "(not said)" };
        let line = self.line(&self.name, text, mark);
        self.print(&line);
    }

    /// Nobody will take any more of it.
    pub fn nothing_more_is_delivered(&mut self) {
        let mark = if self.style.charset == Charset::Unicode { "✗ not read" } else { "(not read)" };
        while let Some(unread) = self.unread.pop_front() {
            let line = self.line(&self.name, &unread.text, mark);
            self.print(&line);
        }
    }

    // ---- what is pinned ----

    /// Lines that wait for their time.
    pub fn set_held<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        if texts.len() != self.held.len() {
            self.held = texts.map(|text| self.one_row(text)).collect();
            self.is_stale = true;
        }
    }

    /// What is being transferred.
    pub fn set_bars(&mut self, bars: Vec<Bar>) {
        if !(bars.is_empty() && self.bars.is_empty()) {
            let shown = |bar: Bar| Bar { name: self.in_charset(bar.name), ..bar };
            self.bars = bars.into_iter().map(shown).collect();
            self.is_stale = true;
        }
    }

    /// How the connection is, where that is worth a row.
    pub fn set_status(&mut self, status: Option<String>) {
        let status = status.map(|status| self.in_charset(status));
        if self.status != status {
            self.status = status;
            self.is_stale = true;
        }
    }

    // ---- frames ----

    /// The terminal has another size.
    pub fn resized(&mut self, now: Instant) {
        let (before, size) = (self.size, self.console.size());
        self.size = size;
        self.painter.resized(size, now);
        if self.painter.narrowing() == Narrowing::Flows && (before.columns != size.columns || self.calm_at.is_some()) {
            self.calm_at = Some(now + CALM);
        }
        self.touch();
    }

    /// An empty screen; what was said before stays in the scrollback. Not while nobody knows where the rows stand.
    pub fn clear(&mut self) {
        if self.calm_at.is_some() {
            return;
        }
        // What stands on the screen is pushed out of it, not erased.
        let rows = usize::from(self.console.size().rows.saturating_sub(1));
        let wiped = self.painter.wipe();
        self.opening += &(wiped + &"\r\n".repeat(rows) + HOME + &self.painter.begin());
        self.touch();
    }

    /// From here on what is composed ends with the terminal as a shell wants it.
    pub fn leave(&mut self) {
        if !std::mem::replace(&mut self.is_leaving, true) {
            self.touch();
        }
    }

    /// Gives the terminal back for a while.
    pub fn release(&self) {
        self.console.release();
    }

    /// Takes the terminal again, and draws.
    pub fn retake(&mut self, now: Instant) {
        self.console.retake();
        self.is_leaving = false;
        self.opening = self.painter.begin();
        self.size = self.console.size();
        self.painter.resized(self.size, now);
        self.touch();
    }

    /// When a frame is due; `None`: there is nothing new to show.
    pub fn due(&self) -> Option<Instant> {
        if let Some(calm_at) = self.calm_at.filter(|_| self.is_stale && !self.is_leaving) {
            return Some(calm_at);
        }
        let drawn = self.drawn.filter(|_| self.is_stale && !self.is_touched)?;
        Some(drawn + FRAME)
    }

    /// Whether everything that is known has been composed.
    pub fn is_shown(&self) -> bool {
        !self.is_stale
    }

    /// Composes the frame that is due, if one is.
    pub fn frame(&mut self, now: Instant) -> Option<String> {
        let records: Vec<String> = self.log.iter().flat_map(Receiver::try_iter).collect();
        records.iter().for_each(|record| self.print(&plain::notice(record, self.style.paint)));
        let is_early = !self.is_leaving && self.drawn.is_some_and(|drawn| now < drawn + FRAME);
        if !self.is_stale || (is_early && !self.is_touched) {
            return None;
        }
        // The signal that tells of a new size may still be on its way.
        if self.console.size() != self.size {
            self.resized(now);
        }
        if !self.is_leaving && self.calm_at.is_some_and(|calm_at| now < calm_at) {
            return None;
        }
        self.calm_at = None;
        let waiting: Vec<Waiting> = self.unread.iter().map(|unread| &unread.shown).chain(&self.held).cloned().collect();
        let search = self.editor.searching().map(|search| {
            let found = if search.matches { "search" } else { "nothing found" };
            format!("({found}) {}: ", search.pattern)
        });
        let (label, text) = (search.as_deref().unwrap_or(&self.label), self.editor.text());
        let typed = text.split_at(self.editor.cursor());
        let ascii = (self.style.charset == Charset::Ascii).then(|| {
            let [label, before, behind] = [label, typed.0, typed.1].map(plain::in_ascii);
            (label, before.len(), before + &behind)
        });
        let prompt = match &ascii {
            Some((label, cursor, text)) => Prompt { label, text, cursor: *cursor },
            None => Prompt { label, text, cursor: typed.0.len() },
        };
        let view = View { bars: &self.bars, waiting: &waiting, status: self.status.as_deref(), prompt };
        let pinned = lay_out(&view, self.size, self.style);
        let mut frame = std::mem::take(&mut self.opening);
        frame.push_str(&self.painter.frame(&self.above, &pinned, now));
        if self.is_leaving {
            frame.push_str(&self.painter.wipe());
        }
        self.above.clear();
        (self.is_stale, self.is_touched, self.drawn) = (false, false, Some(now));
        Some(frame)
    }
}
