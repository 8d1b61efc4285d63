//! Managers and runs for tests of the layers above.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::RunManager;
use crate::agent::{Agent, Agents, Registry};
use crate::redact::Secrets;
use crate::run::RetentionPolicy;
use crate::run::config::RunConfig;
use crate::run::request::NewRun;
use crate::run::store::testing::FaultStore;
use crate::run::store::{ProfileStore, QuotaStore, RunRecord, RunStore, UsageStore};
use crate::run::view::RunView;
use crate::types::{Budget, Caller, Seq, StreamEvent, UserRef, UserRole};

/// A manager over a [`FaultStore`] with one agent, `test`, which runs in this process. One run may be active, and two may wait.
pub(in crate::run) struct TestRuns {
    pub(in crate::run) store: FaultStore,
    pub(in crate::run) manager: RunManager,
    /// A user.
    pub(in crate::run) ann: Caller,
    dir: TempDir,
}

/// An agent that runs until it is stopped.
pub(in crate::run) struct Idle;

/// An agent that says one word.
pub(in crate::run) struct Talking;

#[async_trait]
impl Agent for Idle {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn run(&self, _prompt: String, _tx: mpsc::Sender<StreamEvent>) -> crate::agent::Result<()> {
        std::future::pending().await
    }
}

#[async_trait]
impl Agent for Talking {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn run(&self, _prompt: String, tx: mpsc::Sender<StreamEvent>) -> crate::agent::Result<()> {
        tx.send(StreamEvent::Token { content: "word".into() }).await?;
        Ok(())
    }
}

impl TestRuns {
    pub(in crate::run) fn new(agent: impl Agent) -> Self {
        Self::over(FaultStore::in_memory(), agent)
    }

    pub(in crate::run) fn over(store: FaultStore, agent: impl Agent) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manager = RunManager::with_agents(Arc::new(store.clone()), dir.path(), &Registry::default().with_agent(agent), 2);
        let ann = Caller { user: UserRef::named("ann"), role: UserRole::User };
        Self { store, manager, ann, dir }
    }

    /// A request for a run in a fresh directory.
    pub(in crate::run) fn request() -> NewRun {
        NewRun { agent_type: Some("test".into()), prompt: "do it".into(), ..NewRun::default() }
    }

    pub(in crate::run) async fn create(&self) -> RunView {
        self.manager.create(&self.ann, Self::request(), None, None).await.unwrap()
    }

    /// Number of fresh directories.
    pub(in crate::run) fn directories(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("workspaces")).unwrap().count()
    }
}

impl RunManager {
    /// A manager without agents, with a new store in `dir`.
    pub(crate) fn without_agents(dir: &std::path::Path) -> Self {
        Self::with_store(Arc::new(crate::run::store::SqliteStore::open(dir).unwrap()), dir)
    }

    /// A manager without agents over a store, with its other files in `dir`.
    pub(crate) fn with_store<S: RunStore + UsageStore + QuotaStore + ProfileStore + 'static>(store: Arc<S>, dir: &std::path::Path) -> Self {
        Self::with_agents(store, dir, &Registry::default(), 1)
    }

    fn with_agents<S: RunStore + UsageStore + QuotaStore + ProfileStore + 'static>(
        store: Arc<S>,
        dir: &std::path::Path,
        agents: &Registry,
        max_queue: usize,
    ) -> Self {
        Self::with_config(store, dir, agents, |config| RunConfig { max_queue, max_queue_per_user: max_queue, ..config })
    }

    /// A manager without agents that makes worktrees, with a new store in `dir`.
    pub(in crate::run) fn with_git(dir: &std::path::Path, retention: RetentionPolicy) -> Self {
        let store = Arc::new(crate::run::store::SqliteStore::open(dir).unwrap());
        let git = crate::workspace::Git::find(&std::env::var_os("PATH").unwrap());
        Self::with_config(store, dir, &Registry::default(), |config| RunConfig { retention, git, ..config })
    }

    fn with_config<S: RunStore + UsageStore + QuotaStore + ProfileStore + 'static>(
        store: Arc<S>,
        dir: &std::path::Path,
        agents: &Registry,
        change: impl FnOnce(RunConfig) -> RunConfig,
    ) -> Self {
        use crate::agent::{Host, handle::GracePeriods};
        let second = Duration::from_secs(1);
        let host = Host {
            env: BTreeMap::new(),
            allowed_env: vec![],
            agents_dir: dir.join("agents"),
            empty_dir: dir.join("empty"),
            spawner: crate::process::Spawner::new(crate::process::launch::Launcher::new(rustix::fs::Mode::empty()).unwrap()).unwrap(),
            grace: GracePeriods { exit: second, stop: second },
            max_output: 1024 * 1024,
            limits_policy: crate::process::LimitsPolicy::default(),
            isolation: crate::agent::IsolationPolicy::default(),
            tasks: TaskTracker::new(),
        };
        let config = RunConfig {
            data_dir: dir.to_owned(),
            workspace_roots: vec![],
            user_workspace_roots: vec![],
            git: None,
            git_hosts: crate::run::GitHosts::default(),
            trusted_projects: vec![],
            private_paths: vec![],
            max_runs: 1,
            max_runs_per_user: 1,
            max_runs_per_agent: BTreeMap::new(),
            max_queue: 1,
            max_queue_per_user: 1,
            stop_grace: second,
            shutdown_grace: second,
            permission_timeout: second,
            max_wait: second,
            startup_timeout: None,
            default_budget: Budget::default(),
            default_quotas: crate::types::PerQuota::default(),
            permission_rules: vec![],
            profiles: BTreeMap::new(),
            default_profile: None,
            user_env: vec![],
            secrets: Secrets::default(),
            retention: RetentionPolicy::default(),
            egress: crate::egress::EgressPolicy::default(),
            webhooks: Arc::default(),
        };
        Self::new(store, Arc::new(crate::types::SystemClock), Agents::new(agents, &host), Arc::new(change(config))).unwrap()
    }

    /// Stores an ended run of `owner`, as an earlier server would have left it.
    pub(crate) async fn add_ended_run(&self, owner: UserRef) -> RunView {
        use crate::run::store::{Chunk, RunChange, SessionUse};

        let run = RunRecord { owner, ..crate::run::store::contract::record("ann", "demo", None) };
        let chunk = |number, body: &'static [u8]| {
            let seq = Seq::new(number).unwrap();
            vec![Chunk { first: seq, last: seq, body: bytes::Bytes::from_static(body) }]
        };
        let queued = b"{\"seq\":1,\"ts\":\"2026-11-22T13:05:00.001Z\",\"type\":\"run_queued\",\"position\":0}\n";
        let lease = self.inner.store.create_run(run.clone(), SessionUse::Starts, chunk(1, queued), None, None).await.unwrap();
        let done = (crate::run::store::contract::done(), self.inner.log.now());
        let change = RunChange { status: Some(done.0.status), done: Some(done), ..RunChange::default() };
        let end = b"{\"seq\":2,\"ts\":\"2026-11-22T13:05:00.002Z\",\"type\":\"done\"}\n";
        self.inner.store.append(&lease, chunk(2, end), change).await.unwrap();
        let run = self.inner.store.run(run.id).await.unwrap().unwrap();
        RunView::new(run, None)
    }
}
