//! An agent that is code in this process.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{AgentEnd, AgentHandle, Control, Link, OutputCheckpoint, Update, link};
use crate::agent::{Agent, Item, Started};
use crate::types::{Cause, Failure, Role, StreamEvent};

/// Events that an agent may send ahead of the log.
const EVENTS: usize = 256;
/// Most of an agent's tokens that are kept for the run's result, in bytes.
const RESULT_CAP: usize = 1024 * 1024;

pub(in crate::agent) fn start(agent: Arc<dyn Agent>, prompt: String, tasks: &TaskTracker) -> AgentHandle {
    let (handle, link) = link(None, None);
    tasks.spawn(carry_out(agent, prompt, link));
    handle
}

async fn carry_out(agent: Arc<dyn Agent>, prompt: String, Link { updates, mut commands }: Link) {
    let (tx, mut events) = mpsc::channel(EVENTS);
    let mut result = FinalText::default();
    if updates.send(items(vec![Item::Started(Started::default())])).await.is_err() {
        return;
    }
    // A panic of somebody's agent is that run's failure, not the server's.
    let work = std::panic::AssertUnwindSafe(agent.run(prompt, tx)).catch_unwind();
    tokio::pin!(work);
    let mut outcome = None;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            ended = &mut work, if outcome.is_none() => outcome = Some(ended),
            count = events.recv_many(&mut batch, EVENTS) => {
                if count == 0 {
                    if outcome.is_some() { break }
                    // The agent has dropped its sender and goes on in silence: only its end can follow.
                    outcome = Some(work.as_mut().await);
                    break;
                }
                for event in &batch {
                    result.see(event);
                }
                if updates.send(items(batch.drain(..).filter(may_send).map(Item::Event).collect())).await.is_err() {
                    return;
                }
            }
            Some(command) = commands.recv() => match command {
                Control::Stop { .. } => break,
                // Code of one's own takes a prompt and nothing else.
                Control::Speak { done, .. } | Control::Interrupt { done } => {
                    let _ = done.send(false);
                }
                // It lives in this server's process and ends with it. Dropping `done` says so.
                Control::Answer { .. } | Control::Limit(_) | Control::Finish | Control::Detach { .. } => {}
            },
            () = updates.closed() => return,
        }
    }
    // Whoever still asks something gets no answer, and does not wait for one.
    drop(commands);
    // Without an outcome it was stopped: dropping `work` is all that there is to do.
    let turn = outcome.map(|outcome| match outcome {
        Ok(Ok(())) => Ok(result.text()),
        Ok(Err(error)) => Err(Failure::new(Cause::AgentError, format!("{error:#}"))),
        Err(_panic) => Err(Failure::new(Cause::Crashed, "the agent panicked")),
    });
    if let Some(turn) = turn {
        let _ = updates.send(items(vec![Item::TurnEnded(turn)])).await;
    }
    let _ = updates.send(Update::Ended(AgentEnd::default())).await;
}

/// No later server ever reads what such an agent said, so it has no checkpoint.
fn items(items: Vec<Item>) -> Update {
    Update::Items { items, checkpoint: OutputCheckpoint::default() }
}

/// The frame of a run is the driver's to write.
fn may_send(event: &StreamEvent) -> bool {
    !matches!(event, StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_))
}

/// The text that an agent leaves as its result: its last message, or all its tokens if it sent no message.
#[derive(Default)]
struct FinalText {
    message: Option<String>,
    tokens: String,
}

impl FinalText {
    fn see(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Message { role: Role::Assistant, content, .. } => self.message = Some(content.clone()),
            StreamEvent::Token { content } if self.tokens.len() < RESULT_CAP => self.tokens.push_str(&content.text),
            _ => {}
        }
    }

    fn text(self) -> String {
        self.message.unwrap_or(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::agent::Result;

    enum Does {
        WireFormat,
        Fails,
        Panics,
        Hangs,
    }

    #[async_trait]
    impl Agent for Does {
        fn name(&self) -> &'static str {
            "test"
        }

        async fn run(&self, prompt: String, tx: mpsc::Sender<StreamEvent>) -> Result<()> {
            tx.send(StreamEvent::Token { content: prompt.into() }).await?;
            match self {
                Self::WireFormat => Ok(()),
                Self::Fails => anyhow::bail!("no more paper"),
                Self::Panics => panic!("on purpose"),
                Self::Hangs => std::future::pending().await,
            }
        }
    }

    async fn run(does: Does, stop: bool) -> Vec<Item> {
        let tasks = TaskTracker::new();
        let mut handle = start(Arc::new(does), "hi".into(), &tasks);
        let mut all = Vec::new();
        loop {
            match handle.next().await {
                Update::Items { items, .. } => all.extend(items),
                Update::Restored { .. } => panic!("it has no past"),
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
    async fn tokens_become_the_result_where_there_is_no_message() {
        assert_eq!(run(Does::WireFormat, false).await.last(), Some(&Item::TurnEnded(Ok("hi".into()))));
    }

    #[tokio::test]
    async fn an_error_or_a_panic_is_a_failed_turn() {
        let failed = |items: Vec<Item>| match items.into_iter().last() {
            Some(Item::TurnEnded(Err(failure))) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(run(Does::Fails, false).await), Failure::new(Cause::AgentError, "no more paper"));
        assert_eq!(failed(run(Does::Panics, false).await).cause, Cause::Crashed);
    }

    #[tokio::test]
    async fn a_stopped_agent_ends_without_a_result() {
        assert!(!run(Does::Hangs, true).await.iter().any(|item| matches!(item, Item::TurnEnded(_))));
    }
}
