//! What a process has used, counted over its turns.
//!
//! A turn's `result` tells it for certain. Until then the model's own answers tell the tokens of the main conversation, so that a
//! run that is stopped in mid-turn has not used nothing.

use super::wire::{ModelUsage, TurnResult, TurnUsage};
use crate::types::Usage;

/// The running totals.
#[derive(Debug)]
pub(super) struct Totals {
    /// Whether the process continues a conversation, whose earlier cost `total_cost_usd` then holds.
    resumed: bool,
    /// Of the turns that are over.
    settled: Usage,
    /// Of the turn that is not.
    open: Usage,
}

impl Totals {
    pub(super) fn new(resumed: bool) -> Self {
        // The program computes its costs from list prices.
        let settled = Usage { cost_is_estimate: true, ..Usage::default() };
        Self { resumed, settled, open: Usage::default() }
    }

    /// The model has given one answer. Gives the totals; what it cost is not known yet.
    pub(super) fn answer(&mut self, used: &TurnUsage) -> Usage {
        add(&mut self.open, &used.into());
        let mut totals = self.settled.clone();
        add(&mut totals, &self.open);
        totals
    }

    /// A turn is over. Gives the totals.
    pub(super) fn turn(&mut self, turn: &TurnResult) -> Usage {
        self.open = Usage::default();
        if let Some(models) = &turn.model_usage_since_last_result {
            let mut cost = self.settled.cost_usd.unwrap_or_default();
            for model in models.values() {
                add(&mut self.settled, &model.into());
                cost += model.cost_usd;
            }
            self.settled.cost_usd = Some(cost);
        } else {
            add(&mut self.settled, &(&turn.usage).into());
            self.settled.cost_usd = turn.total_cost_usd.filter(|_| !self.resumed);
        }
        self.settled.clone()
    }
}

impl From<&TurnUsage> for Usage {
    fn from(used: &TurnUsage) -> Self {
        Self {
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            cache_read_tokens: used.cache_read_input_tokens,
            cache_write_tokens: used.cache_creation_input_tokens,
            ..Self::default()
        }
    }
}

impl From<&ModelUsage> for Usage {
    fn from(used: &ModelUsage) -> Self {
        Self {
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            cache_read_tokens: used.cache_read_input_tokens,
            cache_write_tokens: used.cache_creation_input_tokens,
            reasoning_tokens: used.thinking_tokens,
            ..Self::default()
        }
    }
}

/// Adds the tokens.
fn add(total: &mut Usage, more: &Usage) {
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
        let mut totals = Totals::new(true);
        totals.turn(&turn(line));
        let expected = Usage {
            input_tokens: 6,
            output_tokens: 4,
            reasoning_tokens: 2,
            cost_usd: Some(1.5),
            cost_is_estimate: true,
            ..Usage::default()
        };
        assert_eq!(totals.turn(&turn(line)), expected);
    }

    #[test]
    fn an_answer_counts_at_once_and_not_again_when_its_turn_ends() {
        let used = TurnUsage { input_tokens: 5, ..TurnUsage::default() };
        let mut totals = Totals::new(false);
        assert_eq!((totals.answer(&used).input_tokens, totals.answer(&used).input_tokens), (5, 10));
        let settled = totals.turn(&turn(r#"{"total_cost_usd":0.5,"usage":{"input_tokens":10}}"#));
        assert_eq!((settled.input_tokens, settled.cost_usd), (10, Some(0.5)));
    }

    #[test]
    fn what_a_continued_conversation_had_cost_before_is_not_ours() {
        let settled = Totals::new(true).turn(&turn(r#"{"total_cost_usd":0.5,"usage":{"input_tokens":10}}"#));
        assert_eq!((settled.input_tokens, settled.cost_usd), (10, None));
    }
}
