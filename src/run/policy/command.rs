//! How a command begins. What cannot be told for certain is not allowed by a rule.

use serde_json::Value;

/// Characters by which one command line becomes several commands, or hides another.
const OPERATORS: [char; 10] = [';', '&', '|', '`', '$', '(', ')', '<', '>', '\n'];

/// The words of a simple command: no operators, no quotes, no escapes. `None` for anything else.
pub(super) fn plain_words(text: &str) -> Option<Vec<String>> {
    let simple = !text.contains(OPERATORS) && !text.contains(['\'', '"', '\\', '\r']);
    simple.then(|| text.split_whitespace().map(str::to_owned).collect())
}

/// Whether the command in `input` begins with `words`. With `whole` it must be one simple command that does; without, it is enough
/// that some part of it may.
pub(super) fn begins_with(input: &Value, words: &[String], whole: bool) -> bool {
    let Some(line) = line_of(input) else { return false };
    let line = unwrapped(&line);
    if whole {
        return !line.contains(OPERATORS) && begins(&line, words);
    }
    line.split(OPERATORS).any(|part| begins(part, words))
}

fn begins(part: &str, words: &[String]) -> bool {
    // A part that cannot be taken apart (an open quote) is compared word by word as it stands.
    let found = shlex::split(part).unwrap_or_else(|| part.split_whitespace().map(str::to_owned).collect());
    found.len() >= words.len() && found.iter().zip(words).all(|(found, wanted)| found == wanted)
}

/// The command line of a request: a text, or a list of elements.
fn line_of(input: &Value) -> Option<String> {
    let command = ["command", "cmd"].iter().find_map(|key| input.get(key))?;
    match command {
        Value::String(line) => Some(line.clone()),
        Value::Array(elements) => {
            let words: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
            shlex::try_join(words?).ok()
        }
        _ => None,
    }
}

/// The command inside of `/bin/bash -lc '…'`, which is how Codex names every command.
fn unwrapped(line: &str) -> String {
    let words = shlex::split(line).unwrap_or_default();
    match &words[..] {
        [shell, flags, inner] if is_shell(shell) && matches!(flags.as_str(), "-c" | "-lc") => inner.clone(),
        _ => line.to_owned(),
    }
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "zsh" | "dash"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn git(command: &Value, whole: bool) -> bool {
        begins_with(&json!({ "command": command }), &["git".to_owned(), "status".to_owned()], whole)
    }

    #[test]
    fn a_simple_command_is_compared_word_by_word() {
        for command in [
            json!("git status"),
            json!("git  status -s"),
            json!("'git' status"),
            json!(["git", "status"]),
            json!("/bin/bash -lc 'git status'"),
        ] {
            assert!(git(&command, true), "{command}");
        }
        for command in [json!("git statusx"), json!("git"), json!("sudo git status"), json!("GIT status"), json!(7), json!(["git", 7])] {
            assert!(!git(&command, true), "{command}");
        }
    }

    #[test]
    fn nothing_rides_along_with_an_allowed_command() {
        for tail in ["; rm -rf /", " && rm x", " | sh", "\nrm x", " $(rm x)", " `rm x`", " > /etc/passwd", " & rm x", " <(rm x)"] {
            assert!(!git(&json!(format!("git status{tail}")), true), "{tail}");
            assert!(!git(&json!(format!("bash -c {}", shlex::try_quote(&format!("git status{tail}")).unwrap())), true), "wrapped {tail}");
        }
    }

    #[test]
    fn what_is_denied_is_found_behind_operators_and_in_a_shell() {
        for command in ["cd /x && git status", "true; git status", "echo $(git status)", "bash -c 'cd x; git status'"] {
            assert!(git(&json!(command), false), "{command}");
        }
    }

    proptest! {
        #[test]
        fn no_command_makes_it_panic(line in any::<String>(), whole in any::<bool>()) {
            begins_with(&json!({ "command": line }), &["a".to_owned()], whole);
        }
    }
}
