//! Creation under concurrency and faults.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::commit::NewRecord;
use crate::run::errors::{CreateError, DeleteError, FindError};
use crate::run::events::Framing;
use crate::run::idempotency::IdempotencyKey;
use crate::run::manager::testing::{Idle, Talking, TestRuns};
use crate::run::request::{NewRun, OnBusy};
use crate::run::run_secrets::RunSecrets;
use crate::run::store::contract::{done, record};
use crate::run::store::testing::{Calls, Fault, FaultStore, Point, explore};
use crate::run::store::{Chunk, RetentionStore, RunChange, RunFilter, RunStore, SessionUse};
use crate::run::view::RunView;
use crate::run::workspace::{DirectoryRequest, Requester};
use crate::types::{RunId, RunStatus, Seq, SessionId, Timestamp};

fn key(name: &str, fingerprint: u8) -> IdempotencyKey {
    IdempotencyKey { key: name.into(), fingerprint: [fingerprint; 32] }
}

impl TestRuns {
    /// Creates a run in a session without validation, which would reject it: an agent in this process cannot continue a session.
    async fn create_in(
        &self,
        session: SessionId,
        session_use: SessionUse,
        on_busy: OnBusy,
        key: Option<IdempotencyKey>,
    ) -> Result<RunView, CreateError> {
        self.create_as(RunId::new(), session, session_use, on_busy, key).await
    }

    async fn create_as(
        &self,
        id: RunId,
        session: SessionId,
        session_use: SessionUse,
        on_busy: OnBusy,
        key: Option<IdempotencyKey>,
    ) -> Result<RunView, CreateError> {
        let requester = Requester { is_admin: false, is_local: true };
        let directory = DirectoryRequest::OfSession(PathBuf::from("/tmp"), requester);
        let spec = record("ann", "test", None).spec;
        let reservation = self.manager.reserve(id, &self.ann, session, on_busy, "test", directory).await?;
        let new = NewRecord {
            spec,
            session,
            session_use,
            attachments: Vec::new(),
            moved_from: None,
            widened: vec![],
            secrets: RunSecrets::default(),
            masked: self.manager.inner.log.secrets().clone(),
            webhooks: vec![],
            weak_guarantee: false,
        };
        self.manager.commit(reservation, &self.ann, new, key, None).await
    }

    async fn stored(&self) -> Vec<RunId> {
        let runs = self.store.inner().runs(RunFilter::default(), 100).await.unwrap();
        runs.into_iter().map(|run| run.id).collect()
    }

    async fn status(&self, run: RunId) -> RunStatus {
        self.manager.get(&self.ann, run).await.unwrap().status
    }

    async fn end_of(&self, run: RunId) -> RunView {
        self.manager.wait(&self.ann, run, Duration::from_hours(1)).await.unwrap()
    }

    /// Asserts that nothing is reserved.
    async fn assert_nothing_is_left(&self, what: &str) {
        assert_eq!((self.stored().await, self.directories(), self.manager.inner.live.len()), (vec![], 0, 0), "{what}");
        assert!(self.manager.inner.keys_in_use.try_acquire((self.ann.user.id, "k".into())).is_some(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_at_any_call_of_the_store_leaves_nothing() {
    for fault in [Fault::Before, Fault::Panic] {
        for nth in 1.. {
            assert!(nth < 20, "every call fails");
            let runs = TestRuns::new(Talking);
            runs.store.fail_nth(Calls::All, nth, fault);
            let created = runs.manager.create(&runs.ann, TestRuns::request(), Some(key("k", 1)), None).await;
            if created.is_ok() {
                assert!(nth > 2, "the faults were not reached");
                break;
            }
            runs.store.heal();
            runs.assert_nothing_is_left(&format!("{fault:?} of call {nth}")).await;
            // The slot and the key are free: the same request succeeds, and its run is admitted.
            let again = runs.manager.create(&runs.ann, TestRuns::request(), Some(key("k", 1)), None).await.unwrap();
            assert_eq!(runs.end_of(again.run_id).await.status, RunStatus::Completed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_stored_although_the_reply_was_lost_is_driven() {
    let runs = TestRuns::new(Talking);
    runs.store.fail_nth(Calls::Named("create_run"), 1, Fault::After);
    let run = runs.manager.create(&runs.ann, TestRuns::request(), Some(key("k", 1)), None).await.unwrap();
    assert_eq!((runs.stored().await, runs.directories()), (vec![run.run_id], 1));
    assert_eq!(runs.end_of(run.run_id).await.status, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_which_it_is_not_known_whether_it_was_stored_ends_or_leaves_nothing() {
    for (fault, is_stored) in [(Fault::After, true), (Fault::Before, false)] {
        let runs = TestRuns::new(Talking);
        runs.store.fail_nth(Calls::Named("create_run"), 1, fault);
        runs.store.fail_nth(Calls::Named("run"), 1, Fault::Before);
        assert!(matches!(runs.manager.create(&runs.ann, TestRuns::request(), None, None).await, Err(CreateError::Store(_))));
        if is_stored {
            let [run] = runs.stored().await[..] else { panic!("stored") };
            assert_eq!(runs.end_of(run).await.status, RunStatus::Failed);
        }
        while runs.manager.inner.live.len() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(runs.directories(), usize::from(is_stored));
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_requests_leave_no_directory() {
    let runs = TestRuns::new(Idle);
    let creating = (0..30).map(|_| runs.manager.create(&runs.ann, TestRuns::request(), None, None));
    let created: Vec<_> = join_all(creating).await;
    let rejected = created.iter().filter(|created| matches!(created, Err(CreateError::QueueFull { .. }))).count();
    assert_eq!((created.len() - rejected, runs.directories(), runs.manager.inner.live.len()), (3, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn equal_requests_interrupt_once_and_return_one_run() {
    let runs = TestRuns::new(Idle);
    let session = SessionId::new();
    let live = runs.create_in(session, SessionUse::Starts, OnBusy::Queue, None).await.unwrap().run_id;
    let create = async |key| runs.create_in(session, SessionUse::Continues, OnBusy::Interrupt, key).await;
    let creating = (0..6).map(|_| runs.manager.once_per_key(&runs.ann, Some(key("k", 1)), create));
    let created: Vec<RunId> = join_all(creating).await.into_iter().map(|run| run.unwrap().run_id).collect();
    assert!(created.iter().all(|run| *run == created[0]), "{created:?}");
    assert_eq!(runs.end_of(live).await.status, RunStatus::Cancelled);
    assert!(!runs.status(created[0]).await.is_ended(), "the run that was repeated was not interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_that_rejects_a_busy_session_returns_its_run() {
    let runs = TestRuns::new(Idle);
    let session = SessionId::new();
    let create = async |key| runs.create_in(session, SessionUse::Starts, OnBusy::Reject, key).await;
    let creating = (0..6).map(|_| runs.manager.once_per_key(&runs.ann, Some(key("k", 1)), create));
    let created: Vec<RunId> = join_all(creating).await.into_iter().map(|run| run.unwrap().run_id).collect();
    assert!(created.iter().all(|run| *run == created[0]), "{created:?}");
    let other = runs.create_in(session, SessionUse::Continues, OnBusy::Reject, Some(key("other", 1))).await;
    assert!(matches!(other, Err(CreateError::SessionBusy(busy)) if busy == session));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_interrupts_nothing() {
    let runs = TestRuns::new(Idle);
    let session = SessionId::new();
    let live = runs.create_in(session, SessionUse::Starts, OnBusy::Queue, None).await.unwrap().run_id;
    runs.store.fail_nth(Calls::Named("create_run"), 1, Fault::Before);
    let failed = runs.create_in(session, SessionUse::Continues, OnBusy::Interrupt, None).await;
    assert!(matches!(failed, Err(CreateError::Store(_))));
    for _ in 0..2 {
        runs.create_in(session, SessionUse::Continues, OnBusy::Queue, None).await.unwrap();
    }
    let failed = runs.create_in(session, SessionUse::Continues, OnBusy::Interrupt, None).await;
    assert!(matches!(failed, Err(CreateError::QueueFull { .. })));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!runs.status(live).await.is_ended());
}

/// Stores a session with one ended run.
async fn ended_run(store: &FaultStore) -> (RunId, SessionId) {
    let run = record("ann", "test", None);
    let (id, session) = (run.id, run.session);
    let chunk = |seq: Seq| vec![Chunk { first: seq, last: seq, body: bytes::Bytes::from(format!("{{\"seq\":{seq}}}\n")) }];
    let lease = store.inner().create_run(run, SessionUse::Starts, chunk(Seq::FIRST), None, None).await.unwrap();
    let change = RunChange { done: Some((done(), Timestamp::from_millis(1))), ..RunChange::default() };
    store.inner().append(&lease, chunk(Seq::FIRST.next()), change).await.unwrap();
    (id, session)
}

/// Runs a follow-up and `delete`, which removes the session's only run, in every order of their calls of the store.
#[expect(clippy::needless_pass_by_value, reason = "callers write a closure")]
fn explore_follow_up_and_deletion(delete: impl AsyncFn(&TestRuns, RunId)) {
    let (limit, outcomes) = (50_000, RefCell::new(BTreeSet::new()));
    let orders = explore(limit, |store| {
        let (outcomes, delete) = (&outcomes, &delete);
        async move {
            let (id, session) = ended_run(&store).await;
            let runs = TestRuns::over(store.clone(), Idle);
            let follow_up = runs.create_in(session, SessionUse::Continues, OnBusy::Queue, None);
            let (created, ()) = tokio::join!(follow_up, delete(&runs, id));
            let session_row = store.inner().session(session).await.unwrap();
            match &created {
                Ok(run) => assert!(session_row.is_some() && store.inner().run(run.run_id).await.unwrap().is_some()),
                Err(CreateError::NoSession(missing)) => {
                    assert_eq!((*missing, runs.manager.inner.live.len(), session_row), (session, 0, None));
                }
                Err(other) => panic!("{other:?}"),
            }
            outcomes.borrow_mut().insert(created.is_ok());
        }
    });
    assert!(orders < limit, "not all orders were tried");
    assert_eq!(outcomes.into_inner(), [false, true].into(), "both are possible");
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_whose_session_is_deleted_before_it_is_validated_is_told_so() {
    let store = FaultStore::in_memory();
    let (_id, session) = ended_run(&store).await;
    let runs = TestRuns::over(store.clone(), Idle);
    let mut gate = store.gate();
    let deletion = async {
        loop {
            let paused = gate.next().await;
            if (paused.call, paused.point) == ("session", Point::After) {
                while store.inner().remove_oldest(Timestamp::from_millis(2)).await.unwrap().found {}
                drop(gate);
                break;
            }
        }
    };
    let follow_up = NewRun { session: Some(session), ..TestRuns::request() };
    let (created, ()) = tokio::join!(runs.manager.create(&runs.ann, follow_up, None, None), deletion);
    assert!(matches!(created, Err(CreateError::NoSession(missing)) if missing == session), "{created:?}");
    assert_eq!(runs.manager.inner.live.len(), 0);
}

#[test]
fn a_follow_up_keeps_its_session_or_is_rejected_while_the_last_run_is_deleted() {
    explore_follow_up_and_deletion(async |runs, id| runs.manager.delete(&runs.ann, id, None).await.unwrap());
}

#[test]
fn a_follow_up_keeps_its_session_or_is_rejected_while_retention_removes_it() {
    explore_follow_up_and_deletion(async |runs, _id| while runs.store.remove_oldest(Timestamp::from_millis(2)).await.unwrap().found {});
}

#[test]
fn a_run_is_deleted_once_by_a_user_and_by_retention() {
    let limit = 50_000;
    let orders = explore(limit, |store| async move {
        let (id, session) = ended_run(&store).await;
        let runs = TestRuns::over(store.clone(), Idle);
        let retention = async { while store.remove_oldest(Timestamp::from_millis(2)).await.unwrap().found {} };
        let (deleted, ()) = tokio::join!(runs.manager.delete(&runs.ann, id, None), retention);
        assert!(matches!(deleted, Ok(()) | Err(DeleteError::Find(FindError::NotFound(_)))), "{deleted:?}");
        assert_eq!((store.inner().run(id).await.unwrap(), store.inner().session(session).await.unwrap()), (None, None));
    });
    assert!(orders < limit, "not all orders were tried");
}

/// A run that a client finds and cancels while it is created and started, while another follows it.
#[test]
fn a_run_that_is_cancelled_while_it_is_created_ends_once_and_its_reader_with_it() {
    // Not all orders: the driver and the clients make too many calls.
    explore(200, |store| async move {
        let (runs, id) = (TestRuns::over(store.clone(), Idle), RunId::new());
        let creating = runs.create_as(id, SessionId::new(), SessionUse::Starts, OnBusy::Queue, None);
        let cancelling = async {
            match runs.manager.cancel(&runs.ann, id, None).await {
                Ok(run) => assert!(run.status == RunStatus::Stopping || run.status.is_ended(), "{:?}", run.status),
                Err(FindError::NotFound(_)) => {}
                Err(FindError::Store(error)) => panic!("{error}"),
            }
        };
        let (created, ()) = tokio::join!(creating, cancelling);
        assert_eq!(created.unwrap().run_id, id);
        let mut log = runs.manager.follow(&runs.ann, id, 0, Framing::Ndjson).await.unwrap();
        let reading = async {
            let mut lines = Vec::new();
            while let Some(batch) = log.next().await {
                lines.extend_from_slice(&batch.unwrap());
            }
            String::from_utf8(lines).unwrap()
        };
        // The first attempt came too early in some orders.
        let (cancelled, lines) = tokio::join!(runs.manager.cancel(&runs.ann, id, None), reading);
        assert!(cancelled.is_ok());
        assert_eq!(runs.end_of(id).await.status, RunStatus::Cancelled);
        assert_eq!(lines.matches(r#""type":"done""#).count(), 1, "{lines}");
        assert!(lines.lines().last().unwrap().contains(r#""type":"done""#));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_key_creates_one_run_however_many_requests_there_are(
        requests in proptest::collection::vec((0_u8..3, 0_u8..2, any::<bool>()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let runs = TestRuns::new(Talking);
            // Some clients disconnect before they get their response.
            let creating = requests.iter().map(|(name, fingerprint, disconnects)| {
                let creating = runs.manager.create(&runs.ann, TestRuns::request(), Some(key(&name.to_string(), *fingerprint)), None);
                async move {
                    if *disconnects {
                        drop(futures_util::poll!(Box::pin(creating)));
                        return None;
                    }
                    Some(creating.await)
                }
            });
            let created = join_all(creating).await;
            // Creations continue when their clients disconnect, and are not in the registry before they reserve an entry.
            runs.manager.inner.tasks.close();
            runs.manager.inner.tasks.wait().await;
            let mut by_key: BTreeMap<u8, Vec<RunId>> = BTreeMap::new();
            for ((name, ..), created) in requests.iter().zip(&created) {
                match created {
                    Some(Ok(run)) => by_key.entry(*name).or_default().push(run.run_id),
                    Some(Err(CreateError::KeyReused | CreateError::QueueFull { .. })) | None => {}
                    Some(Err(other)) => panic!("{other:?}"),
                }
            }
            let stored = runs.stored().await;
            for (name, runs) in &by_key {
                assert!(runs.iter().all(|run| *run == runs[0] && stored.contains(run)), "key {name}: {runs:?}");
            }
            let keys: BTreeSet<u8> = requests.iter().map(|(name, ..)| *name).collect();
            assert!(stored.len() <= keys.len(), "more runs than keys");
            assert_eq!(runs.directories(), stored.len(), "a directory for each run and no other");
        });
    }
}
