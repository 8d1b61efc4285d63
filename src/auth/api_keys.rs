//! API keys: for programs, which have no password and stay for long.
//!
//! A key is `orn_` and 32 random bytes, shown once. What is stored is its SHA-256, which suffices where guessing is hopeless. A key can do
//! what its scopes say and never more than its owner.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::principal::{Credential, Principal};
use super::{Auth, AuthError, ClientOrigin};
use crate::run::store::{ApiKeyRecord, StoreError};
use crate::types::{Caller, KeyId, Scope, Timestamp, UserName, UserRole};

/// What keys begin with, so that they are told from tokens, and found where they do not belong.
const PREFIX: &str = "orn_";

/// Random bytes of a key.
const BYTES: usize = 32;

/// How often at most it is written down that a key is used, in milliseconds: a minute.
const NOTE_USE_EVERY: i64 = 60_000;

/// Longest name of a key, in characters.
const MAX_NAME: usize = 64;

/// Longest life of a key that has an end: ten years.
const MAX_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// How long it is good; `None` until it is revoked.
    pub expires_in: Option<Duration>,
}

/// A fault of a [`NewKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The name is empty, too long, or contains control characters.
    #[error("the name must have 1 to {MAX_NAME} characters and no control characters")]
    Name,
    /// There is no scope.
    #[error("at least one scope is required: runs:read, runs:write, admin or metrics")]
    NoScope,
    /// The lifetime is out of range.
    #[error("the lifetime must be between 1 second and ten years; omit it for a key that does not expire")]
    Lifetime,
}

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// The request is invalid; all its faults, at least one.
    #[error("{}", .0.iter().map(BadKey::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<BadKey>),
    /// Its owner is no admin.
    #[error("the scopes admin and metrics are for admins")]
    AdminScope,
    /// The owner's password is a default one: whoever sits at this machine could make a key and carry it off.
    #[error("`{0}` still has the default password, and with it keys cannot be made: set a password first")]
    DefaultPassword(UserName),
    /// There is no such owner, or not any more.
    #[error("there is no user {0}")]
    NoOwner(UserName),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// The store failed.
    #[error("the key could not be stored")]
    Store(#[from] StoreError),
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is none, or it is somebody else's, which is the same to the caller.
    #[error("there is no key {0}")]
    NotFound(KeyId),
    /// The store failed.
    #[error("the key could not be removed")]
    Store(#[from] StoreError),
}

/// Whether a text wants to be a key.
pub(super) fn is_key(presented: &str) -> bool {
    presented.starts_with(PREFIX)
}

/// A fresh key.
fn generate() -> Result<String, NewKeyError> {
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| NewKeyError::Random(error.to_string()))?;
    Ok(random.iter().fold(PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

impl Auth {
    /// Makes a key for `owner` and gives it with its row. It is shown this once and can never be had again.
    ///
    /// # Errors
    /// [`NewKeyError`], by cause.
    pub async fn create_key(&self, owner: &UserName, new: NewKey) -> Result<(String, ApiKeyRecord), NewKeyError> {
        let is_valid_name = (1..=MAX_NAME).contains(&new.name.chars().count()) && !new.name.chars().any(char::is_control);
        let is_valid_lifetime = new.expires_in.is_none_or(|lifetime| !lifetime.is_zero() && lifetime <= MAX_LIFETIME);
        let checks = [(is_valid_name, BadKey::Name), (!new.scopes.is_empty(), BadKey::NoScope), (is_valid_lifetime, BadKey::Lifetime)];
        let faults: Vec<_> = checks.into_iter().filter(|(is_valid, _fault)| !is_valid).map(|(_, fault)| fault).collect();
        if !faults.is_empty() {
            return Err(NewKeyError::Invalid(faults));
        }
        let user = self.store.user(owner).await?.ok_or_else(|| NewKeyError::NoOwner(owner.clone()))?;
        if user.default_password {
            return Err(NewKeyError::DefaultPassword(user.name));
        }
        if new.scopes.iter().any(|scope| scope.is_for_admins()) && user.role != UserRole::Admin {
            return Err(NewKeyError::AdminScope);
        }
        let key = generate()?;
        let now = self.clock.now();
        let ends =
            |life: Duration| Timestamp::from_millis(now.as_millis().saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)));
        let record = ApiKeyRecord {
            id: KeyId::new(),
            owner: user.name,
            name: new.name,
            hash: Sha256::digest(&key).into(),
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_in.map(ends),
            last_used_at: None,
        };
        if self.store.add_key(record.clone()).await? { Ok((key, record)) } else { Err(NewKeyError::NoOwner(record.owner)) }
    }

    /// At most `limit` keys that the caller may see, of `owner` or of everyone, that are older than `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn keys(
        &self,
        caller: &Caller,
        owner: Option<UserName>,
        before: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let owner = match owner {
            Some(owner) if !caller.may_see(&owner) => return Ok(Vec::new()),
            None if !caller.is_admin() => Some(caller.user.clone()),
            owner => owner,
        };
        self.store.keys(owner, before, limit).await
    }

    /// Ends a key: the next request with it is refused.
    ///
    /// # Errors
    /// [`RevokeError`], by cause.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<(), RevokeError> {
        let key = self.store.key(id).await?;
        if !key.is_some_and(|key| caller.may_see(&key.owner)) || !self.store.remove_key(id).await? {
            return Err(RevokeError::NotFound(id));
        }
        Ok(())
    }

    /// Who shows this key.
    pub(super) async fn by_key(&self, presented: &str, origin: ClientOrigin) -> Result<Principal, AuthError> {
        let hash: [u8; 32] = Sha256::digest(presented).into();
        let found = match hash.first_chunk() {
            Some(begins) => self.store.key_by_hash(*begins).await?,
            None => None,
        };
        let Some(key) = found.filter(|key| key.hash.ct_eq(&hash).into()) else { return Err(AuthError::Invalid) };
        let (id, last_used_at, now) = (key.id, key.last_used_at, self.clock.now());
        let principal = self.principal_of(key).await?.require_allowed(origin)?;
        // A clock that has stepped back must not keep the time from being written down for as long as it stepped.
        if last_used_at.is_none_or(|last| now.as_millis().abs_diff(last.as_millis()) >= NOTE_USE_EVERY.unsigned_abs())
            && let Err(error) = self.store.key_used(id, now).await
        {
            tracing::warn!(key.id = %id, %error, "it could not be written down that a key was used");
        }
        Ok(principal)
    }

    /// Whose the key of that id is, if it is still good.
    pub(super) async fn by_key_id(&self, id: KeyId) -> Result<Principal, AuthError> {
        let key = self.store.key(id).await?.ok_or(AuthError::Invalid)?;
        self.principal_of(key).await
    }

    async fn principal_of(&self, key: ApiKeyRecord) -> Result<Principal, AuthError> {
        let left = key.expires_at.map(|end| end.as_millis().saturating_sub(self.clock.now().as_millis()));
        if left.is_some_and(|left| left <= 0) {
            return Err(AuthError::Expired);
        }
        let user = self.store.user(&key.owner).await?.ok_or(AuthError::Invalid)?;
        let is_admin = user.role == UserRole::Admin && key.scopes.contains(&Scope::Admin);
        let mut scopes = key.scopes;
        if user.role != UserRole::Admin {
            scopes.retain(|scope| !scope.is_for_admins());
        }
        let role = if is_admin { UserRole::Admin } else { UserRole::User };
        Ok(Principal {
            caller: Caller { user: user.name, role },
            expires_in: left.map(|left| Duration::from_millis(left.unsigned_abs())),
            default_password: user.default_password,
            credential: Credential::Key { id: key.id, scopes },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use tempfile::TempDir;

    use super::*;
    use crate::auth::tests::{LOCAL, ManualClock, REMOTE, admin, fresh};
    use crate::types::BudgetChange;

    fn new(scopes: &[Scope]) -> NewKey {
        NewKey { name: "ci".into(), scopes: scopes.iter().copied().collect(), expires_in: None }
    }

    async fn with_own_password() -> (Auth, Arc<ManualClock>, TempDir) {
        let (auth, clock, folder) = fresh().await;
        auth.change_user(&admin(), None, Some("long enough"), BudgetChange::default()).await.unwrap();
        (auth, clock, folder)
    }

    #[tokio::test]
    async fn a_key_is_32_random_bytes_of_which_the_hash_is_kept() {
        let (auth, _clock, _folder) = with_own_password().await;
        let (key, record) = auth.create_key(&admin(), new(&[Scope::RunsRead])).await.unwrap();
        let (other, _record) = auth.create_key(&admin(), new(&[Scope::RunsRead])).await.unwrap();
        assert_eq!((key.len(), &key[..4], key == other), (4 + 2 * BYTES, PREFIX, false));
        assert_eq!(auth.store.key(record.id).await.unwrap().unwrap().hash, <[u8; 32]>::from(Sha256::digest(&key)));
        let principal = auth.authenticate(&key, REMOTE).await.unwrap();
        assert_eq!((&principal.caller.user, principal.key(), principal.expires_in), (&admin(), Some(record.id), None));
    }

    #[tokio::test]
    async fn i4_what_is_almost_a_key_is_none() {
        let (auth, _clock, _folder) = with_own_password().await;
        let (key, record) = auth.create_key(&admin(), new(&[Scope::RunsRead])).await.unwrap();
        for wrong in [&key[..key.len() - 1], &format!("{key}0"), &key.to_uppercase(), PREFIX, "orn_", &format!("orn_{}", record.id)] {
            assert!(matches!(auth.authenticate(wrong, LOCAL).await, Err(AuthError::Invalid)), "{wrong}");
        }
        // A row that is found by the beginning of its hash but differs in the rest lets nobody in.
        let mut twin = record.clone();
        (twin.id, twin.hash[31]) = (KeyId::new(), twin.hash[31] ^ 1);
        auth.store.remove_key(record.id).await.unwrap();
        assert!(auth.store.add_key(twin).await.unwrap());
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn i2_with_a_default_password_no_key_can_be_made() {
        let (auth, _clock, _folder) = fresh().await;
        let refused = auth.create_key(&admin(), new(&[Scope::RunsRead])).await;
        assert!(matches!(refused, Err(NewKeyError::DefaultPassword(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn i4_a_key_never_does_more_than_its_scopes_and_its_owners_role() {
        let (auth, _clock, _folder) = with_own_password().await;
        let (plain, _record) = auth.create_key(&admin(), new(&[Scope::RunsRead])).await.unwrap();
        assert!(!auth.authenticate(&plain, LOCAL).await.unwrap().caller.is_admin(), "an admin's key without the scope is a user's");
        let (key, _record) = auth.create_key(&admin(), new(&[Scope::RunsRead, Scope::Admin, Scope::Metrics])).await.unwrap();
        assert!(auth.authenticate(&key, LOCAL).await.unwrap().caller.is_admin());
        auth.add_user("deputy".parse().unwrap(), UserRole::Admin, "another one").await.unwrap();
        auth.change_user(&admin(), Some(UserRole::User), None, BudgetChange::default()).await.unwrap();
        let demoted = auth.authenticate(&key, LOCAL).await.unwrap();
        assert!(
            !demoted.caller.is_admin()
                && !demoted.has_scope(Scope::Admin)
                && !demoted.has_scope(Scope::Metrics)
                && demoted.has_scope(Scope::RunsRead)
        );
        for scope in [Scope::Admin, Scope::Metrics] {
            let refused = auth.create_key(&admin(), new(&[scope])).await;
            assert!(matches!(refused, Err(NewKeyError::AdminScope)), "{refused:?}");
        }
        auth.remove_user(&admin()).await.unwrap();
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)), "it goes with its owner");
    }

    #[tokio::test]
    async fn a_key_ends_when_it_was_to_end_and_when_it_is_revoked() {
        let (auth, clock, _folder) = with_own_password().await;
        let minute = NewKey { expires_in: Some(Duration::from_mins(1)), ..new(&[Scope::RunsRead]) };
        let (key, record) = auth.create_key(&admin(), minute).await.unwrap();
        let principal = auth.authenticate(&key, LOCAL).await.unwrap();
        assert_eq!(principal.expires_in, Some(Duration::from_mins(1)));
        clock.0.fetch_add(60_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Expired)));
        clock.0.fetch_sub(1_000, Ordering::Relaxed);
        let stranger = Caller { user: "user".parse().unwrap(), role: UserRole::User };
        assert!(matches!(auth.revoke_key(&stranger, record.id).await, Err(RevokeError::NotFound(_))));
        assert!(auth.recheck(&principal).await.is_ok());
        auth.revoke_key(&Caller { user: admin(), role: UserRole::Admin }, record.id).await.unwrap();
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn the_use_of_a_key_is_written_down_once_a_minute() {
        let (auth, clock, _folder) = with_own_password().await;
        let (key, record) = auth.create_key(&admin(), new(&[Scope::RunsRead])).await.unwrap();
        let made = record.created_at.as_millis();
        let mut seen = Vec::new();
        for passed in [0, 59_999, 1, 120_000] {
            clock.0.fetch_add(passed, Ordering::Relaxed);
            auth.authenticate(&key, LOCAL).await.unwrap();
            seen.push(auth.store.key(record.id).await.unwrap().unwrap().last_used_at.unwrap().as_millis() - made);
        }
        assert_eq!(seen, [0, 0, 60_000, 180_000]);
    }

    #[tokio::test]
    async fn a_key_without_a_name_a_scope_or_a_sane_end_is_refused() {
        let (auth, _clock, _folder) = with_own_password().await;
        for name in ["", "a\nb", &"x".repeat(65)] {
            let refused = auth.create_key(&admin(), NewKey { name: name.to_owned(), ..new(&[Scope::RunsRead]) }).await;
            assert!(matches!(refused, Err(NewKeyError::Invalid(ref faults)) if *faults == [BadKey::Name]), "{name:?}");
        }
        assert!(matches!(auth.create_key(&admin(), new(&[])).await, Err(NewKeyError::Invalid(faults)) if faults == [BadKey::NoScope]));
        for life in [Duration::ZERO, Duration::MAX] {
            let refused = auth.create_key(&admin(), NewKey { expires_in: Some(life), ..new(&[Scope::RunsRead]) }).await;
            assert!(matches!(refused, Err(NewKeyError::Invalid(ref faults)) if *faults == [BadKey::Lifetime]), "{life:?}");
        }
        let nobody = auth.create_key(&"nobody".parse().unwrap(), new(&[Scope::RunsRead])).await;
        assert!(matches!(nobody, Err(NewKeyError::NoOwner(_))));
    }
}
