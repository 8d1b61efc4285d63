//! Requests of both APIs after they were checked, as a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::super::{ApiError, FaultCode};
use super::chat::RequestChat;
use super::helper::is_helper_prompt;
use super::message::Message;
use super::prompt::prompt;
use super::run_options::RunOptions;
use crate::auth::KeyedDigest;
use crate::run::{NewAttachment, NewRun};
use crate::types::SessionId;

/// Maximum length of a `user` that becomes a label, in bytes: the limit of labels.
const MAX_USER: usize = 256;

/// The labels of a request: its metadata, and the user under the name `user`.
pub(super) fn labels(metadata: Option<BTreeMap<String, String>>, user: Option<String>) -> BTreeMap<String, String> {
    let mut labels = metadata.unwrap_or_default();
    if let Some(user) = user.filter(|user| (1..=MAX_USER).contains(&user.len())) {
        labels.entry("user".to_owned()).or_insert(user);
    }
    labels
}

/// A request that can be carried out.
pub(in crate::api) struct ReadRequest {
    pub(super) messages: Vec<Message>,
    pub(super) output_schema: Option<Value>,
    /// Instructions for the agent's system prompt.
    pub(super) instructions: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) options: RunOptions,
    /// Names of the fields, for errors.
    pub(super) fields: FieldNames,
}

impl ReadRequest {
    /// Whether a client sent this on its own.
    pub(in crate::api) fn is_helper(&self) -> bool {
        let mut said = self.messages.iter().filter(|message| !message.role.is_system());
        said.next().is_some_and(|message| is_helper_prompt(&message.text)) && said.next().is_none()
    }

    /// The session that the body names.
    pub(in crate::api) fn session_id(&self) -> Option<SessionId> {
        self.options.session_id
    }

    /// The working directory that the body names.
    pub(in crate::api) fn working_dir(&self) -> Option<&PathBuf> {
        self.options.working_dir.as_ref()
    }

    /// Sets the working directory unless the body names one. Returns the one that applies.
    pub(in crate::api) fn set_working_dir(&mut self, directory: PathBuf) -> &PathBuf {
        self.options.working_dir.get_or_insert(directory)
    }

    /// The chat of the request. `digest` already contains what else must be the same.
    pub(in crate::api) fn chat(&self, digest: KeyedDigest) -> RequestChat {
        RequestChat::new(&self.messages, digest)
    }

    /// The requested run in this session, without agent and model, and the fields of its images and files.
    ///
    /// # Errors
    /// If the conversation contains no text to answer.
    pub(in crate::api) fn into_new_run(self, session: Option<SessionId>) -> Result<(NewRun, FileFields), ApiError> {
        let (prompt, files) = prompt(self.messages, session.is_some());
        if prompt.is_empty() {
            return Err(ApiError::invalid_field(self.fields.messages, FaultCode::Invalid, "the last message must have a text"));
        }
        let fields = FileFields { parts: files.iter().map(|file| (file.part.clone(), file.field.clone())).collect(), names: self.fields };
        let attachments = files.into_iter().enumerate();
        let attachments = attachments
            .map(|(index, file)| NewAttachment { index, attachment: file.into_attachment(index + 1), is_uploaded: false })
            .collect();
        let options = self.options;
        let new = NewRun {
            prompt,
            attachments,
            output_schema: self.output_schema,
            instructions: self.instructions,
            working_dir: options.working_dir,
            session,
            on_busy: options.on_busy.unwrap_or_default(),
            permission_mode: options.permission_mode,
            isolation: options.isolation,
            egress: None,
            project_config: options.project_config,
            timeout: options.timeout_secs.map(Duration::from_secs),
            idle_timeout: options.idle_timeout_secs.map(Duration::from_secs),
            labels: self.labels,
            ..NewRun::default()
        };
        Ok((new, fields))
    }
}

/// Whether a `tool_choice` or `function_call` makes a tool call mandatory.
pub(super) fn requires_tool(choice: &Value) -> bool {
    // The Responses API has the mode in the choice itself.
    let mode = choice.pointer("/allowed_tools/mode").or_else(|| choice.get("mode")).filter(|_| choice["type"] == "allowed_tools");
    let mode = mode.unwrap_or(choice);
    !matches!(mode.as_str(), Some("auto" | "none"))
}

/// Names of fields that the APIs name differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldNames {
    /// The conversation.
    pub(super) messages: &'static str,
    /// The schema of the answer.
    pub(super) schema: &'static str,
}

/// The fields of the images and files of a request, for errors: each part and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct FileFields {
    pub(super) parts: Vec<(String, String)>,
    pub(super) names: FieldNames,
}

impl FileFields {
    /// Names the fields of this API in an error that names those of a run.
    pub(in crate::api) fn rename(&self, error: ApiError) -> ApiError {
        let parts = self.parts.iter().zip(0..).fold(error, |error, ((part, content), index)| {
            let of_run = |field: &str| format!("input.parts[{index}].{field}");
            let error = error.rename_field(&of_run("type"), &format!("{part}.type"));
            ["data", "media_type", "name"].iter().fold(error, |error, field| error.rename_field(&of_run(field), content))
        });
        let error = parts.rename_field("input.parts", self.names.messages).rename_field("openrunner.output_schema", self.names.schema);
        error.rename_field("openrunner.instructions", "instructions").rename_field("openrunner.labels", "metadata")
    }
}
