//! Follows a run's events to the end across broken connections: every event exactly once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Client, RunSummary};
use crate::cli::api_error::ClientError;
use crate::process::LineSplitter;
use crate::types::{RunStatus, StreamEvent};

/// Events buffered between network and terminal.
const BUFFERED: usize = 256;
/// Maximum size of an event, in bytes. A line of an agent has at most 16 MiB, and JSON may escape a byte as six.
const MAX_EVENT: usize = 128 * 1024 * 1024;
/// Pause between attempts to reconnect: the first, and the maximum.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long to try to reconnect.
pub(in crate::cli) const RECONNECT_TIMEOUT: Duration = Duration::from_mins(10);

/// One received event.
#[derive(Debug)]
pub(in crate::cli) struct ReceivedEvent {
    /// Its number. None for notices to this reader alone, such as `gap`.
    pub(in crate::cli) seq: Option<u64>,
    /// Its JSON, byte for byte.
    pub(in crate::cli) line: String,
    /// The parsed event. None for types of a later release.
    pub(in crate::cli) event: Option<StreamEvent>,
}

/// What happens while a run is followed.
#[derive(Debug)]
pub(in crate::cli) enum Update {
    /// The next event.
    Event(Box<ReceivedEvent>),
    /// The connection is lost, and is being reestablished.
    Disconnected(String),
    /// The connection is reestablished.
    Reconnected,
    /// The run has ended, and all its events precede the requested range.
    Ended(RunStatus),
    /// The run cannot be followed further.
    Failed(ClientError),
}

/// A run that is being followed. Dropping it closes the connection and has no effect on the run.
pub(in crate::cli) struct Follower {
    updates: mpsc::Receiver<Update>,
}

impl Follower {
    /// Follows a run from the event after number `after`.
    pub(in crate::cli) fn start(client: Arc<Client>, run: String, after: u64) -> Self {
        let (sender, updates) = mpsc::channel(BUFFERED);
        // The task ends with the run, or when it sends after the receiver was dropped.
        TaskTracker::new().spawn(async move { Reader { client, run, last: after, updates: sender }.read().await });
        Self { updates }
    }

    /// The next update. None after the end. Cancel safe.
    pub(in crate::cli) async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}

/// The task that owns the connection.
struct Reader {
    client: Arc<Client>,
    run: String,
    /// Number of the last delivered event.
    last: u64,
    updates: mpsc::Sender<Update>,
}

/// How a connection ended.
enum ConnectionEnd {
    /// The run has ended, or the receiver was dropped.
    Finished,
    /// The connection broke, after this many events.
    Broken { events: u64, reason: String },
}

impl Reader {
    async fn read(mut self) {
        let (mut pause, mut lost_at) = (BACKOFF.0, None::<Instant>);
        loop {
            let reason = match self.read_connection(lost_at.is_some()).await {
                Ok(ConnectionEnd::Finished) => return,
                Ok(ConnectionEnd::Broken { events, reason }) => {
                    if events > 0 {
                        (pause, lost_at) = (BACKOFF.0, None);
                    }
                    // The stream also ends when the log has been read to its end.
                    match RunSummary::fetch(&self.client, &self.run).await {
                        Ok(run) if run.status.is_ended() && run.last_seq <= self.last => return self.send(Update::Ended(run.status)).await,
                        Ok(_) => None,
                        Err(error) if error.is_transient() => Some(reason),
                        Err(error) => return self.send(Update::Failed(error)).await,
                    }
                }
                Err(error) if error.is_transient() && lost_at.is_none_or(|since| since.elapsed() < RECONNECT_TIMEOUT) => {
                    Some(error.to_string())
                }
                Err(error) => return self.send(Update::Failed(error)).await,
            };
            if let Some(reason) = reason
                && lost_at.is_none()
            {
                lost_at = Some(Instant::now());
                self.send(Update::Disconnected(reason)).await;
            }
            if self.updates.is_closed() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// Reads one connection to its end.
    async fn read_connection(&mut self, is_reconnect: bool) -> Result<ConnectionEnd, ClientError> {
        let response = self.client.events(&self.run, self.last).await?;
        if is_reconnect {
            self.send(Update::Reconnected).await;
        }
        let (mut stream, mut splitter, first) = (response.bytes_stream(), LineSplitter::with_cap(MAX_EVENT), self.last);
        let broken = |last: u64, reason: &str| ConnectionEnd::Broken { events: last - first, reason: reason.to_owned() };
        loop {
            let bytes = match stream.next().await {
                Some(Ok(bytes)) => bytes,
                // Text after the last line break is an incomplete event, which is sent again.
                Some(Err(_)) => return Ok(broken(self.last, "the connection broke")),
                None => return Ok(broken(self.last, "the server closed the connection")),
            };
            let mut lines = Vec::new();
            splitter.push(&bytes, |line| lines.extend((!line.bytes.is_empty()).then(|| line.text().0.into_owned())));
            for line in lines {
                match self.accept(line) {
                    Line::Duplicate => {}
                    Line::Next(event) => {
                        let is_last = matches!(event.event, Some(StreamEvent::Done(_)));
                        self.send(Update::Event(event)).await;
                        if is_last || self.updates.is_closed() {
                            return Ok(ConnectionEnd::Finished);
                        }
                    }
                    Line::Invalid => return Ok(broken(self.last, "the stream skipped events")),
                }
            }
        }
    }

    /// Classifies a line, and advances if it is the next event.
    fn accept(&mut self, line: String) -> Line {
        #[derive(Deserialize)]
        struct Numbered {
            seq: Option<u64>,
        }
        let Ok(Numbered { seq }) = serde_json::from_str(&line) else { return Line::Invalid };
        match seq {
            Some(seq) if seq <= self.last => return Line::Duplicate,
            Some(seq) if seq - 1 != self.last => return Line::Invalid,
            Some(seq) => self.last = seq,
            None => {
                if let Some(next) = gap(&line) {
                    self.last = next.saturating_sub(1);
                }
            }
        }
        let event = serde_json::from_str(&line).ok();
        Line::Next(Box::new(ReceivedEvent { seq, line, event }))
    }

    async fn send(&self, update: Update) {
        // The receiver may be dropped; callers check `is_closed`.
        let _ = self.updates.send(update).await;
    }
}

/// A received line.
enum Line {
    /// An event that was delivered before.
    Duplicate,
    /// The next event, or a notice without a number.
    Next(Box<ReceivedEvent>),
    /// An event out of order, or not an event.
    Invalid,
}

/// The number with which the stream continues after a `gap` notice.
fn gap(line: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    (value["code"] == "gap").then(|| value["data"]["next"].as_u64())?
}

#[cfg(test)]
mod tests {
    //! Rules: W2.

    use super::*;
    use crate::cli::output::Output;

    fn reader(last: u64) -> Reader {
        let client = Client::new("http://127.0.0.1:1".parse().unwrap(), Output::default()).unwrap();
        Reader { client: Arc::new(client), run: "run_x".into(), last, updates: mpsc::channel(1).0 }
    }

    fn accepted(reader: &mut Reader, line: &str) -> &'static str {
        match reader.accept(line.to_owned()) {
            Line::Duplicate => "duplicate",
            Line::Next(_) => "next",
            Line::Invalid => "invalid",
        }
    }

    #[test]
    fn each_event_is_delivered_once_and_none_is_skipped() {
        let mut reader = reader(3);
        for (line, expected) in [
            (r#"{"seq":3,"type":"token","content":"x"}"#, "duplicate"),
            (r#"{"seq":5,"type":"token","content":"x"}"#, "invalid"),
            (r#"{"seq":4,"type":"of_a_later_release"}"#, "next"),
            (r#"{"seq":4,"type":"of_a_later_release"}"#, "duplicate"),
            (r#"{"seq":5,"type":"tok"#, "invalid"),
        ] {
            assert_eq!(accepted(&mut reader, line), expected, "{line}");
        }
        assert_eq!(reader.last, 4);
    }

    #[test]
    fn after_a_gap_the_numbers_continue_where_the_notice_says() {
        let mut reader = reader(99);
        let notice = r#"{"type":"notice","level":"warning","code":"gap","message":"m","data":{"after":99,"next":22}}"#;
        assert_eq!(accepted(&mut reader, notice), "next");
        assert_eq!(accepted(&mut reader, r#"{"seq":22,"type":"token","content":"x"}"#), "next");
    }
}
