//! Quotas: the sums that triggers keep are those that a count finds, and what exceeds a quota is refused in the same transaction.
//!
//! Rules: C6.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use proptest::prelude::*;
use rusqlite::Connection;

use super::super::SqliteStore;
use super::super::sql::read_error;
use crate::run::store::contract::{done, record};
use crate::run::store::{
    ApiKeyRecord, Chunk, KeyStore, OverQuota, QuotaStore, RetentionStore, RunChange, RunRecord, RunStore, SessionUse, StoreError, UserEdit,
    UserRecord, UserStore,
};
use crate::types::{
    Amount, Budget, KeyId, Lease, Limit, LimitChange, OutputCheckpoint, PerQuota, Quota, QuotaChange, RunDone, RunId, Seq, SessionId,
    Timestamp, UserId, UserRef, UserRole,
};

const USERS: [&str; 3] = ["ann", "bob", "cy"];

fn reference(number: usize) -> UserRef {
    UserRef::named(USERS[number % USERS.len()])
}

fn id(number: usize) -> UserId {
    reference(number).id
}

fn user(number: usize) -> UserRecord {
    UserRecord {
        id: id(number),
        name: reference(number).name,
        role: UserRole::Admin,
        password_hash: "hash".into(),
        default_password: false,
        generation: 1,
        budget: Budget::default(),
        quotas: PerQuota::default(),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn chunk(seq: Seq, size: usize) -> Vec<Chunk> {
    let body = format!("{{\"x\":\"{}\"}}\n", "x".repeat(size));
    vec![Chunk { first: seq, last: seq, body: body.into() }]
}

fn key(number: usize) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::new(),
        owner: reference(number),
        name: "key".into(),
        hash: unique_hash(KeyId::new()),
        scopes: std::collections::BTreeSet::new(),
        created_at: at(1),
        expires_at: None,
        last_used_at: None,
        defaults: crate::types::KeyDefaults::default(),
    }
}

/// Any 32 bytes that no other key has.
fn unique_hash(id: KeyId) -> [u8; 32] {
    let id = id.to_string().into_bytes();
    let mut letters = id.into_iter().rev();
    std::array::from_fn(|_| letters.next().unwrap_or(0))
}

/// A new run with a fresh workspace if it starts a session, or one that continues a session.
fn new_run(number: usize, session: Option<(SessionId, RunId)>) -> RunRecord {
    let mut run = record(USERS[number % USERS.len()], "demo", None);
    let first_run = session.map_or(run.id, |(_, first_run)| first_run);
    run.session = session.map_or(run.session, |(session, _)| session);
    run.spec.working_dir = format!("/data/workspaces/{first_run}").into();
    run.spec.prompt = "修复".repeat(number + 1);
    run
}

#[derive(Clone, Debug)]
enum Step {
    Create { user: usize, continues: usize },
    Append { run: usize, size: usize, output: u64 },
    End { run: usize, size: usize },
    Delete(usize),
    Trim(usize),
    ExpireOutput(usize),
    RemoveOldest,
    RemoveDeleted(usize),
    Measure(u64),
    Empty(usize),
    AddKey(usize),
    RemoveKey(usize),
    RemoveUser(usize),
    AddUser(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..16_usize;
    prop_oneof![
        4 => (any.clone(), any.clone()).prop_map(|(user, continues)| Step::Create { user, continues }),
        4 => (any.clone(), 0..2000_usize, 0..9999_u64).prop_map(|(run, size, output)| Step::Append { run, size, output }),
        3 => (any.clone(), 0..2000_usize).prop_map(|(run, size)| Step::End { run, size }),
        2 => any.clone().prop_map(Step::Delete),
        1 => (1..9000_usize).prop_map(Step::Trim),
        1 => (1..3_usize).prop_map(Step::ExpireOutput),
        1 => Just(Step::RemoveOldest),
        1 => (1..9000_usize).prop_map(Step::RemoveDeleted),
        1 => (0..9999_u64).prop_map(Step::Measure),
        1 => any.clone().prop_map(Step::Empty),
        2 => any.clone().prop_map(Step::AddKey),
        1 => any.clone().prop_map(Step::RemoveKey),
        1 => any.clone().prop_map(Step::RemoveUser),
        1 => any.prop_map(Step::AddUser),
    ]
}

struct Bench {
    store: SqliteStore,
    /// Live runs with the number of their last event.
    live: Vec<(Lease, Seq)>,
    sessions: Vec<(SessionId, RunId, usize)>,
    ended: Vec<RunId>,
    keys: Vec<KeyId>,
}

impl Bench {
    fn new() -> Self {
        let store = SqliteStore::in_memory();
        for number in 0..USERS.len() {
            now(store.add_user(user(number), None)).unwrap();
        }
        Self { store, live: Vec::new(), sessions: Vec::new(), ended: Vec::new(), keys: Vec::new() }
    }

    fn apply(&mut self, step: &Step) {
        let store = self.store.clone();
        match step.clone() {
            Step::Create { user, continues } => {
                let session = self.sessions.get(continues).copied();
                let owner = session.map_or(user, |(.., owner)| owner);
                let run = new_run(owner, session.map(|(session, first_run, _)| (session, first_run)));
                let used = if session.is_some() { SessionUse::Continues } else { SessionUse::Starts };
                let first = chunk(Seq::FIRST, user);
                match now(store.create_run(run.clone(), used, first, None, None)) {
                    Ok(lease) => self.live.push((lease, Seq::FIRST)),
                    Err(error) => assert_eq!(error, StoreError::NoSession(run.session)),
                }
                if session.is_none() {
                    self.sessions.push((run.session, run.id, owner));
                }
            }
            Step::Append { run, size, output } => {
                if let Some((lease, last)) = self.live.get_mut(run) {
                    *last = last.next();
                    let checkpoint = OutputCheckpoint { out: output, err: 7, ..OutputCheckpoint::default() };
                    let change = RunChange { checkpoint: (size % 2 == 0).then_some(checkpoint), ..RunChange::default() };
                    now(store.append(lease, chunk(*last, size), change)).unwrap();
                }
            }
            Step::End { run, size } => {
                if run < self.live.len() {
                    let (lease, last) = self.live.remove(run);
                    let done = RunDone { result: Some("结果".repeat(size)), ..done() };
                    let change = RunChange { done: Some((done, at(5))), ..RunChange::default() };
                    now(store.append(&lease, chunk(last.next(), size), change)).unwrap();
                    self.ended.push(lease.run);
                }
            }
            Step::Delete(run) => {
                if let Some(run) = self.ended.get(run) {
                    now(store.begin_delete(*run, None)).unwrap();
                }
            }
            Step::Trim(budget) => drop(now(store.trim_oldest(at(9), budget)).unwrap()),
            Step::ExpireOutput(limit) => drop(now(store.expire_output(at(6), limit)).unwrap()),
            Step::RemoveOldest => drop(now(store.remove_oldest(at(6))).unwrap()),
            Step::RemoveDeleted(budget) => drop(now(store.remove_deleted(budget)).unwrap()),
            Step::Measure(bytes) => {
                for workspace in now(store.unmeasured_workspaces(2)).unwrap() {
                    now(store.workspace_measured(workspace, bytes)).unwrap();
                }
            }
            Step::Empty(session) => {
                if let Some((session, ..)) = self.sessions.get(session) {
                    now(store.workspace_emptied(*session)).unwrap();
                }
            }
            Step::AddKey(owner) => {
                let key = key(owner);
                now(store.add_key(key.clone(), None)).unwrap();
                self.keys.push(key.id);
            }
            Step::RemoveKey(key) => {
                if let Some(key) = self.keys.get(key) {
                    now(store.remove_key(*key, None)).unwrap();
                }
            }
            Step::RemoveUser(number) => drop(now(store.remove_user(id(number), None)).unwrap()),
            Step::AddUser(number) => drop(now(store.add_user(user(number), None)).unwrap()),
        }
    }
}

/// The result of an operation of a store in memory.
fn now<T>(operation: impl Future<Output = T>) -> T {
    operation.now_or_never().unwrap()
}

/// What each owner keeps, counted, without those who keep nothing.
fn count(connection: &Connection) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
    let sql = "WITH kept (owner, stored_bytes, workspace_bytes, runs, sessions, keys) AS (
        SELECT owner, length(CAST(spec AS BLOB)) + length(CAST(widened AS BLOB)) + coalesce(length(CAST(done AS BLOB)), 0)
               + coalesce((SELECT sum(length(body)) FROM event_chunks WHERE run_id = id), 0)
               + iif(output_kept, coalesce(checkpoint ->> '$.out', 0) + coalesce(checkpoint ->> '$.err', 0), 0), 0, 1, 0, 0 FROM runs
        UNION ALL SELECT owner, 0, coalesce(workspace_bytes, 0), 0, 1, 0 FROM sessions
        UNION ALL SELECT owner, 0, 0, 0, 0, 1 FROM api_keys)
        SELECT owner, sum(stored_bytes), sum(workspace_bytes), sum(runs), sum(sessions), sum(keys) FROM kept GROUP BY owner";
    rows(connection, sql)
}

/// What each owner keeps according to the sums.
fn sums(connection: &Connection) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
    rows(connection, "SELECT owner, stored_bytes, workspace_bytes, runs, sessions, keys FROM quota_use")
}

fn rows(connection: &Connection, sql: &str) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
    let mut statement = connection.prepare(sql).map_err(read_error)?;
    let decode = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (1..=5).map(|column| row.get(column)).collect::<Result<Vec<i64>, _>>()?));
    let rows: BTreeMap<_, _> = statement.query_map([], decode).and_then(Iterator::collect).map_err(read_error)?;
    Ok(rows.into_iter().filter(|(_, numbers): &(String, Vec<i64>)| numbers.iter().any(|number| *number != 0)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sums_are_those_of_a_count_after_any_operations(steps in proptest::collection::vec(step(), 0..60)) {
        let mut bench = Bench::new();
        for step in steps {
            bench.apply(&step);
            let compared = now(bench.store.read(|connection| Ok((count(connection)?, sums(connection)?)))).unwrap();
            prop_assert_eq!(&compared.0, &compared.1, "{:?}", step);
        }
    }
}

fn limited(quota: Quota, amount: u64) -> SqliteStore {
    let mut quotas = PerQuota::default();
    quotas[quota] = Some(Amount::new(amount));
    let store = SqliteStore::in_memory().with_default_quotas(quotas);
    for number in 0..USERS.len() {
        now(store.add_user(user(number), None)).unwrap();
    }
    store
}

fn create(store: &SqliteStore, owner: usize) -> Result<Lease, StoreError> {
    now(store.create_run(new_run(owner, None), SessionUse::Starts, chunk(Seq::FIRST, 1), None, None))
}

fn refusal(quota: Quota, used: u64, allowed: u64) -> StoreError {
    StoreError::OverQuota(OverQuota { quota, used, allowed })
}

#[test]
fn the_run_or_key_that_exceeds_a_quota_is_refused_and_other_users_are_not_affected() {
    for quota in [Quota::Runs, Quota::Sessions] {
        let store = limited(quota, 2);
        let first = create(&store, 0).unwrap();
        create(&store, 0).unwrap();
        assert_eq!(create(&store, 0), Err(refusal(quota, 2, 2)));
        create(&store, 1).unwrap();
        let change = RunChange { done: Some((done(), at(5))), ..RunChange::default() };
        now(store.append(&first, chunk(Seq::FIRST.next(), 1), change)).unwrap();
        now(store.begin_delete(first.run, None)).unwrap();
        create(&store, 0).unwrap();
        assert_eq!(create(&store, 0), Err(refusal(quota, 2, 2)));
    }
    let store = limited(Quota::Keys, 1);
    assert_eq!(now(store.add_key(key(0), None)), Ok(true));
    assert_eq!(now(store.add_key(key(0), None)), Err(refusal(Quota::Keys, 1, 1)));
    assert_eq!(now(store.add_key(key(1), None)), Ok(true));
}

#[test]
fn stored_and_measured_bytes_count_and_a_live_run_is_not_stopped() {
    let store = limited(Quota::StoredBytes, 5_000);
    let lease = create(&store, 0).unwrap();
    now(store.append(&lease, chunk(Seq::FIRST.next(), 9_000), RunChange::default())).unwrap();
    let used = now(store.quota_use(id(0))).unwrap().used[Quota::StoredBytes];
    assert!(used > 9_000);
    assert_eq!(create(&store, 0), Err(refusal(Quota::StoredBytes, used, 5_000)));
    create(&store, 1).unwrap();
    let change = RunChange { checkpoint: Some(OutputCheckpoint { out: 70_000, ..OutputCheckpoint::default() }), ..RunChange::default() };
    now(store.append(&lease, vec![], change)).unwrap();
    assert_eq!(now(store.quota_use(id(0))).unwrap().used[Quota::StoredBytes], used + 70_000);

    let store = limited(Quota::WorkspaceBytes, 100);
    let lease = create(&store, 0).unwrap();
    let change = RunChange { launched_at: Some(at(2)), ..RunChange::default() };
    now(store.append(&lease, vec![], change)).unwrap();
    for workspace in now(store.unmeasured_workspaces(9)).unwrap() {
        now(store.workspace_measured(workspace, 100)).unwrap();
    }
    assert_eq!(create(&store, 0), Err(refusal(Quota::WorkspaceBytes, 100, 100)));
    now(store.workspace_written(now(store.run(lease.run)).unwrap().unwrap().session, 50)).unwrap();
    assert_eq!(create(&store, 0), Err(refusal(Quota::WorkspaceBytes, 150, 100)));
    assert_eq!(now(store.unmeasured_workspaces(9)).unwrap().len(), 1, "it is measured again");
    // In a directory that the user has chosen.
    let run = record("ann", "demo", None);
    now(store.create_run(run, SessionUse::Starts, chunk(Seq::FIRST, 1), None, None)).unwrap();
}

#[test]
fn a_users_own_quota_takes_precedence_and_can_be_reset() {
    let store = limited(Quota::Keys, 1);
    let set = |change| {
        let mut quotas = QuotaChange::default();
        quotas.0[Quota::Keys] = change;
        now(store.change_user(id(0), UserEdit { quotas, ..UserEdit::default() }, None)).unwrap()
    };
    let add = || now(store.add_key(key(0), None));
    set(LimitChange::Set(Limit::At(Amount::new(0))));
    assert_eq!(add(), Err(refusal(Quota::Keys, 0, 0)));
    set(LimitChange::Set(Limit::NONE));
    assert_eq!((add(), add()), (Ok(true), Ok(true)));
    assert_eq!(now(store.quota_use(id(0))).unwrap().own[Quota::Keys], Some(Limit::NONE));
    set(LimitChange::Keep);
    assert_eq!(add(), Ok(true));
    set(LimitChange::Reset);
    assert_eq!(add(), Err(refusal(Quota::Keys, 3, 1)));
}
