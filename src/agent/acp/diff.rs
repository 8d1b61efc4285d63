//! Unified diffs between texts.

use similar::TextDiff;

use crate::types::FileChangeKind;

/// Maximum size in bytes, of both texts together, of the changed part that is compared line by line. Comparison takes time quadratic in
/// the changes, and an agent chooses the texts.
const MAX_CHANGED: usize = 256 * 1024;

/// The change of the file `path` as a unified diff. `None` if the texts are equal or the changed part is too large.
pub(crate) fn unified(path: &str, kind: FileChangeKind, old: &str, new: &str) -> Option<String> {
    if old == new || changed_bytes(old, new) > MAX_CHANGED {
        return None;
    }
    let from = if kind == FileChangeKind::Create { "/dev/null" } else { path };
    let to = if kind == FileChangeKind::Delete { "/dev/null" } else { path };
    Some(TextDiff::from_lines(old, new).unified_diff().header(from, to).to_string())
}

/// The size of both texts without their common prefix and suffix.
fn changed_bytes(old: &str, new: &str) -> usize {
    let shorter = old.len().min(new.len());
    let same_start = old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
    let same_end = old.bytes().rev().zip(new.bytes().rev()).take(shorter - same_start).take_while(|(old, new)| old == new).count();
    old.len() + new.len() - 2 * (same_start + same_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_file_is_compared_with_dev_null() {
        let diff = unified("/w/a.py", FileChangeKind::Create, "", "one\ntwo\n").unwrap();
        assert_eq!(diff, "--- /dev/null\n+++ /w/a.py\n@@ -0,0 +1,2 @@\n+one\n+two\n");
    }

    #[test]
    fn a_small_change_of_a_large_file_is_compared_and_a_rewrite_is_not() {
        let large = (0..100_000).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let touched = large.replace("line 50000\n", "another line\n");
        let diff = unified("a", FileChangeKind::Update, &large, &touched).unwrap();
        assert!(diff.contains("-line 50000\n+another line\n"), "{diff}");
        assert_eq!(unified("a", FileChangeKind::Update, &large, &large.replace("line", "row")), None);
        assert_eq!(unified("a", FileChangeKind::Update, "same", "same"), None);
    }

    #[test]
    fn overlapping_common_prefix_and_suffix_are_counted_once() {
        assert_eq!(changed_bytes("aaa", "aaaa"), 1);
        assert_eq!(changed_bytes("", "abc"), 3);
        assert_eq!(changed_bytes("abc", "axc"), 2);
    }
}
