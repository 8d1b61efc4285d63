//! Piped commands: a program that reads its input from this process and answers with its output, such as git.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

use super::Exit;
use super::probe_command::{GroupGuard, head};

/// A program, and all that it is started with.
#[derive(Debug)]
pub struct PipedCommand<'a> {
    /// Absolute path of the program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Its complete environment.
    pub env: &'a [(&'a str, OsString)],
    /// Its working directory.
    pub dir: &'a Path,
    /// Time until it is killed.
    pub time: Duration,
    /// Maximum size of its output, in bytes.
    pub output: u64,
    /// Maximum address space of each of its processes, in bytes.
    pub memory: u64,
}

/// Result of a piped command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipedOutput {
    /// Exit status.
    pub exit: Exit,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, at most 256 KiB.
    pub stderr: String,
}

/// Why a piped command failed.
#[derive(Debug, thiserror::Error)]
pub enum PipedError {
    /// It could not be started, or its output could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It did not exit in time.
    #[error("did not exit within {0:?}")]
    TimedOut(Duration),
    /// Its output is longer than permitted.
    #[error("the output is longer than {0} bytes")]
    TooLong(u64),
}

impl PipedCommand<'_> {
    /// Runs the program with the input that is received until the channel is closed, and waits for its exit. Without a channel it has no
    /// input. Dropping the future kills the whole process group.
    ///
    /// # Errors
    /// [`PipedError`]. The whole process group has been killed then.
    pub async fn run(&self, input: Option<mpsc::Receiver<Bytes>>) -> Result<PipedOutput, PipedError> {
        let mut command = std::process::Command::new(self.program);
        command.args(self.args).process_group(0);
        let mut child = Command::from(command)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        // Declared after the child, so that the group is killed before the leader is reaped.
        let mut group = GroupGuard::of(&child);
        limit_memory(&group, self.memory);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let answer = async {
            // Output that is too long ends the command, so its error is not waited for.
            let talk = async {
                let (_fed, stderr) = tokio::join!(feed(stdin, input), head(stderr));
                Ok::<_, PipedError>(stderr?)
            };
            let (stdout, stderr) = tokio::try_join!(whole(stdout, self.output), talk)?;
            let status = child.wait().await?;
            group.disarm();
            Ok(PipedOutput { exit: status.into(), stdout, stderr })
        };
        tokio::time::timeout(self.time, answer).await.unwrap_or(Err(PipedError::TimedOut(self.time)))
    }
}

/// Limits the memory of a process and of what it starts from now on. Best effort: it has been started already.
#[cfg(target_os = "linux")]
fn limit_memory(group: &GroupGuard, memory: u64) {
    use rustix::process::{Resource, Rlimit, prlimit};

    let _ = prlimit(group.leader(), Resource::As, Rlimit { current: Some(memory), maximum: Some(memory) });
}

/// Not supported.
#[cfg(not(target_os = "linux"))]
fn limit_memory(_group: &GroupGuard, _memory: u64) {}

/// Writes the input. A program that does not read all of it has exited, and its status says more.
async fn feed(stdin: Option<ChildStdin>, input: Option<mpsc::Receiver<Bytes>>) -> io::Result<()> {
    let (Some(mut stdin), Some(mut input)) = (stdin, input) else { return Ok(()) };
    while let Some(chunk) = input.recv().await {
        stdin.write_all(&chunk).await?;
    }
    stdin.shutdown().await
}

/// Reads to the end.
async fn whole(source: Option<impl AsyncRead + Unpin>, max: u64) -> Result<Vec<u8>, PipedError> {
    let mut kept = Vec::new();
    if let Some(source) = source {
        source.take(max + 1).read_to_end(&mut kept).await?;
    }
    if kept.len() as u64 > max { Err(PipedError::TooLong(max)) } else { Ok(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script of a shell.
    async fn run(script: &str, time: Duration, output: u64, input: Option<mpsc::Receiver<Bytes>>) -> Result<PipedOutput, PipedError> {
        let args = ["-c".into(), script.into()];
        let env = [("PATH", "/usr/bin:/bin".into()), ("KEY", "value".into())];
        let command =
            PipedCommand { program: Path::new("/bin/sh"), args: &args, env: &env, dir: Path::new("/"), time, output, memory: 1 << 32 };
        command.run(input).await
    }

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn input_and_output_larger_than_a_pipe_pass_at_the_same_time() {
        let (sender, receiver) = mpsc::channel(1);
        let feeding = async {
            for _ in 0..100 {
                sender.send(Bytes::from(vec![b'x'; 10_000])).await.unwrap();
            }
            drop(sender);
        };
        let (output, ()) = tokio::join!(run("cat", LONG, 2_000_000, Some(receiver)), feeding);
        assert_eq!(output.unwrap().stdout.len(), 1_000_000);
    }

    #[tokio::test]
    async fn a_command_that_reads_no_input_ends_with_its_status_and_sees_only_its_environment() {
        let (sender, receiver) = mpsc::channel(1);
        let feeding = async { while sender.send(Bytes::from(vec![0; 100_000])).await.is_ok() {} };
        let (output, ()) = tokio::join!(run("exec <&-; env; echo wrong >&2; exit 3", LONG, 10_000, Some(receiver)), feeding);
        let output = output.unwrap();
        assert_eq!((output.exit, output.stderr.trim()), (Exit::Code(3), "wrong"));
        let env = String::from_utf8(output.stdout).unwrap();
        assert!(env.contains("KEY=value") && !env.contains("CARGO") && !env.contains("HOME"), "{env}");
    }

    #[tokio::test]
    async fn time_and_output_are_bounded() {
        assert!(matches!(run("exec sleep 1000", Duration::from_millis(50), 100, None).await, Err(PipedError::TimedOut(_))));
        assert!(matches!(run("exec yes", LONG, 100, None).await, Err(PipedError::TooLong(100))));
        let noisy = run("head -c 1000000 /dev/zero >&2", LONG, 100, None).await.unwrap();
        assert!(noisy.stderr.len() < 300_000);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn dropping_the_future_kills_the_command_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let started = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&file) {
                    break text.trim().parse::<i32>().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let child = tokio::select! {
            ended = run(&script, LONG, 100, None) => panic!("{ended:?}"),
            child = started => child,
        };
        let mut looks = 0;
        while crate::process::Identity::of(child).is_some() {
            looks += 1;
            assert!(looks < 3000, "the child is alive");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
