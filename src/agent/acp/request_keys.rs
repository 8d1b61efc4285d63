//! Ids of requests in the log, from the agent's ids.

use serde_json::Value;

use crate::types::Recent;
use crate::types::bounds::MAX_CALL_IDS;

/// Gives every request of one process an id of its own. An id that the agent reuses gets a suffix. Agents number their requests, so only one
/// that reuses an id after [`MAX_CALL_IDS`] others would repeat an id in the log.
#[derive(Debug)]
pub(super) struct RequestKeys {
    /// How often each id was used.
    uses: Recent<u32>,
}

impl Default for RequestKeys {
    fn default() -> Self {
        Self { uses: Recent::new(MAX_CALL_IDS) }
    }
}

impl RequestKeys {
    /// The id in the log of a new request with this id of the agent.
    pub(super) fn next(&mut self, id: &Value) -> String {
        let id = id.to_string();
        let uses = self.uses.get(&id).map_or(1, |uses| uses.saturating_add(1));
        self.uses.insert(&id, uses);
        if uses == 1 { id } else { format!("{id}#{uses}") }
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
        for number in 1..2 * MAX_CALL_IDS {
            keys.next(&json!(number));
        }
        assert_eq!(keys.uses.len(), MAX_CALL_IDS);
    }
}
