//! How the programs are started.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::variant;
use crate::agent::{Installed, Invocation, Mode, Task};
use crate::types::{Cause, Failure, PermissionMode};

/// Longest prompt for the Go program, in bytes: one element of a command line is at most 128 KiB on Linux.
const ARGUMENT: usize = 120 * 1024;

/// Tools that only look, or keep notes of the agent's own.
const LOOKING: [&str; 7] = ["glob", "grep", "list", "lsp", "skill", "todoread", "todowrite"];

/// Elements and variables for one run.
pub(super) fn invocation(mode: Mode, inline_config: Option<&str>, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
    let asks_nobody = installed.variant == variant::GO || mode == Mode::OneShot;
    if asks_nobody && task.spec.permission_mode != PermissionMode::Auto {
        let message = "this opencode asks nobody before it uses a tool, so `auto` is the only permission_mode that it can keep";
        return Err(Failure::new(Cause::BadArguments, message));
    }
    if installed.variant == variant::GO {
        return go(task);
    }
    let mut env = vec![
        ("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned()),
        // Both modes serve HTTP on a port of their own, and without a password to whoever asks: `opencode acp` listens on
        // 127.0.0.1:4096, where any process and any page in a browser would find it.
        ("OPENCODE_SERVER_PASSWORD".to_owned(), password()?),
    ];
    let mut args = match mode {
        Mode::TwoWay => {
            if task.spec.working_dir.to_str().is_none() {
                return Err(Failure::new(Cause::BadArguments, "the path of the working folder is not UTF-8"));
            }
            env.push(("OPENCODE_CONFIG_CONTENT".to_owned(), asking(inline_config, task.spec.permission_mode)));
            vec!["acp".to_owned()]
        }
        // Nobody can be asked here, so what would be asked is allowed by the program itself. Errors are logged because some
        // causes stand only in the log.
        Mode::OneShot => ["run", "--format=json", "--thinking", "--auto", "--print-logs", "--log-level=ERROR"].map(str::to_owned).to_vec(),
    };
    if mode == Mode::OneShot {
        args.extend(task.spec.model.iter().map(|model| format!("--model={model}")));
        args.extend(task.resume.iter().map(|session| format!("--session={session}")));
    }
    args.extend(task.spec.extra_args.iter().cloned());
    Ok(Invocation { args, env })
}

/// The Go program has no other way in than its command line, so everything is one element with its flag: a prompt that begins
/// with a dash stays a prompt.
fn go(task: &Task) -> Result<Invocation, Failure> {
    let refused = |message: &str| Err(Failure::new(Cause::BadArguments, message));
    if task.spec.model.is_some() {
        return refused("the archived Go opencode cannot be told which model to use; set it in its .opencode.json");
    }
    if task.resume.is_some() {
        return refused("the archived Go opencode cannot continue an earlier conversation");
    }
    if task.spec.prompt.len() > ARGUMENT {
        let message = format!(
            "the prompt has {} bytes; the archived Go opencode takes it on its command line, where at most {ARGUMENT} are possible. \
             The opencode from npm has no such bound.",
            task.spec.prompt.len()
        );
        return refused(&message);
    }
    let Some(cwd) = task.spec.working_dir.to_str() else { return refused("the path of the working folder is not UTF-8") };
    let mut args =
        vec![format!("--prompt={}", task.spec.prompt), "--output-format=json".to_owned(), "--quiet".to_owned(), format!("--cwd={cwd}")];
    args.extend(task.spec.extra_args.iter().cloned());
    Ok(Invocation { args, env: Vec::new() })
}

/// The configuration that makes the program's main agent ask us, laid over the operator's own inline configuration.
///
/// By default it allows itself everything inside the working folder. The rules stand on the agent `build` and not on top:
/// sub-agents would ask too, and `opencode acp` leaves the questions of a sub-agent unanswered for ever (recording
/// `acp/opencode_subagent_hangs`). What it would ask of its own accord in a sub-agent is denied there for the same reason. It is
/// given inline, which outranks the files of the project.
///
/// Where a person or a rule is to decide, a sub-agent must not do unasked what its parent has to ask for, so there it can only
/// look: whatever changes something is denied to it. Agents of the project's own, which may bring rules of their own, are then
/// neither sub-agents nor the agent that a session begins with.
fn asking(inline_config: Option<&str>, mode: PermissionMode) -> String {
    let somebody_decides = mode != PermissionMode::Auto;
    let (mut asked, mut unasked, mut ours) = (json!({}), json!({}), json!({}));
    let mut secrets = json!({});
    if somebody_decides {
        // First, since the last rule that fits counts. It stands for all tools that are not named: those of MCP servers, and those
        // of later releases.
        (asked["*"], unasked["*"], secrets["*"]) = (json!("ask"), json!("deny"), json!("allow"));
        for name in LOOKING {
            (asked[name], unasked[name]) = (json!("allow"), json!("allow"));
        }
        asked["read"] = json!({ "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow" });
        asked["task"] = json!({ "*": "deny", "general": "allow", "explore": "allow" });
        ours["default_agent"] = json!("build");
    }
    for name in ["edit", "bash", "webfetch", "websearch", "external_directory"] {
        asked[name] = json!("ask");
    }
    for (file, rule) in [("*.env", "deny"), ("*.env.*", "deny"), ("*.env.example", "allow")] {
        secrets[file] = json!(rule);
    }
    unasked["read"] = secrets;
    for name in ["external_directory", "doom_loop"] {
        unasked[name] = json!("deny");
    }
    ours["agent"] = json!({ "build": { "permission": asked }, "general": { "permission": unasked }, "explore": { "permission": unasked } });
    inline_config.and_then(|text| lay_over(text, &ours)).unwrap_or_else(|| ours.to_string())
}

/// The object `base` with the fields of `over` put into it, object by object; `None` if it is none. Everything else in `base`
/// stays as it is written, in its order: in the program's permission rules the last one that fits counts.
fn lay_over(base: &str, over: &Value) -> Option<String> {
    let over = over.as_object()?;
    let Fields(mut fields) = serde_json::from_str(base).ok()?;
    for (name, value) in over {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = lay_over(known, value).unwrap_or_else(|| value.to_string()),
            None => fields.push((name.clone(), value.to_string())),
        }
    }
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{}:{value}", Value::String(name))).collect();
    Some(format!("{{{}}}", fields.join(",")))
}

/// The fields of a JSON object in their order, each value as it was written.
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads [`Fields`].
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

/// A fresh password for the program's own server: 128 random bits.
fn password() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(Cause::AgentError, format!("no random numbers: {error}")))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_own_configuration_stays_as_written_and_in_its_order() {
        let own = r#"{"model": "a/b", "permission": {"bash": {"rm *": "deny", "*": "allow"}},
            "agent": {"build": {"prompt": "be kind", "permission": "allow"}, "mine": {}}}"#;
        let merged = asking(Some(own), PermissionMode::Auto);
        assert!(merged.contains(r#"{"bash": {"rm *": "deny", "*": "allow"}}"#), "{merged}");
        let value: Value = serde_json::from_str(&merged).unwrap();
        assert_eq!(value["model"], "a/b");
        assert_eq!(value["agent"]["build"]["prompt"], "be kind");
        assert_eq!(value["agent"]["build"]["permission"]["bash"], "ask");
        assert!(value["agent"]["mine"].is_object());
    }

    #[test]
    fn where_somebody_decides_a_sub_agent_changes_nothing() {
        for mode in [PermissionMode::Ask, PermissionMode::ReadOnly] {
            let value: Value = serde_json::from_str(&asking(Some(r#"{"default_agent": "mine"}"#), mode)).unwrap();
            assert_eq!(value["default_agent"], "build");
            assert!(asking(None, mode).contains(r#""permission":{"*":"#), "the rule for all tools stands before the others");
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
                assert_eq!(value["agent"]["general"]["permission"][tool], Value::Null, "{tool} falls under the star");
            }
            assert_eq!(value["agent"]["build"]["permission"]["task"]["*"], "deny");
        }
        let value: Value = serde_json::from_str(&asking(None, PermissionMode::Auto)).unwrap();
        assert_eq!(value["agent"]["general"]["permission"]["bash"], Value::Null, "in auto a sub-agent works like its parent");
    }

    #[test]
    fn a_configuration_that_is_no_object_gives_way_to_ours() {
        for odd in [None, Some("// comments"), Some("[]"), Some("")] {
            let value: Value = serde_json::from_str(&asking(odd, PermissionMode::Auto)).unwrap();
            assert_eq!(value["agent"]["build"]["permission"]["edit"], "ask", "{odd:?}");
            assert_eq!(value["agent"]["general"]["permission"]["external_directory"], "deny", "{odd:?}");
        }
    }
}
