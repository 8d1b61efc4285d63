//! The tool calls of a session by the agent's ids.
//!
//! An agent may reuse an id once its call has ended, and models behind some proxies give parallel calls the same id. Each call therefore
//! has an id of its own in the log. The table is bounded: the oldest calls are dropped, ended ones first.

use std::collections::{HashMap, VecDeque};

use super::call::{Call, Stage};
use crate::agent::common::numbered;
use crate::types::Recent;
use crate::types::bounds::{MAX_CALL_IDS, MAX_KEPT_CALL_BYTES, MAX_KEPT_CALLS};

/// See the module documentation. Keys are ids in the log. An update of a call that was dropped counts as a new call.
#[derive(Debug)]
pub(super) struct CallTable {
    calls: HashMap<String, Call>,
    /// Keys of the calls with one id of the agent, oldest first: those that have not ended, and the last one.
    by_agent_id: HashMap<String, VecDeque<String>>,
    /// All keys, oldest first.
    order: VecDeque<String>,
    /// Number of calls so far, by the agent's id.
    uses: Recent<u32>,
    /// Number of bytes by which the calls may have grown since their size was determined.
    growth: usize,
}

impl Default for CallTable {
    fn default() -> Self {
        let (calls, by_agent_id, order) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { calls, by_agent_id, order, uses: Recent::new(MAX_CALL_IDS), growth: 0 }
    }
}

/// A call that was dropped from the table.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) key: String,
    pub(super) stage: Stage,
    size: usize,
}

impl CallTable {
    /// Adds a call with this id of the agent. Returns its key, and the call that is dropped for it.
    pub(super) fn add(&mut self, agent_id: &str) -> (String, Option<Dropped>) {
        let dropped = if self.order.len() >= MAX_KEPT_CALLS { self.drop_one() } else { None };
        let uses = self.uses.get(agent_id).map_or(1, |uses| uses.saturating_add(1));
        self.uses.insert(agent_id, uses);
        let key = numbered(agent_id, uses);
        let keys = self.by_agent_id.entry(agent_id.to_owned()).or_default();
        keys.retain(|key| self.calls.get(key).is_some_and(|call| !call.has_ended()));
        keys.push_back(key.clone());
        self.order.push_back(key.clone());
        self.calls.insert(key.clone(), Call::new(agent_id));
        (key, dropped)
    }

    /// Notes that the calls may have grown by this many bytes. Returns the calls that are dropped for them, oldest first.
    pub(super) fn grow(&mut self, bytes: usize) -> Vec<Dropped> {
        self.growth += bytes;
        let mut dropped = Vec::new();
        // Rarely, because it reads the whole table.
        if self.growth > MAX_KEPT_CALL_BYTES / 4 {
            self.growth = 0;
            let mut size: usize = self.calls.values().map(Call::size).sum();
            while size > MAX_KEPT_CALL_BYTES && self.calls.len() > 1 {
                let Some(call) = self.drop_one() else { break };
                size -= call.size;
                dropped.push(call);
            }
        }
        dropped
    }

    pub(super) fn get(&self, key: &str) -> Option<&Call> {
        self.calls.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Call> {
        self.calls.get_mut(key)
    }

    /// The calls with this id of the agent: those that have not ended, oldest first, and the last one.
    pub(super) fn with_agent_id<'a>(&'a self, agent_id: &str) -> impl Iterator<Item = (&'a str, &'a Call)> {
        let keys = self.by_agent_id.get(agent_id).into_iter().flatten();
        keys.filter_map(|key| Some((key.as_str(), self.calls.get(key)?)))
    }

    /// All calls that have not ended, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = (&str, &Call)> {
        let calls = self.order.iter().filter_map(|key| Some((key.as_str(), self.calls.get(key)?)));
        calls.filter(|(_, call)| !call.has_ended())
    }

    /// Drops the oldest ended call, or else the oldest one.
    fn drop_one(&mut self) -> Option<Dropped> {
        let ended = |key: &String| self.calls.get(key).is_none_or(Call::has_ended);
        let at = self.order.iter().position(ended).unwrap_or(0);
        let key = self.order.remove(at)?;
        let call = self.calls.remove(&key)?;
        if let Some(keys) = self.by_agent_id.get_mut(call.agent_id()) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_agent_id.remove(call.agent_id());
            }
        }
        Some(Dropped { key, stage: call.stage, size: call.size() })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize, usize) {
        (self.calls.len(), self.by_agent_id.len(), self.order.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_for_distinct_and_for_reused_ids() {
        for reused in [false, true] {
            let mut table = CallTable::default();
            for number in 0..3 * MAX_KEPT_CALLS {
                let (key, _) = table.add(&if reused { "call_0".to_owned() } else { number.to_string() });
                if number % 3 > 0 {
                    table.get_mut(&key).unwrap().end_for_test();
                }
            }
            let (calls, ids, order) = table.len();
            assert!(calls <= MAX_KEPT_CALLS && ids <= MAX_KEPT_CALLS && order <= MAX_KEPT_CALLS, "{calls} {ids} {order}");
            let expected = if reused { format!("call_0#{}", 3 * MAX_KEPT_CALLS + 1) } else { "call_0".to_owned() };
            assert_eq!(table.add("call_0").0, expected);
        }
    }

    #[test]
    fn ended_calls_are_dropped_before_open_ones_and_an_open_one_only_if_there_is_no_other() {
        let mut table = CallTable::default();
        for number in 0..MAX_KEPT_CALLS {
            assert!(table.add(&number.to_string()).1.is_none());
        }
        table.get_mut("7").unwrap().end_for_test();
        let mut dropped = || table.add("more").1.map(|call| (call.key, call.stage));
        assert_eq!(dropped(), Some(("7".to_owned(), Stage::Ended)));
        assert_eq!(dropped(), Some(("0".to_owned(), Stage::Created)));
    }

    #[test]
    fn the_size_of_the_calls_is_bounded() {
        const LARGE: usize = MAX_KEPT_CALL_BYTES / 8;
        let mut table = CallTable::default();
        let mut dropped = 0;
        for number in 0..100 {
            let (key, _) = table.add(&number.to_string());
            table.get_mut(&key).unwrap().output = "x".repeat(LARGE);
            dropped += table.grow(LARGE).len();
            assert!(table.calls.values().map(Call::size).sum::<usize>() <= MAX_KEPT_CALL_BYTES * 3 / 2);
        }
        assert_eq!(table.calls.len() + dropped, 100);
        assert!(table.get("99").is_some());
    }
}
