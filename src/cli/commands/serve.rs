//! `openrunner serve`

use anyhow::Context as _;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::config::{self, Flags};
use crate::process::{Descriptors, allocator};
use crate::server::{self, Server, ServiceManager};

/// Serves the API until a signal stops the server. `is_default` if no command was given.
pub(in crate::cli) fn serve(context: &Context, flags: Flags, is_default: bool) -> anyhow::Result<Exit> {
    allocator::return_large_blocks(context.umask);
    // Before the first secret is read.
    server::deny_inspection().context("cannot protect this process from other processes of the user")?;
    let level = match (context.output.quiet, context.output.verbose) {
        (true, _) => Some("warn"),
        (false, true) => Some("debug"),
        (false, false) => None,
    };
    let flags = Flags { log: flags.log.or_else(|| level.map(str::to_owned)), ..flags };
    let (settings, origins) = config::load_with_origins(flags, &|name| std::env::var_os(name))?;
    server::init_logging(&settings)?;
    for unknown in config::unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!(variable = unknown.name, nearest = unknown.nearest, "unknown environment variable is ignored");
    }
    if is_default {
        tracing::info!("serving; `openrunner --help` lists the other commands");
    }
    // While there is only one thread.
    let handed_over = server::inherited_listener().context("LISTEN_FDS")?;
    let descriptors = Descriptors::raise();
    if let Some(now) = descriptors.now
        && now < u64::from(settings.max_connections.get()) + server::OTHER_DESCRIPTORS
    {
        tracing::warn!(
            descriptors = now,
            max_connections = settings.max_connections,
            "open-file limit too low for max_connections: fewer connections are admitted; raise it with `ulimit -Hn` or LimitNOFILE"
        );
    }
    let launcher = context.launcher()?.with_descriptors(descriptors);
    let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = server::stop_on_signal(settings.on_shutdown).context("cannot handle signals")?;
        let server = Server::start_on(&settings, &origins, &registry, launcher, handed_over).await?;
        let (manager, address) = (ServiceManager::from_env(|name| std::env::var_os(name)), server.address());
        tokio::join!(server.run(stop.clone()), manager.notify_until_stop(address, &stop));
        Ok::<_, anyhow::Error>(())
    })?;
    // Blocking work may remain, such as probing a slow program; its result is not needed.
    runtime.shutdown_background();
    Ok(Exit::Success)
}
