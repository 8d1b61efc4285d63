//! What the protocols of the agents have in common.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use serde_json::Value;

/// One agent's protocol.
pub(super) trait Protocol {
    /// Answers requests until a prompt arrives, and reports the start of its turn. Returns `None` at the end of the input.
    fn read_prompt(&mut self, input: &mut Input, out: &mut File) -> io::Result<Option<String>>;

    /// The output line of an event with this text.
    fn event_line(&self, text: &str) -> String;

    /// Reports a successful end of the turn.
    fn end_turn(&mut self, out: &mut File) -> io::Result<()>;
}

/// JSON lines on standard input.
pub(super) struct Input {
    reader: BufReader<io::Stdin>,
    line: String,
}

impl Input {
    pub(super) fn stdin() -> Self {
        Self { reader: BufReader::new(io::stdin()), line: String::new() }
    }

    /// Reads the next line; `None` at the end of the input.
    ///
    /// # Errors
    /// If the line is not valid JSON.
    pub(super) fn read_message(&mut self) -> io::Result<Option<Value>> {
        self.line.clear();
        if self.reader.read_line(&mut self.line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&self.line)?))
    }
}

/// Writes one line of JSON.
pub(super) fn write_message(out: &mut File, message: &Value) -> io::Result<()> {
    let mut line = message.to_string();
    line.push('\n');
    out.write_all(line.as_bytes())
}
