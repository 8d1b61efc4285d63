//! Token usage and cost, from the results of turns, from `usage_update`, and from chunks.

use serde_json::Value;

use crate::types::Usage;

/// The totals of one process.
#[derive(Debug, Default)]
pub(super) struct UsageTotals {
    total: Usage,
    known: bool,
    /// The session was resumed. Agents report the cost of the whole session, so the part of this process is unknown then.
    resumed: bool,
    /// The usage of the turn's model calls, from an agent that reports it with each (recording `acp/qwen_text`).
    calls: Option<Usage>,
}

impl UsageTotals {
    /// Zero usage, in a session that is new or `resumed`.
    pub(super) fn new(resumed: bool) -> Self {
        Self { resumed, ..Self::default() }
    }

    /// Processes `usage_update`: the session's cost so far. Returns whether it contained one that differs from the last.
    pub(super) fn update(&mut self, update: &Value) -> bool {
        let Some(cost) = update.get("cost") else { return false };
        let before = self.total.cost_usd;
        let amount = cost.get("amount").and_then(Value::as_f64).filter(|amount| amount.is_finite() && *amount >= 0.0);
        let Some(amount) = amount.filter(|_| cost.get("currency").and_then(Value::as_str) == Some("USD")) else { return false };
        if !self.resumed {
            self.total.cost_usd = Some(amount);
            self.known = true;
        }
        self.total.cost_usd != before
    }

    /// Adds the usage of one model call of the current turn, from the metadata of a chunk. Returns whether there was one.
    pub(super) fn add_call(&mut self, update: &Value) -> bool {
        let Some(usage) = update.pointer("/_meta/usage").and_then(usage_in) else { return false };
        let calls = self.calls.get_or_insert_default();
        add(calls, &usage);
        calls.model_calls = Some(calls.model_calls.unwrap_or(0).saturating_add(1));
        true
    }

    /// Adds the usage of a turn from its result, which covers only that turn (recording `acp/codex_text`), or else from its model calls.
    /// `is_partial` states that the result covers a part of the turn's model calls only. Returns whether any was reported.
    pub(super) fn add_turn(&mut self, result: &Value, is_partial: bool) -> bool {
        // Gemini and Grok report it in their metadata (recordings `acp/gemini_text`, `acp/grok_text`).
        let reported = ["/usage", "/_meta/usage", "/_meta/quota/token_count"];
        let of_result = reported.iter().find_map(|pointer| usage_in(result.pointer(pointer)?));
        let of_calls = self.calls.take();
        let calls = of_calls.as_ref().and_then(|calls| calls.model_calls);
        let Some(usage) = of_result.or(of_calls) else { return false };
        add(&mut self.total, &usage);
        add_calls(&mut self.total, calls);
        self.total.tokens_are_partial |= is_partial;
        self.known = true;
        true
    }

    /// The totals with those of the running turn, if any usage was reported. The cost is the agent's estimate from list prices.
    pub(super) fn total(&self) -> Option<Usage> {
        let mut total = Usage { cost_is_estimate: self.total.cost_usd.is_some(), ..self.total.clone() };
        if let Some(calls) = &self.calls {
            add(&mut total, calls);
            add_calls(&mut total, calls.model_calls);
        }
        (self.known || self.calls.is_some()).then_some(total)
    }
}

fn add_calls(sum: &mut Usage, more: Option<u64>) {
    if let Some(more) = more {
        sum.model_calls = Some(sum.model_calls.unwrap_or(0).saturating_add(more));
    }
}

fn add(sum: &mut Usage, more: &Usage) {
    let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
    add(&mut sum.input_tokens, more.input_tokens);
    add(&mut sum.output_tokens, more.output_tokens);
    add(&mut sum.reasoning_tokens, more.reasoning_tokens);
    add(&mut sum.cache_read_tokens, more.cache_read_tokens);
    add(&mut sum.cache_write_tokens, more.cache_write_tokens);
}

/// The usage in an object. `None` if it contains no counts.
fn usage_in(usage: &Value) -> Option<Usage> {
    let count = |names: &[&str]| names.iter().find_map(|name| usage.get(name)?.as_u64());
    let input = count(&["inputTokens", "input_tokens"]);
    let output = count(&["outputTokens", "output_tokens"]);
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let thought = count(&["thoughtTokens", "reasoningTokens"]).unwrap_or(0);
    let read = count(&["cachedReadTokens", "cachedInputTokens"]).unwrap_or(0);
    let write = count(&["cachedWriteTokens", "cacheCreationTokens"]).unwrap_or(0);
    let total = count(&["totalTokens"]);
    let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
    // Agents disagree on whether the output includes thinking, and whether the input includes cached tokens; their own total shows which.
    let cached = sum(&[read, write]);
    let cached_is_within =
        cached > 0 && cached <= input && [sum(&[input, output]), sum(&[input, output, thought])].map(Some).contains(&total);
    let uncached = if cached_is_within { input - cached } else { input };
    let is_apart = total == Some(sum(&[uncached, output, thought, cached]));
    Some(Usage {
        input_tokens: uncached,
        output_tokens: if is_apart { output.saturating_add(thought) } else { output },
        reasoning_tokens: thought,
        cache_read_tokens: read,
        cache_write_tokens: write,
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "callers write a literal")]
    fn of_turn(usage: Value) -> Usage {
        let mut totals = UsageTotals::default();
        assert!(totals.add_turn(&json!({ "usage": usage }), false));
        totals.total().unwrap()
    }

    #[test]
    fn thinking_tokens_are_part_of_the_output_however_the_agent_counts() {
        let apart = of_turn(json!({ "inputTokens": 200, "outputTokens": 42, "thoughtTokens": 8, "totalTokens": 250 }));
        let within = of_turn(json!({ "inputTokens": 200, "outputTokens": 50, "thoughtTokens": 8, "totalTokens": 250 }));
        assert_eq!(apart, within);
        assert_eq!(apart.output_tokens, 50);
    }

    #[test]
    fn cached_tokens_are_not_part_of_the_input_however_the_agent_counts() {
        let apart = of_turn(json!({ "inputTokens": 200, "outputTokens": 42, "cachedReadTokens": 1000, "totalTokens": 1242 }));
        let within = of_turn(json!({ "inputTokens": 1200, "outputTokens": 42, "cachedReadTokens": 1000, "totalTokens": 1242 }));
        assert_eq!(apart, within);
        assert_eq!((apart.input_tokens, apart.cache_read_tokens), (200, 1000));
        let unknown = of_turn(json!({ "inputTokens": 1200, "outputTokens": 42, "cachedReadTokens": 1000 }));
        assert_eq!(unknown.input_tokens, 1200, "without a total nothing is known");
    }

    #[test]
    fn usage_is_found_wherever_agents_put_it() {
        let gemini = json!({ "_meta": { "quota": { "token_count": { "input_tokens": 3, "output_tokens": 4 } } } });
        let grok = json!({ "_meta": { "usage": { "inputTokens": 3, "outputTokens": 4, "reasoningTokens": 1 } } });
        for result in [gemini, grok] {
            let mut totals = UsageTotals::default();
            assert!(totals.add_turn(&result, false), "{result}");
            let total = totals.total().unwrap();
            assert_eq!((total.input_tokens, total.output_tokens), (3, 4));
        }
        let mut totals = UsageTotals::default();
        for _ in 0..2 {
            assert!(totals.add_call(&json!({ "_meta": { "usage": { "inputTokens": 3, "outputTokens": 4 } } })));
        }
        let during = totals.total().unwrap();
        assert_eq!((during.input_tokens, during.model_calls), (6, Some(2)), "known before the end of the turn");
        assert!(totals.add_turn(&json!({ "stopReason": "end_turn" }), false));
        assert_eq!(totals.total(), Some(during));
        assert!(!totals.add_turn(&json!({ "stopReason": "end_turn" }), false), "each call counts once");
    }

    #[test]
    fn turns_are_added_and_the_cost_is_already_a_total() {
        let mut totals = UsageTotals::default();
        assert_eq!(totals.total(), None);
        for amount in [0.5, 0.75] {
            let update = json!({ "cost": { "amount": amount, "currency": "USD" } });
            assert!(totals.update(&update));
            assert!(!totals.update(&update), "nothing has changed");
            totals.add_turn(&json!({ "usage": { "inputTokens": 10, "outputTokens": u64::MAX, "totalTokens": 1 } }), false);
        }
        let total = totals.total().unwrap();
        assert_eq!((total.input_tokens, total.output_tokens, total.cost_usd), (20, u64::MAX, Some(0.75)));
    }

    #[test]
    fn tokens_stay_partial_once_those_of_a_turn_were() {
        let mut totals = UsageTotals::default();
        let result = json!({ "usage": { "inputTokens": 3, "outputTokens": 4 } });
        for (is_partial, expected) in [(false, false), (true, true), (false, true)] {
            totals.add_turn(&result, is_partial);
            assert_eq!(totals.total().unwrap().tokens_are_partial, expected);
        }
        let mut whole = crate::types::Usage::default();
        whole.add(&totals.total().unwrap());
        assert!(whole.tokens_are_partial);
        assert_eq!(json!(crate::types::Usage::default()).get("tokens_are_partial"), None);
    }

    #[test]
    fn the_cost_of_a_resumed_session_is_unknown() {
        let mut totals = UsageTotals::new(true);
        totals.update(&json!({ "cost": { "amount": 5, "currency": "USD" } }));
        totals.add_turn(&json!({ "usage": { "inputTokens": 1 } }), false);
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
        for odd in [json!({ "usage": [1] }), json!({ "usage": { "inputTokens": "3" } }), json!({ "usage": null }), json!([])] {
            assert!(!totals.add_turn(&odd, false), "{odd}");
        }
        assert_eq!(totals.total(), None);
    }
}
