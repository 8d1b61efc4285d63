//! An agent whose task is a test.

use super::{AgentEnd, AgentHandle, Control, Delivery, History, Link, OutputCheckpoint, Restrictions, Update, link};
use crate::agent::Item;
use crate::process::{Leftovers, Marker};
use crate::types::{Answer, RunId};

/// The task's side of an [`AgentHandle`].
pub(crate) struct ScriptedAgent {
    link: Link,
    sent: u64,
}

/// A command that the driver has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Answer(String, Answer),
    Message(String, Delivery),
    Interrupt,
    Finish,
    Stop(String),
    /// The handle was dropped, which kills the agent.
    Killed,
    /// The driver has detached.
    Detached,
}

/// An agent that accepts every message and interrupt, and can outlive the server.
pub(crate) fn scripted_agent() -> (AgentHandle, ScriptedAgent) {
    let (handle, link) = link(Some(Leftovers::of_earlier_server(Marker::new(RunId::new().to_string()))), Restrictions::default());
    (handle, ScriptedAgent { link, sent: 0 })
}

impl ScriptedAgent {
    /// Sends items. Returns `false` if the driver is gone.
    pub(crate) async fn send(&mut self, items: Vec<Item>) -> bool {
        self.sent += 1;
        let checkpoint = OutputCheckpoint { out: self.sent, ..OutputCheckpoint::default() };
        self.link.updates.send(Update::Items { items, checkpoint }).await.is_ok()
    }

    /// Reports what happened before the agent was reattached.
    pub(crate) async fn restore(&mut self, history: History) -> bool {
        let checkpoint = OutputCheckpoint { out: self.sent, ..OutputCheckpoint::default() };
        self.link.updates.send(Update::Restored { history: Box::new(history), checkpoint, left: None }).await.is_ok()
    }

    /// Sends output without items.
    pub(crate) async fn write_noise(&mut self) -> bool {
        self.link.updates.send(Update::Activity).await.is_ok()
    }

    /// The next command, except for time limits.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            return match self.link.commands.recv().await {
                None => Received::Killed,
                Some(Control::Answer { request, answer }) => Received::Answer(request, answer),
                Some(Control::Message { message, delivery, done }) => {
                    let _ = done.send(true);
                    Received::Message(message.text, delivery)
                }
                Some(Control::Interrupt { done }) => {
                    let _ = done.send(true);
                    Received::Interrupt
                }
                Some(Control::Finish) => Received::Finish,
                Some(Control::Stop { reason, .. }) => Received::Stop(reason),
                Some(Control::Detach { done }) => {
                    let _ = done.send(());
                    Received::Detached
                }
                Some(Control::SetTimeLimit(_)) => continue,
            };
        }
    }

    /// Ends the agent.
    pub(crate) async fn end(self) {
        self.end_with(vec![]).await;
    }

    /// Ends the agent with these last items.
    pub(crate) async fn end_with(self, items: Vec<Item>) {
        let _ = self.link.updates.send(Update::Ended(AgentEnd { items, ..AgentEnd::default() })).await;
    }
}
