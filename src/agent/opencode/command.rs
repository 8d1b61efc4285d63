//! How the programs are started.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::variant;
use crate::agent::{Installed, Invocation, Mode, Task};
use crate::types::{Cause, Failure, PermissionMode};

/// Longest prompt for the Go program, in bytes: one element of a command line is at most 128 KiB on Linux.
const ARGUMENT: usize = 120 * 1024;

/// Elements and variables for one run.
pub(super) fn invocation(mode: Mode, inline_config: Option<&str>, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
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
    let mut args = vec![
        format!("--prompt={}", task.spec.prompt),
        "--output-format=json".to_owned(),
        "--quiet".to_owned(),
        format!("--cwd={cwd}"),
    ];
    args.extend(task.spec.extra_args.iter().cloned());
    Ok(Invocation { args, env: Vec::new() })
}

/// The configuration that makes the program's main agent ask us, laid over the operator's own inline configuration.
///
/// By default it allows itself everything inside the working folder. The rules stand on the agent `build` and not on top:
/// sub-agents would ask too, and `opencode acp` leaves the questions of a sub-agent unanswered for ever (recording
/// `acp/opencode_subagent_hangs`). What it would ask of its own accord in a sub-agent is denied there for the same reason. It is
/// given inline, which outranks the files of the project.
fn asking(inline_config: Option<&str>, mode: PermissionMode) -> String {
    let PermissionMode::Auto = mode;
    let mut config = inline_config.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object).unwrap_or(json!({}));
    let asked = json!({ "edit": "ask", "bash": "ask", "webfetch": "ask", "websearch": "ask", "external_directory": "ask" });
    let unasked = json!({ "external_directory": "deny", "doom_loop": "deny" });
    for (agent, rules) in [("build", &asked), ("general", &unasked), ("explore", &unasked)] {
        lay_over(&mut config, &json!({ "agent": { agent: { "permission": rules } } }));
    }
    config.to_string()
}

/// Puts the fields of `over` into `base`, object by object.
fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(base.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }
        (base, over) => *base = over.clone(),
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
