//! Copies bytes between two connections.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{Instant, sleep_until};

use super::report::Counter;

/// How long a connection may be silent. Models think for minutes without a byte.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(15);
/// Bytes that are read at once, per direction.
const BUFFER: usize = 16 * 1024;

/// Copies between `agent` and `host` until both have closed their side, one fails, or nothing was copied for [`IDLE_TIMEOUT`].
pub(super) async fn copy(agent: impl AsyncRead + AsyncWrite, host: impl AsyncRead + AsyncWrite, counter: &Counter) -> io::Result<()> {
    let started = Instant::now();
    let last = AtomicU64::new(0);
    let count = |bytes: &AtomicU64, copied: usize| {
        bytes.fetch_add(u64::try_from(copied).unwrap_or(u64::MAX), Ordering::Relaxed);
        last.store(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    };
    let (from_agent, to_agent) = split(agent);
    let (from_host, to_host) = split(host);
    let copying = async {
        tokio::try_join!(
            pump(from_agent, to_host, |copied| count(&counter.sent, copied)),
            pump(from_host, to_agent, |copied| count(&counter.received, copied))
        )
    };
    let silent = async {
        loop {
            let until = started + Duration::from_millis(last.load(Ordering::Relaxed)) + IDLE_TIMEOUT;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    };
    tokio::select! {
        copied = copying => copied.map(|_| ()),
        () = silent => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: impl Fn(usize)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        count(read);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::super::report::Reporter;
    use super::*;
    use crate::types::HostPort;

    fn counter() -> Counter {
        Reporter::default().open(HostPort::parse("a.example:443", None).unwrap())
    }

    #[tokio::test]
    async fn both_directions_are_copied_and_counted_and_one_can_be_closed_before_the_other() {
        let ((agent, mut client), (host, mut server)) = (duplex(8), duplex(8));
        let counter = counter();
        let talk = async {
            client.write_all(b"hello").await.unwrap();
            client.shutdown().await.unwrap();
            let mut received = Vec::new();
            server.read_to_end(&mut received).await.unwrap();
            server.write_all(b"a longer answer").await.unwrap();
            drop(server);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            (received, answer)
        };
        let (copied, (received, answer)) = tokio::join!(copy(agent, host, &counter), talk);
        assert!(copied.is_ok());
        assert_eq!((&received[..], &answer[..]), (&b"hello"[..], &b"a longer answer"[..]));
        assert_eq!((counter.sent.load(Ordering::Relaxed), counter.received.load(Ordering::Relaxed)), (5, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed() {
        let ((agent, _client), (host, _server)) = (duplex(8), duplex(8));
        assert_eq!(copy(agent, host, &counter()).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
