//! Checks the table of presets, and the documented matrix against their recordings.
//!
//! Rules: G5, P5.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::matrix::{Yield, all, yield_of};
use super::{EndpointVariables, ModeSupport, Preset};
use crate::agent::configured::{AskScope, Configured, Definition};
use crate::agent::replay::{installed, recordings, task};
use crate::agent::{Install, Program, Task};
use crate::types::{AuthScheme, Cause, ModelEndpoint, PermissionMode, Secret};

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

#[test]
fn a_preset_is_directed_to_its_model_and_gets_no_other_key() {
    let endpoint = ModelEndpoint {
        provider: "mine".into(),
        base_url: "http://127.0.0.1:1/model".into(),
        key: Secret::new("placeholder".into()),
        scheme: AuthScheme::Bearer,
    };
    for preset in Preset::all() {
        let secret_env = [("OTHER_API_KEY".to_owned(), "real".to_owned()), ("OWN".to_owned(), "real".to_owned())].into();
        let definition = Definition { secret_env, ..Definition::of_preset(preset) };
        let task = Task { endpoint: preset.endpoint.map(|_| endpoint.clone()), ..task(preset.name) };
        let env = Configured::new(definition).invocation(&task, &installed(preset.program, "", "")).unwrap().env;
        let env: BTreeMap<String, String> = env.into_iter().collect();
        match preset.endpoint {
            None => assert!(!env.values().any(|value| value.contains("placeholder")), "{}", preset.name),
            Some(EndpointVariables::Named { key, url, .. }) => {
                assert!(preset.env.contains(&key) && preset.env.contains(&url), "{}", preset.name);
                assert_eq!((&*env[key], &*env[url]), ("placeholder", "http://127.0.0.1:1/model"), "{}", preset.name);
                assert!(!env.values().any(|value| value == "real"), "{}: {env:?}", preset.name);
            }
            Some(EndpointVariables::InConfig) => {
                let config: Value = serde_json::from_str(&env[preset.config_variable.unwrap()]).unwrap();
                let options = json!({ "baseURL": "http://127.0.0.1:1/model", "apiKey": "placeholder" });
                assert_eq!(config["provider"], json!({ "mine": { "options": options } }));
                assert!(!env.values().any(|value| value == "real"), "{}: {env:?}", preset.name);
            }
        }
    }
}

/// One row per preset, as in docs/agents.md: what its recordings show, and what the table says.
fn capability_matrix() -> String {
    let mut rows = vec![
        "| `agent_type` | tested version | `auto` | `ask` | `read_only` | asks | diffs | token usage | questions | sessions | MCP servers |".to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let replayed = all();
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
