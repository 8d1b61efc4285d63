//! Compactions: the agent replaces the conversation so far by a summary, because the context is nearly full.

use serde_json::{Value, json};

use super::content::text_of_value;
use crate::agent::Output;
use crate::types::{Level, NoticeCode, StreamEvent};

/// Maximum length of a summary in bytes.
const MAX_SUMMARY: usize = 16 * 1024;

/// The latest compaction of one process. The protocol identifies them, since updates about one may arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    id: String,
    summary: String,
    /// Whether its end was reported.
    ended: bool,
}

impl Compaction {
    /// Takes an update of kind `compaction_update` or `compaction_summary_chunk`. `None` if it is malformed.
    pub(super) fn apply(&mut self, kind: &str, update: &Value, out: &mut Output) -> Option<()> {
        let id = update.get("compactionId")?.as_str()?;
        if id != self.id {
            *self = Self { id: id.to_owned(), ..Self::default() };
        }
        if kind == "compaction_summary_chunk" {
            self.add(&text_of_value(update.get("content")?)?);
            return Some(());
        }
        let status = update.get("status")?.as_str()?;
        if let Some(summary) = update.get("summary") {
            self.summary.clear();
            summary.as_array().into_iter().flatten().filter_map(text_of_value).for_each(|text| self.add(&text));
        }
        let (level, message) = match status {
            "completed" => (Level::Info, "the agent compacted its conversation".to_owned()),
            "failed" => {
                let reason = update.get("error").and_then(Value::as_str).map(|reason| format!(": {reason}")).unwrap_or_default();
                (Level::Warning, format!("the agent could not compact its conversation{reason}"))
            }
            // In progress, cancelled, or of a later version.
            _ => return Some(()),
        };
        if !std::mem::replace(&mut self.ended, true) {
            let summary = std::mem::take(&mut self.summary);
            let data = (!summary.is_empty()).then(|| json!({ "summary": summary }));
            out.emit(StreamEvent::Notice { level, code: NoticeCode::AgentWarning, message, data });
        }
        Some(())
    }

    fn add(&mut self, text: &str) {
        let room = MAX_SUMMARY.saturating_sub(self.summary.len());
        self.summary.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Item;

    fn notices(updates: &[(&str, Value)]) -> Vec<(String, Option<Value>)> {
        let (mut compaction, mut out) = (Compaction::default(), Output::default());
        for (kind, update) in updates {
            compaction.apply(kind, update, &mut out).unwrap();
        }
        let notice = |item| match item {
            Item::Event(StreamEvent::Notice { message, data, .. }) => (message, data),
            other => panic!("{other:?}"),
        };
        out.items.into_iter().map(notice).collect()
    }

    #[test]
    fn a_compaction_is_reported_once_with_its_summary() {
        let state = |status: &str| ("compaction_update", json!({ "compactionId": "a", "status": status }));
        let chunk = |text: &str| ("compaction_summary_chunk", json!({ "compactionId": "a", "content": { "type": "text", "text": text } }));
        let summary = Some(json!({ "summary": "one two" }));
        let expected = ("the agent compacted its conversation".to_owned(), summary);
        assert_eq!(
            notices(&[state("in_progress"), chunk("one "), chunk("two"), state("completed"), state("completed")]),
            vec![expected.clone()]
        );
        let blocks = json!([{ "type": "text", "text": "one two" }]);
        let whole = ("compaction_update", json!({ "compactionId": "a", "status": "completed", "summary": blocks }));
        assert_eq!(notices(&[chunk("draft"), whole]), [expected]);
        assert_eq!(notices(&[state("cancelled"), state("_paused")]), []);
    }

    #[test]
    fn a_failed_compaction_is_a_warning_and_the_next_one_is_independent() {
        let failed = ("compaction_update", json!({ "compactionId": "a", "status": "failed", "error": "no room" }));
        let next = ("compaction_update", json!({ "compactionId": "b", "status": "completed" }));
        let messages: Vec<_> = notices(&[failed, next]).into_iter().map(|(message, _)| message).collect();
        assert_eq!(messages, ["the agent could not compact its conversation: no room", "the agent compacted its conversation"]);
    }

    #[test]
    fn a_summary_is_bounded_and_malformed_updates_change_nothing() {
        let chunk =
            ("compaction_summary_chunk", json!({ "compactionId": "a", "content": { "type": "text", "text": "é".repeat(MAX_SUMMARY) } }));
        let completed = ("compaction_update", json!({ "compactionId": "a", "status": "completed" }));
        let seen = notices(&[chunk.clone(), chunk, completed]);
        assert_eq!(seen[0].1.as_ref().unwrap()["summary"].as_str().unwrap().len(), MAX_SUMMARY);
        for malformed in [json!({}), json!({ "compactionId": "a" }), json!({ "compactionId": "a", "status": 3 })] {
            let mut out = Output::default();
            assert_eq!(Compaction::default().apply("compaction_update", &malformed, &mut out), None, "{malformed}");
            assert!(out.is_empty());
        }
    }
}
