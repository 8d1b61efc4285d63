//! API keys: long-lived credentials for programs.
//!
//! A key is `orn_` followed by 32 random bytes in hex and is shown once. Its SHA-256 is stored, which suffices for random keys. A key has the
//! permissions of its scopes, and never more than its owner.

use std::collections::BTreeSet;
use std::path::Component;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::key_format::PREFIX;
use super::principal::{Credential, Principal};
use super::{Auth, AuthError, ClientOrigin};
use crate::run::store::{ApiKeyRecord, Audited, StoreError};
use crate::types::{Caller, KeyDefaults, KeyId, Scope, Timestamp, UserName, UserRef, UserRole};

/// Number of random bytes in a key.
const BYTES: usize = 32;

/// Minimum interval between updates of a key's last use, in milliseconds.
const USE_UPDATE_INTERVAL: i64 = 60_000;

/// Maximum length of a key's name, in characters.
const MAX_NAME: usize = 64;

/// Maximum lifetime of a key that expires: ten years.
const MAX_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// Maximum length of a default session, in bytes: that of the header.
const MAX_SESSION: usize = 256;

/// A key to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Name of the key.
    pub name: String,
    /// Scopes of the key.
    pub scopes: BTreeSet<Scope>,
    /// Lifetime; `None` until it is revoked.
    pub expires_in: Option<Duration>,
    /// What requests get unless they state it themselves.
    pub defaults: KeyDefaults,
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
    /// The default session is empty, too long, or contains control characters.
    #[error("the default session must have 1 to {MAX_SESSION} bytes and no control characters")]
    Session,
    /// The default directory is not absolute.
    #[error("the default directory must be an absolute path without `..`, such as /home/me/project")]
    Directory,
}

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// The request is invalid; all its faults, at least one.
    #[error("{}", .0.iter().map(BadKey::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<BadKey>),
    /// The owner is not an admin.
    #[error("the scopes admin and metrics require an admin")]
    AdminScope,
    /// The owner has a default password. A key would extend its reach beyond this machine.
    #[error("{0} still has the default password; set a password before creating API keys")]
    DefaultPassword(UserName),
    /// The owner does not exist.
    #[error("user {0} not found")]
    NoOwner(UserName),
    /// The caller is no admin and names another owner.
    #[error("only admins create keys for other users")]
    OtherOwner,
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: {0}")]
    Random(String),
    /// The store failed.
    #[error("cannot store the key")]
    Store(#[from] StoreError),
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The key does not exist, or belongs to another user.
    #[error("key {0} not found")]
    NotFound(KeyId),
    /// The store failed.
    #[error("cannot remove the key")]
    Store(#[from] StoreError),
}

/// Generates a key.
fn generate() -> Result<String, NewKeyError> {
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| NewKeyError::Random(error.to_string()))?;
    Ok(random.iter().fold(PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

impl Auth {
    /// Creates a key for `owner`, and returns the secret and the record. The secret cannot be retrieved later.
    ///
    /// # Errors
    /// [`NewKeyError`], by cause.
    pub async fn create_key(&self, owner: &UserRef, new: NewKey, audit: Option<Audited>) -> Result<(String, ApiKeyRecord), NewKeyError> {
        let is_valid_name = (1..=MAX_NAME).contains(&new.name.chars().count()) && !new.name.chars().any(char::is_control);
        let is_valid_lifetime = new.expires_in.is_none_or(|lifetime| !lifetime.is_zero() && lifetime <= MAX_LIFETIME);
        let is_valid_session = new.defaults.session.as_ref().is_none_or(|session| {
            (1..=MAX_SESSION).contains(&session.len()) && session.trim() == session && !session.chars().any(char::is_control)
        });
        let is_valid_directory = new
            .defaults
            .directory
            .as_ref()
            .is_none_or(|path| path.is_absolute() && !path.components().any(|part| part == Component::ParentDir));
        let checks = [
            (is_valid_name, BadKey::Name),
            (!new.scopes.is_empty(), BadKey::NoScope),
            (is_valid_lifetime, BadKey::Lifetime),
            (is_valid_session, BadKey::Session),
            (is_valid_directory, BadKey::Directory),
        ];
        let faults: Vec<_> = checks.into_iter().filter(|(is_valid, _fault)| !is_valid).map(|(_, fault)| fault).collect();
        if !faults.is_empty() {
            return Err(NewKeyError::Invalid(faults));
        }
        let user = self.store.user_by_id(owner.id).await?.ok_or_else(|| NewKeyError::NoOwner(owner.name.clone()))?;
        if user.default_password {
            return Err(NewKeyError::DefaultPassword(user.name));
        }
        if new.scopes.iter().any(|scope| scope.is_for_admins()) && user.role != UserRole::Admin {
            return Err(NewKeyError::AdminScope);
        }
        let key = generate()?;
        let now = self.clock.now();
        let expiry = |lifetime: Duration| {
            Timestamp::from_millis(now.as_millis().saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)))
        };
        let record = ApiKeyRecord {
            id: KeyId::new(),
            owner: user.reference(),
            name: new.name,
            hash: Sha256::digest(&key).into(),
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_in.map(expiry),
            last_used_at: None,
            defaults: new.defaults,
        };
        let audit = audit.map(|audit| audit.on_key(record.id));
        if self.store.add_key(record.clone(), audit).await? { Ok((key, record)) } else { Err(NewKeyError::NoOwner(record.owner.name)) }
    }

    /// Up to `limit` keys that the caller may see, of `owner` or of all users, older than `before`, newest first.
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
            None => Some(caller.user.id).filter(|_own| !caller.is_admin()),
            // Keys are removed with their owner, so only present users have any.
            Some(name) => match self.store.user(&name).await?.filter(|owner| caller.may_see(owner.id)) {
                Some(owner) => Some(owner.id),
                None => return Ok(Vec::new()),
            },
        };
        self.store.keys(owner, before, limit).await
    }

    /// The owner of a key that `caller` creates for the user `name`; `None` for the caller. Others than admins learn nothing about other users.
    ///
    /// # Errors
    /// [`NewKeyError::OtherOwner`], [`NewKeyError::NoOwner`], or if the store fails.
    pub async fn key_owner(&self, caller: &Caller, name: Option<UserName>) -> Result<Caller, NewKeyError> {
        match name {
            None => Ok(caller.clone()),
            Some(name) if name == caller.user.name => Ok(caller.clone()),
            Some(_) if !caller.is_admin() => Err(NewKeyError::OtherOwner),
            Some(name) => {
                let user = self.store.user(&name).await?.ok_or(NewKeyError::NoOwner(name))?;
                Ok(Caller { user: user.reference(), role: user.role })
            }
        }
    }

    /// Revokes a key. Requests with it are rejected from now on, and its streams end.
    ///
    /// # Errors
    /// [`RevokeError`], by cause.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId, audit: Option<Audited>) -> Result<(), RevokeError> {
        let key = self.store.key(id).await?;
        if !key.is_some_and(|key| caller.may_see(key.owner.id)) {
            return Err(RevokeError::NotFound(id));
        }
        let removed = self.store.remove_key(id, audit).await;
        self.changes.send_replace(());
        if removed? { Ok(()) } else { Err(RevokeError::NotFound(id)) }
    }

    /// Authenticates a key.
    pub(super) async fn authenticate_key(&self, presented: &str, origin: ClientOrigin) -> Result<Principal, AuthError> {
        let hash: [u8; 32] = Sha256::digest(presented).into();
        let found = match hash.first_chunk() {
            Some(prefix) => self.store.key_by_hash(*prefix).await?,
            None => None,
        };
        let Some(key) = found.filter(|key| key.hash.ct_eq(&hash).into()) else { return Err(AuthError::Invalid) };
        let (id, last_used_at, now) = (key.id, key.last_used_at, self.clock.now());
        let principal = self.principal_of(key).await?.require_allowed(origin)?;
        // The absolute difference, so that a clock that was set back does not stop the updates.
        if last_used_at.is_none_or(|last| now.as_millis().abs_diff(last.as_millis()) >= USE_UPDATE_INTERVAL.unsigned_abs())
            && let Err(error) = self.store.key_used(id, now).await
        {
            tracing::warn!(key.id = %id, %error, "cannot record the use of an API key");
        }
        Ok(principal)
    }

    /// The principal of a key, if it is still valid.
    pub(super) async fn principal_by_key_id(&self, id: KeyId) -> Result<Principal, AuthError> {
        let key = self.store.key(id).await?.ok_or(AuthError::Invalid)?;
        self.principal_of(key).await
    }

    async fn principal_of(&self, key: ApiKeyRecord) -> Result<Principal, AuthError> {
        let remaining = key.expires_at.map(|end| end.as_millis().saturating_sub(self.clock.now().as_millis()));
        if remaining.is_some_and(|remaining| remaining <= 0) {
            return Err(AuthError::Expired);
        }
        let user = self.store.user_by_id(key.owner.id).await?.ok_or(AuthError::Invalid)?;
        let is_admin = user.role == UserRole::Admin && key.scopes.contains(&Scope::Admin);
        let mut scopes = key.scopes;
        if user.role != UserRole::Admin {
            scopes.retain(|scope| !scope.is_for_admins());
        }
        let role = if is_admin { UserRole::Admin } else { UserRole::User };
        Ok(Principal {
            caller: Caller { user: user.reference(), role },
            expires_in: remaining.map(|remaining| Duration::from_millis(remaining.unsigned_abs())),
            default_password: user.default_password,
            credential: Credential::Key { id: key.id, scopes, defaults: Box::new(key.defaults) },
        })
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I2, I4.

    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use tempfile::TempDir;

    use super::*;
    use crate::auth::tests::{LOCAL, ManualClock, REMOTE, admin, fresh};
    use crate::types::BudgetChange;

    fn new(scopes: &[Scope]) -> NewKey {
        NewKey { name: "ci".into(), scopes: scopes.iter().copied().collect(), expires_in: None, defaults: KeyDefaults::default() }
    }

    async fn with_own_password() -> (Auth, Arc<ManualClock>, TempDir) {
        let (auth, clock, directory) = fresh().await;
        auth.change_user(&admin(), None, Some("long enough"), BudgetChange::default(), None).await.unwrap();
        (auth, clock, directory)
    }

    /// Creates a key for admin.
    async fn create(auth: &Auth, new: NewKey) -> Result<(String, ApiKeyRecord), NewKeyError> {
        let admin = auth.user(&admin()).await.unwrap().unwrap().reference();
        auth.create_key(&admin, new, None).await
    }

    #[tokio::test]
    async fn a_key_has_32_random_bytes_and_only_its_hash_is_stored() {
        let (auth, _clock, _directory) = with_own_password().await;
        let (key, record) = create(&auth, new(&[Scope::RunsRead])).await.unwrap();
        let (other, _record) = create(&auth, new(&[Scope::RunsRead])).await.unwrap();
        assert_eq!((key.len(), &key[..4], key == other), (4 + 2 * BYTES, PREFIX, false));
        assert_eq!(auth.store.key(record.id).await.unwrap().unwrap().hash, <[u8; 32]>::from(Sha256::digest(&key)));
        let principal = auth.authenticate(&key, REMOTE).await.unwrap();
        assert_eq!((&principal.caller.user.name, principal.key(), principal.expires_in), (&admin(), Some(record.id), None));
    }

    #[tokio::test]
    async fn similar_texts_are_not_accepted_as_a_key() {
        let (auth, _clock, _directory) = with_own_password().await;
        let (key, record) = create(&auth, new(&[Scope::RunsRead])).await.unwrap();
        for wrong in [&key[..key.len() - 1], &format!("{key}0"), &key.to_uppercase(), PREFIX, "orn_", &format!("orn_{}", record.id)] {
            assert!(matches!(auth.authenticate(wrong, LOCAL).await, Err(AuthError::Invalid)), "{wrong}");
        }
        // A record with the same prefix of the hash but another rest.
        let mut twin = record.clone();
        (twin.id, twin.hash[31]) = (KeyId::new(), twin.hash[31] ^ 1);
        auth.store.remove_key(record.id, None).await.unwrap();
        assert!(auth.store.add_key(twin, None).await.unwrap());
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn users_with_a_default_password_cannot_create_keys() {
        let (auth, _clock, _directory) = fresh().await;
        let refused = create(&auth, new(&[Scope::RunsRead])).await;
        assert!(matches!(refused, Err(NewKeyError::DefaultPassword(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_key_never_exceeds_its_scopes_and_its_owners_role() {
        let (auth, _clock, _directory) = with_own_password().await;
        let (plain, _record) = create(&auth, new(&[Scope::RunsRead])).await.unwrap();
        assert!(
            !auth.authenticate(&plain, LOCAL).await.unwrap().caller.is_admin(),
            "an admin's key without the scope has the role of a plain user"
        );
        let (key, _record) = create(&auth, new(&[Scope::RunsRead, Scope::Admin, Scope::Metrics])).await.unwrap();
        assert!(auth.authenticate(&key, LOCAL).await.unwrap().caller.is_admin());
        auth.add_user("deputy".parse().unwrap(), UserRole::Admin, "another one", None).await.unwrap();
        auth.change_user(&admin(), Some(UserRole::User), None, BudgetChange::default(), None).await.unwrap();
        let demoted = auth.authenticate(&key, LOCAL).await.unwrap();
        assert!(
            !demoted.caller.is_admin()
                && !demoted.has_scope(Scope::Admin)
                && !demoted.has_scope(Scope::Metrics)
                && demoted.has_scope(Scope::RunsRead)
        );
        for scope in [Scope::Admin, Scope::Metrics] {
            let refused = create(&auth, new(&[scope])).await;
            assert!(matches!(refused, Err(NewKeyError::AdminScope)), "{refused:?}");
        }
        auth.remove_user(&admin(), None).await.unwrap();
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)), "it is revoked with its owner");
    }

    #[tokio::test]
    async fn a_key_is_valid_until_it_expires_or_is_revoked() {
        let (auth, clock, _directory) = with_own_password().await;
        let minute = NewKey { expires_in: Some(Duration::from_mins(1)), ..new(&[Scope::RunsRead]) };
        let (key, record) = create(&auth, minute).await.unwrap();
        let principal = auth.authenticate(&key, LOCAL).await.unwrap();
        assert_eq!(principal.expires_in, Some(Duration::from_mins(1)));
        clock.0.fetch_add(60_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Expired)));
        clock.0.fetch_sub(1_000, Ordering::Relaxed);
        let stranger = Caller { user: UserRef::named("user"), role: UserRole::User };
        assert!(matches!(auth.revoke_key(&stranger, record.id, None).await, Err(RevokeError::NotFound(_))));
        assert!(auth.recheck(&principal).await.is_ok());
        auth.revoke_key(&Caller { user: UserRef::named("another"), role: UserRole::Admin }, record.id, None).await.unwrap();
        assert!(matches!(auth.authenticate(&key, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn the_use_of_a_key_is_recorded_once_a_minute() {
        let (auth, clock, _directory) = with_own_password().await;
        let (key, record) = create(&auth, new(&[Scope::RunsRead])).await.unwrap();
        let created = record.created_at.as_millis();
        let mut seen = Vec::new();
        for passed in [0, 59_999, 1, 120_000] {
            clock.0.fetch_add(passed, Ordering::Relaxed);
            auth.authenticate(&key, LOCAL).await.unwrap();
            seen.push(auth.store.key(record.id).await.unwrap().unwrap().last_used_at.unwrap().as_millis() - created);
        }
        assert_eq!(seen, [0, 0, 60_000, 180_000]);
    }

    #[tokio::test]
    async fn invalid_names_scopes_and_lifetimes_are_rejected() {
        let (auth, _clock, _directory) = with_own_password().await;
        for name in ["", "a\nb", &"x".repeat(65)] {
            let refused = create(&auth, NewKey { name: name.to_owned(), ..new(&[Scope::RunsRead]) }).await;
            assert!(matches!(refused, Err(NewKeyError::Invalid(ref faults)) if *faults == [BadKey::Name]), "{name:?}");
        }
        assert!(matches!(create(&auth, new(&[])).await, Err(NewKeyError::Invalid(faults)) if faults == [BadKey::NoScope]));
        for life in [Duration::ZERO, Duration::MAX] {
            let refused = create(&auth, NewKey { expires_in: Some(life), ..new(&[Scope::RunsRead]) }).await;
            assert!(matches!(refused, Err(NewKeyError::Invalid(ref faults)) if *faults == [BadKey::Lifetime]), "{life:?}");
        }
        let missing = auth.create_key(&UserRef::named("missing"), new(&[Scope::RunsRead]), None).await;
        assert!(matches!(missing, Err(NewKeyError::NoOwner(_))));
    }
}
