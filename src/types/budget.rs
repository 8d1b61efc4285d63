//! Daily budgets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Amount, Money, Usage};

/// A number of tokens, as counted by budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u64")]
#[schema(value_type = u64, minimum = 0, maximum = 1_000_000_000_000_000_u64)]
pub struct Tokens(u64);

/// The number is not a valid token limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid number of tokens; expected an integer from 0 to 10^15")]
pub struct BadTokens;

impl Tokens {
    /// Maximum token limit. Exactly representable by every JSON parser.
    const MAX: u64 = 1_000_000_000_000_000;

    /// This number of tokens.
    pub fn new(count: u64) -> Self {
        Self(count)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The tokens of a run that count towards a budget: uncached input, cache writes and output. Cache reads do not count: they repeat the same
    /// conversation in every call, cost about a tenth, and would dominate the sum.
    pub fn from_usage(usage: &Usage) -> Self {
        Self(usage.input_tokens.saturating_add(usage.cache_write_tokens).saturating_add(usage.output_tokens))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0)
    }
}

impl TryFrom<u64> for Tokens {
    type Error = BadTokens;

    fn try_from(count: u64) -> Result<Self, BadTokens> {
        if count <= Self::MAX { Ok(Self(count)) } else { Err(BadTokens) }
    }
}

impl FromStr for Tokens {
    type Err = BadTokens;

    fn from_str(text: &str) -> Result<Self, BadTokens> {
        text.parse::<u64>().map_err(|_error| BadTokens)?.try_into()
    }
}

/// A limit: an amount, or unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a non-negative number within range, \"unlimited\", or null for the server's default")]
pub enum Limit<T> {
    /// This amount.
    At(T),
    /// No limit, regardless of the server's settings.
    Unlimited(Unlimited),
}

/// The string `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unlimited {
    /// No limit.
    Unlimited,
}

impl<T> Limit<T> {
    /// No limit.
    pub const NONE: Self = Self::Unlimited(Unlimited::Unlimited);

    /// The amount, if there is a limit.
    pub fn amount(self) -> Option<T> {
        match self {
            Self::At(amount) => Some(amount),
            Self::Unlimited(_) => None,
        }
    }
}

/// Budget of a user: per UTC day, and per run. Limits that are not set default to the server's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OwnBudget)]
pub struct Budget {
    /// Maximum number of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<Limit<Tokens>>,
    /// Maximum cost in US dollars, as far as agents report their cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_day_usd: Option<Limit<Money>>,
    /// Maximum number of tokens of one run. A run may ask for a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_run: Option<Limit<Tokens>>,
    /// Maximum cost of one run in US dollars. A run may ask for a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_run_usd: Option<Limit<Money>>,
    /// Maximum number of model calls of one run. A run may ask for a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_per_run: Option<Limit<Amount>>,
}

impl Budget {
    /// Whether no limit is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// These limits, and those of `default` where none is set.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            tokens_per_day: self.tokens_per_day.or(default.tokens_per_day),
            cost_per_day_usd: self.cost_per_day_usd.or(default.cost_per_day_usd),
            tokens_per_run: self.tokens_per_run.or(default.tokens_per_run),
            cost_per_run_usd: self.cost_per_run_usd.or(default.cost_per_run_usd),
            turns_per_run: self.turns_per_run.or(default.turns_per_run),
        }
    }
}

/// Change of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitChange<T> {
    /// Leave unchanged.
    #[default]
    Keep,
    /// Remove, so that the server's setting applies.
    Reset,
    /// Set.
    Set(Limit<T>),
}

impl<T> LimitChange<T> {
    /// The new value for the audit log; `None` if unchanged.
    pub(super) fn describe(self, format: impl FnOnce(T) -> String) -> Option<String> {
        match self {
            Self::Keep => None,
            Self::Reset => Some("default".to_owned()),
            Self::Set(limit) => Some(limit.amount().map_or_else(|| "unlimited".to_owned(), format)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LimitChange<T> {
    /// `null` resets. For an absent field use `#[serde(default)]`, which keeps.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Limit<T>>::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// Change of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetChange {
    /// Change of the token limit.
    pub tokens_per_day: LimitChange<Tokens>,
    /// Change of the cost limit.
    pub cost_per_day: LimitChange<Money>,
    /// Change of the token limit of one run.
    pub tokens_per_run: LimitChange<Tokens>,
    /// Change of the cost limit of one run.
    pub cost_per_run: LimitChange<Money>,
    /// Change of the limit of model calls of one run.
    pub turns_per_run: LimitChange<Amount>,
}

impl BudgetChange {
    /// Whether anything changes.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

/// The form in the audit log: `tokens_per_day=5000 cost_per_day_usd=unlimited`.
impl fmt::Display for BudgetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = |change: LimitChange<Tokens>| change.describe(|tokens| tokens.get().to_string());
        let cost = |change: LimitChange<Money>| change.describe(|cost| cost.dollars().to_string());
        let changes = [
            ("tokens_per_day", tokens(self.tokens_per_day)),
            ("cost_per_day_usd", cost(self.cost_per_day)),
            ("tokens_per_run", tokens(self.tokens_per_run)),
            ("cost_per_run_usd", cost(self.cost_per_run)),
            ("turns_per_run", self.turns_per_run.describe(|turns| turns.get().to_string())),
        ];
        let changes = changes.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        f.write_str(&changes.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(value: Value) -> Result<LimitChange<Tokens>, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_limit_is_a_number_unlimited_or_the_servers_default() {
        assert_eq!(change(json!(5)), Ok(LimitChange::Set(Limit::At(Tokens(5)))));
        assert_eq!(change(json!("unlimited")), Ok(LimitChange::Set(Limit::NONE)));
        assert_eq!(change(json!(null)), Ok(LimitChange::Reset));
        for invalid in [json!(-1), json!("none"), json!(1.5), json!(u64::MAX), json!({}), json!([1])] {
            assert!(change(invalid.clone()).unwrap_err().contains("unlimited"), "{invalid}");
        }
        assert_eq!(serde_json::to_value(Limit::<Tokens>::NONE).unwrap(), json!("unlimited"));
    }

    #[test]
    fn cache_reads_do_not_count() {
        let usage = Usage { input_tokens: 1, output_tokens: 2, cache_read_tokens: 40, cache_write_tokens: 8, ..Usage::default() };
        assert_eq!(Tokens::from_usage(&usage), Tokens(11));
    }
}
