//! Completes the input that a permission request shows: the rules and people decide by the command and by the files, wherever the agent has
//! put them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::types::ToolKind;

/// Keys under which agents name files and which are not those that rules know (Copilot's `fileName`, Grok's `target_file`).
const OTHER_PATH_KEYS: [&str; 4] = ["fileName", "target_file", "targetFile", "absolutePath"];
/// Keys under which agents name files.
const PATH_KEYS: [&str; 8] = ["file_path", "filePath", "filepath", "filename", "path", "absolute_path", "notebook_path", "move_path"];
/// Objects in which agents nest the arguments of the tool.
const NESTED_KEYS: [&str; 4] = ["arguments", "args", "input", "parameters"];
/// Maximum depth at which arguments are searched.
const MAX_DEPTH: usize = 4;

/// The input of a permission request: `shown`, the agent's own input, with what it lacks.
///
/// - `command`: the command of a call that runs one. If the agent states several, also in the call before (`own`), there is one on each line,
///   so that a rule that allows must not match only one of them.
/// - `locations`: the files of the call that are not in `shown` under a key that rules know: those of nested arguments, and `paths`, those of
///   the agent's locations and diffs.
/// - `title`: for a command that the agent does not state, its description of the call.
pub(super) fn complete_input(
    shown: Value,
    own: Option<&Value>,
    kind: ToolKind,
    title: &str,
    paths: impl Iterator<Item = String>,
    command_of_title: Option<fn(&str) -> Option<String>>,
) -> Value {
    let mut input = match shown {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        other => Map::from_iter([("input".to_owned(), other)]),
    };
    let mut named = BTreeSet::new();
    collect_paths(&input, &PATH_KEYS, 0, &mut named);
    let known = named.clone();
    collect_paths(&input, &OTHER_PATH_KEYS, 0, &mut named);
    named.extend(paths.filter(|path| !path.is_empty()));
    let is_proposed = |path: &String| match input.get("changes") {
        Some(Value::Array(changes)) => changes.iter().any(|change| change.get("path").and_then(Value::as_str) == Some(path)),
        _ => false,
    };
    let missing: Vec<Value> = named.difference(&known).filter(|path| !is_proposed(path)).map(|path| json!({ "path": path })).collect();
    complete_command(&mut input, own, kind, title, command_of_title);
    if !missing.is_empty() {
        match input.get_mut("locations") {
            Some(Value::Array(locations)) => locations.extend(missing),
            _ => {
                input.insert("locations".to_owned(), Value::Array(missing));
            }
        }
    }
    Value::Object(input)
}

fn complete_command(
    input: &mut Map<String, Value>,
    own: Option<&Value>,
    kind: ToolKind,
    title: &str,
    command_of_title: Option<fn(&str) -> Option<String>>,
) {
    let stated = commands_in(input);
    if stated.is_empty() && kind != ToolKind::Execute {
        return;
    }
    let own = own.and_then(Value::as_object).map(commands_in).unwrap_or_default();
    let mut commands = stated;
    commands.extend(own);
    if commands.is_empty() {
        commands.extend(command_of_title.and_then(|command| command(title)));
    }
    dedup(&mut commands);
    match (&commands[..], input.get("command")) {
        ([], _) => {
            if !title.is_empty() {
                input.entry("title").or_insert_with(|| json!(title));
            }
        }
        // As it is: a list of arguments must not be joined.
        ([_], Some(_)) => {}
        _ => {
            input.insert("command".to_owned(), json!(commands.join("\n")));
        }
    }
}

/// The commands in an input: in `command` or `cmd`, in the list `commands`, and in nested arguments.
fn commands_in(input: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["command", "cmd"] {
        match input.get(key) {
            Some(Value::String(line)) => found.push(line.clone()),
            Some(Value::Array(words)) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                found.extend(words.and_then(|words| shlex::try_join(words).ok()));
            }
            _ => {}
        }
    }
    if let Some(Value::Array(lines)) = input.get("commands") {
        found.extend(lines.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    for key in NESTED_KEYS {
        if let Some(Value::Object(arguments)) = input.get(key) {
            found.extend(commands_in_arguments(arguments));
        }
    }
    found
}

fn commands_in_arguments(arguments: &Map<String, Value>) -> impl Iterator<Item = String> {
    ["command", "cmd"].into_iter().filter_map(|key| arguments.get(key)?.as_str().map(str::to_owned))
}

fn dedup(texts: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
}

/// The strings under `keys`, also in nested objects and lists.
fn collect_paths(fields: &Map<String, Value>, keys: &[&str], depth: usize, found: &mut BTreeSet<String>) {
    if depth > MAX_DEPTH {
        return;
    }
    for (name, value) in fields {
        match value {
            Value::String(path) if keys.contains(&name.as_str()) => {
                found.insert(path.clone());
            }
            Value::Object(nested) => collect_paths(nested, keys, depth + 1, found),
            Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|item| collect_paths(item, keys, depth + 1, found)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(shown: Value, own: Option<&Value>, kind: ToolKind, paths: &[&str]) -> Value {
        complete_input(shown, own, kind, "Run it", paths.iter().map(|path| (*path).to_owned()), None)
    }

    #[test]
    fn a_command_is_found_wherever_the_agent_puts_it() {
        for (shown, command) in [
            (json!({ "command": "touch a" }), json!("touch a")),
            (json!({ "command": ["touch", "a b"] }), json!(["touch", "a b"])),
            (json!({ "command": "touch a", "commands": ["touch a"] }), json!("touch a")),
            (json!({ "commands": ["touch a", "rm b"] }), json!("touch a\nrm b")),
            (json!({ "tool": "terminal", "arguments": { "command": "touch a" } }), json!("touch a")),
            (json!({ "command": "ls", "commands": ["rm b"] }), json!("ls\nrm b")),
        ] {
            assert_eq!(complete(shown.clone(), None, ToolKind::Execute, &[])["command"], command, "{shown}");
        }
    }

    #[test]
    fn a_request_that_shows_another_command_than_its_call_shows_both() {
        let own = json!({ "command": "rm -rf /" });
        assert_eq!(complete(json!({ "command": "ls" }), Some(&own), ToolKind::Execute, &[])["command"], "ls\nrm -rf /");
        assert_eq!(complete(json!({}), Some(&own), ToolKind::Execute, &[])["command"], "rm -rf /");
    }

    #[test]
    fn an_unknown_command_is_described_and_not_invented() {
        assert_eq!(complete(json!({}), None, ToolKind::Execute, &[]), json!({ "title": "Run it" }));
        assert_eq!(complete(json!({}), None, ToolKind::Read, &[]), json!({}));
        let gemini =
            complete_input(json!({}), None, ToolKind::Execute, "touch a", std::iter::empty(), Some(|title| Some(title.to_owned())));
        assert_eq!(gemini, json!({ "command": "touch a" }));
    }

    #[test]
    fn all_files_are_shown_and_those_that_are_already_there_are_not_repeated() {
        let nested = json!({ "tool": "write_file", "arguments": { "path": "/w/a" } });
        assert_eq!(complete(nested.clone(), None, ToolKind::Edit, &["/w/a"]), nested);
        let by_other_key = complete(json!({ "fileName": "/w/a" }), None, ToolKind::Edit, &["/w/a", "/w/b"]);
        assert_eq!(by_other_key["locations"], json!([{ "path": "/w/a" }, { "path": "/w/b" }]));
        let hidden = complete(json!({ "path": "/w/harmless", "locations": [{ "path": "/w/c" }] }), None, ToolKind::Edit, &["/etc/passwd"]);
        assert_eq!(hidden["locations"], json!([{ "path": "/w/c" }, { "path": "/etc/passwd" }]));
        let proposed = json!({ "changes": [{ "path": "/w/a", "new_text": "x" }] });
        assert_eq!(complete(proposed.clone(), None, ToolKind::Edit, &["/w/a"]), proposed);
    }

    #[test]
    fn input_that_is_no_object_is_kept() {
        assert_eq!(complete(json!("touch a"), None, ToolKind::Other, &[]), json!({ "input": "touch a" }));
        assert_eq!(complete(Value::Null, None, ToolKind::Edit, &["/w/a"]), json!({ "locations": [{ "path": "/w/a" }] }));
    }
}
