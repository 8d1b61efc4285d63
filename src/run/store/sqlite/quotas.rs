//! Quotas in `SQLite`. Triggers keep a row of sums per user.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::connection::DefaultQuotas;
use super::sql::{execute, query_first};
use crate::run::store::values::{decode_limit, encode_change, integer};
use crate::run::store::{QuotaStore, QuotaUse, StoreError};
use crate::types::{Amount, Limit, PerQuota, Quota, QuotaChange, SessionId, UserId};

#[async_trait]
impl QuotaStore for SqliteStore {
    async fn quota_use(&self, owner: UserId) -> Result<QuotaUse, StoreError> {
        let owner = owner.to_string();
        self.read(move |connection| quota_use(connection, &owner)).await
    }

    async fn workspace_written(&self, session: SessionId, bytes: u64) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                // An emptied one has no size.
                let sql =
                    "UPDATE sessions SET workspace_bytes = coalesce(workspace_bytes, 0) + ?2, unmeasured = unmeasured + 1 WHERE id = ?1";
                execute(connection, sql, params![session.to_string(), integer(bytes)]).map(|_| ())
            })
            .await
    }

    async fn workspace_emptied(&self, session: SessionId) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let sql = "UPDATE sessions SET workspace_bytes = NULL, unmeasured = 0, workspace_kept_until = NULL WHERE id = ?1";
                execute(connection, sql, [session.to_string()]).map(|_| ())
            })
            .await
    }
}

/// Checks in the open transaction whether a user may add to these. The transaction is the only one that writes, so the check holds for it.
pub(super) fn check(connection: &Connection, owner: &str, quotas: &[Quota], defaults: &DefaultQuotas) -> Result<(), StoreError> {
    let now = quota_use(connection, owner)?;
    quotas.iter().try_for_each(|quota| now.check(*quota, defaults)).map_err(StoreError::OverQuota)
}

fn quota_use(connection: &Connection, owner: &str) -> Result<QuotaUse, StoreError> {
    let columns = |prefix: &str| Quota::ALL.map(|quota| format!("{prefix}{}", quota.as_str())).join(", ");
    // Each query has the values in the order of the quotas. A damaged value counts as 0, or as no quota of the user's own.
    let values = |sql: &str| {
        let row = query_first(connection, sql, [owner], |row| {
            Ok(PerQuota::new(|quota| row.get::<_, Option<i64>>(quota as usize).ok().flatten()))
        })?;
        Ok::<_, StoreError>(row.unwrap_or_default())
    };
    let used = values(&format!("SELECT {} FROM quota_use WHERE owner = ?1", columns("")))?;
    let own = values(&format!("SELECT {} FROM users WHERE id = ?1", columns("quota_")))?;
    Ok(QuotaUse {
        used: PerQuota::new(|quota| used[quota].and_then(|number| u64::try_from(number).ok()).unwrap_or(0)),
        own: PerQuota::new(|quota| own[quota].map(decode_limit)),
    })
}

/// A user's own quotas, the first of which has index `first`. A damaged one counts as none.
pub(super) fn decode_own(row: &Row<'_>, first: usize) -> PerQuota<Option<Limit<Amount>>> {
    PerQuota::new(|quota| row.get::<_, Option<i64>>(first + quota as usize).ok().flatten().map(decode_limit))
}

/// Changes a user's own quotas, if the user exists.
pub(super) fn change(connection: &Connection, user: &str, change: &QuotaChange) -> Result<(), StoreError> {
    for (quota, change) in change.0.iter() {
        let (is_set, value) = encode_change(*change, Amount::get);
        if is_set {
            let sql = format!("UPDATE users SET quota_{} = ?2 WHERE id = ?1", quota.as_str());
            execute(connection, &sql, params![user, value])?;
        }
    }
    Ok(())
}
