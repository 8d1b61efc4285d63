//! Token usage and cost, from the results of turns and from `usage_update`.

use serde_json::Value;

use crate::types::Usage;

/// The totals of one process.
#[derive(Debug, Default)]
pub(super) struct UsageTotals {
    total: Usage,
    known: bool,
    /// The session was resumed. Agents report the cost of the whole session, so the part of this process is unknown then.
    resumed: bool,
}

impl UsageTotals {
    /// Zero usage, in a session that is new or `resumed`.
    pub(super) fn new(resumed: bool) -> Self {
        Self { resumed, ..Self::default() }
    }

    /// Processes `usage_update`: the session's cost so far. Returns whether it contained one.
    pub(super) fn update(&mut self, update: &Value) -> bool {
        let Some(cost) = update.get("cost") else { return false };
        let amount = cost.get("amount").and_then(Value::as_f64).filter(|amount| amount.is_finite() && *amount >= 0.0);
        let Some(amount) = amount.filter(|_| cost.get("currency").and_then(Value::as_str) == Some("USD")) else { return false };
        if !self.resumed {
            self.total.cost_usd = Some(amount);
            self.known = true;
        }
        true
    }

    /// Adds the `usage` of a turn's result, which covers only that turn (recording `acp/codex_text`).
    pub(super) fn add_turn(&mut self, usage: &Value) {
        let count = |name| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (input, output, thought) = (count("inputTokens"), count("outputTokens"), count("thoughtTokens"));
        let (read, write) = (count("cachedReadTokens"), count("cachedWriteTokens"));
        if !usage.is_object() {
            return;
        }
        // Agents disagree on whether the output includes thinking; their own total shows which.
        let apart = [input, output, thought, read, write].into_iter().fold(0, u64::saturating_add);
        let written = if count("totalTokens") == apart { output.saturating_add(thought) } else { output };
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.total.input_tokens, input);
        add(&mut self.total.output_tokens, written);
        add(&mut self.total.reasoning_tokens, thought);
        add(&mut self.total.cache_read_tokens, read);
        add(&mut self.total.cache_write_tokens, write);
        self.known = true;
    }

    /// The totals, if any usage was reported. The cost is the agent's estimate from list prices.
    pub(super) fn total(&self) -> Option<Usage> {
        self.known.then(|| Usage { cost_is_estimate: self.total.cost_usd.is_some(), ..self.total.clone() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thinking_tokens_are_part_of_the_output_however_the_agent_counts() {
        let mut apart = UsageTotals::default();
        apart.add_turn(&json!({ "inputTokens": 200, "outputTokens": 42, "thoughtTokens": 8, "totalTokens": 250 }));
        let mut within = UsageTotals::default();
        within.add_turn(&json!({ "inputTokens": 200, "outputTokens": 50, "thoughtTokens": 8, "totalTokens": 250 }));
        assert_eq!(apart.total(), within.total());
        assert_eq!(apart.total().unwrap().output_tokens, 50);
    }

    #[test]
    fn turns_are_added_and_the_cost_is_already_a_total() {
        let mut totals = UsageTotals::default();
        assert_eq!(totals.total(), None);
        for amount in [0.5, 0.75] {
            assert!(totals.update(&json!({ "cost": { "amount": amount, "currency": "USD" } })));
            totals.add_turn(&json!({ "inputTokens": 10, "outputTokens": u64::MAX, "totalTokens": 1 }));
        }
        let total = totals.total().unwrap();
        assert_eq!((total.input_tokens, total.output_tokens, total.cost_usd), (20, u64::MAX, Some(0.75)));
    }

    #[test]
    fn the_cost_of_a_resumed_session_is_unknown() {
        let mut totals = UsageTotals::new(true);
        totals.update(&json!({ "cost": { "amount": 5, "currency": "USD" } }));
        totals.add_turn(&json!({ "inputTokens": 1 }));
        assert_eq!(totals.total().unwrap().cost_usd, None);
    }

    #[test]
    fn other_currencies_and_malformed_values_are_ignored() {
        let mut totals = UsageTotals::default();
        for odd in
            [json!(null), json!({ "cost": 3 }), json!({ "cost": { "amount": -1, "currency": "USD" } }), json!({ "cost": { "amount": 1 } })]
        {
            assert!(!totals.update(&odd), "{odd}");
        }
        totals.add_turn(&json!([1]));
        assert_eq!(totals.total(), None);
    }
}
