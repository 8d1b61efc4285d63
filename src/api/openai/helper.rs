//! Recognizes the requests that chat clients send on their own: titles, tags, suggestions.
//!
//! Each would start an agent for a line of text. They have no mark of their own, only the instructions that the clients' authors wrote.

/// How such messages begin: the tasks of `Open WebUI`, and the titles of `LibreChat`.
const BEGINNINGS: [&str; 3] = ["### Task:", "Provide a concise, 5-word-or-less title", "Please generate a concise, 5-word-or-less title"];

/// Whether the only message of a chat is such a request.
pub(super) fn is_helper_prompt(text: &str) -> bool {
    let text = text.trim_start();
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_clients_are_recognized_and_those_of_people_are_not() {
        let open_webui = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Guidelines:\n";
        let libre_chat = "Provide a concise, 5-word-or-less title for the conversation, using title case conventions.";
        assert!(is_helper_prompt(open_webui) && is_helper_prompt(libre_chat));
        for other in ["", "Give this conversation a title", "my ### Task: write a parser", "## Task:"] {
            assert!(!is_helper_prompt(other), "{other}");
        }
    }
}
