//! A connection whose other end is waited for only so long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take nothing of what is sent to it. One that is alive comes again and goes on with the event that it has not
/// seen; of one that has vanished without a word, a machine that was switched off, this is the only sign while there is much to send.
pub(super) const LIMIT: Duration = Duration::from_mins(2);

/// A stream that breaks with [`io::ErrorKind::TimedOut`] when its other end takes nothing for [`LIMIT`]. A connection that has nothing to
/// send is not measured, and one that is not held up has no timer.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    held_up: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, held_up: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// What a write has come to, given how far its time has.
    fn in_time(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.held_up = None;
            return written;
        }
        ready!(self.held_up.get_or_insert_with(|| Box::pin(sleep(LIMIT))).as_mut().poll(context));
        self.held_up = None;
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
        self.in_time(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.in_time(context, written)
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
    async fn a_client_that_takes_nothing_is_given_up_after_the_limit_and_not_before() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let began = Instant::now();
        let written = WriteTimeout::new(ours).write_all(b"more than fits").await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow_is_waited_for_however_long_all_of_it_takes() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut ours = WriteTimeout::new(ours);
        let reading = async {
            for _ in 0..5 {
                sleep(LIMIT * 9 / 10).await;
                theirs.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(b"words"), reading);
        written.unwrap();
    }
}
