//! The account's rate limits.

use serde_json::json;

use super::wire;
use crate::agent::{LineOutcome, Output};
use crate::types::{Level, NoticeCode, StreamEvent, Timestamp};

/// The state of the account's rate limits.
#[derive(Debug, Default)]
pub(super) struct RateLimits {
    /// The limit that was reached, as named by Codex.
    reached: Option<String>,
    /// When the exhausted limit resets, in seconds since 1970.
    resets_at: Option<i64>,
    /// Whether it was reported in this turn.
    reported: bool,
}

impl RateLimits {
    /// Updates the limits, and emits a notice if one was newly reached.
    pub(super) fn update(&mut self, updated: &wire::RateLimitsUpdated, out: &mut Output) -> LineOutcome {
        let limits = &updated.rate_limits;
        let windows = [&limits.primary, &limits.secondary].into_iter().flatten().filter(|window| window.used_percent >= 100);
        // If both are exhausted, the later reset counts.
        self.resets_at = windows.filter_map(|window| window.resets_at).max();
        if limits.rate_limit_reached_type == self.reached {
            return LineOutcome::Ignored;
        }
        self.reached.clone_from(&limits.rate_limit_reached_type);
        let Some(reached) = &self.reached else { return LineOutcome::Buffered };
        let message = format!("the provider's limit was reached: {reached}");
        self.emit_notice(message, out);
        LineOutcome::Emitted
    }

    /// Handles the start of a turn, in which a limit may be reported again.
    pub(super) fn start_turn(&mut self) {
        self.reported = false;
    }

    /// Records whether `events` already report a limit.
    pub(super) fn note_reported(&mut self, events: &[StreamEvent]) {
        self.reported |= events.iter().any(|event| matches!(event, StreamEvent::Notice { code: NoticeCode::RateLimited, .. }));
    }

    /// Emits a notice with Codex's message when a limit makes the turn fail, unless the limit was already reported in this turn.
    pub(super) fn report_once(&mut self, message: &str, out: &mut Output) {
        if !self.reported {
            self.emit_notice(message.to_owned(), out);
        }
    }

    fn emit_notice(&mut self, message: String, out: &mut Output) {
        self.reported = true;
        let resets_at = self.resets_at.map(|secs| Timestamp::from_millis(secs.saturating_mul(1000)));
        let data = resets_at.map(|resets_at| json!({ "resets_at": resets_at }));
        out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::RateLimited, message, data });
    }
}
