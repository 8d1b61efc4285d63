//! The tool calls of a session by the agent's ids.
//!
//! An agent may reuse an id once its call has ended, and models behind some proxies give parallel calls the same id. Each call therefore
//! has an id of its own in the log. The table is bounded: the oldest calls are dropped, ended ones first.

use std::collections::{HashMap, VecDeque};

use super::call::Call;
use crate::agent::common::numbered;

/// Maximum number of calls in the table. An update of a call that was dropped counts as a new call.
pub(super) const MAX_CALLS: usize = 4096;

/// See the module documentation. Keys are ids in the log.
#[derive(Debug, Default)]
pub(super) struct CallTable {
    calls: HashMap<String, Call>,
    by_agent_id: HashMap<String, SameId>,
    /// All keys, oldest first.
    order: VecDeque<String>,
}

/// The calls with one id of the agent.
#[derive(Debug, Default)]
struct SameId {
    /// Number of calls so far.
    count: u32,
    /// Keys of the calls in the table, oldest first: those that have not ended, and the last one.
    keys: VecDeque<String>,
}

impl CallTable {
    /// Adds a call with this id of the agent. Returns its key.
    pub(super) fn add(&mut self, agent_id: &str) -> String {
        if self.order.len() >= MAX_CALLS {
            self.drop_one();
        }
        let same = self.by_agent_id.entry(agent_id.to_owned()).or_default();
        same.count = same.count.saturating_add(1);
        let key = numbered(agent_id, same.count);
        same.keys.retain(|key| self.calls.get(key).is_some_and(|call| !call.has_ended()));
        same.keys.push_back(key.clone());
        self.order.push_back(key.clone());
        self.calls.insert(key.clone(), Call::new(agent_id));
        key
    }

    pub(super) fn get(&self, key: &str) -> Option<&Call> {
        self.calls.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Call> {
        self.calls.get_mut(key)
    }

    /// The calls with this id of the agent: those that have not ended, oldest first, and the last one.
    pub(super) fn with_agent_id<'a>(&'a self, agent_id: &str) -> impl Iterator<Item = (&'a str, &'a Call)> {
        let keys = self.by_agent_id.get(agent_id).into_iter().flat_map(|same| &same.keys);
        keys.filter_map(|key| Some((key.as_str(), self.calls.get(key)?)))
    }

    /// All calls that have not ended, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = (&str, &Call)> {
        let calls = self.order.iter().filter_map(|key| Some((key.as_str(), self.calls.get(key)?)));
        calls.filter(|(_, call)| !call.has_ended())
    }

    /// Drops the oldest ended call, or else the oldest one.
    fn drop_one(&mut self) {
        let ended = |key: &String| self.calls.get(key).is_none_or(Call::has_ended);
        let at = self.order.iter().position(ended).unwrap_or(0);
        let Some(key) = self.order.remove(at) else { return };
        let Some(call) = self.calls.remove(&key) else { return };
        if let Some(same) = self.by_agent_id.get_mut(call.agent_id()) {
            same.keys.retain(|other| *other != key);
            if same.keys.is_empty() {
                self.by_agent_id.remove(call.agent_id());
            }
        }
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
            for number in 0..3 * MAX_CALLS {
                let key = table.add(&if reused { "call_0".to_owned() } else { number.to_string() });
                if number % 3 > 0 {
                    table.get_mut(&key).unwrap().end_for_test();
                }
            }
            let (calls, ids, order) = table.len();
            assert!(calls <= MAX_CALLS && ids <= MAX_CALLS && order <= MAX_CALLS, "{calls} {ids} {order}");
            assert_eq!(table.add("call_0"), if reused { format!("call_0#{}", 3 * MAX_CALLS + 1) } else { "call_0".to_owned() });
        }
    }
}
