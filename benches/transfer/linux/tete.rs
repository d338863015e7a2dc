//! tete itself as a sender and a receiver of files, by the library's loop.
//!
//! Owns: both ends of such a run. Must not know: who starts them, what the figures are compared with.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use tete::net::NetEvent;
use tete::proto::event::Event;

use super::figures::{Clock, Figures};
use super::process::{Role, tell_ready};
use super::side::{How, Side};

/// The receiving end: takes what is offered until the other side leaves.
#[derive(Args, Debug)]
pub(crate) struct Receive {
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    how: How,
}

/// The sending end: offers all files at once, and leaves when the other side has them all.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[arg(long)]
    port: u16,
    #[command(flatten)]
    how: How,
    files: Vec<PathBuf>,
}

/// The two roles for files that go into a folder.
pub(crate) fn roles(files: &[PathBuf], into: &Path, how: How) -> (Role, Role) {
    let receive = how.of(Role::new("tete-receive").option("into", into));
    (receive, files.iter().fold(how.of(Role::new("tete-send")), Role::word))
}

/// Receives.
pub(crate) fn receive(args: &Receive) -> io::Result<()> {
    let mut side = Side::new("receiver", Some(&args.into), args.how)?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    tell_ready(ready)?;
    side.wait_for_partner()?;

    let clock = Clock::start()?;
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

/// Sends. The measured part is from the first offer to the last "verified and committed" of the other side.
pub(crate) fn send(args: &Send) -> io::Result<()> {
    let mut side = Side::new("sender", None, args.how)?;
    side.dial(args.port);
    side.wait_for_partner()?;
    let files = side.prepare(&args.files)?;

    let clock = Clock::start()?;
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
