//! The service that lets users in: logins, tokens, and the users that exist before anyone has made one.

use std::sync::Arc;
use std::time::Duration;

use super::api_keys::is_key;
use super::jwt::{BadToken, LIFETIME_SECS, Tokens};
use super::password::Passwords;
use super::principal::{Credential, Principal, TokenFacts};
use super::{ClientOrigin, HashError, SigningKey};
use crate::config::Secret;
use crate::run::store::{KeyStore, StoreError, TokenStore, UserRecord, UserStore};
use crate::types::{Budget, Caller, Clock, Timestamp, UserName, UserRole};

/// The documented users of a fresh server, whose passwords are their names.
const DEFAULT_USERS: [(&str, UserRole); 2] = [("admin", UserRole::Admin), ("user", UserRole::User)];

/// Everything that is kept of users.
pub trait IdentityStore: UserStore + KeyStore + TokenStore {}

impl<S: UserStore + KeyStore + TokenStore> IdentityStore for S {}

/// A login's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginResult {
    /// The token, to be sent as `Authorization: Bearer`.
    pub token: String,
    /// How long it is good, in seconds.
    pub expires_in: i64,
    /// Who logged in.
    pub caller: Caller,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, or not their password; which of both is not told.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// The password is a default one, and those work on this machine only.
    #[error("the password of `{0}` is the default one")]
    DefaultPasswordNotLocal(UserName),
    /// The store failed.
    #[error("the users could not be read")]
    Store(#[from] StoreError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Sign,
}

/// Why a token does not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours, or its user or the user's password is no longer the same.
    #[error("the token is not valid")]
    Invalid,
    /// It was got with a default password, and those work on this machine only.
    #[error("the token of `{0}` was got with the default password")]
    DefaultPasswordNotLocal(UserName),
    /// An API key stands in an address, where it would be written into histories and logs.
    #[error("an API key does not belong in an address")]
    KeyInQuery,
    /// The store failed.
    #[error("the users could not be read")]
    Store(#[from] StoreError),
}

/// Why somebody was not logged out.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// There is no login to end.
    #[error("an API key is not logged in; revoke it instead")]
    NotALogin,
    /// The store failed.
    #[error("the logout could not be stored")]
    Store(#[from] StoreError),
}

/// Why the users could not be set up at start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The configured password for admin is the documented one, which would let anyone in from anywhere.
    #[error(
        "OPENRUNNER_ADMIN_PASSWORD is the documented default: set another password, or none to leave the default for this machine only"
    )]
    AdminPasswordIsDefault,
    /// The store failed.
    #[error("the users could not be set up")]
    Store(#[from] StoreError),
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Lets users in. Shared by all requests.
pub struct Auth {
    pub(super) store: Arc<dyn IdentityStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: Tokens,
    pub(super) passwords: Passwords,
}

impl Auth {
    /// The service over the users of `store`. If there are none at all, adds the default users. Gives admin the configured password unless
    /// it is admin's already: a password that is set ends the tokens that were got with the one before.
    ///
    /// # Errors
    /// [`SetupError`]
    pub async fn start(
        store: Arc<dyn IdentityStore>,
        clock: Arc<dyn Clock>,
        key: &SigningKey,
        admin_password: Option<&Secret>,
    ) -> Result<Self, SetupError> {
        let auth = Self { store, clock, tokens: Tokens::new(key), passwords: Passwords::new()? };
        auth.set_up(admin_password).await?;
        Ok(auth)
    }

    async fn set_up(&self, admin_password: Option<&Secret>) -> Result<(), SetupError> {
        // Only on a fresh store: a default user who was removed stays removed.
        if self.store.users(None, 1).await?.is_empty() {
            for (name, role) in DEFAULT_USERS {
                let Ok(user) = name.parse::<UserName>() else { continue };
                let password_hash = self.passwords.hash(name).await?;
                self.store
                    .add_user(UserRecord {
                        name: user,
                        role,
                        password_hash,
                        default_password: true,
                        generation: 1,
                        budget: Budget::default(),
                    })
                    .await?;
            }
        }
        let (Some(password), (name, _role)) = (admin_password, DEFAULT_USERS[0]) else { return Ok(()) };
        if password.expose() == name {
            return Err(SetupError::AdminPasswordIsDefault);
        }
        let Ok(admin) = name.parse::<UserName>() else { return Ok(()) };
        let Some(record) = self.store.user(&admin).await? else {
            tracing::warn!("OPENRUNNER_ADMIN_PASSWORD is set, but the user admin was removed; it changes nothing");
            return Ok(());
        };
        if record.default_password || !self.passwords.matches(password.expose(), Some(&record.password_hash)).await? {
            self.store.set_password(&admin, self.passwords.hash(password.expose()).await?).await?;
        }
        Ok(())
    }

    /// Whether a user still has a default password, who therefore cannot log in from elsewhere.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn has_default_passwords(&self) -> Result<bool, StoreError> {
        for (name, _role) in DEFAULT_USERS {
            let Ok(name) = name.parse::<UserName>() else { continue };
            if self.store.user(&name).await?.is_some_and(|user| user.default_password) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether somebody who knows only the default passwords could speak for `user`: as that user, or as the admin, who may do everything.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn default_password_reaches(&self, user: &UserName) -> Result<bool, StoreError> {
        for name in ["admin", user.as_str()] {
            let Ok(name) = name.parse::<UserName>() else { continue };
            if self.store.user(&name).await?.is_some_and(|user| user.default_password) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks a name and a password. An unknown name takes as long as a wrong password and gets the same answer.
    ///
    /// # Errors
    /// [`LoginError`]; a default password is told from a wrong one only to whoever knows it.
    pub async fn login(&self, name: &str, password: &str, origin: ClientOrigin) -> Result<LoginResult, LoginError> {
        let user = match name.parse::<UserName>() {
            Ok(name) => self.store.user(&name).await?,
            Err(_not_a_name) => None,
        };
        let matches = self.passwords.matches(password, user.as_ref().map(|user| user.password_hash.as_str())).await?;
        let Some(user) = user.filter(|_user| matches) else { return Err(LoginError::WrongCredentials) };
        if user.default_password && !origin.is_local {
            return Err(LoginError::DefaultPasswordNotLocal(user.name));
        }
        self.token_for(user)
    }

    pub(super) fn token_for(&self, user: UserRecord) -> Result<LoginResult, LoginError> {
        let token = self.tokens.make(&user.name, user.generation, user.default_password, self.clock.now()).ok_or(LoginError::Sign)?;
        Ok(LoginResult { token, expires_in: LIFETIME_SECS, caller: Caller { user: user.name, role: user.role } })
    }

    /// Who a token or an API key belongs to. The user is looked up each time: a role, a removal or a new password counts from the next
    /// request on.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn authenticate(&self, presented: &str, origin: ClientOrigin) -> Result<Principal, AuthError> {
        if is_key(presented) {
            return self.by_key(presented, origin).await;
        }
        let claims = self.tokens.read(presented, self.clock.now()).map_err(|bad| match bad {
            BadToken::Expired => AuthError::Expired,
            BadToken::Invalid => AuthError::Invalid,
        })?;
        let token = TokenFacts {
            id: claims.jti,
            expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1000)),
            generation: claims.generation,
            default_password: claims.default_password,
        };
        self.by_token(&claims.sub, token).await?.require_allowed(origin)
    }

    /// The same principal by the store's present word: for what goes on after its request, such as a stream.
    ///
    /// # Errors
    /// [`AuthError`], if it would not be let in any more.
    pub async fn recheck(&self, principal: &Principal) -> Result<Principal, AuthError> {
        match &principal.credential {
            Credential::Token(token) => self.by_token(&principal.caller.user, *token).await,
            Credential::Key { id, .. } => self.by_key_id(*id).await,
        }
    }

    /// Ends the token that the principal came with: no request is let in by it any more, and what it began ends soon.
    ///
    /// # Errors
    /// [`LogoutError`], by cause.
    pub async fn logout(&self, principal: &Principal) -> Result<(), LogoutError> {
        let Credential::Token(token) = &principal.credential else { return Err(LogoutError::NotALogin) };
        Ok(self.store.revoke_token(token.id, token.expires_at, self.clock.now()).await?)
    }

    /// Whose a token is that is known to be ours, if it is still good.
    pub(super) async fn by_token(&self, user: &UserName, token: TokenFacts) -> Result<Principal, AuthError> {
        let user = self.store.user(user).await?.ok_or(AuthError::Invalid)?;
        if user.generation != token.generation || self.store.is_revoked(token.id).await? {
            return Err(AuthError::Invalid);
        }
        let left = token.expires_at.as_millis().saturating_sub(self.clock.now().as_millis());
        Ok(Principal {
            caller: Caller { user: user.name, role: user.role },
            expires_in: Some(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
            default_password: token.default_password || user.default_password,
            credential: Credential::Token(token),
        })
    }
}

impl Principal {
    /// This principal, unless a default password is used from elsewhere.
    pub(super) fn require_allowed(self, origin: ClientOrigin) -> Result<Self, AuthError> {
        if self.default_password && !origin.is_local {
            return Err(AuthError::DefaultPasswordNotLocal(self.caller.user));
        }
        Ok(self)
    }
}

impl std::fmt::Debug for LoginResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginAnswer").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::run::store::{SqliteStore, UserEdit};

    /// A clock that stands where it is put.
    pub(crate) struct ManualClock(pub(crate) AtomicI64);

    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    pub(crate) const LOCAL: ClientOrigin = ClientOrigin { addr: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), is_local: true };
    pub(crate) const REMOTE: ClientOrigin = ClientOrigin { addr: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))), is_local: false };

    /// The service over a store, with cheap hashes, at a moment of 2027.
    pub(crate) async fn auth_over(
        store: Arc<dyn IdentityStore>,
        admin_password: Option<&str>,
    ) -> Result<(Auth, Arc<ManualClock>), SetupError> {
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000)));
        let key = SigningKey::load(Some(&Secret::new("k".repeat(32))), Path::new("/nowhere")).unwrap();
        let auth = Auth { store, clock: clock.clone(), tokens: Tokens::new(&key), passwords: Passwords::cheap() };
        auth.set_up(admin_password.map(|password| Secret::new(password.to_owned())).as_ref()).await?;
        Ok((auth, clock))
    }

    /// The service over a fresh store, which is gone with the folder.
    pub(crate) async fn fresh() -> (Auth, Arc<ManualClock>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (auth, clock) = auth_over(Arc::new(SqliteStore::open(folder.path()).unwrap()), None).await.unwrap();
        (auth, clock, folder)
    }

    pub(crate) fn admin() -> UserName {
        "admin".parse().unwrap()
    }

    #[tokio::test]
    async fn i1_default_users_get_in_from_this_machine() {
        let (auth, _clock, _folder) = fresh().await;
        for (name, role) in DEFAULT_USERS {
            let answer = auth.login(name, name, LOCAL).await.unwrap();
            assert_eq!((answer.caller.user.as_str(), answer.caller.role, answer.expires_in), (name, role, 86_400));
            assert_eq!(auth.authenticate(&answer.token, LOCAL).await.unwrap().caller, answer.caller);
        }
        assert!(auth.has_default_passwords().await.unwrap());
    }

    #[tokio::test]
    async fn i1_default_passwords_do_not_work_from_elsewhere() {
        let (auth, _clock, _folder) = fresh().await;
        for origin in [REMOTE, ClientOrigin::default(), ClientOrigin { is_local: false, ..LOCAL }] {
            let refused = auth.login("admin", "admin", origin).await;
            assert!(matches!(refused, Err(LoginError::DefaultPasswordNotLocal(_))), "{refused:?}");
            let refused = auth.login("admin", "wrong", origin).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn i2_a_token_got_with_a_default_password_cannot_be_carried_off() {
        let (auth, _clock, _folder) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::DefaultPasswordNotLocal(_))));
    }

    #[tokio::test]
    async fn i2_setting_a_password_ends_the_tokens_of_the_one_before() {
        let (auth, _clock, _folder) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        auth.store.set_password(&admin(), auth.passwords.hash("better").await.unwrap()).await.unwrap();
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.login("admin", "admin", LOCAL).await, Err(LoginError::WrongCredentials)));
        let token = auth.login("admin", "better", REMOTE).await.unwrap().token;
        assert!(auth.authenticate(&token, REMOTE).await.is_ok());
    }

    #[tokio::test]
    async fn i4_role_and_existence_come_from_the_store_at_every_request() {
        let (auth, _clock, _folder) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        auth.store.change_user(&"user".parse().unwrap(), UserEdit { role: Some(UserRole::Admin), ..UserEdit::default() }).await.unwrap();
        auth.store.change_user(&admin(), UserEdit { role: Some(UserRole::User), ..UserEdit::default() }).await.unwrap();
        assert_eq!(auth.authenticate(&token, LOCAL).await.unwrap().caller.role, UserRole::User);
        auth.store.remove_user(&admin()).await.unwrap();
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn i4_a_token_ends_after_a_day() {
        let (auth, clock, _folder) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        assert_eq!(principal.expires_in, Some(Duration::from_hours(24)));
        clock.0.fetch_add(86_406_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn i7_an_unknown_user_and_a_wrong_password_get_the_same_answer() {
        let (auth, _clock, _folder) = fresh().await;
        for name in ["nobody", "admin", "", "../x", "ADMIN", &"a".repeat(100)] {
            let refused = auth.login(name, "wrong", LOCAL).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{name}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn i1_a_configured_admin_password_is_set_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let users = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let (auth, _clock) = auth_over(users.clone(), Some("chosen")).await.unwrap();
        let token = auth.login("admin", "chosen", REMOTE).await.unwrap().token;
        let (again, _clock) = auth_over(users.clone(), Some("chosen")).await.unwrap();
        assert!(again.authenticate(&token, REMOTE).await.is_ok(), "the same password at the next start ends no token");
        let (other, _clock) = auth_over(users.clone(), Some("changed")).await.unwrap();
        assert!(matches!(other.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        let (without, _clock) = auth_over(users, None).await.unwrap();
        assert!(without.login("admin", "changed", REMOTE).await.is_ok(), "no configured password changes nothing");
    }

    #[tokio::test]
    async fn i1_the_documented_password_cannot_be_made_admins_own() {
        let folder = tempfile::tempdir().unwrap();
        let refused = auth_over(Arc::new(SqliteStore::open(folder.path()).unwrap()), Some("admin")).await;
        assert!(matches!(refused, Err(SetupError::AdminPasswordIsDefault)));
    }

    #[tokio::test]
    async fn default_users_are_made_on_a_fresh_store_only() {
        let (auth, _clock, _folder) = fresh().await;
        let before = auth.store.user(&admin()).await.unwrap();
        auth.store.remove_user(&"user".parse().unwrap()).await.unwrap();
        let (again, _clock) = auth_over(auth.store.clone(), None).await.unwrap();
        assert_eq!(again.store.user(&admin()).await.unwrap(), before);
        assert_eq!(again.store.user(&"user".parse().unwrap()).await.unwrap(), None, "who was removed stays removed");
    }

    #[tokio::test]
    async fn i4_a_token_that_was_logged_out_is_worthless_and_others_stay_good() {
        let (auth, _clock, _folder) = fresh().await;
        let one = auth.login("user", "user", LOCAL).await.unwrap().token;
        let other = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&one, LOCAL).await.unwrap();
        auth.logout(&principal).await.unwrap();
        auth.logout(&principal).await.unwrap();
        assert!(matches!(auth.authenticate(&one, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)));
        assert!(auth.authenticate(&other, LOCAL).await.is_ok());
    }
}
