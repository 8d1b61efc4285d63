//! Matching of shell commands by prefix. Ambiguous commands never match a rule that allows.

use serde_json::Value;

/// Characters that separate or embed commands in a command line.
const OPERATORS: [char; 10] = [';', '&', '|', '`', '$', '(', ')', '<', '>', '\n'];

/// The words of a simple command; `None` if it contains operators, quotes or escapes.
pub(super) fn simple_words(text: &str) -> Option<Vec<String>> {
    let simple = !text.contains(OPERATORS) && !text.contains(['\'', '"', '\\', '\r']);
    simple.then(|| text.split_whitespace().map(str::to_owned).collect())
}

/// Whether the command in `input` starts with `prefix`. With `all`, it must be a single simple command; otherwise any part of it may match.
pub(super) fn starts_with(input: &Value, prefix: &[String], all: bool) -> bool {
    let Some(line) = command_line(input) else { return false };
    let line = unwrap_shell(&line);
    if all {
        return !line.contains(OPERATORS) && has_prefix(&line, prefix);
    }
    line.split(OPERATORS).any(|part| has_prefix(part, prefix))
}

fn has_prefix(part: &str, prefix: &[String]) -> bool {
    // A part that is not valid shell syntax, such as an unclosed quote, is split at whitespace.
    let words = shlex::split(part).unwrap_or_else(|| part.split_whitespace().map(str::to_owned).collect());
    words.len() >= prefix.len() && words.iter().zip(prefix).all(|(word, expected)| word == expected)
}

/// The command line of a request: a string, or a list of arguments.
fn command_line(input: &Value) -> Option<String> {
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

/// The command inside `/bin/bash -lc '…'`, in which Codex wraps every command.
fn unwrap_shell(line: &str) -> String {
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

    fn matches_git_status(command: &Value, all: bool) -> bool {
        starts_with(&json!({ "command": command }), &["git".to_owned(), "status".to_owned()], all)
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
            assert!(matches_git_status(&command, true), "{command}");
        }
        for command in [json!("git statusx"), json!("git"), json!("sudo git status"), json!("GIT status"), json!(7), json!(["git", 7])] {
            assert!(!matches_git_status(&command, true), "{command}");
        }
    }

    #[test]
    fn an_allow_rule_does_not_match_compound_commands() {
        for tail in ["; rm -rf /", " && rm x", " | sh", "\nrm x", " $(rm x)", " `rm x`", " > /etc/passwd", " & rm x", " <(rm x)"] {
            assert!(!matches_git_status(&json!(format!("git status{tail}")), true), "{tail}");
            assert!(
                !matches_git_status(&json!(format!("bash -c {}", shlex::try_quote(&format!("git status{tail}")).unwrap())), true),
                "wrapped {tail}"
            );
        }
    }

    #[test]
    fn a_deny_rule_matches_behind_operators_and_inside_a_shell() {
        for command in ["cd /x && git status", "true; git status", "echo $(git status)", "bash -c 'cd x; git status'"] {
            assert!(matches_git_status(&json!(command), false), "{command}");
        }
    }

    proptest! {
        #[test]
        fn no_command_causes_a_panic(line in any::<String>(), all in any::<bool>()) {
            starts_with(&json!({ "command": line }), &["a".to_owned()], all);
        }
    }
}
