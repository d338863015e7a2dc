//! What outlives a conversation: the files of both sides, and what was promised of them.
//!
//! Owns: the promises that hold over crashes. Must not know: how a folder keeps them.

use std::collections::{BTreeMap, BTreeSet};

use tete::proto::digest::BLOCK;

use crate::drive::Drive;
use crate::part::{PREFIX, is_final};
use crate::platter::Inode;
use crate::promise::{Kept, Promise, check};
use crate::support::disk::whole;

/// What a journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recorded {
    key: u64,
    size: u64,
    blocks: u64,
}

/// Of one side, as a receiver; and of its peer as the sender.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// Every state in which a file was offered, by its name.
    offered: BTreeMap<String, BTreeSet<(u64, u64)>>,
    /// Names of which the user was told that they are there.
    confirmed: BTreeMap<String, Inode>,
    /// Names that may stand for anything: power was lost, and the user did not want to wait for the disk.
    unsure: BTreeSet<String>,
    /// Files that were looked at already: nobody writes to them any more.
    checked: BTreeSet<Inode>,
    recorded: BTreeMap<String, Recorded>,
    /// Every file of which something was ever written down, with its size.
    tried: BTreeSet<(String, u64)>,
    /// Names of which something may be left.
    pub(crate) may_leave: BTreeSet<String>,
}

impl Archive {
    pub(crate) fn offered(&mut self, name: String, key: u64, size: u64) {
        self.offered.entry(name).or_default().insert((key, size));
    }

    /// The user was told that a file is there.
    pub(crate) fn confirm(&mut self, saved: &str, drive: &Drive) -> Kept {
        let inode = drive.platter.inode(saved);
        check(inode.is_some(), Promise::Names, || format!("{saved:?} was received and is not there"))?;
        self.confirmed.extend(inode.map(|inode| (saved.to_owned(), inode)));
        Ok(())
    }

    /// These blocks of a file, and all before them, are written down.
    pub(crate) fn recorded(&mut self, name: String, key: u64, size: u64, blocks: u64) {
        self.recorded.insert(name, Recorded { key, size, blocks });
    }

    /// Something of a file is to be written down.
    pub(crate) fn tried(&mut self, name: String, size: u64) {
        self.tried.insert((name, size));
    }

    /// A file goes on from what an earlier try has left.
    pub(crate) fn may_resume(&self, name: &str, size: u64) -> Kept {
        let tried = self.tried.contains(&(name.to_owned(), size));
        check(tried, Promise::Resume, || format!("{name:?} goes on, and there was no earlier try"))
    }

    /// Nothing is promised of an unfinished file any more.
    pub(crate) fn forget(&mut self, name: &str) {
        self.recorded.remove(name);
    }

    /// Bytes of a file that need not come again, now that it begins. Said once.
    pub(crate) fn expected(&mut self, name: &str, key: u64, size: u64, drive: &Drive) -> u64 {
        let recorded = self.recorded.remove(name).filter(|recorded| (recorded.key, recorded.size) == (key, size));
        // Who was killed as it got its name has left the whole file, and nobody who knows of it.
        let is_it = |saved: &str| saved.strip_prefix(PREFIX).and_then(|saved| saved.split(" (").next()) == Some(name);
        let is_named = |saved: &str| is_final(saved) && is_it(saved) && !self.confirmed.contains_key(saved);
        let recorded = recorded.filter(|_| !drive.platter.names().any(|(saved, _)| is_named(saved)));
        recorded.map_or(0, |recorded| (recorded.blocks * BLOCK).min(size))
    }

    /// The power was lost: what was not synced is lost as well.
    pub(crate) fn power_lost(&mut self, drive: &Drive) {
        self.recorded.clear();
        self.checked.clear();
        // What was removed may be there again.
        self.may_leave.extend(self.offered.keys().cloned());
        if !drive.synced {
            self.unsure.extend(drive.platter.names().map(|(name, _)| name.to_owned()));
            self.confirmed.clear();
        }
    }

    /// What must hold of the folder at every moment.
    pub(crate) fn check(&mut self, drive: &Drive) -> Kept {
        for (saved, inode) in &self.confirmed {
            let is = drive.platter.inode(saved);
            check(is == Some(*inode), Promise::Names, || format!("{saved:?} is not what it was"))?;
        }
        for (saved, inode) in drive.platter.names().filter(|(name, _)| is_final(name) && !self.unsure.contains(*name)) {
            let name = saved.strip_prefix(PREFIX).and_then(|name| name.split(" (").next()).unwrap_or_default();
            if !self.checked.insert(inode) {
                continue;
            }
            let bytes = drive.platter.bytes(inode);
            let states = self.offered.get(name);
            let is = |(key, size): &(u64, u64)| *size == bytes.len() as u64 && whole(*key, *size) == bytes;
            let is_whole = states.is_some_and(|states| states.iter().any(is));
            check(is_whole, Promise::Names, || format!("{saved:?} is not whole"))?;
        }
        Ok(())
    }

    /// What must hold of the folder when everything is over.
    pub(crate) fn at_rest(&mut self, drive: &Drive) -> Kept {
        self.check(drive)?;
        if drive.met.contains_key("a part cannot be removed") || drive.met.contains_key("a journal cannot be removed") {
            return Ok(());
        }
        let left = |hidden: &str| {
            let name = hidden.get(".tete-0123456789abcdef.".len()..).unwrap_or_default();
            let name = name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")).unwrap_or_default();
            !self.may_leave.contains(name)
        };
        let hidden = drive.platter.names().map(|(name, _)| name).find(|name| !is_final(name) && left(name));
        check(hidden.is_none(), Promise::Leftovers, || format!("{hidden:?} is left"))
    }
}
