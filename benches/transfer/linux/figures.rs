//! What a process measured of itself, and how it is handed to whoever started it: a line of a name and a number each.
//!
//! Owns: the clocks (wall, processor), the peak of the memory, medians. Must not know: what was measured.

use std::fs;
use std::io::{self, BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Named numbers, in order; a name may come often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Adds one.
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    /// Adds what is known at the end of a measured part: `seconds`, `cpu` (seconds) and `peak` (bytes).
    pub(crate) fn add_clock(&mut self, clock: &Clock) -> io::Result<()> {
        self.add("seconds", clock.wall.elapsed().as_secs_f64());
        self.add("cpu", cpu_seconds()? - clock.cpu);
        self.add("peak", peak_bytes()?);
        Ok(())
    }

    /// Reads lines until the one called `last`, which is not among them, or to the end.
    pub(crate) fn read(lines: &mut impl BufRead, last: Option<&str>) -> io::Result<Self> {
        let mut figures = Self::default();
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            let (name, value) = line.trim_end().split_once(' ').ok_or_else(|| strange(&line))?;
            if last == Some(name) {
                return Ok(figures);
            }
            figures.add(name, value.parse().map_err(|_| strange(&line))?);
            line.clear();
        }
        match last {
            None => Ok(figures),
            Some(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it was ready")),
        }
    }

    /// Writes them where [`read`](Self::read) will find them.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (name, value) in &self.0 {
            writeln!(out, "{name} {value}")?;
        }
        out.flush()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Those of one name.
    pub(crate) fn all(&self, name: &str) -> Vec<f64> {
        self.iter().filter(|(of, _)| *of == name).map(|(_, value)| value).collect()
    }

    /// The one of this name.
    pub(crate) fn one(&self, name: &str) -> io::Result<f64> {
        let found = self.iter().find(|(of, _)| *of == name);
        found.map(|(_, value)| value).ok_or_else(|| io::Error::other(format!("{name} was not measured")))
    }
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no figure"))
}

/// The beginning of a measured part.
pub(crate) struct Clock {
    wall: Instant,
    cpu: f64,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> io::Result<Self> {
        let cpu = cpu_seconds()?;
        Ok(Self { wall: Instant::now(), cpu })
    }
}

fn cpu_seconds() -> io::Result<f64> {
    thread::yield_now(); // what a thread has used since the last tick is counted when it stops running
    cpu_seconds_of(std::process::id())
}

/// Seconds that the threads of a process, those alive now, have had of the processors, for themselves and in the
/// kernel. In nanoseconds from the scheduler: `/proc/PID/stat` counts in hundredths of a second.
pub(crate) fn cpu_seconds_of(pid: u32) -> io::Result<f64> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path)?;
        let first = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        nanoseconds += first.ok_or_else(|| io::Error::other(format!("{} is strange", path.display())))?;
    }
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// The most memory that this process has had resident, in bytes; its code counts.
pub(crate) fn peak_bytes() -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.map(|found| found * 1024.0).ok_or_else(|| io::Error::other("/proc/self/status has no VmHWM"))
}

/// The value that `percent` of them do not exceed; 0 of none.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// The one in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}
