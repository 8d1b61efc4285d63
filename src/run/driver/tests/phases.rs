//! Every phase accepts commands, keeps the time limits and stores its status.

use std::time::Duration;

use serde_json::json;

use super::{Bench, Preparation, allow, audited, permission, token, within};
use crate::agent::Item;
use crate::agent::handle::testing::Received;
use crate::run::live::AnswerRejected;
use crate::run::state::StopReason;
use crate::run::store::testing::{Calls, Fault};
use crate::types::{AuditAction, MessageMode, RunStatus};

#[tokio::test(start_paused = true)]
async fn a_cancel_takes_effect_while_the_agent_is_being_prepared() {
    let mut bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    bench.reaches(RunStatus::Starting).await;
    bench.preparation_is(true).await;
    within(bench.handle.stop(StopReason::Cancel, None)).await.unwrap();
    bench.preparation_is(false).await;
    assert!(bench.agents.try_recv().is_err(), "an agent was launched");
    assert_eq!(bench.end().await.last().unwrap()["cause"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_includes_the_preparation_of_the_agent() {
    let bench = Bench::new(Preparation::NeverEnds, |spec| spec.timeout = Duration::from_millis(300)).await;
    bench.preparation_is(true).await;
    let events = bench.end().await;
    assert_eq!((&events.last().unwrap()["status"], &events.last().unwrap()["cause"]), (&json!("timed_out"), &json!("timeout")));
}

#[tokio::test(start_paused = true)]
async fn messages_are_accepted_while_the_agent_is_being_prepared_and_reported_if_it_never_starts() {
    let bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    bench.preparation_is(true).await;
    within(bench.handle.message("later".into(), MessageMode::Queue, None, None)).await.unwrap();
    assert!(bench.handle.requests().await.is_empty());
    let unknown = bench.handle.answer("x".into(), allow(), None).await;
    assert!(matches!(unknown, Err(AnswerRejected::Bad(_))), "{unknown:?}");
    within(bench.handle.stop(StopReason::Cancel, None)).await.unwrap();
    let events = bench.end().await;
    let undelivered = events.iter().find(|event| event["code"] == "undelivered").unwrap();
    assert_eq!(undelivered["data"]["messages"], json!(["later"]));
}

#[tokio::test(start_paused = true)]
async fn a_failed_preparation_ends_the_run_with_its_cause() {
    let events = Bench::new(Preparation::Fails, |_| {}).await.end().await;
    assert_eq!((&events.last().unwrap()["cause"], &events.last().unwrap()["message"]), (&json!("not_installed"), &json!("not here")));
}

#[tokio::test(start_paused = true)]
async fn each_status_is_stored_when_it_changes() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    agent.send(vec![permission("p")]).await;
    bench.reaches(RunStatus::Waiting).await;
    bench.handle.answer("p".into(), allow(), None).await.unwrap();
    assert_eq!(bench.record().await.status, RunStatus::Running);
    assert_eq!(within(agent.receive()).await, Received::Answer("p".into(), allow()));
    within(bench.handle.stop(StopReason::Cancel, None)).await.unwrap();
    assert_eq!(bench.record().await.status, RunStatus::Stopping);
    assert_eq!(within(agent.receive()).await, Received::Stop("cancel".into()));
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["status"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn output_without_events_counts_as_activity() {
    let idle = Duration::from_mins(1);
    let (bench, mut agent) = Bench::running(|spec| {
        spec.idle_timeout = Some(idle);
        spec.timeout = Duration::from_hours(24);
    })
    .await;
    for _ in 0..10 {
        assert!(agent.write_noise().await && agent.write_noise().await);
        tokio::time::advance(idle * 3 / 4).await;
    }
    agent.send(vec![token("done"), Item::TurnEnded(Ok("done".into()))]).await;
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["cause"], "ok");
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_reaches_the_idle_timeout() {
    let (bench, mut agent) = Bench::running(|spec| spec.idle_timeout = Some(Duration::from_millis(200))).await;
    assert_eq!(within(agent.receive()).await, Received::Stop("idle_timeout".into()));
    agent.end().await;
    assert_eq!(bench.end().await.last().unwrap()["cause"], "idle_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_kills_the_agent() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.driver.abort();
    assert_eq!(within(agent.receive()).await, Received::Killed);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_stored_with_its_audit_entry() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    agent.send(vec![permission("p")]).await;
    bench.reaches(RunStatus::Waiting).await;
    let (answer, message) = (audited(AuditAction::RunAnswer), audited(AuditAction::RunMessage));
    within(bench.handle.answer("p".into(), allow(), Some(answer.clone()))).await.unwrap();
    assert!(answer.is_stored());
    within(bench.handle.message("more".into(), MessageMode::Queue, None, Some(message.clone()))).await.unwrap();
    assert!(message.is_stored());
    let (first, second) = (audited(AuditAction::RunCancel), audited(AuditAction::RunCancel));
    within(bench.handle.stop(StopReason::Cancel, Some(first.clone()))).await.unwrap();
    within(bench.handle.stop(StopReason::Cancel, Some(second.clone()))).await.unwrap();
    assert!(first.is_stored() && !second.is_stored(), "only the first one changes the run");
    agent.end().await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_a_run_without_an_agent_is_stored_with_its_audit_entry() {
    let bench = Bench::new(Preparation::NeverEnds, |_| {}).await;
    bench.preparation_is(true).await;
    let cancel = audited(AuditAction::RunCancel);
    within(bench.handle.stop(StopReason::Cancel, Some(cancel.clone()))).await.unwrap();
    assert!(cancel.is_stored());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_status_cannot_be_stored_is_audited_with_the_next_write() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.store.fail_nth(Calls::Named("append"), 1, Fault::Before);
    let cancel = audited(AuditAction::RunCancel);
    assert!(within(bench.handle.stop(StopReason::Cancel, Some(cancel.clone()))).await.is_err());
    assert!(!cancel.is_stored());
    assert_eq!(within(agent.receive()).await, Received::Stop("cancel".into()));
    agent.end().await;
    bench.end().await;
    assert!(cancel.is_stored());
}
