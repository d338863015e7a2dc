//! Files, by descriptor.
//!
//! Owns: what may be opened for sending, and calls on an open file. Must not know: names, folders, transfers.

use std::ffi::OsString;
use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, fsync, open};
use rustix::io::{Errno, retry_on_intr};

use super::{Calls, native, portable};

/// What tells whether a file is still the one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes in it.
    pub size: u64,
    /// When its bytes were last changed, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// When anything about it was last changed; cannot be set back as the other can.
    pub ctime_ns: i128,
    /// How many names it has.
    pub links: u64,
    /// Its number in the file system.
    pub ino: u64,
    /// The file system.
    pub dev: u64,
}

impl Stamp {
    /// Whether the file still holds what it held at `earlier`. Taking a name away from a file changes when it was last
    /// changed, and not a byte of it: what was deleted can still be read by who has it open.
    pub fn is_same_as(&self, earlier: &Self) -> bool {
        let lost_a_name = self.links < earlier.links;
        let ctime_ns = if lost_a_name { earlier.ctime_ns } else { self.ctime_ns };
        let links = earlier.links; // a name that was added shows in the time
        Self { ctime_ns, links, ..*self } == *earlier
    }
}

/// Opens a file that shall be sent, and never hangs on what is not a file.
///
/// # Errors
/// `InvalidInput` with the reason for whatever is not a regular file, and the system's.
pub fn open_source(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: a socket cannot be, and a device may take the opening for an order.
    refuse_special(std::fs::metadata(path)?.file_type())?;
    // It may have become something else since, and then this must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(retry_on_intr(|| open(path, flags, Mode::empty()))?);
    refuse_special(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_special(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "not a regular file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("is {what}; only files can be sent")))
}

/// The stamp of an open file.
///
/// # Errors
/// The system's.
pub fn stamp(file: &File) -> io::Result<Stamp> {
    let meta = file.metadata()?;
    let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
    Ok(Stamp {
        size: meta.size(),
        mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
        ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
        links: meta.nlink(),
        ino: meta.ino(),
        dev: meta.dev(),
    })
}

/// Reads from `offset`; gives the bytes read, 0 at the end.
///
/// # Errors
/// The system's.
pub fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(into, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads from `offset` what is in memory already, so that no disk is waited for (but for what such a file system has
/// swapped out); gives the bytes read, 0 at the end, and on some kernels (5.9, 5.10) before it.
///
/// # Errors
/// The system's; `WouldBlock` when nothing is there, and something else where the system cannot tell.
pub fn read_at_once(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    native::read_at_once(file, into, offset)
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// The system's; how much was written then is not known.
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Whether a write that failed so leaves what was written before it as it was: no room, a quota, a limit on the size
/// of files, or a device that broke.
pub fn spares_stored(error: &io::Error) -> bool {
    let kinds = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::IO];
    error.raw_os_error().is_some_and(|code| kinds.iter().any(|kind| kind.raw_os_error() == code))
}

/// Waits until the file's bytes and size are on the disk.
///
/// # Errors
/// The system's. After one the bytes may be lost although the next call succeeds: never try again.
pub fn sync_file(file: &File) -> io::Result<()> {
    Ok(retry_on_intr(|| fsync(file))?)
}

/// Waits until the file's bytes are on the disk, and of its size and times what is needed to read them again.
///
/// # Errors
/// The system's. After one the bytes may be lost although the next call succeeds: never try again.
pub fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Sets aside room for the first `size` bytes of a file, so that writing them finds it, in one piece and without
/// looking for it. The length of the file stays.
///
/// `Ok(false)`: nothing was set aside, because the file system cannot, or would not gain by it. Writing is worth a try.
/// What is not written afterwards is given back by [`trim`], also after an error, which may come with half the room.
///
/// # Errors
/// The system's: no room, a quota, larger than a file can be, or a file that is not open for writing.
pub fn allocate(calls: Calls, file: &File, size: u64) -> io::Result<bool> {
    match calls {
        _ if size == 0 => Ok(false),
        Calls::Native => native::allocate(file, size),
        Calls::Portable | Calls::Bare => portable::allocate(file, size),
    }
}

/// Gives back what [`allocate`] set aside beyond the end of the file. Nobody may write to it meanwhile: what another
/// adds between the two steps of this is cut off.
///
/// # Errors
/// The system's.
pub fn trim(file: &File) -> io::Result<()> {
    file.set_len(file.metadata()?.len())
}

/// Leaves only the first `len` bytes of a file; a shorter one stays as it is.
///
/// # Errors
/// The system's.
pub fn cut(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() > len { file.set_len(len) } else { Ok(()) }
}

/// Tells the system that the file will be read from front to back, so that it reads further ahead. A refusal is logged
/// and changes nothing.
pub fn will_read(file: &File) {
    if let Err(error) = native::will_read(file) {
        log::debug!("reading ahead could not be asked for: {error}");
    }
}

/// Sets who may read and write the file.
///
/// # Errors
/// The system's; a file system without modes refuses.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(retry_on_intr(|| fchmod(file, Mode::from_raw_mode(mode)))?)
}

/// A descriptor to give up when there are no more, so that a caller can still be turned away.
///
/// # Errors
/// The system's.
pub fn reserve_descriptor() -> io::Result<OwnedFd> {
    Ok(OpenOptions::new().read(true).open("/dev/null")?.into())
}

/// A path from the bytes in which it was typed, which need not be UTF-8.
pub fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType as Kind, mknodat};
    use std::os::unix::net::UnixListener;

    fn refusal(path: &Path) -> String {
        let error = open_source(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        crate::sys::words(&error)
    }

    #[test]
    fn what_is_not_a_regular_file_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, socket) = (dir.path().join("pipe"), dir.path().join("socket"));
        mknodat(CWD, &pipe, Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(refusal(dir.path()), "is a directory; only files can be sent");
        assert_eq!(refusal(&pipe), "is a named pipe; only files can be sent");
        assert_eq!(refusal(&socket), "is a socket; only files can be sent");
        assert_eq!(refusal(Path::new("/dev/null")), "is a device; only files can be sent");
    }

    #[test]
    fn a_stamp_differs_once_the_file_has_grown() {
        let file = tempfile::tempfile().unwrap();
        let before = stamp(&file).unwrap();
        assert!(stamp(&file).unwrap().is_same_as(&before));
        write_all_at(&file, b"more", 0).unwrap();
        let after = stamp(&file).unwrap();
        assert_eq!((before.size, after.size), (0, 4));
        assert_eq!(before.ino, after.ino);
        assert!(!after.is_same_as(&before));
    }

    #[test]
    fn a_file_that_lost_its_name_is_the_same_unless_its_bytes_changed() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let file = named.as_file().try_clone().unwrap();
        let before = stamp(&file).unwrap();
        drop(named);
        let after = stamp(&file).unwrap();
        assert_eq!((before.links, after.links), (1, 0));
        assert!(after.is_same_as(&before));
        for other in
            [Stamp { mtime_ns: 0, ..after }, Stamp { size: 9, ..after }, Stamp { ctime_ns: 0, links: 1, ..after }]
        {
            assert!(!other.is_same_as(&before), "{other:?}");
        }
    }

    #[test]
    fn faults_65_to_68_only_a_want_of_room_or_a_broken_device_spares_what_is_stored() {
        for (errno, spares) in [(Errno::NOSPC, true), (Errno::DQUOT, true), (Errno::FBIG, true), (Errno::BADF, false)] {
            assert_eq!(spares_stored(&errno.into()), spares, "{errno}");
        }
        assert!(!spares_stored(&io::Error::other("of our own")));
    }

    #[test]
    fn offsets_beyond_four_gibibytes_are_exact() {
        let file = tempfile::tempfile().unwrap();
        let edge = 4 << 30;
        write_all_at(&file, b"ab", edge - 1).unwrap();
        let mut back = [0; 3];
        assert_eq!(read_at(&file, &mut back, edge).unwrap(), 1);
        assert_eq!(back[0], b'b');
        assert_eq!(stamp(&file).unwrap().size, edge + 1);
        sync_file(&file).unwrap();
        sync_data(&file).unwrap();
    }

    #[test]
    fn bytes_of_what_is_no_file_cannot_be_synced() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(reader));
        assert!(sync_data(&pipe).is_err());
        assert!(sync_file(&pipe).is_err());
    }

    #[test]
    fn room_is_set_aside_without_a_byte_of_length_and_given_back() {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, b"begun", 0).unwrap();
        let room = 8 << 20;
        let held = || file.metadata().unwrap().blocks() * 512;
        let before = held();
        if allocate(Calls::Native, &file, room).unwrap() {
            assert!(held() >= room, "{} bytes are held", held());
        } else {
            assert_eq!(held(), before);
        }
        assert_eq!(file.metadata().unwrap().len(), 5);
        trim(&file).unwrap();
        assert!(held() < room);
        let mut back = [0; 8];
        assert_eq!(read_at(&file, &mut back, 0).unwrap(), 5);
        assert_eq!(&back[..5], b"begun");
    }

    #[test]
    fn no_room_is_set_aside_for_nothing_nor_by_the_portable_calls() {
        let file = tempfile::tempfile().unwrap();
        assert!(!allocate(Calls::Native, &file, 0).unwrap());
        for calls in [Calls::Portable, Calls::Bare] {
            assert!(!allocate(calls, &file, 1 << 20).unwrap(), "{calls:?}");
        }
        assert_eq!(file.metadata().unwrap().blocks(), 0);
    }

    #[test]
    fn reading_ahead_may_be_asked_for_of_anything() {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, b"read", 0).unwrap();
        will_read(&file);
        let mut back = [0; 4];
        assert_eq!(read_at(&file, &mut back, 0).unwrap(), 4);
        will_read(&File::from(OwnedFd::from(std::io::pipe().unwrap().0)));
    }
}
