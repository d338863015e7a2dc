//! Parse, run, exit code.

use std::ffi::OsStr;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use tete::app::code::{CodeFrom, SEEN_BY_PS};
use tete::app::config::{CodeSource, ColorChoice, Config, Ui};
use tete::app::exit::Exit;
use tete::app::kept::{self, Kept};
use tete::app::screen::Mode;
use tete::app::{App, StartError, Streams, demo};
use tete::cli::{self, Invocation};
use tete::net::output::Sinks;
use tete::term::capable::is_dumb;
use tete::term::plain::{Choice, Paint};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Err(stop) => stop.print().into(),
        Ok(Invocation::Demo) => finish(demo::run()).into(),
        Ok(Invocation::Kept(kept)) => tell(&kept).into(),
        Ok(Invocation::Talk(config, code)) => talk(config, code).into(),
    }
}

/// Tells what is kept.
fn tell(kept: &Kept) -> Exit {
    match kept::run(kept) {
        Ok(text) => match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            result => finish(result.map(|()| Exit::Done)),
        },
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

fn talk(mut config: Config, code: Option<CodeFrom>) -> Exit {
    match code.map(read_code).transpose() {
        Ok(code) => config.code = code.or(config.code),
        Err(error) => {
            complain(format_args!("{error}"));
            return Exit::Failed;
        }
    }
    if let Err(error) = start_log(&config) {
        complain(format_args!("error: the log cannot be written: {error}"));
        return Exit::Failed;
    }
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !config.json;
    let mode = match config.json {
        true => Mode::Json,
        false => Mode::Lines { quiet: config.quiet, paint: paint(&config) },
    };
    let streams = Streams {
        input: Some(Box::new(io::stdin())),
        sinks: Sinks { out: Box::new(io::stdout()), err: Box::new(io::stderr()) },
        terminal,
        mode,
        signals: true,
    };
    match App::new(config, streams) {
        Err(error) => {
            complain(format_args!("{error}"));
            Exit::Failed
        }
        Ok(app) => finish(app.run()),
    }
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

fn paint(config: &Config) -> Paint {
    let choice = match config.color {
        ColorChoice::Auto => Choice::Auto,
        ColorChoice::Always => Choice::Always,
        ColorChoice::Never => Choice::Never,
    };
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let terminal = io::stdout().is_terminal() && config.ui == Ui::Auto;
    let dumb = is_dumb(set("TERM").as_deref().and_then(OsStr::to_str));
    Paint::decide(choice, terminal, set("NO_COLOR").is_some(), dumb)
}

/// The log goes to a file, or to standard error; `RUST_LOG` is finer than `-v`.
fn start_log(config: &Config) -> io::Result<()> {
    let level = match config.verbose {
        0 => log::LevelFilter::Off,
        1 => log::LevelFilter::Info,
        2 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    let mut logger = env_logger::Builder::new();
    logger.filter_level(level).parse_default_env();
    if config.log.is_none() {
        // Among the notices: a line of the log looks like one of them, so that nothing else can begin a line there.
        logger.format(|out, record| writeln!(out, "-- [{} {}] {}", record.level(), record.target(), record.args()));
    }
    if let Some(path) = &config.log {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        logger.target(env_logger::Target::Pipe(Box::new(file)));
    }
    logger.init();
    Ok(())
}
