//! Ends of the encrypted channel that are no tete: a stranger with a key, and somebody in the middle.
//!
//! Owns: their handshakes and bytes. Must not know: processes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use tete::secure::key::{PublicKey, SecretKey};
use tete::secure::tls::{Channel, Tls};

use crate::common::PATIENCE;

/// One end of an encrypted connection.
pub(crate) struct End {
    stream: TcpStream,
    channel: Channel,
}

impl End {
    fn new(stream: TcpStream, channel: Channel) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, channel }
    }

    /// Calls with this key, whoever answers, and goes through the handshake.
    pub(crate) fn call(port: u16, key: &SecretKey) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut end = Self::new(stream, Tls::new(key).unwrap().call(None).unwrap());
        end.flush();
        while end.channel.is_handshaking() {
            assert!(end.fill(), "it is closed during the handshake");
        }
        end
    }

    pub(crate) fn address(&self) -> String {
        self.stream.local_addr().unwrap().to_string()
    }

    pub(crate) fn peer(&self) -> Option<PublicKey> {
        self.channel.peer()
    }

    pub(crate) fn binding(&self) -> [u8; 32] {
        self.channel.binding().unwrap()
    }

    /// Says this; who is gone does not hear it.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        drop(self.channel.send(bytes));
        self.flush();
    }

    fn flush(&mut self) {
        let mut bytes = Vec::new();
        while self.channel.wants_transmit() {
            self.channel.transmit(&mut bytes).unwrap();
        }
        drop(self.stream.write_all(&bytes));
    }

    /// Takes what comes next; false once nothing does.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                let taken = self.channel.receive(&buffer[..n]);
                self.flush();
                taken.is_ok()
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("not closed within {PATIENCE:?}")
            }
            Err(_) => false,
        }
    }

    /// All that was said and not yet taken.
    fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = self.channel.plaintext().to_vec();
            if piece.is_empty() {
                return all;
            }
            self.channel.consume(piece.len());
            all.extend(piece);
        }
    }

    /// Waits until it is closed; what it was told.
    pub(crate) fn closed(mut self) -> Vec<u8> {
        let mut told = self.take();
        while self.fill() {
            told.extend(self.take());
        }
        told
    }

    /// Waits until so many bytes were said.
    pub(crate) fn hears(&mut self, bytes: usize) -> Vec<u8> {
        let mut told = self.take();
        while told.len() < bytes {
            assert!(self.fill(), "closed after {told:?}");
            told.extend(self.take());
        }
        told
    }
}

/// Somebody between two who talk, with a key of its own towards both: it reads everything and passes it on. Where it
/// waits for the one who calls, and its key.
pub(crate) fn in_the_middle(target: u16) -> (u16, PublicKey) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = Tls::new(&SecretKey::generate().unwrap()).unwrap();
    let key = tls.public();
    thread::spawn(move || {
        while let Ok((caller, _)) = listener.accept() {
            let called = TcpStream::connect(("127.0.0.1", target)).unwrap();
            let ends = [(caller, tls.answer().unwrap()), (called, tls.call(None).unwrap())];
            pass_on(ends.map(|(stream, channel)| End::new(stream, channel)));
        }
    });
    (port, key)
}

fn pass_on(mut ends: [End; 2]) {
    ends[1].flush();
    loop {
        let mut wanted = [&ends[0], &ends[1]].map(|end| PollFd::new(&end.stream, PollFlags::IN));
        poll(&mut wanted, None).unwrap();
        let ready = [0, 1].map(|at| !wanted[at].revents().is_empty());
        for at in [0, 1] {
            let goes_on = !ready[at] || ends[at].fill();
            let said = ends[at].take();
            if !said.is_empty() {
                ends[1 - at].say(&said);
            }
            if !goes_on {
                return ends.iter().for_each(|end| drop(end.stream.shutdown(Shutdown::Both)));
            }
        }
    }
}
