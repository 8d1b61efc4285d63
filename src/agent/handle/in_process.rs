//! An agent that is code in the server's process.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{AgentEnd, AgentHandle, Control, Link, OutputCheckpoint, Restrictions, Update, link};
use crate::agent::{Agent, Item, Started};
use crate::types::{Cause, Failure, Role, StreamEvent};

/// Capacity of the agent's event channel.
const EVENTS: usize = 256;
/// Maximum length in bytes of the tokens that are kept for the run's result.
const MAX_RESULT: usize = 1024 * 1024;

pub(in crate::agent) fn start(agent: Arc<dyn Agent>, prompt: String, tasks: &TaskTracker) -> AgentHandle {
    let (handle, link) = link(None, Restrictions::default());
    tasks.spawn(carry_out(agent, prompt, link));
    handle
}

async fn carry_out(agent: Arc<dyn Agent>, prompt: String, Link { updates, mut commands }: Link) {
    let (tx, mut events) = mpsc::channel(EVENTS);
    let mut result = FinalText::default();
    if updates.send(items(vec![Item::Started(Started::default())])).await.is_err() {
        return;
    }
    // A panic in the agent fails its run and not the server.
    let work = std::panic::AssertUnwindSafe(agent.run(prompt, tx)).catch_unwind();
    tokio::pin!(work);
    let mut outcome = None;
    let mut batch = Vec::new();
    // Waits for the driver while commands are still received: the driver may wait for room for a command.
    let mut pending = None;
    loop {
        tokio::select! {
            permit = updates.reserve(), if pending.is_some() => match (permit, pending.take()) {
                (Ok(permit), Some(update)) => permit.send(update),
                _ => return,
            },
            ended = &mut work, if outcome.is_none() => outcome = Some(ended),
            count = events.recv_many(&mut batch, EVENTS), if pending.is_none() => {
                if count == 0 {
                    if outcome.is_some() { break }
                    // The agent dropped its sender, so nothing but its end can follow.
                    outcome = Some(work.as_mut().await);
                    break;
                }
                for event in &batch {
                    result.add(event);
                }
                let allowed: Vec<Item> = batch.drain(..).filter(is_allowed).map(Item::Event).collect();
                pending = Some(if allowed.is_empty() { Update::Activity } else { items(allowed) });
            }
            Some(command) = commands.recv() => match command {
                Control::Stop { .. } => break,
                // In-process agents take a prompt and nothing else.
                Control::Message { done, .. } | Control::Interrupt { done } => {
                    let _ = done.send(false);
                }
                // The agent cannot outlive this process. Dropping `done` reports that.
                Control::Answer { .. } | Control::SetTimeLimit(_) | Control::Finish | Control::Detach { .. } => {}
            },
            () = updates.closed() => return,
        }
    }
    // Commands that are still waiting get no reply.
    drop(commands);
    if let Some(update) = pending {
        let _ = updates.send(update).await;
    }
    // Without an outcome the agent was stopped, which dropping `work` completes.
    let turn = outcome.map(|outcome| match outcome {
        Ok(Ok(())) => Ok(result.into_text()),
        Ok(Err(error)) => Err(Failure::new(Cause::AgentError, format!("{error:#}"))),
        Err(_panic) => Err(Failure::new(Cause::Crashed, "the agent panicked")),
    });
    if let Some(turn) = turn {
        let _ = updates.send(items(vec![Item::TurnEnded(turn)])).await;
    }
    let _ = updates.send(Update::Ended(AgentEnd::default())).await;
}

/// An in-process agent has no output to decode again, and so no checkpoint.
fn items(items: Vec<Item>) -> Update {
    Update::Items { items, checkpoint: OutputCheckpoint::default() }
}

/// Only the driver writes the events that open and close a run.
fn is_allowed(event: &StreamEvent) -> bool {
    !matches!(event, StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_))
}

/// The result of a run: the agent's last message, or all its tokens if it sent no message.
#[derive(Default)]
struct FinalText {
    message: Option<String>,
    tokens: String,
}

impl FinalText {
    fn add(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Message { role: Role::Assistant, content, .. } => self.message = Some(content.clone()),
            StreamEvent::Token { content } if self.tokens.len() < MAX_RESULT => self.tokens.push_str(&content.text),
            _ => {}
        }
    }

    fn into_text(self) -> String {
        self.message.unwrap_or(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::agent::Result;
    use crate::types::Answer;

    enum TestAgent {
        Succeeds,
        Fails,
        Panics,
        Hangs,
    }

    #[async_trait]
    impl Agent for TestAgent {
        fn name(&self) -> &'static str {
            "test"
        }

        async fn run(&self, prompt: String, tx: mpsc::Sender<StreamEvent>) -> Result<()> {
            tx.send(StreamEvent::Token { content: prompt.into() }).await?;
            match self {
                Self::Succeeds => Ok(()),
                Self::Fails => anyhow::bail!("out of paper"),
                Self::Panics => panic!("on purpose"),
                Self::Hangs => std::future::pending().await,
            }
        }
    }

    async fn run(agent: TestAgent, stop: bool) -> Vec<Item> {
        let tasks = TaskTracker::new();
        let mut handle = start(Arc::new(agent), "hi".into(), &tasks);
        let mut all = Vec::new();
        loop {
            match handle.next().await {
                Update::Items { items, .. } => all.extend(items),
                Update::Restored { .. } | Update::Activity => panic!("in-process agents have neither"),
                Update::Ended(end) => {
                    assert_eq!(end, AgentEnd::default());
                    return all;
                }
            }
            if stop && all.len() > 1 {
                handle.stop(String::new(), Duration::ZERO).await;
            }
        }
    }

    #[tokio::test]
    async fn without_a_message_the_tokens_are_the_result() {
        assert_eq!(run(TestAgent::Succeeds, false).await.last(), Some(&Item::TurnEnded(Ok("hi".into()))));
    }

    #[tokio::test]
    async fn an_error_or_a_panic_is_a_failed_turn() {
        let failed = |items: Vec<Item>| match items.into_iter().last() {
            Some(Item::TurnEnded(Err(failure))) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(run(TestAgent::Fails, false).await), Failure::new(Cause::AgentError, "out of paper"));
        assert_eq!(failed(run(TestAgent::Panics, false).await).cause, Cause::Crashed);
    }

    #[tokio::test]
    async fn commands_never_wait_for_updates_to_be_taken() {
        struct Floods;

        #[async_trait]
        impl Agent for Floods {
            fn name(&self) -> &'static str {
                "floods"
            }

            async fn run(&self, _: String, tx: mpsc::Sender<StreamEvent>) -> Result<()> {
                loop {
                    tx.send(StreamEvent::Token { content: "x".into() }).await?;
                }
            }
        }

        let handle = start(Arc::new(Floods), String::new(), &TaskTracker::new());
        let answer = Answer::Question { answers: vec![] };
        let sending = async {
            for _ in 0..100 {
                assert!(handle.answer("r".into(), answer.clone()).await);
            }
        };
        tokio::time::timeout(Duration::from_secs(30), sending).await.expect("the agent's task takes no commands");
    }

    #[tokio::test]
    async fn a_stopped_agent_ends_without_a_result() {
        assert!(!run(TestAgent::Hangs, true).await.iter().any(|item| matches!(item, Item::TurnEnded(_))));
    }
}
