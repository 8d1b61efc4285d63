//! Users, keys and budgets: on a running server, or in a data directory.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::{MAX_PAGE, OfflineArgs};
use super::client::Client;
use super::context::Context;
use super::local_store::LocalStore;
use crate::auth::NewKey;
use crate::types::{BudgetChange, KeyDefaults, KeyId, LimitChange, QuotaChange, Scope, UserName, UserRole};

/// Where users and keys are managed. All values have the form of the API.
pub(super) enum Accounts {
    /// A running server.
    Server(Client),
    /// A data directory.
    Local(Box<LocalStore>),
}

impl Accounts {
    /// The data directory if one is given, else the chosen server.
    ///
    /// # Errors
    /// If the directory cannot be used, or as [`Context::connect`].
    pub(super) async fn open(context: &Context, offline: OfflineArgs) -> anyhow::Result<Self> {
        match offline.data_dir {
            Some(data_dir) => Ok(Self::Local(Box::new(LocalStore::open(data_dir).await?))),
            None => context.connect().await.map(Self::Server),
        }
    }

    /// All users, by name.
    ///
    /// # Errors
    /// As the server or the store fails; this holds for all methods.
    pub(super) async fn users(&self) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Server(client) => all(client, "/api/users", &[]).await,
            Self::Local(store) => store.users().await,
        }
    }

    /// One user.
    pub(super) async fn user(&self, name: &UserName) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => Ok(client.get(&format!("/api/users/{name}")).await?),
            Self::Local(store) => store.user(name).await,
        }
    }

    /// Creates a user and returns it.
    pub(super) async fn create_user(&self, name: &UserName, role: UserRole, password: &str) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let body = json!({ "username": name, "role": role, "password": password });
                Ok(client.post("/api/users", Some(&body)).await?)
            }
            Self::Local(store) => {
                store.create_user(name, role, password).await?;
                store.user(name).await
            }
        }
    }

    /// Changes role, password and budget of a user, and returns the user.
    pub(super) async fn change_user(
        &self,
        name: &UserName,
        role: Option<UserRole>,
        password: Option<&str>,
        budget: BudgetChange,
    ) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let mut body = Map::new();
                if let Some(role) = role {
                    body.insert("role".to_owned(), json!(role));
                }
                if let Some(password) = password {
                    body.insert("password".to_owned(), json!(password));
                }
                let limits = [
                    ("tokens_per_day", limit_json(budget.tokens_per_day)),
                    ("cost_per_day_usd", limit_json(budget.cost_per_day)),
                    ("tokens_per_run", limit_json(budget.tokens_per_run)),
                    ("cost_per_run_usd", limit_json(budget.cost_per_run)),
                    ("turns_per_run", limit_json(budget.turns_per_run)),
                ];
                let limits: Map<String, Value> = limits.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
                if !limits.is_empty() {
                    body.insert("budget".to_owned(), limits.into());
                }
                Ok(client.patch(&format!("/api/users/{name}"), &body.into()).await?)
            }
            Self::Local(store) => {
                store.change_user(name, role, password, budget).await?;
                store.user(name).await
            }
        }
    }

    /// Changes the quotas of a user.
    pub(super) async fn change_quotas(&self, name: &UserName, quotas: QuotaChange) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let changes = quotas.0.iter().filter_map(|(quota, change)| Some((quota.as_str().to_owned(), limit_json(*change)?)));
                let body = json!({ "quotas": changes.collect::<Map<String, Value>>() });
                Ok(client.patch(&format!("/api/users/{name}"), &body).await?)
            }
            Self::Local(store) => {
                store.change_quotas(name, quotas).await?;
                store.user(name).await
            }
        }
    }

    /// Deletes a user with all tokens and keys.
    pub(super) async fn delete_user(&self, name: &UserName) -> anyhow::Result<()> {
        match self {
            Self::Server(client) => Ok(client.delete(&format!("/api/users/{name}")).await.map(|_| ())?),
            Self::Local(store) => store.delete_user(name).await,
        }
    }

    /// All visible keys, or those of one owner, newest first.
    pub(super) async fn keys(&self, owner: Option<&UserName>) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Server(client) => all(client, "/api/keys", &[("owner", owner.map(ToString::to_string))]).await,
            Self::Local(store) => store.keys(owner).await,
        }
    }

    /// Creates a key. The answer holds the secret as `key`.
    pub(super) async fn create_key(
        &self,
        owner: Option<&UserName>,
        name: String,
        scopes: Vec<Scope>,
        expires_in: Option<Duration>,
        defaults: KeyDefaults,
    ) -> anyhow::Result<Value> {
        match self {
            Self::Server(client) => {
                let mut body = json!({ "name": name, "scopes": scopes });
                if let Some(owner) = owner {
                    body["owner"] = json!(owner);
                }
                if let Some(expires_in) = expires_in {
                    body["expires_in"] = json!(expires_in.as_secs());
                }
                for (name, value) in json!(defaults).as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
                Ok(client.post("/api/keys", Some(&body)).await?)
            }
            Self::Local(store) => {
                let owner = match owner {
                    Some(owner) => owner.clone(),
                    None => "admin".parse()?,
                };
                let scopes = scopes.into_iter().collect();
                store.create_key(&owner, NewKey { name, scopes, expires_in, defaults }).await
            }
        }
    }

    /// Revokes a key.
    pub(super) async fn delete_key(&self, id: KeyId) -> anyhow::Result<()> {
        match self {
            Self::Server(client) => Ok(client.delete(&format!("/api/keys/{id}")).await.map(|_| ())?),
            Self::Local(store) => store.delete_key(id).await,
        }
    }
}

/// All items of a list.
async fn all(client: &Client, path: &str, query: &[(&str, Option<String>)]) -> anyhow::Result<Vec<Value>> {
    let query: Vec<_> = query.iter().cloned().chain([("limit", Some(MAX_PAGE.to_string()))]).collect();
    Ok(client.list(path, &query, true).await?.items)
}

/// A change of a limit as the API takes it. None if it stays as it is.
fn limit_json<T: Serialize>(change: LimitChange<T>) -> Option<Value> {
    match change {
        LimitChange::Keep => None,
        LimitChange::Reset => Some(Value::Null),
        LimitChange::Set(bound) => Some(json!(bound)),
    }
}
