//! Reads a store without changing it, for diagnostics.

use super::PostgresStore;
use super::connection::check;
use super::connector::Connector;
use super::retention::{EXPIRED, SIZE, decode_size};
use super::session::Lifetime;
use super::sql::{count, get, rows};
use super::value::values;
use crate::run::store::ConnectError;
use crate::run::store::{StoreError, StoreStats, StoredLogins};
use crate::types::Timestamp;

impl PostgresStore {
    /// Reads the users and statistics of the store in the database with this URL, whether or not a server uses it. `None` if a server has not
    /// created it yet.
    ///
    /// # Errors
    /// [`ConnectError`] if the store cannot be read.
    pub async fn inspect(url: &str, before: Option<Timestamp>) -> Result<Option<(StoredLogins, StoreStats)>, ConnectError> {
        let client = Connector::new(url)?.connect(Lifetime::Shared).await?;
        check(&client).await?;
        let exists = rows(&client, "SELECT to_regclass('store_space') IS NOT NULL", &[]).await?;
        if !exists.first().is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        let failed = |error: StoreError| ConnectError::Connect(error.to_string());
        let users = rows(&client, "SELECT name, default_password FROM users ORDER BY name", &[]).await?;
        if users.is_empty() {
            return Ok(None);
        }
        let users = users.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect::<Result<Vec<_>, StoreError>>().map_err(failed)?;
        let number = async |sql: &str, values: &[super::value::Value]| -> Result<u64, ConnectError> {
            rows(&client, sql, values).await?.first().map_or(Ok(0), |row| count(row, 0)).map_err(failed)
        };
        let size = rows(&client, SIZE, &[]).await?.first().map(decode_size).transpose().map_err(failed)?.unwrap_or_default();
        let runs = number("SELECT count(*) FROM runs", &[]).await?;
        let expired = match before {
            Some(before) => number(&format!("SELECT count(*) FROM runs AS old WHERE {EXPIRED}"), &values![before.as_millis()]).await?,
            None => 0,
        };
        Ok(Some((StoredLogins { users, damaged: 0 }, StoreStats { size, runs, expired })))
    }
}
