//! Short commands: a program that is asked something and answers at once, such as `--version`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::Exit;

/// Most that is kept of each output.
const OUTPUT_CAP: u64 = 256 * 1024;

/// What a short command said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeOutput {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output, at most 256 KiB of it.
    pub stdout: String,
    /// Its standard error, at most 256 KiB of it.
    pub stderr: String,
}

/// Why a short command gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It could not be started or waited for.
    #[error("could not be run")]
    Io(#[from] io::Error),
    /// It did not end in time.
    #[error("gave no answer within {0:?}")]
    TooSlow(Duration),
}

/// Runs `program` with exactly `env` in `dir`, without stdin, and waits for its end. Dropping the future kills its group's leader.
///
/// # Errors
/// [`ProbeError`]; after a [`ProbeError::TooSlow`] the program's whole group has been killed.
pub async fn run(
    program: &Path,
    args: &[&str],
    env: &BTreeMap<String, String>,
    dir: &Path,
    limit: Duration,
) -> Result<ProbeOutput, ProbeError> {
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let group = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answer = async {
        let (stdout, stderr) = tokio::join!(head(stdout), head(stderr));
        let status = child.wait().await?;
        Ok(ProbeOutput { exit: status.into(), stdout: stdout?, stderr: stderr? })
    };
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_elapsed) => {
            // The leader is not reaped yet, so its number still names this group and nobody else's.
            if let Some(group) = group {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            Err(ProbeError::TooSlow(limit))
        }
    }
}

/// Reads to the end, keeps the first part as text.
async fn head(source: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut source) = source else { return Ok(String::new()) };
    let mut kept = Vec::new();
    (&mut source).take(OUTPUT_CAP).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}
