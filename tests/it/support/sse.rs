//! Reads a stream of server-sent events byte by byte.

use serde_json::Value;

/// One event with its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The complete frame, with the empty line at its end.
    pub(crate) bytes: String,
    /// Its id; `None` for an event that is not in a log.
    pub(crate) id: Option<u64>,
    /// Its type.
    pub(crate) event: String,
    /// The line of JSON.
    pub(crate) line: String,
    /// The parsed line.
    pub(crate) data: Value,
}

/// A stream of events.
pub(crate) struct Frames {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// Start of the next event in the buffer.
    start: usize,
    /// Offset up to which no end of an event was found: an event may be 16 MiB long and arrive in many pieces.
    searched: usize,
}

impl Frames {
    /// The stream of a response.
    pub(crate) fn of(response: reqwest::Response) -> Self {
        Self { response, buffer: Vec::new(), start: 0, searched: 0 }
    }

    /// The next event; `None` at the end of the stream, for any reason. Keep-alives are skipped.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer[self.searched..], b"\n\n") {
                let end = self.searched + end + 2;
                let text = std::str::from_utf8(&self.buffer[self.start..end]).expect("events are UTF-8").to_owned();
                (self.start, self.searched) = (end, end);
                match parse(text) {
                    Some(frame) => return Some(frame),
                    None => continue,
                }
            }
            self.buffer.drain(..std::mem::take(&mut self.start));
            // The first half of the delimiter may already be there.
            self.searched = self.buffer.len().saturating_sub(1);
            self.buffer.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }

    /// Reads up to and including the first event of this type.
    pub(crate) async fn until(&mut self, event: &str) -> Vec<Frame> {
        self.until_match(|frame| frame.event == event).await
    }

    /// Reads until the scripted agent has written this text.
    pub(crate) async fn until_text(&mut self, text: &str) -> Vec<Frame> {
        self.until_match(|frame| frame.event == "message" && frame.data["content"] == text).await
    }

    /// Reads until the scripted agent writes any text, and returns it.
    pub(crate) async fn next_text(&mut self) -> String {
        let frames = self.until("message").await;
        frames.last().and_then(|frame| frame.data["content"].as_str()).expect("a message has a text").to_owned()
    }

    /// Reads up to and including the first event that matches.
    pub(crate) async fn until_match(&mut self, fits: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut read = Vec::new();
        while let Some(frame) = self.next().await {
            read.push(frame);
            if read.last().is_some_and(&fits) {
                return read;
            }
        }
        panic!("the stream ended before the event that was waited for, after {:?}", read.last());
    }

    /// The bytes up to the end of the stream, unparsed.
    pub(crate) async fn rest_bytes(mut self) -> String {
        let mut bytes = self.buffer.split_off(self.start);
        while let Ok(Some(chunk)) = self.response.chunk().await {
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).expect("events are UTF-8")
    }

    /// All events up to the end of the stream.
    pub(crate) async fn rest(mut self) -> Vec<Frame> {
        let mut read = Vec::new();
        while let Some(frame) = self.next().await {
            read.push(frame);
        }
        read
    }
}

fn parse(text: String) -> Option<Frame> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let line = field("data: ")?;
    let data = serde_json::from_str(&line).expect("data is one line of JSON");
    // The feed of all runs has ids of another form.
    Some(Frame { id: field("id: ").and_then(|id| id.parse().ok()), event: field("event: ")?, data, line, bytes: text })
}

/// Asserts that these are the events 1, 2, 3 … of one log, each with the same type in frame and data, and that only the last is `done`.
pub(crate) fn assert_dense(frames: &[Frame]) {
    for (frame, number) in frames.iter().zip(1_u64..) {
        assert_eq!((frame.id, &frame.data["seq"], &frame.data["type"]), (Some(number), &number.into(), &frame.event.as_str().into()));
        assert_eq!(frame.event == "done", number == frames.len() as u64, "done must be the last event and only that: {frame:?}");
    }
    assert!(!frames.is_empty());
}

/// The data of the last event.
pub(crate) fn last(frames: &[Frame]) -> &Value {
    &frames.last().expect("there are events").data
}
