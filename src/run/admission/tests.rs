//! Any sequence of runs that come, wait aside, are cancelled and end: the caps hold, no place stays empty, and everybody has their turn.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::schedule::{QueueFull, Schedule};
use super::{Admission, Caps};
use crate::types::{RunId, UserName};

const AGENTS: [&str; 3] = ["common", "rare", "rarer"];

fn user(number: usize) -> UserName {
    format!("user{number}").parse().unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Arrive { user: usize, agent: usize, aside: bool },
    LineUp(usize),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_usize, 0..3_usize, proptest::bool::weighted(0.2)).prop_map(|(user, agent, aside)| Step::Arrive { user, agent, aside }),
        1 => (0..64_usize).prop_map(Step::LineUp),
        3 => (0..64_usize).prop_map(Step::Leave),
    ]
}

fn caps() -> impl Strategy<Value = Caps> {
    let per_agent = (1..4_usize, 1..3_usize).prop_map(|(rare, rarer)| BTreeMap::from([("rare".into(), rare), ("rarer".into(), rarer)]));
    let per_agent = prop_oneof![Just(BTreeMap::new()), per_agent];
    (1..6_usize, 1..6_usize, per_agent, 0..20_usize).prop_map(|(total, per_user, per_agent, queue)| Caps {
        total,
        per_user,
        per_agent,
        queue,
    })
}

/// A schedule beside what is known of each run without it.
struct Bench {
    schedule: Schedule,
    caps: Caps,
    runs: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    id: RunId,
    user: usize,
    agent: usize,
    aside: bool,
}

impl Bench {
    fn new(caps: Caps) -> Self {
        Self { schedule: Schedule::new(caps.clone()), caps, runs: Vec::new() }
    }

    fn working(&self) -> Vec<&Known> {
        self.runs.iter().filter(|run| self.schedule.works(run.id)).collect()
    }

    fn in_line(&self) -> Vec<&Known> {
        self.runs.iter().filter(|run| !run.aside && !self.schedule.works(run.id)).collect()
    }

    fn has_room(&self, run: &Known) -> bool {
        let working = self.working();
        let of_agent = working.iter().filter(|other| other.agent == run.agent).count();
        working.len() < self.caps.total
            && working.iter().filter(|other| other.user == run.user).count() < self.caps.per_user
            && self.caps.per_agent.get(AGENTS[run.agent]).is_none_or(|cap| of_agent < *cap)
    }

    /// Carries out a step and gives the runs that work since then.
    fn take(&mut self, step: &Step) -> Vec<Known> {
        let before: Vec<RunId> = self.working().iter().map(|run| run.id).collect();
        match *step {
            Step::Arrive { user: number, agent, aside } => {
                let run = Known { id: RunId::new(), user: number, agent, aside };
                let waiting = self.runs.len() - before.len();
                let fits = waiting < self.caps.queue || !aside && self.has_room(&run);
                let arrived = self.schedule.arrive(run.id, user(number), AGENTS[agent].to_owned(), aside);
                assert_eq!(arrived, if fits { Ok(()) } else { Err(QueueFull) });
                self.runs.extend(fits.then_some(run));
            }
            Step::LineUp(number) => {
                let aside: Vec<usize> = (0..self.runs.len()).filter(|at| self.runs[*at].aside).collect();
                if let Some(at) = aside.get(number % aside.len().max(1)) {
                    self.runs[*at].aside = false;
                    self.schedule.enqueue(self.runs[*at].id);
                }
            }
            Step::Leave(number) => {
                if !self.runs.is_empty() {
                    let run = self.runs.remove(number % self.runs.len());
                    let told = self.schedule.leave(run.id);
                    let mut found: Vec<RunId> = self.working().iter().map(|run| run.id).filter(|id| !before.contains(id)).collect();
                    found.sort_unstable();
                    let mut told_sorted = told.clone();
                    told_sorted.sort_unstable();
                    assert_eq!(told_sorted, found, "every run whose turn has come is told, and no other");
                    return told.iter().filter_map(|id| self.runs.iter().find(|run| run.id == *id).cloned()).collect();
                }
            }
        }
        self.working().into_iter().filter(|run| !before.contains(&run.id)).cloned().collect()
    }
}

proptest! {
    #[test]
    fn c1_no_cap_is_ever_passed_and_no_place_stays_empty(caps in caps(), steps in proptest::collection::vec(step(), 0..200)) {
        let mut bench = Bench::new(caps.clone());
        for step in &steps {
            bench.take(step);
            let working = bench.working();
            prop_assert!(working.len() <= caps.total);
            for number in 0..5 {
                prop_assert!(working.iter().filter(|run| run.user == number).count() <= caps.per_user);
            }
            for (number, agent) in AGENTS.iter().enumerate() {
                let cap = caps.per_agent.get(*agent).copied().unwrap_or(usize::MAX);
                prop_assert!(working.iter().filter(|run| run.agent == number).count() <= cap);
            }
            prop_assert!(bench.runs.len() - working.len() <= caps.queue);
            prop_assert!(working.iter().all(|run| !run.aside), "who stands aside holds no place");
            for run in bench.in_line() {
                prop_assert!(!bench.has_room(run), "there is room for a run that waits");
            }
        }
    }

    #[test]
    fn c1_places_go_round_between_the_users_who_wait(steps in proptest::collection::vec(step(), 0..200), total in 1..4_usize) {
        let mut bench = Bench::new(Caps { total, per_user: total, queue: 1_000, ..Caps::default() });
        // How often each user was served since each other user began to wait without a break.
        let mut since: HashMap<(usize, usize), usize> = HashMap::new();
        for step in &steps {
            for run in bench.take(step) {
                for other in 0..5 {
                    *since.entry((other, run.user)).or_default() += 1;
                }
                since.retain(|(waits, _), _| *waits != run.user);
            }
            let waits: Vec<usize> = bench.in_line().iter().map(|run| run.user).collect();
            since.retain(|(user, _), _| waits.contains(user));
            for ((waits, served), times) in &since {
                prop_assert!(*times <= 1, "user {served} was served {times} times while user {waits} waited");
            }
        }
    }

    #[test]
    fn c1_the_position_is_how_many_are_served_before(steps in proptest::collection::vec(step(), 0..100)) {
        let mut bench = Bench::new(Caps { total: 1, per_user: 1, queue: 1_000, ..Caps::default() });
        for step in &steps {
            bench.take(step);
        }
        let told: HashMap<RunId, u64> = bench.in_line().iter().filter_map(|run| Some((run.id, bench.schedule.position(run.id)?))).collect();
        let mut served = Vec::new();
        let mut at_work: Vec<RunId> = bench.working().iter().map(|run| run.id).collect();
        while let Some(run) = at_work.pop() {
            let next = bench.schedule.leave(run);
            served.extend(next.iter().copied());
            at_work.extend(next);
        }
        prop_assert_eq!(served.len(), told.len());
        for (before, run) in (0_u64..).zip(served) {
            prop_assert_eq!(told.get(&run), Some(&before));
            prop_assert_eq!(bench.schedule.position(run), None);
        }
    }

    #[test]
    fn c1_in_the_end_everybody_is_served(caps in caps(), steps in proptest::collection::vec(step(), 0..200)) {
        let mut bench = Bench::new(Caps { queue: 1_000, ..caps });
        for step in &steps {
            bench.take(step);
        }
        let aside: Vec<RunId> = bench.runs.iter().filter(|run| run.aside).map(|run| run.id).collect();
        for run in aside {
            bench.schedule.enqueue(run);
        }
        let mut at_work: Vec<RunId> = bench.runs.iter().map(|run| run.id).filter(|run| bench.schedule.works(*run)).collect();
        let mut served = at_work.len();
        while let Some(run) = at_work.pop() {
            let next = bench.schedule.leave(run);
            served += next.len();
            at_work.extend(next);
        }
        prop_assert_eq!(served, bench.runs.len());
        prop_assert!(bench.schedule.is_empty(), "{:?}", bench.schedule);
    }
}

/// Two users want the one place of an agent, and one of them floods the common line as well: each turn of the flood must not cost that
/// user the turn at the agent.
#[test]
fn c1_a_run_for_a_rare_agent_does_not_starve_behind_its_own_users_other_runs() {
    let caps = Caps { total: 2, per_user: 2, per_agent: BTreeMap::from([("rare".to_owned(), 1)]), queue: 100_000 };
    let mut schedule = Schedule::new(caps);
    let (ann, bob) = (user(1), user(2));
    let arrive = |schedule: &mut Schedule, user: &UserName, agent: &str| {
        let run = RunId::new();
        schedule.arrive(run, user.clone(), agent.to_owned(), false).unwrap();
        run
    };
    let (mut rare, mut common) = (arrive(&mut schedule, &bob, "rare"), arrive(&mut schedule, &ann, "common"));
    let anns = arrive(&mut schedule, &ann, "rare");
    let mut bobs_turns = 0;
    while !schedule.works(anns) {
        arrive(&mut schedule, &bob, "rare");
        arrive(&mut schedule, &ann, "common");
        common = *schedule.leave(common).first().unwrap();
        rare = *schedule.leave(rare).first().unwrap();
        bobs_turns += 1;
        assert!(bobs_turns <= 2, "the rare agent goes round between its users");
    }
}

#[test]
fn c1_one_agents_bound_holds_up_nobody_else() {
    let caps = Caps { total: 3, per_user: 3, per_agent: BTreeMap::from([("rare".to_owned(), 1)]), queue: 10 };
    let mut schedule = Schedule::new(caps);
    let runs: Vec<RunId> = ["rare", "rare", "common", "common"]
        .map(|agent| {
            let run = RunId::new();
            schedule.arrive(run, user(1), agent.to_owned(), false).unwrap();
            run
        })
        .to_vec();
    assert_eq!(runs.iter().map(|run| schedule.works(*run)).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(schedule.position(runs[1]), Some(0));
}

#[tokio::test]
async fn c1_the_queue_is_bounded_and_positions_count_those_before() {
    let admission = Admission::new(Caps { total: 1, per_user: 1, queue: 2, ..Caps::default() });
    let (first_id, second_id) = (RunId::new(), RunId::new());
    let first = admission.queue(first_id, &user(1), "demo", false).unwrap();
    assert_eq!((first.position, admission.position(first_id)), (0, None));
    let place = first.admitted().await;
    let second = admission.queue(second_id, &user(1), "demo", false).unwrap();
    let third = admission.queue(RunId::new(), &user(1), "demo", false).unwrap();
    assert_eq!((second.position, third.position), (0, 1));
    assert!(admission.queue(RunId::new(), &user(2), "demo", false).is_none());
    assert_eq!(admission.position(second_id), Some(0));
    drop(place);
    let _place = second.admitted().await;
    assert_eq!(admission.queue(RunId::new(), &user(2), "demo", false).unwrap().position, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c1_no_cap_is_passed_whatever_the_race() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let admission = Admission::new(Caps { total: 3, per_user: 2, queue: 1_000, ..Caps::default() });
    let (all, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = tokio_util::task::TaskTracker::new();
    for number in 0..400 {
        let (admission, all, most) = (admission.clone(), Arc::clone(&all), Arc::clone(&most));
        tasks.spawn(async move {
            let ticket = admission.queue(RunId::new(), &user(number % 7), "demo", number % 3 == 0).unwrap();
            tokio::task::yield_now().await;
            if number % 5 == 0 {
                return drop(ticket);
            }
            let place = ticket.admitted().await;
            most.fetch_max(all.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            all.fetch_sub(1, Ordering::SeqCst);
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    let state = admission.state();
    assert!(state.schedule.is_empty() && state.calls.is_empty(), "{state:?}");
}

#[tokio::test]
async fn c1_a_run_that_waits_for_its_session_holds_no_place_and_no_line_up() {
    let admission = Admission::new(Caps { total: 1, per_user: 1, queue: 2, ..Caps::default() });
    let aside = admission.queue(RunId::new(), &user(1), "demo", true).unwrap();
    let place = admission.queue(RunId::new(), &user(1), "demo", false).unwrap().admitted().await;
    let aside = aside.admitted();
    tokio::pin!(aside);
    assert!(futures_util::poll!(&mut aside).is_pending());
    drop(place);
    aside.await;
}

#[tokio::test]
async fn c1_whoever_gives_up_leaves_the_place_to_the_next() {
    let admission = Admission::new(Caps { total: 1, per_user: 1, queue: 9, ..Caps::default() });
    let at_work = admission.queue(RunId::new(), &user(1), "demo", false).unwrap();
    let gives_up = admission.queue(RunId::new(), &user(2), "demo", false).unwrap().admitted();
    let next = admission.queue(RunId::new(), &user(3), "demo", false).unwrap();
    drop(at_work);
    // Its turn has come, and it goes away without having noticed.
    drop(gives_up);
    next.admitted().await;
}
