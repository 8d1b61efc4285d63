//! Messages of a conversation: text, images and files, and the tool calls of other clients' histories.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::json_object::Object;
use super::super::{ApiError, FaultCode};
use super::unsupported::unsupported;
use crate::types::{Attachment, AttachmentInfo, AttachmentKind};

/// Role of the author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatRole)]
pub(super) enum Role {
    /// The developer of the client.
    System,
    /// The newer name of `system`.
    Developer,
    /// The user.
    User,
    /// The agent.
    Assistant,
    /// The result of a tool of the client.
    Tool,
    /// The older name of `tool`.
    Function,
}

impl Role {
    /// Whether its messages are instructions rather than part of the conversation.
    pub(super) fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }

    /// The tag of the role in a prompt.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::System | Self::Developer => "instructions",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool | Self::Function => "tool",
        }
    }
}

/// A message of the conversation.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChatMessage {
    /// Role of the author.
    role: Role,
    /// The content: a text, or parts.
    content: Option<Content>,
    /// Tool calls of an earlier message of the assistant. Agents have none, so they come from the history of another model.
    #[schema(value_type = Option<Vec<ToolCall>>)]
    tool_calls: Option<Vec<Object<ToolCall>>>,
    /// The older form of `tool_calls`.
    #[schema(value_type = Option<CalledFunction>)]
    function_call: Option<Object<CalledFunction>>,
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
    /// `text`, `image_url`, `file` or, in messages of the assistant, `refusal`. Audio is not supported.
    r#type: String,
    /// The text of a `text` part.
    text: Option<String>,
    /// The text of a `refusal` part.
    refusal: Option<String>,
    /// The image of an `image_url` part.
    #[schema(value_type = Option<ImageUrl>)]
    image_url: Option<Object<ImageUrl>>,
    /// The file of a `file` part.
    #[schema(value_type = Option<InlineFile>)]
    file: Option<Object<InlineFile>>,
}

/// An image.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatImage)]
struct ImageUrl {
    /// The image as a data URL: `data:image/png;base64,…`. The server fetches no other URLs.
    url: String,
}

/// A file.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatFile)]
struct InlineFile {
    /// File name without directories.
    filename: Option<String>,
    /// The file as a data URL: `data:application/pdf;base64,…`.
    file_data: Option<String>,
}

/// A call of a tool.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatToolCall)]
struct ToolCall {
    /// The function; absent for other kinds of tools.
    #[schema(value_type = Option<CalledFunction>)]
    function: Option<Object<CalledFunction>>,
}

/// A called function.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatFunctionCall)]
struct CalledFunction {
    /// Its name.
    name: Option<String>,
    /// Its arguments as JSON.
    arguments: Option<String>,
}

/// A message with its images and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) text: String,
    pub(super) files: Vec<MessageFile>,
}

/// An image or file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageFile {
    /// The part in the request, such as `messages[0].content[1]`.
    pub(super) part: String,
    /// The field of the part that contains the content.
    pub(super) field: String,
    pub(super) kind: AttachmentKind,
    media_type: String,
    /// The name that the client chose.
    name: Option<String>,
    pub(super) content: Vec<u8>,
}

impl MessageFile {
    /// The attachment of a run. `number` counts from 1 and makes the name unique.
    pub(super) fn into_attachment(self, number: usize) -> Attachment {
        let prefix = self.kind.as_str();
        let name = match self.name {
            Some(name) => format!("{number}-{name}"),
            None => format!("{prefix}-{number}"),
        };
        let info = AttachmentInfo { kind: self.kind, media_type: self.media_type, name, size: self.content.len() as u64 };
        Attachment { info, content: self.content.into() }
    }
}

impl ChatMessage {
    /// Size of the images and files as they are in the request, in bytes.
    pub(super) fn encoded_size(&self) -> usize {
        let parts = match &self.content {
            Some(Content::Parts(parts)) => parts.as_slice(),
            Some(Content::Text(_)) | None => &[],
        };
        parts.iter().filter_map(|Object(part)| part.data()).map(str::len).sum()
    }

    /// The message at this index of the request.
    ///
    /// # Errors
    /// If a part is incomplete or not supported.
    pub(super) fn into_message(self, index: usize) -> Result<Message, ApiError> {
        let (mut texts, mut files) = (Vec::new(), Vec::new());
        match self.content {
            None => {}
            Some(Content::Text(text)) => texts.push(text),
            Some(Content::Parts(parts)) => {
                for (Object(part), part_index) in parts.into_iter().zip(0..) {
                    match part.into_content(format!("messages[{index}].content[{part_index}]"))? {
                        PartContent::Text(text) => texts.push(text),
                        PartContent::File(file) => files.push(file),
                    }
                }
            }
        }
        let calls = self.tool_calls.unwrap_or_default().into_iter().map(|Object(call)| call.function);
        for Object(call) in calls.chain([self.function_call]).flatten() {
            texts.push(tool_call(&call.name.unwrap_or_default(), &call.arguments.unwrap_or_default()));
        }
        Ok(Message { role: self.role, text: texts.join("\n"), files })
    }
}

/// What a part contains.
enum PartContent {
    Text(String),
    File(MessageFile),
}

impl ContentPart {
    /// The data URL of an image or file.
    fn data(&self) -> Option<&str> {
        let image = self.image_url.as_ref().map(|Object(image)| image.url.as_str());
        image.or_else(|| self.file.as_ref().and_then(|Object(file)| file.file_data.as_deref()))
    }

    fn into_content(self, part: String) -> Result<PartContent, ApiError> {
        let required = |name: &str| ApiError::invalid_field(format!("{part}.{name}"), FaultCode::Required, "is required");
        match self.r#type.as_str() {
            "text" => self.text.map(PartContent::Text).ok_or_else(|| required("text")),
            "refusal" => self.refusal.map(PartContent::Text).ok_or_else(|| required("refusal")),
            "image_url" => {
                let Object(image) = self.image_url.ok_or_else(|| required("image_url"))?;
                from_data_url(part, "image_url.url", AttachmentKind::Image, None, &image.url).map(PartContent::File)
            }
            "file" => {
                let Object(file) = self.file.ok_or_else(|| required("file"))?;
                let data = file.file_data.ok_or_else(|| required("file.file_data"))?;
                from_data_url(part, "file.file_data", AttachmentKind::File, file.filename, &data).map(PartContent::File)
            }
            _ => Err(unsupported(format!("{part}.type"), "agents take text, image_url and file")),
        }
    }
}

/// A tool call of an earlier message of the assistant, as text.
pub(super) fn tool_call(name: &str, arguments: &str) -> String {
    format!("<tool_call>\n{name} {arguments}\n</tool_call>")
}

/// The content of a data URL in the field `field` of `part`.
pub(super) fn from_data_url(
    part: String,
    field: &str,
    kind: AttachmentKind,
    name: Option<String>,
    url: &str,
) -> Result<MessageFile, ApiError> {
    let field = format!("{part}.{field}");
    let invalid = |detail| ApiError::invalid_field(field.as_str(), FaultCode::Invalid, detail);
    let data = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and_then(|scheme| url.get(scheme.len()..));
    let Some((header, data)) = data.and_then(|data| data.split_once(',')) else {
        return Err(invalid("must be a data URL such as data:image/png;base64,…; the server fetches no other URLs"));
    };
    let Some((media_type, "base64")) = header.rsplit_once(';') else {
        return Err(invalid("must be a data URL with a media type and Base64, such as data:image/png;base64,…"));
    };
    let mut media_type = media_type.split(';').next().unwrap_or_default().to_ascii_lowercase();
    // Not a registered type, but common.
    if media_type == "image/jpg" {
        "image/jpeg".clone_into(&mut media_type);
    }
    let content = STANDARD.decode(data).map_err(|_bad| invalid("must be Base64 with padding after the comma"))?;
    Ok(MessageFile { part, field, kind, media_type, name, content })
}
