//! Profiles in `SQLite`.

use std::convert::identity;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::damage::Columns;
use super::sql::{count, execute, query_first, read_error};
use crate::run::store::values::to_json;
use crate::run::store::{Audited, ProfileChange, ProfileRecord, ProfileStore, StoreError};
use crate::types::ProfileName;

/// The columns of a profile, in the order in which [`decode`] reads them.
const COLUMNS: &str = "name, spec, updated_at";

#[async_trait]
impl ProfileStore for SqliteStore {
    async fn set_profile(&self, record: ProfileRecord, max: usize, audit: Option<Audited>) -> Result<ProfileChange, StoreError> {
        let spec = to_json(&record.profile)?;
        let changed = |change: ProfileChange| change != ProfileChange::Full;
        self.write_audited(audit, changed, move |connection| {
            let name = record.name.as_str();
            let exists = connection.prepare_cached("SELECT 1 FROM profiles WHERE name = ?1").and_then(|mut found| found.exists([name]));
            let exists = exists.map_err(read_error)?;
            let stored = connection.query_row("SELECT count(*) FROM profiles", [], count).map_err(read_error)?;
            if !exists && stored >= max as u64 {
                return Ok(ProfileChange::Full);
            }
            let sql = "INSERT INTO profiles (name, spec, updated_at) VALUES (?1, ?2, ?3)
                           ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, updated_at = excluded.updated_at";
            execute(connection, sql, params![name, spec, record.updated_at.as_millis()])?;
            Ok(if exists { ProfileChange::Replaced } else { ProfileChange::Created })
        })
        .await
    }

    async fn profile(&self, name: &ProfileName) -> Result<Option<ProfileRecord>, StoreError> {
        let name = name.to_string();
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM profiles WHERE name = ?1");
            query_first(connection, &sql, [name], decode)
        })
        .await
    }

    async fn profiles(&self, limit: usize) -> Result<Vec<ProfileRecord>, StoreError> {
        let damaged = self.damaged.clone();
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM profiles ORDER BY name");
            damaged.page(connection, &sql, &[], limit, decode)
        })
        .await
    }

    async fn remove_profile(&self, name: &ProfileName, audit: Option<Audited>) -> Result<bool, StoreError> {
        let name = name.to_string();
        self.write_audited(audit, identity, move |connection| {
            execute(connection, "DELETE FROM profiles WHERE name = ?1", [name]).map(|rows| rows == 1)
        })
        .await
    }
}

/// Decodes a row of [`COLUMNS`].
fn decode(row: &Row<'_>) -> Result<ProfileRecord, StoreError> {
    let columns = Columns::new("profiles", row);
    Ok(ProfileRecord { name: columns.parse(0)?, profile: columns.json(1)?, updated_at: columns.time(2)? })
}
