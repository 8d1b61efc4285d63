//! A program that does not outlive the tests, however they end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the program, prints its pid, and waits until its own stdin closes, which happens when the tests end, even by `kill -9`. Programs
/// shared by all tests are in statics, which are never dropped.
const WATCHER: &str = r#"
remove=$1; shift
"$@" </dev/null >/dev/null &
child=$!
echo "$child"
exec >/dev/null
read -r _
kill -TERM "$child" 2>/dev/null
wait "$child"
# Others end at the same time, and may still write there.
[ -z "$remove" ] || { sleep 2; rm -rf -- "$remove"; }
"#;

/// A running program. Dropping it kills it.
pub(crate) struct WatchedProcess {
    watcher: Child,
    pid: Pid,
}

impl WatchedProcess {
    /// Starts `program` with its stderr in the file `log` and exactly the environment `env`. After its exit, `remove` is removed.
    pub(crate) fn start(program: &[&str], env: &[(String, String)], log: &Path, remove: Option<&Path>) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHER, "watcher"]).arg(remove.unwrap_or(Path::new(""))).args(program);
        command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log).expect("a log file"));
        // Ctrl-C is for the tests; the watcher then sees their end.
        let mut watcher = command.process_group(0).spawn().expect("sh");
        let mut line = String::new();
        BufReader::new(watcher.stdout.take().expect("its stdout")).read_line(&mut line).expect("the id of the program");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process id: {line:?}"));
        Self { watcher, pid }
    }

    /// `kill -9`: the program is not notified.
    pub(crate) fn kill(&self) {
        kill_process(self.pid, Signal::KILL).expect("it runs");
    }
}

impl Drop for WatchedProcess {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
