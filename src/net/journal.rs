//! A journal in a folder: written while its file arrives, read when it is offered again.
//!
//! Owns: the journal's own file. Must not know: what stands in it ([`proto::journal`](crate::proto::journal)), the part
//! that it is about. May block.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use crate::proto::journal::{HEADER, Journal};
use crate::sys::{self, Calls};

/// An open journal. Written by one process, that which holds the lock of its part.
#[derive(Debug)]
pub(super) struct Record {
    file: File,
    journal: Journal,
}

impl Record {
    /// A new one, of which only its owner may know (0600).
    ///
    /// # Errors
    /// The system's, and `InvalidInput` for what cannot be written down.
    pub(super) fn create(calls: Calls, folder: BorrowedFd<'_>, name: &str, journal: Journal) -> io::Result<Self> {
        let header = journal.encode().ok_or(io::ErrorKind::InvalidInput)?;
        let file = sys::create_new(calls, folder, name)?;
        if let Err(error) = sys::write_all_at(&file, &header, 0) {
            sys::unlink(folder, name)?; // half of one is none
            return Err(error);
        }
        Ok(Self { file, journal })
    }

    /// One that is there, with the values that it has; `None` when it is not to be believed: not ours, open to others,
    /// longer than it can be, or broken from the beginning.
    ///
    /// # Errors
    /// The system's, `NotFound` among them.
    pub(super) fn open(folder: BorrowedFd<'_>, name: &str) -> io::Result<Option<(Self, Vec<[u8; 32]>)>> {
        let file = sys::open_own(folder, name)?;
        let access = sys::access(&file)?;
        if !access.is_file || !access.is_ours || access.mode & 0o077 != 0 {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        let read = read_up_to(&file, &mut header, 0)?;
        let journal = Journal::decode(&header[..read]).filter(|journal| access.size <= journal.longest());
        let Some(journal) = journal else { return Ok(None) };
        // What it can have at most bounds what is read, and it was looked at before.
        let length = usize::try_from(access.size).unwrap_or(HEADER).saturating_sub(HEADER);
        let mut entries = vec![0; length];
        let read = read_up_to(&file, &mut entries, HEADER as u64)?;
        let values = journal.values(&entries[..read]);
        Ok(Some((Self { file, journal }, values)))
    }

    /// What it is about.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Adds the values of these blocks, from `first` on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn append(&self, first: u64, values: &[[u8; 32]]) -> io::Result<()> {
        let (at, bytes) = self.journal.entries(first, values);
        sys::write_all_at(&self.file, &bytes, at)
    }

    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn sync(&self) -> io::Result<()> {
        sys::sync_data(&self.file)
    }

    /// Forgets all blocks from `blocks` on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn cut(&self, blocks: u64) -> io::Result<()> {
        let (end, _) = self.journal.entries(blocks, &[]);
        sys::cut(&self.file, end)
    }
}

/// Reads until the buffer is full or the file is over.
fn read_up_to(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match sys::read_at(file, &mut into[done..], offset + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}
