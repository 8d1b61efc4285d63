//! The protocol of `codex app-server`.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::protocol::{Input, Protocol, write_message};

const TURN: &str = "01a201fc-c885-7863-9d0f-6f1e5b2a7c44";
const ITEM: &str = "msg_01a201fcc8857863";

pub(super) struct Codex {
    thread: String,
}

impl Codex {
    pub(super) fn new() -> Self {
        Self { thread: format!("01a201fc-c885-7863-8e22-{:012x}", std::process::id()) }
    }
}

fn respond(out: &mut File, id: &Value, result: &Value) -> io::Result<()> {
    write_message(out, &json!({ "id": id, "result": result }))
}

fn notify(out: &mut File, method: &str, params: &Value) -> io::Result<()> {
    write_message(out, &json!({ "method": method, "params": params }))
}

impl Protocol for Codex {
    fn read_prompt(&mut self, input: &mut Input, out: &mut File) -> io::Result<Option<String>> {
        while let Some(message) = input.read_message()? {
            let id = &message["id"];
            match message["method"].as_str() {
                Some("initialize") => respond(out, id, &json!({ "userAgent": "openrunner/9.9.9 (Linux; x86_64)" }))?,
                Some("thread/start" | "thread/resume") => {
                    respond(out, id, &json!({ "thread": { "id": self.thread }, "model": "scripted" }))?;
                }
                Some("turn/start") => {
                    let turn = json!({ "id": TURN, "items": [], "status": "inProgress", "error": null });
                    respond(out, id, &json!({ "turn": turn }))?;
                    notify(out, "turn/started", &json!({ "threadId": self.thread, "turn": turn }))?;
                    return Ok(message["params"]["input"][0]["text"].as_str().map(str::to_owned));
                }
                _ if !id.is_null() => respond(out, id, &json!({}))?,
                _ => {}
            }
        }
        Ok(None)
    }

    fn event_line(&self, text: &str) -> String {
        format!(
            r#"{{"method":"item/agentMessage/delta","params":{{"threadId":"{}","turnId":"{TURN}","itemId":"{ITEM}","delta":"{text}"}}}}"#,
            self.thread
        )
    }

    fn end_turn(&mut self, out: &mut File) -> io::Result<()> {
        let item = json!({ "type": "agentMessage", "id": ITEM, "text": "done" });
        notify(out, "item/completed", &json!({ "threadId": self.thread, "turnId": TURN, "item": item }))?;
        let turn = json!({ "id": TURN, "items": [], "status": "completed", "error": null });
        notify(out, "turn/completed", &json!({ "threadId": self.thread, "turn": turn }))
    }
}
