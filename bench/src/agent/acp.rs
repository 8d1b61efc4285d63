//! The Agent Client Protocol, as `opencode acp` speaks it.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::protocol::{Input, Protocol, write_message};

const MESSAGE: &str = "msg_201ffb52000143tq6GZ8J2g4Od";

pub(super) struct Acp {
    session: String,
    /// The id of the request that started the turn; its response ends the turn.
    prompt_id: Value,
}

impl Acp {
    pub(super) fn new() -> Self {
        Self { session: format!("ses_dfe004bb8ffe{:010x}", std::process::id()), prompt_id: Value::Null }
    }
}

fn respond(out: &mut File, id: &Value, result: &Value) -> io::Result<()> {
    write_message(out, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

impl Protocol for Acp {
    fn read_prompt(&mut self, input: &mut Input, out: &mut File) -> io::Result<Option<String>> {
        while let Some(message) = input.read_message()? {
            let id = &message["id"];
            match message["method"].as_str() {
                Some("initialize") => {
                    let capabilities = json!({
                        "protocolVersion": 1, "agentInfo": { "name": "OpenCode", "version": "9.9.9" }, "authMethods": [],
                        "agentCapabilities": { "loadSession": true },
                    });
                    respond(out, id, &capabilities)?;
                }
                Some("session/new" | "session/load") => respond(out, id, &json!({ "sessionId": self.session }))?,
                Some("session/prompt") => {
                    self.prompt_id = id.clone();
                    return Ok(message["params"]["prompt"][0]["text"].as_str().map(str::to_owned));
                }
                _ if !id.is_null() => respond(out, id, &json!({}))?,
                _ => {}
            }
        }
        Ok(None)
    }

    fn event_line(&self, text: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"{}","update":{{"sessionUpdate":"agent_message_chunk","messageId":"{MESSAGE}","content":{{"type":"text","text":"{text}"}}}}}}}}"#,
            self.session
        )
    }

    fn end_turn(&mut self, out: &mut File) -> io::Result<()> {
        let usage = json!({ "inputTokens": 7, "outputTokens": 11, "totalTokens": 18 });
        respond(out, &self.prompt_id, &json!({ "stopReason": "end_turn", "usage": usage }))
    }
}
