//! From a key to the frame that shows it.
//!
//! Owns: what is typed and how it is found on the screen again, the schedule, the table. Must not know: how a frame is
//! made, how anybody is started.
//!
//! ```text
//!   every 10 ms   a key for tete, which is one more character in the row behind "ann> ", or Ctrl-U and none
//!   5 ms later    a key for cat
//! ```
//!
//! A key is pressed on time, whether the ones before it were seen or not. One has been seen when the last byte of a frame
//! has been read in whose row it stands; so what is told is what a terminal has to wait for, not what it needs itself.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::Plan;
use super::desk::{Desk, Heard, LABEL, Load, Ui, Watch};
use super::emulator::Emulator;
use super::terminal::{COLUMNS, ROWS, Terminal};
use tete::bench::scratch::Scratch;
use tete::bench::stats::percentile;

/// Between two keys, and between one for tete and one for cat.
const TICK: Duration = Duration::from_millis(10);
const HALF: Duration = Duration::from_millis(5);

/// What is typed before the row is emptied and all begins anew. No character stands twice, so a row tells how many there
/// are, and all of it fits on the screen.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const EMPTY_THE_ROW: &[u8] = b"\x15";

/// Rounds, in turn, into which the keys are divided.
const ROUNDS: usize = 4;
/// Between the end of a file and the begin of the next one a few keys at most may still be unseen.
const PATIENCE: Duration = Duration::from_secs(20);

const TARGET: (usize, f64) = (99, 5.0);

/// Who types.
struct Typist {
    /// Characters in the row once all keys are seen.
    length: usize,
    /// Keys that were not seen yet: how many characters there are then, and when it was pressed.
    unseen: VecDeque<(usize, Instant)>,
    /// Milliseconds.
    took: Vec<f64>,
}

impl Typist {
    fn new() -> Self {
        Self { length: 0, unseen: VecDeque::new(), took: Vec::new() }
    }

    fn press(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        self.length = (self.length + 1) % (ALPHABET.len() + 1);
        let key = self.length.checked_sub(1).and_then(|at| ALPHABET.as_bytes().get(at..=at));
        self.unseen.push_back((self.length, Instant::now()));
        terminal.press(key.unwrap_or(EMPTY_THE_ROW))
    }

    /// So many characters are there.
    fn sees(&mut self, length: usize, at: Instant) {
        if let Some(last) = self.unseen.iter().rposition(|(of, _)| *of == length) {
            self.took.extend(self.unseen.drain(..=last).map(|(_, pressed)| milliseconds(at - pressed)));
        }
    }

    /// Empties the row, for something else.
    fn stop(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        self.length = 0;
        terminal.press(EMPTY_THE_ROW)
    }
}

/// Somebody who gives back what is typed, and nothing else.
struct Mirror {
    terminal: Terminal,
    unseen: VecDeque<Instant>,
    took: Vec<f64>,
}

impl Mirror {
    fn new(desk: &Desk) -> io::Result<Self> {
        let argv = ["sh", "-c", "stty raw -echo && echo ready && exec cat"];
        let terminal = Terminal::start(&argv, &desk.home, desk.said.clone(), Heard::Echoed)?;
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains("ready\n") {
            if let Heard::Echoed(_, bytes) = desk.must_hear()? {
                shown.extend(bytes);
            }
        }
        Ok(Self { terminal, unseen: VecDeque::new(), took: Vec::new() })
    }

    fn press(&mut self) -> io::Result<()> {
        self.unseen.push_back(Instant::now());
        self.terminal.press(b"x")
    }

    fn sees(&mut self, keys: usize, at: Instant) {
        let keys = keys.min(self.unseen.len());
        self.took.extend(self.unseen.drain(..keys).map(|pressed| milliseconds(at - pressed)));
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Characters behind the label in the row in which the cursor stands; `None`: something else stands there.
fn typed(emulator: &Emulator) -> Option<usize> {
    let (row, _) = emulator.screen().cursor_position();
    let rows = emulator.rows();
    let typed = rows.get(usize::from(row))?.strip_prefix(LABEL)?.trim_start();
    ALPHABET.starts_with(typed).then_some(typed.len())
}

/// What was measured in one situation.
#[derive(Default)]
struct Row {
    keys: Vec<f64>,
    echoes: Vec<f64>,
    /// Bytes of files, and the seconds in which they went.
    bytes: f64,
    seconds: f64,
}

/// Everybody.
struct Room {
    desk: Desk,
    mirror: Mirror,
    emulator: Emulator,
}

impl Room {
    fn hear(&mut self, heard: Heard, typist: &mut Typist, watch: &mut Watch) -> bool {
        match heard {
            Heard::Shown(at, bytes) => {
                self.emulator.take(&bytes);
                if let Some(length) = typed(&self.emulator) {
                    typist.sees(length, at);
                }
            }
            Heard::Echoed(at, bytes) => self.mirror.sees(bytes.len(), at),
            Heard::Told(event) => return watch.is_over(&event),
        }
        false
    }

    /// Presses keys while something goes on, until it is over or there were enough.
    fn press(&mut self, load: Load, keys: usize, typist: &mut Typist) -> io::Result<()> {
        let mut watch = Watch::new(load);
        let mut due = Instant::now();
        let latest = due + PATIENCE;
        let (mut is_over, mut is_mirrors) = (false, false);
        while !is_over && (load != Load::Idle || typist.took.len() + typist.unseen.len() < keys) {
            if Instant::now() >= latest {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "a file does not end"));
            }
            match self.desk.next(due)? {
                Some(heard) => is_over = self.hear(heard, typist, &mut watch),
                None => {
                    match is_mirrors {
                        false => typist.press(&mut self.desk.terminal)?,
                        true => self.mirror.press()?,
                    }
                    is_mirrors = !is_mirrors;
                    due += HALF;
                }
            }
        }
        while !(typist.unseen.is_empty() && self.mirror.unseen.is_empty()) {
            let heard = self.desk.must_hear()?;
            self.hear(heard, typist, &mut watch);
        }
        Ok(())
    }

    fn wait_for_a_file(&mut self, typist: &mut Typist) -> io::Result<()> {
        loop {
            match self.desk.must_hear()? {
                Heard::Told(event) if Watch::has_begun(&event) => return Ok(()),
                heard => drop(self.hear(heard, typist, &mut Watch::new(Load::Idle))),
            }
        }
    }

    /// Measures in one situation until there are enough keys.
    fn measure(&mut self, load: Load, keys: usize, size: u64, row: &mut Row) -> io::Result<()> {
        let mut typist = Typist::new();
        while typist.took.len() < keys {
            typist.stop(&mut self.desk.terminal)?;
            let emulator = &mut self.emulator;
            self.desk.calm(|_, bytes| emulator.take(bytes))?;
            let began = Instant::now();
            self.desk.begin(load)?;
            if load != Load::Idle {
                self.wait_for_a_file(&mut typist)?;
            }
            self.press(load, keys, &mut typist)?;
            if load != Load::Idle {
                row.bytes += size as f64;
                row.seconds += began.elapsed().as_secs_f64();
            }
            self.desk.clear()?;
        }
        row.keys.append(&mut typist.took);
        row.echoes.append(&mut self.mirror.took);
        typist.stop(&mut self.desk.terminal)
    }
}

/// Runs and prints.
pub(crate) fn measure(plan: Plan, scratch: &mut Scratch) -> io::Result<()> {
    let file = scratch.source("file.bin", plan.size)?;
    let desk = Desk::new(Ui::Full, &file, None, scratch)?;
    let mirror = Mirror::new(&desk)?;
    let mut room = Room { desk, mirror, emulator: Emulator::new(COLUMNS, ROWS) };
    let mut rows = [Load::Idle, Load::Arriving, Load::Sending].map(|load| (load, Row::default()));
    for _ in 0..ROUNDS {
        for (load, row) in &mut rows {
            room.measure(*load, plan.keys.div_ceil(ROUNDS), plan.size, row)?;
        }
    }

    println!("keys: from a key to its echo, one every {} ms, in {ROUNDS} rounds in turn, ms:", TICK.as_millis());
    println!("  {:22}     p50    p99    max  of keys       cat: p50    p99    max", "");
    for (load, row) in &rows {
        let [keys, echoes] = [&row.keys, &row.echoes].map(|of| [50, 99, 100].map(|percent| percentile(of, percent)));
        print!("  {:22}  {:6.2} {:6.2} {:6.2}  {:7}", load.words(), keys[0], keys[1], keys[2], row.keys.len());
        print!("       {:6.2} {:6.2} {:6.2}", echoes[0], echoes[1], echoes[2]);
        println!(
            "{}",
            if row.seconds > 0.0 { format!("  {:.2} GB/s", row.bytes / 1e9 / row.seconds) } else { String::new() }
        );
    }
    let (percent, target) = TARGET;
    for (load, row) in &rows {
        let [key, echo] = [&row.keys, &row.echoes].map(|of| percentile(of, percent));
        println!("  {}: p{percent} {key:.2} ms (wanted: at most {target}), cat {echo:.2}", load.words());
    }
    Ok(())
}
