//! Requests for completions, and the parameters that agents do not support.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::json_object::{Object, optional_object};
use super::super::{ApiError, FaultCode};
use super::message::{Role, TextMessage};
use super::prompt::prompt;
use crate::run::{NewRun, OnBusy};
use crate::types::{IsolationLevel, PermissionMode, ProjectConfig, SessionId};

/// Maximum length of a `user` that becomes a label, in bytes: the limit of labels.
const MAX_USER: usize = 256;

/// A request for a completion.
///
/// Parameters that change the format of the result and that agents do not support are rejected: tools, several choices, log probabilities,
/// response formats, anything but text. Preferences such as `temperature` and unknown parameters are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionRequest, example = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]}))]
pub(in crate::api) struct CompletionRequest {
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`.
    pub(in crate::api) model: String,
    /// The conversation. The last message must have the role `user`.
    #[schema(min_items = 1, value_type = Vec<ChatMessage>)]
    messages: Vec<Object<ChatMessage>>,
    /// Whether to stream the response.
    stream: Option<bool>,
    /// Options of the stream.
    #[schema(value_type = Option<StreamOptions>)]
    stream_options: Option<Object<StreamOptions>>,
    /// Becomes the label `user` of the run, if it has at most 256 bytes.
    user: Option<String>,
    /// Becomes the labels of the run.
    metadata: Option<BTreeMap<String, String>>,
    /// Options of the run; OpenAI's clients send it as an extra field of the body.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<RunOptions>)]
    openrunner: RunOptions,
    // Not supported and therefore not described.
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

/// A message of the conversation.
#[derive(Deserialize, ToSchema)]
struct ChatMessage {
    /// Role of the author.
    role: Role,
    /// The content: a text, or parts of the type `text`.
    content: Option<Content>,
}

/// The content of a message.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string, or a list of parts with a type")]
#[schema(as = ChatContent)]
enum Content {
    Text(String),
    #[schema(value_type = Vec<ContentPart>)]
    Parts(Vec<Object<ContentPart>>),
}

/// A part of a message.
#[derive(Deserialize, ToSchema)]
struct ContentPart {
    /// Always `text`; images, audio and files are not supported.
    r#type: String,
    /// The text.
    text: Option<String>,
}

/// Options of a stream.
#[derive(Default, Deserialize, ToSchema)]
struct StreamOptions {
    /// Whether to send the usage at the end.
    include_usage: Option<bool>,
}

/// Options of the run. Every field may be absent or null, which means its default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunOptions {
    /// The session to continue. Then only the messages after the last one of the assistant are sent, because the agent remembers the others.
    session_id: Option<SessionId>,
    /// What to do if that session has a live run.
    on_busy: Option<OnBusy>,
    /// Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one.
    #[schema(value_type = Option<String>)]
    working_dir: Option<PathBuf>,
    /// How permission requests are decided.
    permission_mode: Option<PermissionMode>,
    /// The isolation level. Default: that of the server. Only admins may choose a lower one.
    isolation: Option<IsolationLevel>,
    /// Whether the agent's configuration in the working directory has an effect, as in `POST /api/runs`.
    project_config: Option<ProjectConfig>,
    /// Time limit in seconds. Time spent waiting for answers does not count.
    #[schema(minimum = 1, maximum = 604_800, default = 300)]
    timeout_secs: Option<u64>,
    /// Time limit in seconds without any output of the agent.
    #[schema(minimum = 1, maximum = 604_800)]
    idle_timeout_secs: Option<u64>,
    /// What to do if the client disconnects before the end. Default: `cancel`, or `continue` with an `Idempotency-Key`, which finds the run
    /// again.
    on_disconnect: Option<OnDisconnect>,
}

/// What to do with a run whose client disconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum OnDisconnect {
    /// Cancel the run.
    Cancel,
    /// Let the run continue.
    Continue,
}

impl CompletionRequest {
    /// Whether to stream the response.
    pub(in crate::api) fn is_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether the stream ends with the usage.
    pub(in crate::api) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|Object(options)| options.include_usage).unwrap_or(false)
    }

    /// What to do if the client disconnects, if the request states it.
    pub(in crate::api) fn on_disconnect(&self) -> Option<OnDisconnect> {
        self.openrunner.on_disconnect
    }

    /// The requested run, without agent and model.
    ///
    /// # Errors
    /// If a parameter is not supported, or the conversation does not end with a message of the user.
    pub(in crate::api) fn into_new_run(self) -> Result<NewRun, ApiError> {
        self.check_supported()?;
        let messages = self.messages.into_iter().zip(0..).map(|(Object(message), index)| message.into_text(index));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        if messages.last().is_none_or(|last| last.role != Role::User || last.text.trim().is_empty()) {
            return Err(ApiError::invalid_field("messages", FaultCode::Invalid, "the last message must have the role user and a text"));
        }
        let RunOptions {
            session_id,
            on_busy,
            working_dir,
            permission_mode,
            isolation,
            project_config,
            timeout_secs,
            idle_timeout_secs,
            on_disconnect: _,
        } = self.openrunner;
        let mut labels = self.metadata.unwrap_or_default();
        if let Some(user) = self.user.filter(|user| (1..=MAX_USER).contains(&user.len())) {
            labels.entry("user".to_owned()).or_insert(user);
        }
        Ok(NewRun {
            prompt: prompt(&messages, session_id.is_some()),
            working_dir,
            session: session_id,
            on_busy: on_busy.unwrap_or_default(),
            permission_mode,
            isolation,
            egress: None,
            project_config,
            timeout: timeout_secs.map(Duration::from_secs),
            idle_timeout: idle_timeout_secs.map(Duration::from_secs),
            labels,
            ..NewRun::default()
        })
    }

    /// Rejects parameters that would change the format of the result.
    fn check_supported(&self) -> Result<(), ApiError> {
        const OWN_TOOLS: &str = "agents use their own tools";
        const TEXT: &str = "agents respond with text; ask for another format in the message";
        const NOT_REPORTED: &str = "agents do not report them";
        // A parameter with its neutral value has no effect.
        let is_set = |value: Option<&Value>, neutral: Value| value.is_some_and(|value| *value != neutral);
        let unsupported_parameters = [
            ("n", is_set(self.n.as_ref(), json!(1)), "agents return one choice"),
            ("tools", is_set(self.tools.as_ref(), json!([])), OWN_TOOLS),
            ("functions", is_set(self.functions.as_ref(), json!([])), OWN_TOOLS),
            ("web_search_options", self.web_search_options.is_some(), OWN_TOOLS),
            ("logprobs", is_set(self.logprobs.as_ref(), json!(false)), NOT_REPORTED),
            ("top_logprobs", is_set(self.top_logprobs.as_ref(), json!(0)), NOT_REPORTED),
            ("response_format", is_set(self.response_format.as_ref(), json!({"type": "text"})), TEXT),
            ("modalities", is_set(self.modalities.as_ref(), json!(["text"])), TEXT),
            ("audio", self.audio.is_some(), TEXT),
        ];
        let used = unsupported_parameters.into_iter().find(|(_field, is_set, _why)| *is_set);
        used.map_or(Ok(()), |(field, _is_set, why)| Err(unsupported(field, why)))
    }
}

impl ChatMessage {
    fn into_text(self, index: usize) -> Result<TextMessage, ApiError> {
        let text = match self.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let mut texts = Vec::new();
                for (Object(part), part_index) in parts.into_iter().zip(0..) {
                    let field = format!("messages[{index}].content[{part_index}]");
                    match (part.r#type.as_str(), part.text) {
                        ("text", Some(text)) => texts.push(text),
                        ("text", None) => return Err(ApiError::invalid_field(format!("{field}.text"), FaultCode::Required, "is required")),
                        _ => return Err(unsupported(format!("{field}.type"), "agents accept text; put files into the working directory")),
                    }
                }
                texts.join("\n")
            }
        };
        Ok(TextMessage { role: self.role, text })
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

    /// The run that a request with these additional fields creates.
    fn run_of(more: &Value) -> Result<NewRun, ApiError> {
        let mut body = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value::<CompletionRequest>(body).unwrap().into_new_run()
    }

    fn rejected(more: &Value) -> (u16, String) {
        let error = run_of(more).unwrap_err();
        (error.status().as_u16(), error.field().unwrap_or_default().to_owned())
    }

    #[test]
    fn unsupported_parameters_are_rejected() {
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
            assert_eq!(rejected(&json!({field: value})), (400, field.to_owned()));
        }
    }

    #[test]
    fn preferences_and_unknown_parameters_are_ignored() {
        let ignored = json!({
            "temperature": 0.2, "top_p": 1, "seed": 1, "stop": ["x"], "max_tokens": 10, "max_completion_tokens": 10, "presence_penalty": 1,
            "frequency_penalty": 1, "logit_bias": {}, "n": 1, "tools": [], "functions": null, "logprobs": false, "top_logprobs": 0,
            "response_format": {"type": "text"}, "modalities": ["text"], "tool_choice": "none", "store": false, "top_k": 40,
        });
        assert_eq!(run_of(&ignored).unwrap(), run_of(&json!({})).unwrap());
    }

    #[test]
    fn text_parts_are_joined_and_other_parts_are_rejected() {
        let parts = |second: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, second]}]});
        assert_eq!(run_of(&parts(json!({"type": "text", "text": "b"}))).unwrap().prompt, "a\nb");
        let image = parts(json!({"type": "image_url", "image_url": {"url": "data:"}}));
        assert_eq!(rejected(&image), (400, "messages[0].content[1].type".to_owned()));
        assert_eq!(rejected(&parts(json!({"type": "text"}))), (422, "messages[0].content[1].text".to_owned()));
    }

    #[test]
    fn a_conversation_must_end_with_a_message_of_the_user() {
        let user = json!({"role": "user", "content": "hello"});
        for messages in [json!([]), json!([user, {"role": "assistant", "content": "hi"}]), json!([user, {"role": "user", "content": null}])]
        {
            assert_eq!(rejected(&json!({ "messages": messages })), (422, "messages".to_owned()));
        }
    }

    #[test]
    fn metadata_and_user_become_labels_and_metadata_takes_precedence() {
        let labels = |more: &Value| run_of(more).unwrap().labels.into_iter().collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"team": "a"}})), [pair("team", "a"), pair("user", "ann")]);
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"user": "bob"}})), [pair("user", "bob")]);
        assert_eq!(labels(&json!({"user": "x".repeat(257)})), []);
    }
}
