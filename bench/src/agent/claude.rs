//! The two-way `stream-json` protocol of Claude Code.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::protocol::{Input, Protocol, ToolCall, write_message};

/// Ids as long as the real ones.
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

impl Protocol for Claude {
    fn read_prompt(&mut self, input: &mut Input, out: &mut File) -> io::Result<Option<String>> {
        while let Some(message) = input.read_message()? {
            match message["type"].as_str() {
                Some("control_request") => {
                    let response = json!({ "subtype": "success", "request_id": message["request_id"], "response": {} });
                    write_message(out, &json!({ "type": "control_response", "response": response }))?;
                }
                Some("user") => {
                    let init = json!({
                        "type": "system", "subtype": "init", "session_id": self.session, "model": "scripted",
                        "claude_code_version": "9.9.9", "tools": ["Bash", "Edit", "Read", "Write"], "uuid": UUID,
                    });
                    write_message(out, &init)?;
                    return Ok(message["message"]["content"].as_str().map(str::to_owned));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn event_line(&self, text: &str) -> String {
        // The real program's order of fields, which a map of serde_json does not preserve.
        format!(
            r#"{{"type":"stream_event","event":{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}},"session_id":"{}","parent_tool_use_id":null,"uuid":"{UUID}","api_message_id":"{MESSAGE}"}}"#,
            self.session
        )
    }

    fn call_tool(&mut self, call: &ToolCall, input: &mut Input, out: &mut File) -> io::Result<()> {
        let id = format!("toolu_01dacfd30f077f5e{:08x}", call.number);
        let arguments = json!({ "command": "cargo test --offline", "description": "run the tests" });
        let content = json!([{ "type": "tool_use", "id": id, "name": "Bash", "input": arguments }]);
        let assistant = json!({ "id": MESSAGE, "role": "assistant", "content": content });
        let session = &self.session;
        write_message(out, &json!({ "type": "assistant", "message": assistant, "parent_tool_use_id": null, "session_id": session }))?;
        if call.asks {
            let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "input": arguments, "tool_use_id": id });
            write_message(out, &json!({ "type": "control_request", "request_id": format!("ask-{id}"), "request": request }))?;
            while let Some(message) = input.read_message()? {
                if message["type"] == "control_response" {
                    break;
                }
            }
        }
        std::thread::sleep(call.duration);
        let content = json!([{ "type": "tool_result", "tool_use_id": id, "content": "test result: ok. 1 passed", "is_error": false }]);
        let user = json!({ "role": "user", "content": content });
        write_message(out, &json!({ "type": "user", "message": user, "parent_tool_use_id": null, "session_id": session, "uuid": UUID }))
    }

    fn end_turn(&mut self, out: &mut File) -> io::Result<()> {
        let content = json!([{ "type": "text", "text": "done" }]);
        let assistant = json!({ "id": MESSAGE, "role": "assistant", "content": content });
        write_message(
            out,
            &json!({ "type": "assistant", "message": assistant, "parent_tool_use_id": Value::Null, "session_id": self.session }),
        )?;
        let usage = json!({ "input_tokens": 7, "output_tokens": 11 });
        let result = json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done", "usage": usage, "total_cost_usd": 0.25,
            "session_id": self.session, "num_turns": 1, "uuid": UUID,
        });
        write_message(out, &result)
    }
}
