//! The Agent Client Protocol, as `opencode acp` speaks it.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::{Ears, Tongue, say};

const MESSAGE: &str = "msg_201ffb52000143tq6GZ8J2g4Od";

pub(super) struct Acp {
    session: String,
    /// The request that began the turn, to be answered at its end.
    prompt: Value,
}

impl Acp {
    pub(super) fn new() -> Self {
        Self { session: format!("ses_dfe004bb8ffe{:010x}", std::process::id()), prompt: Value::Null }
    }
}

fn answer(out: &mut File, id: &Value, result: &Value) -> io::Result<()> {
    say(out, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

impl Tongue for Acp {
    fn prompt(&mut self, ears: &mut Ears, out: &mut File) -> io::Result<Option<String>> {
        while let Some(line) = ears.hear()? {
            let id = &line["id"];
            match line["method"].as_str() {
                Some("initialize") => {
                    let about = json!({
                        "protocolVersion": 1, "agentInfo": { "name": "OpenCode", "version": "9.9.9" }, "authMethods": [],
                        "agentCapabilities": { "loadSession": true },
                    });
                    answer(out, id, &about)?;
                }
                Some("session/new" | "session/load") => answer(out, id, &json!({ "sessionId": self.session }))?,
                Some("session/prompt") => {
                    self.prompt = id.clone();
                    return Ok(line["params"]["prompt"][0]["text"].as_str().map(str::to_owned));
                }
                _ if !id.is_null() => answer(out, id, &json!({}))?,
                _ => {}
            }
        }
        Ok(None)
    }

    fn event(&self, text: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"{}","update":{{"sessionUpdate":"agent_message_chunk","messageId":"{MESSAGE}","content":{{"type":"text","text":"{text}"}}}}}}}}"#,
            self.session
        )
    }

    fn end_turn(&mut self, out: &mut File) -> io::Result<()> {
        let usage = json!({ "inputTokens": 7, "outputTokens": 11, "totalTokens": 18 });
        answer(out, &self.prompt, &json!({ "stopReason": "end_turn", "usage": usage }))
    }
}
