//! Arguments, variables and configuration of the programs.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{project, variant};
use crate::agent::common::attachments;
use crate::agent::{InputFile, Installed, Invocation, Mode, Task};
use crate::types::{Cause, Failure, ModelEndpoint, PermissionMode, ProjectConfig};

/// Maximum length of a prompt for the Go program in bytes: Linux limits an argument to 128 KiB.
const MAX_PROMPT: usize = 120 * 1024;

/// Name of the file with the instructions of a run.
const INSTRUCTIONS: &str = "openrunner-instructions.md";

/// Tools that only read, or keep the agent's own notes.
const READ_ONLY_TOOLS: [&str; 7] = ["glob", "grep", "list", "lsp", "skill", "todoread", "todowrite"];

/// The arguments and variables for one run.
pub(super) fn invocation(mode: Mode, inline_config: Option<&str>, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
    let mode = if installed.variant == variant::UNTESTED { Mode::TwoWay } else { mode };
    let never_asks = installed.variant == variant::GO || mode == Mode::OneShot;
    if never_asks && task.spec.permission_mode != PermissionMode::Auto {
        let message = "permission_mode: this opencode uses tools without asking and supports only `auto`";
        return Err(Failure::new(Cause::BadArguments, message));
    }
    let ignores_project = task.spec.project_config == ProjectConfig::Ignore;
    if ignores_project {
        project::check(installed.variant == variant::GO, &task.spec.working_dir, &installed.home)?;
    }
    if installed.variant == variant::GO {
        return go_invocation(task);
    }
    let mut env = vec![
        ("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned()),
        // Both modes serve HTTP, by default without a password: `opencode acp` listens on 127.0.0.1:4096, where any process and any
        // page in a browser could use it.
        ("OPENCODE_SERVER_PASSWORD".to_owned(), password()?),
    ];
    let mut instructions = Vec::new();
    if ignores_project {
        env.extend(project::IGNORE.map(|(name, value)| (name.to_owned(), value.to_owned())));
        instructions = project::instructions(&task.spec.working_dir);
    }
    // It takes instructions from files only, which it adds to its system prompt.
    let mut files = attachments::input_files(task);
    if let Some(text) = &task.spec.instructions {
        let Some(path) = task.input_dir.join(INSTRUCTIONS).to_str().map(str::to_owned) else {
            return Err(Failure::new(Cause::BadArguments, "the path of the directory for temporary files is not valid UTF-8"));
        };
        instructions.push(path);
        files.push(InputFile { name: INSTRUCTIONS.to_owned(), content: text.clone().into() });
    }
    let mut args = match mode {
        Mode::TwoWay => {
            if task.spec.working_dir.to_str().is_none() {
                return Err(Failure::new(Cause::BadArguments, "the path of the working directory is not valid UTF-8"));
            }
            let mut config = permission_config(task.spec.permission_mode);
            add_endpoint(&mut config, task.endpoint.as_ref());
            add_instructions(&mut config, inline_config, &instructions);
            env.push(("OPENCODE_CONFIG_CONTENT".to_owned(), merged(inline_config, &config)));
            vec!["acp".to_owned()]
        }
        // This mode cannot ask, so the program allows what it would ask for. Errors are logged because some causes are only in the log.
        Mode::OneShot => {
            if task.endpoint.is_some() || !instructions.is_empty() {
                let mut config = json!({});
                add_endpoint(&mut config, task.endpoint.as_ref());
                add_instructions(&mut config, inline_config, &instructions);
                env.push(("OPENCODE_CONFIG_CONTENT".to_owned(), merged(inline_config, &config)));
            }
            ["run", "--format=json", "--thinking", "--auto", "--print-logs", "--log-level=ERROR"].map(str::to_owned).to_vec()
        }
    };
    if mode == Mode::OneShot {
        args.extend(task.spec.model.iter().map(|model| format!("--model={model}")));
        args.extend(task.resume.iter().map(|session| format!("--session={session}")));
    }
    args.extend(task.spec.extra_args.iter().cloned());
    Ok(Invocation { args, env, files })
}

/// The Go program takes everything on its command line. Each value is in one element with its flag, so that a prompt that starts with a
/// dash stays a prompt.
fn go_invocation(task: &Task) -> Result<Invocation, Failure> {
    let reject = |message: &str| Err(Failure::new(Cause::BadArguments, message));
    if task.spec.model.is_some() {
        return reject("model: the archived Go opencode does not support it; set the model in its .opencode.json");
    }
    if task.resume.is_some() {
        return reject("session_id: the archived Go opencode cannot resume a conversation");
    }
    if task.spec.prompt.len() > MAX_PROMPT {
        let message = format!(
            "the prompt has {} bytes; the archived Go opencode takes at most {MAX_PROMPT}, on its command line; the opencode from npm \
             has no such limit",
            task.spec.prompt.len()
        );
        return reject(&message);
    }
    let Some(cwd) = task.spec.working_dir.to_str() else { return reject("the path of the working directory is not valid UTF-8") };
    let mut args =
        vec![format!("--prompt={}", task.spec.prompt), "--output-format=json".to_owned(), "--quiet".to_owned(), format!("--cwd={cwd}")];
    args.extend(task.spec.extra_args.iter().cloned());
    Ok(Invocation { args, ..Invocation::default() })
}

/// The configuration that makes the program's main agent ask for permission, merged into the operator's inline configuration.
///
/// By default the program allows itself everything inside the working directory. The rules are set on the agent `build` and not globally,
/// because with global rules sub-agents would ask too, and `opencode acp` never answers the requests of a sub-agent (recording
/// `acp/opencode_subagent_hangs`). What a sub-agent would ask for by default is denied for the same reason. The configuration is passed
/// inline, which takes precedence over the project's files.
///
/// If a person or a rule decides, a sub-agent must not do without permission what its parent has to ask for, so it can only read and every
/// change is denied. The project's own agents, which may define their own rules, are then neither sub-agents nor the initial agent.
fn permission_config(mode: PermissionMode) -> Value {
    let restricted = mode != PermissionMode::Auto;
    let (mut main_agent, mut sub_agent, mut config) = (json!({}), json!({}), json!({}));
    let mut read_rules = json!({});
    if restricted {
        // First, since the last matching rule counts. It covers all tools that are not listed: those of MCP servers and of later
        // releases.
        (main_agent["*"], sub_agent["*"], read_rules["*"]) = (json!("ask"), json!("deny"), json!("allow"));
        for name in READ_ONLY_TOOLS {
            (main_agent[name], sub_agent[name]) = (json!("allow"), json!("allow"));
        }
        main_agent["read"] = json!({ "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow" });
        main_agent["task"] = json!({ "*": "deny", "general": "allow", "explore": "allow" });
        config["default_agent"] = json!("build");
    }
    for name in ["edit", "bash", "webfetch", "websearch", "external_directory"] {
        main_agent[name] = json!("ask");
    }
    for (file, rule) in [("*.env", "deny"), ("*.env.*", "deny"), ("*.env.example", "allow")] {
        read_rules[file] = json!(rule);
    }
    sub_agent["read"] = read_rules;
    for name in ["external_directory", "doom_loop"] {
        sub_agent[name] = json!("deny");
    }
    config["agent"] =
        json!({ "build": { "permission": main_agent }, "general": { "permission": sub_agent }, "explore": { "permission": sub_agent } });
    config
}

/// Directs the provider of an endpoint to it. A provider that the program does not know must be described in the operator's configuration.
fn add_endpoint(config: &mut Value, endpoint: Option<&ModelEndpoint>) {
    if let Some(ModelEndpoint { provider, base_url, key, scheme: _ }) = endpoint {
        let mut providers = serde_json::Map::new();
        providers.insert(provider.clone(), json!({ "options": { "baseURL": base_url, "apiKey": key.expose() } }));
        config["provider"] = providers.into();
    }
}

/// The operator's inline configuration with these fields; those alone if it is not an object.
fn merged(inline_config: Option<&str>, config: &Value) -> String {
    inline_config.and_then(|text| merge(text, config)).unwrap_or_else(|| config.to_string())
}

/// Adds files with instructions for the model to those of the operator's inline configuration.
fn add_instructions(config: &mut Value, inline_config: Option<&str>, files: &[String]) {
    if !files.is_empty() {
        let inline = inline_config.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let own = inline.and_then(|inline| serde_json::from_value::<Vec<String>>(inline["instructions"].clone()).ok());
        config["instructions"] = own.unwrap_or_default().into_iter().chain(files.iter().cloned()).collect();
    }
}

/// Merges the fields of `over` into the object `base`, recursively. `None` if either is not an object. Everything else in `base` is kept
/// verbatim and in order, since the last matching permission rule counts.
fn merge(base: &str, over: &Value) -> Option<String> {
    let over = over.as_object()?;
    let Fields(mut fields) = serde_json::from_str(base).ok()?;
    for (name, value) in over {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = merge(known, value).unwrap_or_else(|| value.to_string()),
            None => fields.push((name.clone(), value.to_string())),
        }
    }
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{}:{value}", Value::String(name))).collect();
    Some(format!("{{{}}}", fields.join(",")))
}

/// The fields of a JSON object in order, with verbatim values.
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Deserializes [`Fields`].
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            fields.push((name, value.get().to_owned()));
        }
        Ok(Fields(fields))
    }
}

/// A new password for the program's own server: 128 random bits.
fn password() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(Cause::AgentError, format!("cannot read random bytes: {error}")))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_configuration_is_kept_verbatim_and_in_order() {
        let own = r#"{"model": "a/b", "permission": {"bash": {"rm *": "deny", "*": "allow"}},
            "agent": {"build": {"prompt": "be kind", "permission": "allow"}, "mine": {}}}"#;
        let merged = merged(Some(own), &permission_config(PermissionMode::Auto));
        assert!(merged.contains(r#"{"bash": {"rm *": "deny", "*": "allow"}}"#), "{merged}");
        let value: Value = serde_json::from_str(&merged).unwrap();
        assert_eq!(value["model"], "a/b");
        assert_eq!(value["agent"]["build"]["prompt"], "be kind");
        assert_eq!(value["agent"]["build"]["permission"]["bash"], "ask");
        assert!(value["agent"]["mine"].is_object());
    }

    #[test]
    fn an_endpoint_is_an_option_of_its_provider_and_keeps_the_operators_other_options() {
        let endpoint = ModelEndpoint {
            provider: "mine".into(),
            base_url: "http://127.0.0.1:3128/model".into(),
            key: crate::types::Secret::new("the-key".into()),
            scheme: crate::types::AuthScheme::Bearer,
        };
        let mut config = permission_config(PermissionMode::Auto);
        add_endpoint(&mut config, Some(&endpoint));
        let own = r#"{"provider": {"mine": {"npm": "x", "options": {"baseURL": "https://a.example", "timeout": 5}}}}"#;
        let value: Value = serde_json::from_str(&merged(Some(own), &config)).unwrap();
        let options = json!({ "baseURL": "http://127.0.0.1:3128/model", "timeout": 5, "apiKey": "the-key" });
        assert_eq!(value["provider"]["mine"], json!({ "npm": "x", "options": options }));
    }

    #[test]
    fn in_restricted_modes_sub_agents_can_only_read() {
        for mode in [PermissionMode::Ask, PermissionMode::ReadOnly] {
            let value: Value = serde_json::from_str(&merged(Some(r#"{"default_agent": "mine"}"#), &permission_config(mode))).unwrap();
            assert_eq!(value["default_agent"], "build");
            assert!(permission_config(mode).to_string().contains(r#""permission":{"*":"#), "the rule for all tools precedes the others");
            for (agent, tool, rule) in [
                ("build", "bash", "ask"),
                ("build", "*", "ask"),
                ("build", "grep", "allow"),
                ("general", "*", "deny"),
                ("explore", "*", "deny"),
            ] {
                assert_eq!(value["agent"][agent]["permission"][tool], rule, "{agent} {tool}");
            }
            for tool in ["edit", "bash", "webfetch"] {
                assert_eq!(value["agent"]["general"]["permission"][tool], Value::Null, "{tool} is covered by the rule for all tools");
            }
            assert_eq!(value["agent"]["build"]["permission"]["task"]["*"], "deny");
        }
        let value = permission_config(PermissionMode::Auto);
        assert_eq!(value["agent"]["general"]["permission"]["bash"], Value::Null, "in auto a sub-agent works like its parent");
    }

    #[test]
    fn a_configuration_that_is_not_an_object_is_replaced() {
        for odd in [None, Some("// comments"), Some("[]"), Some("")] {
            let value: Value = serde_json::from_str(&merged(odd, &permission_config(PermissionMode::Auto))).unwrap();
            assert_eq!(value["agent"]["build"]["permission"]["edit"], "ask", "{odd:?}");
            assert_eq!(value["agent"]["general"]["permission"]["external_directory"], "deny", "{odd:?}");
        }
    }
}
