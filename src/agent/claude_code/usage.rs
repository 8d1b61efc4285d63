//! The usage of one process over all of its turns.
//!
//! The `result` of a turn is authoritative. Until it arrives, the model's responses supply the tokens, so that a run is stopped in the
//! middle of a turn if it exceeds its limits, and then still has a usage. Of a sub-agent's responses the program prints only the beginning
//! with its usage: their input counts at once, their output at the end of the turn.

use super::wire::{ModelUsage, TurnResult, TurnUsage};
use crate::types::Usage;

/// The running totals.
#[derive(Debug)]
pub(super) struct UsageTotals {
    /// Whether the process continues a conversation. Then `total_cost_usd` includes the conversation's earlier cost.
    resumed: bool,
    /// The usage of the completed turns.
    completed_turns: Usage,
    /// The usage of the current turn.
    current_turn: Usage,
}

impl UsageTotals {
    pub(super) fn new(resumed: bool) -> Self {
        // The program computes its cost from list prices.
        let completed_turns = Usage { cost_is_estimate: true, model_calls: Some(0), ..Usage::default() };
        Self { resumed, completed_turns, current_turn: Usage::default() }
    }

    /// Adds the usage of one model response and returns the totals. The cost is known only at the end of the turn.
    pub(super) fn add_response(&mut self, usage: &TurnUsage) -> Usage {
        add_tokens(&mut self.current_turn, &usage.into());
        let calls = &mut self.completed_turns.model_calls;
        *calls = calls.map(|calls| calls.saturating_add(1));
        let mut totals = self.completed_turns.clone();
        add_tokens(&mut totals, &self.current_turn);
        totals
    }

    /// Adds the usage of a completed turn and returns the totals.
    pub(super) fn add_turn(&mut self, turn: &TurnResult) -> Usage {
        self.current_turn = Usage::default();
        if let Some(models) = &turn.model_usage_since_last_result {
            let mut cost = self.completed_turns.cost_usd.unwrap_or_default();
            for model in models.values() {
                add_tokens(&mut self.completed_turns, &model.into());
                cost += model.cost_usd;
            }
            self.completed_turns.cost_usd = Some(cost);
        } else {
            add_tokens(&mut self.completed_turns, &(&turn.usage).into());
            self.completed_turns.cost_usd = turn.total_cost_usd.filter(|_| !self.resumed);
        }
        self.completed_turns.clone()
    }
}

impl From<&TurnUsage> for Usage {
    fn from(usage: &TurnUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_input_tokens,
            cache_write_tokens: usage.cache_creation_input_tokens,
            ..Self::default()
        }
    }
}

impl From<&ModelUsage> for Usage {
    fn from(usage: &ModelUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_input_tokens,
            cache_write_tokens: usage.cache_creation_input_tokens,
            reasoning_tokens: usage.thinking_tokens,
            ..Self::default()
        }
    }
}

/// Adds the tokens, not the cost.
fn add_tokens(total: &mut Usage, more: &Usage) {
    total.input_tokens = total.input_tokens.saturating_add(more.input_tokens);
    total.output_tokens = total.output_tokens.saturating_add(more.output_tokens);
    total.cache_read_tokens = total.cache_read_tokens.saturating_add(more.cache_read_tokens);
    total.cache_write_tokens = total.cache_write_tokens.saturating_add(more.cache_write_tokens);
    total.reasoning_tokens = total.reasoning_tokens.saturating_add(more.reasoning_tokens);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(json: &str) -> TurnResult {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn totals_add_up_over_turns_and_models() {
        let line = r#"{"total_cost_usd":9.0,"usage":{"input_tokens":1},"model_usage_since_last_result":{
            "a":{"inputTokens":3,"costUSD":0.25},"b":{"outputTokens":2,"thinkingTokens":1,"costUSD":0.5}}}"#;
        let mut totals = UsageTotals::new(true);
        totals.add_turn(&turn(line));
        let expected = Usage {
            input_tokens: 6,
            output_tokens: 4,
            reasoning_tokens: 2,
            cost_usd: Some(1.5),
            cost_is_estimate: true,
            model_calls: Some(0),
            ..Usage::default()
        };
        assert_eq!(totals.add_turn(&turn(line)), expected);
    }

    #[test]
    fn a_response_counts_at_once_and_only_once() {
        let usage = TurnUsage { input_tokens: 5, ..TurnUsage::default() };
        let mut totals = UsageTotals::new(false);
        assert_eq!((totals.add_response(&usage).input_tokens, totals.add_response(&usage).input_tokens), (5, 10));
        let total = totals.add_turn(&turn(r#"{"total_cost_usd":0.5,"usage":{"input_tokens":10}}"#));
        assert_eq!((total.input_tokens, total.cost_usd, total.model_calls), (10, Some(0.5), Some(2)));
    }

    #[test]
    fn the_earlier_cost_of_a_continued_conversation_is_excluded() {
        let total = UsageTotals::new(true).add_turn(&turn(r#"{"total_cost_usd":0.5,"usage":{"input_tokens":10}}"#));
        assert_eq!((total.input_tokens, total.cost_usd), (10, None));
    }
}
