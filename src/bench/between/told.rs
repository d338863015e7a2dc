//! A measurement between two machines, as it is told: lines while it goes on, or one document at its end.
//!
//! Owns: the words, the units, the document's shape. Must not know: how anything was measured.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::net::event::Peer;
use crate::proto::stages::Stages;

use super::super::json::stages;
use super::super::machine::Machine;
use super::Orders;
use super::count::{Interval, Way};
use super::far::Over;
use super::flow::{CutShort, Flow, Measured};
use super::wish::{Cost, Enough, Side, Ways, Wish};

/// The number of the document's shape.
const VERSION: u32 = 1;
/// Bytes from which on it means something what a GB would cost: what less costs is mostly the beginning and the end.
const LEAST_COSTED: u64 = 100_000_000;
/// Longest name of the other side that is shown, in bytes.
const MAX_NAME: usize = 64;

/// What happens, on standard error.
#[derive(Debug, Default)]
pub struct Notices {
    once: bool,
}

impl Notices {
    /// Says it. Where nobody reads there is nobody to tell that nobody reads.
    pub fn say(&mut self, words: &str) {
        let _ = writeln!(io::stderr(), "-- {words}");
    }

    /// Says it, unless something was said so before.
    pub fn say_once(&mut self, words: &str) {
        if !std::mem::replace(&mut self.once, true) {
            self.say(words);
        }
    }
}

/// Tells one measurement on standard output.
#[derive(Debug)]
pub struct Teller {
    side: Side,
    wish: Wish,
    json: bool,
    every: Option<Duration>,
    name: String,
    address: String,
    encrypted: bool,
    trust: &'static str,
}

impl Teller {
    /// One with this other side.
    pub fn new(peer: &Peer, side: Side, wish: &Wish, orders: &Orders) -> Self {
        Self {
            side,
            wish: wish.clone(),
            json: orders.json,
            every: orders.every,
            name: peer.name.shown_within(MAX_NAME).to_string(),
            address: peer.address.to_string(),
            encrypted: peer.key.is_some(),
            trust: peer.standing.name(),
        }
    }

    /// Between two lines.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// It begins.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn begin(&self) -> io::Result<()> {
        let Self { name, address, trust, .. } = self;
        let channel = if self.encrypted { "encrypted" } else { "plain" };
        let ways = match (self.wish.ways, self.side) {
            (Ways::Both, _) => "sending and receiving",
            (Ways::ToServer, Side::Client) | (Ways::ToClient, Side::Server) => "sending",
            (Ways::ToServer, Side::Server) | (Ways::ToClient, Side::Client) => "receiving",
        };
        let many = match self.wish.streams {
            1 => String::new(),
            n => format!(", {n} at once"),
        };
        let much = match self.wish.enough {
            Enough::Millis(millis) => format!("for {} s", millis as f64 / 1e3),
            Enough::Bytes(bytes) => scaled(bytes as f64, "B"),
        };
        self.line(format_args!("{name} at {address} ({channel}, {trust}): {ways} {much}{many}, verified, thrown away"))
    }

    /// An interval is over.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn tell(&self, interval: &Interval) -> io::Result<()> {
        self.line(format_args!("{}", row(interval)))
    }

    /// It is over.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn end(&self, measured: &Measured) -> io::Result<()> {
        if self.json {
            return self.print(&self.document(measured));
        }
        self.line(format_args!("in all"))?;
        for Flow { total, stages } in &measured.flows {
            self.line(format_args!("{}", row(total)))?;
            if let Some(verdict) = stages.verdict() {
                self.line(format_args!("            {verdict}"))?;
            }
        }
        let [ours, theirs] = [measured.ours, measured.theirs].map(cpu_per_gb);
        if measured.ours.moved() < LEAST_COSTED {
            return Ok(());
        }
        let told = |cpu: Option<f64>| cpu.map_or_else(|| "unknown".to_owned(), |cpu| format!("{cpu:.2}"));
        self.line(format_args!("  processor seconds for a GB: {} here, {} there", told(ours), told(theirs)))
    }

    /// It was cut short: what had arrived until then, if anything had.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn cut_short(&self, cut: &CutShort) -> io::Result<()> {
        let totals: Vec<&Interval> = cut.totals.iter().filter(|total| total.bytes > 0).collect();
        if self.json {
            let mut document = self.heading();
            document["intervals"] = cut.intervals.iter().map(interval).collect();
            document["results"] = totals.iter().map(|total| way(total)).collect();
            document["error"] = cut.over.to_string().into();
            return self.print(&document);
        }
        if totals.is_empty() {
            return Ok(());
        }
        self.line(format_args!("until it was cut short ({})", cut.over))?;
        totals.iter().try_for_each(|total| self.line(format_args!("{}", row(total))))
    }

    fn print(&self, document: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.side {
            Side::Client => writeln!(out, "{document:#}")?,
            Side::Server => writeln!(out, "{document}")?, // a line for each client
        }
        out.flush()
    }

    fn line(&self, words: std::fmt::Arguments<'_>) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{words}")?;
        out.flush()
    }

    fn document(&self, measured: &Measured) -> Value {
        let mut document = self.heading();
        let side = |cost: Cost| {
            json!({
                "sent_bytes": cost.sent, "received_bytes": cost.received, "seconds": cost.seconds,
                "cpu_seconds": cost.cpu, "cpu_seconds_per_gb": cpu_per_gb(cost),
            })
        };
        document["intervals"] = measured.intervals.iter().map(interval).collect();
        document["results"] = measured.flows.iter().map(flow).collect();
        document["ours"] = side(measured.ours);
        document["theirs"] = side(measured.theirs);
        document
    }

    /// What was measured between whom.
    fn heading(&self) -> Value {
        let (seconds, bytes) = match self.wish.enough {
            Enough::Millis(millis) => (Some(millis as f64 / 1e3), None),
            Enough::Bytes(bytes) => (None, Some(bytes)),
        };
        json!({
            "version": VERSION,
            "tete": env!("CARGO_PKG_VERSION"),
            "machine": Machine::this().document(),
            "side": if self.side == Side::Client { "client" } else { "server" },
            "peer": { "name": self.name, "address": self.address },
            "encrypted": self.encrypted,
            "trust": self.trust,
            "asked": {
                "ways": self.wish.ways, "seconds": seconds, "bytes": bytes,
                "omit_seconds": self.wish.omit as f64 / 1e3, "streams": self.wish.streams,
                "congestion": self.wish.congestion, "window": self.wish.window,
            },
        })
    }
}

fn interval(of: &Interval) -> Value {
    json!({
        "way": of.way.word(), "from": of.from, "to": of.to, "bytes": of.bytes, "bytes_per_second": of.speed(),
        "omitted": of.omitted,
    })
}

/// Nothing was measured: for programs, on standard output; people read it on standard error.
///
/// # Errors
/// Nobody reads it.
pub fn not_begun(json: bool, over: &Over) -> io::Result<()> {
    if !json {
        return Ok(());
    }
    let document = json!({ "version": VERSION, "tete": env!("CARGO_PKG_VERSION"), "error": over.to_string() });
    let mut out = io::stdout().lock();
    writeln!(out, "{document:#}")?;
    out.flush()
}

fn flow(of: &Flow) -> Value {
    let Flow { total, stages: waited } = of;
    let (mut flow, verdict) = (way(total), Stages::verdict(waited));
    flow["stages"] = verdict.as_ref().map(|_| stages(waited)).into();
    flow["limit"] = verdict.map(|verdict| verdict.to_string()).into();
    flow
}

fn way(of: &Interval) -> Value {
    json!({ "way": of.way.word(), "bytes": of.bytes, "seconds": of.to, "bytes_per_second": of.speed() })
}

/// Seconds of the processors for 10^9 bytes; `None`: nothing moved, or what was told cannot be.
fn cpu_per_gb(of: Cost) -> Option<f64> {
    let gigabytes = of.moved() as f64 / 1e9;
    (gigabytes > 0.0 && of.cpu >= 0.0).then(|| of.cpu / gigabytes)
}

fn row(of: &Interval) -> String {
    let way = if of.way == Way::Sent { "sent" } else { "received" };
    let omitted = if of.omitted { "  (left out)" } else { "" };
    let (bytes, speed) = (scaled(of.bytes as f64, "B"), of.speed());
    let (rate, bits) = (scaled(speed, "B/s"), scaled(speed * 8.0, "bit/s"));
    format!("  {way:8}  {:6.1} - {:6.1} s  {bytes:>10}  {rate:>11}  {bits:>13}{omitted}", of.from, of.to)
}

/// A number with three digits that count, and the unit with its prefix.
fn scaled(value: f64, unit: &str) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T"] {
        if value < 999.5 {
            break;
        }
        (value, prefix) = (value / 1e3, next);
    }
    let digits = match value {
        _ if prefix.is_empty() => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {prefix}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_told() {
        let told = [0.0, 999.0, 1e3, 12_345.0, 999_600.0, 1.234e9, 98.76e9, 5e15].map(|value| scaled(value, "B"));
        assert_eq!(told, ["0 B", "999 B", "1.00 kB", "12.3 kB", "1.00 MB", "1.23 GB", "98.8 GB", "5000 TB"]);
    }

    #[test]
    fn what_the_other_side_cannot_have_cost_is_not_told() {
        let cost = |received, cpu| cpu_per_gb(Cost { received, cpu, ..Cost::default() });
        assert_eq!(cost(2_000_000_000, 1.0), Some(0.5));
        assert_eq!((cost(0, 1.0), cost(1, -1.0)), (None, None));
    }

    #[test]
    fn a_row_says_which_way_how_long_and_how_fast() {
        let interval = Interval { way: Way::Sent, from: 1.0, to: 2.0, bytes: 1_250_000_000, omitted: true };
        assert_eq!(row(&interval), "  sent         1.0 -    2.0 s     1.25 GB    1.25 GB/s    10.0 Gbit/s  (left out)");
    }
}
