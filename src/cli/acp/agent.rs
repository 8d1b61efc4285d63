//! The agent: its sessions, and the requests of the editor.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::content;
use super::editor::{Editor, RpcError};
use super::turn::{Turn, TurnEnd};
use super::updates::chunk;
use crate::cli::api_error::ClientError;
use crate::cli::client::Client;

/// The version of the protocol.
const PROTOCOL: u64 = 1;

/// The label of runs that names the editor's session.
const LABEL: &str = "acp_session";

/// Maximum number of sessions that are remembered; the oldest is dropped, and can be loaded again.
const MAX_SESSIONS: usize = 256;

/// The modes: how permissions are decided.
const MODES: [(&str, &str, &str); 3] = [
    ("ask", "Ask", "Ask in the editor before the agent uses a tool"),
    ("auto", "Auto", "Let the agent do everything"),
    ("read_only", "Read only", "Deny everything that changes something"),
];

/// Options of the runs.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Options {
    /// The agent; `None` for the server's default.
    pub(in crate::cli) agent_type: Option<String>,
    /// The model.
    pub(in crate::cli) model: Option<String>,
    /// The profile.
    pub(in crate::cli) profile: Option<String>,
    /// The mode of new sessions.
    pub(in crate::cli) mode: &'static str,
    /// Time limit of runs, in seconds.
    pub(in crate::cli) timeout_secs: u64,
}

/// The agent that the editor talks to.
pub(in crate::cli) struct Agent {
    client: Arc<Client>,
    options: Options,
    sessions: Mutex<Vec<(String, Session)>>,
    tasks: TaskTracker,
}

/// A session of the editor.
#[derive(Clone, Debug)]
struct Session {
    cwd: String,
    mode: &'static str,
    /// The session of the server, once it has a run.
    on_server: Option<String>,
    /// The live run.
    run: Option<String>,
    /// Whether the turn was cancelled, possibly before it has a run.
    is_cancelled: bool,
}

impl Agent {
    /// An agent whose runs are those of a server.
    pub(in crate::cli) fn new(client: Client, options: Options) -> Self {
        Self { client: Arc::new(client), options, sessions: Mutex::default(), tasks: TaskTracker::new() }
    }

    /// Carries out a request of the editor.
    pub(super) async fn request(&self, editor: &Arc<Editor>, method: &str, params: Value) -> Result<Value, RpcError> {
        match method {
            "initialize" => Ok(initialize()),
            "authenticate" => Ok(json!({})),
            "session/new" => self.new_session(&params),
            "session/load" => self.load(editor, &params).await,
            "session/list" => self.list(&params).await,
            "session/set_mode" => self.set_mode(&params),
            "session/prompt" => self.prompt(editor, &params).await,
            method => Err(RpcError::method_not_found(method)),
        }
    }

    /// Prepares for a request, in the order of the editor's messages.
    pub(super) fn begin(&self, method: &str, params: &Value) {
        if let ("session/prompt", Some(id)) = (method, params["sessionId"].as_str()) {
            self.change(id, |session| session.is_cancelled = false);
        }
    }

    /// Handles a notification of the editor, in the order of its messages. Returns the run to cancel.
    pub(super) fn notification(&self, method: &str, params: &Value) -> Option<String> {
        let id = params["sessionId"].as_str().filter(|_| method == "session/cancel")?;
        self.change(id, |session| session.is_cancelled = true);
        self.session(id)?.run
    }

    /// Cancels a run.
    pub(super) async fn cancel(&self, run: &str) {
        if let Err(error) = self.client.post(&format!("/api/runs/{run}/cancel"), None).await {
            // Standard error is the editor's log.
            eprintln!("cannot cancel {run}: {error}");
        }
    }

    fn new_session(&self, params: &Value) -> Result<Value, RpcError> {
        let cwd = text(params, "cwd")?.to_owned();
        let id = Uuid::now_v7().simple().to_string();
        let mode = self.options.mode;
        self.remember(&id, Session { cwd, mode, on_server: None, run: None, is_cancelled: false });
        Ok(json!({ "sessionId": id, "modes": modes(mode) }))
    }

    fn set_mode(&self, params: &Value) -> Result<Value, RpcError> {
        let (id, mode) = (text(params, "sessionId")?, text(params, "modeId")?);
        let (mode, ..) =
            MODES.into_iter().find(|(known, ..)| *known == mode).ok_or_else(|| RpcError::invalid_params("modeId: unknown mode"))?;
        self.change(id, |session| session.mode = mode).ok_or_else(|| unknown(id))?;
        Ok(json!({}))
    }

    async fn list(&self, params: &Value) -> Result<Value, RpcError> {
        let query = [("cursor", params["cursor"].as_str().map(str::to_owned))];
        let page = self.client.get_with("/api/sessions", &query).await.map_err(failed)?;
        let wanted = params["cwd"].as_str();
        let sessions =
            page["items"].as_array().into_iter().flatten().filter(|session| wanted.is_none_or(|cwd| session["working_dir"] == cwd));
        let sessions: Vec<_> = sessions
            .map(|session| {
                json!({ "sessionId": session["session_id"], "cwd": session["working_dir"], "title": session["title"], "updatedAt": session["created_at"] })
            })
            .collect();
        Ok(json!({ "sessions": sessions, "nextCursor": page["next_cursor"] }))
    }

    /// Loads a session: sends the updates of all its runs again, and goes on with a live one.
    async fn load(&self, editor: &Arc<Editor>, params: &Value) -> Result<Value, RpcError> {
        let (id, cwd) = (text(params, "sessionId")?, text(params, "cwd")?);
        let query = if id.starts_with("ses_") { ("session_id", id.to_owned()) } else { ("label", format!("{LABEL}={id}")) };
        let found =
            self.client.get_with("/api/runs", &[(query.0, Some(query.1)), ("limit", Some("1".to_owned()))]).await.map_err(failed)?;
        let server_session = found["items"][0]["session_id"].as_str().ok_or_else(|| unknown(id))?.to_owned();
        let runs = self.client.list("/api/runs", &[("session_id", Some(server_session.clone()))], true).await.map_err(failed)?;
        let position = &params["_meta"]["openrunner"]["after"];
        let (after_run, after_seq) = (position["run_id"].as_str(), position["seq"].as_u64().unwrap_or(0));
        // Oldest first; ids sort by age.
        let runs =
            runs.items.iter().rev().filter_map(|run| run["run_id"].as_str()).filter(|run| after_run.is_none_or(|after| *run >= after));
        let mut live = None;
        for run in runs {
            let after = if after_run == Some(run) { after_seq } else { 0 };
            let view = self.client.get(&format!("/api/runs/{run}")).await.map_err(failed)?;
            let mut turn = Turn::new(&self.client, editor, id, run, after);
            if after == 0 {
                turn.send(chunk("user_message_chunk", view["prompt"].as_str().unwrap_or_default()), Some(0)).await;
            }
            let last = view["last_seq"].as_u64().unwrap_or(0);
            let end = if last > 0 { turn.replay(last).await } else { TurnEnd::CaughtUp };
            if matches!(end, TurnEnd::CaughtUp) && view["ended_at"].is_null() {
                live = Some((run.to_owned(), turn));
            }
        }
        let mode = self.session(id).map_or(self.options.mode, |session| session.mode);
        let run = live.as_ref().map(|(run, _turn)| run.clone());
        self.remember(id, Session { cwd: cwd.to_owned(), mode, on_server: Some(server_session), run, is_cancelled: false });
        if let Some((_run, mut turn)) = live {
            // The editor has no prompt that could end with it.
            self.tasks.spawn(async move { drop(turn.run().await) });
        }
        Ok(json!({ "modes": modes(mode) }))
    }

    async fn prompt(&self, editor: &Arc<Editor>, params: &Value) -> Result<Value, RpcError> {
        let id = text(params, "sessionId")?;
        let session = self.session(id).ok_or_else(|| unknown(id))?;
        let input = content::input(&params["prompt"])?;
        let mut metadata = json!({
            "permission_mode": session.mode, "labels": { LABEL: id }, "timeout_secs": self.options.timeout_secs, "model": self.options.model,
            "profile": self.options.profile,
        });
        if let Some(session) = &session.on_server {
            metadata["session_id"] = json!(session);
        } else {
            (metadata["agent_type"], metadata["working_dir"]) = (json!(self.options.agent_type), json!(session.cwd));
        }
        let body = json!({ "input": input, "metadata": metadata });
        // Of a request that is repeated after a broken connection, one run is created.
        let key = Uuid::now_v7().simple().to_string();
        let created = self.client.post_idempotent("/api/runs", &key, &body).await.map_err(failed)?;
        let run = text(&created, "run_id")?.to_owned();
        let server_session = created["session_id"].as_str().map(str::to_owned);
        self.change(id, |session| (session.on_server, session.run) = (server_session, Some(run.clone())));
        if self.session(id).is_some_and(|session| session.is_cancelled) {
            self.cancel(&run).await;
        }
        let mut turn = Turn::new(&self.client, editor, id, &run, 0);
        let end = turn.run().await;
        self.change(id, |session| session.run = session.run.take().filter(|live| *live != run));
        Ok(json!({ "stopReason": end?, "_meta": { "openrunner": { "run_id": run } } }))
    }

    fn session(&self, id: &str) -> Option<Session> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().find(|(known, _)| known == id).map(|(_, session)| session.clone())
    }

    /// Changes a session; `None` if it is not known.
    fn change(&self, id: &str, change: impl FnOnce(&mut Session)) -> Option<()> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter_mut().find(|(known, _)| known == id).map(|(_, session)| change(session))
    }

    fn remember(&self, id: &str, session: Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|(known, _)| known != id);
        sessions.push((id.to_owned(), session));
        if sessions.len() > MAX_SESSIONS {
            sessions.remove(0);
        }
    }
}

fn initialize() -> Value {
    json!({
        "protocolVersion": PROTOCOL,
        "agentCapabilities": {
            "loadSession": true,
            "promptCapabilities": { "image": true, "audio": false, "embeddedContext": true },
            "sessionCapabilities": { "list": {} },
        },
        "agentInfo": { "name": "openrunner", "title": "OpenRunner", "version": env!("CARGO_PKG_VERSION") },
        "authMethods": [],
    })
}

fn modes(current: &str) -> Value {
    let modes: Vec<_> = MODES.iter().map(|(id, name, description)| json!({ "id": id, "name": name, "description": description })).collect();
    json!({ "currentModeId": current, "availableModes": modes })
}

fn text<'a>(params: &'a Value, name: &str) -> Result<&'a str, RpcError> {
    params[name].as_str().ok_or_else(|| RpcError::invalid_params(format!("{name} is required")))
}

fn unknown(session: &str) -> RpcError {
    RpcError::not_found(format!("session {session} not found"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: ClientError) -> RpcError {
    RpcError::failed(error.to_string())
}
