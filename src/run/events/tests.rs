//! The log over a real SQLite store. Rules: W1, W2, W3, W6.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{EventLog, Follower, Framing, LogSummary, LogWriter};
use crate::run::store::contract::{done, record};
use crate::run::store::{RunChange, SessionUse, SqliteStore};
use crate::types::bounds::{MAX_ANSWERED_REQUESTS, MAX_OPEN_REQUESTS, MAX_TIMED_CALLS};
use crate::types::{Answer, Clock, DecidedBy, Decision, Level, NoticeCode, Question, StreamEvent, Timestamp, ToolCall, ToolKind, Usage};

#[derive(Debug)]
pub(super) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000)
    }
}

pub(super) fn new_log() -> (TempDir, EventLog) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    (dir, EventLog::new(Arc::new(store), Arc::new(StoppedClock)))
}

pub(super) async fn create_run(log: &EventLog) -> LogWriter {
    log.create(record("ann", "demo", None), SessionUse::Starts, &[StreamEvent::RunQueued { position: 0 }], None, None).await.unwrap()
}

pub(super) fn tokens(count: usize, size: usize) -> Vec<StreamEvent> {
    (0..count).map(|n| StreamEvent::Token { content: format!("{n}{}", "x".repeat(size)).into() }).collect()
}

pub(super) async fn end_run(writer: &mut LogWriter) {
    let change = RunChange { done: Some((done(), Timestamp::from_millis(2_000))), ..RunChange::default() };
    writer.append(&[StreamEvent::Done(done())], change).await.unwrap();
}

pub(super) async fn read_all(mut follower: Follower) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = follower.next().await {
        all.extend_from_slice(&bytes.unwrap());
    }
    all
}

pub(super) fn event_ids(sse: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(sse).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn the_last_usage_is_found_in_a_long_log() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    assert_eq!(log.summarize(writer.run()).await.unwrap(), LogSummary::default());
    for output_tokens in [1, 2] {
        let usage = Usage { output_tokens, ..Usage::default() };
        writer.append(&[StreamEvent::Usage(usage)], RunChange::default()).await.unwrap();
        writer.append(&tokens(20, 90_000), RunChange::default()).await.unwrap();
    }
    let summary = log.summarize(writer.run()).await.unwrap();
    assert_eq!(summary.usage.map(|usage| usage.output_tokens), Some(2));
}

#[tokio::test]
async fn unanswered_requests_are_found_in_the_log() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    let permission = |id: &str| StreamEvent::PermissionRequest {
        id: id.into(),
        tool_call_id: None,
        tool: "Write".into(),
        kind: ToolKind::Edit,
        input: serde_json::Value::Null,
        options: vec![Decision::Deny],
        choices: vec![],
        expires_at: None,
    };
    let option_id = Some("no".to_owned());
    let answered = StreamEvent::PermissionResolved {
        id: "a".into(),
        decision: Decision::Deny,
        option_id: option_id.clone(),
        by: DecidedBy::User,
        reason: None,
    };
    let question = Question { text: "which?".into(), ..Question::default() };
    let question = StreamEvent::Question { id: "q".into(), questions: vec![question] };
    let events = [permission("a"), permission("b"), answered, question];
    writer.append(&events, RunChange::default()).await.unwrap();
    let summary = log.summarize(writer.run()).await.unwrap();
    let at = Timestamp::from_millis(1_000);
    assert_eq!(summary.open, [(events[1].clone(), at), (events[3].clone(), at)]);
    assert!(summary.answered.contains("a") && summary.answered.len() == 1);
    let answers = log.answers(writer.run(), &HashSet::from(["a".to_owned(), "b".to_owned()])).await.unwrap();
    assert_eq!(answers, HashMap::from([("a".to_owned(), Answer::Permission { decision: Decision::Deny, message: None, option_id })]));
    assert_eq!(log.answers(writer.run(), &HashSet::from(["b".to_owned()])).await.unwrap(), HashMap::new());
}

#[tokio::test]
async fn the_summary_of_a_log_is_bounded() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    for batch in 0..20 {
        let mut events = Vec::new();
        for number in 0..1000 {
            let id = format!("{batch}-{number}");
            events.push(StreamEvent::Question { id: id.clone(), questions: vec![Question::default()] });
            // As if the part with the other answers were damaged.
            if number % 2 == 0 {
                events.push(StreamEvent::QuestionResolved { id: id.clone(), answers: vec![], by: DecidedBy::Policy });
            }
            let call = ToolCall {
                id,
                tool: "t".into(),
                kind: ToolKind::Other,
                title: "t".into(),
                input: serde_json::json!(1),
                parent_tool_call_id: None,
            };
            events.push(StreamEvent::ToolCall(call));
            events.push(StreamEvent::notice(Level::Info, NoticeCode::AgentWarning, "again"));
        }
        writer.append(&events, RunChange::default()).await.unwrap();
    }
    let summary = log.summarize(writer.run()).await.unwrap();
    assert_eq!((summary.answered.len(), summary.tool_calls.len()), (MAX_ANSWERED_REQUESTS, MAX_TIMED_CALLS));
    assert_eq!((summary.open.len(), summary.notices.len()), (2 * MAX_OPEN_REQUESTS, 1));
    assert_eq!(summary.open.last().unwrap().0.request_id(), Some("19-999"), "the newest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_event_is_delivered_once_for_any_batches_and_cursors(
        batches in proptest::collection::vec((1_usize..40, prop_oneof![Just(1_usize), Just(2_000), Just(90_000)]), 1..8),
        cursors in proptest::collection::vec(0_u64..60, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (_dir, log) = new_log();
            let mut writer = create_run(&log).await;
            let run = writer.run();
            // Readers at each cursor, started before each batch: they read live, from the store, or both.
            let mut readers = Vec::new();
            let tasks = tokio_util::task::TaskTracker::new();
            for (count, size) in batches {
                for &cursor in &cursors {
                    let follower = log.follow(run, cursor, Framing::Sse).await.unwrap().unwrap();
                    readers.push((cursor, tasks.spawn(read_all(follower))));
                }
                writer.append(&tokens(count.min(2_000_000 / size), size), RunChange::default()).await.unwrap();
            }
            end_run(&mut writer).await;
            let last = writer.last;
            drop(writer);
            let whole = read_all(log.follow(run, 0, Framing::Sse).await.unwrap().unwrap()).await;
            assert_eq!(event_ids(&whole), (1..=last).collect::<Vec<_>>());
            for (cursor, reader) in readers {
                let seen = reader.await.unwrap();
                let seen_ids = event_ids(&seen);
                // A cursor ahead of the log gets a notice and then all new events.
                let from = seen_ids.first().copied().unwrap_or(last + 1);
                assert!(from <= cursor + 1, "an event was skipped");
                assert_eq!(seen_ids, (from..=last).collect::<Vec<_>>());
                if from == cursor + 1 {
                    assert!(whole.ends_with(&seen), "live delivery and replay differ");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_cursor_ahead_of_the_log_gets_a_notice_without_an_id() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    let mut follower = log.follow(writer.run(), 99, Framing::Sse).await.unwrap().unwrap();
    let notice = String::from_utf8(follower.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(notice.starts_with("event: notice\ndata: {") && notice.contains(r#""code":"gap""#), "{notice}");
    assert!(!notice.contains("id:"));
    end_run(&mut writer).await;
    assert_eq!(event_ids(&read_all(follower).await), [2]);
}

/// The data of the `gap` notices that a follower received.
pub(super) fn gaps(sse: &[u8]) -> Vec<serde_json::Value> {
    let lines = std::str::from_utf8(sse).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
    let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter(|event| event["code"] == "gap").map(|event| event["data"].clone()).collect()
}

#[tokio::test]
async fn a_trimmed_log_is_announced_and_followed_from_its_new_start() {
    use crate::run::store::RetentionStore;

    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let log = EventLog::new(Arc::new(store.clone()), Arc::new(StoppedClock));
    let mut writer = create_run(&log).await;
    writer.append(&tokens(20, 90_000), RunChange::default()).await.unwrap();
    end_run(&mut writer).await;
    let run = writer.run();
    drop(writer);
    let follow = async |after| log.follow(run, after, Framing::Sse).await.unwrap().unwrap();
    let whole = read_all(follow(0).await).await;
    // This reader has received one batch when the log is trimmed.
    let mut reader = follow(0).await;
    let mut seen = reader.next().await.unwrap().unwrap().to_vec();
    let read = *event_ids(&seen).last().unwrap();
    while store.trim_oldest(Timestamp::from_millis(1), usize::MAX).await.unwrap().found {}
    seen.extend(read_all(reader).await);
    assert_eq!(gaps(&seen), [serde_json::json!({ "after": read, "next": 22 })]);
    assert_eq!(event_ids(&seen), (1..=read).chain([22]).collect::<Vec<_>>());
    for after in [0, 7, 20] {
        let rest = read_all(follow(after).await).await;
        assert!(rest.starts_with(b"event: notice\ndata: "), "the notice comes first and has no id");
        assert_eq!((gaps(&rest), event_ids(&rest)), (vec![serde_json::json!({ "after": after, "next": 22 })], vec![22]));
        assert!(whole.ends_with(&rest[rest.len() - 50..]), "remaining events changed");
    }
    // A reader that has received all trimmed events gets no notice.
    assert_eq!((gaps(&read_all(follow(21).await).await), event_ids(&read_all(follow(21).await).await)), (vec![], vec![22]));
    assert!(follow(22).await.is_exhausted());
    let lines = read_all(log.follow(run, 3, Framing::Ndjson).await.unwrap().unwrap()).await;
    assert!(lines.starts_with(br#"{"type":"notice""#), "NDJSON without a notice");
}

#[tokio::test]
async fn a_damaged_part_of_a_log_becomes_a_notice_and_the_rest_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let log = EventLog::new(Arc::new(SqliteStore::open(dir.path()).unwrap()), Arc::new(StoppedClock));
    let mut writer = create_run(&log).await;
    let usage = StreamEvent::Usage(Usage { output_tokens: 7, ..Usage::default() });
    for events in [tokens(2, 1), tokens(1, 1), tokens(1, 1), vec![usage]] {
        writer.append(&events, RunChange::default()).await.unwrap();
    }
    end_run(&mut writer).await;
    let run = writer.run();
    drop(writer);
    let database = rusqlite::Connection::open(dir.path().join("openrunner.db")).unwrap();
    database.execute("UPDATE event_chunks SET body = x'00' WHERE first_seq = 2", []).unwrap();
    database.execute("DELETE FROM event_chunks WHERE first_seq = 5", []).unwrap();
    let gap = |after: u64, next: u64| serde_json::json!({ "after": after, "next": next });
    for (after, seen, notices) in
        [(0, vec![1, 4, 6, 7], vec![gap(1, 4), gap(4, 6)]), (2, vec![4, 6, 7], vec![gap(2, 4), gap(4, 6)]), (5, vec![6, 7], vec![])]
    {
        let read = read_all(log.follow(run, after, Framing::Sse).await.unwrap().unwrap()).await;
        assert_eq!((event_ids(&read), gaps(&read)), (seen, notices), "after {after}");
    }
    assert_eq!(log.summarize(run).await.unwrap().usage.unwrap().output_tokens, 7, "the summary continues after the damage");
}

#[tokio::test]
async fn ndjson_equals_the_data_of_the_sse_frames() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    writer.append(&[StreamEvent::Raw { line: "data: \n\nid: 7".into() }], RunChange::default()).await.unwrap();
    end_run(&mut writer).await;
    let sse = read_all(log.follow(writer.run(), 0, Framing::Sse).await.unwrap().unwrap()).await;
    let ndjson = read_all(log.follow(writer.run(), 0, Framing::Ndjson).await.unwrap().unwrap()).await;
    let text = std::str::from_utf8(&sse).unwrap();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(std::str::from_utf8(&ndjson).unwrap().lines().collect::<Vec<_>>(), data);
    assert_eq!(data.len(), 3);
}

#[tokio::test]
async fn text_of_an_agent_cannot_forge_a_frame() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    let forged = "\r\nid: 1000\revent: done\u{85}\u{2028}\ndata: {}\n\n";
    writer.append(&[StreamEvent::Token { content: forged.into() }], RunChange::default()).await.unwrap();
    end_run(&mut writer).await;
    let sse = read_all(log.follow(writer.run(), 0, Framing::Sse).await.unwrap().unwrap()).await;
    assert!(!sse.contains(&b'\r'));
    assert_eq!(event_ids(&sse), [1, 2, 3]);
    let text = String::from_utf8(sse).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["run_queued", "token", "done"]);
}

#[tokio::test]
async fn a_batch_that_was_not_stored_is_not_visible() {
    let (_dir, log) = new_log();
    let mut writer = create_run(&log).await;
    let mut follower = log.follow(writer.run(), 1, Framing::Sse).await.unwrap().unwrap();
    writer.last = 7; // a wrong position, which the store rejects
    assert!(writer.append(&tokens(1, 1), RunChange::default()).await.is_err());
    drop(writer);
    log.close();
    assert!(follower.next().await.is_none());
}
