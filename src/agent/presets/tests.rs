//! Checks the table of presets, and every preset's recordings against what they must yield.
//!
//! Rules: P5.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ModeSupport, Preset};
use crate::agent::acp::tests::replay_other;
use crate::agent::configured::{AskScope, Configured, Definition};
use crate::agent::replay::{Replayed, installed, recordings, task};
use crate::agent::{Install, Item, Program};
use crate::types::{Cause, PermissionMode, StreamEvent, Usage};

#[test]
fn presets_are_sorted_and_have_distinct_valid_names() {
    let names: Vec<&str> = Preset::all().iter().map(|preset| preset.name).collect();
    let sorted: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names, sorted.into_iter().collect::<Vec<_>>());
    for preset in Preset::all() {
        assert!(preset.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", preset.name);
        assert!(!["claude_code", "codex", "opencode", "demo"].contains(&preset.name));
        assert!(!preset.program.is_empty() && !preset.program.contains('/') && !preset.login.is_empty(), "{}", preset.name);
        assert!(preset.keys.iter().all(|key| preset.env.contains(key)), "{}: a key that it does not receive", preset.name);
    }
}

#[test]
fn tested_presets_have_recordings_and_a_pinned_version_and_others_have_neither() {
    let recorded: BTreeSet<String> =
        recordings("acp").iter().filter_map(|recording| Some(recording.name.split_once('_')?.0.to_owned())).collect();
    for preset in Preset::all() {
        let info = Configured::new(Definition::of_preset(preset)).info().clone();
        assert_eq!(info.install, Install::Listed);
        assert_eq!(preset.tested, recorded.contains(preset.name), "{}", preset.name);
        assert_eq!(preset.tested, !info.install_command().is_empty(), "{}", preset.name);
    }
}

#[test]
fn a_mode_that_a_preset_does_not_keep_is_refused_unless_the_operator_states_otherwise() {
    let supported = |name: &str, mode, asks| {
        let definition = Definition { asks, ..Definition::of_preset(Preset::find(name).unwrap()) };
        Configured::new(definition).unsupported_mode(mode).is_none()
    };
    for (name, ask, read_only) in [
        ("cline", true, true),
        ("copilot", true, true),
        ("gemini", true, true),
        ("goose", false, false),
        ("grok", true, false),
        ("hermes", false, false),
        ("kilo", true, true),
        ("pi", false, false),
        ("qwen", true, true),
    ] {
        assert!(supported(name, PermissionMode::Auto, None), "{name}");
        assert_eq!(supported(name, PermissionMode::Ask, None), ask, "{name}");
        assert_eq!(supported(name, PermissionMode::ReadOnly, None), read_only, "{name}");
        assert!(supported(name, PermissionMode::ReadOnly, Some(AskScope::All)), "{name}");
        assert!(!supported(name, PermissionMode::Ask, Some(AskScope::None)), "{name}");
    }
}

#[test]
fn a_login_method_is_selected_by_the_variable_that_needs_it() {
    let method = |name: &str, value: &str| {
        Preset::find(name).unwrap().auth_method(|variable| (variable == "GOOGLE_GENAI_USE_VERTEXAI").then(|| value.to_owned()))
    };
    assert_eq!(method("gemini", "true"), Some("vertex-ai"));
    assert_eq!(method("gemini", "false"), None);
    assert_eq!(method("qwen", "true"), None);
    for preset in Preset::all() {
        assert!(preset.auth_methods.iter().all(|(variable, ..)| preset.env.contains(variable)), "{}", preset.name);
    }
}

#[test]
fn a_preset_is_configured_to_ask_by_its_own_variable() {
    let invocation = |own: Option<&str>| {
        let definition = Definition::of_preset(Preset::find("kilo").unwrap());
        let agent = Configured::new(definition).with_own_config(own.map(str::to_owned));
        agent.invocation(&task("kilo"), &installed("kilo", "", ""))
    };
    let config = |own| -> Value {
        let env: BTreeMap<String, String> = invocation(own).unwrap().env.into_iter().collect();
        serde_json::from_str(&env["KILO_CONFIG_CONTENT"]).unwrap()
    };
    let asking = json!({ "edit": "ask", "bash": "ask", "webfetch": "ask", "question": "deny" });
    for own in [None, Some(""), Some("{}"), Some(r#"{"permission":"allow"}"#), Some(r#"{"permission":{"bash":"allow"}}"#)] {
        assert_eq!(config(own)["permission"], asking, "{own:?}");
    }
    assert_eq!(config(Some(r#"{"provider":{"x":{}}}"#))["provider"], json!({ "x": {} }), "the operator's own configuration stays");
    for own in ["[]", "{", "3"] {
        assert_eq!(invocation(Some(own)).unwrap_err().cause, Cause::BadArguments, "{own}");
    }
}

/// What a recording must yield.
#[derive(Debug, Default, PartialEq, Eq)]
struct Yield {
    cause: &'static str,
    /// Uncached input, cached input, output.
    usage: Option<(u64, u64, u64)>,
    tools: Vec<String>,
    /// Number of changed files that have a diff.
    diffs: usize,
    requests: usize,
    questions: usize,
}

fn yield_of(replayed: &Replayed) -> Yield {
    let mut seen = Yield { cause: replayed.verdict.cause.as_str(), ..Yield::default() };
    for event in replayed.events() {
        match event {
            StreamEvent::ToolCall(call) => seen.tools.push(call.tool.clone()),
            StreamEvent::FileChange { diff: Some(_), .. } => seen.diffs += 1,
            StreamEvent::PermissionRequest { .. } => seen.requests += 1,
            StreamEvent::Question { .. } => seen.questions += 1,
            StreamEvent::Usage(Usage { input_tokens, cache_read_tokens, output_tokens, .. }) => {
                seen.usage = Some((*input_tokens, *cache_read_tokens, *output_tokens));
            }
            _ => {}
        }
    }
    seen
}

/// One call of the model, as the mock model counts it.
const ONE: (u64, u64, u64) = (200, 1000, 42);

/// The expectations: recording, cause, calls of the model that are counted, tools, diffs, permission requests, questions.
///
/// Gemini does not separate cached tokens; Cline and pi report no usage.
#[rustfmt::skip]
#[expect(clippy::type_complexity, reason = "a table, read by its columns")]
const MATRIX: &[(&str, &str, u64, &[&str], usize, usize, usize)] = &[
    ("cline_load_session",         "ok",            0, &[], 0, 0, 0),
    ("cline_not_logged_in",        "not_logged_in", 0, &[], 0, 0, 0),
    ("cline_tool",                 "ok",            0, &["editor"], 0, 1, 0),
    ("copilot_cancel_stream",      "ok",            1, &[], 0, 0, 0),
    ("copilot_edit",               "ok",            4, &["execute", "execute", "read"], 0, 2, 0),
    ("copilot_error_401",          "not_logged_in", 0, &[], 0, 0, 0),
    ("copilot_load_session",       "ok",            1, &[], 0, 0, 0),
    ("copilot_not_logged_in",      "not_logged_in", 0, &[], 0, 0, 0),
    ("copilot_shell",              "ok",            2, &["execute"], 0, 1, 0),
    ("gemini_cancel_stream",       "ok",            1, &[], 0, 0, 0),
    ("gemini_command_in_title",    "ok",            2, &["run_shell_command"], 0, 1, 0),
    ("gemini_edit",                "ok",            4, &["write_file", "replace", "read_file"], 2, 2, 0),
    ("gemini_error_401",           "not_logged_in", 0, &[], 0, 0, 0),
    ("gemini_load_session_fails",  "bad_arguments", 0, &[], 0, 0, 0),
    ("gemini_not_logged_in",       "not_logged_in", 0, &[], 0, 0, 0),
    ("gemini_read_only",           "ok",            2, &[], 0, 0, 0),
    ("gemini_shell",               "ok",            2, &["run_shell_command"], 0, 1, 0),
    ("gemini_text",                "ok",            1, &[], 0, 0, 0),
    ("grok_cancel_stream",         "ok",            1, &[], 0, 0, 0),
    ("grok_edit",                  "ok",            4, &["write", "search_replace", "read_file"], 2, 2, 0),
    ("grok_error_429",             "rate_limited",  0, &[], 0, 0, 0),
    ("grok_load_session",          "ok",            1, &[], 0, 0, 0),
    ("grok_not_logged_in",         "not_logged_in", 0, &[], 0, 0, 0),
    ("grok_shell",                 "ok",            2, &["run_terminal_command"], 0, 1, 0),
    ("grok_shell_unasked",         "ok",            2, &["run_terminal_command"], 0, 0, 0),
    ("grok_text",                  "ok",            1, &[], 0, 0, 0),
    ("hermes_cancel_stream",       "ok",            1, &[], 0, 0, 0),
    ("hermes_edit",                "ok",            4, &["write", "patch", "read"], 2, 2, 0),
    ("hermes_edit_denied",         "ok",            2, &["write"], 0, 1, 0),
    ("hermes_error_401",           "not_logged_in", 0, &[], 0, 0, 0),
    ("hermes_load_session",        "ok",            1, &[], 0, 0, 0),
    ("hermes_not_logged_in",       "not_logged_in", 0, &[], 0, 0, 0),
    ("hermes_shell_unasked",       "ok",            2, &["terminal"], 0, 0, 0),
    ("hermes_text",                "ok",            1, &[], 0, 0, 0),
    ("kilo_load_session",          "ok",            1, &[], 0, 0, 0),
    ("kilo_permission_by_config",  "ok",            2, &["bash", "edit"], 0, 2, 0),
    ("kilo_text",                  "ok",            1, &[], 0, 0, 0),
    ("kilo_tool_unasked",          "ok",            1, &["write"], 0, 0, 0),
    ("pi_error_401",               "agent_error",   0, &[], 0, 0, 0),
    ("pi_load_session",            "ok",            0, &[], 0, 0, 0),
    ("pi_tool_unasked",            "ok",            0, &["write"], 1, 0, 0),
    ("qwen_cancel_stream",         "ok",            1, &[], 0, 0, 0),
    ("qwen_edit",                  "ok",            4, &["write_file", "edit", "read_file"], 2, 2, 0),
    ("qwen_error_401",             "not_logged_in", 0, &[], 0, 0, 0),
    ("qwen_load_session",          "ok",            1, &[], 0, 0, 0),
    ("qwen_not_logged_in",         "not_logged_in", 0, &[], 0, 0, 0),
    ("qwen_question",              "ok",            2, &["ask_user_question"], 0, 0, 1),
    ("qwen_shell",                 "ok",            1, &["run_shell_command"], 0, 1, 0),
];

/// The recordings of presets. The recorder of one ended before its prompt.
fn of_presets() -> Vec<(String, Replayed)> {
    let is_preset = |name: &str| Preset::all().iter().any(|preset| name.starts_with(&format!("{}_", preset.name)));
    let skipped = ["gemini_authenticate", "gemini_initialize"];
    let recordings = recordings("acp").into_iter().filter(|each| is_preset(&each.name) && !skipped.contains(&each.name.as_str()));
    recordings.map(|recording| (recording.name.clone(), replay_other(&recording))).collect()
}

#[test]
fn every_recording_of_a_preset_yields_what_it_must() {
    let mut expected: BTreeMap<String, Yield> = BTreeMap::new();
    for (name, cause, calls, tools, diffs, requests, questions) in MATRIX.iter().copied() {
        let times = |part: u64| part * calls;
        let usage = match name.split_once('_').unwrap().0 {
            "gemini" => (times(ONE.0 + ONE.1), 0, times(ONE.2)),
            _ => (times(ONE.0), times(ONE.1), times(ONE.2)),
        };
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        expected.insert(name.to_owned(), Yield { cause, usage: (calls > 0).then_some(usage), tools, diffs, requests, questions });
    }
    let seen: BTreeMap<String, Yield> = of_presets().iter().map(|(name, replayed)| (name.clone(), yield_of(replayed))).collect();
    for (name, seen) in &seen {
        assert_eq!(Some(seen), expected.get(name), "{name}");
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
}

#[test]
fn every_call_in_a_recording_has_one_result_before_the_end_of_its_turn() {
    for (name, replayed) in of_presets() {
        let (mut open, mut turns) = (BTreeSet::new(), 0);
        for step in &replayed.steps {
            match step {
                crate::agent::replay::Step::Item(Item::Event(StreamEvent::ToolCall(call))) => {
                    assert!(open.insert(call.id.clone()), "{name}");
                }
                crate::agent::replay::Step::Item(Item::Event(StreamEvent::ToolResult { id, .. })) => {
                    assert!(open.remove(id), "{name}: {id}");
                }
                crate::agent::replay::Step::Item(Item::TurnEnded(_)) => {
                    turns += 1;
                    assert!(open.is_empty(), "{name}: {open:?}");
                }
                _ => {}
            }
        }
        assert!(turns > 0, "{name}");
    }
}

/// One row per preset, as in docs/agents.md: what its recordings show, and what the table says.
fn capability_matrix() -> String {
    let mut rows = vec![
        "| `agent_type` | tested version | `auto` | `ask` | `read_only` | asks | diffs | token usage | questions | sessions | MCP servers |".to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let replayed = of_presets();
    for preset in Preset::all() {
        let prefix = format!("{}_", preset.name);
        let own: Vec<(&String, Yield)> =
            replayed.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(name, replayed)| (name, yield_of(replayed))).collect();
        let any = |shows: &dyn Fn(&Yield) -> bool| own.iter().any(|(_, seen)| shows(seen));
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let if_tested = |yes: bool| if preset.tested { yes_no(yes) } else { "unknown".to_owned() };
        let mode = |mode| yes_no(!matches!(preset.support(mode), ModeSupport::No(_)));
        let version = own.iter().find_map(|(name, _)| version_in(name));
        let resumes = own.iter().any(|(name, seen)| name.ends_with("load_session") && seen.cause == "ok");
        assert_eq!(preset.resumes, resumes || !preset.tested, "{}: the table and the recordings differ", preset.name);
        rows.push(format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            preset.name,
            version.unwrap_or_else(|| if preset.tested { pinned(preset.name) } else { "not tested".to_owned() }),
            mode(PermissionMode::Auto),
            mode(PermissionMode::Ask),
            mode(PermissionMode::ReadOnly),
            if_tested(any(&|seen| seen.requests > 0)),
            if_tested(any(&|seen| seen.diffs > 0)),
            if_tested(any(&|seen| seen.usage.is_some())),
            if_tested(any(&|seen| seen.questions > 0)),
            if_tested(preset.resumes),
            if_tested(preset.mcp_servers),
        ));
    }
    rows.join("\n")
}

/// The version that the agent states in a recording.
fn version_in(name: &str) -> Option<String> {
    crate::agent::replay::recording("acp", name).lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.pointer("/result/agentInfo/version")?.as_str().map(str::to_owned)
    })
}

/// The version in the list of the installer.
fn pinned(name: &str) -> String {
    let command = Configured::new(Definition::of_preset(Preset::find(name).unwrap())).info().install_command().to_owned();
    command.rsplit('@').next().unwrap_or_default().to_owned()
}

fn quirks() -> String {
    let with_quirks = Preset::all().iter().filter(|preset| !preset.quirks.is_empty());
    with_quirks.map(|preset| format!("- `{}` {}. Login: {}.", preset.name, preset.quirks, preset.login)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_matrix_is_what_the_recordings_show() {
    const FILE: &str = "docs/agents.md";
    let (begin, end) = ("<!-- presets: generated -->\n", "<!-- end -->");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(begin).expect("the generated part begins");
    let (generated, after) = rest.split_once(end).expect("the generated part ends");
    let expected = format!("{}\n\n{}\n", capability_matrix(), quirks());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert_eq!(generated, expected, "run: UPDATE_DOCS=1 cargo test --lib -- presets");
    }
}
