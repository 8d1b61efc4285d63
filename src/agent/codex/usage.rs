//! Tokens: what this process has used, out of what Codex counts for each thread since it began.

use std::collections::HashMap;

use super::wire::{ThreadUsage, Tokens};
use crate::types::Usage;

/// What this process has used so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    used: Usage,
    /// Totals of each thread as last told.
    totals: HashMap<String, Tokens>,
}

impl Meter {
    /// Takes the totals of a thread that was continued, as they stood before its turn began (recording `appserver_resume_2`).
    pub(super) fn begin(&mut self, thread: &str, told: &ThreadUsage) {
        self.totals.insert(thread.to_owned(), told.total);
    }

    /// Takes what is told of a thread, and gives the process's totals if they changed.
    ///
    /// The growth of a thread's total counts, so that the same figures told twice (as after an interrupt) count once. A total
    /// that shrinks began anew; then the last request counts.
    pub(super) fn add(&mut self, thread: &str, told: &ThreadUsage) -> Option<Usage> {
        let grown = match self.totals.insert(thread.to_owned(), told.total) {
            Some(before) => since(told.total, before).unwrap_or(told.last),
            None => told.last,
        };
        if grown == Tokens::default() {
            return None;
        }
        let cached = grown.cached_input_tokens.saturating_add(grown.cache_write_input_tokens);
        let more = |sum: &mut u64, tokens: u64| *sum = sum.saturating_add(tokens);
        more(&mut self.used.input_tokens, grown.input_tokens.saturating_sub(cached));
        more(&mut self.used.output_tokens, grown.output_tokens);
        more(&mut self.used.cache_read_tokens, grown.cached_input_tokens);
        more(&mut self.used.cache_write_tokens, grown.cache_write_input_tokens);
        more(&mut self.used.reasoning_tokens, grown.reasoning_output_tokens);
        Some(self.used.clone())
    }
}

fn since(now: Tokens, before: Tokens) -> Option<Tokens> {
    Some(Tokens {
        input_tokens: now.input_tokens.checked_sub(before.input_tokens)?,
        cached_input_tokens: now.cached_input_tokens.checked_sub(before.cached_input_tokens)?,
        cache_write_input_tokens: now.cache_write_input_tokens.checked_sub(before.cache_write_input_tokens)?,
        output_tokens: now.output_tokens.checked_sub(before.output_tokens)?,
        reasoning_output_tokens: now.reasoning_output_tokens.checked_sub(before.reasoning_output_tokens)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(total: u64, last: u64) -> ThreadUsage {
        let tokens = |n| Tokens { input_tokens: 10 * n, cached_input_tokens: 4 * n, output_tokens: n, ..Tokens::default() };
        ThreadUsage { total: tokens(total), last: tokens(last) }
    }

    #[test]
    fn tokens_are_counted_once_and_cached_ones_apart() {
        let mut meter = Meter::default();
        assert!(meter.add("a", &told(1, 1)).is_some());
        assert_eq!(meter.add("a", &told(1, 1)), None);
        let used = meter.add("a", &told(3, 2)).unwrap();
        assert_eq!((used.input_tokens, used.cache_read_tokens, used.output_tokens), (18, 12, 3));
    }

    #[test]
    fn what_a_continued_thread_used_before_does_not_count() {
        let mut meter = Meter::default();
        meter.begin("a", &told(7, 1));
        assert_eq!(meter.add("a", &told(9, 2)).unwrap().output_tokens, 2);
        assert_eq!(meter.add("sub-agent", &told(1, 1)).unwrap().output_tokens, 3);
        assert_eq!(meter.add("a", &told(1, 1)).unwrap().output_tokens, 4, "a total that shrinks began anew");
    }
}
