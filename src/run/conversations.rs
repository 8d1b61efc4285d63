//! Deletes the agents' own conversations of deleted sessions, where an agent offers that.
//!
//! As far as possible: one after the other, each within the time limit of the agent's answer. What is not deleted is logged, and stays where
//! the agent keeps it.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::config::RunConfig;
use super::shutdown::Shutdown;
use super::store::Conversation;
use crate::agent::{Agents, ControlRequest};

/// Maximum number of conversations that wait for their deletion. Further ones are left to the agent.
const MAX_WAITING: usize = 256;

/// Deletes conversations. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct Conversations {
    agents: Agents,
    config: Arc<RunConfig>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    waiting: Arc<Semaphore>,
    /// Each deletion starts the agent's program.
    one_at_a_time: Arc<Semaphore>,
}

impl Conversations {
    pub(super) fn new(agents: Agents, config: Arc<RunConfig>, shutdown: Shutdown, tasks: TaskTracker) -> Self {
        Self { agents, config, shutdown, tasks, waiting: Arc::new(Semaphore::new(MAX_WAITING)), one_at_a_time: Arc::new(Semaphore::new(1)) }
    }

    /// Deletes a conversation in the background. A shutdown ends that. Must be called before the directories of its session are removed.
    pub(super) fn delete(&self, conversation: Conversation) {
        if !self.agents.may_delete_conversations(&conversation.agent_type) {
            return;
        }
        // In a sandbox, it was kept in the home directory of the session. Its id is the agent's word, and elsewhere it may be that of a
        // conversation that the agent could not reach.
        if self.config.private_home(conversation.first_run).exists() {
            tracing::info!(agent_type = conversation.agent_type, "conversation of a sandboxed session removed with its home directory");
            return;
        }
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::warn!(agent_type = conversation.agent_type, "too many deletions; a conversation was left to its agent");
            return;
        };
        let this = self.clone();
        self.tasks.spawn(async move {
            let _place = place;
            let Conversation { agent_type, id, first_run: _ } = conversation;
            let deletion = async {
                let _turn = this.one_at_a_time.acquire().await;
                this.agents.control(&agent_type, ControlRequest::DeleteConversation(&id)).await
            };
            tokio::select! {
                outcome = deletion => match outcome {
                    Ok(true) => tracing::info!(agent_type, "conversation of a deleted session deleted by its agent"),
                    Ok(false) => tracing::info!(agent_type, "agent does not offer to delete conversations"),
                    Err(error) => tracing::warn!(agent_type, error, "agent did not delete the conversation of a deleted session"),
                },
                _ = this.shutdown.requested() => tracing::info!(agent_type, "conversation of a deleted session left to its agent at shutdown"),
            }
        });
    }
}
