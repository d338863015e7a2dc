//! What a session asks of the disk, and what comes back.
//!
//! Owns: the vocabulary of the `Disk` seam. A [`DiskJob`] never blocks the session: it is handed out by
//! [`Session::poll_job`](super::session::Session::poll_job) and its [`DiskAnswer`] comes back whenever it is done.
//! Must not know: paths, descriptors, threads.
//!
//! Jobs of one transfer are answered in the order in which they were asked, except for hashing and flushing, which may
//! overtake.

use super::TransferId;
use super::name::SafeName;

/// Bytes after which what is stored is brought to the disk, so that the last wait for it is short.
pub const FLUSH_BYTES: u64 = 64 << 20;

/// A block of a file: 1 MiB, or less at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the block, from 0; it begins at `index` × [`BLOCK`](super::digest::BLOCK).
    pub index: u64,
    /// Bytes in it, 1 to [`BLOCK`](super::digest::BLOCK).
    pub len: u32,
}

/// What hashing one block gives. Both values come from one reading of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockValue {
    /// BLAKE3 chaining value of the block as a subtree at its offset: what combines to the root.
    pub chaining: [u8; 32],
    /// BLAKE3 of the block as if it were a whole file: the root of a file of one block.
    /// All zero for every block but the first, where nobody asks.
    pub whole: [u8; 32],
}

/// One thing that the disk shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskJob {
    /// Open the file that was offered; it must still be the one that was looked at when it was offered.
    OpenSource(TransferId),
    /// Hash a block of the source.
    HashSource(TransferId, Block),
    /// Is the source what it was when it was opened (size, times, inode)?
    CheckSource(TransferId),
    /// The bytes of a stream before this offset are needed no longer: the peer has them. Has no answer.
    ForgetStream(TransferId, u64),
    /// The source is needed no longer. Has no answer.
    CloseSource(TransferId),
    /// Create the hidden part file beside the target, having looked whether `size` bytes fit, and take the space for
    /// them where that pays. Or go on with that of an earlier run, of the same file of the same peer.
    CreatePart {
        /// The file.
        transfer: TransferId,
        /// The checked name it will have (before the prefix).
        name: SafeName,
        /// Bytes to come, if known.
        size: Option<u64>,
    },
    /// Go on with the part file of an earlier transfer, which failed and was left as it stood. Answered like
    /// [`DiskJob::CreatePart`].
    ResumePart {
        /// The file.
        transfer: TransferId,
        /// The earlier one, whose part it takes over.
        kept: TransferId,
    },
    /// Hash a block of the part file by reading it back.
    HashPart(TransferId, Block),
    /// Bring what stands in the part file so far to the disk, so that less is left for the end.
    FlushPart(TransferId),
    /// As [`DiskJob::FlushPart`], answered likewise, and write into the journal that these blocks are verified.
    RecordPart {
        /// The file.
        transfer: TransferId,
        /// The block to which the first value belongs.
        first: u64,
        /// Their values.
        values: Vec<[u8; 32]>,
        /// Nothing will follow but [`DiskJob::KeepPart`].
        last: bool,
    },
    /// Nothing that the journal says counts any more. Answered like [`DiskJob::FlushPart`].
    RestartPart(TransferId),
    /// Wait until the part file's bytes are on the disk.
    SyncPart(TransferId),
    /// Give the part file its final name; never over an existing file.
    Publish(TransferId),
    /// Wait until the folder's new entry is on the disk.
    SyncFolder(TransferId),
    /// Close the part file and leave it where it is, and the journal with it. Has no answer.
    KeepPart(TransferId),
    /// Close the part file and remove it, and its journal. Has no answer.
    RemovePart(TransferId),
}

impl DiskJob {
    /// The file that it is about.
    pub fn transfer(&self) -> TransferId {
        match self {
            Self::OpenSource(id)
            | Self::HashSource(id, _)
            | Self::CheckSource(id)
            | Self::ForgetStream(id, _)
            | Self::CloseSource(id)
            | Self::CreatePart { transfer: id, .. }
            | Self::ResumePart { transfer: id, .. }
            | Self::HashPart(id, _)
            | Self::FlushPart(id)
            | Self::RecordPart { transfer: id, .. }
            | Self::RestartPart(id)
            | Self::SyncPart(id)
            | Self::Publish(id)
            | Self::SyncFolder(id)
            | Self::KeepPart(id)
            | Self::RemovePart(id) => *id,
        }
    }
}

/// Why the disk could not, in the system's words ("No space left on device"), with what and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// One line for a person.
    pub words: String,
    /// Whether what is stored already is still good, so that a later try may go on from it.
    pub resumable: bool,
}

/// What became of a [`DiskJob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskAnswer {
    /// Of [`DiskJob::OpenSource`].
    SourceOpened(TransferId, Result<(), DiskError>),
    /// Of [`DiskJob::HashSource`].
    SourceHashed(TransferId, Block, Result<BlockValue, DiskError>),
    /// Of [`DiskJob::CheckSource`]; an error says that it changed.
    SourceChecked(TransferId, Result<(), DiskError>),
    /// Of [`DiskJob::CreatePart`] and [`DiskJob::ResumePart`].
    PartCreated(TransferId, Result<(), DiskError>),
    /// Of [`DiskJob::CreatePart`], too: the part of an earlier run is taken up, of which these blocks were verified then.
    /// None: what there was is of an earlier state of the file, and is gone.
    PartTaken(TransferId, Vec<[u8; 32]>),
    /// Of [`DiskJob::HashPart`].
    PartHashed(TransferId, Block, Result<BlockValue, DiskError>),
    /// Of [`DiskJob::FlushPart`], [`DiskJob::RecordPart`] and [`DiskJob::RestartPart`]. After an error the bytes may be lost although the next call succeeds.
    PartFlushed(TransferId, Result<(), DiskError>),
    /// Of [`DiskJob::SyncPart`].
    PartSynced(TransferId, Result<(), DiskError>),
    /// Of [`DiskJob::Publish`]: the file name it got, prefix and number included.
    Published(TransferId, Result<String, DiskError>),
    /// Of [`DiskJob::SyncFolder`].
    FolderSynced(TransferId, Result<(), DiskError>),
}

impl DiskAnswer {
    /// The file that it is about.
    pub fn transfer(&self) -> TransferId {
        match self {
            Self::SourceOpened(id, _)
            | Self::SourceHashed(id, _, _)
            | Self::SourceChecked(id, _)
            | Self::PartCreated(id, _)
            | Self::PartTaken(id, _)
            | Self::PartHashed(id, _, _)
            | Self::PartFlushed(id, _)
            | Self::PartSynced(id, _)
            | Self::Published(id, _)
            | Self::FolderSynced(id, _) => *id,
        }
    }
}
