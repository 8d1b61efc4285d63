//! `openrunner run`, `attach` and `logs`: a run is started, watched, read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, Connection, Follower, ServerArgs, Update, connect, connect_or_start, run_named, session_named};
use super::commands::{AttachArgs, LogsArgs, RangeArgs, RunArgs};
use super::exit::{Exit, Stop};
use super::terminal;
use super::watch::{Events, Leaving, Screen, Watch};
use crate::process::launch::Launcher;
use crate::types::{Clock, RunStatus, SessionId, StreamEvent, SystemClock, Timestamp};

/// Carries out `openrunner run`.
pub(super) async fn run(args: RunArgs, launcher: Launcher) -> anyhow::Result<Exit> {
    let prompt = match &args.file {
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
            terminal::read_text(file, &name)?
        }
        None => terminal::text_or_input(args.prompt.as_deref(), "the prompt")?,
    };
    let env = variables(&args.env)?;
    // A run that is left alone needs a server that stays.
    let Connection { client, embedded_server } = if args.detach {
        Connection { client: connect(&args.at).await?, embedded_server: None }
    } else {
        connect_or_start(&args.at, launcher).await?
    };
    let client = Arc::new(client);
    let watched = async {
        let metadata = metadata(&args, &client, env).await?;
        let body = json!({ "input": { "text": prompt }, "metadata": metadata });
        // A key of its own makes it safe to ask again where the answer to the first request was lost.
        let created = client.post_once("/api/runs", &SessionId::new().to_string(), &body).await?;
        let id = created["run_id"].as_str().context("the server gave no id of the run")?.to_owned();
        if args.detach {
            return if args.form.json { print_json(&created) } else { print_line(&id) }.map(|()| Exit::Done);
        }
        let leaving = if embedded_server.is_some() { Leaving::EndsIt } else { rejoin(&args.at, &id) };
        let screen = Screen::new(args.form.json, Duration::ZERO);
        Watch::new(Arc::clone(&client), id, 0, screen, args.form.json, leaving).until_the_end().await
    };
    let exit = watched.await;
    if let Some(embedded_server) = embedded_server {
        embedded_server.stop().await;
    }
    exit
}

/// Carries out `openrunner attach`.
pub(super) async fn attach(args: AttachArgs) -> anyhow::Result<Exit> {
    let client = Arc::new(connect(&args.at).await?);
    let id = run_named(&client, &args.run).await?;
    let standing = Standing::of(&client, &id).await?;
    let screen = Screen::new(args.form.json, standing.age());
    let leaving = rejoin(&args.at, &id);
    Watch::new(Arc::clone(&client), id, standing.after(args.part), screen, args.form.json, leaving).until_the_end().await
}

/// Carries out `openrunner logs`.
pub(super) async fn logs(args: LogsArgs) -> anyhow::Result<Exit> {
    let client = Arc::new(connect(&args.at).await?);
    let id = run_named(&client, &args.run).await?;
    let standing = Standing::of(&client, &id).await?;
    let after = standing.after(args.part);
    let until = (!args.follow && !standing.status.is_ended()).then_some(standing.last_seq);
    if until.is_some_and(|until| after >= until) {
        return Ok(Exit::Done);
    }
    let mut events = Events::new(anstream::stdout().lock(), args.form.json);
    let mut follower = Follower::start(client, id, after);
    while let Some(update) = follower.next().await {
        match update {
            Update::Event(seen) => {
                events.show(&seen)?;
                let is_last = matches!(seen.event, Some(StreamEvent::Done(_)));
                if is_last || until.is_some_and(|until| seen.seq.is_some_and(|seq| seq >= until)) {
                    break;
                }
            }
            Update::Ended(_) => break,
            Update::Lost(_) | Update::Back => {}
            Update::Failed(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Done)
}

/// Where a run stands when somebody comes to it.
#[derive(Deserialize)]
struct Standing {
    status: RunStatus,
    last_seq: u64,
    created_at: Timestamp,
}

impl Standing {
    async fn of(client: &Client, id: &str) -> anyhow::Result<Self> {
        let run = client.get(&format!("/api/runs/{id}")).await?;
        serde_json::from_value(run).context("the server tells of the run what this release does not understand")
    }

    /// The number after which a part of the run begins.
    fn after(&self, part: RangeArgs) -> u64 {
        match part {
            RangeArgs { tail: Some(tail), .. } => self.last_seq.saturating_sub(tail),
            RangeArgs { from: Some(from), .. } => from.saturating_sub(1),
            RangeArgs { from: None, tail: None } => 0,
        }
    }

    fn age(&self) -> Duration {
        let millis = SystemClock.now().as_millis().saturating_sub(self.created_at.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// What the run asks for beside its prompt: only what was said, so that everything else is the server's choice.
async fn metadata(args: &RunArgs, client: &Client, env: Map<String, Value>) -> anyhow::Result<Value> {
    let session = match &args.session {
        Some(name) => Some(session_named(client, name).await?),
        None => None,
    };
    let here = std::env::current_dir().context("the current folder cannot be found")?;
    let dir = working_dir(args.dir.as_deref(), &here, client.address().is_loopback(), session.is_some())?;
    let said = [
        ("agent_type", args.agent.clone().map(Value::from)),
        ("model", args.model.clone().map(Value::from)),
        ("working_dir", dir.map(Value::from)),
        ("timeout_secs", args.timeout.map(|timeout| timeout.as_secs().into())),
        ("permission_mode", args.permission_mode.map(|mode| json!(mode))),
        ("session_id", session.map(Value::from)),
        ("labels", (!args.labels.is_empty()).then(|| args.labels.iter().cloned().collect::<Value>())),
        ("env", (!env.is_empty()).then_some(Value::Object(env))),
    ];
    Ok(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into())
}

/// The folder to ask for. On this machine it is the current one unless another is said; a session stays where it is, and another
/// machine's folders can only be named in full.
fn working_dir(said: Option<&Path>, here: &Path, is_local: bool, goes_on: bool) -> anyhow::Result<Option<String>> {
    let dir = match said {
        Some(dir) if is_local => here.join(dir),
        Some(dir) if dir.is_absolute() => dir.to_owned(),
        Some(_) => return Err(Stop::usage("--dir: on another machine's server give an absolute path of that machine").into()),
        None if is_local && !goes_on => here.to_owned(),
        None => return Ok(None),
    };
    // The server takes no `..`; what it leads to is known here.
    let dir = if is_local { dir.canonicalize().unwrap_or(dir) } else { dir };
    match dir.into_os_string().into_string() {
        Ok(dir) => Ok(Some(dir)),
        Err(_) => Err(Stop::usage("--dir: the folder's name is not UTF-8, which the server cannot take").into()),
    }
}

/// The values of these variables. They are taken from the environment and never typed, since others can see what is typed.
fn variables(names: &[String]) -> anyhow::Result<Map<String, Value>> {
    let value = |name: &String| match std::env::var(name) {
        Ok(value) => Ok((name.clone(), value.into())),
        Err(_) => Err(Stop::usage(format!("--env {name}: this environment has no such variable with a value in UTF-8")).into()),
    };
    names.iter().map(value).collect()
}

fn rejoin(at: &ServerArgs, id: &str) -> Leaving {
    let server = at.server.as_deref().map(|server| format!(" --server {server}")).unwrap_or_default();
    Leaving::Rejoin(format!("openrunner attach{server} {id}"))
}

/// Prints a JSON document.
///
/// # Errors
/// If it cannot be written.
pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    print_line(&serde_json::to_string_pretty(value)?)
}

/// Prints a line.
///
/// # Errors
/// If it cannot be written.
pub(super) fn print_line(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(writeln!(anstream::stdout(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_this_one_on_this_machine_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        std::fs::create_dir(here.join("sub")).unwrap();
        let at = |said: Option<&str>, local, goes_on| working_dir(said.map(Path::new), &here, local, goes_on);
        let resolve_id = |path: &Path| Some(path.to_str().unwrap().to_owned());
        assert_eq!(at(None, true, false).unwrap(), resolve_id(&here));
        assert_eq!(at(Some("sub/../sub"), true, false).unwrap(), resolve_id(&here.join("sub")));
        assert_eq!(at(Some("new"), true, false).unwrap(), resolve_id(&here.join("new")));
        assert_eq!(at(None, true, true).unwrap(), None, "a session stays where it is");
        assert_eq!(at(None, false, false).unwrap(), None);
        assert_eq!(at(Some("/srv/x"), false, false).unwrap(), Some("/srv/x".to_owned()));
        assert!(at(Some("x"), false, false).is_err());
    }

    #[test]
    fn a_part_of_a_run_begins_where_it_is_said() {
        let standing = Standing { status: RunStatus::Running, last_seq: 10, created_at: Timestamp::from_millis(0) };
        let after = |from, tail| standing.after(RangeArgs { from, tail });
        assert_eq!(
            [after(None, None), after(Some(1), None), after(Some(4), None), after(None, Some(3)), after(None, Some(99))],
            [0, 0, 3, 7, 0]
        );
    }

    #[test]
    fn the_way_back_names_the_server_that_was_named() {
        let at = ServerArgs { server: Some("office".into()) };
        assert!(matches!(rejoin(&at, "run_1"), Leaving::Rejoin(command) if command == "openrunner attach --server office run_1"));
    }
}
