//! Bytes that arrive through a socket and go into a file by way of the kernel.
//!
//! Owns: the pipe between the two, and how much stands in it. Must not know: frames, budgets, which bytes are meant.
//!
//! splice(2) moves from or to a pipe alone, so it takes two: the first takes what a connection has received, without
//! copying it; the second copies it into the file. What the file refuses stands in the pipe and can be read from there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;

use super::native;

/// A pipe through which the kernel moves a socket's bytes into a file.
#[derive(Debug)]
pub struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    held: usize,
}

impl Pipe {
    /// One that holds up to so many bytes: the system counts in pages, of which each holds what came in one piece.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such way, and the system's: no descriptors, or more than is allowed.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let (out, into) = native::pipe(bytes)?;
        Ok(Self { out, into, held: 0 })
    }

    /// Bytes that stand in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `len` bytes from a socket; how many, 0 at its end. It has to be empty: a full one takes nothing,
    /// as if nothing had come.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, unless the socket waits, `Interrupted`, and the system's.
    pub fn fill(&mut self, socket: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
        debug_assert_eq!(self.held, 0, "a pipe is emptied before it is filled again");
        self.held = native::move_bytes(socket, self.into.as_fd(), None, len)?;
        Ok(self.held)
    }

    /// Puts bytes that it holds into a file, from `offset` on; how many.
    ///
    /// # Errors
    /// The system's. Reading them and writing them may do what this cannot, and otherwise tell what is really wrong.
    pub fn drain(&mut self, file: &File, offset: u64) -> io::Result<usize> {
        let n = native::move_bytes(self.out.as_fd(), file.as_fd(), Some(offset), self.held)?;
        self.held -= n;
        Ok(n)
    }

    /// Reads bytes that it holds; how many.
    ///
    /// # Errors
    /// The system's, which has none to give for a pipe that holds something.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.held);
        let n = retry_on_intr(|| rustix::io::read(&self.out, &mut buffer[..most]))?;
        self.held -= n;
        Ok(n)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    /// A pipe that holds "hello", which came through a socket, and the socket's two ends.
    fn holding_hello() -> (Pipe, UnixStream, UnixStream) {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::new(1 << 16).unwrap();
        near.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(far.as_fd(), 100).unwrap(), 5);
        assert_eq!(pipe.held(), 5);
        (pipe, near, far)
    }

    fn contents(file: &File) -> Vec<u8> {
        let mut back = [0; 99];
        let n = super::super::read_at(file, &mut back, 0).unwrap();
        back[..n].to_vec()
    }

    #[test]
    fn bytes_go_from_a_socket_into_a_file_at_their_place() {
        let (mut pipe, near, far) = holding_hello();
        let file = tempfile::tempfile().unwrap();
        assert_eq!(pipe.drain(&file, 3).unwrap(), 5);
        assert_eq!(contents(&file), b"\0\0\0hello");
        assert_eq!(pipe.held(), 0);
        drop(near);
        assert_eq!(pipe.fill(far.as_fd(), 100).unwrap(), 0, "the end");
    }

    #[test]
    fn what_a_file_refuses_can_be_read() {
        let (mut pipe, _near, _far) = holding_hello();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        let read_only = File::open(dir.path().join("a")).unwrap();
        assert!(pipe.drain(&read_only, 0).is_err());
        let mut back = [0; 3];
        assert_eq!(pipe.read(&mut back).unwrap(), 3);
        assert_eq!((&back, pipe.held()), (b"hel", 2));
        let mut back = [0; 9];
        assert_eq!(pipe.read(&mut back).unwrap(), 2);
        assert_eq!(&back[..2], b"lo");
    }

    #[test]
    fn a_socket_that_has_nothing_says_so() {
        let (_near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let error = Pipe::new(1 << 16).unwrap().fill(far.as_fd(), 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
