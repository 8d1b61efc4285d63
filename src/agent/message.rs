//! What a user gives to an agent at a time: a text with images and files.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::{Attachment, AttachmentKind};

/// A message from the user to a running program. It contains everything that the program receives, so that a later server can repeat it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its text.
    pub text: String,
    /// Its number among the messages of the run with attachments; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Its images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Its files, which the program can read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FilePath>,
}

/// An image with its content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its media type.
    pub media_type: String,
    /// Its content.
    #[serde(with = "base64")]
    pub content: Bytes,
}

/// A file by its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePath {
    /// Where the program finds it.
    pub path: String,
    /// Its media type.
    pub media_type: String,
}

/// A message with the content of its files, before they are written to where the program finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMessage {
    /// Its text.
    pub text: String,
    /// Its number among the messages of the run with attachments; `None` without any.
    pub number: Option<u64>,
    /// Its images and files.
    pub attachments: Vec<Attachment>,
}

impl Message {
    /// A message whose files are in `dir`, as the program sees it.
    pub(super) fn new(text: String, number: Option<u64>, attached: &[Attachment], dir: &Path) -> Self {
        let (mut images, mut files) = (Vec::new(), Vec::new());
        for Attachment { info, content } in attached {
            let media_type = info.media_type.clone();
            match info.kind {
                AttachmentKind::Image => images.push(Image { media_type, content: content.clone() }),
                AttachmentKind::File => files.push(FilePath { path: dir.join(&info.name).to_string_lossy().into_owned(), media_type }),
            }
        }
        Self { text, number, images, files }
    }

    /// The text, followed by the paths of the files.
    pub(super) fn full_text(&self) -> Cow<'_, str> {
        if self.files.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut text = self.text.clone();
        for (position, file) in self.files.iter().enumerate() {
            add_path(&mut text, &file.path, &file.media_type, position == 0);
        }
        Cow::Owned(text)
    }

    /// Size of its images in bytes.
    pub(super) fn image_bytes(&self) -> usize {
        self.images.iter().map(|image| image.content.len()).sum()
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

impl From<&str> for UserMessage {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// Names a file at the end of a prompt.
pub(super) fn add_path(prompt: &mut String, path: &str, media_type: &str, is_first: bool) {
    if is_first {
        prompt.push_str("\n\nFiles given with this task:");
    }
    // Writing to a string cannot fail.
    let _ = write!(prompt, "\n- {path} ({media_type})");
}

/// Without the content, which can be megabytes.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("media_type", &self.media_type).field("size", &self.content.len()).finish_non_exhaustive()
    }
}

/// Content as text in Base64.
mod base64 {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(content: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(content))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(&*text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::replay;

    #[test]
    fn a_message_is_journaled_with_its_images_and_the_paths_of_its_files() {
        let attached = [replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b.txt")];
        let message = Message::new("Look.".to_owned(), Some(2), &attached, Path::new("/tmp/in"));
        let journaled = json!({
            "text": "Look.", "number": 2,
            "images": [{ "media_type": "image/png", "content": "Y29udGVudA==" }],
            "files": [{ "path": "/tmp/in/b.txt", "media_type": "text/plain" }],
        });
        assert_eq!(json!(message), journaled);
        assert_eq!(serde_json::from_value::<Message>(journaled).unwrap(), message);
        assert_eq!(message.full_text(), "Look.\n\nFiles given with this task:\n- /tmp/in/b.txt (text/plain)");
        assert!(!format!("{message:?}").contains("content:"));
        assert_eq!(json!(Message::from("x")), json!({ "text": "x" }), "as earlier servers wrote it");
    }
}
