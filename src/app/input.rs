//! What is typed, and what it leads to.
//!
//! Owns: the way from bytes of input to commands of a session, and what pushes back on whoever types.
//! Must not know: how anything is shown or sent.
//!
//! Input is read only as fast as it can be used: a line that cannot be used yet is held, and nothing is read behind
//! it. So a pipe into a conversation that nobody reads stops, and nothing piles up here.

use std::ffi::OsString;

use crate::net::input::InputRead;
use crate::net::source::Words;
use crate::proto::TransferId;
use crate::proto::error::CommandError;
use crate::proto::event::LeaveReason;
use crate::sys;
use crate::term::json;
use crate::term::lines::{Cut, Line, MAX_LINE, MAX_OBJECT, PIECE};

use super::commands::{self, Parsed};
use super::exit::UsageError;
use super::full::Asked;
use super::questions;
use super::start::Answer;
use super::{App, Exit, Start};

/// Lines that are kept, at most, for somebody to connect.
pub(super) const HELD: usize = 256;
/// The same where more and more callers are asked about: what was written before a question does not answer it, and what
/// is written behind has to be read.
const MOST_HELD: usize = 4 * HELD;
/// Bytes of lines that are kept so, at most, where a program writes them: enough to hear it leave.
const AHEAD: usize = 256 * 1024;
/// Pieces taken in one turn, so that an endless input of nothing leaves time for everything else.
pub(super) const PIECES: usize = 4;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// It is dealt with.
    Yes,
    /// Its time has not come.
    NotYet,
}

impl App {
    /// Uses as much input as can be used now, within what one turn may take; whether there may be more.
    pub(super) fn take_input(&mut self) -> bool {
        if let Some(id) = self.stream {
            if self.reactor.stream_input(id) {
                self.stream = None;
                self.input_over = true;
            }
            return false;
        }
        if self.config.sends_input() {
            return false; // it is no input but a file, and nobody is there yet to take it
        }
        if self.screen.is_full() {
            return self.take_keys();
        }
        let mut pieces = 0;
        while !self.input_over && self.exit.is_none() && self.screen.takes_input() {
            if let Some((line, fresh)) = self.next_line() {
                if self.use_line(&line, fresh) == Used::NotYet && !self.hold(line, fresh) {
                    return false;
                }
            } else if self.lines.is_ended() {
                self.leave_questions_unanswered();
                if !self.held.is_empty() && (self.partner.is_some() || !self.terminal) {
                    return false; // what was typed for somebody is still to be said
                }
                self.handle_end_of_input();
            } else if pieces == PIECES {
                return true;
            } else if self.read_input() {
                pieces += 1;
            } else {
                return false;
            }
        }
        false
    }

    /// The next line to use, and whether it is a fresh one: what was held comes first, once its time may have come.
    fn next_line(&mut self) -> Option<(Line, bool)> {
        let held = if self.reads_ahead() { None } else { self.held.pop_front() };
        held.map(|line| (line, false)).or_else(|| {
            let line = self.lines.next_line()?;
            self.warned_interrupt = false; // something was typed since Ctrl-C
            Some((line, true))
        })
    }

    /// Whether lines are read although earlier ones are held: who talks to nobody yet must be able to leave, and whoever is
    /// asked who may come in, to answer.
    fn reads_ahead(&self) -> bool {
        let lines = self.held.len() < (self.early + HELD).min(MOST_HELD);
        // The pipe fills before the memory does.
        let bytes = || self.held.iter().map(|line| line.raw.len()).sum::<usize>() < AHEAD;
        self.partner.is_none() && lines && (self.terminal || self.questions.are_open() || bytes())
    }

    /// Whether leaving waits for what is held: in a pipe a goodbye has its place behind what is to be said, but only the
    /// first one.
    fn leaves_later(&self) -> bool {
        let is_goodbye = |line: &Line| matches!(self.asked_by(line), Some(Parsed::Leave));
        !self.terminal && self.partner.is_none() && !self.held.is_empty() && !self.held.iter().any(is_goodbye)
    }

    /// Keeps a line whose time has not come; whether the next one may be read. What was held before stays the first.
    fn hold(&mut self, line: Line, fresh: bool) -> bool {
        if !fresh || !self.reads_ahead() {
            self.held.push_front(line);
            return false;
        }
        if self.held.is_empty() && self.terminal {
            self.screen.loud_notice("nobody is connected yet: it is said when somebody is");
        }
        self.held.push_back(line);
        true
    }

    /// Reads a piece; whether there was one, or the end.
    pub(super) fn read_input(&mut self) -> bool {
        let mut buffer = [0; PIECE];
        let Some(input) = self.reactor.input() else { return false };
        match input.read(&mut buffer) {
            InputRead::NotYet => return false,
            InputRead::End => {
                if let Some(error) = input.failure() {
                    let message = format!("the input cannot be read any further: {}", sys::words(&error));
                    self.screen.error(self.reactor.now(), &message, "what was not read was not said");
                    self.tally.unsaid += 1;
                }
                self.lines.end();
            }
            InputRead::Bytes(n) => {
                let taken = self.lines.feed(&buffer[..n]);
                assert_eq!(taken, n, "a reader that has no line has room for a piece");
            }
        }
        true
    }

    /// Nobody will answer what is asked.
    fn leave_questions_unanswered(&mut self) {
        while let Some(id) = self.questions.shown() {
            self.questions.over(id);
            self.reactor.leave_unanswered(id);
            self.questions.next_to_show();
        }
    }

    /// Nothing more will be typed.
    pub(super) fn handle_end_of_input(&mut self) {
        self.input_over = true;
        if self.partner.is_some() || (self.terminal && !self.start.is_asking()) {
            let begins = self.leaving.is_none();
            self.leave(LeaveReason::Done, true);
            self.leaving.iter_mut().for_each(|leaving| leaving.persists |= begins && !self.terminal);
        } else if self.start.is_asking() {
            self.screen.end_line();
            self.exit = Some(Exit::Done);
        } else if !self.reactor.is_dialling() {
            self.receive_only = true;
        }
    }

    pub(super) fn use_line(&mut self, line: &Line, fresh: bool) -> Used {
        if !line.is_start() {
            return if self.cut_command { Used::Yes } else { self.say(&line.text, fresh) };
        }
        let is_object = self.takes_objects() && line.text.starts_with('{');
        let may_order = self.config.commands && line.may_be_command && !is_object;
        self.cut_command = line.cut == Cut::First && may_order && commands::is_order(&line.text);
        if self.cut_command {
            let words = format!("the command is longer than {MAX_LINE} bytes; none of it was used");
            self.screen.error(self.reactor.now(), &words, "several shorter ones do the same");
            return Used::Yes;
        }
        if line.cut == Cut::First && !is_object {
            self.tell_cut();
        }
        // Who began a line before the question was there does not answer it, nor does what had to wait. Where lines are
        // all there is, nobody knows when one was begun.
        let begun = self.screen.full().map(|full| full.begun_under().cloned());
        if fresh && let Some(used) = self.use_trust_answer(line, begun.as_ref()) {
            return used;
        }
        let is_answer = fresh && matches!(begun, Some(Some(Asked::Start(_))));
        if is_answer && !self.start.is_asking() && !(line.may_be_command && commands::is_order(&line.text)) {
            self.start = Start::Over;
            self.screen.loud_notice("a call came first: what was being typed was an answer, and is not said");
            return Used::Yes;
        }
        let answers = fresh && begun.is_none_or(|begun| begun == Some(Asked::Start(self.start.clone())));
        if self.start != Start::Over && (answers || !self.start.is_asking()) {
            match self.use_answer(line) {
                Some(used) => return used,
                None => self.start = Start::Over,
            }
        }
        if is_object {
            return self.use_object(line, fresh);
        }
        self.use_command(line, fresh)
    }

    /// That a line is longer than a message: once, for whoever writes one may write many.
    fn tell_cut(&mut self) {
        if std::mem::replace(&mut self.told_cut, true) {
            return;
        }
        let words = format!("a line of over {MAX_LINE} bytes goes as several messages");
        match self.screen.is_json() {
            true => self.screen.error(self.reactor.now(), &words, "shorter lines are one message each"),
            false => self.screen.notice(&words),
        }
    }

    /// The answer to the question of trust on the screen, if there is one and this is one, `begun` before that. What
    /// untrusted input is poured into answers nothing.
    fn use_trust_answer(&mut self, line: &Line, begun: Option<&Option<Asked>>) -> Option<Used> {
        let listens = !self.screen.is_json() && (self.terminal || self.config.commands);
        // Any line shows that what was begun for an earlier question is over.
        let is_doubtful = self.questions.take_doubt() && !self.screen.is_full();
        let shown = self.questions.shown().filter(|_| listens);
        let id = match (begun, shown) {
            (None, shown) => shown?,
            (Some(Some(Asked::Trust(asked))), Some(id)) if *asked == id => id,
            // It came to an end while the answer was typed, and the next one was not before anybody's eyes.
            (Some(Some(Asked::Trust(_))), _) if questions::answer(&line.text, true).is_some() => {
                self.screen.loud_notice("that question is over");
                return Some(Used::Yes);
            }
            _ => return None,
        };
        // Where the question is all that is asked, whatever is no answer is no message either.
        let alone = self.screen.is_full() || !self.start.is_asking();
        let answer = questions::answer(&line.text, alone).filter(|_| line.may_be_command);
        let Some(yes) = answer else {
            let parsed = commands::parse(&line.text);
            let is_order = line.may_be_command && !matches!(parsed, Parsed::Say(_));
            if self.screen.is_full() && !is_order {
                self.screen.loud_notice("answer with a whole yes, or no");
                return Some(Used::Yes);
            }
            return None;
        };
        if yes && is_doubtful {
            self.screen.loud_notice("the caller has changed meanwhile: answer once more");
            self.show_prompt_of_question();
            return Some(Used::Yes);
        }
        self.answer_trust(id, yes);
        if !yes && self.questions.shown().is_none() {
            self.prompt();
        }
        Some(Used::Yes)
    }

    /// Whether a line may be an object: what untrusted input is poured into orders nothing, as object or as command.
    fn takes_objects(&self) -> bool {
        self.config.json && self.config.commands
    }

    fn use_object(&mut self, line: &Line, fresh: bool) -> Used {
        if line.cut != Cut::Whole {
            // The reader gives no more of it.
            let message = format!("the line is longer than an object may be, {MAX_OBJECT} bytes; none of it was used");
            self.screen.error(self.reactor.now(), &message, CommandError::TextTooLong.hint());
            return Used::Yes;
        }
        match json::parse_input(&line.text) {
            Ok(json::Input::Say(text)) => self.say_all(&text, fresh),
            Ok(json::Input::Transfer(path)) => self.transfer(Words::Path(OsString::from(path)), fresh),
            Ok(json::Input::Command(command)) => {
                let text = as_line(command);
                let line = Line { raw: text.clone().into_bytes(), text, cut: Cut::Whole, may_be_command: true };
                self.use_command(&line, fresh)
            }
            Ok(json::Input::Answer { id, yes }) => {
                self.answer(id, yes);
                Used::Yes
            }
            Err(error) => {
                self.screen.error(self.reactor.now(), &error.message, error.hint());
                Used::Yes
            }
        }
    }

    /// What a line asks for, wherever it may stand; `None`: nothing that can still be done.
    pub(super) fn asked_by(&self, line: &Line) -> Option<Parsed> {
        if !self.config.commands || !line.may_be_command || !line.is_start() {
            return Some(commands::parse_as_message(&line.text));
        }
        if !self.takes_objects() || !line.text.starts_with('{') {
            return Some(commands::parse(&line.text));
        }
        match json::parse_input(&line.text).ok()? {
            json::Input::Say(text) => Some(Parsed::Say(text)),
            json::Input::Transfer(path) => Some(Parsed::Transfer(path)),
            json::Input::Command(command) => Some(commands::parse(&as_line(command))),
            json::Input::Answer { .. } => None,
        }
    }

    fn use_command(&mut self, line: &Line, fresh: bool) -> Used {
        let parsed = match (self.config.commands, line.may_be_command) {
            (true, true) => commands::parse(&line.text),
            // Neither a pasted line nor a key pressed in vain: in a pipe every line is meant.
            _ if (self.config.commands || self.terminal) && line.text.trim_end().is_empty() => Parsed::Nothing,
            _ => commands::parse_as_message(&line.text),
        };
        let now = self.reactor.now();
        if fresh && !self.held.is_empty() && matches!(parsed, Parsed::Say(_) | Parsed::Transfer(_)) {
            return Used::NotYet; // behind those that wait
        }
        if fresh && parsed == Parsed::Leave && self.leaves_later() {
            return Used::NotYet;
        }
        if !matches!(parsed, Parsed::Nothing | Parsed::Say(_)) && fresh {
            self.screen.echo(&line.text);
        }
        match parsed {
            Parsed::Nothing => {}
            Parsed::Say(text) => return self.say(&text, fresh),
            Parsed::Transfer(rest) => return self.transfer(self.words(line, rest), fresh),
            Parsed::Leave => self.leave_or_cut(),
            Parsed::Cancel(id) => self.order(|session| session.cancel(now, id.map(TransferId))),
            Parsed::Accept(id) => self.order(|session| session.accept(now, id.map(TransferId))),
            Parsed::Refuse(id) => self.order(|session| session.refuse(now, id.map(TransferId))),
            Parsed::Status => self.show_status(),
            Parsed::Peers => self.show_peers(),
            Parsed::Help => self.screen.answer(commands::HELP),
            Parsed::Unknown { word, hint } => {
                self.screen.error(now, &format!("there is no command {word}"), &hint);
            }
            Parsed::Usage { message, hint } => self.screen.error(now, &message, &hint),
        }
        Used::Yes
    }

    /// Leaves when everything is through; asked for again, at once.
    pub(super) fn leave_or_cut(&mut self) {
        match self.leaving.is_some_and(|leaving| leaving.asked) {
            true => self.cut(LeaveReason::Done),
            false => {
                self.leave(LeaveReason::Done, true);
                // Who came to send files leaves already, without having been asked to.
                if self.reactor.session().is_some_and(|session| session.is_leaving()) {
                    self.tell_finishing();
                }
            }
        }
    }

    /// The words of a `transfer`: verbatim for a program, as a shell reads them for a person. A name that is not
    /// UTF-8 is taken as it is.
    fn words(&self, line: &Line, rest: String) -> Words {
        let is_utf8 = std::str::from_utf8(&line.raw).is_ok();
        match line.raw.iter().position(|byte| *byte == b' ') {
            Some(space) if !is_utf8 => Words::Typed(sys::os_string(line.raw[space + 1..].to_vec())),
            _ if self.screen.is_json() => Words::Typed(OsString::from(rest)),
            _ => Words::Line(rest),
        }
    }

    fn transfer(&mut self, words: Words, fresh: bool) -> Used {
        if self.partner.is_none() || !self.to_find.is_empty() {
            return Used::NotYet;
        }
        if let Some(leaving) = self.leaving.filter(|leaving| fresh || !leaving.by_us) {
            self.refuse_line(leaving.by_us);
            return Used::Yes;
        }
        self.find(words);
        Used::Yes
    }

    /// A text that may be longer than one message.
    fn say_all(&mut self, text: &str, fresh: bool) -> Used {
        if text.len() <= MAX_LINE {
            return self.say(text, fresh);
        }
        self.screen.error(self.reactor.now(), "the message is too long", CommandError::TextTooLong.hint());
        Used::Yes
    }

    /// `fresh`: it was typed just now, and did not have to wait.
    fn say(&mut self, text: &str, fresh: bool) -> Used {
        let now = self.reactor.now();
        if self.partner.is_none() {
            return Used::NotYet;
        }
        if let Some(leaving) = self.leaving.filter(|leaving| fresh || !leaving.by_us) {
            self.refuse_line(leaving.by_us);
            return Used::Yes;
        }
        let Some(session) = self.reactor.session() else { return Used::NotYet };
        match session.say(now, text) {
            Ok(seq) => {
                self.screen.event("queued", now, |object| object.field("seq", &seq));
                self.screen.full().into_iter().for_each(|full| full.said_by_us(seq, text));
            }
            Err(CommandError::WindowFull) if session.ended().is_none() => return Used::NotYet,
            Err(error) => self.tell(error),
        }
        Used::Yes
    }

    pub(super) fn order(
        &mut self,
        command: impl FnOnce(&mut crate::proto::session::Session) -> Result<TransferId, CommandError>,
    ) {
        match self.reactor.session().map(command) {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.tell(error),
            None => self.tell(CommandError::NothingToAnswer),
        }
    }

    /// A line comes too late. Said once; it counts as lost when it was the other side that ended the conversation.
    fn refuse_line(&mut self, by_us: bool) {
        if !std::mem::replace(&mut self.told_late, true) {
            self.tell(CommandError::Leaving);
        }
        self.late += usize::from(!by_us);
    }

    fn tell(&mut self, error: CommandError) {
        self.screen.error(self.reactor.now(), &error.to_string(), error.hint());
    }

    /// Answers a question by its number: of trust, or about a file.
    fn answer(&mut self, id: u64, yes: bool) {
        if self.questions.has(id) {
            return self.answer_trust(id, yes);
        }
        let now = self.reactor.now();
        // Questions about files carry the number of the file, moved out of the way of those about callers.
        let id = id.checked_sub(super::report::FILE_QUESTIONS).map(TransferId);
        match (id, yes) {
            (None, _) => self.screen.error(now, "there is no such question", "its id stands in the event `question`"),
            (Some(id), true) => self.order(|session| session.accept(now, Some(id))),
            (Some(id), false) => self.order(|session| session.refuse(now, Some(id))),
        }
    }

    fn answer_trust(&mut self, id: u64, yes: bool) {
        let question = self.questions.prompt().unwrap_or_default().to_owned();
        self.screen.answered(&question, if yes { "yes" } else { "no" });
        self.questions.over(id);
        if !self.reactor.answer_question(id, yes) {
            self.screen.notice("that caller has gone");
        }
        self.show_question();
    }

    /// An answer to a question of the start; `None` when the line is something else.
    fn use_answer(&mut self, line: &Line) -> Option<Used> {
        let may_order = line.may_be_command && self.start.is_asking();
        let line = &line.text;
        let is_command = may_order && matches!(commands::parse(line), Parsed::Leave);
        let question = self.start.prompt(&self.config).unwrap_or_default();
        if is_command {
            self.screen.answered(&question, line);
            self.exit = Some(Exit::Done);
            return Some(Used::Yes);
        }
        let answer = self.start.answer(line);
        if !matches!(answer, Answer::Input | Answer::Swallowed) {
            self.screen.answered(&question, line);
        }
        match answer {
            Answer::Input => return None,
            Answer::Swallowed => self.start = Start::Over,
            Answer::Name(name) => {
                if !name.is_empty() {
                    self.config.name = name;
                    self.reactor.set_name(self.config.name.clone());
                }
                self.start = Start::after_name(&self.config); // with -l it listens since the beginning
            }
            Answer::Listen(listen) => {
                self.config.listen = listen;
                self.start = Start::Target;
                self.try_listen();
            }
            Answer::Call(target) if self.config.plain && target.pin.is_some() => {
                let error = UsageError::plain_has_no_keys();
                self.screen.error(self.reactor.now(), &error.message, &error.hint);
            }
            Answer::Call(target) => {
                self.start = Start::Over;
                self.call(target);
            }
            Answer::Wait => {
                self.start = Start::Over;
                self.screen.notice("waiting for a call");
            }
            Answer::Again(error) => self.screen.error(self.reactor.now(), &error.message, &error.hint),
        }
        self.prompt();
        Some(Used::Yes)
    }

    /// Listens as the answers have it; a port that cannot be had is asked for again.
    fn try_listen(&mut self) {
        if let Err(error) = self.listen() {
            let error = super::ground::port_error(&self.config, &error);
            self.screen.error(self.reactor.now(), &error.message, "try another port; 0 lets the system pick one");
            self.config.listen = None;
            self.start = Start::Port;
        }
    }
}

/// A command of an object as a line. What was meant as a command is not said when it is none.
fn as_line(command: String) -> String {
    if command.starts_with('/') || commands::is_order(&command) { command } else { format!("/{command}") }
}
