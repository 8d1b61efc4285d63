//! Whose words are whose: the thread of the run, and those of its sub-agents.

use std::collections::HashMap;

use super::wire;
use crate::agent::LineOutcome;

/// The threads of the process that are ours: the one that we opened, and those of its sub-agents.
#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) ours: Option<String>,
    /// Thread of a sub-agent → the tool call that it works for, or its own id where that was not told.
    sub_agents: HashMap<String, String>,
}

impl Threads {
    /// The tool call that a thread works for: `Some(None)` for our own thread, `None` for one that we know nothing of.
    #[expect(clippy::option_option, reason = "the outer one says whether the thread is known, the inner one whether it is a sub-agent's")]
    pub(super) fn parent_of(&self, thread: &str) -> Option<Option<&str>> {
        if self.ours.as_deref() == Some(thread) {
            return Some(None);
        }
        self.sub_agents.get(thread).map(|call| Some(call.as_str()))
    }

    /// A thread has come to be.
    pub(super) fn started(&mut self, thread: wire::NewThread) -> LineOutcome {
        let known = thread.parent_thread_id.is_some_and(|parent| self.parent_of(&parent).is_some());
        if !known || self.sub_agents.contains_key(&thread.id) {
            return LineOutcome::Ignored;
        }
        self.sub_agents.insert(thread.id.clone(), thread.id);
        LineOutcome::Buffered
    }

    /// The tool call `call` is about these threads.
    pub(super) fn called(&mut self, threads: &[String], call: &str) {
        for thread in threads {
            let unnamed = self.sub_agents.get(thread).is_none_or(|known| known == thread);
            if unnamed && self.ours.as_ref() != Some(thread) {
                self.sub_agents.insert(thread.clone(), call.to_owned());
            }
        }
    }
}
