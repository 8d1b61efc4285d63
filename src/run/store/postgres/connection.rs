//! Opens the database: the lock of the server, the schema, and the connections.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use tokio_postgres::{Client, Row};

use super::appender::Appender;
use super::backend::Backend;
use super::connector::{Connector, take};
use super::session::Lifetime;
use super::sql::{get, rows};
use super::sql_error::{SqlError, read_error};
use super::value::{Value, values};
use super::writer::{Health, SERVER_LOCK, Writer};
use crate::metrics::StoreMetrics;
use crate::run::store::ConnectError;
use crate::run::store::damaged::DamagedRows;
use crate::run::store::{OpenError, StoreError};
use crate::types::{Amount, Clock, NodeId, PerQuota, SystemClock};

pub(super) mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Number of connections for reading.
const READERS: usize = 8;

/// Number of connections for searches, which can take long.
const SEARCHERS: usize = 2;

/// How long the lock is waited for: the connection of a server that was just killed ends soon.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(5);

/// How long the database may take to answer while it counts as healthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Oldest version that is supported, as the database reports it.
const OLDEST: i64 = 150_000;

/// A store in a PostgreSQL database. Cloning returns another handle to the same store.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pub(super) connector: Connector,
    pub(super) writer: Writer,
    pub(super) appender: Appender,
    pub(super) metrics: StoreMetrics,
    pub(super) node: NodeId,
    pub(super) damaged: DamagedRows,
    /// Quotas of users who have none of their own.
    pub(super) quotas: PerQuota<Option<Amount>>,
    pub(super) readers: Pool,
    pub(super) searchers: Pool,
    /// Held as long as a server's store is open, so that no second server uses the same directory.
    _lock: Option<Arc<File>>,
}

impl PostgresStore {
    /// Opens the store in the database with this URL for the server of `data_dir`, which is created (mode 0700) if it does not exist. At most one
    /// server uses a database, and at most one a directory.
    ///
    /// # Errors
    /// [`OpenError`], by cause.
    pub async fn open(url: &str, data_dir: &Path) -> Result<Self, OpenError> {
        let lock = crate::run::store::sqlite::prepare(data_dir)?;
        Ok(Self::open_locked(url, Some(Arc::new(lock))).await?)
    }

    /// Opens the store for a test, which has no directory.
    #[cfg(test)]
    pub(in crate::run) async fn open_for_test(url: &str) -> Self {
        Self::open_locked(url, None).await.unwrap()
    }

    async fn open_locked(url: &str, lock: Option<Arc<File>>) -> Result<Self, ConnectError> {
        let connector = Connector::new(url)?;
        let mut client = connector.connect(Lifetime::Shared).await?;
        require_server_lock(&client).await?;
        check(&client).await?;
        migrate(&mut client).await?;
        let node = identify(&client).await?;
        let instance = uuid::Uuid::now_v7().to_string();
        execute(&client, "UPDATE nodes SET instance = $1", &values![instance.as_str()]).await?;
        Self::with_client(connector, client, node, Some(instance), lock).await
    }

    /// Opens the store for a short time, whether or not a server uses it. A server sees every change with its next read. The schema is migrated
    /// only if no server is running, since a running one has migrated it.
    ///
    /// # Errors
    /// [`ConnectError`], by cause; never [`ConnectError::InUse`].
    pub async fn open_alongside_server(url: &str) -> Result<Self, ConnectError> {
        let connector = Connector::new(url)?;
        let mut client = connector.connect(Lifetime::Shared).await?;
        check(&client).await?;
        if is_locked(&client).await? {
            migrate(&mut client).await?;
            execute(&client, &format!("SELECT {}", SERVER_LOCK.replace("pg_try_advisory_lock", "pg_advisory_unlock")), &values![]).await?;
        } else if !is_current(&client).await? {
            return Err(ConnectError::Schema);
        }
        let node = identify(&client).await?;
        Self::with_client(connector, client, node, None, None).await
    }

    async fn with_client(
        connector: Connector,
        client: Client,
        node: NodeId,
        instance: Option<String>,
        lock: Option<Arc<File>>,
    ) -> Result<Self, ConnectError> {
        let (metrics, health) = (StoreMetrics::default(), Health::default());
        let (readers, searchers) = (connector.pool(READERS)?, connector.pool(SEARCHERS)?);
        let appender = Appender::start(connector.clone(), health.clone(), metrics.clone());
        let backend = Backend::of(&client).await?;
        let writer = Writer::new(connector.clone(), (client, backend), instance, health, metrics.clone());
        let damaged = DamagedRows::new(metrics.clone());
        let quotas = PerQuota::default();
        Ok(Self { connector, writer, appender, metrics, node, damaged, quotas, readers, searchers, _lock: lock })
    }

    /// The same store with these quotas for users who have none of their own. Without this, nothing is limited.
    #[must_use]
    pub fn with_default_quotas(mut self, quotas: PerQuota<Option<Amount>>) -> Self {
        self.quotas = quotas;
        self
    }

    /// The store's metrics.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// Whether the last write succeeded. A store that cannot write may still serve reads, and becomes healthy with the next successful write.
    pub fn is_healthy(&self) -> bool {
        self.writer.health().is_good()
    }

    /// Whether the database answers, and can be written. If the last write failed, this tries a small one.
    pub async fn try_to_heal(&self) -> bool {
        if !matches!(tokio::time::timeout(HEALTH_TIMEOUT, self.rows("SELECT 1", &[])).await, Ok(Ok(_))) {
            return false;
        }
        // The id of the transaction is written too.
        self.is_healthy() || self.writer.write(|_client| Box::pin(std::future::ready(Ok(())))).await.is_ok() && self.is_healthy()
    }

    /// The rows of a query, on a new connection if the one of the pool was just lost.
    pub(super) async fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        // What is read is the last word about a batch that may have been written.
        self.appender.unsettled.settle(&self.connector).await.map_err(|error| StoreError::NoReader(error.to_string()))?;
        let client = take(&self.readers).await?;
        match rows(&client, sql, values).await {
            Err(error) if error.is_lost() => {
                drop(Object::take(client));
                if matches!(error, SqlError::NoAnswer(_)) {
                    return Err(read_error(error));
                }
                rows(&*take(&self.readers).await?, sql, values).await.map_err(read_error)
            }
            result => result.map_err(read_error),
        }
    }

    /// Decodes the first row of a query, if there is one.
    pub(super) async fn first<T>(
        &self,
        sql: &str,
        values: &[Value],
        decode: impl Fn(&Row) -> Result<T, StoreError> + Send,
    ) -> Result<Option<T>, StoreError> {
        self.rows(sql, values).await?.first().map(decode).transpose()
    }

    /// Decodes the rows of a query that is ordered and has no `LIMIT`, until `limit` of them are intact.
    pub(super) async fn page<T: Send>(
        &self,
        sql: &str,
        values: &[Value],
        limit: usize,
        decode: impl Fn(&Row) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows_read = limit;
        loop {
            let rows = self.rows(&format!("{sql} LIMIT {}", i64::try_from(rows_read).unwrap_or(i64::MAX)), values).await?;
            let mut page = Vec::new();
            for row in &rows {
                page.extend(self.damaged.skip(decode(row))?);
            }
            if page.len() >= limit || rows.len() < rows_read {
                page.truncate(limit);
                return Ok(page);
            }
            rows_read = rows_read.saturating_mul(2).saturating_add(limit);
        }
    }

    /// Decodes all rows of a query.
    pub(super) async fn all<T: Send>(
        &self,
        sql: &str,
        decode: impl Fn(&Row) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        for row in self.rows(sql, &[]).await? {
            all.extend(self.damaged.skip(decode(&row))?);
        }
        Ok(all)
    }
}

async fn execute(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<Row>, ConnectError> {
    Ok(rows(client, sql, values).await?)
}

/// Whether this connection got the lock of the server.
async fn is_locked(client: &Client) -> Result<bool, ConnectError> {
    let locked = execute(client, &format!("SELECT {SERVER_LOCK}"), &[]).await?;
    Ok(locked.first().is_some_and(|row| row.get(0)))
}

pub(super) async fn require_server_lock(client: &Client) -> Result<(), ConnectError> {
    let deadline = Instant::now() + WAIT_FOR_LOCK;
    while !is_locked(client).await? {
        if Instant::now() >= deadline {
            return Err(ConnectError::InUse);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Checks that the database can hold the store.
pub(super) async fn check(client: &Client) -> Result<(), ConnectError> {
    let sql = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
                      pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()";
    let found = execute(client, sql, &[]).await?;
    let Some(row) = found.first() else { return Err(ConnectError::Connect("the database has no entry of its own".to_owned())) };
    let (number, version, encoding): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    match (number, encoding.as_str()) {
        (..OLDEST, _) => Err(ConnectError::TooOld(version)),
        (_, "UTF8") => Ok(()),
        _ => Err(ConnectError::Encoding(encoding)),
    }
}

/// Brings the schema to that of this release.
pub(super) async fn migrate(client: &mut Client) -> Result<(), ConnectError> {
    client.batch_execute("SET statement_timeout = 0").await?;
    embedded::migrations::runner().run_async(client).await.map_err(Box::new)?;
    super::session::prepare(client, Lifetime::Shared).await?;
    Ok(())
}

/// Whether the schema is that of this release.
async fn is_current(client: &Client) -> Result<bool, ConnectError> {
    let known = embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    let exists = execute(client, "SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await?;
    if !exists.first().is_some_and(|row| row.get(0)) {
        return Ok(false);
    }
    let present = execute(client, "SELECT coalesce(max(version), 0)::bigint FROM refinery_schema_history", &[]).await?;
    Ok(present.first().map(|row| row.get::<_, i64>(0)) == Some(i64::from(known)))
}

/// The node of this database; a new one if it has none, or if its id is damaged.
pub(super) async fn identify(client: &Client) -> Result<NodeId, ConnectError> {
    let found = execute(client, "SELECT id FROM nodes LIMIT 1", &[]).await?;
    if let Some(node) = found.first().and_then(|row| get::<String>(row, 0).ok()?.parse().ok()) {
        return Ok(node);
    }
    let node = NodeId::new();
    execute(client, "DELETE FROM nodes", &[]).await?;
    let sql = "INSERT INTO nodes (id, created_at) VALUES ($1, $2)";
    execute(client, sql, &values![node.to_string(), SystemClock.now().as_millis()]).await?;
    Ok(node)
}
