//! The program as a person's client: commands with their input, what they print, and how they end.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::Server;

/// A command line that is to be carried out in pipes, with an environment of which nothing is inherited.
pub(crate) struct Typed {
    command: Command,
    input: String,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Printed {
    /// The exit code.
    pub(crate) code: i32,
    /// The standard output.
    pub(crate) out: String,
    /// The standard error.
    pub(crate) err: String,
}

/// A command line of somebody with this home.
pub(crate) fn typed(home: &Path, args: &[&str]) -> Typed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
    command.args(args).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).current_dir(home).kill_on_drop(true);
    Typed { command, input: String::new() }
}

impl Server {
    /// The home of whoever uses it.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    /// A command line that speaks with this server.
    pub(crate) fn typed(&self, args: &[&str]) -> Typed {
        typed(&self.home(), args).env("OPENRUNNER_URL", self.url())
    }
}

impl Typed {
    /// With this variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With this on its standard input.
    pub(crate) fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Starts it and lets it go on.
    pub(crate) async fn start(mut self) -> Child {
        let pipes = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the program");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that does not read its input may be gone before it is all there.
        let _ = stdin.write_all(self.input.as_bytes()).await;
        child
    }

    /// Carries it out.
    pub(crate) async fn done(self) -> Printed {
        ended(self.start().await).await
    }

    /// Carries it out, which must go well, and gives the JSON that it prints.
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
