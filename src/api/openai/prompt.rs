//! One prompt out of a conversation.
//!
//! OpenAI's clients send the whole conversation with every request, and agents take one message and keep a memory of their own. So a
//! conversation is written down as one text, once; in a session only what is new in it is said.

use super::request::{Role, Turn};

/// The prompt for the last turn, which is the user's. `in_session` is whether the agent remembers the turns before.
///
/// A single message is the prompt as it stands. Anything before it is put in front, in marks: what the system says first, then what was
/// said in turns.
pub(super) fn prompt(turns: &[Turn], in_session: bool) -> String {
    let answered = turns.iter().rposition(|turn| turn.role == Role::Assistant).map_or(0, |last| last + 1);
    let turns = if in_session { turns.get(answered..).unwrap_or_default() } else { turns };
    let Some((last, before)) = turns.split_last() else { return String::new() };
    let is_system = |turn: &&Turn| matches!(turn.role, Role::System | Role::Developer);
    let said: Vec<String> = before.iter().filter(|turn| !is_system(turn)).map(|turn| marked(turn.role.mark(), &turn.text)).collect();
    let instructions: Vec<&str> = before.iter().filter(is_system).map(|turn| turn.text.as_str()).collect();
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(marked("instructions", &instructions.join("\n\n")));
    }
    if !said.is_empty() {
        parts.push(marked("conversation", &said.join("\n")));
    }
    parts.push(last.text.clone());
    parts.join("\n\n")
}

fn marked(mark: &str, text: &str) -> String {
    format!("<{mark}>\n{text}\n</{mark}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(said: &[(Role, &str)]) -> Vec<Turn> {
        said.iter().map(|(role, text)| Turn { role: *role, text: (*text).to_owned() }).collect()
    }

    #[test]
    fn a_single_message_is_the_prompt_as_it_stands() {
        assert_eq!(prompt(&turns(&[(Role::User, "  -hello\n")]), false), "  -hello\n");
    }

    #[test]
    fn what_the_system_says_comes_first_then_the_turns_and_the_last_message_last() {
        let said = turns(&[(Role::User, "one"), (Role::System, "be brief"), (Role::Assistant, "1"), (Role::User, "two")]);
        assert_eq!(
            prompt(&said, false),
            "<instructions>\nbe brief\n</instructions>\n\n\
             <conversation>\n<user>\none\n</user>\n<assistant>\n1\n</assistant>\n</conversation>\n\ntwo"
        );
    }

    #[test]
    fn in_a_session_only_what_came_after_the_last_answer_is_said() {
        let said = turns(&[(Role::System, "be brief"), (Role::User, "one"), (Role::Assistant, "1"), (Role::User, "two")]);
        assert_eq!(prompt(&said, true), "two");
        let first = turns(&[(Role::System, "be brief"), (Role::User, "one")]);
        assert_eq!(prompt(&first, true), "<instructions>\nbe brief\n</instructions>\n\none");
    }
}
