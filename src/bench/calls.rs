//! System calls, counted by strace. Owns: how it is called and what it prints. Must not know: who is counted.
//!
//! A traced process is many times slower, and so meets its peer at other moments: a socket is full or empty more or
//! less often than in earnest. What is counted is near the truth, not the truth.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Calls of one process, all its threads together.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    by_name: BTreeMap<String, u64>,
}

/// Whether strace is there, and may trace here; else why not.
///
/// # Errors
/// The reason, in words.
pub fn available() -> Result<(), String> {
    let run = Command::new("strace").args(["-f", "-c", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("strace is not installed".to_owned()),
        Err(error) => Err(format!("strace: {error}")),
        Ok(output) if !output.status.success() => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Ok(_) => Ok(()),
    }
}

/// A command that runs `program` under strace, whose summary goes `into` a file.
pub fn command(program: &Path, into: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-q", "-o"]).arg(into).arg("--").arg(program);
    command
}

impl Calls {
    /// Reads a summary:
    ///
    /// ```text
    /// % time     seconds  usecs/call     calls    errors syscall
    /// ------ ----------- ----------- --------- --------- ----------------
    ///  99.10    0.512000           4    128000       312 recvfrom
    /// ```
    ///
    /// # Errors
    /// Those of reading; nothing was counted.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut by_name = BTreeMap::new();
        for line in fs::read_to_string(path)?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let ([_, _, _, calls, name] | [_, _, _, calls, _, name]) = words[..] else { continue };
            if let Ok(calls) = calls.parse()
                && name != "total"
            {
                by_name.insert(name.to_owned(), calls);
            }
        }
        if by_name.is_empty() {
            return Err(io::Error::other("strace counted no calls"));
        }
        Ok(Self { by_name })
    }

    /// Without those that a run costs anyway.
    pub fn beyond(&self, least: &Self) -> Self {
        let beyond = |(name, calls): (&String, &u64)| {
            let anyway = least.by_name.get(name).copied().unwrap_or_default();
            (name.clone(), calls.saturating_sub(anyway))
        };
        Self { by_name: self.by_name.iter().map(beyond).collect() }
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.by_name.values().sum()
    }

    /// The most frequent, for so many bytes, as text: calls a megabyte and their names.
    pub fn shown(&self, bytes: u64) -> String {
        let each = |calls: u64| calls as f64 * 1e6 / bytes as f64;
        let mut all: Vec<_> = self.by_name.iter().collect();
        all.sort_unstable_by_key(|(_, calls)| std::cmp::Reverse(**calls));
        let frequent = all.iter().take(4).filter(|(_, calls)| each(**calls) >= 0.05);
        let names: Vec<_> = frequent.map(|(name, calls)| format!("{name} {:.1}", each(**calls))).collect();
        format!("{:6.1}  ({})", each(self.total()), names.join(", "))
    }
}
