//! What every command receives.

use anyhow::Context as _;
use rustix::fs::Mode;

use super::args::{OutputArgs, ServerArgs};
use super::client::{self, Client, Connection};
use super::output::Output;
use crate::process::launch::Launcher;

/// The global flags, and the file mode mask for agents.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// The server to use.
    pub(super) server: ServerArgs,
    /// How to print.
    pub(super) output: Output,
    /// The mask that this process was started with.
    pub(super) umask: Mode,
}

impl Context {
    pub(super) fn new(server: ServerArgs, output: OutputArgs, umask: Mode) -> Self {
        Self { server, output: output.into(), umask }
    }

    /// A client of the chosen server, with a token.
    ///
    /// # Errors
    /// As [`client::connect`].
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        client::connect(&self.server, self.output).await
    }

    /// As [`Context::connect`]; starts a server if none was chosen and none answers.
    ///
    /// # Errors
    /// As [`client::connect_or_start`].
    pub(super) async fn connect_or_start(&self) -> anyhow::Result<Connection> {
        client::connect_or_start(&self.server, self.launcher()?, self.output).await
    }

    /// Starts agents.
    ///
    /// # Errors
    /// If the path of this program is unknown.
    pub(super) fn launcher(&self) -> anyhow::Result<Launcher> {
        Launcher::new(self.umask).context("cannot find the path of this program")
    }

    /// The command line that follows a run again, on the same server.
    pub(super) fn attach_command(&self, run: &str) -> String {
        format!("openrunner attach{} {run}", self.server_flag())
    }

    /// ` --server SERVER`, if it was given.
    pub(super) fn server_flag(&self) -> String {
        self.server.server.as_deref().map(|server| format!(" --server {server}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attach_command_names_the_server_that_was_given() {
        let context = Context::new(ServerArgs { server: Some("office".into()) }, OutputArgs::default(), Mode::empty());
        assert_eq!(context.attach_command("run_1"), "openrunner attach --server office run_1");
    }
}
