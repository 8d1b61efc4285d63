//! Users in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::SqliteStore;
use super::decode::{integer, reading, writing};
use crate::run::store::{StoreError, UserChange, UserEdit, UserRecord, UserStore};
use crate::types::{Budget, Limit, LimitChange, Money, Tokens, UserName, UserRole};

const COLUMNS: &str = "name, role, password_hash, default_password, generation, tokens_per_day, cost_per_day_micros";

/// The columns of a user's budget, in the order that [`budget`] reads them.
pub(super) const BUDGET_COLUMNS: &str = "tokens_per_day, cost_per_day_micros";

/// What stands for no bound.
const UNLIMITED: i64 = -1;

/// That the user `?1` is no admin, or not the only one.
const NOT_THE_LAST_ADMIN: &str = "(role <> 'admin' OR (SELECT count(*) FROM users WHERE role = 'admin') > 1)";

#[async_trait]
impl UserStore for SqliteStore {
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        let name = name.clone();
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE name = ?1");
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            statement.query_row([name.as_str()], |row| Ok(decode(row))).optional().map_err(reading)?.transpose()
        })
        .await
    }

    async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE name > ?1 ORDER BY name LIMIT {limit}");
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let after = after.as_ref().map_or("", UserName::as_str);
            let rows = statement.query_map([after], |row| Ok(decode(row))).map_err(reading)?;
            rows.map(|row| row.map_err(reading)?).collect()
        })
        .await
    }

    async fn add_user(&self, user: UserRecord) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "INSERT INTO users (name, role, password_hash, default_password, generation, tokens_per_day, cost_per_day_micros)
                           VALUES (?1, ?2, ?3, ?4, max(?5, 1 + coalesce((SELECT generation FROM former_users WHERE name = ?1), 0)), ?6, ?7)
                           ON CONFLICT (name) DO NOTHING";
                let Budget { tokens_per_day, cost_per_day_usd } = user.budget;
                let values = params![
                    user.name.as_str(),
                    user.role.as_str(),
                    user.password_hash,
                    user.default_password,
                    user.generation,
                    tokens_per_day.map(|bound| number(bound, Tokens::get)),
                    cost_per_day_usd.map(|bound| number(bound, Money::micros)),
                ];
                Ok(execute(connection, sql, values)? == 1)
            })
            .await
    }

    async fn change_user(&self, name: &UserName, edit: UserEdit) -> Result<UserChange, StoreError> {
        let name = name.clone();
        let UserEdit { role, password_hash, budget } = edit;
        self.writer
            .write(move |connection| {
                let sql = format!(
                    "UPDATE users SET role = coalesce(?2, role), password_hash = coalesce(?3, password_hash),
                     default_password = iif(?3 IS NULL, default_password, 0), generation = generation + (?3 IS NOT NULL),
                     tokens_per_day = iif(?4, ?5, tokens_per_day), cost_per_day_micros = iif(?6, ?7, cost_per_day_micros)
                     WHERE name = ?1 AND (coalesce(?2, role) = 'admin' OR {NOT_THE_LAST_ADMIN})"
                );
                let (set_tokens, tokens) = written(budget.tokens_per_day, Tokens::get);
                let (set_cost, cost) = written(budget.cost_per_day, Money::micros);
                let values = params![name.as_str(), role.map(UserRole::as_str), password_hash, set_tokens, tokens, set_cost, cost];
                outcome(connection, &name, execute(connection, &sql, values)?)
            })
            .await
    }

    async fn remove_user(&self, name: &UserName) -> Result<UserChange, StoreError> {
        let name = name.clone();
        self.writer
            .write(move |connection| {
                let condition = format!("name = ?1 AND {NOT_THE_LAST_ADMIN}");
                let remember = format!(
                    "INSERT INTO former_users (name, generation) SELECT name, generation FROM users WHERE {condition}
                     ON CONFLICT (name) DO UPDATE SET generation = excluded.generation"
                );
                execute(connection, &remember, [name.as_str()])?;
                let removed = execute(connection, &format!("DELETE FROM users WHERE {condition}"), [name.as_str()])?;
                outcome(connection, &name, removed)
            })
            .await
    }
}

/// How a change came out that touched so many rows.
fn outcome(connection: &Connection, name: &UserName, rows: usize) -> Result<UserChange, StoreError> {
    if rows == 1 {
        return Ok(UserChange::Done);
    }
    let there = connection.prepare_cached("SELECT 1 FROM users WHERE name = ?1").and_then(|mut find| find.exists([name.as_str()]));
    Ok(if there.map_err(reading)? { UserChange::LastAdmin } else { UserChange::NotFound })
}

fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(|error| writing(&error))
}

/// Reads a row of [`COLUMNS`].
fn decode(row: &Row<'_>) -> Result<UserRecord, StoreError> {
    let name: String = row.get(0).map_err(reading)?;
    let role: String = row.get(1).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "users", id: name.clone(), problem };
    Ok(UserRecord {
        name: name.parse().map_err(|error| damaged(format!("{error}")))?,
        role: UserRole::from_name(&role).ok_or_else(|| damaged(format!("role {role:?} is not known")))?,
        password_hash: row.get(2).map_err(reading)?,
        default_password: row.get(3).map_err(reading)?,
        generation: row.get(4).map_err(reading)?,
        budget: budget(row, 5).map_err(reading)?,
    })
}

/// Reads [`BUDGET_COLUMNS`], which begin with this column.
pub(super) fn budget(row: &Row<'_>, first: usize) -> rusqlite::Result<Budget> {
    let bound = |column: usize| row.get::<_, Option<i64>>(column);
    Ok(Budget {
        tokens_per_day: bound(first)?.map(|number| u64::try_from(number).map_or(Limit::NONE, |most| Limit::At(Tokens::new(most)))),
        cost_per_day_usd: bound(first + 1)?
            .map(|number| u64::try_from(number).map_or(Limit::NONE, |most| Limit::At(Money::from_micros(most)))),
    })
}

/// A bound as it is kept.
fn number<T>(bound: Limit<T>, count: impl Fn(T) -> u64) -> i64 {
    bound.amount().map_or(UNLIMITED, |most| integer(count(most)))
}

/// Whether the change writes anything, and what.
fn written<T>(change: LimitChange<T>, count: impl Fn(T) -> u64) -> (bool, Option<i64>) {
    match change {
        LimitChange::Keep => (false, None),
        LimitChange::Reset => (true, None),
        LimitChange::Set(bound) => (true, Some(number(bound, count))),
    }
}
