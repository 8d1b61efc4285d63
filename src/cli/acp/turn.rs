//! Follows one run for an editor: its updates, and its requests, which the user answers in the editor.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::editor::{Editor, RpcError};
use super::updates::{Request, Updates, chunk};
use crate::cli::client::{Client, Follower, Update};
use crate::types::{Cause, RunDone, RunStatus, StreamEvent, encode_segment};

/// A run that is followed.
pub(super) struct Turn {
    client: Arc<Client>,
    editor: Arc<Editor>,
    /// The session, as the editor names it.
    session: String,
    run: String,
    /// Updates up to this event are not sent: the editor has them.
    after: u64,
    follower: Follower,
    updates: Updates,
    /// Requests without an answer. The dialogs of those that are shown end with them.
    open: HashMap<String, OpenRequest>,
}

enum OpenRequest {
    /// Read from the past; not shown yet.
    Past(Request),
    /// Shown in the editor.
    Shown { _dialog: AbortOnDropHandle<()> },
}

/// How a run ended.
pub(super) enum TurnEnd {
    /// Read up to the requested event; the run goes on.
    CaughtUp,
    /// The run has ended.
    Ended(Result<&'static str, RpcError>),
}

impl Turn {
    /// Follows a run, and sends the updates after event number `after`. It is read from its beginning, because an update can depend on the
    /// events before it.
    pub(super) fn new(client: &Arc<Client>, editor: &Arc<Editor>, session: &str, run: &str, after: u64) -> Self {
        let (client, editor) = (Arc::clone(client), Arc::clone(editor));
        let follower = Follower::start(Arc::clone(&client), run.to_owned(), 0);
        let (session, run) = (session.to_owned(), run.to_owned());
        Self { client, editor, session, run, after, follower, updates: Updates::default(), open: HashMap::new() }
    }

    /// Sends the updates up to the event number `until`, without showing requests: they may have been answered since.
    pub(super) async fn replay(&mut self, until: u64) -> TurnEnd {
        self.follow(Some(until)).await
    }

    /// Sends the updates up to the end, and shows requests.
    pub(super) async fn run(&mut self) -> Result<&'static str, RpcError> {
        let past: Vec<_> = self
            .open
            .drain()
            .filter_map(|(_id, request)| match request {
                OpenRequest::Past(request) => Some(request),
                OpenRequest::Shown { .. } => None,
            })
            .collect();
        for request in past {
            self.show(request);
        }
        match self.follow(None).await {
            TurnEnd::Ended(end) => end,
            TurnEnd::CaughtUp => Err(RpcError::failed("the run cannot be followed further")),
        }
    }

    async fn follow(&mut self, until: Option<u64>) -> TurnEnd {
        while let Some(update) = self.follower.next().await {
            let received = match update {
                Update::Event(received) => received,
                Update::Ended(status) => return TurnEnd::Ended(stop_reason(status, None)),
                Update::Failed(error) => return TurnEnd::Ended(Err(RpcError::failed(error.to_string()))),
                Update::Disconnected(_) | Update::Reconnected => continue,
            };
            if let Some(event) = &received.event {
                if let StreamEvent::Done(done) = event {
                    self.open.clear();
                    return TurnEnd::Ended(stop_reason(done.status, Some(done)));
                }
                self.handle(event, received.seq, until.is_some()).await;
            }
            if until.is_some_and(|until| received.seq.is_some_and(|seq| seq >= until)) {
                return TurnEnd::CaughtUp;
            }
        }
        TurnEnd::Ended(Err(RpcError::failed("the run cannot be followed further")))
    }

    async fn handle(&mut self, event: &StreamEvent, seq: Option<u64>, is_past: bool) {
        match event {
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => drop(self.open.remove(id)),
            StreamEvent::PermissionRequest { expires_at: Some(_), .. } | StreamEvent::Question { .. } => match Request::of(event) {
                Some(request) if is_past => drop(self.open.insert(request.id.clone(), OpenRequest::Past(request))),
                Some(request) => self.show(request),
                None if is_past => {}
                None => {
                    let text = format!(
                        "\n\nThe agent asks a question that this editor cannot show. Answer it with `openrunner attach {}`.\n\n",
                        self.run
                    );
                    self.send(chunk("agent_message_chunk", &text), seq).await;
                }
            },
            event => {
                if let Some(update) = self.updates.of(event).filter(|_| seq.is_none_or(|seq| seq > self.after)) {
                    self.send(update, seq).await;
                }
            }
        }
    }

    /// Sends an update, with the position of its event, after which a session can be loaded.
    pub(super) async fn send(&self, update: Value, seq: Option<u64>) {
        let meta = json!({ "openrunner": { "run_id": self.run, "seq": seq } });
        self.editor.notify("session/update", json!({ "sessionId": self.session, "update": update, "_meta": meta })).await;
    }

    /// Shows a request in the editor, and passes the answer on. Another answer, by another client or by a timeout, may come first.
    fn show(&mut self, request: Request) {
        let (editor, client, session) = (Arc::clone(&self.editor), Arc::clone(&self.client), self.session.clone());
        let (id, path) = (request.id.clone(), format!("/api/runs/{}/requests/{}", self.run, encode_segment(&request.id)));
        let dialog = TaskTracker::new().spawn(async move {
            let params = json!({ "sessionId": session, "toolCall": request.tool_call, "options": request.options });
            let result = editor.request("session/request_permission", params).await;
            if let Some(answer) = result.as_ref().and_then(|result| request.answer(result)) {
                // It may be answered already, which is no fault of the user.
                drop(client.post(&path, Some(answer)).await);
            }
        });
        self.open.insert(id, OpenRequest::Shown { _dialog: AbortOnDropHandle::new(dialog) });
    }
}

/// Why the turn stopped, in the protocol's terms.
fn stop_reason(status: RunStatus, done: Option<&RunDone>) -> Result<&'static str, RpcError> {
    let cause = done.map(|done| done.cause);
    match (status, cause) {
        (RunStatus::Completed, _) => Ok("end_turn"),
        (RunStatus::Cancelled, _) => Ok("cancelled"),
        (_, Some(Cause::SpendLimit)) => Ok("max_turn_requests"),
        (status, cause) => {
            let cause = cause.map_or(status.as_str(), Cause::as_str);
            let message = done.and_then(|done| done.message.as_deref()).unwrap_or("no reason given");
            Err(RpcError::failed(format!("the run failed ({cause}): {message}")))
        }
    }
}
