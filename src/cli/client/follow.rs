//! Follows a run's events to the end, over every broken connection: each event once, none left out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Client, ClientError};
use crate::process::LineSplitter;
use crate::types::{RunStatus, StreamEvent};

/// Events that wait to be shown: enough that the network and the terminal do not wait for one another.
const AHEAD: usize = 256;
/// Longest event that is taken. An agent's line is at most 16 MiB, and JSON may write a byte of it as six.
const EVENT_CAP: usize = 128 * 1024 * 1024;
/// Waits between attempts to get the connection back: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long the server may stay away.
const PATIENCE: Duration = Duration::from_mins(10);

/// One event, as it was sent.
#[derive(Debug)]
pub(in crate::cli) struct Seen {
    /// Its number; none for a word to this reader alone, such as a `gap` notice.
    pub(in crate::cli) seq: Option<u64>,
    /// Its JSON, byte for byte.
    pub(in crate::cli) line: String,
    /// What it means; none for a type of a later release.
    pub(in crate::cli) event: Option<StreamEvent>,
}

/// What happens while a run is followed.
#[derive(Debug)]
pub(in crate::cli) enum Update {
    /// The next event.
    Event(Box<Seen>),
    /// The connection is gone; it is being tried again.
    Lost(String),
    /// The connection is back.
    Back,
    /// The run has ended, and all of its events had been seen before.
    Ended(RunStatus),
    /// It cannot be followed any further.
    Failed(ClientError),
}

/// A run that is being followed. Dropping it ends nothing but the connection.
pub(in crate::cli) struct Follower {
    updates: mpsc::Receiver<Update>,
}

impl Follower {
    /// Follows a run from the event after number `after`.
    pub(in crate::cli) fn start(client: Arc<Client>, run: String, after: u64) -> Self {
        let (tell, updates) = mpsc::channel(AHEAD);
        // The task ends with the run, or at its next word when nobody listens any more.
        TaskTracker::new().spawn(async move { Reader { client, run, last: after, tell }.read().await });
        Self { updates }
    }

    /// What happens next; none after the end. Nothing is lost if the future is dropped.
    pub(in crate::cli) async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}

/// The task that holds the connection.
struct Reader {
    client: Arc<Client>,
    run: String,
    /// Number of the last event that was told.
    last: u64,
    tell: mpsc::Sender<Update>,
}

/// How a connection ended.
enum Broken {
    /// With the run, or with whoever listened.
    Over,
    /// By itself, after this many events.
    Off { events: u64, why: String },
}

impl Reader {
    async fn read(mut self) {
        let (mut pause, mut lost_at) = (PAUSES.0, None::<Instant>);
        loop {
            let why = match self.connection(lost_at.is_some()).await {
                Ok(Broken::Over) => return,
                Ok(Broken::Off { events, why }) => {
                    if events > 0 {
                        (pause, lost_at) = (PAUSES.0, None);
                    }
                    // A log that was read to its end also ends the stream.
                    match self.status().await {
                        Ok((status, last)) if status.is_ended() && last <= self.last => return self.say(Update::Ended(status)).await,
                        Ok(_) => None,
                        Err(error) if error.may_pass() => Some(why),
                        Err(error) => return self.say(Update::Failed(error)).await,
                    }
                }
                Err(error) if error.may_pass() && lost_at.is_none_or(|since| since.elapsed() < PATIENCE) => Some(error.to_string()),
                Err(error) => return self.say(Update::Failed(error)).await,
            };
            if let Some(why) = why
                && lost_at.is_none()
            {
                lost_at = Some(Instant::now());
                self.say(Update::Lost(why)).await;
            }
            if self.tell.is_closed() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Reads one connection until it ends.
    async fn connection(&mut self, was_lost: bool) -> Result<Broken, ClientError> {
        let response = self.client.events(&self.run, self.last).await?;
        if was_lost {
            self.say(Update::Back).await;
        }
        let (mut stream, mut lines, before) = (response.bytes_stream(), LineSplitter::with_cap(EVENT_CAP), self.last);
        let off = |last: u64, why: String| Broken::Off { events: last - before, why };
        loop {
            let bytes = match stream.next().await {
                Some(Ok(bytes)) => bytes,
                // What stands behind the last newline is a torn event, which comes again whole.
                Some(Err(error)) => return Ok(off(self.last, error.to_string())),
                None => return Ok(off(self.last, "the stream ended".to_owned())),
            };
            let mut fresh = Vec::new();
            lines.push(&bytes, |line| fresh.extend((!line.bytes.is_empty()).then(|| line.text().0.into_owned())));
            for line in fresh {
                match self.judge(line) {
                    Judged::Known => {}
                    Judged::New(seen) => {
                        let is_last = matches!(seen.event, Some(StreamEvent::Done(_)));
                        self.say(Update::Event(seen)).await;
                        if is_last || self.tell.is_closed() {
                            return Ok(Broken::Over);
                        }
                    }
                    Judged::Torn => return Ok(off(self.last, "the stream left events out".to_owned())),
                }
            }
        }
    }

    /// Whether a line is the event that follows. Moves on if it is.
    fn judge(&mut self, line: String) -> Judged {
        #[derive(Deserialize)]
        struct Numbered {
            seq: Option<u64>,
        }
        let Ok(Numbered { seq }) = serde_json::from_str(&line) else { return Judged::Torn };
        match seq {
            Some(seq) if seq <= self.last => return Judged::Known,
            Some(seq) if seq - 1 != self.last => return Judged::Torn,
            Some(seq) => self.last = seq,
            None => {
                if let Some(next) = gap(&line) {
                    self.last = next.saturating_sub(1);
                }
            }
        }
        let event = serde_json::from_str(&line).ok();
        Judged::New(Box::new(Seen { seq, line, event }))
    }

    /// The run's status and the number of its last event.
    async fn status(&self) -> Result<(RunStatus, u64), ClientError> {
        #[derive(Deserialize)]
        struct Standing {
            status: RunStatus,
            last_seq: u64,
        }
        let run = self.client.get(&format!("/api/runs/{}", self.run)).await?;
        let standing: Standing = serde_json::from_value(run)
            .map_err(|error| ClientError::Strange { address: self.client.address().to_string(), reason: error.to_string() })?;
        Ok((standing.status, standing.last_seq))
    }

    async fn say(&self, update: Update) {
        // Nobody listens any more: the caller looks at the channel and ends.
        let _ = self.tell.send(update).await;
    }
}

enum Judged {
    Known,
    New(Box<Seen>),
    Torn,
}

/// Of a `gap` notice: the number with which the stream goes on.
fn gap(line: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    (value["code"] == "gap").then(|| value["data"]["next"].as_u64())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(last: u64) -> Reader {
        let client = Client::guest("http://127.0.0.1:1".parse().unwrap()).unwrap();
        Reader { client: Arc::new(client), run: "run_x".into(), last, tell: mpsc::channel(1).0 }
    }

    fn judged(reader: &mut Reader, line: &str) -> &'static str {
        match reader.judge(line.to_owned()) {
            Judged::Known => "known",
            Judged::New(_) => "new",
            Judged::Torn => "torn",
        }
    }

    #[test]
    fn w2_an_event_is_told_once_and_none_is_passed_over() {
        let mut reader = reader(3);
        for (line, expected) in [
            (r#"{"seq":3,"type":"token","content":"x"}"#, "known"),
            (r#"{"seq":5,"type":"token","content":"x"}"#, "torn"),
            (r#"{"seq":4,"type":"of_a_later_release"}"#, "new"),
            (r#"{"seq":4,"type":"of_a_later_release"}"#, "known"),
            (r#"{"seq":5,"type":"tok"#, "torn"),
        ] {
            assert_eq!(judged(&mut reader, line), expected, "{line}");
        }
        assert_eq!(reader.last, 4);
    }

    #[test]
    fn a_gap_says_how_the_numbers_go_on() {
        let mut reader = reader(99);
        let notice = r#"{"type":"notice","level":"warning","code":"gap","message":"m","data":{"after":99,"next":22}}"#;
        assert_eq!(judged(&mut reader, notice), "new");
        assert_eq!(judged(&mut reader, r#"{"seq":22,"type":"token","content":"x"}"#), "new");
    }
}
