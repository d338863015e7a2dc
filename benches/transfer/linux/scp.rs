//! scp over loopback, from an sshd of our own: what people have that is encrypted.
//!
//! Owns: that server's keys and its start, one fetch. Must not know: what it is compared with.
//!
//! ```text
//!   this process: listens --accepts--> sshd -i  (one process for one connection; it has the socket as its input)
//!                 starts scp ------------ ssh --'
//! ```
//!
//! The file is fetched, not sent: the bytes then leave by a socket that this process has made, with the congestion
//! control that all probes have, and scp is not slowed down by one that paces.
//!
//! Nothing of the system's is used but the programs: not its server, its keys, its settings. The server's and the user's
//! key are made for this run and die with its folder. Where scp, ssh-keygen or sshd are missing, or sshd does not want
//! (as root it asks for a user called sshd), [`Scp::new`] or the first fetch say why.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use tete::bench::ends::{accept, listen};

/// The fastest that OpenSSH has where the processor knows AES (`ssh -Q cipher` names them all).
pub(crate) const CIPHER: &str = "aes128-gcm@openssh.com";
/// Where servers are that are not in everybody's `PATH`.
const SERVERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
/// After that a fetch has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name under which the client knows the server's key.
const ALIAS: &str = "probe";

/// What is needed for fetching.
pub(crate) struct Scp {
    folder: TempDir,
    scp: PathBuf,
    sshd: PathBuf,
    listener: TcpListener,
}

/// A process that does not outlive its use.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already, or nobody waits for it any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scp {
    /// Makes the keys and the server's settings.
    pub(crate) fn new() -> io::Result<Self> {
        let (scp, keygen, sshd) = (find("scp")?, find("ssh-keygen")?, find("sshd")?);
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        for name in ["host", "user"] {
            let mut command = Command::new(&keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(name)).stdin(Stdio::null());
            if !command.status()?.success() {
                return Err(io::Error::other("ssh-keygen made no key"));
            }
        }
        let host = fs::read_to_string(at("host.pub"))?;
        fs::write(at("known"), format!("{ALIAS} {host}"))?;
        let here = folder.path().display();
        // Its folder may stand below one that others may write, as /tmp is.
        let settings = format!(
            "HostKey {here}/host\nAuthorizedKeysFile {here}/user.pub\nStrictModes no\nCiphers {CIPHER}\n\
             AuthenticationMethods publickey\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        );
        fs::write(at("settings"), settings)?;
        Ok(Self { folder, scp, sshd, listener: listen()? })
    }

    /// Fetches a file into a folder; how long that took, from scp's start to its end.
    pub(crate) fn fetch(&self, file: &Path, into: &Path) -> io::Result<Duration> {
        let port = self.listener.local_addr()?.port();
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(&self.scp);
        command.args(["-q", "-B", "-F", "none", "-c", CIPHER, "-P", &port.to_string(), "-i"]).arg(at("user"));
        let known = format!("UserKnownHostsFile={}", at("known").display());
        let alias = format!("HostKeyAlias={ALIAS}");
        for option in ["IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=none", &known, &alias] {
            command.args(["-o", option]);
        }
        command.arg(format!("127.0.0.1:{}", file.display())).arg(into);
        let words = fs::File::create(at("client-words"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);

        let began = Instant::now();
        let mut client = Ended(command.spawn()?);
        let Some(end) = client.0.stdout.take() else { return Err(io::Error::other("scp has no output")) };
        // It calls, or it ends without.
        let called = wait(&[self.listener.as_fd(), end.as_fd()], began)?;
        let server = if called == 0 { Some(Ended(self.serve()?)) } else { None };
        wait(&[end.as_fd()], began)?;
        let took = began.elapsed();

        let status = client.0.wait()?;
        drop(server);
        let name = file.file_name().unwrap_or(OsStr::new("."));
        let is_whole =
            fs::metadata(into.join(name)).is_ok_and(|got| fs::metadata(file).is_ok_and(|of| of.len() == got.len()));
        if status.success() && is_whole { Ok(took) } else { Err(self.explain()) }
    }

    fn serve(&self) -> io::Result<Child> {
        let stream = accept(&self.listener)?;
        let words = fs::File::create(self.folder.path().join("server-words"))?;
        let mut command = Command::new(&self.sshd);
        command.arg("-i").arg("-e").arg("-f").arg(self.folder.path().join("settings"));
        let (input, output) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream));
        command.stdin(input).stdout(output).stderr(words).spawn()
    }

    /// What the two said before they failed, in one line.
    fn explain(&self) -> io::Error {
        let said = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let words = ["server-words", "client-words"].map(said).concat();
        io::Error::other(format!("scp failed: {}", words.lines().map(str::trim).collect::<Vec<_>>().join("; ")))
    }
}

/// Waits until one of them is ready, or at its end; which.
fn wait(of: &[std::os::fd::BorrowedFd<'_>], since: Instant) -> io::Result<usize> {
    let mut fds: Vec<PollFd<'_>> = of.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let left = PATIENCE.saturating_sub(since.elapsed());
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&left)))?;
    let ready = fds.iter().position(|fd| !fd.revents().is_empty());
    ready.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "scp takes too long"))
}

/// Where a program is.
fn find(name: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SERVERS.map(PathBuf::from));
    let missing = || io::Error::other(format!("{name} is not installed"));
    folders.map(|folder| folder.join(name)).find(|path| path.is_absolute() && path.is_file()).ok_or_else(missing)
}
