//! Ids of requests in the log, from the agent's ids.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// Number of the agent's ids that are remembered. Agents number their requests, so only one that reuses an id after this many others
/// would repeat an id in the log.
const MAX_IDS: usize = 4096;

/// Gives every request of one process an id of its own. An id that the agent reuses gets a suffix.
#[derive(Debug, Default)]
pub(super) struct RequestKeys {
    /// How often each id was used.
    uses: HashMap<String, u32>,
    /// The same ids, oldest first.
    order: VecDeque<String>,
}

impl RequestKeys {
    /// The id in the log of a new request with this id of the agent.
    pub(super) fn next(&mut self, id: &Value) -> String {
        let id = id.to_string();
        if !self.uses.contains_key(&id) {
            if self.order.len() == MAX_IDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.uses.remove(&oldest);
            }
            self.order.push_back(id.clone());
        }
        let uses = self.uses.entry(id.clone()).or_default();
        *uses = uses.saturating_add(1);
        if *uses == 1 { id } else { format!("{id}#{uses}") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reused_id_gets_a_suffix_and_the_memory_is_bounded() {
        let mut keys = RequestKeys::default();
        assert_eq!([keys.next(&json!(0)), keys.next(&json!("0")), keys.next(&json!(0))], ["0", "\"0\"", "0#2"]);
        for number in 1..2 * MAX_IDS {
            keys.next(&json!(number));
        }
        assert_eq!((keys.uses.len(), keys.order.len()), (MAX_IDS, MAX_IDS));
    }
}
