//! Webhook endpoints and deliveries in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::damage::Columns;
use super::sql::{Conditions, execute, query_first};
use crate::run::store::values::{integer, to_json};
use crate::run::store::{
    ActiveWebhook, Attempt, Audited, Delivery, DeliveryFilter, DeliveryRetry, DeliveryStatus, NewWebhook, NextAttempt, StoreError,
    WebhookStore,
};
use crate::types::{RunId, Timestamp, UserId};

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
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = "SELECT webhooks.id, run_id, session_id, url, secret, events, cursor, attempts, next_attempt_at
                 FROM webhooks JOIN runs ON runs.id = run_id
                 WHERE webhooks.status = 'active' AND webhooks.id > ?1 ORDER BY webhooks.id";
            damaged.page(connection, sql, &[&after], limit, decode_webhook)
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

    async fn retry_delivery(
        &self,
        owner: Option<UserId>,
        message_id: String,
        at: Timestamp,
        audit: Option<Audited>,
    ) -> Result<DeliveryRetry, StoreError> {
        let changed = |retry: DeliveryRetry| matches!(retry, DeliveryRetry::Retried(_));
        let owner = owner.map(|owner| owner.to_string());
        self.write_audited(audit, changed, move |connection| {
            let sql = "SELECT deliveries.id, webhook_id, deliveries.status
                 FROM webhook_deliveries AS deliveries JOIN webhooks ON webhooks.id = webhook_id JOIN runs ON runs.id = run_id
                 WHERE message_id = ?1 AND owner = coalesce(?2, owner)";
            let found = query_first(connection, sql, params![message_id, owner], |row| {
                let columns = Columns::new("webhook_deliveries", row);
                Ok((columns.get::<i64>(0)?, columns.get::<i64>(1)?, columns.named(2, DeliveryStatus::from_name)?))
            })?;
            let Some((delivery, webhook, status)) = found else { return Ok(DeliveryRetry::NotFound) };
            if status != DeliveryStatus::Failed {
                return Ok(DeliveryRetry::NotFailed(status));
            }
            let sql = "UPDATE webhooks SET status = 'active', attempts = 0, next_attempt_at = NULL WHERE id = ?1";
            execute(connection, sql, [webhook])?;
            let sql = "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = ?2 WHERE id = ?1";
            execute(connection, sql, params![delivery, at.as_millis()])?;
            Ok(DeliveryRetry::Retried(webhook))
        })
        .await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let DeliveryFilter { owner, run, status, before } = filter;
            let mut conditions = Conditions::new();
            conditions.add_owner(owner);
            conditions.add("run_id = ?", run.map(|run| run.to_string()));
            conditions.add("deliveries.status = ?", status.map(DeliveryStatus::as_str));
            conditions.add("deliveries.id < ?", before.map(integer));
            let sql = format!(
                "SELECT deliveries.id, message_id, run_id, seq, event, host, deliveries.status, deliveries.attempts, http_status, error,
                        last_attempt_at, deliveries.next_attempt_at
                 FROM webhook_deliveries AS deliveries JOIN webhooks ON webhooks.id = webhook_id JOIN runs ON runs.id = run_id
                 WHERE {} ORDER BY deliveries.id DESC",
                conditions.clause()
            );
            damaged.page(connection, &sql, &conditions.values(), limit, decode_delivery)
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
    let columns = Columns::new("webhooks", row);
    Ok(ActiveWebhook {
        id: columns.get(0)?,
        run: columns.parse(1)?,
        session: columns.parse(2)?,
        webhook: NewWebhook { url: columns.get(3)?, secret: columns.get(4)?, events: columns.json_optional(5)? },
        cursor: columns.number(6)?,
        attempts: columns.get(7)?,
        next_attempt_at: columns.time_optional(8)?,
    })
}

fn decode_delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let columns = Columns::new("webhook_deliveries", row);
    Ok(Delivery {
        number: columns.number(0)?,
        id: columns.get(1)?,
        run_id: columns.parse(2)?,
        seq: columns.number(3)?,
        event: columns.get(4)?,
        host: columns.get(5)?,
        status: columns.named(6, DeliveryStatus::from_name)?,
        attempts: columns.get(7)?,
        http_status: columns.get(8)?,
        error: columns.get(9)?,
        last_attempt_at: columns.time(10)?,
        next_attempt_at: columns.time_optional(11)?,
    })
}
