//! Writes what the loop rendered without ever stopping the loop.
//!
//! Owns: the output thread. Must not know: what it writes.
//!
//! A terminal that nobody reads takes some kilobytes and then blocks whoever writes. So one thread writes, and takes
//! one buffer at a time: the loop renders the next one only when the last is through, and what is not rendered yet
//! waits where it is bounded. Both streams go through the one thread, so that a terminal that shows both shows them
//! in the order in which they were rendered.
//!
//! A thread that is woken waits for a core, three milliseconds and more where files keep them all busy: as long as a
//! key that is pressed may take to be seen. So what a terminal takes without blocking is written by the loop itself,
//! where it can have the terminal opened once more for that ([`Sinks::at_once`]), and the thread has the rest.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TryRecvError};
use std::thread;

use mio::Waker;

use super::input::NON_BLOCKING_PAUSE;
use crate::sys;

/// Where rendered bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Bytes for both streams, in order.
#[derive(Debug, Default)]
pub struct Rendered {
    bytes: Vec<u8>,
    /// Where each run of bytes for one stream ends.
    runs: Vec<(usize, Stream)>,
    /// How many of the bytes are written already.
    written: usize,
}

impl Rendered {
    /// Adds text for a stream.
    pub fn push(&mut self, stream: Stream, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        let end = self.bytes.len();
        match self.runs.last_mut() {
            Some((last, of)) if *of == stream => *last = end,
            _ => self.runs.push((end, stream)),
        }
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
        self.written = 0;
    }

    /// Writes what `out` takes without blocking, up to the first byte that is for another stream. A failure is not told:
    /// whoever writes the rest meets it, too.
    fn write_at_once(&mut self, out: &mut dyn Write) {
        let Some((end, Stream::Out)) = self.runs.first().copied() else { return };
        while self.written < end {
            match out.write(&self.bytes[self.written..end]) {
                Ok(n) if n > 0 => self.written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn write(&self, sinks: &mut Sinks) -> io::Result<()> {
        let mut begin = self.written;
        for (end, stream) in &self.runs {
            let bytes = &self.bytes[begin.min(*end)..*end];
            begin = begin.max(*end);
            match stream {
                Stream::Out => write_patiently(&mut sinks.out, bytes)?,
                // Whoever closed standard error does not want to know.
                Stream::Err => drop(write_patiently(&mut sinks.err, bytes)),
            }
        }
        Ok(())
    }
}

/// Writes all of `bytes`.
fn write_patiently(out: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match patiently(|| out.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => bytes = &bytes[n..],
        }
    }
    patiently(|| out.flush())
}

/// Tries until it is no matter of time: somebody who shares the stream may have made it non-blocking, for all of us.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(NON_BLOCKING_PAUSE); // paced: this thread has nothing else to do
            }
            result => return result,
        }
    }
}

/// The two real streams, or what stands for them.
pub struct Sinks {
    /// Standard output.
    pub out: Box<dyn Write + Send>,
    /// Standard error.
    pub err: Box<dyn Write + Send>,
    /// Where `out` leads, too, but never blocks: a terminal that was opened once more. On what others have open with us,
    /// O_NONBLOCK would be theirs as well.
    pub at_once: Option<Box<dyn Write + Send>>,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sinks")
    }
}

/// The output thread and the buffer that it takes in turn.
pub struct Output {
    /// What never blocks, and is written to without the thread.
    at_once: Option<Box<dyn Write + Send>>,
    wake: Arc<Waker>,
    work: SyncSender<Rendered>,
    answers: mpsc::Receiver<io::Result<Rendered>>,
    /// An empty buffer, while the thread has none to write.
    idle: Option<Rendered>,
    /// Why nothing can be written any more.
    broken: Option<io::Error>,
}

impl Output {
    /// Writes to `sinks` in a thread of its own, and wakes the loop whenever a buffer is through.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(mut sinks: Sinks, wake: Arc<Waker>) -> io::Result<Self> {
        let (work, jobs) = mpsc::sync_channel::<Rendered>(1);
        let (done, answers) = mpsc::channel();
        let (at_once, woken) = (sinks.at_once.take(), Arc::clone(&wake));
        let writer = move || {
            for mut rendered in jobs {
                let result = rendered.write(&mut sinks);
                rendered.clear();
                let failed = result.is_err();
                let told = done.send(result.map(|()| rendered)).is_ok();
                tell(&wake);
                if failed || !told {
                    return;
                }
            }
        };
        sys::start_thread("output", Box::new(writer))?;
        Ok(Self { at_once, wake: woken, work, answers, idle: Some(Rendered::default()), broken: None })
    }

    /// Hands over what was rendered, if the last buffer is through; takes all of it or nothing.
    pub fn take(&mut self, rendered: &mut Rendered) {
        // Asked in any case: a reader who has gone is noticed even if there is nothing more to show.
        if !self.is_idle() || rendered.is_empty() {
            return;
        }
        if let Some(out) = &mut self.at_once {
            rendered.write_at_once(out);
            if rendered.is_empty() {
                rendered.clear();
                return tell(&self.wake);
            }
        }
        let Some(mut buffer) = self.idle.take() else { return };
        std::mem::swap(&mut buffer, rendered);
        if self.work.send(buffer).is_err() {
            self.broken.get_or_insert_with(|| io::ErrorKind::BrokenPipe.into()); // the thread has said why, or never will
        }
    }

    /// Whether everything handed over was written.
    pub fn is_idle(&mut self) -> bool {
        match self.answers.try_recv() {
            Ok(Ok(buffer)) => self.idle = Some(buffer),
            Ok(Err(error)) => {
                log::debug!("writing failed: {error}");
                self.broken = Some(error);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                self.broken.get_or_insert_with(|| io::ErrorKind::BrokenPipe.into());
            }
        }
        self.idle.is_some()
    }

    /// Whether nothing can be written any more: whoever read standard output has gone, or it takes nothing.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why standard output takes nothing, such as a full disk. That a reader has gone is no failure.
    pub fn failure(&self) -> Option<&io::Error> {
        self.broken.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("idle", &self.idle.is_some())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Wakes the loop: a buffer is through.
fn tell(wake: &Waker) {
    if let Err(error) = wake.wake() {
        log::debug!("the loop could not be woken: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    /// Tells what it is given, in order, and takes `room` bytes without blocking.
    struct Taking {
        room: usize,
        taken: mpsc::Sender<(&'static str, Vec<u8>)>,
        name: &'static str,
    }

    impl Write for Taking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room);
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= n;
            self.taken.send((self.name, bytes[..n].to_vec())).unwrap();
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes runs to a terminal that takes `room` bytes at once; who wrote what, until all is written.
    fn written(room: usize, runs: &[(Stream, &str)]) -> Vec<(&'static str, String)> {
        let (taken, all) = mpsc::channel();
        let to = |name, room| Box::new(Taking { room, taken: taken.clone(), name }) as Box<dyn Write + Send>;
        let mut poll = Poll::new().unwrap();
        let wake = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (out, err) = (to("out", usize::MAX), to("err", usize::MAX));
        let mut output = Output::spawn(Sinks { out, err, at_once: Some(to("at once", room)) }, wake).unwrap();
        let mut rendered = Rendered::default();
        for (stream, text) in runs {
            rendered.push(*stream, text);
        }
        output.take(&mut rendered);
        assert!(rendered.is_empty(), "all of it is taken");
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
        assert!(!events.is_empty(), "the loop is woken once it is written");
        assert!(output.is_idle() && !output.is_broken());
        all.try_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }

    #[test]
    fn a_stream_that_others_have_made_non_blocking_takes_all() {
        /// Takes a byte, each second time that it is asked.
        struct Slow(Vec<u8>, bool);

        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.push(bytes[0]);
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.1 = !self.1;
                if self.1 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            }
        }

        let mut out = Slow(Vec::new(), false);
        write_patiently(&mut out, b"all").unwrap();
        assert_eq!(out.0, b"all");
    }

    #[test]
    fn what_a_terminal_takes_at_once_needs_no_thread_and_the_rest_follows_it() {
        let frame = [(Stream::Out, "a frame")];
        assert_eq!(written(100, &frame), [("at once", "a frame".to_owned())]);
        assert_eq!(written(2, &frame), [("at once", "a ".to_owned()), ("out", "frame".to_owned())]);
        assert_eq!(written(0, &frame), [("out", "a frame".to_owned())]);
    }

    #[test]
    fn nothing_overtakes_what_is_for_standard_error() {
        let mixed = [(Stream::Out, "one "), (Stream::Err, "two "), (Stream::Out, "three")];
        let all = written(100, &mixed);
        assert_eq!(all, [("at once", "one ".to_owned()), ("err", "two ".to_owned()), ("out", "three".to_owned())]);
        let all = written(100, &mixed[1..]);
        assert_eq!(all, [("err", "two ".to_owned()), ("out", "three".to_owned())]);
    }

    /// Fails like this when it is written to.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// After something was written to standard output that fails like this.
    fn after(kind: io::ErrorKind) -> Output {
        let mut poll = Poll::new().unwrap();
        let wake = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let sinks = Sinks { out: Box::new(Broken(kind)), err: Box::new(io::sink()), at_once: None };
        let mut output = Output::spawn(sinks, wake).unwrap();
        let mut rendered = Rendered::default();
        rendered.push(Stream::Out, "text");
        output.take(&mut rendered);
        poll.poll(&mut Events::with_capacity(1), Some(Duration::from_secs(30))).unwrap();
        output.is_idle();
        assert!(output.is_broken());
        output
    }

    #[test]
    fn a_full_disk_is_a_failure_of_the_output_and_a_reader_who_has_gone_is_none() {
        assert!(after(io::ErrorKind::BrokenPipe).failure().is_none());
        let output = after(io::ErrorKind::StorageFull);
        assert_eq!(output.failure().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
