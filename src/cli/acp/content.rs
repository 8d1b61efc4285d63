//! The content blocks of a prompt, as the input of a run.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::editor::RpcError;

/// A content block.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    #[serde(rename_all = "camelCase")]
    Image {
        data: String,
        mime_type: String,
    },
    Resource {
        resource: Resource,
    },
    ResourceLink {
        uri: String,
    },
    #[serde(other)]
    Other,
}

/// A file that is part of the prompt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    uri: String,
    text: Option<String>,
    blob: Option<String>,
    mime_type: Option<String>,
}

/// The input of a run: the texts, with links and embedded texts in place, and images and files.
///
/// # Errors
/// If a block is not supported, or nothing is to be done.
pub(super) fn input(prompt: &Value) -> Result<Value, RpcError> {
    let blocks: Vec<Block> =
        serde_json::from_value(prompt.clone()).map_err(|error| RpcError::invalid_params(format!("prompt: {error}")))?;
    let (mut text, mut parts) = (String::new(), Vec::new());
    for block in blocks {
        match block {
            Block::Text { text: more } => text.push_str(&more),
            Block::ResourceLink { uri } => text.push_str(path_of(&uri)),
            Block::Image { data, mime_type } => parts.push(json!({ "type": "image", "media_type": mime_type, "data": data })),
            Block::Resource { resource: Resource { uri, text: Some(content), .. } } => {
                let _ = write!(text, "\n<file path=\"{}\">\n{content}\n</file>\n", path_of(&uri));
            }
            Block::Resource { resource: Resource { uri, blob: Some(data), mime_type, .. } } => {
                let name = uri.rsplit('/').next().unwrap_or("file");
                let media_type = mime_type.unwrap_or_else(|| "application/octet-stream".to_owned());
                parts.push(json!({ "type": "file", "name": name, "media_type": media_type, "data": data }));
            }
            Block::Resource { .. } => {}
            Block::Other => return Err(RpcError::invalid_params("prompt: agents take text, images and files")),
        }
    }
    Ok(if parts.is_empty() { json!({ "text": text }) } else { json!({ "text": text, "parts": parts }) })
}

/// A local file by its path, anything else by its address.
fn path_of(uri: &str) -> &str {
    uri.strip_prefix("file://").unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_becomes_text_with_links_and_files_in_place() {
        let prompt = json!([
            { "type": "text", "text": "compare " },
            { "type": "resource_link", "uri": "file:///home/me/a.rs", "name": "a.rs" },
            { "type": "text", "text": " with this:" },
            { "type": "resource", "resource": { "uri": "file:///home/me/b.rs", "text": "fn b() {}" } },
            { "type": "image", "data": "eA==", "mimeType": "image/png" },
            { "type": "resource", "resource": { "uri": "file:///home/me/c.pdf", "blob": "eA==", "mimeType": "application/pdf" } },
        ]);
        let expected = json!({
            "text": "compare /home/me/a.rs with this:\n<file path=\"/home/me/b.rs\">\nfn b() {}\n</file>\n",
            "parts": [
                { "type": "image", "media_type": "image/png", "data": "eA==" },
                { "type": "file", "name": "c.pdf", "media_type": "application/pdf", "data": "eA==" },
            ],
        });
        assert_eq!(input(&prompt).unwrap(), expected);
        assert!(input(&json!([{ "type": "audio", "data": "eA==", "mimeType": "audio/wav" }])).is_err());
        assert!(input(&json!("hello")).is_err());
    }
}
