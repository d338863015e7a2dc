//! Somebody who connects and is not a tete, or a strange one.
//!
//! Owns: the bytes of such callers and what becomes of them. Must not know: processes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tete::proto::frame::Frame;
use tete::proto::hello::{Hello, Nonce};

use super::PATIENCE;

/// A connection that speaks for itself.
pub(crate) struct Caller {
    stream: TcpStream,
    began: Instant,
}

impl Caller {
    pub(crate) fn call(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        Self { stream, began: Instant::now() }
    }

    /// Says this at once.
    pub(crate) fn saying(port: u16, bytes: &[u8]) -> Self {
        let mut caller = Self::call(port);
        caller.say(bytes);
        caller
    }

    /// Says this, unless it was thrown out already.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn address(&self) -> String {
        self.stream.local_addr().expect("it is connected").to_string()
    }

    /// Waits until it is closed: what it was told, and how long after calling that was.
    pub(crate) fn closed(mut self) -> (Vec<u8>, Duration) {
        let mut told = Vec::new();
        match self.stream.read_to_end(&mut told) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{}: not closed within {PATIENCE:?}; it was told {told:?}", self.address())
            }
            // A reset closes as well.
            Ok(_) | Err(_) => (told, self.began.elapsed()),
        }
    }
}

/// A greeting as a tete says it.
pub(crate) fn hello(nonce: u8) -> Vec<u8> {
    Hello::new(Nonce([nonce; 16])).encode()
}

/// A frame as a tete sends it.
pub(crate) fn frame(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}
