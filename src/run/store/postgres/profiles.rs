//! Profiles in PostgreSQL.

use std::convert::identity;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::PostgresStore;
use super::sql::{self, Columns, count, execute};
use super::value::values;
use crate::run::store::values::to_json;
use crate::run::store::{Audited, ProfileChange, ProfileRecord, ProfileStore, StoreError};
use crate::types::ProfileName;

/// The columns of a profile, in the order in which [`decode`] reads them.
const COLUMNS: &str = "name, spec, updated_at";

#[async_trait]
impl ProfileStore for PostgresStore {
    async fn set_profile(&self, record: ProfileRecord, max: usize, audit: Option<Audited>) -> Result<ProfileChange, StoreError> {
        let spec = to_json(&record.profile)?;
        let changed = |change: ProfileChange| change != ProfileChange::Full;
        self.write_audited(audit, changed, move |client| {
            Box::pin(async move {
                let name = record.name.as_str();
                let exists = sql::first(client, "SELECT 1 FROM profiles WHERE name = $1", &values![name]).await?.is_some();
                let stored = sql::first(client, "SELECT count(*) FROM profiles", &[]).await?.map_or(Ok(0), |row| count(&row, 0))?;
                if !exists && stored >= max as u64 {
                    return Ok(ProfileChange::Full);
                }
                let sql = "INSERT INTO profiles (name, spec, updated_at) VALUES ($1, $2, $3)
                           ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, updated_at = excluded.updated_at";
                execute(client, sql, &values![name, spec, record.updated_at.as_millis()]).await?;
                Ok(if exists { ProfileChange::Replaced } else { ProfileChange::Created })
            })
        })
        .await
    }

    async fn profile(&self, name: &ProfileName) -> Result<Option<ProfileRecord>, StoreError> {
        self.first(&format!("SELECT {COLUMNS} FROM profiles WHERE name = $1"), &values![name.to_string()], decode).await
    }

    async fn profiles(&self, limit: usize) -> Result<Vec<ProfileRecord>, StoreError> {
        self.page(&format!("SELECT {COLUMNS} FROM profiles ORDER BY name"), &[], limit, decode).await
    }

    async fn remove_profile(&self, name: &ProfileName, audit: Option<Audited>) -> Result<bool, StoreError> {
        let name = name.to_string();
        self.write_audited(audit, identity, move |client| {
            Box::pin(async move { Ok(execute(client, "DELETE FROM profiles WHERE name = $1", &values![name]).await? == 1) })
        })
        .await
    }
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row) -> Result<ProfileRecord, StoreError> {
    let columns = Columns::new("profiles", row);
    Ok(ProfileRecord { name: columns.parse(0)?, profile: columns.json(1)?, updated_at: columns.time(2)? })
}
