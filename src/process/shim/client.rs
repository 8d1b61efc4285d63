//! The server's side of a connection to a shim.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::MAX_LINE;
use super::{Greeting, InputCommand, PROTOCOL, ProcessDir, Report, ShimCommand};

/// Bytes per read, which each connection keeps; most reports are far shorter.
const READ_SIZE: usize = 1024;
/// Time limit for the greeting of a shim. It does nothing else meanwhile, so a second would be long.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends commands to a shim. Dropping both halves leaves the shim and its agent running.
#[derive(Debug)]
pub struct CommandSender {
    half: OwnedWriteHalf,
    unsent: Vec<u8>,
    /// Bytes of `unsent` that have been sent.
    sent: usize,
}

/// Receives reports from a shim.
#[derive(Debug)]
pub struct ReportReceiver {
    half: OwnedReadHalf,
    received: Vec<u8>,
    /// Start of the next line.
    start: usize,
    /// Offset up to which no newline was found.
    searched: usize,
    /// The descriptor that was received last, until it is taken.
    descriptor: Option<OwnedFd>,
}

/// Opens a connection over `stream` by sending hello.
pub(crate) fn begin(stream: UnixStream) -> (CommandSender, ReportReceiver) {
    let (reader, writer) = stream.into_split();
    let mut commands = CommandSender { half: writer, unsent: Vec::new(), sent: 0 };
    commands.send(&ShimCommand::Hello { protocol: PROTOCOL });
    (commands, ReportReceiver { half: reader, received: Vec::new(), start: 0, searched: 0, descriptor: None })
}

/// Reconnects to the living shim of a run. From then on it ignores earlier servers.
///
/// # Errors
/// If there is no shim, or it does not answer in time.
pub(super) async fn reattach(dir: &ProcessDir) -> io::Result<(CommandSender, ReportReceiver, Greeting)> {
    let (mut commands, mut reports) = begin(connect(dir).await?);
    let greeting = async {
        commands.flush().await?;
        match reports.next().await? {
            Some(Report::Hello(greeting)) => Ok(greeting),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the shim sent {other:?} instead of a greeting"))),
        }
    };
    let greeting = tokio::time::timeout(GREETING_TIMEOUT, greeting).await??;
    Ok((commands, reports, greeting))
}

/// Releases the shim of a run whose end has been stored. Most have exited already: a shim waits only while it has a handover.
pub async fn release(dir: &ProcessDir) {
    let releasing = async {
        let (mut commands, reports) = begin(connect(dir).await?);
        commands.send(&ShimCommand::Release {});
        // It sends a greeting first, and reads on once that is sent.
        commands.flush().await.map(|()| reports)
    };
    match tokio::time::timeout(GREETING_TIMEOUT, releasing).await {
        Ok(Ok(mut reports)) => {
            // Wait until it has closed the connection, so that its directory can be removed safely.
            let closed = async { while let Ok(Some(_)) = reports.next().await {} };
            let _ = tokio::time::timeout(GREETING_TIMEOUT, closed).await;
        }
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        Ok(Err(error)) => tracing::warn!(dir = %dir.path().display(), %error, "could not release a shim"),
        Err(_) => tracing::warn!(dir = %dir.path().display(), "a shim did not respond; it exits by itself after a day"),
    }
}

/// Connects through a handle of the directory: the path of a unix socket is limited to 107 bytes, and a data directory may be deep.
async fn connect(dir: &ProcessDir) -> io::Result<UnixStream> {
    if cfg!(target_os = "linux") {
        let handle = rustix::fs::open(dir.path(), OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        UnixStream::connect(format!("/proc/self/fd/{}/socket", handle.as_raw_fd())).await
    } else {
        UnixStream::connect(dir.socket()).await
    }
}

impl CommandSender {
    /// Queues a command; [`CommandSender::flush`] sends it.
    pub fn send(&mut self, command: &ShimCommand) {
        // Serialization cannot fail: all map keys are strings.
        let Ok(mut line) = serde_json::to_vec(command) else { return };
        line.push(b'\n');
        self.unsent.append(&mut line);
    }

    /// Queues `bytes` for the agent's stdin, with the journal entry that the shim writes before the agent can see them.
    pub fn input(&mut self, at: u64, call: Option<Value>, close: bool, bytes: &[u8]) {
        self.send(&ShimCommand::Input(InputCommand { at, call, close, size: bytes.len() as u64 }));
        self.unsent.extend_from_slice(bytes);
    }

    /// Whether everything has been sent.
    pub fn is_idle(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Sends what is queued. Can be dropped at any time without losing or repeating a byte.
    ///
    /// # Errors
    /// If the shim has exited.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match self.half.write(&self.unsent[self.sent..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.sent += count,
            }
        }
        self.unsent.clear();
        self.unsent.shrink_to(READ_SIZE);
        self.sent = 0;
        Ok(())
    }
}

impl ReportReceiver {
    /// Returns the next report, or `None` when the shim has exited. Skips reports of a later protocol version. Can be dropped at any time
    /// without losing a report.
    ///
    /// # Errors
    /// If the connection breaks, or the other side does not speak this protocol.
    pub async fn next(&mut self) -> io::Result<Option<Report>> {
        loop {
            while let Some(line) = self.line() {
                match serde_json::from_slice(&self.received[line]) {
                    Ok(report) => return Ok(Some(report)),
                    Err(error) => tracing::debug!(%error, "ignored an unknown report of a shim"),
                }
            }
            if self.received.len() > MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a shim sent a line over the maximum length"));
            }
            if self.receive().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The descriptor that was sent along with the last report, if there is one.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptor.take()
    }

    /// Receives what has arrived. Cancel-safe.
    async fn receive(&mut self) -> io::Result<usize> {
        let end = self.received.len();
        loop {
            self.half.readable().await?;
            self.received.resize(end + READ_SIZE, 0);
            let (stream, buffer) = (self.half.as_ref(), &mut self.received[end..]);
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = stream.try_io(Interest::READABLE, || {
                Ok(recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes)
            });
            self.received.truncate(end + received.as_ref().map_or(0, |count| *count));
            let descriptors = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            if let Some(descriptor) = descriptors.flatten().last() {
                self.descriptor = Some(descriptor);
            }
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// Range of the next complete line, without its newline.
    fn line(&mut self) -> Option<std::ops::Range<usize>> {
        if let Some(length) = memchr::memchr(b'\n', &self.received[self.searched..]) {
            let line = self.start..self.searched + length;
            (self.start, self.searched) = (line.end + 1, line.end + 1);
            return Some(line);
        }
        self.received.drain(..std::mem::take(&mut self.start));
        self.searched = self.received.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::super::Spooled;
    use super::*;

    #[tokio::test]
    async fn reports_are_read_in_any_chunks_and_unknown_ones_are_skipped() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (_commands, mut reports) = begin(ours);
        let text = "{\"spooled\":{\"out\":1,\"err\":2}}\n{\"unknown\":{\"field\":1}}\nnoise\n{\"spooled\":{\"out\":3,\"err\":2}}\n{\"spo";
        let feeding = async {
            for byte in text.as_bytes() {
                theirs.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(theirs);
        };
        let reading = async {
            let mut all = Vec::new();
            while let Some(report) = reports.next().await.unwrap() {
                all.push(report);
            }
            all
        };
        let ((), all) = tokio::join!(feeding, reading);
        let spooled = |out| Report::Spooled(Spooled { out, err: 2, ..Spooled::default() });
        assert_eq!(all, [spooled(1), spooled(3)]);
    }

    #[tokio::test]
    async fn commands_are_lines_and_only_input_is_followed_by_bytes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut commands, reports) = begin(ours);
        commands.input(7, Some(serde_json::json!("interrupt")), true, b"bytes");
        commands.send(&ShimCommand::Stop { grace_ms: 5 });
        assert!(!commands.is_idle());
        commands.flush().await.unwrap();
        assert!(commands.is_idle());
        drop((commands, reports));
        let mut sent = String::new();
        theirs.read_to_string(&mut sent).await.unwrap();
        let input = r#"{"input":{"at":7,"call":"interrupt","close":true,"size":5}}"#;
        assert_eq!(sent, format!("{{\"hello\":{{\"protocol\":1}}}}\n{input}\nbytes{{\"stop\":{{\"grace_ms\":5}}}}\n"));
    }
}
