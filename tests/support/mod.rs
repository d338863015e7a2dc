//! Two sessions, or one and whoever plays its peer, with no sockets, no files and no clock but a virtual one.
//!
//! Owns: the in-memory suppliers of the seams `Wire` and `Disk`, and the loop that a reactor is elsewhere.
#![allow(dead_code, unreachable_pub, reason = "several tests are built with it, and each uses its own part")]

pub mod disk;
pub mod lone;
pub mod pair;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tete::net::channel::Channel;
use tete::net::pump::{Moved, SentFile, Wire};
use tete::proto::session::Setup;
use tete::proto::transfers::Policy;

use disk::KernelFile;

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Pipe {
    pub bytes: VecDeque<u8>,
    /// The writer has closed it.
    pub closed: bool,
    /// Nothing goes in: the reader's machine has no room.
    pub full: bool,
    /// What goes in never comes out.
    pub swallows: bool,
    /// So many more bytes come out; `None`: all.
    pub left: Option<usize>,
    /// It was cut: `left` was not enough.
    pub cut: bool,
    /// What was taken out for a file that has not taken it yet.
    pub held: Vec<u8>,
}

impl Pipe {
    /// One that is cut after so many bytes.
    pub fn cut_after(left: Option<usize>) -> Self {
        Self { left, ..Self::default() }
    }

    /// Takes bytes in. What is lost with the link is taken all the same.
    fn take(&mut self, bytes: &[u8]) {
        let n = self.left.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.left.iter_mut().for_each(|left| *left -= n);
        self.cut |= n < bytes.len();
        self.bytes.extend(&bytes[..n]);
    }
}

/// Both directions, seen from one end.
pub struct MemWire<'a> {
    pub out: &'a mut Pipe,
    pub input: &'a mut Pipe,
}

impl Wire for MemWire<'_> {
    type File = KernelFile;
    type Pipe = Vec<u8>;

    fn send(&mut self, bytes: &[u8], _more: bool) -> io::Result<Moved> {
        if self.out.full {
            return Ok(Moved::WouldBlock);
        }
        if !self.out.swallows {
            self.out.take(bytes);
        }
        Ok(Moved::Bytes(bytes.len()))
    }

    fn send_file(&mut self, file: &KernelFile, offset: u64, len: usize) -> io::Result<SentFile> {
        let Some(bytes) = file.bytes(offset, len) else { return Ok(SentFile::Refused) };
        Ok(match self.send(&bytes, false)? {
            Moved::Bytes(n) => SentFile::Bytes(n),
            Moved::WouldBlock => SentFile::WouldBlock,
        })
    }

    fn fill_pipe(&mut self, len: usize) -> io::Result<Option<Moved>> {
        let mut bytes = vec![0; len];
        let moved = self.recv(&mut bytes)?;
        if let Moved::Bytes(n) = moved {
            self.input.held.extend(&bytes[..n]);
        }
        Ok(Some(moved))
    }

    fn pipe(&mut self) -> Option<&mut Vec<u8>> {
        Some(&mut self.input.held).filter(|held| !held.is_empty())
    }

    fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        if !self.input.held.is_empty() {
            return Ok(Moved::Bytes(take_held(&mut self.input.held, buffer)));
        }
        let n = buffer.len().min(self.input.bytes.len());
        if n == 0 {
            return Ok(if self.input.closed { Moved::Bytes(0) } else { Moved::WouldBlock });
        }
        io::Read::read_exact(&mut self.input.bytes, &mut buffer[..n])?;
        Ok(Moved::Bytes(n))
    }
}

/// The buffers of a link for files.
pub fn bulk_channel() -> Channel {
    let mut channel = Channel::default();
    channel.carry_files();
    channel
}

/// Bytes that no file has taken; how many.
pub fn take_held(held: &mut Vec<u8>, buffer: &mut [u8]) -> usize {
    let n = buffer.len().min(held.len());
    buffer[..n].copy_from_slice(&held[..n]);
    held.drain(..n);
    n
}

/// What most tests begin with: files are taken, and count when they are on the disk.
pub fn setup(lead: bool) -> Setup {
    Setup {
        lead,
        policy: Policy::Auto,
        sync: true,
        verify: true,
        limit: None,
        returns: false,
        linger: Duration::from_secs(180),
    }
}

/// The same, and a link that is lost is followed by another.
pub fn returning(lead: bool) -> Setup {
    Setup { returns: true, ..setup(lead) }
}

/// The side that leads, with another policy.
pub fn with_policy(lead: bool, policy: Policy) -> Setup {
    Setup { policy, ..setup(lead) }
}
