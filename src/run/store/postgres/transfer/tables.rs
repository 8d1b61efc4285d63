//! The tables that both stores have.

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::run_filter::label;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    /// 0 or 1 in SQLite.
    Bool,
    Blob,
}

impl Kind {
    /// The type in which values of the column are sent to PostgreSQL.
    pub(super) fn sql_type(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int | Self::Bool => "bigint",
            Self::Blob => "bytea",
        }
    }
}

/// A table of both stores.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// The columns by which its rows have the same order in both stores.
    pub(super) key: &'static str,
    /// Whether a new store has a row in it already.
    pub(super) is_preset: bool,
}

use Kind::{Blob, Bool, Int, Text};

const fn table(name: &'static str, key: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, columns, key, is_preset: false }
}

/// The columns of SQLite's `runs` that PostgreSQL has in `run_leases`.
pub(super) const IN_LEASE: [&str; 7] = ["node_id", "epoch", "last_seq", "stored_bytes", "output_bytes", "checkpoint", "withheld"];

/// The tables, each after those that it refers to. Not among them: `quota_use`, which triggers keep.
pub(super) const TABLES: &[Table] = &[
    table(
        "users",
        "id",
        &[
            ("id", Text),
            ("name", Text),
            ("role", Text),
            ("password_hash", Text),
            ("default_password", Bool),
            ("generation", Int),
            ("tokens_per_day", Int),
            ("cost_per_day_micros", Int),
            ("tokens_per_run", Int),
            ("cost_per_run_micros", Int),
            ("turns_per_run", Int),
            ("quota_stored_bytes", Int),
            ("quota_workspace_bytes", Int),
            ("quota_runs", Int),
            ("quota_sessions", Int),
            ("quota_keys", Int),
        ],
    ),
    table("former_users", "id", &[("id", Text), ("name", Text)]),
    table("revoked_tokens", "id", &[("id", Text), ("expires_at", Int)]),
    table(
        "api_keys",
        "id",
        &[
            ("id", Text),
            ("owner", Text),
            ("name", Text),
            ("hash", Blob),
            ("scopes", Text),
            ("created_at", Int),
            ("expires_at", Int),
            ("last_used_at", Int),
            ("defaults", Text),
        ],
    ),
    table("profiles", "name", &[("name", Text), ("spec", Text), ("updated_at", Int)]),
    table(
        "audit",
        "id",
        &[
            ("id", Int),
            ("created_at", Int),
            ("user_id", Text),
            ("username", Text),
            ("key_id", Text),
            ("address", Text),
            ("action", Text),
            ("outcome", Text),
            ("run_id", Text),
            ("target_user_id", Text),
            ("target_username", Text),
            ("target_key_id", Text),
            ("detail", Text),
        ],
    ),
    Table { is_preset: true, ..table("audit_retention", "removable_before", &[("removable_before", Int)]) },
    // Leases name the node.
    Table { is_preset: true, ..table("nodes", "id", &[("id", Text), ("created_at", Int)]) },
    table(
        "sessions",
        "id",
        &[
            ("id", Text),
            ("owner", Text),
            ("agent_type", Text),
            ("working_dir", Text),
            ("agent_session", Text),
            ("title", Text),
            ("first_run", Text),
            ("created_at", Int),
            ("workspace_bytes", Int),
            ("unmeasured", Int),
            ("workspace_kept_until", Int),
            ("chat", Blob),
        ],
    ),
    table(
        "runs",
        "id",
        &[
            ("id", Text),
            ("session_id", Text),
            ("owner", Text),
            ("agent_type", Text),
            ("model", Text),
            ("status", Text),
            ("spec", Text),
            ("widened", Text),
            ("node_id", Text),
            ("epoch", Int),
            ("created_at", Int),
            ("launched_at", Int),
            ("waits_until", Int),
            ("started_at", Int),
            ("ended_at", Int),
            ("last_seq", Int),
            ("stored_bytes", Int),
            ("output_bytes", Int),
            ("output_kept", Bool),
            ("checkpoint", Text),
            ("withheld", Text),
            ("done", Text),
            ("trimmed_to", Int),
            ("trimmed_at", Int),
        ],
    ),
    table("event_chunks", "run_id, first_seq", &[("run_id", Text), ("first_seq", Int), ("last_seq", Int), ("crc32", Int), ("body", Blob)]),
    table("attachments", "run_id, message, position", &[("run_id", Text), ("message", Int), ("position", Int), ("content", Blob)]),
    table("run_changes", "run_id", &[("run_id", Text), ("record", Text), ("patch", Blob)]),
    table("search_texts", "id", &[("id", Int), ("run_id", Text), ("owner", Text), ("text", Text)]),
    table("idempotency", "owner, key", &[("owner", Text), ("key", Text), ("fingerprint", Blob), ("run_id", Text), ("created_at", Int)]),
    table("deleted_runs", "run_id", &[("run_id", Text)]),
    table("pending_removals", "run_id", &[("run_id", Text), ("workspace", Bool)]),
    table("orphans", "run_id", &[("run_id", Text)]),
    table(
        "usage",
        "run_id, day",
        &[
            ("run_id", Text),
            ("day", Text),
            ("session_id", Text),
            ("owner", Text),
            ("agent_type", Text),
            ("model", Text),
            ("completed", Int),
            ("failed", Int),
            ("cancelled", Int),
            ("timed_out", Int),
            ("interrupted", Int),
            ("unpriced", Int),
            ("input_tokens", Int),
            ("output_tokens", Int),
            ("cache_read_tokens", Int),
            ("cache_write_tokens", Int),
            ("reasoning_tokens", Int),
            ("cost_micros", Int),
            ("is_estimate", Bool),
        ],
    ),
    table(
        "usage_by_day",
        "owner, day, agent_type, model",
        &[
            ("day", Text),
            ("owner", Text),
            ("agent_type", Text),
            ("model", Text),
            ("completed", Int),
            ("failed", Int),
            ("cancelled", Int),
            ("timed_out", Int),
            ("interrupted", Int),
            ("unpriced", Int),
            ("input_tokens", Int),
            ("output_tokens", Int),
            ("cache_read_tokens", Int),
            ("cache_write_tokens", Int),
            ("reasoning_tokens", Int),
            ("cost_micros", Int),
            ("is_estimate", Bool),
        ],
    ),
    table(
        "webhooks",
        "id",
        &[
            ("id", Int),
            ("run_id", Text),
            ("url", Text),
            ("secret", Text),
            ("events", Text),
            ("status", Text),
            ("cursor", Int),
            ("attempts", Int),
            ("next_attempt_at", Int),
        ],
    ),
    table(
        "webhook_deliveries",
        "id",
        &[
            ("id", Int),
            ("webhook_id", Int),
            ("message_id", Text),
            ("seq", Int),
            ("event", Text),
            ("host", Text),
            ("status", Text),
            ("attempts", Int),
            ("http_status", Int),
            ("error", Text),
            ("last_attempt_at", Int),
            ("next_attempt_at", Int),
        ],
    ),
];

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Bytes),
}

impl Cell {
    /// Adds the value to a checksum, so that no two rows have the same bytes.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Int(number) => {
                hash.update([1]);
                hash.update(number.to_le_bytes());
                return;
            }
            Self::Text(text) => (2, text.as_bytes()),
            Self::Blob(bytes) => (3, bytes),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }

    /// Approximate size in memory.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

/// What PostgreSQL stores of a run's request in columns of its own.
pub(super) struct SpecParts {
    pub(super) model: Option<String>,
    pub(super) labels: Vec<String>,
}

impl SpecParts {
    /// A damaged request has no labels.
    pub(super) fn of(spec: &Cell) -> Self {
        let Cell::Text(spec) = spec else { return Self { model: None, labels: Vec::new() } };
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        let labels = spec["labels"].as_object().into_iter().flatten();
        let labels = labels.filter_map(|(name, value)| Some(label(name, value.as_str()?))).collect();
        Self { model: spec["model"].as_str().map(str::to_owned), labels }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::run::store::SqliteStore;

    #[test]
    fn every_column_of_a_database_in_a_data_directory_is_moved() {
        let directory = tempfile::tempdir().unwrap();
        drop(SqliteStore::open(directory.path()).unwrap());
        let connection = rusqlite::Connection::open(directory.path().join("openrunner.db")).unwrap();
        let sql = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'";
        let mut statement = connection.prepare(sql).unwrap();
        let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap() {
            let (table, column): (String, String) = row.unwrap();
            stored.entry(table).or_default().push(column);
        }
        // What the target derives, what belongs to the schema, and the keys of tables with one row.
        stored.retain(|table, _| !["quota_use", "refinery_schema_history"].contains(&table.as_str()));
        stored.retain(|table, _| !table.starts_with("search_index") && !table.starts_with("sqlite_"));
        let mut moved: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for table in TABLES {
            moved.insert(table.name.to_owned(), table.columns.iter().map(|(name, _)| (*name).to_owned()).collect());
        }
        for columns in stored.values_mut().chain(moved.values_mut()) {
            columns.retain(|column| column != "one_row");
            columns.sort();
        }
        assert_eq!(moved, stored);
    }
}
