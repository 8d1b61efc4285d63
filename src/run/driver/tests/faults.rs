//! A store that fails: nothing that was acknowledged is lost, commands are answered, and every run ends in one `done`.

#![expect(clippy::large_futures, reason = "a test needs no small futures")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Bench, Preparation, allow, log_of, named, permission, token, within};
use crate::agent::Item;
use crate::agent::Started;
use crate::agent::handle::testing::{Received, ScriptedAgent};
use crate::run::driver::DriverExit;
use crate::run::live::{AnswerRejected, MessageRejected, RunHandle};
use crate::run::requests::BadAnswer;
use crate::run::state::StopReason;
use crate::run::store::testing::{Calls, Fault};
use crate::run::store::{Idempotency, RunStore, StoreError};
use crate::types::{Cause, Failure, MessageMode, RunStatus, Timestamp, UserRef};

/// How long a client may wait for the reply to a command.
const REPLY: Duration = Duration::from_secs(2);

/// What a client was told.
#[derive(Debug, Default)]
struct Acknowledged {
    answer: bool,
    message: bool,
    cancel: bool,
}

/// What the agent received.
#[derive(Debug, Default)]
struct Delivered {
    answers: usize,
    messages: usize,
    /// Whether it was asked to end, or killed.
    ended: bool,
}

/// An agent that asks for permission, and asks again after a further message.
async fn act(agent: Option<ScriptedAgent>) -> Option<Delivered> {
    let mut agent = agent?;
    let mut delivered = Delivered::default();
    agent.send(vec![Item::Started(Started::default()), permission("p")]).await;
    loop {
        match agent.receive().await {
            Received::Answer(..) => {
                delivered.answers += 1;
                agent.send(vec![token("allowed")]).await;
            }
            Received::Interrupt => {
                agent.send(vec![Item::TurnEnded(Err(Failure::new(Cause::Cancelled, "interrupted")))]).await;
            }
            Received::Message(..) => {
                delivered.messages += 1;
                agent.send(vec![permission("q")]).await;
            }
            Received::Finish | Received::Stop(_) => {
                delivered.ended = true;
                agent.end().await;
                return Some(delivered);
            }
            Received::Killed | Received::Detached => {
                delivered.ended = true;
                return Some(delivered);
            }
        }
    }
}

/// A client that answers, sends a message and cancels, and repeats what the store has rejected.
async fn control(handle: RunHandle) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    loop {
        match timed(handle.answer("p".into(), allow(), None)).await {
            Ok(()) => acknowledged.answer = true,
            // Not open yet, or not stored.
            Err(AnswerRejected::Bad(BadAnswer::Unknown(_)) | AnswerRejected::Store(_)) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(AnswerRejected::Bad(BadAnswer::AlreadyAnswered(_)) | AnswerRejected::Ended) => {}
            Err(other) => panic!("{other:?}"),
        }
        break;
    }
    loop {
        let key = Idempotency { owner: UserRef::named("admin").id, key: "m".into(), fingerprint: [0; 32], at: Timestamp::from_millis(0) };
        match timed(handle.message("further".into(), MessageMode::Interrupt, Some(key), None)).await {
            Ok(()) | Err(MessageRejected::Store(StoreError::KeyUsed(_))) => acknowledged.message = true,
            Err(MessageRejected::Store(_)) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(MessageRejected::Ended) => {}
            Err(other) => panic!("{other:?}"),
        }
        break;
    }
    while timed(handle.stop(StopReason::Cancel, None)).await.is_err() {
        sleep(Duration::from_millis(100)).await;
    }
    acknowledged.cancel = true;
    acknowledged
}

async fn timed<T>(command: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let reply = command.await;
    assert!(started.elapsed() <= REPLY, "a command took {:?}", started.elapsed());
    reply
}

/// Drives a run to its end with one fault. Returns whether the fault occurred.
async fn run_with(calls: Calls, nth: usize, fault: Fault, outage: Option<Duration>) -> bool {
    let mut bench = Bench::new(Preparation::Succeeds, |_| {}).await;
    match outage {
        None => bench.store.fail_nth(calls, nth, fault),
        Some(_) => bench.store.fail_from(calls, nth, fault),
    }
    let (store, run) = (bench.store.clone(), bench.run);
    let healing = async {
        if let Some(outage) = outage {
            sleep(outage).await;
        }
        // All faults that were planned and have not occurred.
        let left = store.has_faults_left();
        store.heal();
        left
    };
    let agent = async { act(bench.agents.recv().await).await };
    let work = async { tokio::join!(control(bench.handle.clone()), agent, &mut bench.driver) };
    let (acknowledged, delivered, exit, left) = within(async {
        if outage.is_some() {
            let ((acknowledged, delivered, exit), left) = tokio::join!(work, healing);
            (acknowledged, delivered, exit, left)
        } else {
            let (acknowledged, delivered, exit) = work.await;
            (acknowledged, delivered, exit, healing.await)
        }
    })
    .await;
    let case = format!("{calls:?} {nth} {fault:?} {outage:?}: {acknowledged:?} {delivered:?}");
    assert_eq!(exit.unwrap(), DriverExit::Ended, "{case}");
    let events = log_of(store.inner(), run).await;
    let of = |name: &str, id: &str| named(&events, name).iter().filter(|event| event["id"] == id).count();
    for id in ["p", "q"] {
        assert_eq!(of("permission_request", id), of("permission_resolved", id), "{case}: {events:#?}");
        assert!(of("permission_request", id) <= 1, "{case}: {events:#?}");
    }
    let by_user = named(&events, "permission_resolved").iter().filter(|event| event["by"] == "user").count();
    let delivered = delivered.unwrap_or(Delivered { ended: true, ..Delivered::default() });
    assert!(delivered.ended, "{case}");
    if acknowledged.answer {
        assert_eq!((by_user, delivered.answers), (1, 1), "{case}: {events:#?}");
    }
    assert!(delivered.answers <= 1 && by_user <= 1, "{case}: {events:#?}");
    let messages = named(&events, "user_message").len();
    let undelivered = events.iter().filter(|event| event["code"] == "undelivered").count();
    if acknowledged.message {
        assert_eq!((messages, delivered.messages + undelivered), (1, 1), "{case}: {events:#?}");
    }
    assert!(messages <= 1, "{case}: {events:#?}");
    assert!(acknowledged.cancel, "{case}");
    let end = &events.last().unwrap()["cause"];
    assert!([json!("cancelled"), json!("storage")].contains(end), "{case}: {end}");
    !left
}

/// Runs with a fault at each call until there is no such call.
async fn sweep(calls: Calls, fault: Fault, outage: Option<Duration>) {
    let mut nth = 1;
    while run_with(calls, nth, fault, outage).await {
        nth += 1;
    }
    assert!(nth > 1, "no call of {calls:?} was reached");
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_anywhere_loses_nothing() {
    sweep(Calls::Writes, Fault::Before, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_reply_is_lost_anywhere_is_not_repeated() {
    sweep(Calls::Writes, Fault::After, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_anywhere_loses_nothing() {
    sweep(Calls::Reads, Fault::Before, None).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_from_any_write_on_loses_nothing_and_ends_by_itself() {
    for nth in 1..=10 {
        run_with(Calls::Writes, nth, Fault::Before, Some(Duration::from_secs(10))).await;
        run_with(Calls::All, nth, Fault::Before, Some(Duration::from_secs(10))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_agent_starts_if_its_launch_cannot_be_stored() {
    let mut bench = Bench::new(Preparation::Succeeds, |_| {}).await;
    bench.store.fail_nth(Calls::Named("append"), 2, Fault::Before);
    assert!(within(bench.agents.recv()).await.is_none(), "an agent was launched");
    let record = bench.record().await;
    assert_eq!((record.launched_at, bench.end().await.last().unwrap()["cause"].clone()), (None, json!("storage")));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_leaves_the_request_open() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    agent.send(vec![permission("p")]).await;
    bench.reaches(RunStatus::Waiting).await;
    bench.store.fail_nth(Calls::Writes, 1, Fault::Before);
    let rejected = timed(bench.handle.answer("p".into(), allow(), None)).await;
    assert!(matches!(rejected, Err(AnswerRejected::Store(StoreError::Write(_)))), "{rejected:?}");
    assert_eq!(bench.handle.requests().await.len(), 1);
    timed(bench.handle.answer("p".into(), allow(), None)).await.unwrap();
    assert_eq!(within(agent.receive()).await, Received::Answer("p".into(), allow()));
    agent.end().await;
    assert_eq!(named(&bench.end().await, "permission_resolved").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_expire_while_nothing_can_be_written_are_resolved_later() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    agent.send(vec![permission("p")]).await;
    bench.reaches(RunStatus::Waiting).await;
    bench.store.fail_from(Calls::Writes, 1, Fault::Before);
    let receiving = tokio::spawn(async move { (agent.receive().await, agent) });
    sleep(super::PERMISSION_TIMEOUT * 2).await;
    assert_eq!(bench.handle.requests().await.len(), 1);
    assert!(!receiving.is_finished(), "an answer was sent that is not stored");
    bench.store.heal();
    let (Received::Answer(id, _), agent) = within(receiving).await.unwrap() else { panic!("not an answer") };
    assert_eq!(id, "p");
    agent.end().await;
    let events = bench.end().await;
    assert_eq!(named(&events, "permission_resolved").iter().map(|event| &event["by"]).collect::<Vec<_>>(), ["timeout"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_written_stops_the_run_and_is_written_at_the_end() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.store.fail_from(Calls::Writes, 1, Fault::Before);
    agent.send(vec![token("kept"), permission("p")]).await;
    assert_eq!(within(agent.receive()).await, Received::Stop("storage".into()));
    agent.send(vec![token("later")]).await;
    let rejected = timed(bench.handle.answer("p".into(), allow(), None)).await;
    assert!(matches!(rejected, Err(AnswerRejected::Store(_))), "{rejected:?}");
    agent.end().await;
    bench.store.heal();
    let events = bench.end().await;
    let kept: Vec<&Value> = named(&events, "token").iter().map(|event| &event["content"]).collect();
    assert_eq!(kept, ["kept", "later"]);
    assert_eq!(named(&events, "permission_resolved").len(), 1);
    assert_eq!((&events.last().unwrap()["status"], &events.last().unwrap()["cause"]), (&json!("failed"), &json!("storage")));
}

#[tokio::test(start_paused = true)]
async fn undelivered_messages_are_reported_even_if_the_first_notice_cannot_be_written() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.handle.message("later".into(), MessageMode::Queue, None, None).await.unwrap();
    // The batch with the end of the turn, then the notice.
    bench.store.fail_nth(Calls::Writes, 2, Fault::Before);
    agent.send(vec![Item::TurnEnded(Err(Failure::new(Cause::RateLimited, "later")))]).await;
    assert_eq!(within(agent.receive()).await, Received::Finish);
    agent.end().await;
    let events = bench.end().await;
    let notices: Vec<&Value> = events.iter().filter(|event| event["code"] == "undelivered").collect();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0]["data"]["messages"], json!(["later"]));
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered_while_the_end_cannot_be_stored() {
    let (bench, agent) = Bench::running(|_| {}).await;
    bench.store.fail_from(Calls::Writes, 1, Fault::Before);
    agent.end().await;
    for _ in 0..10 {
        sleep(Duration::from_millis(700)).await;
        assert!(timed(bench.handle.requests()).await.is_empty());
        let stopped = timed(bench.handle.stop(StopReason::Cancel, None)).await;
        assert!(matches!(stopped, Err(StoreError::Write(_))), "{stopped:?}");
        let rejected = timed(bench.handle.message("x".into(), MessageMode::Queue, None, None)).await;
        assert!(matches!(rejected, Err(MessageRejected::Store(StoreError::Write(_)))), "{rejected:?}");
        let rejected = timed(bench.handle.answer("p".into(), allow(), None)).await;
        assert!(matches!(rejected, Err(AnswerRejected::Store(StoreError::Write(_)))), "{rejected:?}");
    }
    bench.store.heal();
    assert_eq!(bench.end().await.last().unwrap()["cause"], "protocol", "the agent ended without a result");
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_the_agent_while_a_write_hangs_and_other_commands_get_an_error() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    let mut gate = bench.store.gate();
    agent.send(vec![token("slow")]).await;
    let write = within(gate.next()).await;
    assert_eq!(write.call, "append");
    assert!(timed(bench.handle.requests()).await.is_empty());
    let (stopped, rejected, received) = tokio::join!(
        timed(bench.handle.stop(StopReason::Cancel, None)),
        timed(bench.handle.message("late".into(), MessageMode::Queue, None, None)),
        timed(agent.receive()),
    );
    assert_eq!(received, Received::Stop("cancel".into()));
    assert!(stopped.is_err() && matches!(rejected, Err(MessageRejected::Store(_))), "{stopped:?} {rejected:?}");
    drop((write, gate));
    agent.end().await;
    let events = bench.end().await;
    assert!(named(&events, "user_message").is_empty(), "a message took effect after its sender got an error");
    assert_eq!((named(&events, "token").len(), &events.last().unwrap()["cause"]), (1, &json!("cancelled")));
}

#[tokio::test(start_paused = true)]
async fn a_driver_whose_run_was_taken_writes_nothing_and_leaves_the_agent_alone() {
    let (bench, mut agent) = Bench::running(|_| {}).await;
    bench.store.inner().take_lease(bench.run).await.unwrap();
    let before = bench.record().await;
    agent.send(vec![token("late")]).await;
    assert_eq!(within(agent.receive()).await, Received::Detached);
    let Bench { driver, store, run, .. } = bench;
    assert_eq!(within(driver).await.unwrap(), DriverExit::LeaseLost);
    assert_eq!(store.inner().run(run).await.unwrap().unwrap(), before);
}
