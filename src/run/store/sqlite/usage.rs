//! Usage in `SQLite`: a row per run and day, and the same summed per day.

use async_trait::async_trait;
use rusqlite::{Connection, Row, ToSql, params};

use super::SqliteStore;
use super::damage::Columns;
use super::sql::{Conditions, OWNER_NAME, execute, query_first, read_error};
use super::users;
use crate::run::store::usage::{MAX_PER_RUN, MAX_SUM, STATUSES};
use crate::run::store::values::integer;
use crate::run::store::{DailyUsage, StoreError, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
use crate::types::{Budget, Day, Money, RunId, RunStatus, Timestamp, Tokens, Usage, UserId};

/// The columns that are summed, in the order in which [`decode_sum`] reads and [`record`] writes them.
const COLUMNS: &str = "completed, failed, cancelled, timed_out, interrupted, unpriced, input_tokens, output_tokens, cache_read_tokens, \
                       cache_write_tokens, reasoning_tokens, cost_micros, is_estimate";

#[async_trait]
impl UsageStore for SqliteStore {
    async fn usage(
        &self,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let (table, key) = (table_for(&filter, Some(group)), group_column(group));
            let mut conditions = conditions(filter);
            let (order, follows) = if group.newest_first() { ("DESC", "<") } else { ("ASC", ">") };
            conditions.add(&format!("{key} {follows} ?"), after);
            let sql =
                format!("SELECT {key}, {} FROM {table} WHERE {} GROUP BY {key} ORDER BY {key} {order}", sum_columns(), conditions.clause());
            damaged.page(connection, &sql, &conditions.values(), limit, |row| {
                let columns = Columns::new(table, row);
                Ok(UsageRecord { key: columns.get(0)?, sum: decode_sum(row, 1).map_err(|error| columns.damaged(error))? })
            })
        })
        .await
    }

    async fn total_usage(&self, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        self.read(move |connection| {
            let table = table_for(&filter, None);
            let conditions = conditions(filter);
            let sql = format!("SELECT {} FROM {table} WHERE {}", sum_columns(), conditions.clause());
            let mut statement = connection.prepare_cached(&sql).map_err(read_error)?;
            statement.query_row(conditions.values().as_slice(), |row| decode_sum(row, 0)).map_err(read_error)
        })
        .await
    }

    async fn daily_usage(&self, owner: UserId, day: Day) -> Result<DailyUsage, StoreError> {
        let owner = owner.to_string();
        self.read(move |connection| {
            let sql = format!("SELECT {} FROM usage_by_day WHERE owner = ?1 AND day = ?2", sum_columns());
            let mut statement = connection.prepare_cached(&sql).map_err(read_error)?;
            let used = statement.query_row(params![owner, day.to_string()], |row| decode_sum(row, 0)).map_err(read_error)?;
            let sql = format!("SELECT id, {} FROM users WHERE id = ?1", users::BUDGET_COLUMNS);
            let decode = |row: &Row<'_>| users::decode_budget(&Columns::new("users", row), 1);
            let budget = query_first(connection, &sql, [owner.as_str()], decode)?;
            let tokens = used.input_tokens.saturating_add(used.cache_write_tokens).saturating_add(used.output_tokens);
            Ok(DailyUsage { tokens: Tokens::new(tokens), cost: used.cost.unwrap_or_default(), budget: budget.unwrap_or(Budget::default()) })
        })
        .await
    }
}

/// Counts the total usage that a run reported at this time, and its status if it ended. Only what exceeds the usage counted before is added,
/// so reporting the same total twice has no effect.
pub(super) fn record(
    connection: &Connection,
    run: RunId,
    at: Timestamp,
    total: Option<&Usage>,
    ended: Option<RunStatus>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT {} FROM usage WHERE run_id = ?1", sum_columns());
    let mut statement = connection.prepare_cached(&sql).map_err(read_error)?;
    let before = statement.query_row([run.to_string()], |row| decode_sum(row, 0)).map_err(read_error)?;
    let new = total.map(|total| growth(total, &before)).unwrap_or_default();
    if ended.is_none() && new == UsageSum::default() {
        return Ok(());
    }
    let is_unpriced = ended.is_some() && total.is_some_and(|total| total.cost_usd.is_none());
    let day = Day::from_timestamp(at).to_string();
    let id = run.to_string();
    let outcomes = STATUSES.map(|status| i64::from(ended == Some(status)));
    let tokens = [new.input_tokens, new.output_tokens, new.cache_read_tokens, new.cache_write_tokens, new.reasoning_tokens].map(integer);
    let unpriced = i64::from(is_unpriced);
    let cost = new.cost.map(|cost| integer(cost.micros()));
    let mut values: Vec<&dyn ToSql> = vec![&id, &day];
    values.extend(outcomes.iter().map(|value| value as &dyn ToSql));
    values.push(&unpriced);
    values.extend(tokens.iter().map(|value| value as &dyn ToSql));
    values.extend([&cost as &dyn ToSql, &new.is_estimate]);
    for (table, names, run_values, key) in [
        ("usage", "run_id, day, session_id, owner", "id, ?2, session_id, owner", "run_id, day"),
        ("usage_by_day", "day, owner", "?2, owner", "owner, day, agent_type, model"),
    ] {
        let added = COLUMNS.split(", ").map(|column| match column {
            "cost_micros" => {
                format!("cost_micros = coalesce(min(cost_micros + excluded.cost_micros, {MAX_SUM}), cost_micros, excluded.cost_micros)")
            }
            "is_estimate" => "is_estimate = max(is_estimate, excluded.is_estimate)".to_owned(),
            column => format!("{column} = min({column} + excluded.{column}, {MAX_SUM})"),
        });
        let sql = format!(
            "INSERT INTO {table} ({names}, agent_type, model, {COLUMNS})
             SELECT {run_values}, agent_type, coalesce(model, CASE WHEN json_valid(spec) THEN spec ->> '$.model' END, ''), {} FROM runs WHERE id = ?1
             ON CONFLICT ({key}) DO UPDATE SET {}",
            (3..=15).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", "),
            added.collect::<Vec<_>>().join(", ")
        );
        execute(connection, &sql, values.as_slice())?;
    }
    Ok(())
}

/// By how much a run's totals exceed those counted before; a smaller total counts as unchanged.
fn growth(total: &Usage, before: &UsageSum) -> UsageSum {
    let more = |total: u64, before: u64| total.min(MAX_PER_RUN).saturating_sub(before);
    let cost = total.cost_usd.map(|dollars| {
        let known = before.cost.unwrap_or_default();
        Money::from_micros(Money::from_reported(dollars).micros().saturating_sub(known.micros()))
    });
    // An unchanged cost is not new.
    let cost = cost.filter(|cost| before.cost.is_none() || *cost > Money::default());
    UsageSum {
        input_tokens: more(total.input_tokens, before.input_tokens),
        output_tokens: more(total.output_tokens, before.output_tokens),
        cache_read_tokens: more(total.cache_read_tokens, before.cache_read_tokens),
        cache_write_tokens: more(total.cache_write_tokens, before.cache_write_tokens),
        reasoning_tokens: more(total.reasoning_tokens, before.reasoning_tokens),
        cost,
        is_estimate: cost.is_some() && total.cost_is_estimate,
        ..UsageSum::default()
    }
}

/// The sums of [`COLUMNS`] as SQL. They are computed in floating point, which is exact up to [`MAX_SUM`] and cannot overflow.
fn sum_columns() -> String {
    let sum = |column: &str| match column {
        "cost_micros" => format!("CAST(min(iif(count(cost_micros) = 0, NULL, total(cost_micros)), {MAX_SUM}) AS INTEGER)"),
        "is_estimate" => "coalesce(max(is_estimate), 0)".to_owned(),
        column => format!("CAST(min(total({column}), {MAX_SUM}) AS INTEGER)"),
    };
    COLUMNS.split(", ").map(sum).collect::<Vec<_>>().join(", ")
}

/// Decodes [`sum_columns`], the first of which has index `first`.
fn decode_sum(row: &Row<'_>, first: usize) -> rusqlite::Result<UsageSum> {
    let number = |column: usize| row.get::<_, i64>(first + column).map(i64::unsigned_abs);
    Ok(UsageSum {
        completed: number(0)?,
        failed: number(1)?,
        cancelled: number(2)?,
        timed_out: number(3)?,
        interrupted: number(4)?,
        unpriced: number(5)?,
        input_tokens: number(6)?,
        output_tokens: number(7)?,
        cache_read_tokens: number(8)?,
        cache_write_tokens: number(9)?,
        reasoning_tokens: number(10)?,
        cost: row.get::<_, Option<i64>>(first + 11)?.map(|micros| Money::from_micros(micros.unsigned_abs())),
        is_estimate: row.get(first + 12)?,
    })
}

/// The table that answers the query with the fewest rows.
fn table_for(filter: &UsageFilter, group: Option<UsageGroup>) -> &'static str {
    let by_run = filter.session.is_some() || matches!(group, Some(UsageGroup::Session | UsageGroup::Run));
    if by_run { "usage" } else { "usage_by_day" }
}

fn group_column(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Day => "day",
        UsageGroup::Owner => OWNER_NAME,
        UsageGroup::AgentType => "agent_type",
        UsageGroup::Model => "model",
        UsageGroup::Session => "session_id",
        UsageGroup::Run => "run_id",
    }
}

fn conditions(filter: UsageFilter) -> Conditions {
    let UsageFilter { owner, agent_type, session, since, until } = filter;
    let mut conditions = Conditions::new();
    conditions.add_owner(owner);
    conditions.add("agent_type = ?", agent_type);
    conditions.add("session_id = ?", session.map(|session| session.to_string()));
    conditions.add("day >= ?", since.map(|day| day.to_string()));
    conditions.add("day <= ?", until.map(|day| day.to_string()));
    conditions
}
