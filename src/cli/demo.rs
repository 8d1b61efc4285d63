//! `openrunner demo`: a server of its own for one run of the built-in agent, shown as it happens.

use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use super::client::{Client, Credentials, Follower, Update};
use super::render::Renderer;
use crate::agent::Registry;
use crate::agent::demo::Demo;
use crate::config::{self, Flags, Origins, Secret};
use crate::process::launch::Launcher;
use crate::server::{Server, stop_on_signal};
use crate::types::{OnShutdown, RunStatus, SessionId, StreamEvent};

pub(super) fn demo(prompt: &str, dir: Option<PathBuf>, umask: rustix::fs::Mode) -> anyhow::Result<ExitCode> {
    let place = Place::new(dir)?;
    let launcher = Launcher::new(umask).context("cannot determine the path of this program")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let status = runtime.block_on(play(prompt, &place, launcher));
    runtime.shutdown_background();
    Ok(if status? == Some(RunStatus::Completed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Printed at the end.
const NEXT_STEPS: &str = "Start the server with `openrunner serve`; install agents with `openrunner agents install`.";

/// Where a demo happens. Dropping it removes the server's data and leaves what the agent made.
struct Place {
    data: PathBuf,
    workspace: PathBuf,
}

impl Place {
    fn new(dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("openrunner-demo-{}", SessionId::new()));
        let make = |path: &Path| {
            std::fs::DirBuilder::new().mode(0o700).create(path).with_context(|| format!("cannot make the folder {}", path.display()))
        };
        make(&folder)?;
        let workspace = match dir {
            Some(dir) => std::path::absolute(dir).context("--dir is not a path")?,
            None => folder.join("workspace"),
        };
        Ok(Self { data: folder.join("data"), workspace })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary folder, which the system empties.
        let _ = std::fs::remove_dir_all(&self.data);
        if let Some(folder) = self.data.parent() {
            let _ = std::fs::remove_dir(folder); // goes only if nothing was left in it
        }
    }
}

async fn play(prompt: &str, place: &Place, launcher: Launcher) -> anyhow::Result<Option<RunStatus>> {
    // Nothing of the operator's own settings: the demo is the same everywhere.
    let settings =
        config::load(Flags { data_dir: Some(place.data.clone()), addr: Some(([127, 0, 0, 1], 0).into()), ..Flags::default() }, &|_| None)?;
    let server = Server::start(&settings, &Origins::default(), &Registry::default().with_program(Demo), launcher).await?;
    let base = format!("http://{}", server.address());
    // An interrupt ends the run, and with it the demo: nothing of it stays either.
    let stop = stop_on_signal(OnShutdown::Stop).context("cannot listen for signals")?;
    let watching = async {
        let watched = watch(&base, prompt, &place.workspace).await;
        // Nothing of a demo stays, however it went.
        stop.request(OnShutdown::Stop);
        watched
    };
    let ((), status) = tokio::join!(server.run(stop.clone()), watching);
    status
}

async fn watch(base: &str, prompt: &str, workspace: &Path) -> anyhow::Result<Option<RunStatus>> {
    let mut renderer = Renderer::new(anstream::stdout().lock());
    renderer.heading(&format!("a server of its own on {base}, the built-in agent, and the prompt {prompt:?}"))?;
    let admin = Credentials { user: "admin".to_owned(), password: Secret::new("admin".to_owned()) };
    let client = Arc::new(Client::guest(base.parse()?)?.logged_in(admin).await?);
    let body = json!({ "input": { "text": prompt }, "metadata": { "agent_type": "demo", "working_dir": workspace } });
    let created = client.post("/api/runs", Some(&body)).await?;
    let run = created["run_id"].as_str().context("the server gave no id of the run")?;
    let mut follower = Follower::start(client, run.to_owned(), 0);
    let mut status = None;
    while let Some(update) = follower.next().await {
        match update {
            Update::Event(seen) => {
                if let Some(event) = &seen.event {
                    renderer.event(event)?;
                }
                if let Some(StreamEvent::Done(done)) = &seen.event {
                    status = Some(done.status);
                }
            }
            Update::Failed(error) => return Err(error.into()),
            Update::Lost(_) | Update::Back | Update::Ended(_) => {}
        }
    }
    let mut out = renderer.into_inner();
    writeln!(out, "\nWhat it made is in {}", workspace.display()).or_else(unless_closed)?;
    writeln!(out, "{NEXT_STEPS}").or_else(unless_closed)?;
    Ok(status)
}

/// A reader that has seen enough (`openrunner demo | head`) is no failure.
fn unless_closed(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_suggested_command_exists() {
        let commands: Vec<&str> = NEXT_STEPS.split('`').skip(1).step_by(2).collect();
        assert_eq!(commands.len(), 2);
        for command in commands {
            Cli::try_parse_from(command.split(' ')).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }
}
