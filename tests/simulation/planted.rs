//! Faults that no honest program has, planted where a session meets the world: each has to be noticed.
//!
//! Owns: what each of them does to frames, jobs, answers and events. The program itself knows nothing of them.

use tete::proto::disk::{Block, DiskAnswer, DiskJob};
use tete::proto::event::Event;
use tete::proto::frame::{CHUNK_HEADER, HEADER, Kind};

use crate::drive::{Drive, Held, value};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mutant {
    // Who is let in.
    OpenGate,
    HalfGate,
    // What is said.
    LostByte,
    LostAck,
    LostProgress,
    LostCommitted,
    LostRefusal,
    LostGoodbye,
    LostDigests,
    TextAgain,
    WrongOffset,
    WrongAccept,
    WrongDigest,
    WrongRoot,
    EarlyCommitted,
    BackForgetsText,
    BackCountsTwice,
    StaleResume,
    StaleMove,
    // What is done to files.
    StrayWrite,
    NoSync,
    SyncLies,
    NoFolderSync,
    NoFlush,
    NoJournal,
    JournalOfNothing,
    AnyJournal,
    AnySource,
    LateFlip,
    BelievesHashes,
    PublishesFirst,
    OverExisting,
    NoRemoval,
    KeepsNothing,
    LostAnswer,
    // What is told, and who asks.
    ShownTwice,
    Forgetful,
    SilentLoss,
    NoJobs,
    NoEvents,
    NoTimeouts,
}

impl Mutant {
    pub(crate) const ALL: [Self; 41] = [
        Self::OpenGate,
        Self::HalfGate,
        Self::LostByte,
        Self::LostAck,
        Self::LostProgress,
        Self::LostCommitted,
        Self::LostRefusal,
        Self::LostGoodbye,
        Self::LostDigests,
        Self::TextAgain,
        Self::WrongOffset,
        Self::WrongAccept,
        Self::WrongDigest,
        Self::WrongRoot,
        Self::EarlyCommitted,
        Self::BackForgetsText,
        Self::BackCountsTwice,
        Self::StaleResume,
        Self::StaleMove,
        Self::StrayWrite,
        Self::NoSync,
        Self::SyncLies,
        Self::NoFolderSync,
        Self::NoFlush,
        Self::NoJournal,
        Self::JournalOfNothing,
        Self::AnyJournal,
        Self::AnySource,
        Self::LateFlip,
        Self::BelievesHashes,
        Self::PublishesFirst,
        Self::OverExisting,
        Self::NoRemoval,
        Self::KeepsNothing,
        Self::LostAnswer,
        Self::ShownTwice,
        Self::Forgetful,
        Self::SilentLoss,
        Self::NoJobs,
        Self::NoEvents,
        Self::NoTimeouts,
    ];

    /// In place of what the disk would do.
    pub(crate) fn perform(self, drive: &mut Drive, job: DiskJob, held: Option<Held>) -> Option<DiskAnswer> {
        let inode = held.and_then(|held| Some(drive.parts.get(&held.part)?.made.as_ref()?.inode));
        match (self, &job) {
            (Self::NoSync, DiskJob::SyncPart(id)) => drive.skip(held, DiskAnswer::PartSynced(*id, Ok(()))),
            (Self::SyncLies, DiskJob::SyncPart(id)) => {
                let id = *id;
                drive.perform(job, held).map(|_| DiskAnswer::PartSynced(id, Ok(())))
            }
            (Self::NoFolderSync, DiskJob::SyncFolder(id)) => drive.skip(held, DiskAnswer::FolderSynced(*id, Ok(()))),
            (Self::NoJournal, DiskJob::RecordPart { transfer, .. }) => {
                drive.skip(held, DiskAnswer::PartFlushed(*transfer, Ok(())))
            }
            (Self::JournalOfNothing, DiskJob::RecordPart { transfer, first, values, last }) => {
                let values = vec![[0; 32]; values.len()];
                let job = DiskJob::RecordPart { transfer: *transfer, first: *first, values, last: *last };
                drive.perform(job, held)
            }
            (Self::LateFlip, DiskJob::Publish(_)) => {
                inode.into_iter().for_each(|inode| drive.platter.flip(inode, 0));
                drive.perform(job, held)
            }
            (Self::BelievesHashes, DiskJob::HashPart(..)) => {
                let Some(DiskAnswer::PartHashed(id, block, Ok(_))) = drive.perform(job, held) else { return None };
                Some(DiskAnswer::PartHashed(id, block, Ok(sent(drive, id, block)?)))
            }
            (Self::PublishesFirst, DiskJob::HashPart(id, _)) => {
                let (id, part) = (*id, held.map_or(0, |held| held.part));
                let named = drive
                    .parts
                    .get(&part)
                    .and_then(|open| open.made.as_ref())
                    .is_none_or(|made| made.published.is_some());
                if !named {
                    let _ = drive.publish(id, part);
                }
                drive.perform(job, held)
            }
            (Self::NoRemoval, DiskJob::RemovePart(id)) => drive.perform(DiskJob::ForgetStream(*id, 0), held),
            (Self::KeepsNothing, DiskJob::KeepPart(id)) if inode.is_some_and(|inode| is_hidden(drive, inode)) => {
                drive.perform(DiskJob::RemovePart(*id), held)
            }
            (Self::LostAnswer, DiskJob::SyncPart(_)) => drive.perform(job, held).and(None),
            _ => drive.perform(job, held),
        }
    }

    /// What the user is told in place of an event: how often, in truth once.
    pub(crate) fn tells(self, event: &Event) -> usize {
        match (self, event) {
            (Self::Forgetful, Event::Message { seq, .. }) if seq % 10 == 3 => 0,
            (Self::ShownTwice, Event::Message { seq, .. }) if seq % 10 == 3 => 2,
            _ => 1,
        }
    }

    /// Whether it meddles with what is said.
    pub(crate) fn tampers(self) -> bool {
        self > Self::LostByte && self < Self::StrayWrite
    }
}

fn is_hidden(drive: &Drive, inode: u64) -> bool {
    drive.platter.names().any(|(name, other)| other == inode && name.starts_with('.'))
}

/// What the sender's bytes of a block hash to, by whatever the receiver has on its shelf of expectations.
fn sent(drive: &Drive, id: tete::proto::TransferId, block: Block) -> Option<tete::proto::disk::BlockValue> {
    let is = drive.theirs.get(&id)?;
    let mut bytes = vec![0; block.len as usize];
    crate::support::disk::fill(is.key, block.index * tete::proto::digest::BLOCK, &mut bytes);
    Some(value(block, &bytes))
}

/// Meddles with the frames of one direction of a link.
#[derive(Debug)]
pub(crate) struct Tamper {
    mutant: Mutant,
    held: Vec<u8>,
    /// Bytes of a chunk that pass as they are.
    body: usize,
}

impl Tamper {
    pub(crate) fn new(mutant: Mutant) -> Self {
        Self { mutant, held: Vec::new(), body: 0 }
    }

    /// What comes out for what goes in. Whole frames alone.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            let n = self.body.min(self.held.len());
            out.extend(self.held.drain(..n));
            self.body -= n;
            let Some(length) = self.held.first_chunk().map(|length| u32::from_be_bytes(*length) as usize) else {
                break;
            };
            let is_chunk = self.held.get(HEADER - 1) == Some(&Kind::Chunk.code());
            let whole = HEADER + if is_chunk { CHUNK_HEADER } else { length };
            if self.body > 0 || self.held.len() < whole {
                break;
            }
            let mut frame: Vec<u8> = self.held.drain(..whole).collect();
            self.body = HEADER + length - whole;
            let times = self.edit(&mut frame);
            (0..times).for_each(|_| out.extend_from_slice(&frame));
        }
        out
    }

    /// Changes a frame; how often it is said, in truth once.
    fn edit(&self, frame: &mut Vec<u8>) -> usize {
        let Some(kind) = Kind::from_code(frame[HEADER - 1]) else { return 1 };
        let payload = &mut frame[HEADER..];
        match (self.mutant, kind) {
            (Mutant::LostAck, Kind::TextAck)
            | (Mutant::LostProgress, Kind::Progress)
            | (Mutant::LostCommitted, Kind::Committed)
            | (Mutant::LostRefusal, Kind::Refuse)
            | (Mutant::LostGoodbye, Kind::Bye)
            | (Mutant::LostDigests, Kind::Digests) => return 0,
            (Mutant::TextAgain, Kind::Text) => return 2,
            (Mutant::WrongOffset, Kind::Chunk) => payload[15] ^= 1,
            (Mutant::WrongAccept, Kind::Accept) => payload[13] ^= 1,
            (Mutant::WrongDigest, Kind::Digests) => payload[20] ^= 1,
            (Mutant::WrongRoot, Kind::End) => payload[20] ^= 1,
            (Mutant::BackForgetsText, Kind::Back) => payload[7] = payload[7].wrapping_add(1),
            (Mutant::BackCountsTwice, Kind::Back) => payload[15] = payload[15].wrapping_add(1),
            (Mutant::StaleResume, Kind::Resume) => payload[11] = payload[11].wrapping_sub(1),
            (Mutant::StaleMove, Kind::Move) => payload[11] = payload[11].wrapping_sub(1),
            // As if the last block counted for all that comes after it.
            (Mutant::EarlyCommitted, Kind::Progress) if payload[8..16] == payload[16..24] => {
                frame[..HEADER].copy_from_slice(&[0, 0, 0, 8, Kind::Committed.code()]);
                frame.truncate(HEADER + 8);
            }
            _ => {}
        }
        1
    }
}
