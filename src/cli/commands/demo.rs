//! `openrunner demo`: a temporary server and one run of the built-in agent.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::agent::Registry;
use crate::agent::demo::Demo;
use crate::cli::client::{Client, Credentials, Follower, Update};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::watch::Screen;
use crate::config::{self, Flags, Origins, Secret};
use crate::server::{Server, stop_on_signal};
use crate::types::{OnShutdown, SessionId, StreamEvent};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Prompt
    #[arg(default_value = "create hello.py")]
    prompt: String,
    /// Working directory (default: a fresh one in the temporary directory)
    #[arg(long, short = 'C', value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Printed at the end.
const NEXT_STEPS: &str = "Start the server with `openrunner serve`; install agents with `openrunner agent install`";

/// Starts a temporary server, runs the built-in agent and shows its events.
pub(in crate::cli) async fn demo(context: &Context, args: DemoArgs) -> anyhow::Result<Exit> {
    let directories = Directories::create(args.dir)?;
    // The environment is ignored, so that the demo is the same everywhere.
    let flags = Flags { data_dir: Some(directories.data.clone()), addr: Some(([127, 0, 0, 1], 0).into()), ..Flags::default() };
    let settings = config::load(flags, &|_| None)?;
    let registry = Registry::default().with_program(Demo);
    let server = Server::start(&settings, &Origins::default(), &registry, context.launcher()?).await?;
    let base = format!("http://{}", server.address());
    // A signal ends the run, then the server.
    let stop = stop_on_signal(OnShutdown::Stop).context("cannot handle signals")?;
    let following = async {
        let result = follow(context, &base, &args.prompt, &directories.workspace).await;
        stop.request(OnShutdown::Stop);
        result
    };
    let ((), exit) = tokio::join!(server.run(stop.clone()), following);
    let exit = exit?;
    context.output.note(&format!("The agent worked in {}", directories.workspace.display()));
    context.output.note(NEXT_STEPS);
    Ok(exit)
}

/// The directories of a demo. Dropping it deletes the server's data and keeps the workspace.
struct Directories {
    data: PathBuf,
    workspace: PathBuf,
}

impl Directories {
    fn create(dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let parent = std::env::temp_dir().join(format!("openrunner-demo-{}", SessionId::new()));
        let create = std::fs::DirBuilder::new().mode(0o700).create(&parent);
        create.with_context(|| format!("cannot create the directory {}", parent.display()))?;
        let workspace = match dir {
            Some(dir) => std::path::absolute(dir).context("--dir is not a path")?,
            None => parent.join("workspace"),
        };
        Ok(Self { data: parent.join("data"), workspace })
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        // The system cleans its temporary directory, so errors can be ignored.
        let _ = std::fs::remove_dir_all(&self.data);
        if let Some(parent) = self.data.parent() {
            // Fails if the workspace is in it, as intended.
            let _ = std::fs::remove_dir(parent);
        }
    }
}

async fn follow(context: &Context, base: &str, prompt: &str, workspace: &Path) -> anyhow::Result<Exit> {
    let mut screen = Screen::new(context.output, Duration::ZERO);
    screen.note("demo", &format!("server {base}, agent demo, prompt {prompt:?}"))?;
    let client = Client::new(base.parse()?, context.output)?;
    let admin = Credentials { username: "admin".to_owned(), password: Secret::new("admin".to_owned()) };
    let token = client.log_in(&admin).await?.token;
    let client = Arc::new(client.with_token(token));
    let body = json!({ "input": { "text": prompt }, "metadata": { "agent_type": "demo", "working_dir": workspace } });
    let created = client.post("/api/runs", Some(&body)).await?;
    let run = created["run_id"].as_str().context("the server's answer has no run_id")?;
    let mut follower = Follower::start(client, run.to_owned(), 0);
    let mut exit = Exit::Failed;
    while let Some(update) = follower.next().await {
        match update {
            Update::Event(received) => {
                screen.print(&received)?;
                if let Some(StreamEvent::Done(done)) = &received.event {
                    exit = Exit::from_status(done.status);
                }
            }
            Update::Failed(error) => return Err(error.into()),
            Update::Disconnected(_) | Update::Reconnected | Update::Ended(_) => {}
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::parse;

    #[test]
    fn every_suggested_command_exists() {
        let commands: Vec<&str> = NEXT_STEPS.split('`').skip(1).step_by(2).collect();
        assert_eq!(commands.len(), 2);
        for command in commands {
            let arguments: Vec<_> = command.split(' ').map(std::ffi::OsString::from).collect();
            assert!(parse(&arguments).is_ok(), "{command}");
        }
    }
}
