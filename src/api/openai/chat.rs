//! Recognizes the chats of clients that send their history with every request.
//!
//! The session of a chat is found by a digest of what the user and the agent have said so far. Each answer moves the session on to the digest
//! that includes it. A history that the client has changed, such as an edited message or another answer, has another digest and thus a new
//! session, because the agent's memory could not be changed.
//!
//! Whitespace and the reasoning that some clients add to answers have no effect: clients trim and reformat what they store.

use super::message::{Message, Role};
use crate::auth::KeyedDigest;

/// Ends a turn. This byte does not occur in UTF-8.
const END: u8 = 0xFF;

/// Tags around reasoning that clients put into the text of an answer.
const REASONING: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<details type=\"reasoning\"", "</details>")];

/// The digest of a chat up to some point.
#[derive(Clone, Debug)]
pub(in crate::api) struct Chat {
    digest: KeyedDigest,
    /// Whether the present turn has a word.
    has_words: bool,
    /// Whether there is whitespace after its last word.
    has_gap: bool,
}

/// The chat of a request.
#[derive(Debug)]
pub(in crate::api) struct RequestChat {
    /// What was said up to the last answer; `None` if the request contains no answer.
    pub(in crate::api) answered: Option<[u8; 32]>,
    /// The whole request.
    pub(in crate::api) chat: Chat,
}

impl Chat {
    fn new(digest: KeyedDigest) -> Self {
        Self { digest, has_words: false, has_gap: false }
    }

    /// Begins the agent's answer.
    pub(in crate::api) fn begin_answer(&mut self) {
        self.begin(b'a');
    }

    /// Adds text of the answer.
    pub(in crate::api) fn push(&mut self, text: &str) {
        for (word, index) in text.split(char::is_whitespace).zip(0..) {
            self.has_gap |= index > 0;
            if word.is_empty() {
                continue;
            }
            if self.has_gap && self.has_words {
                self.digest.update(b" ");
            }
            self.digest.update(word.as_bytes());
            (self.has_words, self.has_gap) = (true, false);
        }
    }

    /// The digest with a whole answer.
    pub(in crate::api) fn answered(mut self, text: &str) -> [u8; 32] {
        self.begin_answer();
        self.push(text);
        self.end()
    }

    /// The digest with an answer of several messages.
    pub(in crate::api) fn answered_by<'a>(mut self, messages: impl Iterator<Item = &'a str>) -> [u8; 32] {
        self.begin_answer();
        for message in messages {
            self.push(message);
            self.has_gap = true;
        }
        self.end()
    }

    /// The digest after the answer.
    pub(in crate::api) fn end(mut self) -> [u8; 32] {
        self.end_turn()
    }

    fn end_turn(&mut self) -> [u8; 32] {
        self.digest.update(&[END]);
        self.digest.value()
    }

    fn begin(&mut self, role: u8) {
        self.digest.update(&[role]);
        (self.has_words, self.has_gap) = (false, false);
    }

    fn add(&mut self, role: u8, text: &str) {
        self.begin(role);
        self.push(text);
        self.digest.update(&[END]);
    }
}

impl RequestChat {
    /// The chat of these messages. Only those of the user and of the agent count: clients change their instructions at any time. `digest`
    /// already contains what else must be the same.
    pub(super) fn new(messages: &[Message], digest: KeyedDigest) -> Self {
        let mut chat = Chat::new(digest);
        let (mut answered, mut is_answer) = (None, false);
        for message in messages {
            match message.role {
                Role::User => {
                    if std::mem::take(&mut is_answer) {
                        answered = Some(chat.end_turn());
                    }
                    chat.add(b'u', &message.text);
                    for file in &message.files {
                        chat.begin(b'f');
                        chat.digest.update(&(file.content.len() as u64).to_be_bytes());
                        chat.digest.update(&file.content);
                    }
                }
                // One answer may be divided into several messages.
                Role::Assistant => {
                    if std::mem::replace(&mut is_answer, true) {
                        chat.has_gap = true;
                    } else {
                        chat.begin_answer();
                    }
                    chat.push(without_reasoning(&message.text));
                }
                Role::System | Role::Developer | Role::Tool | Role::Function => {}
            }
        }
        if is_answer {
            answered = Some(chat.end_turn());
        }
        Self { answered, chat }
    }
}

/// The text of an answer without the reasoning at its beginning.
fn without_reasoning(text: &str) -> &str {
    let text = text.trim_start();
    let rest = REASONING.iter().find_map(|(open, close)| text.starts_with(open).then(|| text.split_once(close))?);
    rest.map_or(text, |(_reasoning, answer)| answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::digest_for_tests;

    fn message(role: Role, text: &str) -> Message {
        Message { role, text: text.to_owned(), files: Vec::new() }
    }

    fn chat(messages: &[(Role, &str)]) -> RequestChat {
        let messages: Vec<_> = messages.iter().map(|(role, text)| message(*role, text)).collect();
        RequestChat::new(&messages, digest_for_tests("chats"))
    }

    /// The digest after the agent has answered a request with these pieces.
    fn after(messages: &[(Role, &str)], pieces: &[&str]) -> [u8; 32] {
        let mut chat = chat(messages).chat;
        chat.begin_answer();
        for piece in pieces {
            chat.push(piece);
        }
        chat.end()
    }

    const USER: Role = Role::User;
    const AGENT: Role = Role::Assistant;

    #[test]
    fn the_next_request_has_the_digest_of_the_answer_before_it() {
        let answer = after(&[(USER, "one")], &["Hel", "lo\n", "\nworld "]);
        let next = |answer: &str| chat(&[(Role::System, "now"), (USER, " one\n"), (AGENT, answer), (USER, "two")]).answered;
        assert_eq!(next("Hello\n\nworld"), Some(answer));
        assert_eq!(next(" Hello world "), Some(answer), "clients trim and reformat");
        assert_eq!(next("<think>hm</think>\nHello world"), Some(answer));
        assert_eq!(next("<details type=\"reasoning\" done=\"true\">\n> hm\n</details>\nHello world"), Some(answer));
        for changed in ["Helloworld", "Hello", "Hello world!", ""] {
            assert_ne!(next(changed), Some(answer), "{changed}");
        }
    }

    #[test]
    fn an_answer_may_be_divided_into_several_messages() {
        let whole = chat(&[(USER, "a"), (AGENT, "b c"), (USER, "d")]).answered;
        assert_eq!(chat(&[(USER, "a"), (AGENT, "b\n\n"), (AGENT, ""), (AGENT, "c"), (USER, "d")]).answered, whole);
        assert_ne!(chat(&[(USER, "a"), (AGENT, "bc"), (USER, "d")]).answered, whole);
    }

    #[test]
    fn a_chat_without_an_answer_is_new() {
        assert_eq!(chat(&[(Role::System, "a"), (USER, "b")]).answered, None);
    }

    #[test]
    fn who_said_what_and_in_which_order_counts() {
        let known = chat(&[(USER, "a"), (AGENT, "b")]).answered;
        for other in [
            &[(AGENT, "a"), (AGENT, "b")][..],
            &[(USER, "a b"), (AGENT, "")],
            &[(USER, ""), (AGENT, "a b")],
            &[(USER, "b"), (AGENT, "a")],
            &[(USER, "a"), (USER, ""), (AGENT, "b")],
        ] {
            assert_ne!(chat(other).answered, known, "{other:?}");
        }
        assert_eq!(chat(&[(USER, "a"), (Role::Tool, "x"), (AGENT, "b"), (USER, "c")]).answered, known);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_an_answer_is_divided(text in "[a-c \n\u{e4}]{0,20}", at in 0_usize..20) {
            let at = text.char_indices().map(|(index, _)| index).nth(at).unwrap_or(text.len());
            let (one, other) = text.split_at(at);
            prop_assert_eq!(after(&[], &[one, other]), after(&[], &[&text]));
            let whole = chat(&[(AGENT, &text)]).answered;
            prop_assert_eq!(Some(after(&[], &[&text])), whole);
        }
    }
}
