//! The built-in rule: no agent reads or writes what belongs to the server (rule G2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::Subject;
use super::paths::{normalize, resolve};
use crate::types::ToolKind;

/// What separates the words of a command. Quotes are among them, since what they protect is still a path.
const SEPARATORS: &[char] = &[' ', '\t', '\r', '\n', '\'', '"', '`', '=', ':', ',', ';', '|', '&', '<', '>', '(', ')', '{', '}', '@'];
/// Maximum number of words per request whose links are followed. Each costs a few system calls. What comes after them is only searched for
/// the private paths themselves.
const MAX_WORDS: usize = 4096;
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
                let is_private = |word: &str| self.is_private_word(word, base);
                Words { paths: self, left: MAX_WORDS, is_private }.any(query.input, 0)
            }
            ToolKind::Fetch => {
                let is_private = |word: &str| word.strip_prefix("//").is_some_and(|path| self.is_private_word(path, base));
                Words { paths: self, left: MAX_WORDS, is_private }.any(query.input, 0)
            }
            _ => false,
        }
    }

    fn is_private_word(&self, word: &str, base: &Path) -> bool {
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
        [Some(path.as_path()), attached].into_iter().flatten().any(|path| self.leads_inside(path))
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
struct Words<'a, F> {
    paths: &'a PrivatePaths,
    left: usize,
    is_private: F,
}

impl<F: Fn(&str) -> bool> Words<'_, F> {
    fn any(&mut self, value: &Value, depth: usize) -> bool {
        match value {
            _ if depth > MAX_DEPTH => false,
            Value::String(text) => {
                for word in text.split(SEPARATORS).filter(|word| !word.is_empty()) {
                    if self.left == 0 {
                        return self.paths.are_written_in(text);
                    }
                    self.left -= 1;
                    if (self.is_private)(word) {
                        return true;
                    }
                }
                false
            }
            Value::Array(items) => items.iter().any(|item| self.any(item, depth + 1)),
            Value::Object(fields) => fields.values().any(|value| self.any(value, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
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
        assert!(fixture.is_denied(ToolKind::Read, &json!({ "path": format!("{data}/workspaces/other/a") })));
        let text = json!({ "path": "notes.md", "content": format!("the key is in {data}/jwt.key") });
        assert!(!fixture.is_denied(ToolKind::Edit, &text), "a text that mentions a path");
    }
}
