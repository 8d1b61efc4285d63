//! What was used, by whom and when, as the store keeps it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoreError;
use crate::types::{Budget, Day, Money, SessionId, Tokens, UserName};

/// By what usage is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageGroup {
    /// By day (UTC), the latest first.
    #[default]
    Day,
    /// By owner, by name.
    Owner,
    /// By agent, by name.
    AgentType,
    /// By the model that the agent named, by name.
    Model,
    /// By conversation, the newest first.
    Session,
    /// By run, the newest first.
    Run,
}

impl UsageGroup {
    /// Whether the latest come first; otherwise they come by name.
    pub fn newest_first(self) -> bool {
        matches!(self, Self::Day | Self::Session | Self::Run)
    }
}

/// Which usage is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Only this user's; `None` for everyone's.
    pub owner: Option<UserName>,
    /// Only that of this agent.
    pub agent_type: Option<String>,
    /// Only that of this session.
    pub session: Option<SessionId>,
    /// Only that of this day or later.
    pub since: Option<Day>,
    /// Only that of this day or earlier.
    pub until: Option<Day>,
}

/// What was used in all. Sums never run over: they stop at a number that every JSON reader can tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSum {
    /// Runs that ended so.
    pub completed: u64,
    /// The same.
    pub failed: u64,
    /// The same.
    pub cancelled: u64,
    /// The same.
    pub timed_out: u64,
    /// The same.
    pub interrupted: u64,
    /// Runs that ended and have told tokens but no cost.
    pub unpriced: u64,
    /// As in [`crate::types::Usage`].
    pub input_tokens: u64,
    /// The same.
    pub output_tokens: u64,
    /// The same.
    pub cache_read_tokens: u64,
    /// The same.
    pub cache_write_tokens: u64,
    /// The same.
    pub reasoning_tokens: u64,
    /// What it cost, as far as that was told; `None` if nobody has told anything.
    pub cost: Option<Money>,
    /// Whether some of the cost is computed from list prices, not billed.
    pub is_estimate: bool,
}

/// What one of a group has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// Which one: a day, a name or an id, and empty for runs whose agents named no model.
    pub key: String,
    /// What it has used.
    pub sum: UsageSum,
}

/// What a user has used on a day, as budgets count it, and what was set for that user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DailyUsage {
    /// Tokens that count.
    pub tokens: Tokens,
    /// What agents told that it cost.
    pub cost: Money,
    /// The user's own budget. A user who is not there has none.
    pub budget: Budget,
}

/// Adds up what runs have used.
///
/// Implementors owe: what [`RunStore::append`](super::RunStore::append) is told of a run's usage is counted in the same transaction, once,
/// on the day on which it was told; and it stays when the run, its session or its user is gone.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// At most `limit` of the groups that fit the filter and come after the one of key `after`.
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

    /// The sum of all that fits the filter.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn usage_in_all(&self, filter: UsageFilter) -> Result<UsageSum, StoreError>;

    /// What that user has used on that day, with runs that go on, and the user's own budget. Costs a row or two for each agent.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn spent(&self, owner: &UserName, day: Day) -> Result<DailyUsage, StoreError>;
}
