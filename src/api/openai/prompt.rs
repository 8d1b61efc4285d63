//! Converts a conversation into a prompt.
//!
//! OpenAI's clients send the whole conversation with every request. Agents accept one message and have their own memory. So the conversation is
//! written as one text; in a session only the new messages are sent.

use std::fmt::Write as _;

use super::message::{Message, MessageFile, Role};

/// The prompt after a message of the assistant, which clients send to have it continued.
const CONTINUE_MESSAGE: &str = "Continue the assistant's last message where it ends.";

/// The prompt after the result of a tool.
const CONTINUE_AFTER_TOOL: &str = "Continue the conversation with the results of the tools.";

/// The prompt in a session without new messages.
const CONTINUE: &str = "Continue.";

/// The prompt for a conversation, and the images and files that belong to it. `in_session` states whether the agent remembers the messages up
/// to the last one of the assistant. Empty if the conversation contains no text to answer.
///
/// A single message is the prompt itself. Earlier messages precede it in tags: system messages first, then the conversation. In the
/// conversation, images and files are named by their position.
pub(super) fn prompt(messages: Vec<Message>, in_session: bool) -> (String, Vec<MessageFile>) {
    let answered = messages.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |last| last + 1);
    let new = messages.into_iter().skip(if in_session { answered } else { 0 });
    let (instructions, mut conversation): (Vec<_>, Vec<_>) = new.partition(|message| message.role.is_system());
    let mut instructions: Vec<String> = instructions.into_iter().map(|message| message.text).collect();
    let last_role = conversation.last().map(|message| message.role);
    let last = conversation.pop_if(|message| message.role == Role::User);
    let (mut files, mut tagged_messages) = (Vec::new(), Vec::new());
    for message in conversation {
        let mut text = message.text;
        for file in message.files {
            files.push(file);
            let _ = write!(text, "\n[attachment {}]", files.len());
        }
        if !text.trim().is_empty() {
            tagged_messages.push(tagged(message.role.tag(), &text));
        }
    }
    let closing = match (last, last_role) {
        (Some(message), _) => {
            files.extend(message.files);
            message.text
        }
        (None, Some(Role::Tool | Role::Function)) => CONTINUE_AFTER_TOOL.to_owned(),
        (None, Some(_)) => CONTINUE_MESSAGE.to_owned(),
        // Only instructions: they are the request.
        (None, None) if !instructions.is_empty() => std::mem::take(&mut instructions).join("\n\n"),
        (None, None) if answered > 0 => CONTINUE.to_owned(),
        (None, None) => String::new(),
    };
    if closing.trim().is_empty() {
        return (String::new(), files);
    }
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(tagged("instructions", &instructions.join("\n\n")));
    }
    if !tagged_messages.is_empty() {
        parts.push(tagged("conversation", &tagged_messages.join("\n")));
    }
    parts.push(closing);
    (parts.join("\n\n"), files)
}

fn tagged(tag: &str, text: &str) -> String {
    format!("<{tag}>\n{text}\n</{tag}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(list: &[(Role, &str)]) -> Vec<Message> {
        list.iter().map(|(role, text)| Message { role: *role, text: (*text).to_owned(), files: Vec::new() }).collect()
    }

    fn text(list: &[(Role, &str)], in_session: bool) -> String {
        prompt(messages(list), in_session).0
    }

    #[test]
    fn a_single_message_is_the_prompt() {
        assert_eq!(text(&[(Role::User, "  -hello\n")], false), "  -hello\n");
        assert_eq!(text(&[(Role::System, "say hello")], false), "say hello", "instructions alone are the request");
    }

    #[test]
    fn system_messages_precede_the_conversation_and_the_last_message_is_last() {
        let conversation = [(Role::User, "one"), (Role::System, "be brief"), (Role::Assistant, "1"), (Role::User, "two")];
        assert_eq!(
            text(&conversation, false),
            "<instructions>\nbe brief\n</instructions>\n\n\
             <conversation>\n<user>\none\n</user>\n<assistant>\n1\n</assistant>\n</conversation>\n\ntwo"
        );
        let reminder = [(Role::User, "two"), (Role::System, "be brief")];
        assert_eq!(text(&reminder, false), "<instructions>\nbe brief\n</instructions>\n\ntwo", "instructions may be last");
    }

    #[test]
    fn in_a_session_only_messages_after_the_last_response_are_sent() {
        let conversation = [(Role::System, "be brief"), (Role::User, "one"), (Role::Assistant, "1"), (Role::User, "two")];
        assert_eq!(text(&conversation, true), "two");
        assert_eq!(text(&[(Role::System, "be brief"), (Role::User, "one")], true), "<instructions>\nbe brief\n</instructions>\n\none");
        assert_eq!(text(&[(Role::User, "one"), (Role::Assistant, "1")], true), CONTINUE);
    }

    #[test]
    fn a_conversation_that_ends_with_the_assistant_or_a_tool_is_continued() {
        let prefill = [(Role::User, "count"), (Role::Assistant, "1, 2,")];
        let expected =
            format!("<conversation>\n<user>\ncount\n</user>\n<assistant>\n1, 2,\n</assistant>\n</conversation>\n\n{CONTINUE_MESSAGE}");
        assert_eq!(text(&prefill, false), expected);
        let tool = [(Role::User, "weather?"), (Role::Assistant, "<tool_call>"), (Role::Tool, "sunny")];
        assert!(text(&tool, false).ends_with(&format!("<tool>\nsunny\n</tool>\n</conversation>\n\n{CONTINUE_AFTER_TOOL}")));
        assert_eq!(text(&tool, true), format!("<conversation>\n<tool>\nsunny\n</tool>\n</conversation>\n\n{CONTINUE_AFTER_TOOL}"));
    }

    #[test]
    fn a_conversation_without_text_to_answer_has_no_prompt() {
        for empty in [&[][..], &[(Role::User, " ")], &[(Role::System, "be brief"), (Role::User, "")], &[(Role::System, "")]] {
            assert_eq!(text(empty, false), "", "{empty:?}");
        }
    }
}
