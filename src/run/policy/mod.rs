//! The permission policy: decides an agent's permission requests by rules first, then by the run's permission mode. The same for all
//! agents.
//!
//! One rule is built in and precedes all others: what belongs to the server is denied (`private`).
//!
//! Rules are not a sandbox. They match what an agent *reports* that it will do, and an agent that may run a command can do everything that
//! the command can do. But an allow rule never matches more than what is reported, and a rule that denies or asks is not evaded by another
//! spelling: what cannot be analyzed is passed to a person.

mod command;
mod command_words;
mod invocations;
mod paths;
mod private;
mod rule;
mod shell;

pub(super) use private::PrivatePaths;
pub use rule::{BadPattern, BadRule, BadRules, Rule};

use std::cell::OnceCell;
use std::path::Path;

use serde_json::Value;

use self::command::Commands;
use self::paths::Paths;
use crate::types::{Decision, PermissionChoice, PermissionMode, RuleVerdict, ToolKind};

/// A permission request of an agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermissionQuery<'a> {
    pub(super) tool: &'a str,
    pub(super) kind: ToolKind,
    pub(super) input: &'a Value,
    pub(super) options: &'a [Decision],
    pub(super) choices: &'a [PermissionChoice],
    pub(super) working_dir: &'a Path,
}

/// Whether a rule applies to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// The request does not reveal it.
    Unknown,
}

/// A request with what the rules examine of it, each part computed when the first rule needs it.
struct Subject<'a> {
    query: PermissionQuery<'a>,
    commands: OnceCell<Commands>,
    paths: OnceCell<Paths>,
}

impl<'a> Subject<'a> {
    fn new(query: PermissionQuery<'a>) -> Self {
        Self { query, commands: OnceCell::new(), paths: OnceCell::new() }
    }

    fn commands(&self) -> &Commands {
        self.commands.get_or_init(|| Commands::from_request(self.query.kind, self.query.input))
    }

    fn paths(&self) -> &Paths {
        self.paths.get_or_init(|| Paths::from_request(self.query.input, self.query.working_dir))
    }

    /// Whether the request says what it will do. One that does not is allowed by no rule.
    fn is_readable(&self) -> bool {
        match self.query.kind {
            ToolKind::Execute => self.commands().is_known(),
            ToolKind::Edit | ToolKind::Delete | ToolKind::Move => !self.paths().is_empty(),
            _ => true,
        }
    }
}

/// The policy's decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Decided by the policy, with the reason.
    Decided(Decision, String),
    /// A user decides.
    Ask,
}

/// The rules of a run in order of precedence, and its permission mode.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    mode: PermissionMode,
    rules: Vec<Rule>,
    private: PrivatePaths,
}

impl Policy {
    /// The operator's rules precede the run's, so that a run cannot allow what the operator denies.
    pub(super) fn new(mode: PermissionMode, operator_rules: &[Rule], run_rules: Vec<Rule>) -> Self {
        Self { mode, rules: operator_rules.iter().cloned().chain(run_rules).collect(), private: PrivatePaths::default() }
    }

    /// Denies what belongs to the server, before any rule.
    pub(super) fn with_private(self, private: PrivatePaths) -> Self {
        Self { private, ..self }
    }

    pub(super) fn decide(&self, query: PermissionQuery<'_>) -> Verdict {
        let subject = Subject::new(query);
        if self.private.are_named_by(&subject) {
            return decide_for_agent(false, query, "the path belongs to the server".to_owned());
        }
        let matches = self.rules.iter().enumerate().map(|(index, rule)| (index, rule, rule.matches(&subject)));
        let first_match = { matches }.find(|(_, _, matched)| *matched != Match::No);
        match first_match {
            Some((index, _, Match::Unknown)) if self.mode == PermissionMode::ReadOnly => {
                let reason = format!("the request does not reveal whether rule {} applies, and permission_mode is read_only", index + 1);
                decide_for_agent(false, query, reason)
            }
            Some((_, _, Match::Unknown)) => Verdict::Ask,
            Some((_, rule, _)) if rule.verdict() == RuleVerdict::Ask => Verdict::Ask,
            Some((index, rule, _)) => {
                let allow = rule.verdict() == RuleVerdict::Allow;
                let reason = format!("{} by rule {}", if allow { "allowed" } else { "denied" }, index + 1);
                decide_for_agent(allow, query, reason)
            }
            None => match self.mode {
                PermissionMode::Auto => decide_for_agent(true, query, "permission_mode is auto".into()),
                PermissionMode::Ask => Verdict::Ask,
                PermissionMode::ReadOnly => {
                    let is_read_only = matches!(query.kind, ToolKind::Read | ToolKind::Search | ToolKind::Think);
                    decide_for_agent(is_read_only, query, "permission_mode is read_only".into())
                }
            },
        }
    }
}

/// Picks the decision that the agent accepts. Prefers `allow_once`, so that every use is asked and recorded. If the agent offers several
/// ways to continue, only a user can choose one.
fn decide_for_agent(allow: bool, query: PermissionQuery<'_>, reason: String) -> Verdict {
    let accepted = |decision: Decision| query.options.contains(&decision).then_some(decision);
    let is_ambiguous = |decision: Decision| accepted(decision).is_none() && query.choices.iter().any(|choice| choice.decision == decision);
    if allow && is_ambiguous(Decision::AllowOnce) {
        return Verdict::Ask;
    }
    let allowed = accepted(Decision::AllowOnce).or_else(|| accepted(Decision::AllowAlways)).filter(|_| allow);
    Verdict::Decided(allowed.unwrap_or(Decision::Deny), reason)
}

#[cfg(test)]
mod tests {
    //! Rules: P2, P3, P4.

    use serde_json::json;

    use super::*;
    use crate::types::RuleSpec;

    const ONCE: [Decision; 2] = [Decision::AllowOnce, Decision::Deny];

    fn decide(mode: PermissionMode, rules: Value, tool: &str, kind: ToolKind, input: &Value) -> &'static str {
        let specs: Vec<RuleSpec> = serde_json::from_value(rules).unwrap();
        let rules = Rule::compile(&specs).unwrap();
        let query = PermissionQuery { tool, kind, input, options: &ONCE, choices: &[], working_dir: Path::new("/project") };
        match Policy::new(mode, &[], rules).decide(query) {
            Verdict::Ask => "ask",
            Verdict::Decided(Decision::Deny, _) => "deny",
            Verdict::Decided(_, _) => "allow",
        }
    }

    #[test]
    fn without_rules_the_mode_decides() {
        for (mode, kind, expected) in [
            (PermissionMode::Auto, ToolKind::Execute, "allow"),
            (PermissionMode::Ask, ToolKind::Read, "ask"),
            (PermissionMode::ReadOnly, ToolKind::Read, "allow"),
            (PermissionMode::ReadOnly, ToolKind::Search, "allow"),
            (PermissionMode::ReadOnly, ToolKind::Edit, "deny"),
            (PermissionMode::ReadOnly, ToolKind::Execute, "deny"),
            (PermissionMode::ReadOnly, ToolKind::Fetch, "deny"),
            (PermissionMode::ReadOnly, ToolKind::Other, "deny"),
        ] {
            assert_eq!(decide(mode, json!([]), "x", kind, &json!({})), expected, "{mode:?} {kind:?}");
        }
    }

    #[test]
    fn the_first_matching_rule_wins() {
        let rules = json!([
            { "tool": "Bash", "command": "git push", "decision": "deny" },
            { "tool": "Bash", "command": "git", "decision": "allow" },
            { "kind": "edit", "path": "docs/**", "decision": "allow" },
            { "kind": "edit", "decision": "ask" },
        ]);
        let bash = |command: &str| decide(PermissionMode::Ask, rules.clone(), "Bash", ToolKind::Execute, &json!({ "command": command }));
        assert_eq!(bash("git status"), "allow");
        assert_eq!(bash("git push origin"), "deny");
        assert_eq!(bash("make"), "ask");
        let edit = |path: &str| decide(PermissionMode::Auto, rules.clone(), "Write", ToolKind::Edit, &json!({ "file_path": path }));
        assert_eq!(edit("/project/docs/a/b.md"), "allow");
        assert_eq!(edit("/project/src/main.rs"), "ask");
    }

    #[test]
    fn what_a_rule_cannot_see_through_is_asked_or_denied_in_read_only() {
        let rules = json!([{ "command": "git push", "decision": "deny" }]);
        let bash = |mode, command: &str| decide(mode, rules.clone(), "Bash", ToolKind::Execute, &json!({ "command": command }));
        assert_eq!(bash(PermissionMode::Auto, "git $x"), "ask");
        assert_eq!(bash(PermissionMode::ReadOnly, "git $x"), "deny");
        assert_eq!(bash(PermissionMode::Auto, "env git -C x push"), "deny");
        assert_eq!(bash(PermissionMode::Auto, "git status"), "allow");
        assert_eq!(
            decide(PermissionMode::Auto, json!([]), "Bash", ToolKind::Execute, &json!({ "command": "$x" })),
            "allow",
            "without rules"
        );
        let ask = json!([{ "command": "git push", "decision": "ask" }, { "decision": "allow" }]);
        assert_eq!(decide(PermissionMode::ReadOnly, ask, "Bash", ToolKind::Execute, &json!({ "command": "eval x" })), "deny");
    }

    #[test]
    fn a_request_that_does_not_say_what_it_does_is_allowed_by_no_rule() {
        let allow = json!([{ "decision": "allow" }]);
        let decide = |kind, input: Value| decide(PermissionMode::Ask, allow.clone(), "x", kind, &input);
        assert_eq!(decide(ToolKind::Execute, json!({ "command": "make" })), "allow");
        assert_eq!(decide(ToolKind::Execute, json!({ "title": "make" })), "ask");
        assert_eq!(decide(ToolKind::Execute, json!({})), "ask");
        assert_eq!(decide(ToolKind::Edit, json!({ "path": "a" })), "allow");
        assert_eq!(decide(ToolKind::Edit, json!({ "content": "x" })), "ask");
        assert_eq!(decide(ToolKind::Fetch, json!({})), "allow");
    }

    #[test]
    fn a_rule_for_paths_sees_move_targets_links_and_the_directory_of_the_request() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::create_dir_all(root.join("keys")).unwrap();
        std::os::unix::fs::symlink(root.join("keys"), root.join("src/link")).unwrap();
        let rules = [
            json!({ "path": "keys/**", "decision": "deny" }),
            json!({ "path": "src/**", "decision": "allow" }),
            json!({ "command": "make", "decision": "allow" }),
        ];
        let rules: Vec<RuleSpec> = rules.into_iter().map(|rule| serde_json::from_value(rule).unwrap()).collect();
        let policy = Policy::new(PermissionMode::Ask, &[], Rule::compile(&rules).unwrap());
        let decide = |kind, input: Value| match policy.decide(PermissionQuery {
            tool: "x",
            kind,
            input: &input,
            options: &ONCE,
            choices: &[],
            working_dir: &root,
        }) {
            Verdict::Ask => "ask",
            Verdict::Decided(Decision::Deny, _) => "deny",
            Verdict::Decided(_, _) => "allow",
        };
        assert_eq!(decide(ToolKind::Edit, json!({ "path": "src/a" })), "allow");
        assert_eq!(decide(ToolKind::Edit, json!({ "path": "src/link/a" })), "deny", "through a link");
        assert_eq!(decide(ToolKind::Edit, json!({ "path": "keys/../src/a" })), "allow");
        let moved = |target: &str| json!({ "changes": [{ "path": "src/a", "kind": { "type": "update", "move_path": target } }] });
        assert_eq!(decide(ToolKind::Edit, moved("src/b")), "allow");
        assert_eq!(decide(ToolKind::Edit, moved("/etc/b")), "ask");
        assert_eq!(decide(ToolKind::Edit, moved("keys/b")), "deny");
        assert_eq!(decide(ToolKind::Edit, json!({ "path": "src/a", "cwd": "/tmp" })), "ask", "it is /tmp/src/a");
        assert_eq!(decide(ToolKind::Execute, json!({ "command": "make", "cwd": root.join("src") })), "allow");
        assert_eq!(decide(ToolKind::Execute, json!({ "command": "make", "cwd": "/tmp" })), "ask", "another Makefile");
    }

    #[test]
    fn a_decision_that_the_agent_does_not_accept_becomes_deny() {
        let input = json!({});
        let query = PermissionQuery {
            tool: "x",
            kind: ToolKind::Read,
            input: &input,
            options: &[Decision::Deny],
            choices: &[],
            working_dir: Path::new("/"),
        };
        let verdict = Policy::default().decide(query);
        assert_eq!(verdict, Verdict::Decided(Decision::Deny, "permission_mode is auto".into()));
    }

    #[test]
    fn the_operators_rules_precede_those_of_the_run() {
        let rule = |decision: &str| Rule::new(&serde_json::from_value(json!({ "decision": decision })).unwrap()).unwrap();
        let policy = Policy::new(PermissionMode::Auto, &[rule("deny")], vec![rule("allow")]);
        let input = json!({});
        let query =
            PermissionQuery { tool: "x", kind: ToolKind::Read, input: &input, options: &ONCE, choices: &[], working_dir: Path::new("/") };
        assert_eq!(policy.decide(query), Verdict::Decided(Decision::Deny, "denied by rule 1".into()));
    }

    #[test]
    fn several_options_of_one_decision_are_left_to_a_user() {
        let choice = |id: &str, decision| PermissionChoice { id: id.into(), name: id.into(), decision };
        let (input, several) = (json!({}), [choice("a", Decision::AllowOnce), choice("b", Decision::AllowOnce)]);
        let query = |options, choices| PermissionQuery {
            tool: "x",
            kind: ToolKind::Other,
            input: &input,
            options,
            choices,
            working_dir: Path::new("/"),
        };
        let auto = Policy::new(PermissionMode::Auto, &[], Vec::new());
        assert_eq!(auto.decide(query(&[Decision::AllowAlways, Decision::Deny], &several)), Verdict::Ask);
        let one = [choice("a", Decision::AllowOnce), choice("n", Decision::Deny)];
        assert!(matches!(auto.decide(query(&ONCE, &one)), Verdict::Decided(Decision::AllowOnce, _)));
        let read_only = Policy::new(PermissionMode::ReadOnly, &[], Vec::new());
        assert!(matches!(read_only.decide(query(&[Decision::Deny], &several)), Verdict::Decided(Decision::Deny, _)));
    }
}
