//! Limits on what one run may spend.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Amount, Budget, Limit, Money, Tokens, Usage};

/// What a spend limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpendKind {
    /// Cost in US dollars.
    Cost,
    /// Tokens, as budgets count them.
    Tokens,
    /// Calls of the model, which agents call turns.
    Turns,
}

impl SpendKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Cost, Self::Tokens, Self::Turns];

    /// Name of the limit in requests and events.
    pub fn limit_name(self) -> &'static str {
        match self {
            Self::Cost => "max_cost_usd",
            Self::Tokens => "max_tokens",
            Self::Turns => "max_turns",
        }
    }

    /// What is counted, in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Turns => "model calls",
        }
    }
}

/// The spend limits of one run. They cover everything that the agent reports, including its sub-agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendLimits {
    /// Maximum cost in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<Money>,
    /// Maximum number of tokens, as budgets count them: without reads from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<Tokens>,
    /// Maximum number of model calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<Amount>,
}

impl SpendLimits {
    /// Whether there is no limit.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is spent on `kind` is limited.
    pub fn has(&self, kind: SpendKind) -> bool {
        match kind {
            SpendKind::Cost => self.max_cost_usd.is_some(),
            SpendKind::Tokens => self.max_tokens.is_some(),
            SpendKind::Turns => self.max_turns.is_some(),
        }
    }

    /// The kind of a limit that is zero, which no run could keep.
    pub fn zero(&self) -> Option<SpendKind> {
        let zero = [
            (SpendKind::Cost, self.max_cost_usd.is_some_and(|max| max.micros() == 0)),
            (SpendKind::Tokens, self.max_tokens.is_some_and(|max| max.get() == 0)),
            (SpendKind::Turns, self.max_turns.is_some_and(|max| max.get() == 0)),
        ];
        zero.into_iter().find(|(_, is_zero)| *is_zero).map(|(kind, _)| kind)
    }

    /// The smaller limit of each kind.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            max_cost_usd: smaller(self.max_cost_usd, other.max_cost_usd),
            max_tokens: smaller(self.max_tokens, other.max_tokens),
            max_turns: smaller(self.max_turns, other.max_turns),
        }
    }

    /// The limits that `usage` exceeds. What the agent has not reported exceeds nothing.
    pub fn exceeded_by(&self, usage: &Usage) -> Vec<ExceededLimit> {
        let (cost, tokens) = (usage.cost_usd.map(Money::from_reported), Tokens::from_usage(usage));
        let cost = self.max_cost_usd.zip(cost).filter(|(max, used)| used > max).map(|(max, used)| ExceededLimit {
            kind: SpendKind::Cost,
            max: json!(max),
            used: json!(used),
            text: format!("{used} of {max}"),
        });
        let tokens = self.max_tokens.filter(|max| tokens > *max).map(|max| ExceededLimit {
            kind: SpendKind::Tokens,
            max: json!(max),
            used: json!(tokens),
            text: format!("{} of {max}", tokens.get()),
        });
        let turns = self.max_turns.zip(usage.model_calls).filter(|(max, used)| *used > max.get()).map(|(max, used)| ExceededLimit {
            kind: SpendKind::Turns,
            max: json!(max),
            used: json!(used),
            text: format!("{used} of {} model calls", max.get()),
        });
        [cost, tokens, turns].into_iter().flatten().collect()
    }
}

impl From<&Budget> for SpendLimits {
    /// The limits per run of a user.
    fn from(budget: &Budget) -> Self {
        Self {
            max_cost_usd: budget.cost_per_run_usd.and_then(Limit::amount),
            max_tokens: budget.tokens_per_run.and_then(Limit::amount),
            max_turns: budget.turns_per_run.and_then(Limit::amount),
        }
    }
}

fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A spend limit that a run has exceeded.
#[derive(Clone, Debug, PartialEq)]
pub struct ExceededLimit {
    /// What the limit counts.
    pub kind: SpendKind,
    max: Value,
    used: Value,
    text: String,
}

impl ExceededLimit {
    /// The limits in one message: `the run exceeded max_tokens (1234 of 1000 tokens)`.
    pub fn message(limits: &[Self]) -> String {
        let limits: Vec<String> = limits.iter().map(|limit| format!("{} ({})", limit.kind.limit_name(), limit.text)).collect();
        format!("the run exceeded {}", limits.join(" and "))
    }

    /// The limits as data of an event.
    pub fn data(limits: &[Self]) -> Value {
        let limits: Vec<Value> =
            limits.iter().map(|limit| json!({ "limit": limit.kind.limit_name(), "max": limit.max, "used": limit.used })).collect();
        json!({ "limits": limits })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(cost: Option<u64>, tokens: Option<u64>, turns: Option<u64>) -> SpendLimits {
        SpendLimits { max_cost_usd: cost.map(Money::from_micros), max_tokens: tokens.map(Tokens::new), max_turns: turns.map(Amount::new) }
    }

    fn usage(cost_micros: Option<u32>, tokens: u64, calls: Option<u64>) -> Usage {
        Usage {
            cost_usd: cost_micros.map(|micros| f64::from(micros) / 1e6),
            input_tokens: tokens / 2,
            output_tokens: tokens - tokens / 2,
            cache_read_tokens: 1_000_000,
            model_calls: calls,
            ..Usage::default()
        }
    }

    #[test]
    fn all_exceeded_limits_are_named_with_their_values() {
        let exceeded = limits(Some(250_000), Some(10), Some(2)).exceeded_by(&usage(Some(500_000), 11, Some(3)));
        let message = "the run exceeded max_cost_usd ($0.5 of $0.25) and max_tokens (11 of 10 tokens) and max_turns (3 of 2 model calls)";
        assert_eq!(ExceededLimit::message(&exceeded), message);
        let expected = json!({ "limits": [
            { "limit": "max_cost_usd", "max": 0.25, "used": 0.5 },
            { "limit": "max_tokens", "max": 10, "used": 11 },
            { "limit": "max_turns", "max": 2, "used": 3 },
        ] });
        assert_eq!(ExceededLimit::data(&exceeded), expected);
    }

    #[test]
    fn what_an_agent_does_not_report_exceeds_nothing() {
        assert_eq!(limits(Some(1), None, Some(1)).exceeded_by(&usage(None, 5, None)), vec![]);
    }

    proptest! {
        #[test]
        fn a_limit_is_exceeded_by_more_than_its_amount(
            max in (proptest::option::of(0..9_u64), proptest::option::of(0..9_u64), proptest::option::of(0..9_u64)),
            used in (0..9_u32, 0..9_u64, 0..9_u64),
        ) {
            let exceeded = limits(max.0, max.1, max.2).exceeded_by(&usage(Some(used.0), used.1, Some(used.2)));
            let is_exceeded = |kind| exceeded.iter().any(|limit| limit.kind == kind);
            prop_assert_eq!(is_exceeded(SpendKind::Cost), max.0.is_some_and(|max| u64::from(used.0) > max));
            prop_assert_eq!(is_exceeded(SpendKind::Tokens), max.1.is_some_and(|max| used.1 > max));
            prop_assert_eq!(is_exceeded(SpendKind::Turns), max.2.is_some_and(|max| used.2 > max));
        }

        #[test]
        fn the_stricter_limits_are_exceeded_if_either_is(
            one in proptest::option::of(0..9_u64), other in proptest::option::of(0..9_u64), used in 0..9_u64,
        ) {
            let (one, other) = (limits(None, one, one), limits(None, other, other));
            let used = usage(None, used, Some(used));
            let either = !one.exceeded_by(&used).is_empty() || !other.exceeded_by(&used).is_empty();
            prop_assert_eq!(!one.stricter(other).exceeded_by(&used).is_empty(), either);
            prop_assert_eq!(one.stricter(other), other.stricter(one));
        }
    }
}
