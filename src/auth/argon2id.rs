//! Argon2id with memory that is returned to the system after each hash.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self, CustomizedPasswordHasher, PasswordHasher};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Minimum allocation, in blocks of 1 KiB; unused blocks are never mapped. GNU's allocator keeps freed memory below 32 MiB, which would be 19 MiB
/// for each thread that has computed a hash, and returns larger allocations to the system (`mallopt(3)`, `M_MMAP_THRESHOLD`).
const MIN_BLOCKS: usize = 33 * 1024;

/// Argon2id version 1.3 of the `argon2` crate, with the cost of its parameters.
#[derive(Clone, Debug)]
pub(super) struct Argon2id {
    params: Params,
}

impl Argon2id {
    pub(super) fn new(params: Params) -> Self {
        Self { params }
    }

    /// Random bytes in the form of a hash. Checking a password against it has the usual cost. Computing a real hash would delay every start by
    /// tens of milliseconds.
    pub(super) fn unmatchable_hash(&self) -> password_hash::Result<PasswordHash> {
        let (mut salt, mut hash) = ([0; Salt::RECOMMENDED_LENGTH], [0; Params::DEFAULT_OUTPUT_LEN]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut hash)).map_err(|_| password_hash::Error::RngFailure)?;
        self.to_phc(Salt::new(&salt)?, &hash)
    }

    fn to_phc(&self, salt: Salt, hash: &[u8]) -> password_hash::Result<PasswordHash> {
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
        let mut blocks = Vec::with_capacity(count.max(MIN_BLOCKS));
        blocks.resize(count, Block::new());
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        Argon2::new(algorithm, version, self.params.clone()).hash_password_into_with_memory(password, &salt, &mut hash, &mut blocks)?;
        self.to_phc(salt, &hash)
    }
}

/// Hashes with the parameters of a hash to be checked. The crate provides the check, in constant time.
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
        // No version has written anything else, so anything else is damaged.
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
    //! Rules: I7.

    use argon2::PasswordVerifier as _;

    use super::*;

    #[test]
    fn hashes_equal_those_of_the_argon2_crate() {
        let (ours, theirs) = (Argon2id::new(Params::DEFAULT), Argon2::default());
        let hash = ours.hash_password_with_salt(b"secret", b"salt of 16 bytes").unwrap();
        assert_eq!(hash, theirs.hash_password_with_salt(b"secret", b"salt of 16 bytes").unwrap());
        assert!(ours.verify_password(b"secret", &hash).is_ok());
        assert!(ours.verify_password(b"Secret", &hash).is_err());
        let other = PasswordHash { algorithm: Algorithm::Argon2i.ident(), ..hash };
        assert!(ours.verify_password(b"secret", &other).is_err());
    }
}
