//! Bytes that leave through a socket by way of the kernel.
//!
//! Owns: moving a file's bytes into a connection, and telling whose an error of that is.
//! Must not know: frames, budgets, which bytes are meant.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use socket2::SockRef;

use super::{Calls, native, portable};

/// Lets the kernel move up to `len` bytes of `file`, from `offset` on, into a connection; how many it took, 0 at the
/// end of the file. Fewer than asked for are normal. The file's own position is neither used nor moved.
///
/// One call: an interruption and a full socket are told and not waited for. As of every write to a connection whose
/// reader is gone, SIGPIPE comes of it, unless the process ignores that, as Rust's programs do.
///
/// # Errors
/// `Unsupported` for other calls than the platform's own, and where it has none; `WouldBlock`, `Interrupted`; and the
/// system's, of which [`is_link_error`] says whose they are. If they are not the connection's, reading and writing may
/// do what this cannot, and otherwise tell what is really wrong with the file.
pub fn send_file(calls: Calls, socket: BorrowedFd<'_>, file: &File, offset: u64, len: usize) -> io::Result<usize> {
    match calls {
        Calls::Native => native::send_file(socket, file, offset, len),
        Calls::Portable | Calls::Bare => portable::send_file(socket, file, offset, len),
    }
}

/// Whether an error of [`send_file`] means that this connection is over, and is not the file's or its file system's.
///
/// The number alone does not tell: a file system behind a network has connections of its own, and says `ENOTCONN`,
/// `ETIMEDOUT` or `EHOSTDOWN` of them when they break. A connection that is over has no peer any more.
pub fn is_link_error(socket: BorrowedFd<'_>, error: &io::Error) -> bool {
    let kinds = [
        Errno::PIPE,
        Errno::CONNRESET,
        Errno::CONNABORTED,
        Errno::CONNREFUSED,
        Errno::NOTCONN,
        Errno::TIMEDOUT,
        Errno::HOSTUNREACH,
        Errno::HOSTDOWN,
        Errno::NETUNREACH,
        Errno::NETDOWN,
        Errno::NETRESET,
    ];
    error.raw_os_error().is_some_and(|code| kinds.iter().any(|kind| kind.raw_os_error() == code))
        && SockRef::from(&socket).peer_addr().is_err()
}

/// Sends bytes that others follow at once, such as the header of a frame whose body [`send_file`] sends: where the
/// system can, it holds them back until then, about 0.2 s at most, so that they go out together. How many it took.
///
/// # Errors
/// `WouldBlock`, and the system's, all of the connection.
pub fn send_more(calls: Calls, socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    match calls {
        Calls::Native => native::send_more(socket, bytes),
        Calls::Portable | Calls::Bare => portable::send_more(socket, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};

    /// Two ends whose kernel holds little, so that a file of megabytes does not fit.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        SockRef::from(&near).set_send_buffer_size(64 * 1024).unwrap();
        near.set_nodelay(true).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// A file of `len` bytes of which no two neighbours are alike for long, and its bytes.
    fn file(len: u32) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    /// What `send_file` says after its peer is gone.
    fn error_without_peer(near: &TcpStream, far: TcpStream) -> io::Error {
        let (file, _) = file(1000);
        drop(far);
        // The first bytes may leave before the system hears that nobody is there for them.
        let send = |_| send_file(Calls::Native, near.as_fd(), &file, 0, 1000).err();
        (0..1000).find_map(send).expect("nobody is there to read")
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_arrives_to_the_byte_however_often_the_socket_is_full() {
        use std::io::Seek;
        let (near, mut far) = pair();
        let (mut file, bytes) = file(8 << 20);
        file.seek(io::SeekFrom::Start(77)).unwrap();
        near.set_nonblocking(true).unwrap();
        let send = |offset: usize, len| send_file(Calls::Native, near.as_fd(), &file, offset as u64, len);
        let (begin, mut at) = (4999, 4999);
        let full = loop {
            match send(at, bytes.len() - at) {
                Ok(n) => at += n,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!is_link_error(near.as_fd(), &full));
        assert!(begin < at && at < bytes.len(), "{at} bytes were taken");
        near.set_nonblocking(false).unwrap();
        let reader = std::thread::spawn(move || {
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).unwrap();
            heard
        });
        while at < bytes.len() {
            at += send(at, (bytes.len() - at).min(300_000)).unwrap();
        }
        near.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(reader.join().unwrap() == bytes[begin..], "other bytes arrived");
        assert_eq!(file.stream_position().unwrap(), 77);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn behind_the_end_of_a_file_there_is_nothing_and_before_it_no_more_than_there_is() {
        let (near, _far) = pair();
        let (file, _) = file(1000);
        for (offset, sent) in [(990, 10), (1000, 0), (1 << 40, 0)] {
            assert_eq!(send_file(Calls::Native, near.as_fd(), &file, offset, 500).unwrap(), sent, "{offset}");
        }
    }

    #[test]
    fn the_portable_calls_have_no_such_thing() {
        let (near, mut far) = pair();
        let (file, _) = file(1000);
        for calls in [Calls::Portable, Calls::Bare] {
            let error = send_file(calls, near.as_fd(), &file, 0, 1000).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(!is_link_error(near.as_fd(), &error));
        }
        drop(near);
        assert_eq!(far.read(&mut [0; 10]).unwrap(), 0, "nothing was sent");
    }

    #[test]
    fn a_source_of_which_the_kernel_cannot_send_is_no_error_of_the_link() {
        let (near, _far) = pair();
        let folder = tempfile::tempdir().unwrap();
        let folder = File::open(folder.path()).unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"bytes").unwrap();
        for source in [folder, File::from(OwnedFd::from(reader))] {
            let error = send_file(Calls::Native, near.as_fd(), &source, 0, 5).unwrap_err();
            assert!(!is_link_error(near.as_fd(), &error), "{error}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_peer_that_is_gone_is_an_error_of_the_link() {
        // With everything read it says goodbye and then resets, with something unread it resets at once.
        for unread in [false, true] {
            let (mut near, far) = pair();
            if unread {
                near.write_all(b"unread").unwrap();
                far.peek(&mut [0]).unwrap();
            }
            let error = error_without_peer(&near, far);
            assert!(is_link_error(near.as_fd(), &error), "{error}");
        }
    }

    #[test]
    fn a_broken_connection_of_the_file_system_is_not_ours() {
        let (near, far) = pair();
        let theirs = [Errno::NOTCONN, Errno::TIMEDOUT, Errno::HOSTDOWN, Errno::CONNABORTED].map(io::Error::from);
        assert!(!theirs.iter().any(|error| is_link_error(near.as_fd(), error)));
        error_without_peer(&near, far);
        for error in [Errno::IO, Errno::INVAL, Errno::STALE].map(io::Error::from) {
            assert!(!is_link_error(near.as_fd(), &error), "{error}");
        }
    }

    #[test]
    fn what_more_follows_arrives_in_front_of_it() {
        for calls in [Calls::Native, Calls::Portable, Calls::Bare] {
            let (mut near, mut far) = pair();
            assert_eq!(send_more(calls, near.as_fd(), b"header ").unwrap(), 7);
            near.write_all(b"body").unwrap();
            let mut heard = [0; 11];
            far.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"header body");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_more_follows_waits_for_it() {
        let is_held = || {
            let (near, far) = pair();
            far.set_nonblocking(true).unwrap();
            send_more(Calls::Native, near.as_fd(), b"header").unwrap();
            far.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        // It waits for 0.2 s, for which this thread may have to wait too. Not every time, though.
        assert!((0..20).any(|_| is_held()));
    }

    #[test]
    fn fault_84_a_full_socket_and_a_peer_that_is_gone_are_told_by_sending_more() {
        for calls in [Calls::Native, Calls::Portable, Calls::Bare] {
            let (near, far) = pair();
            near.set_nonblocking(true).unwrap();
            let error = || (0..10_000).find_map(|_| send_more(calls, near.as_fd(), &[0; 10_000]).err()).unwrap();
            assert_eq!(error().kind(), io::ErrorKind::WouldBlock);
            drop(far);
            assert!(matches!(error().kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset));
        }
    }
}
