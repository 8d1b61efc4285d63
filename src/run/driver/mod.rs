//! The driver: the single owner of a live run. It starts the agent, writes the run's log, and ends the run.
//!
//! Every input passes through [`RunState::next`], and its effects are stored before anyone is notified. Each live run has exactly one
//! driver task, which ends with the run's `done` event or when the server detaches from the agent.

mod batch;
mod clock;
mod messages;
mod record;
mod requests;
mod restore;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use self::clock::{WallClock, sleep_until};
use self::restore::Unconfirmed;
use super::admission::{Slot, Ticket};
use super::budgets::Budgets;
use super::config::RunConfig;
use super::events::LogWriter;
use super::live::{AnswerRejected, Command, Inbox};
use super::policy::Policy;
use super::requests::Requests;
use super::run_secrets::RunSecrets;
use super::sessions::{SessionGuard, SessionTurn};
use super::shutdown::Shutdown;
use super::state::{Input, Outcome, RunState, StopReason};
use super::store::{RunChange, RunStore};
use crate::agent::handle::{AgentEnd, AgentHandle, Update};
use crate::agent::{Agents, Start, Task};
use crate::metrics::RunMetrics;
use crate::process::{Marker, WorkingDir, is_resource_exhausted};
use crate::types::{Cause, DecidedBy, Failure, Level, NoticeCode, OnShutdown, RunLimits, RunSpec, SessionId, StreamEvent, TurnEnd, Usage};

/// What all drivers of a server share.
#[derive(Clone, Debug)]
pub(super) struct DriverContext {
    pub(super) agents: Agents,
    pub(super) store: Arc<dyn RunStore>,
    pub(super) config: Arc<RunConfig>,
    pub(super) shutdown: Shutdown,
    /// Cancelled when the shutdown time is over: drivers give up unwritten events.
    pub(super) force: CancellationToken,
    pub(super) metrics: RunMetrics,
    pub(super) budgets: Budgets,
}

/// The task that owns one run. See the module documentation.
pub(super) struct Driver {
    spec: RunSpec,
    session: SessionId,
    secrets: RunSecrets,
    log: LogWriter,
    inbox: Inbox,
    context: DriverContext,
    policy: Policy,
    state: RunState,
    created: Instant,
    /// Age of the run when this driver was created; not zero if an earlier server drove the run.
    prior_age: Duration,
    /// When the run was admitted, until its agent is ready; `None` after a reattach.
    admitted_at: Option<Instant>,
    /// Whether the agent is ready and `run_started` is written.
    started: bool,
    /// How the last turn ended.
    last_turn: Option<TurnEnd>,
    /// Whether the agent was asked to finish or stop, or has exited. No further message is accepted.
    finishing: bool,
    /// Messages for later turns.
    queued_messages: VecDeque<String>,
    requests: Requests,
    usage: Option<Usage>,
    /// When each running tool call was reported, for the duration in its result.
    tool_calls: HashMap<String, Instant>,
    clock: WallClock,
    /// Deadline of the agent's first output.
    startup_deadline: Option<Instant>,
    /// Deadline of the agent's next output.
    idle_deadline: Option<Instant>,
    /// The deadline last sent to the shim, which enforces it if no server is connected.
    shim_deadline: Option<Instant>,
    /// Resource limits of the agent's processes.
    limits: Option<RunLimits>,
    /// Entries of the log that an earlier server may not have delivered to the agent.
    unconfirmed: Unconfirmed,
    /// Notices written by an earlier server; some are written only once per run.
    emitted_notices: Vec<NoticeCode>,
    /// The agent's last items, written together with the `done` event.
    final_batch: Batch,
}

impl Driver {
    pub(super) fn new(
        spec: RunSpec,
        session: SessionId,
        secrets: RunSecrets,
        policy: Policy,
        log: LogWriter,
        inbox: Inbox,
        context: DriverContext,
    ) -> Self {
        Self {
            spec,
            session,
            secrets,
            log,
            inbox,
            context,
            policy,
            state: RunState::Queued,
            created: Instant::now(),
            prior_age: Duration::ZERO,
            admitted_at: None,
            started: false,
            last_turn: None,
            finishing: false,
            queued_messages: VecDeque::new(),
            requests: Requests::default(),
            usage: None,
            tool_calls: HashMap::new(),
            clock: WallClock::Off,
            startup_deadline: None,
            idle_deadline: None,
            shim_deadline: None,
            limits: None,
            unconfirmed: Unconfirmed::default(),
            emitted_notices: Vec::new(),
            final_batch: Batch::default(),
        }
    }

    /// Drives the run from the queue to its end, or until the server detaches.
    pub(super) async fn run(mut self, ticket: Ticket, session: SessionTurn) {
        let permits = match self.wait_for_slot(ticket, session).await {
            SlotWait::Admitted(permits) => Some(permits),
            SlotWait::Ended => None,
            // The stored run is requeued by the next server.
            SlotWait::Detached => return,
        };
        let end = if permits.is_none() { Some(AgentEnd::default()) } else { self.start_and_supervise().await };
        if let Some(end) = end {
            self.finish(end).await;
        }
        // Released only now: the next run of the session continues from what this one has written.
        drop(permits);
    }

    /// Drives a run whose agent was started by an earlier server. It does not wait for a slot or its session, but occupies both.
    pub(super) async fn reattach(mut self, agent: AgentHandle, slot: Slot, session: SessionTurn) {
        if !self.started {
            self.transition(Input::Admitted);
        }
        tokio::pin!(session);
        // The first poll joins the session's queue. The guard is then held by the pinned future, or by `_session` if it was free.
        let _session = futures_util::poll!(&mut session);
        if let Some(end) = self.supervise(agent).await {
            self.finish(end).await;
        }
        drop(slot);
    }

    async fn wait_for_slot(&mut self, ticket: Ticket, session: SessionTurn) -> SlotWait {
        let shutdown = self.context.shutdown.clone();
        // The session first: a run that waits for another run must not occupy a slot.
        let admitted = async move { (session.await, ticket.admitted().await) };
        tokio::pin!(admitted);
        loop {
            tokio::select! {
                // Shutdown first: a detached run releases its slot although its agent keeps running, and no other run may start in it.
                biased;
                how = shutdown.requested() => {
                    // Secrets are not stored, so a run that needs them cannot be requeued.
                    if how == OnShutdown::Detach && self.secrets.is_empty() {
                        return SlotWait::Detached;
                    }
                    self.transition(Input::StopRequested(StopReason::Shutdown));
                }
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.transition(Input::StopRequested(reason)),
                    other => self.handle_command(other, None).await,
                },
                permits = &mut admitted => {
                    self.transition(Input::Admitted);
                    self.context.metrics.record_admitted(&self.spec.agent_type, self.prior_age + self.created.elapsed());
                    return SlotWait::Admitted(permits);
                }
            }
            if matches!(self.state, RunState::Ended(_)) {
                return SlotWait::Ended;
            }
        }
    }

    /// Starts the agent and supervises it until it ends. Returns `None` if the server detached.
    async fn start_and_supervise(&mut self) -> Option<AgentEnd> {
        self.admitted_at = Some(Instant::now());
        self.clock = WallClock::start(self.spec.timeout);
        self.shim_deadline = self.clock.expires_at(None);
        self.reset_idle_timer();
        match self.start_agent().await {
            Ok(agent) => self.supervise(agent).await,
            Err(failure) => {
                self.transition(Input::AgentEnded(Outcome::failed(failure)));
                Some(AgentEnd::default())
            }
        }
    }

    /// Supervises the agent until it ends. Returns `None` if the server detached.
    async fn supervise(&mut self, mut agent: AgentHandle) -> Option<AgentEnd> {
        let shutdown = self.context.shutdown.clone();
        let mut shutdown_handled = false;
        self.limits = agent.limits();
        // In-process agents have no startup timeout.
        self.startup_deadline = self.context.config.startup_timeout.filter(|_| agent.can_detach()).map(|limit| Instant::now() + limit);
        loop {
            self.update_shim_deadline(&agent).await;
            let (timeout, answer_timeout) = (self.clock.deadline(), self.requests.next_deadline());
            let (idle_timeout, startup_timeout) = (self.idle_deadline, self.startup_deadline);
            tokio::select! {
                update = agent.next() => match update {
                    Update::Restored { history, checkpoint, left } => self.restore(history, checkpoint, left, &agent).await,
                    Update::Items { items, checkpoint } => self.record(items, checkpoint, &agent).await,
                    Update::Activity => {
                        self.startup_deadline = None;
                        self.reset_idle_timer();
                    }
                    Update::Ended(end) => return Some(self.record_end(end)),
                },
                Some(command) = self.inbox.commands.recv() => match command {
                    Command::Stop(reason) => self.request_stop(reason, &agent).await,
                    other => self.handle_command(other, Some(&agent)).await,
                },
                how = shutdown.requested(), if !shutdown_handled => {
                    shutdown_handled = true;
                    if how == OnShutdown::Stop || !agent.can_detach() {
                        self.request_stop(StopReason::Shutdown, &agent).await;
                    } else if agent.detach().await {
                        tracing::info!(run.id = %self.log.run(), "detached from the agent; it keeps running");
                        return None;
                    }
                }
                () = sleep_until(timeout), if timeout.is_some() => {
                    self.clock = WallClock::Off;
                    self.request_stop(StopReason::Timeout, &agent).await;
                }
                () = sleep_until(idle_timeout), if idle_timeout.is_some() => {
                    self.idle_deadline = None;
                    self.request_stop(StopReason::IdleTimeout, &agent).await;
                }
                () = sleep_until(startup_timeout), if startup_timeout.is_some() => {
                    self.startup_deadline = None;
                    self.request_stop(StopReason::StartupTimeout, &agent).await;
                }
                () = sleep_until(answer_timeout), if answer_timeout.is_some() => self.expire_requests(&agent).await,
            }
        }
    }

    /// Sends the run's deadline to the shim if it has changed.
    async fn update_shim_deadline(&mut self, agent: &AgentHandle) {
        // The grace periods of an agent that is finishing are enforced separately.
        if self.finishing {
            return;
        }
        let deadline = self.clock.expires_at(self.requests.last_deadline());
        if let Some(at) = deadline
            && std::mem::replace(&mut self.shim_deadline, deadline) != deadline
        {
            agent.set_time_limit(Some(at.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn start_agent(&mut self) -> Result<AgentHandle, Failure> {
        // The directory was checked when the run was created, and may have been replaced while the run was queued.
        let path = &self.spec.working_dir;
        let working_dir = WorkingDir::open(path).map_err(|error| {
            let cause = if is_resource_exhausted(&error) { Cause::Storage } else { Cause::BadArguments };
            Failure::new(cause, format!("cannot open working_dir {}: {error}", path.display()))
        })?;
        let session = self.context.store.session(self.session).await;
        let session = session.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        // The owner's budget may have been used up while the run was queued.
        if let Some(session) = &session {
            self.context.budgets.check(&session.owner).await?;
        }
        let resume = session.and_then(|session| session.agent_session);
        if let Some(agent_session) = resume.as_ref().filter(|_| !self.emitted_notices.contains(&NoticeCode::Resumed)) {
            let message = "the agent continues the session's conversation";
            let data = Some(json!({ "agent_session": agent_session }));
            let resumed = StreamEvent::Notice { level: Level::Info, code: NoticeCode::Resumed, message: message.into(), data };
            let written = self.log.append(&[resumed], RunChange::default()).await;
            written.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        }
        let memo = self.secrets.to_memo();
        let RunSecrets { env, mcp_servers } = std::mem::take(&mut self.secrets);
        let run = self.log.run();
        let start = Start {
            task: Task { spec: self.spec.clone(), resume, mcp_servers },
            env,
            working_dir,
            process_dir: self.context.config.process_dir(run),
            marker: Marker::new(run.to_string()),
            handover: memo,
        };
        let prepared = self.context.agents.prepare(start).await?;
        // The one fact from which a later server concludes that an agent may have been started.
        let launched = RunChange { launched_at: Some(self.log.now()), ..RunChange::default() };
        let stored = self.context.store.append(self.log.lease(), Vec::new(), launched).await;
        stored.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        let deadline = self.clock.deadline().unwrap_or_else(Instant::now);
        Ok(prepared.launch(deadline.saturating_duration_since(Instant::now())))
    }

    async fn request_stop(&mut self, reason: StopReason, agent: &AgentHandle) {
        self.startup_deadline = None;
        let already_stopping = matches!(self.state, RunState::Stopping(_));
        self.transition(Input::StopRequested(reason));
        self.finishing = true;
        // A shutdown shortens the grace period of a stop in progress.
        if reason == StopReason::Shutdown {
            agent.stop(reason.as_str().to_owned(), self.context.config.shutdown_grace).await;
        } else if !already_stopping {
            agent.stop(reason.as_str().to_owned(), self.context.config.stop_grace).await;
        }
    }

    fn transition(&mut self, input: Input) {
        match self.state.clone().next(input) {
            Ok(next) => self.state = next,
            Err(error) => tracing::error!(run.id = %self.log.run(), %error, "invalid state transition"),
        }
        self.sync_clock();
        // The ended status is published when the end is stored.
        if !matches!(self.state, RunState::Ended(_)) {
            self.inbox.publish(self.state.status());
        }
    }

    /// Pauses the clock exactly while the run waits for an answer.
    fn sync_clock(&mut self) {
        self.clock = if matches!(self.state, RunState::Waiting(_)) { self.clock.pause() } else { self.clock.resume() };
    }

    /// Restarts the idle timeout; disables it while the agent waits for an answer or is finishing.
    fn reset_idle_timer(&mut self) {
        let counts = !self.finishing && !matches!(self.state, RunState::Waiting(_));
        self.idle_deadline = self.spec.idle_timeout.filter(|_| counts).map(|limit| Instant::now() + limit);
    }

    /// Handles a client's command. Without an agent there are no requests to answer, and messages are queued.
    async fn handle_command(&mut self, command: Command, agent: Option<&AgentHandle>) {
        match command {
            Command::Stop(_) => {} // handled by the caller
            Command::Requests(reply) => send_reply(reply, self.requests.views()),
            Command::Answer { request, answer, reply } => match (self.requests.check(&request, &answer), agent) {
                (Ok(()), Some(agent)) => {
                    self.resolve_request(&request, answer, DecidedBy::User, agent).await;
                    send_reply(reply, Ok(()));
                }
                (Ok(()), None) => {} // unreachable: without an agent no request is open
                (Err(error), _) => send_reply(reply, Err(AnswerRejected::Bad(error))),
            },
            Command::Message { text, mode, idempotency, reply } => {
                let accepted = self.accept_message(text, mode, idempotency, agent).await;
                send_reply(reply, accepted);
            }
        }
    }
}

/// Outcome of waiting for a slot.
enum SlotWait {
    Admitted((SessionGuard, Slot)),
    /// The run was stopped before it started.
    Ended,
    /// The server shuts down; the run stays queued for the next one.
    Detached,
}

/// Sends a reply. The client may have disconnected.
fn send_reply<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
