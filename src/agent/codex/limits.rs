//! The limits of the account, and when they end.

use serde_json::json;

use super::wire;
use crate::agent::{LineOutcome, Output};
use crate::types::{Level, NoticeCode, StreamEvent, Timestamp};

/// What is known of the account's limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Which one is reached, in Codex's word.
    reached: Option<String>,
    /// When the one that is used up ends, in seconds since 1970.
    resets_at: Option<i64>,
    /// Whether it was told in this turn.
    told: bool,
}

impl Limits {
    /// Takes what Codex says of them, and tells a limit that has been reached since.
    pub(super) fn update(&mut self, updated: &wire::LimitsUpdated, out: &mut Output) -> LineOutcome {
        let limits = &updated.rate_limits;
        let windows = [&limits.primary, &limits.secondary].into_iter().flatten().filter(|window| window.used_percent >= 100);
        // With both used up, nothing goes before the later one.
        self.resets_at = windows.filter_map(|window| window.resets_at).max();
        if limits.rate_limit_reached_type == self.reached {
            return LineOutcome::Ignored;
        }
        self.reached.clone_from(&limits.rate_limit_reached_type);
        let Some(reached) = &self.reached else { return LineOutcome::Buffered };
        let message = format!("the provider's limit is reached: {reached}");
        self.tell(message, out);
        LineOutcome::Emitted
    }

    /// A turn begins, in which a limit may be told again.
    pub(super) fn turn_begins(&mut self) {
        self.told = false;
    }

    /// Takes note of a limit that is told otherwise.
    pub(super) fn note_told(&mut self, events: &[StreamEvent]) {
        self.told |= events.iter().any(|event| matches!(event, StreamEvent::Notice { code: NoticeCode::RateLimited, .. }));
    }

    /// A turn fails by a limit. Tells it in Codex's words, unless this turn has told it.
    pub(super) fn tell_once(&mut self, message: &str, out: &mut Output) {
        if !self.told {
            self.tell(message.to_owned(), out);
        }
    }

    fn tell(&mut self, message: String, out: &mut Output) {
        self.told = true;
        let resets_at = self.resets_at.map(|secs| Timestamp::from_millis(secs.saturating_mul(1000)));
        let data = resets_at.map(|resets_at| json!({ "resets_at": resets_at }));
        out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::RateLimited, message, data });
    }
}
