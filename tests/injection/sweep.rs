//! Every call that the program makes fails once, in every place, on either side.
//!
//! Owns: which faults are tried, and the table. Must not know: how a fault is made, what must hold.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustix::process::Signal;

use crate::calls::{CALLS, PLAIN, STREAMS};
use crate::common::{PATIENCE, Tete, free_port};
use crate::talk::{Outcome, Side, drive, run};
use crate::tracer::{self, Fault, Happened, Tracer};

/// Two at once: what a run mostly does is wait.
const AT_ONCE: usize = 4;
/// No call is made so often in such a conversation.
const MAX_NTH: u32 = 500;

/// From when on calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// From the program's first: what happens before it first waits.
    Start,
    /// Once it listens or calls: the meeting, the conversation and the end.
    Attached,
    /// As [`Attached`](Self::Attached), of what is said on standard input or output alone.
    Stream(u8),
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Attached => f.write_str("attached"),
            Self::Stream(fd) => write!(f, "stream{fd}"),
        }
    }
}

/// Where a fault is tried, and which.
#[derive(Clone, Debug)]
struct Place {
    from: Since,
    plain: bool,
    side: Side,
    call: &'static str,
    error: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = if self.plain { "plain" } else { "encrypted" };
        let side = if self.side == Side::Listener { "listener" } else { "caller" };
        write!(f, "{}:{channel}:{side}:{}:{}", self.from, self.call, self.error)
    }
}

/// What came of the faults of one call.
#[derive(Debug, Default)]
struct Row {
    runs: usize,
    injections: usize,
    well: usize,
    told: usize,
    /// Would have been wrong, had the kernel really done that.
    unreal: usize,
    wrong: usize,
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.injections += other.injections;
        self.well += other.well;
        self.told += other.told;
        self.unreal += other.unreal;
        self.wrong += other.wrong;
    }
}

/// One conversation with one fault in it: how often it happened, how it went.
fn disturb(place: &Place, nth: u32) -> (Happened, Outcome) {
    let mut fault = Fault { call: place.call.into(), deed: format!("error={}", place.error), nth, of: None };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let starter = match place.from {
        Since::Start => tracer::starting(&fault, &log),
        Since::Attached | Since::Stream(_) => Vec::new(),
    };
    let starter_of = |side: Side| if side == place.side { &starter[..] } else { &[] };
    let port = free_port();
    let start = |side| run(side, port, place.plain, starter_of(side)).start();
    let mut tracer = None;
    let mut trace = |tete: &Tete, side| {
        if place.from != Since::Start && place.side == side {
            if let Since::Stream(fd) = place.from {
                fault.of = fs::read_link(format!("/proc/{}/fd/{fd}", tete.pid().as_raw_nonzero())).ok();
            }
            tracer = Some(Tracer::attach(tete.pid(), &fault, log.clone()).unwrap());
        }
    };
    // The caller waits for the listener, so that it can be looked at before anything happens.
    let (mut anna, mut bob);
    match (place.from, place.side) {
        (Since::Attached | Since::Stream(_), Side::Caller) => {
            bob = start(Side::Caller);
            bob.event("dialling");
            trace(&bob, Side::Caller);
            anna = start(Side::Listener);
        }
        _ => {
            anna = start(Side::Listener);
            let latest = Instant::now() + PATIENCE;
            let listens = anna.until_or(latest, |anna| anna.all("listening").next().map(drop)).is_some();
            if listens {
                trace(&anna, Side::Listener);
            }
            bob = start(Side::Caller);
        }
    }
    let mut outcome = drive(&mut anna, &mut bob, place.side);
    if outcome.well && outcome.leftovers {
        outcome.wrong.push("all went well, and a part was left over".into());
    }
    let happened = match tracer {
        Some(tracer) => tracer.happened(),
        None => tracer::happened(&log),
    };
    (happened, outcome)
}

/// Tries the fault at each of these calls, as far as it is reached.
fn try_all(place: &Place, nths: impl IntoIterator<Item = u32>, complaints: &Mutex<Vec<String>>) -> Row {
    let mut row = Row::default();
    for nth in nths {
        let (happened, outcome) = disturb(place, nth);
        row.runs += 1;
        row.injections += happened.times;
        if !outcome.wrong.is_empty() && happened.unreal > 0 {
            row.unreal += 1;
        } else if !outcome.wrong.is_empty() {
            row.wrong += 1;
            let shown = format!("{place}:{nth}: {:?}", outcome.wrong);
            println!("WRONG {shown}");
            complaints.lock().unwrap().push(format!("{shown}\n{}", outcome.said));
        } else if happened.times == 0 {
            break;
        } else if outcome.well {
            row.well += 1;
        } else {
            row.told += 1;
        }
    }
    row
}

/// Does all of this, some at once, and prints the table; fails when anything was wrong.
fn sweep(work: Vec<(Place, Vec<u32>)>) {
    let began = Instant::now();
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let rows = Mutex::new(BTreeMap::<&str, Row>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((place, nths)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = try_all(place, nths.iter().copied(), &complaints);
                    rows.lock().unwrap().entry(place.call).or_default().add(&row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    println!("{:<18}{:>6}{:>12}{:>8}{:>8}{:>8}{:>8}", "call", "runs", "injections", "well", "told", "unreal", "wrong");
    let mut sum = Row::default();
    let show = |name: &str, row: &Row| {
        let Row { runs, injections, well, told, unreal, wrong } = row;
        println!("{name:<18}{runs:>6}{injections:>12}{well:>8}{told:>8}{unreal:>8}{wrong:>8}");
    };
    for (call, row) in rows.iter().filter(|(_, row)| row.injections > 0) {
        show(call, row);
        sum.add(row);
    }
    show("all", &sum);
    println!("{} calls; {:.0?}", rows.values().filter(|row| row.injections > 0).count(), began.elapsed());
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
    assert!(sum.injections > 0, "nothing was made to fail");
}

/// Calls of each side's first thread between its own beginning and its first wait, by name: the first and the last.
fn start_spans(side: Side) -> BTreeMap<String, (u32, u32)> {
    let counts = tracer::start_calls(|starter| {
        let starter: Vec<_> = starter.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
        let mut tete = run(side, free_port(), false, &starter).start();
        tete.event(if side == Side::Listener { "listening" } else { "dialling" });
        tracer::signal(tete.pid(), Signal::TERM);
        tete.exit_code();
    });
    counts.into_iter().map(|(name, (loader, all))| (name, (loader + 1, all))).collect()
}

/// All places, with the calls to try there.
fn everything() -> Vec<(Place, Vec<u32>)> {
    let mut work = Vec::new();
    for side in Side::BOTH {
        let spans = start_spans(side);
        for call in CALLS {
            for error in call.errors {
                let place = |from, plain| Place { from, plain, side, call: call.name, error };
                let mut add = |place, first, last| work.push((place, (first..=last).collect()));
                add(place(Since::Attached, false), 1, MAX_NTH);
                if PLAIN.contains(&call.name) {
                    add(place(Since::Attached, true), 1, MAX_NTH);
                }
                if let Some((first, last)) = spans.get(call.name) {
                    add(place(Since::Start, false), *first, *last);
                }
                for (_, fd) in STREAMS.iter().filter(|(name, _)| *name == call.name) {
                    add(place(Since::Stream(*fd), false), 1, MAX_NTH);
                }
            }
        }
    }
    work
}

/// Of everything what is done in every run of the tests: each call with its likeliest error, in turn on the one side
/// and the other, at its first call there; the start of every third.
fn sample() -> Vec<(Place, Vec<u32>)> {
    let likeliest = |place: &Place| CALLS.iter().any(|call| call.name == place.call && call.errors[0] == place.error);
    let of_call = |name| CALLS.iter().position(|call| call.name == name).unwrap();
    let mut work: Vec<_> = everything().into_iter().filter(|(place, _)| likeliest(place)).collect();
    work.retain(|(place, _)| {
        let at = of_call(place.call);
        let sends_plainly = ["sendfile", "sendto"].contains(&place.call);
        let turn = place.side == Side::BOTH[at % 2] && place.plain == sends_plainly;
        turn && (place.from != Since::Start || at % 3 == 0)
    });
    for (_, nths) in &mut work {
        nths.truncate(1);
    }
    work
}

#[test]
fn sweep_whatever_call_fails_nothing_is_lost_in_silence_nothing_hangs_and_nothing_panics() {
    if !tracer::is_here() {
        return;
    }
    match env::var("SWEEP").ok().as_deref() {
        None | Some("") => sweep(sample()),
        Some("all") => sweep(everything()),
        Some(one) => {
            let (name, nth) = match one.rsplit_once(':') {
                Some((name, nth)) => (name, Some(nth.parse().unwrap())),
                None => (one, None),
            };
            let mut work = everything();
            work.retain(|(place, _)| place.to_string() == name || (nth.is_none() && place.call == name));
            match (nth, &work[..]) {
                (Some(nth), [(place, _)]) => {
                    let (happened, outcome) = disturb(place, nth);
                    println!("{happened:?}\n{}{:?}", outcome.said, outcome.wrong);
                }
                _ => sweep(work),
            }
        }
    }
}
