//! The encrypted probe: the least that can carry a file from one process to another over TLS 1.3. The same library
//! and the same settings as tete has, blocking calls, no frames. What tete is measured against when it encrypts.
//!
//! Owns: both ends of the probe. Must not know: who starts them, what the figures are compared with.
//!
//! ```text
//!   sender: read 128 KiB, hash, encrypt, write  -->  receiver: recv 128 KiB, decrypt, hash, write into a fresh file
//!                                                              at last it waits for the disk, if it is to
//!           until the root is in                <-- 32 bytes -- the root, when all is written and hashed
//! ```
//!
//! With more processors helpers hash behind its back. The handshake is over before the measured part begins. What was decrypted of one recv is gathered and written by one
//! call: that costs a copy, and was measured to be faster by some hundredths than a write for each record of 16 KiB.
//!
//! **Threat model.** None: either end takes the other for what it says. Only bytes of a benchmark pass here.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::Connection;

use crate::net::channel::SECURE_PIECE;
use crate::secure::key::SecretKey;
use crate::secure::tls::Tls;
use crate::sys::{self, Buffer};

use super::ends::{Opened, accept, connect, create, listen, open};
use super::figures::{Clock, Figures};
use super::helpers::{Care, Following, Of};
use super::process::tell_ready;
use super::role::{Given, Role};

/// Bytes of one read, of a file or of a socket: as many as tete encrypts at once.
const PIECE: usize = SECURE_PIECE;

/// The two roles for a file of `size` bytes that goes into a folder.
pub fn roles(file: &Path, size: u64, into: &Path, care: Care) -> (Role, Role) {
    let receive = Role::new("tls-receive").option("into", into).option("size", size.to_string());
    (care.of(receive), care.of(Role::new("tls-send").option("file", file)))
}

/// A key of its own for this one run.
fn settings() -> io::Result<Tls> {
    SecretKey::generate().map_err(io::Error::other).and_then(|key| Tls::new(&key).map_err(io::Error::other))
}

/// The handshake.
fn agree(tls: &mut Connection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(())
}

/// Everything that waits.
fn transmit(tls: &mut Connection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

/// As many bytes as there is room for.
fn receive_all(tls: &mut Connection, stream: &mut TcpStream, into: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < into.len() {
        match tls.reader().read(&mut into[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tls.read_tls(stream)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Receives one file.
///
/// # Errors
/// The system's, and a sender that ends early.
pub fn receive(mut given: Given) -> io::Result<()> {
    let (into, size) = (given.value("into")?, given.read("size")?);
    let care = Care::from(&mut given);
    let listener = listen()?;
    let mut ready = Figures::default();
    ready.add("port", listener.local_addr()?.port().into());
    let (part, helpers) = create(Path::new(&into), size)?;
    let file = part.file().ok_or_else(|| io::Error::other("the part is not open"))?;
    tell_ready(ready)?;

    let mut stream = accept(&listener)?;
    let mut tls = settings()?.bare(false).map_err(io::Error::other)?;
    agree(&mut tls, &mut stream)?;
    let clock = Clock::start();
    let mut following = Following::new(helpers, Of::Part(Arc::clone(&part)), size, care);
    let (mut buffer, mut plain) = (Buffer::zeroed(PIECE), Vec::with_capacity(2 * PIECE));
    let mut stored = 0;
    while stored < size {
        let n = stream.read(&mut buffer)?;
        let mut came = &buffer[..n];
        if came.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        plain.clear();
        while !came.is_empty() {
            tls.read_tls(&mut came)?;
            let there = tls.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
            tls.reader().take(there as u64).read_to_end(&mut plain)?;
        }
        following.pass(stored, &plain);
        sys::write_all_at(file, &plain, stored)?;
        stored += plain.len() as u64;
        following.follow(stored)?;
    }
    if care.sync {
        sys::sync_file(file)?;
    }
    let root = following.finish()?;
    tls.writer().write_all(&root)?;
    transmit(&mut tls, &mut stream)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    figures.print()
}

/// Sends one file.
///
/// # Errors
/// The system's, a file that changes, and bytes that arrived as others.
pub fn send(mut given: Given) -> io::Result<()> {
    let (port, path) = (given.read("port")?, given.value("file")?);
    let care = Care::from(&mut given);
    let Opened { source, size, helpers } = open(Path::new(&path))?;
    let file = source.file().ok_or_else(|| io::Error::other("the source is not open"))?;
    let mut stream = connect(port)?;
    let mut tls = settings()?.bare(true).map_err(io::Error::other)?;
    // A piece is encrypted as a whole before it is written: as many records in one call as the system takes.
    tls.set_buffer_limit(None);
    agree(&mut tls, &mut stream)?;

    let clock = Clock::start();
    let mut following = Following::new(helpers, Of::Source(Arc::clone(&source)), size, care);
    let mut buffer = Buffer::zeroed(PIECE);
    let mut at = 0;
    while at < size {
        let n = sys::read_at(file, &mut buffer, at)?.min((size - at) as usize);
        if n == 0 {
            return Err(io::Error::other("the file became shorter while it was sent"));
        }
        following.pass(at, &buffer[..n]);
        tls.writer().write_all(&buffer[..n])?;
        transmit(&mut tls, &mut stream)?;
        at += n as u64;
        following.follow(at)?;
    }
    let ours = following.finish()?;
    let mut theirs = [0; 32];
    receive_all(&mut tls, &mut stream, &mut theirs)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    if ours != theirs {
        return Err(io::Error::other("other bytes arrived than were sent"));
    }
    figures.print()
}
