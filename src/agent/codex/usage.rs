//! The token usage of one process, from the totals that Codex counts per thread across processes.

use std::collections::HashMap;

use super::wire::{ThreadUsage, Tokens};
use crate::types::Usage;

/// The running totals.
#[derive(Debug, Default)]
pub(super) struct UsageTotals {
    process_total: Tokens,
    /// Number of reports that contained something new: one follows each model call.
    calls: u64,
    /// The last reported totals of each thread.
    totals: HashMap<String, Tokens>,
}

impl UsageTotals {
    /// Sets the totals of a continued thread before its turn (recording `appserver_resume_2`).
    pub(super) fn set_baseline(&mut self, thread: &str, report: &ThreadUsage) {
        self.totals.insert(thread.to_owned(), report.total);
    }

    /// Adds a report about a thread. Returns the process's totals if they have changed.
    ///
    /// The increase of the thread's total counts, so that a repeated report (as after an interrupt) counts once. If the total has
    /// decreased, it was reset, and the last request counts.
    pub(super) fn add_report(&mut self, thread: &str, report: &ThreadUsage) -> Option<Usage> {
        let increase = match self.totals.insert(thread.to_owned(), report.total) {
            Some(before) => checked_sub(report.total, before).unwrap_or(report.last),
            None => report.last,
        };
        if increase == Tokens::default() {
            return None;
        }
        self.process_total = Tokens {
            input: self.process_total.input.saturating_add(increase.input),
            cached: self.process_total.cached.saturating_add(increase.cached),
            cache_write: self.process_total.cache_write.saturating_add(increase.cache_write),
            output: self.process_total.output.saturating_add(increase.output),
            reasoning: self.process_total.reasoning.saturating_add(increase.reasoning),
        };
        self.calls = self.calls.saturating_add(1);
        Some(Usage { model_calls: Some(self.calls), ..to_usage(self.process_total) })
    }
}

/// Codex includes cached tokens in the input tokens, events do not. Codex knows no prices.
pub(super) fn to_usage(tokens: Tokens) -> Usage {
    Usage {
        input_tokens: tokens.input.saturating_sub(tokens.cached.saturating_add(tokens.cache_write)),
        output_tokens: tokens.output,
        cache_read_tokens: tokens.cached,
        cache_write_tokens: tokens.cache_write,
        reasoning_tokens: tokens.reasoning,
        ..Usage::default()
    }
}

fn checked_sub(now: Tokens, before: Tokens) -> Option<Tokens> {
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

    fn report(total: u64, last: u64) -> ThreadUsage {
        let tokens = |n| Tokens { input: 10 * n, cached: 4 * n, output: n, ..Tokens::default() };
        ThreadUsage { total: tokens(total), last: tokens(last) }
    }

    #[test]
    fn a_repeated_report_counts_once_and_cached_tokens_are_separate() {
        let mut totals = UsageTotals::default();
        assert!(totals.add_report("a", &report(1, 1)).is_some());
        assert_eq!(totals.add_report("a", &report(1, 1)), None);
        let used = totals.add_report("a", &report(3, 2)).unwrap();
        assert_eq!((used.input_tokens, used.cache_read_tokens, used.output_tokens, used.model_calls), (18, 12, 3, Some(2)));
    }

    #[test]
    fn the_earlier_usage_of_a_continued_thread_is_excluded() {
        let mut totals = UsageTotals::default();
        totals.set_baseline("a", &report(7, 1));
        assert_eq!(totals.add_report("a", &report(9, 2)).unwrap().output_tokens, 2);
        assert_eq!(totals.add_report("sub-agent", &report(1, 1)).unwrap().output_tokens, 3);
        assert_eq!(totals.add_report("a", &report(1, 1)).unwrap().output_tokens, 4, "a total that has decreased was reset");
    }
}
