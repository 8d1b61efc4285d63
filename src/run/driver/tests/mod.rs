//! Drivers with a scripted agent, on a store in memory whose calls can fail. Time is paused: it advances only while everything waits.

#![expect(clippy::disallowed_methods, reason = "the tests themselves wait for their tasks, and their queues are short")]

mod bounds;
mod faults;
mod limit_wait;
mod phases;
mod restore;
mod spend;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Driver, DriverContext, DriverExit};
use crate::agent::handle::testing::{ScriptedAgent, scripted_agent};
use crate::agent::{Item, PreparedAgent, Started};
use crate::run::RunManager;
use crate::run::admission::{Admission, Limits};
use crate::run::events::EventLog;
use crate::run::feed::Changes;
use crate::run::live::{self, RunHandle};
use crate::run::run_secrets::RunSecrets;
use crate::run::sessions::Sessions;
use crate::run::store::testing::FaultStore;
use crate::run::store::{AuditEntry, Audited, RunRecord, RunStore, SessionUse, contract};
use crate::types::{
    Answer, AuditAction, Cause, Decision, Failure, PermissionMode, RunId, RunSpec, RunStatus, StreamEvent, SystemClock, Timestamp, ToolKind,
};

/// How long a test waits for what must happen.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request waits for its answer.
const PERMISSION_TIMEOUT: Duration = Duration::from_mins(10);

/// One driven run, its agent and its store.
struct Bench {
    _dir: TempDir,
    store: FaultStore,
    run: RunId,
    handle: RunHandle,
    driver: JoinHandle<DriverExit>,
    /// Memory of the driver and of its future, in bytes.
    driver_size: usize,
    /// The agents that were launched.
    agents: mpsc::UnboundedReceiver<ScriptedAgent>,
    /// Whether the preparation of the agent has begun and was not dropped.
    preparing: Arc<AtomicBool>,
}

/// How the agent is prepared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preparation {
    Succeeds,
    Fails,
    NeverEnds,
}

/// Clears the flag when the preparation is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Bench {
    async fn new(preparation: Preparation, spec: impl FnOnce(&mut RunSpec)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manager = RunManager::without_agents(dir.path());
        let store = FaultStore::in_memory();
        let mut record = contract::record("admin", "scripted", None);
        record.spec.permission_mode = PermissionMode::Ask;
        spec(&mut record.spec);
        let (launched, agents) = mpsc::unbounded_channel();
        let preparing = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&preparing);
        let script = move || {
            flag.store(true, Ordering::SeqCst);
            let (launched, guard) = (launched.clone(), Flag(Arc::clone(&flag)));
            async move {
                let _guard = guard;
                match preparation {
                    Preparation::Succeeds => Ok(PreparedAgent::new(move |_limit| {
                        let (handle, agent) = scripted_agent();
                        launched.send(agent).unwrap();
                        handle
                    })),
                    Preparation::Fails => Err(Failure::new(Cause::NotInstalled, "not here")),
                    Preparation::NeverEnds => std::future::pending().await,
                }
            }
            .boxed()
        };
        let mut config = (*manager.inner.config).clone();
        config.permission_timeout = PERMISSION_TIMEOUT;
        let context = DriverContext {
            store: Arc::new(store.clone()),
            agents: manager.agents().clone().scripted(Arc::new(script)),
            config: Arc::new(config),
            ..manager.inner.context.clone()
        };
        let log = EventLog::new(Arc::new(store.clone()), Arc::new(SystemClock));
        let (run, owner, spec, session) = (record.id, record.owner.clone(), record.spec.clone(), record.session);
        let writer = log.create(record, SessionUse::Starts, &[StreamEvent::RunQueued { position: 0 }], None, None).await.unwrap();
        let (handle, inbox) = live::channel(session, spec.agent_type.clone(), Changes::new().notifier(run, owner.id));
        let limits = Limits { total: 1, per_user: 1, queue: 1, queue_per_user: 1, ..Limits::default() };
        let ticket = Admission::new(limits).queue(run, owner.id, &spec.agent_type, true).unwrap();
        let turn = Sessions::default().join(session);
        let driver = Driver::new(&spec, session, RunSecrets::default(), writer, inbox, context);
        let driving = driver.run(ticket, turn);
        let driver_size = size_of::<Driver>() + size_of_val(&driving);
        let driver = tokio::spawn(driving);
        Self { _dir: dir, store, run, handle, driver, driver_size, agents, preparing }
    }

    /// A run whose agent has been launched and is ready.
    async fn running(spec: impl FnOnce(&mut RunSpec)) -> (Self, ScriptedAgent) {
        let mut bench = Self::new(Preparation::Succeeds, spec).await;
        let mut agent = bench.agent().await;
        assert!(agent.send(vec![Item::Started(Started::default())]).await);
        bench.reaches(RunStatus::Running).await;
        (bench, agent)
    }

    async fn agent(&mut self) -> ScriptedAgent {
        within(self.agents.recv()).await.unwrap()
    }

    async fn record(&self) -> RunRecord {
        self.store.inner().run(self.run).await.unwrap().unwrap()
    }

    /// Waits until the run's row has this status.
    async fn reaches(&self, status: RunStatus) {
        within(async {
            while self.record().await.status != status {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until the preparation of the agent has begun or was dropped.
    async fn preparation_is(&self, expected: bool) {
        within(async {
            while self.preparing.load(Ordering::SeqCst) != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits for the driver and returns the run's log, which must be complete.
    async fn end(self) -> Vec<Value> {
        assert_eq!(within(self.driver).await.unwrap(), DriverExit::Ended);
        log_of(self.store.inner(), self.run).await
    }
}

/// The events of an ended run. Checks that they are dense and end in the only `done`, as the row states.
async fn log_of(store: &dyn RunStore, run: RunId) -> Vec<Value> {
    let record = store.run(run).await.unwrap().unwrap();
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.len() as u64;
        let chunks = store.chunks(run, after, usize::MAX).await.unwrap();
        if chunks.is_empty() {
            break;
        }
        for chunk in chunks {
            let chunk = chunk.unwrap();
            events.extend(
                chunk.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()),
            );
        }
    }
    assert!(events.iter().zip(1_u64..).all(|(event, seq)| event["seq"] == seq), "{events:?}");
    assert_eq!(events.len() as u64, record.last_seq.get());
    assert_eq!(named(&events, "done").len(), 1);
    assert_eq!(events.last().unwrap()["type"], "done");
    assert_eq!(record.done.unwrap().status.as_str(), events.last().unwrap()["status"]);
    assert!(record.ended_at.is_some());
    events
}

/// The events of one type.
fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == name).collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future).await.expect("it takes too long")
}

fn permission(id: &str) -> Item {
    Item::Event(StreamEvent::PermissionRequest {
        id: id.to_owned(),
        tool_call_id: None,
        tool: "Write".to_owned(),
        kind: ToolKind::Edit,
        input: json!({ "path": "x" }),
        options: vec![Decision::AllowOnce, Decision::Deny],
        choices: vec![],
        expires_at: None,
    })
}

fn allow() -> Answer {
    Answer::Permission { decision: Decision::AllowOnce, message: None, option_id: None }
}

fn token(text: &str) -> Item {
    Item::Event(StreamEvent::Token { content: text.into() })
}

/// An audited action on the run of a bench.
fn audited(action: AuditAction) -> Audited {
    Audited::new(AuditEntry {
        created_at: Timestamp::from_millis(1),
        user: None,
        key: None,
        address: None,
        action,
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_username: None,
        target_key: None,
        detail: None,
    })
}
