//! Continues runs whose agents were launched by an earlier server.

use std::time::Duration;

use super::Outcome;
use crate::agent::handle::{Logged, ReattachedAgent};
use crate::process::{Marker, WorkingDir, shim};
use crate::redact::Secrets;
use crate::run::attachments::attachments_of;
use crate::run::driver::{Driver, Tracker};
use crate::run::events::LogSummary;
use crate::run::live::{self, Registration};
use crate::run::manager::RunManager;
use crate::run::run_secrets::RunSecrets;
use crate::run::store::{RunRecord, StoreError};
use crate::types::{Cause, Failure, Lease, RunId};

impl RunManager {
    /// Continues a run whose agent was launched, or ends it if that is not possible.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read or the end cannot be stored. A living agent is left alone then.
    pub(super) async fn reattach(&self, lease: Lease, run: RunRecord) -> Result<Outcome, StoreError> {
        let policy = match self.inner.config.policy_of(run.id, &run.spec) {
            Ok(policy) => policy,
            Err(failure) => return self.kill_and_end(lease, &run, failure).await,
        };
        // Before the agent is looked for: dropping its handle kills it.
        let summary = self.inner.log.summarize(run.id).await?;
        let open_requests = summary.open.iter().filter_map(|(request, _)| request.request_id().map(str::to_owned)).collect();
        let logged = Logged { checkpoint: run.checkpoint.unwrap_or_default(), open_requests };
        let (agent, values) = match self.find_agent(&run, logged).await {
            Ok(found) => found,
            Err(failure) => return self.kill_and_end(lease, &run, failure).await,
        };
        let secrets = self.secrets_of(&run).with(values);
        let slot = self.inner.admission.admit_existing(run.id, run.owner.id, &run.spec.agent_type);
        let session = self.inner.sessions.join(run.session);
        let (registration, driver) = self.restore_driver(lease, &run, summary, secrets);
        let mut driver = driver.with_policy(policy).with_tracker(self.tracker_of(&run).await);
        if Driver::needs_proxy(&agent)
            && let Err(failure) = driver.start_proxy(self.inner.context.access(&run.spec, &run.owner.name))
        {
            tracing::error!(run.id = %run.id, error.cause = failure.message, "an agent has no network from here on");
        }
        tracing::info!(run.id = %run.id, "reattached to the agent of a run");
        self.drive(registration, driver.reattach(agent, slot, session));
        Ok(Outcome::Reattached)
    }

    /// Continues to record what a run changes, if that was begun. Failures are logged: the run is continued without.
    pub(super) async fn tracker_of(&self, run: &RunRecord) -> Option<Tracker> {
        let stored = self.inner.store.changes(run.id).await.unwrap_or_else(|error| {
            tracing::warn!(run.id = %run.id, %error, "the changes of a run are not recorded from here on");
            None
        })?;
        let path = run.spec.working_dir.clone();
        let opened = tokio::task::spawn_blocking(move || WorkingDir::open(&path)).await;
        let working_dir = opened.unwrap_or_else(|died| Err(std::io::Error::other(died)));
        match working_dir {
            Ok(working_dir) => Tracker::resume(&self.inner.context.snapshots, &working_dir, run.session, run.owner.id, stored.record),
            Err(error) => {
                tracing::warn!(run.id = %run.id, %error, "the changes of a run are not recorded from here on");
                None
            }
        }
    }

    /// Finds the agent of a run, and the secrets that its shim keeps.
    async fn find_agent(&self, run: &RunRecord, logged: Logged) -> Result<(crate::agent::handle::AgentHandle, Vec<String>), Failure> {
        let (dir, marker) = (self.inner.config.process_dir(run.id), Marker::new(run.id.to_string()));
        let attachments = attachments_of(&*self.inner.store, run.id, &run.spec).await?;
        let found = self.inner.context.agents.reattach(&run.spec, attachments, dir, marker, logged, run.started_at.is_some()).await?;
        let lost = |message: &str| Failure::new(Cause::NodeLost, message);
        let Some(ReattachedAgent { handle, handover }) = found else {
            return Err(lost("the server died while it launched the agent, or the agent's files are lost"));
        };
        // Dropping the handle kills the agent.
        let values = RunSecrets::values_from_memo(&handover).ok_or_else(|| lost("the memo that the shim keeps for the run is invalid"))?;
        Ok((handle, values))
    }

    /// What is masked in every run of this agent.
    pub(super) fn secrets_of(&self, run: &RunRecord) -> Secrets {
        self.inner.log.secrets().with(self.inner.context.agents.secrets(&run.spec.agent_type))
    }

    /// Kills the shim and all processes of a run that cannot be continued.
    pub(in crate::run) async fn kill_agent(&self, id: RunId) {
        let survivors = match shim::kill(&self.inner.config.process_dir(id), &Marker::new(id.to_string())).await {
            shim::Found::Lost(survivors) => survivors.count,
            shim::Found::Ended(record) => record.left_behind,
            shim::Found::Alive { .. } => 0,
        };
        if survivors > 0 {
            tracing::warn!(run.id = %id, survivors, "could not kill all processes of an interrupted run");
        }
    }

    /// The driver of a run that an earlier server drove. `secrets` are masked in its events.
    pub(super) fn restore_driver(&self, lease: Lease, run: &RunRecord, summary: LogSummary, secrets: Secrets) -> (Registration, Driver) {
        let inner = &self.inner;
        let log = inner.log.reopen(lease, run, secrets);
        let notifier = inner.changes.notifier(run.id, run.owner.id);
        let (handle, inbox) = live::channel(run.session, run.spec.agent_type.clone(), notifier);
        let registration = inner.live.reserve(run.id, handle);
        registration.activate();
        let age = u64::try_from(inner.log.now().as_millis() - run.created_at.as_millis()).unwrap_or(0);
        let driver = Driver::new(&run.spec, run.session, RunSecrets::default(), log, inbox, inner.context.clone());
        (registration, driver.with_summary(summary, Duration::from_millis(age)))
    }
}
