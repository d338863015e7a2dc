//! Real processes of the program, driven as a user or a script drives them.
//!
//! Owns: starting one in an environment of its own, what it has said so far, deadlines, and that none outlives its
//! test. Must not know: what any test is about.
//!
//! Nothing here sleeps and hopes: a test waits for something that is said, or panics with all that was said instead.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod caller;
pub(crate) mod terminal;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Clock ticks a second in /proc: the same on every Linux.
const TICKS: u64 = 100;

/// What a reading thread brings.
enum Said {
    Out(Vec<u8>),
    Err(Vec<u8>),
    OutEnded,
    ErrEnded,
}

/// How a process is to be started.
pub(crate) struct Run {
    label: String,
    command: Command,
    home: TempDir,
    kept: TempDir,
    reads_output: bool,
}

/// A run of the program with these arguments, in an empty folder of its own that is also its home; who it is and whom
/// it knows is kept in another one.
pub(crate) fn tete<S: AsRef<OsStr>>(args: &[S]) -> Run {
    Run::of(Command::new(env!("CARGO_BIN_EXE_tete")), args)
}

/// As [`tete`], with so many file descriptors at most.
pub(crate) fn tete_with_descriptors(limit: u32, args: &[&str]) -> Run {
    tete_with_limit(&format!("ulimit -n {limit}"), args)
}

/// As [`tete`], under limits that a shell sets before.
pub(crate) fn tete_with_limit(limit: &str, args: &[&str]) -> Run {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limit}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_tete"));
    Run::of(shell, args)
}

/// As [`tete`], started by another program, which is given ours and its arguments.
pub(crate) fn tete_by<S: AsRef<OsStr>>(starter: &[&OsStr], args: &[S]) -> Run {
    let mut command = Command::new(starter[0]);
    command.args(&starter[1..]).arg(env!("CARGO_BIN_EXE_tete"));
    Run::of(command, args)
}

impl Run {
    fn of<S: AsRef<OsStr>>(mut command: Command, args: &[S]) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let kept = tempfile::tempdir().expect("a temporary folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(args).env_clear().env("PATH", path).env("HOME", home.path()).env("USER", "tester");
        command.env("TETE_HOME", kept.path());
        command.current_dir(home.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
        Self { label: words.join(" "), command, home, kept, reads_output: true }
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub(crate) fn without_env(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub(crate) fn input(mut self, input: impl Into<Stdio>) -> Self {
        self.command.stdin(input);
        self
    }

    /// Its standard output goes there.
    pub(crate) fn output(mut self, output: impl Into<Stdio>) -> Self {
        self.command.stdout(output);
        self
    }

    /// Its standard error is a pipe whose reader has gone.
    pub(crate) fn without_errors(mut self) -> Self {
        let (_, theirs) = std::io::pipe().expect("a pipe");
        self.command.stderr(theirs);
        self
    }

    /// Its standard error goes there.
    pub(crate) fn errors(mut self, errors: impl Into<Stdio>) -> Self {
        self.command.stderr(errors);
        self
    }

    /// Its standard output is a pipe whose reader has gone.
    pub(crate) fn without_output(mut self) -> Self {
        let (_, theirs) = std::io::pipe().expect("a pipe");
        self.command.stdout(theirs);
        self
    }

    /// Its standard output is a pipe that stays open and that nobody reads.
    pub(crate) fn unread(mut self) -> Self {
        self.reads_output = false;
        self
    }

    /// It starts in the folders of one that is over, with what stands there.
    pub(crate) fn in_folders_of(mut self, over: &mut Tete) -> Self {
        for entry in fs::read_dir(self.home.path()).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), over.home.path().join(entry.file_name())).expect("a file for the test");
        }
        std::mem::swap(&mut self.home, &mut over.home);
        std::mem::swap(&mut self.kept, &mut over.kept);
        self.command.env("HOME", self.home.path()).env("TETE_HOME", self.kept.path()).current_dir(self.home.path());
        self
    }

    /// A file in its folder, before it starts.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.home.path().join(name), content).expect("a file for the test");
        self
    }

    pub(crate) fn start(mut self) -> Tete {
        let mut child = self.command.spawn().expect("the program starts");
        let (said, heard) = channel();
        let out = child.stdout.take();
        let out_ended = out.is_none() || !self.reads_output;
        let unread = match out {
            Some(out) if self.reads_output => {
                gather(out, said.clone(), Said::Out, Said::OutEnded);
                None
            }
            out => out,
        };
        let err = child.stderr.take();
        let err_ended = err.is_none();
        if let Some(err) = err {
            gather(err, said, Said::Err, Said::ErrEnded);
        }
        Tete {
            label: self.label,
            stdin: child.stdin.take(),
            child,
            home: self.home,
            kept: self.kept,
            out_ended,
            unread,
            heard,
            out: Vec::new(),
            events: Vec::new(),
            err: Vec::new(),
            err_ended,
        }
    }
}

/// Hands on what comes, line by line, until it ends.
fn gather(source: impl Read + Send + 'static, said: Sender<Said>, line: fn(Vec<u8>) -> Said, end: Said) {
    thread::spawn(move || {
        let mut source = BufReader::new(source);
        loop {
            let mut bytes = Vec::new();
            match source.read_until(b'\n', &mut bytes) {
                Ok(n) if n > 0 => {
                    // The test is over: nobody wants to know.
                    if said.send(line(bytes)).is_err() {
                        return;
                    }
                }
                _ => break,
            }
        }
        let _ = said.send(end);
    });
}

/// A running process and all that it has said so far. Killed when it is dropped.
pub(crate) struct Tete {
    label: String,
    child: Child,
    stdin: Option<ChildStdin>,
    home: TempDir,
    kept: TempDir,
    unread: Option<std::process::ChildStdout>,
    heard: Receiver<Said>,
    out: Vec<u8>,
    events: Vec<Value>,
    err: Vec<u8>,
    out_ended: bool,
    err_ended: bool,
}

impl Drop for Tete {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tete {
    // ---- what it is told

    /// Types a line. Short ones only: nobody else empties the pipe meanwhile.
    pub(crate) fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let written = self.stdin.as_mut().expect("its input is open").write_all(bytes);
        if let Err(error) = written {
            self.fail(&format!("its input was closed: {error}"));
        }
    }

    /// As [`send`](Self::send), to one who may not listen any more.
    pub(crate) fn try_send(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(format!("{line}\n").as_bytes()); // it has ended: how is asked later
        }
    }

    /// Closes its input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Its input, to be filled by somebody else.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.stdin.take().expect("its input is open")
    }

    /// Closes the pipe that nobody reads.
    pub(crate) fn close_output(&mut self) {
        self.unread = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it can be sent a signal");
    }

    // ---- what it says

    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Where it keeps who it is and whom it knows.
    pub(crate) fn kept(&self) -> &Path {
        self.kept.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }

    /// The events of this name so far.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.clone()).expect("its output is UTF-8")
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.err.clone()).expect("its diagnostics are UTF-8")
    }

    /// The first event of this name, seen already or still to come.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.find(name, |event| event["event"] == name)
    }

    /// The first event that is like this.
    pub(crate) fn find(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut seen = 0;
        self.until(what, |tete| {
            let found = tete.events[seen..].iter().find(|event| is_it(event)).cloned();
            seen = tete.events.len();
            found
        })
    }

    /// Waits until so many events of this name have come.
    pub(crate) fn count(&mut self, name: &str, wanted: usize) {
        let (mut seen, mut count) = (0, 0);
        self.until(&format!("{wanted} of {name}"), |tete| {
            count += tete.events[seen..].iter().filter(|event| event["event"] == name).count();
            seen = tete.events.len();
            (count >= wanted).then_some(())
        });
    }

    /// The port that it says it listens on.
    pub(crate) fn port(&mut self) -> u16 {
        if !self.events.is_empty() || self.label.contains("--json") {
            let port = self.event("listening")["port"].as_u64().expect("a port");
            return u16::try_from(port).expect("a port");
        }
        self.until("a port", |tete| {
            let err = String::from_utf8_lossy(&tete.err);
            let line = err.lines().find_map(|line| line.strip_prefix("-- listening on "))?;
            line.split(", ").next()?.rsplit(':').next()?.parse().ok()
        })
    }

    /// Waits for words on standard output.
    pub(crate) fn says(&mut self, words: &str) {
        self.until(words, |tete| contains(&tete.out, words).then_some(()));
    }

    /// Waits for words on standard error.
    pub(crate) fn tells(&mut self, words: &str) {
        self.until(words, |tete| contains(&tete.err, words).then_some(()));
    }

    /// Listens to it until there is what is looked for.
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let latest = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if self.out_ended && self.err_ended {
                self.fail(&format!("it ended before: {what}"));
            }
            if !self.hear(latest) {
                self.fail(&format!("too long without: {what}"));
            }
        }
    }

    /// As [`until`](Self::until), for what may not come: `None` once it has said all or when it is too late.
    pub(crate) fn until_or<T>(&mut self, latest: Instant, mut look: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        loop {
            let found = look(self);
            if found.is_some() || (self.out_ended && self.err_ended) || !self.hear(latest) {
                return found;
            }
        }
    }

    /// One more thing that it says; whether there was one in time.
    fn hear(&mut self, latest: Instant) -> bool {
        match self.heard.recv_timeout(latest.saturating_duration_since(Instant::now())) {
            Ok(Said::Out(line)) => {
                if line.starts_with(b"{")
                    && let Ok(event) = serde_json::from_slice(&line)
                {
                    self.events.push(event);
                }
                self.out.extend(line);
            }
            Ok(Said::Err(line)) => self.err.extend(line),
            Ok(Said::OutEnded) => self.out_ended = true,
            Ok(Said::ErrEnded) => self.err_ended = true,
            Err(RecvTimeoutError::Disconnected) => (self.out_ended, self.err_ended) = (true, true),
            Err(RecvTimeoutError::Timeout) => return false,
        }
        true
    }

    // ---- how it ends

    pub(crate) fn exit_code(&mut self) -> i32 {
        self.exit_code_within(PATIENCE)
    }

    /// Its exit code, once it has ended and everything that it said was heard.
    pub(crate) fn exit_code_within(&mut self, patience: Duration) -> i32 {
        let latest = Instant::now() + patience;
        while !(self.out_ended && self.err_ended) {
            if !self.hear(latest) {
                self.fail(&format!("it did not end within {patience:?}"));
            }
        }
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code().unwrap_or_else(|| self.fail(&format!("it was killed: {status}")));
            }
            if Instant::now() >= latest {
                self.fail(&format!("it did not end within {patience:?}"));
            }
            thread::sleep(Duration::from_millis(5)); // paced: a process cannot be waited for with a deadline.
        }
    }

    /// How it ended, if it has by then and everything that it said was heard.
    pub(crate) fn status_by(&mut self, latest: Instant) -> Option<ExitStatus> {
        while !(self.out_ended && self.err_ended) {
            if !self.hear(latest) {
                return None;
            }
        }
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return Some(status);
            }
            if Instant::now() >= latest {
                return None;
            }
            thread::sleep(Duration::from_millis(1)); // paced: a process cannot be waited for with a deadline.
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is our child");
    }

    // ---- what it costs

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn high_water(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1024
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let behind_name = stat.rsplit(") ").next().expect("a name in brackets");
        let fields: Vec<&str> = behind_name.split(' ').collect();
        let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    pub(crate) fn fail(&self, why: &str) -> ! {
        let shown = |bytes: &[u8]| {
            let tail = &bytes[bytes.len().saturating_sub(6000)..];
            String::from_utf8_lossy(tail).into_owned()
        };
        panic!("tete {}: {why}\n--- out\n{}\n--- err\n{}", self.label, shown(&self.out), shown(&self.err));
    }
}

pub(crate) fn contains(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}

/// Two who talk: anna was called, bob called.
pub(crate) struct Duo {
    pub(crate) anna: Tete,
    pub(crate) bob: Tete,
    pub(crate) port: u16,
}

impl Duo {
    /// Both give and take NDJSON.
    pub(crate) fn json() -> Self {
        Self::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json"])))
    }

    /// Waits until both are connected.
    pub(crate) fn new(anna: Run, bob: impl FnOnce(u16) -> Run) -> Self {
        let mut anna = anna.start();
        let port = anna.port();
        let mut bob = bob(port).start();
        for side in [&mut anna, &mut bob].into_iter().filter(|side| side.unread.is_none()) {
            side.until("connected", |side| {
                let told = contains(&side.err, "-- connected to") || side.all("connected").next().is_some();
                told.then_some(())
            });
        }
        Self { anna, bob, port }
    }

    /// Both have ended with these codes.
    pub(crate) fn end_with(&mut self, anna: i32, bob: i32) {
        assert_eq!((self.anna.exit_code(), self.bob.exit_code()), (anna, bob));
    }
}

/// Arguments of the one who waits for a call.
pub(crate) fn anna(more: &[&str]) -> Vec<OsString> {
    ["--plain", "-n", "anna", "-l", "0"].iter().chain(more).map(OsString::from).collect()
}

/// Arguments of the one who calls.
pub(crate) fn bob(port: u16, more: &[&str]) -> Vec<OsString> {
    let target = format!("127.0.0.1:{port}");
    ["--plain", "-n", "bob", &target].iter().chain(more).map(OsString::from).collect()
}

/// A port that nobody has, below those that the system picks: none of the other tests can get it meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
