//! Users and API keys in a data directory, whether or not a server uses it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::error::CliError;
use crate::auth::{Audit, AuditEvent, Auth, NewKey, NewKeyError, RevokeError, SigningKey, Target, UserError};
use crate::config::{self, Flags, Settings};
#[cfg(not(feature = "postgres"))]
use crate::run::store::OpenError;
#[cfg(feature = "postgres")]
use crate::run::store::PostgresStore;
use crate::run::store::{ApiKeyRecord, Audited, ServerStore, SqliteStore, UserRecord};
use crate::types::{
    AuditAction, BudgetChange, Caller, Clock, KeyId, OwnQuotas, QuotaChange, SystemClock, UserId, UserName, UserRef, UserRole,
};

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
        match &settings.database_url {
            None => Self::with_store(SqliteStore::open_alongside_server(&settings.data_dir)?, &settings).await,
            #[cfg(feature = "postgres")]
            Some(url) => Self::with_store(PostgresStore::open_alongside_server(url.expose()).await?, &settings).await,
            #[cfg(not(feature = "postgres"))]
            Some(_) => Err(OpenError::NoPostgres.into()),
        }
    }

    async fn with_store(store: impl ServerStore, settings: &Settings) -> anyhow::Result<Self> {
        let store = Arc::new(store);
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
        let event = event(AuditAction::UserCreate).to(Target::User(name.clone())).detail(format!("role={}", role.as_str()));
        self.audited(event, |audit| self.auth.add_user(name.clone(), role, password, audit)).await.map(|_id| ()).map_err(user_error)
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
        let event = event(AuditAction::UserChange).to(Target::User(name.clone())).detail(changes.join(" "));
        self.audited(event, |audit| self.auth.change_user(name, role, password, budget, audit)).await.map_err(user_error)
    }

    /// Changes the quotas of a user.
    pub(super) async fn change_quotas(&self, name: &UserName, quotas: QuotaChange) -> anyhow::Result<()> {
        let event = event(AuditAction::UserChange).to(Target::User(name.clone())).detail(format!("quotas: {quotas}"));
        let none = BudgetChange::default();
        self.audited(event, |audit| self.auth.edit_user(name, None, None, none, quotas, audit)).await.map_err(user_error)
    }

    /// Deletes a user with all tokens and keys.
    pub(super) async fn delete_user(&self, name: &UserName) -> anyhow::Result<()> {
        let event = event(AuditAction::UserDelete).to(Target::User(name.clone()));
        self.audited(event, |audit| self.auth.remove_user(name, audit)).await.map_err(user_error)
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
        let event = event(AuditAction::KeyCreate).to(Target::User(owner.clone())).detail(scopes);
        let create = async |audit| match self.auth.user(owner).await? {
            Some(user) => self.auth.create_key(&user.reference(), new, audit).await,
            None => Err(NewKeyError::NoOwner(owner.clone())),
        };
        let created = self.audited(event, create).await;
        let (key, record) = created.map_err(|error| match error {
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
        let (operator, event) = (operator()?, event(AuditAction::KeyDelete).to(Target::Key(id)));
        let revoked = self.audited(event, |audit| self.auth.revoke_key(&operator, id, audit)).await;
        revoked.map_err(|error| match error {
            RevokeError::NotFound(_) => CliError::not_found(error.to_string()).into(),
            RevokeError::Store(_) => anyhow::Error::new(error),
        })
    }

    /// Performs an operation and records it with its outcome.
    async fn audited<T, E, A>(&self, event: AuditEvent, action: impl FnOnce(Option<Audited>) -> A) -> Result<T, E>
    where
        A: Future<Output = Result<T, E>>,
    {
        self.audit.perform(event, |audit| action(Some(audit)), |_value| None, |_error| "refused").await
    }
}

/// An operation of the command line.
fn event(action: AuditAction) -> AuditEvent {
    AuditEvent::by_user(None, None, action)
}

/// The caller of operations on keys: access to the data directory is the access of an admin.
fn operator() -> anyhow::Result<Caller> {
    // With an id of no user: an admin may see everything.
    Ok(Caller { user: UserRef { id: UserId::new(), name: "admin".parse()? }, role: UserRole::Admin })
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
    let (budget, quotas) = (user.budget, OwnQuotas::from(user.quotas));
    let mut shown = json!({ "username": user.name, "user_id": user.id, "role": user.role, "default_password": user.default_password, "budget": budget });
    if !quotas.is_default() {
        shown["quotas"] = json!(quotas);
    }
    shown
}

/// A key as the API shows it.
fn key_json(key: &ApiKeyRecord) -> Value {
    let mut shown = json!({
        "id": key.id, "name": key.name, "owner": key.owner.name, "scopes": key.scopes, "created_at": key.created_at,
        "expires_at": key.expires_at, "last_used_at": key.last_used_at,
    });
    for (name, value) in json!(key.defaults).as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    shown
}
