//! The encrypted probe: the least that can carry a file from one process to another over TLS 1.3. The same library,
//! cipher and kind of key as tete has, blocking calls, no frames. What tete is measured against when it encrypts.
//!
//! Owns: both ends of the probe. Must not know: who starts them, what the figures are compared with.
//!
//! ```text
//!   sender: read 256 KiB, encrypt, write   -->  receiver: recv 256 KiB, decrypt, write into a fresh file
//!           hashing follows                               hashing follows
//!           until the root is in           <-- 32 bytes -- the root, when all is written and hashed
//! ```
//!
//! The handshake is over before the measured part begins. What was decrypted of one recv is gathered and written by one
//! call: that costs a copy, and was measured to be faster by some hundredths than a write for each record of 16 KiB.
//!
//! **Threat model.** None: either end takes the other for what it says. Only bytes of a benchmark pass here.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::DerefMut;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig,
    ServerConnection, SideData, SignatureScheme, Stream,
};

use tete::secure::key::SecretKey;
use tete::sys::write_all_at;

use super::ends::{Opened, accept, connect, create, listen, open};
use super::figures::{Clock, Figures};
use super::helpers::{Hashing, Of};
use super::process::{Role, tell_ready};

/// Bytes of one read, of a file or of a socket.
const PIECE: usize = 256 << 10;

/// The receiving end.
#[derive(Args, Debug)]
pub(crate) struct Receive {
    #[arg(long)]
    into: PathBuf,
    #[arg(long)]
    size: u64,
    #[arg(long)]
    hash: bool,
}

/// The sending end.
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    file: PathBuf,
    #[arg(long)]
    hash: bool,
}

/// The two roles for a file that goes into a folder.
pub(crate) fn roles(file: &PathBuf, size: u64, into: &PathBuf, hash: bool) -> (Role, Role) {
    let receive = Role::new("tls-receive").option("into", into).option("size", size.to_string());
    (receive.switch("hash", hash), Role::new("tls-send").option("file", file).switch("hash", hash))
}

/// The program's provider with the one cipher that it prefers.
fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![cipher_suite::TLS13_AES_256_GCM_SHA384];
    Arc::new(CryptoProvider { cipher_suites, ..default_provider() })
}

/// Takes any raw public key whose owner has signed.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The end that receives: it is called, and has a key of its own.
fn receiving() -> io::Result<ServerConnection> {
    let provider = provider();
    let key = SecretKey::generate().map_err(io::Error::other)?;
    let signer = provider.key_provider.load_private_key(key.pkcs8().clone_key().into()).map_err(io::Error::other)?;
    let certified = CertifiedKey::new(vec![key.public().spki().to_vec().into()], signer);
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let config = config.map_err(io::Error::other)?.with_no_client_auth();
    let config = config.with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(certified))));
    ServerConnection::new(Arc::new(config)).map_err(io::Error::other)
}

/// The end that sends.
fn sending() -> io::Result<ClientConnection> {
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13]);
    let config = config.map_err(io::Error::other)?.dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(AnyKey(provider))).with_no_client_auth();
    let name = ServerName::try_from("probe").map_err(io::Error::other)?;
    ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}

/// The handshake.
fn agree<S: SideData>(tls: &mut impl DerefMut<Target = ConnectionCommon<S>>, stream: &mut TcpStream) -> io::Result<()> {
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(())
}

/// Receives one file.
pub(crate) fn receive(args: &Receive) -> io::Result<()> {
    let listener = listen()?;
    let mut ready = Figures::default();
    ready.add("port", listener.local_addr()?.port().into());
    let (part, helpers) = create(&args.into, args.size)?;
    let file = part.file().ok_or_else(|| io::Error::other("the part is not open"))?;
    tell_ready(ready)?;

    let mut stream = accept(&listener)?;
    let mut tls = receiving()?;
    agree(&mut tls, &mut stream)?;
    let clock = Clock::start()?;
    let mut hashing = Hashing::new(helpers, Of::Part(Arc::clone(&part)), args.size);
    let mut hashing = args.hash.then_some(&mut hashing);
    let (mut buffer, mut plain) = (vec![0; PIECE], Vec::with_capacity(2 * PIECE));
    let mut stored = 0;
    while stored < args.size {
        let n = stream.read(&mut buffer)?;
        let mut came = &buffer[..n];
        if came.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        plain.clear();
        while !came.is_empty() {
            tls.read_tls(&mut came)?;
            let there = tls.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
            tls.reader().take(there as u64).read_to_end(&mut plain)?;
        }
        write_all_at(file, &plain, stored)?;
        stored += plain.len() as u64;
        if let Some(hashing) = &mut hashing {
            hashing.follow(stored)?;
        }
    }
    let root = hashing.map_or(Ok([0; 32]), Hashing::finish)?;
    Stream::new(&mut tls, &mut stream).write_all(&root)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    figures.print()
}

/// Sends one file.
pub(crate) fn send(args: &Send) -> io::Result<()> {
    let Opened { source, size, helpers } = open(&args.file)?;
    let file = source.file().ok_or_else(|| io::Error::other("the source is not open"))?;
    let mut stream = connect(args.port)?;
    let mut tls = sending()?;
    // A piece is encrypted as a whole before it is written: as many records in one call as the system takes.
    tls.set_buffer_limit(None);
    agree(&mut tls, &mut stream)?;

    let clock = Clock::start()?;
    let mut hashing = Hashing::new(helpers, Of::Source(Arc::clone(&source)), size);
    let mut hashing = args.hash.then_some(&mut hashing);
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let n = file.read_at(&mut buffer, at)?.min((size - at) as usize);
        if n == 0 {
            return Err(io::Error::other("the file became shorter while it was sent"));
        }
        tls.writer().write_all(&buffer[..n])?;
        while tls.wants_write() {
            tls.write_tls(&mut stream)?;
        }
        at += n as u64;
        if let Some(hashing) = &mut hashing {
            hashing.follow(at)?;
        }
    }
    let ours = hashing.map_or(Ok([0; 32]), Hashing::finish)?;
    let mut theirs = [0; 32];
    Stream::new(&mut tls, &mut stream).read_exact(&mut theirs)?;
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    if ours != theirs {
        return Err(io::Error::other("other bytes arrived than were sent"));
    }
    figures.print()
}
