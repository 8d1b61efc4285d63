//! Argon2id over memory that goes back to the system when a hash is made.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self, CustomizedPasswordHasher, PasswordHasher};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Room that is asked for at least, in blocks of 1 KiB; what is not used of it is never there. GNU's allocator keeps what it was given
/// back of anything smaller than 32 MiB, which would be the 19 MiB of a hash for each thread that has made one, and gives larger pieces
/// to the system (`mallopt(3)`, `M_MMAP_THRESHOLD`).
const ROOM: usize = 33 * 1024;

/// The `argon2` crate's Argon2id, version 1.3, for passwords. What it costs its parameters say.
#[derive(Clone, Debug)]
pub(super) struct Argon2id {
    params: Params,
}

impl Argon2id {
    pub(super) fn new(params: Params) -> Self {
        Self { params }
    }

    /// What looks like the hash of a password and is none: its bytes are chance. Checking one against it costs what any check does,
    /// and making it costs nothing, where a hash would hold up every start by tens of milliseconds.
    pub(super) fn of_nobody(&self) -> password_hash::Result<PasswordHash> {
        let (mut salt, mut hash) = ([0; Salt::RECOMMENDED_LENGTH], [0; Params::DEFAULT_OUTPUT_LEN]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut hash)).map_err(|_| password_hash::Error::RngFailure)?;
        self.in_form(Salt::new(&salt)?, &hash)
    }

    fn in_form(&self, salt: Salt, hash: &[u8]) -> password_hash::Result<PasswordHash> {
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params)?,
            salt: Some(salt),
            hash: Some(Output::new(hash)?),
        })
    }
}

impl PasswordHasher<PasswordHash> for Argon2id {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        let salt = Salt::new(salt)?;
        let mut hash = vec![0; self.params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        let count = self.params.block_count();
        let mut blocks = Vec::with_capacity(count.max(ROOM));
        blocks.resize(count, Block::new());
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        Argon2::new(algorithm, version, self.params.clone()).hash_password_into_with_memory(password, &salt, &mut hash, &mut blocks)?;
        self.in_form(salt, &hash)
    }
}

/// With the parameters of a hash that is to be checked. Checking, in constant time, comes with it.
impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        // We have never written anything else, so anything else is damage.
        if algorithm != Some(Algorithm::Argon2id.as_str()) {
            return Err(password_hash::Error::Algorithm);
        }
        if version != Some(Version::V0x13.into()) {
            return Err(password_hash::Error::Version);
        }
        Self::new(params).hash_password_with_salt(password, salt)
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier as _;

    use super::*;

    #[test]
    fn i7_hashes_are_those_of_the_algorithm_and_are_checked_by_it_and_it_by_them() {
        let (ours, theirs) = (Argon2id::new(Params::DEFAULT), Argon2::default());
        let hash = ours.hash_password_with_salt(b"secret", b"salt of 16 bytes").unwrap();
        assert_eq!(hash, theirs.hash_password_with_salt(b"secret", b"salt of 16 bytes").unwrap());
        assert!(ours.verify_password(b"secret", &hash).is_ok());
        assert!(ours.verify_password(b"Secret", &hash).is_err());
        let other = PasswordHash { algorithm: Algorithm::Argon2i.ident(), ..hash };
        assert!(ours.verify_password(b"secret", &other).is_err());
    }
}
