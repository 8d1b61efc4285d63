//! A single permission rule.

use std::path::Path;

use globset::{ErrorKind, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Match, Subject, command};
use crate::types::{RuleSpec, RuleVerdict, ToolKind};

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024;
/// Maximum depth of `{…}` in a pattern. Compilation is recursive.
const MAX_NESTING: usize = 8;
/// Maximum number of alternatives in all `{…}` of a pattern.
const MAX_ALTERNATIVES: usize = 64;
/// Maximum length of all patterns in a list of rules, in bytes. Patterns of this size compile in about 0.1 s and take about 10 MB.
const MAX_TOTAL_BYTES: usize = 64 * 1024;

/// Why a rule is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadRule {
    /// The field with the invalid pattern: `tool`, `path` or `command`.
    pub field: &'static str,
    /// Why the pattern is invalid.
    pub problem: BadPattern,
}

/// Why a pattern of a rule is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// The pattern is not a valid glob, for this reason.
    #[error("invalid glob pattern: {0}")]
    Glob(&'static str),
    /// The command is empty or not a simple command.
    #[error("expected at least one word, without quotes or operators")]
    Command,
    /// The pattern is too long.
    #[error("must have at most {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// Braces are nested too deeply.
    #[error("`{{…}}` must not be nested more than {MAX_NESTING} levels deep")]
    TooDeep,
    /// There are too many alternatives.
    #[error("must have at most {MAX_ALTERNATIVES} alternatives in `{{…}}`")]
    TooManyAlternatives,
}

/// Why a list of rules is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// A rule is invalid.
    #[error("rule {}: {error}", index + 1)]
    Rule {
        /// Position of the rule, from 0.
        index: usize,
        /// Why it is invalid.
        error: BadRule,
    },
    /// The patterns are too long together.
    #[error("the patterns of all rules together must have at most {} KiB", MAX_TOTAL_BYTES / 1024)]
    TooLong,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    tool: Option<GlobSet>,
    kind: Option<ToolKind>,
    path: Option<Pattern>,
    command: Option<Vec<String>>,
    verdict: RuleVerdict,
}

#[derive(Clone, Debug)]
struct Pattern {
    glob: GlobSet,
    absolute: bool,
}

impl Rule {
    /// Compiles a list of rules.
    ///
    /// All bounds are checked before anything is compiled: the length, nesting and alternatives of each pattern, and the length of all
    /// patterns.
    ///
    /// # Errors
    /// All faults of the list, at least one.
    pub fn compile(specs: &[RuleSpec]) -> Result<Vec<Self>, Vec<BadRules>> {
        let total: usize = specs.iter().flat_map(patterns).map(|(_, text)| text.len()).sum();
        let (mut rules, mut faults) = (Vec::with_capacity(specs.len()), Vec::new());
        if total > MAX_TOTAL_BYTES {
            faults.push(BadRules::TooLong);
            let checked = specs.iter().enumerate().map(|(index, spec)| (index, check_bounds(spec)));
            faults.extend(checked.filter_map(|(index, checked)| Some(BadRules::Rule { index, error: checked.err()? })));
            return Err(faults);
        }
        for (index, spec) in specs.iter().enumerate() {
            match Self::new(spec) {
                Ok(rule) => rules.push(rule),
                Err(error) => faults.push(BadRules::Rule { index, error }),
            }
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }

    /// Compiles one rule.
    ///
    /// # Errors
    /// [`BadRule`], which names the invalid field.
    pub fn new(spec: &RuleSpec) -> Result<Self, BadRule> {
        check_bounds(spec)?;
        let glob = |field: &'static str, text: &str| {
            compile_glob(text, field == "path").map_err(|problem| BadRule { field, problem: BadPattern::Glob(problem) })
        };
        let path = |text: &String| Ok(Pattern { glob: glob("path", text)?, absolute: text.starts_with('/') });
        let words = |text: &String| {
            let words = command::simple_words(text).filter(|words| !words.is_empty());
            words.ok_or(BadRule { field: "command", problem: BadPattern::Command })
        };
        Ok(Self {
            tool: spec.tool.as_ref().map(|text| glob("tool", text)).transpose()?,
            kind: spec.kind,
            path: spec.path.as_ref().map(path).transpose()?,
            command: spec.command.as_ref().map(words).transpose()?,
            verdict: spec.decision,
        })
    }

    pub(super) fn verdict(&self) -> RuleVerdict {
        self.verdict
    }

    /// Whether the rule applies to the request. A rule that allows must match all files and commands of a request that says what it will
    /// do; one that denies or asks must match any. Never [`Match::Unknown`] for a rule that allows.
    pub(super) fn matches(&self, subject: &Subject<'_>) -> Match {
        let query = subject.query;
        let of_tool = self.tool.as_ref().is_none_or(|tool| tool.is_match(query.tool)) && self.kind.is_none_or(|kind| kind == query.kind);
        if !of_tool {
            return Match::No;
        }
        if self.verdict == RuleVerdict::Allow {
            return if self.allows(subject) { Match::Yes } else { Match::No };
        }
        let path =
            self.path.as_ref().map_or(Match::Yes, |pattern| match subject.paths().any(|path| pattern.matches(path, query.working_dir)) {
                Some(true) => Match::Yes,
                Some(false) if !subject.paths().is_empty() || !changes_files(query.kind) => Match::No,
                _ => Match::Unknown,
            });
        if path == Match::No {
            return Match::No;
        }
        let command = self.command.as_ref().map_or(Match::Yes, |prefix| subject.commands().any_starts_with(prefix));
        match (path, command) {
            (_, Match::No) => Match::No,
            (Match::Yes, Match::Yes) => Match::Yes,
            _ => Match::Unknown,
        }
    }

    fn allows(&self, subject: &Subject<'_>) -> bool {
        let working_dir = subject.query.working_dir;
        let path = |pattern: &Pattern| subject.paths().all(|path| pattern.matches(path, working_dir));
        // A command is allowed below the run's own directory, or where the pattern for paths allows it: elsewhere it may mean something else.
        let directory = |directory: &Path| {
            directory.starts_with(working_dir) || self.path.as_ref().is_some_and(|pattern| pattern.matches(directory, working_dir))
        };
        let command = |prefix: &Vec<String>| subject.commands().all_start_with(prefix) && subject.paths().runs_in(directory);
        subject.is_readable() && self.path.as_ref().is_none_or(path) && self.command.as_ref().is_none_or(command)
    }
}

/// Whether a tool of this kind changes the files that it names.
fn changes_files(kind: ToolKind) -> bool {
    matches!(kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move)
}

/// The patterns of a rule, with the names of their fields.
fn patterns(spec: &RuleSpec) -> impl Iterator<Item = (&'static str, &str)> {
    let fields = [("tool", &spec.tool), ("path", &spec.path), ("command", &spec.command)];
    fields.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)))
}

/// Checks the bounds of all patterns of a rule, in time linear in [`MAX_PATTERN_BYTES`].
fn check_bounds(spec: &RuleSpec) -> Result<(), BadRule> {
    for (field, text) in patterns(spec) {
        let checked = if text.len() > MAX_PATTERN_BYTES {
            Err(BadPattern::TooLong)
        } else if field == "command" {
            Ok(())
        } else {
            check_alternatives(text)
        };
        checked.map_err(|problem| BadRule { field, problem })?;
    }
    Ok(())
}

/// Checks the nesting and number of alternatives. Escapes and classes are recognized as globset does.
fn check_alternatives(glob: &str) -> Result<(), BadPattern> {
    let (mut depth, mut alternatives) = (0_usize, 0_usize);
    let mut chars = glob.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '[' => {
                chars.next_if(|char| matches!(char, '!' | '^'));
                // A `]` at the beginning of a class belongs to it.
                chars.next();
                chars.by_ref().find(|char| *char == ']');
            }
            '{' => (depth, alternatives) = (depth + 1, alternatives + 1),
            '}' => depth = depth.saturating_sub(1),
            ',' if depth > 0 => alternatives += 1,
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(BadPattern::TooDeep);
        }
        if alternatives > MAX_ALTERNATIVES {
            return Err(BadPattern::TooManyAlternatives);
        }
    }
    Ok(())
}

/// Compiles a glob. As a set of one, because globset panics if a single glob is too complex.
fn compile_glob(text: &str, literal_separator: bool) -> Result<GlobSet, &'static str> {
    let glob = GlobBuilder::new(text).literal_separator(literal_separator).build();
    let set = glob.and_then(|glob| GlobSetBuilder::new().add(glob).build());
    set.map_err(|error| describe(error.kind()))
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
    fn matches(&self, path: &Path, working_dir: &Path) -> bool {
        let path = if self.absolute { Some(path) } else { path.strip_prefix(working_dir).ok() };
        path.is_some_and(|path| self.glob.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C8.

    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::PermissionQuery;
    use super::*;

    fn compile(rule: Value) -> Result<Rule, BadRule> {
        Rule::new(&serde_json::from_value(rule).unwrap())
    }

    fn matches(rule: Value, input: &Value) -> bool {
        let rule = compile(rule).unwrap();
        let working_dir = Path::new("/project");
        let query = PermissionQuery { tool: "mcp__db__query", kind: ToolKind::Edit, input, options: &[], choices: &[], working_dir };
        rule.matches(&Subject::new(query)) == Match::Yes
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
    fn the_error_names_the_invalid_field() {
        let error = |rule: Value| compile(rule).unwrap_err().to_string();
        assert!(error(json!({ "path": "src/[", "decision": "allow" })).starts_with("path: "));
        assert!(error(json!({ "tool": "{a", "decision": "allow" })).starts_with("tool: "));
        assert!(error(json!({ "command": " ", "decision": "allow" })).starts_with("command: "));
        assert!(error(json!({ "command": "git && rm", "decision": "deny" })).starts_with("command: "));
    }

    fn rule_with_path(path: impl Into<String>) -> RuleSpec {
        RuleSpec { tool: None, kind: None, path: Some(path.into()), command: None, decision: RuleVerdict::Deny }
    }

    fn nested(depth: usize) -> String {
        format!("{}a{}", "{".repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn patterns_at_the_bounds_compile_and_patterns_beyond_them_do_not() {
        let alternatives = |count: usize| format!("{{{}}}", vec!["a"; count].join(","));
        let problem = |path: String| Rule::new(&rule_with_path(path)).err().map(|error| error.problem);
        for accepted in ["?".repeat(1024), "[!a]".repeat(256), "**/".repeat(341), nested(8), alternatives(64)] {
            assert_eq!(problem(accepted.clone()), None, "{accepted}");
        }
        assert_eq!(problem("?".repeat(1025)), Some(BadPattern::TooLong));
        assert_eq!(problem("é".repeat(513)), Some(BadPattern::TooLong), "bytes count, not characters");
        assert_eq!(problem(nested(9)), Some(BadPattern::TooDeep));
        assert_eq!(problem("{".repeat(9)), Some(BadPattern::TooDeep), "also if they are not closed");
        assert_eq!(problem(alternatives(65)), Some(BadPattern::TooManyAlternatives));
        assert_eq!(problem("{a,b}".repeat(33)), Some(BadPattern::TooManyAlternatives), "of all groups together");
        for literal in [r"\{".repeat(100), "[{]".repeat(100), "[]{]".repeat(100), "[!]{]".repeat(100), ",".repeat(100)] {
            assert_eq!(problem(literal.clone()), None, "escaped or in a class, it is an ordinary character: {literal}");
        }
        for part in [json!({ "tool": "x".repeat(1025) }), json!({ "command": "x".repeat(1025) })] {
            let field = part.as_object().unwrap().keys().next().unwrap().clone();
            let mut rule = part;
            rule["decision"] = "deny".into();
            let error = compile(rule).unwrap_err();
            assert_eq!((error.field, error.problem), (&*field, BadPattern::TooLong));
        }
    }

    #[test]
    fn hostile_patterns_are_rejected_without_being_compiled() {
        let lists = [vec![nested(15_000)], vec![nested(200)], vec!["?".repeat(7_000); 250], vec!["?".repeat(1024); 65]];
        for list in lists {
            let specs: Vec<RuleSpec> = list.into_iter().map(rule_with_path).collect();
            let before = Instant::now();
            let faults = Rule::compile(&specs).unwrap_err();
            // A thousand times what it takes, for slow and busy machines.
            assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
            let first_rule = faults.iter().find(|fault| matches!(fault, BadRules::Rule { .. }));
            assert!(first_rule.is_some() || faults == [BadRules::TooLong], "{faults:?}");
        }
    }

    #[test]
    fn all_faults_of_a_list_are_reported() {
        let specs = ["a", "[", "b", &nested(9)].map(rule_with_path);
        let indexes: Vec<usize> = Rule::compile(&specs)
            .unwrap_err()
            .iter()
            .map(|fault| if let BadRules::Rule { index, .. } = fault { *index } else { usize::MAX })
            .collect();
        assert_eq!(indexes, [1, 3]);
        assert_eq!(Rule::compile(&specs[..1]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_pattern_causes_a_panic(text in any::<String>(), glob in r"([{}\[\],!^*?/\\a-cé\-]|\*\*/|\{a,){0,600}") {
            for text in [text, glob] {
                let spec = |field: &str| serde_json::from_value(json!({ field: text, "decision": "deny" })).unwrap();
                for field in ["tool", "path", "command"] {
                    let compiled = Rule::new(&spec(field));
                    prop_assert!(text.len() <= MAX_PATTERN_BYTES || compiled.is_err());
                }
            }
        }

        /// The bounds are those of the tree that globset builds, so compilation is bounded by them.
        #[test]
        fn the_check_sees_the_braces_that_globset_sees(glob in r"[{}\[\],!^a\\]{0,40}") {
            let (mut depth, mut deepest) = (0_usize, 0_usize);
            // Its regular expression has a group for each pair of braces.
            if let Ok(compiled) = GlobBuilder::new(&glob).build() {
                for char in compiled.regex().replace("(?-u)", "").chars() {
                    match char {
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    deepest = deepest.max(depth);
                }
            }
            prop_assert!(deepest <= MAX_NESTING || check_alternatives(&glob).is_err());
        }
    }
}
