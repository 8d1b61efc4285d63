//! Converts a conversation into a prompt.
//!
//! OpenAI's clients send the whole conversation with every request. Agents accept one message and have their own memory. So the conversation is
//! written as one text; in a session only the new messages are sent.

use super::message::{Role, TextMessage};

/// The prompt for the last message, which is the user's. `in_session` states whether the agent remembers the earlier messages.
///
/// A single message is the prompt itself. Earlier messages precede it in tags: system messages first, then the conversation.
pub(super) fn prompt(messages: &[TextMessage], in_session: bool) -> String {
    let answered = messages.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |last| last + 1);
    let messages = if in_session { messages.get(answered..).unwrap_or_default() } else { messages };
    let Some((last, before)) = messages.split_last() else { return String::new() };
    let is_system = |message: &&TextMessage| matches!(message.role, Role::System | Role::Developer);
    let conversation: Vec<String> =
        before.iter().filter(|message| !is_system(message)).map(|message| tagged(message.role.tag(), &message.text)).collect();
    let instructions: Vec<&str> = before.iter().filter(is_system).map(|message| message.text.as_str()).collect();
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(tagged("instructions", &instructions.join("\n\n")));
    }
    if !conversation.is_empty() {
        parts.push(tagged("conversation", &conversation.join("\n")));
    }
    parts.push(last.text.clone());
    parts.join("\n\n")
}

fn tagged(tag: &str, text: &str) -> String {
    format!("<{tag}>\n{text}\n</{tag}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(list: &[(Role, &str)]) -> Vec<TextMessage> {
        list.iter().map(|(role, text)| TextMessage { role: *role, text: (*text).to_owned() }).collect()
    }

    #[test]
    fn a_single_message_is_the_prompt() {
        assert_eq!(prompt(&messages(&[(Role::User, "  -hello\n")]), false), "  -hello\n");
    }

    #[test]
    fn system_messages_precede_the_conversation_and_the_last_message_is_last() {
        let conversation = messages(&[(Role::User, "one"), (Role::System, "be brief"), (Role::Assistant, "1"), (Role::User, "two")]);
        assert_eq!(
            prompt(&conversation, false),
            "<instructions>\nbe brief\n</instructions>\n\n\
             <conversation>\n<user>\none\n</user>\n<assistant>\n1\n</assistant>\n</conversation>\n\ntwo"
        );
    }

    #[test]
    fn in_a_session_only_messages_after_the_last_response_are_sent() {
        let conversation = messages(&[(Role::System, "be brief"), (Role::User, "one"), (Role::Assistant, "1"), (Role::User, "two")]);
        assert_eq!(prompt(&conversation, true), "two");
        let first = messages(&[(Role::System, "be brief"), (Role::User, "one")]);
        assert_eq!(prompt(&first, true), "<instructions>\nbe brief\n</instructions>\n\none");
    }
}
