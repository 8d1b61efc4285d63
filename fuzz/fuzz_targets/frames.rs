//! Event frames: each event becomes one frame with its sequence number, its type and one line of JSON, and no frame contains a secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::redact::Secrets;
use openrunner::run::events::framed;
use openrunner::types::StreamEvent;
use serde_json::Value;

/// Shares no character with the mask, so that text next to a mask never completes the secret.
const SECRET: &str = "0123-4567-0123-89";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // A line that is valid JSON of an event is that event; other lines become tokens of one text.
    let events = text.split('\n').map(|line| serde_json::from_str(line).unwrap_or_else(|_| StreamEvent::Token { content: line.into() }));
    let events: Vec<StreamEvent> = events.collect();
    let frames = String::from_utf8(framed(&Secrets::new([SECRET]), &events)).expect("frames are UTF-8");
    assert!(!frames.contains('\r'));
    let mut output = String::new();
    let mut frames = frames.split_terminator("\n\n").zip(1_u64..).peekable();
    assert!(frames.peek().is_some());
    for (frame, seq) in frames {
        let lines: Vec<&str> = frame.split('\n').collect();
        let [id, name, data] = lines[..] else { panic!("expected three lines: {frame:?}") };
        assert_eq!(id, format!("id: {seq}"));
        let name = name.strip_prefix("event: ").expect("an event type");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name:?}");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("a line of JSON");
        assert_eq!((&data["seq"], &data["type"]), (&seq.into(), &name.into()));
        match name {
            "token" if data.get("message_id").is_none() && data.get("parent_tool_call_id").is_none() => {
                output.push_str(data["content"].as_str().expect("text"));
            }
            // These events end a text.
            "message" | "tool_call" | "thinking" | "done" => output.clear(),
            _ => {}
        }
        assert!(!output.contains(SECRET), "a secret is visible");
        if let Some(line) = data["line"].as_str().filter(|_| name == "raw") {
            assert!(!line.contains(SECRET), "a secret is visible");
        }
    }
});
