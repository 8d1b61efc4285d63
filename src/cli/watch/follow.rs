//! The loop over events, input and time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::Screen;
use super::input::{CANCEL_DELAY, InterruptAction, Interrupts, Lines};
use super::requests::{PendingRequest, Reply};
use crate::cli::api_error::ClientError;
use crate::cli::client::{Client, Follower, ReceivedEvent, Update};
use crate::cli::exit::Exit;
use crate::cli::format::items;
use crate::cli::terminal;
use crate::types::StreamEvent;

/// Interval of the status line's animation.
const TICK: Duration = Duration::from_millis(120);

/// What happens to the run when the command ends first.
#[derive(Clone, Debug)]
pub(in crate::cli) enum DetachMode {
    /// It continues; this command line follows it again.
    Continues(String),
    /// It ends, because its server ends with this command.
    Ends,
}

/// A run that is being followed.
pub(in crate::cli) struct Watch {
    client: Arc<Client>,
    run: String,
    follower: Follower,
    screen: Screen,
    detach_mode: DetachMode,
    interrupts: Interrupts,
    is_interactive: bool,
    /// Whether the note that requests cannot be answered here was printed.
    has_noted_request: bool,
    pending: VecDeque<PendingRequest>,
    /// The request that is being shown.
    current: Option<PendingRequest>,
    lines: Option<Lines>,
}

impl Watch {
    /// Follows a run from the event after number `after`. `can_prompt` allows prompts if there is a terminal.
    pub(in crate::cli) fn new(
        client: Arc<Client>,
        run: String,
        after: u64,
        screen: Screen,
        can_prompt: bool,
        detach_mode: DetachMode,
    ) -> Self {
        let follower = Follower::start(Arc::clone(&client), run.clone(), after);
        let is_interactive = can_prompt && terminal::is_interactive();
        let interrupts = Interrupts::new(is_interactive && matches!(detach_mode, DetachMode::Continues(_)));
        Self {
            client,
            run,
            follower,
            screen,
            detach_mode,
            interrupts,
            is_interactive,
            has_noted_request: false,
            pending: VecDeque::new(),
            current: None,
            lines: None,
        }
    }

    /// Follows until the run ends or the command detaches from it.
    ///
    /// # Errors
    /// If the run cannot be followed further, or output cannot be written.
    pub(in crate::cli) async fn run(&mut self) -> anyhow::Result<Exit> {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let cancel_at = self.interrupts.cancel_at();
            let exit = tokio::select! {
                biased;
                _ = interrupt.recv() => self.handle_interrupt().await?,
                _ = terminate.recv() => self.handle_interrupt().await?,
                () = sleep_until(cancel_at) => {
                    self.cancel().await?;
                    None
                }
                line = next_line(&mut self.lines), if self.current.is_some() => {
                    self.handle_input(line).await?;
                    None
                }
                update = self.follower.next() => self.handle_update(update).await?,
                _ = ticks.tick() => {
                    if self.current.is_none() {
                        self.screen.tick()?;
                    }
                    None
                }
            };
            if let Some(exit) = exit {
                return Ok(exit);
            }
        }
    }

    /// The output, for notes after the end.
    pub(in crate::cli) fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }

    async fn handle_interrupt(&mut self) -> anyhow::Result<Option<Exit>> {
        match self.interrupts.handle_interrupt(Instant::now()) {
            InterruptAction::ScheduleCancel => self.screen.important(
                "note",
                &format!("cancelling the run in {} s; press Ctrl-C again to leave it running", CANCEL_DELAY.as_secs()),
            )?,
            InterruptAction::Cancel => self.cancel().await?,
            InterruptAction::Detach => return self.detach().map(Some),
        }
        Ok(None)
    }

    async fn handle_update(&mut self, update: Option<Update>) -> anyhow::Result<Option<Exit>> {
        match update {
            Some(Update::Event(received)) => return self.handle_event(&received).await,
            Some(Update::Ended(status)) => return Ok(Some(Exit::from_status(status))),
            Some(Update::Disconnected(reason)) => self.screen.important("note", &format!("connection lost ({reason}); reconnecting"))?,
            Some(Update::Reconnected) => self.screen.important("note", "reconnected")?,
            Some(Update::Failed(error)) => return Err(self.with_rejoin(error)),
            None => anyhow::bail!("{} cannot be followed further", self.run),
        }
        Ok(None)
    }

    async fn handle_event(&mut self, received: &ReceivedEvent) -> anyhow::Result<Option<Exit>> {
        self.screen.print(received)?;
        let Some(event) = &received.event else { return Ok(None) };
        match event {
            StreamEvent::Done(done) => return Ok(Some(Exit::from_status(done.status))),
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                self.pending.retain(|request| request.id != *id);
                self.current.take_if(|request| request.id == *id);
            }
            _ => {
                if let Some(request) = PendingRequest::from_event(event)
                    && self.is_open(&request.id).await
                {
                    self.pending.push_back(request);
                }
            }
        }
        // The event was printed over the prompt.
        self.show_prompt()?;
        Ok(None)
    }

    /// Shows the prompt for the current request, if there is one.
    fn show_prompt(&mut self) -> anyhow::Result<()> {
        if self.current.is_none() {
            self.current = self.pending.pop_front();
            if self.current.is_some() && self.is_interactive {
                // Text typed before the request was shown does not answer it.
                terminal::discard_input();
                match &mut self.lines {
                    Some(lines) => lines.discard(),
                    None => self.lines = Some(Lines::start().context("cannot read standard input")?),
                }
            }
        }
        let Some(request) = &self.current else { return Ok(()) };
        if self.is_interactive {
            self.screen.prompt(&request.prompt())?;
        } else if !std::mem::replace(&mut self.has_noted_request, true) {
            let how = match &self.detach_mode {
                DetachMode::Continues(command) => format!("answer with `openrunner answer {}`, or run `{command}` in a terminal", self.run),
                DetachMode::Ends => "run this command in a terminal to answer".to_owned(),
            };
            self.screen.important("note", &format!("the agent is waiting for an answer; {how}"))?;
        }
        Ok(())
    }

    /// Handles a typed line as an answer to the current request.
    async fn handle_input(&mut self, line: Option<String>) -> anyhow::Result<()> {
        let Some(line) = line else {
            (self.is_interactive, self.lines, self.current) = (false, None, None);
            return Ok(self.screen.important("note", "standard input was closed; the agent waits for an answer from elsewhere")?);
        };
        self.screen.end_prompt();
        let Some(request) = &mut self.current else { return Ok(()) };
        match request.handle_line(&line) {
            Reply::Rejected(reason) => self.screen.important("note", &reason)?,
            Reply::NextQuestion => {}
            Reply::Complete(answer) => {
                let path = format!("/api/runs/{}/requests/{}", self.run, request.id);
                self.current = None;
                // The resolving event follows. Another client may have answered first.
                if let Err(error) = self.client.post(&path, Some(&answer)).await {
                    self.screen.important("note", &error.to_string())?;
                }
            }
        }
        self.show_prompt()
    }

    /// Whether a request is still open. The log of an old run has requests that were answered long ago.
    async fn is_open(&self, id: &str) -> bool {
        let open = self.client.get(&format!("/api/runs/{}/requests", self.run)).await.unwrap_or_default();
        items(&open).any(|request: &Value| request["id"] == id)
    }

    async fn cancel(&mut self) -> anyhow::Result<()> {
        self.interrupts.set_cancelled();
        self.screen.important("note", "cancelling the run; press Ctrl-C again to stop waiting for it")?;
        // The `done` event follows.
        if let Err(error) = self.client.post(&format!("/api/runs/{}/cancel", self.run), None).await {
            self.screen.important("note", &format!("cannot cancel the run: {error}"))?;
        }
        Ok(())
    }

    fn detach(&mut self) -> anyhow::Result<Exit> {
        match &self.detach_mode {
            DetachMode::Continues(command) => {
                let command = command.clone();
                self.screen.important("note", &format!("{} continues; follow it again with", self.run))?;
                self.screen.important("note", &command)?;
                Ok(Exit::Detached)
            }
            DetachMode::Ends => {
                self.screen.important("note", "the run ends with the server that was started for it")?;
                Ok(Exit::Cancelled)
            }
        }
    }

    /// Adds to an error how to follow the run again.
    fn with_rejoin(&self, error: ClientError) -> anyhow::Error {
        let error = anyhow::Error::new(error);
        match &self.detach_mode {
            DetachMode::Continues(command) => error.context(format!("lost {}; follow it again with `{command}`", self.run)),
            DetachMode::Ends => error,
        }
    }
}

/// Sleeps until `deadline`, forever if there is none.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The next typed line; waits forever if lines are not read.
async fn next_line(lines: &mut Option<Lines>) -> Option<String> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}
