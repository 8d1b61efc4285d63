//! Standard input of the agent, read by a thread so that messages arrive while a script is being carried out.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

/// How long one wait for a line takes before other conditions are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Received messages, answers and interrupts that were not yet handled.
pub(crate) struct Stdin {
    lines: Receiver<io::Result<Value>>,
    messages: VecDeque<String>,
    answers: VecDeque<(String, Value)>,
    interrupt: Option<String>,
    mcp_servers: Value,
    initialize: Value,
    content: Value,
    ignores_interrupts: bool,
    ended: bool,
}

impl Stdin {
    /// Starts to read.
    pub(crate) fn open() -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let message = line.and_then(|line| serde_json::from_str(&line).map_err(io::Error::from));
                let is_invalid = message.is_err();
                if sender.send(message).is_err() || is_invalid {
                    return;
                }
            }
        });
        Self {
            lines,
            messages: VecDeque::new(),
            answers: VecDeque::new(),
            interrupt: None,
            mcp_servers: Value::Null,
            initialize: Value::Null,
            content: Value::Null,
            ignores_interrupts: false,
            ended: false,
        }
    }

    /// Waits for the next user message; `None` at the end of the input.
    ///
    /// # Errors
    /// If a line is not valid JSON, which also ends the real program.
    pub(crate) fn next_message(&mut self) -> io::Result<Option<String>> {
        while self.messages.is_empty() && !self.ended {
            self.poll()?;
        }
        Ok(self.messages.pop_front())
    }

    /// Waits for the next answer to a request, and returns the request id with the answer; `None` if an interrupt arrives first.
    ///
    /// # Errors
    /// If a line is not valid JSON, or the input ends.
    pub(crate) fn next_answer(&mut self) -> io::Result<Option<(String, Value)>> {
        while self.answers.is_empty() && !self.is_interrupted() {
            self.poll()?;
            if self.ended && self.answers.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.answers.pop_front())
    }

    /// Waits briefly for one line and handles it.
    ///
    /// # Errors
    /// If the line is not valid JSON.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        match self.lines.recv_timeout(POLL_INTERVAL) {
            Ok(line) => self.handle_line(&line?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // A caller that keeps polling must not spin.
                std::thread::sleep(POLL_INTERVAL);
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Whether an interrupt is pending.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_some()
    }

    /// Takes the request id of the pending interrupt.
    ///
    /// # Errors
    /// If a line received so far is not valid JSON.
    pub(crate) fn take_interrupt(&mut self) -> io::Result<Option<String>> {
        while let Ok(line) = self.lines.try_recv() {
            self.handle_line(&line?);
        }
        Ok(self.interrupt.take())
    }

    /// Ignores interrupts from now on.
    pub(crate) fn ignore_interrupts(&mut self) {
        self.ignores_interrupts = true;
    }

    /// The MCP servers that were configured, by name.
    pub(crate) fn mcp_servers(&self) -> &Value {
        &self.mcp_servers
    }

    /// The content of the last message as it was sent.
    pub(crate) fn content(&self) -> &Value {
        &self.content
    }

    /// The request that opened the conversation.
    pub(crate) fn initialize(&self) -> &Value {
        &self.initialize
    }

    fn handle_line(&mut self, line: &Value) {
        match (line["type"].as_str(), line["request"]["subtype"].as_str()) {
            (Some("user"), _) => {
                self.content = line["message"]["content"].clone();
                let text = self.content.as_str().or_else(|| self.content[0]["text"].as_str());
                self.messages.extend(text.map(str::to_owned));
            }
            (Some("control_response"), _) => {
                let answer = &line["response"];
                self.answers.push_back((answer["request_id"].as_str().unwrap_or_default().to_owned(), answer["response"].clone()));
            }
            (Some("control_request"), Some("interrupt")) if !self.ignores_interrupts => {
                self.interrupt = line["request_id"].as_str().map(str::to_owned);
            }
            (Some("control_request"), Some("initialize")) => self.initialize = line["request"].clone(),
            (Some("control_request"), Some("mcp_set_servers")) => self.mcp_servers = line["request"]["servers"].clone(),
            _ => {}
        }
    }
}
