//! Usage by owner, agent, model and day.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{OwnerFilter, StoreError};
use crate::types::{Budget, Day, Money, RunStatus, SessionId, Tokens, UserId};

/// Maximum number of tokens of one kind that are counted for one run. Reports of agents are not verified, and sums must not overflow.
pub(super) const MAX_PER_RUN: u64 = 1_000_000_000_000;

/// Maximum of sums: 2^53 − 1, the largest integer that every JSON reader can represent exactly.
pub(super) const MAX_SUM: u64 = 9_007_199_254_740_991;

/// The final statuses, in the order of their columns.
pub(super) const STATUSES: [RunStatus; 5] =
    [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled, RunStatus::TimedOut, RunStatus::Interrupted];

/// How usage is grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageGroup {
    /// By day (UTC), newest first.
    #[default]
    Day,
    /// By owner, in the order of names.
    Owner,
    /// By agent type, in the order of names.
    AgentType,
    /// By the model that the agent reported, in the order of names.
    Model,
    /// By session, newest first.
    Session,
    /// By run, newest first.
    Run,
}

impl UsageGroup {
    /// Whether groups are listed newest first; otherwise they are sorted by name.
    pub fn newest_first(self) -> bool {
        matches!(self, Self::Day | Self::Session | Self::Run)
    }
}

/// Selects usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Only of this owner; `None` for all.
    pub owner: Option<OwnerFilter>,
    /// Only of this agent type.
    pub agent_type: Option<String>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only of this day or later.
    pub since: Option<Day>,
    /// Only of this day or earlier.
    pub until: Option<Day>,
}

/// A sum of usage. Sums saturate at 2^53 − 1, the largest integer that every JSON reader can represent exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSum {
    /// Number of runs with this final status.
    pub completed: u64,
    /// Number of runs with this final status.
    pub failed: u64,
    /// Number of runs with this final status.
    pub cancelled: u64,
    /// Number of runs with this final status.
    pub timed_out: u64,
    /// Number of runs with this final status.
    pub interrupted: u64,
    /// Number of ended runs that reported tokens but no cost.
    pub unpriced: u64,
    /// As in [`crate::types::Usage`].
    pub input_tokens: u64,
    /// As in [`crate::types::Usage`].
    pub output_tokens: u64,
    /// As in [`crate::types::Usage`].
    pub cache_read_tokens: u64,
    /// As in [`crate::types::Usage`].
    pub cache_write_tokens: u64,
    /// As in [`crate::types::Usage`].
    pub reasoning_tokens: u64,
    /// The reported cost; `None` if none was reported.
    pub cost: Option<Money>,
    /// Whether a part of the cost is computed from list prices, not billed.
    pub is_estimate: bool,
}

/// The usage of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// The group: a day, a name or an id. Empty for runs whose model is unknown.
    pub key: String,
    /// Its usage.
    pub sum: UsageSum,
}

/// A user's usage on one day as budgets count it, and the user's own budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DailyUsage {
    /// Tokens that count towards the budget.
    pub tokens: Tokens,
    /// The reported cost.
    pub cost: Money,
    /// The user's own budget; the default for a user that does not exist.
    pub budget: Budget,
}

/// Reads usage.
///
/// Implementors must count the usage that [`RunStore::append`](super::RunStore::append) receives once, in the same transaction and on the
/// day on which it was reported, and must keep it when its run, session or user is removed.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// At most `limit` groups that match the filter and follow the one with key `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn usage(
        &self,
        filter: UsageFilter,
        group: UsageGroup,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError>;

    /// The sum of all usage that matches the filter.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn total_usage(&self, filter: UsageFilter) -> Result<UsageSum, StoreError>;

    /// A user's usage on one day, including live runs, and the user's own budget. Reads one or two rows per agent.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn daily_usage(&self, owner: UserId, day: Day) -> Result<DailyUsage, StoreError>;
}
