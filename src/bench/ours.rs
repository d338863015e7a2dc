//! tete itself as a sender and a receiver of files, by the library's loop.
//!
//! Owns: both ends of such a run. Must not know: who starts them, what the figures are compared with.

use std::io;
use std::path::{Path, PathBuf};

use crate::net::NetEvent;
use crate::proto::event::Event;

use super::figures::{Clock, Figures};
use super::process::tell_ready;
use super::role::{Given, Role};
use super::side::{How, Side};

/// The two roles for files that go into a folder.
pub fn roles(files: &[PathBuf], into: &Path, how: How) -> (Role, Role) {
    let receive = how.of(Role::new("tete-receive").option("into", into));
    (receive, files.iter().fold(how.of(Role::new("tete-send")), Role::word))
}

/// Takes what is offered until the other side leaves.
///
/// # Errors
/// Something was not received.
pub fn receive(mut given: Given) -> io::Result<()> {
    let into = given.value("into")?;
    let mut side = Side::new("receiver", Some(Path::new(&into)), How::from(&mut given))?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    tell_ready(ready)?;
    side.wait_for_partner()?;

    let clock = Clock::start();
    let mut received = 0;
    loop {
        match side.next_event()? {
            NetEvent::Session(Event::Received { .. }) => received += 1,
            NetEvent::Session(Event::PeerLeaving { .. }) => break,
            _ => {}
        }
    }
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    figures.add("files", f64::from(received));
    side.leave()?;
    figures.print()
}

/// Offers all files at once, and leaves when the other side has them all. The measured part is from the first offer to
/// the last "verified and committed" of the other side.
///
/// # Errors
/// Something was not sent.
pub fn send(mut given: Given) -> io::Result<()> {
    let (port, how) = (given.read("port")?, How::from(&mut given));
    let files: Vec<PathBuf> = given.rest().into_iter().map(PathBuf::from).collect();
    let mut side = Side::new("sender", None, how)?;
    side.dial(port);
    side.wait_for_partner()?;
    let files = side.prepare(&files)?;

    let clock = Clock::start();
    let mut under_way = files.len();
    for file in files {
        side.offer(file)?;
    }
    while under_way > 0 {
        if let NetEvent::Session(Event::Sent { .. }) = side.next_event()? {
            under_way -= 1;
        }
    }
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    side.leave()?;
    figures.print()
}
