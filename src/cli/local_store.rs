//! Works on the users and keys of a data folder, whether or not a server runs on it.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::task::TaskTracker;

use super::DataFlags;
use crate::auth::{Audit, AuditEvent, Auth, SigningKey, Target};
use crate::config;
use crate::run::store::SqliteStore;
use crate::types::{AuditAction, Clock, SystemClock};

/// The users and keys of one data folder.
pub(super) struct Identity {
    /// Makes and changes them.
    pub(super) auth: Auth,
    audit: Audit,
}

impl Identity {
    /// Opens what the settings name. On a fresh folder the default users are made first, as a server's first start would.
    async fn open(data: DataFlags) -> anyhow::Result<Self> {
        let settings = config::load(data.into(), &|name| std::env::var_os(name))?;
        let store = Arc::new(SqliteStore::open_alongside_server(&settings.data_dir)?);
        let key = SigningKey::load(settings.jwt_secret.as_ref(), &settings.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Without the configured password of admin's: setting it is for the server's start, which says so in its log.
        let auth = Auth::start(store.clone(), Arc::clone(&clock), &key, None).await?;
        Ok(Self { auth, audit: Audit::new(store, clock, TaskTracker::new()) })
    }

    /// Writes down what the command line did, or why it could not, and gives that back.
    pub(super) async fn record<T, E>(&self, action: AuditAction, target: Target, detail: String, done: Result<T, E>) -> Result<T, E> {
        let outcome = if done.is_ok() { "ok" } else { "refused" };
        self.audit.record(AuditEvent::by_user(None, None, action).to(target).detail(detail), outcome).await;
        done
    }
}

/// Carries out `work` on the users and keys of a data folder.
pub(super) fn with<T>(data: DataFlags, work: impl AsyncFnOnce(&Identity) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async { work(&Identity::open(data).await?).await })
}
