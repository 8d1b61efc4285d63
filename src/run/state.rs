//! The state machine of a run. Pure: no clock, no I/O, no lock.
//!
//! ```text
//! queued ─▶ starting ─▶ running ⇄ waiting     (after a wait for a limit to reset: back to starting)
//!    │          │           │        │
//!    └──────────┴─────┬─────┴────────┘
//!                     ▼
//!                 stopping ─▶ ended      (directly to ended if the agent ends by itself)
//! ```

use crate::agent::handle::AgentEnd;
use crate::process::Exit;
use crate::process::shim::StoppedBy;
use crate::types::{Cause, Failure, RunStatus, TurnEnd, string_enum};

/// State of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Waiting for a slot.
    Queued,
    /// The agent is being started.
    Starting,
    /// The agent is working.
    Running,
    /// The agent is waiting for this many answers, at least one.
    Waiting(u32),
    /// The run waits for a limit of the model's provider to reset. Its agent is exiting, or has exited.
    WaitingForReset,
    /// The run is being stopped, for this reason.
    Stopping(StopReason),
    /// Final.
    Ended(Outcome),
}

/// An input of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The run got a slot.
    Admitted,
    /// The agent is ready.
    AgentReady,
    /// The agent opened a request and waits for the answer.
    RequestOpened,
    /// A request was answered or withdrawn.
    RequestClosed,
    /// The agent's turn failed by a limit of the model's provider, for whose reset the run waits.
    LimitReached,
    /// A stop was requested.
    StopRequested(StopReason),
    /// The agent has ended, with this outcome.
    AgentEnded(Outcome),
}

string_enum! {
    /// Why a run is stopped. The names appear in the shim's journal.
    pub enum StopReason {
        /// A client cancelled it.
        Cancel = "cancel",
        /// `timeout_secs` expired.
        Timeout = "timeout",
        /// `idle_timeout_secs` expired.
        IdleTimeout = "idle_timeout",
        /// The agent printed nothing within the startup timeout.
        StartupTimeout = "startup_timeout",
        /// The server shuts down.
        Shutdown = "shutdown",
        /// A spend limit was exceeded.
        SpendLimit = "spend_limit",
        /// The log could not be written.
        Storage = "storage",
        /// The server that drove the run died.
        NodeLost = "node_lost",
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One of the ended statuses.
    pub status: RunStatus,
    /// The cause, from a closed list.
    pub cause: Cause,
    /// Human-readable description of the failure; `None` on success.
    pub message: Option<String>,
}

/// An input that is invalid in the current state: a bug. The state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} is invalid in state {from:?}")]
pub struct InvalidTransition {
    from: RunState,
    input: Input,
}

impl RunState {
    /// Returns the next state.
    ///
    /// # Errors
    /// [`InvalidTransition`] if the input is invalid in this state.
    #[expect(clippy::match_same_arms, reason = "one line per transition, in the order of a run's lifecycle")]
    pub fn next(self, input: Input) -> Result<Self, InvalidTransition> {
        use {Input as I, RunState as S};
        Ok(match (self, input) {
            (S::Queued, I::Admitted) => S::Starting,
            (S::Starting, I::AgentReady) => S::Running,
            (S::Running, I::RequestOpened) => S::Waiting(1),
            (S::Waiting(open), I::RequestOpened) => S::Waiting(open.saturating_add(1)),
            (S::Waiting(1), I::RequestClosed) => S::Running,
            (S::Waiting(open), I::RequestClosed) => S::Waiting(open.saturating_sub(1)),
            (S::Running, I::LimitReached) => S::WaitingForReset,
            (S::WaitingForReset, I::Admitted) => S::Starting,
            // No agent has been started yet.
            (S::Queued, I::StopRequested(reason)) => S::Ended(reason.outcome()),
            (S::Starting | S::Running | S::Waiting(_) | S::WaitingForReset, I::StopRequested(reason)) => S::Stopping(reason),
            (S::Stopping(first), I::StopRequested(_)) => S::Stopping(first), // the first reason wins
            // The agent may become ready and open or close requests while it is being stopped.
            (S::Stopping(reason), I::AgentReady | I::RequestOpened | I::RequestClosed) => S::Stopping(reason),
            (S::Stopping(reason), I::AgentEnded(_)) => S::Ended(reason.outcome()),
            (S::Starting | S::Running | S::Waiting(_) | S::WaitingForReset, I::AgentEnded(outcome)) => S::Ended(outcome),
            (S::Ended(outcome), I::StopRequested(_)) => S::Ended(outcome), // a late cancel is valid
            (from, input) => return Err(InvalidTransition { from, input }),
        })
    }

    /// The status that clients see.
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Queued => RunStatus::Queued,
            Self::Starting => RunStatus::Starting,
            Self::Running => RunStatus::Running,
            Self::Waiting(_) | Self::WaitingForReset => RunStatus::Waiting,
            Self::Stopping(_) => RunStatus::Stopping,
            Self::Ended(outcome) => outcome.status,
        }
    }
}

impl StopReason {
    /// The outcome of a run that was stopped for this reason.
    pub fn outcome(self) -> Outcome {
        let (status, cause, message) = match self {
            Self::Cancel => (RunStatus::Cancelled, Cause::Cancelled, "the run was cancelled"),
            Self::Timeout => (RunStatus::TimedOut, Cause::Timeout, "the run exceeded timeout_secs"),
            Self::IdleTimeout => (RunStatus::TimedOut, Cause::IdleTimeout, "the agent printed nothing for idle_timeout_secs"),
            Self::StartupTimeout => (
                RunStatus::TimedOut,
                Cause::StartupTimeout,
                "the agent printed nothing within OPENRUNNER_STARTUP_TIMEOUT_SECS after its start",
            ),
            Self::Shutdown => (RunStatus::Interrupted, Cause::Shutdown, "the server was shut down during the run"),
            Self::Storage => (RunStatus::Failed, Cause::Storage, "the server stopped the run because it could not write the run's log"),
            // The driver replaces the message by one with the values.
            Self::SpendLimit => (RunStatus::Failed, Cause::SpendLimit, "the run exceeded a spend limit"),
            Self::NodeLost => (RunStatus::Interrupted, Cause::NodeLost, "the server that drove the run died"),
        };
        Outcome { status, cause, message: Some(message.to_owned()) }
    }
}

impl Outcome {
    /// The outcome of a failed run.
    pub fn failed(Failure { cause, message }: Failure) -> Self {
        Self { status: RunStatus::Failed, cause, message: Some(message).filter(|message| !message.is_empty()) }
    }

    /// The outcome of a run whose agent ended by itself. Success requires a good result from the agent *and* a good exit: real agents exit
    /// with 0 after failures and with 1 after answers (rule R4).
    pub fn from_agent_end(turn: Option<&TurnEnd>, end: &AgentEnd) -> Self {
        if let Some(message) = &end.lost {
            return Self { message: Some(message.clone()), ..StopReason::NodeLost.outcome() };
        }
        match end.stopped_by {
            Some(StoppedBy::Limit) => return StopReason::Timeout.outcome(),
            Some(StoppedBy::OutputFull) => {
                let message = "the agent was stopped because its output exceeded OPENRUNNER_MAX_OUTPUT_MB";
                return Self::failed(Failure::new(Cause::Storage, message));
            }
            Some(StoppedBy::Disk) => {
                return Self::failed(Failure::new(Cause::Storage, "the agent was stopped because its output could not be written to disk"));
            }
            Some(StoppedBy::Command) | None => {}
        }
        match (turn, end.exit) {
            (Some(Err(failure)), _) => Self::failed(failure.clone()),
            // In-process agents have no exit status, and that of an agent that was stopped after its result does not count.
            (Some(Ok(_)), None | Some(Exit::Code(0))) => Self { status: RunStatus::Completed, cause: Cause::Ok, message: None },
            (Some(Ok(_)), Some(_)) if end.exit_grace_expired => Self { status: RunStatus::Completed, cause: Cause::Ok, message: None },
            (_, Some(exit)) if end.out_of_memory && !exit.is_success() => {
                let hint = "raise OPENRUNNER_RUN_MEMORY_MB if it is set, or free memory on the machine";
                Self::failed(Failure::new(
                    Cause::Killed,
                    format!("the kernel killed the agent because it ran out of memory ({exit}); {hint}"),
                ))
            }
            (Some(Ok(_)), Some(exit)) => {
                Self::failed(Failure::new(exit_cause(exit), format!("the agent reported a result, but then ended with {exit}")))
            }
            (None, exit) => Self::failed(end.failure.clone().unwrap_or_else(|| match exit {
                None | Some(Exit::Code(0)) => Failure::new(Cause::Protocol, "the agent exited without reporting a result"),
                Some(exit) => Failure::new(exit_cause(exit), format!("the agent ended with {exit} before it reported a result")),
            })),
        }
    }
}

fn exit_cause(exit: Exit) -> Cause {
    match exit {
        Exit::Code(_) => Cause::Crashed,
        Exit::Signal(_) => Cause::Killed,
    }
}

#[cfg(test)]
mod tests {
    //! Rules: R4.

    use proptest::prelude::*;

    use super::*;

    fn success() -> Outcome {
        Outcome { status: RunStatus::Completed, cause: Cause::Ok, message: None }
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Admitted),
            Just(Input::AgentReady),
            Just(Input::RequestOpened),
            Just(Input::RequestClosed),
            Just(Input::LimitReached),
            proptest::sample::select(&StopReason::ALL[..]).prop_map(Input::StopRequested),
            Just(Input::AgentEnded(success())),
        ]
    }

    proptest! {
        #[test]
        fn an_ended_run_never_changes_and_the_first_stop_reason_wins(inputs in proptest::collection::vec(any_input(), 0..40)) {
            let mut state = RunState::Queued;
            for input in inputs {
                let before = state.clone();
                let Ok(after) = state.clone().next(input) else { continue };
                match &before {
                    RunState::Ended(_) => prop_assert_eq!(&after, &before),
                    RunState::Stopping(reason) if matches!(after, RunState::Ended(_)) => {
                        prop_assert_eq!(&after, &RunState::Ended(reason.outcome()));
                    }
                    RunState::Stopping(_) => prop_assert_eq!(&after, &before),
                    _ => {}
                }
                prop_assert_eq!(after.status().is_ended(), matches!(after, RunState::Ended(_)));
                prop_assert!(!matches!(after, RunState::Waiting(0)), "waiting implies an open request");
                state = after;
            }
        }
    }

    #[test]
    fn every_pair_of_state_and_input_is_covered() {
        let states = [
            RunState::Queued,
            RunState::Starting,
            RunState::Running,
            RunState::Waiting(2),
            RunState::WaitingForReset,
            RunState::Stopping(StopReason::Cancel),
            RunState::Ended(success()),
        ];
        let inputs = [
            Input::Admitted,
            Input::AgentReady,
            Input::RequestOpened,
            Input::RequestClosed,
            Input::LimitReached,
            Input::StopRequested(StopReason::Timeout),
            Input::AgentEnded(success()),
        ];
        let table: Vec<String> = states
            .iter()
            .flat_map(|state| inputs.iter().map(move |input| (state, input)))
            .map(|(state, input)| match state.clone().next(input.clone()) {
                Ok(next) => format!("{:9} + {input:?} -> {next:?}", state.status().as_str()),
                Err(_) => format!("{:9} + {input:?} -> invalid", state.status().as_str()),
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    fn end(exit: Option<Exit>) -> AgentEnd {
        AgentEnd { exit, ..AgentEnd::default() }
    }

    #[test]
    fn success_requires_a_good_result_and_a_good_exit() {
        let ok: TurnEnd = Ok("done".into());
        let bad: TurnEnd = Err(Failure::new(Cause::RateLimited, "later"));
        assert_eq!(Outcome::from_agent_end(Some(&ok), &end(Some(Exit::Code(0)))), success());
        assert_eq!(Outcome::from_agent_end(Some(&ok), &end(None)), success());
        assert_eq!(Outcome::from_agent_end(Some(&ok), &AgentEnd { exit_grace_expired: true, ..end(Some(Exit::Signal(15))) }), success());
        let cause = |turn: Option<&TurnEnd>, exit| Outcome::from_agent_end(turn, &end(exit)).cause;
        assert_eq!(cause(Some(&ok), Some(Exit::Code(1))), Cause::Crashed);
        assert_eq!(cause(Some(&bad), Some(Exit::Code(0))), Cause::RateLimited);
        assert_eq!(cause(None, Some(Exit::Code(0))), Cause::Protocol);
        assert_eq!(cause(None, Some(Exit::Code(3))), Cause::Crashed);
        assert_eq!(cause(None, Some(Exit::Signal(9))), Cause::Killed);
        let oom = AgentEnd { out_of_memory: true, ..end(Some(Exit::Signal(9))) };
        assert_eq!(Outcome::from_agent_end(None, &oom).cause, Cause::Killed);
        assert!(Outcome::from_agent_end(None, &oom).message.is_some_and(|message| message.contains("memory")));
        assert_eq!(
            Outcome::from_agent_end(Some(&ok), &AgentEnd { out_of_memory: true, ..end(Some(Exit::Code(0))) }),
            success(),
            "it recovered"
        );
        let reported = AgentEnd { failure: Some(Failure::new(Cause::BadArguments, "no such flag")), ..end(Some(Exit::Code(2))) };
        assert_eq!(Outcome::from_agent_end(None, &reported).cause, Cause::BadArguments);
    }
}
