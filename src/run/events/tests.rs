//! The log against a real store file: whatever is appended and whoever reads from wherever, each event comes once and in order.

use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{EventLog, Follower, Framing, LogSummary, LogWriter};
use crate::run::store::contract::{done, record};
use crate::run::store::{RunChange, SqliteStore};
use crate::types::{Answer, Clock, DecidedBy, Decision, Question, StreamEvent, Timestamp, ToolKind, Usage};

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000)
    }
}

fn log() -> (TempDir, EventLog) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    (folder, EventLog::new(Arc::new(store), Arc::new(StoppedClock)))
}

async fn created(log: &EventLog) -> LogWriter {
    log.create(record("ann", "demo", None), &[StreamEvent::RunQueued { position: 0 }], None).await.unwrap()
}

fn tokens(count: usize, size: usize) -> Vec<StreamEvent> {
    (0..count).map(|n| StreamEvent::Token { content: format!("{n}{}", "x".repeat(size)).into() }).collect()
}

async fn end(writer: &mut LogWriter) {
    let change = RunChange { done: Some((done(), Timestamp::from_millis(2_000))), ..RunChange::default() };
    writer.append(&[StreamEvent::Done(done())], change).await.unwrap();
}

async fn read_all(mut follower: Follower) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = follower.next().await {
        all.extend_from_slice(&bytes.unwrap());
    }
    all
}

fn ids(sse: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(sse).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn what_a_run_had_used_is_found_in_its_log_also_behind_many_events() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    assert_eq!(log.memory(writer.run()).await.unwrap(), LogSummary::default());
    for output_tokens in [1, 2] {
        let usage = Usage { output_tokens, ..Usage::default() };
        writer.append(&[StreamEvent::Usage(usage)], RunChange::default()).await.unwrap();
        writer.append(&tokens(20, 90_000), RunChange::default()).await.unwrap();
    }
    let found = log.memory(writer.run()).await.unwrap();
    assert_eq!(found.usage.map(|usage| usage.output_tokens), Some(2));
}

#[tokio::test]
async fn a_request_that_nobody_has_answered_is_found_in_the_log() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    let permission = |id: &str| StreamEvent::PermissionRequest {
        id: id.into(),
        tool_call_id: None,
        tool: "Write".into(),
        kind: ToolKind::Edit,
        input: serde_json::Value::Null,
        options: vec![Decision::Deny],
        expires_at: None,
    };
    let answered = StreamEvent::PermissionResolved { id: "a".into(), decision: Decision::Deny, by: DecidedBy::User, reason: None };
    let question = Question { text: "which?".into(), options: vec![], multiple: false };
    let question = StreamEvent::Question { id: "q".into(), questions: vec![question] };
    let asked = [permission("a"), permission("b"), answered, question];
    writer.append(&asked, RunChange::default()).await.unwrap();
    let found = log.memory(writer.run()).await.unwrap();
    let at = Timestamp::from_millis(1_000);
    assert_eq!(found.open, [(asked[1].clone(), at), (asked[3].clone(), at)]);
    assert_eq!(found.answers, [("a".to_owned(), Answer::Permission { decision: Decision::Deny, message: None })]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn w3_any_batches_and_any_cursors_give_each_event_once(
        batches in proptest::collection::vec((1_usize..40, prop_oneof![Just(1_usize), Just(2_000), Just(90_000)]), 1..8),
        cursors in proptest::collection::vec(0_u64..60, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, log) = log();
            let mut writer = created(&log).await;
            let run = writer.run();
            // A reader who comes before each batch, at each cursor: some live, some from the store, some across both.
            let mut readers = Vec::new();
            let tasks = tokio_util::task::TaskTracker::new();
            for (count, size) in batches {
                for &cursor in &cursors {
                    let follower = log.follow(run, cursor, Framing::Sse).await.unwrap().unwrap();
                    readers.push((cursor, tasks.spawn(read_all(follower))));
                }
                writer.append(&tokens(count.min(2_000_000 / size), size), RunChange::default()).await.unwrap();
            }
            end(&mut writer).await;
            let last = writer.last;
            drop(writer);
            let whole = read_all(log.follow(run, 0, Framing::Sse).await.unwrap().unwrap()).await;
            assert_eq!(ids(&whole), (1..=last).collect::<Vec<_>>());
            for (cursor, reader) in readers {
                let seen = reader.await.unwrap();
                let seen_ids = ids(&seen);
                // A cursor ahead of the log gets a notice and then everything that is new.
                let from = seen_ids.first().copied().unwrap_or(last + 1);
                assert!(from <= cursor + 1, "nothing is skipped");
                assert_eq!(seen_ids, (from..=last).collect::<Vec<_>>());
                if from == cursor + 1 {
                    assert!(whole.ends_with(&seen), "live and replay are the same bytes");
                }
            }
        });
    }
}

#[tokio::test]
async fn w2_a_cursor_ahead_of_the_log_is_told_and_moves_no_id() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    let mut follower = log.follow(writer.run(), 99, Framing::Sse).await.unwrap().unwrap();
    let notice = String::from_utf8(follower.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(notice.starts_with("event: notice\ndata: {") && notice.contains(r#""code":"gap""#), "{notice}");
    assert!(!notice.contains("id:"));
    end(&mut writer).await;
    assert_eq!(ids(&read_all(follower).await), [2]);
}

/// The notices in what a follower was sent, as their codes and data.
fn gaps(sse: &[u8]) -> Vec<serde_json::Value> {
    let lines = std::str::from_utf8(sse).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
    let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter(|event| event["code"] == "gap").map(|event| event["data"].clone()).collect()
}

#[tokio::test]
async fn w2_a_log_that_was_cut_says_so_and_goes_on_from_what_is_left() {
    use crate::run::store::RetentionStore;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let log = EventLog::new(Arc::new(store.clone()), Arc::new(StoppedClock));
    let mut writer = created(&log).await;
    writer.append(&tokens(20, 90_000), RunChange::default()).await.unwrap();
    end(&mut writer).await;
    let run = writer.run();
    drop(writer);
    let follow = async |after| log.follow(run, after, Framing::Sse).await.unwrap().unwrap();
    let whole = read_all(follow(0).await).await;
    // This one has read a page when the log is cut before its eyes.
    let mut reader = follow(0).await;
    let mut seen = reader.next().await.unwrap().unwrap().to_vec();
    let read = *ids(&seen).last().unwrap();
    while store.cut_oldest(Timestamp::from_millis(1), usize::MAX).await.unwrap().found {}
    seen.extend(read_all(reader).await);
    assert_eq!(gaps(&seen), [serde_json::json!({ "after": read, "next": 22 })]);
    assert_eq!(ids(&seen), (1..=read).chain([22]).collect::<Vec<_>>());
    for after in [0, 7, 20] {
        let left = read_all(follow(after).await).await;
        assert!(left.starts_with(b"event: notice\ndata: "), "the first word is the notice, which has no number");
        assert_eq!((gaps(&left), ids(&left)), (vec![serde_json::json!({ "after": after, "next": 22 })], vec![22]));
        assert!(whole.ends_with(&left[left.len() - 50..]), "what is left has the bytes that it had");
    }
    // Whoever has seen all that is gone misses nothing and hears nothing.
    assert_eq!((gaps(&read_all(follow(21).await).await), ids(&read_all(follow(21).await).await)), (vec![], vec![22]));
    assert!(follow(22).await.is_exhausted());
    let lines = read_all(log.follow(run, 3, Framing::Ndjson).await.unwrap().unwrap()).await;
    assert!(lines.starts_with(br#"{"type":"notice""#), "also where the events are lines");
}

#[tokio::test]
async fn ndjson_holds_the_same_lines_as_the_data_of_the_frames() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    writer.append(&[StreamEvent::Raw { line: "data: \n\nid: 7".into() }], RunChange::default()).await.unwrap();
    end(&mut writer).await;
    let sse = read_all(log.follow(writer.run(), 0, Framing::Sse).await.unwrap().unwrap()).await;
    let ndjson = read_all(log.follow(writer.run(), 0, Framing::Ndjson).await.unwrap().unwrap()).await;
    let text = std::str::from_utf8(&sse).unwrap();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(std::str::from_utf8(&ndjson).unwrap().lines().collect::<Vec<_>>(), data);
    assert_eq!(data.len(), 3);
}

#[tokio::test]
async fn w6_no_text_of_an_agent_can_forge_a_frame() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    let forged = "\r\nid: 1000\revent: done\u{85}\u{2028}\ndata: {}\n\n";
    writer.append(&[StreamEvent::Token { content: forged.into() }], RunChange::default()).await.unwrap();
    end(&mut writer).await;
    let sse = read_all(log.follow(writer.run(), 0, Framing::Sse).await.unwrap().unwrap()).await;
    assert!(!sse.contains(&b'\r'));
    assert_eq!(ids(&sse), [1, 2, 3]);
    let text = String::from_utf8(sse).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["run_queued", "token", "done"]);
}

#[tokio::test]
async fn w1_a_batch_that_the_store_refused_is_seen_by_nobody() {
    let (_folder, log) = log();
    let mut writer = created(&log).await;
    let mut follower = log.follow(writer.run(), 1, Framing::Sse).await.unwrap().unwrap();
    writer.last = 7; // a writer that has lost its place: the store refuses
    assert!(writer.append(&tokens(1, 1), RunChange::default()).await.is_err());
    drop(writer);
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn a_writer_that_goes_away_ends_its_followers() {
    let (_folder, log) = log();
    let writer = created(&log).await;
    let mut follower = log.follow(writer.run(), 0, Framing::Sse).await.unwrap().unwrap();
    drop(writer);
    assert_eq!(ids(&follower.next().await.unwrap().unwrap()), [1]);
    assert!(follower.next().await.is_none());
}
