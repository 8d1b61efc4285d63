//! The driver: the single owner of a live run. It starts the agent, writes the run's log, and ends the run.
//!
//! One loop handles four kinds of events: commands of clients, time limits, a shutdown, and the next step of the run's [`Phase`]. Nothing
//! that takes long happens outside the loop's `select!`: waiting for a slot, preparing the agent, its output and the retries of the last
//! write are futures that it polls, and while the log is written, [`Driver::store`] attends to the commands. So every phase accepts every
//! command, and a reply is sent only when its effect is stored.
//!
//! Every change of the state passes through [`RunState::next`], is stored, and is published then. Each live run has exactly one driver
//! task, which ends with the run's `done` event, when the server detaches from the agent, or when another driver has taken the run.

mod batch;
mod changes;
mod closing;
mod commands;
mod conversation;
mod io;
mod items;
mod limit_wait;
mod network;
mod outage;
mod output;
mod phase;
mod requests;
mod restore;
mod spend;
mod start;
#[cfg(test)]
mod tests;
mod timers;
mod worktree;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::batch::{Batch, Held};
use self::changes::Taken;
pub(super) use self::changes::Tracker;
use self::limit_wait::LimitWait;
pub(super) use self::outage::Outage;
use self::phase::{Permits, Phase, Step};
use self::restore::Unconfirmed;
use self::timers::{Timer, Timers, WallClock};
use super::admission::{Slot, Ticket};
use super::budgets::Budgets;
use super::config::RunConfig;
use super::events::LogWriter;
use super::live::{Command, Inbox};
use super::policy::Policy;
use super::queued_message::QueuedMessage;
use super::requests::Requests;
use super::run_secrets::RunSecrets;
use super::sessions::SessionTurn;
use super::shutdown::Shutdown;
use super::state::{Input, RunState, StopReason};
use super::store::{Audited, RunStore};
use crate::agent::Agents;
use crate::agent::handle::{AgentHandle, Restrictions, Update};
use crate::egress::Proxy;
use crate::metrics::RunMetrics;
use crate::types::bounds::MAX_TIMED_CALLS;
use crate::types::{
    NoticeCode, OnShutdown, PermissionMode, ProjectConfig, Recent, RunSpec, RunStatus, SessionId, SpendLimits, StreamEvent, TurnEnd, Usage,
};
use crate::workspace::{Clones, Snapshots, Worktrees};

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
    /// Whether drivers can write.
    pub(super) outage: Outage,
    /// Snapshots of working directories.
    pub(super) snapshots: Snapshots,
    pub(super) worktrees: Worktrees,
    /// Copies of remote repositories.
    pub(super) clones: Clones,
}

/// Why a driver has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriverExit {
    /// The end of the run is stored.
    Ended,
    /// The server shuts down, and the next one continues the run.
    Detached,
    /// Another driver has taken the run. Nothing was written since.
    LeaseLost,
    /// The end of the run could not be stored before the process exits, or never can be. The next server ends the run.
    Abandoned,
}

/// The task that owns one run. See the module documentation.
pub(super) struct Driver {
    spec: SpecSummary,
    session: SessionId,
    secrets: RunSecrets,
    log: LogWriter,
    inbox: Inbox,
    context: DriverContext,
    /// Replaced when the agent is launched or found again. Until then there is nothing to decide.
    policy: Policy,
    state: RunState,
    /// The status in the run's row; `None` if it is unknown, in a run that an earlier server drove.
    stored_status: Option<RunStatus>,
    /// Why the driver ends, once it is known.
    exit: Option<DriverExit>,
    /// What the run occupies until the driver ends: the next run of the session continues from what this one has written.
    permits: Option<Permits>,
    shutdown_handled: bool,
    created: Instant,
    /// Age of the run when this driver was created; not zero if an earlier server drove the run.
    prior_age: Duration,
    /// When the run was admitted, until its agent is ready; `None` after a reattach.
    admitted_at: Option<Instant>,
    /// Whether the agent is ready and `run_started` is written.
    started: bool,
    /// The answer as a value that matches the run's schema.
    output: Option<serde_json::Value>,
    /// How the last turn ended.
    last_turn: Option<TurnEnd>,
    /// Whether the agent was asked to finish or stop, or has exited. No further message is accepted.
    finishing: bool,
    /// The audit entry of the stop, until it is stored with the status that shows the stop.
    stop_audit: Option<Audited>,
    /// Messages for later turns.
    queued_messages: VecDeque<QueuedMessage>,
    /// Number of messages with attachments so far.
    attached_messages: u64,
    /// Why the next message could not be delivered.
    delivery_problem: Option<String>,
    requests: Requests,
    usage: Option<Usage>,
    limit_wait: LimitWait,
    /// When each running tool call was reported, for the duration in its result.
    tool_calls: Recent<Instant>,
    timers: Timers,
    /// The deadline last sent to the shim, which enforces it if no server is connected.
    shim_deadline: Option<Instant>,
    /// What is enforced on the agent's processes.
    restrictions: Restrictions,
    /// The agent's way to the network; `None` below isolation level `sandbox`.
    proxy: Option<Proxy>,
    /// Records what the run changes in its working directory; `None` before the agent is launched, and if nothing is recorded.
    tracker: Option<Box<Tracker>>,
    /// Entries of the log that an earlier server may not have delivered to the agent.
    unconfirmed: Unconfirmed,
    /// Notices written by an earlier server; some are written only once per run.
    emitted_notices: Vec<NoticeCode>,
    /// Limits whose notice was written.
    reported_limits: Vec<&'static str>,
    /// Batches that could not be written, and the agent's last items. Written together with the `done` event.
    held: Held,
}

/// The part of a run's specification that its driver keeps. The rest, such as the prompt, can be large and there can be many queued runs,
/// so it is read from the store when the run starts.
struct SpecSummary {
    agent_type: String,
    model: Option<String>,
    working_dir: PathBuf,
    permission_mode: PermissionMode,
    project_config: ProjectConfig,
    has_output_schema: bool,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    spend_limits: SpendLimits,
    max_wait: Option<Duration>,
    /// Whether the agent needs values that are not stored.
    has_secrets: bool,
}

impl From<&RunSpec> for SpecSummary {
    fn from(spec: &RunSpec) -> Self {
        Self {
            agent_type: spec.agent_type.clone(),
            model: spec.model.clone(),
            working_dir: spec.working_dir.clone(),
            permission_mode: spec.permission_mode,
            project_config: spec.project_config,
            has_output_schema: spec.output_schema.is_some(),
            timeout: spec.timeout,
            idle_timeout: spec.idle_timeout,
            spend_limits: spec.spend_limits,
            max_wait: spec.max_wait,
            has_secrets: !spec.env.is_empty() || !spec.mcp_servers.is_empty(),
        }
    }
}

/// What the loop reacts to.
enum Event {
    Shutdown(OnShutdown),
    Command(Command),
    Timer(Timer),
    Step(Step),
    /// What the agent did on the network.
    Network(Vec<StreamEvent>),
    /// A snapshot after a turn.
    Snapshot(Taken),
    /// The shutdown time is over.
    Forced,
}

impl Driver {
    /// The driver of a queued run.
    pub(super) fn new(
        spec: &RunSpec,
        session: SessionId,
        secrets: RunSecrets,
        log: LogWriter,
        inbox: Inbox,
        context: DriverContext,
    ) -> Self {
        Self {
            spec: spec.into(),
            session,
            secrets,
            log,
            inbox,
            context,
            policy: Policy::new(PermissionMode::ReadOnly, &[], Vec::new()),
            state: RunState::Queued,
            stored_status: Some(RunStatus::Queued),
            exit: None,
            permits: None,
            shutdown_handled: false,
            created: Instant::now(),
            prior_age: Duration::ZERO,
            admitted_at: None,
            started: false,
            last_turn: None,
            output: None,
            finishing: false,
            stop_audit: None,
            queued_messages: VecDeque::new(),
            attached_messages: 0,
            delivery_problem: None,
            requests: Requests::default(),
            usage: None,
            limit_wait: LimitWait::default(),
            tool_calls: Recent::new(MAX_TIMED_CALLS),
            timers: Timers::off(),
            shim_deadline: None,
            restrictions: Restrictions::default(),
            proxy: None,
            tracker: None,
            unconfirmed: Unconfirmed::default(),
            emitted_notices: Vec::new(),
            reported_limits: Vec::new(),
            held: Held::default(),
        }
    }

    /// Sets the policy of a run whose agent was started by an earlier server.
    pub(super) fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Drives the run from the queue to its end, or until the server detaches.
    pub(super) fn run(self, ticket: Ticket, session: SessionTurn) -> impl Future<Output = DriverExit> + Send {
        Box::new(self).drive(Phase::Queued(phase::admission(ticket, session)))
    }

    /// Drives a run whose agent was started by an earlier server. It does not wait for a slot or its session, but occupies both.
    pub(super) fn reattach(mut self, agent: AgentHandle, slot: Slot, session: SessionTurn) -> impl Future<Output = DriverExit> + Send {
        if !self.started {
            self.transition(Input::Admitted);
        }
        let mut this = Box::new(self);
        async move {
            tokio::pin!(session);
            // The first poll joins the session's queue. If the session was not free, the pinned future keeps the place.
            let guard = match futures_util::poll!(&mut session) {
                std::task::Poll::Ready(guard) => Some(guard),
                std::task::Poll::Pending => None,
            };
            this.permits = Some((guard, slot));
            this.begin_supervision(&agent);
            this.drive(Phase::Running(agent)).await
        }
    }

    /// Boxed, as are the futures below that are rarely needed: a future has room for everything that it may ever hold, and there are many
    /// drivers.
    async fn drive(mut self: Box<Self>, mut phase: Phase) -> DriverExit {
        // The status of a run whose agent was found again is known, and stored, when its history is restored.
        if self.stored_status.is_none() && phase.agent().is_none() {
            // If it cannot be stored now, it is stored with the next batch.
            let _ = self.store_status(phase.agent()).await;
        }
        loop {
            if let Some(exit) = self.exit {
                self.leave(exit, phase).await;
                return exit;
            }
            if let Some(agent) = phase.agent() {
                self.update_shim_deadline(agent).await;
            }
            let event = self.next_event(&mut phase).await;
            phase = match (event, phase) {
                (Event::Step(Step::Update(Update::Items { items, checkpoint })), Phase::Running(agent)) => {
                    self.record(items, checkpoint, &agent).await;
                    Phase::Running(agent)
                }
                (event, phase) => Box::pin(self.handle(event, phase)).await,
            };
        }
    }

    /// Waits for the next event. Cancel-safe.
    async fn next_event(&mut self, phase: &mut Phase) -> Event {
        let requests = self.requests.next_deadline().filter(|_| phase.agent().is_some());
        let (inbox, timers, context, proxy) = (&mut self.inbox, &self.timers, &self.context, self.proxy.as_ref());
        let tracker = self.tracker.as_deref_mut();
        let is_closing = matches!(phase, Phase::Closing(_));
        tokio::select! {
            biased;
            // Shutdown first: a detached run releases its slot although its agent keeps running, and no other run may start in it.
            how = context.shutdown.requested(), if !self.shutdown_handled => Event::Shutdown(how),
            () = context.force.cancelled(), if is_closing => Event::Forced,
            timer = timers.expired(requests) => Event::Timer(timer),
            // In random order: neither may starve the other.
            event = async {
                tokio::select! {
                    command = inbox.next() => Event::Command(command),
                    step = phase.next() => Event::Step(step),
                    events = network::next(proxy) => Event::Network(events),
                    taken = changes::next(tracker) => Event::Snapshot(taken),
                }
            } => event,
            // Last: output that is waiting to be read proves that the agent is not silent.
            timer = timers.silent() => Event::Timer(timer),
        }
    }

    async fn handle(&mut self, event: Event, phase: Phase) -> Phase {
        match (event, phase) {
            (Event::Command(command), phase) => self.handle_command(command, phase).await,
            (Event::Shutdown(how), phase) => self.handle_shutdown(how, phase).await,
            (Event::Timer(timer), phase) => self.handle_timer(timer, phase).await,
            (Event::Forced, phase) => {
                self.exit = Some(DriverExit::Abandoned);
                phase
            }
            (Event::Network(events), phase) => {
                self.record_network(events, phase.agent()).await;
                phase
            }
            (Event::Snapshot(taken), phase) => {
                self.record_snapshot(taken, phase.agent()).await;
                phase
            }
            (Event::Step(Step::Admitted(permits)), Phase::Queued(_) | Phase::Waiting(_)) => self.admit(permits).await,
            (Event::Step(Step::Prepared(prepared)), Phase::Starting(_)) => self.launch(prepared).await,
            (Event::Step(Step::Update(update)), Phase::Running(agent)) => self.handle_update(update, agent).await,
            (Event::Step(Step::Close), Phase::Closing(closing)) => Phase::Closing(self.write_end(closing).await),
            // A phase yields only its own step.
            (Event::Step(_), phase) => phase,
        }
    }

    async fn handle_update(&mut self, update: Update, agent: AgentHandle) -> Phase {
        match update {
            Update::Restored { history, checkpoint, left } => self.restore(*history, checkpoint, left, &agent).await,
            Update::Items { items, checkpoint } => self.record(items, checkpoint, &agent).await,
            Update::Activity => self.note_activity(),
            Update::Ended(end) => {
                self.finish_network().await;
                return self.handle_end(end).await;
            }
        }
        Phase::Running(agent)
    }

    async fn handle_timer(&mut self, timer: Timer, phase: Phase) -> Phase {
        let reason = match timer {
            Timer::Requests => {
                if let Some(agent) = phase.agent() {
                    self.expire_requests(agent).await;
                }
                return phase;
            }
            Timer::Limit => {
                self.timers.limit = WallClock::Off;
                StopReason::Timeout
            }
            Timer::Startup => {
                self.timers.startup = None;
                StopReason::StartupTimeout
            }
            Timer::Idle => {
                self.timers.idle = None;
                StopReason::IdleTimeout
            }
        };
        self.stop(reason, None, None, phase).await
    }

    async fn handle_shutdown(&mut self, how: OnShutdown, phase: Phase) -> Phase {
        self.shutdown_handled = true;
        if how == OnShutdown::Detach {
            if let Some(proxy) = &self.proxy {
                self.record_network(proxy.pending(), phase.agent()).await;
            }
            let detached = match &phase {
                // The stored run is requeued by the next server, unless it needs secrets, which are not stored.
                Phase::Queued(_) | Phase::Starting(_) | Phase::Waiting(_) => self.secrets.is_empty(),
                Phase::Running(agent) => agent.can_detach() && agent.detach().await,
                Phase::Closing(_) => false,
            };
            if detached {
                self.exit = Some(DriverExit::Detached);
                tracing::info!(run.id = %self.log.run(), "detached from a run; the next server continues it");
                return phase;
            }
            // An agent that does not detach is ending already, unless it is part of this process.
            if phase.agent().is_some_and(AgentHandle::can_detach) {
                return phase;
            }
        }
        self.stop(StopReason::Shutdown, None, None, phase).await
    }

    /// Drops the phase of a driver that ends. An agent that belongs to another driver or to the next server is not killed.
    async fn leave(&mut self, exit: DriverExit, phase: Phase) {
        let is_kept = match exit {
            DriverExit::LeaseLost => true,
            DriverExit::Abandoned => self.context.shutdown.is_requested(),
            DriverExit::Ended | DriverExit::Detached => false,
        };
        if let Some(agent) = phase.agent().filter(|agent| is_kept && agent.can_detach()) {
            agent.detach().await;
        }
        if exit == DriverExit::LeaseLost {
            tracing::warn!(run.id = %self.log.run(), "another driver has taken the run");
        }
    }

    /// Sends the run's deadline to the shim if it has changed.
    async fn update_shim_deadline(&mut self, agent: &AgentHandle) {
        // The grace periods of an agent that is finishing are enforced separately.
        if self.finishing || self.is_waiting_for_reset() {
            return;
        }
        let deadline = self.timers.limit.expires_at(self.requests.last_deadline());
        if let Some(at) = deadline
            && std::mem::replace(&mut self.shim_deadline, deadline) != deadline
        {
            agent.set_time_limit(Some(at.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Changes the state. The status must then be stored, with a batch or by [`Driver::store_status`].
    fn transition(&mut self, input: Input) {
        match self.state.clone().next(input) {
            Ok(next) => self.state = next,
            Err(error) => tracing::error!(run.id = %self.log.run(), %error, "invalid state transition"),
        }
        self.sync_clock();
    }

    /// Pauses the clock exactly while the run waits for an answer or for a limit to reset.
    fn sync_clock(&mut self) {
        let limit = self.timers.limit;
        let pauses = matches!(self.state, RunState::Waiting(_) | RunState::WaitingForReset);
        self.timers.limit = if pauses { limit.pause() } else { limit.resume() };
    }

    /// Notes that the agent has written something.
    fn note_activity(&mut self) {
        self.timers.startup = None;
        self.reset_idle_timer();
    }

    /// Restarts the idle timeout; disables it while the agent waits for an answer or is finishing.
    fn reset_idle_timer(&mut self) {
        let counts = !self.finishing && !matches!(self.state, RunState::Waiting(_) | RunState::WaitingForReset);
        self.timers.idle = self.spec.idle_timeout.filter(|_| counts).map(|limit| Instant::now() + limit);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
