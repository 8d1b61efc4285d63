//! How Codex is started: the executable, the arguments and the variables.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::trust;
use crate::agent::common::attachments;
use crate::agent::{Installed, Invocation, Mode, Task};
use crate::types::{Cause, Failure, McpTransport, ModelEndpoint, PermissionMode};

/// The variable with the key of an endpoint.
const KEY_VARIABLE: &str = "CODEX_ENDPOINT_KEY";

/// When Codex asks for approval, and the sandbox of its commands.
///
/// `untrusted` asks before every patch and every command, even `ls`, except for those that the user's rules file allows. The sandbox is
/// open because an approved command must run as it was shown: in a closed one it fails halfway with "Read-only file system", with exit code
/// 0 if its last part succeeds (observed with 0.169.0), and Codex's sandbox does not start inside another one. In read-only mode it is
/// closed as a second line of defense. `user` directs the requests to the client rather than to a model.
///
/// A thread that is opened with an open sandbox makes Codex store the directory as trusted in the operator's `config.toml`, and load the
/// configuration in it. So the thread has a closed one, and [`turn_sandbox`] opens it.
pub(super) fn policy() -> Map<String, Value> {
    let mut policy = Map::new();
    policy.insert("approvalPolicy".to_owned(), json!("untrusted"));
    policy.insert("approvalsReviewer".to_owned(), json!("user"));
    policy.insert("sandbox".to_owned(), json!("read-only"));
    policy
}

/// Whether Codex runs commands in its own sandbox.
pub(super) fn has_own_sandbox(mode: Mode, permission_mode: PermissionMode) -> bool {
    match mode {
        Mode::TwoWay => permission_mode == PermissionMode::ReadOnly,
        Mode::OneShot => permission_mode != PermissionMode::Auto,
    }
}

/// The sandbox of the commands of a turn; `None` for that of the thread.
pub(super) fn turn_sandbox(mode: PermissionMode) -> Option<Value> {
    (mode != PermissionMode::ReadOnly).then(|| json!({ "type": "dangerFullAccess" }))
}

/// Settings of the thread, which override those in `config.toml`.
///
/// The model may ask questions only in `ask` mode, where a user can answer. MCP servers are passed here because they may contain secrets,
/// and arguments are readable by every user of the machine. Codex does not store these settings (tested with 0.169.0).
pub(super) fn thread_config(task: &Task) -> Map<String, Value> {
    let mut config = Map::new();
    if task.spec.permission_mode == PermissionMode::Ask {
        config.insert("features.default_mode_request_user_input".to_owned(), json!(true));
        config.insert("suppress_unstable_features_warning".to_owned(), json!(true));
    }
    for server in &task.mcp_servers {
        let transport = match &server.transport {
            McpTransport::Stdio { command, args, env } => json!({ "command": command, "args": args, "env": env }),
            McpTransport::Http { url, headers } => json!({ "url": url, "http_headers": headers }),
        };
        config.insert(format!("mcp_servers.{}", server.name), transport);
    }
    config
}

/// The arguments and variables for one run.
///
/// # Errors
/// [`Cause::BadArguments`] for an invalid conversation id, and for MCP servers in one-shot mode.
pub(super) fn invocation(mode: Mode, task: &Task, codex_home: String) -> Result<Invocation, Failure> {
    let overrides = trust::overrides(task.spec.project_config, &task.spec.working_dir, Path::new(&codex_home));
    let endpoint = task.endpoint.as_ref();
    let args = match mode {
        Mode::TwoWay => {
            let own = std::iter::once("app-server".to_owned()).chain(endpoint.into_iter().flat_map(endpoint_args)).chain(overrides);
            own.chain(task.spec.extra_args.iter().cloned()).collect()
        }
        Mode::OneShot => exec_args(task, overrides)?,
    };
    let mut env = vec![("CODEX_HOME".to_owned(), codex_home)];
    env.extend(endpoint.map(|endpoint| (KEY_VARIABLE.to_owned(), endpoint.key.expose().to_owned())));
    Ok(Invocation { args, env, files: attachments::input_files(task) })
}

/// The settings that direct Codex to a model: a provider of its own, since those that are built in have a login of their own. The key is in a
/// variable, because arguments are readable by every user of the machine.
fn endpoint_args(endpoint: &ModelEndpoint) -> [String; 4] {
    let base_url = toml_string(&endpoint.base_url);
    let fields = format!("name=\"OpenRunner\",base_url={base_url},env_key=\"{KEY_VARIABLE}\",wire_api=\"responses\"");
    let provider = format!("model_providers.openrunner={{{fields}}}");
    ["-c".to_owned(), "model_provider=\"openrunner\"".to_owned(), "-c".to_owned(), provider]
}

/// A basic string of TOML. Its escapes are those of JSON.
fn toml_string(text: &str) -> String {
    Value::from(text).to_string()
}

/// The arguments of `codex exec`.
///
/// It never asks for approval: in `auto` mode everything is allowed from the start, otherwise only what the read-only sandbox permits.
/// Flags precede `resume`, which accepts only some of them (recording `resume_4`). The last argument makes it read the prompt from stdin.
fn exec_args(task: &Task, overrides: Vec<String>) -> Result<Vec<String>, Failure> {
    if !task.mcp_servers.is_empty() {
        return Err(Failure::new(Cause::BadArguments, "mcp_servers: not supported by codex in one-shot mode"));
    }
    let sandbox = match task.spec.permission_mode {
        PermissionMode::Auto => "danger-full-access",
        PermissionMode::Ask | PermissionMode::ReadOnly => "read-only",
    };
    let mut args: Vec<String> = ["exec", "--json", "--skip-git-repo-check"].map(str::to_owned).into();
    args.extend(task.endpoint.iter().flat_map(endpoint_args));
    args.push(format!("--sandbox={sandbox}"));
    args.extend(overrides);
    args.extend(task.spec.model.as_ref().map(|model| format!("--model={model}")));
    args.extend(task.spec.extra_args.iter().cloned());
    if let Some(thread) = &task.resume {
        // The id comes from an agent's output and must not become a flag.
        if thread.is_empty() || !thread.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || thread.starts_with('-') {
            return Err(Failure::new(Cause::BadArguments, "invalid Codex conversation id"));
        }
        args.extend(["resume".to_owned(), thread.clone()]);
    }
    args.push("-".to_owned());
    Ok(args)
}

/// The directory of Codex's settings, logins and conversations. `server_codex_home` is the server's own `CODEX_HOME`.
pub(super) fn codex_home(server_codex_home: Option<&Path>, home: &Path) -> PathBuf {
    server_codex_home.filter(|path| path.is_absolute()).map_or_else(|| home.join(".codex"), Path::to_owned)
}

/// Like [`codex_home`], for an installed program.
pub(super) fn installed_codex_home(installed: &Installed, server_codex_home: Option<&Path>) -> String {
    codex_home(server_codex_home.filter(|_| !installed.has_other_home), &installed.home).to_string_lossy().into_owned()
}

/// The native program behind the npm package's script. The script only starts the program, which survives if only the script is killed
/// (recording `sigkill_tool`). `None` if `found` is not that script or the platform's package is missing.
///
/// npm installs the platform's package next to the main one or inside it, pnpm next to the real path of the main one. Like Node.js, this
/// searches the `node_modules` of every directory above the script's real path.
pub(super) fn native(found: &Path) -> Option<PathBuf> {
    let (package, triple) = platform()?;
    let script = found.canonicalize().ok()?;
    if !script.ends_with("@openai/codex/bin/codex.js") {
        return None;
    }
    let binary = Path::new("vendor").join(triple).join("bin/codex");
    let candidates = script.ancestors().skip(1).map(|dir| dir.join("node_modules/@openai").join(package));
    // Before there were packages per platform, the main package contained all of them.
    let own = script.ancestors().nth(2).map(Path::to_owned);
    candidates.chain(own).map(|package| package.join(&binary)).find(|native| native.is_file())
}

/// This machine's package and target, from the list in `codex.js` of 0.169.0.
fn platform() -> Option<(&'static str, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(("codex-linux-x64", "x86_64-unknown-linux-musl")),
        ("linux", "aarch64") => Some(("codex-linux-arm64", "aarch64-unknown-linux-musl")),
        ("macos", "x86_64") => Some(("codex-darwin-x64", "x86_64-apple-darwin")),
        ("macos", "aarch64") => Some(("codex-darwin-arm64", "aarch64-apple-darwin")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::agent::flags::classify;
    use crate::agent::replay;

    fn args(mode: Mode, change: impl FnOnce(&mut Task)) -> Result<Vec<String>, Failure> {
        let mut task = replay::task("codex");
        change(&mut task);
        invocation(mode, &task, "/home/user/.codex".into()).map(|invocation| invocation.args)
    }

    #[test]
    fn the_prompt_is_never_an_argument() {
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let args = args(mode, |task| task.spec.prompt = "-sdanger".into()).unwrap();
            assert!(!args.iter().any(|arg| arg.contains("-sdanger")), "{args:?}");
        }
    }

    #[test]
    fn a_configured_endpoint_is_a_provider_whose_key_is_no_argument() {
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let mut task = replay::task("codex");
            task.endpoint = Some(ModelEndpoint {
                provider: "openai".into(),
                base_url: "http://127.0.0.1:3128/model\"".into(),
                key: crate::types::Secret::new("the-key".into()),
                scheme: crate::types::AuthScheme::Bearer,
            });
            let Invocation { args, env, files: _ } = invocation(mode, &task, "/home/user/.codex".into()).unwrap();
            assert_eq!(args.iter().filter(|arg| *arg == "-c").count(), 2, "{args:?}");
            assert!(args.iter().any(|arg| arg.contains(r#"base_url="http://127.0.0.1:3128/model\"",env_key"#)), "{args:?}");
            assert!(!args.iter().any(|arg| arg.contains("the-key")), "{args:?}");
            assert!(env.contains(&(KEY_VARIABLE.to_owned(), "the-key".to_owned())));
        }
    }

    #[test]
    fn extra_args_follow_the_subcommand_in_two_way_mode() {
        let extra = |task: &mut Task| task.spec.extra_args = vec!["--strict-config".into()];
        assert_eq!(args(Mode::TwoWay, extra).unwrap(), ["app-server", "--strict-config"]);
    }

    #[test]
    fn flags_precede_resume_in_one_shot_mode() {
        let args = args(Mode::OneShot, |task| {
            task.spec.model = Some("-x".into());
            task.spec.extra_args = vec!["--oss".into()];
            task.resume = Some("01a201fc-c885-7863".into());
        });
        let expected = ["exec", "--json", "--skip-git-repo-check", "--sandbox=danger-full-access", "--model=-x", "--oss"];
        assert_eq!(args.unwrap(), [expected.as_slice(), &["resume", "01a201fc-c885-7863", "-"]].concat());
    }

    #[test]
    fn a_conversation_id_cannot_become_a_flag() {
        for id in ["--last", "", "a b", "../x", "a\u{0}"] {
            assert_eq!(args(Mode::OneShot, |task| task.resume = Some(id.into())).unwrap_err().cause, Cause::BadArguments, "{id}");
        }
    }

    #[test]
    fn codex_home_is_always_set_and_absolute() {
        let home = Path::new("/home/user");
        assert_eq!(codex_home(None, home), Path::new("/home/user/.codex"));
        assert_eq!(codex_home(Some(Path::new("/srv/codex")), home), Path::new("/srv/codex"));
        assert_eq!(codex_home(Some(Path::new("here")), home), Path::new("/home/user/.codex"));
        let mut installed = replay::installed("codex", "0.169.0", "codex");
        assert_eq!(installed_codex_home(&installed, Some(Path::new("/srv/codex"))), "/srv/codex");
        installed.has_other_home = true;
        assert_eq!(
            installed_codex_home(&installed, Some(Path::new("/srv/codex"))),
            "/home/user/.codex",
            "in a sandbox, /srv/codex is missing"
        );
    }

    #[test]
    fn the_native_program_is_found_next_to_and_inside_the_main_package() {
        let Some((package, triple)) = platform() else { return };
        for parent in ["node_modules/@openai", "node_modules/@openai/codex/node_modules/@openai"] {
            let dir = tempfile::tempdir().unwrap();
            let script = dir.path().join("node_modules/@openai/codex/bin/codex.js");
            let bin = dir.path().join(parent).join(package).join("vendor").join(triple).join("bin");
            let link = dir.path().join("node_modules/.bin/codex");
            for dir in [script.parent().unwrap(), &bin, link.parent().unwrap()] {
                fs::create_dir_all(dir).unwrap();
            }
            fs::write(&script, "").unwrap();
            std::os::unix::fs::symlink(&script, &link).unwrap();
            assert_eq!(native(&link), None);
            fs::write(bin.join("codex"), "").unwrap();
            assert_eq!(native(&link), Some(bin.canonicalize().unwrap().join("codex")), "{parent}");
        }
    }

    #[test]
    fn a_program_that_is_not_the_npm_script_is_started_itself() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("codex");
        fs::write(&program, "").unwrap();
        assert_eq!(native(&program), None);
    }

    #[test]
    fn reserved_flags_are_rejected_and_widening_flags_need_an_admin() {
        let classified = |mode, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            classify(super::super::program::info(mode).flags.unwrap(), &args).map(|widening| widening.0.len())
        };
        for mode in [Mode::TwoWay, Mode::OneShot] {
            assert_eq!(classified(mode, &["-c", "sandbox_mode=\"danger-full-access\""]), Ok(1));
            assert_eq!(classified(mode, &["--strict-config"]), Ok(0));
            assert!(classified(mode, &["resume"]).is_err());
        }
        assert_eq!(classified(Mode::OneShot, &["--dangerously-bypass-approvals-and-sandbox"]), Ok(1));
        assert!(classified(Mode::OneShot, &["-mother-model"]).is_err());
        assert!(classified(Mode::TwoWay, &["--listen=ws://0.0.0.0:1"]).is_err());
    }
}
