//! Rules: W6.

use serde_json::{Value, json};

use super::events::{ResponseEvents, StreamEnd};
use crate::api::AppState;
use crate::run::RunView;
use crate::types::{ResponseSpec, UserRef};

async fn run() -> RunView {
    let (_directory, state) = AppState::for_tests().await;
    state.runs.add_ended_run(UserRef::named("ann")).await
}

fn log(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect()
}

fn queued() -> Value {
    json!({"seq": 1, "ts": "2026-11-22T13:05:00.001Z", "type": "run_queued", "position": 0})
}

fn done(more: &Value) -> Value {
    let mut done = json!({"type": "done", "status": "completed", "cause": "ok", "result": "Hi", "duration_ms": 1500});
    for (name, value) in more.as_object().unwrap() {
        done[name] = value.clone();
    }
    done
}

/// The data of each event, and how the stream ended.
fn push(events: &mut ResponseEvents, log: &[u8]) -> (Vec<Value>, Option<StreamEnd>) {
    let mut out = Vec::new();
    let end = events.push(log, &mut out);
    let text = String::from_utf8(out).unwrap();
    let frames = text.split_terminator("\n\n").filter(|frame| !frame.starts_with(':') && *frame != "data: [DONE]");
    let data = frames.map(|frame| {
        let (event, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], event);
        data
    });
    (data.collect(), end)
}

fn kinds(data: &[Value]) -> Vec<&str> {
    data.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect()
}

/// A log with thinking, two messages and tools.
fn long_log() -> Vec<Value> {
    vec![
        queued(),
        json!({"type": "run_started", "agent_type": "demo"}),
        json!({"type": "thinking", "content": "h"}),
        json!({"type": "thinking", "content": "m"}),
        json!({"type": "token", "content": "on"}),
        json!({"type": "token", "content": "e"}),
        json!({"type": "message", "role": "assistant", "content": "one"}),
        json!({"type": "token", "content": "sub", "parent_tool_call_id": "t"}),
        json!({"type": "message", "role": "assistant", "content": "two"}),
        done(&json!({"result": "two", "usage": {"input_tokens": 200, "output_tokens": 84, "cache_read_tokens": 2000,
            "cache_write_tokens": 10, "reasoning_tokens": 30, "cost_is_estimate": false}})),
    ]
}

#[tokio::test]
async fn a_log_becomes_numbered_events_with_an_item_per_message() {
    let run = run().await;
    let (data, end) = push(&mut ResponseEvents::new(&run, None), &log(&long_log()));
    assert_eq!(end, Some(StreamEnd::Completed));
    assert_eq!(
        kinds(&data),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    for (event, number) in data.iter().zip(0..) {
        assert_eq!(event["sequence_number"], number);
    }
    assert_eq!((&data[0]["response"]["status"], &data[0]["response"]["output"]), (&json!("in_progress"), &json!([])));
    let response = &data.last().unwrap()["response"];
    let part = |text: &str| json!([{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]);
    let id = |prefix: &str, index: usize| format!("{prefix}_{}_{index}", run.run_id);
    assert_eq!(
        response["output"],
        json!([
            {"type": "reasoning", "id": id("rs", 0), "status": "completed", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "id": id("msg", 1), "status": "completed", "role": "assistant", "content": part("one\n\n")},
            {"type": "message", "id": id("msg", 2), "status": "completed", "role": "assistant", "content": part("two")},
        ])
    );
    let usage = json!({"input_tokens": 2210, "input_tokens_details": {"cached_tokens": 2000}, "output_tokens": 84,
        "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 2294});
    assert_eq!((&response["status"], &response["usage"], &response["error"]), (&json!("completed"), &usage, &Value::Null));
    assert_eq!(response["completed_at"], (run.created_at.as_millis() + 1500).div_euclid(1000));
}

#[tokio::test]
async fn a_stream_that_is_resumed_after_any_event_continues_with_the_next() {
    let run = run().await;
    let log = log(&long_log());
    let (whole, _end) = push(&mut ResponseEvents::new(&run, None), &log);
    for (after, index) in (0..whole.len() as u64).zip(1..) {
        let (rest, end) = push(&mut ResponseEvents::new(&run, Some(after)), &log);
        assert_eq!((rest.as_slice(), end), (&whole[index..], Some(StreamEnd::Completed)), "after {after}");
    }
    let mut silent = ResponseEvents::silent(&run);
    assert_eq!(push(&mut silent, &log).0.len(), 0);
    assert_eq!(serde_json::to_value(silent.into_response()).unwrap(), whole.last().unwrap()["response"], "retrieved later");
}

#[tokio::test]
async fn events_do_not_depend_on_how_the_log_is_divided() {
    let run = run().await;
    let (whole, _end) = push(&mut ResponseEvents::new(&run, None), &log(&long_log()));
    let mut events = ResponseEvents::new(&run, None);
    let parts: Vec<Value> = long_log().iter().flat_map(|line| push(&mut events, &log(std::slice::from_ref(line))).0).collect();
    assert_eq!(parts, whole);
}

#[tokio::test]
async fn a_background_response_is_queued_first() {
    let response = Some(ResponseSpec { previous: None, background: true, stored: true });
    let run = RunView { response, ..run().await };
    let (data, _end) = push(&mut ResponseEvents::new(&run, None), &log(&[queued()]));
    assert_eq!(kinds(&data), ["created", "queued"]);
    assert!(data.iter().all(|event| event["response"]["status"] == "queued" && event["response"]["background"] == true));
}

#[tokio::test]
async fn a_failed_run_ends_with_its_cause_and_an_incomplete_item() {
    let run = run().await;
    for (cause, status, code, seen) in [
        ("agent_error", "failed", "agent_error", "failed"),
        ("rate_limited", "failed", "rate_limit_exceeded", "failed"),
        ("cancelled", "cancelled", "cancelled", "cancelled"),
    ] {
        let end = done(&json!({"cause": cause, "status": status, "message": "no", "result": null}));
        let (data, end) = push(&mut ResponseEvents::new(&run, None), &log(&[queued(), json!({"type": "token", "content": "ha"}), end]));
        assert_eq!((end, kinds(&data).last()), (Some(StreamEnd::Failed), Some(&"failed")));
        let response = &data.last().unwrap()["response"];
        assert_eq!((&response["status"], &response["error"]), (&json!(seen), &json!({"code": code, "message": "no"})));
        assert_eq!((&response["output"][0]["status"], &response["completed_at"]), (&json!("incomplete"), &Value::Null));
    }
}

#[tokio::test]
async fn a_structured_answer_is_the_output_and_nothing_else() {
    let run = RunView { output_schema: Some(json!({"type": "object"})), ..run().await };
    let events = [
        queued(),
        json!({"type": "token", "content": "Here:"}),
        json!({"type": "message", "role": "assistant", "content": "Here:"}),
        done(&json!({"result": "Here: {}", "output": {"a": 1}})),
    ];
    let (data, _end) = push(&mut ResponseEvents::new(&run, None), &log(&events));
    let response = &data.last().unwrap()["response"];
    assert_eq!((response["output"].as_array().unwrap().len(), &response["output"][0]["content"][0]["text"]), (1, &json!("{\"a\":1}")));
    assert_eq!(response["text"]["format"]["type"], "json_schema");
}

#[tokio::test]
async fn after_a_gap_in_the_log_everything_is_new_to_a_reader_that_resumes() {
    let run = run().await;
    let gap = json!({"type": "notice", "level": "warning", "code": "gap", "message": "trimmed"});
    let (data, end) = push(&mut ResponseEvents::new(&run, Some(40)), &log(&[gap, done(&json!({}))]));
    assert_eq!((end, kinds(&data).last()), (Some(StreamEnd::Completed), Some(&"completed")));
    assert_eq!(
        (&data[0]["sequence_number"], &data.last().unwrap()["response"]["output"][0]["content"][0]["text"]),
        (&json!(41), &json!("Hi"))
    );
}

#[tokio::test]
async fn an_error_of_the_stream_has_the_number_of_the_last_event() {
    let run = run().await;
    let ended = json!({"type": "notice", "level": "warning", "code": "access_ended", "message": "x"});
    let (data, end) = push(&mut ResponseEvents::new(&run, None), &log(&[queued(), ended]));
    assert_eq!((end, kinds(&data)), (Some(StreamEnd::AccessLost), vec!["created", "error"]));
    assert_eq!((&data[1]["sequence_number"], &data[1]["code"]), (&data[0]["sequence_number"], &json!("invalid_api_key")));
}

#[tokio::test]
async fn text_cannot_forge_an_event() {
    let run = run().await;
    let text = "a\n\nevent: response.completed\ndata: {}\n\n\r\r\u{2028}";
    let (data, _end) = push(&mut ResponseEvents::new(&run, None), &log(&[queued(), json!({"type": "token", "content": text})]));
    assert_eq!((data.len(), &data.last().unwrap()["delta"]), (5, &json!(text)));
}
