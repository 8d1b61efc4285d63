//! Converts the result of a file tool into a unified diff.

use std::fmt::Write as _;

use similar::TextDiff;

use super::wire::WrittenFile;
use crate::types::{FileChangeKind, StreamEvent};

/// The file change that a tool's result describes. `None` if it describes none.
pub(super) fn file_change(tool_use_result: &str) -> Option<StreamEvent> {
    let file: WrittenFile = serde_json::from_str(tool_use_result).ok()?;
    let created = file.kind.as_deref() == Some("create");
    let kind = if created { FileChangeKind::Create } else { FileChangeKind::Update };
    let diff = match &file.content {
        // The program reports no patch for a new file (recording `tool`).
        Some(content) if created && file.patch.is_empty() => {
            TextDiff::from_lines("", content).unified_diff().header("/dev/null", &file.path).to_string()
        }
        _ => unified_diff(&file),
    };
    Some(StreamEvent::FileChange { path: file.path, kind, diff: Some(diff).filter(|diff| !diff.is_empty()) })
}

/// The program's own hunks with the usual headers. Empty if there are none.
fn unified_diff(file: &WrittenFile) -> String {
    let mut text = String::new();
    if !file.patch.is_empty() {
        let _ = writeln!(text, "--- {path}\n+++ {path}", path = file.path);
    }
    for hunk in &file.patch {
        let _ = writeln!(text, "@@ -{},{} +{},{} @@", hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines);
        for line in &hunk.lines {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff_of(tool_use_result: &serde_json::Value) -> Option<String> {
        match file_change(&tool_use_result.to_string()) {
            Some(StreamEvent::FileChange { diff, .. }) => diff,
            _ => None,
        }
    }

    #[test]
    fn the_hunks_of_the_program_become_a_unified_diff() {
        let edit = serde_json::json!({
            "filePath": "/p/a.py",
            "structuredPatch": [{ "oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": ["-old", "+new", " same"] }],
        });
        assert_eq!(diff_of(&edit).as_deref(), Some("--- /p/a.py\n+++ /p/a.py\n@@ -1,2 +1,2 @@\n-old\n+new\n same\n"));
    }

    #[test]
    fn the_diff_of_a_new_file_adds_all_lines() {
        let created = serde_json::json!({ "type": "create", "filePath": "/p/a.py", "content": "one\ntwo\n", "structuredPatch": [] });
        assert_eq!(diff_of(&created).as_deref(), Some("--- /dev/null\n+++ /p/a.py\n@@ -0,0 +1,2 @@\n+one\n+two\n"));
    }

    #[test]
    fn reading_a_file_is_not_a_change() {
        assert_eq!(file_change(r#"{"type":"text","file":{"filePath":"/p/a.py","content":"x"}}"#), None);
        assert_eq!(file_change(r#""Error: no such file""#), None);
    }
}
