//! A user at a terminal.
//!
//! Owns: a pseudo-terminal with the program on the other end of it, all that was ever shown there.
//! Must not know: what any test is about.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::PATIENCE;

/// The program at a terminal, in an empty folder of its own. Killed when it is dropped.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    screen: String,
    /// What was shown up to here has been looked at.
    seen: usize,
    home: TempDir,
    _kept: TempDir,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a new pseudo-terminal: ours, and the program's.
fn open() -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&ours).expect("a pseudo-terminal of ours");
    unlockpt(&ours).expect("an open pseudo-terminal");
    let name = ptsname(&ours, Vec::new()).expect("a name");
    let name = std::ffi::OsStr::from_bytes(name.to_bytes());
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
    (ours, theirs)
}

impl Terminal {
    /// Starts the program there over plain links, with lines in and lines out.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::encrypted(&[&["--plain"], args].concat())
    }

    /// Starts the program there, with a key of its own.
    pub(crate) fn encrypted(args: &[&str]) -> Self {
        Self::begin(&[&["--ui", "plain"], args].concat(), None)
    }

    /// Starts the program over plain links where only its output is there: it has no input, and its diagnostics go to
    /// that file.
    pub(crate) fn output_alone(args: &[&str], diagnostics: File) -> Self {
        Self::begin(&[&["--plain"], args].concat(), Some(diagnostics))
    }

    fn begin(args: &[&str], diagnostics: Option<File>) -> Self {
        let (ours, theirs) = open();
        let home = tempfile::tempdir().expect("a temporary folder");
        let kept = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tete"));
        command.args(args).env_clear().current_dir(home.path());
        command.env("HOME", home.path()).env("USER", "tester").env("TERM", "xterm-256color");
        command.env("TETE_HOME", kept.path());
        let end = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        let (input, diagnostics) = match diagnostics {
            None => (end(), end()),
            Some(file) => (Stdio::null(), Stdio::from(file)),
        };
        let child = command.stdin(input).stdout(end()).stderr(diagnostics).spawn().expect("the program starts");
        let keys = File::from(ours.try_clone().expect("a descriptor"));
        let (said, shown) = channel();
        let mut ours = File::from(ours);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Once the program has gone the terminal answers with an error: that is its end.
            while let Ok(n @ 1..) = ours.read(&mut buffer) {
                if said.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, shown, screen: String::new(), seen: 0, home, _kept: kept }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Types a line and Enter.
    pub(crate) fn types(&mut self, line: &str) {
        self.presses(format!("{line}\n").as_bytes());
    }

    /// Presses keys.
    pub(crate) fn presses(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("the terminal takes keys");
    }

    /// Waits for words behind all that were waited for before; what was shown up to and with them.
    pub(crate) fn shows(&mut self, words: &str) -> String {
        let latest = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.screen[self.seen..].find(words) {
                let from = self.seen;
                self.seen += at + words.len();
                return self.screen[from..self.seen].to_owned();
            }
            match self.shown.recv_timeout(latest.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("never shown: {words:?}\n--- screen\n{}", self.screen),
            }
        }
    }

    /// All that was shown so far.
    pub(crate) fn screen(&self) -> &str {
        &self.screen
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it can be sent a signal");
    }

    pub(crate) fn exit_code(&mut self) -> i32 {
        let latest = Instant::now() + PATIENCE;
        loop {
            while let Ok(bytes) = self.shown.try_recv() {
                self.screen.push_str(&String::from_utf8_lossy(&bytes));
            }
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code().unwrap_or_else(|| panic!("killed: {status}\n{}", self.screen));
            }
            assert!(Instant::now() < latest, "it does not end\n--- screen\n{}", self.screen);
            thread::sleep(Duration::from_millis(5)); // paced: a process cannot be waited for with a deadline.
        }
    }
}
