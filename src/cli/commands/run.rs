//! `openrunner run`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::args::{duration, isolation_level, label, on_rate_limit, permission_mode, project_config};
use crate::cli::attached;
use crate::cli::client::{Client, Connection, resolve_session};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::{print_json, print_line};
use crate::cli::terminal;
use crate::cli::watch::{DetachMode, Screen, Watch};
use crate::types::{Amount, IsolationLevel, Money, OnRateLimit, PermissionMode, ProfileName, ProjectConfig, SessionId, Tokens};

/// Arguments of `run` with a prompt.
#[derive(Debug, Args)]
pub(in crate::cli) struct StartArgs {
    /// Prompt; `-`, or no prompt if standard input is a pipe, reads it from there
    #[arg(value_name = "PROMPT")]
    pub(in crate::cli) prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Image (PNG, JPEG, GIF, WebP) or other file to give to the agent; may be repeated
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(in crate::cli) attach: Vec<PathBuf>,
    /// File with the JSON Schema of the answer
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) output_schema: Option<PathBuf>,
    /// Text that is added to the agent's system prompt
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) instructions: Option<String>,
    /// Agent (default: that of the session, else `claude_code`)
    #[arg(long, short, value_name = "NAME", alias = "agent")]
    pub(in crate::cli) agent_type: Option<String>,
    /// Model, by its name in the agent
    #[arg(long, short, value_name = "MODEL")]
    pub(in crate::cli) model: Option<String>,
    /// Profile, one of `openrunner profile ls`; the other options may narrow it
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) profile: Option<ProfileName>,
    /// Working directory (default: the current one, if the server is on this machine)
    #[arg(long, short = 'C', value_name = "DIR")]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// Work in a git worktree of its own, on a branch openrunner/SESSION, instead of in the repository itself
    #[arg(long, conflicts_with = "session", group = "copy")]
    pub(in crate::cli) worktree: bool,
    /// Work in a clone of a repository on another machine, on a branch openrunner/SESSION
    #[arg(long, value_name = "URL", conflicts_with_all = ["session", "dir", "repository"], group = "copy")]
    pub(in crate::cli) clone: Option<String>,
    /// Repository of the worktree (default: that of the working directory)
    #[arg(long, value_name = "PATH", requires = "worktree", conflicts_with = "dir")]
    pub(in crate::cli) repository: Option<PathBuf>,
    /// Branch, tag or commit that the worktree or clone begins with (default: what is checked out, or the default branch)
    #[arg(long = "ref", value_name = "REF", requires = "copy")]
    pub(in crate::cli) reference: Option<String>,
    /// Time limit, such as 90, 90s, 15m or 2h (default: 5m)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) timeout: Option<Duration>,
    /// Maximum cost in US dollars, such as 0.50; the run is stopped when it is exceeded
    #[arg(long, value_name = "USD")]
    pub(in crate::cli) max_cost_usd: Option<Money>,
    /// Maximum number of tokens
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_tokens: Option<Tokens>,
    /// Maximum number of model calls
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_turns: Option<Amount>,
    /// At a usage limit of the model's provider: `fail`, or `wait` until it resets [default: fail]
    #[arg(long, value_name = "MODE", value_parser = on_rate_limit)]
    pub(in crate::cli) on_rate_limit: Option<OnRateLimit>,
    /// Maximum time to wait for a usage limit, such as 30m or 5h [default: that of the server]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) max_wait: Option<Duration>,
    /// How permissions are decided: `auto` allows everything, `ask` asks a person, `read_only` allows reading [default: auto]
    #[arg(long, short, value_name = "MODE", value_parser = permission_mode)]
    pub(in crate::cli) permission_mode: Option<PermissionMode>,
    /// Isolation of the agent: `none`, `files`, `guard` or `sandbox` [default: that of the server]
    #[arg(long, value_name = "LEVEL", value_parser = isolation_level)]
    pub(in crate::cli) isolation: Option<IsolationLevel>,
    /// Host that the agent may reach at isolation level `sandbox`, such as `example.org:443`; may be repeated [default: the git remotes]
    #[arg(long, value_name = "HOST:PORT")]
    pub(in crate::cli) egress: Vec<String>,
    /// Configuration of the agent in the working directory: `ignore` or `trust` [default: `ignore`, unless the operator trusts it]
    #[arg(long, value_name = "MODE", value_parser = project_config)]
    pub(in crate::cli) project_config: Option<ProjectConfig>,
    /// Continue a conversation: its id, the start of it, or `last`
    #[arg(long, short, value_name = "SESSION")]
    pub(in crate::cli) session: Option<String>,
    /// Label for finding the run again; may be repeated
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = label)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// Pass a variable of your environment to the agent; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) env: Vec<String>,
    /// Print the run id and exit; the run continues
    #[arg(long, short)]
    pub(in crate::cli) detach: bool,
}

/// Starts a run and follows it. The exit code is that of the run.
pub(in crate::cli) async fn run(context: &Context, args: StartArgs) -> anyhow::Result<Exit> {
    let prompt = match &args.file {
        Some(path) => {
            let name = format!("--file {}", path.display());
            let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
            terminal::read_text(file, &name)?
        }
        None => terminal::argument_or_stdin(args.prompt.as_deref(), "PROMPT")?,
    };
    if prompt.trim().is_empty() {
        return Err(CliError::usage("the prompt is empty").into());
    }
    let env = variables(&args.env)?;
    let mut input = json!({ "text": prompt });
    let attached = attached::read(&args.attach)?;
    // A detached run needs a server that outlives this command.
    let Connection { client, embedded_server } = if args.detach {
        Connection { client: context.connect().await?, embedded_server: None }
    } else {
        context.connect_or_start().await?
    };
    let client = Arc::new(client);
    let follow = async {
        if !attached.is_empty() {
            input["parts"] = attached::parts(&client, attached).await?;
        }
        let body = json!({ "input": input, "metadata": metadata(&args, &client, env).await? });
        start(context, &client, &body, args.detach, embedded_server.is_some()).await
    };
    let exit = follow.await;
    if let Some(embedded_server) = embedded_server {
        embedded_server.stop().await;
    }
    exit
}

/// Starts a run with this request, and follows it unless it is to be detached.
///
/// # Errors
/// If the run cannot be started or followed.
pub(super) async fn start(
    context: &Context,
    client: &Arc<Client>,
    body: &Value,
    is_detached: bool,
    is_embedded: bool,
) -> anyhow::Result<Exit> {
    // The key makes it safe to send the request again if the answer is lost.
    let created = client.post_idempotent("/api/runs", &SessionId::new().to_string(), body).await?;
    let text = |name: &str| created[name].as_str().map(str::to_owned).with_context(|| format!("the server's answer has no {name}"));
    let (id, session) = (text("run_id")?, text("session_id")?);
    if is_detached {
        if context.output.json {
            print_json(&created)?;
        } else {
            print_line(&id)?;
            context.output.detail(&format!("follow it with `{}`", context.attach_command(&id)));
        }
        return Ok(Exit::Success);
    }
    let detach_mode = if is_embedded { DetachMode::Ends } else { DetachMode::Continues(context.attach_command(&id)) };
    let mut screen = Screen::new(context.output, Duration::ZERO);
    screen.note("run", &id)?;
    let mut watch = Watch::new(Arc::clone(client), id, 0, screen, !context.output.json, detach_mode);
    let exit = watch.run().await?;
    if exit != Exit::Detached {
        watch.screen().note("continue", &format!("openrunner run{} --session {session} \"PROMPT\"", context.server_flag()))?;
    }
    Ok(exit)
}

/// The `metadata` of the request: only what was given, so that the server's defaults apply.
async fn metadata(args: &StartArgs, client: &Client, env: Map<String, Value>) -> anyhow::Result<Value> {
    let session = match &args.session {
        Some(name) => Some(resolve_session(client, name).await?),
        None => None,
    };
    let current = std::env::current_dir().context("cannot find the current directory")?;
    let chosen = args.repository.as_deref().or(args.dir.as_deref());
    let mut dir = working_dir(chosen, &current, client.address().is_loopback(), session.is_some())?;
    let reference = args.reference.as_deref();
    let workspace = match &args.clone {
        Some(url) => {
            dir = None;
            Some(json!({ "kind": "clone", "repository": url, "ref": reference }))
        }
        None => args.worktree.then(|| worktree(dir.take(), reference, chosen.is_none())),
    };
    let fields = [
        ("agent_type", args.agent_type.clone().map(Value::from)),
        ("instructions", args.instructions.clone().map(Value::from)),
        ("output_schema", args.output_schema.as_deref().map(output_schema).transpose()?),
        ("model", args.model.clone().map(Value::from)),
        ("profile", args.profile.as_ref().map(|name| json!(name))),
        ("working_dir", dir.map(Value::from)),
        ("workspace", workspace),
        ("timeout_secs", args.timeout.map(|timeout| timeout.as_secs().into())),
        ("on_rate_limit", args.on_rate_limit.map(|mode| json!(mode))),
        ("max_wait_secs", args.max_wait.map(|max| max.as_secs().into())),
        ("max_cost_usd", args.max_cost_usd.map(|max| json!(max))),
        ("max_tokens", args.max_tokens.map(|max| json!(max))),
        ("max_turns", args.max_turns.map(|max| json!(max))),
        ("permission_mode", args.permission_mode.map(|mode| json!(mode))),
        ("isolation", args.isolation.map(|level| json!(level))),
        ("egress", (!args.egress.is_empty()).then(|| json!(args.egress))),
        ("project_config", args.project_config.map(|mode| json!(mode))),
        ("session_id", session.map(Value::from)),
        ("labels", (!args.labels.is_empty()).then(|| args.labels.iter().cloned().collect::<Value>())),
        ("env", (!env.is_empty()).then_some(Value::Object(env))),
    ];
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into())
}

/// The request for a worktree. Of the current directory, the repository above it.
fn worktree(dir: Option<String>, reference: Option<&str>, is_current: bool) -> Value {
    let top = |dir: &str| Path::new(dir).ancestors().find(|dir| dir.join(".git").exists()).and_then(Path::to_str).map(str::to_owned);
    let repository = dir.map(|dir| if is_current { top(&dir).unwrap_or(dir) } else { dir });
    json!({ "kind": "worktree", "repository": repository, "ref": reference })
}

/// The working directory to request. A server on this machine gets the current directory by default, unless a session is continued in
/// its own; on another machine only absolute paths have a meaning.
fn working_dir(given: Option<&Path>, current: &Path, is_local: bool, has_session: bool) -> anyhow::Result<Option<String>> {
    let dir = match given {
        Some(dir) if is_local => current.join(dir),
        Some(dir) if dir.is_absolute() => dir.to_owned(),
        Some(_) => {
            return Err(CliError::usage("--dir: the path is relative, and the server is on another machine")
                .hint("give an absolute path of that machine")
                .into());
        }
        None if is_local && !has_session => current.to_owned(),
        None => return Ok(None),
    };
    // The server refuses `..`. A directory that does not exist yet is left for the server to judge.
    let dir = if is_local { dir.canonicalize().unwrap_or(dir) } else { dir };
    match dir.into_os_string().into_string() {
        Ok(dir) => Ok(Some(dir)),
        Err(_) => Err(CliError::usage("--dir: the path is not UTF-8").into()),
    }
}

/// The JSON Schema in a file. Whether it is valid is for the server to judge.
fn output_schema(path: &Path) -> anyhow::Result<Value> {
    let name = format!("--output-schema {}", path.display());
    let text = terminal::read_text(std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?, &name)?;
    serde_json::from_str(&text).map_err(|_| CliError::usage(format!("{name}: the file does not contain JSON")).into())
}

/// The values of these variables. They are taken from the environment, because other users can see command lines.
///
/// # Errors
/// If a variable is not set.
pub(super) fn variables(names: &[String]) -> anyhow::Result<Map<String, Value>> {
    let value = |name: &String| match std::env::var(name) {
        Ok(value) => Ok((name.clone(), value.into())),
        Err(std::env::VarError::NotPresent) => Err(CliError::usage(format!("--env {name}: the variable is not set in your environment"))),
        Err(std::env::VarError::NotUnicode(_)) => Err(CliError::usage(format!("--env {name}: the value is not UTF-8"))),
    };
    Ok(names.iter().map(value).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_directory_is_the_default_on_this_machine_only() {
        let directory = tempfile::tempdir().unwrap();
        let current = directory.path().canonicalize().unwrap();
        std::fs::create_dir(current.join("sub")).unwrap();
        let dir = |given: Option<&str>, is_local, has_session| working_dir(given.map(Path::new), &current, is_local, has_session);
        let path = |path: &Path| Some(path.to_str().unwrap().to_owned());
        assert_eq!(dir(None, true, false).unwrap(), path(&current));
        assert_eq!(dir(Some("sub/../sub"), true, false).unwrap(), path(&current.join("sub")));
        assert_eq!(dir(Some("new"), true, false).unwrap(), path(&current.join("new")));
        assert_eq!(dir(None, true, true).unwrap(), None, "a session stays in its directory");
        assert_eq!(dir(None, false, false).unwrap(), None);
        assert_eq!(dir(Some("/srv/x"), false, false).unwrap(), Some("/srv/x".to_owned()));
        assert!(dir(Some("x"), false, false).is_err());
    }
}
