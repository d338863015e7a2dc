//! What the program costs while nothing happens, and how long it takes to begin.
//!
//! Owns: how often it wakes up, the memory that it has, the time until it listens. Must not know: what it does inside:
//! this is the program as a script starts it, looked at from outside, by what the system says about its process.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Told;
use super::folders;
use super::plan::{Effort, Plan};
use super::stats::Sample;

/// Times that it is started.
const STARTS: usize = 10;
/// After the conversation has begun, before it is looked at: what was begun is then over.
const SETTLE: Duration = Duration::from_millis(500);

/// Two programs that have nothing to say to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// Whether their conversation is encrypted.
    pub encrypted: bool,
    /// How long they were looked at.
    pub seconds: f64,
    /// How often a thread of it got a processor: of the one that was called, of the one that called.
    pub wakes: [u64; 2],
    /// Bytes of memory that each has, its code counted.
    pub resident: [u64; 2],
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Idle {
    /// Seconds from the start of the process to the line that says where it listens.
    pub start: Sample,
    /// Conversations without a word.
    pub quiet: Vec<Quiet>,
}

/// Measures.
///
/// # Errors
/// The program could not be started, or ended.
pub fn measure(plan: &Plan, told: &mut Told) -> io::Result<Idle> {
    let (_, mut scratch) = folders::in_memory(plan)?;
    let home = scratch.destination()?;
    let long = Duration::from_secs(match plan.effort {
        Effort::Quick => 1,
        Effort::Usual => 2,
        Effort::Full => 10,
    });
    let mut idle = Idle::default();
    told.say("starting, and listening");
    // The first one makes the key, which others find.
    for round in 0..=STARTS {
        let began = Instant::now();
        let mut started = Started::new(&home, &["-l", "127.0.0.1:0"])?;
        started.wait_for("listening")?;
        if round > 0 {
            idle.start.add(began.elapsed().as_secs_f64());
        }
    }
    for encrypted in [false, true] {
        told.say("two who have nothing to say");
        idle.quiet.push(look(&home, encrypted, long)?);
    }
    scratch.remove()?;
    Ok(idle)
}

fn look(home: &Path, encrypted: bool, long: Duration) -> io::Result<Quiet> {
    let with = |words: &[&str]| {
        let plain = (!encrypted).then_some("--plain");
        Started::new(home, &[words, plain.as_slice()].concat())
    };
    let mut called = with(&["-l", "127.0.0.1:0"])?;
    let listening = called.wait_for("listening")?;
    let port = listening["port"].as_u64().ok_or_else(|| io::Error::other("it does not say where it listens"))?;
    let mut calls = with(&[&format!("127.0.0.1:{port}")])?;
    for side in [&mut called, &mut calls] {
        side.wait_for("connected")?;
    }
    let both = [&called, &calls];
    thread::sleep(SETTLE); // paced: what is idle has to come to rest first
    let began = Instant::now();
    let before = [both[0].wakes()?, both[1].wakes()?];
    thread::sleep(long); // paced: the time that is measured
    let after = [both[0].wakes()?, both[1].wakes()?];
    let seconds = began.elapsed().as_secs_f64();
    let wakes = [0, 1].map(|side| after[side].saturating_sub(before[side]));
    let resident = [both[0].field("status", "VmRSS")? << 10, both[1].field("status", "VmRSS")? << 10];
    Ok(Quiet { encrypted, seconds, wakes, resident })
}

/// The program, with a folder of its own, until this is dropped.
struct Started {
    child: Child,
    /// An input that ends would be a goodbye.
    _input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Started {
    fn new(home: &Path, words: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words).args(["--json", "--name", "bench", "--config-dir"]).arg(home).current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process was started without its pipes"));
        };
        Ok(Self { child, _input: input, output: BufReader::new(output) })
    }

    /// Reads until an event of this kind.
    fn wait_for(&mut self, event: &str) -> io::Result<Value> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            let found: Value = serde_json::from_str(&line)?;
            if found["event"] == event {
                return Ok(found);
            }
            line.clear();
        }
        Err(io::Error::other(format!("it ended before it was {event}")))
    }

    /// How often its threads got a processor until now.
    fn wakes(&self) -> io::Result<u64> {
        let mut wakes = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.file_name();
            let file = format!("task/{}/status", task.to_string_lossy());
            wakes += self.field(&file, "voluntary_ctxt_switches")?;
        }
        Ok(wakes)
    }

    /// A number that the system tells of it.
    fn field(&self, file: &str, name: &str) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("the system does not tell {name}")))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            log::warn!("a program could not be ended: {error}");
        }
    }
}
