//! The permission policy: decides an agent's permission requests by rules first, then by the run's permission mode. The same for all
//! agents.
//!
//! Rules are not a sandbox. They match what an agent *reports* that it will do, and an agent that may run a command can do everything that
//! the command can do.

mod command;
mod matching;
mod rule;

pub use rule::{BadPattern, BadRule, BadRules, Rule};

use std::path::Path;

use serde_json::Value;

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
}

impl Policy {
    /// The operator's rules precede the run's, so that a run cannot allow what the operator denies.
    pub(super) fn new(mode: PermissionMode, operator_rules: &[Rule], run_rules: Vec<Rule>) -> Self {
        Self { mode, rules: operator_rules.iter().cloned().chain(run_rules).collect() }
    }

    pub(super) fn decide(&self, query: PermissionQuery<'_>) -> Verdict {
        let first_match = self.rules.iter().enumerate().find(|(_, rule)| rule.matches(query));
        match first_match {
            Some((_, rule)) if rule.verdict() == RuleVerdict::Ask => Verdict::Ask,
            Some((index, rule)) => {
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
