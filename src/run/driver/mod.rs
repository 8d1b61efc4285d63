//! The one owner of a run: starts its agent, writes its log, and ends it.
//!
//! Whatever happens comes here as a value, goes through [`RunState::next`], and is on disk before anyone hears of it. There is one
//! driver task for each live run, and it ends only with the run's `done` event.

mod batch;
mod clock;
mod messages;
mod requests;
mod restore;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use self::clock::{WallClock, at};
use self::restore::Unconfirmed;
use super::admission::{Slot, Ticket};
use super::budgets::Budgets;
use super::events::LogWriter;
use super::handle::{AnswerRejected, Command, Inbox};
use super::policy::Policy;
use super::requests::{RequestKind, Requests, resolved};
use super::sessions::{SessionGuard, Waiting};
use super::shutdown::Shutdown;
use super::state::{Input, Outcome, RunState, StopReason};
use super::store::{RunChange, RunStore, StoreError};
use crate::agent::handle::{AgentEnd, AgentHandle, Update};
use crate::agent::{Agents, Item, Start, Started, Task};
use crate::metrics::RunMetrics;
use crate::process::shim::{ProcessFolder, release};
use crate::process::{Marker, WorkingDir, is_resource_exhausted};
use crate::types::{
    Cause, DecidedBy, Failure, Level, McpServer, NoticeCode, OnShutdown, RunDone, RunId, RunLimits, RunSpec, RunStarted, SessionId,
    StreamEvent, TurnEnd, Usage,
};

/// What all drivers of a server share.
#[derive(Clone, Debug)]
pub(super) struct DriverContext {
    pub(super) agents: Agents,
    pub(super) store: Arc<dyn RunStore>,
    /// Where each run's process has its folder.
    pub(super) processes: PathBuf,
    /// The server goes away.
    pub(super) shutdown: Shutdown,
    /// The server goes away now, whatever is not written yet.
    pub(super) force: CancellationToken,
    /// How long an agent may take to end after TERM.
    pub(super) grace: Duration,
    /// The same while the server goes away.
    pub(super) shutdown_grace: Duration,
    /// How long a request waits for an answer.
    pub(super) patience: Duration,
    pub(super) metrics: RunMetrics,
    /// What users may use in a day.
    pub(super) budgets: Budgets,
    /// How long a program may take from its start to its first word; `None` for as long as the run may take.
    pub(super) startup_timeout: Option<Duration>,
}

impl DriverContext {
    /// The folder of a run's process.
    pub(super) fn process_folder(&self, run: RunId) -> ProcessFolder {
        ProcessFolder::new(self.processes.join(run.to_string()))
    }
}

/// What a run gives its agent and nobody else: it may hold secrets, so it is neither stored nor shown.
#[derive(Clone, Default)]
pub(super) struct RunSecrets {
    pub(super) env: BTreeMap<String, String>,
    pub(super) mcp_servers: Vec<McpServer>,
}

pub(super) struct Driver {
    spec: RunSpec,
    session: SessionId,
    private: RunSecrets,
    log: LogWriter,
    inbox: Inbox,
    around: DriverContext,
    policy: Policy,
    state: RunState,
    created: Instant,
    /// How old the run was when this driver was made: an earlier server may have driven it.
    age: Duration,
    /// When it was given its place, until its agent is ready; `None` with an agent of an earlier server.
    began: Option<Instant>,
    started: bool,
    /// How the last turn ended.
    turn: Option<TurnEnd>,
    /// No further message is taken: the agent was told, or has gone.
    finishing: bool,
    /// Messages for turns to come.
    waiting: VecDeque<String>,
    requests: Requests,
    usage: Option<Usage>,
    /// When each running tool call was told, for the duration in its result.
    tool_calls: HashMap<String, Instant>,
    clock: WallClock,
    /// When the agent has been silent from its start for too long.
    first_word_deadline: Option<Instant>,
    /// What its processes are held to.
    held_to: Option<RunLimits>,
    /// When the agent has been silent for too long.
    idle_deadline: Option<Instant>,
    /// When the agent's shim, as it was told, ends the agent by itself.
    limit: Option<Instant>,
    /// What an earlier server may not have done.
    unconfirmed: Unconfirmed,
    /// Notices that an earlier server has given: some are given once in a run.
    noticed: Vec<NoticeCode>,
    /// What is to be written with the run's end.
    final_batch: Batch,
}

/// How long to wait before a failed write is tried again. A full disk heals when somebody makes room.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn new(
        spec: RunSpec,
        session: SessionId,
        private: RunSecrets,
        policy: Policy,
        log: LogWriter,
        inbox: Inbox,
        around: DriverContext,
    ) -> Self {
        Self {
            spec,
            session,
            private,
            log,
            inbox,
            around,
            policy,
            state: RunState::Queued,
            created: Instant::now(),
            age: Duration::ZERO,
            began: None,
            started: false,
            turn: None,
            finishing: false,
            waiting: VecDeque::new(),
            requests: Requests::default(),
            usage: None,
            tool_calls: HashMap::new(),
            clock: WallClock::Off,
            first_word_deadline: None,
            held_to: None,
            idle_deadline: None,
            limit: None,
            unconfirmed: Unconfirmed::default(),
            noticed: Vec::new(),
            final_batch: Batch::default(),
        }
    }

    /// Carries the run through its whole life, or as far as this server lives. `turn` is its place in the session's queue.
    pub(super) async fn run(mut self, ticket: Ticket, turn: Waiting) {
        let slots = match self.wait_for_a_place(ticket, turn).await {
            Wait::Admitted(slots) => Some(slots),
            Wait::Ended => None,
            // It is in the store, and the next server queues it again.
            Wait::LetGo => return,
        };
        let end = if slots.is_none() { Some(AgentEnd::default()) } else { self.begin().await };
        if let Some(end) = end {
            self.finish(end).await;
        }
        // Only now: whoever comes next in the session goes on from what this run has written.
        drop(slots);
    }

    /// Goes on with an agent of an earlier server. It works already, so it waits for nothing; but it keeps the `checkpoint` and the turn that
    /// it has.
    pub(super) async fn resume(mut self, agent: AgentHandle, slot: Slot, turn: Waiting) {
        if !self.started {
            self.transition(Input::Admitted);
        }
        tokio::pin!(turn);
        // Asked once, it stands in the session's queue, and the turn that is given to it is kept for it.
        let _turn = futures_util::poll!(&mut turn);
        if let Some(end) = self.work(agent).await {
            self.finish(end).await;
        }
        drop(slot);
    }

    async fn wait_for_a_place(&mut self, ticket: Ticket, turn: Waiting) -> Wait {
        let shutdown = self.around.shutdown.clone();
        // The session first: a run that waits for another one must not hold a place that others could work in.
        let admitted = async move { (turn.await, ticket.admitted().await) };
        tokio::pin!(admitted);
        loop {
            tokio::select! {
                // In this order: a run that is let go gives its place up while its agent works on, and nobody may begin in it then.
                biased;
                how = shutdown.told() => {
                    // What is kept nowhere is lost with this server.
                    if how == OnShutdown::Detach && self.private.is_empty() {
                        return Wait::LetGo;
                    }
                    self.transition(Input::StopAsked(StopReason::Shutdown));
                }
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.transition(Input::StopAsked(reason)),
                    other => self.handle_command(other, None).await,
                },
                slots = &mut admitted => {
                    self.transition(Input::Admitted);
                    self.around.metrics.record_admitted(&self.spec.agent_type, self.age + self.created.elapsed());
                    return Wait::Admitted(slots);
                }
            }
            if matches!(self.state, RunState::Ended(_)) {
                return Wait::Ended;
            }
        }
    }

    /// Starts the agent and works with it to its end. `None` if it was let go.
    async fn begin(&mut self) -> Option<AgentEnd> {
        self.began = Some(Instant::now());
        self.clock = WallClock::start(self.spec.timeout);
        self.limit = self.clock.over_at(None);
        self.reset_idle_timer();
        match self.start().await {
            Ok(agent) => self.work(agent).await,
            Err(failure) => {
                self.transition(Input::AgentGone(Outcome::failed(failure)));
                Some(AgentEnd::default())
            }
        }
    }

    /// Works with an agent to its end. `None` if it was let go.
    async fn work(&mut self, mut agent: AgentHandle) -> Option<AgentEnd> {
        let shutdown = self.around.shutdown.clone();
        let mut told_shutdown = false;
        self.held_to = agent.held_to();
        // Code of our own process may think for as long as it likes before it says something.
        self.first_word_deadline = self.around.startup_timeout.filter(|_| agent.outlives_us()).map(|limit| Instant::now() + limit);
        loop {
            self.keep_limit(&agent).await;
            let (wall_clock, unanswered) = (self.clock.deadline(), self.requests.next_deadline());
            let (silence, no_word) = (self.idle_deadline, self.first_word_deadline);
            tokio::select! {
                update = agent.next() => match update {
                    Update::Restored { history, checkpoint, left } => self.restore(history, checkpoint, left, &agent).await,
                    Update::Items { items, checkpoint } => self.record(items, checkpoint, &agent).await,
                    Update::Ended(end) => return Some(self.agent_ended(end)),
                },
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.ask_stop(reason, &agent).await,
                    other => self.handle_command(other, Some(&agent)).await,
                },
                how = shutdown.told(), if !told_shutdown => {
                    told_shutdown = true;
                    if how == OnShutdown::Stop || !agent.outlives_us() {
                        self.ask_stop(StopReason::Shutdown, &agent).await;
                    } else if agent.detach().await {
                        tracing::info!(run.id = %self.log.run(), "the run's agent goes on without this server");
                        return None;
                    }
                }
                () = at(wall_clock), if wall_clock.is_some() => {
                    self.clock = WallClock::Off;
                    self.ask_stop(StopReason::Timeout, &agent).await;
                }
                () = at(silence), if silence.is_some() => {
                    self.idle_deadline = None;
                    self.ask_stop(StopReason::IdleTimeout, &agent).await;
                }
                () = at(no_word), if no_word.is_some() => {
                    self.first_word_deadline = None;
                    self.ask_stop(StopReason::StartupTimeout, &agent).await;
                }
                () = at(unanswered), if unanswered.is_some() => self.expire_requests(&agent).await,
            }
        }
    }

    /// Nothing of the agent is left. What it said with its last breath is written together with the run's end.
    fn agent_ended(&mut self, mut end: AgentEnd) -> AgentEnd {
        let mut batch = Batch::default();
        for item in std::mem::take(&mut end.items) {
            self.item(item, &mut batch);
        }
        if let Some(turn) = batch.turn.take() {
            self.turn = Some(turn);
        }
        self.final_batch = batch;
        let outcome = Outcome::of(self.turn.as_ref(), &end);
        self.transition(Input::AgentGone(outcome));
        end
    }

    /// Lets the shim know when the run's time is over, for the case that we are not there then.
    async fn keep_limit(&mut self, agent: &AgentHandle) {
        // An agent that is being ended has limits of its own.
        if self.finishing {
            return;
        }
        let limit = self.clock.over_at(self.requests.last_deadline());
        if let Some(at) = limit
            && std::mem::replace(&mut self.limit, limit) != limit
        {
            agent.limit(Some(at.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn start(&mut self) -> Result<AgentHandle, Failure> {
        // The folder was judged when the run was created, and may have been moved or linked elsewhere while the run was queued.
        let path = &self.spec.working_dir;
        let working_dir = WorkingDir::open(path).map_err(|error| {
            let cause = if is_resource_exhausted(&error) { Cause::Storage } else { Cause::BadArguments };
            Failure::new(cause, format!("working_dir {} cannot be entered: {error}", path.display()))
        })?;
        let session = self.around.store.session(self.session).await;
        let session = session.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        // It may have waited for long, and its owner's budget may be used up meanwhile.
        if let Some(session) = &session {
            self.around.budgets.check(&session.owner).await?;
        }
        let resume = session.and_then(|session| session.agent_session);
        if let Some(agent_session) = resume.as_ref().filter(|_| !self.noticed.contains(&NoticeCode::Resumed)) {
            let message = "the agent goes on with this session's conversation";
            let data = Some(json!({ "agent_session": agent_session }));
            let resumed = StreamEvent::Notice { level: Level::Info, code: NoticeCode::Resumed, message: message.into(), data };
            let written = self.log.append(&[resumed], RunChange::default()).await;
            written.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        }
        let memo = self.private.memo();
        let RunSecrets { env, mcp_servers } = std::mem::take(&mut self.private);
        let run = self.log.run();
        let start = Start {
            task: Task { spec: self.spec.clone(), resume, mcp_servers },
            env,
            working_dir,
            folder: self.around.process_folder(run),
            marker: Marker::new(run.to_string()),
            limit: self.spec.timeout,
            memo,
        };
        self.around.agents.start(start).await
    }

    async fn ask_stop(&mut self, reason: StopReason, agent: &AgentHandle) {
        self.first_word_deadline = None;
        let already_stopping = matches!(self.state, RunState::Stopping(_));
        self.transition(Input::StopAsked(reason));
        self.finishing = true;
        // A shutdown cannot wait as long as a user who has cancelled would.
        if reason == StopReason::Shutdown {
            agent.stop(reason.as_str().to_owned(), self.around.shutdown_grace).await;
        } else if !already_stopping {
            agent.stop(reason.as_str().to_owned(), self.around.grace).await;
        }
    }

    fn transition(&mut self, input: Input) {
        match self.state.clone().next(input) {
            Ok(next) => self.state = next,
            Err(wrong) => tracing::error!(run.id = %self.log.run(), error = %wrong, "the run's driver lost its place"),
        }
        self.sync_clock();
        // An ended run is shown as such when its end is on disk.
        if !matches!(self.state, RunState::Ended(_)) {
            self.inbox.show(self.state.status());
        }
    }

    /// The clock stands still exactly while somebody is waited for.
    fn sync_clock(&mut self) {
        self.clock = if matches!(self.state, RunState::Waiting(_)) { self.clock.stand() } else { self.clock.resume() };
    }

    /// The agent did something: its silence is counted from now, unless it is us whom it waits for.
    fn reset_idle_timer(&mut self) {
        let counts = !self.finishing && !matches!(self.state, RunState::Waiting(_));
        self.idle_deadline = self.spec.idle_timeout.filter(|_| counts).map(|limit| Instant::now() + limit);
    }

    /// Writes what the agent did, answers what it asked, and goes on after its turn.
    async fn record(&mut self, items: Vec<Item>, checkpoint: crate::types::OutputCheckpoint, agent: &AgentHandle) {
        let mut batch = Batch::default();
        batch.change.checkpoint = Some(checkpoint);
        for item in items {
            self.item(item, &mut batch);
        }
        self.first_word_deadline = None;
        self.reset_idle_timer();
        if !self.write(batch.events, batch.change, agent).await {
            return;
        }
        // Answered only now: what was allowed is on disk before it happens.
        for (request, answer) in batch.answers {
            agent.answer(request, answer).await;
        }
        if let Some(turn) = batch.turn {
            self.turn_ended(turn, agent).await;
        }
    }

    fn item(&mut self, item: Item, batch: &mut Batch) {
        match item {
            Item::Started(started) => self.agent_started(started, batch),
            Item::Event(event) => self.event(event, batch),
            Item::TurnEnded(turn) => batch.turn = Some(turn),
        }
    }

    /// Makes events durable. If that cannot be done, the run is stopped.
    async fn write(&mut self, events: Vec<StreamEvent>, mut change: RunChange, agent: &AgentHandle) -> bool {
        change.status = Some(self.state.status());
        let Err(error) = self.log.append(&events, change).await else {
            self.inbox.written();
            return true;
        };
        tracing::error!(run.id = %self.log.run(), %error, "the run's log cannot be written; the run is stopped");
        self.ask_stop(StopReason::Storage, agent).await;
        false
    }

    fn agent_started(&mut self, started: Started, batch: &mut Batch) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.transition(Input::AgentReady);
        if let Some(began) = self.began.take() {
            self.around.metrics.record_agent_ready(&self.spec.agent_type, began.elapsed());
        }
        batch.change.started_at = Some(self.log.now());
        batch.change.agent_session = started.agent_session;
        let mut model = started.model.or_else(|| self.spec.model.clone());
        // It is the agent's own word, and is kept for longer than the log.
        if let Some(model) = &mut model {
            self.log.secrets().redact(model);
        }
        batch.change.model.clone_from(&model);
        batch.events.push(StreamEvent::RunStarted(RunStarted {
            agent_type: self.spec.agent_type.clone(),
            agent_version: started.version,
            model,
            session_id: self.session,
            working_dir: self.spec.working_dir.clone(),
            permission_mode: self.spec.permission_mode,
            limits: self.held_to,
        }));
    }

    fn event(&mut self, mut event: StreamEvent, batch: &mut Batch) {
        // Work without a word of being ready: it is ready.
        let is_aside = matches!(
            event,
            StreamEvent::Log { .. } | StreamEvent::Notice { .. } | StreamEvent::Raw { .. } | StreamEvent::AgentError { .. }
        );
        if !self.started && !is_aside {
            self.agent_started(Started::default(), batch);
        }
        match &mut event {
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id.clone(), Instant::now());
            }
            StreamEvent::ToolResult { id, duration_ms, .. } => {
                let since = self.tool_calls.remove(id);
                *duration_ms = duration_ms.or_else(|| since.map(|since| millis(since.elapsed())));
            }
            StreamEvent::Usage(usage) => {
                batch.change.usage = Some((usage.clone(), self.log.now()));
                self.around.metrics.record_usage(&self.spec.agent_type, usage, self.usage.as_ref());
                self.usage = Some(usage.clone());
            }
            StreamEvent::PermissionRequest { .. } => return self.permission(event, batch),
            StreamEvent::Question { id, questions } => {
                self.open(id.clone(), RequestKind::Question { questions: questions.clone() });
            }
            // The agent takes a request back. One that was answered meanwhile is answered.
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                if !self.requests.close(id) {
                    return;
                }
                self.transition(Input::RequestClosed);
            }
            StreamEvent::Notice { code: code @ NoticeCode::ExitGraceExpired, .. } if self.noticed.contains(code) => return,
            // The frame of a run is written here and nowhere else.
            StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_) => return,
            _ => {}
        }
        batch.events.push(event);
    }

    /// Carries out a command of a client's. Without an agent there is nothing yet that could be asked or told.
    async fn handle_command(&mut self, command: Command, agent: Option<&AgentHandle>) {
        match command {
            Command::Stop(_) => {} // each phase of a run stops in its own way
            Command::Requests(reply) => tell(reply, self.requests.views()),
            Command::Answer { request, answer, reply } => match (self.requests.check(&request, &answer), agent) {
                (Ok(()), Some(agent)) => {
                    self.resolve(&request, answer, DecidedBy::User, agent).await;
                    tell(reply, Ok(()));
                }
                (Ok(()), None) => {} // nothing is open without an agent
                (Err(bad), _) => tell(reply, Err(AnswerRejected::Bad(bad))),
            },
            Command::Message { text, mode, idempotency, reply } => {
                let taken = self.message(text, mode, idempotency, agent).await;
                tell(reply, taken);
            }
        }
    }

    /// Writes the last event. A run has not ended before its end is on disk, so this is tried until it is, or the server must go.
    async fn finish(mut self, end: AgentEnd) {
        let RunState::Ended(outcome) = self.state.clone() else {
            return tracing::error!(run.id = %self.log.run(), state = ?self.state, "the run's driver ended before its run");
        };
        let went_well = outcome.cause == Cause::Ok;
        let done = RunDone {
            status: outcome.status,
            cause: outcome.cause,
            message: outcome.message,
            exit_code: end.exit.and_then(crate::process::Exit::code),
            signal: end.exit.and_then(crate::process::Exit::signal),
            out_of_memory: end.out_of_memory,
            result: self.turn.take().and_then(Result::ok),
            usage: self.usage.take(),
            duration_ms: millis(self.age + self.created.elapsed()),
            stderr_tail: Some(end.stderr_tail).filter(|tail| !went_well && !tail.is_empty()),
        };
        tracing::info!(run.id = %self.log.run(), status = done.status.as_str(), cause = done.cause.as_str(), "the run has ended");
        let status = done.status;
        let void = self.requests.void();
        let void = void.iter().map(|(id, answer)| resolved(id, answer, DecidedBy::Policy));
        let Batch { events: last_words, change: last_change, .. } = std::mem::take(&mut self.final_batch);
        let ending = void.chain(self.undelivered()).chain([StreamEvent::Done(done.clone())]);
        let events: Vec<StreamEvent> = last_words.into_iter().chain(ending).collect();
        loop {
            let change = RunChange { status: Some(status), done: Some((done.clone(), self.log.now())), ..last_change.clone() };
            match self.log.append(&events, change).await {
                Ok(()) => break,
                Err(error @ (StoreError::NotNext { .. } | StoreError::Closed)) => {
                    return tracing::error!(run.id = %self.log.run(), %error, "the run's end cannot be written");
                }
                Err(error) => tracing::warn!(run.id = %self.log.run(), %error, "the run's end cannot be written yet"),
            }
            tokio::select! {
                () = sleep(WRITE_AGAIN) => {}
                // The next start finds the run unfinished and ends it.
                () = self.around.force.cancelled() => return,
            }
        }
        self.around.metrics.record_ended(&self.spec.agent_type, &done);
        self.inbox.ended(status);
        let folder = self.around.process_folder(self.log.run());
        release(&folder).await;
        // Nobody waits for it, and what stays is found by nobody.
        let _ = tokio::task::spawn_blocking(move || folder.forget_process()).await;
    }
}

/// How the wait for a place ended.
enum Wait {
    Admitted((SessionGuard, Slot)),
    /// The run was stopped before it began.
    Ended,
    /// The server goes away, and the run waits on for the next one.
    LetGo,
}

/// Whoever asked may have left.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
