//! The frames of streams: server-sent events whose data is one line of JSON.

use serde::Serialize;

use crate::types::escape_line_breaks;

/// Keeps an idle connection open, and detects clients that have disconnected.
pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The last frame.
pub(super) const LAST: &[u8] = b"data: [DONE]\n\n";

/// Writes a server-sent event without a name. JSON escapes line breaks, so the data is one line.
pub(super) fn write_frame(data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    let from = out.len();
    serde_json::to_writer(&mut *out, data).expect("writing text to memory cannot fail");
    escape_line_breaks(out, from);
    out.extend_from_slice(b"\n\n");
}
