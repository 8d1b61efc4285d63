//! One rule: what it fits, and what it says.

use globset::{GlobBuilder, GlobMatcher};

use super::PermissionQuery;
use super::{command, matching};
use crate::types::{RuleSpec, RuleVerdict, ToolKind};

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// A pattern that cannot be understood.
    #[error("{part}: {problem}")]
    Pattern {
        /// `tool` or `path`.
        part: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A command without a word.
    #[error("command: it must have at least one word, and no quotes or operators")]
    Command,
}

/// A rule that can be used.
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
    /// Checks a rule.
    ///
    /// # Errors
    /// [`BadRule`], with the part that is wrong.
    pub fn new(spec: RuleSpec) -> Result<Self, BadRule> {
        let glob = |part: &'static str, text: &str| {
            let built = GlobBuilder::new(text).literal_separator(part == "path").build();
            built.map(|glob| glob.compile_matcher()).map_err(|error| BadRule::Pattern { part, problem: error.kind().to_string() })
        };
        let path = |text: String| Ok(Pattern { glob: glob("path", &text)?, absolute: text.starts_with('/') });
        let words = |text: String| command::plain_words(&text).filter(|words| !words.is_empty()).ok_or(BadRule::Command);
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

    /// Whether the rule speaks of this wish. One that allows must fit all of it; one that denies or asks, any part of it.
    pub(super) fn matches(&self, query: PermissionQuery<'_>) -> bool {
        let whole = self.verdict == RuleVerdict::Allow;
        self.tool.as_ref().is_none_or(|tool| tool.is_match(query.tool))
            && self.kind.is_none_or(|kind| kind == query.kind)
            && self.path.as_ref().is_none_or(|pattern| pattern.matches(query, whole))
            && self.command.as_ref().is_none_or(|words| command::begins_with(query.input, words, whole))
    }
}

impl Pattern {
    fn matches(&self, query: PermissionQuery<'_>, whole: bool) -> bool {
        let paths = matching::paths(query.input, query.working_dir);
        let matches = |path: &std::path::PathBuf| {
            let seen = if self.absolute { Some(path.as_path()) } else { path.strip_prefix(query.working_dir).ok() };
            seen.is_some_and(|path| self.glob.is_match(path))
        };
        if whole { !paths.is_empty() && paths.iter().all(matches) } else { paths.iter().any(matches) }
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
    fn every_part_that_is_written_must_fit() {
        let input = json!({ "file_path": "/project/src/a.rs" });
        assert!(matches(json!({ "decision": "allow" }), &input));
        assert!(matches(json!({ "tool": "mcp__*", "kind": "edit", "path": "src/*.rs", "decision": "allow" }), &input));
        assert!(!matches(json!({ "tool": "Bash", "decision": "allow" }), &input));
        assert!(!matches(json!({ "kind": "read", "decision": "allow" }), &input));
        assert!(!matches(json!({ "path": "*.rs", "decision": "allow" }), &input), "a star does not cross a folder");
        assert!(matches(json!({ "path": "/project/**", "decision": "deny" }), &input));
        assert!(!matches(json!({ "command": "git", "decision": "deny" }), &input));
    }

    #[test]
    fn a_path_cannot_climb_out_of_what_is_allowed() {
        let rule = json!({ "path": "src/**", "decision": "allow" });
        for path in ["/project/src/../../etc/passwd", "src/../../etc/passwd", "/projects/src/a", "../project2/src/a", ""] {
            assert!(!matches(rule.clone(), &json!({ "file_path": path })), "{path}");
        }
        assert!(!matches(rule, &json!({ "nothing": "named" })), "what names no file is not allowed by a path");
    }

    #[test]
    fn of_several_files_all_must_be_allowed_but_one_is_enough_to_deny() {
        let both = json!({ "changes": [{ "path": "/project/src/a" }, { "path": "/project/secret" }] });
        assert!(!matches(json!({ "path": "src/**", "decision": "allow" }), &both));
        assert!(matches(json!({ "path": "secret", "decision": "deny" }), &both));
    }

    #[test]
    fn a_rule_that_cannot_be_understood_names_its_part() {
        let bad = |rule: Value| Rule::new(serde_json::from_value(rule).unwrap()).unwrap_err().to_string();
        assert!(bad(json!({ "path": "src/[", "decision": "allow" })).starts_with("path: "));
        assert!(bad(json!({ "tool": "{a", "decision": "allow" })).starts_with("tool: "));
        assert!(bad(json!({ "command": " ", "decision": "allow" })).starts_with("command: "));
        assert!(bad(json!({ "command": "git && rm", "decision": "deny" })).starts_with("command: "));
    }
}
