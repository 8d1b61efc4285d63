//! Runs commands of the program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::Server;

/// A command line to run in pipes, with an empty environment.
pub(crate) struct Typed {
    command: Command,
    input: String,
}

/// Its result.
#[derive(Debug)]
pub(crate) struct Printed {
    /// The exit code.
    pub(crate) code: i32,
    /// The standard output.
    pub(crate) out: String,
    /// The standard error.
    pub(crate) err: String,
}

/// A command line of a user with this home directory.
pub(crate) fn typed(home: &Path, args: &[&str]) -> Typed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
    command.args(args).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).current_dir(home).kill_on_drop(true);
    Typed { command, input: String::new() }
}

impl Server {
    /// The home directory of its user.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory().join("home")
    }

    /// A command line with this server as its default.
    pub(crate) fn typed(&self, args: &[&str]) -> Typed {
        typed(&self.home(), args).env("OPENRUNNER_URL", self.url())
    }

    /// A command line that works on this server's database itself.
    pub(crate) fn offline(&self, args: &[&str]) -> Typed {
        let command = typed(&self.home(), args).arg("--data-dir").arg(self.data());
        match self.setting("OPENRUNNER_DATABASE_URL") {
            Some(url) => command.env("OPENRUNNER_DATABASE_URL", url),
            None => command,
        }
    }
}

impl Typed {
    /// Adds an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets the standard input.
    pub(crate) fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Starts it.
    pub(crate) async fn start(mut self) -> Child {
        let pipes = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the program");
        let mut stdin = child.stdin.take().expect("a pipe");
        // The command may end before it has read all of its input.
        let _ = stdin.write_all(self.input.as_bytes()).await;
        child
    }

    /// Runs it.
    pub(crate) async fn done(self) -> Printed {
        ended(self.start().await).await
    }

    /// Runs it, which must succeed, and returns the JSON that it prints.
    pub(crate) async fn json(self) -> Value {
        let printed = self.done().await;
        assert_eq!(printed.code, 0, "{printed:?}");
        serde_json::from_str(&printed.out).unwrap_or_else(|error| panic!("{error}: {printed:?}"))
    }
}

/// Waits for the end of a command.
pub(crate) async fn ended(child: Child) -> Printed {
    let output = child.wait_with_output().await.expect("it can be waited for");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Printed { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
}
