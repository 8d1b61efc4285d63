//! What users may use in a day, and whether they have.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::store::{DailyUsage, StoreError, UsageStore};
use crate::types::{Bound, Budget, Cause, Clock, Day, Failure, Money, Timestamp, Tokens, UserName};

/// Judges by the store's present word. Cloning gives another handle.
#[derive(Clone)]
pub(super) struct Budgets {
    store: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
    /// What counts for users for whom nothing else is set.
    default: Budget,
}

/// How a user stands today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Budget)]
pub struct BudgetState {
    /// The user whose budget this is.
    pub owner: UserName,
    /// Today, in UTC.
    pub day: Day,
    /// When the day is over and everything may be used anew.
    pub resets_at: Timestamp,
    /// In tokens: what the model read anew, with what it wrote into the provider's cache, and what it wrote. What it read from the cache does
    /// not count.
    pub tokens: Portion<Tokens>,
    /// In US dollars, as far as agents tell what they cost.
    pub cost_usd: Portion<Money>,
    /// Whether no run can begin before the day is over.
    pub is_used_up: bool,
}

/// How much of something was used, of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Portion<T> {
    /// So much was used, runs that go on included as far as they have told.
    pub used: T,
    /// So much may be used; absent if there is no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<T>,
    /// Whether that was set for this user, and is not the server's own.
    pub is_own: bool,
}

impl<T: PartialOrd> Portion<T> {
    fn new(used: T, own: Option<Bound<T>>, default: Option<Bound<T>>) -> Self {
        let is_own = own.is_some();
        Self { used, allowed: own.or(default).and_then(Bound::most), is_own }
    }

    fn is_used_up(&self) -> bool {
        self.allowed.as_ref().is_some_and(|allowed| self.used >= *allowed)
    }
}

/// A user's budget for the day is used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {user} for {day} is used up: {}; a new day begins at {resets_at}, and an admin can raise the budget", self.exceeded())]
pub struct OverBudget {
    user: UserName,
    day: Day,
    resets_at: Timestamp,
    tokens: Portion<Tokens>,
    cost: Portion<Money>,
    /// When this was found out.
    at: Timestamp,
}

impl OverBudget {
    /// How many seconds it is until the next day, at least one.
    pub fn seconds_left(&self) -> u32 {
        let millis = self.resets_at.as_millis().saturating_sub(self.at.as_millis());
        u32::try_from(millis.max(1).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// Which of the bounds are reached, in words.
    fn exceeded(&self) -> String {
        let tokens = self.tokens.allowed.filter(|_| self.tokens.is_used_up());
        let cost = self.cost.allowed.filter(|_| self.cost.is_used_up());
        let tokens = tokens.map(|allowed| format!("{} of {allowed}", self.tokens.used.get()));
        let cost = cost.map(|allowed| format!("{} of {allowed}", self.cost.used));
        [tokens, cost].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Why nothing more may be begun for a user.
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
    /// Budgets of users in `store`, and `default` for those who have none, by the days of `clock`.
    pub(super) fn new(store: Arc<dyn UsageStore>, clock: Arc<dyn Clock>, default: Budget) -> Self {
        Self { store, clock, default }
    }

    /// How the user stands.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn state(&self, user: &UserName) -> Result<BudgetState, StoreError> {
        let day = Day::of(self.clock.now());
        let DailyUsage { tokens, cost, budget } = self.store.spent(user, day).await?;
        let tokens = Portion::new(tokens, budget.tokens_per_day, self.default.tokens_per_day);
        let cost_usd = Portion::new(cost, budget.cost_per_day_usd, self.default.cost_per_day_usd);
        let is_used_up = tokens.is_used_up() || cost_usd.is_used_up();
        Ok(BudgetState { owner: user.clone(), day, resets_at: day.end(), tokens, cost_usd, is_used_up })
    }

    /// Whether something may be begun that uses more for this user. What is in progress goes on, so a day can end above its budget by
    /// what was in progress when it was reached.
    ///
    /// # Errors
    /// [`BudgetError`], by cause.
    pub(super) async fn check(&self, user: &UserName) -> Result<(), BudgetError> {
        let BudgetState { owner: user, day, resets_at, tokens, cost_usd, is_used_up } = self.state(user).await?;
        if !is_used_up {
            return Ok(());
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
    fn a_bound_of_ones_own_counts_before_the_servers_and_may_be_none() {
        let (tight, wide) = (Some(Bound::At(1)), Some(Bound::At(9)));
        let portion = |own, default| Portion::new(5, own, default);
        assert!(portion(None, tight).is_used_up() && portion(tight, wide).is_used_up());
        assert!(!portion(wide, tight).is_used_up() && !portion(Some(Bound::NONE), tight).is_used_up() && !portion(None, None).is_used_up());
        assert!(Portion::new(0, Some(Bound::At(0)), None).is_used_up(), "nothing of nothing");
    }

    #[test]
    fn the_refusal_tells_how_much_of_what_and_until_when() {
        let day: Day = "2026-11-22".parse().unwrap();
        let over = OverBudget {
            user: "ann".parse().unwrap(),
            day,
            resets_at: day.end(),
            tokens: Portion::new(Tokens::new(12), Some(Bound::At(Tokens::new(10))), None),
            cost: Portion::new(Money::nearest(0.25), None, Some(Bound::At(Money::nearest(0.2)))),
            at: Timestamp::parse("2026-11-22T23:59:58.5Z").unwrap(),
        };
        let expected = "the budget of ann for 2026-11-22 is used up: 12 of 10 tokens and $0.25 of $0.2; a new day begins at \
                        2026-11-23T00:00:00.000Z, and an admin can raise the budget";
        assert_eq!(over.to_string(), expected);
        assert_eq!(over.seconds_left(), 2);
        let late = OverBudget { at: day.end(), ..over };
        assert_eq!(late.seconds_left(), 1);
    }
}
