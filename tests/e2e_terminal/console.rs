//! A person at a terminal: keys go in, a screen is looked at.
//!
//! Owns: a pseudo-terminal with a session of its own, the program in it, its size, its modes, its hang-up, and who
//! reads it or does not. Must not know: what any test is about.
//!
//! Nothing here sleeps and hopes: a test waits for what it wants to see, or panics with what is seen instead.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::emulator::{Asked, Emulator};

/// What a shell calls the program.
const PROGRAM: &str = "TETE";

/// Columns and rows.
pub(crate) type Size = (u16, u16);

/// A size that most terminals have at first.
pub(crate) const USUAL: Size = (80, 24);

/// How a person sits down: an account, a size, an environment.
#[derive(Clone)]
pub(crate) struct Desk {
    size: Size,
    env: BTreeMap<OsString, OsString>,
    /// Who it is and whom it knows: the same in every terminal of one account.
    kept: Arc<TempDir>,
}

impl Desk {
    /// Somebody new, at a terminal that can do what most can.
    pub(crate) fn new() -> Self {
        let kept = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let env = [("PATH", path.as_os_str()), ("USER", "tester".as_ref()), ("TERM", "xterm-256color".as_ref())];
        let env = env.into_iter().chain([("LANG", "C.UTF-8".as_ref()), ("TZ", "UTC".as_ref())]);
        let env = env.map(|(key, value)| (key.into(), value.to_owned())).collect();
        Self { size: USUAL, env, kept }
    }

    /// A size; 0 and 0: the terminal does not tell its size, which is the usual one.
    pub(crate) fn size(mut self, columns: u16, rows: u16) -> Self {
        self.size = (columns, rows);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    pub(crate) fn without_env(mut self, key: &str) -> Self {
        self.env.remove(OsStr::new(key));
        self
    }

    /// Where its identity, its known peers and its history are.
    pub(crate) fn kept(&self) -> &Path {
        self.kept.path()
    }

    /// The program with these arguments.
    pub(crate) fn start(&self, args: &[&str]) -> Console {
        self.run(env!("CARGO_BIN_EXE_tete"), args)
    }

    /// A shell, as people have one, in which [`PROGRAM`] is the program.
    pub(crate) fn shell(&self) -> Console {
        let mut console =
            self.clone().env("PS1", "shell$ ").run("bash", &["--norc", "--noprofile", "--noediting", "-i"]);
        console.prompts("shell$");
        console
    }

    /// Any program, in an empty folder of its own that is also its home.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Console {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        self.env.iter().for_each(|(key, value)| command.env(key, value));
        command.env("HOME", home.path());
        command.env("TETE_HOME", self.kept.path());
        command.env(PROGRAM, env!("CARGO_BIN_EXE_tete"));
        command.cwd(home.path());
        Console::new(self.size, command, home, Arc::clone(&self.kept))
    }
}

/// What the line between keyboard and program does to what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineModes {
    input: u64,
    output: u64,
    local: u64,
}

/// What state a terminal is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) line: LineModes,
    /// Whether keys come one by one, unechoed, and none of them is a signal.
    pub(crate) is_raw: bool,
    pub(crate) marks_pastes: bool,
    pub(crate) hides_cursor: bool,
    pub(crate) is_alternate: bool,
}

/// Reads what is shown, unless it is told to stop.
struct Reading {
    thread: JoinHandle<()>,
    is_stopped: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

/// A terminal and the program in it, which is killed when this is dropped.
pub(crate) struct Console {
    child: Box<dyn Child + Send + Sync>,
    ours: Option<Box<dyn MasterPty + Send>>,
    /// The program's end too: so its modes outlive it, and can be looked at.
    theirs: Option<File>,
    keys: Option<Sender<Vec<u8>>>,
    /// Whoever presses them: done with so many bytes.
    pressed: Receiver<usize>,
    pressing: Option<JoinHandle<()>>,
    /// Bytes that were typed and have not gone into the terminal.
    to_press: usize,
    reading: Option<Reading>,
    shown: Receiver<Vec<u8>>,
    emulator: Emulator,
    bytes: Vec<u8>,
    before: Modes,
    home: TempDir,
    kept: Arc<TempDir>,
    label: String,
}

impl Drop for Console {
    fn drop(&mut self) {
        // Who ended by itself cannot be killed.
        for pid in self.children().into_iter().chain([self.pid()]) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Opens the program's end of a terminal without becoming its owner.
fn open(name: &Path) -> File {
    rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("a terminal has two ends").into()
}

fn modes(theirs: &File, emulator: &Emulator) -> Modes {
    let modes = tcgetattr(theirs).expect("a terminal has modes");
    let line = LineModes {
        input: modes.input_modes.bits().into(),
        output: modes.output_modes.bits().into(),
        local: modes.local_modes.bits().into(),
    };
    let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    let screen = emulator.screen();
    Modes {
        line,
        is_raw: !modes.local_modes.intersects(cooked),
        marks_pastes: screen.bracketed_paste(),
        hides_cursor: screen.hide_cursor(),
        is_alternate: screen.alternate_screen(),
    }
}

fn read(mut from: Box<dyn Read + Send>, to: &Sender<Vec<u8>>, is_stopped: &AtomicBool, is_over: &AtomicBool) {
    let mut buffer = [0; 4096];
    // Once nobody has the other end any more there is nothing to read.
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if is_over.load(Ordering::SeqCst) || to.send(buffer[..n].to_vec()).is_err() {
            return;
        }
        while is_stopped.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

impl Console {
    fn new(size: Size, command: CommandBuilder, home: TempDir, kept: Arc<TempDir>) -> Self {
        let label: Vec<_> = command.get_argv()[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let pair = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let theirs = open(&pair.master.tty_name().expect("a terminal has a name"));
        let (columns, rows) = if size == (0, 0) { USUAL } else { size };
        let emulator = Emulator::new(columns, rows);
        let before = modes(&theirs, &emulator);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let (said, shown) = channel();
        let (is_stopped, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let from = pair.master.try_clone_reader().expect("a terminal can be read");
        let (stop, over) = (Arc::clone(&is_stopped), Arc::clone(&is_over));
        let thread = thread::spawn(move || read(from, &said, &stop, &over));
        // Somebody else presses the keys: a program that takes none does not stop the test.
        let (keys, to_press) = channel::<Vec<u8>>();
        let (done, pressed) = channel();
        let mut keyboard = pair.master.take_writer().expect("a terminal has a keyboard");
        let pressing = thread::spawn(move || {
            for keys in to_press {
                if keyboard.write_all(&keys).is_err() || done.send(keys.len()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            ours: Some(pair.master),
            theirs: Some(theirs),
            keys: Some(keys),
            pressed,
            pressing: Some(pressing),
            to_press: 0,
            reading: Some(Reading { thread, is_stopped, is_over }),
            shown,
            emulator,
            bytes: Vec::new(),
            before,
            home,
            kept,
            label: label.join(" "),
        }
    }

    // ---- what the person does

    /// Types text, without Enter.
    pub(crate) fn types(&mut self, text: &str) {
        self.presses(text.as_bytes());
    }

    pub(crate) fn enter(&mut self) {
        self.presses(b"\r");
    }

    /// Types a line and Enter.
    pub(crate) fn says(&mut self, line: &str) {
        self.presses(format!("{line}\r").as_bytes());
    }

    /// Presses keys. Whoever should take them may do so later.
    pub(crate) fn presses(&mut self, keys: &[u8]) {
        self.to_press += keys.len();
        self.keys.as_ref().expect("it has not hung up").send(keys.to_vec()).expect("the terminal is open");
    }

    /// Pastes text, marked as terminals mark it for programs that want to know.
    pub(crate) fn pastes(&mut self, text: &str) {
        assert!(self.modes().marks_pastes, "pastes are not told apart\n{}", self.seen());
        self.presses(format!("\x1b[200~{}\x1b[201~", text.replace('\n', "\r")).as_bytes());
    }

    /// Waits until the terminal has taken all keys.
    pub(crate) fn all_pressed(&mut self) {
        let latest = Instant::now() + PATIENCE;
        while self.to_press > 0 {
            match self.pressed.recv_timeout(latest.saturating_duration_since(Instant::now())) {
                Ok(n) => self.to_press -= n,
                Err(_) => self.fail("its keys are not taken"),
            }
        }
    }

    /// Pulls the window to another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.hear();
        // The window first: what the program draws for its new size must not meet the old one.
        self.emulator.resize(columns, rows);
        let ours = self.ours.as_ref().expect("it has not hung up");
        ours.resize(pty_size((columns, rows))).expect("a terminal has a size");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it can be sent a signal");
    }

    /// Looks away: what is shown stays where it is.
    pub(crate) fn stop_reading(&self) {
        self.reading().is_stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn go_on_reading(&self) {
        let reading = self.reading();
        reading.is_stopped.store(false, Ordering::SeqCst);
        reading.thread.thread().unpark();
    }

    /// Closes the window: the terminal is gone for whoever is still in it.
    pub(crate) fn hang_up(&mut self) {
        self.hear();
        let theirs = self.theirs.take().expect("it has not hung up");
        // Else the keyboard says goodbye by Enter and Ctrl-D.
        let mut modes = tcgetattr(&theirs).expect("a terminal has modes");
        modes.special_codes[SpecialCodeIndex::VEOF] = 0;
        tcsetattr(&theirs, OptionalActions::Now, &modes).expect("a terminal has modes");
        self.keys = None;
        self.pressing.take().expect("it has not hung up").join().expect("keys are pressed");
        let Reading { thread, is_stopped, is_over } = self.reading.take().expect("it has not hung up");
        is_over.store(true, Ordering::SeqCst);
        is_stopped.store(false, Ordering::SeqCst);
        thread.thread().unpark();
        // Wakes whoever waits for something to read.
        (&theirs).write_all(b"\n").expect("a terminal takes bytes");
        drop(theirs);
        thread.join().expect("it is read");
        self.ours = None;
    }

    // ---- what the person sees

    /// Waits for the moment in which the screen is like this.
    pub(crate) fn waits_for(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        self.until(what, |console| is_so(console).then_some(()));
    }

    /// Waits for the moment in which the screen shows this.
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let latest = Instant::now() + PATIENCE;
        loop {
            self.hear();
            if let Some(found) = look(self) {
                return found;
            }
            match self.shown.recv_timeout(latest.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("too long without: {what}")),
                Err(RecvTimeoutError::Disconnected) => self.fail(&format!("it ended before: {what}")),
            }
        }
    }

    /// Waits for words, on the screen or above it. Blanks at the end of a line are nothing that can be seen.
    pub(crate) fn shows(&mut self, words: &str) {
        assert_eq!(words.trim_end(), words);
        self.waits_for(words, |console| console.everything().contains(words));
    }

    /// Waits until the row with the cursor is this.
    pub(crate) fn prompts(&mut self, row: &str) {
        assert_eq!(row.trim_end(), row);
        self.waits_for(&format!("the prompt row {row:?}"), |console| console.prompt() == row);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.emulator.take(bytes);
    }

    /// Takes in what was shown up to now.
    pub(crate) fn hear(&mut self) {
        while let Ok(bytes) = self.shown.try_recv() {
            self.take(&bytes);
        }
    }

    /// Waits at most so long for more to see.
    pub(crate) fn hear_within(&mut self, patience: Duration) {
        if let Ok(bytes) = self.shown.recv_timeout(patience) {
            self.take(&bytes);
        }
        self.hear();
    }

    /// The row in which the cursor stands, counted from 0.
    pub(crate) fn row_of_prompt(&self) -> usize {
        usize::from(self.emulator.screen().cursor_position().0)
    }

    /// What stands in the row with the cursor.
    pub(crate) fn prompt(&self) -> String {
        self.emulator.rows().swap_remove(self.row_of_prompt())
    }

    /// Row and column, counted from 0.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.emulator.screen().cursor_position()
    }

    /// The rows of the screen.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.emulator.rows()
    }

    /// The screen, without the empty rows at its end.
    pub(crate) fn screen(&self) -> String {
        self.rows().join("\n").trim_end_matches('\n').to_owned()
    }

    /// What has scrolled off, and the screen: line by line, as it was before it was wrapped.
    pub(crate) fn everything(&mut self) -> String {
        self.emulator.lines().join("\n")
    }

    /// The emulated screen itself: colours, cells.
    pub(crate) fn terminal(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// What the terminal was asked for that is no text.
    pub(crate) fn asked(&self) -> &Asked {
        self.emulator.asked()
    }

    /// Every byte that was ever sent to the terminal.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_else(|error| panic!("{error} in {:?}", self.bytes.escape_ascii()))
    }

    pub(crate) fn modes(&self) -> Modes {
        modes(self.theirs.as_ref().expect("it has not hung up"), &self.emulator)
    }

    /// As they were before anything ran there.
    pub(crate) fn modes_before(&self) -> Modes {
        self.before
    }

    // ---- where it runs

    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn kept(&self) -> &Path {
        self.kept.path()
    }

    /// The program that was started; in a shell: the shell.
    pub(crate) fn pid(&self) -> Pid {
        let id = self.child.process_id().expect("a process has a number");
        Pid::from_raw(id.try_into().expect("a number of a process")).expect("not zero")
    }

    /// What a shell has started.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let id = self.pid().as_raw_nonzero();
        let ids = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        ids.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)).collect()
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn high_water(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    // ---- how it ends

    /// Its exit code, once it has ended and all that it showed was seen.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let latest = Instant::now() + PATIENCE;
        let status = loop {
            self.hear();
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if Instant::now() >= latest {
                self.fail("it does not end");
            }
            thread::sleep(Duration::from_millis(5)); // paced: a process cannot be waited for with a deadline.
        };
        if let Some(theirs) = &self.theirs {
            // Behind everything that the program has shown.
            let mut theirs = theirs;
            theirs.write_all(LAST).expect("a terminal takes bytes");
            while !self.bytes.ends_with(LAST) {
                match self.shown.recv_timeout(latest.saturating_duration_since(Instant::now())) {
                    Ok(bytes) => self.take(&bytes),
                    Err(_) => self.fail("its end is not seen"),
                }
            }
            self.bytes.truncate(self.bytes.len() - LAST.len());
        }
        match status.signal() {
            Some(signal) => self.fail(&format!("it was killed: {signal}")),
            None => i32::try_from(status.exit_code()).expect("an exit code"),
        }
    }

    /// It has ended with this code, and the terminal is as it was before, at the start of an empty row.
    pub(crate) fn ends(&mut self, code: i32) {
        let got = self.exit_code();
        let seen = self.seen();
        assert_eq!(got, code, "{seen}");
        assert_eq!(self.modes(), self.before, "{seen}");
        assert!(!self.emulator.is_within_a_frame(), "a frame has no end\n{seen}");
        assert_eq!((self.cursor().1, self.prompt()), (0, String::new()), "{seen}");
    }

    fn reading(&self) -> &Reading {
        self.reading.as_ref().expect("it has not hung up")
    }

    /// The screen and the cursor, to complain with.
    pub(crate) fn seen(&mut self) -> String {
        self.hear();
        let (row, column) = self.cursor();
        let (screen, above) = (self.screen(), self.emulator.lines().join("\n"));
        let tail: String = self.bytes[self.bytes.len().saturating_sub(600)..].escape_ascii().to_string();
        format!(
            "--- everything\n{above}\n--- screen, cursor in row {row}, column {column}\n{screen}\n--- bytes\n{tail}"
        )
    }

    pub(crate) fn fail(&mut self, why: &str) -> ! {
        let seen = self.seen();
        panic!("{}: {why}\n{seen}", self.label);
    }
}

/// A sequence without effect that no program sends.
const LAST: &[u8] = b"\x1b[8m\x1b[28m\x1b[8m\x1b[28m";

fn pty_size((columns, rows): Size) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}
