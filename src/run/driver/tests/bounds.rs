//! What an agent or a client can make a driver remember is bounded.
//!
//! Rules: R7.

use serde_json::json;

use super::{Bench, Preparation, allow, named, permission, within};
use crate::agent::Item;
use crate::agent::handle::testing::Received;
use crate::run::live::MessageRejected;
use crate::types::bounds::{MAX_OPEN_REQUESTS, MAX_QUEUED_MESSAGES, MAX_TIMED_CALLS};
use crate::types::{Answer, Decision, MessageMode, StreamEvent, ToolCall, ToolKind, ToolStatus};

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_maximum_are_denied_with_one_notice() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    let extra = 5;
    agent.send((0..MAX_OPEN_REQUESTS + extra).map(|number| permission(&number.to_string())).collect()).await;
    for number in MAX_OPEN_REQUESTS..MAX_OPEN_REQUESTS + extra {
        let Received::Answer(id, Answer::Permission { decision, .. }) = within(agent.receive()).await else { panic!("no answer") };
        assert_eq!((id, decision), (number.to_string(), Decision::Deny));
    }
    assert_eq!(bench.handle.requests().await.len(), MAX_OPEN_REQUESTS);
    bench.handle.answer("3".into(), allow(), None).await.unwrap();
    assert_eq!(within(agent.receive()).await, Received::Answer("3".into(), allow()));
    agent.send(vec![permission("later")]).await;
    agent.end().await;
    let events = bench.end().await;
    let notices: Vec<_> = events.iter().filter(|event| event["code"] == "limit_reached").collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["data"], json!({ "limit": "open_requests", "max": MAX_OPEN_REQUESTS }));
    assert_eq!(named(&events, "permission_request").len(), named(&events, "permission_resolved").len());
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_the_maximum_are_rejected() {
    let (bench, agent) = Bench::running(|_| {}).await;
    for number in 0..MAX_QUEUED_MESSAGES {
        bench.handle.message(number.to_string().as_str().into(), MessageMode::Queue, None, None).await.unwrap();
    }
    let rejected = bench.handle.message("more".into(), MessageMode::Queue, None, None).await;
    assert_eq!(rejected, Err(MessageRejected::TooMany(MAX_QUEUED_MESSAGES)));
    agent.end().await;
    assert_eq!(named(&bench.end().await, "user_message").len(), MAX_QUEUED_MESSAGES);
}

#[tokio::test(start_paused = true)]
async fn the_starts_of_running_calls_are_remembered_up_to_the_maximum() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    let call = |number: usize| {
        let (id, tool, title) = (number.to_string(), "Bash".to_owned(), String::new());
        Item::Event(StreamEvent::ToolCall(ToolCall {
            id,
            tool,
            kind: ToolKind::Execute,
            title,
            input: json!({}),
            parent_tool_call_id: None,
        }))
    };
    let result = |number: usize| {
        let (id, status) = (number.to_string(), ToolStatus::Ok);
        Item::Event(StreamEvent::ToolResult { id, status, content: String::new(), duration_ms: None })
    };
    agent.send((0..MAX_TIMED_CALLS + 2).map(call).collect()).await;
    agent.send(vec![result(0), result(MAX_TIMED_CALLS)]).await;
    agent.end().await;
    let events = bench.end().await;
    let durations: Vec<bool> = named(&events, "tool_result").iter().map(|event| event["duration_ms"].is_u64()).collect();
    assert_eq!(durations, [false, true]);
    assert_eq!(events.iter().filter(|event| event["code"] == "limit_reached").count(), 1);
}

#[tokio::test]
async fn a_driver_takes_little_memory() {
    let bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    assert!(bench.driver_size <= 16 * 1024, "{} bytes", bench.driver_size);
}
