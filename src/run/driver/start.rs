//! The start of the agent: admission, preparation, launch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use super::Driver;
use super::changes::Tracker;
use super::phase::{Permits, Phase, Preparation, ReadyAgent};
use super::timers::WallClock;
use crate::agent::handle::AgentHandle;
use crate::agent::{Start, Task};
use crate::process::isolation::Egress;
use crate::process::{Marker, WorkingDir, is_resource_exhausted};
use crate::run::attachments::attachments_of;
use crate::run::run_secrets::RunSecrets;
use crate::run::state::{Input, Outcome};
use crate::run::store::{RunChange, StoreError, WaitChange};
use crate::types::{Cause, Failure, IsolationLevel, Level, Money, NoticeCode, StreamEvent};

/// Names the first of ten ports that the programs of a worktree may use.
const PORT_VARIABLE: &str = "ORN_PORT_BASE";

impl Driver {
    /// Starts to prepare the agent of an admitted run.
    pub(super) async fn admit(&mut self, permits: Permits) -> Phase {
        self.permits = Some(permits);
        self.transition(Input::Admitted);
        if !self.limit_wait.is_waiting() {
            self.context.metrics.record_admitted(&self.spec.agent_type, self.prior_age + self.created.elapsed());
            self.admitted_at = Some(Instant::now());
        }
        // After a wait it goes on where it was.
        if matches!(self.timers.limit, WallClock::Off) {
            self.timers.limit = WallClock::start(self.spec.timeout);
        }
        let mut preparation = self.prepare();
        // The status is stored while the preparation begins.
        let (stored, begun) = {
            let storing = self.store_status(None);
            tokio::pin!(storing);
            tokio::select! {
                biased;
                stored = &mut storing => (stored, None),
                prepared = &mut preparation => (storing.await, Some(prepared)),
            }
        };
        match (stored, begun) {
            (Err(error), _) => self.fail_start(Failure::new(Cause::Storage, error.to_string())),
            (Ok(()), Some(prepared)) => Phase::Starting(Box::pin(std::future::ready(prepared))),
            (Ok(()), None) => Phase::Starting(preparation),
        }
    }

    /// Everything that must be done before the agent can be launched. Owns what it needs: the loop polls it, and drops it on a stop.
    fn prepare(&self) -> Preparation {
        let run = self.log.run();
        let (session, context, secrets) = (self.session, self.context.clone(), self.secrets.clone());
        let (after_wait, is_tracked) = (self.limit_wait.is_waiting(), self.tracker.is_some());
        let spent = self.usage.as_ref().and_then(|usage| usage.cost_usd);
        Box::pin(async move {
            let not_stored = |error: StoreError| Failure::new(Cause::Storage, error.to_string());
            // The prompt and the rules of a queued run are not kept in memory.
            let record = context.store.run(run).await.and_then(|record| record.ok_or(StoreError::NoRun(run))).map_err(not_stored)?;
            let config = Arc::clone(&context.config);
            let reading = tokio::task::spawn_blocking(move || {
                let spec = record.spec;
                let policy = config.policy_of(run, &spec)?;
                Ok((open_working_dir(&spec.working_dir)?, policy, spec))
            });
            let (working_dir, policy, mut spec) =
                reading.await.unwrap_or_else(|panic| Err(Failure::new(Cause::Internal, panic.to_string())))?;
            let attachments = attachments_of(&*context.store, run, &spec).await?;
            let session = context.store.session(session).await.map_err(not_stored)?;
            // The owner's budget may have been used up while the run was queued or waited.
            if let Some(session) = &session {
                context.budgets.check(&session.owner).await?;
            }
            let Some(session) = session else {
                return Err(Failure::new(Cause::Storage, "the session of this run is missing from the store"));
            };
            let isolation = context.agents.check_isolation(&spec.agent_type, spec.permission_mode, spec.isolation, true);
            let isolation = isolation.map_err(|error| Failure::new(Cause::BadArguments, error.to_string()))?;
            let is_sandbox = isolation.is_some_and(|isolation| isolation.level == IsolationLevel::Sandbox);
            let access = is_sandbox.then(|| context.access(&spec, &session.owner.name));
            let endpoint = match &access {
                Some(access) => access.endpoint(),
                None => context.config.egress.endpoint(&spec.agent_type, session.owner.name.as_str()),
            };
            let process_dir = context.config.process_dir(run);
            let egress = access.as_ref().map(|access| Egress {
                dir: process_dir.egress(),
                env: access.env(|name| secrets.env.get(name).map(String::as_str)),
                injects_credentials: endpoint.is_some(),
            });
            let resume = session.agent_session;
            let continues = after_wait && resume.is_some();
            if let Some(max) = &mut spec.spend_limits.max_cost_usd {
                // What is left, for an agent that keeps this limit itself.
                *max = Money::from_micros(max.micros().saturating_sub(Money::from_reported(spent.unwrap_or_default()).micros()).max(1));
            }
            let mut env = secrets.env.clone();
            let worktree = match &spec.workspace {
                Some(workspace) => Some(context.worktree(workspace, working_dir.path(), session.owner.id).await?),
                None => None,
            };
            if let Some(worktree) = &worktree {
                env.entry(PORT_VARIABLE.to_owned()).or_insert_with(|| worktree.port_base.to_string());
            }
            // While the agent is prepared. A run that has waited for a limit goes on with what it began.
            let tracking = if is_tracked { None } else { Tracker::begin(&context.snapshots, &working_dir, session.id, session.owner.id) };
            let start = Start {
                owner: session.owner.name,
                env,
                borrowed: worktree.into_iter().map(|worktree| worktree.objects).collect(),
                owns_working_dir: context.config.owns_working_dir(working_dir.path()),
                working_dir,
                process_dir,
                private_home: context.config.private_home(session.first_run),
                egress,
                marker: Marker::new(run.to_string()),
                handover: secrets.to_memo(),
                task: Task {
                    spec,
                    resume: resume.clone(),
                    continues,
                    mcp_servers: secrets.mcp_servers,
                    endpoint,
                    attachments,
                    input_dir: PathBuf::new(),
                },
            };
            let agent = context.agents.prepare(start).await?;
            let tracker = match tracking {
                Some(tracking) => Some(tracking.started().await),
                None => None,
            };
            Ok(ReadyAgent { agent, access, resume, policy, tracker })
        })
    }

    /// Launches the prepared agent, after it is stored that an agent may have been started.
    pub(super) async fn launch(&mut self, prepared: Result<ReadyAgent, Failure>) -> Phase {
        let ReadyAgent { agent, access, resume, policy, tracker } = match prepared {
            Ok(ready) => ready,
            Err(failure) => return self.fail_start(failure),
        };
        self.policy = policy;
        if let Some(access) = access
            && let Err(failure) = self.start_proxy(access)
        {
            return self.fail_start(failure);
        }
        let mut events = Vec::new();
        let after_wait = self.limit_wait.is_waiting();
        if after_wait || (resume.is_some() && !self.emitted_notices.contains(&NoticeCode::Resumed)) {
            let message = match (after_wait, &resume) {
                (false, _) => "the agent continues the session's conversation",
                (true, Some(_)) => "the limit has been reset; the agent continues the run",
                (true, None) => "the limit has been reset; the agent starts again, because it had not begun",
            };
            let data = resume.map(|agent_session| json!({ "agent_session": agent_session }));
            events.push(StreamEvent::Notice { level: Level::Info, code: NoticeCode::Resumed, message: message.into(), data });
        }
        if !after_wait {
            events.extend(self.weak_limit_notices());
        }
        let changes = self.begin_changes(tracker, &mut events);
        let wait = after_wait.then_some(WaitChange::Over);
        let change = RunChange { launched_at: Some(self.log.now()), wait, changes, ..RunChange::default() };
        if let Err(error) = self.store(&events, change, None).await {
            return self.fail_start(Failure::new(Cause::Storage, error.to_string()));
        }
        if after_wait {
            self.limit_wait.end(self.usage.clone());
            self.last_turn = None;
        }
        let limit = self.timers.limit.deadline().unwrap_or_else(Instant::now);
        self.shim_deadline = Some(limit);
        let agent = agent.launch(limit.saturating_duration_since(Instant::now()));
        // The agent's shim has them now. A run that may wait for a limit starts its agent again.
        if self.spec.max_wait.is_none() {
            self.secrets = RunSecrets::default();
        }
        self.begin_supervision(&agent);
        self.reset_idle_timer();
        Phase::Running(agent)
    }

    /// Starts the time limits of an agent that was launched or found again.
    pub(super) fn begin_supervision(&mut self, agent: &AgentHandle) {
        self.restrictions = agent.restrictions().clone();
        // In-process agents have no startup timeout.
        self.timers.startup = self.context.config.startup_timeout.filter(|_| agent.can_detach()).map(|limit| Instant::now() + limit);
    }

    fn fail_start(&mut self, failure: Failure) -> Phase {
        self.transition(Input::AgentEnded(Outcome::failed(failure)));
        Phase::Closing(self.close_unstarted())
    }
}

/// Opens a run's working directory, which was checked when the run was created and may have been replaced while the run was queued.
fn open_working_dir(path: &Path) -> Result<WorkingDir, Failure> {
    WorkingDir::open(path).map_err(|error| {
        let cause = if is_resource_exhausted(&error) { Cause::Storage } else { Cause::BadArguments };
        Failure::new(cause, format!("cannot open working_dir {}: {error}", path.display()))
    })
}
