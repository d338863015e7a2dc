//! What a process measured of itself, and how it is handed to whoever started it: a line of a name and a number each.
//!
//! Owns: the clocks (wall, processor), the peak of the memory. Must not know: what was measured.

use std::fs;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use crate::sys;

/// Named numbers, in order; a name may come often.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Adds one.
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    /// Adds what is known at the end of a measured part: `seconds`, `cpu` (seconds) and `peak` (bytes).
    ///
    /// # Errors
    /// Where the system does not tell the peak.
    pub fn add_clock(&mut self, clock: &Clock) -> io::Result<()> {
        self.add("seconds", clock.wall.elapsed().as_secs_f64());
        self.add("cpu", sys::cpu_time().saturating_sub(clock.cpu).as_secs_f64());
        self.add("peak", peak_bytes()?);
        Ok(())
    }

    /// Reads lines until the one called `last`, which is not among them, or to the end.
    ///
    /// # Errors
    /// `InvalidData` for what is no figure, `UnexpectedEof` when it ends before `last`, and those of reading.
    pub fn read(lines: &mut impl BufRead, last: Option<&str>) -> io::Result<Self> {
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

    /// Writes them to standard output, where [`read`](Self::read) will find them.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (name, value) in &self.0 {
            writeln!(out, "{name} {value}")?;
        }
        out.flush()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Those of one name.
    pub fn all(&self, name: &str) -> Vec<f64> {
        self.iter().filter(|(of, _)| *of == name).map(|(_, value)| value).collect()
    }

    /// The one of this name.
    ///
    /// # Errors
    /// There is none: the process that measured is another version of this program, or failed.
    pub fn one(&self, name: &str) -> io::Result<f64> {
        let found = self.iter().find(|(of, _)| *of == name);
        found.map(|(_, value)| value).ok_or_else(|| io::Error::other(format!("{name} was not measured")))
    }
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no figure"))
}

/// The beginning of a measured part.
#[derive(Debug)]
pub struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        let cpu = sys::cpu_time();
        Self { wall: Instant::now(), cpu }
    }
}

/// Seconds that the threads of a process, those alive now, have had of the processors, for themselves and in the
/// kernel. In nanoseconds from the scheduler: `/proc/PID/stat` counts in hundredths of a second.
///
/// # Errors
/// The process is gone, or the system does not tell.
pub fn cpu_seconds_of(pid: u32) -> io::Result<f64> {
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
///
/// # Errors
/// Where the system does not tell.
pub fn peak_bytes() -> io::Result<f64> {
    status("VmHWM")
}

/// A line of `/proc/self/status`: a number, or so many kB, in bytes.
///
/// # Errors
/// Where there is no such line.
pub fn status(name: &str) -> io::Result<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|line| match line.trim().strip_suffix(" kB") {
        Some(kibibytes) => kibibytes.trim().parse::<f64>().ok().map(|found| found * 1024.0),
        None => line.trim().parse().ok(),
    });
    value.ok_or_else(|| io::Error::other(format!("/proc/self/status has no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_first_and_what_was_measured_are_read_apart() {
        let mut lines = &b"port 4711\nready 0\nseconds 0.5\nlap 1\nlap 2\n"[..];
        let ready = Figures::read(&mut lines, Some("ready")).unwrap();
        assert_eq!(ready.iter().collect::<Vec<_>>(), [("port", 4711.0)]);
        let measured = Figures::read(&mut lines, None).unwrap();
        assert_eq!(measured.one("seconds").unwrap(), 0.5);
        assert_eq!(measured.all("lap"), [1.0, 2.0]);
        assert!(measured.one("cpu").is_err());
    }

    #[test]
    fn what_is_no_figure_and_what_ends_early_are_errors() {
        let kind = |text: &str, last| Figures::read(&mut text.as_bytes(), last).unwrap_err().kind();
        assert_eq!(kind("port x\n", None), io::ErrorKind::InvalidData);
        assert_eq!(kind("thread panicked\n", None), io::ErrorKind::InvalidData);
        assert_eq!(kind("port 1\n", Some("ready")), io::ErrorKind::UnexpectedEof);
    }
}
