//! Users: create, change and remove, and change one's own password. A change is stored together with its audit entry.

use super::password::BadPassword;
use super::{Auth, HashError, LoginError, LoginResult, Principal};
use crate::run::store::{Audited, StoreError, UserChange, UserEdit, UserRecord};
use crate::types::{Budget, BudgetChange, PerQuota, QuotaChange, UserId, UserName, UserRef, UserRole};

/// Why a user was not created, changed or removed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name is taken.
    #[error("user {0} already exists")]
    Exists(UserName),
    /// The user does not exist.
    #[error("user {0} not found")]
    NotFound(UserName),
    /// The last admin cannot be removed or demoted.
    #[error("{0} is the only admin; make another user an admin first")]
    LastAdmin(UserName),
    /// The password is rejected.
    #[error(transparent)]
    Password(#[from] BadPassword),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("cannot read or write users")]
    Store(#[from] StoreError),
}

/// Why the caller's password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The current password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The change failed.
    #[error(transparent)]
    Change(#[from] UserError),
    /// The password was changed, but no token could be issued.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Auth {
    /// The user with this name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        self.store.user(name).await
    }

    /// The name of the user with this id; `None` if the user was removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn name_of(&self, id: UserId) -> Result<Option<UserName>, StoreError> {
        Ok(self.store.user_by_id(id).await?.map(|user| user.name))
    }

    /// Up to `limit` users after the name `after`, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        self.store.users(after, limit).await
    }

    /// Creates a user and returns the id. What belonged to an earlier user with this name is not the new user's: runs, usage, tokens and keys.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn add_user(&self, name: UserName, role: UserRole, password: &str, audit: Option<Audited>) -> Result<UserId, UserError> {
        BadPassword::check(&name, password)?;
        if self.store.user(&name).await?.is_some() {
            return Err(UserError::Exists(name)); // before the expensive hash
        }
        let password_hash = self.passwords.hash(password).await?;
        let (id, budget) = (UserId::new(), Budget::default());
        let quotas = PerQuota::default();
        let user = UserRecord { id, name: name.clone(), role, password_hash, default_password: false, generation: 1, budget, quotas };
        let audit = audit.map(|audit| audit.on_user(id));
        if self.store.add_user(user, audit).await? { Ok(id) } else { Err(UserError::Exists(name)) }
    }

    /// Changes the role, the password and the budget of a user, atomically. A new password revokes all tokens of the user; the rest applies from
    /// the next request on.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn change_user(
        &self,
        name: &UserName,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
        audit: Option<Audited>,
    ) -> Result<(), UserError> {
        self.edit_user(name, role, password, budget, QuotaChange::default(), audit).await
    }

    /// Changes role, password, budget and quotas of a user, as [`Auth::change_user`] does.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn edit_user(
        &self,
        name: &UserName,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
        quotas: QuotaChange,
        audit: Option<Audited>,
    ) -> Result<(), UserError> {
        let user = self.store.user(name).await?.ok_or_else(|| UserError::NotFound(name.clone()))?;
        self.change(&user.reference(), role, password, budget, quotas, audit).await
    }

    /// Changes the user with this id, also if another user has the name by now.
    async fn change(
        &self,
        user: &UserRef,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
        quotas: QuotaChange,
        audit: Option<Audited>,
    ) -> Result<(), UserError> {
        if let Some(password) = password {
            BadPassword::check(&user.name, password)?;
        }
        let password_hash = match password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let audit = audit.map(|audit| audit.on_user(user.id));
        let changed = self.store.change_user(user.id, UserEdit { role, password_hash, budget, quotas }, audit).await;
        self.changes.send_replace(());
        check_change(&user.name, changed?)
    }

    /// Removes a user. Tokens and keys are revoked immediately; runs stay, for admins.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn remove_user(&self, name: &UserName, audit: Option<Audited>) -> Result<(), UserError> {
        let user = self.store.user(name).await?.ok_or_else(|| UserError::NotFound(name.clone()))?;
        let audit = audit.map(|audit| audit.on_user(user.id));
        let removed = self.store.remove_user(user.id, audit).await;
        self.changes.send_replace(());
        check_change(name, removed?)
    }

    /// Changes the caller's password, which revokes all tokens of the user, and returns a new token.
    ///
    /// # Errors
    /// [`PasswordError`], by cause.
    pub async fn change_own_password(
        &self,
        principal: &Principal,
        current: &str,
        new: &str,
        audit: Option<Audited>,
    ) -> Result<LoginResult, PasswordError> {
        let caller = &principal.caller.user;
        let store_failed = |error: StoreError| PasswordError::Change(error.into());
        let user = self.store.user_by_id(caller.id).await.map_err(store_failed)?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        if !self.passwords.matches(current, hash).await.map_err(|error| PasswordError::Change(error.into()))? {
            return Err(PasswordError::WrongPassword);
        }
        self.change(caller, None, Some(new), BudgetChange::default(), QuotaChange::default(), audit).await?;
        let user = self.store.user_by_id(caller.id).await.map_err(store_failed)?;
        let user = user.ok_or_else(|| PasswordError::Change(UserError::NotFound(caller.name.clone())))?;
        Ok(self.issue_token(&user)?)
    }
}

fn check_change(name: &UserName, change: UserChange) -> Result<(), UserError> {
    match change {
        UserChange::Done => Ok(()),
        UserChange::NotFound => Err(UserError::NotFound(name.clone())),
        UserChange::LastAdmin => Err(UserError::LastAdmin(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I1, I2, I4.

    use super::*;
    use crate::auth::AuthError;
    use crate::auth::tests::{LOCAL, REMOTE, admin, fresh};

    #[tokio::test]
    async fn a_new_password_ends_the_default_login_and_revokes_older_tokens() {
        let (auth, _clock, _directory) = fresh().await;
        let old = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&old, LOCAL).await.unwrap();
        let wrong = auth.change_own_password(&principal, "not it", "long enough", None).await;
        assert!(matches!(wrong, Err(PasswordError::WrongPassword)), "{wrong:?}");
        let login = auth.change_own_password(&principal, "admin", "long enough", None).await.unwrap();
        assert!(auth.authenticate(&login.token, REMOTE).await.is_ok(), "the new token is not restricted");
        assert!(matches!(auth.authenticate(&old, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)), "streams end as well");
        assert!(matches!(auth.login("admin", "admin", LOCAL).await, Err(LoginError::WrongCredentials)));
    }

    #[tokio::test]
    async fn short_and_long_passwords_and_the_user_name_are_rejected() {
        let (auth, _clock, _directory) = fresh().await;
        let name: UserName = "long.name".parse().unwrap();
        for wrong in ["", "admin", "user", "1234567", "long.name", "Long.Name", &"x".repeat(1025)] {
            let refused = auth.add_user(name.clone(), UserRole::User, wrong, None).await;
            assert!(matches!(refused, Err(UserError::Password(_))), "{wrong}: {refused:?}");
        }
        for (number, valid) in ["12345678", "äöüäöüäö", &"x".repeat(1024)].into_iter().enumerate() {
            auth.add_user(format!("user{number}").parse().unwrap(), UserRole::User, valid, None).await.unwrap();
        }
        let refused = auth.change_user(&admin(), None, Some("short"), BudgetChange::default(), None).await;
        assert!(matches!(refused, Err(UserError::Password(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn the_last_admin_cannot_be_removed_or_demoted() {
        let (auth, _clock, _directory) = fresh().await;
        for refused in [
            auth.remove_user(&admin(), None).await,
            auth.change_user(&admin(), Some(UserRole::User), None, BudgetChange::default(), None).await,
        ] {
            assert!(matches!(refused, Err(UserError::LastAdmin(_))), "{refused:?}");
        }
        auth.change_user(&"user".parse().unwrap(), Some(UserRole::Admin), None, BudgetChange::default(), None).await.unwrap();
        auth.remove_user(&admin(), None).await.unwrap();
        assert!(matches!(auth.remove_user(&admin(), None).await, Err(UserError::NotFound(_))));
    }

    #[tokio::test]
    async fn a_token_of_a_removed_user_is_invalid_for_a_new_user_of_that_name() {
        let (auth, _clock, _directory) = fresh().await;
        let name: UserName = "carol".parse().unwrap();
        auth.add_user(name.clone(), UserRole::User, "first password", None).await.unwrap();
        let token = auth.login("carol", "first password", REMOTE).await.unwrap().token;
        auth.remove_user(&name, None).await.unwrap();
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        auth.add_user(name.clone(), UserRole::Admin, "second password", None).await.unwrap();
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        let again = auth.add_user(name, UserRole::User, "third password", None).await;
        assert!(matches!(again, Err(UserError::Exists(_))), "{again:?}");
    }
}
