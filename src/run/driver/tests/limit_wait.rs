//! Waiting for a limit of the model's provider to reset, with a scripted agent.

use super::restore::started;
use super::*;
use crate::agent::handle::testing::Received;
use crate::agent::handle::{Delivery, History, MessageDigest};
use crate::run::live::MessageRejected;
use crate::run::state::StopReason;
use crate::run::store::testing::{Calls, Fault};
use crate::types::{Clock as _, Level, MessageMode, NoticeCode, TurnEnd, Usage};

fn limit(secs: i64) -> Item {
    let resets_at = Timestamp::from_millis(SystemClock.now().as_millis() + secs * 1000);
    let data = Some(json!({ "resets_at": resets_at }));
    Item::Event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::RateLimited, message: "limited".into(), data })
}

const NOT_STORED: &str = "the usage limit was reached; the run did not wait, because that could not be stored";

/// Waits in paused time.
async fn within_an_hour<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_hours(1), future).await.expect("it takes too long")
}

fn limited() -> TurnEnd {
    Err(Failure::new(Cause::RateLimited, "the usage limit was reached"))
}

fn used(tokens: u64, cost: f64) -> Item {
    Item::Event(StreamEvent::Usage(Usage { input_tokens: tokens, cost_usd: Some(cost), model_calls: Some(1), ..Usage::default() }))
}

fn ready(session: &str) -> Item {
    Item::Started(Started { agent_session: Some(session.to_owned()), ..Started::default() })
}

fn may_wait(spec: &mut RunSpec) {
    spec.max_wait = Some(Duration::from_hours(1));
}

/// A run whose agent has failed by a limit and has exited.
async fn parked(secs: i64) -> Bench {
    let (bench, mut agent) = Bench::running(may_wait).await;
    assert!(agent.send(vec![used(5, 0.25), limit(secs), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    bench.reaches(RunStatus::Waiting).await;
    agent.end().await;
    within(async {
        while bench.record().await.launched_at.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    bench
}

fn codes(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["code"].as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_run_continues_with_another_agent_when_the_limit_has_been_reset() {
    let mut bench = parked(10).await;
    let record = bench.record().await;
    assert_eq!((record.status, record.checkpoint), (RunStatus::Waiting, None));
    assert!(record.waits_until.is_some());
    within(bench.handle.message("more".into(), MessageMode::Queue, None, None)).await.unwrap();
    let mut second = bench.agent().await;
    assert!(second.send(vec![ready("s"), token("on"), used(7, 0.5), Item::TurnEnded(Ok("one".into()))]).await);
    assert_eq!(within(second.receive()).await, Received::Message("more".into(), Delivery::NextTurn));
    let record = bench.record().await;
    assert_eq!((record.status, record.waits_until), (RunStatus::Running, None));
    assert!(record.launched_at.is_some());
    assert!(second.send(vec![Item::TurnEnded(Ok("two".into()))]).await);
    assert_eq!(within(second.receive()).await, Received::Finish);
    second.end().await;
    let events = bench.end().await;
    assert_eq!(codes(&events), ["rate_limited", "waiting_for_reset", "resumed"]);
    assert_eq!(named(&events, "run_started").len(), 1);
    let done = events.last().unwrap();
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("two")));
    let usage = &done["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cost_usd"], &usage["model_calls"]), (&json!(12), &json!(0.75), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_can_be_cancelled_at_once() {
    let mut bench = parked(600).await;
    within(bench.handle.message("never".into(), MessageMode::Steer, None, None)).await.unwrap();
    within(bench.handle.stop(StopReason::Cancel, None)).await.unwrap();
    assert!(bench.agents.try_recv().is_err(), "no agent is launched");
    let events = bench.end().await;
    assert_eq!(events.last().unwrap()["status"], "cancelled");
    assert_eq!(events.iter().find(|event| event["code"] == "undelivered").unwrap()["data"]["messages"], json!(["never"]));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_an_agent_that_exits_before_a_wait() {
    let (bench, mut agent) = Bench::running(may_wait).await;
    assert!(agent.send(vec![limit(600), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    within(bench.handle.stop(StopReason::Cancel, None)).await.unwrap();
    assert_eq!(within(agent.receive()).await, Received::Stop("cancel".into()));
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["status"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_run_fails_with_the_reason_if_it_cannot_wait() {
    for (items, reason) in [
        (vec![], "it is unknown when the limit resets"),
        (vec![limit(2 * 3600)], "and max_wait_secs is 3600"),
        (vec![limit(i64::from(i32::MAX) * 1000)], "and max_wait_secs is 3600"),
    ] {
        let (bench, mut agent) = Bench::running(may_wait).await;
        let items = items.into_iter().chain([Item::TurnEnded(limited())]).collect();
        assert!(agent.send(items).await);
        assert_eq!(within(agent.receive()).await, Received::Finish);
        let late = bench.handle.message("late".into(), MessageMode::Queue, None, None).await;
        assert_eq!(late, Err(MessageRejected::Ended));
        agent.end().await;
        let events = bench.end().await;
        let done = events.last().unwrap();
        assert_eq!((&done["status"], &done["cause"]), (&json!("failed"), &json!("rate_limited")));
        let message = done["message"].as_str().unwrap();
        assert!(message.starts_with("the usage limit was reached; the run did not wait") && message.ends_with(reason), "{message}");
        assert!(!codes(&events).contains(&"waiting_for_reset"));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_wish_to_wait_a_limit_is_a_failure() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    assert!(agent.send(vec![limit(10), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let events = bench.end().await;
    assert_eq!(events.last().unwrap()["message"], "the usage limit was reached");
}

#[tokio::test(start_paused = true)]
async fn all_waits_together_are_bounded() {
    let (mut bench, mut agent) = Bench::running(|spec| spec.max_wait = Some(Duration::from_secs(20))).await;
    // The limit should have been reset long ago, so each wait is twice as long as the one before: 1, 2, 4 and 8 s.
    for _ in 0..4 {
        assert!(agent.send(vec![limit(-100), Item::TurnEnded(limited())]).await);
        assert_eq!(within(agent.receive()).await, Received::Finish);
        agent.end().await;
        agent = bench.agent().await;
        assert!(agent.send(vec![ready("s")]).await);
    }
    assert!(agent.send(vec![limit(-100), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let events = bench.end().await;
    assert_eq!(codes(&events).iter().filter(|code| **code == "waiting_for_reset").count(), 4);
    assert_eq!(events.last().unwrap()["cause"], "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn an_agent_may_report_the_limit_with_its_exit_only() {
    let (mut bench, mut agent) = Bench::running(may_wait).await;
    assert!(agent.send(vec![limit(10)]).await);
    agent.end_with(vec![Item::TurnEnded(limited())]).await;
    let second = bench.agent().await;
    second.end_with(vec![ready("s"), Item::TurnEnded(Ok("done".into()))]).await;
    let events = bench.end().await;
    assert_eq!(codes(&events), ["rate_limited", "waiting_for_reset", "resumed"]);
    assert_eq!(events.last().unwrap()["result"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_be_stored_does_not_take_place() {
    let (bench, mut agent) = Bench::running(may_wait).await;
    // The batch with the end of the turn is stored, the wait is not.
    bench.store.fail_nth(Calls::Writes, 2, Fault::Before);
    assert!(agent.send(vec![limit(10), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let events = bench.end().await;
    let done = events.last().unwrap();
    assert_eq!((&done["cause"], &done["message"]), (&json!("rate_limited"), &json!(NOT_STORED)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_parked_ends_with_the_reason() {
    // The batch with the end of the turn and the wait are stored, but not that nothing of the agent is left.
    let (bench, mut agent) = Bench::running(may_wait).await;
    assert!(agent.send(vec![limit(10), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    bench.reaches(RunStatus::Waiting).await;
    bench.store.fail_nth(Calls::Writes, 1, Fault::Before);
    agent.end().await;
    let events = bench.end().await;
    let done = events.last().unwrap();
    assert_eq!((&done["status"], &done["cause"]), (&json!("failed"), &json!("rate_limited")));
    assert_eq!(done["message"], NOT_STORED);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_goes_on_after_a_wait_where_it_was_also_under_a_later_server() {
    let limit_of = |spec: &mut RunSpec| {
        may_wait(spec);
        spec.timeout = Duration::from_secs(100);
    };
    let (mut bench, mut agent) = Bench::running(limit_of).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(agent.send(vec![limit(10), Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let mut second = within_an_hour(bench.agents.recv()).await.unwrap();
    assert!(second.send(vec![ready("s")]).await);
    within_an_hour(second.receive()).await;
    second.end().await;
    let events = bench.end().await;
    let announced = events.iter().find(|event| event["code"] == "waiting_for_reset").unwrap();
    let left = announced["data"]["timeout_left_ms"].as_u64().unwrap();
    assert!((1_000..=40_000).contains(&left), "{announced}");
    assert_eq!(events.last().unwrap()["status"], "timed_out");

    // The next server reads it from the log.
    let until = Timestamp::from_millis(SystemClock.now().as_millis() + 10_000);
    let announced = StreamEvent::Notice {
        level: Level::Info,
        code: NoticeCode::WaitingForReset,
        message: "waits".into(),
        data: Some(json!({ "resumes_at": until, "timeout_left_ms": 5_000, "messages": [] })),
    };
    let log = [started(), announced];
    for is_parked in [true, false] {
        let mut bench = if is_parked {
            Bench::parked_with(limit_of, &log, until).await
        } else {
            // The agent that was told to exit is alive when the next server starts.
            let history = History { turn: Some(limited()), turn_is_over: true, finished: true, ..History::default() };
            let (bench, mut first) = Bench::restored_with(limit_of, &log, history).await;
            assert_eq!(within(first.receive()).await, Received::Finish);
            first.end().await;
            bench
        };
        let mut agent = within_an_hour(bench.agents.recv()).await.unwrap();
        let continued = tokio::time::Instant::now();
        assert!(agent.send(vec![ready("s")]).await);
        assert_eq!(within_an_hour(agent.receive()).await, Received::Stop("timeout".into()));
        assert!((4..=6).contains(&continued.elapsed().as_secs()), "not the 100 s of a new run: {:?}", continued.elapsed());
        agent.end().await;
        assert_eq!(bench.end().await.last().unwrap()["status"], "timed_out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_server_does_not_wait_for_a_limit_of_an_earlier_turn() {
    let Item::Event(reported) = limit(10) else { unreachable!("a notice is an event") };
    let message = StreamEvent::UserMessage { content: "more".into(), mode: MessageMode::Queue, attachments: Vec::new() };
    // The limit was reported in the first turn, which was good; the second one fails by another limit.
    let history = History { sent: vec![MessageDigest::of("more", None)], waiting: Some(vec![]), ..History::default() };
    let (bench, mut agent) = Bench::restored_with(may_wait, &[started(), reported, message], history).await;
    assert!(agent.send(vec![Item::TurnEnded(limited())]).await);
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let events = bench.end().await;
    assert!(!codes(&events).contains(&"waiting_for_reset"));
    let text = events.last().unwrap()["message"].as_str().unwrap();
    assert!(text.ends_with("it is unknown when the limit resets"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_later_server_waits_for_the_exit_of_the_agent_and_then_for_the_reset() {
    let Item::Event(reported) = limit(10) else { unreachable!("a notice is an event") };
    let until = Timestamp::from_millis(SystemClock.now().as_millis() + 10_000);
    let announced = StreamEvent::Notice {
        level: Level::Info,
        code: NoticeCode::WaitingForReset,
        message: "waits".into(),
        data: Some(json!({ "resets_at": until, "resumes_at": until, "messages": ["later"] })),
    };
    let sent = StreamEvent::UserMessage { content: "delivered".into(), mode: MessageMode::Queue, attachments: Vec::new() };
    for log in [vec![reported.clone()], vec![sent, reported, announced]] {
        let is_announced = log.len() > 1;
        let log: Vec<StreamEvent> = [StreamEvent::Token { content: "x".into() }].into_iter().chain(log).collect();
        let history = History { turn: Some(limited()), turn_is_over: true, finished: is_announced, ..History::default() };
        let (mut bench, mut agent) = Bench::restored_with(may_wait, &[&[started()], &log[..]].concat(), history).await;
        assert_eq!(within(agent.receive()).await, Received::Finish);
        bench.reaches(RunStatus::Waiting).await;
        agent.end().await;
        let mut second = bench.agent().await;
        assert!(second.send(vec![ready("s"), Item::TurnEnded(Ok("done".into()))]).await);
        if is_announced {
            assert_eq!(within(second.receive()).await, Received::Message("later".into(), Delivery::NextTurn));
            assert!(second.send(vec![Item::TurnEnded(Ok("done".into()))]).await);
        }
        assert_eq!(within(second.receive()).await, Received::Finish);
        second.end().await;
        let events = bench.end().await;
        assert_eq!(codes(&events).iter().filter(|code| **code == "waiting_for_reset").count(), 1);
        assert_eq!(events.last().unwrap()["status"], "completed");
    }
}
