//! The raw probes: the least that can carry a file from one process to another over TCP. No frames, no session, one
//! connection, blocking calls. What tete is measured against.
//!
//! Owns: both ends of a probe. Must not know: who starts them, what the figures are compared with.
//!
//! ```text
//!   sender: sendfile, 1 MiB a call  -->  receiver: recv + write, or splice + splice, into a fresh file; or recv alone
//!           hashing follows                        hashing, before write or after splice; at last it waits for the
//!                                                  disk, if it is to
//!           until the root is in   <-- 32 bytes -- the root, when all is written and hashed
//! ```
//!
//! The receiver's 32 bytes (zeros without hashing) end the measured part: what is only in a socket has not arrived.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::net::part::Part;
use crate::sys::{self, Buffer, Calls, Pipe};

use super::ends::{Opened, accept, connect, create, listen, open};
use super::figures::{Clock, Figures};
use super::helpers::{Care, Following, Of};
use super::process::tell_ready;
use super::role::{Given, Role};

/// Bytes of one sendfile or splice, and of the pipe between two splices.
const PIECE: usize = 1 << 20;

/// How the receiver gets the bytes into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// recv of up to 1 MiB, then write.
    Write1m,
    /// recv of up to 256 KiB, then write.
    Write256k,
    /// splice into a pipe, splice out of it.
    Splice,
    /// recv of up to 1 MiB, and nothing more: the bytes are thrown away.
    Nothing,
}

impl By {
    /// Each with its name on a command line.
    const ALL: [(Self, &str); 4] = [
        (Self::Write1m, "write1m"),
        (Self::Write256k, "write256k"),
        (Self::Splice, "splice"),
        (Self::Nothing, "nothing"),
    ];

    /// As a table calls it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Write1m => "recv 1 MiB + write",
            Self::Write256k => "recv 256 KiB + write",
            Self::Splice => "splice",
            Self::Nothing => "recv 1 MiB",
        }
    }

    fn option(self) -> &'static str {
        Self::ALL.iter().find(|(by, _)| *by == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for By {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(by, _)| *by).ok_or(())
    }
}

impl Care {
    /// The same as words of a role.
    pub fn of(self, role: Role) -> Role {
        role.switch("hash", self.hash).switch("sync", self.sync)
    }

    /// From such words.
    pub fn from(given: &mut Given) -> Self {
        Self { hash: given.has("hash"), sync: given.has("sync") }
    }
}

/// The two roles for a file of `size` bytes that goes into a folder.
pub fn roles(file: &Path, size: u64, into: &Path, by: By, care: Care) -> (Role, Role) {
    let receive = Role::new("raw-receive").option("into", into).option("size", size.to_string());
    (care.of(receive.option("by", by.option())), care.of(Role::new("raw-send").option("file", file)))
}

/// Receives one file.
///
/// # Errors
/// The system's, and a sender that ends early.
pub fn receive(mut given: Given) -> io::Result<()> {
    let (into, size, by) = (given.value("into")?, given.read("size")?, given.read("by")?);
    let care = Care::from(&mut given);
    let listener = listen()?;
    let mut ready = Figures::default();
    ready.add("port", listener.local_addr()?.port().into());
    let (part, helpers) = create(Path::new(&into), size)?;
    tell_ready(ready)?;

    let mut stream = accept(&listener)?;
    let clock = Clock::start();
    let following = Following::new(helpers, Of::Part(Arc::clone(&part)), size, care);
    let mut target = Target { part: &part, size, stored: 0, keeps: by != By::Nothing, following };
    match by {
        By::Write1m => target.copy(&mut stream, 1 << 20)?,
        By::Write256k => target.copy(&mut stream, 256 << 10)?,
        By::Splice => target.splice(&stream)?,
        By::Nothing => target.copy(&mut stream, 1 << 20)?,
    }
    if care.sync {
        sys::sync_file(target.file()?)?;
    }
    let root = target.following.finish()?;
    stream.write_all(&root)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    figures.print()
}

/// The file that a probe writes.
struct Target<'a> {
    part: &'a Part,
    size: u64,
    stored: u64,
    /// Whether anything is written.
    keeps: bool,
    following: Following,
}

impl Target<'_> {
    fn left(&self, at_most: usize) -> usize {
        (self.size - self.stored).min(at_most as u64) as usize
    }

    fn stored(&mut self, n: usize) -> io::Result<()> {
        self.stored += n as u64;
        self.following.follow(self.stored)
    }

    fn file(&self) -> io::Result<&std::fs::File> {
        self.part.file().ok_or_else(|| io::Error::other("the part is not open"))
    }

    fn copy(&mut self, stream: &mut TcpStream, piece: usize) -> io::Result<()> {
        let mut buffer = Buffer::zeroed(piece);
        while self.stored < self.size {
            let room = self.left(piece);
            let n = stream.read(&mut buffer[..room])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.following.pass(self.stored, &buffer[..n]);
            if self.keeps {
                sys::write_all_at(self.file()?, &buffer[..n], self.stored)?;
            }
            self.stored(n)?;
        }
        Ok(())
    }

    fn splice(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut pipe = Pipe::new(PIECE)?;
        while self.stored < self.size {
            if pipe.fill(stream.as_fd(), self.left(PIECE))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while pipe.held() > 0 {
                let n = pipe.drain(self.file()?, self.stored)?;
                self.stored(n)?;
            }
        }
        Ok(())
    }
}

/// Sends one file.
///
/// # Errors
/// The system's, a file that changes, and bytes that arrived as others.
pub fn send(mut given: Given) -> io::Result<()> {
    let (port, file) = (given.read("port")?, given.value("file")?);
    let care = Care::from(&mut given);
    let Opened { source, size, helpers } = open(Path::new(&file))?;
    let file = source.file().ok_or_else(|| io::Error::other("the source is not open"))?;
    let mut stream = connect(port)?;

    let clock = Clock::start();
    let mut following = Following::new(helpers, Of::Source(Arc::clone(&source)), size, care);
    let mut at = 0;
    while at < size {
        let piece = (size - at).min(PIECE as u64) as usize;
        match sys::send_file(Calls::Native, stream.as_fd(), file, at, piece) {
            Ok(0) => return Err(io::Error::other("the file became shorter while it was sent")),
            Ok(n) => at += n as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        following.follow(at)?;
    }
    let ours = following.finish()?;
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    if ours != theirs {
        return Err(io::Error::other("other bytes arrived than were sent"));
    }
    figures.print()
}
