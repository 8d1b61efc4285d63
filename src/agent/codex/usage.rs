//! Tokens: what this process has used, out of what Codex counts for each thread since it began.

use std::collections::HashMap;

use super::wire::{ThreadUsage, Tokens};
use crate::types::Usage;

/// What this process has used so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    used: Tokens,
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
        self.used = Tokens {
            input: self.used.input.saturating_add(grown.input),
            cached: self.used.cached.saturating_add(grown.cached),
            cache_write: self.used.cache_write.saturating_add(grown.cache_write),
            output: self.used.output.saturating_add(grown.output),
            reasoning: self.used.reasoning.saturating_add(grown.reasoning),
        };
        Some(usage(self.used))
    }
}

/// Codex counts cached tokens among those that were read; an event tells them apart. It knows no prices.
pub(super) fn usage(tokens: Tokens) -> Usage {
    Usage {
        input_tokens: tokens.input.saturating_sub(tokens.cached.saturating_add(tokens.cache_write)),
        output_tokens: tokens.output,
        cache_read_tokens: tokens.cached,
        cache_write_tokens: tokens.cache_write,
        reasoning_tokens: tokens.reasoning,
        ..Usage::default()
    }
}

fn since(now: Tokens, before: Tokens) -> Option<Tokens> {
    Some(Tokens {
        input: now.input.checked_sub(before.input)?,
        cached: now.cached.checked_sub(before.cached)?,
        cache_write: now.cache_write.checked_sub(before.cache_write)?,
        output: now.output.checked_sub(before.output)?,
        reasoning: now.reasoning.checked_sub(before.reasoning)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(total: u64, last: u64) -> ThreadUsage {
        let tokens = |n| Tokens { input: 10 * n, cached: 4 * n, output: n, ..Tokens::default() };
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
