//! The raw probes: the least that can carry a file from one process to another over TCP. No frames, no session, one
//! connection, blocking calls. What tete is measured against.
//!
//! Owns: both ends of a probe. Must not know: who starts them, what the figures are compared with.
//!
//! ```text
//!   sender: sendfile, 1 MiB a call  -->  receiver: recv + write, or splice + splice, into a fresh file
//!           hashing follows                        hashing follows
//!           until the root is in   <-- 32 bytes -- the root, when all is written and hashed
//! ```
//!
//! The receiver's 32 bytes (zeros without hashing) end the measured part: what is only in a socket has not arrived.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use tete::net::part::Part;
use tete::sys::write_all_at;

use super::ends::{Opened, accept, connect, create, listen, open};
use super::figures::{Clock, Figures};
use super::helpers::{Hashing, Of};
use super::process::tell_ready;

/// Bytes of one sendfile or splice, and of the pipe between two splices.
const PIECE: usize = 1 << 20;

/// How the receiver gets the bytes into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// recv of up to 1 MiB, then write.
    Write1m,
    /// recv of up to 256 KiB, then write.
    Write256k,
    /// splice into a pipe, splice out of it.
    Splice,
}

impl By {
    /// As the table calls it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Write1m => "recv 1 MiB + write",
            Self::Write256k => "recv 256 KiB + write",
            Self::Splice => "splice",
        }
    }

    /// As the command line calls it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Write1m => "write1m",
            Self::Write256k => "write256k",
            Self::Splice => "splice",
        }
    }
}

/// The receiving end.
#[derive(Args, Debug)]
pub(crate) struct Receive {
    #[arg(long)]
    into: PathBuf,
    #[arg(long)]
    size: u64,
    #[arg(long)]
    by: By,
    #[arg(long)]
    hash: bool,
}

/// The sending end.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    file: PathBuf,
    #[arg(long)]
    hash: bool,
}

/// Receives one file.
pub(crate) fn receive(args: &Receive) -> io::Result<()> {
    let listener = listen()?;
    let mut ready = Figures::default();
    ready.add("port", listener.local_addr()?.port().into());
    let (part, helpers) = create(&args.into, args.size)?;
    tell_ready(ready)?;

    let mut stream = accept(&listener)?;
    let clock = Clock::start()?;
    let mut hashing = Hashing::new(helpers, Of::Part(Arc::clone(&part)), args.size);
    let hashing = args.hash.then_some(&mut hashing);
    let mut target = Target { part: &part, size: args.size, stored: 0, hashing };
    match args.by {
        By::Write1m => target.copy(&mut stream, 1 << 20)?,
        By::Write256k => target.copy(&mut stream, 256 << 10)?,
        By::Splice => target.splice(&stream)?,
    }
    let root = target.hashing.as_mut().map_or(Ok([0; 32]), |hashing| hashing.finish())?;
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
    hashing: Option<&'a mut Hashing>,
}

impl Target<'_> {
    fn left(&self, at_most: usize) -> usize {
        (self.size - self.stored).min(at_most as u64) as usize
    }

    fn stored(&mut self, n: usize) -> io::Result<()> {
        self.stored += n as u64;
        self.hashing.as_mut().map_or(Ok(()), |hashing| hashing.follow(self.stored))
    }

    fn file(&self) -> io::Result<&std::fs::File> {
        self.part.file().ok_or_else(|| io::Error::other("the part is not open"))
    }

    fn copy(&mut self, stream: &mut TcpStream, piece: usize) -> io::Result<()> {
        let mut buffer = vec![0; piece];
        while self.stored < self.size {
            let room = self.left(piece);
            let n = stream.read(&mut buffer[..room])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            write_all_at(self.file()?, &buffer[..n], self.stored)?;
            self.stored(n)?;
        }
        Ok(())
    }

    fn splice(&mut self, stream: &TcpStream) -> io::Result<()> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setpipe_size(&into, PIECE)?;
        let flags = SpliceFlags::MOVE | SpliceFlags::MORE;
        while self.stored < self.size {
            let room = self.left(PIECE);
            let mut held = retry_on_intr(|| splice(stream, None, &into, None, room, flags))?;
            if held == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while held > 0 {
                let mut at = self.stored;
                let n = retry_on_intr(|| splice(&out, None, self.file_fd()?, Some(&mut at), held, flags))?;
                held -= n;
                self.stored(n)?;
            }
        }
        Ok(())
    }

    fn file_fd(&self) -> Result<impl AsFd, Errno> {
        self.part.file().ok_or(Errno::BADF)
    }
}

/// Sends one file.
pub(crate) fn send(args: &Send) -> io::Result<()> {
    let Opened { source, size, helpers } = open(&args.file)?;
    let file = source.file().ok_or_else(|| io::Error::other("the source is not open"))?;
    let mut stream = connect(args.port)?;

    let clock = Clock::start()?;
    let mut hashing = Hashing::new(helpers, Of::Source(Arc::clone(&source)), size);
    let mut hashing = args.hash.then_some(&mut hashing);
    let mut at = 0;
    while at < size {
        let piece = (size - at).min(PIECE as u64) as usize;
        let n = retry_on_intr(|| rustix::fs::sendfile(&stream, file, Some(&mut at), piece))?;
        if n == 0 {
            return Err(io::Error::other("the file became shorter while it was sent"));
        }
        if let Some(hashing) = &mut hashing {
            hashing.follow(at)?;
        }
    }
    let ours = hashing.map_or(Ok([0; 32]), Hashing::finish)?;
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    if ours != theirs {
        return Err(io::Error::other("other bytes arrived than were sent"));
    }
    figures.print()
}
