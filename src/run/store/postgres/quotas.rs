//! Quotas in PostgreSQL. Triggers keep a row of sums per user; live runs are summed when they are asked for.

use async_trait::async_trait;
use tokio_postgres::{Client, Row};

use super::PostgresStore;
use super::sql::{self, execute};
use super::value::values;
use crate::run::store::values::{decode_limit, encode_change, integer};
use crate::run::store::{QuotaStore, QuotaUse, StoreError};
use crate::types::{Amount, Limit, PerQuota, Quota, QuotaChange, SessionId, UserId};

#[async_trait]
impl QuotaStore for PostgresStore {
    async fn quota_use(&self, owner: UserId) -> Result<QuotaUse, StoreError> {
        let rows = self.rows(&statement(), &values![owner.to_string()]).await?;
        Ok(rows.first().map_or_else(QuotaUse::default, decode))
    }

    async fn workspace_written(&self, session: SessionId, bytes: u64) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    // An emptied one has no size.
                    let sql = "UPDATE sessions SET workspace_bytes = coalesce(workspace_bytes, 0) + $2, unmeasured = unmeasured + 1 WHERE id = $1";
                    execute(client, sql, &values![session.to_string(), integer(bytes)]).await.map(|_| ())
                })
            })
            .await
    }

    async fn workspace_emptied(&self, session: SessionId) -> Result<(), StoreError> {
        self.writer
            .write(move |client| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET workspace_bytes = NULL, unmeasured = 0, workspace_kept_until = NULL WHERE id = $1";
                    execute(client, sql, &values![session.to_string()]).await.map(|_| ())
                })
            })
            .await
    }
}

/// Checks in the open transaction whether a user may add to these. Such transactions are serialized, so the check holds for it.
pub(super) async fn check(client: &Client, owner: &str, quotas: &[Quota], defaults: &PerQuota<Option<Amount>>) -> Result<(), StoreError> {
    let now = sql::first(client, &statement(), &values![owner]).await?.as_ref().map_or_else(QuotaUse::default, decode);
    quotas.iter().try_for_each(|quota| now.check(*quota, defaults)).map_err(StoreError::OverQuota)
}

/// One row: what a user keeps, and then the user's own quotas, both in the order of the quotas.
fn statement() -> String {
    let used = Quota::ALL.map(|quota| match quota {
        Quota::StoredBytes => "coalesce(stored_bytes, 0) + (SELECT coalesce(sum(stored_bytes + output_bytes), 0)::bigint FROM run_leases
                               WHERE owner = $1 AND NOT ended)"
            .to_owned(),
        other => format!("q.{}", other.as_str()),
    });
    let own = Quota::ALL.map(|quota| format!("u.quota_{}", quota.as_str()));
    format!(
        "SELECT {}, {} FROM (SELECT 1) AS one LEFT JOIN quota_use q ON q.owner = $1 LEFT JOIN users u ON u.id = $1",
        used.join(", "),
        own.join(", ")
    )
}

fn decode(row: &Row) -> QuotaUse {
    let used = |quota| row.try_get::<_, Option<i64>>(quota as usize).ok().flatten();
    QuotaUse {
        used: PerQuota::new(|quota| used(quota).and_then(|number| u64::try_from(number).ok()).unwrap_or(0)),
        own: decode_own(row, Quota::ALL.len()),
    }
}

/// A user's own quotas, the first of which has index `first`.
pub(super) fn decode_own(row: &Row, first: usize) -> PerQuota<Option<Limit<Amount>>> {
    PerQuota::new(|quota| row.try_get::<_, Option<i64>>(first + quota as usize).ok().flatten().map(decode_limit))
}

/// Changes a user's own quotas, if the user exists.
pub(super) async fn change(client: &Client, user: &str, change: &QuotaChange) -> Result<(), StoreError> {
    for (quota, change) in change.0.iter() {
        let (is_set, value) = encode_change(*change, Amount::get);
        if is_set {
            let sql = format!("UPDATE users SET quota_{} = $2 WHERE id = $1", quota.as_str());
            execute(client, &sql, &values![user, value]).await?;
        }
    }
    Ok(())
}
