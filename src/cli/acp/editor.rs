//! The editor: requests and notifications to it, and the errors of its own requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// Messages that wait to be written. Their senders wait when it is reached.
const MAX_WAITING: usize = 256;

/// An error of a request, as the editor sees it.
#[derive(Debug)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
}

impl RpcError {
    pub(super) fn method_not_found(method: &str) -> Self {
        Self { code: -32601, message: format!("{method}: not supported") }
    }

    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }

    /// A session that does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { code: -32002, message: message.into() }
    }

    /// Anything else, such as a failed run.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: -32603, message: message.into() }
    }
}

/// The editor.
pub(super) struct Editor {
    out: mpsc::Sender<String>,
    /// Requests to the editor without an answer.
    open: Mutex<HashMap<u64, oneshot::Sender<Option<Value>>>>,
    next: AtomicU64,
}

impl Editor {
    /// An editor, and the messages to write to it.
    pub(super) fn new() -> (Self, mpsc::Receiver<String>) {
        let (out, waiting) = mpsc::channel(MAX_WAITING);
        (Self { out, open: Mutex::default(), next: AtomicU64::new(0) }, waiting)
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Sends a request and waits for its result; `None` if the editor answers with an error or goes away.
    pub(super) async fn request(&self, method: &str, params: Value) -> Option<Value> {
        let (sender, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let _forget = Forget { editor: self, id };
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        answer.await.ok().flatten()
    }

    /// Sends a message.
    pub(super) async fn send(&self, message: &Value) {
        // Without the writer the process is about to end.
        let _ = self.out.send(message.to_string()).await;
    }

    /// The answer to a request, or nothing if it is an error.
    pub(super) fn answered(&self, id: &Value, result: Option<Value>) {
        let sender = id.as_u64().and_then(|id| self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        if let Some(sender) = sender {
            // A request that is not waited for any more.
            let _ = sender.send(result);
        }
    }
}

/// Forgets a request that is dropped.
struct Forget<'a> {
    editor: &'a Editor,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.editor.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
