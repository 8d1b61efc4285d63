//! Finds the files named in a permission request. Agents use different keys; all keys seen in the recordings are supported.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// Keys whose value is one path (`Write`, `NotebookEdit`, `read`, ACP's locations).
const PATH_KEYS: [&str; 6] = ["file_path", "filePath", "filepath", "notebook_path", "path", "move_path"];
/// Keys whose value is a list or object that contains paths (Codex's `changes`, ACP's `locations`).
const LIST_KEYS: [&str; 4] = ["changes", "locations", "edits", "files"];

/// All files named in `input` as absolute paths without `.` and `..`. Symbolic links are not followed, because the files may not exist yet.
pub(super) fn paths(input: &Value, working_dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(input, working_dir, &mut found);
    found
}

fn collect(value: &Value, working_dir: &Path, found: &mut Vec<PathBuf>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(path) if PATH_KEYS.contains(&name.as_str()) => found.push(normalize(&working_dir.join(path))),
                    Value::Array(_) if LIST_KEYS.contains(&name.as_str()) => collect(value, working_dir, found),
                    // Some of Codex's objects use paths as keys.
                    Value::Object(files) if name == "changes" => {
                        found.extend(files.keys().map(|path| normalize(&working_dir.join(path))));
                        files.values().for_each(|file| collect(file, working_dir, found));
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::String(path) => found.push(normalize(&working_dir.join(path))),
            other => collect(other, working_dir, found),
        }),
        _ => {}
    }
}

/// Resolves `.` and `..` lexically. The parent of the root is the root.
fn normalize(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normalized.pop();
            }
            component => normalized.push(component),
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_found_in_every_recorded_form() {
        let find = |input: Value| paths(&input, Path::new("/w")).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(find(json!({ "file_path": "/a/b", "content": "/not/this" })), ["/a/b"]);
        assert_eq!(find(json!({ "filePath": "b", "content": "x" })), ["/w/b"]);
        assert_eq!(find(json!({ "changes": [{ "path": "/a", "kind": { "type": "update", "move_path": "/b" } }] })), ["/a"]);
        assert_eq!(find(json!({ "changes": { "/a": { "move_path": "/b" } } })), ["/a", "/b"]);
        assert_eq!(find(json!({ "locations": [{ "path": "./x/../y" }] })), ["/w/y"]);
        assert_eq!(find(json!(7)), [""; 0]);
    }
}
