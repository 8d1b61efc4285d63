//! Property tests: for any sequence of added, parked, enqueued and removed runs the limits hold, no slot stays free while a run waits, and
//! users are served in turn.
//!
//! Rules: C1, C7.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::schedule::{QueueFull, Schedule};
use super::{Admission, Limits};
use crate::types::{RunId, UserId, UserRef};

const AGENTS: [&str; 3] = ["common", "rare", "rarer"];

fn user(number: usize) -> UserId {
    UserRef::named(&format!("user{number}")).id
}

#[derive(Clone, Debug)]
enum Step {
    Add { user: usize, agent: usize, parked: bool },
    Enqueue(usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_usize, 0..3_usize, proptest::bool::weighted(0.2)).prop_map(|(user, agent, parked)| Step::Add { user, agent, parked }),
        1 => (0..64_usize).prop_map(Step::Enqueue),
        3 => (0..64_usize).prop_map(Step::Remove),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let per_agent = (1..4_usize, 1..3_usize).prop_map(|(rare, rarer)| BTreeMap::from([("rare".into(), rare), ("rarer".into(), rarer)]));
    let per_agent = prop_oneof![Just(BTreeMap::new()), per_agent];
    (1..6_usize, 1..6_usize, per_agent, 0..20_usize, 1..20_usize).prop_map(|(total, per_user, per_agent, queue, queue_per_user)| Limits {
        total,
        per_user,
        per_agent,
        queue,
        queue_per_user,
    })
}

/// A schedule together with a simple model of its runs.
struct Model {
    schedule: Schedule,
    limits: Limits,
    runs: Vec<ModelRun>,
}

#[derive(Clone, Debug)]
struct ModelRun {
    id: RunId,
    user: usize,
    agent: usize,
    parked: bool,
}

impl Model {
    fn new(limits: Limits) -> Self {
        Self { schedule: Schedule::new(limits.clone()), limits, runs: Vec::new() }
    }

    fn active(&self) -> Vec<&ModelRun> {
        self.runs.iter().filter(|run| self.schedule.is_active(run.id)).collect()
    }

    fn queued(&self) -> Vec<&ModelRun> {
        self.runs.iter().filter(|run| !run.parked && !self.schedule.is_active(run.id)).collect()
    }

    fn has_room(&self, run: &ModelRun) -> bool {
        let active = self.active();
        let of_agent = active.iter().filter(|other| other.agent == run.agent).count();
        active.len() < self.limits.total
            && active.iter().filter(|other| other.user == run.user).count() < self.limits.per_user
            && self.limits.per_agent.get(AGENTS[run.agent]).is_none_or(|limit| of_agent < *limit)
    }

    /// Applies a step and returns the runs that became active.
    fn apply(&mut self, step: &Step) -> Vec<ModelRun> {
        let before: Vec<RunId> = self.active().iter().map(|run| run.id).collect();
        match *step {
            Step::Add { user: number, agent, parked } => {
                let run = ModelRun { id: RunId::new(), user: number, agent, parked };
                let waiting: Vec<&ModelRun> = self.runs.iter().filter(|run| !before.contains(&run.id)).collect();
                let free = self.limits.queue.saturating_sub(waiting.len());
                let own = waiting.iter().filter(|run| run.user == number).count();
                let expected = match free {
                    _ if !parked && self.has_room(&run) => Ok(()),
                    0 => Err(QueueFull::Total),
                    free if own >= self.limits.queue_per_user || own > free => Err(QueueFull::User(own)),
                    _ => Ok(()),
                };
                assert_eq!(self.schedule.add(run.id, user(number), AGENTS[agent].to_owned(), parked), expected);
                self.runs.extend(expected.is_ok().then_some(run));
            }
            Step::Enqueue(number) => {
                let parked: Vec<usize> = (0..self.runs.len()).filter(|index| self.runs[*index].parked).collect();
                if let Some(index) = parked.get(number % parked.len().max(1)) {
                    self.runs[*index].parked = false;
                    self.schedule.enqueue(self.runs[*index].id);
                }
            }
            Step::Remove(number) => {
                if !self.runs.is_empty() {
                    let run = self.runs.remove(number % self.runs.len());
                    let returned = self.schedule.remove(run.id);
                    let mut admitted: Vec<RunId> = self.active().iter().map(|run| run.id).filter(|id| !before.contains(id)).collect();
                    admitted.sort_unstable();
                    let mut sorted = returned.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, admitted, "exactly the runs that became active are returned");
                    return returned.iter().filter_map(|id| self.runs.iter().find(|run| run.id == *id).cloned()).collect();
                }
            }
        }
        self.active().into_iter().filter(|run| !before.contains(&run.id)).cloned().collect()
    }
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_no_slot_stays_free_while_a_run_waits(limits in limits(), steps in proptest::collection::vec(step(), 0..200)) {
        let mut model = Model::new(limits.clone());
        for step in &steps {
            model.apply(step);
            let active = model.active();
            prop_assert!(active.len() <= limits.total);
            for number in 0..5 {
                prop_assert!(active.iter().filter(|run| run.user == number).count() <= limits.per_user);
            }
            for (number, agent) in AGENTS.iter().enumerate() {
                let limit = limits.per_agent.get(*agent).copied().unwrap_or(usize::MAX);
                prop_assert!(active.iter().filter(|run| run.agent == number).count() <= limit);
            }
            prop_assert!(model.runs.len() - active.len() <= limits.queue);
            prop_assert!(active.iter().all(|run| !run.parked), "a parked run has no slot");
            for run in model.queued() {
                prop_assert!(!model.has_room(run), "there is room for a run that waits");
            }
        }
    }

    #[test]
    fn slots_rotate_between_waiting_users(steps in proptest::collection::vec(step(), 0..200), total in 1..4_usize) {
        let mut model = Model::new(Limits { total, per_user: total, queue: 1_000, queue_per_user: 1_000, ..Limits::default() });
        // How often each user was served since each other user started waiting.
        let mut since: HashMap<(usize, usize), usize> = HashMap::new();
        for step in &steps {
            for run in model.apply(step) {
                for other in 0..5 {
                    *since.entry((other, run.user)).or_default() += 1;
                }
                since.retain(|(waits, _), _| *waits != run.user);
            }
            let waits: Vec<usize> = model.queued().iter().map(|run| run.user).collect();
            since.retain(|(user, _), _| waits.contains(user));
            for ((waits, served), times) in &since {
                prop_assert!(*times <= 1, "user {served} was served {times} times while user {waits} waited");
            }
        }
    }

    #[test]
    fn the_position_is_the_number_of_runs_admitted_before(steps in proptest::collection::vec(step(), 0..100)) {
        let mut model = Model::new(Limits { total: 1, per_user: 1, queue: 1_000, queue_per_user: 1_000, ..Limits::default() });
        for step in &steps {
            model.apply(step);
        }
        let positions: HashMap<RunId, u64> = model.queued().iter().filter_map(|run| Some((run.id, model.schedule.position(run.id)?))).collect();
        let mut served = Vec::new();
        let mut active: Vec<RunId> = model.active().iter().map(|run| run.id).collect();
        while let Some(run) = active.pop() {
            let next = model.schedule.remove(run);
            served.extend(next.iter().copied());
            active.extend(next);
        }
        prop_assert_eq!(served.len(), positions.len());
        for (before, run) in (0_u64..).zip(served) {
            prop_assert_eq!(positions.get(&run), Some(&before));
            prop_assert_eq!(model.schedule.position(run), None);
        }
    }

    #[test]
    fn every_run_is_eventually_admitted(limits in limits(), steps in proptest::collection::vec(step(), 0..200)) {
        let mut model = Model::new(Limits { queue: 1_000, queue_per_user: 1_000, ..limits });
        for step in &steps {
            model.apply(step);
        }
        let parked: Vec<RunId> = model.runs.iter().filter(|run| run.parked).map(|run| run.id).collect();
        for run in parked {
            model.schedule.enqueue(run);
        }
        let mut active: Vec<RunId> = model.runs.iter().map(|run| run.id).filter(|run| model.schedule.is_active(*run)).collect();
        let mut served = active.len();
        while let Some(run) = active.pop() {
            let next = model.schedule.remove(run);
            served += next.len();
            active.extend(next);
        }
        prop_assert_eq!(served, model.runs.len());
        prop_assert!(model.schedule.is_empty(), "{:?}", model.schedule);
    }
}

/// Two users compete for the single slot of an agent, and one of them also floods the common queue: being served there must not cost that
/// user their turn at the agent.
#[test]
fn a_run_of_a_limited_agent_does_not_starve_behind_other_runs_of_its_user() {
    let limits =
        Limits { total: 2, per_user: 2, per_agent: BTreeMap::from([("rare".to_owned(), 1)]), queue: 100_000, queue_per_user: 100_000 };
    let mut schedule = Schedule::new(limits);
    let (ann, bob) = (user(1), user(2));
    let add = |schedule: &mut Schedule, user: UserId, agent: &str| {
        let run = RunId::new();
        schedule.add(run, user, agent.to_owned(), false).unwrap();
        run
    };
    let (mut rare, mut common) = (add(&mut schedule, bob, "rare"), add(&mut schedule, ann, "common"));
    let anns = add(&mut schedule, ann, "rare");
    let mut bobs_turns = 0;
    while !schedule.is_active(anns) {
        add(&mut schedule, bob, "rare");
        add(&mut schedule, ann, "common");
        common = *schedule.remove(common).first().unwrap();
        rare = *schedule.remove(rare).first().unwrap();
        bobs_turns += 1;
        assert!(bobs_turns <= 2, "the rare agent alternates between its users");
    }
}

#[test]
fn the_limit_of_one_agent_does_not_delay_others() {
    let limits = Limits { total: 3, per_user: 3, per_agent: BTreeMap::from([("rare".to_owned(), 1)]), queue: 10, queue_per_user: 10 };
    let mut schedule = Schedule::new(limits);
    let runs: Vec<RunId> = ["rare", "rare", "common", "common"]
        .map(|agent| {
            let run = RunId::new();
            schedule.add(run, user(1), agent.to_owned(), false).unwrap();
            run
        })
        .to_vec();
    assert_eq!(runs.iter().map(|run| schedule.is_active(*run)).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(schedule.position(runs[1]), Some(0));
}

#[tokio::test]
async fn the_queue_is_bounded_and_positions_count_the_runs_ahead() {
    let admission = Admission::new(Limits { total: 1, per_user: 1, queue: 2, queue_per_user: 2, ..Limits::default() });
    let (first_id, second_id) = (RunId::new(), RunId::new());
    let first = admission.queue(first_id, user(1), "demo", false).unwrap();
    assert_eq!((first.position, admission.position(first_id)), (0, None));
    let slot = first.admitted().await;
    let second = admission.queue(second_id, user(1), "demo", false).unwrap();
    let third = admission.queue(RunId::new(), user(1), "demo", false).unwrap();
    assert_eq!((second.position, third.position), (0, 1));
    assert!(admission.queue(RunId::new(), user(2), "demo", false).is_err());
    assert_eq!(admission.position(second_id), Some(0));
    drop(slot);
    let _slot = second.admitted().await;
    assert_eq!(admission.queue(RunId::new(), user(2), "demo", false).unwrap().position, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_limit_is_exceeded_by_concurrent_tasks() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let admission = Admission::new(Limits { total: 3, per_user: 2, queue: 1_000, queue_per_user: 1_000, ..Limits::default() });
    let (current, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = tokio_util::task::TaskTracker::new();
    for number in 0..400 {
        let (admission, current, max) = (admission.clone(), Arc::clone(&current), Arc::clone(&max));
        tasks.spawn(async move {
            let ticket = admission.queue(RunId::new(), user(number % 7), "demo", number % 3 == 0).unwrap();
            tokio::task::yield_now().await;
            if number % 5 == 0 {
                return drop(ticket);
            }
            let slot = ticket.admitted().await;
            max.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            current.fetch_sub(1, Ordering::SeqCst);
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
    assert!((1..=3).contains(&max.load(Ordering::SeqCst)), "{max:?} at once");
    let state = admission.state();
    assert!(state.schedule.is_empty() && state.notifiers.is_empty(), "{state:?}");
}

#[tokio::test]
async fn a_run_that_waits_for_its_session_delays_no_other_run() {
    let admission = Admission::new(Limits { total: 1, per_user: 1, queue: 2, queue_per_user: 2, ..Limits::default() });
    let parked = admission.queue(RunId::new(), user(1), "demo", true).unwrap();
    let slot = admission.queue(RunId::new(), user(1), "demo", false).unwrap().admitted().await;
    let parked = parked.admitted();
    tokio::pin!(parked);
    assert!(futures_util::poll!(&mut parked).is_pending());
    drop(slot);
    parked.await;
}

#[tokio::test]
async fn a_parked_run_leaves_its_slot_to_others_and_gets_one_again_later() {
    let admission = Admission::new(Limits { total: 1, per_user: 1, queue: 1, queue_per_user: 1, ..Limits::default() });
    let slot = admission.queue(RunId::new(), user(1), "demo", false).unwrap().admitted().await;
    let next = admission.queue(RunId::new(), user(2), "demo", false).unwrap();
    // Regardless of the limits of the queue: it was accepted before.
    let parked = slot.park();
    let other = next.admitted().await;
    let again = parked.admitted();
    tokio::pin!(again);
    assert!(futures_util::poll!(&mut again).is_pending());
    drop(other);
    again.await;
}

#[tokio::test]
async fn a_dropped_ticket_passes_its_slot_to_the_next_run() {
    let admission = Admission::new(Limits { total: 1, per_user: 1, queue: 9, queue_per_user: 9, ..Limits::default() });
    let active = admission.queue(RunId::new(), user(1), "demo", false).unwrap();
    let dropped = admission.queue(RunId::new(), user(2), "demo", false).unwrap().admitted();
    let next = admission.queue(RunId::new(), user(3), "demo", false).unwrap();
    drop(active);
    // It was admitted, and is dropped before it was polled.
    drop(dropped);
    next.admitted().await;
}

/// Adds runs of a user until one is refused. Returns how many were accepted, and the refusal.
fn fill(schedule: &mut Schedule, number: usize) -> (usize, QueueFull) {
    let mut add = || schedule.add(RunId::new(), user(number), "demo".to_owned(), true);
    let mut accepted = 0;
    loop {
        match add() {
            Ok(()) => accepted += 1,
            Err(full) => return (accepted, full),
        }
    }
}

#[test]
fn users_with_many_waiting_runs_are_refused_while_others_still_find_a_place() {
    let mut schedule = Schedule::new(Limits { total: 1, per_user: 1, queue: 100, queue_per_user: 40, ..Limits::default() });
    assert_eq!(fill(&mut schedule, 0), (40, QueueFull::User(40)), "the limit per user");
    assert_eq!(fill(&mut schedule, 1), (31, QueueFull::User(31)), "as many as places are free");
    for number in 2..5 {
        let (accepted, full) = fill(&mut schedule, number);
        assert!(accepted > 0 && full == QueueFull::User(accepted), "user {number} found {accepted} places");
    }
    assert_eq!(fill(&mut schedule, 0), (0, QueueFull::User(40)));
    assert_eq!(schedule.add(RunId::new(), user(9), "demo".to_owned(), true), Ok(()), "a user without waiting runs");
}

#[test]
fn runs_that_an_earlier_server_accepted_wait_regardless_of_the_limits() {
    let mut schedule = Schedule::new(Limits { total: 1, per_user: 1, queue: 1, queue_per_user: 1, ..Limits::default() });
    let runs: Vec<RunId> = (0..5).map(|_| RunId::new()).collect();
    for run in &runs {
        schedule.readd(*run, user(0), "demo".to_owned(), false);
    }
    assert_eq!(schedule.position(runs[4]), Some(3));
    assert_eq!(schedule.add(RunId::new(), user(1), "demo".to_owned(), false), Err(QueueFull::Total));
    let mut ended = runs[0];
    for next in &runs[1..] {
        assert_eq!(schedule.remove(ended), [*next]);
        ended = *next;
    }
    schedule.remove(ended);
    assert!(schedule.is_empty());
}
