//! A hundred users with ten runs each get a fair share in any order of arrival.
//!
//! Rules: C1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use openrunner::agent::{self, Agent, Agents, Host, Registry, handle::GracePeriods};
use openrunner::process::Spawner;
use openrunner::process::launch::Launcher;
use openrunner::run::store::SqliteStore;
use openrunner::run::{CreateError, NewRun, RetentionPolicy, RunConfig, RunManager};
use openrunner::types::{Caller, OnShutdown, StreamEvent, SystemClock, UserRef, UserRole};
use tokio::sync::{Semaphore, mpsc};

use crate::support::live;

const USERS: usize = 100;
const RUNS: usize = 10;

/// An agent that records whose run it works on, and blocks on the first one until the gate opens.
#[derive(Clone)]
struct Noting {
    order: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Agent for Noting {
    fn name(&self) -> &'static str {
        "noting"
    }

    async fn run(&self, prompt: String, _tx: mpsc::Sender<StreamEvent>) -> agent::Result<()> {
        self.order.lock().expect("no holder panics").push(prompt);
        let _open = self.gate.acquire().await?;
        Ok(())
    }
}

fn manager(directory: &std::path::Path, agent: Noting) -> RunManager {
    let second = Duration::from_secs(1);
    let store = SqliteStore::open(directory).expect("a store");
    let host = Host {
        env: BTreeMap::new(),
        allowed_env: vec![],
        agents_dir: directory.join("agents"),
        empty_dir: directory.join("empty"),
        spawner: Spawner::new(Launcher::new(rustix::fs::Mode::empty()).expect("this program")).expect("a thread"),
        grace: GracePeriods { exit: second, stop: second },
        tasks: tokio_util::task::TaskTracker::new(),
        max_output: 1024 * 1024,
        limits_policy: openrunner::process::LimitsPolicy::default(),
        isolation: openrunner::agent::IsolationPolicy::default(),
    };
    let config = RunConfig {
        data_dir: directory.to_owned(),
        workspace_roots: vec![],
        user_workspace_roots: vec![],
        git: None,
        git_hosts: openrunner::run::GitHosts::default(),
        trusted_projects: vec![],
        private_paths: vec![],
        max_runs: 1,
        max_runs_per_user: 1,
        max_runs_per_agent: BTreeMap::new(),
        // No user's waiting runs outnumber the free places.
        max_queue: 2 * USERS * RUNS,
        max_queue_per_user: USERS * RUNS,
        stop_grace: second,
        startup_timeout: None,
        secrets: openrunner::redact::Secrets::default(),
        shutdown_grace: second,
        permission_timeout: second,
        max_wait: second,
        default_budget: openrunner::types::Budget::default(),
        default_quotas: openrunner::types::PerQuota::default(),
        profiles: BTreeMap::new(),
        default_profile: None,
        permission_rules: vec![],
        user_env: vec![],
        retention: RetentionPolicy::default(),
        egress: openrunner::egress::EgressPolicy::default(),
        webhooks: Arc::default(),
    };
    let agents = Agents::new(&Registry::default().with_agent(agent), &host);
    RunManager::new(Arc::new(store), Arc::new(SystemClock), agents, Arc::new(config)).expect("a directory")
}

/// A user; the same name gives the same user.
fn caller(name: &str) -> Caller {
    let hex = name.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let id = format!("usr_{hex:0>32}").parse().expect("an id");
    Caller { user: UserRef { id, name: name.parse().expect("a name") }, role: UserRole::User }
}

#[test]
fn a_hundred_users_with_ten_runs_each_are_served_in_turn() {
    live(async {
        let directory = tempfile::tempdir().unwrap();
        let agent = Noting { order: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        let manager = manager(directory.path(), agent.clone());
        let create = async |user: &str| {
            let caller = caller(user);
            let new = NewRun { agent_type: Some("noting".to_owned()), prompt: user.to_owned(), ..NewRun::default() };
            (manager.create(&caller, new, None, None).await.unwrap().run_id, caller)
        };
        let mut runs = vec![create("first").await];
        // Each user fills the queue before the next one. First come, first served would let the last user wait for 990 runs.
        for number in 0..USERS {
            let user = format!("user{number:02}");
            runs.extend(join_all((0..RUNS).map(|_| create(&user))).await);
        }
        // The last user's runs are the last ones of each round.
        let of_last_user = &runs[runs.len() - RUNS..];
        let views = join_all(of_last_user.iter().map(|(run, caller)| manager.get(caller, *run))).await;
        let positions: BTreeSet<_> = views.into_iter().map(|view| view.unwrap().queue_position).collect();
        assert_eq!(positions, (1..=RUNS).map(|round| Some((round * USERS - 1) as u64)).collect());
        agent.gate.add_permits(1);
        for (run, caller) in &runs {
            let ended = manager.wait(caller, *run, Duration::from_mins(1)).await.unwrap();
            assert!(ended.ended_at.is_some() && ended.queue_position.is_none(), "{ended:?}");
        }
        let order = agent.order.lock().unwrap().clone();
        assert_eq!((order.len(), order[0].as_str()), (USERS * RUNS + 1, "first"));
        for round in order[1..].chunks(USERS) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), USERS, "a user was served twice while others waited: {round:?}");
        }
    });
}

#[test]
fn a_server_that_shuts_down_accepts_no_run() {
    live(async {
        let directory = tempfile::tempdir().unwrap();
        let manager = manager(directory.path(), Noting { order: Arc::default(), gate: Arc::new(Semaphore::new(1)) });
        manager.drain(OnShutdown::Stop, Duration::from_secs(10)).await;
        let caller = caller("ann");
        let new = NewRun { agent_type: Some("noting".to_owned()), prompt: "x".to_owned(), ..NewRun::default() };
        let refused = manager.create(&caller, new, None, None).await;
        assert!(matches!(refused, Err(CreateError::Draining)), "{refused:?}");
    });
}
