//! The loop: what comes from the run, what is typed, and the clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::Screen;
use super::ask::{Asked, Typed};
use super::keys::{Interrupts, Lines, Pressed, SECOND_THOUGHT};
use crate::cli::client::{Client, ClientError, Follower, Seen, Update};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::types::StreamEvent;

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(120);

/// What becomes of the run when the person leaves.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Leaving {
    /// It goes on, and this command line comes back to it.
    Rejoin(String),
    /// It ends with this command, since its server does.
    EndsIt,
}

/// A run that is watched.
pub(in crate::cli) struct Watch {
    client: Arc<Client>,
    run: String,
    follower: Follower,
    screen: Screen,
    leaving: Leaving,
    interrupts: Interrupts,
    /// Whether a person can be asked here.
    can_ask: bool,
    /// Whether that nobody can be asked here was said.
    said_elsewhere: bool,
    asked: VecDeque<Asked>,
    /// The request that the person is being asked about.
    now: Option<Asked>,
    lines: Option<Lines>,
}

impl Watch {
    /// Watches a run from the event after number `after`.
    pub(in crate::cli) fn new(client: Arc<Client>, run: String, after: u64, screen: Screen, json: bool, leaving: Leaving) -> Self {
        let follower = Follower::start(Arc::clone(&client), run.clone(), after);
        let can_ask = terminal::can_ask() && !json;
        let interrupts = Interrupts::new(can_ask && matches!(leaving, Leaving::Rejoin(_)));
        let asked = VecDeque::new();
        Self { client, run, follower, screen, leaving, interrupts, can_ask, said_elsewhere: false, asked, now: None, lines: None }
    }

    /// Watches until the run ends or the person leaves.
    ///
    /// # Errors
    /// If the run cannot be followed any further, or nothing can be written.
    pub(in crate::cli) async fn until_the_end(mut self) -> anyhow::Result<Exit> {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let cancel_at = self.interrupts.cancel_at();
            tokio::select! {
                biased;
                _ = interrupt.recv() => match self.interrupts.pressed(Instant::now()) {
                    Pressed::CancelSoon => self.screen.remark(&format!(
                        "cancelling the run in {} s; press Ctrl-C again to leave it running instead", SECOND_THOUGHT.as_secs()
                    ))?,
                    Pressed::CancelNow => self.cancel().await?,
                    Pressed::Leave => return self.leave(),
                },
                () = sleep_until(cancel_at) => self.cancel().await?,
                line = typed(&mut self.lines), if self.now.is_some() => self.hear(line).await?,
                update = self.follower.next() => if let Some(exit) = self.take(update).await? { return Ok(exit) },
                _ = ticks.tick() => if self.now.is_none() { self.screen.tick()? },
            }
        }
    }

    /// Takes what comes from the run; gives how it ended when it has.
    async fn take(&mut self, update: Option<Update>) -> anyhow::Result<Option<Exit>> {
        match update {
            Some(Update::Event(seen)) => return self.event(&seen).await,
            Some(Update::Ended(status)) => return Ok(Some(Exit::of(status))),
            Some(Update::Lost(why)) => self.screen.remark(&format!("the connection is gone ({why}); trying to get it back"))?,
            Some(Update::Back) => self.screen.remark("the connection is back")?,
            Some(Update::Failed(error)) => return Err(self.lost(error)),
            None => return Err(anyhow::anyhow!("the run {} cannot be followed any further", self.run)),
        }
        Ok(None)
    }

    async fn event(&mut self, seen: &Seen) -> anyhow::Result<Option<Exit>> {
        self.screen.show(seen)?;
        let Some(event) = &seen.event else { return Ok(None) };
        match event {
            StreamEvent::Done(done) => return Ok(Some(Exit::of(done.status))),
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                self.asked.retain(|asked| asked.id != *id);
                self.now.take_if(|asked| asked.id == *id);
            }
            _ => {
                if let Some(asked) = Asked::of(event)
                    && self.is_open(&asked.id).await
                {
                    self.asked.push_back(asked);
                }
            }
        }
        // Whatever came stands where the person was being asked.
        self.ask()?;
        Ok(None)
    }

    /// Asks what is to be asked, if anything is.
    fn ask(&mut self) -> anyhow::Result<()> {
        if self.now.is_none() {
            self.now = self.asked.pop_front();
            if self.now.is_some() && self.can_ask {
                // What was typed before the question was seen does not answer it.
                terminal::forget_typed();
                match &mut self.lines {
                    Some(lines) => lines.forget(),
                    None => self.lines = Some(Lines::start().context("cannot read what is typed")?),
                }
            }
        }
        let Some(now) = &self.now else { return Ok(()) };
        if self.can_ask {
            self.screen.prompt(&now.prompt())?;
        } else if !std::mem::replace(&mut self.said_elsewhere, true) {
            let how = match &self.leaving {
                Leaving::Rejoin(command) => format!("`{command}` in a terminal"),
                Leaving::EndsIt => "a terminal".to_owned(),
            };
            self.screen.remark(&format!("the agent waits for an answer, which cannot be given here: use {how}, or the API"))?;
        }
        Ok(())
    }

    /// Takes a typed line as an answer to what is being asked.
    async fn hear(&mut self, line: Option<String>) -> anyhow::Result<()> {
        let Some(line) = line else {
            (self.can_ask, self.lines, self.now) = (false, None, None);
            return Ok(self.screen.remark("nothing can be typed here any more; the agent waits until somebody else answers")?);
        };
        self.screen.prompt_is_over();
        let Some(now) = &mut self.now else { return Ok(()) };
        match now.typed(&line) {
            Typed::Not(why) => self.screen.remark(&why)?,
            Typed::More => {}
            Typed::Whole(answer) => {
                let path = format!("/api/runs/{}/requests/{}", self.run, now.id);
                self.now = None;
                // Whether it counted is told by the event that follows; somebody else may have been first.
                if let Err(error) = self.client.post(&path, Some(&answer)).await {
                    self.screen.remark(&error.to_string())?;
                }
            }
        }
        self.ask()
    }

    /// Whether nobody has answered this request. In the log of an old run there are requests that somebody has.
    async fn is_open(&self, id: &str) -> bool {
        let open = self.client.get(&format!("/api/runs/{}/requests", self.run)).await.unwrap_or_default();
        open["items"].as_array().into_iter().flatten().any(|request: &Value| request["id"] == id)
    }

    async fn cancel(&mut self) -> anyhow::Result<()> {
        self.interrupts.cancelled();
        self.screen.remark("cancelling the run; press Ctrl-C again to leave it to that")?;
        // The end is told by the run's last event.
        if let Err(error) = self.client.post(&format!("/api/runs/{}/cancel", self.run), None).await {
            self.screen.remark(&format!("it could not be cancelled: {error}"))?;
        }
        Ok(())
    }

    fn leave(&mut self) -> anyhow::Result<Exit> {
        match &self.leaving {
            Leaving::Rejoin(command) => {
                self.screen.remark(&format!("left {}; rejoin with", self.run))?;
                self.screen.remark(&command.clone())?;
                Ok(Exit::Left)
            }
            Leaving::EndsIt => {
                self.screen.remark("the run ends with its server, which was started for it alone")?;
                Ok(Exit::Cancelled)
            }
        }
    }

    /// Why the run is not followed any more, and how to come back to it.
    fn lost(&self, error: ClientError) -> anyhow::Error {
        let error = anyhow::Error::new(error);
        match &self.leaving {
            Leaving::Rejoin(command) => error.context(format!("{} was lost from sight; rejoin with `{command}`", self.run)),
            Leaving::EndsIt => error,
        }
    }
}

/// Until then; for ever if there is no such moment.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next typed line; for ever none where nobody types.
async fn typed(lines: &mut Option<Lines>) -> Option<String> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}
