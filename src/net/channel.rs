//! The bytes of one link between its frames and its socket: in the clear, or through TLS.
//!
//! Owns: two reused buffers, and what encrypts and decrypts between them and the wire. Must not know: frames, sockets.
//!
//! ```text
//!   frames --accept, make_room--> out --(send)--> TLS --flush--> wire
//!   frames <-----incoming------- TLS <--(receive)-- input <--fill-- wire
//! ```
//!
//! In the clear the middle is missing: what was received is what comes in. What was received is decrypted only when
//! somebody asks for it, a record or so at a time: what the session does not want yet waits encrypted, in one buffer of
//! a bounded size.
//!
//! Memory is taken when bytes first flow, so that a caller who says nothing costs nothing.

use std::io::{self, IoSlice, Write};

use crate::secure::tls::{self, TlsError};
use crate::sys::Buffer;

use super::pump::{Moved, Wire};

/// Bytes that are gathered before a wire in the clear is asked to take them. Big enough that few calls are made, small
/// enough that a text is not kept waiting: 64 KiB are 60 µs at 1 GB/s.
const BATCH: usize = 64 * 1024;
/// The same for files through TLS, which takes many records at once faster than one by one. What is read, encrypted and
/// sent stays in a core's cache on its way: with twice as much, and with [`SECURE_PIECE`] eight times as large, it was a
/// tenth slower and took an eighth more processor time (measured in turn, twice, 512 MiB verified, two cores).
const SECURE_BATCH: usize = 128 * 1024;
/// Bytes received with one call through TLS, for the same reason.
pub const SECURE_PIECE: usize = 128 * 1024;

/// Bytes of a file through TLS that are hashed and written at once, a record (16 KiB) more at most. One by one costs more
/// than the copy that puts them into a row.
const ROW: usize = SECURE_PIECE;

/// The buffers of one link.
#[derive(Debug, Default)]
pub struct Channel {
    out: Vec<u8>,
    out_at: usize,
    out_end: usize,
    input: Buffer,
    in_at: usize,
    in_end: usize,
    secure: Option<Box<tls::Channel>>,
    /// Of a link for files through TLS: what was decrypted.
    row: Vec<u8>,
    row_at: usize,
    /// Whether something was decrypted, or tried to be.
    begun: bool,
    /// Bytes that the wire has brought.
    brought: u64,
    for_files: bool,
    /// Whether the last bytes of a file went into it without passing through here.
    lets_by: bool,
}

/// A wire as the TLS library writes to it.
struct Writer<'a, W>(&'a mut W);

fn written(moved: io::Result<Moved>) -> io::Result<usize> {
    match moved? {
        Moved::Bytes(n) => Ok(n),
        Moved::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<W: Wire> Write for Writer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        written(self.0.send(bytes, false))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        written(self.0.send_pieces(pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Channel {
    /// From here on everything passes through TLS, what was received and not consumed included.
    pub fn secure(&mut self, tls: tls::Channel) {
        self.secure = Some(Box::new(tls));
    }

    /// What encrypts, if anything does.
    pub fn tls(&mut self) -> Option<&mut tls::Channel> {
        self.secure.as_deref_mut()
    }

    /// From here on no text waits behind what it gathers.
    pub fn carry_files(&mut self) {
        self.for_files = true;
    }

    /// Whether it carries files alone, and what concerns them.
    pub fn carries_files(&self) -> bool {
        self.for_files
    }

    /// Whether a file's bytes go into it without passing through here.
    pub fn let_by(&mut self, lets_by: bool) {
        self.lets_by = lets_by;
    }

    /// Whether they last did.
    pub fn lets_by(&self) -> bool {
        self.lets_by
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// Whether so much waits that the wire should take some of it.
    pub fn has_batch(&self) -> bool {
        self.waiting() >= self.batch()
    }

    /// Bytes that are worth a call on the wire.
    pub fn batch(&self) -> usize {
        if self.for_files && self.is_secure() { SECURE_BATCH } else { BATCH }
    }

    /// Whether the wire has taken everything.
    pub fn is_flushed(&self) -> bool {
        self.waiting() == 0 && self.secure.as_ref().is_none_or(|tls| !tls.wants_transmit())
    }

    /// Lets the wire take some of what waits; how many bytes it took. `more`: what follows them comes at once.
    ///
    /// # Errors
    /// The wire's.
    pub fn flush(&mut self, wire: &mut impl Wire, more: bool) -> io::Result<Moved> {
        let Some(tls) = &mut self.secure else {
            let moved = wire.send(&self.out[self.out_at..self.out_end], more)?;
            if let Moved::Bytes(n) = moved {
                self.out_at += n;
            }
            if self.out_at == self.out_end {
                (self.out_at, self.out_end) = (0, 0);
            }
            return Ok(moved);
        };
        if self.out_end > 0 && !tls.is_handshaking() {
            tls.send(&self.out[..self.out_end]).map_err(io::Error::other)?;
            self.out_end = 0;
        }
        if !tls.wants_transmit() {
            return Ok(Moved::WouldBlock); // it waits for the other side, not for the wire
        }
        match tls.transmit(&mut Writer(wire)) {
            Ok(n) => Ok(Moved::Bytes(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Moved::WouldBlock),
            Err(error) => Err(error),
        }
    }

    /// Bytes that were taken to be sent and that no wire has taken, those that are encrypted already left out.
    pub fn waiting(&self) -> usize {
        self.out_end - self.out_at
    }

    /// Takes bytes to send.
    pub fn accept(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.out_end += bytes.len();
    }

    /// Lets `fill` put up to `len` bytes to send; `None` when it had none.
    pub fn make_room(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        match fill(self.room(len)) {
            Ok(0) => None,
            Ok(n) => {
                self.out_end += n;
                Some(Ok(n))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The next `len` bytes behind what waits. The buffer is used again and again, and grows to what is ever gathered.
    fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.out_end + len;
        if self.out.len() < end {
            self.out.resize(end, 0);
        }
        &mut self.out[self.out_end..end]
    }

    /// Nothing follows what waits: the other end can tell this end from a cut.
    pub fn close(&mut self) {
        if let Some(tls) = &mut self.secure {
            tls.close();
        }
    }

    /// Whether something was received that nobody has looked at yet.
    pub fn has_incoming(&mut self) -> bool {
        self.in_at < self.in_end
            || self.row_at < self.row.len()
            || self.secure.as_mut().is_some_and(|tls| !tls.plaintext().is_empty())
    }

    /// Bytes that were received, decrypted, and not consumed: the first of them. Empty: the wire has to bring more.
    ///
    /// # Errors
    /// [`TlsError`] when they are not what the other end sent.
    pub fn incoming(&mut self) -> Result<&[u8], TlsError> {
        match (&self.secure, self.for_files) {
            (None, _) => Ok(&self.input[self.in_at..self.in_end]),
            (Some(_), false) => self.record(),
            (Some(_), true) => self.row(),
        }
    }

    /// Decrypts until there is something: the first record, or what is left of it. Empty: the wire has to bring more.
    fn record(&mut self) -> Result<&[u8], TlsError> {
        let Some(tls) = &mut self.secure else { return Ok(&[]) };
        while tls.plaintext().is_empty() && self.in_at < self.in_end {
            self.begun = true;
            match tls.receive(&self.input[self.in_at..self.in_end]) {
                Ok(0) => self.in_at = self.in_end, // behind its end: nobody has said this
                Ok(n) => self.in_at += n,
                // What came before it is good. The error is said again once that is consumed.
                Err(_) if !tls.plaintext().is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if self.in_at >= self.in_end {
            (self.in_at, self.in_end) = (0, 0);
        }
        Ok(tls.plaintext())
    }

    /// Decrypts what is there, and copies it into one row: see [`ROW`].
    fn row(&mut self) -> Result<&[u8], TlsError> {
        if self.row_at == self.row.len() {
            // Both at once: an error leaves the row empty and not behind its end.
            let mut row = std::mem::take(&mut self.row);
            self.row_at = 0;
            row.clear();
            while row.len() < ROW {
                let n = match self.record() {
                    Ok(record) => {
                        row.extend_from_slice(record);
                        record.len()
                    }
                    Err(error) if row.is_empty() => return Err(error),
                    Err(_) => 0, // said again once the row is consumed
                };
                if n == 0 {
                    break;
                }
                self.secure.iter_mut().for_each(|tls| tls.consume(n));
            }
            self.row = row;
        }
        Ok(&self.row[self.row_at..])
    }

    /// `n` of them were consumed.
    pub fn consumed(&mut self, n: usize) {
        if self.row_at < self.row.len() {
            self.row_at += n;
            return;
        }
        if let Some(tls) = &mut self.secure {
            return tls.consume(n);
        }
        self.in_at += n;
        if self.in_at == self.in_end {
            (self.in_at, self.in_end) = (0, 0);
        }
    }

    /// The first byte that the other end has said, as it came from the wire; `None`: nothing, or it was looked at.
    pub fn first(&self) -> Option<u8> {
        if self.begun { None } else { self.received().first().copied() }
    }

    /// What was received as it came from the wire.
    pub fn received(&self) -> &[u8] {
        &self.input[self.in_at..self.in_end]
    }

    /// Bytes that the wire has brought so far: what they cost, whatever they mean. TLS has records of which nothing comes
    /// out.
    pub fn brought(&self) -> u64 {
        self.brought
    }

    /// Whether the other end has said that nothing more comes, and all that did was consumed.
    pub fn has_ended(&mut self) -> bool {
        let is_consumed = self.row_at == self.row.len();
        is_consumed && self.secure.as_mut().is_some_and(|tls| tls.has_ended() && tls.plaintext().is_empty())
    }

    /// Throws away what was received, whatever it was.
    pub fn discard(&mut self) {
        (self.in_at, self.in_end) = (0, 0);
    }

    /// Lets the wire bring up to `size` bytes, less those that were received and not looked at; 0 is the end.
    ///
    /// # Errors
    /// The wire's.
    pub fn fill(&mut self, wire: &mut impl Wire, size: usize) -> io::Result<Moved> {
        let moved = wire.recv(self.space(size))?;
        if let Moved::Bytes(n) = moved {
            self.in_end += n;
            self.brought += n as u64;
        }
        Ok(moved)
    }

    fn space(&mut self, size: usize) -> &mut [u8] {
        if self.input.len() < size {
            // A fresh buffer rather than a grown one: the system gives zeros without touching the memory.
            let mut fresh = Buffer::zeroed(size);
            let kept = &self.input[self.in_at..self.in_end];
            fresh[..kept.len()].copy_from_slice(kept);
            (self.in_at, self.in_end) = (0, kept.len());
            self.input = fresh;
        }
        if self.in_at > 0 {
            self.input.copy_within(self.in_at..self.in_end, 0);
            (self.in_at, self.in_end) = (0, self.in_end - self.in_at);
        }
        &mut self.input[self.in_end..size.max(self.in_end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wire that brings the bytes that it has.
    struct Brings<'a>(&'a [u8]);

    impl Wire for Brings<'_> {
        type File = ();
        type Pipe = ();

        fn send(&mut self, _: &[u8], _: bool) -> io::Result<Moved> {
            Ok(Moved::WouldBlock)
        }

        fn send_file(&mut self, (): &(), _: u64, _: usize) -> io::Result<super::super::pump::SentFile> {
            Ok(super::super::pump::SentFile::Refused)
        }

        fn fill_pipe(&mut self, _: usize) -> io::Result<Option<Moved>> {
            Ok(None)
        }

        fn pipe(&mut self) -> Option<&mut ()> {
            None
        }

        fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
            let n = buffer.len().min(self.0.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(Moved::Bytes(n))
        }
    }

    #[test]
    fn what_was_received_survives_a_larger_buffer() {
        let mut channel = Channel::default();
        channel.fill(&mut Brings(b"abcdef"), 8).unwrap();
        channel.consumed(2);
        assert_eq!(channel.space(1000).len(), 1000 - 4);
        assert_eq!(channel.incoming().unwrap(), b"cdef");
    }

    #[test]
    fn a_large_buffer_gives_no_more_than_is_asked_for() {
        let mut channel = Channel::default();
        channel.space(100);
        assert_eq!(channel.space(8).len(), 8);
        channel.fill(&mut Brings(b"abcdef"), 8).unwrap();
        assert_eq!(channel.space(8).len(), 2);
    }

    #[test]
    fn a_small_buffer_stays_small() {
        let mut channel = Channel::default();
        assert_eq!(channel.space(8).len(), 8);
        assert_eq!(channel.space(8).len(), 8);
    }

    /// A link for files through TLS, and what its other end writes.
    fn secure_link() -> (Channel, tls::Channel) {
        use crate::secure::key::SecretKey;
        let key = || tls::Tls::new(&SecretKey::generate().unwrap()).unwrap();
        let (mut here, mut there) = (key().answer().unwrap(), key().call(None).unwrap());
        while here.wants_transmit() || there.wants_transmit() {
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut here, &mut there];
                let mut wire = Vec::new();
                while ends[from].wants_transmit() {
                    ends[from].transmit(&mut wire).unwrap();
                }
                assert_eq!(ends[to].receive(&wire).unwrap(), wire.len());
            }
        }
        let mut channel = Channel::default();
        channel.secure(here);
        channel.carry_files();
        (channel, there)
    }

    /// What becomes of bytes on their way.
    fn written(there: &mut tls::Channel, bytes: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        there.send(bytes).unwrap();
        while there.wants_transmit() {
            there.transmit(&mut wire).unwrap();
        }
        wire
    }

    #[test]
    fn records_of_a_file_come_in_a_row_of_a_bounded_length_and_nothing_is_lost_between_rows() {
        let (mut channel, mut there) = secure_link();
        let file: Vec<u8> = (0..3 * ROW as u32).map(|at| (at % 251) as u8).collect();
        let wire = written(&mut there, &file);
        let (mut wire, mut heard, mut longest) = (Brings(&wire), Vec::new(), 0);
        while heard.len() < file.len() {
            let row = channel.incoming().unwrap();
            if row.is_empty() {
                channel.fill(&mut wire, SECURE_PIECE).unwrap();
                continue;
            }
            longest = longest.max(row.len());
            let n = row.len().div_ceil(2);
            heard.extend_from_slice(&row[..n]);
            assert!(channel.has_incoming());
            channel.consumed(n);
        }
        assert!(heard == file && !channel.has_incoming());
        assert!((ROW / 2..ROW + 16 * 1024).contains(&longest), "{longest} bytes in a row");
    }

    #[test]
    fn what_came_before_a_damaged_record_is_good_and_the_end_comes_behind_the_last_byte() {
        let (mut channel, mut there) = secure_link();
        let mut wire = written(&mut there, b"good");
        let whole = wire.len();
        wire.extend(written(&mut there, b"damaged"));
        wire[whole + 9] ^= 1;
        channel.fill(&mut Brings(&wire), SECURE_PIECE).unwrap();
        assert_eq!(channel.incoming().unwrap(), b"good");
        channel.consumed(4);
        channel.incoming().unwrap_err();
        channel.incoming().unwrap_err(); // whoever asks again is told again
        assert!(!channel.has_ended());

        let (mut channel, mut there) = secure_link();
        let mut wire = written(&mut there, b"last");
        there.close();
        there.transmit(&mut wire).unwrap();
        channel.fill(&mut Brings(&wire), SECURE_PIECE).unwrap();
        assert_eq!(channel.incoming().unwrap(), b"last");
        assert!(!channel.has_ended());
        channel.consumed(4);
        assert!(channel.incoming().unwrap().is_empty() && channel.has_ended());
    }
}
