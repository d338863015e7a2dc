//! The calls that Linux alone has.
//!
//! Owns: `getrandom`, `openat2`, `renameat2`, `sendfile`, `splice`, `fallocate`, `preadv2`, advice about files, options of
//! sockets that are only here, the priority of one thread, and what `/proc` says about us.
//! Must not know: what they are used for.
//!
//! An old kernel, a file system in user space or a sandbox may refuse each of them; the portable call then says what
//! is really wrong, if anything is.

use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::Level;
use rustix::fs::{
    Advice, FallocateFlags, Mode, OFlags, RenameFlags, ResolveFlags, fadvise, fallocate, fstatfs, openat2,
    renameat_with, sendfile,
};
use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};
use rustix::net::{SendFlags, send};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use rustix::process::{Signal, getpriority_process, setpriority_process};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::thread::{gettid, set_current_timer_slack};
use socket2::Socket;

use super::portable;

/// File systems that live in memory, by the `f_type` of statfs(2): tmpfs and ramfs. Room there is made page by page,
/// a second for 4 GiB, and nothing is gained: there are no seeks to spare.
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
/// How often setting room aside is begun before it is done without. Every interruption starts it from the front.
const ALLOCATE_TRIES: u32 = 16;
/// By how many levels a thread steps back. One is worth a factor of 1.25 (sched(7)), so that ten leave a thread that
/// hashes about a tenth of a core that the loop wants too, and all of a core that nobody wants.
const STEP_BACK: i32 = 10;
/// The congestion control that does not pace and that every Linux has and lets everybody use (tcp(7)).
const UNPACED: &str = "reno";
/// Whether it was told that it is used.
static TOLD_UNPACED: AtomicBool = AtomicBool::new(false);

pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        // Asked for more than 256 bytes, the kernel may give less.
        match retry_on_intr(|| getrandom(&mut bytes[filled..], GetRandomFlags::empty())) {
            Ok(n) => filled += n,
            Err(Errno::NOSYS | Errno::PERM) => return portable::random(bytes),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn create_new(folder: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match retry_on_intr(|| openat2(folder, name, flags, Mode::RUSR | Mode::WUSR, resolve)) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => portable::create_new(folder, name),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn rename_new(folder: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => portable::rename_new(folder, from, to),
        other => Ok(other?),
    }
}

/// From `/proc`, because umask(2) cannot be asked without being changed.
pub(super) fn umask() -> Option<u32> {
    u32::from_str_radix(&own_status("Umask:")?, 8).ok()
}

/// From `/proc`, a bit for each signal, the first one for signal 1 (proc(5)): sigaction(2) takes pointers.
pub(super) fn ignores_hang_up() -> bool {
    let ignored = own_status("SigIgn:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    ignored.is_some_and(|mask| mask >> (Signal::HUP.as_raw() - 1) & 1 == 1)
}

/// What `/proc` says about us behind this word.
fn own_status(word: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(word)).map(|value| value.trim().to_owned())
}

/// The file's own position is neither used nor moved.
pub(super) fn send_file(socket: BorrowedFd<'_>, file: &File, mut offset: u64, len: usize) -> io::Result<usize> {
    Ok(sendfile(socket, file, Some(&mut offset), len)?)
}

pub(super) fn send_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL))?)
}

pub(super) fn allocate(file: &File, size: u64) -> io::Result<bool> {
    if is_in_memory(file) {
        return Ok(false);
    }
    for _ in 0..ALLOCATE_TRIES {
        match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

pub(super) fn is_in_memory(file: &File) -> bool {
    // The word's width and sign depend on the machine; the numbers have 32 bits everywhere.
    retry_on_intr(|| fstatfs(file)).is_ok_and(|system| IN_MEMORY.contains(&(system.f_type as u32)))
}

/// A file system that is in memory may not know the flag.
pub(super) fn read_at_once(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    match retry_on_intr(|| preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT)) {
        Err(Errno::OPNOTSUPP) if is_in_memory(file) => super::read_at(file, into, offset),
        read => Ok(read?),
    }
}

pub(super) fn will_read(file: &File) -> io::Result<()> {
    Ok(fadvise(file, 0, None, Advice::Sequential)?)
}

/// From `/proc`: no call tells how long a thread has waited for a core. The first two numbers are nanoseconds on one, and
/// nanoseconds in its queue (the kernel's Documentation/scheduler/sched-stats.rst).
pub(super) fn computed() -> Option<Duration> {
    let mut told = [0; 64];
    let n = File::open("/proc/thread-self/schedstat").and_then(|mut file| file.read(&mut told)).ok()?;
    let mut numbers = std::str::from_utf8(&told[..n]).ok()?.split(' ').map_while(|number| number.parse::<u64>().ok());
    Some(Duration::from_nanos(numbers.next()?.saturating_add(numbers.next()?)))
}

pub(super) fn pipe(bytes: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&into, bytes)?;
    Ok((out, into))
}

/// `offset`: in a file, which a socket and a pipe have none of.
pub(super) fn move_bytes(
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
    offset: Option<u64>,
    len: usize,
) -> io::Result<usize> {
    let mut offset = offset;
    // Before Linux 4.9 a pipe that is full midway would be waited for, by its only reader.
    let flags = SpliceFlags::MOVE | SpliceFlags::MORE | SpliceFlags::NONBLOCK;
    Ok(retry_on_intr(|| splice(from, None, into, offset.as_mut(), len, flags))?)
}

pub(super) fn forget_cached(file: &File) -> io::Result<()> {
    Ok(fadvise(file.as_fd(), 0, None, Advice::DontNeed)?)
}

/// A nanosecond: none at all would be the default again.
pub(super) fn wake_precisely() -> io::Result<()> {
    Ok(set_current_timer_slack(NonZeroU64::new(1))?)
}

/// By the thread's own number: here, and against POSIX, it alone has a priority (setpriority(2)).
pub(super) fn step_back() -> io::Result<()> {
    let thread = Some(gettid());
    let priority = getpriority_process(thread)?;
    // Beyond the lowest there is, the kernel takes the lowest.
    Ok(setpriority_process(thread, priority + STEP_BACK)?)
}

/// The congestion controls that everybody may use, by their names.
pub(super) fn congestions() -> Option<String> {
    let names = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").ok()?;
    Some(names.split_whitespace().collect::<Vec<_>>().join(", "))
}

/// Whether a congestion control spreads what it sends over time, by the rate that it believes the path to have.
/// Between two processes of one machine that costs two thirds of the throughput (measured with bbr: 2.5 GB/s, without
/// 6.4 to 8).
fn paces(congestion_control: &str) -> bool {
    congestion_control.starts_with("bbr")
}

pub(super) fn unpace(socket: &Socket) -> io::Result<()> {
    let name = congestion_control(socket)?;
    if paces(&name) {
        socket.set_tcp_congestion(UNPACED.as_bytes())?;
        // Of every connection the same: it is news once.
        let level = if TOLD_UNPACED.swap(true, Ordering::Relaxed) { Level::Debug } else { Level::Info };
        log::log!(level, "both ends are on this machine: {UNPACED} instead of {name}, which would slow them down");
    }
    Ok(())
}

pub(super) fn set_congestion(socket: &Socket, name: &str) -> io::Result<()> {
    socket.set_tcp_congestion(name.as_bytes())
}

fn congestion_control(socket: &Socket) -> io::Result<String> {
    let padded = socket.tcp_congestion()?;
    Ok(String::from_utf8_lossy(&padded).trim_end_matches('\0').to_owned())
}

pub(super) fn limit_unsent(socket: &Socket, bytes: u32) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    /// The `f_type` of ext2, ext3 and ext4.
    const EXT: u32 = 0xef53;

    #[test]
    fn no_room_is_set_aside_in_memory() {
        let Ok(file) = tempfile::tempfile_in("/dev/shm") else { return };
        if is_in_memory(&file) {
            assert!(!allocate(&file, 1 << 20).unwrap());
            assert_eq!(std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()), 0);
        }
    }

    #[test]
    fn a_file_of_tmpfs_is_in_memory_and_one_of_proc_is_not() {
        assert!(!is_in_memory(&File::open("/proc/self/status").unwrap()));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        if mounts.lines().any(|line| line.starts_with("tmpfs /dev/shm tmpfs ")) {
            assert!(is_in_memory(&File::open("/dev/shm").unwrap()));
        }
    }

    #[test]
    fn room_that_cannot_be_is_an_error_and_a_system_that_cannot_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        if is_in_memory(file.as_file()) {
            return;
        }
        // The size is no size at all: refused as an argument, before anything is looked for.
        assert!(!allocate(file.as_file(), u64::MAX).unwrap());
        let read_only = File::open(file.path()).unwrap();
        assert_eq!(allocate(&read_only, 1).unwrap_err().raw_os_error(), Some(Errno::BADF.raw_os_error()));
        // Elsewhere so large a file may be allowed, and would fill the disk.
        if fstatfs(&file).unwrap().f_type as u32 == EXT {
            let error = allocate(file.as_file(), 1 << 60).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        }
    }

    #[test]
    fn a_file_is_read_ahead_and_a_pipe_is_not() {
        will_read(&tempfile::tempfile().unwrap()).unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(will_read(&File::from(OwnedFd::from(reader))).is_err());
    }

    #[test]
    fn a_thread_steps_back_alone_and_no_further_than_the_last_place() {
        let ours = getpriority_process(Some(gettid())).unwrap();
        let stepped = std::thread::spawn(|| {
            let place = || getpriority_process(Some(gettid())).unwrap();
            step_back().unwrap();
            let once = place();
            (0..4).for_each(|_| step_back().unwrap());
            (once, place())
        });
        assert_eq!(stepped.join().unwrap(), ((ours + STEP_BACK).min(19), 19));
        assert_eq!(getpriority_process(Some(gettid())).unwrap(), ours);
    }

    #[test]
    fn what_paces_is_known_by_its_name() {
        for (name, expected) in [("bbr", true), ("bbr2", true), ("cubic", false), ("reno", false), ("", false)] {
            assert_eq!(paces(name), expected, "{name}");
        }
    }

    #[test]
    fn only_pacing_within_this_machine_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for name in ["bbr", "cubic", "reno"] {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = socket2::SockRef::from(&stream);
            if socket.set_tcp_congestion(name.as_bytes()).is_err() {
                continue; // not built, or not for everybody
            }
            crate::sys::prepare_stream(&stream, false);
            assert_eq!(congestion_control(&socket).unwrap(), name);
            crate::sys::prepare_stream(&stream, true);
            assert_eq!(congestion_control(&socket).unwrap(), if paces(name) { UNPACED } else { name });
        }
    }
}
