//! Unique ids for tool calls whose ids an agent reuses.
//!
//! Models behind some proxies number their calls from zero in each answer, so every call of a run may be `call_0`. An id is free again
//! once its call has a result. The first call with an id keeps it in the log; later ones get a suffix (`call_0#2`).

use std::collections::{BTreeMap, VecDeque};

use crate::types::Recent;
use crate::types::bounds::{MAX_CALL_IDS, MAX_KEPT_CALLS};

/// Maximum number of open calls with the same id. The oldest one above it is dropped, so that its result counts for the next one.
const MAX_SAME_ID: usize = 256;

/// The tool calls of one process: at most [`MAX_KEPT_CALLS`] without a result, and [`MAX_CALL_IDS`] ids.
#[derive(Debug)]
pub(in crate::agent) struct CallIds {
    /// Number of calls so far, by the agent's id.
    uses: Recent<u32>,
    /// The calls without a result, oldest first.
    open: BTreeMap<Key, VecDeque<OpenCall>>,
    /// The keys of the calls without a result, by the calls' numbers.
    order: BTreeMap<u64, Key>,
    opened: u64,
}

/// The agent's ids of a call and of its parent call.
type Key = (String, Option<String>);

impl Default for CallIds {
    fn default() -> Self {
        Self { uses: Recent::new(MAX_CALL_IDS), open: BTreeMap::new(), order: BTreeMap::new(), opened: 0 }
    }
}

#[derive(Debug)]
struct OpenCall {
    number: u64,
    id: String,
    tool: String,
    /// Whether a permission request was about it.
    requested: bool,
}

impl CallIds {
    /// Adds a call of `tool` with the agent's id `agent_id`, made by the sub-agent of `parent`. Returns its id in the log.
    pub(in crate::agent) fn open(&mut self, parent: Option<&str>, agent_id: &str, tool: &str) -> String {
        let id = self.next(agent_id);
        self.opened += 1;
        let call = OpenCall { number: self.opened, id: id.clone(), tool: tool.to_owned(), requested: false };
        let key = (agent_id.to_owned(), parent.map(str::to_owned));
        self.order.insert(self.opened, key.clone());
        if self.order.len() > MAX_KEPT_CALLS {
            self.forget_oldest();
        }
        let calls = self.open.entry(key).or_default();
        if calls.len() == MAX_SAME_ID
            && let Some(oldest) = calls.pop_front()
        {
            self.order.remove(&oldest.number);
        }
        calls.push_back(call);
        id
    }

    /// The id in the log for a call that has its result at once.
    pub(in crate::agent) fn next(&mut self, agent_id: &str) -> String {
        let uses = self.uses.get(agent_id).map_or(1, |uses| uses.saturating_add(1));
        self.uses.insert(agent_id, uses);
        numbered(agent_id, uses)
    }

    /// Drops the oldest open call.
    fn forget_oldest(&mut self) {
        let Some((number, key)) = self.order.pop_first() else { return };
        let Some(calls) = self.open.get_mut(&key) else { return };
        if calls.front().is_some_and(|call| call.number == number) {
            calls.pop_front();
        }
        if calls.is_empty() {
            self.open.remove(&key);
        }
    }

    /// Removes the oldest open call with this id, preferably one with the same parent. Returns its id in the log, or `None` if none is
    /// open.
    pub(in crate::agent) fn close(&mut self, parent: Option<&str>, agent_id: &str) -> Option<String> {
        let exact = (agent_id.to_owned(), parent.map(str::to_owned));
        let key = if self.open.contains_key(&exact) { exact } else { self.with_id(agent_id).next()?.0.clone() };
        let calls = self.open.get_mut(&key)?;
        let call = calls.pop_front()?;
        if calls.is_empty() {
            self.open.remove(&key);
        }
        self.order.remove(&call.number);
        Some(call.id)
    }

    /// Removes the open call with the id `id` in the log.
    pub(in crate::agent) fn remove(&mut self, id: &str) {
        self.open.retain(|_, calls| {
            calls.retain(|call| {
                let is_removed = call.id == id;
                if is_removed {
                    self.order.remove(&call.number);
                }
                !is_removed
            });
            !calls.is_empty()
        });
    }

    /// Whether there was a call with this id.
    pub(in crate::agent) fn is_known(&self, agent_id: &str) -> bool {
        self.uses.contains(agent_id)
    }

    /// The id in the log of the call that a permission request for `tool` is about.
    pub(in crate::agent) fn requested(&mut self, agent_id: &str, tool: &str) -> String {
        let calls = self.open.range_mut((agent_id.to_owned(), None)..).take_while(|((id, _), _)| id == agent_id);
        let calls = calls.flat_map(|(_, calls)| calls).filter(|call| call.tool == tool);
        let Some(call) = calls.min_by_key(|call| call.requested) else { return self.current(agent_id) };
        call.requested = true;
        call.id.clone()
    }

    /// The id in the log of the oldest open call with this id, or else of the last one.
    pub(in crate::agent) fn current(&self, agent_id: &str) -> String {
        match self.uses.get(agent_id) {
            None | Some(1) => agent_id.to_owned(),
            Some(uses) => {
                let oldest = self.with_id(agent_id).next().and_then(|(_, calls)| calls.front());
                oldest.map_or_else(|| numbered(agent_id, *uses), |call| call.id.clone())
            }
        }
    }

    /// The open calls with this id, by parent.
    fn with_id<'a>(&'a self, agent_id: &'a str) -> impl Iterator<Item = (&'a (String, Option<String>), &'a VecDeque<OpenCall>)> {
        self.open.range((agent_id.to_owned(), None)..).take_while(move |((id, _), _)| id == agent_id)
    }

    /// Removes the open calls for whose parents, by the agent's ids, `ends` holds. Returns their ids in the log.
    pub(in crate::agent) fn drain_where(&mut self, ends: impl Fn(Option<&str>) -> bool) -> Vec<String> {
        let ended = self.open.extract_if(.., |(_, parent), _| ends(parent.as_deref()));
        let ended: Vec<OpenCall> = ended.flat_map(|(_, calls)| calls).collect();
        for call in &ended {
            self.order.remove(&call.number);
        }
        ended.into_iter().map(|call| call.id).collect()
    }
}

/// The id in the log of the call with this number, from 1.
pub(in crate::agent) fn numbered(agent_id: &str, number: u32) -> String {
    if number == 1 { agent_id.to_owned() } else { format!("{agent_id}#{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_id_gets_a_suffix_and_each_result_belongs_to_its_call() {
        let mut calls = CallIds::default();
        assert_eq!(calls.open(None, "call_0", "Bash"), "call_0");
        assert_eq!(calls.close(None, "call_0").as_deref(), Some("call_0"));
        assert_eq!(calls.open(None, "call_0", "Bash"), "call_0#2");
        assert_eq!(calls.current("call_0"), "call_0#2");
        assert_eq!(calls.close(None, "call_0").as_deref(), Some("call_0#2"));
        assert_eq!((calls.close(None, "call_0"), calls.is_known("call_0"), calls.is_known("call_1")), (None, true, false));
    }

    #[test]
    fn only_the_last_calls_are_remembered() {
        let mut calls = CallIds::default();
        for number in 0..3 * MAX_CALL_IDS {
            calls.open(None, &number.to_string(), "Bash");
            if number % 2 == 0 {
                calls.close(None, &number.to_string());
            }
            assert!(calls.order.len() <= MAX_KEPT_CALLS && calls.open.len() <= MAX_KEPT_CALLS);
        }
        assert_eq!(calls.order.len(), calls.open.values().map(VecDeque::len).sum::<usize>());
        assert!(!calls.is_known("1") && calls.close(None, "1").is_none(), "the oldest is forgotten");
        let last = (3 * MAX_CALL_IDS - 1).to_string();
        assert_eq!(calls.close(None, &last), Some(last));
    }

    #[test]
    fn a_long_call_is_remembered_however_many_others_come_and_go() {
        let mut calls = CallIds::default();
        calls.open(None, "long", "Task");
        for number in 0..3 * MAX_CALL_IDS {
            calls.open(Some("long"), &number.to_string(), "Bash");
            calls.close(Some("long"), &number.to_string());
        }
        assert_eq!(calls.close(None, "long").as_deref(), Some("long"));
        assert_eq!((calls.order.len(), calls.open.len()), (0, 0));
    }

    #[test]
    fn calls_that_are_removed_leave_nothing_behind() {
        let mut calls = CallIds::default();
        for number in 0..3 * MAX_SAME_ID {
            calls.open(None, "same", "Bash");
            calls.open(Some("task"), &number.to_string(), "Bash");
        }
        assert_eq!(calls.order.len(), calls.open.values().map(VecDeque::len).sum::<usize>());
        calls.remove("0");
        assert_eq!(calls.drain_where(|parent| parent.is_some()).len(), 3 * MAX_SAME_ID - 1);
        calls.drain_where(|_| true);
        assert_eq!((calls.order.len(), calls.open.len()), (0, 0));
    }

    #[test]
    fn concurrent_calls_with_one_id_are_told_apart_by_parent_tool_and_order() {
        let mut calls = CallIds::default();
        assert_eq!(calls.open(None, "call_0", "Task"), "call_0");
        assert_eq!(calls.open(Some("call_0"), "call_0", "Bash"), "call_0#2");
        assert_eq!(calls.open(Some("call_0"), "call_0", "Bash"), "call_0#3");
        assert_eq!(calls.current("call_0"), "call_0", "the parent");
        assert_eq!([calls.requested("call_0", "Bash"), calls.requested("call_0", "Bash")], ["call_0#2", "call_0#3"]);
        assert_eq!(calls.close(Some("call_0"), "call_0").as_deref(), Some("call_0#2"));
        assert_eq!(calls.close(None, "call_0").as_deref(), Some("call_0"));
        assert_eq!(calls.drain_where(|parent| parent.is_none()), [""; 0]);
        assert_eq!(calls.drain_where(|parent| parent == Some("call_0")), ["call_0#3"]);
    }
}
