//! The authentication service: logins, tokens, and the default users of a fresh server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::digest::{DigestKey, KeyedDigest};
use super::jwt::{BadToken, LIFETIME_SECS, Tokens};
use super::key_format::is_key;
use super::password::Passwords;
use super::principal::{Credential, Principal, TokenFacts};
use super::{ClientAccount, ClientOrigin, HashError, NotServerAccount, SigningKey};
use crate::config::Secret;
use crate::run::store::{Audited, KeyStore, StoreError, TokenStore, UserRecord, UserStore};
use crate::types::{Budget, Caller, Clock, PerQuota, Timestamp, UserId, UserName, UserRole};

/// The documented users of a fresh server. Their passwords equal their names.
const DEFAULT_USERS: [(&str, UserRole); 2] = [("admin", UserRole::Admin), ("user", UserRole::User)];

/// The store of users, keys and revoked tokens.
pub trait IdentityStore: UserStore + KeyStore + TokenStore {}

impl<S: UserStore + KeyStore + TokenStore> IdentityStore for S {}

/// A successful login.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginResult {
    /// The token, to be sent as `Authorization: Bearer`.
    pub token: String,
    /// Lifetime of the token, in seconds.
    pub expires_in: i64,
    /// The user.
    pub caller: Caller,
    /// Whether the user has a default password.
    pub default_password: bool,
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The user does not exist, or the password is wrong. The two are not distinguished.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// The user has a default password, and the client is not local.
    #[error("{0} has the default password, which works only on this machine")]
    DefaultPasswordNotLocal(UserName),
    /// The user has a default password, and the client is not the account that runs the server.
    #[error("{user} has the default password, which works only for the account that runs the server: {cause}")]
    DefaultPasswordOfOther {
        /// The user.
        user: UserName,
        /// Why the client is rejected.
        cause: NotServerAccount,
    },
    /// The store failed.
    #[error("cannot read the users")]
    Store(#[from] StoreError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The token could not be signed.
    #[error("cannot sign the token")]
    Sign,
}

/// Why a token or key is rejected.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It was not issued by this server, was revoked, or the user or the password has changed.
    #[error("the token is invalid")]
    Invalid,
    /// It was obtained with a default password, and the client is not local.
    #[error("the token of {0} was obtained with the default password and works only on this machine")]
    DefaultPasswordNotLocal(UserName),
    /// It was obtained with a default password, and the client is not the account that runs the server.
    #[error("the token of {user} was obtained with the default password and works only for the account that runs the server: {cause}")]
    DefaultPasswordOfOther {
        /// The user.
        user: UserName,
        /// Why the client is rejected.
        cause: NotServerAccount,
    },
    /// An API key is in the query, and would end up in histories and logs.
    #[error("API keys are not accepted in the query")]
    KeyInQuery,
    /// The store failed.
    #[error("cannot read the users")]
    Store(#[from] StoreError),
}

/// Why a logout failed.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The caller used an API key.
    #[error("an API key cannot log out; revoke it instead")]
    NotALogin,
    /// The store failed.
    #[error("cannot store the logout")]
    Store(#[from] StoreError),
}

/// Why the users could not be set up at the start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The configured admin password is the documented default.
    #[error("OPENRUNNER_ADMIN_PASSWORD is the documented default; use another password, or unset it to keep the default for local clients")]
    AdminPasswordIsDefault,
    /// The store failed.
    #[error("cannot set up the users")]
    Store(#[from] StoreError),
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// The authentication service, shared by all requests.
pub struct Auth {
    pub(super) store: Arc<dyn IdentityStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: Tokens,
    pub(super) digests: DigestKey,
    pub(super) passwords: Passwords,
    /// Notified after changes that may end the access of someone.
    pub(super) changes: watch::Sender<()>,
    /// Notified of each subscriber of `changes`.
    pub(super) subscribed: Notify,
}

impl Auth {
    /// Creates the service. Adds the default users to a store without users. Sets admin's password to the configured one unless it is already set,
    /// because setting a password revokes the user's tokens. The default password of `user` then ends as well.
    ///
    /// # Errors
    /// [`SetupError`], by cause.
    pub async fn start(
        store: Arc<dyn IdentityStore>,
        clock: Arc<dyn Clock>,
        key: &SigningKey,
        admin_password: Option<&Secret>,
    ) -> Result<Self, SetupError> {
        let auth = Self {
            store,
            clock,
            tokens: Tokens::new(key),
            digests: DigestKey::new(key),
            passwords: Passwords::new()?,
            changes: watch::Sender::new(()),
            subscribed: Notify::new(),
        };
        auth.set_up(admin_password).await?;
        Ok(auth)
    }

    /// A digest for a purpose that only this server can compute. Digests for different purposes never match.
    pub fn keyed_digest(&self, purpose: &'static str) -> KeyedDigest {
        self.digests.digest(purpose)
    }

    async fn set_up(&self, admin_password: Option<&Secret>) -> Result<(), SetupError> {
        // Only in a store without users, so that removed default users stay removed.
        if !self.store.has_users().await? {
            for (name, role) in DEFAULT_USERS {
                let Ok(user) = name.parse::<UserName>() else { continue };
                let password_hash = self.passwords.hash(name).await?;
                let user = UserRecord {
                    id: UserId::new(),
                    name: user,
                    role,
                    password_hash,
                    default_password: true,
                    generation: 1,
                    budget: Budget::default(),
                    quotas: PerQuota::default(),
                };
                self.store.add_user(user, None).await?;
            }
        }
        let (Some(password), (name, _role)) = (admin_password, DEFAULT_USERS[0]) else { return Ok(()) };
        if password.expose() == name {
            return Err(SetupError::AdminPasswordIsDefault);
        }
        let Ok(admin) = name.parse::<UserName>() else { return Ok(()) };
        let Some(record) = self.store.user(&admin).await? else {
            tracing::warn!("OPENRUNNER_ADMIN_PASSWORD has no effect because the user admin was removed");
            return Ok(());
        };
        if record.default_password || !self.passwords.matches(password.expose(), Some(&record.password_hash)).await? {
            self.store.set_password(record.id, self.passwords.hash(password.expose()).await?).await?;
        }
        self.end_default_passwords().await
    }

    /// Replaces the remaining default passwords by ones that nothing matches, until an admin sets others.
    async fn end_default_passwords(&self) -> Result<(), SetupError> {
        for user in self.default_users().await? {
            if let Some(user) = self.store.user(&user).await? {
                self.store.set_password(user.id, self.passwords.unmatchable().to_owned()).await?;
            }
        }
        Ok(())
    }

    /// The users that still have a default password.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn default_users(&self) -> Result<Vec<UserName>, StoreError> {
        let mut found = Vec::new();
        for (name, _role) in DEFAULT_USERS {
            let Ok(name) = name.parse::<UserName>() else { continue };
            if self.store.user(&name).await?.is_some_and(|user| user.default_password) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// Whether a user still has a default password.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn has_default_passwords(&self) -> Result<bool, StoreError> {
        Ok(!self.default_users().await?.is_empty())
    }

    /// Whether the default passwords suffice to act as `user`: as the user, or as admin.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn default_password_reaches(&self, user: &UserName) -> Result<bool, StoreError> {
        for name in ["admin", user.as_str()] {
            let Ok(name) = name.parse::<UserName>() else { continue };
            if self.store.user(&name).await?.is_some_and(|user| user.default_password) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Logs in. An unknown name takes as long as a wrong password and has the same result.
    ///
    /// # Errors
    /// [`LoginError`], by cause. [`LoginError::DefaultPasswordNotLocal`] only if the password is right.
    pub async fn login(&self, name: &str, password: &str, origin: ClientOrigin) -> Result<LoginResult, LoginError> {
        let user = match name.parse::<UserName>() {
            Ok(name) => self.store.user(&name).await?,
            Err(_invalid) => None,
        };
        let matches = self.passwords.matches(password, user.as_ref().map(|user| user.password_hash.as_str())).await?;
        let Some(user) = user.filter(|_user| matches) else { return Err(LoginError::WrongCredentials) };
        if user.default_password && !origin.is_local {
            return Err(LoginError::DefaultPasswordNotLocal(user.name));
        }
        self.issue_token(&user)
    }

    pub(super) fn issue_token(&self, user: &UserRecord) -> Result<LoginResult, LoginError> {
        let token = self.tokens.issue(user.id, user.generation, user.default_password, self.clock.now()).ok_or(LoginError::Sign)?;
        let caller = Caller { user: user.reference(), role: user.role };
        Ok(LoginResult { token, expires_in: LIFETIME_SECS, caller, default_password: user.default_password })
    }

    /// Authenticates a token or an API key. The user is looked up each time, so a new role, a removal or a new password applies from the next
    /// request on.
    ///
    /// # Errors
    /// [`AuthError`], by cause.
    pub async fn authenticate(&self, presented: &str, origin: ClientOrigin) -> Result<Principal, AuthError> {
        if is_key(presented) {
            return self.authenticate_key(presented, origin).await;
        }
        let claims = self.tokens.verify(presented, self.clock.now()).map_err(|bad| match bad {
            BadToken::Expired => AuthError::Expired,
            BadToken::Invalid => AuthError::Invalid,
        })?;
        let token = TokenFacts {
            id: claims.jti,
            expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1000)),
            generation: claims.generation,
            default_password: claims.default_password,
        };
        self.principal_by_token(claims.sub, token).await?.require_allowed(origin)
    }

    /// Checks a principal again, for work that outlasts its request, such as a stream.
    ///
    /// # Errors
    /// [`AuthError`] if the credential is no longer valid.
    pub async fn recheck(&self, principal: &Principal) -> Result<Principal, AuthError> {
        match &principal.credential {
            Credential::Token(token) => self.principal_by_token(principal.caller.user.id, *token).await,
            Credential::Key { id, .. } => self.principal_by_key_id(*id).await,
        }
    }

    /// Notifies of every change that may end someone's access: a logout, a new password or role, a removed user, a revoked key. Work
    /// that outlasts its request subscribes, and then calls [`Auth::recheck`], first and after each notification. Changes by other processes, which
    /// use the data directory, are notified by [`Auth::report_offline_changes`].
    pub fn access_changes(&self) -> watch::Receiver<()> {
        let changes = self.changes.subscribe();
        self.subscribed.notify_one();
        changes
    }

    /// Revokes the token of `principal`. Requests with it are rejected from now on, and its streams end.
    ///
    /// # Errors
    /// [`LogoutError`], by cause.
    pub async fn logout(&self, principal: &Principal, audit: Option<Audited>) -> Result<(), LogoutError> {
        let Credential::Token(token) = &principal.credential else { return Err(LogoutError::NotALogin) };
        let revoked = self.store.revoke_token(token.id, token.expires_at, self.clock.now(), audit).await;
        // Also after an error: the change may be stored although its reply was lost.
        self.changes.send_replace(());
        Ok(revoked?)
    }

    /// The principal of a verified token, if it is still valid.
    pub(super) async fn principal_by_token(&self, user: UserId, token: TokenFacts) -> Result<Principal, AuthError> {
        let user = self.store.user_by_id(user).await?.ok_or(AuthError::Invalid)?;
        if user.generation != token.generation || self.store.is_revoked(token.id).await? {
            return Err(AuthError::Invalid);
        }
        let remaining = token.expires_at.as_millis().saturating_sub(self.clock.now().as_millis());
        Ok(Principal {
            caller: Caller { user: user.reference(), role: user.role },
            expires_in: Some(Duration::from_millis(u64::try_from(remaining).unwrap_or(0))),
            default_password: token.default_password || user.default_password,
            credential: Credential::Token(token),
        })
    }
}

impl LoginResult {
    /// Rejects a login with a default password unless the client is the account that runs the server, or root.
    ///
    /// # Errors
    /// [`LoginError::DefaultPasswordOfOther`].
    pub async fn require_server_account(self, account: &ClientAccount) -> Result<Self, LoginError> {
        if !self.default_password {
            return Ok(self);
        }
        match account.require_server_account().await {
            Ok(()) => Ok(self),
            Err(cause) => Err(LoginError::DefaultPasswordOfOther { user: self.caller.user.name, cause }),
        }
    }
}

impl Principal {
    /// Rejects a credential that depends on a default password unless the client is the account that runs the server, or root.
    ///
    /// # Errors
    /// [`AuthError::DefaultPasswordOfOther`].
    pub async fn require_server_account(self, account: &ClientAccount) -> Result<Self, AuthError> {
        if !self.default_password {
            return Ok(self);
        }
        match account.require_server_account().await {
            Ok(()) => Ok(self),
            Err(cause) => Err(AuthError::DefaultPasswordOfOther { user: self.caller.user.name, cause }),
        }
    }

    /// Rejects a default password of a client that is not local.
    pub(super) fn require_allowed(self, origin: ClientOrigin) -> Result<Self, AuthError> {
        if self.default_password && !origin.is_local {
            return Err(AuthError::DefaultPasswordNotLocal(self.caller.user.name));
        }
        Ok(self)
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LoginResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginResult").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Rules: I1, I2, I4, I7, I9.

    use std::net::{IpAddr, Ipv4Addr};
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::run::store::{SqliteStore, UserEdit};

    /// A clock that is set by hand.
    pub(crate) struct ManualClock(pub(crate) AtomicI64);

    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    pub(crate) const LOCAL: ClientOrigin = ClientOrigin { addr: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), is_local: true };
    pub(crate) const REMOTE: ClientOrigin = ClientOrigin { addr: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))), is_local: false };

    /// The service with a store and cheap hashes, in the year 2027.
    pub(crate) async fn auth_over(
        store: Arc<dyn IdentityStore>,
        admin_password: Option<&str>,
    ) -> Result<(Auth, Arc<ManualClock>), SetupError> {
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000)));
        let key = SigningKey::load(Some(&Secret::new("k".repeat(32))), Path::new("/nowhere")).unwrap();
        let auth = Auth {
            store,
            clock: clock.clone(),
            tokens: Tokens::new(&key),
            digests: DigestKey::new(&key),
            passwords: Passwords::cheap(),
            changes: watch::Sender::new(()),
            subscribed: Notify::new(),
        };
        auth.set_up(admin_password.map(|password| Secret::new(password.to_owned())).as_ref()).await?;
        Ok((auth, clock))
    }

    /// The service with a fresh store, which is removed with the directory.
    pub(crate) async fn fresh() -> (Auth, Arc<ManualClock>, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let (auth, clock) = auth_over(Arc::new(SqliteStore::open(directory.path()).unwrap()), None).await.unwrap();
        (auth, clock, directory)
    }

    pub(crate) fn admin() -> UserName {
        "admin".parse().unwrap()
    }

    async fn id_of(auth: &Auth, name: &str) -> UserId {
        auth.store.user(&name.parse().unwrap()).await.unwrap().unwrap().id
    }

    #[tokio::test]
    async fn default_users_can_log_in_locally() {
        let (auth, _clock, _directory) = fresh().await;
        for (name, role) in DEFAULT_USERS {
            let answer = auth.login(name, name, LOCAL).await.unwrap();
            assert_eq!((answer.caller.user.name.as_str(), answer.caller.role, answer.expires_in), (name, role, 86_400));
            assert_eq!(auth.authenticate(&answer.token, LOCAL).await.unwrap().caller, answer.caller);
        }
        assert!(auth.has_default_passwords().await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_user_is_an_error_of_its_own_and_affects_no_other_user() {
        let (auth, _clock, directory) = fresh().await;
        for name in ["ann", "bob"] {
            auth.add_user(name.parse().unwrap(), UserRole::User, "a password", None).await.unwrap();
        }
        let (ann, bob) = (auth.login("ann", "a password", LOCAL).await.unwrap(), auth.login("bob", "a password", LOCAL).await.unwrap());
        let database = rusqlite::Connection::open(directory.path().join("openrunner.db")).unwrap();
        database.execute("UPDATE users SET role = 'emperor' WHERE name = 'ann'", []).unwrap();
        let refused = auth.login("ann", "a password", LOCAL).await;
        assert!(matches!(refused, Err(LoginError::Store(StoreError::Damaged { table: "users", .. }))), "{refused:?}");
        let refused = auth.authenticate(&ann.token, LOCAL).await;
        assert!(matches!(refused, Err(AuthError::Store(StoreError::Damaged { table: "users", .. }))), "{refused:?}");
        assert_eq!(auth.authenticate(&bob.token, LOCAL).await.unwrap().caller.user.name.as_str(), "bob");
        auth.login("bob", "a password", LOCAL).await.unwrap();
        let names = auth.users(None, 9).await.unwrap().into_iter().map(|user| user.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names, ["admin", "bob", "user"]);
        // A restart with damaged users adds no users with default passwords.
        database.execute("UPDATE users SET role = 'emperor'", []).unwrap();
        database.execute("DELETE FROM users WHERE name IN ('admin', 'user')", []).unwrap();
        auth.set_up(None).await.unwrap();
        assert_eq!(database.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    }

    #[tokio::test]
    async fn default_passwords_do_not_work_for_remote_clients() {
        let (auth, _clock, _directory) = fresh().await;
        for origin in [REMOTE, ClientOrigin::default(), ClientOrigin { is_local: false, ..LOCAL }] {
            let refused = auth.login("admin", "admin", origin).await;
            assert!(matches!(refused, Err(LoginError::DefaultPasswordNotLocal(_))), "{refused:?}");
            let refused = auth.login("admin", "wrong", origin).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_token_obtained_with_a_default_password_is_valid_locally_only() {
        let (auth, _clock, _directory) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::DefaultPasswordNotLocal(_))));
    }

    #[tokio::test]
    async fn setting_a_password_revokes_the_tokens_of_the_previous_one() {
        let (auth, _clock, _directory) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        auth.store.set_password(id_of(&auth, "admin").await, auth.passwords.hash("better").await.unwrap()).await.unwrap();
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.login("admin", "admin", LOCAL).await, Err(LoginError::WrongCredentials)));
        let token = auth.login("admin", "better", REMOTE).await.unwrap().token;
        assert!(auth.authenticate(&token, REMOTE).await.is_ok());
    }

    #[tokio::test]
    async fn role_and_existence_are_read_from_the_store_at_every_request() {
        let (auth, _clock, _directory) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        auth.store
            .change_user(id_of(&auth, "user").await, UserEdit { role: Some(UserRole::Admin), ..UserEdit::default() }, None)
            .await
            .unwrap();
        auth.store
            .change_user(id_of(&auth, "admin").await, UserEdit { role: Some(UserRole::User), ..UserEdit::default() }, None)
            .await
            .unwrap();
        assert_eq!(auth.authenticate(&token, LOCAL).await.unwrap().caller.role, UserRole::User);
        auth.store.remove_user(id_of(&auth, "admin").await, None).await.unwrap();
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn a_token_expires_after_a_day() {
        let (auth, clock, _directory) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        assert_eq!(principal.expires_in, Some(Duration::from_hours(24)));
        clock.0.fetch_add(86_406_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn an_unknown_user_and_a_wrong_password_have_the_same_result() {
        let (auth, _clock, _directory) = fresh().await;
        for name in ["missing", "admin", "", "../x", "ADMIN", &"a".repeat(100)] {
            let refused = auth.login(name, "wrong", LOCAL).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{name}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn a_configured_admin_password_is_set_once() {
        let directory = tempfile::tempdir().unwrap();
        let users = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (auth, _clock) = auth_over(users.clone(), Some("chosen")).await.unwrap();
        let token = auth.login("admin", "chosen", REMOTE).await.unwrap().token;
        let (again, _clock) = auth_over(users.clone(), Some("chosen")).await.unwrap();
        assert!(again.authenticate(&token, REMOTE).await.is_ok(), "the same password at the next start revokes no tokens");
        let (other, _clock) = auth_over(users.clone(), Some("changed")).await.unwrap();
        assert!(matches!(other.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        let (without, _clock) = auth_over(users, None).await.unwrap();
        assert!(without.login("admin", "changed", REMOTE).await.is_ok(), "no configured password changes nothing");
    }

    #[tokio::test]
    async fn a_configured_admin_password_also_ends_the_default_password_of_user() {
        let directory = tempfile::tempdir().unwrap();
        let users = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (before, _clock) = auth_over(users.clone(), None).await.unwrap();
        let token = before.login("user", "user", LOCAL).await.unwrap().token;
        let (auth, _clock) = auth_over(users, Some("chosen")).await.unwrap();
        for password in ["user", ""] {
            assert!(matches!(auth.login("user", password, LOCAL).await, Err(LoginError::WrongCredentials)));
        }
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)), "its tokens end, too");
        assert!(!auth.has_default_passwords().await.unwrap());
        auth.change_user(&"user".parse().unwrap(), None, Some("a new password"), crate::types::BudgetChange::default(), None)
            .await
            .unwrap();
        assert!(auth.login("user", "a new password", REMOTE).await.is_ok(), "an admin can set another");
    }

    #[tokio::test]
    async fn a_default_password_works_only_for_the_account_that_runs_the_server() {
        let (auth, _clock, _directory) = fresh().await;
        let (own, other) = (ClientAccount::server(), ClientAccount::with_uid(rustix::process::geteuid().as_raw() + 7));
        let login = || async { auth.login("admin", "admin", LOCAL).await.unwrap() };
        assert!(login().await.require_server_account(&own).await.is_ok());
        for account in [other.clone(), ClientAccount::default()] {
            let refused = login().await.require_server_account(&account).await;
            assert!(matches!(refused, Err(LoginError::DefaultPasswordOfOther { .. })), "{refused:?}");
            let principal = auth.authenticate(&login().await.token, LOCAL).await.unwrap();
            let refused = principal.require_server_account(&account).await;
            assert!(matches!(refused, Err(AuthError::DefaultPasswordOfOther { .. })), "{refused:?}");
        }
        auth.store.set_password(id_of(&auth, "admin").await, auth.passwords.hash("better").await.unwrap()).await.unwrap();
        let login = auth.login("admin", "better", LOCAL).await.unwrap();
        assert!(login.require_server_account(&other).await.is_ok(), "a password of one's own works for every account");
    }

    #[tokio::test]
    async fn the_documented_password_cannot_be_configured_for_admin() {
        let directory = tempfile::tempdir().unwrap();
        let refused = auth_over(Arc::new(SqliteStore::open(directory.path()).unwrap()), Some("admin")).await;
        assert!(matches!(refused, Err(SetupError::AdminPasswordIsDefault)));
    }

    #[tokio::test]
    async fn default_users_are_created_in_a_fresh_store_only() {
        let (auth, _clock, _directory) = fresh().await;
        let before = auth.store.user(&admin()).await.unwrap();
        auth.store.remove_user(id_of(&auth, "user").await, None).await.unwrap();
        let (again, _clock) = auth_over(auth.store.clone(), None).await.unwrap();
        assert_eq!(again.store.user(&admin()).await.unwrap(), before);
        assert_eq!(again.store.user(&"user".parse().unwrap()).await.unwrap(), None, "a removed user stays removed");
    }

    #[tokio::test]
    async fn a_logout_revokes_one_token_only() {
        let (auth, _clock, _directory) = fresh().await;
        let one = auth.login("user", "user", LOCAL).await.unwrap().token;
        let other = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&one, LOCAL).await.unwrap();
        auth.logout(&principal, None).await.unwrap();
        auth.logout(&principal, None).await.unwrap();
        assert!(matches!(auth.authenticate(&one, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)));
        assert!(auth.authenticate(&other, LOCAL).await.is_ok());
    }
}
