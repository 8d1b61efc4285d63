//! Explores the orders in which concurrent tasks use a store.
//!
//! A scenario runs again and again on one thread. Each call of the store is paused before and after its effect; when all tasks are paused
//! or wait for each other, the scheduler lets one of the paused calls continue. The choices of a run and the number of alternatives at each
//! of them determine the next run, depth first, until all orders were tried.

use super::fault_store::FaultStore;
use super::gate::{Gate, PausedCall};

/// How often the other tasks get their turn before they count as waiting. A task that wakes another one takes a turn.
const TURNS: usize = 64;

/// Runs `scenario` with an empty store in every order of its calls, at most `limit` of them. Returns the number of runs. The scenario must
/// be deterministic: one thread, no I/O but the store; the time is paused. A scenario that panics prints the order of its calls.
pub(in crate::run) fn explore<F, S>(limit: usize, scenario: F) -> usize
where
    F: Fn(FaultStore) -> S,
    S: Future<Output = ()>,
{
    let mut planned = Vec::new();
    for run in 1..=limit {
        let mut schedule = Schedule { planned, choices: Vec::new(), order: Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = FaultStore::in_memory();
            let mut gate = store.gate();
            tokio::select! {
                biased;
                () = scenario(store) => {}
                () = schedule.release_calls(&mut gate) => {}
            }
        });
        match schedule.next() {
            Some(next) => planned = next,
            None => return run,
        }
    }
    limit
}

struct Schedule {
    /// The choices to make first. Later ones take the first alternative.
    planned: Vec<usize>,
    /// The choices that were made, each with the number of alternatives.
    choices: Vec<(usize, usize)>,
    /// The calls in the order in which they continued, for a failed test.
    order: Vec<String>,
}

impl Schedule {
    /// Lets paused calls continue one by one, forever.
    async fn release_calls(&mut self, gate: &mut Gate) {
        let mut paused: Vec<PausedCall> = Vec::new();
        loop {
            for _turn in 0..TURNS {
                tokio::task::yield_now().await;
                paused.extend(std::iter::from_fn(|| gate.try_next()));
            }
            if paused.is_empty() {
                // The tasks wait for time to pass.
                paused.push(gate.next().await);
                continue;
            }
            let choice = self.planned.get(self.choices.len()).copied().unwrap_or(0).min(paused.len() - 1);
            self.choices.push((choice, paused.len()));
            let call = paused.remove(choice);
            self.order.push(format!("{} {:?}", call.call, call.point));
        }
    }

    /// The choices of the next run: the last choice that has an untried alternative takes it. `None` if there is none.
    fn next(&self) -> Option<Vec<usize>> {
        let last = self.choices.iter().rposition(|(choice, alternatives)| choice + 1 < *alternatives)?;
        let mut next: Vec<usize> = self.choices[..=last].iter().map(|(choice, _)| *choice).collect();
        next[last] += 1;
        Some(next)
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("order of the calls: {}", self.order.join(", "));
        }
    }
}
