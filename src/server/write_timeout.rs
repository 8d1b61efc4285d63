//! A write timeout for connections.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may accept no data while the server has data to send. A live client can reconnect and resume its stream; for a
/// client that vanished without closing its connection (for example, a machine that was switched off) a stalled write is the only sign.
pub(super) const TIMEOUT: Duration = Duration::from_mins(2);

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when the peer accepts no data for [`TIMEOUT`]. Idle connections do not time
/// out, and a timer exists only while a write is pending.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    pending: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, pending: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Applies the timeout to the result of a write.
    fn check_timeout(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.pending = None;
            return written;
        }
        ready!(self.pending.get_or_insert_with(|| Box::pin(sleep(TIMEOUT))).as_mut().poll(context));
        self.pending = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check_timeout(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.check_timeout(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stalled_client_times_out_after_exactly_the_timeout() {
        let (local, _remote) = tokio::io::duplex(4);
        let started = Instant::now();
        let written = WriteTimeout::new(local).write_all(b"more than fits").await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_keeps_reading_does_not_time_out() {
        let (local, mut remote) = tokio::io::duplex(1);
        let mut local = WriteTimeout::new(local);
        let reading = async {
            for _ in 0..5 {
                sleep(TIMEOUT * 9 / 10).await;
                remote.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(local.write_all(b"words"), reading);
        written.unwrap();
    }
}
