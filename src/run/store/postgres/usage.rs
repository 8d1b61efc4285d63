//! Usage in PostgreSQL: a row per run and day, and the same summed per day.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::PostgresStore;
use super::sql::{Columns, Conditions, OWNER_NAME};
use super::users;
use super::value::values;
use crate::run::store::usage::MAX_SUM;
use crate::run::store::{DailyUsage, StoreError, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
use crate::types::{Budget, Day, Money, Tokens, UserId};

/// The columns that are summed, in the order in which [`decode_sum`] reads them.
const COLUMNS: [&str; 13] = [
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "interrupted",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_micros",
    "is_estimate",
];

#[async_trait]
impl UsageStore for PostgresStore {
    async fn usage(
        &self,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let (table, key) = (table_for(&filter, Some(group)), group_column(group));
        let mut conditions = conditions(filter);
        let (order, follows) = if group.newest_first() { ("DESC", "<") } else { ("ASC", ">") };
        conditions.add(&format!("{key} {follows} ?"), after);
        let sql = format!("SELECT {key}, {} FROM {table} WHERE {} GROUP BY 1 ORDER BY 1 {order}", sum_columns(), conditions.clause());
        self.page(&sql, conditions.values(), limit, |row| {
            let columns = Columns::new(table, row);
            Ok(UsageRecord { key: columns.get(0)?, sum: decode_sum(&columns, 1)? })
        })
        .await
    }

    async fn total_usage(&self, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        let table = table_for(&filter, None);
        let conditions = conditions(filter);
        let sql = format!("SELECT {} FROM {table} WHERE {}", sum_columns(), conditions.clause());
        let sum = self.first(&sql, conditions.values(), |row| decode_sum(&Columns::new(table, row), 0)).await?;
        Ok(sum.unwrap_or_default())
    }

    async fn daily_usage(&self, owner: UserId, day: Day) -> Result<DailyUsage, StoreError> {
        let owner = owner.to_string();
        let sql = format!("SELECT {} FROM usage_by_day WHERE owner = $1 AND day = $2", sum_columns());
        let decode = |row: &Row| decode_sum(&Columns::new("usage_by_day", row), 0);
        let used = self.first(&sql, &values![owner.as_str(), day.to_string()], decode).await?.unwrap_or_default();
        let sql = format!("SELECT id, {} FROM users WHERE id = $1", users::BUDGET_COLUMNS);
        let decode = |row: &Row| users::decode_budget(&Columns::new("users", row), 1);
        let budget = self.first(&sql, &values![owner], decode).await?;
        let tokens = used.input_tokens.saturating_add(used.cache_write_tokens).saturating_add(used.output_tokens);
        Ok(DailyUsage { tokens: Tokens::new(tokens), cost: used.cost.unwrap_or_default(), budget: budget.unwrap_or(Budget::default()) })
    }
}

/// The sums of [`COLUMNS`] as SQL. They are computed without a limit to their size.
fn sum_columns() -> String {
    let sum = |column: &str| match column {
        "cost_micros" => format!("CASE WHEN count(cost_micros) > 0 THEN least(sum(cost_micros), {MAX_SUM})::bigint END"),
        "is_estimate" => "coalesce(bool_or(is_estimate), FALSE)".to_owned(),
        column => format!("least(coalesce(sum({column}), 0), {MAX_SUM})::bigint"),
    };
    COLUMNS.map(sum).join(", ")
}

/// Decodes [`sum_columns`], the first of which has index `first`.
fn decode_sum(columns: &Columns<'_>, first: usize) -> Result<UsageSum, StoreError> {
    let number = |column: usize| columns.get::<i64>(first + column).map(i64::unsigned_abs);
    let cost: Option<i64> = columns.get(first + 11)?;
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
        cost: cost.map(|micros| Money::from_micros(micros.unsigned_abs())),
        is_estimate: columns.get(first + 12)?,
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
    let mut conditions = Conditions::new([]);
    conditions.add_owner("owner", owner);
    conditions.add("agent_type = ?", agent_type);
    conditions.add("session_id = ?", session.map(|session| session.to_string()));
    conditions.add("day >= ?", since.map(|day| day.to_string()));
    conditions.add("day <= ?", until.map(|day| day.to_string()));
    conditions
}
