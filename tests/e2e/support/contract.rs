//! Checks that hold for the events of every run: the contract of `docs/events.md`, and that nothing is reported twice.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Events;

/// Panics if `events`, a complete stream, violates the contract.
pub(super) fn check(events: &Events) {
    numbers_and_frame(events);
    tool_calls(events);
    permissions(events);
    messages(events);
    usage(events);
    let raw = events.all("raw");
    assert!(raw.is_empty(), "the adapters know all output of the tested versions, except: {raw:?}");
    for log in events.all("log") {
        let content = log["content"].as_str().unwrap_or_default();
        assert!(!content.contains('\u{1b}'), "logs contain no terminal colors: {content:?}");
    }
}

fn numbers_and_frame(events: &Events) {
    let mut time = String::new();
    for (event, expected) in events.iter().zip(1_u64..) {
        assert_eq!(event["seq"].as_u64(), Some(expected), "numbers are dense");
        let ts = event["ts"].as_str().unwrap_or_default();
        assert!(ts.len() == 24 && *ts >= *time, "{ts} after {time}");
        ts.clone_into(&mut time);
        let nulls = event.as_object().into_iter().flatten().filter(|(_, value)| value.is_null()).count();
        assert_eq!(nulls, 0, "a field without a value is absent: {event}");
    }
    let last = events.iter().next_back().expect("a run has events");
    assert_eq!(last["type"], "done", "the stream ends with the run");
    assert_eq!(events.all("done").len(), 1);
    assert!(events.all("run_started").len() <= 1);
    if let Some(started) = events.iter().position(|event| event["type"] == "run_started") {
        let early: Vec<_> = events.iter().take(started).filter_map(|event| event["type"].as_str()).collect();
        assert!(early.iter().all(|kind| ["run_queued", "notice", "log", "network"].contains(kind)), "before run_started: {early:?}");
    }
}

fn tool_calls(events: &Events) {
    let (mut open, mut called) = (HashSet::new(), HashSet::new());
    for event in events.iter() {
        let id = || event["id"].as_str().unwrap_or_default();
        match event["type"].as_str() {
            Some("tool_call") => {
                assert!(called.insert(id()), "called twice: {event}");
                open.insert(id());
                assert!(event["title"].as_str().is_some_and(|title| !title.is_empty() && !title.contains('\n')), "a title is a line");
                assert!(event["tool"].as_str().is_some_and(|name| !name.is_empty()));
            }
            Some("tool_output") => assert!(open.contains(id()), "output of no running call: {event}"),
            Some("tool_result") => {
                assert!(open.remove(id()), "a result without a call, or a second one: {event}");
                assert!(event["duration_ms"].is_u64(), "a result has a duration");
            }
            _ => {}
        }
    }
    if events.done()["status"] == "completed" {
        assert!(open.is_empty(), "calls without a result: {open:?}");
    }
}

/// Each request has one resolution, after it. A decision by policy follows immediately.
fn permissions(events: &Events) {
    let all: Vec<&Value> = events.iter().collect();
    for (asks, resolves) in [("permission_request", "permission_resolved"), ("question", "question_resolved")] {
        for (at, request) in all.iter().enumerate().filter(|(_, event)| event["type"] == asks) {
            let ends: Vec<_> = all.iter().skip(at + 1).filter(|event| event["type"] == resolves && event["id"] == request["id"]).collect();
            assert_eq!(ends.len(), 1, "one resolution after {request}, not {ends:?}");
            if asks == "question" {
                continue;
            }
            let waits = request["expires_at"].is_string();
            assert!(waits || (all[at + 1] == *ends[0] && ends[0]["by"] == "policy"), "decided immediately: {request}");
            let call = all[..at].iter().any(|event| event["type"] == "tool_call" && event["id"] == request["tool_call_id"]);
            // Codex does not say which call of an MCP server it asks about.
            let names_no_call = request["tool_call_id"].is_null() && request["input"]["serverName"].is_string();
            assert!(call || names_no_call, "the call precedes its request: {request}");
        }
        assert_eq!(events.all(asks).len(), events.all(resolves).len());
    }
}

/// The joined tokens of a message equal the message, which is reported once.
fn messages(events: &Events) {
    let mut tokens: HashMap<&str, String> = HashMap::new();
    for event in events.iter() {
        let id = event["message_id"].as_str().unwrap_or_default();
        let content = event["content"].as_str().unwrap_or_default();
        match event["type"].as_str() {
            Some("token") => tokens.entry(id).or_default().push_str(content),
            Some("message") => {
                if let Some(joined) = tokens.remove(id) {
                    assert!(joined == content, "{} bytes of tokens are not the {} bytes of message {id}", joined.len(), content.len());
                }
            }
            _ => {}
        }
    }
    let done = events.done();
    if done["status"] == "completed" && !events.all("message").is_empty() {
        assert_eq!(done["result"], events.last("message")["content"], "the result is the last message");
    }
}

fn usage(events: &Events) {
    if let Some(last) = events.all("usage").last() {
        let totals = events.done()["usage"].as_object().expect("reported earlier");
        for (field, value) in totals {
            assert_eq!(&last[field], value, "the last usage is the run's");
        }
    }
}
