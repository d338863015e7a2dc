//! strace: what it shall do to which call, on a process that it starts or that is there already.
//!
//! Owns: its command lines and its log. Must not know: what the process does.
//!
//! It counts the calls of each thread by themselves: attached to a process, the nth call is that of every thread that
//! comes so far. A process that it starts is traced in its first thread alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::PATIENCE;

/// What is done to the nth call of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: String,
    /// As strace has it: `error=EIO`, `signal=KILL`.
    pub(crate) deed: String,
    /// From 1; 0: it is done to every one.
    pub(crate) nth: u32,
    /// Only calls with this file are counted, if it is set; by what `/proc` says its descriptor leads to.
    pub(crate) of: Option<PathBuf>,
}

impl Fault {
    fn arguments(&self, log: &Path) -> Vec<String> {
        let Self { call, deed, nth, of } = self;
        let log = log.display().to_string();
        let of = of.iter().flat_map(|path| ["-P".into(), path.display().to_string()]);
        // With a question mark a call that this machine does not have is none, instead of wrong.
        let when = if *nth == 0 { "1+".to_owned() } else { nth.to_string() };
        let [call, inject] = [format!("trace=?{call}"), format!("inject=?{call}:{deed}:when={when}")];
        ["-y".into(), "-o".into(), log, "-e".into(), call, "-e".into(), inject].into_iter().chain(of).collect()
    }
}

/// What a log says of a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Happened {
    /// How often it happened.
    pub(crate) times: usize,
    /// How often of these to something that cannot fail so: an eventfd that does not block, a pipe of the program to
    /// itself. No kernel does that.
    pub(crate) unreal: usize,
}

/// Whether strace is here, and why not.
pub(crate) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let mut other = Command::new("sleep").arg("30").spawn().unwrap();
        let pid = Pid::from_child(&other);
        let folder = tempfile::tempdir().unwrap();
        let fault = Fault { call: "epoll_wait".into(), deed: "error=EIO".into(), nth: 1, of: None };
        let attached = Tracer::attach(pid, &fault, folder.path().join("log"));
        other.kill().unwrap();
        other.wait().unwrap();
        if let Err(why) = &attached {
            println!("no process can be traced here: nothing to test ({why})");
        }
        attached.is_ok()
    })
}

/// A strace that is attached to a process.
pub(crate) struct Tracer {
    child: Child,
    log: PathBuf,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tracer {
    /// Attaches to all threads of a process; returns once they are traced.
    pub(crate) fn attach(pid: Pid, fault: &Fault, log: PathBuf) -> Result<Self, String> {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.as_raw_nonzero().to_string()]).args(fault.arguments(&log));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while told.read_line(&mut line).is_ok_and(|n| n > 0) {
            if line.contains("attached") {
                // It goes on telling of every thread, and must not be stopped by that.
                std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
                return Ok(Self { child, log });
            }
        }
        let _ = child.wait();
        Err(line)
    }

    /// What has happened, once the process is over.
    pub(crate) fn happened(mut self) -> Happened {
        let latest = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() && Instant::now() < latest {
            std::thread::sleep(Duration::from_millis(1)); // paced: a process cannot be waited for with a deadline.
        }
        happened(&self.log)
    }
}

/// What a log says.
pub(crate) fn happened(log: &Path) -> Happened {
    let log = fs::read_to_string(log).unwrap_or_default();
    let injected = || log.lines().filter(|line| line.contains("(INJECTED)"));
    Happened { times: injected().count(), unreal: injected().filter(|line| is_unreal(line)).count() }
}

fn is_unreal(line: &str) -> bool {
    // As in `123 write(5<anon_inode:[eventfd]>, ...) = -1 EIO (...) (INJECTED)`.
    let Some((name, rest)) = line.split_once('(') else { return false };
    let Some((fd, rest)) = rest.split_once('<') else { return false };
    let moves = name.ends_with("read") || name.ends_with("write");
    let of_its_own = rest.starts_with("pipe:") && fd.parse::<u32>().is_ok_and(|fd| fd > 2) && !line.contains(" EINTR ");
    moves && (rest.starts_with("anon_inode:[eventfd]") || of_its_own)
}

/// The words before the program's name that start it under a fault. The process is the program's, and strace is the
/// child of nobody here.
pub(crate) fn starting(fault: &Fault, log: &Path) -> Vec<String> {
    ["strace".into(), "-D".into()].into_iter().chain(fault.arguments(log)).collect()
}

/// Calls of the first thread until the program's own code begins, and until it first waits: by name, the two counts.
/// What comes before is the dynamic loader's, whose failures are not ours.
pub(crate) fn start_calls(begin: impl FnOnce(&[&OsStr])) -> BTreeMap<String, (u32, u32)> {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    begin(&["strace", "-D", "-o"].map(OsStr::new).into_iter().chain([log.as_os_str()]).collect::<Vec<_>>());
    let text = settled(&log);
    let mut calls = BTreeMap::<String, (u32, u32)>::new();
    let mut ours = false;
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let (loader, all) = calls.entry(name.to_owned()).or_default();
        *all += 1;
        if !ours {
            *loader += 1;
        }
        // The first thing that the language's runtime does.
        ours |= name == "poll" || (name == "rt_sigaction" && rest.starts_with("SIGPIPE"));
        if name.starts_with("epoll_wait") || name.starts_with("epoll_pwait") {
            break;
        }
    }
    calls
}

/// A log that has its last line.
fn settled(log: &Path) -> String {
    let latest = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        if text.lines().any(|line| line.starts_with("+++ ")) || Instant::now() > latest {
            return text;
        }
        std::thread::sleep(Duration::from_millis(1)); // paced: another process writes it.
    }
}

/// Sends a signal to one that may have ended.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}
