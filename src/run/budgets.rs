//! Daily budgets of users.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::store::{DailyUsage, StoreError, UsageStore};
use crate::types::{Amount, Budget, Cause, Clock, Day, Failure, Limit, Money, SpendLimits, Timestamp, Tokens, UserName, UserRef};

/// Checks budgets against the usage in the store. Clones are handles to the same store.
#[derive(Clone)]
pub(super) struct Budgets {
    store: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
    /// Budget of users who have none of their own.
    default: Budget,
}

/// A user's budget and usage today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Budget)]
pub struct BudgetState {
    /// The user whose budget this is.
    pub owner: UserName,
    /// Current day, in UTC.
    pub day: Day,
    /// When the day ends and usage starts from zero.
    pub resets_at: Timestamp,
    /// Budget in tokens. Counts uncached input, writes to the provider's cache, and output; reads from the cache do not count.
    pub tokens: Allowance<Tokens>,
    /// Budget in US dollars, as far as agents report their cost.
    pub cost_usd: Allowance<Money>,
    /// Whether new runs and messages are rejected until the day ends.
    pub is_used_up: bool,
    /// Limits of each run.
    pub per_run: RunAllowance,
}

/// Limits of each run of a user. Absent if unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunAllowance {
    /// Maximum of `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Maximum of `max_cost_usd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Money>,
    /// Maximum of `max_turns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<Amount>,
}

/// Usage and limit of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Allowance<T> {
    /// Amount used, including what live runs have reported so far.
    pub used: T,
    /// Limit; absent if unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<T>,
    /// Whether the limit was set for this user rather than taken from the server's settings.
    pub is_own: bool,
}

impl<T: PartialOrd> Allowance<T> {
    pub(super) fn new(used: T, own: Option<Limit<T>>, default: Option<Limit<T>>) -> Self {
        let is_own = own.is_some();
        Self { used, allowed: own.or(default).and_then(Limit::amount), is_own }
    }

    fn is_used_up(&self) -> bool {
        self.allowed.as_ref().is_some_and(|allowed| self.used >= *allowed)
    }
}

/// A user's daily budget is used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("daily budget of {user} for {day} is used up ({}); it resets at {resets_at}, or an admin can raise it", self.exceeded())]
pub struct OverBudget {
    user: UserName,
    day: Day,
    resets_at: Timestamp,
    tokens: Allowance<Tokens>,
    cost: Allowance<Money>,
    /// When the budget was checked.
    at: Timestamp,
}

impl OverBudget {
    /// Seconds until the budget resets, at least 1.
    pub fn seconds_left(&self) -> u32 {
        let millis = self.resets_at.as_millis().saturating_sub(self.at.as_millis());
        u32::try_from(millis.max(1).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// The limits that are reached, for the error message.
    fn exceeded(&self) -> String {
        let tokens = self.tokens.allowed.filter(|_| self.tokens.is_used_up());
        let cost = self.cost.allowed.filter(|_| self.cost.is_used_up());
        let tokens = tokens.map(|allowed| format!("{} of {allowed}", self.tokens.used.get()));
        let cost = cost.map(|allowed| format!("{} of {allowed}", self.cost.used));
        [tokens, cost].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Why a run or message was rejected by the budget check.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// The budget is used up.
    #[error(transparent)]
    Over(Box<OverBudget>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BudgetError> for Failure {
    fn from(error: BudgetError) -> Self {
        let cause = match error {
            BudgetError::Over(_) => Cause::BudgetExceeded,
            BudgetError::Store(_) => Cause::Storage,
        };
        Self::new(cause, error.to_string())
    }
}

impl Budgets {
    /// Budgets of the users in `store`, with `default` for users who have none of their own.
    pub(super) fn new(store: Arc<dyn UsageStore>, clock: Arc<dyn Clock>, default: Budget) -> Self {
        Self { store, clock, default }
    }

    /// The user's budget and usage today.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn state(&self, user: &UserRef) -> Result<BudgetState, StoreError> {
        let day = Day::from_timestamp(self.clock.now());
        let DailyUsage { tokens, cost, budget } = self.store.daily_usage(user.id, day).await?;
        let tokens = Allowance::new(tokens, budget.tokens_per_day, self.default.tokens_per_day);
        let cost_usd = Allowance::new(cost, budget.cost_per_day_usd, self.default.cost_per_day_usd);
        let is_used_up = tokens.is_used_up() || cost_usd.is_used_up();
        let SpendLimits { max_cost_usd, max_tokens, max_turns } = SpendLimits::from(&budget.or(self.default));
        let per_run = RunAllowance { tokens: max_tokens, cost_usd: max_cost_usd, turns: max_turns };
        Ok(BudgetState { owner: user.name.clone(), day, resets_at: day.end(), tokens, cost_usd, is_used_up, per_run })
    }

    /// Checks whether the user may start a run or send a message, and returns the limits of each run of the user. Work in progress is not
    /// stopped, so usage can exceed the daily budget by what was in progress when the limit was reached.
    ///
    /// # Errors
    /// [`BudgetError`], by cause.
    pub(super) async fn check(&self, user: &UserRef) -> Result<SpendLimits, BudgetError> {
        let BudgetState { owner: user, day, resets_at, tokens, cost_usd, is_used_up, per_run } = self.state(user).await?;
        if !is_used_up {
            return Ok(SpendLimits { max_cost_usd: per_run.cost_usd, max_tokens: per_run.tokens, max_turns: per_run.turns });
        }
        Err(BudgetError::Over(Box::new(OverBudget { user, day, resets_at, tokens, cost: cost_usd, at: self.clock.now() })))
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budgets").field("default", &self.default).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_limit_takes_precedence_and_may_be_unlimited() {
        let (low, high) = (Some(Limit::At(1)), Some(Limit::At(9)));
        let allowance = |own, default| Allowance::new(5, own, default);
        assert!(allowance(None, low).is_used_up() && allowance(low, high).is_used_up());
        assert!(
            !allowance(high, low).is_used_up() && !allowance(Some(Limit::NONE), low).is_used_up() && !allowance(None, None).is_used_up()
        );
        assert!(Allowance::new(0, Some(Limit::At(0)), None).is_used_up(), "a limit of 0 is used up at once");
    }

    #[test]
    fn the_error_states_usage_limit_and_reset_time() {
        let day: Day = "2026-11-22".parse().unwrap();
        let over = OverBudget {
            user: "ann".parse().unwrap(),
            day,
            resets_at: day.end(),
            tokens: Allowance::new(Tokens::new(12), Some(Limit::At(Tokens::new(10))), None),
            cost: Allowance::new(Money::from_reported(0.25), None, Some(Limit::At(Money::from_reported(0.2)))),
            at: Timestamp::parse("2026-11-22T23:59:58.5Z").unwrap(),
        };
        let expected = "daily budget of ann for 2026-11-22 is used up (12 of 10 tokens and $0.25 of $0.2); it resets at \
                        2026-11-23T00:00:00.000Z, or an admin can raise it";
        assert_eq!(over.to_string(), expected);
        assert_eq!(over.seconds_left(), 2);
        let late = OverBudget { at: day.end(), ..over };
        assert_eq!(late.seconds_left(), 1);
    }
}
