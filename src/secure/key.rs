//! Keys: what an installation of tete is recognised by.
//!
//! Owns: Ed25519 keys (RFC 8032), their forms on the wire, in files and for people. Must not know: where they are kept,
//! who is trusted.
//!
//! A public key has one form for people: 52 letters and digits, the lower-case base32 of RFC 4648, section 6, without
//! padding. In groups of four it can be read aloud; both forms are read back, in upper case too.
//!
//! **Threat model.** A key proves that whoever answers holds the secret half. It proves no name: who somebody is has
//! to come from elsewhere (a code, a person who compares the groups). Whoever reads our user's files has the secret.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64_MIME, Encoding};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4; DER).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Letters and digits of a key: 256 bits in fives.
const TEXT: usize = 52;
/// Letters and digits of a group.
const GROUP: usize = 4;

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError(pub(super) &'static str);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for KeyError {}

/// The public half of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// RFC 4648, section 6, in lower case and without padding. What stands in the last, unused bits has to be zero, so that
/// a key has one form.
fn base32() -> Encoding {
    let mut form = data_encoding::BASE32_NOPAD.specification();
    form.symbols.make_ascii_lowercase();
    // The alphabet is a constant of the library in lower case: it always has an encoding.
    form.encoding().unwrap_or(data_encoding::BASE32_NOPAD_NOCASE)
}

impl PublicKey {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it stands in a TLS handshake with raw public keys (RFC 7250, section 3): a SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> [u8; 44] {
        let mut out = [0; 44];
        out[..SPKI_PREFIX.len()].copy_from_slice(&SPKI_PREFIX);
        out[SPKI_PREFIX.len()..].copy_from_slice(&self.0);
        out
    }

    /// Reads a SubjectPublicKeyInfo: exactly the one form that an Ed25519 key has, and nothing else.
    ///
    /// # Errors
    /// [`KeyError`]: another kind of key, a longer or shorter form. The fault is whoever's it came from.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let key = der.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError("not an Ed25519 public key"))
    }

    /// Reads the form for people, with or without its groups.
    ///
    /// # Errors
    /// [`KeyError`]: not 52 letters and digits of the alphabet.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > TEXT + TEXT / GROUP {
            return Err(KeyError("longer than a key"));
        }
        let text: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        if text.len() != TEXT {
            return Err(KeyError("a key has 52 letters and digits"));
        }
        let bytes = base32().decode(text.as_bytes());
        let key = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or(KeyError("a key has the letters a to z and the digits 2 to 7"))
    }

    /// The form for people in groups: `abcd-efgh-…`.
    pub fn grouped(&self) -> String {
        let text = self.to_string();
        let groups: Vec<&str> = (0..TEXT).step_by(GROUP).map(|at| &text[at..at + GROUP]).collect();
        groups.join("-")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32().encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The whole key of an installation. It is never shown: its `Debug` has the public half alone.
pub struct SecretKey {
    /// PKCS #8, version 1 (RFC 5958, RFC 8410).
    pkcs8: PrivatePkcs8KeyDer<'static>,
    public: PublicKey,
}

impl SecretKey {
    /// A fresh key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError`] when the system has none.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError("no key could be made"))?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyError("the key could not be written"))?;
        Self::from_pkcs8(PrivatePkcs8KeyDer::from(der.as_ref().to_vec()))
    }

    fn from_pkcs8(pkcs8: PrivatePkcs8KeyDer<'static>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der());
        let pair = pair.map_err(|_| KeyError("not an Ed25519 secret key"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError("not an Ed25519 key"))?;
        Ok(Self { pkcs8, public: PublicKey(public) })
    }

    /// Reads the form of files: PEM (RFC 7468, section 10), as `openssl genpkey -algorithm ed25519` writes it too.
    ///
    /// # Errors
    /// [`KeyError`] when it is anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError("not a secret key in PEM"))?;
        Self::from_pkcs8(der)
    }

    /// The form of files.
    pub fn to_pem(&self) -> String {
        let body = BASE64_MIME.encode(self.pkcs8.secret_pkcs8_der()).replace("\r\n", "\n");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", body.trim_end())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret as a TLS library takes it.
    pub fn pkcs8(&self) -> &PrivatePkcs8KeyDer<'static> {
        &self.pkcs8
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_in_each_of_its_forms() {
        let key = SecretKey::generate().unwrap().public();
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
        assert_eq!(PublicKey::parse(&key.grouped()), Ok(key));
        assert_eq!(PublicKey::parse(&key.grouped().to_uppercase()), Ok(key));
        assert_eq!(PublicKey::from_spki(&key.spki()), Ok(key));
        assert_eq!((key.to_string().len(), key.grouped().split('-').count()), (TEXT, 13));
    }

    #[test]
    fn what_is_not_exactly_a_key_is_none() {
        let key = PublicKey::new([7; 32]);
        let text = key.to_string();
        let mut padded = text.clone();
        padded.replace_range(51.., "b"); // bits behind the last byte
        for bad in ["", "abc", &text[1..], &format!("{text}a"), &text.replacen('a', "1", 1), &padded, &"-".repeat(52)] {
            assert!(PublicKey::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(PublicKey::parse(&format!("{text}{}", "-".repeat(99))), Err(KeyError("longer than a key")));
        assert_eq!(PublicKey::parse("abc").unwrap_err().to_string(), "a key has 52 letters and digits");
        let spki = key.spki();
        assert!((0..spki.len()).all(|cut| PublicKey::from_spki(&spki[..cut]).is_err()));
        assert!(PublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
        let mut x25519 = spki;
        x25519[8] = 0x6e;
        assert!(PublicKey::from_spki(&x25519).is_err());
    }

    #[test]
    fn a_secret_key_survives_its_file() {
        let key = SecretKey::generate().unwrap();
        let pem = key.to_pem();
        assert_eq!(SecretKey::from_pem(&pem).unwrap().public(), key.public());
        assert!(pem.lines().all(|line| line.len() <= 76));
        assert!(SecretKey::from_pem(&pem.replace("PRIVATE", "PUBLIC")).is_err());
        assert!(SecretKey::from_pem("").is_err());
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public()), "and nothing of the secret");
    }
}
