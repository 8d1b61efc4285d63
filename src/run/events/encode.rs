//! Encodes events as lines of JSON, the form in which they are stored, replayed and sent.

use crate::run::store::Chunk;
use crate::types::{Seq, StreamEvent, Timestamp, escape_line_breaks};

/// Size at which a batch continues in another chunk, in bytes. It equals the size of a follower's batch, so a stalled follower holds no
/// more than that, however large the appended batches are.
const CHUNK_BYTES: usize = 64 * 1024;

/// Encodes events with the same time into chunks of complete lines, which can be read one by one.
pub(super) fn encode(first: Seq, ts: Timestamp, events: &[StreamEvent]) -> Vec<Chunk> {
    let encoder = Encoder::new(ts);
    let mut chunks = Vec::new();
    let (mut chunk_first, mut body) = (first, Vec::new());
    let mut seq = first;
    for (event, left) in events.iter().zip((0..events.len()).rev()) {
        if body.is_empty() {
            body.reserve((left + 1).saturating_mul(128).min(CHUNK_BYTES + CHUNK_BYTES / 8));
        }
        encoder.write_line(seq, event, &mut body);
        let next = seq.next();
        if body.len() >= CHUNK_BYTES || left == 0 {
            chunks.push(Chunk { first: chunk_first, last: seq, body: std::mem::take(&mut body).into() });
            chunk_first = next;
        }
        seq = next;
    }
    chunks
}

/// Encodes events with the same time.
#[derive(Debug)]
struct Encoder {
    /// The text between an event's number and its own fields.
    time: String,
}

impl Encoder {
    fn new(ts: Timestamp) -> Self {
        Self { time: format!(r#","ts":"{ts}""#) }
    }

    /// Appends an event's line with its newline: `{"seq":1,"ts":"…","type":"…",…}`. These three fields always come first, in this order.
    fn write_line(&self, seq: Seq, event: &StreamEvent, out: &mut Vec<u8>) {
        const INVARIANT: &str = "writing JSON with text keys to memory cannot fail";
        out.extend_from_slice(br#"{"seq":"#);
        serde_json::to_writer(&mut *out, &seq).expect(INVARIANT);
        out.extend_from_slice(self.time.as_bytes());
        let body = out.len();
        serde_json::to_writer(&mut *out, event).expect(INVARIANT);
        escape_line_breaks(out, body);
        out[body] = b','; // replaces the opening brace of the event, whose first field is `type`
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seq_ts_and_type_come_first() {
        let mut line = Vec::new();
        let event = StreamEvent::Raw { line: "a\r\nb\u{2028}\0".into() };
        Encoder::new(Timestamp::from_millis(1_795_352_700_123)).write_line(Seq::FIRST.next(), &event, &mut line);
        let expected = "{\"seq\":2,\"ts\":\"2026-11-22T13:05:00.123Z\",\"type\":\"raw\",\"line\":\"a\\r\\nb\\u2028\\u0000\"}\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}
