//! The signing key of tokens: configured, or generated at the first start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Secret;
use crate::ownership::{self, Insecure, Protection};

/// Minimum length of a key, in bytes. A shorter one could be found offline by brute force with any token.
const MIN_BYTES: usize = 32;

/// Maximum size of a key file, in bytes.
const MAX_BYTES: u64 = 4096;

/// Name of the key file in the data directory.
const FILE_NAME: &str = "jwt.key";

/// A signing key. `Debug` does not show it.
pub struct SigningKey(Vec<u8>);

/// Why the signing key cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The configured key is too short.
    #[error("OPENRUNNER_JWT_SECRET has {len} bytes but needs at least {MIN_BYTES}; use the output of `openssl rand -hex 32`, or unset it")]
    SecretTooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// Another account controls the key file, or can read it.
    #[error(transparent)]
    Insecure(#[from] Insecure),
    /// The key file has the wrong size.
    #[error("key file {} has {len} bytes but needs {MIN_BYTES} to {MAX_BYTES}; delete it to generate a new key, which revokes all tokens", path.display())]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        len: u64,
    },
    /// The key file cannot be read or created.
    #[error("cannot read or create key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: {0}")]
    Random(String),
}

impl SigningKey {
    /// The configured key, or the one in the data directory, which is generated if it does not exist.
    ///
    /// # Errors
    /// [`KeyError`], by cause. There is no fallback to a weaker key.
    pub fn load(secret: Option<&Secret>, data_dir: &Path) -> Result<Self, KeyError> {
        match secret {
            Some(secret) => Self::from_secret(secret),
            None => Self::from_file(data_dir.join(FILE_NAME)),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_secret(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_BYTES {
            return Err(KeyError::SecretTooShort { len: bytes.len() });
        }
        Ok(Self(bytes.to_vec()))
    }

    fn from_file(path: PathBuf) -> Result<Self, KeyError> {
        // Created exclusively, so that the key is not written to a file or link that another account has placed there.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Self::generate(file, path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(source) => Err(KeyError::Io { path, source }),
        }
    }

    fn generate(mut file: File, path: PathBuf) -> Result<Self, KeyError> {
        let mut key = vec![0; MIN_BYTES];
        getrandom::fill(&mut key).map_err(|error| KeyError::Random(error.to_string()))?;
        match file.write_all(&key).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(Self(key)),
            Err(source) => Err(KeyError::Io { path, source }),
        }
    }

    fn read(path: PathBuf) -> Result<Self, KeyError> {
        let read = || {
            let file = File::open(&path)?;
            let (len, checked) = (file.metadata()?.len(), ownership::check_open(&file, &path, Protection::ReadAndWrite));
            let mut key = Vec::new();
            file.take(MAX_BYTES + 1).read_to_end(&mut key)?;
            Ok((len, checked, key))
        };
        let (len, checked, key) = match read() {
            Ok(read) => read,
            Err(source) => return Err(KeyError::Io { path, source }),
        };
        checked?;
        if key.len() < MIN_BYTES || len > MAX_BYTES {
            return Err(KeyError::FileLength { path, len });
        }
        Ok(Self(key))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I3.

    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_private_key_of_256_random_bits_is_generated_once() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = SigningKey::load(None, one.path()).unwrap();
        assert_eq!(first.as_bytes().len(), 32);
        assert_eq!(fs::metadata(one.path().join("jwt.key")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(SigningKey::load(None, one.path()).unwrap().as_bytes(), first.as_bytes());
        assert_ne!(SigningKey::load(None, other.path()).unwrap().as_bytes(), first.as_bytes());
    }

    #[test]
    fn a_configured_key_under_32_bytes_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let load = |text: &str| SigningKey::load(Some(&Secret::new(text.to_owned())), dir.path());
        let error = load(&"k".repeat(31)).unwrap_err().to_string();
        assert!(error.contains("OPENRUNNER_JWT_SECRET") && error.contains("32"), "{error}");
        assert_eq!(load(&"k".repeat(32)).unwrap().as_bytes(), "k".repeat(32).as_bytes());
        assert!(!dir.path().join("jwt.key").exists());
    }

    #[test]
    fn a_key_file_that_is_readable_by_others_or_truncated_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::load(None, dir.path()).unwrap();
        let path = dir.path().join("jwt.key");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::load(None, dir.path()), Err(KeyError::Insecure(_))));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for len in [0, 31, 5000] {
            fs::write(&path, vec![1; len]).unwrap();
            assert!(matches!(SigningKey::load(None, dir.path()), Err(KeyError::FileLength { .. })), "{len}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_key() {
        let key = SigningKey(b"quite-secret".to_vec());
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }
}
