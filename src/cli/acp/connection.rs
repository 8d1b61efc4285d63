//! JSON-RPC 2.0, one message per line.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::agent::Agent;
use super::editor::{Editor, RpcError};
use crate::mcp::BoundedInput;

/// Maximum number of requests of the editor that are carried out at a time.
const MAX_REQUESTS: usize = 64;

/// A message of the editor.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Value>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

/// Serves an agent until the input ends. Runs go on without it.
///
/// # Errors
/// If the input cannot be read, or a line is too long.
pub(in crate::cli) async fn serve(
    agent: Agent,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<()> {
    let (editor, waiting) = Editor::new();
    let tasks = TaskTracker::new();
    let writer = tasks.spawn(write(output, waiting));
    let (editor, agent) = (Arc::new(editor), Arc::new(agent));
    let slots = Arc::new(tokio::sync::Semaphore::new(MAX_REQUESTS));
    let mut lines = BufReader::new(BoundedInput::new(input)).lines();
    while let Some(line) = lines.next_line().await? {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            editor
                .send(&json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "not a message of JSON-RPC" } }))
                .await;
            continue;
        };
        match (message.method, message.id) {
            (Some(method), Some(id)) => {
                let params = message.params.unwrap_or_default();
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    editor.send(&answer(&id, Err(RpcError::failed(format!("at most {MAX_REQUESTS} requests at a time"))))).await;
                    continue;
                };
                agent.begin(&method, &params);
                let (agent, editor) = (Arc::clone(&agent), Arc::clone(&editor));
                tasks.spawn(async move {
                    let result = agent.request(&editor, &method, params).await;
                    editor.send(&answer(&id, result)).await;
                    drop(slot);
                });
            }
            (Some(method), None) => {
                if let Some(run) = agent.notification(&method, &message.params.unwrap_or_default()) {
                    let agent = Arc::clone(&agent);
                    tasks.spawn(async move { agent.cancel(&run).await });
                }
            }
            (None, Some(id)) => editor.answered(&id, message.result.filter(|_| message.error.is_none())),
            (None, None) => {}
        }
    }
    writer.abort();
    Ok(())
}

fn answer(id: &Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(RpcError { code, message }) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    }
}

/// Writes messages until the editor closes its end.
async fn write(mut output: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<String>) {
    while let Some(mut message) = waiting.recv().await {
        message.push('\n');
        if output.write_all(message.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
