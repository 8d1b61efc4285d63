//! The server's end of a connection to a shim.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::MAX_LINE;
use super::{Greeting, InputCommand, PROTOCOL, ProcessDir, Report, ShimCommand};

/// Read at once from the connection; most reports are far shorter.
const READ: usize = 4 * 1024;
/// How long a shim may take to greet a server that has come back. It does nothing else meanwhile, so a second is long.
const GREETING: Duration = Duration::from_secs(10);

/// What is said to a shim. Dropping both ends leaves the shim and its agent as they are.
#[derive(Debug)]
pub struct CommandSender {
    half: OwnedWriteHalf,
    unsent: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
}

/// What a shim says.
#[derive(Debug)]
pub struct ReportReceiver {
    half: OwnedReadHalf,
    received: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far its end was looked for.
    searched: usize,
}

/// A conversation over `stream`, begun by our hello.
pub(in crate::process) fn begin(stream: UnixStream) -> (CommandSender, ReportReceiver) {
    let (reader, writer) = stream.into_split();
    let mut orders = CommandSender { half: writer, unsent: Vec::new(), sent: 0 };
    orders.send(&ShimCommand::Hello { protocol: PROTOCOL });
    (orders, ReportReceiver { half: reader, received: Vec::new(), start: 0, searched: 0 })
}

/// Finds the living shim of a run again. From now on it listens to us and to no earlier server.
///
/// # Errors
/// If there is none, or it does not answer in time.
pub(super) async fn reattach(dir: &ProcessDir) -> io::Result<(CommandSender, ReportReceiver, Greeting)> {
    let (mut orders, mut reports) = begin(connect(dir).await?);
    let greeting = async {
        orders.flush().await?;
        match reports.next().await? {
            Some(Report::Hello(greeting)) => Ok(greeting),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the shim's first word is {other:?}"))),
        }
    };
    let greeting = tokio::time::timeout(GREETING, greeting).await??;
    Ok((orders, reports, greeting))
}

/// Lets the shim of a run go whose end is written down. Most have gone already: one waits only while it has something to remember.
pub async fn release(dir: &ProcessDir) {
    let releasing = async {
        let (mut orders, reports) = begin(connect(dir).await?);
        orders.send(&ShimCommand::Release {});
        // It greets us, and reads on when it could say that.
        orders.flush().await.map(|()| reports)
    };
    match tokio::time::timeout(GREETING, releasing).await {
        Ok(Ok(mut reports)) => {
            // Until it has hung up: who removes its folder now takes nothing from under its feet.
            let gone = async { while let Ok(Some(_)) = reports.next().await {} };
            let _ = tokio::time::timeout(GREETING, gone).await;
        }
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        Ok(Err(error)) => tracing::warn!(dir = %dir.path().display(), %error, "a shim cannot be told that it may go"),
        Err(_) => tracing::warn!(dir = %dir.path().display(), "a shim does not listen, and stays for a day"),
    }
}

/// The path of a unix socket is at most 107 bytes long and a data folder may be deep, so the folder is opened and the socket is named
/// by the handle.
async fn connect(dir: &ProcessDir) -> io::Result<UnixStream> {
    if cfg!(target_os = "linux") {
        let handle = rustix::fs::open(dir.path(), OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        UnixStream::connect(format!("/proc/self/fd/{}/socket", handle.as_raw_fd())).await
    } else {
        UnixStream::connect(dir.socket()).await
    }
}

impl CommandSender {
    /// Queues an order; [`CommandSender::flush`] sends it.
    pub fn send(&mut self, order: &ShimCommand) {
        // No map of an order has a key that is not text, so it can always be said.
        let Ok(mut line) = serde_json::to_vec(order) else { return };
        line.push(b'\n');
        self.unsent.append(&mut line);
    }

    /// Queues `bytes` for the agent's stdin, with the note that the shim writes down before the agent can see them.
    pub fn input(&mut self, at: u64, call: Option<Value>, close: bool, bytes: &[u8]) {
        self.send(&ShimCommand::Input(InputCommand { at, call, close, size: bytes.len() as u64 }));
        self.unsent.extend_from_slice(bytes);
    }

    /// Whether everything was sent.
    pub fn is_idle(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Sends what is queued. May be dropped at any time without losing or doubling a byte.
    ///
    /// # Errors
    /// If the shim has gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match self.half.write(&self.unsent[self.sent..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.sent += count,
            }
        }
        self.unsent.clear();
        self.unsent.shrink_to(READ);
        self.sent = 0;
        Ok(())
    }
}

impl ReportReceiver {
    /// The next report; `None` when the shim has gone. One of a later version of the protocol is passed over. May be dropped at any
    /// time without losing a report.
    ///
    /// # Errors
    /// If the connection breaks, or what comes is no protocol of ours.
    pub async fn next(&mut self) -> io::Result<Option<Report>> {
        loop {
            while let Some(line) = self.line() {
                match serde_json::from_slice(&self.received[line]) {
                    Ok(report) => return Ok(Some(report)),
                    Err(error) => tracing::debug!(%error, "a shim said something that this release does not know"),
                }
            }
            if self.received.len() > MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a shim's report is longer than any can be"));
            }
            self.received.reserve(READ);
            if self.half.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Where the next whole line is, without its newline.
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
    use super::super::Spooled;
    use super::*;

    #[tokio::test]
    async fn reports_are_read_however_they_are_cut_and_unknown_ones_are_passed_over() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (_orders, mut reports) = begin(ours);
        let text = "{\"spooled\":{\"out\":1,\"err\":2}}\n{\"sung\":{\"song\":1}}\nnoise\n{\"spooled\":{\"out\":3,\"err\":2}}\n{\"spo";
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
    async fn orders_are_lines_and_only_input_is_followed_by_bytes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut orders, reports) = begin(ours);
        orders.input(7, Some(serde_json::json!("interrupt")), true, b"bytes");
        orders.send(&ShimCommand::Stop { grace_ms: 5 });
        assert!(!orders.is_idle());
        orders.flush().await.unwrap();
        assert!(orders.is_idle());
        drop((orders, reports));
        let mut said = String::new();
        theirs.read_to_string(&mut said).await.unwrap();
        let input = r#"{"input":{"at":7,"call":"interrupt","close":true,"size":5}}"#;
        assert_eq!(said, format!("{{\"hello\":{{\"protocol\":1}}}}\n{input}\nbytes{{\"stop\":{{\"grace_ms\":5}}}}\n"));
    }
}
