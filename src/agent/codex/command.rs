//! How Codex is started: which file, which arguments, which variables.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::agent::{Installed, Invocation, Mode, Task};
use crate::types::{Cause, Failure, McpTransport, PermissionMode};

/// How Codex asks and what it may do by itself.
///
/// `untrusted` asks before every patch and every command, even `ls`, but for those that the user's own rules file allows. The
/// sandbox is open because what was allowed shall run as it was shown: in a closed one an allowed command fails half-way with
/// "Read-only file system", with exit code 0 if its last part works (seen with 0.169.0), and no sandbox of Codex's starts inside
/// another one. Only where nothing may be changed it is closed as well, as a second wall. `user` sends the requests to us and not to
/// a model.
pub(super) fn policy(mode: PermissionMode) -> Map<String, Value> {
    let mut policy = Map::new();
    policy.insert("approvalPolicy".to_owned(), json!("untrusted"));
    policy.insert("approvalsReviewer".to_owned(), json!("user"));
    policy.insert("sandbox".to_owned(), json!(if mode == PermissionMode::ReadOnly { "read-only" } else { "danger-full-access" }));
    policy
}

/// Settings of the thread, which count more than those of `config.toml`.
///
/// Its model may ask questions where a person is there for the answer. MCP servers stand here because arguments, which every
/// account of the machine can read, are no place for secrets; Codex writes them down nowhere (tried with 0.169.0).
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
/// [`Cause::BadArguments`] for what cannot stand on a command line: some conversation ids, and MCP servers in one-shot mode.
pub(super) fn invocation(mode: Mode, task: &Task, codex_home: String) -> Result<Invocation, Failure> {
    let args = match mode {
        Mode::TwoWay => std::iter::once("app-server".to_owned()).chain(task.spec.extra_args.iter().cloned()).collect(),
        Mode::OneShot => exec_args(task)?,
    };
    Ok(Invocation { args, env: vec![("CODEX_HOME".to_owned(), codex_home)] })
}

/// `codex exec` never asks: what the two-way mode allows on request is open from the start, and nothing is where somebody should
/// decide. Flags stand before `resume`, which knows only some of them (recording `resume_4`); the last element says that the prompt
/// comes by stdin.
fn exec_args(task: &Task) -> Result<Vec<String>, Failure> {
    if !task.mcp_servers.is_empty() {
        return Err(Failure::new(Cause::BadArguments, "codex takes no MCP servers in one-shot mode"));
    }
    let sandbox = match task.spec.permission_mode {
        PermissionMode::Auto => "danger-full-access",
        PermissionMode::Ask | PermissionMode::ReadOnly => "read-only",
    };
    let mut args: Vec<String> = ["exec", "--json", "--skip-git-repo-check"].map(str::to_owned).into();
    args.push(format!("--sandbox={sandbox}"));
    args.extend(task.spec.model.as_ref().map(|model| format!("--model={model}")));
    args.extend(task.spec.extra_args.iter().cloned());
    if let Some(thread) = &task.resume {
        // The id was once told by an agent: it must not become a flag.
        if thread.is_empty() || !thread.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || thread.starts_with('-') {
            return Err(Failure::new(Cause::BadArguments, "not an id of a Codex conversation"));
        }
        args.extend(["resume".to_owned(), thread.clone()]);
    }
    args.push("-".to_owned());
    Ok(args)
}

/// The folder where Codex keeps its settings, logins and conversations: `of_server` is the server's own `CODEX_HOME`.
pub(super) fn codex_home(of_server: Option<&Path>, home: &Path) -> PathBuf {
    of_server.filter(|path| path.is_absolute()).map_or_else(|| home.join(".codex"), Path::to_owned)
}

/// As [`codex_home`], for an installed program.
pub(super) fn home_of(installed: &Installed, of_server: Option<&Path>) -> String {
    codex_home(of_server, &installed.home).to_string_lossy().into_owned()
}

/// The native program behind the npm package's script: the script only starts it, and when the script alone is killed the
/// program lives on (recording `sigkill_tool`). `None` if `found` is not that script, or the platform's package is not there.
///
/// npm puts the platform's package beside the main one or inside it, and pnpm beside the real place of the main one, so the
/// `node_modules` of every folder above the script's real place are looked at, as node does.
pub(super) fn native(found: &Path) -> Option<PathBuf> {
    let (package, triple) = platform()?;
    let script = found.canonicalize().ok()?;
    if !script.ends_with("@openai/codex/bin/codex.js") {
        return None;
    }
    let inside = Path::new("vendor").join(triple).join("bin/codex");
    let places = script.ancestors().skip(1).map(|dir| dir.join("node_modules/@openai").join(package));
    // Before it had packages for platforms, the main one held them all.
    let own = script.ancestors().nth(2).map(Path::to_owned);
    places.chain(own).map(|package| package.join(&inside)).find(|native| native.is_file())
}

/// This machine's package and target, as `codex.js` of 0.169.0 lists them.
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
        invocation(mode, &task, "/home/someone/.codex".into()).map(|invocation| invocation.args)
    }

    #[test]
    fn the_prompt_is_never_an_argument() {
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let args = args(mode, |task| task.spec.prompt = "-sdanger".into()).unwrap();
            assert!(!args.iter().any(|arg| arg.contains("-sdanger")), "{args:?}");
        }
    }

    #[test]
    fn the_two_way_mode_takes_extra_args_after_the_subcommand() {
        let extra = |task: &mut Task| task.spec.extra_args = vec!["--strict-config".into()];
        assert_eq!(args(Mode::TwoWay, extra).unwrap(), ["app-server", "--strict-config"]);
    }

    #[test]
    fn the_one_shot_mode_has_its_flags_before_resume() {
        let given = args(Mode::OneShot, |task| {
            task.spec.model = Some("-x".into());
            task.spec.extra_args = vec!["--oss".into()];
            task.resume = Some("01a201fc-c885-7863".into());
        });
        let expected = ["exec", "--json", "--skip-git-repo-check", "--sandbox=danger-full-access", "--model=-x", "--oss"];
        assert_eq!(given.unwrap(), [expected.as_slice(), &["resume", "01a201fc-c885-7863", "-"]].concat());
    }

    #[test]
    fn a_conversation_id_cannot_be_a_flag() {
        for id in ["--last", "", "a b", "../x", "a\u{0}"] {
            assert_eq!(args(Mode::OneShot, |task| task.resume = Some(id.into())).unwrap_err().cause, Cause::BadArguments, "{id}");
        }
    }

    #[test]
    fn codex_home_is_set_whatever_the_environment_says() {
        let home = Path::new("/home/someone");
        assert_eq!(codex_home(None, home), Path::new("/home/someone/.codex"));
        assert_eq!(codex_home(Some(Path::new("/srv/codex")), home), Path::new("/srv/codex"));
        assert_eq!(codex_home(Some(Path::new("here")), home), Path::new("/home/someone/.codex"));
    }

    #[test]
    fn the_native_program_is_found_beside_and_inside_the_main_package() {
        let Some((package, triple)) = platform() else { return };
        for place in ["node_modules/@openai", "node_modules/@openai/codex/node_modules/@openai"] {
            let dir = tempfile::tempdir().unwrap();
            let script = dir.path().join("node_modules/@openai/codex/bin/codex.js");
            let bin = dir.path().join(place).join(package).join("vendor").join(triple).join("bin");
            let link = dir.path().join("node_modules/.bin/codex");
            for folder in [script.parent().unwrap(), &bin, link.parent().unwrap()] {
                fs::create_dir_all(folder).unwrap();
            }
            fs::write(&script, "").unwrap();
            std::os::unix::fs::symlink(&script, &link).unwrap();
            assert_eq!(native(&link), None);
            fs::write(bin.join("codex"), "").unwrap();
            assert_eq!(native(&link), Some(bin.canonicalize().unwrap().join("codex")), "{place}");
        }
    }

    #[test]
    fn a_program_that_is_no_script_of_npm_is_started_itself() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("codex");
        fs::write(&program, "").unwrap();
        assert_eq!(native(&program), None);
    }

    #[test]
    fn what_lifts_the_permissions_is_for_admins_and_what_is_ours_for_nobody() {
        let judged = |mode, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            classify(super::super::program::info(mode).flags.unwrap(), &args).map(|widening| widening.0.len())
        };
        for mode in [Mode::TwoWay, Mode::OneShot] {
            assert_eq!(judged(mode, &["-c", "sandbox_mode=\"danger-full-access\""]), Ok(1));
            assert_eq!(judged(mode, &["--strict-config"]), Ok(0));
            assert!(judged(mode, &["resume"]).is_err());
        }
        assert_eq!(judged(Mode::OneShot, &["--dangerously-bypass-approvals-and-sandbox"]), Ok(1));
        assert!(judged(Mode::OneShot, &["-mother-model"]).is_err());
        assert!(judged(Mode::TwoWay, &["--listen=ws://0.0.0.0:1"]).is_err());
    }
}
