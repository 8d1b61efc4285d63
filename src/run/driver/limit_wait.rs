//! Waiting for a limit of the model's provider to reset.
//!
//! ```text
//! turn fails, reset time is known ──▶ announced: waiting, the agent exits ──▶ parked: no process, no slot ──▶ admitted, launched again
//! ```
//!
//! Only the session stays occupied. A parked run is, for a later server, a run whose agent was not launched: it is queued again, and its row
//! states until when it waits.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::phase::{Admission, Phase};
use super::timers::WallClock;
use super::{Batch, Driver, DriverExit, millis};
use crate::agent::handle::{AgentEnd, AgentHandle};
use crate::process::shim::release;
use crate::run::admission::Ticket;
use crate::run::events::LogSummary;
use crate::run::queued_message::QueuedMessage;
use crate::run::sessions::SessionTurn;
use crate::run::state::{Input, RunState};
use crate::run::store::{RunChange, WaitChange};
use crate::types::{Cause, Failure, Level, NoticeCode, StreamEvent, Timestamp, Usage};

/// The shortest wait. It doubles with each further wait, for a limit that applies although it should have been reset.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// What is known of the provider's limit, and of the waits for it.
#[derive(Debug, Default)]
pub(super) struct LimitWait {
    /// When the limit resets that the agent has reported in this turn.
    resets_at: Option<Timestamp>,
    /// Until when the run waits; from the failed turn until another agent is launched.
    until: Option<Timestamp>,
    /// Time for which the run has waited so far, including the present wait.
    waited: Duration,
    /// Number of waits.
    count: u32,
    /// Usage of the agents of this run before the present one.
    earlier_usage: Option<Usage>,
    /// What was left of the run's time limit when an earlier server began to wait.
    time_left: Option<Duration>,
}

impl LimitWait {
    /// As an earlier server left it.
    pub(super) fn from_summary(summary: &LogSummary) -> Self {
        Self {
            resets_at: summary.resets_at,
            until: summary.waits_until,
            waited: summary.waited,
            count: summary.waits,
            earlier_usage: summary.earlier_usage.clone(),
            time_left: summary.time_left,
        }
    }

    /// Whether the run waits, or its agent is about to be started after a wait.
    pub(super) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    /// Notes the start of a turn, in which a limit is reported again.
    pub(super) fn start_turn(&mut self) {
        self.resets_at = None;
    }

    /// Notes what the agent has reported in the present turn, which may not be the one of the last report in the log.
    pub(super) fn set_resets_at(&mut self, resets_at: Option<Timestamp>) {
        self.resets_at = resets_at;
    }

    /// Notes the launch of the agent that continues. `usage` is that of the run so far.
    pub(super) fn end(&mut self, usage: Option<Usage>) {
        (self.until, self.resets_at, self.earlier_usage) = (None, None, usage);
    }

    /// Adds the usage of the run's earlier agents to what the present one reports.
    pub(super) fn add_earlier_usage(&self, usage: &mut Usage) {
        if let Some(earlier) = &self.earlier_usage {
            usage.add(earlier);
        }
    }
}

impl Driver {
    /// Notes when a limit resets, if this notice reports one that applies.
    pub(super) fn note_rate_limit(&mut self, notice: &StreamEvent) {
        if let Some(resets_at) = notice.limit_reset() {
            self.limit_wait.resets_at = Some(resets_at);
        }
    }

    /// Whether the run waits for a limit to reset. Its last agent may still be exiting.
    pub(super) fn is_waiting_for_reset(&self) -> bool {
        self.state == RunState::WaitingForReset
    }

    /// Until when the run waits after a turn with this failure, or why it does not although it was asked to. `None` if it was not, or if the
    /// failure is another one.
    fn plan_wait(&self, failure: &Failure) -> Option<Result<Timestamp, String>> {
        let max = self.spec.max_wait.filter(|_| failure.cause == Cause::RateLimited)?;
        if self.finishing || self.state != RunState::Running {
            return None;
        }
        if self.lacks_secrets() {
            let reason = "the run did not wait, because the server was restarted, and the values of env and mcp_servers are not stored";
            return Some(Err(reason.to_owned()));
        }
        let Some(resets_at) = self.limit_wait.resets_at else {
            return Some(Err("the run did not wait, because it is unknown when the limit resets".to_owned()));
        };
        let delay = self.wait_until(resets_at);
        if self.limit_wait.waited.saturating_add(delay) > max {
            let max = max.as_secs();
            return Some(Err(format!("the run did not wait, because the limit resets at {resets_at}, and max_wait_secs is {max}")));
        }
        let millis = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        Some(Ok(Timestamp::from_millis(self.log.now().as_millis().saturating_add(millis))))
    }

    /// Whether another agent could not be started, because it needs values that only an earlier server knew.
    fn lacks_secrets(&self) -> bool {
        self.spec.has_secrets && self.secrets.is_empty()
    }

    /// How long to wait for a limit that resets at this time.
    fn wait_until(&self, resets_at: Timestamp) -> Duration {
        let min = MIN_WAIT.saturating_mul(1 << self.limit_wait.count.min(20));
        until(resets_at, self.log.now()).max(min)
    }

    /// Begins to wait if the agent's turn has failed by a limit and the run is to wait for its reset: the agent is asked to exit. Otherwise
    /// adds to the failure why it does not wait. Returns whether the run waits.
    pub(super) async fn begin_wait(&mut self, agent: &AgentHandle) -> bool {
        let Some(notice) = self.announce_wait() else { return false };
        let change = RunChange { wait: self.limit_wait.until.map(WaitChange::Until), ..RunChange::default() };
        if self.store(&[notice], change, Some(agent)).await.is_err() {
            // What cannot be stored is not waited for: the run fails by the limit.
            self.abandon_wait();
            self.finishing = true;
        }
        // A stop that has arrived meanwhile ends the agent in its own way.
        if self.exit.is_none() && !matches!(self.state, RunState::Stopping(_)) {
            agent.finish().await;
        }
        true
    }

    /// Decides whether to wait, and enters the state if so. Returns the notice to store.
    fn announce_wait(&mut self) -> Option<StreamEvent> {
        let Some(Err(failure)) = &self.last_turn else { return None };
        let until = match self.plan_wait(failure)? {
            Ok(until) => until,
            Err(reason) => {
                self.explain_failure(&reason);
                return None;
            }
        };
        let resets_at = self.limit_wait.resets_at;
        self.limit_wait.waited = self.limit_wait.waited.saturating_add(self::until(until, self.log.now()));
        self.limit_wait.count = self.limit_wait.count.saturating_add(1);
        self.limit_wait.until = Some(until);
        self.transition(Input::LimitReached);
        self.timers.idle = None;
        let message = format!("the provider's limit was reached; the run waits until {until} and continues then");
        // A later server must not deliver again what the agent has received.
        let mut data = json!({ "resets_at": resets_at, "resumes_at": until });
        if let Some(left) = self.timers.limit.remaining() {
            data["timeout_left_ms"] = millis(left).into();
        }
        QueuedMessage::describe(&self.queued_messages, &mut data);
        Some(StreamEvent::Notice { level: Level::Info, code: NoticeCode::WaitingForReset, message, data: Some(data) })
    }

    /// Ends a wait that cannot be stored: the run fails by the limit.
    fn abandon_wait(&mut self) {
        if self.limit_wait.until.take().is_some() {
            self.explain_failure("the run did not wait, because that could not be stored");
        }
    }

    /// Adds to the failure of the last turn why the run does not wait.
    fn explain_failure(&mut self, reason: &str) {
        if let Some(Err(failure)) = &mut self.last_turn {
            failure.message = format!("{}; {reason}", failure.message);
        }
    }

    /// Continues to wait for the exit of the agent of a run that an earlier server drove. Returns whether the run waits.
    pub(super) async fn restore_wait(&mut self, agent: &AgentHandle) -> bool {
        if self.lacks_secrets() {
            self.limit_wait.until = None;
        }
        if !self.limit_wait.is_waiting() || !matches!(&self.last_turn, Some(Err(failure)) if failure.cause == Cause::RateLimited) {
            return false;
        }
        self.finishing = false;
        self.restore_time_limit();
        self.transition(Input::LimitReached);
        self.timers.idle = None;
        let _ = self.store_status(Some(agent)).await;
        if self.exit.is_none() {
            agent.finish().await;
        }
        true
    }

    /// Parks a run whose agent has ended, if the run waits: releases its slot and removes what was left of the agent. `batch` contains the
    /// agent's last items; it is empty afterwards. `None` if the run does not wait, or if that cannot be stored: it ends then.
    pub(super) async fn park(&mut self, end: &AgentEnd, batch: &mut Batch) -> Option<Phase> {
        if end.lost.is_some() {
            return None;
        }
        if !self.held.is_empty() {
            self.abandon_wait();
            return None;
        }
        // An agent may report the end of its turn only by its exit.
        let notice = if self.is_waiting_for_reset() { None } else { Some(self.announce_wait()?) };
        let until = self.limit_wait.until?;
        let reported = batch.events.len();
        batch.events.extend(notice);
        batch.change.wait = Some(WaitChange::Parked(until));
        if self.store(&batch.events, batch.change.clone(), None).await.is_err() {
            batch.events.truncate(reported);
            batch.change.wait = None;
            self.abandon_wait();
            return None;
        }
        *batch = Batch::default();
        let dir = self.context.config.process_dir(self.log.run());
        release(&dir).await;
        // Best effort: the agent that continues fails to start if it cannot be removed then, either.
        let _ = tokio::task::spawn_blocking(move || dir.remove()).await;
        let (session, slot) = self.permits.take()?;
        tracing::info!(run.id = %self.log.run(), until = %until, "waiting for a limit to reset");
        let (at, ticket) = (self.instant_of(until), slot.park());
        Some(Phase::Waiting(Box::pin(async move {
            sleep_until(at).await;
            (session, ticket.admitted().await)
        })))
    }

    /// Drives a run that an earlier server has parked until this time, to its end or until the server detaches.
    pub(in crate::run) async fn run_parked(mut self, ticket: Ticket, session: SessionTurn, until: Timestamp) -> DriverExit {
        if !self.started {
            self.transition(Input::Admitted);
            self.transition(Input::AgentReady);
            self.started = true;
        }
        self.limit_wait.until = Some(until);
        self.restore_time_limit();
        self.transition(Input::LimitReached);
        let at = self.instant_of(until);
        let admission: Admission = Box::pin(async move {
            let session = session.await;
            sleep_until(at).await;
            (Some(session), ticket.admitted().await)
        });
        Box::new(self).drive(Phase::Waiting(admission)).await
    }

    /// Continues the time limit where an earlier server has announced the wait. A damaged log does not contain where that was.
    fn restore_time_limit(&mut self) {
        let left = self.limit_wait.time_left.unwrap_or(self.spec.timeout);
        self.timers.limit = WallClock::Paused { remaining: left.min(self.spec.timeout) };
    }

    fn instant_of(&self, at: Timestamp) -> Instant {
        let now = Instant::now();
        // Bounded by `max_wait_secs`, unless the row is damaged.
        now.checked_add(until(at, self.log.now())).unwrap_or(now)
    }
}

/// The time from `now` to `at`; zero if that is past.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millis().saturating_sub(now.as_millis())).unwrap_or(0))
}
