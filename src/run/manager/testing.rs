//! Managers and runs for the tests of the layers above.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::{RunManager, RunSettings};
use crate::agent::Agents;
use crate::redact::Secrets;
use crate::run::view::RunView;
use crate::types::{Budget, Seq};

impl RunManager {
    /// A manager over a fresh store in `folder`, without agents: for tests of the layers above.
    pub(crate) fn without_agents(folder: &std::path::Path) -> Self {
        use crate::agent::{Host, Registry, handle::Limits};
        let second = Duration::from_secs(1);
        let host = Host {
            env: BTreeMap::new(),
            allowed_env: vec![],
            agents_dir: folder.join("agents"),
            empty_dir: folder.join("empty"),
            spawner: crate::process::Spawner::new(crate::process::launch::Launcher::new(rustix::fs::Mode::empty()).unwrap()).unwrap(),
            limits: Limits { exit_grace: second, grace: second },
            max_output: 1024 * 1024,
            limits_policy: crate::process::LimitsPolicy::default(),
            tasks: TaskTracker::new(),
        };
        let settings = RunSettings {
            data_dir: folder.to_owned(),
            workspace_roots: vec![],
            user_workspace_roots: vec![],
            max_runs: 1,
            max_runs_per_user: 1,
            max_runs_per_agent: BTreeMap::new(),
            max_queue: 1,
            stop_grace: second,
            shutdown_grace: second,
            permission_timeout: second,
            startup_timeout: None,
            budget: Budget::default(),
            rules: vec![],
            user_env: vec![],
            secrets: Secrets::default(),
            webhooks: Arc::default(),
        };
        let store = crate::run::store::SqliteStore::open(folder).unwrap();
        Self::new(Arc::new(store), Arc::new(crate::types::SystemClock), Agents::new(&Registry::default(), &host), &settings).unwrap()
    }

    /// Stores a run of `owner` that has ended, as an earlier server would have left it.
    pub(crate) async fn ended_run_of(&self, owner: &str) -> RunView {
        let mut run = crate::run::store::contract::record(owner, "demo", None);
        let done = crate::run::store::contract::done();
        (run.status, run.done) = (done.status, Some(done));
        let body = bytes::Bytes::from_static(b"{\"seq\":1,\"ts\":\"2026-11-22T13:05:00.001Z\",\"type\":\"run_queued\",\"position\":0}\n");
        let first = crate::run::store::Chunk { first: Seq::FIRST, last: Seq::FIRST, body };
        self.inner.store.create_run(run.clone(), vec![first], None).await.unwrap();
        RunView::new(run, None, None)
    }
}
