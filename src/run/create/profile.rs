//! What a run gets from its profile.
//!
//! A profile sets values for its runs. A request may set what the profile leaves open, and may narrow what it sets. Anything else is refused,
//! so that a run with a profile never has more rights than the admin has put into it.

use std::time::Duration;

use super::validate::{Granted, check_rules, check_servers, check_text, is_valid_model};
use crate::run::request::{BadRun, MAX_TIMEOUT, NewRun};
use crate::types::{
    Amount, McpServer, McpTransport, Money, PermissionMode, Profile, ProfileName, RuleSpec, RuleVerdict, SpendKind, Tokens,
};

/// Maximum number of MCP servers of a profile.
const MAX_SERVERS: usize = 32;
/// Maximum number of users of a profile.
pub const MAX_USERS: usize = 256;
/// Maximum length of a description in bytes.
const MAX_DESCRIPTION: usize = 500;

/// The faults of a profile's definition; none if it is valid. Fields are named as in the profile.
pub(in crate::run) fn check_profile(profile: &Profile) -> Vec<BadRun> {
    let mut faults = Vec::new();
    if profile.description.as_ref().is_some_and(|text| text.len() > MAX_DESCRIPTION) {
        faults.push(BadRun::ProfileField { field: "description", problem: format!("must have at most {MAX_DESCRIPTION} bytes") });
    }
    if profile.users.len() > MAX_USERS {
        faults.push(BadRun::ProfileField { field: "users", problem: format!("too many users; the maximum is {MAX_USERS}") });
    }
    if profile.model.as_deref().is_some_and(|model| !is_valid_model(model)) {
        faults.push(BadRun::Model);
    }
    faults.extend(
        profile
            .spend_limits()
            .zero()
            .map(|kind| BadRun::ProfileField { field: kind.limit_name(), problem: "must be greater than 0".to_owned() }),
    );
    faults.extend(profile.instructions.as_deref().and_then(|text| check_text(text).err()));
    check_rules(&profile.permission_rules, &mut faults);
    if profile.mcp_servers.len() > MAX_SERVERS {
        faults.push(BadRun::ProfileField { field: "mcp_servers", problem: format!("too many servers; the maximum is {MAX_SERVERS}") });
    }
    let servers: Vec<McpServer> = profile.mcp_servers.iter().cloned().map(McpServer::from).collect();
    check_servers(&servers, &mut faults);
    for (index, server) in servers.iter().enumerate() {
        // It would be a program of the working directory, which the user of the profile chooses.
        if matches!(&server.transport, McpTransport::Stdio { command, .. } if command.contains('/') && !command.starts_with('/')) {
            faults.push(BadRun::McpServer { index, problem: "command must be the name of a program or an absolute path" });
        }
    }
    for (field, limit) in [("timeout_secs", profile.timeout_secs), ("idle_timeout_secs", profile.idle_timeout_secs)] {
        if limit.is_some_and(|limit| limit == 0 || limit > MAX_TIMEOUT.as_secs()) {
            faults.push(BadRun::Timeout { field });
        }
    }
    faults
}

/// Adds what the profile sets to the request.
///
/// # Errors
/// [`BadRun::ProfileConflict`] for each field in which the request asks for more than the profile.
pub(super) fn apply(name: &ProfileName, profile: Profile, new: &mut NewRun) -> Result<Granted, Vec<BadRun>> {
    let (mut faults, limits) = (Vec::new(), profile.spend_limits());
    let mut conflict = |field: &'static str, profile: String, requested: String, remedy: &'static str| {
        faults.push(BadRun::ProfileConflict { name: name.clone(), field, profile, requested, remedy });
    };
    for (field, set, requested) in [("agent_type", profile.agent_type, &mut new.agent_type), ("model", profile.model, &mut new.model)] {
        let Some(set) = set else { continue };
        match requested {
            Some(requested) if *requested != set => conflict(field, set, requested.clone(), "omit it"),
            requested => *requested = Some(set),
        }
    }
    if let Some(mode) = profile.permission_mode {
        match new.permission_mode {
            Some(requested) if strictness(requested) < strictness(mode) => {
                conflict(
                    "permission_mode",
                    mode_name(mode).to_owned(),
                    mode_name(requested).to_owned(),
                    "omit it, or choose a stricter mode",
                );
            }
            requested => new.permission_mode = Some(requested.unwrap_or(mode)),
        }
    }
    let requested = new.spend_limits;
    for (kind, set, requested) in [
        (SpendKind::Cost, limits.max_cost_usd.map(Money::micros), requested.max_cost_usd.map(Money::micros)),
        (SpendKind::Tokens, limits.max_tokens.map(Tokens::get), requested.max_tokens.map(Tokens::get)),
        (SpendKind::Turns, limits.max_turns.map(Amount::get), requested.max_turns.map(Amount::get)),
    ] {
        if let (Some(set), Some(requested)) = (set, requested)
            && requested > set
        {
            let text = |amount: u64| if kind == SpendKind::Cost { Money::from_micros(amount).to_string() } else { amount.to_string() };
            conflict(kind.limit_name(), text(set), text(requested), "omit it, or choose a lower limit");
        }
    }
    new.spend_limits = limits.stricter(requested);
    if let Some(text) = profile.instructions {
        new.instructions = Some(match new.instructions.take() {
            Some(own) if !own.starts_with(&text) => format!("{text}\n\n{own}"),
            // A run that is repeated contains the text of the profile.
            Some(own) => own,
            None => text,
        });
    }
    // A run that is repeated names the rules of the profile, too.
    let own_rules = new.permission_rules.strip_prefix(&*profile.permission_rules).unwrap_or(&new.permission_rules).to_vec();
    if let Some(rule) = own_rules.iter().find(|rule| widens(rule, profile.permission_mode)) {
        let mode = profile.permission_mode.map_or("", mode_name).to_owned();
        conflict(
            "permission_rules",
            format!("permission_mode {mode}"),
            format!("a rule that decides {}", rule.decision.as_str()),
            "omit the rule",
        );
    }
    new.permission_rules = profile.permission_rules.into_iter().chain(own_rules).collect();
    let granted = Granted { mcp_servers: profile.mcp_servers.len(), isolation: profile.isolation.is_some() };
    let servers = profile.mcp_servers.into_iter().map(McpServer::from);
    new.mcp_servers = servers.chain(std::mem::take(&mut new.mcp_servers)).collect();
    if let Some(level) = profile.isolation {
        match new.isolation {
            Some(requested) if requested < level => {
                conflict("isolation", level.as_str().to_owned(), requested.as_str().to_owned(), "omit it, or choose a higher level");
            }
            requested => new.isolation = Some(requested.unwrap_or(level)),
        }
    }
    for (field, set, requested) in
        [("timeout_secs", profile.timeout_secs, &mut new.timeout), ("idle_timeout_secs", profile.idle_timeout_secs, &mut new.idle_timeout)]
    {
        let Some(set) = set.map(Duration::from_secs) else { continue };
        match requested {
            Some(requested) if *requested > set => {
                conflict(field, set.as_secs().to_string(), requested.as_secs().to_string(), "omit it, or choose a lower limit");
            }
            requested => *requested = Some(requested.unwrap_or(set)),
        }
    }
    if faults.is_empty() { Ok(granted) } else { Err(faults) }
}

/// Whether a rule of the request could allow, or leave to a person, what the mode would not.
fn widens(rule: &RuleSpec, mode: Option<PermissionMode>) -> bool {
    match mode {
        None | Some(PermissionMode::Auto) => false,
        Some(PermissionMode::Ask) => rule.decision == RuleVerdict::Allow,
        Some(PermissionMode::ReadOnly) => rule.decision != RuleVerdict::Deny,
    }
}

fn strictness(mode: PermissionMode) -> u8 {
    match mode {
        PermissionMode::Auto => 0,
        PermissionMode::Ask => 1,
        PermissionMode::ReadOnly => 2,
    }
}

fn mode_name(mode: PermissionMode) -> &'static str {
    match mode {
        PermissionMode::Auto => "auto",
        PermissionMode::Ask => "ask",
        PermissionMode::ReadOnly => "read_only",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::types::{IsolationLevel, SpendLimits};

    fn profile(fields: Value) -> Profile {
        serde_json::from_value(fields).unwrap()
    }

    /// The fields in which the request conflicts with the profile.
    fn conflicts(fields: Value, new: NewRun) -> Vec<&'static str> {
        let mut new = new;
        let faults = apply(&"strict".parse().unwrap(), profile(fields), &mut new).err().unwrap_or_default();
        faults
            .into_iter()
            .map(|fault| match fault {
                BadRun::ProfileConflict { field, .. } => field,
                other => panic!("{other}"),
            })
            .collect()
    }

    fn rules(decision: &str) -> Vec<RuleSpec> {
        serde_json::from_value(json!([{ "tool": "Bash", "decision": decision }])).unwrap()
    }

    fn strict() -> Value {
        json!({
            "agent_type": "codex", "model": "gpt", "permission_mode": "ask", "isolation": "guard", "timeout_secs": 60,
            "idle_timeout_secs": 30, "max_cost_usd": 0.5, "max_tokens": 100, "max_turns": 9, "permission_rules": [{ "kind": "edit", "decision": "deny" }],
            "mcp_servers": [{ "name": "files", "command": "mcp" }],
        })
    }

    #[test]
    fn an_empty_request_gets_everything_from_the_profile() {
        let mut new = NewRun::default();
        let granted = apply(&"strict".parse().unwrap(), profile(strict()), &mut new).unwrap();
        assert_eq!(granted, Granted { mcp_servers: 1, isolation: true });
        assert_eq!((new.agent_type.as_deref(), new.model.as_deref()), (Some("codex"), Some("gpt")));
        assert_eq!((new.permission_mode, new.isolation), (Some(PermissionMode::Ask), Some(IsolationLevel::Guard)));
        assert_eq!((new.timeout, new.idle_timeout), (Some(Duration::from_mins(1)), Some(Duration::from_secs(30))));
        assert_eq!((new.permission_rules.len(), new.mcp_servers.len()), (1, 1));
    }

    #[test]
    fn a_request_may_repeat_or_narrow_what_the_profile_sets() {
        let narrower = NewRun {
            spend_limits: serde_json::from_value(json!({ "max_tokens": 99 })).unwrap(),
            agent_type: Some("codex".into()),
            permission_mode: Some(PermissionMode::ReadOnly),
            permission_rules: rules("deny"),
            isolation: Some(IsolationLevel::Sandbox),
            timeout: Some(Duration::from_mins(1)),
            idle_timeout: Some(Duration::from_secs(1)),
            ..NewRun::default()
        };
        let mut new = narrower.clone();
        apply(&"strict".parse().unwrap(), profile(strict()), &mut new).unwrap();
        assert_eq!((new.permission_mode, new.isolation), (narrower.permission_mode, narrower.isolation));
        assert_eq!((new.timeout, new.idle_timeout), (narrower.timeout, narrower.idle_timeout));
        let limits: SpendLimits = serde_json::from_value(json!({ "max_cost_usd": 0.5, "max_tokens": 99, "max_turns": 9 })).unwrap();
        assert_eq!(new.spend_limits, limits);
        assert_eq!(new.permission_rules[1..], narrower.permission_rules, "the profile's rules come first");
        let again = new.permission_rules.clone();
        apply(&"strict".parse().unwrap(), profile(strict()), &mut new).unwrap();
        assert_eq!(new.permission_rules, again, "a repeated run has each rule once");
    }

    #[test]
    fn the_instructions_of_the_request_follow_those_of_the_profile() {
        let with = |own: Option<&str>| {
            let mut new = NewRun { instructions: own.map(str::to_owned), ..NewRun::default() };
            apply(&"strict".parse().unwrap(), profile(json!({ "instructions": "Be brief." })), &mut new).unwrap();
            new.instructions.unwrap()
        };
        assert_eq!((with(None), with(Some("Write tests."))), ("Be brief.".to_owned(), "Be brief.\n\nWrite tests.".to_owned()));
        assert_eq!(with(Some("Be brief.\n\nWrite tests.")), with(Some("Write tests.")), "a repeated run has the text once");
    }

    #[test]
    fn a_request_that_asks_for_more_than_the_profile_is_refused_in_every_field() {
        let limits: SpendLimits = serde_json::from_value(json!({ "max_cost_usd": 0.6, "max_tokens": 101, "max_turns": 10 })).unwrap();
        let wider = NewRun {
            spend_limits: limits,
            agent_type: Some("claude_code".into()),
            model: Some("other".into()),
            permission_mode: Some(PermissionMode::Auto),
            permission_rules: rules("allow"),
            isolation: Some(IsolationLevel::None),
            timeout: Some(Duration::from_secs(61)),
            idle_timeout: Some(Duration::from_secs(31)),
            ..NewRun::default()
        };
        let all = ["agent_type", "model", "permission_mode", "permission_rules", "isolation", "timeout_secs", "idle_timeout_secs"];
        let limits = ["max_cost_usd", "max_tokens", "max_turns"];
        let mut found = conflicts(strict(), wider.clone());
        found.sort_unstable();
        let mut expected = [&all[..], &limits[..]].concat();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(conflicts(json!({}), wider), [""; 0], "an empty profile leaves everything open");
    }

    #[test]
    fn rules_of_the_request_cannot_widen_the_mode_of_the_profile() {
        for (mode, decision, is_refused) in [
            ("auto", "allow", false),
            ("ask", "allow", true),
            ("ask", "ask", false),
            ("ask", "deny", false),
            ("read_only", "ask", true),
            ("read_only", "deny", false),
        ] {
            let new = NewRun { permission_rules: rules(decision), ..NewRun::default() };
            assert_eq!(!conflicts(json!({ "permission_mode": mode }), new).is_empty(), is_refused, "{mode} {decision}");
        }
    }

    #[test]
    fn every_fault_of_a_definition_is_found() {
        let faults = check_profile(&profile(json!({
            "description": "x".repeat(501), "model": "--model", "timeout_secs": 0, "idle_timeout_secs": 604_801, "max_tokens": 0,
            "permission_rules": [{ "path": "[", "decision": "deny" }],
            "mcp_servers": [{ "name": "a b", "command": "mcp" }, { "name": "c", "url": "ftp://x" }, { "name": "d", "command": "./mcp" }],
        })));
        assert_eq!(faults.len(), 9, "{faults:?}");
        assert_eq!(check_profile(&profile(strict())).len(), 0);
    }
}
