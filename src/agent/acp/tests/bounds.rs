//! The bounds of everything that an agent makes its parser remember.
//!
//! Rules: R7.

use super::*;
use crate::agent::replay::limits_in;
use crate::types::bounds::{MAX_ASSEMBLED_ANSWER, MAX_KEPT_CALL_BYTES, MAX_KEPT_CALLS};

/// The results in `items`, by the calls' ids in the log.
fn results(items: &[Item]) -> Vec<(&str, ToolStatus)> {
    let results = items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::ToolResult { id, status, .. }) => Some((id.as_str(), *status)),
        _ => None,
    });
    results.collect()
}

fn read(parser: &mut dyn Parser, message: &Value, out: &mut Output) {
    parser.handle_line(&message.to_string(), out);
}

/// Opens the session `s` and starts the first turn.
pub(crate) fn open_session(parser: &mut dyn Parser) {
    let mut out = Output::default();
    parser.open(&mut out);
    read(parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }), &mut out);
    read(parser, &json!({ "id": 2, "result": { "sessionId": "s" } }), &mut out);
}

/// Calls that never end, requests that are denied, and an answer without end.
pub(crate) fn assert_bounded(parser: &mut dyn Parser) {
    let mut out = Output::default();
    let update = |update: Value| json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } });
    for number in 0..MAX_KEPT_CALLS + 2 {
        let call = json!({ "sessionUpdate": "tool_call", "toolCallId": number.to_string(), "kind": "read", "status": "in_progress" });
        read(parser, &update(call), &mut out);
    }
    assert_eq!(limits_in(&out.items), [("open_calls", MAX_KEPT_CALLS)]);
    assert_eq!(results(&out.items), [("0", ToolStatus::Error), ("1", ToolStatus::Error)], "the oldest get a result");

    let options = json!([{ "optionId": "no", "kind": "reject_once", "name": "No" }]);
    for number in 0..3 * MAX_KEPT_CALLS {
        let call = json!({ "toolCallId": format!("asked-{number}"), "title": "Run", "kind": "execute" });
        let params = json!({ "sessionId": "s", "toolCall": call, "options": options });
        read(parser, &json!({ "id": number, "method": "session/request_permission", "params": params }), &mut out);
        parser.decide(&number.to_string(), Decision::Deny, &mut out);
    }
    assert_eq!(limits_in(&out.items).len(), 1, "the limit is reported once");

    out = Output::default();
    let large = "x".repeat(MAX_ASSEMBLED_ANSWER / 4);
    for _ in 0..8 {
        let content = json!({ "type": "text", "text": large });
        read(parser, &update(json!({ "sessionUpdate": "agent_message_chunk", "content": content, "messageId": "m" })), &mut out);
    }
    let thought = json!({ "type": "text", "text": "hm" });
    read(parser, &update(json!({ "sessionUpdate": "agent_thought_chunk", "content": thought })), &mut out);
    let length = |item: &Item| match item {
        Item::Event(StreamEvent::Message { content, .. }) => content.len(),
        _ => 0,
    };
    assert_eq!(out.items.iter().map(length).max(), Some(MAX_ASSEMBLED_ANSWER));
    let is_truncated = |item: &&Item| matches!(item, Item::Event(StreamEvent::Notice { code: NoticeCode::Truncated, .. }));
    assert_eq!(out.items.iter().filter(is_truncated).count(), 1);
}

#[test]
fn calls_requests_and_answers_are_bounded() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    open_session(&mut parser);
    assert_bounded(&mut parser);
}

#[test]
fn the_inputs_of_calls_without_a_result_are_bounded() {
    let mut parser = in_turn("x");
    let large = "x".repeat(MAX_KEPT_CALL_BYTES / 4);
    let mut items = Vec::new();
    for number in 0..8 {
        let call = json!({
            "sessionUpdate": "tool_call", "toolCallId": number.to_string(), "kind": "read", "status": "in_progress", "rawInput": { "path": large },
        });
        items.extend(update(&mut parser, &call).1.items);
    }
    assert_eq!(limits_in(&items), [("open_calls", MAX_KEPT_CALLS)]);
    assert!(results(&items).len() >= 3, "{:?}", results(&items));
}
