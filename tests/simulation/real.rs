//! The same jobs for the pretended folder and for a real one: both give the same answers and leave the same names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tete::net::part::{Part, Place};
use tete::net::work::{DiskWork, Scratch};
use tete::proto::TransferId;
use tete::proto::digest::{BLOCK, block_count};
use tete::proto::disk::{Block, DiskAnswer, DiskJob};
use tete::proto::name::SafeName;
use tete::sys::{self, Calls};

use crate::drive::{Drive, value};
use crate::part::PREFIX;
use crate::random::Random;
use crate::support::disk::whole;

/// Both folders, and the file that is under way in them.
struct Both {
    pretended: Drive,
    folder: tempfile::TempDir,
    scratch: Scratch,
    parts: BTreeMap<TransferId, Arc<Part>>,
    sync: bool,
}

/// What an answer says, without the words of an error.
fn told(answer: Option<DiskAnswer>) -> String {
    match answer {
        Some(DiskAnswer::PartCreated(_, result) | DiskAnswer::PartFlushed(_, result)) => {
            format!("{:?}", result.is_ok())
        }
        Some(DiskAnswer::PartSynced(_, result) | DiskAnswer::FolderSynced(_, result)) => {
            format!("{:?}", result.is_ok())
        }
        Some(DiskAnswer::PartHashed(_, _, result)) => format!("{:?}", result.ok()),
        Some(DiskAnswer::Published(_, result)) => format!("{:?}", result.ok()),
        other => format!("{other:?}"),
    }
}

impl Both {
    fn real(&self, job: &DiskJob) -> DiskWork {
        let id = job.transfer();
        let part = Arc::clone(&self.parts[&id]);
        match job {
            DiskJob::CreatePart { size, .. } => DiskWork::CreatePart(id, *size, part),
            DiskJob::HashPart(_, block) => DiskWork::HashPart(id, *block, part),
            DiskJob::RecordPart { first, values, last, .. } => {
                DiskWork::RecordPart(id, *first, values.clone(), *last, part)
            }
            DiskJob::RestartPart(_) => DiskWork::RestartPart(id, part),
            DiskJob::SyncPart(_) => DiskWork::SyncPart(id, part),
            DiskJob::Publish(_) => DiskWork::Publish(id, part),
            DiskJob::SyncFolder(_) => DiskWork::SyncFolder(id, part),
            DiskJob::KeepPart(_) => DiskWork::KeepPart(part),
            DiskJob::RemovePart(_) => DiskWork::RemovePart(part),
            other => panic!("{other:?} is not compared"),
        }
    }

    /// Both do it; asserts that both say the same and have the same names then.
    fn perform(&mut self, job: DiskJob) {
        if let DiskJob::CreatePart { transfer, name, .. } = &job {
            let (folder, prefix) = (self.folder.path().to_owned(), PREFIX.to_owned());
            let place = Place { folder, prefix, calls: Calls::Native, sync: self.sync, peer: Some([7; 32]) };
            self.parts.insert(*transfer, Arc::new(Part::new(place, name.clone())));
        }
        let (words, id) = (format!("{job:?}"), job.transfer());
        let real = told(self.real(&job).run(&mut self.scratch));
        let lets_go = matches!(job, DiskJob::KeepPart(_) | DiskJob::RemovePart(_));
        let held = self.pretended.submit(&job);
        assert_eq!(told(self.pretended.perform(job, held)), real, "{words}");
        if lets_go {
            self.parts.remove(&id);
        }
        let platter = &self.pretended.platter;
        let length = |inode| platter.bytes(inode).len() as u64;
        let mut pretended: Vec<_> = platter.names().map(|(name, inode)| (shown(name), length(inode))).collect();
        pretended.sort();
        assert_eq!(pretended, listed(self.folder.path()), "after {words}");
    }

    fn write(&mut self, id: TransferId, offset: u64, bytes: &[u8]) {
        sys::write_all_at(self.parts[&id].file().unwrap(), bytes, offset).unwrap();
        tete::net::pump::Disk::write(&mut self.pretended, id, offset, bytes).unwrap();
    }

    /// Both programs are killed.
    fn kill(&mut self) {
        self.parts.clear();
        self.pretended.let_go();
    }
}

/// A name without what is random in it.
fn shown(name: &str) -> String {
    name.strip_prefix(".tete-").map_or_else(|| name.to_owned(), |hidden| hidden[16..].to_owned())
}

fn listed(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<_> =
        entries.map(|entry| (shown(entry.file_name().to_str().unwrap()), entry.metadata().unwrap().len())).collect();
    names.sort();
    names
}

/// One file from its offer to some end of it, with these bytes written down as they come.
fn tries(both: &mut Both, random: &mut Random, id: TransferId) {
    let (key, size) = (1, random.pick(&[9, BLOCK, 2 * BLOCK + 5, 3 * BLOCK]));
    let name = SafeName::check(b"a.bin").unwrap();
    both.perform(DiskJob::CreatePart { transfer: id, name, size: Some(size) });
    let bytes = whole(key, size);
    let stop = random.below(block_count(size) + 1);
    for index in 0..stop {
        let (from, to) = (index * BLOCK, ((index + 1) * BLOCK).min(size));
        let body = &bytes[from as usize..to as usize];
        both.write(id, from, body);
        let block = Block { index, len: body.len() as u32 };
        both.perform(DiskJob::HashPart(id, block));
        if random.chance(800) {
            let values = vec![value(block, body).chaining];
            both.perform(DiskJob::RecordPart { transfer: id, first: index, values, last: random.chance(300) });
        }
        if random.chance(50) {
            both.perform(DiskJob::RestartPart(id));
        }
    }
    match random.below(4) {
        0 => both.kill(),
        1 => both.perform(DiskJob::RemovePart(id)),
        2 if stop == block_count(size) => {
            let jobs = [DiskJob::SyncPart(id), DiskJob::Publish(id), DiskJob::SyncFolder(id)];
            let ends = random.below(jobs.len() as u64 + 1) as usize;
            jobs.into_iter().take(ends).for_each(|job| both.perform(job));
            if ends < 3 {
                both.perform(DiskJob::KeepPart(id));
            } else {
                both.kill();
            }
        }
        _ => both.perform(DiskJob::KeepPart(id)),
    }
}

#[test]
fn the_pretended_folder_does_what_a_real_one_does() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut pretended = Drive::new(Random::new(seed + 1), None);
        let sync = seed % 2 == 0;
        pretended.synced = sync;
        let folder = tempfile::tempdir().unwrap();
        let (scratch, parts) = (Scratch::default(), BTreeMap::new());
        let mut both = Both { pretended, folder, scratch, parts, sync };
        for id in 1..8 {
            tries(&mut both, &mut random, TransferId(id));
        }
    }
}
