//! Where events of runs are sent, in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, Row, ToSql, params};

use super::SqliteStore;
use super::decode::{integer, reading, writing};
use crate::run::store::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryStatus, NewWebhook, NextAttempt, StoreError, WebhookStore,
};
use crate::types::{RunId, Timestamp};

/// How many deliveries of one run to one place are remembered.
const REMEMBERED: u32 = 1000;

/// Adds the places of a new run.
pub(super) fn insert(connection: &Connection, run: RunId, webhooks: &[NewWebhook]) -> Result<(), StoreError> {
    for webhook in webhooks {
        let events = webhook.events.as_ref().map(serde_json::to_string).transpose();
        let events = events.map_err(|error| StoreError::Write(error.to_string()))?;
        let sql = "INSERT INTO webhooks (run_id, url, secret, events, state, cursor, attempts) VALUES (?1, ?2, ?3, ?4, 'active', 0, 0)";
        execute(connection, sql, params![run.to_string(), webhook.url, webhook.secret, events])?;
    }
    Ok(())
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT webhooks.id, run_id, session_id, url, secret, events, cursor, attempts, next_at
                 FROM webhooks JOIN runs ON runs.id = run_id
                 WHERE state = 'active' AND webhooks.id > ?1 ORDER BY webhooks.id LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let rows = statement.query_map([after], |row| Ok(active(row))).map_err(reading)?;
            rows.map(|row| row.map_err(reading)?).collect()
        })
        .await
    }

    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.writer.write(move |connection| record(connection, &attempt)).await
    }

    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError> {
        let sql = "UPDATE webhooks SET state = 'done' WHERE id = ?1 AND state = 'active'";
        self.writer.write(move |connection| execute(connection, sql, [webhook]).map(|_| ())).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |connection| {
            let (condition, values) = conditions(&filter);
            let sql = format!(
                "SELECT deliveries.id, message_id, run_id, seq, event, host, deliveries.state, deliveries.attempts, deliveries.status, error,
                        last_at, deliveries.next_at
                 FROM webhook_deliveries AS deliveries JOIN webhooks ON webhooks.id = webhook_id JOIN runs ON runs.id = run_id
                 WHERE {condition} ORDER BY deliveries.id DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| Ok(delivery(row))).map_err(reading)?;
            rows.map(|row| row.map_err(reading)?).collect()
        })
        .await
    }
}

fn record(connection: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
    let (status, next_at) = match attempt.then {
        NextAttempt::Delivered => (DeliveryStatus::Delivered, None),
        NextAttempt::Again(at) => (DeliveryStatus::Pending, Some(at.as_millis())),
        NextAttempt::GivenUp => (DeliveryStatus::Failed, None),
    };
    let updated = match attempt.then {
        NextAttempt::Delivered => {
            let sql = "UPDATE webhooks SET cursor = ?2, attempts = 0, next_at = NULL WHERE id = ?1";
            execute(connection, sql, params![attempt.webhook, integer(attempt.seq)])?
        }
        NextAttempt::Again(_) => {
            let sql = "UPDATE webhooks SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1";
            execute(connection, sql, params![attempt.webhook, next_at])?
        }
        NextAttempt::GivenUp => {
            execute(connection, "UPDATE webhooks SET state = 'given_up', next_at = NULL WHERE id = ?1", [attempt.webhook])?
        }
    };
    if updated == 0 {
        return Ok(()); // the run was deleted meanwhile
    }
    let sql = "INSERT INTO webhook_deliveries (webhook_id, message_id, seq, event, host, state, attempts, status, error, last_at, next_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9, ?10)
               ON CONFLICT (webhook_id, seq) DO UPDATE SET host = excluded.host, state = excluded.state, attempts = attempts + 1,
                   status = excluded.status, error = excluded.error, last_at = excluded.last_at, next_at = excluded.next_at";
    let values = params![
        attempt.webhook,
        attempt.message_id,
        integer(attempt.seq),
        attempt.event,
        attempt.host,
        status.as_str(),
        attempt.http_status,
        attempt.error,
        attempt.at.as_millis(),
        next_at,
    ];
    execute(connection, sql, values)?;
    let old = "DELETE FROM webhook_deliveries WHERE webhook_id = ?1 AND seq <
               (SELECT seq FROM webhook_deliveries WHERE webhook_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    execute(connection, old, params![attempt.webhook, REMEMBERED - 1]).map(|_| ())
}

/// The filter as SQL. Values are bound, never written into the text.
fn conditions(filter: &DeliveryFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut terms = vec!["1".to_owned()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut add = |term: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            values.push(value);
            terms.push(format!("{term} ?{}", values.len()));
        }
    };
    add("owner =", filter.owner.as_ref().map(|owner| Box::new(owner.to_string()) as _));
    add("run_id =", filter.run.map(|run| Box::new(run.to_string()) as _));
    add("deliveries.state =", filter.status.map(|status| Box::new(status.as_str()) as _));
    add("deliveries.id <", filter.before.map(|before| Box::new(integer(before)) as _));
    (terms.join(" AND "), values)
}

fn active(row: &Row<'_>) -> Result<ActiveWebhook, StoreError> {
    let id: i64 = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "webhooks", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, Option<String>>(column).map_err(|error| damaged(error.to_string()));
    let number = |column: usize| row.get::<_, i64>(column).map_err(|error| damaged(error.to_string()));
    let next_at: Option<i64> = row.get(8).map_err(|error| damaged(error.to_string()))?;
    let events = text(5)?.map(|events| serde_json::from_str(&events)).transpose().map_err(|error| damaged(error.to_string()))?;
    Ok(ActiveWebhook {
        id,
        run: text(1)?.unwrap_or_default().parse().map_err(|error| damaged(format!("{error}")))?,
        session: text(2)?.unwrap_or_default().parse().map_err(|error| damaged(format!("{error}")))?,
        webhook: NewWebhook { url: text(3)?, secret: text(4)?, events },
        cursor: u64::try_from(number(6)?).map_err(|error| damaged(error.to_string()))?,
        attempts: u32::try_from(number(7)?).map_err(|error| damaged(error.to_string()))?,
        next_at: next_at.map(Timestamp::from_millis),
    })
}

fn delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let id: i64 = row.get(0).map_err(reading)?;
    let damaged = |problem: String| StoreError::Damaged { table: "webhook_deliveries", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let status = text(6)?;
    let number = |number: i64| u64::try_from(number).map_err(|error| damaged(error.to_string()));
    let (seq, attempts): (i64, u32) = (row.get(3).map_err(reading)?, row.get(7).map_err(reading)?);
    let (http_status, error, last_at, next_at): (Option<u16>, Option<String>, i64, Option<i64>) =
        (row.get(8).map_err(reading)?, row.get(9).map_err(reading)?, row.get(10).map_err(reading)?, row.get(11).map_err(reading)?);
    Ok(Delivery {
        number: number(id)?,
        id: text(1)?,
        run_id: text(2)?.parse().map_err(|error| damaged(format!("{error}")))?,
        seq: number(seq)?,
        event: text(4)?,
        host: text(5)?,
        status: DeliveryStatus::from_name(&status).ok_or_else(|| damaged(format!("status {status:?} is not known")))?,
        attempts,
        http_status,
        error,
        last_attempt_at: Timestamp::from_millis(last_at),
        next_attempt_at: next_at.map(Timestamp::from_millis),
    })
}

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(|error| writing(&error))
}
