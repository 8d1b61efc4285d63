//! A terminal for tests: tmux.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

/// Interval of polling the screen. tmux does not report changes.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// A terminal that runs one command. Dropping it kills the command.
pub(crate) struct Tmux {
    directory: TempDir,
}

impl Tmux {
    /// A terminal of 100 columns and 30 lines that runs `openrunner ARGS…` and then prints its exit code. Without tmux, None, or with
    /// `CI=true` a failure.
    pub(crate) fn start(home: &Path, env: &[(&str, &str)], args: &[&str]) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "tmux is missing, and with CI=true it must not be");
            eprintln!("SKIPPED: no tmux");
            return None;
        }
        let terminal = Self { directory: tempfile::tempdir().expect("a directory") };
        let script = terminal.directory.path().join("typed.sh");
        let set = env.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        let line: Vec<String> = [env!("CARGO_BIN_EXE_openrunner")].iter().chain(args).map(|word| quoted(word)).collect();
        let text = format!("trap : INT\n{}{}\necho \"exit code $?\"\nexec cat\n", set.collect::<String>(), line.join(" "));
        std::fs::write(&script, text).expect("a script");
        let mut command = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "sh"]);
        command.arg(&script).current_dir(home).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // Without a UTF-8 locale tmux replaces other characters than ASCII.
        command.env("HOME", home).env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        let started = command.output().expect("tmux");
        assert!(started.status.success(), "{started:?}");
        Some(terminal)
    }

    /// Types keys, by their names in tmux.
    pub(crate) fn keys(&self, keys: &[&str]) {
        done(self.tmux(&["send-keys"]).args(keys));
    }

    /// Sets the width of the terminal.
    pub(crate) fn resize(&self, columns: u16) {
        done(&mut self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "30"]));
    }

    /// The text of the screen and its scrollback.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&done(&mut self.tmux(&["capture-pane", "-p", "-S", "-200"])).stdout).into_owned()
    }

    /// The same with color sequences.
    pub(crate) fn colored(&self) -> String {
        String::from_utf8_lossy(&done(&mut self.tmux(&["capture-pane", "-p", "-e", "-S", "-200"])).stdout).into_owned()
    }

    /// Waits until the screen satisfies a condition, and returns it.
    pub(crate) async fn until(&self, condition: impl Fn(&str) -> bool) -> String {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(50);
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            assert!(tokio::time::Instant::now() < deadline, "the screen never satisfied the condition:\n{screen}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until the screen contains this text, and returns it.
    pub(crate) async fn shows(&self, words: &str) -> String {
        self.until(|screen| screen.contains(words)).await
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("tmux")).args(args);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).output();
    }
}

/// Runs a command, which must succeed.
fn done(command: &mut Command) -> Output {
    let output = command.output().expect("tmux");
    assert!(output.status.success(), "{output:?}");
    output
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
