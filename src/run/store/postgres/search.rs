//! Full-text search: keeps the texts of runs, and looks through them.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::{Client, Row};

use super::PostgresStore;
use super::connector::{Connector, take};
use super::decode::{self, RUN_COLUMNS};
use super::run_filter;
use super::sql::{self, Conditions, execute, get, rows};
use super::sql_error::read_error;
use super::value::{Value, values};
use crate::run::store::{RunFilter, RunRecord, SearchText, StoreError, searchable};
use crate::types::{RunId, RunSpec, UserId};

/// Number of runs that are read at once.
const PAGE: usize = 100;

/// Adds a new run.
pub(super) async fn insert(client: &Client, run: RunId, owner: UserId, spec: &RunSpec) -> Result<(), StoreError> {
    let sql = "INSERT INTO search_texts (run_id, owner, text) VALUES ($1, $2, $3)";
    execute(client, sql, &values![run.to_string(), owner.to_string(), searchable(spec, None)]).await.map(|_| ())
}

/// Implements [`RunStore::search`](crate::run::store::RunStore::search).
pub(super) async fn search(
    store: &PostgresStore,
    text: &SearchText,
    filter: RunFilter,
    limit: usize,
    max_time: Duration,
) -> Result<Vec<RunRecord>, StoreError> {
    let running = Running::start(store).await?;
    let result = tokio::time::timeout(max_time, find(store, running.client()?, text, filter, limit)).await;
    match result {
        Ok(found) => {
            running.finish();
            found
        }
        Err(_elapsed) => Err(StoreError::SearchTimeout(max_time.as_secs())),
    }
}

async fn find(
    store: &PostgresStore,
    client: &Client,
    text: &SearchText,
    filter: RunFilter,
    limit: usize,
) -> Result<Vec<RunRecord>, StoreError> {
    let before = match filter.before {
        Some(run) => position(client, run).await?,
        None => i64::MAX,
    };
    let filter = RunFilter { before: None, ..filter };
    let mut found = matches(store, client, &term_conditions(text), &filter, before, limit).await?;
    if let Some(prefix) = text.id_prefix() {
        let known: Vec<i64> = found.iter().map(|(id, _)| *id).collect();
        let more = matches(store, client, &id_conditions(prefix), &filter, before, limit).await?;
        found.extend(more.into_iter().filter(|(id, _)| !known.contains(id)));
        found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        found.truncate(limit);
    }
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

/// A connection that only searches use. Dropping it cancels the statement that is running, unless the search is finished.
pub(super) struct Running {
    connector: Connector,
    client: Option<Object>,
}

impl Running {
    pub(super) async fn start(store: &PostgresStore) -> Result<Self, StoreError> {
        Ok(Self { connector: store.connector.clone(), client: Some(take(&store.searchers).await?) })
    }

    pub(super) fn client(&self) -> Result<&Client, StoreError> {
        self.client.as_ref().map(|client| &***client).ok_or(StoreError::Closed)
    }

    /// Gives the connection back.
    fn finish(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            self.connector.cancel(client);
        }
    }
}

/// The place of a run in the order of the results. If it was deleted, results continue after the run that was created before it.
async fn position(client: &Client, run: RunId) -> Result<i64, StoreError> {
    let sql = "SELECT id + (run_id < $1)::int FROM search_texts WHERE run_id <= $1 ORDER BY run_id DESC LIMIT 1";
    let found = rows(client, sql, &values![run.to_string()]).await.map_err(read_error)?;
    found.first().map_or(Ok(0), |row| get(row, 0))
}

/// Selects the rows `t` in which all terms occur.
fn term_conditions(text: &SearchText) -> Vec<(&'static str, Value)> {
    text.terms().iter().map(|term| ("t.text LIKE ?", Value::from(format!("%{}%", escaped(term))))).collect()
}

/// A term as a part of a pattern that stands for itself.
fn escaped(term: &str) -> String {
    term.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Selects the runs whose ids begin with `prefix`.
fn id_conditions(prefix: &str) -> Vec<(&'static str, Value)> {
    // `g` is greater than every digit.
    vec![("t.run_id >= ?", prefix.into()), ("t.run_id < ?", format!("{prefix}g").into())]
}

/// The last intact runs before this place that match the terms and the filter, with their places.
async fn matches(
    store: &PostgresStore,
    client: &Client,
    terms: &[(&'static str, Value)],
    filter: &RunFilter,
    mut before: i64,
    limit: usize,
) -> Result<Vec<(i64, RunRecord)>, StoreError> {
    let mut found = Vec::new();
    loop {
        let mut conditions = Conditions::new([]);
        for (term, value) in terms {
            conditions.add(term, Some(value.clone()));
        }
        conditions.add("t.id < ?", Some(before));
        conditions.add_owner("t.owner", filter.owner.clone());
        let conditions = run_filter::conditions(filter.clone(), conditions);
        let page = limit.saturating_sub(found.len()).min(PAGE);
        let sql = format!(
            "SELECT {RUN_COLUMNS}, t.id FROM search_texts t JOIN runs ON runs.id = t.run_id JOIN run_leases l ON l.run_id = runs.id
             WHERE {} ORDER BY t.id DESC LIMIT {page}",
            conditions.clause()
        );
        let rows: Vec<Row> = sql::rows(client, &sql, conditions.values()).await.map_err(read_error)?;
        for row in &rows {
            before = get(row, 18)?;
            found.extend(store.damaged.skip(decode::run(row))?.map(|run| (before, run)));
        }
        if rows.len() < page || found.len() >= limit {
            return Ok(found);
        }
    }
}
