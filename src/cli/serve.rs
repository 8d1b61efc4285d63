//! `openrunner serve`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::agent::Registry;
use crate::agent::claude_code::ClaudeCode;
use crate::agent::codex::Codex;
use crate::agent::demo::Demo;
use crate::agent::opencode::OpenCode;
use crate::config::{self, Flags};
use crate::process::launch::Launcher;
use crate::server::{self, Server};

pub(super) fn serve(flags: Flags, umask: rustix::fs::Mode) -> anyhow::Result<ExitCode> {
    let settings = config::load(flags, &|name| std::env::var_os(name))?;
    server::init(&settings)?;
    let launcher = Launcher::new(umask).context("this program cannot find itself")?;
    // Both programs are told explicitly where their settings are, so that no file of a repository can move them.
    let codex_home = std::env::var_os("CODEX_HOME").map(PathBuf::from);
    let opencode_config = std::env::var("OPENCODE_CONFIG_CONTENT").ok();
    let registry = Registry::default()
        .with_program(ClaudeCode::new(settings.agents.claude_code.mode))
        .with_program(Codex::new(settings.agents.codex.mode, codex_home))
        .with_program(OpenCode::new(settings.agents.opencode.mode).with_inline_config(opencode_config))
        .with_program(Demo);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = server::stop_on_signal().context("cannot listen for signals")?;
        let server = Server::start(&settings, &registry, launcher).await?;
        server.run(stop).await;
        Ok::<_, anyhow::Error>(())
    })?;
    // A look at a slow program or a read of the disk may still be under way; nothing hangs on it.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
