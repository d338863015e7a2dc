//! The conversation as its user has it.
//!
//! Owns: the outer loop (input, a turn of the reactor, what happened, what is shown) and what the program does of its
//! own accord: start, leave, end. Must not know: sockets, frames, the disk.
//!
//! Reading order: here, then `input` (what is typed; `keyboard`, where keys are ours), `report` (what is shown;
//! `progress`, of transfers), [`tally`] (how it went).

pub mod address;
pub mod code;
pub mod commands;
pub mod config;
pub mod demo;
mod ending;
pub mod exit;
mod failing;
pub mod full;
pub mod ground;
pub mod identity;
mod input;
pub mod kept;
mod keyboard;
pub mod past;
mod progress;
pub mod questions;
pub mod refused;
mod report;
pub mod screen;
pub mod start;
pub mod tally;
mod why;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::net::event::Heeds;
use crate::net::input::Input;
use crate::net::output::{Output, Sinks};
use crate::net::source::{Prepared, Request, Words};
use crate::net::standing::Secure;
use crate::net::{NetEvent, Reactor};
use crate::proto::TransferId;
use crate::proto::event::LeaveReason;
use crate::proto::text::Untrusted;
use crate::secure::code::{LIFE, OneTime};
use crate::sys;
use crate::term::lines::{Line, LineReader};

use config::{Accept, CodeSource, Config, STDIN, Trust};
use exit::Exit;
use ground::broken;
use keyboard::Tab;
use progress::Progress;
use questions::Questions;
use screen::{Mode, Screen};
use start::Start;
use tally::Tally;

/// What may still be under way when a signal has asked us to end.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(2);
/// Files that are being looked for at once.
const PREPARING: usize = 16;
/// How long the end waits for a reader who does not read, and then for helpers.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The streams that the program runs on.
pub struct Streams {
    /// What is typed; `None`: nothing ever is.
    pub input: Option<Box<dyn Read + Send>>,
    /// What is shown.
    pub sinks: Sinks,
    /// Whether a person sits at both.
    pub terminal: bool,
    /// How it is shown.
    pub mode: Mode,
    /// Which signals are obeyed in an orderly way.
    pub heeds: Heeds,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("terminal", &self.terminal).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Why the program could not start.
#[derive(Debug)]
pub struct StartError {
    /// What happened, to what.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.message, self.hint)
    }
}

impl std::error::Error for StartError {}

/// Why we are leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaving {
    reason: LeaveReason,
    /// Whether our side began it.
    by_us: bool,
    /// Whether our user has asked for it: a second time means at once.
    asked: bool,
    /// Whether nobody waits for us to be gone: the input of a pipe has come to its end.
    persists: bool,
}

/// What is known of whom we talk with.
#[derive(Clone, Debug)]
struct Partner {
    name: Untrusted,
    address: SocketAddr,
    /// Whether the channel is encrypted, and why it is believed who is there.
    proof: String,
}

/// The program.
#[derive(Debug)]
pub struct App {
    config: Config,
    terminal: bool,
    folder: PathBuf,
    reactor: Reactor,
    screen: Screen,
    lines: LineReader,
    /// Lines that have to wait: for a connection, or for the other side to read.
    held: VecDeque<Line>,
    /// How many of them were written before the question that is asked.
    early: usize,
    /// Whether the input has nothing more to give and all of it was used.
    input_over: bool,
    /// Whether the input is being sent as a file.
    stream: Option<TransferId>,
    /// Files that are being looked for.
    preparing: usize,
    /// Files that are yet to be looked for.
    to_find: VecDeque<Words>,
    /// Answers to earlier requests are for a conversation that is over.
    first_request: u64,
    /// Files that were found and wait for somebody to be there.
    ready: Vec<Prepared>,
    start: Start,
    partner: Option<Partner>,
    leaving: Option<Leaving>,
    /// Nothing was there to be typed when the conversation began: it lasts until the other side leaves.
    receive_only: bool,
    told_cut: bool,
    /// Whether the line that is being read is a command that is too long.
    cut_command: bool,
    /// Whether a line that came too late was answered.
    told_late: bool,
    /// Lines that came after the other side's goodbye.
    late: usize,
    /// Whether it was told that our leaving waits for an answer.
    told_waiting: bool,
    /// Why the connection was lost, since it is.
    lost: Option<String>,
    /// Whom we called last.
    called: Option<address::Target>,
    told_unanswered: bool,
    /// Why the other side left.
    peer_reason: Option<LeaveReason>,
    questions: Questions,
    warned_interrupt: bool,
    /// What Tab has asked for.
    tab: Option<Tab>,
    /// Whether the program stops as soon as the terminal is in order.
    is_stopping: bool,
    progress: Progress,
    tally: Tally,
    exit: Option<Exit>,
    stuck_since: Option<Instant>,
}

/// What `~` stands for.
fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

impl App {
    /// Everything that can fail before the first turn.
    ///
    /// # Errors
    /// [`StartError`] with what could not be had: a port, a folder, a thread, a key.
    pub fn new(config: Config, streams: Streams) -> Result<Self, StartError> {
        let secure = if config.plain { None } else { Some(identity::load(config.config_dir.as_deref())?) };
        Self::with_identity(config, streams, secure)
    }

    /// As [`new`](Self::new), with a key from elsewhere; `None`: links are plain.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_identity(config: Config, streams: Streams, secure: Option<Secure>) -> Result<Self, StartError> {
        let folder = std::env::current_dir().map_err(broken("the current folder"))?;
        let can_be_asked = streams.terminal && !config.sends_input();
        let settings = ground::settings(&config, secure, can_be_asked, streams.heeds)?;
        let mut reactor = Reactor::new(settings).map_err(broken("the event loop"))?;
        let output = Output::spawn(streams.sinks, reactor.waker()).map_err(broken("the output thread"))?;
        let mut screen = Screen::new(output, streams.mode, reactor.now());
        if let Some(full) = screen.full() {
            full.recall(config.config_dir.as_deref());
        }
        // Who sends files reads no input that may be somebody else's, but where a person sits there are questions, and
        // keys that stop or end the program; and whoever asks to be asked answers.
        let wants_questions = config.trust == Some(Trust::Ask) || config.accept == Some(Accept::Ask);
        let is_input = config.send.is_empty() || config.sends_input();
        let reads_input = is_input || streams.terminal || wants_questions;
        if let Some(source) = streams.input.filter(|_| reads_input) {
            let input = Input::spawn(source).map_err(broken("the input thread"))?;
            reactor.set_input(input).map_err(broken("the input pipe"))?;
        }
        let asks = streams.terminal && config.target.is_none() && config.send.is_empty();
        let mut app = Self {
            terminal: streams.terminal,
            lines: if config.json && config.commands { LineReader::with_objects() } else { LineReader::new() },
            input_over: !reads_input || reactor.input().is_none(),
            start: if asks { Start::first(&config) } else { Start::Over },
            folder,
            reactor,
            screen,
            held: VecDeque::new(),
            early: 0,
            stream: None,
            preparing: 0,
            to_find: VecDeque::new(),
            first_request: 0,
            ready: Vec::new(),
            partner: None,
            leaving: None,
            receive_only: false,
            told_cut: false,
            cut_command: false,
            told_late: false,
            late: 0,
            told_waiting: false,
            lost: None,
            called: None,
            told_unanswered: false,
            peer_reason: None,
            questions: Questions::default(),
            warned_interrupt: false,
            tab: None,
            is_stopping: false,
            progress: Progress::default(),
            tally: Tally::default(),
            exit: None,
            stuck_since: None,
            config,
        };
        app.begin()?;
        Ok(app)
    }

    /// The port that it listens on, 0 if it does not.
    pub fn port(&self) -> u16 {
        self.reactor.port()
    }

    /// The one-time code that was given, or a fresh one, which our user passes on.
    fn take_code(&mut self) -> Result<(), StartError> {
        let Some(code) = ground::code(&self.config)? else { return Ok(()) };
        let now = self.reactor.now();
        if self.config.code == Some(CodeSource::Make) {
            let (words, expires) = (code.to_string(), LIFE.as_secs());
            self.screen.event("code", now, |object| object.field("code", &words).field("expires_in", &expires));
            self.screen.loud_notice(&ground::code_words(&code));
        }
        self.reactor.set_code(OneTime::new(code, now));
        Ok(())
    }

    /// Listens, calls, asks: as the command line has it.
    fn begin(&mut self) -> Result<(), StartError> {
        if self.config.plain {
            self.screen.notice("plain: anyone on the path can read and change what is said");
        }
        self.take_code()?;
        if self.is_sending() && self.config.target.is_some() {
            self.reactor.let_in_only_callee();
        }
        let asks_for_port = matches!(self.start, Start::Name | Start::Port);
        if self.config.listen.is_some() || (self.config.target.is_none() && !asks_for_port) {
            self.listen().map_err(|error| ground::port_error(&self.config, &error))?;
        }
        for path in self.config.send.clone() {
            if path != STDIN {
                self.find(Words::Path(path));
            }
        }
        // With files to send it is called once they are found: nobody is bothered for nothing.
        if let Some(target) = self.config.target.clone().filter(|_| !self.is_finding()) {
            self.call(target);
        }
        self.prompt();
        Ok(())
    }

    /// Opens the port that was asked for, else the usual one or, if it is taken, any.
    fn listen(&mut self) -> io::Result<()> {
        let addresses = match self.config.listen {
            Some(listen) => self.reactor.listen(listen.ip, listen.port)?,
            None => match self.reactor.listen(None, address::DEFAULT_PORT) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    let addresses = self.reactor.listen(None, 0)?;
                    self.tell_taken();
                    addresses
                }
                result => result?,
            },
        };
        self.tell_listening(&addresses);
        Ok(())
    }

    fn call(&mut self, target: address::Target) {
        let (callee, patience) = (ground::callee(&target), ground::patience(&self.config, self.terminal));
        self.reactor.dial(callee, patience);
        self.called = Some(target);
    }

    /// Looks for a file to send, away from the loop.
    fn find(&mut self, words: Words) {
        self.to_find.push_back(words);
        self.find_next();
    }

    /// Keeps the helper busy, and no more than that.
    fn find_next(&mut self) {
        while self.preparing < PREPARING
            && let Some(words) = self.to_find.pop_front()
        {
            self.reactor.prepare(Request { words, folder: self.folder.clone(), home: home() });
            self.preparing += 1;
        }
    }

    /// Whether files are still being looked for.
    fn is_finding(&self) -> bool {
        self.preparing > 0 || !self.to_find.is_empty()
    }

    /// Runs until the end; what to tell the shell.
    ///
    /// # Errors
    /// When the system's poll fails.
    pub fn run(mut self) -> io::Result<Exit> {
        self.show_prompt(); // what was typed before the first question is its answer
        loop {
            self.take_signals();
            self.take_prepared();
            self.show_events();
            let more_input = self.take_input();
            self.follow_leaving();
            self.show_events(); // those that the input led to: nothing else may wake the loop for them
            self.show_progress();
            self.show_prompt();
            self.screen.flush(self.reactor.now());
            self.acknowledge();
            self.stop_if_asked();
            self.give_up_on_the_reader();
            if self.exit.is_some() {
                self.tell_unsaid();
                self.count_unsaid();
            }
            if let Some(exit) = self.exit {
                return self.end(exit);
            }
            let until = if more_input { Some(self.reactor.now()) } else { self.deadline() };
            self.reactor.turn(until)?;
        }
    }

    fn deadline(&mut self) -> Option<Instant> {
        let stuck = self.stuck_since.map(|since| since + END_PATIENCE);
        let progress = self.progress.next.filter(|_| !self.is_stopping); // which shows none
        progress.into_iter().chain(stuck).chain(self.screen.due()).min()
    }

    /// Lets helpers finish and readers read, within reason.
    fn end(mut self, exit: Exit) -> io::Result<Exit> {
        self.reactor.close_doors();
        self.screen.leave();
        let latest = self.reactor.now() + END_PATIENCE;
        let is_shown;
        loop {
            while let Some(event) = self.reactor.poll_event() {
                // All else is of a conversation that is over.
                if matches!(event, NetEvent::Saved { .. } | NetEvent::Trouble { .. }) && !self.screen.is_full() {
                    self.handle_event(event);
                }
            }
            self.screen.flush(self.reactor.now());
            let shown = self.screen.is_idle() || self.screen.is_broken();
            if (shown && self.reactor.is_quiet()) || self.reactor.now() >= latest {
                is_shown = shown;
                break;
            }
            self.reactor.turn(Some(latest))?;
        }
        match self.screen.failure() {
            // What was to be shown is lost: nobody must take that for a run in which everything was done.
            Some(error) if !matches!(exit, Exit::Interrupted | Exit::Terminated) => {
                let words = format!("the output cannot be written: {}", sys::words(error));
                Err(io::Error::new(error.kind(), words))
            }
            // Nobody has read to the end: what was said there is lost, and was acknowledged to nobody.
            _ if exit == Exit::Done && !is_shown => Ok(Exit::Undelivered),
            _ => Ok(exit),
        }
    }

    /// The conversation is over, and what it still has to tell finds no reader.
    fn give_up_on_the_reader(&mut self) {
        if self.screen.is_broken() && self.exit.is_none() {
            match self.reactor.session() {
                Some(session) if session.ended().is_none() => self.cut(LeaveReason::Failed),
                Some(_) => {}
                None => self.exit = Some(Exit::Failed),
            }
        }
        let over = self.reactor.session().is_some_and(|session| session.ended().is_some());
        if !over || (self.screen.has_room() && !self.screen.is_broken()) {
            self.stuck_since = None;
            return;
        }
        let since = *self.stuck_since.get_or_insert(self.reactor.now());
        if self.screen.is_broken() || self.reactor.now() >= since + END_PATIENCE {
            self.drop_events();
        }
    }

    /// Asks the question that is open.
    fn prompt(&mut self) {
        // Who waits to be let in is asked about first.
        if self.terminal && self.questions.shown().is_some() {
            self.show_prompt_of_question();
        } else if let Some(question) = self.start.prompt(&self.config) {
            self.screen.ask(&question);
        }
    }

    /// Leaves as soon as nothing that was typed before is left to begin.
    fn leave(&mut self, reason: LeaveReason, by_us: bool) {
        let leaving = self.leaving.get_or_insert(Leaving { reason, by_us, asked: false, persists: false });
        leaving.asked |= by_us;
        if self.partner.is_none() {
            self.exit.get_or_insert(if self.tally.is_short() { Exit::Undelivered } else { Exit::Done });
        }
    }

    /// Files that were not offered when the other side was gone are told, and count; so do those of somebody who leaves
    /// before anybody is reached.
    fn count_unoffered(&mut self) {
        let requests = std::mem::take(&mut self.preparing) + std::mem::take(&mut self.to_find).len();
        let files = requests + std::mem::take(&mut self.ready).len();
        let why = match (&self.partner, self.exit) {
            (Some(_), _) => "the conversation ended before they were found",
            (None, Some(Exit::Done)) => "nobody was reached before you left",
            (None, _) => return,
        };
        if files == 0 {
            return;
        }
        self.first_request = self.reactor.next_request();
        self.tally.unsaid += files;
        self.screen.error(self.reactor.now(), &format!("files that were not offered: {files}"), why);
    }

    /// What was typed for somebody and could not be said is told, and counts.
    fn count_unsaid(&mut self) {
        let held = std::mem::take(&mut self.held);
        let unsaid = held.len() + std::mem::take(&mut self.late);
        self.tally.unsaid += unsaid;
        if let Some(full) = self.screen.full() {
            held.iter().for_each(|line| full.not_said(&line.text));
            let begun = full.editor().text().to_owned();
            if !begun.is_empty() && *full.asked() == full::Asked::Nothing {
                full.not_said(&begun);
                full.editor().clear(); // told once
            }
        } else if unsaid > 0 {
            self.screen.loud_notice(&format!("lines that were not said: {unsaid}"));
        }
        self.count_unoffered();
        if self.exit == Some(Exit::Done) && self.tally.is_short() {
            self.exit = Some(Exit::Undelivered);
        }
    }

    /// Says goodbye to the session once its turn has come.
    fn follow_leaving(&mut self) {
        let now = self.reactor.now();
        if self.leaving.is_none() && self.reactor.session().is_some_and(|session| session.peer_is_leaving()) {
            // What was typed before the other side left has been taken by now.
            self.leave(LeaveReason::Done, false);
        }
        let Some(leaving) = self.leaving else { return };
        // What was typed before the goodbye is said before it.
        let waits = leaving.by_us && leaving.reason == LeaveReason::Done && !self.held.is_empty();
        if waits || self.is_finding() || !self.ready.is_empty() || self.stream.is_some() {
            return;
        }
        // Whoever leaves waits for the answers, and can leave at once all the same: goodbye would turn down what the other
        // side is still asked about.
        let asks_for_answers = self.is_sending() || leaving.by_us;
        if asks_for_answers
            && leaving.reason == LeaveReason::Done
            && self.reactor.session().is_some_and(|session| session.is_offering())
        {
            if leaving.asked && !std::mem::replace(&mut self.told_waiting, true) {
                self.tell_finishing();
                // Else two who leave could wait for each other.
                while !self.is_sending() && self.refuse_latest() {}
            }
            return;
        }
        if let Some(session) = self.reactor.session()
            && !session.is_leaving()
        {
            if leaving.persists {
                session.persist();
            }
            session.leave(now, leaving.reason, None);
            if leaving.asked {
                self.tell_finishing();
            }
        }
    }

    /// Refuses the latest file that waits for our user's answer; whether there was one.
    fn refuse_latest(&mut self) -> bool {
        let now = self.reactor.now();
        self.reactor.session().is_some_and(|session| session.refuse(now, None).is_ok())
    }

    /// What is under way still, for a person who wants to leave.
    fn tell_finishing(&mut self) {
        if self.terminal && self.reactor.session().is_some_and(|session| session.is_offering()) {
            return self.screen.notice("not all that was offered is answered; a second exit leaves at once");
        }
        let running = self.reactor.session().map_or(0, |session| session.progress().len());
        if running > 0 && self.terminal {
            let files = if running == 1 { "one transfer".to_owned() } else { format!("{running} transfers") };
            self.screen.notice(&format!("finishing {files}; a second exit leaves at once"));
        }
    }

    /// Leaves at once.
    fn cut(&mut self, reason: LeaveReason) {
        let now = self.reactor.now();
        self.leaving.get_or_insert(Leaving { reason, by_us: true, asked: true, persists: false });
        match self.reactor.session() {
            Some(session) => session.cut(now, reason),
            None => self.exit = Some(Exit::Done),
        }
    }

    /// The files of `--send`, once somebody is there to take them.
    fn begin_sending(&mut self) {
        if !self.config.sends_input() {
            return;
        }
        let name = self.config.send_as.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "stdin".to_owned());
        match self.reactor.offer_stream(&name) {
            Ok(id) => self.stream = Some(id),
            Err(error) => self.screen.error(self.reactor.now(), &error.to_string(), error.hint()),
        }
    }

    /// Whether our user may yet say what to do with an offered file. Of two who wait for answers before they leave, who has
    /// asked to leave does not.
    fn answers_offers(&self) -> bool {
        let is_leaving = self.leaving.is_some_and(|leaving| leaving.asked);
        self.config.commands && !self.config.sends_input() && !self.input_over && !is_leaving
    }

    fn is_sending(&self) -> bool {
        !self.config.send.is_empty()
    }
}
