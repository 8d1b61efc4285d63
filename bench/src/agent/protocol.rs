//! What the protocols of the agents have in common.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use serde_json::Value;

/// One agent's protocol.
pub(super) trait Protocol {
    /// Answers requests until a prompt arrives, and reports the start of its turn. Returns `None` at the end of the input.
    fn read_prompt(&mut self, input: &mut Input, out: &mut File) -> io::Result<Option<String>>;

    /// The output line of an event with this text.
    fn event_line(&self, text: &str) -> String;

    /// Reports a call of a tool and its result, and asks for permission before it if the call says so. An agent whose input has ended
    /// cannot be answered, and continues.
    ///
    /// # Errors
    /// By default, since scripts call tools of one agent only.
    fn call_tool(&mut self, _call: &ToolCall, _input: &mut Input, _out: &mut File) -> io::Result<()> {
        Err(io::Error::other("this agent has no tools"))
    }

    /// Reports a successful end of the turn.
    fn end_turn(&mut self, out: &mut File) -> io::Result<()>;
}

/// A call of a tool.
pub(super) struct ToolCall {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) duration: Duration,
    /// Whether the agent asks for permission first.
    pub(super) asks: bool,
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
