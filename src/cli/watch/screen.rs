//! Shows a run: events as text or JSON, and a status line while none arrive.

use std::io::{self, StdoutLock, Write};
use std::time::Duration;

use anstream::AutoStream;
use tokio::time::Instant;

use super::spinner::Spinner;
use crate::cli::client::ReceivedEvent;
use crate::cli::output::Output;
use crate::cli::render::Renderer;
use crate::cli::{sanitize, terminal};

/// Prints events.
pub(in crate::cli) enum EventPrinter<W: Write> {
    /// As text for people.
    Text(Box<Renderer<W>>),
    /// As received, one per line.
    Json(W),
}

impl<W: Write> EventPrinter<W> {
    pub(in crate::cli) fn new(out: W, is_json: bool) -> Self {
        if is_json { Self::Json(out) } else { Self::Text(Box::new(Renderer::new(out))) }
    }

    /// Prints one event. Events of a later release are printed as JSON only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn print(&mut self, received: &ReceivedEvent) -> io::Result<()> {
        match (self, &received.event) {
            (Self::Json(out), _) => {
                writeln!(out, "{}", received.line)?;
                out.flush()
            }
            (Self::Text(renderer), Some(event)) => renderer.event(event),
            (Self::Text(_), None) => Ok(()),
        }
    }
}

/// The output of a command that follows a run.
pub(in crate::cli) struct Screen {
    events: EventPrinter<AutoStream<StdoutLock<'static>>>,
    output: Output,
    spinner: Option<Spinner>,
    started: Instant,
    age: Duration,
}

impl Screen {
    /// A screen for a run of this age.
    pub(in crate::cli) fn new(output: Output, age: Duration) -> Self {
        let is_animated = !output.json && !output.quiet && terminal::is_stdout();
        let spinner = if is_animated { Spinner::for_terminal() } else { None };
        let events = EventPrinter::new(anstream::stdout().lock(), output.json);
        Self { events, output, spinner, started: Instant::now(), age }
    }

    /// Prints one event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn print(&mut self, received: &ReceivedEvent) -> io::Result<()> {
        self.clear()?;
        if let (Some(spinner), Some(event)) = (&mut self.spinner, &received.event) {
            spinner.handle_event(event);
        }
        self.events.print(received)
    }

    /// Prints a note with a label: between the events in a terminal, on standard error otherwise. Not printed with `--quiet` or `--json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn note(&mut self, label: &str, text: &str) -> io::Result<()> {
        if self.output.quiet || self.output.json { Ok(()) } else { self.important(label, text) }
    }

    /// Prints a note that a person must see: as [`Screen::note`], but always.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn important(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.clear()?;
        match &mut self.events {
            EventPrinter::Text(renderer) if terminal::is_stdout() => renderer.note(label, text),
            EventPrinter::Text(_) | EventPrinter::Json(_) => writeln!(anstream::stderr(), "{label}: {}", sanitize::line(text)),
        }
    }

    /// Shows a prompt.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn prompt(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        match &mut self.events {
            EventPrinter::Text(renderer) => renderer.prompt(text),
            EventPrinter::Json(_) => Ok(()),
        }
    }

    /// Records that a line was typed after the prompt.
    pub(super) fn end_prompt(&mut self) {
        if let EventPrinter::Text(renderer) = &mut self.events {
            renderer.end_prompt();
        }
    }

    /// Updates the status line, unless the cursor is within a line of text.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn tick(&mut self) -> io::Result<()> {
        let is_at_line_start = matches!(&self.events, EventPrinter::Text(renderer) if renderer.is_at_line_start());
        match &mut self.spinner {
            Some(spinner) if is_at_line_start => spinner.draw(self.age + self.started.elapsed(), terminal::width()),
            _ => Ok(()),
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.spinner.as_mut().map_or(Ok(()), Spinner::clear)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The shell's prompt must not follow the status line. An error here means the terminal is gone.
        let _ = self.clear();
    }
}
