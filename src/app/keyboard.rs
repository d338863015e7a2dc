//! What is typed where every key comes to us: on a terminal that we have to ourselves.
//!
//! Owns: what follows from a key that is more than a change of the line: Enter, Tab, Ctrl-C, Ctrl-D, Ctrl-Z.
//! Must not know: how a line is edited, how anything is shown.
//!
//! Keys are taken at any time, also while lines wait: who is being waited for can still be told something, and a person
//! must be able to leave. A line that cannot be used yet waits behind those that came before it.

use crate::net::event::Ending;
use crate::net::input::InputRead;
use crate::net::listing::{Listed, Look};
use crate::sys;
use crate::term::complete::{self, Candidate, Completion, Wanted};
use crate::term::editor::{Outcome, Typed};
use crate::term::lines::{Cut, Line, MAX_LINE, PIECE};

use super::commands;
use super::full::{Asked, Full};
use super::input::{HELD, PIECES, Used};
use super::start::Start;
use super::{App, home};

/// What Tab has asked for, and of which line.
#[derive(Debug)]
pub(super) struct Tab {
    request: u64,
    line: String,
    cursor: usize,
    wanted: Wanted,
}

impl App {
    /// Uses what was typed, within what one turn may take; whether there may be more.
    pub(super) fn take_keys(&mut self) -> bool {
        while let Some(line) = self.held.pop_front() {
            if self.use_line(&line, false) == Used::NotYet {
                self.held.push_front(line);
                break;
            }
        }
        for _ in 0..PIECES {
            while self.exit.is_none()
                && !self.is_stopping
                && let Some(outcome) = self.screen.full().and_then(Full::press_next)
            {
                self.follow_key(outcome);
            }
            if self.is_stopping
                || self.input_over
                || self.exit.is_some()
                || !self.screen.takes_input()
                || !self.read_keys()
            {
                return false;
            }
        }
        true
    }

    /// Reads a piece; whether there was one.
    fn read_keys(&mut self) -> bool {
        let mut buffer = [0; PIECE];
        let (Some(input), Some(full)) = (self.reactor.input(), self.screen.full()) else { return false };
        match input.read(&mut buffer) {
            InputRead::NotYet => return false,
            // The terminal has gone, and the signal that says so is on its way.
            InputRead::End => {
                self.input_over = true;
                self.handle_ending(Ending::HangUp);
            }
            InputRead::Bytes(n) => {
                full.feed(&buffer[..n]);
                self.reactor.make_way();
            }
        }
        true
    }

    fn follow_key(&mut self, outcome: Outcome) {
        if outcome != Outcome::Interrupted {
            self.warned_interrupt = false; // something was typed since Ctrl-C
        }
        match outcome {
            Outcome::Nothing | Outcome::Changed => {}
            Outcome::Submitted(typed) => {
                let left_out = self.screen.full().map_or(0, |full| full.editor().take_left_out());
                self.tell_left_out(left_out);
                self.submit(typed);
            }
            Outcome::Interrupted => self.handle_interrupt(),
            Outcome::Ended => self.leave_or_cut(),
            Outcome::Suspended => {
                // The terminal is given back first.
                self.screen.leave();
                self.is_stopping = true;
            }
            Outcome::Complete => self.complete(),
            Outcome::Redraw => self.screen.full().into_iter().for_each(Full::clear),
            Outcome::Full { dropped } => self.tell_left_out(dropped),
            Outcome::NoRoom => {
                self.screen.loud_notice(&format!("a message has at most {MAX_LINE} bytes: what follows is left out"));
            }
        }
    }

    /// That so many bytes found no room in a message.
    fn tell_left_out(&mut self, bytes: usize) {
        if bytes > 0 {
            let size = crate::term::plain::size(bytes as u64);
            let verb = if bytes == 1 { "was" } else { "were" };
            self.screen.loud_notice(&format!("a message has at most {MAX_LINE} bytes: {size} {verb} left out"));
        }
    }

    fn submit(&mut self, typed: Typed) {
        let line = Line {
            raw: typed.text.clone().into_bytes(),
            text: typed.text,
            cut: Cut::Whole,
            may_be_command: typed.may_be_command,
        };
        if self.use_line(&line, true) == Used::NotYet {
            if self.held.len() >= HELD {
                self.screen.loud_notice(&format!("{HELD} lines wait already; this one was not taken"));
                let full = self.screen.full();
                return full.into_iter().for_each(|full| full.give_back(&line.text, line.may_be_command));
            }
            if self.held.is_empty() && self.partner.is_none() {
                self.screen.loud_notice("nobody is connected yet: it is said when somebody is");
            }
            self.held.push_back(line);
        }
        // What is asked next, and what is answered, is known before the next key.
        self.show_prompt();
    }

    /// What stands before the line being typed, and what waits above it.
    pub(super) fn show_prompt(&mut self) {
        let Some(full) = self.screen.full() else { return };
        full.set_held(self.held.iter().map(|line| line.text.as_str()));
        full.set_name(&self.config.name);
        if let (Some(question), Some(id)) = (self.questions.prompt(), self.questions.shown()) {
            full.set_label(question, Asked::Trust(id));
        } else if let Some(question) = self.start.prompt(&self.config) {
            full.set_label(&question, Asked::Start(self.start.clone()));
        } else {
            full.set_label(&format!("{}> ", self.config.name), Asked::Nothing);
        }
    }

    // ---- Tab ----

    fn complete(&mut self) {
        let Some(full) = self.screen.full() else { return };
        if *full.asked() != Asked::Nothing && *full.asked() != Asked::Start(Start::Target) {
            return;
        }
        let (line, cursor) = (full.editor().text().to_owned(), full.editor().cursor());
        let wanted = complete::wanted(&line, cursor, &commands::COMPLETED, self.start == Start::Target);
        let request = match &wanted {
            Wanted::Nothing => return,
            Wanted::Command { replace, prefix } => {
                return self.follow_completion(complete::complete_word(replace.clone(), prefix, commands::COMPLETED));
            }
            Wanted::Path(path) => {
                let (folder, prefix) = (path.folder.clone(), path.prefix.clone());
                self.reactor.list(Look { folder, prefix, here: self.folder.clone(), home: home() })
            }
            Wanted::Peer { .. } => self.reactor.list_peers(),
        };
        // A second Tab waits for what the first one has asked for.
        if let Some(request) = request {
            self.tab = Some(Tab { request, line, cursor, wanted });
        }
    }

    /// What was asked for, if the line is still the one for which it was.
    fn tab_of(&mut self, request: u64) -> Option<Wanted> {
        let tab = self.tab.take_if(|tab| tab.request == request)?;
        let editor = self.screen.full()?.editor();
        (editor.text() == tab.line && editor.cursor() == tab.cursor).then_some(tab.wanted)
    }

    /// The files among which Tab may choose have been found.
    pub(super) fn complete_path(&mut self, request: u64, found: Result<Vec<Listed>, String>) {
        let Some(Wanted::Path(path)) = self.tab_of(request) else { return };
        match found {
            Ok(found) => {
                let candidate = |listed: Listed| Candidate { name: listed.name, is_folder: listed.is_folder };
                let found: Vec<Candidate> = found.into_iter().map(candidate).collect();
                self.follow_completion(complete::complete_path(&path, &found));
            }
            Err(words) => self.screen.loud_notice(&words),
        }
    }

    /// The known peers among whom Tab may choose have been found.
    pub(super) fn complete_peer(&mut self, request: u64, names: Result<Vec<String>, String>) {
        let Some(Wanted::Peer { replace, prefix }) = self.tab_of(request) else { return };
        match names {
            Ok(names) => {
                let names = names.iter().map(String::as_str);
                self.follow_completion(complete::complete_word(replace, &prefix, names));
            }
            Err(words) => self.screen.loud_notice(&words),
        }
    }

    fn follow_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Insert { replace, with } => {
                self.screen.full().into_iter().for_each(|full| {
                    full.editor().insert_completion(replace.clone(), &with);
                });
            }
            Completion::Choices { names, more } => self.screen.loud_notice(&complete::in_words(&names, more)),
            Completion::None => {}
        }
    }

    // ---- stopping and going on ----

    /// Stops once the terminal is as a shell wants it, and takes it again when the shell lets us go on.
    pub(super) fn stop_if_asked(&mut self) {
        if !self.is_stopping || !self.screen.is_idle() {
            return;
        }
        self.is_stopping = false;
        let Some(full) = self.screen.full() else { return };
        full.release();
        let stopped = sys::stop_job();
        full.retake(self.reactor.now());
        if let Err(error) = stopped {
            self.screen.loud_notice(&format!("cannot stop: {}", sys::words(&error)));
        }
    }
}
