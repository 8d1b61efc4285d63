//! The built-in rule: no agent reads or writes what belongs to the server (rule G2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::Subject;
use super::command_words::{DirectoryChanges, expand, is_pattern, may_lead_inside, words};
use super::paths::{normalize, resolve};
use crate::types::ToolKind;

/// What separates the words of a command. Quotes are among them, since what they protect is still a path.
const SEPARATORS: &[char] = &[' ', '\t', '\r', '\n', '\'', '"', '`', '=', ':', ',', ';', '|', '&', '<', '>', '(', ')', '{', '}', '@'];
/// Maximum number of words per request whose links are followed. Each costs a few system calls. What comes after them is only searched for
/// the private paths themselves.
const MAX_WORDS: usize = 4096;
/// Maximum number of directories in which the words of a request are looked up, because its commands change to them.
const MAX_DIRECTORIES: usize = 8;
/// Maximum number of directory entries that are looked at for the wildcards of a request. Of further ones, links are not followed.
const MAX_ENTRIES: usize = 4096;
/// Maximum depth at which texts are found in a request: that of JSON from an agent (the recursion limit of `serde_json`).
const MAX_DEPTH: usize = 128;

/// Files and directories of the server, and the parts of them that belong to one run. The default has none.
#[derive(Clone, Debug, Default)]
pub(in crate::run) struct PrivatePaths {
    private: Arc<[PathBuf]>,
    /// The run's own directories, which may lie inside the private ones.
    own: Vec<PathBuf>,
}

impl PrivatePaths {
    /// `private` is matched as given and with links resolved, `own` is exempt.
    pub(in crate::run) fn new<'a>(private: impl IntoIterator<Item = &'a Path>, own: &[PathBuf]) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        for path in private {
            all.extend([Some(normalize(path)), resolve(path).ok()].into_iter().flatten());
        }
        all.sort_unstable();
        all.dedup();
        Self { private: all.into(), own: own.iter().map(|path| resolve(path).unwrap_or_else(|_| normalize(path))).collect() }
    }

    /// Whether the request names a private path: in a field, or as a word of a command.
    pub(super) fn are_named_by(&self, subject: &Subject<'_>) -> bool {
        if self.private.is_empty() {
            return false;
        }
        let paths = subject.paths();
        if paths.any(|path| self.contains(path)) == Some(true) || paths.directory().is_some_and(|path| self.contains(path)) {
            return true;
        }
        let query = subject.query;
        let base = paths.directory().unwrap_or(query.working_dir);
        match query.kind {
            ToolKind::Execute => {
                let bases = vec![base.to_owned()];
                Words { paths: self, left: MAX_WORDS, entries: MAX_ENTRIES, changes: DirectoryChanges::default(), bases, is_url: false }
                    .any(query.input, 0)
            }
            ToolKind::Fetch => {
                let bases = vec![base.to_owned()];
                Words { paths: self, left: MAX_WORDS, entries: MAX_ENTRIES, changes: DirectoryChanges::default(), bases, is_url: true }
                    .any(query.input, 0)
            }
            _ => false,
        }
    }

    fn is_private_word(&self, word: &str, base: &Path, entries: &mut usize) -> bool {
        // A flag may precede its value without a separator.
        let attached = word.starts_with('-').then(|| word.find('/')).flatten().map(|at| Path::new(&word[at..]));
        let path = match word.strip_prefix("~/") {
            // The agents' home directory is that of the server.
            Some(rest) => match std::env::home_dir() {
                Some(home) => home.join(rest),
                None => return false,
            },
            None => base.join(word),
        };
        [Some(path.as_path()), attached].into_iter().flatten().any(|path| self.leads_inside(path) || self.matches_inside(path, entries))
    }

    /// Whether a path with wildcards may match a private one, by its name or through links.
    fn matches_inside(&self, path: &Path, entries: &mut usize) -> bool {
        if !is_pattern(path) {
            return false;
        }
        let pattern = normalize(path);
        let is_own = self.own.iter().any(|own| pattern.starts_with(own));
        !is_own && self.private.iter().any(|private| may_lead_inside(&pattern, private))
            || expand(&pattern, entries).iter().any(|path| self.leads_inside(path))
    }

    /// Whether the text contains a private path as it is written, without following links.
    fn are_written_in(&self, text: &str) -> bool {
        self.private.iter().filter_map(|path| path.to_str()).any(|private| {
            text.match_indices(private).any(|(at, _)| {
                let word = text[at..].split(SEPARATORS).next().unwrap_or_default();
                self.contains(&normalize(Path::new(word)))
            })
        })
    }

    fn leads_inside(&self, path: &Path) -> bool {
        self.contains(&normalize(path)) || resolve(path).is_ok_and(|path| self.contains(&path))
    }

    /// Whether an absolute path without `..` is private. What contains a private directory is not.
    fn contains(&self, path: &Path) -> bool {
        self.private.iter().any(|private| path.starts_with(private)) && !self.own.iter().any(|own| path.starts_with(own))
    }
}

/// The words of all texts in a request.
struct Words<'a> {
    paths: &'a PrivatePaths,
    left: usize,
    /// Directory entries that may still be looked at.
    entries: usize,
    changes: DirectoryChanges,
    /// The directories in which relative paths may be.
    bases: Vec<PathBuf>,
    /// Whether only the path of a `file` URL is a path.
    is_url: bool,
}

impl Words<'_> {
    fn any(&mut self, value: &Value, depth: usize) -> bool {
        match value {
            _ if depth > MAX_DEPTH => false,
            Value::String(text) => {
                // The agents' home directory is that of the server.
                let found = words(text, std::env::home_dir().as_deref(), &self.bases[0], self.left);
                found.iter().any(|word| self.is_private(word)) || (self.left == 0 && self.paths.are_written_in(text))
            }
            Value::Array(items) => items.iter().any(|item| self.any(item, depth + 1)),
            Value::Object(fields) => fields.values().any(|value| self.any(value, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn is_private(&mut self, word: &str) -> bool {
        for index in 0..self.bases.len() {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            let Some(word) = (if self.is_url { word.strip_prefix("//") } else { Some(word) }) else { return false };
            if self.paths.is_private_word(word, &self.bases[index], &mut self.entries) {
                return true;
            }
        }
        if let Some(directory) = self.changes.directory(word) {
            // Which of several changes precede a command is not known.
            let further: Vec<PathBuf> = self.bases.iter().map(|base| base.join(directory)).collect();
            let further = further.into_iter().filter(|base| !self.bases.contains(base)).collect::<Vec<_>>();
            self.bases.extend(further);
            self.bases.truncate(MAX_DIRECTORIES);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G2.

    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;
    use crate::run::policy::{PermissionQuery, Policy, Rule, Verdict};
    use crate::types::{Decision, PermissionMode};

    struct Fixture {
        _dir: tempfile::TempDir,
        data: PathBuf,
        project: PathBuf,
        policy: Policy,
    }

    /// A run in `project`, with its own workspace in the data directory, whose rules allow everything.
    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (data, project) = (root.join("data"), root.join("project"));
        std::fs::create_dir_all(data.join("workspaces/own")).unwrap();
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(data.join("jwt.key"), "").unwrap();
        symlink(&data, project.join("link")).unwrap();
        symlink(data.join("jwt.key"), project.join("key")).unwrap();
        let allow = || vec![Rule::new(&serde_json::from_value(json!({ "decision": "allow" })).unwrap()).unwrap()];
        let private = PrivatePaths::new([data.as_path(), Path::new("/etc/openrunner")], &[data.join("workspaces/own")]);
        Fixture { policy: Policy::new(PermissionMode::Auto, &allow(), allow()).with_private(private), _dir: dir, data, project }
    }

    impl Fixture {
        fn is_denied(&self, kind: ToolKind, input: &Value) -> bool {
            let options = [Decision::AllowOnce, Decision::Deny];
            let query = PermissionQuery { tool: "x", kind, input, options: &options, choices: &[], working_dir: &self.project };
            match self.policy.decide(query) {
                Verdict::Decided(Decision::Deny, reason) => {
                    assert_eq!(reason, "the path belongs to the server");
                    true
                }
                Verdict::Decided(..) | Verdict::Ask => false,
            }
        }
    }

    #[test]
    fn what_belongs_to_the_server_is_denied_before_any_rule_and_mode() {
        let fixture = fixture();
        let data = fixture.data.to_str().unwrap();
        for kind in [ToolKind::Read, ToolKind::Edit, ToolKind::Search, ToolKind::Delete, ToolKind::Move, ToolKind::Other] {
            for path in [format!("{data}/jwt.key"), data.to_owned(), format!("{data}/new/file"), "link/jwt.key".into(), "key".into()] {
                assert!(fixture.is_denied(kind, &json!({ "file_path": path })), "{kind:?} {path}");
            }
            assert!(fixture.is_denied(kind, &json!({ "locations": [{ "path": "a" }, { "path": "../data/jwt.key" }] })));
            assert!(fixture.is_denied(kind, &json!({ "path": "/etc/openrunner/env" })));
        }
        assert!(fixture.is_denied(ToolKind::Fetch, &json!({ "url": format!("file://{data}/jwt.key") })));
    }

    #[test]
    fn a_command_that_names_such_a_path_is_denied() {
        let fixture = fixture();
        let data = fixture.data.to_str().unwrap();
        for command in [
            format!("cat {data}/jwt.key"),
            format!("tar c '{data}'"),
            format!("base64 <{data}/jwt.key"),
            format!("sh -c \"cp {data}/jwt.key .\""),
            format!("scp --from={data}/jwt.key x:"),
            format!("make -C{data}"),
            format!("ls {data}/../data"),
            "cat link/jwt.key".into(),
            "cat key".into(),
            "cat ../data/jwt.key".into(),
            "cat ../d*/jwt.key".into(),
            "cat ../[d]ata/j?t.key".into(),
            format!("cat {}*/jwt.key", &data[..data.len() - 1]),
            "cat li*/jwt.key".into(),
            "cat k??".into(),
            "cat ../{data,other}/jwt.key".into(),
            "cat ../da\"\"ta/jwt.key".into(),
            r"cat ../da\ta/jwt.key".into(),
            "cat $PWD/../data/jwt.key".into(),
            "cat <\"$PWD\"/key".into(),
            "cd .. && cat data/jwt.key".into(),
            "(cd -P ..; cd data; cat jwt.key)".into(),
            "pushd .. ; cat d*/jwt.key".into(),
            "tar -C .. -c data".into(),
            "git -C.. show data".into(),
            "sh -c \"cd ../ && cat data/jwt.key\"".into(),
        ] {
            assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": command })), "{command}");
            let words: Vec<&str> = command.split(' ').collect();
            assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": words })), "{command} as a list");
        }
        assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": "cat jwt.key", "cwd": data })));
        assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": "ls", "workdir": "link" })));
    }

    #[test]
    fn neither_length_nor_depth_hides_a_path() {
        let fixture = fixture();
        let (data, padding) = (fixture.data.to_str().unwrap(), ": x ".repeat(MAX_WORDS));
        assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": format!("{padding}; cat {data}/jwt.key") })));
        let command: Vec<&str> = padding.split(' ').chain(["cat", data]).collect();
        assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": command })));
        for path in [format!("{data}/workspaces/own/a"), format!("{data}2/x")] {
            assert!(!fixture.is_denied(ToolKind::Execute, &json!({ "command": format!("{padding}; cat {path}") })), "{path}");
        }
        let deep = (0..100).fold(json!(format!("cat {data}/jwt.key")), |inner, _| json!([inner]));
        assert!(fixture.is_denied(ToolKind::Execute, &json!({ "command": deep })));
    }

    #[test]
    fn the_runs_own_workspace_and_everything_else_is_not_denied() {
        let fixture = fixture();
        let data = fixture.data.to_str().unwrap();
        for path in [format!("{data}/workspaces/own/a"), format!("{data}2/x"), "a".into(), "/etc/hosts".into()] {
            assert!(!fixture.is_denied(ToolKind::Edit, &json!({ "path": path })), "{path}");
            assert!(!fixture.is_denied(ToolKind::Execute, &json!({ "command": format!("cat {path}") })), "{path}");
        }
        for command in
            ["ls *.md", "cat ../project/*.md", "cd .. && ls project", "git diff -- '*.rs'", "find . -name '*.[ch]'", "echo {a,b}"]
        {
            assert!(!fixture.is_denied(ToolKind::Execute, &json!({ "command": command })), "{command}");
        }
        let own = format!("cd {data}/workspaces/own && cat sub*/x a?");
        assert!(!fixture.is_denied(ToolKind::Execute, &json!({ "command": own })), "its own workspace");
        assert!(fixture.is_denied(ToolKind::Read, &json!({ "path": format!("{data}/workspaces/other/a") })));
        let text = json!({ "path": "notes.md", "content": format!("the key is in {data}/jwt.key") });
        assert!(!fixture.is_denied(ToolKind::Edit, &text), "a text that mentions a path");
    }
}
