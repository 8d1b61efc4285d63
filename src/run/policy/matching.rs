//! Which files a request names. Agents word it differently, so every key that the recordings show is looked at.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// Keys under which the recorded agents name one file (`Write`, `NotebookEdit`, `read`, ACP's locations).
const ONE: [&str; 6] = ["file_path", "filePath", "filepath", "notebook_path", "path", "move_path"];
/// Keys under which stand lists or objects that name further ones (Codex's `changes`, ACP's `locations`).
const MANY: [&str; 4] = ["changes", "locations", "edits", "files"];

/// Every file that `input` names: absolute, without `.` and `..`. Links are not followed, since nothing may exist yet.
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
                    Value::String(path) if ONE.contains(&name.as_str()) => found.push(plain(&working_dir.join(path))),
                    Value::Array(_) if MANY.contains(&name.as_str()) => collect(value, working_dir, found),
                    // Some of Codex's objects have the files as their keys.
                    Value::Object(files) if name == "changes" => {
                        found.extend(files.keys().map(|path| plain(&working_dir.join(path))));
                        files.values().for_each(|file| collect(file, working_dir, found));
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::String(path) => found.push(plain(&working_dir.join(path))),
            other => collect(other, working_dir, found),
        }),
        _ => {}
    }
}

/// The path with `.` and `..` worked out by name. What climbs above the root stays there.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_files_of_every_recorded_form_are_found() {
        let named = |input: Value| paths(&input, Path::new("/w")).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(named(json!({ "file_path": "/a/b", "content": "/not/this" })), ["/a/b"]);
        assert_eq!(named(json!({ "filePath": "b", "content": "x" })), ["/w/b"]);
        assert_eq!(named(json!({ "changes": [{ "path": "/a", "kind": { "type": "update", "move_path": "/b" } }] })), ["/a"]);
        assert_eq!(named(json!({ "changes": { "/a": { "move_path": "/b" } } })), ["/a", "/b"]);
        assert_eq!(named(json!({ "locations": [{ "path": "./x/../y" }] })), ["/w/y"]);
        assert_eq!(named(json!(7)), [""; 0]);
    }
}
