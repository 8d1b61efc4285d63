//! Assembles the server, runs it, and shuts it down in order.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::isolation::{INSPECTION_DIR, accounts, isolation_policy, secret_paths};
use super::listen::{Drained, Listening, adopt, listen, serve};
use super::run_config::run_config;
use super::signals::Stop;
use super::start_error::StartError;
#[cfg(feature = "otel")]
use super::traces::Traces;
use crate::agent::{Agents, Host, Registry};
use crate::api::{AppState, BasePath, Health, HostPolicy, RateLimits, Rates, router};
use crate::auth::{Audit, Auth, SigningKey};
use crate::config::{ControlGroup, Origins, Settings};
use crate::metrics::Metrics;
use crate::process::launch::Launcher;
use crate::process::{Groups, LimitsPolicy, ProcessLimits, Spawner, remove_tree};
#[cfg(not(feature = "postgres"))]
use crate::run::store::OpenError;
#[cfg(feature = "postgres")]
use crate::run::store::PostgresStore;
use crate::run::store::{ServerStore, SqliteStore, StoreError};
use crate::run::{Recovered, Retention, RunManager};
use crate::types::{Clock, OnShutdown, SystemClock};

/// A server that is ready to serve: its address is bound, its store is open, and the runs of an earlier server are recovered.
///
/// Dropping it closes the listener; agents keep running in their shims.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: axum::Router,
    auth: Arc<Auth>,
    runs: RunManager,
    limits: Arc<RateLimits>,
    retention: Retention,
    audit: Audit,
    keep_audit: Duration,
    tasks: TaskTracker,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
    listening: Listening,
}

impl Server {
    /// Starts a server with the agents of `registry`. Agents are spawned through `launcher`; `origins` record where each setting came from,
    /// for `GET /api/settings`.
    ///
    /// # Errors
    /// [`StartError`], by cause.
    pub async fn start(settings: &Settings, origins: &Origins, registry: &Registry, launcher: Launcher) -> Result<Self, StartError> {
        Self::start_on(settings, origins, registry, launcher, None).await
    }

    /// Like [`Server::start`], but serves `inherited`, a listening socket from the service manager, instead of the address in the settings.
    ///
    /// # Errors
    /// [`StartError`], by cause.
    pub async fn start_on(
        settings: &Settings,
        origins: &Origins,
        registry: &Registry,
        launcher: Launcher,
        inherited: Option<std::net::TcpListener>,
    ) -> Result<Self, StartError> {
        match &settings.database_url {
            None => {
                let store = SqliteStore::open(&settings.data_dir)?.with_default_quotas(settings.quotas());
                Self::start_with(store, settings, origins, registry, launcher, inherited).await
            }
            #[cfg(feature = "postgres")]
            Some(url) => {
                let store = PostgresStore::open(url.expose(), &settings.data_dir).await?.with_default_quotas(settings.quotas());
                Self::start_with(store, settings, origins, registry, launcher, inherited).await
            }
            #[cfg(not(feature = "postgres"))]
            Some(_) => Err(OpenError::NoPostgres.into()),
        }
    }

    async fn start_with(
        store: impl ServerStore,
        settings: &Settings,
        origins: &Origins,
        registry: &Registry,
        launcher: Launcher,
        inherited: Option<std::net::TcpListener>,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let started_at = clock.now();
        // Where agent programs are looked up first.
        crate::ownership::check_programs(&settings.agents_dir)?;
        let key = SigningKey::load(settings.jwt_secret.as_ref(), &settings.data_dir)?;
        let auth = Auth::start(Arc::new(store.clone()), Arc::clone(&clock), &key, settings.admin_password.as_ref()).await?;
        let listening = |source| StartError::Listen { addr: settings.addr, source };
        let listener = match inherited {
            Some(listener) => adopt(listener),
            None => listen(settings.addr),
        };
        let listener = listener.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        if !address.ip().is_loopback() && auth.has_default_passwords().await? {
            tracing::warn!(
                %address,
                "this address can be reached from other machines; the default passwords work from this one only, set another (`openrunner user set admin --password`, or OPENRUNNER_ADMIN_PASSWORD) to let others in"
            );
        }
        let tasks = TaskTracker::new();
        let isolation = isolation_policy(settings, origins, &launcher, accounts(settings).map_err(StartError::Account)?)
            .await
            .map_err(StartError::Isolation)?;
        let spawner = Spawner::new(launcher).map_err(StartError::Spawner)?;
        let host = super::host(settings, inspection_directory(&settings.data_dir)?, spawner);
        let host = Host { limits_policy: limits_policy(settings)?, isolation, tasks: tasks.clone(), ..host };
        let agents = Agents::new(registry, &host);
        agents.refresh();
        let run_config = Arc::new(run_config(settings, secret_paths(settings, origins, |name| std::env::var_os(name)))?);
        let audit = Audit::new(Arc::new(store.clone()), Arc::clone(&clock), tasks.clone());
        let runs = RunManager::new(Arc::new(store.clone()), Arc::clone(&clock), agents, run_config).map_err(StartError::Workspaces)?;
        // Before recovery, because runs that recovery ends have traces, too.
        #[cfg(feature = "otel")]
        let traces = Traces::start(&runs, Arc::new(store.clone()));
        recover(&runs).await?;
        runs.send_webhooks();
        let metrics = Metrics::new(started_at, store.metrics(), runs.metrics());
        let retention = Retention::new(runs.clone(), Arc::new(store.clone()), clock);
        let health = Health::new(move || {
            let store = store.clone();
            Box::pin(async move { store.try_to_heal().await })
        });
        let policy = HostPolicy::new(address.ip(), &settings.allowed_hosts, &settings.allowed_origins);
        let policy = policy.listening_on(address.port()).behind(&settings.trusted_proxies);
        let limits = Arc::new(RateLimits::new(Rates {
            logins_per_minute: settings.logins_per_minute,
            requests_per_minute: settings.requests_per_minute,
            streams_per_user: settings.max_streams_per_user,
        }));
        let auth = Arc::new(auth);
        let state = AppState {
            auth: Arc::clone(&auth),
            audit: audit.clone(),
            runs: runs.clone(),
            health: Arc::new(health),
            limits: Arc::clone(&limits),
            metrics,
            settings: origins.resolve(settings).into(),
            base_path: BasePath::new(settings.base_path.as_ref()),
            helper_model: settings.helper_model.as_deref().map(Into::into),
        };
        let router = router(state, policy);
        let listening = Listening {
            max_connections: usize::try_from(settings.max_connections.get()).unwrap_or(usize::MAX),
            proxies: settings.trusted_proxies.clone(),
            drain: settings.shutdown(),
            ..Listening::default()
        };
        let listening = listening.within(rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
        Ok(Self {
            listener,
            address,
            router,
            auth,
            runs,
            limits,
            retention,
            audit,
            keep_audit: settings.keep_audit(),
            tasks,
            #[cfg(feature = "otel")]
            traces,
            listening,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is requested. Then it stops accepting connections, ends or detaches every run, lets followers read to the end
    /// of their logs, and returns within the shutdown time of the settings.
    pub async fn run(self, stop: Stop) {
        #[cfg(feature = "otel")]
        let traces = self.traces;
        let Self { listener, address, router, auth, runs, limits, retention, audit, keep_audit, tasks, listening, .. } = self;
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "openrunner is ready");
        let shutdown = listening.drain;
        let (closing, drained) = (CancellationToken::new(), CancellationToken::new());
        let drain = async {
            let how = stop.requested().await;
            closing.cancel();
            match how {
                OnShutdown::Stop => tracing::info!("shutting down; ending all runs"),
                OnShutdown::Detach => tracing::info!("shutting down; agents keep running"),
            }
            runs.drain(how, shutdown).await;
            drained.cancel();
        };
        #[cfg(feature = "otel")]
        let traces = async {
            if let Some(traces) = traces {
                traces.run(drained.clone()).await;
            }
        };
        #[cfg(not(feature = "otel"))]
        let traces = std::future::ready(());
        let prune_limits = closing.run_until_cancelled(limits.run_cleanup());
        let enforce_retention = closing.run_until_cancelled(retention.run());
        let serve = serve(listener, router, listening, closing.clone());
        // After the last request.
        let served = CancellationToken::new();
        let serve = async {
            let drained = serve.await;
            served.cancel();
            drained
        };
        let keep_audit = audit.run(keep_audit, &served);
        let report_changes = served.run_until_cancelled(auth.report_offline_changes(&audit));
        let (drained, (), _, _, (), _, ()) =
            tokio::join!(serve, drain, prune_limits, enforce_retention, keep_audit, report_changes, traces);
        limits.log_digest();
        if let Drained::Cut(connections) = drained {
            tracing::warn!(connections, "closed connections that did not finish in time");
        }
        tasks.close();
        tracing::info!("openrunner has stopped");
    }
}

/// Recovers the runs of an earlier server.
async fn recover(runs: &RunManager) -> Result<(), StoreError> {
    let recovered = runs.recover().await?;
    if recovered != Recovered::default() {
        let Recovered { reattached, requeued, interrupted, postponed } = recovered;
        tracing::info!(reattached, requeued, interrupted, postponed, "recovered runs of an earlier server");
    }
    Ok(())
}

/// The resource limits and control groups of runs, as far as this machine supports them.
///
/// # Errors
/// If the control group of the settings cannot be used.
pub fn limits_policy(settings: &Settings) -> Result<LimitsPolicy, StartError> {
    let groups = match &settings.cgroup {
        ControlGroup::Off => None,
        ControlGroup::Auto => Groups::delegated(),
        ControlGroup::At(path) => Some(Groups::at(path).map_err(StartError::Group)?),
    };
    if let Some(groups) = &groups {
        tracing::info!(parent = %groups.dir().display(), "each run gets its own control group");
    }
    let number = |limit: Option<std::num::NonZeroU32>| limit.map(|limit| u64::from(limit.get()));
    let limits = ProcessLimits {
        memory_bytes: settings.run_memory(),
        processes: number(settings.run_processes),
        cpu_weight: settings.run_cpu_weight.map(|weight| weight.get().into()),
    };
    let limits_policy = LimitsPolicy::new(groups, limits);
    let unenforceable = limits_policy.unenforceable();
    if !unenforceable.is_unlimited() {
        tracing::warn!(?unenforceable, "cannot enforce these limits: no control group with the required controllers is available");
    }
    Ok(limits_policy)
}

/// The directory in which programs are inspected, without what inspections of an earlier server have left.
fn inspection_directory(data_dir: &Path) -> Result<PathBuf, StartError> {
    let path = data_dir.join(INSPECTION_DIR);
    match remove_tree(&path) {
        Ok(()) => private_directory(data_dir, INSPECTION_DIR),
        Err(source) => Err(StartError::Directory { path, source }),
    }
}

/// A directory in the data directory that only this account can access; created if it does not exist.
fn private_directory(data_dir: &Path, name: &str) -> Result<PathBuf, StartError> {
    let path = data_dir.join(name);
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::Directory { path, source }),
    }
}
