//! Spend limits, with a scripted agent.

use super::*;
use crate::agent::handle::History;
use crate::agent::handle::testing::Received;
use crate::run::store::testing::{Calls, Fault};
use crate::types::{Amount, MessageMode, SpendLimits, Tokens, Usage};

fn used(tokens: u64, calls: u64) -> Item {
    Item::Event(StreamEvent::Usage(Usage { input_tokens: tokens, model_calls: Some(calls), ..Usage::default() }))
}

fn at_most_ten_tokens(spec: &mut RunSpec) {
    spec.spend_limits = SpendLimits { max_tokens: Some(Tokens::new(10)), ..SpendLimits::default() };
}

fn done(events: &[Value]) -> &Value {
    events.last().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_stopped_as_soon_as_it_reports_too_much() {
    let (bench, mut agent) = Bench::running(|spec| {
        at_most_ten_tokens(spec);
        spec.spend_limits.max_turns = Some(Amount::new(1));
    })
    .await;
    assert!(agent.send(vec![used(10, 1)]).await);
    assert!(agent.send(vec![used(11, 2), permission("p")]).await);
    assert_eq!(within(agent.receive()).await, Received::Stop("spend_limit".into()));
    let late = bench.handle.message("more".into(), MessageMode::Queue, None, None).await;
    assert!(late.is_err(), "a run that is stopped takes no message");
    agent.end().await;
    let events = bench.end().await;
    let notices: Vec<_> = events.iter().filter(|event| event["code"] == "spend_limit").collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0]["data"]["limits"][0], json!({ "limit": "max_tokens", "max": 10, "used": 11 }));
    assert_eq!(notices[0]["data"]["limits"][1], json!({ "limit": "max_turns", "max": 1, "used": 2 }));
    assert_eq!((&done(&events)["status"], &done(&events)["cause"]), (&json!("failed"), &json!("spend_limit")));
    let message = "the run exceeded max_tokens (11 of 10 tokens) and max_turns (2 of 1 model calls)";
    assert_eq!(done(&events)["message"], message);
    assert_eq!(named(&events, "permission_resolved").len(), 1, "an open request is closed");
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_turn_has_ended_gets_no_further_message() {
    let (bench, mut agent) = Bench::running(at_most_ten_tokens).await;
    within(bench.handle.message("more".into(), MessageMode::Queue, None, None)).await.unwrap();
    assert!(agent.send(vec![used(11, 1), Item::TurnEnded(Ok("the answer".into()))]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish, "it has nothing left to interrupt");
    agent.end().await;
    let events = bench.end().await;
    assert_eq!((&done(&events)["cause"], &done(&events)["result"]), (&json!("spend_limit"), &json!("the answer")));
    let undelivered = events.iter().find(|event| event["code"] == "undelivered").unwrap();
    assert_eq!(undelivered["data"]["messages"], json!(["more"]));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_reached_but_not_exceeded_stops_nothing() {
    let (bench, mut agent) = Bench::running(at_most_ten_tokens).await;
    assert!(agent.send(vec![used(10, 1), Item::TurnEnded(Ok("fits".into()))]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    assert_eq!(done(&bench.end().await)["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stays_cancelled_also_if_it_exceeds_a_limit() {
    let (bench, mut agent) = Bench::running(at_most_ten_tokens).await;
    within(bench.handle.stop(crate::run::state::StopReason::Cancel, None)).await.unwrap();
    assert_eq!(within(agent.receive()).await, Received::Stop("cancel".into()));
    assert!(agent.send(vec![used(99, 9)]).await);
    agent.end().await;
    let events = bench.end().await;
    assert_eq!(done(&events)["cause"], "cancelled");
    assert!(!events.iter().any(|event| event["code"] == "spend_limit"));
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_while_the_log_cannot_be_written() {
    let (bench, mut agent) = Bench::running(at_most_ten_tokens).await;
    bench.store.fail_from(Calls::Writes, 1, Fault::Before);
    assert!(agent.send(vec![used(11, 1)]).await);
    assert!(matches!(within(agent.receive()).await, Received::Stop(_)));
    bench.store.heal();
    agent.end().await;
    assert_eq!(done(&bench.end().await)["status"], "failed");
}

#[tokio::test(start_paused = true)]
async fn a_later_server_stops_what_the_earlier_one_did_not() {
    let usage = Usage { input_tokens: 11, ..Usage::default() };
    // It died after the usage was stored, in the middle of a turn and after one.
    for turn_is_over in [false, true] {
        let history = History { turn: turn_is_over.then(|| Ok("done".into())), turn_is_over, ..History::default() };
        let log = [StreamEvent::Usage(usage.clone())];
        let (bench, mut agent) = Bench::restored_with(at_most_ten_tokens, &log, history).await;
        let expected = if turn_is_over { Received::Finish } else { Received::Stop("spend_limit".into()) };
        assert_eq!(within(agent.receive()).await, expected);
        agent.end().await;
        let events = bench.end().await;
        assert_eq!(done(&events)["cause"], "spend_limit");
        assert_eq!(events.iter().filter(|event| event["code"] == "spend_limit").count(), 1);
    }
}
