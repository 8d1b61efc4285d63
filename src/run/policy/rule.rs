//! A single permission rule.

use globset::{ErrorKind, GlobBuilder, GlobMatcher};

use super::PermissionQuery;
use super::{command, matching};
use crate::types::{RuleSpec, RuleVerdict, ToolKind};

/// Why a rule is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// A pattern is not a valid glob.
    #[error("{part}: invalid glob pattern: {problem}")]
    Pattern {
        /// `tool` or `path`.
        part: &'static str,
        /// Why it is invalid.
        problem: &'static str,
    },
    /// The command is empty or not a simple command.
    #[error("command: expected at least one word, without quotes or operators")]
    Command,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    tool: Option<GlobMatcher>,
    kind: Option<ToolKind>,
    path: Option<Pattern>,
    command: Option<Vec<String>>,
    verdict: RuleVerdict,
}

#[derive(Clone, Debug)]
struct Pattern {
    glob: GlobMatcher,
    absolute: bool,
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// [`BadRule`], which names the invalid part.
    pub fn new(spec: RuleSpec) -> Result<Self, BadRule> {
        let glob = |part: &'static str, text: &str| {
            let built = GlobBuilder::new(text).literal_separator(part == "path").build();
            built.map(|glob| glob.compile_matcher()).map_err(|error| BadRule::Pattern { part, problem: describe(error.kind()) })
        };
        let path = |text: String| Ok(Pattern { glob: glob("path", &text)?, absolute: text.starts_with('/') });
        let words = |text: String| command::simple_words(&text).filter(|words| !words.is_empty()).ok_or(BadRule::Command);
        Ok(Self {
            tool: spec.tool.map(|text| glob("tool", &text)).transpose()?,
            kind: spec.kind,
            path: spec.path.map(path).transpose()?,
            command: spec.command.map(words).transpose()?,
            verdict: spec.decision,
        })
    }

    pub(super) fn verdict(&self) -> RuleVerdict {
        self.verdict
    }

    /// Whether the rule applies to the request. A rule that allows must match all files and commands of the request; one that denies or
    /// asks must match any.
    pub(super) fn matches(&self, query: PermissionQuery<'_>) -> bool {
        let all = self.verdict == RuleVerdict::Allow;
        self.tool.as_ref().is_none_or(|tool| tool.is_match(query.tool))
            && self.kind.is_none_or(|kind| kind == query.kind)
            && self.path.as_ref().is_none_or(|pattern| pattern.matches(query, all))
            && self.command.as_ref().is_none_or(|words| command::starts_with(query.input, words, all))
    }
}

fn describe(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::UnclosedClass => "`[` without `]`",
        ErrorKind::InvalidRange(..) => "a range in `[…]` is not in ascending order",
        ErrorKind::UnopenedAlternates => "`}` without `{`",
        ErrorKind::UnclosedAlternates => "`{` without `}`",
        ErrorKind::NestedAlternates => "`{…}` inside `{…}`",
        ErrorKind::DanglingEscape => "`\\` at the end",
        _ => "it is too complex",
    }
}

impl Pattern {
    fn matches(&self, query: PermissionQuery<'_>, all: bool) -> bool {
        let paths = matching::paths(query.input, query.working_dir);
        let matches = |path: &std::path::PathBuf| {
            let subject = if self.absolute { Some(path.as_path()) } else { path.strip_prefix(query.working_dir).ok() };
            subject.is_some_and(|path| self.glob.is_match(path))
        };
        if all { !paths.is_empty() && paths.iter().all(matches) } else { paths.iter().any(matches) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn matches(rule: Value, input: &Value) -> bool {
        let rule = Rule::new(serde_json::from_value(rule).unwrap()).unwrap();
        let working_dir = std::path::Path::new("/project");
        rule.matches(PermissionQuery { tool: "mcp__db__query", kind: ToolKind::Edit, input, options: &[], working_dir })
    }

    #[test]
    fn all_parts_of_a_rule_must_match() {
        let input = json!({ "file_path": "/project/src/a.rs" });
        assert!(matches(json!({ "decision": "allow" }), &input));
        assert!(matches(json!({ "tool": "mcp__*", "kind": "edit", "path": "src/*.rs", "decision": "allow" }), &input));
        assert!(!matches(json!({ "tool": "Bash", "decision": "allow" }), &input));
        assert!(!matches(json!({ "kind": "read", "decision": "allow" }), &input));
        assert!(!matches(json!({ "path": "*.rs", "decision": "allow" }), &input), "a star does not match a slash");
        assert!(matches(json!({ "path": "/project/**", "decision": "deny" }), &input));
        assert!(!matches(json!({ "command": "git", "decision": "deny" }), &input));
    }

    #[test]
    fn a_path_cannot_escape_an_allowed_directory() {
        let rule = json!({ "path": "src/**", "decision": "allow" });
        for path in ["/project/src/../../etc/passwd", "src/../../etc/passwd", "/projects/src/a", "../project2/src/a", ""] {
            assert!(!matches(rule.clone(), &json!({ "file_path": path })), "{path}");
        }
        assert!(!matches(rule, &json!({ "nothing": "named" })), "a request without files does not match a path");
    }

    #[test]
    fn an_allow_rule_must_match_all_files_and_a_deny_rule_any() {
        let both = json!({ "changes": [{ "path": "/project/src/a" }, { "path": "/project/secret" }] });
        assert!(!matches(json!({ "path": "src/**", "decision": "allow" }), &both));
        assert!(matches(json!({ "path": "secret", "decision": "deny" }), &both));
    }

    #[test]
    fn the_error_names_the_invalid_part() {
        let error = |rule: Value| Rule::new(serde_json::from_value(rule).unwrap()).unwrap_err().to_string();
        assert!(error(json!({ "path": "src/[", "decision": "allow" })).starts_with("path: "));
        assert!(error(json!({ "tool": "{a", "decision": "allow" })).starts_with("tool: "));
        assert!(error(json!({ "command": " ", "decision": "allow" })).starts_with("command: "));
        assert!(error(json!({ "command": "git && rm", "decision": "deny" })).starts_with("command: "));
    }
}
