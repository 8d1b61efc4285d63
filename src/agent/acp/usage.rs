//! What the model has used, from a turn's result and from `usage_update`.

use serde_json::Value;

use crate::types::Usage;

/// Totals of this process.
#[derive(Debug, Default)]
pub(super) struct Spent {
    total: Usage,
    known: bool,
    /// Money that the agent counts for the whole session. Of a session that was taken up again, nobody tells how much of it was
    /// spent before, so there it stays unknown.
    resumed: bool,
}

impl Spent {
    /// Nothing spent yet, in a session that is new or `resumed`.
    pub(super) fn new(resumed: bool) -> Self {
        Self { resumed, ..Self::default() }
    }

    /// Takes `usage_update`: the session's cost so far. Says whether there was something to learn.
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

    /// Takes the `usage` of a turn's result, which counts that turn only (recording `acp/codex_text`).
    pub(super) fn turn(&mut self, usage: &Value) {
        let count = |name| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (input, output, thought) = (count("inputTokens"), count("outputTokens"), count("thoughtTokens"));
        let (read, write) = (count("cachedReadTokens"), count("cachedWriteTokens"));
        if !usage.is_object() {
            return;
        }
        // Agents disagree on whether the output includes the thinking; their own total tells which it is.
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

    /// The totals, if anything is known. The money is what the agent computes from list prices.
    pub(super) fn total(&self) -> Option<Usage> {
        self.known.then(|| Usage { cost_is_estimate: self.total.cost_usd.is_some(), ..self.total.clone() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thinking_is_part_of_the_output_however_the_agent_counts() {
        let mut apart = Spent::default();
        apart.turn(&json!({ "inputTokens": 200, "outputTokens": 42, "thoughtTokens": 8, "totalTokens": 250 }));
        let mut within = Spent::default();
        within.turn(&json!({ "inputTokens": 200, "outputTokens": 50, "thoughtTokens": 8, "totalTokens": 250 }));
        assert_eq!(apart.total(), within.total());
        assert_eq!(apart.total().unwrap().output_tokens, 50);
    }

    #[test]
    fn turns_add_up_and_the_cost_is_already_a_sum() {
        let mut spent = Spent::default();
        assert_eq!(spent.total(), None);
        for amount in [0.5, 0.75] {
            assert!(spent.update(&json!({ "cost": { "amount": amount, "currency": "USD" } })));
            spent.turn(&json!({ "inputTokens": 10, "outputTokens": u64::MAX, "totalTokens": 1 }));
        }
        let total = spent.total().unwrap();
        assert_eq!((total.input_tokens, total.output_tokens, total.cost_usd), (20, u64::MAX, Some(0.75)));
    }

    #[test]
    fn the_cost_of_earlier_runs_is_not_told_as_this_ones() {
        let mut spent = Spent::new(true);
        spent.update(&json!({ "cost": { "amount": 5, "currency": "USD" } }));
        spent.turn(&json!({ "inputTokens": 1 }));
        assert_eq!(spent.total().unwrap().cost_usd, None);
    }

    #[test]
    fn other_currencies_and_other_shapes_tell_nothing() {
        let mut spent = Spent::default();
        for odd in
            [json!(null), json!({ "cost": 3 }), json!({ "cost": { "amount": -1, "currency": "USD" } }), json!({ "cost": { "amount": 1 } })]
        {
            assert!(!spent.update(&odd), "{odd}");
        }
        spent.turn(&json!([1]));
        assert_eq!(spent.total(), None);
    }
}
