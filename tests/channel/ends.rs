//! Both ends of a connection, and others who speak TLS: rustls itself, with whatever settings a test wants.

use std::io::Read as _;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    ServerConnection, SignatureAlgorithm, SignatureScheme,
};
use tete::secure::key::SecretKey;
use tete::secure::tls::{ALPN, Channel, Tls, TlsError};

/// A program's part with a fresh key.
pub(crate) fn tls() -> Tls {
    Tls::new(&SecretKey::generate().unwrap()).unwrap()
}

/// An end of a connection: ours, or the library's.
pub(crate) trait End {
    /// What ends it.
    type Error: std::fmt::Debug;
    /// Takes all of this. What was decrypted.
    fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Self::Error>;
    /// All that waits to be sent.
    fn give(&mut self) -> Vec<u8>;
}

impl End for Channel {
    type Error = TlsError;

    fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, TlsError> {
        let mut heard = Vec::new();
        while !bytes.is_empty() && !self.has_ended() {
            let taken = self.receive(bytes)?;
            assert!(taken > 0, "everything is consumed here");
            bytes = &bytes[taken..];
            while !self.plaintext().is_empty() {
                heard.extend_from_slice(self.plaintext());
                let all = self.plaintext().len();
                self.consume(all);
            }
        }
        Ok(heard)
    }

    fn give(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.wants_transmit() {
            self.transmit(&mut out).unwrap();
        }
        out
    }
}

impl End for Connection {
    type Error = Error;

    fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            self.read_tls(&mut bytes).unwrap();
            let waits = self.process_new_packets()?.plaintext_bytes_to_read();
            let from = heard.len();
            heard.resize(from + waits, 0);
            self.reader().read_exact(&mut heard[from..]).unwrap();
        }
        Ok(heard)
    }

    fn give(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.wants_write() {
            self.write_tls(&mut out).unwrap();
        }
        out
    }
}

/// Moves what waits from one end to the other. What was decrypted there.
pub(crate) fn carry<E: End>(from: &mut impl End, to: &mut E) -> Result<Vec<u8>, E::Error> {
    to.take(&from.give())
}

/// A handshake of ours with ours.
pub(crate) fn shake(caller: &mut Channel, called: &mut Channel) -> Result<(), TlsError> {
    loop {
        let flight = caller.give();
        if flight.is_empty() {
            return Ok(());
        }
        called.take(&flight)?;
        carry(called, caller)?;
    }
}

/// Two ends that have shaken hands.
pub(crate) fn pair() -> (Channel, Channel) {
    let (mut caller, mut called) = (tls().call(None).unwrap(), tls().answer().unwrap());
    shake(&mut caller, &mut called).unwrap();
    (caller, called)
}

/// A handshake of ours with whatever: how it ends for us.
pub(crate) fn shake_with<E: End>(ours: &mut Channel, other: &mut E) -> Result<(), TlsError> {
    // Three flights and an alert; a stranger that answers for ever would not be one of these.
    for _ in 0..4 {
        let flight = ours.give();
        // What the other end thinks of it is told by its alert.
        let _ = other.take(&flight);
        carry(other, ours)?;
    }
    Ok(())
}

/// What somebody shows instead of a key of tete's.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// As it stands in the handshake: keys (RFC 7250) or certificates. None: an empty list.
    pub(crate) list: Vec<CertificateDer<'static>>,
    /// What signs for it.
    pub(crate) signer: Arc<dyn SigningKey>,
    /// Whether raw public keys are spoken, or X.509.
    pub(crate) raw: bool,
}

impl Shown {
    /// A secret key, shown as what it is.
    pub(crate) fn raw(key: PrivateKeyDer<'static>) -> Self {
        let signer = default_provider().key_provider.load_private_key(key).unwrap();
        let spki = signer.public_key().unwrap().to_vec();
        Self { list: vec![CertificateDer::from(spki)], signer: Arc::new(Forced(signer)), raw: true }
    }

    /// What tete itself shows.
    pub(crate) fn ours() -> Self {
        Self::raw(PrivateKeyDer::Pkcs8(SecretKey::generate().unwrap().pkcs8().clone_key()))
    }

    fn key(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(self.list.clone(), Arc::clone(&self.signer)))
    }
}

/// Signs whether the other side asked for such a signature or not.
#[derive(Debug)]
struct Forced(Arc<dyn SigningKey>);

impl SigningKey for Forced {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(&default_provider().signature_verification_algorithms.supported_schemes())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        (!self.list.is_empty()).then(|| self.key())
    }

    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }
}

/// Takes anybody. `true`: with a raw public key.
#[derive(Debug)]
struct Anybody(bool);

impl ServerCertVerifier for Anybody {
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
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0
    }
}

/// Somebody who calls, with settings of their own.
pub(crate) fn stranger_calls(shown: &Shown, alpn: &[&[u8]]) -> Connection {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(Anybody(shown.raw)));
    let mut config = config.with_client_cert_resolver(Arc::new(shown.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("tete.invalid").unwrap();
    Connection::Client(ClientConnection::new(Arc::new(config), name).unwrap())
}

/// Somebody who answers, with settings of their own.
pub(crate) fn stranger_answers(shown: &Shown, alpn: &[&[u8]]) -> Connection {
    Connection::Server(ServerConnection::new(Arc::new(answering(shown, alpn))).unwrap())
}

/// Somebody who answers as tete does, and gives tickets of so many bytes when the handshake is through.
pub(crate) fn stranger_gives_tickets(length: usize) -> Connection {
    let mut config = answering(&Shown::ours(), TETE);
    config.ticketer = Arc::new(Tickets(length));
    Connection::Server(ServerConnection::new(Arc::new(config)).unwrap())
}

fn answering(shown: &Shown, alpn: &[&[u8]]) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(Arc::new(Anybody(shown.raw)));
    let mut config = config.with_cert_resolver(Arc::new(shown.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// Gives everybody tickets of so many bytes (RFC 8446, section 4.6.1).
#[derive(Debug)]
struct Tickets(usize);

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        60
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![7; self.0])
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// What ours answers to somebody who calls.
pub(crate) fn called_by(shown: &Shown, alpn: &[&[u8]]) -> Result<(), TlsError> {
    let mut ours = tls().answer().unwrap();
    let end = shake_with(&mut ours, &mut stranger_calls(shown, alpn));
    assert_eq!(end.is_ok(), ours.peer().is_some());
    end
}

/// What ours says to somebody who answers. `Err` if it was refused at either end.
pub(crate) fn answered_by(shown: &Shown, alpn: &[&[u8]]) -> Result<(), TlsError> {
    let mut ours = tls().call(None).unwrap();
    let end = shake_with(&mut ours, &mut stranger_answers(shown, alpn));
    assert_eq!(end.is_ok(), ours.peer().is_some());
    end
}

/// Our own protocol, as settings have it.
pub(crate) const TETE: &[&[u8]] = &[ALPN];
