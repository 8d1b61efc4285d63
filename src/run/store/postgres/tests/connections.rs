//! Connections that are lost: what was acknowledged is there, what was done counts once, and the store goes on.

use std::time::Duration;

use super::super::connector::Connector;
use super::super::session::Lifetime;
use super::super::{PostgresStore, sql};
use super::proxy::Proxy;
use crate::run::store::contract::{create, record};
use crate::run::store::testing::{Postgres, new_database, postgres};
use crate::run::store::{
    AuditEntry, AuditFilter, AuditStore, Audited, Chunk, RunChange, RunFilter, RunStore, SearchText, SessionUse, StoreError, UserRecord,
    UserStore,
};
use crate::types::{AuditAction, Budget, Lease, PerQuota, RunStatus, Seq, Timestamp, UserRef, UserRole};

fn chunk(number: u64) -> Vec<Chunk> {
    let seq = Seq::new(number).unwrap();
    vec![Chunk { first: seq, last: seq, body: format!("{{\"seq\":{number}}}\n").into() }]
}

async fn last_seq(store: &PostgresStore, lease: &Lease) -> u64 {
    store.run(lease.run).await.unwrap().unwrap().last_seq.get()
}

/// Ends all connections to a database.
fn disconnect(url: &str) {
    let database = url.split(['/', '?']).nth(3).unwrap();
    let statement = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'");
    postgres().sql("postgres", &statement);
}

#[tokio::test]
async fn lost_connections_are_made_again() {
    let Some(url) = new_database() else { return };
    let store = PostgresStore::open_for_test(&url).await;
    let lease = create(&store, &record("ann", "demo", None)).await;
    for number in 2..6 {
        disconnect(&url);
        store.append(&lease, chunk(number), RunChange::default()).await.unwrap();
        disconnect(&url);
        create(&store, &record("ann", "demo", None)).await;
        disconnect(&url);
        assert_eq!(store.chunks(lease.run, 0, usize::MAX).await.unwrap().len(), usize::try_from(number).unwrap());
    }
    assert!(store.is_healthy());
}

#[tokio::test]
async fn the_store_goes_on_after_its_database_restarted() {
    let Some(server) = Postgres::start() else { return };
    let store = PostgresStore::open_for_test(&server.new_database()).await;
    let lease = create(&store, &record("ann", "demo", None)).await;
    for number in 2..4 {
        server.stop();
        server.start_again();
        store.append(&lease, chunk(number), RunChange::default()).await.unwrap();
        create(&store, &record("ann", "demo", None)).await;
        assert_eq!(last_seq(&store, &lease).await, number);
    }
    server.stop();
    assert!(store.run(lease.run).await.is_err() && !store.try_to_heal().await);
    server.start_again();
    assert!(store.try_to_heal().await);
    store.append(&lease, chunk(4), RunChange::default()).await.unwrap();
    assert_eq!(store.chunks(lease.run, 0, usize::MAX).await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_written_once_and_acknowledged() {
    let Some(proxy) = Proxy::start(b"WITH written AS") else { return };
    let store = PostgresStore::open_for_test(&proxy.url()).await;
    let lease = create(&store, &record("ann", "demo", None)).await;
    proxy.lose_next();
    store.append(&lease, chunk(2), RunChange::default()).await.unwrap();
    assert!(proxy.has_lost());
    store.append(&lease, chunk(3), RunChange::default()).await.unwrap();
    assert_eq!((last_seq(&store, &lease).await, store.chunks(lease.run, 0, usize::MAX).await.unwrap().len()), (3, 3));
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_made_once_and_acknowledged() {
    let Some(proxy) = Proxy::start(b"append_and_change") else { return };
    let store = PostgresStore::open_for_test(&proxy.url()).await;
    let lease = create(&store, &record("ann", "demo", None)).await;
    let audited = Audited::new(entry());
    proxy.lose_next();
    let change = RunChange { status: Some(RunStatus::Running), audit: vec![audited.clone()], ..RunChange::default() };
    store.append(&lease, chunk(2), change).await.unwrap();
    assert!(proxy.has_lost() && audited.is_stored());
    assert_eq!(store.audit(AuditFilter::default(), 9).await.unwrap().len(), 1);
    // Without events it cannot be told. A change that is the same the second time is made again.
    proxy.lose_next();
    store.append(&lease, vec![], RunChange { launched_at: Some(Timestamp::from_millis(7)), ..RunChange::default() }).await.unwrap();
    assert!(proxy.has_lost());
    // Of any other, the caller has to find out.
    proxy.lose_next();
    let change = RunChange { status: Some(RunStatus::Stopping), audit: vec![Audited::new(entry())], ..RunChange::default() };
    assert!(matches!(store.append(&lease, vec![], change).await, Err(StoreError::Write(_))));
    assert!(!store.is_healthy() && store.try_to_heal().await && store.is_healthy());
    assert_eq!(store.run(lease.run).await.unwrap().unwrap().status, RunStatus::Stopping);
    assert_eq!(store.audit(AuditFilter::default(), 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_committed_once_and_acknowledged() {
    let Some(proxy) = Proxy::start(b"COMMIT") else { return };
    let store = PostgresStore::open_for_test(&proxy.url()).await;
    proxy.lose_next();
    let UserRef { id, name } = UserRef::named("ann");
    let user = UserRecord {
        id,
        name,
        role: UserRole::Admin,
        password_hash: "h".into(),
        default_password: false,
        generation: 1,
        budget: Budget::default(),
        quotas: PerQuota::default(),
    };
    assert_eq!(store.add_user(user, None).await, Ok(true));
    assert!(proxy.has_lost());
    let run = record("ann", "demo", None);
    proxy.lose_next();
    store.create_run(run.clone(), SessionUse::Starts, chunk(1), None, None).await.unwrap();
    assert!(proxy.has_lost());
    assert_eq!(store.runs(RunFilter::default(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_stops_answering_fails_statements_and_executes_none_of_them_later() {
    let Some(proxy) = Proxy::start(b"") else { return };
    let store = PostgresStore::open_for_test(&proxy.url()).await;
    let lease = create(&store, &record("ann", "demo", None)).await;
    store.append(&lease, chunk(2), RunChange::default()).await.unwrap();
    proxy.freeze(true);
    // Time passes whenever nothing else happens.
    tokio::time::pause();
    let (read, appended, written) = tokio::join!(
        store.run(lease.run),
        store.append(&lease, chunk(3), RunChange::default()),
        store.create_run(record("bob", "demo", None), SessionUse::Starts, chunk(1), None, None),
    );
    assert!(matches!(&read, Err(StoreError::Read(problem)) if problem.contains("did not answer")), "{read:?}");
    assert!(matches!(appended, Err(StoreError::Write(_))), "{appended:?}");
    assert!(matches!(written, Err(StoreError::Write(_))), "{written:?}");
    assert!(!store.is_healthy() && !store.try_to_heal().await);
    tokio::time::resume();
    proxy.freeze(false);
    // What was held back arrives now. A batch that was not written when it is asked for is not written later either.
    let run = store.run(lease.run).await.unwrap().unwrap();
    store.append(&lease, chunk(run.last_seq.get() + 1), RunChange::default()).await.unwrap();
    assert!(store.try_to_heal().await && store.is_healthy());
    assert_eq!(last_seq(&store, &lease).await, run.last_seq.get() + 1);
    create(&store, &record("bob", "demo", None)).await;
}

#[tokio::test]
async fn a_statement_that_the_database_ends_fails_alone() {
    let Some(url) = new_database() else { return };
    let store = PostgresStore::open_for_test(&url).await;
    let (lease, other) = (create(&store, &record("ann", "demo", None)).await, create(&store, &record("ann", "demo", None)).await);
    let limits = "SELECT string_agg(setting || coalesce(unit, ''), ' ' ORDER BY name) FROM pg_settings
                  WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')";
    let limits = store.first(limits, &[], |row| sql::get::<String>(row, 0)).await.unwrap().unwrap();
    assert_eq!(limits, "60000ms 30000ms 60000ms");
    // As after a timeout, but without waiting for it.
    let database = url.split(['/', '?']).nth(3).unwrap();
    let connector = Connector::new(&url).unwrap();
    let (blocker, observer) = (connector.connect(Lifetime::Shared).await.unwrap(), connector.connect(Lifetime::Shared).await.unwrap());
    blocker.batch_execute(&format!("BEGIN; SELECT 1 FROM run_leases WHERE run_id = '{}' FOR UPDATE", lease.run)).await.unwrap();
    let cancel =
        format!("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'");
    let cancelled = async {
        while observer.query_one(&cancel, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (appended, ()) = tokio::join!(store.append(&lease, chunk(2), RunChange::default()), cancelled);
    assert!(matches!(&appended, Err(StoreError::Write(problem)) if problem.contains("57014")), "{appended:?}");
    store.append(&other, chunk(2), RunChange::default()).await.unwrap();
    blocker.batch_execute("ROLLBACK").await.unwrap();
    store.append(&lease, chunk(2), RunChange::default()).await.unwrap();
    assert!(store.is_healthy());
}

#[tokio::test]
async fn many_runs_are_appended_to_at_once_and_each_refusal_is_its_own() {
    let Some(url) = new_database() else { return };
    let store = PostgresStore::open_for_test(&url).await;
    let mut leases = Vec::new();
    for _ in 0..20 {
        leases.push(create(&store, &record("ann", "demo", None)).await);
    }
    for number in 2..12 {
        let batches = leases.iter().enumerate().map(|(index, lease)| {
            // Every third one is not the next.
            let wrong = u64::from(index % 3 == 2) * 100;
            store.append(lease, chunk(number + wrong), RunChange::default())
        });
        for (index, result) in futures_util::future::join_all(batches).await.into_iter().enumerate() {
            assert_eq!(result.is_ok(), index % 3 != 2, "{index}: {result:?}");
        }
    }
    // Two batches of one run in the queue at once are written in order.
    let lease = leases[0];
    let both = tokio::join!(
        store.append(&lease, chunk(12), RunChange::default()),
        store.append(&lease, chunk(13), RunChange { status: Some(RunStatus::Running), ..RunChange::default() }),
    );
    assert_eq!((both, last_seq(&store, &lease).await), ((Ok(()), Ok(())), 13));
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_stopped_and_disturbs_no_other() {
    let Some(url) = new_database() else { return };
    let store = PostgresStore::open_for_test(&url).await;
    create(&store, &record("ann", "demo", None)).await;
    for _ in 0..5 {
        let text = SearchText::parse("do it").unwrap();
        let result = store.search(text.clone(), RunFilter::default(), 9, Duration::ZERO).await;
        assert!(matches!(result, Err(StoreError::SearchTimeout(0)) | Ok(_)), "{result:?}");
        assert_eq!(store.search(text, RunFilter::default(), 9, Duration::from_mins(1)).await.unwrap().len(), 1);
    }
}

fn entry() -> AuditEntry {
    AuditEntry {
        created_at: Timestamp::from_millis(1),
        user: None,
        key: None,
        address: None,
        action: AuditAction::RunCancel,
        outcome: "ok".into(),
        run: None,
        target_user: None,
        target_username: None,
        target_key: None,
        detail: Some("NUL\0 is replaced".into()),
    }
}
