//! The terminal that the program has to itself.
//!
//! Owns: its modes and its size; that it is left as it was found, also by a panic. Must not know: what is shown there,
//! who reads the keys.
//!
//! In raw mode the terminal neither echoes, nor gathers lines, nor makes signals of keys (POSIX, "General Terminal
//! Interface", 11.2.5): every key comes as bytes, at once.

use std::io::{self, Write};
use std::thread;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::painter::RESTORE;
use super::view::Size;

/// Assumed where a terminal does not tell its size (a serial line).
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The terminal in raw mode, until this is dropped.
#[derive(Debug)]
pub struct Console(());

impl Console {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The system's, when there is none or it cannot be changed.
    pub fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self(()))
    }

    /// How large it is now.
    pub fn size(&self) -> Size {
        match crossterm::terminal::size() {
            Ok((columns, rows)) if columns > 0 && rows > 0 => Size { columns, rows },
            Ok(_) => USUAL,
            Err(error) => {
                log::debug!("the terminal does not tell its size: {error}");
                USUAL
            }
        }
    }

    /// Gives it back for a while: its modes are those that were found.
    pub fn release(&self) {
        if let Err(error) = disable_raw_mode() {
            log::debug!("the terminal could not be given back: {error}");
        }
    }

    /// Takes it again: whoever had it meanwhile may have changed its modes.
    pub fn retake(&self) {
        self.release();
        if let Err(error) = enable_raw_mode() {
            log::warn!("the terminal could not be taken again: {error}");
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.release();
    }
}

/// From here on a panic that ends the program is shown on a terminal in its usual modes, on a line of its own. A
/// helper's panic ends nothing: it goes to the log.
pub fn survive_panics() {
    let usual = std::panic::take_hook();
    let main = thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if thread::current().id() != main {
            log::error!("{info}");
            return;
        }
        // Both may fail where the terminal has gone: there is nobody to tell then.
        let _ = io::stdout().write_all(format!("\r\n{RESTORE}").as_bytes()).and_then(|()| io::stdout().flush());
        let _ = disable_raw_mode();
        usual(info);
    }));
}
