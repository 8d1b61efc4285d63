//! The database's process behind a connection.
//!
//! A connection can be lost for this end only: a proxy or the network still has the statement, and delivers it later. It must not be executed
//! any more once the server has found out whether it was, so the process that would execute it is ended first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::connector::Connector;
use super::session::Lifetime;
use super::sql::rows;
use super::sql_error::{SqlError, within};
use super::value::values;

/// How long ending the process of a lost connection may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// The database's process behind a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pid: i64,
    /// Distinguishes it from a later process with the same id.
    started: String,
}

impl Backend {
    /// The process behind this connection.
    pub(super) async fn of(client: &Client) -> Result<Option<Self>, SqlError> {
        let found = rows(client, "SELECT pid::bigint, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()", &[]).await?;
        found.first().map(|row| Ok(Self { pid: row.try_get(0)?, started: row.try_get(1)? })).transpose()
    }

    /// Ends it, if it is still there, through another connection.
    pub(super) async fn end(&self, client: &Client) -> Result<(), SqlError> {
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::text::timestamptz";
        rows(client, sql, &values![self.pid, self.started.as_str()]).await.map(|_| ())
    }
}

/// The process of a connection that was lost while it had a statement. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    backend: Arc<Mutex<Option<Backend>>>,
    exists: Arc<AtomicBool>,
}

impl Unsettled {
    /// From now on, [`Unsettled::settle`] has to end this process.
    pub(super) async fn set(&self, backend: Backend) {
        *self.backend.lock().await = Some(backend);
        self.exists.store(true, Ordering::Release);
    }

    /// Returns when the process cannot execute anything any more.
    ///
    /// # Errors
    /// If the database cannot be asked to end it.
    pub(super) async fn settle(&self, connector: &Connector) -> Result<(), SqlError> {
        if !self.exists.load(Ordering::Acquire) {
            return Ok(());
        }
        // Together with the wait for others who do the same.
        let settled = async {
            let mut backend = self.backend.lock().await;
            if let Some(lost) = backend.as_ref() {
                lost.end(&connector.connect(Lifetime::Shared).await?).await?;
                *backend = None;
                self.exists.store(false, Ordering::Release);
            }
            Ok::<_, SqlError>(())
        };
        within(SETTLE_LIMIT, Box::pin(settled)).await
    }
}
