//! The two-way `stream-json` of Claude Code.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::{Ears, Tongue, say};

/// As long as the real ids are.
const UUID: &str = "732caf43-576c-47ed-8e43-1f107c7a4532";
const MESSAGE: &str = "msg_01dacfd30f077f5e8a3b6c2d";

pub(super) struct Claude {
    session: String,
}

impl Claude {
    pub(super) fn new() -> Self {
        Self { session: format!("90945500-c05d-425d-8e22-{:012x}", std::process::id()) }
    }
}

impl Tongue for Claude {
    fn prompt(&mut self, ears: &mut Ears, out: &mut File) -> io::Result<Option<String>> {
        while let Some(line) = ears.hear()? {
            match line["type"].as_str() {
                Some("control_request") => {
                    let response = json!({ "subtype": "success", "request_id": line["request_id"], "response": {} });
                    say(out, &json!({ "type": "control_response", "response": response }))?;
                }
                Some("user") => {
                    let init = json!({
                        "type": "system", "subtype": "init", "session_id": self.session, "model": "scripted",
                        "claude_code_version": "9.9.9", "tools": ["Bash", "Edit", "Read", "Write"], "uuid": UUID,
                    });
                    say(out, &init)?;
                    return Ok(line["message"]["content"].as_str().map(str::to_owned));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn event(&self, text: &str) -> String {
        // In the real program's order of fields, which a map of serde_json would not keep.
        format!(
            r#"{{"type":"stream_event","event":{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}},"session_id":"{}","parent_tool_use_id":null,"uuid":"{UUID}","api_message_id":"{MESSAGE}"}}"#,
            self.session
        )
    }

    fn end_turn(&mut self, out: &mut File) -> io::Result<()> {
        let content = json!([{ "type": "text", "text": "done" }]);
        let message = json!({ "id": MESSAGE, "role": "assistant", "content": content });
        say(out, &json!({ "type": "assistant", "message": message, "parent_tool_use_id": Value::Null, "session_id": self.session }))?;
        let usage = json!({ "input_tokens": 7, "output_tokens": 11 });
        let result = json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done", "usage": usage, "total_cost_usd": 0.25,
            "session_id": self.session, "num_turns": 1, "uuid": UUID,
        });
        say(out, &result)
    }
}
