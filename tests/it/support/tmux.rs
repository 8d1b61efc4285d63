//! A real terminal: tmux, with keys typed and the screen read.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

/// How often the screen is looked at. tmux tells of no change, so there is no event to wait for.
const LOOK: Duration = Duration::from_millis(40);

/// A terminal in which one command runs. Dropping it ends that.
pub(crate) struct Tmux {
    folder: TempDir,
}

impl Tmux {
    /// A terminal of 100 columns and 30 lines in which `openrunner ARGS…` runs and its exit code is shown when it ends; none where tmux
    /// is missing, which with `CI=true` fails.
    pub(crate) fn start(home: &Path, env: &[(&str, &str)], args: &[&str]) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "tmux is missing, and with CI=true it must not be");
            eprintln!("SKIPPED: no tmux");
            return None;
        }
        let terminal = Self { folder: tempfile::tempdir().expect("a folder") };
        let script = terminal.folder.path().join("typed.sh");
        let set = env.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        let line: Vec<String> = [env!("CARGO_BIN_EXE_openrunner")].iter().chain(args).map(|word| quoted(word)).collect();
        let text = format!("trap : INT\n{}{}\necho \"exit code $?\"\nexec cat\n", set.collect::<String>(), line.join(" "));
        std::fs::write(&script, text).expect("a script");
        let mut command = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "sh"]);
        command.arg(&script).current_dir(home).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // A terminal shows other characters than ASCII only where the locale says so.
        command.env("HOME", home).env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        let started = command.output().expect("tmux");
        assert!(started.status.success(), "{started:?}");
        Some(terminal)
    }

    /// Types keys, by tmux's names for them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        done(self.tmux(&["send-keys"]).args(keys));
    }

    /// Makes the terminal that wide.
    pub(crate) fn resize(&self, columns: u16) {
        done(&mut self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "30"]));
    }

    /// What stands on the screen, and what has left it at the top.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&done(&mut self.tmux(&["capture-pane", "-p", "-S", "-200"])).stdout).into_owned()
    }

    /// The same with its colours.
    pub(crate) fn coloured(&self) -> String {
        String::from_utf8_lossy(&done(&mut self.tmux(&["capture-pane", "-p", "-e", "-S", "-200"])).stdout).into_owned()
    }

    /// Waits until the screen is so, and gives it.
    pub(crate) async fn until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let give_up = tokio::time::Instant::now() + Duration::from_secs(50);
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(tokio::time::Instant::now() < give_up, "it never came to that:\n{screen}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until this can be read on the screen, and gives all of it.
    pub(crate) async fn shows(&self, words: &str) -> String {
        self.until(|screen| screen.contains(words)).await
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("tmux")).args(args);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).output();
    }
}

/// Carries out what must go well.
fn done(command: &mut Command) -> Output {
    let output = command.output().expect("tmux");
    assert!(output.status.success(), "{output:?}");
    output
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
