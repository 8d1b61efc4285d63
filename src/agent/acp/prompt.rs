//! The content of prompts.

use serde_json::{Value, json};

use crate::agent::common::attachments;
use crate::agent::message::add_path;
use crate::agent::{Image, Message, Task};
use crate::types::{Attachment, AttachmentKind};

/// What the next prompt contains besides its text.
#[derive(Debug, Default)]
pub(super) struct PromptParts {
    attachments: Vec<Attachment>,
    /// Where the agent finds the files.
    paths: Vec<String>,
    /// The parts of a further message, whose files have been written.
    message: Option<Message>,
}

impl PromptParts {
    pub(super) fn of_task(task: &Task) -> Self {
        let path = |attachment: &Attachment| task.input_dir.join(&attachment.info.name).to_string_lossy().into_owned();
        Self { attachments: task.attachments.clone(), paths: task.attachments.iter().map(path).collect(), message: None }
    }

    pub(super) fn of_message(message: &Message) -> Self {
        Self { message: Some(message.clone()), ..Self::default() }
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The blocks of a prompt with this text. Files of text are part of it if the agent takes them; the others are named by their paths.
    pub(super) fn into_blocks(self, text: &str, embeds_files: bool) -> Vec<Value> {
        let (mut text, mut blocks, mut is_first) = (text.to_owned(), vec![Value::Null], true);
        for (Attachment { info, content }, path) in self.attachments.iter().zip(&self.paths) {
            let media_type = &info.media_type;
            match (info.kind, std::str::from_utf8(content)) {
                (AttachmentKind::Image, _) => {
                    let data = attachments::base64(content);
                    blocks.push(json!({ "type": "image", "mimeType": media_type, "data": data }));
                }
                (AttachmentKind::File, Ok(content)) if embeds_files => {
                    let resource = json!({ "uri": format!("file://{path}"), "mimeType": media_type, "text": content });
                    blocks.push(json!({ "type": "resource", "resource": resource }));
                }
                (AttachmentKind::File, _) => {
                    add_path(&mut text, path, media_type, std::mem::replace(&mut is_first, false));
                }
            }
        }
        if let Some(message) = self.message {
            for Image { media_type, content } in &message.images {
                blocks.push(json!({ "type": "image", "mimeType": media_type, "data": attachments::base64(content) }));
            }
            for (position, file) in message.files.iter().enumerate() {
                add_path(&mut text, &file.path, &file.media_type, position == 0);
            }
        }
        blocks[0] = json!({ "type": "text", "text": text });
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::replay;

    fn blocks(embeds_files: bool) -> Vec<Value> {
        let mut task = replay::task("agent");
        task.attachments = vec![replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b c.txt")];
        let mut binary = replay::attachment(AttachmentKind::File, "d.bin");
        binary.content = vec![0xff].into();
        task.attachments.push(binary);
        PromptParts::of_task(&task).into_blocks("Look.", embeds_files)
    }

    #[test]
    fn text_is_embedded_if_the_agent_takes_it_and_everything_else_is_named() {
        let image = json!({ "type": "image", "mimeType": "image/png", "data": "Y29udGVudA==" });
        let resource = json!({ "uri": "file:///tmp/openrunner-input/b c.txt", "mimeType": "text/plain", "text": "content" });
        let text = "Look.\n\nFiles given with this task:\n- /tmp/openrunner-input/d.bin (text/plain)";
        let embedded = [json!({ "type": "text", "text": text }), image.clone(), json!({ "type": "resource", "resource": resource })];
        assert_eq!(blocks(true), embedded);
        let text = "Look.\n\nFiles given with this task:\n- /tmp/openrunner-input/b c.txt (text/plain)\n- /tmp/openrunner-input/d.bin \
                    (text/plain)";
        assert_eq!(blocks(false), [json!({ "type": "text", "text": text }), image]);
    }

    #[test]
    fn the_parts_of_a_prompt_are_sent_once_and_messages_have_their_own() {
        let mut task = replay::task("agent");
        task.attachments = vec![replay::attachment(AttachmentKind::Image, "a.png")];
        let mut parts = PromptParts::of_task(&task);
        assert_eq!(parts.take().into_blocks("one", false).len(), 2);
        assert_eq!(parts.take().into_blocks("two", false), [json!({ "type": "text", "text": "two" })]);
        let attached = [replay::attachment(AttachmentKind::Image, "a.png"), replay::attachment(AttachmentKind::File, "b.txt")];
        let message = Message::new("three".to_owned(), Some(1), &attached, std::path::Path::new("/in"));
        let image = json!({ "type": "image", "mimeType": "image/png", "data": "Y29udGVudA==" });
        let text = "three\n\nFiles given with this task:\n- /in/b.txt (text/plain)";
        let blocks = PromptParts::of_message(&message).into_blocks("three", true);
        assert_eq!(blocks, [json!({ "type": "text", "text": text }), image]);
    }
}
