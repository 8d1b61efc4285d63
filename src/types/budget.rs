//! How much a user may use in a day.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Money, Usage};

/// Tokens, as budgets count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u64")]
#[schema(value_type = u64, minimum = 0, maximum = 1_000_000_000_000_000_u64)]
pub struct Tokens(u64);

/// Why a number is no number of tokens that a budget can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of tokens: expected a whole number from 0 to 10^15")]
pub struct BadTokens;

impl Tokens {
    /// Most tokens that a budget can have. Every JSON reader can tell such numbers apart.
    const MOST: u64 = 1_000_000_000_000_000;

    /// So many.
    pub fn new(count: u64) -> Self {
        Self(count)
    }

    /// How many.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Those of a run's usage that count: what the model read anew and what it wrote. What it read from the provider's cache is the same
    /// conversation over and over, costs about a tenth, and would drown everything else.
    pub fn of(usage: &Usage) -> Self {
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
        if count <= Self::MOST { Ok(Self(count)) } else { Err(BadTokens) }
    }
}

impl FromStr for Tokens {
    type Err = BadTokens;

    fn from_str(text: &str) -> Result<Self, BadTokens> {
        text.parse::<u64>().map_err(|_error| BadTokens)?.try_into()
    }
}

/// A bound as somebody has set it: so much, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a number that is not negative and not too large, `\"unlimited\"`, or null for the server's own")]
pub enum Bound<T> {
    /// So much.
    At(T),
    /// No bound, whatever the server's settings say.
    Unlimited(Unlimited),
}

/// The word for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unlimited {
    /// No bound.
    Unlimited,
}

impl<T> Bound<T> {
    /// No bound.
    pub const NONE: Self = Self::Unlimited(Unlimited::Unlimited);

    /// How much, if it is bounded.
    pub fn most(self) -> Option<T> {
        match self {
            Self::At(most) => Some(most),
            Self::Unlimited(_) => None,
        }
    }
}

/// How much a user may use in a day (UTC). Where nothing is set, the server's settings count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OwnBudget)]
pub struct Budget {
    /// In tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<Bound<Tokens>>,
    /// In US dollars, as far as agents tell what they cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_day_usd: Option<Bound<Money>>,
}

impl Budget {
    /// Whether nothing of its own is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to become of one bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundChange<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// The server's settings count again.
    Reset,
    /// It is set.
    Set(Bound<T>),
}

impl<T> BoundChange<T> {
    /// What it becomes; `None` if it stays.
    fn in_words(self, amount: impl FnOnce(T) -> String) -> Option<String> {
        match self {
            Self::Keep => None,
            Self::Reset => Some("default".to_owned()),
            Self::Set(bound) => Some(bound.most().map_or_else(|| "unlimited".to_owned(), amount)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for BoundChange<T> {
    /// Null resets; what is absent must be kept by `#[serde(default)]`.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Bound<T>>::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// What is to become of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetChange {
    /// Of the bound on tokens.
    pub tokens_per_day: BoundChange<Tokens>,
    /// Of the bound on money.
    pub cost_per_day: BoundChange<Money>,
}

impl BudgetChange {
    /// Whether anything is to become of it.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

/// What changes, in words that the audit log keeps: `tokens_per_day=5000 cost_per_day_usd=unlimited`.
impl fmt::Display for BudgetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.tokens_per_day.in_words(|tokens| tokens.get().to_string());
        let cost = self.cost_per_day.in_words(|cost| cost.dollars().to_string());
        let changes = [("tokens_per_day", tokens), ("cost_per_day_usd", cost)];
        let changes = changes.into_iter().filter_map(|(name, word)| Some(format!("{name}={}", word?)));
        f.write_str(&changes.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(value: Value) -> Result<BoundChange<Tokens>, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bound_is_a_number_the_word_unlimited_or_the_servers_own() {
        assert_eq!(change(json!(5)), Ok(BoundChange::Set(Bound::At(Tokens(5)))));
        assert_eq!(change(json!("unlimited")), Ok(BoundChange::Set(Bound::NONE)));
        assert_eq!(change(json!(null)), Ok(BoundChange::Reset));
        for wrong in [json!(-1), json!("none"), json!(1.5), json!(u64::MAX), json!({}), json!([1])] {
            assert!(change(wrong.clone()).unwrap_err().contains("unlimited"), "{wrong}");
        }
        assert_eq!(serde_json::to_value(Bound::<Tokens>::NONE).unwrap(), json!("unlimited"));
    }

    #[test]
    fn what_comes_from_a_cache_does_not_count() {
        let usage = Usage { input_tokens: 1, output_tokens: 2, cache_read_tokens: 40, cache_write_tokens: 8, ..Usage::default() };
        assert_eq!(Tokens::of(&usage), Tokens(11));
    }
}
