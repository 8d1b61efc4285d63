//! Maps threads to tool calls: the run's own thread, and those of its sub-agents.

use std::collections::HashMap;

use super::wire;
use crate::agent::common::Limit;
use crate::agent::{LineOutcome, Output};
use crate::types::bounds::MAX_SUB_AGENTS;

/// The known threads of the process.
#[derive(Debug)]
pub(super) struct Threads {
    /// The run's own thread.
    pub(super) own: Option<String>,
    /// The tool call of each sub-agent's thread, or the thread's own id if the call is unknown.
    sub_agents: HashMap<String, String>,
    limit: Limit,
}

impl Default for Threads {
    fn default() -> Self {
        let limit = Limit::new("sub_agents", MAX_SUB_AGENTS, "what further sub-agents report is not understood");
        Self { own: None, sub_agents: HashMap::new(), limit }
    }
}

impl Threads {
    /// The tool call that a thread belongs to: `Some(None)` for the run's own thread, `None` for an unknown thread.
    #[expect(clippy::option_option, reason = "the outer option is `None` for an unknown thread, the inner one for the run's own thread")]
    pub(super) fn parent_of(&self, thread: &str) -> Option<Option<&str>> {
        if self.own.as_deref() == Some(thread) {
            return Some(None);
        }
        self.sub_agents.get(thread).map(|call| Some(call.as_str()))
    }

    /// Handles the start of a thread.
    pub(super) fn handle_started(&mut self, thread: wire::NewThread, out: &mut Output) -> LineOutcome {
        let is_known = thread.parent_thread_id.is_some_and(|parent| self.parent_of(&parent).is_some());
        if !is_known || self.sub_agents.contains_key(&thread.id) {
            return LineOutcome::Ignored;
        }
        let before = out.items.len();
        self.insert(&thread.id, &thread.id, out);
        if out.items.len() > before { LineOutcome::Emitted } else { LineOutcome::Buffered }
    }

    fn insert(&mut self, thread: &str, call: &str, out: &mut Output) {
        if self.sub_agents.len() >= self.limit.max() && !self.sub_agents.contains_key(thread) {
            return self.limit.report(out);
        }
        self.sub_agents.insert(thread.to_owned(), call.to_owned());
    }

    /// Records that the tool call `call` is about these threads.
    pub(super) fn assign(&mut self, threads: &[String], call: &str, out: &mut Output) {
        for thread in threads {
            let is_unassigned = self.sub_agents.get(thread).is_none_or(|known| known == thread);
            if is_unassigned && self.own.as_ref() != Some(thread) {
                self.insert(thread, call, out);
            }
        }
    }
}
