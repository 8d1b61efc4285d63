//! Content blocks as text and diffs.

use agent_client_protocol_schema::v1::{ContentBlock, Diff, EmbeddedResourceResource, ToolCallContent};
use serde_json::Value;

/// The text of a tool call's content. What has no text is named, so that a result which is only an image is not empty.
pub(super) fn text_of(content: Option<&[ToolCallContent]>) -> Option<String> {
    let texts = content?.iter().filter_map(|each| match each {
        ToolCallContent::Content(content) => text_of_block(&content.content),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

pub(super) fn diffs_of(content: Option<&[ToolCallContent]>) -> Vec<Diff> {
    let diff = |each: &ToolCallContent| match each {
        ToolCallContent::Diff(diff) => Some(diff.clone()),
        _ => None,
    };
    content.unwrap_or_default().iter().filter_map(diff).collect()
}

/// The text of the content block `block` of a message. `None` if the block is malformed or of an unknown type.
pub(super) fn text_of_value(block: &Value) -> Option<String> {
    text_of_block(&serde_json::from_value(block.clone()).ok()?)
}

fn text_of_block(block: &ContentBlock) -> Option<String> {
    match block {
        ContentBlock::Text(text) => Some(text.text.clone()),
        ContentBlock::Image(image) => Some(match image.uri.as_deref().filter(|uri| !uri.starts_with("data:")) {
            Some(uri) => format!("[image: {}]({uri})", image.mime_type),
            None => format!("[image: {}]", image.mime_type),
        }),
        ContentBlock::Audio(audio) => Some(format!("[audio: {}]", audio.mime_type)),
        ContentBlock::ResourceLink(link) => Some(format!("[{}]({})", link.name, link.uri)),
        ContentBlock::Resource(resource) => match &resource.resource {
            EmbeddedResourceResource::TextResourceContents(text) => Some(text.text.clone()),
            EmbeddedResourceResource::BlobResourceContents(blob) => Some(format!("[resource: {}]", blob.uri)),
            _ => None,
        },
        _ => None,
    }
}
