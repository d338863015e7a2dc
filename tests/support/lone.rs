//! One session, whose peer is the test: frames are written by hand.

use std::time::Instant;

use tete::proto::decoder::{Decoded, Decoder};
use tete::proto::error::ProtocolError;
use tete::proto::frame::{Frame, encode_chunk_header};
use tete::proto::outbox::Transmit;
use tete::proto::session::{Receive, Setup};
use tete::proto::text::Untrusted;
use tete::proto::{LinkId, Span, TransferId};

use super::pair::{LINK, Side, talk_link};

/// A session and the moment.
pub struct Lone {
    pub side: Side,
    pub now: Instant,
    decoder: Decoder,
    link: LinkId,
}

impl Lone {
    pub fn new(setup: Setup) -> Self {
        let now = Instant::now();
        Self { side: Side::new(setup, now), now, decoder: Decoder::default(), link: LINK }
    }

    /// The link is lost, and this is the next one.
    pub fn come_back(&mut self, epoch: u32) {
        self.side.session.link_lost(self.link, self.now, "reset");
        (self.link, self.decoder) = (talk_link(epoch), Decoder::default());
        self.side.session.link_up(self.link, epoch, self.now);
    }

    /// The peer says a frame.
    pub fn hear(&mut self, frame: &Frame) -> Result<(), ProtocolError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.hear_bytes(&bytes)
    }

    /// The peer sends bytes; those of chunks go where the session wants them.
    pub fn hear_bytes(&mut self, mut bytes: &[u8]) -> Result<(), ProtocolError> {
        while !bytes.is_empty() {
            let n = match self.side.session.poll_receive(self.link) {
                Receive::Paused => return Ok(()),
                Receive::Bytes { .. } => self.side.session.handle_bytes(self.link, self.now, bytes)?,
                Receive::Discard { len } => {
                    let n = len.min(bytes.len() as u64);
                    self.side.session.stored(self.link, self.now, None, n);
                    n as usize
                }
                Receive::File(span) => {
                    let n = span.len.min(bytes.len() as u64);
                    let part = &bytes[..n as usize];
                    tete::net::pump::Disk::write(&mut self.side.disk, span.transfer, span.offset, part).unwrap();
                    self.side.session.stored(self.link, self.now, Some(span.transfer), n);
                    n as usize
                }
            };
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// The peer sends a chunk.
    pub fn hear_chunk(&mut self, id: TransferId, offset: u64, body: &[u8]) -> Result<(), ProtocolError> {
        let mut bytes = Vec::new();
        encode_chunk_header(&mut bytes, id, offset, body.len() as u32);
        bytes.extend_from_slice(body);
        self.hear_bytes(&bytes)
    }

    /// The peer offers a file.
    pub fn hear_offer(&mut self, id: u64, size: Option<u64>) -> Result<(), ProtocolError> {
        self.hear(&Frame::Offer { id: TransferId(id), size, name: Untrusted::from("x.bin") })
    }

    /// Does its jobs, and reads its events.
    pub fn serve(&mut self) {
        while self.side.serve(self.now) {}
    }

    /// Everything that the session wants to say now, with the heads of its chunks. Their bytes are zeros.
    pub fn spoken(&mut self) -> Vec<Decoded> {
        let mut out = Vec::new();
        self.spoken_until(|found| {
            out.push(found.clone());
            false
        });
        out
    }

    /// What the session says, up to the first thing that fits; whether there was one.
    pub fn spoken_until(&mut self, mut fits: impl FnMut(&Decoded) -> bool) -> bool {
        loop {
            let (bytes, is_body) = match self.side.session.poll_transmit(self.link) {
                None => return false,
                Some(Transmit::Bytes(bytes)) => (bytes.to_vec(), false),
                Some(Transmit::File(Span { len, .. }) | Transmit::Padding(len)) => (vec![0; len as usize], true),
            };
            self.side.session.sent(self.link, self.now, bytes.len() as u64);
            if is_body {
                self.decoder.take_body(bytes.len() as u64);
                continue;
            }
            let mut rest = &bytes[..];
            let mut found_it = false;
            while !rest.is_empty() {
                let (n, found) = self.decoder.push(rest).unwrap();
                rest = &rest[n..];
                found_it |= found != Decoded::Nothing && fits(&found);
            }
            if found_it {
                return true;
            }
        }
    }

    /// The frames among what it says.
    pub fn frames(&mut self) -> Vec<Frame> {
        let frame = |found| if let Decoded::Frame(frame) = found { Some(frame) } else { None };
        self.spoken().into_iter().filter_map(frame).collect()
    }
}
