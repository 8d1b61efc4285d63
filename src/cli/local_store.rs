//! Users and API keys in a data directory, whether or not a server uses it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::error::CliError;
use crate::auth::{Audit, AuditEvent, Auth, NewKey, NewKeyError, RevokeError, SigningKey, Target, UserError};
use crate::config::{self, Flags};
use crate::run::store::{ApiKeyRecord, SqliteStore, UserRecord};
use crate::types::{AuditAction, BudgetChange, Caller, Clock, KeyId, SystemClock, UserName, UserRole};

/// Items per page of a query.
const PAGE: usize = 200;

/// The users and keys of one data directory. A running server sees changes at its next request.
pub(super) struct LocalStore {
    auth: Auth,
    audit: Audit,
}

impl LocalStore {
    /// Opens the store of a data directory. In an empty directory the default users are created, as at the first start of a server.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub(super) async fn open(data_dir: PathBuf) -> anyhow::Result<Self> {
        let flags = Flags { data_dir: Some(data_dir), ..Flags::default() };
        let settings = config::load(flags, &|name| std::env::var_os(name))?;
        let store = Arc::new(SqliteStore::open_alongside_server(&settings.data_dir)?);
        let key = SigningKey::load(settings.jwt_secret.as_ref(), &settings.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Without the admin password of the settings: only a server sets it, and logs that it did.
        let auth = Auth::start(store.clone(), Arc::clone(&clock), &key, None).await?;
        Ok(Self { auth, audit: Audit::new(store, clock, TaskTracker::new()) })
    }

    /// All users, by name.
    pub(super) async fn users(&self) -> anyhow::Result<Vec<Value>> {
        let mut users: Vec<UserRecord> = Vec::new();
        loop {
            let page = self.auth.users(users.last().map(|user| user.name.clone()), PAGE).await?;
            let is_last = page.len() < PAGE;
            users.extend(page);
            if is_last {
                return Ok(users.iter().map(user_json).collect());
            }
        }
    }

    /// One user.
    pub(super) async fn user(&self, name: &UserName) -> anyhow::Result<Value> {
        match self.auth.user(name).await? {
            Some(user) => Ok(user_json(&user)),
            None => Err(user_error(UserError::NotFound(name.clone()))),
        }
    }

    /// Creates a user.
    pub(super) async fn create_user(&self, name: &UserName, role: UserRole, password: &str) -> anyhow::Result<()> {
        let created = self.auth.add_user(name.clone(), role, password).await;
        let detail = format!("role={}", role.as_str());
        self.record(AuditAction::UserCreate, Target::User(name.clone()), detail, created).await.map_err(user_error)
    }

    /// Changes a user.
    pub(super) async fn change_user(
        &self,
        name: &UserName,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
    ) -> anyhow::Result<()> {
        let changes = [role.map(|role| format!("role={}", role.as_str())), password.map(|_| "password".to_owned())];
        let changes: Vec<String> = changes.into_iter().flatten().chain(budget.is_some().then(|| budget.to_string())).collect();
        let outcome = self.auth.change_user(name, role, password, budget).await;
        self.record(AuditAction::UserChange, Target::User(name.clone()), changes.join(" "), outcome).await.map_err(user_error)
    }

    /// Deletes a user with all tokens and keys.
    pub(super) async fn delete_user(&self, name: &UserName) -> anyhow::Result<()> {
        let deleted = self.auth.remove_user(name).await;
        self.record(AuditAction::UserDelete, Target::User(name.clone()), String::new(), deleted).await.map_err(user_error)
    }

    /// All keys, or those of one owner, newest first.
    pub(super) async fn keys(&self, owner: Option<&UserName>) -> anyhow::Result<Vec<Value>> {
        let mut keys: Vec<ApiKeyRecord> = Vec::new();
        loop {
            let page = self.auth.keys(&operator()?, owner.cloned(), keys.last().map(|key| key.id), PAGE).await?;
            let is_last = page.len() < PAGE;
            keys.extend(page);
            if is_last {
                return Ok(keys.iter().map(key_json).collect());
            }
        }
    }

    /// Creates a key. The answer holds the secret as `key`.
    pub(super) async fn create_key(&self, owner: &UserName, new: NewKey) -> anyhow::Result<Value> {
        let scopes = new.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",");
        let created = self.auth.create_key(owner, new).await;
        let target = created.as_ref().map_or_else(|_error| Target::User(owner.clone()), |(_key, record)| Target::Key(record.id));
        let (key, record) = self.record(AuditAction::KeyCreate, target, scopes, created).await.map_err(|error| match error {
            NewKeyError::DefaultPassword(_) => CliError::denied(error.to_string())
                .hint(format!("set one with `openrunner user set {owner} --password --data-dir DIR`"))
                .into(),
            NewKeyError::NoOwner(_) => CliError::not_found(error.to_string()).into(),
            other => anyhow::Error::new(other),
        })?;
        let mut view = key_json(&record);
        view["key"] = json!(key);
        Ok(view)
    }

    /// Revokes a key.
    pub(super) async fn delete_key(&self, id: KeyId) -> anyhow::Result<()> {
        let revoked = self.auth.revoke_key(&operator()?, id).await;
        self.record(AuditAction::KeyDelete, Target::Key(id), String::new(), revoked).await.map_err(|error| match error {
            RevokeError::NotFound(_) => CliError::not_found(error.to_string()).into(),
            RevokeError::Store(_) => anyhow::Error::new(error),
        })
    }

    /// Writes an audit row for an operation and returns its result.
    async fn record<T, E>(&self, action: AuditAction, target: Target, detail: String, result: Result<T, E>) -> Result<T, E> {
        let outcome = if result.is_ok() { "ok" } else { "refused" };
        self.audit.record(AuditEvent::by_user(None, None, action).to(target).detail(detail), outcome).await;
        result
    }
}

/// The caller of operations on keys: access to the data directory is the access of an admin.
fn operator() -> anyhow::Result<Caller> {
    Ok(Caller { user: "admin".parse()?, role: UserRole::Admin })
}

fn user_error(error: UserError) -> anyhow::Error {
    match error {
        UserError::NotFound(_) => CliError::not_found(error.to_string()).into(),
        UserError::Exists(_) | UserError::Password(_) | UserError::LastAdmin(_) => CliError::usage(error.to_string()).into(),
        other => other.into(),
    }
}

/// A user as the API shows it.
fn user_json(user: &UserRecord) -> Value {
    json!({ "username": user.name, "role": user.role, "default_password": user.default_password, "budget": user.budget })
}

/// A key as the API shows it.
fn key_json(key: &ApiKeyRecord) -> Value {
    json!({
        "id": key.id, "name": key.name, "owner": key.owner, "scopes": key.scopes, "created_at": key.created_at,
        "expires_at": key.expires_at, "last_used_at": key.last_used_at,
    })
}
