//! Lingering close: lets the client read the response before the connection is closed.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Maximum number of bytes to discard.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Maximum time to discard for.
const LIMIT: Duration = Duration::from_secs(3);

/// Shuts down the write side, then discards incoming data until the client closes or a limit is reached.
///
/// A request may be rejected before its body has been read. Closing immediately would send a TCP reset for the rest of the body, and the
/// client's kernel would then discard the response it has already received.
pub(super) async fn close(mut stream: TcpStream) {
    let closing = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(MAX_BYTES), &mut tokio::io::sink()).await
    };
    // Errors do not matter: the connection is being closed anyway.
    let _ = tokio::time::timeout(LIMIT, closing).await;
}
