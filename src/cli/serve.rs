//! `openrunner serve`

use std::process::ExitCode;

use anyhow::Context;

use crate::config::{self, Flags};
use crate::process::Descriptors;
use crate::process::launch::Launcher;
use crate::server::{self, Server, ServiceManager};

/// Descriptors that a server with a few hundred runs needs for other things than connections.
const BESIDE_CONNECTIONS: u64 = 1000;

pub(super) fn serve(flags: Flags, umask: rustix::fs::Mode) -> anyhow::Result<ExitCode> {
    // Before the first secret is read.
    server::deny_inspection().context("cannot make this process non-dumpable")?;
    let (settings, origins) = config::load_with_origins(flags, &|name| std::env::var_os(name))?;
    server::init_logging(&settings)?;
    for unknown in config::unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!(variable = unknown.name, nearest = unknown.nearest, "unknown environment variable is ignored");
    }
    // While there is one thread only.
    let handed_over = server::inherited_listener().context("LISTEN_FDS")?;
    let descriptors = Descriptors::raise();
    if let Some(now) = descriptors.now
        && now < u64::from(settings.max_connections.get()) + BESIDE_CONNECTIONS
    {
        tracing::warn!(
            descriptors = now,
            connections = settings.max_connections,
            "the system allows fewer open files than there may be connections; some of them will have to wait (`ulimit -Hn`, LimitNOFILE)"
        );
    }
    let launcher = Launcher::new(umask).context("cannot determine the path of this program")?.with_descriptors(descriptors);
    let registry = server::build_registry(&settings.agents, |name| std::env::var_os(name));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = server::stop_on_signal(settings.on_shutdown).context("cannot listen for signals")?;
        let server = Server::start_on(&settings, &origins, &registry, launcher, handed_over).await?;
        let (manager, address) = (ServiceManager::from_env(|name| std::env::var_os(name)), server.address());
        tokio::join!(server.run(stop.clone()), manager.notify_until_stop(address, &stop));
        Ok::<_, anyhow::Error>(())
    })?;
    // A look at a slow program or a read of the disk may still be under way; nothing hangs on it.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
