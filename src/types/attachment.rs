//! Images and files that a run is given with its prompt.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Kind of attachment.
    #[derive(ToSchema)]
    pub enum AttachmentKind {
        /// An image that the agent's model sees.
        Image = "image",
        /// A file that the agent can read.
        File = "file",
    }
}

/// An attachment without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Attachment)]
pub struct AttachmentInfo {
    /// Kind of attachment.
    #[serde(rename = "type")]
    pub kind: AttachmentKind,
    /// Its media type, such as `image/png`.
    pub media_type: String,
    /// Its file name: one component of a path.
    pub name: String,
    /// Size of its content in bytes.
    pub size: u64,
}

/// An attachment.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What it is.
    pub info: AttachmentInfo,
    /// Its content.
    pub content: Bytes,
}

/// Without the content, which can be megabytes.
impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}
