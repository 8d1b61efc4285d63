//! The tool calls without a result.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::agent::Output;
use crate::agent::common::{Limit, size_of};
use crate::types::bounds::{MAX_KEPT_CALL_BYTES, MAX_KEPT_CALLS};

/// The calls by their ids in the log. Bounded: the oldest are dropped.
#[derive(Debug)]
pub(super) struct OpenCalls {
    calls: BTreeMap<String, OpenCall>,
    /// The ids by the calls' numbers.
    order: BTreeMap<u64, String>,
    opened: u64,
    bytes: usize,
    limit: Limit,
    byte_limit: Limit,
}

/// A tool call without a result.
#[derive(Debug)]
pub(super) struct OpenCall {
    /// Codex's id.
    pub(super) item: String,
    pub(super) title: String,
    pub(super) input: Value,
    /// Whether it is a command of the run's own thread, which survives the interrupt of its turn.
    pub(super) survives_turn: bool,
    /// Whether it was reported as a task in the background.
    pub(super) is_task: bool,
    number: u64,
    bytes: usize,
}

impl Default for OpenCalls {
    fn default() -> Self {
        let effect = "the oldest tool calls without a result are no longer followed";
        Self {
            calls: BTreeMap::new(),
            order: BTreeMap::new(),
            opened: 0,
            bytes: 0,
            limit: Limit::new("open_calls", MAX_KEPT_CALLS, effect),
            byte_limit: Limit::new("open_call_bytes", MAX_KEPT_CALL_BYTES, effect),
        }
    }
}

impl OpenCall {
    pub(super) fn new(item: String, title: String, input: Value, survives_turn: bool) -> Self {
        let bytes = item.len() + title.len() + size_of(&input);
        Self { item, title, input, survives_turn, is_task: false, number: 0, bytes }
    }
}

impl OpenCalls {
    /// Adds a call. Returns the calls that are dropped for it, oldest first.
    pub(super) fn insert(&mut self, id: &str, mut call: OpenCall, out: &mut Output) -> Vec<(String, OpenCall)> {
        self.remove(id);
        self.opened += 1;
        call.number = self.opened;
        self.bytes += call.bytes;
        self.order.insert(call.number, id.to_owned());
        self.calls.insert(id.to_owned(), call);
        self.drop_oldest(out)
    }

    /// Replaces the input of a call. Returns the calls that are dropped for it, oldest first, or `None` if the call is not open.
    pub(super) fn set_input(&mut self, id: &str, input: Value, out: &mut Output) -> Option<Vec<(String, OpenCall)>> {
        let call = self.calls.get_mut(id)?;
        let bytes = call.item.len() + call.title.len() + size_of(&input);
        self.bytes = self.bytes - call.bytes + bytes;
        (call.input, call.bytes) = (input, bytes);
        Some(self.drop_oldest(out))
    }

    pub(super) fn get(&self, id: &str) -> Option<&OpenCall> {
        self.calls.get(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<OpenCall> {
        let call = self.calls.remove(id)?;
        self.order.remove(&call.number);
        self.bytes -= call.bytes;
        Some(call)
    }

    /// All calls, by their ids in the log.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &OpenCall)> {
        self.calls.iter().map(|(id, call)| (id.as_str(), call))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut OpenCall)> {
        self.calls.iter_mut().map(|(id, call)| (id.as_str(), call))
    }

    fn drop_oldest(&mut self, out: &mut Output) -> Vec<(String, OpenCall)> {
        let mut dropped = Vec::new();
        while self.calls.len() > 1 {
            let limit = if self.calls.len() > self.limit.max() {
                &mut self.limit
            } else if self.bytes > self.byte_limit.max() {
                &mut self.byte_limit
            } else {
                break;
            };
            limit.report(out);
            let Some((_, id)) = self.order.first_key_value().map(|(number, id)| (*number, id.clone())) else { break };
            let Some(call) = self.remove(&id) else { break };
            dropped.push((id, call));
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(bytes: usize) -> OpenCall {
        OpenCall::new("item".to_owned(), String::new(), json!("x".repeat(bytes)), false)
    }

    #[test]
    fn the_oldest_calls_are_dropped_by_number_and_by_size() {
        let (mut calls, mut out) = (OpenCalls::default(), Output::default());
        for number in 0..MAX_KEPT_CALLS {
            assert!(calls.insert(&format!("{number:05}"), call(1), &mut out).is_empty());
        }
        let dropped = calls.insert("more", call(1), &mut out);
        assert_eq!(dropped.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["00000"]);
        assert_eq!(calls.insert("large", call(MAX_KEPT_CALL_BYTES), &mut out).len(), MAX_KEPT_CALLS, "a single one may exceed the maximum");
        assert_eq!((calls.iter().count(), out.items.len()), (1, 2), "{out:?}");
        assert_eq!(calls.insert("small", call(1), &mut out).len(), 1);
        assert!(calls.set_input("small", json!("y".repeat(MAX_KEPT_CALL_BYTES)), &mut out).is_some_and(|dropped| dropped.is_empty()));
        calls.insert("next", call(1), &mut out);
        calls.remove("next");
        assert_eq!((calls.order.len(), calls.bytes, out.items.len()), (0, 0, 2));
    }
}
