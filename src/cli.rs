//! The command line: flags and words in, [`Config`] out.
//!
//! Owns: the flags, their texts, which of them exclude each other, the environment's defaults for them.
//! Must not know: what the settings do. It opens nothing, asks nobody and never ends the process.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::app::address::{Listen, Target};
use crate::app::code::CodeFrom;
use crate::app::config::{Accept, CodeSource, ColorChoice, Config, DEFAULT_LINGER, Family, STDIN, Trust, Ui, Wait};
use crate::app::exit::{Exit, UsageError};
use crate::app::kept::{Kept, Task};
use crate::bench::between::Orders;
use crate::bench::plan::Plan;
use crate::bench::role::Given;

use values::{choice, name, prefix, rate, seconds, send_as, target};

mod bench;
mod between;
mod help;
mod man;
mod values;

/// The ways to begin, as the man page has them.
const USAGE: &str = "\
tete [OPTIONS] [PEER]
tete demo | bench
tete id | peers [forget NAME] | partial [clean]
tete completions SHELL | man";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// A conversation. A code that is yet to be read from somewhere is the caller's to read, before anything else,
    /// and to put into the settings.
    Talk(Config, Option<CodeFrom>),
    /// What is kept is to be told or changed.
    Kept(Kept),
    /// The demonstration, which needs to be told nothing.
    Demo,
    /// The benchmark.
    Bench(Plan),
    /// A measurement between two machines, over a conversation with these settings. The code as for one to talk.
    Between(Config, Option<CodeFrom>, Orders),
    /// A part in a benchmark that another process of ours runs: the role's name, and what it was given.
    Role(OsString, Given),
}

/// Why nothing is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A text was asked for: of `--help` or `--version`, a man page, completions.
    Show(String),
    /// The command line cannot be meant.
    Usage(UsageError),
}

impl Stop {
    /// Says it: a text that was asked for on standard output, an error on standard error.
    /// Returns how the run ended.
    pub fn print(&self) -> Exit {
        // Where nobody reads there is nobody to tell that nobody reads.
        match self {
            Self::Show(text) => match std::io::stdout().write_all(text.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    let _ = writeln!(std::io::stderr(), "error: {error}");
                    Exit::Failed
                }
                _ => Exit::Done,
            },
            Self::Usage(error) => {
                let _ = writeln!(std::io::stderr(), "{error}");
                Exit::Usage
            }
        }
    }
}

impl From<UsageError> for Stop {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl Stop {
    /// That clap does not take these words.
    fn of(error: &clap::Error, line: &[OsString]) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Self::Show(text);
        }
        // clap says what is wrong in a first paragraph, perhaps of several lines, and what to do in lines of tips.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wrong = text.split("\n\n").next().unwrap_or(&text);
        let wrong = words(wrong.strip_prefix("error: ").unwrap_or(wrong));
        let tips: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
        let command = line.get(1).and_then(|word| word.to_str());
        let lists = match command.filter(|word| Cli::command().find_subcommand(word).is_some()) {
            Some(command) => format!("tete {command} --help lists what there is"),
            None => "tete --help lists what there is".to_owned(),
        };
        let hint = if tips.is_empty() { lists } else { tips.join("; ") };
        Self::Usage(UsageError::new(wrong, hint))
    }
}

#[derive(Parser)]
#[command(
    name = "tete",
    version,
    about = "A private conversation between two terminals: text both ways, files both ways.",
    override_usage = USAGE,
    disable_help_subcommand = true,
    term_width = 80
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[arg(num_args = 0..=2, value_hint = ValueHint::Hostname, help = "HOST, HOST:PORT, [V6]:PORT, PORT, KEY@HOST:PORT or a known name")]
    peer: Vec<OsString>,
    /// How the peer sees you (login; env TETE_NAME)
    #[arg(short, long)]
    name: Option<String>,
    /// Where to listen; port 0: any free one
    #[arg(short, long, value_name = "[ADDR:]PORT")]
    listen: Option<String>,
    /// Where received files go (this folder)
    #[arg(short = 'd', long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    into: Option<PathBuf>,
    /// Before their names (fetched_; env TETE_PREFIX)
    #[arg(long, value_name = "STR")]
    prefix: Option<String>,
    /// Keys talked to: known, ask, new
    #[arg(long, value_name = "WHICH", value_parser = choice(&values::TRUST), hide_possible_values = true)]
    trust: Option<Trust>,
    /// First meeting: CODE, -, @FILE (env TETE_CODE)
    #[arg(long, value_name = "CODE")]
    code: Option<OsString>,
    /// Make a one-time code and show it
    #[arg(long)]
    new_code: bool,
    /// Offered files: auto, ask, never (auto)
    #[arg(long, value_name = "WHEN", value_parser = choice(&values::ACCEPT), hide_possible_values = true)]
    accept: Option<Accept>,
    /// Send these (-: stdin) and leave; PEER first
    #[arg(long, value_name = "PATH", num_args = 0.., value_hint = ValueHint::FilePath)]
    send: Option<Vec<OsString>>,
    /// Name of the file that --send - sends
    #[arg(long = "as", value_name = "NAME")]
    send_as: Option<String>,
    /// Stop dialling after (30; on a terminal never)
    #[arg(short, long, value_name = "SECS")]
    wait: Option<String>,
    /// No encryption; both sides must ask for it
    #[arg(long)]
    plain: bool,
    /// Events as NDJSON on stdout, no prompts
    #[arg(long, global = true)]
    json: bool,
    /// auto, or plain: lines, also on a terminal
    #[arg(long, value_name = "HOW", value_parser = choice(&values::UI), hide_possible_values = true)]
    ui: Option<Ui>,
    /// Ring the terminal's bell when a message arrives
    #[arg(long)]
    bell: bool,
    /// When the peer leaves, wait for the next
    #[arg(long)]
    stay: bool,
    /// How long to wait for a lost peer (600; 0: not)
    #[arg(long, value_name = "SECS")]
    linger: Option<String>,
    /// Bytes a second for files: 10M, 10Mi
    #[arg(long, value_name = "RATE")]
    limit: Option<String>,
    /// Delivered before the disk has it
    #[arg(long)]
    no_sync: bool,
    /// Every line of input is a message
    #[arg(long)]
    no_commands: bool,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// Say less
    #[arg(short, long)]
    quiet: bool,
    /// auto, always, never (auto)
    #[arg(long, value_name = "WHEN", value_parser = choice(&values::COLOR), hide_possible_values = true)]
    color: Option<ColorChoice>,
    /// Where keys and peers are (env TETE_HOME)
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    config_dir: Option<PathBuf>,
    /// Log more; -vv still more (also RUST_LOG)
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log into FILE instead of stderr
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    log: Option<PathBuf>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Show a whole conversation in one terminal, with an embedded partner
    Demo,
    /// Measure what moving files costs on this machine, beside the least that it could do
    Bench(Box<bench::Choices>),
    /// Show the key of this installation, and how others call it
    Id,
    /// List the known peers; forget NAME knows one of them no longer
    Peers {
        #[command(subcommand)]
        command: Option<PeersCommand>,
    },
    /// List the files that did not arrive whole; clean removes those that no running tete has
    Partial {
        #[command(subcommand)]
        command: Option<PartialCommand>,
    },
    /// Print what a shell completes commands by: bash, zsh, fish, elvish, powershell
    Completions {
        /// Which shell
        shell: Option<Shell>,
    },
    /// Print the man page
    Man,
}

#[derive(Clone, Subcommand)]
enum PeersCommand {
    /// Know this one no longer: he is met as if for the first time
    Forget {
        /// As tete peers has it
        name: String,
    },
}

#[derive(Clone, Subcommand)]
enum PartialCommand {
    /// Remove those that no running tete has
    Clean,
}

/// Reads a command line, of which the first word is the program's name, and the environment's defaults.
///
/// # Errors
/// Help or the version was asked for, or the command line cannot be meant.
pub fn parse(
    args: impl Iterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Invocation, Stop> {
    let mut words: Vec<OsString> = args.collect();
    if let Some((role, given)) = Given::of(&words) {
        return Ok(Invocation::Role(role.to_owned(), given));
    }
    // What stands behind `--` is words whatever it looks like; whether PEER or files, clap cannot know.
    let mut behind = match words.iter().position(|word| word == "--") {
        Some(at) => words.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let read = |words: &[OsString]| help::of(Cli::command()).try_get_matches_from(words);
    let stop = |error: clap::Error, words: &[OsString]| Stop::of(&error, words);
    let matches = match read(&words) {
        // The name of whom to forget stands behind.
        Err(error)
            if error.kind() == ErrorKind::MissingRequiredArgument
                && !behind.is_empty()
                && words.iter().any(|word| word == "forget") =>
        {
            words.push("--".into());
            words.append(&mut behind);
            read(&words).map_err(|error| stop(error, &words))?
        }
        matches => matches.map_err(|error| stop(error, &words))?,
    };
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| stop(error, &words))?;
    if let Some(command) = cli.command.take() {
        refuse_strangers_to(&command, &matches, !behind.is_empty())?;
        return cli.into_command(command, environment);
    }
    cli.place_words(behind);
    cli.refuse_conflicts()?;
    let from = cli.code.take().map(CodeFrom::parse).transpose()?;
    let config = complete(cli.into_config(&environment)?, from.is_some(), &environment)?;
    Ok(Invocation::Talk(config, from))
}

/// With what the environment has to add, if the parts of it agree. `has_code`: one was given on the command line.
fn complete(
    mut config: Config,
    has_code: bool,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Config, UsageError> {
    if !has_code && config.code.is_none() && !config.plain {
        config.code = values::code(environment)?.map(CodeSource::Given);
    }
    refuse_other_family(&config)?;
    if config.plain && config.target.as_ref().is_some_and(|target| target.pin.is_some()) {
        return Err(UsageError::plain_has_no_keys());
    }
    Ok(config)
}

/// What a command has no use for is a mistake, not a detail: `tete bob id` might be meant as a call.
fn refuse_strangers_to(command: &Command, matches: &ArgMatches, words_behind: bool) -> Result<(), UsageError> {
    let (name, between) = match command {
        Command::Demo => ("demo", false),
        Command::Bench(choices) => ("bench", choices.between.is_wanted()),
        Command::Id => ("id", false),
        Command::Peers { .. } => ("peers", false),
        Command::Partial { .. } => ("partial", false),
        Command::Completions { .. } => ("completions", false),
        Command::Man => ("man", false),
    };
    let own = if between { &["json", "config_dir"] } else { help::options_of(name) };
    // Options have no defaults in clap but the flags, which are then false: each other that it knows of was typed.
    let was_typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let known = Cli::command();
    let mut ids = known.get_arguments().map(|arg| arg.get_id().as_str());
    if !words_behind && !ids.any(|id| was_typed(&id) && !own.contains(&id)) {
        return Ok(());
    }
    let takes = match own {
        [] => "no options and no PEER",
        ["json"] => "its own options and --json, and nothing else",
        ["json", "config_dir"] => "--json and --config-dir, and nothing else",
        _ => "--json, --config-dir and --into, and nothing else",
    };
    let hint = format!("to call a host or a peer of that name: -- {name}");
    Err(UsageError::new(format!("{name} takes {takes}"), hint))
}

impl Cli {
    /// Words behind `--` are files while `--send` still takes some: when it has none yet, or PEER stands before.
    fn place_words(&mut self, behind: Vec<OsString>) {
        match &mut self.send {
            Some(files) if files.is_empty() || !self.peer.is_empty() => files.extend(behind),
            _ => self.peer.extend(behind),
        }
        self.find_peer_behind_files();
    }

    /// `--send a b HOST:PORT`, or `HOST PORT`: the files have swallowed PEER. A last word that is no file, and says where
    /// somebody listens, can be nothing else; nor can a word before a mere port that is no file either.
    fn find_peer_behind_files(&mut self) {
        let Some(files) = self.send.as_mut().filter(|files| self.peer.is_empty() && files.len() > 1) else { return };
        let is_peer = |word: &mut OsString| {
            let is_port = word.to_str().is_some_and(|word| word.parse::<u16>().is_ok());
            let says_where = |target: Target| target.port_given || target.pin.is_some() || target.host.contains(':');
            let target = target(std::slice::from_ref(word)).ok().flatten();
            (is_port || target.is_some_and(says_where)) && !Path::new(word).exists()
        };
        let Some(last) = files.pop_if(is_peer) else { return };
        let is_host = |word: &mut OsString| {
            target(&[word.clone(), last.clone()]).is_ok_and(|target| target.is_some()) && !Path::new(word).exists()
        };
        let host = if files.len() > 1 { files.pop_if(is_host) } else { None };
        self.peer.extend(host.into_iter().chain([last]));
    }

    fn refuse_conflicts(&self) -> Result<(), UsageError> {
        let fail = |message: &str, hint: &str| Err(UsageError::new(message, hint));
        let files = self.send.as_deref().unwrap_or_default();
        let from_stdin = files.iter().filter(|file| *file == STDIN).count();
        if self.send.is_some() && files.is_empty() {
            return fail("--send needs a file", "tete PEER --send PATH...; - sends standard input");
        }
        if files.iter().any(|file| file.is_empty()) {
            return fail("--send has a file without a name", "look at the quotes and variables of the command");
        }
        if from_stdin > 1 {
            return fail("--send can send standard input only once", "give - once");
        }
        if self.send_as.is_some() && from_stdin == 0 {
            return fail("--as names what --send - sends, and there is no such", "files keep their names");
        }
        if self.stay && self.send.is_some() {
            return fail("--stay waits for the next caller, and --send leaves", "give one of them");
        }
        if self.stay && !self.peer.is_empty() && self.listen.is_none() {
            return fail("--stay waits for the next caller: say where with -l", "add -l PORT, or leave out --stay");
        }
        if self.code.is_some() && self.new_code {
            return fail("--code has the other side's code, --new-code makes one", "give one of them");
        }
        if self.plain && (self.code.is_some() || self.new_code) {
            let flag = if self.new_code { "--new-code" } else { "--code" };
            let message = format!("{flag} proves who is there, which --plain cannot");
            return fail(&message, "leave out --plain on both sides, or the code");
        }
        if self.json && (self.ui.is_some() || self.bell) {
            let flag = if self.bell { "--bell" } else { "--ui" };
            return fail(&format!("--json has no terminal for {flag}"), "give one of them");
        }
        Ok(())
    }

    fn into_command(
        self,
        command: Command,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Invocation, Stop> {
        let task = match command {
            Command::Demo => return Ok(Invocation::Demo),
            Command::Bench(choices) if choices.between.is_wanted() => {
                let (mut config, from, orders) = choices.into_between(self.json, &environment)?;
                config.config_dir = values::config_dir(self.config_dir, &environment);
                let config = complete(config, from.is_some(), &environment)?;
                return Ok(Invocation::Between(config, from, orders));
            }
            Command::Bench(choices) => return Ok(Invocation::Bench(choices.into_plan(self.json)?)),
            Command::Completions { shell } => return Err(completions(shell)),
            Command::Man => return Err(Stop::Show(man::page(Self::command()))),
            Command::Id => Task::Id,
            Command::Partial { command } => {
                let folder = self.into.clone().unwrap_or_else(|| PathBuf::from("."));
                Task::Partial { folder, clean: command.is_some() }
            }
            Command::Peers { command: None } => Task::Peers,
            Command::Peers { command: Some(PeersCommand::Forget { name }) } => Task::Forget(name),
        };
        let config_dir = values::config_dir(self.config_dir, environment);
        Ok(Invocation::Kept(Kept { task, config_dir, json: self.json }))
    }

    fn into_config(self, environment: impl Fn(&str) -> Option<OsString>) -> Result<Config, UsageError> {
        let name_given = self.name.is_some();
        Ok(Config {
            name: name(self.name, &environment)?,
            name_given,
            listen: self.listen.as_deref().map(Listen::parse).transpose()?,
            target: target(&self.peer)?,
            into: self.into.unwrap_or_else(|| PathBuf::from(".")),
            prefix: prefix(self.prefix, &environment)?,
            trust: self.trust,
            code: self.new_code.then_some(CodeSource::Make),
            accept: self.accept,
            send: self.send.unwrap_or_default(),
            send_as: self.send_as.map(send_as).transpose()?,
            wait: match self.wait.as_deref() {
                None => Wait::Usual,
                Some("never") => Wait::Forever,
                Some(text) => Wait::AtMost(seconds("--wait", text)?),
            },
            plain: self.plain,
            json: self.json,
            ui: self.ui.unwrap_or(Ui::Auto),
            bell: self.bell,
            stay: self.stay,
            linger: self.linger.map_or(Ok(DEFAULT_LINGER), |text| seconds("--linger", &text))?,
            limit: self.limit.as_deref().map(rate).transpose()?,
            sync: !self.no_sync,
            commands: !self.no_commands,
            family: match (self.v4, self.v6) {
                (true, _) => Family::V4,
                (_, true) => Family::V6,
                _ => Family::Any,
            },
            quiet: self.quiet,
            color: self.color.unwrap_or(ColorChoice::Auto),
            verbose: self.verbose,
            log: self.log,
            config_dir: values::config_dir(self.config_dir, environment),
        })
    }
}

/// What a shell completes our command lines by.
fn completions(shell: Option<Shell>) -> Stop {
    let Some(shell) = shell else {
        let all = Shell::value_variants().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return UsageError::new("completions needs a shell", format!("tete completions SHELL, one of {all}")).into();
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tete", &mut script); // into memory: it cannot fail
    Stop::Show(String::from_utf8_lossy(&script).into_owned())
}

/// An address of one kind cannot be used with the other kind alone. Names are not looked up here.
fn refuse_other_family(config: &Config) -> Result<(), UsageError> {
    let (flag, kind, other): (_, _, fn(&str) -> bool) = match config.family {
        Family::Any => return Ok(()),
        Family::V4 => ("-4", "an IPv6 address", |host| host.contains(':')),
        Family::V6 => ("-6", "an IPv4 address", |host| host.parse::<std::net::Ipv4Addr>().is_ok()),
    };
    let called = config.target.as_ref().map(|target| target.host.clone());
    let listened = config.listen.and_then(|listen| listen.ip).map(|ip| ip.to_string());
    match called.into_iter().chain(listened).find(|host| other(host)) {
        Some(host) => Err(UsageError::new(format!("{flag} excludes {host}, {kind}"), format!("leave out {flag}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
