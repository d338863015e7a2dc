//! A peer written by hand: it is let in like any other and then says whatever a test wants.
//!
//! Owns: the socket and the frames on it. Must not know: what is right to say.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use blake3::hazmat::HasherExt;

use tete::proto::TransferId;
use tete::proto::event::LeaveReason;
use tete::proto::frame::{Assigned, Frame, HEADER, Kind, Welcome, encode_chunk_header};
use tete::proto::hello::{Hello, Nonce};
use tete::proto::text::Untrusted;

use crate::support::PATIENCE;

/// One end of a connection, the other of which is a tete's.
pub(crate) struct Raw {
    stream: TcpStream,
    incoming: BufReader<TcpStream>,
}

/// A frame as bytes.
pub(crate) fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

pub(crate) fn offer(id: u64, size: Option<u64>, name: impl Into<Vec<u8>>) -> Vec<u8> {
    encoded(&Frame::Offer { id: TransferId(id), size, name: Untrusted::new(name.into()) })
}

pub(crate) fn chunk(id: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_chunk_header(&mut out, TransferId(id), offset, bytes.len() as u32);
    out.extend_from_slice(bytes);
    out
}

/// The block value of a file of one block.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    blake3::Hasher::new().update(bytes).finalize_non_root()
}

pub(crate) fn digests(id: u64, value: [u8; 32]) -> Vec<u8> {
    encoded(&Frame::Digests { id: TransferId(id), first: 0, values: vec![value] })
}

pub(crate) fn end(id: u64, size: u64, root: [u8; 32]) -> Vec<u8> {
    encoded(&Frame::End { id: TransferId(id), size, root })
}

/// Everything behind the offer of a file of one block.
pub(crate) fn contents(id: u64, bytes: &[u8]) -> Vec<u8> {
    let root = *blake3::hash(bytes).as_bytes();
    [chunk(id, 0, bytes), digests(id, digest(bytes)), end(id, bytes.len() as u64, root)].concat()
}

impl Raw {
    /// Calls, and is let in as the side that follows: its files have even numbers.
    pub(crate) fn call(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let incoming = BufReader::with_capacity(1 << 20, stream.try_clone().unwrap());
        let mut raw = Self { stream, incoming };
        raw.send(&Hello::new(Nonce([0; 16])).encode());
        let greeting = Hello::new(Nonce([0; 16])).encode().len();
        raw.incoming.read_exact(&mut vec![0; greeting]).unwrap();
        raw.send(&encoded(&Frame::Welcome(Welcome {
            assigned: Assigned::Nothing,
            port: 0,
            name: Untrusted::from("mallory"),
        })));
        let answer = raw.frame();
        assert!(matches!(answer, Some(Frame::Welcome(Welcome { assigned: Assigned::Session(_), .. }))), "{answer:?}");
        raw
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; `None` when the connection is closed. Chunks are not expected.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let mut payload = vec![0; length as usize];
        self.fill(&mut payload)?;
        Some(Frame::decode(Kind::from_code(header[4]).unwrap(), &payload).unwrap())
    }

    /// Reads so many bytes; `None` when the connection is closed before.
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.incoming.read_exact(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
            other => {
                other.unwrap();
                Some(())
            }
        }
    }

    /// The next frame that speaks of a file or of leaving.
    pub(crate) fn answer(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            if !matches!(
                frame,
                Frame::Ping { .. }
                    | Frame::Pong { .. }
                    | Frame::Progress { .. }
                    | Frame::TextAck { .. }
                    | Frame::Heard { .. }
                    | Frame::Spent { .. }
            ) {
                return Some(frame);
            }
        }
    }

    /// Waits until this file is wanted.
    pub(crate) fn is_accepted(&mut self, id: u64) {
        let answer = self.answer();
        assert_eq!(answer, Some(Frame::Accept { id: TransferId(id), from: 0 }));
    }

    /// Offers a file, sends it if it is wanted and then waits for the end of it; the words of the refusal if not.
    pub(crate) fn sends(&mut self, id: u64, name: impl Into<Vec<u8>>, bytes: &[u8]) -> Result<(), String> {
        self.send(&offer(id, Some(bytes.len() as u64), name));
        loop {
            match self.answer() {
                Some(Frame::Accept { .. }) => self.send(&contents(id, bytes)),
                Some(Frame::Committed { .. }) => return Ok(()),
                Some(Frame::Refuse { words, .. }) => return Err(words.lossy().into_owned()),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn says_goodbye(&mut self) {
        self.send(&encoded(&Frame::Bye { reason: LeaveReason::Done }));
        while !matches!(self.frame(), None | Some(Frame::Bye { .. })) {}
        self.shuts_down();
    }

    /// Nothing more will come from here.
    pub(crate) fn shuts_down(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits until the other end has closed the connection.
    pub(crate) fn is_closed(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.incoming.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection is still open: {error}"),
            }
        }
    }

    /// A second handle on the connection, to write to while the first one reads.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}
