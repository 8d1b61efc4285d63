//! The parts of prompts and messages: texts, images and files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::json_object::Object;
use super::super::{ApiError, FaultCode, FieldError};
use crate::run::NewAttachment;
use crate::types::{Attachment, AttachmentInfo, AttachmentKind};

/// A part of the input: a text, an image that the model sees, or a file that the agent can read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InputPart {
    /// Kind of part.
    r#type: PartType,
    /// The text; required for `text`, and only there.
    text: Option<String>,
    /// Media type; required for images (`image/png`, `image/jpeg`, `image/gif`, `image/webp`) and files.
    media_type: Option<String>,
    /// The content in Base64; required for images and files.
    data: Option<String>,
    /// File name without directories. Default: `image-N` or `file-N`, with the position N of the part from 1.
    #[schema(max_length = 128)]
    name: Option<String>,
}

/// Kind of part.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PartType {
    /// Text of the prompt.
    Text,
    /// An image.
    Image,
    /// A file.
    File,
}

/// Size of the images and files as they are in the request, in bytes.
pub(super) fn encoded_size(parts: Option<&[Object<InputPart>]>) -> usize {
    parts.unwrap_or_default().iter().filter_map(|Object(part)| part.data.as_ref()).map(String::len).sum()
}

/// The whole text, and the images and files. `field` is the name of the list of parts.
///
/// # Errors
/// 422 with every part that lacks something or has too much.
pub(super) fn into_content(
    text: Option<String>,
    parts: Option<Vec<Object<InputPart>>>,
    field: &str,
) -> Result<(String, Vec<NewAttachment>), ApiError> {
    let (mut texts, mut attachments, mut faults) = (Vec::from_iter(text), Vec::new(), Vec::new());
    for (index, Object(part)) in parts.unwrap_or_default().into_iter().enumerate() {
        match part.into_content(field, index) {
            Ok(PartContent::Text(text)) => texts.push(text),
            Ok(PartContent::Attachment(attachment)) => attachments.push(NewAttachment { index, attachment }),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok((texts.join("\n\n"), attachments)) } else { Err(ApiError::invalid_fields(faults)) }
}

/// What a part contains.
enum PartContent {
    Text(String),
    Attachment(Attachment),
}

impl InputPart {
    /// Its content. `parts` is the name of the list that it is part of.
    fn into_content(self, parts: &str, index: usize) -> Result<PartContent, FieldError> {
        let fault = |field: &str, code, detail: &str| FieldError::new(format!("{parts}[{index}].{field}"), code, detail);
        let required = |field| fault(field, FaultCode::Required, "is required for this type of part");
        let unexpected = |field| fault(field, FaultCode::Conflict, "does not belong to this type of part");
        let kind = match self.r#type {
            PartType::Text => {
                let others = [("media_type", &self.media_type), ("data", &self.data), ("name", &self.name)];
                return match (self.text, others.iter().find(|(_, value)| value.is_some())) {
                    (_, Some((field, _))) => Err(unexpected(field)),
                    (Some(text), None) => Ok(PartContent::Text(text)),
                    (None, None) => Err(required("text")),
                };
            }
            PartType::Image => AttachmentKind::Image,
            PartType::File => AttachmentKind::File,
        };
        if self.text.is_some() {
            return Err(unexpected("text"));
        }
        let media_type = self.media_type.ok_or_else(|| required("media_type"))?;
        let data = self.data.ok_or_else(|| required("data"))?;
        let content = STANDARD.decode(data).map_err(|_| fault("data", FaultCode::Invalid, "must be Base64 with padding"))?;
        let name = self.name.unwrap_or_else(|| format!("{}-{}", kind.as_str(), index + 1));
        let info = AttachmentInfo { kind, media_type, name, size: content.len() as u64 };
        Ok(PartContent::Attachment(Attachment { info, content: content.into() }))
    }
}
