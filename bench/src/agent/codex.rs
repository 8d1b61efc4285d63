//! `codex app-server`.

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::{Ears, Tongue, say};

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

fn answer(out: &mut File, id: &Value, result: &Value) -> io::Result<()> {
    say(out, &json!({ "id": id, "result": result }))
}

fn notify(out: &mut File, method: &str, params: &Value) -> io::Result<()> {
    say(out, &json!({ "method": method, "params": params }))
}

impl Tongue for Codex {
    fn prompt(&mut self, ears: &mut Ears, out: &mut File) -> io::Result<Option<String>> {
        while let Some(line) = ears.hear()? {
            let id = &line["id"];
            match line["method"].as_str() {
                Some("initialize") => answer(out, id, &json!({ "userAgent": "openrunner/9.9.9 (Linux; x86_64)" }))?,
                Some("thread/start" | "thread/resume") => {
                    answer(out, id, &json!({ "thread": { "id": self.thread }, "model": "scripted" }))?;
                }
                Some("turn/start") => {
                    let turn = json!({ "id": TURN, "items": [], "status": "inProgress", "error": null });
                    answer(out, id, &json!({ "turn": turn }))?;
                    notify(out, "turn/started", &json!({ "threadId": self.thread, "turn": turn }))?;
                    return Ok(line["params"]["input"][0]["text"].as_str().map(str::to_owned));
                }
                _ if !id.is_null() => answer(out, id, &json!({}))?,
                _ => {}
            }
        }
        Ok(None)
    }

    fn event(&self, text: &str) -> String {
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
