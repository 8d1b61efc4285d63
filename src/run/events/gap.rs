//! Notices for one reader about events that it does not receive. They are not part of the log, so they have neither number nor time and do
//! not change a client's `Last-Event-ID`.

use bytes::Bytes;
use serde_json::json;

use crate::run::store::DamagedChunk;
use crate::types::{Level, NoticeCode, StreamEvent};

/// The notice for a cursor ahead of the log (rule W2).
pub(super) fn cursor_ahead(after: u64, last: u64) -> Bytes {
    notice(after, last + 1, format!("cursor {after} is ahead of the log, which ends at {last}; continuing with event {}", last + 1))
}

/// The notice for events that retention removed.
pub(super) fn trimmed(after: u64, next: u64) -> Bytes {
    notice(after, next, format!("events {} to {} were removed by retention; continuing with event {next}", after + 1, next - 1))
}

/// The notice for events that are damaged or lost.
pub(super) fn damaged(damaged: &DamagedChunk) -> Bytes {
    let DamagedChunk { first, last, .. } = damaged;
    let next = last.next().get();
    notice(first.get() - 1, next, format!("events {first} to {last} are damaged and cannot be read; continuing with event {next}"))
}

/// The notice for a damaged end of a log, of which `done` is restored from the run's row.
pub(super) fn damaged_end(damaged: &DamagedChunk) -> Bytes {
    let DamagedChunk { first, last, .. } = damaged;
    let message = format!("events {first} to {last} are damaged and cannot be read; event {last} is restored from the record of the run");
    notice(first.get() - 1, last.get(), message)
}

fn notice(after: u64, next: u64, message: String) -> Bytes {
    let (level, code) = (Level::Warning, NoticeCode::Gap);
    let notice = StreamEvent::Notice { level, code, message, data: Some(json!({ "after": after, "next": next })) };
    let data = serde_json::to_string(&notice).unwrap_or_default();
    format!("event: notice\ndata: {data}\n\n").into()
}
