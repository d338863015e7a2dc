//! With a program that is not ours: OpenSSL, from 3.2 on, speaks raw public keys. Without one these tests say so and pass.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;
use tete::secure::key::{PublicKey, SecretKey};
use tete::secure::tls::{Channel, Tls, TlsError};

/// A step that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(20);

/// Whether `openssl` is there, and new enough; says so if not.
fn is_there() -> bool {
    let version = Command::new("openssl").arg("version").output();
    let version = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    let mut numbers = version.split([' ', '.']).skip(1).map_while(|part| part.parse::<u32>().ok());
    let enough = version.starts_with("OpenSSL ") && (numbers.next(), numbers.next()) >= (Some(3), Some(2));
    if !enough {
        println!("skipped: OpenSSL of at least 3.2 is not there ({:?})", version.trim());
    }
    enough
}

/// A folder with a key of somebody's, and a certificate of it, which `s_server` wants to have.
fn keyed() -> (TempDir, PublicKey) {
    let folder = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    fs::write(folder.path().join("key.pem"), key.to_pem()).unwrap();
    let args = ["req", "-x509", "-key", "key.pem", "-subj", "/CN=x", "-days", "2", "-out", "cert.pem"];
    let out = Command::new("openssl").args(args).current_dir(folder.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (folder, key.public())
}

/// A running `openssl`; it ends with this.
struct Openssl(Child);

impl Openssl {
    fn start(folder: &Path, args: &str) -> Self {
        let mut command = Command::new("openssl");
        command.args(args.split_whitespace()).args(["-cert", "cert.pem", "-key", "key.pem"]).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is there to be read.
fn readable(what: &impl AsFd) {
    let mut polled = [PollFd::new(what, PollFlags::IN)];
    let stuck = Timespec { tv_sec: STUCK.as_secs().try_into().unwrap(), tv_nsec: 0 };
    assert_eq!(poll(&mut polled, Some(&stuck)), Ok(1), "something in time");
}

/// Talks until `enough`, or until the other side or the channel ends it.
fn talk(
    channel: &mut Channel,
    stream: &mut TcpStream,
    enough: impl Fn(&Channel, &[u8]) -> bool,
) -> Result<Vec<u8>, TlsError> {
    stream.set_read_timeout(Some(STUCK)).unwrap();
    let (mut buffer, mut heard) = (vec![0; 4096], Vec::new());
    loop {
        while channel.wants_transmit() {
            channel.transmit(stream).unwrap();
        }
        if enough(channel, &heard) {
            return Ok(heard);
        }
        let n = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            read => read.expect("an answer in time"),
        };
        assert!(n > 0 || channel.has_ended(), "the connection was cut after {heard:?}");
        let mut rest = &buffer[..n];
        while !rest.is_empty() && !channel.has_ended() {
            match channel.receive(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(error) => {
                    // The alert.
                    let _ = channel.transmit(stream);
                    return Err(error);
                }
            }
            heard.extend_from_slice(channel.plaintext());
            let all = channel.plaintext().len();
            channel.consume(all);
        }
        if channel.has_ended() {
            return Ok(heard);
        }
    }
}

fn shaken(channel: &Channel, _: &[u8]) -> bool {
    !channel.is_handshaking()
}

/// `openssl s_client` calls us with these settings.
fn called_by(args: &str) -> (Result<Vec<u8>, TlsError>, Channel, TcpStream, Openssl, PublicKey, PublicKey) {
    let (folder, theirs) = keyed();
    let ours = Tls::new(&SecretKey::generate().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let openssl = Openssl::start(folder.path(), &format!("s_client -connect {address} -quiet -nocommands {args}"));
    readable(&listener);
    let (mut stream, _) = listener.accept().unwrap();
    let mut channel = ours.answer().unwrap();
    let end = talk(&mut channel, &mut stream, shaken);
    (end, channel, stream, openssl, ours.public(), theirs)
}

/// We call `openssl s_server` with these settings.
fn calling(args: &str, pin: bool) -> (Result<Vec<u8>, TlsError>, Channel, TcpStream, Openssl, PublicKey) {
    let (folder, theirs) = keyed();
    let ours = Tls::new(&SecretKey::generate().unwrap()).unwrap();
    let mut openssl = Openssl::start(folder.path(), &format!("s_server -accept 127.0.0.1:0 -naccept 1 -rev {args}"));
    let out = BufReader::new(openssl.0.stdout.take().unwrap());
    let address = out.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
    let mut stream = TcpStream::connect(address.expect("where it listens")).unwrap();
    let mut channel = ours.call(pin.then_some(theirs)).unwrap();
    let end = talk(&mut channel, &mut stream, shaken);
    (end, channel, stream, openssl, theirs)
}

const RAW: &str = "-enable_server_rpk -enable_client_rpk -tls1_3 -alpn tete/1";

#[test]
fn openssl_calls_and_is_understood() {
    if !is_there() {
        return;
    }
    let (end, mut channel, mut stream, mut openssl, _, theirs) = called_by(RAW);
    end.unwrap();
    assert_eq!(channel.peer(), Some(theirs));
    println!("OpenSSL calls: {}", channel.agreed().unwrap());
    openssl.0.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(talk(&mut channel, &mut stream, |_, heard| heard.len() >= 6).unwrap(), b"hello\n");
    channel.send(b"good day\n").unwrap();
    talk(&mut channel, &mut stream, |_, _| true).unwrap();
    let out = openssl.0.stdout.as_mut().unwrap();
    let mut said = Vec::new();
    while said.len() < 9 {
        readable(&*out);
        let mut buffer = [0; 9];
        let n = out.read(&mut buffer).unwrap();
        assert!(n > 0, "it ended after {said:?}");
        said.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(said, b"good day\n");
}

#[test]
fn openssl_answers_and_is_understood() {
    if !is_there() {
        return;
    }
    for pin in [false, true] {
        let (end, mut channel, mut stream, _openssl, theirs) = calling(&format!("{RAW} -Verify 1"), pin);
        end.unwrap();
        assert_eq!(channel.peer(), Some(theirs));
        println!("OpenSSL answers: {}", channel.agreed().unwrap());
        channel.send(b"olleh\n").unwrap();
        assert_eq!(talk(&mut channel, &mut stream, |_, heard| heard.len() >= 6).unwrap(), b"hello\n");
    }
}

#[test]
fn openssl_without_what_tete_wants_is_refused() {
    if !is_there() {
        return;
    }
    for args in [
        "-tls1_2 -alpn tete/1",
        "-tls1_3 -alpn tete/1",
        "-tls1_3 -alpn tete/1 -enable_server_rpk",
        "-tls1_3 -alpn h2 -enable_server_rpk -enable_client_rpk",
        "-tls1_3 -enable_server_rpk -enable_client_rpk",
    ] {
        let (end, channel, ..) = called_by(args);
        assert!(end.is_err() && channel.peer().is_none(), "called with {args}: {end:?}");
        let (end, channel, ..) = calling(&format!("{args} -Verify 1"), false);
        assert!(end.is_err() && channel.peer().is_none(), "calling {args}: {end:?}");
    }
}
