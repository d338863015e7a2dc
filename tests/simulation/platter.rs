//! A folder on a disk that keeps what was synced, and perhaps more.
//!
//! Owns: what stands in the page cache, what stands on the platter, and what of the difference outlives a loss of power.
//! Must not know: what the files are, who writes them.
//!
//! ```text
//!              create, write, cut, rename, unlink          sync, sync_folder
//!   program ------------------------------------> cache --------------------> platter
//!      |                                            |
//!      killed: the cache stays                      power lost: each dirty page, each length and each change of a name
//!                                                   is there, or not, or (a page) in part; in no order
//! ```
//!
//! A sync that has failed once never makes anything durable again, and says that it does: that is what systems do. One
//! that lies without having failed is not modelled.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::random::Random;

/// Bytes that are written back together.
const PAGE: usize = 4096;
/// Bytes of which a disk promises that they are written whole.
const SECTOR: usize = 512;

/// A file, whatever its names are.
pub(crate) type Inode = u64;

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// Its length on the platter.
    synced: usize,
    /// What the platter has of pages that were changed since, as far as it had them.
    old: BTreeMap<usize, Vec<u8>>,
    sync_failed: bool,
}

/// A change of the folder that is not on the platter yet.
#[derive(Clone, Debug)]
enum Change {
    Added(String, Inode),
    Removed(String),
    Renamed(String, String, Inode),
}

/// What becomes of what is not on the platter.
#[derive(Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    /// Up to somewhere.
    Begun,
    /// Each for itself.
    Mixed,
}

/// The folder and its files.
#[derive(Debug, Default)]
pub(crate) struct Platter {
    files: BTreeMap<Inode, File>,
    next: Inode,
    names: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    changes: Vec<Change>,
    /// So many more calls are made before the program is no more.
    pub(crate) fuse: Option<u64>,
    /// It is no more: nothing that it does has an effect.
    pub(crate) dead: bool,
}

fn gone() -> io::Error {
    io::Error::other("the program is no more")
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(2)
}

impl Platter {
    /// Every call that changes something passes here.
    fn call(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.fuse {
            self.dead |= *left == 0;
            *left = left.saturating_sub(1);
        }
        if self.dead { Err(gone()) } else { Ok(()) }
    }

    fn file(&mut self, inode: Inode) -> io::Result<&mut File> {
        self.files.get_mut(&inode).ok_or_else(missing)
    }

    /// A new file, whose name must be free.
    pub(crate) fn create_new(&mut self, name: &str) -> io::Result<Inode> {
        self.call()?;
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.next += 1;
        let inode = self.next;
        self.files.insert(inode, File::default());
        self.names.insert(name.to_owned(), inode);
        self.changes.push(Change::Added(name.to_owned(), inode));
        Ok(inode)
    }

    /// Bytes at an offset. One that the program does not survive may be done in part.
    pub(crate) fn write(&mut self, inode: Inode, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let (alive, was_dead) = (self.fuse != Some(0), self.dead);
        let called = self.call();
        let n = if alive { bytes.len() } else { bytes.len() / 2 };
        if n > 0 && !was_dead {
            self.file(inode)?.change(offset, offset + n, |into| into.copy_from_slice(&bytes[..n]));
        }
        called
    }

    /// Leaves only the first bytes of a file.
    pub(crate) fn cut(&mut self, inode: Inode, len: usize) -> io::Result<()> {
        self.call()?;
        let file = self.file(inode)?;
        if len < file.bytes.len() {
            // What is behind may come back, and stands for nothing.
            file.bytes.truncate(len);
            file.old.retain(|page, _| *page * PAGE < len.div_ceil(PAGE) * PAGE);
        }
        Ok(())
    }

    /// Waits until a file is on the platter. `fails`: the device breaks over it.
    pub(crate) fn sync(&mut self, inode: Inode, fails: bool) -> io::Result<()> {
        self.call()?;
        let file = self.file(inode)?;
        file.sync_failed |= fails;
        if fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        if !file.sync_failed {
            (file.synced, file.old) = (file.bytes.len(), BTreeMap::new());
        }
        Ok(())
    }

    /// Another name for a file, which must be free.
    pub(crate) fn rename_new(&mut self, from: &str, to: &str) -> io::Result<()> {
        if self.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(from, to)
    }

    /// Another name for a file, whatever had it: what must not happen.
    pub(crate) fn replace(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.call()?;
        let inode = self.names.remove(from).ok_or_else(missing)?;
        self.names.insert(to.to_owned(), inode);
        self.changes.push(Change::Renamed(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    pub(crate) fn unlink(&mut self, name: &str) -> io::Result<()> {
        self.call()?;
        self.names.remove(name).ok_or_else(missing)?;
        self.changes.push(Change::Removed(name.to_owned()));
        Ok(())
    }

    /// Waits until the names are on the platter.
    pub(crate) fn sync_folder(&mut self) -> io::Result<()> {
        self.call()?;
        self.durable = self.names.clone();
        self.changes.clear();
        Ok(())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, Inode)> {
        self.names.iter().map(|(name, inode)| (name.as_str(), *inode))
    }

    pub(crate) fn inode(&self, name: &str) -> Option<Inode> {
        self.names.get(name).copied()
    }

    /// All bytes of a file; none of one that is not there.
    pub(crate) fn bytes(&self, inode: Inode) -> &[u8] {
        self.files.get(&inode).map_or(&[], |file| &file.bytes)
    }

    /// Changes a byte behind everybody's back.
    pub(crate) fn flip(&mut self, inode: Inode, at: usize) {
        if let Some(file) = self.files.get_mut(&inode).filter(|file| at < file.bytes.len()) {
            file.change(at, at + 1, |byte| byte[0] ^= 1);
        }
    }

    /// Whether the first bytes of a file would outlive a loss of power.
    pub(crate) fn is_durable(&self, inode: Inode, len: usize) -> bool {
        let kept =
            |file: &File| file.synced >= len && file.old.first_key_value().is_none_or(|(page, _)| page * PAGE >= len);
        self.files.get(&inode).is_some_and(kept)
    }

    /// Whether a sync of it has failed.
    pub(crate) fn sync_failed(&self, inode: Inode) -> bool {
        self.files.get(&inode).is_some_and(|file| file.sync_failed)
    }

    /// The program begins anew.
    pub(crate) fn revive(&mut self) {
        (self.dead, self.fuse) = (false, None);
    }

    /// The power is lost.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.changes);
        let keeps = keeping(random, changes.len());
        for change in changes.into_iter().zip(keeps).filter_map(|(change, kept)| kept.then_some(change)) {
            match change {
                Change::Added(name, inode) => drop(self.durable.insert(name, inode)),
                Change::Removed(name) => drop(self.durable.remove(&name)),
                Change::Renamed(from, to, inode) => {
                    self.durable.remove(&from);
                    self.durable.insert(to, inode);
                }
            }
        }
        self.names = self.durable.clone();
        let named: BTreeSet<Inode> = self.names.values().copied().collect();
        self.files.retain(|inode, _| named.contains(inode));
        self.files.values_mut().for_each(|file| file.lose_power(random));
    }
}

/// Which of so many things that are not on the platter outlive a loss of power.
fn keeping(random: &mut Random, of: usize) -> Vec<bool> {
    let fate = random.pick(&[Fate::Lost, Fate::Kept, Fate::Begun, Fate::Mixed]);
    let begun = random.below(of as u64 + 1) as usize;
    let kept = |at: usize| match fate {
        Fate::Lost => false,
        Fate::Kept => true,
        Fate::Begun => at < begun,
        Fate::Mixed => random.chance(500),
    };
    (0..of).map(kept).collect()
}

impl File {
    fn change(&mut self, from: usize, to: usize, change: impl FnOnce(&mut [u8])) {
        for page in from / PAGE..to.div_ceil(PAGE).min(self.synced.div_ceil(PAGE)) {
            let end = ((page + 1) * PAGE).min(self.synced).min(self.bytes.len());
            let old = self.bytes.get(page * PAGE..end).unwrap_or_default();
            self.old.entry(page).or_insert_with(|| old.to_vec());
        }
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        change(&mut self.bytes[from..to]);
    }

    fn lose_power(&mut self, random: &mut Random) {
        let (short, long) = (self.synced.min(self.bytes.len()), self.synced.max(self.bytes.len()));
        let between = random.between(short as u64, long as u64) as usize;
        let len = random.pick(&[self.synced, self.bytes.len(), between]);
        let beyond = self.synced / PAGE..self.bytes.len().div_ceil(PAGE);
        let dirty: BTreeSet<usize> = self.old.keys().copied().chain(beyond).collect();
        let keeps = keeping(random, dirty.len());
        for (page, kept) in dirty.into_iter().zip(keeps) {
            let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(self.bytes.len()));
            if kept || from >= to {
                continue;
            }
            // Some of its sectors may be written nevertheless.
            let from_sector =
                if random.chance(300) { random.below((PAGE / SECTOR) as u64) as usize * SECTOR } else { 0 };
            let untouched = self.synced.clamp(from, to) - from;
            let old = self.old.get(&page).cloned().unwrap_or_else(|| self.bytes[from..from + untouched].to_vec());
            for at in from_sector.min(to - from)..to - from {
                self.bytes[from + at] = old.get(at).copied().unwrap_or(0);
            }
        }
        self.bytes.resize(len, 0);
        (self.synced, self.old, self.sync_failed) = (len, BTreeMap::new(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (Platter, Inode) {
        let mut platter = Platter::default();
        let inode = platter.create_new("a").unwrap();
        platter.write(inode, 0, bytes).unwrap();
        (platter, inode)
    }

    #[test]
    fn what_was_synced_outlives_every_loss_of_power() {
        for seed in 0..200 {
            let (mut platter, inode) = written(&[7; 3 * PAGE]);
            platter.sync(inode, false).unwrap();
            platter.sync_folder().unwrap();
            platter.write(inode, 3 * PAGE, &[9; PAGE]).unwrap();
            platter.lose_power(&mut Random::new(seed));
            assert_eq!(platter.bytes(platter.inode("a").unwrap())[..3 * PAGE], [7; 3 * PAGE]);
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_or_kept_or_torn() {
        let mut seen = BTreeSet::new();
        for seed in 0..300 {
            let (mut platter, inode) = written(&[7; 2 * PAGE]);
            platter.sync(inode, false).unwrap();
            platter.sync_folder().unwrap();
            platter.write(inode, PAGE, &[9; PAGE]).unwrap();
            platter.lose_power(&mut Random::new(seed));
            let new = platter.bytes(inode)[PAGE..].iter().filter(|byte| **byte == 9).count();
            assert_eq!((platter.bytes(inode)[..PAGE].to_vec(), new % SECTOR), (vec![7; PAGE], 0));
            seen.insert(match new {
                0 => "lost",
                PAGE => "kept",
                _ => "torn",
            });
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
    }

    #[test]
    fn a_new_name_is_there_or_not_until_the_folder_is_synced() {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let (mut platter, _) = written(b"x");
            platter.sync_folder().unwrap();
            platter.rename_new("a", "b").unwrap();
            platter.lose_power(&mut Random::new(seed));
            seen.insert(platter.names().map(|(name, _)| name.to_owned()).collect::<String>());
        }
        assert_eq!(seen, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_sync_that_failed_once_makes_nothing_durable_and_says_that_it_does() {
        let (mut platter, inode) = written(&[7; 10]);
        assert!(platter.sync(inode, true).is_err());
        platter.sync(inode, false).unwrap();
        assert!(platter.sync_failed(inode) && !platter.is_durable(inode, 10));
    }

    #[test]
    fn behind_the_fuse_nothing_has_an_effect() {
        let (mut platter, inode) = written(&[7; 10]);
        platter.fuse = Some(1);
        platter.write(inode, 0, b"abc").unwrap();
        assert!(platter.write(inode, 3, b"defg").is_err() && platter.dead);
        assert_eq!(&platter.bytes(inode)[..6], b"abcde\x07");
        assert!(platter.unlink("a").is_err() && platter.inode("a").is_some());
        platter.revive();
        platter.unlink("a").unwrap();
    }
}
