//! Digests that only this server can compute: what they are made of cannot be guessed from a copy of the store.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::SigningKey;

/// The key of digests, derived from the key that signs tokens.
pub(super) struct DigestKey([u8; 32]);

impl DigestKey {
    pub(super) fn new(key: &SigningKey) -> Self {
        Self(mac(key.as_bytes()).chain_update(b"openrunner digests").finalize().into_bytes().into())
    }

    /// A digest for a purpose. Digests for different purposes never match.
    pub(super) fn digest(&self, purpose: &'static str) -> KeyedDigest {
        KeyedDigest(mac(&self.0).chain_update(purpose).chain_update([0]))
    }
}

/// A digest of parts that are added one after the other.
#[derive(Clone)]
pub struct KeyedDigest(Hmac<Sha256>);

impl KeyedDigest {
    /// Adds bytes. Only their sequence counts, not how it is divided.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn value(&self) -> [u8; 32] {
        self.0.clone().finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedDigest")
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// A digest with a fixed key.
#[cfg(test)]
pub(crate) fn digest_for_tests(purpose: &'static str) -> KeyedDigest {
    KeyedDigest(mac(b"key").chain_update(purpose).chain_update([0]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::types::Secret;

    fn digest(secret: &str, purpose: &'static str, parts: &[&str]) -> [u8; 32] {
        let key = DigestKey::new(&SigningKey::load(Some(&Secret::new(secret.repeat(32))), Path::new("/nowhere")).unwrap());
        let mut digest = key.digest(purpose);
        for part in parts {
            digest.update(part.as_bytes());
        }
        digest.value()
    }

    #[test]
    fn a_digest_depends_on_the_key_the_purpose_and_the_bytes() {
        let one = digest("k", "chats", &["a", "b"]);
        assert_eq!(one, digest("k", "chats", &["ab"]));
        for other in [digest("l", "chats", &["ab"]), digest("k", "names", &["ab"]), digest("k", "chats", &["ba"])] {
            assert_ne!(one, other);
        }
    }
}
