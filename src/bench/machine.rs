//! Where something was measured: without that no figure means anything later.
//!
//! Owns: what the system says about itself. Must not know: what was measured.

use std::fs;
use std::thread;

use serde_json::{Value, json};

/// This machine, as far as it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The operating system and its version.
    pub system: String,
    /// What the processor calls itself; empty: it does not.
    pub processor: String,
    /// How many there are for us.
    pub processors: usize,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// How connections are paced that do not ask for something else.
    pub congestion: String,
    /// How many threads wanted to run at a time in the last minute, before we began.
    pub load: Option<f64>,
    /// The day, in UTC: 2026-12-01.
    pub date: String,
    /// Whether this program was built for being looked at, and not for being fast.
    pub debug: bool,
}

impl Machine {
    /// Asks.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        Self {
            system: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            processors: thread::available_parallelism().map_or(1, usize::from),
            memory: field(&read("/proc/meminfo"), "MemTotal").and_then(|text| kibibytes(&text)),
            congestion: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
            load: load.split_whitespace().next().and_then(|word| word.parse().ok()),
            date: jiff::Timestamp::now().to_string().chars().take("2026-12-01".len()).collect(),
            debug: cfg!(debug_assertions),
        }
    }

    /// Whether others used more than half of a processor before we began: they probably go on.
    pub fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > 0.5)
    }

    /// One line.
    pub fn words(&self) -> String {
        let mut words = format!("tete {} on {}", env!("CARGO_PKG_VERSION"), self.system);
        let plural = if self.processors == 1 { "" } else { "s" };
        words += &format!(", {} processor{plural}", self.processors);
        if !self.processor.is_empty() {
            words += &format!(" ({})", self.processor);
        }
        if let Some(memory) = self.memory {
            words += &format!(", {:.0} GiB", memory as f64 / f64::from(1 << 30));
        }
        words
    }

    /// The same for programs.
    pub fn document(&self) -> Value {
        json!({
            "system": self.system, "processor": self.processor, "processors": self.processors, "memory": self.memory,
            "congestion": self.congestion, "load": self.load, "debug": self.debug, "date": self.date,
        })
    }
}

/// The value behind a name, in lines of `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let found = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name);
    found.map(|(_, value)| value.trim().to_owned())
}

fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|found| found << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_found_behind_its_name() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nMemTotal:       25258684 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("AMD EPYC"));
        assert_eq!(field(text, "MemTotal").and_then(|text| kibibytes(&text)), Some(25_258_684 << 10));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn a_machine_that_others_use_is_busy() {
        let machine = |load| Machine { load, ..Machine::this() };
        assert!(machine(Some(1.2)).is_busy());
        assert!(!machine(Some(0.1)).is_busy() && !machine(None).is_busy());
    }
}
