//! Users: made, changed and removed by admins, and a new password for oneself.

use super::password::BadPassword;
use super::{Auth, HashError, LoginError, LoginResult, Principal};
use crate::run::store::{StoreError, UserChange, UserEdit, UserRecord};
use crate::types::{Budget, BudgetChange, UserName, UserRole};

/// Why a user was not made, changed or removed. Nothing was done then.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is one of that name.
    #[error("there is a user {0} already")]
    Exists(UserName),
    /// There is none of that name.
    #[error("there is no user {0}")]
    NotFound(UserName),
    /// Nobody would be left who can make users.
    #[error("{0} is the only admin; make another user an admin first")]
    LastAdmin(UserName),
    /// It could be guessed, or is too long.
    #[error(transparent)]
    Password(#[from] BadPassword),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the users could not be read or changed")]
    Store(#[from] StoreError),
}

/// Why one's own password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The present password is another one.
    #[error("that is not your present password")]
    WrongPassword,
    /// The new one does not do.
    #[error(transparent)]
    Change(#[from] UserError),
    /// The password is changed, but no token could be made: log in with it.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Auth {
    /// The user of that name, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        self.store.user(name).await
    }

    /// At most `limit` users whose names come after `after`, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        self.store.users(after, limit).await
    }

    /// Makes a user. Of one who had that name before, no token and no key is good again; the runs under that name are this user's now.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn add_user(&self, name: UserName, role: UserRole, password: &str) -> Result<(), UserError> {
        BadPassword::check(&name, password)?;
        if self.store.user(&name).await?.is_some() {
            return Err(UserError::Exists(name)); // before the hash, which is dear
        }
        let password_hash = self.passwords.hash(password).await?;
        let user =
            UserRecord { name: name.clone(), role, password_hash, default_password: false, generation: 1, budget: Budget::default() };
        if self.store.add_user(user).await? { Ok(()) } else { Err(UserError::Exists(name)) }
    }

    /// Gives a user a role, a password, a budget, or all of them: all or nothing. A new password ends all tokens of the user; the others
    /// count from the next request on.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn change_user(
        &self,
        name: &UserName,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
    ) -> Result<(), UserError> {
        if let Some(password) = password {
            BadPassword::check(name, password)?;
        }
        if self.store.user(name).await?.is_none() {
            return Err(UserError::NotFound(name.clone()));
        }
        let password_hash = match password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        done(name, self.store.change_user(name, UserEdit { role, password_hash, budget }).await?)
    }

    /// Removes a user: tokens and keys end at once, runs stay and go on belonging to the name.
    ///
    /// # Errors
    /// [`UserError`], by cause.
    pub async fn remove_user(&self, name: &UserName) -> Result<(), UserError> {
        done(name, self.store.remove_user(name).await?)
    }

    /// Changes one's own password, which ends a default one and all of one's older tokens, and gives a fresh token.
    ///
    /// # Errors
    /// [`PasswordError`], by cause.
    pub async fn change_own_password(&self, principal: &Principal, current: &str, new: &str) -> Result<LoginResult, PasswordError> {
        let name = &principal.caller.user;
        let failed = |error: StoreError| PasswordError::Change(error.into());
        let user = self.store.user(name).await.map_err(failed)?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        if !self.passwords.matches(current, hash).await.map_err(|error| PasswordError::Change(error.into()))? {
            return Err(PasswordError::WrongPassword);
        }
        self.change_user(name, None, Some(new), BudgetChange::default()).await?;
        let user = self.store.user(name).await.map_err(failed)?;
        let user = user.ok_or_else(|| PasswordError::Change(UserError::NotFound(name.clone())))?;
        Ok(self.token_for(user)?)
    }
}

fn done(name: &UserName, change: UserChange) -> Result<(), UserError> {
    match change {
        UserChange::Done => Ok(()),
        UserChange::NotFound => Err(UserError::NotFound(name.clone())),
        UserChange::LastAdmin => Err(UserError::LastAdmin(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthError;
    use crate::auth::tests::{LOCAL, REMOTE, admin, fresh};

    #[tokio::test]
    async fn i2_a_password_of_ones_own_ends_the_default_login_and_every_older_token() {
        let (auth, _clock, _folder) = fresh().await;
        let old = auth.login("admin", "admin", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&old, LOCAL).await.unwrap();
        let wrong = auth.change_own_password(&principal, "not it", "long enough").await;
        assert!(matches!(wrong, Err(PasswordError::WrongPassword)), "{wrong:?}");
        let answer = auth.change_own_password(&principal, "admin", "long enough").await.unwrap();
        assert!(auth.authenticate(&answer.token, REMOTE).await.is_ok(), "the fresh token is no default one");
        assert!(matches!(auth.authenticate(&old, LOCAL).await, Err(AuthError::Invalid)));
        assert!(matches!(auth.recheck(&principal).await, Err(AuthError::Invalid)), "nor does a stream go on with it");
        assert!(matches!(auth.login("admin", "admin", LOCAL).await, Err(LoginError::WrongCredentials)));
    }

    #[tokio::test]
    async fn i1_a_password_that_is_short_long_or_the_name_is_refused() {
        let (auth, _clock, _folder) = fresh().await;
        let name: UserName = "long.name".parse().unwrap();
        for wrong in ["", "admin", "user", "1234567", "long.name", "Long.Name", &"x".repeat(1025)] {
            let refused = auth.add_user(name.clone(), UserRole::User, wrong).await;
            assert!(matches!(refused, Err(UserError::Password(_))), "{wrong}: {refused:?}");
        }
        for (number, fine) in ["12345678", "äöüäöüäö", &"x".repeat(1024)].into_iter().enumerate() {
            auth.add_user(format!("user{number}").parse().unwrap(), UserRole::User, fine).await.unwrap();
        }
        let refused = auth.change_user(&admin(), None, Some("short"), BudgetChange::default()).await;
        assert!(matches!(refused, Err(UserError::Password(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn the_last_admin_can_be_neither_removed_nor_demoted() {
        let (auth, _clock, _folder) = fresh().await;
        for refused in
            [auth.remove_user(&admin()).await, auth.change_user(&admin(), Some(UserRole::User), None, BudgetChange::default()).await]
        {
            assert!(matches!(refused, Err(UserError::LastAdmin(_))), "{refused:?}");
        }
        auth.change_user(&"user".parse().unwrap(), Some(UserRole::Admin), None, BudgetChange::default()).await.unwrap();
        auth.remove_user(&admin()).await.unwrap();
        assert!(matches!(auth.remove_user(&admin()).await, Err(UserError::NotFound(_))));
    }

    #[tokio::test]
    async fn i4_a_removed_users_token_is_not_good_for_another_of_that_name() {
        let (auth, _clock, _folder) = fresh().await;
        let name: UserName = "carol".parse().unwrap();
        auth.add_user(name.clone(), UserRole::User, "first password").await.unwrap();
        let token = auth.login("carol", "first password", REMOTE).await.unwrap().token;
        auth.remove_user(&name).await.unwrap();
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        auth.add_user(name.clone(), UserRole::Admin, "second password").await.unwrap();
        assert!(matches!(auth.authenticate(&token, REMOTE).await, Err(AuthError::Invalid)));
        let again = auth.add_user(name, UserRole::User, "third password").await;
        assert!(matches!(again, Err(UserError::Exists(_))), "{again:?}");
    }
}
