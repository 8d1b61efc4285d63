//! Creates unified diffs from patches. Codex reports the plain content of new and deleted files, and hunks without a header for changed
//! ones (recordings `appserver_tool`, `appserver_edit_code_mode_model`).

use std::path::Path;

use similar::TextDiff;

use super::wire::{FileUpdate, PatchKind};
use crate::types::{FileChangeKind, StreamEvent};

/// The events for one file of a patch. A moved file yields two: deleted at the old path, created at the new one.
pub(super) fn file_changes(update: &FileUpdate, dir: &Path) -> Vec<StreamEvent> {
    let FileUpdate { path, kind, diff } = update;
    match kind {
        PatchKind::Add => vec![change(path, FileChangeKind::Create, non_empty(&added_diff(path, diff, dir)))],
        PatchKind::Delete => vec![change(path, FileChangeKind::Delete, non_empty(&deleted_diff(path, diff, dir)))],
        PatchKind::Update { move_path: None } => {
            vec![change(path, FileChangeKind::Update, non_empty(&with_header(path, path, diff, dir)))]
        }
        PatchKind::Update { move_path: Some(to) } => {
            // Codex also appends the new path to the hunks, for display.
            let hunks = diff.trim_end().strip_suffix(&format!("Moved to: {to}")).map_or(diff.as_str(), str::trim_end);
            vec![
                change(path, FileChangeKind::Delete, None),
                change(to, FileChangeKind::Create, non_empty(&with_header(path, to, &with_newline(hunks), dir))),
            ]
        }
    }
}

fn change(path: &str, kind: FileChangeKind, diff: Option<String>) -> StreamEvent {
    StreamEvent::FileChange { path: path.to_owned(), kind, diff }
}

/// `None` for a diff without hunks.
fn non_empty(diff: &str) -> Option<String> {
    diff.contains("@@").then(|| diff.to_owned())
}

fn added_diff(path: &str, content: &str, dir: &Path) -> String {
    TextDiff::from_lines("", content).unified_diff().header("/dev/null", &format!("b/{}", header_path(path, dir))).to_string()
}

fn deleted_diff(path: &str, content: &str, dir: &Path) -> String {
    TextDiff::from_lines(content, "").unified_diff().header(&format!("a/{}", header_path(path, dir)), "/dev/null").to_string()
}

fn with_header(from: &str, to: &str, hunks: &str, dir: &Path) -> String {
    if hunks.starts_with("--- ") || hunks.starts_with("diff ") {
        return hunks.to_owned();
    }
    format!("--- a/{}\n+++ b/{}\n{hunks}", header_path(from, dir), header_path(to, dir))
}

fn with_newline(hunks: &str) -> String {
    if hunks.is_empty() { String::new() } else { format!("{hunks}\n") }
}

/// The path for a diff's header: relative if it is inside the working directory.
fn header_path<'a>(path: &'a str, dir: &Path) -> &'a str {
    let relative = Path::new(path).strip_prefix(dir).ok().and_then(Path::to_str);
    relative.unwrap_or_else(|| path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff_of(update: &FileUpdate) -> String {
        match file_changes(update, Path::new("/w")).pop() {
            Some(StreamEvent::FileChange { diff, .. }) => diff.unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    fn update(kind: PatchKind, diff: &str) -> FileUpdate {
        FileUpdate { path: "/w/a.txt".into(), kind, diff: diff.into() }
    }

    #[test]
    fn the_diff_of_a_new_file_adds_all_lines() {
        assert_eq!(diff_of(&update(PatchKind::Add, "x\ny\n")), "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,2 @@\n+x\n+y\n");
        assert_eq!(diff_of(&update(PatchKind::Add, "x")), "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n");
        assert_eq!(diff_of(&update(PatchKind::Add, "")), "");
    }

    #[test]
    fn the_diff_of_a_deleted_file_removes_all_lines() {
        assert_eq!(diff_of(&update(PatchKind::Delete, "x\n")), "--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n");
    }

    #[test]
    fn hunks_get_a_header() {
        let changed = update(PatchKind::Update { move_path: None }, "@@ -1 +1 @@\n-x\n+y\n");
        assert_eq!(diff_of(&changed), "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-x\n+y\n");
        let moved = update(PatchKind::Update { move_path: Some("/v/b.txt".into()) }, "@@ -1 +1 @@\n-x\n+y\n\n\nMoved to: /v/b.txt");
        assert_eq!(diff_of(&moved), "--- a/a.txt\n+++ b/v/b.txt\n@@ -1 +1 @@\n-x\n+y\n");
        assert_eq!(file_changes(&moved, Path::new("/w")).len(), 2);
    }
}
