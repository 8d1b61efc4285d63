//! The state of the handlers.

use std::sync::Arc;

use super::{BasePath, Health, RateLimits};
use crate::auth::{Audit, Auth, Principal};
use crate::config::ResolvedSetting;
use crate::metrics::Metrics;
use crate::run::RunManager;
use crate::types::ProfileName;

/// The state of the handlers: handles on the services below. Cloning is cheap.
#[derive(Clone)]
pub struct AppState {
    /// Users, logins, tokens and API keys.
    pub auth: Arc<Auth>,
    /// The audit log.
    pub audit: Audit,
    /// Runs and sessions.
    pub runs: RunManager,
    /// The health check.
    pub health: Arc<Health>,
    /// Rate limits.
    pub limits: Arc<RateLimits>,
    /// Metrics.
    pub metrics: Metrics,
    /// The effective settings.
    pub settings: Arc<[ResolvedSetting]>,
    /// The path below which clients reach the server.
    pub base_path: BasePath,
    /// Model for the requests that clients of the OpenAI-compatible API send on their own; `None` for the requested one.
    pub helper_model: Option<Arc<str>>,
}

impl AppState {
    /// The profile of a run for which the request names `requested`: without one that of the API key, else that of the server.
    pub(super) fn profile_of(&self, requested: Option<ProfileName>, principal: &Principal) -> Option<ProfileName> {
        let of_key = principal.defaults().and_then(|defaults| defaults.profile.as_ref());
        requested.or_else(|| of_key.or_else(|| self.runs.default_profile()).cloned())
    }
}

#[cfg(test)]
impl AppState {
    /// The state of a server without agents, with a store in a temporary directory.
    pub(crate) async fn for_tests() -> (tempfile::TempDir, Self) {
        let (directory, state, _clock) = Self::with_clock().await;
        (directory, state)
    }

    /// The same, with the clock that tokens expire by.
    pub(super) async fn with_clock() -> (tempfile::TempDir, Self, Arc<crate::auth::tests::ManualClock>) {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(crate::run::store::SqliteStore::open(directory.path()).unwrap());
        let (auth, clock) = crate::auth::tests::auth_over(store.clone(), None).await.unwrap();
        let audit = Audit::new(store.clone(), clock.clone(), tokio_util::task::TaskTracker::new());
        let runs = RunManager::with_store(store, directory.path());
        let metrics = Metrics::new(crate::types::Timestamp::from_millis(0), &crate::metrics::StoreMetrics::default(), runs.metrics());
        let (health, limits) = (Arc::new(Health::new(|| Box::pin(async { true }))), Arc::new(RateLimits::for_tests()));
        (
            directory,
            Self {
                auth: Arc::new(auth),
                audit,
                runs,
                health,
                limits,
                metrics,
                settings: Arc::new([]),
                base_path: BasePath::default(),
                helper_model: None,
            },
            clock,
        )
    }
}
