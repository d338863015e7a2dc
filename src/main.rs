//! Parse, run, exit code.

use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use env_logger::Target;
use log::LevelFilter;
use signal_hook::consts::SIGXFSZ;

use tete::app::address::DEFAULT_PORT;
use tete::app::code::{CodeFrom, SEEN_BY_PS};
use tete::app::config::{CodeSource, ColorChoice, Config, STDIN, Ui};
use tete::app::exit::Exit;
use tete::app::full::{Full, Manner};
use tete::app::kept::{self, Kept};
use tete::app::refused::Given;
use tete::app::screen::{Mode, Screen};
use tete::app::{App, StartError, Streams, demo, ground, identity, refused};
use tete::bench;
use tete::bench::between::far::Over;
use tete::bench::between::{self, Ground, Orders, Place};
use tete::cli::{self, Invocation};
use tete::net::event::{Ending, Heeds};
use tete::net::output::Sinks;
use tete::secure::code::OneTime;
use tete::sys;
use tete::term::capable::{self, Charset, Narrowing};
use tete::term::console::{self, Console};
use tete::term::painter::Painter;
use tete::term::plain::{Choice, Paint};
use tete::term::view::Style;

fn main() -> ExitCode {
    survive_file_limits();
    match cli::parse(std::env::args_os(), variable) {
        Err(stop) => stop.print().into(),
        Ok(Invocation::Demo) => finish(demo::run()).into(),
        Ok(Invocation::Bench(plan)) => finish(read_enough(bench::run(&plan)).map(|()| Exit::Done)).into(),
        Ok(Invocation::Between(config, code, orders)) => measure(config, code, &orders).into(),
        Ok(Invocation::Role(role, given)) => {
            let played = bench::play(&role, given);
            finish(played.unwrap_or_else(|| Err(io::Error::other("there is no such role"))).map(|()| Exit::Done)).into()
        }
        Ok(Invocation::Kept(kept)) => tell(&kept).into(),
        Ok(Invocation::Talk(config, code)) => talk(config, code).into(),
    }
}

/// A variable of the environment. Where nobody has logged in (a container, a service) there is no `LOGNAME`, and the
/// system knows the name all the same.
fn variable(name: &str) -> Option<OsString> {
    let is_login = name == "LOGNAME";
    let set = std::env::var_os(name).filter(|value| !is_login || !value.is_empty());
    set.or_else(|| if is_login { sys::login_name() } else { None })
}

/// SIGXFSZ is caught from the first file on that is written (the key of this installation), so that it does not kill: the
/// write that met the limit fails with EFBIG instead, and is told.
fn survive_file_limits() {
    // Where it cannot be caught, nothing is lost but the message.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Who does not read on has read enough.
fn read_enough(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Tells what is kept.
fn tell(kept: &Kept) -> Exit {
    match kept::run(kept) {
        Ok(text) => {
            let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
            finish(read_enough(written).map(|()| Exit::Done))
        }
        Err(error) => {
            complain(format_args!("error: {error}"));
            Exit::Failed
        }
    }
}

/// Reads the code, before anything else reads input: a person is asked for it where one sits.
fn read_code(from: CodeFrom) -> Result<CodeSource, StartError> {
    if matches!(from, CodeFrom::Argument(_)) {
        complain(format_args!("-- {SEEN_BY_PS}"));
    }
    let ask = || {
        if io::stdin().is_terminal() {
            let _ = write!(io::stderr(), "One-time code: "); // where nobody reads, nobody is asked
        }
    };
    from.read(&mut io::stdin().lock(), ask).map(CodeSource::Given)
}

/// Measures between two machines, on the ground of a conversation.
fn measure(config: Config, code: Option<CodeFrom>, orders: &Orders) -> Exit {
    let given = Given { code: code.is_some() || config.code.is_some(), plain: config.plain };
    let result = ground_of(config, code).map_err(|error| (error, Exit::Failed));
    match result.and_then(|ground| between::run(ground, orders).map_err(|over| told(over, given))) {
        Ok(()) => Exit::Done,
        Err((error, exit)) => {
            match (error.message.is_empty(), error.hint.is_empty()) {
                (true, _) => {} // who sent a signal knows
                (false, true) => complain(format_args!("error: {}", error.message)),
                (false, false) => complain(error),
            }
            exit
        }
    }
}

fn ground_of(mut config: Config, code: Option<CodeFrom>) -> Result<Ground, StartError> {
    config.code = code.map(read_code).transpose()?.or(config.code);
    let secure = if config.plain { None } else { Some(identity::load(config.config_dir.as_deref())?) };
    let settings = ground::settings(&config, secure, false, Heeds::Endings)?;
    let code = ground::code(&config)?;
    if let Some(code) = code.as_ref().filter(|_| config.code == Some(CodeSource::Make)) {
        complain(format_args!("-- {}", ground::code_words(code)));
    }
    let place = match (&config.target, config.listen) {
        (Some(target), _) => {
            Place::There { callee: ground::callee(target), patience: ground::patience(&config, false) }
        }
        (None, listen) => {
            let ip = listen.and_then(|listen| listen.ip);
            Place::Here { ip, port: listen.map_or(DEFAULT_PORT, |listen| listen.port) }
        }
    };
    Ok(Ground { settings, code: code.map(|code| OneTime::new(code, Instant::now())), place })
}

/// Why it was not measured, with an empty message if that need not be said, and what the shell is told.
fn told(over: Over, given: Given) -> (StartError, Exit) {
    let failed = |message, hint: &str| StartError { message, hint: hint.to_owned() };
    match over {
        Over::Unreached { words, hint } => (failed(words, hint), Exit::NotConnected),
        Over::NotLetIn { by, reason, words } => (refused::not_let_in(by, reason, &words, given), Exit::NotLetIn),
        Over::OtherKey { address, name, expected, got } => {
            (refused::other_key(address, name.as_deref(), &expected, &got), Exit::NotLetIn)
        }
        Over::Lost(words) => (failed(words, ""), Exit::NotConnected),
        Over::Undelivered(words) => (failed(words, ""), Exit::Undelivered),
        Over::Ending(Ending::Interrupt) => (failed(String::new(), ""), Exit::Interrupted),
        Over::Ending(_) => (failed(String::new(), ""), Exit::Terminated),
        over => (failed(over.to_string(), ""), Exit::Failed),
    }
}

fn talk(mut config: Config, code: Option<CodeFrom>) -> Exit {
    match code.map(read_code).transpose() {
        Ok(code) => config.code = code.or(config.code),
        Err(error) => return not_begun(&config, &error),
    }
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !config.json;
    // What is sent from the keyboard is a file.
    let sends_input = config.send.iter().any(|path| path == STDIN);
    let has_screen = terminal && config.ui == Ui::Auto && !is_dumb() && !sends_input;
    let (log, aside) = match start_log(&config, has_screen) {
        Ok(log) => log,
        Err(error) => {
            let message = format!("the log cannot be written: {}", sys::words(&error));
            return not_begun(
                &config,
                &StartError { message, hint: "--log names a file that can be written".to_owned() },
            );
        }
    };
    let mode = match config.json {
        true => Mode::Json,
        false if has_screen => match Console::take() {
            Ok(console) => Mode::Full(Box::new(full(console, log, &config))),
            Err(error) => {
                complain(format_args!("error: the terminal cannot be used: {error}\nhint: try --ui plain"));
                return Exit::Failed;
            }
        },
        false => Mode::Lines {
            quiet: config.quiet,
            style: style_of(&config, &io::stdout()),
            notices: style_of(&config, &io::stderr()),
        },
    };
    // Lines go to both streams, and stay in their order only where one thread writes them.
    let own = has_screen
        .then(|| sys::own_terminal(io::stdout().as_fd()))
        .and_then(|own| own.inspect_err(|error| log::debug!("the terminal cannot be opened once more: {error}")).ok());
    let at_once = own.map(|own| Box::new(own) as Box<dyn Write + Send>);
    let streams = Streams {
        input: Some(Box::new(io::stdin())),
        sinks: Sinks { out: Box::new(io::stdout()), err: Box::new(io::stderr()), at_once },
        terminal,
        mode,
        heeds: if has_screen { Heeds::Terminal } else { Heeds::Endings },
    };
    let exit = match App::new(config.clone(), streams) {
        Err(error) => not_begun(&config, &error),
        Ok(app) => finish(app.run()),
    };
    aside.into_iter().for_each(LogThread::finish);
    exit
}

/// Says why nothing has begun, to people and to who reads events.
fn not_begun(config: &Config, error: &StartError) -> Exit {
    if config.json {
        // Where nobody reads there is still the exit code.
        let _ = io::stdout().write_all(Screen::not_begun(&error.message, &error.hint).as_bytes());
    }
    complain(error);
    Exit::Failed
}

/// Where nobody reads there is nobody to tell that nobody reads.
fn complain(what: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{what}");
}

fn finish(result: io::Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) => {
            complain(format_args!("error: {error}"));
            Exit::Failed
        }
    }
}

fn is_dumb() -> bool {
    capable::is_dumb(text_of("TERM").as_deref())
}

fn full(console: Console, log: Option<Receiver<String>>, config: &Config) -> Full {
    console::survive_panics();
    let style = style_of(config, &io::stdout());
    let painter = Painter::new(Narrowing::decide(text_of));
    Full::new(console, painter, style, Manner { quiet: config.quiet, bell: config.bell }, log)
}

/// How a stream is written to: a pipe, and a file, with all characters, and with colours only if that was asked for.
fn style_of(config: &Config, stream: &impl IsTerminal) -> Style {
    let terminal = stream.is_terminal();
    Style { paint: paint(config, terminal), charset: if terminal { charset() } else { Charset::Unicode } }
}

/// What the terminal can show.
fn charset() -> Charset {
    let [all, kind, lang] = ["LC_ALL", "LC_CTYPE", "LANG"].map(text_of);
    Charset::decide(all.as_deref(), kind.as_deref(), lang.as_deref())
}

/// A variable of the environment, with U+FFFD for what is not UTF-8.
fn text_of(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn paint(config: &Config, terminal: bool) -> Paint {
    let choice = match config.color {
        ColorChoice::Auto => Choice::Auto,
        ColorChoice::Always => Choice::Always,
        ColorChoice::Never => Choice::Never,
    };
    let no_color = text_of("NO_COLOR").is_some_and(|value| !value.is_empty());
    Paint::decide(choice, terminal && config.ui == Ui::Auto, no_color, is_dumb())
}

/// Records that wait to be shown among the notices; more of them are left out.
const LOG_LINES: usize = 256;
/// The same for standard error, where all are wanted that somebody can read: some megabytes.
const LOG_WAITING: usize = 16 * 1024;
/// How long the end waits for who reads the log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it is through.
const LOG_PAUSE: Duration = Duration::from_millis(2);

/// The log on its way to whoever shows it. What finds no room is left out: the log must not stop who writes it.
struct LogLines {
    to: SyncSender<String>,
    /// What each record begins with.
    mark: &'static str,
    /// Records that found no room since one did.
    left_out: usize,
}

impl LogLines {
    fn new(to: SyncSender<String>, mark: &'static str) -> Box<Self> {
        Box::new(Self { to, mark, left_out: 0 })
    }
}

impl Write for LogLines {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if self.left_out > 0 {
            let words = format!("{}left out of the log: {} records\n", self.mark, self.left_out);
            self.left_out = if self.to.try_send(words).is_ok() { 0 } else { self.left_out };
        }
        let is_taken = self.to.try_send(String::from_utf8_lossy(record).into_owned()).is_ok();
        self.left_out += usize::from(!is_taken);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the log to standard error, and waits there where nobody reads it, while everything else goes on.
struct LogThread {
    lines: SyncSender<String>,
    thread: JoinHandle<()>,
}

impl LogThread {
    fn start() -> io::Result<Self> {
        let (lines, waiting) = mpsc::sync_channel::<String>(LOG_WAITING);
        let work = move || {
            // No record is empty: that is the end.
            for record in waiting.iter().take_while(|record| !record.is_empty()) {
                let _ = io::stderr().write_all(record.as_bytes()); // where nobody can read, nobody wants to
            }
        };
        let thread = sys::start_thread("log", Box::new(work))?;
        Ok(Self { lines, thread })
    }

    /// Waits until all is written, for as long as that may take.
    fn finish(self) {
        let latest = Instant::now() + LOG_PATIENCE;
        let ends = self.lines.try_send(String::new()).is_ok();
        while ends && !self.thread.is_finished() && Instant::now() < latest {
            thread::sleep(LOG_PAUSE); // paced: it is the end, and mostly there is nothing to wait for
        }
    }
}

/// The log goes to a file, or to standard error; `RUST_LOG` is finer than `-v`. On a screen of our own it stands among
/// the notices, and only what is worth that: showing it is itself something that `debug` and `trace` tell of.
fn start_log(config: &Config, has_screen: bool) -> io::Result<(Option<Receiver<String>>, Option<LogThread>)> {
    let level = match config.verbose {
        0 => LevelFilter::Off,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut logger = env_logger::Builder::new();
    logger.filter_level(level).parse_default_env();
    if let Some(path) = &config.log {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        logger.target(Target::Pipe(Box::new(file))).init();
        return Ok((None, None));
    }
    if has_screen && io::stderr().is_terminal() {
        let (lines, shown) = mpsc::sync_channel(LOG_LINES);
        logger.format(|out, record| writeln!(out, "[{} {}] {}", record.level(), record.target(), record.args()));
        logger.target(Target::Pipe(LogLines::new(lines, ""))).init();
        if log::max_level() > LevelFilter::Info {
            log::set_max_level(LevelFilter::Info);
            log::info!("debug and trace go to a file: --log FILE");
        }
        return Ok((Some(shown), None));
    }
    // Among the notices: a line of the log looks like one of them, so that nothing else can begin a line there.
    logger.format(|out, record| writeln!(out, "-- [{} {}] {}", record.level(), record.target(), record.args()));
    let is_wanted = config.verbose > 0 || std::env::var_os("RUST_LOG").is_some();
    let aside = is_wanted.then(LogThread::start).transpose()?;
    if let Some(aside) = &aside {
        logger.target(Target::Pipe(LogLines::new(aside.lines.clone(), "-- ")));
    }
    logger.init();
    Ok((None, aside))
}
