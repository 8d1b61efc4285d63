//! Closing a connection so that the client gets to read the answer.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Most that is thrown away of what a client still sends.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How long that may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Ends our side, then throws away what the client is still sending, until it has finished or a limit is reached.
///
/// A request can be refused before its body was read. Closing at once would answer the rest of the body with a reset, and a reset makes
/// the client's system throw away the refusal that it had already received.
pub(super) async fn close(mut stream: TcpStream) {
    let closing = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(MAX_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it went well is of no use to anyone: the connection is over.
    let _ = tokio::time::timeout(LIMIT, closing).await;
}
