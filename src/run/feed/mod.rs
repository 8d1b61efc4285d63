//! The feed of run changes, for clients that show a list of runs.
//!
//! ```text
//! driver, manager ── run changed ──▶ Changes (numbers and ids) ── wake ──▶ Feed ── reads the run's current state ──▶ HTTP
//! ```
//!
//! [`Changes`] records that a run changed, not what it changed to. A reader that wakes up reads the run itself, so it always reports the
//! newest state, several changes of one run may be reported as one, and a slow reader costs no more than its cursor.

mod changes;
mod cursor;
mod reader;

pub(super) use changes::{ChangeNotifier, Changes};
pub use cursor::{BadCursor, FeedCursor};
pub(super) use reader::RunSource;
pub use reader::{Feed, FeedEvent, FeedItem};
