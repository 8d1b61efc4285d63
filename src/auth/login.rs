//! The service that lets users in: logins, tokens, and the users that exist before anyone has made one.

use std::sync::Arc;
use std::time::Duration;

use super::jwt::{BadToken, LIFETIME_SECS, Tokens};
use super::password::Passwords;
use super::{HashError, PeerFacts, SigningKey};
use crate::config::Secret;
use crate::run::store::{StoreError, UserRecord, UserStore};
use crate::types::{Caller, Clock, UserName, UserRole};

/// The documented users of a fresh server, whose passwords are their names.
const DEFAULT_USERS: [(&str, UserRole); 2] = [("admin", UserRole::Admin), ("user", UserRole::User)];

/// Someone who has passed the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is, and what they may do by the store's word at the time of the request.
    pub caller: Caller,
    /// How long the token is still good. Whatever runs on it ends with it, such as a stream.
    pub expires_in: Duration,
}

/// A login's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginAnswer {
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
    DefaultPasswordFromElsewhere(UserName),
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
    DefaultPasswordFromElsewhere(UserName),
    /// The store failed.
    #[error("the users could not be read")]
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
    users: Arc<dyn UserStore>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    passwords: Passwords,
}

impl Auth {
    /// The service over the users of `users`. Adds the default users who are missing, and gives admin the configured password unless it
    /// is admin's already: a password that is set ends the tokens that were got with the one before.
    ///
    /// # Errors
    /// [`SetupError`]
    pub async fn start(
        users: Arc<dyn UserStore>,
        clock: Arc<dyn Clock>,
        key: &SigningKey,
        admin_password: Option<&Secret>,
    ) -> Result<Self, SetupError> {
        let auth = Self { users, clock, tokens: Tokens::new(key), passwords: Passwords::new().await? };
        auth.set_up(admin_password).await?;
        Ok(auth)
    }

    async fn set_up(&self, admin_password: Option<&Secret>) -> Result<(), SetupError> {
        for (name, role) in DEFAULT_USERS {
            let Ok(user) = name.parse::<UserName>() else { continue };
            if self.users.user(&user).await?.is_none() {
                let password_hash = self.passwords.hash(name).await?;
                self.users.add_user(UserRecord { name: user, role, password_hash, default_password: true, generation: 1 }).await?;
            }
        }
        let (Some(password), (name, _role)) = (admin_password, DEFAULT_USERS[0]) else { return Ok(()) };
        if password.expose() == name {
            return Err(SetupError::AdminPasswordIsDefault);
        }
        let Ok(admin) = name.parse::<UserName>() else { return Ok(()) };
        let Some(record) = self.users.user(&admin).await? else { return Ok(()) };
        if record.default_password || !self.passwords.matches(password.expose(), Some(&record.password_hash)).await? {
            self.users.set_password(&admin, self.passwords.hash(password.expose()).await?).await?;
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
            if self.users.user(&name).await?.is_some_and(|user| user.default_password) {
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
            if self.users.user(&name).await?.is_some_and(|user| user.default_password) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks a name and a password. An unknown name takes as long as a wrong password and gets the same answer.
    ///
    /// # Errors
    /// [`LoginError`]; a default password is told from a wrong one only to whoever knows it.
    pub async fn login(&self, name: &str, password: &str, peer: PeerFacts) -> Result<LoginAnswer, LoginError> {
        let user = match name.parse::<UserName>() {
            Ok(name) => self.users.user(&name).await?,
            Err(_not_a_name) => None,
        };
        let matches = self.passwords.matches(password, user.as_ref().map(|user| user.password_hash.as_str())).await?;
        let Some(user) = user.filter(|_user| matches) else { return Err(LoginError::WrongCredentials) };
        if user.default_password && !peer.is_local() {
            return Err(LoginError::DefaultPasswordFromElsewhere(user.name));
        }
        let token = self.tokens.make(&user.name, user.generation, user.default_password, self.clock.now()).ok_or(LoginError::Sign)?;
        Ok(LoginAnswer { token, expires_in: LIFETIME_SECS, caller: Caller { user: user.name, role: user.role } })
    }

    /// Who a token belongs to. The user is looked up each time: a role, a deletion or a new password counts from the next request on.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn authenticate(&self, token: &str, peer: PeerFacts) -> Result<Principal, AuthError> {
        let now = self.clock.now();
        let claims = self.tokens.read(token, now).map_err(|bad| match bad {
            BadToken::Expired => AuthError::Expired,
            BadToken::Invalid => AuthError::Invalid,
        })?;
        let user = self.users.user(&claims.sub).await?.ok_or(AuthError::Invalid)?;
        if user.generation != claims.generation {
            return Err(AuthError::Invalid);
        }
        if (claims.default_password || user.default_password) && !peer.is_local() {
            return Err(AuthError::DefaultPasswordFromElsewhere(user.name));
        }
        let left = claims.exp.saturating_mul(1000).saturating_sub(now.as_millis());
        let expires_in = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Ok(Principal { caller: Caller { user: user.name, role: user.role }, expires_in })
    }
}

impl std::fmt::Debug for LoginAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginAnswer").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::types::Timestamp;

    /// Users in memory.
    #[derive(Default)]
    pub(crate) struct MemoryUsers(pub(crate) Mutex<HashMap<String, UserRecord>>);

    #[async_trait]
    impl UserStore for MemoryUsers {
        async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
            Ok(self.0.lock().unwrap().get(name.as_str()).cloned())
        }

        async fn add_user(&self, user: UserRecord) -> Result<bool, StoreError> {
            let mut users = self.0.lock().unwrap();
            let is_new = !users.contains_key(user.name.as_str());
            users.entry(user.name.as_str().to_owned()).or_insert(user);
            Ok(is_new)
        }

        async fn set_password(&self, name: &UserName, password_hash: String) -> Result<bool, StoreError> {
            let mut users = self.0.lock().unwrap();
            let Some(user) = users.get_mut(name.as_str()) else { return Ok(false) };
            user.password_hash = password_hash;
            user.default_password = false;
            user.generation += 1;
            Ok(true)
        }
    }

    /// A clock that stands where it is put.
    pub(crate) struct StandingClock(pub(crate) AtomicI64);

    impl Clock for StandingClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    pub(crate) const LOCAL: PeerFacts = PeerFacts { peer_is_loopback: true, host_is_loopback: true, forwarded: false };
    pub(crate) const REMOTE: PeerFacts = PeerFacts { peer_is_loopback: false, host_is_loopback: false, forwarded: false };

    /// The service over users in memory, with cheap hashes, at a moment of 2027.
    pub(crate) async fn auth_over(users: Arc<MemoryUsers>, admin_password: Option<&str>) -> Result<(Auth, Arc<StandingClock>), SetupError> {
        let clock = Arc::new(StandingClock(AtomicI64::new(1_800_000_000_000)));
        let key = SigningKey::load(Some(&Secret::new("k".repeat(32))), Path::new("/nowhere")).unwrap();
        let auth = Auth { users, clock: clock.clone(), tokens: Tokens::new(&key), passwords: Passwords::cheap().await };
        auth.set_up(admin_password.map(|password| Secret::new(password.to_owned())).as_ref()).await?;
        Ok((auth, clock))
    }

    async fn fresh() -> (Auth, Arc<MemoryUsers>, Arc<StandingClock>) {
        let users = Arc::new(MemoryUsers::default());
        let (auth, clock) = auth_over(users.clone(), None).await.unwrap();
        (auth, users, clock)
    }

    fn admin() -> UserName {
        "admin".parse().unwrap()
    }

    #[tokio::test]
    async fn i1_default_users_get_in_from_this_machine() {
        let (auth, _users, _clock) = fresh().await;
        for (name, role) in DEFAULT_USERS {
            let answer = auth.login(name, name, LOCAL).await.unwrap();
            assert_eq!((answer.caller.user.as_str(), answer.caller.role, answer.expires_in), (name, role, 86_400));
            assert_eq!(auth.authenticate(&answer.token, LOCAL).await.unwrap().caller, answer.caller);
        }
        assert!(auth.has_default_passwords().await.unwrap());
    }

    #[tokio::test]
    async fn i1_default_passwords_do_not_work_from_elsewhere() {
        let (auth, _users, _clock) = fresh().await;
        for peer in [REMOTE, PeerFacts { host_is_loopback: false, ..LOCAL }, PeerFacts { forwarded: true, ..LOCAL }] {
            let refused = auth.login("admin", "admin", peer).await;
            assert!(matches!(refused, Err(LoginError::DefaultPasswordFromElsewhere(_))), "{refused:?}");
            let refused = auth.login("admin", "wrong", peer).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn i2_a_token_got_with_a_default_password_cannot_be_carried_off() {
        let (auth, _users, _clock) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::DefaultPasswordFromElsewhere(_))));
    }

    #[tokio::test]
    async fn i2_setting_a_password_ends_the_tokens_of_the_one_before() {
        let (auth, users, _clock) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        users.set_password(&admin(), auth.passwords.hash("better").await.unwrap()).await.unwrap();
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.login("admin", "admin", LOCAL).await, Err(LoginError::WrongCredentials)));
        let token = auth.login("admin", "better", REMOTE).await.unwrap().token;
        assert!(auth.authenticate(&token, REMOTE).await.is_ok());
    }

    #[tokio::test]
    async fn i4_role_and_existence_come_from_the_store_at_every_request() {
        let (auth, users, _clock) = fresh().await;
        let token = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        users.0.lock().unwrap().get_mut("admin").unwrap().role = UserRole::User;
        assert_eq!(auth.authenticate(&token, LOCAL).await.unwrap().caller.role, UserRole::User);
        users.0.lock().unwrap().remove("admin");
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Invalid)));
    }

    #[tokio::test]
    async fn i4_a_token_ends_after_a_day() {
        let (auth, _users, clock) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        assert_eq!(principal.expires_in, Duration::from_hours(24));
        clock.0.fetch_add(86_406_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate(&token, LOCAL).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn i7_an_unknown_user_and_a_wrong_password_get_the_same_answer() {
        let (auth, _users, _clock) = fresh().await;
        for name in ["nobody", "admin", "", "../x", "ADMIN", &"a".repeat(100)] {
            let refused = auth.login(name, "wrong", LOCAL).await;
            assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{name}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn i1_a_configured_admin_password_is_set_once_and_kept() {
        let users = Arc::new(MemoryUsers::default());
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
        let refused = auth_over(Arc::default(), Some("admin")).await;
        assert!(matches!(refused, Err(SetupError::AdminPasswordIsDefault)));
    }

    #[tokio::test]
    async fn default_users_who_are_there_are_left_alone() {
        let (_auth, users, _clock) = fresh().await;
        let before = users.0.lock().unwrap().get("user").cloned();
        auth_over(users.clone(), None).await.unwrap();
        assert_eq!(users.0.lock().unwrap().get("user").cloned(), before);
    }
}
