//! Finds the files named in a permission request. Agents use different keys; all keys seen in the recordings are supported.

use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// Keys whose value is one path (`Write`, `NotebookEdit`, `read`, ACP's locations and diffs, the source and target of a move).
const PATH_KEYS: [&str; 24] = [
    "absolute_path",
    "destination",
    "destination_path",
    "dest",
    "file",
    "file_path",
    "filePath",
    "filepath",
    "filename",
    "move_path",
    "movePath",
    "newPath",
    "new_path",
    "notebook_path",
    "oldPath",
    "old_path",
    "path",
    "relative_path",
    "source",
    "source_path",
    "src",
    "target",
    "target_path",
    "uri",
];
/// Keys whose value is a list of paths, or of objects with paths (Codex's `changes`, ACP's `locations`).
const LIST_KEYS: [&str; 6] = ["changes", "edits", "file_paths", "files", "locations", "paths"];
/// Keys whose value is the directory that the request's relative paths and its command start from.
const DIRECTORY_KEYS: [&str; 4] = ["cwd", "workdir", "working_directory", "workingDirectory"];
/// Lines of a patch that name a file, in the format that Codex and OpenCode use.
const PATCH_LINES: [&str; 4] = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];

/// Maximum number of paths of one request, and maximum depth at which they are found.
const MAX_PATHS: usize = 1024;
const MAX_DEPTH: usize = 8;
/// Maximum number of links that are followed for one path, as in Linux.
const MAX_LINKS: usize = 40;

/// The files of a request.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// As absolute paths, as they are named and with links resolved; `None` if the links of one cannot be followed.
    files: Vec<(PathBuf, Option<PathBuf>)>,
    /// The directory in which a command runs, with links resolved, if the request names one and its links can be followed.
    directory: Option<PathBuf>,
    names_directory: bool,
    /// Not all files are known.
    incomplete: bool,
}

impl Paths {
    /// Collects the files from all fields of a request's input, and resolves their links. Reads the file system.
    pub(super) fn from_request(input: &Value, working_dir: &Path) -> Self {
        let directory = DIRECTORY_KEYS.iter().find_map(|key| input.get(key)?.as_str()).map(|path| working_dir.join(path));
        let mut collector = Collector { base: directory.as_deref().unwrap_or(working_dir), named: Vec::new(), incomplete: false };
        collector.collect(input, 0);
        let Collector { named, incomplete, .. } = collector;
        let files = named.into_iter().map(|path| (normalize(&path), resolve(&path).ok())).collect();
        let names_directory = directory.is_some();
        Self { files, directory: directory.and_then(|path| resolve(&path).ok()), names_directory, incomplete }
    }

    /// Whether the request names files and `matches` holds for every one of them, with links resolved.
    pub(super) fn all(&self, matches: impl Fn(&Path) -> bool) -> bool {
        let is_match = |path: &Option<PathBuf>| path.as_deref().is_some_and(&matches);
        !self.incomplete && !self.files.is_empty() && self.files.iter().all(|(_, resolved)| is_match(resolved))
    }

    /// Whether `matches` holds for any file, by its name or with links resolved. `None` if this is not known.
    pub(super) fn any(&self, matches: impl Fn(&Path) -> bool) -> Option<bool> {
        let is_match = |(named, resolved): &(PathBuf, Option<PathBuf>)| matches(named) || resolved.as_deref().is_some_and(&matches);
        let found = self.files.iter().any(is_match);
        let is_known = !self.incomplete && self.files.iter().all(|(_, resolved)| resolved.is_some());
        (found || is_known).then_some(found)
    }

    /// Whether the request names no file.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.incomplete
    }

    /// The directory in which the request's command runs, with links resolved, if the request names one.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Whether the request's command runs in the run's own working directory, or `matches` holds for the directory that it names.
    pub(super) fn runs_in(&self, matches: impl Fn(&Path) -> bool) -> bool {
        !self.names_directory || self.directory.as_deref().is_some_and(matches)
    }
}

struct Collector<'a> {
    base: &'a Path,
    named: Vec<PathBuf>,
    incomplete: bool,
}

impl Collector<'_> {
    fn collect(&mut self, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            self.incomplete = true;
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(path) if PATH_KEYS.contains(&&**name) => self.add(path),
                        Value::String(text) => self.add_patch(text),
                        Value::Array(items) if LIST_KEYS.contains(&&**name) || PATH_KEYS.contains(&&**name) => {
                            items.iter().filter_map(Value::as_str).for_each(|path| self.add(path));
                            self.collect(value, depth + 1);
                        }
                        // Some of Codex's objects use paths as keys.
                        Value::Object(files) if name == "changes" => {
                            files.keys().for_each(|path| self.add(path));
                            self.collect(value, depth + 1);
                        }
                        other => self.collect(other, depth + 1),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, depth + 1)),
            _ => {}
        }
    }

    fn add(&mut self, path: &str) {
        if self.named.len() == MAX_PATHS {
            self.incomplete = true;
        } else if !path.is_empty() {
            self.named.push(self.base.join(path.strip_prefix("file://").unwrap_or(path)));
        }
    }

    /// Adds the files of a patch, if the text is one.
    fn add_patch(&mut self, text: &str) {
        if text.contains("*** Begin Patch") {
            let files = text.lines().filter_map(|line| PATCH_LINES.iter().find_map(|marker| line.trim_start().strip_prefix(marker)));
            files.for_each(|path| self.add(path.trim()));
        }
    }
}

/// Resolves `.` and `..` lexically. The parent of the root is the root.
pub(super) fn normalize(path: &Path) -> PathBuf {
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

/// The file that an absolute path leads to, as the kernel finds it. What does not exist yet is created in the deepest directory that does.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::from("/");
    let mut pending: Vec<PathBuf> = vec![path.to_owned()];
    let mut links = 0;
    while let Some(rest) = pending.pop() {
        let mut components = rest.components();
        let Some(component) = components.next() else { continue };
        if !components.as_path().as_os_str().is_empty() {
            pending.push(components.as_path().to_owned());
        }
        match component {
            Component::RootDir => resolved = PathBuf::from("/"),
            Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => {
                let next = resolved.join(name);
                match std::fs::read_link(&next) {
                    Ok(target) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(io::Error::other("too many levels of symbolic links"));
                        }
                        pending.push(target);
                    }
                    // `InvalidInput`: it is no link.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                    {
                        resolved = next;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    fn named(input: &Value) -> Vec<String> {
        Paths::from_request(input, Path::new("/w")).files.into_iter().map(|(path, _)| path.display().to_string()).collect()
    }

    #[test]
    fn files_are_found_in_every_recorded_form() {
        let patch = "*** Begin Patch\n*** Update File: a.rs\n*** Move to: ../b.rs\n@@\n-x\n+y\n*** End Patch";
        for (input, expected) in [
            (json!({ "file_path": "/a/b", "content": "/not/this" }), &["/a/b"][..]),
            (json!({ "filePath": "b", "content": "x" }), &["/w/b"]),
            (json!({ "changes": [{ "path": "/a", "kind": { "type": "update", "move_path": "/b" } }] }), &["/b", "/a"]),
            (json!({ "changes": { "/a": { "move_path": "/b" } } }), &["/a", "/b"]),
            (json!({ "locations": [{ "path": "./x/../y" }] }), &["/w/y"]),
            (json!({ "tool": "write_file", "arguments": { "path": "hello.py", "content": "x" } }), &["/w/hello.py"]),
            (json!({ "content": [{ "type": "diff", "path": "/w/a", "newText": "x" }] }), &["/w/a"]),
            (json!({ "patchText": patch }), &["/w/a.rs", "/b.rs"]),
            (json!({ "cwd": "/elsewhere", "files": ["a"] }), &["/elsewhere/a"]),
            (json!({ "uri": "file:///etc/passwd" }), &["/etc/passwd"]),
            (json!(7), &[]),
        ] {
            let mut found = named(&input);
            found.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{input}");
        }
    }

    #[test]
    fn links_are_followed_as_the_kernel_follows_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("/etc", root.join("out")).unwrap();
        symlink("a/b", root.join("deep")).unwrap();
        symlink("nowhere/new", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let check = |path: &str, expected: PathBuf| assert_eq!(resolve(&root.join(path)).unwrap(), expected, "{path}");
        check("out/x/y", PathBuf::from("/etc/x/y"));
        check("deep/../c", root.join("a/c"));
        check("dangling", root.join("nowhere/new"));
        check("a/new/file", root.join("a/new/file"));
        check("../../../../../../../..", PathBuf::from("/"));
        assert!(resolve(&root.join("loop")).is_err());
    }

    #[test]
    fn too_many_and_too_deep_paths_are_not_known() {
        let many: Vec<String> = (0..=MAX_PATHS).map(|number| number.to_string()).collect();
        let mut deep = json!({ "path": "x" });
        for _ in 0..=MAX_DEPTH {
            deep = json!({ "arguments": deep });
        }
        for input in [json!({ "files": many }), deep] {
            let paths = Paths::from_request(&input, Path::new("/w"));
            assert!(!paths.all(|_| true) && paths.any(|_| false).is_none());
        }
    }
}
