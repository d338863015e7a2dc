//! The two processes of a run: this program, started again as the receiver and as the sender.
//!
//! Owns: their start, their pipes, their end. Must not know: what they measure.
//!
//! ```text
//!   this process --- as receiver ... ------------> receiver: listens, prints "port 4711" and "ready 0"
//!                --- as sender ... --port 4711 --> sender: measures, prints its figures, ends
//!                <-- figures --------------------- receiver: prints its figures when the sender is done, ends
//! ```
//!
//! Both are new for every run, so that the peak of the memory and the time of the processors are this run's alone.
//! Each has an end of a pipe as its standard input; when that closes, whatever the reason, nobody waits for it any
//! more and it ends ([`end_with_parent`]). They stand in process groups of their own: a Ctrl-C ends this process, and
//! they follow.

use std::io::{self, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::sys;

use super::calls::{self, Calls};
use super::figures::Figures;
use super::role::Role;

/// Between the figures that a sender needs and those that were measured.
const READY: &str = "ready";

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// Measured by the sender.
    pub sender: Figures,
    /// Measured by the receiver.
    pub receiver: Figures,
}

/// Runs a receiver and a sender to their ends.
///
/// # Errors
/// One of them could not be started, or failed: it has said why on standard error.
pub fn run(receiver: &Role, sender: Role) -> io::Result<Outcome> {
    run_under(receiver, sender, None)
}

/// The same with each of them under strace, which leaves its summaries in `folder`: slow, and not to be timed. Gives
/// their calls too, the sender's first.
///
/// # Errors
/// As of [`run`], and those of reading the summaries.
pub fn run_counted(folder: &Path, receiver: &Role, sender: Role) -> io::Result<(Outcome, [Calls; 2])> {
    let files = ["sender", "receiver"].map(|side| folder.join(format!("calls-{side}")));
    let outcome = run_under(receiver, sender, Some([&files[0], &files[1]]))?;
    Ok((outcome, [Calls::read(&files[0])?, Calls::read(&files[1])?]))
}

fn run_under(receiver: &Role, mut sender: Role, counted: Option<[&Path; 2]>) -> io::Result<Outcome> {
    let mut receiving = Helper::start("receiver", receiver, counted.map(|files| files[1]))?;
    for (name, value) in receiving.ready()?.iter() {
        sender = sender.option(name, value.to_string());
    }
    let sending = Helper::start("sender", &sender, counted.map(|files| files[0]))?;
    let sender = sending.finish()?;
    Ok(Outcome { sender, receiver: receiving.finish()? })
}

/// A process of ours.
#[derive(Debug)]
pub struct Helper {
    what: &'static str,
    child: Child,
    /// Dropping it is what ends the process.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts it; `counted`: under strace, whose summary goes there.
    ///
    /// # Errors
    /// The system's.
    pub fn start(what: &'static str, role: &Role, counted: Option<&Path>) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = match counted {
            None => Command::new(program),
            Some(into) => calls::command(&program, into),
        };
        command.args(role.words()).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process was started without its pipes"));
        };
        Ok(Self { what, child, input: Some(input), output: BufReader::new(output) })
    }

    /// Waits until it is ready; gives what the other one needs.
    ///
    /// # Errors
    /// It ended before.
    pub fn ready(&mut self) -> io::Result<Figures> {
        Figures::read(&mut self.output, Some(READY)).map_err(|error| self.blame(&error))
    }

    /// Waits until it has ended of its own accord; gives its figures.
    ///
    /// # Errors
    /// It failed.
    pub fn finish(mut self) -> io::Result<Figures> {
        let figures = Figures::read(&mut self.output, None).map_err(|error| self.blame(&error))?;
        let status = self.child.wait()?;
        if status.success() { Ok(figures) } else { Err(self.blame(&status)) }
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Errors
    /// It failed.
    pub fn dismiss(mut self) -> io::Result<()> {
        self.input = None;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(self.blame(&status)) }
    }

    fn blame(&self, why: &impl std::fmt::Display) -> io::Error {
        io::Error::other(format!("the {}: {why}", self.what))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Its input first: under strace it is not the process that `kill` reaches.
        self.input = None;
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            log::warn!("the {} could not be ended: {error}", self.what);
        }
    }
}

/// In a process of ours: tells what the sender needs to know.
///
/// # Errors
/// Nobody reads it any more.
pub fn tell_ready(mut figures: Figures) -> io::Result<()> {
    figures.add(READY, 0.0);
    figures.print()
}

/// In a process of ours: ends it when nobody holds the other end of its input any more.
///
/// # Errors
/// There is no thread for it.
pub fn end_with_parent() -> io::Result<()> {
    let watch = || {
        wait_for_parent();
        std::process::exit(1)
    };
    sys::start_thread("parent", Box::new(watch)).map(drop)
}

/// Waits until nobody holds the other end of our input any more.
pub fn wait_for_parent() {
    let mut nothing = [0; 64];
    loop {
        match io::stdin().lock().read(&mut nothing) {
            Ok(n) if n > 0 => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}
