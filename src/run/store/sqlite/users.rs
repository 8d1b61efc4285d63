//! Users in `SQLite`.

use std::convert::identity;

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::damage::Columns;
use super::quotas;
use super::sql::{execute, query_first, read_error};
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
impl UserStore for SqliteStore {
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        self.find_user("name = ?1", name.to_string()).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        self.find_user("id = ?1", id.to_string()).await
    }

    async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE name > ?1 ORDER BY name");
            let after = after.as_ref().map_or("", UserName::as_str);
            damaged.page(connection, &sql, &[&after], limit, decode)
        })
        .await
    }

    async fn has_users(&self) -> Result<bool, StoreError> {
        self.read(|connection| connection.prepare_cached("SELECT 1 FROM users").and_then(|mut find| find.exists([])).map_err(read_error))
            .await
    }

    async fn add_user(&self, user: UserRecord, audit: Option<Audited>) -> Result<bool, StoreError> {
        self.write_audited(audit, identity, move |connection| {
            let sql = format!(
                "INSERT INTO users ({COLUMNS})
                     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
                     WHERE NOT EXISTS (SELECT 1 FROM former_users WHERE id = ?1) ON CONFLICT DO NOTHING"
            );
            let quota = |quota: Quota| user.quotas[quota].map(|bound| encode_bound(bound, Amount::get));
            let Budget { tokens_per_day, cost_per_day_usd, tokens_per_run, cost_per_run_usd, turns_per_run } = user.budget;
            let values = params![
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
            Ok(execute(connection, &sql, values)? == 1)
        })
        .await
    }

    async fn change_user(&self, id: UserId, edit: UserEdit, audit: Option<Audited>) -> Result<UserChange, StoreError> {
        let id = id.to_string();
        let UserEdit { role, password_hash, budget, quotas } = edit;
        self.write_audited(audit, is_done, move |connection| {
            let sql = format!(
                "UPDATE users SET role = coalesce(?2, role), password_hash = coalesce(?3, password_hash),
                     default_password = iif(?3 IS NULL, default_password, 0), generation = generation + (?3 IS NOT NULL),
                     tokens_per_day = iif(?4, ?5, tokens_per_day), cost_per_day_micros = iif(?6, ?7, cost_per_day_micros),
                     tokens_per_run = iif(?8, ?9, tokens_per_run), cost_per_run_micros = iif(?10, ?11, cost_per_run_micros),
                     turns_per_run = iif(?12, ?13, turns_per_run)
                     WHERE id = ?1 AND (coalesce(?2, role) = 'admin' OR {NOT_THE_LAST_ADMIN})"
            );
            let (set_tokens, tokens) = encode_change(budget.tokens_per_day, Tokens::get);
            let (set_cost, cost) = encode_change(budget.cost_per_day, Money::micros);
            let run_tokens = encode_change(budget.tokens_per_run, Tokens::get);
            let run_cost = encode_change(budget.cost_per_run, Money::micros);
            let run_turns = encode_change(budget.turns_per_run, Amount::get);
            let values = params![
                id,
                role.map(UserRole::as_str),
                password_hash,
                set_tokens,
                tokens,
                set_cost,
                cost,
                run_tokens.0,
                run_tokens.1,
                run_cost.0,
                run_cost.1,
                run_turns.0,
                run_turns.1
            ];
            let changed = outcome(connection, &id, execute(connection, &sql, values)?)?;
            if changed == UserChange::Done {
                quotas::change(connection, &id, &quotas)?;
            }
            Ok(changed)
        })
        .await
    }

    async fn remove_user(&self, id: UserId, audit: Option<Audited>) -> Result<UserChange, StoreError> {
        let id = id.to_string();
        self.write_audited(audit, is_done, move |connection| {
            let condition = format!("id = ?1 AND {NOT_THE_LAST_ADMIN}");
            let keep_name = format!("INSERT INTO former_users (id, name) SELECT id, name FROM users WHERE {condition}");
            execute(connection, &keep_name, [&id])?;
            let removed = execute(connection, &format!("DELETE FROM users WHERE {condition}"), [&id])?;
            outcome(connection, &id, removed)
        })
        .await
    }
}

impl SqliteStore {
    async fn find_user(&self, condition: &'static str, value: String) -> Result<Option<UserRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE {condition}");
            query_first(connection, &sql, [value], decode)
        })
        .await
    }
}

fn is_done(change: UserChange) -> bool {
    change == UserChange::Done
}

/// The outcome of a statement that changed this number of rows.
fn outcome(connection: &Connection, id: &str, rows: usize) -> Result<UserChange, StoreError> {
    if rows == 1 {
        return Ok(UserChange::Done);
    }
    let exists = connection.prepare_cached("SELECT 1 FROM users WHERE id = ?1").and_then(|mut find| find.exists([id]));
    Ok(if exists.map_err(read_error)? { UserChange::LastAdmin } else { UserChange::NotFound })
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row<'_>) -> Result<UserRecord, StoreError> {
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
pub(super) fn decode_budget(columns: &Columns<'_, '_>, first: usize) -> Result<Budget, StoreError> {
    Ok(Budget {
        tokens_per_day: decode_bound(columns, first, Tokens::new)?,
        cost_per_day_usd: decode_bound(columns, first + 1, Money::from_micros)?,
        tokens_per_run: decode_bound(columns, first + 2, Tokens::new)?,
        cost_per_run_usd: decode_bound(columns, first + 3, Money::from_micros)?,
        turns_per_run: decode_bound(columns, first + 4, Amount::new)?,
    })
}

fn decode_bound<T>(columns: &Columns<'_, '_>, column: usize, amount: impl Fn(u64) -> T) -> Result<Option<Limit<T>>, StoreError> {
    let number = columns.get::<Option<i64>>(column)?;
    Ok(number.map(|number| u64::try_from(number).map_or(Limit::NONE, |max| Limit::At(amount(max)))))
}
