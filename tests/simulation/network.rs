//! A connection that does what connections do.
//!
//! Owns: the bytes under way, when they arrive, and how a link dies.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tete::net::pump::{Moved, SentFile, Wire};

use crate::drive::SimFile;
use crate::planted::Tamper;
use crate::random::Random;
use crate::support::take_held;

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// When they arrive, and what is left of them.
    segments: VecDeque<(Duration, Vec<u8>, usize)>,
    under_way: usize,
    pub(crate) capacity: usize,
    pub(crate) delay: Duration,
    pub(crate) stalled_until: Duration,
    /// Bytes that were taken so far.
    pub(crate) passed: u64,
    /// The link dies when so many bytes have passed.
    pub(crate) dies_at: Option<u64>,
    /// The byte at this place is lost: no network does that, and it has to be noticed.
    pub(crate) loses: Option<u64>,
    /// What is said is not what arrives, and that has to be noticed as well.
    pub(crate) tamper: Option<Tamper>,
    /// Its writer has closed it.
    pub(crate) closed: bool,
    pub(crate) dead: bool,
    /// What was taken out for a file that has not taken it yet.
    held: Vec<u8>,
}

impl Stream {
    /// When its next byte can be read.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.segments.front().map(|(at, ..)| (*at).max(self.stalled_until))
    }

    /// Bytes that nothing can hold back any more.
    pub(crate) fn push(&mut self, now: Duration, bytes: &[u8]) {
        let last = self.segments.back().map_or(Duration::ZERO, |(at, ..)| *at);
        self.under_way += bytes.len();
        self.segments.push_back((last.max(now + self.delay), bytes.to_vec(), 0));
    }
}

/// Both directions, seen from one end at one moment.
pub(crate) struct SimWire<'a> {
    pub(crate) out: &'a mut Stream,
    pub(crate) input: &'a mut Stream,
    pub(crate) random: &'a mut Random,
    pub(crate) now: Duration,
    /// How often, in thousandths, it is not ready for no reason.
    pub(crate) moody: u64,
    /// Whether it said so, or moved something.
    pub(crate) acted: bool,
    /// How often it said so.
    pub(crate) storms: u64,
}

impl SimWire<'_> {
    fn is_moody(&mut self) -> bool {
        let moody = self.random.chance(self.moody);
        self.acted |= moody;
        self.storms += u64::from(moody);
        moody
    }
}

impl Wire for SimWire<'_> {
    type File = SimFile;
    type Pipe = Vec<u8>;

    fn send_file(&mut self, file: &SimFile, offset: u64, len: usize) -> io::Result<SentFile> {
        // Some file systems change their mind.
        let fetched = file.bytes(offset, len).filter(|_| !self.random.chance(self.moody / 4));
        let Some(bytes) = fetched else { return Ok(SentFile::Refused) };
        if bytes.is_empty() {
            return Ok(SentFile::Bytes(0));
        }
        Ok(match self.send(&bytes, false)? {
            Moved::Bytes(n) => SentFile::Bytes(n),
            Moved::WouldBlock => SentFile::WouldBlock,
        })
    }

    fn send(&mut self, bytes: &[u8], _more: bool) -> io::Result<Moved> {
        if self.out.dead {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let room = self.out.capacity.saturating_sub(self.out.under_way);
        if self.is_moody() || room == 0 || self.out.stalled_until > self.now {
            return Ok(Moved::WouldBlock);
        }
        let most = bytes.len().min(room);
        let mut n = if self.random.chance(300) { self.random.between(1, most as u64) as usize } else { most };
        if let Some(end) = self.out.dies_at {
            n = n.min((end - self.out.passed) as usize);
            if n == 0 {
                self.out.dead = true;
                self.input.dead = true;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        let mut segment = bytes[..n].to_vec();
        let range = self.out.passed..self.out.passed + n as u64;
        if let Some(at) = self.out.loses.filter(|at| range.contains(at)) {
            segment.remove((at - self.out.passed) as usize);
        }
        if let Some(tamper) = &mut self.out.tamper {
            segment = tamper.pass(&segment);
        }
        self.out.passed += n as u64;
        self.out.under_way += segment.len();
        let last = self.out.segments.back().map_or(Duration::ZERO, |(at, ..)| *at);
        let jitter = Duration::from_micros(self.random.below(2000));
        self.out.segments.push_back((last.max(self.now + self.out.delay + jitter), segment, 0));
        self.acted = true;
        Ok(Moved::Bytes(n))
    }

    fn fill_pipe(&mut self, len: usize) -> io::Result<Option<Moved>> {
        // Some systems have no descriptors left for a pipe.
        if self.random.chance(self.moody / 4) {
            return Ok(None);
        }
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
        if self.input.dead {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.is_moody() {
            return Ok(Moved::WouldBlock);
        }
        // What a tamper has swallowed is no end.
        while self.input.segments.front().is_some_and(|(_, segment, _)| segment.is_empty()) {
            self.input.segments.pop_front();
        }
        if self.input.segments.is_empty() && self.input.closed {
            self.acted = true;
            return Ok(Moved::Bytes(0));
        }
        let limit =
            if self.random.chance(300) { self.random.between(1, buffer.len() as u64) as usize } else { buffer.len() };
        let mut moved = 0;
        while moved < limit && self.input.due().is_some_and(|due| due <= self.now) {
            let Some((_, segment, at)) = self.input.segments.front_mut() else { break };
            let n = (segment.len() - *at).min(limit - moved);
            buffer[moved..moved + n].copy_from_slice(&segment[*at..*at + n]);
            *at += n;
            moved += n;
            if *at == segment.len() {
                self.input.segments.pop_front();
            }
        }
        self.input.under_way -= moved;
        if moved == 0 {
            return Ok(Moved::WouldBlock);
        }
        self.acted = true;
        Ok(Moved::Bytes(moved))
    }
}
