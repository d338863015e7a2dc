//! Who we are: one key for an installation, made at its first start.
//!
//! Owns: the file `identity`. Must not know: what the key is used for.
//!
//! The file is PEM (RFC 7468, section 10: PKCS #8), as OpenSSL reads and writes it.
//!
//! **Threat model.** The file is the installation: whoever reads it is taken for us by everybody who knows us. It is kept
//! from other users of this machine as `folder` tells, and it is not encrypted: our user's other programs, backups
//! and the administrator can read it. A file that others could have read is not used, because they may have a copy; a
//! missing one is replaced by a new key, which those who knew the old one then refuse as changed.

use super::folder::{Folder, Readers, StoreError};
use super::key::SecretKey;

const FILE: &str = "identity";

/// Longest file in bytes. The key takes about 120; others' programs may have put comments around it.
const MAX_FILE: u64 = 4096;

/// Loads the key of the installation, and makes it at the first start. Of two first starts at once, both have the
/// key of the one that was earlier.
///
/// # Errors
/// The file is loose, a symbolic link, somebody else's, too long or no key; or there is none and it cannot be written.
/// It is never replaced.
pub fn load_or_create(folder: &Folder) -> Result<SecretKey, StoreError> {
    if let Some(key) = load(folder)? {
        return Ok(key);
    }
    let path = folder.path_of(FILE);
    let key = SecretKey::generate()
        .map_err(|error| StoreError::new(format!("{path:?}: {error}"), "this system has no random numbers to give"))?;
    if folder.write_first(FILE, &key.to_pem())? {
        return Ok(key);
    }
    // Somebody was faster.
    let gone = || StoreError::new(format!("{path:?} came and went"), "start again");
    load(folder)?.ok_or_else(gone)
}

fn load(folder: &Folder) -> Result<Option<SecretKey>, StoreError> {
    let Some(text) = folder.read(FILE, MAX_FILE, Readers::Owner)? else { return Ok(None) };
    SecretKey::from_pem(&text).map(Some).map_err(|error| {
        StoreError::new(
            format!("{:?} holds no key: {error}", folder.path_of(FILE)),
            "put your copy of it back, or move it away: a new key is made, and those who knew the old one have to meet you again",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Barrier;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(dir.path())).unwrap();
        (dir, folder)
    }

    #[test]
    fn the_first_start_makes_a_key_that_the_next_one_finds() {
        let (dir, folder) = folder();
        let key = load_or_create(&folder).unwrap();
        assert_eq!(load_or_create(&folder).unwrap().public(), key.public());
        let file = fs::metadata(dir.path().join(FILE)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn first_starts_at_once_agree_on_one_key() {
        let (dir, _folder) = folder();
        let all = Barrier::new(8);
        let start = || {
            let folder = Folder::open(Some(dir.path())).unwrap();
            all.wait();
            load_or_create(&folder).unwrap().public()
        };
        let keys: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn fault_88_a_key_that_others_may_read_or_that_is_a_link_is_refused_and_stays() {
        let (dir, folder) = folder();
        let path = dir.path().join(FILE);
        load_or_create(&folder).unwrap();
        let before = fs::read(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&folder).unwrap_err();
        assert!(error.message.contains("identity") && error.message.contains("0644"), "{error}");
        assert!(error.hint.contains("chmod 600"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);

        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        for target in ["elsewhere", "nowhere"] {
            symlink(target, &path).unwrap();
            assert!(load_or_create(&folder).unwrap_err().message.contains("symbolic link"), "{target}");
            fs::remove_file(&path).unwrap();
        }
        assert!(!dir.path().join("nowhere").exists());
    }

    #[test]
    fn what_is_no_key_is_refused_and_stays() {
        let (_dir, folder) = folder();
        let key = SecretKey::generate().unwrap().to_pem();
        let long = key.repeat(1 + usize::try_from(MAX_FILE).unwrap() / key.len());
        for content in ["", "garbage", &key[..80], &long] {
            folder.replace(FILE, content).unwrap();
            assert!(load_or_create(&folder).is_err(), "{content}");
            assert_eq!(folder.read(FILE, 1 << 20, Readers::Owner).unwrap().as_deref(), Some(content));
        }
    }
}
