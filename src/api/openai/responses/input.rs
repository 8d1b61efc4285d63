//! The input of a response: a text, or items of a conversation.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::super::json_object::Object;
use super::super::super::{ApiError, FaultCode};
use super::super::message::{Message, MessageFile, Role, from_data_url, tool_call};
use super::super::unsupported::unsupported;
use super::id::run_of_item;
use crate::types::{AttachmentKind, RunId};

/// The input: a text, or items.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string, or a list of items")]
#[schema(as = ResponseInput)]
pub(super) enum Input {
    Text(String),
    #[schema(value_type = Vec<InputItem>)]
    Items(Vec<Object<InputItem>>),
}

/// An item of the input.
///
/// Messages, calls of functions with their output, and references to output items of this server. Other items, such as reasoning and the calls
/// of a model's built-in tools, are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseInputItem)]
pub(super) struct InputItem {
    /// `message` if absent, `function_call`, `function_call_output`, `custom_tool_call`, `custom_tool_call_output`, `item_reference`, …
    r#type: Option<String>,
    /// Id of the item. If it is an output item of this server, the session of its run is continued.
    id: Option<String>,
    /// Role of the author of a message.
    role: Option<Role>,
    /// Content of a message: a text, or parts.
    content: Option<Content>,
    /// Name of a called function.
    name: Option<String>,
    /// Arguments of a called function, as JSON.
    arguments: Option<String>,
    /// Input of a called custom tool.
    #[schema(value_type = Option<String>)]
    input: Option<Value>,
    /// Output of a called function: a text, or parts.
    #[schema(value_type = Option<String>)]
    output: Option<Value>,
}

/// The content of a message.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string, or a list of parts with a type")]
#[schema(as = ResponseInputMessageContent)]
enum Content {
    Text(String),
    #[schema(value_type = Vec<ContentPart>)]
    Parts(Vec<Object<ContentPart>>),
}

/// A part of a message.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseInputPart)]
struct ContentPart {
    /// `input_text`, `input_image`, `input_file`, or `output_text` and `refusal` in messages of the assistant.
    r#type: String,
    /// The text of `input_text` and `output_text`.
    text: Option<String>,
    /// The text of a `refusal`.
    refusal: Option<String>,
    /// The image of an `input_image` as a data URL: `data:image/png;base64,…`. The server fetches no other URLs.
    image_url: Option<String>,
    /// File name of an `input_file`, without directories.
    filename: Option<String>,
    /// The file of an `input_file` as a data URL: `data:application/pdf;base64,…`.
    file_data: Option<String>,
}

/// The conversation of an input.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    /// The last output item of this server among the items.
    pub(super) anchor: Option<Anchor>,
}

/// An output item of this server in an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Anchor {
    /// The run that wrote it.
    pub(in crate::api) run: RunId,
    /// Number of messages up to it.
    pub(super) messages: usize,
    /// Field of the reference, if the input contains only a reference to it.
    pub(in crate::api) reference: Option<String>,
}

impl Input {
    /// Size of the images and files as they are in the request, in bytes.
    pub(super) fn encoded_size(&self) -> usize {
        let items = match self {
            Self::Text(_) => &[],
            Self::Items(items) => items.as_slice(),
        };
        let parts = items.iter().filter_map(|Object(item)| match &item.content {
            Some(Content::Parts(parts)) => Some(parts),
            Some(Content::Text(_)) | None => None,
        });
        let data = |part: &ContentPart| part.image_url.as_ref().or(part.file_data.as_ref()).map_or(0, String::len);
        parts.flatten().map(|Object(part)| data(part)).sum()
    }

    /// The conversation.
    ///
    /// # Errors
    /// If an item is incomplete, or a part of a message is not supported.
    pub(super) fn into_conversation(self) -> Result<Conversation, ApiError> {
        let items = match self {
            Self::Text(text) => return Ok(Conversation { messages: vec![message(Role::User, text)], anchor: None }),
            Self::Items(items) => items,
        };
        let mut conversation = Conversation::default();
        for (Object(item), index) in items.into_iter().zip(0..) {
            let field = format!("input[{index}]");
            let run = item.id.as_deref().and_then(run_of_item);
            let is_reference = item.r#type.as_deref() == Some("item_reference");
            if is_reference && run.is_none() {
                let detail = "must be the id of an output item of this server";
                return Err(ApiError::invalid_field(format!("{field}.id"), FaultCode::NotFound, detail));
            }
            conversation.messages.extend(item.into_message(&field)?);
            if let Some(run) = run {
                let reference = is_reference.then(|| format!("{field}.id"));
                conversation.anchor = Some(Anchor { run, messages: conversation.messages.len(), reference });
            }
        }
        Ok(conversation)
    }
}

impl InputItem {
    /// The message of an item; `None` if the item says nothing to the agent.
    fn into_message(self, field: &str) -> Result<Option<Message>, ApiError> {
        let kind = self.r#type.as_deref().unwrap_or("message");
        Ok(match kind {
            "message" => {
                let required = |name: &str| ApiError::invalid_field(format!("{field}.{name}"), FaultCode::Required, "is required");
                let role = self.role.ok_or_else(|| required("role"))?;
                Some(self.content.ok_or_else(|| required("content"))?.into_message(role, field)?)
            }
            "function_call" | "custom_tool_call" => {
                let input = self.arguments.or_else(|| self.input.map(|input| text_of(&input))).unwrap_or_default();
                Some(message(Role::Assistant, tool_call(&self.name.unwrap_or_default(), &input)))
            }
            "function_call_output" | "custom_tool_call_output" => {
                Some(message(Role::Tool, self.output.map(|output| text_of(&output)).unwrap_or_default()))
            }
            _ => None,
        })
    }
}

impl Content {
    fn into_message(self, role: Role, field: &str) -> Result<Message, ApiError> {
        let parts = match self {
            Self::Text(text) => return Ok(message(role, text)),
            Self::Parts(parts) => parts,
        };
        let (mut texts, mut files) = (Vec::new(), Vec::new());
        for (Object(part), index) in parts.into_iter().zip(0..) {
            match part.into_content(format!("{field}.content[{index}]"))? {
                PartContent::Text(text) => texts.push(text),
                PartContent::File(file) => files.push(file),
            }
        }
        Ok(Message { role, text: texts.join("\n"), files })
    }
}

/// What a part contains.
enum PartContent {
    Text(String),
    File(MessageFile),
}

impl ContentPart {
    fn into_content(self, part: String) -> Result<PartContent, ApiError> {
        let required = |name: &str| ApiError::invalid_field(format!("{part}.{name}"), FaultCode::Required, "is required");
        match self.r#type.as_str() {
            "input_text" | "output_text" | "text" => self.text.map(PartContent::Text).ok_or_else(|| required("text")),
            "refusal" => self.refusal.map(PartContent::Text).ok_or_else(|| required("refusal")),
            "input_image" => {
                let data = self.image_url.ok_or_else(|| required("image_url"))?;
                from_data_url(part, "image_url", AttachmentKind::Image, None, &data).map(PartContent::File)
            }
            "input_file" => {
                let data = self.file_data.ok_or_else(|| required("file_data"))?;
                from_data_url(part, "file_data", AttachmentKind::File, self.filename, &data).map(PartContent::File)
            }
            _ => Err(unsupported(format!("{part}.type"), "agents take input_text, input_image and input_file")),
        }
    }
}

fn message(role: Role, text: String) -> Message {
    Message { role, text, files: Vec::new() }
}

/// The text of a function's output: a string, the texts of its parts, or its JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().all(|part| part["type"].is_string()) => {
            let texts: Vec<_> = parts.iter().map(|part| part["text"].as_str().unwrap_or("[attachment]")).collect();
            texts.join("\n")
        }
        other => other.to_string(),
    }
}
