//! What whoever started this process says to it, heard also while it works.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

/// How long a wait for the next line lasts before something else is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Everything heard and not yet acted upon.
pub(crate) struct Ears {
    lines: Receiver<io::Result<Value>>,
    messages: VecDeque<String>,
    answers: VecDeque<(String, Value)>,
    interrupt: Option<String>,
    servers: Value,
    deaf: bool,
    ended: bool,
}

impl Ears {
    /// Listens from now on.
    pub(crate) fn open() -> Self {
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let message = line.and_then(|line| serde_json::from_str(&line).map_err(io::Error::from));
                let bad = message.is_err();
                if tell.send(message).is_err() || bad {
                    return;
                }
            }
        });
        let (messages, answers) = (VecDeque::new(), VecDeque::new());
        Self { lines, messages, answers, interrupt: None, servers: Value::Null, deaf: false, ended: false }
    }

    /// The next message of the user's; `None` when there will be none.
    ///
    /// # Errors
    /// If what comes is no JSON, as the real program ends then, too.
    pub(crate) fn message(&mut self) -> io::Result<Option<String>> {
        while self.messages.is_empty() && !self.ended {
            self.listen()?;
        }
        Ok(self.messages.pop_front())
    }

    /// The next answer to a request of ours: the request and what is answered; `None` if an interrupt came instead.
    ///
    /// # Errors
    /// If what comes is no JSON, or nothing comes any more.
    pub(crate) fn answer(&mut self) -> io::Result<Option<(String, Value)>> {
        while self.answers.is_empty() && !self.is_interrupted() {
            self.listen()?;
            if self.ended && self.answers.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.answers.pop_front())
    }

    /// Waits a moment for one line and takes it in.
    ///
    /// # Errors
    /// If it is no JSON.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        match self.lines.recv_timeout(LOOK_AGAIN) {
            Ok(line) => self.take_in(&line?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // Whoever goes on asking must not spin.
                std::thread::sleep(LOOK_AGAIN);
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Whether the turn is to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_some()
    }

    /// The interrupt that was heard, by its id.
    ///
    /// # Errors
    /// If what has come by now is no JSON.
    pub(crate) fn interrupt(&mut self) -> io::Result<Option<String>> {
        while let Ok(line) = self.lines.try_recv() {
            self.take_in(&line?);
        }
        Ok(self.interrupt.take())
    }

    /// Interrupts are not heard from here on.
    pub(crate) fn be_deaf(&mut self) {
        self.deaf = true;
    }

    /// The MCP servers that were given, by name.
    pub(crate) fn servers(&self) -> &Value {
        &self.servers
    }

    fn take_in(&mut self, line: &Value) {
        match (line["type"].as_str(), line["request"]["subtype"].as_str()) {
            (Some("user"), _) => self.messages.extend(line["message"]["content"].as_str().map(str::to_owned)),
            (Some("control_response"), _) => {
                let answer = &line["response"];
                self.answers.push_back((answer["request_id"].as_str().unwrap_or_default().to_owned(), answer["response"].clone()));
            }
            (Some("control_request"), Some("interrupt")) if !self.deaf => {
                self.interrupt = line["request_id"].as_str().map(str::to_owned);
            }
            (Some("control_request"), Some("mcp_set_servers")) => self.servers = line["request"]["servers"].clone(),
            _ => {}
        }
    }
}
