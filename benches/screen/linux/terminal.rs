//! A pseudo-terminal and the program in it.
//!
//! Owns: its size, its environment, who reads it and when something was read, its end. Must not know: what is measured.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// What most terminals have at first.
pub(crate) const COLUMNS: u16 = 80;
pub(crate) const ROWS: u16 = 24;

/// Bytes taken from it at once.
const PIECE: usize = 64 * 1024;

/// A terminal. Its program is killed when this is dropped.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    /// Open as long as the program shall have a terminal.
    _ours: Box<dyn MasterPty + Send>,
}

/// The environment of everybody here: nothing of whoever runs this.
pub(crate) fn environment(home: &Path) -> Vec<(&'static str, std::ffi::OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let words = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("USER", "tester")];
    let folders = [("PATH", path), ("HOME", home.into()), ("TETE_HOME", home.into())];
    words.map(|(key, value)| (key, value.into())).into_iter().chain(folders).collect()
}

impl Terminal {
    /// Starts a program. What it writes, and when that was read, goes to `shown`, wrapped by `wrap`.
    pub(crate) fn start<Heard: Send + 'static>(
        argv: &[&str],
        home: &Path,
        shown: Sender<Heard>,
        wrap: fn(Instant, Vec<u8>) -> Heard,
    ) -> io::Result<Self> {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).map_err(io::Error::other)?;
        let mut command = CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
        command.env_clear();
        environment(home).into_iter().for_each(|(key, value)| command.env(key, value));
        command.cwd(home);
        let child = pair.slave.spawn_command(command).map_err(io::Error::other)?;
        let mut screen = pair.master.try_clone_reader().map_err(io::Error::other)?;
        let keyboard = pair.master.take_writer().map_err(io::Error::other)?;
        let read = move || {
            let mut buffer = vec![0; PIECE];
            // Once nobody has the other end any more there is nothing to read.
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                if shown.send(wrap(Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("screen".into()).spawn(read)?;
        Ok(Self { child, keyboard, _ours: pair.master })
    }

    /// Presses keys, all at once.
    pub(crate) fn press(&mut self, keys: &[u8]) -> io::Result<()> {
        self.keyboard.write_all(keys)
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> io::Result<u32> {
        self.child.process_id().ok_or_else(|| io::Error::other("the program has ended"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            eprintln!("the program at a terminal could not be ended: {error}");
        }
    }
}
