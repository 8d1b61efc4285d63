//! Who works and who waits. Pure: no clock, no I/O, no lock.
//!
//! ```text
//! arrive ─┬─ aside ── line_up ──┬─ in line ─── its turn ─── working ── leave
//!         └─────────────────────┘   (or at once, where there is room)
//! ```
//! A run stands aside while something else than a place keeps it, such as its session's turn; it holds up nobody then. Agents with a
//! bound of their own have a line each, so that runs which wait for one of them do not hold up runs of the others; everybody else
//! stands in the common line. Each line is a round robin between users: whoever has been served goes to its end. Between the lines, the
//! one goes first whose user has waited longest since their run came or they were served, so that no line and no user starves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

use crate::types::{RunId, UserName};

/// How many may do what at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::run) struct Caps {
    /// Runs that work.
    pub(in crate::run) total: usize,
    /// Runs of one user that work.
    pub(in crate::run) per_user: usize,
    /// Runs of one agent that work, for agents that have such a bound.
    pub(in crate::run) per_agent: BTreeMap<String, usize>,
    /// Runs that wait, in line or aside.
    pub(in crate::run) queue: usize,
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// The agent that a line is for; `None` for the common one.
type Line = Option<String>;

/// All runs that wait or work.
///
/// Every method keeps two promises: no turn comes that would pass a cap, and no run is in line that there is room for. Only
/// [`Schedule::admit_existing`] can pass one, since it tells of what is so already.
#[derive(Debug)]
pub(super) struct Schedule {
    caps: Caps,
    runs: HashMap<RunId, Entry>,
    lines: BTreeMap<Line, VecDeque<Group>>,
    /// Runs that work: of each user, of each agent, and in all.
    by_user: HashMap<UserName, usize>,
    by_agent: HashMap<String, usize>,
    working: usize,
    /// When each user who stands in line was last served.
    served: HashMap<UserName, Tick>,
    now: Tick,
}

/// Counts what happened, as a clock that stands still while nothing does.
type Tick = u64;

#[derive(Debug)]
struct Entry {
    user: UserName,
    agent: String,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Aside,
    InLine,
    Working,
}

/// The runs of one user in one line, oldest first. Never empty.
#[derive(Debug)]
struct Group {
    user: UserName,
    runs: VecDeque<(Tick, RunId)>,
}

impl Schedule {
    /// Nobody waits and nobody works. At least one run may always work.
    pub(super) fn new(caps: Caps) -> Self {
        let caps = Caps { total: caps.total.max(1), per_user: caps.per_user.max(1), ..caps };
        Self {
            caps,
            runs: HashMap::new(),
            lines: BTreeMap::new(),
            by_user: HashMap::new(),
            by_agent: HashMap::new(),
            working: 0,
            served: HashMap::new(),
            now: 0,
        }
    }

    /// A run comes: into its line, or aside. Where there is room it works from now on, which [`Schedule::works`] tells.
    ///
    /// # Errors
    /// [`QueueFull`] if it would have to wait and cannot.
    pub(super) fn arrive(&mut self, run: RunId, user: UserName, agent: String, aside: bool) -> Result<(), QueueFull> {
        let at_once = !aside && self.has_room(&user, &agent);
        if !at_once && self.runs.len() - self.working >= self.caps.queue {
            return Err(QueueFull);
        }
        self.runs.insert(run, Entry { user, agent, stands: Stands::Aside });
        if !aside {
            self.enqueue(run);
        }
        Ok(())
    }

    /// A run that works already, whatever the caps say: its agent was found at work. While there are more than may be, nobody else's
    /// turn comes.
    pub(super) fn admit_existing(&mut self, run: RunId, user: UserName, agent: String) {
        *self.by_agent.entry(agent.clone()).or_default() += 1;
        *self.by_user.entry(user.clone()).or_default() += 1;
        self.working += 1;
        self.runs.insert(run, Entry { user, agent, stands: Stands::Working });
    }

    /// A run that stood aside joins its line, or works from now on if there is room for it. Changes nothing for any other run.
    pub(super) fn enqueue(&mut self, run: RunId) {
        let Some(entry) = self.runs.get_mut(&run).filter(|entry| entry.stands == Stands::Aside) else { return };
        entry.stands = Stands::InLine;
        self.now += 1;
        let (user, agent, came) = (entry.user.clone(), entry.agent.clone(), self.now);
        let line = self.lines.entry(line_of(&self.caps, &agent)).or_default();
        match line.iter_mut().find(|group| group.user == user) {
            Some(group) => group.runs.push_back((came, run)),
            None => line.push_back(Group { user, runs: VecDeque::from([(came, run)]) }),
        }
        self.fill();
    }

    /// A run is no longer there, wherever it stood. Gives the runs that work from now on.
    pub(super) fn leave(&mut self, run: RunId) -> Vec<RunId> {
        let Some(Entry { user, agent, stands }) = self.runs.remove(&run) else { return Vec::new() };
        match stands {
            Stands::Aside => return Vec::new(),
            Stands::InLine => {
                self.step_out(run, &user, &agent);
                return Vec::new();
            }
            Stands::Working => {}
        }
        self.working -= 1;
        take_one(&mut self.by_user, &user);
        take_one(&mut self.by_agent, &agent);
        self.fill()
    }

    /// Whether a run works.
    pub(super) fn works(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|entry| entry.stands == Stands::Working)
    }

    /// How many runs of its line would be served before this one if nobody came and nobody left; of one that stands aside, if it joined
    /// now. `None` for a run that does not wait.
    pub(super) fn position(&self, run: RunId) -> Option<u64> {
        let entry = self.runs.get(&run).filter(|entry| entry.stands != Stands::Working)?;
        let empty = VecDeque::new();
        let line = self.lines.get(&line_of(&self.caps, &entry.agent)).unwrap_or(&empty);
        let place = line.iter().position(|group| group.user == entry.user).unwrap_or(line.len());
        let own = line.get(place).map_or(0, |group| group.runs.iter().position(|(_, other)| *other == run).unwrap_or(group.runs.len()));
        // Each round serves one run of every user, in the order of the line; this one is served in the round after `own` others.
        let before: usize = line
            .iter()
            .enumerate()
            .map(|(at, group)| match at.cmp(&place) {
                Ordering::Less => group.runs.len().min(own + 1),
                Ordering::Equal => own,
                Ordering::Greater => group.runs.len().min(own),
            })
            .sum();
        Some(before as u64)
    }

    /// Whether nothing is known of anybody.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let counts = self.runs.len() + self.lines.len() + self.by_user.len() + self.by_agent.len() + self.served.len() + self.working;
        counts == 0
    }

    /// Gives away the places that are free, each to whose turn it is.
    fn fill(&mut self) -> Vec<RunId> {
        let mut admitted = Vec::new();
        while let Some((line, at)) = self.next() {
            admitted.extend(self.serve(&line, at));
        }
        admitted
    }

    /// Whose turn it is: a line and a place in it. `None` if there is no room for anybody who waits.
    fn next(&self) -> Option<(Line, usize)> {
        if self.working >= self.caps.total {
            return None;
        }
        let first_of = |(line, groups): (&Line, &VecDeque<Group>)| {
            if !line.as_ref().is_none_or(|agent| self.agent_has_room(agent)) {
                return None;
            }
            let (at, group) = groups.iter().enumerate().find(|(_, group)| self.user_has_room(&group.user))?;
            let (came, _run) = *group.runs.front()?;
            let served = self.served.get(&group.user).copied().unwrap_or(0);
            // Who is first in two lines is served for the older run.
            Some(((served.max(came), came), line.clone(), at))
        };
        let (_waiting_since, line, at) = self.lines.iter().filter_map(first_of).min_by_key(|(since, _, _)| *since)?;
        Some((line, at))
    }

    fn serve(&mut self, line: &Line, at: usize) -> Option<RunId> {
        let groups = self.lines.get_mut(line)?;
        let mut group = groups.remove(at)?;
        let (_came, run) = group.runs.pop_front()?;
        let user = group.user.clone();
        if !group.runs.is_empty() {
            groups.push_back(group);
        }
        if let Some(entry) = self.runs.get_mut(&run) {
            entry.stands = Stands::Working;
            *self.by_agent.entry(entry.agent.clone()).or_default() += 1;
        }
        *self.by_user.entry(user.clone()).or_default() += 1;
        self.working += 1;
        self.now += 1;
        self.served.insert(user.clone(), self.now);
        self.forget(line, &user);
        Some(run)
    }

    /// Takes a run out of its line.
    fn step_out(&mut self, run: RunId, user: &UserName, agent: &str) {
        let line = line_of(&self.caps, agent);
        let Some(groups) = self.lines.get_mut(&line) else { return };
        if let Some(at) = groups.iter().position(|group| group.user == *user)
            && let Some(group) = groups.get_mut(at)
        {
            group.runs.retain(|(_, other)| *other != run);
            if group.runs.is_empty() {
                groups.remove(at);
            }
        }
        self.forget(&line, user);
    }

    /// Keeps nothing of lines and users that nobody waits in any more.
    fn forget(&mut self, line: &Line, user: &UserName) {
        if self.lines.get(line).is_some_and(VecDeque::is_empty) {
            self.lines.remove(line);
        }
        if !self.lines.values().flatten().any(|group| group.user == *user) {
            self.served.remove(user);
        }
    }

    fn has_room(&self, user: &UserName, agent: &str) -> bool {
        self.working < self.caps.total && self.user_has_room(user) && self.agent_has_room(agent)
    }

    fn user_has_room(&self, user: &UserName) -> bool {
        self.by_user.get(user).copied().unwrap_or(0) < self.caps.per_user
    }

    fn agent_has_room(&self, agent: &str) -> bool {
        self.caps.per_agent.get(agent).is_none_or(|cap| self.by_agent.get(agent).copied().unwrap_or(0) < *cap)
    }
}

fn line_of(caps: &Caps, agent: &str) -> Line {
    caps.per_agent.contains_key(agent).then(|| agent.to_owned())
}

fn take_one<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
