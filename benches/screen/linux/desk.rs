//! Somebody at a terminal and the other side: two processes of the program.
//!
//! Owns: how they are started and meet, what is asked of them, what they have cost.
//! Must not know: how keys are timed, what is compared.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::terminal::{Terminal, environment};
use tete::bench::scratch::Scratch;

/// As cargo has built it for this benchmark, with the same optimisations.
const PROGRAM: &str = env!("CARGO_BIN_EXE_tete");

/// Time without anything new after which a run has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time without anything new after which nothing more comes.
const CALM: Duration = Duration::from_millis(60);

/// What stands before the line being typed.
pub(crate) const LABEL: &str = "ann>";

/// What reached this process.
#[derive(Debug)]
pub(crate) enum Heard {
    /// On the terminal.
    Shown(Instant, Vec<u8>),
    /// On the terminal of somebody who only echoes.
    Echoed(Instant, Vec<u8>),
    /// An event of the other side.
    Told(Value),
}

/// How the terminal is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ui {
    /// All of it.
    Full,
    /// Lines in, lines out.
    Plain,
}

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nothing.
    Idle,
    /// A file comes to the terminal's side.
    Arriving,
    /// A file goes from there.
    Sending,
    /// So many texts come there.
    Texts(usize),
}

impl Load {
    /// As a table calls it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Arriving => "while a file arrives",
            Self::Sending => "while a file is sent",
            Self::Texts(_) => "while texts arrive",
        }
    }
}

/// How far it is, by what the other side tells.
#[derive(Debug)]
pub(crate) struct Watch {
    load: Load,
    /// Texts that the other side has said, and the number of the last one.
    said: usize,
    last: u64,
}

impl Watch {
    /// Nothing has begun.
    pub(crate) fn new(load: Load) -> Self {
        Self { load, said: 0, last: 0 }
    }

    /// Whether a file is under way by now.
    pub(crate) fn has_begun(event: &Value) -> bool {
        event["event"] == "progress"
    }

    /// Whether all of it is over by now.
    pub(crate) fn is_over(&mut self, event: &Value) -> bool {
        let seq = event["seq"].as_u64().unwrap_or_default();
        match (self.load, event["event"].as_str()) {
            (Load::Arriving, Some("sent")) | (Load::Sending, Some("received")) => true,
            (Load::Texts(_), Some("queued")) => {
                (self.said, self.last) = (self.said + 1, seq);
                false
            }
            (Load::Texts(all), Some("delivered")) => self.said == all && seq == self.last,
            _ => false,
        }
    }
}

/// The other side, killed when this is dropped.
struct Partner {
    child: Child,
    input: ChildStdin,
}

impl Drop for Partner {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the other side could not be ended: {error}");
        }
    }
}

/// Both.
pub(crate) struct Desk {
    heard: Receiver<Heard>,
    /// Who hears for us, to be had by others whose words shall come in the same order.
    pub(crate) said: Sender<Heard>,
    pub(crate) terminal: Terminal,
    partner: Partner,
    file: PathBuf,
    into: PathBuf,
    pub(crate) home: PathBuf,
}

impl Desk {
    /// Starts both and waits until they are connected.
    ///
    /// Files go as fast as `limit` has it, in bytes a second.
    pub(crate) fn new(ui: Ui, file: &Path, limit: Option<u64>, scratch: &mut Scratch) -> io::Result<Self> {
        let (into, home) = (scratch.destination()?, scratch.destination()?);
        let (said, heard) = channel();
        let limit: Vec<String> = limit.map(|limit| format!("--limit={limit}")).into_iter().collect();
        let (partner, events) = Partner::start(&into, &home, &limit)?;
        let told = said.clone();
        let listen = move || {
            for line in events.lines().map_while(Result::ok) {
                // Nobody wants to know any more.
                if serde_json::from_str(&line).is_ok_and(|event| told.send(Heard::Told(event)).is_err()) {
                    return;
                }
            }
        };
        thread::Builder::new().name("events".into()).spawn(listen)?;

        let listening = event(&heard, "listening")?;
        let port = listening["port"].to_string();
        let folder = into.to_string_lossy();
        let mut argv = vec![PROGRAM, "--name", "ann", "--into", &folder, &port];
        argv.extend(limit.iter().map(String::as_str));
        argv.extend((ui == Ui::Plain).then_some(["--ui", "plain"]).into_iter().flatten());
        let terminal = Terminal::start(&argv, &home, said.clone(), Heard::Shown)?;
        event(&heard, "connected")?;
        Ok(Self { heard, said, terminal, partner, file: file.to_owned(), into, home })
    }

    /// What is heard next, if anything is until then.
    pub(crate) fn next(&self, until: Instant) -> io::Result<Option<Heard>> {
        next(&self.heard, until)
    }

    /// The same, but something must come.
    pub(crate) fn must_hear(&self) -> io::Result<Heard> {
        must_hear(&self.heard)
    }

    /// Waits until nothing more comes; hands on what is shown meanwhile.
    pub(crate) fn calm(&self, mut shown: impl FnMut(Instant, &[u8])) -> io::Result<()> {
        while let Some(heard) = self.next(Instant::now() + CALM)? {
            if let Heard::Shown(at, bytes) = heard {
                shown(at, &bytes);
            }
        }
        Ok(())
    }

    /// Begins what shall go on. Nothing may stand typed.
    pub(crate) fn begin(&mut self, load: Load) -> io::Result<()> {
        let path = self.file.to_string_lossy().into_owned();
        match load {
            Load::Idle => Ok(()),
            Load::Arriving => self.partner.tell(&json!({ "transfer": path })),
            Load::Sending => self.terminal.press(format!("transfer {path}\r").as_bytes()),
            Load::Texts(n) => {
                // It takes them as the window allows, and this must not wait for that.
                let mut input = File::from(self.partner.input.as_fd().try_clone_to_owned()?);
                thread::Builder::new().name("texts".into()).spawn(move || {
                    let all: String = (0..n).map(|at| format!("this is text number {at} of quite a few\n")).collect();
                    // Whoever is gone hears nothing more, which is told elsewhere.
                    input.write_all(all.as_bytes())
                })?;
                Ok(())
            }
        }
    }

    /// Removes what was received, so that it never is much.
    pub(crate) fn clear(&self) -> io::Result<()> {
        fs::read_dir(&self.into)?.try_for_each(|entry| fs::remove_file(entry?.path()))
    }

    /// Seconds that the processors have worked for who sits at the terminal.
    pub(crate) fn cpu(&self) -> io::Result<f64> {
        tete::bench::figures::cpu_seconds_of(self.terminal.pid()?)
    }
}

impl Partner {
    fn start(into: &Path, home: &Path, limit: &[String]) -> io::Result<(Self, impl BufRead + Send + 'static)> {
        // A session of its own, as the one at the terminal has: Linux shares the processors out among sessions first
        // (sched(7), autogroups), and what one of them takes must not be taken from whoever looks at the clock here.
        let mut command = Command::new("setsid");
        command.args([PROGRAM, "--json", "--name", "bob", "--listen", "127.0.0.1:0", "--into"]).arg(into).args(limit);
        command.env_clear().envs(environment(home)).current_dir(home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process was started without its pipes"));
        };
        Ok((Self { child, input }, BufReader::new(output)))
    }

    fn tell(&mut self, line: &Value) -> io::Result<()> {
        writeln!(self.input, "{line}")
    }
}

fn next(heard: &Receiver<Heard>, until: Instant) -> io::Result<Option<Heard>> {
    match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(Heard::Told(event)) if matches!(event["event"].as_str(), Some("transfer_failed" | "error" | "closed")) => {
            Err(io::Error::other(format!("the other side says {event}")))
        }
        Ok(heard) => Ok(Some(heard)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("nobody is there any more")),
    }
}

fn must_hear(heard: &Receiver<Heard>) -> io::Result<Heard> {
    let words = || io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", PATIENCE.as_secs()));
    next(heard, Instant::now() + PATIENCE)?.ok_or_else(words)
}

/// Waits for an event of the other side.
fn event(heard: &Receiver<Heard>, name: &str) -> io::Result<Value> {
    loop {
        if let Heard::Told(event) = must_hear(heard)?
            && event["event"] == name
        {
            return Ok(event);
        }
    }
}
