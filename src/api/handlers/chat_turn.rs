//! The session of a request that does not name one: found by the client's history or by the name of its chat, and moved on by the answer.

use super::super::openai::{Chat, ChatHeaders, DIRECTORY, ReadRequest, SESSION, SessionHeader};
use super::super::{ApiError, AppState, FaultCode};
use crate::auth::KeyedDigest;
use crate::run::RunManager;
use crate::types::{Caller, SessionId};

/// A request before its run is created.
pub(super) struct ChatTurn {
    runs: RunManager,
    session: Option<SessionId>,
    record: Record,
}

/// What is recorded for the session.
enum Record {
    /// Nothing: the request names its session.
    Nothing,
    /// The name of the chat.
    Name([u8; 32]),
    /// What was said. `taken` is the point at which the session was found.
    History { chat: Chat, taken: Option<[u8; 32]> },
}

/// A request whose run is created.
pub(super) struct CreatedTurn {
    runs: RunManager,
    session: SessionId,
    taken: Option<[u8; 32]>,
}

impl ChatTurn {
    /// Finds the session of a request, and completes the request by its headers.
    ///
    /// # Errors
    /// If headers and body contradict each other, or the store fails.
    pub(super) async fn begin(
        app: &AppState,
        caller: &Caller,
        agent_type: &str,
        request: &mut ReadRequest,
        headers: &ChatHeaders,
    ) -> Result<Self, ApiError> {
        let by_header = match &headers.session {
            Some(SessionHeader::Id(id)) => Some(*id),
            Some(SessionHeader::New | SessionHeader::Name(_)) | None => None,
        };
        if headers.session.is_some() && request.session_id().is_some() && by_header != request.session_id() {
            return Err(differs(SESSION, "openrunner.session_id"));
        }
        if let Some(directory) = &headers.directory
            && *request.set_working_dir(directory.clone()) != *directory
        {
            return Err(differs(DIRECTORY, "openrunner.working_dir"));
        }
        let runs = app.runs.clone();
        if let Some(id) = by_header.or(request.session_id()) {
            return Ok(Self { runs, session: Some(id), record: Record::Nothing });
        }
        let can_resume = runs.agents().known_capabilities(agent_type).resume;
        let digest = |purpose| digest(app, purpose, agent_type, request);
        let (session, record) = match &headers.session {
            Some(SessionHeader::Name(name)) => {
                let mut digest = digest("chat names");
                digest.update(name.as_bytes());
                let session = if can_resume { runs.named_chat(caller, digest.value()).await? } else { None };
                (session, if session.is_some() { Record::Nothing } else { Record::Name(digest.value()) })
            }
            Some(SessionHeader::New | SessionHeader::Id(_)) => (None, Record::Nothing),
            None if !can_resume => (None, Record::Nothing),
            None => {
                let found = request.chat(digest("chats"));
                let session = match found.answered {
                    Some(answered) => runs.take_chat(caller, answered).await?,
                    None => None,
                };
                (session, Record::History { chat: found.chat, taken: found.answered.filter(|_| session.is_some()) })
            }
        };
        Ok(Self { runs, session, record })
    }

    /// The session to continue; `None` for a new one.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The request was refused with `error`: a repetition must find the session again.
    pub(super) async fn abandon<T>(self, error: ApiError) -> Result<T, ApiError> {
        if let (Some(session), Record::History { taken: Some(taken), .. }) = (self.session, self.record) {
            record(&self.runs, session, taken).await;
        }
        Err(error)
    }

    /// The run was created in `session`. Returns the chat to which its answer is to be added.
    pub(super) async fn created(self, session: SessionId) -> (CreatedTurn, Option<Chat>) {
        let (chat, taken) = match self.record {
            Record::Nothing => (None, None),
            Record::Name(name) => {
                record(&self.runs, session, name).await;
                (None, None)
            }
            Record::History { chat, taken } => (Some(chat), taken),
        };
        (CreatedTurn { runs: self.runs, session, taken }, chat)
    }
}

impl CreatedTurn {
    /// The client has its answer, after which the chat has this digest. When this returns, the next request finds the session.
    pub(super) async fn completed(&self, chat: Option<[u8; 32]>) {
        if let Some(chat) = chat {
            record(&self.runs, self.session, chat).await;
        }
    }

    /// The run has no answer, so the client will repeat its message.
    pub(super) async fn failed(&self) {
        if let Some(taken) = self.taken {
            record(&self.runs, self.session, taken).await;
        }
    }
}

/// Records the chat of a session. Without it the next request of the client starts a new session, which is no reason to refuse this one.
async fn record(runs: &RunManager, session: SessionId, chat: [u8; 32]) {
    if let Err(error) = runs.set_chat(session, chat).await {
        tracing::warn!(session.id = %session, error.cause = %error, "cannot record the chat of a session");
    }
}

/// A digest of what must be the same for a session to continue a chat.
fn digest(app: &AppState, purpose: &'static str, agent_type: &str, request: &ReadRequest) -> KeyedDigest {
    let mut digest = app.auth.keyed_digest(purpose);
    digest.update(agent_type.as_bytes());
    digest.update(&[0]);
    if let Some(directory) = request.working_dir() {
        digest.update(directory.as_os_str().as_encoded_bytes());
    }
    digest.update(&[0]);
    digest
}

fn differs(header: &'static str, field: &str) -> ApiError {
    ApiError::invalid_field(header, FaultCode::Conflict, format!("differs from {field} in the body; give only one of them"))
}
