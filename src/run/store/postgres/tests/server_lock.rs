//! One server at a time, and what becomes of a server that lost its place.

use super::super::PostgresStore;
use crate::run::store::contract::{create, record};
use crate::run::store::testing::{new_database, postgres};
use crate::run::store::{Chunk, ConnectError, OpenError, RunChange, RunFilter, RunStore, StoreError, UserStore};
use crate::types::Seq;

fn chunk(number: u64) -> Vec<Chunk> {
    let seq = Seq::new(number).unwrap();
    vec![Chunk { first: seq, last: seq, body: "{}\n".into() }]
}

#[tokio::test]
async fn a_second_server_is_refused_and_a_command_beside_the_server_is_not() {
    let Some(url) = new_database() else { return };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = PostgresStore::open(&url, one.path()).await.unwrap();
    let refused = PostgresStore::open(&url, other.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Connect(ConnectError::InUse)), "{refused:?}");
    // Nor a second one in the same directory, with another database.
    let refused = PostgresStore::open(&new_database().unwrap(), one.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused:?}");
    let beside = PostgresStore::open_alongside_server(&url).await.unwrap();
    let run = record("ann", "demo", None);
    create(&beside, &run).await;
    assert!(store.run(run.id).await.unwrap().is_some());
    drop(store);
    PostgresStore::open(&url, other.path()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_replaced_while_it_was_cut_off_writes_no_more() {
    let Some(url) = new_database() else { return };
    let first = PostgresStore::open_for_test(&url).await;
    let lease = create(&first, &record("ann", "demo", None)).await;
    let database = url.split(['/', '?']).nth(3).unwrap();
    // Only the connection with the lock.
    let cut = format!(
        "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND d.datname = '{database}'"
    );
    postgres().sql("postgres", &cut);
    let second = PostgresStore::open_for_test(&url).await;
    let taken = second.take_lease(lease.run).await.unwrap();
    assert_eq!(first.append(&lease, chunk(2), RunChange::default()).await, Err(StoreError::LeaseLost { run: lease.run }));
    let refused = first.create_run(record("bob", "demo", None), crate::run::store::SessionUse::Starts, chunk(1), None, None).await;
    assert_eq!(refused.err(), Some(StoreError::Closed));
    drop(second);
    // Also when the other one is gone.
    assert!(!first.try_to_heal().await && first.take_lease(lease.run).await == Err(StoreError::Closed));
    let third = PostgresStore::open_for_test(&url).await;
    third.append(&taken, chunk(2), RunChange::default()).await.unwrap();
    assert_eq!(third.runs(RunFilter::default(), 9).await.unwrap().len(), 1);
    assert!(!third.has_users().await.unwrap());
}

#[tokio::test]
async fn a_database_that_cannot_hold_the_store_is_refused() {
    let Some(number) = new_database() else { return };
    let database = number.split(['/', '?']).nth(3).unwrap();
    postgres()
        .sql("postgres", &format!("CREATE DATABASE {database}_latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"));
    let latin = number.replace(database, &format!("{database}_latin"));
    let refused = PostgresStore::open_alongside_server(&latin).await.unwrap_err();
    assert!(refused.to_string().contains("LATIN1"), "{refused}");
    let missing = number.replace(database, "no_such_database");
    let refused = PostgresStore::open_alongside_server(&missing).await.unwrap_err();
    assert!(refused.to_string().contains("no_such_database"), "{refused}");
}
