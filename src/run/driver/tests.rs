//! Drivers with a scripted agent and a real store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Driver, DriverContext, DriverExit};
use crate::agent::handle::testing::{Received, ScriptedAgent, scripted_agent};
use crate::agent::{Item, PreparedAgent, Started};
use crate::run::RunManager;
use crate::run::admission::{Admission, Limits};
use crate::run::events::EventLog;
use crate::run::feed::Changes;
use crate::run::live::{self, AnswerRejected, MessageRejected, RunHandle};
use crate::run::policy::Policy;
use crate::run::run_secrets::RunSecrets;
use crate::run::sessions::Sessions;
use crate::run::state::StopReason;
use crate::run::store::{RunRecord, RunStore, SessionUse, contract};
use crate::types::bounds::{MAX_OPEN_REQUESTS, MAX_QUEUED_MESSAGES};
use crate::types::{
    Answer, Cause, Decision, Failure, MessageMode, PermissionMode, RunId, RunSpec, RunStatus, StreamEvent, SystemClock, ToolKind,
};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// One driven run, its agent and its store.
struct Bench {
    _dir: TempDir,
    store: Arc<dyn RunStore>,
    run: RunId,
    handle: RunHandle,
    driver: JoinHandle<DriverExit>,
    /// The agents that were launched.
    agents: mpsc::UnboundedReceiver<ScriptedAgent>,
    /// Whether the preparation of the agent has begun and was not dropped.
    preparing: Arc<AtomicBool>,
    context: DriverContext,
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
        let store = Arc::clone(&manager.inner.store);
        let mut record = contract::record("admin", "scripted", None);
        record.spec.permission_mode = PermissionMode::Ask;
        spec(&mut record.spec);
        Self::start(dir, &manager, store, record, preparation).await
    }

    async fn start(dir: TempDir, manager: &RunManager, store: Arc<dyn RunStore>, record: RunRecord, preparation: Preparation) -> Self {
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
        config.permission_timeout = PATIENCE * 10;
        let context = DriverContext {
            store: Arc::clone(&store),
            agents: manager.agents().clone().scripted(Arc::new(script)),
            config: Arc::new(config),
            ..manager.inner.context.clone()
        };
        let log = EventLog::new(Arc::clone(&store), Arc::new(SystemClock));
        let (run, owner, spec, session) = (record.id, record.owner.clone(), record.spec.clone(), record.session);
        let writer = log.create(record, SessionUse::Starts, &[StreamEvent::RunQueued { position: 0 }], None).await.unwrap();
        let (handle, inbox) = live::channel(session, spec.agent_type.clone(), Changes::new().notifier(run, owner.clone()));
        let limits = Limits { total: 1, per_user: 1, per_agent: std::collections::BTreeMap::new(), queue: 1 };
        let ticket = Admission::new(limits).queue(run, &owner, &spec.agent_type, true).unwrap();
        let turn = Sessions::default().queue(session).await;
        let policy = Policy::new(spec.permission_mode, &[], vec![]);
        let driver = Driver::new(spec, session, RunSecrets::default(), policy, writer, inbox, context.clone());
        let driver = tokio::spawn(driver.run(ticket, turn));
        Self { _dir: dir, store, run, handle, driver, agents, preparing, context }
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
        self.store.run(self.run).await.unwrap().unwrap()
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
        log_of(&*self.store, self.run).await
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
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
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

#[tokio::test]
async fn a_cancel_takes_effect_while_the_agent_is_being_prepared() {
    let mut bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    bench.reaches(RunStatus::Starting).await;
    bench.preparation_is(true).await;
    within(bench.handle.stop(StopReason::Cancel)).await.unwrap();
    bench.preparation_is(false).await;
    assert!(bench.agents.try_recv().is_err(), "an agent was launched");
    assert_eq!(bench.end().await.last().unwrap()["cause"], "cancelled");
}

#[tokio::test]
async fn the_time_limit_includes_the_preparation_of_the_agent() {
    let bench = Bench::new(Preparation::NeverEnds, |spec| spec.timeout = Duration::from_millis(300)).await;
    bench.preparation_is(true).await;
    let events = bench.end().await;
    assert_eq!((&events.last().unwrap()["status"], &events.last().unwrap()["cause"]), (&json!("timed_out"), &json!("timeout")));
}

#[tokio::test]
async fn messages_are_accepted_while_the_agent_is_being_prepared_and_reported_if_it_never_starts() {
    let bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    bench.preparation_is(true).await;
    within(bench.handle.message("later".into(), MessageMode::Queue, None)).await.unwrap();
    assert!(bench.handle.requests().await.is_empty());
    let unknown = bench.handle.answer("x".into(), allow()).await;
    assert!(matches!(unknown, Err(AnswerRejected::Bad(_))), "{unknown:?}");
    within(bench.handle.stop(StopReason::Cancel)).await.unwrap();
    let events = bench.end().await;
    let undelivered = events.iter().find(|event| event["code"] == "undelivered").unwrap();
    assert_eq!(undelivered["data"]["messages"], json!(["later"]));
}

#[tokio::test]
async fn a_failed_preparation_ends_the_run_with_its_cause() {
    let events = Bench::new(Preparation::Fails, |_| {}).await.end().await;
    assert_eq!((&events.last().unwrap()["cause"], &events.last().unwrap()["message"]), (&json!("not_installed"), &json!("not here")));
}

#[tokio::test]
async fn each_status_is_stored_when_it_changes() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    agent.send(vec![permission("p")]).await;
    bench.reaches(RunStatus::Waiting).await;
    bench.handle.answer("p".into(), allow()).await.unwrap();
    assert_eq!(bench.record().await.status, RunStatus::Running);
    assert_eq!(within(agent.receive()).await, Received::Answer("p".into(), allow()));
    within(bench.handle.stop(StopReason::Cancel)).await.unwrap();
    assert_eq!(bench.record().await.status, RunStatus::Stopping);
    assert_eq!(within(agent.receive()).await, Received::Stop("cancel".into()));
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["status"], "cancelled");
}

#[tokio::test]
async fn output_without_events_counts_as_activity() {
    let idle = Duration::from_secs(60);
    let (bench, mut agent) = Bench::running(|spec| {
        spec.idle_timeout = Some(idle);
        spec.timeout = Duration::from_hours(24);
    })
    .await;
    tokio::time::pause();
    for _ in 0..10 {
        assert!(agent.write_noise().await && agent.write_noise().await);
        tokio::time::advance(idle * 3 / 4).await;
    }
    tokio::time::resume();
    agent.send(vec![token("done"), Item::TurnEnded(Ok("done".into()))]).await;
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["cause"], "ok");
}

#[tokio::test]
async fn a_silent_agent_reaches_the_idle_timeout() {
    let (bench, mut agent) = Bench::running(|spec| spec.idle_timeout = Some(Duration::from_millis(200))).await;
    assert_eq!(within(agent.receive()).await, Received::Stop("idle_timeout".into()));
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["cause"], "idle_timeout");
}

#[tokio::test]
async fn requests_beyond_the_maximum_are_denied_with_one_notice() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    let extra = 5;
    agent.send((0..MAX_OPEN_REQUESTS + extra).map(|number| permission(&number.to_string())).collect()).await;
    for number in MAX_OPEN_REQUESTS..MAX_OPEN_REQUESTS + extra {
        let Received::Answer(id, Answer::Permission { decision, .. }) = within(agent.receive()).await else { panic!("no answer") };
        assert_eq!((id, decision), (number.to_string(), Decision::Deny));
    }
    assert_eq!(bench.handle.requests().await.len(), MAX_OPEN_REQUESTS);
    bench.handle.answer("3".into(), allow()).await.unwrap();
    assert_eq!(within(agent.receive()).await, Received::Answer("3".into(), allow()));
    agent.send(vec![permission("later")]).await;
    agent.end().await;
    let events = bench.end().await;
    let notices: Vec<_> = events.iter().filter(|event| event["code"] == "limit_reached").collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["data"], json!({ "limit": "open_requests", "max": MAX_OPEN_REQUESTS }));
    assert_eq!(named(&events, "permission_request").len(), named(&events, "permission_resolved").len());
}

#[tokio::test]
async fn messages_beyond_the_maximum_are_rejected() {
    let (bench, agent) = Bench::running(|_| {}).await;
    for number in 0..MAX_QUEUED_MESSAGES {
        bench.handle.message(number.to_string(), MessageMode::Queue, None).await.unwrap();
    }
    let rejected = bench.handle.message("more".into(), MessageMode::Queue, None).await;
    assert_eq!(rejected, Err(MessageRejected::TooMany(MAX_QUEUED_MESSAGES)));
    agent.end().await;
    assert_eq!(named(&bench.end().await, "user_message").len(), MAX_QUEUED_MESSAGES);
}

#[tokio::test]
async fn a_dropped_driver_kills_the_agent() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.driver.abort();
    assert_eq!(within(agent.receive()).await, Received::Killed);
}
