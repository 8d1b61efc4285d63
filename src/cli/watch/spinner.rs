//! The status line shown while no events arrive.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::cli::{format, sanitize};
use crate::types::{StreamEvent, Usage};

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// Moves to the start of the line and erases it.
const CLEAR: &str = "\r\u{1b}[K";
/// Starts and ends dim text.
const DIM: (&str, &str) = ("\u{1b}[2m", "\u{1b}[0m");

/// A line on standard error that is erased before anything else is written.
#[derive(Debug, Default)]
pub(super) struct Spinner {
    is_shown: bool,
    /// Whether colors are enabled. The line is erased either way.
    is_dim: bool,
    frame: usize,
    tokens: Option<(u64, u64)>,
    activity: String,
}

impl Spinner {
    /// A status line for this terminal. None if standard error is not a terminal, or one that cannot erase a line.
    pub(super) fn for_terminal() -> Option<Self> {
        let stderr = io::stderr();
        let can_clear = stderr.is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        let is_dim = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
        can_clear.then(|| Self { is_dim, ..Self::default() })
    }

    /// Updates activity and usage from an event.
    pub(super) fn handle_event(&mut self, event: &StreamEvent) {
        let activity = match event {
            StreamEvent::RunQueued { .. } => "waiting for a free slot",
            StreamEvent::ToolCall(call) => &call.title,
            StreamEvent::Usage(Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. }) => {
                self.tokens = Some((input_tokens + cache_read_tokens + cache_write_tokens, *output_tokens));
                return;
            }
            StreamEvent::PermissionRequest { expires_at: Some(_), .. } | StreamEvent::Question { .. } => "waiting for an answer",
            StreamEvent::RunStarted(_)
            | StreamEvent::ToolResult { .. }
            | StreamEvent::PermissionResolved { .. }
            | StreamEvent::QuestionResolved { .. }
            | StreamEvent::Message { .. } => "",
            _ => return,
        };
        activity.clone_into(&mut self.activity);
    }

    /// Draws the next frame.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn draw(&mut self, elapsed: Duration, width: u16) -> io::Result<()> {
        self.frame = (self.frame + 1) % FRAMES.len();
        self.is_shown = true;
        let (dim, plain) = if self.is_dim { DIM } else { ("", "") };
        let mut terminal = io::stderr().lock();
        write!(terminal, "{CLEAR}{dim}{}{plain}", self.line(elapsed, usize::from(width)))?;
        terminal.flush()
    }

    /// Erases the line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_shown, false) {
            return Ok(());
        }
        let mut terminal = io::stderr().lock();
        write!(terminal, "{CLEAR}")?;
        terminal.flush()
    }

    /// The text, one column narrower than the terminal so that no terminal wraps it.
    fn line(&self, elapsed: Duration, width: usize) -> String {
        let elapsed = format::duration(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) / 1000 * 1000)
            .replace("0 ms", "0 s")
            .replace(".0 s", " s");
        let tokens =
            self.tokens.map(|(read, written)| format!(" · {} in, {written} out", format::count(read, "token"))).unwrap_or_default();
        let activity = if self.activity.is_empty() { String::new() } else { format!(" · {}", self.activity) };
        // Wide characters may take two columns each.
        let columns = width.saturating_sub(1);
        let fixed = format!("{} {elapsed}{tokens}", FRAMES[self.frame]);
        let left = columns.saturating_sub(fixed.chars().count());
        let activity = sanitize::truncate(&activity, if activity.is_ascii() { left } else { left / 2 });
        sanitize::truncate(&format!("{fixed}{activity}"), columns)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_shows_time_tokens_and_activity() {
        let mut spinner = Spinner::default();
        assert_eq!(spinner.line(Duration::from_millis(300), 80), "⠋ 0 s");
        let call = json!({ "type": "tool_call", "id": "a", "tool": "Bash", "kind": "execute", "title": "npm test\u{1b}[2J", "input": {} });
        spinner.handle_event(&serde_json::from_value(call).unwrap());
        spinner.handle_event(&StreamEvent::Usage(Usage { input_tokens: 200, output_tokens: 84, ..Usage::default() }));
        assert_eq!(spinner.line(Duration::from_millis(12_900), 80), "⠋ 12 s · 200 tokens in, 84 out · npm test␛[2J");
        assert_eq!(spinner.line(Duration::from_secs(125), 80), "⠋ 2 min 5 s · 200 tokens in, 84 out · npm test␛[2J");
    }

    #[test]
    fn the_line_fits_the_terminal() {
        let mut spinner = Spinner { tokens: Some((1_000_000, 1_000_000)), ..Spinner::default() };
        for activity in ["a long title of a tool call", "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"] {
            activity.clone_into(&mut spinner.activity);
            for width in 0..100_u16 {
                let line = spinner.line(Duration::from_secs(5), usize::from(width));
                let columns: usize = line.chars().map(|letter| if letter > '\u{2fff}' { 2 } else { 1 }).sum();
                assert!(columns <= usize::from(width.saturating_sub(1)), "{width}: {line}");
            }
        }
    }
}
