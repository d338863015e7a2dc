//! `tete demo`: a whole conversation in one terminal, over loopback, with an embedded partner.
//!
//! Owns: the script of both sides. Everything else is the real program: two of them, in two threads.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::net::event::Heeds;
use crate::net::output::Sinks;
use crate::sys;
use crate::term::capable::Charset;
use crate::term::plain::Paint;
use crate::term::view::Style;

use super::address::{Listen, Target};
use super::config::{Config, Trust};
use super::exit::Exit;
use super::screen::Mode;
use super::{App, StartError, Streams, identity};

/// What each side sends, and its bytes.
const ANNAS: (&str, usize) = ("holiday.tar", 3_000_000);
const BOBS: (&str, usize) = ("notes.txt", 1_780_871);

/// Plays the conversation and shows what one side sees, notices and all. Leaves nothing behind.
///
/// # Errors
/// The system's: no folder for what is sent, no loopback, nobody who reads standard output.
pub fn run() -> io::Result<Exit> {
    let folder = Folder::new()?;
    let (anna, bob) = (folder.side("anna", ANNAS)?, folder.side("bob", BOBS)?);
    writeln!(io::stdout(), "Two sides on this machine: anna in front, bob embedded. This is what anna sees.\n")?;

    let lines = format!("Hello Anna!\nHere are my notes.\ntransfer {}\n", bob.join(BOBS.0).display());
    let silent = Sinks { out: Box::new(io::sink()), err: Box::new(io::sink()), at_once: None };
    // Bob stays until Anna leaves; she does once she has his file, and her own is through.
    let (anna_left, stays) = mpsc::channel();
    let bob_app = start(config("bob", &bob, None), streams(Script::new(lines, stays), silent, Heeds::Nothing))?;
    let port = bob_app.port();
    let partner = thread::Builder::new().name("tete-bob".into()).spawn(move || bob_app.run())?;

    let lines = format!("Hello Bob!\nA picture book for you.\ntransfer {}\n", anna.join(ANNAS.0).display());
    let (received, has_received) = mpsc::channel();
    let shown = Sinks { out: Box::new(io::stdout()), err: Box::new(Watched { over: Some(received) }), at_once: None };
    let target = Target::at(Ipv4Addr::LOCALHOST.to_string(), Some(port));
    let script = Script::new(lines, has_received);
    // Whoever ends it early ends anna, and what was made goes as always.
    let seen = start(config("anna", &anna, Some(target)), streams(script, shown, Heeds::Endings))?.run()?;
    drop(anna_left);
    let partner = partner.join().map_err(|_| io::Error::other("the partner failed"))??;

    if matches!(seen, Exit::Interrupted | Exit::Terminated) {
        return Ok(seen);
    }
    let done = seen == Exit::Done && partner == Exit::Done;
    if !done || !same(&anna, &bob, ANNAS.0)? || !same(&bob, &anna, BOBS.0)? {
        writeln!(io::stdout(), "\nThe demonstration failed: what arrived is not what was sent.")?;
        return Ok(Exit::Failed);
    }
    writeln!(
        io::stdout(),
        "\nanna -> bob: {}, {} bytes, verified\nbob -> anna: {}, {} bytes, verified\n\n\
         Now with a friend, one terminal each (here both on this machine):\n\n    \
         tete -n anna -l 5000\n    tete -n bob 5000",
        ANNAS.0,
        ANNAS.1,
        BOBS.0,
        BOBS.1,
    )?;
    Ok(Exit::Done)
}

fn config(name: &str, folder: &Path, target: Option<Target>) -> Config {
    let loopback = Listen { ip: Some(IpAddr::from(Ipv4Addr::LOCALHOST)), port: 0 };
    Config {
        name: name.to_owned(),
        listen: Some(loopback).filter(|_| target.is_none()),
        target,
        into: folder.to_owned(),
        trust: Some(Trust::New),
        ..Config::default()
    }
}

/// Lines that are typed at once; the input ends when the other end of the channel is gone.
struct Script {
    lines: Cursor<String>,
    over: Receiver<()>,
}

impl Script {
    fn new(lines: String, over: Receiver<()>) -> Self {
        Self { lines: Cursor::new(lines), over }
    }
}

impl Read for Script {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.lines.read(into)?;
        if n == 0 {
            // Nothing is ever sent: what comes is the end.
            let _ = self.over.recv();
        }
        Ok(n)
    }
}

/// Standard output, which lets go of its channel once a file has come, or will not come any more.
struct Watched {
    over: Option<Sender<()>>,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        if ["-- received ", "-- error", " left", " was not "].iter().any(|words| text.contains(words)) {
            self.over = None;
        }
        io::stdout().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn streams(script: Script, sinks: Sinks, heeds: Heeds) -> Streams {
    Streams {
        input: Some(Box::new(script)),
        sinks,
        terminal: false,
        mode: Mode::Lines {
            quiet: false,
            style: Style { paint: Paint::Off, charset: Charset::Unicode },
            notices: Style { paint: Paint::Off, charset: Charset::Unicode },
        },
        heeds,
    }
}

/// One of the two, with a key of its own that is gone afterwards.
fn start(config: Config, streams: Streams) -> io::Result<App> {
    let secure = identity::ephemeral().map_err(refused)?;
    App::with_identity(config, streams, Some(secure)).map_err(refused)
}

fn refused(error: StartError) -> io::Error {
    io::Error::other(error.message)
}

/// Whether what `from` sent is what `to` has.
fn same(from: &Path, to: &Path, name: &str) -> io::Result<bool> {
    Ok(fs::read(from.join(name))? == fs::read(to.join(format!("fetched_{name}")))?)
}

/// A folder of our own that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        sys::random(&mut random)?;
        let path = std::env::temp_dir().join(format!("tete-demo-{:016x}", u64::from_ne_bytes(random)));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// The folder of one side, with the file that it will send.
    fn side(&self, name: &str, (file, bytes): (&str, usize)) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir(&path)?;
        let content: Vec<u8> = (0..bytes).map(|at| (at * name.len() % 251) as u8).collect();
        fs::write(path.join(file), content)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::error!("{} could not be removed: {error}", self.0.display());
        }
    }
}
