//! The states of a run and what leads from one to the next. Pure: no clock, no I/O, no lock.
//!
//! ```text
//! queued ─▶ starting ─▶ running ⇄ waiting
//!    │          │           │        │
//!    └──────────┴─────┬─────┴────────┘
//!                     ▼
//!                 stopping ─▶ ended      (an agent that ends by itself goes straight to ended)
//! ```

use crate::agent::handle::AgentEnd;
use crate::process::Exit;
use crate::process::shim::StoppedBy;
use crate::types::{Cause, Failure, RunStatus, TurnEnd};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Waits for a free place.
    Queued,
    /// Its agent is being started.
    Starting,
    /// The agent works.
    Running,
    /// The agent waits for this many answers.
    Waiting(u32),
    /// It was told to stop, for this reason.
    Stopping(StopReason),
    /// It is over, and never changes again.
    Ended(Outcome),
}

/// Something that may change where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A place is free.
    Admitted,
    /// The agent is up.
    AgentReady,
    /// The agent asks something and waits.
    RequestOpened,
    /// One of its requests was answered, or is void.
    RequestClosed,
    /// Somebody or something wants it stopped.
    StopAsked(StopReason),
    /// Nothing of the agent is left; this is what its own end says.
    AgentGone(Outcome),
}

/// Why a run is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// A user's cancel.
    Cancel,
    /// The wall-clock limit.
    Timeout,
    /// Nothing came for too long.
    IdleTimeout,
    /// The agent said nothing at all after its start.
    StartupTimeout,
    /// The server goes away.
    Shutdown,
    /// The log cannot be written.
    Storage,
    /// The server that drove it died, and this one found it unfinished.
    NodeLost,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One of the ended ones.
    pub status: RunStatus,
    /// Why.
    pub cause: Cause,
    /// What went wrong, for a person; `None` where all is well.
    pub message: Option<String>,
}

/// An input that has no meaning where the run stands. A fault of ours; the state stays what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} has no meaning for a run that is {from:?}")]
pub struct InvalidTransition {
    from: RunState,
    input: Input,
}

impl RunState {
    /// The state that follows.
    ///
    /// # Errors
    /// [`InvalidTransition`] if the input has no meaning here.
    #[expect(clippy::match_same_arms, reason = "one line for each thing that can happen, in the order of a run's life")]
    pub fn next(self, input: Input) -> Result<Self, InvalidTransition> {
        use {Input as I, RunState as S};
        Ok(match (self, input) {
            (S::Queued, I::Admitted) => S::Starting,
            (S::Starting, I::AgentReady) => S::Running,
            (S::Running, I::RequestOpened) => S::Waiting(1),
            (S::Waiting(open), I::RequestOpened) => S::Waiting(open.saturating_add(1)),
            (S::Waiting(1), I::RequestClosed) => S::Running,
            (S::Waiting(open), I::RequestClosed) => S::Waiting(open.saturating_sub(1)),
            // Nothing has been started yet, so there is nothing to stop.
            (S::Queued, I::StopAsked(reason)) => S::Ended(reason.outcome()),
            (S::Starting | S::Running | S::Waiting(_), I::StopAsked(reason)) => S::Stopping(reason),
            (S::Stopping(first), I::StopAsked(_)) => S::Stopping(first), // the first reason stands
            // The agent may come up, ask and be answered while it is being stopped: that changes nothing any more.
            (S::Stopping(reason), I::AgentReady | I::RequestOpened | I::RequestClosed) => S::Stopping(reason),
            (S::Stopping(reason), I::AgentGone(_)) => S::Ended(reason.outcome()),
            (S::Starting | S::Running | S::Waiting(_), I::AgentGone(outcome)) => S::Ended(outcome),
            (S::Ended(outcome), I::StopAsked(_)) => S::Ended(outcome), // a cancel that comes too late is no fault
            (from, input) => return Err(InvalidTransition { from, input }),
        })
    }

    /// The same as clients see it.
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Queued => RunStatus::Queued,
            Self::Starting => RunStatus::Starting,
            Self::Running => RunStatus::Running,
            Self::Waiting(_) => RunStatus::Waiting,
            Self::Stopping(_) => RunStatus::Stopping,
            Self::Ended(outcome) => outcome.status,
        }
    }
}

impl StopReason {
    /// Every reason.
    const ALL: [Self; 7] =
        [Self::Cancel, Self::Timeout, Self::IdleTimeout, Self::StartupTimeout, Self::Shutdown, Self::Storage, Self::NodeLost];

    /// The word by which it is kept with an agent that is being stopped.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Timeout => "timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::StartupTimeout => "startup_timeout",
            Self::Shutdown => "shutdown",
            Self::Storage => "storage",
            Self::NodeLost => "node_lost",
        }
    }

    /// The reason of that word.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// What a run ends as that was stopped for this reason.
    pub fn outcome(self) -> Outcome {
        let (status, cause, message) = match self {
            Self::Cancel => (RunStatus::Cancelled, Cause::Cancelled, "the run was cancelled"),
            Self::Timeout => (RunStatus::TimedOut, Cause::Timeout, "the run took longer than its timeout_secs"),
            Self::IdleTimeout => (RunStatus::TimedOut, Cause::IdleTimeout, "the agent was silent for longer than idle_timeout_secs"),
            Self::StartupTimeout => (
                RunStatus::TimedOut,
                Cause::StartupTimeout,
                "the agent printed nothing within OPENRUNNER_STARTUP_TIMEOUT_SECS of its start",
            ),
            Self::Shutdown => (RunStatus::Interrupted, Cause::Shutdown, "the server was stopped while the run went on"),
            Self::Storage => (RunStatus::Failed, Cause::Storage, "the server could not write the run's log, and stopped it"),
            Self::NodeLost => (RunStatus::Interrupted, Cause::NodeLost, "the server that drove the run died"),
        };
        Outcome { status, cause, message: Some(message.to_owned()) }
    }
}

impl Outcome {
    /// A run that failed.
    pub fn failed(Failure { cause, message }: Failure) -> Self {
        Self { status: RunStatus::Failed, cause, message: Some(message).filter(|message| !message.is_empty()) }
    }

    /// Judges an end that nobody asked for. Success needs the agent's own good word *and* a good exit: real agents exit 0 after
    /// failures and 1 after answers (R4 of the threat model).
    pub fn of(turn: Option<&TurnEnd>, end: &AgentEnd) -> Self {
        if end.lost {
            let message = "the process that kept the agent was killed, and the agent with it";
            return Self { message: Some(message.to_owned()), ..StopReason::NodeLost.outcome() };
        }
        match end.stopped_by {
            Some(StoppedBy::Limit) => return StopReason::Timeout.outcome(),
            Some(StoppedBy::OutputFull) => {
                let message = "the agent wrote more than this server keeps of one run (OPENRUNNER_MAX_OUTPUT_MB), and was stopped";
                return Self::failed(Failure::new(Cause::Storage, message));
            }
            Some(StoppedBy::Disk) => {
                return Self::failed(Failure::new(Cause::Storage, "the agent's output could not be written to disk, and it was stopped"));
            }
            Some(StoppedBy::Order) | None => {}
        }
        match (turn, end.exit) {
            (Some(Err(failure)), _) => Self::failed(failure.clone()),
            // In-process agents have no exit, and one that we had to stop after its result is not to blame for how it exited.
            (Some(Ok(_)), None | Some(Exit::Code(0))) => Self { status: RunStatus::Completed, cause: Cause::Ok, message: None },
            (Some(Ok(_)), Some(_)) if end.lingered => Self { status: RunStatus::Completed, cause: Cause::Ok, message: None },
            (_, Some(exit)) if end.out_of_memory && !exit.is_success() => {
                let bound = "OPENRUNNER_RUN_MEMORY_MB bounds what it may use, or the machine has no more";
                Self::failed(Failure::new(Cause::Killed, format!("the kernel killed the agent for want of memory ({exit}); {bound}")))
            }
            (Some(Ok(_)), Some(exit)) => {
                Self::failed(Failure::new(exit_cause(exit), format!("the agent gave a result, but then ended with {exit}")))
            }
            (None, exit) => Self::failed(end.failure.clone().unwrap_or_else(|| match exit {
                None | Some(Exit::Code(0)) => Failure::new(Cause::Protocol, "the agent ended without saying how its work went"),
                Some(exit) => Failure::new(exit_cause(exit), format!("the agent ended with {exit} and without a result")),
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
    use proptest::prelude::*;

    use super::*;

    fn good() -> Outcome {
        Outcome { status: RunStatus::Completed, cause: Cause::Ok, message: None }
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Admitted),
            Just(Input::AgentReady),
            Just(Input::RequestOpened),
            Just(Input::RequestClosed),
            proptest::sample::select(&StopReason::ALL[..]).prop_map(Input::StopAsked),
            Just(Input::AgentGone(good())),
        ]
    }

    proptest! {
        #[test]
        fn an_ended_run_never_changes_and_the_first_reason_stands(inputs in proptest::collection::vec(any_input(), 0..40)) {
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
                prop_assert!(!matches!(after, RunState::Waiting(0)), "waiting is for something");
                state = after;
            }
        }
    }

    #[test]
    fn every_pair_of_state_and_input_is_decided() {
        let states = [
            RunState::Queued,
            RunState::Starting,
            RunState::Running,
            RunState::Waiting(2),
            RunState::Stopping(StopReason::Cancel),
            RunState::Ended(good()),
        ];
        let inputs = [
            Input::Admitted,
            Input::AgentReady,
            Input::RequestOpened,
            Input::RequestClosed,
            Input::StopAsked(StopReason::Timeout),
            Input::AgentGone(good()),
        ];
        let table: Vec<String> = states
            .iter()
            .flat_map(|state| inputs.iter().map(move |input| (state, input)))
            .map(|(state, input)| match state.clone().next(input.clone()) {
                Ok(next) => format!("{:9} + {input:?} -> {next:?}", state.status().as_str()),
                Err(_) => format!("{:9} + {input:?} -> refused", state.status().as_str()),
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    fn end(exit: Option<Exit>) -> AgentEnd {
        AgentEnd { exit, ..AgentEnd::default() }
    }

    #[test]
    fn r4_success_needs_a_good_result_and_a_good_exit() {
        let ok: TurnEnd = Ok("done".into());
        let bad: TurnEnd = Err(Failure::new(Cause::RateLimited, "later"));
        assert_eq!(Outcome::of(Some(&ok), &end(Some(Exit::Code(0)))), good());
        assert_eq!(Outcome::of(Some(&ok), &end(None)), good());
        assert_eq!(Outcome::of(Some(&ok), &AgentEnd { lingered: true, ..end(Some(Exit::Signal(15))) }), good());
        let cause = |turn: Option<&TurnEnd>, exit| Outcome::of(turn, &end(exit)).cause;
        assert_eq!(cause(Some(&ok), Some(Exit::Code(1))), Cause::Crashed);
        assert_eq!(cause(Some(&bad), Some(Exit::Code(0))), Cause::RateLimited);
        assert_eq!(cause(None, Some(Exit::Code(0))), Cause::Protocol);
        assert_eq!(cause(None, Some(Exit::Code(3))), Cause::Crashed);
        assert_eq!(cause(None, Some(Exit::Signal(9))), Cause::Killed);
        let starved = AgentEnd { out_of_memory: true, ..end(Some(Exit::Signal(9))) };
        assert_eq!(Outcome::of(None, &starved).cause, Cause::Killed);
        assert!(Outcome::of(None, &starved).message.is_some_and(|message| message.contains("memory")));
        assert_eq!(Outcome::of(Some(&ok), &AgentEnd { out_of_memory: true, ..end(Some(Exit::Code(0))) }), good(), "it went on without");
        let told = AgentEnd { failure: Some(Failure::new(Cause::BadArguments, "no such flag")), ..end(Some(Exit::Code(2))) };
        assert_eq!(Outcome::of(None, &told).cause, Cause::BadArguments);
    }
}
