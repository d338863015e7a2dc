//! Moves bytes between a session and the world until one of them has had enough.
//!
//! Owns: the seams [`Wire`] and [`Disk`], and the loops between them and a [`Session`].
//! Must not know: what kind of wire it is, when it is ready, what a frame means.
//!
//! The same loops serve a socket, a simulated network and a network whose faults somebody dials in.
//!
//! A file leaves without passing through the program where its file system lets the kernel send it (sendfile), and
//! arrives so where nobody here has to see its bytes: through a pipe into its file (splice). That spares a copy, and costs
//! a call of its own for each header. Raw probes of both, as `cargo bench --bench transfer` has them (two cores, Linux
//! 6.18, to fresh files on tmpfs, ratios of medians splice / recv + write): unhashed 1.22, 1.33, 1.27 and 1.24 in four
//! runs on memory that the machine had long had, and 0.85 to 1.34 where the host first had to find it; hashed by helpers
//! who read it back 1.12, 1.09, 1.09 and 1.02, or 0.84 to 1.21 with 1.07 in the middle. tete itself, unhashed, came from
//! 0.70 of the fastest probe to 0.88, 0.89, 0.90 and 0.99.
//!
//! What is encrypted passes through the program, and what is [hashed in passing](super::passing) does, and what shares a
//! link with texts: that is received into one buffer and written.

use std::io::{self, IoSlice};
use std::time::Instant;

use crate::proto::disk::{DiskError, DiskJob};
use crate::proto::error::ProtocolError;
use crate::proto::frame::{CHUNK_HEADER, HEADER};
use crate::proto::outbox::Transmit;
use crate::proto::session::{Receive, Session};
use crate::proto::{LinkId, Span, TransferId};

use crate::secure::tls::TlsError;

use super::channel::Channel;

/// Bytes of frames that a session is given before its answers are sent. The smallest frames that are answered are 9
/// bytes, so that a peer who reads the answers never makes more of them wait than the session allows.
const FRAMES_AT_ONCE: usize = 16 * 1024;

/// What one call on a wire did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes; 0 from [`Wire::recv`] is the end.
    Bytes(usize),
    /// Nothing: it is not ready.
    WouldBlock,
}

/// What came of asking for a file to be sent by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentFile {
    /// So many bytes of it went; 0: it has none there.
    Bytes(usize),
    /// Nothing: the wire is not ready.
    WouldBlock,
    /// This file cannot be sent that way. What is wrong with it, if anything, reading it will tell.
    Refused,
}

/// The one way to a socket, or to what stands for one.
pub trait Wire {
    /// A file whose bytes the wire can fetch itself, so that they never pass through the program.
    type File;
    /// Where bytes stand that have come and go into a file without passing through the program.
    type Pipe;

    /// Takes some of `bytes`. `more`: what follows them comes at once, so that a header need not travel alone.
    ///
    /// # Errors
    /// When the connection is dead.
    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<Moved>;

    /// Takes some of the bytes of several pieces in a row.
    ///
    /// # Errors
    /// When the connection is dead.
    fn send_pieces(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<Moved> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.send(first.map_or(&[], |piece| piece), false)
    }

    /// Takes up to `len` bytes of `file` from `offset` on.
    ///
    /// # Errors
    /// When the connection is dead.
    fn send_file(&mut self, file: &Self::File, offset: u64, len: usize) -> io::Result<SentFile>;

    /// Puts up to `len` bytes that have come into its pipe, which is empty. `None`: that is not to be had, and they have to
    /// be received.
    ///
    /// # Errors
    /// When the connection is dead.
    fn fill_pipe(&mut self, len: usize) -> io::Result<Option<Moved>>;

    /// Its pipe, if something stands in it.
    fn pipe(&mut self) -> Option<&mut Self::Pipe>;

    /// Puts some bytes into `buffer`, those that were left in the pipe first.
    ///
    /// # Errors
    /// When the connection is dead.
    fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Moved>;
}

/// The one way to files, or to what stands for them.
pub trait Disk {
    /// A source as a wire takes it.
    type File;
    /// A wire's pipe.
    type Pipe;

    /// A source that a wire can fetch itself; `None`: it has to be read.
    fn file(&self, transfer: TransferId) -> Option<Self::File>;

    /// From now on this source is read.
    fn read_instead(&mut self, transfer: TransferId);

    /// Bytes of a source from `offset` on; 0: there are none.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether a part takes bytes from a pipe; else it has to be written.
    fn drains(&self, transfer: TransferId) -> bool;

    /// Bytes of a pipe into a part file at `offset`; how many.
    ///
    /// # Errors
    /// The system's. Writing them may do what this cannot, and otherwise tells what is really wrong.
    fn drain(&mut self, transfer: TransferId, offset: u64, pipe: &mut Self::Pipe) -> io::Result<usize>;

    /// From now on this part is written.
    fn write_instead(&mut self, transfer: TransferId);

    /// All of `bytes` into a part file at `offset`.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Asks for a job; the answer comes to [`Session::job_done`] when it is done.
    fn submit(&mut self, job: DiskJob);

    /// What an error of `read` or `write` means for the file.
    fn explain(&self, transfer: TransferId, error: &io::Error) -> DiskError;
}

/// How a direction was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing to do until the session has more.
    Idle,
    /// The wire was not ready.
    WouldBlock,
    /// The budget is used up: there is more to do.
    More,
    /// The other side has closed its end.
    End,
}

/// Why a link is over.
#[derive(Debug)]
pub enum LinkError {
    /// The system says so.
    Io(io::Error),
    /// What came is not what the peer sent.
    Channel(TlsError),
    /// The peer broke a rule.
    Protocol(ProtocolError),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TlsError> for LinkError {
    fn from(error: TlsError) -> Self {
        Self::Channel(error)
    }
}

impl From<ProtocolError> for LinkError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// One link of a session while it is being pumped.
#[derive(Debug)]
pub struct Pump<'a, W, D> {
    /// Whose bytes.
    pub session: &'a mut Session,
    /// On which link of it.
    pub link: LinkId,
    /// The link's buffers.
    pub channel: &'a mut Channel,
    /// Where its bytes go.
    pub wire: &'a mut W,
    /// Where its files are.
    pub disk: &'a mut D,
    /// The moment of this turn.
    pub now: Instant,
}

impl<W: Wire, D: Disk<File = W::File, Pipe = W::Pipe>> Pump<'_, W, D> {
    /// Sends until the session has nothing, the wire takes nothing, or `budget` bytes are through.
    ///
    /// # Errors
    /// The wire's.
    pub fn send(&mut self, budget: usize) -> io::Result<Left> {
        let mut left = budget;
        loop {
            if self.channel.is_flushed() {
                self.gather();
            }
            let file = self.fetched_next();
            let flushed = self.channel.is_flushed();
            if flushed && file.is_none() {
                return Ok(Left::Idle);
            }
            if left == 0 {
                return Ok(Left::More);
            }
            let moved = match file {
                // The last piece may go beyond what is left: a few bytes more are cheaper than a call for them alone.
                Some(span) if flushed => self.send_file(span, budget)?,
                _ => self.channel.flush(self.wire, file.is_some())?,
            };
            match moved {
                Moved::Bytes(n) => left = left.saturating_sub(n),
                Moved::WouldBlock => return Ok(Left::WouldBlock),
            }
        }
    }

    /// What the wire fetches itself as soon as the channel is flushed.
    fn fetched_next(&mut self) -> Option<Span> {
        match self.session.poll_transmit(self.link) {
            Some(Transmit::File(span)) => self.fetched(span.transfer).map(|_| span),
            _ => None,
        }
    }

    /// A file that the wire can fetch: what is encrypted has to pass through the program.
    fn fetched(&self, transfer: TransferId) -> Option<D::File> {
        if self.channel.is_secure() { None } else { self.disk.file(transfer) }
    }

    /// Lets the wire fetch up to `at_most` bytes of a file.
    fn send_file(&mut self, span: Span, at_most: usize) -> io::Result<Moved> {
        let Some(file) = self.fetched(span.transfer) else { return Ok(Moved::Bytes(0)) };
        let len = usize::try_from(span.len).unwrap_or(usize::MAX).min(at_most);
        match self.wire.send_file(&file, span.offset, len)? {
            SentFile::Bytes(0) => self.source_ended(span.transfer),
            SentFile::Bytes(n) => {
                self.session.sent(self.link, self.now, n as u64);
                return Ok(Moved::Bytes(n));
            }
            SentFile::WouldBlock => return Ok(Moved::WouldBlock),
            SentFile::Refused => self.disk.read_instead(span.transfer),
        }
        Ok(Moved::Bytes(0))
    }

    fn source_ended(&mut self, transfer: TransferId) {
        let words = "the file became shorter while it was sent".to_owned();
        self.session.source_failed(self.now, transfer, &DiskError { words, resumable: false });
    }

    /// Fills the channel's buffer with what the session wants to send most.
    fn gather(&mut self) {
        let (batch, fetches) = (self.channel.batch(), !self.channel.is_secure());
        while !self.channel.has_batch() {
            match self.session.poll_transmit(self.link) {
                None => return,
                Some(Transmit::Bytes(bytes)) => {
                    let n = bytes.len() as u64;
                    self.channel.accept(bytes);
                    self.session.sent(self.link, self.now, n);
                }
                Some(Transmit::Padding(len)) => {
                    let n = len.min(batch as u64);
                    self.channel.make_room(n as usize, |buffer| {
                        buffer.fill(0);
                        Ok(buffer.len())
                    });
                    self.session.sent(self.link, self.now, n);
                }
                Some(Transmit::File(span)) if fetches && self.disk.file(span.transfer).is_some() => return,
                Some(Transmit::File(span)) => {
                    let disk = &mut *self.disk;
                    let read = |buffer: &mut [u8]| disk.read(span.transfer, span.offset, buffer);
                    match self.channel.make_room(span.len.min(batch as u64) as usize, read) {
                        Some(Ok(n)) => self.session.sent(self.link, self.now, n as u64),
                        Some(Err(error)) => {
                            let error = self.disk.explain(span.transfer, &error);
                            self.session.source_failed(self.now, span.transfer, &error);
                        }
                        None => self.source_ended(span.transfer),
                    }
                }
            }
        }
    }

    /// Receives until nothing is there, the session wants nothing, or `budget` bytes are where they belong. One call
    /// takes up to `piece` bytes; what was received beyond the budget stays in the channel.
    ///
    /// # Errors
    /// The wire's, and the peer's mistakes.
    pub fn receive(&mut self, budget: usize, piece: usize) -> Result<Left, LinkError> {
        let mut left = budget;
        let begin = self.channel.brought();
        loop {
            let wants = self.hand_over(&mut left)?;
            if self.channel.has_ended() {
                return Ok(Left::End);
            }
            if !wants {
                return Ok(Left::Idle);
            }
            // What TLS has taken for itself is counted too: no peer keeps the loop from its other work by it.
            if left == 0 || self.channel.brought() - begin > budget as u64 {
                return Ok(Left::More);
            }
            match self.bring(&mut left, piece)? {
                Moved::Bytes(0) => return Ok(Left::End),
                Moved::Bytes(_) => {}
                Moved::WouldBlock => return Ok(Left::WouldBlock),
            }
        }
    }

    /// Lets the wire put what comes next into its file, if it can and a file's bytes are next; else into the channel.
    /// Bytes that went into a file are taken off `left`.
    fn bring(&mut self, left: &mut usize, piece: usize) -> io::Result<Moved> {
        match self.session.poll_receive(self.link) {
            Receive::File(span) => match self.splice(span, left)? {
                Some(moved) => return Ok(moved),
                None => self.channel.let_by(false),
            },
            // No byte of a file is received along with the frame before it.
            Receive::Bytes { at_most } if self.channel.lets_by() => {
                return self.channel.fill(self.wire, at_most.max(HEADER + CHUNK_HEADER).min(piece));
            }
            _ => {}
        }
        self.channel.fill(self.wire, piece)
    }

    /// Lets up to `left` bytes go into their file by way of the wire's pipe; `None`: they have to be received.
    fn splice(&mut self, span: Span, left: &mut usize) -> io::Result<Option<Moved>> {
        // What is encrypted has to pass through the program, and what comes between texts is worth no call of its own.
        if self.channel.is_secure() || !self.channel.carries_files() || !self.disk.drains(span.transfer) {
            return Ok(None);
        }
        let len = usize::try_from(span.len).unwrap_or(usize::MAX).min(*left);
        let filled = self.wire.fill_pipe(len)?;
        let mut at = span.offset;
        while let Some(pipe) = self.wire.pipe() {
            match self.disk.drain(span.transfer, at, pipe) {
                Ok(n) if n > 0 => {
                    self.channel.let_by(true);
                    at += n as u64;
                    *left -= n;
                    self.session.stored(self.link, self.now, Some(span.transfer), n as u64);
                }
                refused => {
                    log::info!("the system does not put these bytes into their file by itself: {refused:?}");
                    self.disk.write_instead(span.transfer);
                    return Ok(None); // what stands in the pipe is received before anything else
                }
            }
        }
        if filled.is_none() {
            self.disk.write_instead(span.transfer);
        }
        Ok(filled)
    }

    /// Gives the session, and its files, what was received, up to `left` bytes; whether it wants more.
    fn hand_over(&mut self, left: &mut usize) -> Result<bool, LinkError> {
        loop {
            let wanted = self.session.poll_receive(self.link);
            let bytes = self.channel.incoming()?;
            if bytes.is_empty() || *left == 0 {
                return Ok(wanted != Receive::Paused);
            }
            let bytes = &bytes[..bytes.len().min(*left)];
            let n = match wanted {
                Receive::Paused => return Ok(false),
                Receive::Bytes { .. } if bytes.len() > FRAMES_AT_ONCE => {
                    let n = self.session.handle_bytes(self.link, self.now, &bytes[..FRAMES_AT_ONCE])?;
                    self.channel.consumed(n);
                    *left -= n;
                    if n == FRAMES_AT_ONCE {
                        self.send(self.channel.batch())?;
                    }
                    continue;
                }
                Receive::Bytes { .. } => self.session.handle_bytes(self.link, self.now, bytes)?,
                Receive::Discard { len } => {
                    let n = len.min(bytes.len() as u64);
                    self.session.stored(self.link, self.now, None, n);
                    n as usize
                }
                Receive::File(span) => {
                    let n = span.len.min(bytes.len() as u64);
                    if let Err(error) = self.disk.write(span.transfer, span.offset, &bytes[..n as usize]) {
                        let error = self.disk.explain(span.transfer, &error);
                        self.session.sink_failed(self.now, span.transfer, &error);
                        continue; // the session now says Discard
                    }
                    self.session.stored(self.link, self.now, Some(span.transfer), n);
                    n as usize
                }
            };
            self.channel.consumed(n);
            *left -= n;
        }
    }
}
