//! The conversation that is going on: a session, and the connection that carries it.
//!
//! Owns: what the two need from each other. Must not know: who was let in and why.

use std::io;
use std::time::{Duration, Instant};

use crate::proto::disk::{DiskError, DiskJob};
use crate::proto::hello::Nonce;
use crate::proto::session::{Ended, Session};
use crate::proto::{LinkId, TransferId};
use crate::sys;

use super::connection::{Connection, Stage};
use super::files::Files;
use super::pool::Pool;
use super::pump::{Disk, Left, LinkError, Pump};
use super::work::write_error;

/// How long the last bytes of a conversation may take, and the answer to our closing.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// A session and its link.
#[derive(Debug)]
pub struct Conversation {
    /// The machine.
    pub session: Session,
    /// Slab key of the connection.
    pub key: usize,
    /// Its link.
    pub link: LinkId,
    /// Who is at the other end.
    pub peer: Nonce,
}

/// The real [`Disk`]: files by descriptors, jobs by helpers.
struct Store<'a> {
    files: &'a mut Files,
    pool: &'a mut Pool,
}

impl Disk for Store<'_> {
    fn read(&mut self, transfer: TransferId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.files.read(transfer, offset, buffer)
    }

    fn write(&mut self, transfer: TransferId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.write(transfer, offset, bytes)
    }

    fn submit(&mut self, job: DiskJob) {
        self.files.submit(self.pool, job);
    }

    fn explain(&self, transfer: TransferId, error: &io::Error) -> DiskError {
        write_error(self.files.name(transfer), error)
    }
}

impl Conversation {
    /// Moves what can be moved, both ways, within `budget` bytes each.
    pub fn pump(
        &mut self,
        connection: &mut Connection,
        files: &mut Files,
        pool: &mut Pool,
        now: Instant,
        budget: usize,
    ) {
        if !matches!(connection.stage, Stage::Talking(_)) {
            return;
        }
        let result = self.pump_both(connection, &mut Store { files, pool }, now, budget);
        match result {
            Ok((sent, received)) => {
                // What was received and not taken waits for the jobs that are handed out after this.
                let paused = received == Left::Idle && !connection.channel.incoming().is_empty();
                connection.more = sent == Left::More || received == Left::More || paused;
                if received == Left::End {
                    self.session.handle_eof(self.link, now);
                }
            }
            Err(LinkError::Io(error)) => self.session.link_lost(self.link, now, &sys::words(&error)),
            Err(LinkError::Protocol(error)) => log::warn!("{}: {error}", connection.address),
        }
        match self.session.ended() {
            None => {}
            Some(Ended::Left | Ended::Cut) => {
                connection.stage = Stage::Flushing { shut: false };
                connection.deadline = Some(now + FLUSH_PATIENCE);
                connection.more = true; // to flush in the next turn
            }
            Some(Ended::PeerCut | Ended::Lost(_) | Ended::Broken(_)) => {
                connection.stage = Stage::Dead;
                connection.more = false;
            }
        }
    }

    fn pump_both(
        &mut self,
        connection: &mut Connection,
        store: &mut Store<'_>,
        now: Instant,
        budget: usize,
    ) -> Result<(Left, Left), LinkError> {
        let (wire, channel) = connection.parts(self.key);
        let mut wire = wire;
        let mut pump = Pump { session: &mut self.session, link: self.link, channel, wire: &mut wire, disk: store, now };
        let received = pump.receive(budget)?;
        let sent = pump.send(budget)?;
        Ok((sent, received))
    }
}
