//! The input of a response in OpenAI's format.

use serde::Serialize;
use utoipa::ToSchema;

use super::id::item_id;
use crate::run::RunView;
use crate::types::{AttachmentInfo, AttachmentKind};

/// The input items of a response, as a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseInputItems)]
pub(in crate::api) struct InputItemList {
    /// Always `list`.
    object: &'static str,
    /// The items.
    data: Vec<InputMessage>,
    /// Id of the first item; null if the page is empty.
    #[schema(required)]
    first_id: Option<String>,
    /// Id of the last item; null if the page is empty.
    #[schema(required)]
    last_id: Option<String>,
    /// Always false.
    has_more: bool,
}

/// The prompt as the agent received it: one message, also if the request had several items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseInputMessage)]
struct InputMessage {
    /// Id of the item.
    id: String,
    /// Always `message`.
    r#type: &'static str,
    /// Always `completed`.
    status: &'static str,
    /// Always `user`.
    role: &'static str,
    /// The prompt, and the images and files without their content.
    content: Vec<InputPart>,
}

/// A part of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type")]
#[schema(as = ResponseInputContent)]
enum InputPart {
    /// Text.
    #[serde(rename = "input_text")]
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    #[serde(rename = "input_image")]
    Image {
        /// Always `auto`.
        detail: &'static str,
    },
    /// A file.
    #[serde(rename = "input_file")]
    File {
        /// File name.
        filename: String,
    },
}

impl From<&AttachmentInfo> for InputPart {
    fn from(info: &AttachmentInfo) -> Self {
        match info.kind {
            AttachmentKind::Image => Self::Image { detail: "auto" },
            AttachmentKind::File => Self::File { filename: info.name.clone() },
        }
    }
}

impl InputItemList {
    /// The input of a run, unless the page begins `after` its only item.
    pub(in crate::api) fn new(run: &RunView, after: Option<&str>) -> Self {
        let id = item_id("in", run.run_id, 0);
        let content = std::iter::once(InputPart::Text { text: run.prompt.clone() });
        let content = content.chain(run.attachments.iter().map(InputPart::from)).collect();
        let message = InputMessage { id: id.clone(), r#type: "message", status: "completed", role: "user", content };
        let data: Vec<_> = (after != Some(id.as_str())).then_some(message).into_iter().collect();
        let id = (!data.is_empty()).then_some(id);
        Self { object: "list", data, first_id: id.clone(), last_id: id, has_more: false }
    }
}
