//! A further message to an agent that has not been delivered yet.

use serde_json::{Value, json};

use crate::agent::handle::MessageDigest;
use crate::run::attachments::NewAttachment;
use crate::types::{Attachment, AttachmentInfo, MessageMode};

/// A message to a live run as requested, not validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageInput {
    /// Its text.
    pub text: String,
    /// Its images and files.
    pub attachments: Vec<NewAttachment>,
    /// How it is delivered.
    pub mode: MessageMode,
}

/// A message to a live run, with its images and files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewMessage {
    /// Its text.
    pub(super) text: String,
    /// Its images and files.
    pub(super) attachments: Vec<Attachment>,
}

#[cfg(test)]
impl From<&str> for NewMessage {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), attachments: Vec::new() }
    }
}

/// A stored message that waits for its turn. The content of its attachments is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its text.
    pub text: String,
    /// Its number among the messages of the run with attachments; `None` without any.
    pub number: Option<u64>,
    /// Its images and files.
    pub attachments: Vec<AttachmentInfo>,
}

impl QueuedMessage {
    /// A message of only a text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Its digest in the agent's history.
    pub(super) fn digest(&self) -> MessageDigest {
        MessageDigest::of(&self.text, self.number)
    }

    /// Queued messages as the data of a notice: their texts, and what is attached to those that have attachments.
    pub(super) fn describe<'a>(queued: impl IntoIterator<Item = &'a Self>, data: &mut Value) {
        let (mut texts, mut attached) = (Vec::new(), Vec::new());
        for (position, message) in queued.into_iter().enumerate() {
            texts.push(&message.text);
            if let Some(number) = message.number {
                attached.push(json!({ "message": position, "number": number, "attachments": message.attachments }));
            }
        }
        data["messages"] = json!(texts);
        if !attached.is_empty() {
            data["attached"] = attached.into();
        }
    }

    /// The messages that [`QueuedMessage::describe`] has added to the data of a notice.
    pub(super) fn from_data(data: Option<&Value>) -> Vec<Self> {
        let list = |name: &str| data.and_then(|data| data.get(name)?.as_array()).into_iter().flatten();
        let mut messages: Vec<Self> = list("messages").filter_map(Value::as_str).map(Self::text).collect();
        for attached in list("attached") {
            let position = attached.get("message").and_then(Value::as_u64).and_then(|position| usize::try_from(position).ok());
            if let Some(message) = position.and_then(|position| messages.get_mut(position)) {
                message.number = attached.get("number").and_then(Value::as_u64);
                let infos = attached.get("attachments").cloned().unwrap_or_default();
                message.attachments = serde_json::from_value(infos).unwrap_or_default();
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AttachmentKind;

    #[test]
    fn queued_messages_are_read_from_the_notice_that_describes_them() {
        let info = AttachmentInfo { kind: AttachmentKind::Image, media_type: "image/png".into(), name: "a.png".into(), size: 1 };
        let with_image = QueuedMessage { text: "two".into(), number: Some(4), attachments: vec![info] };
        let queued = [QueuedMessage::text("one"), with_image];
        let mut data = json!({});
        QueuedMessage::describe(&queued, &mut data);
        assert_eq!(data["messages"], json!(["one", "two"]));
        assert_eq!(QueuedMessage::from_data(Some(&data)), queued);
        let damaged = json!({ "messages": ["one", 2], "attached": [{ "message": 7 }, { "message": "x" }, 3] });
        assert_eq!(QueuedMessage::from_data(Some(&damaged)), [QueuedMessage::text("one")]);
        assert_eq!(QueuedMessage::from_data(None), []);
        let digests = [None, Some(1), Some(2)].map(|number| MessageDigest::of("same", number));
        assert!(digests[0] != digests[1] && digests[1] != digests[2]);
    }
}
