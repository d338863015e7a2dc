//! The system calls that the program makes in a conversation, and the errors that each may meet.
//!
//! Left out is what only the language's own runtime does and where it has no answer but to end: memory, signals,
//! futexes. `EAGAIN` is left out where readiness is edge-triggered: told once that there is nothing, one has to wait
//! for the next edge, and a kernel that says so though there is something does not exist. So does none that has
//! `getrandom` at first and later not.

/// A call by the name that strace has for it, and its errors, the likeliest first.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) errors: &'static [&'static str],
}

const fn call(name: &'static str, errors: &'static [&'static str]) -> Call {
    Call { name, errors }
}

/// All of them. Some are names of one thing on different machines.
pub(crate) const CALLS: &[Call] = &[
    // Of the loop and its links.
    call("epoll_create1", &["EMFILE", "ENOMEM"]),
    call("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    call("epoll_wait", &["EINTR", "EINVAL"]),
    call("epoll_pwait", &["EINTR", "EINVAL"]),
    call("eventfd2", &["EMFILE", "ENOMEM"]),
    call("pipe2", &["EMFILE"]),
    call("socketpair", &["EMFILE"]),
    call("socket", &["EMFILE", "EAFNOSUPPORT", "ENOBUFS"]),
    call("bind", &["EADDRINUSE", "EACCES"]),
    call("listen", &["EADDRINUSE"]),
    call("accept4", &["EMFILE", "ECONNABORTED", "EINTR", "ENOMEM"]),
    call("connect", &["ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"]),
    call("getsockname", &["ENOBUFS"]),
    call("getpeername", &["ENOTCONN"]),
    call("getsockopt", &["ENOPROTOOPT", "ENOBUFS"]),
    call("setsockopt", &["ENOPROTOOPT", "ENOMEM"]),
    call("shutdown", &["ENOTCONN"]),
    call("recvfrom", &["ECONNRESET", "EINTR", "ETIMEDOUT", "ENOMEM"]),
    call("sendto", &["ECONNRESET", "EINTR", "ENOBUFS"]),
    call("writev", &["ECONNRESET", "EINTR", "EPIPE", "ENOBUFS"]),
    call("sendfile", &["EIO", "EINTR", "ECONNRESET", "EINVAL", "ENOMEM"]),
    // Of files and folders.
    call("read", &["EIO", "EINTR"]),
    call("write", &["EIO", "ENOSPC", "EINTR"]),
    call("pread64", &["EIO", "EINTR"]),
    call("pwrite64", &["ENOSPC", "EIO", "EINTR", "EDQUOT"]),
    call("open", &["EMFILE", "EACCES", "EINTR"]),
    call("openat", &["EMFILE", "EACCES", "EINTR"]),
    call("openat2", &["ENOSPC", "ENOSYS", "EINTR"]),
    call("close", &["EIO"]),
    call("fstat", &["EIO"]),
    call("newfstatat", &["EIO", "EACCES"]),
    call("statx", &["EIO", "EACCES"]),
    call("fstatfs", &["EIO", "EINTR"]),
    call("lseek", &["ESPIPE"]),
    call("fallocate", &["ENOSPC", "EOPNOTSUPP", "EINTR", "EIO"]),
    call("fadvise64", &["EINVAL"]),
    call("fchmod", &["EPERM"]),
    call("ftruncate", &["EIO"]),
    call("fsync", &["EIO", "ENOSPC", "EINTR"]),
    call("fdatasync", &["EIO", "ENOSPC"]),
    call("flock", &["ENOLCK", "EINTR"]),
    call("getdents64", &["EIO"]),
    call("renameat", &["EIO", "ENOSPC"]),
    call("renameat2", &["EIO", "ENOSYS", "ENOSPC", "EEXIST"]),
    call("linkat", &["EPERM", "EIO"]),
    call("unlinkat", &["EIO", "EACCES"]),
    call("mkdir", &["EACCES"]),
    call("getcwd", &["ENOENT"]),
    // Of the process.
    call("getrandom", &["EINTR"]),
    call("ioctl", &["ENOTTY"]),
    call("fcntl", &["EINVAL"]),
    call("clone3", &["EAGAIN"]),
    call("getpriority", &["EPERM"]),
    call("setpriority", &["EACCES"]),
    call("sched_getaffinity", &["EPERM"]),
];

/// Those that a plain conversation makes otherwise than an encrypted one.
pub(crate) const PLAIN: &[&str] = &["recvfrom", "sendto", "writev", "sendfile", "pread64", "pwrite64", "ftruncate"];

/// Those of standard input and output, by their descriptors.
pub(crate) const STREAMS: &[(&str, u8)] = &[("read", 0), ("write", 1)];
