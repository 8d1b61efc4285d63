//! A probe command that is asked one question over its stdin, such as the `initialize` of a protocol.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::probe_command::{ProbeContext, ProbeError};

/// Maximum length of the output that is searched for the answer, in bytes.
const OUTPUT_CAP: u64 = 1024 * 1024;

/// Runs `program` in `context`, writes `question` and a newline to its stdin, and returns the first line of its stdout for which `is_answer` holds. The program and its process group are killed then, and also when the future is dropped (except for
/// children that have left the group).
///
/// # Errors
/// [`ProbeError::TimedOut`] if no such line arrives within `limit`, [`ProbeError::Io`] if the program cannot be started or ends without one.
pub async fn ask(
    program: &Path,
    args: &[&str],
    context: ProbeContext<'_>,
    question: &str,
    limit: Duration,
    is_answer: impl Fn(&str) -> bool,
) -> Result<String, ProbeError> {
    hold(program, args, context, question, limit, |line| if is_answer(line) { Reply::End } else { Reply::Skip }).await
}

/// The reaction to a line of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// None.
    Skip,
    /// Send this line.
    Send(String),
    /// End the dialog.
    End,
}

/// Runs `program` as [`ask`] does, but also sends what `reply` returns for a line, until that ends the dialog. Returns the last line.
///
/// # Errors
/// As [`ask`].
pub async fn hold(
    program: &Path,
    args: &[&str],
    context: ProbeContext<'_>,
    first: &str,
    limit: Duration,
    reply: impl FnMut(&str) -> Reply,
) -> Result<String, ProbeError> {
    let mut command = context.command(program, args)?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let group = Group(child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())));
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let answer = async {
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(ProbeError::Io(io::Error::other("it has no input or output")));
        };
        send_line(&mut stdin, first).await;
        let line = read_to_end(stdout, &mut stdin, reply).await?;
        drop(stdin);
        line.ok_or_else(|| ProbeError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer")))
    };
    let answer = tokio::time::timeout(limit, answer).await.unwrap_or(Err(ProbeError::TimedOut(limit)));
    drop(group);
    // Reaps it; it has been killed.
    let _ = child.wait().await;
    answer
}

/// Kills a process group when it is dropped. Its leader must not have been reaped, so that its pid still identifies the group.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A program that does not read its input may still answer; one that has exited does not.
async fn send_line(stdin: &mut (impl AsyncWrite + Unpin), line: &str) {
    let _ = stdin.write_all(format!("{line}\n").as_bytes()).await;
    let _ = stdin.flush().await;
}

/// The line that ends the dialog; `None` if the output ends before it.
async fn read_to_end(
    output: impl AsyncRead + Unpin,
    stdin: &mut (impl AsyncWrite + Unpin),
    mut reply: impl FnMut(&str) -> Reply,
) -> io::Result<Option<String>> {
    let mut output = BufReader::new(output.take(OUTPUT_CAP));
    let mut line = Vec::new();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        match reply(text.trim_end()) {
            Reply::Skip => {}
            Reply::Send(next) => send_line(stdin, &next).await,
            Reply::End => return Ok(Some(text.trim_end().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::probe_command::ProbeStart;

    async fn ask_shell(script: &str, limit: Duration) -> Result<String, ProbeError> {
        let env = std::collections::BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]);
        let context = ProbeContext { env: &env, dir: Path::new("/"), start: ProbeStart::Direct(None) };
        ask(Path::new("/bin/sh"), &["-c", script], context, "hello", limit, |line| line.starts_with("answer")).await
    }

    #[tokio::test]
    async fn the_first_matching_line_is_the_answer_and_the_program_is_ended() {
        let answer = ask_shell("read question; echo noise; echo \"answer to $question\"; sleep 600", Duration::from_mins(1)).await;
        assert_eq!(answer.unwrap(), "answer to hello");
    }

    #[tokio::test]
    async fn each_line_may_be_replied_to_until_the_dialog_ends() {
        let env = std::collections::BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]);
        let context = ProbeContext { env: &env, dir: Path::new("/"), start: ProbeStart::Direct(None) };
        let script = "while read line; do echo \"got $line\"; done";
        let reply = |line: &str| match line {
            "got one" => Reply::Send("two".to_owned()),
            "got two" => Reply::End,
            _ => Reply::Skip,
        };
        let last = hold(Path::new("/bin/sh"), &["-c", script], context, "one", Duration::from_mins(1), reply).await;
        assert_eq!(last.unwrap(), "got two");
    }

    #[tokio::test]
    async fn a_program_without_an_answer_is_an_error() {
        assert!(matches!(ask_shell("echo noise", Duration::from_mins(1)).await, Err(ProbeError::Io(_))));
        assert!(matches!(ask_shell("sleep 600", Duration::from_millis(20)).await, Err(ProbeError::TimedOut(_))));
        let flood =
            ask_shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", Duration::from_mins(1));
        assert!(matches!(flood.await, Err(ProbeError::Io(_))), "the output is bounded");
    }
}
