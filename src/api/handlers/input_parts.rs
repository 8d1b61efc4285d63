//! The parts of prompts and messages: texts, images and files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::json_object::Object;
use super::super::limits::{BodyPermit, RateKey};
use super::super::{ApiError, AppState, FaultCode, FieldError};
use crate::run::{MAX_UPLOAD_BYTES, NewAttachment, Upload};
use crate::types::{Attachment, AttachmentInfo, AttachmentKind, Caller, UploadId};

/// A part of the input: a text, an image that the model sees, or a file that the agent can read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InputPart {
    /// Kind of part.
    r#type: PartType,
    /// The text; required for `text`, and only there.
    text: Option<String>,
    /// Media type; required for images (`image/png`, `image/jpeg`, `image/gif`, `image/webp`) and files without `file_id`.
    media_type: Option<String>,
    /// The content in Base64; images and files have this or `file_id`.
    data: Option<String>,
    /// An uploaded file of the caller, instead of `data`. Its name and media type are the default ones; those of an image cannot be changed.
    file_id: Option<UploadId>,
    /// File name without directories. Default: `image-N` or `file-N`, with the position N of the part from 1.
    #[schema(max_length = 128)]
    name: Option<String>,
    /// What `file_id` refers to, once it was read.
    #[serde(skip)]
    uploaded: Option<Uploaded>,
}

/// An upload with its content.
struct Uploaded {
    upload: Upload,
    content: Bytes,
}

/// Maximum amount of memory that is reserved for the uploads of a request, in bytes. A user's share is not much larger, and the body of the
/// request has a part of it.
const MAX_RESERVED: usize = 8 * 1024 * 1024;

/// Reads the uploads that parts refer to. The returned permit counts their memory, and is to be held until the request is handled. `field` is
/// the name of the list of parts.
///
/// # Errors
/// 422 with every part whose upload does not exist; 503 if there is no memory.
pub(super) async fn read_uploads(
    app: &AppState,
    caller: &Caller,
    parts: Option<&mut Vec<Object<InputPart>>>,
    field: &str,
) -> Result<Option<BodyPermit>, ApiError> {
    let (mut found, mut faults, mut size) = (Vec::new(), Vec::new(), 0_u64);
    for (index, Object(part)) in parts.into_iter().flatten().enumerate() {
        let Some(id) = part.file_id else { continue };
        match app.runs.find_upload(caller, id) {
            Ok(upload) => {
                size = size.saturating_add(upload.size);
                found.push((part, id, upload));
            }
            Err(missing) => {
                faults.push(FieldError::new(format!("{field}[{index}].file_id"), FaultCode::NotFound, missing.to_string()));
            }
        }
    }
    if !faults.is_empty() {
        return Err(ApiError::invalid_fields(faults));
    }
    if found.is_empty() {
        return Ok(None);
    }
    if found.len() > MAX_UPLOADS || size > MAX_UPLOAD_BYTES {
        let detail = format!("refers to too many uploads; the maximum is {MAX_UPLOADS} of {} MiB together", MAX_UPLOAD_BYTES / 1024 / 1024);
        return Err(ApiError::invalid_field(field, FaultCode::TooMany, detail));
    }
    let sender = RateKey::User(caller.user.name.clone());
    let memory = app.limits.bodies.reserve(sender, usize::try_from(size).unwrap_or(MAX_RESERVED).min(MAX_RESERVED)).await?;
    for (part, id, upload) in found {
        let content = app.runs.read_upload(id, &upload).await?;
        part.uploaded = Some(Uploaded { upload, content });
    }
    Ok(Some(memory))
}

/// Maximum number of uploads that a request refers to.
const MAX_UPLOADS: usize = 32;

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
            Ok(PartContent::Attachment { attachment, is_uploaded }) => attachments.push(NewAttachment { index, attachment, is_uploaded }),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok((texts.join("\n\n"), attachments)) } else { Err(ApiError::invalid_fields(faults)) }
}

/// What a part contains.
enum PartContent {
    Text(String),
    Attachment { attachment: Attachment, is_uploaded: bool },
}

impl InputPart {
    /// Its content. `parts` is the name of the list that it is part of.
    fn into_content(self, parts: &str, index: usize) -> Result<PartContent, FieldError> {
        let fault = |field: &str, code, detail: &str| FieldError::new(format!("{parts}[{index}].{field}"), code, detail);
        let required = |field| fault(field, FaultCode::Required, "is required for this type of part");
        let unexpected = |field| fault(field, FaultCode::Conflict, "does not belong to this type of part");
        let kind = match self.r#type {
            PartType::Text => {
                let file_id = self.file_id.map(|id| id.to_string());
                let others = [("media_type", &self.media_type), ("data", &self.data), ("name", &self.name), ("file_id", &file_id)];
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
        if let Some(Uploaded { upload, content }) = self.uploaded {
            if self.data.is_some() {
                return Err(fault("data", FaultCode::Conflict, "give either data or file_id"));
            }
            if kind == AttachmentKind::Image && !upload.is_image() {
                let detail = format!("is no PNG, JPEG, GIF or WebP image; its content is {}", upload.media_type);
                return Err(fault("file_id", FaultCode::Invalid, &detail));
            }
            if upload.is_image() && self.media_type.as_ref().is_some_and(|media_type| *media_type != upload.media_type) {
                let detail = format!("must be absent or {}, which the content is", upload.media_type);
                return Err(fault("media_type", FaultCode::Conflict, &detail));
            }
            let (media_type, name) = (self.media_type.unwrap_or(upload.media_type), self.name.unwrap_or(upload.name));
            let info = AttachmentInfo { kind, media_type, name, size: content.len() as u64 };
            return Ok(PartContent::Attachment { attachment: Attachment { info, content }, is_uploaded: true });
        }
        let media_type = self.media_type.ok_or_else(|| required("media_type"))?;
        let data = self.data.ok_or_else(|| required("data"))?;
        let content = STANDARD.decode(data).map_err(|_| fault("data", FaultCode::Invalid, "must be Base64 with padding"))?;
        let name = self.name.unwrap_or_else(|| format!("{}-{}", kind.as_str(), index + 1));
        let info = AttachmentInfo { kind, media_type, name, size: content.len() as u64 };
        Ok(PartContent::Attachment { attachment: Attachment { info, content: content.into() }, is_uploaded: false })
    }
}
