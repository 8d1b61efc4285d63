//! Who decides when an agent asks: rules first, then the run's permission mode. The same for all agents.
//!
//! A rule is no sandbox: it judges what an agent *says* that it will do, and an agent that may run one command can do with it whatever
//! that command can do.

mod command;
mod matching;
mod rule;

pub use rule::{BadRule, Rule};

use std::path::Path;

use serde_json::Value;

use crate::types::{Decision, PermissionMode, RuleVerdict, ToolKind};

/// What an agent wants to do, as its request shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermissionQuery<'a> {
    pub(super) tool: &'a str,
    pub(super) kind: ToolKind,
    pub(super) input: &'a Value,
    pub(super) options: &'a [Decision],
    pub(super) working_dir: &'a Path,
}

/// What is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Decided here and now, for this reason.
    Decided(Decision, String),
    /// A person decides.
    Ask,
}

/// The rules of a run, in the order in which they count.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    mode: PermissionMode,
    rules: Vec<Rule>,
}

impl Policy {
    /// The operator's rules come before the run's own, so that what they deny stays denied.
    pub(super) fn new(mode: PermissionMode, operator: &[Rule], own: Vec<Rule>) -> Self {
        Self { mode, rules: operator.iter().cloned().chain(own).collect() }
    }

    pub(super) fn decide(&self, query: PermissionQuery<'_>) -> Verdict {
        let ruled = self.rules.iter().enumerate().find(|(_, rule)| rule.matches(query));
        match ruled {
            Some((_, rule)) if rule.verdict() == RuleVerdict::Ask => Verdict::Ask,
            Some((number, rule)) => {
                let reason = format!("rule {} says {}", number + 1, rule.verdict().as_str());
                decided(rule.verdict() == RuleVerdict::Allow, query, reason)
            }
            None => match self.mode {
                PermissionMode::Auto => decided(true, query, "permission_mode is auto".into()),
                PermissionMode::Ask => Verdict::Ask,
                PermissionMode::ReadOnly => {
                    let only_looks = matches!(query.kind, ToolKind::Read | ToolKind::Search | ToolKind::Think);
                    decided(only_looks, query, "permission_mode is read_only".into())
                }
            },
        }
    }
}

/// Where something is allowed, it is allowed this once if the agent has that answer, so that every use is recorded.
fn decided(allow: bool, query: PermissionQuery<'_>, reason: String) -> Verdict {
    let offered = |decision: Decision| query.options.contains(&decision).then_some(decision);
    let allowed = offered(Decision::AllowOnce).or_else(|| offered(Decision::AllowAlways)).filter(|_| allow);
    Verdict::Decided(allowed.unwrap_or(Decision::Deny), reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::RuleSpec;

    const ONCE: [Decision; 2] = [Decision::AllowOnce, Decision::Deny];

    fn judged(mode: PermissionMode, rules: Value, tool: &str, kind: ToolKind, input: &Value) -> &'static str {
        let specs: Vec<RuleSpec> = serde_json::from_value(rules).unwrap();
        let rules = specs.into_iter().map(|spec| Rule::new(spec).unwrap()).collect();
        let query = PermissionQuery { tool, kind, input, options: &ONCE, working_dir: Path::new("/project") };
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
            assert_eq!(judged(mode, json!([]), "x", kind, &json!({})), expected, "{mode:?} {kind:?}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let rules = json!([
            { "tool": "Bash", "command": "git push", "decision": "deny" },
            { "tool": "Bash", "command": "git", "decision": "allow" },
            { "kind": "edit", "path": "docs/**", "decision": "allow" },
            { "kind": "edit", "decision": "ask" },
        ]);
        let bash = |command: &str| judged(PermissionMode::Ask, rules.clone(), "Bash", ToolKind::Execute, &json!({ "command": command }));
        assert_eq!(bash("git status"), "allow");
        assert_eq!(bash("git push origin"), "deny");
        assert_eq!(bash("make"), "ask");
        let edit = |path: &str| judged(PermissionMode::Auto, rules.clone(), "Write", ToolKind::Edit, &json!({ "file_path": path }));
        assert_eq!(edit("/project/docs/a/b.md"), "allow");
        assert_eq!(edit("/project/src/main.rs"), "ask");
    }

    #[test]
    fn an_answer_that_the_agent_does_not_take_is_not_given() {
        let input = json!({});
        let query =
            PermissionQuery { tool: "x", kind: ToolKind::Read, input: &input, options: &[Decision::Deny], working_dir: Path::new("/") };
        let verdict = Policy::default().decide(query);
        assert_eq!(verdict, Verdict::Decided(Decision::Deny, "permission_mode is auto".into()));
    }

    #[test]
    fn the_operators_rules_come_first() {
        let rule = |decision: &str| Rule::new(serde_json::from_value(json!({ "decision": decision })).unwrap()).unwrap();
        let policy = Policy::new(PermissionMode::Auto, &[rule("deny")], vec![rule("allow")]);
        let input = json!({});
        let query = PermissionQuery { tool: "x", kind: ToolKind::Read, input: &input, options: &ONCE, working_dir: Path::new("/") };
        assert_eq!(policy.decide(query), Verdict::Decided(Decision::Deny, "rule 1 says deny".into()));
    }
}
