//! The one owner of a run: starts its agent, writes its log, and ends it.
//!
//! Whatever happens comes here as a value, goes through [`RunState::next`], and is on disk before anyone hears of it. There is one
//! driver task for each live run, and it ends only with the run's `done` event.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::admission::{Place, Ticket};
use super::events::LogWriter;
use super::handle::{Command, Inbox, NotAnswered, NotTaken};
use super::page::Page;
use super::policy::{Policy, Verdict, Wish};
use super::requests::{Asks, RequestView, Requests, resolved};
use super::sessions::{Turn, Waiting};
use super::state::{Input, Outcome, RunState, StopReason};
use super::store::{Idempotency, RunChange, RunStore, StoreError};
use crate::agent::handle::{AgentEnd, AgentHandle, Speech, Update};
use crate::agent::{Agents, Item, Started, Task};
use crate::process::{Marker, WorkingDir};
use crate::types::{
    Answer, Cause, DecidedBy, Failure, Level, McpServer, MessageMode, NoticeCode, RunDone, RunSpec, RunStarted, SessionId, StreamEvent,
    Timestamp, TurnEnd, Usage,
};

/// What all drivers of a server share.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) agents: Agents,
    pub(super) store: Arc<dyn RunStore>,
    /// The server goes away: runs are to end.
    pub(super) shutdown: CancellationToken,
    /// The server goes away now, whatever is not written yet.
    pub(super) force: CancellationToken,
    /// How long an agent may take to end after TERM.
    pub(super) grace: Duration,
    /// The same while the server goes away.
    pub(super) shutdown_grace: Duration,
    /// How long a request waits for an answer.
    pub(super) patience: Duration,
}

/// What a run gives its agent and nobody else: it may hold secrets, so it is neither stored nor shown.
#[derive(Clone, Default)]
pub(super) struct Private {
    pub(super) env: BTreeMap<String, String>,
    pub(super) mcp_servers: Vec<McpServer>,
}

/// Messages that may wait for the next turn.
const MAX_WAITING: usize = 64;

pub(super) struct Driver {
    spec: RunSpec,
    session: SessionId,
    private: Private,
    log: LogWriter,
    inbox: Inbox,
    around: Surroundings,
    policy: Policy,
    state: RunState,
    created: Instant,
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
    /// When the agent has been silent for too long.
    idle_deadline: Option<Instant>,
}

/// The run's time limit, which stands still while the agent waits for somebody's answer.
#[derive(Clone, Copy, Debug)]
enum WallClock {
    Off,
    Running { until: Instant },
    Standing { left: Duration },
}

impl WallClock {
    fn stand(self) -> Self {
        match self {
            Self::Running { until } => Self::Standing { left: until.saturating_duration_since(Instant::now()) },
            other => other,
        }
    }

    fn go_on(self) -> Self {
        match self {
            Self::Standing { left } => Self::Running { until: Instant::now() + left },
            other => other,
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Running { until } => Some(until),
            Self::Off | Self::Standing { .. } => None,
        }
    }
}

/// How long to wait before a failed write is tried again. A full disk heals when somebody makes room.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn new(
        spec: RunSpec,
        session: SessionId,
        private: Private,
        policy: Policy,
        log: LogWriter,
        inbox: Inbox,
        around: Surroundings,
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
            started: false,
            turn: None,
            finishing: false,
            waiting: VecDeque::new(),
            requests: Requests::default(),
            usage: None,
            tool_calls: HashMap::new(),
            clock: WallClock::Off,
            idle_deadline: None,
        }
    }

    /// Carries the run through its whole life. `turn` is its place in the session's queue.
    pub(super) async fn run(mut self, ticket: Ticket, turn: Waiting) {
        let place = self.wait_for_a_place(ticket, turn).await;
        let end = match self.state {
            RunState::Ended(_) => AgentEnd::default(),
            _ => self.work().await,
        };
        self.finish(end).await;
        // Only now: whoever comes next in the session goes on from what this run has written.
        drop(place);
    }

    async fn wait_for_a_place(&mut self, ticket: Ticket, turn: Waiting) -> Option<(Turn, Place)> {
        let shutdown = self.around.shutdown.clone();
        // The session first: a run that waits for another one must not hold a place that others could work in.
        let admitted = async move { (turn.await, ticket.admitted().await) };
        tokio::pin!(admitted);
        loop {
            tokio::select! {
                places = &mut admitted => {
                    self.enter(Input::Admitted);
                    return Some(places);
                }
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.enter(Input::StopAsked(reason)),
                    other => self.obey(other, None).await,
                },
                () = shutdown.cancelled() => self.enter(Input::StopAsked(StopReason::Shutdown)),
            }
            if matches!(self.state, RunState::Ended(_)) {
                return None;
            }
        }
    }

    /// From the agent's start to its end.
    async fn work(&mut self) -> AgentEnd {
        self.clock = WallClock::Running { until: Instant::now() + self.spec.timeout };
        self.agent_stirs();
        let mut agent = match self.start().await {
            Ok(agent) => agent,
            Err(failure) => {
                let outcome = Outcome::failed(failure);
                self.enter(Input::AgentGone(outcome));
                return AgentEnd::default();
            }
        };
        let shutdown = self.around.shutdown.clone();
        let mut told_shutdown = false;
        loop {
            let (wall_clock, silence, unanswered) = (self.clock.deadline(), self.idle_deadline, self.requests.next_deadline());
            tokio::select! {
                update = agent.next() => match update {
                    Update::Items(items) => self.record(items, &agent).await,
                    Update::Ended(end) => {
                        let outcome = Outcome::of(self.turn.as_ref(), &end);
                        self.enter(Input::AgentGone(outcome));
                        return end;
                    }
                },
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.ask_stop(reason, &agent).await,
                    other => self.obey(other, Some(&agent)).await,
                },
                () = shutdown.cancelled(), if !told_shutdown => {
                    told_shutdown = true;
                    self.ask_stop(StopReason::Shutdown, &agent).await;
                }
                () = at(wall_clock), if wall_clock.is_some() => {
                    self.clock = WallClock::Off;
                    self.ask_stop(StopReason::Timeout, &agent).await;
                }
                () = at(silence), if silence.is_some() => {
                    self.idle_deadline = None;
                    self.ask_stop(StopReason::IdleTimeout, &agent).await;
                }
                () = at(unanswered), if unanswered.is_some() => self.nobody_answered(&agent).await,
            }
        }
    }

    async fn start(&mut self) -> Result<AgentHandle, Failure> {
        // The folder was judged when the run was created, and may have been moved or linked elsewhere while the run was queued.
        let path = &self.spec.working_dir;
        let working_dir = WorkingDir::open(path)
            .map_err(|error| Failure::new(Cause::BadArguments, format!("working_dir {} cannot be entered: {error}", path.display())))?;
        let session = self.around.store.session(self.session).await;
        let session = session.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        let resume = session.and_then(|session| session.agent_session);
        if let Some(agent_session) = &resume {
            let message = "the agent goes on with this session's conversation";
            let data = Some(json!({ "agent_session": agent_session }));
            let resumed = StreamEvent::Notice { level: Level::Info, code: NoticeCode::Resumed, message: message.into(), data };
            let written = self.log.append(&[resumed], RunChange::default()).await;
            written.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        }
        let Private { env, mcp_servers } = std::mem::take(&mut self.private);
        let task = Task { spec: self.spec.clone(), resume, mcp_servers };
        self.around.agents.start(task, env, working_dir, Marker::new(self.log.run().to_string())).await
    }

    async fn ask_stop(&mut self, reason: StopReason, agent: &AgentHandle) {
        let already_stopping = matches!(self.state, RunState::Stopping(_));
        self.enter(Input::StopAsked(reason));
        self.finishing = true;
        // A shutdown cannot wait as long as a user who has cancelled would.
        if reason == StopReason::Shutdown {
            agent.stop(self.around.shutdown_grace).await;
        } else if !already_stopping {
            agent.stop(self.around.grace).await;
        }
    }

    fn enter(&mut self, input: Input) {
        match self.state.clone().next(input) {
            Ok(next) => self.state = next,
            Err(wrong) => tracing::error!(run.id = %self.log.run(), error = %wrong, "the run's driver lost its place"),
        }
        self.clock = if matches!(self.state, RunState::Waiting(_)) { self.clock.stand() } else { self.clock.go_on() };
        // An ended run is shown as such when its end is on disk.
        if !matches!(self.state, RunState::Ended(_)) {
            self.inbox.status.send_replace(self.state.status());
        }
    }

    /// The agent did something: its silence is counted from now, unless it is us whom it waits for.
    fn agent_stirs(&mut self) {
        let counts = !self.finishing && !matches!(self.state, RunState::Waiting(_));
        self.idle_deadline = self.spec.idle_timeout.filter(|_| counts).map(|limit| Instant::now() + limit);
    }

    /// Writes what the agent did, answers what it asked, and goes on after its turn.
    async fn record(&mut self, items: Vec<Item>, agent: &AgentHandle) {
        let mut page = Page::default();
        for item in items {
            match item {
                Item::Started(started) => self.agent_started(started, &mut page),
                Item::Event(event) => self.event(event, &mut page),
                Item::TurnEnded(turn) => page.turn = Some(turn),
            }
        }
        self.agent_stirs();
        if !self.write(page.events, page.change, agent).await {
            return;
        }
        // Answered only now: what was allowed is on disk before it happens.
        for (request, answer) in page.answers {
            agent.answer(request, answer).await;
        }
        if let Some(turn) = page.turn {
            self.turn_ended(turn, agent).await;
        }
    }

    /// Makes events durable. If that cannot be done, the run is stopped.
    async fn write(&mut self, events: Vec<StreamEvent>, mut change: RunChange, agent: &AgentHandle) -> bool {
        change.status = Some(self.state.status());
        let Err(error) = self.log.append(&events, change).await else { return true };
        tracing::error!(run.id = %self.log.run(), %error, "the run's log cannot be written; the run is stopped");
        self.ask_stop(StopReason::Storage, agent).await;
        false
    }

    fn agent_started(&mut self, started: Started, page: &mut Page) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.enter(Input::AgentReady);
        page.change.started_at = Some(self.log.now());
        page.change.agent_session = started.agent_session;
        page.events.push(StreamEvent::RunStarted(RunStarted {
            agent: self.spec.agent_type.clone(),
            agent_version: started.version,
            model: started.model.or_else(|| self.spec.model.clone()),
            session_id: self.session,
            working_dir: self.spec.working_dir.clone(),
            permission_mode: self.spec.permission_mode,
        }));
    }

    fn event(&mut self, mut event: StreamEvent, page: &mut Page) {
        // Work without a word of being ready: it is ready.
        let is_aside =
            matches!(event, StreamEvent::Log { .. } | StreamEvent::Notice { .. } | StreamEvent::Raw { .. } | StreamEvent::Error { .. });
        if !self.started && !is_aside {
            self.agent_started(Started::default(), page);
        }
        match &mut event {
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id.clone(), Instant::now());
            }
            StreamEvent::ToolResult { id, duration_ms, .. } => {
                let since = self.tool_calls.remove(id);
                *duration_ms = duration_ms.or_else(|| since.map(|since| millis(since.elapsed())));
            }
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            StreamEvent::PermissionRequest { .. } => return self.permission(event, page),
            StreamEvent::Question { id, questions } => {
                self.open(id.clone(), Asks::Question { questions: questions.clone() });
            }
            // The agent takes a request back. One that was answered meanwhile is answered.
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                if !self.requests.close(id) {
                    return;
                }
                self.enter(Input::RequestClosed);
            }
            // The frame of a run is written here and nowhere else.
            StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_) => return,
            _ => {}
        }
        page.events.push(event);
    }

    fn permission(&mut self, mut event: StreamEvent, page: &mut Page) {
        let StreamEvent::PermissionRequest { id, tool_call_id, tool, kind, input, options, expires_at } = &mut event else { return };
        let wish = Wish { tool, kind: *kind, input, options, working_dir: &self.spec.working_dir };
        let id = id.clone();
        match self.policy.judge(wish) {
            Verdict::Decided(decision, reason) => {
                page.events.push(event);
                let answer = Answer::Permission { decision, message: Some(reason) };
                page.events.push(resolved(&id, &answer, DecidedBy::Policy));
                self.requests.answered_at_once(id.clone());
                page.answers.push((id, answer));
            }
            Verdict::Ask => {
                let (tool_call_id, tool, kind) = (tool_call_id.clone(), tool.clone(), *kind);
                let asks = Asks::Permission { tool_call_id, tool, kind, input: input.clone(), options: options.clone() };
                *expires_at = Some(self.open(id, asks));
                page.events.push(event);
            }
        }
    }

    /// A request waits for somebody from now on. Gives the moment when it does not any more.
    fn open(&mut self, id: String, mut asks: Asks) -> Timestamp {
        asks.hide(self.log.secrets());
        let created_at = self.log.now();
        let patience = i64::try_from(self.around.patience.as_millis()).unwrap_or(i64::MAX);
        let expires_at = Timestamp::from_millis(created_at.as_millis().saturating_add(patience));
        self.requests.open(RequestView { id, asks, created_at, expires_at }, Instant::now() + self.around.patience);
        self.enter(Input::RequestOpened);
        expires_at
    }

    async fn nobody_answered(&mut self, agent: &AgentHandle) {
        for (id, answer) in self.requests.expired(Instant::now()) {
            self.resolve(&id, answer, DecidedBy::Timeout, agent).await;
        }
    }

    /// Writes an answer down, and gives it to the agent when it is on disk.
    async fn resolve(&mut self, id: &str, answer: Answer, by: DecidedBy, agent: &AgentHandle) {
        self.requests.close(id);
        self.enter(Input::RequestClosed);
        if self.write(vec![resolved(id, &answer, by)], RunChange::default(), agent).await {
            agent.answer(id.to_owned(), answer).await;
        }
        self.agent_stirs();
    }

    /// Carries out a command of a client's. Without an agent there is nothing yet that could be asked or told.
    async fn obey(&mut self, command: Command, agent: Option<&AgentHandle>) {
        match command {
            Command::Stop(_) => {} // each phase of a run stops in its own way
            Command::Requests(reply) => tell(reply, self.requests.views()),
            Command::Answer { request, answer, reply } => match (self.requests.check(&request, &answer), agent) {
                (Ok(()), Some(agent)) => {
                    self.resolve(&request, answer, DecidedBy::User, agent).await;
                    tell(reply, Ok(()));
                }
                (Ok(()), None) => {} // nothing is open without an agent
                (Err(bad), _) => tell(reply, Err(NotAnswered::Bad(bad))),
            },
            Command::Message { text, mode, idempotency, reply } => {
                let taken = self.message(text, mode, idempotency, agent).await;
                tell(reply, taken);
            }
        }
    }

    async fn message(
        &mut self,
        text: String,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
        agent: Option<&AgentHandle>,
    ) -> Result<(), NotTaken> {
        if self.finishing {
            return Err(NotTaken::Ended);
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(NotTaken::TooMany(MAX_WAITING));
        }
        let event = StreamEvent::UserMessage { content: text.clone(), mode };
        let change = RunChange { status: Some(self.state.status()), idempotency, ..RunChange::default() };
        self.log.append(&[event], change).await?;
        let Some(agent) = agent else {
            self.waiting.push_back(text);
            return Ok(());
        };
        match mode {
            MessageMode::Queue => self.waiting.push_back(text),
            MessageMode::Steer if agent.speak(text.clone(), Speech::IntoTurn).await => {}
            MessageMode::Steer | MessageMode::Interrupt => {
                self.waiting.push_front(text);
                // An agent that cannot be interrupted takes it as soon as its turn is over.
                agent.interrupt().await;
            }
        }
        Ok(())
    }

    /// The agent's turn is over: gives it the next message, or tells it that none comes.
    async fn turn_ended(&mut self, turn: TurnEnd, agent: &AgentHandle) {
        // After an interrupt or a good turn the conversation goes on; after a failure the next message would fail as well.
        let goes_on = !self.finishing && turn.as_ref().map_or_else(|failure| failure.cause == Cause::Cancelled, |_| true);
        self.turn = Some(turn);
        if goes_on && let Some(text) = self.waiting.pop_front() {
            if agent.speak(text.clone(), Speech::NextTurn).await {
                return self.agent_stirs();
            }
            self.waiting.push_front(text);
        }
        self.finishing = true;
        // The work is done; from here on the agent's own time limits count.
        (self.clock, self.idle_deadline) = (WallClock::Off, None);
        if let Some(notice) = self.undelivered() {
            self.write(vec![notice], RunChange::default(), agent).await;
        }
        agent.finish().await;
    }

    /// Tells of messages that no turn came for.
    fn undelivered(&mut self) -> Option<StreamEvent> {
        if self.waiting.is_empty() {
            return None;
        }
        let message = format!("{} messages were not given to the agent, since its run ended before", self.waiting.len());
        let data = Some(json!({ "messages": self.waiting.drain(..).collect::<Vec<_>>() }));
        Some(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data })
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
            result: self.turn.take().and_then(Result::ok),
            usage: self.usage.take(),
            duration_ms: millis(self.created.elapsed()),
            stderr_tail: Some(end.stderr_tail).filter(|tail| !went_well && !tail.is_empty()),
        };
        tracing::info!(run.id = %self.log.run(), status = done.status.as_str(), cause = done.cause.as_str(), "the run has ended");
        let status = done.status;
        let void = self.requests.void();
        let void = void.iter().map(|(id, answer)| resolved(id, answer, DecidedBy::Policy));
        let events: Vec<StreamEvent> = void.chain(self.undelivered()).chain([StreamEvent::Done(done.clone())]).collect();
        loop {
            let change = RunChange { status: Some(status), done: Some((done.clone(), self.log.now())), ..RunChange::default() };
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
        self.inbox.status.send_replace(status);
    }
}

/// Waits until then. Only for arms of a `select!` that are off without a moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whoever asked may have left.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
