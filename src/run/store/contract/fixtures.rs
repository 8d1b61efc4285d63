//! Records, helpers and the macro that the suite uses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::run::store::{Chunk, RunRecord, RunStore, SessionUse, StoreError};
use crate::types::{
    Cause, Lease, PermissionMode, ProjectConfig, RunDone, RunId, RunSpec, RunStatus, Seq, SessionId, SpendLimits, Timestamp, UserRef,
    Withheld,
};

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

/// A batch of one chunk with the events from `first` to `last`.
pub(super) fn batch(first: u64, last: u64) -> Vec<Chunk> {
    let lines: Vec<String> = (first..=last).map(|number| format!("{{\"seq\":{number}}}\n")).collect();
    vec![Chunk { first: seq(first), last: seq(last), body: Bytes::from(lines.concat()) }]
}

/// A queued run.
pub(in crate::run) fn record(owner: &str, agent_type: &str, label: Option<(&str, &str)>) -> RunRecord {
    RunRecord {
        id: RunId::new(),
        session: SessionId::new(),
        owner: UserRef::named(owner),
        status: RunStatus::Queued,
        spec: RunSpec {
            agent_type: agent_type.into(),
            prompt: "do it".into(),
            working_dir: PathBuf::from("/tmp"),
            attachments: Vec::new(),
            output_schema: None,
            instructions: None,
            model: None,
            extra_args: vec![],
            permission_mode: PermissionMode::Auto,
            permission_rules: vec![],
            env: vec![],
            mcp_servers: vec![],
            timeout: Duration::from_mins(5),
            idle_timeout: None,
            max_wait: None,
            spend_limits: SpendLimits::default(),
            isolation: None,
            project_config: ProjectConfig::Ignore,
            labels: label.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
            egress: None,
            profile: None,
            workspace: None,
            trace_parent: None,
            response: None,
        },
        widened: vec![],
        lease: None,
        created_at: at(1_000),
        launched_at: None,
        waits_until: None,
        started_at: None,
        ended_at: None,
        last_seq: seq(1),
        checkpoint: None,
        withheld: Withheld::default(),
        done: None,
        attachments: Vec::new(),
        webhooks: vec![],
    }
}

/// The end of a run that completed.
pub(in crate::run) fn done() -> RunDone {
    RunDone {
        status: RunStatus::Completed,
        cause: Cause::Ok,
        message: None,
        exit_code: Some(0),
        signal: None,
        out_of_memory: false,
        result: Some("fine".into()),
        output: None,
        usage: None,
        duration_ms: 7,
        stderr_tail: None,
    }
}

/// Adds a run with one event. Its session starts with it, unless that exists.
pub(in crate::run) async fn create(store: &dyn RunStore, run: &RunRecord) -> Lease {
    let is_known = store.session(run.session).await.unwrap().is_some();
    let session = if is_known { SessionUse::Continues } else { SessionUse::Starts };
    store.create_run(run.clone(), session, batch(1, 1), None, None).await.unwrap()
}

/// Adds a run whose first event has about `size` bytes.
pub(in crate::run) async fn add_run(store: &dyn RunStore, size: usize) -> Result<RunId, StoreError> {
    let run = record("admin", "demo", None);
    let body = Bytes::from(format!("{{\"seq\":1,\"x\":\"{}\"}}\n", "x".repeat(size)));
    store.create_run(run.clone(), SessionUse::Starts, vec![Chunk { first: seq(1), last: seq(1), body }], None, None).await?;
    Ok(run.id)
}

/// Adds a run with one small event.
pub(in crate::run) async fn stored_run(store: &dyn RunStore) -> RunId {
    add_run(store, 1).await.unwrap()
}

/// Declares a test for each of the given functions and each store. The functions take a reference to an empty store.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let dir = tempfile::tempdir().unwrap();
                    let store = $crate::run::store::SqliteStore::open(dir.path()).unwrap();
                    super::$case(&store).await;
                }
            )*
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(url) = $crate::run::store::testing::new_database() else { return };
                    let store = $crate::run::store::PostgresStore::open_for_test(&url).await;
                    super::$case(&store).await;
                }
            )*
        }
    };
}

pub(super) use contract;
