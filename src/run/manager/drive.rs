//! Runs drivers in tasks of their own, and ends the runs whose drivers die.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::RunManager;
use crate::run::driver::DriverExit;
use crate::run::live::Registration;
use crate::run::state::Outcome;
use crate::run::store::StoreError;
use crate::types::{Cause, Failure, RunId};

/// Delay before it is tried again to end a run whose driver has died.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl RunManager {
    /// Drives a run in its own task. If the driver panics or is dropped before it is done, the run is ended as failed.
    pub(in crate::run) fn drive(&self, registration: Registration, driving: impl Future<Output = DriverExit> + Send + 'static) {
        // Awaiting a captured future would reserve the room for it twice.
        let driving = Box::pin(driving);
        let guard = DriverGuard { manager: self.clone(), registration: Some(registration) };
        self.inner.tasks.spawn(async move {
            // Dropped after the driver, with its log and its agent.
            let mut guard = guard;
            driving.await;
            guard.finish();
        });
    }

    /// Ends a stored run that has no driver, with this failure. Tries again until the end is stored or the server exits; the next server
    /// ends the run then. Returns whether the run exists.
    pub(in crate::run) async fn end_undriven(&self, registration: Registration, failure: Failure) -> bool {
        let id = registration.run();
        let mut is_reported = false;
        loop {
            match self.try_end_undriven(id, &failure).await {
                Ok(exists) => return exists,
                Err(error) if !std::mem::replace(&mut is_reported, true) => {
                    tracing::warn!(run.id = %id, %error, "could not end a run that has no driver; retrying every second");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(RETRY_DELAY) => {}
                () = self.inner.context.force.cancelled() => return true,
            }
        }
    }

    async fn try_end_undriven(&self, id: RunId, failure: &Failure) -> Result<bool, StoreError> {
        // No process of the run outlives its end.
        self.kill_agent(id).await;
        // The earlier driver's last write is stored or void now.
        let lease = match self.inner.store.take_lease(id).await {
            Ok(lease) => lease,
            Err(StoreError::Ended { .. }) => return Ok(true),
            Err(StoreError::NoRun(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        match self.inner.store.run(id).await {
            Ok(Some(run)) => {
                self.end(lease, &run, Outcome::failed(failure.clone())).await?;
                self.inner.changes.notify(id, run.owner.id);
            }
            Ok(None) => return Ok(false),
            Err(error @ StoreError::Damaged { .. }) => drop(self.end_damaged(lease, &error).await?),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// Ends a run if its driver is dropped before it has finished, also by a panic.
struct DriverGuard {
    manager: RunManager,
    /// Kept until the end of the run is stored; `None` if the driver has finished.
    registration: Option<Registration>,
}

impl DriverGuard {
    fn finish(&mut self) {
        if let Some(registration) = self.registration.take() {
            self.manager.inner.completions.notify(registration.run());
        }
    }
}

impl Drop for DriverGuard {
    fn drop(&mut self) {
        // Without a runtime the process is about to exit, and the next server ends the run.
        let (Some(registration), Ok(_runtime)) = (self.registration.take(), Handle::try_current()) else { return };
        tracing::error!(run.id = %registration.run(), "the driver of a run has died; ending the run");
        let manager = self.manager.clone();
        let failure = Failure::new(Cause::Internal, "an internal error of the server ended the run; the server's log has the details");
        self.manager.inner.tasks.spawn(async move { manager.end_undriven(registration, failure).await });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests themselves wait for their tasks")]

    use super::*;
    use crate::run::events::Framing;
    use crate::run::manager::testing::{Idle, Talking, TestRuns};
    use crate::run::store::testing::{Calls, Fault};
    use crate::run::view::RunView;
    use crate::types::{RunStatus, StreamEvent};

    /// The types of the events of an ended run.
    async fn event_types(runs: &TestRuns, run: RunId) -> Vec<String> {
        let mut log = runs.manager.follow(&runs.ann, run, 0, Framing::Ndjson).await.unwrap();
        let mut types = Vec::new();
        while let Some(lines) = log.next().await {
            for line in lines.unwrap().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let event: serde_json::Value = serde_json::from_slice(line).unwrap();
                types.push(event["type"].as_str().unwrap().to_owned());
            }
        }
        types
    }

    fn assert_internal(run: &RunView) {
        assert_eq!((run.status, run.cause), (RunStatus::Failed, Some(Cause::Internal)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_panics_ends_its_run_as_failed_and_observers_are_notified() {
        let runs = TestRuns::new(Talking);
        let mut completions = runs.manager.completions().unwrap();
        // The first writes what the agent reports; the second is the end, or a further report.
        runs.store.fail_nth(Calls::Named("append"), 2, Fault::Panic);
        let run = runs.create().await.run_id;
        let reading = {
            let mut log = runs.manager.follow(&runs.ann, run, 0, Framing::Ndjson).await.unwrap();
            tokio::spawn(async move { while log.next().await.is_some() {} })
        };
        assert_internal(&runs.manager.wait(&runs.ann, run, Duration::from_hours(1)).await.unwrap());
        assert_eq!(completions.recv().await, Some(run));
        reading.await.unwrap();
        let types = event_types(&runs, run).await;
        assert_eq!((types.last().unwrap().as_str(), types.iter().filter(|kind| *kind == "done").count()), ("done", 1), "{types:?}");
        while runs.manager.inner.live.len() > 0 {
            tokio::task::yield_now().await;
        }
        // The slot is free again.
        let next = runs.create().await.run_id;
        let ended = runs.manager.wait(&runs.ann, next, Duration::from_hours(1)).await.unwrap();
        assert_eq!(ended.status, RunStatus::Completed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_is_dropped_ends_its_run_also_while_the_disk_is_full_for_a_while() {
        let runs = TestRuns::new(Idle);
        let run = crate::run::store::contract::record("ann", "test", None);
        let first = [StreamEvent::RunQueued { position: 0 }];
        let inner = &runs.manager.inner;
        let log = inner.log.create(run.clone(), crate::run::store::SessionUse::Starts, &first, None, None).await.unwrap();
        let notifier = inner.changes.notifier(run.id, run.owner.id);
        let (handle, inbox) = crate::run::live::channel(run.session, "test".into(), notifier);
        let driver = (log, inbox);
        let guard = DriverGuard { manager: runs.manager.clone(), registration: Some(inner.live.reserve(run.id, handle)) };
        let task = tokio::spawn(async move {
            let _guard = guard;
            let _driver = driver;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        runs.store.fail_nth(Calls::Writes, 1, Fault::Before);
        runs.store.fail_nth(Calls::Reads, 1, Fault::Before);
        task.abort();
        while runs.store.has_faults_left() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_internal(&runs.manager.wait(&runs.ann, run.id, Duration::from_hours(1)).await.unwrap());
        assert_eq!(event_types(&runs, run.id).await, ["run_queued", "done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_finishes_is_not_taken_for_a_dead_one() {
        let runs = TestRuns::new(Talking);
        let run = runs.create().await.run_id;
        let ended = runs.manager.wait(&runs.ann, run, Duration::from_hours(1)).await.unwrap();
        assert_eq!((ended.status, ended.cause), (RunStatus::Completed, Some(Cause::Ok)));
        assert_eq!(runs.store.count(Calls::Named("take_lease")), 0);
    }
}
