//! Webhook endpoints and deliveries in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::sql::{Conditions, execute, integer, query_all, read_error, to_json};
use crate::run::store::{
    ActiveWebhook, Attempt, Delivery, DeliveryFilter, DeliveryStatus, NewWebhook, NextAttempt, StoreError, WebhookStore,
};
use crate::types::{RunId, Timestamp};

/// Maximum number of deliveries that are kept per endpoint of a run.
const MAX_DELIVERIES: u32 = 1000;

/// Adds the endpoints of a new run.
pub(super) fn insert(connection: &Connection, run: RunId, webhooks: &[NewWebhook]) -> Result<(), StoreError> {
    for webhook in webhooks {
        let events = webhook.events.as_ref().map(to_json).transpose()?;
        let sql = "INSERT INTO webhooks (run_id, url, secret, events, status, cursor, attempts) VALUES (?1, ?2, ?3, ?4, 'active', 0, 0)";
        execute(connection, sql, params![run.to_string(), webhook.url, webhook.secret, events])?;
    }
    Ok(())
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT webhooks.id, run_id, session_id, url, secret, events, cursor, attempts, next_attempt_at
                 FROM webhooks JOIN runs ON runs.id = run_id
                 WHERE webhooks.status = 'active' AND webhooks.id > ?1 ORDER BY webhooks.id LIMIT {limit}"
            );
            query_all(connection, &sql, [after], decode_webhook)
        })
        .await
    }

    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.writer.write(move |connection| record(connection, &attempt)).await
    }

    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError> {
        let sql = "UPDATE webhooks SET status = 'done' WHERE id = ?1 AND status = 'active'";
        self.writer.write(move |connection| execute(connection, sql, [webhook]).map(|_| ())).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |connection| {
            let DeliveryFilter { owner, run, status, before } = filter;
            let mut conditions = Conditions::new();
            conditions.add("owner = ?", owner.map(|owner| owner.to_string()));
            conditions.add("run_id = ?", run.map(|run| run.to_string()));
            conditions.add("deliveries.status = ?", status.map(DeliveryStatus::as_str));
            conditions.add("deliveries.id < ?", before.map(integer));
            let (condition, values) = conditions.finish();
            let sql = format!(
                "SELECT deliveries.id, message_id, run_id, seq, event, host, deliveries.status, deliveries.attempts, http_status, error,
                        last_attempt_at, deliveries.next_attempt_at
                 FROM webhook_deliveries AS deliveries JOIN webhooks ON webhooks.id = webhook_id JOIN runs ON runs.id = run_id
                 WHERE {condition} ORDER BY deliveries.id DESC LIMIT {limit}"
            );
            query_all(connection, &sql, rusqlite::params_from_iter(values), decode_delivery)
        })
        .await
    }
}

fn record(connection: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
    let (status, next_attempt_at) = match attempt.next {
        NextAttempt::Delivered => (DeliveryStatus::Delivered, None),
        NextAttempt::RetryAt(at) => (DeliveryStatus::Pending, Some(at.as_millis())),
        NextAttempt::Abandoned => (DeliveryStatus::Failed, None),
    };
    let updated = match attempt.next {
        NextAttempt::Delivered => {
            let sql = "UPDATE webhooks SET cursor = ?2, attempts = 0, next_attempt_at = NULL WHERE id = ?1";
            execute(connection, sql, params![attempt.webhook, integer(attempt.seq)])?
        }
        NextAttempt::RetryAt(_) => {
            let sql = "UPDATE webhooks SET attempts = attempts + 1, next_attempt_at = ?2 WHERE id = ?1";
            execute(connection, sql, params![attempt.webhook, next_attempt_at])?
        }
        NextAttempt::Abandoned => {
            let sql = "UPDATE webhooks SET status = 'abandoned', next_attempt_at = NULL WHERE id = ?1";
            execute(connection, sql, [attempt.webhook])?
        }
    };
    if updated == 0 {
        return Ok(()); // the run was deleted
    }
    let sql = "INSERT INTO webhook_deliveries (webhook_id, message_id, seq, event, host, status, attempts, http_status, error,
                                               last_attempt_at, next_attempt_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9, ?10)
               ON CONFLICT (webhook_id, seq) DO UPDATE SET host = excluded.host, status = excluded.status, attempts = attempts + 1,
                   http_status = excluded.http_status, error = excluded.error, last_attempt_at = excluded.last_attempt_at,
                   next_attempt_at = excluded.next_attempt_at";
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
        next_attempt_at,
    ];
    execute(connection, sql, values)?;
    let delete_old = "DELETE FROM webhook_deliveries WHERE webhook_id = ?1 AND seq <
                      (SELECT seq FROM webhook_deliveries WHERE webhook_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    execute(connection, delete_old, params![attempt.webhook, MAX_DELIVERIES - 1]).map(|_| ())
}

fn decode_webhook(row: &Row<'_>) -> Result<ActiveWebhook, StoreError> {
    let id: i64 = row.get(0).map_err(read_error)?;
    let damaged = |problem: String| StoreError::Damaged { table: "webhooks", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, Option<String>>(column).map_err(|error| damaged(error.to_string()));
    let number = |column: usize| row.get::<_, i64>(column).map_err(|error| damaged(error.to_string()));
    let next_attempt_at: Option<i64> = row.get(8).map_err(|error| damaged(error.to_string()))?;
    let events = text(5)?.map(|events| serde_json::from_str(&events)).transpose().map_err(|error| damaged(error.to_string()))?;
    Ok(ActiveWebhook {
        id,
        run: text(1)?.unwrap_or_default().parse().map_err(|error| damaged(format!("{error}")))?,
        session: text(2)?.unwrap_or_default().parse().map_err(|error| damaged(format!("{error}")))?,
        webhook: NewWebhook { url: text(3)?, secret: text(4)?, events },
        cursor: u64::try_from(number(6)?).map_err(|error| damaged(error.to_string()))?,
        attempts: u32::try_from(number(7)?).map_err(|error| damaged(error.to_string()))?,
        next_attempt_at: next_attempt_at.map(Timestamp::from_millis),
    })
}

fn decode_delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let id: i64 = row.get(0).map_err(read_error)?;
    let damaged = |problem: String| StoreError::Damaged { table: "webhook_deliveries", id: id.to_string(), problem };
    let text = |column: usize| row.get::<_, String>(column).map_err(|error| damaged(error.to_string()));
    let status = text(6)?;
    let number = |number: i64| u64::try_from(number).map_err(|error| damaged(error.to_string()));
    let (seq, attempts): (i64, u32) = (row.get(3).map_err(read_error)?, row.get(7).map_err(read_error)?);
    let (http_status, error): (Option<u16>, Option<String>) = (row.get(8).map_err(read_error)?, row.get(9).map_err(read_error)?);
    let (last_attempt_at, next_attempt_at): (i64, Option<i64>) = (row.get(10).map_err(read_error)?, row.get(11).map_err(read_error)?);
    Ok(Delivery {
        number: number(id)?,
        id: text(1)?,
        run_id: text(2)?.parse().map_err(|error| damaged(format!("{error}")))?,
        seq: number(seq)?,
        event: text(4)?,
        host: text(5)?,
        status: DeliveryStatus::from_name(&status).ok_or_else(|| damaged(format!("unknown status {status:?}")))?,
        attempts,
        http_status,
        error,
        last_attempt_at: Timestamp::from_millis(last_attempt_at),
        next_attempt_at: next_attempt_at.map(Timestamp::from_millis),
    })
}
