//! The channel: what one side says, no one between can read or change, and each side knows the other's key.
//!
//! Owns: TLS 1.3 (RFC 8446) with raw public keys both ways (RFC 7250) and ALPN (RFC 7301); the value that no other
//! connection has (RFC 9266, section 4.2). Must not know: sockets, whose keys are good, what the bytes mean.
//!
//! Bytes in, bytes out: ciphertext goes into [`Channel::receive`] and comes out of [`Channel::transmit`], plaintext
//! goes into [`Channel::send`] and comes out of [`Channel::plaintext`].
//!
//! ```
//! use tete::secure::{key::SecretKey, tls::Tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (here, there) = (Tls::new(&SecretKey::generate()?)?, Tls::new(&SecretKey::generate()?)?);
//! let (mut caller, mut called) = (here.call(Some(there.public()))?, there.answer()?);
//! caller.send(b"hello")?; // waits for the end of the handshake
//! while called.plaintext().is_empty() {
//!     for (from, to) in [(0, 1), (1, 0)] {
//!         let mut wire = Vec::new();
//!         let ends = [&mut caller, &mut called];
//!         while ends[from].wants_transmit() {
//!             ends[from].transmit(&mut wire)?;
//!         }
//!         assert_eq!(ends[to].receive(&wire)?, wire.len());
//!     }
//! }
//! assert_eq!(called.plaintext(), b"hello");
//! assert_eq!(called.peer(), Some(here.public()));
//! # Ok(())
//! # }
//! ```
//!
//! **Threat model.** Whoever holds the network reads neither texts nor names nor keys of callers, changes nothing
//! unnoticed, replays nothing, and cannot cut the end off unnoticed ([`Channel::has_ended`]). What is recorded today
//! stays closed when a key is stolen later (fresh keys for each connection) and, as far as is known, to a quantum
//! computer (X25519MLKEM768). They do see who talks to whom, when and how much, and that it is tete (ALPN). Whoever
//! calls us learns our public key, because the called side shows its key first; whoever we call learns ours, unless
//! another key was expected. Who a key belongs to is decided elsewhere: a channel with nobody's idea of the other key is
//! a channel with anybody. `SSLKEYLOGFILE` in our own environment opens everything to whoever reads that file.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::{env, fmt};

use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, Connection, Error, KeyLogFile, ServerConfig, ServerConnection};

use super::key::{KeyError, PublicKey, SecretKey};
pub use super::verifier::TlsError;
use super::verifier::Verifier;

/// What both sides have to speak in the channel (RFC 7301). It stands in the open in the caller's first message.
pub const ALPN: &[u8] = b"tete/1";

/// RFC 9266, section 4.2: the label of the value that binds what is said to this very connection.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Plaintext that waits before no more ciphertext is taken, in bytes: a whole record (RFC 8446, section 5.1). The
/// library's own bound is the same; one record more may wait, since it is known only once it is decrypted.
const WAITING: usize = 16 * 1024;

/// Most that the other side may send before the handshake is through, in bytes. Ours is below 2 KiB a side, with a second
/// hello below 4 KiB; it is also what a stranger can make us hold.
const MAX_HANDSHAKE: usize = 16 * 1024;

/// What is ours to choose (RFC 8446, section 9.1, names what everybody has): the suites with AES-256 first, and the key
/// exchange that a quantum computer would not break before the one that it would.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..default_provider()
    }
}

/// What every channel of a process shares. It is made once.
pub struct Tls {
    public: PublicKey,
    algorithms: WebPkiSupportedAlgorithms,
    /// Without an expected key.
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Everything that a channel of this key needs. With `SSLKEYLOGFILE` in the environment, the secrets of every
    /// channel are appended to that file. The library makes it for its owner alone (0600); one that is there already
    /// stays as open as it is.
    ///
    /// # Errors
    /// [`TlsError::Other`] when the library does not take the key. That is our own doing.
    pub fn new(key: &SecretKey) -> Result<Self, TlsError> {
        let ours = |error: Error| TlsError::Other(format!("no channel can be made: {error}"));
        let provider = Arc::new(provider());
        let algorithms = provider.signature_verification_algorithms;
        let secret = PrivateKeyDer::Pkcs8(key.pkcs8().clone_key());
        let secret = provider.key_provider.load_private_key(secret).map_err(ours)?;
        let public = CertificateDer::from(key.public().spki().to_vec());
        let shown = Arc::new(CertifiedKey::new(vec![public], secret));
        let verifier = || Arc::new(Verifier::new(algorithms, None));
        let versions = [&rustls::version::TLS13];

        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let mut client = client
            .with_protocol_versions(&versions)
            .map_err(ours)?
            .dangerous()
            .with_custom_certificate_verifier(verifier())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&shown))));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();

        let server = ServerConfig::builder_with_provider(provider);
        let mut server = server
            .with_protocol_versions(&versions)
            .map_err(ours)?
            .with_client_cert_verifier(verifier())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown)));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        if env::var_os("SSLKEYLOGFILE").is_some_and(|path| !path.is_empty()) {
            let log = Arc::new(KeyLogFile::new());
            client.key_log = Arc::clone(&log) as _;
            server.key_log = log;
        }
        Ok(Self { public: key.public(), algorithms, client: Arc::new(client), server: Arc::new(server) })
    }

    /// Our own key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// A channel in which we called: the TLS client. With `expected`, another key that answers ends the handshake
    /// before ours is shown; without, any key is taken, and [`Channel::peer`] tells which.
    ///
    /// Its first message waits in [`Channel::transmit`].
    ///
    /// # Errors
    /// [`TlsError::Other`] when the system has no randomness.
    pub fn call(&self, expected: Option<PublicKey>) -> Result<Channel, TlsError> {
        let mut config = Arc::clone(&self.client);
        if expected.is_some() {
            let verifier = Verifier::new(self.algorithms, expected);
            Arc::make_mut(&mut config).dangerous().set_certificate_verifier(Arc::new(verifier));
        }
        Ok(Channel::new(client(config)?))
    }

    /// A channel in which we were called: the TLS server. Any key is taken; [`Channel::peer`] tells which.
    ///
    /// # Errors
    /// [`TlsError::Other`] when the library refuses its own settings.
    pub fn answer(&self) -> Result<Channel, TlsError> {
        Ok(Channel::new(server(Arc::clone(&self.server))?))
    }

    /// The library's own connection under our settings, without what a [`Channel`] sees to: nobody's key is judged, no
    /// handshake is too long. What a benchmark compares the channel with, and nothing else.
    ///
    /// # Errors
    /// As of [`Tls::call`] and [`Tls::answer`].
    pub fn bare(&self, calls: bool) -> Result<Connection, TlsError> {
        if calls { client(Arc::clone(&self.client)) } else { server(Arc::clone(&self.server)) }
    }
}

fn client(config: Arc<ClientConfig>) -> Result<Connection, TlsError> {
    // The name is never sent (`enable_sni`); the library wants one. RFC 6761, section 6.4: nobody has this one.
    let name = ServerName::try_from("tete.invalid").map_err(|why| TlsError::Other(why.to_string()))?;
    let client = ClientConnection::new(config, name).map_err(|error| TlsError::new(&error, true))?;
    Ok(Connection::Client(client))
}

fn server(config: Arc<ServerConfig>) -> Result<Connection, TlsError> {
    let server = ServerConnection::new(config).map_err(|error| TlsError::new(&error, true))?;
    Ok(Connection::Server(server))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.public)
    }
}

/// What is known once the handshake is through.
struct Proved {
    peer: PublicKey,
    binding: [u8; 32],
}

/// One connection's TLS.
///
/// One that waits for its first byte holds about 2 KiB, with the first byte 6 KiB, and no more than 24 KiB before the
/// handshake is through; afterwards, idle, 8 KiB (measured: resident memory of 5,000 called sides).
pub struct Channel {
    /// On the heap: whoever keeps channels beside plain connections should not carry their 1,160 bytes for both.
    tls: Box<Connection>,
    proved: Option<Proved>,
    failed: Option<TlsError>,
    /// What the other side may still send before the handshake is through, in bytes.
    room: usize,
    /// The other side's close_notify has come.
    ended: bool,
}

impl Channel {
    fn new(mut tls: Connection) -> Self {
        // Whoever hands in plaintext decides how much: a bound here would cut large writes into small ones.
        tls.set_buffer_limit(None);
        Self { tls: Box::new(tls), proved: None, failed: None, room: MAX_HANDSHAKE, ended: false }
    }

    /// Takes ciphertext, as much as fits, and tells how many bytes it took. 0 means that [`Channel::plaintext`] has to
    /// be consumed first, or that [`Channel::has_ended`].
    ///
    /// # Errors
    /// [`TlsError`]: there is no channel any more, and every later call says the same. What was decrypted before is
    /// good and can still be consumed; an alert may wait in [`Channel::transmit`].
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, TlsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let taken = self.take(bytes);
        if let Err(error) = &taken {
            self.failed = Some(error.clone());
        }
        taken
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, TlsError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut piece = rest;
            if self.proved.is_none() {
                piece = &rest[..rest.len().min(self.room)];
            }
            if piece.is_empty() {
                // An empty slice would be the end of the connection to the library.
                return Err(TlsError::Other("the other side's handshake is too long".to_owned()));
            }
            let n = match self.tls.read_tls(&mut piece) {
                Ok(0) => break, // the other side has ended; what follows is nothing (RFC 8446, section 6.1)
                Ok(n) => n,
                // The library's word for "consume plaintext first".
                Err(error) if error.kind() == io::ErrorKind::Other => break,
                // More than any record, which the library refuses by the record's head; or a handshake message after the
                // handshake of more than 64 KiB.
                Err(error) => return Err(TlsError::Other(format!("the other side sends too much at once: {error}"))),
            };
            rest = &rest[n..];
            if self.proved.is_none() {
                self.room -= n;
            }
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => return Err(TlsError::new(&error, self.tls.protocol_version().is_none())),
            };
            self.ended = state.peer_has_closed();
            if self.proved.is_none() && !self.tls.is_handshaking() {
                self.proved = Some(self.prove()?);
            }
            if state.plaintext_bytes_to_read() >= WAITING {
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// What has to be true at the end of a handshake. The library lets a peer that names no protocol pass.
    fn prove(&mut self) -> Result<Proved, TlsError> {
        if self.tls.alpn_protocol() != Some(ALPN) {
            self.tls.send_close_notify();
            return Err(TlsError::not_tete());
        }
        let shown = self.tls.peer_certificates().unwrap_or_default();
        let [key] = shown else {
            return Err(TlsError::BadKey(KeyError("not exactly one")));
        };
        let peer = PublicKey::from_spki(key).map_err(TlsError::BadKey)?;
        let binding = self.tls.export_keying_material([0; 32], BINDING_LABEL, Some(&[]));
        let binding = binding.map_err(|error| TlsError::new(&error, false))?;
        Ok(Proved { peer, binding })
    }

    /// The first piece of what was decrypted and not consumed: at most a record (16 KiB). Empty: nothing is there.
    pub fn plaintext(&mut self) -> &[u8] {
        // An error here says that nothing is there now, or that nothing will be.
        self.tls.reader().into_first_chunk().unwrap_or_default()
    }

    /// Drops the first `n` bytes of [`Channel::plaintext`]. More than it has is an error of ours.
    pub fn consume(&mut self, n: usize) {
        self.tls.reader().consume(n);
    }

    /// Encrypts all of `bytes`; they wait in [`Channel::transmit`], and before the end of the handshake as they are.
    /// There is no bound: who calls looks at what already waits. What is handed in before [`Channel::peer`] could be
    /// judged goes to whoever answers, unless a key was expected.
    ///
    /// # Errors
    /// [`TlsError`] when there is no channel any more.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.tls.writer().write_all(bytes).map_err(|error| TlsError::Other(error.to_string()))
    }

    /// Whether ciphertext waits.
    pub fn wants_transmit(&self) -> bool {
        self.tls.wants_write()
    }

    /// Hands ciphertext to `out`, in one (vectored) write, and tells how many bytes it took. After an error it is the
    /// alert that says so.
    ///
    /// # Errors
    /// What `out` says.
    pub fn transmit(&mut self, out: &mut dyn Write) -> io::Result<usize> {
        self.tls.write_tls(out)
    }

    /// Whether the handshake still goes on. It may be through here before the called side has judged our key.
    pub fn is_handshaking(&self) -> bool {
        self.proved.is_none()
    }

    /// The other side's key, after the handshake. It has proved that it holds the secret half.
    pub fn peer(&self) -> Option<PublicKey> {
        self.proved.as_ref().map(|proved| proved.peer)
    }

    /// After the handshake: 32 bytes that both sides of this connection have and no other connection has (RFC 9266,
    /// section 4.2).
    pub fn binding(&self) -> Option<[u8; 32]> {
        self.proved.as_ref().map(|proved| proved.binding)
    }

    /// What was agreed on, for a log: version, key exchange, suite, protocol.
    pub fn agreed(&self) -> Option<String> {
        let (version, group) = (self.tls.protocol_version()?, self.tls.negotiated_key_exchange_group()?);
        let suite = self.tls.negotiated_cipher_suite()?;
        let protocol = String::from_utf8_lossy(self.tls.alpn_protocol()?);
        Some(format!("{version:?} {:?} {:?} {protocol}", group.name(), suite.suite()))
    }

    /// Says that nothing more is sent (close_notify; RFC 8446, section 6.1). Nothing may be sent behind it.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }

    /// Whether the other side said that nothing more comes (its close_notify). What was decrypted before may still wait.
    /// A connection that ends without it was cut.
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer()).field("failed", &self.failed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls() -> Tls {
        Tls::new(&SecretKey::generate().unwrap()).unwrap()
    }

    /// Moves everything that waits from one side to the other.
    fn carry(from: &mut Channel, to: &mut Channel) -> Result<(), TlsError> {
        let mut wire = Vec::new();
        while from.wants_transmit() {
            from.transmit(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let taken = to.receive(rest)?;
            assert!(taken > 0, "nobody consumes here");
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn shaken(caller: &mut Channel, called: &mut Channel) -> Result<(), TlsError> {
        while caller.wants_transmit() || called.wants_transmit() {
            carry(caller, called)?;
            carry(called, caller)?;
        }
        Ok(())
    }

    #[test]
    fn two_sides_know_each_others_keys_and_share_a_value_of_their_own() {
        let (here, there) = (tls(), tls());
        let (mut caller, mut called) = (here.call(Some(there.public())).unwrap(), there.answer().unwrap());
        assert_eq!((caller.peer(), caller.binding(), caller.agreed()), (None, None, None));
        assert!(caller.is_handshaking() && called.is_handshaking());
        shaken(&mut caller, &mut called).unwrap();
        assert!(!caller.is_handshaking() && !called.is_handshaking());
        assert_eq!((caller.peer(), called.peer()), (Some(there.public()), Some(here.public())));
        assert!(caller.binding().is_some() && caller.binding() == called.binding());
        assert_eq!(caller.agreed(), called.agreed());
        assert_eq!(caller.agreed().unwrap(), "TLSv1_3 X25519MLKEM768 TLS13_AES_256_GCM_SHA384 tete/1");
    }

    #[test]
    fn a_caller_who_expects_another_key_is_told_both_and_shows_none() {
        let (here, there, other) = (tls(), tls(), tls());
        let (mut caller, mut called) = (here.call(Some(other.public())).unwrap(), there.answer().unwrap());
        carry(&mut caller, &mut called).unwrap();
        let error = carry(&mut called, &mut caller).unwrap_err();
        assert_eq!(error, TlsError::OtherKey { expected: other.public(), got: there.public() });
        assert_eq!(caller.receive(b"more"), Err(error), "it stays so");
        let told = carry(&mut caller, &mut called).unwrap_err();
        assert!(matches!(&told, TlsError::Alert(why) if why.contains("another key")), "{told}");
        assert_eq!(called.peer(), None);
    }

    #[test]
    fn what_is_not_consumed_stops_what_is_taken() {
        let (here, there) = (tls(), tls());
        let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
        shaken(&mut caller, &mut called).unwrap();
        let said: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
        caller.send(&said).unwrap();
        let mut wire = Vec::new();
        while caller.wants_transmit() {
            caller.transmit(&mut wire).unwrap();
        }
        let (mut at, mut heard) = (0, Vec::new());
        while at < wire.len() {
            let taken = called.receive(&wire[at..]).unwrap();
            at += taken;
            assert!(taken > 0 && taken < 5 * WAITING);
            while called.receive(&wire[at..]).is_ok_and(|n| {
                at += n;
                n > 0
            }) {}
            assert_eq!(called.receive(&wire[at..]), Ok(0));
            while !called.plaintext().is_empty() {
                let half = called.plaintext().len().div_ceil(2);
                heard.extend_from_slice(&called.plaintext()[..half]);
                called.consume(half);
            }
        }
        assert_eq!(heard, said);
    }

    #[test]
    fn as_much_is_taken_at_once_as_may_wait() {
        let (here, there) = (tls(), tls());
        let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
        shaken(&mut caller, &mut called).unwrap();
        // In records of a few bytes: twice as many bytes as may wait, and less plaintext than that.
        let mut wire = Vec::new();
        for _ in 0..WAITING / 16 {
            caller.send(b"0123456789").unwrap();
            caller.transmit(&mut wire).unwrap();
        }
        assert!(wire.len() > WAITING);
        assert_eq!(called.receive(&wire), Ok(wire.len()));
    }

    #[test]
    fn an_end_is_told_apart_from_a_cut() {
        let (here, there) = (tls(), tls());
        let (mut caller, mut called) = (here.call(None).unwrap(), there.answer().unwrap());
        shaken(&mut caller, &mut called).unwrap();
        caller.send(b"last words").unwrap();
        carry(&mut caller, &mut called).unwrap();
        assert!(!called.has_ended());
        caller.close();
        carry(&mut caller, &mut called).unwrap();
        assert!(called.has_ended());
        assert_eq!(called.plaintext(), b"last words");
        assert_eq!(called.receive(b"what follows is nothing"), Ok(0));
    }

    #[test]
    fn whoever_speaks_something_else_is_told_apart() {
        for said in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-OpenSSH_9.9\r\n", b"tete/plain......", &[0; 16]] {
            let mut called = tls().answer().unwrap();
            assert_eq!(called.receive(said), Err(TlsError::NotTls));
        }
    }

    #[test]
    fn nothing_secret_is_in_what_a_log_shows() {
        let tls = tls();
        let channel = tls.call(None).unwrap();
        assert_eq!(
            format!("{tls:?} {channel:?}"),
            format!("Tls({}) Channel {{ peer: None, failed: None, .. }}", tls.public())
        );
    }
}
