//! One TCP connection, from `connect` or `accept` to its removal.
//!
//! Owns: the socket, its readiness latches and its buffers. Must not know: who may come in, what is said.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use mio::Token;
use mio::net::TcpStream;

use crate::proto::LinkId;
use crate::proto::opening::Opening;
use crate::proto::trace::{Trace, emit};
use crate::secure::pairing::Pairing;

use super::channel::Channel;
use super::doorkeeper::Parting;
use super::pump::{Moved, SentFile, Wire};
use super::standing::Them;
use crate::sys::{self, Calls, Pipe};

/// Who called, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The other side.
    Came,
    /// We, for a conversation.
    Dialled,
    /// We, for one more link of the conversation that goes on.
    DialledAgain,
}

/// What a link is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A conversation.
    Talk,
    /// The link with this epoch of the conversation that goes on.
    Again(Need, u32),
}

/// What a conversation that goes on lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A link for files.
    Files,
    /// A link to talk over: it has lost its own.
    Talk,
}

/// What a connection is in the middle of.
#[derive(Debug)]
pub enum Stage {
    /// `connect` has not answered.
    Connecting(Intent),
    /// The two agree on keys.
    Securing(Intent),
    /// A helper looks up whose key that is.
    Recognising(Intent),
    /// At the gate.
    Opening(Box<Opening>),
    /// It carries the conversation.
    Talking(LinkId),
    /// Everything was said: the last bytes go out, then our end is closed, then theirs is awaited. Closing at once
    /// would make the system throw away what the peer has not read yet.
    Flushing {
        /// Whether our end is closed.
        shut: bool,
    },
    /// To be removed at the end of the turn.
    Dead,
}

impl Stage {
    /// Its name in traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting(_) => "connecting",
            Self::Securing(_) => "securing",
            Self::Recognising(_) => "recognising",
            Self::Opening(_) => "opening",
            Self::Talking(_) => "talking",
            Self::Flushing { .. } => "flushing",
            Self::Dead => "dead",
        }
    }
}

/// One TCP connection.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Tells this connection from others that had its slab key.
    pub generation: u64,
    /// The other end.
    pub address: SocketAddr,
    /// Who called, and what for.
    pub origin: Origin,
    /// Latch: reading may give something. Only a `WouldBlock` clears it.
    pub readable: bool,
    /// Latch: writing may take something. Only a `WouldBlock` clears it.
    pub writable: bool,
    /// The budget of the last turn ran out before the work did.
    pub more: bool,
    /// Its buffers.
    pub channel: Channel,
    /// Through which the system puts what arrives into files; made when it first does.
    pub pipe: Option<Pipe>,
    /// What is known of the other end.
    pub them: Them,
    /// The proof of a common one-time code that is under way.
    pub pairing: Option<Box<Pairing>>,
    /// Whether our user was asked about it and has not heard how that ended.
    pub is_asked_about: bool,
    /// Whether it came, and was given the time that its own user takes to decide about us.
    pub is_patient: bool,
    /// How it leaves the door, if it came.
    pub parting: Parting,
    /// What it is doing.
    pub stage: Stage,
    /// When it has done so for too long.
    pub deadline: Option<Instant>,
}

/// Bytes that stand in a pipe between a socket and a file: as many as one turn moves, and as any user may have.
const PIPE: usize = 1 << 20;
/// Bytes that are thrown away with one call.
const LAST_SPACE: usize = 4 * 1024;
/// Reads that are thrown away in one turn, of somebody who goes on speaking after the end.
const LAST_READS: usize = 4;
/// The first tokens are not connections'.
const FIRST_TOKEN: usize = 16;
/// Keys fit into 16 bits: the number of connections is bounded far below.
const KEY_BITS: u32 = 16;

/// The token of a connection: its slab key, and its generation, so that an event that was meant for an earlier
/// connection with the same key is recognised.
pub fn token(key: usize, generation: u64) -> Token {
    Token((generation as usize) << KEY_BITS | (key + FIRST_TOKEN))
}

/// The slab key in a token; `None` when it is not a connection's. Whether it is the connection's that has the key now is
/// for [`token`] to say: where addresses have 32 bits, not all of the generation is in a token.
pub fn key_of(token: Token) -> Option<usize> {
    (token.0 & ((1 << KEY_BITS) - 1)).checked_sub(FIRST_TOKEN)
}

impl Connection {
    /// The wire of the connection at `key`, and its buffers.
    pub fn parts(&mut self, key: usize) -> (SocketWire<'_>, &mut Channel) {
        let Self { stream, readable, writable, channel, pipe, .. } = self;
        (SocketWire { key, stream, readable, writable, pipe }, channel)
    }

    /// The wire of the connection at `key`, its buffers, its opening while it has one, and whether there is more to do.
    pub fn gate_parts(&mut self, key: usize) -> Option<(SocketWire<'_>, &mut Channel, &mut Opening, &mut bool)> {
        let Self { stream, readable, writable, channel, pipe, stage, more, .. } = self;
        let Stage::Opening(opening) = stage else { return None };
        Some((SocketWire { key, stream, readable, writable, pipe }, channel, opening, more))
    }

    /// Sends the last bytes and closes our end; throws away what still comes, until the other end is closed too.
    pub fn flush(&mut self, key: usize) {
        if self.try_flush(key).unwrap_or(true) {
            self.stage = Stage::Dead;
        }
    }

    /// Whether all is done; an error means that the other end is gone.
    fn try_flush(&mut self, key: usize) -> io::Result<bool> {
        let Self { stream, readable, writable, channel, pipe, stage, .. } = self;
        let Stage::Flushing { shut } = stage else { return Ok(false) };
        let mut wire = SocketWire { key, stream, readable, writable, pipe };
        while !channel.is_flushed() {
            if channel.flush(&mut wire, false)? == Moved::WouldBlock {
                break;
            }
        }
        if channel.is_flushed() && !*shut {
            *shut = true;
            channel.close();
            // A few bytes more at most: what does not take them now has not taken what stands before them.
            while !channel.is_flushed() && channel.flush(&mut wire, false)? != Moved::WouldBlock {}
            wire.stream.shutdown(Shutdown::Write)?;
        }
        for _ in 0..LAST_READS {
            channel.discard();
            match channel.fill(&mut wire, LAST_SPACE)? {
                Moved::Bytes(0) => return Ok(channel.is_flushed()),
                Moved::Bytes(_) => {}
                Moved::WouldBlock => return Ok(false),
            }
        }
        self.more = true;
        Ok(false)
    }
}

/// The real [`Wire`].
#[derive(Debug)]
pub struct SocketWire<'a> {
    key: usize,
    stream: &'a mut TcpStream,
    readable: &'a mut bool,
    writable: &'a mut bool,
    pipe: &'a mut Option<Pipe>,
}

/// One system call: repeated when a signal came between, and the only thing that clears a latch.
fn call(
    key: usize,
    (name, side): (&'static str, &'static str),
    asked: usize,
    latch: &mut bool,
    mut io: impl FnMut() -> io::Result<usize>,
) -> io::Result<Moved> {
    if !*latch {
        return Ok(Moved::WouldBlock);
    }
    loop {
        match io() {
            Ok(n) => {
                emit(Trace::Io { key, call: name, asked, moved: Some(n) });
                return Ok(Moved::Bytes(n));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *latch = false;
                emit(Trace::Io { key, call: name, asked, moved: None });
                emit(Trace::Latch { key, side, set: false });
                return Ok(Moved::WouldBlock);
            }
            Err(error) => return Err(error),
        }
    }
}

impl Wire for SocketWire<'_> {
    type File = Arc<File>;
    type Pipe = Pipe;

    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<Moved> {
        let stream = &mut *self.stream;
        call(self.key, ("send", "writable"), bytes.len(), self.writable, || match more {
            true => sys::send_more(Calls::Native, stream.as_fd(), bytes),
            false => stream.write(bytes),
        })
    }

    fn send_pieces(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<Moved> {
        let asked = pieces.iter().map(|piece| piece.len()).sum();
        let stream = &mut *self.stream;
        call(self.key, ("writev", "writable"), asked, self.writable, || stream.write_vectored(pieces))
    }

    fn send_file(&mut self, file: &Arc<File>, offset: u64, len: usize) -> io::Result<SentFile> {
        let stream = &*self.stream;
        let send = || sys::send_file(Calls::Native, stream.as_fd(), file, offset, len);
        match call(self.key, ("sendfile", "writable"), len, self.writable, send) {
            Ok(Moved::Bytes(n)) => Ok(SentFile::Bytes(n)),
            Ok(Moved::WouldBlock) => Ok(SentFile::WouldBlock),
            Err(error) if sys::is_link_error(stream.as_fd(), &error) => Err(error),
            Err(error) => {
                log::info!("the system does not send this file by itself ({}); it is read", sys::words(&error));
                Ok(SentFile::Refused)
            }
        }
    }

    fn fill_pipe(&mut self, len: usize) -> io::Result<Option<Moved>> {
        let pipe = match self.pipe {
            Some(pipe) if pipe.held() > 0 => return Ok(None),
            Some(pipe) => pipe,
            None => match Pipe::new(PIPE) {
                Ok(pipe) => self.pipe.insert(pipe),
                Err(error) => return Ok(not_spliced(&error)),
            },
        };
        let stream = &*self.stream;
        match call(self.key, ("splice", "readable"), len, self.readable, || pipe.fill(stream.as_fd(), len)) {
            Ok(moved) => Ok(Some(moved)),
            Err(error) if sys::is_link_error(stream.as_fd(), &error) => Err(error),
            Err(error) => Ok(not_spliced(&error)),
        }
    }

    fn pipe(&mut self) -> Option<&mut Pipe> {
        self.pipe.as_mut().filter(|pipe| pipe.held() > 0)
    }

    fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        // What a file has refused came first.
        if let Some(pipe) = self.pipe() {
            return pipe.read(buffer).map(Moved::Bytes);
        }
        call(self.key, ("recv", "readable"), buffer.len(), self.readable, || self.stream.read(buffer))
    }
}

/// Receiving tells what is really wrong, if anything is.
fn not_spliced(error: &io::Error) -> Option<Moved> {
    log::info!("the system does not store files by itself ({}); they are written", sys::words(error));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_its_key_and_is_of_one_generation() {
        assert_eq!((key_of(token(0, 1)), key_of(token(99, u64::MAX))), (Some(0), Some(99)));
        assert_ne!(token(99, 1), token(99, 2));
    }

    #[test]
    fn small_tokens_are_not_connections() {
        assert_eq!(key_of(Token(3)), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_file_has_not_taken_is_received_before_what_came_behind_it() {
        use std::net::{TcpListener, TcpStream as StdStream};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        near.write_all(b"held behind").unwrap();
        let mut peeked = [0; 11];
        while far.peek(&mut peeked).unwrap() < peeked.len() {}
        far.set_nonblocking(true).unwrap();
        let (mut stream, mut readable, mut writable, mut pipe) = (TcpStream::from_std(far), true, true, None);
        let mut wire = SocketWire {
            key: 0,
            stream: &mut stream,
            readable: &mut readable,
            writable: &mut writable,
            pipe: &mut pipe,
        };
        let mut buffer = [0; 99];
        assert_eq!(wire.fill_pipe(4).unwrap(), Some(Moved::Bytes(4)));
        assert_eq!(wire.pipe().map(|pipe| pipe.held()), Some(4));
        assert_eq!(wire.fill_pipe(4).unwrap(), None, "it is not empty");
        assert_eq!(wire.recv(&mut buffer[..3]).unwrap(), Moved::Bytes(3));
        assert_eq!(wire.recv(&mut buffer[3..]).unwrap(), Moved::Bytes(1));
        assert_eq!(wire.recv(&mut buffer[4..]).unwrap(), Moved::Bytes(7));
        assert_eq!(&buffer[..11], b"held behind");
        assert_eq!(wire.fill_pipe(4).unwrap(), Some(Moved::WouldBlock));
        assert!(!readable);
    }
}
