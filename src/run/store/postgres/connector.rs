//! Connects to the database.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use super::session::{self, Lifetime};
use super::sql_error::{SqlError, within};
use super::url::DatabaseUrl;
use crate::run::store::ConnectError;
use crate::run::store::StoreError;
use crate::run::store::connect_error::message;

/// How long a read waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// How long connecting to the database may take, over all of its hosts.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Connects to one database.
#[derive(Clone)]
pub(super) struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    tasks: TaskTracker,
}

impl fmt::Debug for Connector {
    /// Omits the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        let DatabaseUrl { config, verify } = url.parse()?;
        Ok(Self { config, tls: super::tls::connector(&verify)?, tasks: TaskTracker::new() })
    }

    /// A connection of its own, with the settings for this kind of use.
    ///
    /// # Errors
    /// If the database cannot be reached, refuses the connection, or does not answer.
    pub(super) async fn connect(&self, lifetime: Lifetime) -> Result<Client, SqlError> {
        let (client, connection) = within(CONNECT_LIMIT, Box::pin(self.config.connect(self.tls.clone()))).await?;
        self.tasks.spawn(async move {
            // Ends with the client. Why it ended otherwise is what the client's next statement reports.
            let _ = connection.await;
        });
        within(CONNECT_LIMIT, session::prepare(&client, lifetime)).await?;
        Ok(client)
    }

    /// Connections for reading.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, ConnectError> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), config);
        let prepared = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { session::prepare(client, Lifetime::Shared).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).wait_timeout(Some(WAIT)).create_timeout(Some(WAIT));
        pool.post_create(prepared).build().map_err(|error| ConnectError::Connect(error.to_string()))
    }

    /// Cancels what a connection of a pool does, and closes it: the request might reach a later statement. Does not wait.
    pub(super) fn cancel(&self, client: Object) {
        let (tls, client) = (self.tls.clone(), Object::take(client));
        self.tasks.spawn(async move {
            // The statement has a time limit too.
            let _ = client.cancel_token().cancel_query(tls).await;
        });
    }
}

/// A connection of a pool.
pub(super) async fn take(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| {
        StoreError::NoReader(match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => message(&error),
            other => other.to_string(),
        })
    })
}
