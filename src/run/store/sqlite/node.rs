//! The identity of the node that a database belongs to.

use rusqlite::{Connection, OptionalExtension, Row};

use super::damage::Columns;
use crate::types::{Clock, NodeId, SystemClock};

/// The node of this database; a new one if it has none, or if its id is damaged. The unfinished runs of an earlier node can then still be
/// taken.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<NodeId> {
    let decode = |row: &Row<'_>| Ok(Columns::new("nodes", row).parse(0));
    match connection.query_row("SELECT id FROM nodes LIMIT 1", [], decode).optional()? {
        Some(Ok(node)) => Ok(node),
        Some(Err(error)) => {
            tracing::warn!(%error, "the node id is damaged; continuing as a new node");
            renew(connection)
        }
        None => renew(connection),
    }
}

/// Gives the database a new node.
pub(super) fn renew(connection: &Connection) -> rusqlite::Result<NodeId> {
    let node = NodeId::new();
    // One statement each, since a process that dies in between leaves no node, which is valid.
    connection.execute("DELETE FROM nodes", [])?;
    connection.execute("INSERT INTO nodes (id, created_at) VALUES (?1, ?2)", (node.to_string(), SystemClock.now().as_millis()))?;
    Ok(node)
}
