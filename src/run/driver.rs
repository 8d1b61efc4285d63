//! The one owner of a run: starts its agent, writes its log, and ends it.
//!
//! Whatever happens comes here as a value, goes through [`RunState::next`], and is on disk before anyone hears of it. There is one
//! driver task for each live run, and it ends only with the run's `done` event.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::admission::Ticket;
use super::events::LogWriter;
use super::handle::{Command, Inbox};
use super::state::{Input, Outcome, RunState, StopReason};
use super::store::{RunChange, StoreError};
use crate::agent::handle::{AgentEnd, AgentHandle, Update};
use crate::agent::{Agents, Item, Started, Task};
use crate::process::{Marker, WorkingDir};
use crate::types::{
    Cause, DecidedBy, Decision, Failure, PermissionMode, RunDone, RunSpec, RunStarted, SessionId, StreamEvent, TurnEnd, Usage,
};

/// What all drivers of a server share.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) agents: Agents,
    /// The server goes away: runs are to end.
    pub(super) shutdown: CancellationToken,
    /// The server goes away now, whatever is not written yet.
    pub(super) force: CancellationToken,
    /// How long an agent may take to end after TERM.
    pub(super) grace: Duration,
    /// The same while the server goes away.
    pub(super) shutdown_grace: Duration,
}

pub(super) struct Driver {
    spec: RunSpec,
    session: SessionId,
    log: LogWriter,
    inbox: Inbox,
    around: Surroundings,
    state: RunState,
    created: Instant,
    started: bool,
    turn: Option<TurnEnd>,
    usage: Option<Usage>,
    /// When each running tool call was told, for the duration in its result.
    tool_calls: HashMap<String, Instant>,
    /// When the wall clock runs out.
    deadline: Option<Instant>,
    /// When the agent has been silent for too long.
    idle_deadline: Option<Instant>,
}

/// How long to wait before a failed write is tried again. A full disk heals when somebody makes room.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn new(spec: RunSpec, session: SessionId, log: LogWriter, inbox: Inbox, around: Surroundings) -> Self {
        Self {
            spec,
            session,
            log,
            inbox,
            around,
            state: RunState::Queued,
            created: Instant::now(),
            started: false,
            turn: None,
            usage: None,
            tool_calls: HashMap::new(),
            deadline: None,
            idle_deadline: None,
        }
    }

    /// Carries the run through its whole life.
    pub(super) async fn run(mut self, ticket: Ticket) {
        let place = self.wait_for_a_place(ticket).await;
        let end = match self.state {
            RunState::Ended(_) => AgentEnd::default(),
            _ => self.work().await,
        };
        drop(place);
        self.finish(end).await;
    }

    async fn wait_for_a_place(&mut self, ticket: Ticket) -> Option<super::admission::Place> {
        let shutdown = self.around.shutdown.clone();
        let admitted = ticket.admitted();
        tokio::pin!(admitted);
        loop {
            tokio::select! {
                place = &mut admitted => {
                    self.enter(Input::Admitted);
                    return Some(place);
                }
                Some(Command::Stop(reason)) = self.inbox.commands.recv() => self.enter(Input::StopAsked(reason)),
                () = shutdown.cancelled() => self.enter(Input::StopAsked(StopReason::Shutdown)),
            }
            if matches!(self.state, RunState::Ended(_)) {
                return None;
            }
        }
    }

    /// From the agent's start to its end.
    async fn work(&mut self) -> AgentEnd {
        self.deadline = Some(Instant::now() + self.spec.timeout);
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
            tokio::select! {
                update = agent.next() => match update {
                    Update::Items(items) => self.record(items, &agent).await,
                    Update::Ended(end) => {
                        let outcome = Outcome::of(self.turn.as_ref(), &end);
                        self.enter(Input::AgentGone(outcome));
                        return end;
                    }
                },
                Some(Command::Stop(reason)) = self.inbox.commands.recv() => self.ask_stop(reason, &agent).await,
                () = shutdown.cancelled(), if !told_shutdown => {
                    told_shutdown = true;
                    self.ask_stop(StopReason::Shutdown, &agent).await;
                }
                () = sleep_until(self.deadline.unwrap_or_else(Instant::now)), if self.deadline.is_some() => {
                    self.deadline = None;
                    self.ask_stop(StopReason::Timeout, &agent).await;
                }
                () = sleep_until(self.idle_deadline.unwrap_or_else(Instant::now)), if self.idle_deadline.is_some() => {
                    self.idle_deadline = None;
                    self.ask_stop(StopReason::IdleTimeout, &agent).await;
                }
            }
        }
    }

    async fn start(&self) -> Result<AgentHandle, Failure> {
        // The folder was judged when the run was created, and may have been moved or linked elsewhere while the run was queued.
        let path = &self.spec.working_dir;
        let working_dir = WorkingDir::open(path)
            .map_err(|error| Failure::new(Cause::BadArguments, format!("working_dir {} cannot be entered: {error}", path.display())))?;
        let task = Task { spec: self.spec.clone(), resume: None, mcp_servers: vec![] };
        self.around.agents.start(task, working_dir, Marker::new(self.log.run().to_string())).await
    }

    async fn ask_stop(&mut self, reason: StopReason, agent: &AgentHandle) {
        let already_stopping = matches!(self.state, RunState::Stopping(_));
        self.enter(Input::StopAsked(reason));
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
        // An ended run is shown as such when its end is on disk.
        if !matches!(self.state, RunState::Ended(_)) {
            self.inbox.status.send_replace(self.state.status());
        }
    }

    /// The agent did something: its silence is counted from now.
    fn agent_stirs(&mut self) {
        self.idle_deadline = self.spec.idle_timeout.map(|limit| Instant::now() + limit);
    }

    /// Writes what the agent did, answers what it asked, and sends it home after its turn.
    async fn record(&mut self, items: Vec<Item>, agent: &AgentHandle) {
        self.agent_stirs();
        let mut page = Page::default();
        for item in items {
            match item {
                Item::Started(started) => self.agent_started(started, &mut page),
                Item::Event(event) => self.event(event, &mut page),
                Item::TurnEnded(turn) => {
                    self.turn.get_or_insert(turn);
                    page.turn_ended = true;
                }
            }
        }
        page.change.status = Some(self.state.status());
        if let Err(error) = self.log.append(&page.events, page.change).await {
            return self.cannot_write(&error, agent).await;
        }
        // Answered only now: what was allowed is on disk before it happens.
        for (request, decision) in page.decisions {
            agent.decide(request, decision).await;
        }
        if page.turn_ended {
            // The work is done; from here on the agent's own time limits count.
            (self.deadline, self.idle_deadline) = (None, None);
            agent.finish().await;
        }
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
        match &mut event {
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id.clone(), Instant::now());
            }
            StreamEvent::ToolResult { id, duration_ms, .. } => {
                let since = self.tool_calls.remove(id);
                *duration_ms = duration_ms.or_else(|| since.map(|since| millis(since.elapsed())));
            }
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            StreamEvent::PermissionRequest { id, options, .. } => {
                let (id, decision) = (id.clone(), decide(self.spec.permission_mode, options));
                page.events.push(event);
                page.events.push(StreamEvent::PermissionResolved {
                    id: id.clone(),
                    decision,
                    by: DecidedBy::Policy,
                    reason: Some("permission_mode is auto".into()),
                });
                page.decisions.push((id, decision));
                return;
            }
            // The frame of a run is written here and nowhere else.
            StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_) => return,
            _ => {}
        }
        page.events.push(event);
    }

    async fn cannot_write(&mut self, error: &StoreError, agent: &AgentHandle) {
        tracing::error!(run.id = %self.log.run(), %error, "the run's log cannot be written; the run is stopped");
        self.ask_stop(StopReason::Storage, agent).await;
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
        let event = [StreamEvent::Done(done.clone())];
        loop {
            let change = RunChange { status: Some(status), done: Some((done.clone(), self.log.now())), ..RunChange::default() };
            match self.log.append(&event, change).await {
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

/// What one batch of the agent's items comes to.
#[derive(Default)]
struct Page {
    events: Vec<StreamEvent>,
    change: RunChange,
    decisions: Vec<(String, Decision)>,
    turn_ended: bool,
}

/// What the run's permission mode answers. Where it may, it allows no more than this once, so that every use is recorded.
fn decide(mode: PermissionMode, options: &[Decision]) -> Decision {
    match mode {
        PermissionMode::Auto | PermissionMode::Ask | PermissionMode::ReadOnly => {
            let offered = |decision: Decision| options.contains(&decision).then_some(decision);
            offered(Decision::AllowOnce).or_else(|| offered(Decision::AllowAlways)).unwrap_or(Decision::Deny)
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
