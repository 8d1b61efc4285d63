//! The line that shows that something goes on while nothing comes.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::cli::render::time;
use crate::cli::sanitize;
use crate::types::{StreamEvent, Usage};

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// To the beginning of the line, and all of it gone.
const CLEAR: &str = "\r\u{1b}[K";
/// Dim, and plain again.
const DIM: (&str, &str) = ("\u{1b}[2m", "\u{1b}[0m");

/// A line on standard error that is there only while nothing else is written.
#[derive(Debug, Default)]
pub(super) struct Spinner {
    is_shown: bool,
    /// Whether it may be dim. Where colours are unwanted the line still has to be taken away again.
    is_dim: bool,
    frame: usize,
    tokens: Option<(u64, u64)>,
    doing: String,
}

impl Spinner {
    /// A spinner for this terminal; none where there is nobody to see it, or the terminal cannot take a line away again.
    pub(super) fn for_terminal() -> Option<Self> {
        let stderr = io::stderr();
        let can_clear = stderr.is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        let is_dim = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
        can_clear.then(|| Self { is_dim, ..Self::default() })
    }

    /// Takes from an event what the line tells.
    pub(super) fn hear(&mut self, event: &StreamEvent) {
        let doing = match event {
            StreamEvent::RunQueued { .. } => "waiting for a free place",
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
        doing.clone_into(&mut self.doing);
    }

    /// Shows the line, one step further.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn show(&mut self, elapsed: Duration, width: u16) -> io::Result<()> {
        self.frame = (self.frame + 1) % FRAMES.len();
        self.is_shown = true;
        let (dim, plain) = if self.is_dim { DIM } else { ("", "") };
        let mut terminal = io::stderr().lock();
        write!(terminal, "{CLEAR}{dim}{}{plain}", self.line(elapsed, usize::from(width)))?;
        terminal.flush()
    }

    /// Takes the line away, so that something else can be written there.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_shown, false) {
            return Ok(());
        }
        let mut terminal = io::stderr().lock();
        write!(terminal, "{CLEAR}")?;
        terminal.flush()
    }

    /// One column less than there are, so that no terminal begins another line.
    fn line(&self, elapsed: Duration, width: usize) -> String {
        let elapsed =
            time(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) / 1000 * 1000).replace("0 ms", "0 s").replace(".0 s", " s");
        let tokens = self.tokens.map(|(read, written)| format!(" · {read} tokens in, {written} out")).unwrap_or_default();
        let doing = if self.doing.is_empty() { String::new() } else { format!(" · {}", self.doing) };
        // Wide characters of a title may take two columns each, so what the agent says gets half of what is left.
        let room = width.saturating_sub(1);
        let fixed = format!("{} {elapsed}{tokens}", FRAMES[self.frame]);
        let left = room.saturating_sub(fixed.chars().count());
        let doing = if doing.is_ascii() { sanitize::short(&doing, left) } else { sanitize::short(&doing, left / 2) };
        sanitize::short(&format!("{fixed}{doing}"), room)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_tells_time_tokens_and_what_is_being_done() {
        let mut spinner = Spinner::default();
        assert_eq!(spinner.line(Duration::from_millis(300), 80), "⠋ 0 s");
        let call = json!({ "type": "tool_call", "id": "a", "tool": "Bash", "kind": "execute", "title": "npm test\u{1b}[2J", "input": {} });
        spinner.hear(&serde_json::from_value(call).unwrap());
        spinner.hear(&StreamEvent::Usage(Usage { input_tokens: 200, output_tokens: 84, ..Usage::default() }));
        assert_eq!(spinner.line(Duration::from_millis(12_900), 80), "⠋ 12 s · 200 tokens in, 84 out · npm test␛[2J");
        assert_eq!(spinner.line(Duration::from_secs(125), 80), "⠋ 2 min 5 s · 200 tokens in, 84 out · npm test␛[2J");
    }

    #[test]
    fn the_line_is_never_wider_than_the_terminal() {
        let mut spinner = Spinner { tokens: Some((1_000_000, 1_000_000)), ..Spinner::default() };
        for doing in ["a long thing that is being done", "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"] {
            doing.clone_into(&mut spinner.doing);
            for width in 0..100_u16 {
                let line = spinner.line(Duration::from_secs(5), usize::from(width));
                let columns: usize = line.chars().map(|letter| if letter > '\u{2fff}' { 2 } else { 1 }).sum();
                assert!(columns <= usize::from(width.saturating_sub(1)), "{width}: {line}");
            }
        }
    }
}
