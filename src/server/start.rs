//! Puts the parts together, runs them, and takes them apart in the right order.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listen::{Drained, Listening, listen, serve, take_over};
use super::secrets::known_secrets;
use super::signals::Stop;
#[cfg(feature = "otel")]
use super::traces::Traces;
use super::webhooks::webhooks;
use crate::agent::{Agents, Host, Registry};
use crate::api::{AppState, Health, HostPolicy, RateLimits, Rates, router};
use crate::auth::{Audit, Auth, KeyError, SetupError, SigningKey};
use crate::config::{ControlGroup, Origins, Settings};
use crate::metrics::Metrics;
use crate::process::launch::Launcher;
use crate::process::{CgroupError, Groups, LimitsPolicy, ProcessLimits, Spawner};
use crate::run::store::{OpenError, SqliteStore, StoreError};
use crate::run::{BadRule, BadWebhook, Keep, Recovered, Retention, Rule, RunManager, RunSettings};
use crate::types::{Clock, OnShutdown, RuleSpec, SystemClock};

/// Part of the shutdown's time that is kept for interrupting agents before they are asked to end, for killing those that did not, and
/// for writing the last events.
const LAST_RITES: Duration = Duration::from_secs(8);

/// Why the server did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The key that signs tokens cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The default users or admin's password cannot be set up.
    #[error("the users cannot be set up")]
    Users(#[from] SetupError),
    /// A folder cannot be used.
    #[error("cannot use the folder {path}")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A permission rule of the settings is none.
    #[error("permission rule {number} of the settings file")]
    Rule {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: BadRule,
    },
    /// The place of the settings is not one that events can be sent to.
    #[error("OPENRUNNER_WEBHOOK_URL, _SECRET or _EVENTS")]
    Webhook(#[source] BadWebhook),
    /// The control group of the settings cannot be used.
    #[error("OPENRUNNER_CGROUP names a control group that cannot be used")]
    Group(#[source] CgroupError),
    /// A workspace root is not there.
    #[error("OPENRUNNER_WORKSPACE_ROOTS names a folder that cannot be used")]
    Workspaces(#[source] std::io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}; is another program using it? Set OPENRUNNER_ADDR to another address")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the thread that starts agents")]
    Spawner(#[source] std::io::Error),
}

/// A server that is ready: its address is bound, its store is open, and what an earlier one left behind is tidied up.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: axum::Router,
    runs: RunManager,
    limits: Arc<RateLimits>,
    retention: Retention,
    tasks: TaskTracker,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
    max_connections: usize,
    shutdown: Duration,
}

impl Server {
    /// Makes a server ready, with the agents of `registry`. Agents are started through `launcher`; `origins` tell admins where the settings
    /// came from.
    ///
    /// # Errors
    /// [`StartError`], by cause.
    pub async fn start(settings: &Settings, origins: &Origins, registry: &Registry, launcher: Launcher) -> Result<Self, StartError> {
        Self::start_on(settings, origins, registry, launcher, None).await
    }

    /// The same on a socket that was handed over, whatever address the settings name.
    ///
    /// # Errors
    /// [`StartError`], by cause.
    pub async fn start_on(
        settings: &Settings,
        origins: &Origins,
        registry: &Registry,
        launcher: Launcher,
        handed_over: Option<std::net::TcpListener>,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let started_at = clock.now();
        let store = SqliteStore::open(&settings.data_dir)?;
        let key = SigningKey::load(settings.jwt_secret.as_ref(), &settings.data_dir)?;
        let auth = Auth::start(Arc::new(store.clone()), Arc::clone(&clock), &key, settings.admin_password.as_ref()).await?;
        let listening = |source| StartError::Listen { addr: settings.addr, source };
        let listener = match handed_over {
            Some(listener) => take_over(listener),
            None => listen(settings.addr),
        };
        let listener = listener.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        if !address.ip().is_loopback() && auth.has_default_passwords().await? {
            tracing::warn!(
                %address,
                "this address can be reached from other machines; the default passwords work from this one only, set another (`openrunner user passwd admin`, or OPENRUNNER_ADMIN_PASSWORD) to let others in"
            );
        }
        let tasks = TaskTracker::new();
        let spawner = Spawner::new(launcher).map_err(StartError::Spawner)?;
        let host = super::host(settings, private_folder(&settings.data_dir, "empty")?, spawner);
        let host = Host { limits_policy: limits_policy(settings)?, tasks: tasks.clone(), ..host };
        let agents = Agents::new(registry, &host);
        agents.refresh();
        let run_settings = RunSettings {
            data_dir: settings.data_dir.clone(),
            workspace_roots: settings.workspace_roots.clone(),
            user_workspace_roots: settings.user_workspace_roots.clone(),
            max_runs: settings.max_runs.get(),
            max_runs_per_user: settings.max_runs_per_user.unwrap_or(settings.max_runs).get(),
            max_runs_per_agent: settings.agents.max_runs.iter().map(|(agent, most)| (agent.clone(), most.get())).collect(),
            max_queue: settings.max_queue,
            stop_grace: settings.stop_grace(),
            shutdown_grace: settings.stop_grace().min(settings.shutdown().saturating_sub(LAST_RITES)),
            permission_timeout: settings.permission_timeout(),
            startup_timeout: settings.startup_timeout(),
            budget: settings.budget(),
            rules: rules(&settings.permission_rules)?,
            user_env: settings.run_env.iter().map(|name| name.as_str().to_owned()).collect(),
            secrets: known_secrets(settings),
            webhooks: Arc::new(webhooks(settings).map_err(StartError::Webhook)?),
        };
        let audit = Audit::new(Arc::new(store.clone()), Arc::clone(&clock), tasks.clone());
        let runs = RunManager::new(Arc::new(store.clone()), Arc::clone(&clock), agents, &run_settings).map_err(StartError::Workspaces)?;
        // Before the runs of an earlier server are ended, since they have traces, too.
        #[cfg(feature = "otel")]
        let traces = Traces::start(&runs, Arc::new(store.clone()));
        recover(&runs).await?;
        runs.send_webhooks();
        let metrics = Metrics::new(started_at, store.metrics(), runs.metrics());
        let keep = Keep { age: settings.keep_age(), bytes: settings.max_store() };
        let retention = Retention::new(runs.clone(), Arc::new(store.clone()), clock, keep);
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
        let state = AppState {
            auth: Arc::new(auth),
            audit,
            runs: runs.clone(),
            health: Arc::new(health),
            limits: Arc::clone(&limits),
            metrics,
            settings: origins.resolve(settings).into(),
        };
        let router = router(state, policy);
        let max_connections = usize::try_from(settings.max_connections.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            listener,
            address,
            router,
            runs,
            limits,
            retention,
            tasks,
            #[cfg(feature = "otel")]
            traces,
            max_connections,
            shutdown: settings.shutdown(),
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop. Then it takes no more connections, ends every run as `shutdown` or lets it go on by itself, lets
    /// followers read to the end of what there is, and returns within the shutdown's time.
    pub async fn run(self, stop: Stop) {
        #[cfg(feature = "otel")]
        let traces = self.traces;
        let Self { listener, address, router, runs, limits, retention, tasks, max_connections, shutdown, .. } = self;
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "openrunner is ready");
        let listening = Listening { max_connections, drain: shutdown };
        let (closing, drained) = (CancellationToken::new(), CancellationToken::new());
        let draining = async {
            let how = stop.told().await;
            closing.cancel();
            match how {
                OnShutdown::Stop => tracing::info!("shutting down: runs are being ended"),
                OnShutdown::Detach => tracing::info!("shutting down: agents go on without this server"),
            }
            runs.drain(how, shutdown).await;
            drained.cancel();
        };
        #[cfg(feature = "otel")]
        let tracing = async {
            if let Some(traces) = traces {
                traces.send(drained.clone()).await;
            }
        };
        #[cfg(not(feature = "otel"))]
        let tracing = std::future::ready(());
        let tidying = closing.run_until_cancelled(limits.keep_tidy());
        let keeping = closing.run_until_cancelled(retention.keep_on());
        let serving = serve(listener, router, listening, closing.clone());
        let (left, (), _closed, _kept, ()) = tokio::join!(serving, draining, tidying, keeping, tracing);
        if let Drained::Cut(connections) = left {
            tracing::warn!(connections, "connections were cut that did not finish in time");
        }
        tasks.close();
        tracing::info!("openrunner has stopped");
    }
}

/// Goes on with what the server before this one has left.
async fn recover(runs: &RunManager) -> Result<(), StoreError> {
    let recovered = runs.recover().await?;
    if recovered != Recovered::default() {
        let Recovered { found, queued, interrupted } = recovered;
        tracing::info!(found, queued, interrupted, "runs of the server before this one were taken over");
    }
    Ok(())
}

/// What runs are held to, as far as this machine lets it.
fn limits_policy(settings: &Settings) -> Result<LimitsPolicy, StartError> {
    let groups = match &settings.cgroup {
        ControlGroup::Off => None,
        ControlGroup::Auto => Groups::delegated(),
        ControlGroup::At(path) => Some(Groups::named(path).map_err(StartError::Group)?),
    };
    if let Some(groups) = &groups {
        tracing::info!(folder = %groups.folder().display(), "each run gets a control group of its own");
    }
    let number = |bound: Option<std::num::NonZeroU32>| bound.map(|bound| u64::from(bound.get()));
    let bounds = ProcessLimits {
        memory_bytes: settings.run_memory(),
        processes: number(settings.run_processes),
        cpu_weight: settings.run_cpu_weight.map(|weight| weight.get().into()),
    };
    let limits_policy = LimitsPolicy::new(groups, bounds);
    let beyond = limits_policy.unenforceable();
    if !beyond.is_unlimited() {
        tracing::warn!(?beyond, "these bounds of the settings hold no run here: there is no control group with the controllers for them");
    }
    Ok(limits_policy)
}

fn rules(specs: &[RuleSpec]) -> Result<Vec<Rule>, StartError> {
    let numbered = specs.iter().zip(1..);
    numbered.map(|(spec, number)| Rule::new(spec.clone()).map_err(|source| StartError::Rule { number, source })).collect()
}

fn private_folder(data_dir: &Path, name: &str) -> Result<PathBuf, StartError> {
    let path = data_dir.join(name);
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::Folder { path, source }),
    }
}
