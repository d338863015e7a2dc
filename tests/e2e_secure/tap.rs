//! A wire that is listened to, and on which a bit can be turned.
//!
//! Owns: every byte that went through, in each direction of each connection. Must not know: what the bytes mean.
//!
//! What somebody has received was written down before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) use crate::relay::Way;

/// A bit that arrives as another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flip {
    /// Of which connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) way: Way,
    /// Of which byte, counted from 0.
    pub(crate) at: usize,
    pub(crate) bit: u8,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    flipped: AtomicBool,
    /// Of each connection what went up, and what went down.
    said: Mutex<Vec<[Vec<u8>; 2]>>,
}

/// A port that leads to another.
pub(crate) struct Tap {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Tap {
    pub(crate) fn to(target: u16, flip: Option<Flip>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in 0.. {
                let Ok((caller, _)) = listener.accept() else { return };
                if ours.over.load(Ordering::Relaxed) {
                    return;
                }
                ours.said.lock().unwrap().push(<[Vec<u8>; 2]>::default());
                let Ok(called) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                for stream in [&caller, &called] {
                    stream.set_nodelay(true).unwrap();
                }
                for way in [Way::Up, Way::Down] {
                    let ends = [&caller, &called].map(|stream| stream.try_clone().unwrap());
                    let flip = flip.filter(|flip| flip.connection == connection && flip.way == way);
                    let shared = Arc::clone(&ours);
                    thread::spawn(move || carry(ends, connection, way, flip, &shared));
                }
            }
        });
        Self { port, shared }
    }

    /// Whether the bit was turned.
    pub(crate) fn has_flipped(&self) -> bool {
        self.shared.flipped.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.said.lock().unwrap().len()
    }

    /// All that went this way over a connection.
    pub(crate) fn said(&self, connection: usize, way: Way) -> Vec<u8> {
        self.shared.said.lock().unwrap()[connection][way as usize].clone()
    }
}

fn carry([caller, called]: [TcpStream; 2], connection: usize, way: Way, flip: Option<Flip>, shared: &Shared) {
    let (mut from, mut to) = if way == Way::Up { (caller, called) } else { (called, caller) };
    let mut buffer = vec![0; 64 * 1024];
    let mut passed = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return drop(to.shutdown(Shutdown::Write)),
            Ok(n) => n,
            Err(_) => break,
        };
        if let Some(byte) = flip.and_then(|flip| buffer[..n].get_mut(flip.at.wrapping_sub(passed))) {
            *byte ^= 1 << flip.map_or(0, |flip| flip.bit);
            shared.flipped.store(true, Ordering::Relaxed);
        }
        passed += n;
        shared.said.lock().unwrap()[connection][way as usize].extend_from_slice(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    for stream in [&from, &to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}
