//! Starts a tete, types into it and waits for what it says.
//!
//! Owns: processes, folders, deadlines. Must not know: what a test is about.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Lines of a tete's output that a failed test tells at most.
const MAX_TOLD: usize = 60;

/// How a tete is to be started: with two folders of its own, `out` to start in and `in` for what it receives.
pub(crate) struct Plan {
    name: &'static str,
    home: TempDir,
    json: bool,
    before: Vec<OsString>,
    args: Vec<OsString>,
}

pub(crate) fn plan(name: &'static str) -> Plan {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("in")).unwrap();
    fs::create_dir(home.path().join("out")).unwrap();
    Plan { name, home, json: true, before: Vec::new(), args: Vec::new() }
}

impl Plan {
    /// Lines instead of NDJSON.
    pub(crate) fn in_lines(mut self) -> Self {
        self.json = false;
        self
    }

    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A shell script that is run first and ends in `exec "$@"`.
    pub(crate) fn under_shell(mut self, shell: &[&str], script: &str) -> Self {
        self.before = shell.iter().copied().chain(["sh", "-c", script, "sh"]).map(OsString::from).collect();
        self
    }

    pub(crate) fn out(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join("out").join(name)
    }

    pub(crate) fn incoming(&self) -> PathBuf {
        self.home.path().join("in")
    }

    /// A file to be sent.
    pub(crate) fn file(self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.out(name), bytes).unwrap();
        self
    }

    /// Waits for a call.
    pub(crate) fn listen(self) -> Tete {
        let mut tete = self.args(["-l", "0"]).spawn();
        tete.port = match tete.json {
            true => tete.event("listening")["port"].as_u64().unwrap().try_into().unwrap(),
            false => {
                let line = tete.line("-- listening on ");
                line.rsplit(':').next().unwrap().trim().parse().unwrap()
            }
        };
        tete
    }

    /// Calls somebody on this machine.
    pub(crate) fn call(self, port: u16) -> Tete {
        self.args([port.to_string()]).spawn()
    }

    /// As [`call`](Self::call), and sends these files.
    pub(crate) fn call_and_send<S: Into<OsString>>(self, port: u16, files: impl IntoIterator<Item = S>) -> Tete {
        self.args([port.to_string(), "--send".to_owned()]).args(files).spawn()
    }

    fn spawn(self) -> Tete {
        let mut words = self.before.clone();
        words.push(env!("CARGO_BIN_EXE_tete").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--plain", "-n", self.name, "-d"]).arg(self.incoming());
        command.args(self.json.then_some("--json")).args(&self.args).current_dir(self.out(""));
        for variable in ["TETE_NAME", "TETE_PREFIX", "TETE_CODE", "XDG_CONFIG_HOME", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command.env("HOME", self.out("")).env("TETE_HOME", self.home.path().join("kept"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), true, sender.clone());
        read_lines(child.stderr.take().unwrap(), false, sender);
        let stdin = child.stdin.take();
        let Self { name, home, json, .. } = self;
        Tete { name, home, json, child, stdin, lines, waiting: Vec::new(), log: String::new(), port: 0 }
    }
}

fn read_lines(stream: impl Read + Send + 'static, is_out: bool, sender: Sender<(bool, String)>) {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            line.clear();
            if sender.send((is_out, text)).is_err() {
                return;
            }
        }
    });
}

/// A running tete. Killed when it is dropped, and its output told if the test has failed.
pub(crate) struct Tete {
    pub(crate) name: &'static str,
    home: TempDir,
    json: bool,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(bool, String)>,
    /// Lines and events that nobody has waited for yet.
    waiting: Vec<String>,
    log: String,
    pub(crate) port: u16,
}

impl Drop for Tete {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines: Vec<_> = self.log.lines().collect();
            let shown = lines[lines.len().saturating_sub(MAX_TOLD)..].join("\n");
            eprintln!("---- {} has said {} lines, the last of them:\n{shown}\n----", self.name, lines.len());
        }
    }
}

impl Tete {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn out(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join("out").join(name)
    }

    /// Where what it receives goes.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.home.path().join("in")
    }

    /// The names in that folder, sorted.
    pub(crate) fn received_names(&self) -> Vec<String> {
        names(&self.incoming())
    }

    /// What it received as this file.
    pub(crate) fn received(&self, name: &str) -> Vec<u8> {
        fs::read(self.incoming().join(name)).unwrap()
    }

    pub(crate) fn types_raw(&mut self, bytes: &[u8]) {
        let result = self.stdin.as_mut().unwrap().write_all(bytes);
        if let Err(error) = result {
            self.read_everything();
            panic!("{} does not read: {error}", self.name);
        }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.types_raw(format!("{line}\n").as_bytes());
    }

    /// There will be no more input.
    pub(crate) fn ends_input(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.stdin.take().unwrap()
    }

    /// The next line or event for which `pick` has something.
    fn wait_for<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut looked_at = 0;
        loop {
            while looked_at < self.waiting.len() {
                if let Some(found) = pick(&self.waiting[looked_at]) {
                    self.waiting.remove(looked_at);
                    return found;
                }
                looked_at += 1;
            }
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.take(line),
                Err(error) => panic!("{} has not said {what}: {error}", self.name),
            }
        }
    }

    fn take(&mut self, (is_out, line): (bool, String)) {
        let _ = writeln!(self.log, "{}{line}", if is_out { "" } else { "(stderr) " });
        self.waiting.push(line);
    }

    fn read_everything(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.take(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("{} does not end", self.name),
            }
        }
    }

    /// The next event of this kind; those of other kinds may be waited for later.
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        self.event_with(kind, |_| true)
    }

    /// The next event of this kind that fits.
    pub(crate) fn event_with(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(kind, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == kind && fits(&event)).then_some(event)
        })
    }

    /// The next line that begins so, or contains it.
    pub(crate) fn line(&mut self, part: &str) -> String {
        self.wait_for(part, |line| line.contains(part).then(|| line.to_owned()))
    }

    /// It has ended, and is to be started again with the same folders.
    pub(crate) fn plan_again(mut self) -> Plan {
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        Plan { name: self.name, home, json: self.json, before: Vec::new(), args: Vec::new() }
    }

    /// How it ended, once it has; everything that it has said is then in [`said`](Self::said).
    pub(crate) fn exit_code(&mut self) -> i32 {
        self.read_everything();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < until, "{} has closed its output and does not end", self.name);
            std::thread::yield_now();
        }
    }

    /// Leaves; how it ended.
    pub(crate) fn leaves(&mut self) -> i32 {
        self.types("exit");
        self.exit_code()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Every event of a kind that was read so far, whether waited for or not.
    pub(crate) fn said(&self, kind: &str) -> Vec<Value> {
        let events = self.log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == kind).collect()
    }

    /// Most memory that it ever had resident, in bytes; `None` where the system does not tell.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Two who talk: `bob` listens, `ann` calls.
pub(crate) fn talking(ann: Plan, bob: Plan) -> (Tete, Tete) {
    let mut bob = bob.listen();
    let mut ann = ann.call(bob.port);
    for side in [&mut ann, &mut bob] {
        match side.json {
            true => drop(side.event("connected")),
            false => drop(side.line("-- connected to ")),
        }
    }
    (ann, bob)
}

/// Ann leaves, and both end well.
pub(crate) fn part(mut ann: Tete, mut bob: Tete) {
    assert_eq!((ann.leaves(), bob.exit_code()), (0, 0));
}

/// A text gets through both ways: the conversation is alive.
pub(crate) fn assert_alive(ann: &mut Tete, bob: &mut Tete) {
    assert_heard(ann, bob);
    assert_heard(bob, ann);
}

/// A text gets through.
pub(crate) fn assert_heard(from: &mut Tete, to: &mut Tete) {
    let text = format!("{} is there", from.name);
    from.types(&format!("/say {text}"));
    to.event_with("message", |event| event["text"] == text.as_str());
}

/// Bytes that nothing compresses and that differ with `seed`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A file of such bytes; its hash as `b3sum` prints it.
pub(crate) fn noise_file(path: &Path, seed: u64, len: u64) -> String {
    let mut file = File::create(path).unwrap();
    let mut noise = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let (mut piece, mut left) = (vec![0; 1 << 20], len);
    while left > 0 {
        let n = left.min(piece.len() as u64) as usize;
        noise.fill(&mut piece[..n]);
        hasher.update(&piece[..n]);
        file.write_all(&piece[..n]).unwrap();
        left -= n as u64;
    }
    hasher.finalize().to_string()
}

/// The hash of a file, by reading it.
pub(crate) fn hash_of(path: impl AsRef<Path>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).unwrap()).unwrap();
    hasher.finalize().to_string()
}

/// The hash of bytes as the events tell it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_string()
}
