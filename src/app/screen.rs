//! What the user sees: as lines, as NDJSON, or on a terminal of one's own.
//!
//! Owns: the choice between them, and the one buffer on its way to the output thread.
//! Must not know: what led to what is shown.

use std::io;
use std::time::{Duration, Instant};

use crate::net::output::{Output, Rendered, Stream};
use crate::proto::text::Untrusted;
use crate::term::capable::Charset;
use crate::term::json::Object;
use crate::term::plain::{self, Paint};
use crate::term::view::Style;

use super::full::Full;

/// Rendered bytes after which no more events are taken: a screen's worth many times over, and the bound on what waits
/// for a reader who does not read. One longest message more may come on top.
const FULL: usize = 32 * 1024;
/// Rendered bytes after which not even input is taken, for its answers would have no place. Commands still work while
/// events wait already.
const BURSTING: usize = 256 * 1024;

/// How things are shown.
#[derive(Debug)]
pub enum Mode {
    /// Messages on standard output, notices on standard error.
    Lines {
        /// Whether notices are left out.
        quiet: bool,
        /// Whether names have colours, and with which characters messages are.
        style: Style,
        /// The same for notices, which may go elsewhere.
        notices: Style,
    },
    /// Events on standard output.
    Json,
    /// On a terminal, with the line being typed below and everything else above it.
    Full(Box<Full>),
}

/// How far the peer's texts have come, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Texts {
    /// Rendered.
    rendered: u64,
    /// With the output thread.
    handed_over: u64,
    /// Written.
    written: u64,
}

/// Both streams.
#[derive(Debug)]
pub struct Screen {
    output: Output,
    /// Rendered, and not yet with the output thread.
    pending: Rendered,
    mode: Mode,
    started: Instant,
    /// The last text of the peer's.
    texts: Texts,
    /// Whether the first event has been shown: it tells the time of day.
    dated: bool,
    /// Whether the cursor stands behind a question.
    asking: bool,
}

impl Screen {
    /// Shows through `output`.
    pub fn new(output: Output, mode: Mode, started: Instant) -> Self {
        Self {
            output,
            pending: Rendered::default(),
            mode,
            started,
            texts: Texts::default(),
            dated: false,
            asking: false,
        }
    }

    /// Whether events are shown as NDJSON.
    pub fn is_json(&self) -> bool {
        matches!(self.mode, Mode::Json)
    }

    /// The terminal, if we have one to ourselves.
    pub fn full(&mut self) -> Option<&mut Full> {
        match &mut self.mode {
            Mode::Full(full) => Some(full),
            Mode::Lines { .. } | Mode::Json => None,
        }
    }

    /// Whether we have a terminal to ourselves.
    pub fn is_full(&self) -> bool {
        matches!(self.mode, Mode::Full(_))
    }

    fn waiting(&self) -> usize {
        let composed = self.pending.len();
        if let Mode::Full(full) = &self.mode { composed + full.waiting() } else { composed }
    }

    /// Whether more may be shown now. What may not waits where it is bounded.
    pub fn has_room(&self) -> bool {
        self.waiting() < FULL
    }

    /// Whether what is typed may be answered now.
    pub fn takes_input(&self) -> bool {
        self.waiting() < BURSTING
    }

    /// Whether whoever reads us has gone.
    pub fn is_broken(&self) -> bool {
        self.output.is_broken()
    }

    /// Why standard output takes nothing, unless its reader has gone: a terminal that takes nothing was closed.
    pub fn failure(&self) -> Option<&io::Error> {
        self.output.failure().filter(|_| !self.is_full())
    }

    /// Whether everything was written.
    pub fn is_idle(&mut self) -> bool {
        let composed = if let Mode::Full(full) = &self.mode { full.is_shown() } else { true };
        self.output.is_idle() && self.pending.is_empty() && composed
    }

    /// Hands what was shown to the output thread.
    pub fn flush(&mut self, now: Instant) {
        if let Mode::Full(full) = &mut self.mode
            && self.output.is_idle()
            && let Some(frame) = full.frame(now)
        {
            self.pending.push(Stream::Out, &frame);
        }
        if self.output.is_idle() {
            self.texts.written = self.texts.handed_over;
            let composed = if let Mode::Full(full) = &self.mode { full.waiting() == 0 } else { true };
            if composed {
                self.texts.handed_over = self.texts.rendered;
            }
        }
        self.output.take(&mut self.pending);
    }

    /// Begins to count the texts of another peer.
    pub fn forget_texts(&mut self) {
        self.texts = Texts::default();
    }

    /// The last text of the peer's that stands before our user's eyes, or with whoever reads the output for them.
    pub fn written_text(&self) -> u64 {
        self.texts.written
    }

    /// When there will be something to hand over although nothing else happens.
    pub fn due(&mut self) -> Option<Instant> {
        let Mode::Full(full) = &self.mode else { return None };
        // While the last frame is being written, its end wakes the loop.
        full.due().filter(|_| self.output.is_idle())
    }

    /// Nothing more will be typed: a terminal is left as it was found.
    pub fn leave(&mut self) {
        if let Mode::Full(full) = &mut self.mode {
            full.leave();
        }
    }

    fn push(&mut self, stream: Stream, text: &str) {
        if std::mem::take(&mut self.asking) {
            self.pending.push(Stream::Out, "\n");
        }
        let charset = match (&self.mode, stream) {
            (Mode::Lines { style, .. }, Stream::Out) => style.charset,
            (Mode::Lines { notices, .. }, Stream::Err) => notices.charset,
            _ => Charset::Unicode,
        };
        match charset {
            Charset::Ascii => self.pending.push(stream, &plain::in_ascii(text)),
            Charset::Unicode => self.pending.push(stream, text),
        }
    }

    /// A line of the program's own. Its text may quote the peer: it is escaped.
    pub fn notice(&mut self, text: &str) {
        match &self.mode {
            Mode::Lines { quiet: true, .. } | Mode::Json => {}
            Mode::Full(full) if full.is_quiet() => {}
            Mode::Lines { .. } | Mode::Full(_) => self.loud_notice(text),
        }
    }

    /// A line of the program's own that even `--quiet` shows.
    pub fn loud_notice(&mut self, text: &str) {
        match &mut self.mode {
            Mode::Lines { notices, .. } => {
                let notice = plain::notice(text, notices.paint);
                self.push(Stream::Err, &notice);
            }
            Mode::Full(full) => full.print(&plain::notice(text, full.paint())),
            Mode::Json => {}
        }
    }

    /// The answer to a command that asks: on standard error also beside NDJSON, which has no event for it.
    pub fn answer(&mut self, text: &str) {
        match self.mode {
            Mode::Json => self.push(Stream::Err, &plain::notice(text, Paint::Off)),
            Mode::Lines { .. } | Mode::Full(_) => self.loud_notice(text),
        }
    }

    /// A question whose answer is typed behind it. The cursor stays there.
    pub fn ask(&mut self, text: &str) {
        if let Mode::Lines { .. } = self.mode {
            self.push(Stream::Out, &Untrusted::from(text).shown().to_string());
            self.asking = true;
        }
    }

    /// The user's answer has ended the question's line.
    pub fn answered(&mut self, question: &str, answer: &str) {
        self.asking = false;
        if let Mode::Full(full) = &mut self.mode {
            full.print_typed(Some(question), answer);
        }
    }

    /// A command that was typed goes where everything goes that was said: what follows is its answer.
    pub fn echo(&mut self, command: &str) {
        if let Mode::Full(full) = &mut self.mode {
            full.print_typed(None, command);
        }
    }

    /// Ends the line in which the cursor stands, when nobody has typed its end.
    pub fn end_line(&mut self) {
        if !self.is_full() {
            self.asking = true;
            self.push(Stream::Out, "");
        }
    }

    /// What a person said, as their text of this number.
    pub fn said(&mut self, name: &Untrusted, seq: u64, text: &Untrusted) {
        self.texts.rendered = seq;
        match &mut self.mode {
            Mode::Lines { style, .. } => {
                let said = plain::said(name, text, style.paint);
                self.push(Stream::Out, &said);
            }
            Mode::Full(full) => full.said(name, text),
            Mode::Json => {}
        }
    }

    /// The only event of a run that could not begin.
    pub fn not_begun(message: &str, hint: &str) -> String {
        let object = Object::event("error", Duration::ZERO).field("time", &jiff::Timestamp::now().to_string());
        object.field("message", message).field("hint", hint).line()
    }

    /// An event, for who reads NDJSON.
    pub fn event(&mut self, name: &str, now: Instant, fields: impl FnOnce(Object) -> Object) {
        if !self.is_json() {
            return;
        }
        let mut object = Object::event(name, now.saturating_duration_since(self.started));
        if !std::mem::replace(&mut self.dated, true) {
            object = object.field("time", &jiff::Timestamp::now().to_string());
        }
        let line = fields(object).line();
        self.push(Stream::Out, &line);
    }

    /// Something went wrong, and what can be done about it.
    pub fn error(&mut self, now: Instant, message: &str, hint: &str) {
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.event("error", now, |object| object.field("message", message).field("hint", &hint));
        self.loud_notice(&format!("error: {message}"));
        if let Some(hint) = hint {
            self.loud_notice(&format!("hint: {hint}"));
        }
    }
}
