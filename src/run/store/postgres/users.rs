//! Users in PostgreSQL.

use std::convert::identity;

use async_trait::async_trait;
use tokio_postgres::{Client, Row};

use super::sql::{self, Columns, execute};
use super::value::{Value, values};
use super::{PostgresStore, quotas};
use crate::run::store::values::{encode_bound, encode_change};
use crate::run::store::{Audited, StoreError, UserChange, UserEdit, UserRecord, UserStore};
use crate::types::{Amount, Budget, Limit, Money, Quota, Tokens, UserId, UserName, UserRole};

/// The columns of a user, in the order in which [`decode`] reads them.
const COLUMNS: &str = "id, name, role, password_hash, default_password, generation, tokens_per_day, cost_per_day_micros, \
     tokens_per_run, cost_per_run_micros, turns_per_run, \
     quota_stored_bytes, quota_workspace_bytes, quota_runs, quota_sessions, quota_keys";

/// The columns of a user's budget, in the order in which [`decode_budget`] reads them.
pub(super) const BUDGET_COLUMNS: &str = "tokens_per_day, cost_per_day_micros, tokens_per_run, cost_per_run_micros, turns_per_run";

/// Whether the selected user is not the only admin.
const NOT_THE_LAST_ADMIN: &str = "(role <> 'admin' OR (SELECT count(*) FROM users WHERE role = 'admin') > 1)";

#[async_trait]
impl UserStore for PostgresStore {
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        self.first(&format!("SELECT {COLUMNS} FROM users WHERE name = $1"), &values![name.as_str()], decode).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        self.first(&format!("SELECT {COLUMNS} FROM users WHERE id = $1"), &values![id.to_string()], decode).await
    }

    async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        let after = after.as_ref().map_or("", UserName::as_str);
        self.page(&format!("SELECT {COLUMNS} FROM users WHERE name > $1 ORDER BY name"), &values![after], limit, decode).await
    }

    async fn has_users(&self) -> Result<bool, StoreError> {
        Ok(!self.rows("SELECT 1 FROM users LIMIT 1", &[]).await?.is_empty())
    }

    async fn add_user(&self, user: UserRecord, audit: Option<Audited>) -> Result<bool, StoreError> {
        self.write_audited(audit, identity, move |client| {
            Box::pin(async move {
                let sql = format!(
                    "INSERT INTO users ({COLUMNS})
                         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
                         WHERE NOT EXISTS (SELECT 1 FROM former_users WHERE id = $1) ON CONFLICT DO NOTHING"
                );
                let quota = |quota: Quota| user.quotas[quota].map(|bound| encode_bound(bound, Amount::get));
                let Budget { tokens_per_day, cost_per_day_usd, tokens_per_run, cost_per_run_usd, turns_per_run } = user.budget;
                let values = values![
                    user.id.to_string(),
                    user.name.as_str(),
                    user.role.as_str(),
                    user.password_hash,
                    user.default_password,
                    user.generation,
                    tokens_per_day.map(|bound| encode_bound(bound, Tokens::get)),
                    cost_per_day_usd.map(|bound| encode_bound(bound, Money::micros)),
                    tokens_per_run.map(|bound| encode_bound(bound, Tokens::get)),
                    cost_per_run_usd.map(|bound| encode_bound(bound, Money::micros)),
                    turns_per_run.map(|bound| encode_bound(bound, Amount::get)),
                    quota(Quota::StoredBytes),
                    quota(Quota::WorkspaceBytes),
                    quota(Quota::Runs),
                    quota(Quota::Sessions),
                    quota(Quota::Keys),
                ];
                Ok(execute(client, &sql, &values).await? == 1)
            })
        })
        .await
    }

    async fn change_user(&self, id: UserId, edit: UserEdit, audit: Option<Audited>) -> Result<UserChange, StoreError> {
        let id = id.to_string();
        let UserEdit { role, password_hash, budget, quotas } = edit;
        self.write_audited(audit, is_done, move |client| {
            Box::pin(async move {
                let mut assignments = vec![
                    "role = coalesce($2, role)".to_owned(),
                    "password_hash = coalesce($3, password_hash)".to_owned(),
                    "default_password = default_password AND $3::text IS NULL".to_owned(),
                    "generation = generation + ($3::text IS NOT NULL)::int".to_owned(),
                ];
                let mut values: Vec<Value> = values![id.as_str(), role.map(UserRole::as_str), password_hash].into();
                for (column, (is_set, value)) in [
                    ("tokens_per_day", encode_change(budget.tokens_per_day, Tokens::get)),
                    ("cost_per_day_micros", encode_change(budget.cost_per_day, Money::micros)),
                    ("tokens_per_run", encode_change(budget.tokens_per_run, Tokens::get)),
                    ("cost_per_run_micros", encode_change(budget.cost_per_run, Money::micros)),
                    ("turns_per_run", encode_change(budget.turns_per_run, Amount::get)),
                ] {
                    if is_set {
                        values.push(value.into());
                        assignments.push(format!("{column} = ${}", values.len()));
                    }
                }
                let sql = format!(
                    "UPDATE users SET {} WHERE id = $1 AND (coalesce($2, role) = 'admin' OR {NOT_THE_LAST_ADMIN})",
                    assignments.join(", ")
                );
                let changed = outcome(client, &id, execute(client, &sql, &values).await?).await?;
                if changed == UserChange::Done {
                    quotas::change(client, &id, &quotas).await?;
                }
                Ok(changed)
            })
        })
        .await
    }

    async fn remove_user(&self, id: UserId, audit: Option<Audited>) -> Result<UserChange, StoreError> {
        let id = id.to_string();
        self.write_audited(audit, is_done, move |client| {
            Box::pin(async move {
                let condition = format!("id = $1 AND {NOT_THE_LAST_ADMIN}");
                let keep_name = format!("INSERT INTO former_users (id, name) SELECT id, name FROM users WHERE {condition}");
                execute(client, &keep_name, &values![id.as_str()]).await?;
                let removed = execute(client, &format!("DELETE FROM users WHERE {condition}"), &values![id.as_str()]).await?;
                outcome(client, &id, removed).await
            })
        })
        .await
    }
}

fn is_done(change: UserChange) -> bool {
    change == UserChange::Done
}

/// The outcome of a statement that changed this number of rows.
async fn outcome(client: &Client, id: &str, rows: u64) -> Result<UserChange, StoreError> {
    if rows == 1 {
        return Ok(UserChange::Done);
    }
    let exists = sql::first(client, "SELECT 1 FROM users WHERE id = $1", &values![id]).await?.is_some();
    Ok(if exists { UserChange::LastAdmin } else { UserChange::NotFound })
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row) -> Result<UserRecord, StoreError> {
    let columns = Columns::new("users", row);
    Ok(UserRecord {
        id: columns.parse(0)?,
        name: columns.parse(1)?,
        role: columns.named(2, UserRole::from_name)?,
        password_hash: columns.get(3)?,
        default_password: columns.get(4)?,
        generation: columns.get(5)?,
        budget: decode_budget(&columns, 6)?,
        quotas: quotas::decode_own(row, 11),
    })
}

/// Decodes [`BUDGET_COLUMNS`], the first of which has index `first`.
pub(super) fn decode_budget(columns: &Columns<'_>, first: usize) -> Result<Budget, StoreError> {
    Ok(Budget {
        tokens_per_day: decode_bound(columns, first, Tokens::new)?,
        cost_per_day_usd: decode_bound(columns, first + 1, Money::from_micros)?,
        tokens_per_run: decode_bound(columns, first + 2, Tokens::new)?,
        cost_per_run_usd: decode_bound(columns, first + 3, Money::from_micros)?,
        turns_per_run: decode_bound(columns, first + 4, Amount::new)?,
    })
}

fn decode_bound<T>(columns: &Columns<'_>, column: usize, amount: impl Fn(u64) -> T) -> Result<Option<Limit<T>>, StoreError> {
    let number = columns.get::<Option<i64>>(column)?;
    Ok(number.map(|number| u64::try_from(number).map_or(Limit::NONE, |max| Limit::At(amount(max)))))
}
