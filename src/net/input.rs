//! Turns blocking standard input into something that the loop can poll.
//!
//! Owns: the input thread and the pipe between it and the loop. Must not know: lines, commands.
//!
//! epoll refuses regular files, and O_NONBLOCK on a terminal would leak to every other holder of it. So one thread
//! reads, blocking, and writes, blocking, into a pipe whose other end the loop polls. The pipe is the bound: a
//! `cat huge | tete` stops at 64 KiB, and pushes back on `cat`.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use mio::unix::pipe;

use crate::sys;

/// Bytes that the thread moves at once.
const BUFFER: usize = 16 * 1024;

/// Pause between two looks at a stream that does not block: unnoticed by people, and nearly free.
pub(super) const NON_BLOCKING_PAUSE: Duration = Duration::from_millis(20);

/// The loop's end of the pipe.
#[derive(Debug)]
pub struct Input {
    pub(super) pipe: pipe::Receiver,
    /// Whether the pipe may have bytes; only a `WouldBlock` clears it.
    pub(super) readable: bool,
    /// Tells, before the pipe ends, why it does if not because the input has.
    failures: Receiver<io::Error>,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRead {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    NotYet,
    /// It has ended, or has failed: [`failure`](Input::failure) tells.
    End,
}

impl Input {
    /// Reads from `source` in a thread of its own until it ends.
    ///
    /// # Errors
    /// When the system gives no pipe or no thread.
    pub fn spawn(mut source: impl Read + Send + 'static) -> io::Result<Self> {
        let (mut sender, pipe) = pipe::new()?;
        sender.set_nonblocking(false)?;
        let (failed, failures) = mpsc::channel();
        let work = move || {
            let mut buffer = vec![0; BUFFER];
            loop {
                let n = match source.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        // Somebody who shares this stream has made it non-blocking, for all of us.
                        thread::sleep(NON_BLOCKING_PAUSE); // paced: this thread has nothing else to do
                        continue;
                    }
                    Err(error) => {
                        log::debug!("reading the input ended: {error}");
                        let _ = failed.send(error); // the loop may have ended before
                        return;
                    }
                };
                // The loop has let go of its end: nobody wants input any more.
                if sender.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
        };
        sys::start_thread("input", Box::new(work))?;
        Ok(Self { pipe, readable: true, failures })
    }

    /// Why the input has ended, if not because there was no more: told once. What was read so far is not all there was.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failures.try_recv().ok()
    }

    /// Takes bytes without waiting.
    pub fn read(&mut self, buffer: &mut [u8]) -> InputRead {
        if !self.readable {
            return InputRead::NotYet;
        }
        loop {
            match self.pipe.read(buffer) {
                Ok(0) => return InputRead::End,
                Ok(n) => return InputRead::Bytes(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return InputRead::NotYet;
                }
                Err(error) => {
                    log::debug!("the input pipe failed: {error}");
                    return InputRead::End;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes of an input, and why it ended.
    fn all_of(source: impl Read + Send + 'static) -> (Vec<u8>, Option<io::Error>) {
        let mut input = Input::spawn(source).unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 4]);
        loop {
            match input.read(&mut buffer) {
                InputRead::Bytes(n) => all.extend_from_slice(&buffer[..n]),
                InputRead::NotYet => {
                    input.readable = true; // there is no loop here that waits for it
                    thread::yield_now();
                }
                InputRead::End => return (all, input.failure()),
            }
        }
    }

    /// Fails when it is read.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is broken"))
        }
    }

    #[test]
    fn an_input_that_ends_has_not_failed() {
        let (all, failure) = all_of(&b"everything"[..]);
        assert_eq!(all, b"everything");
        assert!(failure.is_none(), "{failure:?}");
    }

    #[test]
    fn an_input_that_fails_is_told_from_one_that_ends() {
        let (all, failure) = all_of(b"a part".chain(Broken));
        assert_eq!(all, b"a part");
        assert_eq!(failure.unwrap().to_string(), "the disk is broken");
    }
}
