//! Moves the content of a store from SQLite to PostgreSQL and back, all or nothing, and verifies the result.
//!
//! Both stores have the same tables with the same columns, as [`tables`] lists them, except that PostgreSQL keeps the part of a run's row that
//! changes with each event in a table of its own. What the stores derive from other tables (quotas, the index of searches) they derive anew.

mod sqlite_side;
mod tables;

use std::path::Path;

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, IsolationLevel, Row};

use self::sqlite_side::{insert, read_batches};
use self::tables::{Cell, Kind, TABLES, Table};
use super::connection::{check, migrate, require_server_lock};
use super::connector::Connector;
use super::session::{Lifetime, prepare};
use super::sql::rows_without_limit as rows;
use super::sql_error::SqlError;
use super::value::{Blob, Value, values};
use crate::run::store::ConnectError;
use crate::run::store::RestoreError;
use crate::run::store::sqlite::{Draft, Source};

/// Number of rows, and approximate number of bytes, that are moved at once.
const BATCH: (usize, usize) = (500, 4 * 1024 * 1024);

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferSummary {
    /// Number of rows of all tables.
    pub rows: u64,
    /// Number of runs.
    pub runs: u64,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table whose rows were moved last.
    pub table: &'static str,
    /// Number of its rows so far.
    pub rows: u64,
}

/// Why nothing was moved. Both stores are unchanged.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database in PostgreSQL cannot be used.
    #[error(transparent)]
    Postgres(#[from] ConnectError),
    /// The database in the data directory cannot be used.
    #[error(transparent)]
    Sqlite(#[from] RestoreError),
    /// The target is not empty.
    #[error("the database already has content; create an empty one, or drop it: DROP SCHEMA public CASCADE; CREATE SCHEMA public")]
    NotEmpty,
    /// What was written differs from what was read.
    #[error("verification failed: {table} has {found} rows instead of {expected}, or other content; nothing was moved")]
    Unequal {
        /// The table.
        table: &'static str,
        /// Number of rows that were read.
        expected: u64,
        /// Number of rows that were found after writing.
        found: u64,
    },
}

impl From<tokio_postgres::Error> for TransferError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

impl From<SqlError> for TransferError {
    fn from(error: SqlError) -> Self {
        Self::Postgres(error.into())
    }
}

impl From<rusqlite::Error> for TransferError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

/// Count and checksum of the rows of a table, in the order of their keys.
#[derive(Clone, Debug, Default)]
struct Fingerprint {
    rows: u64,
    hash: Sha256,
}

impl Fingerprint {
    fn add(&mut self, row: &[Cell]) {
        self.rows += 1;
        for cell in row {
            cell.hash(&mut self.hash);
        }
    }

    fn add_all(&mut self, rows: &[Vec<Cell>]) {
        for row in rows {
            self.add(row);
        }
    }

    fn require(self, table: &Table, expected: Self) -> Result<(), TransferError> {
        if (self.rows, self.hash.finalize()) == (expected.rows, expected.hash.finalize()) {
            return Ok(());
        }
        Err(TransferError::Unequal { table: table.name, expected: expected.rows, found: self.rows })
    }
}

/// Copies the database of `data_dir` to the empty database with this URL. No server may use either.
///
/// # Errors
/// [`TransferError`], by cause. The target is empty then.
pub async fn transfer_from_sqlite(
    data_dir: &Path,
    url: &str,
    mut progress: impl FnMut(Progress),
) -> Result<TransferSummary, TransferError> {
    let source = Source::open(data_dir)?;
    let mut client = open(url).await?;
    let transaction = client.transaction().await?;
    let target = transaction.client();
    for table in TABLES {
        if !table.is_preset && !rows(target, &format!("SELECT 1 FROM {} LIMIT 1", table.name), &[]).await?.is_empty() {
            return Err(TransferError::NotEmpty);
        }
    }
    let (mut summary, mut read) = (TransferSummary::default(), Vec::new());
    for table in TABLES {
        let mut fingerprint = Fingerprint::default();
        if table.is_preset {
            rows(target, &format!("DELETE FROM {}", table.name), &[]).await?;
        }
        let mut batches = read_batches(&source.connection, table)?;
        while let Some(batch) = batches.next_batch(BATCH)? {
            fingerprint.add_all(&batch);
            write_batch(target, table, &batch).await?;
            progress(Progress { table: table.name, rows: fingerprint.rows });
        }
        summary.rows += fingerprint.rows;
        if table.name == "runs" {
            summary.runs = fingerprint.rows;
        }
        read.push(fingerprint);
    }
    finish_postgres(target).await?;
    for (table, expected) in TABLES.iter().zip(read) {
        let mut found = Fingerprint::default();
        let mut cursor = Cursor::open(target, table).await?;
        while let Some(batch) = cursor.next_batch().await? {
            found.add_all(&batch);
        }
        found.require(table, expected)?;
    }
    transaction.commit().await?;
    Ok(summary)
}

/// Copies the database with this URL to the data directory `data_dir`, which must have no database. No server may use either.
///
/// # Errors
/// [`TransferError`], by cause. The directory has no database then.
pub async fn transfer_to_sqlite(url: &str, data_dir: &Path, mut progress: impl FnMut(Progress)) -> Result<TransferSummary, TransferError> {
    let mut client = open(url).await?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    let source = transaction.client();
    let draft = Draft::create(data_dir)?;
    draft.connection.execute_batch("BEGIN")?;
    let (mut summary, mut read) = (TransferSummary::default(), Vec::new());
    for table in TABLES {
        if table.is_preset {
            sqlite_side::clear(&draft.connection, table)?;
        }
        let mut fingerprint = Fingerprint::default();
        let mut cursor = Cursor::open(source, table).await?;
        while let Some(batch) = cursor.next_batch().await? {
            for row in &batch {
                fingerprint.add(row);
                insert(&draft.connection, table, row)?;
            }
            progress(Progress { table: table.name, rows: fingerprint.rows });
        }
        summary.rows += fingerprint.rows;
        if table.name == "runs" {
            summary.runs = fingerprint.rows;
        }
        read.push(fingerprint);
    }
    draft.connection.execute_batch("INSERT INTO search_index (search_index) VALUES ('rebuild'); COMMIT")?;
    for (table, expected) in TABLES.iter().zip(read) {
        let mut found = Fingerprint::default();
        let mut batches = read_batches(&draft.connection, table)?;
        while let Some(batch) = batches.next_batch(BATCH)? {
            found.add_all(&batch);
        }
        found.require(table, expected)?;
    }
    draft.finish()?;
    Ok(summary)
}

/// Connects, with the schema of this release and the lock of a server.
async fn open(url: &str) -> Result<Client, TransferError> {
    let mut client = Connector::new(url)?.connect(Lifetime::Unlimited).await?;
    require_server_lock(&client).await?;
    check(&client).await?;
    migrate(&mut client).await?;
    prepare(&client, Lifetime::Unlimited).await?;
    Ok(client)
}

/// The rows of a table in PostgreSQL, in the order of their keys.
struct Cursor<'a> {
    client: &'a Client,
    table: &'a Table,
}

impl<'a> Cursor<'a> {
    async fn open(client: &'a Client, table: &'a Table) -> Result<Self, TransferError> {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| match kind {
                Kind::Bool => format!("{name}::int::bigint"),
                Kind::Text | Kind::Int | Kind::Blob => (*name).to_owned(),
            })
            .collect();
        let from = if table.name == "runs" {
            "(SELECT *, tip AS last_seq FROM runs JOIN run_leases USING (owner) WHERE run_id = id) AS r"
        } else {
            table.name
        };
        let sql = format!("DECLARE moved NO SCROLL CURSOR FOR SELECT {} FROM {from} ORDER BY {}", columns.join(", "), table.key);
        client.batch_execute(&sql).await?;
        Ok(Self { client, table })
    }

    /// The next rows; `None` and the end of the cursor after the last one.
    async fn next_batch(&mut self) -> Result<Option<Vec<Vec<Cell>>>, TransferError> {
        // Bodies of events and attachments can be large.
        let count = if self.table.columns.iter().any(|(_, kind)| *kind == Kind::Blob) { 16 } else { BATCH.0 };
        let batch = rows(self.client, &format!("FETCH {count} FROM moved"), &[]).await?;
        if batch.is_empty() {
            self.client.batch_execute("CLOSE moved").await?;
            return Ok(None);
        }
        let decoded: Result<Vec<Vec<Cell>>, tokio_postgres::Error> = batch.iter().map(|row| decode(row, self.table)).collect();
        Ok(Some(decoded?))
    }
}

fn decode(row: &Row, table: &Table) -> Result<Vec<Cell>, tokio_postgres::Error> {
    let cell = |(column, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Text => row.try_get::<_, Option<String>>(column)?.map(Cell::Text),
            Kind::Int | Kind::Bool => row.try_get::<_, Option<i64>>(column)?.map(Cell::Int),
            Kind::Blob => row.try_get::<_, Option<Vec<u8>>>(column)?.map(|bytes| Cell::Blob(bytes.into())),
        }
        .unwrap_or(Cell::Null))
    };
    table.columns.iter().enumerate().map(cell).collect()
}

async fn write_batch(client: &Client, table: &Table, batch: &[Vec<Cell>]) -> Result<(), TransferError> {
    let mut arrays: Vec<Value> = table.columns.iter().enumerate().map(|(column, (_, kind))| array(batch, column, *kind)).collect();
    let names: Vec<String> = table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let types = table.columns.iter().enumerate().map(|(column, (_, kind))| format!("${}::{}[]", column + 1, kind.sql_type()));
    let from = format!("unnest({}) AS u ({})", types.collect::<Vec<_>>().join(", "), names.join(", "));
    let select = |(name, kind): &(&str, Kind)| match kind {
        Kind::Bool => format!("u.\"{name}\" <> 0"),
        Kind::Text | Kind::Int | Kind::Blob => format!("u.\"{name}\""),
    };
    if table.name != "runs" {
        let values: Vec<String> = table.columns.iter().map(select).collect();
        rows(client, &format!("INSERT INTO {} ({}) SELECT {} FROM {from}", table.name, names.join(", "), values.join(", ")), &arrays)
            .await?;
        return Ok(());
    }
    // One statement each; what the request holds is stored in columns of its own.
    let spec = table.columns.iter().position(|(name, _)| *name == "spec").unwrap_or_default();
    let specs: Vec<tables::SpecParts> = batch.iter().map(|row| tables::SpecParts::of(&row[spec])).collect();
    arrays.push(specs.iter().map(|parts| parts.model.clone()).collect::<Vec<_>>().into());
    arrays.push(specs.iter().map(|parts| parts.labels.join("\n")).collect::<Vec<_>>().into());
    let count = table.columns.len();
    let (in_lease, in_run): (Vec<_>, Vec<_>) = table.columns.iter().partition(|(name, _)| tables::IN_LEASE.contains(name));
    let run_names: Vec<&str> = in_run.iter().map(|(name, _)| *name).collect();
    let run_values: Vec<String> = in_run.iter().map(select).collect();
    let types = table.columns.iter().enumerate().map(|(column, (_, kind))| format!("${}::{}[]", column + 1, kind.sql_type()));
    let from = format!(
        "unnest({}, ${}::text[], ${}::text[]) AS u ({}, requested_model, labels)",
        types.collect::<Vec<_>>().join(", "),
        count + 1,
        count + 2,
        names.join(", ")
    );
    let sql = format!(
        "INSERT INTO runs ({}, requested_model, labels) SELECT {}, u.requested_model, string_to_array(u.labels, E'\\n') FROM {from}",
        run_names.join(", "),
        run_values.join(", ")
    );
    rows(client, &sql, &arrays).await?;
    let lease_names: Vec<&str> = in_lease.iter().map(|(name, _)| if *name == "last_seq" { "tip" } else { *name }).collect();
    let lease_values: Vec<String> = in_lease.iter().map(select).collect();
    let sql = format!(
        "INSERT INTO run_leases (run_id, owner, ended, {}) SELECT u.id, u.owner, u.ended_at IS NOT NULL, {} FROM {from}",
        lease_names.join(", "),
        lease_values.join(", ")
    );
    rows(client, &sql, &arrays).await?;
    Ok(())
}

/// A column of all rows.
fn array(batch: &[Vec<Cell>], column: usize, kind: Kind) -> Value {
    let cells = batch.iter().map(|row| &row[column]);
    match kind {
        Kind::Text => Value::Texts(cells.map(|cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None }).collect()),
        Kind::Int | Kind::Bool => Value::Ints(cells.map(|cell| if let Cell::Int(number) = cell { Some(*number) } else { None }).collect()),
        Kind::Blob => {
            Value::NullableBlobs(cells.map(|cell| if let Cell::Blob(bytes) = cell { Some(Blob(bytes.clone())) } else { None }).collect())
        }
    }
}

/// Brings what depends on the rows up to date.
async fn finish_postgres(client: &Client) -> Result<(), TransferError> {
    for table in ["audit", "search_texts", "webhooks", "webhook_deliveries"] {
        let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 0) + 1, false) FROM {table}");
        rows(client, &sql, &values![]).await?;
    }
    let sql = "UPDATE deleted_runs d SET stored_bytes = (SELECT coalesce(sum(octet_length(body)), 0) FROM event_chunks c WHERE c.run_id = d.run_id)";
    rows(client, sql, &values![]).await?;
    Ok(())
}
