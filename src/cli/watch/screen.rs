//! What a run looks like from outside: events in a readable form or as JSON, and a spinner while none come.

use std::io::{self, StdoutLock, Write};
use std::time::Duration;

use anstream::AutoStream;
use tokio::time::Instant;

use super::spinner::Spinner;
use crate::cli::client::Seen;
use crate::cli::render::Renderer;
use crate::cli::terminal;

/// In which form events are printed.
pub(in crate::cli) enum Events<W: Write> {
    /// For people.
    Readable(Box<Renderer<W>>),
    /// As they were sent, one a line.
    Json(W),
}

impl<W: Write> Events<W> {
    pub(in crate::cli) fn new(out: W, json: bool) -> Self {
        if json { Self::Json(out) } else { Self::Readable(Box::new(Renderer::new(out))) }
    }

    /// Prints one event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn show(&mut self, seen: &Seen) -> io::Result<()> {
        match (self, &seen.event) {
            (Self::Json(out), _) => {
                writeln!(out, "{}", seen.line)?;
                out.flush()
            }
            (Self::Readable(renderer), Some(event)) => renderer.event(event),
            // An event of a later release is none of ours to show.
            (Self::Readable(_), None) => Ok(()),
        }
    }
}

/// The screen that a run is watched on.
pub(in crate::cli) struct Screen {
    events: Events<AutoStream<StdoutLock<'static>>>,
    spinner: Option<Spinner>,
    started: Instant,
    before: Duration,
}

impl Screen {
    /// A screen for a run that has gone on for so long already.
    pub(in crate::cli) fn new(json: bool, before: Duration) -> Self {
        let spinner = if !json && terminal::is_seen() { Spinner::for_terminal() } else { None };
        let events = Events::new(anstream::stdout().lock(), json);
        Self { events, spinner, started: Instant::now(), before }
    }

    /// Prints one event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn show(&mut self, seen: &Seen) -> io::Result<()> {
        self.clear()?;
        if let (Some(spinner), Some(event)) = (&mut self.spinner, &seen.event) {
            spinner.hear(event);
        }
        self.events.show(seen)
    }

    /// Says something of this command's own: between the events for people, and on standard error beside JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn remark(&mut self, words: &str) -> io::Result<()> {
        self.clear()?;
        match &mut self.events {
            Events::Readable(renderer) if terminal::is_seen() => renderer.remark(words),
            Events::Readable(_) | Events::Json(_) => writeln!(anstream::stderr(), "openrunner: {words}"),
        }
    }

    /// Asks in a line in which the person answers.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn prompt(&mut self, words: &str) -> io::Result<()> {
        self.clear()?;
        match &mut self.events {
            Events::Readable(renderer) => renderer.prompt(words),
            Events::Json(_) => Ok(()),
        }
    }

    /// The person has answered.
    pub(super) fn prompt_is_over(&mut self) {
        if let Events::Readable(renderer) = &mut self.events {
            renderer.prompt_is_over();
        }
    }

    /// Shows that something goes on, where nothing else is being written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn tick(&mut self) -> io::Result<()> {
        let rests = matches!(&self.events, Events::Readable(renderer) if renderer.rests());
        match &mut self.spinner {
            Some(spinner) if rests => spinner.show(self.before + self.started.elapsed(), terminal::width()),
            _ => Ok(()),
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.spinner.as_mut().map_or(Ok(()), Spinner::clear)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The next prompt of the shell must not stand behind the spinner.
        let _ = self.clear();
    }
}
