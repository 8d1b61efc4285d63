//! Everything that is written except events: one transaction at a time, on the connection that holds the lock of the database.
//!
//! Only the server whose connection holds the lock writes. If the connection is lost, so is the lock; the next write connects and locks
//! again, unless another server has started meanwhile: then this one writes no more.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::task::TaskTracker;

use super::backend::Backend;
use super::connector::Connector;
use super::session::Lifetime;
use super::sql;
use super::sql_error::{SqlError, in_time, write_error};
use super::value::values;
use crate::metrics::StoreMetrics;
use crate::run::store::StoreError;

/// The advisory lock that a server holds.
pub(super) const SERVER_LOCK: &str = "pg_try_advisory_lock(1869770350, 1)";

/// Begins a transaction. Transactions of all processes are serialized, as they are on SQLite, so that what a transaction checks holds until
/// its end. Appends are not: the lease serializes them.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(1869770350, 2); SELECT pg_current_xact_id()::text";

/// How long the outcome of a commit whose answer was lost is looked for.
const SETTLE: Duration = Duration::from_secs(10);

/// How long the database may take to undo a transaction. It also does so when the connection is closed.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(10);

const RETRY: Duration = Duration::from_millis(200);

/// A handle of the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    inner: Arc<Inner>,
    tasks: TaskTracker,
}

/// The connection that writes.
#[derive(Default)]
struct Link {
    client: Option<Client>,
    /// The database's process of the last connection: it holds the lock while it exists.
    backend: Option<Backend>,
}

struct Inner {
    connector: Connector,
    link: Mutex<Link>,
    /// What the database names as its server while this one is it. `None` for a process beside the server, which takes no lock.
    instance: Option<String>,
    health: Health,
    metrics: StoreMetrics,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("connector", &self.connector).field("health", &self.health).finish_non_exhaustive()
    }
}

/// Whether writes succeed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    failing: Arc<AtomicBool>,
    replaced: Arc<AtomicBool>,
}

impl Health {
    pub(super) fn is_good(&self) -> bool {
        !self.failing.load(Ordering::Relaxed) && !self.is_replaced()
    }

    pub(super) fn record<T>(&self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) => self.failing.store(false, Ordering::Relaxed),
            Err(StoreError::Write(_) | StoreError::Closed) => self.failing.store(true, Ordering::Relaxed),
            // The caller was refused.
            Err(_) => {}
        }
    }

    /// Whether another server has used the database since this one started.
    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Writes with `client`, which holds the lock if there is an `instance`, and is served by `backend`.
    pub(super) fn new(
        connector: Connector,
        (client, backend): (Client, Option<Backend>),
        instance: Option<String>,
        health: Health,
        metrics: StoreMetrics,
    ) -> Self {
        let link = Mutex::new(Link { client: Some(client), backend });
        let inner = Inner { connector, link, instance, health, metrics };
        Self { inner: Arc::new(inner), tasks: TaskTracker::new() }
    }

    pub(super) fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Runs `work` in a transaction and returns when it is on disk. If `work` fails or panics, none of its changes stay. Dropping the future
    /// does not undo the job.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let job = self.tasks.spawn(async move {
            let mut link = inner.link.lock().await;
            let began = Instant::now();
            let result = inner.transact(&mut link, work).await;
            inner.health.record(&result);
            inner.metrics.record_commit(began.elapsed(), !matches!(result, Err(StoreError::Write(_))));
            result
        });
        job.await.map_err(|error| StoreError::Internal(error.to_string()))?
    }
}

impl Inner {
    async fn transact<T, F>(&self, link: &mut Link, work: F) -> Result<T, StoreError>
    where
        F: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T, StoreError>>,
    {
        let transaction = self.begin(link).await?;
        let Some(client) = link.client.as_ref() else { return Err(StoreError::Closed) };
        let result = AssertUnwindSafe(work(client)).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)));
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                if !roll_back(client).await {
                    link.client = None;
                }
                return Err(error);
            }
        };
        match in_time(client.batch_execute("COMMIT")).await {
            Ok(()) => Ok(value),
            Err(error) if error.is_lost() => {
                // Only the answer may have been lost.
                link.client = None;
                if self.is_committed(&transaction, link.backend.as_ref()).await { Ok(value) } else { Err(write_error(error)) }
            }
            Err(error) => {
                if !roll_back(client).await {
                    link.client = None;
                }
                Err(write_error(error))
            }
        }
    }

    /// Begins a transaction and returns its id, on a new connection if the present one was lost.
    async fn begin(&self, link: &mut Link) -> Result<String, StoreError> {
        if let Some(client) = link.client.as_ref().filter(|client| !client.is_closed()) {
            match begin(client).await {
                Ok(id) => return Ok(id),
                // The statement was refused, for example because the disk is full.
                Err(error) if !error.is_lost() => {
                    if !roll_back(client).await {
                        link.client = None;
                    }
                    return Err(write_error(error));
                }
                Err(error) => tracing::warn!(%error, "lost the connection to the database"),
            }
        }
        link.client = None;
        let client = self.reconnect(link.backend.as_ref()).await?;
        let id = begin(&client).await.map_err(write_error)?;
        link.backend = Backend::of(&client).await.map_err(write_error)?;
        link.client = Some(client);
        Ok(id)
    }

    /// Connects in place of the connection that `lost` served.
    async fn reconnect(&self, lost: Option<&Backend>) -> Result<Client, StoreError> {
        if self.health.is_replaced() {
            return Err(StoreError::Closed);
        }
        let client = self.connector.connect(Lifetime::Shared).await.map_err(write_error)?;
        if let Some(lost) = lost {
            lost.end(&client).await.map_err(write_error)?;
        }
        let Some(instance) = &self.instance else { return Ok(client) };
        let deadline = Instant::now() + SETTLE;
        loop {
            let locked = sql::returning(&client, &format!("SELECT {SERVER_LOCK}, (SELECT instance FROM nodes)"), &values![]).await?;
            let row = locked.first().ok_or(StoreError::Closed)?;
            if sql::get::<Option<String>>(row, 1)?.as_ref() != Some(instance) {
                self.health.replaced.store(true, Ordering::Relaxed);
                tracing::error!("another openrunner server has used the database since the connection was lost; this one writes no more");
                return Err(StoreError::Closed);
            }
            if sql::get::<bool>(row, 0)? {
                tracing::info!("connected to the database again");
                return Ok(client);
            }
            // The connection that was lost has the lock until the database notices.
            if Instant::now() >= deadline {
                return Err(StoreError::Write("the database is locked by another server, or by the connection that was lost".into()));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether a transaction of the connection that `lost` served was committed, as far as this can be found out.
    async fn is_committed(&self, transaction: &str, lost: Option<&Backend>) -> bool {
        let deadline = Instant::now() + SETTLE;
        loop {
            match self.status_of(transaction, lost).await {
                Ok(Some(status)) if status == "committed" => return true,
                Ok(Some(status)) if status == "aborted" => return false,
                Ok(_) | Err(_) if Instant::now() >= deadline => return false,
                Ok(_) | Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    async fn status_of(&self, transaction: &str, lost: Option<&Backend>) -> Result<Option<String>, StoreError> {
        let client = self.connector.connect(Lifetime::Shared).await.map_err(write_error)?;
        if let Some(lost) = lost {
            lost.end(&client).await.map_err(write_error)?;
        }
        let row = sql::first(&client, "SELECT pg_xact_status($1::text::xid8)", &values![transaction]).await?;
        row.map_or(Ok(None), |row| sql::get(&row, 0))
    }
}

/// Ends a failed transaction. Returns whether the connection can still be used.
async fn roll_back(client: &Client) -> bool {
    matches!(tokio::time::timeout(ROLLBACK_LIMIT, client.batch_execute("ROLLBACK")).await, Ok(Ok(())))
}

async fn begin(client: &Client) -> Result<String, SqlError> {
    let mut id = String::new();
    for answer in in_time(client.simple_query(BEGIN)).await? {
        if let SimpleQueryMessage::Row(row) = answer {
            row.get(0).unwrap_or_default().clone_into(&mut id);
        }
    }
    Ok(id)
}

/// The error for a panic, which is logged here.
fn panicked(panic: &(dyn std::any::Any + Send)) -> StoreError {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or("panic without a message");
    tracing::error!(message, "a write to the store panicked");
    StoreError::Internal(message.to_owned())
}
