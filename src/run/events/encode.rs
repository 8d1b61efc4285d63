//! One event as one line of JSON: the form in which it is stored, replayed and sent, made once.

use crate::types::{Seq, StreamEvent, Timestamp};

/// Writes the lines of a batch, whose events all have the same time.
#[derive(Debug)]
pub(super) struct Encoder {
    /// What stands between an event's number and its own fields.
    time: String,
}

impl Encoder {
    pub(super) fn new(ts: Timestamp) -> Self {
        Self { time: format!(r#","ts":"{ts}""#) }
    }

    /// Adds the line of an event, with its newline: `{"seq":1,"ts":"…","type":"…",…}`. The three come first and in this order, always.
    pub(super) fn line(&self, seq: Seq, event: &StreamEvent, out: &mut Vec<u8>) {
        const INVARIANT: &str = "writing JSON with text keys to memory cannot fail";
        out.extend_from_slice(br#"{"seq":"#);
        serde_json::to_writer(&mut *out, &seq).expect(INVARIANT);
        out.extend_from_slice(self.time.as_bytes());
        let body = out.len();
        serde_json::to_writer(&mut *out, event).expect(INVARIANT);
        out[body] = b','; // was the event's own opening brace; its `type` follows
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_time_and_type_stand_first_and_the_rest_is_the_events_own() {
        let mut line = Vec::new();
        let event = StreamEvent::Raw { line: "a\r\nb\u{2028}\0".into() };
        Encoder::new(Timestamp::from_millis(1_795_352_700_123)).line(Seq::FIRST.next(), &event, &mut line);
        let expected = "{\"seq\":2,\"ts\":\"2026-11-22T13:05:00.123Z\",\"type\":\"raw\",\"line\":\"a\\r\\nb\u{2028}\\u0000\"}\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}
