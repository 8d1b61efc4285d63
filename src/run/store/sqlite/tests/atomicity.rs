//! A write takes effect as a whole or not at all, wherever it is interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;
use rusqlite::types::Value;

use super::super::SqliteStore;
use crate::run::store::contract::{done, record};
use crate::run::store::{Chunk, Idempotency, NewWebhook, RetentionStore, RunChange, RunRecord, RunStore, SessionUse, StoreError};
use crate::types::{Lease, RunId, RunStatus, Seq, SessionId, Timestamp, Usage, UserRef};

/// A write, in terms of what earlier ones have created.
#[derive(Clone, Debug)]
enum Op {
    Create { session: Option<usize>, key: Option<u8> },
    Append { run: usize, under_void_lease: bool, skips: u64, events: u64, ends: bool, key: Option<u8> },
    TakeLease { run: usize },
    Delete { run: usize },
    RemoveOldest,
    RemoveDeleted,
    TrimOldest,
    ForgetKeys,
    ForgetRemoved,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || proptest::option::weighted(0.3, 0_u8..3);
    let run = || 0_usize..4;
    prop_oneof![
        3 => (proptest::option::of(run()), key()).prop_map(|(session, key)| Op::Create { session, key }),
        6 => (run(), any::<bool>(), prop_oneof![4 => Just(0_u64), 1 => Just(1)], 0_u64..4, any::<bool>(), key()).prop_map(
            |(run, under_void_lease, skips, events, ends, key)| Op::Append { run, under_void_lease, skips, events, ends, key }
        ),
        2 => run().prop_map(|run| Op::TakeLease { run }),
        2 => run().prop_map(|run| Op::Delete { run }),
        1 => Just(Op::RemoveOldest),
        1 => Just(Op::RemoveDeleted),
        1 => Just(Op::TrimOldest),
        1 => Just(Op::ForgetKeys),
        1 => Just(Op::ForgetRemoved),
    ]
}

/// A run that was created: its present lease, the one before, and the number of its last event.
struct KnownRun {
    session: SessionId,
    lease: Lease,
    void: Option<Lease>,
    last: u64,
}

/// A call of the store.
#[derive(Clone, Debug)]
enum Call {
    Create(Box<RunRecord>, SessionUse, Option<Idempotency>),
    Append(Lease, Vec<Chunk>, Box<RunChange>),
    TakeLease(RunId),
    Delete(RunId),
    RemoveOldest,
    RemoveDeleted,
    TrimOldest,
    ForgetKeys,
    ForgetRemoved,
}

impl Call {
    async fn make(self, store: &SqliteStore) -> Result<Option<Lease>, StoreError> {
        let at = Timestamp::from_millis(9_000);
        match self {
            Self::Create(run, session, key) => store.create_run(*run, session, chunks(1, 1), key, None).await.map(Some),
            Self::Append(lease, batch, change) => store.append(&lease, batch, *change).await.map(|()| None),
            Self::TakeLease(run) => store.take_lease(run).await.map(Some),
            Self::Delete(run) => store.begin_delete(run, None).await.map(|_| None),
            Self::RemoveOldest => store.remove_oldest(at).await.map(|_| None),
            Self::RemoveDeleted => store.remove_deleted(1).await.map(|_| None),
            Self::TrimOldest => store.trim_oldest(at, 1).await.map(|_| None),
            Self::ForgetKeys => store.forget_keys(at, 1).await.map(|_| None),
            Self::ForgetRemoved => {
                let pending = store.pending_removals(1).await?;
                store.forget_removed(pending).await.map(|()| None)
            }
        }
    }
}

/// One chunk with the events from `first` to `last`; none if there is no event.
fn chunks(first: u64, last: u64) -> Vec<Chunk> {
    let body: String = (first..=last).map(|number| format!("{{\"seq\":{number}}}\n")).collect::<Vec<_>>().concat();
    let seq = |number| Seq::new(number).unwrap();
    if last < first { vec![] } else { vec![Chunk { first: seq(first), last: seq(last), body: body.into() }] }
}

/// The call for `op`; `None` if it refers to a run that does not exist yet.
fn call(op: &Op, known: &[KnownRun]) -> Option<Call> {
    let at = Timestamp::from_millis(2_000);
    let idempotency =
        |key: Option<u8>| key.map(|key| Idempotency { owner: UserRef::named("ann").id, key: key.to_string(), fingerprint: [key; 32], at });
    Some(match *op {
        Op::Create { session, key } => {
            let continued = session.and_then(|run| known.get(run)).map(|run| run.session);
            let mut run = RunRecord { webhooks: vec![NewWebhook::default()], ..record("ann", "demo", None) };
            run.session = continued.unwrap_or(run.session);
            let session = if continued.is_some() { SessionUse::Continues } else { SessionUse::Starts };
            Call::Create(Box::new(run), session, idempotency(key))
        }
        Op::Append { run, under_void_lease, skips, events, ends, key } => {
            let run = known.get(run)?;
            let lease = run.void.filter(|_| under_void_lease).unwrap_or(run.lease);
            let usage = Usage { input_tokens: run.last + events, ..Usage::default() };
            let change = RunChange {
                status: Some(RunStatus::Running),
                agent_session: Some(run.last.to_string()),
                model: Some("m".into()),
                usage: Some((usage, at)),
                done: ends.then(|| (done(), at)),
                idempotency: idempotency(key),
                ..RunChange::default()
            };
            Call::Append(lease, chunks(run.last + 1 + skips, run.last + skips + events), Box::new(change))
        }
        Op::TakeLease { run } => Call::TakeLease(known.get(run)?.lease.run),
        Op::Delete { run } => Call::Delete(known.get(run)?.lease.run),
        Op::RemoveOldest => Call::RemoveOldest,
        Op::RemoveDeleted => Call::RemoveDeleted,
        Op::TrimOldest => Call::TrimOldest,
        Op::ForgetKeys => Call::ForgetKeys,
        Op::ForgetRemoved => Call::ForgetRemoved,
    })
}

/// Every row of every table.
pub(super) fn dump(store: &SqliteStore) -> Vec<(String, Vec<Vec<Value>>)> {
    let connection = store.inline().lock();
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'nodes' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |table: &String| {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
            .or_else(|_one_column| connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1")))
            .unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    };
    tables.iter().filter(|table| *table != "refinery_schema_history").map(|table| (table.clone(), rows(table))).collect()
}

/// Interrupts the `nth` instruction of SQLite from now on, once. Returns whether that has happened.
pub(super) fn interrupt_at(store: &SqliteStore, nth: usize) -> Arc<AtomicBool> {
    let (fired, count) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let flag = Arc::clone(&fired);
    let handler = move || {
        let is_nth = count.fetch_add(1, Ordering::Relaxed) + 1 == nth;
        flag.fetch_or(is_nth, Ordering::Relaxed);
        is_nth
    };
    store.inline().lock().progress_handler(1, Some(handler)).unwrap();
    fired
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_interrupted_write_has_no_effect_and_any_other_has_all_of_it(
        steps in proptest::collection::vec((op(), proptest::option::weighted(0.6, 1_usize..400)), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::in_memory();
            // The same calls without interruptions.
            let mut twin = SqliteStore::in_memory();
            twin.node = store.node;
            let mut known: Vec<KnownRun> = Vec::new();
            for (op, fault) in steps {
                let Some(call) = call(&op, &known) else { continue };
                let before = dump(&store);
                let fired = fault.map(|nth| interrupt_at(&store, nth));
                let result = call.clone().make(&store).await;
                store.inline().lock().progress_handler(1, None::<fn() -> bool>).unwrap();
                let was_interrupted = result.is_err() && fired.is_some_and(|fired| fired.load(Ordering::Relaxed));
                // The last instruction of a commit can be interrupted after it took effect: the reply is lost.
                let reply_lost = was_interrupted && dump(&store) != before;
                if result.is_err() && !reply_lost {
                    assert_eq!(dump(&store), before, "a trace of {call:?}, which failed with {result:?}");
                }
                if was_interrupted && !reply_lost {
                    continue;
                }
                let expected = call.clone().make(&twin).await;
                assert_eq!(dump(&store), dump(&twin), "a part of {call:?} is missing");
                let result = if reply_lost { expected.clone() } else { result };
                assert_eq!(expected, result, "{call:?}");
                match (call, result) {
                    (Call::Create(run, ..), Ok(Some(lease))) => known.push(KnownRun { session: run.session, lease, void: None, last: 1 }),
                    (Call::TakeLease(id), Ok(Some(lease))) => {
                        let run = known.iter_mut().find(|run| run.lease.run == id).unwrap();
                        run.void = Some(std::mem::replace(&mut run.lease, lease));
                    }
                    (Call::Append(lease, batch, _), Ok(_)) => {
                        let run = known.iter_mut().find(|run| run.lease.run == lease.run).unwrap();
                        run.last = batch.last().map_or(run.last, |chunk| chunk.last.get());
                    }
                    _ => {}
                }
            }
        });
    }
}
