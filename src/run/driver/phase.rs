//! The phases of a driver, and what each of them waits for.
//!
//! ```text
//! Queued ──admitted──▶ Starting ──prepared──▶ Running ──agent ended──▶ Closing ──end stored──▶ (gone)
//!    │                     │  ▲                   │                       ▲
//!    │                     │  └─── admitted ─── Waiting ◀─ agent ended     │
//!    │                     │                   (for a limit to reset)     │
//!    └─────── stop ────────┴────────────────── stop, failure ─────────────┘
//! ```
//!
//! A stop of a running agent does not change the phase: the agent is interrupted, killed if necessary, and reports its end.

use std::pin::Pin;

use tokio::time::sleep_until;

use super::changes::Tracker;
use super::closing::Closing;
use crate::agent::PreparedAgent;
use crate::agent::handle::{AgentHandle, Update};
use crate::egress::Access;
use crate::run::admission::{Slot, Ticket};
use crate::run::policy::Policy;
use crate::run::sessions::{SessionGuard, SessionTurn};
use crate::types::Failure;

/// What a run occupies: its session and a slot. A run that was reattached while another one held its session has only a slot.
pub(super) type Permits = (Option<SessionGuard>, Slot);

/// Completes when the run has both. Dropping it leaves both queues.
pub(super) type Admission = Pin<Box<dyn Future<Output = Permits> + Send>>;

/// Prepares the agent. Dropping it leaves no process behind.
pub(super) type Preparation = Pin<Box<dyn Future<Output = Result<ReadyAgent, Failure>> + Send>>;

/// An agent that can be launched.
#[derive(Debug)]
pub(super) struct ReadyAgent {
    pub(super) agent: PreparedAgent,
    /// What it may reach of the network; `None` below isolation level `sandbox`.
    pub(super) access: Option<Access>,
    /// The agent's id of the conversation that it continues.
    pub(super) resume: Option<String>,
    /// Decides its permission requests.
    pub(super) policy: Policy,
    /// Records what it changes in the working directory, or why that is not recorded; `None` if nothing is.
    pub(super) tracker: Option<Result<Box<Tracker>, String>>,
}

/// A phase of a run.
pub(super) enum Phase {
    /// The run waits for its session and a slot.
    Queued(Admission),
    /// The agent is being prepared. None of its code has run.
    Starting(Preparation),
    /// The agent may have been started.
    Running(AgentHandle),
    /// The run waits for a limit of the model's provider to reset, and then for a slot. It has no agent.
    Waiting(Admission),
    /// The agent has ended or was never started, and the end of the run is being stored.
    Closing(Box<Closing>),
}

/// The event that a phase waits for.
#[derive(Debug)]
pub(super) enum Step {
    Admitted(Permits),
    Prepared(Result<ReadyAgent, Failure>),
    Update(Update),
    /// It is time to store the end of the run.
    Close,
}

/// Waits for the session first: a run that waits for another run must not occupy a slot.
pub(super) fn admission(ticket: Ticket, session: SessionTurn) -> Admission {
    Box::pin(async move { (Some(session.await), ticket.admitted().await) })
}

impl Phase {
    /// Waits for the phase's next step. Cancel-safe.
    pub(super) async fn next(&mut self) -> Step {
        match self {
            Self::Queued(admission) | Self::Waiting(admission) => Step::Admitted(admission.await),
            Self::Starting(preparation) => Step::Prepared(preparation.await),
            Self::Running(agent) => Step::Update(agent.next().await),
            Self::Closing(closing) => {
                closing.complete().await;
                if let Some(at) = closing.retry_at {
                    sleep_until(at).await;
                }
                Step::Close
            }
        }
    }

    /// The agent, if it may have been started and has not ended.
    pub(super) fn agent(&self) -> Option<&AgentHandle> {
        match self {
            Self::Running(agent) => Some(agent),
            Self::Queued(_) | Self::Starting(_) | Self::Waiting(_) | Self::Closing(_) => None,
        }
    }
}
