//! A file that is arriving, on a [`Platter`](crate::platter::Platter): what [`net::part`](tete::net::part) does to a
//! real folder, call by call.
//!
//! Owns: the part, its journal, its final name, and what an earlier run has left. Must not know: when each is asked for.

use std::collections::BTreeSet;
use std::io;

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::disk::{Block, BlockValue, DiskError};
use tete::proto::journal::{HEADER, Journal};
use tete::proto::name::SafeName;

use crate::drive::{Drive, for_good, value};
use crate::planted::Mutant;
use crate::platter::Inode;
use crate::support::disk::Fault;

/// Before the names of what was received.
pub(crate) const PREFIX: &str = "fetched_";
const PART: &str = ".part";
const JOURNAL: &str = ".journal";
/// Who sends, in every journal.
const PEER: Option<[u8; 32]> = Some([7; 32]);

/// An open part.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) name: SafeName,
    pub(crate) made: Option<Made>,
    /// Jobs that have it.
    pub(crate) jobs: usize,
    /// It gets no name any more.
    pub(crate) let_go: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) inode: Inode,
    stem: String,
    size: Option<u64>,
    /// `None`: there was nothing to write down; `None` inside: it could not be.
    journal: Option<Option<(Inode, Journal)>>,
    pub(crate) published: Option<String>,
    spoilt: bool,
    pub(crate) gone: bool,
}

impl Open {
    pub(crate) fn new(name: SafeName) -> Self {
        Self { name, made: None, jobs: 0, let_go: false }
    }
}

/// What an earlier run has left of a file.
struct Found {
    stem: String,
    inode: Inode,
    journal: (Inode, Journal),
    values: Vec<[u8; 32]>,
}

/// Whether a name is none of those that only we know.
pub(crate) fn is_final(name: &str) -> bool {
    !name.starts_with('.')
}

impl Drive {
    fn made(&self, part: u64) -> Result<Made, DiskError> {
        let made = self.parts.get(&part).and_then(|open| open.made.clone());
        made.ok_or_else(|| for_good("it was never created"))
    }

    fn name(&self, part: u64) -> String {
        self.parts.get(&part).map(|open| open.name.as_str().to_owned()).unwrap_or_default()
    }

    fn set(&mut self, part: u64, made: Made) {
        self.parts.get_mut(&part).into_iter().for_each(|open| open.made = Some(made.clone()));
    }

    pub(crate) fn write_part(&mut self, part: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let made = self.made(part).map_err(|error| io::Error::other(error.words))?;
        self.platter.write(made.inode, offset as usize, bytes)
    }

    pub(crate) fn create(
        &mut self,
        id: TransferId,
        part: u64,
        size: Option<u64>,
    ) -> Result<Option<Vec<[u8; 32]>>, DiskError> {
        self.need(id, "the folder cannot be opened", None)?;
        let name = self.name(part);
        let mut replaced = None;
        match self.call(id, "the folder cannot be listed", None) {
            Err(_) => drop(self.forgetful.insert(name.clone())),
            Ok(()) => match self.search(&name, size) {
                Ok(Some(found)) => {
                    self.need(id, "no room is found", None)?;
                    let Found { stem, inode, journal, values } = found;
                    let size = Some(journal.1.size);
                    self.set(
                        part,
                        Made {
                            inode,
                            stem,
                            size,
                            journal: Some(Some(journal)),
                            published: None,
                            spoilt: false,
                            gone: false,
                        },
                    );
                    return Ok(Some(values));
                }
                Ok(None) => {}
                Err(()) => replaced = Some(Vec::new()),
            },
        }
        self.need(id, "no room is found", None)?;
        let stem = format!(".tete-{:016x}.{name}", self.random.next());
        self.need(id, "a part cannot be created", Some(Fault::Create))?;
        let wrong = |error: io::Error| for_good(&error.to_string());
        let inode = self.platter.create_new(&format!("{stem}{PART}")).map_err(wrong)?;
        if let Err(error) = self.need(id, "no room is set aside", None) {
            let _ = self.platter.unlink(&format!("{stem}{PART}"));
            return Err(error);
        }
        self.set(part, Made { inode, stem, size, journal: None, published: None, spoilt: false, gone: false });
        Ok(replaced)
    }

    /// What there is to go on from; an error: what there was is of another size, and was removed.
    fn search(&mut self, name: &str, size: Option<u64>) -> Result<Option<Found>, ()> {
        let suffix = format!(".{name}");
        let of = |hidden: &str| {
            let stem = hidden.strip_suffix(PART).or_else(|| hidden.strip_suffix(JOURNAL))?;
            let any = self.mutant == Some(Mutant::AnyJournal);
            let shown = stem.strip_prefix(".tete-")?.get(16..)?;
            (shown == suffix || any).then(|| stem.to_owned())
        };
        let stems: BTreeSet<String> = self.platter.names().filter_map(|(hidden, _)| of(hidden)).collect();
        let (mut best, mut stale) = (None::<Found>, Vec::new());
        for stem in stems {
            let Some(inode) = self.platter.inode(&format!("{stem}{PART}")) else {
                let _ = self.platter.unlink(&format!("{stem}{JOURNAL}"));
                continue;
            };
            let is = |open: &Open| open.made.as_ref().is_some_and(|made| made.inode == inode);
            if self.parts.values().any(is) {
                continue;
            }
            let found = match self.platter.inode(&format!("{stem}{JOURNAL}")) {
                None => None,
                Some(journal) => match self.believe(journal) {
                    None => continue,
                    Some((about, _)) if self.mutant != Some(Mutant::AnyJournal) && about.name != name => continue,
                    Some((about, _)) if self.mutant != Some(Mutant::AnyJournal) && size != Some(about.size) => {
                        stale.push(stem);
                        continue;
                    }
                    Some((about, values)) => self.usable(stem.clone(), inode, (journal, about), values),
                },
            };
            match found {
                Some(found) if best.as_ref().is_none_or(|best| best.values.len() < found.values.len()) => {
                    best = Some(found);
                }
                Some(_) => {}
                None => self.discard(&stem),
            }
        }
        match (best, &stale[..]) {
            (Some(found), _) => Ok(Some(found)),
            (None, [stem]) => {
                self.discard(&stem.clone());
                Err(())
            }
            (None, _) => Ok(None),
        }
    }

    fn believe(&self, journal: Inode) -> Option<(Journal, Vec<[u8; 32]>)> {
        let bytes = self.platter.bytes(journal);
        let about = Journal::decode(bytes).filter(|about| bytes.len() as u64 <= about.longest())?;
        let values = about.values(&bytes[HEADER..]);
        Some((about, values))
    }

    fn usable(
        &mut self,
        stem: String,
        inode: Inode,
        journal: (Inode, Journal),
        mut values: Vec<[u8; 32]>,
    ) -> Option<Found> {
        let length = self.platter.bytes(inode).len() as u64;
        let whole = if length >= journal.1.size { u64::MAX } else { length / BLOCK };
        values.truncate(usize::try_from(whole).unwrap_or(usize::MAX));
        let blocks = values.len() as u64;
        if blocks == 0 {
            return None;
        }
        let (end, _) = journal.1.entries(blocks, &[]);
        self.platter.cut(inode, journal.1.reach(blocks) as usize).ok()?;
        self.platter.cut(journal.0, end as usize).ok()?;
        Some(Found { stem, inode, journal, values })
    }

    fn discard(&mut self, stem: &str) {
        let journal = format!("{stem}{JOURNAL}");
        if self.platter.inode(&journal).is_none() || self.platter.unlink(&journal).is_ok() {
            let _ = self.platter.unlink(&format!("{stem}{PART}"));
        }
    }

    pub(crate) fn hash_part(&mut self, id: TransferId, part: u64, block: Block) -> Result<BlockValue, DiskError> {
        self.need(id, "a part cannot be read back", Some(Fault::HashPart))?;
        let made = self.made(part)?;
        let (from, to) = (block.index * BLOCK, block.index * BLOCK + u64::from(block.len));
        if let Some(Fault::Flip(at)) = self.planned.get(&id).copied()
            && (from..to).contains(&at)
        {
            self.meet("a bit flips in a part");
            self.planned.insert(id, Fault::Flip(u64::MAX));
            self.platter.flip(made.inode, at as usize);
        }
        let bytes = self.platter.bytes(made.inode).get(from as usize..to as usize);
        Ok(value(block, bytes.ok_or_else(|| for_good("changed while it was read"))?))
    }

    pub(crate) fn flush(&mut self, id: TransferId, part: u64) -> Result<(), DiskError> {
        self.sync_by(id, part, "bytes cannot be brought to the disk early", Fault::Flush)
    }

    pub(crate) fn sync(&mut self, id: TransferId, part: u64) -> Result<(), DiskError> {
        self.sync_by(id, part, "bytes cannot be brought to the disk", Fault::Sync)
    }

    fn sync_by(&mut self, id: TransferId, part: u64, what: &'static str, fault: Fault) -> Result<(), DiskError> {
        let made = self.made(part)?;
        let failed = self.need(id, what, Some(fault));
        let synced = self.platter.sync(made.inode, failed.is_err());
        if failed.is_err() || made.spoilt {
            self.set(part, Made { spoilt: true, ..made });
            self.forgetful.insert(self.name(part));
            self.restart(id, part);
        }
        failed?;
        synced.map_err(|error| for_good(&error.to_string()))?;
        match self.made(part)?.spoilt {
            true => Err(for_good("it was not brought to the disk")),
            false => Ok(()),
        }
    }

    pub(crate) fn record(
        &mut self,
        id: TransferId,
        part: u64,
        first: u64,
        values: &[[u8; 32]],
        last: bool,
    ) -> Result<(), DiskError> {
        if self.synced && self.mutant != Some(Mutant::NoFlush) {
            self.flush(id, part)?;
        }
        let made = self.made(part)?;
        if made.published.is_some() || made.gone {
            return Ok(());
        }
        let reach = ((first + values.len() as u64) * BLOCK).min(made.size.unwrap_or(u64::MAX));
        if self.synced && !self.platter.is_durable(made.inode, reach as usize) {
            self.broken.push(format!("the journal of {id} speaks of blocks that are not on the disk"));
        }
        let written = match made.journal.clone() {
            Some(journal) => journal.ok_or_else(|| io::Error::other("there is none")),
            None => {
                let journal = self.new_journal(id, &made);
                let kept = journal.as_ref().ok().cloned();
                self.set(part, Made { journal: Some(kept), ..made });
                journal
            }
        };
        let written = written.and_then(|(inode, about)| {
            self.call(id, "a journal cannot be written", None)?;
            let (at, bytes) = about.entries(first, values);
            self.platter.write(inode, at as usize, &bytes)?;
            if last { self.platter.sync(inode, false) } else { Ok(()) }
        });
        if written.is_err() {
            self.forgetful.insert(self.name(part));
        }
        Ok(())
    }

    fn new_journal(&mut self, id: TransferId, made: &Made) -> io::Result<(Inode, Journal)> {
        self.call(id, "a journal cannot be created", None)?;
        let size = made.size.ok_or(io::ErrorKind::InvalidInput)?;
        let mut random = [0; 16];
        random[..8].copy_from_slice(&self.random.next().to_be_bytes());
        let (_, name) = made.stem.split_at(".tete-0123456789abcdef.".len());
        let about = Journal { id: random, peer: PEER, size, since: 0, name: name.to_owned() };
        let header = about.encode().ok_or(io::ErrorKind::InvalidInput)?;
        let hidden = format!("{}{JOURNAL}", made.stem);
        let inode = self.platter.create_new(&hidden)?;
        let written = self.call(id, "a journal cannot be written", None);
        if let Err(error) = written.and_then(|()| self.platter.write(inode, 0, &header)) {
            let _ = self.platter.unlink(&hidden);
            return Err(error);
        }
        Ok((inode, about))
    }

    pub(crate) fn restart(&mut self, id: TransferId, part: u64) {
        if let Ok(Made { journal: Some(Some((inode, about))), .. }) = self.made(part) {
            let (end, _) = about.entries(0, &[]);
            let cut =
                self.call(id, "a journal cannot be cut", None).and_then(|()| self.platter.cut(inode, end as usize));
            if cut.is_err() {
                self.forgetful.insert(self.name(part));
            }
        }
    }

    pub(crate) fn publish(&mut self, id: TransferId, part: u64) -> Result<String, DiskError> {
        let made = self.made(part)?;
        let open = self.parts.get(&part).filter(|open| !open.let_go);
        let name = open.map(|open| open.name.clone()).ok_or_else(|| for_good("it was given up"))?;
        let unnamed = |error| DiskError { resumable: true, ..error };
        self.need(id, "the folder cannot be listed for a name", None).map_err(unnamed)?;
        if self.platter.sync_failed(made.inode) && self.synced {
            self.broken.push(format!("{id} was published after its sync failed"));
        }
        if made.published.is_some() {
            self.broken.push(format!("{id} was published twice"));
        }
        let mut number = 1;
        let hidden = format!("{}{PART}", made.stem);
        loop {
            let saved = name.saved_name(PREFIX, number);
            number += 1;
            let over = self.mutant == Some(Mutant::OverExisting);
            if self.platter.inode(&saved).is_some() && !over {
                continue;
            }
            self.need(id, "a name cannot be given", Some(Fault::Publish)).map_err(unnamed)?;
            let renamed =
                if over { self.platter.replace(&hidden, &saved) } else { self.platter.rename_new(&hidden, &saved) };
            renamed.map_err(|error| unnamed(for_good(&error.to_string())))?;
            let made = Made { published: Some(saved.clone()), ..made };
            self.set(part, made.clone());
            if !self.synced {
                self.remove_journal(id, &made);
            }
            return Ok(saved);
        }
    }

    fn remove_journal(&mut self, id: TransferId, made: &Made) {
        if let Some(Some(_)) = made.journal
            && self.call(id, "a journal cannot be removed", None).is_ok()
        {
            let _ = self.platter.unlink(&format!("{}{JOURNAL}", made.stem));
        }
    }

    pub(crate) fn sync_folder(&mut self, id: TransferId, part: u64) -> Result<(), DiskError> {
        let made = self.made(part)?;
        if made.published.is_none() {
            self.broken.push(format!("the folder was synced before {id} had its name"));
        }
        self.need(id, "a folder cannot be brought to the disk", Some(Fault::Folder))?;
        self.platter.sync_folder().map_err(|error| for_good(&error.to_string()))?;
        self.remove_journal(id, &made);
        Ok(())
    }

    pub(crate) fn keep(&mut self, id: TransferId, part: u64) {
        let Ok(made) = self.made(part) else { return };
        if made.published.is_some() {
            return self.remove_journal(id, &made);
        }
        if made.spoilt {
            return self.remove(id, part);
        }
        if self.platter.bytes(made.inode).len() < BLOCK as usize {
            self.remove(id, part);
        }
    }

    pub(crate) fn remove(&mut self, id: TransferId, part: u64) {
        let Ok(made) = self.made(part) else { return };
        self.set(part, Made { gone: true, ..made.clone() });
        self.remove_journal(id, &made);
        for name in [Some(format!("{}{PART}", made.stem)), made.published].into_iter().flatten() {
            if self.platter.inode(&name) == Some(made.inode) && self.call(id, "a part cannot be removed", None).is_ok()
            {
                let _ = self.platter.unlink(&name);
            }
        }
    }
}
