//! This installation's key, as a run needs it.
//!
//! Owns: from a folder to what the encrypted channel takes. Must not know: how the key is kept.

use std::path::Path;
use std::sync::Arc;

use crate::net::standing::Secure;
use crate::secure::folder::Folder;
use crate::secure::identity::load_or_create;
use crate::secure::key::SecretKey;
use crate::secure::tls::Tls;

use super::StartError;

/// The key in this folder, or where the system keeps such things; made at the first run.
///
/// # Errors
/// [`StartError`]: there is no folder, somebody else could read or change it, or what is in it is no key.
pub fn load(folder: Option<&Path>) -> Result<Secure, StartError> {
    let refused = |error: crate::secure::folder::StoreError| StartError { message: error.message, hint: error.hint };
    let folder = Folder::open(folder).map_err(refused)?;
    let key = load_or_create(&folder).map_err(refused)?;
    with(&key, Some(Arc::new(folder)))
}

/// A key that is gone with the process; nobody is known by it, and nobody is saved.
///
/// # Errors
/// [`StartError`] when the system has no randomness.
pub fn ephemeral() -> Result<Secure, StartError> {
    let broken = |error| StartError { message: format!("{error}"), hint: "the system has no randomness".to_owned() };
    with(&SecretKey::generate().map_err(broken)?, None)
}

fn with(key: &SecretKey, folder: Option<Arc<Folder>>) -> Result<Secure, StartError> {
    let broken = |error| StartError { message: format!("{error}"), hint: "is that an Ed25519 key?".to_owned() };
    Ok(Secure { tls: Arc::new(Tls::new(key).map_err(broken)?), folder })
}
