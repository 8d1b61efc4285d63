//! Webhook endpoints and deliveries in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::{Client, Row};

use super::PostgresStore;
use super::sql::{self, Columns, Conditions, execute};
use super::value::values;
use crate::run::store::values::{integer, to_json};
use crate::run::store::{
    ActiveWebhook, Attempt, Audited, Delivery, DeliveryFilter, DeliveryRetry, DeliveryStatus, NewWebhook, NextAttempt, StoreError,
    WebhookStore,
};
use crate::types::{RunId, Timestamp, UserId};

/// Maximum number of deliveries that are kept per endpoint of a run.
const MAX_DELIVERIES: i64 = 1000;

/// Adds the endpoints of a new run.
pub(super) async fn insert(client: &Client, run: RunId, webhooks: &[NewWebhook]) -> Result<(), StoreError> {
    for webhook in webhooks {
        let events = webhook.events.as_ref().map(to_json).transpose()?;
        let sql = "INSERT INTO webhooks (run_id, url, secret, events, status, cursor, attempts) VALUES ($1, $2, $3, $4, 'active', 0, 0)";
        execute(client, sql, &values![run.to_string(), webhook.url.clone(), webhook.secret.clone(), events]).await?;
    }
    Ok(())
}

#[async_trait]
impl WebhookStore for PostgresStore {
    async fn active_webhooks(&self, after: i64, limit: usize) -> Result<Vec<ActiveWebhook>, StoreError> {
        let sql = "SELECT webhooks.id, run_id, session_id, url, secret, events, cursor, attempts, next_attempt_at
             FROM webhooks JOIN runs ON runs.id = run_id
             WHERE webhooks.status = 'active' AND webhooks.id > $1 ORDER BY webhooks.id";
        self.page(sql, &values![after], limit, decode_webhook).await
    }

    async fn record_attempt(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.writer.write(move |client| Box::pin(async move { record(client, &attempt).await })).await
    }

    async fn finish_webhook(&self, webhook: i64) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE webhooks SET status = 'done' WHERE id = $1 AND status = 'active'";
                    execute(client, sql, &values![webhook]).await.map(|_| ())
                })
            })
            .await
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
        self.write_audited(audit, changed, move |client| {
            Box::pin(async move {
                let sql = "SELECT deliveries.id, webhook_id, deliveries.status
                     FROM webhook_deliveries AS deliveries JOIN webhooks ON webhooks.id = webhook_id JOIN runs ON runs.id = run_id
                     WHERE message_id = $1 AND owner = coalesce($2, owner)";
                let Some(found) = sql::first(client, sql, &values![message_id, owner]).await? else { return Ok(DeliveryRetry::NotFound) };
                let columns = Columns::new("webhook_deliveries", &found);
                let (delivery, webhook): (i64, i64) = (columns.get(0)?, columns.get(1)?);
                let status = columns.named(2, DeliveryStatus::from_name)?;
                if status != DeliveryStatus::Failed {
                    return Ok(DeliveryRetry::NotFailed(status));
                }
                let sql = "UPDATE webhooks SET status = 'active', attempts = 0, next_attempt_at = NULL WHERE id = $1";
                execute(client, sql, &values![webhook]).await?;
                let sql = "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = $2 WHERE id = $1";
                execute(client, sql, &values![delivery, at.as_millis()]).await?;
                Ok(DeliveryRetry::Retried(webhook))
            })
        })
        .await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let DeliveryFilter { owner, run, status, before } = filter;
        let mut conditions = Conditions::new([]);
        conditions.add_owner("runs.owner", owner);
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
        self.page(&sql, conditions.values(), limit, decode_delivery).await
    }
}

async fn record(client: &Client, attempt: &Attempt) -> Result<(), StoreError> {
    let (status, next_attempt_at) = match attempt.next {
        NextAttempt::Delivered => (DeliveryStatus::Delivered, None),
        NextAttempt::RetryAt(at) => (DeliveryStatus::Pending, Some(at.as_millis())),
        NextAttempt::Abandoned => (DeliveryStatus::Failed, None),
    };
    let updated = match attempt.next {
        NextAttempt::Delivered => {
            let sql = "UPDATE webhooks SET cursor = $2, attempts = 0, next_attempt_at = NULL WHERE id = $1";
            execute(client, sql, &values![attempt.webhook, integer(attempt.seq)]).await?
        }
        NextAttempt::RetryAt(_) => {
            let sql = "UPDATE webhooks SET attempts = attempts + 1, next_attempt_at = $2 WHERE id = $1";
            execute(client, sql, &values![attempt.webhook, next_attempt_at]).await?
        }
        NextAttempt::Abandoned => {
            let sql = "UPDATE webhooks SET status = 'abandoned', next_attempt_at = NULL WHERE id = $1";
            execute(client, sql, &values![attempt.webhook]).await?
        }
    };
    if updated == 0 {
        return Ok(()); // the run was deleted
    }
    let sql = "INSERT INTO webhook_deliveries AS d (webhook_id, message_id, seq, event, host, status, attempts, http_status, error,
                                                    last_attempt_at, next_attempt_at)
               VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10)
               ON CONFLICT (webhook_id, seq) DO UPDATE SET host = excluded.host, status = excluded.status, attempts = d.attempts + 1,
                   http_status = excluded.http_status, error = excluded.error, last_attempt_at = excluded.last_attempt_at,
                   next_attempt_at = excluded.next_attempt_at";
    let values = values![
        attempt.webhook,
        attempt.message_id.as_str(),
        integer(attempt.seq),
        attempt.event.as_str(),
        attempt.host.as_str(),
        status.as_str(),
        attempt.http_status.map(i64::from),
        attempt.error.clone(),
        attempt.at.as_millis(),
        next_attempt_at,
    ];
    execute(client, sql, &values).await?;
    let delete_old = "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND seq <
                      (SELECT seq FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)";
    execute(client, delete_old, &values![attempt.webhook, MAX_DELIVERIES - 1]).await.map(|_| ())
}

fn decode_webhook(row: &Row) -> Result<ActiveWebhook, StoreError> {
    let columns = Columns::new("webhooks", row);
    Ok(ActiveWebhook {
        id: columns.get(0)?,
        run: columns.parse(1)?,
        session: columns.parse(2)?,
        webhook: NewWebhook { url: columns.get(3)?, secret: columns.get(4)?, events: columns.json_optional(5)? },
        cursor: columns.number(6)?,
        attempts: attempts(&columns, 7)?,
        next_attempt_at: columns.time_optional(8)?,
    })
}

fn attempts(columns: &Columns<'_>, column: usize) -> Result<u32, StoreError> {
    u32::try_from(columns.number(column)?).map_err(|error| columns.damaged(error))
}

fn decode_delivery(row: &Row) -> Result<Delivery, StoreError> {
    let columns = Columns::new("webhook_deliveries", row);
    let http_status = columns.get::<Option<i64>>(8)?.map(u16::try_from).transpose();
    Ok(Delivery {
        number: columns.number(0)?,
        id: columns.get(1)?,
        run_id: columns.parse(2)?,
        seq: columns.number(3)?,
        event: columns.get(4)?,
        host: columns.get(5)?,
        status: columns.named(6, DeliveryStatus::from_name)?,
        attempts: attempts(&columns, 7)?,
        http_status: http_status.map_err(|error| columns.damaged(error))?,
        error: columns.get(9)?,
        last_attempt_at: columns.time(10)?,
        next_attempt_at: columns.time_optional(11)?,
    })
}
