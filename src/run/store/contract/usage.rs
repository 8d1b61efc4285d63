//! What every store must do for usage.

use proptest::prelude::*;

use super::fixtures::{at, batch, contract, create, done, record};
use crate::run::store::{
    Deleted, OwnerFilter, RunChange, RunRecord, RunStore, UsageFilter, UsageGroup, UsageStore, UsageSum, UserEdit, UserStore,
};
use crate::types::{
    Amount, Budget, BudgetChange, Limit, LimitChange, Money, PerQuota, RunDone, RunStatus, Timestamp, Tokens, Usage, UserRef,
};

/// A time on the given day after 1970-01-01.
fn on_day(day: u32) -> Timestamp {
    at(i64::from(day) * 86_400_000 + 1_000)
}

fn used(input: u64, output: u64, cost: Option<f64>) -> Usage {
    Usage { input_tokens: input, output_tokens: output, cost_usd: cost, cost_is_estimate: cost.is_some(), ..Usage::default() }
}

/// Adds a run that reports these totals on these days and, with a status, ends on the last day.
async fn add_usage(store: &dyn RunStore, run: &RunRecord, totals: &[(u32, Usage)], ended: Option<RunStatus>) {
    let lease = create(store, run).await;
    let mut seq = 1;
    for (day, usage) in totals {
        seq += 1;
        let change = RunChange { usage: Some((usage.clone(), on_day(*day))), ..RunChange::default() };
        store.append(&lease, batch(seq, seq), change).await.unwrap();
    }
    if let Some(status) = ended {
        let (day, usage) = totals.last().cloned().map_or((0, None), |(day, usage)| (day, Some(usage)));
        let end = RunDone { status, usage, ..done() };
        let change = RunChange { status: Some(status), done: Some((end, on_day(day))), ..RunChange::default() };
        store.append(&lease, batch(seq + 1, seq + 1), change).await.unwrap();
    }
}

async fn tokens_by(store: &dyn UsageStore, group: UsageGroup) -> Vec<(String, u64)> {
    let found = store.usage(UsageFilter::default(), group, None, 100).await.unwrap();
    found.into_iter().map(|record| (record.key, record.sum.input_tokens)).collect()
}

async fn total(store: &dyn UsageStore, owner: &UserRef) -> UsageSum {
    store.total_usage(UsageFilter { owner: Some(OwnerFilter::Id(owner.id)), ..UsageFilter::default() }).await.unwrap()
}

async fn totals_are_counted_once_and_on_the_day_of_the_report(store: &(impl RunStore + UsageStore)) {
    let run = record("ann", "demo", None);
    let totals = [(0, used(5, 1, None)), (0, used(5, 1, None)), (1, used(12, 1, Some(0.25))), (1, used(11, 2, Some(0.5)))];
    add_usage(store, &run, &totals, Some(RunStatus::Completed)).await;
    assert_eq!(tokens_by(store, UsageGroup::Day).await, [("1970-01-02".to_owned(), 7), ("1970-01-01".to_owned(), 5)]);
    let expected = UsageSum {
        completed: 1,
        input_tokens: 12,
        output_tokens: 2,
        cost: Some(Money::from_reported(0.5)),
        is_estimate: true,
        ..UsageSum::default()
    };
    assert_eq!(total(store, &run.owner).await, expected);
    let of_session = UsageFilter { session: Some(run.session), ..UsageFilter::default() };
    assert_eq!(store.total_usage(of_session).await.unwrap(), expected, "usage and usage_by_day differ");
}

async fn live_and_deleted_runs_are_counted(store: &(impl RunStore + UsageStore)) {
    let (live, gone) = (record("ann", "demo", None), record("ann", "codex", None));
    add_usage(store, &live, &[(3, used(40, 2, None))], None).await;
    add_usage(store, &gone, &[(3, used(2, 0, None))], Some(RunStatus::Failed)).await;
    assert!(matches!(store.begin_delete(gone.id, None).await, Ok(Deleted::Done { .. })));
    let sum = total(store, &live.owner).await;
    assert_eq!((sum.input_tokens, sum.completed, sum.failed, sum.unpriced), (42, 0, 1, 1));
    assert_eq!(tokens_by(store, UsageGroup::AgentType).await, [("codex".to_owned(), 2), ("demo".to_owned(), 40)]);
    let daily = store.daily_usage(live.owner.id, crate::types::Day::from_timestamp(on_day(3))).await.unwrap();
    assert_eq!((daily.tokens, daily.cost, daily.budget), (Tokens::new(44), Money::default(), Budget::default()));
    assert_eq!(
        store.daily_usage(live.owner.id, crate::types::Day::from_timestamp(on_day(4))).await.unwrap().tokens,
        Tokens::new(0),
        "another day"
    );
}

async fn groups_are_sorted_paged_and_filtered(store: &(impl RunStore + UsageStore)) {
    let mut runs = Vec::new();
    for (owner, agent, day) in [("ann", "codex", 1), ("bob", "demo", 2), ("ann", "demo", 3)] {
        let run = record(owner, agent, None);
        add_usage(store, &run, &[(day, used(u64::from(day), 0, None))], Some(RunStatus::Completed)).await;
        runs.push(run);
    }
    let ids: Vec<_> = runs.iter().rev().map(|run| run.id.to_string()).collect();
    let keys = async |filter: UsageFilter, group, after: Option<&String>, limit| {
        let found = store.usage(filter, group, after.cloned(), limit).await.unwrap();
        found.into_iter().map(|record| record.key).collect::<Vec<_>>()
    };
    let first = keys(UsageFilter::default(), UsageGroup::Run, None, 2).await;
    assert_eq!(first, ids[..2]);
    assert_eq!(keys(UsageFilter::default(), UsageGroup::Run, first.last(), 2).await, ids[2..]);
    // Owners without a name are grouped by id.
    let mut owners = ["ann", "bob"].map(|name| UserRef::named(name).id.to_string());
    owners.sort_unstable();
    assert_eq!(keys(UsageFilter::default(), UsageGroup::Owner, Some(&owners[0]), 9).await, owners[1..]);
    let ann = UsageFilter { owner: Some(OwnerFilter::Id(UserRef::named("ann").id)), ..UsageFilter::default() };
    assert_eq!(keys(ann.clone(), UsageGroup::Day, None, 9).await, ["1970-01-04", "1970-01-02"]);
    let since = UsageFilter { since: Some("1970-01-03".parse().unwrap()), ..ann.clone() };
    assert_eq!(keys(since, UsageGroup::Session, None, 9).await, [runs[2].session.to_string()]);
    let until = UsageFilter { until: Some("1970-01-03".parse().unwrap()), ..ann };
    assert_eq!(keys(until, UsageGroup::AgentType, None, 9).await, ["codex"]);
    let demo = UsageFilter { agent_type: Some("demo".into()), session: Some(runs[0].session), ..UsageFilter::default() };
    assert_eq!(keys(demo, UsageGroup::Day, None, 9).await, [""; 0]);
}

async fn the_reported_model_takes_precedence_over_the_requested_one(store: &(impl RunStore + UsageStore)) {
    let named = record("ann", "demo", None);
    let lease = create(store, &named).await;
    let change = RunChange { model: Some("large".into()), ..RunChange::default() };
    store.append(&lease, batch(2, 2), change).await.unwrap();
    let change = RunChange { usage: Some((used(1, 0, None), on_day(0))), ..RunChange::default() };
    store.append(&lease, batch(3, 3), change).await.unwrap();
    let mut requested = record("ann", "demo", None);
    requested.spec.model = Some("small".into());
    add_usage(store, &requested, &[(0, used(2, 0, None))], None).await;
    add_usage(store, &record("ann", "demo", None), &[(0, used(4, 0, None))], None).await;
    assert_eq!(tokens_by(store, UsageGroup::Model).await, [(String::new(), 4), ("large".to_owned(), 1), ("small".to_owned(), 2)]);
}

async fn implausible_totals_are_capped(store: &(impl RunStore + UsageStore)) {
    let all = u64::MAX;
    let max = Usage { cache_read_tokens: all, cache_write_tokens: all, reasoning_tokens: all, ..used(all, all, Some(f64::MAX)) };
    for _ in 0..3 {
        add_usage(store, &record("ann", "demo", None), &[(0, max.clone()), (1, max.clone())], Some(RunStatus::Completed)).await;
    }
    let invalid = record("bob", "demo", None);
    add_usage(store, &invalid, &[(0, used(1, 1, Some(f64::NAN))), (0, used(1, 1, Some(-5.0)))], None).await;
    let sum = store.total_usage(UsageFilter::default()).await.unwrap();
    assert_eq!((sum.completed, sum.input_tokens, sum.cost), (3, 3_000_000_000_001, Some(Money::from_micros(3_000_000 * 1_000_000))));
}

async fn a_budget_is_set_kept_and_reset(store: &(impl UserStore + UsageStore)) {
    let UserRef { id, name } = UserRef::named("ann");
    let user = crate::run::store::UserRecord {
        id,
        name: name.clone(),
        role: crate::types::UserRole::User,
        password_hash: "h".into(),
        default_password: false,
        generation: 1,
        budget: Budget { tokens_per_day: Some(Limit::At(Tokens::new(9))), ..Budget::default() },
        quotas: PerQuota::default(),
    };
    store.add_user(user.clone(), None).await.unwrap();
    let change = BudgetChange { cost_per_day: LimitChange::Set(Limit::NONE), ..BudgetChange::default() };
    store.change_user(id, UserEdit { budget: change, ..UserEdit::default() }, None).await.unwrap();
    let both = Budget { cost_per_day_usd: Some(Limit::NONE), ..user.budget };
    let day = crate::types::Day::from_timestamp(on_day(0));
    assert_eq!(store.user(&name).await.unwrap().unwrap().budget, both);
    assert_eq!(store.daily_usage(id, day).await.unwrap().budget, both);
    let change = BudgetChange {
        tokens_per_day: LimitChange::Reset,
        cost_per_day: LimitChange::Set(Limit::At(Money::from_reported(2.5))),
        tokens_per_run: LimitChange::Set(Limit::At(Tokens::new(7))),
        cost_per_run: LimitChange::Set(Limit::NONE),
        turns_per_run: LimitChange::Set(Limit::At(Amount::new(3))),
    };
    store.change_user(id, UserEdit { budget: change, ..UserEdit::default() }, None).await.unwrap();
    let money = Budget {
        tokens_per_day: None,
        cost_per_day_usd: Some(Limit::At(Money::from_reported(2.5))),
        tokens_per_run: Some(Limit::At(Tokens::new(7))),
        cost_per_run_usd: Some(Limit::NONE),
        turns_per_run: Some(Limit::At(Amount::new(3))),
    };
    let read = store.user(&name).await.unwrap().unwrap();
    assert_eq!((read.budget, read.generation), (money, 1), "a budget change invalidated tokens");
    store.change_user(id, UserEdit { role: Some(crate::types::UserRole::Admin), ..UserEdit::default() }, None).await.unwrap();
    assert_eq!(store.user(&name).await.unwrap().unwrap().budget, money);
}

contract! {
    totals_are_counted_once_and_on_the_day_of_the_report,
    live_and_deleted_runs_are_counted,
    groups_are_sorted_paged_and_filtered,
    the_reported_model_takes_precedence_over_the_requested_one,
    implausible_totals_are_capped,
    a_budget_is_set_kept_and_reset,
}

/// One run: its owner, its agent, its reports as differences in days, tokens and cost, and whether it ends.
type Reports = (bool, bool, Vec<(u32, u64, u64, Option<u32>)>, bool);

fn runs() -> impl Strategy<Value = Vec<Reports>> {
    let growth = (0..3_u32, 0..1000_u64, 0..1000_u64, proptest::option::of(0..5_000_000_u32));
    proptest::collection::vec((any::<bool>(), any::<bool>(), proptest::collection::vec(growth, 1..5), any::<bool>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_the_same_for_every_grouping(runs in runs()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = crate::run::store::SqliteStore::open(dir.path()).unwrap();
            let (mut tokens, mut micros) = (0, 0);
            for (is_ann, is_demo, growths, ends) in runs {
                let run = record(if is_ann { "ann" } else { "bob" }, if is_demo { "demo" } else { "codex" }, None);
                let (mut day, mut totals, mut cost) = (0, Vec::new(), None);
                let (mut input, mut output) = (0, 0);
                for (later, more_in, more_out, more_cost) in growths {
                    (day, input, output) = (day + later, input + more_in, output + more_out);
                    cost = more_cost.map(|more| cost.unwrap_or(0) + u64::from(more)).or(cost);
                    totals.push((day, used(input, output, cost.map(|micros| Money::from_micros(micros).dollars()))));
                }
                (tokens, micros) = (tokens + input + output, micros + cost.unwrap_or(0));
                add_usage(&store, &run, &totals, ends.then_some(RunStatus::Completed)).await;
            }
            let sum = store.total_usage(UsageFilter::default()).await.unwrap();
            assert_eq!((sum.input_tokens + sum.output_tokens, sum.cost.unwrap_or_default().micros()), (tokens, micros));
            let groups =
                [UsageGroup::Day, UsageGroup::Owner, UsageGroup::AgentType, UsageGroup::Model, UsageGroup::Session, UsageGroup::Run];
            for group in groups {
                let records = store.usage(UsageFilter::default(), group, None, 100).await.unwrap();
                let of = |part: fn(&UsageSum) -> u64| records.iter().map(|record| part(&record.sum)).sum::<u64>();
                let sums = (of(|sum| sum.input_tokens + sum.output_tokens), of(|sum| sum.cost.unwrap_or_default().micros()));
                assert_eq!((sums, of(|sum| sum.completed)), ((tokens, micros), sum.completed), "by {group:?}");
            }
        });
    }
}
