//! Whose key the other side of a channel shows, whether it holds it, and every way in which a channel fails.
//!
//! Owns: raw public keys in TLS (RFC 7250, section 3), the signature over the handshake (RFC 8446, section 4.4.3), errors
//! and alerts (RFC 8446, section 6) in words. Must not know: connections, bytes, who is let in.
//!
//! **Threat model.** The other side chooses every byte that is judged here. It gets through with one Ed25519 key in the
//! one form that such a key has, and a signature of it over this handshake; certificates, names in them, other kinds of
//! keys and lists of keys are never even parsed. It can make up any number of keys: that a key is held says nothing
//! about whose it is.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, Error, InvalidMessage, OtherError,
    PeerIncompatible, PeerMisbehaved, SignatureScheme,
};

use super::key::{KeyError, PublicKey};

/// Why there is no channel, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The other side's bytes are no TLS record: it speaks something else.
    NotTls,
    /// The other side has proved another key than the one that was called.
    OtherKey {
        /// The key that was called.
        expected: PublicKey,
        /// The key that answered. The other side holds its secret half.
        got: PublicKey,
    },
    /// What the other side showed is not exactly one Ed25519 key.
    BadKey(KeyError),
    /// The other side ended it, and said why.
    Alert(String),
    /// Anything else. The other side's doing, unless it says otherwise.
    Other(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls => f.write_str("the other side does not speak TLS"),
            Self::OtherKey { expected, got } => {
                write!(f, "another key answered: {}, not {}", got.grouped(), expected.grouped())
            }
            Self::BadKey(why) => write!(f, "the other side's key: {why}"),
            Self::Alert(why) => write!(f, "the other side ended the connection: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TlsError {}

/// What the other side means by an alert (RFC 8446, section 6), in words.
fn alert(why: AlertDescription) -> TlsError {
    TlsError::Alert(match why {
        AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => "it expected another key".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRequired => "it does not take our key".to_owned(),
        AlertDescription::NoApplicationProtocol => "it is not tete, or another version".to_owned(),
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3".to_owned(),
        AlertDescription::HandshakeFailure => "it speaks TLS, but not as tete does".to_owned(),
        AlertDescription::BadRecordMac | AlertDescription::DecryptError => {
            "what it received had been changed on the way".to_owned()
        }
        other => format!("{other:?}"),
    })
}

impl TlsError {
    /// What an error of the library means. `first`: no record of the other side was understood yet.
    pub(super) fn new(error: &Error, first: bool) -> Self {
        match error {
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) if first => Self::NotTls,
            Error::InvalidCertificate(CertificateError::Other(OtherError(ours))) => {
                let ours = ours.downcast_ref::<Self>();
                ours.cloned().unwrap_or_else(|| Self::Other("the other side's key was not taken".to_owned()))
            }
            Error::AlertReceived(why) => alert(*why),
            Error::NoCertificatesPresented => Self::BadKey(KeyError("none was shown")),
            Error::PeerIncompatible(PeerIncompatible::IncorrectCertificateTypeExtension) => {
                Self::Other("the other side speaks TLS, but without raw public keys".to_owned())
            }
            Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::ServerDoesNotSupportTls12Or13,
            ) => Self::Other("the other side does not speak TLS 1.3".to_owned()),
            Error::NoApplicationProtocol
            | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => Self::not_tete(),
            Error::DecryptError => Self::Other("what was received had been changed on the way".to_owned()),
            other => Self::Other(format!("the other side breaks the rules of TLS: {other}")),
        }
    }

    pub(super) fn not_tete() -> Self {
        Self::Other("the other side speaks TLS, but is not tete".to_owned())
    }

    /// As the library carries it from the verifier to whoever feeds the connection. To the other side it is the alert
    /// `certificate_unknown`.
    fn in_verifier(self) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

/// Judges the key that the other side shows: its form, that it is held, and that it is the expected one.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    expected: Option<PublicKey>,
}

impl Verifier {
    /// `algorithms` are the library's; without `expected` any key is taken.
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms, expected: Option<PublicKey>) -> Self {
        Self { algorithms, expected }
    }

    /// Exactly one Ed25519 key and nothing beside it (RFC 7250, section 3; RFC 8446, section 4.4.2).
    fn form(&self, shown: &CertificateDer<'_>, beside: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
        let key = if beside.is_empty() { PublicKey::from_spki(shown) } else { Err(KeyError("more than one")) };
        key.map_err(|why| TlsError::BadKey(why).in_verifier())
    }

    /// The signature over the handshake (RFC 8446, section 4.4.3), and then whose it is: a key that is merely shown,
    /// not held, is never told as the one that answered. We have not shown ours yet.
    fn held(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let got = self.form(shown, &[])?;
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let valid = verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)?;
        match self.expected {
            Some(expected) if expected != got => Err(TlsError::OtherKey { expected, got }.in_verifier()),
            _ => Ok(valid),
        }
    }
}

/// No TLS 1.2: it is not even compiled in.
fn old_version() -> Error {
    Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.form(end_entity, intermediates).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.held(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.form(end_entity, intermediates).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.held(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
