//! Drivers of runs that an earlier server drove: the log, and what the agent has done and received, may differ.

use super::*;
use crate::agent::handle::testing::Received;
use crate::agent::handle::{History, MessageDigest};
use crate::run::policy::Policy;
use crate::run::store::RunChange;
use crate::run::store::testing::{Calls, Fault};
use crate::types::{DecidedBy, MessageMode, Question, RunStarted, SessionId};

impl Bench {
    /// A run whose log contains `events`, and whose agent was reattached with this history.
    async fn restored(events: &[StreamEvent], history: History) -> (Self, ScriptedAgent) {
        Self::restored_with(|_| {}, events, history).await
    }

    /// The same with this specification.
    pub(super) async fn restored_with(spec: impl FnOnce(&mut RunSpec), events: &[StreamEvent], history: History) -> (Self, ScriptedAgent) {
        let (bench, mut scripted) = Self::reattached(spec, events).await;
        assert!(scripted.restore(history).await);
        (bench, scripted)
    }

    /// The same before the agent's history is known.
    async fn reattached(spec: impl FnOnce(&mut RunSpec), events: &[StreamEvent]) -> (Self, ScriptedAgent) {
        let (agent, scripted) = scripted_agent();
        let drive = |driver: Driver, admission: Admission, record: &RunRecord| {
            let slot = admission.admit_existing(record.id, record.owner.id, &record.spec.agent_type);
            driver.reattach(agent, slot, Sessions::default().join(record.session))
        };
        (Self::of_earlier_server(spec, events, drive).await, scripted)
    }

    /// A run whose log contains `events`, and that an earlier server has parked until this time.
    pub(super) async fn parked_with(spec: impl FnOnce(&mut RunSpec), events: &[StreamEvent], until: Timestamp) -> Self {
        let drive = |driver: Driver, admission: Admission, record: &RunRecord| {
            let ticket = admission.requeue(record.id, record.owner.id, &record.spec.agent_type, true);
            driver.run_parked(ticket, Sessions::default().join(record.session), until)
        };
        Self::of_earlier_server(spec, events, drive).await
    }

    async fn of_earlier_server<F: Future<Output = DriverExit> + Send + 'static>(
        spec: impl FnOnce(&mut RunSpec),
        events: &[StreamEvent],
        drive: impl FnOnce(Driver, Admission, &RunRecord) -> F,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manager = RunManager::without_agents(dir.path());
        let store = FaultStore::in_memory();
        let mut record = contract::record("admin", "scripted", None);
        record.spec.permission_mode = PermissionMode::Ask;
        spec(&mut record.spec);
        let mut config = (*manager.inner.config).clone();
        config.permission_timeout = PERMISSION_TIMEOUT;
        let (launched, agents) = mpsc::unbounded_channel();
        let script = move || {
            let launched = launched.clone();
            async move {
                Ok(PreparedAgent::new(move |_limit| {
                    let (handle, agent) = scripted_agent();
                    launched.send(agent).unwrap();
                    handle
                }))
            }
            .boxed()
        };
        let context = DriverContext {
            store: Arc::new(store.clone()),
            agents: manager.agents().clone().scripted(Arc::new(script)),
            config: Arc::new(config),
            ..manager.inner.context.clone()
        };
        let log = EventLog::new(Arc::new(store.clone()), Arc::new(SystemClock));
        let queued = [StreamEvent::RunQueued { position: 0 }];
        let mut writer = log.create(record.clone(), SessionUse::Starts, &queued, None, None).await.unwrap();
        writer.append(events, RunChange { status: Some(RunStatus::Starting), ..RunChange::default() }).await.unwrap();
        let summary = log.summarize(record.id).await.unwrap();
        let notifier = Changes::new().notifier(record.id, record.owner.id);
        let (handle, inbox) = live::channel(record.session, record.spec.agent_type.clone(), notifier);
        let limits = Limits { total: 1, per_user: 1, queue: 1, queue_per_user: 1, ..Limits::default() };
        let policy = Policy::new(record.spec.permission_mode, &[], vec![]);
        let driver = Driver::new(&record.spec, record.session, RunSecrets::default(), writer, inbox, context).with_policy(policy);
        let driving = drive(driver.with_summary(summary, Duration::ZERO), Admission::new(limits), &record);
        let driver_size = size_of::<Driver>() + size_of_val(&driving);
        let driver = tokio::spawn(driving);
        Self { _dir: dir, store, run: record.id, handle, driver, driver_size, agents, preparing: Arc::default() }
    }
}

pub(super) fn started() -> StreamEvent {
    StreamEvent::RunStarted(RunStarted {
        agent_type: "scripted".to_owned(),
        agent_version: None,
        model: None,
        session_id: SessionId::new(),
        working_dir: "/".into(),
        permission_mode: PermissionMode::Ask,
        limits: None,
        isolation: None,
        project_config: None,
    })
}

fn request(id: &str) -> StreamEvent {
    let Item::Event(event) = permission(id) else { unreachable!("a request is an event") };
    event
}

fn resolved(id: &str, decision: Decision) -> StreamEvent {
    StreamEvent::PermissionResolved { id: id.to_owned(), decision, option_id: None, by: DecidedBy::User, reason: None }
}

/// A history in which the agent waits on `waiting`.
fn waiting_on(waiting: Vec<StreamEvent>) -> History {
    History { waiting: Some(waiting), ..History::default() }
}

async fn open(bench: &Bench) -> Vec<String> {
    timed(bench.handle.requests()).await.into_iter().map(|request| request.id).collect()
}

async fn timed<T>(future: impl Future<Output = T>) -> T {
    within(future).await
}

#[tokio::test(start_paused = true)]
async fn only_answers_that_the_agent_lacks_are_sent() {
    let log = [started(), request("a"), request("b"), request("c"), resolved("a", Decision::AllowOnce), resolved("b", Decision::AllowOnce)];
    let (bench, mut agent) = Bench::restored(&log, waiting_on(vec![request("b"), request("c")])).await;
    assert_eq!(timed(agent.receive()).await, Received::Answer("b".into(), allow()));
    assert_eq!(open(&bench).await, ["c"]);
    agent.end().await;
    assert_eq!(named(&bench.end().await, "permission_request").len(), 3, "none is logged again");
}

#[tokio::test(start_paused = true)]
async fn the_stored_status_stays_until_it_is_known_what_the_agent_was_told() {
    let (bench, mut agent) = Bench::reattached(|_| {}, &[started()]).await;
    assert_eq!(open(&bench).await, Vec::<String>::new());
    let stored = bench.store.run(bench.run).await.unwrap().unwrap();
    assert_eq!(stored.status, RunStatus::Starting, "the log does not tell whether the run is being stopped");
    assert!(agent.restore(History { stopped: Some("cancel".to_owned()), ..History::default() }).await);
    bench.reaches(RunStatus::Stopping).await;
    assert_eq!(timed(agent.receive()).await, Received::Stop("cancel".to_owned()));
    agent.end().await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_log_has_lost_is_opened_again() {
    let question = StreamEvent::Question { id: "q".to_owned(), questions: vec![Question { text: "which?".into(), ..Question::default() }] };
    for log in [vec![started()], vec![]] {
        let (bench, mut agent) = Bench::restored(&log, waiting_on(vec![request("p"), question.clone()])).await;
        bench.reaches(RunStatus::Waiting).await;
        assert_eq!(open(&bench).await, ["p", "q"]);
        timed(bench.handle.answer("p".into(), allow(), None)).await.unwrap();
        assert_eq!(timed(agent.receive()).await, Received::Answer("p".into(), allow()));
        agent.end().await;
        let events = bench.end().await;
        assert_eq!((named(&events, "permission_request").len(), named(&events, "question").len()), (1, 1));
        assert_eq!((named(&events, "permission_resolved").len(), named(&events, "question_resolved").len()), (1, 1), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_the_log_has_lost_is_closed_as_the_agent_has_received_it() {
    let mut history = waiting_on(vec![]);
    history.answers.insert("a".to_owned(), allow());
    let (bench, agent) = Bench::restored(&[started(), request("a"), request("withdrawn")], history).await;
    bench.reaches(RunStatus::Running).await;
    assert_eq!(open(&bench).await, [""; 0]);
    agent.end().await;
    let events = bench.end().await;
    let decisions: Vec<_> = named(&events, "permission_resolved").iter().map(|event| (&event["id"], &event["decision"])).collect();
    assert_eq!(decisions, [(&json!("a"), &json!("allow_once")), (&json!("withdrawn"), &json!("deny"))]);
}

#[tokio::test(start_paused = true)]
async fn requests_are_left_as_they_are_if_the_output_of_the_agent_cannot_be_read() {
    let (bench, agent) = Bench::restored(&[started(), request("a")], History::default()).await;
    assert_eq!(open(&bench).await, ["a"]);
    agent.end().await;
    assert_eq!(named(&bench.end().await, "permission_resolved").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_new_are_decided_once() {
    let mut history = waiting_on(vec![request("new")]);
    history.new_items = vec![permission("new")];
    let (bench, agent) = Bench::restored(&[started()], history).await;
    bench.reaches(RunStatus::Waiting).await;
    assert_eq!(open(&bench).await, ["new"]);
    agent.end().await;
    assert_eq!(named(&bench.end().await, "permission_request").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_again_until_the_answers_that_the_agent_lacks_are_found() {
    let log = [started(), request("a"), resolved("a", Decision::AllowOnce)];
    let (bench, mut agent) = Bench::restored(&log, waiting_on(vec![request("a")])).await;
    bench.store.fail_nth(Calls::Named("chunks"), 1, Fault::Before);
    assert_eq!(timed(agent.receive()).await, Received::Answer("a".into(), allow()));
    agent.end().await;
    assert_eq!(named(&bench.end().await, "permission_request").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_agent_has_not_received_are_delivered_in_their_turn() {
    let message = |text: &str| StreamEvent::UserMessage { content: text.to_owned(), mode: MessageMode::Queue, attachments: Vec::new() };
    let history = History { sent: vec![MessageDigest::of("one", None)], ..waiting_on(vec![]) };
    let (bench, mut agent) = Bench::restored(&[started(), message("one"), message("two")], history).await;
    agent.send(vec![Item::TurnEnded(Ok("done".to_owned()))]).await;
    assert!(matches!(timed(agent.receive()).await, Received::Message(text, _) if text == "two"));
    agent.end().await;
    bench.end().await;
}
