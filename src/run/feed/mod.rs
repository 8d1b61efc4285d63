//! Which runs have changed, told to whoever keeps a list of them.
//!
//! ```text
//! driver, manager ── this run has changed ──▶ Changes (numbers and ids) ── wake ──▶ Feed ── reads the run as it now stands ──▶ HTTP
//! ```
//!
//! What is remembered of a change is that there was one. A reader that wakes reads the run itself, so it always tells the newest, several
//! changes of one run may come as one, and a slow reader costs its cursor and no more.

mod changes;
mod cursor;
mod reader;

pub(super) use changes::{ChangeNotifier, Changes};
pub use cursor::{BadCursor, FeedCursor};
pub use reader::{Feed, FeedEvent, FeedItem};
