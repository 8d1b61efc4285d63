//! What a completion is asked for with, and what of it an agent can do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::json_object::{Object, optional_object};
use super::super::{ApiError, FaultCode};
use super::prompt::prompt;
use crate::run::{NewRun, OnBusy};
use crate::types::{PermissionMode, SessionId};

/// Longest `user` that becomes a label, in bytes: what a label may have.
const MAX_USER: usize = 256;

/// A request for a completion.
///
/// A promise that an agent cannot keep is refused: tools, several choices, log probabilities, a form of the answer, anything but text. A
/// preference is passed over, such as `temperature`, and so is whatever is not known here.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionRequest, example = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]}))]
pub(in crate::api) struct CompletionRequest {
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`.
    pub(in crate::api) model: String,
    /// The conversation; the last message is the user's.
    #[schema(min_items = 1, value_type = Vec<ChatMessage>)]
    messages: Vec<Object<ChatMessage>>,
    /// Whether the answer comes as a stream.
    stream: Option<bool>,
    /// What the stream tells besides.
    #[schema(value_type = Option<StreamOptions>)]
    stream_options: Option<Object<StreamOptions>>,
    /// Becomes the run's label `user`, if it is at most 256 bytes long.
    user: Option<String>,
    /// Becomes the run's labels.
    metadata: Option<BTreeMap<String, String>>,
    /// What only runs have; clients of OpenAI's send it as an extra field of the body.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<RunOptions>)]
    openrunner: RunOptions,
    // Promises. They are no part of the description, since nothing but their absence is taken.
    #[schema(ignore)]
    n: Option<Value>,
    #[schema(ignore)]
    tools: Option<Value>,
    #[schema(ignore)]
    functions: Option<Value>,
    #[schema(ignore)]
    logprobs: Option<Value>,
    #[schema(ignore)]
    top_logprobs: Option<Value>,
    #[schema(ignore)]
    response_format: Option<Value>,
    #[schema(ignore)]
    modalities: Option<Value>,
    #[schema(ignore)]
    audio: Option<Value>,
    #[schema(ignore)]
    web_search_options: Option<Value>,
}

/// One message of a conversation.
#[derive(Deserialize, ToSchema)]
struct ChatMessage {
    /// Who speaks.
    role: Role,
    /// What is said: a text, or parts of the type `text`.
    content: Option<Content>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatRole)]
pub(super) enum Role {
    /// Whoever wrote the program.
    System,
    /// The same, by its newer name.
    Developer,
    /// The user.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// Between which marks its words stand.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::System | Self::Developer => "instructions",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// What is said.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a text, or a list of parts that each have a type")]
#[schema(as = ChatContent)]
enum Content {
    Text(String),
    #[schema(value_type = Vec<ContentPart>)]
    Parts(Vec<Object<ContentPart>>),
}

/// A part of a message.
#[derive(Deserialize, ToSchema)]
struct ContentPart {
    /// `text`; images, sounds and files are refused.
    r#type: String,
    /// The text.
    text: Option<String>,
}

/// What a stream tells besides.
#[derive(Default, Deserialize, ToSchema)]
struct StreamOptions {
    /// Whether the totals come at its end.
    include_usage: Option<bool>,
}

/// What only runs have. Every field may be absent or null, which means its default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunOptions {
    /// The conversation to go on with. Then only the messages after the last one of the assistant are said, since the agent remembers
    /// the others.
    session_id: Option<SessionId>,
    /// What to do if that conversation has a live run.
    on_busy: Option<OnBusy>,
    /// Where the agent works: an absolute path without `..`. By default the session's folder, else a fresh one.
    #[schema(value_type = Option<String>)]
    working_dir: Option<PathBuf>,
    /// Who decides on permissions.
    permission_mode: Option<PermissionMode>,
    /// The run ends after that many seconds of the agent's work.
    #[schema(minimum = 1, maximum = 604_800, default = 300)]
    timeout_secs: Option<u64>,
    /// The run ends after that many seconds without a word from the agent.
    #[schema(minimum = 1, maximum = 604_800)]
    idle_timeout_secs: Option<u64>,
    /// What becomes of the run if the client leaves before its end. By default `cancel`; `continue` with an `Idempotency-Key`, by which
    /// the client finds the run again.
    on_disconnect: Option<OnDisconnect>,
}

/// What becomes of a run whose client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum OnDisconnect {
    /// It is cancelled.
    Cancel,
    /// It goes on.
    Continue,
}

/// What somebody has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
}

impl CompletionRequest {
    /// Whether the answer comes as a stream.
    pub(in crate::api) fn is_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether the stream ends with the totals.
    pub(in crate::api) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|Object(options)| options.include_usage).unwrap_or(false)
    }

    /// What the caller has said of leaving.
    pub(in crate::api) fn on_disconnect(&self) -> Option<OnDisconnect> {
        self.openrunner.on_disconnect
    }

    /// The run that is asked for, but for its agent and model.
    ///
    /// # Errors
    /// A refusal that names the field: a promise that cannot be kept, or a conversation that does not end with the user.
    pub(in crate::api) fn into_new_run(self) -> Result<NewRun, ApiError> {
        self.check_promises()?;
        let turns = self.messages.into_iter().zip(0..).map(|(Object(message), number)| message.into_turn(number));
        let turns = turns.collect::<Result<Vec<_>, _>>()?;
        if turns.last().is_none_or(|last| last.role != Role::User || last.text.trim().is_empty()) {
            return Err(ApiError::invalid_field("messages", FaultCode::Invalid, "the last message must have the role user and a text"));
        }
        let RunOptions { session_id, on_busy, working_dir, permission_mode, timeout_secs, idle_timeout_secs, on_disconnect: _ } =
            self.openrunner;
        let mut labels = self.metadata.unwrap_or_default();
        if let Some(user) = self.user.filter(|user| (1..=MAX_USER).contains(&user.len())) {
            labels.entry("user".to_owned()).or_insert(user);
        }
        Ok(NewRun {
            prompt: prompt(&turns, session_id.is_some()),
            working_dir,
            session: session_id,
            on_busy: on_busy.unwrap_or_default(),
            permission_mode: permission_mode.unwrap_or_default(),
            timeout: timeout_secs.map(Duration::from_secs),
            idle_timeout: idle_timeout_secs.map(Duration::from_secs),
            labels,
            ..NewRun::default()
        })
    }

    /// Refuses what would be answered with something else than was asked for.
    fn check_promises(&self) -> Result<(), ApiError> {
        const OWN_TOOLS: &str = "an agent brings its own tools and uses them itself";
        const TEXT: &str = "agents answer with text; ask for another form in the message";
        const NOT_TOLD: &str = "agents do not tell them";
        // What asks for nothing is harmless.
        let asks = |value: Option<&Value>, harmless: Value| value.is_some_and(|value| *value != harmless);
        let promises = [
            ("n", asks(self.n.as_ref(), json!(1)), "an agent gives one answer"),
            ("tools", asks(self.tools.as_ref(), json!([])), OWN_TOOLS),
            ("functions", asks(self.functions.as_ref(), json!([])), OWN_TOOLS),
            ("web_search_options", self.web_search_options.is_some(), OWN_TOOLS),
            ("logprobs", asks(self.logprobs.as_ref(), json!(false)), NOT_TOLD),
            ("top_logprobs", asks(self.top_logprobs.as_ref(), json!(0)), NOT_TOLD),
            ("response_format", asks(self.response_format.as_ref(), json!({"type": "text"})), TEXT),
            ("modalities", asks(self.modalities.as_ref(), json!(["text"])), TEXT),
            ("audio", self.audio.is_some(), TEXT),
        ];
        let broken = promises.into_iter().find(|(_field, is_asked, _why)| *is_asked);
        broken.map_or(Ok(()), |(field, _is_asked, why)| Err(unsupported(field, why)))
    }
}

impl ChatMessage {
    fn into_turn(self, number: usize) -> Result<Turn, ApiError> {
        let text = match self.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let mut texts = Vec::new();
                for (Object(part), place) in parts.into_iter().zip(0..) {
                    let place = format!("messages[{number}].content[{place}]");
                    match (part.r#type.as_str(), part.text) {
                        ("text", Some(text)) => texts.push(text),
                        ("text", None) => return Err(ApiError::invalid_field(format!("{place}.text"), FaultCode::Required, "is required")),
                        _ => return Err(unsupported(format!("{place}.type"), "agents are given text; put files into their folder")),
                    }
                }
                texts.join("\n")
            }
        };
        Ok(Turn { role: self.role, text })
    }
}

fn unsupported(field: impl Into<String>, why: &str) -> ApiError {
    let field = field.into();
    let detail = format!("{field} is not supported: {why}");
    ApiError::new(StatusCode::BAD_REQUEST, "unsupported_parameter", detail).with_field(field, FaultCode::NotSupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run that a request with these further fields asks for.
    fn asked(more: &Value) -> Result<NewRun, ApiError> {
        let mut body = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value::<CompletionRequest>(body).unwrap().into_new_run()
    }

    fn refused(more: &Value) -> (u16, String) {
        let error = asked(more).unwrap_err();
        (error.status().as_u16(), error.field().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_promise_that_an_agent_cannot_keep_is_refused_by_its_name() {
        for (field, value) in [
            ("n", json!(2)),
            ("n", json!("many")),
            ("tools", json!([{"type": "function"}])),
            ("functions", json!({})),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(5)),
            ("response_format", json!({"type": "json_object"})),
            ("modalities", json!(["text", "audio"])),
            ("audio", json!({"voice": "alloy"})),
            ("web_search_options", json!({})),
        ] {
            assert_eq!(refused(&json!({field: value})), (400, field.to_owned()));
        }
    }

    #[test]
    fn a_preference_and_what_nobody_knows_are_passed_over() {
        let harmless = json!({
            "temperature": 0.2, "top_p": 1, "seed": 1, "stop": ["x"], "max_tokens": 10, "max_completion_tokens": 10, "presence_penalty": 1,
            "frequency_penalty": 1, "logit_bias": {}, "n": 1, "tools": [], "functions": null, "logprobs": false, "top_logprobs": 0,
            "response_format": {"type": "text"}, "modalities": ["text"], "tool_choice": "none", "store": false, "top_k": 40,
        });
        assert_eq!(asked(&harmless).unwrap(), asked(&json!({})).unwrap());
    }

    #[test]
    fn parts_of_text_are_joined_and_anything_else_is_refused_by_its_place() {
        let parts = |second: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, second]}]});
        assert_eq!(asked(&parts(json!({"type": "text", "text": "b"}))).unwrap().prompt, "a\nb");
        let image = parts(json!({"type": "image_url", "image_url": {"url": "data:"}}));
        assert_eq!(refused(&image), (400, "messages[0].content[1].type".to_owned()));
        assert_eq!(refused(&parts(json!({"type": "text"}))), (422, "messages[0].content[1].text".to_owned()));
    }

    #[test]
    fn a_conversation_ends_with_the_user() {
        let user = json!({"role": "user", "content": "hello"});
        for messages in [json!([]), json!([user, {"role": "assistant", "content": "hi"}]), json!([user, {"role": "user", "content": null}])]
        {
            assert_eq!(refused(&json!({ "messages": messages })), (422, "messages".to_owned()));
        }
    }

    #[test]
    fn metadata_and_user_become_labels_and_a_label_of_that_name_counts_first() {
        let labels = |more: &Value| asked(more).unwrap().labels.into_iter().collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"team": "a"}})), [pair("team", "a"), pair("user", "ann")]);
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"user": "bob"}})), [pair("user", "bob")]);
        assert_eq!(labels(&json!({"user": "x".repeat(257)})), []);
    }
}
