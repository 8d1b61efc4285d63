//! The end of a run: one `done` event, written as soon as the store accepts it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::changes::Finishing;
use super::timers::Timers;
use super::{Driver, DriverExit, millis};
use crate::agent::handle::AgentEnd;
use crate::process::Exit;
use crate::process::shim::release;
use crate::run::requests::resolved_event;
use crate::run::state::{Outcome, RunState};
use crate::run::store::{RunChange, StoreError};
use crate::types::{Cause, DecidedBy, RunDone, StreamEvent};

/// Delay before the run's end is written again after a failure, such as a full disk.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What remains to be stored of a run that has ended.
#[derive(Debug)]
pub(super) struct Closing {
    done: RunDone,
    /// The last events of the log, including `done`.
    events: Vec<StreamEvent>,
    change: RunChange,
    /// When it is written again; `None` for now.
    pub(super) retry_at: Option<Instant>,
    /// Why it could not be written.
    pub(super) error: Option<StoreError>,
    /// The last snapshot of the working directory, until it is complete.
    finishing: Option<Finishing>,
    /// Stop commands that are answered when the end is stored.
    stops: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Closing {
    /// Adds the changes of the run before its end is written.
    pub(super) fn after(mut self: Box<Self>, finishing: Option<Finishing>) -> Box<Self> {
        self.finishing = finishing;
        self
    }

    /// Waits for the changes of the run, for a bounded time, and adds them. Cancel-safe.
    pub(super) async fn complete(&mut self) {
        let Some(finishing) = &mut self.finishing else { return };
        let (event, changes) = finishing.finished().await;
        self.finishing = None;
        self.change.changes = Some(Box::new(changes));
        // `done` stays the last event.
        let end = self.events.len().saturating_sub(1);
        self.events.splice(end..end, event);
    }

    /// Answers a stop command: after the next attempt to write the end, or at once while the store is failing.
    pub(super) fn acknowledge(&mut self, stop: oneshot::Sender<Result<(), StoreError>>) {
        match &self.error {
            Some(error) => drop(stop.send(Err(error.clone()))),
            None => self.stops.push(stop),
        }
    }
}

impl Driver {
    /// Ends a run whose agent was never started.
    pub(super) fn close_unstarted(&mut self) -> Box<Closing> {
        self.close(AgentEnd::default())
    }

    /// Collects what is to be stored at the end. The state must be [`RunState::Ended`].
    pub(super) fn close(&mut self, end: AgentEnd) -> Box<Closing> {
        self.finishing = true;
        self.timers = Timers::off();
        let outcome = match &self.state {
            RunState::Ended(outcome) => outcome.clone(),
            state => {
                tracing::error!(run.id = %self.log.run(), ?state, "the run is closed before it ended");
                Outcome::from_agent_end(self.last_turn.as_ref(), &end)
            }
        };
        let succeeded = outcome.cause == Cause::Ok;
        let spend_message = (outcome.cause == Cause::SpendLimit).then(|| self.spend_message()).flatten();
        let done = RunDone {
            status: outcome.status,
            cause: outcome.cause,
            message: spend_message.or(outcome.message),
            exit_code: end.exit.and_then(Exit::code),
            signal: end.exit.and_then(Exit::signal),
            out_of_memory: end.out_of_memory,
            result: self.last_turn.take().and_then(Result::ok),
            output: self.output.take().filter(|_| succeeded),
            usage: self.usage.take(),
            duration_ms: millis(self.prior_age + self.created.elapsed()),
            stderr_tail: Some(end.stderr_tail).filter(|tail| !succeeded && !tail.is_empty()),
        };
        tracing::info!(run.id = %self.log.run(), status = done.status.as_str(), cause = done.cause.as_str(), "run ended");
        let (mut events, change) = std::mem::take(&mut self.held).into_parts();
        events.extend(self.requests.close_all().iter().map(|(id, answer)| resolved_event(id, answer, DecidedBy::Policy)));
        events.extend(self.undelivered_notice());
        self.queued_messages.clear();
        events.push(StreamEvent::Done(done.clone()));
        Box::new(Closing { done, events, change, retry_at: None, error: None, finishing: None, stops: Vec::new() })
    }

    /// Writes the end. Returns the phase in which it is written again later if that fails.
    pub(super) async fn write_end(&mut self, mut closing: Box<Closing>) -> Box<Closing> {
        let change = RunChange { done: Some((closing.done.clone(), self.log.now())), ..closing.change.clone() };
        let written = self.store(&closing.events, change, None).await;
        for stop in closing.stops.drain(..) {
            let _ = stop.send(written.clone());
        }
        match written {
            Ok(()) => {
                self.exit = Some(DriverExit::Ended);
                self.context.metrics.record_ended(&self.spec.agent_type, &closing.done);
                self.inbox.publish_end(closing.done.status);
                self.clean_up().await;
            }
            Err(error) if self.exit.is_some() => {
                tracing::warn!(run.id = %self.log.run(), %error, "left the end of a run to another driver");
            }
            Err(error @ (StoreError::NotNext { .. } | StoreError::Ended { .. } | StoreError::Closed)) => {
                tracing::error!(run.id = %self.log.run(), %error, "could not write the run's end");
                self.exit = Some(DriverExit::Abandoned);
            }
            Err(error) => (closing.retry_at, closing.error) = (Some(Instant::now() + RETRY_DELAY), Some(error)),
        }
        closing
    }

    /// Releases the shim, and removes the files that only a live run needs.
    async fn clean_up(&self) {
        let dir = self.context.config.process_dir(self.log.run());
        release(&dir).await;
        // Best effort: recovery does not look at ended runs.
        let _ = tokio::task::spawn_blocking(move || dir.remove_process_files()).await;
    }
}
