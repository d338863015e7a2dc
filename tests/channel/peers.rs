//! Who is refused: whoever speaks TLS, but another version, with other keys, or for another purpose.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tete::secure::key::SecretKey;
use tete::secure::tls::TlsError;

use crate::ends::{End as _, Shown, TETE, answered_by, called_by, shake_with, stranger_calls, tls};

/// A certificate of an Ed25519 key, self-signed, as `openssl req -x509` makes it.
const X509: &str = "\
    MIIBRDCB96ADAgECAhR/sWexVEX28nLSX+m9Sti3welp9DAFBgMrZXAwFzEVMBMGA1UEAwwMdGV0ZS5pbnZhbGlkMCAXDTI2MTEy\
    MTEzMjgwMloYDzIxMjYxMDI4MTMyODAyWjAXMRUwEwYDVQQDDAx0ZXRlLmludmFsaWQwKjAFBgMrZXADIQBVzOcWWnrLXgJOQAK3\
    k+kZddCbHlyk+v5A0wop0ziIDKNTMFEwHQYDVR0OBBYEFH5CEDshAhCf/Z4hiKAVOq4B2cTDMB8GA1UdIwQYMBaAFH5CEDshAhCf\
    /Z4hiKAVOq4B2cTDMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAeoyt5BPD6l8c4fVvddJh06GWo+UfrS/Bt9zW4A17cwSP+N69\
    15xzexPAP42zMmn7wnC8cW1Ck1iDRqeWdbrfDA==";

fn x509() -> CertificateDer<'static> {
    CertificateDer::from(data_encoding::BASE64.decode(X509.as_bytes()).unwrap())
}

fn pkcs8(der: &[u8]) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.to_vec()))
}

/// It is refused in both directions, for a reason that the caller of this has expected.
fn refused(shown: &Shown, alpn: &[&[u8]], reason: impl Fn(&TlsError) -> bool) {
    for (side, end) in [("it calls", called_by(shown, alpn)), ("it answers", answered_by(shown, alpn))] {
        let error = end.expect_err(side);
        assert!(reason(&error), "{side}: {error:?}");
    }
}

fn bad_key(error: &TlsError) -> bool {
    matches!(error, TlsError::BadKey(_))
}

#[test]
fn whoever_does_as_tete_does_is_taken() {
    assert_eq!(called_by(&Shown::ours(), TETE), Ok(()));
    assert_eq!(answered_by(&Shown::ours(), TETE), Ok(()));
}

#[test]
fn fault_21_an_x509_certificate_is_refused() {
    let shown = Shown { list: vec![x509()], raw: false, ..Shown::ours() };
    refused(&shown, TETE, |error| match error {
        TlsError::Other(why) => why.contains("without raw public keys"),
        TlsError::Alert(why) => why.contains("not as tete does"), // it found out first
        _ => false,
    });
}

#[test]
fn fault_21_an_x509_certificate_in_place_of_a_raw_key_is_refused() {
    refused(&Shown { list: vec![x509()], ..Shown::ours() }, TETE, bad_key);
}

#[test]
fn fault_22_an_rsa_key_is_refused() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    refused(&Shown::raw(pkcs8(der.as_ref())), TETE, bad_key);
}

#[test]
fn a_p256_key_is_refused() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = key.to_pkcs8v1().unwrap();
    refused(&Shown::raw(pkcs8(der.as_ref())), TETE, bad_key);
}

#[test]
fn fault_22_two_keys_are_refused() {
    let mut shown = Shown::ours();
    shown.list.extend(Shown::ours().list);
    refused(&shown, TETE, bad_key);
    let mut twice = Shown::ours();
    twice.list.push(twice.list[0].clone());
    refused(&twice, TETE, bad_key);
}

#[test]
fn bytes_around_a_key_are_refused() {
    let shown = Shown::ours();
    let key = shown.list[0].as_ref();
    for bad in [&key[1..], &key[..43], &[key, &[0]].concat(), &[&[0], key].concat(), &[0], &[0; 44], &[0; 10_000]] {
        refused(&Shown { list: vec![CertificateDer::from(bad.to_vec())], ..shown.clone() }, TETE, bad_key);
    }
}

#[test]
fn fault_23_a_key_that_is_shown_but_not_held_is_refused() {
    let victim = SecretKey::generate().unwrap().public();
    let shown = Shown { list: vec![CertificateDer::from(victim.spki().to_vec())], ..Shown::ours() };
    refused(&shown, TETE, |error| matches!(error, TlsError::Other(_)));
    // Neither does it pass for the other key that answered: nobody has proved it.
    let mut ours = tls().call(Some(tls().public())).unwrap();
    let end = shake_with(&mut ours, &mut crate::ends::stranger_answers(&shown, TETE));
    assert!(matches!(end, Err(TlsError::Other(_))), "{end:?}");
}

#[test]
fn fault_23_a_signature_of_another_kind_is_refused() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let other = Shown::raw(pkcs8(key.to_pkcs8v1().unwrap().as_ref()));
    let shown = Shown { signer: Arc::clone(&other.signer), ..Shown::ours() };
    refused(&shown, TETE, |error| matches!(error, TlsError::Other(_)));
}

#[test]
fn a_caller_without_a_key_is_refused() {
    let shown = Shown { list: Vec::new(), ..Shown::ours() };
    let error = called_by(&shown, TETE).unwrap_err();
    assert_eq!(error.to_string(), "the other side's key: none was shown");
}

#[test]
fn another_protocol_is_refused_and_none_too() {
    let shown = Shown::ours();
    let not_tete = |error: &TlsError| match error {
        TlsError::Other(why) => why.contains("not tete"),
        TlsError::Alert(why) => why.contains("not tete"),
        _ => false,
    };
    refused(&shown, &[b"http/1.1"], not_tete);
    refused(&shown, &[b"tete/2", b"h2"], not_tete);
    refused(&shown, &[], not_tete);
    assert_eq!(called_by(&shown, &[b"h2", b"tete/1"]), Ok(()), "ours among others is enough");
}

#[test]
fn fault_21_tls_1_2_is_refused_in_both_directions() {
    let record = |body: &[u8]| {
        let length = u8::try_from(body.len()).unwrap();
        [&[0x16, 3, 3, 0, length + 4, body_kind(body), 0, 0, length], body].concat()
    };
    // version, random, no session, one suite, no compression; no extension says that 1.3 would do.
    let hello = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0]].concat();
    let mut ours = tls().answer().unwrap();
    let error = ours.take(&record(&hello)).unwrap_err();
    assert!(matches!(error, TlsError::Other(_)), "{error:?}");
    // version, random, no session, the suite, no compression.
    let answer = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2b, 0]].concat();
    let mut ours = tls().call(None).unwrap();
    ours.give();
    let error = ours.take(&record(&answer)).unwrap_err();
    assert!(matches!(error, TlsError::Other(_)), "{error:?}");
}

/// ClientHello (1) or ServerHello (2) (RFC 8446, section 4), by their lengths above.
fn body_kind(body: &[u8]) -> u8 {
    if body.len() == 41 { 1 } else { 2 }
}

#[test]
fn no_ticket_is_given_for_a_shorter_handshake_next_time() {
    let (mut called, mut stranger) = (tls().answer().unwrap(), stranger_calls(&Shown::ours(), TETE));
    shake_with(&mut called, &mut stranger).unwrap();
    assert!(called.peer().is_some());
    let rustls::Connection::Client(stranger) = stranger else { panic!() };
    assert_eq!(stranger.tls13_tickets_received(), 0);
}
