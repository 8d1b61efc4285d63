//! What was used in `SQLite`: a row for each run and day, and the same added up by day.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::SqliteStore;
use super::decode::{integer, reading, writing};
use super::users;
use crate::run::store::{DailyUsage, StoreError, UsageFilter, UsageGroup, UsageRecord, UsageStore, UsageSum};
use crate::types::{Budget, Day, Money, RunId, RunStatus, Timestamp, Tokens, Usage, UserName};

/// Most tokens of one kind that are believed of one run. What an agent tells is not checked by anybody, and sums must not run over.
const MOST_OF_A_RUN: u64 = 1_000_000_000_000;

/// Where sums stop: the largest whole number that every JSON reader can tell from the next.
const MOST: u64 = 9_007_199_254_740_991;

/// The columns that are added up, in the order that [`sum`] reads and [`record`] writes them.
const COLUMNS: &str = "completed, failed, cancelled, timed_out, interrupted, unpriced, input_tokens, output_tokens, cache_read_tokens, \
                       cache_write_tokens, reasoning_tokens, cost_micros, is_estimate";

/// The statuses that have a column, in its order.
const STATUSES: [RunStatus; 5] =
    [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled, RunStatus::TimedOut, RunStatus::Interrupted];

#[async_trait]
impl UsageStore for SqliteStore {
    async fn usage(
        &self,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        self.read(move |connection| {
            let (table, key) = (table_for(&filter, Some(group)), column_of(group));
            let (mut terms, mut values) = conditions(&filter);
            let (order, follows) = if group.newest_first() { ("DESC", "<") } else { ("ASC", ">") };
            if let Some(after) = after {
                values.push(Box::new(after));
                terms.push(format!("{key} {follows} ?{}", values.len()));
            }
            let sql = format!(
                "SELECT {}, {key} FROM {table} WHERE {} GROUP BY {key} ORDER BY {key} {order} LIMIT {limit}",
                sums(),
                terms.join(" AND ")
            );
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let rows = statement
                .query_map(rusqlite::params_from_iter(values), |row| Ok(UsageRecord { key: row.get(13)?, sum: sum(row)? }))
                .map_err(reading)?;
            rows.map(|row| row.map_err(reading)).collect()
        })
        .await
    }

    async fn usage_in_all(&self, filter: UsageFilter) -> Result<UsageSum, StoreError> {
        self.read(move |connection| {
            let (terms, values) = conditions(&filter);
            let sql = format!("SELECT {} FROM {} WHERE {}", sums(), table_for(&filter, None), terms.join(" AND "));
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            statement.query_row(rusqlite::params_from_iter(values), sum).map_err(reading)
        })
        .await
    }

    async fn spent(&self, owner: &UserName, day: Day) -> Result<DailyUsage, StoreError> {
        let owner = owner.clone();
        self.read(move |connection| {
            let sql = format!("SELECT {} FROM usage_by_day WHERE owner = ?1 AND day = ?2", sums());
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let used = statement.query_row(params![owner.as_str(), day.to_string()], sum).map_err(reading)?;
            let sql = format!("SELECT {} FROM users WHERE name = ?1", users::BUDGET_COLUMNS);
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let budget = statement.query_row([owner.as_str()], |row| users::budget(row, 0)).optional().map_err(reading)?;
            let tokens = used.input_tokens.saturating_add(used.cache_write_tokens).saturating_add(used.output_tokens);
            Ok(DailyUsage { tokens: Tokens::new(tokens), cost: used.cost.unwrap_or_default(), budget: budget.unwrap_or(Budget::default()) })
        })
        .await
    }
}

/// Counts what a run has told that it used in all, as of that moment, and how it ended if it has. What was counted before is not counted
/// again, so the same may be told twice.
pub(super) fn record(
    connection: &Connection,
    run: RunId,
    at: Timestamp,
    told: Option<&Usage>,
    ended: Option<RunStatus>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT {} FROM usage WHERE run_id = ?1", sums());
    let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
    let before = statement.query_row([run.to_string()], sum).map_err(reading)?;
    let new = told.map(|told| growth(told, &before)).unwrap_or_default();
    // An agent that tells the same again tells nothing.
    if ended.is_none() && new == UsageSum::default() {
        return Ok(());
    }
    let is_unpriced = ended.is_some() && told.is_some_and(|told| told.cost_usd.is_none());
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
    for (table, names, of_the_run, key) in [
        ("usage", "run_id, day, session_id, owner", "id, ?2, session_id, owner", "run_id, day"),
        ("usage_by_day", "day, owner", "?2, owner", "owner, day, agent_type, model"),
    ] {
        let added = COLUMNS.split(", ").map(|column| match column {
            "cost_micros" => {
                format!("cost_micros = coalesce(min(cost_micros + excluded.cost_micros, {MOST}), cost_micros, excluded.cost_micros)")
            }
            "is_estimate" => "is_estimate = max(is_estimate, excluded.is_estimate)".to_owned(),
            column => format!("{column} = min({column} + excluded.{column}, {MOST})"),
        });
        let sql = format!(
            "INSERT INTO {table} ({names}, agent_type, model, {COLUMNS})
             SELECT {of_the_run}, agent_type, coalesce(model, spec ->> '$.model', ''), {} FROM runs WHERE id = ?1
             ON CONFLICT ({key}) DO UPDATE SET {}",
            (3..=15).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", "),
            added.collect::<Vec<_>>().join(", ")
        );
        let insert = connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values.as_slice()));
        insert.map_err(|error| writing(&error))?;
    }
    Ok(())
}

/// By how much a run's totals have grown. What has shrunk has not grown.
fn growth(told: &Usage, before: &UsageSum) -> UsageSum {
    let more = |told: u64, before: u64| told.min(MOST_OF_A_RUN).saturating_sub(before);
    let cost = told.cost_usd.map(|dollars| {
        let known = before.cost.unwrap_or_default();
        Money::from_micros(Money::from_reported(dollars).micros().saturating_sub(known.micros()))
    });
    // Nothing more of what is known already is nothing new.
    let cost = cost.filter(|cost| before.cost.is_none() || *cost > Money::default());
    UsageSum {
        input_tokens: more(told.input_tokens, before.input_tokens),
        output_tokens: more(told.output_tokens, before.output_tokens),
        cache_read_tokens: more(told.cache_read_tokens, before.cache_read_tokens),
        cache_write_tokens: more(told.cache_write_tokens, before.cache_write_tokens),
        reasoning_tokens: more(told.reasoning_tokens, before.reasoning_tokens),
        cost,
        is_estimate: cost.is_some() && told.cost_is_estimate,
        ..UsageSum::default()
    }
}

/// The columns added up. As floating point, which is exact as far as [`MOST`] and never runs over.
fn sums() -> String {
    let sum = |column: &str| match column {
        "cost_micros" => format!("CAST(min(iif(count(cost_micros) = 0, NULL, total(cost_micros)), {MOST}) AS INTEGER)"),
        "is_estimate" => "coalesce(max(is_estimate), 0)".to_owned(),
        column => format!("CAST(min(total({column}), {MOST}) AS INTEGER)"),
    };
    COLUMNS.split(", ").map(sum).collect::<Vec<_>>().join(", ")
}

/// Reads a row of [`sums`].
fn sum(row: &Row<'_>) -> rusqlite::Result<UsageSum> {
    let number = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
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
        cost: row.get::<_, Option<i64>>(11)?.map(|micros| Money::from_micros(micros.unsigned_abs())),
        is_estimate: row.get(12)?,
    })
}

/// The table that has what is wanted in the fewest rows.
fn table_for(filter: &UsageFilter, group: Option<UsageGroup>) -> &'static str {
    let by_run = filter.session.is_some() || matches!(group, Some(UsageGroup::Session | UsageGroup::Run));
    if by_run { "usage" } else { "usage_by_day" }
}

fn column_of(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Day => "day",
        UsageGroup::Owner => "owner",
        UsageGroup::AgentType => "agent_type",
        UsageGroup::Model => "model",
        UsageGroup::Session => "session_id",
        UsageGroup::Run => "run_id",
    }
}

/// The filter as SQL. Values are bound, never written into the text.
fn conditions(filter: &UsageFilter) -> (Vec<String>, Vec<Box<dyn ToSql>>) {
    let UsageFilter { owner, agent_type, session, since, until } = filter;
    let wanted = [
        ("owner =", owner.as_ref().map(ToString::to_string)),
        ("agent_type =", agent_type.clone()),
        ("session_id =", session.map(|session| session.to_string())),
        ("day >=", since.map(|day| day.to_string())),
        ("day <=", until.map(|day| day.to_string())),
    ];
    let (mut terms, mut values) = (vec!["1".to_owned()], Vec::<Box<dyn ToSql>>::new());
    for (term, value) in wanted {
        if let Some(value) = value {
            values.push(Box::new(value));
            terms.push(format!("{term} ?{}", values.len()));
        }
    }
    (terms, values)
}
