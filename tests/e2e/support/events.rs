//! The events of a run, as a client reads them.

use std::fmt;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::contract;

/// A stream that is being read.
pub(crate) struct Follow {
    curl: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Follow {
    pub(crate) fn start(url: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["-sN", "--fail-with-body", "--noproxy", "*", "--max-time", "150", url]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut curl = command.spawn().expect("curl is needed for these tests");
        let lines = BufReader::new(curl.stdout.take().expect("its stdout")).lines();
        Self { curl, lines, seen: Vec::new() }
    }

    /// The next event, or `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let event = frame(self.lines.by_ref().map(|line| line.expect("the stream is UTF-8")))?;
        self.seen.push(event.clone());
        Some(event)
    }

    /// Reads up to and including an event of this type.
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Some(event) if event["type"] == kind => return event,
                Some(_) => {}
                None => panic!("the stream ended without {kind}:\n{}", Events(std::mem::take(&mut self.seen))),
            }
        }
    }

    /// Reads to the end and checks the stream against its contract.
    pub(crate) fn finish(mut self) -> Events {
        while self.next().is_some() {}
        let events = Events(std::mem::take(&mut self.seen));
        contract::check(&events);
        events
    }

    /// Reads what still arrives from a server that may have died.
    pub(crate) fn until_disconnected(mut self) -> Vec<Value> {
        while self.next().is_some() {}
        std::mem::take(&mut self.seen)
    }
}

/// The event of the next frame.
fn frame(mut lines: impl Iterator<Item = String>) -> Option<Value> {
    let (mut id, mut name, mut data) = (None, None, None);
    loop {
        let line = lines.next()?;
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("event", value)) => name = Some(value.to_owned()),
            Some(("data", value)) => data = Some(value.to_owned()),
            _ if line.starts_with(':') || line.is_empty() && data.is_none() => {}
            _ if line.is_empty() => break,
            _ => panic!("not a line of an event stream: {line}"),
        }
    }
    let event: Value = data.as_deref().and_then(|data| serde_json::from_str(data).ok()).expect("one line of JSON");
    assert_eq!(id, Some(event["seq"].to_string()), "the frame's id is the event's number");
    assert_eq!(name.as_deref(), event["type"].as_str(), "the frame's name is the event's type");
    Some(event)
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

/// All events of a run. A failing test prints them.
pub(crate) struct Events(pub(super) Vec<Value>);

impl Events {
    /// A complete stream read elsewhere.
    pub(crate) fn parse(text: &str) -> Self {
        let events = Self(Self::parse_frames(text));
        contract::check(&events);
        events
    }

    /// The events of any part of a stream.
    pub(crate) fn parse_frames(text: &str) -> Vec<Value> {
        // Not with `lines()`, which would treat a lone CR as part of a line ending.
        let mut lines = text.split('\n').map(str::to_owned);
        std::iter::from_fn(|| frame(&mut lines)).collect()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.0.iter()
    }

    /// All events of one type.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.iter().filter(|event| event["type"] == kind).collect()
    }

    /// The only event of its type.
    pub(crate) fn one(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert!(all.len() == 1, "{} events of type {kind}, not one", all.len());
        all[0]
    }

    /// The last event of its type.
    pub(crate) fn last(&self, kind: &str) -> &Value {
        self.all(kind).last().copied().unwrap_or_else(|| panic!("no {kind}"))
    }

    pub(crate) fn done(&self) -> &Value {
        self.one("done")
    }

    /// The joined content of all events of a type.
    pub(crate) fn text(&self, kind: &str) -> String {
        self.all(kind).iter().filter_map(|event| event["content"].as_str()).collect()
    }

    /// The notices with one code.
    pub(crate) fn notices(&self, code: &str) -> Vec<&Value> {
        self.all("notice").into_iter().filter(|notice| notice["code"] == code).collect()
    }

    /// Asserts the outcome of the run.
    pub(crate) fn assert_end(&self, status: &str, cause: &str) {
        let done = self.done();
        assert_eq!((done["status"].as_str(), done["cause"].as_str()), (Some(status), Some(cause)));
    }

    /// Asserts that the run completed with this result.
    pub(crate) fn assert_completed(&self, result: &str) {
        self.assert_end("completed", "ok");
        assert_eq!((self.done()["exit_code"].as_i64(), self.done()["result"].as_str()), (Some(0), Some(result)));
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.0 {
            let line = event.to_string();
            match line.char_indices().nth(500) {
                Some((cut, _)) => writeln!(f, "{}… ({} bytes)", &line[..cut], line.len())?,
                None => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.is_empty() {
            eprintln!("the run's events:\n{self}");
        }
    }
}
